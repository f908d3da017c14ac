// SPDX-License-Identifier: Apache-2.0
#include "call/tclo.h"

#include "call/tools.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/log.h"

#include <string.h>

#define PING_SECONDS   15u
#define FETCH_SECONDS  30u // for an order to be fetched
#define ANSWER_SECONDS 60u // and then answered

// What vmtoolsd is told first, one message after the other: the time of the day is Newel's, set
// once and then kept. services/vmtoolsd/toolsRpc.c, services/plugins/timeSync.
static const char *const greeting[] = {
    "reset",
    "ping",
    "Capabilities_Register",
    "Set_Option time.synchronize.tools.startup.backward 1",
    "Set_Option time.synchronize.tools.startup 1",
    "Set_Option time.synchronize.tools.enable 1",
    "Set_Option synctime 1",
    "Set_Option broadcastIP 1",
};

#define GREETING_OTHERS 2u // so much of it for a program that is not vmtoolsd

static const struct {
    const char *message, *name;
    unsigned script; // as the tools number their scripts; 0: none is run
} orders[ORDER_COUNT] = {
    [ORDER_SHUTDOWN] = {"OS_Halt", "shutdown", .script = 1},
    [ORDER_REBOOT] = {"OS_Reboot", "reboot", .script = 2},
    [ORDER_SYNC_TIME] = {"Time_Synchronize 1", "setting of the clock", .script = 0},
};

static struct tclo *find(struct tools *t, const struct channel *c)
{
    for (unsigned i = 0; i < TOOLS_TCLO; i++) {
        if (t->tclo[i].channel == c) {
            return &t->tclo[i];
        }
    }
    return NULL;
}

static void end_order(struct tools *t, enum tools_order which, const char *how)
{
    log_info("%s: tools: %s %s", t->config->name, orders[which].name, how);
    t->order[which] = (struct order){0};
}

bool tclo_open(struct tools *t, struct channel *c)
{
    struct tclo *p = find(t, NULL);
    if (p == NULL) {
        return false;
    }
    *p = (struct tclo){.channel = c, .order = -1};
    return true;
}

// An order on its way is told to whoever comes next.
void tclo_close(struct tools *t, struct channel *c)
{
    struct tclo *p = find(t, c);
    if (p == NULL) {
        return;
    }
    if (p->order >= 0) {
        t->order[p->order].sent = false;
    }
    *p = (struct tclo){.channel = NULL};
}

static bool begins(struct text text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.bytes, with, size) == 0;
}

static bool is_toolbox(struct text result)
{
    static const char name[] = "OK ATR toolbox";
    const size_t size = sizeof(name) - 1;
    return begins(result, name) && (result.size == size || result.bytes[size] == '\0');
}

// A shutdown or reboot is not over with "OK": the script's result follows, by RPCI.
static void order_answered(struct tools *t, enum tools_order which, struct text result)
{
    char line[FACT_SIZE];
    if (begins(result, "OK ") && orders[which].script != 0) {
        t->order[which].since = timer_now();
        return;
    }
    if (!begins(result, "OK ")) {
        tools_print_text(line, sizeof(line), result);
        log_guest("%s: tools: %s", t->config->name, line);
    }
    end_order(t, which, begins(result, "OK ") ? "done" : "refused by the guest");
}

void tclo_result(struct tools *t, struct channel *c, struct text result)
{
    struct tclo *p = find(t, c);
    if (p == NULL || result.size == 0) {
        return;
    }
    if (p->step == 1 && is_toolbox(result)) {
        p->is_toolbox = true;
    }
    int order = p->order;
    p->order = -1;
    if (order >= 0 && t->order[order].wanted) {
        order_answered(t, (enum tools_order)order, result);
    }
}

static const char *next_order(struct tools *t, struct tclo *p)
{
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        if (t->order[i].wanted && !t->order[i].sent) {
            t->order[i].sent = true;
            t->order[i].since = timer_now();
            p->order = (int)i;
            return orders[i].message;
        }
    }
    return NULL;
}

static const char *next_ping(struct tclo *p)
{
    if (!tools_elapsed(p->last_ping, PING_SECONDS)) {
        return NULL;
    }
    p->last_ping = timer_now();
    return "ping";
}

const char *tclo_next(struct tools *t, struct channel *c)
{
    struct tclo *p = find(t, c);
    tclo_expire(t);
    if (p == NULL) {
        return NULL;
    }
    if (p->step < (p->is_toolbox ? ARRAY_SIZE(greeting) : GREETING_OTHERS)) {
        p->last_ping = timer_now();
        return greeting[p->step++];
    }
    const char *order = p->is_toolbox ? next_order(t, p) : NULL;
    return order != NULL ? order : next_ping(p);
}

// The tools try again what has failed once if they are told so a second time, whatever the script
// says (services/plugins/powerOps/powerOps.c).
void tclo_script_done(struct tools *t, bool success, unsigned what)
{
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        struct order *o = &t->order[i];
        if (!o->wanted || orders[i].script != what || what == 0) {
            continue;
        }
        if (success) {
            end_order(t, (enum tools_order)i, "under way");
        } else if (o->retried) {
            end_order(t, (enum tools_order)i, "failed: the guest's script");
        } else {
            *o = (struct order){.wanted = true, .retried = true, .since = timer_now()};
        }
    }
}

void tclo_expire(struct tools *t)
{
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        const struct order *o = &t->order[i];
        if (o->wanted && tools_elapsed(o->since, o->sent ? ANSWER_SECONDS : FETCH_SECONDS)) {
            end_order(t, (enum tools_order)i, "not answered");
        }
    }
}

bool tclo_alive(const struct tools *t)
{
    for (unsigned i = 0; i < TOOLS_TCLO; i++) {
        const struct tclo *p = &t->tclo[i];
        if (p->channel != NULL && p->is_toolbox &&
            !tools_elapsed(p->channel->last_used, TOOLS_ALIVE_SECONDS)) {
            return true;
        }
    }
    return false;
}
