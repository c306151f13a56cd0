/* The two protocol descriptors, moved out of everybody's way. Private to host.
 *
 * What stdin and stdout refer to may be shared with other processes and with stderr, so its O_NONBLOCK flag is not ours to set: it belongs
 * to the open file description, not to the descriptor. Where the system can (Linux, pipes and terminals), fds_own() opens a
 * description of our own instead. */
#ifndef VORTEX_HOST_FDS_H
#define VORTEX_HOST_FDS_H

#include <stdbool.h>
#include <uv.h>

/* Moves descriptors 0 and 1 to numbers from 3 up, close-on-exec; 0 becomes /dev/null, 1 becomes stderr; a closed stderr becomes /dev/null.
 * Call it before anything else opens a descriptor. 0, or -1 with a reason on stderr; nothing has been moved then. */
int fds_take(int *in, int *out);

/* Makes the description behind `fd`, a pipe or a terminal, our own and non-blocking, opened with `access` (O_RDONLY or O_WRONLY).
 * Takes fd; returns the descriptor to use from now on, which is fd itself if that is impossible. Sets *own. Cannot fail. */
int fds_own(int fd, int access, bool *own);

/* uv_poll_init() without its side effect: the description keeps the O_NONBLOCK flag it has. Returns what uv_poll_init returns. */
int fds_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd);

#endif
