/* The core's log: terms in runs, sizes as running totals, configurations, and what of it is durable. */
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "raft/internal.h"

static void start(struct raft_log *log)
{
  struct raft_recovered recovered = {.first = 1};
  raft_configuration_set(&recovered.configuration, 1, RAFT_VOTER);
  raft_log_init(log, &recovered);
}

static void append_of(struct raft_log *log, uint64_t term, uint32_t size, size_t count)
{
  struct raft_entry entries[64];
  assert_true(count <= 64);
  for (size_t i = 0; i < count; i++) {
    entries[i] = (struct raft_entry){.term = term, .size = size, .type = RAFT_COMMAND};
  }
  raft_log_append(log, entries, count);
}

/* Asks for what was appended to be made durable. */
static uint64_t ask(struct raft_log *log)
{
  log->sequence++;
  raft_log_asked(log, 1, 1);
  return log->sequence;
}

static void append_configuration(struct raft_log *log, uint64_t term, uint64_t voter)
{
  struct raft_configuration c = {0};
  raft_configuration_set(&c, voter, RAFT_VOTER);
  struct raft_entry e = {.term = term, .type = RAFT_CONFIGURATION, .configuration = &c};
  assert_true(raft_log_append(log, &e, 1));
  assert_ptr_not_equal(e.configuration, &c); /* the log's own copy */
  assert_int_equal(e.configuration->members[0].id, voter);
}

static uint64_t voter_at(const struct raft_log *log, uint64_t index)
{
  return raft_log_made_at(log, index)->configuration.members[0].id;
}

/* ---- durability ---- */

/* (1, term 1) is written, superseded by (1, term 2) before that is reported, which must not count for the new entry; nor must the report
 * of the truncation's predecessor when the entry's place is taken a third time. */
static void late_report_counts_for_nothing_that_was_superseded(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  append_of(&log, 1, 8, 3);
  uint64_t first = ask(&log);
  raft_log_truncate(&log, 1);
  append_of(&log, 2, 8, 1);
  uint64_t second = ask(&log);
  raft_log_truncate(&log, 1);
  append_of(&log, 1, 8, 2); /* back to the term it had at first */
  uint64_t third = ask(&log);

  assert_int_equal(raft_log_covers(&log, 1), third);
  raft_log_persisted(&log, first);
  assert_int_equal(log.durable_index, 0);
  raft_log_persisted(&log, second);
  assert_int_equal(log.durable_index, 0);
  raft_log_persisted(&log, third);
  assert_int_equal(log.durable_index, 2);
  assert_int_equal(raft_log_covers(&log, 2), 0);
  raft_log_close(&log);
}

static void truncation_takes_back_what_was_durable(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  append_of(&log, 1, 8, 9);
  raft_log_persisted(&log, ask(&log));
  assert_int_equal(log.durable_index, 9);
  raft_log_truncate(&log, 5);
  assert_int_equal(log.durable_index, 4);
  append_of(&log, 2, 8, 9);
  assert_int_equal(log.durable_index, 4);
  assert_int_equal(raft_log_covers(&log, 4), 0);
  assert_int_equal(raft_log_covers(&log, 5), log.sequence + 1); /* not asked for yet */
  uint64_t again = ask(&log);
  assert_int_equal(raft_log_covers(&log, 5), again);
  raft_log_close(&log);
}

/* Each entry is durable with the append that brought it, and not before; reports may leave some out. */
static void sequences_cover_what_they_brought(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  for (uint64_t i = 1; i <= 40; i++) {
    append_of(&log, i, 1, 2);
    assert_int_equal(ask(&log), i);
  }
  for (uint64_t index = 1; index <= 80; index++) {
    assert_int_equal(raft_log_covers(&log, index), (index + 1) / 2);
  }
  raft_log_persisted(&log, 17);
  assert_int_equal(log.durable_index, 34);
  raft_log_persisted(&log, 3); /* late */
  assert_int_equal(log.durable_index, 34);
  assert_int_equal(raft_log_covers(&log, 34), 0);
  assert_int_equal(raft_log_covers(&log, 35), 18);
  raft_log_close(&log);
}

