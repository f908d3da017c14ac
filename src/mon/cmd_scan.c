// SPDX-License-Identifier: Apache-2.0
// scan: lists what a VM's vCPU has mapped, in steps of Newel's own work.
#include "con/console.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/print.h"
#include "mem/backing.h"
#include "mon/monitor.h"
#include "mon/vm_scan.h"
#include "vm/vm.h"

#include <string.h>

#define RUNS 8 // of one piece of work, and so many lines

struct request {
    uint64_t first, last;
    uint64_t root[2]; // for TTBRn_EL1, or 0
    bool user, kernel, host, stop;
};

// One at a time. A command starts it and may ask it to stop; the rest is the work's own.
static struct job {
    struct work work;
    bool busy, stop; // atomic
    bool host;       // tell host-physical addresses
    struct vm_scan scan;
    struct scan_run runs[RUNS]; // found, of which some are shown
    unsigned count, shown;
    uint64_t offset; // shown of the first that is not shown whole
    unsigned lines;
} job;

// ---- Lines ----

static char letter(uint8_t rights, unsigned bit)
{
    return "rwx-"[rights & BIT(bit) ? bit : 3];
}

// host: " @ADDRESS", or nothing.
static void show_part(const struct scan_run *r, uint64_t offset, uint64_t size, const char *host)
{
    console_printf("0x%lx+0x%lx -> 0x%lx%s %c%c%c/%c%c%c 0x%x,%u\n", r->va + offset, size,
                   r->ipa.v + offset, host, letter(r->rights.el1, 0), letter(r->rights.el1, 1),
                   letter(r->rights.el1, 2), letter(r->rights.el0, 0), letter(r->rights.el0, 1),
                   letter(r->rights.el0, 2), r->attributes, r->shareability);
}

// The next part of a run that is contiguous in the machine's memory. True if it was the last.
static bool show_backed(struct job *j, const struct scan_run *r, unsigned *steps)
{
    struct backing b;
    char host[24] = " @none";
    uint64_t left = r->last - r->va - j->offset + 1;

    if (!vm_scan_hold(&j->scan)) { // it is no more
        return true;
    }
    bool found = backing_find(&j->scan.vm->space.s2, gpa_add(r->ipa, j->offset), left, steps, &b);

    vm_scan_release(&j->scan);
    if (!found) {
        return false;
    }
    if (b.mapped) {
        format(host, sizeof(host), " @0x%lx", b.pa.v);
    }
    show_part(r, j->offset, b.size, host);
    j->offset += b.size;
    return b.size == left;
}

static bool show_run(struct job *j, const struct scan_run *r, unsigned *steps)
{
    uint64_t size = r->last - r->va + 1;

    if (r->kind == SCAN_UNREADABLE) {
        console_printf("0x%lx+0x%lx tables not readable\n", r->va, size);
    } else if (j->host) {
        return show_backed(j, r, steps);
    } else {
        show_part(r, 0, size, "");
    }
    return true;
}

// As much as a step may.
static void show(struct job *j)
{
    unsigned steps = VM_SCAN_STEPS;

    for (unsigned lines = 0; lines < RUNS && steps > 0 && j->shown < j->count; lines++) {
        if (show_run(j, &j->runs[j->shown], &steps)) {
            j->shown++;
            j->lines++;
            j->offset = 0;
        }
    }
}

// Whoever reads the line may begin another scan.
static bool finish(struct job *j, const char *how)
{
    const struct scan s = j->scan.scan;
    const char *name = j->scan.vm->config->name;
    unsigned lines = j->lines;
    bool rest = j->scan.begun && !s.ended;

    __atomic_store_n(&j->busy, false, __ATOMIC_RELEASE);
    console_printf("scan: %s: %s; %u runs of %lu leaves, %lu holes, by %lu AT\n", name, how, lines,
                   s.leaves, s.holes, s.ats);
    if (rest) {
        console_printf("scan: the rest is 0x%lx+0x%lx\n", s.next, s.last - s.next + 1);
    }
    return false;
}

