// SPDX-License-Identifier: Apache-2.0
// ACPI's tables, spoiled: whatever they say, nothing outside of memory is read, and what comes out
// lies within bounds.
#include "../unit/acpi_tables.h"
#include "boot/park_tables.h"
#include "boot/platform.h"
#include "lib/bits.h"

#include <stdio.h>
#include <stdlib.h>

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static bool is_private(uint32_t intid)
{
    return intid >= 16 && intid <= 31;
}

static void check_good(const struct platform *p)
{
    const struct gic_config *g = &p->gic;
    require(p->cpu_count >= 1 && p->cpu_count <= MAX_CPUS && p->cpu[0].mpidr == 0, "CPUs");
    for (size_t i = 1; i < p->cpu_count; i++) {
        uint64_t base, size;
        const struct cpu_start *s = &p->cpu[i].start;
        require(!p->has_psci || s->method == (p->psci_hvc ? CPU_PSCI_HVC : CPU_PSCI_SMC), "PSCI");
        require(!cpu_start_reaches(s, &base, &size) || range_fits(base, size, BIT(48)), "mailbox");
    }
    require(range_fits(g->dist.v, g->dist_size, BIT(48)), "distributor");
    require(g->rdist_count >= 1 && g->rdist_count <= GIC_MAX_RDIST, "redistributors");
    for (size_t i = 0; i < g->rdist_count; i++) {
        require(range_fits(g->rdist[i].base.v, g->rdist[i].size, BIT(48)), "region");
    }
    require(is_private(g->ppi.maintenance) && is_private(g->ppi.virtual_timer) &&
                is_private(g->ppi.el2_timer) && is_private(g->ppi.physical_timer),
            "private interrupts");
    require(p->uart.type == UART_NONE || range_fits(p->uart.base.v, p->uart.size, BIT(48)), "UART");
    require(p->uart.intid == 0 || (p->uart.intid >= 32 && p->uart.intid < 1020),
            "UART's interrupt");
    require(p->ram_count == 1 && p->reserved_count <= p->cpu_count, "memory is as it was");
}

static void check_message(const char *message)
{
    require(strncmp(message, "ACPI: ", 6) == 0, "message");
    for (const char *c = message; *c != '\0'; c++) {
        require(*c >= 0x20 && *c <= 0x7e, "printable message");
    }
}

static struct arena arena;

static const void *writable_memory(void *context, uint64_t address, uint64_t size)
{
    (void)context;
    return address >= ARENA_BASE && address - ARENA_BASE < ARENA_SIZE &&
                   size <= ARENA_SIZE - (address - ARENA_BASE)
               ? arena.bytes + (address - ARENA_BASE)
               : NULL;
}

// What was read is rewritten, and read again: all others wait in mailboxes. Tables may share what
// is rewritten with others that nobody looks at, which then are damaged; that is a refusal.
static void check_rewriting(const struct platform *p, const struct complaint *c)
{
    static struct platform again;
    struct parked parked = {.boot_mpidr = 0, .count = p->cpu_count - 1};
    struct acpi acpi = {writable_memory, NULL, *c, {0}};
    for (size_t i = 1; i < p->cpu_count; i++) {
        parked.cpu[i - 1].mpidr = p->cpu[i].mpidr;
        parked.cpu[i - 1].page = i % 3 == 0 ? 0 : 0x7f000000 + 0x1000 * i;
    }
    memset(&again, 0, sizeof(again));
    if (park_rewrite_acpi(&acpi, ARENA_AT(PAGE_RSDP), &parked) != 0 ||
        platform_add_acpi(&acpi, ARENA_AT(PAGE_RSDP), 0, &again) != 0) {
        return;
    }
    require(!again.has_psci, "no PSCI");
    for (size_t i = 1; i < again.cpu_count; i++) {
        require(again.cpu[i].start.method == CPU_PARKED, "all are parked");
    }
}

// Four bytes each: where in the arena, and what goes there; the last says which checksums are made
// right again.
static void spoil(struct arena *a, const uint8_t *data, size_t size)
{
    for (; size >= 4; data += 4, size -= 4) {
        a->bytes[(data[0] | data[1] << 8) % ARENA_SIZE] = data[2];
        if (data[3] % 4 != 0) {
            a->bytes[((data[0] | data[1] << 8) + 1u) % ARENA_SIZE] = data[3];
        }
    }
    for (enum arena_page page = PAGE_XSDT; page <= PAGE_OTHER; page++) {
        if (size == 0 || (data[0] >> page & 1) == 0) {
            fix_table(page_of(a, page));
        }
    }
    fix_rsdp(page_of(a, PAGE_RSDP));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct platform p;
    char message[200] = "";
    struct window w = {.arena = &arena};
    struct acpi acpi = {arena_memory, &w, {"ACPI", message, sizeof(message)}, {0}};
    build_tables(&arena);
    spoil(&arena, data, size);
    memset(&p, 0, sizeof(p));
    p.ram[0] = (struct mem_region){0x40000000, 0x40000000};
    p.ram_count = 1;
    if (platform_add_acpi(&acpi, ARENA_AT(PAGE_RSDP), 0, &p) == 0) {
        check_good(&p);
        check_rewriting(&p, &acpi.complaint);
    } else {
        check_message(message);
    }
    window_close(&w);
    return 0;
}
