// SPDX-License-Identifier: Apache-2.0
// The services of variables (UEFI 2.10, 8.2): between the caller's memory and call/efi_vars.h.
#include "call/efi_call.h"
#include "call/efi_vars.h"
#include "lib/bits.h"

#include <string.h>

#define NAME_STEP 128u // bytes: most names are shorter

// A name by itself.
struct own_name {
    efi_char16 text[EFI_VAR_NAME_MAX / sizeof(efi_char16)];
    struct efi_var_name name;
};

static size_t find_end(const efi_char16 *text, size_t from, size_t to)
{
    while (from < to && text[from] != 0) {
        from++;
    }
    return from;
}

// Up to and with its NUL, and not a page further, which need not be there; max: bytes.
static efi_status read_text(struct efi_call *c, struct own_name *n, uint64_t va, size_t max)
{
    size_t have = 0, looked = 0; // bytes, characters
    while (have < max) {
        size_t step = MIN(MIN((size_t)NAME_STEP, max - have),
                          (size_t)(PAGE_SIZE - ((va + have) & PAGE_MASK)));
        efi_status status = efi_in(c, (char *)n->text + have, va + have, step);
        if (status != EFI_SUCCESS || va == 0) {
            return status;
        }
        have += step;
        looked = find_end(n->text, looked, have / sizeof(efi_char16));
        if (looked < have / sizeof(efi_char16)) {
            n->name.text = n->text;
            n->name.bytes = (looked + 1) * sizeof(efi_char16);
            return EFI_SUCCESS;
        }
    }
    return EFI_INVALID_PARAMETER;
}

static efi_status read_name(struct efi_call *c, struct own_name *n, uint64_t text, uint64_t vendor,
                            size_t max)
{
    efi_status status = read_text(c, n, text, MIN(max, (size_t)EFI_VAR_NAME_MAX));
    return status == EFI_SUCCESS ? efi_in(c, &n->name.vendor, vendor, sizeof(n->name.vendor))
                                 : status;
}

// A copy of its data in the staging buffer, which is the caller's of the VM's one call.
static efi_status fetch(struct efi_call *c, const struct own_name *n, struct efi_var *var)
{
    struct efi_vars *vars = c->vm->vars;
    spin_lock(&vars->lock);
    efi_status status = efi_vars_get(vars, &n->name, var);
    if (status == EFI_SUCCESS) {
        memcpy(vars->staging, var->data, var->size);
        var->data = vars->staging;
    }
    spin_unlock(&vars->lock);
    return status;
}

// GetVariable(IN *name, IN *vendor, OUT *attributes OPTIONAL, IN OUT *size, OUT *data OPTIONAL)
efi_status efi_get_variable(struct efi_call *c)
{
    struct own_name n;
    struct efi_var var;
    uint64_t room;
    efi_status status = read_name(c, &n, c->x[0], c->x[1], EFI_VAR_NAME_MAX);
    status = status == EFI_SUCCESS ? efi_in(c, &room, c->x[3], sizeof(room)) : status;
    status = status == EFI_SUCCESS ? fetch(c, &n, &var) : status;
    if (status != EFI_SUCCESS) {
        return status;
    }
    bool fits = var.size <= room;
    uint64_t size = var.size;
    if (fits && size > PAGE_SIZE) {
        status = efi_writable(c, c->x[4], size);
    }
    // The size last: until it is written, the call can be made once more.
    if (fits && status == EFI_SUCCESS) {
        status = efi_out(c, c->x[4], var.data, size);
    }
    if (status == EFI_SUCCESS && c->x[2] != 0) {
        status = efi_out(c, c->x[2], &var.attributes, sizeof(var.attributes));
    }
    status = status == EFI_SUCCESS ? efi_writable(c, c->x[3], sizeof(size)) : status;
    status = status == EFI_SUCCESS ? efi_out_last(c, c->x[3], &size, sizeof(size)) : status;
    return status == EFI_SUCCESS && !fits ? EFI_BUFFER_TOO_SMALL : status;
}

