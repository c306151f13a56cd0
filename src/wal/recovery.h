/* What the files of recovery share: the files that were found, and the report. */
#ifndef VORTEX_WAL_RECOVERY_H
#define VORTEX_WAL_RECOVERY_H

#include "wal/internal.h"
#include "wal/scan.h"

enum wal_found_kind {
  WAL_FOUND_BLANK, /* allocated, and not begun */
  WAL_FOUND_SEGMENT,
  WAL_FOUND_IMAGE,
  WAL_FOUND_DAMAGED, /* something, but neither */
};

struct wal_found {
  unsigned file;
  uint64_t size;
  enum wal_found_kind kind;
  bool copied; /* a segment of which only the second header is whole */
  bool used;
  struct wal_header header; /* of a segment */
};

struct wal_recovery {
  struct wal *w;
  const struct wal_reader *reader;
  struct buf *report;
  struct wal_found *files; /* ascending */
  size_t count;
  size_t cap;
  struct wal_found **chain; /* the segments of the log, newest first */
  size_t chain_count;
  size_t chain_cap;
  uint64_t end; /* where the newest one is known to end; 0 = to be found out */
};

/* ---- the files (find.c) ---- */

/* Lists the files and says what each is. 0, ERROR_IO, ERROR_MALFORMED. */
int wal_find_files(struct wal_recovery *r);

/* NULL: there is none. */
struct wal_found *wal_find_file(const struct wal_recovery *r, unsigned file);

/* Which segments make up the log. 0, ERROR_IO, ERROR_CORRUPT. */
int wal_find_chain(struct wal_recovery *r);

/* ---- the report (blame.c) ---- */

void wal_blame_say(struct wal_recovery *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "entry 7 (term 2) of group "main"" */
void wal_blame_record(struct wal_recovery *r, const struct wal_record *record);

/* One line; returns ERROR_CORRUPT. */
int wal_blame(struct wal_recovery *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is damaged in a flush that begins at `from`. */
int wal_blame_damage(struct wal_recovery *r, struct wal_window *v, const struct wal_segment *s, uint64_t from, const struct wal_damage *d,
                     const char *what);

#endif
