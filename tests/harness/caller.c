/* Callers: a client each, which gets a new name after a timeout. */
#include <stdlib.h>

#include "base/assert.h"
#include "harness/cluster.h"
#include "lab/client.h"
#include "json/iter.h"
#include "json/read.h"

struct caller {
  struct cluster *cluster;
  struct client *client;
  reply_fn fn;
  void *arg;
};

static int64_t error_code(struct slice body, struct slice type)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  int64_t code = -1;
  double real;
  json_iter_init(&it, body);
  while (slice_equal(type, SLICE("error")) && json_iter_member(&it, &key, &value)) {
    if (slice_equal(key, SLICE("code"))) {
      json_read_number(value, &code, &real);
    }
  }
  return code;
}

static void complete(void *arg, struct client *client, const struct slice *body, struct slice type)
{
  struct caller *caller = arg;
  if (body == NULL) {
    client_renew(client);
    caller->fn(caller->arg, &(struct reply){.timed_out = true, .code = -1});
    return;
  }
  buf_clear(&caller->cluster->untaken);
  struct reply reply = {.type = type, .body = *body, .code = error_code(*body, type)};
  caller->fn(caller->arg, &reply);
}

struct caller *caller_new(struct cluster *c, unsigned node)
{
  assert(node < c->count);
  struct caller *caller = calloc(1, sizeof *caller);
  if (caller == NULL) {
    abort();
  }
  caller->cluster = c;
  caller->client = client_new(c->sim, &c->caller_names, sim_node_name(c->members[node].sim_node), complete, caller);
  return caller;
}

void caller_free(struct caller *caller)
{
  client_free(caller->client);
  free(caller);
}

void caller_request(struct caller *caller, const char *members, reply_fn fn, void *arg)
{
  caller->fn = fn;
  caller->arg = arg;
  client_request(caller->client, slice_of(members, strlen(members)), CALLER_TIMEOUT_NS);
}

void caller_renew(struct caller *caller)
{
  assert(!client_waits(caller->client));
  client_renew(caller->client);
}

bool caller_waits(const struct caller *caller)
{
  return client_waits(caller->client);
}
