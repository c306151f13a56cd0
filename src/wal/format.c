#include "wal/format.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "wal/wal.h"

static const char segment_magic[8] = {'V', 'T', 'X', '-', 'L', 'O', 'G', '\n'};
static const char image_magic[8] = {'V', 'T', 'X', '-', 'S', 'N', 'P', '\n'};

static void put16(char *p, uint16_t x)
{
  p[0] = (char)x;
  p[1] = (char)(x >> 8);
}

static void put32(char *p, uint32_t x)
{
  for (int i = 0; i < 4; i++) {
    p[i] = (char)(x >> 8 * i);
  }
}

static void put64(char *p, uint64_t x)
{
  for (int i = 0; i < 8; i++) {
    p[i] = (char)(x >> 8 * i);
  }
}

static uint16_t get16(const char *p)
{
  return (uint16_t)((unsigned char)p[0] | (unsigned char)p[1] << 8);
}

static uint32_t get32(const char *p)
{
  uint32_t x = 0;
  for (int i = 3; i >= 0; i--) {
    x = x << 8 | (unsigned char)p[i];
  }
  return x;
}

static uint64_t get64(const char *p)
{
  return (uint64_t)get32(p + 4) << 32 | get32(p);
}

/* ---- records ---- */

/* All of a header that does not depend on the flush. */
static void put_record(char *p, const struct wal_record *r, uint32_t body_crc, size_t len)
{
  put32(p + 4, body_crc);
  put32(p + 8, (uint32_t)len);
  p[12] = (char)r->type;
  p[13] = (char)r->entry_type;
  put16(p + 14, r->group);
  put64(p + 24, r->index);
  put64(p + 32, r->term);
}

void wal_record_append(struct buf *out, const struct wal_record *r, struct slice body)
{
  size_t size = wal_record_size(body.len);
  char *p = buf_reserve(out, size);
  put_record(p, r, crc32c_extend(0, body.ptr, body.len), body.len);
  if (body.len > 0) {
    memset(p + size - 8, 0, 8);
    memcpy(p + WAL_RECORD_BYTES, body.ptr, body.len);
  }
  out->len += size;
}

void wal_record_append_end(struct buf *out, size_t records, size_t padding)
{
  assert(padding % 8 == 0);
  char *p = buf_reserve(out, WAL_RECORD_BYTES + padding);
  struct wal_record r = {.type = WAL_RECORD_END, .index = records};
  put_record(p, &r, 0, padding);
  memset(p + WAL_RECORD_BYTES, 0, padding);
  out->len += WAL_RECORD_BYTES + padding;
}

void wal_record_seal(char *bytes, size_t len, uint32_t seed, uint32_t flush, uint32_t durable)
{
  for (size_t at = 0; at < len;) {
    char *p = bytes + at;
    put32(p + 16, flush);
    put32(p + 20, durable);
    put32(p, crc32c_extend(seed, p + 4, WAL_RECORD_BYTES - 4));
    at += wal_record_size(get32(p + 8));
  }
}

static void get_record(const char *bytes, struct wal_record *out)
{
  *out = (struct wal_record){
      .body_crc = get32(bytes + 4),
      .len = get32(bytes + 8),
      .type = (uint8_t)bytes[12],
      .entry_type = (uint8_t)bytes[13],
      .group = get16(bytes + 14),
      .flush = get32(bytes + 16),
      .durable = get32(bytes + 20),
      .index = get64(bytes + 24),
      .term = get64(bytes + 32),
  };
}

bool wal_record_decode(const char *bytes, uint32_t seed, struct wal_record *out)
{
  if (get32(bytes) != crc32c_extend(seed, bytes + 4, WAL_RECORD_BYTES - 4)) {
    return false;
  }
  get_record(bytes, out);
  return true;
}

uint32_t wal_record_trace(const char *bytes, struct wal_record *r)
{
  get_record(bytes, r);
  return get32(bytes) ^ crc32c_extend(0, bytes + 4, WAL_RECORD_BYTES - 4);
}

void wal_mark_encode(char *out, const struct wal_mark *mark)
{
  put32(out, mark->file);
  put32(out + 4, mark->reset);
  put64(out + 8, mark->first_kept);
  put64(out + 16, mark->first_prev_term);
}

void wal_mark_decode(const char *bytes, struct wal_mark *out)
{
  out->file = get32(bytes);
  out->reset = get32(bytes + 4) != 0;
  out->first_kept = get64(bytes + 8);
  out->first_prev_term = get64(bytes + 16);
}

