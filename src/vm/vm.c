// SPDX-License-Identifier: Apache-2.0
#include "vm/vm.h"

#include "arch/cache.h"
#include "arch/sysreg_bits.h"
#include "call/backdoor.h"
#include "call/efi_vars.h"
#include "call/message.h"
#include "call/pvtime.h"
#include "con/console.h"
#include "cpu/features.h"
#include "cpu/hardening.h"
#include "cpu/machine.h"
#include "cpu/sve.h"
#include "cpu/switch.h"
#include "dev/rtc_host.h"
#include "irq/gic.h"
#include "irq/vtimer.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/print.h"
#include "park/page.h"
#include "trap/sysreg.h"
#include "vm/caches.h"
#include "vm/describe.h"
#include "vm/fill.h"
#include "vm/guest_fdt.h"

#include <string.h>

#define GIB UINT64_C(0x40000000)

#define SHOWN_TABLES 3 // for the pages of space_show(), in two 2 MiB of a gigabyte without RAM
_Static_assert(VM_MAX_VCPUS * sizeof(struct stolen_time) <= PAGE_SIZE, "records");

struct vm vms[MANIFEST_MAX_VMS];
size_t vm_count;

static bool stay_in_monitor;
static bool operator_ends_machine;

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[] = {
        [VM_OFF] = "off",           [VM_BUILDING] = "building",   [VM_RUNNING] = "running",
        [VM_STOPPING] = "stopping", [VM_DESTROYED] = "destroyed", [VM_PAUSED] = "paused",
    };
    return names[state];
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

// ---- what a VM is made of ----

static unsigned ipa_bits(const struct vm_config *config)
{
    unsigned bits = MAX(bit_last(VM_RAM_BASE + config->memory - 1) + 1, 32u);
    // From 35 bits on the walk begins where one entry maps 1 GiB.
    return config->memory >= GIB ? MAX(bits, MIN(35u, features.pa_bits)) : bits;
}

// vCPUs, each on its own 64-byte line, then timers, then their SVE registers, then the interrupt
// controller.
static size_t vcpu_stride(void)
{
    return align_up(sizeof(struct vcpu), 64);
}

static size_t sve_stride(const struct vm_config *config)
{
    return config->sve ? align_up(sve_area_size(features.sve_length), 64) : 0;
}

static size_t control_size(const struct vm_config *config)
{
    return config->cpus * (vcpu_stride() + align_up(vtimer_size(), 64) + sve_stride(config)) +
           align_up(vgic_size(config->cpus), 64);
}

static void make_vcpu(struct vm *vm, unsigned index, char *memory, char *timers)
{
    struct vcpu *v = (struct vcpu *)(memory + index * vcpu_stride());
    vm->vcpu[index] = v;
    v->vm = vm;
    v->index = index;
    v->mpidr = MPIDR_RES1 | index;
    v->state = VCPU_OFF;
    v->share = &vm->share;
    v->siblings_last = vm->siblings_last;
    v->affinity = vm->config->affinity;
    v->last_cpu = -1;
    v->vtimer = (struct vtimer *)(timers + index * align_up(vtimer_size(), 64));
    v->s2 = &vm->space.s2;
    v->vtcr = stage2_vtcr(&vm->space.s2);
    list_init(&v->queue);
    switch_init_vcpu(v);
    if (vm->config->hardened) {
        uint32_t cpus = v->affinity & (uint32_t)MASK(cpu_count - 1, 0);
        hardening_init_vcpu(v, (cpus & (cpus - 1)) == 0);
    }
    v->brk_calls = vm->config->backdoor_brk;
    vtimer_init(v);
}

// The last page of the VM's control memory, the only one of it that the guest sees. It has been
// zeroed; a guest without caches must not find in memory what was there before.
static void show_stolen(struct vm *vm)
{
    hpa_t page = hpa_add(vm->control, (vm->control_pages - 1) * PAGE_SIZE);
    vm->stolen = hpa_ptr(page);
    dcache_clean_inval_poc(vm->stolen, PAGE_SIZE);
    if (vm->config->hardened) { // nor does it find the calls that tell of it
        return;
    }
    int err = space_show(&vm->space, gpa(PV_TIME_BASE), page, PAGE_SIZE, S2_R, S2_NORMAL);
    CHECK(err == 0); // the pool has room for its tables
}

