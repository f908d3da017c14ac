// SPDX-License-Identifier: Apache-2.0
#include "arch/sysreg.h"

struct fake_sysregs fake_sysregs;
