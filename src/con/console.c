// SPDX-License-Identifier: Apache-2.0
#include "con/console.h"

#include "con/lineedit.h"
#include "cpu/timer.h"
#include "dev/uart_host.h"
#include "lib/check.h"
#include "lib/log.h"
#include "lib/print.h"
#include "lib/spinlock.h"

#include <string.h>

#define RING_SIZE   4096u // of each VM's latest output; a power of two
#define REDRAW_MAX  512u  // bytes of an unfinished line that are shown once more
#define TAIL_MAX    1024u // bytes shown when a VM gets the focus
#define TOGGLE_KEY  0x1d  // Ctrl-]
#define PRINTF_SIZE 512
#define BACKLOG_MAX \
    49152 // bytes that wait for the line; what VMs without the focus say then is lost

// Positions count the bytes that the VM ever wrote (mod 2^32); the ring holds the last RING_SIZE of
// them.
struct console_vm {
    struct spinlock lock; // head, bytes, and together with the screen's lock all else
    uint32_t head;
    uint32_t shown; // up to here the screen has it
    uint32_t line;  // where the line that holds shown starts
    uint8_t ring[RING_SIZE];
    uint64_t lost; // bytes that never were shown
    bool present;
    const char *name;
    void *owner;
};

// What the screen's last line holds.
enum last_line {
    LAST_FREE,
    LAST_OWN,    // the start of a line of Newel's own
    LAST_VM,     // the start of a line of the VM with the focus
    LAST_PROMPT, // the monitor's prompt
};

static struct {
    struct spinlock lock;
    bool locking;
    enum last_line last;
    struct console_vm *focus;
    bool monitor; // what is typed is the monitor's
    bool busy;    // the monitor executes a command
    unsigned present;
    const struct console_operator *operator;
    struct lineedit editor;
    struct timer delay; // for what the VM with the focus has written
    bool delayed;       // it is armed; atomic
    struct timer quiet; // for what others have interrupted
    bool waiting;       // it is armed
    bool interrupted;   // again, since it was armed
} screen;

static struct console_vm consoles[CONSOLE_MAX_VMS];
static unsigned console_count;

static bool lock_screen(void)
{
    bool taken = screen.locking;
    if (taken) {
        spin_lock(&screen.lock);
    }
    return taken;
}

static void unlock_screen(bool taken)
{
    if (taken) {
        spin_unlock(&screen.lock);
    }
}

static bool lock_vm(struct console_vm *c)
{
    bool taken = screen.locking;
    if (taken) {
        spin_lock(&c->lock);
    }
    return taken;
}

static void unlock_vm(struct console_vm *c, bool taken)
{
    if (taken) {
        spin_unlock(&c->lock);
    }
}

// ---- What is on the screen's last line; all with the screen locked ----

static void emit_text(const char *text)
{
    uart_write(text, strlen(text));
}

// Newel's own text: "\n" becomes "\r\n".
static void emit_lines(const char *text, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            uart_write(text + start, i - start);
            uart_write("\r\n", 2);
            start = i + 1;
        }
    }
    uart_write(text + start, len - start);
}

static void emit_ring(const struct console_vm *c, uint32_t from, uint32_t to)
{
    while (from != to) {
        uint32_t offset = from % RING_SIZE;
        uint32_t count = MIN(to - from, RING_SIZE - offset);
        uart_write((const char *)&c->ring[offset], count);
        from += count;
    }
}

static void emit_prefix(const struct console_vm *c)
{
    if (screen.present > 1) {
        emit_text(c->name);
        uart_write("| ", 2);
    }
}

// Shows what c has of its unfinished line once more.
static void emit_partial(const struct console_vm *c)
{
    uint32_t count = MIN(c->shown - c->line, REDRAW_MAX);
    emit_prefix(c);
    emit_ring(c, c->shown - count, c->shown);
    screen.last = LAST_VM;
}

static void free_last_line(void)
{
    if (screen.last != LAST_FREE) {
        uart_write("\r\n", 2);
        screen.last = LAST_FREE;
    }
}

static void show_prompt(void)
{
    free_last_line();
    lineedit_show(&screen.editor);
    screen.last = LAST_PROMPT;
}

static void new_prompt(void)
{
    free_last_line();
    lineedit_start(&screen.editor);
    screen.last = LAST_PROMPT;
}

// Does something belong on the last line that others have pushed up?
static bool was_interrupted(void)
{
    if (screen.last != LAST_FREE) {
        return false;
    }
    if (screen.monitor) {
        return !screen.busy;
    }
    return screen.focus != NULL && screen.focus->shown != screen.focus->line;
}

