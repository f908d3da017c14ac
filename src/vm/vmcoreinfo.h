// SPDX-License-Identifier: Apache-2.0
// VMCOREINFO, what a Linux kernel tells tools of where it is (Linux, Documentation/admin-guide/
// kdump/vmcoreinfo.rst): an ELF note at the beginning of a page of its own.
#pragma once

#include "mem/stage2.h"
#include "mem/walk.h"

#include <stdbool.h>
#include <stddef.h>

#define VMCOREINFO_MOST 4096 // bytes of text

struct vmcoreinfo {
    char text[VMCOREINFO_MOST + 1]; // lines KEY=VALUE; the guest's words
    size_t size;                    // 0: none was found
    gpa_t kernel;                   // swapper_pg_dir, the tables of the kernel's half
};

// Looks at no more than `pages` pages that are mapped, from *at up to end; true when it is found or
// *at is end. The note counts if the tables that it names translate their own address to where they
// are: a page that a program of the guest's has made look like one does not. regs: a vCPU's.
bool vmcoreinfo_search(struct vmcoreinfo *info, struct stage2 *s2, const struct walk_regs *regs,
                       gpa_t *at, gpa_t end, unsigned pages);
