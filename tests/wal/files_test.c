/* Segments, snapshots and the disk that they live on: rolled, removed, full, failing. */
#include "cmocka_all.h"
#include "support.h"

struct fixture {
  struct wal_config config;
  struct disk disk;
  struct wal *w;
  unsigned main;
};

static int set_up(void **state)
{
  struct fixture *f = memory_zeroed(1, sizeof *f);
  f->config = small_config();
  f->w = wal_new(&f->config);
  f->main = wal_group(f->w, SLICE("main"));
  *state = f;
  return 0;
}

static int tear_down(void **state)
{
  struct fixture *f = *state;
  wal_free(f->w);
  disk_free(&f->disk);
  free(f);
  return 0;
}

static void restart(struct fixture *f)
{
  int error;
  struct buf report = {0};
  wal_free(f->w);
  f->w = recover_from(&f->disk, &f->config, &error, &report);
  if (error != 0) {
    fail_msg("%s", report.data);
  }
  buf_free(&report);
  f->main = wal_group(f->w, SLICE("main"));
}

static void snapshot_all(struct fixture *f, uint64_t keep)
{
  struct wal_group_state s = state_of(f->w, f->main);
  hand_snapshot(f->w, f->main, s.last, 1, "all of it");
  disk_run(&f->disk, f->w);
  add_mark(f->w, f->main, s.last, s.last + 1 - keep, false);
  disk_run(&f->disk, f->w);
}

static size_t files_of(const struct disk *d, bool segments)
{
  size_t n = 0;
  for (size_t i = 0; i < d->count; i++) {
    struct wal_header h;
    struct wal_image_header image;
    n += segments ? wal_header_decode(d->files[i].bytes.data, &h) : wal_image_decode(d->files[i].bytes.data, &image);
  }
  return n;
}

static void segments_that_nobody_needs_are_removed(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 100; i++) {
    add_entries(f->w, f->main, 1, 2, 200);
    disk_run(&f->disk, f->w);
  }
  size_t before = files_of(&f->disk, true);
  assert_true(before > 4);
  assert_int_equal(wal_stats(f->w)->segments, before);
  snapshot_all(f, 3);
  size_t after = files_of(&f->disk, true);
  assert_true(after <= 2);
  assert_int_equal(wal_stats(f->w)->segments, after);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).first, 198);
  assert_int_equal(state_of(f->w, f->main).last, 200);
}

static void a_segment_goes_only_when_the_mark_is_durable(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 50; i++) {
    add_entries(f->w, f->main, 1, 2, 200);
    disk_run(&f->disk, f->w);
  }
  hand_snapshot(f->w, f->main, 100, 1, "all");
  disk_run(&f->disk, f->w);
  size_t before = f->disk.count;
  add_mark(f->w, f->main, 100, 101, false);
  struct wal_op op;
  while (wal_next(f->w, &op) && op.kind != WAL_SYNC) {
    assert_int_not_equal(op.kind, WAL_REMOVE);
    assert_int_equal(disk_apply(&f->disk, &op), 0);
    wal_done(f->w, 0);
  }
  assert_int_equal(op.kind, WAL_SYNC);
  wal_done(f->w, 0);
  unsigned last = 0;
  while (wal_next(f->w, &op) && op.kind == WAL_REMOVE) {
    assert_true(op.file > last); /* oldest first */
    last = op.file;
    disk_remove(&f->disk, op.file);
    wal_done(f->w, 0);
  }
  assert_true(last != 0 && f->disk.count < before);
}

static void a_group_at_rest_holds_on_to_nothing(void **state)
{
  struct fixture *f = *state;
  unsigned idle = wal_group(f->w, SLICE("idle"));
  add_entries(f->w, idle, 3, 2, 40);
  add_hard(f->w, idle, 3, 1);
  for (int i = 0; i < 30; i++) {
    for (int k = 0; k < 20; k++) {
      add_entries(f->w, f->main, 1, 2, 200);
      disk_run(&f->disk, f->w);
    }
    snapshot_all(f, 1);
    assert_true(files_of(&f->disk, true) <= 4);
  }
  restart(f);
  struct wal_group_state s = state_of(f->w, wal_group(f->w, SLICE("idle")));
  assert_true(s.first == 1 && s.last == 2 && s.term == 3 && s.vote == 1);
  struct wal_entry e;
  assert_true(wal_entry(f->w, wal_group(f->w, SLICE("idle")), 2, &e) && memcmp(e.bytes.ptr, "entry 2 of term 3", 17) == 0);
}

static void restarts_do_not_pile_up_segments(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < 50; i++) {
    add_entries(f->w, f->main, 1, 1, 20);
    disk_run(&f->disk, f->w);
    restart(f);
  }
  disk_run(&f->disk, f->w);
  assert_true(files_of(&f->disk, true) <= 4);
  assert_int_equal(state_of(f->w, f->main).last, 50);
}

