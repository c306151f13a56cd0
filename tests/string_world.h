/* A world of strings for tests of node and script: a clock that the test sets, and buffers for what is sent and logged. */
#ifndef VORTEX_TESTS_STRING_WORLD_H
#define VORTEX_TESTS_STRING_WORLD_H

#include <stdint.h>

#include "base/buf.h"
#include "cmocka_all.h"
#include "node/env.h"

struct string_world {
  uint64_t now;
  struct buf out; /* lines sent since it was last looked at */
  struct buf log; /* entries, a line each */
};

static inline uint64_t string_world_now(void *self)
{
  return ((struct string_world *)self)->now;
}

static inline uint64_t string_world_random(void *self)
{
  (void)self;
  return 7;
}

static inline void string_world_send(void *self, struct slice dest, struct slice line, bool originated)
{
  (void)dest;
  (void)originated;
  buf_append_slice(&((struct string_world *)self)->out, line);
}

static inline void string_world_wake_at(void *self, uint64_t deadline_ns)
{
  (void)self;
  (void)deadline_ns;
}

static inline void string_world_log(void *self, enum log_level level, struct slice text)
{
  (void)level;
  buf_append_slice(&((struct string_world *)self)->log, text);
  buf_append_char(&((struct string_world *)self)->log, '\n');
}

static inline struct node_env string_world_env(struct string_world *w)
{
  return (struct node_env){.self = w,
                           .now = string_world_now,
                           .random = string_world_random,
                           .send = string_world_send,
                           .wake_at = string_world_wake_at,
                           .log = string_world_log};
}

static inline void string_world_free(struct string_world *w)
{
  buf_free(&w->out);
  buf_free(&w->log);
}

/* Fails unless the buffer holds `part`; empties it. */
static inline void expect_part(struct buf *text, const char *part)
{
  buf_append_char(text, '\0');
  if (strstr(text->data, part) == NULL) {
    fail_msg("no \"%s\" in: %s", part, text->data);
  }
  buf_clear(text);
}

#endif
