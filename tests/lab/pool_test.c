#include "lab/pool.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_all.h"

/* What the seed of a task tells the fake run to do. */
enum deed {
  GOOD,
  BAD,
  ABORTS,
  CRASHES,
  EXITS,
  SPINS,          /* without progress, unless it is to count instructions */
  SPINS_FOR_EVER, /* with progress */
  SLEEPS,
  TALKS, /* to stderr, a lot */
  TALKS_AND_ABORTS,
  WRITES_TO_STDOUT,
  BIG,
  WAITS_FOR_SIGNAL,
};

static volatile uint64_t fake_progress;

static uint64_t progress(void)
{
  return fake_progress;
}

static void spin(bool with_progress)
{
  for (;;) {
    fake_progress += with_progress;
  }
}

static void crash(void)
{
  signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit status of it */
  raise(SIGSEGV);
}

static void talk(int lines)
{
  for (int i = 0; i < lines; i++) {
    fprintf(stderr, "line %d of what is said\n", i);
  }
  fflush(stderr);
}

static void run(void *arg, const struct lab_task *task, struct lab_result *r)
{
  (void)arg;
  fake_progress = 1;
  enum deed deed = (enum deed)(task->seed % 100);
  switch (deed) {
  case ABORTS:
    abort();
  case CRASHES:
    crash();
    break;
  case EXITS:
    _exit(23);
  case SPINS:
    if (!(task->flags & LAB_TASK_EXACT)) {
      spin(false);
    }
    break;
  case SPINS_FOR_EVER:
    spin(true);
    break;
  case SLEEPS:
    pause();
    break;
  case TALKS:
    talk(100000);
    break;
  case TALKS_AND_ABORTS:
    talk(3);
    fputs("Assertion `x' failed.\n", stderr);
    abort();
  case WRITES_TO_STDOUT:
    puts("this goes to the captured stderr");
    fflush(stdout);
    break;
  case BIG:
    for (int i = 0; i < 300000; i++) {
      buf_append_str(&r->text, "0123456789");
    }
    break;
  case WAITS_FOR_SIGNAL:
    kill(getppid(), SIGTERM);
    pause();
    break;
  default:
    break;
  }
  r->verdict = deed == BAD ? LAB_INVALID : LAB_VALID;
  r->trace = task->seed * 3;
  r->virtual_ns = (uint64_t)getpid();
  buf_printf(&r->reason, "reason of %d%s%s", (int)task->seed, task->keep != NULL ? " in " : "", task->keep != NULL ? task->keep : "");
  fake_progress = 0;
}

/* ---- a pool of fakes ---- */

#define TASKS_MAX 512

struct seen {
  bool done;
  enum lab_outcome_kind kind;
  int signal, status;
  unsigned flags;
  uint64_t trace, pid;
  size_t text_len;
  char reason[100];
  char tail[200]; /* its end */
  size_t tail_len;
};

struct fakes {
  uint64_t seeds[TASKS_MAX];
  unsigned flags[TASKS_MAX];
  size_t count, next[2];
  struct seen seen[TASKS_MAX];
  size_t done_count;
  size_t stop_after; /* outcomes; 0 = never */
};

static void add(struct fakes *f, enum deed deed, unsigned flags)
{
  f->seeds[f->count] = f->count * 100 + deed;
  f->flags[f->count++] = flags;
}

static bool next(void *arg, bool fresh, struct lab_task *out)
{
  struct fakes *f = arg;
  for (size_t *i = &f->next[fresh]; *i < f->count; (*i)++) {
    if (((f->flags[*i] & LAB_TASK_FRESH) != 0) == fresh) {
      *out = (struct lab_task){.seed = f->seeds[*i], .flags = f->flags[*i], .purpose = (unsigned)*i, .keep = *i == 7 ? "a folder" : NULL};
      (*i)++;
      return true;
    }
  }
  return false;
}

static void done(void *arg, const struct lab_task *task, const struct lab_outcome *o)
{
  struct fakes *f = arg;
  struct seen *s = &f->seen[task->purpose];
  assert_false(s->done);
  assert_int_equal(task->seed, f->seeds[task->purpose]);
  *s = (struct seen){.done = true,
                     .kind = o->kind,
                     .signal = o->signal,
                     .status = o->status,
                     .flags = task->flags,
                     .trace = o->result.trace,
                     .pid = o->result.virtual_ns,
                     .text_len = o->result.text.len,
                     .tail_len = o->stderr_tail.len};
  snprintf(s->reason, sizeof s->reason, "%.*s", (int)o->result.reason.len, o->result.reason.len > 0 ? o->result.reason.data : "");
  size_t n = o->stderr_tail.len < sizeof s->tail ? o->stderr_tail.len : sizeof s->tail - 1;
  if (n > 0) {
    memcpy(s->tail, o->stderr_tail.ptr + o->stderr_tail.len - n, n);
  }
  f->done_count++;
}

static bool tick(void *arg)
{
  const struct fakes *f = arg;
  return f->stop_after == 0 || f->done_count < f->stop_after;
}

