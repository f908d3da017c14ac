// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

// bulk_asm.S: lines of 64 bytes; size may be 0.
void bulk_zero_lines_to_poc(void *base,
                            size_t size); // a multiple of 4 KiB; DC ZVA's block is 64 bytes, too
// A multiple of 256 bytes.
void bulk_copy_lines_to_poc(void *to, const void *from, size_t size);
void bulk_copy_lines(void *to, const void *from, size_t size);
