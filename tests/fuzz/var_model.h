// SPDX-License-Identifier: Apache-2.0
// UEFI's variables as a list, by the rules of UEFI 2.10, 8.2, and of the manual: what a fuzzer
// holds call/efi_vars.h against. Of that it knows sizes and status codes alone.
#pragma once

#include "call/efi_vars.h"
#include "require.h"

#include <stdlib.h>
#include <string.h>

#define NV      EFI_VARIABLE_NON_VOLATILE
#define BS      EFI_VARIABLE_BOOTSERVICE_ACCESS
#define RT      EFI_VARIABLE_RUNTIME_ACCESS
#define APPEND  EFI_VARIABLE_APPEND_WRITE
#define CPUS    3u
#define ENTRIES 600u // those of a table, and some more

// ---- What was written: bytes, and how many ----

struct text {
    uint8_t *bytes;
    size_t size;
};

static struct text text_of(const void *from, size_t size)
{
    struct text t = {malloc(size + 1), size}; // so that none is NULL
    memcpy(t.bytes, from, size);
    return t;
}

static bool is_same(const struct text *t, const void *other, size_t size)
{
    return t->size == size && memcmp(t->bytes, other, size) == 0;
}

static struct text joined(const struct text *a, const struct text *b)
{
    struct text t = {malloc(a->size + b->size + 1), a->size + b->size};
    memcpy(t.bytes, a->bytes, a->size);
    memcpy(t.bytes + a->size, b->bytes, b->size);
    return t;
}

// ---- The model: variables in the order in which they were made ----

struct variable {
    struct efi_guid vendor;
    struct text name, data;
    uint32_t attributes;
};

struct request { // of SetVariable(), or of a count where there is no name
    struct efi_guid vendor;
    struct text name, data;
    uint32_t attributes;
};

static struct model {
    struct variable list[2][ENTRIES]; // volatile, non-volatile
    unsigned count[2];
    uint32_t high_count;
    bool at_runtime, nvram;
    bool changing; // by what follows
    unsigned cpu;
    struct request change;
    struct {
        bool there;
        struct request to;
        efi_status status;
        uint32_t count;
    } answer[CPUS];
} model;

static void free_request(struct request *r)
{
    free(r->name.bytes);
    free(r->data.bytes);
    *r = (struct request){0};
}

static struct request copy_request(const struct request *r)
{
    return (struct request){r->vendor, text_of(r->name.bytes, r->name.size),
                            text_of(r->data.bytes, r->data.size), r->attributes};
}

static bool is_same_request(const struct request *a, const struct request *b)
{
    return is_same(&a->name, b->name.bytes, b->name.size) &&
           is_same(&a->data, b->data.bytes, b->data.size) && a->attributes == b->attributes &&
           memcmp(&a->vendor, &b->vendor, sizeof(a->vendor)) == 0;
}

static struct variable *find(const struct efi_guid *vendor, const struct text *name)
{
    for (unsigned t = 0; t < 2; t++) {
        for (unsigned i = 0; i < model.count[t]; i++) {
            struct variable *v = &model.list[t][i];
            if (is_same(&v->name, name->bytes, name->size) &&
                memcmp(&v->vendor, vendor, sizeof(*vendor)) == 0) {
                return v;
            }
        }
    }
    return NULL;
}

static void remove_one(struct variable *v)
{
    unsigned t = (v->attributes & NV) != 0;
    free(v->name.bytes);
    free(v->data.bytes);
    memmove(v, v + 1, (size_t)((char *)&model.list[t][model.count[t]] - (char *)(v + 1)));
    model.count[t]--;
}

static void clear(unsigned t)
{
    while (model.count[t] > 0) {
        remove_one(&model.list[t][model.count[t] - 1]);
    }
}

static struct variable *add(const struct efi_guid *vendor, const struct text *name,
                            uint32_t attributes)
{
    unsigned t = (attributes & NV) != 0;
    REQUIRE(model.count[t] < EFI_VARS_MAX);
    struct variable *v = &model.list[t][model.count[t]++];
    *v = (struct variable){*vendor, text_of(name->bytes, name->size), text_of("", 0), attributes};
    return v;
}

static size_t taken(unsigned t)
{
    size_t sum = 0;
    for (unsigned i = 0; i < model.count[t]; i++) {
        sum += model.list[t][i].name.size + model.list[t][i].data.size;
    }
    return sum;
}

// What a table keeps with each variable is its own affair, but not more than this.
#define OVERHEAD 64u

enum room { NONE, PERHAPS, SURELY };

static enum room room_for(const struct request *r, const struct variable *old, size_t size)
{
    unsigned t = ((old != NULL ? old->attributes : r->attributes) & NV) != 0;
    size_t quota = t ? EFI_VARS_QUOTA : EFI_VARS_VOLATILE_QUOTA;
    size_t sum = taken(t) + r->name.size + size;
    sum -= old != NULL ? old->name.size + old->data.size : 0;
    if (size > EFI_VAR_DATA_MAX || sum > quota || (old == NULL && model.count[t] == EFI_VARS_MAX)) {
        return NONE;
    }
    return sum + OVERHEAD * (model.count[t] + 1) <= quota ? SURELY : PERHAPS;
}

static bool is_visible(const struct variable *v)
{
    return !model.at_runtime || (v->attributes & RT);
}

static bool is_name(const struct text *name)
{
    size_t n = 0;
    uint16_t c;
    if (name->size < 4 || name->size > 1024 || name->size % 2 != 0) {
        return false;
    }
    do {
        memcpy(&c, name->bytes + n, 2);
        n += 2;
    } while (c != 0 && n < name->size);
    return c == 0 && n == name->size;
}

