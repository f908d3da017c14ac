// SPDX-License-Identifier: Apache-2.0
// Every form of load and store to an emulated device, those without a syndrome too, and accesses to
// nothing.
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/test.h"

#define PERIPHID        0xfe0 /* PL011: 11 10 14 00 0d f0 05 b1, a byte in each word */
#define IBRD            0x24  /* 16 bits, then FBRD, 6 bits, in the next word */
#define NOTHING         0x0f000000ul
#define SPI             64
#define FSC_SEA         0x10
#define FSC_ALIGN       0x21
#define FSC_UNSUPPORTED 0x35

#define LOAD(insn, addr)                                                \
    ({                                                                  \
        uint64_t loaded_ = 0x5a5a5a5a5a5a5a5a;                          \
        __asm__ volatile(insn : "+&r"(loaded_) : "r"(addr) : "memory"); \
        loaded_;                                                        \
    })

static uint64_t id(unsigned n)
{
    return machine.uart + PERIPHID + n * 4;
}

static uint64_t router(unsigned n)
{
    return machine.gicd + GICD_IROUTER + (SPI + n) * 8ul;
}

static void unprivileged_at(uint64_t addr)
{
    LOAD("ldtr %w0, [%1]", addr);
}

TEST(setup)
{
    mmu_on();
    gic_init();
}

TEST(zero_extending_loads)
{
    EXPECT_EQ(LOAD("ldrb %w0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldrh %w0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldr %w0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldur %w0, [%1, #-4]", id(7)), 0x05);
}

TEST(unprivileged)
{
    struct exc_info info;

    mmu_map_page(machine.uart, machine.uart, PTE_DEVICE | PTE_USER);
    EXPECT_EQ(LOAD("ldtr %w0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldtrsb %0, [%1]", id(7)), 0xffffffffffffffb1);
    mmu_map_page(machine.uart, machine.uart, PTE_DEVICE);
    EXPECT(expect_exception(&info, unprivileged_at, id(7)));
    EXPECT_EQ(ESR_FSC(info.esr), 0x0f); /* permission, level 3 */
}

TEST(sign_extending_loads)
{
    EXPECT_EQ(LOAD("ldrsb %w0, [%1]", id(7)), 0xffffffb1);
    EXPECT_EQ(LOAD("ldrsb %0, [%1]", id(7)), 0xffffffffffffffb1);
    EXPECT_EQ(LOAD("ldrsh %w0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldrsh %0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldrsw %0, [%1]", id(7)), 0xb1);
    mmio_write64(router(0), 1ul << 31);
    EXPECT_EQ(LOAD("ldrsw %0, [%1]", router(0)), 0xffffffff80000000);
    mmio_write64(router(0), 0);
}

TEST(doubleword)
{
    mmio_write64(router(0), 1ul << 31);
    EXPECT_EQ(LOAD("ldr %0, [%1]", router(0)), 1ul << 31);
    mmio_write64(router(0), 0);
    EXPECT_EQ(LOAD("ldr %0, [%1]", router(0)), 0);
}

TEST(byte_of_a_word)
{
    uint64_t word = machine.gicd + GICD_IPRIORITYR + SPI;

    mmio_write32(word, 0x80604020);
    EXPECT_EQ(LOAD("ldrb %w0, [%1, #3]", word), 0x80);
    __asm__ volatile("strb %w0, [%1, #1]" ::"r"(0xc8), "r"(word) : "memory");
    EXPECT_EQ(mmio_read32(word), 0x8060c820);
    EXPECT_EQ(LOAD("ldrsb %0, [%1, #1]", word), 0xffffffffffffffc8);
}

TEST(zero_register)
{
    mmio_write64(router(0), 1);
    __asm__ volatile("ldr wzr, [%0]\n\tstr xzr, [%0]" ::"r"(router(0)) : "memory");
    EXPECT_EQ(mmio_read64(router(0)), 0);
}

/* Register 31 as a base is the stack pointer, as a target it is zero; the pair must not mix them
 * up. */
