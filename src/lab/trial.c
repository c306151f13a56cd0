#include "lab/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "lab/arena.h"
#include "lab/trial_state.h"
#include "script/script.h"
#include "sim/random.h"

#define CAUSE_OPERATION UINT64_C(0x6f70)
#define CAUSE_FINAL     UINT64_C(0x66696e616c)
#define CAUSE_SCHEDULE  UINT64_C(0x73636865)
#define CAUSE_WORKLOAD  UINT64_C(0x776f726b)
#define CAUSE_ERRAND    UINT64_C(0x657272)

#define INIT_TIMEOUT_NS  (10 * SIM_S)
#define SETUP_TIMEOUT_NS (10 * SIM_S)
#define REST_NS          (10 * SIM_S) /* after healing, before the final operations: as Maelstrom */
#define FINAL_NS         (20 * SIM_S) /* within which every node must have served something again */
#define RETRY_NS         (500 * SIM_MS)

static const volatile uint64_t *volatile running; /* the progress of the run whose cluster is at work */

uint64_t lab_progress(void)
{
  const volatile uint64_t *progress = running;
  return progress == NULL ? 0 : *progress + 1;
}

/* ---- errands ---- */

static void end_errand(struct errand *e, bool ok)
{
  struct trial *t = e->trial;
  e->done = true;
  e->ok = ok;
  if (e->first && --t->waiting == 0) {
    sim_stop(t->sim);
  }
}

/* A node that was killed or paused meanwhile need not answer. */
static bool is_excused(const struct errand *e)
{
  struct sim_node *sn = members_node(e->trial->members, e->node);
  return !sim_node_alive(sn) || sim_node_incarnation(sn) != e->incarnation || sim_node_paused(sn) || sim_node_pauses(sn) != e->pauses;
}

static void on_errand(void *arg, struct client *client, const struct slice *body, struct slice type)
{
  struct errand *e = arg;
  struct trial *t = e->trial;
  (void)client;
  bool ok = body != NULL && !slice_equal(type, SLICE("error"));
  if (!e->init) {
    workload_setup_done(t->workload, e->node, body);
    t->setup_failed |= !ok;
  } else if (!ok && (e->first || body != NULL || !is_excused(e))) {
    struct crash *crash = facts_add_crash(t, e->node, e->first ? "did not answer init" : "did not answer init after its restart");
    buf_append_slice(&crash->text, body != NULL ? *body : SLICE("no reply in 10 s"));
  }
  end_errand(e, ok);
}

static struct errand *send_errand(struct trial *t, unsigned node, bool init, bool first, struct slice members)
{
  struct errand *e = memory_must(calloc(1, sizeof *e));
  e->trial = t;
  e->node = node;
  e->init = init;
  e->first = first;
  e->incarnation = sim_node_incarnation(members_node(t->members, node));
  e->pauses = sim_node_pauses(members_node(t->members, node));
  e->next = t->errands;
  t->errands = e;
  t->waiting += first;
  e->client = client_new(t->sim, &t->names, trial_node_name(t, node), on_errand, e);
  client_request(e->client, members, init ? INIT_TIMEOUT_NS : SETUP_TIMEOUT_NS);
  return e;
}

static void send_init(struct trial *t, unsigned node, bool first)
{
  struct buf body = {0};
  buf_printf(&body, "\"type\":\"init\",\"node_id\":\"%s\",\"node_ids\":[%.*s]", trial_node_name(t, node), (int)t->init_ids.len,
             t->init_ids.data);
  send_errand(t, node, true, first, buf_slice(&body));
  buf_free(&body);
}

/* Errands that are over leave the network: the client that sent init is gone once it has its answer. */
static void clear_errands(struct trial *t, bool all)
{
  struct errand **at = &t->errands;
  while (*at != NULL) {
    struct errand *e = *at;
    if (e->done || all) {
      *at = e->next;
      client_free(e->client);
      free(e);
    } else {
      at = &e->next;
    }
  }
}

static void on_restart(void *arg, unsigned node)
{
  struct trial *t = arg;
  if (!sim_node_alive(members_node(t->members, node))) {
    struct crash *crash = facts_add_crash(t, node, "did not start again");
    buf_append_slice(&crash->text, members_load_error(t->members));
    return;
  }
  send_init(t, node, false);
}

/* ---- the workload's clients ---- */

static void due(void *arg);

static void schedule(struct worker *w, uint64_t at_ns)
{
  w->due = sim_post(w->trial->sim, at_ns, due, w, NULL);
}

