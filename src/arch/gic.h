// SPDX-License-Identifier: Apache-2.0
// The GIC's system registers at EL2 (IHI 0069, 12.2 and 12.4).
#pragma once

#include "arch/gic_bits.h"
#include "arch/mmio.h"
#include "arch/sysreg.h"

#include <stdint.h>

#define ICH_LRS(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

// List register n, below the number that ICH_VTR_EL2 gives.
static inline uint64_t ich_read_lr(unsigned n)
{
    if (n == 0) { // by far the most often
        return read_sysreg(ich_lr0_el2);
    }
    switch (n) {
#define X(i) \
    case i:  \
        return read_sysreg(ich_lr##i##_el2);
        ICH_LRS(X)
#undef X
    default:
        return 0;
    }
}

static inline void ich_write_lr(unsigned n, uint64_t value)
{
    if (n == 0) { // by far the most often
        write_sysreg(ich_lr0_el2, value);
        return;
    }
    switch (n) {
#define X(i)                                  \
    case i:                                   \
        write_sysreg(ich_lr##i##_el2, value); \
        break;
        ICH_LRS(X)
#undef X
    default:
        break;
    }
}

// Active priorities register n of group 0 or 1, below the number that ICH_VTR_EL2.PREbits gives.
#define ICH_APRS(X) X(0) X(1) X(2) X(3)

static inline uint64_t ich_read_ap0r(unsigned n)
{
    switch (n) {
#define X(i) \
    case i:  \
        return read_sysreg(ich_ap0r##i##_el2);
        ICH_APRS(X)
#undef X
    default:
        return 0;
    }
}

static inline uint64_t ich_read_ap1r(unsigned n)
{
    switch (n) {
#define X(i) \
    case i:  \
        return read_sysreg(ich_ap1r##i##_el2);
        ICH_APRS(X)
#undef X
    default:
        return 0;
    }
}

static inline void ich_write_ap0r(unsigned n, uint64_t value)
{
    switch (n) {
#define X(i)                                    \
    case i:                                     \
        write_sysreg(ich_ap0r##i##_el2, value); \
        break;
        ICH_APRS(X)
#undef X
    default:
        break;
    }
}

static inline void ich_write_ap1r(unsigned n, uint64_t value)
{
    switch (n) {
#define X(i)                                    \
    case i:                                     \
        write_sysreg(ich_ap1r##i##_el2, value); \
        break;
        ICH_APRS(X)
#undef X
    default:
        break;
    }
}

// Bit n: list register n is free and no maintenance interrupt is due for it.
static inline uint64_t ich_read_elrsr(void)
{
    return read_sysreg(ich_elrsr_el2);
}

static inline uint64_t ich_read_vtr(void)
{
    return read_sysreg(ich_vtr_el2);
}

static inline uint64_t ich_read_hcr(void)
{
    return read_sysreg(ich_hcr_el2);
}

static inline void ich_write_hcr(uint64_t value)
{
    write_sysreg(ich_hcr_el2, value);
}

static inline uint64_t ich_read_vmcr(void)
{
    return read_sysreg(ich_vmcr_el2);
}

static inline void ich_write_vmcr(uint64_t value)
{
    write_sysreg(ich_vmcr_el2, value);
}

static inline uint64_t icc_read_iar1(void)
{
    uint64_t intid = read_sysreg(icc_iar1_el1);
    __asm__ volatile("dsb sy" ::
                         : "memory"); // what the interrupt tells of is visible (IHI 0069, 12.1.4)
    return intid;
}

static inline void icc_write_eoir1(uint64_t intid)
{
    write_sysreg(icc_eoir1_el1, intid);
    __asm__ volatile("isb" ::: "memory");
}

static inline void icc_write_dir(uint64_t intid)
{
    write_sysreg(icc_dir_el1, intid);
}

// What was written to Normal memory before is visible to the CPU that takes the SGI.
static inline void icc_write_sgi1r(uint64_t value)
{
    __asm__ volatile("dsb ishst" ::: "memory");
    write_sysreg(icc_sgi1r_el1, value);
    __asm__ volatile("isb" ::: "memory");
}

// Does the CPU have the system register interface (ID_AA64PFR0_EL1.GIC)?
static inline int icc_present(void)
{
    return (read_sysreg(id_aa64pfr0_el1) >> 24 & 0xf) != 0;
}

// ICC_SRE_EL2, PMR, BPR, EOImode 1, group 1. Returns 0 where firmware keeps the registers from EL2
// (SRE does not stick).
static inline int icc_enable_el2(void)
{
    write_sysreg(icc_sre_el2, read_sysreg(icc_sre_el2) | ICC_SRE_SRE | ICC_SRE_ENABLE);
    __asm__ volatile("isb" ::: "memory");
    if (!(read_sysreg(icc_sre_el2) & ICC_SRE_SRE)) {
        return 0;
    }
    write_sysreg(icc_sre_el1, ICC_SRE_SRE);
    write_sysreg(icc_bpr1_el1, 0);
    write_sysreg(icc_ctlr_el1, ICC_CTLR_EOIMODE);
    write_sysreg(icc_pmr_el1, 0xff);
    write_sysreg(icc_igrpen1_el1, 1);
    write_sysreg(ich_hcr_el2, 0);
    __asm__ volatile("isb" ::: "memory");
    return 1;
}
