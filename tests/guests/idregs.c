// SPDX-License-Identifier: Apache-2.0
// The ID registers a VM sees: readable, the same on every CPU, and true - what reads absent is
// undefined when used.
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"

#define FIELD(reg, shift) ((unsigned)((reg) >> (shift)) & 0xf)
#define MRS(op0, op1, crn, crm, op2) \
    (0xd5300000u | ((op0)&1) << 19 | (op1) << 16 | (crn) << 12 | (crm) << 8 | (op2) << 5)
#define INSN_RET 0xd65f03c0u
#define ID_SPACE 56 /* CRm 1-7, op2 0-7 */

/* One MRS x0 at a time, made as it is needed, in a page that the payload may execute. */
static uint32_t code[1024] __attribute__((aligned(4096), section(".user.code")));

static void make_code(uint32_t insn)
{
    volatile uint32_t *p = code;

    p[0] = insn;
    p[1] = INSN_RET;
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(code)
                     : "memory");
}

static void run_code(uint64_t result)
{
    uint64_t value = ((uint64_t(*)(void))code)();

    *(uint64_t *)result = value;
}

static void run_code_el0(uint64_t unused)
{
    (void)unused;
    ((void (*)(void))code)();
}

/* True and *value if the register can be read; else *info says why not. */
static bool try_insn(uint32_t insn, uint64_t *value, struct exc_info *info)
{
    make_code(insn);
    return !expect_exception(info, run_code, (uint64_t)value);
}

static bool is_undefined(uint32_t insn)
{
    struct exc_info info;
    uint64_t value;

    return !try_insn(insn, &value, &info) && ESR_EC(info.esr) == EC_UNKNOWN;
}

TEST(setup)
{
    mmu_on();
    mmu_map_page((uint64_t)code, (uint64_t)code, PTE_NORMAL);
}

static uint64_t id_values[ID_SPACE];

/* The whole space CRn 0, CRm 1 to 7 is there: what is not allocated reads as zero. */
TEST(every_id_register_reads)
{
    struct exc_info info;

    for (unsigned i = 0; i < ID_SPACE; i++) {
        uint64_t again;
        uint32_t insn = MRS(3, 0, 0, 1 + i / 8, i % 8);

        if (!try_insn(insn, &id_values[i], &info) || !try_insn(insn, &again, &info)) {
            test_fail(__FILE_NAME__, __LINE__, "s3_0_c0_c%u_%u: ESR 0x%lx", 1 + i / 8, i % 8,
                      info.esr);
            return;
        }
        EXPECT_EQ(again, id_values[i]);
    }
}

static volatile unsigned differing;

static void compare_ids(uint64_t unused)
{
    (void)unused;
    for (unsigned i = 0; i < ID_SPACE; i++) {
        uint64_t value = 0;

        make_code(MRS(3, 0, 0, 1 + i / 8, i % 8));
        run_code((uint64_t)&value);
        if (value != id_values[i]) {
            differing = 100 * (1 + i / 8) + i % 8;
        }
    }
}

TEST(same_on_every_cpu)
{
    differing = 0;
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    for (unsigned i = 1; i < cpu_count(); i++) {
        EXPECT_EQ(cpu_start(i, compare_ids, 0), 0);
        EXPECT(cpu_join(i));
        EXPECT_EQ(differing, 0);
    }
}

static volatile uint64_t other_mpidr, other_midr;

static void read_identity(uint64_t unused)
{
    (void)unused;
    other_mpidr = read_sysreg(mpidr_el1);
    other_midr = read_sysreg(midr_el1);
}

TEST(identity)
{
    uint64_t mpidr = read_sysreg(mpidr_el1);

    EXPECT_EQ(mpidr & 0xff00ffffff, cpu_mpidr(0));
    EXPECT_EQ(mpidr >> 31 & 1, 1);
    EXPECT(read_sysreg(midr_el1) != 0);
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    EXPECT_EQ(cpu_start(1, read_identity, 0), 0);
    EXPECT(cpu_join(1));
    EXPECT_EQ(other_mpidr & 0xff00ffffff, cpu_mpidr(1));
    EXPECT_EQ(other_midr, read_sysreg(midr_el1));
}

