/* Flushes: what is pending becomes bytes for the disk. */
#include "base/assert.h"
#include "base/memory.h"
#include "base/mix.h"
#include "wal/internal.h"

static size_t round_up(size_t n, size_t to)
{
  return (n + to - 1) / to * to;
}

static size_t item_size(const struct wal_group *g, uint64_t index)
{
  return wal_record_size(wal_ring_at(&g->ring, index)->size);
}

/* ---- in the open segment ---- */

/* Terms and votes are small, rare, and a lost one is a second vote: a flush of more than a block has them again at its end. */
static size_t copies_size(const struct wal *w, size_t block)
{
  return w->pending.len + WAL_RECORD_BYTES > block ? w->hard_count * WAL_RECORD_BYTES : 0;
}

size_t wal_flush_size(const struct wal *w)
{
  size_t block = w->segments[w->segment_count - 1].block_bytes;
  return round_up(w->pending.len + copies_size(w, block) + WAL_RECORD_BYTES, block);
}

static void append_hard(struct wal *w, const struct wal_group *g)
{
  struct wal_record r = {.type = WAL_RECORD_HARD, .group = (uint16_t)g->number, .index = g->vote, .term = g->term};
  wal_record_append(&w->writing, &r, slice_of(NULL, 0));
  w->writing_records++;
}

/* The last record, and zeroes up to the next block: then the checksums. `from`: where the records begin. */
static void finish(struct wal *w, const struct wal_segment *s, size_t from)
{
  w->writing_records++;
  size_t size = w->writing.len + WAL_RECORD_BYTES;
  wal_record_append_end(&w->writing, w->writing_records, round_up(size, s->block_bytes) - size);
  wal_record_seal(w->writing.data + from, w->writing.len - from, s->seed, s->flush + 1, s->flush);
}

/* All that is pending is in the flush now. */
static void take_pending(struct wal *w)
{
  struct wal_group **dirty = w->dirty;
  w->dirty = w->flying;
  w->flying = dirty;
  w->flying_count = w->dirty_count;
  w->dirty_count = 0;
  w->hard_count = 0;
  for (size_t i = 0; i < w->flying_count; i++) {
    struct wal_group *g = w->flying[i];
    g->flying = g->appended;
    g->dirty = false;
    g->hard_dirty = false;
  }
  w->pending_records = 0;
  struct wal_files none = w->buried;
  assert(none.count == 0);
  w->buried = w->dead;
  w->dead = none;
}

/* The oldest segment that holds an entry that is kept, as of what has been built. */
static unsigned oldest_needed(const struct wal *w)
{
  unsigned oldest = w->segments[w->segment_count - 1].file;
  for (size_t i = 0; w->segment_count > 1 && i < w->group_count; i++) {
    const struct wal_group *g = w->groups[i];
    if (g->run_count > 0 && g->runs[0].file < oldest) {
      oldest = g->runs[0].file;
    }
  }
  return oldest;
}

void wal_flush_build(struct wal *w)
{
  const struct wal_segment *s = &w->segments[w->segment_count - 1];
  bool copies = copies_size(w, s->block_bytes) > 0;
  struct buf empty = w->writing;
  buf_clear(&empty);
  w->writing = w->pending;
  w->pending = empty;
  w->writing_records = w->pending_records;
  for (size_t i = 0; i < w->dirty_count; i++) {
    struct wal_group *g = w->dirty[i];
    if (copies && g->hard_dirty) {
      append_hard(w, g);
    }
    if (wal_ring_last(&g->ring) > g->written) {
      wal_group_run(g, s->file, g->written + 1);
      g->written = wal_ring_last(&g->ring);
    }
  }
  finish(w, s, 0);
  take_pending(w);
  w->needed = oldest_needed(w);
}

/* ---- at the beginning of a segment ---- */

/* A group of which little is kept, and some of it in the oldest segment, is written again as a whole: one that is at rest must not hold on
 * to segments for ever. This much of a segment may go into it. */
static size_t carry_budget(const struct wal *w)
{
  return w->config.segment_bytes / 8;
}

static void choose_carried(struct wal *w)
{
  size_t left = carry_budget(w);
  for (size_t i = 0; i < w->announced; i++) {
    struct wal_group *g = w->groups[i];
    size_t most = g->ring.bytes + g->ring.count * wal_record_size(7);
    g->carried = g->run_count > 0 && g->runs[0].file == w->segments[0].file && most <= left;
    left -= g->carried ? most : 0;
  }
}

/* The first entry of a group that the checkpoint has. */
static uint64_t checkpoint_from(const struct wal_group *g)
{
  return g->carried ? g->ring.start : g->written + 1;
}

