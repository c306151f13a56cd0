/* What goes wrong, and the load meanwhile. */
#include "simulation_world.h"

/* ---- what a seed makes of the world ---- */

static uint64_t one_of(struct world *w, const uint64_t *choices, size_t count)
{
  return choices[simulation_between(w, 0, count - 1)];
}

#define ONE_OF(w, ...) one_of((w), (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void choose_limits(struct world *w, struct raft_config *c)
{
  c->election_timeout_ns = 100 * MS;
  c->heartbeat_ns = ONE_OF(w, 10 * MS, 20 * MS, 33 * MS);
  c->inflight_messages_max = ONE_OF(w, 0, 1, 2, 3, 8, 64);
  c->inflight_bytes_max = ONE_OF(w, 0, 1, 40, 400);
  c->message_bytes_max = ONE_OF(w, 0, 1, 40, 400);
  c->message_entries_max = ONE_OF(w, 0, 1, 2, 5, 64);
  c->chunk_bytes = ONE_OF(w, 1, 16, 64, 1000);
  c->uncommitted_bytes_max = ONE_OF(w, 0, 0, 100, 1000);
  c->tail_entries = ONE_OF(w, 0, 1, 2, 10, 100);
}

/* Places of what is done in knobs.weights. */
enum {
  MEND = 0,
  CRASH_ALL = 2,
  TROUBLES = 11,
  SNAP = TROUBLES,
  ERRANDS = 5,
};

/* Every kind of fault is there or not: with all of them at once some things never come to pass. */
void simulation_choose(struct world *w)
{
  struct knobs *k = &w->knobs;
  k->initial = ONE_OF(w, 1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7, 9);
  k->people = k->initial + ONE_OF(w, 0, 0, 1, 2, 3);
  choose_limits(w, &k->config);
  k->net_min_ns = MS / 10;
  k->net_max_ns = ONE_OF(w, MS / 5, MS, 3 * MS, 5 * MS);
  k->late = (uint32_t)ONE_OF(w, 0, 0, 10, 100, 300);
  k->late_max_ns = ONE_OF(w, 20 * MS, 100 * MS, 1000 * MS);
  k->loss = (uint32_t)ONE_OF(w, 0, 0, 10, 50, 200, 400);
  k->chunk_loss = (uint32_t)ONE_OF(w, 0, 10, 100, 300);
  k->repeat = (uint32_t)ONE_OF(w, 0, 0, 20, 100, 300);
  k->disk_ns = ONE_OF(w, MS / 10, MS, 4 * MS);
  k->slow_disk_ns = ONE_OF(w, 20 * MS, 100 * MS, 200 * MS);
  k->slow_report = (uint32_t)ONE_OF(w, 0, 0, 100, 500);
  k->bad_install = (uint32_t)ONE_OF(w, 0, 0, 100, 500);
  k->trouble_ns = ONE_OF(w, 5 * MS, 30 * MS, 100 * MS, 300 * MS);
  k->errand_ns = ONE_OF(w, 3 * MS, 20 * MS, 100 * MS);
  k->load_ns = ONE_OF(w, MS / 2, 2 * MS, 10 * MS, 30 * MS);
  k->entry_size = (uint32_t)ONE_OF(w, 0, 10, 30);
  k->burst = (uint32_t)ONE_OF(w, 1, 1, 3, 16);
  k->snapshot_size = (uint32_t)(k->config.chunk_bytes * simulation_between(w, 0, 12));
  for (size_t i = 0; i < sizeof k->weights / sizeof k->weights[0]; i++) {
    k->weights[i] = (uint32_t)ONE_OF(w, 0, 0, 1, 1, 4, 16);
  }
  k->weights[MEND] += 4;
  k->weights[CRASH_ALL] /= 4;
  k->weights[SNAP] += 1;
  k->round_steps = ONE_OF(w, 1000, 4000, 16000);
}

/* ---- the nemesis ---- */

static bool is_awake(const struct world *w, const struct person *p)
{
  return p->raft != NULL && p->paused_until <= w->now;
}

static struct person *anybody(struct world *w)
{
  return &w->people[simulation_between(w, 0, w->knobs.people - 1)];
}

