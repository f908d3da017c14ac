// SPDX-License-Identifier: Apache-2.0
// Code of a guest's that is watched: guest-virtual ranges whose pages may not be written, by an
// override of their rights (mem/override.h), and where they were mapped when the watch began. The
// list tells a change by the address that the operator gave; it protects nothing by itself.
#pragma once

#include "lib/addr.h"
#include "mem/override.h"

#include <stdbool.h>
#include <stddef.h>

#define WATCH_MOST OVERRIDE_MAX

struct vm;

struct watch {
    struct vm *vm;
    uint64_t life; // the VM's starts and resets: of another one it is no more
    gva_t va;
    gpa_t ipa;
    uint64_t size;
    enum override_policy policy;
};

// Any CPU. False if the list is full.
bool watch_add(const struct watch *w);
// The nth of a VM's; false if there are no more. A copy, since it may be gone.
bool watch_get(const struct vm *vm, size_t n, struct watch *out);
void watch_remove(const struct watch *w);

// What is watched at a guest-physical address.
bool watch_find(const struct vm *vm, gpa_t at, struct watch *out);
