// SPDX-License-Identifier: Apache-2.0
#include "cpu/switch.h"

#include "arch/cache.h"
#include "arch/debug.h"
#include "arch/fp.h"
#include "arch/layout.h"
#include "arch/sysreg.h"
#include "cpu/errata.h"
#include "cpu/features.h"
#include "cpu/hardening.h"
#include "cpu/sve.h"
#include "mem/stage2.h"

#include <stddef.h>

_Static_assert(offsetof(struct vcpu, regs) == 0, "vectors.S");
_Static_assert(offsetof(struct vcpu_regs, pc) == VCPU_PC, "vectors.S");
_Static_assert(offsetof(struct vcpu_regs, pstate) == VCPU_PSTATE, "vectors.S");
_Static_assert(offsetof(struct vcpu_regs, host_sp) == VCPU_HOST_SP, "vectors.S");
_Static_assert(offsetof(struct vcpu, attention) == VCPU_ATTENTION, "vectors.S");
_Static_assert(offsetof(struct percpu, emergency_sp) == PERCPU_EMERGENCY_SP, "vectors.S");
_Static_assert(offsetof(struct percpu, bhb_loops) == PERCPU_BHB_LOOPS, "vectors.S");
_Static_assert(offsetof(struct percpu, exit_call) == PERCPU_EXIT_CALL, "vectors.S");

// X(register, field). A guest's EL1 is AArch64: of AArch32's registers (SPSR_abt, DACR32_EL2...)
// only an AArch32 EL1 would use any, and where the CPU has none they are UNDEFINED.
// In pairs, each two neighbours in struct el1_regs, so that two go by one load or store.
#define EL1_REGS(X)              \
    X(sp_el0, sp_el1)            \
    X(elr_el1, spsr_el1)         \
    X(esr_el1, far_el1)          \
    X(afsr0_el1, afsr1_el1)      \
    X(sctlr_el1, cpacr_el1)      \
    X(ttbr0_el1, ttbr1_el1)      \
    X(tcr_el1, mair_el1)         \
    X(amair_el1, vbar_el1)       \
    X(contextidr_el1, tpidr_el0) \
    X(tpidrro_el0, tpidr_el1)    \
    X(par_el1, csselr_el1)

#define SAVE(first, second)                                                                \
    do {                                                                                   \
        uint64_t first##_value = read_sysreg(first), second##_value = read_sysreg(second); \
        v->el1.first = first##_value;                                                      \
        v->el1.second = second##_value;                                                    \
    } while (0);
