// SPDX-License-Identifier: Apache-2.0
// System registers, barriers and plain device accesses of a payload at EL1.
#pragma once

#include <stdint.h>

#define read_sysreg(reg)                                                 \
    ({                                                                   \
        uint64_t read_value_;                                            \
        __asm__ volatile("mrs %0, " #reg : "=r"(read_value_)::"memory"); \
        read_value_;                                                     \
    })

#define write_sysreg(reg, value)                                              \
    do {                                                                      \
        uint64_t value_ = (value);                                            \
        __asm__ volatile("msr " #reg ", %0\n\tisb" ::"r"(value_) : "memory"); \
    } while (0)

#define isb()         __asm__ volatile("isb" ::: "memory")
#define dsb()         __asm__ volatile("dsb sy" ::: "memory")
#define wfi()         __asm__ volatile("wfi" ::: "memory")
#define irq_enable()  __asm__ volatile("msr daifclr, #2" ::: "memory")
#define irq_disable() __asm__ volatile("msr daifset, #2" ::: "memory")
#define cpu_relax()   __asm__ volatile("yield" ::: "memory")

/* One plain LDR/STR each, so that a hypervisor gets a syndrome (ISV) with the abort. */
static inline uint8_t mmio_read8(uint64_t addr)
{
    uint32_t value;

    __asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
    return (uint8_t)value;
}

static inline uint16_t mmio_read16(uint64_t addr)
{
    uint32_t value;

    __asm__ volatile("ldrh %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
    return (uint16_t)value;
}

static inline uint32_t mmio_read32(uint64_t addr)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
    return value;
}

static inline uint64_t mmio_read64(uint64_t addr)
{
    uint64_t value;

    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(addr) : "memory");
    return value;
}

static inline void mmio_write8(uint64_t addr, uint8_t value)
{
    __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}

static inline void mmio_write16(uint64_t addr, uint16_t value)
{
    __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}

static inline void mmio_write32(uint64_t addr, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}

static inline void mmio_write64(uint64_t addr, uint64_t value)
{
    __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(addr) : "memory");
}
