// SPDX-License-Identifier: Apache-2.0
// From an exit to the next entry: trap in, handler, and who goes next.
#include "trap/run.h"

#include "arch/sysreg.h"
#include "cpu/machine.h"
#include "cpu/sched.h"
#include "cpu/stolen.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "dev/uart_host.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "irq/vpmu.h"
#include "irq/vtimer.h"
#include "lib/check.h"
#include "lib/log.h"
#include "trap/inject.h"
#include "trap/trap.h"
#include "vm/vm.h"

struct trap_class {
    trap_handler *handler;
    enum counter counter;
};

static enum trap_result trap_unknown(struct vcpu *v, uint64_t esr)
{
    (void)v;
    (void)esr;
    return TRAP_UNHANDLED;
}

#pragma clang diagnostic push
#pragma clang diagnostic ignored \
    "-Winitializer-overrides" // the first line is for the classes not named
static const struct trap_class trap_classes[64] = {
    [0 ... 63] = {trap_unknown, CNT_EXIT_OTHER},
    [EC_WFX] = {trap_wfx, CNT_EXIT_WFX},
    [EC_CP14_RT] = {trap_cp14, CNT_EXIT_SYSREG},
    [EC_CP14_LS] = {trap_cp14, CNT_EXIT_SYSREG},
    [EC_CP14_RRT] = {trap_cp14, CNT_EXIT_SYSREG},
    [EC_FP] = {trap_fp, CNT_EXIT_FP},
    [EC_PAUTH] = {trap_pauth, CNT_EXIT_PAUTH},
    [EC_HVC64] = {trap_hvc, CNT_EXIT_HVC},
    [EC_SMC64] = {trap_smc, CNT_EXIT_SMC},
    [EC_IABT_LOWER] = {trap_instruction_abort, CNT_EXIT_IABT},
    [EC_SVE] = {trap_sve, CNT_EXIT_FP},
    [EC_SME] = {trap_absent, CNT_EXIT_OTHER},
    [EC_LS64] = {trap_absent, CNT_EXIT_OTHER},
    [EC_BREAKPT_LOWER] = {trap_debug, CNT_EXIT_DEBUG},
    [EC_SSTEP_LOWER] = {trap_debug, CNT_EXIT_DEBUG},
    [EC_WATCHPT_LOWER] = {trap_debug, CNT_EXIT_DEBUG},
    [EC_BKPT32] = {trap_debug, CNT_EXIT_DEBUG},
    [EC_BRK64] = {trap_debug, CNT_EXIT_DEBUG},
};
#pragma clang diagnostic pop

// What executing an instruction does to PSTATE besides its effect: BTYPE is 0 afterwards, and a
// single step is done (Arm ARM D2.12, D8.5). AArch32 at EL0 also moves on in its IT block.
static void skip_instruction(struct vcpu *v, uint64_t esr)
{
    uint64_t pstate = v->regs.pstate;
    if (unlikely(pstate & PSR_AARCH32)) {
        pstate = aarch32_advance_it(pstate);
        v->regs.pc -= esr & ESR_IL ? 0 : 2;
    }
    v->regs.pc += 4;
    v->regs.pstate = RECOMPUTED(pstate & ~PSR_BTYPE) & ~PSR_SS; // each an immediate
}

static OUTLINE void unhandled(struct vcpu *v, uint64_t esr)
{
    count(&v->count, CNT_UNHANDLED);
    log_guest("%s vcpu %u: unhandled exception, ESR 0x%lx at 0x%lx", v->vm->config->name, v->index,
              esr, v->regs.pc);
    inject_undef(v);
}

void trap_sync(struct vcpu *v, uint64_t esr)
{
    enum trap_result result;
    if (__builtin_expect_with_probability(
            ESR_EC(esr) == EC_DABT_LOWER, 1,
            0.6)) { // the two frequent ones, without the detour over the table
        count(&v->count, CNT_EXIT_DABT);
        result = trap_data_abort(v, esr);
    } else if (ESR_EC(esr) == EC_SYSREG) {
        count(&v->count, CNT_EXIT_SYSREG);
        result = trap_sysreg(v, esr);
    } else {
        const struct trap_class *class = &trap_classes[ESR_EC(esr)];
        count(&v->count, class->counter);
        result = class->handler(v, esr);
    }
    if (result == TRAP_EMULATED) {
        skip_instruction(v, esr);
    } else if (result == TRAP_UNHANDLED) {
        unhandled(v, esr);
    }
}

void trap_sync_checked(struct vcpu *v, uint64_t esr)
{
    if (abort_is_of_stage2(v, esr)) {
        trap_sync(v, esr);
    }
}

void trap_call(struct vcpu *v, uint64_t esr)
{
    count(&v->count, CNT_EXIT_HVC);
    trap_hvc(v, esr); // TRAP_RETRY: ELR_EL2 is past an HVC already
}

void trap_serror(struct vcpu *v, uint64_t esr)
{
    count(&v->count, CNT_EXIT_SERROR);
    inject_serror(v, esr);
}

