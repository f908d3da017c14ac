// SPDX-License-Identifier: Apache-2.0
#include "call/message.h"

#include "call/rpci.h"
#include "call/tclo.h"
#include "call/tools.h"
#include "cpu/drbg.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/chacha20.h"
#include "lib/check.h"
#include "lib/print.h"

#include <string.h>

// X2[31:16] of a call.
enum message_type {
    MESSAGE_OPEN,
    MESSAGE_SENDSIZE,
    MESSAGE_SENDPAYLOAD,
    MESSAGE_RECVSIZE,
    MESSAGE_RECVPAYLOAD,
    MESSAGE_RECVSTATUS,
    MESSAGE_CLOSE,
};

// X2[31:16] of its answer, and X1[31:16] of the high-bandwidth port's.
#define STATUS_SUCCESS 0x01u
#define STATUS_DORECV  0x02u
#define STATUS_HB      0x80u // the high-bandwidth port may be used

#define OPEN_COOKIE   0x80000000u // the caller knows of cookies; who does not is refused
#define PROTOCOL_RPCI 0x49435052u
#define PROTOCOL_TCLO 0x4f4c4354u

// ---- Channels ----

// Without a source of random bits the counter at all the calls so far has to do: the one half of a
// block is the next secret, the other has the cookie, and nobody finds the secret from that.
static uint64_t counted_cookie(struct tools *t)
{
    uint64_t now = timer_now(), cookie;
    const uint32_t nonce[3] = {(uint32_t)now, (uint32_t)(now >> 32)};
    uint8_t block[CHACHA20_BLOCK];
    chacha20_block(t->secret, 0, nonce, block);
    memcpy(t->secret, block, sizeof(t->secret));
    memcpy(&cookie, block + sizeof(t->secret), sizeof(cookie));
    return cookie;
}

static uint64_t new_cookie(struct tools *t)
{
    uint64_t cookie;
    return drbg_read(&cookie, sizeof(cookie)) ? cookie : counted_cookie(t);
}

static void drop_buffer(struct tools *t, struct channel *c)
{
    if (c->buffer != NULL) {
        t->free_buffer[t->free_buffers++] = c->buffer;
        c->buffer = NULL;
    }
}

// Whatever was under way on the channel is over.
static void set_idle(struct tools *t, struct channel *c)
{
    drop_buffer(t, c);
    c->state = CHANNEL_IDLE;
}

static void close_channel(struct tools *t, struct channel *c)
{
    set_idle(t, c);
    if (c->protocol == PROTOCOL_TCLO) {
        tclo_close(t, c);
    }
    c->state = CHANNEL_FREE;
}

static bool is_any(const struct channel *c)
{
    return c->state != CHANNEL_FREE;
}

static bool has_buffer(const struct channel *c)
{
    return c->buffer != NULL;
}

static bool is_tclo(const struct channel *c)
{
    return c->state != CHANNEL_FREE && c->protocol == PROTOCOL_TCLO;
}

// Of the channels of a kind the one that was not used for longest, if it may be taken from its
// owner; or NULL.
static struct channel *find_abandoned(struct tools *t, bool (*kind)(const struct channel *c))
{
    struct channel *oldest = NULL;
    for (unsigned i = 0; i < TOOLS_CHANNELS; i++) {
        struct channel *c = &t->channel[i];
        if (kind(c) && !c->copying && (oldest == NULL || c->last_used < oldest->last_used)) {
            oldest = c;
        }
    }
    bool abandoned = oldest != NULL && tools_elapsed(oldest->last_used, TOOLS_IDLE_SECONDS);
    return abandoned ? oldest : NULL;
}

static bool reclaim(struct tools *t, bool (*kind)(const struct channel *c))
{
    struct channel *c = find_abandoned(t, kind);
    if (c == NULL) {
        return false;
    }
    close_channel(t, c);
    t->reclaimed++;
    return true;
}

static struct channel *find_free(struct tools *t)
{
    for (unsigned i = 0; i < TOOLS_CHANNELS; i++) {
        if (t->channel[i].state == CHANNEL_FREE) {
            return &t->channel[i];
        }
    }
    return NULL;
}

