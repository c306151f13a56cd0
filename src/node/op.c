/* Operations that take time: RPCs that wait for a reply, timers, those of Raft groups. */
#include <stdlib.h>

#include "node/internal.h"

#define TIMER_TOKEN (UINT64_C(1) << 63)

struct op *op_new(struct node *n, enum op_kind kind, void *tag)
{
  assert(kind == OP_TIMER || !groups_applying(n));
  struct op *op = n->free_ops;
  if (op != NULL) {
    n->free_ops = op->next_free;
  } else {
    op = malloc(sizeof *op);
    if (op == NULL) {
      abort();
    }
  }
  *op = (struct op){.kind = kind, .tag = tag};
  op->token = kind == OP_RPC ? n->next_rpc_id++ : TIMER_TOKEN | n->next_timer++;
  map_put(&n->ops, op->token, op);
  return op;
}

void op_free(struct node *n, struct op *op)
{
  if (heap_contains(&op->timer)) {
    heap_remove(&n->timers, &op->timer);
  }
  map_remove(&n->ops, op->token);
  if (op->peer != NULL) {
    op->peer->refs--;
  }
  op->next_free = n->free_ops;
  n->free_ops = op;
}

/* Asks the world for a wake-up, unless one that is early enough has been asked for. */
static void ask_wake(struct node *n)
{
  struct heap_entry *first = heap_min(&n->timers);
  if (first != NULL && first->deadline < n->wake_asked_ns) {
    n->wake_asked_ns = first->deadline;
    n->env.wake_at(n->env.self, first->deadline);
  }
}

void op_arm(struct node *n, struct op *op, uint64_t deadline_ns)
{
  if (heap_contains(&op->timer)) {
    heap_remove(&n->timers, &op->timer);
  }
  op->timer.deadline = deadline_ns;
  heap_push(&n->timers, &op->timer);
  ask_wake(n);
}

void op_disarm(struct node *n, struct op *op)
{
  if (heap_contains(&op->timer)) {
    heap_remove(&n->timers, &op->timer);
  }
}

void op_arm_after(struct node *n, struct op *op, uint64_t delay_ns)
{
  uint64_t now = n->env.now(n->env.self);
  op_arm(n, op, delay_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + delay_ns);
}

void op_complete(struct node *n, struct op *op, int status, const struct node_message *reply)
{
  assert(op->kind == OP_RPC || op->kind == OP_TIMER);
  uint64_t token = op->token;
  void *tag = op->tag;
  op_free(n, op);
  n->behavior.complete(n->behavior.self, token, tag, status, reply);
}

void op_answer(struct node *n, struct op *op, int status, const struct node_answer *answer)
{
  uint64_t token = op->token;
  void *tag = op->tag;
  op_free(n, op);
  n->behavior.answer(n->behavior.self, token, tag, status, answer);
}

static void run(struct node *n, struct op *op)
{
  switch (op->kind) {
  case OP_TIMER:
  case OP_RPC:
    op_complete(n, op, op->status, NULL);
    break;
  case OP_RELEASE:
    op_free(n, op);
    send_release(n, NULL);
    break;
  case OP_REPLAY:
    op_free(n, op);
    receive_replay(n);
    break;
  case OP_GIVE_UP:
    op_free(n, op);
    node_stop(n);
    break;
  case OP_PROPOSAL:
  case OP_READ:
  case OP_ASK:
    groups_op_due(op);
    break;
  case OP_GROUPS_TURN:
    groups_turn(n);
    break;
  case OP_GROUPS_RETRY:
    groups_retry(n);
    break;
  case OP_GROUP_TIME:
    groups_time(n, op);
    break;
  }
}

void op_run_due(struct node *n)
{
  uint64_t now = n->env.now(n->env.self);
  n->wake_asked_ns = UINT64_MAX;
  /* What is started meanwhile has a later deadline, or waits for the next wake-up: this loop ends. */
  uint64_t until_sequence = n->timers.next_sequence;
  struct heap_entry *e;
  while (n->state != NODE_STOPPED && (e = heap_min(&n->timers)) != NULL && e->deadline <= now && e->sequence < until_sequence) {
    run(n, (struct op *)e);
  }
  ask_wake(n);
}

static int by_token(const void *a, const void *b)
{
  uint64_t left = *(const uint64_t *)a;
  uint64_t right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

void op_fail_rpcs(struct node *n)
{
  uint64_t *tokens = malloc((n->ops.len + 1) * sizeof *tokens);
  if (tokens == NULL) {
    abort();
  }
  size_t count = 0;
  for (size_t i = 0; i < n->ops.cap; i++) {
    struct op *op = n->ops.slots[i].value;
    if (op != NULL && op->kind == OP_RPC) {
      tokens[count++] = op->token;
    }
  }
  qsort(tokens, count, sizeof *tokens, by_token);
  for (size_t i = 0; i < count; i++) {
    struct op *op = map_get(&n->ops, tokens[i]);
    if (op != NULL) {
      op_complete(n, op, ERROR_STOPPED, NULL);
    }
  }
  free(tokens);
}

uint64_t node_timer(struct node *n, uint64_t delay_ns, void *tag)
{
  struct op *op = op_new(n, OP_TIMER, tag);
  op_arm_after(n, op, delay_ns);
  return op->token;
}

void node_cancel(struct node *n, uint64_t token)
{
  struct op *op = map_get(&n->ops, token);
  assert(!groups_applying(n));
  if (op != NULL) {
    if (op->subject != NULL) {
      groups_op_forget(op);
    }
    op_free(n, op);
  }
}