/* An append without entries (a vote) comes between: it makes durable what came before. */
static void appends_without_entries_count_as_well(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  append_of(&log, 1, 1, 3);
  ask(&log);
  log.sequence++;
  raft_log_asked(&log, 5, 2);
  assert_int_equal(raft_log_covers(&log, 3), 1);
  raft_log_persisted(&log, 2);
  assert_int_equal(log.durable_index, 3);
  assert_int_equal(log.durable_term, 5);
  assert_int_equal(log.durable_vote, 2);
  raft_log_close(&log);
}

static void snapshot_takes_the_place_of_what_is_under_way(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  append_of(&log, 1, 8, 30);
  uint64_t old = ask(&log);
  raft_log_reset(&log, 20, 3);
  append_of(&log, 4, 8, 5);
  uint64_t fresh = ask(&log);
  raft_log_persisted(&log, old);
  assert_int_equal(log.durable_index, 20);
  assert_int_equal(raft_log_term(&log, 20), 3);
  assert_int_equal(raft_log_term(&log, 21), 4);
  raft_log_persisted(&log, fresh);
  assert_int_equal(log.durable_index, 25);
  raft_log_close(&log);
}

/* ---- terms and sizes ---- */

static void runs_of_terms_are_found(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  static const uint64_t terms[] = {1, 1, 2, 4, 4, 4, 7, 9};
  for (size_t i = 0; i < 8; i++) {
    append_of(&log, terms[i], 1, 1);
  }
  assert_int_equal(log.run_count, 5);
  for (uint64_t i = 1; i <= 8; i++) {
    assert_int_equal(raft_log_term(&log, i), terms[i - 1]);
  }
  assert_int_equal(raft_log_term(&log, 0), 0);
  assert_int_equal(raft_log_term(&log, 9), 0);
  raft_log_truncate(&log, 6);
  assert_int_equal(log.last_term, 4);
  assert_int_equal(log.run_count, 3);
  raft_log_truncate(&log, 4);
  assert_int_equal(log.last_term, 2);
  raft_log_truncate(&log, 1);
  assert_int_equal(log.last_term, 0);
  assert_int_equal(log.run_count, 0);
  append_of(&log, 3, 1, 2);
  assert_int_equal(raft_log_term(&log, 2), 3);
  raft_log_close(&log);
}

