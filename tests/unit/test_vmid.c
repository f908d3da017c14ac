// SPDX-License-Identifier: Apache-2.0
// VMIDs on a machine of make-believe CPUs, whose steps in putting a vCPU on mix at random.
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
static struct {
    uint64_t generation; // as it was told
    int current;         // VM, or -1
    int running;         // the same, once it is in the machine
    int loaded;          // whose VMID VTTBR_EL2 holds
    uint16_t vttbr;
    enum { CHECK_NEXT, LOAD_NEXT, RUNS } step;
} cpus[CPUS];
// Of a VM's vCPU for each CPU: what it had when it last looked.
static struct {
    uint64_t generation;
    uint16_t number;
} seen[VMS][CPUS];
static int tlb[65536]; // whose translations may be cached under a VMID, or -1
static bool forget_the_running;

void vmid_new_generation(uint64_t generation)
{
    for (unsigned c = 0; c < CPUS; c++) {
        cpus[c].generation = generation;
        if (cpus[c].current >= 0 && !forget_the_running) {
            vmid_keep(&vm[cpus[c].current]);
        }
        vmid_reserve(cpus[c].vttbr);
    }
}

// All but what the CPUs go on using.
static void emptied(const struct fake_cache_call *call)
{
    if (call->op == FAKE_TLBI_ALL_VMIDS) {
        memset(tlb, -1, sizeof(tlb));
        for (unsigned c = 0; c < CPUS; c++) {
            if (cpus[c].loaded >= 0) {
                tlb[cpus[c].vttbr] = cpus[c].loaded;
            }
        }
    }
}

static void start(unsigned count)
{
    fake_cache_reset();
    fake_cache_hook = emptied;
    forget_the_running = false;
    memset(vm, 0, sizeof(vm));
    memset(cpus, 0, sizeof(cpus));
    memset(seen, 0, sizeof(seen));
    memset(tlb, -1, sizeof(tlb));
    for (unsigned c = 0; c < CPUS; c++) {
        cpus[c].current = cpus[c].running = cpus[c].loaded = -1;
    }
    vmid_setup(count);
}

static void publish(int v, unsigned c)
{
    cpus[c].current = v;
    cpus[c].running = -1;
    cpus[c].step = CHECK_NEXT;
}

static void check(unsigned c)
{
    int v = cpus[c].current;
    if (seen[v][c].generation != cpus[c].generation) {
        seen[v][c].generation = vmid_renew(&vm[v]);
        seen[v][c].number = vmid_number(&vm[v]);
    }
    cpus[c].step = LOAD_NEXT;
}

// True if nobody else's translations are left under the VMID, nor is it anybody else's anywhere.
static bool load(unsigned c)
{
    int v = cpus[c].current;
    uint16_t n = seen[v][c].number;
    bool right = n != 0 && (tlb[n] == -1 || tlb[n] == v);
    for (unsigned other = 0; other < CPUS; other++) {
        if (other != c && cpus[other].running >= 0) {
            right = right && (cpus[other].running == v) == (cpus[other].vttbr == n);
        }
    }
    cpus[c].loaded = cpus[c].running = v;
    cpus[c].vttbr = n;
    cpus[c].step = RUNS;
    tlb[n] = v;
    return right;
}

static bool enter(int v, unsigned c)
{
    publish(v, c);
    check(c);
    return load(c);
}

static void few_keep_theirs(void **state)
{
    (void)state;
    start(256);
    for (int i = 0; i < 10000; i++) {
        assert_true(enter(i % 255, (unsigned)i % CPUS));
    }
    assert_int_equal(fake_cache_count[FAKE_TLBI_ALL_VMIDS], 0);
}

// One step of a CPU; false if a VM met another's VMID.
static bool any_step(uint64_t *rng)
{
    unsigned c = (unsigned)(arena_random(rng) % CPUS);
    if (cpus[c].current < 0 || cpus[c].step == RUNS) {
        if (arena_random(rng) % 8 == 0) {
            cpus[c].current = cpus[c].running = -1; // idle, what it ran still loaded
        } else {
            publish((int)(arena_random(rng) % VMS), c);
        }
        return true;
    }
    if (cpus[c].step == CHECK_NEXT) {
        check(c);
        return true;
    }
    return load(c);
}

static void many_take_turns(void **state)
{
    (void)state;
    static const unsigned counts[] = {256, 65536, 2 * CPUS + 2}; // the last: hardly any is free
    uint64_t rng = 3;
    for (unsigned k = 0; k < 3; k++) {
        start(counts[k]);
        for (int i = 0; i < 600000; i++) {
            assert_true(any_step(&rng));
        }
        size_t flushes = fake_cache_count[FAKE_TLBI_ALL_VMIDS];
        assert_true(k == 1 ? flushes == 0 : flushes > 100);
    }
}

// What the test above is worth: without what runs being kept, it fails.
static void notices_a_broken_rollover(void **state)
{
    (void)state;
    uint64_t rng = 3;
    bool right = true;
    start(256);
    forget_the_running = true;
    for (int i = 0; i < 600000; i++) {
        right = any_step(&rng) && right;
    }
    assert_false(right);
}

// One that never leaves its CPU keeps its number through every change of generation, and its vCPUs
// elsewhere get the same; be all others in use.
static void running_one_is_kept(void **state)
{
    (void)state;
    start(256);
    assert_true(enter(0, 0));
    uint16_t number = cpus[0].vttbr;
    for (int i = 0; i < 5000; i++) {
        assert_true(enter(1 + i % (VMS - 1), 1 + (unsigned)i % (CPUS - 1)));
    }
    assert_true(fake_cache_count[FAKE_TLBI_ALL_VMIDS] > 10);
    assert_true(enter(0, 1));
    assert_int_equal(cpus[1].vttbr, number);
    assert_true(enter(0, 0));
    assert_int_equal(cpus[0].vttbr, number);
}

// A VM of which a vCPU is about to run for the first time has nothing to keep.
static void one_that_has_none_gets_one(void **state)
{
    (void)state;
    start(256);
    publish(VMS - 1, 0);
    for (int i = 0; i < 300; i++) {
        assert_true(enter(i, 1));
    }
    assert_int_equal(vmid_number(&vm[VMS - 1]), 0);
    check(0);
    assert_true(load(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_keep_theirs),
        cmocka_unit_test(many_take_turns),
        cmocka_unit_test(notices_a_broken_rollover),
        cmocka_unit_test(running_one_is_kept),
        cmocka_unit_test(one_that_has_none_gets_one),
    };
    return cmocka_run_group_tests_name("vmid", tests, NULL, NULL);
}
