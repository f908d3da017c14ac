// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vm/manifest.h"

#include <stdint.h>

// A VM's UUID, in the order of its text: always the same for the same name (RFC 9562, version 8).
void vm_uuid(const struct vm_config *config, uint8_t uuid[16]);
