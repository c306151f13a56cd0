/* A line comes in: validation, dispatch to the service, replies, init, forwarded requests. */
#include <stdlib.h>

#include "node/internal.h"
#include "json/iter.h"
#include "json/read.h"

/* ---- what cannot be read ---- */

/* Appends up to 60 bytes of the line around `offset`, with unprintable bytes as dots. */
static void append_excerpt(struct buf *out, struct slice line, size_t offset)
{
  size_t from = offset > 30 ? offset - 30 : 0;
  size_t to = line.len - from > 60 ? from + 60 : line.len;
  buf_append_str(out, from > 0 ? "…" : "");
  for (size_t i = from; i < to; i++) {
    buf_append_char(out, line.ptr[i] >= 0x20 && line.ptr[i] < 0x7F ? line.ptr[i] : '.');
  }
  buf_append_str(out, to < line.len ? "…" : "");
}

void receive_skip(struct node *n, struct slice line, size_t offset, const char *reason)
{
  n->stats.skipped++;
  if (!node_may_warn(n)) {
    return;
  }
  struct buf text = {0};
  buf_printf(&text, "skipped line %llu: %s at byte %zu: ", (unsigned long long)n->stats.received, reason, offset + 1);
  append_excerpt(&text, line, offset);
  node_log_text(n, LOG_WARN, buf_slice(&text));
  buf_free(&text);
}

void node_receive_too_long(struct node *n, struct slice head)
{
  n->stats.received++;
  n->stats.skipped++;
  if (node_may_warn(n)) {
    struct buf text = {0};
    buf_printf(&text, "skipped line %llu: longer than the limit of %zu bytes: ", (unsigned long long)n->stats.received,
               n->config.line_max_bytes);
    append_excerpt(&text, head, 0);
    node_log_text(n, LOG_WARN, buf_slice(&text));
    buf_free(&text);
  }
}

/* ---- init ---- */

static void init_message(const struct json_envelope *e, uint64_t arrival_ns, struct node_message *out)
{
  *out = (struct node_message){
      .src = e->src,
      .dest = e->dest,
      .type = e->type,
      .body = e->body,
      .msg_id = e->msg_id,
      .in_reply_to = e->in_reply_to,
      .arrival_ns = arrival_ns,
  };
}

/* The request that init is, for its answer. Returns owned. */
static struct node_request *init_request(const struct json_envelope *e, uint64_t arrival_ns)
{
  struct node_message message;
  init_message(e, arrival_ns, &message);
  struct node_request *request = malloc(node_request_size(&message));
  if (request == NULL) {
    abort();
  }
  node_request_init(request, &message);
  return request;
}

static void answer_init(struct node *n, struct node_request *request)
{
  int error;
  struct buf *line = node_reply_begin(n, request, &error);
  if (line != NULL) {
    buf_append_str(line, "\"type\":\"init_ok\"");
    node_reply_send(n, request);
  }
}

static bool read_name(struct slice value, struct buf *out)
{
  return json_value_string(value, out) && out->len > 0 && out->len <= NODE_NAME_MAX_BYTES;
}

/* Finds node_id (into `id`) and node_ids (its text). NULL, or what is wrong with the body. */
static const char *read_init(struct slice body, struct buf *id, struct slice *ids)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  struct slice id_value = {0};
  *ids = (struct slice){0};
  json_iter_init(&it, body);
  while (json_iter_member(&it, &key, &value)) {
    if (json_key_is(key, SLICE("node_id"))) {
      id_value = value;
    } else if (json_key_is(key, SLICE("node_ids"))) {
      *ids = value;
    }
  }
  if (!read_name(id_value, id)) {
    return "node_id is not a name";
  }
  if (ids->len == 0 || ids->ptr[0] != '[') {
    return "node_ids is not an array";
  }
  struct buf name = {0};
  bool good = true;
  json_iter_init(&it, *ids);
  while (good && json_iter_element(&it, &value)) {
    good = read_name(value, &name);
  }
  buf_free(&name);
  return good ? NULL : "node_ids holds something that is not a name";
}

static void learn_members(struct node *n, struct slice ids)
{
  struct buf name = {0};
  struct json_iter it;
  struct slice value;
  json_iter_init(&it, ids);
  while (json_iter_element(&it, &value)) {
    read_name(value, &name);
    parties_add_member(&n->parties, buf_slice(&name));
  }
  buf_free(&name);
  parties_add_member(&n->parties, buf_slice(&n->names));
  n->self = parties_find(&n->parties, buf_slice(&n->names));
  n->self->heard = true;
  send_prepare(n);
}

