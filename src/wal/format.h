/* The bytes of the log's files: docs/disk-format.md has the layouts and their reasons. All numbers are little endian. */
#ifndef VORTEX_WAL_FORMAT_H
#define VORTEX_WAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define WAL_VERSION          1
#define WAL_BLOCK_MIN_BYTES  512
#define WAL_BLOCK_MAX_BYTES  (1u << 20)
#define WAL_RECORD_BYTES     40  /* the header of a record */
#define WAL_HEADER_BYTES     128 /* of a segment, at the beginning of its first two blocks */
#define WAL_IMAGE_BYTES      512 /* the header of a snapshot */
#define WAL_MARK_BYTES       24
#define WAL_CHECKPOINT_BYTES 48

/* ---- records ---- */

enum wal_record_type {
  WAL_RECORD_GROUP = 1,  /* body: the name of the group */
  WAL_RECORD_ENTRY,      /* index, term, entry_type; body: its bytes */
  WAL_RECORD_HARD,       /* term, and the vote as index */
  WAL_RECORD_TRUNCATE,   /* entries from index on are gone */
  WAL_RECORD_MARK,       /* index and term of the snapshot that the log begins with; body: struct wal_mark */
  WAL_RECORD_CHECKPOINT, /* what a group is as a segment begins; body: struct wal_checkpoint */
  WAL_RECORD_END,        /* of a flush. index: its records, this one included; len: zeroes up to the next block */
};

struct wal_record {
  uint32_t body_crc;
  uint32_t len; /* of the body, which is padded with zeroes to a multiple of eight */
  uint8_t type;
  uint8_t entry_type;
  uint16_t group;
  uint32_t flush;   /* the flush of the segment it belongs to, from 1 */
  uint32_t durable; /* the newest flush of the segment that was durable when this one was begun */
  uint64_t index;
  uint64_t term;
};

/* Bytes of a record whose body has `len` bytes. */
static inline size_t wal_record_size(size_t len)
{
  return WAL_RECORD_BYTES + ((len + 7) & ~(size_t)7);
}

/* Appends a record with its body and padding; r->body_crc and r->len are worked out. Its flush and checksum come with wal_record_seal. */
void wal_record_append(struct buf *out, const struct wal_record *r, struct slice body);

/* Appends the record that ends a flush of so many records, itself included, and zeroes behind it. */
void wal_record_append_end(struct buf *out, size_t records, size_t padding);

/* Completes the records in a range; seed: that of the segment. */
void wal_record_seal(char *bytes, size_t len, uint32_t seed, uint32_t flush, uint32_t durable);

/* False: the checksum says it is none, or none of this segment. Reads WAL_RECORD_BYTES. */
bool wal_record_decode(const char *bytes, uint32_t seed, struct wal_record *out);

/* What the seed adds to the checksum of a header: the same for all records of a segment (the checksum is linear). So whether two records
 * belong together can be told without the seed. *r is decoded, unchecked. */
uint32_t wal_record_trace(const char *bytes, struct wal_record *r);

/* Bodies, in place. Encoders write, and decoders read, exactly the number of bytes named above. */
struct wal_mark {
  unsigned file;
  bool reset;
  uint64_t first_kept;
  uint64_t first_prev_term;
};
void wal_mark_encode(char *out, const struct wal_mark *mark);
void wal_mark_decode(const char *bytes, struct wal_mark *out);

struct wal_checkpoint {
  uint64_t first; /* first kept entry; the record's index is the first one that follows in this segment, its term the one before `first` */
  uint64_t term;
  uint64_t vote;
  uint64_t snapshot_index;
  uint64_t snapshot_term;
  unsigned snapshot_file;
};
void wal_checkpoint_encode(char *out, const struct wal_checkpoint *c);
void wal_checkpoint_decode(const char *bytes, struct wal_checkpoint *out);

/* ---- files ---- */

struct wal_header {
  uint32_t version;
  size_t block_bytes;
  uint64_t node;
  uint64_t salt;
  uint64_t size; /* of the segment */
  unsigned file;
  unsigned previous;     /* file of the segment before; 0 = none */
  uint64_t previous_end; /* where its last flush ends */
  uint64_t ordinal;      /* which segment of the log this is, from 1 */
};

/* Writes WAL_HEADER_BYTES. */
void wal_header_encode(char *out, const struct wal_header *h);

/* False: not the header of a segment, or damaged. All but version and node of a header of another version is unspecified. */
bool wal_header_decode(const char *bytes, struct wal_header *out);

/* What checksums of record headers in a segment start from. */
uint32_t wal_header_seed(uint64_t salt);

struct wal_image_header {
  uint32_t version;
  uint64_t node;
  unsigned file;
  uint64_t index;
  uint64_t term;
  uint64_t meta_len;
  uint64_t data_len;
  uint32_t meta_crc;
  uint32_t data_crc;
  struct slice name; /* of the group; decoded: points into the bytes */
};

/* Writes WAL_IMAGE_BYTES. */
void wal_image_encode(char *out, const struct wal_image_header *h);
bool wal_image_decode(const char *bytes, struct wal_image_header *out);

/* Whether all bytes of a range are zero. */
bool wal_is_zero(const char *bytes, size_t len);

#endif
