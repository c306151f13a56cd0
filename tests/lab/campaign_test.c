#include "lab/campaign.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "lab/divergence.h"
#include "lab/progress.h"
#include "lab/report.h"

/* A fake run: what is wrong with which seeds. */
struct fake {
  uint64_t invalid_from, invalid_to; /* seeds; 0 and 0 = none */
  uint64_t unknown, aborts, interrupts, slow;
  bool broken;
  bool trace_differs;   /* between kinds of process */
  bool messages_differ; /* and what is kept with it */
};

static void write_file(const char *folder, const char *name, const char *text)
{
  struct buf path = {0};
  buf_printf(&path, "%s/%s", folder, name);
  buf_append_char(&path, '\0');
  FILE *f = fopen(path.data, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
  buf_free(&path);
}

static void run(void *arg, const struct lab_task *task, struct lab_result *r)
{
  const struct fake *fake = arg;
  bool fresh = task->flags & LAB_TASK_FRESH;
  if (task->seed == fake->aborts && fake->aborts > 0) {
    fputs("words before\nx.c:1: f: Assertion `y' failed.\n", stderr);
    abort();
  }
  if (task->seed == fake->interrupts && fake->interrupts > 0) {
    kill(getppid(), SIGINT);
    pause();
  }
  if (task->seed == fake->slow) {
    usleep(20000);
  }
  if (task->keep != NULL) {
    write_file(task->keep, "messages.jsonl", fake->messages_differ && fresh ? "{\"a\":1}\n{\"b\":3}\n" : "{\"a\":1}\n{\"b\":2}\n");
    write_file(task->keep, "history.edn", "{}\n");
  }
  bool invalid = task->seed >= fake->invalid_from && task->seed <= fake->invalid_to && fake->invalid_to > 0;
  r->verdict = fake->broken ? LAB_BROKEN : task->seed == fake->unknown ? LAB_UNKNOWN : invalid ? LAB_INVALID : LAB_VALID;
  r->trace = task->seed + (fake->trace_differs && fresh);
  r->virtual_ns = (1000 - task->seed % 1000) * SIM_S;
  r->messages = 1000;
  buf_printf(&r->text, "text of seed %d\n", (int)task->seed);
  if (r->verdict != LAB_VALID) {
    buf_printf(&r->reason, "reason of %d", (int)task->seed);
  }
}

static const char *const command[] = {"vortex-lua", "test", "--nemesis", "kill", "my script.lua", "--", "it's"};

/* Runs a campaign of fakes; what it prints ends in *out, terminated. Returns the status. */
static int campaign(struct fake *fake, struct lab_campaign c, struct buf *out)
{
  struct lab_options options;
  lab_options_default(&options);
  FILE *f = tmpfile();
  c.options = &options;
  c.out = f;
  c.command = command;
  c.command_count = sizeof command / sizeof *command;
  c.run = run;
  c.run_arg = fake;
  c.jobs = c.jobs > 0 ? c.jobs : 2;
  int status = lab_campaign_run(&c);
  rewind(f);
  size_t got;
  buf_clear(out);
  while ((got = fread(buf_reserve(out, 4096), 1, 4096, f)) > 0) {
    out->len += got;
  }
  fclose(f);
  buf_append_char(out, '\0');
  return status;
}

static int swarm(struct fake *fake, uint64_t first, uint64_t last, struct buf *out)
{
  return campaign(fake, (struct lab_campaign){.swarm = true, .first = first, .last = last}, out);
}

static void assert_has(const struct buf *out, const char *words)
{
  if (strstr(out->data, words) == NULL) {
    fail_msg("no \"%s\" in:\n%s", words, out->data);
  }
}

static void assert_has_not(const struct buf *out, const char *words)
{
  if (strstr(out->data, words) != NULL) {
    fail_msg("\"%s\" in:\n%s", words, out->data);
  }
}

static void assert_ends(const struct buf *out, const char *words)
{
  size_t n = strlen(words);
  if (out->len <= n || strcmp(out->data + out->len - 1 - n, words) != 0) {
    fail_msg("\"%s\" is not the end of:\n%s", words, out->data);
  }
}

static void test_a_single_run(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(campaign(&(struct fake){0}, (struct lab_campaign){.first = 42, .last = 42}, &out), 0);
  assert_int_equal(strncmp(out.data, "seed 42: lin-kv, 5 nodes n1 to n5, 10 clients, 5/s for 60 s, no latency\n", 72), 0);
  assert_has(&out, "text of seed 42\nreal time    0.");
  assert_ends(&out, "\nVALID\n");
  assert_int_equal(campaign(&(struct fake){.invalid_from = 42, .invalid_to = 42}, (struct lab_campaign){.first = 42, .last = 42}, &out), 1);
  assert_ends(&out, "INVALID: reason of 42\nTo see this again:\nvortex-lua test --seed 42 --nemesis kill 'my script.lua' -- 'it'\\''s'\n");
  assert_int_equal(campaign(&(struct fake){.unknown = 42}, (struct lab_campaign){.first = 42, .last = 42}, &out), 2);
  assert_has(&out, "UNKNOWN: reason of 42\n");
  assert_int_equal(campaign(&(struct fake){.broken = true}, (struct lab_campaign){.first = 42, .last = 42}, &out), 3);
  assert_ends(&out, "BROKEN: reason of 42\n");
  buf_free(&out);
}

static void test_a_campaign_of_one_seed_prints_the_whole_report(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(swarm(&(struct fake){.invalid_from = 7, .invalid_to = 7}, 7, 7, &out), 1);
  assert_has(&out, "seed 7: lin-kv, ");
  assert_has(&out, "text of seed 7\n");
  assert_ends(&out, "vortex-lua test --seeds 7-7 --nemesis kill 'my script.lua' -- 'it'\\''s'\n");
  buf_free(&out);
}

static void test_all_valid(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(swarm(&(struct fake){0}, 1, 100, &out), 0);
  assert_has(&out, "100 seeds: 100 valid; 5 run twice, with equal traces\n");
  assert_has(&out, "100,000 messages");
  assert_ends(&out, "VALID: all seeds\n");
  assert_int_equal(swarm(&(struct fake){0}, 5, 6, &out), 0);
  assert_has(&out, "2 seeds: 2 valid; 1 run twice, with equal traces\n");
  buf_free(&out);
}

static void test_failures_are_counted_and_the_quickest_is_shown(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(swarm(&(struct fake){.invalid_from = 10, .invalid_to = 24, .unknown = 30}, 1, 40, &out), 1);
  assert_has(&out, "seed 10: INVALID: reason of 10\n");
  assert_has(&out, "seed 30: UNKNOWN: reason of 30\n");
  assert_has(&out, "40 seeds: 24 valid, 15 invalid, 1 unknown; 2 run twice, with equal traces\n");
  assert_has(&out, "Not valid, the first 10 of 16:\n");
  assert_has(&out, "text of seed 24\nINVALID: reason of 24\n");
  assert_has_not(&out, "text of seed 23\n");
  assert_ends(&out, "INVALID: 15 of 40 seeds failed\nTo see it again:\n"
                    "vortex-lua test --seeds 24-24 --nemesis kill 'my script.lua' -- 'it'\\''s'\n");
  buf_free(&out);
}

static void test_unknown_alone(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(swarm(&(struct fake){.unknown = 3}, 1, 5, &out), 2);
  assert_has(&out, "UNKNOWN: 1 of 5 seeds could not be judged\n");
  assert_has(&out, " --seeds 3-3 ");
  buf_free(&out);
}

static void test_a_process_that_dies_is_a_failed_seed(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(swarm(&(struct fake){.aborts = 3}, 1, 30, &out), 1);
  assert_has(&out, "seed 3: INVALID: the process died of SIGABRT: x.c:1: f: Assertion `y' failed.\n");
  assert_has(&out, "What the process wrote last:\n  words before\n  x.c:1: f: Assertion `y' failed.\n");
  assert_has(&out, "30 seeds: 29 valid, 1 invalid;");
  assert_has(&out, " --seeds 3-3 ");
  buf_free(&out);
}

static void test_what_does_not_load_stops_the_campaign(void **state)
{
  (void)state;
  struct buf out = {0};
  assert_int_equal(
      campaign(&(struct fake){.broken = true}, (struct lab_campaign){.swarm = true, .first = 1, .last = 1000000, .jobs = 1}, &out), 3);
  assert_has(&out, "seed 1: BROKEN: reason of 1\n");
  assert_has(&out, "text of seed 1\n");
  assert_has(&out, "1 seed: 1 broken\n");
  assert_ends(&out, "BROKEN: 1 of 1 seeds could not be tested\n");
  buf_free(&out);
}

static void test_a_budget(void **state)
{
  (void)state;
  struct buf out = {0};
  struct fake fake = {.slow = 5};
  assert_int_equal(campaign(&fake, (struct lab_campaign){.swarm = true, .first = 5, .last = UINT64_MAX, .budget_ns = 200 * SIM_MS}, &out),
                   0);
  assert_has(&out, "VALID: all seeds\n");
  assert_has_not(&out, "\n0 seeds");
  buf_free(&out);
}

static void test_an_interrupt_prints_what_was_found(void **state)
{
  (void)state;
  struct buf out = {0};
  struct fake fake = {.interrupts = 20, .invalid_from = 3, .invalid_to = 3};
  assert_int_equal(campaign(&fake, (struct lab_campaign){.swarm = true, .first = 1, .last = 100, .jobs = 1}, &out), 1);
  assert_has(&out, "Interrupted: this is what was found so far.\n");
  assert_has(&out, "19 seeds: 18 valid, 1 invalid");
  assert_has(&out, " --seeds 3-3 ");
  fake.invalid_to = 0;
  assert_int_equal(campaign(&fake, (struct lab_campaign){.swarm = true, .first = 1, .last = 100, .jobs = 1}, &out), 2);
  assert_has(&out, "UNKNOWN: not all seeds were run\n");
  assert_int_equal(campaign(&fake, (struct lab_campaign){.first = 20, .last = 20}, &out), 2);
  assert_has(&out, "interrupted");
  buf_free(&out);
}

/* ---- folders ---- */

static char *make_base(void)
{
  static char base[64];
  strcpy(base, "/tmp/vortex-campaign-XXXXXX");
  assert_non_null(mkdtemp(base));
  return base;
}

static void remove_base(const char *base)
{
  char shell[100];
  snprintf(shell, sizeof shell, "rm -r %s", base);
  assert_int_equal(system(shell), 0);
}

static bool exists(const char *base, const char *name)
{
  char path[200];
  snprintf(path, sizeof path, "%s/%s", base, name);
  return access(path, F_OK) == 0;
}

static void read_file(const char *base, const char *name, struct buf *out)
{
  char path[200];
  snprintf(path, sizeof path, "%s/%s", base, name);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  buf_clear(out);
  out->len += fread(buf_reserve(out, 10000), 1, 9999, f);
  buf_append_char(out, '\0');
  fclose(f);
}

static void test_keeping(void **state)
{
  (void)state;
  char *base = make_base();
  char deep[100];
  snprintf(deep, sizeof deep, "%s/a/b", base);
  struct buf out = {0};
  struct fake fake = {.invalid_from = 4, .invalid_to = 5};
  assert_int_equal(campaign(&fake, (struct lab_campaign){.swarm = true, .first = 1, .last = 10, .keep = deep}, &out), 1);
  assert_true(exists(base, "a/b/seed-4/messages.jsonl"));
  assert_true(exists(base, "a/b/seed-5/history.edn"));
  assert_false(exists(base, "a/b/seed-3"));
  read_file(base, "a/b/seed-4/report.txt", &out);
  assert_has(&out, "seed 4: lin-kv");
  assert_has(&out, "text of seed 4\n");
  assert_has(&out, " --seeds 4-4 ");
  assert_int_equal(campaign(&fake, (struct lab_campaign){.first = 1, .last = 1, .keep = deep}, &out), 0);
  read_file(base, "a/b/seed-1/report.txt", &out);
  assert_has(&out, "seed 1: lin-kv");
  assert_has(&out, "\nVALID\n");
  assert_int_equal(campaign(&fake, (struct lab_campaign){.first = 1, .last = 1, .keep = "/proc/none"}, &out), 3);
  buf_free(&out);
  remove_base(base);
}

static void test_nondeterminism(void **state)
{
  (void)state;
  char *base = make_base();
  struct buf out = {0};
  struct fake fake = {.trace_differs = true, .messages_differ = true};
  assert_int_equal(campaign(&fake, (struct lab_campaign){.swarm = true, .first = 1, .last = 25, .keep = base}, &out), 1);
  assert_has(&out, "seed 21: NONDETERMINISM: two processes disagree: their traces are 0000000000000015 and 0000000000000016\n");
  assert_has(&out, "seed 1: the first difference is in line 2 of messages.jsonl:\n  one:     {\"b\":2}\n  another: {\"b\":3}\n");
  assert_true(exists(base, "seed-21/one/messages.jsonl"));
  assert_true(exists(base, "seed-21/another/messages.jsonl"));
  assert_has(&out, "25 seeds: 25 valid; 2 run twice, 2 with another trace\n");
  assert_has(&out, "INVALID: 0 of 25 seeds failed, 2 did not give the same run twice\n");
  assert_has(&out, " --seeds 1-2 "); /* two seeds, or nothing would be compared */
  assert_ends(&out, "vortex-lua test --seeds 1-2 --nemesis kill 'my script.lua' -- 'it'\\''s'\n");
  fake.messages_differ = false;
  assert_int_equal(campaign(&fake, (struct lab_campaign){.swarm = true, .first = 1, .last = 2, .keep = base}, &out), 1);
  assert_has(&out, "seed 1: run once more they gave 0000000000000001 and 0000000000000002, and no difference in what they wrote\n");
  buf_free(&out);
  remove_base(base);
}

static void test_where_two_runs_part(void **state)
{
  (void)state;
  char *base = make_base();
  char one[100], two[100];
  snprintf(one, sizeof one, "%s/one", base);
  snprintf(two, sizeof two, "%s/two", base);
  assert_true(lab_make_folder(one) && lab_make_folder(two));
  struct buf out = {0};
  assert_false(lab_divergence_find(one, two, &out));
  write_file(one, "messages.jsonl", "a\nb\n");
  write_file(two, "messages.jsonl", "a\nb\n");
  assert_false(lab_divergence_find(one, two, &out));
  write_file(two, "messages.jsonl", "a\nb\nc\n");
  assert_true(lab_divergence_find(one, two, &out));
  buf_append_char(&out, '\0');
  assert_string_equal(out.data, "the first difference is in line 3 of messages.jsonl:\n  one:     (it ends here)\n  another: c\n");
  buf_free(&out);
  remove_base(base);
}

/* ---- words ---- */

static void assert_progress(struct lab_progress_state s, const char *expected)
{
  struct buf text = {0};
  lab_progress_text(&s, &text);
  buf_append_char(&text, '\0');
  assert_string_equal(text.data, expected);
  assert_true(text.len <= 80);
  buf_free(&text);
}

static void test_progress(void **state)
{
  (void)state;
  assert_progress(
      (struct lab_progress_state){.runs = 250, .failures = 2, .virtual_ns = 5000 * SIM_S, .real_ns = 10 * SIM_S, .runs_max = 1000},
      "250/1,000 runs, 2 failed, 1 h 23 min virtual (500x), 25 runs/s, 30.0 s left");
  assert_progress((struct lab_progress_state){.runs = 3, .virtual_ns = 90 * SIM_S, .real_ns = SIM_S, .budget_ns = 5 * SIM_S},
                  "3 runs, 0 failed, 1 min 30 s virtual (90x), 3.0 runs/s, 4.00 s left");
  assert_progress((struct lab_progress_state){0}, "0 runs, 0 failed, 0.00 s virtual (0x), 0.0 runs/s");
}

static void test_times_and_counts(void **state)
{
  (void)state;
  static const struct {
    uint64_t ns;
    const char *text;
  } times[] = {{110 * SIM_MS, "0.11 s"},
               {12300 * SIM_MS, "12.3 s"},
               {125 * SIM_S, "2 min 5 s"},
               {3600 * 26 * SIM_S, "1 d 2 h"},
               {3 * 3600 * SIM_S, "3 h 0 min"}};
  struct buf out = {0};
  for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
    buf_clear(&out);
    lab_write_time(&out, times[i].ns);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, times[i].text);
  }
  buf_clear(&out);
  lab_write_count(&out, 999);
  buf_append_char(&out, ' ');
  lab_write_count(&out, 1000);
  buf_append_char(&out, ' ');
  lab_write_count(&out, 12345678);
  buf_append_char(&out, '\0');
  assert_string_equal(out.data, "999 1,000 12,345,678");
  buf_free(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_single_run),
      cmocka_unit_test(test_a_campaign_of_one_seed_prints_the_whole_report),
      cmocka_unit_test(test_all_valid),
      cmocka_unit_test(test_failures_are_counted_and_the_quickest_is_shown),
      cmocka_unit_test(test_unknown_alone),
      cmocka_unit_test(test_a_process_that_dies_is_a_failed_seed),
      cmocka_unit_test(test_what_does_not_load_stops_the_campaign),
      cmocka_unit_test(test_a_budget),
      cmocka_unit_test(test_an_interrupt_prints_what_was_found),
      cmocka_unit_test(test_keeping),
      cmocka_unit_test(test_nondeterminism),
      cmocka_unit_test(test_where_two_runs_part),
      cmocka_unit_test(test_progress),
      cmocka_unit_test(test_times_and_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
