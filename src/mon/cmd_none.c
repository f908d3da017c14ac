// SPDX-License-Identifier: Apache-2.0
// A test image is linked with tests/el2/cmd_test.c in place of this.
#include "mon/monitor.h"

const struct command test_commands[] = {{0}};
