/* The message envelope: {"src": s, "dest": s, "body": {"type": s, "msg_id": n, "in_reply_to": n, ...}, ...}
 * (Maelstrom's protocol document, section "Messages").
 *
 * One pass over the line validates all of it and finds these fields, at the top and in the body, without building anything. The last of
 * duplicate keys counts; escaped keys ("\u0074ype") are the keys they spell. Other keys are allowed everywhere. */
#ifndef VORTEX_JSON_ENVELOPE_H
#define VORTEX_JSON_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "json/scan.h"

struct json_envelope {
  struct slice src;         /* unescaped; not empty */
  struct slice dest;        /* unescaped; not empty */
  struct slice body;        /* raw text of the body, from brace to brace */
  struct slice type;        /* body.type, unescaped; not empty */
  struct slice msg_id;      /* body.msg_id, the raw number token; empty = absent or null */
  struct slice in_reply_to; /* body.in_reply_to, likewise */
  struct slice id;          /* the envelope's own id, likewise; empty also if it is not a number. Maelstrom adds it. */
};

/* Scans one line (without its newline).
 *
 * Slices borrow from `line`, or from `scratch` where a name had escapes; scratch is cleared first. They hold until either changes.
 *
 * ERROR_JSON: the line is not one valid JSON text. ERROR_ENVELOPE: it is, but src, dest, body or body.type is missing, of a wrong type
 * or an empty string, or msg_id or in_reply_to is neither a number nor null; error->offset points at the value (at the end of the object
 * for a missing key) and error->reason names the field, e.g. "body.msg_id is not a number", "src is missing". */
int json_envelope_scan(struct slice line, struct buf *scratch, struct json_envelope *out, struct json_error *error);

/* Scans a body by itself (of a forwarded request): type, msg_id and in_reply_to; the rest of *out is left empty. Same errors. */
int json_body_scan(struct slice body, struct buf *scratch, struct json_envelope *out, struct json_error *error);

/* Whether a number token spells exactly this integer, in plain decimal form ("7"; not "7.0", "7e0", "07"). Cannot fail. */
bool json_token_is(struct slice token, uint64_t value);

#endif
