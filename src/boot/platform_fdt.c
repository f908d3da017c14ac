// SPDX-License-Identifier: Apache-2.0
#include "boot/fdt_index.h"
#include "boot/platform_build.h"
#include "lib/error.h"
#include "lib/print.h"
#include "park/board.h"

#include <libfdt.h>
#include <string.h>

// Buses above a device; what is nested deeper cannot be translated.
#define MAX_BUSES 16

#define PATH_SIZE 80

// Interrupt cells of the GIC's binding (Linux, bindings/interrupt-controller/arm,gic-v3.yaml).
enum { IRQ_SPI = 0, IRQ_PPI = 1 };

// Nodes are numbers of the index throughout.
struct reader {
    const struct fdt_index *x;
    const void *fdt;
    struct platform *p;
    struct complaint complaint;
    int gic;          // node
    int gic_cells;    // #interrupt-cells
    uint32_t phandle; // the GIC's; 0 if it has none
};

struct range {
    uint64_t base, size;
};

#define fail(r, ...) complain(&(r)->complaint, __VA_ARGS__)

// For messages. What does not fit ends early.
struct path_text {
    char text[PATH_SIZE];
};

static struct path_text path_of(const struct reader *r, int node)
{
    struct path_text path;
    int offset = r->x->node[node].offset;
    if (fdt_get_path(r->fdt, offset, path.text, sizeof(path.text)) != 0) {
        format(path.text, sizeof(path.text), "(node at offset %d)", offset);
    }
    return path;
}

static const void *get_prop(const struct reader *r, int node, const char *name, int *len)
{
    return fdt_getprop(r->fdt, r->x->node[node].offset, name, len);
}

static int parent_of(const struct reader *r, int node)
{
    return r->x->node[node].parent;
}

static bool is_enabled(const struct reader *r, int node)
{
    int len;
    const char *status = fdt_index_get(r->x, node, FDT_STATUS, &len);
    return status == NULL || (len == 5 && memcmp(status, "okay", 5) == 0) ||
           (len == 3 && memcmp(status, "ok", 3) == 0);
}

static bool has_device_type(const struct reader *r, int node, const char *wanted)
{
    int len;
    const char *type = fdt_index_get(r->x, node, FDT_DEVICE_TYPE, &len);
    return type != NULL && len == (int)strlen(wanted) + 1 && memcmp(type, wanted, len) == 0;
}

// The first enabled node behind start with this compatible string, or negative.
static int find_compatible(const struct reader *r, int start, const char *compatible)
{
    int node = start;
    do {
        node = fdt_index_compatible(r->x, node, compatible);
    } while (node >= 0 && !is_enabled(r, node));
    return node;
}

static int find_compatible_of(const struct reader *r, const char *const *compatible, size_t count)
{
    int node = -1;
    for (size_t i = 0; i < count && node < 0; i++) {
        node = find_compatible(r, -1, compatible[i]);
    }
    return node;
}

static uint32_t cell_at(const void *prop, int index)
{
    return fdt32_ld((const fdt32_t *)prop + index);
}

static uint64_t read_cells(const void *prop, int index, int cells)
{
    uint64_t v = 0;
    for (int i = 0; i < cells; i++) {
        v = v << 32 | cell_at(prop, index + i);
    }
    return v;
}

// A property of one or two cells. False if it is not there or of another size.
static bool read_number(const struct reader *r, int node, const char *name, uint64_t *v)
{
    int len;
    const void *prop = get_prop(r, node, name, &len);
    if (prop == NULL || (len != 4 && len != 8)) {
        return false;
    }
    *v = read_cells(prop, 0, len / 4);
    return true;
}

struct cells {
    int address, size;
};

// How the children of node write addresses. False where they are wider than 64 bits, as a PCI bus
// has them.
static bool child_cells(const struct reader *r, int node, struct cells *c)
{
    c->address = fdt_index_address_cells(r->x, node);
    c->size = fdt_index_size_cells(r->x, node);
    return c->address > 0 && c->size > 0;
}

