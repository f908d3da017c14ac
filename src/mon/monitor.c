// SPDX-License-Identifier: Apache-2.0
#include "mon/monitor.h"

#include "con/console.h"
#include "cpu/timer.h"
#include "dev/pl011.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/print.h"
#include "vm/vm.h"

#include <string.h>

_Static_assert(CONSOLE_MAX_VMS >= MANIFEST_MAX_VMS, "a console for each VM");

#define ERROR_SIZE 256

static void run_help(const struct invocation *in);
static void run_exit(const struct invocation *in);

static const struct command own_commands[] = {
    {"help", "[COMMAND]", 0, 2, "what there is, or what COMMAND does", run_help},
    {"exit", "", 0, 0, "back to the VM that has the focus, as Ctrl-]", run_exit},
    {0},
};

static const struct command *const groups[] = {
    own_commands,    vm_commands,   tools_commands, vars_commands, vcpu_commands, machine_commands,
    memory_commands, scan_commands, watch_commands, dump_commands, log_commands,  test_commands,
};

static uint64_t start_time;

// The commands in the order of help; NULL after the last.
static const struct command *command_at(size_t n)
{
    for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
        for (const struct command *c = groups[g]; c->name != NULL; c++) {
            if (n-- == 0) {
                return c;
            }
        }
    }
    return NULL;
}

// ---- Words ----

// Cuts the line into words, in place. False if there are too many.
static bool split(char *line, struct invocation *in)
{
    in->words = 0;
    in->name_words = 0;
    for (;;) {
        while (*line == ' ') {
            *line++ = '\0';
        }
        if (*line == '\0') {
            return true;
        }
        if (in->words == MONITOR_MAX_WORDS) {
            return false;
        }
        in->word[in->words++] = line;
        while (*line != '\0' && *line != ' ') {
            line++;
        }
    }
}

static bool starts_with(const char *text, const char *start, size_t len)
{
    return strnlen(text, len) == len && memcmp(text, start, len) == 0;
}

static size_t first_word_length(const char *name)
{
    const char *space = strchr(name, ' ');
    return space != NULL ? (size_t)(space - name) : strlen(name);
}

static bool first_word_is(const char *name, const char *word)
{
    size_t len = first_word_length(name);
    return strlen(word) == len && memcmp(name, word, len) == 0;
}

// "" for a name of one word.
static const char *second_word(const char *name)
{
    const char *space = strchr(name, ' ');
    return space != NULL ? space + 1 : "";
}

// How many words of in the command's name takes: 0 if in is not this command.
static unsigned name_matches(const struct command *c, const struct invocation *in)
{
    if (in->words == 0 || !first_word_is(c->name, in->word[0])) {
        return 0;
    }
    const char *second = second_word(c->name);
    if (second[0] == '\0') {
        return 1;
    }
    return in->words > 1 && strcmp(second, in->word[1]) == 0 ? 2 : 0;
}

static const struct command *find_command(struct invocation *in)
{
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *c = command_at(i);
        in->name_words = name_matches(c, in);
        if (in->name_words != 0) {
            return c;
        }
    }
    return NULL;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *c = command_at(i);
        if (first_word_is(c->name, word) && second_word(c->name)[0] != '\0') {
            return true;
        }
    }
    return false;
}

// ---- Errors ----

static void tell_error(const struct invocation *in, unsigned words, const char *message)
{
    for (unsigned i = 0; i < words && i < in->words; i++) {
        console_printf("%s%s", i > 0 ? " " : "", in->word[i]);
    }
    console_printf(": %s\n", message);
}

void monitor_error(const struct invocation *in, unsigned argument, const char *fmt, ...)
{
    char message[ERROR_SIZE];
    va_list args;
    va_start(args, fmt);
    vformat(message, sizeof(message), fmt, args);
    va_end(args);
    tell_error(in, in->name_words + argument + 1, message);
}

static size_t append(char *text, size_t size, size_t len, const char *more)
{
    return len + format(text + MIN(len, size - 1), size - MIN(len, size - 1), "%s", more);
}