TEST(no_higher_exception_levels)
{
    uint64_t pfr0 = read_sysreg(id_aa64pfr0_el1);

    EXPECT(FIELD(pfr0, 0) >= 1); /* EL0 */
    EXPECT(FIELD(pfr0, 4) >= 1); /* EL1 */
    EXPECT_EQ(FIELD(pfr0, 8), 0);
    EXPECT_EQ(FIELD(pfr0, 12), 0);
    EXPECT_EQ(FIELD(pfr0, 24), machine.gicc ? 0 : 1); /* GIC system registers */
    if (strict()) {
        EXPECT_EQ(FIELD(read_sysreg(id_aa64mmfr2_el1), 24), 0); /* nested virtualization */
    }
}

/* EL2's and EL3's registers, by both their names. */
TEST(registers_of_higher_levels_are_undefined)
{
    static const uint32_t insns[] = {
        MRS(3, 4, 1, 1, 0),   /* HCR_EL2 */
        MRS(3, 4, 2, 1, 0),   /* VTTBR_EL2 */
        MRS(3, 4, 1, 0, 0),   /* SCTLR_EL2 */
        MRS(3, 4, 12, 0, 0),  /* VBAR_EL2 */
        MRS(3, 4, 14, 0, 3),  /* CNTVOFF_EL2 */
        MRS(3, 4, 12, 11, 0), /* ICH_HCR_EL2 */
        MRS(3, 4, 0, 0, 0),   /* VPIDR_EL2 */
        MRS(3, 5, 1, 0, 0),   /* SCTLR_EL12 */
        MRS(3, 5, 14, 3, 1),  /* CNTV_CTL_EL02 */
        MRS(3, 6, 1, 1, 0),   /* SCR_EL3 */
        MRS(3, 6, 12, 12, 7), /* ICC_IGRPEN1_EL3 */
        MRS(3, 4, 12, 9, 5),  /* ICC_SRE_EL2 */
    };

    for (unsigned i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
        if (!is_undefined(insns[i])) {
            test_fail(__FILE_NAME__, __LINE__, "0x%x is not undefined", insns[i]);
            return;
        }
    }
}

/* A register that exists exactly when an ID field is not below some value. */
struct feature {
    const char *name;
    uint32_t insn;
    uint8_t crm, op2, shift, least;
    bool only_absent; /* what is present may still trap: look only when it reads absent */
};

static const struct feature features[] = {
    {"SVE", MRS(3, 0, 1, 2, 0), 4, 0, 32, 1, true},         /* ZCR_EL1 */
    {"SME", MRS(3, 0, 1, 2, 6), 4, 1, 24, 1, true},         /* SMCR_EL1 */
    {"SME TPIDR2", MRS(3, 3, 13, 0, 5), 4, 1, 24, 1, true}, /* TPIDR2_EL0 */
    {"MTE", MRS(3, 0, 1, 0, 6), 4, 1, 8, 2, true},          /* GCR_EL1 */
    {"MTE tags", MRS(3, 0, 5, 6, 0), 4, 1, 8, 2, true},     /* TFSR_EL1 */
    {"RNDR", MRS(3, 3, 2, 4, 0), 6, 0, 60, 1, false},
    {"RAS", MRS(3, 0, 5, 3, 0), 4, 0, 28, 1, false},  /* ERRIDR_EL1 */
    {"LOR", MRS(3, 0, 10, 4, 0), 7, 1, 16, 1, false}, /* LORSA_EL1 */
    {"PMU", MRS(3, 3, 9, 12, 0), 5, 0, 8, 1, false},  /* PMCR_EL0 */
    {"PMU counters", MRS(3, 3, 9, 13, 0), 5, 0, 8, 1, false},
    {"SPE", MRS(3, 0, 9, 9, 0), 5, 0, 32, 1, true}, /* PMSCR_EL1 */
    {"SPE identity", MRS(3, 0, 9, 9, 7), 5, 0, 32, 1, true},
    {"TRBE", MRS(3, 0, 9, 11, 0), 5, 0, 44, 1, true},        /* TRBLIMITR_EL1 */
    {"trace filter", MRS(3, 0, 1, 2, 1), 5, 0, 40, 1, true}, /* TRFCR_EL1 */
    {"trace", MRS(2, 1, 0, 0, 1), 5, 0, 4, 1, true},         /* TRCTRACEIDR */
    {"AMU", MRS(3, 3, 13, 2, 0), 4, 0, 44, 1, true},         /* AMCR_EL0 */
    {"MPAM", MRS(3, 0, 10, 5, 0), 4, 0, 40, 1, true},        /* MPAM1_EL1 */
    {"CSV2 SCXTNUM", MRS(3, 0, 13, 0, 7), 4, 0, 56, 2, true},
    {"CSV2 SCXTNUM_EL0", MRS(3, 3, 13, 0, 7), 4, 0, 56, 2, true},
    {"DIT", MRS(3, 3, 4, 2, 5), 4, 0, 48, 1, false},
    {"PAN", MRS(3, 0, 4, 2, 3), 7, 1, 20, 1, false},
    {"UAO", MRS(3, 0, 4, 2, 4), 7, 2, 4, 1, false},
    {"S1PIE", MRS(3, 0, 10, 2, 3), 7, 3, 8, 1, true},
    {"TCR2", MRS(3, 0, 2, 0, 3), 7, 3, 0, 1, true},
    {"SCTLR2", MRS(3, 0, 1, 0, 3), 7, 3, 4, 1, true},
    {"BRBE", MRS(2, 1, 9, 0, 0), 5, 0, 52, 1, true},
};

