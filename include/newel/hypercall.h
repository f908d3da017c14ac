// SPDX-License-Identifier: Apache-2.0
// Calls of the hypervisor by a guest: VMware's backdoor, and x86's I/O instructions in general.
// One source for x86-64, which has them, and for arm64, where Newel executes them for a VM whose
// manifest says guest-tools = "vmware" (docs/guest-abi.md). C99 or C++, GCC or Clang; needs no
// library.
//
// On arm64 a call is a read of a debug register, which any level may make and which is harmless
// where no hypervisor listens: the registers stay as they were. With NEWEL_CALL_BY_HVC defined
// it is HVC #0x86 (EL1 alone; there has to be a hypervisor), with NEWEL_CALL_BY_BRK, BRK #0x86.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// RAX to RBP; on arm64 X0 to X6.
struct newel_regs {
    uint64_t ax, bx, cx, dx, si, di, bp;
};

// An instruction, as W7 names it: newel_io()'s first argument, a constant.
#define NEWEL_IO_1BYTE   0x00u
#define NEWEL_IO_2BYTES  0x01u
#define NEWEL_IO_4BYTES  0x02u
#define NEWEL_IO_IN      0x04u // from the port; else to it
#define NEWEL_IO_DX      0x08u // the port is in DX
#define NEWEL_IO_STRING  0x10u // INS to [DI], OUTS from [SI]; the port is in DX
#define NEWEL_IO_REPEAT  0x18u // the same CX times
#define NEWEL_IO_DOWN    0x20u // with STRING or REPEAT: addresses descend
#define NEWEL_IO_PORT(n) ((uint32_t)(uint8_t)(n) << 5) // else this port

// VMware's interface (open-vm-tools, backdoor_def.h)
#define NEWEL_BACKDOOR_MAGIC     0x564d5868u
#define NEWEL_BACKDOOR_PORT      0x5658u // commands: IN EAX, DX
#define NEWEL_BACKDOOR_HIGH_PORT 0x5659u // whole messages: REP OUTSB, REP INSB
#define NEWEL_BACKDOOR_REFUSED   0xffffffffu

#define NEWEL_BACKDOOR_GETMHZ        1u
#define NEWEL_BACKDOOR_GETVERSION    10u
#define NEWEL_BACKDOOR_GETHWVERSION  17u
#define NEWEL_BACKDOOR_GETUUID       19u
#define NEWEL_BACKDOOR_GETMEMSIZE    20u // MiB
#define NEWEL_BACKDOOR_GETTIME       23u
#define NEWEL_BACKDOOR_MESSAGE       30u
#define NEWEL_BACKDOOR_GETHZ         45u
#define NEWEL_BACKDOOR_GETTIMEFULL   46u
#define NEWEL_BACKDOOR_GET_VCPU_INFO 68u

#if defined(__aarch64__)

#if defined(NEWEL_CALL_BY_HVC)
#define NEWEL_CALL_ "hvc #0x86"
#elif defined(NEWEL_CALL_BY_BRK)
#define NEWEL_CALL_ "brk #0x86"
#else
#define NEWEL_CALL_ "mrs xzr, mdccsr_el0"
#endif

static inline void newel_io(uint32_t insn, struct newel_regs *r)
{
    register uint64_t x0 __asm__("x0") = r->ax;
    register uint64_t x1 __asm__("x1") = r->bx;
    register uint64_t x2 __asm__("x2") = r->cx;
    register uint64_t x3 __asm__("x3") = r->dx;
    register uint64_t x4 __asm__("x4") = r->si;
    register uint64_t x5 __asm__("x5") = r->di;
    register uint64_t x6 __asm__("x6") = r->bp;
    register uint64_t x7 __asm__("x7") = UINT64_C(0x86) << 32 | insn;

    __asm__ volatile(NEWEL_CALL_
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6)
                     : "r"(x7)
                     : "memory");
    r->ax = x0;
    r->bx = x1;
    r->cx = x2;
    r->dx = x3;
    r->si = x4;
    r->di = x5;
    r->bp = x6;
}

#elif defined(__x86_64__)

// RBP may be the frame pointer, so it goes by way of R8; the 128 bytes below the stack pointer may
// be in use.
#define NEWEL_INSN_(text)                                                               \
    __asm__ volatile("lea -128(%%rsp), %%rsp; push %%rbp; mov %[bp], %%rbp; " text      \
                     "; mov %%rbp, %[bp]; pop %%rbp; lea 128(%%rsp), %%rsp"             \
                     : "+a"(r->ax), "+b"(r->bx), "+c"(r->cx), "+d"(r->dx), "+S"(r->si), \
                       "+D"(r->di), [bp] "+r"(bp)                                       \
                     :                                                                  \
                     : "memory")
#define NEWEL_SIZED_(size, b, w, l)             \
    do {                                        \
        if ((size) == NEWEL_IO_1BYTE) {         \
            NEWEL_INSN_(b);                     \
        } else if ((size) == NEWEL_IO_2BYTES) { \
            NEWEL_INSN_(w);                     \
        } else {                                \
            NEWEL_INSN_(l);                     \
        }                                       \
    } while (0)
#define NEWEL_STRING_(size, prefix, name) \
    NEWEL_SIZED_(size, prefix name "b; cld", prefix name "w; cld", prefix name "l; cld")

