// SPDX-License-Identifier: Apache-2.0
// watch: finds what of a guest-virtual range a VM can execute, and refuses writes to it, so that
// each change is told. unwatch ends it.
#include "con/console.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mon/monitor.h"
#include "mon/vm_scan.h"
#include "vm/guest_fdt.h"
#include "vm/vm.h"
#include "vm/watch.h"

#include <string.h>

#define RUNS 8 // of one piece of work

// One at a time, until its range is watched.
static struct job {
    struct work work;
    bool busy, stop; // atomic
    struct vm_scan scan;
    enum override_policy policy;
    struct watch found[WATCH_MOST];
    size_t count, done; // found; protected of these
} job;

static const char *name_of(const struct job *j)
{
    return j->scan.vm->config->name;
}

// ---- Steps ----

static bool lives(const struct watch *w)
{
    return vm_life(w->vm) == w->life;
}

// Before it is told how it went: whoever reads that may begin another.
static void finish(struct job *j)
{
    __atomic_store_n(&j->busy, false, __ATOMIC_RELEASE);
}

// All or nothing: takes back what was protected, and was not lost when the VM was reset.
static bool fail(struct job *j, const char *why)
{
    for (size_t n = 0; n < j->done; n++) {
        const struct watch *w = &j->found[n];

        if (lives(w)) {
            (void)vm_protect(w->vm, w->ipa, w->size, S2_RWX, OVERRIDE_LOG);
        }
        watch_remove(w);
    }
    const char *name = name_of(j);

    finish(j);
    console_printf("watch: %s: %s; nothing is watched\n", name, why);
    return false;
}

static bool succeed(struct job *j)
{
    uint64_t pages = 0;

    for (size_t n = 0; n < j->count; n++) {
        pages += j->found[n].size / PAGE_SIZE;
    }
    size_t ranges = j->count;
    const char *name = name_of(j);

    finish(j);
    console_printf("watch: %s: %lu pages in %zu ranges\n", name, pages, ranges);
    return false;
}

static bool is_stopped(const struct job *j)
{
    return __atomic_load_n(&j->stop, __ATOMIC_RELAXED);
}

static bool is_free(const struct watch *w)
{
    struct override o;
    uint64_t extent;

    return !space_override(&w->vm->space, w->ipa, &o, &extent) && extent >= w->size;
}

// One range a step.
static bool protect_step(struct work *work)
{
    struct job *j = container_of(work, struct job, work);
    const struct watch *w = &j->found[j->done];

    if (is_stopped(j)) {
        return fail(j, "stopped");
    }
    if (j->done == j->count) {
        return succeed(j);
    }
    if (!lives(w)) { // what was found there has nothing to do with what is there now
        return fail(j, "it has been reset");
    }
    if (!is_free(w)) {
        return fail(j, "a page of it is protected or watched already");
    }
    if (!watch_add(w)) {
        return fail(j, "64 ranges are watched already");
    }
    int err = vm_protect(w->vm, w->ipa, w->size, S2_RX, w->policy);

    if (err != 0) {
        watch_remove(w);
        return fail(j, err == ERR_NOMEM
                           ? "a VM has room for 64 ranges, those of vm protect included"
                           : error_text(err));
    }
    j->done++;
    return true;
}

static bool goes_on(const struct watch *w, const struct scan_run *r)
{
    return w->va.v + w->size == r->va && w->ipa.v + w->size == r->ipa.v;
}

// The same page at a second address is watched already.
static bool is_found(const struct job *j, const struct scan_run *r)
{
    for (size_t n = 0; n < j->count; n++) {
        if (r->ipa.v >= j->found[n].ipa.v &&
            r->ipa.v + (r->last - r->va) < j->found[n].ipa.v + j->found[n].size) {
            return true;
        }
    }
    return false;
}

static bool is_code(const struct job *j, const struct scan_run *r)
{
    uint64_t offset = r->ipa.v - VM_RAM_BASE, memory = j->scan.vm->config->memory;

    return r->kind == SCAN_MAPPED && ((r->rights.el1 | r->rights.el0) >> WALK_FETCH & 1) != 0 &&
           offset < memory && r->last - r->va < memory - offset;
}

// False if there are too many.
static bool take(struct job *j, const struct scan_run *r)
{
    if (!is_code(j, r) || is_found(j, r)) {
        return true;
    }
    if (j->count != 0 && goes_on(&j->found[j->count - 1], r)) {
        j->found[j->count - 1].size += r->last - r->va + 1;
        return true;
    }
    if (j->count == WATCH_MOST) {
        return false;
    }
    j->found[j->count++] = (struct watch){.vm = j->scan.vm,
                                          .life = j->scan.life,
                                          .va = gva(r->va),
                                          .ipa = r->ipa,
                                          .size = r->last - r->va + 1,
                                          .policy = j->policy};
    return true;
}

