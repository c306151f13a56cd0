/* Crashes at every operation of recorded runs, with everything that may then be on the disk. */
#include "cmocka_all.h"
#include "disk.h"
#include "reference.h"

/* A run: after each append, what the log holds; at each operation, how much of that was durable, and how much was there. */
struct moment {
  size_t durable; /* the reference of this number, at least, must be found after a crash … */
  size_t appended;
};

struct run {
  struct wal_config config;
  struct disk disk;
  struct disk before; /* as the run began */
  struct ref *states;
  size_t state_count;
  size_t state_cap;
  int *unit_groups; /* of state i + 1: the group, and its sequence */
  size_t unit_cap;
  struct moment *moments;
  size_t moment_cap;
};

struct totals {
  uint64_t crashes;
  uint64_t dropped; /* recovery fell back behind what had been appended */
  uint64_t second;
};

static void run_free(struct run *r)
{
  disk_free(&r->disk);
  disk_free(&r->before);
  free(r->states);
  free(r->unit_groups);
  free(r->moments);
}

static void push_state(struct run *r, const struct ref *state, int group)
{
  r->states = memory_grow(r->states, &r->state_cap, r->state_count + 1, sizeof *r->states);
  r->unit_groups = memory_grow(r->unit_groups, &r->unit_cap, r->state_count + 1, sizeof *r->unit_groups);
  r->states[r->state_count] = *state;
  r->unit_groups[r->state_count++] = group;
}

static struct wal *recovered(const struct wal_config *config, struct disk *d)
{
  struct wal *w = wal_new(config);
  struct buf report = {0};
  struct wal_reader reader = disk_reader(d);
  int error = wal_recover(w, &reader, &report);
  if (error != 0) {
    print_message("%s: %.*s\n", error_name(error), (int)report.len, report.data);
  }
  assert_int_equal(error, 0);
  buf_free(&report);
  return w;
}

static size_t durable_state(const struct run *r, struct wal *w, size_t from)
{
  while (from + 1 < r->state_count) {
    int group = r->unit_groups[from + 1];
    struct wal_group_state s;
    wal_state(w, wal_group(w, ref_name(group)), &s);
    if (s.durable < r->states[from + 1].groups[group].sequence) {
      break;
    }
    from++;
  }
  return from;
}

/* One operation; false: none. */
static bool step(struct run *r, struct wal *w, size_t *durable)
{
  size_t at = r->disk.log_count;
  size_t appended = r->state_count - 1;
  if (!disk_step(&r->disk, w)) {
    return false;
  }
  r->moments = memory_grow(r->moments, &r->moment_cap, at + 1, sizeof *r->moments);
  r->moments[at] = (struct moment){.durable = *durable, .appended = appended};
  *durable = durable_state(r, w, *durable);
  return true;
}

/* Runs random appends from a state that lies on a disk (moved from), operations in between, then all that are left. */
static void run_scenario(struct run *r, struct disk *start, const struct ref *state, int rounds, uint64_t seed)
{
  struct prng p;
  prng_init(&p, seed);
  struct ref now = *state;
  disk_copy(&r->before, start);
  disk_copy(&r->disk, start);
  r->config.salt = seed;
  struct wal *w = recovered(&r->config, &r->disk);
  ref_restart(&now);
  push_state(r, &now, 0);
  size_t durable = 0;
  for (int i = 0; i < rounds; i++) {
    int group;
    if (ref_append(&now, w, &p, &group)) {
      push_state(r, &now, group);
    }
    assert_true(ref_matches(&now, w));
    for (uint64_t n = prng_below(&p, 4); n > 0 && step(r, w, &durable); n--) {
    }
  }
  while (step(r, w, &durable)) {
  }
  assert_int_equal(wal_failed(w), 0);
  assert_int_equal(durable, r->state_count - 1);
  wal_free(w);
}

/* ---- what a crash leaves ---- */

/* Which sectors of an unsynced write reach the disk: those before `prefix`, or, if `mask` is not 0, a random subset. */
struct tear {
  size_t prefix;
  uint64_t mask;
};

