// SPDX-License-Identifier: Apache-2.0
// An operator who types commands at the monitor's prompt, for tests of the commands; the VMs and
// all else that is below and beside the monitor are stand-ins.
#pragma once

#include "call/tools.h"
#include "con/console.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "lib/check.h"
#include "lib/error.h"
#include "mem/scan.h"
#include "mon/monitor.h"
#include "trap/walk.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vm vms[MANIFEST_MAX_VMS];
size_t vm_count;
struct percpu percpus[MAX_CPUS];
unsigned cpu_count;
struct features features;

static struct vm_config configs[3];
static struct vcpu vcpus[3][4];
static char output[65536];
static const struct console_operator *operator;
static struct vm *ordered;
static enum vm_after_stop ordered_then;
static bool started, closed;
static int order_result;
static void *focused;
static struct timer *armed, *end_timer;
static uint64_t now;
static jmp_buf machine_end;
static char received[16];
static struct vm *destroyed_meanwhile; // by another CPU, once something is printed

// ---- Stand-ins ----

void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

struct percpu *cpu_local(void)
{
    return &percpus[0];
}

void console_printf(const char *fmt, ...)
{
    size_t len = strlen(output);
    va_list args;
    va_start(args, fmt);
    vsnprintf(output + len, sizeof(output) - len, fmt, args);
    va_end(args);
    if (destroyed_meanwhile != NULL) {
        memset(destroyed_meanwhile->vcpu, 0, sizeof(destroyed_meanwhile->vcpu));
    }
}

void console_set_operator(const struct console_operator *op)
{
    operator= op;
}

void console_focus(struct console_vm *c)
{
    focused = c;
}

struct console_vm *console_focused(void)
{
    return focused;
}

void console_close_prompt(void)
{
    closed = true;
}

uint64_t console_vm_lost(const struct console_vm *c)
{
    (void)c;
    return 77;
}

struct vm *vm_find(const char *name)
{
    for (size_t i = 0; i < vm_count; i++) {
        if (strcmp(vms[i].config->name, name) == 0) {
            return &vms[i];
        }
    }
    return NULL;
}

int vm_start(struct vm *vm)
{
    ordered = vm;
    started = true;
    return order_result;
}

static int pauses;
static unsigned protections;
static struct override protected;

int vm_pause(struct vm *which)
{
    (void)which;
    pauses++;
    return 0;
}

int vm_resume(struct vm *which)
{
    (void)which;
    pauses--;
    return 0;
}

int vm_protect(struct vm *which, gpa_t base, uint64_t size, enum s2_rights rights,
               enum override_policy policy)
{
    (void)which;
    protections++;
    protected = (struct override){base.v, base.v + size, rights, policy};
    return 0;
}

int vm_stop(struct vm *vm, enum vm_after_stop then)
{
    ordered = vm;
    ordered_then = then;
    return order_result;
}

void vms_keep_machine(void)
{
}

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[] = {"off",    "building", "running",
                                        "paused", "stopping", "destroyed"};
    return names[state];
}

void vcpu_notify(struct vcpu *v, uint32_t attention)
{
    assert_int_equal(attention, ATTN_RESCHED);
    v->count.n[CNT_EXIT_IRQ]++;
}

size_t pl011_receive(struct pl011 *u, const uint8_t *bytes, size_t count)
{
    assert_ptr_equal(u, &vms[0].uart);
    memcpy(received, bytes, count);
    return count;
}

uint64_t timer_now(void)
{
    return now++;
}

uint64_t timer_frequency(void)
{
    return 1000000;
}

uint64_t timer_ticks_from_us(uint64_t us)
{
    return us;
}

// What scan asks for. No vCPU is on, unless there is something to tell.
static struct work *queued;
static unsigned runs_told, to_tell; // runs, of which the last is told when all has been looked at

void sched_work(struct work *work)
{
    queued = work;
}

int sched_borrow(struct vcpu *v, enum vcpu_state *was)
{
    (void)v;
    *was = VCPU_BLOCKED;
    return to_tell != 0 ? 0 : ERR_NOENT;
}

void sched_give_back(struct vcpu *v, enum vcpu_state was)
{
    (void)v;
    assert_int_equal(was, VCPU_BLOCKED);
}

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    (void)owner;
    (void)pages;
    (void)align_pages;
    (void)out;
    return ERR_NOMEM;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    (void)owner;
    (void)base;
    (void)pages;
    abort();
}

bool sched_stands_still(const struct sched_share *share)
{
    return share->paused;
}

void walk_registers_of(const struct vcpu *v, struct walk_regs *r)
{
    (void)v;
    *r = (struct walk_regs){0};
}

void walk_registers(struct walk_regs *r)
{
    *r = (struct walk_regs){0};
}

void scan_start(struct scan *s, struct stage2 *s2, const struct walk_regs *regs, gva_t first,
                gva_t last)
{
    (void)s2;
    (void)regs;
    *s = (struct scan){.next = first.v, .last = last.v};
}

enum scan_status scan_next(struct scan *s, unsigned *left, struct scan_run *out)
{
    assert_int_equal(*left, 1);
    s->ended = runs_told + 1 >= to_tell;
    if (runs_told == to_tell) {
        return SCAN_ENDED;
    }
    *out = (struct scan_run){.va = runs_told * UINT64_C(0x2000),
                             .last = runs_told * UINT64_C(0x2000) + 0xfff,
                             SCAN_MAPPED};
    runs_told++;
    return SCAN_FOUND;
}