void wal_checkpoint_encode(char *out, const struct wal_checkpoint *c)
{
  put64(out, c->first);
  put64(out + 8, c->term);
  put64(out + 16, c->vote);
  put64(out + 24, c->snapshot_index);
  put64(out + 32, c->snapshot_term);
  put32(out + 40, c->snapshot_file);
  put32(out + 44, 0);
}

void wal_checkpoint_decode(const char *bytes, struct wal_checkpoint *out)
{
  out->first = get64(bytes);
  out->term = get64(bytes + 8);
  out->vote = get64(bytes + 16);
  out->snapshot_index = get64(bytes + 24);
  out->snapshot_term = get64(bytes + 32);
  out->snapshot_file = get32(bytes + 40);
}

/* ---- files ---- */

void wal_header_encode(char *out, const struct wal_header *h)
{
  memset(out, 0, WAL_HEADER_BYTES);
  memcpy(out, segment_magic, sizeof segment_magic);
  put32(out + 8, WAL_VERSION);
  put32(out + 12, (uint32_t)h->block_bytes);
  put64(out + 16, h->node);
  put64(out + 24, h->salt);
  put64(out + 32, h->size);
  put32(out + 40, h->file);
  put32(out + 44, h->previous);
  put64(out + 48, h->previous_end);
  put64(out + 56, h->ordinal);
  put32(out + WAL_HEADER_BYTES - 4, crc32c_extend(0, out, WAL_HEADER_BYTES - 4));
}

bool wal_header_decode(const char *bytes, struct wal_header *out)
{
  if (memcmp(bytes, segment_magic, sizeof segment_magic) != 0 ||
      get32(bytes + WAL_HEADER_BYTES - 4) != crc32c_extend(0, bytes, WAL_HEADER_BYTES - 4)) {
    return false;
  }
  *out = (struct wal_header){
      .version = get32(bytes + 8),
      .block_bytes = get32(bytes + 12),
      .node = get64(bytes + 16),
      .salt = get64(bytes + 24),
      .size = get64(bytes + 32),
      .file = get32(bytes + 40),
      .previous = get32(bytes + 44),
      .previous_end = get64(bytes + 48),
      .ordinal = get64(bytes + 56),
  };
  return out->version != WAL_VERSION || (out->block_bytes >= WAL_BLOCK_MIN_BYTES && out->block_bytes <= WAL_BLOCK_MAX_BYTES &&
                                         (out->block_bytes & (out->block_bytes - 1)) == 0 && out->previous < out->file &&
                                         (out->previous == 0) == (out->previous_end == 0));
}

uint32_t wal_header_seed(uint64_t salt)
{
  char bytes[8];
  put64(bytes, salt);
  return crc32c_extend(0, bytes, sizeof bytes);
}

void wal_image_encode(char *out, const struct wal_image_header *h)
{
  assert(h->name.len <= WAL_NAME_MAX_BYTES);
  memset(out, 0, WAL_IMAGE_BYTES);
  memcpy(out, image_magic, sizeof image_magic);
  put32(out + 8, WAL_VERSION);
  put32(out + 12, (uint32_t)h->name.len);
  put64(out + 16, h->node);
  put64(out + 24, h->index);
  put64(out + 32, h->term);
  put64(out + 40, h->meta_len);
  put64(out + 48, h->data_len);
  put32(out + 56, h->meta_crc);
  put32(out + 60, h->data_crc);
  put32(out + 64, h->file);
  memcpy(out + 128, h->name.ptr, h->name.len);
  put32(out + WAL_IMAGE_BYTES - 4, crc32c_extend(0, out, WAL_IMAGE_BYTES - 4));
}

bool wal_image_decode(const char *bytes, struct wal_image_header *out)
{
  if (memcmp(bytes, image_magic, sizeof image_magic) != 0 ||
      get32(bytes + WAL_IMAGE_BYTES - 4) != crc32c_extend(0, bytes, WAL_IMAGE_BYTES - 4)) {
    return false;
  }
  *out = (struct wal_image_header){
      .version = get32(bytes + 8),
      .node = get64(bytes + 16),
      .index = get64(bytes + 24),
      .term = get64(bytes + 32),
      .meta_len = get64(bytes + 40),
      .data_len = get64(bytes + 48),
      .meta_crc = get32(bytes + 56),
      .data_crc = get32(bytes + 60),
      .file = get32(bytes + 64),
  };
  uint32_t name_len = get32(bytes + 12);
  out->name = slice_of(bytes + 128, name_len);
  return out->version != WAL_VERSION || (name_len > 0 && name_len <= WAL_NAME_MAX_BYTES);
}

bool wal_is_zero(const char *bytes, size_t len)
{
  return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}
