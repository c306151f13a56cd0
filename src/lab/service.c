#include "lab/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "sim/random.h"
#include "json/iter.h"
#include "json/write.h"

#define LWW_REPLICAS 3

/* What a key became in the state of that number. */
struct version {
  uint64_t state;
  struct buf value;
};

struct cell {
  struct version *versions; /* oldest first */
  size_t len;
};

/* A store that remembers its states: number 0 is empty, and every change makes one more. */
struct store {
  struct dict cells; /* key -> struct cell */
  uint64_t newest;
  uint64_t window; /* how many states are remembered */
};

struct service {
  struct sim_endpoint endpoint;
  struct services *all;
  struct store stores[LWW_REPLICAS]; /* lin-kv and seq-kv have one */
  struct dict seen;                  /* seq-kv: client -> uint64_t, the state it has seen */
  uint64_t counter;                  /* lin-tso: the next timestamp; lww-kv: the last one */
};

enum which {
  LIN_KV,
  SEQ_KV,
  LWW_KV,
  LIN_TSO,
  SERVICES,
};

struct services {
  struct sim *sim;
  struct services_config config;
  uint64_t next_merge_ns; /* of lww-kv's replicas */
  struct buf line;
  struct service list[SERVICES];
};

struct request {
  struct slice type;
  struct slice key;
  struct slice value;
  struct slice from;
  struct slice to;
  bool create;
};

/* ---- the store ---- */

static const struct version *find(const struct store *s, struct slice key, uint64_t state)
{
  const struct cell *cell = dict_get(&s->cells, key);
  for (size_t i = cell == NULL ? 0 : cell->len; i > 0; i--) {
    if (cell->versions[i - 1].state <= state) {
      return &cell->versions[i - 1];
    }
  }
  return NULL;
}

/* Drops versions that no remembered state shows. */
static void prune(struct cell *cell, uint64_t newest, uint64_t window)
{
  size_t drop = 0;
  while (drop + 1 < cell->len && cell->versions[drop + 1].state + window <= newest) {
    buf_free(&cell->versions[drop].value);
    drop++;
  }
  if (drop == 0) {
    return;
  }
  cell->len -= drop;
  memmove(cell->versions, cell->versions + drop, cell->len * sizeof *cell->versions);
}

static void put(struct store *s, struct slice key, struct slice value, uint64_t state)
{
  struct cell *cell = dict_get(&s->cells, key);
  if (cell == NULL) {
    cell = calloc(1, sizeof *cell);
    if (cell == NULL) {
      abort();
    }
    dict_put(&s->cells, key, cell);
  }
  s->newest = state > s->newest ? state : s->newest;
  prune(cell, s->newest, s->window);
  cell->versions = realloc(cell->versions, (cell->len + 1) * sizeof *cell->versions);
  if (cell->versions == NULL) {
    abort();
  }
  cell->versions[cell->len] = (struct version){.state = state};
  buf_append_slice(&cell->versions[cell->len].value, value);
  cell->len++;
}

static void store_free(struct store *s)
{
  for (size_t i = dict_next(&s->cells, 0); i < s->cells.cap; i = dict_next(&s->cells, i + 1)) {
    struct cell *cell = s->cells.slots[i].value;
    for (size_t j = 0; j < cell->len; j++) {
      buf_free(&cell->versions[j].value);
    }
    free(cell->versions);
    free(cell);
  }
  dict_free(&s->cells);
}

/* ---- requests ---- */

/* What a request does to a state. `value` is what it reads, or what it would write. */
struct effect {
  int error; /* 0, or one of base/error.h */
  bool writes;
  struct slice value;
};

static struct effect effect_of(const struct store *s, uint64_t state, const struct request *r)
{
  const struct version *now = find(s, r->key, state);
  if (slice_equal(r->type, SLICE("write"))) {
    return (struct effect){.writes = true, .value = r->value};
  }
  if (now == NULL && slice_equal(r->type, SLICE("cas")) && r->create) {
    return (struct effect){.writes = true, .value = r->to};
  }
  if (now == NULL) {
    return (struct effect){.error = ERROR_KEY_DOES_NOT_EXIST};
  }
  if (slice_equal(r->type, SLICE("read"))) {
    return (struct effect){.value = buf_slice(&now->value)};
  }
  if (!slice_equal(buf_slice(&now->value), r->from)) {
    return (struct effect){.error = ERROR_PRECONDITION_FAILED};
  }
  return (struct effect){.writes = true, .value = r->to};
}

