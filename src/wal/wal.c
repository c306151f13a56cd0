/* The log in memory and its way to the disk. */
#include "wal/wal.h"