static void arm_quiet(void)
{
    screen.waiting = true;
    screen.interrupted = false;
    timer_arm(&screen.quiet, timer_now() + timer_ticks_from_us(CONSOLE_QUIET_US));
}

// After lines of others.
static void end_output(void)
{
    if (!was_interrupted()) {
        return;
    }
    if (screen.waiting) {
        screen.interrupted = true;
    } else {
        arm_quiet();
    }
}

static void quiet_expired(struct timer *timer)
{
    (void)timer;
    bool taken = lock_screen();
    screen.waiting = false;
    if (was_interrupted()) {
        if (screen.interrupted) {
            arm_quiet();
        } else if (screen.monitor) {
            show_prompt();
        } else {
            emit_partial(screen.focus);
        }
    }
    unlock_screen(taken);
}

// ---- A VM's output; with its lock and the screen's ----

// The position after the next '\n' at or after from, or to.
static uint32_t line_end(const struct console_vm *c, uint32_t from, uint32_t to)
{
    while (from != to) {
        uint32_t offset = from % RING_SIZE;
        uint32_t count = MIN(to - from, RING_SIZE - offset);
        const uint8_t *end = memchr(&c->ring[offset], '\n', count);
        if (end != NULL) {
            return from + (uint32_t)(end - &c->ring[offset]) + 1;
        }
        from += count;
    }
    return to;
}

static uint8_t byte_at(const struct console_vm *c, uint32_t position)
{
    return c->ring[position % RING_SIZE];
}

static bool ends_line(const struct console_vm *c, uint32_t from, uint32_t end)
{
    return end != from && byte_at(c, end - 1) == '\n';
}

// The next prefix has to start at the left, also after a guest that sends a lone '\n'.
static bool needs_return(const struct console_vm *c, uint32_t end)
{
    return screen.present > 1 && byte_at(c, end - 2) != '\r';
}

// The length of the escape sequence at from, or 1.
static uint32_t escape_length(const struct console_vm *c, uint32_t from, uint32_t to)
{
    uint32_t pos = from + 1;
    if (byte_at(c, from) != 0x1b || pos == to || byte_at(c, pos) != '[') {
        return 1;
    }
    for (pos++; pos != to && byte_at(c, pos) >= 0x20 && byte_at(c, pos) < 0x40; pos++) {
    }
    return pos - from + (pos != to);
}

// A line of a VM without the focus may not steer the terminal.
static void emit_plain(const struct console_vm *c, uint32_t from, uint32_t to)
{
    uint32_t start = from;
    while (from != to) {
        uint8_t byte = byte_at(c, from);
        if ((byte >= 0x20 && byte != 0x7f) || byte == '\t') {
            from++;
            continue;
        }
        emit_ring(c, start, from);
        from += escape_length(c, from, to);
        start = from;
    }
    emit_ring(c, start, to);
}

// The line that ends before end, or what fits of it, on the screen's last line.
static void emit_line(struct console_vm *c, uint32_t end)
{
    free_last_line();
    emit_prefix(c);
    emit_plain(c, c->shown - c->line <= REDRAW_MAX ? c->line : c->shown, end);
    uart_write("\r\n", 2);
}

static void mark_shown(struct console_vm *c, uint32_t end, bool line_ended)
{
    c->shown = end;
    if (line_ended) {
        c->line = end;
    }
}

// The VM with the focus, no prompt being open: byte for byte, unfinished lines too, as far as
// limit.
static void show_live(struct console_vm *c, uint32_t limit)
{
    if (screen.last != LAST_VM) {
        free_last_line();
        if (c->line != c->shown) {
            emit_partial(c);
        }
    }
    while (c->shown != limit) {
        uint32_t end = line_end(c, c->shown, limit);
        bool ended = ends_line(c, c->shown, end);
        if (c->shown == c->line) {
            emit_prefix(c);
        }
        if (ended && needs_return(c, end)) {
            emit_ring(c, c->shown, end - 1);
            uart_write("\r\n", 2);
        } else {
            emit_ring(c, c->shown, end);
        }
        mark_shown(c, end, ended);
    }
    screen.last = c->shown != c->line ? LAST_VM : LAST_FREE;
}

// Others: whole lines, between what the screen's last line shows. Where the line cannot keep up
// with them they are dropped, lest everybody waits for it.
static void show_lines(struct console_vm *c)
{
    bool begun = false;
    while (c->shown != c->head) {
        uint32_t end = line_end(c, c->shown, c->head);
        bool ended = ends_line(c, c->shown, end);
        if (!ended && end - c->shown < CONSOLE_LINE_MAX) {
            break;
        }
        if (uart_backlog() > BACKLOG_MAX) {
            c->lost += end - c->shown;
        } else {
            emit_line(c, end);
            begun = true;
        }
        mark_shown(c, end, true);
    }
    if (begun) {
        end_output();
    }
}

