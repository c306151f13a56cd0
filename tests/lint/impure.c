/* What the purity lint must object to: a library that reaches the clock and a file. */
#include <fcntl.h>
#include <time.h>

long lint_impure(void);

long lint_impure(void)
{
  struct timespec t = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + open("/dev/null", O_RDONLY);
}
