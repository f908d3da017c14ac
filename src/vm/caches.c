// SPDX-License-Identifier: Apache-2.0
// A guest that maintains its caches by set and way does so in loops of thousands of operations,
// with its caches on or off, and turns them on or off before or after. So the first operation
// maintains all of the VM's memory, in constant time (mem/space.h), and so does the end of it: the
// next write of a register of its translation regime, or another operation when a while has passed.
// What comes between is left out. What a guest maintains by address needs none of this: the
// hardware does it.
#include "vm/caches.h"

#include "arch/sysreg.h"
#include "cpu/features.h"
#include "cpu/timer.h"
#include "vm/vm.h"

// Long beside what a maintained block costs at its next touch, the block with the loop's own code
// too; short beside what passes between a guest's loops.
#define WHILE_US 20000

static void trap_registers(struct vcpu *v)
{
    v->hcr |= HCR_TVM;
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) | HCR_TVM);
}

static void trap_registers_no_more(struct vcpu *v)
{
    v->hcr &= ~HCR_TVM;
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) & ~HCR_TVM);
}

void caches_start(struct vcpu *v)
{
    v->set_way = false;
    if (!features.fwb) {
        v->hcr |= HCR_TVM;
        space_set_uncached(&v->vm->space, v->index, true);
    }
}

void caches_stop(struct vcpu *v)
{
    space_set_uncached(&v->vm->space, v->index, false);
}

void caches_found_off(struct vcpu *v)
{
    if (features.fwb) {
        return;
    }
    if ((v->hcr & HCR_TVM) == 0) { // it is set after maintenance by set and way, too
        trap_registers(v);
    }
    space_set_uncached(&v->vm->space, v->index, true);
}

void caches_look(struct vcpu *v)
{
    if (!caches_on(read_sysreg(sctlr_el1))) {
        caches_found_off(v);
    }
}

void caches_set_way(struct vcpu *v)
{
    uint64_t now = timer_now();
    if (features.fwb || (v->set_way && now < v->set_way_until)) {
        return;
    }
    v->set_way = true;
    v->set_way_until = now + timer_ticks_from_us(WHILE_US);
    space_maintain_all(&v->vm->space);
    trap_registers(v);
    if (!caches_on(read_sysreg(sctlr_el1))) {
        space_set_uncached(&v->vm->space, v->index, true);
    }
}

void caches_register_written(struct vcpu *v, uint64_t sctlr)
{
    bool on = caches_on(read_sysreg(sctlr_el1));
    if (v->set_way && (on || caches_on(sctlr))) {
        space_maintain_all(&v->vm->space);
        v->set_way = false;
    }
    if (on) {
        trap_registers_no_more(v);
        space_set_uncached(&v->vm->space, v->index, false);
    } else {
        caches_found_off(v);
    }
}