static bool is_live(const struct console_vm *c)
{
    return c == screen.focus && !screen.monitor;
}

static void show(struct console_vm *c)
{
    bool taken = lock_screen();
    if (is_live(c)) {
        show_live(c, c->head);
    } else {
        show_lines(c);
    }
    unlock_screen(taken);
}

static void delay_expired(struct timer *timer)
{
    (void)timer;
    __atomic_store_n(&screen.delayed, false, __ATOMIC_RELEASE);
    struct console_vm *c = __atomic_load_n(&screen.focus, __ATOMIC_RELAXED);
    if (c == NULL) {
        return;
    }
    bool taken = lock_vm(c);
    show(c);
    unlock_vm(c, taken);
}

// The first byte after all was shown: it appears a little later, with what follows it until then.
static void start_delay(const struct console_vm *c)
{
    if (c != __atomic_load_n(&screen.focus, __ATOMIC_RELAXED) ||
        __atomic_exchange_n(&screen.delayed, true, __ATOMIC_ACQUIRE)) {
        return;
    }
    timer_arm(&screen.delay, timer_now() + timer_ticks_from_us(CONSOLE_DELAY_US));
}

// The rare part of console_vm_write(), which took the lock: a line is due, or its first byte has
// come.
static OUTLINE void write_slowly(struct console_vm *c, bool due)
{
    if (due) {
        show(c);
    }
    spin_unlock(&c->lock);
    if (!due) {
        start_delay(c);
    }
}

// For every byte that a guest prints, hence short: a leaf that but for lock and ring has one
// decision to take.
void console_vm_write(void *console_vm, uint8_t byte)
{
    struct console_vm *c = console_vm;
    spin_lock(&c->lock);
    c->ring[c->head % RING_SIZE] = byte;
    uint32_t waiting = ++c->head - c->shown;
    if (byte == '\n' || waiting - 2 >= CONSOLE_LINE_MAX - 2) {
        write_slowly(c, byte == '\n' || waiting != 1);
        return;
    }
    spin_unlock(&c->lock);
}

// The next start's output begins a line of its own.
static void end_line(struct console_vm *c)
{
    if (c->head != 0 && byte_at(c, c->head - 1) != '\n') {
        c->ring[c->head++ % RING_SIZE] = '\r';
        c->ring[c->head++ % RING_SIZE] = '\n';
    }
}

void console_vm_flush(struct console_vm *c)
{
    bool taken = lock_vm(c);
    end_line(c);
    show(c);
    unlock_vm(c, taken);
}

// ---- VMs and the focus ----

struct console_vm *console_vm_add(const char *name, void *owner)
{
    CHECK(console_count < CONSOLE_MAX_VMS);
    struct console_vm *c = &consoles[console_count++];
    c->name = name;
    c->owner = owner;
    console_vm_set_present(c, true);
    if (screen.focus == NULL) {
        screen.focus = c;
    }
    return c;
}

void console_vm_set_present(struct console_vm *c, bool present)
{
    bool taken = lock_screen();
    if (c->present != present) {
        c->present = present;
        screen.present += present ? 1 : -1u;
    }
    unlock_screen(taken);
}

// Goes back to the start of a line at most TAIL_MAX bytes ago.
static uint32_t tail_start(const struct console_vm *c)
{
    uint32_t from = c->head - MIN(c->head, TAIL_MAX);
    if (c->head <= TAIL_MAX) {
        return from;
    }
    uint32_t start = line_end(c, from, c->head);
    return ends_line(c, from, start) ? start : from;
}

// Where the last line starts of those from the line start at from on.
static uint32_t last_line_start(const struct console_vm *c, uint32_t from)
{
    uint32_t end = line_end(c, from, c->head);
    while (ends_line(c, from, end)) {
        from = end;
        end = line_end(c, from, c->head);
    }
    return from;
}

void console_focus(struct console_vm *c)
{
    bool vm_taken = lock_vm(c);
    bool taken = lock_screen();
    free_last_line();
    screen.monitor = false;
    __atomic_store_n(&screen.focus, c, __ATOMIC_RELAXED);
    c->shown = c->line = tail_start(c);
    show_live(c, last_line_start(c, c->shown));
    free_last_line();
    emit_text("newel: what is typed goes to ");
    emit_text(c->name);
    uart_write("\r\n", 2);
    show_live(c, c->head);
    unlock_screen(taken);
    unlock_vm(c, vm_taken);
}

