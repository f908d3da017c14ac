// SPDX-License-Identifier: Apache-2.0
// A page in which a processor waits to be started: its mailbox, and the code that it runs
// (code.S). One and the same page serves two protocols of handing a processor over, whatever
// protocol brought it there.
//
// A CPU is sent to park_entry(), at EL1 or EL2, little-endian, with its MMU and caches off and
// nothing stale in them; its registers may hold anything. It finds its page by its MPIDR: the one
// that it was sent to or another one of that page's ring, since a firmware may send several CPUs
// where it was asked to send one (a cpu-release-addr that they share). One without a page writes
// its MPIDR_EL1 into the page that it came to, and stays there. It masks interrupts, makes its own
// GIC interface take SGIs, writes its MPIDR and its state into its page, and waits until it is
// released, which happens once:
//
// - by ACPI's parking protocol (Microsoft, "Multi-processor Startup for ARM Platforms", version 1):
//   whoever wants it writes the address at PARK_JUMP, then the CPU's id at PARK_ID, both seen in
//   that order in memory itself, then sends it any SGI. It writes 0 to PARK_JUMP in answer and
//   jumps there with the page's address in x0. Only both words together release it: an id without
//   an address, or another one's id, do not.
// - by the device tree's spin table (Devicetree Specification 3.8.1, "cpu-release-addr"; Linux,
//   Documentation/arch/arm64/booting.rst): an address at PARK_RELEASE, then SEV. It writes 0 there
//   and jumps with x0 = 0.
//
// Either way it arrives at the level at which it came, with D, A, I and F masked, MMU and caches
// off, its instruction cache invalidated, no SGI active, and its GIC interface closed again (with
// GICv3 group 1 off, SRE on and the redistributor awake). Its SGIs are in group 1 of a GICv3, and
// of a GICv2 in the group that an interface opens by bit 0, which is what systems use.
//
// The code reads and writes memory with its caches off: who fills a page, or writes to it with
// caches on, cleans to the point of coherency, and invalidates before reading. The page is the
// CPU's for good, and so is its ring, so no system may count them as RAM: the code runs there, and
// pages are reached by the physical address.
//
// The page is the same at any address, and needs nothing of the hypervisor: it is for a VM's
// vCPUs as for the machine's processors.
#pragma once

#include "park/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the id is where nobody is called, and the address.
#define PARK_NOBODY UINT32_MAX

// How a parked CPU waits. In WFE it notices an SGI late, by the timer's event stream (2^13 ticks of
// the counter), and an SEV at once. In WFI it notices an SGI at once, and SEV never: for the
// parking protocol alone, where waiting in WFE has a price (a vCPU that does not sleep).
enum park_wait { PARK_IN_WFE = PARK_WAIT_WFE, PARK_IN_WFI = PARK_WAIT_WFI };

// The interrupt controller as the CPU itself has to program it. Physical addresses.
struct park_gic {
    unsigned version;       // 2, 3, or 0: leave it alone, and wait in WFE
    uint64_t distributor;   // GICv2
    uint64_t cpu_interface; // GICv2
    uint64_t redistributor; // GICv3: the CPU's own RD frame; 0 counts as no GIC
};

struct park_cpu {
    uint32_t id; // below PARK_NOBODY: ACPI's CPU interface number, anything unique for a spin table
    enum park_wait wait;
    struct park_gic gic;
    uint64_t mpidr; // its affinity fields
    uint64_t next;  // physical address of the next page of the ring; 0: there is no other page
};

// Fills a page, all PARK_PAGE_SIZE bytes of it, for a CPU that is not there yet; 8-byte aligned.
// All pages of a ring are filled before any CPU is sent to one of them. Any room, host or EL2, may
// call it. The caller cleans the page to the point of coherency and makes its code visible to the
// instruction side before any CPU is sent there.
void park_fill(void *page, const struct park_cpu *cpu);

// Where a CPU is sent, and what a device tree's cpu-release-addr names, for a page at an address.
static inline uint64_t park_entry(uint64_t page)
{
    return page + PARK_CODE;
}

static inline uint64_t park_release_address(uint64_t page)
{
    return page + PARK_RELEASE;
}

// What a CPU has told so far: PARK_NOT_THERE, PARK_AT_EL1, PARK_AT_EL2 or PARK_RELEASED, and, once
// it was there, MPIDR_EL1 as it reads it. The caller has invalidated the page's lines.
uint32_t park_state(const void *page);
uint64_t park_mpidr(const void *page);

// MPIDR_EL1 of a CPU that came here and has no page in this ring, the last one's if there were
// several; 0 (MPIDR_EL1 is never 0) if there was none. Likewise.
uint64_t park_stranger(const void *page);