size_t wal_flush_roll_size(struct wal *w)
{
  choose_carried(w);
  size_t size = 2 * w->config.block_bytes + WAL_RECORD_BYTES;
  for (size_t i = 0; i < w->announced; i++) {
    const struct wal_group *g = w->groups[i];
    size += wal_record_size(g->name.len) + wal_record_size(WAL_CHECKPOINT_BYTES);
    for (uint64_t at = checkpoint_from(g); at <= wal_ring_last(&g->ring); at++) {
      size += item_size(g, at);
    }
  }
  return round_up(size, w->config.block_bytes);
}

static void append_checkpoint(struct wal *w, struct wal_group *g, unsigned file)
{
  uint64_t from = checkpoint_from(g);
  struct wal_record r = {.type = WAL_RECORD_GROUP, .group = (uint16_t)g->number};
  wal_record_append(&w->writing, &r, g->name);

  struct wal_checkpoint c = {.first = g->ring.start, .term = g->term, .vote = g->vote};
  if (g->snapshot != NULL) {
    c.snapshot_index = g->snapshot->index;
    c.snapshot_term = g->snapshot->term;
    c.snapshot_file = g->snapshot->file;
  }
  char body[WAL_CHECKPOINT_BYTES];
  wal_checkpoint_encode(body, &c);
  r.type = WAL_RECORD_CHECKPOINT;
  r.index = from;
  r.term = g->first_prev_term;
  wal_record_append(&w->writing, &r, slice_of(body, sizeof body));
  w->writing_records += 2;

  uint64_t last = wal_ring_last(&g->ring);
  for (uint64_t i = from; i <= last; i++) {
    const struct wal_item *item = wal_ring_at(&g->ring, i);
    r = (struct wal_record){
        .type = WAL_RECORD_ENTRY,
        .entry_type = item->type,
        .group = (uint16_t)g->number,
        .index = i,
        .term = item->term,
    };
    wal_record_append(&w->writing, &r, slice_of(item->bytes, item->size));
    w->writing_records++;
  }
  if (g->carried) {
    g->run_count = 0;
  }
  if (last >= from) {
    wal_group_run(g, file, from);
    g->written = last;
  }
}

/* The spare becomes the open segment. */
static struct wal_segment *open_spare(struct wal *w, struct wal_header *header)
{
  const struct wal_segment *before = w->segment_count > 0 ? &w->segments[w->segment_count - 1] : NULL;
  *header = (struct wal_header){
      .block_bytes = w->config.block_bytes,
      .node = w->config.node,
      .salt = mix_pair(w->config.salt, w->spare),
      .size = w->spare_size,
      .file = w->spare,
      .previous = before != NULL ? before->file : 0,
      .previous_end = before != NULL ? before->end : 0,
      .ordinal = before != NULL ? before->ordinal + 1 : 1,
  };
  struct wal_segment segment = {
      .file = w->spare,
      .ordinal = header->ordinal,
      .size = w->spare_size,
      .block_bytes = w->config.block_bytes,
      .seed = wal_header_seed(header->salt),
  };
  w->spare = 0;
  w->open = true;
  return wal_segment_add(w, &segment);
}

void wal_flush_roll(struct wal *w)
{
  struct wal_header header;
  struct wal_segment *s = open_spare(w, &header);
  size_t block = s->block_bytes;
  buf_clear(&w->writing);
  memset(buf_reserve(&w->writing, 2 * block), 0, 2 * block);
  w->writing.len = 2 * block;
  wal_header_encode(w->writing.data, &header);
  wal_header_encode(w->writing.data + block, &header);
  w->writing_records = 0;
  for (size_t i = 0; i < w->announced; i++) {
    append_checkpoint(w, w->groups[i], s->file);
  }
  finish(w, s, 2 * block);
  buf_clear(&w->pending); /* the checkpoint has it */
  take_pending(w);
  w->needed = oldest_needed(w);
}

/* ---- afterwards ---- */

void wal_flush_durable(struct wal *w)
{
  struct wal_segment *s = &w->segments[w->segment_count - 1];
  s->end += w->writing.len;
  s->flush++;
  w->stats.flushes++;
  w->stats.records += w->writing_records;
  for (size_t i = 0; i < w->flying_count; i++) {
    w->flying[i]->durable = w->flying[i]->flying;
  }
  w->flying_count = 0;
  for (size_t i = 0; i < w->buried.count; i++) {
    wal_remove_file(w, w->buried.at[i], true);
  }
  w->buried.count = 0;
  size_t gone = 0;
  while (w->segments[gone].file < w->needed) {
    wal_remove_file(w, w->segments[gone++].file, true);
  }
  if (gone > 0) {
    w->segment_count -= gone;
    memmove(w->segments, w->segments + gone, w->segment_count * sizeof *w->segments);
  }
  w->stats.segments = w->segment_count;
}
