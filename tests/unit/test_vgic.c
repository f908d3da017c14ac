// SPDX-License-Identifier: Apache-2.0
// The virtual GIC: what a driver relies on, one case at a time, and random use against a model.
#include "vgic_machine.h"

#include "irq/vgic_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t seed;

static uint32_t random_byte(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)(seed * UINT64_C(0x2545f4914f6cdd1d) >> 56);
}

static void random_use(unsigned list_registers, uint64_t with_seed, unsigned episodes,
                       unsigned steps)
{
    unsigned long acks = 0;
    seed = with_seed;
    for (unsigned i = 0; i < episodes; i++) {
        machine_start(list_registers, random_byte);
        for (unsigned j = 0; j < steps; j++) {
            machine_step();
        }
        acks += machine.acks;
    }
    assert_true(acks > (unsigned long)episodes * steps / 50); // or it would have tested little
}

static void test_model_one_lr(void **state)
{
    (void)state;
    random_use(1, 1, 100, 500);
}

static void test_model_two_lrs(void **state)
{
    (void)state;
    random_use(2, 2, 100, 500);
}

static void test_model_four_lrs(void **state)
{
    (void)state;
    random_use(4, 3, 200, 500);
}

static void test_model_sixteen_lrs(void **state)
{
    (void)state;
    random_use(16, 4, 100, 500);
}

static void test_model_gicv2(void **state)
{
    (void)state;
    machine_gicv2 = true;
    random_use(1, 5, 100, 500);
    random_use(4, 6, 200, 500);
    machine_gicv2 = false;
}

// No timer stays high unheard: the vGIC never ties its interrupt to one that would be forgotten.
static void test_model_that_forgets(void **state)
{
    (void)state;
    machine_gicv2 = machine_forgets = true;
    random_use(1, 7, 100, 500);
    random_use(4, 8, 200, 500);
    machine_gicv2 = machine_forgets = false;
}

// ---- one case at a time; vCPU 0 runs on CPU 0, vCPU 1 on CPU 1, vCPU 2 sleeps ----

static int fresh(void **state)
{
    (void)state;
    seed = 1;
    machine_start(4, random_byte);
    return 0;
}

static uint64_t dist_read(uint64_t offset, unsigned size)
{
    return vgic_dist_read(guest(0), offset, size);
}

static uint64_t rdist_read(uint64_t offset, unsigned size)
{
    uint64_t value;
    assert_true(vgic_rdist_read(guest(0), offset, size, &value));
    return value;
}

static void test_identification(void **state)
{
    static const uint8_t ids[] = {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
    (void)state;
    assert_int_equal(dist_read(0x4, 4), 8 | 9 << 19 | 1 << 25);
    assert_int_equal(dist_read(0x4, 1), 8);
    assert_int_equal(dist_read(0x6, 2), 0x248);
    assert_int_equal(dist_read(0x8, 4), 0x43b);
    assert_int_equal(dist_read(0x0, 8), UINT64_C(0x0248000800000053));
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(dist_read(0xffd0 + 4 * i, 4), ids[i]);
        assert_int_equal(rdist_read(0xffd0 + 4 * i, 4), i == 4 ? 0x93 : ids[i]);
    }
    assert_int_equal(rdist_read(0x4, 4), 0x43b);
}

static void test_redistributors(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < VCPUS; i++) {
        uint64_t typer = i << 32 | i << 8 | (i == VCPUS - 1 ? 0x10 : 0);
        assert_int_equal(rdist_read(i * VGIC_RDIST_SIZE + 8, 8), typer);
        assert_int_equal(rdist_read(i * VGIC_RDIST_SIZE + 8, 4), (uint32_t)typer);
        assert_int_equal(rdist_read(i * VGIC_RDIST_SIZE + 12, 4), i);
        assert_int_equal(rdist_read(i * VGIC_RDIST_SIZE + 0, 4), 0);
    }
    uint64_t value;
    assert_false(vgic_rdist_read(guest(0), VCPUS * (uint64_t)VGIC_RDIST_SIZE + 8, 4, &value));
    assert_false(vgic_rdist_write(guest(0), VCPUS * (uint64_t)VGIC_RDIST_SIZE + 8, 4, 0));
}

