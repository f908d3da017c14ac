// SPDX-License-Identifier: Apache-2.0
// A VM's RAM for tests of what reads guests' tables: mapped at GUEST_BASE, zeroed, all rights.
#pragma once

#include "arena.h"
#include "lib/bits.h"
#include "mem/stage2.h"

#define MIB        (UINT64_C(1) << 20)
#define GUEST_BASE UINT64_C(0x40000000)

static struct pool pool;
static struct stage2 s2;
static uint64_t ram;

static uint64_t *guest_word(uint64_t ipa)
{
    return hpa_ptr(hpa(ram + ipa - GUEST_BASE));
}

static void guest_ram_start(uint64_t size)
{
    struct mem_region all = {arena_base(), 64 * MIB};
    struct s2_features f = {.pa_bits = 48, .vmid_bits = 8};
    hpa_t at;

    assert_int_equal(frames_init(&all, 1, NULL, 0), 0);
    assert_int_equal(frames_alloc(OWNER_VM, size / PAGE_SIZE, 512, &at), 0);
    ram = at.v;
    memset(hpa_ptr(at), 0, size);
    assert_int_equal(pool_create(&pool, OWNER_VM, 64), 0);
    stage2_setup(&f);
    assert_int_equal(stage2_init(&s2, &pool, 40), 0);
    assert_int_equal(stage2_map(&s2, gpa(GUEST_BASE), at, size, S2_RWX, S2_NORMAL), 0);
}
