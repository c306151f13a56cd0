/* A node in a process of its own, with pipes for stdin, stdout and stderr, and a small service that the tests command by message type:
 *
 *   echo   answers with the body's `echo`            age    answers with the milliseconds since the message arrived
 *   print  writes "stray" to descriptor 1            later  answers after 100 ms
 *   spin   holds the loop for `ms`                   task   has work left that never ends
 *   flood  sends `count` lines of 1 MiB to n2, then answers
 *   exit   answers, then flushes and ends the process as os.exit does */
#ifndef VORTEX_TESTS_HOST_CHILD_H
#define VORTEX_TESTS_HOST_CHILD_H

#include "host/host.h"
#include "host/support.h"
#include "json/iter.h"
#include "json/read.h"

struct service {
  struct host *host;
  struct node *node;
  struct node_request *later;
  bool has_task;
};

static inline int64_t member_of(struct slice body, const char *name, struct slice *text)
{
  struct json_iter it;
  struct slice key, value;
  int64_t integer = 0;
  double real;
  json_iter_init(&it, body);
  *text = SLICE("null");
  while (json_iter_member(&it, &key, &value)) {
    if (json_key_is(key, slice_of(name, strlen(name)))) {
      *text = value;
      if (value.ptr[0] >= '0' && value.ptr[0] <= '9') {
        json_read_number(value, &integer, &real);
      }
    }
  }
  return integer;
}

static inline enum node_init_result service_init(void *self)
{
  (void)self;
  return NODE_INIT_DONE;
}

static inline void answer(struct service *s, struct node_request *request, const char *key, struct slice value)
{
  int error;
  struct buf *line = node_reply_begin(s->node, request, &error);
  if (line != NULL) {
    buf_printf(line, "\"type\":\"%s_ok\",\"%s\":%.*s", key, key, (int)value.len, value.ptr);
    node_reply_send(s->node, request);
  }
}

static inline void flood(struct service *s, int64_t count)
{
  for (int64_t i = 0; i < count; i++) {
    int error;
    struct buf *line = node_line_begin(s->node, SLICE("n2"), &error);
    buf_append_str(line, "\"type\":\"flood\",\"x\":\"");
    memset(buf_reserve(line, 1 << 20), 'x', 1 << 20);
    line->len += 1 << 20;
    buf_append_char(line, '"');
    node_line_send(s->node);
  }
}

static inline void spin(int64_t ms)
{
  uint64_t until = now_ms() + (uint64_t)ms;
  while (now_ms() < until) {
    poll(NULL, 0, 1); /* a sanitizer delivers signals at calls */
  }
}

static inline void service_message(void *self, const struct node_message *message)
{
  struct service *s = self;
  struct slice value;
  struct node_request *request = malloc(node_request_size(message));
  node_request_init(request, message);
  if (slice_equal(message->type, SLICE("echo"))) {
    member_of(message->body, "echo", &value);
    answer(s, request, "echo", value);
  } else if (slice_equal(message->type, SLICE("age"))) {
    char age[32];
    int n = snprintf(age, sizeof age, "%llu", (unsigned long long)((node_now(s->node) - message->arrival_ns) / NODE_MS_NS));
    answer(s, request, "age", slice_of(age, (size_t)n));
  } else if (slice_equal(message->type, SLICE("print"))) {
    write_text(STDOUT_FILENO, "stray\n");
    char byte;
    answer(s, request, "print", read(STDIN_FILENO, &byte, 1) == 0 ? SLICE("true") : SLICE("false"));
  } else if (slice_equal(message->type, SLICE("later"))) {
    s->later = request;
    node_timer(s->node, 100 * NODE_MS_NS, NULL);
    return;
  } else if (slice_equal(message->type, SLICE("spin"))) {
    node_log(s->node, LOG_INFO, "spinning");
    spin(member_of(message->body, "ms", &value));
    answer(s, request, "spin", SLICE("true"));
  } else if (slice_equal(message->type, SLICE("task"))) {
    s->has_task = true;
    answer(s, request, "task", SLICE("true"));
  } else if (slice_equal(message->type, SLICE("flood"))) {
    flood(s, member_of(message->body, "count", &value));
    answer(s, request, "flood", SLICE("true"));
  } else if (slice_equal(message->type, SLICE("exit"))) {
    answer(s, request, "exit", SLICE("true"));
    host_flush(s->host, PATIENCE_MS);
    _exit(7);
  }
  free(request);
}

static inline void service_complete(void *self, uint64_t token, void *tag, int status, const struct node_message *reply)
{
  (void)token, (void)tag, (void)status, (void)reply;
  struct service *s = self;
  answer(s, s->later, "later", SLICE("true"));
  free(s->later);
  s->later = NULL;
}

static inline bool service_busy(void *self)
{
  return ((struct service *)self)->has_task;
}

static inline void service_stop(void *self)
{
  struct service *s = self;
  free(s->later);
  s->later = NULL;
  node_log(s->node, LOG_INFO, "good-bye");
}

static inline void never(uv_timer_t *timer)
{
  (void)timer;
}

