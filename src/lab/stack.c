/* Stacks at fixed addresses: lua_newstate mixes the address of one of its locals into the seed of its hashes, and Lua's cache of C strings
 * goes by their addresses, which may be on the stack. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lab/arena.h"
#include "lab/fixed.h"

void *fixed_reserve(uint64_t at, size_t bytes)
{
  void *wanted = (void *)(uintptr_t)at;
#ifdef MAP_FIXED_NOREPLACE
  void *got = mmap(wanted, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != wanted) {
    fprintf(stderr, "vortex-lua: cannot reserve %zu bytes of addresses at %p (is the address space limited, as by ulimit -v?)\n", bytes,
            wanted);
    abort();
  }
#else /* where it cannot be asked for, runs do not repeat in other processes */
  void *got = mmap(wanted, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (got == MAP_FAILED) {
    abort();
  }
#endif
  return got;
}

#ifdef __linux__

#include <ucontext.h>

#ifdef FIXED_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define GUARD_BYTES (UINT64_C(1) << 20)
#define STACK_BYTES (UINT64_C(8) << 20) /* each; only what is used costs memory */

/* A stack, and what is to run on it. */
struct stack {
  char *bottom; /* NULL: not reserved yet */
  ucontext_t back;
  void (*fn)(void *arg);
  void *arg;
  bool left; /* for it, or back from it */
#ifdef FIXED_ASAN
  const void *old_bottom;
  size_t old_size;
#endif
};

/* One for creating Lua states, so that their seeds do not depend on who asks for them; one for everything else. */
static struct stack stacks[2];
static struct stack *entered; /* what enter() is to run */

static void enter(void)
{
  struct stack *s = entered;
#ifdef FIXED_ASAN
  __sanitizer_finish_switch_fiber(NULL, &s->old_bottom, &s->old_size);
#endif
  s->fn(s->arg);
#ifdef FIXED_ASAN
  __sanitizer_start_switch_fiber(NULL, s->old_bottom, s->old_size);
#endif
} /* goes on behind getcontext() in run_on */

/* By getcontext and setcontext instead of swapcontext, which AddressSanitizer warns of although all is well. */
static void run_on(struct stack *s, void (*fn)(void *arg), void *arg)
{
  if (s->bottom == NULL) {
    uint64_t at = FIXED_STACKS + (uint64_t)(s - stacks) * (GUARD_BYTES + STACK_BYTES);
    s->bottom = (char *)fixed_reserve(at, GUARD_BYTES + STACK_BYTES) + GUARD_BYTES;
    if (mprotect(s->bottom, STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
      abort();
    }
  }
  ucontext_t there;
  s->fn = fn;
  s->arg = arg;
  s->left = false;
#ifdef FIXED_ASAN
  void *volatile fake = NULL;
#endif
  if (getcontext(&s->back) != 0) {
    abort();
  }
  if (!s->left) {
    s->left = true;
    entered = s;
    there = s->back;
    there.uc_stack.ss_sp = s->bottom;
    there.uc_stack.ss_size = STACK_BYTES;
    there.uc_link = &s->back;
    makecontext(&there, enter, 0);
#ifdef FIXED_ASAN
    __sanitizer_start_switch_fiber((void **)(uintptr_t)&fake, s->bottom, STACK_BYTES);
#endif
    setcontext(&there);
    abort();
  }
#ifdef FIXED_ASAN
  __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

#else

static char stacks[2];

static void run_on(char *s, void (*fn)(void *arg), void *arg)
{
  (void)s;
  fn(arg);
}

#endif

void arena_call(void (*fn)(void *arg), void *arg)
{
  run_on(&stacks[0], fn, arg);
}

struct creation {
  lua_Alloc f;
  void *ud;
  lua_State *L;
};

static void create(void *arg)
{
  struct creation *c = arg;
  c->L = lua_newstate(c->f, c->ud);
}

lua_State *arena_newstate(lua_Alloc f, void *ud)
{
  struct creation c = {f, ud, NULL};
  run_on(&stacks[1], create, &c);
  return c.L;
}
