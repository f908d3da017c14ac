// SPDX-License-Identifier: Apache-2.0
// The monitor's commands that go to the tools in a guest.
#include "mon/cmd_tools.h"

#include "call/tools.h"
#include "con/console.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/print.h"
#include "mon/monitor.h"
#include "vm/vm.h"

#include <string.h>

#define VALUE_SHOWN 160 // characters of a value in a list

// The VM that the first argument names, locked so that its tools stay; NULL, after the error was
// told, if it has none.
static struct vm *lock_tools(const struct invocation *in)
{
    struct vm *vm = monitor_arg_vm(in, 0);
    if (vm == NULL) {
        return NULL;
    }
    spin_lock(&vm->lock);
    if (vm->tools != NULL) {
        return vm;
    }
    spin_unlock(&vm->lock);
    if (vm->config->guest_tools) {
        monitor_error(in, 0, "%s is %s", vm->config->name, vm_state_name(vm->state));
    } else {
        monitor_error(in, 0, "%s has no guest-tools in the manifest", vm->config->name);
    }
    return NULL;
}

// ---- Orders ----

static void run_order(const struct invocation *in, enum tools_order order)
{
    struct vm *vm = lock_tools(in);
    if (vm == NULL) {
        return;
    }
    const char *name = vm->config->name;
    bool running = vm->state == VM_RUNNING;
    int err = running ? tools_order(vm->tools, order) : 0;
    spin_unlock(&vm->lock);
    if (!running) {
        monitor_error(in, 0, "%s is %s", name, vm_state_name(vm->state));
    } else if (err == ERR_NOENT) {
        monitor_error(in, 0, "no tools run in %s", name);
    } else if (err == ERR_BUSY) {
        monitor_error(in, 0, "the tools of %s have been told already", name);
    }
}

static void run_shutdown(const struct invocation *in)
{
    run_order(in, ORDER_SHUTDOWN);
}

static void run_reboot(const struct invocation *in)
{
    run_order(in, ORDER_REBOOT);
}

static void run_synctime(const struct invocation *in)
{
    run_order(in, ORDER_SYNC_TIME);
}

void cmd_tools_resumed(struct vm *vm)
{
    spin_lock(&vm->lock);
    if (vm->tools != NULL) {
        tools_resumed(vm->tools);
    }
    spin_unlock(&vm->lock);
}

// ---- guestinfo ----

static void show_pair(const char *key, const char *text, size_t size)
{
    size_t shown = strlen(text);
    if (shown < size) {
        console_printf("%s = %s (%zu of %zu bytes)\n", key, text, shown, size);
    } else {
        console_printf("%s = %s\n", key, text);
    }
}

static void show_all(struct tools *t)
{
    char key[GUESTINFO_KEY_MAX + 1], text[VALUE_SHOWN + 1];
    size_t cursor = 0, size;
    while (tools_guestinfo_next(t, &cursor, key, sizeof(key), text, sizeof(text), &size)) {
        show_pair(key, text, size);
    }
}

static void show_one(const struct invocation *in, struct tools *t, const char *key)
{
    char text[VALUE_SHOWN + 1];
    size_t size;
    if (tools_guestinfo_get(t, key, text, sizeof(text), &size)) {
        show_pair(key, text, size);
    } else {
        monitor_error(in, 1, "there is none");
    }
}

// The words from the third argument on, with a space between each two; "" is nothing.
static void join_value(const struct invocation *in, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    if (monitor_arg(in, 3) == NULL && strcmp(monitor_arg(in, 2), "\"\"") == 0) {
        return;
    }
    for (unsigned i = 2; monitor_arg(in, i) != NULL; i++) {
        len += format(out + len, size - len, "%s%s", i > 2 ? " " : "", monitor_arg(in, i));
        len = MIN(len, size - 1);
    }
}

static void set_one(const struct invocation *in, struct tools *t, const char *key)
{
    char value[256];
    join_value(in, value, sizeof(value));
    int err = tools_guestinfo_set(t, key, value);
    if (err == ERR_NOMEM) {
        monitor_error(in, 2, "there is no room for it");
    } else if (err) {
        monitor_error(in, 1, "that is no key (guestinfo.NAME)");
    }
}

static void run_guestinfo(const struct invocation *in)
{
    struct vm *vm = lock_tools(in);
    if (vm == NULL) {
        return;
    }
    const char *key = monitor_arg(in, 1);
    if (key == NULL) {
        show_all(vm->tools);
    } else if (monitor_arg(in, 2) == NULL) {
        show_one(in, vm->tools, key);
    } else {
        set_one(in, vm->tools, key);
    }
    spin_unlock(&vm->lock);
}

// ---- For vm info ----

static void show_fact(const char *name, const char *fact, const char *more)
{
    if (fact[0] != '\0') {
        console_printf("%-9s %s%s%s%s\n", name, fact, more[0] != '\0' ? " (" : "", more,
                       more[0] != '\0' ? ")" : "");
    }
}

void cmd_tools_info(struct vm *vm)
{
    struct tools_report r;
    spin_lock(&vm->lock);
    bool known = vm->tools != NULL;
    if (known) {
        tools_report(vm->tools, &r);
    }
    spin_unlock(&vm->lock);
    if (!known) {
        return;
    }
    console_printf("tools     %s; %lu requests, %lu of them unknown; %u channels, %lu reclaimed\n",
                   r.running ? "running" : "not running", r.rpcs, r.unknown_rpcs, r.channels,
                   r.reclaimed);
    if (r.version != 0) {
        console_printf("version   %s (%u, type %u)\n", r.version_text, r.version, r.version_type);
    }
    show_fact("guest", r.fact[FACT_OS], r.fact[FACT_OS_NAME]);
    show_fact("hostname", r.fact[FACT_HOSTNAME], "");
    show_fact("address", r.ip, "");
}

const struct command tools_commands[] = {
    {"vm shutdown", "NAME", 1, 1, "have its tools shut it down", run_shutdown},
    {"vm reboot", "NAME", 1, 1, "have its tools reboot it", run_reboot},
    {"vm synctime", "NAME", 1, 1, "have its tools set its clock", run_synctime},
    {"vm guestinfo", "NAME [KEY [VALUE]]", 1, MONITOR_MAX_WORDS - 2,
     "what it shares with its tools; \"\" removes", run_guestinfo},
    {0},
};
