/* The last events, one line each. */
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "simulation_world.h"

static char *next_line(struct world *w)
{
  return w->trace[w->trace_count++ % w->options->trace_lines];
}

void simulation_trace(struct world *w, const char *format, ...)
{
  if (w->trace == NULL) {
    return;
  }
  char *line = next_line(w);
  size_t room = sizeof *w->trace;
  int n = snprintf(line, room, "%10.3f ", (double)w->now / (double)MS);
  va_list args;
  va_start(args, format);
  vsnprintf(line + n, room - (size_t)n, format, args);
  va_end(args);
}

#define LLU(x) ((unsigned long long)(x))

static void describe_configuration(char *to, size_t room, const struct raft_configuration *c)
{
  size_t n = 0;
  to[0] = '\0';
  for (size_t i = 0; i < c->count && n + 16 < room; i++) {
    uint8_t v = c->members[i].voice;
    n += (size_t)snprintf(to + n, room - n, "%s%llu%s%s%s", i == 0 ? "" : " ", LLU(c->members[i].id), v & RAFT_VOTER ? "v" : "",
                          v & RAFT_OLD_VOTER ? "o" : "", v & RAFT_LEARNER ? "l" : "");
  }
}

static int describe_message(char *to, size_t room, const struct raft_message *m)
{
  char c[100];
  switch (m->type) {
  case RAFT_REQUEST_VOTE:
    return snprintf(to, room, "%srequest_vote%s last %llu^%llu", m->request_vote.pre ? "pre_" : "",
                    m->request_vote.transfer ? " (transfer)" : "", LLU(m->request_vote.last_index), LLU(m->request_vote.last_term));
  case RAFT_VOTE:
    return snprintf(to, room, "%svote %s", m->vote.pre ? "pre_" : "", m->vote.granted ? "granted" : "refused");
  case RAFT_APPEND:
    return snprintf(to, room, "append prev %llu^%llu +%zu commit %llu round %llu s%04llx", LLU(m->append.prev_index),
                    LLU(m->append.prev_term), m->append.count, LLU(m->append.commit), LLU(m->append.round),
                    LLU(m->append.session & 0xffff));
  case RAFT_APPENDED:
    return m->appended.rejected ? snprintf(to, room, "rejected hint %llu^%llu round %llu s%04llx", LLU(m->appended.hint),
                                           LLU(m->appended.hint_term), LLU(m->appended.round), LLU(m->appended.session & 0xffff))
                                : snprintf(to, room, "appended match %llu round %llu s%04llx", LLU(m->appended.match),
                                           LLU(m->appended.round), LLU(m->appended.session & 0xffff));
  case RAFT_INSTALL:
    describe_configuration(c, sizeof c, m->install.configuration);
    return snprintf(to, room, "install %llu^%llu %llu+%llu/%llu round %llu [%s] s%04llx", LLU(m->install.index), LLU(m->install.log_term),
                    LLU(m->install.offset), LLU(m->install.length), LLU(m->install.size), LLU(m->install.round), c,
                    LLU(m->install.session & 0xffff));
  case RAFT_INSTALLED:
    return snprintf(to, room, "installed %llu offset %llu%s round %llu s%04llx", LLU(m->installed.index), LLU(m->installed.offset),
                    m->installed.done ? " done" : "", LLU(m->installed.round), LLU(m->installed.session & 0xffff));
  case RAFT_TIMEOUT_NOW:
    return snprintf(to, room, "timeout_now");
  case RAFT_READ:
    return snprintf(to, room, "read %llu", LLU(m->read.context));
  case RAFT_READABLE:
    return snprintf(to, room, "readable %llu at %llu", LLU(m->readable.context), LLU(m->readable.index));
  default:
    return snprintf(to, room, "message %d", m->type);
  }
}

