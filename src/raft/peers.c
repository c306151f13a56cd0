/* A leader's view of the other members: sessions, and the windows of what is under way. */
#include <string.h>

#include "raft/internal.h"

/* ---- progress ---- */

static void clear_flights(struct raft_view *v)
{
  v->flight_begin = 0;
  v->flight_count = 0;
  v->flight_bytes = 0;
}

void raft_view_probe(struct raft_view *v, uint64_t next)
{
  clear_flights(v);
  v->progress = RAFT_PROBE;
  v->probing = false;
  v->next = next;
}

void raft_view_replicate(struct raft_view *v)
{
  clear_flights(v);
  v->progress = RAFT_REPLICATE;
  v->probing = false;
  v->next = v->match + 1;
}

void raft_view_snapshot(const struct raft *r, struct raft_view *v)
{
  clear_flights(v);
  v->progress = RAFT_SNAPSHOT;
  v->probing = false;
  v->snapshot_index = r->log.snapshot_index;
  v->snapshot_size = r->log.snapshot_size;
  v->snapshot_offset = 0;
}

void raft_view_fly(struct raft_view *v, uint64_t last, uint64_t bytes)
{
  if (v->flight_count == v->flight_cap) {
    size_t cap = v->flight_cap == 0 ? 64 : v->flight_cap * 2;
    struct raft_flight *flights = memory_zeroed(cap, sizeof *flights);
    for (size_t i = 0; i < v->flight_count; i++) {
      flights[i] = v->flights[(v->flight_begin + i) & (v->flight_cap - 1)];
    }
    free(v->flights);
    v->flights = flights;
    v->flight_cap = cap;
    v->flight_begin = 0;
  }
  v->flights[(v->flight_begin + v->flight_count) & (v->flight_cap - 1)] = (struct raft_flight){.last = last, .bytes = bytes};
  v->flight_count++;
  v->flight_bytes += bytes;
}

void raft_view_land(struct raft_view *v, uint64_t match)
{
  while (v->flight_count > 0) {
    const struct raft_flight *oldest = &v->flights[v->flight_begin];
    if (oldest->last > match) {
      return;
    }
    v->flight_bytes -= oldest->bytes;
    v->flight_begin = (v->flight_begin + 1) & (v->flight_cap - 1);
    v->flight_count--;
  }
}

bool raft_view_recent(const struct raft *r, const struct raft_view *v)
{
  return v->heard && r->now - v->heard_ns <= r->config.election_timeout_ns;
}

/* ---- views ---- */

struct raft_view *raft_view_find(struct raft *r, uint64_t id)
{
  for (size_t i = 0; i < r->view_count; i++) {
    if (r->views[i].id == id) {
      return &r->views[i];
    }
  }
  return NULL;
}

struct raft_view *raft_view_furthest(struct raft *r)
{
  struct raft_view *furthest = NULL;
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    if (!(v->voice & RAFT_VOTER)) {
      continue;
    }
    bool better = furthest == NULL || v->match > furthest->match;
    bool same = furthest != NULL && v->match == furthest->match;
    if (better || (same && raft_view_recent(r, v) && !raft_view_recent(r, furthest))) {
      furthest = v;
    }
  }
  return furthest;
}

void raft_view_restart(struct raft *r, struct raft_view *v)
{
  struct raft_view old = *v;
  *v = (struct raft_view){
      .id = old.id,
      .voice = old.voice,
      .session = (r->term << 20) + ++r->sessions,
      .flights = old.flights,
      .flight_cap = old.flight_cap,
      .catching_up = old.catching_up,
      .catch_end = r->log.last,
      .catch_ns = r->now,
  };
  raft_view_probe(v, r->log.last + 1);
}

static void swap_views(struct raft *r, size_t i, size_t j)
{
  struct raft_view view = r->views[i];
  r->views[i] = r->views[j];
  r->views[j] = view;
}

static void put_view(struct raft *r, size_t at, const struct raft_member *member)
{
  for (size_t i = at; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    if (v->id == member->id) {
      bool back = v->voice == 0; /* removed, and added again: another session */
      v->voice = member->voice;
      if (back) {
        v->catching_up = false;
        raft_view_restart(r, v);
      }
      swap_views(r, at, i);
      return;
    }
  }
  if (r->view_count == r->view_cap) {
    size_t cap = r->view_cap;
    r->views = memory_grow(r->views, &r->view_cap, cap + 1, sizeof *r->views);
    memset(r->views + cap, 0, (r->view_cap - cap) * sizeof *r->views);
  }
  struct raft_view *v = &r->views[r->view_count];
  v->id = member->id;
  v->voice = member->voice;
  v->catching_up = false;
  raft_view_restart(r, v);
  swap_views(r, at, r->view_count++);
}

void raft_views_update(struct raft *r)
{
  const struct raft_configuration *c = raft_configuration(r);
  for (size_t i = 0; i < r->view_count; i++) {
    struct raft_view *v = &r->views[i];
    if (v->voice != 0 && raft_configuration_find(c, v->id) == NULL) {
      v->voice = 0;
      v->catching_up = false;
      v->leave_ns = r->now + 2 * r->config.election_timeout_ns;
    }
  }
  size_t count = 0;
  for (size_t i = 0; i < c->count; i++) {
    if (c->members[i].id != r->config.id) {
      put_view(r, count++, &c->members[i]);
    }
  }
  for (size_t i = count; i < r->view_count;) {
    if (r->views[i].leave_ns == 0) {
      swap_views(r, i, --r->view_count);
    } else {
      i++;
    }
  }
}

void raft_views_clear(struct raft *r)
{
  r->view_count = 0;
}
