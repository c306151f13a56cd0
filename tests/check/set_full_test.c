#include "check/set_full.h"

#include <string.h>

#include "base/prng.h"
#include "check/quantile.h"
#include "cmocka_all.h"

#define MS INT64_C(1000000)

/* An event of a history in the form of these tests. */
enum kind {
  ADD,       /* element */
  ADDED,     /* element: its add succeeded */
  READ,      /* process */
  READ_DONE, /* process, what it showed */
};

struct event {
  enum kind kind;
  int64_t time_ms;
  uint32_t number;   /* an element or a process */
  const char *shown; /* elements as letters, 'a' is 0 */
};

static void tell(struct set_full *s, const struct event *events, size_t count)
{
  struct set_full_moment begun[8] = {0};
  for (size_t i = 0; i < count; i++) {
    const struct event *e = &events[i];
    struct set_full_moment now = {.place = i, .time = e->time_ms * MS};
    uint32_t shown[64];
    size_t shown_count = 0;
    switch (e->kind) {
    case ADD:
      set_full_add(s, e->number);
      break;
    case ADDED:
      set_full_added(s, e->number, now);
      break;
    case READ:
      begun[e->number] = now;
      break;
    case READ_DONE:
      for (const char *p = e->shown; *p != '\0'; p++) {
        shown[shown_count++] = (uint32_t)(*p - 'a');
      }
      set_full_read(s, begun[e->number], now, shown, shown_count);
      break;
    }
  }
}

static void judge(const struct event *events, size_t count, struct set_full_result *r)
{
  struct set_full s;
  set_full_init(&s);
  tell(&s, events, count);
  set_full_judge(&s, r);
  set_full_free(&s);
}

#define JUDGE(r, ...) judge((const struct event[]){__VA_ARGS__}, sizeof((const struct event[]){__VA_ARGS__}) / sizeof(struct event), (r))

static void an_element_that_stays_is_stable(void **state)
{
  (void)state;
  struct set_full_result r;
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0}, {READ, 2, 0, 0}, {READ_DONE, 3, 0, "a"});
  assert_int_equal(r.verdict, SET_FULL_VALID);
  assert_int_equal(r.attempt_count, 1);
  assert_int_equal(r.acknowledged_count, 1);
  assert_int_equal(r.stable_count, 1);
  assert_int_equal(r.stale_count, 0);
  assert_int_equal(r.elements[0].outcome, SET_FULL_STABLE);
  assert_int_equal(r.elements[0].stable_latency_ms, 0);
  assert_int_equal(r.elements[0].lost_latency_ms, -1);
  set_full_result_free(&r);
}

static void nothing_stable_is_unknown(void **state)
{
  (void)state;
  struct set_full_result r;
  judge(NULL, 0, &r);
  assert_int_equal(r.verdict, SET_FULL_UNKNOWN);
  set_full_result_free(&r);
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0});
  assert_int_equal(r.verdict, SET_FULL_UNKNOWN);
  assert_int_equal(r.never_read_count, 1);
  set_full_result_free(&r);
  /* Nobody knows that it was ever in the set: its absence means nothing. */
  JUDGE(&r, {ADD, 0, 0, 0}, {READ, 2, 0, 0}, {READ_DONE, 3, 0, ""});
  assert_int_equal(r.verdict, SET_FULL_UNKNOWN);
  assert_int_equal(r.never_read_count, 1);
  set_full_result_free(&r);
}

static void an_element_that_is_gone_is_lost(void **state)
{
  (void)state;
  struct set_full_result r;
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0}, {READ, 2, 0, 0}, {READ_DONE, 3, 0, ""});
  assert_int_equal(r.verdict, SET_FULL_INVALID);
  assert_int_equal(r.elements[0].outcome, SET_FULL_LOST);
  assert_int_equal(r.elements[0].lost_latency_ms, 0);
  assert_int_equal(r.elements[0].stable_latency_ms, -1);
  set_full_result_free(&r);
  /* Known by a read only, and seen until 50 ms. */
  JUDGE(&r, {ADD, 0, 0, 0}, {READ, 1, 0, 0}, {READ_DONE, 3, 0, "a"}, {READ, 50, 0, 0}, {READ_DONE, 51, 0, "a"}, {READ, 60, 0, 0},
        {READ_DONE, 61, 0, ""});
  assert_int_equal(r.verdict, SET_FULL_INVALID);
  assert_int_equal(r.lost_count, 1);
  assert_int_equal(r.acknowledged_count, 0);
  assert_int_equal(r.elements[0].lost_latency_ms, 47);
  set_full_result_free(&r);
}

