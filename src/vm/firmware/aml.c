// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/aml.h"

#include <string.h>

// 20.3
enum {
    NAME_OP = 0x08,
    WORD_PREFIX = 0x0b,
    DWORD_PREFIX = 0x0c,
    STRING_PREFIX = 0x0d,
    SCOPE_OP = 0x10,
    BUFFER_OP = 0x11,
    EXT_OP_PREFIX = 0x5b,
    DEVICE_OP = 0x82, // after EXT_OP_PREFIX
};

// 6.4.2, 6.4.3
enum { END_TAG = 0x79, MEMORY_32_FIXED = 0x86, EXTENDED_INTERRUPT = 0x89 };

#define MEMORY_WRITABLE    1
#define INTERRUPT_CONSUMER 1 // and level, active high, exclusive

static struct aml_package begin(struct image *m)
{
    struct aml_package package = {m->used};
    image_u16(m, 0);
    return package;
}

// 20.2.4: the length counts itself; bits 3:0 are in the first byte, bits 11:4 in the second.
void aml_end(struct image *m, struct aml_package package)
{
    uint32_t length = m->used - package.at;
    if (length > 0xfff) {
        m->full = true;
        return;
    }
    image_patch(m, package.at, 0x40 | (length & 0xf) | (length >> 4) << 8, 2);
}

struct aml_package aml_scope(struct image *m, const char *path)
{
    image_u8(m, SCOPE_OP);
    struct aml_package package = begin(m);
    image_bytes(m, path, (uint32_t)strlen(path));
    return package;
}

struct aml_package aml_device(struct image *m, const char name[4])
{
    image_u8(m, EXT_OP_PREFIX);
    image_u8(m, DEVICE_OP);
    struct aml_package package = begin(m);
    image_bytes(m, name, 4);
    return package;
}

static void put_name(struct image *m, const char name[4])
{
    image_u8(m, NAME_OP);
    image_bytes(m, name, 4);
}

void aml_name_string(struct image *m, const char name[4], const char *value)
{
    put_name(m, name);
    image_u8(m, STRING_PREFIX);
    image_bytes(m, value, (uint32_t)strlen(value) + 1);
}

void aml_name_integer(struct image *m, const char name[4], uint32_t value)
{
    put_name(m, name);
    image_u8(m, DWORD_PREFIX);
    image_u32(m, value);
}

struct aml_resources aml_resources_begin(struct image *m)
{
    put_name(m, "_CRS");
    image_u8(m, BUFFER_OP);
    struct aml_resources r = {.buffer = begin(m)};
    image_u8(m, WORD_PREFIX);
    r.size_at = m->used;
    image_u16(m, 0);
    return r;
}

void aml_memory(struct image *m, uint32_t base, uint32_t size)
{
    image_u8(m, MEMORY_32_FIXED);
    image_u16(m, 9);
    image_u8(m, MEMORY_WRITABLE);
    image_u32(m, base);
    image_u32(m, size);
}

void aml_interrupt(struct image *m, uint32_t gsiv)
{
    image_u8(m, EXTENDED_INTERRUPT);
    image_u16(m, 6);
    image_u8(m, INTERRUPT_CONSUMER);
    image_u8(m, 1);
    image_u32(m, gsiv);
}

void aml_resources_end(struct image *m, struct aml_resources r)
{
    image_u8(m, END_TAG);
    image_u8(m, 0); // no checksum
    image_patch(m, r.size_at, m->used - r.size_at - 2, 2);
    aml_end(m, r.buffer);
}