// The page of GICC's that is the machine's GICV, to which EL2 has put this VM's state.
static void show_cpu_interface(struct vm *vm)
{
    if (gic_config()->version == 2) {
        int err = space_show(&vm->space, gpa(VGIC_CPU_BASE), gic_config()->vcpu_interface,
                             PAGE_SIZE, S2_RW, S2_DEVICE);
        CHECK(err == 0);
    }
}

static int make_control(struct vm *vm)
{
    unsigned cpus = vm->config->cpus;
    vm->control_pages = align_up(control_size(vm->config), PAGE_SIZE) / PAGE_SIZE + 1;
    int err = frames_alloc(vm->owner, vm->control_pages, 1, &vm->control);
    if (err) {
        return err;
    }
    char *memory = hpa_ptr(vm->control);
    zero_pages(memory, vm->control_pages * PAGE_SIZE);
    char *timers = memory + cpus * vcpu_stride();
    char *sve = timers + cpus * align_up(vtimer_size(), 64);
    size_t sve_size = sve_stride(vm->config);
    memset(vm->siblings_last, VCPU_NONE, sizeof(vm->siblings_last));
    vm->share = (struct sched_share){.weight = vm->config->weight};
    for (unsigned i = 0; i < cpus; i++) {
        make_vcpu(vm, i, memory, timers);
        vm->vcpu[i]->sve = sve_size != 0 ? sve + i * sve_size : NULL;
    }
    vm->vgic = vgic_create(sve + cpus * sve_size, vm->vcpu, cpus);
    show_stolen(vm);
    show_cpu_interface(vm);
    guest_flash_show(&vm->flash, vm->config, &vm->space);
    return 0;
}

static int make_space(struct vm *vm)
{
    const struct vm_config *c = vm->config;
    const struct space_config config = {
        .ipa_bits = ipa_bits(c),
        .owner = vm->owner,
        .base = gpa(VM_RAM_BASE),
        .ram = vm->ram,
        .size = c->memory,
        .lazy = c->lazy,
        .small_pages = c->small_pages,
    };
    int err = pool_create(&vm->pool, vm->owner,
                          stage2_pages_needed(ipa_bits(c), c->memory) + SHOWN_TABLES +
                              c->firmware_image.size / BLOCK_SIZE + 2);
    if (err) {
        return err;
    }
    err = space_init(&vm->space, &vm->pool, &config);
    if (err) {
        pool_destroy(&vm->pool);
        return err;
    }
    vmid_renew(&vm->space.s2.vmid); // so that VMID 0 stays that of no VM in maintenance, too
    return 0;
}

// The state of its tools, and the ports by which they reach it.
static int make_tools(struct vm *vm)
{
    vm->ports.count = 0;
    if (!vm->config->guest_tools) {
        return 0;
    }
    vm->tools = tools_create(vm->config, vm->owner);
    if (vm->tools == NULL) {
        return ERR_NOMEM;
    }
    backdoor_add(&vm->ports);
    if (vm->config->test_ports) {
        port_add_test_devices(&vm->ports, vm->number);
    }
    return 0;
}

static int make_firmware(struct vm *vm)
{
    if (vm->config->firmware == FIRMWARE_UEFI) {
        return guest_flash_make(&vm->flash, vm->config, vm->owner);
    }
    if (vm->config->firmware == FIRMWARE_NONE) {
        return 0;
    }
    vm->vars = efi_vars_create(vm->config, vm->owner);
    return vm->vars != NULL ? 0 : ERR_NOMEM;
}

static void destroy_services(struct vm *vm)
{
    if (vm->tools != NULL) {
        tools_destroy(vm->tools);
        vm->tools = NULL;
    }
    if (vm->vars != NULL) {
        efi_vars_destroy(vm->vars);
        vm->vars = NULL;
    }
    guest_flash_free(&vm->flash, vm->owner);
}

