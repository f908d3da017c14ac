// SPDX-License-Identifier: Apache-2.0
// System-register traps and stage-2 aborts: which device, which register, which fault.
#include "arch/at.h"
#include "arch/sysreg.h"
#include "fake_at.h"
#include "fake_pmu.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vpmu.h"
#include "irq/vtimer.h"
#include "lib/check.h"
#include "lib/log.h"
#include "mem/guest.h"
#include "trap/io.h"
#include "trap/sysreg.h"
#include "trap/trap.h"
#include "trap/walk.h"
#include "vm/caches.h"
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

// ---- system registers ----

static uint64_t iss(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2,
                    unsigned rt, bool is_read)
{
    return ((uint64_t)EC_SYSREG << 26) | ESR_IL | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 |
           rt << 5 | crm << 1 | is_read;
}

static void id_registers(void **state)
{
    (void)state;
    for (unsigned crm = 1; crm < 8; crm++) {
        for (unsigned op2 = 0; op2 < 8; op2++) {
            assert_int_equal(trap_sysreg(v, iss(3, 0, 0, crm, op2, op2 + 3, true)), TRAP_EMULATED);
            assert_int_equal(v->regs.x[op2 + 3], 0xabc0000 + crm * 8 + op2);
        }
    }
    assert_int_equal(v->count.n[CNT_SYSREG_ID], 56);
    v->regs.pc = 0x1234;
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 4, 0, 31, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.pc, 0x1234);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 4, 0, 0, false)), TRAP_FAULT);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 8, 0, 0, true)), TRAP_FAULT);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 0, 15, 7, 0, true)), TRAP_FAULT);
}

static void policy_is_worked_out(void **state)
{
    (void)state;
    features.raw.r[ID_INDEX(4, 0)] = 0x11; // AArch64 at EL0 and EL1
    sysreg_init_vm(&vm);
    assert_int_equal(vm.id[4 * 8], 0x11);
    assert_int_equal(vm.id[8], 0);
    assert_true(vm.id_policy.hide_sve && vm.id_policy.hide_pmu);
}

static void performance_monitors(void **state)
{
    (void)state;
    features.raw.r[ID_INDEX(5, 0)] = 0x800;
    config.pmu = true;
    sysreg_init_vm(&vm);
    assert_int_equal(bits_get(vm.id[5 * 8], 11, 8), 0);
    assert_int_equal(trap_sysreg(v, iss(3, 3, 9, 12, 0, 0, true)), TRAP_FAULT);
    has_pmu = true;
    sysreg_init_vm(&vm);
    assert_int_equal(bits_get(vm.id[5 * 8], 11, 8), 6); // FEAT_PMUv3p5 at most
    v->mdcr = MDCR_TDA | MDCR_TPM | MDCR_TPMCR;
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 12, 0, 0, true)), TRAP_RETRY); // PMEVTYPER0_EL0
    assert_int_equal(v->mdcr, MDCR_TDA);
    assert_int_equal(fake_sysregs.mdcr_el2, MDCR_TDA);
    // What traps with the traps off is no register of the PMU's.
    assert_int_equal(trap_sysreg(v, iss(3, 0, 9, 14, 4, 0, true)), TRAP_FAULT);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 9, 9, 0, 0, true)), TRAP_FAULT); // PMSCR_EL1
    // Counting, it is switched; at rest it traps again.
    fake_pmu.pmcr = PMCR_E;
    fake_pmu.cntenset = 1;
    fake_pmu.evcntr[0] = 42;
    pmu_save(v);
    assert_int_equal(fake_pmu.pmcr, 0);
    assert_true(v->pmu_used);
    pmu_load(v);
    assert_int_equal(fake_pmu.pmcr, PMCR_E);
    fake_pmu.cntenset = 0;
    pmu_save(v);
    assert_false(v->pmu_used);
    assert_int_equal(fake_sysregs.mdcr_el2, MDCR_TDA | MDCR_TPM | MDCR_TPMCR);
    assert_true(pmu_enable(v));
    assert_int_equal(fake_pmu.evcntr[0], 42);
    config.pmu = has_pmu = false;
    sysreg_init_vm(&vm);
    assert_int_equal(bits_get(vm.id[5 * 8], 11, 8), 0);
}

