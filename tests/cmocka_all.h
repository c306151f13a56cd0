/* cmocka wants these before it, in this order. */
#ifndef VORTEX_TESTS_CMOCKA_ALL_H
#define VORTEX_TESTS_CMOCKA_ALL_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#endif
