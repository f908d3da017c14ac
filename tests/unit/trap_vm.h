// SPDX-License-Identifier: Apache-2.0
// A VM with devices and one vCPU whose traps are handled, for tests of the handlers: what is below
// these are stand-ins, which note how they were called.
#pragma once

#include "arch/sysreg.h"
#include "fake_at.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vpmu.h"
#include "irq/vtimer.h"
#include "lib/check.h"
#include "lib/log.h"
#include "mem/guest.h"
#include "trap/trap.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io_calls.h"

static struct vm vm;
static struct vm_config config = {.name = "vm", .memory = 64 << 20, .cpus = 2};
static struct vcpu *v;
static struct device uart, rtc;
static uint64_t device_offset, device_value, sgi_value;
static unsigned sgis0, sgis1;
static bool ram_mapped;
static enum override_policy ram_policy;
static enum space_access last_access;
static gpa_t last_fault;
static unsigned lifted, paused, maintained;
static bool asked_uncached;
static uint32_t uncached; // vCPUs whose caches are off
static uint64_t now;
static uint8_t table[0x3000]; // guest RAM at VM_RAM_BASE

void log_guest(const char *fmt, ...)
{
    (void)fmt;
}

int guest_read(struct stage2 *s2, void *to, gpa_t from, size_t size)
{
    (void)s2;
    if (from.v - VM_RAM_BASE > sizeof(table) - size) {
        return -1;
    }
    memcpy(to, &table[from.v - VM_RAM_BASE], size);
    return 0;
}

void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}

enum space_answer space_fault(struct space *sp, gpa_t at, enum space_access access, bool caches)
{
    (void)sp;
    asked_uncached = caches;
    last_fault = at;
    if (at.v - VM_RAM_BASE >= 64 << 20) {
        return SPACE_OUTSIDE;
    }
    last_access = access;
    return ram_mapped && access != SPACE_FETCH ? SPACE_RETRY : SPACE_DENIED;
}

void space_set_uncached(struct space *sp, unsigned vcpu, bool off)
{
    (void)sp;
    uncached = off ? uncached | 1u << vcpu : uncached & ~(1u << vcpu);
}

void space_maintain_all(struct space *sp)
{
    (void)sp;
    maintained++;
}

uint64_t timer_now(void)
{
    return now;
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    return us;
}

bool space_policy(struct space *sp, gpa_t at, enum override_policy *policy)
{
    (void)sp, (void)at;
    *policy = ram_policy;
    return true;
}

int vm_pause(struct vm *which)
{
    (void)which;
    paused++;
    return 0;
}

int space_lift(struct space *sp, gpa_t at)
{
    (void)sp, (void)at;
    lifted++;
    return 0;
}

static struct percpu cpu;

struct percpu *cpu_local(void)
{
    return &cpu;
}

uint64_t vgic_dist_read(struct vgic_cpu *c, uint64_t offset, unsigned size)
{
    (void)c;
    return (0xd15700000000 | offset) & MASK(8 * size - 1, 0);
}

void vgic_dist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    (void)c, (void)size;
    device_offset = offset;
    device_value = value;
}

bool vgic_rdist_read(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)c, (void)size;
    *value = offset;
    return offset < 2 * VGIC_RDIST_SIZE;
}

uint64_t vgic_v2_dist_read(struct vgic_cpu *c, uint64_t offset, unsigned size)
{
    return vgic_dist_read(c, offset, size);
}

void vgic_v2_dist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    vgic_dist_write(c, offset, size, value);
}

void vgic_v2_interface_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    vgic_dist_write(c, offset, size, value);
}

const struct gic_config *gic_config(void)
{
    static const struct gic_config gic = {.version = 3};
    return &gic;
}

bool vgic_rdist_write(struct vgic_cpu *c, uint64_t offset, unsigned size, uint64_t value)
{
    (void)c, (void)size, (void)value;
    device_offset = offset;
    return offset < 2 * VGIC_RDIST_SIZE;
}

static bool has_pmu;

bool vpmu_available(void)
{
    return has_pmu;
}

void machine_pmu_stopped(struct vcpu *stopped, bool line)
{
    (void)stopped;
    (void)line;
}

void vgic_send_sgi(struct vgic_cpu *from, uint64_t value, bool group1)
{
    (void)from;
    sgi_value = value;
    *(group1 ? &sgis1 : &sgis0) += 1;
}

void vgic_deactivate(struct vgic_cpu *c, uint64_t value)
{
    (void)c, (void)value;
}

bool vtimer_sysreg_read(struct vcpu *which, unsigned op2, uint64_t *value)
{
    (void)which;
    *value = 0x700 + op2;
    return op2 < 3;
}

bool vtimer_sysreg_write(struct vcpu *which, unsigned op2, uint64_t value)
{
    (void)which;
    device_value = value;
    return op2 < 3;
}

static uint64_t read(struct device *dev, struct vcpu *which, uint64_t offset, unsigned size)
{
    (void)which;
    device_offset = offset;
    return (dev == &uart ? 0x0123456789abcdef : 0x1c) & MASK(8 * size - 1, 0);
}

static void write(struct device *dev, struct vcpu *which, uint64_t offset, unsigned size,
                  uint64_t value)
{
    (void)dev, (void)which, (void)size;
    device_offset = offset;
    device_value = value;
}

static const struct device_ops ops = {.read = read, .write = write};

static int setup(void **state)
{
    (void)state;
    v = calloc(1, sizeof(*v));
    v->vm = &vm;
    v->regs.pstate = PSR_EL1H;
    vm.config = &config;
    uart = (struct device){
        .ops = &ops, .base = gpa(PL011_BASE), .size = PL011_SIZE, .counter = CNT_MMIO_UART};
    rtc = (struct device){
        .ops = &ops, .base = gpa(PL031_BASE), .size = PL031_SIZE, .counter = CNT_MMIO_RTC};
    gic_frames_init(&vm.gic, 2);
    memset(&vm.bus, 0, sizeof(vm.bus));
    bus_add(&vm.bus, &vm.gic.dist);
    bus_add(&vm.bus, &vm.gic.other);
    bus_add(&vm.bus, &uart);
    bus_add(&vm.bus, &rtc);
    memset(&features, 0, sizeof(features));
    memset(&fake_sysregs, 0, sizeof(fake_sysregs));
    memset(table, 0, sizeof(table));
    fake_at = NULL;
    cpu = (struct percpu){.id = 0};
    sgis0 = sgis1 = 0;
    ram_mapped = true;
    ram_policy = OVERRIDE_FAULT;
    lifted = paused = maintained = 0;
    uncached = 0;
    now = 1;
    for (unsigned i = 0; i < ARRAY_SIZE(vm.id); i++) {
        vm.id[i] = 0xabc0000 + i;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(v);
    return 0;
}

#define VM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

// ESR_EL2 of a trapped access to a system register, and of a data abort.
static inline uint64_t iss(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2,
                           unsigned rt, bool is_read)
{
    return ((uint64_t)EC_SYSREG << 26) | ESR_IL | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 |
           rt << 5 | crm << 1 | is_read;
}

#define FSC_TRANSLATION3 0x07u

static inline uint64_t dabt(unsigned sas, unsigned srt, uint64_t more)
{
    return ((uint64_t)EC_DABT_LOWER << 26) | ESR_IL | ISS_ISV | (uint64_t)sas << 22 |
           (uint64_t)srt << 16 | FSC_TRANSLATION3 | more;
}

static inline void fault_at(uint64_t va, uint64_t ipa)
{
    fake_sysregs.far_el2 = va;
    fake_sysregs.hpfar_el2 = ipa >> 12 << 4;
}
