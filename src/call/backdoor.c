// SPDX-License-Identifier: Apache-2.0
#include "call/backdoor.h"

#include "arch/sysreg_bits.h"
#include "call/message.h"
#include "cpu/timer.h"
#include "dev/rtc_host.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "vm/uuid.h"
#include "vm/vm.h"

#define HARDWARE_VERSION 20
#define MAX_TIME_LAG     1000000 // microseconds; a client that is behind by more sets its clock
#define POINTER_OUTSIDE  UINT32_C(0xff9cff9c) // (-100, -100): it is not over the VM's screen
#define MIB_SHIFT        20

enum command {
    GETMHZ = 1,
    GETPTRLOCATION = 4,
    SETPTRLOCATION = 5,
    GETVERSION = BACKDOOR_GETVERSION,
    GETDEVICELISTELEMENT = 11,
    TOGGLEDEVICE = 12,
    GETGUIOPTIONS = 13,
    SETGUIOPTIONS = 14,
    GETSCREENSIZE = 15,
    GETHWVERSION = 17,
    OSNOTFOUND = 18,
    GETUUID = 19,
    GETMEMSIZE = 20,
    GETTIME = 23,
    MESSAGE = 30,
    GETHZ = 45,
    GETTIMEFULL = 46,
    GETTIMEFULL_WITH_LAG = 55,
    GET_VCPU_INFO = 68,
    COMMANDS,
};

// x: the caller's X0 to X6. Returns what X0 gets.
typedef uint32_t command_fn(struct vcpu *v, uint64_t *x);

static bool privileged(const struct vcpu *v)
{
    return (v->regs.pstate & (PSR_M_MASK & ~PSR_AARCH32)) != PSR_EL0T;
}

static uint32_t version(struct vcpu *v, uint64_t *x)
{
    (void)backdoor_version(v);
    return (uint32_t)x[IO_AX];
}

static uint32_t hardware_version(struct vcpu *v, uint64_t *x)
{
    (void)v;
    x[IO_BX] = BACKDOOR_MAGIC;
    return HARDWARE_VERSION;
}

static uint32_t message(struct vcpu *v, uint64_t *x)
{
    message_low(v->vm->tools, x, privileged(v));
    return (uint32_t)x[IO_AX];
}

static uint32_t memory_size(struct vcpu *v, uint64_t *x)
{
    (void)x;
    return (uint32_t)(v->vm->config->memory >> MIB_SHIFT);
}

static uint32_t uuid(struct vcpu *v, uint64_t *x)
{
    union {
        uint8_t bytes[16];
        uint32_t words[4];
    } u;
    vm_uuid(v->vm->config, u.bytes);
    x[IO_BX] = u.words[1];
    x[IO_CX] = u.words[2];
    x[IO_DX] = u.words[3];
    return u.words[0];
}

// What a guest can know of its CPU's frequency is the counter's.
static uint32_t megahertz(struct vcpu *v, uint64_t *x)
{
    (void)v;
    (void)x;
    return (uint32_t)(timer_frequency() / 1000000);
}

static uint32_t hertz(struct vcpu *v, uint64_t *x)
{
    (void)v;
    x[IO_BX] = timer_frequency() >> 32;
    x[IO_CX] = (uint32_t)timer_frequency();
    return (uint32_t)timer_frequency();
}

// What both forms of the time say alike; false if there is no clock.
static bool time_of_day(uint64_t *x, uint64_t *seconds)
{
    uint32_t microseconds;
    if (!rtc_host_time(seconds, &microseconds)) {
        return false;
    }
    x[IO_BX] = microseconds;
    x[IO_CX] = MAX_TIME_LAG;
    return true;
}

static uint32_t time_short(struct vcpu *v, uint64_t *x)
{
    uint64_t seconds;
    (void)v;
    return time_of_day(x, &seconds) ? (uint32_t)seconds : BACKDOOR_REFUSED;
}

static uint32_t time_full(struct vcpu *v, uint64_t *x)
{
    uint64_t seconds;
    (void)v;
    if (!time_of_day(x, &seconds)) {
        return BACKDOOR_REFUSED;
    }
    x[IO_DX] = (uint32_t)seconds;
    x[IO_SI] = seconds >> 32;
    return BACKDOOR_MAGIC;
}

// Virtual interrupts are not delayed on purpose: the lag of the timer's is 0.
static uint32_t time_with_lag(struct vcpu *v, uint64_t *x)
{
    uint32_t answer = time_full(v, x);
    if (answer == BACKDOOR_MAGIC) {
        x[IO_DI] = 0;
    }
    return answer;
}

// No such device, no option, no screen, nothing to say about the vCPU.
static uint32_t zero(struct vcpu *v, uint64_t *x)
{
    (void)v;
    (void)x;
    return 0;
}