// SetVariable(IN *name, IN *vendor, IN attributes, IN size, IN *data)
efi_status efi_set_variable(struct efi_call *c)
{
    struct efi_vars *vars = c->vm->vars;
    struct own_name n;
    uint64_t size = c->x[3];
    efi_status status = read_name(c, &n, c->x[0], c->x[1], EFI_VAR_NAME_MAX);
    if (status == EFI_SUCCESS && size != 0 && size <= EFI_VAR_DATA_MAX) {
        status = efi_in(c, vars->staging, c->x[4], size);
    }
    if (status != EFI_SUCCESS) {
        return status;
    }
    spin_lock(&vars->lock);
    status = efi_vars_set(vars, c->v->index, &n.name, (uint32_t)c->x[2], vars->staging, size);
    spin_unlock(&vars->lock);
    return status;
}

static efi_status next_name(struct efi_vars *vars, struct own_name *n)
{
    struct efi_var_name next;
    spin_lock(&vars->lock);
    efi_status status = efi_vars_next(vars, &n->name, &next);
    if (status == EFI_SUCCESS) {
        memcpy(n->text, next.text, next.bytes);
        n->name.vendor = next.vendor;
        n->name.bytes = next.bytes;
    }
    spin_unlock(&vars->lock);
    return status;
}

// All three are both given and answered: so all can be written before the first is.
static efi_status write_name(struct efi_call *c, const struct own_name *n)
{
    uint64_t size = n->name.bytes;
    efi_status status = efi_writable(c, c->x[0], sizeof(size));
    status = status == EFI_SUCCESS ? efi_writable(c, c->x[1], size) : status;
    status = status == EFI_SUCCESS ? efi_writable(c, c->x[2], sizeof(n->name.vendor)) : status;
    if (status != EFI_SUCCESS) {
        return status;
    }
    status = efi_out_last(c, c->x[2], &n->name.vendor, sizeof(n->name.vendor));
    status = status == EFI_SUCCESS ? efi_out_last(c, c->x[1], n->text, size) : status;
    return status == EFI_SUCCESS ? efi_out_last(c, c->x[0], &size, sizeof(size)) : status;
}

// GetNextVariableName(IN OUT *size, IN OUT *name, IN OUT *vendor)
efi_status efi_get_next_variable_name(struct efi_call *c)
{
    struct own_name n;
    uint64_t room, size;
    efi_status status = efi_in(c, &room, c->x[0], sizeof(room));
    status = status == EFI_SUCCESS
                 ? read_name(c, &n, c->x[1], c->x[2], MIN(room, (uint64_t)EFI_VAR_NAME_MAX))
                 : status;
    status = status == EFI_SUCCESS ? next_name(c->vm->vars, &n) : status;
    if (status != EFI_SUCCESS) {
        return status;
    }
    size = n.name.bytes;
    if (size <= room) {
        return write_name(c, &n);
    }
    status = efi_writable(c, c->x[0], sizeof(size));
    status = status == EFI_SUCCESS ? efi_out_last(c, c->x[0], &size, sizeof(size)) : status;
    return status == EFI_SUCCESS ? EFI_BUFFER_TOO_SMALL : status;
}

// QueryVariableInfo(IN attributes, OUT *storage, OUT *remaining, OUT *largest)
efi_status efi_query_variable_info(struct efi_call *c)
{
    struct efi_vars *vars = c->vm->vars;
    struct efi_vars_info info;
    spin_lock(&vars->lock);
    efi_status status = efi_vars_query(vars, (uint32_t)c->x[0], &info);
    spin_unlock(&vars->lock);
    status =
        status == EFI_SUCCESS ? efi_out(c, c->x[1], &info.storage, sizeof(info.storage)) : status;
    status = status == EFI_SUCCESS ? efi_out(c, c->x[2], &info.remaining, sizeof(info.remaining))
                                   : status;
    return status == EFI_SUCCESS ? efi_out(c, c->x[3], &info.largest, sizeof(info.largest))
                                 : status;
}

// GetNextHighMonotonicCount(OUT *count)
efi_status efi_get_next_high_monotonic_count(struct efi_call *c)
{
    struct efi_vars *vars = c->vm->vars;
    uint32_t count = 0;
    efi_status status = efi_writable(c, c->x[0], sizeof(count));
    if (status != EFI_SUCCESS) {
        return status;
    }
    spin_lock(&vars->lock);
    status = efi_vars_next_high_count(vars, c->v->index, &count);
    spin_unlock(&vars->lock);
    return status == EFI_SUCCESS ? efi_out_last(c, c->x[0], &count, sizeof(count)) : status;
}
