// SPDX-License-Identifier: Apache-2.0
#include "arch/cpu.h"
#include "boot/boot.h"
#include "boot/efi_services.h"
#include "call/psci_abi.h"
#include "con/console.h"
#include "cpu/machine.h"
#include "dev/bcm2835_pm.h"
#include "lib/log.h"

#include <libfdt.h>
#include <string.h>

static enum { NOBODY, FIRMWARE, HYPERVISOR } psci_by; // who answers PSCI calls

void power_init(const struct platform *p)
{
    psci_by = p->has_psci && !p->psci_hvc ? FIRMWARE : NOBODY;
}

void power_init_early(const void *fdt, unsigned el)
{
    int node = fdt_path_offset(fdt, "/psci");
    const char *method = node < 0 ? NULL : fdt_getprop(fdt, node, "method", NULL);
    if (method != NULL && strcmp(method, "smc") == 0 && el < 3) {
        psci_by = FIRMWARE;
    } else if (method != NULL && strcmp(method, "hvc") == 0 && el == 1) {
        psci_by = HYPERVISOR;
    }
}

static hpa_t bcm2835_pm; // 0: none

void power_use_bcm2835(hpa_t pm)
{
    bcm2835_pm = pm;
}

static noreturn void leave_machine(uint32_t function)
{
    console_flush();
    if (psci_by == FIRMWARE) {
        smc_call(function, 0, 0, 0);
    } else if (psci_by == HYPERVISOR) {
        hvc_call(function, 0, 0, 0);
    } else if (bcm2835_pm.v != 0) {
        bcm2835_pm_leave(bcm2835_pm, function == PSCI_SYSTEM_OFF);
    }
    cpu_halt(); // nobody to ask: this CPU stays in WFI, and says no more
}

noreturn void machine_power_off(void)
{
    efi_services_finish();
    log_info("power off");
    if (psci_by == NOBODY && bcm2835_pm.v == 0) {
        log_info("nobody here turns the machine off: it may be turned off by hand");
    }
    leave_machine(PSCI_SYSTEM_OFF);
}

noreturn void machine_reset(void)
{
    efi_services_finish();
    leave_machine(PSCI_SYSTEM_RESET);
}
