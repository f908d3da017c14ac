// SPDX-License-Identifier: Apache-2.0
// What this room needs of the machine and rooms above provide.
#pragma once

#include <stdbool.h>
#include <stdnoreturn.h>

struct vcpu;

// Interrupt another CPU, so that it looks at its attention bits or its queue (a host SGI). Any CPU.
void machine_kick(unsigned cpu);

// Serve every physical interrupt that is pending on this CPU. On a CPU that runs no vCPU.
void machine_interrupts(void);

// The vCPU's performance monitors do not count any more; line: its overflow interrupt's, as they
// stand. On the CPU where they were live, if they were, with the vCPU's interrupts saved.
void machine_pmu_stopped(struct vcpu *v, bool line);

// By firmware, with the console drained first.
noreturn void machine_power_off(void);
noreturn void machine_reset(void);
