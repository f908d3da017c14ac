// SPDX-License-Identifier: Apache-2.0
// x86's I/O instructions and the commands of VMware's backdoor that QEMU's x86 machine implements,
// each with the registers it leaves: one source, compiled as a payload for arm64 and as a kernel
// for x86-64, that has to print the same lines on Newel and on a machine with the real
// instructions. tests/system/test_backdoor.py compares them.
#include <newel/hypercall.h>

#ifdef __aarch64__
#include "lib/mmu.h"
#include "lib/test.h"
#else
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void probe(void);
#endif

#define NOBODY 0x1230 /* no machine here has a device at this port */
#define FILL   0x1122334455667788ul

static void show(const char *what, const struct newel_regs *r)
{
    print("PROBE %s %lx %lx %lx %lx %lx %lx %lx\n", what, r->ax, r->bx, r->cx, r->dx, r->si, r->di,
          r->bp);
}

static struct newel_regs command(uint32_t number)
{
    struct newel_regs r = {0, ~NEWEL_BACKDOOR_MAGIC, number, 0, 0x44, 0x55, 0x66};

    newel_backdoor(&r);
    return r;
}

static void commands(void)
{
    struct newel_regs r = command(NEWEL_BACKDOOR_GETVERSION);

    show("version", &r);
    r = command(NEWEL_BACKDOOR_GETUUID);
    show("uuid", &r);
    r = command(NEWEL_BACKDOOR_GET_VCPU_INFO);
    show("vcpu-info", &r);
    r = command(0x7777);
    show("unknown-command", &r);
    r = command(NEWEL_BACKDOOR_GETMEMSIZE);
    /* QEMU answers in bytes, VMware in MiB, which is what its tools print. */
    print("PROBE memory %lu MiB\n", r.ax >> 20 ? r.ax >> 20 : r.ax);
    r = (struct newel_regs){1, 2, NEWEL_BACKDOOR_GETVERSION, NEWEL_BACKDOOR_PORT, 4, 5, 6};
    newel_io(NEWEL_IO_DX | NEWEL_IO_IN | NEWEL_IO_4BYTES, &r);
    show("wrong-magic", &r);
}

/* QEMU's port knows none of these. */
#ifdef __aarch64__
TEST(times)
{
    struct newel_regs r = command(NEWEL_BACKDOOR_GETTIME), full;

    full = command(NEWEL_BACKDOOR_GETTIMEFULL);
    EXPECT(r.ax > 1700000000 && r.bx < 1000000);
    EXPECT(full.dx - r.ax <= 1 && full.bx < 1000000);
    EXPECT_EQ(full.ax, NEWEL_BACKDOOR_MAGIC);
    EXPECT_EQ(full.cx, 1000000);
    EXPECT_EQ(full.si, 0);
    full = command(55);
    EXPECT_EQ(full.ax, NEWEL_BACKDOOR_MAGIC);
    EXPECT_EQ(full.di, 0);
}

TEST(other_commands)
{
    struct newel_regs r = command(NEWEL_BACKDOOR_GETHWVERSION);

    EXPECT(r.ax >= 14 && r.bx == NEWEL_BACKDOOR_MAGIC);
    r = command(NEWEL_BACKDOOR_GETHZ);
    EXPECT_EQ(r.ax | r.bx << 32, read_sysreg(cntfrq_el0));
    r = command(NEWEL_BACKDOOR_GETMHZ);
    EXPECT_EQ(r.ax, read_sysreg(cntfrq_el0) / 1000000);
    r = command(NEWEL_BACKDOOR_GETMEMSIZE);
    EXPECT_EQ(r.ax, machine.ram_size >> 20);
}
#endif

/* Which part of a register an instruction of each width writes. */
static void registers(void)
{
    static const char *const names[][2] = {{"out-1", "in-1"}, {"out-2", "in-2"}, {"out-4", "in-4"}};

    for (uint32_t size = NEWEL_IO_1BYTE; size <= NEWEL_IO_4BYTES; size++) {
        struct newel_regs r = {FILL, FILL, FILL, 0xabcd0000 | NOBODY, FILL, FILL, FILL};

        newel_io(NEWEL_IO_DX | size, &r);
        show(names[size][0], &r);
        newel_io(NEWEL_IO_DX | NEWEL_IO_IN | size, &r);
        show(names[size][1], &r);
    }
}

static uint8_t memory[64];

/* From the middle of memory, whose bytes are then shown; addresses as distances from there. */
static void string(const char *what, uint32_t insn, uint64_t count)
{
    uint64_t middle = (uint64_t)(uintptr_t)&memory[32];
    struct newel_regs r = {FILL, FILL, count, NOBODY, middle, middle, FILL};
    unsigned changed = 0;

    for (unsigned i = 0; i < sizeof(memory); i++) {
        memory[i] = (uint8_t)i;
    }
    newel_io(insn, &r);
    r.si -= middle;
    r.di -= middle;
    show(what, &r);
    for (unsigned i = 0; i < sizeof(memory); i++) {
        changed = memory[i] == i ? changed : changed * 31 + i + memory[i];
    }
    print("PROBE %s memory %x\n", what, changed);
}

static void strings(void)
{
    string("insb", NEWEL_IO_STRING | NEWEL_IO_IN, 5);
    string("insl-down", NEWEL_IO_STRING | NEWEL_IO_IN | NEWEL_IO_4BYTES | NEWEL_IO_DOWN, 5);
    string("outsw", NEWEL_IO_STRING | NEWEL_IO_2BYTES, 5);
    string("outsl-down", NEWEL_IO_STRING | NEWEL_IO_4BYTES | NEWEL_IO_DOWN, 5);
    string("rep-insb", NEWEL_IO_REPEAT | NEWEL_IO_IN, 9);
    string("rep-insw", NEWEL_IO_REPEAT | NEWEL_IO_IN | NEWEL_IO_2BYTES, 9);
    string("rep-insw-down", NEWEL_IO_REPEAT | NEWEL_IO_IN | NEWEL_IO_2BYTES | NEWEL_IO_DOWN, 9);
    string("rep-insl", NEWEL_IO_REPEAT | NEWEL_IO_IN | NEWEL_IO_4BYTES, 7);
    string("rep-outsb", NEWEL_IO_REPEAT, 32);
    string("rep-outsw-down", NEWEL_IO_REPEAT | NEWEL_IO_2BYTES | NEWEL_IO_DOWN, 8);
    string("rep-insb-none", NEWEL_IO_REPEAT | NEWEL_IO_IN, 0);
    string("rep-outsl-none", NEWEL_IO_REPEAT | NEWEL_IO_4BYTES, 0);
}

#ifdef __aarch64__
TEST(probe)
{
    mmu_on();
    EXPECT_EQ(newel_backdoor_version(), 6);
    commands();
    registers();
    strings();
}
#else
void probe(void)
{
    commands();
    registers();
    strings();
    print("PROBE end\n");
}
#endif
