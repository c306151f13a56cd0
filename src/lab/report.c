#include "lab/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lab/progress.h"

const char *lab_verdict_name(enum lab_verdict verdict)
{
  switch (verdict) {
  case LAB_VALID:
    return "VALID";
  case LAB_INVALID:
    return "INVALID";
  case LAB_UNKNOWN:
    return "UNKNOWN";
  default:
    return "BROKEN";
  }
}

/* ---- a process that ended ---- */

static struct slice next_line(struct slice *text)
{
  const char *end = memchr(text->ptr, '\n', text->len);
  size_t len = end != NULL ? (size_t)(end - text->ptr) : text->len;
  struct slice line = slice_of(text->ptr, len);
  text->ptr += end != NULL ? len + 1 : len;
  text->len -= end != NULL ? len + 1 : len;
  return line;
}

static bool has(struct slice line, const char *words)
{
  return memmem(line.ptr, line.len, words, strlen(words)) != NULL;
}

/* The line that says most: of a sanitizer or an assert, else the last one. */
static struct slice telling_line(struct slice text)
{
  struct slice last = {0};
  while (text.len > 0) {
    struct slice line = next_line(&text);
    if (has(line, "ERROR: ") || has(line, "runtime error: ") || has(line, "Assertion ")) {
      return line;
    }
    last = line.len > 0 ? line : last;
  }
  return last;
}

static void write_end(const struct lab_outcome *o, struct buf *out)
{
  if (o->kind == LAB_STUCK) {
    buf_append_str(out, "the run took too long by the clock and was killed");
  } else if (o->status == LAB_EXIT_ENDLESS) {
    buf_append_str(out, "a node ran away: for ten seconds of processor time it was in one turn, where its instructions are not counted (a "
                        "finaliser, or a function of C such as string.find)");
  } else if (o->signal != 0) {
    buf_printf(out, "the process died of %s", lab_signal_name(o->signal));
  } else {
    buf_printf(out, "the process exited with status %d", o->status);
  }
}

void lab_report_complete(struct lab_outcome *o)
{
  if (o->kind == LAB_RAN) {
    return;
  }
  struct lab_result *r = &o->result;
  r->verdict = o->kind == LAB_STUCK ? LAB_UNKNOWN : LAB_INVALID; /* how long it takes is this machine's matter */
  write_end(o, &r->reason);
  struct slice telling = telling_line(o->stderr_tail);
  if (telling.len > 0) {
    buf_printf(&r->reason, ": %.*s", (int)(telling.len < 300 ? telling.len : 300), telling.ptr);
    buf_append_str(&r->text, "What the process wrote last:\n");
    struct slice rest = o->stderr_tail;
    while (rest.len > 0) {
      struct slice line = next_line(&rest);
      buf_printf(&r->text, "  %.*s\n", (int)line.len, line.ptr);
    }
  }
}

/* ---- the command ---- */

static void quote(const char *word, struct buf *out)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
    buf_append_str(out, word);
    return;
  }
  buf_append_char(out, '\'');
  for (; *word != '\0'; word++) {
    if (*word == '\'') {
      buf_append_str(out, "'\\''");
    } else {
      buf_append_char(out, *word);
    }
  }
  buf_append_char(out, '\'');
}

void lab_campaign_command(const struct lab_campaign *c, uint64_t seed, bool twice, struct buf *out)
{
  for (size_t i = 0; i < c->command_count; i++) {
    if (i > 0) {
      buf_append_char(out, ' ');
    }
    quote(c->command[i], out);
    if (i == 1 && c->swarm) {
      buf_printf(out, " --seeds %" PRIu64 "-%" PRIu64, seed, seed + twice); /* of two seeds, the first is run twice */
    } else if (i == 1) {
      buf_printf(out, " --seed %" PRIu64, seed);
    }
  }
}

/* ---- the report ---- */

void lab_report_head(const struct lab_campaign *c, uint64_t seed, struct buf *out)
{
  struct lab_config config;
  lab_draw(c->options, seed, c->swarm, &config);
  buf_printf(out, "seed %" PRIu64 ": ", seed);
  lab_describe(&config, out);
  buf_append_str(out, "\n\n");
}

void lab_report_body(const struct lab_campaign *c, uint64_t seed, const struct lab_result *r, uint64_t real_ns, struct buf *out)
{
  buf_append_slice(out, buf_slice(&r->text));
  if (r->text.len > 0 && r->text.data[r->text.len - 1] != '\n') {
    buf_append_char(out, '\n');
  }
  if (real_ns > 0 && r->virtual_ns > 0) {
    buf_append_str(out, "real time    ");
    lab_write_time(out, real_ns);
    buf_printf(out, ", %.0f times as fast\n", (double)r->virtual_ns / (double)real_ns);
  }
  buf_append_str(out, lab_verdict_name(r->verdict));
  if (r->reason.len > 0) {
    buf_append_str(out, ": ");
    buf_append_slice(out, buf_slice(&r->reason));
  }
  buf_append_char(out, '\n');
  if (r->verdict == LAB_INVALID || r->verdict == LAB_UNKNOWN) {
    buf_append_str(out, "To see this again:\n");
    lab_campaign_command(c, seed, false, out);
    buf_append_char(out, '\n');
  }
}

/* ---- files ---- */

bool lab_make_folder(const char *path)
{
  struct buf part = {0};
  buf_append(&part, path, strlen(path) + 1);
  bool made = true;
  for (size_t i = 1; made && i < part.len; i++) {
    if (part.data[i] == '/' || part.data[i] == '\0') {
      char kept = part.data[i];
      part.data[i] = '\0';
      made = mkdir(part.data, 0777) == 0 || errno == EEXIST;
      part.data[i] = kept;
    }
  }
  int error = errno;
  struct stat is;
  if (made && stat(path, &is) == 0 && !S_ISDIR(is.st_mode)) {
    made = false;
    error = ENOTDIR;
  }
  buf_free(&part);
  errno = error;
  return made;
}

bool lab_report_keep(const char *folder, struct slice text)
{
  struct buf path = {0};
  buf_printf(&path, "%s/report.txt", folder);
  buf_append_char(&path, '\0');
  FILE *f = fopen(path.data, "wb");
  buf_free(&path);
  if (f == NULL) {
    return false;
  }
  bool written = fwrite(text.ptr, 1, text.len, f) == text.len;
  return fclose(f) == 0 && written;
}
