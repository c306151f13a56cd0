/* The msg object, and what becomes of a request: handler, answer, error, forwarding.
 *
 * A msg is a userdata that carries what answering takes and the body's JSON text; the body becomes a Lua table when it is first asked for.
 */
#include <stdlib.h>

#include "script/codec.h"
#include "script/guard.h"
#include "script/internal.h"
#include "json/write.h"

#define COLLECT_DELAY_NS (500 * NODE_MS_NS) /* from the first request that its handler left unanswered to a look for it */
#define COLLECT_MAX_KB   (16 << 10)         /* larger heaps are left to the collector's own pace */

struct message {
  struct handler *handler; /* NULL: the default handler has it */
  uint32_t type_at;        /* offsets into the request's text */
  uint32_t type_len;
  uint32_t body_at;
  uint32_t body_len; /* a newline lies behind the body */
  bool decoded;      /* the body is in the user value */
};

/* A struct node_request follows the message in its userdata; its text is followed by type, body and newline. */
static inline struct node_request *request_of(const struct message *m)
{
  return (struct node_request *)(uintptr_t)(m + 1);
}

static struct slice message_type(const struct message *m)
{
  return slice_of(request_of(m)->text + m->type_at, m->type_len);
}

static struct slice message_body(const struct message *m)
{
  return slice_of(request_of(m)->text + m->body_at, m->body_len);
}

static struct message *push_message(struct script *s, lua_State *L, const struct node_message *in, struct handler *handler)
{
  size_t size = sizeof(struct message) + node_request_size(in) + in->type.len + in->body.len + 1;
  struct message *m = lua_newuserdatauv(L, size, 1);
  m->handler = handler;
  m->decoded = false;
  node_request_init(request_of(m), in);
  m->type_at = request_of(m)->src_len + request_of(m)->msg_id_len;
  m->type_len = (uint32_t)in->type.len;
  m->body_at = m->type_at + m->type_len;
  m->body_len = (uint32_t)in->body.len;
  memcpy(request_of(m)->text + m->type_at, in->type.ptr, in->type.len);
  memcpy(request_of(m)->text + m->body_at, in->body.ptr, in->body.len);
  request_of(m)->text[m->body_at + m->body_len] = '\n';
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->message_mt_ref);
  lua_setmetatable(L, -2);
  return m;
}

/* Pushes the body as a table: always the same one. `index` is the msg. */
static void push_body(lua_State *L, int index, struct message *m)
{
  if (m->decoded) {
    lua_getiuservalue(L, index, 1);
    return;
  }
  index = lua_absindex(L, index);
  codec_decode(script_of(L), L, message_body(m));
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, 1);
  m->decoded = true;
}

/* ---- answering ---- */

/* Answers with an error that a script has not seen coming, and says so in the log. */
static void answer_error(struct script *s, struct message *m, long long code, struct slice text)
{
  bool is_error = slice_equal(message_type(m), SLICE("error")); /* an error is never answered with an error */
  if (!is_error && !request_of(m)->answered && request_of(m)->msg_id_len > 0) {
    node_reply_error(s->node, request_of(m), code, text);
  }
}

/* Asks the checker of --check. NULL: nothing is wrong with the reply. Else its complaint, on top of L's stack. */
static const char *complaint(struct script *s, lua_State *L, int msg_index, struct message *m, int reply_index)
{
  if (s->check_ref == LUA_NOREF || !request_of(m)->from_client) {
    return NULL;
  }
  struct slice type = message_type(m);
  reply_index = lua_absindex(L, reply_index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->check_ref);
  lua_pushlstring(L, type.ptr, type.len);
  push_body(L, msg_index, m);
  lua_pushvalue(L, reply_index);
  if (lua_pcall(L, 3, 1, 0) != LUA_OK || lua_type(L, -1) == LUA_TSTRING) {
    return script_tostring(L, -1, NULL);
  }
  lua_pop(L, 1);
  return NULL;
}

#define UNENCODABLE 1 /* answer(): *error says why */

/* Sends the table at `reply_index` as the answer. 0, UNENCODABLE, or an error of node_reply_begin. */
static int answer(struct script *s, lua_State *L, int msg_index, struct message *m, int reply_index, struct codec_error *error)
{
  int refused;
  int top = lua_gettop(L);
  const char *wrong = request_of(m)->answered || request_of(m)->msg_id_len == 0 ? NULL : complaint(s, L, msg_index, m, reply_index);
  if (wrong != NULL) {
    struct slice type = message_type(m);
    node_log(s->node, LOG_ERROR, "check: the reply to \"%.*s\" would be refused: %s", (int)type.len, type.ptr, wrong);
    answer_error(s, m, error_protocol_code(ERROR_CRASH), slice_of(wrong, strlen(wrong)));
    lua_settop(L, top);
    return 0;
  }
  struct slice ok = m->handler != NULL ? buf_slice(&m->handler->ok) : (struct slice){0};
  bool wanted = !request_of(m)->answered && request_of(m)->msg_id_len > 0;
  struct buf *body = wanted ? script_encode_body(s, L, reply_index, ok, CODEC_REPLY, error) : NULL;
  if (wanted && body == NULL) {
    return UNENCODABLE;
  }
  struct buf *line = node_reply_begin(s->node, request_of(m), &refused); /* says why, if it is not wanted */
  if (line == NULL) {
    return refused;
  }
  assert(body != NULL); /* it was wanted, or there would be no line */
  buf_append_slice(line, buf_slice(body));
  node_reply_send(s->node, request_of(m));
  return 0;
}

