// SPDX-License-Identifier: Apache-2.0
// Any instruction with any registers at a device: the decoder keeps to what its header promises,
// and the access touches neither Newel's memory nor registers that are not its own.
#include "arch/at.h"
#include "arch/fp.h"
#include "arch/sysreg.h"
#include "fake_at.h"
#include "lib/check.h"
#include "lib/log.h"
#include "mem/guest.h"
#include "require.h"
#include "trap/access.h"
#include "trap/decode.h"
#include "vm/vm.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE UINT64_C(0x09000000)
#define CODE   UINT64_C(0x40001000)

struct input {
    uint32_t insn;
    uint8_t flags; // 1: the CPU says write, 2: big-endian, 4: EL0, 8: a page is not mapped
    uint8_t base;
    uint16_t offset;
    uint64_t x[4];
} __attribute__((packed));

static uint32_t insn;
static uint8_t flags;

void log_guest(const char *fmt, ...)
{
    (void)fmt;
}

void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

int guest_read(struct stage2 *s2, void *to, gpa_t from, size_t size)
{
    (void)s2;
    REQUIRE(size == sizeof(insn) && from.v == CODE);
    memcpy(to, &insn, size);
    return 0;
}

static void check_piece(uint64_t ipa, unsigned size)
{
    REQUIRE(size == 1 || size == 2 || size == 4 || size == 8);
    REQUIRE(is_aligned(ipa, size));
}

static uint64_t device_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    (void)v;
    REQUIRE(offset + size <= dev->size);
    check_piece(offset, size);
    return ~offset >> (64 - 8 * size);
}

static void device_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                         uint64_t value)
{
    (void)v;
    REQUIRE(offset + size <= dev->size);
    check_piece(offset, size);
    REQUIRE(size == 8 || value >> (8 * size) == 0);
}

// A device, a gap of its size, a device...
static void fill_bus(struct bus *bus)
{
    static const struct device_ops ops = {
        .name = "fuzz", .read = device_read, .write = device_write};
    static struct device devices[16];
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
        devices[i] = (struct device){.ops = &ops, .base = gpa(DEVICE + i * 0x4000), .size = 0x2000};
        bus_add(bus, &devices[i]);
    }
}

static uint64_t translate(uint64_t va, bool el0, bool write)
{
    (void)el0, (void)write;
    if (va == CODE) {
        return CODE;
    }
    return flags & 8 ? PAR_F | (va & PAR_STAGE2) | 0x0e : PAR_ADDRESS(va);
}

static void check_decoded(const struct access *a)
{
    REQUIRE(a->rt < 32 && a->rt2 < 32 && a->rn < 32 && a->rm < 32 && a->size <= 4);
    if (a->kind != ACCESS_PLAIN && a->kind != ACCESS_VECTORS) {
        return;
    }
    REQUIRE(a->elements >= 1 && access_bytes(a) <= 64);
    if (a->kind == ACCESS_PLAIN) {
        REQUIRE(a->elements <= 2 && (a->simd || a->size <= 3) && a->shift <= 4);
        return;
    }
    REQUIRE(a->size <= 3);
    REQUIRE(a->repeats * a->lanes * a->structure == a->elements);
    REQUIRE(((a->lane + 1u) << a->size) <= 16 && ((unsigned)a->lanes << a->size) <= 16);
}

static void setup(struct vcpu *v, const struct input *in)
{
    for (unsigned i = 0; i < 31; i++) {
        v->regs.x[i] = DEVICE + in->x[i % 4] % 0x4000;
    }
    v->regs.pc = CODE;
    v->regs.pstate = in->flags & 4 ? PSR_EL0T : PSR_EL1H;
    v->fp_live = in->base & 1;
    fake_sysregs = (struct fake_sysregs){.sctlr_el1 = in->flags & 2 ? MASK(25, 24) : 0};
    fake_sysregs.sp_el0 = fake_sysregs.sp_el1 = DEVICE + in->offset % 0x4000u;
    fake_at = translate;
    insn = in->insn;
    flags = in->flags;
}

// The address that the access would fault at, so that most inputs get past the check for it.
static uint64_t fault_address(const struct vcpu *v, const struct access *a, const struct input *in)
{
    uint64_t base = a->rn == 31 ? fake_sysregs.sp_el0 : v->regs.x[a->rn];
    return in->base & 2 ? base + (uint64_t)a->offset + in->offset % 64u : DEVICE + in->offset;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vm_config config = {.name = "vm", .memory = 0x200000, .cpus = 1};
    static struct vm vm = {.config = &config};
    struct input in;
    struct access a;
    if (vm.bus.slot[(DEVICE - BUS_BASE) >> BUS_SLOT_SHIFT] == NULL) {
        fill_bus(&vm.bus);
    }
    if (size < sizeof(in)) {
        return 0;
    }
    memcpy(&in, data, sizeof(in));
    struct vcpu *v = calloc(1, sizeof(*v));
    v->vm = &vm;
    setup(v, &in);
    decode_access(in.insn, &a);
    check_decoded(&a);
    uint64_t far = fault_address(v, &a, &in);
    struct fault f = {.esr = in.flags & 1 ? ISS_WNR : 0, .far = far, .ipa = far & MASK(47, 0)};
    enum trap_result result = access_by_instruction(v, &f);
    REQUIRE(result == TRAP_FAULT || v->regs.pc == CODE);
    REQUIRE(result != TRAP_UNHANDLED);
    free(v);
    return 0;
}
