// SPDX-License-Identifier: Apache-2.0
#include "arch/timer.h"

struct fake_timer fake_timer;
