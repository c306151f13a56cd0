/* Damage: what was durable is never silently dropped, and the report says what it was. */
#include "base/crc32c.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "support.h"

struct fixture {
  struct wal_config config;
  struct disk disk;
  struct wal *w; /* as it was at the end */
  struct buf report;
};

/* Two groups, several segments, truncations, snapshots, terms. */
static int make_log(void **state)
{
  struct fixture *f = memory_zeroed(1, sizeof *f);
  f->config = small_config();
  f->w = wal_new(&f->config);
  unsigned main = wal_group(f->w, SLICE("main"));
  unsigned other = wal_group(f->w, SLICE("other"));
  for (uint64_t i = 1; i <= 42; i++) {
    add_entries(f->w, main, i / 10 + 1, 3, 60 + i * 7 % 200);
    if (i % 7 == 0) {
      add_hard(f->w, main, i, i % 3);
      add_entries(f->w, other, i, 1, 30);
    }
    if (i % 11 == 0) {
      struct wal_group_state s = state_of(f->w, main);
      wal_append(f->w, main, &(struct wal_batch){.sequence = s.appended + 1, .truncate_from = s.last - 1});
    }
    disk_run(&f->disk, f->w);
    if (i == 20) {
      hand_snapshot(f->w, main, 50, 2, "the state of main at 50");
      disk_run(&f->disk, f->w);
      add_mark(f->w, main, 50, 40, false);
      disk_run(&f->disk, f->w);
    }
  }
  assert_int_equal(wal_failed(f->w), 0);
  assert_true(wal_stats(f->w)->segments > 2);
  *state = f;
  return 0;
}

static int drop_log(void **state)
{
  struct fixture *f = *state;
  wal_free(f->w);
  disk_free(&f->disk);
  buf_free(&f->report);
  free(f);
  return 0;
}

static void assert_same_group(const struct wal *a, unsigned in_a, const struct wal *b, unsigned in_b)
{
  struct wal_group_state s = state_of(a, in_a);
  struct wal_group_state t = state_of(b, in_b);
  assert_true(s.term == t.term && s.vote == t.vote && s.first == t.first && s.last == t.last && s.first_prev_term == t.first_prev_term);
  assert_true(s.snapshot_index == t.snapshot_index && s.snapshot_term == t.snapshot_term && s.bytes == t.bytes);
  assert_true(slice_equal(s.snapshot_data, t.snapshot_data) && slice_equal(s.snapshot_meta, t.snapshot_meta));
  for (uint64_t i = s.first; i <= s.last; i++) {
    struct wal_entry x;
    struct wal_entry y;
    assert_true(wal_entry(a, in_a, i, &x) && wal_entry(b, in_b, i, &y));
    assert_true(x.term == y.term && x.type == y.type && slice_equal(x.bytes, y.bytes));
  }
}

static void assert_recovers_whole(struct fixture *f)
{
  int error;
  struct wal *w = recover_from(&f->disk, &f->config, &error, &f->report);
  assert_int_equal(error, 0);
  assert_same_group(f->w, 1, w, wal_group(w, SLICE("main")));
  assert_same_group(f->w, 2, w, wal_group(w, SLICE("other")));
  wal_free(w);
}

static int recover_error(struct fixture *f)
{
  int error;
  struct wal *w = recover_from(&f->disk, &f->config, &error, &f->report);
  assert_int_equal(wal_failed(w), error);
  struct wal_op op;
  assert_true(error == 0 || !wal_next(w, &op));
  wal_free(w);
  return error;
}

static void assert_reported(const struct fixture *f, const char *text)
{
  if (strstr(f->report.data, text) == NULL) {
    fail_msg("the report does not say \"%s\": %s", text, f->report.data);
  }
}

/* Whether what the flip did was noticed, and named. */
static void check_flip(struct fixture *f, const struct written *r, bool newest, bool in_body)
{
  int error = recover_error(f);
  char text[200];
  if (newest && r->last) { /* nothing is behind it: nobody can tell that from a write that was cut off */
    assert_int_equal(error, 0);
    assert_reported(f, "never");
    return;
  }
  assert_int_equal(error, ERROR_CORRUPT);
  snprintf(text, sizeof text, "segment %u, offset %llu, ", r->file, (unsigned long long)r->at);
  assert_reported(f, text);
  if (in_body && r->record.type == WAL_RECORD_ENTRY) {
    snprintf(text, sizeof text, "entry %llu (term %llu) of group \"%s\" is damaged", (unsigned long long)r->record.index,
             (unsigned long long)r->record.term, r->record.group == 1 ? "main" : "other");
    assert_reported(f, text);
  } else if (in_body) {
    assert_reported(f, "is damaged");
  } else {
    assert_reported(f, "the header of a record is damaged");
  }
}

