// SPDX-License-Identifier: Apache-2.0
// The alarm of a VM's clock that switches the VM on: UEFI's GetWakeupTime() and SetWakeupTime()
// (UEFI 2.10, 8.3). As the clock it is of no reset's, and of no guest's end.
//
// When its time comes it signals, which lasts until the VM has been started by it, or its guest
// sets it anew: a guest that is on its way off at that moment comes back as well.
#pragma once

#include "cpu/timer.h"
#include "lib/spinlock.h"

#include <stdbool.h>
#include <stdint.h>

struct wakeup_setting {
    bool enabled;
    bool pending;      // its time has come; until it is set anew
    int64_t at;        // seconds of the machine's counter, which may lie on either side of all time
    int16_t time_zone; // these two as they were set (lib/efi.h)
    uint8_t daylight;
};

struct wakeup {
    struct spinlock lock; // inside it those of timers are taken
    struct timer timer;
    void (*came)(struct wakeup *w);
    struct wakeup_setting setting;
    bool signals;
};

// Once. came: its time has come while nobody was in any of these functions; by the timer's
// interrupt, without a lock.
void wakeup_init(struct wakeup *w, void (*came)(struct wakeup *w));

// All of these: any CPU, with any lock of the VM's held.

// No VM is there any more: as after wakeup_init().
void wakeup_forget(struct wakeup *w);

// SetWakeupTime(): what was pending is not any more, nor does it signal; pending in the setting
// counts for nothing. A time that has passed has come already.
void wakeup_set(struct wakeup *w, const struct wakeup_setting *setting);
struct wakeup_setting wakeup_get(struct wakeup *w);
// The clock that it goes by was set forward by so many seconds, or back.
void wakeup_clock_moved(struct wakeup *w, int64_t by);

// It signals, or will. *seconds: until then.
bool wakeup_lies_ahead(struct wakeup *w, uint64_t *seconds);
// It signals, and by this no longer: for who starts the VM because of it.
bool wakeup_take(struct wakeup *w);
