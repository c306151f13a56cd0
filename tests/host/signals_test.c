#include "host/signals.h"

#include "host/child.h"

static void test_signal_ends_the_node_in_order(void **state)
{
  (void)state;
  const int signals[] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    struct child c = start_child();
    kill(c.pid, signals[i]);
    assert_int_equal(wait_for_end(c.pid), 0);
    char *log = rest_of_log(&c);
    assert_non_null(strstr(log, "stopping\n"));
    assert_non_null(strstr(log, "good-bye\n"));
    free(log);
    close_child(&c);
  }
}

/* timeout(1) does that: it must not cost the end in order. */
static void test_the_same_signal_twice_at_once_is_one(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "task", "");
  assert_answer(c.out, "task_ok");
  kill(c.pid, SIGSTOP); /* so that both are pending at once */
  int status;
  assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
  kill(c.pid, SIGTERM);
  kill(c.pid, SIGINT);
  kill(c.pid, SIGCONT);
  assert_int_equal(wait_for_end(c.pid), 0);
  close_child(&c);
}

static void end_by_force(struct child *c)
{
  int status;
  uint64_t give_up = now_ms() + PATIENCE_MS;
  while (waitpid(c->pid, &status, WNOHANG) == 0) {
    assert_true(now_ms() < give_up);
    kill(c->pid, SIGTERM);
    poll(NULL, 0, 20);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 128 + SIGTERM) {
    fail_msg("wait status %x, log: %s", (unsigned)status, rest_of_log(c));
  }
  char *log = rest_of_log(c);
  assert_null(strstr(log, "good-bye"));
  free(log);
  close_child(c);
}

static void test_second_signal_ends_the_process_at_once(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "task", ""); /* would take its second */
  assert_answer(c.out, "task_ok");
  kill(c.pid, SIGTERM);
  await_line(c.err, "stopping");
  end_by_force(&c);
}

static void test_second_signal_ends_a_handler_that_hangs(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "spin", ",\"ms\":1000000");
  await_line(c.err, "spinning");
  end_by_force(&c);
}

static void stop_child(struct child *c)
{
  int status;
  kill(c->pid, SIGSTOP);
  assert_int_equal(waitpid(c->pid, &status, WUNTRACED), c->pid);
  assert_true(WIFSTOPPED(status));
}

static long read_age(struct child *c)
{
  char *line = read_line(c->out);
  char *age = strstr(line, "\"age\":");
  assert_non_null(age);
  long ms = atol(age + 6);
  free(line);
  return ms;
}

/* What came while the process was stopped is as old as its last turn, and is handled before timers that fell due. */
static void test_lines_age_while_the_process_is_stopped(void **state)
{
  (void)state;
  struct child c = start_child();
  struct pollfd early = {.fd = c.out, .events = POLLIN, .revents = POLLIN};
  for (int i = 0; i < 20 && early.revents != 0; i++) { /* on a loaded machine the timer may fall due before the stop */
    if (i > 0) {
      kill(c.pid, SIGCONT);
      assert_answer(c.out, "later_ok");
    }
    command(&c, "later", "");
    command(&c, "task", "");
    assert_answer(c.out, "task_ok");
    stop_child(&c);
    poll(&early, 1, 0);
  }
  command(&c, "age", "");
  poll(NULL, 0, 300); /* the time it is stopped for, during which the timer falls due */
  command(&c, "age", "");
  kill(c.pid, SIGCONT);
  assert_in_range(read_age(&c), 299, PATIENCE_MS);
  assert_in_range(read_age(&c), 299, PATIENCE_MS);
  assert_answer(c.out, "later_ok");
  end_child(&c);
}

/* A continuation that is noted late would age a line that came long after it. */
static void test_continuing_an_idle_process_ages_nothing_later(void **state)
{
  (void)state;
  struct child c = start_child();
  long best = PATIENCE_MS;
  for (int i = 0; i < 20 && best >= 150; i++) { /* on a loaded machine the signal may take its time */
    kill(c.pid, SIGCONT);
    poll(NULL, 0, 200);
    command(&c, "age", "");
    long age = read_age(&c);
    best = age < best ? age : best;
  }
  assert_true(best < 150);
  end_child(&c);
}

static void test_handler_that_holds_the_loop_is_reported_once(void **state)
{
  (void)state;
  struct child c = start_child();
  command(&c, "spin", ",\"ms\":2500");
  assert_answer(c.out, "spin_ok");
  command(&c, "spin", ",\"ms\":300");
  assert_answer(c.out, "spin_ok");
  close(c.in);
  c.in = -1;
  assert_int_equal(wait_for_end(c.pid), 0);
  char *log = rest_of_log(&c);
  char *report = strstr(log, "BUSY\n");
  assert_non_null(report);
  assert_null(strstr(report + 1, "BUSY\n"));
  free(log);
  close_child(&c);
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_signal_ends_the_node_in_order),
      cmocka_unit_test(test_the_same_signal_twice_at_once_is_one),
      cmocka_unit_test(test_second_signal_ends_the_process_at_once),
      cmocka_unit_test(test_second_signal_ends_a_handler_that_hangs),
      cmocka_unit_test(test_lines_age_while_the_process_is_stopped),
      cmocka_unit_test(test_continuing_an_idle_process_ages_nothing_later),
      cmocka_unit_test(test_handler_that_holds_the_loop_is_reported_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