static size_t open_descriptors(void)
{
  size_t n = 0;
  DIR *d = opendir("/proc/self/fd");
  assert_non_null(d);
  while (readdir(d) != NULL) {
    n++;
  }
  closedir(d);
  return n;
}

static enum lab_pool_end run_pool_with(struct fakes *f, struct lab_pool_config config)
{
  config.run = run;
  config.progress = progress;
  config.next = next;
  config.done = done;
  config.tick = tick;
  config.arg = f;
  size_t before = open_descriptors();
  struct sigaction old = {0}, now = {0};
  sigaction(SIGINT, NULL, &old);
  enum lab_pool_end end = lab_pool_run(&config);
  sigaction(SIGINT, NULL, &now);
  assert_true(old.sa_handler == now.sa_handler);
  assert_int_equal(open_descriptors(), before);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
  assert_int_equal(errno, ECHILD);
  return end;
}

static enum lab_pool_end run_pool(struct fakes *f, unsigned workers)
{
  return run_pool_with(f, (struct lab_pool_config){.workers = workers});
}

static void test_every_task_has_its_own_result(void **state)
{
  (void)state;
  static struct fakes f;
  for (int i = 0; i < 500; i++) {
    add(&f, i % 3 == 0 ? BAD : GOOD, 0);
  }
  assert_int_equal(run_pool(&f, 4), LAB_POOL_DONE);
  assert_int_equal(f.done_count, 500);
  for (int i = 0; i < 500; i++) {
    char reason[64];
    snprintf(reason, sizeof reason, "reason of %d%s", (int)f.seeds[i], i == 7 ? " in a folder" : "");
    assert_int_equal(f.seen[i].kind, LAB_RAN);
    assert_int_equal(f.seen[i].trace, f.seeds[i] * 3);
    assert_string_equal(f.seen[i].reason, reason);
    assert_true(f.seen[i].pid != (uint64_t)getpid());
  }
}

static void test_one_worker_serves_many_tasks(void **state)
{
  (void)state;
  static struct fakes f;
  for (int i = 0; i < 50; i++) {
    add(&f, GOOD, 0);
  }
  assert_int_equal(run_pool(&f, 1), LAB_POOL_DONE);
  for (int i = 1; i < 50; i++) {
    assert_int_equal(f.seen[i].pid, f.seen[0].pid);
  }
}

static void test_deaths_are_outcomes_and_the_others_go_on(void **state)
{
  (void)state;
  static struct fakes f;
  static const enum deed deeds[] = {GOOD, ABORTS, CRASHES, GOOD, EXITS, TALKS_AND_ABORTS, GOOD, GOOD};
  for (size_t i = 0; i < 8; i++) {
    add(&f, deeds[i], 0);
  }
  assert_int_equal(run_pool(&f, 2), LAB_POOL_DONE);
  assert_int_equal(f.done_count, 8);
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(f.seen[i].kind, deeds[i] == GOOD ? LAB_RAN : LAB_DIED);
    assert_int_equal(f.seen[i].signal, deeds[i] == ABORTS || deeds[i] == TALKS_AND_ABORTS ? SIGABRT : deeds[i] == CRASHES ? SIGSEGV : 0);
    assert_int_equal(f.seen[i].status, deeds[i] == EXITS ? 23 : 0);
  }
  assert_string_equal(f.seen[5].tail, "line 0 of what is said\nline 1 of what is said\nline 2 of what is said\nAssertion `x' failed.\n");
  assert_int_equal(f.seen[6].tail_len, 0); /* what another run said is not this one's */
}

static void test_much_talk_is_bounded(void **state)
{
  (void)state;
  static struct fakes f;
  add(&f, TALKS, 0);
  add(&f, WRITES_TO_STDOUT, 0);
  assert_int_equal(run_pool(&f, 1), LAB_POOL_DONE);
  assert_int_equal(f.seen[0].kind, LAB_RAN);
  assert_in_range(f.seen[0].tail_len, 1000, 16384);
  assert_non_null(strstr(f.seen[0].tail, "line 99999 of what is said\n"));
  assert_string_equal(f.seen[1].tail, "this goes to the captured stderr\n");
}

static void test_a_big_result(void **state)
{
  (void)state;
  static struct fakes f;
  add(&f, BIG, 0);
  add(&f, GOOD, 0);
  assert_int_equal(run_pool(&f, 1), LAB_POOL_DONE);
  assert_int_equal(f.seen[0].text_len, 3000000);
  assert_int_equal(f.seen[1].text_len, 0);
}

static void test_the_watchdog_has_a_run_done_again_exactly(void **state)
{
  (void)state;
  static struct fakes f;
  add(&f, GOOD, 0);
  add(&f, SPINS, 0);
  add(&f, GOOD, 0);
  assert_int_equal(run_pool(&f, 1), LAB_POOL_DONE);
  assert_int_equal(f.done_count, 3);
  assert_int_equal(f.seen[1].kind, LAB_RAN);
  assert_int_equal(f.seen[1].flags, LAB_TASK_EXACT);
  assert_int_equal(f.seen[1].trace, f.seeds[1] * 3);
  assert_int_equal(f.seen[2].flags, 0);
}

