#include "node/window.h"

#include <string.h>

static uint64_t bit(int64_t number)
{
  return UINT64_C(1) << number % 64;
}

static uint64_t *word(struct window *w, int64_t number)
{
  return &w->taken[number % WINDOW_NUMBERS / 64];
}

/* Makes `number` the highest; forgets what leaves the window. */
static void slide(struct window *w, int64_t number)
{
  if (number - w->highest >= WINDOW_NUMBERS) {
    memset(w->taken, 0, sizeof w->taken);
  } else {
    for (int64_t i = number - w->highest; i > 0; i--) {
      *word(w, w->highest + i) &= ~bit(w->highest + i);
    }
  }
  w->highest = number;
}

bool window_take(struct window *w, int64_t start, int64_t number)
{
  if (start != w->start) {
    if (start == w->previous) {
      return false;
    }
    *w = (struct window){.start = start, .previous = w->start};
  }
  if (number > w->highest) {
    slide(w, number);
  } else if (w->highest - number >= WINDOW_NUMBERS || (*word(w, number) & bit(number)) != 0) {
    return false;
  }
  *word(w, number) |= bit(number);
  return true;
}