/* Leaders are where it hurts. */
static struct person *somebody(struct world *w)
{
  uint64_t leader = raft_watch_leader(w->watch);
  return leader != 0 && simulation_chance(w, 400) ? &w->people[leader - 1] : anybody(w);
}

static void crash(struct world *w)
{
  struct person *p = somebody(w);
  if (p->raft == NULL) {
    return;
  }
  simulation_crash(w, p);
  simulation_at(w, simulation_happening(w, RESTART, p), w->now + simulation_between(w, 0, ONE_OF(w, MS, 50 * MS, 1000 * MS)));
}

static void crash_all(struct world *w)
{
  for (size_t i = 0; i < w->knobs.people; i++) {
    struct person *p = &w->people[i];
    if (p->raft != NULL && simulation_chance(w, 900)) {
      simulation_crash(w, p);
      simulation_at(w, simulation_happening(w, RESTART, p), w->now + simulation_between(w, 0, 100 * MS));
    }
  }
}

static void pause(struct world *w)
{
  struct person *p = somebody(w);
  p->paused_until = w->now + simulation_between(w, 0, ONE_OF(w, 10 * MS, 150 * MS, PAUSE_MAX_NS));
  w->result->pauses++;
}

static void partition(struct world *w)
{
  uint64_t sides = prng_next(&w->random);
  bool one_way = simulation_chance(w, 300);
  for (size_t i = 0; i < w->knobs.people; i++) {
    for (size_t j = 0; j < w->knobs.people; j++) {
      bool across = (sides >> i & 1) != (sides >> j & 1);
      w->cut[i][j] = across && !(one_way && (sides >> i & 1));
    }
  }
  w->result->partitions++;
}

void simulation_cut(struct world *w, const struct person *a, bool in, bool out)
{
  for (size_t i = 0; i < w->knobs.people; i++) {
    if (i != a->place) {
      w->cut[i][a->place] |= in;
      w->cut[a->place][i] |= out;
    }
  }
  w->result->partitions++;
}

static void isolate(struct world *w)
{
  uint64_t ways = simulation_between(w, 1, 3);
  simulation_cut(w, somebody(w), (ways & 1) != 0, (ways & 2) != 0);
}

static void cut_links(struct world *w)
{
  for (uint64_t n = simulation_between(w, 1, w->knobs.people); n > 0; n--) {
    const struct person *a = somebody(w);
    const struct person *b = anybody(w);
    w->cut[a->place][b->place] = true;
    w->cut[b->place][a->place] |= simulation_chance(w, 700);
  }
  w->result->partitions++;
}

static void mend(struct world *w)
{
  for (size_t i = 0; i < PEOPLE_MAX; i++) {
    for (size_t j = 0; j < PEOPLE_MAX; j++) {
      w->cut[i][j] = false;
    }
  }
}

static void set_clock(struct world *w)
{
  struct person *p = somebody(w);
  simulation_set_clock(w, p, simulation_chance(w, 500) ? simulation_between(w, 0, 400 * MS) : 0, ONE_OF(w, 256, 900, 1024, 1100, 3000));
  w->result->clocks++;
}

static struct person *asked_to_change(struct world *w)
{
  uint64_t leader = raft_watch_leader(w->watch);
  struct person *p = simulation_chance(w, 900) && leader != 0 ? &w->people[leader - 1] : anybody(w);
  return is_awake(w, p) ? p : NULL;
}

static void ask_for(struct world *w, struct person *p, struct raft_configuration *target)
{
  bool votes = false;
  for (size_t i = 0; i < target->count; i++) {
    votes |= target->members[i].voice == RAFT_VOTER;
  }
  if (!votes) {
    raft_configuration_set(target, simulation_between(w, 1, w->knobs.people), RAFT_VOTER);
  }
  struct raft_event e = {.type = RAFT_EVENT_CHANGE, .change = target};
  w->result->changes += simulation_step(w, p, &e, NULL, NULL) == 0;
}

/* What a member is, or is to become. */
static uint8_t voice_now(const struct person *p, uint64_t id)
{
  const struct raft_member *is = raft_configuration_find(raft_configuration(p->raft), id);
  return is == NULL ? 0 : is->voice & RAFT_VOTER ? RAFT_VOTER : is->voice & RAFT_LEARNER ? RAFT_LEARNER : 0;
}

