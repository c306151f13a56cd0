/* The network: loses, repeats, delays and reorders; and what rides on messages beside what the core knows. */
#include "base/memory.h"
#include "simulation_world.h"

/* An append's entries come out of the sender's log, when it is made. */
void simulation_take_entries(struct world *w, struct person *p, struct happening *h)
{
  struct raft_message *m = &h->message;
  uint64_t prev = m->append.prev_index;
  size_t count = m->append.count;
  if (prev + count > p->last) {
    simulation_fail(w, "member %llu sends entries up to %llu, and its log ends at %llu", (unsigned long long)p->id,
                    (unsigned long long)(prev + count), (unsigned long long)p->last);
    return;
  }
  if (count > 0 && prev + 1 < p->status.first_index) {
    simulation_fail(w, "member %llu sends entry %llu, and its log begins at %llu", (unsigned long long)p->id,
                    (unsigned long long)(prev + 1), (unsigned long long)p->status.first_index);
    return;
  }
  if (prev > 0 && prev + 1 >= p->status.first_index && p->log[prev - 1].term != m->append.prev_term) {
    simulation_fail(w, "member %llu gives term %llu for entry %llu, and its log %llu", (unsigned long long)p->id,
                    (unsigned long long)m->append.prev_term, (unsigned long long)prev, (unsigned long long)p->log[prev - 1].term);
    return;
  }
  h->entries = memory_grow(h->entries, &h->entry_cap, count, sizeof *h->entries);
  h->tokens = memory_grow(h->tokens, &h->token_cap, count, sizeof *h->tokens);
  uint64_t bytes = 0;
  for (size_t i = 0; i < count; i++) {
    const struct item *item = &p->log[prev + i];
    bytes += item->size;
    h->entries[i] = (struct raft_entry){.term = item->term, .size = item->size, .type = item->type, .configuration = item->configuration};
    h->tokens[i] = item->token;
    if (w->options->lie == SIMULATION_GARBLES && item->type == RAFT_COMMAND && simulation_chance(w, 2)) {
      h->tokens[i]++;
    }
  }
  const struct raft_config *c = &w->knobs.config;
  if (count > 1 &&
      ((c->message_bytes_max != 0 && bytes > c->message_bytes_max) || (c->message_entries_max != 0 && count > c->message_entries_max))) {
    simulation_fail(w, "member %llu sends %zu entries of %llu bytes in one message", (unsigned long long)p->id, count,
                    (unsigned long long)bytes);
  }
}

static struct happening *copy(struct world *w, const struct person *to, const struct happening *from)
{
  struct happening *h = simulation_happening(w, DELIVER, to);
  h->message = from->message;
  h->blob = from->blob;
  h->sequence = from->sequence;
  size_t count = from->message.type == RAFT_APPEND ? from->message.append.count : 0;
  h->entries = memory_grow(h->entries, &h->entry_cap, count, sizeof *h->entries);
  h->tokens = memory_grow(h->tokens, &h->token_cap, count, sizeof *h->tokens);
  for (size_t i = 0; i < count; i++) {
    h->entries[i] = from->entries[i];
    h->tokens[i] = from->tokens[i];
  }
  return h;
}

static uint64_t delay(struct world *w)
{
  const struct knobs *k = &w->knobs;
  uint64_t ns = simulation_between(w, k->net_min_ns, k->net_max_ns);
  if (w->turmoil && simulation_chance(w, k->late)) {
    ns += simulation_between(w, 0, k->late_max_ns);
    w->result->late++;
  }
  return ns;
}

/* Takes h. */
void simulation_send(struct world *w, struct person *p, struct happening *h)
{
  raft_watch_sent(w->watch, p->id, &h->message);
  const struct person *to = &w->people[h->who];
  bool is_chunk = h->message.type == RAFT_INSTALL || h->message.type == RAFT_INSTALLED;
  w->result->messages++;
  if (w->cut[p->place][to->place] || (w->turmoil && simulation_chance(w, is_chunk ? w->knobs.chunk_loss : w->knobs.loss))) {
    w->result->lost++;
    simulation_drop(w, h);
    return;
  }
  if (w->turmoil && simulation_chance(w, w->knobs.repeat)) {
    w->result->repeated++;
    simulation_at(w, copy(w, to, h), w->now + delay(w));
  }
  simulation_at(w, h, w->now + delay(w));
}
