// SPDX-License-Identifier: Apache-2.0
#include "vm/wakeup.h"

#include "lib/bits.h"
#include "lib/efi.h"

// Beyond all dates: a guest that goes on setting its clock and being reset moves nothing further.
#define FARTHEST (INT64_C(1) << 42)

static int64_t counter_seconds(void)
{
    return (int64_t)(timer_now() / timer_frequency());
}

// With the lock held. True: its time has come by this.
static bool look_at_clock(struct wakeup *w)
{
    struct wakeup_setting *s = &w->setting;
    if (!s->enabled || s->pending || s->at > counter_seconds()) {
        return false;
    }
    s->pending = w->signals = true;
    return true;
}

// With the lock held. A time that the counter does not reach in all of its bits never comes.
static void arm(struct wakeup *w)
{
    uint64_t frequency = timer_frequency();
    if (!look_at_clock(w) && w->setting.enabled && !w->setting.pending) {
        timer_arm(&w->timer, MIN((uint64_t)w->setting.at, UINT64_MAX / frequency) * frequency);
    }
}

// A time that was set while this was under way has its own deadline.
static void expired(struct timer *t)
{
    struct wakeup *w = container_of(t, struct wakeup, timer);
    spin_lock(&w->lock);
    bool came = look_at_clock(w);
    spin_unlock(&w->lock);
    if (came) {
        w->came(w);
    }
}

void wakeup_init(struct wakeup *w, void (*came)(struct wakeup *w))
{
    *w = (struct wakeup){.came = came};
    timer_init(&w->timer, expired);
    wakeup_forget(w);
}

void wakeup_forget(struct wakeup *w)
{
    wakeup_set(w, &(struct wakeup_setting){.time_zone = EFI_UNSPECIFIED_TIMEZONE});
}

void wakeup_set(struct wakeup *w, const struct wakeup_setting *setting)
{
    spin_lock(&w->lock);
    w->setting = *setting;
    w->setting.pending = w->signals = false;
    arm(w);
    spin_unlock(&w->lock);
}

struct wakeup_setting wakeup_get(struct wakeup *w)
{
    spin_lock(&w->lock);
    struct wakeup_setting setting = w->setting;
    spin_unlock(&w->lock);
    return setting;
}

void wakeup_clock_moved(struct wakeup *w, int64_t by)
{
    spin_lock(&w->lock);
    w->setting.at = MAX(MIN(w->setting.at - by, FARTHEST), -FARTHEST);
    arm(w);
    spin_unlock(&w->lock);
}

bool wakeup_lies_ahead(struct wakeup *w, uint64_t *seconds)
{
    spin_lock(&w->lock);
    bool comes = w->setting.enabled && !w->setting.pending, ahead = comes || w->signals;
    int64_t left = comes ? w->setting.at - counter_seconds() : 0;
    spin_unlock(&w->lock);
    *seconds = left > 0 ? (uint64_t)left : 0;
    return ahead;
}

bool wakeup_take(struct wakeup *w)
{
    spin_lock(&w->lock);
    bool signals = w->signals;
    w->signals = false;
    spin_unlock(&w->lock);
    return signals;
}