static void reads_are_ordered_by_their_invocation(void **state)
{
  (void)state;
  struct set_full_result r;
  /* The read that does not show it ends last, but began before the one that does. */
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0}, {READ, 2, 0, 0}, {READ, 3, 1, 0}, {READ_DONE, 4, 1, "a"}, {READ_DONE, 9, 0, ""});
  assert_int_equal(r.verdict, SET_FULL_VALID);
  assert_int_equal(r.elements[0].stable_latency_ms, 1);
  assert_int_equal(r.stale_count, 1);
  set_full_result_free(&r);
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0}, {READ, 2, 1, 0}, {READ, 3, 0, 0}, {READ_DONE, 4, 1, "a"}, {READ_DONE, 9, 0, ""});
  assert_int_equal(r.verdict, SET_FULL_INVALID);
  set_full_result_free(&r);
  /* A read that was under way when the add completed may miss it. */
  JUDGE(&r, {ADD, 0, 0, 0}, {READ, 1, 0, 0}, {ADDED, 2, 0, 0}, {READ_DONE, 3, 0, ""});
  assert_int_equal(r.verdict, SET_FULL_UNKNOWN);
  assert_int_equal(r.never_read_count, 1);
  set_full_result_free(&r);
  /* A read that ended before the add began does not count. */
  JUDGE(&r, {READ, 0, 0, 0}, {READ_DONE, 1, 0, ""}, {ADD, 2, 0, 0}, {ADDED, 3, 0, 0}, {READ, 4, 0, 0}, {READ_DONE, 5, 0, "a"});
  assert_int_equal(r.verdict, SET_FULL_VALID);
  assert_int_equal(r.stale_count, 0);
  set_full_result_free(&r);
}

static void latencies_are_whole_milliseconds(void **state)
{
  (void)state;
  struct set_full s = {0};
  struct set_full_result r;
  set_full_add(&s, 0);
  set_full_added(&s, 0, (struct set_full_moment){.place = 1, .time = 10 * MS});
  set_full_read(&s, (struct set_full_moment){2, 12 * MS - 2}, (struct set_full_moment){3, 20 * MS}, NULL, 0);
  set_full_read(&s, (struct set_full_moment){4, 30 * MS}, (struct set_full_moment){5, 31 * MS}, (const uint32_t[]){0}, 1);
  set_full_judge(&s, &r);
  assert_int_equal(r.elements[0].stable_latency_ms, 1); /* until a nanosecond after the read began: 1.999999 ms */
  set_full_result_free(&r);
  set_full_read(&s, (struct set_full_moment){6, 32 * MS - 1}, (struct set_full_moment){7, 40 * MS}, NULL, 0);
  set_full_read(&s, (struct set_full_moment){8, 50 * MS}, (struct set_full_moment){9, 51 * MS}, (const uint32_t[]){0}, 1);
  set_full_judge(&s, &r);
  assert_int_equal(r.elements[0].stable_latency_ms, 22);
  set_full_result_free(&r);
  set_full_free(&s);
}

static void what_is_odd_is_counted_but_not_judged(void **state)
{
  (void)state;
  struct set_full_result r;
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0}, {READ, 2, 0, 0}, {READ_DONE, 3, 0, "aba"}, {ADD, 4, 2, 0}, {READ, 5, 0, 0},
        {READ_DONE, 6, 0, "aaac"});
  assert_int_equal(r.verdict, SET_FULL_VALID);
  assert_int_equal(r.element_count, 3);
  assert_int_equal(r.attempt_count, 2);
  assert_int_equal(r.phantom_count, 1);
  assert_true(r.elements[1].is_phantom);
  assert_int_equal(r.elements[1].outcome, SET_FULL_NOT_ADDED);
  assert_int_equal(r.duplicate_count, 1);
  assert_int_equal(r.elements[0].copies, 3);
  set_full_result_free(&r);
}

