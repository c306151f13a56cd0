/* The clock that Lua's libraries see. Lua takes hash seeds (lua_newstate, math.randomseed) and table.sort's pivots from time() and clock().
 * Where the linker can wrap these two (CMakeLists.txt), every call in the executable comes here; not frozen, it goes on to libc. */
#include <stdbool.h>
#include <time.h>

#include "script/internal.h"

static bool frozen;
static uint32_t frozen_value;
static bool held;

void script_freeze_clock(uint32_t value)
{
  frozen = true;
  frozen_value = value;
}

void script_hold_clock(bool hold)
{
  held = hold;
}

#ifdef VORTEX_WRAPS_CLOCK

/* The linker's names for what is wrapped and for what stands in its place. */
time_t real_time(time_t *out) __asm__("__real_time");
clock_t real_clock(void) __asm__("__real_clock");
time_t script_time(time_t *out) __asm__("__wrap_time");
clock_t script_clock(void) __asm__("__wrap_clock");

time_t script_time(time_t *out)
{
  time_t now = held ? 0 : frozen ? (time_t)frozen_value : real_time(NULL);
  if (out != NULL) {
    *out = now;
  }
  return now;
}

clock_t script_clock(void)
{
  return held ? 0 : frozen ? (clock_t)frozen_value : real_clock();
}

#endif
