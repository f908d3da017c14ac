// SPDX-License-Identifier: Apache-2.0
// Newel itself has no devices for tests; tests/el2 has.
#include "dev/port.h"

const bool port_test_devices = false;

void port_add_test_devices(struct port_bus *bus, unsigned vm)
{
    (void)bus;
    (void)vm;
}
