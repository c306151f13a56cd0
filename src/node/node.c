/* Life of a node: creation, stop, identity. */
#include "node/node.h"

#include <stdarg.h>
#include <stdlib.h>

#include "node/internal.h"

struct node_config node_config_default(void)
{
  return (struct node_config){
      .line_max_bytes = 16u << 20,
      .late_reply_ns = 4500 * NODE_MS_NS,
      .hold_ns = NODE_S_NS,
  };
}

struct node *node_new(const struct node_config *config, const struct node_env *env, const struct node_behavior *behavior)
{
  struct node *n = calloc(1, sizeof *n);
  if (n == NULL) {
    abort();
  }
  n->config = *config;
  n->env = *env;
  n->behavior = *behavior;
  parties_init(&n->parties, NODE_CLIENTS_MAX);
  heap_init(&n->timers);
  map_init(&n->ops);
  n->wake_asked_ns = UINT64_MAX;
  n->held_last = &n->held_first;
  n->waiting_last = &n->waiting_first;
  /* Ids begin at random, so that a late reply to an earlier incarnation does not match, and above those that scripts count up from 1. */
  n->first_rpc_id = (UINT64_C(1) << 30) + n->env.random(n->env.self) % (UINT64_C(1) << 30);
  n->next_rpc_id = n->first_rpc_id;
  return n;
}

void node_free(struct node *n)
{
  if (n == NULL) {
    return;
  }
  groups_free(n);
  send_forget_held(n);
  receive_forget_waiting(n);
  for (size_t i = 0; i < n->ops.cap; i++) {
    free(n->ops.slots[i].value);
  }
  while (n->free_ops != NULL) {
    struct op *op = n->free_ops;
    n->free_ops = op->next_free;
    free(op);
  }
  map_free(&n->ops);
  heap_free(&n->timers);
  parties_free(&n->parties);
  buf_free(&n->line_head);
  buf_free(&n->line);
  buf_free(&n->scratch);
  buf_free(&n->names);
  buf_free(&n->start);
  free(n);
}

/* Says how many warnings were not written. */
static void report_suppressed(struct node *n)
{
  if (n->warn_suppressed > 0) {
    node_log(n, LOG_WARN, "%llu more warnings of this kind were not written", (unsigned long long)n->warn_suppressed);
    n->warn_suppressed = 0;
  }
}

bool node_may_warn(struct node *n)
{
  uint64_t now = n->env.now(n->env.self);
  if (n->warn_window_ns == 0 || now - n->warn_window_ns >= NODE_S_NS) {
    report_suppressed(n);
    n->warn_window_ns = now;
    n->warn_count = 0;
  }
  if (n->warn_count == NODE_WARNINGS_PER_S) {
    n->warn_suppressed++;
    return false;
  }
  n->warn_count++;
  return true;
}

/* The last act: the service says good-bye. */
static void finish(struct node *n)
{
  if (n->state == NODE_STOPPED) {
    return;
  }
  groups_stop(n);
  receive_refuse_waiting(n);
  send_release(n, NULL);
  n->behavior.stop(n->behavior.self);
  n->state = NODE_STOPPED;
  report_suppressed(n);
}

void node_stop(struct node *n)
{
  if (n->state >= NODE_STOPPING) {
    finish(n);
    return;
  }
  bool began = n->state == NODE_RUNNING;
  n->state = NODE_STOPPING;
  if (!began) {
    finish(n);
    return;
  }
  op_arm(n, op_new(n, OP_GIVE_UP, NULL), n->env.now(n->env.self) + NODE_STOP_TIMEOUT_NS);
  op_fail_rpcs(n);
  groups_stop(n);
  node_settle(n);
}

void node_settle(struct node *n)
{
  if (n->state == NODE_STOPPED) {
    return;
  }
  bool replays = n->ready && n->waiting_count > 0; /* requests that waited for on_init are about to be handled */
  if (n->failed || (n->state == NODE_STOPPING && !replays && !n->behavior.busy(n->behavior.self))) {
    finish(n);
  }
}

void node_wake(struct node *n)
{
  if (n->state == NODE_STOPPED) {
    return;
  }
  op_run_due(n);
  node_settle(n);
}

void node_fail(struct node *n)
{
  n->failed = true;
  /* We may be inside a call of the service: the end comes when the world calls next. */
  op_arm(n, op_new(n, OP_GIVE_UP, NULL), 0);
}

void node_flush(struct node *n)
{
  send_release(n, NULL);
}

enum node_state node_state(const struct node *n)
{
  return n->state;
}

bool node_failed(const struct node *n)
{
  return n->failed;
}

const struct node_stats *node_stats(const struct node *n)
{
  return &n->stats;
}

struct slice node_id(const struct node *n)
{
  assert(n->self != NULL);
  return party_name(n->self);
}

size_t node_member_count(const struct node *n)
{
  return n->parties.member_count;
}

struct slice node_member(const struct node *n, size_t i)
{
  assert(i < n->parties.member_count);
  return party_name(n->parties.members[i]);
}

bool node_is_member(const struct node *n, struct slice name)
{
  const struct party *party = parties_find(&n->parties, name);
  return party != NULL && party->kind == PARTY_MEMBER;
}

uint64_t node_now(const struct node *n)
{
  return n->env.now(n->env.self);
}

uint64_t node_random(const struct node *n)
{
  return n->env.random(n->env.self);
}

void node_log_text(const struct node *n, enum log_level level, struct slice text)
{
  n->env.log(n->env.self, level, text);
}

void node_log_args(const struct node *n, enum log_level level, const char *format, va_list args)
{
  struct buf text = {0};
  buf_vprintf(&text, format, args);
  node_log_text(n, level, buf_slice(&text));
  buf_free(&text);
}

void node_log(const struct node *n, enum log_level level, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  node_log_args(n, level, format, args);
  va_end(args);
}