TEST(every_target_register)
{
    uint64_t bad = 0;

#define TRY(n)                                            \
    __asm__ volatile("ldr w" #n ", [%1]\n\tmov %w0, w" #n \
                     : "=&r"(bad)                         \
                     : "r"(id(7))                         \
                     : "x" #n, "memory");                 \
    EXPECT_EQ(bad, 0xb1)
    TRY(2);
    TRY(7);
    TRY(8);
    TRY(15);
    TRY(16);
    TRY(17);
    TRY(18);
    TRY(20);
    TRY(28);
    TRY(30);
#undef TRY
}

TEST(register_offset)
{
    uint64_t got;

    __asm__ volatile("ldr %w0, [%1, %2]" : "=r"(got) : "r"(id(0)), "r"(28ul) : "memory");
    EXPECT_EQ(got, 0xb1);
    __asm__ volatile("ldr %w0, [%1, %w2, uxtw #2]" : "=r"(got) : "r"(id(0)), "r"(7) : "memory");
    EXPECT_EQ(got, 0xb1);
    __asm__ volatile("ldr %w0, [%1, %w2, sxtw #2]" : "=r"(got) : "r"(id(7)), "r"(-2) : "memory");
    EXPECT_EQ(got, 0xf0);
}

TEST(acquire_and_release)
{
    EXPECT_EQ(LOAD("ldar %w0, [%1]", id(7)), 0xb1);
    EXPECT_EQ(LOAD("ldarb %w0, [%1]", id(7)), 0xb1);
    __asm__ volatile("stlr %0, [%1]" ::"r"(1ul), "r"(router(0)) : "memory");
    EXPECT_EQ(LOAD("ldar %0, [%1]", router(0)), 1);
    mmio_write64(router(0), 0);
}

/* From here on the CPU gives no syndrome: the instruction itself must be read. */

TEST(write_back_loads)
{
    uint64_t base = id(6);
    uint64_t got;

    __asm__ volatile("ldr %w0, [%1], #4" : "=&r"(got), "+r"(base)::"memory");
    EXPECT_EQ(got, 0x05);
    EXPECT_EQ(base, id(7));
    __asm__ volatile("ldr %w0, [%1, #-8]!" : "=&r"(got), "+r"(base)::"memory");
    EXPECT_EQ(got, 0xf0);
    EXPECT_EQ(base, id(5));
    __asm__ volatile("ldrsb %0, [%1, #8]!" : "=&r"(got), "+r"(base)::"memory");
    EXPECT_EQ(got, 0xffffffffffffffb1);
    EXPECT_EQ(base, id(7));
    __asm__ volatile("ldrh %w0, [%1], #-28" : "=&r"(got), "+r"(base)::"memory");
    EXPECT_EQ(got, 0xb1);
    EXPECT_EQ(base, id(0));
}

TEST(write_back_stores)
{
    uint64_t base = machine.uart + IBRD;

    __asm__ volatile("str %w1, [%0], #4" : "+r"(base) : "r"(0x1234) : "memory");
    EXPECT_EQ(base, machine.uart + IBRD + 4);
    EXPECT_EQ(mmio_read32(machine.uart + IBRD), 0x1234);
    __asm__ volatile("strh %w1, [%0, #-4]!" : "+r"(base) : "r"(0x4321) : "memory");
    EXPECT_EQ(base, machine.uart + IBRD);
    EXPECT_EQ(mmio_read32(machine.uart + IBRD), 0x4321);
}

TEST(write_back_through_the_stack_pointer)
{
    uint64_t got, after;

    __asm__ volatile("mov x9, sp\n\tmov sp, %2\n\tldr %w0, [sp], #16\n\tmov %1, sp\n\tmov sp, x9"
                     : "=&r"(got), "=&r"(after)
                     : "r"(id(0))
                     : "x9", "memory");
    EXPECT_EQ(got, 0x11);
    EXPECT_EQ(after, id(4));
}

TEST(pair_loads)
{
    uint64_t a, b, base = id(6);

    __asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(id(6)) : "memory");
    EXPECT_EQ(a, 0x05);
    EXPECT_EQ(b, 0xb1);
    __asm__ volatile("ldp %w0, %w1, [%2], #-24" : "=&r"(a), "=&r"(b), "+r"(base)::"memory");
    EXPECT_EQ(a, 0x05);
    EXPECT_EQ(b, 0xb1);
    EXPECT_EQ(base, id(0));
    __asm__ volatile("ldp %w0, %w1, [%2, #8]!" : "=&r"(a), "=&r"(b), "+r"(base)::"memory");
    EXPECT_EQ(a, 0x14);
    EXPECT_EQ(b, 0x00);
    EXPECT_EQ(base, id(2));
    mmio_write64(router(0), 1ul << 31);
    mmio_write64(router(1), 1);
    __asm__ volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(router(0)) : "memory");
    EXPECT_EQ(a, 1ul << 31);
    EXPECT_EQ(b, 1);
    __asm__ volatile("ldpsw %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(id(6)) : "memory");
    EXPECT_EQ(a, 0x05);
    EXPECT_EQ(b, 0xb1);
    __asm__ volatile("ldnp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(id(4)) : "memory");
    EXPECT_EQ(a, 0x0d);
    EXPECT_EQ(b, 0xf0);
}

TEST(pair_stores)
{
    uint64_t base = machine.uart + IBRD;

    __asm__ volatile("stp %w1, %w2, [%0], #8" : "+r"(base) : "r"(0x77), "r"(0x15) : "memory");
    EXPECT_EQ(base, machine.uart + IBRD + 8);
    EXPECT_EQ(mmio_read32(machine.uart + IBRD), 0x77);
    EXPECT_EQ(mmio_read32(machine.uart + IBRD + 4), 0x15);
    __asm__ volatile("stp %0, %1, [%2]" ::"r"(1ul), "r"(1ul << 31), "r"(router(0)) : "memory");
    EXPECT_EQ(mmio_read64(router(0)), 1);
    EXPECT_EQ(mmio_read64(router(1)), 1ul << 31);
    __asm__ volatile("stp xzr, xzr, [%0]" ::"r"(router(0)) : "memory");
    EXPECT_EQ(mmio_read64(router(0)), 0);
    EXPECT_EQ(mmio_read64(router(1)), 0);
}

/* mmio_asm.S, since this file is compiled without SIMD. */
uint64_t simd_load_s(uint64_t addr, uint64_t out[2]);
uint64_t simd_load_d(uint64_t addr, uint64_t out[2]);
uint64_t simd_load_q(uint64_t addr, uint64_t out[2]);
uint64_t simd_load_b_post(uint64_t addr, uint64_t out[2]);
uint64_t simd_load_pair_s(uint64_t addr, uint64_t out[2]);
uint64_t simd_load_pair_d(uint64_t addr, uint64_t out[2]);
uint64_t simd_load_ld1(uint64_t addr, uint64_t out[2]);
void simd_store_d(uint64_t addr, uint64_t value);
void simd_store_q(uint64_t addr, uint64_t low, uint64_t high);
void simd_store_pair_s(uint64_t addr, uint64_t first, uint64_t second);

TEST(simd_loads)
{
    uint64_t out[2];

    simd_load_s(id(7), out);
    EXPECT_EQ(out[0], 0xb1);
    EXPECT_EQ(out[1], 0); /* the rest of the register is cleared */
    EXPECT_EQ(simd_load_b_post(id(7), out), id(7) + 4);
    EXPECT_EQ(out[0], 0xb1);
    mmio_write64(router(0), 1ul << 31);
    mmio_write64(router(1), 1);
    simd_load_d(router(0), out);
    EXPECT_EQ(out[0], 1ul << 31);
    EXPECT_EQ(out[1], 0);
    simd_load_q(router(0), out);
    EXPECT_EQ(out[0], 1ul << 31);
    EXPECT_EQ(out[1], 1);
    simd_load_pair_s(id(6), out);
    EXPECT_EQ(out[0], 0x05);
    EXPECT_EQ(out[1], 0xb1);
    simd_load_pair_d(router(0), out);
    EXPECT_EQ(out[0], 1ul << 31);
    EXPECT_EQ(out[1], 1);
}

TEST(simd_stores)
{
    simd_store_d(router(0), 1ul << 31);
    EXPECT_EQ(mmio_read64(router(0)), 1ul << 31);
    simd_store_q(router(0), 1, 1ul << 31);
    EXPECT_EQ(mmio_read64(router(0)), 1);
    EXPECT_EQ(mmio_read64(router(1)), 1ul << 31);
    simd_store_pair_s(machine.uart + IBRD, 0x88, 0x16);
    EXPECT_EQ(mmio_read32(machine.uart + IBRD), 0x88);
    EXPECT_EQ(mmio_read32(machine.uart + IBRD + 4), 0x16);
    mmio_write64(router(0), 0);
    mmio_write64(router(1), 0);
}

TEST(simd_structure_load)
{
    uint64_t out[2];

    mmio_write64(router(0), 1);
    mmio_write64(router(1), 1ul << 31);
    simd_load_ld1(router(0), out);
    EXPECT_EQ(out[0], 1);
    EXPECT_EQ(out[1], 1ul << 31);
    mmio_write64(router(0), 0);
    mmio_write64(router(1), 0);
}

TEST(prefetch_does_nothing)
{
    __asm__ volatile("prfm pldl1keep, [%0]" ::"r"(id(0)));
    __asm__ volatile("prfm pldl1keep, [%0]" ::"r"(NOTHING));
}

static void read_at(uint64_t addr)
{
    mmio_read32(addr);
}

static void write_at(uint64_t addr)
{
    mmio_write32(addr, 0);
}

static void pair_at(uint64_t addr)
{
    uint64_t a, b;

    __asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(addr) : "memory");
}

