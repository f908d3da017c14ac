// SPDX-License-Identifier: Apache-2.0
// The nodes of a device tree in one table, made by one walk. libfdt keeps nothing between calls: it
// finds a parent, or the next node with a compatible string, by walking from the root again.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Boards' trees have 100 to 1500 nodes.
#define FDT_INDEX_NODES 2048

// The properties that are looked at in many nodes.
enum fdt_index_property { FDT_COMPATIBLE, FDT_DEVICE_TYPE, FDT_REG, FDT_STATUS, FDT_KEPT };

// Numbers of nodes are indices here, in the tree's order: the root is 0, a node comes before its
// children and these before its next sibling. Negative numbers are no node.
struct fdt_index {
    const void *fdt;
    int count;
    struct fdt_index_node {
        int32_t offset;                   // libfdt's
        int16_t parent;                   // -1: none
        int8_t address_cells, size_cells; // 0: not there, negative: neither 1 nor 2
        uint32_t name;                    // offset in the blob
        struct {
            uint32_t at; // offset in the blob, 0: not there
            int32_t len;
        } kept[FDT_KEPT];
    } node[FDT_INDEX_NODES];
};

// The tree stays readable and as it is while the index is used. Errors: ERR_RANGE if it has more
// than FDT_INDEX_NODES nodes, ERR_INVALID if it is damaged, which it is not after fdt_check_full().
int fdt_index_build(struct fdt_index *x, const void *fdt);

// The node at an offset of libfdt's, negative if none is there.
int fdt_index_at(const struct fdt_index *x, int offset);

// The value of a property, NULL with *len negative if it is not there. The first of several counts.
const void *fdt_index_get(const struct fdt_index *x, int node, enum fdt_index_property property,
                          int *len);

// The next node behind start (-1: from the root on) with this string in its compatible list.
int fdt_index_compatible(const struct fdt_index *x, int start, const char *compatible);

// The first node with this phandle.
int fdt_index_phandle(const struct fdt_index *x, uint32_t phandle);

// The next child of parent behind its child previous (parent itself: the first), in O(nodes
// between).
int fdt_index_next_child(const struct fdt_index *x, int parent, int previous);

// The first child of this name, whatever its unit address.
int fdt_index_child(const struct fdt_index *x, int parent, const char *name);

// How the children of a node write addresses: cells, by the property or by default (Device Tree
// Specification 2.3.5). Negative if it is neither one nor two.
int fdt_index_address_cells(const struct fdt_index *x, int node);
int fdt_index_size_cells(const struct fdt_index *x, int node);
