// SPDX-License-Identifier: Apache-2.0
// TCLO: what the host asks of programs in the guest. The guest does the polling: it sends the
// result of what it was told last, or nothing, and then looks for a message. Everything here is
// called with the tools' lock held. Source: open-vm-tools, lib/rpcIn/rpcin.c; docs/guest-abi.md.
#pragma once

#include "call/guestinfo.h"

#include <stdbool.h>

struct tools;
struct channel;

// A channel for it was opened; false if there are too many.
bool tclo_open(struct tools *t, struct channel *c);
void tclo_close(struct tools *t, struct channel *c);

// What the guest sent: "OK ..." or "ERROR ..." for the last message, or nothing.
void tclo_result(struct tools *t, struct channel *c, struct text result);

// The guest asks whether there is a message: its text, or NULL for none. The message counts as on
// its way.
const char *tclo_next(struct tools *t, struct channel *c);

// The tools' script for a shutdown or reboot is done (tools.os.statechange.status).
void tclo_script_done(struct tools *t, bool success, unsigned what);

// Gives up what was not fetched or answered in time.
void tclo_expire(struct tools *t);
bool tclo_alive(const struct tools *t); // vmtoolsd polls
