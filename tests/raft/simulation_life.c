/* Proof of life: once the faults stop, or spare a majority, the cluster works within a bounded time. */
#include "simulation_world.h"

#define TICK (5 * MS)

/* A command by which the cluster shows that it works. */
struct probe {
  uint64_t index; /* 0 = none is under way */
  uint64_t term;
  uint64_t token;
  uint64_t missing; /* a member without it, for the failure */
};

static uint64_t election_timeouts(const struct world *w, uint64_t n)
{
  return n * w->knobs.config.election_timeout_ns;
}

/* Faults that are still under way when the healing begins: a slow write, a late report, a pause. */
static uint64_t settling(const struct world *w)
{
  return PAUSE_MAX_NS + 400 * MS + 8 * w->knobs.slow_disk_ns;
}

/* What it takes to bring everybody everything one entry and one chunk at a time, twice. */
static uint64_t catching_up(const struct world *w)
{
  uint64_t last = 0;
  uint64_t commit = UINT64_MAX;
  uint64_t chunks = w->knobs.snapshot_size / w->knobs.config.chunk_bytes + 1;
  for (size_t i = 0; i < w->knobs.people; i++) {
    const struct person *p = &w->people[i];
    last = p->last > last ? p->last : last;
    if (p->raft != NULL) {
      commit = p->status.commit < commit ? p->status.commit : commit;
    }
  }
  uint64_t entries = last > commit ? last - commit : 0;
  return 2 * (entries + chunks) * (2 * w->knobs.net_max_ns + 2 * w->knobs.disk_ns);
}

static void trace_people(struct world *w)
{
  for (size_t i = 0; i < w->knobs.people; i++) {
    const struct person *p = &w->people[i];
    const struct raft_status *s = &p->status;
    simulation_trace(w,
                     "%llu is %s: role %d term %llu vote %llu leader %llu commit %llu last %llu^%llu durable %llu first %llu snapshot %llu "
                     "conf %llu/%llu applied %llu%s",
                     (unsigned long long)p->id, p->raft == NULL ? "down" : "up", s->role, (unsigned long long)s->term,
                     (unsigned long long)s->vote, (unsigned long long)s->leader, (unsigned long long)s->commit,
                     (unsigned long long)s->last_index, (unsigned long long)s->last_term, (unsigned long long)s->durable_index,
                     (unsigned long long)s->first_index, (unsigned long long)s->snapshot_index,
                     (unsigned long long)s->committed_configuration_index, (unsigned long long)s->configuration_index,
                     (unsigned long long)p->applied, s->changing ? " changing" : "");
    for (size_t j = 0; p->raft != NULL && j < raft_peer_count(p->raft); j++) {
      struct raft_peer_status peer;
      raft_peer(p->raft, j, &peer);
      simulation_trace(w, "    %llu: voice %d progress %d match %llu next %llu inflight %zu recent %d offset %llu",
                       (unsigned long long)peer.id, peer.voice, peer.progress, (unsigned long long)peer.match,
                       (unsigned long long)peer.next, peer.inflight, peer.recent, (unsigned long long)peer.snapshot_offset);
    }
  }
}

/* ---- probes ---- */

static bool has(const struct person *p, const struct probe *probe)
{
  return p->applied >= probe->index &&
         (p->last < probe->index || p->status.first_index > probe->index || p->log[probe->index - 1].token == probe->token);
}

/* Proposes a probe to a leader, or again if a newer leader may have thrown it away. */
static bool send_probe(struct world *w, struct person *leader, struct probe *probe)
{
  if (probe->index == 0 || probe->term != leader->status.term) {
    *probe = (struct probe){0};
    if (simulation_propose(w, leader, 1, w->knobs.entry_size, &probe->token) == 0) {
      probe->index = leader->last;
      probe->term = leader->status.term;
    }
  }
  return probe->index != 0;
}

static const struct raft_configuration *members_of(const struct person *leader)
{
  return raft_committed_configuration(leader->raft);
}

static struct person *leader_of_all(struct world *w)
{
  uint64_t leader = raft_watch_leader(w->watch);
  return leader == 0 ? NULL : &w->people[leader - 1];
}

/* NULL, or what is missing. */
static const char *all_work(struct world *w, struct probe *probe)
{
  struct person *leader = leader_of_all(w);
  if (leader == NULL) {
    return "there is no leader";
  }
  if (!send_probe(w, leader, probe)) {
    return "a proposal is refused";
  }
  const struct raft_status *s = &leader->status;
  if (s->changing || s->configuration_index != s->committed_configuration_index ||
      raft_configuration_is_joint(raft_configuration(leader->raft))) {
    return "a change of members has not ended";
  }
  if (s->transferee != 0) {
    return "a transfer has not ended";
  }
  const struct raft_configuration *members = members_of(leader);
  for (size_t i = 0; i < members->count; i++) {
    probe->missing = members->members[i].id;
    if (!has(&w->people[probe->missing - 1], probe)) {
      return "a proposal is not applied by a member";
    }
  }
  return NULL;
}

