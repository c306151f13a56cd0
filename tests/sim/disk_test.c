#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"

enum {
  SECTOR = SIM_SECTOR_BYTES,
  FILES = 2,
  FILE_MAX = 3 * SECTOR,
  RECORDS_MAX = 64,
  UNCERTAIN_MAX = 5, /* per file: every combination of their fates is tried */
  STEPS = 25,
  SEEDS = 120,
};

/* One operation as the test remembers it. */
struct record {
  struct world *world;
  unsigned file;
  bool is_sync;
  bool over;
  int error;
  unsigned turn;  /* of the test, when it was over */
  size_t covered; /* by a sync: writes before this record that had completed */
  bool certain;   /* of a write: a sync that covered it has completed, and none failed before */
  bool failed;    /* of a write: a sync that covered it has failed */
  uint64_t offset;
  size_t len;
  char bytes[FILE_MAX];
};

struct world {
  struct sim *sim;
  struct sim_disk *disk;
  struct node_disk ops;
  struct record *records;
  size_t count;
  unsigned turn;
};

static const struct sim_disk_config usual = {
    .write_min_ns = 20 * SIM_US,
    .write_max_ns = 200 * SIM_US,
    .sync_min_ns = 100 * SIM_US,
    .sync_max_ns = 500 * SIM_US,
};

static void open_world(struct world *w, uint64_t seed, const struct sim_disk_config *config)
{
  struct sim *sim = sim_new(&(struct sim_config){.seed = seed, .nodes = 1});
  struct sim_disk *disk = sim_disk_new(sim, config);
  struct record *records = calloc(RECORDS_MAX, sizeof *records);
  assert_non_null(records);
  *w = (struct world){.sim = sim, .disk = disk, .ops = sim_disk_ops(disk), .records = records};
}

static void close_world(struct world *w)
{
  sim_disk_free(w->disk);
  sim_free(w->sim);
  free(w->records);
}

static void run_for(struct world *w, uint64_t ns)
{
  sim_run(w->sim, sim_now(w->sim) + ns);
}

/* ---- operations, remembered ---- */

static void sync_is_over(struct record *sync)
{
  struct world *w = sync->world;
  for (struct record *r = w->records; r < sync; r++) {
    if (r->file == sync->file && !r->is_sync && (size_t)(r - w->records) < sync->covered) {
      r->failed = r->failed || sync->error != 0;
      r->certain = r->certain || (sync->error == 0 && !r->failed);
    }
  }
}

static void over(void *arg, int error)
{
  struct record *r = arg;
  struct world *w = r->world;
  assert_false(r->over);
  for (struct record *earlier = w->records; earlier < r; earlier++) {
    assert_true(earlier->over || earlier->file != r->file); /* in the order they were asked for */
  }
  r->over = true;
  r->error = error;
  r->turn = w->turn;
  if (r->is_sync) {
    sync_is_over(r);
  }
}

static struct record *new_record(struct world *w, unsigned file)
{
  assert_true(w->count < RECORDS_MAX);
  struct record *r = &w->records[w->count++];
  *r = (struct record){.world = w, .file = file};
  return r;
}

static struct record *write_bytes(struct world *w, unsigned file, uint64_t offset, size_t len)
{
  struct record *r = new_record(w, file);
  r->offset = offset;
  r->len = len;
  memset(r->bytes, (int)w->count, len); /* no two writes alike, none of zeroes */
  w->ops.write(w->ops.self, file, offset, slice_of(r->bytes, len), over, r);
  return r;
}

static struct record *sync_file(struct world *w, unsigned file)
{
  struct record *r = new_record(w, file);
  r->is_sync = true;
  for (size_t i = 0; i + 1 < w->count; i++) {
    const struct record *write = &w->records[i];
    if (write->file == file && !write->is_sync && write->over) {
      r->covered = i + 1;
    }
  }
  w->ops.sync(w->ops.self, file, over, r);
  return r;
}

