// SPDX-License-Identifier: Apache-2.0
#include "call/rpci.h"

#include "call/tclo.h"
#include "call/tools.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/print.h"

#include <string.h>

// A request's arguments, and where its answer goes: the same memory, so a handler writes last.
struct rpc {
    struct tools *tools;
    struct text args;
    char *answer;
};

struct command {
    const char *name; // "tools.*": all that begin so
    size_t (*run)(const struct rpc *r);
};

// ---- Answers ----

static size_t answer(const struct rpc *r, const char *text)
{
    size_t size = strlen(text);
    memcpy(r->answer, text, size);
    return size;
}

static size_t answer_ok(const struct rpc *r)
{
    return answer(r, "1 ");
}

// ---- Words and numbers ----

static struct text next_word(struct text *from)
{
    while (from->size > 0 && from->bytes[0] == ' ') {
        from->bytes++;
        from->size--;
    }
    const char *end = memchr(from->bytes, ' ', MIN(from->size, (size_t)GUESTINFO_KEY_MAX + 1));
    struct text word = {from->bytes, end != NULL ? (size_t)(end - from->bytes) : from->size};
    from->bytes += word.size;
    from->size -= word.size;
    if (from->size > 0) { // the one space that parts it from the rest
        from->bytes++;
        from->size--;
    }
    return word;
}

// A decimal number at the beginning of the text; 0 if there is none or it is too large.
static uint32_t next_number(struct text *from)
{
    struct text word = next_word(from);
    uint64_t n = 0;
    for (size_t i = 0; i < word.size && n <= UINT32_MAX; i++) {
        if (word.bytes[i] < '0' || word.bytes[i] > '9') {
            return 0;
        }
        n = n * 10 + (unsigned)(word.bytes[i] - '0');
    }
    return n <= UINT32_MAX ? (uint32_t)n : 0;
}

// ---- guestinfo ----

static size_t run_info_get(const struct rpc *r)
{
    struct text args = r->args, key = next_word(&args), value;
    if (!guestinfo_get(&r->tools->guestinfo, key, &value)) {
        return answer(r, "0 No value found");
    }
    memcpy(r->answer, "1 ", 2);
    memcpy(r->answer + 2, value.bytes, value.size);
    return value.size + 2;
}

static size_t run_info_set(const struct rpc *r)
{
    struct text value = r->args, key = next_word(&value);
    switch (guestinfo_set(&r->tools->guestinfo, key, value, GUESTINFO_BY_GUEST)) {
    case 0:
        return answer_ok(r);
    case ERR_ACCESS:
        return answer(r, "0 Permission denied");
    case ERR_NOMEM:
    case ERR_RANGE:
        return answer(r, "0 Value too long");
    default:
        return answer(r, "0 Invalid key");
    }
}

// ---- What the tools tell of themselves ----

static size_t run_log(const struct rpc *r)
{
    char line[LOG_LINE_MAX];
    tools_print_text(line, sizeof(line), r->args);
    log_guest("%s: tools: %s", r->tools->config->name, line);
    return answer_ok(r);
}

static size_t run_set_version(const struct rpc *r)
{
    struct text args = r->args;
    r->tools->version = next_number(&args);
    r->tools->version_type = next_number(&args);
    return answer_ok(r);
}

static size_t run_state_change(const struct rpc *r)
{
    struct text args = r->args;
    bool success = next_number(&args) != 0;
    tclo_script_done(r->tools, success, next_number(&args));
    return answer_ok(r);
}

// As enum GuestInfoType in lib/include/guestInfo.h; what is not kept is left out.
enum info_type {
    INFO_DNS_NAME = 1,
    INFO_BUILD_NUMBER = 4,
    INFO_OS_FULL_NAME = 5,
    INFO_OS_NAME = 6,
    INFO_UPTIME = 7,
    INFO_OS_DETAILED = 11,
};

static void note(const struct rpc *r, enum tools_fact which, const char *bytes, size_t size)
{
    tools_print_text(r->tools->fact[which], FACT_SIZE, (struct text){bytes, size});
}

// lib/include/hostinfo.h, HostinfoDetailedDataHeader: a version, and two arrays of characters.
#define DETAILED_NAME 4u
#define DETAILED_FULL (DETAILED_NAME + 129)
#define DETAILED_END  (DETAILED_FULL + 513)

