// SPDX-License-Identifier: Apache-2.0
#include "lib/exc.h"

#include "lib/cpu.h"
#include "lib/gic.h"
#include "lib/test.h"

#define EL0_RETURN_SVC 0x7e1 /* the immediate vectors.S ends EL0 functions with */
#define EL0_STACK      4096

uint64_t exc_guarded_call(exc_fn fn, uint64_t arg, uint64_t *recover_sp);
uint64_t exc_el0_call(exc_fn fn, uint64_t arg, uint64_t *recover_sp, uint64_t el0_stack);
_Noreturn void exc_recover(uint64_t sp, uint64_t value);
void exc_dispatch(struct exc_frame *frame, unsigned vector);

USER_DATA static uint8_t el0_stacks[CPU_MAX][EL0_STACK] __attribute__((aligned(16)));

static void record(struct exc_info *info, const struct exc_frame *frame, unsigned vector)
{
    info->esr = read_sysreg(esr_el1);
    info->far = read_sysreg(far_el1);
    info->elr = frame->elr;
    info->spsr = frame->spsr;
    info->vector = vector;
}

static void on_sync(struct exc_frame *frame, unsigned vector)
{
    struct cpu *cpu = cpu_self();
    struct exc_info info;
    uint64_t sp = cpu->recover_sp;

    record(&info, frame, vector);
    if (cpu->mend && cpu->mend(frame, &info)) {
        return;
    }
    if (cpu->skip && ESR_EC(info.esr) != EC_SVC64) {
        cpu->skipped++;
        cpu->last = info;
        frame->elr += 4;
        return;
    }
    if (!sp) {
        test_abort("unexpected exception vector %u ESR 0x%lx FAR 0x%lx ELR 0x%lx cpu %u", vector,
                   info.esr, info.far, info.elr, cpu->index);
    }
    cpu->recover_sp = 0;
    cpu->caught = info;
    exc_recover(sp, vector < 8 || ESR_EC(info.esr) != EC_SVC64 ||
                        (info.esr & 0xffff) != EL0_RETURN_SVC);
}

static void default_irq(void)
{
    unsigned intid = gic_ack();

    if (intid < GIC_SPURIOUS - 3) {
        gic_eoi(intid);
    }
}

void exc_dispatch(struct exc_frame *frame, unsigned vector)
{
    struct cpu *cpu = cpu_self();

    switch (vector & 3) {
    case 0:
        on_sync(frame, vector);
        break;
    case 1:
        (cpu->irq ? cpu->irq : default_irq)();
        break;
    case 2:
        if (!cpu->fiq) {
            test_abort("unexpected FIQ, ELR 0x%lx", frame->elr);
        }
        cpu->fiq();
        break;
    default:
        test_abort("unexpected SError ESR 0x%lx ELR 0x%lx", read_sysreg(esr_el1), frame->elr);
    }
}

bool expect_exception(struct exc_info *info, exc_fn fn, uint64_t arg)
{
    struct cpu *cpu = cpu_self();
    uint64_t outer = cpu->recover_sp;
    bool taken = exc_guarded_call(fn, arg, &cpu->recover_sp);

    cpu->recover_sp = outer;
    *info = cpu->caught;
    return taken;
}

bool el0_exception(struct exc_info *info, exc_fn fn, uint64_t arg)
{
    struct cpu *cpu = cpu_self();
    uint64_t stack = (uint64_t)el0_stacks[cpu->index] + EL0_STACK;
    uint64_t outer = cpu->recover_sp;
    bool taken = exc_el0_call(fn, arg, &cpu->recover_sp, stack);

    cpu->recover_sp = outer;
    *info = cpu->caught;
    return taken;
}

void exc_skip_mode(bool on)
{
    struct cpu *cpu = cpu_self();

    cpu->skip = on;
    cpu->skipped = 0;
}

uint64_t exc_skipped(struct exc_info *last)
{
    struct cpu *cpu = cpu_self();

    if (last) {
        *last = cpu->last;
    }
    return cpu->skipped;
}

void exc_set_mend(exc_mend_fn fn)
{
    cpu_self()->mend = fn;
}

void exc_set_irq(exc_irq_fn fn)
{
    cpu_self()->irq = fn;
}

void exc_set_fiq(exc_irq_fn fn)
{
    cpu_self()->fiq = fn;
}