static void exclusive_at(uint64_t addr)
{
    LOAD("ldxr %w0, [%1]", addr);
}

static void atomic_at(uint64_t addr)
{
    __asm__ volatile(".arch_extension lse\n\tldadd wzr, wzr, [%0]" ::"r"(addr) : "memory");
}

static void call_at(uint64_t addr)
{
    ((void (*)(void))addr)();
}

static void check_abort(exc_fn fn, uint64_t addr, unsigned ec, unsigned fsc, bool write)
{
    struct exc_info info;

    EXPECT(expect_exception(&info, fn, addr));
    EXPECT_EQ(ESR_EC(info.esr), ec);
    EXPECT_EQ(ESR_FSC(info.esr), fsc);
    EXPECT_EQ(info.far, addr);
    EXPECT_EQ(ESR_WNR(info.esr), write);
    EXPECT_EQ(info.esr >> 25 & 1, 1); /* IL */
    EXPECT_EQ(info.esr >> 10 & 1, 0); /* FnV: the address is there */
    EXPECT_EQ(info.spsr & 0xf, 5);
}

static void maintain_at(uint64_t addr)
{
    __asm__ volatile("dc civac, %0\n\tdc cvac, %0\n\tdc cvau, %0\n\tdc ivac, %0\n\t"
                     "ic ivau, %0\n\tdsb sy" ::"r"(addr)
                     : "memory");
}

