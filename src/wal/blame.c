/* What recovery tells a person. */
#include <inttypes.h>

#include "base/error.h"
#include "wal/recovery.h"
#include "wal/replay.h"

void wal_blame_say(struct wal_recovery *r, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  buf_vprintf(r->report, format, args);
  va_end(args);
  buf_append_char(r->report, '\n');
}

int wal_blame(struct wal_recovery *r, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  buf_vprintf(r->report, format, args);
  va_end(args);
  buf_append_char(r->report, '\n');
  return ERROR_CORRUPT;
}

static void say_group(struct wal_recovery *r, unsigned number)
{
  const struct wal_group *g = wal_group_at(r->w, number);
  if (g != NULL) {
    buf_printf(r->report, " of group \"%.*s\"", (int)g->name.len, g->name.ptr);
  } else {
    buf_printf(r->report, " of group number %u", number);
  }
}

void wal_blame_record(struct wal_recovery *r, const struct wal_record *record)
{
  struct buf *out = r->report;
  uint64_t index = record->index;
  uint64_t term = record->term;
  switch (record->type) {
  case WAL_RECORD_GROUP:
    buf_append_str(out, "the name");
    break;
  case WAL_RECORD_ENTRY:
    buf_printf(out, "entry %" PRIu64 " (term %" PRIu64 ")", index, term);
    break;
  case WAL_RECORD_HARD:
    buf_printf(out, "the term and vote (term %" PRIu64 ", vote %" PRIu64 ")", term, index);
    break;
  case WAL_RECORD_TRUNCATE:
    buf_printf(out, "the truncation from index %" PRIu64, index);
    break;
  case WAL_RECORD_MARK:
    buf_printf(out, "the mark of the snapshot at index %" PRIu64 " (term %" PRIu64 ")", index, term);
    break;
  case WAL_RECORD_CHECKPOINT:
    buf_printf(out, "the checkpoint before index %" PRIu64, index);
    break;
  case WAL_RECORD_END:
    buf_append_str(out, "the end of the flush");
    return;
  default:
    buf_printf(out, "a record of unknown type %u", record->type);
    break;
  }
  say_group(r, record->group);
}

static bool replay_name(void *arg, const struct wal_record *record, struct slice body)
{
  return record->type != WAL_RECORD_GROUP || wal_replay_record(arg, record, body);
}

int wal_blame_damage(struct wal_recovery *r, struct wal_window *v, const struct wal_segment *s, uint64_t from, const struct wal_damage *d,
                     const char *what)
{
  struct wal_replay replay = {.w = r->w};
  struct wal_damage unused;
  (void)wal_scan_replay(v, s, from, replay_name, &replay, &unused); /* names of groups may stand before the damage in its flush */
  buf_printf(r->report, "segment %u, offset %" PRIu64 ", flush %" PRIu32 ": ", s->file, d->at, s->flush + 1);
  if (d->named) {
    wal_blame_record(r, &d->record);
    buf_printf(r->report, " %s", what);
  } else {
    buf_append_str(r->report, "the header of a record is damaged");
    if (d->follows) {
      buf_append_str(r->report, "; the record before it is ");
      wal_blame_record(r, &d->before);
    }
  }
  return wal_blame(r, "; it was durable");
}