static void refuse_start(struct node *n, struct node_request *request, struct slice text)
{
  node_reply_error(n, request, error_protocol_code(ERROR_CRASH), text);
  n->failed = true;
}

/* The first init: learns who we are, lets the service begin, answers. */
static void start(struct node *n, struct node_request *request, const struct json_envelope *e, struct slice ids)
{
  learn_members(n, ids);
  n->state = NODE_RUNNING;
  if (n->env.disk != NULL) {
    buf_append_slice(&n->start, e->id);
  }
  if (groups_start(n) != 0) {
    refuse_start(n, request, SLICE("its Raft groups could not start: see the node's log"));
    return;
  }
  if (n->config.hold_ns > 0) {
    n->holding = true;
    op_arm(n, op_new(n, OP_RELEASE, NULL), n->env.now(n->env.self) + n->config.hold_ns);
  }
  enum node_init_result result = n->behavior.init(n->behavior.self);
  if (result == NODE_INIT_FAILED) {
    refuse_start(n, request, SLICE("the service could not start: see the node's log"));
    return;
  }
  n->ready = n->ready || result == NODE_INIT_DONE;
  answer_init(n, request);
}

void receive_init(struct node *n, const struct json_envelope *e, uint64_t arrival_ns)
{
  struct node_request *request = init_request(e, arrival_ns);
  struct slice ids;
  const char *wrong = read_init(e->body, &n->names, &ids);
  if (n->self == NULL && wrong == NULL) {
    start(n, request, e, ids);
  } else if (n->self == NULL) {
    n->stats.skipped++;
    node_log(n, LOG_ERROR, "init from %.*s cannot be used: %s", (int)e->src.len, e->src.ptr, wrong);
  } else if (wrong == NULL && slice_equal(buf_slice(&n->names), party_name(n->self))) {
    answer_init(n, request);
  } else {
    node_reply_error(n, request, error_protocol_code(ERROR_MALFORMED),
                     wrong != NULL ? slice_of(wrong, strlen(wrong)) : SLICE("this node has been initialized with another id"));
  }
  free(request);
}

/* ---- requests and replies ---- */

/* Answers that the request cannot be served, unless it is of a kind that is never answered. */
void receive_refuse(struct node *n, const struct node_message *message, int error, struct slice text)
{
  if (message->msg_id.len == 0 || message->in_reply_to.len > 0 || slice_equal(message->type, SLICE("error"))) {
    return;
  }
  struct node_request *request = malloc(node_request_size(message));
  if (request == NULL) {
    abort();
  }
  node_request_init(request, message);
  node_reply_error(n, request, error_protocol_code(error), text);
  free(request);
}

/* Keeps a request until on_init has ended. */
static void wait(struct node *n, struct slice line, const struct node_message *message)
{
  if (n->waiting_count >= NODE_WAITING_MAX || n->waiting_bytes + line.len > NODE_WAITING_MAX_BYTES) {
    if (node_may_warn(n)) {
      node_log(n, LOG_WARN, "refused a message: too many wait for on_init to end");
    }
    receive_refuse(n, message, ERROR_UNAVAILABLE, SLICE("too many requests wait for the node to start"));
    return;
  }
  struct waiting *w = malloc(sizeof *w + line.len + 1);
  if (w == NULL) {
    abort();
  }
  *w = (struct waiting){.arrival_ns = message->arrival_ns, .len = line.len};
  memcpy(w->line, line.ptr, line.len);
  w->line[line.len] = '\n';
  *n->waiting_last = w;
  n->waiting_last = &w->next;
  n->waiting_count++;
  n->waiting_bytes += line.len;
}

static bool read_id(struct slice token, uint64_t *id)
{
  int64_t integer;
  double real;
  if (json_read_number(token, &integer, &real) != JSON_INTEGER || integer < 0) {
    return false;
  }
  *id = (uint64_t)integer;
  return json_token_is(token, *id);
}

/* A reply to an RPC of ours. False: we never issued that id, so the message is the service's. */
static bool receive_reply(struct node *n, const struct node_message *message, const struct party *from)
{
  uint64_t id;
  if (!read_id(message->in_reply_to, &id) || id < n->first_rpc_id || id >= n->next_rpc_id) {
    return false;
  }
  struct op *op = map_get(&n->ops, id);
  if (op != NULL && op->peer == from) {
    op_complete(n, op, 0, message);
  } else {
    n->stats.late_replies++;
    node_log(n, LOG_DEBUG, "dropped a reply of %.*s to %llu, which nobody waits for", (int)message->src.len, message->src.ptr,
             (unsigned long long)id);
  }
  return true;
}

