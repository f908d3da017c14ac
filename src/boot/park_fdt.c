// SPDX-License-Identifier: Apache-2.0
#include "boot/park_tables.h"
#include "lib/print.h"

#include <libfdt.h>
#include <string.h>

struct rewriter {
    void *fdt;
    const struct parked *parked;
};

// The next child of /cpus that is a CPU, from libfdt's node offset on; negative behind the last
// one.
static int next_cpu(const void *fdt, int node)
{
    int len;
    const char *type;
    do {
        node = fdt_next_subnode(fdt, node);
        type = node >= 0 ? fdt_getprop(fdt, node, "device_type", &len) : NULL;
    } while (node >= 0 && (type == NULL || len != 4 || memcmp(type, "cpu", 4) != 0));
    return node;
}

static int first_cpu(const void *fdt, int cpus)
{
    int len, node = fdt_first_subnode(fdt, cpus);
    const char *type = node >= 0 ? fdt_getprop(fdt, node, "device_type", &len) : NULL;
    bool is_cpu = type != NULL && len == 4 && memcmp(type, "cpu", 4) == 0;
    return node < 0 || is_cpu ? node : next_cpu(fdt, node);
}

// UINT64_MAX, which is no CPU's, if it cannot be read.
static uint64_t mpidr_of(const void *fdt, int cpus, int node)
{
    int len, cells = fdt_address_cells(fdt, cpus);
    const fdt32_t *reg = fdt_getprop(fdt, node, "reg", &len);
    if (reg == NULL || cells < 1 || cells > 2 || len != 4 * cells) {
        return UINT64_MAX;
    }
    return cells == 1 ? fdt32_ld(reg) : fdt64_ld((const fdt64_t *)(const void *)reg);
}

static int drop(void *fdt, int node, const char *name)
{
    int err = fdt_delprop(fdt, node, name);
    return err == -FDT_ERR_NOTFOUND ? 0 : err;
}

// The boot CPU needs no method. One that is disabled, or was not tried, has none that works.
static int rewrite_cpu(const struct rewriter *r, int node, uint64_t mpidr)
{
    const uint64_t *page = parked_page(r->parked, mpidr);
    if (page == NULL || *page == 0) {
        int err = drop(r->fdt, node, "enable-method");
        err = err != 0 ? err : drop(r->fdt, node, "cpu-release-addr");
        return err != 0 || mpidr == r->parked->boot_mpidr
                   ? err
                   : fdt_setprop_string(r->fdt, node, "status", "fail");
    }
    int err = fdt_setprop_string(r->fdt, node, "enable-method", "spin-table");
    return err != 0
               ? err
               : fdt_setprop_u64(r->fdt, node, "cpu-release-addr", park_release_address(*page));
}

// Offsets move with each change, but only behind it: a node's siblings are found from itself.
static int rewrite_cpus(const struct rewriter *r)
{
    int cpus = fdt_path_offset(r->fdt, "/cpus");
    int err = cpus < 0 ? cpus : drop(r->fdt, cpus, "enable-method");
    if (err != 0) {
        return err;
    }
    size_t found = 0;
    for (int node = first_cpu(r->fdt, cpus); node >= 0; node = next_cpu(r->fdt, node)) {
        uint64_t mpidr = mpidr_of(r->fdt, cpus, node);
        err = rewrite_cpu(r, node, mpidr);
        if (err != 0) {
            return err;
        }
        found += parked_page(r->parked, mpidr) != NULL;
    }
    return found == r->parked->count ? 0 : -FDT_ERR_NOTFOUND;
}

// /reserved-memory as it is, or a new one.
static int reserved_memory(void *fdt)
{
    int node = fdt_path_offset(fdt, "/reserved-memory");
    if (node != -FDT_ERR_NOTFOUND) {
        return node;
    }
    node = fdt_add_subnode(fdt, 0, "reserved-memory");
    int err = node < 0 ? node : fdt_setprop(fdt, node, "ranges", NULL, 0);
    err = err < 0 ? err : fdt_setprop_u32(fdt, node, "#size-cells", 2);
    err = err < 0 ? err : fdt_setprop_u32(fdt, node, "#address-cells", 2);
    return err < 0 ? err : node;
}

// No no-map: memory of the reservation block stays mapped.
static int reserve(const struct rewriter *r)
{
    const struct parked *p = r->parked;
    if (p->size == 0) {
        return 0;
    }
    char name[40];
    format(name, sizeof(name), "parking@%lx", (unsigned long)p->base);
    int err = fdt_add_mem_rsv(r->fdt, p->base, p->size);
    int parent = err != 0 ? err : reserved_memory(r->fdt);
    int node = parent < 0 ? parent : fdt_add_subnode(r->fdt, parent, name);
    return node < 0 ? node
                    : fdt_appendprop_addrrange(r->fdt, parent, node, "reg", p->base, p->size);
}

int park_rewrite_fdt(void *fdt, const struct parked *parked, const struct complaint *complaint)
{
    const struct rewriter r = {fdt, parked};
    int err = rewrite_cpus(&r);
    err = err != 0 ? err : reserve(&r);
    return err == 0 ? 0 : complain(complaint, "it cannot be rewritten: %s", fdt_strerror(err));
}