static void a_restart_goes_on_in_the_same_segment(void **state)
{
  struct fixture *f = *state;
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  restart(f);
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  assert_int_equal(files_of(&f->disk, true), 1);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).last, 2);
}

static void behind_a_torn_tail_a_new_segment_begins(void **state)
{
  struct fixture *f = *state;
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  struct wal_header h;
  struct writings all;
  list_records(&f->disk, &all);
  struct disk_file *segment = disk_find(&f->disk, all.at[0].file);
  uint64_t end = all.at[all.count - 1].end;
  free(all.at);
  assert_true(wal_header_decode(segment->bytes.data, &h));
  unsigned torn = segment->number;
  segment->bytes.data[end + 700] = 1;
  for (uint64_t last = 2; last <= 4; last++) {
    restart(f);
    add_entries(f->w, f->main, 1, 1, 20);
    disk_run(&f->disk, f->w);
    restart(f);
    assert_int_equal(state_of(f->w, f->main).last, last);
  }
  /* The entry was written again with the new segment: the old one is not needed. */
  assert_int_equal(files_of(&f->disk, true), 1);
  assert_null(disk_find(&f->disk, torn));
}

/* ---- snapshots ---- */

static void the_previous_snapshot_goes_after_the_mark(void **state)
{
  struct fixture *f = *state;
  add_entries(f->w, f->main, 1, 10, 20);
  disk_run(&f->disk, f->w);
  hand_snapshot(f->w, f->main, 3, 1, "three");
  disk_run(&f->disk, f->w);
  add_mark(f->w, f->main, 3, 4, false);
  disk_run(&f->disk, f->w);
  assert_int_equal(files_of(&f->disk, false), 1);
  hand_snapshot(f->w, f->main, 6, 1, "six");
  disk_run(&f->disk, f->w);
  assert_int_equal(files_of(&f->disk, false), 2);
  restart(f); /* not marked: it is the older one that counts */
  assert_int_equal(state_of(f->w, f->main).snapshot_index, 3);
  assert_false(wal_snapshot_durable(f->w, f->main, 6));
  struct wal_op op;
  assert_true(wal_next(f->w, &op) && op.kind == WAL_REMOVE); /* first of all */
  disk_remove(&f->disk, op.file);
  wal_done(f->w, 0);
  disk_run(&f->disk, f->w);
  assert_int_equal(files_of(&f->disk, false), 1);
  hand_snapshot(f->w, f->main, 6, 1, "six");
  disk_run(&f->disk, f->w);
  add_mark(f->w, f->main, 6, 7, false);
  disk_run(&f->disk, f->w);
  assert_int_equal(files_of(&f->disk, false), 1);
  restart(f);
  assert_true(slice_equal(state_of(f->w, f->main).snapshot_data, SLICE("six")));
}

static void a_snapshot_that_is_replaced_leaves_nothing(void **state)
{
  struct fixture *f = *state;
  add_entries(f->w, f->main, 1, 10, 20);
  disk_run(&f->disk, f->w);
  struct disk clean = {0};
  disk_copy(&clean, &f->disk);
  /* After n operations another one is handed over, also while one is under way. */
  for (int n = 0; n < 8; n++) {
    disk_copy(&f->disk, &clean);
    restart(f);
    disk_run(&f->disk, f->w);
    hand_snapshot(f->w, f->main, 3, 1, "three");
    for (int i = 0; i < n / 2; i++) {
      disk_step(&f->disk, f->w);
    }
    struct wal_op op;
    bool under_way = n % 2 != 0 && wal_next(f->w, &op);
    hand_snapshot(f->w, f->main, 5, 1, "five");
    if (under_way) {
      assert_int_equal(disk_apply(&f->disk, &op), 0);
      wal_done(f->w, 0);
    }
    assert_false(wal_snapshot_durable(f->w, f->main, 3));
    disk_run(&f->disk, f->w);
    assert_true(wal_snapshot_durable(f->w, f->main, 5));
    assert_int_equal(files_of(&f->disk, false), 1);
    add_mark(f->w, f->main, 5, 6, false);
    disk_run(&f->disk, f->w);
    restart(f);
    assert_true(slice_equal(state_of(f->w, f->main).snapshot_data, SLICE("five")));
  }
  disk_free(&clean);
}

