// SPDX-License-Identifier: Apache-2.0
// A VM's second flash, by the commands that its firmware gives it, and by others.
#include "dev/flash.h"

#include "arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BOTH(x) ((uint64_t)(x) << 16 | (x))

static uint8_t cells[FLASH_CELLS];
static struct flash flash;
static uint64_t told, told_size;

static uint64_t get(uint64_t at)
{
    return flash.dev.ops->read(&flash.dev, NULL, FLASH_BANK + at, 4);
}

static void put(uint64_t at, uint64_t value)
{
    flash.dev.ops->write(&flash.dev, NULL, FLASH_BANK + at, 4, value);
}

static void changed(struct flash *f, uint64_t first, uint64_t size)
{
    told = first;
    told_size = size;
    f->busy = true;
}

static int set_up(void **state)
{
    (void)state;
    memset(cells, 0xff, sizeof(cells));
    memset(&flash, 0, sizeof(flash));
    flash_init(&flash, cells, NULL, NULL, NULL);
    return 0;
}

static void programs_and_erases(void **state)
{
    (void)state;
    put(0x100, BOTH(0x40));
    put(0x100, 0x12345678);
    assert_int_equal(get(0x100), BOTH(0x80));
    put(0, BOTH(0xff));
    assert_int_equal(get(0x100), 0x12345678);
    put(0x100, BOTH(0x40));
    put(0x100, 0xff00ff00);
    put(0, BOTH(0xff));
    assert_int_equal(get(0x100), 0x12005600); // ones become zeroes alone
    put(FLASH_BLOCK, BOTH(0x20));
    put(FLASH_BLOCK, BOTH(0xd0));
    put(0, BOTH(0xff));
    assert_int_equal(get(0x100), 0x12005600);
    put(0x200, BOTH(0x20));
    put(0x200, BOTH(0xd0));
    put(0, BOTH(0xff));
    assert_int_equal(get(0x100), 0xffffffff);
}

static void takes_a_buffer(void **state)
{
    (void)state;
    put(0, BOTH(0xe8));
    assert_int_equal(get(0), BOTH(0x80));
    put(0, BOTH(1));
    put(0x10, 0x11111111);
    put(0x14, 0x22222222);
    put(0, BOTH(0xd0));
    put(0, BOTH(0xff));
    assert_int_equal(get(0x10), 0x11111111);
    assert_int_equal(get(0x14), 0x22222222);
    assert_int_equal(get(0x18), 0xffffffff);
}

static void is_busy_while_it_is_kept(void **state)
{
    (void)state;
    flash_init(&flash, cells, NULL, changed, NULL);
    put(0x20, BOTH(0x40));
    put(0x20, 0);
    assert_int_equal(told, 0x20);
    assert_int_equal(told_size, 4);
    assert_int_equal(get(0), 0);
    flash.busy = false;
    assert_int_equal(get(0), BOTH(0x80));
    put(FLASH_BLOCK + 4, BOTH(0x20));
    put(FLASH_BLOCK + 4, BOTH(0xd0));
    assert_int_equal(told, FLASH_BLOCK);
    assert_int_equal(told_size, FLASH_BLOCK);
}

static void has_no_cells_beyond(void **state)
{
    (void)state;
    put(FLASH_CELLS, BOTH(0x40));
    put(FLASH_CELLS, 0);
    assert_int_equal(get(0), BOTH(0xb0));
    put(0, BOTH(0x50));
    put(0, BOTH(0x70));
    assert_int_equal(get(0), BOTH(0x80));
    put(0, BOTH(0xff));
    assert_int_equal(get(FLASH_CELLS), 0xffffffff);
    put(0, BOTH(0x98));
    assert_int_equal(get(0x10 * 4), BOTH('Q'));
    assert_int_equal(get(FLASH_BANK - 4), 0);
    flash_init(&flash, NULL, NULL, NULL, NULL);
    put(0, BOTH(0x40));
    put(0, 0);
    assert_int_equal(get(0), 0xffffffff);
}

// Whatever a guest writes, of any size and anywhere, stays within the cells.
static void survives_anything(void **state)
{
    static const uint8_t commands[] = {0xff, 0x70, 0x90, 0x98, 0x50, 0x40, 0x10, 0xe8, 0x20, 0x60};
    uint64_t random = 3;
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned size = 1u << arena_random(&random) % 4;
        uint64_t at = arena_random(&random) % (i % 2 ? 2 * FLASH_CELLS : FLASH_BANK);
        uint64_t value = arena_random(&random);
        at = (FLASH_BANK + at) & ~(uint64_t)(size - 1);
        if (i % 3 != 0) {
            value = BOTH(commands[value % sizeof(commands)]);
        }
        flash.dev.ops->write(&flash.dev, NULL, at, size,
                             size < 8 ? value & ((UINT64_C(1) << 8 * size) - 1) : value);
        (void)flash.dev.ops->read(&flash.dev, NULL, at, size);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        TEST(programs_and_erases), TEST(takes_a_buffer),    TEST(is_busy_while_it_is_kept),
        TEST(has_no_cells_beyond), TEST(survives_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
