// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.h"

// Gives the vCPU, which runs here, its pointer authentication keys and stops trapping their use.
// False where its VM has no pointer authentication.
bool pauth_enable(struct vcpu *v);
