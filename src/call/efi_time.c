// SPDX-License-Identifier: Apache-2.0
// The services of time (UEFI 2.10, 8.3): the VM's real-time clock, by fields.
#include "call/efi_call.h"
#include "lib/bits.h"

#define DAY          86400
#define DAYS_TO_1970 719468 // from 0000-03-01, which a leap day ends a year before
#define ERA          146097 // days of 400 years

// 1900-01-01 00:00:00 and 9999-12-31 23:59:59, since 1970
#define FIRST_SECOND INT64_C(-2208988800)
#define LAST_SECOND  INT64_C(253402300799)

#define RESOLUTION 1        // Hz
#define ACCURACY   50000000 // 50 parts in a million, as crystals have

#define DAYLIGHT_BITS 3

static unsigned days_of(unsigned month, unsigned year)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

// Years begin with March here, so that a leap day is a year's last.
static int64_t days_since_1970(const struct efi_time *t)
{
    unsigned early = t->month <= 2;
    unsigned year = t->year - early, of_era = year % 400;
    unsigned day = (153 * (t->month + (early ? 9u : -3u)) + 2) / 5 + t->day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + day;
    return (int64_t)(year / 400) * ERA + days - DAYS_TO_1970;
}

// since 0000-03-01
static void set_date(struct efi_time *t, uint64_t days)
{
    unsigned of_era = (unsigned)(days % ERA);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned day = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day + 2) / 153; // from March
    t->day = (uint8_t)(day - (153 * month + 2) / 5 + 1);
    t->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    t->year = (uint16_t)(year + days / ERA * 400 + (t->month <= 2));
}

static int64_t local_seconds(const struct efi_time *t)
{
    int32_t of_day = t->hour * 3600 + t->minute * 60 + t->second;
    return days_since_1970(t) * DAY + of_day;
}

static bool is_valid(const struct efi_time *t)
{
    bool zone =
        t->time_zone == EFI_UNSPECIFIED_TIMEZONE || (t->time_zone >= -1440 && t->time_zone <= 1440);
    return t->year >= 1900 && t->year <= 9999 && t->month >= 1 && t->month <= 12 && t->day >= 1 &&
           t->day <= days_of(t->month, t->year) && t->hour <= 23 && t->minute <= 59 &&
           t->second <= 59 && t->nanosecond <= 999999999 && zone && t->daylight <= DAYLIGHT_BITS;
}

// The clock has UTC where a time zone is known.
static int64_t zone_seconds(int16_t time_zone)
{
    return time_zone == EFI_UNSPECIFIED_TIMEZONE ? 0 : (int64_t)time_zone * 60;
}

// All fields but time zone and daylight.
static void set_fields(struct efi_time *t, int64_t local)
{
    uint64_t since = (uint64_t)(local + (int64_t)DAYS_TO_1970 * DAY);
    unsigned of_day = (unsigned)(since % DAY);
    t->hour = (uint8_t)(of_day / 3600);
    t->minute = (uint8_t)(of_day / 60 % 60);
    t->second = (uint8_t)(of_day % 60);
    set_date(t, since / DAY);
}

// Time zones are of whole minutes.
static OUTLINE void set_minute(struct guest_efi *e, int64_t utc)
{
    set_fields(&e->time, utc - zone_seconds(e->time.time_zone));
    e->minute = utc - e->time.second;
}

// What a call found out about a minute serves those that come within it.
static void update(struct guest_efi *e, int64_t utc)
{
    if ((uint64_t)utc - (uint64_t)e->minute >= 60) {
        set_minute(e, utc);
    }
    e->time.second = (uint8_t)(utc - e->minute);
}

