// SPDX-License-Identifier: Apache-2.0
// One serial line, many consoles.
//
// Lines of Newel's own start with "newel: ". While more than one VM is up, lines of a VM start with "NAME| ";
// Ctrl-] opens the monitor's prompt; what is typed otherwise goes to the VM that has the focus.
#pragma once

#include "vm/manifest.h"

#include <stddef.h>
#include <stdint.h>

struct console_vm;

// A VM's end of the console. transmit side: called by the VM's PL011 with each byte.
void console_vm_write(struct console_vm *c, uint8_t byte);

// The line that a byte came in on (UART interrupt, any CPU).
void console_input(uint8_t byte);

void console_write(const char *text, size_t len); // Newel's own, raw
void console_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
