/* What a campaign has found: counted as it goes, and told at its end. */
#ifndef VORTEX_LAB_SUMMARY_H
#define VORTEX_LAB_SUMMARY_H

#include "lab/campaign.h"

#define LAB_FINDINGS_SHOWN 10

struct lab_finding {
  uint64_t seed;
  bool twice; /* it takes two processes to see it */
  char *text; /* owned: "INVALID: reason" */
};

struct lab_summary {
  uint64_t runs;
  uint64_t verdicts[LAB_BROKEN + 1]; /* of them */
  uint64_t checked;                  /* seeds that were run twice */
  uint64_t diverged;                 /* of them: NONDETERMINISM */
  uint64_t virtual_ns, real_ns, messages;
  bool interrupted;
  struct lab_finding findings[LAB_FINDINGS_SHOWN]; /* of the lowest seeds, in their order */
  uint64_t finding_count;                          /* all that is not valid */

  /* The report of the run that is to be looked at first: of those that failed, the one that took least virtual time. */
  bool has_best;
  uint64_t best_seed, best_ns;
  struct buf best;
};

/* Notes something that is not valid. `label` is the verdict's name, or NONDETERMINISM. */
void lab_summary_add(struct lab_summary *s, uint64_t seed, bool twice, const char *label, struct slice reason);

/* Whether something failed: a run that is invalid, a seed that is not deterministic. */
uint64_t lab_summary_failures(const struct lab_summary *s);

/* The exit status of a campaign that ended by itself (`complete`), or did not. */
int lab_summary_status(const struct lab_summary *s, bool complete);

/* The report of a campaign: the best failure's report, findings, counts, verdict, command. */
void lab_summary_write(const struct lab_summary *s, const struct lab_campaign *c, int status, struct buf *out);

void lab_summary_free(struct lab_summary *s);

#endif