// All the memory a VM will ever have, at once: afterwards nothing that its guest does can fail for
// want of it.
static int reserve(struct vm *vm)
{
    const struct vm_config *c = vm->config;
    uint64_t align = c->memory >= GIB ? GIB : BLOCK_SIZE;
    int err = frames_alloc(vm->owner, c->memory / PAGE_SIZE, align / PAGE_SIZE, &vm->ram);
    if (err && align > BLOCK_SIZE) {
        err = frames_alloc(vm->owner, c->memory / PAGE_SIZE, BLOCK_SIZE / PAGE_SIZE, &vm->ram);
    }
    if (err) {
        return err;
    }
    err = make_tools(vm);
    err = err ? err : make_firmware(vm);
    err = err ? err : make_space(vm);
    if (!err) {
        err = make_control(vm);
        if (err) {
            space_destroy(&vm->space);
            pool_destroy(&vm->pool);
        }
    }
    if (err) {
        destroy_services(vm);
        frames_free(vm->owner, vm->ram, c->memory / PAGE_SIZE);
    }
    return err;
}

static void set_state(struct vm *vm, enum vm_state state)
{
    spin_lock(&vm->lock);
    vm->state = state;
    spin_unlock(&vm->lock);
}

// Off, and not by an alarm that is on its way: wake() takes it with the lock as well.
static bool is_off_for_good(struct vm *vm)
{
    uint64_t seconds;
    spin_lock(&vm->lock);
    bool off = (vm->state == VM_OFF || vm->state == VM_DESTROYED) && !vm_sleeps(vm, &seconds);
    spin_unlock(&vm->lock);
    return off;
}

static void announce_off(void)
{
    for (size_t i = 0; i < vm_count; i++) {
        if (!is_off_for_good(&vms[i])) {
            return;
        }
    }
    if (operator_ends_machine) {
        return;
    }
    if (!stay_in_monitor) {
        log_info("the last VM is off");
        machine_power_off();
    }
    log_info("the last VM is off; the monitor stays");
    console_open_prompt();
}

static void tell_off(struct vm *vm)
{
    uint64_t seconds;
    if (vm_sleeps(vm, &seconds)) {
        log_info("%s: off, wakes up in %lu s", vm->config->name, seconds);
    } else {
        log_info("%s: off", vm->config->name);
    }
    announce_off();
}

// ---- building: in steps, by Newel's own work ----

static void clock_moved(struct pl031 *rtc, int64_t by)
{
    wakeup_clock_moved(&container_of(rtc, struct vm, rtc)->wakeup, by);
}

static void reset_machine(struct vm *vm)
{
    vgic_reset(vm->vgic);
    memset(&vm->bus, 0, sizeof(vm->bus));
    pl011_init(&vm->uart, vm->vgic, console_vm_write, vm->console);
    vm->rtc.moved = clock_moved;
    pl031_init(&vm->rtc, vm->vgic, rtc_host_now());
    if (gic_config()->version == 2) {
        gic_frames_init_v2(&vm->gic);
    } else {
        gic_frames_init(&vm->gic, vm->config->cpus);
    }
    if (vm->tools != NULL) {
        tools_reset(vm->tools);
    }
    if (vm->vars != NULL) {
        efi_vars_reset(vm->vars, true);
    }
    bus_add(&vm->bus, &vm->gic.dist);
    bus_add(&vm->bus, &vm->gic.other);
    bus_add(&vm->bus, &vm->uart.dev);
    bus_add(&vm->bus, &vm->rtc.dev);
    guest_flash_reset(&vm->flash);
    bus_add(&vm->bus, &vm->flash.device.dev);
    uint64_t now = timer_now();
    for (unsigned i = 0; i < vm->config->cpus; i++) {
        vtimer_reset(vm->vcpu[i]);
        vtimer_set_offset(vm->vcpu[i], now);
        vm->vcpu[i]->attention = 0;
        vm->vcpu[i]->stolen = NULL; // until this guest asks
        vm->vcpu[i]->stolen_ticks = 0;
        vm->stolen[i].nanoseconds = 0;
    }
    vm->space.uncached = 0;
    tlbi_vmid(stage2_vttbr(&vm->space.s2)); // what the guest before this one left
    if (!vm->config->lazy) {
        coherence_filled(&vm->space.coherence, vm->ram, vm->config->memory);
    }
}

static void build_failed(struct vm *vm, const char *what, int err)
{
    log_warn("%s: %s: %s", vm->config->name, what, error_text(err));
    set_state(vm, VM_OFF);
    announce_off();
}

// It has been claimed.
static void start_vcpu(struct vcpu *v, uint64_t entry, uint64_t arg)
{
    vcpu_reset(v, gpa(entry), arg);
    caches_start(v);
    sched_start(v);
}

static uint64_t entry_of(const struct vm *vm)
{
    return vm->config->firmware == FIRMWARE_UEFI ? FLASH_BASE : VM_RAM_BASE + vm->plan.kernel;
}

