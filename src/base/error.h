/* Errors: one list of everything that can be answered, raised or returned.
 *
 * A function that can fail returns 0 or one of the negative values below. The list also gives the name and the code under which a Lua
 * script and a Maelstrom client know the error, and whether it is definite (the operation certainly did not happen).
 * Codes: Maelstrom's protocol document, section "Errors". Entries that never leave the process are mapped to the code that a request
 * which ran into them is answered with. */
#ifndef VORTEX_BASE_ERROR_H
#define VORTEX_BASE_ERROR_H

#include <stdbool.h>

/* X(symbol, value, protocol code, definite, name, text) */
#define ERROR_MAP(X)                                                                                                                       \
  X(TIMEOUT, -1, 0, false, "timeout", "no answer in time")                                                                                 \
  X(NODE_NOT_FOUND, -2, 1, true, "node-not-found", "no such node")                                                                         \
  X(NOT_SUPPORTED, -3, 10, true, "not-supported", "unknown request type")                                                                  \
  X(UNAVAILABLE, -4, 11, true, "temporarily-unavailable", "cannot be served now")                                                          \
  X(MALFORMED, -5, 12, true, "malformed-request", "the request does not have the expected form")                                           \
  X(CRASH, -6, 13, false, "crash", "the request failed and may have taken effect")                                                         \
  X(ABORT, -7, 14, true, "abort", "the request was aborted and had no effect")                                                             \
  X(KEY_DOES_NOT_EXIST, -8, 20, true, "key-does-not-exist", "the key does not exist")                                                      \
  X(KEY_ALREADY_EXISTS, -9, 21, true, "key-already-exists", "the key already exists")                                                      \
  X(PRECONDITION_FAILED, -10, 22, true, "precondition-failed", "the value is not what was expected")                                       \
  X(TXN_CONFLICT, -11, 30, true, "txn-conflict", "the transaction conflicts with another one")                                             \
  X(JSON, -12, 12, true, "invalid-json", "not valid JSON")                                                                                 \
  X(ENVELOPE, -13, 12, true, "invalid-envelope", "not a message envelope")                                                                 \
  X(TOO_LARGE, -14, 12, true, "too-large", "larger than its limit")                                                                        \
  X(DESTINATION, -15, 1, true, "unknown-destination", "not a member, a known service or a client heard from")                              \
  X(NOT_INITIALIZED, -16, 11, true, "not-initialized", "the node has not received init yet")                                               \
  X(ANSWERED, -17, 13, false, "already-answered", "the request has been answered or forwarded already")                                    \
  X(LATE, -18, 0, false, "late-reply", "too late: the client may have given up and left")                                                  \
  X(STOPPED, -19, 13, false, "stopped", "the node is stopping")                                                                            \
  X(IO, -20, 13, false, "io", "input or output failed")                                                                                    \
  X(DISK_FULL, -21, 11, true, "disk-full", "no space is left on the disk")                                                                 \
  X(DISK_SYNC, -22, 13, false, "disk-sync", "the disk failed to make data durable")                                                        \
  X(NOT_LEADER, -23, 11, true, "not-leader", "this member does not lead its group")                                                        \
  X(BUSY, -24, 11, true, "busy", "too much is under way already")                                                                          \
  X(NO_QUORUM, -25, 11, true, "no-quorum", "no majority of the group could be reached in time")                                            \
  X(INVARIANT, -26, 13, false, "invariant", "the cluster has broken a rule that consensus rests on")                                       \
  X(CORRUPT, -27, 13, false, "corrupt", "durable data is damaged")

enum error_code {
#define X(symbol, value, code, definite, name, text) ERROR_##symbol = (value),
  ERROR_MAP(X)
#undef X
};

/* Name of an error as scripts see it, e.g. "key-does-not-exist". "unknown" for a value outside the list. Static string. Cannot fail. */
const char *error_name(int error);

/* One line for a person, e.g. "the key does not exist". Static string. Cannot fail. */
const char *error_text(int error);

/* Protocol code of an error, e.g. 20. 13 (crash) for a value outside the list. Cannot fail. */
int error_protocol_code(int error);

/* Whether the error says that the operation certainly did not happen. Cannot fail. */
bool error_is_definite(int error);

/* The error whose protocol code this is (the first of the list that has it); 0 if there is none. Cannot fail. */
int error_from_protocol_code(long long code);

/* The error of that name; 0 if there is none. Cannot fail. */
int error_from_name(const char *name);

/* How many errors there are, and the i-th of them, 0-based, in the order of the list. */
int error_count(void);
int error_at(int i);

#endif
