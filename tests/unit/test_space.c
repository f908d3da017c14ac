// SPDX-License-Identifier: Apache-2.0
// A VM's memory from its first touch: population, execution, collapse, maintenance by set and way,
// and what is shown beside RAM.
#include "lib/error.h"
#include "mem/guest.h"
#include "space_guest.h"

// ---- Life of a page

static void eager_takes_no_fault(void **state)
{
    (void)state;
    start((struct space_config){0}, CTR_A57, false);
    for (size_t p = 0; p < PAGES; p += 7) {
        fetch(p);
        store(p, p);
    }
    assert_int_equal(sp.counters.blocks_populated + sp.counters.pages_populated, 0);
    assert_int_equal(sp.coherence.execute_faults, 0);
    finish();
}

static void data_then_fetch(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    load(5);
    assert_int_equal(entry(5).rights, S2_RW | S2_X_LATER);
    assert_int_equal(fake_cache_count[FAKE_IC_INVAL_POU] + fake_cache_count[FAKE_IC_INVAL_ALL], 0);
    assert_int_equal(sp.counters.pages_populated, 1);
    fake_cache_reset();
    fetch(5);
    assert_int_equal(entry(5).rights, S2_RWX);
    assert_int_equal(sp.coherence.execute_faults, 1);
    // Clean, complete, invalidate, complete, and only then the descriptor, with its TLB entry.
    static const enum fake_cache_op order[] = {FAKE_DC_CLEAN_POU, FAKE_DSB_ISH,  FAKE_IC_INVAL_POU,
                                               FAKE_DSB_ISH,      FAKE_ISB,      FAKE_DSB_ISHST,
                                               FAKE_TLBI_IPA,     FAKE_TLBI_END, FAKE_DSB_ISHST};

    assert_int_equal(fake_cache_calls, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        assert_int_equal(fake_cache_log[i].op, order[i]);
    }
    assert_int_equal(sp.coherence.lines_invalidated, 64);
    fake_cache_reset();
    fetch(5);
    assert_int_equal(fake_cache_calls, 0);
    finish();
}

static void fetch_first(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    fetch(9);
    assert_int_equal(entry(9).rights, S2_RWX);
    assert_int_equal(sp.counters.retried, 0);
    assert_int_equal(sp.coherence.execute_faults, 1);
    finish();
}

static void kinds_of_cache(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_VIPT, false);
    load(1);
    fetch(1);
    assert_int_equal(fake_cache_count[FAKE_IC_INVAL_ALL], 1);
    assert_int_equal(fake_cache_count[FAKE_IC_INVAL_POU], 0);
    finish();
    guest_checks = false;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_QUIET, false);
    load(1);
    assert_int_equal(entry(1).rights, S2_RWX);
    fetch(1);
    assert_int_equal(sp.coherence.execute_faults, 0);
    finish();
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, true);
    load(1);
    assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC], 0);
    fetch(1);
    assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_POU], 1);
    finish();
    guest_checks = true;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    load(1);
    fake_cache_reset();
    assert_int_equal(space_fault(&sp, gpa(BASE + PAGE_SIZE), SPACE_FETCH, true), SPACE_RETRY);
    assert_int_equal(fake_cache_log[0].op, FAKE_DC_CLEAN_POC);
    finish();
}

static void block_executes_page_by_page_then_whole(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true}, CTR_A57, false);
    load(0);
    assert_int_equal(entry(511).size, BLOCK_SIZE);
    assert_int_equal(sp.counters.blocks_populated, 1);
    fake_cache_reset();
    for (size_t p = 0; p < SPACE_EXECUTE_ONE_BY_ONE - 1; p++) {
        fetch(p * 3);
        assert_int_equal(entry(p * 3).size, PAGE_SIZE);
    }
    assert_int_equal(entry(1).rights, S2_RW | S2_X_LATER);
    fetch(500);
    assert_int_equal(entry(1).rights, S2_RWX);
    assert_int_equal(entry(1).size, BLOCK_SIZE);
    assert_int_equal(sp.coherence.execute_faults, SPACE_EXECUTE_ONE_BY_ONE);
    for (size_t p = 0; p < 512; p++) {
        fetch(p);
    }
    assert_int_equal(sp.coherence.execute_faults, SPACE_EXECUTE_ONE_BY_ONE);
    assert_int_equal(sp.s2.table_pages, 1); // level 2
    finish();
}

