/* Which of another node's numbered messages have been taken, so that none is taken twice when the network repeats one: a sliding window
 * over its numbers, as in RFC 4303, section 3.4.3. Private to node.
 *
 * The other node counts from 1 and names its start by a random number, since it counts anew when it starts anew. */
#ifndef VORTEX_NODE_WINDOW_H
#define VORTEX_NODE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_NUMBERS 4096 /* a message that comes later than so many others is taken for a repetition */

struct window {
  int64_t start;    /* of the numbers that are remembered; 0 = none yet */
  int64_t previous; /* start: what is still under way from then is dropped */
  int64_t highest;
  uint64_t taken[WINDOW_NUMBERS / 64]; /* bit n % WINDOW_NUMBERS: number n, of the last WINDOW_NUMBERS up to highest */
};

/* Takes a message; false if it was taken before, or may have been. start != 0, number > 0. */
bool window_take(struct window *w, int64_t start, int64_t number);

#endif
