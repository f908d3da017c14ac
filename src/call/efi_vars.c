// SPDX-License-Identifier: Apache-2.0
#include "call/efi_vars.h"

#include "lib/bits.h"

#include <string.h>

enum { VOLATILE, NON_VOLATILE };

// 8.2.1: what a variable may have here.
#define ACCESS (EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define KEPT   (EFI_VARIABLE_NON_VOLATILE | ACCESS)
#define REFUSED                                                                                   \
    (EFI_VARIABLE_HARDWARE_ERROR | EFI_VARIABLE_AUTHENTICATED | EFI_VARIABLE_TIME_AUTHENTICATED | \
     EFI_VARIABLE_ENHANCED_AUTHENTICATED)

static const struct efi_guid global_guid = EFI_GLOBAL_VARIABLE_GUID;
static const struct efi_guid security_guid = EFI_IMAGE_SECURITY_DATABASE_GUID;

// ---- Names with a meaning of their own ----

struct known_name {
    const struct efi_guid *vendor;
    const char *text;
};

// 3.3, 8.2.2: only written with a signature, which nobody here verifies.
static const struct known_name authenticated[] = {
    {&global_guid, "PK"},    {&global_guid, "KEK"},   {&security_guid, "db"},
    {&security_guid, "dbx"}, {&security_guid, "dbt"}, {&security_guid, "dbr"},
};

// 3.3, table of global variables: those that firmware alone sets.
static const struct known_name read_only[] = {
    {&global_guid, "AuditMode"},
    {&global_guid, "BootCurrent"},
    {&global_guid, "BootOptionSupport"},
    {&global_guid, "ConInDev"},
    {&global_guid, "ConOutDev"},
    {&global_guid, "dbDefault"},
    {&global_guid, "dbrDefault"},
    {&global_guid, "dbtDefault"},
    {&global_guid, "dbxDefault"},
    {&global_guid, "DeployedMode"},
    {&global_guid, "ErrOutDev"},
    {&global_guid, "HwErrRecSupport"},
    {&global_guid, "KEKDefault"},
    {&global_guid, "LangCodes"},
    {&global_guid, "OsIndicationsSupported"},
    {&global_guid, "PKDefault"},
    {&global_guid, "PlatformLangCodes"},
    {&global_guid, "SecureBoot"},
    {&global_guid, "SetupMode"},
    {&global_guid, "SignatureSupport"},
    {&global_guid, "VendorKeys"},
};

static bool is_text(const struct efi_var_name *name, const char *text)
{
    size_t chars = strlen(text) + 1;
    if (name->bytes != 2 * chars) {
        return false;
    }
    for (size_t i = 0; i < chars; i++) {
        if (name->text[i] != (unsigned char)text[i]) {
            return false;
        }
    }
    return true;
}

static bool is_one_of(const struct efi_var_name *name, const struct known_name *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&name->vendor, known[i].vendor, sizeof(name->vendor)) == 0 &&
            is_text(name, known[i].text)) {
            return true;
        }
    }
    return false;
}

// ---- Making ----

#define OWN_SIZE align_up(sizeof(struct efi_vars), 64)
#define VARS_SIZE \
    align_up(OWN_SIZE + EFI_VARS_QUOTA + EFI_VARS_VOLATILE_QUOTA + EFI_VAR_DATA_MAX, PAGE_SIZE)

struct efi_vars *efi_vars_create(const struct vm_config *config, owner_t owner)
{
    hpa_t frames;
    (void)config;
    if (frames_alloc(owner, VARS_SIZE / PAGE_SIZE, 1, &frames) != 0) {
        return NULL;
    }
    char *memory = hpa_ptr(frames);
    struct efi_vars *v = (struct efi_vars *)(void *)memory;
    memset(v, 0, sizeof(*v));
    v->owner = owner;
    v->frames = frames;
    memory += OWN_SIZE;
    efi_var_table_init(&v->table[NON_VOLATILE], memory, EFI_VARS_QUOTA);
    memory += EFI_VARS_QUOTA;
    efi_var_table_init(&v->table[VOLATILE], memory, EFI_VARS_VOLATILE_QUOTA);
    v->staging = memory + EFI_VARS_VOLATILE_QUOTA;
    return v;
}

