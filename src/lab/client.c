#include "lab/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "json/write.h"

#define LINE_KEPT_BYTES 4096 /* a larger line is not kept for the next one: a thousand clients wait for the answer to a large topology */

struct client {
  struct sim *sim;
  struct sim_endpoint endpoint;
  unsigned *names;
  const char *node;
  client_fn fn;
  void *arg;
  uint64_t last_id; /* of its requests */
  bool waiting;
  struct sim_event *timeout; /* while it waits */
  struct buf head;           /* of its lines, up to the body's first member */
  struct buf line;
};

static void receive(void *self, struct slice line, const struct json_envelope *e)
{
  struct client *c = self;
  (void)line;
  if (!c->waiting || !json_token_is(e->in_reply_to, c->last_id)) {
    return; /* late, a duplicate, or nothing that was asked for */
  }
  sim_cancel(c->sim, c->timeout);
  c->waiting = false;
  c->fn(c->arg, c, &e->body, e->type);
}

static void give_up(void *arg)
{
  struct client *c = arg;
  c->waiting = false;
  c->fn(c->arg, c, NULL, (struct slice){0});
}

static void join(struct client *c)
{
  snprintf(c->endpoint.name, sizeof c->endpoint.name, "c%u", ++*c->names);
  buf_clear(&c->head);
  buf_printf(&c->head, "{\"src\":\"%s\",\"dest\":\"%s\",\"body\":{", c->endpoint.name, c->node);
  sim_join(c->sim, &c->endpoint);
}

struct client *client_new(struct sim *sim, unsigned *names, const char *node, client_fn fn, void *arg)
{
  struct client *c = calloc(1, sizeof *c);
  if (c == NULL) {
    abort();
  }
  c->sim = sim;
  c->names = names;
  c->node = node;
  c->fn = fn;
  c->arg = arg;
  c->endpoint = (struct sim_endpoint){.kind = SIM_CLIENT, .self = c, .receive = receive};
  join(c);
  return c;
}

void client_free(struct client *c)
{
  if (c == NULL) {
    return;
  }
  if (c->waiting) {
    sim_cancel(c->sim, c->timeout);
  }
  sim_leave(c->sim, &c->endpoint);
  buf_free(&c->head);
  buf_free(&c->line);
  free(c);
}

void client_request(struct client *c, struct slice members, uint64_t timeout_ns)
{
  assert(!c->waiting);
  c->waiting = true;
  c->timeout = sim_post(c->sim, sim_now(c->sim) + timeout_ns, give_up, c, NULL);
  buf_clear(&c->line);
  buf_append_slice(&c->line, buf_slice(&c->head));
  buf_append_slice(&c->line, members);
  buf_append_slice(&c->line, SLICE(",\"msg_id\":"));
  json_write_integer(&c->line, (int64_t)++c->last_id);
  buf_append_slice(&c->line, SLICE("}}\n"));
  sim_send(c->sim, &c->endpoint, buf_slice(&c->line));
  if (c->line.cap > LINE_KEPT_BYTES) {
    buf_free(&c->line);
  }
}

void client_renew(struct client *c)
{
  sim_leave(c->sim, &c->endpoint);
  c->last_id = 0;
  join(c);
}

bool client_waits(const struct client *c)
{
  return c->waiting;
}
