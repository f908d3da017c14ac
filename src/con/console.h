// SPDX-License-Identifier: Apache-2.0
// One serial line, many consoles.
//
// Lines of Newel's own start with "newel: ". While more than one VM exists, lines of a VM start
// with "NAME| "; a single VM's output passes as it is. What the VM with the focus has written of an
// unfinished line is shown at most CONSOLE_DELAY_US later, so that prompts and echo are usable;
// other VMs' lines are shown when they end or reach CONSOLE_LINE_MAX bytes, without control
// characters. Ctrl-] opens the monitor's prompt and closes it; what is typed otherwise goes to the
// VM that has the focus.
//
// Lock order: a VM console's own lock, then the screen's, then the UART's; all are innermost, and
// vcpu_notify() is never called under one of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_MAX_VMS  16
#define CONSOLE_LINE_MAX 256u
#define CONSOLE_DELAY_US 5000u
#define CONSOLE_QUIET_US 50000u

struct console_vm;

// The operator's side above the console: the monitor and what it knows of VMs. All are called with
// no console lock held.
struct console_operator {
    // Typed for the VM whose console was added with this owner.
    void (*vm_input)(void *owner, const uint8_t *bytes, size_t count);
    // A line entered at the prompt; may write, and change the focus.
    void (*command)(char *line);
    // Tab: bytes to insert at the cursor are left in insert, as a string; line holds length bytes
    // before the cursor. Called with the screen locked: must not write.
    void (*complete)(const char *line, size_t length, char *insert, size_t size);
};

// Newel's log goes to the line from now on, without locks: the MMU may be off. uart_early_init()
// comes first.
void console_early_init(void);
// Other CPUs may write from now on. On the boot CPU with the MMU and caches on and
// timer_frequency() known.
void console_start_locking(void);
void console_set_operator(const struct console_operator *operator);

// A console for a VM; the name must stay. Called while no other CPU runs, once for each VM; the
// first gets the focus. At most CONSOLE_MAX_VMS.
struct console_vm *console_vm_add(const char *name, void *owner);

// A VM's end of the console: its PL011's transmit(). console_vm is a struct console_vm. One byte;
// any CPU.
void console_vm_write(void *console_vm, uint8_t byte);
// Shows what is left of an unfinished line, and ends it; when the VM has stopped.
void console_vm_flush(struct console_vm *c);
// Bytes that were dropped because the line could not keep up; the VM with the focus waits for it
// instead.
uint64_t console_vm_lost(const struct console_vm *c);
// A VM that is destroyed no longer counts as one of several; one that is started again does.
void console_vm_set_present(struct console_vm *c, bool present);

// Gives the VM the focus and closes the prompt. Shows the last of what it wrote: whole lines, then
// "newel: what is typed goes to NAME", then the line that is not finished.
void console_focus(struct console_vm *c);
struct console_vm *console_focused(void); // NULL if there is no VM

// A byte that came in on the line (the UART's receive), on the one CPU that takes the UART's
// interrupt.
void console_input(uint8_t byte);
void console_open_prompt(void);
void console_close_prompt(void); // nothing if no VM has the focus

// Newel's own, as it is but "\n" becoming "\r\n"; any CPU, any time after console_early_init().
void console_write(const char *text, size_t len);
void console_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2))); // up to 511 bytes

// All that VMs have written, and all that the line has not sent yet. Before the machine goes off.
void console_flush(void);
// For a panic: from now on everything is polled and no lock is waited for.
void console_panic(void);