static void crash(struct world *w)
{
  for (size_t i = 0; i < w->count; i++) {
    memset(w->records[i].bytes, 0xee, FILE_MAX); /* the node's memory is gone */
  }
  sim_disk_crash(w->disk);
  for (size_t i = 0; i < w->count; i++) {
    memset(w->records[i].bytes, (int)i + 1, FILE_MAX);
  }
}

/* ---- what a file may hold ---- */

struct image {
  size_t size;
  char bytes[FILE_MAX];
};

static void apply(struct image *image, const struct record *r, size_t len)
{
  if (len > 0) {
    memcpy(image->bytes + r->offset, r->bytes, len);
    image->size = r->offset + len > image->size ? r->offset + len : image->size;
  }
}

static void read_image(struct world *w, unsigned file, struct image *image)
{
  memset(image, 0, sizeof *image);
  uint64_t size = w->ops.size(w->ops.self, file);
  assert_in_range(size, 0, FILE_MAX);
  image->size = (size_t)size;
  assert_int_equal(w->ops.read(w->ops.self, file, 0, image->bytes, image->size), 0);
}

static bool same(const struct image *a, const struct image *b)
{
  return a->size == b->size && memcmp(a->bytes, b->bytes, FILE_MAX) == 0;
}

/* Whether some fate of each uncertain write from `i` on makes `image` what was found. */
static bool explains(const struct world *w, unsigned file, size_t i, const struct image *image, const struct image *found)
{
  while (i < w->count && (w->records[i].is_sync || w->records[i].file != file)) {
    i++;
  }
  if (i == w->count) {
    return same(image, found);
  }
  const struct record *r = &w->records[i];
  struct image next = *image;
  apply(&next, r, r->len);
  if (explains(w, file, i + 1, &next, found)) {
    return true;
  }
  if (r->certain) {
    return false;
  }
  for (uint64_t end = (r->offset / SECTOR + 1) * SECTOR; end < r->offset + r->len; end += SECTOR) {
    next = *image;
    apply(&next, r, (size_t)(end - r->offset));
    if (explains(w, file, i + 1, &next, found)) {
      return true;
    }
  }
  return explains(w, file, i + 1, image, found);
}

static size_t uncertain_count(const struct world *w, unsigned file)
{
  size_t count = 0;
  for (size_t i = 0; i < w->count; i++) {
    count += w->records[i].file == file && !w->records[i].is_sync && !w->records[i].certain;
  }
  return count;
}

static void check_cache(struct world *w)
{
  for (unsigned file = 0; file < FILES; file++) {
    struct image found;
    struct image expected = {0};
    read_image(w, file, &found);
    for (size_t i = 0; i < w->count; i++) {
      if (w->records[i].file == file && w->records[i].over) {
        apply(&expected, &w->records[i], w->records[i].len);
      }
    }
    assert_true(same(&found, &expected));
  }
}

/* ---- a random run, cut short at each of its steps ---- */

static void random_step(struct world *w, struct prng *p)
{
  unsigned file = (unsigned)prng_below(p, FILES);
  if (prng_below(p, 3) > 0 && uncertain_count(w, file) < UNCERTAIN_MAX) {
    uint64_t offset = prng_below(p, FILE_MAX);
    write_bytes(w, file, offset, (size_t)prng_below(p, FILE_MAX - offset + 1));
  } else {
    sync_file(w, file);
  }
  w->turn++;
  if (prng_below(p, 2) == 0) {
    run_for(w, prng_below(p, 600 * SIM_US));
  }
}