static void software_interrupts(void **state)
{
    (void)state;
    v->regs.x[9] = 0x1122334455;
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 5, 9, false)), TRAP_EMULATED);
    assert_int_equal(sgi_value, 0x1122334455);
    assert_int_equal(sgis1, 1);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 6, 31, false)), TRAP_EMULATED);
    assert_int_equal(sgi_value, 0);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 7, 9, false)), TRAP_EMULATED);
    assert_int_equal(sgis0, 2);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 12, 11, 5, 9, true)), TRAP_FAULT);
}

static void timers_debug_and_the_rest(void **state)
{
    (void)state;
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 2, 1, 4, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[4], 0x701);
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 2, 2, 4, false)), TRAP_EMULATED);
    assert_int_equal(device_value, 0x701);
    assert_int_equal(trap_sysreg(v, iss(3, 3, 14, 2, 5, 4, true)), TRAP_FAULT);
    v->regs.x[1] = 0x8001;
    assert_int_equal(trap_sysreg(v, iss(2, 0, 0, 2, 2, 1, false)), TRAP_EMULATED);
    assert_int_equal(fake_sysregs.mdscr_el1, 0x8001); // tests/unit/test_debug.c has the rest
    assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 14, 2, 1, false)), TRAP_EMULATED); // DC CISW
}

