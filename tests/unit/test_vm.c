// SPDX-License-Identifier: Apache-2.0
// A VM's life, its work done step by step by the test; scheduler and console are stand-ins.
#include "arch/bulk.h"
#include "arch/gic.h"
#include "arch/timer.h"
#include "arena.h"
#include "call/efi_vars.h"
#include "con/console.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/switch.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "mem/frames.h"
#include "vm/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define VCPUS 2

struct percpu percpus[MAX_CPUS];
unsigned cpu_count = 1;

static const uint32_t kernel[] = {0x14000000};
static struct manifest manifest = {.stay_in_monitor = true, .vm_count = 1};
static struct work *queued;
static struct vm *const vm = &vms[0];
static unsigned told; // vCPUs that heard of the stop
static bool present;
static struct fake_gic_cpu gic;

// ---- Stand-ins ----

struct percpu *cpu_local(void)
{
    return &percpus[0];
}

static bool locked(const struct vm *which)
{
    return which->lock.next != which->lock.owner;
}

bool sched_claim(struct vcpu *v)
{
    v->state = VCPU_CLAIMED;
    return true;
}

// From the first one on a guest executes: no vCPU of its VM is missing among those that are on.
void sched_start(struct vcpu *v)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_not_equal(vm->vcpu[i]->state, VCPU_OFF);
    }
    v->state = VCPU_READY;
}

void sched_set_paused(struct sched_share *share)
{
    share->paused = true;
}

uint64_t sched_end_pause(struct sched_share *share)
{
    share->paused = false;
    return 0;
}

void sched_resume(struct vcpu *v)
{
    (void)v;
}

void sched_work(struct work *work)
{
    assert_null(queued);
    queued = work;
}

bool sched_slice_expired(void)
{
    return false;
}

void vcpu_notify(struct vcpu *v, uint32_t attention)
{
    v->attention |= attention;
    if (attention & ATTN_STOP) {
        // Without the lock, the last vCPU's leaving could have the next one freed by now.
        assert_true(locked(vm));
        told++;
    }
}

void switch_init_vcpu(struct vcpu *v)
{
    v->loaded_cpu = v->fp_cpu = -1;
}

void vmid_new_generation(uint64_t generation)
{
    (void)generation;
}

void fp_borrow(void)
{
}

void bulk_zero(void *base, size_t size, bool to_poc)
{
    (void)to_poc;
    memset(base, 0, size);
}

void bulk_copy(void *to, const void *from, size_t size, bool to_poc)
{
    (void)to_poc;
    memcpy(to, from, size);
}

void machine_power_off(void)
{
    abort();
}

struct console_vm *console_vm_add(const char *name, void *owner)
{
    (void)name;
    return owner;
}

void console_vm_set_present(struct console_vm *c, bool is)
{
    (void)c;
    present = is;
    if (!is &&
        vm->starts > 0) { // once it is destroyed, another CPU may start it: too late for this
        assert_int_equal(vm->state, VM_STOPPING);
    }
}

void console_vm_flush(struct console_vm *c)
{
    (void)c;
}

void console_vm_write(void *console_vm, uint8_t byte)
{
    (void)console_vm;
    (void)byte;
}

void console_open_prompt(void)
{
}

// ---- Tests ----

static void work(void)
{
    while (queued != NULL) {
        struct work *w = queued;
        queued = NULL;
        while (w->step(w)) {
        }
    }
}

static void leave(void)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        vm->vcpu[i]->state = VCPU_OFF;
    }
    vm_all_off(vm);
    work();
}

static int setup(void **state)
{
    char message[256];
    const struct mem_region ram = {arena_base(), 64 << 20};
    const struct s2_features s2 = {.pa_bits = 48, .vmid_bits = 8};
    vmid_setup(256);
    (void)state;
    manifest.vm[0] = (struct vm_config){.name = "one",
                                        .dtb_offset = DTB_ANYWHERE,
                                        .memory = 8 << 20,
                                        .cpus = VCPUS,
                                        .cpu_boot = CPU_BOOT_SPIN_TABLE,
                                        .weight = 100,
                                        .affinity = 1,
                                        .kernel = {kernel, sizeof(kernel)},
                                        .bootargs = ""};
    gic.vtr = fake_gic_vtr(4);
    fake_gic = &gic;
    stage2_setup(&s2);
    timer_init_cpu();
    assert_int_equal(frames_init(&ram, 1, NULL, 0), 0);
    assert_int_equal(vms_init(&manifest, message, sizeof(message)), 0);
    return 0;
}

