/* Lines go out: begun, filled by the caller, finished; held back right after init; answers; forwarding. */
#include <stdlib.h>

#include "node/internal.h"
#include "json/write.h"

/* Writes the line up to the first member of its body. */
static struct buf *open_line(struct node *n, struct slice dest)
{
  assert(n->line.len == 0);
  assert(!groups_applying(n));
  struct buf *line = &n->line;
  buf_append_slice(line, buf_slice(&n->line_head));
  int error = json_write_string(line, dest);
  assert(error == 0);
  (void)error;
  buf_append_slice(line, SLICE(",\"body\":{"));
  return line;
}

void send_prepare(struct node *n)
{
  buf_clear(&n->line_head);
  buf_append_str(&n->line_head, "{\"src\":");
  json_write_text(&n->line_head, party_name(n->self));
  buf_append_str(&n->line_head, ",\"dest\":");
}

static void put(struct node *n, struct slice dest, struct slice line, bool originated)
{
  n->stats.sent++;
  n->env.send(n->env.self, dest, line, originated);
}

struct buf *node_line_begin(struct node *n, struct slice dest, int *error)
{
  assert(n->line_to == NULL);
  if (n->self == NULL) {
    *error = ERROR_NOT_INITIALIZED;
    return NULL;
  }
  struct party *to = parties_find(&n->parties, dest);
  if (to == NULL) {
    *error = ERROR_DESTINATION;
    return NULL;
  }
  n->line_to = to;
  return open_line(n, dest);
}

/* The line is finished, or not wanted any more. */
static void close_line(struct node *n)
{
  buf_clear(&n->line);
  n->line_to = NULL;
}

/* Keeps the line until its receiver can be expected to exist. `rpc` waits for its reply, or is NULL. */
static void hold(struct node *n, struct party *to, struct op *rpc)
{
  struct held *h = malloc(sizeof *h + n->line.len);
  if (h == NULL) {
    abort();
  }
  *h = (struct held){.to = to, .rpc = rpc, .token = rpc == NULL ? 0 : rpc->token, .len = n->line.len};
  memcpy(h->line, n->line.data, n->line.len);
  to->refs++;
  *n->held_last = h;
  n->held_last = &h->next;
  n->held_bytes += h->len;
}

/* Sends a line of ours, or holds it. */
static void originate(struct node *n, struct op *rpc)
{
  struct party *to = n->line_to;
  buf_append_slice(&n->line, SLICE("}}\n"));
  if (n->holding && !to->heard && n->held_bytes + n->line.len <= NODE_HELD_MAX_BYTES) {
    hold(n, to, rpc);
  } else {
    if (rpc != NULL) {
      op_arm(n, rpc, n->env.now(n->env.self) + rpc->timeout_ns);
    }
    put(n, party_name(to), buf_slice(&n->line), true);
  }
  close_line(n);
}

void node_line_send(struct node *n)
{
  assert(n->line_to != NULL);
  originate(n, NULL);
}

uint64_t node_line_rpc(struct node *n, uint64_t timeout_ns, void *tag)
{
  assert(n->line_to != NULL);
  struct op *op = op_new(n, OP_RPC, tag);
  op->status = ERROR_TIMEOUT;
  op->timeout_ns = timeout_ns < NODE_RPC_TIMEOUT_MAX_NS ? timeout_ns : NODE_RPC_TIMEOUT_MAX_NS;
  op->peer = n->line_to;
  op->peer->refs++;
  uint64_t token = op->token;
  if (n->state != NODE_RUNNING) {
    close_line(n);
    op->status = ERROR_STOPPED;
    op_arm(n, op, n->env.now(n->env.self));
    return token;
  }
  buf_append_slice(&n->line, SLICE(",\"msg_id\":"));
  json_write_integer(&n->line, (int64_t)token);
  originate(n, op);
  return token;
}

void send_release(struct node *n, const struct party *only)
{
  struct held **at = &n->held_first;
  uint64_t now = n->env.now(n->env.self);
  if (only == NULL) {
    n->holding = false;
  }
  while (*at != NULL) {
    struct held *h = *at;
    if (only != NULL && h->to != only) {
      at = &h->next;
      continue;
    }
    *at = h->next;
    n->held_bytes -= h->len;
    bool wanted = h->rpc == NULL || map_get(&n->ops, h->token) == h->rpc;
    if (wanted && h->rpc != NULL) {
      op_arm(n, h->rpc, now + h->rpc->timeout_ns);
    }
    if (wanted) { /* else nobody waits for the reply any more, and the request never left */
      put(n, party_name(h->to), slice_of(h->line, h->len), true);
    }
    h->to->refs--;
    free(h);
  }
  n->held_last = at;
}

