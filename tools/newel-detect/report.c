// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#define LINE 240

// One line of output in the making; what does not fit is left out.
struct line {
    char text[LINE];
    size_t length;
};

static void put(struct line *l, const char *text)
{
    for (; *text != '\0' && l->length < LINE - 1; text++) {
        l->text[l->length++] = *text;
    }
    l->text[l->length] = '\0';
}

static void put_number(struct line *l, uint64_t n, unsigned base, unsigned digits)
{
    char text[21];
    size_t at = sizeof(text) - 1;

    text[at] = '\0';
    do {
        text[--at] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0 || sizeof(text) - 1 - at < digits);
    put(l, text + at);
}

static void pad(struct line *l, size_t column)
{
    do {
        put(l, " ");
    } while (l->length < column);
}

static void end(struct line *l, detect_write *write)
{
    put(l, "\n");
    write(l->text);
    l->length = 0;
}

void detect_copy(char *out, size_t size, const char *text, size_t length)
{
    size_t n = 0;

    for (size_t i = 0; i < length && text[i] != '\0' && n + 1 < size; i++) {
        if (text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\') {
            out[n++] = text[i];
        }
    }
    while (n > 0 && out[n - 1] == ' ') {
        n--;
    }
    out[n] = '\0';
}

// UIDs as their hypervisors' sources have them.
static void name_uid(char *out, size_t size, const uint32_t uid[4])
{
    static const struct {
        const char *name;
        uint32_t uid[4];
    } known[] = {
        {"Newel", {0x6a4e1f8c, 0x0e4bd352, 0x656e7a9d, 0x316c6577}},
        {"KVM", {0xb66fb428, 0xe911c52e, 0x564bcaa9, 0x743a004d}},
        {"Xen", {0xdc1218a7, 0x694398c6, 0xd179cf9a, 0x67e6de8d}},
    };
    struct line l = {.length = 0};

    for (unsigned i = 0; i < 4; i++) {
        put(&l, i == 0 ? "" : "-");
        put_number(&l, uid[i], 16, 8);
    }
    for (unsigned k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        bool same = true;

        for (unsigned i = 0; i < 4; i++) {
            same = same && uid[i] == known[k].uid[i];
        }
        put(&l, same ? " " : "");
        put(&l, same ? known[k].name : "");
    }
    detect_copy(out, size, l.text, l.length);
}

void detect_ask_uid(char *out, size_t size, detect_call *call)
{
    // The vendor's service (DEN0028 8.2), and the older standard one, all that Xen has.
    static const uint32_t functions[] = {0x8600ff01, 0x8500ff01};
    uint32_t uid[4];

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (call(functions[i], uid) && uid[0] != UINT32_MAX) { // not supported
            name_uid(out, size, uid);
            return;
        }
    }
}

static const char *verdict_text(const struct newel_detect *d)
{
    static const char *const texts[] = {
        [NEWEL_DETECT_INCONCLUSIVE] = "inconclusive",
        [NEWEL_DETECT_ABSENT] = "absent",
        [NEWEL_DETECT_PRESENT] = "present",
    };

    return texts[newel_detect_verdict(d)];
}

static const char *state_text(enum newel_detect_state state)
{
    static const char *const texts[] = {
        [NEWEL_DETECT_NOT_TRIED] = "not tried", [NEWEL_DETECT_FAULTS] = "faults",
        [NEWEL_DETECT_UNTRAPPED] = "untrapped", [NEWEL_DETECT_TRAPPED] = "trapped",
        [NEWEL_DETECT_UNKNOWN] = "unknown",
    };

    return texts[state];
}

static bool told(const struct detect_signs *s)
{
    return s->smccc[0] != '\0' || s->device_tree[0] != '\0' || s->acpi[0] != '\0';
}

static uint64_t tries(const struct newel_detect_count *c)
{
    return (uint64_t)c->tries * NEWEL_DETECT_FORMS;
}

// ---- for people ----

static void put_stores(struct line *l, const struct newel_detect_count *c)
{
    put_number(l, newel_detect_stores(c), 10, 1);
    put(l, " of ");
    put_number(l, tries(c), 10, 1);
    put(l, " stored");
}

static void put_ticks(struct line *l, const uint64_t *ticks, unsigned row)
{
    if (ticks != NULL) {
        pad(l, 64);
        put_number(l, ticks[row], 10, 1);
        put(l, " ticks");
    }
}

static void row_line(const struct newel_detect *d, const uint64_t *ticks, unsigned row,
                     detect_write *write)
{
    enum newel_detect_state state = newel_detect_state(d, row);
    struct line l = {.length = 0};

    put(&l, "  ");
    put(&l, newel_detect_info(row)->name);
    pad(&l, 20);
    put(&l, state_text(state));
    pad(&l, 31);
    if (state != NEWEL_DETECT_FAULTS) {
        put_stores(&l, &d->row[row]);
        put_ticks(&l, ticks, row);
    }
    pad(&l, 80);
    put(&l, newel_detect_info(row)->trap);
    put(&l, newel_detect_counts(d, row) ? "" : ", or the operating system: not counted");
    end(&l, write);
}

