#include "app/suggest.h"

#include <stdio.h>
#include <string.h>

/* Edit distance (Levenshtein) between two short names. */
static size_t distance(const char *a, const char *b)
{
  size_t row[64];
  size_t n = strlen(b);
  if (n >= sizeof row / sizeof *row) {
    return n;
  }
  for (size_t k = 0; k <= n; k++) {
    row[k] = k;
  }
  for (size_t i = 1; a[i - 1] != '\0'; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t k = 1; k <= n; k++) {
      size_t above = row[k];
      size_t best = diagonal + (a[i - 1] != b[k - 1]);
      best = above + 1 < best ? above + 1 : best;
      row[k] = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
      diagonal = above;
    }
  }
  return row[n];
}

/* How far a name is from an option: a beginning of it is nearest. */
static size_t away(const char *name, const char *option)
{
  return strncmp(name, option, strlen(name)) == 0 ? 0 : distance(name, option);
}

void app_complain_unknown(const char *given, const struct option *options, const char *help)
{
  char name[48];
  const char *begin = given + strspn(given, "-");
  snprintf(name, sizeof name, "%.*s", (int)strcspn(begin, "="), begin);
  const char *nearest = options[0].name;
  for (const struct option *o = options; o->name != NULL; o++) {
    nearest = away(name, o->name) < away(name, nearest) ? o->name : nearest;
  }
  fprintf(stderr, "vortex-lua: unknown option %s; did you mean --%s? (%s lists all)\n", given, nearest, help);
}
