/* Each violation is found: real cores, and lies about them. */
#include "raft/watch.h"

#include <string.h>

#include "cmocka_all.h"

enum {
  MEMBERS = 3,
  LOG_MAX = 16,
};

#define MS UINT64_C(1000000)

struct node {
  uint64_t id;
  struct raft *r;
  uint64_t now;
  bool noop_first;           /* the first entry of what it starts with */
  uint64_t odd;              /* an entry whose bytes are others than on the other nodes; 0 = none */
  struct raft_status before; /* the last step */
  struct raft_event event;
  struct raft_update update;
};

struct cluster {
  struct raft_watch *watch;
  struct node nodes[MEMBERS]; /* ids 1, 2, 3 */
};

static uint64_t hash_of(void *arg, uint64_t index)
{
  const struct node *n = arg;
  return index == n->odd ? 1000 + n->id : index;
}

static struct raft_configuration all_voters(void)
{
  struct raft_configuration c = {0};
  for (uint64_t id = 1; id <= MEMBERS; id++) {
    raft_configuration_set(&c, id, RAFT_VOTER);
  }
  return c;
}

/* Starts a node with commands of these terms in its log. */
static void start(struct cluster *c, uint64_t id, uint64_t term, uint64_t vote, const uint64_t *terms, size_t count)
{
  struct node *n = &c->nodes[id - 1];
  struct raft_entry entries[LOG_MAX] = {0};
  for (size_t i = 0; i < count; i++) {
    entries[i] = (struct raft_entry){.term = terms[i], .type = RAFT_COMMAND, .size = 1};
  }
  if (n->noop_first) {
    entries[0].type = RAFT_NOOP;
    entries[0].size = 0;
  }
  struct raft_config config = {.id = id, .incarnation = id, .seed = id};
  struct raft_recovered recovered = {
      .term = term, .vote = vote, .first = 1, .entries = entries, .count = count, .configuration = all_voters()};
  n->id = id;
  n->r = raft_new(&config, &recovered);
  raft_watch_started(c->watch, n->r, &recovered, id, hash_of, n);
}

/* Starts it with nothing but a snapshot. */
static void start_from(struct cluster *c, uint64_t id, uint64_t term, uint64_t index, uint64_t index_term)
{
  struct node *n = &c->nodes[id - 1];
  struct raft_config config = {.id = id, .incarnation = id, .seed = id};
  struct raft_recovered recovered = {
      .term = term, .first = index + 1, .snapshot_index = index, .snapshot_term = index_term, .first_prev_term = index_term};
  recovered.configuration = all_voters();
  n->id = id;
  n->r = raft_new(&config, &recovered);
  raft_watch_started(c->watch, n->r, &recovered, id, hash_of, n);
}

static void end(struct cluster *c, uint64_t id)
{
  raft_watch_ended(c->watch, id);
  raft_free(c->nodes[id - 1].r);
  c->nodes[id - 1].r = NULL;
}

/* Takes a step that the watch does not see yet. */
static void step_unseen(struct cluster *c, uint64_t id, const struct raft_event *event)
{
  struct node *n = &c->nodes[id - 1];
  n->event = *event;
  n->event.now_ns = n->now;
  raft_status(n->r, &n->before);
  assert_int_equal(raft_step(n->r, &n->event, &n->update), 0);
}

static void see(struct cluster *c, uint64_t id)
{
  const struct node *n = &c->nodes[id - 1];
  raft_watch_stepped(c->watch, id, &n->before, &n->event, &n->update);
}

static void step(struct cluster *c, uint64_t id, struct raft_event event)
{
  step_unseen(c, id, &event);
  see(c, id);
}

static void receive(struct cluster *c, uint64_t id, struct raft_message m)
{
  m.to = id;
  step(c, id, (struct raft_event){.type = RAFT_EVENT_RECEIVE, .message = &m});
}

static void persist(struct cluster *c, uint64_t id)
{
  struct raft_status s;
  raft_status(c->nodes[id - 1].r, &s);
  if (s.persisted < s.sequence) {
    step(c, id, (struct raft_event){.type = RAFT_EVENT_PERSISTED, .sequence = s.sequence});
  }
}

