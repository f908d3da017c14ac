// SPDX-License-Identifier: Apache-2.0
// Where guests' random bits come from: the boot loader's seed and the CPU's own source.
#include "arch/cache.h"
#include "arch/random.h"
#include "boot/boot.h"
#include "cpu/drbg.h"
#include "cpu/features.h"
#include "lib/log.h"

#include <libfdt.h>
#include <string.h>

#define WORDS (DRBG_SEED / sizeof(uint64_t))
#define TRIES 100 // of each word: a source that is drained recovers

// A seed is used once: no one who reads the tree later finds it.
static void take(void *fdt, int chosen, const char *name)
{
    int size;
    void *seed = fdt_getprop_w(fdt, chosen, name, &size);
    if (seed != NULL && size > 0) {
        drbg_add(seed, (size_t)size);
        memset(seed, 0, (size_t)size);
        dcache_clean_inval_poc(seed, (size_t)size);
    }
}

static bool read_word(uint64_t *word)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (random_read(word)) {
            return true;
        }
    }
    return false;
}

static void take_cpus(void)
{
    uint64_t words[WORDS];
    for (unsigned i = 0; i < WORDS; i++) {
        if (!read_word(&words[i])) {
            return;
        }
    }
    drbg_add(words, sizeof(words));
}

void entropy_init(void *fdt)
{
    int chosen = fdt != NULL ? fdt_path_offset(fdt, "/chosen") : -1;
    if (chosen >= 0) {
        take(fdt, chosen, "rng-seed");
        take(fdt, chosen, "kaslr-seed");
    }
    if (features.rndr) {
        take_cpus();
    }
    if (!drbg_ready()) {
        log_info("no source of random numbers: VMs get no seeds");
    }
}
