#include "host/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/fds.h"
#include "host/host.h"

/* More than pipes and sockets hold: who has read that much since SIGCONT is reading what was written after it. */
#define AGED_MAX_BYTES (16u << 20)

static void report(struct input *in, enum lines_result result, struct slice line)
{
  if (result == LINES_TOO_LONG) {
    in->sink.too_long(in->sink.self, line);
  } else {
    in->sink.line(in->sink.self, line, in->arrival_ns);
  }
}

/* Hands out what the buffer holds, until the sink has had enough. */
static void hand_out(struct input *in)
{
  struct slice line;
  enum lines_result result;
  while (!in->paused && in->started && (result = lines_next(&in->lines, &line)) != LINES_NONE) {
    report(in, result, line);
  }
  if (in->paused || !in->started || !in->eof || in->ended) {
    return;
  }
  in->ended = true;
  if ((result = lines_last(&in->lines, &line)) != LINES_NONE) {
    report(in, result, line);
  }
  input_stop(in);
  in->sink.end(in->sink.self, in->error);
}

static void read_chunk(struct input *in)
{
  char *at = lines_space(&in->lines, HOST_READ_BYTES);
  ssize_t n = in->kind == INPUT_SOCKET ? recv(in->fd, at, HOST_READ_BYTES, MSG_DONTWAIT) : read(in->fd, at, HOST_READ_BYTES);
  if (n > 0) {
    in->arrival_ns = in->aged_bytes > 0 ? in->aged_ns : uv_hrtime();
    in->aged_bytes -= in->aged_bytes < (size_t)n ? in->aged_bytes : (size_t)n;
    lines_added(&in->lines, (size_t)n);
  } else if (n == 0) {
    in->eof = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    in->eof = true;
    in->error = errno;
  }
  hand_out(in);
}

static bool readable(int fd)
{
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, 0) > 0;
}

/* Ages nothing further once there was nothing more to read. */
static void read_aged(struct input *in)
{
  read_chunk(in);
  if (in->aged_bytes > 0 && !readable(in->fd)) {
    in->aged_bytes = 0;
  }
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
  (void)status; /* an error of the descriptor shows when it is read */
  (void)events;
  struct input *in = handle->data;
  if (!in->sink.turn(in->sink.self)) {
    return;
  }
  if (in->aged_bytes > 0) {
    read_aged(in);
  } else {
    read_chunk(in);
  }
}

static void listen_again(struct input *in)
{
  int error = uv_poll_start(&in->poll, UV_READABLE, on_readable);
  assert(error == 0);
  (void)error;
}

/* Runs for plain input, and after a pause for what is left in the buffer. */
static void on_idle(uv_idle_t *handle)
{
  struct input *in = handle->data;
  if (!in->sink.turn(in->sink.self)) {
    return;
  }
  hand_out(in);
  if (!in->started || in->paused) {
    return;
  }
  if (in->kind == INPUT_PLAIN) {
    read_chunk(in);
  } else {
    uv_idle_stop(&in->idle);
    listen_again(in);
  }
}

int input_init(struct input *in, uv_loop_t *loop, int fd, size_t line_max_bytes, const struct input_sink *sink)
{
  *in = (struct input){.fd = fd, .kind = INPUT_STREAM, .sink = *sink};
  lines_init(&in->lines, line_max_bytes);
  uv_idle_init(loop, &in->idle);
  in->idle.data = in->poll.data = in;

  struct stat st;
  if (fstat(fd, &st) != 0) {
    return uv_translate_sys_error(errno);
  }
  if (S_ISSOCK(st.st_mode)) {
    in->kind = INPUT_SOCKET;
  } else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
    bool own;
    in->fd = fds_own(fd, O_RDONLY, &own);
  }
  int error = fds_poll_init(loop, &in->poll, in->fd);
  if (error == UV_EPERM) {
    in->kind = INPUT_PLAIN;
    return 0;
  }
  return error;
}

void input_start(struct input *in)
{
  assert(!in->started && !in->ended);
  in->started = true;
  if (in->paused) {
    return;
  }
  if (in->kind == INPUT_PLAIN) {
    uv_idle_start(&in->idle, on_idle);
  } else {
    listen_again(in);
  }
}

void input_pause(struct input *in)
{
  if (in->paused) {
    return;
  }
  in->paused = true;
  uv_idle_stop(&in->idle);
  if (in->started && in->kind != INPUT_PLAIN) {
    uv_poll_stop(&in->poll);
  }
}

void input_resume(struct input *in)
{
  if (!in->paused) {
    return;
  }
  in->paused = false;
  if (in->started) {
    uv_idle_start(&in->idle, on_idle);
  }
}

void input_stop(struct input *in)
{
  if (!in->started) {
    return;
  }
  uv_idle_stop(&in->idle);
  if (in->kind != INPUT_PLAIN) {
    uv_poll_stop(&in->poll);
  }
  in->started = false;
}

void input_drain_aged(struct input *in, uint64_t arrival_ns)
{
  if (!in->started || in->kind == INPUT_PLAIN) {
    return;
  }
  in->aged_ns = arrival_ns;
  in->aged_bytes = AGED_MAX_BYTES;
  if (!readable(in->fd)) {
    in->aged_bytes = 0;
    return;
  }
  while (in->started && !in->paused && in->aged_bytes > 0) {
    read_aged(in);
  }
}

void input_close(struct input *in)
{
  close(in->fd);
  in->fd = -1;
  lines_free(&in->lines);
}
