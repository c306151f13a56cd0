/* `vortex-lua test`: a script on trial in a simulated cluster. */
#ifndef VORTEX_APP_TEST_H
#define VORTEX_APP_TEST_H

/* Runs the command; argv is the program's whole command line. Returns the exit status: 0 valid, 1 invalid, 2 unknown, 3 the test itself
 * could not run. */
int app_test(int argc, char **argv);

#endif
