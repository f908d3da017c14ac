// SPDX-License-Identifier: Apache-2.0
// Reading a device tree that has been checked as a blob (fdt_check_full()), and of which nothing
// else is taken for granted: what a node says is looked at for its size and range. Nodes are
// numbers of the index throughout.
#pragma once

#include "boot/complaint.h"
#include "boot/fdt_index.h"
#include "boot/platform.h"

#include <libfdt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fdt_reader {
    const struct fdt_index *x;
    const void *fdt;
    struct platform *p; // what is read goes there
    struct complaint complaint;
    int gic;          // node
    int gic_cells;    // #interrupt-cells
    uint32_t phandle; // the GIC's; 0 if it has none
};

struct fdt_range {
    uint64_t base, size; // bytes
};

// Says what is wrong, and is the error.
#define fdt_fail(r, ...) complain(&(r)->complaint, __VA_ARGS__)

// Buses above a device; what is nested deeper is not understood.
#define FDT_MAX_BUSES 16

// For messages. What does not fit ends early.
struct node_path_text {
    char text[80];
};
struct node_path_text node_path(const struct fdt_reader *r, int node);

// The bytes of a property, NULL if it is not there; len may be NULL.
const void *node_get(const struct fdt_reader *r, int node, const char *name, int *len);
int node_parent(const struct fdt_reader *r, int node);
bool node_is_enabled(const struct fdt_reader *r, int node);                   // status
bool node_has_type(const struct fdt_reader *r, int node, const char *wanted); // device_type

// The first enabled node behind start with this compatible string, or with the first of several
// that any has; negative if there is none.
int node_find(const struct fdt_reader *r, int start, const char *compatible);
int node_find_any(const struct fdt_reader *r, const char *const *compatible, size_t count);

// Big-endian cells of a property that is long enough.
uint32_t cell_at(const void *prop, int index);
uint64_t cells_at(const void *prop, int index, int cells);

// A property of one or two cells. False if it is not there or of another size.
bool node_number(const struct fdt_reader *r, int node, const char *name, uint64_t *v);

// How the children of node write addresses. False where they are wider than 64 bits, as a PCI bus
// has them.
struct fdt_cells {
    int address, size;
};
bool node_child_cells(const struct fdt_reader *r, int node, struct fdt_cells *c);

// From the address space that node itself lives in to the machine's. False if a bus does not
// translate it.
bool node_translate(const struct fdt_reader *r, int node, struct fdt_range *range);

// Entries in the reg of a node; 0 where it cannot be read.
int node_reg_count(const struct fdt_reader *r, int node);
// Entry index of reg as the machine's addresses, neither empty nor beyond PA_LIMIT.
bool node_reg(const struct fdt_reader *r, int node, int index, struct fdt_range *range);
