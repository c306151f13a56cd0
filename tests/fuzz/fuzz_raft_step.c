/* Random event sequences: into one core, whatever they say, and into a cluster of cores that can only do what a bad network, slow disks and
 * crashes do. The first byte chooses. Every step is checked by raft_check. One core may find that the cluster broke a rule
 * (ERROR_INVARIANT), since the messages are inventions; a cluster may not, and must keep what it has committed. */
#include <string.h>

#include "base/error.h"
#include "check.h"
#include "raft_cluster.h"

struct bytes {
  const uint8_t *at;
  const uint8_t *end;
};

static unsigned take(struct bytes *b)
{
  return b->at < b->end ? *b->at++ : 0;
}

static bool is_over(const struct bytes *b)
{
  return b->at >= b->end;
}

/* Mostly small numbers, now and then one at the edge. */
static uint64_t number(struct bytes *b)
{
  unsigned v = take(b);
  return v < 250 ? v % 24 : v < 253 ? UINT64_MAX - (v - 250) : (UINT64_C(1) << 60) - (v - 252);
}

/* ---- one core ---- */

enum {
  INVENTED_ENTRIES = 5,
};

struct invented {
  struct raft_configuration configuration;
  struct raft_entry entries[INVENTED_ENTRIES];
  struct raft_message message;
};

static void invent_configuration(struct bytes *b, struct raft_configuration *c)
{
  unsigned seed = take(b);
  c->count = 0;
  for (unsigned i = 0; i < 1 + seed % 5; i++) {
    raft_configuration_set(c, 1 + (seed + i * 7) % 9, (uint8_t)(take(b) % 7));
  }
}

static size_t invent_entries(struct bytes *b, struct invented *it)
{
  size_t count = take(b) % (INVENTED_ENTRIES + 1);
  invent_configuration(b, &it->configuration);
  for (size_t i = 0; i < count; i++) {
    unsigned v = take(b);
    it->entries[i] = (struct raft_entry){.term = 1 + v % 6, .size = v, .type = v % 5 == 0 ? RAFT_CONFIGURATION : RAFT_COMMAND};
    if (it->entries[i].type == RAFT_CONFIGURATION) {
      it->entries[i].configuration = v % 4 == 3 ? NULL : &it->configuration;
    }
  }
  return count;
}

static void invent_message(struct bytes *b, struct raft *r, struct invented *it)
{
  struct raft_message *m = &it->message;
  struct raft_peer_status peer = {0};
  uint64_t words[10];
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    words[i] = number(b);
  }
  memset(m, 0, sizeof *m);
  m->type = take(b) % (RAFT_MESSAGE_TYPES + 1);
  m->from = take(b) % 6;
  m->term = take(b) % 3 ? raft_term(r) + take(b) % 2 : number(b);
  if (raft_peer_count(r) > 0) {
    raft_peer(r, take(b) % raft_peer_count(r), &peer);
    m->from = peer.id;
  }
  uint64_t session = (raft_term(r) << 20) + 1 + words[0] % 4; /* how a leader numbers them: so that answers count */
  switch (m->type) {
  case RAFT_REQUEST_VOTE:
    m->request_vote.last_index = words[1];
    m->request_vote.last_term = words[2];
    m->request_vote.pre = words[3] & 1;
    m->request_vote.transfer = words[4] & 1;
    break;
  case RAFT_VOTE:
    m->vote.granted = words[1] & 1;
    m->vote.pre = words[2] & 1;
    break;
  case RAFT_APPEND:
    m->append.session = words[0];
    m->append.prev_index = words[1];
    m->append.prev_term = words[2] % 5;
    m->append.commit = words[3];
    m->append.round = words[4];
    m->append.count = invent_entries(b, it);
    m->append.entries = it->entries;
    break;
  case RAFT_APPENDED:
    m->appended.session = session;
    m->appended.incarnation = words[1] % 3;
    m->appended.round = words[2];
    m->appended.rejected = words[3] & 1;
    m->appended.match = words[4];
    m->appended.hint = words[5];
    m->appended.hint_term = words[6];
    break;
  case RAFT_INSTALL:
    invent_configuration(b, &it->configuration);
    m->install.session = words[0];
    m->install.index = words[1];
    m->install.log_term = words[2];
    m->install.size = words[3];
    m->install.offset = words[4];
    m->install.length = words[5];
    m->install.configuration_index = words[6];
    m->install.configuration = words[7] % 8 == 0 ? NULL : &it->configuration;
    break;
  case RAFT_INSTALLED:
    m->installed.session = session;
    m->installed.incarnation = words[1] % 3;
    m->installed.index = words[2];
    m->installed.offset = words[3];
    m->installed.done = words[4] & 1;
    m->installed.round = words[5];
    break;
  case RAFT_READ:
    m->read.incarnation = words[1];
    m->read.context = words[2];
    break;
  case RAFT_READABLE:
    m->readable.incarnation = words[1] % 4;
    m->readable.context = words[2];
    m->readable.index = words[3];
    break;
  default:
    break;
  }
}

