/* What is appended is there: in memory at once, after recovery as it was. */
#include "cmocka_all.h"
#include "support.h"

static struct wal *again(struct disk *d)
{
  int error;
  struct buf report = {0};
  struct wal_config config = small_config();
  struct wal *w = recover_from(d, &config, &error, &report);
  assert_int_equal(error, 0);
  assert_string_equal(report.data, "");
  buf_free(&report);
  return w;
}

static void an_empty_disk_is_an_empty_log(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  assert_int_equal(g, 1);
  struct wal_group_state s = state_of(w, g);
  assert_true(s.first == 1 && s.last == 0 && s.term == 0 && s.vote == 0 && s.appended == 0 && s.durable == 0 && s.bytes == 0);
  assert_true(s.snapshot_index == 0 && s.first_prev_term == 0);
  struct wal_entry e;
  assert_false(wal_entry(w, g, 0, &e));
  assert_false(wal_entry(w, g, 1, &e));
  wal_free(w);
  disk_free(&d);
}

static void every_field_comes_back(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  const struct wal_entry entries[] = {
      {.term = UINT64_MAX, .type = 255, .bytes = SLICE("a\0b\n")},
      {.term = 1, .type = 0, .bytes = SLICE("")},
      {.term = UINT64_C(0x0123456789abcdef), .type = 7, .bytes = SLICE("12345678")},
  };
  wal_append(w, g,
             &(struct wal_batch){.sequence = 9,
                                 .hard = true,
                                 .term = UINT64_C(0xfedcba9876543210),
                                 .vote = UINT64_MAX,
                                 .first = 1,
                                 .count = 3,
                                 .entries = entries});
  disk_run(&d, w);
  assert_int_equal(state_of(w, g).durable, 9);
  for (int round = 0; round < 2; round++) {
    struct wal_group_state s = state_of(w, g);
    assert_true(s.term == UINT64_C(0xfedcba9876543210) && s.vote == UINT64_MAX);
    assert_true(s.first == 1 && s.last == 3 && s.bytes == 12);
    for (uint64_t i = 1; i <= 3; i++) {
      struct wal_entry e;
      assert_true(wal_entry(w, g, i, &e));
      assert_true(e.term == entries[i - 1].term && e.type == entries[i - 1].type && slice_equal(e.bytes, entries[i - 1].bytes));
    }
    wal_free(w);
    w = again(&d);
    assert_int_equal(wal_group(w, SLICE("main")), g);
  }
  wal_free(w);
  disk_free(&d);
}

static void parts_of_a_batch_take_effect_in_order(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 10, 20);
  disk_run(&d, w);
  hand_snapshot(w, g, 4, 1, "four");
  disk_run(&d, w);
  struct wal_entry entry = {.term = 2, .bytes = SLICE("after")};
  wal_append(w, g,
             &(struct wal_batch){.sequence = 5,
                                 .truncate_from = 7,
                                 .hard = true,
                                 .term = 2,
                                 .vote = 3,
                                 .snapshot = true,
                                 .snapshot_index = 4,
                                 .first_kept = 3,
                                 .first = 7,
                                 .count = 1,
                                 .entries = &entry});
  disk_run(&d, w);
  for (int round = 0; round < 2; round++) {
    struct wal_group_state s = state_of(w, g);
    assert_true(s.first == 3 && s.last == 7 && s.first_prev_term == 1 && s.term == 2 && s.vote == 3 && s.snapshot_index == 4);
    assert_true(slice_equal(s.snapshot_data, SLICE("four")) && slice_equal(s.snapshot_meta, SLICE("meta")));
    struct wal_entry e;
    assert_true(wal_entry(w, g, 7, &e) && slice_equal(e.bytes, SLICE("after")));
    assert_false(wal_entry(w, g, 2, &e));
    wal_free(w);
    w = again(&d);
  }
  wal_free(w);
  disk_free(&d);
}

static void a_snapshot_that_replaces_everything(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 3, 20);
  hand_snapshot(w, g, 100, 9, "hundred");
  assert_false(wal_snapshot_durable(w, g, 100));
  disk_run(&d, w);
  assert_true(wal_snapshot_durable(w, g, 100));
  assert_int_equal(state_of(w, g).snapshot_index, 0);
  struct slice meta;
  struct slice data;
  assert_true(wal_snapshot_get(w, g, 100, &meta, &data) && slice_equal(data, SLICE("hundred")));
  assert_false(wal_snapshot_get(w, g, 99, &meta, &data));
  add_mark(w, g, 100, 0, true);
  disk_run(&d, w);
  for (int round = 0; round < 2; round++) {
    struct wal_group_state s = state_of(w, g);
    assert_true(s.first == 101 && s.last == 100 && s.first_prev_term == 9 && s.snapshot_index == 100 && s.snapshot_term == 9);
    assert_true(s.bytes == 0);
    wal_free(w);
    w = again(&d);
  }
  add_entries(w, g, 10, 1, 20);
  assert_int_equal(state_of(w, g).last, 101);
  wal_free(w);
  disk_free(&d);
}