/* The next operation is due a keyed time after this one was due, however long this one takes: the load is an open loop per client. */
static void plan_next(struct worker *w)
{
  struct trial *t = w->trial;
  double mean = (double)t->config->clients / t->config->rate * 1e9;
  uint64_t bound = mean < 1 ? 1 : mean > 1e15 ? (uint64_t)1e15 : (uint64_t)(2 * mean);
  w->next_ns += random_below(sim_random_of(t->sim, CAUSE_SCHEDULE, w->index, w->count), bound);
}

static void finish_final(struct worker *w)
{
  w->done = true;
  for (unsigned i = 0; i < w->trial->config->clients; i++) {
    if (!w->trial->workers[i].done) {
      return;
    }
  }
  sim_stop(w->trial->sim);
}

static void due(void *arg)
{
  struct worker *w = arg;
  struct trial *t = w->trial;
  w->due = NULL;
  if (t->phase == PHASE_DRAIN || (t->phase == PHASE_LOAD && sim_now(t->sim) >= t->load_end_ns)) {
    return;
  }
  if (t->phase == PHASE_FINAL) {
    sim_cause(t->sim, CAUSE_FINAL, w->index, w->finals++);
    if (!workload_final(t->workload, w->index)) {
      finish_final(w);
    }
    return;
  }
  sim_cause(t->sim, CAUSE_OPERATION, w->index, w->count++);
  plan_next(w);
  if (!workload_next(t->workload, w->index)) {
    schedule(w, w->next_ns);
  }
}

static void go_on(struct worker *w, bool useful)
{
  struct trial *t = w->trial;
  if (workload_error(t->workload).len > 0) {
    sim_stop(t->sim);
  } else if (t->phase == PHASE_LOAD) {
    schedule(w, w->next_ns);
  } else if (t->phase == PHASE_FINAL) {
    t->served[w->node] |= useful;
    if (useful || sim_now(t->sim) + RETRY_NS >= t->final_end_ns) {
      finish_final(w);
    } else {
      schedule(w, sim_now(t->sim) + RETRY_NS);
    }
  }
}

static void on_reply(void *arg, struct client *client, const struct slice *body, struct slice type)
{
  struct worker *w = arg;
  (void)client;
  (void)type;
  bool useful = false;
  if (body != NULL) {
    useful = workload_reply(w->trial->workload, w->index, *body);
  } else {
    workload_timeout(w->trial->workload, w->index);
  }
  go_on(w, useful);
}

static void hook_request(void *self, unsigned client, struct slice members)
{
  struct trial *t = self;
  t->operations++;
  client_request(t->workers[client].client, members, workload_reply_timeout_ns(t->workload));
}

static void hook_leave(void *self, unsigned client)
{
  struct trial *t = self;
  client_renew(t->workers[client].client);
}

static uint64_t hook_now(void *self)
{
  struct trial *t = self;
  return sim_now(t->sim) - t->start_ns;
}

static uint64_t hook_random(void *self, uint64_t a, uint64_t b)
{
  struct trial *t = self;
  return sim_random_of(t->sim, CAUSE_WORKLOAD, a, b);
}

static bool any_waits(const struct trial *t)
{
  for (unsigned i = 0; i < t->config->clients; i++) {
    if (client_waits(t->workers[i].client)) {
      return true;
    }
  }
  return false;
}

/* ---- phases ---- */

static void run_errands(struct trial *t, uint64_t timeout_ns)
{
  uint64_t deadline = sim_now(t->sim) + timeout_ns;
  while (t->waiting > 0 && !t->over && sim_now(t->sim) < deadline) {
    sim_run(t->sim, deadline);
  }
  clear_errands(t, true);
  t->waiting = 0;
}

/* Starts all nodes and sends init; false if the script does not load. */
static bool start_cluster(struct trial *t)
{
  unsigned n = t->config->nodes;
  for (unsigned i = 0; i < n; i++) {
    buf_printf(&t->init_ids, "%s\"%s\"", i > 0 ? "," : "", trial_node_name(t, i));
  }
  for (unsigned i = 0; i < n; i++) {
    sim_node_start(members_node(t->members, i));
    sim_note_progress(t->sim);
    if (!sim_node_alive(members_node(t->members, i))) {
      return false;
    }
  }
  for (unsigned i = 0; i < n; i++) {
    sim_cause(t->sim, CAUSE_ERRAND, i, 0);
    send_init(t, i, true);
  }
  run_errands(t, INIT_TIMEOUT_NS);
  return true;
}

static void set_up(struct trial *t)
{
  struct buf body = {0};
  for (unsigned i = 0; i < t->config->nodes; i++) {
    buf_clear(&body);
    sim_note_progress(t->sim);
    if (workload_setup(t->workload, i, &body)) {
      sim_cause(t->sim, CAUSE_ERRAND, i, 1);
      send_errand(t, i, false, true, buf_slice(&body));
    }
  }
  buf_free(&body);
  run_errands(t, SETUP_TIMEOUT_NS);
}

