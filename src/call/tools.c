// SPDX-License-Identifier: Apache-2.0
#include "call/tools.h"

#include "call/tclo.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <string.h>

bool tools_elapsed(uint64_t since, unsigned seconds)
{
    return timer_now() - since >= seconds * timer_frequency();
}

void tools_print_text(char *out, size_t size, struct text bytes)
{
    size_t n = 0;
    while (n < bytes.size && n < size - 1 && bytes.bytes[n] != '\0') {
        char c = bytes.bytes[n];
        out[n++] = (char)(c < ' ' || c > '~' ? '?' : c);
    }
    out[n] = '\0';
}

bool tools_running(struct tools *t)
{
    spin_lock(&t->lock);
    bool alive = tclo_alive(t);
    spin_unlock(&t->lock);
    return alive;
}

int tools_order(struct tools *t, enum tools_order which)
{
    spin_lock(&t->lock);
    tclo_expire(t);
    int err = !tclo_alive(t) ? ERR_NOENT : t->order[which].wanted ? ERR_BUSY : 0;
    if (!err) {
        t->order[which] = (struct order){.wanted = true, .since = timer_now()};
    }
    spin_unlock(&t->lock);
    return err;
}

void tools_resumed(struct tools *t)
{
    uint64_t now = timer_now();
    spin_lock(&t->lock);
    for (unsigned i = 0; i < TOOLS_CHANNELS; i++) {
        t->channel[i].last_used = now;
    }
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        t->order[i].since = now;
    }
    if (tclo_alive(t)) {
        t->order[ORDER_SYNC_TIME] = (struct order){.wanted = true, .since = now};
    }
    spin_unlock(&t->lock);
}

static void copy_value(const struct tools *t, const char *key, char *out, size_t size)
{
    struct text value;
    out[0] = '\0';
    if (guestinfo_get(&t->guestinfo, (struct text){key, strlen(key)}, &value)) {
        tools_print_text(out, size, value);
    }
}

void tools_report(struct tools *t, struct tools_report *out)
{
    memset(out, 0, sizeof(*out));
    spin_lock(&t->lock);
    tclo_expire(t);
    out->running = tclo_alive(t);
    out->version = t->version;
    out->version_type = t->version_type;
    out->rpcs = t->rpcs;
    out->unknown_rpcs = t->unknown_rpcs;
    out->reclaimed = t->reclaimed;
    memcpy(out->fact, t->fact, sizeof(t->fact));
    copy_value(t, "guestinfo.vmtools.versionString", out->version_text, sizeof(out->version_text));
    copy_value(t, "guestinfo.ip", out->ip, sizeof(out->ip));
    for (unsigned i = 0; i < TOOLS_CHANNELS; i++) {
        out->channels += t->channel[i].state != CHANNEL_FREE;
    }
    spin_unlock(&t->lock);
}

// ---- guestinfo, for the operator ----

int tools_guestinfo_set(struct tools *t, const char *key, const char *value)
{
    spin_lock(&t->lock);
    int err = guestinfo_set(&t->guestinfo, (struct text){key, strlen(key)},
                            (struct text){value, strlen(value)}, GUESTINFO_BY_OPERATOR);
    spin_unlock(&t->lock);
    return err;
}

bool tools_guestinfo_get(struct tools *t, const char *key, char *text, size_t text_size,
                         size_t *size)
{
    struct text value;
    spin_lock(&t->lock);
    bool found = guestinfo_get(&t->guestinfo, (struct text){key, strlen(key)}, &value);
    if (found) {
        tools_print_text(text, text_size, value);
        *size = value.size;
    }
    spin_unlock(&t->lock);
    return found;
}

bool tools_guestinfo_next(struct tools *t, size_t *cursor, char *key, size_t key_size, char *text,
                          size_t text_size, size_t *size)
{
    struct text name, value;
    spin_lock(&t->lock);
    bool found = guestinfo_next(&t->guestinfo, cursor, &name, &value);
    if (found) {
        tools_print_text(key, key_size, name);
        tools_print_text(text, text_size, value);
        *size = value.size;
    }
    spin_unlock(&t->lock);
    return found;
}
