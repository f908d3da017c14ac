// SPDX-License-Identifier: Apache-2.0
// The monitor's commands as an operator types them; what is below and beside the monitor are
// stand-ins.
#include "call/tools.h"
#include "con/console.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/log.h"
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
static unsigned told, to_tell; // runs, of which the last is told when all has been looked at

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
    s->ended = told + 1 >= to_tell;
    if (told == to_tell) {
        return SCAN_ENDED;
    }
    *out = (struct scan_run){
        .va = told * UINT64_C(0x2000), .last = told * UINT64_C(0x2000) + 0xfff, SCAN_MAPPED};
    told++;
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
static enum tools_order told;
static char guestinfo_key[64], guestinfo_value[64];

int tools_order(struct tools *t, enum tools_order order)
{
    assert_ptr_equal(t, alphas_tools);
    told = order;
    return order_result;
}

void tools_resumed(struct tools *t)
{
    assert_ptr_equal(t, alphas_tools);
    told = ORDER_SYNC_TIME;
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

// ---- Tests ----

static void type(const char *text)
{
    char line[128];
    output[0] = '\0';
    strcpy(line, text);
    operator->command(line);
}

static void assert_says(const char *text)
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

static void test_list(void **state)
{
    (void)state;
    type("vm list");
    assert_says("* alpha            running      2    256    100     1.234s           42\n");
    assert_says("  alps             off          1 ");
    assert_says("  beta             destroyed    4 ");
    type("vm info alps");
    assert_null(strstr(output, "wake-up"));
    vms[1].after_stop = VM_SLEEP;
    vms[1].wakeup.setting.enabled = true;
    vms[1].wakeup.setting.at = (int64_t)(timer_now() / timer_frequency()) + 70;
    type("vm list");
    assert_says("  alps             asleep       1 ");
    type("vm info alps");
    assert_says("state     asleep\n");
    assert_says("wake-up   in 70 s\n");
    vms[1].wakeup.setting.pending = true; // and it has been started because of it
    type("vm list");
    assert_says("  alps             off          1 ");
    vms[1].wakeup.setting.pending = vms[1].wakeup.setting.enabled = false;
}

static void test_orders(void **state)
{
    (void)state;
    assert_answer("vm start alps", "");
    assert_true(started);
    assert_ptr_equal(ordered, &vms[1]);
    assert_answer("  vm   stop  alpha ", "");
    assert_ptr_equal(ordered, &vms[0]);
    assert_int_equal(ordered_then, VM_STAY_OFF);
    assert_answer("vm reset alpha", "");
    assert_int_equal(ordered_then, VM_REBUILD);
    assert_answer("vm destroy alpha", "");
    assert_int_equal(ordered_then, VM_DESTROY);
    assert_answer("vm focus alps", "");
    assert_ptr_equal(focused, vms[1].console);
}

static void test_tools(void **state)
{
    (void)state;
    assert_answer("vm shutdown alpha", "");
    assert_int_equal(told, ORDER_SHUTDOWN);
    assert_answer("vm reboot alpha", "");
    assert_int_equal(told, ORDER_REBOOT);
    assert_answer("vm pause alpha", "");
    assert_answer("vm resume alpha", ""); // its clock stood still
    assert_int_equal(told, ORDER_SYNC_TIME);
    order_result = ERR_NOENT;
    assert_answer("vm shutdown alpha", "vm shutdown alpha: no tools run in alpha\n");
    order_result = ERR_BUSY;
    assert_answer("vm synctime alpha",
                  "vm synctime alpha: the tools of alpha have been told already\n");
    vms[0].state = VM_PAUSED;
    assert_answer("vm shutdown alpha", "vm shutdown alpha: alpha is paused\n");
    assert_answer("vm shutdown alps", "vm shutdown alps: alps is off\n");
    assert_answer("vm shutdown beta",
                  "vm shutdown beta: beta has no guest-tools in the manifest\n");
    type("vm info alpha");
    assert_says("tools     running; 40 requests, 1 of them unknown; 2 channels, 0 reclaimed\n"
                "version   12.2.0 (12352, type 4)\n"
                "guest     Debian GNU/Linux 12 (debian12-64)\n"
                "address   192.0.2.5\n");
}

static void test_guestinfo(void **state)
{
    (void)state;
    assert_answer("vm guestinfo alpha", "guestinfo.k0 = value\n"
                                        "guestinfo.k1 = value (5 of 1000 bytes)\n");
    assert_answer("vm guestinfo alpha guestinfo.x", "guestinfo.x = some\n");
    assert_answer("vm guestinfo alpha guestinfo.y",
                  "vm guestinfo alpha guestinfo.y: there is none\n");
    assert_answer("vm guestinfo alpha guestinfo.y one  two three", "");
    assert_string_equal(guestinfo_key, "guestinfo.y");
    assert_string_equal(guestinfo_value, "one two three");
    assert_answer("vm guestinfo alpha guestinfo.y \"\"", "");
    assert_string_equal(guestinfo_value, "");
    order_result = ERR_INVALID;
    assert_answer("vm guestinfo alpha y z",
                  "vm guestinfo alpha y: that is no key (guestinfo.NAME)\n");
    order_result = ERR_NOMEM;
    assert_answer("vm guestinfo alpha guestinfo.y z",
                  "vm guestinfo alpha guestinfo.y z: there is no room for it\n");
}

static void test_protect(void **state)
{
    (void)state;
    assert_answer("vm protect alpha 0x40200000+0x3000 r-x pause", "");
    assert_int_equal(protections, 1);
    assert_int_equal(protected.base, 0x40200000);
    assert_int_equal(protected.end, 0x40203000);
    assert_int_equal(protected.rights, S2_RX);
    assert_int_equal(protected.policy, OVERRIDE_PAUSE);
    assert_answer("vm protect alpha 1073741824+4096 rw-", "");
    assert_int_equal(protected.base, 0x40000000);
    assert_int_equal(protected.rights, S2_RW);
    assert_int_equal(protected.policy, OVERRIDE_FAULT);
    static const char *const wrong[] = {
        "0x40000000+0x800 rwx",
        "0x40000000 rwx",
        "0x40000000+ rwx",
        "+0x1000 rwx",
        "0x40000000+0x1000 --x",
        "0x40000000+0x1000 rw",
        "12g+4096 rwx",
        "0x+0x1000 rwx",
        "0x1000+0x1000 rwx wrong",
        "0x11111111111111000+0x1000 rwx",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "vm protect alpha %s", wrong[i]);
        type(line);
    }
    assert_int_equal(protections, 2);
    assert_answer("vm pause alpha", "");
    assert_int_equal(pauses, 1);
    assert_answer("vm resume alpha", "");
    assert_int_equal(pauses, 0);
}