static void start(void)
{
    assert_int_equal(vm_start(vm), 0);
    work();
    assert_int_equal(vm->state, VM_RUNNING);
    assert_true(present);
    assert_int_equal(vm->vcpu[0]->state, VCPU_READY);
    assert_int_equal(vm->vcpu[0]->attention & ATTN_STOP, 0);
    told = 0;
}

static void test_stop_tells_every_vcpu_before_any_is_gone(void **state)
{
    (void)state;
    start();
    assert_int_equal(vm_stop(vm, VM_STAY_OFF), 0);
    assert_int_equal(told, VCPUS);
    assert_false(locked(vm));
    leave();
    assert_int_equal(vm->state, VM_OFF);
}

static void test_reset_takes_the_stop_back(void **state)
{
    (void)state;
    start();
    assert_int_equal(vm_stop(vm, VM_REBUILD), 0);
    leave();
    assert_int_equal(vm->state, VM_RUNNING);
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(vm->vcpu[i]->attention, 0);
    }
    assert_int_equal(vm_stop(vm, VM_STAY_OFF), 0);
    leave();
}

// What the guest before asked for may be on its way to NVRAM yet.
static void test_reset_waits_for_nvram(void **state)
{
    (void)state;
    start();
    vm->vars = efi_vars_create(vm->config, vm->owner);
    assert_non_null(vm->vars);
    vm->vars->change.busy = true;
    vm->vars->loaded = true;
    for (unsigned i = 0; i < VCPUS; i++) {
        vm->vcpu[i]->state = VCPU_OFF;
    }
    assert_int_equal(vm_stop(vm, VM_REBUILD), 0);
    vm_all_off(vm);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(queued->step(queued));
    }
    assert_int_equal(vm->state, VM_BUILDING);
    vm->vars->answer[1] = (struct efi_vars_answer){.is_there = true, .hash = 1};
    vm->vars->change.busy = false;
    work();
    assert_int_equal(vm->state, VM_RUNNING);
    assert_false(vm->vars->answer[1].is_there);
    assert_int_equal(vm_stop(vm, VM_DESTROY), 0);
    leave();
}

// ---- Its alarm ----

static void set_alarm(int64_t seconds)
{
    int64_t at = (int64_t)(timer_now() / timer_frequency()) + seconds;
    wakeup_set(&vm->wakeup, &(struct wakeup_setting){.enabled = true, .at = at});
}

// As the timer's interrupt, when the time is there.
static void alarm_comes(void)
{
    vm->wakeup.setting.at = 0;
    vm->wakeup.timer.expired(&vm->wakeup.timer);
}

static void power_off(void)
{
    vm_power_off(vm);
    leave();
}

static void expect_asleep(bool asleep)
{
    uint64_t seconds;
    assert_int_equal(vm_sleeps(vm, &seconds), asleep);
}

static void test_alarm_starts_who_is_off_by_itself(void **state)
{
    (void)state;
    start();
    uint64_t starts = vm->starts;
    set_alarm(1000);
    expect_asleep(false);
    power_off();
    assert_int_equal(vm->state, VM_OFF);
    expect_asleep(true);
    alarm_comes();
    assert_int_equal(vm->state, VM_BUILDING);
    work();
    assert_int_equal(vm->state, VM_RUNNING);
    assert_int_equal(vm->starts, starts + 1);
    assert_true(wakeup_get(&vm->wakeup).pending);
    power_off(); // it has been started by this one, and not by another
    assert_int_equal(vm->state, VM_OFF);
    expect_asleep(false);
    start();
    for (unsigned i = 0; i < VCPUS; i++) { // by CPU_OFF, each for itself
        vm->vcpu[i]->state = VCPU_OFF;
    }
    set_alarm(1000);
    vm_all_off(vm);
    assert_int_equal(vm->state, VM_OFF);
    alarm_comes();
    work();
    assert_int_equal(vm->state, VM_RUNNING);
    power_off();
}

static void test_alarm_of_who_runs_waits(void **state)
{
    (void)state;
    start();
    set_alarm(1000);
    alarm_comes();
    assert_int_equal(vm->state, VM_RUNNING);
    assert_int_equal(vm_stop(vm, VM_REBUILD), 0); // a reset is no end
    leave();
    assert_int_equal(vm->state, VM_RUNNING);
    set_alarm(1000);
    vm_power_off(vm);
    alarm_comes(); // while it is on its way off
    assert_int_equal(vm->state, VM_STOPPING);
    leave();
    assert_int_equal(vm->state, VM_RUNNING);
    power_off();
    assert_int_equal(vm->state, VM_OFF);
}

