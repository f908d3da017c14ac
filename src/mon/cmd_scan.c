// SPDX-License-Identifier: Apache-2.0
// scan: what a VM's vCPU has mapped, found in steps of Newel's own work. In each the vCPU, which
// does not run then, is loaded on the CPU that does the step; the rest of the machine goes on.
#include "arch/cache.h"
#include "arch/sysreg.h"
#include "con/console.h"
#include "cpu/sched.h"
#include "cpu/switch.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/scan.h"
#include "mon/monitor.h"
#include "trap/walk.h"
#include "vm/vm.h"

#include <string.h>

// Of one piece of work: a few hundred microseconds, the lines included.
#define STEPS 256
#define RUNS  8

struct range {
    uint64_t first, last;
};

// One at a time. A command starts it and may ask it to stop; the rest is the work's own.
static struct job {
    struct work work;
    bool busy, stop; // atomic
    struct vm *vm;
    uint64_t life;         // which the VM had when it began
    unsigned vcpu;         // index
    bool begun;            // regs are known
    struct walk_regs regs; // as they were at the first step: of one process, whoever runs later
    struct range range;
    struct scan scan;
    unsigned lines;
} job;

static uint64_t life_of(const struct vm *vm)
{
    return vm->starts + vm->resets;
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

static unsigned collect(struct job *j, struct scan_run runs[RUNS], enum scan_status *status)
{
    unsigned count = 0, steps = STEPS;

    *status = SCAN_FOUND;
    while (count < RUNS && *status == SCAN_FOUND) {
        *status = scan_next(&j->scan, &steps, &runs[count]);
        count += *status == SCAN_FOUND;
    }
    return count;
}

// With the vCPU loaded. If it has gone on to another process, the tables of the first are walked by
// an ASID that the guest may have given to somebody else: nothing of that stays in the TLB.
static unsigned look(struct job *j, const struct vcpu *v, struct scan_run runs[RUNS],
                     enum scan_status *status)
{
    struct walk_regs own;

    walk_registers(&own);
    if (!j->begun) {
        j->regs = own;
        j->begun = true;
        scan_start(&j->scan, v->s2, &j->regs, gva(j->range.first), gva(j->range.last));
    }
    bool foreign = !same_registers(&own, &j->regs);

    if (foreign) {
        write_registers(&j->regs);
    }
    unsigned count = collect(j, runs, status);

    if (foreign) {
        write_registers(&own);
        tlbi_vmid_local(v->vttbr);
    }
    return count;
}

// ---- Steps ----

// The VM's lock keeps the vCPU from being freed until it is borrowed; then the scheduler does.
static int borrow(const struct job *j, struct vcpu **v, enum vcpu_state *was)
{
    struct vm *vm = j->vm;

    spin_lock(&vm->lock);
    bool lives = (vm->state == VM_RUNNING || vm->state == VM_PAUSED) && life_of(vm) == j->life;
    *v = lives ? vm->vcpu[j->vcpu] : NULL;
    int err = *v != NULL ? sched_borrow(*v, was) : ERR_NOENT;
    spin_unlock(&vm->lock);
    return err;
}

static char letter(uint8_t rights, unsigned bit)
{
    return "rwx-"[rights & BIT(bit) ? bit : 3];
}

static void show_run(const struct scan_run *r)
{
    uint64_t size = r->last - r->va + 1;

    if (r->kind == SCAN_UNREADABLE) {
        console_printf("0x%lx+0x%lx tables not readable\n", r->va, size);
        return;
    }
    console_printf("0x%lx+0x%lx -> 0x%lx %c%c%c/%c%c%c 0x%x,%u\n", r->va, size, r->ipa.v,
                   letter(r->rights.el1, 0), letter(r->rights.el1, 1), letter(r->rights.el1, 2),
                   letter(r->rights.el0, 0), letter(r->rights.el0, 1), letter(r->rights.el0, 2),
                   r->attributes, r->shareability);
}

static bool finish(struct job *j, const char *how)
{
    const struct scan *s = &j->scan;

    console_printf("scan: %s: %s; %u runs of %lu leaves, %lu holes, by %lu AT\n",
                   j->vm->config->name, how, j->lines, s->leaves, s->holes, s->ats);
    if (j->begun && !s->ended) {
        console_printf("scan: the rest is 0x%lx+0x%lx\n", s->next, s->last - s->next + 1);
    }
    __atomic_store_n(&j->busy, false, __ATOMIC_RELEASE);
    return false;
}

static bool scan_step(struct work *work)
{
    struct job *j = container_of(work, struct job, work);
    struct scan_run runs[RUNS];
    enum scan_status status;
    enum vcpu_state was;
    struct vcpu *v;

    if (__atomic_load_n(&j->stop, __ATOMIC_RELAXED)) {
        return finish(j, "stopped");
    }
    int err = borrow(j, &v, &was);

    if (err != 0) {
        return err == ERR_BUSY || finish(j, "its vCPU is off");
    }
    vcpu_load(v);
    cache_isb(); // vcpu_load() leaves that to the ERET
    unsigned count = look(j, v, runs, &status);

    vcpu_save(v);
    sched_give_back(v, was);
    j->lines += count;
    for (unsigned i = 0; i < count; i++) {
        show_run(&runs[i]);
    }
    return status != SCAN_ENDED || finish(j, "done");
}

// ---- The command ----

struct request {
    struct range range;
    bool stop;
};

static bool read_option(const struct invocation *in, unsigned n, struct request *out)
{
    const char *text = monitor_arg(in, n);

    if (strcmp(text, "--stop") == 0) {
        out->stop = true;
    } else if (strcmp(text, "--user") == 0) {
        out->range.last = MIN(out->range.last, BIT(55) - 1);
    } else if (strcmp(text, "--kernel") == 0) {
        out->range.first = MAX(out->range.first, -BIT(55));
    } else {
        monitor_error(in, n, "it is START+SIZE, --user, --kernel or --stop");
        return false;
    }
    return true;
}

static bool read_request(const struct invocation *in, struct request *out)
{
    *out = (struct request){.range = {0, UINT64_MAX}};
    for (unsigned n = 1; monitor_arg(in, n) != NULL; n++) {
        uint64_t start, size;

        if (monitor_read_range(monitor_arg(in, n), &start, &size) && size - 1 <= ~start) {
            out->range.first = MAX(out->range.first, start);
            out->range.last = MIN(out->range.last, start + (size - 1));
        } else if (!read_option(in, n, out)) {
            return false;
        }
    }
    if (out->range.first > out->range.last) {
        monitor_error(in, 1, "that is an empty range");
        return false;
    }
    return true;
}

static void begin(const struct invocation *in, struct vm *vm, const struct range *range)
{
    if (__atomic_exchange_n(&job.busy, true, __ATOMIC_ACQUIRE)) {
        monitor_error(in, 0, "a scan of %s goes on; --stop ends it", job.vm->config->name);
        return;
    }
    job = (struct job){
        .work.step = scan_step, .busy = true, .vm = vm, .life = life_of(vm), .range = *range};
    sched_work(&job.work);
}

static void run_scan(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    struct request request;

    if (vm == NULL || !read_request(in, &request)) {
        return;
    }
    if (request.stop) {
        __atomic_store_n(&job.stop, true, __ATOMIC_RELAXED);
    } else if (vm->state != VM_RUNNING && vm->state != VM_PAUSED) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else {
        begin(in, vm, &request.range);
    }
}

const struct command scan_commands[] = {
    {"scan", "NAME [START+SIZE] [--user|--kernel|--stop]", 1, 3,
     "what its vCPU 0 has mapped, by its own tables", run_scan},
    {0},
};
