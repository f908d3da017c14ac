// SPDX-License-Identifier: Apache-2.0
#include "boot/fdt_index.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <libfdt.h>
#include <string.h>

static const char *const kept_names[] = {
    [FDT_COMPATIBLE] = "compatible",
    [FDT_DEVICE_TYPE] = "device_type",
    [FDT_REG] = "reg",
    [FDT_STATUS] = "status",
};

static uint32_t in_blob(const struct fdt_index *x, const void *p)
{
    return (uint32_t)((const char *)p - (const char *)x->fdt);
}

static void keep_cells(int8_t *cells, const void *value, int len)
{
    if (*cells == 0) {
        uint32_t n = len == 4 ? fdt32_ld(value) : 0;
        *cells = (int8_t)(n == 1 || n == 2 ? (int)n : -1);
    }
}

static void keep(struct fdt_index *x, struct fdt_index_node *n, int offset)
{
    int len;
    const char *name;
    const void *value = fdt_getprop_by_offset(x->fdt, offset, &name, &len);
    if (value == NULL) {
        return;
    }
    if (strcmp(name, "#address-cells") == 0) {
        keep_cells(&n->address_cells, value, len);
    } else if (strcmp(name, "#size-cells") == 0) {
        keep_cells(&n->size_cells, value, len);
    }
    for (size_t i = 0; i < ARRAY_SIZE(kept_names); i++) {
        if (n->kept[i].at == 0 && strcmp(name, kept_names[i]) == 0) {
            n->kept[i].at = in_blob(x, value);
            n->kept[i].len = len;
        }
    }
}

static int add(struct fdt_index *x, int parent, int offset)
{
    const char *name = fdt_get_name(x->fdt, offset, NULL);
    if (name == NULL || x->count == FDT_INDEX_NODES) {
        return name == NULL ? ERR_INVALID : ERR_RANGE;
    }
    x->node[x->count] = (struct fdt_index_node){
        .offset = offset, .parent = (int16_t)parent, .name = in_blob(x, name)};
    return x->count++;
}

int fdt_index_build(struct fdt_index *x, const void *fdt)
{
    int node = -1, offset = 0, next;
    bool in_properties = false; // those behind a child are not seen by libfdt either
    x->fdt = fdt;
    x->count = 0;
    do {
        switch (fdt_next_tag(fdt, offset, &next)) {
        case FDT_BEGIN_NODE:
            node = add(x, node, offset);
            if (node < 0) {
                return node;
            }
            in_properties = true;
            break;
        case FDT_PROP:
            if (in_properties) {
                keep(x, &x->node[node], offset);
            }
            break;
        case FDT_NOP:
            break;
        case FDT_END_NODE:
            in_properties = false;
            node = node >= 0 ? x->node[node].parent : -1;
            break;
        default:
            return ERR_INVALID;
        }
        offset = next;
    } while (node >= 0);
    return 0;
}

int fdt_index_at(const struct fdt_index *x, int offset)
{
    for (int i = 0; i < x->count; i++) {
        if (x->node[i].offset == offset) {
            return i;
        }
    }
    return -1;
}

const void *fdt_index_get(const struct fdt_index *x, int node, enum fdt_index_property property,
                          int *len)
{
    const struct fdt_index_node *n = &x->node[node];
    *len = n->kept[property].at != 0 ? n->kept[property].len : -1;
    return n->kept[property].at != 0 ? (const char *)x->fdt + n->kept[property].at : NULL;
}

int fdt_index_compatible(const struct fdt_index *x, int start, const char *compatible)
{
    for (int i = start + 1; i < x->count; i++) {
        int len;
        const char *list = fdt_index_get(x, i, FDT_COMPATIBLE, &len);
        if (list != NULL && fdt_stringlist_contains(list, len, compatible)) {
            return i;
        }
    }
    return -1;
}

int fdt_index_phandle(const struct fdt_index *x, uint32_t phandle)
{
    if (phandle == 0 || phandle == UINT32_MAX) {
        return -1;
    }
    for (int i = 0; i < x->count; i++) {
        if (fdt_get_phandle(x->fdt, x->node[i].offset) == phandle) {
            return i;
        }
    }
    return -1;
}

int fdt_index_next_child(const struct fdt_index *x, int parent, int previous)
{
    // All of parent's descendants have a parent at or behind it, and follow it without a gap.
    for (int i = previous + 1; i < x->count && x->node[i].parent >= parent; i++) {
        if (x->node[i].parent == parent) {
            return i;
        }
    }
    return -1;
}

int fdt_index_child(const struct fdt_index *x, int parent, const char *name)
{
    size_t len = strlen(name);
    int node = parent;
    while ((node = fdt_index_next_child(x, parent, node)) >= 0) {
        const char *found = (const char *)x->fdt + x->node[node].name;
        if (strncmp(found, name, len) == 0 && (found[len] == '\0' || found[len] == '@')) {
            return node;
        }
    }
    return -1;
}

int fdt_index_address_cells(const struct fdt_index *x, int node)
{
    return x->node[node].address_cells != 0 ? x->node[node].address_cells : 2;
}

int fdt_index_size_cells(const struct fdt_index *x, int node)
{
    return x->node[node].size_cells != 0 ? x->node[node].size_cells : 1;
}
