// SPDX-License-Identifier: Apache-2.0
#include "mon/vm_scan.h"

#include "arch/cache.h"
#include "arch/sysreg.h"
#include "cpu/sched.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "trap/walk.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"

#define TTBR_CNP     BIT(0)
#define TTBR_ADDRESS MASK(47, 1)
#define TTBR_ASID    MASK(63, 48)

// Bits 5 to 2 are an address's from 48 up, where RAM never is.
bool vm_scan_is_root(const struct vm *vm, uint64_t ttbr)
{
    uint64_t table = ttbr & TTBR_ADDRESS;

    return is_aligned(table, 64) && table - VM_RAM_BASE < vm->config->memory;
}

void vm_scan_start(struct vm_scan *s, struct vm *vm, gva_t first, gva_t last,
                   const uint64_t root[2])
{
    *s = (struct vm_scan){
        .vm = vm, .life = vm_life(vm), .first = first, .last = last, .root = {root[0], root[1]}};
}

// ---- In the vCPU's context ----

static void write_registers(const struct walk_regs *r)
{
    write_sysreg(sctlr_el1, r->sctlr);
    write_sysreg(tcr_el1, r->tcr);
    write_sysreg(ttbr0_el1, r->ttbr0);
    write_sysreg(ttbr1_el1, r->ttbr1);
    write_sysreg(mair_el1, r->mair);
    cache_isb();
}

static bool same_registers(const struct walk_regs *a, const struct walk_regs *b)
{
    return a->sctlr == b->sctlr && a->tcr == b->tcr && a->ttbr0 == b->ttbr0 &&
           a->ttbr1 == b->ttbr1 && a->mair == b->mair;
}

// Another's tables under the ASID that is there, and by no means shared with other CPUs.
static uint64_t with_root(uint64_t own, uint64_t root)
{
    return root == 0 ? own : (own & TTBR_ASID) | (root & TTBR_ADDRESS);
}

static void begin(struct vm_scan *s, const struct walk_regs *own, struct stage2 *s2)
{
    s->regs = *own;
    s->regs.ttbr0 = with_root(own->ttbr0, s->root[0]);
    s->regs.ttbr1 = with_root(own->ttbr1, s->root[1]);
    s->begun = true;
    scan_start(&s->scan, s2, &s->regs, s->first, s->last);
}

// Tables that are not the vCPU's of now are walked by an ASID that the guest may have given to
// somebody else: nothing of either is to be found by the other in the TLB. Without CnP, lest other
// CPUs find it there.
static void enter_foreign(const struct vm_scan *s, uint64_t vttbr)
{
    struct walk_regs r = s->regs;

    r.ttbr0 &= ~TTBR_CNP;
    r.ttbr1 &= ~TTBR_CNP;
    write_registers(&r);
    tlbi_vmid_local(vttbr);
}

static void leave_foreign(const struct walk_regs *own, uint64_t vttbr)
{
    write_registers(own);
    tlbi_vmid_local(vttbr);
}

// By the clock as well: what is suspended (space_maintain_all()), as another vCPU can have it again
// and again, costs the maintenance of 2 MiB for each descriptor that is read.
static unsigned collect(struct vm_scan *s, struct scan_run *runs, unsigned most)
{
    uint64_t until = timer_now() + timer_ticks_from_us(VM_SCAN_US);
    unsigned count = 0;

    for (unsigned n = 0; n < VM_SCAN_STEPS && count < most && timer_now() < until; n++) {
        unsigned step = 1;
        enum scan_status status = scan_next(&s->scan, &step, &runs[count]);

        count += status == SCAN_FOUND;
        if (status == SCAN_ENDED) {
            s->over = true;
            break;
        }
    }
    return count;
}

// With the vCPU loaded.
static unsigned look(struct vm_scan *s, const struct vcpu *v, struct scan_run *runs, unsigned most)
{
    struct walk_regs own;

    walk_registers(&own);
    if (!s->begun) {
        begin(s, &own, v->s2);
    }
    bool foreign = !same_registers(&own, &s->regs);

    if (foreign) {
        enter_foreign(s, v->vttbr);
    }
    unsigned count = collect(s, runs, most);

    if (foreign) {
        leave_foreign(&own, v->vttbr);
    }
    return count;
}

// ---- Steps ----

bool vm_scan_hold(const struct vm_scan *s)
{
    struct vm *vm = s->vm;

    spin_lock(&vm->lock);
    bool lives = (vm->state == VM_RUNNING || vm->state == VM_PAUSED) && vm_life(vm) == s->life;
    if (!lives) {
        spin_unlock(&vm->lock);
    }
    return lives;
}

void vm_scan_release(const struct vm_scan *s)
{
    spin_unlock(&s->vm->lock);
}

// The VM's lock keeps the vCPU from being freed until it is borrowed; then the scheduler does.
static int borrow(const struct vm_scan *s, struct vcpu **v, enum vcpu_state *was)
{
    if (!vm_scan_hold(s)) {
        return ERR_NOENT;
    }
    *v = s->vm->vcpu[0];
    int err = sched_borrow(*v, was);
    vm_scan_release(s);
    return err;
}

int vm_scan_step(struct vm_scan *s, struct scan_run *runs, unsigned most, unsigned *count)
{
    enum vcpu_state was;
    struct vcpu *v;
    int err = borrow(s, &v, &was);

    *count = 0;
    if (err != 0) {
        return err == ERR_BUSY ? 0 : err;
    }
    vcpu_load(v);
    cache_isb(); // vcpu_load() leaves that to the ERET
    *count = look(s, v, runs, most);
    vcpu_save(v);
    sched_give_back(v, was);
    return s->over ? ERR_NOENT : 0;
}
