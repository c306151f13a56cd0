#include "host/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "json/write.h"

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

enum {
  LEVEL_COUNT = sizeof level_names / sizeof *level_names
};

void host_log_init(struct host_log *log, int fd, enum log_level least, bool json)
{
  *log = (struct host_log){.fd = fd, .least = least, .json = json, .node = "-", .second = -1};
}

void host_log_name(struct host_log *log, struct slice id)
{
  size_t len = id.len < sizeof log->node - 1 ? id.len : sizeof log->node - 1;
  if (len > 0) {
    memcpy(log->node, id.ptr, len);
  }
  log->node[len] = '\0';
}

/* Length of the UTF-8 sequence at `at` (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *at, const unsigned char *end)
{
  size_t n = *at < 0x80 ? 1 : *at >= 0xc2 && *at <= 0xdf ? 2 : *at >= 0xe0 && *at <= 0xef ? 3 : *at >= 0xf0 && *at <= 0xf4 ? 4 : 0;
  if (n == 0 || (size_t)(end - at) < n) {
    return 0;
  }
  for (size_t i = 1; i < n; i++) {
    if ((at[i] & 0xc0) != 0x80) {
      return 0;
    }
  }
  bool overlong = (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90);
  bool outside = (*at == 0xed && at[1] > 0x9f) || (*at == 0xf4 && at[1] > 0x8f);
  return overlong || outside ? 0 : n;
}

static void write_repaired(struct buf *out, struct slice text)
{
  if (json_write_string(out, text) == 0) {
    return;
  }
  struct buf repaired = {0};
  const unsigned char *end = (const unsigned char *)text.ptr + text.len;
  for (const unsigned char *at = (const unsigned char *)text.ptr; at < end;) {
    size_t n = utf8_length(at, end);
    if (n == 0) {
      buf_append_str(&repaired, "\xef\xbf\xbd");
      at++;
    } else {
      buf_append(&repaired, at, n);
      at += n;
    }
  }
  int error = json_write_string(out, buf_slice(&repaired));
  assert(error == 0);
  (void)error;
  buf_free(&repaired);
}

static void write_readable(struct buf *out, struct slice text)
{
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    if (c == '\n') {
      buf_append_str(out, "\n    ");
    } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
      buf_printf(out, "\\x%02x", c);
    } else {
      buf_append_char(out, (char)c);
    }
  }
}

/* The date is spelled once a second. */
static void update_date(struct host_log *log, time_t second)
{
  if (log->second != second) {
    struct tm tm;
    if (gmtime_r(&second, &tm) == NULL ||
        strftime(log->date, sizeof log->date, "%Y-%m-%dT%H:%M:%S", &tm) != strlen("2026-11-24T12:34:56")) {
      memcpy(log->date, "0000-00-00T00:00:00", sizeof "0000-00-00T00:00:00");
    }
    log->second = second;
  }
}

static void write_all(int fd, struct slice bytes)
{
  while (bytes.len > 0) {
    ssize_t n = write(fd, bytes.ptr, bytes.len);
    if (n >= 0) {
      bytes = slice_of(bytes.ptr + n, bytes.len - (size_t)n);
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

void host_log_write(struct host_log *log, enum log_level level, struct slice text)
{
  assert((size_t)level < LEVEL_COUNT);
  if (level < log->least) {
    return;
  }
  while (text.len > 0 && text.ptr[text.len - 1] == '\n') {
    text.len--;
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  update_date(log, now.tv_sec);

  struct buf entry = {0};
  int ms = (int)(now.tv_nsec / 1000000);
  if (log->json) {
    buf_printf(&entry, "{\"time\":\"%s.%03dZ\",\"node\":", log->date, ms);
    write_repaired(&entry, slice_of(log->node, strlen(log->node)));
    buf_printf(&entry, ",\"level\":\"%s\",\"text\":", level_names[level]);
    write_repaired(&entry, text);
    buf_append_str(&entry, "}\n");
  } else {
    buf_printf(&entry, "%s.%03d %s %-5s ", log->date + strlen("2026-11-24T"), ms, log->node, level_names[level]);
    write_readable(&entry, text);
    buf_append_char(&entry, '\n');
  }
  int saved = errno;
  if (log->before_write != NULL) {
    log->before_write(log->before_write_arg);
  }
  write_all(log->fd, buf_slice(&entry));
  errno = saved;
  buf_free(&entry);
}

void host_log_printf(struct host_log *log, enum log_level level, const char *format, ...)
{
  if (level < log->least) {
    return;
  }
  struct buf text = {0};
  va_list args;
  va_start(args, format);
  buf_vprintf(&text, format, args);
  va_end(args);
  host_log_write(log, level, buf_slice(&text));
  buf_free(&text);
}

int host_log_level_from_name(const char *name)
{
  for (int i = 0; i < (int)LEVEL_COUNT; i++) {
    if (strcmp(name, level_names[i]) == 0) {
      return i;
    }
  }
  return -1;
}

const char *host_log_level_name(enum log_level level)
{
  assert((size_t)level < LEVEL_COUNT);
  return level_names[level];
}