static void sign_line(const char *name, const char *said, detect_write *write)
{
    struct line l = {.length = 0};

    put(&l, "  ");
    put(&l, name);
    pad(&l, 20);
    put(&l, said[0] != '\0' ? said : "-");
    end(&l, write);
}

static void signs_text(const struct newel_detect *d, const struct detect_signs *s,
                       detect_write *write)
{
    bool present = newel_detect_verdict(d) == NEWEL_DETECT_PRESENT;

    write("what it says itself:\n");
    sign_line("SMCCC", s->smccc, write);
    sign_line("device tree", s->device_tree, write);
    sign_line("ACPI", s->acpi, write);
    sign_line("DMI", s->dmi, write);
    if (told(s) && !present) {
        write("these disagree: a hypervisor says that it is there, and nothing was seen to trap\n");
    } else if (!told(s) && present) {
        write("these disagree: something traps, and says nothing of itself\n");
    }
}

static void text_report(const struct newel_detect *d, const uint64_t *ticks,
                        const struct detect_signs *signs, detect_write *write)
{
    struct line l = {.length = 0};

    put(&l, "virtualization, as seen from EL");
    put_number(&l, d->level, 10, 1);
    put(&l, ": ");
    put(&l, verdict_text(d));
    end(&l, write);
    put(&l, "  control");
    pad(&l, 31);
    put_stores(&l, &d->control);
    put_ticks(&l, ticks, NEWEL_DETECT_ROWS_);
    end(&l, write);
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        if (newel_detect_state(d, row) != NEWEL_DETECT_NOT_TRIED) {
            row_line(d, ticks, row, write);
        }
    }
    signs_text(d, signs, write);
}

// ---- for programs ----

static void put_pair(struct line *l, const char *name, const char *value, const char *after)
{
    put(l, "\"");
    put(l, name);
    put(l, "\": \"");
    put(l, value);
    put(l, "\"");
    put(l, after);
}

static void put_count(struct line *l, const struct newel_detect_count *c, const uint64_t *ticks,
                      unsigned row)
{
    put(l, "\"tries\": ");
    put_number(l, tries(c), 10, 1);
    put(l, ", \"stores\": [");
    for (unsigned form = 0; form < NEWEL_DETECT_FORMS; form++) {
        put(l, form == 0 ? "" : ", ");
        put_number(l, c->stores[form], 10, 1);
    }
    put(l, "]");
    if (ticks != NULL && c->tries != 0) {
        put(l, ", \"ticks\": ");
        put_number(l, ticks[row], 10, 1);
    }
    put(l, "}");
}

static void json_rows(const struct newel_detect *d, const uint64_t *ticks, detect_write *write)
{
    struct line l = {.length = 0};

    write("\"registers\": [\n");
    for (unsigned row = 0; row < NEWEL_DETECT_ROWS_; row++) {
        put(&l, " {");
        put_pair(&l, "name", newel_detect_info(row)->name, ", ");
        put_pair(&l, "trap", newel_detect_info(row)->trap, ", ");
        put_pair(&l, "state", state_text(newel_detect_state(d, row)), ", ");
        put(&l, newel_detect_counts(d, row) ? "\"counts\": true, " : "\"counts\": false, ");
        put_count(&l, &d->row[row], ticks, row);
        put(&l, row + 1 < NEWEL_DETECT_ROWS_ ? "," : "],");
        end(&l, write);
    }
}

static void json_report(const struct newel_detect *d, const uint64_t *ticks,
                        const struct detect_signs *s, detect_write *write)
{
    struct line l = {.length = 0};

    put(&l, "{\"level\": ");
    put_number(&l, d->level, 10, 1);
    put(&l, ", ");
    put_pair(&l, "verdict", verdict_text(d), ",");
    end(&l, write);
    put(&l, "\"control\": {");
    put_count(&l, &d->control, ticks, NEWEL_DETECT_ROWS_);
    put(&l, ",");
    end(&l, write);
    json_rows(d, ticks, write);
    put(&l, "\"signs\": {");
    put_pair(&l, "smccc", s->smccc, ", ");
    put_pair(&l, "device-tree", s->device_tree, ", ");
    put_pair(&l, "acpi", s->acpi, ",");
    end(&l, write);
    put_pair(&l, "dmi", s->dmi, "}}");
    end(&l, write);
}

void detect_report(const struct newel_detect *d, const uint64_t *ticks,
                   const struct detect_signs *signs, bool json, detect_write *write)
{
    json ? json_report(d, ticks, signs, write) : text_report(d, ticks, signs, write);
}