static void crash_after(uint64_t seed, int steps, uint32_t sync_failure_ppm)
{
  struct world w;
  struct sim_disk_config config = usual;
  config.sync_failure_ppm = sync_failure_ppm;
  open_world(&w, seed, &config);
  struct prng p;
  prng_init(&p, seed);
  for (int i = 0; i < steps; i++) {
    random_step(&w, &p);
    check_cache(&w);
  }
  crash(&w);
  struct image found[FILES];
  for (unsigned file = 0; file < FILES; file++) {
    read_image(&w, file, &found[file]);
    struct image empty = {0};
    if (!explains(&w, file, 0, &empty, &found[file])) {
      fail_msg("seed %u, %d steps, file %u: no fates of the writes explain what is there", (unsigned)seed, steps, file);
    }
  }
  bool was_over[RECORDS_MAX];
  for (size_t i = 0; i < w.count; i++) {
    was_over[i] = w.records[i].over;
  }
  run_for(&w, SIM_S);
  for (size_t i = 0; i < w.count; i++) {
    assert_true(w.records[i].over == was_over[i]); /* what was under way never completes */
  }
  sim_disk_crash(w.disk);
  for (unsigned file = 0; file < FILES; file++) { /* what has survived is durable */
    struct image again;
    read_image(&w, file, &again);
    assert_true(same(&again, &found[file]));
  }
  close_world(&w);
}

static void a_crash_leaves_what_fates_of_unsynced_writes_explain(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    for (int steps = 0; steps <= STEPS; steps++) {
      crash_after(seed, steps, 0);
    }
  }
}

static void so_does_a_crash_after_failed_syncs(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    for (int steps = 0; steps <= STEPS; steps += 3) {
      crash_after(seed, steps, 300000);
    }
  }
}

/* ---- each fate occurs ---- */

static void an_unsynced_write_is_kept_torn_or_lost(void **state)
{
  (void)state;
  for (int under_way = 0; under_way < 2; under_way++) {
    unsigned sizes[FILE_MAX / SECTOR + 1] = {0}; /* by whole sectors */
    for (uint64_t seed = 0; seed < 400; seed++) {
      struct world w;
      open_world(&w, seed, &usual);
      write_bytes(&w, 0, 0, FILE_MAX);
      run_for(&w, under_way ? 0 : SIM_MS);
      assert_true(w.records[0].over == !under_way);
      crash(&w);
      struct image found;
      read_image(&w, 0, &found);
      assert_int_equal(found.size % SECTOR, 0);
      sizes[found.size / SECTOR]++;
      close_world(&w);
    }
    assert_in_range(sizes[0], 60, 240);
    assert_in_range(sizes[1], 15, 120);
    assert_in_range(sizes[2], 15, 120);
    assert_in_range(sizes[3], 100, 300);
  }
}

static void a_later_write_may_survive_an_earlier_one(void **state)
{
  (void)state;
  unsigned seen[2][2] = {{0}};
  for (uint64_t seed = 0; seed < 400; seed++) {
    struct world w;
    open_world(&w, seed, &usual);
    write_bytes(&w, 0, 0, 100);
    write_bytes(&w, 0, 600, 100);
    run_for(&w, SIM_MS);
    crash(&w);
    struct image found;
    read_image(&w, 0, &found);
    assert_true(found.size == 0 || found.size == 100 || found.size == 700); /* within a sector nothing is torn */
    assert_true(found.size < 700 || (found.bytes[300] == 0 && found.bytes[650] == 2));
    seen[found.bytes[50] != 0][found.size == 700]++;
    close_world(&w);
  }
  assert_in_range(seen[0][0], 60, 220);
  assert_in_range(seen[0][1], 20, 140);
  assert_in_range(seen[1][0], 20, 140);
  assert_in_range(seen[1][1], 60, 220);
}

static void after_a_failed_sync_no_later_one_helps(void **state)
{
  (void)state;
  unsigned lost = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    struct world w;
    struct sim_disk_config config = usual;
    config.sync_failure_ppm = 1000000;
    open_world(&w, seed, &config);
    write_bytes(&w, 0, 0, 300);
    run_for(&w, SIM_MS);
    const struct record *failed = sync_file(&w, 0);
    run_for(&w, SIM_MS);
    assert_true(failed->over);
    assert_int_equal(failed->error, ERROR_DISK_SYNC);
    check_cache(&w); /* nobody can tell yet */
    sim_disk_configure(w.disk, &usual);
    const struct record *good = sync_file(&w, 0);
    run_for(&w, SIM_MS);
    assert_true(good->over);
    assert_int_equal(good->error, 0);
    crash(&w);
    struct image found;
    read_image(&w, 0, &found);
    assert_true(found.size == 0 || found.size == 300);
    lost += found.size == 0;
    close_world(&w);
  }
  assert_in_range(lost, 60, 140);
}

