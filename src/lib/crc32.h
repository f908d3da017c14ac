// SPDX-License-Identifier: Apache-2.0
// The CRC of IEEE 802.3, as zlib and UEFI (2.10, 4.2) compute it.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Goes on from the CRC of the bytes before; 0 at first.
uint32_t crc32(uint32_t crc, const void *bytes, size_t size);
