// SPDX-License-Identifier: Apache-2.0
#include "arch/cache.h"

#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "lib/addr.h"

#include <stdbool.h>

// CTR_EL0: line sizes are log2 of the number of 4-byte words.
static size_t dcache_line(void)
{
    return (size_t)4 << bits_get(read_sysreg(ctr_el0), 19, 16);
}

static size_t icache_line(void)
{
    return (size_t)4 << bits_get(read_sysreg(ctr_el0), 3, 0);
}

// Eight lines a turn: whole memories pass through here when a VM is built.
#define FOR_EACH_LINE(op, line_size, base, size)                                                  \
    do {                                                                                          \
        size_t line = (line_size);                                                                \
        uint64_t at = align_down((uint64_t)(uintptr_t)(base), line);                              \
        uint64_t end = (uint64_t)(uintptr_t)(base) + (size);                                      \
        for (; at + 8 * line <= end; at += 8 * line) {                                            \
            uint64_t two = at + 2 * line, four = at + 4 * line, six = at + 6 * line;              \
            __asm__ volatile(op ", %0\n\t" op ", %1\n\t" op ", %2\n\t" op ", %3\n\t" ::"r"(at),   \
                             "r"(at + line), "r"(two), "r"(two + line)                            \
                             : "memory");                                                         \
            __asm__ volatile(op ", %0\n\t" op ", %1\n\t" op ", %2\n\t" op ", %3\n\t" ::"r"(four), \
                             "r"(four + line), "r"(six), "r"(six + line)                          \
                             : "memory");                                                         \
        }                                                                                         \
        for (; at < end; at += line) {                                                            \
            __asm__ volatile(op ", %0" ::"r"(at) : "memory");                                     \
        }                                                                                         \
    } while (0)

void dcache_clean_poc(const void *base, size_t size)
{
    FOR_EACH_LINE("dc cvac", dcache_line(), base, size);
}

void dcache_clean_inval_poc(const void *base, size_t size)
{
    FOR_EACH_LINE("dc civac", dcache_line(), base, size);
}

void dcache_inval_poc(const void *base, size_t size)
{
    FOR_EACH_LINE("dc ivac", dcache_line(), base, size);
}

void dcache_clean_pou(const void *base, size_t size)
{
    FOR_EACH_LINE("dc cvau", dcache_line(), base, size);
}

void icache_inval_pou(const void *base, size_t size)
{
    FOR_EACH_LINE("ic ivau", icache_line(), base, size);
}

void icache_inval_all(void)
{
    __asm__ volatile("ic ialluis" ::: "memory");
}

void cache_dsb_ish(void)
{
    dsb(ish);
}

void cache_dsb_ishst(void)
{
    dsb(ishst);
}

void cache_dsb_sy(void)
{
    dsb(sy);
}

void cache_isb(void)
{
    isb();
}

// FEAT_MOPS (Arm ARM C6.2, SETP, SETM, SETE), which the assembler does not know: SETP [x0]!, x1!,
// XZR and so on.
static void set_to_zero(void *base, size_t size)
{
    register uint64_t at __asm__("x0") = (uint64_t)(uintptr_t)base, left __asm__("x1") = size;
    __asm__ volatile(".inst 0x19df0420\n\t.inst 0x19df4420\n\t.inst 0x19df8420"
                     : "+r"(at), "+r"(left)::"memory", "cc");
}

void zero_pages(void *base, size_t size)
{
    if (bits_get(read_sysreg(ID_AA64ISAR2_EL1), 19, 16) != 0) {
        set_to_zero(base, size);
        return;
    }
    uint64_t dczid = read_sysreg(dczid_el0);
    if (dczid & BIT(4)) { // DZP: DC ZVA is prohibited
        uint64_t *p = base;
        for (size_t i = 0; i < size / sizeof(*p); i += 8) {
            p[i] = p[i + 1] = p[i + 2] = p[i + 3] = 0;
            p[i + 4] = p[i + 5] = p[i + 6] = p[i + 7] = 0;
        }
        return;
    }
    FOR_EACH_LINE("dc zva", (size_t)4 << bits_get(dczid, 3, 0), base, size);
}

static bool repeat_tlbi, guard_walks;

void tlbi_set_errata(bool repeat, bool guard)
{
    repeat_tlbi = repeat;
    guard_walks = guard;
}

// A broadcast TLBI; the caller's DSB follows.
#define TLBI(operation)                                       \
    do {                                                      \
        __asm__ volatile("tlbi " operation ::: "memory");     \
        if (unlikely(repeat_tlbi)) {                          \
            dsb(ish);                                         \
            __asm__ volatile("tlbi " operation ::: "memory"); \
        }                                                     \
    } while (0)
