#include "lab/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "json/write.h"

#define LINE_SHOWN_BYTES 300 /* of a refused line, in the verdict */

static const char *const levels[] = {"debug", "info", "warn", "error"};
static const char *const fates[] = {"send", "recv", "lost", "cut", "gone", "duplicate", "refused"};

static uint64_t shown_ns(const struct record *r)
{
  uint64_t now = sim_now(r->sim);
  return now > r->start_ns ? now - r->start_ns : 0;
}

static double shown_s(const struct record *r)
{
  return (double)shown_ns(r) / 1e9;
}

static void keep_refused(struct record *r, struct slice from, struct slice line, const char *why)
{
  if (r->refused_count == RECORD_REFUSED_MAX) {
    return;
  }
  struct record_refused *refused = &r->refused[r->refused_count++];
  refused->at_ns = shown_ns(r);
  refused->why = why;
  buf_append_slice(&refused->from, from);
  buf_append(&refused->line, line.ptr, line.len < LINE_SHOWN_BYTES ? line.len : LINE_SHOWN_BYTES);
}

static void write_message(struct record *r, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line,
                          const char *why)
{
  struct buf *out = &r->line;
  buf_clear(out);
  buf_printf(out, "{\"time\":%llu,\"fate\":\"%s\",\"id\":%llu,\"src\":", (unsigned long long)shown_ns(r), fates[fate],
             (unsigned long long)id);
  json_write_text(out, from);
  if (fate == SIM_REFUSED) {
    buf_append_str(out, ",\"why\":");
    json_write_text(out, slice_of(why, strlen(why)));
    buf_append_str(out, ",\"line\":");
    json_write_text(out, line);
  } else {
    buf_append_str(out, ",\"dest\":");
    json_write_text(out, to);
    buf_append_str(out, ",\"message\":");
    buf_append_slice(out, line);
  }
  buf_append_str(out, "}\n");
  fwrite(out->data, 1, out->len, r->messages);
}

static void show_message(struct record *r, enum sim_fate fate, struct slice line, const char *why)
{
  bool sent = fate == SIM_SENT || fate == SIM_LOST || fate == SIM_DUPLICATED || fate == SIM_REFUSED;
  if (sent ? r->config->log_net_send : r->config->log_net_recv) {
    fprintf(stderr, "%10.6f %-9s %.*s%s%s\n", shown_s(r), fates[fate], (int)line.len, line.ptr, why != NULL ? "  # " : "",
            why != NULL ? why : "");
  }
}

static void on_message(void *self, enum sim_fate fate, uint64_t id, struct slice from, struct slice to, struct slice line, const char *why)
{
  struct record *r = self;
  if (fate == SIM_REFUSED) {
    line.len -= line.len > 0 && line.ptr[line.len - 1] == '\n';
    keep_refused(r, from, line, why);
  }
  if (r->messages != NULL) {
    write_message(r, fate, id, from, to, line, why);
  }
  show_message(r, fate, line, why);
}

static void write_event(struct record *r, const char *kind, const char *who, struct slice what)
{
  if (r->events == NULL) {
    return;
  }
  buf_clear(&r->line);
  buf_printf(&r->line, "{\"time\":%llu,\"kind\":\"%s\",\"who\":\"%s\",\"what\":", (unsigned long long)shown_ns(r), kind, who);
  json_write_text(&r->line, what);
  buf_append_str(&r->line, "}\n");
  fwrite(r->line.data, 1, r->line.len, r->events);
}

static void note_error(struct record *r, unsigned node, const char *name, struct slice text)
{
  if (r->errors++ == 0) {
    buf_printf(&r->first_error, "%s at %.3f s: %.*s", name, shown_s(r), (int)text.len, text.ptr);
  }
  if (r->node_error[node].len == 0) {
    buf_printf(&r->node_error[node], "at %.3f s: %.*s", shown_s(r), (int)text.len, text.ptr);
  }
  if (r->error != NULL) {
    r->error(r->arg, node);
  }
}

static void on_log(void *self, unsigned node, enum log_level level, struct slice text)
{
  struct record *r = self;
  char name[16];
  snprintf(name, sizeof name, "n%u", r->config->first_name + node);
  if (level == LOG_ERROR) {
    note_error(r, node, name, text);
  }
  if (r->config->log_stderr) {
    fprintf(stderr, "%10.6f %s %-5s %.*s\n", shown_s(r), name, levels[level], (int)text.len, text.ptr);
  }
  if (r->logs != NULL && r->logs[node] != NULL) {
    fprintf(r->logs[node], "%10.6f %-5s %.*s\n", shown_s(r), levels[level], (int)text.len, text.ptr);
  }
  write_event(r, levels[level], name, text);
}

