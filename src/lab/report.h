/* What is said about one run: its whole report, what became of a process that ended within it, and the command that shows it again. */
#ifndef VORTEX_LAB_REPORT_H
#define VORTEX_LAB_REPORT_H

#include "lab/campaign.h"
#include "lab/pool.h"

/* Makes an outcome without a result into the result of a run that failed: LAB_INVALID, with a reason and a text that quotes what the
 * process wrote last. One that has a result stays as it is. */
void lab_report_complete(struct lab_outcome *outcome);

/* The report of one run. Its head: the seed and the parameters, known before it. Its body: the run's own text, the real time (0 = not
 * measured), the verdict with its reason and, if it is not valid, the command that reproduces it as the last line. */
void lab_report_head(const struct lab_campaign *c, uint64_t seed, struct buf *out);
void lab_report_body(const struct lab_campaign *c, uint64_t seed, const struct lab_result *result, uint64_t real_ns, struct buf *out);

/* "VALID", "INVALID", "UNKNOWN", "BROKEN". Static. */
const char *lab_verdict_name(enum lab_verdict verdict);

/* Makes a folder and those above it. False with errno if it cannot be. */
bool lab_make_folder(const char *path);

/* Writes `folder`/report.txt. False with errno if it cannot be. */
bool lab_report_keep(const char *folder, struct slice text);

#endif
