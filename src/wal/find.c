/* Which files there are, and which of them are the log.
 *
 * Segments are removed oldest first, and each knows the one before it and where that one ends. So the log is the chain back from the newest
 * segment whose first flush is whole; a file that is missing inside of it, or below which others lie, has been lost. */
#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "wal/recovery.h"

/* What the header at an offset is; *zero: nothing is there. */
static int look(const struct wal_recovery *r, struct wal_found *f, uint64_t at, struct wal_image_header *image, bool *zero)
{
  char bytes[WAL_IMAGE_BYTES] = {0};
  uint64_t left = f->size > at ? f->size - at : 0;
  size_t len = left < sizeof bytes ? (size_t)left : sizeof bytes;
  if (len > 0 && r->reader->read(r->reader->self, f->file, at, bytes, len) != 0) {
    return ERROR_IO;
  }
  *zero = wal_is_zero(bytes, len);
  if (wal_header_decode(bytes, &f->header)) {
    f->kind = WAL_FOUND_SEGMENT;
  } else if (at == 0 && wal_image_decode(bytes, image)) {
    f->kind = WAL_FOUND_IMAGE;
  }
  return 0;
}

/* The second header of a segment whose first one is damaged: in the second block, whatever the size of its blocks is. */
static int look_for_copy(struct wal_recovery *r, struct wal_found *f)
{
  for (uint64_t block = WAL_BLOCK_MIN_BYTES; block <= WAL_BLOCK_MAX_BYTES && block < f->size; block *= 2) {
    struct wal_image_header unused;
    bool zero;
    int error = look(r, f, block, &unused, &zero);
    if (error != 0) {
      return error;
    }
    if (f->kind == WAL_FOUND_SEGMENT && f->header.block_bytes == block) {
      f->copied = true;
      wal_blame_say(r, "segment %u: its header is damaged; the copy is whole", f->file);
      return 0;
    }
    f->kind = WAL_FOUND_DAMAGED;
  }
  return 0;
}

enum {
  BEGINNING_BYTES = 64 << 10 /* where the first flush of a segment would have left something */
};

/* No header: a file that was allocated and not begun, as far as anybody was told, unless there is proof to the contrary. */
static int check_blank(struct wal_recovery *r, struct wal_found *f)
{
  struct wal_window v;
  wal_window_open(&v, r->reader, f->file, f->size);
  size_t len = f->size < BEGINNING_BYTES ? (size_t)f->size : BEGINNING_BYTES;
  const char *bytes = len > 0 ? wal_window_view(&v, 0, len) : "";
  bool proof = false;
  int error = bytes == NULL ? ERROR_IO : 0;
  if (bytes != NULL && !wal_is_zero(bytes, len)) {
    error = wal_scan_lost(&v, &proof);
  }
  wal_window_free(&v);
  f->kind = proof ? WAL_FOUND_DAMAGED : WAL_FOUND_BLANK;
  return error;
}

static int identify(struct wal_recovery *r, struct wal_found *f)
{
  struct wal_image_header image = {0};
  bool zero;
  f->kind = WAL_FOUND_DAMAGED;
  int error = look(r, f, 0, &image, &zero);
  if (error == 0 && f->kind == WAL_FOUND_DAMAGED) {
    error = look_for_copy(r, f);
  }
  if (error == 0 && f->kind == WAL_FOUND_DAMAGED && zero) {
    error = check_blank(r, f);
  }
  if (error != 0 || f->kind == WAL_FOUND_BLANK || f->kind == WAL_FOUND_DAMAGED) {
    return error;
  }
  bool segment = f->kind == WAL_FOUND_SEGMENT;
  uint32_t version = segment ? f->header.version : image.version;
  if (version != WAL_VERSION) {
    wal_blame_say(r, "file %u: version %u is not known", f->file, version);
    return ERROR_MALFORMED;
  }
  if ((segment ? f->header.node : image.node) != r->w->config.node) {
    wal_blame_say(r, "file %u belongs to another node", f->file);
    return ERROR_MALFORMED;
  }
  unsigned named = segment ? f->header.file : image.file;
  return named == f->file ? 0 : wal_blame(r, "file %u was file %u when it was written", f->file, named);
}