static unsigned who_leads(void *arg, uint64_t word)
{
  struct trial *t = arg;
  return watcher_leader(t->watcher, word);
}

static void load(struct trial *t)
{
  struct sim_nemesis_config nemesis = {
      .specs = t->config->faults,
      .count = t->config->fault_count,
      .interval_ns = t->config->nemesis_interval_ns,
      .nodes = t->config->nodes,
      .node = members_nodes(t->members),
      .restarted = on_restart,
      .leader = watcher_groups(t->watcher) > 0 ? who_leads : NULL,
      .arg = t,
  };
  t->start_ns = sim_now(t->sim);
  t->record.start_ns = t->start_ns;
  t->load_end_ns = t->start_ns + t->config->time_limit_ns;
  t->phase = PHASE_LOAD;
  for (unsigned i = 0; i < t->config->clients; i++) {
    struct worker *w = &t->workers[i];
    w->next_ns = t->start_ns;
    plan_next(w);
    w->count = 1;
    schedule(w, w->next_ns);
  }
  if (t->config->fault_count > 0) {
    t->nemesis = sim_nemesis_new(t->sim, &nemesis);
  }
  /* In pieces, to take errands that are over out of the network. */
  while (sim_now(t->sim) < t->load_end_ns && !t->over && workload_error(t->workload).len == 0) {
    uint64_t until = sim_now(t->sim) + SIM_S;
    sim_run(t->sim, until < t->load_end_ns ? until : t->load_end_ns);
    clear_errands(t, false);
  }
}

static void heal_and_drain(struct trial *t)
{
  t->phase = PHASE_DRAIN;
  if (t->nemesis != NULL) {
    sim_nemesis_heal(t->nemesis);
  }
  uint64_t deadline = sim_now(t->sim) + workload_reply_timeout_ns(t->workload) + SIM_S;
  while (any_waits(t) && !t->over && sim_now(t->sim) < deadline) {
    sim_run(t->sim, sim_now(t->sim) + 10 * SIM_MS);
  }
  for (unsigned i = 0; i < t->config->clients; i++) {
    if (t->workers[i].due != NULL) {
      sim_cancel(t->sim, t->workers[i].due);
      t->workers[i].due = NULL;
    }
  }
}

static void final_operations(struct trial *t)
{
  if (!workload_has_final(t->workload) && t->config->fault_count == 0) {
    return;
  }
  sim_run(t->sim, sim_now(t->sim) + REST_NS);
  clear_errands(t, false);
  t->phase = PHASE_FINAL;
  t->final_end_ns = sim_now(t->sim) + FINAL_NS;
  for (unsigned i = 0; i < t->config->clients; i++) {
    schedule(&t->workers[i], sim_now(t->sim));
  }
  sim_run(t->sim, t->final_end_ns + workload_reply_timeout_ns(t->workload));
}

static void broken(struct lab_result *result, struct slice why)
{
  result->verdict = LAB_BROKEN;
  buf_append_slice(&result->text, why);
  buf_append_char(&result->text, '\n');
  size_t line = 0;
  while (line < why.len && why.ptr[line] != '\n') {
    line++;
  }
  buf_append(&result->reason, why.ptr, line);
}

static void judge(struct trial *t, struct lab_result *result)
{
  facts_collect_crashes(t);
  struct buf text = {0};
  enum lab_verdict verdict = workload_verdict(t->workload, facts_push, t, &text, &result->reason);
  if (workload_error(t->workload).len > 0) {
    broken(result, workload_error(t->workload));
  } else {
    result->verdict = verdict;
    buf_append_slice(&result->text, buf_slice(&text));
  }
  buf_free(&text);
}

static void keep_history(struct trial *t)
{
  static const char *const forms[] = {"edn", "jsonl"};
  for (int i = 0; t->config->keep != NULL && i < 2; i++) {
    struct buf text = {0};
    char name[24];
    snprintf(name, sizeof name, "history.%s", forms[i]);
    workload_history(t->workload, forms[i], &text);
    record_write(&t->record, name, buf_slice(&text));
    buf_free(&text);
  }
}

/* ---- one run ---- */

static void on_error(void *arg, unsigned node)
{
  struct trial *t = arg;
  if (members_ran_away(t->members, node)) {
    t->over = true;
    sim_stop(t->sim);
  }
}

static void on_violation(void *arg)
{
  struct trial *t = arg;
  record_event(&t->record, "raft", "watch", watcher_failure(t->watcher));
  t->over = true;
  sim_stop(t->sim);
}