static void invent_event(struct bytes *b, struct raft *r, struct invented *it, struct raft_event *e)
{
  struct raft_status s;
  raft_status(r, &s);
  unsigned kind = take(b);
  e->type = kind < 150 ? RAFT_EVENT_RECEIVE : (enum raft_event_type)(kind % 11);
  switch (e->type) {
  case RAFT_EVENT_TIME:
    e->now_ns += (uint64_t)take(b) * 2000000;
    break;
  case RAFT_EVENT_RECEIVE:
    invent_message(b, r, it);
    e->message = &it->message;
    break;
  case RAFT_EVENT_PROPOSE:
    e->propose.count = invent_entries(b, it);
    e->propose.entries = it->entries;
    break;
  case RAFT_EVENT_PERSISTED:
    e->sequence = s.persisted + (s.sequence > s.persisted ? take(b) % (s.sequence - s.persisted + 1) : 0);
    break;
  case RAFT_EVENT_READ:
    e->context = number(b);
    break;
  case RAFT_EVENT_CHANGE:
    invent_configuration(b, &it->configuration);
    e->change = &it->configuration;
    break;
  case RAFT_EVENT_TRANSFER:
    e->to = take(b) % 6;
    break;
  case RAFT_EVENT_SNAPSHOT:
    e->snapshot.index = number(b);
    e->snapshot.size = take(b);
    break;
  case RAFT_EVENT_INSTALL:
    e->install.index = number(b);
    e->install.ok = take(b) % 4 > 0;
    break;
  case RAFT_EVENT_CAPACITY:
    e->full = take(b) % 4 == 0;
    break;
  }
}

static void run_core(struct bytes *b)
{
  struct raft_recovered recovered = {.term = take(b) % 3, .first = 1};
  for (uint64_t id = 1; id <= 1 + take(b) % 4u; id++) {
    raft_configuration_set(&recovered.configuration, id, RAFT_VOTER);
  }
  struct raft_config config = {.id = 1, .incarnation = 2, .seed = take(b), .tail_entries = 2, .chunk_bytes = 4, .inflight_messages_max = 3};
  struct raft *r = raft_new(&config, &recovered);
  struct raft_event e = {.now_ns = 1};
  while (!is_over(b)) {
    struct invented it;
    struct raft_status before;
    struct raft_update u;
    raft_status(r, &before);
    invent_event(b, r, &it, &e);
    int error = raft_step(r, &e, &u);
    if (error == ERROR_INVARIANT) {
      CHECK(raft_failure(r) != NULL);
      break;
    }
    const char *broken = raft_check(r, &before);
    if (broken != NULL) {
      fprintf(stderr, "%s\n", broken);
    }
    CHECK(broken == NULL);
    CHECK(error == 0 || (u.append.sequence == 0 && u.message_count == 0));
  }
  raft_free(r);
}

/* ---- a cluster ---- */

static void run_cluster(struct bytes *b)
{
  struct cluster *c = cluster_new(take(b) % 4 + 2u, take(b));
  while (!is_over(b) && cluster_goes_on(c)) {
    unsigned what = take(b);
    cluster_do(c, what, take(b), take(b));
  }
  cluster_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct bytes b = {.at = data, .end = data + size};
  if (take(&b) % 4 == 0) {
    run_core(&b);
  } else {
    run_cluster(&b);
  }
  return 0;
}