static struct message *check_message(lua_State *L)
{
  struct script *s = script_of(L);
  struct message *m = lua_touserdata(L, 1);
  if (m != NULL && lua_getmetatable(L, 1)) {
    const void *mt = lua_topointer(L, -1);
    lua_pop(L, 1);
    if (mt == s->message_mt || mt == s->unanswered_mt) {
      return m;
    }
  }
  luaL_typeerror(L, 1, "vortex.message");
  return NULL;
}

/* Lua: msg:reply(body) */
static int message_reply(lua_State *L)
{
  struct script *s = script_of(L);
  struct message *m = check_message(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  struct codec_error error;
  codec_error_init(&error);
  int result = answer(s, L, 1, m, 2, &error);
  if (result == UNENCODABLE) {
    return luaL_error(L, "reply: %s: %s", error.path, error.reason);
  }
  if (result == ERROR_ANSWERED) {
    return luaL_error(L, "reply: this request has been answered or forwarded already");
  }
  return 0;
}

/* Lua: msg:forward(dest) */
static int message_forward(lua_State *L)
{
  struct script *s = script_of(L);
  struct message *m = check_message(L);
  size_t len;
  const char *dest = luaL_checklstring(L, 2, &len);
  int result = node_forward(s->node, request_of(m), slice_of(dest, len), message_body(m));
  switch (result) {
  case ERROR_DESTINATION:
    return luaL_error(L, "forward: \"%s\" is not another member of the cluster", dest);
  case ERROR_ANSWERED:
    return luaL_error(L, "forward: this request has been answered or forwarded already");
  case ERROR_NOT_SUPPORTED:
    return luaL_error(L, "forward: only a client's request can be forwarded");
  case ERROR_TOO_LARGE:
    return luaL_error(L, "forward: this request has been forwarded %d times already", NODE_HOPS_MAX);
  default:
    return 0;
  }
}

static int message_index(lua_State *L)
{
  struct message *m = check_message(L);
  size_t len;
  const char *key = luaL_checklstring(L, 2, &len);
  if (len == 4 && memcmp(key, "body", 4) == 0) {
    push_body(L, 1, m);
  } else if (len == 4 && memcmp(key, "type", 4) == 0) {
    lua_pushlstring(L, request_of(m)->text + m->type_at, m->type_len);
  } else if (len == 3 && memcmp(key, "src", 3) == 0) {
    lua_pushlstring(L, request_of(m)->text, request_of(m)->src_len);
  } else if (len == 4 && memcmp(key, "dest", 4) == 0) {
    struct slice id = node_id(script_of(L)->node);
    lua_pushlstring(L, id.ptr, id.len);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->message_mt_ref);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
  }
  return 1;
}

static int message_newindex(lua_State *L)
{
  return luaL_error(L, "a msg cannot be changed (field \"%s\")", luaL_tolstring(L, 2, NULL));
}

static int message_tostring(lua_State *L)
{
  struct message *m = check_message(L);
  lua_pushliteral(L, "msg ");
  lua_pushlstring(L, request_of(m)->text + m->type_at, m->type_len);
  lua_pushliteral(L, " from ");
  lua_pushlstring(L, request_of(m)->text, request_of(m)->src_len);
  lua_concat(L, 4);
  return 1;
}

/* A request that nobody can answer any more. Only msgs that outlived their handler unanswered get here: they have this as __gc. */
static int message_gc(lua_State *L)
{
  struct message *m = check_message(L);
  struct script *s = script_of(L);
  if (!request_of(m)->answered && m->handler != NULL && !m->handler->warned) {
    m->handler->warned = true;
    node_log(s->node, LOG_WARN,
             "a request of type \"%s\" ended unanswered: its handler returned nothing and nobody called msg:reply (said once per type)",
             m->handler->name);
  }
  return 0;
}

static const luaL_Reg message_meta[] = {
    {"__index", message_index}, {"__newindex", message_newindex}, {"__tostring", message_tostring},
    {"reply", message_reply},   {"forward", message_forward},     {NULL, NULL},
};

void message_open(struct script *s)
{
  lua_State *L = s->L;
  luaL_newmetatable(L, MESSAGE_MT);
  luaL_setfuncs(L, message_meta, 0);
  guard_message(L);
  s->message_mt = lua_topointer(L, -1);
  s->message_mt_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  /* The same with a finaliser, which would be too dear for every msg: of one that its handler left unanswered. */
  lua_newtable(L);
  luaL_setfuncs(L, message_meta, 0);
  guard_message(L);
  lua_pushliteral(L, "vortex.message");
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, message_gc);
  lua_setfield(L, -2, "__gc");
  s->unanswered_mt = lua_topointer(L, -1);
  s->unanswered_mt_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The handler has returned nothing. Somebody may still hold the msg and answer later; when nobody does any more, its finaliser says so. A
 * collection soon after makes sure that it is said in time, once per type. */
