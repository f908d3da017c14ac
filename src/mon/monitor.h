// SPDX-License-Identifier: Apache-2.0
// The operator's prompt. A command is a row of a table in one of the cmd_*.c files; it runs in the
// context of the UART's interrupt, so it is bounded and returns: what takes longer is started and
// goes on by itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MONITOR_MAX_WORDS 8

struct vm;

// A line as it was typed, in words: those of the command's name, then its arguments.
struct invocation {
    unsigned words, name_words;
    const char *word[MONITOR_MAX_WORDS];
};

struct command {
    const char *name;     // one or two words
    const char *args;     // as help shows them; "NAME" in them is completed to a VM's name
    unsigned least, most; // how many arguments there may be
    const char *help;
    void (*run)(const struct invocation *in);
};

// Each ends with a row whose name is NULL.
extern const struct command vm_commands[], tools_commands[], vcpu_commands[], memory_commands[],
    vars_commands[], scan_commands[], watch_commands[], dump_commands[], log_commands[],
    machine_commands[], test_commands[];

// Puts the monitor behind the console. After the VMs are known and timers work.
void monitor_init(void);

// What a command's implementation needs. argument 0 is the first after the name; NULL if it was not
// given.
const char *monitor_arg(const struct invocation *in, unsigned argument);
// Says what is wrong with an argument, after the words up to it: "vm start foo: no VM named "foo"".
void monitor_error(const struct invocation *in, unsigned argument, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// NULL or false, after the error was told, if the argument is no VM's name, or no number below
// limit.
struct vm *monitor_arg_vm(const struct invocation *in, unsigned argument);
bool monitor_arg_number(const struct invocation *in, unsigned argument, unsigned limit,
                        unsigned *out);
// Decimal or 0x; false if it is not.
bool monitor_read_number(const char *text, uint64_t *out);
// START+SIZE, each decimal or 0x; false if it is not, or SIZE is 0. They may be beyond everything.
bool monitor_read_range(const char *text, uint64_t *start, uint64_t *size);

// The VM that a pointer from another CPU's state means, or NULL where it means none (any more).
const struct vm *monitor_known_vm(const struct vm *vm);
uint64_t monitor_uptime(void); // ticks since monitor_init()
