/* Fixed addresses: where arenas and stacks lie in this build. Private to arena.c and stack.c.
 *
 * Where nothing else is: not the sanitizers' shadow memory, and below the 16 TiB that valgrind can use. The kernel puts what it places
 * itself near the top of the address space, and an executable without position independence lies near the bottom. */
#ifndef VORTEX_LAB_FIXED_H
#define VORTEX_LAB_FIXED_H

#include <stddef.h>
#include <stdint.h>

#include "sim/sim.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIXED_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIXED_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIXED_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define FIXED_TSAN 1
#endif

#if defined(FIXED_ASAN)
#define FIXED_ARENAS UINT64_C(0x200000000000)
#define FIXED_MAX    SIM_NODES_MAX /* the highest number of an arena */
#elif defined(FIXED_TSAN)
#define FIXED_ARENAS UINT64_C(0x004000000000) /* ThreadSanitizer leaves 512 GiB at the bottom */
#define FIXED_MAX    255
#else
#define FIXED_ARENAS UINT64_C(0x020000000000)
#define FIXED_MAX    SIM_NODES_MAX
#endif
#define FIXED_STACKS (FIXED_ARENAS - (UINT64_C(1) << 30))

/* Reserves a range of just these addresses; not accessible yet. Aborts with a message if they are taken. */
void *fixed_reserve(uint64_t at, size_t bytes);

#endif
