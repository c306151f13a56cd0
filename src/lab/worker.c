#include "lab/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define TICK_US       50000
#define TICKS_STUCK   2
#define TICKS_ENDLESS 200 /* ten seconds: a hundred million instructions take much less */
#define TEXT_MAX      (UINT64_C(64) << 20)
#define RESULT_MAGIC  UINT64_C(0x766f727465783031)

struct task_wire {
  uint64_t seed;
  uint32_t flags;
  uint32_t purpose;
  uint64_t keep_len; /* the path follows; 0 = none */
};

struct result_wire {
  uint64_t magic;
  uint64_t verdict, trace, virtual_ns, operations, messages, faults;
  uint64_t text_len, reason_len; /* the texts follow */
};

/* ---- watchdog: seen by the handler of SIGPROF ---- */

static uint64_t (*volatile watched)(void); /* NULL = nothing to watch */
static volatile uint64_t seen;
static volatile int still;
static volatile int patience = TICKS_STUCK;

static void on_tick(int signal)
{
  (void)signal;
  uint64_t (*progress)(void) = watched;
  if (progress == NULL) {
    return;
  }
  uint64_t now = progress();
  if (now == 0 || now != seen) {
    seen = now;
    still = 0;
  } else if (++still >= patience) {
    _exit(patience == TICKS_STUCK ? LAB_EXIT_STUCK : LAB_EXIT_ENDLESS);
  }
}

static void start_watchdog(void)
{
  struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGPROF, &action, NULL);
  struct itimerval every = {.it_interval = {.tv_usec = TICK_US}, .it_value = {.tv_usec = TICK_US}};
  setitimer(ITIMER_PROF, &every, NULL);
}

/* ---- bytes ---- */

static bool write_all(int fd, const void *bytes, size_t n)
{
  for (const char *p = bytes; n > 0;) {
    ssize_t done = write(fd, p, n);
    if (done < 0 && errno != EINTR) {
      return false;
    }
    p += done > 0 ? done : 0;
    n -= done > 0 ? (size_t)done : 0;
  }
  return true;
}

static bool read_all(int fd, void *bytes, size_t n)
{
  for (char *p = bytes; n > 0;) {
    ssize_t got = read(fd, p, n);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      return false;
    }
    p += got > 0 ? got : 0;
    n -= got > 0 ? (size_t)got : 0;
  }
  return true;
}

bool lab_worker_send(int tasks_fd, const struct lab_task *task)
{
  size_t keep_len = task->keep != NULL ? strlen(task->keep) : 0;
  struct buf out = {0};
  buf_append(&out, &(struct task_wire){.seed = task->seed, .flags = task->flags, .purpose = task->purpose, .keep_len = keep_len},
             sizeof(struct task_wire));
  buf_append(&out, task->keep, keep_len);
  bool sent = write_all(tasks_fd, out.data, out.len);
  buf_free(&out);
  return sent;
}

/* The next task, its path in *keep. False when there are no more. */
static bool next_task(int fd, struct lab_task *task, struct buf *keep)
{
  struct task_wire wire;
  if (!read_all(fd, &wire, sizeof wire) || wire.keep_len > TEXT_MAX) {
    return false;
  }
  buf_clear(keep);
  if (!read_all(fd, buf_reserve(keep, wire.keep_len + 1), wire.keep_len)) {
    return false;
  }
  keep->data[wire.keep_len] = '\0';
  *task = (struct lab_task){.seed = wire.seed, .flags = wire.flags, .purpose = wire.purpose, .keep = wire.keep_len > 0 ? keep->data : NULL};
  return true;
}

static bool send_result(int fd, const struct lab_result *r)
{
  struct result_wire wire = {.magic = RESULT_MAGIC,
                             .verdict = r->verdict,
                             .trace = r->trace,
                             .virtual_ns = r->virtual_ns,
                             .operations = r->operations,
                             .messages = r->messages,
                             .faults = r->faults,
                             .text_len = r->text.len,
                             .reason_len = r->reason.len};
  return write_all(fd, &wire, sizeof wire) && write_all(fd, r->text.data, r->text.len) && write_all(fd, r->reason.data, r->reason.len);
}

int lab_worker_receive(struct buf *in, struct lab_result *r)
{
  struct result_wire wire;
  if (in->len < sizeof wire) {
    return 0;
  }
  memcpy(&wire, in->data, sizeof wire);
  if (wire.magic != RESULT_MAGIC || wire.verdict > LAB_BROKEN || wire.text_len > TEXT_MAX || wire.reason_len > TEXT_MAX) {
    return -1;
  }
  if (in->len < sizeof wire + wire.text_len + wire.reason_len) {
    return 0;
  }
  *r = (struct lab_result){.verdict = (enum lab_verdict)wire.verdict,
                           .trace = wire.trace,
                           .virtual_ns = wire.virtual_ns,
                           .operations = wire.operations,
                           .messages = wire.messages,
                           .faults = wire.faults};
  const char *texts = in->data + sizeof wire;
  buf_append(&r->text, texts, wire.text_len);
  buf_append(&r->reason, texts + wire.text_len, wire.reason_len);
  buf_consume(in, sizeof wire + wire.text_len + wire.reason_len);
  return 1;
}

void lab_worker_serve(const struct lab_worker *w)
{
  struct lab_task task;
  struct buf keep = {0};
  if (w->progress != NULL) {
    start_watchdog();
  }
  while (next_task(w->tasks_fd, &task, &keep)) {
    struct lab_result result = {0};
    still = 0;
    patience = task.flags & LAB_TASK_EXACT ? TICKS_ENDLESS : TICKS_STUCK;
    watched = w->progress;
    w->run(w->arg, &task, &result);
    watched = NULL;
    if (!send_result(w->results_fd, &result)) {
      break;
    }
    lab_result_free(&result);
  }
  buf_free(&keep);
  _exit(0);
}