static void propose(struct cluster *c, uint64_t id)
{
  static const struct raft_entry COMMAND = {.type = RAFT_COMMAND, .size = 1};
  step(c, id, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {.entries = &COMMAND, .count = 1}});
}

static void sent(struct cluster *c, struct raft_message m)
{
  raft_watch_sent(c->watch, m.from, &m);
}

static struct raft_message vote_of(uint64_t from, uint64_t to, uint64_t term)
{
  return (struct raft_message){.type = RAFT_VOTE, .from = from, .to = to, .term = term, .vote = {.granted = true}};
}

static struct raft_message append_of(uint64_t from, uint64_t term, uint64_t prev, uint64_t prev_term, uint64_t commit)
{
  return (struct raft_message){.type = RAFT_APPEND,
                               .from = from,
                               .term = term,
                               .append = {.session = 1, .prev_index = prev, .prev_term = prev_term, .commit = commit}};
}

static struct raft_message appended_of(uint64_t from, uint64_t to, uint64_t term, uint64_t match)
{
  return (struct raft_message){
      .type = RAFT_APPENDED, .from = from, .to = to, .term = term, .appended = {.session = 1, .incarnation = from, .match = match}};
}

/* Makes it a candidate whose vote for itself is durable; returns the term. */
static uint64_t campaign(struct cluster *c, uint64_t id)
{
  struct node *n = &c->nodes[id - 1];
  n->now = raft_deadline(n->r) > n->now ? raft_deadline(n->r) : n->now;
  step(c, id, (struct raft_event){.type = RAFT_EVENT_TIME});
  if (raft_role(n->r) != RAFT_PRE_CANDIDATE) {
    n->now = raft_deadline(n->r);
    step(c, id, (struct raft_event){.type = RAFT_EVENT_TIME});
  }
  struct raft_message yes = {
      .type = RAFT_VOTE, .from = id % MEMBERS + 1, .term = raft_term(n->r) + 1, .vote = {.granted = true, .pre = true}};
  receive(c, id, yes);
  assert_int_equal(raft_role(n->r), RAFT_CANDIDATE);
  persist(c, id);
  return raft_term(n->r);
}

/* The core is told that it has got a vote; the watch is not. */
static void elect_by_lie(struct cluster *c, uint64_t id)
{
  uint64_t term = campaign(c, id);
  receive(c, id, vote_of(id % MEMBERS + 1, id, term));
  assert_int_equal(raft_role(c->nodes[id - 1].r), RAFT_LEADER);
}

/* `voter` votes for `id`, durably, and says so. */
static void elect(struct cluster *c, uint64_t id, uint64_t voter)
{
  uint64_t term = campaign(c, id);
  const struct node *n = &c->nodes[id - 1];
  struct raft_status s;
  raft_status(n->r, &s);
  struct raft_message ask = {.type = RAFT_REQUEST_VOTE,
                             .from = id,
                             .term = term,
                             .request_vote = {.last_index = s.last_index, .last_term = s.last_term, .transfer = true}};
  receive(c, voter, ask);
  persist(c, voter);
  sent(c, vote_of(voter, id, term));
  receive(c, id, vote_of(voter, id, term));
  assert_int_equal(raft_role(n->r), RAFT_LEADER);
  persist(c, id);
}

/* `to` takes everything that `from` has after `prev`. Durable unless the caller wants otherwise. */
static void replicate(struct cluster *c, uint64_t from, uint64_t to, uint64_t prev, bool durably)
{
  const struct node *leader = &c->nodes[from - 1];
  struct raft_status s;
  raft_status(leader->r, &s);
  struct raft_entry entries[LOG_MAX];
  struct raft_entry before = {0};
  raft_entry(leader->r, prev, &before);
  struct raft_message m = append_of(from, s.term, prev, before.term, s.commit);
  m.append.entries = entries;
  for (uint64_t i = prev + 1; i <= s.last_index; i++) {
    assert_true(raft_entry(leader->r, i, &entries[m.append.count++]));
  }
  receive(c, to, m);
  if (durably) {
    persist(c, to);
  }
}

