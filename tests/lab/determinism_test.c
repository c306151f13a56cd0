/* The same in every process: what a Lua state shows of addresses, hash seeds and clocks does not depend on the process. The test runs
 * itself again and again in other surroundings and compares what comes out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "lab/arena.h"
#include "script/script.h"

static char path[64];
static const char *self; /* not /proc/self/exe, which may be valgrind */

static const char source[] =
    "local function show(name, t) local l = {} for _, v in pairs(t) do l[#l + 1] = v end print(name, table.concat(l, ' ')) end\n"
    "local strings, tables, functions, coroutines = {}, {}, {}, {}\n"
    "for i = 1, 40 do strings['key' .. i] = i tables[{}] = i coroutines[coroutine.create(print)] = i end\n"
    "for i, f in ipairs { print, pairs, next, type, error, string.rep, string.gsub, table.sort, math.floor, require 'vortex.core'.on } do\n"
    "  functions[f] = i\n"
    "end\n"
    "show('strings', strings) show('tables', tables) show('functions', functions) show('coroutines', coroutines)\n"
    "print('text', {}, function() end, coroutine.create(print), print, io.stdout ~= nil)\n"
    /* An order that is made up while it is asked for, so that every pivot is a bad one: then sort draws its pivots. */
    "local n, gas, solid, candidate, compared = 600, 1 << 30, 0, nil, 0\n"
    "local value, list = {}, {} for i = 1, n do value[i] = gas list[i] = i end\n"
    "table.sort(list, function(x, y)\n"
    "  compared = compared + 1\n"
    "  if value[x] == gas and value[y] == gas then local z = x == candidate and x or y value[z] = solid solid = solid + 1 end\n"
    "  if value[x] == gas then candidate = x elseif value[y] == gas then candidate = y end\n"
    "  return value[x] < value[y]\n"
    "end)\n"
    "print('sort', compared, table.concat(list, ' '))\n"
    "local ties = {} for i = 1, 300 do ties[i] = { i * 7 % 3, i } end\n"
    "table.sort(ties, function(a, b) return a[1] < b[1] end)\n"
    "for i = 1, 300 do ties[i] = ties[i][2] end print('ties', table.concat(ties, ' '))\n"
    "print('random', math.random(1 << 40), math.random(), math.random(1 << 40))\n"
    "print('time', os.time(), os.clock(), collectgarbage 'count')\n"
    "print('where', debug.getinfo(1, 'S').short_src, package.path)\n";

/* ---- in the other process ---- */

static void print_line(void *arg, enum log_level level, struct slice text)
{
  (void)arg;
  (void)level;
  printf("%.*s\n", (int)text.len, text.ptr);
}

static void show(void *arg)
{
  uint32_t seed = *(uint32_t *)arg;
  script_freeze_clock(seed);
  struct script_cache *cache = script_cache_new();
  for (int i = 0; i < 2; i++) { /* the second time with everything warm */
    struct arena *a = arena_open(2);
    struct script *s = script_new(&(struct script_config){
        .path = path,
        .alloc = arena_realloc,
        .alloc_arg = a,
        .newstate = arena_newstate,
        .cache = cache,
        .no_environment = true,
        .log = print_line,
    });
    struct buf message = {0};
    if (script_load(s, &message) != 0) {
      printf("%.*s\n", (int)message.len, message.data);
    }
    buf_free(&message);
    script_abandon(s);
  }
  script_cache_free(cache);
}

/* ---- here ---- */

struct surroundings {
  const char *seed;
  size_t environment_bytes;
  bool fixed_addresses; /* as by setarch -R */
  const char *lua_path;
};

static void become(const struct surroundings *in)
{
  char *filler = malloc(in->environment_bytes + 1);
  memset(filler, 'x', in->environment_bytes);
  filler[in->environment_bytes] = '\0';
  setenv("FILLER", filler, 1);
  free(filler);
  if (in->lua_path != NULL) {
    setenv("LUA_PATH", in->lua_path, 1);
  }
  if (in->fixed_addresses) {
    personality(ADDR_NO_RANDOMIZE); /* refused in some containers: then it is one run more of the usual kind */
  }
  execl(self, self, "show", in->seed, path, (char *)NULL);
  _exit(127);
}

/* What a process in these surroundings prints: terminated, in a static buffer for each `slot`. */
static const char *run(const struct surroundings *in, int slot)
{
  static char texts[2][100000];
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    become(in);
  }
  close(ends[1]);
  size_t len = 0;
  ssize_t n;
  while ((n = read(ends[0], texts[slot] + len, sizeof texts[slot] - 1 - len)) > 0 || (n < 0 && errno == EINTR)) {
    len += n > 0 ? (size_t)n : 0;
  }
  close(ends[0]);
  texts[slot][len] = '\0';
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  return texts[slot];
}

/* The line that begins with `name`, cut out of a text, in a static buffer for each slot. */
static const char *line_of(const char *text, const char *name, int slot)
{
  static char lines[2][20000];
  const char *at = strstr(text, name);
  assert_non_null(at);
  size_t len = strcspn(at, "\n");
  assert_true(len < sizeof lines[slot]);
  memcpy(lines[slot], at, len);
  lines[slot][len] = '\0';
  return lines[slot];
}

static void test_surroundings_do_not_show(void **state)
{
  (void)state;
  static const struct surroundings others[] = {
      {"12345", 0, false, NULL},    {"12345", 0, false, NULL},
      {"12345", 1, false, NULL},    {"12345", 17, false, NULL},
      {"12345", 5000, false, NULL}, {"12345", 90000, false, NULL},
      {"12345", 0, true, NULL},     {"12345", 90000, true, NULL},
      {"12345", 3, true, NULL},     {"12345", 0, false, "/nowhere/?.lua;;"},
  };
  const char *first = run(&(struct surroundings){"12345", 10, false, NULL}, 0);
  assert_non_null(strstr(first, "where\t"));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_string_equal(run(&others[i], 1), first);
  }
  size_t half = strlen(first) / 2; /* the two states of one process */
  assert_memory_equal(first, first + half, half);
}

static void test_another_seed_shows(void **state)
{
  (void)state;
  const char *one = run(&(struct surroundings){"1", 0, false, NULL}, 0);
  const char *two = run(&(struct surroundings){"2", 0, false, NULL}, 1);
  static const char *const differing[] = {"strings", "sort", "random", "time"};
  for (size_t i = 0; i < sizeof differing / sizeof *differing; i++) {
    assert_string_not_equal(line_of(one, differing[i], 0), line_of(two, differing[i], 1));
  }
  static const char *const same[] = {"functions", "where"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    assert_string_equal(line_of(one, same[i], 0), line_of(two, same[i], 1));
  }
}

static int write_source(void **state)
{
  (void)state;
  snprintf(path, sizeof path, "/tmp/vortex-determinism-XXXXXX");
  int fd = mkstemp(path);
  return fd < 0 || write(fd, source, sizeof source - 1) != (ssize_t)sizeof source - 1 || close(fd) != 0;
}

static int remove_source(void **state)
{
  (void)state;
  return unlink(path);
}

int main(int argc, char **argv)
{
  self = argv[0];
  if (argc == 4 && strcmp(argv[1], "show") == 0) {
    uint32_t seed = (uint32_t)strtoul(argv[2], NULL, 10);
    snprintf(path, sizeof path, "%s", argv[3]);
    arena_call(show, &seed);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_surroundings_do_not_show),
      cmocka_unit_test(test_another_seed_shows),
  };
  return cmocka_run_group_tests(tests, write_source, remove_source);
}
