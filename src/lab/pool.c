#include "lab/pool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define WALL_LIMIT_NS   (120 * SIM_S)
#define END_LIMIT_NS    (2 * SIM_S) /* from the end of its pipe to the end of a process */
#define TICK_MS         100
#define END_TICK_MS     2
#define TAIL_BYTES      16384
#define FRESH_TASKS_MAX 4 /* of one fresh worker: then another one takes its place, with another layout */

enum slot_state {
  SLOT_EMPTY,
  SLOT_IDLE,
  SLOT_BUSY,
  SLOT_ENDING, /* its pipe has ended; the process is about to */
};

struct slot {
  enum slot_state state;
  bool fresh;
  bool killed; /* by us: no result in time */
  unsigned served;
  pid_t pid;
  int tasks_fd, results_fd, stderr_fd; /* stderr_fd is -1 if stderr is not captured */
  struct lab_task task;
  uint64_t deadline_ns;
  struct buf in;
  struct buf tail;
};

struct pool {
  const struct lab_pool_config *config;
  struct slot *slots;
  size_t count;
  struct lab_task *again; /* runs that were stopped by their watchdogs */
  size_t again_count, again_cap;
  struct pollfd *fds;
  unsigned fresh_started;
  int error; /* errno of what could not be made */
};

/* ---- signals ---- */

static int signal_pipe[2] = {-1, -1};

static void on_signal(int signal)
{
  int saved = errno;
  char byte = (char)signal;
  if (write(signal_pipe[1], &byte, 1) < 0) {
    /* full: a signal is in it already */
  }
  errno = saved;
}

struct handlers {
  struct sigaction interrupt, terminate, pipe;
};

static void install_handlers(struct handlers *old)
{
  struct sigaction action = {.sa_handler = on_signal};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old->interrupt);
  sigaction(SIGTERM, &action, &old->terminate);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, &old->pipe);
}

static void restore_handlers(const struct handlers *old)
{
  sigaction(SIGINT, &old->interrupt, NULL);
  sigaction(SIGTERM, &old->terminate, NULL);
  sigaction(SIGPIPE, &old->pipe, NULL);
}

const char *lab_signal_name(int signal)
{
  static const struct {
    int number;
    const char *name;
  } names[] = {
      {SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},   {SIGKILL, "SIGKILL"},
      {SIGTERM, "SIGTERM"}, {SIGTRAP, "SIGTRAP"}, {SIGPIPE, "SIGPIPE"}, {SIGSYS, "SIGSYS"},   {SIGXCPU, "SIGXCPU"}, {SIGALRM, "SIGALRM"},
      {SIGPROF, "SIGPROF"}, {SIGHUP, "SIGHUP"},   {SIGQUIT, "SIGQUIT"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}, {SIGINT, "SIGINT"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].number == signal) {
      return names[i].name;
    }
  }
  static char other[24];
  snprintf(other, sizeof other, "signal %d", signal);
  return other;
}

/* ---- processes ---- */

static uint64_t clock_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * SIM_S + (uint64_t)now.tv_nsec;
}

static void close_fd(int *fd)
{
  if (*fd >= 0) {
    close(*fd);
    *fd = -1;
  }
}

static bool make_pipe(int ends[2])
{
  if (pipe(ends) < 0) {
    ends[0] = ends[1] = -1;
    return false;
  }
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return true;
}