// All count as on before one executes anything: the first instruction may turn its vCPU off, or
// another one on.
static void start_vcpus(struct vm *vm)
{
    unsigned count = vm->config->cpu_boot == CPU_BOOT_PSCI ? 1 : vm->config->cpus;
    for (unsigned i = 0; i < count; i++) {
        CHECK(sched_claim(vm->vcpu[i]));
    }
    start_vcpu(vm->vcpu[0], entry_of(vm), VM_RAM_BASE + vm->plan.dtb);
    for (unsigned i = 1; i < count; i++) {
        start_vcpu(vm->vcpu[i], park_entry(describe_mailbox(vm, i)), 0);
    }
}

static void build_finish(struct vm *vm)
{
    int err = describe_vm(vm);
    if (err) {
        build_failed(vm, "not described", err);
        return;
    }
    reset_machine(vm);
    vm->starts++;
    set_state(vm, VM_RUNNING);
    log_info("%s: %lu MiB, %u vCPUs, started", vm->config->name, vm->config->memory >> 20,
             vm->config->cpus);
    start_vcpus(vm);
}

// What NVRAM has of it, and its firmware, is there; some more of it after each call.
static bool is_loaded(struct vm *vm)
{
    return (vm->vars == NULL || efi_vars_load(vm->vars)) &&
           !guest_flash_fill_step(&vm->flash, vm->config);
}

// Nothing of it is on its way to NVRAM.
static bool is_idle(struct vm *vm)
{
    return (vm->vars == NULL || efi_vars_is_idle(vm->vars)) && guest_flash_is_idle(&vm->flash);
}

static bool build_step(struct work *work)
{
    struct vm *vm = container_of(work, struct vm, work);
    if (vm->progress == vm->config->memory) {
        // What the guest before has asked for is none of this one's answers.
        if (!is_loaded(vm) || !is_idle(vm)) {
            return true; // NVRAM's work comes in between
        }
        build_finish(vm);
        return false;
    }
    int err = fill_step(vm, vm->progress);
    if (err) {
        build_failed(vm, "not loaded", err);
        return false;
    }
    vm->progress += BLOCK_SIZE;
    return true;
}

// What the guest before left: where its pages were, and what they were protected from.
static bool reset_step(struct work *work)
{
    struct vm *vm = container_of(work, struct vm, work);
    if (!space_reset_step(&vm->space, &vm->progress)) {
        vm->progress = 0;
        vm->work.step = build_step;
    }
    return true;
}

static void build(struct vm *vm)
{
    vm->progress = 0;
    vm->work.step = reset_step;
    sched_work(&vm->work);
}

// ---- destroying ----

#define FREE_STEP UINT64_C(0x4000000)

// The lock keeps them for whoever holds it.
static void forget_vcpus(struct vm *vm)
{
    spin_lock(&vm->lock);
    memset(vm->vcpu, 0, sizeof(vm->vcpu));
    vm->vgic = NULL;
    destroy_services(vm);
    spin_unlock(&vm->lock);
}

static bool destroy_step(struct work *work)
{
    struct vm *vm = container_of(work, struct vm, work);
    if (vm->progress < vm->config->memory) {
        uint64_t size = MIN(FREE_STEP, vm->config->memory - vm->progress);
        frames_free(vm->owner, hpa_add(vm->ram, vm->progress), size / PAGE_SIZE);
        vm->progress += size;
        return true;
    }
    if (!is_idle(vm)) {
        return true; // NVRAM's work comes in between
    }
    tlbi_vmid(stage2_vttbr(&vm->space.s2));
    space_destroy(&vm->space);
    pool_destroy(&vm->pool);
    forget_vcpus(vm);
    frames_free(vm->owner, vm->control, vm->control_pages);
    CHECK(frames_owned_by(vm->owner) == 0);
    console_vm_flush(vm->console);
    console_vm_set_present(vm->console, false);
    wakeup_forget(&vm->wakeup);
    set_state(vm, VM_DESTROYED); // from here on another CPU may start it
    log_info("%s: destroyed", vm->config->name);
    announce_off();
    return false;
}

static void destroy(struct vm *vm)
{
    vm->progress = 0;
    vm->work.step = destroy_step;
    sched_work(&vm->work);
}

// ---- the operator's and the guest's orders ----

