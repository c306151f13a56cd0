#include "lab/campaign.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lab/divergence.h"
#include "lab/pool.h"
#include "lab/progress.h"
#include "lab/report.h"
#include "lab/summary.h"

#define CHECK_EVERY 20
#define TRACED_MAX  3 /* seeds that are not deterministic and looked into */

/* A run beside the campaign's own: of a seed that has been run before. */
enum job_kind {
  JOB_CHECK,        /* must give the same trace in a fresh process */
  JOB_TRACE_FORKED, /* it did not: once more with files, in both kinds of process. Such jobs come in pairs. */
  JOB_TRACE_FRESH,
  JOB_KEEP, /* it failed: once more with files */
};

struct job {
  enum job_kind kind;
  uint64_t seed;
  char *folder;   /* owned; NULL = no files */
  uint64_t trace; /* JOB_CHECK: what was seen. JOB_TRACE_*: what this run gave */
  bool done;
};

struct campaign {
  const struct lab_campaign *c;
  uint64_t started_ns;
  uint64_t next_seed;
  bool out_of_seeds;
  struct lab_progress_line progress;
  struct lab_summary summary;

  struct job *jobs; /* all of them; a task's purpose is an index into it, plus one */
  size_t job_count, job_cap;
  size_t cursor[2]; /* by freshness: all jobs before it have been handed out */

  unsigned kept;
  char *only_folder; /* of the only run; owned */
  bool gave_up;      /* the test itself does not work: it will not with another seed */
};

static uint64_t clock_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * SIM_S + (uint64_t)now.tv_nsec;
}

static uint64_t elapsed_ns(const struct campaign *s)
{
  return clock_ns() - s->started_ns;
}

static bool is_one_run(const struct campaign *s)
{
  return s->c->first == s->c->last;
}

/* Prints what will stay, over the line of progress. */
static void print(struct campaign *s, const struct buf *text)
{
  lab_progress_clear(&s->progress);
  fwrite(text->data, 1, text->len, s->c->out);
  fflush(s->c->out);
}

/* ---- jobs ---- */

static bool is_fresh(enum job_kind kind)
{
  return kind == JOB_CHECK || kind == JOB_TRACE_FRESH;
}

/* Takes folder. */
static void add_job(struct campaign *s, enum job_kind kind, uint64_t seed, char *folder, uint64_t trace)
{
  if (s->job_count == s->job_cap) {
    s->job_cap = s->job_cap > 0 ? 2 * s->job_cap : 16;
    s->jobs = realloc(s->jobs, s->job_cap * sizeof *s->jobs);
    if (s->jobs == NULL) {
      abort();
    }
  }
  s->jobs[s->job_count++] = (struct job){.kind = kind, .seed = seed, .folder = folder, .trace = trace};
}

static bool next_job(struct campaign *s, bool fresh, struct lab_task *out)
{
  for (size_t *at = &s->cursor[fresh]; *at < s->job_count; (*at)++) {
    const struct job *j = &s->jobs[*at];
    if (is_fresh(j->kind) == fresh) {
      *out = (struct lab_task){.seed = j->seed, .flags = fresh ? LAB_TASK_FRESH : 0, .keep = j->folder, .purpose = (unsigned)++*at};
      return true;
    }
  }
  return false;
}

/* "base/seed-N" or "base/seed-N/part", made. Returns owned, or NULL: the reason has been printed. */
static char *make_folder(struct campaign *s, const char *base, uint64_t seed, const char *part)
{
  struct buf path = {0};
  buf_printf(&path, "%s/seed-%" PRIu64 "%s%s", base, seed, part[0] != '\0' ? "/" : "", part);
  buf_append_char(&path, '\0');
  if (!lab_make_folder(path.data)) {
    lab_progress_clear(&s->progress);
    fprintf(stderr, "vortex-lua: cannot make the folder %s: %s\n", path.data, strerror(errno));
    buf_free(&path);
    return NULL;
  }
  return path.data;
}

