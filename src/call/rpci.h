// SPDX-License-Identifier: Apache-2.0
// RPCI: what programs in the guest ask of the host, as strings. A request is a command's name, a
// space and arguments; the answer is "1 " and a result, or "0 " and what is wrong.
// Source: open-vm-tools, the senders under services/plugins and libguestlib; docs/guest-abi.md.
#pragma once

#include "call/guestinfo.h"

struct tools;

// Executes a request of size bytes at buffer, which may end in a NUL, and leaves the answer in its
// place; the buffer holds MESSAGE_MAX bytes. Returns the answer's size. The tools' lock is held.
size_t rpci_execute(struct tools *t, char *buffer, size_t size);
