#include "app/values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX 1e9 /* of any unit */

/* Digits alone: no sign, no blanks, no overflow. */
static bool digits(const char *text, uint64_t *out)
{
  if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
    return false;
  }
  errno = 0;
  *out = strtoull(text, NULL, 10);
  return errno == 0;
}

/* A decimal number: neither hexadecimal nor infinite. *end is behind it. */
static bool number(const char *text, double *out, const char **end)
{
  if (!isdigit((unsigned char)text[0]) && text[0] != '.') {
    return false;
  }
  char *behind;
  *out = strtod(text, &behind);
  *end = behind;
  return behind != text && memchr(text, 'x', (size_t)(behind - text)) == NULL && memchr(text, 'X', (size_t)(behind - text)) == NULL;
}

bool app_parse_count(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
  if (digits(text, out) && *out >= min && *out <= max) {
    return true;
  }
  if (max == UINT64_MAX) {
    fprintf(stderr, "vortex-lua: %s: an integer from %" PRIu64 " to 2^64-1 expected, not \"%s\"\n", option, min, text);
  } else {
    fprintf(stderr, "vortex-lua: %s: an integer from %" PRIu64 " to %" PRIu64 " expected, not \"%s\"\n", option, min, max, text);
  }
  return false;
}

bool app_parse_unsigned(const char *option, const char *text, unsigned min, unsigned max, unsigned *out)
{
  uint64_t value;
  if (!app_parse_count(option, text, min, max, &value)) {
    return false;
  }
  *out = (unsigned)value;
  return true;
}

static bool parse_time(const char *option, const char *text, const char *unit, double ns_per_unit, bool zero, uint64_t *out_ns)
{
  double value;
  const char *end;
  if (number(text, &value, &end) && *end == '\0' && value <= TIME_MAX && (zero || value > 0)) {
    *out_ns = (uint64_t)(value * ns_per_unit);
    if (zero || *out_ns > 0) {
      return true;
    }
  }
  fprintf(stderr, "vortex-lua: %s: a time in %s%s expected, not \"%s\"\n", option, unit, zero ? "" : " above 0", text);
  return false;
}

bool app_parse_seconds(const char *option, const char *text, uint64_t *out_ns)
{
  return parse_time(option, text, "seconds", 1e9, true, out_ns);
}

bool app_parse_positive_seconds(const char *option, const char *text, uint64_t *out_ns)
{
  return parse_time(option, text, "seconds", 1e9, false, out_ns);
}

bool app_parse_milliseconds(const char *option, const char *text, uint64_t *out_ns)
{
  return parse_time(option, text, "milliseconds", 1e6, true, out_ns);
}

bool app_parse_duration(const char *option, const char *text, uint64_t *out_ns)
{
  double value;
  const char *end;
  if (number(text, &value, &end)) {
    static const struct {
      const char *unit;
      double s;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
      double s = value * units[i].s;
      if (strcmp(end, units[i].unit) == 0 && s >= 1e-9 && s <= TIME_MAX) {
        *out_ns = (uint64_t)(s * 1e9);
        return true;
      }
    }
  }
  fprintf(stderr, "vortex-lua: %s: a time such as 30s, 5m or 1h expected, not \"%s\"\n", option, text);
  return false;
}

bool app_parse_rate(const char *option, const char *text, double max, double *out)
{
  const char *end;
  if (number(text, out, &end) && *end == '\0' && *out > 0 && *out <= max) {
    return true;
  }
  fprintf(stderr, "vortex-lua: %s: a number above 0 and up to %.0f expected, not \"%s\"\n", option, max, text);
  return false;
}

bool app_parse_name(const char *option, const char *text, const char *const *names, unsigned count, unsigned *out)
{
  for (unsigned i = 0; i < count; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = i;
      return true;
    }
  }
  fprintf(stderr, "vortex-lua: %s: ", option);
  for (unsigned i = 0; i < count; i++) {
    fprintf(stderr, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
  }
  fprintf(stderr, " expected, not \"%s\"\n", text);
  return false;
}
