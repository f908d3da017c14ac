// SPDX-License-Identifier: Apache-2.0
// Error numbers inside Newel. Functions that can fail return 0 or one of these.
#pragma once

enum error {
    ERR_NOMEM = -1,   // the pool that had to serve it is exhausted
    ERR_INVALID = -2, // an argument contradicts the contract or the machine
    ERR_RANGE = -3,   // an address or a size outside what it may be
    ERR_EXISTS = -4,  // there already
    ERR_NOENT = -5,   // not there
    ERR_BUSY = -6,    // not in this state; may succeed later
    ERR_UNSUPPORTED = -7,
    ERR_ACCESS = -8, // the rights do not allow it
    ERR_TIMEOUT = -9,
    ERR_IO = -10, // a device failed
};

// "out of memory" and so on; never NULL.
const char *error_text(int err);