static size_t sectors(const struct wal_op *op)
{
  return (op->offset + op->bytes.len + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES - op->offset / DISK_SECTOR_BYTES;
}

static void write_torn(struct disk *d, const struct wal_op *op, struct tear tear)
{
  size_t n = sectors(op);
  for (size_t i = 0; i < n; i++) {
    if (tear.mask != 0 ? (mix_pair(tear.mask, i) & 1) == 0 : i >= tear.prefix) {
      continue;
    }
    uint64_t from = (op->offset / DISK_SECTOR_BYTES + i) * DISK_SECTOR_BYTES;
    uint64_t to = from + DISK_SECTOR_BYTES;
    from = from < op->offset ? op->offset : from;
    to = to > op->offset + op->bytes.len ? op->offset + op->bytes.len : to;
    struct wal_op part = {.file = op->file, .offset = from, .bytes = slice_of(op->bytes.ptr + (from - op->offset), (size_t)(to - from))};
    disk_write(d, &part);
  }
}

static bool synced_before(const struct run *r, size_t write, size_t crash)
{
  if (!r->config.sync) {
    return true;
  }
  for (size_t i = write + 1; i < crash; i++) {
    if (r->disk.log[i].kind == WAL_SYNC && r->disk.log[i].file == r->disk.log[write].file) {
      return true;
    }
  }
  return false;
}

/* The disk after a crash while operation number `crash` was under way. `last`: the write that is torn by `tear`; the unsynced ones before
 * it are torn at random. `part`: how much is done of an operation that is no write: 0 nothing, 1 all, 2 half of an allocation. */
static void crash_image(const struct run *r, size_t crash, size_t last, struct tear tear, int part, struct disk *image)
{
  disk_copy(image, &r->before);
  for (size_t i = 0; i <= crash; i++) {
    const struct wal_op *op = &r->disk.log[i];
    if (op->kind == WAL_WRITE && (i == crash || !synced_before(r, i, crash))) {
      if (disk_find(image, op->file) != NULL) {
        write_torn(image, op, i == last ? tear : (struct tear){.mask = mix_pair(crash, i) | 1});
      }
    } else if (i < crash || part == 1) {
      (void)disk_apply(image, op);
    } else if (part == 2 && op->kind == WAL_ALLOCATE) {
      struct wal_op half = *op;
      half.size /= 2;
      (void)disk_apply(image, &half);
    }
  }
}

static void explore(const struct run *r, int depth, size_t every, struct totals *t);

/* The log that is recovered is one that there was, not older than what was durable. Then it goes on. */
static void check_image(const struct run *r, size_t crash, struct disk *image, int depth, size_t every, struct totals *t)
{
  t->crashes++;
  struct wal *w = recovered(&r->config, image);
  size_t state = r->moments[crash].appended;
  while (!ref_matches(&r->states[state], w)) {
    if (state == r->moments[crash].durable) {
      fail_msg("crash at operation %zu: what was durable (append %zu) is not there", crash, state);
    }
    state--;
  }
  t->dropped += state < r->moments[crash].appended;
  wal_free(w);
  if (depth > 0 && t->crashes % every == 0) {
    t->second++;
    struct run next = {.config = r->config};
    run_scenario(&next, image, &r->states[state], 6, mix_pair(r->config.salt, t->crashes));
    w = recovered(&next.config, &next.disk);
    assert_true(ref_matches(&next.states[next.state_count - 1], w));
    wal_free(w);
    struct totals inner = {0};
    explore(&next, depth - 1, every, &inner);
    t->crashes += inner.crashes;
    run_free(&next);
  }
}

static void explore_at(const struct run *r, size_t crash, int depth, size_t every, struct totals *t)
{
  struct disk image = {0};
  size_t last = crash;
  while (last > 0 && r->disk.log[last].kind != WAL_WRITE) {
    last--;
  }
  const struct wal_op *write = &r->disk.log[last];
  bool torn = write->kind == WAL_WRITE && (last == crash || !synced_before(r, last, crash));
  for (size_t prefix = 0; torn && prefix <= sectors(write); prefix++) {
    crash_image(r, crash, last, (struct tear){.prefix = prefix}, 0, &image);
    check_image(r, crash, &image, depth, every, t);
  }
  for (uint64_t i = 1; torn && sectors(write) > 1 && i <= 6; i++) {
    crash_image(r, crash, last, (struct tear){.mask = mix_pair(crash, i) | 1}, 0, &image);
    check_image(r, crash, &image, depth, every, t);
  }
  for (int part = 0; last != crash && part < 3; part++) {
    crash_image(r, crash, last, (struct tear){.mask = mix_pair(crash, 77) | 1}, part, &image);
    check_image(r, crash, &image, depth, every, t);
  }
  disk_free(&image);
}

static void explore(const struct run *r, int depth, size_t every, struct totals *t)
{
  for (size_t crash = 0; crash < r->disk.log_count; crash++) {
    explore_at(r, crash, depth, every, t);
  }
}

static void campaign(struct wal_config config, int seeds, int rounds, int depth, size_t every)
{
  struct totals t = {0};
  for (uint64_t seed = 1; seed <= (uint64_t)seeds; seed++) {
    struct run r = {.config = config};
    struct disk empty = {0};
    struct ref nothing;
    ref_init(&nothing);
    run_scenario(&r, &empty, &nothing, rounds, seed);
    explore(&r, depth, every, &t);
    run_free(&r);
  }
  print_message("%llu crashes, %llu lost what nobody was told of, %llu went on and crashed again\n", (unsigned long long)t.crashes,
                (unsigned long long)t.dropped, (unsigned long long)t.second);
  assert_true(t.dropped > 0 && t.second > 0);
}

static void every_crash_with_sync(void **state)
{
  (void)state;
  campaign((struct wal_config){.node = 1, .segment_bytes = 8192, .block_bytes = 512, .sync = true}, 4, 120, 1, 17);
}

static void every_crash_of_a_process(void **state)
{
  (void)state;
  campaign((struct wal_config){.node = 1, .segment_bytes = 8192, .block_bytes = 512}, 3, 120, 1, 17);
}

static void every_crash_with_larger_blocks(void **state)
{
  (void)state;
  campaign((struct wal_config){.node = 1, .segment_bytes = 16 * 4096, .block_bytes = 4096, .sync = true}, 1, 60, 1, 31);
}

static void three_crashes_in_a_row(void **state)
{
  (void)state;
  campaign((struct wal_config){.node = 1, .segment_bytes = 8192, .block_bytes = 512, .sync = true}, 2, 30, 2, 37);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_crash_with_sync),
      cmocka_unit_test(every_crash_of_a_process),
      cmocka_unit_test(every_crash_with_larger_blocks),
      cmocka_unit_test(three_crashes_in_a_row),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