/* The session that a leader has with a member is in what it sends. */
static void acknowledge(struct cluster *c, uint64_t from, uint64_t to, uint64_t match)
{
  struct raft_message m = appended_of(from, to, raft_term(c->nodes[to - 1].r), match);
  struct node *leader = &c->nodes[to - 1];
  leader->now = raft_deadline(leader->r); /* a heartbeat */
  step(c, to, (struct raft_event){.type = RAFT_EVENT_TIME});
  for (size_t i = 0; i < leader->update.message_count; i++) {
    if (leader->update.messages[i].to == from && leader->update.messages[i].type == RAFT_APPEND) {
      m.appended.session = leader->update.messages[i].append.session;
    }
  }
  receive(c, to, m);
}

static struct cluster *open_empty(void)
{
  static struct cluster c;
  memset(&c, 0, sizeof c);
  c.watch = raft_watch_new();
  for (uint64_t id = 1; id <= MEMBERS; id++) {
    c.nodes[id - 1].now = 1000 * MS;
  }
  return &c;
}

/* Three new members. */
static struct cluster *open_new(void)
{
  struct cluster *c = open_empty();
  for (uint64_t id = 1; id <= MEMBERS; id++) {
    start(c, id, 0, 0, NULL, 0);
    step(c, id, (struct raft_event){.type = RAFT_EVENT_TIME});
  }
  return c;
}

/* Member 1 leads in term 1; its no-op is on 1 and 2, and committed; a command is on 1 only. */
static struct cluster *open_led(void)
{
  struct cluster *c = open_new();
  elect(c, 1, 2);
  replicate(c, 1, 2, 0, true);
  acknowledge(c, 2, 1, 1);
  propose(c, 1);
  persist(c, 1);
  struct raft_status s;
  raft_status(c->nodes[0].r, &s);
  assert_int_equal(s.commit, 1);
  assert_int_equal(s.last_index, 2);
  assert_null(raft_watch_failure(c->watch));
  return c;
}

static void close_cluster(struct cluster *c)
{
  for (size_t i = 0; i < MEMBERS; i++) {
    raft_free(c->nodes[i].r);
  }
  raft_watch_free(c->watch);
}

static void close_found(struct cluster *c, const char *words)
{
  const char *failure = raft_watch_failure(c->watch);
  if (failure == NULL || strstr(failure, words) == NULL) {
    fail_msg("expected: %s; found: %s", words, failure == NULL ? "nothing" : failure);
  }
  close_cluster(c);
}

static void close_quiet(struct cluster *c)
{
  if (raft_watch_failure(c->watch) != NULL) {
    fail_msg("%s", raft_watch_failure(c->watch));
  }
  close_cluster(c);
}

/* ---- nothing is wrong ---- */

static void a_cluster_in_order(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  replicate(c, 1, 2, 1, true);
  sent(c, appended_of(2, 1, 1, 2));
  acknowledge(c, 2, 1, 2);
  raft_watch_applied(c->watch, 1, 1, 1, 7);
  raft_watch_applied(c->watch, 1, 2, 1, 8);
  raft_watch_applied(c->watch, 2, 1, 1, 7);
  assert_int_equal(raft_watch_leader(c->watch), 1);
  const struct raft_watch_stats *stats = raft_watch_stats(c->watch);
  assert_int_equal(stats->leaders, 1);
  assert_int_equal(stats->committed, 2);
  assert_int_equal(stats->applied, 3);
  assert_int_equal(stats->starts, 3);
  assert_int_not_equal(stats->steps, 0);
  end(c, 1);
  assert_int_equal(raft_watch_leader(c->watch), 0);
  close_quiet(c);
}

/* ---- elections ---- */

static void two_leaders_of_one_term(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  elect(c, 1, 2);
  elect_by_lie(c, 3);
  close_found(c, "leads in the term of 1");
}