uint64_t console_vm_lost(const struct console_vm *c)
{
    return c->lost;
}

struct console_vm *console_focused(void)
{
    return __atomic_load_n(&screen.focus, __ATOMIC_RELAXED);
}

// ---- What is typed ----

void console_open_prompt(void)
{
    bool taken = lock_screen();
    if (!screen.monitor && !screen.busy) {
        new_prompt();
    }
    screen.monitor = true;
    unlock_screen(taken);
}

void console_close_prompt(void)
{
    struct console_vm *c = console_focused();
    if (c == NULL) {
        return;
    }
    bool vm_taken = lock_vm(c);
    bool taken = lock_screen();
    free_last_line();
    screen.monitor = false;
    show_live(c, c->head);
    unlock_screen(taken);
    unlock_vm(c, vm_taken);
}

static void run_command(char *line)
{
    if (screen.operator!= NULL) {
        screen.operator->command(line);
    }
    bool taken = lock_screen();
    screen.busy = false;
    if (screen.monitor) {
        new_prompt();
    }
    unlock_screen(taken);
}

static void complete(void)
{
    char insert[LINEEDIT_MAX] = "";
    if (screen.operator!= NULL) {
        screen.operator->complete(screen.editor.text, screen.editor.cursor, insert, sizeof(insert));
    }
    lineedit_insert(&screen.editor, insert);
}

static void prompt_key(uint8_t byte)
{
    char line[LINEEDIT_MAX];
    bool taken = lock_screen();
    if (screen.last != LAST_PROMPT) {
        show_prompt();
    }
    enum lineedit_result result = lineedit_key(&screen.editor, byte);
    if (result == LINEEDIT_TAB) {
        complete();
    } else if (result == LINEEDIT_DONE) {
        memcpy(line, screen.editor.text, screen.editor.length + 1);
        screen.last = LAST_FREE;
        screen.busy = true;
    }
    unlock_screen(taken);
    if (result == LINEEDIT_DONE) {
        run_command(line);
    }
}

void console_input(uint8_t byte)
{
    if (byte == TOGGLE_KEY && screen.monitor) {
        console_close_prompt();
    } else if (byte == TOGGLE_KEY) {
        console_open_prompt();
    } else if (screen.monitor) {
        prompt_key(byte);
    } else if (screen.focus != NULL && screen.operator!= NULL) {
        screen.operator->vm_input(screen.focus->owner, &byte, 1);
    }
}

// ---- Newel's own output ----

void console_write(const char *text, size_t len)
{
    if (len == 0) {
        return;
    }
    bool taken = lock_screen();
    if (screen.last != LAST_OWN) {
        free_last_line();
    }
    emit_lines(text, len);
    screen.last = text[len - 1] == '\n' ? LAST_FREE : LAST_OWN;
    end_output();
    unlock_screen(taken);
}

void console_printf(const char *fmt, ...)
{
    char text[PRINTF_SIZE];
    va_list args;
    va_start(args, fmt);
    size_t len = vformat(text, sizeof(text), fmt, args);
    va_end(args);
    console_write(text, MIN(len, sizeof(text) - 1));
}

static void write_log_line(const char *line, size_t len)
{
    bool taken = lock_screen();
    free_last_line();
    emit_text("newel: ");
    uart_write(line, len);
    uart_write("\r\n", 2);
    end_output();
    unlock_screen(taken);
}

// ---- Stages ----

static void emit_key(const char *bytes, size_t count)
{
    uart_write(bytes, count);
}

void console_early_init(void)
{
    lineedit_init(&screen.editor, "newel> ", emit_key);
    screen.delay.expired = delay_expired;
    screen.delay.cpu = -1;
    screen.quiet.expired = quiet_expired;
    screen.quiet.cpu = -1;
    log_set_output(write_log_line);
}

void console_start_locking(void)
{
    screen.locking = true;
    uart_start_locking();
    log_set_clock(timer_now, timer_frequency());
    log_start_locking();
}

void console_set_operator(const struct console_operator *operator)
{
    screen.operator= operator;
}

void console_flush(void)
{
    for (unsigned i = 0; i < console_count; i++) {
        console_vm_flush(&consoles[i]);
    }
    uart_flush();
}

void console_panic(void)
{
    screen.locking = false;
    log_break_lock();
    uart_panic();
    free_last_line();
    screen.monitor = false;
    screen.focus = NULL;
}
