/* Asserts: what the code guarantees, checked in every build.
 *
 * An assert states an invariant of ours. Bad input from outside (a peer, a script, a file) is never an assert: it is an error code.
 * They stay on in release builds, so NDEBUG must not be defined. */
#ifndef VORTEX_BASE_ASSERT_H
#define VORTEX_BASE_ASSERT_H

#ifdef NDEBUG
#error "asserts stay on in every build: do not define NDEBUG"
#endif

#include <assert.h>

/* implies(a, b): b holds whenever a does. For use inside assert(). */
#define implies(a, b) (!(a) || (b))

#endif
