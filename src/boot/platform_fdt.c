// SPDX-License-Identifier: Apache-2.0
#include "boot/platform_fdt.h"

#include "boot/platform_build.h"
#include "lib/error.h"

#include <string.h>

static int add_region(struct fdt_reader *r, struct mem_region *to, size_t *count,
                      struct fdt_range range, const char *what)
{
    if (range.size == 0) {
        return 0;
    }
    if (*count == FRAMES_MAX_REGIONS) {
        return fdt_fail(r, "more than %d regions of %s", FRAMES_MAX_REGIONS, what);
    }
    to[(*count)++] = (struct mem_region){range.base, range.size};
    return 0;
}

static int add_ram(struct fdt_reader *r, int node, struct fdt_range range)
{
    struct platform *p = r->p;
    if (range.size == 0 || range.base >= PA_LIMIT) {
        return 0;
    }
    range.size = MIN(range.size, PA_LIMIT - range.base);
    for (size_t i = 0; i < p->ram_count; i++) {
        if (ranges_overlap(p->ram[i].base, p->ram[i].size, range.base, range.size)) {
            return fdt_fail(r, "%s: memory at 0x%lx overlaps other memory", node_path(r, node).text,
                            (unsigned long)range.base);
        }
    }
    return add_region(r, p->ram, &p->ram_count, range, "memory");
}

