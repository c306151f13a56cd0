/* CRC-32C: the Castagnoli polynomial 0x1EDC6F41, reflected, as in RFC 3720 (appendix B.4). Detects damage, not malice. */
#ifndef VORTEX_BASE_CRC32C_H
#define VORTEX_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` is the checksum of (0 = of nothing) followed by `len` bytes. Uses the processor's instruction where there is
 * one. Cannot fail. */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t len);

/* The same in plain C, on every processor. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len);

#endif
