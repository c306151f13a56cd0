/* The queue of lines that go out, and how it is written without ever waiting. Private to host.
 *
 * Only whole lines are queued; a write that is cut short goes on where it stopped. No O_NONBLOCK is set on a description that others
 * may share: a pipe or a terminal is opened anew, a socket is written with MSG_DONTWAIT, and where neither works the descriptor is polled
 * before each write of at most PIPE_BUF bytes, which then fits. Files and other devices take what they are given.
 *
 * Where the log goes to the same pipe or terminal (2>&1), whole lines of up to PIPE_BUF bytes together are written at a time: a pipe
 * takes these whole or not at all, so that an entry of the log never lands inside a line. */
#ifndef VORTEX_HOST_OUTPUT_H
#define VORTEX_HOST_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/slice.h"

enum output_kind {
  OUTPUT_PLAIN,  /* files, /dev/null: write(2) never has to wait long */
  OUTPUT_OWN,    /* a non-blocking description of our own: write(2) */
  OUTPUT_SOCKET, /* send(2) */
  OUTPUT_POLLED, /* a blocking description that others may share: poll(2), then little */
};

struct output {
  int fd; /* owned */
  enum output_kind kind;
  bool shared;  /* the log goes to the same place */
  bool blocked; /* the last write would have waited: the loop tells when it is worth trying again */
  int error;    /* errno of the write that failed; from then on everything is discarded */
  struct buf queue;
  size_t begin;     /* of what is not written yet */
  bool inside_line; /* the last byte written was not a newline */
  uint64_t written; /* bytes, since the start */
  uv_poll_t poll;
  bool pollable;
};

/* Takes fd, and frees it in output_close(). `log_fd`: where the log goes. 0, or a libuv error. */
int output_init(struct output *o, uv_loop_t *loop, int fd, int log_fd);

/* Queues a line, newline included. Copies line. */
void output_append(struct output *o, struct slice line);

/* Bytes that wait. */
static inline size_t output_pending(const struct output *o)
{
  return o->queue.len - o->begin;
}

/* Writes what can be written now; goes on by itself when the reader is ready for more. A failure is left in o->error. */
void output_write(struct output *o);

/* The same, but waits for the reader, at most timeout_ms (-1 = as long as it takes). */
void output_flush(struct output *o, int timeout_ms);

/* Waits until the line that is partly written, if there is one, is written to its end. */
void output_finish_line(struct output *o);

/* Closes the descriptor and frees the queue. The handle must have been closed. */
void output_close(struct output *o);

#endif
