// SPDX-License-Identifier: Apache-2.0
#include "arch/cpu.h"
#include "boot/boot.h"
#include "call/psci_abi.h"
#include "cpu/machine.h"
#include "lib/log.h"
#include "mon/console.h"

static bool firmware_psci;

void power_init(const struct platform *p)
{
    firmware_psci = p->has_psci && !p->psci_hvc;
}

static noreturn void leave_machine(uint32_t function)
{
    console_flush();
    if (firmware_psci) {
        smc_call(function, 0, 0, 0);
    }
    cpu_halt(); // nobody to ask: this CPU stays in WFI, and says no more
}

noreturn void machine_power_off(void)
{
    log_info("power off");
    leave_machine(PSCI_SYSTEM_OFF);
}

noreturn void machine_reset(void)
{
    leave_machine(PSCI_SYSTEM_RESET);
}
