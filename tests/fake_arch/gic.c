// SPDX-License-Identifier: Apache-2.0
#include "arch/gic.h"

#include "arch/vtimer.h"

#include <assert.h>

_Thread_local struct fake_gic_cpu *fake_gic;
struct fake_vtimer fake_vtimer;

#define IDLE 0x100u

uint64_t fake_gic_vtr(unsigned list_registers)
{
    return (list_registers - 1) | ICH_VTR_TDS | UINT64_C(4) << 26 |
           UINT64_C(4) << 29; // 5 bits of priority
}

static unsigned list_registers(void)
{
    return ICH_VTR_LISTREGS(fake_gic->vtr);
}

uint64_t ich_read_lr(unsigned n)
{
    assert(n < list_registers());
    fake_gic->lr_reads++;
    return fake_gic->lr[n];
}

void ich_write_lr(unsigned n, uint64_t value)
{
    assert(n < list_registers());
    fake_gic->lr_writes++;
    // HW = 1 and pending and active both is not allowed.
    assert(!(value & ICH_LR_HW) || ICH_LR_STATE(value) != 3);
    fake_gic->lr[n] = value;
}

uint64_t ich_read_elrsr(void)
{
    uint64_t empty = 0;
    for (unsigned i = 0; i < list_registers(); i++) {
        uint64_t lr = fake_gic->lr[i];
        bool due = !(lr & ICH_LR_HW) && (lr & ICH_LR_EOI);
        empty |= ICH_LR_STATE(lr) == 0 && !due ? BIT(i) : 0;
    }
    return empty;
}

uint64_t ich_read_ap0r(unsigned n)
{
    return fake_gic->ap0r[n];
}

uint64_t ich_read_ap1r(unsigned n)
{
    return fake_gic->ap1r[n];
}

void ich_write_ap0r(unsigned n, uint64_t value)
{
    fake_gic->ap0r[n] = value;
}

void ich_write_ap1r(unsigned n, uint64_t value)
{
    fake_gic->ap1r[n] = value;
}

static bool lr_group1(uint64_t lr)
{
    return (lr & ICH_LR_GROUP1) != 0;
}

static unsigned lr_priority(uint64_t lr)
{
    return (unsigned)bits_get(lr, 55, 48);
}

static void check_distinct(void)
{
    for (unsigned i = 0; i < list_registers(); i++) {
        for (unsigned j = 0; j < i; j++) {
            bool both = ICH_LR_STATE(fake_gic->lr[i]) != 0 && ICH_LR_STATE(fake_gic->lr[j]) != 0;
            assert(!both || ICH_LR_VINTID(fake_gic->lr[i]) != ICH_LR_VINTID(fake_gic->lr[j]));
        }
    }
}

static bool group_enabled(bool group1)
{
    return (fake_gic->vmcr & (group1 ? ICH_VMCR_VENG1 : ICH_VMCR_VENG0)) != 0;
}

// Index of the highest priority pending list register of an enabled group, -1 for none.
static int highest(void)
{
    int best = -1;
    check_distinct();
    if (!(fake_gic->hcr & ICH_HCR_EN)) {
        return -1;
    }
    for (unsigned i = 0; i < list_registers(); i++) {
        uint64_t lr = fake_gic->lr[i];
        if (ICH_LR_STATE(lr) != 1 || !group_enabled(lr_group1(lr))) {
            continue;
        }
        if (best < 0 || lr_priority(lr) < lr_priority(fake_gic->lr[best])) {
            best = (int)i;
        }
    }
    return best;
}

static unsigned running(void)
{
    uint32_t levels = (uint32_t)(fake_gic->ap0r[0] | fake_gic->ap1r[0]);
    return levels == 0 ? IDLE : bit_first(levels) << 3;
}

static unsigned group_mask(bool group1)
{
    unsigned bpr = group1 && !(fake_gic->vmcr & ICH_VMCR_VCBPR)
                       ? MAX(ICH_VMCR_VBPR1(fake_gic->vmcr), 3u)
                       : MAX(ICH_VMCR_VBPR0(fake_gic->vmcr), 2u) + 1;
    return 0xffu << bpr & 0xff;
}

uint32_t fake_gic_highest(void)
{
    int i = highest();
    return i < 0 ? FAKE_SPURIOUS : ICH_LR_VINTID(fake_gic->lr[i]);
}

