#include "lab/header.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "sim/sim.h"

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trimmed(struct slice s)
{
  while (s.len > 0 && is_blank(s.ptr[0])) {
    s.ptr++;
    s.len--;
  }
  while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
    s.len--;
  }
  return s;
}

/* Takes the next line off *text. */
static struct slice take_line(struct slice *text)
{
  const char *end = memchr(text->ptr, '\n', text->len);
  size_t len = end != NULL ? (size_t)(end - text->ptr) : text->len;
  struct slice line = slice_of(text->ptr, len);
  size_t taken = end != NULL ? len + 1 : len;
  text->ptr += taken;
  text->len -= taken;
  return line;
}

/* What a line of the leading comment says. False at the first line of code. */
static bool comment_of(struct slice line, bool first, struct slice *out)
{
  line = trimmed(line);
  if (line.len == 0 || (first && line.len >= 2 && memcmp(line.ptr, "#!", 2) == 0)) {
    *out = SLICE("");
    return true;
  }
  if (line.len < 2 || memcmp(line.ptr, "--", 2) != 0) {
    return false;
  }
  while (line.len > 0 && line.ptr[0] == '-') {
    line.ptr++;
    line.len--;
  }
  *out = trimmed(line);
  return true;
}

/* Takes the next word off *text, quotes around it removed. Empty at the end. */
static struct slice take_word(struct slice *text)
{
  *text = trimmed(*text);
  size_t n = 0;
  while (n < text->len && !is_blank(text->ptr[n])) {
    n++;
  }
  struct slice word = slice_of(text->ptr, n);
  text->ptr += n;
  text->len -= n;
  if (word.len >= 2 && (word.ptr[0] == '"' || word.ptr[0] == '\'') && word.ptr[word.len - 1] == word.ptr[0]) {
    word = slice_of(word.ptr + 1, word.len - 2);
  }
  return word;
}

static bool ends_with(struct slice s, struct slice end)
{
  return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

/* Whether `word` is this option; *value is then what stands behind `=`, or the next word of *rest. */
static bool option_value(struct slice word, struct slice name, struct slice *rest, struct slice *value)
{
  if (slice_equal(word, name)) {
    *value = take_word(rest);
    return true;
  }
  if (word.len > name.len && memcmp(word.ptr, name.ptr, name.len) == 0 && word.ptr[name.len] == '=') {
    *value = slice_of(word.ptr + name.len + 1, word.len - name.len - 1);
    return true;
  }
  return false;
}

static unsigned node_count(struct slice digits)
{
  unsigned n = 0;
  for (size_t i = 0; i < digits.len; i++) {
    char c = digits.ptr[i];
    if (c < '0' || c > '9' || (n = n * 10 + (unsigned)(c - '0')) > SIM_NODES_MAX) {
      return 0;
    }
  }
  return n;
}

/* Whether the words are a test's command line that names a workload. */
static bool parse_command(struct slice words, struct lab_header *out)
{
  struct slice program = take_word(&words);
  if (slice_equal(program, SLICE("$"))) {
    program = take_word(&words);
  }
  bool known = ends_with(program, SLICE("maelstrom")) || ends_with(program, SLICE("vortex-lua"));
  if (!known || !slice_equal(take_word(&words), SLICE("test"))) {
    return false;
  }
  struct lab_header found = {0};
  for (struct slice word; (word = take_word(&words)).len > 0 && !slice_equal(word, SLICE("--"));) {
    struct slice value;
    if (option_value(word, SLICE("-w"), &words, &value) || option_value(word, SLICE("--workload"), &words, &value)) {
      if (value.len > 0 && value.len < sizeof found.workload) {
        memcpy(found.workload, value.ptr, value.len);
        found.workload[value.len] = '\0';
      }
    } else if (option_value(word, SLICE("--node-count"), &words, &value)) {
      found.nodes = node_count(value);
    }
  }
  if (found.workload[0] == '\0') {
    return false;
  }
  *out = found;
  return true;
}

void lab_header_parse(struct slice text, struct lab_header *out)
{
  *out = (struct lab_header){0};
  struct buf command = {0}; /* a line and its continuations */
  bool goes_on = false;
  struct slice comment;
  for (bool first = true; text.len > 0 && comment_of(take_line(&text), first, &comment); first = false) {
    goes_on = comment.len > 0 && comment.ptr[comment.len - 1] == '\\';
    buf_append(&command, comment.ptr, comment.len - goes_on);
    buf_append_char(&command, ' ');
    if (!goes_on) {
      if (parse_command(buf_slice(&command), out)) {
        break;
      }
      buf_clear(&command);
    }
  }
  if (goes_on) { /* the comment ended where the line should have gone on */
    parse_command(buf_slice(&command), out);
  }
  buf_free(&command);
}

void lab_header_read(const char *path, struct lab_header *out)
{
  *out = (struct lab_header){0};
  FILE *f = fopen(path, "rb");
  if (f == NULL) {
    return;
  }
  char *text = malloc(LAB_HEADER_BYTES);
  if (text != NULL) {
    lab_header_parse(slice_of(text, fread(text, 1, LAB_HEADER_BYTES, f)), out);
    free(text);
  }
  fclose(f);
}
