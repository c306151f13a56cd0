/* What somebody may have meant who mistyped an option. */
#ifndef VORTEX_APP_SUGGEST_H
#define VORTEX_APP_SUGGEST_H

#include <getopt.h>

/* Says on stderr that `given` ("--log-levl=x", "-y") is unknown, and which of the options, ended by one without a name, is nearest.
 * `help` is the command that lists them. */
void app_complain_unknown(const char *given, const struct option *options, const char *help);

#endif