static inline void newel_io(uint32_t insn, struct newel_regs *r)
{
    register uint64_t bp __asm__("r8") = r->bp;
    uint32_t size = insn & 3u, form = insn & (NEWEL_IO_REPEAT | NEWEL_IO_IN | NEWEL_IO_DOWN);

    if (!(insn & NEWEL_IO_STRING)) { // an immediate port is one in DX, too
        uint64_t dx = r->dx;
        r->dx = insn & NEWEL_IO_DX ? dx : insn >> 5 & 0xffu;
        if (insn & NEWEL_IO_IN) {
            NEWEL_SIZED_(size, "inb %%dx, %%al", "inw %%dx, %%ax", "inl %%dx, %%eax");
        } else {
            NEWEL_SIZED_(size, "outb %%al, %%dx", "outw %%ax, %%dx", "outl %%eax, %%dx");
        }
        r->dx = insn & NEWEL_IO_DX ? r->dx : dx;
    } else if (form == (NEWEL_IO_REPEAT | NEWEL_IO_IN)) {
        NEWEL_STRING_(size, "cld; rep ", "ins");
    } else if (form == NEWEL_IO_REPEAT) {
        NEWEL_STRING_(size, "cld; rep ", "outs");
    } else if (form == (NEWEL_IO_REPEAT | NEWEL_IO_IN | NEWEL_IO_DOWN)) {
        NEWEL_STRING_(size, "std; rep ", "ins");
    } else if (form == (NEWEL_IO_REPEAT | NEWEL_IO_DOWN)) {
        NEWEL_STRING_(size, "std; rep ", "outs");
    } else if (form == (NEWEL_IO_STRING | NEWEL_IO_IN)) {
        NEWEL_STRING_(size, "cld; ", "ins");
    } else if (form == NEWEL_IO_STRING) {
        NEWEL_STRING_(size, "cld; ", "outs");
    } else if (form == (NEWEL_IO_STRING | NEWEL_IO_IN | NEWEL_IO_DOWN)) {
        NEWEL_STRING_(size, "std; ", "ins");
    } else {
        NEWEL_STRING_(size, "std; ", "outs");
    }
    r->bp = bp;
}

#else
#error "newel/hypercall.h knows x86-64 and arm64"
#endif

// ---- ports; what is read where nobody answers is all ones ----

static inline uint64_t newel_in_(uint32_t size, uint16_t port)
{
    struct newel_regs r = {0, 0, 0, port, 0, 0, 0};

    newel_io(NEWEL_IO_DX | NEWEL_IO_IN | size, &r);
    return r.ax;
}

static inline void newel_out_(uint32_t size, uint16_t port, uint32_t value)
{
    struct newel_regs r = {value, 0, 0, port, 0, 0, 0};

    newel_io(NEWEL_IO_DX | size, &r);
}

static inline uint8_t newel_in8(uint16_t port)
{
    return (uint8_t)newel_in_(NEWEL_IO_1BYTE, port);
}

static inline uint16_t newel_in16(uint16_t port)
{
    return (uint16_t)newel_in_(NEWEL_IO_2BYTES, port);
}

static inline uint32_t newel_in32(uint16_t port)
{
    return (uint32_t)newel_in_(NEWEL_IO_4BYTES, port);
}

static inline void newel_out8(uint16_t port, uint8_t value)
{
    newel_out_(NEWEL_IO_1BYTE, port, value);
}

static inline void newel_out16(uint16_t port, uint16_t value)
{
    newel_out_(NEWEL_IO_2BYTES, port, value);
}

static inline void newel_out32(uint16_t port, uint32_t value)
{
    newel_out_(NEWEL_IO_4BYTES, port, value);
}

// ---- the backdoor ----

// One command; cx holds it, and what else it wants in the other registers. ax: its answer, or
// NEWEL_BACKDOOR_REFUSED.
static inline void newel_backdoor(struct newel_regs *r)
{
    r->ax = NEWEL_BACKDOOR_MAGIC;
    r->dx = (r->dx & ~UINT64_C(0xffff)) | NEWEL_BACKDOOR_PORT;
    newel_io(NEWEL_IO_DX | NEWEL_IO_IN | NEWEL_IO_4BYTES, r);
}

// A message of a channel that is open: bx, dx[31:16] and the cookie's two registers are the
// caller's, cx and the memory's register are set here. True if the host took it, or gave it.
static inline bool newel_backdoor_send(struct newel_regs *r, const void *message, size_t size)
{
    r->ax = NEWEL_BACKDOOR_MAGIC;
    r->bx = 0x10000;
    r->cx = size;
    r->dx = (r->dx & ~UINT64_C(0xffff)) | NEWEL_BACKDOOR_HIGH_PORT;
    r->si = (uint64_t)(uintptr_t)message;
    newel_io(NEWEL_IO_REPEAT, r);
    return (r->bx & 0x10000) != 0;
}

static inline bool newel_backdoor_receive(struct newel_regs *r, void *message, size_t size)
{
    r->ax = NEWEL_BACKDOOR_MAGIC;
    r->bx = 0x10000;
    r->cx = size;
    r->dx = (r->dx & ~UINT64_C(0xffff)) | NEWEL_BACKDOOR_HIGH_PORT;
    r->di = (uint64_t)(uintptr_t)message;
    newel_io(NEWEL_IO_REPEAT | NEWEL_IO_IN, r);
    return (r->bx & 0x10000) != 0;
}

// The interface's version, 6, or 0 where no such hypervisor answers. A program that does not know
// where it runs has to expect SIGILL or SIGSEGV.
static inline uint32_t newel_backdoor_version(void)
{
    struct newel_regs r = {0, ~NEWEL_BACKDOOR_MAGIC, NEWEL_BACKDOOR_GETVERSION, 0, 0, 0, 0};

    newel_backdoor(&r);
    return (uint32_t)r.bx == NEWEL_BACKDOOR_MAGIC ? (uint32_t)r.ax : 0;
}
