/* Measures a node process from outside, through pipes. Used by scripts/bench; prints one line of numbers.
 *
 *   driver pump FILE COMMAND…            all lines of FILE, by `cat`: "lines seconds cpu_seconds", lines being what came out and the
 *                                        processor time that of COMMAND alone
 *   driver rtt INIT LINE COUNT COMMAND…  one LINE at a time: "p50_ns p99_ns", over COUNT round trips
 *   driver startup INIT COUNT COMMAND…   from fork to the first reply: "median_ns minimum_ns"
 *   driver idle INIT COMMAND…            after the first reply and a second of silence: "rss_kb private_kb"
 *   driver cost OUT COMMAND…             one run, stdout to OUT: "seconds cpu_seconds status"; the processor time is of all its processes
 *   driver memory OUT COMMAND…           the same, looking at its processes: "largest_kb sum_kb status", most memory in use (VmHWM) of
 *                                        one process, and of each process added up, pages that they share counted for each
 *
 * INIT and LINE are files of one line. Any failure ends with status 1 and a message; of `cost` and `memory`, how COMMAND exits is a result.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS 1000
#define LIMIT_S  300 /* of one measurement: a node that never answers must not hold up the rest */
#define LOOK_US  5000
#define PIDS_MAX 64

struct child {
  pid_t pid;
  int to;   /* its stdin */
  int from; /* its stdout */
};

static void die(const char *what)
{
  fprintf(stderr, "driver: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(1);
}

static void check(int result, const char *what)
{
  if (result < 0) {
    die(what);
  }
}

static long long now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Starts argv with `in` as stdin and `out` as stdout; closes `in` and `out` here. Everything else must be close-on-exec. */
static pid_t spawn(char **argv, int in, int out)
{
  pid_t pid = vfork();
  if (pid == 0) {
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0) {
      _exit(126);
    }
    execvp(argv[0], argv);
    _exit(127);
  }
  check(pid, "vfork");
  close(in);
  close(out);
  return pid;
}

static struct child start(char **argv)
{
  int in[2];
  int out[2];
  check(pipe2(in, O_CLOEXEC), "pipe");
  check(pipe2(out, O_CLOEXEC), "pipe");
  return (struct child){.to = in[1], .from = out[0], .pid = spawn(argv, in[0], out[1])};
}

/* Closes the child's input, drains its output, and waits for it. */
static void finish(struct child *c)
{
  char sink[4096];
  int status;
  close(c->to);
  while (read(c->from, sink, sizeof sink) > 0) {
  }
  close(c->from);
  check(waitpid(c->pid, &status, 0), "waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    errno = 0;
    die("the command failed");
  }
}

static void send_text(const struct child *c, const char *text, size_t len)
{
  if (write(c->to, text, len) != (ssize_t)len) {
    die("write to the command");
  }
}

/* Reads up to and including one newline; there must be nothing behind it. */
static void await_line(const struct child *c)
{
  char text[65536];
  for (;;) {
    ssize_t n = read(c->from, text, sizeof text);
    if (n <= 0) {
      errno = n < 0 ? errno : 0;
      die("the command ended instead of answering");
    }
    const char *newline = memchr(text, '\n', (size_t)n);
    if (newline != NULL) {
      if (newline != text + n - 1) {
        errno = 0;
        die("more than one reply");
      }
      return;
    }
  }
}

/* The content of a file of at most 4 KiB, a newline included; never freed. */
static char *load(const char *path, size_t *len)
{
  FILE *f = fopen(path, "r");
  if (f == NULL) {
    die(path);
  }
  char *text = calloc(1, 4097);
  if (text == NULL) {
    die("calloc");
  }
  *len = fread(text, 1, 4096, f);
  fclose(f);
  if (*len == 0 || text[*len - 1] != '\n' || memchr(text, '\n', *len) != text + *len - 1) {
    errno = 0;
    die("INIT and LINE are files of one line");
  }
  return text;
}

static int by_size(const void *a, const void *b)
{
  long long x = *(const long long *)a;
  long long y = *(const long long *)b;
  return (x > y) - (x < y);
}

static long long *samples_new(int count)
{
  long long *samples = count > 0 ? calloc((size_t)count, sizeof *samples) : NULL;
  if (samples == NULL) {
    errno = 0;
    die("COUNT must be positive");
  }
  return samples;
}

static double cpu_seconds(const struct rusage *used)
{
  return (double)used->ru_utime.tv_sec + (double)used->ru_stime.tv_sec + (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec) / 1e6;
}

static void pump(const char *file, char **argv)
{
  static char text[1 << 16];
  char *cat[] = {(char[]){"cat"}, (char *)(void *)file, NULL};
  int in[2];
  int out[2];
  long long lines = 0;
  ssize_t n;
  check(pipe2(in, O_CLOEXEC), "pipe");
  check(pipe2(out, O_CLOEXEC), "pipe");

  long long begin = now_ns();
  pid_t node = spawn(argv, in[0], out[1]);
  pid_t feeder = spawn(cat, open("/dev/null", O_RDONLY | O_CLOEXEC), in[1]);
  while ((n = read(out[0], text, sizeof text)) > 0) {
    for (const char *p = text, *end = text + n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
      lines++;
    }
  }
  long long end = now_ns();

  int status;
  struct rusage used;
  check(waitpid(feeder, &status, 0), "waitpid");
  check(wait4(node, &status, 0, &used), "wait4");
  printf("%lld %.6f %.6f\n", lines, (double)(end - begin) / 1e9, cpu_seconds(&used));
}

