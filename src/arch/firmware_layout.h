// SPDX-License-Identifier: Apache-2.0
// Numbers that firmware.c and firmware.S share.
#pragma once

// struct firmware_context
#define FIRMWARE_X30    240
#define FIRMWARE_SP     248
#define FIRMWARE_PC     256
#define FIRMWARE_OWN_SP 272
#define FIRMWARE_ESR    280

// enum firmware_left
#define FIRMWARE_RETURNED_NUMBER    0
#define FIRMWARE_INTERRUPTED_NUMBER 1
#define FIRMWARE_FAULTED_NUMBER     2