/* Whether it would change that state: writing what is there already does not. */
static bool changes(const struct store *s, uint64_t state, const struct request *r, struct effect effect)
{
  const struct version *now = find(s, r->key, state);
  return effect.writes && (now == NULL || !slice_equal(buf_slice(&now->value), effect.value));
}

static struct effect run_on_newest(struct store *s, const struct request *r)
{
  struct effect effect = effect_of(s, s->newest, r);
  if (changes(s, s->newest, r, effect)) {
    put(s, r->key, effect.value, s->newest + 1);
  }
  return effect;
}

static struct effect run_seq(struct service *seq, struct slice client, const struct request *r)
{
  struct store *s = &seq->stores[0];
  uint64_t *seen = dict_get(&seq->seen, client);
  if (seen == NULL) {
    seen = calloc(1, sizeof *seen);
    if (seen == NULL) {
      abort();
    }
    dict_put(&seq->seen, client, seen);
  }
  uint64_t oldest = s->newest >= s->window ? s->newest - s->window + 1 : 0;
  oldest = *seen > oldest ? *seen : oldest;
  *seen = oldest + random_below(sim_random(seq->all->sim), s->newest - oldest + 1);
  struct effect effect = effect_of(s, *seen, r);
  if (changes(s, *seen, r, effect)) {
    effect = run_on_newest(s, r);
    *seen = s->newest;
  }
  return effect;
}

/* The replica takes what the other one has that is later. */
static void lww_merge(struct store *to, const struct store *from)
{
  for (size_t i = dict_next(&from->cells, 0); i < from->cells.cap; i = dict_next(&from->cells, i + 1)) {
    struct slice key = slice_of(from->cells.slots[i].key, from->cells.slots[i].key_len);
    const struct version *theirs = find(from, key, UINT64_MAX);
    const struct version *ours = find(to, key, UINT64_MAX);
    if (ours == NULL || theirs->state > ours->state) {
      put(to, key, buf_slice(&theirs->value), theirs->state);
    }
  }
}

/* All replicas become equal, if it is time. */
static void merge_by_time(struct service *lww)
{
  struct services *all = lww->all;
  if (all->config.lww_merge_ns == 0 || sim_now(all->sim) < all->next_merge_ns) {
    return;
  }
  for (int i = 1; i < LWW_REPLICAS; i++) {
    lww_merge(&lww->stores[0], &lww->stores[i]);
  }
  for (int i = 1; i < LWW_REPLICAS; i++) {
    lww_merge(&lww->stores[i], &lww->stores[0]);
  }
  all->next_merge_ns = sim_now(all->sim) + random_exponential(sim_random(all->sim), all->config.lww_merge_ns);
}

static struct effect run_lww(struct service *lww, const struct request *r)
{
  struct sim *sim = lww->all->sim;
  struct request plain = *r;
  plain.create = false;
  merge_by_time(lww);
  struct store *s = &lww->stores[random_below(sim_random(sim), LWW_REPLICAS)];
  struct effect effect = effect_of(s, UINT64_MAX, &plain);
  if (effect.writes) {
    put(s, r->key, effect.value, ++lww->counter);
  }
  if (lww->all->config.lww_merge_ns == 0) {
    lww_merge(&lww->stores[random_below(sim_random(sim), LWW_REPLICAS)], s);
  }
  return effect;
}

/* ---- lines ---- */

static bool read_request(const struct json_envelope *e, struct request *r)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  *r = (struct request){.type = e->type};
  json_iter_init(&it, e->body);
  while (json_iter_member(&it, &key, &value)) {
    if (slice_equal(key, SLICE("key"))) {
      r->key = value;
    } else if (slice_equal(key, SLICE("value"))) {
      r->value = value;
    } else if (slice_equal(key, SLICE("from"))) {
      r->from = value;
    } else if (slice_equal(key, SLICE("to"))) {
      r->to = value;
    } else if (slice_equal(key, SLICE("create_if_not_exists"))) {
      r->create = slice_equal(value, SLICE("true"));
    }
  }
  return slice_equal(r->type, SLICE("read")) || (slice_equal(r->type, SLICE("write")) && r->value.len > 0) ||
         (slice_equal(r->type, SLICE("cas")) && r->from.len > 0 && r->to.len > 0);
}

