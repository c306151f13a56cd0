#include "wal/scan.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"

enum {
  WINDOW_BYTES = 1 << 20
};

void wal_window_open(struct wal_window *v, const struct wal_reader *reader, unsigned file, uint64_t size)
{
  *v = (struct wal_window){.reader = reader, .file = file, .size = size};
}

void wal_window_free(struct wal_window *v)
{
  buf_free(&v->bytes);
}

const char *wal_window_view(struct wal_window *v, uint64_t at, size_t len)
{
  assert(at <= v->size && len <= v->size - at);
  if (at < v->at || at + len > v->at + v->bytes.len) {
    uint64_t left = v->size - at;
    size_t want = len > WINDOW_BYTES ? len : left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
    buf_clear(&v->bytes);
    if (v->reader->read(v->reader->self, v->file, at, buf_reserve(&v->bytes, want), want) != 0) {
      return NULL;
    }
    v->bytes.len = want;
    v->at = at;
  }
  return v->bytes.data + (at - v->at);
}

/* The record at an offset. 0; ERROR_CORRUPT: there is none, but *named says whether its header is whole; ERROR_IO. */
static int read_record(struct wal_window *v, uint32_t seed, uint64_t at, bool *named, struct wal_record *r, struct slice *body)
{
  *named = false;
  if (v->size - at < WAL_RECORD_BYTES) {
    return ERROR_CORRUPT;
  }
  const char *bytes = wal_window_view(v, at, WAL_RECORD_BYTES);
  if (bytes == NULL) {
    return ERROR_IO;
  }
  if (!wal_record_decode(bytes, seed, r)) {
    return ERROR_CORRUPT;
  }
  *named = true;
  size_t size = wal_record_size(r->len);
  if (v->size - at < size) {
    return ERROR_CORRUPT;
  }
  if (r->type == WAL_RECORD_END) {
    *body = slice_of(NULL, 0); /* zeroes that nobody needs */
    return 0;
  }
  bytes = wal_window_view(v, at, size);
  if (bytes == NULL) {
    return ERROR_IO;
  }
  *body = slice_of(bytes + WAL_RECORD_BYTES, r->len);
  return crc32c_extend(0, body->ptr, body->len) == r->body_crc ? 0 : ERROR_CORRUPT;
}

int wal_scan_check(struct wal_window *v, const struct wal_segment *s, uint32_t flush, uint64_t *at, struct wal_damage *damage)
{
  *damage = (struct wal_damage){.at = *at};
  for (uint64_t records = 1;; records++) {
    struct wal_record r = {0};
    struct slice body = {0};
    int error = read_record(v, s->seed, damage->at, &damage->named, &r, &body);
    damage->record = r;
    if (error != 0) {
      return error;
    }
    if (r.flush != flush) {
      damage->named = false; /* whole, but of another time */
      return ERROR_CORRUPT;
    }
    uint64_t end = damage->at + wal_record_size(r.len);
    if (r.type == WAL_RECORD_END) {
      if (r.index != records || end % s->block_bytes != 0 || r.len >= s->block_bytes) {
        return ERROR_CORRUPT;
      }
      *at = end;
      return 0;
    }
    damage->follows = true;
    damage->before = r;
    damage->at = end;
  }
}

int wal_scan_replay(struct wal_window *v, const struct wal_segment *s, uint64_t at, wal_record_fn fn, void *arg, struct wal_damage *damage)
{
  *damage = (struct wal_damage){.at = at};
  for (;;) {
    struct slice body;
    int error = read_record(v, s->seed, damage->at, &damage->named, &damage->record, &body);
    if (error != 0) {
      return error;
    }
    if (damage->record.type == WAL_RECORD_END) {
      return 0;
    }
    if (!fn(arg, &damage->record, body)) {
      return ERROR_CORRUPT;
    }
    damage->at += wal_record_size(damage->record.len);
  }
}

int wal_scan_ahead(struct wal_window *v, const struct wal_segment *s, uint32_t flush, uint64_t at, bool *proof, bool *zero)
{
  *proof = false;
  *zero = true;
  for (uint64_t from = at; at < v->size && !*proof; at += s->block_bytes) {
    uint64_t left = v->size - at;
    size_t len = left < s->block_bytes ? (size_t)left : s->block_bytes;
    const char *bytes = wal_window_view(v, at, len);
    if (bytes == NULL) {
      return ERROR_IO;
    }
    if (wal_is_zero(bytes, len)) {
      continue;
    }
    *zero = false;
    struct wal_record r;
    *proof = at > from && len >= WAL_RECORD_BYTES && wal_record_decode(bytes, s->seed, &r) && r.durable >= flush;
  }
  return 0;
}

int wal_scan_lost(struct wal_window *v, bool *proof)
{
  *proof = false;
  for (uint64_t at = 0; v->size - at >= WAL_RECORD_BYTES && !*proof; at += WAL_BLOCK_MIN_BYTES) {
    const char *bytes = wal_window_view(v, at, WAL_RECORD_BYTES);
    if (bytes == NULL) {
      return ERROR_IO;
    }
    struct wal_record first;
    struct wal_record second;
    uint32_t trace = wal_record_trace(bytes, &first);
    uint64_t next = at + wal_record_size(first.len);
    if (first.durable > 0 && first.type > 0 && first.type < WAL_RECORD_END && next + WAL_RECORD_BYTES <= v->size) {
      bytes = wal_window_view(v, next, WAL_RECORD_BYTES);
      if (bytes == NULL) {
        return ERROR_IO;
      }
      *proof = wal_record_trace(bytes, &second) == trace && second.flush == first.flush && second.durable == first.durable;
    }
    if (v->size - at <= WAL_BLOCK_MIN_BYTES) {
      break;
    }
  }
  return 0;
}