/* The next segment's number is that of its allocation, whatever took a number after it. */
static void a_snapshot_that_comes_while_a_segment_is_allocated_is_not_written_over(void **state)
{
  struct fixture *f = *state;
  struct wal_op op = {0};
  add_entries(f->w, f->main, 1, 10, 20);
  for (int i = 0; !(wal_next(f->w, &op) && op.kind == WAL_ALLOCATE && i > 0); i++) { /* of the second segment */
    assert_true(i < 100);
    assert_int_equal(disk_apply(&f->disk, &op), 0);
    wal_done(f->w, 0);
  }
  hand_snapshot(f->w, f->main, 3, 1, "three");
  assert_int_equal(disk_apply(&f->disk, &op), 0);
  wal_done(f->w, 0);
  disk_run(&f->disk, f->w);
  add_mark(f->w, f->main, 3, 4, false);
  add_entries(f->w, f->main, 1, 40, 200); /* more than the rest of the first segment takes */
  disk_run(&f->disk, f->w);
  assert_true(files_of(&f->disk, true) >= 2);
  assert_int_equal(files_of(&f->disk, false), 1);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).last, 50);
  assert_true(slice_equal(state_of(f->w, f->main).snapshot_data, SLICE("three")));
}

static void flushes_do_not_wait_for_a_large_snapshot(void **state)
{
  struct fixture *f = *state;
  f->disk.forgets = true;
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  struct buf data = {0};
  memset(buf_reserve(&data, 5 << 20), 'x', 5 << 20);
  data.len = 5 << 20;
  wal_snapshot(f->w, f->main, 1, 1, SLICE(""), &data);
  assert_int_equal(data.len, 0);
  int between = 0;
  while (!wal_snapshot_durable(f->w, f->main, 1)) {
    uint64_t durable = state_of(f->w, f->main).durable;
    add_hard(f->w, f->main, 5, 5);
    for (int i = 0; i < 4; i++) {
      assert_true(disk_step(&f->disk, f->w));
    }
    assert_true(state_of(f->w, f->main).durable > durable);
    between++;
  }
  assert_true(between >= 4);
  add_mark(f->w, f->main, 1, 2, false);
  disk_run(&f->disk, f->w);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).snapshot_data.len, 5 << 20);
}

/* ---- full ---- */

static void a_full_disk_is_met_before_it_hurts(void **state)
{
  struct fixture *f = *state;
  f->disk.capacity = 3 * 8192; /* two segments, and not quite a third with a snapshot */
  uint64_t i = 0;
  while (!wal_full(f->w)) {
    add_entries(f->w, f->main, 1, 1, 200);
    disk_run(&f->disk, f->w);
    i++;
    assert_true(i < 1000);
  }
  assert_int_equal(wal_failed(f->w), 0);
  struct wal_group_state s = state_of(f->w, f->main);
  assert_true(s.durable == s.appended && s.last > 10);
  assert_int_equal(files_of(&f->disk, true), 3);
  for (uint64_t term = 2; term < 6; term++) { /* terms still become durable */
    add_hard(f->w, f->main, term, 1);
    disk_run(&f->disk, f->w);
    assert_int_equal(state_of(f->w, f->main).durable, state_of(f->w, f->main).appended);
  }
  wal_retry(f->w);
  disk_run(&f->disk, f->w);
  assert_true(wal_full(f->w)); /* nothing has changed */
  f->disk.capacity = 0;
  wal_retry(f->w);
  disk_run(&f->disk, f->w);
  assert_false(wal_full(f->w));
  for (int k = 0; k < 100; k++) {
    add_entries(f->w, f->main, 1, 1, 200);
    disk_run(&f->disk, f->w);
  }
  assert_int_equal(wal_failed(f->w), 0);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).last, s.last + 100);
  assert_int_equal(state_of(f->w, f->main).term, 5);
}

static void space_that_a_snapshot_frees_is_used(void **state)
{
  struct fixture *f = *state;
  f->disk.capacity = 4 * 8192 - 4096;
  while (!wal_full(f->w)) {
    add_entries(f->w, f->main, 1, 1, 200);
    disk_run(&f->disk, f->w);
  }
  wal_retry(f->w); /* the snapshot gets what is left */
  uint64_t last = state_of(f->w, f->main).last;
  snapshot_all(f, 1);
  assert_int_equal(wal_failed(f->w), 0);
  assert_false(wal_full(f->w));
  add_entries(f->w, f->main, 1, 5, 200);
  disk_run(&f->disk, f->w);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).last, last + 5);
}

static void when_the_reserve_is_used_up_the_log_fails(void **state)
{
  struct fixture *f = *state;
  f->disk.capacity = 8192;
  uint64_t terms = 0;
  uint64_t durable = 0;
  while (wal_failed(f->w) == 0) {
    durable = state_of(f->w, f->main).durable;
    add_hard(f->w, f->main, ++terms, 1);
    disk_run(&f->disk, f->w);
    assert_true(terms < 100);
  }
  assert_true(terms > 8);
  assert_int_equal(wal_failed(f->w), ERROR_DISK_FULL);
  assert_int_equal(state_of(f->w, f->main).durable, terms - 1);
  assert_true(durable == terms - 1);
  struct wal_op op;
  wal_retry(f->w);
  assert_false(wal_next(f->w, &op));
  f->disk.capacity = 0;
  restart(f);
  assert_int_equal(state_of(f->w, f->main).term, terms - 1);
}