/* Paper 5.3, end: a whole term is skipped at a time. */
static void place_where_logs_agree_skips_terms(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  static const uint64_t terms[] = {1, 1, 1, 3, 3, 6, 6, 6};
  for (size_t i = 0; i < 8; i++) {
    append_of(&log, terms[i], 1, 1);
  }
  static const struct {
    uint64_t index;
    uint64_t term;
    uint64_t agree;
  } cases[] = {{8, 6, 8}, {99, 9, 8}, {7, 6, 7}, {8, 5, 5}, {8, 2, 3}, {4, 3, 4}, {4, 1, 3}, {2, 1, 2}, {8, 0, 0}, {0, 5, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(raft_log_agree(&log, cases[i].index, cases[i].term), cases[i].agree);
  }
  raft_log_compact(&log, 6, 100, 5);
  assert_int_equal(raft_log_agree(&log, 8, 3), 5);
  assert_int_equal(raft_log_agree(&log, 4, 3), 4); /* the last one of what is gone is known */
  assert_int_equal(raft_log_agree(&log, 8, 2), 3); /* somewhere before it */
  raft_log_close(&log);
}

static void messages_are_cut_by_bytes_and_by_count(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  append_of(&log, 1, 100, 10);
  append_of(&log, 1, 0, 5);
  append_of(&log, 1, 5000, 1);
  assert_int_equal(raft_log_fit(&log, 1, 1000, 99), 15);
  assert_int_equal(raft_log_fit(&log, 1, 999, 99), 9);
  assert_int_equal(raft_log_fit(&log, 1, 100000, 99), 16);
  assert_int_equal(raft_log_fit(&log, 1, 100000, 4), 4);
  assert_int_equal(raft_log_fit(&log, 16, 10, 99), 1); /* one always */
  assert_int_equal(raft_log_fit(&log, 3, 50, 99), 1);
  assert_int_equal(raft_log_bytes(&log, 1, 16), 6000);
  assert_int_equal(raft_log_bytes(&log, 10, 16), 5100);
  assert_int_equal(raft_log_bytes(&log, 11, 15), 0);
  raft_log_close(&log);
}

/* ---- configurations ---- */

static void configurations_follow_the_log(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  append_of(&log, 1, 1, 2);
  append_configuration(&log, 1, 3); /* index 3 */
  append_of(&log, 1, 1, 1);
  append_configuration(&log, 1, 5);
  assert_int_equal(voter_at(&log, 2), 1);
  assert_int_equal(voter_at(&log, 3), 3);
  assert_int_equal(voter_at(&log, 4), 3);
  assert_int_equal(voter_at(&log, 9), 5);
  assert_int_equal(raft_log_effective(&log)->index, 5);

  assert_false(raft_log_committed(&log, 2));
  assert_true(raft_log_committed(&log, 4));
  assert_false(raft_log_committed(&log, 4));
  assert_int_equal(log.made[log.committed]->index, 3);

  assert_true(raft_log_truncate(&log, 5));
  assert_int_equal(raft_log_effective(&log)->index, 3);
  assert_false(raft_log_truncate(&log, 4));
  append_configuration(&log, 2, 7);
  assert_int_equal(voter_at(&log, 4), 7);
  raft_log_close(&log);
}

static void snapshot_keeps_the_effective_configuration(void **state)
{
  (void)state;
  struct raft_log log;
  start(&log);
  for (uint64_t i = 1; i <= 12; i++) {
    append_configuration(&log, 1, i * 10);
  }
  raft_log_committed(&log, 8);
  raft_log_compact(&log, 6, 100, 3); /* a tail is kept, and its configurations are of no use any more */
  assert_int_equal(log.made[0]->index, 6);
  assert_int_equal(voter_at(&log, 6), 60);
  assert_int_equal(voter_at(&log, 7), 70);
  assert_int_equal(log.made[log.committed]->index, 8);
  raft_log_compact(&log, 8, 100, 9);
  assert_int_equal(log.made[log.committed]->index, 8);
  assert_true(raft_log_committed(&log, 12));
  raft_log_reset(&log, 30, 4);
  assert_int_equal(log.made_count, 1);
  struct raft_configuration c = {0};
  raft_configuration_set(&c, 99, RAFT_VOTER);
  raft_log_set_base(&log, &c, 29);
  assert_int_equal(voter_at(&log, 30), 99);
  assert_int_equal(raft_log_effective(&log)->index, 29);
  raft_log_close(&log);
}

/* ---- recovery ---- */

static void recovery_keeps_a_tail_behind_the_snapshot(void **state)
{
  (void)state;
  struct raft_configuration c = {0};
  raft_configuration_set(&c, 4, RAFT_VOTER);
  struct raft_entry entries[6] = {
      {.term = 2, .size = 1}, {.term = 2, .size = 2, .type = RAFT_CONFIGURATION, .configuration = &c},  {.term = 2, .size = 4},
      {.term = 3, .size = 8}, {.term = 3, .size = 16, .type = RAFT_CONFIGURATION, .configuration = &c}, {.term = 5, .size = 32}};
  struct raft_recovered recovered = {.term = 5,
                                     .snapshot_index = 13,
                                     .snapshot_term = 3,
                                     .configuration_index = 11,
                                     .first = 10,
                                     .first_prev_term = 2,
                                     .entries = entries,
                                     .count = 6};
  raft_configuration_set(&recovered.configuration, 4, RAFT_VOTER);
  struct raft_log log;
  raft_log_init(&log, &recovered);
  assert_int_equal(log.first, 10);
  assert_int_equal(log.last, 15);
  assert_int_equal(log.durable_index, 15);
  assert_int_equal(raft_log_term(&log, 9), 2);
  assert_int_equal(raft_log_term(&log, 12), 2);
  assert_int_equal(raft_log_term(&log, 13), 3);
  assert_int_equal(raft_log_term(&log, 15), 5);
  assert_int_equal(raft_log_bytes(&log, 10, 15), 63);
  assert_int_equal(raft_log_bytes(&log, 12, 13), 12);
  assert_int_equal(log.made_count, 2);
  assert_int_equal(log.made[0]->index, 11);
  assert_int_equal(log.made[1]->index, 14);
  raft_log_close(&log);

  recovered.count = 3; /* ends before the snapshot does: nothing of it goes on from there */
  raft_log_init(&log, &recovered);
  assert_int_equal(log.first, 14);
  assert_int_equal(log.last, 13);
  assert_int_equal(log.last_term, 3);
  raft_log_close(&log);
}

/* ---- all of it against a log that is nothing but an array ---- */

enum {
  ROOM = 4000,
};

struct plain {
  uint64_t first;
  uint64_t last;
  uint64_t terms[ROOM];
  uint32_t sizes[ROOM];
};

static void compare(const struct raft_log *log, const struct plain *p)
{
  assert_int_equal(log->first, p->first);
  assert_int_equal(log->last, p->last);
  uint64_t bytes = 0;
  for (uint64_t i = p->first; i <= p->last; i++) {
    assert_int_equal(raft_log_term(log, i), p->terms[i]);
    bytes += p->sizes[i];
    assert_int_equal(raft_log_bytes(log, p->first, i), bytes);
    assert_int_equal(raft_log_bytes(log, i, i), p->sizes[i]);
  }
  assert_int_equal(raft_log_term(log, p->first - 1), p->terms[p->first - 1]);
}

static void append_random(struct raft_log *log, struct plain *p, struct prng *prng)
{
  struct raft_entry entries[20];
  size_t count = 1 + prng_below(prng, 20);
  for (size_t i = 0; i < count; i++) {
    uint64_t at = p->last + 1 + i;
    p->terms[at] = p->terms[at - 1] + prng_below(prng, 4) / 3 + (at == 1);
    p->sizes[at] = (uint32_t)prng_below(prng, 50);
    entries[i] = (struct raft_entry){.term = p->terms[at], .size = p->sizes[at], .type = RAFT_COMMAND};
  }
  raft_log_append(log, entries, count);
  p->last += count;
}

static void log_is_what_was_done_to_it(void **state)
{
  (void)state;
  static struct plain p;
  for (uint64_t seed = 0; seed < 40; seed++) {
    struct prng prng;
    prng_init(&prng, seed);
    struct raft_log log;
    start(&log);
    p = (struct plain){.first = 1};
    while (p.last + 60 < ROOM) {
      uint64_t length = p.last + 1 - p.first;
      uint64_t what = prng_below(&prng, 8);
      if (what < 5 || length < 2) {
        append_random(&log, &p, &prng);
      } else if (what < 7 && p.last > log.snapshot_index) {
        uint64_t from = p.last + 1 - prng_below(&prng, p.last - log.snapshot_index);
        from = from > p.last ? p.last : from;
        raft_log_truncate(&log, from);
        p.last = from - 1;
      } else if (p.last > log.snapshot_index) {
        uint64_t index = log.snapshot_index + 1 + prng_below(&prng, p.last - log.snapshot_index);
        uint64_t first = p.first + prng_below(&prng, index + 2 - p.first);
        raft_log_compact(&log, index, 1, first);
        p.first = first;
      }
      compare(&log, &p);
    }
    raft_log_close(&log);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(late_report_counts_for_nothing_that_was_superseded),
      cmocka_unit_test(truncation_takes_back_what_was_durable),
      cmocka_unit_test(sequences_cover_what_they_brought),
      cmocka_unit_test(appends_without_entries_count_as_well),
      cmocka_unit_test(snapshot_takes_the_place_of_what_is_under_way),
      cmocka_unit_test(runs_of_terms_are_found),
      cmocka_unit_test(place_where_logs_agree_skips_terms),
      cmocka_unit_test(messages_are_cut_by_bytes_and_by_count),
      cmocka_unit_test(configurations_follow_the_log),
      cmocka_unit_test(snapshot_keeps_the_effective_configuration),
      cmocka_unit_test(recovery_keeps_a_tail_behind_the_snapshot),
      cmocka_unit_test(log_is_what_was_done_to_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