/* ---- what a sync covers ---- */

static void a_sync_covers_only_what_had_completed_when_it_was_asked_for(void **state)
{
  (void)state;
  unsigned late_ones_lost = 0;
  for (uint64_t seed = 0; seed < 100; seed++) {
    struct world w;
    open_world(&w, seed, &usual);
    write_bytes(&w, 0, 0, 100);
    run_for(&w, SIM_MS);
    write_bytes(&w, 0, SECTOR, 100);
    const struct record *sync = sync_file(&w, 0);
    run_for(&w, SIM_MS);
    assert_true(sync->over && w.records[1].over);
    crash(&w);
    struct image found;
    read_image(&w, 0, &found);
    assert_true(found.size >= 100);
    assert_int_equal(found.bytes[99], 1);
    late_ones_lost += found.size == 100;
    close_world(&w);
  }
  assert_in_range(late_ones_lost, 20, 80);
}

static void a_killed_process_leaves_the_cache_behind(void **state)
{
  (void)state;
  unsigned under_way_lost = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    struct world w;
    struct sim_disk_config config = usual;
    config.keeps_cache = true;
    open_world(&w, seed, &config);
    write_bytes(&w, 0, 0, 700);
    run_for(&w, SIM_MS);
    write_bytes(&w, 0, 1024, 200);
    crash(&w);
    struct image found;
    read_image(&w, 0, &found);
    assert_true(found.size == 700 || found.size == 1224);
    assert_int_equal(found.bytes[699], 1);
    under_way_lost += found.size == 700;
    /* It is not durable for that: the machine may still fail. */
    w.ops.sync(w.ops.self, 0, over, new_record(&w, 0));
    w.records[w.count - 1].is_sync = true;
    w.records[1].over = true; /* never completes */
    run_for(&w, SIM_MS);
    sim_disk_configure(w.disk, &usual);
    sim_disk_crash(w.disk);
    struct image after;
    read_image(&w, 0, &after);
    assert_true(same(&after, &found));
    close_world(&w);
  }
  assert_in_range(under_way_lost, 5, 45);
}

/* ---- space, removal, holding ---- */

static void a_full_disk_refuses_what_would_grow_beyond_it(void **state)
{
  (void)state;
  struct world w;
  struct sim_disk_config config = usual;
  config.capacity_bytes = 1000;
  open_world(&w, 1, &config);
  const struct record *first = write_bytes(&w, 0, 0, 600);
  const struct record *fits = write_bytes(&w, 1, 100, 300);
  run_for(&w, SIM_MS);
  const struct record *beyond = write_bytes(&w, 1, 399, 202);
  const struct record *over_old = write_bytes(&w, 0, 0, 600);
  const struct record *just = write_bytes(&w, 1, 0, 400);
  run_for(&w, SIM_MS);
  assert_int_equal(first->error, 0);
  assert_int_equal(fits->error, 0);
  assert_true(beyond->over);
  assert_int_equal(beyond->error, ERROR_DISK_FULL);
  assert_int_equal(over_old->error, 0);
  assert_int_equal(just->error, 0);
  assert_int_equal(w.ops.size(w.ops.self, 1), 400);
  w.ops.remove(w.ops.self, 0);
  run_for(&w, SIM_MS);
  const struct record *now = write_bytes(&w, 1, 399, 601);
  run_for(&w, SIM_MS);
  assert_true(now->over);
  assert_int_equal(now->error, 0);
  close_world(&w);
}