static int read_memory_node(struct fdt_reader *r, int node)
{
    struct fdt_cells c;
    int len;
    int count = node_reg_count(r, node);
    const void *reg = fdt_index_get(r->x, node, FDT_REG, &len);
    if (count == 0 || !node_child_cells(r, node_parent(r, node), &c)) {
        return fdt_fail(r, "%s: its reg cannot be read", node_path(r, node).text);
    }
    for (int i = 0; i < count; i++) {
        int at = i * (c.address + c.size);
        struct fdt_range range = {cells_at(reg, at, c.address),
                                  cells_at(reg, at + c.address, c.size)};
        if (range.base + range.size < range.base) {
            return fdt_fail(r, "%s: memory at 0x%lx wraps around", node_path(r, node).text,
                            (unsigned long)range.base);
        }
        int err = add_ram(r, node, range);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int read_memory(struct fdt_reader *r)
{
    for (int node = 0; node < r->x->count; node++) {
        bool take = node_has_type(r, node, "memory") && node_is_enabled(r, node);
        int err = take ? read_memory_node(r, node) : 0;
        if (err != 0) {
            return err;
        }
    }
    if (r->p->ram_count == 0) {
        return fdt_fail(r, "no memory (a node with device_type \"memory\")");
    }
    return 0;
}

static int reserve(struct fdt_reader *r, struct fdt_range range)
{
    struct platform *p = r->p;
    if (range.base >= PA_LIMIT) {
        return 0;
    }
    range.size = MIN(range.size, PA_LIMIT - range.base);
    return add_region(r, p->reserved, &p->reserved_count, range, "reserved memory");
}

static int read_reserve_map(struct fdt_reader *r)
{
    for (int i = 0; i < fdt_num_mem_rsv(r->fdt); i++) {
        struct fdt_range range;
        int err = fdt_get_mem_rsv(r->fdt, i, &range.base, &range.size);
        err = err != 0 ? fdt_fail(r, "reservation %d cannot be read", i) : reserve(r, range);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

// Children without reg ask for memory anywhere, of which Newel has no use.
static int read_reserved_memory(struct fdt_reader *r)
{
    int parent = fdt_index_child(r->x, 0, "reserved-memory"), node = parent;
    if (parent < 0) {
        return 0;
    }
    while ((node = fdt_index_next_child(r->x, parent, node)) >= 0) {
        int len;
        if (!node_is_enabled(r, node) || fdt_index_get(r->x, node, FDT_REG, &len) == NULL) {
            continue;
        }
        int count = node_reg_count(r, node);
        int err =
            count == 0 ? fdt_fail(r, "%s: its reg cannot be read", node_path(r, node).text) : 0;
        for (int i = 0; i < count && err == 0; i++) {
            struct fdt_range range;
            if (node_reg(r, node, i, &range)) {
                err = reserve(r, range);
            }
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static bool is_within_ram(const struct platform *p, struct fdt_range range)
{
    for (size_t i = 0; i < p->ram_count; i++) {
        const struct mem_region *m = &p->ram[i];
        if (range.base >= m->base && range.base - m->base < m->size &&
            range.size <= m->size - (range.base - m->base)) {
            return true;
        }
    }
    return false;
}

static int read_bootargs(struct fdt_reader *r)
{
    int len, chosen = fdt_index_child(r->x, 0, "chosen");
    const char *text = chosen >= 0 ? node_get(r, chosen, "bootargs", &len) : NULL;
    if (text == NULL) {
        return 0;
    }
    return platform_read_words(r->p, text, (size_t)len, "/chosen: bootargs: ", &r->complaint);
}

static int read_initrd(struct fdt_reader *r)
{
    uint64_t start, end;
    int chosen = fdt_index_child(r->x, 0, "chosen");
    if (chosen < 0 || !node_number(r, chosen, "linux,initrd-start", &start) ||
        !node_number(r, chosen, "linux,initrd-end", &end) || start == end) {
        return 0;
    }
    struct fdt_range range = {start, end - start};
    if (end < start || !is_within_ram(r->p, range)) {
        return fdt_fail(r, "/chosen: initrd 0x%lx to 0x%lx is not within memory",
                        (unsigned long)start, (unsigned long)end);
    }
    r->p->initrd = (struct mem_region){range.base, range.size};
    return reserve(r, range);
}

static int read_reserved(struct fdt_reader *r)
{
    int err = read_reserve_map(r);
    err = err != 0 ? err : read_reserved_memory(r);
    err = err != 0 ? err : read_initrd(r);
    if (err != 0) {
        return err;
    }
    return reserve(r, (struct fdt_range){ptr_hpa(r->fdt).v, fdt_totalsize(r->fdt)});
}

static void read_uart_interrupt(struct fdt_reader *r)
{
    struct platform *p = r->p;
    int node = p->uart.type != UART_NONE ? fdt_index_at(r->x, (int)p->uart.node) : -1;
    if (node < 0) {
        return;
    }
    const fdt32_t *cells = node_interrupt(r, node, 0);
    if (cells != NULL && cell_at(cells, 0) == IRQ_SPI && cell_at(cells, 1) < 988) {
        p->uart.intid = 32 + cell_at(cells, 1);
        p->uart.level = (cell_at(cells, 2) & 3) == 0; // 1, 2: edges
    }
}

static void read_rtc(struct fdt_reader *r)
{
    struct fdt_range range;
    int node = node_find(r, -1, "arm,pl031");
    if (node >= 0 && node_reg(r, node, 0, &range) && range.size >= PAGE_SIZE) {
        r->p->rtc = hpa(range.base);
    }
}

// Of two banks the first is the firmware's, and Newel's is the second. One bank has firmware in it.
static void read_flash(struct fdt_reader *r)
{
    struct fdt_range range;
    int node = node_find(r, -1, "cfi-flash");
    if (node >= 0 && node_reg(r, node, 1, &range)) {
        r->p->flash = (struct mem_region){range.base, range.size};
    }
}

static void read_pm(struct fdt_reader *r)
{
    struct fdt_range range;
    int node = node_find(r, -1, "brcm,bcm2835-pm-wdt");
    if (node >= 0 && node_reg(r, node, 0, &range) && is_aligned(range.base, PAGE_SIZE)) {
        r->p->pm = hpa(range.base);
    }
}

// The nodes' table, after the blob itself was checked.
static int open_tree(struct fdt_reader *r, struct fdt_index *x, size_t size)
{
    if (r->fdt == NULL || ((uintptr_t)r->fdt & 7) != 0 || size < sizeof(struct fdt_header)) {
        return fdt_fail(r, "there is none at %p", r->fdt);
    }
    int err = fdt_check_full(r->fdt, size);
    if (err != 0) {
        return fdt_fail(r, "the blob at %p is damaged: %s", r->fdt, fdt_strerror(err));
    }
    err = fdt_index_build(x, r->fdt);
    if (err == ERR_RANGE) {
        return fdt_fail(r, "more than %d nodes", FDT_INDEX_NODES);
    }
    return err != 0 ? fdt_fail(r, "the blob at %p is damaged", r->fdt) : 0;
}

// Everything but where the RAM is.
static int read_machine(struct fdt_reader *r, uint64_t boot_mpidr)
{
    read_rtc(r);
    read_flash(r);
    read_pm(r);
    int err = read_reserved(r);
    err = err != 0 ? err : read_bootargs(r);
    err = err != 0 ? err : platform_fdt_psci(r);
    err = err != 0 ? err : platform_fdt_cpus(r, boot_mpidr & MPIDR_AFFINITY);
    err = err != 0 ? err : platform_fdt_gic(r);
    err = err != 0 ? err : platform_check(r->p, &r->complaint);
    if (err == 0) {
        read_uart_interrupt(r);
    }
    return err;
}

static int read_tree(const void *fdt, size_t size, uint64_t boot_mpidr, bool own_memory,
                     struct platform *p, const struct complaint *c)
{
    static struct fdt_index x; // one CPU reads the tree, once
    struct fdt_reader r = {.x = &x, .fdt = fdt, .p = p, .complaint = *c};
    int err = open_tree(&r, &x, size);
    if (err == 0) {
        platform_find_console(fdt, p);
        err = own_memory ? read_memory(&r) : 0;
    }
    return err != 0 ? err : read_machine(&r, boot_mpidr);
}

int platform_from_fdt(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                      char *message, size_t message_size)
{
    const struct complaint c = {"device tree", message, message_size};
    memset(p, 0, sizeof(*p));
    if (message_size > 0) {
        message[0] = '\0';
    }
    return read_tree(fdt, size, boot_mpidr, true, p, &c);
}

int platform_add_fdt(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                     const struct complaint *c)
{
    return read_tree(fdt, size, boot_mpidr, false, p, c);
}

int platform_add_fdt_cpus(const void *fdt, size_t size, uint64_t boot_mpidr, struct platform *p,
                          const struct complaint *c)
{
    static struct fdt_index x;
    struct fdt_reader r = {.x = &x, .fdt = fdt, .p = p, .complaint = *c};
    int err = open_tree(&r, &x, size);
    err = err != 0 ? err : platform_fdt_psci(&r);
    err = err != 0 ? err : platform_fdt_cpus(&r, boot_mpidr & MPIDR_AFFINITY);
    return err != 0 ? err : platform_fdt_distributor(&r);
}