/* What a forwarded request consists of. Slices borrow from its line. */
struct forward {
  int64_t age_us;
  int64_t hops;
  int64_t number; /* of its sender's, from 1; 0 = not numbered */
  int64_t start;  /* names the sender's start */
  struct slice client;
  struct slice request;
};

static bool read_count(struct slice value, int64_t *out)
{
  double real;
  bool number = value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9');
  return number && json_read_number(value, out, &real) == JSON_INTEGER;
}

/* NULL, or what is wrong with the body. */
static const char *read_forward(struct slice body, struct forward *f)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  *f = (struct forward){.age_us = -1, .hops = -1};
  json_iter_init(&it, body);
  while (json_iter_member(&it, &key, &value)) {
    if (json_key_is(key, SLICE("age_us")) && !read_count(value, &f->age_us)) {
      return "age_us is not an integer";
    }
    if (json_key_is(key, SLICE("hops")) && !read_count(value, &f->hops)) {
      return "hops is not an integer";
    }
    if (json_key_is(key, SLICE("number")) && (!read_count(value, &f->number) || f->number < 1)) {
      return "number is not a positive integer";
    }
    if (json_key_is(key, SLICE("start")) && !read_count(value, &f->start)) {
      return "start is not an integer";
    }
    if (json_key_is(key, SLICE("client"))) {
      f->client = value;
    }
    if (json_key_is(key, SLICE("request"))) {
      f->request = value;
    }
  }
  bool fits = f->client.len > 0 && f->age_us >= 0 && f->hops >= 1 && f->hops <= NODE_HOPS_MAX;
  return fits ? NULL : "client, age_us or hops is missing or out of range";
}

/* Takes the client's request out of a forwarded one. NULL, or what is wrong with the body. */
static const char *unwrap(struct node *n, const struct forward *f, struct node_message *message)
{
  struct json_envelope inner;
  struct json_error error;
  if (!read_name(f->client, &n->names)) {
    return "client is no name";
  }
  if (f->request.len == 0 || json_body_scan(f->request, &n->scratch, &inner, &error) != 0) {
    return "request is not a message body";
  }
  uint64_t now = n->env.now(n->env.self);
  uint64_t age_ns = (uint64_t)f->age_us < now / 1000 ? (uint64_t)f->age_us * 1000 : now;
  uint64_t arrived = message->arrival_ns;
  *message = (struct node_message){
      .src = buf_slice(&n->names),
      .dest = party_name(n->self),
      .type = inner.type,
      .body = f->request,
      .msg_id = inner.msg_id,
      .in_reply_to = inner.in_reply_to,
      .arrival_ns = age_ns < arrived ? arrived - age_ns : 0,
      .from_client = true,
      .hops = (unsigned)f->hops,
  };
  return NULL;
}

/* Whether the network has brought it before: a request that is forwarded is handled at most once. */
static bool is_repeated(struct node *n, struct party *from, const struct forward *f)
{
  if (f->number == 0 || f->start == 0) {
    return false;
  }
  if (from->forwarded == NULL) {
    from->forwarded = calloc(1, sizeof *from->forwarded);
    if (from->forwarded == NULL) {
      abort();
    }
  }
  if (window_take(from->forwarded, f->start, f->number)) {
    return false;
  }
  node_log(n, LOG_DEBUG, "dropped a request that %.*s had forwarded before", (int)from->name_len, from->name);
  return true;
}

/* A forwarded request: turns *message into what the client sent. False: there is nothing to handle. */
static bool receive_forward(struct node *n, struct slice line, const struct json_envelope *e, struct party *from,
                            struct node_message *message)
{
  struct forward f;
  const char *wrong = read_forward(e->body, &f);
  if (wrong == NULL) {
    wrong = unwrap(n, &f, message);
  }
  if (wrong != NULL) {
    receive_skip(n, line, (size_t)(e->body.ptr - line.ptr), wrong);
    return false;
  }
  if (is_repeated(n, from, &f)) {
    return false;
  }
  parties_heard(&n->parties, message->src);
  return true;
}

