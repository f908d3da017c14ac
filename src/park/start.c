// SPDX-License-Identifier: Apache-2.0
#include "park/start.h"

#include "arch/cache.h"
#include "arch/cpu.h"
#include "arch/gic.h"
#include "call/psci_abi.h"
#include "lib/addr.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "park/board.h"

#define GICD_SGIR   0xf00u
#define WAKE_SGI    UINT64_C(0) // INTID
#define GICV2_CPUS  8u
#define RELEASE_LEN 8u

const char *cpu_method_name(const struct cpu_start *s)
{
    const struct board *b = board_at(s->id);
    switch (s->method) {
    case CPU_PSCI_SMC:
        return "PSCI (SMC)";
    case CPU_PSCI_HVC:
        return "PSCI (HVC)";
    case CPU_SPIN_TABLE:
        return "spin table";
    case CPU_PARKED:
        return "parking protocol";
    case CPU_BOARD:
        return b != NULL ? b->method : "unknown";
    default:
        return s->name[0] != '\0' ? s->name : "none";
    }
}

bool cpu_start_reaches(const struct cpu_start *s, uint64_t *base, uint64_t *size)
{
    uint64_t bytes = s->method == CPU_SPIN_TABLE ? RELEASE_LEN
                     : s->method == CPU_PARKED   ? PARK_PAGE_SIZE
                     : s->method == CPU_BOARD    ? BOARD_REGISTERS
                                                 : 0;
    *base = align_down(s->address, PAGE_SIZE);
    *size = align_up(s->address + bytes, PAGE_SIZE) - *base;
    return bytes != 0;
}

// ---- PSCI ----

static int psci_error(int32_t code)
{
    switch (code) {
    case PSCI_SUCCESS:
        return 0;
    case PSCI_ALREADY_ON:
    case PSCI_ON_PENDING:
        return ERR_BUSY;
    case PSCI_INVALID_PARAMETERS:
    case PSCI_INVALID_ADDRESS:
        return ERR_INVALID;
    case PSCI_DENIED:
    case PSCI_DISABLED:
        return ERR_ACCESS;
    case PSCI_NOT_PRESENT:
        return ERR_NOENT;
    default:
        return ERR_UNSUPPORTED;
    }
}

// ---- memory that a CPU looks at with its caches off ----

static void flush(uint64_t address, size_t size)
{
    dcache_clean_inval_poc((const void *)(uintptr_t)address, size);
    cache_dsb_sy();
}

static int by_spin_table(uint64_t release, uint64_t entry)
{
    flush(release, RELEASE_LEN); // nothing older may be written back over it
    mmio_write64(release, entry);
    flush(release, RELEASE_LEN);
    cpu_sev();
    return 0;
}

static void send_sgi(const struct park_gic *gic, uint64_t mpidr, uint32_t id)
{
    if (gic->version == 2 && id < GICV2_CPUS) {
        mmio_write32(gic->distributor + GICD_SGIR, (uint32_t)(BIT(16 + id) | WAKE_SGI));
    } else if (gic->version == 3) {
        icc_write_sgi1r(gic_sgi_to(mpidr) | WAKE_SGI << 24);
    }
}

// The address is in memory before the id is: the CPU looks for the id first.
static int by_mailbox(const struct cpu_start *s, uint64_t mpidr, uint64_t entry,
                      const struct park_gic *gic)
{
    uint64_t page = s->address;
    flush(page, PARK_FREE);
    if (mmio_read32(page + PARK_ID) != PARK_NOBODY || mmio_read64(page + PARK_JUMP) != 0) {
        return ERR_BUSY;
    }
    mmio_write64(page + PARK_JUMP, entry);
    flush(page, PARK_FREE);
    mmio_write32(page + PARK_ID, s->id);
    flush(page, PARK_FREE);
    send_sgi(gic, mpidr, s->id);
    cpu_sev();
    return 0;
}

int cpu_start(const struct cpu_start *s, uint64_t mpidr, uint64_t entry, const struct park_gic *gic)
{
    const struct board *b = board_at(s->id);
    switch (s->method) {
    case CPU_PSCI_SMC:
        return psci_error((int32_t)smc_call(PSCI_CPU_ON_64, mpidr, entry, 0).x[0]);
    case CPU_PSCI_HVC:
        return psci_error((int32_t)hvc_call(PSCI_CPU_ON_64, mpidr, entry, 0).x[0]);
    case CPU_SPIN_TABLE:
        return by_spin_table(s->address, entry);
    case CPU_PARKED:
        return by_mailbox(s, mpidr, entry, gic);
    case CPU_BOARD:
        return b != NULL ? board_start(b, s->address, mpidr, entry) : ERR_UNSUPPORTED;
    default:
        return ERR_UNSUPPORTED;
    }
}