static void check_feature(const struct feature *f)
{
    uint64_t reg = id_values[(f->crm - 1) * 8 + f->op2];
    unsigned field = FIELD(reg, f->shift);
    struct exc_info info;
    uint64_t value;
    bool there = field >= f->least && !(f->shift == 8 && f->crm == 5 && field == 0xf);

    if (there && f->only_absent) {
        return;
    }
    if (try_insn(f->insn, &value, &info) != there) {
        test_fail(__FILE_NAME__, __LINE__, "%s reads as %s, but its register %s", f->name,
                  there ? "there" : "absent", there ? "faults" : "works");
    } else if (!there && ESR_EC(info.esr) != EC_UNKNOWN) {
        test_fail(__FILE_NAME__, __LINE__, "%s absent: ESR 0x%lx", f->name, info.esr);
    }
}

/* CPACR_EL1 is the CPU's own: where it has SVE or SME, their traps to EL1 would come first. */
TEST(absent_features_are_undefined)
{
    write_sysreg(cpacr_el1, 3ul << 16 | 3ul << 20 | 3ul << 24); /* ZEN, FPEN, SMEN */
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        check_feature(&features[i]);
    }
}

TEST(pointer_authentication_keys)
{
    uint64_t isar1 = read_sysreg(id_aa64isar1_el1);
    bool there = isar1 & 0xff000ff0 || id_values[5 * 8 + 2] & 0xff00;
    struct exc_info info;
    uint64_t value;

    EXPECT_EQ(try_insn(MRS(3, 0, 2, 1, 0), &value, &info), there); /* APIAKeyLo_EL1 */
    if (there) {
        __asm__ volatile("msr s3_0_c2_c1_0, %0\n\tisb" ::"r"(0x123456789abcdefull));
        EXPECT(try_insn(MRS(3, 0, 2, 1, 0), &value, &info));
        EXPECT_EQ(value, 0x123456789abcdef);
    }
}

/* Breakpoints, watchpoints: as many as the ID register says, and no more. */
TEST(debug_registers_are_counted)
{
    uint64_t dfr0 = read_sysreg(id_aa64dfr0_el1);
    struct exc_info info;
    uint64_t value;

    for (unsigned i = 0; i < 16; i++) {
        bool bp = i <= FIELD(dfr0, 12);
        bool wp = i <= FIELD(dfr0, 20);

        EXPECT_EQ(try_insn(MRS(2, 0, 0, i, 5), &value, &info), bp); /* DBGBCRn_EL1 */
        EXPECT_EQ(try_insn(MRS(2, 0, 0, i, 7), &value, &info), wp); /* DBGWCRn_EL1 */
    }
    EXPECT(try_insn(MRS(2, 0, 0, 2, 2), &value, &info)); /* MDSCR_EL1 */
    EXPECT(try_insn(MRS(2, 0, 1, 1, 4), &value, &info)); /* OSLSR_EL1 */
}