static void newel_writes_executable_page(void **state)
{
    (void)state;
    uint64_t value = 77;

    for (int lazy = 0; lazy < 2; lazy++) {
        start((struct space_config){.lazy = lazy != 0}, CTR_A57, false);
        fetch(3);
        fake_cache_reset();
        assert_int_equal(guest_write(&sp.s2, gpa(BASE + 3 * PAGE_SIZE), &value, 8), 0);
        model[3] = value;
        cache[(entry(3).pa.v - ram) / PAGE_SIZE] = HANDED; // it was written and cleaned
        assert_int_equal(entry(3).rights, S2_RW | S2_X_LATER);
        assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC], 1);
        assert_int_equal(sp.coherence.written_back, 1);
        fetch(3);
        assert_int_equal(entry(3).rights, S2_RWX);
        // Whole again, since nothing is withheld in it.
        assert_int_equal(entry(3).size, lazy != 0 ? BLOCK_SIZE : BLOCK_SIZE);
        finish();
    }
}

static void door_populates(void **state)
{
    (void)state;
    uint64_t out = 1, in = 5;

    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE + 8), 8), 0);
    assert_int_equal(out, 0);
    assert_int_equal(guest_write(&sp.s2, gpa(BASE + 7 * PAGE_SIZE), &in, 8), 0);
    model[7] = 5;
    load(7);
    assert_int_equal(sp.counters.pages_populated, 2);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE + RAM_SIZE - 4), 8), ERR_RANGE);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(0x1000), 8), ERR_RANGE);
    assert_int_equal(space_fault(&sp, gpa(0x1000), SPACE_READ, false), SPACE_OUTSIDE);
    assert_int_equal(space_fault(&sp, gpa(BASE + RAM_SIZE), SPACE_READ, false), SPACE_OUTSIDE);
    finish();
}

static void loader_makes_executable(void **state)
{
    (void)state;
    uint64_t code = 0x1234;

    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(guest_write(&sp.s2, gpa(BASE + 4 * PAGE_SIZE), &code, 8), 0);
    model[4] = code;
    assert_int_equal(space_loaded(&sp, gpa(BASE + 4 * PAGE_SIZE), 100), 0);
    assert_int_equal(entry(4).rights, S2_RWX);
    fetch(4);
    assert_int_equal(sp.coherence.execute_faults, 0);
    assert_int_equal(space_loaded(&sp, gpa(BASE + 4 * MIB), 100), ERR_NOENT);
    assert_int_equal(space_loaded(&sp, gpa(BASE), RAM_SIZE + 1), ERR_RANGE);
    finish();
}

// ---- Collapse

static void collapse_moves_pages(void **state)
{
    (void)state;
    for (int executable = 0; executable < 2; executable++) {
        start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
        store(2000, 1); // so that the span's pages do not begin a block
        for (size_t i = 0; i < 512; i++) {
            size_t p = 512 + (i * 37) % 512;

            store(p, p);
            if (executable != 0 && i == 100) {
                fetch(p);
            }
        }
        assert_int_equal(sp.counters.collapsed, 1);
        assert_int_equal(entry(600).size, BLOCK_SIZE);
        assert_int_equal(entry(600).rights, executable != 0 ? S2_RWX : S2_RW | S2_X_LATER);
        assert_int_equal(sp.ram.free_pages, PAGES - 513);
        for (size_t p = 512; p < 1024; p++) {
            load(p);
        }
        fetch(513);
        assert_int_equal(sp.coherence.execute_faults, 1);
        assert_true(sp.coherence.icache_emptied > 0 || executable == 0);
        finish();
    }
}

