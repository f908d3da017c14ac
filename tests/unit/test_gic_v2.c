// SPDX-License-Identifier: Apache-2.0
// The machine's GICv2, as far as it is registers in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cpu/percpu.h"
#include "irq/gic.h"
#include "irq/gic_driver.h"
#include "lib/error.h"

#include <stdio.h>
#include <string.h>

static uint32_t distributor[0x1000 / 4], interface[0x2000 / 4], hyp[0x1000 / 4];
static char line[200];
static unsigned lines;

struct percpu percpus[MAX_CPUS];

struct percpu *cpu_local(void)
{
    return &percpus[0];
}

uint64_t timer_now(void)
{
    return 0;
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    return us;
}

static void keep(const char *fmt, va_list args)
{
    vsnprintf(line, sizeof(line), fmt, args);
    lines++;
}

void log_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    keep(fmt, args);
    va_end(args);
}

void log_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    keep(fmt, args);
    va_end(args);
}

static int setup(void **state)
{
    static const struct gic_config wanted = {
        .version = 2,
        .dist_size = sizeof(distributor),
        .ppi = {.maintenance = 25, .virtual_timer = 27, .el2_timer = 26, .physical_timer = 30},
    };
    struct gic_config config = wanted;
    (void)state;
    memset(distributor, 0, sizeof(distributor));
    memset(interface, 0, sizeof(interface));
    config.dist = ptr_hpa(distributor);
    config.cpu_interface = ptr_hpa(interface);
    config.hyp_interface = ptr_hpa(hyp);
    gic_choose(&config);
    line[0] = '\0';
    lines = 0;
    return 0;
}

// By GICC_IIDR (IHI 0048, 4.4.13): QEMU's own, and no GIC that was ever made.
static void test_forgets_level(void **state)
{
    static const struct {
        uint32_t iidr;
        bool forgets;
    } cases[] = {
        {0x0002043b, true},                       // QEMU 10
        {0x0202043b, false}, {0x0202143b, false}, // GIC-400, r0p0 and r0p1
        {0x0001043b, false},                      // QEMU's GICv1
        {0x0012043b, false}, {0x0002043a, false}, {0, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(state);
        interface[0xfc / 4] = cases[i].iidr;
        assert_int_equal(gic_init(), 0);
        assert_int_equal(gic_config()->forgets_level, cases[i].forgets);
        assert_int_equal(lines, cases[i].forgets ? 1 : 0);
    }
}

// Which of the eight interfaces this CPU has is what its own ITARGETSR say.
static void test_own_interface(void **state)
{
    (void)state;
    distributor[0x004 / 4] = 7 << 5; // eight CPUs
    distributor[0x800 / 4 + 6] = 0x20202020;
    assert_int_equal(gic_init(), 0);
    assert_int_equal(gic_sgi_targets[this_cpu()->id], SGI_BY_GICD | 0x20u << 16);
    gic_send_sgi(this_cpu()->id, 3);
    assert_int_equal(distributor[0xf00 / 4], 0x20u << 16 | 3);
    memset(distributor + 0x800 / 4, 0, 0x20);
    assert_int_equal(gic_init(), ERR_NOENT);
    assert_string_equal(line, "GIC: CPU 0 has no interface");
}

static void test_ppis(void **state)
{
    struct gic_config config = *gic_config();
    (void)state;
    config.ppi.maintenance = 0;
    gic_choose(&config);
    assert_int_equal(gic_init(), ERR_INVALID);
    gic_set_ppi_active(27, true);
    assert_int_equal(distributor[0x300 / 4], 1u << 27);
    gic_set_ppi_active(27, false);
    assert_int_equal(distributor[0x380 / 4], 1u << 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_forgets_level, setup),
        cmocka_unit_test_setup(test_own_interface, setup),
        cmocka_unit_test_setup(test_ppis, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
