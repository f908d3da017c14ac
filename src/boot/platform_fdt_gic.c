// SPDX-License-Identifier: Apache-2.0
// The machine's interrupt controller in its device tree, and the private interrupts that Newel
// uses.
#include "boot/platform_build.h"
#include "boot/platform_fdt.h"

// There is no GIC that Newel knows: say what the root's interrupt-parent is.
static int fail_gic(struct fdt_reader *r)
{
    uint64_t phandle;
    int len, node = -1;
    const char *compatible = NULL;
    if (node_number(r, 0, "interrupt-parent", &phandle)) {
        node = fdt_index_phandle(r->x, (uint32_t)phandle);
    }
    if (node >= 0) {
        compatible = fdt_index_get(r->x, node, FDT_COMPATIBLE, &len);
    }
    if (compatible == NULL || len < 1 || compatible[len - 1] != '\0') {
        return fdt_fail(r, "no GICv3 or GICv2 (compatible \"arm,gic-v3\" or \"arm,gic-400\")");
    }
    return fdt_fail(
        r,
        "no GICv3 or GICv2 (compatible \"arm,gic-v3\" or \"arm,gic-400\"): found \"%.40s\" at %s",
        compatible, node_path(r, node).text);
}

static int read_redistributors(struct fdt_reader *r)
{
    struct gic_config *g = &r->p->gic;
    uint64_t regions = 1;
    node_number(r, r->gic, "#redistributor-regions", &regions);
    if (regions == 0 || regions > GIC_MAX_RDIST) {
        return fdt_fail(r, "%s: #redistributor-regions is %lu (Newel knows 1 to %d)",
                        node_path(r, r->gic).text, (unsigned long)regions, GIC_MAX_RDIST);
    }
    for (int i = 0; i < (int)regions; i++) {
        struct fdt_range range;
        if (!node_reg(r, r->gic, 1 + i, &range) || !is_aligned(range.base, GICD_SIZE) ||
            range.size < GICR_SIZE) {
            return fdt_fail(r, "%s: reg has no redistributor region %d, or one that cannot be",
                            node_path(r, r->gic).text, i);
        }
        g->rdist[g->rdist_count].base = hpa(range.base);
        g->rdist[g->rdist_count++].size = range.size;
    }
    node_number(r, r->gic, "redistributor-stride", &g->rdist_stride);
    if (!is_aligned(g->rdist_stride, GICD_SIZE) || g->rdist_stride > PA_LIMIT ||
        (g->rdist_stride != 0 && g->rdist_stride < GICR_SIZE)) {
        return fdt_fail(r, "%s: redistributor-stride 0x%lx cannot be", node_path(r, r->gic).text,
                        (unsigned long)g->rdist_stride);
    }
    return 0;
}

// reg: distributor, CPU interface, EL2's interface, the virtual CPU interface (Linux,
// bindings/interrupt-controller/arm,gic.yaml).
static int read_gicv2(struct fdt_reader *r)
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
        struct fdt_range range;
        if (!node_reg(r, r->gic, 1 + i, &range) || !is_aligned(range.base, PAGE_SIZE) ||
            range.size < frames[i].size) {
            return fdt_fail(r, "%s: reg has no %s, or one that cannot be",
                            node_path(r, r->gic).text, frames[i].name);
        }
        *frames[i].base = hpa(range.base);
    }
    return 0;
}

static void find_gic(struct fdt_reader *r)
{
    static const char *const v2[] = {"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a7-gic"};
    r->p->gic.version = 3;
    r->gic = node_find(r, -1, "arm,gic-v3");
    if (r->gic < 0) {
        r->p->gic.version = 2;
        r->gic = node_find_any(r, v2, ARRAY_SIZE(v2));
    }
}

int platform_fdt_distributor(struct fdt_reader *r)
{
    struct fdt_range range;
    uint64_t cells = 0;
    find_gic(r);
    uint64_t size = r->p->gic.version == 2 ? GICV2_DIST_SIZE : GICD_SIZE;
    if (r->gic < 0) {
        return fail_gic(r);
    }
    r->phandle = fdt_get_phandle(r->fdt, r->x->node[r->gic].offset);
    node_number(r, r->gic, "#interrupt-cells", &cells);
    if (cells < 3 || cells > 4) {
        return fdt_fail(r, "%s: #interrupt-cells is %lu (it has to be 3 or 4)",
                        node_path(r, r->gic).text, (unsigned long)cells);
    }
    r->gic_cells = (int)cells;
    if (!node_reg(r, r->gic, 0, &range) || !is_aligned(range.base, size) || range.size < size) {
        return fdt_fail(r, "%s: reg has no distributor, or one that cannot be",
                        node_path(r, r->gic).text);
    }
    r->p->gic.dist = hpa(range.base);
    r->p->gic.dist_size = range.size;
    return r->p->gic.version == 2 ? read_gicv2(r) : read_redistributors(r);
}