// GetTime(OUT *time, OUT *capabilities OPTIONAL)
efi_status efi_get_time(struct efi_call *c)
{
    static const struct efi_time_capabilities capabilities = {RESOLUTION, ACCURACY, 1, {0}};
    update(c->efi, pl031_seconds(&c->vm->rtc));
    efi_status status = efi_out(c, c->x[0], &c->efi->time, sizeof(c->efi->time));
    if (status != EFI_SUCCESS || c->x[1] == 0) {
        return status;
    }
    return efi_out(c, c->x[1], &capabilities, sizeof(capabilities));
}

// SetTime(IN *time)
efi_status efi_set_time(struct efi_call *c)
{
    struct efi_time t;
    efi_status status = efi_in(c, &t, c->x[0], sizeof(t));
    if (status != EFI_SUCCESS) {
        return status;
    }
    if (!is_valid(&t)) {
        return EFI_INVALID_PARAMETER;
    }
    c->efi->time.time_zone = t.time_zone;
    c->efi->time.daylight = t.daylight;
    c->efi->minute = EFI_NO_MINUTE;
    pl031_set(&c->vm->rtc, local_seconds(&t) + zone_seconds(t.time_zone));
    return EFI_SUCCESS;
}

// ---- The alarm that wakes the VM up (vm/wakeup.h) ----

// A time of no zone is in the clock's own.
static int64_t alarm_zone_seconds(const struct efi_call *c, int16_t time_zone)
{
    if (time_zone == EFI_UNSPECIFIED_TIMEZONE) {
        time_zone = c->efi->time.time_zone;
    }
    return zone_seconds(time_zone);
}

// It goes on when the VM's clock starts anew, and so may be beyond what a year can be.
static struct efi_time alarm_time(const struct efi_call *c, const struct wakeup_setting *s)
{
    struct efi_time t = {.time_zone = s->time_zone, .daylight = s->daylight};
    int64_t utc = s->at + pl031_offset(&c->vm->rtc);
    int64_t local = utc - alarm_zone_seconds(c, s->time_zone);
    set_fields(&t, MAX(MIN(local, LAST_SECOND), FIRST_SECOND));
    return t;
}

// GetWakeupTime(OUT *enabled, OUT *pending, OUT *time)
efi_status efi_get_wakeup_time(struct efi_call *c)
{
    const struct wakeup_setting setting = wakeup_get(&c->vm->wakeup);
    const struct efi_time t = alarm_time(c, &setting);
    const uint8_t enabled = setting.enabled, pending = setting.pending;
    efi_status status = efi_out(c, c->x[0], &enabled, sizeof(enabled));
    status = status == EFI_SUCCESS ? efi_out(c, c->x[1], &pending, sizeof(pending)) : status;
    return status == EFI_SUCCESS ? efi_out(c, c->x[2], &t, sizeof(t)) : status;
}

static efi_status read_alarm(struct efi_call *c, struct wakeup_setting *out)
{
    struct efi_time t;
    efi_status status = efi_in(c, &t, c->x[1], sizeof(t));
    if (status != EFI_SUCCESS) {
        return status;
    }
    if (!is_valid(&t)) {
        return EFI_INVALID_PARAMETER;
    }
    int64_t utc = local_seconds(&t) + alarm_zone_seconds(c, t.time_zone);
    *out = (struct wakeup_setting){true, false, utc - pl031_offset(&c->vm->rtc), t.time_zone,
                                   t.daylight};
    return EFI_SUCCESS;
}

// SetWakeupTime(IN enable, IN *time OPTIONAL). The time is for who enables it; it stays what it was
// for who disables it. A BOOLEAN is of one byte, and what is above it is anything.
efi_status efi_set_wakeup_time(struct efi_call *c)
{
    struct wakeup_setting setting = wakeup_get(&c->vm->wakeup);
    setting.enabled = (uint8_t)c->x[0] != 0;
    efi_status status = setting.enabled ? read_alarm(c, &setting) : EFI_SUCCESS;
    if (status == EFI_SUCCESS) {
        wakeup_set(&c->vm->wakeup, &setting);
    }
    return status;
}
