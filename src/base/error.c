#include "base/error.h"

#include <stddef.h>
#include <string.h>

struct entry {
  int error;
  int code;
  bool definite;
  const char *name;
  const char *text;
};

static const struct entry entries[] = {
#define X(symbol, value, code, definite, name, text) {(value), (code), (definite), (name), (text)},
    ERROR_MAP(X)
#undef X
};

enum {
  ENTRY_COUNT = sizeof entries / sizeof entries[0]
};

/* The values count down from -1 in the order of the list, so that a value is its own index. */
#define X(symbol, value, code, definite, name, text) POSITION_##symbol,
enum {
  ERROR_MAP(X)
};
#undef X
#define X(symbol, value, code, definite, name, text) _Static_assert((value) == -1 - POSITION_##symbol, "error list has a gap");
ERROR_MAP(X)
#undef X

static const struct entry *find(int error)
{
  return error < 0 && error >= -ENTRY_COUNT ? &entries[-1 - error] : NULL;
}

const char *error_name(int error)
{
  const struct entry *e = find(error);
  return e ? e->name : "unknown";
}

const char *error_text(int error)
{
  const struct entry *e = find(error);
  return e ? e->text : "unknown error";
}

int error_protocol_code(int error)
{
  const struct entry *e = find(error);
  return e ? e->code : entries[-1 - ERROR_CRASH].code;
}

bool error_is_definite(int error)
{
  const struct entry *e = find(error);
  return e && e->definite;
}

int error_from_protocol_code(long long code)
{
  for (int i = 0; i < ENTRY_COUNT; i++) {
    if (entries[i].code == code) {
      return entries[i].error;
    }
  }
  return 0;
}

int error_from_name(const char *name)
{
  for (int i = 0; i < ENTRY_COUNT; i++) {
    if (strcmp(entries[i].name, name) == 0) {
      return entries[i].error;
    }
  }
  return 0;
}

int error_count(void)
{
  return ENTRY_COUNT;
}

int error_at(int i)
{
  return i >= 0 && i < ENTRY_COUNT ? entries[i].error : 0;
}
