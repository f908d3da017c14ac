// SPDX-License-Identifier: Apache-2.0
#include "boot/efi_services.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/firmware.h"
#include "arch/fp.h"
#include "arch/sysreg.h"
#include "arch/timer.h"
#include "boot/efi/efi.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "irq/gic.h"
#include "lib/bits.h"
#include "lib/log.h"

#include <string.h>

#define STACK_SIZE_EFI 0x10000u // 8.1 asks for 8 KiB
#define TURN_US        1000u
#define LEAST_US       200u // of a turn
#define LONG_S         10u

// The guard page is below.
static char stack[PAGE_SIZE + STACK_SIZE_EFI] __attribute__((aligned(PAGE_SIZE)));

static struct {
    uint64_t function[EFI_SERVICES];
    bool in_turns, faulted, said;
    bool under_way, closed; // atomic: each is set before the other is looked at
    unsigned cpu;           // which calls
    uint64_t began;
    struct firmware_context context;
    struct fp_regs fp;
} services;

// ---- What can be called ----

static bool lies_in(const struct platform *p, uint64_t at, uint64_t size, bool code)
{
    for (size_t i = 0; i < p->efi.part_count; i++) {
        const struct efi_part *part = &p->efi.part[i];
        if (at >= part->base && at - part->base < part->size &&
            size <= part->size - (at - part->base)) {
            return code ? part->attrs == EL2_TEXT_RX
                        : part->attrs == EL2_NORMAL_RW || part->attrs == EL2_NORMAL_RO;
        }
    }
    return false;
}

static int map_parts(const struct platform *p)
{
    int err = el2_unmap_page(ptr_hpa(stack));
    for (size_t i = 0; i < p->efi.part_count && err == 0; i++) {
        const struct efi_part *part = &p->efi.part[i];
        err = el2_map_range(hpa(part->base), part->size, part->attrs);
    }
    return err;
}

static const struct efi_runtime_services *find_services(const struct platform *p)
{
    uint64_t at = p->efi.system_table.v;
    const struct efi_system_table *system = (const void *)(uintptr_t)at;
    if (!is_aligned(at, 8) || !lies_in(p, at, sizeof(*system), false) ||
        system->header.signature != EFI_SYSTEM_TABLE_SIGNATURE) {
        return NULL;
    }
    const struct efi_runtime_services *runtime = system->runtime;
    at = (uint64_t)(uintptr_t)runtime;
    return is_aligned(at, 8) && lies_in(p, at, sizeof(*runtime), false) &&
                   runtime->header.signature == EFI_RUNTIME_SERVICES_SIGNATURE
               ? runtime
               : NULL;
}

static bool take_functions(const struct platform *p, const struct efi_runtime_services *runtime)
{
    static const enum efi_service called[] = {EFI_GET_VARIABLE, EFI_GET_NEXT_VARIABLE_NAME,
                                              EFI_SET_VARIABLE, EFI_QUERY_VARIABLE_INFO};
    for (size_t i = 0; i < ARRAY_SIZE(called); i++) {
        uint64_t at = runtime->function[called[i]];
        if (!is_aligned(at, 4) || !lies_in(p, at, 4, true)) {
            return false;
        }
        services.function[called[i]] = at;
    }
    return true;
}

// ---- Calling it ----

static const char *name_of(enum efi_service service)
{
    return service == EFI_GET_VARIABLE             ? "GetVariable"
           : service == EFI_GET_NEXT_VARIABLE_NAME ? "GetNextVariableName"
           : service == EFI_SET_VARIABLE           ? "SetVariable"
                                                   : "QueryVariableInfo";
}

static void end(void)
{
    __atomic_store_n(&services.under_way, false, __ATOMIC_SEQ_CST);
}

// False: it may not begin any more.
static bool begin(const struct efi_host_call *call)
{
    services.cpu = this_cpu()->id;
    __atomic_store_n(&services.under_way, true, __ATOMIC_SEQ_CST);
    if (services.faulted || __atomic_load_n(&services.closed, __ATOMIC_SEQ_CST)) {
        end();
        return false;
    }
    services.context = (struct firmware_context){0};
    services.fp = (struct fp_regs){0};
    for (size_t i = 0; i < ARRAY_SIZE(call->argument); i++) {
        services.context.x[i] = call->argument[i];
    }
    firmware_prepare(&services.context, services.function[call->service],
                     (uint64_t)(uintptr_t)stack + sizeof(stack), services.in_turns);
    services.said = false;
    services.began = timer_now();
    return true;
}

