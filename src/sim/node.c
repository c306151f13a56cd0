#include "sim/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "sim/internal.h"

#define CAUSE_WAKE   UINT64_C(0x77616b65)
#define WAKE_COST_NS (100 * SIM_US) /* between two wake-ups, so that a loop of sleep(0) does not freeze time */

/* A line that arrived while the node was paused. */
struct held {
  struct held *next;
  uint64_t arrival_ns; /* on the node's clock */
  size_t len;
  char line[];
};

struct sim_node {
  struct sim *sim;
  const struct sim_maker *maker;
  struct sim_endpoint endpoint;
  struct node *node; /* NULL = dead */
  struct sim_disk *disk;
  struct node_disk disk_ops;
  unsigned incarnation;
  bool paused;
  unsigned pauses;
  bool failed;
  bool exited;
  unsigned ending; /* the incarnation whose end is posted; 0 = none */
  bool broken;
  uint64_t disk_failures; /* of its disk before this incarnation */
  bool complained;        /* it has logged an error */
  void (*on_broken)(void *arg, unsigned index);
  void *on_broken_arg;

  /* clocks: local = local_base + (world - world_base) * (1 + drift) */
  uint64_t world_base_ns;
  uint64_t local_base_ns;
  int64_t drift_ppm;
  int64_t wall_offset_ns;

  struct sim_event *wake;
  uint64_t wake_ns;   /* when it is posted for, in the world's time */
  uint64_t woke_ns;   /* the last wake-up */
  uint64_t wanted_ns; /* what the node asked for, likewise; UINT64_MAX = nothing */
  struct held *held;
  struct held **held_last;
};

/* ---- clocks ---- */

/* A stretch of time as a clock with this drift counts it. */
static int64_t drifted(int64_t ns, int64_t ppm)
{
  return ns + ns / 1000000 * ppm + ns % 1000000 * ppm / 1000000;
}

static uint64_t local_now(const struct sim_node *sn)
{
  return sn->local_base_ns + (uint64_t)drifted((int64_t)(sn->sim->now_ns - sn->world_base_ns), sn->drift_ppm);
}

/* When the node's clock will show a time: the first nanosecond of the world at which it is not before. */
static uint64_t world_time(const struct sim_node *sn, uint64_t local_ns)
{
  uint64_t now = local_now(sn);
  if (local_ns <= now) {
    return sn->sim->now_ns;
  }
  uint64_t left = local_ns - now;
  if (left > UINT64_C(1) << 53) { /* a hundred days: nobody waits for it */
    return UINT64_MAX;
  }
  int64_t per = 1000000 + sn->drift_ppm;
  return sn->sim->now_ns + left / (uint64_t)per * 1000000 + left % (uint64_t)per * 1000000 / (uint64_t)per + 1;
}

int64_t sim_node_wall_ns(const struct sim_node *sn)
{
  return SIM_EPOCH_S * (int64_t)SIM_S + (int64_t)local_now(sn) + sn->wall_offset_ns;
}

static void tell(struct sim_node *sn, const char *what)
{
  const struct sim_observer *o = sim_observer(sn->sim);
  sn->sim->trace = mix_bytes(sn->sim->trace, slice_of(what, strlen(what)));
  if (o != NULL && o->node != NULL) {
    o->node(o->self, sn->endpoint.index, what);
  }
}

/* ---- node/env.h ---- */

static uint64_t env_now(void *self)
{
  return local_now(self);
}

static uint64_t env_random(void *self)
{
  return sim_random(((struct sim_node *)self)->sim);
}

static void env_send(void *self, struct slice dest, struct slice line, bool originated)
{
  struct sim_node *sn = self;
  (void)dest;
  (void)originated;
  sim_send(sn->sim, &sn->endpoint, line);
}

static void post_wake(struct sim_node *sn);
static void look_whether_it_ended(struct sim_node *sn);

static void wake(void *arg)
{
  struct sim_node *sn = arg;
  sn->wake = NULL;
  if (sn->sim->now_ns < sn->wanted_ns) { /* what it was posted for is no longer wanted */
    post_wake(sn);
    return;
  }
  sn->wanted_ns = UINT64_MAX;
  sn->woke_ns = sn->sim->now_ns;
  node_wake(sn->node);
  look_whether_it_ended(sn);
}

static void post_end(struct sim_node *sn, sim_fn fn)
{
  sn->ending = sn->incarnation;
  sn->endpoint.mute = true; /* what the rest of the turn sends is not heard */
  sim_disk_hold(sn->disk, true);
  sim_post(sn->sim, sn->sim->now_ns, fn, sn, NULL);
}

static void end_broken(void *arg)
{
  struct sim_node *sn = arg;
  if (sn->node == NULL || sn->ending != sn->incarnation) {
    return;
  }
  tell(sn, "ended: its disk failed");
  sim_node_kill(sn);
  sn->broken = true;
  if (sn->on_broken != NULL) {
    sn->on_broken(sn->on_broken_arg, sn->endpoint.index);
  }
}

