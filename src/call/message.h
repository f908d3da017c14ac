// SPDX-License-Identifier: Apache-2.0
// The message channels between a VM's tools and Newel: command 30 of the backdoor, and the port
// for whole messages beside it (docs/guest-abi.md).
#pragma once

#include "lib/addr.h"
#include "mem/frames.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_config;
struct tools; // one a VM

// NULL: not enough memory. What they hold is all of it, taken now, owner's.
struct tools *tools_create(const struct vm_config *config, owner_t owner);
void tools_reset(struct tools *t); // the guest is built anew
void tools_destroy(struct tools *t);

// Command 30; x: what the guest has in X0 to X6, in and out.
void message_low(struct tools *t, uint64_t x[7], bool privileged);

// A whole message, whose x[2] bytes go out of the guest or into it: the buffer to copy to or from
// and its size, or NULL where channel, cookie or length are wrong.
void *message_high_begin(struct tools *t, const uint64_t x[7], bool out, size_t *size);
// After each that was not NULL: every byte was copied, or not. The status goes to x[1].
void message_high_end(struct tools *t, uint64_t x[7], bool out, bool complete);