static void test_runs_without_an_end_are_killed(void **state)
{
  (void)state;
  static struct fakes f;
  add(&f, SPINS_FOR_EVER, 0);
  add(&f, GOOD, 0);
  add(&f, SLEEPS, 0);
  add(&f, GOOD, 0);
  assert_int_equal(run_pool_with(&f, (struct lab_pool_config){.workers = 2, .wall_limit_ns = 3 * SIM_S}), LAB_POOL_DONE);
  assert_int_equal(f.seen[0].kind, LAB_STUCK);
  assert_int_equal(f.seen[1].kind, LAB_RAN);
  assert_int_equal(f.seen[2].kind, LAB_STUCK);
  assert_int_equal(f.seen[3].kind, LAB_RAN);
}

static void test_fresh_tasks_run_in_other_processes(void **state)
{
  (void)state;
  static struct fakes f;
  for (int i = 0; i < 24; i++) {
    add(&f, i == 13 ? SPINS : GOOD, i % 2 == 1 ? LAB_TASK_FRESH : 0);
  }
  assert_int_equal(run_pool_with(&f, (struct lab_pool_config){.workers = 1, .fresh = 1}), LAB_POOL_DONE);
  assert_int_equal(f.done_count, 24);
  assert_int_equal(f.seen[13].flags, LAB_TASK_FRESH | LAB_TASK_EXACT);
  for (int i = 1; i < 24; i += 2) {
    assert_true(f.seen[i].pid != f.seen[0].pid);
  }
  assert_true(f.seen[1].pid != f.seen[23].pid); /* and not for ever in the same one */
}

static void test_stopping_kills_what_runs(void **state)
{
  (void)state;
  static struct fakes f;
  add(&f, SPINS_FOR_EVER, 0);
  for (int i = 0; i < 10; i++) {
    add(&f, GOOD, 0);
  }
  f.stop_after = 5;
  assert_int_equal(run_pool(&f, 2), LAB_POOL_STOPPED);
  assert_false(f.seen[0].done);
  assert_in_range(f.done_count, 5, 10);
}

static void test_a_signal_interrupts(void **state)
{
  (void)state;
  static struct fakes alone, beside;
  add(&alone, GOOD, 0);
  add(&alone, WAITS_FOR_SIGNAL, 0);
  add(&alone, GOOD, 0);
  assert_int_equal(run_pool(&alone, 1), LAB_POOL_INTERRUPTED);
  assert_true(alone.seen[0].done);
  assert_int_equal(alone.done_count, 1);
  add(&beside, SPINS_FOR_EVER, 0);
  add(&beside, WAITS_FOR_SIGNAL, 0);
  assert_int_equal(run_pool(&beside, 2), LAB_POOL_INTERRUPTED);
  assert_int_equal(beside.done_count, 0);
}

static void fail_to_exec(void *arg, int tasks_fd, int results_fd, unsigned number)
{
  (void)arg;
  (void)tasks_fd;
  (void)results_fd;
  errno = number == 1 ? ENOENT : EPERM;
}

static void test_a_process_that_cannot_be_started_is_a_death(void **state)
{
  (void)state;
  static struct fakes f;
  add(&f, GOOD, LAB_TASK_FRESH);
  add(&f, GOOD, 0);
  assert_int_equal(run_pool_with(&f, (struct lab_pool_config){.workers = 1, .fresh = 1, .exec = fail_to_exec}), LAB_POOL_DONE);
  assert_int_equal(f.seen[0].kind, LAB_DIED);
  assert_int_equal(f.seen[0].status, 127);
  assert_non_null(strstr(f.seen[0].tail, "cannot start another process: "));
  assert_int_equal(f.seen[1].kind, LAB_RAN);
}

static void test_names_of_signals(void **state)
{
  (void)state;
  assert_string_equal(lab_signal_name(SIGABRT), "SIGABRT");
  assert_string_equal(lab_signal_name(SIGSEGV), "SIGSEGV");
  assert_string_equal(lab_signal_name(99), "signal 99");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_task_has_its_own_result),
      cmocka_unit_test(test_one_worker_serves_many_tasks),
      cmocka_unit_test(test_deaths_are_outcomes_and_the_others_go_on),
      cmocka_unit_test(test_much_talk_is_bounded),
      cmocka_unit_test(test_a_big_result),
      cmocka_unit_test(test_the_watchdog_has_a_run_done_again_exactly),
      cmocka_unit_test(test_runs_without_an_end_are_killed),
      cmocka_unit_test(test_fresh_tasks_run_in_other_processes),
      cmocka_unit_test(test_stopping_kills_what_runs),
      cmocka_unit_test(test_a_signal_interrupts),
      cmocka_unit_test(test_a_process_that_cannot_be_started_is_a_death),
      cmocka_unit_test(test_names_of_signals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
