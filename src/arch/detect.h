// SPDX-License-Identifier: Apache-2.0
// Whether EL2 is what it seems (newel/detect.h): nested in another hypervisor, it traps to that.
#pragma once

#include <newel/detect.h>

// With the MMU on. *register_: the first that trapped, else NULL.
enum newel_detect_verdict el2_detect(const char **register_);