static void test_waker(void **state)
{
    (void)state;
    assert_int_equal(rdist_read(VGIC_RDIST_SIZE + 0x14, 4), 6);
    vgic_rdist_write(guest(0), VGIC_RDIST_SIZE + 0x14, 4, 0);
    assert_int_equal(rdist_read(VGIC_RDIST_SIZE + 0x14, 4), 0);
    vgic_rdist_write(guest(0), VGIC_RDIST_SIZE + 0x14, 4, 2);
    assert_int_equal(rdist_read(VGIC_RDIST_SIZE + 0x14, 4), 6);
}

static void test_reserved(void **state)
{
    static const uint32_t offsets[] = {0xc,    0x10,  0x40,  0x80,  0x400, 0x41c,  0x800,
                                       0x900,  0xc00, 0xd00, 0xe00, 0xf00, 0x1000, 0x60f8,
                                       0x6900, 0xa4,  0x520, 0xc48, 0xff00};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        vgic_dist_write(guest(0), offsets[i], 4, ~UINT64_C(0));
        vgic_dist_write(guest(0), offsets[i] & ~7u, 8, ~UINT64_C(0));
        assert_int_equal(dist_read(offsets[i], 4), 0);
    }
    for (uint32_t offset = 0x10084; offset < 0x10400;
         offset += 4) { // no words but an interrupt's own
        if ((offset & 0x7f) != 0) {
            vgic_rdist_write(guest(0), offset, 4, ~UINT64_C(0));
            assert_int_equal(rdist_read(offset, 4), 0);
        }
    }
}

static void test_access_sizes(void **state)
{
    (void)state;
    vgic_dist_write(guest(0), 0x400 + 64, 4, 0xff804020);
    assert_int_equal(dist_read(0x400 + 64, 4), 0xf8804020);
    vgic_dist_write(guest(0), 0x400 + 66, 2, 0x1008);
    vgic_dist_write(guest(0), 0x400 + 65, 1, 0x78);
    assert_int_equal(dist_read(0x400 + 64, 4), 0x10087820);
    assert_int_equal(dist_read(0x400 + 67, 1), 0x10);
    vgic_dist_write(guest(0), 0x400 + 64, 8, UINT64_C(0x1020304050607080));
    assert_int_equal(dist_read(0x400 + 64, 8), UINT64_C(0x1020304050607080));
    uint64_t enabled = dist_read(0x104, 4);
    vgic_dist_write(guest(0), 0x184, 1, 0xff); // words take no bytes
    assert_int_equal(dist_read(0x104, 4), enabled);
}

// The router's halves, and a target that nobody is.
static void test_router(void **state)
{
    (void)state;
    vgic_dist_write(guest(0), 0x6000 + 8 * 50, 8, ~UINT64_C(0));
    assert_int_equal(dist_read(0x6000 + 8 * 50, 8), UINT64_C(0xff80ffffff));
    vgic_dist_write(guest(0), 0x6004 + 8 * 50, 4, 0);
    assert_int_equal(dist_read(0x6000 + 8 * 50, 8), 0x80ffffff);
    vgic_dist_write(guest(0), 0x6000 + 8 * 50, 4, 7);
    vgic_set_spi(machine.vgic, 50, true);
    serve_all();
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        play(cpu);
        assert_int_equal(fake_gic_highest(), FAKE_SPURIOUS);
    }
    vgic_dist_write(guest(0), 0x6000 + 8 * 50, 4, 1);
    serve_all();
    play(1);
    assert_int_equal(fake_gic_highest(), 50);
}

// Two clusters: affinities 0.0.0.0, 0.0.1.0 and 0.0.1.17.
static void test_sgis_by_affinity(void **state)
{
    static const uint64_t mpidr[VCPUS] = {0x80000000, 0x80000100, 0x80000111};
    static const struct {
        uint64_t sgi1r;
        unsigned to; // bit n: vCPU n
    } cases[] = {
        {UINT64_C(1), 1},
        {UINT64_C(0x10001), 2},
        {UINT64_C(0x10003), 2},
        {UINT64_C(0x10002) | UINT64_C(1) << 44, 4},
        {UINT64_C(0x0ffff) | UINT64_C(1) << 44, 0},
        {UINT64_C(0x1ffff) | UINT64_C(1) << 32, 0},
        {UINT64_C(0x1ffff) | UINT64_C(1) << 48, 0},
        {UINT64_C(1) << 40, 6},
    };
    struct vcpu *vcpus[VCPUS];
    (void)state;
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i] = &machine.vcpu[i];
        vcpus[i]->mpidr = mpidr[i];
        machine.on[i] = -1;
    }
    void *memory = calloc(1, vgic_size(VCPUS));
    (void)vgic_create(memory, vcpus, VCPUS);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned to = 0;
        vgic_send_sgi(vcpus[0]->vgic, cases[i].sgi1r | UINT64_C(5) << 24, false);
        for (unsigned v = 0; v < VCPUS; v++) {
            uint64_t offset = v * (uint64_t)VGIC_RDIST_SIZE + 0x10200;
            uint64_t pending;
            assert_true(vgic_rdist_read(vcpus[0]->vgic, offset, 4, &pending));
            to |= pending == 1u << 5 ? 1u << v : 0;
            assert_true(vgic_rdist_write(vcpus[0]->vgic, offset + 0x80, 4, ~0u));
        }
        assert_int_equal(to, cases[i].to);
    }
    free(memory);
}

