/* The random simulation of bare cores: a few seconds of it on every run; longer campaigns are run with tests/raft/steps.c. */
#include "simulation.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

enum {
  SEEDS = 150,
  STEPS = 5000,
  LIE_SEEDS = 100,
};

/* VORTEX_TRACE: how many of the last events are told with a failure. */
static size_t trace_lines(void)
{
  const char *lines = getenv("VORTEX_TRACE");
  return lines == NULL ? 0 : (size_t)strtoul(lines, NULL, 10);
}

#define X(name) {#name, offsetof(struct simulation_result, name)},
static const struct {
  const char *name;
  size_t offset;
} COUNTS[] = {SIMULATION_COUNTS(X)};
#undef X

static uint64_t count_of(const struct simulation_result *r, size_t i)
{
  uint64_t n;
  memcpy(&n, (const char *)r + COUNTS[i].offset, sizeof n);
  return n;
}

/* What never happens proves nothing. */
static void must_have_happened(const struct simulation_result *r)
{
  for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
    if (count_of(r, i) == 0) {
      fail_msg("%d seeds, and not once: %s", SEEDS, COUNTS[i].name);
    }
  }
}

static void must_be_equal(const struct simulation_result *a, const struct simulation_result *b)
{
  for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
    assert_int_equal(count_of(a, i), count_of(b, i));
  }
}

static void clusters_keep_their_promises(void **state)
{
  (void)state;
  struct simulation_result sum = {0};
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    struct simulation_options options = {.seed = seed, .steps = STEPS, .trace_lines = trace_lines()};
    struct simulation_result result;
    simulation_run(&options, &result, stderr);
    simulation_add(&sum, &result);
    if (!result.ok) {
      fail_msg("seed %llu, %d steps: %s", (unsigned long long)seed, STEPS, result.failure);
    }
  }
  must_have_happened(&sum);
}

static void a_seed_is_a_whole_run(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    struct simulation_options options = {.seed = seed, .steps = STEPS};
    struct simulation_result one;
    struct simulation_result other;
    simulation_run(&options, &one, NULL);
    options.trace_lines = 10;
    simulation_run(&options, &other, NULL);
    assert_int_equal(one.virtual_ns, other.virtual_ns);
    must_be_equal(&one, &other);
  }
}

/* Whether a host that breaks its contract is found out, by words that say what it does. */
static void is_found(enum simulation_lie lie, const char *const *words)
{
  char last[sizeof((struct simulation_result *)NULL)->failure] = "nothing was found";
  for (uint64_t seed = 1; seed <= LIE_SEEDS; seed++) {
    struct simulation_options options = {.seed = seed, .steps = STEPS, .lie = lie};
    struct simulation_result result;
    simulation_run(&options, &result, NULL);
    if (result.ok) {
      continue;
    }
    for (size_t i = 0; words[i] != NULL; i++) {
      if (strstr(result.failure, words[i]) != NULL) {
        return;
      }
    }
    memcpy(last, result.failure, sizeof last);
  }
  fail_msg("lie %d is not found: %s", lie, last);
}

#define FOUND(lie, ...) is_found((lie), (const char *const[]){__VA_ARGS__, NULL})

static void hosts_that_lie_are_found(void **state)
{
  (void)state;
  FOUND(SIMULATION_SENDS_EARLY, "has to wait for");
  FOUND(SIMULATION_FORGETS, "durability");
  FOUND(SIMULATION_FORGETS_VOTES, "durability");
  FOUND(SIMULATION_REPORTS_EARLY, "durability");
  FOUND(SIMULATION_APPLIES_EARLY, "is applied, and committed is only");
  FOUND(SIMULATION_GARBLES, "log matching");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clusters_keep_their_promises),
      cmocka_unit_test(a_seed_is_a_whole_run),
      cmocka_unit_test(hosts_that_lie_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
