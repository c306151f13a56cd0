/* What becomes of a line: judged when it is sent, lost or copied by chance, under way for a while, cut by partitions where it arrives. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "sim/internal.h"
#include "sim/random.h"
#include "sim/reprint.h"
#include "json/iter.h"

/* What is drawn for a message: each from its key, under a number of its own. */
enum draw {
  DRAW_LATENCY = 1,
  DRAW_SERVICE,
  DRAW_LOSS,
  DRAW_COPY,
};

#define CAUSE_REPRINT UINT64_C(0x7265707269)

/* A line under way. */
struct parcel {
  struct sim_event event;
  struct sim *sim;
  uint64_t id;
  struct sim_endpoint *to; /* good while `leaves` is the network's */
  uint64_t leaves;
  enum sim_kind from_kind;
  unsigned from_index;
  struct json_envelope envelope; /* into line, if `scanned` */
  bool scanned;
  size_t len; /* of the line, without its newline */
  char line[];
};

void net_open(struct sim *sim)
{
  struct net *net = &sim->net;
  size_t n = sim->config.nodes;
  dict_init(&net->endpoints);
  net->cuts = memory_must(calloc((n * n + 7) / 8, 1));
  net->links = memory_must(calloc(n, sizeof *net->links));
  for (size_t i = 0; i < n; i++) {
    net->links[i].slow = 1;
  }
  net->reprint_key = sim_random_of(sim, CAUSE_REPRINT, 0, 0);
}

void net_close(struct sim *sim)
{
  struct net *net = &sim->net;
  dict_free(&net->endpoints);
  free(net->cuts);
  free(net->links);
  buf_free(&net->scratch);
  buf_free(&net->names);
  buf_free(&net->reprinted);
}

static struct slice name_of(const struct sim_endpoint *e)
{
  return slice_of(e->name, strlen(e->name));
}

void sim_join(struct sim *sim, struct sim_endpoint *e)
{
  assert(e->kind != SIM_NODE || e->index < sim->config.nodes);
  void *old = dict_put(&sim->net.endpoints, name_of(e), e);
  assert(old == NULL);
  (void)old;
}

void sim_leave(struct sim *sim, struct sim_endpoint *e)
{
  dict_remove(&sim->net.endpoints, name_of(e));
  sim->net.leaves++;
}

/* ---- judging ---- */

/* Whether a line has the very form in which nodes print it, {"src":…,"dest":…,"body":{…}}, so that no other key can be in it. */
static bool is_plain(struct slice line, const struct json_envelope *e)
{
  static const char head[] = "{\"src\":\"";
  static const char middle[] = "\",\"dest\":\"";
  static const char tail[] = "\",\"body\":";
  size_t head_len = sizeof head - 1;
  size_t middle_len = sizeof middle - 1;
  size_t tail_len = sizeof tail - 1;
  const char *p = line.ptr + head_len;
  return line.len == head_len + e->src.len + middle_len + e->dest.len + tail_len + e->body.len + 1 &&
         memcmp(line.ptr, head, head_len) == 0 && e->src.ptr == p && memcmp(p + e->src.len, middle, middle_len) == 0 &&
         e->dest.ptr == p + e->src.len + middle_len && memcmp(e->dest.ptr + e->dest.len, tail, tail_len) == 0 &&
         e->body.ptr == e->dest.ptr + e->dest.len + tail_len;
}

static bool has_other_keys(struct slice line)
{
  struct json_iter it;
  struct slice key;
  struct slice value;
  json_iter_init(&it, line);
  while (json_iter_member(&it, &key, &value)) {
    if (!json_key_is(key, SLICE("src")) && !json_key_is(key, SLICE("dest")) && !json_key_is(key, SLICE("body")) &&
        !json_key_is(key, SLICE("id"))) {
      return true;
    }
  }
  return false;
}

static const char *objection(struct sim *sim, const struct sim_endpoint *from, struct slice line, struct json_envelope *e,
                             struct sim_endpoint **to)
{
  struct json_error error;
  if (line.len == 0 || line.ptr[line.len - 1] != '\n') {
    return "no newline at its end";
  }
  line.len--;
  if (memchr(line.ptr, '\n', line.len) != NULL) {
    return "a newline within";
  }
  if (json_envelope_scan(line, &sim->net.scratch, e, &error) != 0) {
    return error.reason;
  }
  if (!is_plain(line, e) && has_other_keys(line)) {
    return "a key beside src, dest, body and id";
  }
  if (!slice_equal(e->src, name_of(from))) {
    return "src is somebody else";
  }
  *to = dict_get(&sim->net.endpoints, e->dest);
  return *to == NULL ? "dest is not there (unknown, or a client that has left)" : NULL;
}