static void describe_event(char *to, size_t room, const struct raft_event *e)
{
  static const char *const NAMES[] = {"time",   "receive",  "propose",  "persisted", "read",
                                      "change", "transfer", "snapshot", "install",   "capacity"};
  char c[100];
  int n;
  switch (e->type) {
  case RAFT_EVENT_RECEIVE:
    n = snprintf(to, room, "< %llu t%llu ", LLU(e->message->from), LLU(e->message->term));
    describe_message(to + n, room - (size_t)n, e->message);
    break;
  case RAFT_EVENT_PROPOSE:
    snprintf(to, room, "propose %zu", e->propose.count);
    break;
  case RAFT_EVENT_CHANGE:
    describe_configuration(c, sizeof c, e->change);
    snprintf(to, room, "change [%s]", c);
    break;
  case RAFT_EVENT_SNAPSHOT:
    snprintf(to, room, "snapshot %llu, %llu bytes", LLU(e->snapshot.index), LLU(e->snapshot.size));
    break;
  case RAFT_EVENT_INSTALL:
    snprintf(to, room, "install %llu %s", LLU(e->install.index), e->install.ok ? "ok" : "failed");
    break;
  case RAFT_EVENT_PERSISTED:
  case RAFT_EVENT_READ:
  case RAFT_EVENT_TRANSFER:
    snprintf(to, room, "%s %llu", NAMES[e->type], LLU(e->sequence));
    break;
  case RAFT_EVENT_CAPACITY:
    snprintf(to, room, "capacity %s", e->full ? "full" : "free");
    break;
  default:
    snprintf(to, room, "%s", NAMES[e->type]);
  }
}

void simulation_trace_event(struct world *w, const struct person *p, const struct raft_event *e, int error)
{
  if (w->trace == NULL) {
    return;
  }
  static const char ROLES[] = "fpcL";
  char what[200];
  describe_event(what, sizeof what, e);
  simulation_trace(w, "%llu%c t%llu c%llu l%llu d%llu  %s%s%s", LLU(p->id), ROLES[p->status.role], LLU(p->status.term),
                   LLU(p->status.commit), LLU(p->status.last_index), LLU(p->status.durable_index), what, error == 0 ? "" : ": ",
                   error == 0 ? "" : error_name(error));
}

static void trace_append(struct world *w, const struct raft_append *a)
{
  char what[200];
  size_t n = (size_t)snprintf(what, sizeof what, "append %llu:", LLU(a->sequence));
  if (a->truncate_from != 0) {
    n += (size_t)snprintf(what + n, sizeof what - n, " truncate from %llu", LLU(a->truncate_from));
  }
  if (a->hard) {
    n += (size_t)snprintf(what + n, sizeof what - n, " term %llu vote %llu", LLU(a->term), LLU(a->vote));
  }
  if (a->snapshot) {
    n += (size_t)snprintf(what + n, sizeof what - n, " snapshot %llu^%llu%s keep from %llu", LLU(a->snapshot_index), LLU(a->snapshot_term),
                          a->reset ? " reset" : "", LLU(a->first_kept));
  }
  if (a->count > 0) {
    n += (size_t)snprintf(what + n, sizeof what - n, " entries %llu…%llu^%llu%s", LLU(a->first), LLU(a->first + a->count - 1),
                          LLU(a->entries[a->count - 1].term), a->own ? " own" : "");
    const struct raft_configuration *c = a->entries[a->count - 1].configuration;
    if (c != NULL) {
      what[n++] = ' ';
      describe_configuration(what + n, sizeof what - n, c);
    }
  }
  simulation_trace(w, "            %s", what);
}

void simulation_trace_update(struct world *w, const struct person *p, const struct raft_update *u)
{
  (void)p;
  if (w->trace == NULL) {
    return;
  }
  if (u->append.sequence != 0) {
    trace_append(w, &u->append);
  }
  for (size_t i = 0; i < u->message_count; i++) {
    char what[200];
    describe_message(what, sizeof what, &u->messages[i]);
    simulation_trace(w, "            > %llu t%llu %s%s", LLU(u->messages[i].to), LLU(u->messages[i].term), what,
                     u->messages[i].after != 0 ? " (waits)" : "");
  }
  if (u->read.through != 0) {
    simulation_trace(w, "            reads through %llu at %llu", LLU(u->read.through), LLU(u->read.index));
  }
  if (u->chunk.present) {
    simulation_trace(w, "            chunk of %llu: %llu+%llu%s", LLU(u->chunk.index), LLU(u->chunk.offset), LLU(u->chunk.length),
                     u->chunk.last ? ", the last" : "");
  }
}

void simulation_trace_print(const struct world *w, FILE *to)
{
  if (w->trace == NULL) {
    return;
  }
  size_t kept = w->options->trace_lines;
  size_t from = w->trace_count > kept ? w->trace_count - kept : 0;
  for (size_t i = from; i < w->trace_count; i++) {
    fprintf(to, "%s\n", w->trace[i % kept]);
  }
}