static void test_refused_orders(void **state)
{
    (void)state;
    order_result = ERR_BUSY;
    assert_answer("vm start alpha", "vm start alpha: alpha is running\n");
    order_result = ERR_NOMEM;
    assert_answer("vm start beta", "vm start beta: not enough free memory for its 256 MiB\n");
    order_result = ERR_UNSUPPORTED;
    assert_answer("vm start beta", "vm start beta: not supported\n");
}

static void test_errors_name_the_wrong_word(void **state)
{
    (void)state;
    assert_answer("vm start foo", "vm start foo: no VM named \"foo\"\n");
    assert_answer("vmm list", "vmm: no such command; help lists them\n");
    assert_answer(
        "vm lst",
        "vm lst: no such command; there is list info start pause resume stop reset "
        "destroy focus stat shutdown reboot synctime guestinfo vars protect protections\n");
    assert_answer("vm",
                  "vm: what of it? list info start pause resume stop reset destroy focus stat "
                  "shutdown reboot synctime guestinfo vars protect protections\n");
    assert_answer("vm start", "vm start: wants NAME\n");
    assert_answer("vm list now", "vm list now: one word too many: \"now\"\n");
    assert_answer("vm stat alpha x", "vm stat alpha x: \"x\" is not a number\n");
    assert_answer("vm stat alpha 2", "vm stat alpha 2: 2 is too large; the largest is 1\n");
    assert_answer("vm stat alpha 99999999999",
                  "vm stat alpha 99999999999: \"99999999999\" is not a number\n");
    assert_answer("vm stat beta", "vm stat beta: beta is destroyed\n");
    assert_answer("vcpu regs beta 0", "vcpu regs beta: beta is destroyed\n");
    assert_answer("vcpu list nope", "vcpu list nope: no VM named \"nope\"\n");
    assert_answer("a b c d e f g h i", "a b c d e f g h: too many words\n");
    assert_answer("help vm nope", "help vm nope: no command \"nope\"\n");
    assert_answer("help nope", "help nope: no command \"nope\"\n");
    assert_answer("", "");
    assert_answer("   ", "");
}

