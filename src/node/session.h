/* The sessions of a Raft group: the part of its replicated state that keeps a proposal from being applied twice. Private to node.
 *
 * Every function that changes it is called in log order on every replica, with arguments from the log alone, so the table is equal on all
 * that have applied up to the same index. At most one session per node. */
#ifndef VORTEX_NODE_SESSION_H
#define VORTEX_NODE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct sessions;

struct sessions *sessions_new(void); /* returns owned */
void sessions_free(struct sessions *s);

/* Opens a session for a node at this index: ends the node's older one, unless that has the same nonce (the entry was appended twice). The
 * id of the node's session. */
uint64_t sessions_open(struct sessions *s, struct slice node, uint64_t nonce, uint64_t index);

/* The node is no member any more. */
void sessions_end(struct sessions *s, struct slice node);

enum session_verdict {
  SESSION_APPLY,  /* it is new: apply it, then sessions_keep() */
  SESSION_REPEAT, /* it has been applied: *code and *value are what it came to */
  SESSION_SKIP,   /* unknown session, or below the mark, or more than NODE_PROPOSALS_IN_FLIGHT above it: nothing is applied */
};

/* What to do with proposal `sequence` (from 1) of a session. Results below `below` are forgotten first. Value is borrowed. */
enum session_verdict sessions_look(struct sessions *s, uint64_t session, uint64_t sequence, uint64_t below, long long *code,
                                   struct slice *value);

/* Keeps the result of one that was to be applied. Of an error only the code is kept: texts differ between replicas. Copies value: a JSON
 * text without white space around it, or nothing. */
void sessions_keep(struct sessions *s, uint64_t session, uint64_t sequence, long long code, struct slice value);

/* The session of a node (0 = none), and its nonce. */
uint64_t sessions_of(const struct sessions *s, struct slice node, uint64_t *nonce);

size_t sessions_count(const struct sessions *s);

/* The i-th, in the order of their ids. */
void sessions_at(const struct sessions *s, size_t i, uint64_t *id, struct slice *node, size_t *results);

/* The whole table as one line of JSON; equal tables give equal bytes. */
void sessions_encode(const struct sessions *s, struct buf *out);

/* Replaces the table. 0, or ERROR_MALFORMED: `text` (JSON, scanned) is none; the table is empty then. */
int sessions_decode(struct sessions *s, struct slice text);

#endif
