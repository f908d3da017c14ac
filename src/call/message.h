// SPDX-License-Identifier: Apache-2.0
// The message channel of VMware's backdoor (command 30), by which a guest's tools talk to Newel:
// channels that a guest opens for one of two protocols, RPCI (call/rpci.h) or TCLO (call/tclo.h),
// and what goes over them, four bytes a call or all at once. Source: open-vm-tools,
// lib/message/message.c and lib/include/backdoor_def.h; docs/guest-abi.md has all of it.
//
// Any process of a guest may call. A channel belongs to whoever knows its cookie: 64 bits of the
// host's generator (cpu/drbg.h), or where that has no source, of the counter at all the calls so
// far. A channel that EL1 opened is refused to EL0.
#pragma once

#include "mem/frames.h"
#include "vm/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_COMMAND 30u // of the low-bandwidth port; 0 of the high-bandwidth one

struct tools; // a VM's; takes its own lock, which is inside the VM's and outside the console's

// NULL without memory: 1 MiB or so, owner's, that tools_destroy() gives back. The configuration
// stays as it is until then. A VM has tools from the time it is made until it is destroyed.
struct tools *tools_create(const struct vm_config *config, owner_t owner);
void tools_destroy(struct tools *t);
// The VM starts anew: no channel is open, nothing was reported. What is in guestinfo stays.
void tools_reset(struct tools *t);

// The low-bandwidth port. x: X0 to X6 of the call, in and out: type in X2[31:16], status there
// afterwards; channel in X3[31:16]; cookie in X4 (high) and X5 (low). X0 is left alone.
// privileged: the caller is EL1.
void message_low(struct tools *t, uint64_t x[7], bool privileged);

// The high-bandwidth port. out: from the guest to Newel. Cookie, high half first: out X6 and X5, in
// X4 and X6.
// privileged: the caller is EL1. Returns where the block of X2 bytes is copied to (out) or from
// (in), and X2 in size; NULL when the channel, the cookie or the length is wrong: the caller
// answers with a status without success, 0 in X1[31:16]. After any other answer message_high_end()
// has to follow on the same registers, and until then no other vCPU gets at this channel. With
// complete the message is committed and the status stored in X1[31:16]; without, nothing has
// happened and the guest may try again with the same registers. X2 to X6 are not changed.
void *message_high_begin(struct tools *t, const uint64_t x[7], bool out, bool privileged,
                         size_t *size);
void message_high_end(struct tools *t, uint64_t x[7], bool out, bool complete);