static void the_same_snapshot_may_let_more_entries_go(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 4, 10, 20);
  hand_snapshot(w, g, 8, 4, "eight");
  disk_run(&d, w);
  add_mark(w, g, 8, 3, false);
  add_mark(w, g, 8, 9, false);
  add_mark(w, g, 8, 5, false); /* nothing comes back */
  disk_run(&d, w);
  wal_free(w);
  w = again(&d);
  assert_int_equal(state_of(w, g).first, 9);
  assert_int_equal(state_of(w, g).first_prev_term, 4);
  wal_free(w);
  disk_free(&d);
}

static void groups_keep_their_numbers(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  char name[32];
  for (unsigned i = 1; i <= WAL_GROUPS_MAX; i++) {
    int n = snprintf(name, sizeof name, "group %u", i);
    assert_int_equal(wal_group(w, slice_of(name, (size_t)n)), i);
  }
  assert_int_equal(wal_group(w, SLICE("one more")), 0);
  assert_int_equal(wal_group(w, SLICE("group 5")), 5);
  for (unsigned i = WAL_GROUPS_MAX; i > 3; i -= 3) { /* in another order than they were made, and not all */
    add_entries(w, i, i, 1 + i % 3, i % 50);
    add_hard(w, i, i, i + 1);
  }
  disk_run(&d, w);
  wal_free(w);
  w = again(&d);
  for (unsigned i = WAL_GROUPS_MAX; i > 3; i -= 3) {
    int n = snprintf(name, sizeof name, "group %u", i);
    assert_int_equal(wal_group(w, slice_of(name, (size_t)n)), i);
    struct wal_group_state s = state_of(w, i);
    assert_true(s.last == 1 + i % 3 && s.term == i && s.vote == i + 1);
  }
  wal_free(w);
  disk_free(&d);
}

static void names_have_limits(void **state)
{
  (void)state;
  struct wal_config config = small_config();
  struct wal *w = wal_new(&config);
  char name[WAL_NAME_MAX_BYTES + 1];
  memset(name, 'x', sizeof name);
  assert_int_equal(wal_group(w, SLICE("")), 0);
  assert_int_equal(wal_group(w, slice_of(name, WAL_NAME_MAX_BYTES + 1)), 0);
  assert_int_equal(wal_group(w, slice_of(name, WAL_NAME_MAX_BYTES)), 1);
  wal_free(w);
}

static void an_entry_that_fits_no_segment_gets_a_larger_one(void **state)
{
  (void)state;
  struct disk d = {.forgets = true};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 1, 10);
  disk_run(&d, w);
  add_entries(w, g, 1, 1, WAL_ENTRY_MAX_BYTES);
  add_entries(w, g, 1, 1, 10);
  disk_run(&d, w);
  assert_int_equal(wal_failed(w), 0);
  assert_int_equal(state_of(w, g).durable, 3);
  wal_free(w);
  w = again(&d);
  struct wal_entry e;
  assert_true(wal_entry(w, g, 2, &e) && e.bytes.len == WAL_ENTRY_MAX_BYTES && memcmp(e.bytes.ptr, "entry 2 of", 10) == 0);
  assert_int_equal(state_of(w, g).last, 3);
  wal_free(w);
  disk_free(&d);
}

static void what_comes_during_a_flush_is_the_next_one(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 1, 10);
  struct wal_op op;
  assert_true(wal_next(w, &op) && op.kind == WAL_ALLOCATE);
  struct wal_op unused;
  assert_false(wal_next(w, &unused));
  assert_int_equal(disk_apply(&d, &op), 0);
  wal_done(w, 0);
  assert_true(wal_next(w, &op) && op.kind == WAL_WRITE);
  for (int i = 0; i < 10; i++) {
    add_entries(w, g, 1, 1, 10);
  }
  assert_int_equal(disk_apply(&d, &op), 0);
  wal_done(w, 0);
  assert_int_equal(state_of(w, g).durable, 0); /* not before it is synced */
  assert_true(wal_next(w, &op) && op.kind == WAL_SYNC);
  wal_done(w, 0);
  assert_int_equal(state_of(w, g).durable, 1);
  disk_run(&d, w);
  assert_int_equal(state_of(w, g).durable, 11);
  assert_int_equal(wal_stats(w)->flushes, 2);
  assert_int_equal(wal_stats(w)->syncs, 2);
  wal_free(w);
  disk_free(&d);
}

