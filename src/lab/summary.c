#include "lab/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lab/progress.h"

/* Keeps the findings of the lowest seeds, in their order: which run ends first is chance. */
void lab_summary_add(struct lab_summary *s, uint64_t seed, bool twice, const char *label, struct slice reason)
{
  size_t kept = s->finding_count < LAB_FINDINGS_SHOWN ? (size_t)s->finding_count : LAB_FINDINGS_SHOWN;
  size_t place = kept;
  s->finding_count++;
  while (place > 0 && s->findings[place - 1].seed > seed) {
    place--;
  }
  if (place == LAB_FINDINGS_SHOWN) {
    return;
  }
  if (kept == LAB_FINDINGS_SHOWN) {
    free(s->findings[--kept].text);
  }
  memmove(&s->findings[place + 1], &s->findings[place], (kept - place) * sizeof *s->findings);
  struct buf words = {0};
  buf_printf(&words, "%s: %.*s%c", label, (int)reason.len, reason.ptr, '\0');
  s->findings[place] = (struct lab_finding){.seed = seed, .twice = twice, .text = words.data};
}

uint64_t lab_summary_failures(const struct lab_summary *s)
{
  return s->verdicts[LAB_INVALID] + s->diverged;
}

int lab_summary_status(const struct lab_summary *s, bool complete)
{
  if (lab_summary_failures(s) > 0) {
    return LAB_EXIT_INVALID;
  }
  if (s->verdicts[LAB_BROKEN] > 0) {
    return LAB_EXIT_BROKEN;
  }
  return s->verdicts[LAB_UNKNOWN] > 0 || s->runs == 0 || !complete ? LAB_EXIT_UNKNOWN : LAB_EXIT_VALID;
}

static void write_findings(const struct lab_summary *s, struct buf *out)
{
  uint64_t shown = s->finding_count < LAB_FINDINGS_SHOWN ? s->finding_count : LAB_FINDINGS_SHOWN;
  if (shown == 0 || (shown == 1 && s->has_best)) { /* that one has just been told */
    return;
  }
  buf_append_str(out, "Not valid");
  if (shown < s->finding_count) {
    buf_append_str(out, ", the first ");
    lab_write_count(out, shown);
    buf_append_str(out, " of ");
    lab_write_count(out, s->finding_count);
  }
  buf_append_str(out, ":\n");
  for (uint64_t i = 0; i < shown; i++) {
    buf_printf(out, "  seed %" PRIu64 ": %s\n", s->findings[i].seed, s->findings[i].text);
  }
  buf_append_char(out, '\n');
}

static void write_counts(const struct lab_summary *s, struct buf *out)
{
  static const char *const words[] = {"valid", "invalid", "unknown", "broken"};
  lab_write_count(out, s->runs);
  buf_append_str(out, s->runs == 1 ? " seed: " : " seeds: ");
  const char *between = "";
  for (int v = 0; v <= LAB_BROKEN; v++) {
    if (s->verdicts[v] > 0 || (v == LAB_VALID && s->runs == 0)) {
      buf_append_str(out, between);
      lab_write_count(out, s->verdicts[v]);
      buf_printf(out, " %s", words[v]);
      between = ", ";
    }
  }
  if (s->checked > 0) {
    buf_append_str(out, "; ");
    lab_write_count(out, s->checked);
    buf_append_str(out, " run twice");
    if (s->diverged > 0) {
      buf_append_str(out, ", ");
      lab_write_count(out, s->diverged);
      buf_append_str(out, " with another trace");
    } else {
      buf_append_str(out, ", with equal traces");
    }
  }
  buf_append_char(out, '\n');
}

static void write_speed(const struct lab_summary *s, struct buf *out)
{
  double real_s = (double)(s->real_ns > 0 ? s->real_ns : 1) / 1e9;
  double per_s = (double)s->runs / real_s;
  lab_write_time(out, s->virtual_ns);
  buf_append_str(out, " of virtual time in ");
  lab_write_time(out, s->real_ns);
  buf_printf(out, " (%.0f times as fast), ", (double)s->virtual_ns / 1e9 / real_s);
  lab_write_count(out, s->messages);
  buf_printf(out, " messages, %.*f runs/s\n", per_s < 10 ? 1 : 0, per_s);
}

static void write_verdict(const struct lab_summary *s, int status, struct buf *out)
{
  switch (status) {
  case LAB_EXIT_VALID:
    buf_append_str(out, "VALID: all seeds\n");
    break;
  case LAB_EXIT_INVALID:
    buf_printf(out, "INVALID: %" PRIu64 " of %" PRIu64 " seeds failed", s->verdicts[LAB_INVALID], s->runs);
    if (s->diverged > 0) {
      buf_printf(out, ", %" PRIu64 " did not give the same run twice", s->diverged);
    }
    buf_append_char(out, '\n');
    break;
  case LAB_EXIT_UNKNOWN:
    if (s->verdicts[LAB_UNKNOWN] > 0) {
      buf_printf(out, "UNKNOWN: %" PRIu64 " of %" PRIu64 " seeds could not be judged\n", s->verdicts[LAB_UNKNOWN], s->runs);
    } else {
      buf_append_str(out, "UNKNOWN: not all seeds were run\n");
    }
    break;
  default:
    buf_printf(out, "BROKEN: %" PRIu64 " of %" PRIu64 " seeds could not be tested\n", s->verdicts[LAB_BROKEN], s->runs);
  }
}

void lab_summary_write(const struct lab_summary *s, const struct lab_campaign *c, int status, struct buf *out)
{
  if (s->best.len > 0) {
    buf_append_str(out, "---- the run to look at first ----\n");
    buf_append_slice(out, buf_slice(&s->best));
    buf_append_str(out, "----\n\n");
  }
  write_findings(s, out);
  write_counts(s, out);
  if (s->virtual_ns > 0) {
    write_speed(s, out);
  }
  if (s->interrupted) {
    buf_append_str(out, "Interrupted: this is what was found so far.\n");
  }
  write_verdict(s, status, out);
  if (s->finding_count > 0 && (status == LAB_EXIT_INVALID || status == LAB_EXIT_UNKNOWN)) {
    buf_append_str(out, "To see it again:\n");
    lab_campaign_command(c, s->has_best ? s->best_seed : s->findings[0].seed, !s->has_best && s->findings[0].twice, out);
    buf_append_char(out, '\n');
  }
}

void lab_summary_free(struct lab_summary *s)
{
  for (size_t i = 0; i < LAB_FINDINGS_SHOWN; i++) {
    free(s->findings[i].text);
  }
  buf_free(&s->best);
}
