/* How fast the Raft core is: three of them in one process and one thread, entries of 16 bytes, no disk, network or encoding. Times are of
 * the processor, not of the wall: nothing here waits.
 *
 *   raft_core [SECONDS]     (of each measurement; 1)
 *
 * Each host keeps its log's entries in memory, as a real one would, hands appends over with pointers into it, and takes a snapshot now and
 * then, so that logs stay short. An append is durable as soon as the host gets to it: at once after the step, or, pipelined, once for
 * everything that came in together. Prints a line for each batch size: entries/s that are committed, nanoseconds per entry and
 * per step, and how often memory was allocated after the first tenth (0 is what raft.h promises).
 *
 * cc -std=c11 -D_GNU_SOURCE -O2 -Isrc tests/bench/raft_core.c src/raft/[!w]*.c src/base/[!h]*.c */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "raft/raft.h"

enum {
  HOSTS = 3,
  LOG = 1 << 16, /* entries kept by a host: a ring, and behind it as much again, so that every run of entries lies in one piece */
  SNAPSHOT_EVERY = 1 << 14,
  BATCH_MAX = 512,
  MAIL_MAX = 4096,
};

/* ---- allocations (glibc: what the library calls is ours) ---- */

static unsigned long allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
  allocations++;
  return __libc_realloc(memory, size);
}

/* ---- hosts ---- */

struct post {
  struct raft_message at[MAIL_MAX];
  size_t count;
};

struct host {
  struct raft *r;
  struct raft_entry *log;
  uint64_t commit;
  uint64_t snapshot_index;
  uint64_t sequence; /* of the newest append */
  uint64_t persisted;
  struct post in;
  struct post held; /* until the log is durable */
};

static struct host hosts[HOSTS];
static uint64_t now_ns;
static unsigned long long steps;

static void log_append(struct host *h, const struct raft_append *a)
{
  size_t at = a->first % LOG;
  memcpy(h->log + at, a->entries, a->count * sizeof *h->log);
  if (at + a->count > LOG) {
    memcpy(h->log, h->log + LOG, (at + a->count - LOG) * sizeof *h->log);
  }
  if (at < BATCH_MAX * 8) { /* what begins before the end of the ring and goes on at its beginning */
    memcpy(h->log + LOG + at, a->entries, a->count * sizeof *h->log);
  }
}

static void post(struct host *from, const struct raft_message *m)
{
  struct post *to = m->after > from->persisted ? &from->held : &hosts[m->to - 1].in;
  assert(to->count < MAIL_MAX);
  struct raft_message *copy = &to->at[to->count++];
  *copy = *m;
  if (m->type == RAFT_APPEND) {
    copy->append.entries = &from->log[(m->append.prev_index + 1) % LOG];
  }
}

static int step(struct host *h, struct raft_event *e)
{
  struct raft_update u;
  e->now_ns = now_ns;
  steps++;
  int error = raft_step(h->r, e, &u);
  if (error != 0) {
    return error;
  }
  if (u.append.sequence != 0) {
    h->sequence = u.append.sequence;
    if (u.append.count > 0) {
      log_append(h, &u.append);
    }
  }
  for (size_t i = 0; i < u.message_count; i++) {
    post(h, &u.messages[i]);
  }
  h->commit = u.commit;
  return 0;
}

static void persist(struct host *h)
{
  if (h->persisted == h->sequence) {
    return;
  }
  h->persisted = h->sequence;
  for (size_t i = 0; i < h->held.count; i++) {
    post(h, &h->held.at[i]);
  }
  h->held.count = 0;
  step(h, &(struct raft_event){.type = RAFT_EVENT_PERSISTED, .sequence = h->persisted});
}

/* Takes what has come in; durable after each, or once in the end. */
static bool work(struct host *h, bool pipelined)
{
  static struct post taken;
  if (h->in.count == 0 && h->persisted == h->sequence) {
    return false;
  }
  memcpy(taken.at, h->in.at, h->in.count * sizeof *taken.at);
  taken.count = h->in.count;
  h->in.count = 0;
  for (size_t i = 0; i < taken.count; i++) {
    step(h, &(struct raft_event){.type = RAFT_EVENT_RECEIVE, .message = &taken.at[i]});
    if (!pipelined) {
      persist(h);
    }
  }
  persist(h);
  return true;
}

