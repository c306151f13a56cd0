/* Copies what arrives on stdin back to stdout, with blocking calls: the least that a round trip through two pipes costs. */
#include <unistd.h>

int main(void)
{
  char text[65536];
  ssize_t n;
  while ((n = read(0, text, sizeof text)) > 0) {
    if (write(1, text, (size_t)n) != n) {
      return 1;
    }
  }
  return n < 0;
}
