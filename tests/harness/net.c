#include "harness/net.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "json/iter.h"

/* A line under way. */
struct parcel {
  struct net *net;
  struct endpoint *from; /* NULL once only its name matters: clients leave */
  size_t len;            /* without the newline */
  char line[];
};

void net_init(struct net *net, struct world *world, struct latency latency)
{
  *net = (struct net){.world = world, .latency = latency};
  dict_init(&net->endpoints);
}

void net_free(struct net *net)
{
  dict_free(&net->endpoints);
  buf_free(&net->scratch);
  buf_free(&net->complaints);
}

static struct slice name_of(const struct endpoint *e)
{
  return slice_of(e->name, strlen(e->name));
}

void net_add(struct net *net, struct endpoint *e)
{
  assert(e->kind != ENDPOINT_NODE || e->index < NET_NODES_MAX);
  void *old = dict_put(&net->endpoints, name_of(e), e);
  assert(old == NULL);
  (void)old;
}

void net_remove(struct net *net, struct endpoint *e)
{
  dict_remove(&net->endpoints, name_of(e));
}

/* Why Maelstrom would refuse the line and not listen to its sender any more, or NULL. Maelstrom's process.clj and the schema of messages in
 * net/message.clj. */
static const char *objection(struct net *net, const struct endpoint *from, struct slice line, struct json_envelope *e)
{
  struct json_error error;
  if (line.len == 0 || line.ptr[line.len - 1] != '\n') {
    return "no newline at the end";
  }
  line.len--;
  if (memchr(line.ptr, '\n', line.len) != NULL) {
    return "a newline within";
  }
  if (json_envelope_scan(line, &net->scratch, e, &error) != 0) {
    return error.reason;
  }
  struct json_iter it;
  struct slice key;
  struct slice value;
  json_iter_init(&it, line);
  while (json_iter_member(&it, &key, &value)) {
    if (!slice_equal(key, SLICE("src")) && !slice_equal(key, SLICE("dest")) && !slice_equal(key, SLICE("body"))) {
      return "a key beside src, dest and body";
    }
  }
  if (!slice_equal(e->src, name_of(from))) {
    return "src is somebody else";
  }
  if (dict_get(&net->endpoints, e->dest) == NULL) {
    return "dest is not there";
  }
  return NULL;
}

static uint64_t draw_latency(struct net *net)
{
  double mean = (double)net->latency.mean_ns;
  switch (net->latency.kind) {
  case LATENCY_UNIFORM:
    return (uint64_t)(2 * mean * world_random(net->world));
  case LATENCY_EXPONENTIAL:
    return (uint64_t)(-mean * log(1 - world_random(net->world)));
  default:
    return net->latency.mean_ns;
  }
}

static void deliver(void *arg)
{
  struct parcel *p = arg;
  struct net *net = p->net;
  struct slice line = slice_of(p->line, p->len);
  struct json_envelope e;
  struct json_error error;
  int bad = json_envelope_scan(line, &net->scratch, &e, &error);
  assert(!bad);
  (void)bad;
  struct endpoint *to = dict_get(&net->endpoints, e.dest);
  bool cut = to != NULL && p->from != NULL && to->kind == ENDPOINT_NODE && (to->deaf_to >> p->from->index & 1) != 0;
  if (to == NULL || cut) {
    net->lost++;
  } else {
    to->receive(to->self, line, &e);
  }
  free(p);
}

void net_send(struct net *net, struct endpoint *from, struct slice line)
{
  struct json_envelope e;
  const char *wrong = objection(net, from, line, &e);
  if (wrong != NULL) {
    buf_printf(&net->complaints, "%s sent what would be refused (%s): ", from->name, wrong);
    buf_append(&net->complaints, line.ptr, line.len < 200 ? line.len : 200);
    buf_append_char(&net->complaints, '\n');
    return;
  }
  const struct endpoint *to = dict_get(&net->endpoints, e.dest);
  bool near = from->kind == ENDPOINT_CLIENT || to->kind == ENDPOINT_CLIENT;
  net->server_messages += !near;
  struct parcel *p = malloc(sizeof *p + line.len);
  if (p == NULL) {
    abort();
  }
  *p = (struct parcel){.net = net, .from = from->kind == ENDPOINT_NODE ? from : NULL, .len = line.len - 1};
  memcpy(p->line, line.ptr, line.len);
  world_post(net->world, net->world->now_ns + (near ? 0 : draw_latency(net)), deliver, p, free);
}