/* A message for a node that has been initialised. `line` is the whole of it. */
static void receive_message(struct node *n, struct slice line, const struct json_envelope *e, uint64_t arrival_ns)
{
  struct party *from = parties_heard(&n->parties, e->src);
  if (n->holding) {
    send_release(n, from->kind == PARTY_CLIENT ? NULL : from);
  }
  struct node_message message;
  init_message(e, arrival_ns, &message);
  message.from_client = from->kind == PARTY_CLIENT;
  if (e->in_reply_to.len > 0 && receive_reply(n, &message, from)) {
    return;
  }
  if (n->groups != NULL && groups_receive(n, line, from, &message)) {
    return;
  }
  if (!n->ready || n->waiting_count > 0) {
    wait(n, line, &message);
    return;
  }
  if (from->kind == PARTY_MEMBER && slice_equal(e->type, SLICE(FORWARD_TYPE)) && !receive_forward(n, line, e, from, &message)) {
    return;
  }
  n->behavior.message(n->behavior.self, &message);
}

static void receive_scanned(struct node *n, struct slice line, const struct json_envelope *e, uint64_t arrival_ns)
{
  if (e->src.len > NODE_NAME_MAX_BYTES || e->dest.len > NODE_NAME_MAX_BYTES) {
    receive_skip(n, line, 0, "src or dest is too long a name");
  } else if (slice_equal(e->type, SLICE("init")) && e->in_reply_to.len == 0) {
    receive_init(n, e, arrival_ns);
  } else if (n->self == NULL) {
    receive_skip(n, line, 0, "a message before init");
  } else if (!slice_equal(e->dest, party_name(n->self))) {
    receive_skip(n, line, 0, "dest is another node");
  } else {
    receive_message(n, line, e, arrival_ns);
  }
}

static void receive(struct node *n, struct slice line, uint64_t arrival_ns)
{
  struct json_envelope e;
  struct json_error error;
  if (json_envelope_scan(line, &n->scratch, &e, &error) != 0) {
    receive_skip(n, line, error.offset, error.reason);
  } else {
    receive_scanned(n, line, &e, arrival_ns);
  }
}

void node_receive(struct node *n, struct slice line, uint64_t arrival_ns)
{
  if (n->state > NODE_RUNNING) {
    return;
  }
  if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
    line.len--;
  }
  n->stats.received++;
  if (line.len > n->config.line_max_bytes) {
    n->stats.received--;
    node_receive_too_long(n, slice_of(line.ptr, 60));
  } else if (line.len > 0) {
    receive(n, line, arrival_ns);
  }
  node_settle(n);
}

void node_receive_scanned(struct node *n, struct slice line, const struct json_envelope *e, uint64_t arrival_ns)
{
  if (line.len > n->config.line_max_bytes) {
    node_receive(n, line, arrival_ns);
    return;
  }
  if (n->state > NODE_RUNNING) {
    return;
  }
  n->stats.received++;
  receive_scanned(n, line, e, arrival_ns);
  node_settle(n);
}

/* ---- requests that waited for on_init ---- */

void node_ready(struct node *n)
{
  if (n->ready) {
    return;
  }
  n->ready = true;
  if (n->waiting_count > 0) {
    op_arm(n, op_new(n, OP_REPLAY, NULL), n->env.now(n->env.self));
  }
}

void receive_replay(struct node *n)
{
  struct waiting *w = n->waiting_first;
  n->waiting_first = NULL;
  n->waiting_last = &n->waiting_first;
  n->waiting_count = 0;
  n->waiting_bytes = 0;
  while (w != NULL) {
    struct waiting *next = w->next;
    if (n->state != NODE_STOPPED) {
      receive(n, slice_of(w->line, w->len), w->arrival_ns);
    }
    free(w);
    w = next;
  }
}

void receive_refuse_waiting(struct node *n)
{
  for (struct waiting *w = n->waiting_first; w != NULL; w = w->next) {
    struct json_envelope e;
    struct json_error error;
    if (json_envelope_scan(slice_of(w->line, w->len), &n->scratch, &e, &error) == 0) {
      struct node_message message;
      init_message(&e, w->arrival_ns, &message);
      const struct party *from = parties_find(&n->parties, e.src);
      message.from_client = from == NULL || from->kind == PARTY_CLIENT;
      receive_refuse(n, &message, ERROR_UNAVAILABLE, SLICE("the node is stopping"));
    }
  }
  receive_forget_waiting(n);
}

void receive_forget_waiting(struct node *n)
{
  while (n->waiting_first != NULL) {
    struct waiting *w = n->waiting_first;
    n->waiting_first = w->next;
    free(w);
  }
  n->waiting_last = &n->waiting_first;
  n->waiting_count = 0;
  n->waiting_bytes = 0;
}