static void keep_report(const char *folder, const struct buf *report)
{
  if (!lab_report_keep(folder, buf_slice(report))) {
    fprintf(stderr, "vortex-lua: cannot write %s/report.txt: %s\n", folder, strerror(errno));
  }
}

/* ---- what is not valid ---- */

static void print_finding(struct campaign *s, uint64_t seed, bool twice, const char *label, struct slice reason)
{
  lab_summary_add(&s->summary, seed, twice, label, reason);
  if (!is_one_run(s)) {
    struct buf line = {0};
    buf_printf(&line, "seed %" PRIu64 ": %s: %.*s\n", seed, label, (int)reason.len, reason.ptr);
    print(s, &line);
    buf_free(&line);
  }
}

/* Keeps the report of the failure that was quickest: the easiest to understand. */
static void consider(struct campaign *s, uint64_t seed, const struct lab_result *r)
{
  struct lab_summary *sum = &s->summary;
  if (sum->has_best && (sum->best_ns < r->virtual_ns || (sum->best_ns == r->virtual_ns && sum->best_seed < seed))) {
    return;
  }
  sum->has_best = true;
  sum->best_seed = seed;
  sum->best_ns = r->virtual_ns;
  buf_clear(&sum->best);
  lab_report_head(s->c, seed, &sum->best);
  lab_report_body(s->c, seed, r, 0, &sum->best);
}

static void keep_failure(struct campaign *s, uint64_t seed)
{
  if (s->c->keep != NULL && s->kept < LAB_KEPT_MAX) {
    char *folder = make_folder(s, s->c->keep, seed, "");
    if (folder != NULL) {
      s->kept++;
      add_job(s, JOB_KEEP, seed, folder, 0);
    }
  }
}

/* ---- determinism ---- */