static void absent_features_are_undefined(void **state)
{
    static const uint8_t absent[][5] = {
        {3, 3, 9, 12, 0}, {3, 3, 9, 13, 0}, {3, 0, 9, 14, 1}, {3, 3, 14, 15, 7}, {3, 3, 14, 8, 0},
        {3, 0, 9, 9, 0},  {3, 3, 13, 2, 0}, {3, 0, 5, 3, 0},  {3, 0, 5, 4, 0},   {3, 0, 10, 4, 3},
        {3, 0, 10, 5, 1}, {3, 0, 15, 2, 0}, {3, 1, 15, 2, 1}, {3, 7, 11, 0, 0},  {1, 3, 11, 0, 0},
        {1, 0, 15, 0, 0}, {2, 1, 0, 0, 0},  {2, 1, 8, 0, 0},  {3, 0, 1, 0, 6},   {3, 0, 13, 0, 7},
        {3, 3, 13, 0, 7}, {3, 0, 2, 1, 0},  {3, 0, 2, 3, 1},  {3, 0, 12, 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
        const uint8_t *a = absent[i];
        v->regs.pstate = PSR_EL0T;
        assert_int_equal(trap_sysreg(v, iss(a[0], a[1], a[2], a[3], a[4], 0, true)), TRAP_FAULT);
        assert_int_equal(ESR_EC(fake_sysregs.esr_el1), EC_UNKNOWN);
    }
    assert_int_equal(v->count.n[CNT_INJECT_UNDEF], ARRAY_SIZE(absent));
    assert_int_equal(trap_sysreg(v, iss(3, 0, 4, 0, 0, 0, true)), TRAP_UNHANDLED);
}

static void pointer_authentication_comes_at_its_first_use(void **state)
{
    (void)state;
    features.pauth = true;
    fake_sysregs.hcr_el2 = HCR_VM;
    assert_int_equal(trap_sysreg(v, iss(3, 0, 2, 1, 0, 0, false)), TRAP_RETRY);
    assert_int_equal(fake_sysregs.hcr_el2, HCR_VM | HCR_API | HCR_APK);
    assert_true(v->pauth_used);
    vm.id_policy.hide_pauth = true;
    assert_int_equal(trap_pauth(v, 0), TRAP_FAULT);
    vm.id_policy.hide_pauth = false;
}

// ---- aborts ----

#define FSC_TRANSLATION3 0x07u

static uint64_t dabt(unsigned sas, unsigned srt, uint64_t more)
{
    return ((uint64_t)EC_DABT_LOWER << 26) | ESR_IL | ISS_ISV | (uint64_t)sas << 22 |
           (uint64_t)srt << 16 | FSC_TRANSLATION3 | more;
}

static void fault_at(uint64_t va, uint64_t ipa)
{
    fake_sysregs.far_el2 = va;
    fake_sysregs.hpfar_el2 = ipa >> 12 << 4;
}

static void loads_find_their_device(void **state)
{
    (void)state;
    fault_at(0x7004, VGIC_DIST_BASE + 0x1000);
    v->regs.x[3] = ~UINT64_C(0);
    assert_int_equal(trap_data_abort(v, dabt(2, 3, 0)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0x1004); // 32 bits of it
    assert_int_equal(trap_data_abort(v, dabt(2, 31, ISS_SF)), TRAP_EMULATED);
    fault_at(0x7008, VGIC_RDIST_BASE + VGIC_RDIST_SIZE);
    assert_int_equal(trap_data_abort(v, dabt(3, 3, ISS_SF)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], VGIC_RDIST_SIZE + 8);
    fault_at(0x7018, PL011_BASE);
    assert_int_equal(trap_data_abort(v, dabt(0, 3, 0)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0xef);
    assert_int_equal(trap_data_abort(v, dabt(1, 3, ISS_SSE)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0xffffcdef);
    fault_at(0x7ffc, PL031_BASE);
    assert_int_equal(trap_data_abort(v, dabt(2, 3, 0)), TRAP_EMULATED);
    assert_int_equal(device_offset, 0xffc);
    assert_int_equal(v->count.n[CNT_MMIO_GICD], 2);
    assert_int_equal(v->count.n[CNT_MMIO_GICR], 1);
    assert_int_equal(v->count.n[CNT_MMIO_UART], 2);
    assert_int_equal(v->count.n[CNT_MMIO_RTC], 1);
}

static void stores_are_cut_to_size(void **state)
{
    (void)state;
    v->regs.x[3] = 0x1122334455667788;
    fault_at(0x7004, PL011_BASE);
    assert_int_equal(trap_data_abort(v, dabt(1, 3, ISS_WNR)), TRAP_EMULATED);
    assert_int_equal(device_value, 0x7788);
    fault_at(0x7008, VGIC_DIST_BASE);
    assert_int_equal(trap_data_abort(v, dabt(3, 3, ISS_WNR | ISS_SF)), TRAP_EMULATED);
    assert_int_equal(device_value, 0x1122334455667788);
    assert_int_equal(trap_data_abort(v, dabt(2, 31, ISS_WNR)), TRAP_EMULATED);
    assert_int_equal(device_value, 0);
}

static void nothing_answers(void **state)
{
    static const uint64_t nowhere[] = {0,
                                       0x07ffffff,
                                       VGIC_DIST_BASE + VGIC_DIST_SIZE,
                                       VGIC_RDIST_BASE + 2 * VGIC_RDIST_SIZE,
                                       PL011_BASE - 4,
                                       PL031_BASE + PL031_SIZE,
                                       VM_RAM_BASE - 4,
                                       VM_RAM_BASE + (64 << 20),
                                       UINT64_C(0x0000fffffffffffc)};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
        v->regs.pstate = PSR_EL1H;
        fault_at(0xffff000000000000 | (nowhere[i] & ~UINT64_C(3)), nowhere[i]);
        assert_int_equal(trap_data_abort(v, dabt(2, 3, 0)), TRAP_FAULT);
        assert_int_equal(fake_sysregs.esr_el1 & 0x7f, 0x10);
        assert_int_equal(fake_sysregs.far_el1, fake_sysregs.far_el2);
        v->regs.pstate = PSR_EL1H;
        assert_int_equal(trap_data_abort(v, dabt(0, 3, ISS_WNR)), TRAP_FAULT);
        assert_int_equal(fake_sysregs.esr_el1 & 0x7f, 0x10 | ISS_WNR);
    }
}

static void cache_maintenance_of_nothing(void **state)
{
    (void)state;
    fault_at(0, 0x1000);
    uint64_t esr = ((uint64_t)EC_DABT_LOWER << 26) | ESR_IL | ISS_CM | ISS_WNR | FSC_TRANSLATION3;
    assert_int_equal(trap_data_abort(v, esr), TRAP_EMULATED);
}

static void aborts_of_others_making(void **state)
{
    uint64_t esr = ((uint64_t)EC_DABT_LOWER << 26) | ESR_IL | ISS_EA | 0x10;
    (void)state;
    fake_sysregs.far_el2 = 0x5678;
    assert_int_equal(trap_data_abort(v, esr), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1, ((uint64_t)EC_DABT << 26) | ESR_IL | ISS_EA | 0x10);
    assert_int_equal(fake_sysregs.far_el1, 0x5678);
    assert_int_equal(trap_data_abort(v, ((uint64_t)EC_DABT_LOWER << 26) | ESR_IL | 0x30),
                     TRAP_RETRY);
}

static void fetches_from_nothing(void **state)
{
    uint64_t esr = ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL | FSC_TRANSLATION3;
    (void)state;
    fault_at(0x9000, PL011_BASE);
    assert_int_equal(trap_instruction_abort(v, esr), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1, ((uint64_t)EC_IABT << 26) | ESR_IL | 0x10);
    assert_int_equal(fake_sysregs.far_el1, 0x9000);
}

static void ram(void **state)
{
    (void)state;
    fault_at(0x1000, VM_RAM_BASE + 0x5000);
    assert_int_equal(trap_data_abort(v, dabt(2, 3, 0)), TRAP_RETRY); // mapped meanwhile
    uint64_t fetch = ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL | FSC_TRANSLATION3;
    assert_int_equal(trap_instruction_abort(v, fetch), TRAP_FAULT); // not executable
    ram_mapped = false;
    assert_int_equal(trap_data_abort(v, dabt(2, 3, ISS_WNR)), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1 & 0x7f, 0x10 | ISS_WNR);
}

static void protected_ram(void **state)
{
    (void)state;
    fault_at(0x1000, VM_RAM_BASE + 0x5000);
    ram_mapped = false;
    ram_policy = OVERRIDE_LOG;
    assert_int_equal(trap_data_abort(v, dabt(2, 3, ISS_WNR)), TRAP_RETRY);
    assert_int_equal(last_access, SPACE_WRITE);
    assert_int_equal(lifted, 1);
    ram_policy = OVERRIDE_PAUSE;
    assert_int_equal(trap_data_abort(v, dabt(2, 3, 0)), TRAP_RETRY);
    assert_int_equal(last_access, SPACE_READ);
    assert_int_equal(paused, 1);
    assert_int_equal(v->count.n[CNT_MEM_DENIED], 2);
    ram_mapped = true; // DC CVAC reads, and so populates
    uint64_t clean = ((uint64_t)EC_DABT_LOWER << 26) | ESR_IL | ISS_CM | ISS_WNR | FSC_TRANSLATION3;
    assert_int_equal(trap_data_abort(v, clean), TRAP_RETRY);
    assert_int_equal(last_access, SPACE_READ);
}

static uint64_t nowhere(uint64_t va, bool el0, bool write)
{
    (void)va, (void)el0, (void)write;
    return PAR_F | (0x07u << 1);
}

// HPFAR_EL2 says nothing of a permission fault; where the guest's own translation is gone, try
// again.
static void permission_faults_ask_the_guests_tables(void **state)
{
    (void)state;
    fault_at(VM_RAM_BASE + 0x5008, 0x09000000);
    uint64_t esr = (dabt(2, 3, 0) & ~UINT64_C(0x3f)) | 0x0f;
    assert_int_equal(trap_data_abort(v, esr), TRAP_RETRY);
    ram_mapped = false;
    assert_int_equal(trap_data_abort(v, esr), TRAP_FAULT);
    fake_at = nowhere;
    assert_int_equal(trap_data_abort(v, esr), TRAP_RETRY);
}

static unsigned asked;

// The guest's stage 1: everything is 16 MiB above its virtual address.
static uint64_t above(uint64_t va, bool el0, bool write)
{
    assert_false(el0 || write);
    asked++;
    return PAR_ADDRESS(va + (16 << 20));
}

// Of a permission fault HPFAR_EL2 holds what it likes, but for one on a stage-1 walk; and of a
// translation fault it is right, so nobody else is asked.
static void rubbish_in_hpfar(void **state)
{
    const uint64_t va = VM_RAM_BASE + 0x5678, there = va + (16 << 20);
    const uint64_t fetch = ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL;
    (void)state;
    fake_at = above;
    asked = 0;
    for (uint64_t rubbish = 1; rubbish < 64; rubbish++) {
        fake_sysregs.far_el2 = va;
        fake_sysregs.hpfar_el2 = (rubbish * 0x9e3779b97f4a7c15) & MASK(43, 4);
        unsigned level = rubbish % 4;
        assert_int_equal(trap_data_abort(v, (dabt(3, 0, ISS_WNR) & ~UINT64_C(0x3f)) | 0x0c | level),
                         TRAP_RETRY);
        assert_int_equal(last_fault.v, there);
        assert_int_equal(last_access, SPACE_WRITE);
        last_fault = gpa(0);
        trap_instruction_abort(v, fetch | 0x0c | level);
        assert_int_equal(last_fault.v, there);
    }
    assert_int_equal(asked, 2 * 63);
    // It cannot be translated any more, or not yet again: nothing is decided by the rubbish.
    fake_at = nowhere;
    last_fault = gpa(0);
    assert_int_equal(trap_instruction_abort(v, fetch | 0x0f), TRAP_RETRY);
    assert_int_equal(trap_data_abort(v, (dabt(3, 0, 0) & ~UINT64_C(0x3f)) | 0x0f), TRAP_RETRY);
    assert_int_equal(last_fault.v, 0);
    // On a walk, and of a translation fault, HPFAR_EL2 it is.
    fake_at = above;
    fault_at(va, VM_RAM_BASE + 0x3000);
    assert_int_equal(trap_instruction_abort(v, fetch | ISS_S1PTW | 0x0f), TRAP_RETRY);
    assert_int_equal(last_fault.v, VM_RAM_BASE + 0x3000);
    assert_int_equal(last_access, SPACE_WRITE);
    trap_instruction_abort(v, fetch | FSC_TRANSLATION3);
    assert_int_equal(last_fault.v, VM_RAM_BASE + 0x3678);
    assert_int_equal(asked, 2 * 63);
}

// ---- caches that are off, and set/way ----

#define ON (SCTLR_M | SCTLR_C | SCTLR_I)

static void write_register(unsigned crn, unsigned crm, unsigned op2, uint64_t value)
{
    v->regs.x[7] = value;
    assert_int_equal(trap_sysreg(v, iss(3, 0, crn, crm, op2, 7, false)), TRAP_EMULATED);
}

static bool registers_trap(void)
{
    assert_int_equal(v->hcr & HCR_TVM, fake_sysregs.hcr_el2 & HCR_TVM);
    return (v->hcr & HCR_TVM) != 0;
}

static void start_uncached(void)
{
    fake_sysregs.hcr_el2 = HCR_VM;
    v->index = 1;
    caches_start(v);
    fake_sysregs.hcr_el2 |= v->hcr;
}

static void registers_of_a_vcpu_without_caches(void **state)
{
    (void)state;
    start_uncached();
    assert_int_equal(uncached, 2);
    write_register(2, 0, 0, 0x40001000);
    write_register(2, 0, 1, 0x40002000);
    write_register(2, 0, 2, 0xb5193519);
    write_register(5, 1, 0, 1);
    write_register(5, 1, 1, 2);
    write_register(5, 2, 0, 3);
    write_register(6, 0, 0, ~UINT64_C(0));
    write_register(10, 2, 0, 0xff440c0400);
    write_register(10, 3, 0, 5);
    write_register(13, 0, 1, 6);
    assert_int_equal(fake_sysregs.ttbr0_el1, 0x40001000);
    assert_int_equal(fake_sysregs.ttbr1_el1, 0x40002000);
    assert_int_equal(fake_sysregs.tcr_el1, 0xb5193519);
    assert_int_equal(fake_sysregs.afsr0_el1, 1);
    assert_int_equal(fake_sysregs.afsr1_el1, 2);
    assert_int_equal(fake_sysregs.esr_el1, 3);
    assert_int_equal(fake_sysregs.far_el1, ~UINT64_C(0));
    assert_int_equal(fake_sysregs.mair_el1, 0xff440c0400);
    assert_int_equal(fake_sysregs.amair_el1, 5);
    assert_int_equal(fake_sysregs.contextidr_el1, 6);
    write_register(1, 0, 0, SCTLR_EL1_RES1 | SCTLR_I);
    write_register(1, 0, 0, SCTLR_EL1_RES1 | SCTLR_I | SCTLR_C);
    assert_true(registers_trap());
    assert_int_equal(uncached, 2);
    write_register(1, 0, 0, SCTLR_EL1_RES1 | ON);
    assert_int_equal(fake_sysregs.sctlr_el1, SCTLR_EL1_RES1 | ON);
    assert_false(registers_trap());
    assert_int_equal(uncached, 0);
    assert_int_equal(maintained, 0); // it maintained nothing by set and way
    assert_int_equal(v->count.n[CNT_SYSREG_TRANSLATION], 13);
    assert_int_equal(trap_sysreg(v, iss(3, 0, 1, 0, 0, 7, true)), TRAP_UNHANDLED);
    // Turned off unseen, and found out.
    fake_sysregs.sctlr_el1 = SCTLR_EL1_RES1 | SCTLR_C;
    fault_at(0x1234, 0x09000000);
    trap_data_abort(v, dabt(2, 3, ISS_S1PTW) & ~ISS_ISV);
    assert_true(registers_trap());
    assert_int_equal(uncached, 2);
    caches_stop(v);
    assert_int_equal(uncached, 0);
}

static void set_way(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 6 + 4 * (i % 3), 2, 1, false)), TRAP_EMULATED);
    }
}