#define LOAD(first, second)                                                    \
    do {                                                                       \
        uint64_t first##_value = v->el1.first, second##_value = v->el1.second; \
        write_sysreg(first, first##_value);                                    \
        write_sysreg(second, second##_value);                                  \
    } while (0);

// Traps that no architecture before theirs knows; all off, since what they guard is hidden by the
// ID registers.
static void disable_fine_grained_traps(void)
{
    if (features.hcx) {
        write_sysreg(S3_4_C1_C2_2, 0); // HCRX_EL2
    }
    if (features.fgt) {
        write_sysreg(S3_4_C1_C1_4, 0); // HFGRTR_EL2
        write_sysreg(S3_4_C1_C1_5, 0); // HFGWTR_EL2
        write_sysreg(S3_4_C1_C1_6, 0); // HFGITR_EL2
        write_sysreg(S3_4_C3_C1_4, 0); // HDFGRTR_EL2
        write_sysreg(S3_4_C3_C1_5, 0); // HDFGWTR_EL2
    }
}

static unsigned first_vectors;

void switch_choose_vectors(unsigned first)
{
    first_vectors = first;
}

// vectors.S's table for the way that this CPU forgets its guest's branches on an exit. The
// firmware's call for Spectre-BHB is one for Spectre-v2, too (DEN0028, SMCCC_ARCH_WORKAROUND_3).
static void install_vectors(const struct id_regs *own)
{
    struct percpu *cpu = this_cpu();
    cpu->spectre = spectre_choose(own);
    cpu->bhb = bhb_choose(own);
    cpu->bhb_loops = cpu->bhb.loops;
    cpu->exit_call =
        cpu->bhb.way == BHB_FIRMWARE ? SMCCC_ARCH_WORKAROUND_3 : spectre_exit_call(&cpu->spectre);
    if (errata_of(own) & BIT(ERRATUM_STAGE2_FIRST)) {
        cpu_vectors_install(first_vectors + VECTORS_CHECKED);
        return;
    }
    static const uint8_t tables[] = {
        [BHB_UNNEEDED] = VECTORS_PLAIN, [BHB_LOOP] = VECTORS_LOOP, [BHB_CLEAR] = VECTORS_CLEAR,
        [BHB_FIRMWARE] = VECTORS_TOLD,  [BHB_OFF] = VECTORS_PLAIN,
    };
    cpu_vectors_install(first_vectors +
                        (cpu->exit_call != 0 ? VECTORS_TOLD : tables[cpu->bhb.way]));
}

void switch_heed_errata(const struct percpu *cpu, const struct id_regs *its)
{
    errata_report(its, &cpu->bhb);
    spectre_heed(&cpu->spectre);
    tlbi_set_errata((features.errata & BIT(ERRATUM_REPEAT_TLBI)) != 0,
                    (features.errata & BIT(ERRATUM_SPECULATIVE_AT)) != 0);
}

void switch_init_cpu(const struct id_regs *own)
{
    install_vectors(own);
    disable_fine_grained_traps();
    debug_init_cpu();
    pmu_init_cpu();
    write_sysreg(vpidr_el2, read_sysreg(midr_el1));
    write_sysreg(hstr_el2, 0);
    // CNTPCT may be read, the physical timer is emulated.
    write_sysreg(cnthctl_el2, CNTHCTL_EL1PCTEN);
    write_sysreg(cntp_ctl_el0, 0); // as firmware may have left it
    write_sysreg(cntvoff_el2, 0);
    isb();
    tlbi_local_el1(); // of VMID 0, whose stage 2 is to stay empty
}

// CPTR_EL2 while the machine holds the vCPU's FP/SIMD or SVE registers; at other times it is
// v->cptr.
static uint64_t live_cptr(const struct vcpu *v)
{
    return v->cptr & ~(CPTR_TFP | (v->sve_whole ? CPTR_TZ : 0));
}

// A vCPU that has nothing in SVE's registers that FP/SIMD's do not hold goes on with the latter:
// a guest that asked for the vector length once does not pay for it ever after.
static void sve_put_away(struct vcpu *v)
{
    v->zcr = read_sysreg(ZCR_EL1);
    if (!sve_save(v->sve, &v->fp)) {
        sve_narrow(&v->fp, v->sve, features.sve_length);
        v->sve_whole = false;
    }
}

static void fp_put_away(struct vcpu *v)
{
    if (v->fp_live) {
        v->sve_whole ? sve_put_away(v) : fp_save(&v->fp);
        v->fp_live = false;
    }
}

static void sve_take_up(const struct vcpu *v)
{
    write_sysreg(ZCR_EL2, features.sve_length / 16 - 1);
    write_sysreg(ZCR_EL1, v->zcr);
    isb();
    sve_restore(v->sve, &v->fp);
}

void fp_load(struct vcpu *v)
{
    struct percpu *cpu = this_cpu();
    v->fp_live = true;
    write_sysreg(cptr_el2, live_cptr(v));
    isb();
    if (cpu->fp_owner != v || v->fp_cpu != (int)cpu->id) {
        v->sve_whole ? sve_take_up(v) : fp_restore(&v->fp);
        cpu->fp_owner = v;
        v->fp_cpu = (int)cpu->id;
    }
}

// Where SVE was trapped, what the machine has above bit 127 is another's or left from before (Arm
// ARM, SVEZEROUPPER): all of it is loaded.
bool sve_load(struct vcpu *v)
{
    if (v->sve == NULL) {
        return false;
    }
    if (!v->sve_whole) {
        fp_put_away(v);
        sve_widen(v->sve, features.sve_length, &v->fp);
        v->sve_whole = true;
        v->fp_cpu = -1;
    }
    fp_load(v);
    return true;
}

void fp_view(struct vcpu *v)
{
    if (!v->fp_live) {
        fp_load(v); // another vCPU has rewritten the instruction since it was executed
    }
    if (v->sve_whole) {
        sve_save(v->sve, &v->fp);
    }
    fp_save(&v->fp);
}

void fp_update(struct vcpu *v, uint32_t written)
{
    if (!v->sve_whole) {
        fp_restore(&v->fp);
        return;
    }
    for (unsigned n = 0; n < 32; n++) {
        if (written & BIT(n)) {
            sve_write_vector(v->sve, features.sve_length, n, &v->fp);
        }
    }
    sve_restore(v->sve, &v->fp);
}

void fp_borrow(void)
{
    struct percpu *cpu = this_cpu();
    write_sysreg(cptr_el2, read_sysreg(cptr_el2) & ~CPTR_TFP);
    isb();
    if (cpu->current != NULL) {
        fp_put_away(cpu->current);
    }
    cpu->fp_owner = NULL;
}

// APIAKeyLo_EL1, APIAKeyHi_EL1, APIB, APDA, APDB, APGA.
#define PAUTH_KEYS(X)  \
    X(S3_0_C2_C1_0, 0) \
    X(S3_0_C2_C1_1, 1) \
    X(S3_0_C2_C1_2, 2) \
    X(S3_0_C2_C1_3, 3) \
    X(S3_0_C2_C2_0, 4) \
    X(S3_0_C2_C2_1, 5) \
    X(S3_0_C2_C2_2, 6) \
    X(S3_0_C2_C2_3, 7) \
    X(S3_0_C2_C3_0, 8) \
    X(S3_0_C2_C3_1, 9)

static void pauth_save(struct vcpu *v)
{
#define X(reg, n) v->keys.key[n] = read_sysreg(reg);
    PAUTH_KEYS(X)
#undef X
}

void pauth_load(struct vcpu *v)
{
#define X(reg, n) write_sysreg(reg, v->keys.key[n]);
    PAUTH_KEYS(X)
#undef X
}

void switch_init_vcpu(struct vcpu *v)
{
    v->hcr = HCR_VM | HCR_SWIO | HCR_PTW | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS |
             HCR_TWI | HCR_TID3 | HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_TSW | HCR_TLOR | HCR_RW;
    if (features.ras) {
        v->hcr |= HCR_TERR;
        v->ras = true;
    }
    if (features.fwb) {
        v->hcr |= HCR_FWB;
    }
    if (features.errata & BIT(ERRATUM_STALE_FETCH)) {
        v->hcr |= HCR_TID2 | HCR_TPU; // trap/icache.c
    }
    v->cptr = CPTR_RES1 | CPTR_TZ | CPTR_TFP | CPTR_TTA | (features.amu ? CPTR_TAM : 0);
    v->mdcr = MDCR_TDA | MDCR_TDOSA | MDCR_TDRA | MDCR_TPMS | MDCR_TTRF | pmu_mdcr();
    v->loaded_cpu = v->fp_cpu = -1;
}

// VDISR_EL2 and VSESR_EL2: a guest has the former as its DISR_EL1, whether shown FEAT_RAS or not.
#define VDISR_EL2 S3_4_C12_C1_1
#define VSESR_EL2 S3_4_C5_C2_3

// Beyond what every vCPU has; v->extra tells of it.
static OUTLINE void save_extra(struct vcpu *v)
{
    if (v->serror) { // the machine clears HCR_EL2.VSE when the guest takes its virtual SError
        v->hcr &= read_sysreg(hcr_el2) | ~HCR_VSE;
        v->serror = (v->hcr & HCR_VSE) != 0;
    }
    fp_put_away(v);
    if (v->pauth_used) {
        pauth_save(v);
    }
    if (v->pmu_used) {
        pmu_save(v);
    }
    if (v->ras) {
        v->vdisr = read_sysreg(VDISR_EL2);
        v->vsesr = read_sysreg(VSESR_EL2);
    }
    if (v->hardened) {
        hardening_save(v);
    }
}

static OUTLINE void load_extra(struct vcpu *v)
{
    if (v->pauth_used) {
        pauth_load(v);
    }
    if (v->pmu_used) {
        pmu_load(v);
    }
    if (v->ras) {
        write_sysreg(VDISR_EL2, v->vdisr);
        write_sysreg(VSESR_EL2, v->vsesr);
    }
    if (v->hardened) {
        hardening_load(v);
    }
}

void vcpu_save(struct vcpu *v)
{
    EL1_REGS(SAVE)
    v->el1.cntkctl_el1 = read_sysreg(cntkctl_el1);
    if (v->extra != 0) {
        save_extra(v);
    }
}

// A TLB entry that another vCPU of the VM left on this CPU is not this vCPU's: a guest that
// maintains its TLB locally must not meet it (Arm ARM D8.17: non-shareable maintenance affects one
// PE).
static void drop_siblings_entries(struct vcpu *v, unsigned cpu)
{
    if (unlikely(v->siblings_last[cpu] != v->index)) {
        if (v->siblings_last[cpu] != VCPU_NONE) {
            tlbi_vmid_local(v->vttbr);
            __asm__ volatile("ic iallu; dsb nsh; isb" ::: "memory");
        }
        v->siblings_last[cpu] = (uint8_t)v->index;
    }
}

// Stage-2 tables of any shape in which nothing is mapped, for VMID 0, which is no VM's.
#define EMPTY_STAGE2_SIZE 0x10000 // sixteen tables for a root
static char empty_stage2[EMPTY_STAGE2_SIZE] __attribute__((aligned(EMPTY_STAGE2_SIZE)));

// Its registers are in the machine still, unless it used others elsewhere since.
static OUTLINE void find_fp_live(struct vcpu *v, const struct percpu *cpu)
{
    v->fp_live = v->fp_cpu == (int)cpu->id;
    if (v->fp_live) {
        write_sysreg(cptr_el2, live_cptr(v));
    }
}

// While EL1's registers are partly one vCPU's and partly another's, an AT instruction executed by
// speculation (ERRATUM_SPECULATIVE_AT) must find nothing that a TLB could keep: it finds stage 2
// empty.
static void load_registers(struct vcpu *v)
{
    uint64_t hcr = v->hcr, mdcr = v->mdcr, vttbr = v->vttbr, vtcr = v->vtcr;
    write_sysreg(vttbr_el2, (uint64_t)(uintptr_t)empty_stage2);
    isb();
    write_sysreg(hcr_el2, hcr);
    write_sysreg(mdcr_el2, mdcr);
    write_sysreg(vtcr_el2, vtcr);
    EL1_REGS(LOAD)
    uint64_t cntkctl = v->el1.cntkctl_el1, mpidr = v->mpidr;
    write_sysreg(cntkctl_el1, cntkctl);
    write_sysreg(vmpidr_el2, mpidr);
    debug_load(v);
    if (v->extra != 0) {
        load_extra(v);
    }
    isb();
    write_sysreg(vttbr_el2, vttbr); // in force with ERET, or where vttbr_enter() needs it
}

// VMIDs were given anew since the vCPU had a look at its VM's: so were what it has in the machine.
static OUTLINE void renew_vmid(struct vcpu *v)
{
    v->vmid_generation = vmid_renew(&v->s2->vmid);
    v->vttbr = stage2_vttbr(v->s2);
    v->loaded_cpu = -1;
}

void vcpu_load(struct vcpu *v)
{
    struct percpu *cpu = this_cpu();
    // That the vCPU is on this CPU was published by the scheduler, under its lock.
    if (unlikely(v->vmid_generation != cpu->vmid_generation)) {
        renew_vmid(v);
    }
    v->regs.host_sp = cpu->stack_top;
    write_sysreg(cptr_el2, v->cptr);
    if (unlikely(cpu->fp_owner == v)) {
        find_fp_live(v, cpu);
    }
    if (unlikely(cpu->loaded == v && v->loaded_cpu == (int)cpu->id)) {
        if (v->pmu_used) { // vcpu_save() stops it
            pmu_load(v);
        }
        if (v->hardened) {
            hardening_load(v);
        }
        return;
    }
    load_registers(v);
    drop_siblings_entries(v, cpu->id);
    cpu->loaded = v;
    cpu->vttbr = v->vttbr;
    v->loaded_cpu = (int)cpu->id;
}
