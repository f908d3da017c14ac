// SPDX-License-Identifier: Apache-2.0
#include "irq/vtimer.h"

#include "arch/sysreg_bits.h"
#include "arch/vtimer.h"
#include "cpu/timer.h"
#include "cpu/vcpu.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "lib/bits.h"
#include "lib/check.h"

#define CTL_WRITABLE (CNT_CTL_ENABLE | CNT_CTL_IMASK)

struct vtimer {
    struct vcpu *vcpu;
    struct timer watch;    // the virtual timer's deadline while the vCPU does not run
    struct timer physical; // the physical timer's
    uint64_t ctl, cval;    // virtual, while not loaded
    uint64_t offset;
    uint64_t phys_ctl, phys_cval;
    bool loaded; // the machine holds the virtual timer
    bool held;   // the machine's physical timer PPI is active here for this vCPU
    union {
        struct {
            bool watched; // watch may be armed
            bool direct;  // while it runs, the machine's physical timer is its own
        };
        uint16_t special; // any of these
    };
};

size_t vtimer_size(void)
{
    return sizeof(struct vtimer);
}

static bool unmasked(uint64_t ctl)
{
    return (ctl & (CNT_CTL_ENABLE | CNT_CTL_IMASK)) == CNT_CTL_ENABLE;
}

// ---- the physical timer: emulated, or put into the machine ----

static bool physical_met(const struct vtimer *vt)
{
    return timer_now() >= vt->phys_cval;
}

// After any change: the line, and who will raise it.
static void physical_update(struct vtimer *vt)
{
    bool on = unmasked(vt->phys_ctl);
    bool met = on && physical_met(vt);
    timer_cancel(&vt->physical);
    if (on && !met) {
        timer_arm(&vt->physical, vt->phys_cval);
    }
    vgic_set_ppi(vt->vcpu->vgic, VGIC_PPI_PTIMER, met);
}

static void let_go(struct vtimer *vt)
{
    if (vt->held) {
        vt->held = false;
        gic_set_ppi_active(gic_config()->ppi.physical_timer, false);
    }
}

// Of a vCPU that has the machine's: from it, and to it. What expires meanwhile, the list tells.
static OUTLINE void physical_save(struct vtimer *vt)
{
    vt->phys_ctl = cntp_read_ctl() & CTL_WRITABLE;
    vt->phys_cval = cntp_read_cval();
    cntp_write_ctl(0);
    cntp_set_direct(false);
    cntv_sync();
    let_go(vt);
    physical_update(vt);
}

static void physical_load(struct vtimer *vt)
{
    timer_cancel(&vt->physical);
    cntp_set_direct(true);
    cntp_write_cval(vt->phys_cval);
    cntv_sync();
    cntp_write_ctl(vt->phys_ctl);
}

// ---- the virtual timer ----

static void watch_expired(struct timer *t)
{
    struct vtimer *vt = container_of(t, struct vtimer, watch);
    vgic_set_ppi(vt->vcpu->vgic, VGIC_PPI_VTIMER, true);
}

static void physical_expired(struct timer *t)
{
    struct vtimer *vt = container_of(t, struct vtimer, physical);
    count(&vt->vcpu->count, CNT_TIMER_PHYS);
    vgic_set_ppi(vt->vcpu->vgic, VGIC_PPI_PTIMER, true);
}

void vtimer_init(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    vt->vcpu = v;
    vt->direct = v->hardened;
    timer_init(&vt->watch, watch_expired);
    timer_init(&vt->physical, physical_expired);
    vtimer_reset(v);
}

void vtimer_reset(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    CHECK(!vt->loaded);
    timer_cancel(&vt->watch);
    timer_cancel(&vt->physical);
    vt->watched = false;
    vt->ctl = vt->cval = 0;
    vt->phys_ctl = vt->phys_cval = 0;
    if (v->vgic != NULL) {
        vgic_set_ppi(v->vgic, VGIC_PPI_VTIMER, false);
        vgic_set_ppi(v->vgic, VGIC_PPI_PTIMER, false);
    }
}

void vtimer_set_offset(struct vcpu *v, uint64_t offset)
{
    v->vtimer->offset = offset;
}

void vtimer_stood_still(struct vcpu *v, uint64_t ticks)
{
    struct vtimer *vt = v->vtimer;
    CHECK(ticks == 0 || !(vt->loaded || vt->watched));
    vt->offset += ticks;
}