static void a_leader_of_one_term_in_two_lives(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  elect(c, 1, 2);
  end(c, 1);
  raft_watch_forgot(c->watch, 1);
  start(c, 1, 0, 0, NULL, 0);
  elect_by_lie(c, 1);
  close_found(c, "its own earlier life");
}

static void a_leader_without_votes(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  elect_by_lie(c, 1);
  close_found(c, "without the durable votes of a majority");
}

static void two_votes_in_one_term(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  receive(c, 3, append_of(1, 5, 0, 0, 0));
  persist(c, 3);
  sent(c, vote_of(3, 1, 4));
  sent(c, vote_of(3, 2, 4));
  close_found(c, "has voted for 1 and for 2");
}

static void a_vote_that_is_not_durable(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  uint64_t term = campaign(c, 1);
  receive(c, 2, (struct raft_message){.type = RAFT_REQUEST_VOTE, .from = 1, .term = term});
  sent(c, vote_of(2, 1, term));
  close_found(c, "vote for 1 in term 1 is not durable");
}

static void a_leader_without_a_committed_entry(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  receive(c, 2, append_of(1, 9, 0, 0, 0)); /* so that it may have voted in term 2 */
  persist(c, 2);
  campaign(c, 3);
  while (raft_term(c->nodes[2].r) < 2) {
    campaign(c, 3);
  }
  uint64_t term = raft_term(c->nodes[2].r);
  sent(c, vote_of(2, 3, term));
  receive(c, 3, vote_of(2, 3, term));
  close_found(c, "leader completeness");
}

/* ---- logs ---- */

static void a_leader_that_truncates(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  static const struct raft_entry COMMAND = {.type = RAFT_COMMAND, .size = 1};
  step_unseen(c, 1, &(struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {.entries = &COMMAND, .count = 1}});
  c->nodes[0].update.append.truncate_from = 2;
  see(c, 1);
  close_found(c, "leader append-only");
}

static void a_truncation_of_what_is_committed(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  receive(c, 2, append_of(1, 1, 1, 1, 1));
  struct raft_message m = append_of(1, 1, 1, 1, 1);
  struct raft_entry e = {.term = 1, .size = 1, .type = RAFT_COMMAND};
  m.append.entries = &e;
  m.append.count = 1;
  m.to = 2;
  step_unseen(c, 2, &(struct raft_event){.type = RAFT_EVENT_RECEIVE, .message = &m});
  c->nodes[1].update.append.truncate_from = 1;
  see(c, 2);
  close_found(c, "truncates what is committed");
}

static void other_bytes(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  c->nodes[1].odd = 2;
  replicate(c, 1, 2, 1, true);
  close_found(c, "other bytes elsewhere");
}

static void another_entry_before(void **state)
{
  (void)state;
  struct cluster *c = open_empty();
  start(c, 1, 2, 0, (const uint64_t[]){1, 2}, 2);
  start(c, 2, 2, 0, (const uint64_t[]){2, 2}, 2);
  close_found(c, "another entry before it elsewhere");
}

static void another_first_configuration(void **state)
{
  (void)state;
  struct cluster *c = open_empty();
  start(c, 1, 0, 0, NULL, 0);
  struct raft_recovered recovered = {.first = 1};
  raft_configuration_set(&recovered.configuration, 2, RAFT_VOTER);
  struct raft_config config = {.id = 2, .incarnation = 2, .seed = 2};
  c->nodes[1].r = raft_new(&config, &recovered);
  raft_watch_started(c->watch, c->nodes[1].r, &recovered, 2, hash_of, &c->nodes[1]);
  close_found(c, "another snapshot or configuration");
}