/* The leader that matters while some are out of action. */
static struct person *leader_of_rest(struct world *w, uint64_t out)
{
  struct person *leader = NULL;
  for (size_t i = 0; i < w->knobs.people; i++) {
    struct person *p = &w->people[i];
    if (p->raft != NULL && !(out >> i & 1) && p->status.role == RAFT_LEADER && (leader == NULL || p->status.term > leader->status.term)) {
      leader = p;
    }
  }
  return leader;
}

static const char *rest_works(struct world *w, struct probe *probe, uint64_t out)
{
  struct person *leader = leader_of_rest(w, out);
  if (leader == NULL) {
    return "the majority has no leader";
  }
  if (!send_probe(w, leader, probe)) {
    return "a proposal to the majority's leader is refused";
  }
  probe->missing = leader->id;
  return has(leader, probe) ? NULL : "a proposal to the majority's leader is not applied";
}

static bool must_work(struct world *w, uint64_t allowed, uint64_t out, struct probe *probe)
{
  uint64_t begun = w->now;
  const char *missing = NULL;
  *probe = (struct probe){0};
  while (!simulation_failed(w)) {
    missing = out == 0 ? all_work(w, probe) : rest_works(w, probe, out);
    if (missing == NULL) {
      return true;
    }
    if (w->now - begun > allowed) {
      trace_people(w);
      simulation_fail(w, "no life: %llu ms after faults ended%s, %s (%llu)", (unsigned long long)((w->now - begun) / MS),
                      out == 0 ? "" : " for a majority", missing, (unsigned long long)probe->missing);
      break;
    }
    simulation_until(w, w->now + TICK);
  }
  return false;
}

/* ---- reads, transfer, calm ---- */

/* All reads that the members have begun are answered. */
static void reads_must_end(struct world *w, uint64_t out)
{
  uint64_t begun = w->now;
  const struct person *leader = out == 0 ? leader_of_all(w) : leader_of_rest(w, out);
  if (leader == NULL || simulation_failed(w)) {
    return;
  }
  const struct raft_configuration members = *members_of(leader);
  for (size_t i = 0; i < members.count; i++) {
    if (!(out >> (members.members[i].id - 1) & 1)) {
      simulation_read(w, &w->people[members.members[i].id - 1]);
    }
  }
  for (size_t i = 0; i < members.count; i++) {
    const struct person *p = &w->people[members.members[i].id - 1];
    while (p->raft != NULL && !(out >> p->place & 1) && p->read_count > 0 && p->reads[0].begun_ns <= begun && !simulation_failed(w)) {
      if (w->now - begun > election_timeouts(w, 5)) {
        trace_people(w);
        simulation_fail(w, "no life: member %llu has no answer to read %llu after %llu ms without faults", (unsigned long long)p->id,
                        (unsigned long long)p->reads[0].context, (unsigned long long)((w->now - begun) / MS));
      }
      simulation_until(w, w->now + TICK);
    }
  }
}

static void transfer_must_succeed(struct world *w)
{
  struct person *leader = leader_of_all(w);
  if (leader == NULL || simulation_failed(w)) {
    return;
  }
  const struct raft_configuration *members = members_of(leader);
  uint64_t to = members->members[simulation_between(w, 0, members->count - 1)].id;
  if (to == leader->id || !(raft_configuration_find(members, to)->voice & RAFT_VOTER)) {
    return;
  }
  uint64_t begun = w->now;
  struct raft_event e = {.type = RAFT_EVENT_TRANSFER, .to = to};
  int error = simulation_step(w, leader, &e, NULL, NULL);
  if (error != 0) {
    simulation_fail(w, "no life: member %llu refuses to transfer to %llu (%d)", (unsigned long long)leader->id, (unsigned long long)to,
                    error);
  }
  while (raft_watch_leader(w->watch) != to && !simulation_failed(w)) {
    if (w->now - begun > election_timeouts(w, 3)) {
      trace_people(w);
      simulation_fail(w, "no life: the transfer from %llu to %llu did not succeed", (unsigned long long)leader->id, (unsigned long long)to);
    }
    simulation_until(w, w->now + TICK);
  }
}

/* Nothing is wrong, so nobody has a reason to campaign. */
static void must_be_calm(struct world *w, uint64_t out)
{
  const struct person *leader = out == 0 ? leader_of_all(w) : leader_of_rest(w, out);
  if (leader == NULL || simulation_failed(w)) {
    return;
  }
  uint64_t term = leader->status.term;
  uint64_t end = w->now + election_timeouts(w, simulation_chance(w, 100) ? 20 : 4);
  while (w->now < end && !simulation_failed(w)) {
    simulation_until(w, w->now + TICK);
    const struct person *now = out == 0 ? leader_of_all(w) : leader_of_rest(w, out);
    if (!simulation_failed(w) && (now != leader || leader->status.term != term)) {
      trace_people(w);
      simulation_fail(w, "no calm: member %llu led in term %llu, and without any fault it does no more", (unsigned long long)leader->id,
                      (unsigned long long)term);
    }
  }
}

