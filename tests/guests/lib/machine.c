// SPDX-License-Identifier: Apache-2.0
// A device-tree reader of one pass: it knows the few nodes a payload needs.
#include "lib/machine.h"

#include <stddef.h>

#include "lib/print.h"

#define FDT_MAGIC      0xd00dfeedu
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE   2
#define FDT_PROP       3
#define FDT_NOP        4
#define FDT_END        9

struct machine machine = {
    .ram_base = 0x40000000,
    .ram_size = 0x08000000,
    .uart = 0x09000000,
    .rtc = 0x09010000,
    .gicd = 0x08000000,
    .gicr = 0x080a0000,
    .cpus = 1,
    .bootargs = "",
    .hypervisor = "",
};

struct node {
    const char *name;
    const char *compatible;
    const uint8_t *reg;
    unsigned reg_len;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static bool same(const char *a, const char *b)
{
    return strncmp(a, b, strlen(b) + 1) == 0;
}

static bool starts(const char *a, const char *b)
{
    return strncmp(a, b, strlen(b)) == 0;
}

/* Two address and two size cells throughout, as `virt` has them. */
static void node_done(const struct node *node, unsigned *cpus)
{
    if (starts(node->name, "cpu@")) {
        (*cpus)++;
    }
    if (same(node->name, "hypervisor") && node->compatible) {
        machine.hypervisor = node->compatible;
    }
    if (node->reg_len < 16) {
        return;
    }
    if (starts(node->name, "memory")) {
        machine.ram_base = be64(node->reg);
        machine.ram_size = be64(node->reg + 8);
    } else if (!node->compatible) {
        return;
    } else if (starts(node->compatible, "arm,pl011") || same(node->compatible, "arm,sbsa-uart")) {
        machine.uart = be64(node->reg);
    } else if (same(node->compatible, "arm,pl031")) {
        machine.rtc = be64(node->reg);
    } else if (same(node->compatible, "arm,gic-v3") && node->reg_len >= 32) {
        machine.gicd = be64(node->reg);
        machine.gicr = be64(node->reg + 16);
    } else if (same(node->compatible, "arm,cortex-a15-gic") && node->reg_len >= 32) {
        machine.gicd = be64(node->reg);
        machine.gicc = be64(node->reg + 16);
    }
}

static void node_prop(struct node *node, const char *name, const uint8_t *data, unsigned len)
{
    if (same(name, "compatible")) {
        node->compatible = (const char *)data;
    } else if (same(name, "reg")) {
        node->reg = data;
        node->reg_len = len;
    } else if (same(name, "bootargs")) {
        machine.bootargs = (const char *)data;
    } else if (same(name, "linux,uefi-system-table")) {
        machine.efi = be64(data);
    } else if (same(name, "linux,uefi-mmap-start")) {
        machine.efi_map = be64(data);
    } else if (same(name, "linux,uefi-mmap-size")) {
        machine.efi_map_size = be32(data);
    }
}

void machine_read(const void *dtb)
{
    const uint8_t *base = dtb;
    const uint8_t *p;
    const char *strings;
    struct node node = {.name = ""};
    unsigned cpus = 0;

    if (!dtb || be32(base) != FDT_MAGIC) {
        return;
    }
    p = base + be32(base + 8);
    strings = (const char *)base + be32(base + 12);
    for (;;) {
        uint32_t token = be32(p);

        p += 4;
        if (token == FDT_PROP) {
            node_prop(&node, strings + be32(p + 4), p + 8, be32(p));
            p += 8 + ((be32(p) + 3) & ~3u);
        } else if (token != FDT_NOP) {
            /* Properties come before child nodes, so a node is complete at the next node token. */
            node_done(&node, &cpus);
            node = (struct node){.name = ""};
        }
        if (token == FDT_BEGIN_NODE) {
            node.name = (const char *)p;
            p += (strlen(node.name) + 4) & ~3ul;
        } else if (token == FDT_END) {
            break;
        }
    }
    machine.cpus = cpus ? cpus : 1;
}

/* The text after `name` (which ends in '=' or stands alone) at the start of a word, or null. */
static const char *find_arg(const char *name)
{
    const char *p = machine.bootargs;

    while (*p) {
        if (starts(p, name)) {
            return p + strlen(name);
        }
        while (*p && *p != ' ') {
            p++;
        }
        while (*p == ' ') {
            p++;
        }
    }
    return NULL;
}

bool arg_flag(const char *word)
{
    const char *end = find_arg(word);

    return end && (*end == 0 || *end == ' ');
}

bool arg_text(const char *name, char *buf, unsigned size)
{
    const char *text = find_arg(name);
    unsigned n = 0;

    if (!text || *text++ != '=') {
        return false;
    }
    while (*text && *text != ' ' && n + 1 < size) {
        buf[n++] = *text++;
    }
    buf[n] = 0;
    return true;
}

uint64_t arg_u64(const char *name, uint64_t otherwise)
{
    char text[32];
    const char *p = text;
    uint64_t base = 10;
    uint64_t value = 0;

    if (!arg_text(name, text, sizeof(text))) {
        return otherwise;
    }
    if (p[0] == '0' && p[1] == 'x') {
        base = 16;
        p += 2;
    }
    for (; *p; p++) {
        value = value * base + (uint64_t)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
    }
    return value;
}