static void reads_end_at_the_end(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, &usual);
  char bytes[8] = "xxxxxxx";
  assert_int_equal(w.ops.size(w.ops.self, 3), 0);
  assert_int_equal(w.ops.read(w.ops.self, 3, 0, bytes, 0), 0);
  assert_int_equal(w.ops.read(w.ops.self, 3, 0, bytes, 1), ERROR_IO);
  write_bytes(&w, 3, 5, 5);
  run_for(&w, SIM_MS);
  assert_int_equal(w.ops.size(w.ops.self, 3), 10);
  assert_int_equal(w.ops.read(w.ops.self, 3, 3, bytes, 4), 0);
  assert_memory_equal(bytes, "\0\0\1\1", 4);
  assert_int_equal(w.ops.read(w.ops.self, 3, 10, bytes, 0), 0);
  assert_int_equal(w.ops.read(w.ops.self, 3, 7, bytes, 4), ERROR_IO);
  assert_int_equal(w.ops.read(w.ops.self, 3, UINT64_MAX, bytes, 2), ERROR_IO);
  close_world(&w);
}

static void a_removed_file_stays_away(void **state)
{
  (void)state;
  unsigned gone = 0;
  for (uint64_t seed = 0; seed < 100; seed++) {
    struct world w;
    open_world(&w, seed, &usual);
    write_bytes(&w, 0, 0, 100);
    run_for(&w, SIM_MS);
    sync_file(&w, 0);
    run_for(&w, SIM_MS);
    w.ops.remove(w.ops.self, 0);
    write_bytes(&w, 0, 0, 10);
    if (seed % 2 == 0) { /* completes, and what was written behind it is in the new file */
      run_for(&w, SIM_MS);
      assert_true(w.records[2].over);
      assert_int_equal(w.ops.size(w.ops.self, 0), 10);
      crash(&w);
      uint64_t size = w.ops.size(w.ops.self, 0);
      assert_true(size == 0 || size == 10);
    } else { /* under way: happens, perhaps with what is behind it, or does not, and then that has not begun */
      crash(&w);
      struct image found;
      read_image(&w, 0, &found);
      assert_true(found.size == 0 || found.size == 10 || (found.size == 100 && found.bytes[0] == 1));
      gone += found.size < 100;
    }
    close_world(&w);
  }
  assert_in_range(gone, 10, 40);
}

static void while_held_nobody_is_told(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, &usual);
  write_bytes(&w, 0, 0, 100);
  sync_file(&w, 0);
  sim_disk_hold(w.disk, true);
  write_bytes(&w, 1, 0, 100);
  run_for(&w, SIM_S);
  assert_int_equal(w.ops.size(w.ops.self, 0), 100);
  for (size_t i = 0; i < w.count; i++) {
    assert_false(w.records[i].over);
  }
  sim_disk_hold(w.disk, false);
  for (size_t i = 0; i < w.count; i++) {
    assert_true(w.records[i].over);
  }
  sim_disk_hold(w.disk, true);
  write_bytes(&w, 0, 0, 100);
  run_for(&w, SIM_S);
  crash(&w);
  run_for(&w, SIM_S);
  sim_disk_hold(w.disk, false);
  assert_false(w.records[3].over);
  w.records[3].over = true;
  write_bytes(&w, 0, 0, 100); /* the crash has ended the hold */
  run_for(&w, SIM_S);
  assert_true(w.records[4].over);
  close_world(&w);
}

static void operations_take_their_time(void **state)
{
  (void)state;
  struct world w;
  struct sim_disk_config config = {.write_min_ns = 100, .write_max_ns = 200, .sync_min_ns = 1000, .sync_max_ns = 2000};
  open_world(&w, 7, &config);
  uint64_t least = UINT64_MAX;
  uint64_t most = 0;
  for (int i = 0; i < 60; i++) {
    const struct record *r = write_bytes(&w, 0, 0, 10);
    uint64_t begin = sim_now(w.sim);
    assert_false(r->over); /* never from within the call */
    while (!r->over) {
      run_for(&w, 1);
    }
    uint64_t took = sim_now(w.sim) - begin;
    least = took < least ? took : least;
    most = took > most ? took : most;
  }
  assert_in_range(least, 100, 110);
  assert_in_range(most, 190, 200);
  const struct record *sync = sync_file(&w, 0);
  run_for(&w, 999);
  assert_false(sync->over);
  run_for(&w, 1001);
  assert_true(sync->over);
  close_world(&w);
}