// Does the node's `interrupts` mean the GIC? Where nothing says whom it means, it does.
static bool parent_is_gic(const struct fdt_reader *r, int node)
{
    for (int i = 0; i < FDT_MAX_BUSES && node >= 0; i++) {
        uint64_t parent;
        if (node_number(r, node, "interrupt-parent", &parent)) {
            return parent == r->phandle;
        }
        node = node_parent(r, node);
    }
    return true;
}

// Of interrupts-extended, as far as all of the node's interrupts have the GIC for a parent.
static const fdt32_t *extended_cells(const struct fdt_reader *r, const fdt32_t *prop, int len,
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

const fdt32_t *node_interrupt(const struct fdt_reader *r, int node, int index)
{
    int len;
    const fdt32_t *prop = node_get(r, node, "interrupts-extended", &len);
    if (prop != NULL) {
        return extended_cells(r, prop, len, index);
    }
    prop = node_get(r, node, "interrupts", &len);
    int at = index * r->gic_cells;
    if (prop == NULL || len / 4 - at < r->gic_cells || !parent_is_gic(r, node)) {
        return NULL;
    }
    return prop + at;
}

// INTID of a PPI, 0 if the node has no such interrupt or it is no PPI.
static uint32_t read_ppi(const struct fdt_reader *r, int node, int index)
{
    const fdt32_t *cells = node_interrupt(r, node, index);
    if (cells == NULL || cell_at(cells, 0) != IRQ_PPI || cell_at(cells, 1) > 15) {
        return 0;
    }
    return 16 + cell_at(cells, 1);
}

// By interrupt-names where there are some, else by the binding's order.
static uint32_t timer_ppi(const struct fdt_reader *r, int node, const char *name, int index)
{
    if (node_get(r, node, "interrupt-names", NULL) != NULL) {
        index = fdt_stringlist_search(r->fdt, r->x->node[node].offset, "interrupt-names", name);
    }
    return index >= 0 ? read_ppi(r, node, index) : 0;
}

static int read_timer(struct fdt_reader *r)
{
    struct host_ppis *ppi = &r->p->gic.ppi;
    int node = node_find(r, -1, "arm,armv8-timer");
    if (node < 0) {
        return fdt_fail(r, "no timer (compatible \"arm,armv8-timer\")");
    }
    ppi->physical_timer = timer_ppi(r, node, "phys", 1);
    ppi->virtual_timer = timer_ppi(r, node, "virt", 2);
    ppi->el2_timer = timer_ppi(r, node, "hyp-phys", 3);
    if (ppi->physical_timer == 0 || ppi->virtual_timer == 0 || ppi->el2_timer == 0) {
        return fdt_fail(r, "%s: no private interrupt for the %s timer", node_path(r, node).text,
                        ppi->physical_timer == 0  ? "physical"
                        : ppi->virtual_timer == 0 ? "virtual"
                                                  : "EL2 (hypervisor)");
    }
    return 0;
}

// Without one guests have no PMU. Bindings name the core; those that many machines have.
static void read_pmu(struct fdt_reader *r)
{
    static const char *const compatible[] = {
        "arm,armv8-pmuv3",     "arm,cortex-a53-pmu",  "arm,cortex-a55-pmu",  "arm,cortex-a57-pmu",
        "arm,cortex-a72-pmu",  "arm,cortex-a73-pmu",  "arm,cortex-a76-pmu",  "arm,cortex-a78-pmu",
        "arm,neoverse-n1-pmu", "arm,neoverse-n2-pmu", "arm,neoverse-v1-pmu", "arm,neoverse-v2-pmu",
    };
    struct host_ppis *p = &r->p->gic.ppi;
    int node = node_find_any(r, compatible, ARRAY_SIZE(compatible));
    uint32_t id = node >= 0 ? read_ppi(r, node, 0) : 0;
    bool taken = id == p->maintenance || id == p->virtual_timer || id == p->el2_timer ||
                 id == p->physical_timer;
    p->pmu = taken ? 0 : id;
}

int platform_fdt_gic(struct fdt_reader *r)
{
    int err = platform_fdt_distributor(r);
    if (err != 0) {
        return err;
    }
    r->p->gic.ppi.maintenance = read_ppi(r, r->gic, 0);
    if (r->p->gic.ppi.maintenance == 0) {
        return fdt_fail(r, "%s: no maintenance interrupt (a private one in interrupts)",
                        node_path(r, r->gic).text);
    }
    err = read_timer(r);
    if (err == 0) {
        read_pmu(r);
    }
    return err;
}