/* After each turn of the node: a process that has ended (its on_init failed, or it stopped) is gone. */
static void look_whether_it_ended(struct sim_node *sn)
{
  if (sn->node == NULL || sn->ending == sn->incarnation || node_state(sn->node) != NODE_STOPPED) {
    return;
  }
  bool told = sim_disk_failures(sn->disk) > sn->disk_failures;
  if (node_failed(sn->node) && told && sn->complained) {
    post_end(sn, end_broken);
  } else {
    sim_node_exit(sn);
  }
}

static void after_disk(void *arg)
{
  look_whether_it_ended(arg);
}

/* Keyed by the node and by when it really comes (two of them never come at once), not by who asked: one wake-up serves many timers. */
static void post_wake(struct sim_node *sn)
{
  if (sn->wanted_ns == UINT64_MAX || sn->paused) {
    return;
  }
  uint64_t soonest = sn->woke_ns + WAKE_COST_NS;
  sn->wake_ns = sn->wanted_ns > soonest ? sn->wanted_ns : soonest;
  uint64_t key = mix_pair(sim_random_of(sn->sim, CAUSE_WAKE, sn->endpoint.index, sn->incarnation), sn->wake_ns);
  sn->wake = sim_post_key(sn->sim, sn->wake_ns, key, wake, sn, NULL);
}

static void cancel_wake(struct sim_node *sn)
{
  if (sn->wake != NULL) {
    sim_cancel(sn->sim, sn->wake);
    sn->wake = NULL;
  }
}

static void env_wake_at(void *self, uint64_t deadline_ns)
{
  struct sim_node *sn = self;
  sn->wanted_ns = world_time(sn, deadline_ns);
  if (sn->wake != NULL && sn->wake_ns <= sn->wanted_ns) {
    return; /* it comes early, and is then posted anew */
  }
  cancel_wake(sn);
  post_wake(sn);
}

static void env_log(void *self, enum log_level level, struct slice text)
{
  struct sim_node *sn = self;
  const struct sim_observer *o = sim_observer(sn->sim);
  sn->sim->trace = mix_bytes(sn->sim->trace, text);
  sn->complained |= level == LOG_ERROR;
  if (o != NULL && o->log != NULL) {
    o->log(o->self, sn->endpoint.index, level, text);
  }
}

/* ---- messages ---- */

static void hold(struct sim_node *sn, struct slice line)
{
  struct held *h = memory_must(malloc(sizeof *h + line.len + 1));
  h->next = NULL;
  h->arrival_ns = local_now(sn);
  h->len = line.len;
  memcpy(h->line, line.ptr, line.len + 1);
  *sn->held_last = h;
  sn->held_last = &h->next;
}

static void receive(void *self, struct slice line, const struct json_envelope *e)
{
  struct sim_node *sn = self;
  if (sn->paused) {
    hold(sn, line);
  } else {
    node_receive_scanned(sn->node, line, e, local_now(sn));
    look_whether_it_ended(sn);
  }
}

static void drop_held(struct sim_node *sn)
{
  while (sn->held != NULL) {
    struct held *h = sn->held;
    sn->held = h->next;
    free(h);
  }
  sn->held_last = &sn->held;
}

/* ---- life ---- */

struct sim_node *sim_node_new(struct sim *sim, unsigned index, const char *name, const struct sim_maker *maker)
{
  struct sim_node *sn = memory_must(calloc(1, sizeof *sn));
  sn->sim = sim;
  sn->maker = maker;
  sn->endpoint = (struct sim_endpoint){.kind = SIM_NODE, .index = index, .self = sn, .receive = receive};
  int len = snprintf(sn->endpoint.name, sizeof sn->endpoint.name, "%s", name);
  assert(len > 0 && (size_t)len < sizeof sn->endpoint.name);
  (void)len;
  sn->world_base_ns = sim->now_ns;
  sn->local_base_ns = sim->now_ns;
  sn->wanted_ns = UINT64_MAX;
  sn->held_last = &sn->held;
  sn->disk = sim_disk_new(sim, &(struct sim_disk_config){
                                   .write_min_ns = 20 * SIM_US,
                                   .write_max_ns = 200 * SIM_US,
                                   .sync_min_ns = 100 * SIM_US,
                                   .sync_max_ns = 5 * SIM_MS,
                               });
  sn->disk_ops = sim_disk_ops(sn->disk);
  sim_disk_on_report(sn->disk, after_disk, sn);
  sn->endpoint.away = true;
  sim_join(sim, &sn->endpoint);
  return sn;
}

void sim_node_free(struct sim_node *sn)
{
  if (sn == NULL) {
    return;
  }
  cancel_wake(sn);
  sim_leave(sn->sim, &sn->endpoint);
  if (sn->node != NULL) {
    sn->maker->end(sn->maker->self, sn->endpoint.index);
  }
  drop_held(sn);
  sim_disk_free(sn->disk);
  free(sn);
}