/* ---- files of zeroes ---- */

static struct record *allocate(struct world *w, unsigned file, uint64_t size)
{
  struct record *r = new_record(w, file);
  w->ops.allocate(w->ops.self, file, size, over, r);
  return r;
}

static bool is_zero(struct world *w, unsigned file, uint64_t offset, size_t len)
{
  char bytes[FILE_MAX];
  assert_in_range(len, 0, sizeof bytes);
  assert_int_equal(w->ops.read(w->ops.self, file, offset, bytes, len), 0);
  size_t i = 0;
  while (i < len && bytes[i] == 0) {
    i++;
  }
  return i == len;
}

static void an_allocated_file_is_durable_zeroes(void **state)
{
  (void)state;
  const uint64_t size = UINT64_C(1) << 44; /* takes no memory */
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct world w;
    open_world(&w, seed, &usual);
    const struct record *r = allocate(&w, 5, size);
    assert_false(r->over);
    assert_int_equal(w.ops.size(w.ops.self, 5), 0);
    run_for(&w, SIM_MS);
    assert_true(r->over);
    assert_int_equal(r->error, 0);
    crash(&w);
    assert_int_equal(w.ops.size(w.ops.self, 5), size);
    assert_true(is_zero(&w, 5, 0, FILE_MAX));
    assert_true(is_zero(&w, 5, size - 100, 100));
    write_bytes(&w, 5, 700, 100);
    run_for(&w, SIM_MS);
    sync_file(&w, 5);
    run_for(&w, SIM_MS);
    crash(&w);
    char bytes[4];
    assert_int_equal(w.ops.size(w.ops.self, 5), size);
    assert_int_equal(w.ops.read(w.ops.self, 5, 798, bytes, 4), 0);
    assert_memory_equal(bytes, "\2\2\0\0", 4);
    assert_true(is_zero(&w, 5, 0, 700) && is_zero(&w, 5, 800, 700));
    close_world(&w);
  }
}

static void an_allocation_cut_short_leaves_none_a_part_or_all(void **state)
{
  (void)state;
  unsigned sizes[4] = {0}; /* by whole sectors */
  for (uint64_t seed = 0; seed < 400; seed++) {
    struct world w;
    open_world(&w, seed, &usual);
    const struct record *r = allocate(&w, 1, 3 * SECTOR);
    crash(&w);
    uint64_t size = w.ops.size(w.ops.self, 1);
    assert_int_equal(size % SECTOR, 0);
    assert_int_equal(w.ops.next(w.ops.self, 0), size > 0 ? 1 : 0);
    assert_true(is_zero(&w, 1, 0, (size_t)size));
    run_for(&w, SIM_S);
    assert_false(r->over);
    sim_disk_crash(w.disk);
    assert_int_equal(w.ops.size(w.ops.self, 1), size);
    sizes[size / SECTOR]++;
    close_world(&w);
  }
  assert_in_range(sizes[0], 60, 240);
  assert_in_range(sizes[1], 15, 120);
  assert_in_range(sizes[2], 15, 120);
  assert_in_range(sizes[3], 100, 300);
}

static void files_are_found_in_the_order_of_their_numbers(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, &usual);
  assert_int_equal(w.ops.next(w.ops.self, 0), 0);
  allocate(&w, 7, 100);
  write_bytes(&w, 2, 0, 1);
  allocate(&w, 4, 1);
  allocate(&w, 3, 1);
  run_for(&w, SIM_MS);
  w.ops.remove(w.ops.self, 4);
  run_for(&w, SIM_MS);
  unsigned found[8] = {0};
  size_t count = 0;
  for (unsigned file = w.ops.next(w.ops.self, 0); file != 0; file = w.ops.next(w.ops.self, file)) {
    found[count++] = file;
  }
  assert_int_equal(count, 3);
  assert_int_equal(found[0], 2);
  assert_int_equal(found[1], 3);
  assert_int_equal(found[2], 7);
  close_world(&w);
}