// Of what the machine has of the vCPU's own.
static inline bool is_held(struct vcpu *v, uint32_t intid)
{
    const struct host_ppis *ppi = &gic_config()->ppi;
    return (intid == ppi->pmu && vpmu_interrupt(v)) ||
           (intid == ppi->physical_timer && vtimer_physical_interrupt(v));
}

// One acknowledged interrupt. v: the vCPU that ran, or NULL.
static inline __attribute__((always_inline)) void interrupt(struct vcpu *v, bool gicv2,
                                                            uint32_t ack)
{
    const struct host_ppis *ppi = &gic_config()->ppi;
    uint32_t intid = gic_intid(gicv2, ack);
    gic_eoi(gicv2, ack);
    if (intid == HOST_SGI_KICK) { // it has done its work by coming
        if (v != NULL) {
            count(&v->count, CNT_VIRQ_KICK);
        }
        gic_deactivate(gicv2, ack);
        return;
    }
    if (intid == ppi->virtual_timer && v != NULL) {
        count(&v->count, CNT_TIMER_VIRT);
        vtimer_interrupt(v); // stays active until the guest deactivates it
        return;
    }
    if (intid == ppi->el2_timer) {
        timer_interrupt();
    } else if (intid == ppi->maintenance && v != NULL) {
        count(&v->count, CNT_VIRQ_MAINTENANCE);
        vgic_maintenance(v->vgic);
    } else if (intid == HOST_SGI_STOP) {
        cpu_halt();
    } else if (intid >= 32) {
        uart_interrupt();
    } else if (v != NULL && is_held(v, intid)) {
        return; // stays active until its line has fallen
    }
    gic_deactivate(gicv2, ack);
}

static void flush_interrupts(struct vcpu *v)
{
    __atomic_and_fetch(&v->attention, ~(uint32_t)ATTN_VIRQ, __ATOMIC_ACQUIRE);
    vgic_flush(v->vgic);
}

static inline __attribute__((always_inline)) void irq(struct vcpu *v, bool gicv2)
{
    count(&v->count, CNT_EXIT_IRQ);
    uint32_t ack = gic_ack(gicv2);
    if (gic_intid(gicv2, ack) < GIC_SPURIOUS - 3) {
        interrupt(v, gicv2, ack);
    }
    if (__atomic_load_n(&v->attention, __ATOMIC_RELAXED) == ATTN_VIRQ) { // the common case
        flush_interrupts(v);
    }
}

void trap_irq(struct vcpu *v)
{
    irq(v, false);
}

void trap_irq_gicv2(struct vcpu *v)
{
    irq(v, true);
}

void machine_interrupts(void)
{
    bool v2 = gic_config()->version == 2;
    for (uint32_t ack = gic_ack(v2); gic_intid(v2, ack) < GIC_SPURIOUS - 3; ack = gic_ack(v2)) {
        interrupt(NULL, v2, ack);
    }
}

void machine_kick(unsigned cpu)
{
    gic_send_sgi(cpu, HOST_SGI_KICK);
}

static void save(struct vcpu *v)
{
    vgic_save(v->vgic);
    vtimer_save(v);
    vcpu_save(v);
}

static void load(struct vcpu *v)
{
    vtimer_load(v);
    vcpu_load(v);
    vgic_load(v->vgic);
    stolen_update(v);
}

static void turn_off(struct vcpu *v)
{
    struct vm *vm = v->vm;
    if (sched_off(v)) {
        vm_all_off(vm);
    }
}

// One that only waits for its turn hears its timer when it has it.
static void sleep(struct vcpu *v, uint32_t attention)
{
    if (attention & ATTN_PAUSE) {
        sched_pause(v);
        return;
    }
    vtimer_block(v);
    if (!vgic_signals(v->vgic)) {
        sched_block(v);
    }
}

// The vCPU is whole in memory, and asked for more than that another one may have its turn.
static OUTLINE void stop_running(struct vcpu *v, uint32_t attention)
{
    if (attention & (ATTN_STOP | ATTN_OFF)) {
        turn_off(v);
    } else {
        sleep(v, attention);
    }
}

// Saves the vCPU, if there is one, and loads the next. One function with all that it calls, called
// from one place: so little is stored on the stack.
struct vcpu *trap_leave(struct vcpu *v)
{
    if (likely(v != NULL)) {
        uint32_t attention =
            __atomic_load_n(&v->attention, __ATOMIC_RELAXED); // acquired when it is cleared
        if ((attention & ~(uint32_t)ATTN_VIRQ) == 0) {
            flush_interrupts(v);
            return v;
        }
        __atomic_and_fetch(&v->attention, ATTN_VIRQ | ATTN_STOP, __ATOMIC_ACQUIRE);
        save(v);
        if (unlikely(attention & (ATTN_STOP | ATTN_OFF | ATTN_BLOCK | ATTN_PAUSE))) {
            stop_running(v, attention);
        }
    }
    v = sched_next();
    load(v);
    return v;
}

noreturn void trap_run_cpu(void)
{
    vcpu_enter_first();
}