/* What an append may not look like: of a leader whose log ends at 2. */
static void appends_that_make_no_sense(void **state)
{
  (void)state;
  static const struct raft_entry COMMAND = {.type = RAFT_COMMAND, .size = 1};
  static const struct raft_entry OLD = {.term = 0, .type = RAFT_COMMAND, .size = 1};
  static const char *const FOUND[] = {
      "sequence is not the next",
      "do not follow the log's last",
      "earlier term than the one before it",
      "a term that goes back",
      "a snapshot of what is not committed",
      "as the beginning of a log that does not contain it",
      "voids a log that contains it",
      "entries are dropped that the snapshot does not cover",
  };
  for (size_t i = 0; i < sizeof FOUND / sizeof FOUND[0]; i++) {
    struct cluster *c = open_led();
    struct raft_append *a = &c->nodes[0].update.append;
    step_unseen(c, 1, &(struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {.entries = &COMMAND, .count = 1}});
    if (i >= 4) {
      a->snapshot = true;
      a->snapshot_index = i == 4 ? 2 : 1;
      a->snapshot_term = 1;
      a->first_kept = i == 7 ? 3 : 1;
      a->reset = i == 6;
    }
    switch (i) {
    case 0:
      a->sequence++;
      break;
    case 1:
      a->first++;
      break;
    case 2:
      a->entries = &OLD;
      break;
    case 3:
      a->hard = true;
      a->term = 1;
      a->vote = 3;
      break;
    case 5:
      a->truncate_from = 1; /* of a follower that has the snapshot's entry no more */
      c->nodes[0].before.role = RAFT_FOLLOWER;
      break;
    default:
      break;
    }
    see(c, 1);
    close_found(c, i == 5 ? "truncates what is committed" : FOUND[i]);
  }
}

/* ---- commitment ---- */

static void a_commit_without_a_quorum(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  replicate(c, 1, 2, 1, false);
  acknowledge(c, 2, 1, 2);
  close_found(c, "commits what is not durable on a majority");
}

static void a_commit_that_no_leader_has_made(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  struct raft_message m = append_of(1, 1, 1, 1, 2);
  struct raft_entry e = {.term = 1, .size = 1, .type = RAFT_COMMAND};
  m.append.entries = &e;
  m.append.count = 1;
  receive(c, 2, m);
  close_found(c, "what no leader has committed");
}

static void a_commit_of_another_entry(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  struct raft_message m = append_of(1, 3, 0, 0, 1);
  struct raft_entry e = {.term = 2, .size = 1, .type = RAFT_COMMAND};
  m.append.entries = &e;
  m.append.count = 1;
  receive(c, 3, m);
  close_found(c, "another entry than is committed");
}

static void what_the_core_itself_finds(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  step_unseen(c, 1, &(struct raft_event){.type = RAFT_EVENT_TIME});
  c->nodes[0].before.commit = 2;
  see(c, 1);
  close_found(c, "commit index went back");
}

static void a_core_that_has_failed(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  struct raft_message m = append_of(3, 1, 0, 0, 0); /* another leader of term 1 */
  m.to = 1;
  struct node *n = &c->nodes[0];
  n->event = (struct raft_event){.type = RAFT_EVENT_RECEIVE, .now_ns = n->now, .message = &m};
  raft_status(n->r, &n->before);
  assert_int_not_equal(raft_step(n->r, &n->event, &n->update), 0);
  see(c, 1);
  close_found(c, "leads in this term as well");
}

/* ---- statuses ---- */

static void what_was_never_appended(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  static const struct raft_entry COMMAND = {.type = RAFT_COMMAND, .size = 1};
  step_unseen(c, 1, &(struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {.entries = &COMMAND, .count = 1}});
  c->nodes[0].update.append.sequence = 0;
  see(c, 1);
  close_found(c, "its last entry, of term 1, was not appended");

  c = open_new();
  struct raft_message m = append_of(1, 4, 0, 0, 0);
  step_unseen(c, 2, &(struct raft_event){.type = RAFT_EVENT_RECEIVE, .message = &m});
  c->nodes[1].update.append.sequence = 0;
  see(c, 2);
  close_found(c, "term 4 and vote 0 were not appended");
}

