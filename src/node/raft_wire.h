/* Raft's messages and entries as JSON, readable in a log. Private to node.
 *
 * Bodies (each with "group", and "term" where the core's message has one):
 *   {"type":"raft_append","group":"main","term":3,"session":…,"prev":[17,2],"commit":16,"round":9,"entries":[[3,{…}],[3,null]]}
 *   raft_appended, raft_request_vote, raft_vote, raft_install, raft_installed, raft_timeout_now, raft_read, raft_readable: the fields of
 *   struct raft_message by their names; configurations by members' names; chunks of snapshots as a string, a byte per character
 *   (U+0000 to U+00FF).
 * An entry is [term, value]: null is a no-op; an object with "voters" a configuration {"voters":[…],"learners":[…],"old_voters":[…]}
 * (names, sorted; the last two only if there are any); any other object a command's envelope:
 *   {"below":b,"command":…,"sequence":n,"session":id}       a proposal
 *   {"nonce":n,"open":"n1"}                                 opens a session
 * Bytes of entries are canonical JSON (json/canonical.h): who receives them puts them into that form again, since others may reprint lines.
 * Numbers of the core have 64 bits and are written as the signed integers of the same bits. Those that are random (sessions, incarnations,
 * nonces) are kept below 2^53 by who makes them, for the eye.
 * Refused: entries beyond WAL_ENTRY_MAX_BYTES, snapshots of 2 GiB or more, more than 4,096 configurations in one append. */
#ifndef VORTEX_NODE_RAFT_WIRE_H
#define VORTEX_NODE_RAFT_WIRE_H

#include "base/buf.h"
#include "base/slice.h"
#include "raft/raft.h"
#include "wal/wal.h"

/* Names for numbers, and back. */
struct wire_names {
  void *self;
  struct slice (*name)(void *self, uint64_t id); /* of an id that `id` gave; holds as long as the table does */
  uint64_t (*id)(void *self, struct slice name); /* learns names that it has not seen */
};

/* Appends the members of the body, "type" first, for node_line_begin(). `entries`: of RAFT_APPEND, `count` of them, from the log; `chunk`:
 * of RAFT_INSTALL. Cannot fail. */
void wire_encode(struct buf *out, struct slice group, const struct raft_message *m, const struct wal_entry *entries, struct slice chunk,
                 const struct wire_names *names);

/* A message that came in: owns what its parts point to, and is used again for the next. */
struct wire_message {
  struct slice group;          /* borrowed from the body, or from memory here */
  struct raft_message message; /* from and to are the caller's to set; entries point to `entries` */
  struct raft_entry *entries;  /* owned */
  struct wal_entry *payloads;  /* owned; of the same entries, canonical; bytes lie in `bytes` */
  size_t cap;
  size_t payload_cap;
  struct raft_configuration *configurations; /* owned */
  size_t configuration_count;
  size_t configuration_cap;
  struct buf bytes; /* of entries, or the chunk */
  struct buf name;
};
void wire_message_free(struct wire_message *w);

/* Reads a body (scanned JSON, of a type that begins with "raft_" and names one of the core's messages); *w is all zero before the first
 * use. 0, or ERROR_MALFORMED with *why, one line for a person, static. `group` is found even if the rest is wrong, when it is there.
 * Unknown members are ignored; all of the type's own must be there. Whether the numbers make sense to the core is not looked at, but that
 * indices of entries do not overflow and chunks lie inside their snapshot. */
int wire_decode(struct wire_message *w, struct slice type, struct slice body, const struct wire_names *names, const char **why);

/* Whether a type is one of the core's messages. */
bool wire_is_core(struct slice type);

/* ---- entries ---- */

void wire_encode_configuration(struct buf *out, const struct raft_configuration *c, const struct wire_names *names);
int wire_decode_configuration(struct slice value, struct raft_configuration *out, const struct wire_names *names);

enum wire_command_kind {
  WIRE_PROPOSAL,
  WIRE_OPEN,
};

struct wire_command {
  enum wire_command_kind kind;
  uint64_t session;
  uint64_t sequence;
  uint64_t below;
  struct slice command; /* canonical JSON */
  struct slice node;    /* WIRE_OPEN: raw text between the quotes, which needs no escapes (names are checked when a session is opened) */
  uint64_t nonce;
};

/* Whether a command, or a result, may be embedded in entries, messages and snapshots: what is around it must not carry it beyond
 * JSON_DEPTH_MAX, or no member could read it any more. `value`: JSON that the scanner accepts, without white space around it. */
bool wire_fits(struct slice value);

/* Appends a command's envelope, canonical if c->command is. */
void wire_encode_command(struct buf *out, const struct wire_command *c);

/* Reads one from canonical bytes. 0 or ERROR_MALFORMED. Borrows. Fast: this is on the path of every entry. */
int wire_decode_command(struct slice bytes, struct wire_command *out);

#endif