void efi_vars_destroy(struct efi_vars *v)
{
    frames_free(v->owner, v->frames, VARS_SIZE / PAGE_SIZE);
}

void efi_vars_reset(struct efi_vars *v, bool at_runtime)
{
    spin_lock(&v->lock);
    efi_var_table_init(&v->table[VOLATILE], v->table[VOLATILE].memory, v->table[VOLATILE].size);
    v->at_runtime = at_runtime;
    spin_unlock(&v->lock);
}

// ---- Reading ----

static bool is_visible(const struct efi_vars *v, const struct efi_var *var)
{
    return !v->at_runtime || (var->attributes & EFI_VARIABLE_RUNTIME_ACCESS) != 0;
}

static bool find(const struct efi_vars *v, const struct efi_var_name *name, struct efi_var *out)
{
    return efi_var_table_find(&v->table[NON_VOLATILE], name, out) ||
           efi_var_table_find(&v->table[VOLATILE], name, out);
}

efi_status efi_vars_get(struct efi_vars *v, const struct efi_var_name *name, struct efi_var *out)
{
    return find(v, name, out) && is_visible(v, out) ? EFI_SUCCESS : EFI_NOT_FOUND;
}

// The first visible one of a table from a cursor on.
static bool next_visible(const struct efi_vars *v, unsigned table, size_t cursor,
                         struct efi_var_name *next)
{
    struct efi_var var;
    while (efi_var_table_next(&v->table[table], &cursor, &var)) {
        if (is_visible(v, &var)) {
            *next = var.name;
            return true;
        }
    }
    return false;
}

efi_status efi_vars_next(struct efi_vars *v, const struct efi_var_name *name,
                         struct efi_var_name *next)
{
    struct efi_var var;
    unsigned table = NON_VOLATILE;
    size_t cursor = 0;
    if (name->bytes > sizeof(efi_char16)) {
        if (!find(v, name, &var) || !is_visible(v, &var)) {
            return EFI_INVALID_PARAMETER;
        }
        table = (var.attributes & EFI_VARIABLE_NON_VOLATILE) != 0 ? NON_VOLATILE : VOLATILE;
        (void)efi_var_table_seek(&v->table[table], name, &cursor);
    }
    if (next_visible(v, table, cursor, next)) {
        return EFI_SUCCESS;
    }
    return table == NON_VOLATILE && next_visible(v, VOLATILE, 0, next) ? EFI_SUCCESS
                                                                       : EFI_NOT_FOUND;
}

// ---- Writing ----

// A NUL at the end and no other, and something before it.
static bool is_name(const struct efi_var_name *name)
{
    size_t chars = name->bytes / 2;
    if (name->bytes > EFI_VAR_NAME_MAX || name->bytes % 2 != 0 || chars < 2) {
        return false;
    }
    for (size_t i = 0; i < chars; i++) {
        if ((name->text[i] == 0) != (i == chars - 1)) {
            return false;
        }
    }
    return true;
}