// By the operator, as by its plug.
static void test_who_is_stopped_stays_so(void **state)
{
    (void)state;
    start();
    set_alarm(1000);
    assert_int_equal(vm_stop(vm, VM_STAY_OFF), 0);
    leave();
    expect_asleep(false);
    alarm_comes();
    assert_int_equal(vm->state, VM_OFF);
    start(); // and finds that its time has come
    assert_true(wakeup_get(&vm->wakeup).pending);
    power_off(); // which has done its work by this
    assert_int_equal(vm->state, VM_OFF);
    start();
    set_alarm(1000);
    power_off();
    expect_asleep(true);
    assert_int_equal(vm_stop(vm, VM_STAY_OFF), 0); // who sleeps can be stopped
    expect_asleep(false);
    assert_int_equal(vm_stop(vm, VM_STAY_OFF), ERR_BUSY);
    alarm_comes();
    assert_int_equal(vm->state, VM_OFF);
    start();
    set_alarm(1000);
    power_off();
    assert_int_equal(vm_stop(vm, VM_DESTROY), 0);
    alarm_comes();
    work();
    assert_int_equal(vm->state, VM_DESTROYED);
    assert_false(wakeup_get(&vm->wakeup).enabled);
    alarm_comes();
    assert_int_equal(vm->state, VM_DESTROYED);
}

// The last test: there is no way back.
static void test_nobody_wakes_up_at_the_machines_end(void **state)
{
    (void)state;
    manifest.vm[0].firmware = FIRMWARE_NONE;
    manifest.vm[0].kernel.size = sizeof(kernel);
    start();
    set_alarm(1000);
    power_off();
    expect_asleep(true);
    vms_keep_machine();
    alarm_comes();
    assert_int_equal(vm->state, VM_OFF);
    start();
    alarm_comes();
    power_off();
    assert_int_equal(vm->state, VM_OFF);
}

static void test_destroy_leaves_nothing(void **state)
{
    (void)state;
    start();
    assert_int_equal(vm_stop(vm, VM_DESTROY), 0);
    leave();
    assert_int_equal(vm->state, VM_DESTROYED);
    assert_false(present);
    assert_null(vm->vcpu[0]);
    assert_int_equal(frames_owned_by(vm->owner), 0);
}

// Destroyed before; filled by the work, not by the command that starts it.
static void test_firmware_is_in_its_flash(void **state)
{
    static uint8_t image[3 * BLOCK_SIZE / 2 + 5];
    (void)state;
    for (size_t i = 0; i < sizeof(image); i++) {
        image[i] = (uint8_t)(i * 7 >> 3);
    }
    manifest.vm[0].kernel.size = 0;
    manifest.vm[0].firmware = FIRMWARE_UEFI;
    manifest.vm[0].firmware_image = (struct blob){image, sizeof(image)};
    assert_int_equal(vm_start(vm), 0);
    assert_int_equal(vm->flash.filled, 0);
    work();
    assert_int_equal(vm->state, VM_RUNNING);
    uint8_t *cells = hpa_ptr(vm->flash.memory);
    for (size_t i = 0; i < FLASH_CELLS; i++) {
        assert_int_equal(cells[i], 0xff);
    }
    assert_memory_equal(cells + FLASH_CELLS, image, sizeof(image));
    for (size_t i = sizeof(image); i < align_up(sizeof(image), PAGE_SIZE); i++) {
        assert_int_equal(cells[FLASH_CELLS + i], 0xff);
    }
    cells[0] = 0x5a; // stays for the next one
    assert_int_equal(vm_stop(vm, VM_REBUILD), 0);
    leave();
    assert_int_equal(vm->state, VM_RUNNING);
    assert_int_equal(cells[0], 0x5a);
    assert_int_equal(vm_stop(vm, VM_DESTROY), 0);
    leave();
    assert_int_equal(frames_owned_by(vm->owner), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_tells_every_vcpu_before_any_is_gone),
        cmocka_unit_test(test_reset_takes_the_stop_back),
        cmocka_unit_test(test_reset_waits_for_nvram),
        cmocka_unit_test(test_alarm_starts_who_is_off_by_itself),
        cmocka_unit_test(test_alarm_of_who_runs_waits),
        cmocka_unit_test(test_who_is_stopped_stays_so),
        cmocka_unit_test(test_destroy_leaves_nothing),
        cmocka_unit_test(test_firmware_is_in_its_flash),
        cmocka_unit_test(test_nobody_wakes_up_at_the_machines_end),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