static void test_stat(void **state)
{
    (void)state;
    type("vm stat alpha");
    assert_says("COUNTER                   TOTAL     vcpu0      vcpu1 \n");
    assert_says("exit.hvc                     42         40          2  HVC\n");
    assert_says(
        "mmio.uart                     7          0          7  access to the virtual PL011\n");
    assert_null(strstr(output, "exit.smc"));
    type("vm stat alpha 1");
    assert_says("exit.hvc                      2  HVC\n");
}

static void test_stat_of_a_vm_that_is_destroyed_meanwhile(void **state)
{
    (void)state;
    destroyed_meanwhile = &vms[0];
    type("vm stat alpha");
    destroyed_meanwhile = NULL;
    assert_says("COUNTER ");
}

static void test_vcpus(void **state)
{
    (void)state;
    type("vcpu list");
    assert_says("alpha               0 off        0     1.234s           40  0xffff800008001234\n");
    assert_says("alps                0 ");
    assert_null(strstr(output, "beta"));
    type("vcpu list alps");
    assert_null(strstr(output, "alpha"));
    vcpus[0][1].state = VCPU_RUNNING;
    vcpus[0][1].regs.x[30] = 0xabc;
    type("vcpu regs alpha 1");
    assert_int_equal(vcpus[0][1].count.n[CNT_EXIT_IRQ], 1);
    assert_says("alpha vcpu 1: running, as of its last exit\n");
    assert_says("x30 0000000000000abc  pc  0000000000000000  pstate 00000000\n");
    assert_says("sctlr_el1 ");
}

static void test_machine(void **state)
{
    (void)state;
    now += 1000000;
    percpus[1].idle_ticks = 500000;
    type("cpu list");
    assert_says("  0 0x0             0%  alpha vcpu 0\n");
    assert_says("  1 0x100          49%  idle\n");
    vcpus[0][0].vm = (struct vm *)0x1234; // freed meanwhile
    type("cpu list");
    assert_says("  0 0x0             0%  newel\n");
    features.pauth = true;
    type("features");
    assert_says("pauth        yes ");
    assert_says("sve          - ");
    type("memory map");
    assert_says("newel                   2        512  image, manifest, tables\n");
    assert_says("alpha                 256      65536  RAM at 0x0");
    assert_says("beta                  256      65536  destroyed\n");
    assert_says("free                  200      51200  largest run 100 MiB\n");
    type("vm info alpha");
    assert_says("bootargs  console=ttyAMA0\n");
    static char longest[2048];
    memset(longest, 'a', 2047);
    longest[100] = 'b';
    longest[2046] = 'z';
    configs[0].bootargs = longest;
    type("vm info alpha");
    assert_says("\n          baaa");
    assert_says("aaaz\nconsole");
    assert_says("console   77 bytes lost");
}

static void test_log(void **state)
{
    (void)state;
    log_info("one");
    log_info("two");
    type("log");
    assert_says("one\ntwo\n");
    type("log 1");
    assert_string_equal(output, "two\n");
}

static void test_help_and_exit(void **state)
{
    (void)state;
    type("help");
    assert_says("  vm focus NAME              type to it");
    assert_says("  poweroff ");
    type("help vcpu");
    assert_says("  vcpu regs NAME VCPU ");
    assert_null(strstr(output, "vm list"));
    type("help vm list");
    assert_null(strstr(output, "vm start"));
    type("exit");
    assert_true(closed);
}

static void test_poweroff_waits_for_the_vms(void **state)
{
    (void)state;
    type("poweroff");
    int ended = setjmp(machine_end);
    if (ended == 0) {
        assert_non_null(armed);
        end_timer = armed;
        armed->expired(armed);
        assert_ptr_equal(ordered, &vms[0]);
        vms[0].state = VM_STOPPING;
        armed->expired(armed);
        vms[0].state = VM_OFF;
        armed->expired(armed);
        fail();
    }
    assert_int_equal(ended, 1);
}

