#include "lab/progress.h"

#include <inttypes.h>
#include <unistd.h>

#define NS_PER_S       UINT64_C(1000000000)
#define REDRAW_NS      (NS_PER_S / 5)
#define PLAIN_NS       (10 * NS_PER_S)
#define PLAIN_AT_LEAST NS_PER_S /* a short campaign needs no ten lines */
#define COLUMNS        79

void lab_write_time(struct buf *out, uint64_t ns)
{
  uint64_t s = ns / NS_PER_S;
  if (s < 10) {
    buf_printf(out, "%.2f s", (double)ns / 1e9);
  } else if (s < 60) {
    buf_printf(out, "%.1f s", (double)ns / 1e9);
  } else if (s < 3600) {
    buf_printf(out, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
  } else if (s < 86400) {
    buf_printf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
  } else {
    buf_printf(out, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
  }
}

void lab_write_count(struct buf *out, uint64_t n)
{
  char digits[24];
  int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
  for (int i = 0; i < len; i++) {
    if (i > 0 && (len - i) % 3 == 0) {
      buf_append_char(out, ',');
    }
    buf_append_char(out, digits[i]);
  }
}

/* How much is done, from 0 to 1: of the runs or of the time, whichever ends first. */
static double done(const struct lab_progress_state *s)
{
  double runs = s->runs_max > 0 ? (double)s->runs / (double)s->runs_max : 0;
  double time = s->budget_ns > 0 ? (double)s->real_ns / (double)s->budget_ns : 0;
  double more = runs > time ? runs : time;
  return more < 1 ? more : 1;
}

void lab_progress_text(const struct lab_progress_state *s, struct buf *out)
{
  size_t begin = out->len;
  double real_s = (double)s->real_ns / 1e9;
  double per_s = real_s > 0 ? (double)s->runs / real_s : 0;
  lab_write_count(out, s->runs);
  if (s->runs_max > 0) {
    buf_append_char(out, '/');
    lab_write_count(out, s->runs_max);
  }
  buf_printf(out, " runs, %" PRIu64 " failed, ", s->failures);
  lab_write_time(out, s->virtual_ns);
  buf_printf(out, " virtual (%.0fx), %.*f runs/s", real_s > 0 ? (double)s->virtual_ns / (double)s->real_ns : 0, per_s < 10 ? 1 : 0, per_s);
  double part = done(s);
  if (part > 0 && part < 1) {
    buf_append_str(out, ", ");
    lab_write_time(out, (uint64_t)((double)s->real_ns * (1 - part) / part));
    buf_append_str(out, " left");
  }
  if (out->len - begin > COLUMNS) {
    out->len = begin + COLUMNS;
  }
}

void lab_progress_init(struct lab_progress_line *p, FILE *out)
{
  *p = (struct lab_progress_line){.out = out, .terminal = isatty(fileno(out)) == 1};
}

void lab_progress_clear(struct lab_progress_line *p)
{
  if (p->drawn) {
    fputs("\r\033[K", p->out);
    p->drawn = false;
  }
}

static bool is_time(const struct lab_progress_line *p, const struct lab_progress_state *s)
{
  uint64_t passed = s->real_ns - p->last_ns;
  if (p->terminal) {
    return passed >= REDRAW_NS;
  }
  return passed >= PLAIN_NS || (passed >= PLAIN_AT_LEAST && (unsigned)(done(s) * 10) > p->last_tenth);
}

void lab_progress_show(struct lab_progress_line *p, const struct lab_progress_state *s)
{
  if (!is_time(p, s)) {
    return;
  }
  struct buf text = {0};
  lab_progress_text(s, &text);
  lab_progress_clear(p);
  fprintf(p->out, p->terminal ? "%.*s" : "%.*s\n", (int)text.len, text.data);
  fflush(p->out);
  buf_free(&text);
  p->drawn = p->terminal;
  p->last_ns = s->real_ns;
  p->last_tenth = (unsigned)(done(s) * 10);
}
