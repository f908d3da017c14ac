// SPDX-License-Identifier: Apache-2.0
// newel-detect as a UEFI application: newel-detect.efi [--json], at EL2 or EL1, as the firmware
// runs. A fault would be the firmware's end, so only registers that every CPU has are tried.
#include "boot/efi/efi.h"
#include "arch/cpu.h"
#include "arch/sysreg.h"
#include "boot/acpi.h"
#include "lib/check.h"
#include "report.h"

#include <libfdt.h>
#include <string.h>

#define FADT_ARM_BOOT_ARCH 129 // ACPI 6.5, 5.2.9.4
#define FADT_PSCI          BIT(0)
#define FADT_PSCI_HVC      BIT(1)
#define FADT_HYPERVISOR    268

#define SMBIOS_SYSTEM 1 // DSP0134 7.2
#define SMBIOS_END    127

// DSP0134 5.2.2
#define SMBIOS3_GUID                                       \
    {                                                      \
        0xf2fd1544, 0x9794, 0x4a2c,                        \
        {                                                  \
            0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94 \
        }                                                  \
    }

struct smbios3_entry {
    char anchor[5];
    uint8_t checksum, length, major, minor, docrev, revision, reserved;
    uint32_t size;
    uint64_t table;
};

enum conduit { CONDUIT_NONE, CONDUIT_SMC, CONDUIT_HVC };

efi_status efi_main(efi_handle image, struct efi_system_table *system);
// The image can be nothing but a UEFI application.
noreturn void primary_entry(void);

static struct efi_system_table *firmware;

noreturn void primary_entry(void)
{
    for (;;) {
        cpu_wfi();
    }
}

// Of a library's stack canary.
noreturn void panic(const char *fmt, ...)
{
    (void)fmt;
    primary_entry();
}

static void write_out(const char *text)
{
    uint16_t wide[260];
    size_t n = 0;
    for (; *text != '\0' && n < 257; text++) {
        if (*text == '\n') {
            wide[n++] = '\r';
        }
        wide[n++] = (uint8_t)*text;
    }
    wide[n] = 0;
    if (firmware->out != NULL) {
        firmware->out->output_string(firmware->out, wide);
    }
}

static const void *find_table(struct efi_guid guid)
{
    for (uint64_t i = 0; i < firmware->table_count; i++) {
        if (memcmp(&firmware->tables[i].guid, &guid, sizeof(guid)) == 0) {
            return firmware->tables[i].table;
        }
    }
    return NULL;
}

// ---- what firmware and hypervisor say ----

// The firmware's own tables are at the addresses they name.
static const void *firmware_memory(void *context, uint64_t address, uint64_t size)
{
    (void)context;
    (void)size;
    return (const void *)(uintptr_t)address;
}

static enum conduit read_acpi(struct detect_signs *s)
{
    char complaint[160];
    struct acpi acpi = {.memory = firmware_memory,
                        .complaint = {"ACPI", complaint, sizeof(complaint)}};
    struct acpi_table fadt;
    const void *rsdp = find_table((struct efi_guid)EFI_ACPI_20_GUID);
    if (rsdp == NULL || acpi_open(&acpi, (uint64_t)(uintptr_t)rsdp) != 0 ||
        acpi_find(&acpi, "FACP", FADT_HYPERVISOR + 8, &fadt) != 0) {
        return CONDUIT_NONE;
    }
    detect_copy(s->acpi, sizeof(s->acpi), (const char *)fadt.bytes + FADT_HYPERVISOR, 8);
    uint16_t arm = acpi_u16(&fadt, FADT_ARM_BOOT_ARCH);
    return (arm & FADT_PSCI) == 0 ? CONDUIT_NONE : arm & FADT_PSCI_HVC ? CONDUIT_HVC : CONDUIT_SMC;
}

static enum conduit read_device_tree(struct detect_signs *s)
{
    const void *fdt = find_table((struct efi_guid)EFI_DEVICE_TREE_GUID);
    int size;
    if (fdt == NULL || fdt_check_header(fdt) != 0) {
        return CONDUIT_NONE;
    }
    const char *text = fdt_getprop(fdt, fdt_path_offset(fdt, "/hypervisor"), "compatible", &size);
    if (text != NULL) {
        detect_copy(s->device_tree, sizeof(s->device_tree), text, (size_t)size);
    }
    text = fdt_getprop(fdt, fdt_path_offset(fdt, "/psci"), "method", &size);
    if (text == NULL || size != 4) {
        return CONDUIT_NONE;
    }
    return memcmp(text, "hvc", 4) == 0 ? CONDUIT_HVC : CONDUIT_SMC;
}