void sim_node_start(struct sim_node *sn)
{
  if (sn->node != NULL || sn->exited) {
    return;
  }
  sn->incarnation++;
  sn->broken = false;
  sn->disk_failures = sim_disk_failures(sn->disk);
  sn->complained = false;
  sn->endpoint.mute = false;
  tell(sn, "start");
  struct node_env env = {
      .self = sn,
      .now = env_now,
      .random = env_random,
      .send = env_send,
      .wake_at = env_wake_at,
      .log = env_log,
      .disk = &sn->disk_ops,
  };
  sn->node = sn->maker->start(sn->maker->self, sn, sn->endpoint.index, sn->incarnation, &env);
  sn->failed = sn->node == NULL;
  if (sn->failed) {
    cancel_wake(sn);
    sn->wanted_ns = UINT64_MAX;
    return;
  }
  sn->endpoint.away = false;
}

void sim_node_kill(struct sim_node *sn)
{
  if (sn->node == NULL) {
    return;
  }
  tell(sn, "kill");
  cancel_wake(sn);
  sn->wanted_ns = UINT64_MAX;
  sn->paused = false;
  sn->endpoint.away = true;
  sn->maker->end(sn->maker->self, sn->endpoint.index);
  sn->node = NULL;
  drop_held(sn);
  sim_disk_crash(sn->disk);
}

void sim_node_pause(struct sim_node *sn)
{
  if (sn->node == NULL || sn->paused) {
    return;
  }
  tell(sn, "pause");
  sn->paused = true;
  sn->pauses++;
  sim_disk_hold(sn->disk, true);
  cancel_wake(sn);
}

void sim_node_resume(struct sim_node *sn)
{
  if (!sn->paused) {
    return;
  }
  tell(sn, "resume");
  sn->paused = false;
  struct held *h = sn->held;
  sn->held = NULL;
  sn->held_last = &sn->held;
  while (h != NULL) {
    struct held *next = h->next;
    node_receive(sn->node, slice_of(h->line, h->len), h->arrival_ns);
    free(h);
    h = next;
  }
  if (sn->ending != sn->incarnation) {
    sim_disk_hold(sn->disk, false);
  }
  look_whether_it_ended(sn);
  if (sn->wanted_ns != UINT64_MAX && sn->wake == NULL) {
    post_wake(sn);
  }
}

static void end_exited(void *arg)
{
  sim_node_kill(arg);
}

void sim_node_exit(struct sim_node *sn)
{
  if (!sn->exited) {
    sn->exited = true;
    post_end(sn, end_exited);
  }
}

void sim_node_set_clock(struct sim_node *sn, int64_t drift_ppm, int64_t offset_ns)
{
  assert(drift_ppm > -500000 && drift_ppm < 500000);
  char what[80];
  snprintf(what, sizeof what, "clock drift %lld ppm, jump %lld ms", (long long)drift_ppm, (long long)(offset_ns / (int64_t)SIM_MS));
  tell(sn, what);
  sn->local_base_ns = local_now(sn);
  sn->world_base_ns = sn->sim->now_ns;
  sn->drift_ppm = drift_ppm;
  sn->wall_offset_ns += offset_ns;
  /* What it waits for comes at another time of the world now: an early wake-up makes it ask anew. */
  if (sn->wanted_ns != UINT64_MAX) {
    sn->wanted_ns = sn->sim->now_ns;
    cancel_wake(sn);
    post_wake(sn);
  }
}

/* ---- looks ---- */

bool sim_node_exited(const struct sim_node *sn)
{
  return sn->exited;
}

bool sim_node_broken(const struct sim_node *sn)
{
  return sn->broken;
}

void sim_node_on_broken(struct sim_node *sn, void (*fn)(void *arg, unsigned index), void *arg)
{
  sn->on_broken = fn;
  sn->on_broken_arg = arg;
}

struct sim_disk *sim_node_disk(struct sim_node *sn)
{
  return sn->disk;
}

bool sim_node_alive(const struct sim_node *sn)
{
  return sn->node != NULL;
}

bool sim_node_paused(const struct sim_node *sn)
{
  return sn->paused;
}

bool sim_node_failed(const struct sim_node *sn)
{
  return sn->failed;
}

bool sim_node_mute(const struct sim_node *sn)
{
  return sn->endpoint.mute;
}

const char *sim_node_name(const struct sim_node *sn)
{
  return sn->endpoint.name;
}

unsigned sim_node_index(const struct sim_node *sn)
{
  return sn->endpoint.index;
}

unsigned sim_node_incarnation(const struct sim_node *sn)
{
  return sn->incarnation;
}

unsigned sim_node_pauses(const struct sim_node *sn)
{
  return sn->pauses;
}
