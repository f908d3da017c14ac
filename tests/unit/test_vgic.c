// SPDX-License-Identifier: Apache-2.0
// The virtual GIC: what a driver relies on, one case at a time, and random use against a model.
#include "vgic_machine.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_four_lrs),
        cmocka_unit_test(test_model_one_lr),
        cmocka_unit_test(test_model_two_lrs),
        cmocka_unit_test(test_model_sixteen_lrs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