static bool can_preempt(int i)
{
    if (i < 0) {
        return false;
    }
    unsigned priority = lr_priority(fake_gic->lr[i]);
    return priority < ICH_VMCR_VPMR(fake_gic->vmcr) &&
           (priority & group_mask(lr_group1(fake_gic->lr[i]))) < running();
}

bool fake_gic_signals(void)
{
    return can_preempt(highest());
}

static _Thread_local unsigned sender;

static void set_sender(uint64_t lr)
{
    sender = (unsigned)bits_get(lr, 34, 32);
}

uint32_t fake_gic_ack(bool group1)
{
    int i = highest();
    if (!can_preempt(i) || lr_group1(fake_gic->lr[i]) != group1) {
        return FAKE_SPURIOUS;
    }
    uint64_t lr = fake_gic->lr[i];
    uint64_t *apr = group1 ? fake_gic->ap1r : fake_gic->ap0r;
    apr[0] |= BIT((lr_priority(lr) & group_mask(group1)) >> 3);
    fake_gic->lr[i] = (lr & ~ICH_LR_PENDING) | ICH_LR_ACTIVE;
    set_sender(lr);
    return ICH_LR_VINTID(lr);
}

unsigned fake_gic_sender(void)
{
    return sender;
}

static int find_active(uint32_t intid)
{
    for (unsigned i = 0; i < list_registers(); i++) {
        if (ICH_LR_VINTID(fake_gic->lr[i]) == intid && (fake_gic->lr[i] & ICH_LR_ACTIVE)) {
            return (int)i;
        }
    }
    return -1;
}

static void deactivate(int i)
{
    if (i < 0) {
        fake_gic->hcr = bits_set(fake_gic->hcr, 31, 27, ICH_HCR_EOICOUNT(fake_gic->hcr) + 1);
        return;
    }
    uint64_t lr = fake_gic->lr[i];
    if (lr & ICH_LR_HW) {
        uint32_t pintid = (uint32_t)bits_get(lr, 44, 32);
        assert(pintid >= 16 && pintid < 32);
        fake_gic->ppi_active &= ~(UINT32_C(1) << pintid);
    }
    fake_gic->lr[i] = lr & ~ICH_LR_ACTIVE;
}

void fake_gic_eoi(uint32_t intid, bool group1)
{
    uint64_t levels = fake_gic->ap0r[0] | fake_gic->ap1r[0];
    if (levels == 0 || intid >= 1020) {
        return;
    }
    uint64_t lowest = levels & -levels;
    bool dropped_group1 = fake_gic->v2 ? group1 : (fake_gic->ap0r[0] & lowest) == 0;
    fake_gic->ap0r[0] &= ~lowest;
    fake_gic->ap1r[0] &= ~lowest;
    if (fake_gic->vmcr & ICH_VMCR_VEOIM) {
        return;
    }
    int i = find_active(intid);
    if (i < 0) {
        deactivate(-1);
        return;
    }
    unsigned priority = lr_priority(fake_gic->lr[i]) & group_mask(group1);
    if (dropped_group1 == group1 && lr_group1(fake_gic->lr[i]) == group1 &&
        BIT(priority >> 3) == lowest) {
        deactivate(i);
    }
}

bool fake_gic_dir(uint32_t intid)
{
    if (fake_gic->v2 || (fake_gic->hcr & ICH_HCR_TDIR)) {
        return false;
    }
    if ((fake_gic->vmcr & ICH_VMCR_VEOIM) && intid < 1020) {
        deactivate(find_active(intid));
    }
    return true;
}

bool fake_gic_maintenance(void)
{
    uint64_t hcr = fake_gic->hcr;
    bool eoi = false, pending = false;
    for (unsigned i = 0; i < list_registers(); i++) {
        uint64_t lr = fake_gic->lr[i];
        pending = pending || ICH_LR_STATE(lr) == 1;
        eoi = eoi || (ICH_LR_STATE(lr) == 0 && !(lr & ICH_LR_HW) && (lr & ICH_LR_EOI));
    }
    bool g0 = group_enabled(false), g1 = group_enabled(true);
    return (hcr & ICH_HCR_EN) &&
           (eoi || ((hcr & ICH_HCR_LRENPIE) && ICH_HCR_EOICOUNT(hcr) != 0) ||
            ((hcr & ICH_HCR_NPIE) && !pending) || ((hcr & ICH_HCR_VGRP0EIE) && g0) ||
            ((hcr & ICH_HCR_VGRP0DIE) && !g0) || ((hcr & ICH_HCR_VGRP1EIE) && g1) ||
            ((hcr & ICH_HCR_VGRP1DIE) && !g1));
}
