// SPDX-License-Identifier: Apache-2.0
// A NOR flash, as the store of what survives sees it: bytes that read as ones when they are erased,
// by blocks, and of which programming turns ones into zeroes. One operation at a time, which may
// take long; what a cut of power leaves of it is anything between before and after, within the
// bytes it was to change.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NOR_UNIT 512u // bytes that are programmed at once, at most, and not across a multiple of it

struct nor;

struct nor_ops {
    // While no operation is under way; returns when it is done.
    void (*read)(struct nor *nor, uint64_t offset, void *to, size_t size);
    // These two begin an operation, at multiples of 4 bytes; a block at its first byte. What is
    // programmed stays at `from` until the operation is done.
    void (*program)(struct nor *nor, uint64_t offset, const void *from, size_t size);
    void (*erase)(struct nor *nor, uint64_t offset);
    // 0: none is under way, and the last one succeeded. ERR_BUSY: it goes on. ERR_IO: it failed.
    int (*poll)(struct nor *nor);
};

struct nor {
    const struct nor_ops *ops;
    uint64_t size;  // bytes, a multiple of block
    uint32_t block; // bytes, a power of two
};
