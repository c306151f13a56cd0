/* Reading a segment: flush by flush, each whole or not at all. */
#ifndef VORTEX_WAL_SCAN_H
#define VORTEX_WAL_SCAN_H

#include "wal/internal.h"

/* A file through a window: bytes are read a piece at a time. */
struct wal_window {
  const struct wal_reader *reader;
  unsigned file;
  uint64_t size; /* nothing behind it is looked at */
  struct buf bytes;
  uint64_t at; /* offset of bytes in the file */
};

void wal_window_open(struct wal_window *v, const struct wal_reader *reader, unsigned file, uint64_t size);
void wal_window_free(struct wal_window *v);

/* The bytes at an offset, borrowed until the next call. at + len <= v->size. NULL: ERROR_IO. */
const char *wal_window_view(struct wal_window *v, uint64_t at, size_t len);

/* What was wrong in a flush. */
struct wal_damage {
  uint64_t at;
  bool named; /* the header is whole, and the body is not */
  struct wal_record record;
  bool follows; /* there is a whole record before it in its flush */
  struct wal_record before;
};

/* One record of a whole flush; body borrowed. False: it does not fit what went before. */
typedef bool (*wal_record_fn)(void *arg, const struct wal_record *r, struct slice body);

/* Looks at flush number `flush` from offset `*at` on. 0: whole, and *at is behind it. ERROR_CORRUPT: *damage says where. ERROR_IO. */
int wal_scan_check(struct wal_window *v, const struct wal_segment *s, uint32_t flush, uint64_t *at, struct wal_damage *damage);

/* Goes through a flush that is whole. 0; ERROR_CORRUPT: *damage has the record that did not fit; ERROR_IO. */
int wal_scan_replay(struct wal_window *v, const struct wal_segment *s, uint64_t at, wal_record_fn fn, void *arg, struct wal_damage *damage);

/* Looks for proof, in the blocks behind `at`, that flush number `flush` was durable; *zero: all bytes from `at` on are. 0, or ERROR_IO. */
int wal_scan_ahead(struct wal_window *v, const struct wal_segment *s, uint32_t flush, uint64_t at, bool *proof, bool *zero);

/* Looks for proof that a segment whose headers are lost, and with them its seed, had a flush that was durable. 0, or ERROR_IO. */
int wal_scan_lost(struct wal_window *v, bool *proof);

#endif
