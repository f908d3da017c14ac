// SPDX-License-Identifier: Apache-2.0
// Two CPUs.
#include "efi/efi.h"

#define RACES 1500

static volatile unsigned failures, done;
static uint32_t counts[2][RACES];

static void race(uint64_t cpu)
{
    const char16 mine[] = {'R', (char16)('0' + cpu), 0}, shared[] = {'R', 'S', 0};
    uint8_t data[64];

    write_sysreg(cpacr_el1, 3ul << 20);
    for (unsigned i = 0; i < RACES; i++) {
        uint64_t size = sizeof(data);

        memset(data, (int)(i & 0x7f) | (int)(cpu << 7), sizeof(data));
        failures += set(mine, ALL, data, i % 63 + 1) != SUCCESS;
        failures += set(shared, ALL, data, sizeof(data)) != SUCCESS;
        failures += get(mine, NULL, &size, data) != SUCCESS || size != i % 63 + 1;
        size = sizeof(data);
        failures += get(shared, NULL, &size, data) != SUCCESS || size != sizeof(data);
        for (unsigned k = 1; k < sizeof(data); k++) { /* one CPU's whole */
            failures += data[k] != data[0];
        }
        failures += call(GET_NEXT_HIGH_MONOTONIC_COUNT, P(&counts[cpu][i]), 0, 0, 0, 0) != SUCCESS;
    }
    __atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
}

TEST(two_cpus)
{
    static const char16 mine[2][3] = {{'R', '0', 0}, {'R', '1', 0}}, shared[] = {'R', 'S', 0};

    EFI_ONLY;
    failures = done = 0;
    EXPECT_EQ(cpu_start(1, race, 1), PSCI_SUCCESS);
    race(0);
    EXPECT(wait_for(done == 2, 20000000));
    EXPECT(cpu_join(1));
    EXPECT_EQ(failures, 0);
    for (unsigned i = 0, k = 0; i < RACES;
         i++) { /* each count once: both ascend, and never are the same */
        while (k < RACES && counts[1][k] < counts[0][i]) {
            k++;
        }
        EXPECT(k == RACES || counts[1][k] != counts[0][i]);
    }
    EXPECT_EQ(set(mine[0], 0, NULL, 0) | set(mine[1], 0, NULL, 0) | set(shared, 0, NULL, 0),
              SUCCESS);
}

/* The other CPU changes name, size and mapping while this one calls. */
static struct {
    char16 name[512];
    uint64_t size;
    uint8_t data[PAGE];
} flipped __attribute__((aligned(PAGE)));
static volatile bool stop;

static void flip(uint64_t seed)
{
    volatile char16 *name = flipped.name;
    volatile uint64_t *size = &flipped.size;

    while (!stop) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        name[seed >> 60] = seed >> 40 & 1 ? 0 : 'F';
        *size = seed >> 33 & 2 ? ~0ul : seed >> 50;
        if (seed >> 32 & 4) {
            mmu_unmap_page(WINDOW + 2 * PAGE);
        } else {
            mmu_map_page(WINDOW + 2 * PAGE, P(flipped.data) & ~(PAGE - 1),
                         PTE_NORMAL | PTE_PXN | PTE_UXN);
        }
    }
}

TEST(changed_meanwhile)
{
    status s;
    unsigned good = 0;
    uint64_t size = 16;
    char16 name[16] = {0};
    struct guid who;

    EFI_ONLY;
    map_backwards();
    stop = false;
    EXPECT_EQ(cpu_start(1, flip, arg_u64("seed", 1)), PSCI_SUCCESS);
    for (unsigned i = 0; i < 4 * RACES || (good == 0 && i < 400 * RACES); i++) {
        uint64_t room = 16 + i % 1024;

        s = call(SET_VARIABLE, P(flipped.name), P(&vendor), ALL, room, P(AT(1, 4096 - i % 16)));
        EXPECT(s == SUCCESS || s == INVALID_PARAMETER || s == ERROR(9));
        good += s == SUCCESS;
        s = call(GET_VARIABLE, P(flipped.name), P(&vendor), 0, P(&flipped.size), P(AT(1, 3000)));
        EXPECT(s == SUCCESS || s == INVALID_PARAMETER || s == NOT_FOUND || s == BUFFER_TOO_SMALL);
        s = call(GET_NEXT_VARIABLE_NAME, P(&flipped.size), P(flipped.name), P(AT(1, 4088)), 0, 0);
        EXPECT(s == SUCCESS || s == INVALID_PARAMETER || s == NOT_FOUND || s == BUFFER_TOO_SMALL);
    }
    stop = true;
    EXPECT(cpu_join(1));
    EXPECT(good != 0);
    while (call(GET_NEXT_VARIABLE_NAME, P(&size), P(name), P(&who), 0, 0) ==
           SUCCESS) { /* what it left */
        EXPECT_EQ(call(SET_VARIABLE, P(name), P(&who), 0, 0, 0), SUCCESS);
        name[0] = 0;
        size = sizeof(name);
    }
}