// Moves a range from the address space of bus to that of parent.
static bool translate_up(const struct reader *r, int bus, int parent, struct range *range)
{
    struct cells in, out;
    int len;
    const void *ranges = get_prop(r, bus, "ranges", &len);
    if (ranges == NULL || len == 0) {
        return ranges != NULL;
    }
    if (!child_cells(r, bus, &in) || !child_cells(r, parent, &out)) {
        return false;
    }
    int step = in.address + out.address + in.size;
    for (int i = 0; i + step <= len / 4; i += step) {
        uint64_t from = read_cells(ranges, i, in.address);
        uint64_t to = read_cells(ranges, i + in.address, out.address);
        uint64_t size = read_cells(ranges, i + in.address + out.address, in.size);
        if (range->base >= from && range->base - from < size &&
            range->size <= size - (range->base - from)) {
            range->base = to + (range->base - from);
            return true;
        }
    }
    return false;
}

// From the address space that node itself lives in to the machine's.
static bool translate(const struct reader *r, int node, struct range *range)
{
    int bus = parent_of(r, node);
    for (int i = 0; i < MAX_BUSES && bus > 0; i++) {
        int parent = parent_of(r, bus);
        if (parent < 0 || !translate_up(r, bus, parent, range)) {
            return false;
        }
        bus = parent;
    }
    return bus == 0;
}

// Entries in the reg of a node; 0 where it cannot be read.
static int reg_count(const struct reader *r, int node)
{
    struct cells c;
    int len;
    int parent = parent_of(r, node);
    if (parent < 0 || !child_cells(r, parent, &c) ||
        fdt_index_get(r->x, node, FDT_REG, &len) == NULL || len % (4 * (c.address + c.size)) != 0) {
        return 0;
    }
    return len / 4 / (c.address + c.size);
}

// Entry index of reg as the machine's addresses, neither empty nor beyond PA_LIMIT.
static bool read_reg(const struct reader *r, int node, int index, struct range *range)
{
    struct cells c;
    if (index >= reg_count(r, node) || !child_cells(r, parent_of(r, node), &c)) {
        return false;
    }
    int len;
    const void *reg = fdt_index_get(r->x, node, FDT_REG, &len);
    int at = index * (c.address + c.size);
    range->base = read_cells(reg, at, c.address);
    range->size = read_cells(reg, at + c.address, c.size);
    return translate(r, node, range) && range_fits(range->base, range->size, PA_LIMIT);
}

static int add_region(struct reader *r, struct mem_region *to, size_t *count, struct range range,
                      const char *what)
{
    if (range.size == 0) {
        return 0;
    }
    if (*count == FRAMES_MAX_REGIONS) {
        return fail(r, "more than %d regions of %s", FRAMES_MAX_REGIONS, what);
    }
    to[(*count)++] = (struct mem_region){range.base, range.size};
    return 0;
}

static int add_ram(struct reader *r, int node, struct range range)
{
    struct platform *p = r->p;
    if (range.size == 0 || range.base >= PA_LIMIT) {
        return 0;
    }
    range.size = MIN(range.size, PA_LIMIT - range.base);
    for (size_t i = 0; i < p->ram_count; i++) {
        if (ranges_overlap(p->ram[i].base, p->ram[i].size, range.base, range.size)) {
            return fail(r, "%s: memory at 0x%lx overlaps other memory", path_of(r, node).text,
                        (unsigned long)range.base);
        }
    }
    return add_region(r, p->ram, &p->ram_count, range, "memory");
}

