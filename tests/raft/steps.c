/* steps --seeds A..B --steps N [--trace LINES] [--lie NUMBER]: simulates clusters of bare cores (simulation.h), one seed after the other,
 * about N steps each, and prints what happened. Fails if anything went wrong, with how to see it again. */
#include <stdlib.h>
#include <string.h>

#include "simulation.h"

static int usage(void)
{
  fprintf(stderr, "usage: steps --seeds A..B --steps N [--trace LINES] [--lie 1..%d]\n", SIMULATION_LIES - 1);
  return 2;
}

static bool parse(int argc, char **argv, struct simulation_options *o, uint64_t *first, uint64_t *last)
{
  bool seeds = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    char *end;
    uint64_t value = strtoull(argv[i + 1], &end, 10);
    if (end == argv[i + 1]) {
      return false;
    }
    if (strcmp(argv[i], "--seeds") == 0) {
      *first = *last = value;
      if (strncmp(end, "..", 2) == 0) {
        *last = strtoull(end + 2, &end, 10);
      }
      seeds = *last >= *first;
    } else if (strcmp(argv[i], "--steps") == 0) {
      o->steps = value;
    } else if (strcmp(argv[i], "--trace") == 0) {
      o->trace_lines = (size_t)value;
    } else if (strcmp(argv[i], "--lie") == 0 && value < SIMULATION_LIES) {
      o->lie = (enum simulation_lie)value;
    } else {
      return false;
    }
    if (*end != '\0') {
      return false;
    }
  }
  return seeds && o->steps > 0 && argc % 2 == 1;
}

int main(int argc, char **argv)
{
  struct simulation_options options = {0};
  uint64_t first = 0;
  uint64_t last = 0;
  if (!parse(argc, argv, &options, &first, &last)) {
    return usage();
  }
  struct simulation_result sum = {0};
  uint64_t failures = 0;
  for (uint64_t seed = first; seed <= last; seed++) {
    struct simulation_result result;
    options.seed = seed;
    simulation_run(&options, &result, stdout);
    simulation_add(&sum, &result);
    if (!result.ok) {
      failures++;
      printf("seed %llu: %s\n  steps --seeds %llu --steps %llu --trace 200\n", (unsigned long long)seed, result.failure,
             (unsigned long long)seed, (unsigned long long)options.steps);
      fflush(stdout);
    }
  }
  printf("%llu seeds, %llu failed, %llu s simulated\n", (unsigned long long)(last - first + 1), (unsigned long long)failures,
         (unsigned long long)(sum.virtual_ns / 1000000000));
#define X(name) printf("%16s %llu\n", #name, (unsigned long long)sum.name);
  SIMULATION_COUNTS(X)
#undef X
  return failures == 0 ? 0 : 1;
}