// By the conduit of PSCI, which is SMCCC's as well.
static bool by_hvc(uint32_t function, uint32_t answer[4])
{
    struct smc_result r = hvc_call(function, 0, 0, 0);
    for (unsigned i = 0; i < 4; i++) {
        answer[i] = (uint32_t)r.x[i];
    }
    return true;
}

static bool by_smc(uint32_t function, uint32_t answer[4])
{
    struct smc_result r = smc_call(function, 0, 0, 0);
    for (unsigned i = 0; i < 4; i++) {
        answer[i] = (uint32_t)r.x[i];
    }
    return true;
}

static void ask_uid(struct detect_signs *s, enum conduit conduit, unsigned level)
{
    if (conduit == CONDUIT_SMC) {
        detect_ask_uid(s->smccc, sizeof(s->smccc), by_smc);
    } else if (conduit == CONDUIT_HVC && level == 1) { // from EL2 it would call the caller
        detect_ask_uid(s->smccc, sizeof(s->smccc), by_hvc);
    }
}

// The n-th string behind a structure (DSP0134 6.1.3), from 1; they end with an empty one.
static const char *smbios_string(const uint8_t *structure, unsigned n)
{
    const char *text = (const char *)structure + structure[1];
    while (n > 1 && *text != '\0') {
        text += strlen(text) + 1;
        n--;
    }
    return n == 1 ? text : "";
}

static const uint8_t *smbios_next(const uint8_t *structure)
{
    const uint8_t *at = structure + structure[1];
    while (at[0] != 0 || at[1] != 0) {
        at++;
    }
    return at + 2;
}

static void read_dmi(struct detect_signs *s)
{
    const struct smbios3_entry *entry = find_table((struct efi_guid)SMBIOS3_GUID);
    if (entry == NULL || memcmp(entry->anchor, "_SM3_", 5) != 0) {
        return;
    }
    const uint8_t *at = (const uint8_t *)(uintptr_t)entry->table, *end = at + entry->size;
    while (at + 6 < end && at[0] != SMBIOS_SYSTEM && at[0] != SMBIOS_END) {
        at = smbios_next(at);
    }
    if (at + 6 < end && at[0] == SMBIOS_SYSTEM) {
        const char *maker = smbios_string(at, at[4]), *product = smbios_string(at, at[5]);
        detect_copy(s->dmi, 64, maker, strlen(maker));
        size_t length = strlen(s->dmi);
        s->dmi[length++] = ' ';
        detect_copy(s->dmi + length, sizeof(s->dmi) - length, product, strlen(product));
    }
}

static bool wants_json(efi_handle image)
{
    static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID;
    static const char word[] = "--json";
    struct efi_loaded_image *loaded;
    if (firmware->boot->handle_protocol(image, &loaded_image, (void **)&loaded) != EFI_SUCCESS) {
        return false;
    }
    size_t matched = 0;
    for (size_t i = 0; i < loaded->options_size / 2 && matched < sizeof(word) - 1; i++) {
        matched = loaded->options[i] == (uint8_t)word[matched] ? matched + 1 : 0;
    }
    return matched == sizeof(word) - 1;
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
    static struct newel_detect found;
    static struct newel_detect_cell cell;
    static struct detect_signs signs;
    static uint64_t ticks[NEWEL_DETECT_ROWS_ + 1];
    unsigned level = (unsigned)read_sysreg(CurrentEL) >> 2;
    firmware = system;
    newel_detect_run(&found, &cell, level, NEWEL_DETECT_ROUNDS, NULL);
    for (unsigned row = 0; row <= NEWEL_DETECT_ROWS_; row++) {
        bool tried = row == NEWEL_DETECT_ROWS_ || found.row[row].tries != 0;
        ticks[row] = tried ? newel_detect_ticks(&cell, row) : 0;
    }
    enum conduit by_acpi = read_acpi(&signs), by_tree = read_device_tree(&signs);
    ask_uid(&signs, by_acpi != CONDUIT_NONE ? by_acpi : by_tree, level);
    read_dmi(&signs);
    detect_report(&found, ticks, &signs, wants_json(image), write_out);
    return EFI_SUCCESS;
}
