/* Recovery of any disk: it ends, reads nothing that is not there, and either says why not, or gives a log that goes on and that a second
 * recovery finds as it was.
 *
 * The input is a disk as it is (first byte even), or describes one whose checksums are right and whose content need not make sense. */
#include <string.h>

#include "../wal/disk.h"
#include "check.h"
#include "wal/format.h"

enum {
  BLOCK_BYTES = 512,
  SEGMENT_BYTES = 16 * BLOCK_BYTES,
  FILES_MAX = 6,
};

struct cursor {
  const uint8_t *at;
  size_t left;
};

static uint8_t byte(struct cursor *c)
{
  if (c->left == 0) {
    return 0;
  }
  c->left--;
  return *c->at++;
}

/* Mostly a small number. */
static uint64_t number(struct cursor *c)
{
  uint8_t x = byte(c);
  if (x < 250) {
    return x % 50;
  }
  uint64_t wide = 0;
  for (int i = 0; i < 8; i++) {
    wide = wide << 8 | byte(c);
  }
  return wide;
}

static struct buf *new_file(struct disk *d, unsigned number, size_t size)
{
  struct buf *b = &disk_create(d, number)->bytes;
  if (size > 0) {
    memset(buf_reserve(b, size), 0, size);
  }
  b->len = size;
  return b;
}

static void add_record(struct buf *out, struct cursor *c)
{
  struct wal_record r = {
      .type = byte(c) % 8,
      .entry_type = byte(c),
      .group = (uint16_t)(byte(c) % 4),
      .index = number(c),
      .term = number(c),
  };
  char body[300] = {0};
  size_t len = byte(c);
  if (r.type == WAL_RECORD_MARK && len % 8 != 0) {
    len = WAL_MARK_BYTES;
    wal_mark_encode(body,
                    &(struct wal_mark){.file = byte(c), .reset = byte(c) % 3 == 0, .first_kept = number(c), .first_prev_term = number(c)});
  } else if (r.type == WAL_RECORD_CHECKPOINT && len % 8 != 0) {
    len = WAL_CHECKPOINT_BYTES;
    wal_checkpoint_encode(body, &(struct wal_checkpoint){.first = number(c),
                                                         .term = number(c),
                                                         .vote = number(c),
                                                         .snapshot_index = number(c),
                                                         .snapshot_term = number(c),
                                                         .snapshot_file = byte(c)});
  } else if (r.type == WAL_RECORD_GROUP && len % 8 != 0) {
    len = 1;
    body[0] = (char)('a' + r.group);
  } else {
    for (size_t i = 0; i < len && i < 8; i++) {
      body[i] = (char)byte(c);
    }
  }
  wal_record_append(out, &r, slice_of(body, len));
}