#define TLBI_OPERAND(instruction, operand)                                  \
    do {                                                                    \
        __asm__ volatile(instruction ", %0" ::"r"(operand) : "memory");     \
        if (unlikely(repeat_tlbi)) {                                        \
            dsb(ish);                                                       \
            __asm__ volatile(instruction ", %0" ::"r"(operand) : "memory"); \
        }                                                                   \
    } while (0)

// EL1's registers are another VM's than VTTBR_EL2 will be: on a CPU that may walk by a speculative
// AT, no walk may begin. With translation on, EPD0 and EPD1 forbid every one.
static void walks_stop(struct tlbi_regime *old)
{
    old->tcr = read_sysreg(tcr_el1);
    old->sctlr = read_sysreg(sctlr_el1);
    write_sysreg(tcr_el1, old->tcr | TCR_EPD0 | TCR_EPD1);
    isb();
    write_sysreg(sctlr_el1, old->sctlr | SCTLR_M);
    isb();
}

static void walks_resume(const struct tlbi_regime *old)
{
    write_sysreg(sctlr_el1, old->sctlr);
    isb();
    write_sysreg(tcr_el1, old->tcr);
    isb();
}

// Put a VM's VTTBR_EL2 in force for the maintenance inside; the CPU may be running another VM's
// vCPU, or none. The ISB is for what a switch has written, too.
static struct tlbi_regime vttbr_enter(uint64_t vttbr)
{
    struct tlbi_regime old = {.vttbr = read_sysreg(vttbr_el2)};
    if (old.vttbr != vttbr) {
        if (unlikely(guard_walks)) {
            walks_stop(&old);
        }
        write_sysreg(vttbr_el2, vttbr);
    }
    isb();
    return old;
}

static void vttbr_leave(uint64_t vttbr, const struct tlbi_regime *old)
{
    if (old->vttbr != vttbr) {
        write_sysreg(vttbr_el2, old->vttbr);
        isb();
        if (unlikely(guard_walks)) {
            walks_resume(old);
        }
    }
}

struct tlbi_regime tlbi_begin(uint64_t vttbr)
{
    return vttbr_enter(vttbr);
}

void tlbi_ipa(uint64_t operand, bool last)
{
    if (last) {
        TLBI_OPERAND("tlbi ipas2le1is", operand);
    } else {
        TLBI_OPERAND("tlbi ipas2e1is", operand);
    }
}

// RIPAS2LE1IS and RIPAS2E1IS, which the assembler knows of later architectures only.
void tlbi_ipa_range(uint64_t operand, bool last)
{
    if (last) {
        TLBI_OPERAND("sys #4, c8, c0, #6", operand);
    } else {
        TLBI_OPERAND("sys #4, c8, c0, #2", operand);
    }
}

// Stage-1 results may be cached combined with stage 2, so after the IPA is gone the VMID's stage-1
// entries go too (Arm ARM D8.17.5); the barrier between keeps a walk from caching the old again.
void tlbi_end(uint64_t vttbr, const struct tlbi_regime *old)
{
    dsb(ish);
    TLBI("vmalle1is");
    dsb(ish);
    isb();
    vttbr_leave(vttbr, old);
}

void tlbi_vmid(uint64_t vttbr)
{
    struct tlbi_regime old = vttbr_enter(vttbr);
    dsb(ishst);
    TLBI("vmalls12e1is");
    dsb(ish);
    isb();
    vttbr_leave(vttbr, &old);
}

void tlbi_vmid_local(uint64_t vttbr)
{
    struct tlbi_regime old = vttbr_enter(vttbr);
    dsb(nshst);
    __asm__ volatile("tlbi vmalle1" ::: "memory");
    dsb(nsh);
    isb();
    vttbr_leave(vttbr, &old);
}

void tlbi_local_el1(void)
{
    dsb(nshst);
    __asm__ volatile("tlbi alle1" ::: "memory");
    dsb(nsh);
    isb();
}

void tlbi_all_vmids(void)
{
    dsb(ishst);
    TLBI("alle1is");
    dsb(ish);
    isb();
}

void tlbi_el2_va(uint64_t va)
{
    dsb(ishst);
    TLBI_OPERAND("tlbi vae2is", va >> 12);
    dsb(ish);
    isb();
}

void tlbi_el2_all(void)
{
    dsb(ishst);
    TLBI("alle2is");
    dsb(ish);
    isb();
}