static struct buf *begin_reply(struct service *s, const struct json_envelope *e)
{
  struct buf *line = &s->all->line;
  buf_clear(line);
  buf_printf(line, "{\"src\":\"%s\",\"dest\":", s->endpoint.name);
  json_write_text(line, e->src);
  buf_append_str(line, ",\"body\":{\"in_reply_to\":");
  buf_append_slice(line, e->msg_id);
  return line;
}

static void send_reply(struct service *s, struct buf *line)
{
  buf_append_str(line, "}}\n");
  sim_send(s->all->sim, &s->endpoint, buf_slice(line));
}

static void answer(struct service *s, const struct json_envelope *e, struct effect effect)
{
  if (e->msg_id.len == 0) {
    return;
  }
  struct buf *line = begin_reply(s, e);
  if (effect.error != 0) {
    buf_printf(line, ",\"type\":\"error\",\"code\":%d,\"text\":\"%s\"", error_protocol_code(effect.error), error_text(effect.error));
  } else {
    buf_append_str(line, ",\"type\":\"");
    buf_append_slice(line, e->type);
    buf_append_str(line, "_ok\"");
    if (slice_equal(e->type, SLICE("read"))) {
      buf_append_str(line, ",\"value\":");
      buf_append_slice(line, effect.value);
    }
  }
  send_reply(s, line);
}

static void receive_kv(void *self, struct slice line, const struct json_envelope *e)
{
  struct service *s = self;
  struct request r;
  (void)line;
  if (!read_request(e, &r)) {
    return; /* as Maelstrom: no reply */
  }
  struct effect effect = s == &s->all->list[SEQ_KV]   ? run_seq(s, e->src, &r)
                         : s == &s->all->list[LWW_KV] ? run_lww(s, &r)
                                                      : run_on_newest(&s->stores[0], &r);
  answer(s, e, effect);
}

static void receive_tso(void *self, struct slice line, const struct json_envelope *e)
{
  struct service *s = self;
  (void)line;
  if (slice_equal(e->type, SLICE("ts")) && e->msg_id.len > 0) {
    struct buf *reply = begin_reply(s, e);
    buf_printf(reply, ",\"type\":\"ts_ok\",\"ts\":%llu", (unsigned long long)s->counter++);
    send_reply(s, reply);
  }
}

struct services *services_new(struct sim *sim, const struct services_config *config)
{
  static const char *const names[SERVICES] = {"lin-kv", "seq-kv", "lww-kv", "lin-tso"};
  struct services *all = calloc(1, sizeof *all);
  if (all == NULL) {
    abort();
  }
  assert(config->seq_window >= 1);
  all->sim = sim;
  all->config = *config;
  for (int i = 0; i < SERVICES; i++) {
    struct service *s = &all->list[i];
    s->all = all;
    s->endpoint.kind = SIM_SERVICE;
    s->endpoint.self = s;
    s->endpoint.receive = i == LIN_TSO ? receive_tso : receive_kv;
    snprintf(s->endpoint.name, sizeof s->endpoint.name, "%s", names[i]);
    for (int j = 0; j < LWW_REPLICAS; j++) {
      s->stores[j].window = i == SEQ_KV ? config->seq_window : 1;
    }
    sim_join(sim, &s->endpoint);
  }
  return all;
}

void services_free(struct services *all)
{
  for (int i = 0; i < SERVICES; i++) {
    struct service *s = &all->list[i];
    for (int j = 0; j < LWW_REPLICAS; j++) {
      store_free(&s->stores[j]);
    }
    for (size_t j = dict_next(&s->seen, 0); j < s->seen.cap; j = dict_next(&s->seen, j + 1)) {
      free(s->seen.slots[j].value);
    }
    dict_free(&s->seen);
    sim_leave(all->sim, &s->endpoint);
  }
  buf_free(&all->line);
  free(all);
}
