// SPDX-License-Identifier: Apache-2.0
// The virtual GIC with as many threads as vCPUs, each on a CPU of its own: register accesses that
// need what another CPU holds end, with the right answer, whatever the others do; and nothing that
// is sent gets lost.
#include "arch/gic.h"
#include "cpu/timer.h"
#include "cpu/vcpu.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vtimer.h"
#include "lib/bits.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VCPUS  3
#define ROUNDS 20000
#define SPI    40u

static struct vcpu vcpus[VCPUS];
static struct fake_gic_cpu cpus[VCPUS];
static struct vgic *vgic;
static uint64_t sent[VCPUS][16], taken[VCPUS][16]; // taken: by the vCPU itself
static uint64_t spi_raised, spi_taken;
static unsigned done;

static struct gic_config config = {.ppi = {.virtual_timer = VGIC_PPI_VTIMER}};

const struct gic_config *gic_config(void)
{
    return &config;
}

void gic_set_ppi_active(uint32_t intid, bool active)
{
    (void)intid;
    (void)active;
}

bool vtimer_physical_still_high(struct vcpu *v)
{
    (void)v;
    return true;
}

bool vtimer_line(const struct vcpu *v)
{
    (void)v;
    return false;
}

void vcpu_notify(struct vcpu *v, uint32_t attention)
{
    __atomic_or_fetch(&v->attention, attention, __ATOMIC_RELEASE);
}

uint64_t timer_now(void)
{
    sched_yield(); // whoever waits lets the others go on; the test has more threads than a machine
                   // may have CPUs
    return 0;
}

uint64_t timer_frequency(void)
{
    return 1;
}

void log_warn(const char *fmt, ...)
{
    fprintf(stderr, "%s\n", fmt);
    abort();
}

void panic(const char *fmt, ...)
{
    fprintf(stderr, "%s\n", fmt);
    abort();
}

static uint32_t draw(uint64_t *seed, uint32_t limit)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)((*seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % limit;
}

// On the way to the guest, as trap/run.c does.
static void enter(struct vcpu *v)
{
    for (;;) {
        if (fake_gic_maintenance()) {
            vgic_maintenance(v->vgic);
        } else if (__atomic_exchange_n(&v->attention, 0, __ATOMIC_ACQUIRE)) {
            vgic_flush(v->vgic);
        } else {
            return;
        }
    }
}

static void take_interrupts(struct vcpu *v)
{
    enter(v);
    for (uint32_t n = fake_gic_ack(true); n != FAKE_SPURIOUS; n = fake_gic_ack(true)) {
        if (n < 16) {
            taken[v->index][n]++;
        } else {
            assert_int_equal(n, SPI);
            __atomic_add_fetch(&spi_taken, 1, __ATOMIC_RELAXED);
        }
        fake_gic_eoi(n, true);
        enter(v);
    }
}

static uint32_t own_read(struct vcpu *v, unsigned of, uint32_t offset)
{
    uint64_t value;
    assert_true(
        vgic_rdist_read(v->vgic, of * (uint64_t)VGIC_RDIST_SIZE + 0x10000 + offset, 4, &value));
    return (uint32_t)value;
}

// What others hold is asked for, taken away and given back.
static void access_others(struct vcpu *v, uint64_t *seed)
{
    unsigned other = draw(seed, VCPUS);
    uint32_t sgi = draw(seed, 16);
    switch (draw(seed, 6)) {
    case 0:
        (void)own_read(v, other, 0x200);
        break;
    case 1:
        assert_int_equal(own_read(v, other, 0x300) & ~0xffffu, 0);
        break;
    case 2: // a disabled interrupt is in nobody's list register, and comes when it is enabled
        vgic_rdist_write(v->vgic, other * (uint64_t)VGIC_RDIST_SIZE + 0x10180, 4,
                         UINT32_C(1) << sgi);
        vgic_rdist_write(v->vgic, other * (uint64_t)VGIC_RDIST_SIZE + 0x10100, 4,
                         UINT32_C(1) << sgi);
        break;
    case 3:
        vgic_dist_write(v->vgic, 0x400 + SPI, 1, draw(seed, 256));
        break;
    case 4:
        vgic_dist_write(v->vgic, 0x6000 + 8 * SPI, 8, draw(seed, VCPUS));
        break;
    default:
        (void)vgic_dist_read(v->vgic, 0x304, 4);
        break;
    }
}

static void send(struct vcpu *v, uint64_t *seed)
{
    unsigned to = draw(seed, VCPUS);
    uint32_t sgi = draw(seed, 16);
    __atomic_add_fetch(&sent[to][sgi], 1, __ATOMIC_RELAXED);
    vgic_send_sgi(v->vgic, (uint64_t)sgi << 24 | 1u << to, true);
}

static void *run(void *argument)
{
    struct vcpu *v = argument;
    uint64_t seed = 1000 + v->index;
    fake_gic = &cpus[v->index];
    vgic_load(v->vgic);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 1000 == 999) { // away for a while
            vgic_save(v->vgic);
            sched_yield();
            vgic_load(v->vgic);
        }
        if (draw(&seed, 3) == 0) {
            access_others(v, &seed);
        }
        send(v, &seed);
        if (draw(&seed, 4) == 0) {
            __atomic_add_fetch(&spi_raised, 1, __ATOMIC_RELAXED);
            vgic_set_spi(vgic, SPI, true);
            vgic_set_spi(vgic, SPI, false);
        }
        take_interrupts(v);
    }
    __atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) <
           VCPUS) { // others may still need what it holds
        take_interrupts(v);
        sched_yield();
    }
    take_interrupts(v);
    return NULL;
}