// The first two words name no command.
static void unknown_command(const struct invocation *in)
{
    char message[ERROR_SIZE];
    if (!is_group(in->word[0])) {
        tell_error(in, 1, "no such command; help lists them");
        return;
    }
    size_t len = append(message, sizeof(message), 0,
                        in->words > 1 ? "no such command; there is" : "what of it?");
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *c = command_at(i);
        if (first_word_is(c->name, in->word[0])) {
            len = append(message, sizeof(message), len, " ");
            len = append(message, sizeof(message), len, second_word(c->name));
        }
    }
    tell_error(in, 2, message);
}

// ---- Arguments ----

const char *monitor_arg(const struct invocation *in, unsigned argument)
{
    unsigned word = in->name_words + argument;
    return word < in->words ? in->word[word] : NULL;
}

struct vm *monitor_arg_vm(const struct invocation *in, unsigned argument)
{
    const char *name = monitor_arg(in, argument);
    struct vm *vm = vm_find(name);
    if (vm == NULL) {
        monitor_error(in, argument, "no VM named \"%s\"", name);
    }
    return vm;
}

static bool parse_number(const char *text, unsigned *out)
{
    uint64_t value = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || c - text >= 9) {
            return false;
        }
        value = value * 10 + (unsigned)(*c - '0');
    }
    *out = (unsigned)value;
    return text[0] != '\0';
}

bool monitor_arg_number(const struct invocation *in, unsigned argument, unsigned limit,
                        unsigned *out)
{
    const char *text = monitor_arg(in, argument);
    if (!parse_number(text, out)) {
        monitor_error(in, argument, "\"%s\" is not a number", text);
        return false;
    }
    if (*out >= limit) {
        monitor_error(in, argument, "%s is too large; the largest is %u", text, limit - 1);
        return false;
    }
    return true;
}

// A decimal or 0x number up to the end or to stop, which is what *text then points to.
static bool read_number(const char **text, char stop, uint64_t *out)
{
    const char *p = *text;
    bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    unsigned base = hex ? 16 : 10;
    const char *first = p += hex ? 2 : 0;
    *out = 0;
    for (; *p != '\0' && *p != stop; p++) {
        unsigned c = (unsigned char)(*p | 0x20);
        unsigned digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
        if (digit >= base || *out > (UINT64_MAX - digit) / base) {
            return false;
        }
        *out = *out * base + digit;
    }
    *text = p;
    return p > first;
}

bool monitor_read_number(const char *text, uint64_t *out)
{
    return read_number(&text, '\0', out);
}

bool monitor_read_range(const char *text, uint64_t *start, uint64_t *size)
{
    return read_number(&text, '+', start) && *text++ == '+' && read_number(&text, '\0', size) &&
           *size != 0;
}

const struct vm *monitor_known_vm(const struct vm *vm)
{
    for (size_t i = 0; i < vm_count; i++) {
        if (vm == &vms[i]) {
            return vm;
        }
    }
    return NULL;
}

uint64_t monitor_uptime(void)
{
    return timer_now() - start_time;
}

// ---- Commands ----

static void run_line(char *line)
{
    struct invocation in;
    if (!split(line, &in)) {
        tell_error(&in, MONITOR_MAX_WORDS, "too many words");
        return;
    }
    if (in.words == 0) {
        return;
    }
    const struct command *c = find_command(&in);
    unsigned given = in.words - in.name_words;
    if (c == NULL) {
        unknown_command(&in);
    } else if (given < c->least) {
        console_printf("%s: wants %s\n", c->name, c->args);
    } else if (given > c->most) {
        monitor_error(&in, c->most, "one word too many: \"%s\"", monitor_arg(&in, c->most));
    } else {
        c->run(&in);
    }
}

static void show_usage(const struct command *c)
{
    char usage[48];
    format(usage, sizeof(usage), "%s%s%s", c->name, c->args[0] != '\0' ? " " : "", c->args);
    console_printf("  %-26s %s\n", usage, c->help);
}

