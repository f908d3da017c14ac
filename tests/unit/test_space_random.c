// SPDX-License-Identifier: Apache-2.0
// Loads, stores, fetches, Newel's own writes, overrides and suspensions of a VM's memory at random.
#include "lib/error.h"
#include "mem/guest.h"
#include "space_guest.h"

static uint64_t rng = 11;
static enum s2_rights allowed[PAGES];

static void random_protect(void)
{
    static const enum s2_rights rights[] = {S2_NONE, S2_R, S2_RW, S2_RX, S2_RWX, S2_RWX};
    size_t first = arena_random(&rng) % PAGES;
    size_t n = MIN(1 + arena_random(&rng) % 1200, PAGES - first);
    enum s2_rights r = rights[arena_random(&rng) % ARRAY_SIZE(rights)];

    if (space_protect(&sp, gpa(BASE + first * PAGE_SIZE), n * PAGE_SIZE, r, OVERRIDE_FAULT) == 0) {
        for (size_t p = first; p < first + n; p++) {
            allowed[p] = r;
        }
    }
}

static void random_door(size_t page)
{
    uint64_t value = arena_random(&rng);
    int err = guest_write(&sp.s2, gpa(BASE + page * PAGE_SIZE), &value, sizeof(value));

    assert_int_equal(err, (allowed[page] & S2_W) != 0 ? 0 : ERR_ACCESS);
    if (err == 0) {
        model[page] = value;
        cache[(entry(page).pa.v - ram) / PAGE_SIZE] = HANDED;
    }
}

static void random_access(size_t page)
{
    static const enum s2_rights need[] = {S2_R, S2_W, S2_X};
    enum space_access access = arena_random(&rng) % 3;
    enum space_answer answer;
    uint64_t *p = access_page(page, access, &answer);

    assert_int_equal(p != NULL, (allowed[page] & need[access]) != 0);
    if (p != NULL) {
        assert_int_equal(*p, model[page]);
        if (access == SPACE_WRITE) {
            *p = model[page] = arena_random(&rng);
        }
    }
}

// What a span says of its pages is what its descriptors say.
static void check_withheld(void)
{
    for (size_t s = 0; s < PAGES / 512; s++) {
        size_t withheld = 0;

        for (size_t p = 512 * s; p < 512 * s + 512; p++) {
            struct s2_entry e;

            if (stage2_lookup(&sp.s2, gpa(BASE + p * PAGE_SIZE), &e) == 0) {
                withheld += (e.rights & S2_X) == 0;
            }
        }
        assert_int_equal(sp.span[s].withheld, withheld);
    }
}

// One in rare is an override or a suspension.
static void everything(struct space_config c, uint64_t ctr, int steps, uint64_t rare)
{
    start(c, ctr, false);
    for (size_t p = 0; p < PAGES; p++) {
        allowed[p] = S2_RWX;
    }
    for (int i = 0; i < steps; i++) {
        size_t page = arena_random(&rng) % PAGES;

        // Spans fill up one after the other, too.
        if (arena_random(&rng) % 2 != 0) {
            page = (size_t)i * PAGES / (size_t)steps / 512 * 512 + page % 512;
        }
        if (arena_random(&rng) % rare == 0) {
            random_protect();
        } else if (arena_random(&rng) % rare == 0) {
            space_maintain_all(&sp);
        } else if (arena_random(&rng) % 64 == 0) {
            random_door(page);
        } else {
            random_access(page);
        }
        if (i % 512 == 0) {
            check_withheld();
        }
    }
    assert_int_equal(space_protect(&sp, gpa(BASE), RAM_SIZE, S2_RWX, OVERRIDE_FAULT), 0);
    for (size_t p = 0; p < PAGES; p++) {
        load(p);
        fetch(p);
    }
    finish();
}

static void random_life(void **state)
{
    (void)state;
    everything((struct space_config){.lazy = true}, CTR_A57, 60000, 256);
    everything((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, 60000, 256);
    everything((struct space_config){.lazy = true, .small_pages = true}, CTR_A57, 100000, 20000);
    assert_true(sp.counters.collapsed > 0);
    everything((struct space_config){.lazy = true, .small_pages = true, .no_collapse = true},
               CTR_VIPT, 60000, 256);
    everything((struct space_config){0}, CTR_A57, 60000, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
