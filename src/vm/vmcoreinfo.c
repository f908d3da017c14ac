// SPDX-License-Identifier: Apache-2.0
#include "vm/vmcoreinfo.h"

#include "lib/bits.h"
#include "mem/backing.h"
#include "mem/guest.h"

#include <string.h>

#define NAME  "VMCOREINFO"
#define BEGIN "OSRELEASE="

struct note {
    uint32_t namesz, descsz, type;
    char name[12]; // with its padding
    char desc[sizeof(BEGIN) - 1];
};
#define DESC offsetof(struct note, desc)

static bool is_note(const struct note *n)
{
    return n->namesz == sizeof(NAME) && n->type == 0 && n->descsz >= sizeof(n->desc) &&
           n->descsz <= VMCOREINFO_MOST && memcmp(n->name, NAME, sizeof(NAME)) == 0 &&
           memcmp(n->desc, BEGIN, sizeof(n->desc)) == 0;
}

// What follows key at the beginning of a line; NULL if it is nowhere.
static const char *value_of(const struct vmcoreinfo *info, const char *key)
{
    const char *line = info->text;

    while (line != NULL && strncmp(line, key, strlen(key)) != 0) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return line != NULL ? line + strlen(key) : NULL;
}

// Hexadecimal, with 0x or without; 0 if it is not there.
static uint64_t number_of(const struct vmcoreinfo *info, const char *key)
{
    const char *p = value_of(info, key);
    uint64_t n = 0;

    if (p == NULL) {
        return 0;
    }
    for (p += strncmp(p, "0x", 2) == 0 ? 2 : 0; *p != '\0' && *p != '\n'; p++) {
        unsigned c = (unsigned char)(*p | 0x20);
        n = n << 4 | (c <= '9' ? c & 0xf : (c - 'a' + 10) & 0xf);
    }
    return n;
}

static bool tables_agree(struct vmcoreinfo *info, struct stage2 *s2, const struct walk_regs *regs)
{
    uint64_t tables = number_of(info, "SYMBOL(swapper_pg_dir)=");
    struct walk_regs r = *regs;
    struct walk_result w;
    struct walk_rights rights;

    r.ttbr1 = tables - number_of(info, "NUMBER(kimage_voffset)=");
    info->kernel = gpa(r.ttbr1);
    if (r.ttbr1 >= BIT(s2->ipa_bits) || !is_aligned(r.ttbr1, PAGE_SIZE)) {
        return false;
    }
    walk_look(s2, &r, gva(tables), &w, &rights);
    return w.fault == WALK_OK && w.ipa.v == r.ttbr1;
}

static bool take(struct vmcoreinfo *info, struct stage2 *s2, const struct walk_regs *regs, gpa_t at)
{
    struct note n;

    if (guest_read(s2, &n, at, sizeof(n)) != 0 || !is_note(&n) ||
        guest_read(s2, info->text, gpa_add(at, DESC), n.descsz) != 0) {
        return false;
    }
    info->text[n.descsz] = '\0';
    info->size = n.descsz;
    if (!tables_agree(info, s2, regs)) {
        info->size = 0;
    }
    return info->size != 0;
}

bool vmcoreinfo_search(struct vmcoreinfo *info, struct stage2 *s2, const struct walk_regs *regs,
                       gpa_t *at, gpa_t end, unsigned pages)
{
    while (at->v < end.v && pages > 0) {
        struct backing b;
        unsigned steps = 1;

        backing_find(s2, *at, end.v - at->v, &steps, &b);
        if (!b.mapped) {
            *at = gpa_add(*at, b.size);
            pages--;
            continue;
        }
        for (; b.size != 0 && pages > 0; b.size -= PAGE_SIZE, pages--) {
            if (take(info, s2, regs, *at)) {
                return true;
            }
            *at = gpa_add(*at, PAGE_SIZE);
        }
    }
    return at->v >= end.v;
}
