// SPDX-License-Identifier: Apache-2.0
// Stage-2 aborts: which device, which fault.
#include "arch/at.h"
#include "trap/walk.h"
#include "trap_vm.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(loads_find_their_device),
        VM_TEST(stores_are_cut_to_size),
        VM_TEST(nothing_answers),
        VM_TEST(cache_maintenance_of_nothing),
        VM_TEST(aborts_of_others_making),
        VM_TEST(fetches_from_nothing),
        VM_TEST(ram),
        VM_TEST(protected_ram),
        VM_TEST(permission_faults_ask_the_guests_tables),
        VM_TEST(rubbish_in_hpfar),
        VM_TEST(walk_of_four_levels),
        VM_TEST(walks_that_start_lower),
        VM_TEST(abort_on_a_walk),
        VM_TEST(stage1_faults_in_stage2s_dress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