/* ---- trouble ---- */

static void a_disk_that_becomes_full_takes_what_is_there_and_no_more(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, &usual);
  allocate(&w, 1, 10000);
  allocate(&w, 2, 2000);
  run_for(&w, SIM_MS);
  sim_disk_disturb(w.disk, &(struct sim_disk_trouble){.full = true});
  const struct record *refused = allocate(&w, 3, 1);
  run_for(&w, SIM_MS);
  assert_true(refused->over);
  assert_int_equal(refused->error, ERROR_DISK_FULL);
  assert_int_equal(w.ops.next(w.ops.self, 2), 0);
  assert_int_equal(sim_disk_failures(w.disk), 1);
  const struct record *inside = write_bytes(&w, 1, 9000, 1000);
  const struct record *beyond = write_bytes(&w, 1, 9001, 1000);
  run_for(&w, SIM_MS);
  assert_int_equal(inside->error, 0);
  assert_int_equal(beyond->error, ERROR_DISK_FULL);
  assert_int_equal(sim_disk_failures(w.disk), 2);
  sim_disk_disturb(w.disk, &(struct sim_disk_trouble){.full = true, .slow = 1}); /* it was full when it became so */
  w.ops.remove(w.ops.self, 2);
  run_for(&w, SIM_MS);
  const struct record *too_large = allocate(&w, 4, 2001);
  const struct record *fits = allocate(&w, 5, 2000);
  run_for(&w, SIM_MS);
  assert_int_equal(too_large->error, ERROR_DISK_FULL);
  assert_int_equal(fits->error, 0);
  sim_disk_disturb(w.disk, &(struct sim_disk_trouble){0});
  const struct record *again = allocate(&w, 6, 1000000);
  run_for(&w, SIM_MS);
  assert_int_equal(again->error, 0);
  close_world(&w);
}

static void a_failing_disk_says_so_and_may_have_written_a_part(void **state)
{
  (void)state;
  unsigned sizes[FILE_MAX / SECTOR + 1] = {0};
  unsigned lost = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    struct world w;
    open_world(&w, seed, &usual);
    const struct record *before = write_bytes(&w, 0, 0, 100);
    run_for(&w, SIM_MS);
    sim_disk_disturb(w.disk, &(struct sim_disk_trouble){.failure_ppm = 1000000});
    const struct record *sync = sync_file(&w, 0);
    const struct record *write = write_bytes(&w, 1, 0, FILE_MAX);
    const struct record *none = allocate(&w, 2, 100);
    run_for(&w, SIM_MS);
    assert_int_equal(before->error, 0);
    assert_int_equal(sync->error, ERROR_DISK_SYNC);
    assert_int_equal(write->error, ERROR_IO);
    assert_int_equal(none->error, ERROR_IO);
    assert_int_equal(sim_disk_failures(w.disk), 3);
    assert_int_equal(w.ops.next(w.ops.self, 1), 0);
    struct image found;
    read_image(&w, 1, &found);
    assert_int_equal(found.size % SECTOR, 0);
    sizes[found.size / SECTOR]++;
    crash(&w);
    lost += w.ops.size(w.ops.self, 0) == 0;
    sim_disk_disturb(w.disk, &(struct sim_disk_trouble){0});
    w.count = 0;
    const struct record *after = write_bytes(&w, 3, 0, 100);
    run_for(&w, SIM_MS);
    assert_int_equal(after->error, 0);
    close_world(&w);
  }
  assert_in_range(sizes[0], 30, 150);
  assert_in_range(sizes[FILE_MAX / SECTOR], 30, 150);
  assert_in_range(sizes[1] + sizes[2], 15, 120);
  assert_in_range(lost, 50, 150);
}