int vm_start(struct vm *vm)
{
    spin_lock(&vm->lock);
    int err = vm->state == VM_OFF || vm->state == VM_DESTROYED ? 0 : ERR_BUSY;
    bool made = vm->state == VM_OFF;
    if (!err) {
        err = made ? 0 : reserve(vm);
    }
    if (!err) {
        vm->state = VM_BUILDING;
        vm->after_stop = VM_STAY_OFF;
        (void)wakeup_take(&vm->wakeup); // one that came while it was off has been waited for
    }
    spin_unlock(&vm->lock);
    if (!err) {
        console_vm_set_present(vm->console, true);
        build(vm);
    }
    return err;
}

// The alarm's time has come, now or before the VM was off.
static void wake(struct vm *vm)
{
    spin_lock(&vm->lock);
    bool wakes = vm->state == VM_OFF && vm->after_stop == VM_SLEEP && !operator_ends_machine &&
                 wakeup_take(&vm->wakeup);
    if (wakes) {
        vm->state = VM_BUILDING;
    }
    spin_unlock(&vm->lock);
    if (wakes) {
        log_info("%s: wakes up", vm->config->name);
        build(vm);
    }
}

static void alarm_came(struct wakeup *w)
{
    wake(container_of(w, struct vm, wakeup));
}

static bool is_on(const struct vm *vm)
{
    return vm->state == VM_RUNNING || vm->state == VM_PAUSED;
}

int vm_protect(struct vm *vm, gpa_t base, uint64_t size, enum s2_rights rights,
               enum override_policy policy)
{
    spin_lock(&vm->lock);
    int err = is_on(vm) ? space_protect(&vm->space, base, size, rights, policy) : ERR_BUSY;
    spin_unlock(&vm->lock);
    return err;
}

int vm_pause(struct vm *vm)
{
    spin_lock(&vm->lock);
    int err = vm->state == VM_RUNNING ? 0 : ERR_BUSY;
    if (!err) {
        vm->state = VM_PAUSED;
        sched_set_paused(&vm->share);
        for (unsigned i = 0; i < vm->config->cpus; i++) {
            vcpu_notify(vm->vcpu[i], ATTN_PAUSE);
        }
    }
    spin_unlock(&vm->lock);
    if (!err) {
        log_info("%s: paused", vm->config->name);
    }
    return err;
}

int vm_resume(struct vm *vm)
{
    spin_lock(&vm->lock);
    int err = vm->state == VM_PAUSED ? 0 : ERR_BUSY;
    if (!err) {
        vm->state = VM_RUNNING;
        uint64_t ticks = sched_end_pause(&vm->share);
        for (unsigned i = 0; i < vm->config->cpus; i++) {
            vtimer_stood_still(vm->vcpu[i], ticks);
        }
        for (unsigned i = 0; i < vm->config->cpus; i++) {
            sched_resume(vm->vcpu[i]);
        }
    }
    spin_unlock(&vm->lock);
    return err;
}

int vm_stop(struct vm *vm, enum vm_after_stop then)
{
    spin_lock(&vm->lock);
    uint64_t seconds;
    bool off = vm->state == VM_OFF && then == VM_DESTROY;
    bool asleep = then == VM_STAY_OFF && vm_sleeps(vm, &seconds);
    int err = is_on(vm) || off || asleep ? 0 : ERR_BUSY;
    if (!err) {
        vm->after_stop = then;
    }
    if (!err && !asleep) {
        (void)sched_end_pause(&vm->share);
        vm->state = VM_STOPPING;
    }
    // With the lock, which vm_all_off() takes: all have been told before any of them is built anew
    // or freed.
    for (unsigned i = 0; i < vm->config->cpus && !err && !off && !asleep; i++) {
        vcpu_notify(vm->vcpu[i], ATTN_STOP);
    }
    spin_unlock(&vm->lock);
    if (off) {
        destroy(vm);
    }
    if (asleep) {
        tell_off(vm);
    }
    return err;
}

// A guest that asks while another order is under way gets that one.
void vm_power_off(struct vm *vm)
{
    (void)vm_stop(vm, VM_SLEEP);
}

void vm_reset(struct vm *vm)
{
    (void)vm_stop(vm, VM_REBUILD);
}