void send_forget_held(struct node *n)
{
  while (n->held_first != NULL) {
    struct held *h = n->held_first;
    n->held_first = h->next;
    free(h);
  }
  n->held_last = &n->held_first;
  n->held_bytes = 0;
}

size_t node_request_size(const struct node_message *message)
{
  return sizeof(struct node_request) + message->src.len + message->msg_id.len;
}

void node_request_init(struct node_request *request, const struct node_message *message)
{
  request->arrival_ns = message->arrival_ns;
  request->src_len = (uint32_t)message->src.len;
  request->msg_id_len = (uint32_t)message->msg_id.len;
  request->hops = message->hops;
  request->from_client = message->from_client;
  request->answered = false;
  request->late = false;
  memcpy(request->text, message->src.ptr, message->src.len);
  if (message->msg_id.len > 0) {
    memcpy(request->text + message->src.len, message->msg_id.ptr, message->msg_id.len);
  }
}

/* Drops what would come too late: under Maelstrom the client may have left, and a line to it would end this node's voice. */
static bool drop_if_late(struct node *n, struct node_request *r)
{
  if (n->config.late_reply_ns == 0 || !r->from_client) {
    return false;
  }
  uint64_t age_ns = n->env.now(n->env.self) - r->arrival_ns;
  if (age_ns <= n->config.late_reply_ns) {
    return false;
  }
  r->answered = true;
  r->late = true;
  n->stats.late_dropped++;
  if (node_may_warn(n)) {
    node_log(n, LOG_WARN, "dropped the answer to request %.*s of %.*s: it is %.1f s old, and the client may have given up and left",
             (int)r->msg_id_len, r->text + r->src_len, (int)r->src_len, r->text, (double)age_ns / 1e9);
  }
  return true;
}

struct buf *node_reply_begin(struct node *n, struct node_request *request, int *error)
{
  assert(n->line.len == 0);
  if (request->answered) {
    *error = request->late ? ERROR_LATE : ERROR_ANSWERED;
    return NULL;
  }
  if (request->msg_id_len == 0) {
    *error = ERROR_NOT_SUPPORTED;
    return NULL;
  }
  if (drop_if_late(n, request)) {
    *error = ERROR_LATE;
    return NULL;
  }
  return open_line(n, node_request_src(request));
}

void node_reply_send(struct node *n, struct node_request *request)
{
  assert(n->line.len > 0);
  assert(!request->answered);
  buf_append_slice(&n->line, SLICE(",\"in_reply_to\":"));
  buf_append(&n->line, request->text + request->src_len, request->msg_id_len);
  buf_append_slice(&n->line, SLICE("}}\n"));
  request->answered = true;
  put(n, node_request_src(request), buf_slice(&n->line), false);
  buf_clear(&n->line);
}

int node_reply_error(struct node *n, struct node_request *request, long long code, struct slice text)
{
  int error = 0;
  struct buf *line = node_reply_begin(n, request, &error);
  if (line == NULL) {
    return error;
  }
  buf_append_str(line, "\"type\":\"error\",\"code\":");
  json_write_integer(line, code);
  buf_append_str(line, ",\"text\":");
  json_write_text(line, text);
  node_reply_send(n, request);
  return 0;
}

int node_forward(struct node *n, struct node_request *request, struct slice dest, struct slice body)
{
  assert(n->line_to == NULL);
  struct party *to = parties_find(&n->parties, dest);
  if (to == NULL || to->kind != PARTY_MEMBER || to == n->self) {
    return ERROR_DESTINATION;
  }
  if (request->answered) {
    return request->late ? ERROR_LATE : ERROR_ANSWERED;
  }
  if (!request->from_client) {
    return ERROR_NOT_SUPPORTED;
  }
  if (request->hops >= NODE_HOPS_MAX) {
    return ERROR_TOO_LARGE;
  }
  if (drop_if_late(n, request)) {
    return ERROR_LATE;
  }
  n->line_to = to;
  struct buf *line = open_line(n, dest);
  buf_append_str(line, "\"type\":\"" FORWARD_TYPE "\",\"age_us\":");
  json_write_integer(line, (int64_t)((n->env.now(n->env.self) - request->arrival_ns) / 1000));
  buf_append_str(line, ",\"client\":");
  int error = json_write_string(line, node_request_src(request));
  assert(error == 0);
  (void)error;
  buf_append_str(line, ",\"hops\":");
  json_write_integer(line, (int64_t)request->hops + 1);
  buf_append_str(line, ",\"number\":"); /* see window.h */
  json_write_integer(line, ++n->forwards);
  buf_append_str(line, ",\"start\":");
  json_write_integer(line, (int64_t)n->first_rpc_id);
  buf_append_str(line, ",\"request\":");
  buf_append_slice(line, body);
  request->answered = true;
  originate(n, NULL);
  return 0;
}
