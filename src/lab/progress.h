/* How far a campaign is: one line that is drawn again and again on a terminal, a plain line now and then elsewhere. And how times and
 * counts are written for people. */
#ifndef VORTEX_LAB_PROGRESS_H
#define VORTEX_LAB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

struct lab_progress_state {
  uint64_t runs;
  uint64_t failures;
  uint64_t virtual_ns;
  uint64_t real_ns;   /* since the start */
  uint64_t runs_max;  /* 0 = as many as the time allows */
  uint64_t budget_ns; /* 0 = no limit */
};

struct lab_progress_line {
  FILE *out;
  bool terminal; /* out is one */
  bool drawn;    /* a line stands there that is to be drawn over */
  uint64_t last_ns;
  unsigned last_tenth;
};

void lab_progress_init(struct lab_progress_line *p, FILE *out);

/* Shows it, if it is time to. */
void lab_progress_show(struct lab_progress_line *p, const struct lab_progress_state *s);

/* Takes the line off the terminal, before something else is printed. */
void lab_progress_clear(struct lab_progress_line *p);

/* The line's text, without its end, at most 79 columns. */
void lab_progress_text(const struct lab_progress_state *s, struct buf *out);

/* "0.11 s", "12.3 s", "2 min 5 s", "3 h 20 min", "4 d 3 h" */
void lab_write_time(struct buf *out, uint64_t ns);

/* "8,200,000" */
void lab_write_count(struct buf *out, uint64_t n);

#endif