static void change(struct world *w)
{
  struct raft_configuration target = {0};
  struct person *p = asked_to_change(w);
  if (p == NULL) {
    return;
  }
  enum {
    ANYTHING,
    LEADER_LEAVES,
    LITTLE,
    NEAR, /* those whom the leader reaches */
  } way = simulation_between(w, ANYTHING, NEAR);
  for (uint64_t id = 1; id <= w->knobs.people; id++) {
    uint8_t voice = voice_now(p, id);
    if (way == ANYTHING || simulation_chance(w, 200)) {
      voice = (uint8_t)ONE_OF(w, 0, RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER);
    }
    if (way == NEAR) {
      voice = voice == 0 || w->cut[p->place][id - 1] ? 0 : RAFT_VOTER;
    }
    if (way == LEADER_LEAVES && id == p->id) {
      voice = (uint8_t)ONE_OF(w, 0, RAFT_LEARNER);
    }
    if (voice != 0) {
      raft_configuration_set(&target, id, voice);
    }
  }
  ask_for(w, p, &target);
}

/* Somebody leaves, and comes back the next time. */
static void change_back(struct world *w)
{
  struct raft_configuration target = {0};
  struct person *p = asked_to_change(w);
  if (p == NULL) {
    return;
  }
  for (uint64_t id = 1; id <= w->knobs.people; id++) {
    if (voice_now(p, id) != 0) {
      raft_configuration_set(&target, id, voice_now(p, id));
    }
  }
  uint64_t id = simulation_between(w, 1, w->knobs.people);
  if (voice_now(p, id) != 0) {
    raft_configuration_remove(&target, id);
  } else {
    raft_configuration_set(&target, id, RAFT_VOTER);
  }
  ask_for(w, p, &target);
}

/* Whether a log, or the snapshot before it, has a configuration with this member. */
static bool remembers(const struct person *q, uint64_t id)
{
  for (uint64_t i = q->status.first_index; i <= q->last; i++) {
    const struct raft_configuration *c = q->log[i - 1].configuration;
    if (c != NULL && raft_configuration_find(c, id) != NULL) {
      return true;
    }
  }
  uint64_t made_at;
  return raft_configuration_find(raft_configuration_at(q->raft, q->status.snapshot_index, &made_at), id) != NULL;
}

/* Whether a member may come back without its disk, as if it had never been: nobody can act on a configuration that has it, nor bring it
 * one. Otherwise it could vote twice, or find itself the voter of a configuration that is long gone; it would have to take another id. */
static bool is_out_of_mind(struct world *w, const struct person *p)
{
  uint64_t leader = raft_watch_leader(w->watch);
  if (leader == 0 || leader == p->id || p->raft == NULL || p->disk_last == 0) {
    return false;
  }
  for (size_t i = 0; i < w->knobs.people; i++) {
    const struct person *q = &w->people[i];
    if (q != p && (q->raft == NULL || q->status.persisted != q->status.sequence || remembers(q, p->id))) {
      return false;
    }
  }
  return true;
}

/* One that was removed loses its disk. What others sent it is lost; what it sent is not. */
static void wipe(struct world *w)
{
  struct person *p = anybody(w);
  if (!is_out_of_mind(w, p)) {
    return;
  }
  for (size_t i = 0; i < w->all_count; i++) {
    struct happening *h = w->all[i];
    if (heap_contains(&h->entry) && h->type == DELIVER && h->who == p->place) {
      heap_remove(&w->heap, &h->entry);
      simulation_drop(w, h);
    }
  }
  simulation_crash(w, p);
  simulation_wipe(p);
  raft_watch_forgot(w->watch, p->id);
  w->result->wiped++;
  simulation_start(w, p);
}

static void transfer(struct world *w)
{
  struct person *p = somebody(w);
  if (is_awake(w, p)) {
    struct raft_event e = {.type = RAFT_EVENT_TRANSFER, .to = simulation_between(w, 0, w->knobs.people)};
    w->result->transfers += simulation_step(w, p, &e, NULL, NULL) == 0;
  }
}