void vcpu_load(struct vcpu *v)
{
    (void)v;
}

void vcpu_save(struct vcpu *v)
{
    (void)v;
}

void timer_arm(struct timer *t, uint64_t deadline)
{
    (void)deadline;
    armed = t;
}

size_t frames_owned_by(owner_t owner)
{
    return owner == OWNER_FREE ? 51200 : owner == OWNER_NEWEL ? 512 : 65536;
}

size_t frames_largest_free_run(size_t align_pages)
{
    assert_int_equal(align_pages, 512);
    return 25600;
}

static struct tools *const alphas_tools = (struct tools *)&configs[0];
static enum tools_order order_told;
static char guestinfo_key[64], guestinfo_value[64];

int tools_order(struct tools *t, enum tools_order order)
{
    assert_ptr_equal(t, alphas_tools);
    order_told = order;
    return order_result;
}

void tools_resumed(struct tools *t)
{
    assert_ptr_equal(t, alphas_tools);
    order_told = ORDER_SYNC_TIME;
}

void tools_report(struct tools *t, struct tools_report *out)
{
    assert_ptr_equal(t, alphas_tools);
    *out = (struct tools_report){
        .running = true,
        .version = 12352,
        .version_type = 4,
        .version_text = "12.2.0",
        .ip = "192.0.2.5",
        .fact = {[FACT_OS] = "Debian GNU/Linux 12", [FACT_OS_NAME] = "debian12-64"},
        .channels = 2,
        .rpcs = 40,
        .unknown_rpcs = 1,
    };
}

int tools_guestinfo_set(struct tools *t, const char *key, const char *value)
{
    assert_ptr_equal(t, alphas_tools);
    snprintf(guestinfo_key, sizeof(guestinfo_key), "%s", key);
    snprintf(guestinfo_value, sizeof(guestinfo_value), "%s", value);
    return order_result;
}

bool tools_guestinfo_get(struct tools *t, const char *key, char *text, size_t text_size,
                         size_t *size)
{
    assert_ptr_equal(t, alphas_tools);
    snprintf(text, text_size, "some");
    *size = 4;
    return strcmp(key, "guestinfo.x") == 0;
}

bool tools_guestinfo_next(struct tools *t, size_t *cursor, char *key, size_t key_size, char *text,
                          size_t text_size, size_t *size)
{
    assert_ptr_equal(t, alphas_tools);
    snprintf(key, key_size, "guestinfo.k%zu", *cursor);
    snprintf(text, text_size, "value");
    *size = *cursor == 0 ? 5 : 1000;
    return (*cursor)++ < 2;
}

void machine_power_off(void)
{
    longjmp(machine_end, 1);
}

void machine_reset(void)
{
    longjmp(machine_end, 2);
}

// ---- What the operator does, and the VMs that there are ----

static void type(const char *text)
{
    char line[128];
    output[0] = '\0';
    strcpy(line, text);
    operator->command(line);
}

static inline void assert_says(const char *text)
{
    if (strstr(output, text) == NULL) {
        print_error("no \"%s\" in:\n%s", text, output);
        fail();
    }
}

static void assert_answer(const char *command, const char *answer)
{
    type(command);
    assert_string_equal(output, answer);
}

static void make_vm(unsigned i, const char *name, enum vm_state state, unsigned cpus)
{
    strcpy(configs[i].name, name);
    configs[i].memory = 256 << 20;
    configs[i].cpus = cpus;
    configs[i].weight = 100;
    configs[i].bootargs = "console=ttyAMA0";
    vms[i] = (struct vm){.config = &configs[i], .number = i, .state = state};
    vms[i].owner = (owner_t)(OWNER_VM + i);
    vms[i].console = (struct console_vm *)&configs[i];
    for (unsigned n = 0; n < cpus && state != VM_DESTROYED; n++) {
        vcpus[i][n] = (struct vcpu){.vm = &vms[i], .index = n, .last_cpu = (int)n};
        vms[i].vcpu[n] = &vcpus[i][n];
    }
}

static int start(void **state)
{
    (void)state;
    vm_count = 3;
    make_vm(0, "alpha", VM_RUNNING, 2);
    configs[0].guest_tools = configs[1].guest_tools = true;
    vms[0].tools = alphas_tools;
    make_vm(1, "alps", VM_OFF, 1);
    make_vm(2, "beta", VM_DESTROYED, 4);
    vcpus[0][0].count.n[CNT_EXIT_HVC] = 40;
    vcpus[0][1].count.n[CNT_EXIT_HVC] = 2;
    vcpus[0][1].count.n[CNT_MMIO_UART] = 7;
    vcpus[0][0].run_total = 1234567;
    vcpus[0][0].regs.pc = 0xffff800008001234;
    cpu_count = 2;
    percpus[0] = (struct percpu){.online = true, .current = &vcpus[0][0]};
    percpus[1] = (struct percpu){.online = true, .idle = true, .mpidr = 0x100};
    ordered = NULL;
    started = false;
    closed = false;
    order_result = 0;
    focused = vms[0].console;
    armed = NULL;
    monitor_init();
    return 0;
}