static void some_operations_of_a_failing_disk_succeed(void **state)
{
  (void)state;
  struct world w;
  open_world(&w, 1, &usual);
  sim_disk_disturb(w.disk, &(struct sim_disk_trouble){.failure_ppm = 100000});
  for (int i = 0; i < 1000; i++) {
    w.count = 0;
    w.ops.write(w.ops.self, 1, 0, slice_of("x", 1), NULL, NULL);
    w.ops.sync(w.ops.self, 1, NULL, NULL);
    run_for(&w, SIM_MS);
  }
  assert_in_range(sim_disk_failures(w.disk), 140, 260);
  close_world(&w);
}

static void a_slow_disk_takes_its_time(void **state)
{
  (void)state;
  struct world w;
  struct sim_disk_config config = {.write_min_ns = 100, .write_max_ns = 100, .sync_min_ns = 1000, .sync_max_ns = 1000};
  open_world(&w, 1, &config);
  sim_disk_disturb(w.disk, &(struct sim_disk_trouble){.slow = 50});
  const struct record *write = write_bytes(&w, 0, 0, 1);
  const struct record *sync = sync_file(&w, 1);
  const struct record *zeroes = allocate(&w, 2, 1);
  run_for(&w, 4999);
  assert_false(write->over);
  run_for(&w, 1);
  assert_true(write->over);
  run_for(&w, 44999);
  assert_false(sync->over || zeroes->over);
  run_for(&w, 1);
  assert_true(sync->over && zeroes->over);
  sim_disk_disturb(w.disk, &(struct sim_disk_trouble){0});
  write = write_bytes(&w, 0, 0, 1);
  run_for(&w, 100);
  assert_true(write->over);
  close_world(&w);
}

static void count_report(void *arg)
{
  (*(unsigned *)arg)++;
}

static void who_listens_hears_of_each_report(void **state)
{
  (void)state;
  struct world w;
  unsigned reports = 0;
  open_world(&w, 1, &usual);
  sim_disk_on_report(w.disk, count_report, &reports);
  write_bytes(&w, 0, 0, 1);
  sync_file(&w, 0);
  sim_disk_hold(w.disk, true);
  run_for(&w, SIM_MS);
  assert_int_equal(reports, 0);
  sim_disk_hold(w.disk, false);
  assert_int_equal(reports, 2);
  w.ops.remove(w.ops.self, 0); /* asks for no report */
  run_for(&w, SIM_MS);
  assert_int_equal(reports, 2);
  close_world(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_crash_leaves_what_fates_of_unsynced_writes_explain),
      cmocka_unit_test(so_does_a_crash_after_failed_syncs),
      cmocka_unit_test(an_unsynced_write_is_kept_torn_or_lost),
      cmocka_unit_test(a_later_write_may_survive_an_earlier_one),
      cmocka_unit_test(after_a_failed_sync_no_later_one_helps),
      cmocka_unit_test(a_sync_covers_only_what_had_completed_when_it_was_asked_for),
      cmocka_unit_test(a_killed_process_leaves_the_cache_behind),
      cmocka_unit_test(a_full_disk_refuses_what_would_grow_beyond_it),
      cmocka_unit_test(reads_end_at_the_end),
      cmocka_unit_test(a_removed_file_stays_away),
      cmocka_unit_test(while_held_nobody_is_told),
      cmocka_unit_test(operations_take_their_time),
      cmocka_unit_test(an_allocated_file_is_durable_zeroes),
      cmocka_unit_test(an_allocation_cut_short_leaves_none_a_part_or_all),
      cmocka_unit_test(files_are_found_in_the_order_of_their_numbers),
      cmocka_unit_test(a_disk_that_becomes_full_takes_what_is_there_and_no_more),
      cmocka_unit_test(a_failing_disk_says_so_and_may_have_written_a_part),
      cmocka_unit_test(some_operations_of_a_failing_disk_succeed),
      cmocka_unit_test(a_slow_disk_takes_its_time),
      cmocka_unit_test(who_listens_hears_of_each_report),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