static void no_collapse_without_block(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    // All blocks are touched before any span fills up.
    for (size_t i = 0; i < PAGES; i++) {
        size_t p = i % 8 * 512 + i / 8;

        store(p, p + 1);
    }
    assert_int_equal(sp.counters.pages_populated, PAGES);
    assert_int_equal(sp.ram.free_pages, 0);
    for (size_t p = 0; p < PAGES; p++) {
        load(p);
    }
    finish();
}

// ---- Set/way

// Newel reads for a guest whose caches are off: from memory, and no line stays behind.
static void door_without_caches(void **state)
{
    (void)state;
    uint64_t out = 0;

    start((struct space_config){0}, CTR_A57, false);
    fake_cache_reset();
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
    assert_int_equal(fake_cache_calls, 0);
    space_set_uncached(&sp, 3, true);
    space_set_uncached(&sp, 1, true);
    space_set_uncached(&sp, 1, false);
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
    assert_int_equal(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC], 2);
    space_set_uncached(&sp, 3, false);
    fake_cache_reset();
    assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
    assert_int_equal(fake_cache_calls, 0);
    finish();
}

static void suspension(void **state)
{
    (void)state;
    for (int lazy = 0; lazy < 2; lazy++) {
        start((struct space_config){.lazy = lazy != 0}, CTR_A57, false);
        store(0, 1);
        store(600, 2);
        fetch(600);
        fake_cache_reset();
        space_maintain_all(&sp);
        assert_int_equal(fake_cache_calls, 2); // a barrier and one TLBI, whatever the size
        assert_true(entry(600).suspended);
        load(600);
        assert_false(entry(600).suspended);
        assert_true(entry(0).suspended);
        assert_true(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC] > 0);
        fake_cache_reset();
        load(600);
        fetch(600);
        assert_int_equal(fake_cache_calls, 0);
        uint64_t out = 0;

        assert_int_equal(guest_read(&sp.s2, &out, gpa(BASE), 8), 0);
        assert_int_equal(out, 1);
        assert_true(fake_cache_count[FAKE_DC_CLEAN_INVAL_POC] > 0);
        // Changes go on meanwhile.
        assert_int_equal(space_protect(&sp, gpa(BASE + 4 * MIB), MIB, S2_R, OVERRIDE_FAULT), 0);
        expect_answer(1024, SPACE_WRITE, SPACE_DENIED);
        load(1024);
        load(1023);
        finish();
    }
}

