// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "park/page.h"

#include <string.h>

static struct {
    uint8_t before[16];
    uint8_t page[PARK_PAGE_SIZE];
    uint8_t after[16];
} memory __attribute__((aligned(16)));

static uint64_t at(uint32_t offset)
{
    uint64_t v;
    memcpy(&v, memory.page + offset, sizeof(v));
    return v;
}

static void fill(const struct park_cpu *cpu)
{
    memset(&memory, 0xa5, sizeof(memory));
    park_fill(memory.page, cpu);
    for (size_t i = 0; i < sizeof(memory.before); i++) {
        assert_int_equal(memory.before[i], 0xa5);
        assert_int_equal(memory.after[i], 0xa5);
    }
}

static void assert_zero(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        assert_int_equal(memory.page[i], 0);
    }
}

static void test_at_rest(void **state)
{
    (void)state;
    fill(&(struct park_cpu){.id = 3});
    assert_int_equal(at(PARK_ID), UINT32_MAX); // and the word behind it is 0
    assert_zero(PARK_JUMP, PARK_CODE);
    assert_zero(PARK_STRANGER, PARK_PAGE_SIZE);
    assert_int_equal(park_state(memory.page), PARK_NOT_THERE);
    assert_int_equal(park_stranger(memory.page), 0);
}

static void test_code(void **state)
{
    (void)state;
    fill(&(struct park_cpu){.id = 3});
    assert_int_equal(memory.page[park_entry(0)], 0xc0);
    assert_int_equal(memory.page[PARK_CODE + PARK_CODE_SIZE - 1], 0xde);
}

static void assert_facts(uint64_t id, uint64_t wait, uint64_t gic)
{
    assert_int_equal(at(PARK_FACTS + PARK_FACT_ID), id);
    assert_int_equal(at(PARK_FACTS + PARK_FACT_WAIT), wait);
    assert_int_equal(at(PARK_FACTS + PARK_FACT_GIC), gic);
}

static void test_gicv3(void **state)
{
    (void)state;
    fill(&(struct park_cpu){
        .id = 0xfffffffe, .wait = PARK_IN_WFI, .gic = {.version = 3, .redistributor = 0x80c0000}});
    assert_facts(0xfffffffe, PARK_WAIT_WFI, 3);
    assert_int_equal(at(PARK_FACTS + PARK_FACT_GIC_REDISTRIBUTOR), 0x80c0000);
}

static void test_gicv2(void **state)
{
    (void)state;
    fill(&(struct park_cpu){
        .id = 5, .gic = {.version = 2, .distributor = 0x8000000, .cpu_interface = 0x8010000}});
    assert_facts(5, PARK_WAIT_WFE, 2);
    assert_int_equal(at(PARK_FACTS + PARK_FACT_GIC_DISTRIBUTOR), 0x8000000);
    assert_int_equal(at(PARK_FACTS + PARK_FACT_GIC_CPU_INTERFACE), 0x8010000);
}

// Nothing could end a WFI then.
static void test_without_gic(void **state)
{
    static const struct park_gic none[] = {
        {.version = 0},
        {.version = 3, .distributor = 1},
        {.version = 2, .distributor = 1},
        {.version = 2, .cpu_interface = 1},
        {.version = 4, .redistributor = 1, .distributor = 1, .cpu_interface = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        fill(&(struct park_cpu){.id = 1, .wait = PARK_IN_WFI, .gic = none[i]});
        assert_facts(1, PARK_WAIT_WFE, 0);
    }
}

// By which a CPU finds its page, with a GIC and without.
static void test_ring(void **state)
{
    (void)state;
    for (unsigned version = 0; version <= 3; version += 3) {
        fill(&(struct park_cpu){.id = 1,
                                .gic = {.version = version, .redistributor = 0x80c0000},
                                .mpidr = 0x2200010301,
                                .next = 0x7f001000});
        assert_int_equal(at(PARK_FACTS + PARK_FACT_MPIDR), 0x2200010301);
        assert_int_equal(at(PARK_FACTS + PARK_FACT_NEXT), 0x7f001000);
    }
}

static void test_what_it_tells(void **state)
{
    uint32_t there = PARK_AT_EL2;
    uint64_t mpidr = 0x80000102;
    (void)state;
    fill(&(struct park_cpu){.id = 3});
    memcpy(memory.page + PARK_STATE, &there, sizeof(there));
    memcpy(memory.page + PARK_MPIDR, &mpidr, sizeof(mpidr));
    assert_int_equal(park_state(memory.page), PARK_AT_EL2);
    assert_int_equal(park_mpidr(memory.page), 0x80000102);
    memcpy(memory.page + PARK_STRANGER, &mpidr, sizeof(mpidr));
    assert_int_equal(park_stranger(memory.page), 0x80000102);
}

// Whatever a line of a cache has, up to 256 bytes: two writers, two lines.
static void test_lines(void **state)
{
    static const uint32_t first[] = {PARK_ID,       PARK_CODE,  PARK_FACTS,
                                     PARK_STRANGER, PARK_STATE, PARK_RELEASE};
    (void)state;
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        assert_int_equal(first[i] % 256, 0);
    }
    assert_int_equal(park_release_address(0x4000), 0x4000 + PARK_RELEASE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_rest),     cmocka_unit_test(test_code),
        cmocka_unit_test(test_gicv3),       cmocka_unit_test(test_gicv2),
        cmocka_unit_test(test_without_gic), cmocka_unit_test(test_what_it_tells),
        cmocka_unit_test(test_ring),        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