static void one_flipped_bit_in_any_record_is_found_and_named(void **state)
{
  struct fixture *f = *state;
  assert_recovers_whole(f);
  struct writings all;
  list_records(&f->disk, &all);
  struct prng p;
  prng_init(&p, 3);
  unsigned newest = all.at[all.count - 1].file;
  for (size_t i = 0; i < all.count; i++) {
    const struct written *r = &all.at[i];
    size_t body = r->record.type == WAL_RECORD_END ? 0 : r->record.len;
    char *bytes = disk_find(&f->disk, r->file)->bytes.data + r->at;
    for (size_t at = 0; at < WAL_RECORD_BYTES + body; at += at < WAL_RECORD_BYTES ? 1 : 1 + body / 8) {
      char bit = (char)(1 << prng_below(&p, 8));
      bytes[at] ^= bit;
      check_flip(f, r, r->file == newest, at >= WAL_RECORD_BYTES);
      bytes[at] ^= bit;
    }
  }
  assert_recovers_whole(f);
  free(all.at);
}

static void lost_blocks_are_found(void **state)
{
  struct fixture *f = *state;
  struct writings all;
  list_records(&f->disk, &all);
  unsigned newest = all.at[all.count - 1].file;
  for (size_t i = 0; i < all.count; i++) {
    const struct written *r = &all.at[i];
    char *block = disk_find(&f->disk, r->file)->bytes.data + r->at / 512 * 512;
    char keep[512];
    memcpy(keep, block, 512);
    memset(block, 0, 512);
    assert_int_equal(recover_error(f), r->file == newest && r->last ? 0 : ERROR_CORRUPT);
    memcpy(block, keep, 512);
  }
  free(all.at);
}

static void padding_is_nobodys(void **state)
{
  struct fixture *f = *state;
  struct writings all;
  list_records(&f->disk, &all);
  for (size_t i = 0; i < all.count; i++) {
    const struct written *r = &all.at[i];
    if (r->record.type == WAL_RECORD_END && r->record.len > 0) {
      disk_find(&f->disk, r->file)->bytes.data[r->at + WAL_RECORD_BYTES] ^= 4;
    }
  }
  assert_recovers_whole(f);
  free(all.at);
}

static void a_segment_header_has_a_copy(void **state)
{
  struct fixture *f = *state;
  for (size_t i = 0; i < f->disk.count; i++) {
    char *bytes = f->disk.files[i].bytes.data;
    struct wal_header h;
    if (!wal_header_decode(bytes, &h)) {
      continue;
    }
    for (size_t at = 0; at < WAL_HEADER_BYTES; at += 5) {
      bytes[at] ^= 1;
      assert_recovers_whole(f);
      assert_reported(f, "the copy is whole");
      bytes[512 + at] ^= 1;
      assert_int_equal(recover_error(f), ERROR_CORRUPT);
      bytes[at] ^= 1;
      assert_recovers_whole(f);
      bytes[512 + at] ^= 1;
    }
    char keep[1024];
    memcpy(keep, bytes, 1024);
    memset(bytes, 0, 1024); /* as if it had never been begun, but for what is in it */
    assert_int_equal(recover_error(f), ERROR_CORRUPT);
    memcpy(bytes, keep, 1024);
  }
}

static void damage_in_a_snapshot_is_found(void **state)
{
  struct fixture *f = *state;
  size_t seen = 0;
  for (size_t i = 0; i < f->disk.count; i++) {
    struct buf *file = &f->disk.files[i].bytes;
    struct wal_image_header h;
    if (file->len < WAL_IMAGE_BYTES || !wal_image_decode(file->data, &h)) {
      continue;
    }
    seen++;
    for (size_t at = 0; at < file->len; at += at < WAL_IMAGE_BYTES ? 7 : 1) {
      file->data[at] ^= 2;
      assert_int_equal(recover_error(f), ERROR_CORRUPT);
      assert_reported(f, "it is the snapshot of group \"main\" at index 50 (term 2)");
      file->data[at] ^= 2;
    }
    file->len--;
    assert_int_equal(recover_error(f), ERROR_CORRUPT);
    assert_reported(f, "cut short");
    file->len++;
    struct buf keep = *file;
    unsigned number = f->disk.files[i].number;
    *file = (struct buf){0};
    disk_remove(&f->disk, number);
    assert_int_equal(recover_error(f), ERROR_CORRUPT);
    assert_reported(f, "missing");
    disk_create(&f->disk, number)->bytes = keep;
  }
  assert_int_equal(seen, 1);
  assert_recovers_whole(f);
}

static void a_missing_segment_is_found(void **state)
{
  struct fixture *f = *state;
  struct writings all;
  list_records(&f->disk, &all);
  unsigned newest = all.at[all.count - 1].file;
  size_t seen = 0;
  for (size_t i = 0; i < all.count; i++) {
    if (all.at[i].file == newest || (i > 0 && all.at[i].file == all.at[i - 1].file)) {
      continue;
    }
    struct buf keep = disk_find(&f->disk, all.at[i].file)->bytes;
    disk_find(&f->disk, all.at[i].file)->bytes = (struct buf){0};
    disk_remove(&f->disk, all.at[i].file);
    assert_int_equal(recover_error(f), ERROR_CORRUPT);
    assert_reported(f, seen > 0 ? "is missing: older ones are there" : "are missing: they are in none of the segments");
    disk_create(&f->disk, all.at[i].file)->bytes = keep;
    seen++;
  }
  assert_true(seen >= 2);
  free(all.at);
}