// The order that came last holds, and a VM that does not stop is not waited for much longer.
static void test_reboot_does_not_wait_for_ever(void **state)
{
    (void)state;
    assert_non_null(end_timer); // still that of the order before this one
    type("reboot");
    vms[0].state = VM_BUILDING;
    int ended = setjmp(machine_end);
    if (ended == 0) {
        for (unsigned i = 0; i < 1000; i++) {
            end_timer->expired(end_timer);
        }
        fail();
    }
    assert_int_equal(ended, 2);
}

static void assert_completed(const char *line, const char *insert)
{
    char text[64] = "";
    operator->complete(line, strlen(line), text, sizeof(text));
    assert_string_equal(text, insert);
}

static void test_completion(void **state)
{
    (void)state;
    assert_completed("vm", " ");
    assert_completed("v", "");
    assert_completed("vc", "pu ");
    assert_completed("vm f", "ocus ");
    assert_completed("vm st", "");
    assert_completed("vm sta", "");
    assert_completed("vm star", "t ");
    assert_completed("vm start al", "p");
    assert_completed("vm start alph", "a ");
    assert_completed("vm start b", "eta ");
    assert_completed("vm start beta ", "");
    assert_completed("help vcpu r", "egs ");
    assert_completed("help fe", "atures ");
    assert_completed("zzz", "");
    assert_completed("zzz zz", "");
    assert_completed("po", "weroff ");
    assert_completed("", "");
}

static void test_input_reaches_a_running_vm_only(void **state)
{
    (void)state;
    operator->vm_input(&vms[0], (const uint8_t *)"k", 1);
    assert_int_equal(received[0], 'k');
    operator->vm_input(&vms[1], (const uint8_t *)"k", 1);
}

// Whatever is typed, an answer comes and nothing breaks.
// One at a time; what it finds is in other tests.
static void test_scan(void **state)
{
    (void)state;
    vms[0].state = VM_RUNNING;
    assert_answer(
        "scan alpha 0x1000",
        "scan alpha 0x1000: it is START+SIZE, --user, --kernel, --ttbr, --host or --stop\n");
    assert_answer("scan alpha 0xffffffffffffffff+2",
                  "scan alpha 0xffffffffffffffff+2: it is START+SIZE, --user, --kernel, --ttbr, "
                  "--host or --stop\n");
    assert_answer("scan alpha 0x1000+1 --kernel", "scan alpha 0x1000+1: that is an empty range\n");
    assert_null(queued);
    assert_answer("scan alpha 0xffffffffffffffff+1 --kernel", "");
    assert_non_null(queued);
    assert_answer("scan alpha", "scan alpha: a scan of alpha goes on; --stop ends it\n");
    assert_false(queued->step(queued)); // sched_borrow() says that it is off
    queued = NULL;
    assert_answer("scan alpha --stop", "scan alpha: there is no scan of it\n");
    assert_answer("scan alpha --user", "");
    assert_answer("scan beta --stop", "scan beta: there is no scan of it\n");
    assert_answer("scan alpha --stop", "");
    assert_false(queued->step(queued));
    queued = NULL;
    assert_answer("scan alpha --ttbr", "scan alpha --ttbr: --ttbr takes a TTBR0_EL1 or, with "
                                       "--kernel, a TTBR1_EL1\n");
    assert_answer("scan alpha --ttbr 0x1000",
                  "scan alpha --ttbr: no table in alpha's RAM begins at that TTBR\n");
    assert_answer("scan alpha --ttbr 0x40000008",
                  "scan alpha --ttbr: no table in alpha's RAM begins at that TTBR\n");
    assert_null(queued);
    vms[0].state = VM_OFF;
    assert_answer("scan alpha", "scan alpha: alpha is off\n");
}

// A run that ends the range is told, however many come before it in the same piece of work.
static void test_all_that_a_scan_finds(void **state)
{
    (void)state;
    vms[0].state = VM_RUNNING;
    for (to_tell = 1; to_tell < 20; to_tell++) {
        char last[64];

        queued = NULL;
        told = 0;
        assert_answer("scan alpha", "");
        while (queued->step(queued)) {
        }
        assert_int_equal(told, to_tell);
        snprintf(last, sizeof(last), "0x%x+0x1000 -> ", (to_tell - 1) * 0x2000);
        assert_non_null(strstr(output, last));
        snprintf(last, sizeof(last), "scan: alpha: done; %u runs", to_tell);
        assert_non_null(strstr(output, last));
    }
    to_tell = 0;
}