static void maintenance_by_set_and_way(void **state)
{
    (void)state;
    start_uncached();
    set_way(1000); // before they are on
    assert_int_equal(maintained, 1);
    write_register(2, 0, 0, 0x40001000);
    write_register(1, 0, 0, ON);
    assert_int_equal(maintained, 2);
    assert_false(registers_trap());
    set_way(1000); // while they are on
    assert_int_equal(maintained, 3);
    assert_true(registers_trap());
    assert_int_equal(uncached, 0);
    now += 19999; // a long loop
    set_way(1);
    assert_int_equal(maintained, 3);
    now++;
    set_way(1);
    assert_int_equal(maintained, 4);
    write_register(2, 0, 0, 0x40001000); // and done
    assert_int_equal(maintained, 5);
    assert_false(registers_trap());
    set_way(1000); // before they go off
    write_register(1, 0, 0, SCTLR_I);
    assert_int_equal(maintained, 7);
    assert_true(registers_trap());
    assert_int_equal(uncached, 2);
    set_way(1000); // after
    write_register(1, 0, 0, ON);
    assert_int_equal(maintained, 9);
    assert_false(registers_trap());
    assert_int_equal(v->count.n[CNT_SYSREG_SETWAY], 4002);
}

static void forced_cacheability_traps_nothing(void **state)
{
    (void)state;
    features.fwb = true;
    start_uncached();
    assert_false(registers_trap());
    set_way(10);
    caches_found_off(v);
    assert_false(registers_trap());
    assert_int_equal(maintained + uncached, 0);
}