static uint32_t pointer_outside(struct vcpu *v, uint64_t *x)
{
    (void)v;
    (void)x;
    return POINTER_OUTSIDE;
}

static uint32_t no_system(struct vcpu *v, uint64_t *x)
{
    (void)x;
    log_guest("%s: its firmware found no operating system", v->vm->config->name);
    return 0;
}

static const struct {
    command_fn *run;
    bool privileged; // refused to EL0
} commands[COMMANDS] = {
    [GETMHZ] = {megahertz, false},          [GETPTRLOCATION] = {pointer_outside, false},
    [SETPTRLOCATION] = {zero, false},       [GETVERSION] = {version, false},
    [GETDEVICELISTELEMENT] = {zero, false}, [TOGGLEDEVICE] = {zero, false},
    [GETGUIOPTIONS] = {zero, false},        [SETGUIOPTIONS] = {zero, false},
    [GETSCREENSIZE] = {zero, false},        [GETHWVERSION] = {hardware_version, false},
    [OSNOTFOUND] = {no_system, true},       [GETUUID] = {uuid, false},
    [GETMEMSIZE] = {memory_size, false},    [GETTIME] = {time_short, false},
    [MESSAGE] = {message, false},           [GETHZ] = {hertz, false},
    [GETTIMEFULL] = {time_full, false},     [GETTIMEFULL_WITH_LAG] = {time_with_lag, false},
    [GET_VCPU_INFO] = {zero, false},
};

uint32_t backdoor_call(struct vcpu *v)
{
    uint64_t *x = v->regs.x;
    unsigned command = (uint16_t)x[IO_CX];
    if ((uint32_t)x[IO_AX] != BACKDOOR_MAGIC || command >= COMMANDS ||
        commands[command].run == NULL || (commands[command].privileged && !privileged(v))) {
        return BACKDOOR_REFUSED;
    }
    return commands[command].run(v, x);
}

static uint32_t low_call(struct port_device *d, struct vcpu *v)
{
    (void)d;
    return backdoor_call(v);
}

// What is neither a command nor a message finds nobody.
static uint32_t read_nobody(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size)
{
    (void)d;
    (void)v;
    (void)port;
    (void)size;
    return PORT_NOBODY;
}

static void write_nobody(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size,
                         uint32_t value)
{
    (void)d;
    (void)v;
    (void)port;
    (void)size;
    (void)value;
}

static uint64_t populated(const struct vcpu *v)
{
    return __atomic_load_n(&v->vm->space.counters.blocks_populated, __ATOMIC_RELAXED);
}

// Where a block of memory had to be zeroed first, it was work enough for one exit: the next begins
// anew, and finds it there.
static enum port_end copy(struct vcpu *v, struct port_memory *m, bool in, char *buffer, size_t size)
{
    uint64_t va = v->regs.x[in ? IO_DI : IO_SI], before = populated(v);
    while (size > 0) {
        size_t n = MIN(size, (size_t)(PAGE_SIZE - (va & PAGE_MASK)));
        enum port_end end = in ? m->write(m, va, buffer, n) : m->read(m, va, buffer, n);
        va += n;
        buffer += n;
        size -= n;
        if (end == PORT_DONE && size > 0 && populated(v) != before) {
            end = PORT_AGAIN;
        }
        if (end != PORT_DONE) {
            return end;
        }
    }
    return PORT_DONE;
}

// The registers stay as they are, so a restart begins anew; the message is one only when it is
// whole. Its size is bounded by message_high_begin().
static enum port_end high_block(struct port_device *d, struct vcpu *v, bool in,
                                struct port_memory *m)
{
    uint64_t *x = v->regs.x;
    struct tools *tools = v->vm->tools;
    size_t size = 0;
    (void)d;
    if ((uint32_t)x[IO_AX] != BACKDOOR_MAGIC) {
        return PORT_ORDINARY;
    }
    void *buffer = message_high_begin(tools, x, !in, privileged(v), &size);
    if (buffer == NULL) {
        x[IO_BX] &= 0xffff; // no success
        return PORT_DONE;
    }
    enum port_end end = copy(v, m, in, buffer, size);
    message_high_end(tools, x, !in, end == PORT_DONE);
    return end;
}

void backdoor_add(struct port_bus *bus)
{
    static const struct port_ops low = {read_nobody, write_nobody, NULL, low_call};
    static const struct port_ops high = {read_nobody, write_nobody, high_block, NULL};
    port_add(bus, &(struct port_device){.ops = &low, .first = BACKDOOR_PORT, .count = 1});
    port_add(bus, &(struct port_device){.ops = &high, .first = BACKDOOR_HIGH_PORT, .count = 1});
}