static void what_was_never_made_durable(void **state)
{
  (void)state;
  for (int entries = 0; entries <= 1; entries++) {
    struct cluster *c = open_new();
    if (entries) {
      receive(c, 2, append_of(1, 1, 0, 0, 0));
      persist(c, 2);
      struct raft_message m = append_of(1, 1, 0, 0, 0);
      struct raft_entry e = {.term = 1, .size = 1, .type = RAFT_COMMAND};
      m.append.entries = &e;
      m.append.count = 1;
      receive(c, 2, m);
    } else {
      receive(c, 2, append_of(1, 4, 0, 0, 0));
    }
    struct raft_status s;
    raft_status(c->nodes[1].r, &s);
    step_unseen(c, 2, &(struct raft_event){.type = RAFT_EVENT_PERSISTED, .sequence = s.sequence});
    c->nodes[1].event.type = RAFT_EVENT_TIME;
    see(c, 2);
    close_found(c, entries ? "takes for durable what is not" : "takes term 4 and vote 0 for durable");
  }
}

static void another_configuration_than_the_log_says(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  elect(c, 1, 2);
  replicate(c, 1, 2, 0, true);
  acknowledge(c, 2, 1, 1);
  struct raft_configuration to = all_voters();
  raft_configuration_remove(&to, 3);
  step_unseen(c, 1, &(struct raft_event){.type = RAFT_EVENT_CHANGE, .change = &to});
  struct raft_entry said = c->nodes[0].update.append.entries[0];
  said.configuration = &to; /* and not the joint one */
  c->nodes[0].update.append.entries = &said;
  see(c, 1);
  c->nodes[0].update.append.entries = NULL;
  close_found(c, "configuration has other members than the log says");
}

/* ---- messages ---- */

static void a_message_that_leaves_early(void **state)
{
  (void)state;
  struct cluster *c = open_new();
  receive(c, 2, append_of(1, 4, 0, 0, 0));
  struct raft_message m = appended_of(2, 1, 4, 0);
  m.after = 1;
  sent(c, m);
  close_found(c, "a message leaves");
}

static void acknowledgements_that_are_not_true(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  replicate(c, 1, 2, 1, false);
  sent(c, appended_of(2, 1, 1, 2));
  close_found(c, "acknowledges what is not durable");

  c = open_new();
  receive(c, 2, append_of(1, 4, 0, 0, 0));
  persist(c, 2);
  sent(c, appended_of(2, 1, 4, 0));
  close_found(c, "in a term that has no leader");

  c = open_empty();
  start(c, 1, 2, 0, (const uint64_t[]){1}, 1);
  start(c, 2, 2, 0, (const uint64_t[]){1}, 1);
  start(c, 3, 2, 0, (const uint64_t[]){2}, 1);
  for (uint64_t id = 1; id <= MEMBERS; id++) {
    step(c, id, (struct raft_event){.type = RAFT_EVENT_TIME});
  }
  elect(c, 1, 2);
  receive(c, 3, append_of(1, 3, 0, 0, 0));
  persist(c, 3);
  sent(c, appended_of(3, 1, 3, 1));
  close_found(c, "another entry than its leader has");

  c = open_led();
  sent(c, (struct raft_message){.type = RAFT_INSTALLED, .from = 3, .to = 1, .term = 1, .installed = {.index = 1, .done = true}});
  close_found(c, "acknowledges a snapshot that is not durable");
}

static void words_of_one_that_does_not_lead(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  sent(c, append_of(2, 1, 0, 0, 0));
  close_found(c, "in which it does not lead");
  c = open_led();
  sent(c, append_of(1, 1, 0, 0, 2));
  close_found(c, "to commit what is not committed");
}

/* ---- reads ---- */

static void reads_that_miss_something(void **state)
{
  (void)state;
  static const struct {
    uint64_t through;
    uint64_t index;
    const char *found;
  } ANSWERS[] = {
      {1, 0, "linearizable reads"},
      {1, 2, "wait for what is not committed"},
      {2, 1, "which was not begun"},
  };
  for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
    struct cluster *c = open_led();
    step_unseen(c, 3, &(struct raft_event){.type = RAFT_EVENT_READ, .context = 1});
    c->nodes[2].update.read.through = ANSWERS[i].through;
    c->nodes[2].update.read.index = ANSWERS[i].index;
    see(c, 3);
    close_found(c, ANSWERS[i].found);
  }
  struct cluster *c = open_led();
  step_unseen(c, 3, &(struct raft_event){.type = RAFT_EVENT_READ, .context = 1});
  c->nodes[2].update.read.through = 1;
  c->nodes[2].update.read.index = 1;
  see(c, 3);
  close_quiet(c);
}