static void rtt(const char *init_path, const char *line_path, int count, char **argv)
{
  size_t init_len;
  size_t len;
  char *init = load(init_path, &init_len);
  char *line = load(line_path, &len);
  long long *samples = samples_new(count);
  int warm_up = count / 10;
  struct child c = start(argv);

  send_text(&c, init, init_len);
  await_line(&c);
  for (int i = -warm_up; i < count; i++) {
    long long begin = now_ns();
    send_text(&c, line, len);
    await_line(&c);
    if (i >= 0) {
      samples[i] = now_ns() - begin;
    }
  }
  finish(&c);
  qsort(samples, (size_t)count, sizeof *samples, by_size);
  printf("%lld %lld\n", samples[count / 2], samples[count - 1 - count / 100]);
}

static void startup(const char *init_path, int count, char **argv)
{
  size_t len;
  char *init = load(init_path, &len);
  long long *samples = samples_new(count);
  for (int i = 0; i < count; i++) {
    long long begin = now_ns();
    struct child c = start(argv);
    send_text(&c, init, len);
    await_line(&c);
    samples[i] = now_ns() - begin;
    finish(&c);
  }
  qsort(samples, (size_t)count, sizeof *samples, by_size);
  printf("%lld %lld\n", samples[count / 2], samples[0]);
}

/* A line "NAME: 123 kB" of /proc/PID/status; -1 if there is none: the process has ended, or is about to. */
static long find_kb(pid_t pid, const char *name)
{
  char path[64];
  char line[256];
  long kb = -1;
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *f = fopen(path, "r");
  if (f == NULL) {
    return -1;
  }
  while (fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, name, strlen(name)) == 0) {
      kb = strtol(line + strlen(name), NULL, 10);
    }
  }
  fclose(f);
  return kb;
}

static long status_kb(pid_t pid, const char *name)
{
  long kb = find_kb(pid, name);
  if (kb < 0) {
    errno = 0;
    die("no such line in /proc/PID/status");
  }
  return kb;
}

static void idle(const char *init_path, char **argv)
{
  size_t len;
  char *init = load(init_path, &len);
  struct child c = start(argv);
  send_text(&c, init, len);
  await_line(&c);
  struct pollfd quiet = {.fd = c.from, .events = POLLIN};
  int ready = poll(&quiet, 1, QUIET_MS);
  check(ready, "poll");
  if (ready != 0) {
    errno = 0;
    die("an idle node should be silent");
  }
  printf("%ld %ld\n", status_kb(c.pid, "VmRSS:"), status_kb(c.pid, "RssAnon:"));
  finish(&c);
}

static pid_t spawn_to_file(const char *out, char **argv)
{
  int to = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  check(to, out);
  return spawn(argv, open("/dev/null", O_RDONLY | O_CLOEXEC), to);
}

static int exit_status(int status)
{
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void cost(const char *out, char **argv)
{
  int status;
  struct rusage used;
  long long begin = now_ns();
  pid_t pid = spawn_to_file(out, argv);
  check(wait4(pid, &status, 0, &used), "wait4"); /* with the children that it has waited for */
  printf("%.6f %.6f %d\n", (double)(now_ns() - begin) / 1e9, cpu_seconds(&used), exit_status(status));
}

struct family {
  pid_t pids[PIDS_MAX];
  long peak_kb[PIDS_MAX];
  size_t count;
};

/* Adds children that are not known yet. */
static void meet_children(struct family *f, pid_t parent)
{
  char path[64];
  int child;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
  FILE *list = fopen(path, "r");
  while (list != NULL && fscanf(list, "%d", &child) == 1) {
    size_t i = 0;
    while (i < f->count && f->pids[i] != child) {
      i++;
    }
    if (i == f->count && f->count < PIDS_MAX) {
      f->pids[f->count++] = child;
    }
  }
  if (list != NULL) {
    fclose(list);
  }
}

static void memory(const char *out, char **argv)
{
  int status;
  struct rusage used;
  struct family f = {.count = 1};
  pid_t pid = f.pids[0] = spawn_to_file(out, argv);
  pid_t ended;
  while ((ended = wait4(pid, &status, WNOHANG, &used)) == 0) {
    for (size_t i = 0; i < f.count; i++) {
      long kb = find_kb(f.pids[i], "VmHWM:");
      f.peak_kb[i] = kb > f.peak_kb[i] ? kb : f.peak_kb[i];
      meet_children(&f, f.pids[i]);
    }
    usleep(LOOK_US);
  }
  check(ended, "wait4");
  long sum = 0;
  for (size_t i = 0; i < f.count; i++) {
    sum += f.peak_kb[i];
  }
  /* The kernel's own figure for the largest is exact; a look may have come before the peak. */
  printf("%ld %ld %d\n", used.ru_maxrss, sum > used.ru_maxrss ? sum : used.ru_maxrss, exit_status(status));
}

int main(int argc, char **argv)
{
  alarm(LIMIT_S);
  if (argc >= 4 && strcmp(argv[1], "pump") == 0) {
    pump(argv[2], argv + 3);
  } else if (argc >= 6 && strcmp(argv[1], "rtt") == 0) {
    rtt(argv[2], argv[3], atoi(argv[4]), argv + 5);
  } else if (argc >= 5 && strcmp(argv[1], "startup") == 0) {
    startup(argv[2], atoi(argv[3]), argv + 4);
  } else if (argc >= 4 && strcmp(argv[1], "idle") == 0) {
    idle(argv[2], argv + 3);
  } else if (argc >= 4 && strcmp(argv[1], "cost") == 0) {
    cost(argv[2], argv + 3);
  } else if (argc >= 4 && strcmp(argv[1], "memory") == 0) {
    memory(argv[2], argv + 3);
  } else {
    fputs("usage: see the top of tests/bench/driver.c\n", stderr);
    return 2;
  }
  return 0;
}
