// SPDX-License-Identifier: Apache-2.0
// The machine's CPUs in its device tree, and how each is started.
#include "boot/platform_build.h"
#include "boot/platform_fdt.h"
#include "lib/error.h"
#include "park/board.h"

#include <string.h>

// The affinity that a cpu node's reg holds.
static int read_cpu_mpidr(struct fdt_reader *r, int cpus, int node, uint64_t *mpidr)
{
    int len;
    const void *reg = fdt_index_get(r->x, node, FDT_REG, &len);
    int cells = fdt_index_address_cells(r->x, cpus);
    if (reg == NULL || cells < 1 || len != 4 * cells) {
        return fdt_fail(r, "%s: its reg cannot be read", node_path(r, node).text);
    }
    *mpidr = cells_at(reg, 0, cells);
    if ((*mpidr & ~MPIDR_AFFINITY) != 0) {
        return fdt_fail(r, "%s: reg 0x%lx is no MPIDR affinity", node_path(r, node).text,
                        (unsigned long)*mpidr);
    }
    return 0;
}

static bool is_cpu(const struct fdt_reader *r, int node)
{
    return node_has_type(r, node, "cpu") && node_is_enabled(r, node);
}

// A board's own way: its registers are where another node says.
static bool find_board(const struct fdt_reader *r, const char *method, struct cpu_start *s)
{
    const struct board *b;
    for (s->id = 0; (b = board_at(s->id)) != NULL; s->id++) {
        struct fdt_range range;
        int node = strcmp(b->method, method) == 0 ? node_find(r, -1, b->registers) : -1;
        if (node >= 0 && node_reg(r, node, 0, &range) && is_aligned(range.base, 4) &&
            range_fits(range.base, BOARD_REGISTERS, PA_LIMIT)) {
            s->address = range.base;
            return true;
        }
    }
    return false;
}

// enable-method of a CPU or, in older trees, of all of them; NULL where there is none.
static const char *enable_method(const struct fdt_reader *r, int cpus, int node)
{
    int len;
    const char *method = node_get(r, node, "enable-method", &len);
    if (method == NULL) {
        method = node_get(r, cpus, "enable-method", &len);
    }
    return method != NULL && len > 0 && method[len - 1] == '\0' ? method : NULL;
}

static void read_start(const struct fdt_reader *r, int cpus, int node, struct cpu_start *s)
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
               node_number(r, node, "cpu-release-addr", &s->address) && is_aligned(s->address, 8) &&
               range_fits(s->address, 8, PA_LIMIT)) {
        s->method = CPU_SPIN_TABLE;
    } else if (find_board(r, method, s)) {
        s->method = CPU_BOARD;
    }
}

static int add_cpu(struct fdt_reader *r, int cpus, int node, uint64_t mpidr)
{
    struct platform *p = r->p;
    int err = platform_add_cpu(p, mpidr);
    if (err == ERR_EXISTS) {
        return fdt_fail(r, "%s: there are two CPUs with reg 0x%lx", node_path(r, node).text,
                        (unsigned long)mpidr);
    }
    if (err != 0) {
        return 0; // one too many
    }
    p->cpu[p->cpu_count - 1].node = (uint32_t)r->x->node[node].offset;
    read_start(r, cpus, node, &p->cpu[p->cpu_count - 1].start);
    return platform_keep_start(p) == 0 ? 0
                                       : fdt_fail(r, "%s: more than %d regions of reserved memory",
                                                  node_path(r, node).text, FRAMES_MAX_REGIONS);
}

// Adds the boot CPU, or all of the others.
static int read_cpus_that(struct fdt_reader *r, int cpus, bool booted, uint64_t boot_mpidr)
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

int platform_fdt_cpus(struct fdt_reader *r, uint64_t boot_mpidr)
{
    int cpus = fdt_index_child(r->x, 0, "cpus");
    if (cpus < 0) {
        return fdt_fail(r, "no CPUs (/cpus)");
    }
    int err = read_cpus_that(r, cpus, true, boot_mpidr);
    if (err == 0 && r->p->cpu_count == 0) {
        return fdt_fail(r, "/cpus: the CPU that Newel booted on (MPIDR 0x%lx) is not there",
                        (unsigned long)boot_mpidr);
    }
    return err != 0 ? err : read_cpus_that(r, cpus, false, boot_mpidr);
}

int platform_fdt_psci(struct fdt_reader *r)
{
    static const char *const compatible[] = {"arm,psci-1.0", "arm,psci-0.2"};
    int len;
    int node = node_find_any(r, compatible, ARRAY_SIZE(compatible));
    if (node < 0) {
        return 0;
    }
    const char *method = node_get(r, node, "method", &len);
    r->p->has_psci = true;
    r->p->psci_hvc = method != NULL && len == 4 && memcmp(method, "hvc", 4) == 0;
    if (!r->p->psci_hvc && (method == NULL || len != 4 || memcmp(method, "smc", 4) != 0)) {
        return fdt_fail(r, "%s: PSCI method is neither \"smc\" nor \"hvc\"",
                        node_path(r, node).text);
    }
    return 0;
}
