// SPDX-License-Identifier: Apache-2.0
#include "boot/fdt_reader.h"

#include "boot/platform_build.h"
#include "lib/print.h"

#include <string.h>

struct node_path_text node_path(const struct fdt_reader *r, int node)
{
    struct node_path_text path;
    int offset = r->x->node[node].offset;
    if (fdt_get_path(r->fdt, offset, path.text, sizeof(path.text)) != 0) {
        format(path.text, sizeof(path.text), "(node at offset %d)", offset);
    }
    return path;
}

const void *node_get(const struct fdt_reader *r, int node, const char *name, int *len)
{
    return fdt_getprop(r->fdt, r->x->node[node].offset, name, len);
}

int node_parent(const struct fdt_reader *r, int node)
{
    return r->x->node[node].parent;
}

bool node_is_enabled(const struct fdt_reader *r, int node)
{
    int len;
    const char *status = fdt_index_get(r->x, node, FDT_STATUS, &len);
    return status == NULL || (len == 5 && memcmp(status, "okay", 5) == 0) ||
           (len == 3 && memcmp(status, "ok", 3) == 0);
}

bool node_has_type(const struct fdt_reader *r, int node, const char *wanted)
{
    int len;
    const char *type = fdt_index_get(r->x, node, FDT_DEVICE_TYPE, &len);
    return type != NULL && len == (int)strlen(wanted) + 1 && memcmp(type, wanted, len) == 0;
}

int node_find(const struct fdt_reader *r, int start, const char *compatible)
{
    int node = start;
    do {
        node = fdt_index_compatible(r->x, node, compatible);
    } while (node >= 0 && !node_is_enabled(r, node));
    return node;
}

int node_find_any(const struct fdt_reader *r, const char *const *compatible, size_t count)
{
    int node = -1;
    for (size_t i = 0; i < count && node < 0; i++) {
        node = node_find(r, -1, compatible[i]);
    }
    return node;
}

uint32_t cell_at(const void *prop, int index)
{
    return fdt32_ld((const fdt32_t *)prop + index);
}

uint64_t cells_at(const void *prop, int index, int cells)
{
    uint64_t v = 0;
    for (int i = 0; i < cells; i++) {
        v = v << 32 | cell_at(prop, index + i);
    }
    return v;
}

bool node_number(const struct fdt_reader *r, int node, const char *name, uint64_t *v)
{
    int len;
    const void *prop = node_get(r, node, name, &len);
    if (prop == NULL || (len != 4 && len != 8)) {
        return false;
    }
    *v = cells_at(prop, 0, len / 4);
    return true;
}

bool node_child_cells(const struct fdt_reader *r, int node, struct fdt_cells *c)
{
    c->address = fdt_index_address_cells(r->x, node);
    c->size = fdt_index_size_cells(r->x, node);
    return c->address > 0 && c->size > 0;
}

// Moves a range from the address space of bus to that of parent.
static bool translate_up(const struct fdt_reader *r, int bus, int parent, struct fdt_range *range)
{
    struct fdt_cells in, out;
    int len;
    const void *ranges = node_get(r, bus, "ranges", &len);
    if (ranges == NULL || len == 0) {
        return ranges != NULL;
    }
    if (!node_child_cells(r, bus, &in) || !node_child_cells(r, parent, &out)) {
        return false;
    }
    int step = in.address + out.address + in.size;
    for (int i = 0; i + step <= len / 4; i += step) {
        uint64_t from = cells_at(ranges, i, in.address);
        uint64_t to = cells_at(ranges, i + in.address, out.address);
        uint64_t size = cells_at(ranges, i + in.address + out.address, in.size);
        if (range->base >= from && range->base - from < size &&
            range->size <= size - (range->base - from)) {
            range->base = to + (range->base - from);
            return true;
        }
    }
    return false;
}

bool node_translate(const struct fdt_reader *r, int node, struct fdt_range *range)
{
    int bus = node_parent(r, node);
    for (int i = 0; i < FDT_MAX_BUSES && bus > 0; i++) {
        int parent = node_parent(r, bus);
        if (parent < 0 || !translate_up(r, bus, parent, range)) {
            return false;
        }
        bus = parent;
    }
    return bus == 0;
}

int node_reg_count(const struct fdt_reader *r, int node)
{
    struct fdt_cells c;
    int len;
    int parent = node_parent(r, node);
    if (parent < 0 || !node_child_cells(r, parent, &c) ||
        fdt_index_get(r->x, node, FDT_REG, &len) == NULL || len % (4 * (c.address + c.size)) != 0) {
        return 0;
    }
    return len / 4 / (c.address + c.size);
}

bool node_reg(const struct fdt_reader *r, int node, int index, struct fdt_range *range)
{
    struct fdt_cells c;
    if (index >= node_reg_count(r, node) || !node_child_cells(r, node_parent(r, node), &c)) {
        return false;
    }
    int len;
    const void *reg = fdt_index_get(r->x, node, FDT_REG, &len);
    int at = index * (c.address + c.size);
    range->base = cells_at(reg, at, c.address);
    range->size = cells_at(reg, at + c.address, c.size);
    return node_translate(r, node, range) && range_fits(range->base, range->size, PA_LIMIT);
}