// The state that a fault is served by.
static void faults_without_caches(void **state)
{
    static const uint64_t sctlr[] = {ON, SCTLR_M | SCTLR_C, SCTLR_C | SCTLR_I, SCTLR_M | SCTLR_I,
                                     0};
    static const bool data[] = {false, false, true, true, true};
    static const bool fetches[] = {false, true, true, false, true};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sctlr); i++) {
        fake_sysregs.sctlr_el1 = sctlr[i];
        fault_at(0x1000, VM_RAM_BASE + 0x5000);
        trap_data_abort(v, dabt(2, 3, 0));
        assert_int_equal(asked_uncached, data[i]);
        trap_instruction_abort(v, ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL | FSC_TRANSLATION3);
        assert_int_equal(asked_uncached, fetches[i]);
    }
}

// ---- the guest's own walk ----

#define TCR(tg0, t0sz) (((uint64_t)(tg0) << 14) | (t0sz))

static void set_descriptor(uint64_t at, uint64_t value)
{
    memcpy(&table[at - VM_RAM_BASE], &value, sizeof(value));
}

static void walk_of_four_levels(void **state)
{
    const uint64_t root = VM_RAM_BASE;
    const uint64_t va = 0x0000ffffffe00000; // the last index at levels 0 and 1
    (void)state;
    fake_sysregs.sctlr_el1 = SCTLR_M;
    fake_sysregs.tcr_el1 = TCR(0, 16);
    fake_sysregs.ttbr0_el1 = root | (UINT64_C(7) << 48);
    assert_int_equal(walk_level(v, va, root), 0);
    set_descriptor(root + 511 * 8, (root + 0x1000) | 3);
    assert_int_equal(walk_level(v, va, root + 0x1000), 1);
    set_descriptor(root + 0x1000 + 511 * 8, 0x09000000 | 3); // a table in a device
    assert_int_equal(walk_level(v, va, 0x09000000), 2);
    set_descriptor(root + 0x1000 + 511 * 8, (root + 0x2000) | 3);
    set_descriptor(root + 0x2000 + 511 * 8, 0x0a000000 | 3);
    assert_int_equal(walk_level(v, va, 0x0a000000), 3);
}

