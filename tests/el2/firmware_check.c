// SPDX-License-Identifier: Apache-2.0
// Linked into build/test/newel.img alone.
#include "firmware_check.h"

#include "arch/firmware.h"
#include "arch/fp.h"
#include "arch/sysreg.h"
#include "con/console.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/sched.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "mem/el2map.h"

#include <string.h>

#define STACK_BYTES 0x2000u
#define TURN_US     200u
#define TURNS       20u
#define JUNK        0x5a

static char stack[PAGE_SIZE + STACK_BYTES] __attribute__((aligned(PAGE_SIZE)));
static struct firmware_context context;

// Returns 0 if every register is as it was filled, else a number for the first that is not.
struct until {
    uint64_t turns; // left
    uint64_t time;  // CNTPCT_EL0
};
uint64_t firmware_fill(struct until *until);
uint64_t firmware_hang(void);
uint64_t firmware_read(uint64_t address);
uint64_t firmware_write(uint64_t address);
uint64_t firmware_overflow(void);
uint64_t firmware_undefined(void);
uint64_t firmware_jump(uint64_t address);

#define NUMBERS "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28"

__asm__(".arch armv8-a+fp+simd\n"
        ".text\n"
        ".global firmware_fill\n"
        "firmware_fill:\n"
        "    stp x29, x30, [sp, #-16]!\n"
        "    .irp n, " NUMBERS "\n"
        "    mov x\\n, #0x1000 + \\n\n"
        "    dup v\\n\\().2d, x\\n\n"
        "    .endr\n"
        "    dup v0.2d, x1\n"
        "    dup v29.2d, x2\n"
        "    dup v30.2d, x3\n"
        "    dup v31.2d, x4\n"
        "    mov x30, #0x9f\n" // FPSR: all of its flags
        "    movk x30, #0x800, lsl #16\n"
        "    msr fpsr, x30\n"
        "    msr tpidr_el2, xzr\n" // Newel's is Newel's
        "1:  ldp x29, x30, [x0]\n"
        "    cbnz x29, 1b\n"
        "    mrs x29, cntpct_el0\n"
        "    cmp x29, x30\n"
        "    b.lo 1b\n"
        "    mov x30, #0x9f\n"
        "    movk x30, #0x800, lsl #16\n"
        "    mrs x29, fpsr\n"
        "    cmp x29, x30\n"
        "    mov x0, #100\n"
        "    b.ne 3f\n"
        "    .irp n, " NUMBERS "\n"
        "    mov x0, #1 + \\n\n"
        "    mov x29, #0x1000 + \\n\n"
        "    cmp x\\n, x29\n"
        "    b.ne 3f\n"
        "    mov x0, #101 + \\n\n"
        "    mov x30, v\\n\\().d[0]\n"
        "    cmp x30, x29\n"
        "    b.ne 3f\n"
        "    mov x30, v\\n\\().d[1]\n"
        "    cmp x30, x29\n"
        "    b.ne 3f\n"
        "    .endr\n"
        "    mov x0, #200\n"
        "    .irp pair, 0, 29, 30, 31\n"
        "    add x0, x0, #1\n"
        "    mov x30, v\\pair\\().d[1]\n"
        "    lsr x29, x30, #2\n"
        "    cmp x29, #0x400\n" // 0x1001 to 0x1004
        "    b.lo 3f\n"
        "    cmp x29, #0x401\n"
        "    b.hi 3f\n"
        "    .endr\n"
        "    mov x0, #0\n"
        "3:  ldp x29, x30, [sp], #16\n"
        "    ret\n"
        ".global firmware_hang\n"
        "firmware_hang:\n"
        "    b firmware_hang\n"
        ".global firmware_read\n"
        "firmware_read:\n"
        "    ldr x0, [x0]\n"
        "    ret\n"
        ".global firmware_write\n"
        "firmware_write:\n"
        "    str x0, [x0]\n"
        "    ret\n"
        ".global firmware_overflow\n"
        "firmware_overflow:\n"
        "    stp x29, x30, [sp, #-64]!\n"
        "    b firmware_overflow\n"
        ".global firmware_undefined\n"
        "firmware_undefined:\n"
        "    udf #0\n"
        ".global firmware_jump\n"
        "firmware_jump:\n"
        "    br x0\n"
        ".arch armv8-a\n");