static inline void say_busy(void *arg)
{
  (void)arg;
  ssize_t n = write(STDERR_FILENO, "BUSY\n", 5);
  (void)n;
}

/* What the child runs: the life of the program, in small. */
static inline int serve(void)
{
  struct host *host = host_new(&(struct host_config){.line_max_bytes = 1u << 20, .log_level = LOG_INFO, .on_busy = say_busy});
  if (host == NULL) {
    return 2;
  }
  struct service service = {.host = host};
  struct node_config config = node_config_default();
  config.late_reply_ns = 0;
  config.hold_ns = 0;
  struct node_env env = host_env(host);
  struct node_behavior behavior = {
      .self = &service,
      .init = service_init,
      .message = service_message,
      .complete = service_complete,
      .busy = service_busy,
      .stop = service_stop,
  };
  service.node = node_new(&config, &env, &behavior);
  /* What a library left on the loop neither keeps the process alive nor stays open. */
  static uv_timer_t foreign;
  uv_timer_init(host_loop(host), &foreign);
  uv_timer_start(&foreign, never, 1000000, 0);
  int status = host_run(host, service.node);
  bool closed = uv_is_closing((uv_handle_t *)&foreign);
  node_free(service.node);
  return host_free(host) && closed ? status : 3;
}

struct child {
  pid_t pid;
  int in;  /* write end of its stdin */
  int out; /* read end of its stdout; -1 if closed */
  int err; /* read end of its stderr */
};

/* Starts a child with these descriptors as 0, 1 and 2 (-1 = closed), and closes them here. */
static inline pid_t start_with(int in, int out, int err)
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    int given[3] = {in, out, err};
    for (int i = 0; i < 3; i++) {
      given[i] = given[i] < 0 ? -1 : fcntl(given[i], F_DUPFD, 100);
    }
    for (int i = 0; i < 3; i++) {
      given[i] < 0 ? close(i) : dup2(given[i], i);
    }
    for (int fd = 3; fd < 256; fd++) {
      close(fd);
    }
    exit(serve()); /* not _exit: leaks are looked for */
  }
  int given[3] = {in, out, err};
  for (int i = 0; i < 3; i++) {
    if (given[i] >= 0 && (i == 0 || given[i] != given[i - 1])) {
      close(given[i]);
    }
  }
  return pid;
}

static inline void command(struct child *c, const char *type, const char *more)
{
  struct buf line = {0};
  buf_printf(&line, "{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"%s\",\"msg_id\":1%s}}\n", type, more);
  write_all(c->in, line.data, line.len);
  buf_free(&line);
}

/* Reads one line of `fd`; the caller frees. */
static inline char *read_line(int fd)
{
  struct buf line = {0};
  struct pollfd p = {.fd = fd, .events = POLLIN};
  char byte = '\0';
  while (byte != '\n' && poll(&p, 1, PATIENCE_MS) > 0 && read(fd, &byte, 1) == 1) {
    buf_append_char(&line, byte);
  }
  assert_int_equal(byte, '\n');
  line.data[line.len - 1] = '\0';
  return line.data;
}

static inline void assert_answer(int fd, const char *member)
{
  char *line = read_line(fd);
  if (strstr(line, member) == NULL) {
    fail_msg("no %s in %s", member, line);
  }
  free(line);
}

/* Reads lines until one has `text` in it: a loaded machine may log other things in between. */
static inline void await_line(int fd, const char *text)
{
  for (bool found = false; !found;) {
    char *line = read_line(fd);
    found = strstr(line, text) != NULL;
    free(line);
  }
}

static inline struct child start_child(void)
{
  int in[2], out[2], err[2];
  make_pipe(in);
  make_pipe(out);
  make_pipe(err);
  struct child c = {.in = in[1], .out = out[0], .err = err[0]};
  c.pid = start_with(in[0], out[1], err[1]);
  command(&c, "init", ",\"node_id\":\"n1\",\"node_ids\":[\"n1\",\"n2\"]");
  assert_answer(c.out, "init_ok");
  return c;
}

/* Waits for its end; returns its exit status. */
static inline int wait_for_end(pid_t pid)
{
  int status = 0;
  uint64_t give_up = now_ms() + PATIENCE_MS;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (now_ms() > give_up) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      fail_msg("the child did not end");
    }
    poll(NULL, 0, 2);
  }
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* Everything the child still wrote to its log, which must have ended; the caller frees. */
static inline char *rest_of_log(struct child *c)
{
  struct buf log = {0};
  assert_true(read_until(c->err, &log, NULL, PATIENCE_MS));
  buf_append_char(&log, '\0');
  return log.data;
}

static inline void close_child(struct child *c)
{
  int ends[] = {c->in, c->out, c->err};
  for (int i = 0; i < 3; i++) {
    if (ends[i] >= 0) {
      close(ends[i]);
    }
  }
}

/* Ends the child by the end of its input and checks that it went in order. */
static inline void end_child(struct child *c)
{
  close(c->in);
  c->in = -1;
  int status = wait_for_end(c->pid);
  if (status != 0) {
    fail_msg("exit status %d, log: %s", status, c->err < 0 ? "none" : rest_of_log(c));
  }
  close_child(c);
}

#endif