static void make(void *memory)
{
    struct vcpu *all[VCPUS];
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].index = i;
        vcpus[i].mpidr = BIT(31) | i;
        cpus[i].vtr = fake_gic_vtr(2);
        cpus[i].vmcr = 0;
        all[i] = &vcpus[i];
    }
    fake_gic = &cpus[0];
    vgic = vgic_create(memory, all, VCPUS);
    vgic_dist_write(vcpus[0].vgic, 0, 4, 3);
    for (unsigned i = 0; i < VCPUS; i++) {
        vgic_rdist_write(vcpus[0].vgic, i * (uint64_t)VGIC_RDIST_SIZE + 0x10080, 4, ~0u);
        vgic_rdist_write(vcpus[0].vgic, i * (uint64_t)VGIC_RDIST_SIZE + 0x10100, 4, 0xffff);
        fake_gic = &cpus[i];
        vgic_load(vcpus[i].vgic);
        fake_gic->vmcr = UINT64_C(0xf8) << 24 | ICH_VMCR_VENG1; // the guest's own doing
        vgic_save(vcpus[i].vgic);
    }
    vgic_dist_write(vcpus[0].vgic, 0x84, 4, ~0u);
    vgic_dist_write(vcpus[0].vgic, 0x104, 4, 1u << (SPI - 32));
    vgic_dist_write(vcpus[0].vgic, 0xc00 + SPI / 16 * 4, 4, 2u << SPI % 16 * 2);
}

static void test_many_cpus(void **state)
{
    pthread_t threads[VCPUS];
    (void)state;
    void *memory = calloc(1, vgic_size(VCPUS));
    make(memory);
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, &vcpus[i]), 0);
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        for (unsigned n = 0; n < 16; n++) { // one that was pending already is the same one
            assert_true(taken[i][n] > 0 && taken[i][n] <= sent[i][n]);
        }
        fake_gic = &cpus[i];
        vgic_save(vcpus[i].vgic);
        assert_false(vgic_signals(vcpus[i].vgic)); // nothing is left behind
    }
    assert_true(spi_taken > 0 && spi_taken <= spi_raised);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