/* Caches: each level CLIDR names can be selected and has a size. */
TEST(caches_are_described)
{
    uint64_t clidr = read_sysreg(clidr_el1);

    EXPECT(read_sysreg(ctr_el0) >> 31 & 1);
    for (unsigned level = 0; level < 7; level++) {
        unsigned type = clidr >> (3 * level) & 7;

        if (!type) {
            break;
        }
        write_sysreg(csselr_el1, level << 1);
        EXPECT_EQ(read_sysreg(csselr_el1), level << 1);
        EXPECT(read_sysreg(ccsidr_el1) != 0);
    }
    write_sysreg(csselr_el1, 0);
}

/* What EL0 may not read goes to EL1, as an undefined instruction or as a trapped register, not
 * further. */
TEST(el0_reads_go_to_el1)
{
    struct exc_info info;

    make_code(MRS(3, 0, 0, 4, 0));
    mmu_map_page((uint64_t)code, (uint64_t)code, PTE_NORMAL | PTE_USER | PTE_RO);
    EXPECT(el0_exception(&info, run_code_el0, 0));
    EXPECT(ESR_EC(info.esr) == EC_UNKNOWN || ESR_EC(info.esr) == EC_SYSREG);
    EXPECT_EQ(info.vector, 8);
    mmu_map_page((uint64_t)code, (uint64_t)code, PTE_NORMAL);
}

/* The largest output address the walker takes is the one that reads from the ID register. */
TEST(granules_work_as_described)
{
    uint64_t mmfr0 = read_sysreg(id_aa64mmfr0_el1);

    EXPECT(FIELD(mmfr0, 28) != 0xf); /* 4 KiB: the payload runs on it */
    EXPECT(FIELD(mmfr0, 0) <= 6);
}

struct latch {
    const char *name;
    uint32_t mrs;
    uint64_t mask;
};

/* Registers of EL1 that must keep what is written; a hypervisor may trap them on the way. */
TEST(el1_registers_keep_their_values)
{
    static const struct latch latches[] = {
        {"TPIDR_EL0", MRS(3, 3, 13, 0, 2), ~0ul},      {"TPIDRRO_EL0", MRS(3, 3, 13, 0, 3), ~0ul},
        {"CONTEXTIDR", MRS(3, 0, 13, 0, 1), ~0u},      {"FAR_EL1", MRS(3, 0, 6, 0, 0), ~0ul},
        {"ELR_EL1", MRS(3, 0, 4, 0, 1), ~3ul},         {"SP_EL0", MRS(3, 0, 4, 1, 0), ~0ul},
        {"ESR_EL1", MRS(3, 0, 5, 2, 0), 0xffffffff},   {"CNTV_CVAL", MRS(3, 3, 14, 3, 2), ~0ul},
        {"TTBR1_EL1", MRS(3, 0, 2, 0, 1), 0xfffff000}, {"CNTKCTL", MRS(3, 0, 14, 1, 0), 0x3ff},
        {"CNTP_CVAL", MRS(3, 3, 14, 2, 2), ~0ul},
    };

    for (unsigned i = 0; i < sizeof(latches) / sizeof(latches[0]); i++) {
        uint64_t old, now, want = 0x5a5a123456789abc & latches[i].mask;
        struct exc_info info;

        EXPECT(try_insn(latches[i].mrs, &old, &info));
        make_code(latches[i].mrs & ~(1u << 21)); /* the MSR of the same register */
        ((void (*)(uint64_t))code)(want);
        make_code(latches[i].mrs);
        run_code((uint64_t)&now);
        make_code(latches[i].mrs & ~(1u << 21));
        ((void (*)(uint64_t))code)(old);
        if (now != want) {
            test_fail(__FILE_NAME__, __LINE__, "%s is 0x%lx, not 0x%lx", latches[i].name, now,
                      want);
        }
    }
}