// Takes one from somebody who can do without it, if none is free.
static struct channel *make_free(struct tools *t)
{
    struct channel *c = find_free(t);
    return c == NULL && reclaim(t, is_any) ? find_free(t) : c;
}

static bool take_buffer(struct tools *t, struct channel *c)
{
    if (t->free_buffers == 0) {
        struct channel *from = find_abandoned(t, has_buffer);
        if (from == NULL) {
            return false;
        }
        set_idle(t, from);
        t->reclaimed++;
    }
    c->buffer = t->free_buffer[--t->free_buffers];
    return true;
}

// The channel that a call means, and NULL if its cookie is another one's, EL1 keeps it for itself
// or somebody copies.
static struct channel *find_channel(struct tools *t, uint64_t x3, uint64_t high, uint64_t low,
                                    bool privileged)
{
    uint64_t id = bits_get(x3, 31, 16);
    if (id >= TOOLS_CHANNELS) {
        return NULL;
    }
    struct channel *c = &t->channel[id];
    bool own = c->cookie_high == (uint32_t)high && c->cookie_low == (uint32_t)low;
    if (c->state == CHANNEL_FREE || !own || (c->privileged && !privileged) || c->copying) {
        return NULL;
    }
    c->last_used = timer_now();
    return c;
}

// ---- Messages ----

// All of the guest's message is there: an answer to it, if there is one, takes its place.
static void deliver(struct tools *t, struct channel *c)
{
    if (c->protocol == PROTOCOL_TCLO) {
        tclo_result(t, c, (struct text){c->buffer, c->size});
        set_idle(t, c);
        return;
    }
    c->size = (uint32_t)rpci_execute(t, c->buffer, c->size);
    c->done = 0;
    c->state = CHANNEL_RECEIVING;
}

static bool has_message(struct tools *t, struct channel *c)
{
    if (c->state == CHANNEL_RECEIVING) {
        c->done = 0; // from its beginning
        return true;
    }
    if (c->protocol != PROTOCOL_TCLO || c->state != CHANNEL_IDLE || !take_buffer(t, c)) {
        return false;
    }
    const char *message = tclo_next(t, c);
    if (message == NULL) {
        drop_buffer(t, c);
        return false;
    }
    c->size = (uint32_t)strlen(message);
    memcpy(c->buffer, message, c->size);
    c->done = 0;
    c->state = CHANNEL_RECEIVING;
    return true;
}

// ---- Calls of the low-bandwidth port: each returns a status ----

static unsigned do_open(struct tools *t, uint64_t x[7], bool privileged)
{
    uint32_t protocol = (uint32_t)x[1] & ~OPEN_COOKIE;
    bool known = protocol == PROTOCOL_RPCI || protocol == PROTOCOL_TCLO;
    struct channel *c = known && (x[1] & OPEN_COOKIE) != 0 ? make_free(t) : NULL;
    if (c == NULL) {
        return 0;
    }
    if (protocol == PROTOCOL_TCLO && !tclo_open(t, c) &&
        !(reclaim(t, is_tclo) && tclo_open(t, c))) {
        return 0;
    }
    uint64_t cookie = new_cookie(t);
    *c = (struct channel){
        .state = CHANNEL_IDLE,
        .protocol = protocol,
        .cookie_high = (uint32_t)(cookie >> 32),
        .cookie_low = (uint32_t)cookie,
        .privileged = privileged,
        .last_used = timer_now(),
    };
    x[3] = (uint64_t)(c - t->channel) << 16 | (x[3] & 0xffff);
    x[4] = c->cookie_high;
    x[5] = c->cookie_low;
    return STATUS_SUCCESS;
}

static unsigned do_sendsize(struct tools *t, struct channel *c, uint64_t size)
{
    set_idle(t, c); // a message that was left unfinished, or an answer that nobody fetched
    if (size > MESSAGE_MAX || (size != 0 && !take_buffer(t, c))) {
        return 0;
    }
    c->size = (uint32_t)size;
    c->done = 0;
    c->state = CHANNEL_SENDING;
    if (size == 0) {
        // A poll. RPCI knows no empty request.
        if (c->protocol == PROTOCOL_TCLO) {
            tclo_result(t, c, (struct text){"", 0});
        }
        set_idle(t, c);
    }
    return STATUS_SUCCESS | STATUS_HB;
}