// Does what follows "help" name the command, or the group that it belongs to?
static bool is_asked_for(const struct command *c, const struct invocation *in)
{
    const char *first = monitor_arg(in, 0), *second = monitor_arg(in, 1);
    if (first == NULL) {
        return true;
    }
    return first_word_is(c->name, first) &&
           (second == NULL || strcmp(second_word(c->name), second) == 0);
}

static void run_help(const struct invocation *in)
{
    bool found = false;
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *c = command_at(i);
        if (is_asked_for(c, in)) {
            show_usage(c);
            found = true;
        }
    }
    if (!found) {
        unsigned wrong = in->words - in->name_words - 1;
        monitor_error(in, wrong, "no command \"%s\"", monitor_arg(in, wrong));
    } else if (monitor_arg(in, 0) == NULL) {
        console_printf("Ctrl-] leaves the monitor, and opens it. Keys: arrows, Home, End, Tab, "
                       "Ctrl-A E K U W C.\n");
    }
}

static void run_exit(const struct invocation *in)
{
    (void)in;
    if (console_focused() == NULL) {
        console_printf("exit: there is no VM\n");
    }
    console_close_prompt();
}

// ---- Completion ----

struct completion {
    const char *typed; // the word so far
    size_t length;
    char common[VM_NAME_MAX + 2]; // what all candidates start with
    unsigned candidates;
};

static void consider(struct completion *p, const char *word, size_t len)
{
    if (len < p->length || !starts_with(word, p->typed, p->length) || len > VM_NAME_MAX) {
        return;
    }
    if (p->candidates > 0 && strlen(p->common) == len && memcmp(p->common, word, len) == 0) {
        return;
    }
    if (p->candidates++ == 0) {
        memcpy(p->common, word, len);
        p->common[len] = '\0';
        return;
    }
    size_t same = 0;
    while (same < len && p->common[same] == word[same]) {
        same++;
    }
    p->common[same] = '\0';
}

static void consider_names(struct completion *p)
{
    for (size_t i = 0; i < vm_count; i++) {
        consider(p, vms[i].config->name, strlen(vms[i].config->name));
    }
}

// The words before the one that is completed are in in.
static void consider_all(struct completion *p, struct invocation *in)
{
    const struct command *command = in->words > 0 ? find_command(in) : NULL;
    if (command != NULL && in->words == in->name_words && starts_with(command->args, "NAME", 4)) {
        consider_names(p);
    }
    bool help = command != NULL && command->run == run_help;
    unsigned skip = help ? 1 : 0;
    if (command != NULL && !help) {
        return;
    }
    for (size_t i = 0; command_at(i) != NULL; i++) {
        const struct command *c = command_at(i);
        if (in->words == skip) {
            consider(p, c->name, first_word_length(c->name));
        } else if (in->words == skip + 1 && first_word_is(c->name, in->word[skip])) {
            consider(p, second_word(c->name), strlen(second_word(c->name)));
        }
    }
}

static void complete(const char *line, size_t length, char *insert, size_t size)
{
    char text[128];
    struct invocation in;
    struct completion p = {0};
    size_t start = length;
    while (start > 0 && line[start - 1] != ' ') {
        start--;
    }
    if (start >= sizeof(text)) {
        return;
    }
    memcpy(text, line, start);
    text[start] = '\0';
    if (!split(text, &in)) {
        return;
    }
    p.typed = line + start;
    p.length = length - start;
    consider_all(&p, &in);
    if (p.candidates > 0) {
        format(insert, size, "%s%s", p.common + p.length, p.candidates == 1 ? " " : "");
    }
}

// ---- The console's side ----

// The lock keeps the VM's devices from being taken apart meanwhile.
static void vm_input(void *owner, const uint8_t *bytes, size_t count)
{
    struct vm *vm = owner;
    spin_lock(&vm->lock);
    if (vm->state == VM_RUNNING) {
        pl011_receive(&vm->uart, bytes, count);
    }
    spin_unlock(&vm->lock);
}

void monitor_init(void)
{
    static const struct console_operator operator= {vm_input, run_line, complete};
    start_time = timer_now();
    console_set_operator(&operator);
    log_info("Ctrl-] opens the monitor");
}