static void walks_that_start_lower(void **state)
{
    (void)state;
    fake_sysregs.sctlr_el1 = SCTLR_M;
    fake_sysregs.tcr_el1 = TCR(0, 25) | ((uint64_t)25 << 16) | ((uint64_t)2 << 30);
    fake_sysregs.ttbr0_el1 = 0x09000000;
    fake_sysregs.ttbr1_el1 = 0x0b000000;
    assert_int_equal(walk_level(v, 0x1000, 0x09000000), 1);
    assert_int_equal(walk_level(v, 0xffffff8000001000, 0x0b000000), 1);
    fake_sysregs.tcr_el1 = TCR(1, 22); // 64 KiB granule, 42 bits
    assert_int_equal(walk_level(v, 0x1000, 0x09000000), 2);
    fake_sysregs.tcr_el1 = TCR(2, 16); // 16 KiB granule, 48 bits
    assert_int_equal(walk_level(v, 0x1000, 0x09000000), 0);
    for (unsigned size = 0; size < 64; size++) { // whatever a guest writes there
        for (unsigned granule = 0; granule < 4; granule++) {
            fake_sysregs.tcr_el1 = TCR(granule, size);
            assert_in_range(walk_level(v, ~UINT64_C(0) >> 9, 0x08000000), 0, 3);
        }
    }
}