/* ---- fates ---- */

static void tell(struct sim *sim, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line, const char *why)
{
  const struct sim_observer *o = sim->config.observer;
  sim_mix(sim, (uint64_t)fate << 56 ^ id);
  if (o != NULL && o->message != NULL) {
    o->message(o->self, fate, id, from, to, line, why);
  }
}

static bool is_cut(const struct sim *sim, unsigned from, unsigned to)
{
  size_t bit = (size_t)from * sim->config.nodes + to;
  return sim->net.cut_count > 0 && (sim->net.cuts[bit / 8] >> bit % 8 & 1) != 0;
}

static void deliver(void *arg)
{
  struct parcel *p = arg;
  struct sim *sim = p->sim;
  struct slice line = slice_of(p->line, p->len);
  struct json_envelope *e = &p->envelope;
  if (!p->scanned) {
    struct json_error error;
    int bad = json_envelope_scan(line, &sim->net.names, e, &error);
    assert(!bad);
    (void)bad;
  }
  struct sim_endpoint *to = p->leaves == sim->net.leaves ? p->to : dict_get(&sim->net.endpoints, e->dest);
  if (to == NULL || to->away) {
    sim->stats.gone++;
    tell(sim, SIM_GONE, p->id, e->src, e->dest, line, NULL);
  } else if (to->kind == SIM_NODE && p->from_kind == SIM_NODE && is_cut(sim, p->from_index, to->index)) {
    sim->stats.cut++;
    tell(sim, SIM_CUT, p->id, e->src, e->dest, line, NULL);
  } else {
    sim->stats.delivered++;
    tell(sim, SIM_DELIVERED, p->id, e->src, e->dest, line, NULL);
    to->receive(to->self, line, e);
  }
  free(p);
}

/* ---- sending ---- */

static uint64_t draw_latency(const struct sim *sim, uint64_t key)
{
  uint64_t word = mix_pair(key, DRAW_LATENCY);
  uint64_t mean = sim->config.latency.mean_ns;
  switch (sim->config.latency.dist) {
  case SIM_UNIFORM:
    return random_below(word, 2 * mean + 1);
  case SIM_EXPONENTIAL:
    return random_exponential(word, mean);
  case SIM_HEAVY:
    return random_heavy(word, mean);
  default:
    return mean;
  }
}

static unsigned slowness(const struct sim *sim, const struct sim_endpoint *e)
{
  return e->kind == SIM_NODE ? sim->net.links[e->index].slow : 1;
}

static struct slice rebase(struct slice s, const char *from, const char *to)
{
  return s.len == 0 ? s : slice_of(to + (s.ptr - from), s.len);
}

static bool lies_in(struct slice s, struct slice line)
{
  return s.len == 0 || (s.ptr >= line.ptr && s.ptr < line.ptr + line.len);
}

/* Takes the envelope over to the copy of the line, unless a name in it had escapes. */
static void copy_envelope(struct parcel *p, struct slice line, const struct json_envelope *e)
{
  p->scanned = lies_in(e->src, line) && lies_in(e->dest, line) && lies_in(e->type, line);
  if (p->scanned) {
    p->envelope = (struct json_envelope){
        .src = rebase(e->src, line.ptr, p->line),
        .dest = rebase(e->dest, line.ptr, p->line),
        .body = rebase(e->body, line.ptr, p->line),
        .type = rebase(e->type, line.ptr, p->line),
        .msg_id = rebase(e->msg_id, line.ptr, p->line),
        .in_reply_to = rebase(e->in_reply_to, line.ptr, p->line),
        .id = rebase(e->id, line.ptr, p->line),
    };
  }
}

