/* CHECK(condition): stops the fuzzer with a finding unless the condition holds. */
#ifndef VORTEX_TESTS_FUZZ_CHECK_H
#define VORTEX_TESTS_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                                                   \
  do {                                                                                                                                     \
    if (!(condition)) {                                                                                                                    \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                                                       \
      abort();                                                                                                                             \
    }                                                                                                                                      \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