static void collapse_after_suspension(void **state)
{
    (void)state;
    start((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, false);
    for (size_t p = 0; p < 511; p++) {
        store(p, p);
    }
    space_maintain_all(&sp);
    store(511, 511);
    assert_int_equal(sp.counters.collapsed, 0);
    for (size_t p = 0; p < 511; p++) {
        assert_int_equal(sp.counters.collapsed, 0);
        load(p);
    }
    assert_int_equal(sp.counters.collapsed, 1);
    assert_int_equal(entry(7).size, BLOCK_SIZE);
    for (size_t p = 0; p < 512; p++) {
        load(p);
    }
    finish();
}

// ---- What is shown beside RAM

// A page beside RAM that the guest reads is there again after a suspension, whether it is read
// before a reset or after it.
static void shown_page(void **state)
{
    (void)state;
    gpa_t at = gpa(0x90a0000);
    struct s2_entry e;
    hpa_t page;

    for (int reset = 0; reset < 2; reset++) {
        uint64_t progress = 0;

        start((struct space_config){.lazy = true}, CTR_A57, false);
        assert_int_equal(frames_alloc(OWNER_VM, 1, 1, &page), 0);
        assert_int_equal(space_show(&sp, at, page, PAGE_SIZE, S2_R, S2_NORMAL), 0);
        space_maintain_all(&sp);
        while (reset != 0 && space_reset_step(&sp, &progress)) {
        }
        assert_int_equal(space_fault(&sp, gpa_add(at, 8), SPACE_WRITE, false), SPACE_OUTSIDE);
        assert_int_equal(space_fault(&sp, gpa_add(at, 8), SPACE_FETCH, false), SPACE_OUTSIDE);
        assert_int_equal(space_fault(&sp, gpa_add(at, PAGE_SIZE), SPACE_READ, false),
                         SPACE_OUTSIDE);
        assert_int_equal(space_fault(&sp, gpa_add(at, 8), SPACE_READ, false), SPACE_RETRY);
        assert_int_equal(stage2_lookup(&sp.s2, gpa_add(at, 8), &e), 0);
        assert_false(e.suspended);
        assert_int_equal(e.pa.v, page.v + 8);
        assert_int_equal(e.rights, S2_R);
        frames_free(OWNER_VM, page, 1);
        finish();
    }
}

// The same of a page of the machine's, which Newel has not mapped: no maintenance, no access of its
// own.
static void shown_device(void **state)
{
    (void)state;
    gpa_t at = gpa(0x8010000);
    hpa_t device = hpa(0x1000);
    struct s2_entry e;
    uint64_t word;

    start((struct space_config){0}, CTR_A57, false);
    assert_int_equal(space_show(&sp, at, device, PAGE_SIZE, S2_RW, S2_DEVICE), 0);
    for (int access = SPACE_READ; access <= SPACE_FETCH; access++) {
        space_maintain_all(&sp);
        assert_int_equal(space_fault(&sp, gpa_add(at, 12), access, false),
                         access == SPACE_FETCH ? SPACE_OUTSIDE : SPACE_RETRY);
        assert_int_equal(stage2_lookup(&sp.s2, gpa_add(at, 12), &e), 0);
        assert_int_equal(e.suspended, access == SPACE_FETCH);
        assert_int_equal(e.rights, S2_RW);
        assert_int_equal(e.type, S2_DEVICE);
    }
    assert_int_equal(guest_read(&sp.s2, &word, at, sizeof(word)), ERR_RANGE);
    assert_int_equal(guest_write(&sp.s2, at, &word, sizeof(word)), ERR_RANGE);
    finish();
}

// Firmware's flash, all of which a reset has back in one step: not a line of it is maintained.
static void shown_flash(void **state)
{
    (void)state;
    gpa_t at = gpa(0);
    size_t pages = BLOCK_SIZE / PAGE_SIZE + 1;
    uint64_t progress = 0;
    struct s2_entry e;
    hpa_t image;

    start((struct space_config){.lazy = true}, CTR_A57, false);
    assert_int_equal(frames_alloc(OWNER_VM, pages, BLOCK_SIZE / PAGE_SIZE, &image), 0);
    assert_int_equal(space_show(&sp, at, image, pages * PAGE_SIZE, S2_RX, S2_NORMAL), 0);
    uint64_t lines = sp.coherence.lines_cleaned;

    space_maintain_all(&sp);
    assert_int_equal(space_fault(&sp, at, SPACE_WRITE, false), SPACE_OUTSIDE);
    assert_int_equal(space_fault(&sp, at, SPACE_FETCH, false), SPACE_RETRY);
    space_maintain_all(&sp);
    while (space_reset_step(&sp, &progress)) {
    }
    for (size_t i = 0; i < pages; i++) {
        assert_int_equal(stage2_lookup(&sp.s2, gpa_add(at, i * PAGE_SIZE), &e), 0);
        assert_false(e.suspended);
        assert_int_equal(e.rights, S2_RX);
    }
    assert_int_equal(sp.coherence.lines_cleaned, lines);
    frames_free(OWNER_VM, image, pages);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eager_takes_no_fault),
        cmocka_unit_test(data_then_fetch),
        cmocka_unit_test(fetch_first),
        cmocka_unit_test(kinds_of_cache),
        cmocka_unit_test(block_executes_page_by_page_then_whole),
        cmocka_unit_test(newel_writes_executable_page),
        cmocka_unit_test(door_populates),
        cmocka_unit_test(loader_makes_executable),
        cmocka_unit_test(collapse_moves_pages),
        cmocka_unit_test(no_collapse_without_block),
        cmocka_unit_test(suspension),
        cmocka_unit_test(door_without_caches),
        cmocka_unit_test(collapse_after_suspension),
        cmocka_unit_test(shown_page),
        cmocka_unit_test(shown_device),
        cmocka_unit_test(shown_flash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