static void settle(bool pipelined)
{
  for (bool any = true; any;) {
    any = false;
    for (int i = 0; i < HOSTS; i++) {
      any |= work(&hosts[i], pipelined);
    }
  }
}

static void compact(struct host *h)
{
  if (h->commit - h->snapshot_index > SNAPSHOT_EVERY) {
    h->snapshot_index = h->commit;
    step(h, &(struct raft_event){.type = RAFT_EVENT_SNAPSHOT, .snapshot = {.index = h->snapshot_index, .size = 1}});
    persist(h);
  }
}

/* ---- measurements ---- */

static double seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void start(void)
{
  struct raft_recovered recovered = {0};
  for (uint64_t id = 1; id <= HOSTS; id++) {
    raft_configuration_set(&recovered.configuration, id, RAFT_VOTER);
  }
  for (uint64_t id = 1; id <= HOSTS; id++) {
    struct raft_config config = {.id = id, .incarnation = id, .seed = id};
    struct host *h = &hosts[id - 1];
    h->r = raft_new(&config, &recovered);
    h->log = calloc(2 * LOG, sizeof *h->log);
    assert(h->log != NULL);
  }
  while (raft_role(hosts[0].r) != RAFT_LEADER) { /* the first one always wins: only its time passes */
    now_ns += 1000000;
    step(&hosts[0], &(struct raft_event){.type = RAFT_EVENT_TIME});
    settle(false);
  }
}

static void stop(void)
{
  for (int i = 0; i < HOSTS; i++) {
    raft_free(hosts[i].r);
    free(hosts[i].log);
    hosts[i] = (struct host){0};
  }
}

static void propose(size_t batch, size_t depth)
{
  static struct raft_entry entries[BATCH_MAX];
  for (size_t i = 0; i < batch; i++) {
    entries[i] = (struct raft_entry){.type = RAFT_COMMAND, .size = 16};
  }
  for (size_t i = 0; i < depth; i++) {
    int error = step(&hosts[0], &(struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {.entries = entries, .count = batch}});
    assert(error == 0);
  }
}

static void measure(size_t batch, size_t depth, double duration)
{
  start();
  double begin = seconds();
  double warm = begin + duration / 10;
  double end = 0;
  uint64_t entries = 0;
  unsigned long long steps_before = 0;
  unsigned long allocations_before = 0;
  bool measuring = false;
  do {
    for (size_t i = 0; i < 1 + 4096 / (batch * depth); i++) {
      propose(batch, depth);
      settle(depth > 1);
      for (int k = 0; k < HOSTS; k++) {
        compact(&hosts[k]);
      }
      now_ns += 1000;
    }
    end = seconds();
    if (!measuring && end >= warm) {
      measuring = true;
      begin = end;
      entries = hosts[0].commit;
      steps_before = steps;
      allocations_before = allocations;
    }
  } while (!measuring || end < begin + duration);
  unsigned long allocated = allocations - allocations_before;
  entries = hosts[0].commit - entries;
  double per_step = (end - begin) * 1e9 / (double)(steps - steps_before);
  printf("batch %3zu  %-9s  %11.0f entries/s  %6.1f ns/entry  %5.1f ns/step  %lu allocations\n", batch, depth > 1 ? "pipelined" : "at once",
         (double)entries / (end - begin), (end - begin) * 1e9 / (double)entries, per_step, allocated);
  (void)fflush(stdout);
  for (int i = 1; i < HOSTS; i++) {
    assert(hosts[i].commit + 2 * batch * depth >= hosts[0].commit);
    assert(raft_failure(hosts[i].r) == NULL);
  }
  stop();
}

int main(int argc, char **argv)
{
  double duration = argc > 1 ? strtod(argv[1], NULL) : 1;
  static const size_t batches[] = {1, 8, 64, 512};
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
    measure(batches[i], 1, duration);
    measure(batches[i], 8, duration);
  }
  return 0;
}