static enum firmware_left go_on(void)
{
    fp_borrow();
    fp_restore(&services.fp);
    enum firmware_left left = firmware_run(&services.context);
    fp_save(&services.fp);
    return left;
}

// No vCPU runs here, so the end of a turn is free to be used. A guest can set a timer for any
// moment: what has expired is served before, and what will expire does not end the turn at once.
static enum firmware_left take_turn(void)
{
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) | HCR_IMO);
    machine_interrupts();
    uint64_t now = timer_now();
    timer_set_turn(now + timer_ticks_from_us(LEAST_US), now + timer_ticks_from_us(TURN_US));
    enum firmware_left left = go_on();
    timer_set_slice(TIMER_NEVER);
    return left;
}

static void say_if_long(const struct efi_host_call *call)
{
    if (!services.said && timer_now() - services.began > LONG_S * timer_frequency()) {
        services.said = true;
        log_warn("UEFI: the firmware's %s takes more than %u s", name_of(call->service), LONG_S);
    }
}

static void say_fault(const struct efi_host_call *call)
{
    const struct firmware_context *c = &services.context;
    log_warn("UEFI: the firmware's %s made an exception: ESR 0x%lx FAR 0x%lx PC 0x%lx, called from "
             "0x%lx; it is not called any more",
             name_of(call->service), c->esr, c->far, c->pc, c->x[30]);
}

static bool call_firmware(struct efi_host_call *call)
{
    if (!services.under_way && !begin(call)) {
        call->status = EFI_DEVICE_ERROR;
        return true;
    }
    enum firmware_left left = services.in_turns ? take_turn() : go_on();
    if (left == FIRMWARE_INTERRUPTED) {
        say_if_long(call);
        return false;
    }
    services.faulted = left == FIRMWARE_FAULTED;
    call->status = services.faulted ? EFI_DEVICE_ERROR : services.context.x[0];
    if (services.faulted) {
        say_fault(call);
    }
    end();
    return true;
}

// ---- The end ----

static bool is_under_way(void)
{
    return __atomic_load_n(&services.under_way, __ATOMIC_SEQ_CST);
}

// A turn without Newel's timers and interrupts, of which none will be served any more: those that
// are pending but the timer's are left active, so that they end no turn again. The timer's may be
// the one that was being served.
static enum firmware_left take_last_turn(void)
{
    bool v2 = gic_config()->version == 2;
    uint32_t timer = gic_config()->ppi.el2_timer;
    el2_timer_set(TIMER_NEVER);
    cache_isb();
    gic_deactivate(v2, timer);
    for (uint32_t ack = gic_ack(v2); gic_intid(v2, ack) < GIC_SPURIOUS - 3; ack = gic_ack(v2)) {
        gic_eoi(v2, ack);
        if (gic_intid(v2, ack) == timer) {
            gic_deactivate(v2, ack);
        }
    }
    el2_timer_set(timer_now() + timer_ticks_from_us(TURN_US));
    return go_on();
}

void efi_services_finish(void)
{
    uint64_t deadline = timer_now() + LONG_S * timer_frequency();
    __atomic_store_n(&services.closed, true, __ATOMIC_SEQ_CST);
    while (is_under_way() && timer_now() < deadline) {
        if (services.cpu != this_cpu()->id) {
            cpu_relax(); // that one goes on by itself
            continue;
        }
        if (take_last_turn() != FIRMWARE_INTERRUPTED) {
            end();
        }
    }
    if (is_under_way()) {
        log_warn("UEFI: the firmware does not come to an end");
    }
}

void efi_services_abandon(void)
{
    __atomic_store_n(&services.closed, true, __ATOMIC_SEQ_CST); // or it may begin again meanwhile
    __atomic_store_n(&services.under_way, false, __ATOMIC_SEQ_CST);
}

efi_host_call_fn *efi_services_init(const struct platform *p, const char **why)
{
    if (p->efi.system_table.v == 0 || p->efi.part_count == 0) {
        *why = "the firmware does not tell its runtime services' code from their data";
        return NULL;
    }
    if (map_parts(p) != 0) {
        *why = "its runtime services cannot be mapped";
        return NULL;
    }
    memset(&services, 0, sizeof(services));
    const struct efi_runtime_services *runtime = find_services(p);
    if (runtime == NULL || !take_functions(p, runtime)) {
        *why = "its tables of services are not where they have to be";
        return NULL;
    }
    return call_firmware;
}

void efi_services_in_turns(void)
{
    services.in_turns = true;
}