static void test_watch_and_dump(void **state)
{
    (void)state;
    vms[0].state = VM_RUNNING;
    queued = NULL;
    assert_answer("watch alpha", "");
    assert_answer("watch alpha 0x1800+0x1000",
                  "watch alpha 0x1800+0x1000: a range is START+SIZE, both multiples of 0x1000\n");
    assert_answer("watch alpha 0xfffffffffffff000+0x2000",
                  "watch alpha 0xfffffffffffff000+0x2000: a range is START+SIZE, both multiples of "
                  "0x1000\n");
    assert_answer("watch alpha 0x1000+0x1000 fault",
                  "watch alpha 0x1000+0x1000 fault: it is log or pause\n");
    assert_null(queued);
    assert_answer("watch alpha 0x1000+0x1000 pause", "");
    assert_answer("watch alpha 0x1000+0x1000",
                  "watch alpha: a range of alpha is still being looked for code\n");
    assert_answer("unwatch alpha", "");
    assert_false(queued->step(queued));
    assert_non_null(strstr(output, "watch: alpha: stopped; nothing is watched"));
    assert_answer("watch alpha 0x1000+0x1000 pause", "");
    assert_answer("unwatch beta", "");
    assert_false(queued->step(queued));
    assert_non_null(strstr(output, "watch: alpha: its vCPU is off; nothing is watched"));
    queued = NULL;
    assert_answer("dump alpha --end", "dump alpha: there is no dump of it\n");
    assert_answer("dump alpha --stop", "dump alpha --stop: it is --end\n");
    assert_answer("dump alpha", "dump alpha: no memory for the headers\n");
    assert_null(queued);
    vms[0].state = VM_OFF;
    assert_answer("watch alpha 0x1000+0x1000", "watch alpha: alpha is off\n");
    assert_answer("dump alpha", "dump alpha: alpha is off\n");
}

static void test_any_line(void **state)
{
    (void)state;
    static const char *const words[] = {
        "vm",  "vcpu", "list", "stat", "regs", "help", "alpha",  "0",       "1",   "9",
        "log", "map",  "cpu",  "info", "x",    "%s%n", "memory", "protect", "r-x", "0x1000+0x1000"};
    uint32_t seed = 7;
    for (unsigned i = 0; i < 20000; i++) {
        char line[128] = "";
        seed = seed * 1664525 + 1013904223;
        for (unsigned n = 0; n < 1 + (seed >> 28) % 10; n++) {
            seed = seed * 1664525 + 1013904223;
            strcat(line, words[(seed >> 16) % (sizeof(words) / sizeof(words[0]))]);
            strcat(line, seed & 0x80000000 ? " " : "  ");
        }
        char insert[64] = "";
        operator->complete(line, strlen(line), insert, sizeof(insert));
        type(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_list, start),
        cmocka_unit_test_setup(test_orders, start),
        cmocka_unit_test_setup(test_tools, start),
        cmocka_unit_test_setup(test_guestinfo, start),
        cmocka_unit_test_setup(test_protect, start),
        cmocka_unit_test_setup(test_refused_orders, start),
        cmocka_unit_test_setup(test_errors_name_the_wrong_word, start),
        cmocka_unit_test_setup(test_stat, start),
        cmocka_unit_test_setup(test_stat_of_a_vm_that_is_destroyed_meanwhile, start),
        cmocka_unit_test_setup(test_vcpus, start),
        cmocka_unit_test_setup(test_machine, start),
        cmocka_unit_test_setup(test_log, start),
        cmocka_unit_test_setup(test_help_and_exit, start),
        cmocka_unit_test_setup(test_completion, start),
        cmocka_unit_test_setup(test_input_reaches_a_running_vm_only, start),
        cmocka_unit_test_setup(test_scan, start),
        cmocka_unit_test_setup(test_watch_and_dump, start),
        cmocka_unit_test_setup(test_all_that_a_scan_finds, start),
        cmocka_unit_test_setup(test_any_line, start),
        cmocka_unit_test_setup(test_poweroff_waits_for_the_vms, start),
        cmocka_unit_test_setup(test_reboot_does_not_wait_for_ever, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
