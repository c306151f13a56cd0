/* Reads lines from a descriptor, on the loop. Private to host.
 *
 * What can be polled (pipes, sockets, terminals) is read once per readiness, at most HOST_READ_BYTES at a time; what cannot (files,
 * /dev/null) is read by plain reads, one chunk per turn of the loop. All lines of a chunk arrived when the chunk was read.
 *
 * The sink may pause the input at any time, also between two lines of a chunk: the rest waits in the buffer. */
#ifndef VORTEX_HOST_INPUT_H
#define VORTEX_HOST_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "host/lines.h"

struct input_sink {
  void *self; /* given back as first argument of each function */

  /* The loop comes back to the input; nothing is read yet. False if it has been drained meanwhile: nothing is to be read this time. */
  bool (*turn)(void *self);

  /* A line without its newline; the byte behind it is readable. Borrows line. */
  void (*line)(void *self, struct slice line, uint64_t arrival_ns);

  /* A line was longer than the limit; its beginning. Borrows head. */
  void (*too_long)(void *self, struct slice head);

  /* No more lines: 0 at the end of the input, else the errno that reading failed with. Called once. */
  void (*end)(void *self, int error);
};

enum input_kind {
  INPUT_PLAIN,  /* reads never wait, or cannot be polled */
  INPUT_STREAM, /* polled, read(2) */
  INPUT_SOCKET, /* polled, recv(2) */
};

struct input {
  int fd; /* owned */
  enum input_kind kind;
  struct lines lines;
  struct input_sink sink;
  uv_poll_t poll;
  uv_idle_t idle;
  bool started; /* between input_start() and input_stop() */
  bool paused;
  bool eof;
  bool ended;          /* sink.end has been called */
  int error;           /* what reading failed with */
  uint64_t arrival_ns; /* of the chunk in the buffer */
  uint64_t aged_ns;    /* while aged_bytes > 0: when what is read counts as having arrived */
  size_t aged_bytes;   /* how much more may count so */
};

/* Takes fd, and frees it in input_close(). Copies sink. 0, or a libuv error; what has been initialised is on the loop in either case. */
int input_init(struct input *in, uv_loop_t *loop, int fd, size_t line_max_bytes, const struct input_sink *sink);

/* Begins to read. Cannot fail. */
void input_start(struct input *in);

/* Reads nothing, and hands out nothing, until resumed. Both may be called at any time, twice too. Cannot fail. */
void input_pause(struct input *in);
void input_resume(struct input *in);

/* For good. Cannot fail. */
void input_stop(struct input *in);

/* The process was stopped and runs again: what can be read until a read would block counts as having arrived at `arrival_ns`, and is
 * read and handed out now. If the sink pauses the input, the rest keeps that age. Not from within the sink. */
void input_drain_aged(struct input *in, uint64_t arrival_ns);

/* Closes the descriptor and frees the buffer. The handles must have been closed. */
void input_close(struct input *in);

#endif
