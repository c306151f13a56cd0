/* What the tests of the log share: short ways to append, to recover, and to look at what was written. */
#ifndef VORTEX_TESTS_WAL_SUPPORT_H
#define VORTEX_TESTS_WAL_SUPPORT_H

#include <stdio.h>

#include "disk.h"
#include "wal/format.h"

static inline struct wal_config small_config(void)
{
  return (struct wal_config){.node = 7, .salt = 42, .segment_bytes = 8192, .block_bytes = 512, .sync = true};
}

static inline struct wal_group_state state_of(const struct wal *w, unsigned group)
{
  struct wal_group_state s;
  wal_state(w, group, &s);
  return s;
}

/* `count` entries of `size` bytes each, "entry 17 of term 3 ---…", in one append. */
static inline void add_entries(struct wal *w, unsigned group, uint64_t term, size_t count, size_t size)
{
  struct wal_group_state s = state_of(w, group);
  struct wal_entry *entries = memory_zeroed(count, sizeof *entries);
  char *bytes = memory_zeroed(count, size + 64);
  for (size_t i = 0; i < count; i++) {
    char *at = bytes + i * (size + 64);
    memset(at, '-', size);
    int n = snprintf(at, size + 64, "entry %llu of term %llu ", (unsigned long long)(s.last + 1 + i), (unsigned long long)term);
    at[n] = '-';
    entries[i] = (struct wal_entry){.term = term, .type = (uint8_t)(i % 256), .bytes = slice_of(at, size)};
  }
  wal_append(w, group, &(struct wal_batch){.sequence = s.appended + 1, .first = s.last + 1, .count = count, .entries = entries});
  free(entries);
  free(bytes);
}

static inline void add_hard(struct wal *w, unsigned group, uint64_t term, uint64_t vote)
{
  wal_append(w, group, &(struct wal_batch){.sequence = state_of(w, group).appended + 1, .hard = true, .term = term, .vote = vote});
}

static inline void hand_snapshot(struct wal *w, unsigned group, uint64_t index, uint64_t term, const char *text)
{
  struct buf data = {0};
  buf_append_str(&data, text);
  wal_snapshot(w, group, index, term, SLICE("meta"), &data);
}

static inline void add_mark(struct wal *w, unsigned group, uint64_t index, uint64_t first_kept, bool reset)
{
  wal_append(w, group,
             &(struct wal_batch){.sequence = state_of(w, group).appended + 1,
                                 .snapshot = true,
                                 .reset = reset,
                                 .snapshot_index = index,
                                 .first_kept = first_kept});
}

/* Recovers into a new log; what it reports is in *report. */
static inline struct wal *recover_from(struct disk *d, const struct wal_config *config, int *error, struct buf *report)
{
  struct wal *w = wal_new(config);
  struct wal_reader reader = disk_reader(d);
  buf_clear(report);
  *error = wal_recover(w, &reader, report);
  buf_append_char(report, '\0');
  return w;
}

/* ---- what was written ---- */

struct written {
  unsigned file;
  uint64_t at;
  uint64_t end; /* of its flush */
  bool last;    /* its flush is the last one of the segment */
  struct wal_record record;
};

struct writings {
  struct written *at;
  size_t count;
  size_t cap;
};

static inline void list_segment(const struct disk_file *f, const struct wal_header *h, struct writings *out)
{
  uint32_t seed = wal_header_seed(h->salt);
  struct written w = {.file = f->number, .at = 2 * (uint64_t)h->block_bytes};
  size_t flush = out->count;
  while (w.at + WAL_RECORD_BYTES <= f->bytes.len && wal_record_decode(f->bytes.data + w.at, seed, &w.record)) {
    out->at = memory_grow(out->at, &out->cap, out->count + 1, sizeof *out->at);
    out->at[out->count++] = w;
    w.at += wal_record_size(w.record.len);
    if (w.record.type == WAL_RECORD_END) {
      for (; flush < out->count; flush++) {
        out->at[flush].end = w.at;
      }
    }
  }
  for (size_t i = 0; i < out->count; i++) {
    out->at[i].last = out->at[i].file == f->number ? out->at[i].end == w.at : out->at[i].last;
  }
}

/* All records on a disk, in order. Returns owned memory in out->at. */
static inline void list_records(const struct disk *d, struct writings *out)
{
  *out = (struct writings){0};
  for (size_t i = 0; i < d->count; i++) {
    struct wal_header h;
    if (d->files[i].bytes.len >= WAL_HEADER_BYTES && wal_header_decode(d->files[i].bytes.data, &h)) {
      list_segment(&d->files[i], &h, out);
    }
  }
}

#endif