// The common paths stay short: no list register is read where nothing asks for it.
static void test_short_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        vgic_send_sgi(guest(0), UINT64_C(1) << 24 | 2, true);
        serve(1);
        play(1);
        assert_int_equal(fake_gic_ack(true), 1);
        fake_gic_eoi(1, true);
    }
    fake_gic->lr_reads = fake_gic->lr_writes = 0;
    vgic_send_sgi(guest(0), UINT64_C(1) << 24 | 2, true);
    serve(1);
    assert_int_equal(machine.cpu[1].lr_reads, 0);
    assert_int_equal(machine.cpu[1].lr_writes, 1);
    machine.cpu[0].lr_reads = machine.cpu[0].lr_writes = 0;
    take_off(0);
    put_on(0, 0);
    assert_int_equal(machine.cpu[0].lr_reads + machine.cpu[0].lr_writes, 0);
}

// PSCI CPU_ON: the CPU interface starts anew, what is pending stays.
static void test_interface_reset(void **state)
{
    (void)state;
    vgic_send_sgi(guest(0), UINT64_C(3) << 24 | 2, true);
    serve(1);
    play(1);
    assert_int_equal(fake_gic_ack(true), 3);
    take_off(1);
    vgic_send_sgi(guest(0), UINT64_C(4) << 24 | 2, true);
    vgic_reset_interface(machine.vcpu[1].vgic);
    put_on(1, 1);
    assert_int_equal(fake_gic->vmcr, 0);
    assert_int_equal(fake_gic->ap1r[0], 0);
    assert_int_equal(rdist_read(VGIC_RDIST_SIZE + 0x10200, 4), 1 << 4);
    assert_int_equal(rdist_read(VGIC_RDIST_SIZE + 0x10300, 4), 1 << 3);
}

// While another vCPU keeps interrupts out of list registers, one that is turned on does not take
// the short way, which would put them there.
static void test_interface_reset_while_taken(void **state)
{
    struct vgic_cpu *c = machine.vcpu[2].vgic;
    (void)state;
    vgic_refold(machine.vgic, 1 << 2);
    vgic_reset_interface(c);
    assert_true(c->slow);
}

// By vCPU v: an edge, routed to vCPU `to`.
static void set_up_spi(int v, uint32_t intid, uint64_t to)
{
    vgic_dist_write(guest(v), 0x6000 + 8 * (uint64_t)intid, 8, to);
    vgic_dist_write(guest(v), 0xc00 + intid / 16 * 4, 4, UINT32_C(2) << intid % 16 * 2);
}

static void set_pending(int v, uint32_t intid, bool on)
{
    vgic_dist_write(guest(v), bit_word(on ? 4 : 5, intid), 4, UINT32_C(1) << intid % 32);
}

// vCPU v takes it, and it stays active.
static void take(int v, uint32_t intid)
{
    set_pending(v, intid, true);
    (void)guest(v);
    assert_int_equal(fake_gic_ack(true), intid);
}

// The first ICC_DIR_EL1 of a vCPU is for what another one took; EOI mode 1 was set a moment ago.
static void test_first_deactivation_of_anothers(void **state)
{
    (void)state;
    set_up_spi(0, 40, 0);
    for (int v = 0; v < 2; v++) {
        (void)guest(v);
        fake_gic->vmcr = UINT64_C(0xf8) << 24 | 3 | ICH_VMCR_VEOIM;
    }
    take(0, 40);
    fake_gic_eoi(40, true);
    set_pending(0, 40, true);
    (void)guest(0);
    assert_false(fake_gic_signals());
    struct vgic_cpu *other = guest(1);
    assert_false(fake_gic_dir(40)); // it traps
    vgic_deactivate(other, 40);
    (void)guest(0);
    assert_int_equal(fake_gic_ack(true), 40);
}