static void the_first_segment_is_waited_for(void **state)
{
  struct fixture *f = *state;
  f->disk.capacity = 100;
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  assert_true(wal_full(f->w));
  assert_int_equal(wal_failed(f->w), 0);
  assert_int_equal(state_of(f->w, f->main).durable, 0);
  f->disk.capacity = 0;
  wal_retry(f->w);
  disk_run(&f->disk, f->w);
  assert_false(wal_full(f->w));
  assert_int_equal(state_of(f->w, f->main).durable, 2);
}

static void a_snapshot_waits_for_space_and_the_log_goes_on(void **state)
{
  struct fixture *f = *state;
  add_entries(f->w, f->main, 1, 1, 20);
  disk_run(&f->disk, f->w);
  f->disk.capacity = disk_used(&f->disk) + 10;
  hand_snapshot(f->w, f->main, 1, 1, "one");
  disk_run(&f->disk, f->w);
  assert_true(wal_full(f->w));
  assert_false(wal_snapshot_durable(f->w, f->main, 1));
  add_hard(f->w, f->main, 2, 2);
  disk_run(&f->disk, f->w);
  assert_int_equal(state_of(f->w, f->main).durable, 2);
  f->disk.capacity = 0;
  wal_retry(f->w);
  disk_run(&f->disk, f->w);
  assert_true(wal_snapshot_durable(f->w, f->main, 1));
  add_mark(f->w, f->main, 1, 2, false);
  disk_run(&f->disk, f->w);
  restart(f);
  assert_int_equal(state_of(f->w, f->main).snapshot_index, 1);
}

/* ---- failing ---- */

/* Whichever operation fails, the log stops there, claims nothing more, and what it had claimed is found again. */
static void any_failure_is_final(void **state)
{
  (void)state;
  size_t poisoned = 0;
  for (int n = 0; n < 60; n++) {
    void *inner;
    set_up(&inner);
    struct fixture *f = inner;
    int steps = 0;
    for (int i = 0; i < 12 && wal_failed(f->w) == 0; i++) {
      add_entries(f->w, f->main, 1, 2, 300);
      if (i == 5) {
        hand_snapshot(f->w, f->main, 8, 1, "eight");
      }
      if (i == 9 && wal_snapshot_durable(f->w, f->main, 8)) {
        add_mark(f->w, f->main, 8, 9, false);
      }
      do {
        f->disk.fail = steps++ == n ? (n % 2 == 0 ? ERROR_IO : ERROR_DISK_SYNC) : 0;
      } while (disk_step(&f->disk, f->w));
    }
    if (wal_failed(f->w) != 0) {
      poisoned++;
      assert_int_equal(wal_failed(f->w), n % 2 == 0 ? ERROR_IO : ERROR_DISK_SYNC);
      struct wal_group_state s = state_of(f->w, f->main);
      struct wal_op op;
      assert_false(wal_next(f->w, &op));
      add_entries(f->w, f->main, 1, 1, 10);
      assert_false(wal_next(f->w, &op));
      assert_int_equal(state_of(f->w, f->main).durable, s.durable);
      uint64_t kept = s.durable > 10 ? 20 : s.durable * 2; /* two entries an append, and the mark is one */
      restart(f);
      assert_true(state_of(f->w, f->main).last >= kept);
    }
    tear_down(&inner);
  }
  assert_true(poisoned > 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(segments_that_nobody_needs_are_removed),
      TEST(a_segment_goes_only_when_the_mark_is_durable),
      TEST(a_group_at_rest_holds_on_to_nothing),
      TEST(restarts_do_not_pile_up_segments),
      TEST(a_restart_goes_on_in_the_same_segment),
      TEST(behind_a_torn_tail_a_new_segment_begins),
      TEST(the_previous_snapshot_goes_after_the_mark),
      TEST(a_snapshot_that_is_replaced_leaves_nothing),
      TEST(a_snapshot_that_comes_while_a_segment_is_allocated_is_not_written_over),
      TEST(flushes_do_not_wait_for_a_large_snapshot),
      TEST(a_full_disk_is_met_before_it_hurts),
      TEST(space_that_a_snapshot_frees_is_used),
      TEST(when_the_reserve_is_used_up_the_log_fails),
      TEST(the_first_segment_is_waited_for),
      TEST(a_snapshot_waits_for_space_and_the_log_goes_on),
      cmocka_unit_test(any_failure_is_final),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
