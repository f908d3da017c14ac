// SPDX-License-Identifier: Apache-2.0
// The monitor's command on a VM's UEFI variables: listed in steps of Newel's own work, since there
// may be a thousand.
#include "call/efi_vars.h"
#include "con/console.h"
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/print.h"
#include "mon/monitor.h"
#include "vm/vm.h"

#define LINES_A_STEP 8u
#define NAME_SHOWN   96u // characters of a name

// One at a time. A command starts it; the rest is the work's own.
static struct job {
    struct work work;
    bool busy; // atomic
    struct vm *vm;
    unsigned next; // of the variables
} job;

// ---- Lines ----

// A guest's text: what is not of ASCII is a question mark.
static void format_name(char *to, size_t size, const struct efi_var_name *name)
{
    size_t n = name->bytes / sizeof(efi_char16) - 1;
    size_t shown = n < size ? n : size - 4;
    for (size_t i = 0; i < shown; i++) {
        efi_char16 c = name->text[i];
        to[i] = (char)(c < ' ' || c > '~' ? '?' : c);
    }
    (void)format(to + shown, size - shown, "%s", shown < n ? "..." : "");
}

static void format_guid(char *to, size_t size, const struct efi_guid *g)
{
    (void)format(to, size, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", g->a, g->b, g->c,
                 g->d[0], g->d[1], g->d[2], g->d[3], g->d[4], g->d[5], g->d[6], g->d[7]);
}

static void format_variable(char *to, size_t size, const struct efi_var *v)
{
    char guid[40], name[NAME_SHOWN + 1];
    format_guid(guid, sizeof(guid), &v->name.vendor);
    format_name(name, sizeof(name), &v->name);
    (void)format(to, size, "%s %s %s %6zu %s %s\n",
                 v->attributes & EFI_VARIABLE_NON_VOLATILE ? "nv" : "- ",
                 v->attributes & EFI_VARIABLE_BOOTSERVICE_ACCESS ? "bs" : "- ",
                 v->attributes & EFI_VARIABLE_RUNTIME_ACCESS ? "rt" : "- ", v->size, guid, name);
}

static void format_sum(char *to, size_t size, const struct vm *vm)
{
    const struct efi_var_table *kept = &vm->vars->table[1], *others = &vm->vars->table[0];
    (void)format(to, size, "vm vars %s: %u, %zu of %zu bytes; %u others, %zu of %zu bytes\n",
                 vm->config->name, kept->count, kept->used, kept->size, others->count, others->used,
                 others->size);
}

// ---- The work ----

// The next line. False: it is the last.
static bool format_next(struct job *j, char *line, size_t size)
{
    struct vm *vm = j->vm;
    struct efi_var v;
    bool more = false;
    spin_lock(&vm->lock); // by which the variables stay
    if (vm->vars == NULL) {
        (void)format(line, size, "vm vars %s: it was destroyed meanwhile\n", vm->config->name);
    } else {
        spin_lock(&vm->vars->lock);
        more = efi_vars_nth(vm->vars, j->next++, &v);
        if (more) {
            format_variable(line, size, &v);
        } else {
            format_sum(line, size, vm);
        }
        spin_unlock(&vm->vars->lock);
    }
    spin_unlock(&vm->lock);
    return more;
}

static bool list_step(struct work *work)
{
    struct job *j = container_of(work, struct job, work);
    char line[256];
    bool more = true;
    for (unsigned i = 0; more && i < LINES_A_STEP; i++) {
        more = format_next(j, line, sizeof(line));
        if (!more) { // who reads the line may ask for another list
            __atomic_store_n(&j->busy, false, __ATOMIC_RELEASE);
        }
        console_printf("%s", line);
    }
    return more;
}

static bool has_variables(struct vm *vm)
{
    spin_lock(&vm->lock);
    bool has = vm->vars != NULL;
    spin_unlock(&vm->lock);
    return has;
}

static void run_vars(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm == NULL) {
        return;
    }
    if (vm->config->firmware != FIRMWARE_EFI_RUNTIME) {
        monitor_error(in, 0, "%s has no firmware = \"efi-runtime\" in the manifest",
                      vm->config->name);
    } else if (!has_variables(vm)) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else if (__atomic_exchange_n(&job.busy, true, __ATOMIC_ACQUIRE)) {
        monitor_error(in, 0, "another list goes on");
    } else {
        job.work.step = list_step;
        job.vm = vm;
        job.next = 0;
        sched_work(&job.work);
    }
}

const struct command vars_commands[] = {
    {"vm vars", "NAME", 1, 1, "its UEFI variables: attributes, bytes, GUIDs and names", run_vars},
    {0},
};