// Of attributes by themselves, APPEND_WRITE left out.
static efi_status check_attributes(uint32_t attributes)
{
    if ((attributes & ~(KEPT | REFUSED)) != 0 ||
        (attributes & ACCESS) == EFI_VARIABLE_RUNTIME_ACCESS) {
        return EFI_INVALID_PARAMETER;
    }
    return (attributes & REFUSED) != 0 ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

static efi_status check_name(const struct efi_var_name *name)
{
    if (!is_name(name)) {
        return EFI_INVALID_PARAMETER;
    }
    if (is_one_of(name, authenticated, ARRAY_SIZE(authenticated))) {
        return EFI_INVALID_PARAMETER; // the attribute is missing that goes with it
    }
    return is_one_of(name, read_only, ARRAY_SIZE(read_only)) ? EFI_WRITE_PROTECTED : EFI_SUCCESS;
}

static efi_status check_request(const struct efi_var_name *name, uint32_t attributes, size_t size)
{
    efi_status status = check_attributes(attributes & ~EFI_VARIABLE_APPEND_WRITE);
    status = status != EFI_SUCCESS ? status : check_name(name);
    return status == EFI_SUCCESS && size > EFI_VAR_DATA_MAX ? EFI_INVALID_PARAMETER : status;
}

static bool is_delete(uint32_t attributes, size_t size)
{
    return (attributes & ACCESS) == 0 ||
           (size == 0 && (attributes & EFI_VARIABLE_APPEND_WRITE) == 0);
}

// May this one, which is there, become that?
static efi_status check_change(const struct efi_vars *v, const struct efi_var *old,
                               uint32_t attributes, size_t size)
{
    bool delete = is_delete(attributes, size);
    if (!is_visible(v, old)) {
        return delete ? EFI_NOT_FOUND : EFI_INVALID_PARAMETER;
    }
    // Deletion by attributes is told by those of access alone.
    if ((attributes & ACCESS) != 0 && (attributes & KEPT) != old->attributes) {
        return EFI_INVALID_PARAMETER;
    }
    return v->at_runtime && (old->attributes & EFI_VARIABLE_NON_VOLATILE) == 0 ? EFI_WRITE_PROTECTED
                                                                               : EFI_SUCCESS;
}

// Likewise one that is not there.
static efi_status check_new(const struct efi_vars *v, uint32_t attributes, size_t size)
{
    if (is_delete(attributes, size)) {
        return EFI_NOT_FOUND;
    }
    return v->at_runtime && (attributes & KEPT) != KEPT ? EFI_INVALID_PARAMETER : EFI_SUCCESS;
}

static efi_status change(struct efi_vars *v, const struct efi_var *old, const struct efi_var *new,
                         bool append)
{
    struct efi_var_table *table = &v->table[(old->attributes & EFI_VARIABLE_NON_VOLATILE) != 0];
    bool done = true;
    if (append) {
        done = old->size + new->size <=
               EFI_VAR_DATA_MAX &&efi_var_table_append(table, &new->name, new->data, new->size);
    } else if (is_delete(new->attributes, new->size)) {
        efi_var_table_remove(table, &new->name);
    } else {
        done = efi_var_table_put(table, new);
    }
    return done ? EFI_SUCCESS : EFI_OUT_OF_RESOURCES;
}

efi_status efi_vars_set(struct efi_vars *v, unsigned cpu, const struct efi_var_name *name,
                        uint32_t attributes, const void *data, size_t size)
{
    struct efi_var old, new = {*name, attributes & KEPT, data, size};
    bool append = (attributes & EFI_VARIABLE_APPEND_WRITE) != 0 && (attributes & ACCESS) != 0;
    (void)cpu;
    efi_status status = check_request(name, attributes, size);
    if (status != EFI_SUCCESS) {
        return status;
    }
    bool exists = find(v, name, &old);
    status = exists ? check_change(v, &old, attributes, size) : check_new(v, attributes, size);
    if (status != EFI_SUCCESS || (append && size == 0)) {
        return status;
    }
    if (!exists) {
        old = (struct efi_var){.attributes = new.attributes};
    }
    return change(v, &old, &new, append && exists);
}

efi_status efi_vars_query(struct efi_vars *v, uint32_t attributes, struct efi_vars_info *out)
{
    efi_status status = check_attributes(attributes);
    if (status != EFI_SUCCESS || (attributes & ACCESS) == 0) {
        return status != EFI_SUCCESS ? status : EFI_INVALID_PARAMETER;
    }
    if (v->at_runtime && (attributes & EFI_VARIABLE_RUNTIME_ACCESS) == 0) {
        return EFI_INVALID_PARAMETER;
    }
    const struct efi_var_table *t = &v->table[(attributes & EFI_VARIABLE_NON_VOLATILE) != 0];
    *out = (struct efi_vars_info){t->size, t->size - t->used, EFI_VAR_DATA_MAX};
    return EFI_SUCCESS;
}

efi_status efi_vars_next_high_count(struct efi_vars *v, unsigned cpu, uint32_t *count)
{
    (void)cpu;
    *count = ++v->high_count;
    return EFI_SUCCESS;
}