static void persist_at(uint64_t addr)
{
    __asm__ volatile("sys #3, c7, c12, #1, %0" ::"r"(addr) : "memory");
}

static void persist_deeply_at(uint64_t addr)
{
    __asm__ volatile("sys #3, c7, c13, #1, %0" ::"r"(addr) : "memory");
}

TEST(nothing_there_read)
{
    check_abort(read_at, NOTHING + 0x128, EC_DABT_CUR, FSC_SEA, false);
}

TEST(nothing_there_write)
{
    check_abort(write_at, NOTHING + 0x12c, EC_DABT_CUR, FSC_SEA, true);
}

TEST(nothing_there_pair)
{
    check_abort(pair_at, NOTHING + 0x130, EC_DABT_CUR, FSC_SEA, false);
}

TEST(nothing_there_fetch)
{
    mmu_map_page(NOTHING, NOTHING, PTE_NORMAL);
    check_abort(call_at, NOTHING, EC_IABT_CUR, FSC_SEA, false);
    mmu_map_page(NOTHING, NOTHING, PTE_DEVICE);
}

TEST(nothing_there_beyond_ram)
{
    check_abort(read_at, machine.ram_base + machine.ram_size, EC_DABT_CUR, FSC_SEA, false);
    check_abort(write_at, machine.ram_base + machine.ram_size + 0x1000, EC_DABT_CUR, FSC_SEA, true);
}

TEST(nothing_there_with_mmu_off)
{
    mmu_off();
    check_abort(read_at, NOTHING + 8, EC_DABT_CUR, FSC_SEA, false);
    check_abort(write_at, NOTHING + 12, EC_DABT_CUR, FSC_SEA, true);
    mmu_on();
}

TEST(nothing_there_at_el0)
{
    struct exc_info info;

    mmu_map_page(NOTHING, NOTHING, PTE_DEVICE | PTE_USER);
    EXPECT(el0_exception(&info, read_at, NOTHING + 16));
    EXPECT_EQ(ESR_EC(info.esr), EC_DABT_LOW);
    EXPECT_EQ(ESR_FSC(info.esr), FSC_SEA);
    EXPECT_EQ(info.far, NOTHING + 16);
    EXPECT_EQ(info.spsr & 0xf, 0);
    mmu_map_page(NOTHING, NOTHING, PTE_DEVICE);
}