static bool is_called(const struct text *name, const char *ascii)
{
    if (name->size != 2 * strlen(ascii) + 2) {
        return false;
    }
    for (size_t i = 0; i < name->size; i++) {
        if (name->bytes[i] != (i % 2 == 0 ? (uint8_t)ascii[i / 2] : 0)) {
            return false;
        }
    }
    return true;
}

static const struct efi_guid vendors[] = {
    {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}},
    EFI_GLOBAL_VARIABLE_GUID,
    EFI_IMAGE_SECURITY_DATABASE_GUID,
};

static efi_status check_meaning(const struct request *r)
{
    bool global = memcmp(&r->vendor, &vendors[1], sizeof(r->vendor)) == 0;
    bool security = memcmp(&r->vendor, &vendors[2], sizeof(r->vendor)) == 0;
    if ((global && (is_called(&r->name, "PK") || is_called(&r->name, "KEK"))) ||
        (security && (is_called(&r->name, "db") || is_called(&r->name, "dbx")))) {
        return EFI_INVALID_PARAMETER;
    }
    return global && is_called(&r->name, "SecureBoot") ? EFI_WRITE_PROTECTED : EFI_SUCCESS;
}

// What is wrong with a request whatever there is.
static efi_status check_form(const struct request *r)
{
    uint32_t a = r->attributes & ~APPEND;
    if ((a & ~0xbfu) != 0 || ((a & RT) && !(a & BS))) {
        return EFI_INVALID_PARAMETER;
    }
    if (a & ~(NV | BS | RT)) {
        return EFI_UNSUPPORTED;
    }
    efi_status status = is_name(&r->name) ? check_meaning(r) : EFI_INVALID_PARAMETER;
    return status == EFI_SUCCESS && r->data.size > EFI_VAR_DATA_MAX ? EFI_INVALID_PARAMETER
                                                                    : status;
}

static bool deletes(const struct request *r)
{
    return !(r->attributes & (BS | RT)) || (r->data.size == 0 && !(r->attributes & APPEND));
}

static efi_status check_against(const struct request *r, const struct variable *old)
{
    if (old == NULL || !is_visible(old)) {
        if (deletes(r)) {
            return EFI_NOT_FOUND;
        }
        bool wrong = old != NULL || (model.at_runtime && (~r->attributes & (NV | BS | RT)));
        return wrong ? EFI_INVALID_PARAMETER : EFI_SUCCESS;
    }
    if ((r->attributes & (BS | RT)) && (r->attributes & ~APPEND) != old->attributes) {
        return EFI_INVALID_PARAMETER;
    }
    return model.at_runtime && !(old->attributes & NV) ? EFI_WRITE_PROTECTED : EFI_SUCCESS;
}

// A count's request comes by here as well.
static void apply(const struct request *r)
{
    if (r->name.size == 0) {
        model.high_count++;
        return;
    }
    struct variable *v = find(&r->vendor, &r->name);
    if (deletes(r)) {
        REQUIRE(v != NULL);
        remove_one(v);
        return;
    }
    v = v != NULL ? v : add(&r->vendor, &r->name, r->attributes & ~APPEND);
    struct text new =
        r->attributes &APPEND ? joined(&v->data, &r->data) : text_of(r->data.bytes, r->data.size);
    free(v->data.bytes);
    v->data = new;
}

static bool take_answer(unsigned cpu, const struct request *r, efi_status *status, uint32_t *count)
{
    if (model.answer[cpu].there && !is_same_request(&model.answer[cpu].to, r)) {
        model.answer[cpu].there = false;
        free_request(&model.answer[cpu].to);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        unsigned k = (cpu + i) % CPUS;
        if (model.answer[k].there && is_same_request(&model.answer[k].to, r)) {
            *status = model.answer[k].status;
            *count = model.answer[k].count;
            model.answer[k].there = false;
            free_request(&model.answer[k].to);
            return true;
        }
    }
    return false;
}

// The change is as the request says; lasts: NVRAM has to have it first.
static efi_status begin(unsigned cpu, const struct request *r, bool lasts)
{
    if (!lasts || !model.nvram) {
        apply(r);
        return EFI_SUCCESS;
    }
    model.changing = true;
    model.cpu = cpu;
    model.change = copy_request(r);
    return EFI_NOT_READY;
}

static efi_status expected_set(unsigned cpu, const struct request *r, efi_status actual)
{
    uint32_t count;
    efi_status status = check_form(r);
    if (status != EFI_SUCCESS || take_answer(cpu, r, &status, &count)) {
        return status;
    }
    if (model.changing) {
        return EFI_NOT_READY;
    }
    const struct variable *old = find(&r->vendor, &r->name);
    bool append = r->attributes & APPEND && r->attributes & (BS | RT);
    status = check_against(r, old);
    if (status != EFI_SUCCESS || (append && r->data.size == 0)) {
        return status;
    }
    if (!deletes(r)) {
        size_t size = r->data.size + (append && old != NULL ? old->data.size : 0);
        enum room room = room_for(r, old, size);
        if (!append && old != NULL && is_same(&old->data, r->data.bytes, r->data.size)) {
            return EFI_SUCCESS;
        }
        if (room == NONE || (room == PERHAPS && actual == EFI_OUT_OF_RESOURCES)) {
            return EFI_OUT_OF_RESOURCES;
        }
    }
    return begin(cpu, r, ((old != NULL ? old->attributes : r->attributes) & NV) != 0);
}