static void add_flush(struct buf *segment, uint64_t *at, uint32_t seed, uint32_t flush, struct cursor *c)
{
  struct buf records = {0};
  size_t count = byte(c) % 12;
  for (size_t i = 0; i < count; i++) {
    add_record(&records, c);
  }
  size_t size = (records.len + WAL_RECORD_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
  wal_record_append_end(&records, count + 1, size - records.len - WAL_RECORD_BYTES);
  wal_record_seal(records.data, records.len, seed, flush, byte(c) % 16 == 0 ? byte(c) : flush - 1);
  if (*at + records.len <= segment->len) {
    memcpy(segment->data + *at, records.data, records.len);
    *at += records.len;
  }
  buf_free(&records);
}

static void add_segment(struct disk *d, unsigned file, unsigned *previous, uint64_t *previous_end, uint64_t *ordinal, struct cursor *c)
{
  uint8_t odd = byte(c);
  struct buf *b = new_file(d, file, SEGMENT_BYTES);
  struct wal_header h = {
      .block_bytes = BLOCK_BYTES,
      .node = 1,
      .salt = file,
      .size = odd == 1 ? number(c) : SEGMENT_BYTES,
      .file = file,
      .previous = odd == 2 ? byte(c) : *previous,
      .previous_end = odd == 3 ? number(c) : *previous_end,
      .ordinal = odd == 4 ? number(c) : ++*ordinal,
  };
  wal_header_encode(b->data, &h);
  wal_header_encode(b->data + BLOCK_BYTES, &h);
  uint64_t at = 2 * (uint64_t)BLOCK_BYTES;
  uint32_t flushes = byte(c) % 5;
  for (uint32_t i = 1; i <= flushes; i++) {
    add_flush(b, &at, wal_header_seed(h.salt), i, c);
  }
  *previous = file;
  *previous_end = at;
}

static void add_image(struct disk *d, unsigned file, struct cursor *c)
{
  char name = (char)('a' + byte(c) % 4);
  struct wal_image_header h = {
      .node = 1,
      .file = file,
      .index = number(c),
      .term = number(c),
      .meta_len = number(c),
      .data_len = number(c),
      .name = slice_of(&name, 1),
  };
  struct buf *b = new_file(d, file, WAL_IMAGE_BYTES + byte(c));
  wal_image_encode(b->data, &h);
}

static void describe(struct disk *d, struct cursor *c)
{
  unsigned previous = 0;
  uint64_t previous_end = 0;
  uint64_t ordinal = 0;
  unsigned files = 1 + byte(c) % FILES_MAX;
  for (unsigned file = 1; file <= files; file++) {
    uint8_t kind = byte(c) % 8;
    if (kind < 5) {
      add_segment(d, file, &previous, &previous_end, &ordinal, c);
    } else if (kind < 7) {
      add_image(d, file, c);
    } else {
      new_file(d, file, byte(c) * 16);
    }
  }
  for (size_t flips = byte(c) % 4; flips > 0; flips--) {
    struct buf *b = &d->files[byte(c) % d->count].bytes;
    size_t at = (size_t)byte(c) << 8 | byte(c);
    if (at < b->len) {
      b->data[at] = (char)(b->data[at] ^ byte(c));
    }
  }
}

static void as_it_is(struct disk *d, struct cursor *c)
{
  for (unsigned file = 1; file <= FILES_MAX && c->left > 2; file++) {
    size_t len = (size_t)byte(c) << 8 | byte(c);
    len = len < c->left ? len : c->left;
    buf_append(&disk_create(d, file)->bytes, c->at, len);
    c->at += len;
    c->left -= len;
  }
}

static struct wal *recover(struct disk *d, int *error)
{
  struct wal_config config = {.node = 1, .salt = 5, .segment_bytes = SEGMENT_BYTES, .block_bytes = BLOCK_BYTES, .sync = true};
  struct wal *w = wal_new(&config);
  struct buf report = {0};
  struct wal_reader reader = disk_reader(d);
  *error = wal_recover(w, &reader, &report);
  CHECK(*error == 0 || (report.len > 0 && report.data[report.len - 1] == '\n' && wal_failed(w) == *error));
  buf_free(&report);
  return w;
}

/* The groups of a log, all that there is of them, as bytes. */
static void print_log(struct wal *w, const struct disk *d, struct buf *out)
{
  for (char name = 'a'; name <= 'f'; name++) {
    unsigned group = wal_group(w, slice_of(&name, 1));
    struct wal_group_state s;
    wal_state(w, group, &s);
    CHECK(s.bytes <= disk_used(d));
    uint64_t fields[] = {s.term, s.vote, s.first, s.last, s.first_prev_term, s.snapshot_index, s.snapshot_term, s.bytes};
    buf_append(out, fields, sizeof fields);
    buf_append_slice(out, s.snapshot_meta);
    buf_append_slice(out, s.snapshot_data);
    for (uint64_t i = s.first; i <= s.last; i++) {
      struct wal_entry e;
      CHECK(wal_entry(w, group, i, &e));
      buf_append(out, &e.term, sizeof e.term);
      buf_append(out, &e.type, 1);
      buf_append_slice(out, e.bytes);
    }
  }
}

static void go_on(struct wal *w, struct disk *d, struct cursor *c)
{
  for (int i = 0; i < 3; i++) {
    char name = (char)('a' + byte(c) % 6);
    unsigned group = wal_group(w, slice_of(&name, 1));
    struct wal_group_state s;
    wal_state(w, group, &s);
    struct wal_entry entry = {.term = 3, .type = 1, .bytes = SLICE("some bytes")};
    struct wal_batch batch = {
        .sequence = s.appended + 1, .hard = true, .term = 4, .vote = 1, .first = s.last + 1, .count = 1, .entries = &entry};
    if (s.last > s.snapshot_index && byte(c) % 2 == 0) {
      batch.truncate_from = s.last;
      batch.first = s.last;
    }
    wal_append(w, group, &batch);
    disk_run(d, w);
  }
  CHECK(wal_failed(w) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct cursor c = {.at = data, .left = size};
  struct disk d = {.forgets = true};
  if (byte(&c) % 2 == 0) {
    as_it_is(&d, &c);
  } else {
    describe(&d, &c);
  }
  int error;
  struct wal *w = recover(&d, &error);
  if (error == 0) {
    struct buf before = {0};
    struct buf after = {0};
    print_log(w, &d, &before);
    wal_free(w);
    w = recover(&d, &error);
    CHECK(error == 0);
    print_log(w, &d, &after);
    CHECK(slice_equal(buf_slice(&before), buf_slice(&after)));
    go_on(w, &d, &c);
    buf_clear(&before);
    buf_clear(&after);
    print_log(w, &d, &before);
    wal_free(w);
    w = recover(&d, &error);
    CHECK(error == 0);
    print_log(w, &d, &after);
    CHECK(slice_equal(buf_slice(&before), buf_slice(&after)));
    buf_free(&before);
    buf_free(&after);
  }
  wal_free(w);
  disk_free(&d);
  return 0;
}
