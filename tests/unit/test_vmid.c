// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/cache.h"
#include "arena.h"
#include "mem/vmid.h"

#define CPUS 6
#define VMS  600

static struct vmid vm[VMS];
static int running[CPUS]; // VM on each CPU, or -1
static uint16_t current[CPUS];
static int last_user[65536]; // of the TLB entries of each VMID since they were last emptied, or -1

static void emptied(const struct fake_cache_call *call)
{
    if (call->op == FAKE_TLBI_ALL_VMIDS) {
        memset(last_user, -1, sizeof(last_user));
        // The CPUs go on running what they run, and fill their TLBs again.
        for (int c = 0; c < CPUS; c++) {
            if (running[c] >= 0) {
                last_user[current[c]] = running[c];
            }
        }
    }
}

static void start(unsigned bits)
{
    fake_cache_reset();
    fake_cache_hook = emptied;
    memset(vm, 0, sizeof(vm));
    memset(running, -1, sizeof(running));
    memset(last_user, -1, sizeof(last_user));
    vmid_setup(bits, CPUS);
}

static void enter(int v, unsigned cpu)
{
    running[cpu] = -1;
    uint16_t n = vmid_enter(&vm[v], cpu);

    assert_int_not_equal(n, 0);
    // Nobody else's translations are left under this number.
    assert_true(last_user[n] == -1 || last_user[n] == v);
    for (int c = 0; c < CPUS; c++) {
        if (running[c] >= 0) {
            assert_true((running[c] == v) == (current[c] == n));
        }
    }
    running[cpu] = v;
    current[cpu] = n;
    last_user[n] = v;
}

static void few_keep_theirs(void **state)
{
    (void)state;
    start(8);
    for (int i = 0; i < 10000; i++) {
        enter(i % 255, (unsigned)i % CPUS);
    }
    assert_int_equal(fake_cache_count[FAKE_TLBI_ALL_VMIDS], 0);
}

static void many_take_turns(void **state)
{
    (void)state;
    uint64_t rng = 3;

    for (unsigned bits = 8; bits <= 16; bits += 8) {
        start(bits);
        for (int i = 0; i < 300000; i++) {
            unsigned cpu = (unsigned)(arena_random(&rng) % CPUS);

            if (arena_random(&rng) % 16 == 0) {
                running[cpu] = -1;
                vmid_leave(cpu);
            } else {
                enter((int)(arena_random(&rng) % VMS), cpu);
            }
        }
        size_t flushes = fake_cache_count[FAKE_TLBI_ALL_VMIDS];

        assert_true(bits == 8 ? flushes > 100 && flushes < 2000 : flushes == 0);
    }
}

// One that never leaves its CPU keeps its number through every change of generation.
static void running_one_is_kept(void **state)
{
    (void)state;
    start(8);
    enter(0, 0);
    uint16_t number = current[0];

    for (int i = 0; i < 5000; i++) {
        enter(1 + i % (VMS - 1), 1 + (unsigned)i % (CPUS - 1));
    }
    assert_true(fake_cache_count[FAKE_TLBI_ALL_VMIDS] > 10);
    enter(0, 1);
    assert_int_equal(current[1], number);
    enter(0, 0);
    assert_int_equal(current[0], number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_keep_theirs),
        cmocka_unit_test(many_take_turns),
        cmocka_unit_test(running_one_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