static void abort_on_a_walk(void **state)
{
    (void)state;
    fake_sysregs.sctlr_el1 = SCTLR_M;
    fake_sysregs.tcr_el1 = TCR(0, 25);
    fake_sysregs.ttbr0_el1 = 0x09000000;
    fault_at(0x1234, 0x09000000);
    assert_int_equal(trap_data_abort(v, dabt(2, 3, ISS_S1PTW) & ~ISS_ISV), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1 & 0x3f, 0x15);
    assert_int_equal(fake_sysregs.far_el1, 0x1234);
    v->regs.pstate = PSR_EL1H;
    uint64_t esr = ((uint64_t)EC_IABT_LOWER << 26) | ESR_IL | ISS_S1PTW | FSC_TRANSLATION3;
    assert_int_equal(trap_instruction_abort(v, esr), TRAP_FAULT);
    assert_int_equal(fake_sysregs.esr_el1, ((uint64_t)EC_IABT << 26) | ESR_IL | 0x15);
}

// Neoverse N1 1542419: what HCR_EL2.TID2 and TPU trap.
static void caches_that_are_not_coherent(void **state)
{
    (void)state;
    features.raw.ctr = 0xb444c004;
    fake_sysregs.ccsidr_el1 = 0x701fe00a;
    fake_sysregs.clidr_el1 = 0xa200023;
    assert_int_equal(trap_sysreg(v, iss(3, 3, 0, 0, 1, 5, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], 0x9444c00a); // no DIC, lines of 4 KiB
    assert_int_equal(trap_sysreg(v, iss(3, 1, 0, 0, 0, 5, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], 0x701fe00a);
    assert_int_equal(trap_sysreg(v, iss(3, 1, 0, 0, 1, 5, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[5], 0xa200023);
    v->regs.x[6] = 0xffffff2;
    assert_int_equal(trap_sysreg(v, iss(3, 2, 0, 0, 0, 6, false)), TRAP_EMULATED);
    assert_int_equal(fake_sysregs.csselr_el1, 2);
    assert_int_equal(trap_sysreg(v, iss(3, 2, 0, 0, 0, 7, true)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[7], 2);
    assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 1, 0, 31, false)), TRAP_EMULATED); // IC IALLUIS
    assert_int_equal(trap_sysreg(v, iss(1, 0, 7, 5, 0, 31, false)), TRAP_EMULATED); // IC IALLU
    assert_int_equal(trap_sysreg(v, iss(1, 3, 7, 5, 1, 6, false)), TRAP_EMULATED);  // IC IVAU
    assert_int_equal(trap_sysreg(v, iss(1, 3, 7, 11, 1, 6, false)), TRAP_EMULATED); // DC CVAU
    assert_int_equal(trap_sysreg(v, iss(3, 1, 0, 0, 2, 5, true)), TRAP_FAULT);      // CCSIDR2_EL1
}

// Cortex-A57 834220.
static void stage1_faults_in_stage2s_dress(void **state)
{
    (void)state;
    fault_at(0x1234, 0x09000000);
    fake_sysregs.hpfar_el2 = 0xdead0;
    assert_true(abort_is_of_stage2(v, dabt(2, 3, 0)));
    assert_int_equal(fake_sysregs.hpfar_el2,
                     0x1000 >> 8); // the stand-in's translation is the identity
    fake_sysregs.hpfar_el2 = 0xdead0;
    fake_at = nowhere;
    assert_false(abort_is_of_stage2(v, dabt(2, 3, 0)));
    assert_true(abort_is_of_stage2(v, dabt(2, 3, ISS_S1PTW)));
    assert_int_equal(fake_sysregs.hpfar_el2, 0xdead0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#define MDCCSR(rt) iss(2, 3, 0, 1, 0, rt, true)

// A VM with tools calls by reading MDCCSR_EL0 into nothing; all else is a read of the register.
static void reads_of_the_channels_status_call(void **state)
{
    (void)state;
    calls = 0;
    v->regs.x[7] = UINT64_C(0x860000000e);
    vm.tools = NULL;
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    assert_int_equal(calls, 0);
    vm.tools = (struct tools *)&vm;
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    assert_int_equal(calls, 1);
    v->regs.pstate = PSR_EL0T;
    v->debug.mdscr = MDSCR_TDCC; // which would send the access to EL1
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    assert_int_equal(calls, 2);
    v->regs.x[7] = UINT64_C(0x18600000000e);
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_FAULT);
    v->debug.mdscr = 0;
    assert_int_equal(trap_sysreg(v, MDCCSR(31)), TRAP_EMULATED);
    v->regs.x[7] = UINT64_C(0x860000000e);
    v->regs.x[3] = 1;
    assert_int_equal(trap_sysreg(v, MDCCSR(3)), TRAP_EMULATED);
    assert_int_equal(v->regs.x[3], 0);
    assert_int_equal(trap_sysreg(v, iss(2, 3, 0, 5, 0, 31, false)), TRAP_EMULATED);
    assert_int_equal(calls, 2);
    vm.tools = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(id_registers),
        T(policy_is_worked_out),
        T(performance_monitors),
        T(software_interrupts),
        T(timers_debug_and_the_rest),
        T(absent_features_are_undefined),
        T(pointer_authentication_comes_at_its_first_use),
        T(loads_find_their_device),
        T(stores_are_cut_to_size),
        T(nothing_answers),
        T(cache_maintenance_of_nothing),
        T(aborts_of_others_making),
        T(fetches_from_nothing),
        T(ram),
        T(protected_ram),
        T(permission_faults_ask_the_guests_tables),
        T(rubbish_in_hpfar),
        T(registers_of_a_vcpu_without_caches),
        T(maintenance_by_set_and_way),
        T(forced_cacheability_traps_nothing),
        T(faults_without_caches),
        T(walk_of_four_levels),
        T(walks_that_start_lower),
        T(abort_on_a_walk),
        T(caches_that_are_not_coherent),
        T(stage1_faults_in_stage2s_dress),
        T(reads_of_the_channels_status_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