/* ---- a minority out of action ---- */

enum ailment {
  DOWN,
  ISOLATED,
  DEAF,
  MUTE,
  APART,    /* together, and with the learners, but without the majority */
  CUT_LINK, /* one, between two voters: all others reach everybody */
};

/* Parts these people and all learners from the rest. Returns them. */
static uint64_t set_apart(struct world *w, const struct raft_configuration *members, uint64_t some)
{
  for (size_t i = 0; i < members->count; i++) {
    if (!(members->members[i].voice & RAFT_VOTER)) {
      some |= UINT64_C(1) << (members->members[i].id - 1);
    }
  }
  for (size_t i = 0; i < w->knobs.people; i++) {
    for (size_t j = 0; j < w->knobs.people; j++) {
      w->cut[i][j] = (some >> i & 1) != (some >> j & 1);
    }
  }
  return some;
}

static uint64_t ail(struct world *w, enum ailment ailment)
{
  const struct person *leader = leader_of_all(w);
  const struct raft_configuration members = *members_of(leader);
  uint64_t voters[PEOPLE_MAX];
  size_t count = 0;
  for (size_t i = 0; i < members.count; i++) {
    if (members.members[i].voice & RAFT_VOTER) {
      size_t at = simulation_between(w, 0, count); /* shuffled */
      voters[count++] = voters[at];
      voters[at] = members.members[i].id;
    }
  }
  if (count < 3) {
    return 0;
  }
  uint64_t out = 0;
  size_t sick = ailment == CUT_LINK ? 1 : simulation_between(w, 1, (count - 1) / 2);
  for (size_t i = 0; i < count && simulation_chance(w, 700); i++) {
    if (voters[i] == leader->id) {
      voters[i] = voters[0];
      voters[0] = leader->id;
    }
  }
  for (size_t i = 0; i < sick; i++) {
    struct person *p = &w->people[voters[i] - 1];
    simulation_trace(w, "---- %llu ails: %d", (unsigned long long)p->id, ailment);
    if (ailment == DOWN) {
      if (p->raft != NULL) {
        simulation_crash(w, p);
      }
      p->stays_down = true;
    } else if (ailment == CUT_LINK) {
      w->cut[voters[0] - 1][voters[1] - 1] = w->cut[voters[1] - 1][voters[0] - 1] = true;
      return UINT64_C(1) << 63; /* nobody is out */
    } else if (ailment != APART) {
      simulation_cut(w, p, ailment != MUTE, ailment != DEAF);
    }
    out |= UINT64_C(1) << p->place;
  }
  if (ailment == APART) {
    out |= set_apart(w, &members, out);
  }
  return out;
}

static void majority_must_work(struct world *w)
{
  if (simulation_failed(w) || leader_of_all(w) == NULL) {
    return;
  }
  enum ailment ailment = (enum ailment)simulation_between(w, DOWN, CUT_LINK);
  struct probe probe;
  if (ailment == CUT_LINK) {
    /* Nobody's log is behind, so that only its leader keeps the others from voting for one that does not hear it. */
    w->load = false;
    simulation_until(w, w->now + election_timeouts(w, 1));
  }
  uint64_t out = simulation_failed(w) || leader_of_all(w) == NULL ? 0 : ail(w, ailment);
  if (out == 0) {
    return;
  }
  if (ailment == CUT_LINK) {
    must_be_calm(w, out);
    w->load = true;
  }
  must_work(w, election_timeouts(w, 20) + catching_up(w), out, &probe);
  if (ailment != CUT_LINK) {
    reads_must_end(w, out);
  }
  must_be_calm(w, out);
  must_work(w, election_timeouts(w, 5) + catching_up(w), out, &probe);
}

void simulation_prove_life(struct world *w)
{
  struct probe probe;
  if (simulation_failed(w)) {
    return;
  }
  simulation_trace(w, "---- healing");
  uint64_t healed = w->now;
  simulation_heal(w);
  must_work(w, settling(w) + election_timeouts(w, 20) + catching_up(w), 0, &probe);
  reads_must_end(w, 0);
  /* Late messages of the turmoil may well disturb. */
  simulation_until(w, healed + PAUSE_MAX_NS + w->knobs.late_max_ns + w->knobs.net_max_ns);
  transfer_must_succeed(w);
  must_work(w, election_timeouts(w, 5) + catching_up(w), 0, &probe);
  w->load = true;
  must_be_calm(w, 0);
  majority_must_work(w);
  w->load = false;
  if (simulation_chance(w, 200)) {
    simulation_heal(w);
    must_work(w, settling(w) + election_timeouts(w, 20) + catching_up(w), 0, &probe);
  } else if (!simulation_failed(w)) {
    simulation_heal(w);
  }
}
