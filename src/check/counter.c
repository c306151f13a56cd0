#include "check/counter.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"

void counter_init(struct counter *c)
{
  *c = (struct counter){.range_count = 1};
  c->ranges = memory_zeroed(1, sizeof *c->ranges);
}

void counter_free(struct counter *c)
{
  free(c->ranges);
  *c = (struct counter){0};
}

/* Appends a range that begins no earlier than the last one does. */
static void append(struct counter_range *ranges, size_t *len, struct counter_range r)
{
  struct counter_range *last = *len == 0 ? NULL : &ranges[*len - 1];
  assert(last == NULL || last->low <= r.low);
  if (last == NULL || r.low > last->high + 1) {
    ranges[(*len)++] = r;
  } else if (r.high > last->high) {
    last->high = r.high;
  }
}

static void join_neighbours(struct counter *c)
{
  size_t len = 0;
  for (size_t i = 0; i < c->range_count; i += 2) {
    size_t end = i + 1 < c->range_count ? i + 1 : i;
    c->ranges[len++] = (struct counter_range){.low = c->ranges[i].low, .high = c->ranges[end].high};
  }
  c->range_count = len;
  c->is_inexact = true;
}

/* Joins the ranges with themselves moved by delta: both are ascending, so one pass merges them. */
static void spread(struct counter *c, int64_t delta)
{
  size_t n = c->range_count;
  struct counter_range *merged = memory_zeroed(2 * n, sizeof *merged);
  size_t len = 0;
  for (size_t stay = 0, move = 0; stay < n || move < n;) {
    if (move == n || (stay < n && c->ranges[stay].low <= c->ranges[move].low + delta)) {
      append(merged, &len, c->ranges[stay++]);
    } else {
      append(merged, &len, (struct counter_range){.low = c->ranges[move].low + delta, .high = c->ranges[move].high + delta});
      move++;
    }
  }
  free(c->ranges);
  c->ranges = merged;
  c->range_count = len;
  if (len > COUNTER_RANGES_MAX) {
    join_neighbours(c);
  }
}

int counter_add(struct counter *c, int64_t delta, bool is_sure)
{
  uint64_t size = delta < 0 ? 0 - (uint64_t)delta : (uint64_t)delta;
  /* One less than the limit of int64_t, since a range's neighbour is computed. */
  if (size > (uint64_t)INT64_MAX - 1 - c->magnitude) {
    return ERROR_TOO_LARGE;
  }
  c->magnitude += size;
  if (is_sure) {
    c->sure += delta;
  } else if (delta != 0) {
    spread(c, delta);
  }
  return 0;
}

enum counter_answer counter_allows(const struct counter *c, int64_t value)
{
  size_t low = 0;
  size_t high = c->range_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    struct counter_range r = counter_range(c, middle);
    if (value < r.low) {
      high = middle;
    } else if (value > r.high) {
      low = middle + 1;
    } else {
      return c->is_inexact ? COUNTER_UNKNOWN : COUNTER_POSSIBLE;
    }
  }
  return COUNTER_IMPOSSIBLE;
}

struct counter_range counter_range(const struct counter *c, size_t i)
{
  assert(i < c->range_count);
  return (struct counter_range){.low = c->ranges[i].low + c->sure, .high = c->ranges[i].high + c->sure};
}