static unsigned do_sendpayload(struct tools *t, struct channel *c, uint32_t piece)
{
    if (c->state != CHANNEL_SENDING) {
        return 0;
    }
    uint32_t n = MIN(c->size - c->done, 4u);
    memcpy(c->buffer + c->done, &piece, n);
    c->done += n;
    if (c->done == c->size) {
        deliver(t, c);
    }
    return STATUS_SUCCESS;
}

static unsigned do_recvsize(struct tools *t, struct channel *c, uint64_t x[7])
{
    if (!has_message(t, c)) {
        x[1] = 0;
        return STATUS_SUCCESS;
    }
    x[1] = c->size;
    x[3] = MESSAGE_SENDSIZE << 16 | (x[3] & 0xffff);
    return STATUS_SUCCESS | STATUS_DORECV | STATUS_HB;
}

// X1: how the caller fared with the piece before; 0 means that it gives up.
static unsigned do_recvpayload(struct tools *t, struct channel *c, uint64_t x[7])
{
    if (c->state != CHANNEL_RECEIVING) {
        return 0;
    }
    if ((x[1] & STATUS_SUCCESS) == 0) {
        set_idle(t, c);
        return STATUS_SUCCESS;
    }
    uint32_t piece = 0;
    uint32_t n = MIN(c->size - c->done, 4u);
    memcpy(&piece, c->buffer + c->done, n);
    c->done += n;
    x[1] = piece;
    x[3] = MESSAGE_SENDPAYLOAD << 16 | (x[3] & 0xffff);
    return STATUS_SUCCESS;
}

static unsigned do_recvstatus(struct tools *t, struct channel *c)
{
    if (c->state != CHANNEL_RECEIVING) {
        return 0;
    }
    set_idle(t, c);
    return STATUS_SUCCESS;
}

static unsigned on_channel(struct tools *t, struct channel *c, uint64_t x[7])
{
    switch (bits_get(x[2], 31, 16)) {
    case MESSAGE_SENDSIZE:
        return do_sendsize(t, c, (uint32_t)x[1]);
    case MESSAGE_SENDPAYLOAD:
        return do_sendpayload(t, c, (uint32_t)x[1]);
    case MESSAGE_RECVSIZE:
        return do_recvsize(t, c, x);
    case MESSAGE_RECVPAYLOAD:
        return do_recvpayload(t, c, x);
    case MESSAGE_RECVSTATUS:
        return do_recvstatus(t, c);
    case MESSAGE_CLOSE:
        close_channel(t, c);
        return STATUS_SUCCESS;
    default:
        return 0;
    }
}

void message_low(struct tools *t, uint64_t x[7], bool privileged)
{
    unsigned status = 0;
    spin_lock(&t->lock);
    if (bits_get(x[2], 31, 16) == MESSAGE_OPEN) {
        status = do_open(t, x, privileged);
    } else {
        struct channel *c = find_channel(t, x[3], x[4], x[5], privileged);
        if (c != NULL) {
            status = on_channel(t, c, x);
        }
    }
    spin_unlock(&t->lock);
    x[2] = status << 16 | (x[2] & 0xffff);
}

// ---- The high-bandwidth port ----

static struct channel *high_channel(struct tools *t, const uint64_t x[7], bool out, bool privileged)
{
    return out ? find_channel(t, x[3], x[6], x[5], privileged)
               : find_channel(t, x[3], x[4], x[6], privileged);
}

// X1: command 0, and the caller's status.
static bool is_high_message(const uint64_t x[7])
{
    return (uint32_t)x[1] == STATUS_SUCCESS << 16;
}

