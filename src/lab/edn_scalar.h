/* The forms of EDN that hold no others, and what the reader's two files share. Private to edn*.c. */
#ifndef VORTEX_LAB_EDN_SCALAR_H
#define VORTEX_LAB_EDN_SCALAR_H

#include <stdbool.h>

#include "lab/edn.h"

static inline bool edn_is_space(char c)
{
  return c == ' ' || c == ',' || (c >= '\t' && c <= '\r');
}

static inline bool edn_is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static inline bool edn_is_letter(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What may stand in a symbol, a keyword or a number. Whatever is beyond ASCII may. */
bool edn_is_constituent(char c);

/* Behind the constituents from `at` on. */
const char *edn_token_end(const struct edn_reader *r, const char *at);

/* Notes a failure; returns false. */
__attribute__((format(printf, 3, 4))) bool edn_fail(struct edn_reader *r, const char *at, const char *format, ...);

/* What stands at `at`, for a message. */
const char *edn_name_byte(const char *at, char out[16]);

/* Each reads and pushes one form. False if it is malformed. */
bool edn_string(struct edn_reader *r);    /* at the opening quote */
bool edn_character(struct edn_reader *r); /* at the backslash */
bool edn_number(struct edn_reader *r);    /* at a sign or a digit */

#endif
