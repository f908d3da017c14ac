// SPDX-License-Identifier: Apache-2.0
// Finds the UART before anything else works: reads the device tree byte by byte, by itself (libfdt
// needs SIMD registers and unaligned accesses), and bounds every step by the sizes in the header.
#include "boot/platform.h"
#include "lib/bits.h"

#include <string.h>

// Device Tree Specification 5: structure block tokens.
enum { TOKEN_BEGIN = 1, TOKEN_END_NODE = 2, TOKEN_PROP = 3, TOKEN_NOP = 4 };

#define FDT_MAGIC    0xd00dfeedu
#define FDT_MAX_SIZE 0x1000000u // an order of magnitude beyond the 2 MiB of the arm64 boot protocol
#define MAX_DEPTH    10

struct tree {
    const uint8_t *blob;
    uint32_t structs, structs_end;
    uint32_t strings, strings_end;
};

// A node being visited and its ancestors, the root first.
struct path {
    struct {
        const char *name; // NUL-terminated within the blob
        uint32_t node;    // offset of its token in the structure block, as libfdt counts
        uint32_t props;   // offset in the blob of the first token behind the name
    } at[MAX_DEPTH];
    unsigned depth;
};

struct bytes {
    const uint8_t *data; // NULL: there is no such property
    uint32_t size;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool tree_open(struct tree *t, const void *fdt)
{
    t->blob = fdt;
    if (be32(t->blob) != FDT_MAGIC) {
        return false;
    }
    uint32_t total = be32(t->blob + 4);
    uint32_t version = be32(t->blob + 20);
    t->structs = be32(t->blob + 8);
    t->strings = be32(t->blob + 12);
    if (version < 17 || total > FDT_MAX_SIZE || t->structs > total || t->strings > total) {
        return false;
    }
    uint32_t strings_size = be32(t->blob + 32), structs_size = be32(t->blob + 36);
    t->structs_end = t->structs + structs_size;
    t->strings_end = t->strings + strings_size;
    return structs_size <= total - t->structs && strings_size <= total - t->strings;
}

static uint32_t token(const struct tree *t, uint32_t at)
{
    return at <= t->structs_end && t->structs_end - at >= 4 ? be32(t->blob + at) : 0;
}

// The string at offset if it ends before limit, else NULL.
static const char *string_at(const struct tree *t, uint32_t at, uint32_t limit)
{
    if (at >= limit || memchr(t->blob + at, '\0', limit - at) == NULL) {
        return NULL;
    }
    return (const char *)t->blob + at;
}

// Moves beyond the property token at *at. False if it is damaged. Its name is looked at by those
// that want it: a walk passes many properties.
static bool pass_prop(const struct tree *t, uint32_t *at, struct bytes *value)
{
    if (t->structs_end - *at < 12) {
        return false;
    }
    uint32_t size = be32(t->blob + *at + 4);
    if (size > t->structs_end - *at - 12) {
        return false;
    }
    *value = (struct bytes){t->blob + *at + 12, size};
    *at += 12 + (uint32_t)align_up(size, 4);
    return *at <= t->structs_end;
}

// Likewise, its name too.
static bool read_prop(const struct tree *t, uint32_t *at, const char **name, struct bytes *value)
{
    uint32_t token_at = *at;
    if (!pass_prop(t, at, value)) {
        return false;
    }
    uint32_t name_offset = be32(t->blob + token_at + 8);
    if (name_offset >= t->strings_end - t->strings) {
        return false;
    }
    *name = string_at(t, t->strings + name_offset, t->strings_end);
    return *name != NULL;
}

static struct bytes get_prop(const struct tree *t, const struct path *p, unsigned depth,
                             const char *wanted)
{
    uint32_t at = p->at[depth].props;
    for (;;) {
        const char *name;
        struct bytes value;
        uint32_t tok = token(t, at);
        if (tok == TOKEN_NOP) {
            at += 4;
            continue;
        }
        if (tok != TOKEN_PROP || !read_prop(t, &at, &name, &value)) {
            return (struct bytes){NULL, 0};
        }
        if (strcmp(name, wanted) == 0) {
            return value;
        }
    }
}

typedef bool visit_fn(const struct tree *t, const struct path *p, void *context);

// Enters the node whose token is at *at. False when the tree is damaged.
static bool enter(const struct tree *t, uint32_t *at, struct path *p, unsigned depth)
{
    const char *name = string_at(t, *at + 4, t->structs_end);
    if (name == NULL) {
        return false;
    }
    uint32_t node = *at - t->structs;
    *at = (uint32_t)align_up(*at + 4 + strlen(name) + 1, 4);
    if (depth < MAX_DEPTH) {
        p->at[depth].name = name;
        p->at[depth].node = node;
        p->at[depth].props = *at;
    }
    return true;
}

// Visits the nodes in the tree's order until one visit returns true. Nodes too deep are passed
// over.
static bool walk(const struct tree *t, visit_fn *visit, void *context)
{
    struct path p;
    unsigned depth = 0;
    uint32_t at = t->structs;
    for (;;) {
        struct bytes value;
        switch (token(t, at)) {
        case TOKEN_BEGIN:
            if (!enter(t, &at, &p, depth)) {
                return false;
            }
            p.depth = ++depth;
            if (depth <= MAX_DEPTH && visit(t, &p, context)) {
                return true;
            }
            break;
        case TOKEN_END_NODE:
            at += 4;
            if (depth-- <= 1) {
                return false;
            }
            break;
        case TOKEN_PROP:
            if (!pass_prop(t, &at, &value)) {
                return false;
            }
            break;
        case TOKEN_NOP:
            at += 4;
            break;
        default:
            return false;
        }
    }
}

// Is word one of the strings in a compatible-like list?
static bool list_has(struct bytes list, const char *word)
{
    size_t len = strlen(word) + 1;
    for (uint32_t at = 0; at + len <= list.size;) {
        const uint8_t *s = list.data + at;
        if (memcmp(s, word, len) == 0) {
            return true;
        }
        const uint8_t *nul = memchr(s, '\0', list.size - at);
        if (nul == NULL) {
            return false;
        }
        at = (uint32_t)(nul + 1 - list.data);
    }
    return false;
}

// A value that is a string, as far as a ':' (options of stdout-path), into buf. False if it is none
// or does not fit.
static bool copy_string(struct bytes v, char *buf, size_t size)
{
    for (uint32_t i = 0; i < v.size && i < size; i++) {
        buf[i] = (char)v.data[i];
        if (buf[i] == '\0' || buf[i] == ':') {
            buf[i] = '\0';
            return i > 0;
        }
    }
    return false;
}

struct stdout_path {
    char path[128];
    char alias[32]; // where path is not absolute: the alias it names
};

static bool find_chosen(const struct tree *t, const struct path *p, void *context)
{
    struct stdout_path *s = context;
    if (p->depth != 2 || strcmp(p->at[1].name, "chosen") != 0) {
        return false;
    }
    return copy_string(get_prop(t, p, 1, "stdout-path"), s->path, sizeof(s->path)) ||
           copy_string(get_prop(t, p, 1, "linux,stdout-path"), s->path, sizeof(s->path));
}

static bool find_alias(const struct tree *t, const struct path *p, void *context)
{
    struct stdout_path *s = context;
    return p->depth == 2 && strcmp(p->at[1].name, "aliases") == 0 &&
           copy_string(get_prop(t, p, 1, s->alias), s->path, sizeof(s->path));
}

static bool find_stdout_path(const struct tree *t, struct stdout_path *s)
{
    if (!walk(t, find_chosen, s)) {
        return false;
    }
    if (s->path[0] == '/') {
        return true;
    }
    size_t len = strnlen(s->path, sizeof(s->alias) - 1);
    memcpy(s->alias, s->path, len);
    s->alias[len] = '\0';
    return walk(t, find_alias, s) && s->path[0] == '/';
}

// Does the node's name match the first component of a path, with or without the unit address?
static bool component_matches(const char *component, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    if (len > name_len || memcmp(component, name, len) != 0) {
        return false;
    }
    return name[len] == '\0' || (name[len] == '@' && memchr(component, '@', len) == NULL);
}

static bool path_matches(const struct path *p, const char *path)
{
    for (unsigned i = 1; i < p->depth; i++) {
        path += *path == '/';
        const char *slash = strchr(path, '/');
        size_t len = slash != NULL ? (size_t)(slash - path) : strlen(path);
        if (len == 0 || !component_matches(path, len, p->at[i].name)) {
            return false;
        }
        path += len;
    }
    return *path == '\0';
}

static uint32_t cells_of(const struct tree *t, const struct path *p, unsigned depth,
                         const char *name, uint32_t fallback)
{
    struct bytes v = get_prop(t, p, depth, name);
    return v.data != NULL && v.size == 4 ? be32(v.data) : fallback;
}

// A number of so many cells, from cell number first of p.
static uint64_t read_cells(const uint8_t *p, size_t first, uint32_t cells)
{
    uint64_t v = 0;
    for (size_t i = first; i < first + cells; i++) {
        v = v << 32 | be32(p + 4 * i);
    }
    return v;
}

struct cells {
    uint32_t address, size;
};

// How the children of the node at depth write addresses. False where Newel cannot read it.
static bool child_cells(const struct tree *t, const struct path *p, unsigned depth, struct cells *c)
{
    c->address = cells_of(t, p, depth, "#address-cells", 2);
    c->size = cells_of(t, p, depth, "#size-cells", 1);
    return c->address >= 1 && c->address <= 2 && c->size >= 1 && c->size <= 2;
}

// From the address space of the bus at depth (not the root) to its parent's.
static bool translate_up(const struct tree *t, const struct path *p, unsigned depth, uint64_t *base,
                         uint64_t size)
{
    struct cells child, parent;
    struct bytes ranges = get_prop(t, p, depth, "ranges");
    if (ranges.data == NULL || ranges.size == 0) {
        return ranges.data != NULL;
    }
    if (!child_cells(t, p, depth, &child) || !child_cells(t, p, depth - 1, &parent)) {
        return false;
    }
    uint32_t entry = 4 * (child.address + parent.address + child.size);
    for (uint32_t at = 0; ranges.size - at >= entry; at += entry) {
        const uint8_t *r = ranges.data + at;
        uint64_t from = read_cells(r, 0, child.address);
        uint64_t to = read_cells(r, child.address, parent.address);
        uint64_t len = read_cells(r, child.address + parent.address, child.size);
        if (*base >= from && *base - from < len && size <= len - (*base - from)) {
            *base = to + (*base - from);
            return true;
        }
    }
    return false;
}

// The first range of the node's reg, as a machine address.
static bool read_reg(const struct tree *t, const struct path *p, uint64_t *base, uint64_t *size)
{
    struct cells c;
    struct bytes reg = get_prop(t, p, p->depth - 1, "reg");
    if (p->depth < 2 || !child_cells(t, p, p->depth - 2, &c) || reg.data == NULL ||
        reg.size < 4 * (c.address + c.size)) {
        return false;
    }
    *base = read_cells(reg.data, 0, c.address);
    *size = read_cells(reg.data, c.address, c.size);
    for (unsigned bus = p->depth - 2; bus >= 1; bus--) {
        if (!translate_up(t, p, bus, base, *size)) {
            return false;
        }
    }
    return range_fits(*base, *size, BIT(48));
}

static enum uart_type uart_type_of(struct bytes compatible)
{
    if (list_has(compatible, "arm,pl011") || list_has(compatible, "arm,sbsa-uart")) {
        return UART_PL011;
    }
    if (list_has(compatible, "ns16550a") || list_has(compatible, "ns16550") ||
        list_has(compatible, "snps,dw-apb-uart")) {
        return UART_NS16550;
    }
    return list_has(compatible, "brcm,bcm2835-aux-uart") ? UART_BCM2835_AUX : UART_NONE;
}

static bool is_enabled(const struct tree *t, const struct path *p)
{
    struct bytes status = get_prop(t, p, p->depth - 1, "status");
    return status.data == NULL || list_has(status, "okay") || list_has(status, "ok");
}

static bool take_uart(const struct tree *t, const struct path *p, struct platform *out)
{
    enum uart_type type = uart_type_of(get_prop(t, p, p->depth - 1, "compatible"));
    uint64_t base, size;
    if (type == UART_NONE || !is_enabled(t, p) || !read_reg(t, p, &base, &size)) {
        return false;
    }
    out->uart.type = type;
    out->uart.base = hpa(base);
    out->uart.size = size;
    out->uart.node = p->at[p->depth - 1].node;
    out->uart.reg_shift = cells_of(t, p, p->depth - 1, "reg-shift", 0) & 3;
    return true;
}

struct search {
    const char *path; // NULL: any PL011
    struct platform *out;
};

static bool find_uart(const struct tree *t, const struct path *p, void *context)
{
    const struct search *s = context;
    if (s->path != NULL) {
        return path_matches(p, s->path) && take_uart(t, p, s->out);
    }
    return list_has(get_prop(t, p, p->depth - 1, "compatible"), "arm,pl011") &&
           take_uart(t, p, s->out);
}

bool platform_find_console(const void *fdt, struct platform *p)
{
    struct tree t;
    struct stdout_path path;
    memset(&p->uart, 0, sizeof(p->uart));
    if (fdt == NULL || ((uintptr_t)fdt & 3) != 0 || !tree_open(&t, fdt)) {
        return false;
    }
    if (find_stdout_path(&t, &path) && walk(&t, find_uart, &(struct search){path.path, p})) {
        return true;
    }
    return walk(&t, find_uart, &(struct search){NULL, p});
}
