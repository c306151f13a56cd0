/* Clients: one request at a time, a timeout, and a new name after it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "harness/cluster.h"
#include "json/iter.h"
#include "json/read.h"

struct client {
  struct cluster *cluster;
  struct endpoint endpoint;
  const char *node;
  uint64_t last_id;
  struct event *timeout; /* NULL = it is not waiting */
  reply_fn fn;
  void *arg;
};

static int64_t error_code(const struct json_envelope *e)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  int64_t code = -1;
  double real;
  json_iter_init(&it, e->body);
  while (slice_equal(e->type, SLICE("error")) && json_iter_member(&it, &key, &value)) {
    if (slice_equal(key, SLICE("code"))) {
      json_read_number(value, &code, &real);
    }
  }
  return code;
}

static void receive(void *self, struct slice line, const struct json_envelope *e)
{
  struct client *client = self;
  if (client->timeout == NULL || !json_token_is(e->in_reply_to, client->last_id)) {
    struct buf *complaints = &client->cluster->net.complaints;
    buf_printf(complaints, "%s did not ask for: %.*s\n", client->endpoint.name, (int)line.len, line.ptr);
    return;
  }
  world_cancel(&client->cluster->world, client->timeout);
  client->timeout = NULL;
  struct reply reply = {.type = e->type, .body = e->body, .code = error_code(e)};
  client->fn(client->arg, &reply);
}

static void join(struct client *client)
{
  snprintf(client->endpoint.name, sizeof client->endpoint.name, "c%u", ++client->cluster->clients);
  client->last_id = 0;
  net_add(&client->cluster->net, &client->endpoint);
}

struct client *client_new(struct cluster *c, unsigned node)
{
  assert(node < c->count);
  struct client *client = calloc(1, sizeof *client);
  if (client == NULL) {
    abort();
  }
  client->cluster = c;
  client->endpoint = (struct endpoint){.kind = ENDPOINT_CLIENT, .self = client, .receive = receive};
  client->node = c->members[node].endpoint.name;
  join(client);
  return client;
}

static void leave(struct client *client)
{
  if (client->timeout != NULL) {
    world_cancel(&client->cluster->world, client->timeout);
    client->timeout = NULL;
  }
  net_remove(&client->cluster->net, &client->endpoint);
}

void client_free(struct client *client)
{
  leave(client);
  free(client);
}

void client_crash(struct client *client)
{
  leave(client);
  join(client);
}

bool client_waits(const struct client *client)
{
  return client->timeout != NULL;
}

static void time_out(void *arg)
{
  struct client *client = arg;
  client->timeout = NULL;
  net_remove(&client->cluster->net, &client->endpoint);
  join(client);
  client->cluster->timeouts++;
  client->fn(client->arg, &(struct reply){.timed_out = true, .code = -1});
}

void client_request(struct client *client, const char *members, reply_fn fn, void *arg)
{
  assert(client->timeout == NULL);
  struct world *world = &client->cluster->world;
  client->fn = fn;
  client->arg = arg;
  client->timeout = world_post(world, world->now_ns + CLIENT_TIMEOUT_NS, time_out, client, NULL);
  struct buf line = {0};
  buf_printf(&line, "{\"src\":\"%s\",\"dest\":\"%s\",\"body\":{", client->endpoint.name, client->node);
  buf_append_str(&line, members);
  buf_printf(&line, ",\"msg_id\":%llu}}\n", (unsigned long long)++client->last_id);
  net_send(&client->cluster->net, &client->endpoint, buf_slice(&line));
  buf_free(&line);
}