static void watch_unanswered(struct script *s, lua_State *L, struct message *m)
{
  if (request_of(m)->answered || request_of(m)->msg_id_len == 0 || m->handler == NULL || m->handler->warned) {
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->unanswered_mt_ref);
  lua_setmetatable(L, 1);
  if (!s->collect_due && lua_gc(s->L, LUA_GCCOUNT) < COLLECT_MAX_KB) {
    s->collect_due = true;
    node_timer(s->node, COLLECT_DELAY_NS, &s->collect_waiter);
  }
}

void message_collect(struct script *s)
{
  s->collect_due = false;
  lua_gc(s->L, LUA_GCCOLLECT);
}

/* ---- the handler's task ---- */

void message_finish(struct script *s, struct task *t)
{
  struct message *m = t->subject;
  lua_State *L = t->co;
  if (lua_gettop(L) > 2) { /* one value counts; what else was returned may fill the stack */
    lua_settop(L, 2);
  }
  int type = lua_type(L, 2); /* LUA_TNONE if nothing was returned */
  if (type == LUA_TTABLE) {
    struct codec_error error;
    codec_error_init(&error);
    int result = answer(s, L, 1, m, 2, &error);
    if (result == UNENCODABLE) {
      lua_pushfstring(s->L, "reply to \"%s\": %s: %s", m->handler != NULL ? m->handler->name : "message", error.path, error.reason);
      message_fail(s, t);
      lua_pop(s->L, 1);
    } else if (result == ERROR_ANSWERED && node_may_warn(s->node)) {
      node_log(s->node, LOG_WARN, "a handler for \"%s\" returned a reply to a request that was answered or forwarded already",
               m->handler != NULL ? m->handler->name : "message");
    }
  } else if (type == LUA_TNIL || type == LUA_TNONE) {
    watch_unanswered(s, L, m);
  } else {
    lua_pushfstring(s->L, "a handler returns a table (the reply) or nil, not a %s", lua_typename(L, type));
    message_fail(s, t);
    lua_pop(s->L, 1);
  }
}

void message_fail(struct script *s, struct task *t)
{
  struct message *m = t->subject;
  lua_State *L = s->L;
  long long code = error_protocol_code(ERROR_CRASH);
  bool remote = false;
  struct slice text = {0};
  const char *name = m->handler != NULL ? m->handler->name : "message";
  if (errors_get(L, -1, &code, &remote, &text) && !remote) {
    node_log(s->node, LOG_DEBUG, "request \"%s\" answered with error %lld: %.*s", name, code, (int)text.len, text.ptr);
    answer_error(s, m, code, text);
    return;
  }
  struct buf what = {0};
  buf_printf(&what, "the handler for \"%s\"%c", name, '\0');
  task_log_error(s, t, what.data);
  buf_free(&what);
  size_t len;
  const char *message = script_tostring(L, -1, &len);
  answer_error(s, m, error_protocol_code(ERROR_CRASH), slice_of(message, len));
  lua_pop(L, 1);
}

/* ---- dispatch ---- */

static void refuse(struct script *s, const struct node_message *in, int error, const char *text)
{
  if (in->msg_id.len == 0 || in->in_reply_to.len > 0 || slice_equal(in->type, SLICE("error"))) {
    return;
  }
  struct node_request *request = malloc(node_request_size(in));
  if (request == NULL) {
    abort();
  }
  node_request_init(request, in);
  node_reply_error(s->node, request, error_protocol_code(error), slice_of(text, strlen(text)));
  free(request);
}

static void unknown(struct script *s, const struct node_message *in)
{
  node_log(s->node, LOG_DEBUG, "no handler for type \"%.*s\" from %.*s", (int)in->type.len, in->type.ptr, (int)in->src.len, in->src.ptr);
  struct buf text = {0};
  buf_printf(&text, "no handler for type \"%.*s\"", (int)in->type.len, in->type.ptr);
  buf_append_char(&text, '\0');
  refuse(s, in, ERROR_NOT_SUPPORTED, text.data);
  buf_free(&text);
}

void message_receive(struct script *s, const struct node_message *in)
{
  struct handler *handler = dict_get(&s->handlers, in->type);
  if (handler == NULL && s->default_handler == LUA_NOREF) {
    unknown(s, in);
    return;
  }
  struct task *t = task_new(s, ROLE_HANDLER);
  if (t == NULL) {
    if (node_may_warn(s->node)) {
      node_log(s->node, LOG_WARN, "refused a request: %d tasks are waiting already", SCRIPT_TASKS_MAX);
    }
    refuse(s, in, ERROR_UNAVAILABLE, "too many requests wait on this node");
    return;
  }
  lua_State *L = t->co;
  lua_settop(L, 0);
  t->subject = push_message(s, L, in, handler);
  lua_rawgeti(L, LUA_REGISTRYINDEX, handler != NULL ? handler->ref : s->default_handler);
  lua_pushvalue(L, 1);
  task_start(s, t, 1);
}