static void snap(struct world *w)
{
  struct person *p = somebody(w);
  if (is_awake(w, p)) {
    simulation_snap(w, p);
  }
}

static void fill(struct world *w)
{
  struct person *p = somebody(w);
  p->full = !p->full;
  w->result->full += p->full;
  if (p->raft != NULL) {
    struct raft_event e = {.type = RAFT_EVENT_CAPACITY, .full = p->full};
    simulation_step(w, p, &e, NULL, NULL);
  }
}

static void slow_down(struct world *w)
{
  struct person *p = somebody(w);
  p->disk_ns = p->disk_ns == w->knobs.disk_ns ? w->knobs.slow_disk_ns : w->knobs.disk_ns;
}

static void lag(struct world *w)
{
  struct person *p = somebody(w);
  p->applying_until = w->now + simulation_between(w, 0, 200 * MS);
  if (p->raft != NULL) {
    simulation_at(w, simulation_happening(w, APPLY, p), p->applying_until);
  }
}

typedef void (*act_fn)(struct world *w);

/* One of these, by weight; at least one has some. */
static void act(struct world *w, const act_fn *acts, const uint32_t *weights, size_t count)
{
  uint32_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    sum += weights[i];
  }
  uint64_t at = simulation_between(w, 0, sum - 1);
  size_t i = 0;
  for (; at >= weights[i]; i++) {
    at -= weights[i];
  }
  acts[i](w);
}

void simulation_trouble(struct world *w)
{
  static const act_fn ACTS[TROUBLES] = {
      mend, crash, crash_all, pause, partition, isolate, cut_links, set_clock, fill, slow_down, lag,
  };
  simulation_at(w, simulation_happening(w, TROUBLE, NULL), w->now + simulation_between(w, 0, 2 * w->knobs.trouble_ns));
  if (w->turmoil) {
    act(w, ACTS, w->knobs.weights, TROUBLES);
  }
}

void simulation_errand(struct world *w)
{
  static const act_fn ACTS[ERRANDS] = {snap, change, transfer, change_back, wipe};
  simulation_at(w, simulation_happening(w, ERRAND, NULL), w->now + simulation_between(w, 0, 2 * w->knobs.errand_ns));
  if (w->turmoil) {
    act(w, ACTS, w->knobs.weights + TROUBLES, ERRANDS);
  }
}

/* ---- clients ---- */

void simulation_load(struct world *w)
{
  simulation_at(w, simulation_happening(w, LOAD, NULL), w->now + simulation_between(w, 0, 2 * w->knobs.load_ns));
  if (!w->load) {
    return;
  }
  enum {
    BACKLOG_MAX = 100, /* entries: catching up one by one takes its time */
  };
  uint64_t leader = raft_watch_leader(w->watch);
  struct person *p = leader != 0 && simulation_chance(w, 900) ? &w->people[leader - 1] : anybody(w);
  uint64_t token;
  if (is_awake(w, p) && p->status.last_index < p->status.commit + BACKLOG_MAX && simulation_chance(w, 700)) {
    simulation_propose(w, p, simulation_between(w, 1, w->knobs.burst), w->knobs.entry_size, &token);
  }
  p = anybody(w);
  if (is_awake(w, p) && p->read_count < 50 && simulation_chance(w, 400)) {
    simulation_read(w, p);
  }
}

/* ---- the end of trouble ---- */

void simulation_heal(struct world *w)
{
  mend(w);
  w->turmoil = w->load = false;
  for (size_t i = 0; i < w->knobs.people && !simulation_failed(w); i++) {
    struct person *p = &w->people[i];
    p->stays_down = false;
    p->paused_until = p->applying_until = 0;
    p->disk_ns = w->knobs.disk_ns;
    simulation_set_clock(w, p, 0, 1024);
    if (p->raft == NULL) {
      p->full = false;
      simulation_start(w, p);
    } else if (p->full) {
      p->full = false;
      struct raft_event e = {.type = RAFT_EVENT_CAPACITY, .full = false};
      simulation_step(w, p, &e, NULL, NULL);
    }
  }
}