/* Puts a copy of a line under way. `e` is its envelope, or NULL if it has to be scanned again. */
static void dispatch(struct sim *sim, const struct sim_endpoint *from, struct sim_endpoint *to, struct slice line,
                     const struct json_envelope *e, uint64_t key, uint64_t id)
{
  bool near = from->kind == SIM_CLIENT || to->kind == SIM_CLIENT;
  uint64_t delay = random_between(mix_pair(key, DRAW_SERVICE), sim->config.service_min_ns, sim->config.service_max_ns);
  if (!near) {
    unsigned a = slowness(sim, from);
    unsigned b = slowness(sim, to);
    unsigned slow = a > b ? a : b;
    delay = (delay + draw_latency(sim, key)) * slow;
  }
  struct parcel *p = memory_must(malloc(sizeof *p + line.len));
  p->event = (struct sim_event){.fn = deliver, .arg = p, .drop = free, .owned = true};
  p->sim = sim;
  p->id = id;
  p->to = to;
  p->leaves = sim->net.leaves;
  p->from_kind = from->kind;
  p->from_index = from->index;
  p->len = line.len - 1;
  memcpy(p->line, line.ptr, line.len);
  p->scanned = false;
  if (e != NULL) {
    copy_envelope(p, line, e);
  }
  sim_push(sim, &p->event, sim->now_ns + delay, key);
}

static void refuse(struct sim *sim, struct sim_endpoint *from, struct slice line, const char *why)
{
  sim->stats.refused++;
  from->mute = true;
  tell(sim, SIM_REFUSED, ++sim->net.next_id, name_of(from), (struct slice){0}, line, why);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

void sim_send(struct sim *sim, struct sim_endpoint *from, struct slice line)
{
  struct net *net = &sim->net;
  struct json_envelope e;
  uint64_t key = sim_child(sim);
  if (from->mute || from->away) {
    return;
  }
  sim->trace = mix_bytes(sim->trace, line);
  struct sim_endpoint *to = NULL;
  const char *why = objection(sim, from, line, &e, &to);
  if (why != NULL) {
    refuse(sim, from, line, why);
    return;
  }
  assert(to != NULL);
  bool servers = from->kind != SIM_CLIENT && to->kind != SIM_CLIENT;
  bool nodes = from->kind == SIM_NODE && to->kind == SIM_NODE;
  uint64_t id = ++net->next_id;
  sim->stats.sent++;
  sim->stats.server_messages += servers;
  tell(sim, SIM_SENT, id, e.src, e.dest, slice_of(line.ptr, line.len - 1), NULL);
  if (nodes) {
    const struct sim_link *a = &net->links[from->index];
    const struct sim_link *b = &net->links[to->index];
    if (random_chance(mix_pair(key, DRAW_LOSS), larger(a->loss_ppm, b->loss_ppm))) {
      sim->stats.lost++;
      tell(sim, SIM_LOST, id, e.src, e.dest, slice_of(line.ptr, line.len - 1), NULL);
      return;
    }
    if (random_chance(mix_pair(key, DRAW_COPY), larger(a->duplicate_ppm, b->duplicate_ppm))) {
      sim->stats.duplicated++;
      uint64_t copy = ++net->next_id;
      tell(sim, SIM_DUPLICATED, copy, e.src, e.dest, slice_of(line.ptr, line.len - 1), NULL);
      dispatch(sim, from, to, line, &e, mix_pair(key, UINT64_MAX), copy);
    }
  }
  if (sim->config.reorder_keys) {
    buf_clear(&net->reprinted);
    sim_reprint(slice_of(line.ptr, line.len - 1), net->reprint_key, &net->reprinted);
    buf_append_char(&net->reprinted, '\n');
    dispatch(sim, from, to, buf_slice(&net->reprinted), NULL, key, id);
    return;
  }
  dispatch(sim, from, to, line, &e, key, id);
}

/* ---- what faults do ---- */

void sim_net_cut(struct sim *sim, unsigned from, unsigned to, bool cut)
{
  assert(from < sim->config.nodes && to < sim->config.nodes);
  size_t bit = (size_t)from * sim->config.nodes + to;
  if (is_cut(sim, from, to) != cut) {
    sim->net.cuts[bit / 8] ^= (unsigned char)(1u << bit % 8);
    sim->net.cut_count += cut ? 1 : (size_t)-1;
  }
}

void sim_net_heal(struct sim *sim)
{
  size_t n = sim->config.nodes;
  memset(sim->net.cuts, 0, (n * n + 7) / 8);
  sim->net.cut_count = 0;
}

void sim_net_lose(struct sim *sim, unsigned node, uint32_t ppm)
{
  assert(node < sim->config.nodes);
  sim->net.links[node].loss_ppm = ppm;
}

void sim_net_duplicate(struct sim *sim, unsigned node, uint32_t ppm)
{
  assert(node < sim->config.nodes);
  sim->net.links[node].duplicate_ppm = ppm;
}

void sim_net_slow(struct sim *sim, unsigned node, unsigned factor)
{
  assert(node < sim->config.nodes && factor >= 1);
  sim->net.links[node].slow = factor;
}
