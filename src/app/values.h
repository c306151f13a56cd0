/* Values of options. Each function says on stderr what was expected, and of which option, and returns false if the text is not that. */
#ifndef VORTEX_APP_VALUES_H
#define VORTEX_APP_VALUES_H

#include <stdbool.h>
#include <stdint.h>

bool app_parse_count(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* As app_parse_count, into an unsigned. */
bool app_parse_unsigned(const char *option, const char *text, unsigned min, unsigned max, unsigned *out);

/* Seconds, 0 and fractions included, up to 10^9. */
bool app_parse_seconds(const char *option, const char *text, uint64_t *out_ns);

/* The same, and above 0. */
bool app_parse_positive_seconds(const char *option, const char *text, uint64_t *out_ns);

/* Milliseconds, 0 and fractions included, up to 10^9. */
bool app_parse_milliseconds(const char *option, const char *text, uint64_t *out_ns);

/* "30s", "5m", "1h" or plain seconds, above 0. */
bool app_parse_duration(const char *option, const char *text, uint64_t *out_ns);

/* A number above 0 and up to `max`. */
bool app_parse_rate(const char *option, const char *text, double max, double *out);

/* One of `count` names: its index. */
bool app_parse_name(const char *option, const char *text, const char *const *names, unsigned count, unsigned *out);

#endif
