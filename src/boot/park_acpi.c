// SPDX-License-Identifier: Apache-2.0
#include "boot/acpi_layout.h"
#include "boot/park_tables.h"

#define PARKING_VERSION 1u

#define fail(a, ...) complain(&(a)->complaint, __VA_ARGS__)

const uint64_t *parked_page(const struct parked *parked, uint64_t mpidr)
{
    for (size_t i = 0; i < parked->count; i++) {
        if (parked->cpu[i].mpidr == mpidr) {
            return &parked->cpu[i].page;
        }
    }
    return NULL;
}

static void write_field(const struct acpi_table *t, uint32_t at, uint64_t v, uint32_t size)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)t->bytes; // acpi->memory() gives what can be written
    for (uint32_t i = 0; i < size; i++) {
        bytes[at + i] = (uint8_t)(v >> (8 * i));
    }
}

static void fix_checksum(const struct acpi_table *t)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < t->size; i++) {
        sum = (uint8_t)(sum + (i == ACPI_CHECKSUM ? 0 : t->bytes[i]));
    }
    write_field(t, ACPI_CHECKSUM, (uint8_t)-sum, 1);
}

// Of what has to be found: the boot CPU, and each that is parked; 0 for another CPU.
static uint64_t bit_of(const struct parked *parked, uint64_t mpidr)
{
    if (mpidr == parked->boot_mpidr) {
        return BIT(parked->count);
    }
    for (size_t i = 0; i < parked->count; i++) {
        if (parked->cpu[i].mpidr == mpidr) {
            return BIT(i);
        }
    }
    return 0;
}

_Static_assert(MAX_CPUS < 64, "a bit for each");

// Every structure can be walked over, every CPU has one GICC structure that is enabled.
static int check_madt(struct acpi *acpi, const struct acpi_table *madt, const struct parked *parked)
{
    struct acpi_table e;
    uint32_t at = MADT_SIZE;
    uint64_t left = BIT(parked->count + 1) - 1;
    int more;
    while ((more = acpi_next(acpi, madt, &at, &e)) > 0) {
        if (acpi_u8(&e, 0) != MADT_GICC) {
            continue;
        }
        if (e.size < GICC_SIZE) {
            return fail(acpi, "APIC: a structure of type %u is %u bytes long", MADT_GICC, e.size);
        }
        uint64_t mpidr = acpi_u64(&e, GICC_MPIDR);
        bool enabled = (acpi_u32(&e, GICC_FLAGS) & GICC_ENABLED) != 0;
        uint64_t bit = enabled ? bit_of(parked, mpidr) : 0;
        if ((bit & ~left) != 0) {
            return fail(acpi, "APIC: there are two CPUs with MPIDR 0x%lx", (unsigned long)mpidr);
        }
        left &= ~bit;
    }
    if (more == 0 && left != 0) {
        size_t first = bit_first(left);
        uint64_t mpidr = first == parked->count ? parked->boot_mpidr : parked->cpu[first].mpidr;
        return fail(acpi, "APIC: CPU 0x%lx is not there, or not enabled", (unsigned long)mpidr);
    }
    return more;
}

static void rewrite_gicc(const struct acpi_table *gicc, const struct parked *parked)
{
    uint32_t flags = acpi_u32(gicc, GICC_FLAGS);
    uint64_t mpidr = acpi_u64(gicc, GICC_MPIDR);
    const uint64_t *page = parked_page(parked, mpidr);
    if (mpidr == parked->boot_mpidr && (flags & GICC_ENABLED) != 0) {
        return;
    }
    bool waits = page != NULL && *page != 0 && (flags & GICC_ENABLED) != 0;
    if (!waits) {
        flags &= ~(uint32_t)(GICC_ENABLED | GICC_ONLINE_CAPABLE);
    }
    write_field(gicc, GICC_FLAGS, flags, 4);
    write_field(gicc, GICC_PARKING_VERSION, waits ? PARKING_VERSION : 0, 4);
    write_field(gicc, GICC_PARKED_ADDRESS, waits ? *page : 0, 8);
}

static void rewrite_madt(const struct acpi *acpi, const struct acpi_table *madt,
                         const struct parked *parked)
{
    struct acpi_table e;
    uint32_t at = MADT_SIZE;
    while (acpi_next(acpi, madt, &at, &e) > 0) {
        if (acpi_u8(&e, 0) == MADT_GICC) {
            rewrite_gicc(&e, parked);
        }
    }
    fix_checksum(madt);
}

static void rewrite_fadt(const struct acpi_table *fadt)
{
    uint64_t arm = acpi_u16(fadt, FADT_ARM_BOOT_ARCH);
    write_field(fadt, FADT_ARM_BOOT_ARCH, arm & ~(ARM_PSCI_COMPLIANT | ARM_PSCI_USE_HVC), 2);
    fix_checksum(fadt);
}

int park_rewrite_acpi(struct acpi *acpi, uint64_t rsdp, const struct parked *parked)
{
    struct acpi_table madt, fadt;
    int err = acpi_open(acpi, rsdp);
    err = err != 0 ? err : acpi_find(acpi, "APIC", MADT_SIZE, &madt);
    err = err != 0 ? err : acpi_find(acpi, "FACP", FADT_SIZE, &fadt);
    if (err == ERR_NOENT) {
        return fail(acpi, "there is no APIC, or no FACP");
    }
    err = err != 0 ? err : check_madt(acpi, &madt, parked);
    if (err == 0) {
        rewrite_madt(acpi, &madt, parked);
        rewrite_fadt(&fadt);
    }
    return err;
}