static uint64_t el0_value USER_DATA;

static void el0_device_read(uint64_t addr)
{
    uint64_t a, b;

    __asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(addr) : "memory");
    *(volatile uint64_t *)&el0_value = a << 32 | b;
}

TEST(device_at_el0)
{
    struct exc_info info;

    mmu_map_page(machine.uart, machine.uart, PTE_DEVICE | PTE_USER);
    EXPECT(!el0_exception(&info, el0_device_read, id(6)));
    EXPECT_EQ(el0_value, 0x05000000b1);
    mmu_map_page(machine.uart, machine.uart, PTE_DEVICE);
}

TEST(device_with_mmu_off)
{
    uint64_t a, b;

    mmu_off();
    EXPECT_EQ(LOAD("ldr %w0, [%1]", id(7)), 0xb1);
    __asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(id(6)) : "memory");
    mmu_on();
    EXPECT_EQ(a, 0x05);
    EXPECT_EQ(b, 0xb1);
}

TEST(unaligned_device_access)
{
    struct exc_info info;

    SKIP_UNLESS(expect_exception(&info, read_at, id(0) + 2), "QEMU with one CPU does not check");
    check_abort(read_at, id(0) + 2, EC_DABT_CUR, FSC_ALIGN, false);
}

TEST(exclusive_to_a_device)
{
    SKIP_UNLESS(strict(), "bare QEMU lets an exclusive load of a device pass");
    check_abort(exclusive_at, id(0), EC_DABT_CUR, FSC_UNSUPPORTED, false);
}

TEST(atomic_to_a_device)
{
    struct exc_info info;

    SKIP_UNLESS(strict(), "bare QEMU lets an atomic to a device pass");
    SKIP_UNLESS(read_sysreg(id_aa64isar0_el1) >> 20 & 0xf, "no atomics in this CPU");
    EXPECT(expect_exception(&info, atomic_at, machine.uart + IBRD));
    EXPECT_EQ(ESR_EC(info.esr), EC_DABT_CUR);
    EXPECT_EQ(ESR_FSC(info.esr), FSC_UNSUPPORTED);
}

/* An access through another name of the device's page: the fault tells of the virtual address. */
TEST(another_virtual_address)
{
    uint64_t alias = 0x2000000000;
    struct exc_info info;

    mmu_map_page(alias, machine.uart, PTE_DEVICE);
    EXPECT_EQ(LOAD("ldr %w0, [%1]", alias + PERIPHID + 28), 0xb1);
    mmu_map_page(alias, NOTHING, PTE_DEVICE);
    EXPECT(expect_exception(&info, read_at, alias + 0x44));
    EXPECT_EQ(info.far, alias + 0x44);
    EXPECT_EQ(ESR_FSC(info.esr), FSC_SEA);
    mmu_unmap_page(alias);
    EXPECT(expect_exception(&info, read_at, alias + 0x44));
    EXPECT_EQ(ESR_FSC(info.esr), 0x07);
}

/* By address: to a device and to nothing it does nothing. DC CVAP and CVADP tell of themselves by
 * their encoding alone on some CPUs. */
TEST(cache_maintenance)
{
    uint64_t places[] = {machine.uart, NOTHING, 0x04000000};
    struct exc_info info;

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        EXPECT(!expect_exception(&info, maintain_at, places[i]));
        if ((read_sysreg(id_aa64isar1_el1) & 15) >= 1) {
            EXPECT(!expect_exception(&info, persist_at, places[i]));
        }
        if ((read_sysreg(id_aa64isar1_el1) & 15) >= 2) {
            EXPECT(!expect_exception(&info, persist_deeply_at, places[i]));
        }
    }
}

/* The flash is blank and stays so. */
TEST(blank_flash)
{
    uint64_t at[] = {0, 0x03fffff8, 0x04000000, 0x07fffff8};

    SKIP_UNLESS(strict(), "bare QEMU's flash holds what it was given");
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        mmu_map_page(at[i] & ~0xffful, at[i] & ~0xffful, PTE_DEVICE);
        EXPECT_EQ(LOAD("ldr %0, [%1]", at[i]), UINT64_MAX);
        write_at(at[i]);
        EXPECT_EQ(LOAD("ldrb %w0, [%1]", at[i]), 0xff);
        EXPECT_EQ(LOAD("ldrsw %0, [%1]", at[i]), UINT64_MAX);
    }
}