static void without_sync_a_write_is_durable(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal_config config = small_config();
  config.sync = false;
  struct wal *w = wal_new(&config);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 1, 10);
  hand_snapshot(w, g, 1, 1, "one");
  disk_run(&d, w);
  assert_int_equal(state_of(w, g).durable, 1);
  assert_true(wal_snapshot_durable(w, g, 1));
  for (size_t i = 0; i < d.log_count; i++) {
    assert_int_not_equal(d.log[i].kind, WAL_SYNC);
  }
  assert_int_equal(wal_stats(w)->syncs, 0);
  wal_free(w);
  disk_free(&d);
}

static void a_volatile_log_has_no_disk(void **state)
{
  (void)state;
  struct wal_config config = small_config();
  struct wal *w = wal_new(&config);
  wal_set_volatile(w);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 100, 100);
  add_hard(w, g, 2, 3);
  hand_snapshot(w, g, 50, 1, "fifty");
  assert_true(wal_snapshot_durable(w, g, 50));
  add_mark(w, g, 50, 41, false);
  struct wal_group_state s = state_of(w, g);
  assert_true(s.durable == s.appended && s.first == 41 && s.last == 100 && s.snapshot_index == 50);
  struct wal_op op;
  assert_false(wal_next(w, &op));
  wal_free(w);
}

static void an_append_of_nothing_becomes_durable(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  wal_append(w, g, &(struct wal_batch){.sequence = 3, .truncate_from = 1});
  disk_run(&d, w);
  assert_int_equal(state_of(w, g).durable, 3);
  wal_free(w);
  w = again(&d);
  assert_int_equal(state_of(w, wal_group(w, SLICE("main"))).last, 0);
  wal_free(w);
  disk_free(&d);
}

/* A flush of more than one block has terms and votes in two of them. */
static void terms_are_written_twice(void **state)
{
  (void)state;
  struct disk d = {0};
  struct wal *w = again(&d);
  unsigned g = wal_group(w, SLICE("main"));
  add_entries(w, g, 1, 1, 10);
  disk_run(&d, w);
  add_hard(w, g, 5, 6);
  add_entries(w, g, 5, 3, 300);
  disk_run(&d, w);
  add_hard(w, g, 7, 8);
  disk_run(&d, w);
  struct writings all;
  list_records(&d, &all);
  uint64_t blocks[4] = {0};
  size_t n = 0;
  for (size_t i = 0; i < all.count; i++) {
    if (all.at[i].record.type == WAL_RECORD_HARD && n < 4) {
      assert_int_equal(all.at[i].record.term, n < 2 ? 5 : 7);
      blocks[n++] = all.at[i].at / 512;
    }
  }
  assert_int_equal(n, 3);
  assert_true(blocks[0] != blocks[1]);
  free(all.at);
  wal_free(w);
  disk_free(&d);
}

static void lent_bytes_stay_while_other_groups_grow(void **state)
{
  (void)state;
  struct wal_config config = small_config();
  struct wal *w = wal_new(&config);
  wal_set_volatile(w);
  unsigned a = wal_group(w, SLICE("a"));
  unsigned b = wal_group(w, SLICE("b"));
  add_entries(w, a, 1, 100, 100);
  struct wal_entry e;
  assert_true(wal_entry(w, a, 57, &e));
  const char *at = e.bytes.ptr;
  for (int i = 0; i < 200; i++) {
    add_entries(w, b, 1, 10, 500);
  }
  assert_memory_equal(at, "entry 57 of term 1 ", 19);
  wal_free(w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_disk_is_an_empty_log),
      cmocka_unit_test(every_field_comes_back),
      cmocka_unit_test(parts_of_a_batch_take_effect_in_order),
      cmocka_unit_test(a_snapshot_that_replaces_everything),
      cmocka_unit_test(the_same_snapshot_may_let_more_entries_go),
      cmocka_unit_test(groups_keep_their_numbers),
      cmocka_unit_test(names_have_limits),
      cmocka_unit_test(an_entry_that_fits_no_segment_gets_a_larger_one),
      cmocka_unit_test(what_comes_during_a_flush_is_the_next_one),
      cmocka_unit_test(without_sync_a_write_is_durable),
      cmocka_unit_test(a_volatile_log_has_no_disk),
      cmocka_unit_test(an_append_of_nothing_becomes_durable),
      cmocka_unit_test(terms_are_written_twice),
      cmocka_unit_test(lent_bytes_stay_while_other_groups_grow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
