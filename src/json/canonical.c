/* First a look that builds nothing: almost always the text is canonical, since it was put into that form when it was proposed, and one copy
 * does. Else it is printed anew, in time linear in its length (but for the sorting of keys) however deep it is: a first walk notes where
 * containers end, so that the members of an object can be listed without looking into them. */
#include "json/canonical.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "json/inline.h"
#include "json/read.h"
#include "json/write.h"

enum {
  NUMBER_ROOM = 64,          /* for any number that json/write.h writes */
  PLAIN_INTEGER_DIGITS = 18, /* integers that short fit int64 */
};

/* ---- numbers ---- */

static const char *number_end(const char *at, const char *end)
{
  while (at < end && (json_is_digit(*at) || *at == '-' || *at == '+' || *at == '.' || (*at | 0x20) == 'e')) {
    at++;
  }
  return at;
}

static void write_number(struct slice token, struct buf *out)
{
  int64_t integer = 0;
  double real = 0;
  if (json_read_number(token, &integer, &real) == JSON_INTEGER) {
    json_write_integer(out, integer);
  } else if (isinf(real)) {
    buf_append_slice(out, token);
  } else {
    int error = json_write_double(out, real);
    assert(error == 0);
    (void)error;
  }
}

static const char *look_number(const char *at, const char *end)
{
  const char *digits = *at == '-' ? at + 1 : at;
  const char *behind = digits;
  while (behind < end && json_is_digit(*behind)) {
    behind++;
  }
  bool integral = behind == end || (*behind != '.' && (*behind | 0x20) != 'e');
  if (integral && behind - digits <= PLAIN_INTEGER_DIGITS) {
    return *at == '-' && *digits == '0' ? NULL : behind;
  }
  behind = number_end(behind, end);
  struct slice token = slice_of(at, (size_t)(behind - at));
  if (token.len > NUMBER_ROOM / 2) { /* longer than any that is written, unless it is beyond all range */
    int64_t integer = 0;
    double real = 0;
    return json_read_number(token, &integer, &real) == JSON_DOUBLE && isinf(real) ? behind : NULL;
  }
  char room[NUMBER_ROOM];
  struct buf written = {.data = room, .cap = sizeof room}; /* never grows */
  write_number(token, &written);
  return slice_equal(token, buf_slice(&written)) ? behind : NULL;
}

/* ---- the look ---- */

/* Behind a backslash: how long the rest of the escape is if it is the one that the writer makes, else 0. */
static size_t canonical_escape(const char *at)
{
  switch (*at) {
  case '"':
  case '\\':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return 1;
  case 'u':
    break;
  default:
    return 0;
  }
  if (at[1] != '0' || at[2] != '0' || (at[3] != '0' && at[3] != '1') || (at[4] >= 'A' && at[4] <= 'F')) {
    return 0;
  }
  return at[3] == '0' && strchr("89acd", at[4]) != NULL ? 0 : 5; /* those have short forms */
}

/* Behind the opening quote; returns the closing one. NULL: not canonical. *plain: no escapes. */
static inline const char *look_string(const char *at, const char *end, bool *plain)
{
  *plain = true;
  for (;;) {
    at = json_plain_end(at, end);
    while ((unsigned char)*at >= 0x80) {
      at++;
    }
    if (*at == '"') {
      return at;
    }
    if (*at == '\\') {
      *plain = false;
      size_t len = canonical_escape(at + 1);
      if (len == 0) {
        return NULL;
      }
      at += 1 + len;
    }
  }
}

