// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone.
#include "move_pages.h"

#include "con/console.h"
#include "lib/bits.h"
#include "mem/s2_op.h"
#include "vm/vm.h"

#include <string.h>

#define PAGES  16u
#define OFFSET UINT64_C(0x3000000) // of the first in the VM's RAM

static bool move(struct space *sp, gpa_t at, hpa_t to)
{
    struct s2_entry e;

    if (stage2_lookup(&sp->s2, at, &e) != 0 || stage2_unmap_locked(&sp->s2, at, PAGE_SIZE) != 0) {
        return false;
    }
    memcpy(hpa_ptr(to), hpa_ptr(e.pa), PAGE_SIZE);
    memset(hpa_ptr(e.pa), 0xa5, PAGE_SIZE);
    coherence_hand_over(&sp->coherence, to, PAGE_SIZE);
    coherence_make_fresh_executable(&sp->coherence, to, PAGE_SIZE);
    return stage2_map_locked(&sp->s2, at, to, PAGE_SIZE, e.rights, S2_NORMAL) == 0;
}

static bool there_and_back(struct vm *vm, unsigned page, hpa_t elsewhere)
{
    uint64_t offset = OFFSET + page * PAGE_SIZE;
    gpa_t at = gpa(vm->space.config.base.v + offset);

    spin_lock(&vm->space.s2.lock);
    bool moved = move(&vm->space, at, elsewhere);
    spin_unlock(&vm->space.s2.lock);
    // Others may be there now, or meet it on its way back.
    spin_lock(&vm->space.s2.lock);
    moved = moved && move(&vm->space, at, hpa_add(vm->ram, offset));
    spin_unlock(&vm->space.s2.lock);
    return moved;
}

void run_move_pages(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    unsigned rounds = 0, moved = 0;
    hpa_t elsewhere;

    if (vm == NULL || !monitor_arg_number(in, 1, 1000, &rounds) ||
        frames_alloc(OWNER_NEWEL, 1, 1, &elsewhere) != 0) {
        return;
    }
    for (unsigned i = 0; i < rounds * PAGES; i++) {
        moved += there_and_back(vm, i % PAGES, elsewhere);
    }
    frames_free(OWNER_NEWEL, elsewhere, 1);
    console_printf("move: %u of %u moved\n", moved, rounds * PAGES);
}