// Nothing of the VM is left that could come back by itself.
static void disarm(struct vm *vm)
{
    timer_cancel(&vm->rtc.alarm);
    for (unsigned i = 0; i < vm->config->cpus; i++) {
        vtimer_reset(vm->vcpu[i]);
    }
}

void vm_all_off(struct vm *vm)
{
    disarm(vm);
    spin_lock(&vm->lock);
    if (is_on(vm)) { // every vCPU turned itself off by PSCI: nothing can wake them
        vm->state = VM_STOPPING;
        vm->after_stop = VM_SLEEP;
    }
    CHECK(vm->state == VM_STOPPING);
    enum vm_after_stop then = vm->after_stop;
    if (then == VM_REBUILD) {
        vm->state = VM_BUILDING;
        vm->resets++;
    } else if (then != VM_DESTROY) {
        vm->state = VM_OFF;
    }
    spin_unlock(&vm->lock);
    switch (then) {
    case VM_REBUILD:
        console_vm_flush(vm->console);
        log_info("%s: reset", vm->config->name);
        build(vm);
        break;
    case VM_DESTROY:
        destroy(vm);
        break;
    case VM_STAY_OFF:
    case VM_SLEEP:
        console_vm_flush(vm->console);
        tell_off(vm);
        wake(vm); // if its time came while it was on its way
        break;
    }
}

void vms_keep_machine(void)
{
    operator_ends_machine = true;
}

static int check_vcpus(char *message, size_t message_size)
{
    for (unsigned i = 0; i < vm_count && gic_config()->version == 2; i++) {
        const struct vm_config *c = vms[i].config;
        if (c->cpus > VGIC_V2_MAX_VCPUS) {
            format(message, message_size,
                   "manifest: /vms/%s: cpus is %u: this machine has a GICv2, for %d vCPUs a VM",
                   c->name, c->cpus, VGIC_V2_MAX_VCPUS);
            return ERR_INVALID;
        }
    }
    return 0;
}

// Its traps cannot be lifted where they hide something.
static int check_hardening(const struct vm *vm, char *message, size_t message_size)
{
    struct direct_facts facts;
    char why[160];
    if (!vm->config->hardened) {
        return 0;
    }
    direct_read_facts(&facts);
    if (hardening_possible(&features, &vm->id_policy, &facts, why, sizeof(why))) {
        return 0;
    }
    format(message, message_size, "manifest: /vms/%s: detect-hardening: %s", vm->config->name, why);
    return ERR_UNSUPPORTED;
}

int vms_init(const struct manifest *manifest, char *message, size_t message_size)
{
    stay_in_monitor = manifest->stay_in_monitor;
    vm_count = manifest->vm_count;
    for (unsigned i = 0; i < vm_count; i++) {
        struct vm *vm = &vms[i];
        vm->config = &manifest->vm[i];
        vm->number = i;
        vm->owner = (owner_t)(OWNER_VM + i);
        vm->state = VM_DESTROYED;
        wakeup_init(&vm->wakeup, alarm_came);
        vm->console = console_vm_add(vm->config->name, vm);
        CHECK(load_plan(vm->config, &vm->plan) == 0); // the manifest's reader made sure
        sysreg_init_vm(vm);
        int err = check_hardening(vm, message, message_size);
        if (err) {
            return err;
        }
        if (vm->config->pmu && vm->id_policy.hide_pmu) {
            log_warn("%s: no PMU: the machine has none of version 3 with a private interrupt",
                     vm->config->name);
        }
    }
    if (check_vcpus(message, message_size)) {
        return ERR_INVALID;
    }
    bool any = false;
    // All of them have their memory before the first one starts: a manifest that asks for too much
    // is refused whole.
    for (unsigned i = 0; i < vm_count; i++) {
        struct vm *vm = &vms[i];
        int err = vm->config->autostart ? reserve(vm) : 0;
        if (err) {
            format(message, message_size, "manifest: /vms/%s: no room for %lu MiB: %s",
                   vm->config->name, vm->config->memory >> 20, error_text(err));
            return err;
        }
        vm->state = vm->config->autostart ? VM_OFF : VM_DESTROYED;
    }
    for (unsigned i = 0; i < vm_count; i++) {
        if (vms[i].config->autostart) {
            CHECK(vm_start(&vms[i]) == 0);
            any = true;
        } else {
            console_vm_set_present(vms[i].console, false);
        }
    }
    if (!any) {
        console_open_prompt();
    }
    return 0;
}
