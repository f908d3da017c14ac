// SPDX-License-Identifier: Apache-2.0
// The headers of an ELF core file (System V gABI, chapter 4 and 5; AAELF64) of a VM, made in memory
// that the caller brings: its program headers are guest-virtual ranges, whose contents follow the
// headers in the file; its notes the vCPUs' registers, as Linux lays them out (NT_PRSTATUS). An
// alignment of 0 in a program header says, to crash, that this is no netdump.
#pragma once

#include "cpu/vcpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_NOTES_SIZE  0x4000 // of the memory; the rest is for ranges
#define CORE_RANGE_SIZE  56
#define CORE_MOST_RANGES 0xfffdu // with one header for the notes, what e_phnum can say
#define CORE_MOST_SIZE   (CORE_NOTES_SIZE + (CORE_MOST_RANGES + 1) * CORE_RANGE_SIZE)

struct core {
    char *memory, *note_memory;
    size_t most; // ranges
    size_t ranges, notes;
};

// size: a page more than CORE_NOTES_SIZE, at least.
void core_start(struct core *c, void *memory, size_t size);

// False if there is no room. NT_PRSTATUS of a vCPU that is whole in memory; any other note: the
// bytes at desc.
bool core_add_vcpu(struct core *c, const struct vcpu *v);
bool core_add_note(struct core *c, const char *name, uint32_t type, const void *desc, size_t size);

// size bytes at va, of rights that are bits of enum walk_access; contents: where they begin behind
// the headers. Grows the last range where it goes on. False if there is no room.
bool core_add_range(struct core *c, gva_t va, gpa_t ipa, uint64_t size, unsigned rights,
                    uint64_t contents);

// Bytes of the memory that are the beginning of the file, a multiple of 4 KiB; no more is added.
size_t core_finish(struct core *c);