static bool scan_step(struct work *work)
{
    struct job *j = container_of(work, struct job, work);
    struct scan_run runs[RUNS];
    unsigned count;

    if (is_stopped(j)) {
        return fail(j, "stopped");
    }
    int err = vm_scan_step(&j->scan, runs, RUNS, &count);

    for (unsigned i = 0; i < count; i++) {
        if (!take(j, &runs[i])) {
            return fail(j, "there is code in more than 64 places");
        }
    }
    if (err == 0) {
        return true;
    }
    if (!j->scan.over) {
        return fail(j, "its vCPU is off");
    }
    j->work.step = protect_step;
    return j->count != 0 || fail(j, "it can execute nothing there");
}

// ---- Commands ----

// The next part of a watch that is either still in force as it was made, or not: what was written
// with `log`, or protected by the operator since, is not.
static bool next_part(const struct watch *w, uint64_t at, uint64_t *extent)
{
    struct override o;
    bool in_force = space_override(&w->vm->space, gpa_add(w->ipa, at), &o, extent);

    *extent = MIN(*extent, w->size - at);
    return in_force && o.rights == S2_RX && o.policy == w->policy;
}

static uint64_t pages_left(const struct watch *w)
{
    uint64_t left = 0, extent;

    for (uint64_t at = 0; at < w->size; at += extent) {
        left += next_part(w, at, &extent) ? extent / PAGE_SIZE : 0;
    }
    return left;
}

static void list(const struct vm *vm)
{
    struct watch w;

    for (size_t n = 0; watch_get(vm, n, &w); n++) {
        console_printf("0x%lx+0x%lx -> 0x%lx %s, %lu of %lu pages unchanged\n", w.va.v, w.size,
                       w.ipa.v, w.policy == OVERRIDE_PAUSE ? "pause" : "log", pages_left(&w),
                       w.size / PAGE_SIZE);
    }
}

static bool read_pages(const struct invocation *in, uint64_t *start, uint64_t *size)
{
    if (!monitor_read_range(monitor_arg(in, 1), start, size) || *size - 1 > ~*start ||
        !is_aligned(*start | *size, PAGE_SIZE)) {
        monitor_error(in, 1, "a range is START+SIZE, both multiples of 0x1000");
        return false;
    }
    return true;
}

static void run_watch(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    const char *policy = monitor_arg(in, 2);
    const uint64_t own[2] = {0, 0};
    uint64_t start, size;

    if (vm == NULL) {
        return;
    }
    if (monitor_arg(in, 1) == NULL) {
        list(vm);
    } else if (!read_pages(in, &start, &size)) {
        return;
    } else if (policy != NULL && strcmp(policy, "log") != 0 && strcmp(policy, "pause") != 0) {
        monitor_error(in, 2, "it is log or pause");
    } else if (vm->state != VM_RUNNING && vm->state != VM_PAUSED) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else if (__atomic_exchange_n(&job.busy, true, __ATOMIC_ACQUIRE)) {
        monitor_error(in, 0, "a range of %s is still being looked for code", name_of(&job));
    } else {
        job = (struct job){.work.step = scan_step, .busy = true};
        job.policy = policy != NULL && policy[0] == 'p' ? OVERRIDE_PAUSE : OVERRIDE_LOG;
        vm_scan_start(&job.scan, vm, gva(start), gva(start + (size - 1)), own);
        sched_work(&job.work);
    }
}

static void release(const struct watch *w)
{
    uint64_t extent;

    watch_remove(w);
    for (uint64_t at = 0; at < w->size; at += extent) {
        if (next_part(w, at, &extent)) {
            (void)vm_protect(w->vm, gpa_add(w->ipa, at), extent, S2_RWX, OVERRIDE_LOG);
        }
    }
}

static void run_unwatch(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    uint64_t start = 0, size = UINT64_MAX;
    struct watch w;

    if (vm == NULL || (monitor_arg(in, 1) != NULL && !read_pages(in, &start, &size))) {
        return;
    }
    if (__atomic_load_n(&job.busy, __ATOMIC_ACQUIRE) && job.scan.vm == vm) {
        __atomic_store_n(&job.stop, true, __ATOMIC_RELAXED);
    }
    for (size_t n = 0; watch_get(vm, n, &w);) {
        if (w.va.v - start < size || start - w.va.v < w.size) {
            release(&w);
        } else {
            n++;
        }
    }
}

const struct command watch_commands[] = {
    {"watch", "NAME [START+SIZE [log|pause]]", 1, 3,
     "tell when code in its addresses is changed; or what is watched", run_watch},
    {"unwatch", "NAME [START+SIZE]", 1, 2, "no longer", run_unwatch},
    {0},
};
