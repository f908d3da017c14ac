// SPDX-License-Identifier: Apache-2.0
// Group 0 alone, as IRQs: what a GICv2 without the Security Extensions has from reset.
#include "lib/cpu.h"
#include "lib/gic.h"

#define SGIR_OTHERS (1u << 24)

/* What was read of IAR for an SGI, with its sender, since the same has to be written. */
static uint32_t acknowledged[CPU_MAX][16];

static uint32_t read_gicc(uint64_t offset)
{
    return mmio_read32(machine.gicc + offset);
}

static void write_gicc(uint64_t offset, uint32_t value)
{
    mmio_write32(machine.gicc + offset, value);
    dsb();
}

static void sync(void)
{
}

static void init(void)
{
    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_GRP0);
    write_gicc(GICC_PMR, 0xff);
    write_gicc(GICC_BPR, 0);
    write_gicc(GICC_CTLR, GICC_CTLR_GRP0);
}

static unsigned ack(void)
{
    uint32_t iar = read_gicc(GICC_IAR);
    unsigned intid = iar & 0x3ff;

    dsb();
    if (intid < 16) {
        acknowledged[cpu_index()][intid] = iar;
    }
    return intid;
}

static uint32_t iar_of(unsigned intid)
{
    return intid < 16 ? acknowledged[cpu_index()][intid] : intid;
}

static void eoi(unsigned intid)
{
    write_gicc(GICC_EOIR, iar_of(intid));
}

static void dir(unsigned intid)
{
    write_gicc(GICC_DIR, iar_of(intid));
}

static unsigned highest(void)
{
    return read_gicc(GICC_HPPIR) & 0x3ff;
}

static unsigned running(void)
{
    return read_gicc(GICC_RPR);
}

static void set_mask(unsigned priority)
{
    write_gicc(GICC_PMR, priority);
}

static void set_binary_point(unsigned n)
{
    write_gicc(GICC_BPR, n);
}

static unsigned binary_point(void)
{
    return read_gicc(GICC_BPR);
}

static void split_eoi(bool on)
{
    write_gicc(GICC_CTLR, GICC_CTLR_GRP0 | (on ? GICC_CTLR_EOIMODE : 0));
}

static bool splits_eoi(void)
{
    return read_gicc(GICC_CTLR) & GICC_CTLR_EOIMODE;
}

static void open_group0(bool on)
{
    write_gicc(GICC_CTLR, on ? GICC_CTLR_GRP0 : 0);
}

static bool is_open(void)
{
    return read_gicc(GICC_CTLR) & GICC_CTLR_GRP0;
}

static void route(unsigned intid, uint64_t mpidr)
{
    mmio_write8(machine.gicd + GICD_ITARGETSR + intid, (uint8_t)(1u << (mpidr & 7)));
}

static void send_sgi(unsigned sgi, uint16_t targets)
{
    dsb();
    mmio_write32(machine.gicd + GICD_SGIR, (targets & 0xffu) << 16 | sgi);
}

static void send_sgi_others(unsigned sgi)
{
    dsb();
    mmio_write32(machine.gicd + GICD_SGIR, SGIR_OTHERS | sgi);
}

const struct gic_face gic_v2_face = {
    .init = init,
    .sync = sync,
    .ack = ack,
    .eoi = eoi,
    .dir = dir,
    .highest = highest,
    .running = running,
    .set_mask = set_mask,
    .set_binary_point = set_binary_point,
    .binary_point = binary_point,
    .split_eoi = split_eoi,
    .splits_eoi = splits_eoi,
    .open = open_group0,
    .is_open = is_open,
    .route = route,
    .send_sgi = send_sgi,
    .send_sgi_others = send_sgi_others,
};
