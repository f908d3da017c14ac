// SPDX-License-Identifier: Apache-2.0
// Packaged libraries (libfdt) are compiled with stack canaries; Newel's own code has guard pages.
#include "lib/check.h"

#include <stdint.h>

extern uintptr_t __stack_chk_guard;
uintptr_t __stack_chk_guard =
    UINT64_C(0x000aff0d7365776e); // a NUL and line ends stop a string from copying it

noreturn void __stack_chk_fail(void);
noreturn void __stack_chk_fail(void)
{
    panic("a library's stack canary was overwritten");
}