void *message_high_begin(struct tools *t, const uint64_t x[7], bool out, bool privileged,
                         size_t *size)
{
    char *at = NULL;
    spin_lock(&t->lock);
    struct channel *c = is_high_message(x) ? high_channel(t, x, out, privileged) : NULL;
    enum channel_state wanted = out ? CHANNEL_SENDING : CHANNEL_RECEIVING;
    if (c != NULL && c->state == wanted && x[2] != 0 && x[2] <= c->size - c->done) {
        c->copying = true;
        at = c->buffer + c->done;
        *size = x[2];
    }
    spin_unlock(&t->lock);
    return at;
}

void message_high_end(struct tools *t, uint64_t x[7], bool out, bool complete)
{
    spin_lock(&t->lock);
    struct channel *c = &t->channel[bits_get(x[3], 31, 16) % TOOLS_CHANNELS];
    c->copying = false;
    c->last_used = timer_now();
    if (complete) {
        c->done += (uint32_t)x[2];
        if (out && c->done == c->size) {
            deliver(t, c);
        }
        x[1] = STATUS_SUCCESS << 16;
    }
    spin_unlock(&t->lock);
}

// ---- The tools' life ----

// One run of pages: the struct, guestinfo, buffers.
#define OWN_SIZE   ((sizeof(struct tools) + PAGE_MASK) & ~PAGE_MASK)
#define TOOLS_SIZE (OWN_SIZE + TOOLS_GUESTINFO_SIZE + (size_t)TOOLS_BUFFERS * MESSAGE_MAX)

_Static_assert(GUESTINFO_NAME_MAX + sizeof(GUESTINFO_PREFIX) - 1 == GUESTINFO_KEY_MAX &&
                   GUESTINFO_PAIR_MAX == GUESTINFO_VALUE_MAX &&
                   GUESTINFO_BYTES_MAX + MANIFEST_MAX_GUESTINFO * UINT64_C(256) <
                       TOOLS_GUESTINFO_SIZE,
               "what the manifest's reader lets pass has room");

static void take_manifest_guestinfo(struct tools *t)
{
    for (unsigned i = 0; i < t->config->guestinfo_count; i++) {
        const struct guestinfo_pair *p = &t->config->guestinfo[i];
        char key[GUESTINFO_KEY_MAX + 1];
        size_t size = format(key, sizeof(key), GUESTINFO_PREFIX "%s", p->name);
        int err = guestinfo_set(&t->guestinfo, (struct text){key, size},
                                (struct text){p->value.data, p->value.size}, GUESTINFO_BY_OPERATOR);
        CHECK(err == 0);
    }
}

struct tools *tools_create(const struct vm_config *config, owner_t owner)
{
    hpa_t frames;
    if (frames_alloc(owner, TOOLS_SIZE / PAGE_SIZE, 1, &frames) != 0) {
        return NULL;
    }
    char *memory = hpa_ptr(frames);
    struct tools *t = (struct tools *)(void *)memory;
    memset(t, 0, sizeof(*t));
    t->owner = owner;
    t->frames = frames;
    t->config = config;
    guestinfo_init(&t->guestinfo, memory + OWN_SIZE, TOOLS_GUESTINFO_SIZE);
    char *buffers = memory + OWN_SIZE + TOOLS_GUESTINFO_SIZE;
    for (size_t i = 0; i < TOOLS_BUFFERS; i++) {
        t->free_buffer[t->free_buffers++] = buffers + i * MESSAGE_MAX;
    }
    take_manifest_guestinfo(t);
    tools_reset(t);
    return t;
}

void tools_destroy(struct tools *t)
{
    frames_free(t->owner, t->frames, TOOLS_SIZE / PAGE_SIZE);
}

void tools_reset(struct tools *t)
{
    spin_lock(&t->lock);
    for (unsigned i = 0; i < TOOLS_CHANNELS; i++) {
        if (t->channel[i].state != CHANNEL_FREE) {
            close_channel(t, &t->channel[i]);
        }
        t->channel[i].copying = false;
    }
    memset(t->order, 0, sizeof(t->order));
    memset(t->fact, 0, sizeof(t->fact));
    t->version = t->version_type = 0;
    t->started = timer_now();
    t->session = new_cookie(t) | 1;
    spin_unlock(&t->lock);
}