static void a_second_add_starts_anew(void **state)
{
  (void)state;
  struct set_full_result r;
  JUDGE(&r, {ADD, 0, 0, 0}, {ADDED, 1, 0, 0}, {READ, 2, 0, 0}, {READ_DONE, 3, 0, ""}, {ADD, 4, 0, 0});
  assert_int_equal(r.attempt_count, 1);
  assert_int_equal(r.lost_count, 0);
  assert_int_equal(r.never_read_count, 1);
  set_full_result_free(&r);
}

/* ---- against the rules, one element at a time ---- */

/* The rules, told anew for one element: scans all events. */
static enum set_full_outcome outcome_by_the_rules(const struct event *events, size_t count, uint32_t element, int64_t *latency_ms)
{
  long added = -1;
  for (size_t i = 0; i < count; i++) {
    if (events[i].kind == ADD && events[i].number == element) {
      added = (long)i;
    }
  }
  *latency_ms = -1;
  if (added < 0) {
    return SET_FULL_NOT_ADDED;
  }
  long known = -1;
  long present = -1;
  long absent = -1;
  long begun[8] = {0};
  for (long i = 0; i < (long)count; i++) {
    const struct event *e = &events[i];
    if (e->kind == READ) {
      begun[e->number] = i;
    } else if (e->kind == READ_DONE && i > added) {
      bool shows = strchr(e->shown, 'a' + (int)element) != NULL;
      long *last = shows ? &present : &absent;
      *last = begun[e->number] > *last ? begun[e->number] : *last;
      known = shows && known < 0 ? i : known;
    } else if (e->kind == ADDED && e->number == element && i > added) {
      known = known < 0 ? i : known;
    }
  }
  bool stable = present > absent;
  bool lost = !stable && known >= 0 && absent > present && absent > known;
  if (!stable && !lost) {
    return SET_FULL_NEVER_READ;
  }
  long last = stable ? absent : present;
  int64_t end = last < 0 ? 0 : events[last].time_ms * MS + 1;
  int64_t wait = end - events[known].time_ms * MS;
  *latency_ms = wait < 0 ? 0 : wait / MS;
  return stable ? SET_FULL_STABLE : SET_FULL_LOST;
}

static void compare_with_the_rules(const struct event *events, size_t count, size_t outcomes[4])
{
  struct set_full_result r;
  judge(events, count, &r);
  size_t seen[4] = {0};
  for (uint32_t i = 0; i < r.element_count; i++) {
    const struct set_full_element *e = &r.elements[i];
    int64_t latency;
    assert_int_equal(e->outcome, outcome_by_the_rules(events, count, i, &latency));
    assert_int_equal(e->stable_latency_ms, e->outcome == SET_FULL_STABLE ? latency : -1);
    assert_int_equal(e->lost_latency_ms, e->outcome == SET_FULL_LOST ? latency : -1);
    assert_int_equal(e->is_stale, e->outcome == SET_FULL_STABLE && latency > 0);
    seen[e->outcome]++;
    outcomes[e->outcome]++;
  }
  assert_int_equal(r.stable_count, seen[SET_FULL_STABLE]);
  assert_int_equal(r.lost_count, seen[SET_FULL_LOST]);
  assert_int_equal(r.never_read_count, seen[SET_FULL_NEVER_READ]);
  assert_int_equal(r.attempt_count, seen[SET_FULL_STABLE] + seen[SET_FULL_LOST] + seen[SET_FULL_NEVER_READ]);
  assert_int_equal(r.verdict, seen[SET_FULL_LOST] > 0 ? SET_FULL_INVALID : seen[SET_FULL_STABLE] > 0 ? SET_FULL_VALID : SET_FULL_UNKNOWN);
  set_full_result_free(&r);
}

