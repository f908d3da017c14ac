// SPDX-License-Identifier: Apache-2.0
#include "call/efi_vars.h"

#include "lib/bits.h"
#include "lib/crc32.h"
#include "lib/error.h"

#include <stddef.h>
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

#define OWN_SIZE    align_up(sizeof(struct efi_vars), 64)
#define RECORD_SIZE align_up(sizeof(struct efi_vars_record), 64)
#define VARS_SIZE                                                                                  \
    align_up(OWN_SIZE + RECORD_SIZE + EFI_VARS_QUOTA + EFI_VARS_VOLATILE_QUOTA + EFI_VAR_DATA_MAX, \
             PAGE_SIZE)

_Static_assert(sizeof(struct efi_vars_key) <= NV_KEY_MAX, "a key");
_Static_assert(sizeof(struct efi_vars_record) <= NV_VALUE_MAX, "a value");

struct efi_vars *efi_vars_create(const struct vm_config *config, owner_t owner)
{
    hpa_t frames;
    if (frames_alloc(owner, VARS_SIZE / PAGE_SIZE, 1, &frames) != 0) {
        return NULL;
    }
    char *memory = hpa_ptr(frames);
    struct efi_vars *v = (struct efi_vars *)(void *)memory;
    memset(v, 0, sizeof(*v));
    v->owner = owner;
    v->frames = frames;
    v->name = config->name;
    memory += OWN_SIZE;
    v->change.record = (struct efi_vars_record *)(void *)memory;
    memory += RECORD_SIZE;
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

bool efi_vars_is_idle(struct efi_vars *v)
{
    spin_lock(&v->lock);
    bool idle = !v->change.busy;
    spin_unlock(&v->lock);
    return idle;
}

void efi_vars_reset(struct efi_vars *v, bool at_runtime)
{
    spin_lock(&v->lock);
    efi_var_table_init(&v->table[VOLATILE], v->table[VOLATILE].memory, v->table[VOLATILE].size);
    memset(v->answer, 0, sizeof(v->answer));
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

bool efi_vars_nth(const struct efi_vars *v, unsigned n, struct efi_var *out)
{
    const struct efi_var_table *t = &v->table[NON_VOLATILE];
    size_t cursor = 0;
    if (n >= t->count) {
        n -= t->count;
        t = &v->table[VOLATILE];
    }
    bool found = efi_var_table_next(t, &cursor, out);
    while (found && n-- > 0) {
        found = efi_var_table_next(t, &cursor, out);
    }
    return found;
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

// ---- A change ----

static uint32_t hash_request(const struct efi_var_name *name, uint32_t attributes, const void *data,
                             size_t size)
{
    uint32_t crc = crc32(0, &name->vendor, sizeof(name->vendor));
    crc = crc32(crc, name->text, name->bytes);
    crc = crc32(crc, &attributes, sizeof(attributes));
    return crc32(crc, data, size) | 1;
}

// The answer to what this vCPU asked before; if it asks something else now, nobody wants it. A
// guest's kernel may have moved the caller to another vCPU between two tries: so it is the answer
// to whoever asks the same, of whom each has one.
static bool take_answer(struct efi_vars *v, unsigned cpu, uint32_t hash,
                        struct efi_vars_answer *answer)
{
    struct efi_vars_answer *own = &v->answer[cpu];
    if (own->is_there && own->hash != hash) {
        own->is_there = false;
    }
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
        struct efi_vars_answer *a = &v->answer[(cpu + i) % VM_MAX_VCPUS];
        if (a->is_there && a->hash == hash) {
            *answer = *a;
            a->is_there = false;
            return true;
        }
    }
    return false;
}

static void compose_key(struct efi_vars_change *c, enum efi_vars_kind kind,
                        const struct efi_var_name *name)
{
    c->key.kind = kind;
    c->key_size = sizeof(c->key.kind);
    if (name != NULL) {
        c->key.vendor = name->vendor;
        memcpy(c->key.text, name->text, name->bytes);
        c->key_size = offsetof(struct efi_vars_key, text) + name->bytes;
    }
}

static struct efi_var_name name_of(const struct efi_vars_change *c)
{
    return (struct efi_var_name){c->key.vendor, c->key.text,
                                 c->key_size - offsetof(struct efi_vars_key, text)};
}

// What the change says is so. Of a variable: there is room.
static void apply(struct efi_vars *v)
{
    const struct efi_vars_change *c = &v->change;
    const struct efi_vars_record *r = c->record;
    if (c->key.kind == EFI_VARS_HIGH_COUNT) {
        v->high_count = r->attributes;
        return;
    }
    const struct efi_var var = {name_of(c), r->attributes, r->data,
                                c->size - offsetof(struct efi_vars_record, data)};
    if (c->size == 0) {
        efi_var_table_remove(&v->table[NON_VOLATILE], &var.name);
        efi_var_table_remove(&v->table[VOLATILE], &var.name);
    } else {
        (void)efi_var_table_put(&v->table[(r->attributes & EFI_VARIABLE_NON_VOLATILE) != 0], &var);
    }
}

static efi_status status_of(int err)
{
    return err == 0 ? EFI_SUCCESS : err == ERR_NOMEM ? EFI_OUT_OF_RESOURCES : EFI_DEVICE_ERROR;
}

// By NVRAM's work.
static void written(struct nvram_request *request, int err)
{
    struct efi_vars *v = container_of(request, struct efi_vars, change.request);
    struct efi_vars_change *c = &v->change;
    spin_lock(&v->lock);
    if (err == 0) {
        apply(v);
    }
    v->answer[c->cpu] = (struct efi_vars_answer){true, c->hash, v->high_count, status_of(err)};
    c->busy = false;
    spin_unlock(&v->lock);
}

// The change is composed. lasts: it belongs to what is in NVRAM.
static efi_status commit(struct efi_vars *v, unsigned cpu, uint32_t hash, bool lasts)
{
    struct efi_vars_change *c = &v->change;
    if (!lasts || !nvram_is_there()) {
        apply(v);
        return EFI_SUCCESS;
    }
    if (!wear_allows(&v->wear)) {
        return EFI_NOT_READY;
    }
    wear_add(&v->wear, c->key_size + c->size);
    c->cpu = cpu;
    c->hash = hash;
    c->busy = true;
    c->request = (struct nvram_request){
        .item = {v->name, strlen(v->name), &c->key, c->key_size, c->size != 0 ? c->record : NULL,
                 c->size},
        .done = written,
    };
    nvram_submit(&c->request);
    return EFI_NOT_READY;
}

static bool is_same(const struct efi_var *old, const struct efi_var *new)
{
    return old->size == new->size &&memcmp(old->data, new->data, new->size) == 0;
}

// One that may be set, appended to or deleted: old is what there is, of size 0 if there is none.
static efi_status change(struct efi_vars *v, unsigned cpu, uint32_t hash, const struct efi_var *old,
                         const struct efi_var *new, bool append)
{
    struct efi_vars_change *c = &v->change;
    bool lasts = (old->attributes & EFI_VARIABLE_NON_VOLATILE) != 0;
    size_t kept = append ? old->size : 0;
    compose_key(c, EFI_VARS_VARIABLE, &new->name);
    c->size = 0;
    if (!is_delete(new->attributes, new->size)) {
        if (!append && is_same(old, new)) {
            return EFI_SUCCESS;
        }
        if (kept + new->size > EFI_VAR_DATA_MAX ||
            !efi_var_table_fits(&v->table[lasts], &new->name, kept + new->size)) {
            return EFI_OUT_OF_RESOURCES;
        }
        c->record->attributes = old->attributes;
        memcpy(c->record->data, old->data, kept);
        memcpy(c->record->data + kept, new->data, new->size);
        c->size = offsetof(struct efi_vars_record, data) + kept + new->size;
    }
    return commit(v, cpu, hash, lasts);
}

efi_status efi_vars_set(struct efi_vars *v, unsigned cpu, const struct efi_var_name *name,
                        uint32_t attributes, const void *data, size_t size)
{
    struct efi_var old, new = {*name, attributes & KEPT, data, size};
    struct efi_vars_answer answer;
    bool append = (attributes & EFI_VARIABLE_APPEND_WRITE) != 0 && (attributes & ACCESS) != 0;
    efi_status status = check_request(name, attributes, size);
    if (status != EFI_SUCCESS) {
        return status;
    }
    uint32_t hash = hash_request(name, attributes, data, size);
    if (take_answer(v, cpu, hash, &answer)) {
        return answer.status;
    }
    if (v->change.busy) {
        return EFI_NOT_READY;
    }
    bool exists = find(v, name, &old);
    status = exists ? check_change(v, &old, attributes, size) : check_new(v, attributes, size);
    if (status != EFI_SUCCESS || (append && size == 0)) {
        return status;
    }
    if (!exists) {
        old = (struct efi_var){.attributes = new.attributes, .data = ""};
    }
    return change(v, cpu, hash, &old, &new, append);
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
    struct efi_vars_change *c = &v->change;
    struct efi_vars_answer answer;
    const uint32_t hash = 0; // hash_request() has no such
    if (take_answer(v, cpu, hash, &answer)) {
        *count = answer.high_count;
        return answer.status;
    }
    if (c->busy) {
        return EFI_NOT_READY;
    }
    compose_key(c, EFI_VARS_HIGH_COUNT, NULL);
    c->record->attributes = v->high_count + 1;
    c->size = offsetof(struct efi_vars_record, data);
    efi_status status = commit(v, cpu, hash, true);
    *count = v->high_count;
    return status;
}

// ---- What NVRAM has ----

// Is it one that efi_vars_set() could have made?
static bool is_loadable(const struct efi_vars *v)
{
    const struct efi_vars_change *c = &v->change;
    if (c->key.kind == EFI_VARS_HIGH_COUNT) {
        return c->key_size == sizeof(c->key.kind) &&
               c->size == offsetof(struct efi_vars_record, data);
    }
    if (c->key.kind != EFI_VARS_VARIABLE || c->key_size < offsetof(struct efi_vars_key, text)) {
        return false;
    }
    const struct efi_var_name name = name_of(c);
    uint32_t attributes = c->record->attributes;
    return is_name(&name) && (attributes & ~KEPT) == 0 && (attributes & ACCESS) != 0 &&
           (attributes & EFI_VARIABLE_NON_VOLATILE) != 0 &&
           c->size > offsetof(struct efi_vars_record, data) &&
           efi_var_table_fits(&v->table[NON_VOLATILE], &name,
                              c->size - offsetof(struct efi_vars_record, data));
}

// By NVRAM's work, like what follows. Other keys of this owner are not variables.
static void load_one(struct nvram_request *request, const struct nv_item *item)
{
    struct efi_vars *v = container_of(request, struct efi_vars, change.request);
    struct efi_vars_change *c = &v->change;
    if (item->key_size > sizeof(c->key) || item->key_size < sizeof(c->key.kind) ||
        item->value_size > sizeof(*c->record) ||
        item->value_size < offsetof(struct efi_vars_record, data)) {
        return;
    }
    memcpy(&c->key, item->key, item->key_size);
    memcpy(c->record, item->value, item->value_size);
    c->key_size = item->key_size;
    c->size = item->value_size;
    if (is_loadable(v)) {
        spin_lock(&v->lock);
        apply(v);
        spin_unlock(&v->lock);
    }
}

static void loaded(struct nvram_request *request, int err)
{
    struct efi_vars *v = container_of(request, struct efi_vars, change.request);
    (void)err;
    spin_lock(&v->lock);
    v->loaded = true;
    v->change.busy = false;
    spin_unlock(&v->lock);
}

bool efi_vars_load(struct efi_vars *v)
{
    struct efi_vars_change *c = &v->change;
    spin_lock(&v->lock);
    bool begin = !v->loaded && !c->busy, there = nvram_is_there();
    v->loaded |= !there;
    c->busy |= begin && there;
    bool is_loaded = v->loaded;
    spin_unlock(&v->lock);
    if (begin && there) {
        c->request = (struct nvram_request){
            .item = {.owner = v->name, .owner_size = strlen(v->name)},
            .each = load_one,
            .done = loaded,
        };
        nvram_submit(&c->request);
    }
    return is_loaded;
}
