#include "host/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTE_NAME "start"

enum {
  NOTE_MAX_BYTES = 64, /* of a start: longer tokens are none of Maelstrom's */
  STAT_MAX_BYTES = 4096,
};

static void terminate(struct buf *path)
{
  *buf_reserve(path, 1) = '\0';
}

/* ---- processes ---- */

/* When a process was started; 0 = it is gone, or the system does not tell. */
static unsigned long long start_of(long pid)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return 0;
  }
  char text[STAT_MAX_BYTES];
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) {
    return 0;
  }
  text[n] = '\0';
  const char *at = strrchr(text, ')'); /* the second field is the command's name, and may hold anything */
  for (int field = 2; at != NULL && field < 22; field++) {
    at = strchr(at + 1, ' '); /* proc(5): starttime is the 22nd */
  }
  return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

struct place_parent place_parent(void)
{
  long pid = (long)getppid();
  return (struct place_parent){.pid = pid, .start = start_of(pid)};
}

static bool is_alive(const struct place_parent *p)
{
  if (p->start != 0) {
    return start_of(p->pid) == p->start;
  }
  return kill((pid_t)p->pid, 0) == 0 || errno == EPERM;
}

/* ---- folders of the dead ---- */

/* Removes a folder and the files in it. What cannot be removed stays: it harms nobody. */
static void remove_folder(int base, const char *name)
{
  int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) {
    if (fd >= 0) {
      close(fd);
    }
    return;
  }
  for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
    unlinkat(dirfd(dir), e->d_name, 0);
  }
  closedir(dir);
  unlinkat(base, name, AT_REMOVEDIR);
}

static void remove_dead(const char *base)
{
  DIR *dir = opendir(base);
  if (dir == NULL) {
    return;
  }
  for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
    struct place_parent p;
    if (sscanf(e->d_name, "%ld-%llu-", &p.pid, &p.start) == 2 && p.pid > 0 && !is_alive(&p)) {
      remove_folder(dirfd(dir), e->d_name);
    }
  }
  closedir(dir);
}

/* ---- the folder ---- */

/* A node's id as the name of a file: whatever is not plain becomes %XX. */
static void append_name(struct buf *path, struct slice node)
{
  for (size_t i = 0; i < node.len; i++) {
    char c = node.ptr[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (plain) {
      buf_append_char(path, c);
    } else {
      buf_printf(path, "%%%02X", (unsigned char)c);
    }
  }
}

/* Makes a folder that is ours alone, or takes the one that is there if it is ours: names in the temporary directory can be guessed. */
static int make_own(const char *path)
{
  struct stat st;
  if (mkdir(path, 0700) != 0 && errno != EEXIST) {
    return errno;
  }
  if (lstat(path, &st) != 0) {
    return errno;
  }
  return !S_ISDIR(st.st_mode) ? ENOTDIR : st.st_uid != geteuid() ? EACCES : 0;
}

static int open_temporary(struct buf *path, const struct place_parent *parent, struct slice node)
{
  const char *tmp = getenv("TMPDIR");
  buf_printf(path, "%s/vortex-lua-%lu", tmp != NULL && tmp[0] == '/' ? tmp : "/tmp", (unsigned long)geteuid());
  terminate(path);
  int error = make_own(path->data);
  if (error != 0) {
    return error;
  }
  remove_dead(path->data);
  buf_printf(path, "/%ld-%llu-", parent->pid, parent->start);
  append_name(path, node);
  terminate(path);
  return make_own(path->data);
}

int place_open(struct buf *path, const char *root, const struct place_parent *parent, struct slice node)
{
  if (root == NULL) {
    return open_temporary(path, parent, node);
  }
  buf_append_str(path, root);
  terminate(path);
  if (mkdir(path->data, 0777) != 0 && errno != EEXIST) {
    return errno;
  }
  buf_append_char(path, '/');
  append_name(path, node);
  terminate(path);
  return mkdir(path->data, 0777) != 0 && errno != EEXIST ? errno : 0;
}

/* ---- whether it is still the same cluster ---- */

/* The integer that a token spells; false if it is none that fits. */
static bool read_id(struct slice token, unsigned long long *out)
{
  char text[NOTE_MAX_BYTES];
  if (token.len == 0 || token.len >= sizeof text) {
    return false;
  }
  memcpy(text, token.ptr, token.len);
  text[token.len] = '\0';
  char *end;
  errno = 0;
  *out = strtoull(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

int place_note_start(const char *path, struct slice start, bool *stale)
{
  unsigned long long id = 0;
  unsigned long long noted = 0;
  bool known = read_id(start, &id);
  struct buf name = {0};
  buf_printf(&name, "%s/" NOTE_NAME, path);
  terminate(&name);
  int fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  buf_free(&name);
  if (fd < 0) {
    return errno;
  }
  char text[NOTE_MAX_BYTES];
  ssize_t n = pread(fd, text, sizeof text, 0);
  bool was_noted = n > 0 && read_id(slice_of(text, (size_t)n), &noted);
  *stale = !known || !was_noted || id < noted;
  int len = known ? snprintf(text, sizeof text, "%llu", id) : 0;
  int error = ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len ? 0 : errno;
  close(fd);
  return error;
}
