// SPDX-License-Identifier: Apache-2.0
#include "arch/cpu.h"
#include "park/layout.h"

// The parking code is Arm's; tests look where it is put.
extern const unsigned char park_code[PARK_CODE_SIZE];
const unsigned char park_code[PARK_CODE_SIZE] = {[0] = 0xc0, [PARK_CODE_SIZE - 1] = 0xde};

unsigned fake_sev;
