/* `vortex-lua check [options] -w WORKLOAD HISTORY…`: judges stored histories. */
#ifndef VORTEX_APP_CHECK_H
#define VORTEX_APP_CHECK_H

/* Runs the command. argv[0] is the subcommand's own name. Writes the verdicts to stdout, and what could not be read or judged to stderr.
 * Returns the exit status:
 *   0  every history is valid
 *   1  one is invalid
 *   2  one could not be decided, and none is invalid
 *   3  a file could not be read, or the options are wrong, or output failed; whatever the verdicts on other files */
int app_check(int argc, char **argv);

#endif