static bool scan_step(struct work *work)
{
    struct job *j = container_of(work, struct job, work);

    if (__atomic_load_n(&j->stop, __ATOMIC_RELAXED)) {
        return finish(j, "stopped");
    }
    if (j->shown < j->count) {
        show(j);
        return true;
    }
    if (j->scan.over) {
        return finish(j, "done");
    }
    j->shown = 0;
    int err = vm_scan_step(&j->scan, j->runs, RUNS, &j->count);

    return err == 0 || j->scan.over || finish(j, "its vCPU is off");
}

// ---- The command ----

static bool read_root(const struct invocation *in, unsigned n, uint64_t *root)
{
    const char *text = monitor_arg(in, n);

    if (text == NULL || !monitor_read_number(text, root) || *root == 0) {
        monitor_error(in, n, "--ttbr takes a TTBR0_EL1 or, with --kernel, a TTBR1_EL1");
        return false;
    }
    return true;
}

// *n goes to the option's last word.
static bool read_option(const struct invocation *in, unsigned *n, struct request *out,
                        uint64_t *root)
{
    const char *text = monitor_arg(in, *n);

    if (strcmp(text, "--stop") == 0) {
        out->stop = true;
    } else if (strcmp(text, "--user") == 0) {
        out->user = true;
    } else if (strcmp(text, "--kernel") == 0) {
        out->kernel = true;
    } else if (strcmp(text, "--host") == 0) {
        out->host = true;
    } else if (strcmp(text, "--ttbr") == 0) {
        return read_root(in, ++*n, root);
    } else {
        monitor_error(in, *n, "it is START+SIZE, --user, --kernel, --ttbr, --host or --stop");
        return false;
    }
    return true;
}

static bool read_words(const struct invocation *in, struct request *out, uint64_t *root)
{
    for (unsigned n = 1; monitor_arg(in, n) != NULL; n++) {
        uint64_t start, size;

        if (monitor_read_range(monitor_arg(in, n), &start, &size) && size - 1 <= ~start) {
            out->first = MAX(out->first, start);
            out->last = MIN(out->last, start + (size - 1));
        } else if (!read_option(in, &n, out, root)) {
            return false;
        }
    }
    return true;
}

// Tables given are for one half: the lower, if it is not the upper that is asked for.
static bool read_request(const struct invocation *in, const struct vm *vm, struct request *out)
{
    uint64_t root = 0;

    *out = (struct request){.last = UINT64_MAX};
    if (!read_words(in, out, &root)) {
        return false;
    }
    if (root != 0 && !vm_scan_is_root(vm, root)) {
        monitor_error(in, 1, "no table in %s's RAM begins at that TTBR", vm->config->name);
        return false;
    }
    out->user = out->user || (root != 0 && !out->kernel);
    out->root[out->kernel] = root;
    out->last = out->user ? MIN(out->last, BIT(55) - 1) : out->last;
    out->first = out->kernel ? MAX(out->first, -BIT(55)) : out->first;
    if (out->first > out->last) {
        monitor_error(in, 1, "that is an empty range");
        return false;
    }
    return true;
}

static void begin(const struct invocation *in, struct vm *vm, const struct request *r)
{
    if (__atomic_load_n(&job.busy, __ATOMIC_ACQUIRE)) {
        monitor_error(in, 0, "a scan of %s goes on; --stop ends it", job.scan.vm->config->name);
        return;
    }
    job = (struct job){.work.step = scan_step, .busy = true, .host = r->host};
    vm_scan_start(&job.scan, vm, gva(r->first), gva(r->last), r->root);
    sched_work(&job.work);
}

static void stop(const struct invocation *in, const struct vm *vm)
{
    if (!__atomic_load_n(&job.busy, __ATOMIC_ACQUIRE) || job.scan.vm != vm) {
        monitor_error(in, 0, "there is no scan of it");
    } else {
        __atomic_store_n(&job.stop, true, __ATOMIC_RELAXED);
    }
}

static void run_scan(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    struct request request;

    if (vm == NULL || !read_request(in, vm, &request)) {
        return;
    }
    if (request.stop) {
        stop(in, vm);
    } else if (vm->state != VM_RUNNING && vm->state != VM_PAUSED) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else {
        begin(in, vm, &request);
    }
}

const struct command scan_commands[] = {
    {"scan", "NAME [START+SIZE] [--user|--kernel] [--ttbr TTBR] [--host] [--stop]", 1, 6,
     "what its vCPU 0 has mapped, by its own tables or others", run_scan},
    {0},
};
