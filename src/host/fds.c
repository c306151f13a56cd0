#include "host/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

enum {
  FIRST_FREE = 3
}; /* numbers below belong to stdin, stdout and stderr */

static int refuse(const char *what, const char *why)
{
  dprintf(STDERR_FILENO, "vortex-lua: %s %s\n", what, why);
  return -1;
}

static int check(int fd, int wrong_access, const char *name, const char *closed, const char *wrong)
{
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) {
    return refuse(name, closed);
  }
  if ((flags & O_ACCMODE) == wrong_access) {
    return refuse(name, wrong);
  }
  return 0;
}

/* With a closed stderr, the next file that anybody opens would receive the log. */
static int occupy_stderr(void)
{
  if (fcntl(STDERR_FILENO, F_GETFD) >= 0) {
    return 0;
  }
  int null = open("/dev/null", O_RDWR);
  if (null < 0) {
    return -1;
  }
  if (null != STDERR_FILENO) {
    dup2(null, STDERR_FILENO);
    close(null);
  }
  return 0;
}

int fds_take(int *in, int *out)
{
  if (check(STDIN_FILENO, O_WRONLY, "stdin", "is closed: a node reads its messages there", "is not open for reading") != 0 ||
      check(STDOUT_FILENO, O_RDONLY, "stdout", "is closed: a node writes its messages there", "is not open for writing") != 0) {
    return -1;
  }
  int moved_in = -1, moved_out = -1, null = -1;
  if (occupy_stderr() != 0 || (null = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
    return refuse("cannot open /dev/null:", strerror(errno));
  }
  if ((moved_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_FREE)) < 0 ||
      (moved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_FREE)) < 0) {
    int error = errno;
    if (moved_in >= 0) {
      close(moved_in);
    }
    close(null);
    return refuse("cannot move stdin and stdout:", strerror(error));
  }
  /* The targets are open, so these replace them and cannot run out of anything. */
  int at_in = dup2(null, STDIN_FILENO);
  int at_out = dup2(STDERR_FILENO, STDOUT_FILENO);
  assert(at_in == STDIN_FILENO && at_out == STDOUT_FILENO);
  (void)at_in;
  (void)at_out;
  close(null);
  *in = moved_in;
  *out = moved_out;
  return 0;
}

int fds_own(int fd, int access, bool *own)
{
  *own = false;
#ifdef __linux__
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int reopened = open(path, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (reopened >= 0) {
    close(fd);
    *own = true;
    return reopened;
  }
#else
  (void)access;
#endif
  return fd;
}

int fds_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
  int flags = fcntl(fd, F_GETFL);
  int error = uv_poll_init(loop, poll, fd);
  if (error == 0 && flags >= 0 && (flags & O_NONBLOCK) == 0) {
    fcntl(fd, F_SETFL, flags);
  }
  return error;
}