static void prepare(void *function, uint64_t argument, bool interruptible)
{
    memset(&context, 0, sizeof(context));
    context.x[0] = argument;
    firmware_prepare(&context, (uint64_t)(uintptr_t)function,
                     (uint64_t)(uintptr_t)stack + sizeof(stack), interruptible);
}

// As boot/efi_services.c does; what the machine's FP/SIMD registers hold between two turns is lost.
static enum firmware_left turn(struct fp_regs *fp)
{
    static struct fp_regs junk;
    memset(&junk.v, JUNK, sizeof(junk.v));
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) | HCR_IMO);
    timer_set_slice(timer_now() + timer_ticks_from_us(TURN_US));
    fp_borrow();
    fp_restore(fp);
    enum firmware_left left = firmware_run(&context);
    fp_save(fp);
    fp_restore(&junk);
    timer_set_slice(TIMER_NEVER);
    machine_interrupts(); // or the next turn might end before it begins
    return left;
}

static void check_registers(void)
{
    static struct fp_regs fp;
    static volatile struct until until;
    memset(&fp, 0, sizeof(fp));
    until.turns = TURNS;
    until.time = 0;
    prepare(firmware_fill, (uint64_t)(uintptr_t)&until, true);
    while (turn(&fp) == FIRMWARE_INTERRUPTED) {
        until.turns -= until.turns != 0;
    }
    console_printf("registers: %lu, %lu turns left\n", context.x[0], until.turns);
    until.time = timer_now() + timer_ticks_from_us((uint64_t)TURN_US * 2);
    prepare(firmware_fill, (uint64_t)(uintptr_t)&until, false);
    console_printf("masked: %u, %lu\n", turn(&fp), context.x[0]);
}

static void check_hang(void)
{
    static struct fp_regs fp;
    unsigned turns = 0;
    prepare(firmware_hang, 0, true);
    while (turns < TURNS && turn(&fp) == FIRMWARE_INTERRUPTED) {
        turns++;
    }
    console_printf("hang: %u turns\n", turns);
}

static void check_fault(const char *name, void *function, uint64_t argument)
{
    static struct fp_regs fp;
    prepare(function, argument, true);
    write_sysreg(far_el2, 0);
    enum firmware_left left = turn(&fp);
    while (left == FIRMWARE_INTERRUPTED) {
        left = turn(&fp);
    }
    uint64_t base = (uint64_t)(uintptr_t)stack, far = context.far;
    console_printf("%s: %u, class 0x%02lx, %s\n", name, left, ESR_EC(context.esr),
                   argument != 0 && far == argument        ? "there"
                   : far >= base && far - base < PAGE_SIZE ? "guard"
                                                           : "elsewhere");
}

static bool step(struct work *work)
{
    (void)work;
    uint64_t vectors = read_sysreg(vbar_el2), cpu = read_sysreg(tpidr_el2);
    console_printf("guard: %d\n", el2_unmap_page(ptr_hpa(stack)));
    check_registers();
    check_hang();
    check_fault("read", firmware_read, UINT64_C(1) << 40);
    check_fault("write", firmware_write, (uint64_t)(uintptr_t)monitor_init);
    check_fault("jump", firmware_jump, (uint64_t)(uintptr_t)&context);
    check_fault("overflow", firmware_overflow, 0);
    check_fault("undefined", firmware_undefined, 0);
    bool same = vectors == read_sysreg(vbar_el2) && cpu == read_sysreg(tpidr_el2);
    console_printf("firmware: %s\n", same ? "done" : "Newel's registers are not as they were");
    return false;
}

void run_firmware_check(const struct invocation *in)
{
    static struct work work = {.step = step};
    (void)in;
    sched_work(&work);
}