/* ---- the state machine ---- */

static void applications_that_are_wrong(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  raft_watch_applied(c->watch, 1, 2, 1, 0);
  close_found(c, "is applied after 0");

  c = open_led();
  raft_watch_applied(c->watch, 1, 1, 1, 0);
  raft_watch_applied(c->watch, 1, 2, 1, 0);
  close_found(c, "is applied, and committed is only 1");

  c = open_led();
  raft_watch_applied(c->watch, 1, 1, 7, 0);
  close_found(c, "as an entry of term 7");

  c = open_led();
  replicate(c, 1, 3, 0, false);
  raft_watch_applied(c->watch, 3, 1, 1, 0);
  close_found(c, "is applied before it is durable here");

  c = open_led();
  receive(c, 2, append_of(1, 1, 1, 1, 1));
  raft_watch_applied(c->watch, 1, 1, 1, 5);
  raft_watch_applied(c->watch, 2, 1, 1, 6);
  close_found(c, "another outcome than elsewhere");
}

static void restorations_that_are_wrong(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  raft_watch_restored(c->watch, 3, 2, 0);
  close_found(c, "of what is not committed is restored");

  c = open_led();
  raft_watch_applied(c->watch, 1, 1, 1, 5);
  raft_watch_restored(c->watch, 3, 1, 6);
  close_found(c, "another state than elsewhere");

  c = open_led();
  raft_watch_applied(c->watch, 1, 1, 1, 5);
  raft_watch_restored(c->watch, 1, 0, 0);
  close_found(c, "takes the state back");
}

/* ---- coming back ---- */

/* Member 1 of open_led has entries 1 and 2 of term 1, its vote and term 1 are durable. */
static void what_must_come_back(void **state)
{
  (void)state;
  static const struct {
    uint64_t term;
    uint64_t vote;
    uint64_t terms[3];
    size_t count;
    const char *found; /* NULL = in order */
  } LIVES[] = {
      {1, 1, {1, 1}, 2, NULL},
      {0, 0, {1, 1}, 2, "without the term and vote"},
      {1, 0, {1, 1}, 2, "without the term and vote"},
      {2, 0, {1, 1}, 2, "without the term and vote"},
      {1, 1, {1}, 1, "without an entry that was durable"},
      {1, 1, {0}, 0, "without an entry that was durable"},
      {1, 1, {1, 1, 1}, 3, "that it never wrote"},
  };
  for (size_t i = 0; i < sizeof LIVES / sizeof LIVES[0]; i++) {
    struct cluster *c = open_led();
    c->nodes[0].noop_first = true;
    end(c, 1);
    start(c, 1, LIVES[i].term, LIVES[i].vote, LIVES[i].terms, LIVES[i].count);
    if (LIVES[i].found == NULL) {
      close_quiet(c);
    } else {
      close_found(c, LIVES[i].found);
    }
  }
}

static void nothing_need_come_back_of_a_lost_disk(void **state)
{
  (void)state;
  struct cluster *c = open_led();
  end(c, 1);
  raft_watch_forgot(c->watch, 1);
  start(c, 1, 0, 0, NULL, 0);
  close_quiet(c);
}