static inline int compare_bytes(struct slice a, struct slice b)
{
  size_t len = a.len < b.len ? a.len : b.len;
  int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static const char *look_value(const char *at, const char *end);

/* Keys with escapes are left to the thorough way. */
static const char *look_object(const char *at, const char *end)
{
  struct slice last = {0};
  for (bool first = true;; first = false) {
    if (*at != '"') {
      return NULL;
    }
    bool plain;
    const char *quote = look_string(at + 1, end, &plain);
    if (quote == NULL || !plain || quote[1] != ':') {
      return NULL;
    }
    struct slice key = slice_of(at + 1, (size_t)(quote - at - 1));
    if (!first && compare_bytes(last, key) >= 0) {
      return NULL;
    }
    last = key;
    at = look_value(quote + 2, end);
    if (at == NULL || *at == '}') {
      return at == NULL ? NULL : at + 1;
    }
    if (*at != ',') {
      return NULL;
    }
    at++;
  }
}

static const char *look_array(const char *at, const char *end)
{
  for (;;) {
    at = look_value(at, end);
    if (at == NULL || *at == ']') {
      return at == NULL ? NULL : at + 1;
    }
    if (*at != ',') {
      return NULL;
    }
    at++;
  }
}

/* The position behind the value at `at` if it is canonical, else NULL. Never looks behind the end of the value, but for a number's. */
static const char *look_value(const char *at, const char *end)
{
  bool plain;
  switch (*at) {
  case '{':
    return at[1] == '}' ? at + 2 : look_object(at + 1, end);
  case '[':
    return at[1] == ']' ? at + 2 : look_array(at + 1, end);
  case '"':
    at = look_string(at + 1, end, &plain);
    return at == NULL ? NULL : at + 1;
  case 't':
  case 'n':
    return at + 4;
  case 'f':
    return at + 5;
  case ' ':
  case '\t':
  case '\n':
  case '\r':
    return NULL;
  default:
    return look_number(at, end);
  }
}

/* ---- the thorough way ---- */

/* In the order of their opening brackets. */
struct container {
  const char *end; /* behind the closing bracket */
  size_t after;    /* the first container that is not in this one */
};

struct member {
  struct slice key; /* unescaped */
  const char *value;
  size_t container; /* the first one at or behind the value's beginning */
};

struct printer {
  struct buf *out;
  const char *begin; /* of the value */
  const char *end;   /* of the text around it, then of the value */
  struct container *containers;
  size_t container_count;
  size_t container_cap;
  size_t next;            /* container to be met */
  struct member *members; /* of the objects around, a stack */
  size_t member_count;
  size_t member_cap;
  struct buf keys; /* that had escapes; never moves once it is there */
  struct buf text; /* of the string being printed */
};

/* Notes the containers of the value at `at`. Returns the position behind it. */
static const char *note_containers(struct printer *p, const char *at)
{
  size_t open[JSON_DEPTH_MAX];
  size_t depth = 0;
  for (;;) {
    bool plain;
    switch (*at) {
    case '"':
      at = json_string_end_within(at + 1, p->end, &plain) + 1;
      break;
    case '{':
    case '[':
      p->containers = memory_grow(p->containers, &p->container_cap, p->container_count + 1, sizeof *p->containers);
      assert(depth < JSON_DEPTH_MAX);
      open[depth++] = p->container_count++;
      at++;
      break;
    case '}':
    case ']':
      at++;
      assert(depth > 0);
      p->containers[open[--depth]] = (struct container){.end = at, .after = p->container_count};
      break;
    case 't':
    case 'n':
      at += 4;
      break;
    case 'f':
      at += 5;
      break;
    case ',':
    case ':':
    case ' ':
    case '\t':
    case '\n':
    case '\r':
      at++;
      break;
    default:
      at = number_end(at, p->end);
    }
    if (depth == 0) {
      return at;
    }
  }
}

/* Passes over a value without looking into containers. */
static const char *skip_value(struct printer *p, const char *at)
{
  bool plain;
  switch (*at) {
  case '{':
  case '[': {
    const struct container *c = &p->containers[p->next];
    p->next = c->after; // NOLINT(clang-analyzer-core.uninitialized.Assign): each that was noted has its end
    return c->end;
  }
  case '"':
    return json_string_end_within(at + 1, p->end, &plain) + 1;
  case 't':
  case 'n':
    return at + 4;
  case 'f':
    return at + 5;
  default:
    return number_end(at, p->end);
  }
}

static struct slice spell_key(struct printer *p, struct slice raw, bool plain)
{
  if (plain) {
    return raw;
  }
  if (p->keys.cap == 0) {
    buf_reserve(&p->keys, (size_t)(p->end - p->begin)); /* enough for all of them: no escape is shorter than what it spells */
  }
  const char *before = p->keys.data;
  size_t len = p->keys.len;
  json_read_string(raw, &p->keys);
  assert(p->keys.data == before);
  (void)before;
  return slice_of(p->keys.data + len, p->keys.len - len);
}

/* Lists the members of the object whose first member or closing brace is at or behind `at`; returns how many. */
static size_t list_members(struct printer *p, const char *at)
{
  size_t base = p->member_count;
  for (at = json_skip_space(at, p->end); *at != '}'; at = json_skip_space(at, p->end)) {
    if (*at == ',') {
      at = json_skip_space(at + 1, p->end);
    }
    bool plain;
    const char *quote = json_string_end_within(at + 1, p->end, &plain);
    struct slice raw = slice_of(at + 1, (size_t)(quote - at - 1));
    const char *colon = json_skip_space(quote + 1, p->end);
    const char *value = json_skip_space(colon + 1, p->end);
    p->members = memory_grow(p->members, &p->member_cap, p->member_count + 1, sizeof *p->members);
    p->members[p->member_count++] = (struct member){.key = spell_key(p, raw, plain), .value = value, .container = p->next};
    at = skip_value(p, value);
  }
  return p->member_count - base;
}

static int compare_members(const void *a, const void *b)
{
  const struct member *x = a;
  const struct member *y = b;
  int order = compare_bytes(x->key, y->key);
  return order != 0 ? order : (x->value > y->value) - (x->value < y->value);
}

/* Most objects are small. */
static void sort_members(struct member *members, size_t count)
{
  if (count > 16) {
    qsort(members, count, sizeof *members, compare_members);
    return;
  }
  for (size_t i = 1; i < count; i++) {
    struct member m = members[i];
    size_t place = i;
    for (; place > 0 && compare_members(&m, &members[place - 1]) < 0; place--) {
      members[place] = members[place - 1];
    }
    members[place] = m;
  }
}

static const char *print_value(struct printer *p, const char *at);

static void write_valid_string(struct buf *out, struct slice text)
{
  int error = json_write_string(out, text);
  assert(error == 0);
  (void)error;
}

static const char *print_object(struct printer *p, const char *at)
{
  struct container self = p->containers[p->next++];
  size_t base = p->member_count;
  size_t count = list_members(p, at + 1);
  if (count > 1) {
    sort_members(&p->members[base], count);
  }
  buf_append_char(p->out, '{');
  bool any = false;
  for (size_t i = base; i < base + count; i++) {
    struct member m = p->members[i]; /* the stack may move below */
    if (i + 1 < base + count && slice_equal(m.key, p->members[i + 1].key)) {
      continue;
    }
    if (any) {
      buf_append_char(p->out, ',');
    }
    any = true;
    write_valid_string(p->out, m.key);
    buf_append_char(p->out, ':');
    p->next = m.container;
    print_value(p, m.value);
  }
  buf_append_char(p->out, '}');
  p->member_count = base;
  p->next = self.after;
  return self.end;
}

static const char *print_array(struct printer *p, const char *at)
{
  const char *end = p->containers[p->next++].end;
  buf_append_char(p->out, '[');
  for (at = json_skip_space(at + 1, p->end); *at != ']'; at = json_skip_space(at, p->end)) {
    if (*at == ',') {
      buf_append_char(p->out, ',');
      at = json_skip_space(at + 1, p->end);
    }
    at = print_value(p, at);
  }
  buf_append_char(p->out, ']');
  return end;
}

static const char *print_string(struct printer *p, const char *at)
{
  bool plain;
  const char *quote = json_string_end_within(at + 1, p->end, &plain);
  struct slice raw = slice_of(at + 1, (size_t)(quote - at - 1));
  if (plain) {
    buf_append(p->out, at, raw.len + 2);
  } else {
    buf_clear(&p->text);
    json_read_string(raw, &p->text);
    write_valid_string(p->out, buf_slice(&p->text));
  }
  return quote + 1;
}

static const char *print_value(struct printer *p, const char *at)
{
  const char *end;
  switch (*at) {
  case '{':
    return print_object(p, at);
  case '[':
    return print_array(p, at);
  case '"':
    return print_string(p, at);
  case 't':
  case 'f':
  case 'n':
    end = skip_value(p, at);
    buf_append(p->out, at, (size_t)(end - at));
    return end;
  default:
    end = number_end(at, p->end);
    write_number(slice_of(at, (size_t)(end - at)), p->out);
    return end;
  }
}

const char *json_canonical_at(const char *at, const char *end, struct buf *out)
{
  const char *behind = look_value(at, end);
  if (behind != NULL) {
    buf_append(out, at, (size_t)(behind - at));
    return behind;
  }
  struct printer p = {.out = out, .begin = at, .end = end};
  p.end = note_containers(&p, at);
  print_value(&p, at);
  free(p.containers);
  free(p.members);
  buf_free(&p.keys);
  buf_free(&p.text);
  return p.end;
}

void json_canonical(struct slice value, struct buf *out)
{
  const char *end = value.ptr + value.len;
  json_canonical_at(json_skip_space(value.ptr, end), end, out);
}
