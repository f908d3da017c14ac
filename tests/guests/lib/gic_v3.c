// SPDX-License-Identifier: Apache-2.0
#include "lib/cpu.h"
#include "lib/gic.h"
#include "lib/timer.h"

#define WAKER_SLEEP    (1u << 1)
#define WAKER_CHILDREN (1u << 2)
#define CTLR_EOIMODE   (1u << 1)
#define SGI1R_IRM      (1ul << 40)

static void sync(void)
{
    wait_for(!(mmio_read32(machine.gicd + GICD_CTLR) & GICD_CTLR_RWP), 100000);
}

static void init(void)
{
    uint64_t rd = gicr_base(cpu_index());

    mmio_write32(machine.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1);
    sync();
    mmio_write32(rd + GICR_WAKER, mmio_read32(rd + GICR_WAKER) & ~WAKER_SLEEP);
    wait_for(!(mmio_read32(rd + GICR_WAKER) & WAKER_CHILDREN), 100000);
    write_sysreg(icc_sre_el1, read_sysreg(icc_sre_el1) | 1);
    write_sysreg(icc_pmr_el1, 0xff);
    write_sysreg(icc_bpr1_el1, 0);
    write_sysreg(icc_ctlr_el1, 0);
    write_sysreg(icc_igrpen1_el1, 1);
}

static unsigned ack(void)
{
    return (unsigned)read_sysreg(icc_iar1_el1);
}

static void eoi(unsigned intid)
{
    write_sysreg(icc_eoir1_el1, intid);
}

static void dir(unsigned intid)
{
    write_sysreg(icc_dir_el1, intid);
}

static unsigned highest(void)
{
    return (unsigned)read_sysreg(icc_hppir1_el1);
}

static unsigned running(void)
{
    return (unsigned)read_sysreg(icc_rpr_el1);
}

static void set_mask(unsigned priority)
{
    write_sysreg(icc_pmr_el1, priority);
}

static void set_binary_point(unsigned n)
{
    write_sysreg(icc_bpr1_el1, n);
}

static unsigned binary_point(void)
{
    return (unsigned)read_sysreg(icc_bpr1_el1);
}

static void split_eoi(bool on)
{
    write_sysreg(icc_ctlr_el1, on ? CTLR_EOIMODE : 0);
}

static bool splits_eoi(void)
{
    return read_sysreg(icc_ctlr_el1) & CTLR_EOIMODE;
}

static void open_group1(bool on)
{
    write_sysreg(icc_igrpen1_el1, on);
}

static bool is_open(void)
{
    return read_sysreg(icc_igrpen1_el1) != 0;
}

static void route(unsigned intid, uint64_t mpidr)
{
    mmio_write64(machine.gicd + GICD_IROUTER + intid * 8ul, mpidr);
}

static void send_sgi(unsigned sgi, uint16_t targets)
{
    dsb();
    write_sysreg(icc_sgi1r_el1, (uint64_t)sgi << 24 | targets);
}

static void send_sgi_others(unsigned sgi)
{
    dsb();
    write_sysreg(icc_sgi1r_el1, (uint64_t)sgi << 24 | SGI1R_IRM);
}

const struct gic_face gic_v3_face = {
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
    .open = open_group1,
    .is_open = is_open,
    .route = route,
    .send_sgi = send_sgi,
    .send_sgi_others = send_sgi_others,
};
