#include "lab/divergence.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN_BYTES 400 /* of a line */

struct reader {
  FILE *file; /* NULL = it is not there */
  char *line;
  size_t cap;
  ssize_t len; /* of the line without its end; -1 = there are no more */
};

static void open_reader(struct reader *r, const char *folder, const char *name)
{
  struct buf path = {0};
  buf_printf(&path, "%s/%s", folder, name);
  buf_append_char(&path, '\0');
  *r = (struct reader){.file = fopen(path.data, "rb"), .len = -1};
  buf_free(&path);
}

static void next_line(struct reader *r)
{
  r->len = getline(&r->line, &r->cap, r->file);
  if (r->len > 0 && r->line[r->len - 1] == '\n') {
    r->len--;
  }
}

static void close_reader(struct reader *r)
{
  if (r->file != NULL) {
    fclose(r->file);
  }
  free(r->line);
}

static void write_line(struct buf *out, const char *mark, const struct reader *r)
{
  if (r->len < 0) {
    buf_printf(out, "  %s (it ends here)\n", mark);
    return;
  }
  int shown = r->len > SHOWN_BYTES ? SHOWN_BYTES : (int)r->len;
  buf_printf(out, "  %s %.*s%s\n", mark, shown, r->line, shown < r->len ? "…" : "");
}

static bool compare(const char *folder_a, const char *folder_b, const char *name, struct buf *out)
{
  struct reader a, b;
  open_reader(&a, folder_a, name);
  open_reader(&b, folder_b, name);
  bool differ = false;
  if (a.file != NULL && b.file != NULL) {
    unsigned long number = 0;
    do {
      number++;
      next_line(&a);
      next_line(&b);
      differ = a.len != b.len || (a.len > 0 && memcmp(a.line, b.line, (size_t)a.len) != 0);
    } while (!differ && a.len >= 0);
    if (differ) {
      buf_printf(out, "the first difference is in line %lu of %s:\n", number, name);
      write_line(out, "one:    ", &a);
      write_line(out, "another:", &b);
    }
  }
  close_reader(&a);
  close_reader(&b);
  return differ;
}

bool lab_divergence_find(const char *folder_a, const char *folder_b, struct buf *out)
{
  return compare(folder_a, folder_b, "messages.jsonl", out) || compare(folder_a, folder_b, "events.jsonl", out) ||
         compare(folder_a, folder_b, "history.jsonl", out);
}
