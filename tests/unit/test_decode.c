// SPDX-License-Identifier: Apache-2.0
// The instruction decoder against an assembler's words, and what becomes of the accesses.
#include "arch/at.h"
#include "arch/fp.h"
#include "arch/sysreg.h"
#include "fake_at.h"
#include "lib/check.h"
#include "lib/log.h"
#include "mem/guest.h"
#include "trap/access.h"
#include "trap/decode.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// ---- decoding ----

static const struct decode_case {
    uint32_t insn;
    const char *text;
    struct access a;
} cases[] = {
    // clang-format off
    {0xb9400020, "ldr w0, [x1]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 1, .rn = 1}},
    {0xf97ffc23, "ldr x3, [x1, #32760]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 1, .rt = 3, .rn = 1, .wide = true, .offset = 32760}},
    {0x39000fe5, "strb w5, [sp, #3]", {.kind = ACCESS_PLAIN, .elements = 1, .rt = 5, .rn = 31, .offset = 3}},
    {0x785e4445, "ldrh w5, [x2], #-28", {.kind = ACCESS_PLAIN, .form = ADDRESS_POST, .load = true, .size = 1, .elements = 1, .rt = 5, .rn = 2, .offset = -28}},
    {0xf8100d07, "str x7, [x8, #-256]!", {.kind = ACCESS_PLAIN, .form = ADDRESS_PRE, .size = 3, .elements = 1, .rt = 7, .rn = 8, .wide = true, .offset = -256}},
    {0x39c00420, "ldrsb w0, [x1, #1]", {.kind = ACCESS_PLAIN, .load = true, .elements = 1, .rn = 1, .sign = true, .offset = 1}},
    {0x39800420, "ldrsb x0, [x1, #1]", {.kind = ACCESS_PLAIN, .load = true, .elements = 1, .rn = 1, .sign = true, .wide = true, .offset = 1}},
    {0xb8808d49, "ldrsw x9, [x10, #8]!", {.kind = ACCESS_PLAIN, .form = ADDRESS_PRE, .load = true, .size = 2, .elements = 1, .rt = 9, .rn = 10, .sign = true, .wide = true, .offset = 8}},
    {0x79c00549, "ldrsh w9, [x10, #2]", {.kind = ACCESS_PLAIN, .load = true, .size = 1, .elements = 1, .rt = 9, .rn = 10, .sign = true, .offset = 2}},
    {0xf8501020, "ldur x0, [x1, #-255]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 1, .rn = 1, .wide = true, .offset = -255}},
    {0xb8404820, "ldtr w0, [x1, #4]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 1, .rn = 1, .offset = 4, .unprivileged = true}},
    {0x78004820, "sttrh w0, [x1, #4]", {.kind = ACCESS_PLAIN, .size = 1, .elements = 1, .rn = 1, .offset = 4, .unprivileged = true}},
    {0xb8804820, "ldtrsw x0, [x1, #4]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 1, .rn = 1, .sign = true, .wide = true, .offset = 4, .unprivileged = true}},
    {0xb8626820, "ldr w0, [x1, x2]", {.kind = ACCESS_PLAIN, .form = ADDRESS_REGISTER, .load = true, .size = 2, .elements = 1, .rn = 1, .rm = 2, .extend = 3}},
    {0xf8627820, "ldr x0, [x1, x2, lsl #3]", {.kind = ACCESS_PLAIN, .form = ADDRESS_REGISTER, .load = true, .size = 3, .elements = 1, .rn = 1, .wide = true, .rm = 2, .extend = 3, .shift = 3}},
    {0xb822d820, "str w0, [x1, w2, sxtw #2]", {.kind = ACCESS_PLAIN, .form = ADDRESS_REGISTER, .size = 2, .elements = 1, .rn = 1, .rm = 2, .extend = 6, .shift = 2}},
    {0x78624820, "ldrh w0, [x1, w2, uxtw]", {.kind = ACCESS_PLAIN, .form = ADDRESS_REGISTER, .load = true, .size = 1, .elements = 1, .rn = 1, .rm = 2, .extend = 2}},
    {0x3ce2f821, "ldr q1, [x1, x2, sxtx #4]", {.kind = ACCESS_PLAIN, .form = ADDRESS_REGISTER, .load = true, .size = 4, .elements = 1, .rt = 1, .rn = 1, .simd = true, .rm = 2, .extend = 7, .shift = 4}},
    {0xf9800020, "prfm pldl1keep, [x1]", {.kind = ACCESS_PREFETCH}},
    {0xf8801020, "prfum pldl1keep, [x1, #1]", {.kind = ACCESS_PREFETCH}},
    {0xf8a26820, "prfm pldl1keep, [x1, x2]", {.kind = ACCESS_PREFETCH}},
    {0xbd400420, "ldr s0, [x1, #4]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 1, .rn = 1, .simd = true, .offset = 4}},
    {0x3c40443f, "ldr b31, [x1], #4", {.kind = ACCESS_PLAIN, .form = ADDRESS_POST, .load = true, .elements = 1, .rt = 31, .rn = 1, .simd = true, .offset = 4}},
    {0x3c9f0c27, "str q7, [x1, #-16]!", {.kind = ACCESS_PLAIN, .form = ADDRESS_PRE, .size = 4, .elements = 1, .rt = 7, .rn = 1, .simd = true, .offset = -16}},
    {0x3dfffc27, "ldr q7, [x1, #65520]", {.kind = ACCESS_PLAIN, .load = true, .size = 4, .elements = 1, .rt = 7, .rn = 1, .simd = true, .offset = 65520}},
    {0xfc5fd027, "ldur d7, [x1, #-3]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 1, .rt = 7, .rn = 1, .simd = true, .offset = -3}},
    {0x18000000, "ldr w0, .", {.kind = ACCESS_PLAIN, .form = ADDRESS_LITERAL, .load = true, .size = 2, .elements = 1}},
    {0x587fffe0, "ldr x0, .+1048572", {.kind = ACCESS_PLAIN, .form = ADDRESS_LITERAL, .load = true, .size = 3, .elements = 1, .wide = true, .offset = 1048572}},
    {0x98800000, "ldrsw x0, .-1048576", {.kind = ACCESS_PLAIN, .form = ADDRESS_LITERAL, .load = true, .size = 2, .elements = 1, .sign = true, .wide = true, .offset = -1048576}},
    {0x9c000080, "ldr q0, .+16", {.kind = ACCESS_PLAIN, .form = ADDRESS_LITERAL, .load = true, .size = 4, .elements = 1, .simd = true, .offset = 16}},
    {0x1c000080, "ldr s0, .+16", {.kind = ACCESS_PLAIN, .form = ADDRESS_LITERAL, .load = true, .size = 2, .elements = 1, .simd = true, .offset = 16}},
    {0xd8000020, "prfm pldl1keep, .+4", {.kind = ACCESS_PREFETCH}},
    {0x29400440, "ldp w0, w1, [x2]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 2, .rt2 = 1, .rn = 2}},
    {0xa9e07fe0, "ldp x0, xzr, [sp, #-512]!", {.kind = ACCESS_PLAIN, .form = ADDRESS_PRE, .load = true, .size = 3, .elements = 2, .rt2 = 31, .rn = 31, .wide = true, .offset = -512}},
    {0xa89f8440, "stp x0, x1, [x2], #504", {.kind = ACCESS_PLAIN, .form = ADDRESS_POST, .size = 3, .elements = 2, .rt2 = 1, .rn = 2, .wide = true, .offset = 504}},
    {0x69408440, "ldpsw x0, x1, [x2, #4]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 2, .rt2 = 1, .rn = 2, .sign = true, .wide = true, .offset = 4}},
    {0xa8408440, "ldnp x0, x1, [x2, #8]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 2, .rt2 = 1, .rn = 2, .wide = true, .offset = 8}},
    {0x28010440, "stnp w0, w1, [x2, #8]", {.kind = ACCESS_PLAIN, .size = 2, .elements = 2, .rt2 = 1, .rn = 2, .offset = 8}},
    {0x2d7f8440, "ldp s0, s1, [x2, #-4]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 2, .rt2 = 1, .rn = 2, .simd = true, .offset = -4}},
    {0x6c808440, "stp d0, d1, [x2], #8", {.kind = ACCESS_PLAIN, .form = ADDRESS_POST, .size = 3, .elements = 2, .rt2 = 1, .rn = 2, .simd = true, .offset = 8}},
    {0xad5ffc5e, "ldp q30, q31, [x2, #1008]", {.kind = ACCESS_PLAIN, .load = true, .size = 4, .elements = 2, .rt = 30, .rt2 = 31, .rn = 2, .simd = true, .offset = 1008}},
    {0xac400440, "ldnp q0, q1, [x2]", {.kind = ACCESS_PLAIN, .load = true, .size = 4, .elements = 2, .rt2 = 1, .rn = 2, .simd = true}},
    {0x88dffc20, "ldar w0, [x1]", {.kind = ACCESS_PLAIN, .load = true, .size = 2, .elements = 1, .rn = 1}},
    {0xc89ffc20, "stlr x0, [x1]", {.kind = ACCESS_PLAIN, .size = 3, .elements = 1, .rn = 1, .wide = true}},
    {0x089f7c20, "stllrb w0, [x1]", {.kind = ACCESS_PLAIN, .elements = 1, .rn = 1}},
    {0x48df7c20, "ldlarh w0, [x1]", {.kind = ACCESS_PLAIN, .load = true, .size = 1, .elements = 1, .rn = 1}},
    {0xf8bfc020, "ldapr x0, [x1]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 1, .rn = 1, .wide = true}},
    {0x38bfc020, "ldaprb w0, [x1]", {.kind = ACCESS_PLAIN, .load = true, .elements = 1, .rn = 1}},
    {0xd95f8020, "ldapur x0, [x1, #-8]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 1, .rn = 1, .wide = true, .offset = -8}},
    {0x19c07020, "ldapursb w0, [x1, #7]", {.kind = ACCESS_PLAIN, .load = true, .elements = 1, .rn = 1, .sign = true, .offset = 7}},
    {0x59007020, "stlurh w0, [x1, #7]", {.kind = ACCESS_PLAIN, .size = 1, .elements = 1, .rn = 1, .offset = 7}},
    {0xf8201420, "ldraa x0, [x1, #8]", {.kind = ACCESS_PLAIN, .form = ADDRESS_FAULTING, .load = true, .size = 3, .elements = 1, .rn = 1, .wide = true}},
    {0xf8fffc20, "ldrab x0, [x1, #-8]!", {.kind = ACCESS_PLAIN, .form = ADDRESS_FAULTING_PRE, .load = true, .size = 3, .elements = 1, .rn = 1, .wide = true}},
    {0x885f7c20, "ldxr w0, [x1]", {.kind = ACCESS_EXCLUSIVE}},
    {0x88027c20, "stxr w2, w0, [x1]", {.kind = ACCESS_EXCLUSIVE}},
    {0xc87f8820, "ldaxp x0, x2, [x1]", {.kind = ACCESS_EXCLUSIVE}},
    {0xc8238820, "stlxp w3, x0, x2, [x1]", {.kind = ACCESS_EXCLUSIVE}},
    {0x88a07c41, "cas w0, w1, [x2]", {.kind = ACCESS_EXCLUSIVE}},
    {0x4860fc82, "caspal x0, x1, x2, x3, [x4]", {.kind = ACCESS_EXCLUSIVE}},
    {0xb8200041, "ldadd w0, w1, [x2]", {.kind = ACCESS_EXCLUSIVE}},
    {0x38208041, "swpb w0, w1, [x2]", {.kind = ACCESS_EXCLUSIVE}},
    {0xf820705f, "stumin x0, [x2]", {.kind = ACCESS_EXCLUSIVE}},
    {0xd50b7423, "dc zva, x3", {.kind = ACCESS_ZERO}},
    {0xf8400800, "ldtr x0, [x0]", {.kind = ACCESS_PLAIN, .load = true, .size = 3, .elements = 1, .wide = true, .unprivileged = true}},
    {0x8b020020, "add x0, x1, x2", {.kind = ACCESS_UNKNOWN}},
    {0xd503201f, "nop", {.kind = ACCESS_UNKNOWN}},
    {0xf83fd020, "ld64b x0, [x1]", {.kind = ACCESS_UNKNOWN}},
    {0xd9200820, "stg x0, [x1]", {.kind = ACCESS_UNKNOWN}},
    {0x69000440, "stgp x0, x1, [x2]", {.kind = ACCESS_UNKNOWN}},
    {0xd5087620, "dc ivac, x0", {.kind = ACCESS_CACHE}},
    {0xd50b7a3f, "dc cvac, xzr", {.kind = ACCESS_CACHE}},
    {0xd50b7b25, "dc cvau, x5", {.kind = ACCESS_CACHE}},
    {0xd50b7c20, "dc cvap, x0", {.kind = ACCESS_CACHE}},
    {0xd50b7d20, "dc cvadp, x0", {.kind = ACCESS_CACHE}},
    {0xd50b7e20, "dc civac, x0", {.kind = ACCESS_CACHE}},
    {0xd50b7520, "ic ivau, x0", {.kind = ACCESS_CACHE}},
    {0xd50b742c, "dc zva, x12", {.kind = ACCESS_ZERO}},
    {0xd5087640, "dc isw, x0", {.kind = ACCESS_UNKNOWN}},
    {0xd50b7a60, "dc cgvac, x0", {.kind = ACCESS_UNKNOWN}},
    {0xd508751f, "ic iallu", {.kind = ACCESS_UNKNOWN}},
    {0x4c407020, "ld1 {v0.16b}, [x1]", {.kind = ACCESS_VECTORS, .load = true, .elements = 16, .rn = 1, .repeats = 1, .lanes = 16, .structure = 1, .quad = true}},
    {0x0cdf7020, "ld1 {v0.8b}, [x1], #8", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST, .load = true, .elements = 8, .rn = 1, .offset = 8, .repeats = 1, .lanes = 8, .structure = 1}},
    {0x4c402c3e, "ld1 {v30.2d, v31.2d, v0.2d, v1.2d}, [x1]", {.kind = ACCESS_VECTORS, .load = true, .size = 3, .elements = 8, .rt = 30, .rn = 1, .repeats = 4, .lanes = 2, .structure = 1, .quad = true}},
    {0x0c856421, "st1 {v1.4h, v2.4h, v3.4h}, [x1], x5", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST_REGISTER, .size = 1, .elements = 12, .rt = 1, .rn = 1, .offset = 24, .rm = 5, .extend = 3, .repeats = 3, .lanes = 4, .structure = 1}},
    {0x0c40ac21, "ld1 {v1.1d, v2.1d}, [x1]", {.kind = ACCESS_VECTORS, .load = true, .size = 3, .elements = 2, .rt = 1, .rn = 1, .repeats = 2, .lanes = 1, .structure = 1}},
    {0x4c9f8821, "st2 {v1.4s, v2.4s}, [x1], #32", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST, .size = 2, .elements = 8, .rt = 1, .rn = 1, .offset = 32, .repeats = 1, .lanes = 4, .structure = 2, .quad = true}},
    {0x0c404021, "ld3 {v1.8b, v2.8b, v3.8b}, [x1]", {.kind = ACCESS_VECTORS, .load = true, .elements = 24, .rt = 1, .rn = 1, .repeats = 1, .lanes = 8, .structure = 3}},
    {0x4c40003c, "ld4 {v28.16b, v29.16b, v30.16b, v31.16b}, [x1]", {.kind = ACCESS_VECTORS, .load = true, .elements = 64, .rt = 28, .rn = 1, .repeats = 1, .lanes = 16, .structure = 4, .quad = true}},
    {0x4d401420, "ld1 {v0.b}[13], [x1]", {.kind = ACCESS_VECTORS, .load = true, .elements = 1, .rn = 1, .repeats = 1, .lanes = 1, .structure = 1, .single = true, .lane = 13, .quad = true}},
    {0x4d9f5820, "st1 {v0.h}[7], [x1], #2", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST, .size = 1, .elements = 1, .rn = 1, .offset = 2, .repeats = 1, .lanes = 1, .structure = 1, .single = true, .lane = 7, .quad = true}},
    {0x4d609020, "ld2 {v0.s, v1.s}[3], [x1]", {.kind = ACCESS_VECTORS, .load = true, .size = 2, .elements = 2, .rn = 1, .repeats = 1, .lanes = 1, .structure = 2, .single = true, .lane = 3, .quad = true}},
    {0x4ddfa420, "ld3 {v0.d, v1.d, v2.d}[1], [x1], #24", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST, .load = true, .size = 3, .elements = 3, .rn = 1, .offset = 24, .repeats = 1, .lanes = 1, .structure = 3, .single = true, .lane = 1, .quad = true}},
    {0x0de92820, "ld4 {v0.b, v1.b, v2.b, v3.b}[2], [x1], x9", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST_REGISTER, .load = true, .elements = 4, .rn = 1, .offset = 4, .rm = 9, .extend = 3, .repeats = 1, .lanes = 1, .structure = 4, .single = true, .lane = 2}},
    {0x0d40c820, "ld1r {v0.2s}, [x1]", {.kind = ACCESS_VECTORS, .load = true, .size = 2, .elements = 1, .rn = 1, .repeats = 1, .lanes = 1, .structure = 1, .single = true, .replicate = true}},
    {0x4dffec20, "ld4r {v0.2d, v1.2d, v2.2d, v3.2d}, [x1], #32", {.kind = ACCESS_VECTORS, .form = ADDRESS_POST, .load = true, .size = 3, .elements = 4, .rn = 1, .offset = 32, .repeats = 1, .lanes = 1, .structure = 4, .single = true, .replicate = true, .quad = true}},
    // clang-format on
};

static void assert_access(const struct decode_case *c, const struct access *got)
{
    const struct access *want = &c->a;
    bool whole = want->kind == ACCESS_PLAIN || want->kind == ACCESS_VECTORS;
    bool same = got->kind == want->kind;
    if (same && whole) {
        same = got->form == want->form && got->load == want->load && got->simd == want->simd &&
               got->sign == want->sign && got->unprivileged == want->unprivileged &&
               got->wide == want->wide && got->size == want->size &&
               got->elements == want->elements && got->rt == want->rt && got->rt2 == want->rt2 &&
               got->rn == want->rn && got->extend == want->extend && got->shift == want->shift &&
               got->offset == want->offset && got->repeats == want->repeats &&
               got->lanes == want->lanes && got->structure == want->structure &&
               got->lane == want->lane && got->single == want->single &&
               got->replicate == want->replicate && got->quad == want->quad &&
               (want->extend == 0 || got->rm == want->rm);
    }
    if (!same) {
        fail_msg("%08x %s: kind %d form %d", c->insn, c->text, got->kind, got->form);
    }
}

static void known_instructions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct access a;
        decode_access(cases[i].insn, &a);
        assert_access(&cases[i], &a);
    }
}

// What no assembler gives: encodings that are not allocated.
static void unallocated_instructions(void **state)
{
    static const uint32_t words[] = {
        0x00000000,
        0xffffffff,
        0xb8c00020,            // opc 11 with size 2
        0xf8c00020,            // opc 11 with size 3
        0x7dc00020 | BIT(23),  // SIMD opc 1x with size 1
        0x7c200820 & ~0x6000u, // option 00x
        0xe9400440,            // pair, opc 11
        0x69000440,            // STGP
        0x68400440,            // LDPSW, non-temporal
        0xdc000000,            // literal, V=1 opc 11
        0x0c401020,            // structure opcode 0001
        0x0c400c20,            // LD4 of 1D
        0x0c410020,            // Rm without write-back
        0x0c600020,            // bit 21 of the multiple form
        0x0d404420,            // H lane with size 1
        0x0d408820,            // S lane with size 2
        0x0d409420,            // D lane with S
        0x0d00c020,            // a store that replicates
        0x0d40d020,            // replicate with S
        0xb8200420,            // LDRAA with size 2
        0xfc200420,            // LDRAA with V
        0x19200420,            // MTE, MOPS space
        0x3c200020,            // atomic with V
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct access a;
        decode_access(words[i], &a);
        if (a.kind != ACCESS_UNKNOWN) {
            fail_msg("%08x decoded as kind %d", words[i], a.kind);
        }
    }
}

// ---- a machine of two pages of device, with nothing after them ----

#define DEVICE  UINT64_C(0x09000000)
#define VIRTUAL UINT64_C(0xffff000010000000)
#define CODE    UINT64_C(0x40001000)
#define SIZE    0x2000u

static struct vm vm;
static struct vm_config config = {.name = "vm", .memory = 0x200000, .cpus = 1};
static struct vcpu *v;
static uint8_t device[SIZE];
static unsigned reads, writes;
static uint32_t insn;
static bool code_gone;

void log_guest(const char *fmt, ...)
{
    (void)fmt;
}

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

int guest_read(struct stage2 *s2, void *to, gpa_t from, size_t size)
{
    assert_ptr_equal(s2, &vm.space.s2);
    assert_int_equal(from.v, CODE);
    assert_int_equal(size, sizeof(insn));
    memcpy(to, &insn, size);
    return code_gone ? -1 : 0;
}

static uint64_t device_read(struct device *dev, struct vcpu *vcpu, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    (void)dev;
    assert_ptr_equal(vcpu, v);
    assert_true(size <= 8 && is_aligned(offset, size) && offset < SIZE);
    memcpy(&value, &device[offset], size);
    reads++;
    return value;
}

static void device_write(struct device *dev, struct vcpu *vcpu, uint64_t offset, unsigned size,
                         uint64_t value)
{
    (void)dev;
    assert_ptr_equal(vcpu, v);
    assert_true(size <= 8 && is_aligned(offset, size) && offset < SIZE);
    memcpy(&device[offset], &value, size);
    writes++;
}

static const struct device_ops device_ops = {
    .name = "test", .read = device_read, .write = device_write};
static struct device the_device = {.ops = &device_ops, .base = {DEVICE}, .size = SIZE};

// The device is mapped at VIRTUAL, code at its own address; a page in the middle of nowhere is not.
static uint64_t translate(uint64_t va, bool el0, bool write)
{
    (void)el0, (void)write;
    if (va - VIRTUAL < 0x10000) {
        return PAR_ADDRESS(DEVICE + (va - VIRTUAL));
    }
    return va - CODE < 0x1000 ? CODE : PAR_F | (0x07u << 1);
}

static int setup(void **state)
{
    (void)state;
    v = calloc(1, sizeof(*v));
    vm.config = &config;
    memset(&vm.bus, 0, sizeof(vm.bus));
    bus_add(&vm.bus, &the_device);
    v->vm = &vm;
    v->regs.pc = CODE;
    v->regs.pstate = PSR_EL1H;
    for (unsigned i = 0; i < SIZE; i++) {
        device[i] = (uint8_t)(i * 7 + i / 256 + 0x81);
    }
    fake_sysregs = (struct fake_sysregs){.sctlr_el1 = SCTLR_EL1_RES1};
    fake_at = translate;
    reads = writes = 0;
    code_gone = false;
    for (unsigned i = 0; i < 32; i++) {
        uint64_t low = 0x1000100010001000 + i;
        uint64_t high = 0x2000200020002000 + i;
        v->fp.v[i] = ((__uint128_t)high << 64) | low;
    }
    fp_restore(&v->fp);
    v->fp_live = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(v);
    return 0;
}

static uint64_t at(unsigned offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, &device[offset], size);
    return value;
}

static uint8_t lane8(unsigned n, unsigned lane)
{
    return (uint8_t)(v->fp.v[n] >> (8 * lane));
}

// Executes word, whose access faults at the device's offset.
static enum trap_result run(uint32_t word, unsigned offset, bool write)
{
    struct fault f = {.esr = write ? ISS_WNR : 0, .far = VIRTUAL + offset, .ipa = DEVICE + offset};
    insn = word;
    enum trap_result result = access_by_instruction(v, &f);
    fp_save(&v->fp);
    return result;
}

static void pair_with_write_back(void **state)
{
    (void)state;
    v->regs.x[2] = VIRTUAL + 0x20;
    assert_int_equal(run(0xa8fd0440, 0x20, false), TRAP_EMULATED); // ldp x0, x1, [x2], #-48
    assert_int_equal(v->regs.x[0], at(0x20, 8));
    assert_int_equal(v->regs.x[1], at(0x28, 8));
    assert_int_equal(v->regs.x[2], VIRTUAL + 0x20 - 48);
    assert_int_equal(v->count.n[CNT_MMIO_DECODED], 1);
    assert_int_equal(reads, 2);
}

// Without ISS.CM, to a device and to nothing: neither an abort nor an access.
static void cache_maintenance(void **state)
{
    (void)state;
    v->regs.x[1] = VIRTUAL + 0x40;
    assert_int_equal(run(0xd50b7c21, 0x40, false), TRAP_EMULATED); // dc cvap, x1
    v->regs.x[1] = VIRTUAL + SIZE;
    assert_int_equal(run(0xd50b7c21, SIZE, false), TRAP_EMULATED);
    assert_int_equal(run(0xd5087621, SIZE, true), TRAP_EMULATED); // dc ivac, x1
    assert_int_equal(reads + writes, 0);
    assert_int_equal(v->count.n[CNT_INJECT_ABORT] + v->count.n[CNT_MMIO_NONE], 0);
}

// A32 and T32 are not decoded: an external abort, as manual.md says, and nothing is accessed.
static void aarch32_gets_an_external_abort(void **state)
{
    (void)state;
    v->regs.pstate = PSR_AARCH32 | 0x10;
    assert_int_equal(run(0xe8b10003, 0x40, false), TRAP_FAULT); // ldm r1!, {r0, r1}
    assert_int_equal(ESR_EC(fake_sysregs.esr_el1), 0x24);
    assert_int_equal(fake_sysregs.esr_el1 & 0x3f, 0x10);
    assert_int_equal(fake_sysregs.far_el1, VIRTUAL + 0x40);
    assert_int_equal(reads + writes, 0);
}

static void sign_and_width(void **state)
{
    (void)state;
    v->regs.x[2] = VIRTUAL + 4;
    device[7] = 0x80;
    device[11] = 0x7f;
    assert_int_equal(run(0x69400440, 4, false), TRAP_EMULATED); // ldpsw x0, x1, [x2]
    assert_int_equal(v->regs.x[0], 0xffffffff00000000 | at(4, 4));
    assert_int_equal(v->regs.x[1], at(8, 4));
    v->regs.x[0] = ~UINT64_C(0);
    v->regs.x[1] = VIRTUAL + 7;
    assert_int_equal(run(0x38c00420, 7, false), TRAP_EMULATED); // ldrsb w0, [x1], #0
    assert_int_equal(v->regs.x[0], 0xffffff80);
}

static void stores_of_the_zero_register(void **state)
{
    (void)state;
    v->regs.x[2] = VIRTUAL;
    assert_int_equal(run(0xa9007c5f, 0, true), TRAP_EMULATED); // stp xzr, xzr, [x2]
    assert_int_equal(at(0, 8) | at(8, 8), 0);
    assert_int_equal(v->regs.pc, CODE);                         // what x[31] would be
    assert_int_equal(run(0xa9407c5f, 0, false), TRAP_EMULATED); // ldp xzr, xzr, [x2]
    assert_int_equal(v->regs.pc, CODE);
}

static void stack_pointer_by_pstate(void **state)
{
    (void)state;
    fake_sysregs.sp_el1 = VIRTUAL + 0x10;
    fake_sysregs.sp_el0 = VIRTUAL + 0x30;
    assert_int_equal(run(0xb84107e0, 0x10, false), TRAP_EMULATED); // ldr w0, [sp], #16
    assert_int_equal(fake_sysregs.sp_el1, VIRTUAL + 0x20);
    v->regs.pstate = PSR_EL1T;
    assert_int_equal(run(0xb84107e0, 0x30, false), TRAP_EMULATED);
    assert_int_equal(fake_sysregs.sp_el0, VIRTUAL + 0x40);
    v->regs.pstate = PSR_EL0T;
    assert_int_equal(run(0xb84107e0, 0x40, false), TRAP_EMULATED);
    assert_int_equal(fake_sysregs.sp_el0, VIRTUAL + 0x50);
    assert_int_equal(fake_sysregs.sp_el1, VIRTUAL + 0x20);
}

static void simd_registers(void **state)
{
    (void)state;
    v->regs.x[1] = VIRTUAL + 0x40;
    assert_int_equal(run(0x3c810427 | BIT(22), 0x40, false), TRAP_EMULATED); // ldr q7, [x1], #16
    assert_int_equal((uint64_t)v->fp.v[7], at(0x40, 8));
    assert_int_equal((uint64_t)(v->fp.v[7] >> 64), at(0x48, 8));
    v->regs.x[1] = VIRTUAL + 0x41;
    assert_int_equal(run(0x3c401427, 0x41, false), TRAP_EMULATED); // ldr b7, [x1], #1
    assert_true(v->fp.v[7] == device[0x41]);
    v->regs.x[1] = VIRTUAL + 0x80;
    assert_int_equal(run(0xac010823, 0x80 + 32, true), TRAP_EMULATED); // stp q3, q2, [x1, #32]
    assert_int_equal(at(0xa0, 8), 0x1000100010001003);
    assert_int_equal(at(0xb8, 8), 0x2000200020002002);
}

static void structures_are_interleaved(void **state)
{
    (void)state;
    v->regs.x[1] = VIRTUAL;
    assert_int_equal(run(0x0c404021, 0, false), TRAP_EMULATED); // ld3 {v1.8b - v3.8b}, [x1]
    for (unsigned i = 0; i < 24; i++) {
        assert_int_equal(lane8(1 + i % 3, i / 3), device[i]);
    }
    assert_int_equal((uint64_t)(v->fp.v[2] >> 64), 0);
    assert_int_equal(run(0x4c9f8821, 0, true), TRAP_EMULATED); // st2 {v1.4s, v2.4s}, [x1], #32
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(at(i * 4, 4), (uint32_t)(v->fp.v[1 + i % 2] >> (32 * (i / 2))));
    }
    assert_int_equal(v->regs.x[1], VIRTUAL + 32);
}

static void structures_wrap_at_register_31(void **state)
{
    (void)state;
    v->regs.x[1] = VIRTUAL;
    assert_int_equal(run(0x4c402c3e, 0, false), TRAP_EMULATED); // ld1 {v30.2d - v1.2d}, [x1]
    assert_int_equal((uint64_t)v->fp.v[31], at(16, 8));
    assert_int_equal((uint64_t)(v->fp.v[1] >> 64), at(56, 8));
}

static void one_lane_keeps_the_others(void **state)
{
    __uint128_t before = v->fp.v[0];
    (void)state;
    v->regs.x[1] = VIRTUAL + 3;
    assert_int_equal(run(0x4d401420, 3, false), TRAP_EMULATED); // ld1 {v0.b}[13], [x1]
    assert_int_equal(lane8(0, 13), device[3]);
    __uint128_t mask = (__uint128_t)0xff << (8 * 13);
    assert_true((v->fp.v[0] & ~mask) == (before & ~mask));
    assert_int_equal(run(0x0d40c820, 3, false), TRAP_EMULATED); // ld1r {v0.2s}, [x1], unaligned
    assert_int_equal((uint64_t)v->fp.v[0], at(3, 4) | at(3, 4) << 32);
    assert_int_equal((uint64_t)(v->fp.v[0] >> 64), 0);
}

static void fp_registers_that_are_not_loaded(void **state)
{
    (void)state;
    v->fp_live = false;
    v->regs.x[1] = VIRTUAL;
    assert_int_equal(run(0x3c401427, 0, false), TRAP_EMULATED);
    assert_true(v->fp_live);
}

static void big_endian_guests(void **state)
{
    (void)state;
    fake_sysregs.sctlr_el1 |= BIT(25);
    v->regs.x[2] = VIRTUAL + 0x10;
    assert_int_equal(run(0x29400440, 0x10, false), TRAP_EMULATED); // ldp w0, w1, [x2]
    assert_int_equal(v->regs.x[0], __builtin_bswap32((uint32_t)at(0x10, 4)));
    v->regs.x[1] = VIRTUAL;
    assert_int_equal(run(0x3c810427 | BIT(22), 0, false), TRAP_EMULATED);
    assert_int_equal((uint64_t)(v->fp.v[7] >> 64), __builtin_bswap64(at(0, 8)));
    struct fault f = {
        .esr = ISS_ISV | (UINT64_C(1) << 22) | (UINT64_C(5) << 16), .far = VIRTUAL, .ipa = DEVICE};
    assert_int_equal(access_by_syndrome(v, &f), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], __builtin_bswap16((uint16_t)at(0, 2)));
    v->regs.pstate = PSR_EL0T; // E0E is clear
    assert_int_equal(access_by_syndrome(v, &f), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], at(0, 2));
}

static void over_the_end_of_a_page(void **state)
{
    (void)state;
    v->regs.x[2] = VIRTUAL + 0xffc;
    assert_int_equal(run(0xa9400440, 0xffc, false), TRAP_EMULATED); // ldp x0, x1, [x2]
    assert_int_equal(v->regs.x[0], at(0xffc, 8));
    assert_int_equal(v->regs.x[1], at(0x1004, 8));
    v->regs.x[2] = VIRTUAL + 0xff8;
    assert_int_equal(run(0xa9400440, 0x1000, false), TRAP_EMULATED); // FAR is the second's
    assert_int_equal(v->regs.x[0], at(0xff8, 8));
}

static void over_the_end_of_the_device(void **state)
{
    (void)state;
    v->regs.x[0] = 0x1111;
    v->regs.x[2] = VIRTUAL + SIZE - 8;
    assert_int_equal(run(0xa8c10440, SIZE - 8, false), TRAP_FAULT); // ldp x0, x1, [x2], #16
    assert_int_equal(v->regs.x[0], 0x1111);
    assert_int_equal(v->regs.x[2], VIRTUAL + SIZE - 8);
    assert_int_equal(fake_sysregs.far_el1, VIRTUAL + SIZE);
    assert_int_equal(fake_sysregs.esr_el1 & 0x3f, 0x10);
}

static void over_the_end_of_a_mapping(void **state)
{
    (void)state;
    v->regs.x[2] = VIRTUAL + 0xfff8;
    struct fault f = {.far = v->regs.x[2], .ipa = DEVICE + 0xff8};
    insn = 0xa9400440;
    assert_int_equal(access_by_instruction(v, &f), TRAP_FAULT);
    assert_int_equal(fake_sysregs.far_el1, VIRTUAL + 0x10000);
    assert_int_equal(fake_sysregs.esr_el1 & 0x3f, 0x07); // the guest's own translation fault
}

static void code_that_changed_is_tried_again(void **state)
{
    (void)state;
    v->regs.x[2] = VIRTUAL + 0x100;
    assert_int_equal(run(0xa9400440, 0x20, false), TRAP_RETRY); // another address
    assert_int_equal(run(0xa9400440, 0x100, true), TRAP_RETRY); // another direction
    code_gone = true;
    assert_int_equal(run(0xa9400440, 0x100, false), TRAP_RETRY);
    assert_int_equal(reads + writes, 0);
}

static void tags_do_not_matter(void **state)
{
    (void)state;
    v->regs.x[2] = (VIRTUAL & MASK(55, 0)) | (UINT64_C(0x5a) << 56);
    assert_int_equal(run(0xa8c10440, 0, false), TRAP_EMULATED);
    assert_int_equal(v->regs.x[2] >> 56, 0x5a);
}

static void refused(void **state)
{
    static const struct {
        uint32_t insn;
        uint64_t on_device, on_nothing;
        bool write;
    } refusals[] = {
        {0x885f7c20, 0x35, 0x10, false}, // ldxr
        {0xb8200041, 0x35, 0x10, true},  // ldadd
        {0xd50b7423, 0x21, 0x10, true},  // dc zva
        {0xd503201f, 0x10, 0x10, false}, // nop: what faulted was something else
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        v->regs.pc = CODE;
        v->regs.pstate = PSR_EL1H;
        assert_int_equal(run(refusals[i].insn, 0, refusals[i].write), TRAP_FAULT);
        assert_int_equal(fake_sysregs.esr_el1 & 0x3f, refusals[i].on_device);
        assert_int_equal((fake_sysregs.esr_el1 & ISS_WNR) != 0, refusals[i].write);
        v->regs.pc = CODE;
        v->regs.pstate = PSR_EL1H;
        assert_int_equal(run(refusals[i].insn, SIZE + 0x100, refusals[i].write), TRAP_FAULT);
        assert_int_equal(fake_sysregs.esr_el1 & 0x3f, refusals[i].on_nothing);
        assert_int_equal(fake_sysregs.far_el1, VIRTUAL + SIZE + 0x100);
    }
    v->regs.pc = CODE;
    v->regs.pstate = PSR_AARCH32;
    assert_int_equal(run(0xa9400440, 0, false), TRAP_FAULT);
    v->regs.pc = CODE;
    v->regs.pstate = PSR_EL1H;
    assert_int_equal(run(0xf9800020, 0, false), TRAP_EMULATED); // prfm
}

static void syndromes(void **state)
{
    struct fault f = {.far = VIRTUAL + 4, .ipa = DEVICE + 4};
    (void)state;
    device[4] = 0x80;
    f.esr = ISS_ISV | ISS_SSE | (UINT64_C(3) << 16); // ldrsb w3
    assert_int_equal(access_by_syndrome(v, &f), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0xffffff80);
    f.esr |= ISS_SF;
    assert_int_equal(access_by_syndrome(v, &f), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0xffffffffffffff80);
    f.esr = ISS_ISV | ISS_WNR | (UINT64_C(2) << 22) | (UINT64_C(31) << 16); // str wzr
    assert_int_equal(access_by_syndrome(v, &f), TRAP_EMULATED);
    assert_int_equal(at(4, 4), 0);
    assert_int_equal(v->count.n[CNT_MMIO_DECODED], 0);
    f.ipa = DEVICE + SIZE;
    assert_int_equal(access_by_syndrome(v, &f), TRAP_FAULT);
    assert_int_equal(v->count.n[CNT_MMIO_NONE], 1);
}

static void unaligned_is_taken_apart(void **state)
{
    struct fault f = {.esr = ISS_ISV | (UINT64_C(2) << 22), .far = VIRTUAL + 5, .ipa = DEVICE + 5};
    (void)state;
    v->regs.x[1] = VIRTUAL + 5;
    insn = 0xb9400020; // ldr w0, [x1]
    assert_int_equal(access_by_syndrome(v, &f), TRAP_EMULATED);
    assert_int_equal(v->regs.x[0], at(5, 4));
    assert_int_equal(reads, 3); // 1 + 2 + 1 bytes
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_instructions),
        cmocka_unit_test(unallocated_instructions),
        T(pair_with_write_back),
        T(cache_maintenance),
        T(aarch32_gets_an_external_abort),
        T(sign_and_width),
        T(stores_of_the_zero_register),
        T(stack_pointer_by_pstate),
        T(simd_registers),
        T(structures_are_interleaved),
        T(structures_wrap_at_register_31),
        T(one_lane_keeps_the_others),
        T(fp_registers_that_are_not_loaded),
        T(big_endian_guests),
        T(over_the_end_of_a_page),
        T(over_the_end_of_the_device),
        T(over_the_end_of_a_mapping),
        T(code_that_changed_is_tried_again),
        T(tags_do_not_matter),
        T(refused),
        T(syndromes),
        T(unaligned_is_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