// "SetGuestInfo  N data", with two spaces.
static size_t run_set_guest_info(const struct rpc *r)
{
    struct text data = r->args;
    switch (next_number(&data)) {
    case INFO_DNS_NAME:
        note(r, FACT_HOSTNAME, data.bytes, data.size);
        break;
    case INFO_BUILD_NUMBER:
        note(r, FACT_BUILD, data.bytes, data.size);
        break;
    case INFO_OS_FULL_NAME:
        note(r, FACT_OS, data.bytes, data.size);
        break;
    case INFO_OS_NAME:
        note(r, FACT_OS_NAME, data.bytes, data.size);
        break;
    case INFO_UPTIME:
        note(r, FACT_UPTIME, data.bytes, data.size);
        break;
    case INFO_OS_DETAILED:
        if (data.size >= DETAILED_END) {
            note(r, FACT_OS_NAME, data.bytes + DETAILED_NAME, DETAILED_FULL - DETAILED_NAME);
            note(r, FACT_OS, data.bytes + DETAILED_FULL, DETAILED_END - DETAILED_FULL);
        }
        break;
    default:
        break;
    }
    return answer_ok(r);
}

// ---- guestlib: what vmware-toolbox-cmd stat shows ----

struct stat {
    bool wide, valid;
    uint64_t value;
};

static size_t put_be32(char *out, size_t at, uint64_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        out[at + i] = (char)(v >> (24 - 8 * i));
    }
    return at + 4;
}

static size_t put_le(char *out, size_t at, unsigned bytes, uint64_t v)
{
    for (unsigned i = 0; i < bytes; i++) {
        out[at + i] = (char)(v >> (8 * i));
    }
    return at + bytes;
}

// libguestlib/guestlibV3.x: the statistics in order, each as number, valid, value.
static size_t put_stats(char *out, size_t at, const struct stat *stats, unsigned count)
{
    at = put_be32(out, at, count);
    for (unsigned i = 0; i < count; i++) {
        at = put_be32(out, at, i + 1);
        at = put_be32(out, at, stats[i].valid);
        if (stats[i].wide) {
            at = put_be32(out, at, stats[i].value >> 32);
        }
        at = put_be32(out, at, stats[i].value & UINT32_MAX);
    }
    return at;
}

// libguestlib/vmGuestLibInt.h: version and session, then the statistics' size, little-endian. What
// Newel does not limit is unlimited; what it does not count is not valid.
static size_t run_guestlib_info(const struct rpc *r)
{
    const struct tools *t = r->tools;
    uint64_t mib = t->config->memory >> 20;
    uint64_t elapsed = timer_ns_from_ticks(timer_now() - t->started) / 1000000;
    const struct stat stats[] = {
        {.valid = true},                                 // 1: CPU reservation, MHz
        {.valid = true, .value = UINT32_MAX},            // CPU limit
        {.valid = true, .value = t->config->weight},     // CPU shares
        {.wide = true},                                  // CPU used, ms
        {.valid = false},                                // host's MHz
        {.valid = true, .value = mib},                   // 6: memory reservation, MiB
        {.valid = true, .value = mib},                   // memory limit
        {.valid = false},                                // memory shares
        {.valid = true, .value = mib},                   // mapped
        {.valid = false},                                // active
        {.valid = false},                                // overhead
        {.valid = true},                                 // ballooned
        {.valid = true},                                 // swapped
        {.valid = true},                                 // shared
        {.valid = true},                                 // saved by sharing
        {.valid = true, .value = mib},                   // used
        {.wide = true, .valid = true, .value = elapsed}, // 17: elapsed, ms
    };
    struct text args = r->args;
    if (next_number(&args) != 3) {
        return answer(r, "0 3");
    }
    size_t at = answer(r, "1 ");
    at = put_le(r->answer, at, 4, 3);
    at = put_le(r->answer, at, 8, t->session);
    size_t end = put_stats(r->answer, at + 4, stats, ARRAY_SIZE(stats));
    put_le(r->answer, at, 4, end - at - 4);
    return end;
}

// ---- The commands ----

static size_t run_accepted(const struct rpc *r)
{
    return answer_ok(r);
}

static const struct command commands[] = {
    {"info-get", run_info_get},
    {"info-set", run_info_set},
    {"log", run_log},
    {"SetGuestInfo", run_set_guest_info},
    {"SetGuestDiskInfo", run_accepted},
    {"tools.set.version", run_set_version},
    {"tools.set.versiontype", run_set_version},
    {"tools.os.statechange.status", run_state_change},
    {"tools.capability.*", run_accepted},
    {"vmx.capability.*", run_accepted},
    {"guestlib.info.get", run_guestlib_info},
};

static bool is_command(const struct command *c, struct text name)
{
    size_t size = strlen(c->name);
    bool prefix = c->name[size - 1] == '*';
    size -= prefix;
    return (prefix ? name.size > size : name.size == size) &&
           memcmp(c->name, name.bytes, size) == 0;
}

size_t rpci_execute(struct tools *t, char *buffer, size_t size)
{
    struct text args = {buffer, size};
    if (size > 0 && buffer[size - 1] == '\0') {
        args.size--;
    }
    struct text name = next_word(&args);
    const struct rpc r = {t, args, buffer};
    t->rpcs++;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (is_command(&commands[i], name)) {
            return commands[i].run(&r);
        }
    }
    t->unknown_rpcs++;
    return answer(&r, "0 Unknown command");
}
