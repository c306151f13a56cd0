#include "check/set_full.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

#define NS_PER_MS 1000000

/* A moment that may not have come: then its place is 0, and the others' places are counted from 1. */
struct mark {
  size_t place;
  int64_t time;
};

struct set_full_track {
  bool added; /* an add of it was invoked */
  bool acknowledged;
  bool is_phantom;
  uint32_t copies;    /* the most in one read */
  uint32_t last_read; /* the number of the last read that showed it, and how often that one did */
  uint32_t last_copies;
  struct mark known;
  struct mark last_present; /* invocations of reads */
  struct mark last_absent;
};

void set_full_init(struct set_full *s)
{
  *s = (struct set_full){0};
}

void set_full_free(struct set_full *s)
{
  free(s->tracks);
  *s = (struct set_full){0};
}

static struct mark mark_of(struct set_full_moment m)
{
  return (struct mark){.place = m.place + 1, .time = m.time};
}

static struct set_full_track *track_of(struct set_full *s, uint32_t element)
{
  if (element >= s->len) {
    size_t len = (size_t)element + 1;
    s->tracks = memory_grow(s->tracks, &s->cap, len, sizeof *s->tracks);
    memset(s->tracks + s->len, 0, (len - s->len) * sizeof *s->tracks);
    s->len = len;
  }
  return &s->tracks[element];
}

void set_full_add(struct set_full *s, uint32_t element)
{
  struct set_full_track *t = track_of(s, element);
  t->added = true;
  t->known = (struct mark){0};
  t->last_present = (struct mark){0};
  t->last_absent = (struct mark){0};
}

void set_full_added(struct set_full *s, uint32_t element, struct set_full_moment completed)
{
  struct set_full_track *t = track_of(s, element);
  assert(t->added);
  t->acknowledged = true;
  if (t->known.place == 0) {
    t->known = mark_of(completed);
  }
}

/* Notes which elements a read shows: their last_read is then its number. */
static void show(struct set_full *s, uint32_t element, uint32_t read)
{
  struct set_full_track *t = track_of(s, element);
  t->last_copies = t->last_read == read ? t->last_copies + 1 : 1;
  t->last_read = read;
  t->copies = t->last_copies > t->copies ? t->last_copies : t->copies;
  t->is_phantom = t->is_phantom || !t->added;
}

void set_full_read(struct set_full *s, struct set_full_moment invoked, struct set_full_moment completed, const uint32_t *elements,
                   size_t element_count)
{
  assert(s->read_count < UINT32_MAX);
  uint32_t read = ++s->read_count;
  for (size_t i = 0; i < element_count; i++) {
    show(s, elements[i], read);
  }
  struct mark invocation = mark_of(invoked);
  for (size_t i = 0; i < s->len; i++) {
    struct set_full_track *t = &s->tracks[i];
    if (!t->added) {
      continue;
    }
    bool is_present = t->last_read == read;
    if (is_present && t->known.place == 0) {
      t->known = mark_of(completed);
    }
    struct mark *last = is_present ? &t->last_present : &t->last_absent;
    if (last->place < invocation.place) {
      *last = invocation;
    }
  }
}

/* From when the element is known to just after `last`; 0 if there was no such moment, or it came before. */
static int64_t latency_ms(const struct set_full_track *t, const struct mark *last)
{
  int64_t end = last->place == 0 ? 0 : last->time + 1;
  return end > t->known.time ? (end - t->known.time) / NS_PER_MS : 0;
}

static struct set_full_element judge_track(const struct set_full_track *t)
{
  struct set_full_element e = {
      .outcome = t->added ? SET_FULL_NEVER_READ : SET_FULL_NOT_ADDED,
      .stable_latency_ms = -1,
      .lost_latency_ms = -1,
      .acknowledged = t->acknowledged,
      .is_phantom = t->is_phantom,
      .copies = t->copies,
  };
  if (!t->added) {
    return e;
  }
  if (t->last_present.place > t->last_absent.place) {
    e.outcome = SET_FULL_STABLE;
    e.stable_latency_ms = latency_ms(t, &t->last_absent);
    e.is_stale = e.stable_latency_ms > 0;
  } else if (t->known.place > 0 && t->last_absent.place > t->last_present.place && t->last_absent.place > t->known.place) {
    e.outcome = SET_FULL_LOST;
    e.lost_latency_ms = latency_ms(t, &t->last_present);
  }
  return e;
}

static void count(struct set_full_result *r, const struct set_full_element *e)
{
  r->attempt_count += e->outcome != SET_FULL_NOT_ADDED;
  r->acknowledged_count += e->acknowledged;
  r->stable_count += e->outcome == SET_FULL_STABLE;
  r->lost_count += e->outcome == SET_FULL_LOST;
  r->never_read_count += e->outcome == SET_FULL_NEVER_READ;
  r->stale_count += e->is_stale;
  r->phantom_count += e->is_phantom;
  r->duplicate_count += e->copies > 1;
}

void set_full_judge(const struct set_full *s, struct set_full_result *result)
{
  *result = (struct set_full_result){.element_count = s->len};
  result->elements = memory_zeroed(s->len, sizeof *result->elements);
  for (size_t i = 0; i < s->len; i++) {
    result->elements[i] = judge_track(&s->tracks[i]);
    count(result, &result->elements[i]);
  }
  result->verdict = result->lost_count > 0 ? SET_FULL_INVALID : result->stable_count == 0 ? SET_FULL_UNKNOWN : SET_FULL_VALID;
}

void set_full_result_free(struct set_full_result *result)
{
  free(result->elements);
  *result = (struct set_full_result){0};
}