static void on_fault(void *arg, bool begins, const char *what)
{
  struct trial *t = arg;
  workload_nemesis(t->workload, begins, what);
}

static void open_world(struct trial *t)
{
  const struct lab_config *c = t->config;
  t->sim = sim_new(&(struct sim_config){
      .seed = c->seed,
      .nodes = c->nodes,
      .latency = c->latency,
      .service_min_ns = c->service_min_ns,
      .service_max_ns = c->service_max_ns,
      .reorder_keys = c->reorder_keys,
      .observer = &t->record.observer,
  });
  t->start_ns = sim_now(t->sim);
  record_attach(&t->record, t->sim);
  t->services = services_new(t->sim, &(struct services_config){.seq_window = c->seq_window, .lww_merge_ns = c->lww_merge_ns});
  t->watcher = watcher_new(t->sim, c->nodes, on_violation, t);
  t->members = members_new(t->sim, c, t->cache, t->watcher);
  t->served = memory_must(calloc(c->nodes, sizeof *t->served));
  t->workers = memory_must(calloc(c->clients, sizeof *t->workers));
  for (unsigned i = 0; i < c->clients; i++) {
    unsigned node = i % c->nodes;
    t->workers[i] = (struct worker){.trial = t, .index = i, .node = node};
    t->workers[i].client = client_new(t->sim, &t->names, trial_node_name(t, node), on_reply, &t->workers[i]);
  }
}

static void open_workload(struct trial *t)
{
  const char **names = memory_must(calloc(t->config->nodes, sizeof *names));
  for (unsigned i = 0; i < t->config->nodes; i++) {
    names[i] = trial_node_name(t, i);
  }
  struct workload_hooks hooks = {t, hook_request, hook_leave, hook_now, hook_random};
  t->workload = workload_new(t->config, &hooks, names, t->cache);
  t->record.fault = on_fault;
  t->record.error = on_error;
  t->record.arg = t;
  free(names);
}

static void close_world(struct trial *t)
{
  sim_nemesis_free(t->nemesis);
  clear_errands(t, true);
  for (unsigned i = 0; i < t->config->clients; i++) {
    client_free(t->workers[i].client);
  }
  if (t->workload != NULL) {
    workload_free(t->workload);
  }
  members_free(t->members);
  watcher_free(t->watcher);
  services_free(t->services);
  sim_free(t->sim);
  for (size_t i = 0; i < t->crash_count; i++) {
    buf_free(&t->crashes[i].text);
  }
  buf_free(&t->overflow.text);
  buf_free(&t->init_ids);
  free(t->served);
  free(t->workers);
}

static void run(struct trial *t, struct lab_result *result)
{
  open_workload(t);
  if (workload_error(t->workload).len > 0) {
    broken(result, workload_error(t->workload));
    return;
  }
  running = sim_progress(t->sim);
  bool started = start_cluster(t);
  if (!started) {
    running = NULL;
    broken(result, members_load_error(t->members));
    return;
  }
  if (t->crash_count == 0) {
    set_up(t);
  }
  if (t->crash_count == 0 && !t->setup_failed && !t->over) {
    load(t);
  }
  if (t->phase == PHASE_LOAD && !t->over) {
    heal_and_drain(t);
  }
  if (t->phase == PHASE_DRAIN && !t->over) {
    final_operations(t);
  }
  running = NULL;
  keep_history(t);
  judge(t, result);
}

/* What crosses to the stack that the run is done on. */
struct call {
  const struct lab_config *config;
  struct script_cache *cache;
  struct lab_result *result;
};

static void run_trial(void *arg)
{
  const struct call *call = arg;
  const struct lab_config *config = call->config;
  struct lab_result *result = call->result;
  struct trial t = {.config = config, .cache = call->cache};
  struct buf why = {0};
  if (record_open(&t.record, config, &why) != 0) {
    broken(result, buf_slice(&why));
    record_close(&t.record);
    buf_free(&why);
    return;
  }
  open_world(&t);
  run(&t, result);
  result->trace = sim_trace(t.sim);
  result->virtual_ns = sim_now(t.sim) - t.start_ns;
  result->operations = t.operations;
  result->messages = sim_stats(t.sim)->delivered;
  for (int f = 0; t.nemesis != NULL && f < SIM_FAULTS; f++) {
    result->faults += sim_nemesis_count(t.nemesis, (enum sim_fault)f);
  }
  close_world(&t);
  record_close(&t.record);
}

void lab_trial(const struct lab_config *config, struct script_cache *cache, struct lab_result *result)
{
  *result = (struct lab_result){.verdict = LAB_BROKEN};
  struct call call = {config, cache, result};
  script_freeze_clock(0);
  arena_call(run_trial, &call);
}
