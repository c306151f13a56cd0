/* The signals of the process. Private to host; one user per process.
 *
 * SIGINT and SIGTERM ask for an end in order; a second one ends the process at once, whatever it is doing. SIGCONT is noted. SIGPIPE does
 * nothing (an empty handler, so that programs which a script starts get the default back). The loop is woken by uv_async. */
#ifndef VORTEX_HOST_SIGNALS_H
#define VORTEX_HOST_SIGNALS_H

#include <stdbool.h>
#include <uv.h>

#define SIGNALS_SAME_NS UINT64_C(5000000) /* timeout(1) and some terminals send a signal twice at once: that counts as one */

/* Installs the handlers. `wake` is sent to whenever something has been noted; NULL = nobody. */
void signals_start(uv_async_t *wake);

/* The loop is not woken any more. The handlers stay, so that a signal can still cut the end of the process short. */
void signals_end(void);

/* The signal that asked for an end, 0 if none has. Cannot fail. */
int signals_stop_asked(void);

/* Whether the process has been continued since signals_take_continued(), which forgets it. Cannot fail. */
bool signals_continued(void);
bool signals_take_continued(void);

#endif
