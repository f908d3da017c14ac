// SPDX-License-Identifier: Apache-2.0
// What Newel knows of the tools in a guest, for the files that speak with them (call/message.c,
// rpci.c, tclo.c), and what the operator may ask of them.
#pragma once

#include "call/guestinfo.h"
#include "call/message.h"
#include "lib/chacha20.h"
#include "lib/spinlock.h"

#define TOOLS_CHANNELS 128u
#define TOOLS_BUFFERS  12u    // messages that may be under way at once
#define TOOLS_TCLO     4u     // of the channels, those by which the host calls
#define MESSAGE_MAX    65536u // bytes, both ways; GUESTMSG_MAX_IN_SIZE of open-vm-tools

#define TOOLS_GUESTINFO_SIZE (UINT64_C(260) * 1024) // four of the longest values, and small ones

// A channel that was not used for so long gives way when another needs its place.
#define TOOLS_IDLE_SECONDS 5u
// The tools poll ten times a second; silent for so long they are taken for dead.
#define TOOLS_ALIVE_SECONDS 10u

enum channel_state {
    CHANNEL_FREE,
    CHANNEL_IDLE,
    CHANNEL_SENDING,   // the guest's message is not complete
    CHANNEL_RECEIVING, // there is one for the guest
};

struct channel {
    enum channel_state state;
    uint32_t protocol, cookie_high, cookie_low;
    bool privileged; // opened by EL1
    bool copying;    // between message_high_begin() and message_high_end()
    char *buffer;    // NULL while idle
    uint32_t size, done;
    uint64_t last_used;
};

// What the operator may ask of the tools.
enum tools_order { ORDER_SHUTDOWN, ORDER_REBOOT, ORDER_SYNC_TIME, ORDER_COUNT };

struct order {
    bool wanted;
    bool sent;      // the tools have it, and have not answered
    bool retried;   // once, after the guest's script failed
    uint64_t since; // wanted, or sent
};

// The host's side of one TCLO channel.
struct tclo {
    struct channel *channel; // NULL: free
    unsigned step;           // of what every program is told first; see call/tclo.c
    int order;               // that the message on its way is; -1
    bool is_toolbox;         // vmtoolsd, and not a program of a user's session
    uint64_t last_ping;
};

enum tools_fact { FACT_HOSTNAME, FACT_OS, FACT_OS_NAME, FACT_BUILD, FACT_UPTIME, FACT_COUNT };

#define FACT_SIZE 96

struct tools {
    struct spinlock lock;
    owner_t owner;
    hpa_t frames;
    const struct vm_config *config;
    uint8_t secret[CHACHA20_KEY]; // of cookies
    uint64_t session;
    uint64_t started;
    struct channel channel[TOOLS_CHANNELS];
    char *free_buffer[TOOLS_BUFFERS];
    unsigned free_buffers;
    struct tclo tclo[TOOLS_TCLO];
    struct order order[ORDER_COUNT];
    char fact[FACT_COUNT][FACT_SIZE]; // printable, "" if not reported
    uint32_t version, version_type;   // as vmtoolsd numbers them; 0: not reported
    struct guestinfo guestinfo;
    uint64_t rpcs, unknown_rpcs, reclaimed; // in all
};

// ---- For the operator: any CPU, t not NULL and kept by the caller ----

// NULL: no program "toolbox" (vmtoolsd) polls. For the operator to see.
bool tools_running(struct tools *t);
// To be carried out when the tools poll the next time. ERR_NOENT: no tools run. ERR_BUSY: it is
// under way.
int tools_order(struct tools *t, enum tools_order order);

// The VM goes on after a pause, whose time counts for nobody's silence: its tools, if it has any,
// are to set the clock.
void tools_resumed(struct tools *t);

// A copy of what the guest reported; version and ip as text, "" if not reported.
struct tools_report {
    bool running;
    uint32_t version, version_type;
    char version_text[32], ip[64];
    char fact[FACT_COUNT][FACT_SIZE];
    unsigned channels;
    uint64_t rpcs, unknown_rpcs, reclaimed;
};
void tools_report(struct tools *t, struct tools_report *out);

int tools_guestinfo_set(struct tools *t, const char *key, const char *value);
// The value's beginning as printable text; its whole size in *size. False if there is none.
bool tools_guestinfo_get(struct tools *t, const char *key, char *text, size_t text_size,
                         size_t *size);
// The same for one key after the other; *cursor is 0 at first. Changes meanwhile may hide or repeat
// some.
bool tools_guestinfo_next(struct tools *t, size_t *cursor, char *key, size_t key_size, char *text,
                          size_t text_size, size_t *size);

// ---- For those that speak with the tools: the lock is held ----

// True once seconds have gone by since the time.
bool tools_elapsed(uint64_t since, unsigned seconds);
// Bytes as printable text, cut where it is too long.
void tools_print_text(char *out, size_t size, struct text bytes);