/* Appends that were not reported durable may be there or not, and in part. */
static void what_may_come_back(void **state)
{
  (void)state;
  static const struct {
    uint64_t term;
    uint64_t terms[4];
    size_t count;
    const char *found;
  } LIVES[] = {
      {3, {1, 1, 1}, 3, NULL}, /* nothing of it */
      {3, {1}, 1, NULL},       /* the truncation alone */
      {4, {1}, 1, NULL},       /* with the term */
      {4, {1, 4}, 2, NULL},    /* and the first entry */
      {4, {1, 4, 4}, 3, NULL},
      {4, {0}, 0, "without an entry that was durable"},
      {4, {1, 4, 4, 4}, 4, "that it never wrote"},
      {4, {1, 2}, 2, "that it never wrote"},
      {4, {2, 4}, 2, "another entry than was durable"},
      {5, {1}, 1, "without the term and vote"},
  };
  for (size_t i = 0; i < sizeof LIVES / sizeof LIVES[0]; i++) {
    struct cluster *c = open_empty();
    start(c, 1, 3, 0, (const uint64_t[]){1, 1, 1}, 3);
    step(c, 1, (struct raft_event){.type = RAFT_EVENT_TIME});
    struct raft_message m = append_of(2, 4, 1, 1, 0);
    struct raft_entry entries[2] = {{.term = 4, .size = 1, .type = RAFT_COMMAND}, {.term = 4, .size = 1, .type = RAFT_COMMAND}};
    m.append.entries = entries;
    m.append.count = 2;
    receive(c, 1, m);
    end(c, 1);
    start(c, 1, LIVES[i].term, 0, LIVES[i].terms, LIVES[i].count);
    if (LIVES[i].found == NULL) {
      close_quiet(c);
    } else {
      close_found(c, LIVES[i].found);
    }
  }
}

static void an_older_snapshot(void **state)
{
  (void)state;
  struct cluster *c = open_empty();
  start_from(c, 1, 3, 5, 2);
  end(c, 1);
  start_from(c, 1, 3, 4, 2);
  close_found(c, "an older snapshot");

  c = open_empty();
  start_from(c, 1, 3, 5, 2);
  end(c, 1);
  start_from(c, 1, 3, 6, 2);
  close_found(c, "a snapshot of what is not committed");

  c = open_empty();
  start_from(c, 1, 3, 5, 2);
  start_from(c, 2, 3, 5, 3);
  close_found(c, "another snapshot or configuration");

  c = open_empty();
  start_from(c, 1, 3, 5, 2);
  start_from(c, 2, 3, 5, 2);
  end(c, 1);
  start_from(c, 1, 3, 5, 2);
  close_quiet(c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_cluster_in_order),
      cmocka_unit_test(two_leaders_of_one_term),
      cmocka_unit_test(a_leader_of_one_term_in_two_lives),
      cmocka_unit_test(a_leader_without_votes),
      cmocka_unit_test(two_votes_in_one_term),
      cmocka_unit_test(a_vote_that_is_not_durable),
      cmocka_unit_test(a_leader_without_a_committed_entry),
      cmocka_unit_test(a_leader_that_truncates),
      cmocka_unit_test(a_truncation_of_what_is_committed),
      cmocka_unit_test(other_bytes),
      cmocka_unit_test(another_entry_before),
      cmocka_unit_test(another_first_configuration),
      cmocka_unit_test(appends_that_make_no_sense),
      cmocka_unit_test(a_commit_without_a_quorum),
      cmocka_unit_test(a_commit_that_no_leader_has_made),
      cmocka_unit_test(a_commit_of_another_entry),
      cmocka_unit_test(what_the_core_itself_finds),
      cmocka_unit_test(a_core_that_has_failed),
      cmocka_unit_test(what_was_never_appended),
      cmocka_unit_test(what_was_never_made_durable),
      cmocka_unit_test(another_configuration_than_the_log_says),
      cmocka_unit_test(a_message_that_leaves_early),
      cmocka_unit_test(acknowledgements_that_are_not_true),
      cmocka_unit_test(words_of_one_that_does_not_lead),
      cmocka_unit_test(reads_that_miss_something),
      cmocka_unit_test(applications_that_are_wrong),
      cmocka_unit_test(restorations_that_are_wrong),
      cmocka_unit_test(what_must_come_back),
      cmocka_unit_test(nothing_need_come_back_of_a_lost_disk),
      cmocka_unit_test(what_may_come_back),
      cmocka_unit_test(an_older_snapshot),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
