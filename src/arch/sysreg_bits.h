// SPDX-License-Identifier: Apache-2.0
// Fields of system registers (Arm ARM D19); shared by the hypervisor and the host's stand-in.
#pragma once

#include "lib/bits.h"

// HCR_EL2
#define HCR_VM     BIT(0)
#define HCR_SWIO   BIT(1)
#define HCR_PTW    BIT(2)
#define HCR_FMO    BIT(3)
#define HCR_IMO    BIT(4)
#define HCR_AMO    BIT(5)
#define HCR_VSE    BIT(8)
#define HCR_FB     BIT(9)
#define HCR_BSU_IS BIT(10)
#define HCR_DC     BIT(12)
#define HCR_TWI    BIT(13)
#define HCR_TWE    BIT(14)
#define HCR_TID0   BIT(15)
#define HCR_TID1   BIT(16)
#define HCR_TID2   BIT(17)
#define HCR_TID3   BIT(18)
#define HCR_TSC    BIT(19)
#define HCR_TIDCP  BIT(20)
#define HCR_TACR   BIT(21)
#define HCR_TSW    BIT(22)
#define HCR_TPC    BIT(23)
#define HCR_TPU    BIT(24)
#define HCR_TTLB   BIT(25)
#define HCR_TVM    BIT(26)
#define HCR_TGE    BIT(27)
#define HCR_TDZ    BIT(28)
#define HCR_HCD    BIT(29)
#define HCR_TRVM   BIT(30)
#define HCR_RW     BIT(31)
#define HCR_E2H    BIT(34)
#define HCR_TLOR   BIT(35)
#define HCR_TERR   BIT(36)
#define HCR_TEA    BIT(37)
#define HCR_APK    BIT(40)
#define HCR_API    BIT(41)
#define HCR_FWB    BIT(46)

// CPTR_EL2, E2H = 0
#define CPTR_RES1  UINT64_C(0x32ff)
#define CPTR_TZ    BIT(8)
#define CPTR_TFP   BIT(10)
#define CPTR_TSM   BIT(12)
#define CPTR_TTA   BIT(20)
#define CPTR_TAM   BIT(30)
#define CPTR_TCPAC BIT(31)

// MDCR_EL2
#define MDCR_TPMCR BIT(5)
#define MDCR_TPM   BIT(6)
#define MDCR_TDE   BIT(8)
#define MDCR_TDA   BIT(9)
#define MDCR_TDOSA BIT(10)
#define MDCR_TDRA  BIT(11)
#define MDCR_TPMS  BIT(14)
#define MDCR_HPMD  BIT(17)
#define MDCR_TTRF  BIT(19)
#define MDCR_HCCD  BIT(23)

// PMCR_EL0
#define PMCR_E       BIT(0)
#define PMCR_N(pmcr) bits_get(pmcr, 15, 11)

// MDSCR_EL1
#define MDSCR_SS   BIT(0)
#define MDSCR_TDCC BIT(12)
#define MDSCR_KDE  BIT(13)
#define MDSCR_MDE  BIT(15)

// CNTHCTL_EL2, E2H = 0
#define CNTHCTL_EL1PCTEN BIT(0)
#define CNTHCTL_EL1PCEN  BIT(1)

// ESR_ELx
#define ESR_EC(esr)      bits_get(esr, 31, 26)
#define ESR_IL           BIT(25)
#define ESR_ISS(esr)     bits_get(esr, 24, 0)
#define EC_UNKNOWN       0x00u
#define EC_WFX           0x01u
#define EC_CP14_RT       0x05u
#define EC_CP14_LS       0x06u
#define EC_FP            0x07u
#define EC_PAUTH         0x09u
#define EC_CP14_RRT      0x0cu
#define EC_ILLEGAL       0x0eu
#define EC_HVC64         0x16u
#define EC_SMC64         0x17u
#define EC_SYSREG        0x18u
#define EC_SVE           0x19u
#define EC_SME           0x1du
#define EC_LS64          0x0au
#define EC_IABT_LOWER    0x20u
#define EC_IABT          0x21u
#define EC_PC_ALIGN      0x22u
#define EC_DABT_LOWER    0x24u
#define EC_DABT          0x25u
#define EC_SP_ALIGN      0x26u
#define EC_SERROR        0x2fu
#define EC_BREAKPT_LOWER 0x30u
#define EC_SSTEP_LOWER   0x32u
#define EC_WATCHPT_LOWER 0x34u
#define EC_BKPT32        0x38u
#define EC_BRK64         0x3cu
// Abort ISS
#define ISS_ISV      BIT(24)
#define ISS_SAS(iss) bits_get(iss, 23, 22)
#define ISS_SSE      BIT(21)
#define ISS_SRT(iss) bits_get(iss, 20, 16)
#define ISS_SF       BIT(15)
#define ISS_FNV      BIT(10)
#define ISS_EA       BIT(9)
#define ISS_CM       BIT(8)
#define ISS_S1PTW    BIT(7)
#define ISS_WNR      BIT(6)
#define ISS_FSC(iss) bits_get(iss, 5, 0)

// SPSR_ELx and PSTATE
#define PSR_M_MASK  UINT64_C(0x1f)
#define PSR_EL0T    UINT64_C(0x0)
#define PSR_EL1T    UINT64_C(0x4)
#define PSR_EL1H    UINT64_C(0x5)
#define PSR_EL2H    UINT64_C(0x9)
#define PSR_AARCH32 BIT(4)
#define PSR_F       BIT(6)
#define PSR_I       BIT(7)
#define PSR_A       BIT(8)
#define PSR_D       BIT(9)
#define PSR_DAIF    (PSR_D | PSR_A | PSR_I | PSR_F)
#define PSR_BTYPE   MASK(11, 10)
#define PSR_SSBS    BIT(12)
#define PSR_IL      BIT(20)
#define PSR_SS      BIT(21)
#define PSR_PAN     BIT(22)
#define PSR_UAO     BIT(23)
#define PSR_DIT     BIT(24)
#define PSR_TCO     BIT(25)
#define PSR_NZCV    MASK(31, 28)

// SCTLR_ELx
#define SCTLR_M        BIT(0)
#define SCTLR_A        BIT(1)
#define SCTLR_C        BIT(2)
#define SCTLR_SA       BIT(3)
#define SCTLR_I        BIT(12)
#define SCTLR_WXN      BIT(19)
#define SCTLR_SPAN     BIT(23)
#define SCTLR_E0E      BIT(24)
#define SCTLR_EE       BIT(25)
#define SCTLR_DSSBS    BIT(44)
#define SCTLR_EL1_RES1 (BIT(11) | BIT(20) | BIT(22) | BIT(23) | BIT(28) | BIT(29))
#define SCTLR_EL2_RES1 \
    (BIT(4) | BIT(5) | BIT(11) | BIT(16) | BIT(18) | BIT(22) | BIT(23) | BIT(28) | BIT(29))

// TCR_EL1
#define TCR_EPD0 BIT(7)
#define TCR_EPD1 BIT(23)

// Generic timer control
#define CNT_CTL_ENABLE  BIT(0)
#define CNT_CTL_IMASK   BIT(1)
#define CNT_CTL_ISTATUS BIT(2)

// MPIDR_EL1
#define MPIDR_AFFINITY (MASK(39, 32) | MASK(23, 0))
#define MPIDR_RES1     BIT(31)

// PAR_EL1
#define PAR_F BIT(0)