static void never_block(int fd)
{
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* What of the parent's a worker must not have: with the others' pipes in its hands they would not see the parent's end. */
static void leave_parent(struct pool *p, pid_t parent)
{
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  if (getppid() != parent) {
    _exit(0);
  }
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigemptyset(&action.sa_mask);
  sigaction(SIGPIPE, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  action.sa_handler = SIG_IGN; /* Ctrl-C reaches the whole group; the parent ends it */
  sigaction(SIGINT, &action, NULL);
  close_fd(&signal_pipe[0]);
  close_fd(&signal_pipe[1]);
  for (size_t i = 0; i < p->count; i++) {
    close_fd(&p->slots[i].tasks_fd);
    close_fd(&p->slots[i].results_fd);
    close_fd(&p->slots[i].stderr_fd);
  }
}

static _Noreturn void become_worker(struct pool *p, bool fresh, int tasks_fd, int results_fd, int stderr_fd)
{
  const struct lab_pool_config *c = p->config;
  if (stderr_fd >= 0) {
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
  }
  dup2(STDERR_FILENO, STDOUT_FILENO); /* the report is the parent's alone */
  if (fresh && c->exec != NULL) {
    fcntl(tasks_fd, F_SETFD, 0);
    fcntl(results_fd, F_SETFD, 0);
    c->exec(c->arg, tasks_fd, results_fd, p->fresh_started);
    fprintf(stderr, "cannot start another process: %s\n", strerror(errno));
    fflush(stderr);
    _exit(127);
  }
  lab_worker_serve(
      &(struct lab_worker){.tasks_fd = tasks_fd, .results_fd = results_fd, .run = c->run, .arg = c->run_arg, .progress = c->progress});
}

/* Puts a worker into an empty slot. False: errno is kept in p->error. */
static bool spawn(struct pool *p, struct slot *s)
{
  int tasks[2] = {-1, -1}, results[2] = {-1, -1}, errors[2] = {-1, -1};
  bool capture = !p->config->show_stderr;
  pid_t parent = getpid();
  pid_t pid = -1;
  p->fresh_started += s->fresh;
  fflush(NULL); /* or a fork would write it again */
  if (make_pipe(tasks) && make_pipe(results) && (!capture || make_pipe(errors))) {
    pid = fork();
  }
  if (pid == 0) {
    leave_parent(p, parent);
    close_fd(&tasks[1]);
    close_fd(&results[0]);
    close_fd(&errors[0]);
    become_worker(p, s->fresh, tasks[0], results[1], errors[1]);
  }
  p->error = pid < 0 ? errno : 0;
  close_fd(&tasks[0]);
  close_fd(&results[1]);
  close_fd(&errors[1]);
  if (pid < 0) {
    close_fd(&tasks[1]);
    close_fd(&results[0]);
    close_fd(&errors[0]);
    return false;
  }
  never_block(results[0]);
  if (capture) {
    never_block(errors[0]);
  }
  s->pid = pid;
  s->tasks_fd = tasks[1];
  s->results_fd = results[0];
  s->stderr_fd = errors[0];
  s->served = 0;
  buf_clear(&s->tail);
  s->state = SLOT_IDLE;
  return true;
}

/* Makes the slot empty; its process has been reaped. */
static void vacate(struct slot *s)
{
  close_fd(&s->tasks_fd);
  close_fd(&s->results_fd);
  close_fd(&s->stderr_fd);
  buf_clear(&s->in);
  s->state = SLOT_EMPTY;
  s->killed = false;
}

static void kill_and_reap(struct slot *s)
{
  kill(s->pid, SIGKILL);
  while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
  }
  vacate(s);
}

/* ---- tasks ---- */

static void run_again(struct pool *p, struct lab_task task)
{
  if (p->again_count == p->again_cap) {
    p->again_cap = p->again_cap > 0 ? 2 * p->again_cap : 8;
    p->again = realloc(p->again, p->again_cap * sizeof *p->again);
    if (p->again == NULL) {
      abort();
    }
  }
  task.flags |= LAB_TASK_EXACT;
  p->again[p->again_count++] = task;
}

static bool next_task(struct pool *p, bool fresh, struct lab_task *out)
{
  for (size_t i = 0; i < p->again_count; i++) {
    if (((p->again[i].flags & LAB_TASK_FRESH) != 0) == fresh) {
      *out = p->again[i];
      p->again[i] = p->again[--p->again_count];
      return true;
    }
  }
  if (!p->config->next(p->config->arg, fresh, out)) {
    return false;
  }
  assert(((out->flags & LAB_TASK_FRESH) != 0) == fresh);
  return true;
}

/* Appends what has come; false at the end of the pipe. */
static bool read_some(int fd, struct buf *out)
{
  for (;;) {
    ssize_t got = read(fd, buf_reserve(out, 65536), 65536);
    if (got > 0) {
      out->len += (size_t)got;
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
  }
}

static void read_stderr(struct slot *s)
{
  if (s->stderr_fd >= 0 && !read_some(s->stderr_fd, &s->tail)) {
    close_fd(&s->stderr_fd);
  }
  if (s->tail.len > TAIL_BYTES) {
    buf_consume(&s->tail, s->tail.len - TAIL_BYTES);
  }
}

/* Gives a worker a task, in a new process if need be. False: no process can be made. */
static bool give(struct pool *p, struct slot *s, const struct lab_task *task)
{
  for (int attempt = 0; attempt < 2; attempt++) {
    if (s->state == SLOT_EMPTY && !spawn(p, s)) {
      return false;
    }
    if (s->served > 0) { /* the words of another run; but a process that could not be started has said why */
      read_stderr(s);
      buf_clear(&s->tail);
    }
    if (lab_worker_send(s->tasks_fd, task)) {
      break;
    }
    if (attempt == 0) {
      kill_and_reap(s); /* it died while it was idle */
    }                   /* else its results' end will show it */
  }
  s->task = *task;
  s->served++;
  s->deadline_ns = clock_ns() + (p->config->wall_limit_ns > 0 ? p->config->wall_limit_ns : WALL_LIMIT_NS);
  s->state = SLOT_BUSY;
  return true;
}

/* Hands out tasks to whoever is free. */
static bool dispatch(struct pool *p)
{
  for (size_t i = 0; i < p->count; i++) {
    struct slot *s = &p->slots[i];
    struct lab_task task;
    if ((s->state == SLOT_EMPTY || s->state == SLOT_IDLE) && next_task(p, s->fresh, &task) && !give(p, s, &task)) {
      return false;
    }
  }
  return true;
}

/* ---- outcomes ---- */

/* A result has come: the worker is free before `done` is told, which may have more for it. */
static void deliver(struct pool *p, struct slot *s, struct lab_result *result)
{
  read_stderr(s);
  struct lab_outcome outcome = {.kind = LAB_RAN, .result = *result, .stderr_tail = buf_slice(&s->tail)};
  struct lab_task task = s->task;
  s->state = SLOT_IDLE;
  p->config->done(p->config->arg, &task, &outcome);
  lab_result_free(&outcome.result);
  if (s->fresh && s->served >= FRESH_TASKS_MAX) {
    kill_and_reap(s);
  }
}

static void read_results(struct pool *p, struct slot *s)
{
  bool open = read_some(s->results_fd, &s->in);
  struct lab_result result;
  int got = s->state == SLOT_BUSY ? lab_worker_receive(&s->in, &result) : 0;
  if (got > 0) {
    deliver(p, s, &result);
  } else if (got < 0) {
    kill(s->pid, SIGKILL);
  }
  if (!open && s->state == SLOT_IDLE) {
    kill_and_reap(s);
  } else if (!open && s->state == SLOT_BUSY) {
    s->state = SLOT_ENDING;
    s->deadline_ns = clock_ns() + END_LIMIT_NS;
  }
}

/* The worker's pipe has ended: if the process has too, its run has an outcome. */
static void try_reap(struct pool *p, struct slot *s)
{
  int status;
  pid_t reaped = waitpid(s->pid, &status, WNOHANG);
  if (reaped == 0 || (reaped < 0 && errno == EINTR)) {
    return;
  }
  assert(reaped == s->pid);
  read_stderr(s);
  struct lab_task task = s->task;
  struct lab_outcome outcome = {.kind = s->killed ? LAB_STUCK : LAB_DIED, .stderr_tail = buf_slice(&s->tail)};
  outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  bool stopped = !s->killed && outcome.status == LAB_EXIT_STUCK && !(task.flags & LAB_TASK_EXACT);
  vacate(s);
  if (stopped) {
    if (p->config->show_stderr) {
      fprintf(stderr, "vortex-lua: a turn of a script takes long: the run begins anew, and instructions are counted\n");
    }
    run_again(p, task);
  } else {
    p->config->done(p->config->arg, &task, &outcome);
  }
}

static void check_deadlines(struct pool *p)
{
  uint64_t now = clock_ns();
  for (size_t i = 0; i < p->count; i++) {
    struct slot *s = &p->slots[i];
    if ((s->state == SLOT_BUSY || s->state == SLOT_ENDING) && now >= s->deadline_ns && !s->killed) {
      s->killed = s->state == SLOT_BUSY;
      kill(s->pid, SIGKILL);
    }
  }
}

/* Waits for something to happen and sees to it. False: a signal has come. */
static bool attend(struct pool *p)
{
  nfds_t n = 0;
  bool ending = false;
  p->fds[n++] = (struct pollfd){.fd = signal_pipe[0], .events = POLLIN};
  for (size_t i = 0; i < p->count; i++) {
    struct slot *s = &p->slots[i];
    ending = ending || s->state == SLOT_ENDING;
    bool reads = s->state == SLOT_IDLE || s->state == SLOT_BUSY;
    p->fds[n++] = (struct pollfd){.fd = reads ? s->results_fd : -1, .events = POLLIN};
    p->fds[n++] = (struct pollfd){.fd = reads ? s->stderr_fd : -1, .events = POLLIN};
  }
  poll(p->fds, n, ending ? END_TICK_MS : TICK_MS);
  if (p->fds[0].revents != 0) {
    return false;
  }
  for (size_t i = 0; i < p->count; i++) {
    struct slot *s = &p->slots[i];
    if (p->fds[2 * i + 2].revents != 0) {
      read_stderr(s);
    }
    if (p->fds[2 * i + 1].revents != 0) {
      read_results(p, s);
    }
    if (s->state == SLOT_ENDING) {
      try_reap(p, s);
    }
  }
  check_deadlines(p);
  return true;
}

static bool is_working(const struct pool *p)
{
  for (size_t i = 0; i < p->count; i++) {
    if (p->slots[i].state == SLOT_BUSY || p->slots[i].state == SLOT_ENDING) {
      return true;
    }
  }
  return false;
}

static enum lab_pool_end work(struct pool *p)
{
  for (;;) {
    if (!dispatch(p)) {
      return LAB_POOL_FAILED;
    }
    if (!is_working(p) && p->again_count == 0) {
      return LAB_POOL_DONE;
    }
    if (!attend(p)) {
      return LAB_POOL_INTERRUPTED;
    }
    if (p->config->tick != NULL && !p->config->tick(p->config->arg)) {
      return LAB_POOL_STOPPED;
    }
  }
}

enum lab_pool_end lab_pool_run(const struct lab_pool_config *config)
{
  assert(config->workers > 0);
  struct pool p = {.config = config, .count = (size_t)config->workers + config->fresh};
  p.slots = calloc(p.count, sizeof *p.slots);
  p.fds = calloc(2 * p.count + 1, sizeof *p.fds);
  if (p.slots == NULL || p.fds == NULL) {
    abort();
  }
  for (size_t i = 0; i < p.count; i++) {
    p.slots[i].fresh = i >= config->workers;
    p.slots[i].tasks_fd = p.slots[i].results_fd = p.slots[i].stderr_fd = -1;
  }
  enum lab_pool_end end = LAB_POOL_FAILED;
  if (make_pipe(signal_pipe)) {
    never_block(signal_pipe[1]);
    struct handlers old;
    install_handlers(&old);
    end = work(&p);
    for (size_t i = 0; i < p.count; i++) {
      if (p.slots[i].state != SLOT_EMPTY) {
        kill_and_reap(&p.slots[i]);
      }
      buf_free(&p.slots[i].in);
      buf_free(&p.slots[i].tail);
    }
    restore_handlers(&old);
    close_fd(&signal_pipe[0]);
    close_fd(&signal_pipe[1]);
  } else {
    p.error = errno;
  }
  free(p.slots);
  free(p.fds);
  free(p.again);
  errno = p.error;
  return end;
}
