// SPDX-License-Identifier: Apache-2.0
#include "dev/pl031.h"

#include "cpu/counters.h"
#include "irq/vgic.h"
#include "lib/bits.h"

enum {
    RTCDR = 0x000,
    RTCMR = 0x004,
    RTCLR = 0x008,
    RTCCR = 0x00c,
    RTCIMSC = 0x010,
    RTCRIS = 0x014,
    RTCMIS = 0x018,
    RTCICR = 0x01c,
    RTCPERIPHID0 = 0xfe0,
};

#define RTCINTR 1u

static const uint8_t ids[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

static int64_t host_seconds(void)
{
    return (int64_t)(timer_now() / timer_frequency());
}

int64_t pl031_offset(const struct pl031 *r)
{
    return __atomic_load_n(&r->offset, __ATOMIC_RELAXED);
}

int64_t pl031_seconds(const struct pl031 *r)
{
    return host_seconds() + pl031_offset(r);
}

static uint32_t rtc_seconds(const struct pl031 *r)
{
    return (uint32_t)pl031_seconds(r);
}

// With the lock held; who only reads the clock takes none.
static void set_seconds(struct pl031 *r, int64_t seconds)
{
    int64_t offset = seconds - host_seconds(), by = offset - r->offset;
    __atomic_store_n(&r->offset, offset, __ATOMIC_RELAXED);
    if (r->moved != NULL) {
        r->moved(r, by);
    }
}

// With the lock held, so that levels reach the vGIC in the order in which they came about.
static void update_line(struct pl031 *r)
{
    bool level = (r->ris & r->imsc) != 0;
    if (level != r->line) {
        r->line = level;
        vgic_set_spi(r->vgic, PL031_INTID, level);
    }
}

// The clock's counter wraps, so a match that lies behind is up to 136 years ahead.
static void set_alarm(struct pl031 *r)
{
    uint32_t ahead = r->match - rtc_seconds(r);
    r->armed = ahead != 0;
    if (ahead == 0) {
        r->ris = RTCINTR;
        return;
    }
    timer_arm(&r->alarm, ((uint64_t)host_seconds() + ahead) * timer_frequency());
}

// A match that was moved while this was under way has its own alarm.
static void alarm_expired(struct timer *t)
{
    struct pl031 *r = container_of(t, struct pl031, alarm);
    spin_lock(&r->lock);
    if (r->armed && rtc_seconds(r) - r->match < UINT32_C(1) << 31) {
        r->armed = false;
        r->ris = RTCINTR;
        update_line(r);
    }
    spin_unlock(&r->lock);
}

// ---- registers ----

static uint32_t read_word(const struct pl031 *r, uint32_t offset)
{
    switch (offset) {
    case RTCDR:
        return rtc_seconds(r);
    case RTCMR:
        return r->match;
    case RTCLR:
        return r->load;
    case RTCCR:
        return 1; // it runs and cannot be stopped
    case RTCIMSC:
        return r->imsc;
    case RTCRIS:
        return r->ris;
    case RTCMIS:
        return r->ris & r->imsc;
    default:
        return offset >= RTCPERIPHID0 ? ids[(offset - RTCPERIPHID0) / 4] : 0;
    }
}

static uint64_t pl031_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    struct pl031 *r = container_of(dev, struct pl031, dev);
    (void)v;
    spin_lock(&r->lock);
    uint32_t value = read_word(r, (uint32_t)offset & ~UINT32_C(3));
    spin_unlock(&r->lock);
    return value >> 8 * (offset & 3) & MASK(8 * MIN(size, 4u) - 1, 0);
}

static void pl031_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                        uint64_t value)
{
    struct pl031 *r = container_of(dev, struct pl031, dev);
    (void)v;
    (void)size;
    spin_lock(&r->lock);
    switch (offset) {
    case RTCMR:
        r->match = (uint32_t)value;
        set_alarm(r);
        break;
    case RTCLR:
        r->load = (uint32_t)value;
        set_seconds(r, r->load);
        set_alarm(r);
        break;
    case RTCIMSC:
        r->imsc = value & RTCINTR;
        break;
    case RTCICR:
        r->ris &= ~(uint32_t)value;
        break;
    default:
        break;
    }
    update_line(r);
    spin_unlock(&r->lock);
}

// ---- for the firmware's clock, which is this one ----

void pl031_set(struct pl031 *r, int64_t seconds)
{
    spin_lock(&r->lock);
    set_seconds(r, seconds);
    set_alarm(r);
    update_line(r);
    spin_unlock(&r->lock);
}

// ---- reset; the time goes on ----

static void pl031_reset(struct device *dev)
{
    struct pl031 *r = container_of(dev, struct pl031, dev);
    timer_cancel(&r->alarm); // without the lock, which alarm_expired() takes
    spin_lock(&r->lock);
    r->match = r->load = r->imsc = r->ris = 0;
    r->armed = false;
    update_line(r);
    spin_unlock(&r->lock);
}

static const struct device_ops pl031_ops = {
    .name = "pl031",
    .read = pl031_read,
    .write = pl031_write,
    .reset = pl031_reset,
};

void pl031_init(struct pl031 *r, struct vgic *vgic, uint64_t epoch)
{
    if (r->dev.ops != NULL) { // not the first time: the VM is reset
        timer_cancel(&r->alarm);
    }
    r->dev = (struct device){
        .ops = &pl031_ops, .base = gpa(PL031_BASE), .size = PL031_SIZE, .counter = CNT_MMIO_RTC};
    r->vgic = vgic;
    r->offset = (int64_t)epoch - host_seconds();
    r->line = false;
    r->armed = false;
    r->match = r->load = r->imsc = r->ris = 0;
    timer_init(&r->alarm, alarm_expired);
}
