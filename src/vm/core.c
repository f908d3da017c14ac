// SPDX-License-Identifier: Apache-2.0
#include "vm/core.h"

#include "arch/sysreg_bits.h"
#include "lib/addr.h"
#include "lib/bits.h"
#include "mem/walk.h"

#include <string.h>

// The file: ELF header, program headers, the first of them the notes', and the notes, as crash
// wants it; until all headers are there, the notes are collected at the end of the memory.
#define HEADERS_AT 0x40
#define NOTES_ROOM (CORE_NOTES_SIZE - HEADERS_AT)

#define ET_CORE     4
#define EM_AARCH64  183
#define PT_LOAD     1
#define PT_NOTE     4
#define PF_X        1
#define PF_W        2
#define PF_R        4
#define NT_PRSTATUS 1

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct program_header) == CORE_RANGE_SIZE, "Elf64_Phdr");

struct note_header {
    uint32_t namesz, descsz, type;
};

// Linux's struct elf_prstatus, include/uapi/linux/elfcore.h.
struct prstatus {
    uint32_t signo, code, error;
    uint16_t cursig;
    uint64_t sigpend, sighold;
    uint32_t pid, ppid, pgrp, sid;
    uint64_t times[8];
    uint64_t x[31], sp, pc, pstate;
    uint32_t fpvalid;
};
_Static_assert(sizeof(struct prstatus) == 392 && offsetof(struct prstatus, x) == 112, "Linux's");

static struct program_header *header(const struct core *c, size_t n)
{
    return (struct program_header *)(c->memory + HEADERS_AT) + n;
}

void core_start(struct core *c, void *memory, size_t size)
{
    size_t room = (size - CORE_NOTES_SIZE) / CORE_RANGE_SIZE - 1;

    *c = (struct core){.memory = memory,
                       .note_memory = (char *)memory + size - NOTES_ROOM,
                       .most = MIN(room, CORE_MOST_RANGES)};
}

// ---- Notes ----

bool core_add_note(struct core *c, const char *name, uint32_t type, const void *desc, size_t size)
{
    struct note_header h = {(uint32_t)strlen(name) + 1, (uint32_t)size, type};
    size_t name_room = align_up(h.namesz, 4), room = sizeof(h) + name_room + align_up(size, 4);

    if (room > NOTES_ROOM - c->notes) {
        return false;
    }
    char *to = c->note_memory + c->notes;

    memset(to, 0, room);
    memcpy(to, &h, sizeof(h));
    memcpy(to + sizeof(h), name, h.namesz);
    memcpy(to + sizeof(h) + name_room, desc, size);
    c->notes += room;
    return true;
}

// With SP_EL0 where PSTATE says so: at EL0, and at EL1t.
bool core_add_vcpu(struct core *c, const struct vcpu *v)
{
    struct prstatus s = {.pid = v->index + 1, .pc = v->regs.pc, .pstate = v->regs.pstate};

    memcpy(s.x, v->regs.x, sizeof(s.x));
    s.sp = (v->regs.pstate & PSR_M_MASK) == PSR_EL1H ? v->el1.sp_el1 : v->el1.sp_el0;
    return core_add_note(c, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

// ---- Ranges ----

static uint32_t flags_of(unsigned rights)
{
    return ((rights >> WALK_READ & 1) != 0 ? PF_R : 0) |
           ((rights >> WALK_WRITE & 1) != 0 ? PF_W : 0) |
           ((rights >> WALK_FETCH & 1) != 0 ? PF_X : 0);
}

static bool goes_on(const struct program_header *h, const struct program_header *next)
{
    return h->vaddr + h->memsz == next->vaddr && h->paddr + h->memsz == next->paddr &&
           h->offset + h->memsz == next->offset && h->flags == next->flags;
}

bool core_add_range(struct core *c, gva_t va, gpa_t ipa, uint64_t size, unsigned rights,
                    uint64_t contents)
{
    struct program_header new = {
        .type = PT_LOAD,
        .flags = flags_of(rights),
        .offset = contents,
        .vaddr = va.v,
        .paddr = ipa.v,
        .filesz = size,
        .memsz = size,
    };
    struct program_header *last = header(c, c->ranges); // behind the notes'

    if (c->ranges != 0 && goes_on(last, &new)) {
        last->memsz += size;
        last->filesz += size;
        return true;
    }
    if (c->ranges == c->most) {
        return false;
    }
    *header(c, ++c->ranges) = new;
    return true;
}

// ---- The end ----

static void write_elf_header(const struct core *c)
{
    *(struct elf_header *)c->memory = (struct elf_header){
        .ident = {0x7f, 'E', 'L', 'F', 2, 1, 1}, // 64 bits, little-endian, version 1
        .type = ET_CORE,
        .machine = EM_AARCH64,
        .version = 1,
        .phoff = HEADERS_AT,
        .ehsize = sizeof(struct elf_header),
        .phentsize = sizeof(struct program_header),
        .phnum = (uint16_t)(c->ranges + 1),
    };
}

size_t core_finish(struct core *c)
{
    size_t notes_at = HEADERS_AT + (c->ranges + 1) * CORE_RANGE_SIZE;
    size_t end = notes_at + c->notes, size = align_up(end, PAGE_SIZE);

    memmove(c->memory + notes_at, c->note_memory, c->notes);
    memset(c->memory + end, 0, size - end);
    write_elf_header(c);
    *header(c, 0) =
        (struct program_header){.type = PT_NOTE, .offset = notes_at, .filesz = c->notes};
    for (size_t n = 1; n <= c->ranges; n++) {
        header(c, n)->offset += size;
    }
    return size;
}