/* A segment whose first flush was cut off still says where the one before it ends: nothing of that may be missing. */
static void a_segment_that_was_being_begun_vouches_for_the_one_before(void **state)
{
  struct fixture *f = *state;
  struct writings all;
  list_records(&f->disk, &all);
  unsigned newest = all.at[all.count - 1].file;
  struct disk_file *torn = disk_find(&f->disk, newest);
  memset(torn->bytes.data + 1024, 0, torn->bytes.len - 1024);
  assert_int_equal(recover_error(f), 0);
  assert_reported(f, "was never begun in full");
  size_t i = all.count - 1;
  while (all.at[i].file == newest) {
    i--;
  }
  struct disk_file *before = disk_find(&f->disk, all.at[i].file);
  before->bytes.data[all.at[i].at + 1] ^= 1;
  assert_int_equal(recover_error(f), ERROR_CORRUPT);
  before->bytes.data[all.at[i].at + 1] ^= 1;
  assert_int_equal(recover_error(f), 0);
  disk_remove(&f->disk, before->number);
  assert_int_equal(recover_error(f), ERROR_CORRUPT);
  assert_reported(f, "is missing");
  free(all.at);
}

static void flushes_have_an_order(void **state)
{
  (void)state;
  struct fixture f = {.config = small_config()};
  struct wal *w = wal_new(&f.config);
  unsigned g = wal_group(w, SLICE("main"));
  for (uint64_t term = 1; term <= 4; term++) {
    add_hard(w, g, term, term);
    disk_run(&f.disk, w);
  }
  wal_free(w);
  struct writings all;
  list_records(&f.disk, &all);
  char *bytes = disk_find(&f.disk, all.at[0].file)->bytes.data;
  char *second = bytes + 3 * 512; /* behind two headers and the first flush */
  char keep[512];
  assert_int_equal(all.at[all.count - 1].end, 6 * 512);
  assert_int_equal(recover_error(&f), 0);
  memcpy(keep, second, 512);
  memmove(second, second + 512, 512);
  memcpy(second + 512, keep, 512);
  assert_int_equal(recover_error(&f), ERROR_CORRUPT);
  free(all.at);
  disk_free(&f.disk);
  buf_free(&f.report);
}

static void a_cut_segment_is_found(void **state)
{
  struct fixture *f = *state;
  struct writings all;
  list_records(&f->disk, &all);
  unsigned oldest = all.at[0].file;
  struct buf *bytes = &disk_find(&f->disk, oldest)->bytes;
  bytes->len = 4096;
  assert_int_equal(recover_error(f), ERROR_CORRUPT);
  bytes->len = 0;
  assert_int_equal(recover_error(f), ERROR_CORRUPT);
  free(all.at);
}

static void reading_that_fails_is_no_damage(void **state)
{
  struct fixture *f = *state;
  struct wal *w = wal_new(&f->config);
  struct wal_reader reader = disk_reader(&f->disk);
  f->disk.fail_reads = true;
  assert_int_equal(wal_recover(w, &reader, &f->report), ERROR_IO);
  f->disk.fail_reads = false;
  wal_free(w);
}

static void the_log_of_another_node_is_refused(void **state)
{
  struct fixture *f = *state;
  f->config.node = 8;
  assert_int_equal(recover_error(f), ERROR_MALFORMED);
  assert_reported(f, "belongs to another node");
}

static void another_version_is_refused(void **state)
{
  struct fixture *f = *state;
  char *bytes = f->disk.files[0].bytes.data;
  bytes[8] = 2;
  uint32_t crc = crc32c_extend(0, bytes, WAL_HEADER_BYTES - 4);
  for (int i = 0; i < 4; i++) {
    bytes[WAL_HEADER_BYTES - 4 + i] = (char)(crc >> 8 * i);
  }
  assert_int_equal(recover_error(f), ERROR_MALFORMED);
  assert_reported(f, "version 2 is not known");
}

static void a_file_under_another_number_is_refused(void **state)
{
  struct fixture *f = *state;
  unsigned number = f->disk.files[f->disk.count - 1].number + 1;
  struct buf *copy = &disk_create(&f->disk, number)->bytes;
  buf_append_slice(copy, buf_slice(&f->disk.files[0].bytes));
  assert_int_equal(recover_error(f), ERROR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_log, drop_log)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(one_flipped_bit_in_any_record_is_found_and_named),
      TEST(lost_blocks_are_found),
      TEST(padding_is_nobodys),
      TEST(a_segment_header_has_a_copy),
      TEST(damage_in_a_snapshot_is_found),
      TEST(a_missing_segment_is_found),
      TEST(a_segment_that_was_being_begun_vouches_for_the_one_before),
      cmocka_unit_test(flushes_have_an_order),
      TEST(a_cut_segment_is_found),
      TEST(reading_that_fails_is_no_damage),
      TEST(the_log_of_another_node_is_refused),
      TEST(another_version_is_refused),
      TEST(a_file_under_another_number_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