void record_event(struct record *r, const char *kind, const char *who, struct slice what)
{
  if (r->config->log_stderr) {
    fprintf(stderr, "%10.6f %s %s%.*s\n", shown_s(r), who, strcmp(kind, "fault-end") == 0 ? "ends " : "", (int)what.len, what.ptr);
  }
  write_event(r, kind, who, what);
}

static void on_node(void *self, unsigned node, const char *what)
{
  struct record *r = self;
  char name[16];
  snprintf(name, sizeof name, "n%u", r->config->first_name + node);
  record_event(r, "node", name, slice_of(what, strlen(what)));
}

static void on_fault(void *self, bool begins, const char *what)
{
  struct record *r = self;
  record_event(r, begins ? "fault" : "fault-end", "nemesis", slice_of(what, strlen(what)));
  if (r->fault != NULL) {
    r->fault(r->arg, begins, what);
  }
}

/* ---- files ---- */

static FILE *open_file(const struct lab_config *c, const char *name, struct buf *why)
{
  struct buf path = {0};
  buf_printf(&path, "%s/%s%c", c->keep, name, '\0');
  FILE *file = fopen(path.data, "w");
  if (file == NULL) {
    buf_printf(why, "%s: %s", path.data, strerror(errno));
  }
  buf_free(&path);
  return file;
}

static int open_logs(struct record *r, struct buf *why)
{
  struct buf path = {0};
  buf_printf(&path, "%s/node-logs%c", r->config->keep, '\0');
  int made = mkdir(path.data, 0777);
  int failed = made != 0 && errno != EEXIST;
  if (failed) {
    buf_printf(why, "%s: %s", path.data, strerror(errno));
  }
  buf_free(&path);
  r->logs = calloc(r->config->nodes, sizeof *r->logs);
  if (r->logs == NULL) {
    abort();
  }
  for (unsigned i = 0; i < r->config->nodes && !failed; i++) {
    char name[40];
    snprintf(name, sizeof name, "node-logs/n%u.log", r->config->first_name + i);
    r->logs[i] = open_file(r->config, name, why);
    failed = r->logs[i] == NULL;
  }
  return failed ? -1 : 0;
}

int record_open(struct record *r, const struct lab_config *config, struct buf *why)
{
  *r = (struct record){.config = config};
  r->observer = (struct sim_observer){.self = r, .message = on_message, .log = on_log, .node = on_node, .fault = on_fault};
  r->node_error = calloc(config->nodes, sizeof *r->node_error);
  if (r->node_error == NULL) {
    abort();
  }
  if (config->keep == NULL) {
    return 0;
  }
  r->messages = open_file(config, "messages.jsonl", why);
  r->events = r->messages == NULL ? NULL : open_file(config, "events.jsonl", why);
  return r->events == NULL || open_logs(r, why) != 0 ? -1 : 0;
}

void record_attach(struct record *r, struct sim *sim)
{
  r->sim = sim;
  r->start_ns = sim_now(sim);
}

void record_write(struct record *r, const char *name, struct slice text)
{
  struct buf why = {0};
  FILE *file = r->config->keep == NULL ? NULL : open_file(r->config, name, &why);
  if (file != NULL) {
    fwrite(text.ptr, 1, text.len, file);
    fclose(file);
  }
  buf_free(&why);
}

static void close_file(FILE *file)
{
  if (file != NULL) {
    fclose(file);
  }
}

void record_close(struct record *r)
{
  close_file(r->messages);
  close_file(r->events);
  for (unsigned i = 0; r->logs != NULL && i < r->config->nodes; i++) {
    close_file(r->logs[i]);
  }
  free(r->logs);
  for (size_t i = 0; i < r->refused_count; i++) {
    buf_free(&r->refused[i].from);
    buf_free(&r->refused[i].line);
  }
  for (unsigned i = 0; i < r->config->nodes; i++) {
    buf_free(&r->node_error[i]);
  }
  free(r->node_error);
  buf_free(&r->first_error);
  buf_free(&r->line);
}