// An SPI that is active on one vCPU, pending again, and by now routed to another one, is not given
// to that by the short way: 41 made it look, and was gone before it did.
static void test_active_elsewhere(void **state)
{
    (void)state;
    set_up_spi(0, 40, 0);
    take(0, 40);
    take_off(0);
    put_on(2, 0);
    set_up_spi(2, 40, 1);
    set_up_spi(2, 41, 1);
    set_pending(2, 40, true);
    set_pending(2, 41, true);
    set_pending(2, 41, false);
    (void)guest(1);
    assert_false(fake_gic_signals());
    vgic_dist_write(guest(2), bit_word(7, 40), 4, UINT32_C(1) << 40 % 32);
    (void)guest(1);
    assert_int_equal(fake_gic_ack(true), 40);
}

// The timer fell while its interrupt was pending and not taken: whenever Newel looks, it is gone.
static void test_timer_reprogrammed_in_time(void **state)
{
    (void)state;
    vgic_rdist_write(guest(0), 0x10000 + 0x100, 4, UINT32_C(1) << 27);
    machine.model[0].timer = true;
    (void)guest(0);
    assert_true(fake_gic_signals());
    machine.model[0].timer = false;
    assert_false(vgic_signals(guest(0)));
    assert_false(fake_gic_signals());
    assert_int_equal(fake_gic->ppi_active, 0);
}

// A sleeper with its timer interrupt in flight has nobody who watches its timer: it is woken to
// look itself when software ends the interrupt behind its back.
static void test_sleeping_timer_let_go(void **state)
{
    uint64_t frame = 2 * (uint64_t)VGIC_RDIST_SIZE + 0x10000;
    (void)state;
    vgic_rdist_write(guest(0), frame + 0x300, 4, 1u << 27);
    machine.model[2].timer = true;
    watch_timer(2);
    machine.woken[2] = false;
    vgic_rdist_write(guest(0), frame + 0x380, 4, 1u << 27);
    assert_true(machine.woken[2]);
}

static void test_reset(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        machine_step();
    }
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (machine.runs[cpu] >= 0) {
            take_off(cpu);
        }
    }
    vgic_reset(machine.vgic);
    put_on(0, 0);
    assert_int_equal(dist_read(0, 4), 0x50);
    for (uint32_t offset = 0x80; offset < 0x800; offset += 4) {
        assert_int_equal(dist_read(offset, 4), 0);
        if (offset != 0x10200 - 0x10000) {
            assert_int_equal(rdist_read(0x10000 + offset, 4), 0);
        }
    }
    assert_int_equal(rdist_read(0x10c00, 4), 0xaaaaaaaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identification, fresh),
        cmocka_unit_test_setup(test_redistributors, fresh),
        cmocka_unit_test_setup(test_waker, fresh),
        cmocka_unit_test_setup(test_reserved, fresh),
        cmocka_unit_test_setup(test_access_sizes, fresh),
        cmocka_unit_test_setup(test_router, fresh),
        cmocka_unit_test_setup(test_sgis_by_affinity, fresh),
        cmocka_unit_test_setup(test_short_ways, fresh),
        cmocka_unit_test_setup(test_interface_reset, fresh),
        cmocka_unit_test_setup(test_interface_reset_while_taken, fresh),
        cmocka_unit_test_setup(test_first_deactivation_of_anothers, fresh),
        cmocka_unit_test_setup(test_active_elsewhere, fresh),
        cmocka_unit_test_setup(test_timer_reprogrammed_in_time, fresh),
        cmocka_unit_test_setup(test_sleeping_timer_let_go, fresh),
        cmocka_unit_test_setup(test_reset, fresh),
        cmocka_unit_test(test_model_four_lrs),
        cmocka_unit_test(test_model_one_lr),
        cmocka_unit_test(test_model_two_lrs),
        cmocka_unit_test(test_model_sixteen_lrs),
        cmocka_unit_test(test_model_gicv2),
        cmocka_unit_test(test_model_that_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