static OUTLINE void load_special(struct vcpu *v)
{
    vtimer_unblock(v);
    if (v->vtimer->direct) {
        physical_load(v->vtimer);
    }
}

void vtimer_load(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    if (unlikely(vt->special)) {
        load_special(v);
    }
    cntv_write_offset(vt->offset);
    cntv_write_cval(vt->cval);
    cntv_sync(); // or it might fire for the time that was there
    cntv_write_ctl(vt->ctl);
    vt->loaded = true;
}

void vtimer_save(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    uint64_t ctl = cntv_read_ctl() & CTL_WRITABLE;
    vt->ctl = ctl;
    vt->cval = cntv_read_cval();
    if (ctl & CNT_CTL_ENABLE) {
        cntv_write_ctl(0); // or it would fire for whoever is next
        cntv_sync();
    }
    vt->loaded = false;
    if (unlikely(vt->direct)) {
        physical_save(vt);
    }
}

bool vtimer_line(const struct vcpu *v)
{
    const struct vtimer *vt = v->vtimer;
    if (vt->loaded) {
        cntv_sync();
        return (cntv_read_ctl() & (CTL_WRITABLE | CNT_CTL_ISTATUS)) ==
               (CNT_CTL_ENABLE | CNT_CTL_ISTATUS);
    }
    return unmasked(vt->ctl) && timer_now() - vt->offset >= vt->cval;
}

// CNTPCT when the virtual counter reaches its compare value; far away if that is past what 64 bits
// hold.
static uint64_t deadline(const struct vtimer *vt)
{
    uint64_t at = vt->cval + vt->offset;
    return at < vt->cval ? UINT64_MAX : at;
}

void vtimer_block(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    CHECK(!vt->loaded);
    if (unmasked(vt->ctl) && !vgic_ppi_in_flight(v->vgic, VGIC_PPI_VTIMER)) {
        vt->watched = true;
        timer_arm(&vt->watch, deadline(vt));
    }
}

void vtimer_unblock(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    if (vt->watched) {
        vt->watched = false;
        timer_cancel(&vt->watch);
    }
}

// Into both of trap_irq() and its twin for GICv2.
__attribute__((always_inline)) void vtimer_interrupt(struct vcpu *v)
{
    vgic_forward_vtimer(v->vgic);
}

// ---- the physical timer's accesses and interrupts ----

bool vtimer_physical_interrupt(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    if (!vt->direct || !vt->loaded) {
        return false;
    }
    vt->held = true;
    vgic_set_ppi(v->vgic, VGIC_PPI_PTIMER, true);
    return true;
}

bool vtimer_physical_still_high(struct vcpu *v)
{
    struct vtimer *vt = v->vtimer;
    if (!vt->direct || !vt->loaded) {
        return true; // physical_update() tells
    }
    cntv_sync();
    if ((cntp_read_ctl() & (CTL_WRITABLE | CNT_CTL_ISTATUS)) ==
        (CNT_CTL_ENABLE | CNT_CTL_ISTATUS)) {
        return true;
    }
    let_go(vt);
    return false;
}

static uint64_t physical_ctl(const struct vtimer *vt)
{
    bool status = (vt->phys_ctl & CNT_CTL_ENABLE) && physical_met(vt);
    return vt->phys_ctl | (status ? CNT_CTL_ISTATUS : 0);
}

bool vtimer_sysreg_read(struct vcpu *v, unsigned op2, uint64_t *value)
{
    const struct vtimer *vt = v->vtimer;
    switch (op2) {
    case VTIMER_CNTP_TVAL:
        *value = (uint32_t)(vt->phys_cval - timer_now());
        return true;
    case VTIMER_CNTP_CTL:
        *value = physical_ctl(vt);
        return true;
    case VTIMER_CNTP_CVAL:
        *value = vt->phys_cval;
        return true;
    default:
        return false;
    }
}

bool vtimer_sysreg_write(struct vcpu *v, unsigned op2, uint64_t value)
{
    struct vtimer *vt = v->vtimer;
    switch (op2) {
    case VTIMER_CNTP_TVAL:
        vt->phys_cval = timer_now() + (uint64_t)(int64_t)(int32_t)value;
        break;
    case VTIMER_CNTP_CTL:
        vt->phys_ctl = value & CTL_WRITABLE;
        break;
    case VTIMER_CNTP_CVAL:
        vt->phys_cval = value;
        break;
    default:
        return false;
    }
    physical_update(vt);
    return true;
}
