// SPDX-License-Identifier: Apache-2.0
#include "cpu/debug.h"

#include "cpu/features.h"
#include "cpu/percpu.h"
#include "lib/bits.h"

#include <stddef.h>

#define CONTROL_ENABLED BIT(0)

// Fields of the control registers that Armv8.0 to 8.8 have; the rest stays 0.
#define BCR_MASK (MASK(23, 13) | MASK(8, 5) | MASK(2, 0))
#define WCR_MASK (MASK(28, 24) | MASK(20, 0))

static unsigned registers(enum debug_kind kind)
{
    unsigned n = kind <= DEBUG_BCR ? features.breakpoints : features.watchpoints;
    return MIN(n, (unsigned)DEBUG_MAX);
}

// The lock is looked at here too, as not every machine does (QEMU 10).
static bool any_enabled(const struct vcpu *v)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < DEBUG_MAX; i++) {
        any |= v->debug.r[DEBUG_BCR][i] | v->debug.r[DEBUG_WCR][i];
    }
    return !v->debug.os_locked && (any & CONTROL_ENABLED) != 0;
}

static void disable_all(struct percpu *cpu)
{
    for (unsigned i = 0; i < registers(DEBUG_BCR); i++) {
        debug_register_write(DEBUG_BCR, i, 0);
    }
    for (unsigned i = 0; i < registers(DEBUG_WCR); i++) {
        debug_register_write(DEBUG_WCR, i, 0);
    }
    cpu->debug_owner = NULL;
}

// Values before controls: an enabled register never has another's address.
static void load_all(struct percpu *cpu, struct vcpu *v)
{
    disable_all(cpu);
    for (enum debug_kind kind = DEBUG_BVR; kind < DEBUG_KINDS; kind += 2) {
        for (unsigned i = 0; i < registers(kind); i++) {
            debug_register_write(kind, i, v->debug.r[kind][i]);
            debug_register_write(kind + 1, i, v->debug.r[kind + 1][i]);
        }
    }
    cpu->debug_owner = v;
    v->debug.cpu = (int)cpu->id;
}

void debug_init_cpu(void)
{
    disable_all(this_cpu());
}

static bool is_loaded(const struct percpu *cpu, const struct vcpu *v)
{
    return cpu->debug_owner == v && v->debug.cpu == (int)cpu->id;
}

void debug_load(struct vcpu *v)
{
    struct percpu *cpu = this_cpu();
    debug_os_lock(v->debug.os_locked);
    if (v->debug.enabled) {
        if (!is_loaded(cpu, v)) {
            load_all(cpu, v);
        }
    } else if (cpu->debug_owner != NULL) {
        disable_all(cpu);
    }
}

bool debug_read(const struct vcpu *v, enum debug_kind kind, unsigned n, uint64_t *value)
{
    if (n >= registers(kind)) {
        return false;
    }
    *value = v->debug.r[kind][n];
    return true;
}

bool debug_write(struct vcpu *v, enum debug_kind kind, unsigned n, uint64_t value)
{
    static const uint64_t masks[DEBUG_KINDS] = {
        [DEBUG_BVR] = ~UINT64_C(0),
        [DEBUG_BCR] = BCR_MASK,
        [DEBUG_WVR] = ~UINT64_C(0),
        [DEBUG_WCR] = WCR_MASK,
    };
    if (n >= registers(kind)) {
        return false;
    }
    v->debug.r[kind][n] = value & masks[kind];
    v->debug.enabled = any_enabled(v);
    if (is_loaded(this_cpu(), v)) {
        debug_register_write(kind, n, v->debug.r[kind][n]);
    }
    debug_load(v);
    return true;
}

void debug_set_os_lock(struct vcpu *v, bool locked)
{
    v->debug.os_locked = locked;
    v->debug.enabled = any_enabled(v);
    debug_load(v);
}
