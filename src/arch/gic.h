// SPDX-License-Identifier: Apache-2.0
// The GIC's system registers at EL2 (IHI 0069, 12.2 and 12.4).
#pragma once

#include <stdint.h>

uint64_t ich_read_lr(unsigned n);
void ich_write_lr(unsigned n, uint64_t value);
uint64_t ich_read_vtr(void);
uint64_t ich_read_hcr(void);
void ich_write_hcr(uint64_t value);
uint64_t ich_read_vmcr(void);
void ich_write_vmcr(uint64_t value);
uint64_t ich_read_elrsr(void);
uint64_t ich_read_eisr(void);
uint64_t ich_read_misr(void);
uint64_t ich_read_ap0r(unsigned n);
void ich_write_ap0r(unsigned n, uint64_t value);
uint64_t ich_read_ap1r(unsigned n);
void ich_write_ap1r(unsigned n, uint64_t value);

uint64_t icc_read_iar1(void);
void icc_write_eoir1(uint64_t intid);
void icc_write_dir(uint64_t intid);
void icc_write_sgi1r(uint64_t value);
void icc_enable_el2(void); // ICC_SRE_EL2, PMR, BPR, EOImode 1, group 1

// MMIO, little-endian, with the barriers Device memory needs none of.
uint32_t mmio_read32(uint64_t address);
void mmio_write32(uint64_t address, uint32_t value);
uint64_t mmio_read64(uint64_t address);
void mmio_write64(uint64_t address, uint64_t value);