int wal_find_files(struct wal_recovery *r)
{
  const struct wal_reader *reader = r->reader;
  unsigned before = 0;
  for (unsigned file = reader->next(reader->self, 0); file != 0; file = reader->next(reader->self, file)) {
    assert(file > before);
    before = file;
    r->files = memory_grow(r->files, &r->cap, r->count + 1, sizeof *r->files);
    struct wal_found *f = &r->files[r->count++];
    *f = (struct wal_found){.file = file, .size = reader->size(reader->self, file)};
    int error = identify(r, f);
    if (error != 0) {
      return error;
    }
  }
  return 0;
}

struct wal_found *wal_find_file(const struct wal_recovery *r, unsigned file)
{
  for (size_t i = 0; i < r->count; i++) {
    if (r->files[i].file == file) {
      return &r->files[i];
    }
  }
  return NULL;
}

/* ---- the chain ---- */

/* Whether the first flush of a segment is whole. 0: *begun says so. */
static int check_first(struct wal_recovery *r, const struct wal_found *f, bool *begun)
{
  struct wal_window v;
  struct wal_segment s = {.file = f->file, .block_bytes = f->header.block_bytes, .seed = wal_header_seed(f->header.salt)};
  uint64_t at = 2 * (uint64_t)s.block_bytes;
  struct wal_damage damage;
  bool proof;
  bool zero;
  uint64_t size = f->size < f->header.size ? f->size : f->header.size;
  *begun = false;
  if (size <= at) {
    return 0;
  }
  wal_window_open(&v, r->reader, f->file, size);
  int error = wal_scan_check(&v, &s, 1, &at, &damage);
  *begun = error == 0;
  if (error == ERROR_CORRUPT) {
    error = wal_scan_ahead(&v, &s, 1, at, &proof, &zero);
    if (error == 0 && proof) {
      error = wal_blame_damage(r, &v, &s, at, &damage, "is damaged");
    }
  }
  wal_window_free(&v);
  return error;
}

/* A segment that was being begun when everything ended: the one before it is the newest, and known to end where this one says. That one
 * cannot have been removed. */
static int step_back(struct wal_recovery *r, const struct wal_found *f, struct wal_found **newest)
{
  wal_blame_say(r, "segment %u was never begun in full: dropped", f->file);
  if (f->header.previous == 0) {
    return 0;
  }
  *newest = wal_find_file(r, f->header.previous);
  r->end = f->header.previous_end;
  return *newest != NULL ? 0 : wal_blame(r, "segment %u is missing: segment %u follows it", f->header.previous, f->file);
}

static int find_newest(struct wal_recovery *r, struct wal_found **newest)
{
  *newest = NULL;
  for (size_t i = r->count; i-- > 0 && *newest == NULL;) {
    struct wal_found *f = &r->files[i];
    if (f->kind != WAL_FOUND_SEGMENT) {
      continue;
    }
    bool begun;
    int error = check_first(r, f, &begun);
    if (error == 0 && begun) {
      *newest = f;
    } else if (error == 0) {
      error = step_back(r, f, newest);
    }
    if (error != 0) {
      return error;
    }
  }
  return 0;
}

int wal_find_chain(struct wal_recovery *r)
{
  struct wal_found *f;
  int error = find_newest(r, &f);
  if (error != 0) {
    return error;
  }
  const struct wal_found *after = NULL;
  while (f != NULL) {
    if (f->kind != WAL_FOUND_SEGMENT) {
      return wal_blame(r, "segment %u: its header and the copy of it are damaged; it was durable", f->file);
    }
    if (after != NULL && f->header.ordinal + 1 != after->header.ordinal) {
      return wal_blame(r, "segment %u is not the one that segment %u follows", f->file, after->file);
    }
    f->used = true;
    r->chain = memory_grow(r->chain, &r->chain_cap, r->chain_count + 1, sizeof(struct wal_found *));
    r->chain[r->chain_count++] = f;
    after = f;
    f = f->header.previous != 0 ? wal_find_file(r, f->header.previous) : NULL;
  }
  for (size_t i = 0; i < r->count && after != NULL && r->files[i].file < after->file; i++) {
    if (r->files[i].kind == WAL_FOUND_SEGMENT) {
      return wal_blame(r, "segment %u is missing: older ones are there, and segment %u follows it", after->header.previous, after->file);
    }
  }
  return 0;
}
