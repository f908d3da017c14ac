// SPDX-License-Identifier: Apache-2.0
// CHECK: what must hold whatever a guest, a manifest or a device tree says. A failed CHECK means
// that Newel itself is broken, and stops the machine.
#pragma once

#include <stdnoreturn.h>

noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(cond)                                                      \
    do {                                                                 \
        if (__builtin_expect(!(cond), 0)) {                              \
            panic("%s:%d: check failed: %s", __FILE__, __LINE__, #cond); \
        }                                                                \
    } while (0)