/* One add and up to three reads, each showing the element or not, in all interleavings: `next` holds what each process does next. */
static void all_interleavings(struct event *events, size_t len, unsigned next[4], unsigned ends, unsigned shows, size_t outcomes[4])
{
  compare_with_the_rules(events, len, outcomes);
  for (uint32_t p = 0; p < 4; p++) {
    if (next[p] == 2 || (p == 0 && next[p] == 1 && !ends)) {
      continue;
    }
    struct event *e = &events[len];
    *e = (struct event){.time_ms = (int64_t)len * 3, .number = p, .shown = shows >> p & 1 ? "a" : ""};
    e->kind = p == 0 ? (next[p] == 0 ? ADD : ADDED) : next[p] == 0 ? READ : READ_DONE;
    next[p]++;
    all_interleavings(events, len + 1, next, ends, shows, outcomes);
    next[p]--;
  }
}

static void agrees_with_the_rules_on_all_small_histories(void **state)
{
  (void)state;
  size_t outcomes[4] = {0};
  for (unsigned ends = 0; ends < 2; ends++) {
    for (unsigned shows = 0; shows < 16; shows += 2) {
      struct event events[8];
      unsigned next[4] = {0};
      all_interleavings(events, 0, next, ends, shows, outcomes);
    }
  }
  for (int i = SET_FULL_NOT_ADDED; i <= SET_FULL_NEVER_READ; i++) {
    assert_true(outcomes[i] > 100);
  }
}

static void agrees_with_the_rules_on_random_histories(void **state)
{
  (void)state;
  struct prng p;
  prng_init(&p, 5);
  size_t outcomes[4] = {0};
  for (int run = 0; run < 3000; run++) {
    static char shown[60][9];
    struct event events[60];
    bool is_reading[8] = {0};
    int64_t time = 0;
    uint32_t added = 0;
    for (size_t i = 0; i < 60; i++) {
      uint32_t process = (uint32_t)prng_below(&p, 4);
      time += (int64_t)prng_below(&p, 5);
      events[i] = (struct event){.kind = READ, .time_ms = time, .number = process};
      if (prng_below(&p, 3) == 0 && added < 8) {
        events[i].kind = ADD;
        events[i].number = added++;
      } else if (prng_below(&p, 3) == 0 && added > 0) {
        events[i].kind = ADDED;
        events[i].number = (uint32_t)prng_below(&p, added);
      } else if (is_reading[process]) {
        size_t len = 0;
        for (char c = 'a'; c < 'i'; c++) {
          if (prng_below(&p, 4) > 0) {
            shown[i][len++] = c;
          }
        }
        shown[i][len] = '\0';
        events[i].kind = READ_DONE;
        events[i].shown = shown[i];
        is_reading[process] = false;
      } else {
        is_reading[process] = true;
      }
    }
    compare_with_the_rules(events, 60, outcomes);
  }
  assert_true(outcomes[SET_FULL_LOST] > 1000);
  assert_true(outcomes[SET_FULL_STABLE] > 1000);
}

static void quantiles_are_elements(void **state)
{
  (void)state;
  assert_int_equal(quantile_place(1, 0), 0);
  assert_int_equal(quantile_place(1, 1), 0);
  assert_int_equal(quantile_place(10, 0.5), 5);
  assert_int_equal(quantile_place(11, 0.5), 5);
  assert_int_equal(quantile_place(100, 0.99), 99);
  assert_int_equal(quantile_place(100, 1), 99);
  assert_int_equal(quantile_place(20, 0.95), 19);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_element_that_stays_is_stable),
      cmocka_unit_test(nothing_stable_is_unknown),
      cmocka_unit_test(an_element_that_is_gone_is_lost),
      cmocka_unit_test(reads_are_ordered_by_their_invocation),
      cmocka_unit_test(latencies_are_whole_milliseconds),
      cmocka_unit_test(what_is_odd_is_counted_but_not_judged),
      cmocka_unit_test(a_second_add_starts_anew),
      cmocka_unit_test(agrees_with_the_rules_on_all_small_histories),
      cmocka_unit_test(agrees_with_the_rules_on_random_histories),
      cmocka_unit_test(quantiles_are_elements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