static void begin_traces(struct campaign *s, uint64_t seed)
{
  struct buf made = {0};
  const char *base = s->c->keep;
  if (base == NULL) {
    const char *tmp = getenv("TMPDIR");
    buf_printf(&made, "%s/vortex-nondeterminism-XXXXXX", tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    buf_append_char(&made, '\0');
    base = mkdtemp(made.data);
  }
  char *forked = base != NULL ? make_folder(s, base, seed, "one") : NULL;
  char *fresh = forked != NULL ? make_folder(s, base, seed, "another") : NULL;
  buf_free(&made);
  if (fresh == NULL) {
    free(forked);
    return;
  }
  add_job(s, JOB_TRACE_FORKED, seed, forked, 0);
  add_job(s, JOB_TRACE_FRESH, seed, fresh, 0);
}

static void finish_check(struct campaign *s, const struct job *j, const struct lab_outcome *o)
{
  s->summary.checked++;
  uint64_t seed = j->seed; /* j may move once a job is added */
  struct buf reason = {0};
  if (o->kind != LAB_RAN) {
    buf_printf(&reason, "it ended in one process, and in another one: %.*s", (int)o->result.reason.len, o->result.reason.data);
  } else if (o->result.trace != j->trace) {
    buf_printf(&reason, "two processes disagree: their traces are %016" PRIx64 " and %016" PRIx64, j->trace, o->result.trace);
  } else {
    return;
  }
  s->summary.diverged++;
  print_finding(s, seed, true, "NONDETERMINISM", buf_slice(&reason));
  buf_free(&reason);
  if (s->summary.diverged <= TRACED_MAX) {
    begin_traces(s, seed);
  }
}

/* Says where the two runs of a pair part. */
static void finish_traces(struct campaign *s, const struct job *forked, const struct job *fresh)
{
  if (!forked->done || !fresh->done) {
    return;
  }
  struct buf words = {0};
  buf_printf(&words, "seed %" PRIu64 ": ", forked->seed);
  if (!lab_divergence_find(forked->folder, fresh->folder, &words)) {
    if (forked->trace == fresh->trace) {
      buf_printf(&words, "run once more in both, with files, they agree: %016" PRIx64 "\n", fresh->trace);
    } else {
      buf_printf(&words, "run once more they gave %016" PRIx64 " and %016" PRIx64 ", and no difference in what they wrote\n", forked->trace,
                 fresh->trace);
    }
  }
  buf_printf(&words, "  files: %s and %s\n", forked->folder, fresh->folder);
  print(s, &words);
  buf_free(&words);
}

/* ---- outcomes ---- */

static void finish_job(struct campaign *s, size_t at, const struct lab_outcome *o)
{
  struct job *j = &s->jobs[at];
  j->done = true;
  switch (j->kind) {
  case JOB_CHECK:
    finish_check(s, j, o);
    break;
  case JOB_TRACE_FORKED:
    j->trace = o->result.trace;
    finish_traces(s, j, j + 1);
    break;
  case JOB_TRACE_FRESH:
    j->trace = o->result.trace;
    finish_traces(s, j - 1, j);
    break;
  case JOB_KEEP: {
    struct buf report = {0};
    lab_report_head(s->c, j->seed, &report);
    lab_report_body(s->c, j->seed, &o->result, 0, &report);
    keep_report(j->folder, &report);
    buf_free(&report);
    break;
  }
  }
}

static void finish_only_run(struct campaign *s, uint64_t seed, const struct lab_result *r)
{
  struct buf report = {0};
  lab_report_body(s->c, seed, r, elapsed_ns(s), &report);
  print(s, &report);
  if (s->only_folder != NULL) {
    struct buf whole = {0};
    lab_report_head(s->c, seed, &whole);
    buf_append_slice(&whole, buf_slice(&report));
    keep_report(s->only_folder, &whole);
    buf_free(&whole);
  }
  buf_free(&report);
}

static void finish_run(struct campaign *s, uint64_t seed, const struct lab_outcome *o)
{
  struct lab_summary *sum = &s->summary;
  const struct lab_result *r = &o->result;
  sum->runs++;
  sum->verdicts[r->verdict]++;
  sum->virtual_ns += r->virtual_ns;
  sum->messages += r->messages;
  if (is_one_run(s)) {
    finish_only_run(s, seed, r);
    return;
  }
  if (r->verdict != LAB_VALID) {
    print_finding(s, seed, false, lab_verdict_name(r->verdict), buf_slice(&r->reason));
  }
  if (r->verdict == LAB_INVALID) {
    consider(s, seed, r);
    keep_failure(s, seed);
  } else if (r->verdict == LAB_BROKEN && sum->verdicts[LAB_BROKEN] == sum->runs) {
    s->gave_up = true;
    consider(s, seed, r);
  }
  if (o->kind == LAB_RAN && r->verdict != LAB_BROKEN && (seed - s->c->first) % CHECK_EVERY == 0) {
    add_job(s, JOB_CHECK, seed, NULL, r->trace);
  }
}

/* ---- what the pool asks ---- */

static bool pool_next(void *arg, bool fresh, struct lab_task *out)
{
  struct campaign *s = arg;
  if (s->gave_up) {
    return false;
  }
  if (next_job(s, fresh, out)) {
    return true;
  }
  bool over = s->c->budget_ns > 0 && elapsed_ns(s) >= s->c->budget_ns;
  if (fresh || s->out_of_seeds || over) {
    return false;
  }
  *out = (struct lab_task){.seed = s->next_seed, .keep = s->only_folder};
  s->out_of_seeds = s->next_seed == s->c->last;
  s->next_seed++;
  return true;
}

static void pool_done(void *arg, const struct lab_task *task, const struct lab_outcome *outcome)
{
  struct campaign *s = arg;
  struct lab_outcome o = *outcome;
  lab_report_complete(&o);
  if (task->purpose > 0) {
    finish_job(s, task->purpose - 1, &o);
  } else {
    finish_run(s, task->seed, &o);
  }
  if (outcome->kind != LAB_RAN) {
    lab_result_free(&o.result); /* made here */
  }
}

static bool pool_tick(void *arg)
{
  struct campaign *s = arg;
  uint64_t span = s->c->last - s->c->first;
  if (!is_one_run(s)) {
    lab_progress_show(&s->progress, &(struct lab_progress_state){
                                        .runs = s->summary.runs,
                                        .failures = lab_summary_failures(&s->summary),
                                        .virtual_ns = s->summary.virtual_ns,
                                        .real_ns = elapsed_ns(s),
                                        .runs_max = span < UINT64_MAX / 2 ? span + 1 : 0,
                                        .budget_ns = s->c->budget_ns,
                                    });
  }
  return !s->gave_up && !ferror(s->c->out); /* an error: nobody reads any more */
}

static void pool_exec(void *arg, int tasks_fd, int results_fd, unsigned number)
{
  const struct campaign *s = arg;
  s->c->exec(s->c->run_arg, tasks_fd, results_fd, number);
}

/* ---- all of it ---- */

static enum lab_pool_end run_all(struct campaign *s)
{
  const struct lab_campaign *c = s->c;
  const struct lab_config *base = &c->options->base;
  bool one = is_one_run(s);
  return lab_pool_run(&(struct lab_pool_config){
      .workers = one ? 1 : c->jobs,
      .fresh = one ? 0 : 1 + c->jobs / 16,
      .run = c->run,
      .run_arg = c->run_arg,
      .progress = c->progress,
      .show_stderr = one || base->log_stderr || base->log_net_send || base->log_net_recv,
      .exec = c->exec != NULL ? pool_exec : NULL,
      .next = pool_next,
      .done = pool_done,
      .tick = pool_tick,
      .arg = s,
  });
}

static void report(struct campaign *s, int status)
{
  struct buf text = {0};
  if (!is_one_run(s)) {
    lab_summary_write(&s->summary, s->c, status, &text);
  } else if (s->summary.runs == 0) {
    buf_printf(&text, "UNKNOWN: interrupted\nTo see this again:\n");
    lab_campaign_command(s->c, s->c->first, false, &text);
    buf_append_char(&text, '\n');
  }
  print(s, &text);
  buf_free(&text);
}

/* Says what is going to be run, and makes the folder for it. False: it cannot be. */
static bool begin_only_run(struct campaign *s)
{
  if (s->c->keep != NULL && (s->only_folder = make_folder(s, s->c->keep, s->c->first, "")) == NULL) {
    return false;
  }
  struct buf head = {0};
  lab_report_head(s->c, s->c->first, &head);
  print(s, &head);
  buf_free(&head);
  return true;
}

static void free_campaign(struct campaign *s)
{
  for (size_t i = 0; i < s->job_count; i++) {
    free(s->jobs[i].folder);
  }
  free(s->jobs);
  free(s->only_folder);
  lab_summary_free(&s->summary);
}

int lab_campaign_run(const struct lab_campaign *c)
{
  assert(c->first <= c->last && c->command_count >= 2 && c->jobs > 0);
  struct campaign s = {.c = c, .started_ns = clock_ns(), .next_seed = c->first};
  lab_progress_init(&s.progress, c->out);
  if (c->keep != NULL && !lab_make_folder(c->keep)) {
    fprintf(stderr, "vortex-lua: --keep: cannot make the folder %s: %s\n", c->keep, strerror(errno));
    return LAB_EXIT_BROKEN;
  }
  if (is_one_run(&s) && !begin_only_run(&s)) {
    return LAB_EXIT_BROKEN;
  }
  enum lab_pool_end end = run_all(&s);
  int error = errno;
  s.summary.real_ns = elapsed_ns(&s);
  s.summary.interrupted = end == LAB_POOL_INTERRUPTED;
  int status = lab_summary_status(&s.summary, end == LAB_POOL_DONE);
  report(&s, status);
  if (end == LAB_POOL_FAILED) {
    fprintf(stderr, "vortex-lua: cannot make a process: %s\n", strerror(error));
    status = LAB_EXIT_BROKEN;
  }
  free_campaign(&s);
  return status;
}