static int read_memory_node(struct reader *r, int node)
{
    struct cells c;
    int len;
    int count = reg_count(r, node);
    const void *reg = fdt_index_get(r->x, node, FDT_REG, &len);
    if (count == 0 || !child_cells(r, parent_of(r, node), &c)) {
        return fail(r, "%s: its reg cannot be read", path_of(r, node).text);
    }
    for (int i = 0; i < count; i++) {
        int at = i * (c.address + c.size);
        struct range range = {read_cells(reg, at, c.address),
                              read_cells(reg, at + c.address, c.size)};
        if (range.base + range.size < range.base) {
            return fail(r, "%s: memory at 0x%lx wraps around", path_of(r, node).text,
                        (unsigned long)range.base);
        }
        int err = add_ram(r, node, range);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int read_memory(struct reader *r)
{
    for (int node = 0; node < r->x->count; node++) {
        bool take = has_device_type(r, node, "memory") && is_enabled(r, node);
        int err = take ? read_memory_node(r, node) : 0;
        if (err != 0) {
            return err;
        }
    }
    if (r->p->ram_count == 0) {
        return fail(r, "no memory (a node with device_type \"memory\")");
    }
    return 0;
}

static int reserve(struct reader *r, struct range range)
{
    struct platform *p = r->p;
    if (range.base >= PA_LIMIT) {
        return 0;
    }
    range.size = MIN(range.size, PA_LIMIT - range.base);
    return add_region(r, p->reserved, &p->reserved_count, range, "reserved memory");
}

static int read_reserve_map(struct reader *r)
{
    for (int i = 0; i < fdt_num_mem_rsv(r->fdt); i++) {
        struct range range;
        int err = fdt_get_mem_rsv(r->fdt, i, &range.base, &range.size);
        err = err != 0 ? fail(r, "reservation %d cannot be read", i) : reserve(r, range);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

// Children without reg ask for memory anywhere, of which Newel has no use.
static int read_reserved_memory(struct reader *r)
{
    int parent = fdt_index_child(r->x, 0, "reserved-memory"), node = parent;
    if (parent < 0) {
        return 0;
    }
    while ((node = fdt_index_next_child(r->x, parent, node)) >= 0) {
        int len;
        if (!is_enabled(r, node) || fdt_index_get(r->x, node, FDT_REG, &len) == NULL) {
            continue;
        }
        int count = reg_count(r, node);
        int err = count == 0 ? fail(r, "%s: its reg cannot be read", path_of(r, node).text) : 0;
        for (int i = 0; i < count && err == 0; i++) {
            struct range range;
            if (read_reg(r, node, i, &range)) {
                err = reserve(r, range);
            }
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static bool is_within_ram(const struct platform *p, struct range range)
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

static int read_bootargs(struct reader *r)
{
    int len, chosen = fdt_index_child(r->x, 0, "chosen");
    const char *text = chosen >= 0 ? get_prop(r, chosen, "bootargs", &len) : NULL;
    if (text == NULL) {
        return 0;
    }
    return platform_read_words(r->p, text, (size_t)len, "/chosen: bootargs: ", &r->complaint);
}

static int read_initrd(struct reader *r)
{
    uint64_t start, end;
    int chosen = fdt_index_child(r->x, 0, "chosen");
    if (chosen < 0 || !read_number(r, chosen, "linux,initrd-start", &start) ||
        !read_number(r, chosen, "linux,initrd-end", &end) || start == end) {
        return 0;
    }
    struct range range = {start, end - start};
    if (end < start || !is_within_ram(r->p, range)) {
        return fail(r, "/chosen: initrd 0x%lx to 0x%lx is not within memory", (unsigned long)start,
                    (unsigned long)end);
    }
    r->p->initrd = (struct mem_region){range.base, range.size};
    return reserve(r, range);
}

static int read_reserved(struct reader *r)
{
    int err = read_reserve_map(r);
    err = err != 0 ? err : read_reserved_memory(r);
    err = err != 0 ? err : read_initrd(r);
    if (err != 0) {
        return err;
    }
    return reserve(r, (struct range){ptr_hpa(r->fdt).v, fdt_totalsize(r->fdt)});
}

// The affinity that a cpu node's reg holds.
static int read_cpu_mpidr(struct reader *r, int cpus, int node, uint64_t *mpidr)
{
    int len;
    const void *reg = fdt_index_get(r->x, node, FDT_REG, &len);
    int cells = fdt_index_address_cells(r->x, cpus);
    if (reg == NULL || cells < 1 || len != 4 * cells) {
        return fail(r, "%s: its reg cannot be read", path_of(r, node).text);
    }
    *mpidr = read_cells(reg, 0, cells);
    if ((*mpidr & ~MPIDR_AFFINITY) != 0) {
        return fail(r, "%s: reg 0x%lx is no MPIDR affinity", path_of(r, node).text,
                    (unsigned long)*mpidr);
    }
    return 0;
}

static bool is_cpu(const struct reader *r, int node)
{
    return has_device_type(r, node, "cpu") && is_enabled(r, node);
}

// A board's own way: its registers are where another node says.
static bool find_board(const struct reader *r, const char *method, struct cpu_start *s)
{
    const struct board *b;
    for (s->id = 0; (b = board_at(s->id)) != NULL; s->id++) {
        struct range range;
        int node = strcmp(b->method, method) == 0 ? find_compatible(r, -1, b->registers) : -1;
        if (node >= 0 && read_reg(r, node, 0, &range) && is_aligned(range.base, 4) &&
            range_fits(range.base, BOARD_REGISTERS, PA_LIMIT)) {
            s->address = range.base;
            return true;
        }
    }
    return false;
}

// enable-method of a CPU or, in older trees, of all of them; NULL where there is none.
static const char *enable_method(const struct reader *r, int cpus, int node)
{
    int len;
    const char *method = get_prop(r, node, "enable-method", &len);
    if (method == NULL) {
        method = get_prop(r, cpus, "enable-method", &len);
    }
    return method != NULL && len > 0 && method[len - 1] == '\0' ? method : NULL;
}

static void read_start(const struct reader *r, int cpus, int node, struct cpu_start *s)
{
    const char *method = enable_method(r, cpus, node);
    *s = (struct cpu_start){.method = CPU_UNKNOWN};
    if (method == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(s->name) - 1 && method[i] != '\0'; i++) {
        s->name[i] = method[i] >= ' ' && method[i] <= '~' ? method[i] : '?';
    }
    if (strcmp(method, "psci") == 0 && r->p->has_psci) {
        s->method = r->p->psci_hvc ? CPU_PSCI_HVC : CPU_PSCI_SMC;
    } else if (strcmp(method, "spin-table") == 0 &&
               read_number(r, node, "cpu-release-addr", &s->address) && is_aligned(s->address, 8) &&
               range_fits(s->address, 8, PA_LIMIT)) {
        s->method = CPU_SPIN_TABLE;
    } else if (find_board(r, method, s)) {
        s->method = CPU_BOARD;
    }
}

static int add_cpu(struct reader *r, int cpus, int node, uint64_t mpidr)
{
    struct platform *p = r->p;
    int err = platform_add_cpu(p, mpidr);
    if (err == ERR_EXISTS) {
        return fail(r, "%s: there are two CPUs with reg 0x%lx", path_of(r, node).text,
                    (unsigned long)mpidr);
    }
    if (err != 0) {
        return 0; // one too many
    }
    p->cpu[p->cpu_count - 1].node = (uint32_t)r->x->node[node].offset;
    read_start(r, cpus, node, &p->cpu[p->cpu_count - 1].start);
    return platform_keep_start(p) == 0 ? 0
                                       : fail(r, "%s: more than %d regions of reserved memory",
                                              path_of(r, node).text, FRAMES_MAX_REGIONS);
}

// Adds the boot CPU, or all of the others.
static int read_cpus_that(struct reader *r, int cpus, bool booted, uint64_t boot_mpidr)
{
    int node = cpus;
    while ((node = fdt_index_next_child(r->x, cpus, node)) >= 0) {
        uint64_t mpidr;
        if (!is_cpu(r, node)) {
            continue;
        }
        int err = read_cpu_mpidr(r, cpus, node, &mpidr);
        if (err == 0 && (mpidr == boot_mpidr) == booted) {
            err = add_cpu(r, cpus, node, mpidr);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static int read_cpus(struct reader *r, uint64_t boot_mpidr)
{
    int cpus = fdt_index_child(r->x, 0, "cpus");
    if (cpus < 0) {
        return fail(r, "no CPUs (/cpus)");
    }
    int err = read_cpus_that(r, cpus, true, boot_mpidr);
    if (err == 0 && r->p->cpu_count == 0) {
        return fail(r, "/cpus: the CPU that Newel booted on (MPIDR 0x%lx) is not there",
                    (unsigned long)boot_mpidr);
    }
    return err != 0 ? err : read_cpus_that(r, cpus, false, boot_mpidr);
}

static int read_psci(struct reader *r)
{
    static const char *const compatible[] = {"arm,psci-1.0", "arm,psci-0.2"};
    int len;
    int node = find_compatible_of(r, compatible, ARRAY_SIZE(compatible));
    if (node < 0) {
        return 0;
    }
    const char *method = get_prop(r, node, "method", &len);
    r->p->has_psci = true;
    r->p->psci_hvc = method != NULL && len == 4 && memcmp(method, "hvc", 4) == 0;
    if (!r->p->psci_hvc && (method == NULL || len != 4 || memcmp(method, "smc", 4) != 0)) {
        return fail(r, "%s: PSCI method is neither \"smc\" nor \"hvc\"", path_of(r, node).text);
    }
    return 0;
}

// There is no GIC that Newel knows: say what the root's interrupt-parent is.
static int fail_gic(struct reader *r)
{
    uint64_t phandle;
    int len, node = -1;
    const char *compatible = NULL;
    if (read_number(r, 0, "interrupt-parent", &phandle)) {
        node = fdt_index_phandle(r->x, (uint32_t)phandle);
    }
    if (node >= 0) {
        compatible = fdt_index_get(r->x, node, FDT_COMPATIBLE, &len);
    }
    if (compatible == NULL || len < 1 || compatible[len - 1] != '\0') {
        return fail(r, "no GICv3 or GICv2 (compatible \"arm,gic-v3\" or \"arm,gic-400\")");
    }
    return fail(
        r,
        "no GICv3 or GICv2 (compatible \"arm,gic-v3\" or \"arm,gic-400\"): found \"%.40s\" at %s",
        compatible, path_of(r, node).text);
}

static int read_redistributors(struct reader *r)
{
    struct gic_config *g = &r->p->gic;
    uint64_t regions = 1;
    read_number(r, r->gic, "#redistributor-regions", &regions);
    if (regions == 0 || regions > GIC_MAX_RDIST) {
        return fail(r, "%s: #redistributor-regions is %lu (Newel knows 1 to %d)",
                    path_of(r, r->gic).text, (unsigned long)regions, GIC_MAX_RDIST);
    }
    for (int i = 0; i < (int)regions; i++) {
        struct range range;
        if (!read_reg(r, r->gic, 1 + i, &range) || !is_aligned(range.base, GICD_SIZE) ||
            range.size < GICR_SIZE) {
            return fail(r, "%s: reg has no redistributor region %d, or one that cannot be",
                        path_of(r, r->gic).text, i);
        }
        g->rdist[g->rdist_count].base = hpa(range.base);
        g->rdist[g->rdist_count++].size = range.size;
    }
    read_number(r, r->gic, "redistributor-stride", &g->rdist_stride);
    if (!is_aligned(g->rdist_stride, GICD_SIZE) || g->rdist_stride > PA_LIMIT ||
        (g->rdist_stride != 0 && g->rdist_stride < GICR_SIZE)) {
        return fail(r, "%s: redistributor-stride 0x%lx cannot be", path_of(r, r->gic).text,
                    (unsigned long)g->rdist_stride);
    }
    return 0;
}

// reg: distributor, CPU interface, EL2's interface, the virtual CPU interface (Linux,
// bindings/interrupt-controller/arm,gic.yaml).
static int read_gicv2(struct reader *r)
{
    struct gic_config *g = &r->p->gic;
    const struct {
        const char *name;
        hpa_t *base;
        uint64_t size;
    } frames[] = {
        {"CPU interface with GICC_DIR", &g->cpu_interface, GICV2_CPU_SIZE},
        {"EL2 interface (GICH)", &g->hyp_interface, PAGE_SIZE},
        {"virtual CPU interface (GICV)", &g->vcpu_interface, PAGE_SIZE},
    };
    for (int i = 0; i < (int)ARRAY_SIZE(frames); i++) {
        struct range range;
        if (!read_reg(r, r->gic, 1 + i, &range) || !is_aligned(range.base, PAGE_SIZE) ||
            range.size < frames[i].size) {
            return fail(r, "%s: reg has no %s, or one that cannot be", path_of(r, r->gic).text,
                        frames[i].name);
        }
        *frames[i].base = hpa(range.base);
    }
    return 0;
}

static void find_gic(struct reader *r)
{
    static const char *const v2[] = {"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a7-gic"};
    r->p->gic.version = 3;
    r->gic = find_compatible(r, -1, "arm,gic-v3");
    if (r->gic < 0) {
        r->p->gic.version = 2;
        r->gic = find_compatible_of(r, v2, ARRAY_SIZE(v2));
    }
}

static int read_distributor(struct reader *r)
{
    struct range range;
    uint64_t cells = 0;
    find_gic(r);
    uint64_t size = r->p->gic.version == 2 ? GICV2_DIST_SIZE : GICD_SIZE;
    if (r->gic < 0) {
        return fail_gic(r);
    }
    r->phandle = fdt_get_phandle(r->fdt, r->x->node[r->gic].offset);
    read_number(r, r->gic, "#interrupt-cells", &cells);
    if (cells < 3 || cells > 4) {
        return fail(r, "%s: #interrupt-cells is %lu (it has to be 3 or 4)", path_of(r, r->gic).text,
                    (unsigned long)cells);
    }
    r->gic_cells = (int)cells;
    if (!read_reg(r, r->gic, 0, &range) || !is_aligned(range.base, size) || range.size < size) {
        return fail(r, "%s: reg has no distributor, or one that cannot be",
                    path_of(r, r->gic).text);
    }
    r->p->gic.dist = hpa(range.base);
    r->p->gic.dist_size = range.size;
    return r->p->gic.version == 2 ? read_gicv2(r) : read_redistributors(r);
}

// Does the node's `interrupts` mean the GIC? Where nothing says whom it means, it does.
static bool parent_is_gic(const struct reader *r, int node)
{
    for (int i = 0; i < MAX_BUSES && node >= 0; i++) {
        uint64_t parent;
        if (read_number(r, node, "interrupt-parent", &parent)) {
            return parent == r->phandle;
        }
        node = parent_of(r, node);
    }
    return true;
}

// Of interrupts-extended, as far as all of the node's interrupts have the GIC for a parent.
static const fdt32_t *extended_cells(const struct reader *r, const fdt32_t *prop, int len,
                                     int index)
{
    int at = 0;
    for (;; at += 1 + r->gic_cells) {
        if (len / 4 - at < 1 + r->gic_cells || cell_at(prop, at) != r->phandle) {
            return NULL;
        }
        if (index-- == 0) {
            return prop + at + 1;
        }
    }
}

// The cells of interrupt index that a node has at the GIC, NULL if there is none.
static const fdt32_t *interrupt_cells(const struct reader *r, int node, int index)
{
    int len;
    const fdt32_t *prop = get_prop(r, node, "interrupts-extended", &len);
    if (prop != NULL) {
        return extended_cells(r, prop, len, index);
    }
    prop = get_prop(r, node, "interrupts", &len);
    int at = index * r->gic_cells;
    if (prop == NULL || len / 4 - at < r->gic_cells || !parent_is_gic(r, node)) {
        return NULL;
    }
    return prop + at;
}

// INTID of a PPI, 0 if the node has no such interrupt or it is no PPI.
static uint32_t read_ppi(const struct reader *r, int node, int index)
{
    const fdt32_t *cells = interrupt_cells(r, node, index);
    if (cells == NULL || cell_at(cells, 0) != IRQ_PPI || cell_at(cells, 1) > 15) {
        return 0;
    }
    return 16 + cell_at(cells, 1);
}

// By interrupt-names where there are some, else by the binding's order.
static uint32_t timer_ppi(const struct reader *r, int node, const char *name, int index)
{
    if (get_prop(r, node, "interrupt-names", NULL) != NULL) {
        index = fdt_stringlist_search(r->fdt, r->x->node[node].offset, "interrupt-names", name);
    }
    return index >= 0 ? read_ppi(r, node, index) : 0;
}

static int read_timer(struct reader *r)
{
    struct host_ppis *ppi = &r->p->gic.ppi;
    int node = find_compatible(r, -1, "arm,armv8-timer");
    if (node < 0) {
        return fail(r, "no timer (compatible \"arm,armv8-timer\")");
    }
    ppi->physical_timer = timer_ppi(r, node, "phys", 1);
    ppi->virtual_timer = timer_ppi(r, node, "virt", 2);
    ppi->el2_timer = timer_ppi(r, node, "hyp-phys", 3);
    if (ppi->physical_timer == 0 || ppi->virtual_timer == 0 || ppi->el2_timer == 0) {
        return fail(r, "%s: no private interrupt for the %s timer", path_of(r, node).text,
                    ppi->physical_timer == 0  ? "physical"
                    : ppi->virtual_timer == 0 ? "virtual"
                                              : "EL2 (hypervisor)");
    }
    return 0;
}

// Without one guests have no PMU. Bindings name the core; those that many machines have.
static void read_pmu(struct reader *r)
{
    static const char *const compatible[] = {
        "arm,armv8-pmuv3",     "arm,cortex-a53-pmu",  "arm,cortex-a55-pmu",  "arm,cortex-a57-pmu",
        "arm,cortex-a72-pmu",  "arm,cortex-a73-pmu",  "arm,cortex-a76-pmu",  "arm,cortex-a78-pmu",
        "arm,neoverse-n1-pmu", "arm,neoverse-n2-pmu", "arm,neoverse-v1-pmu", "arm,neoverse-v2-pmu",
    };
    struct host_ppis *p = &r->p->gic.ppi;
    int node = find_compatible_of(r, compatible, ARRAY_SIZE(compatible));
    uint32_t id = node >= 0 ? read_ppi(r, node, 0) : 0;
    bool taken = id == p->maintenance || id == p->virtual_timer || id == p->el2_timer ||
                 id == p->physical_timer;
    p->pmu = taken ? 0 : id;
}

static int read_gic(struct reader *r)
{
    int err = read_distributor(r);
    if (err != 0) {
        return err;
    }
    r->p->gic.ppi.maintenance = read_ppi(r, r->gic, 0);
    if (r->p->gic.ppi.maintenance == 0) {
        return fail(r, "%s: no maintenance interrupt (a private one in interrupts)",
                    path_of(r, r->gic).text);
    }
    err = read_timer(r);
    if (err == 0) {
        read_pmu(r);
    }
    return err;
}

static void read_uart_interrupt(struct reader *r)
{
    struct platform *p = r->p;
    int node = p->uart.type != UART_NONE ? fdt_index_at(r->x, (int)p->uart.node) : -1;
    if (node < 0) {
        return;
    }
    const fdt32_t *cells = interrupt_cells(r, node, 0);
    if (cells != NULL && cell_at(cells, 0) == IRQ_SPI && cell_at(cells, 1) < 988) {
        p->uart.intid = 32 + cell_at(cells, 1);
        p->uart.level = (cell_at(cells, 2) & 3) == 0; // 1, 2: edges
    }
}

static void read_rtc(struct reader *r)
{
    struct range range;
    int node = find_compatible(r, -1, "arm,pl031");
    if (node >= 0 && read_reg(r, node, 0, &range) && range.size >= PAGE_SIZE) {
        r->p->rtc = hpa(range.base);
    }
}

// Of two banks the first is the firmware's, and Newel's is the second. One bank has firmware in it.
static void read_flash(struct reader *r)
{
    struct range range;
    int node = find_compatible(r, -1, "cfi-flash");
    if (node >= 0 && read_reg(r, node, 1, &range)) {
        r->p->flash = (struct mem_region){range.base, range.size};
    }
}

static void read_pm(struct reader *r)
{
    struct range range;
    int node = find_compatible(r, -1, "brcm,bcm2835-pm-wdt");
    if (node >= 0 && read_reg(r, node, 0, &range) && is_aligned(range.base, PAGE_SIZE)) {
        r->p->pm = hpa(range.base);
    }
}

// The nodes' table, after the blob itself was checked.
static int open_tree(struct reader *r, struct fdt_index *x, size_t size)
{
    if (r->fdt == NULL || ((uintptr_t)r->fdt & 7) != 0 || size < sizeof(struct fdt_header)) {
        return fail(r, "there is none at %p", r->fdt);
    }
    int err = fdt_check_full(r->fdt, size);
    if (err != 0) {
        return fail(r, "the blob at %p is damaged: %s", r->fdt, fdt_strerror(err));
    }
    err = fdt_index_build(x, r->fdt);
    if (err == ERR_RANGE) {
        return fail(r, "more than %d nodes", FDT_INDEX_NODES);
    }
    return err != 0 ? fail(r, "the blob at %p is damaged", r->fdt) : 0;
}

// Everything but where the RAM is.
static int read_machine(struct reader *r, uint64_t boot_mpidr)
{
    read_rtc(r);
    read_flash(r);
    read_pm(r);
    int err = read_reserved(r);
    err = err != 0 ? err : read_bootargs(r);
    err = err != 0 ? err : read_psci(r);
    err = err != 0 ? err : read_cpus(r, boot_mpidr & MPIDR_AFFINITY);
    err = err != 0 ? err : read_gic(r);
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
    struct reader r = {.x = &x, .fdt = fdt, .p = p, .complaint = *c};
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
    struct reader r = {.x = &x, .fdt = fdt, .p = p, .complaint = *c};
    int err = open_tree(&r, &x, size);
    err = err != 0 ? err : read_psci(&r);
    err = err != 0 ? err : read_cpus(&r, boot_mpidr & MPIDR_AFFINITY);
    return err != 0 ? err : read_distributor(&r);
}
