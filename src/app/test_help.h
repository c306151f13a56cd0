/* The text of `vortex-lua test --help`. */
#ifndef VORTEX_APP_TEST_HELP_H
#define VORTEX_APP_TEST_HELP_H

/* Prints it to stdout. */
void test_help_print(void);

#endif
