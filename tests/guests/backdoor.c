// SPDX-License-Identifier: Apache-2.0
// x86's I/O instructions and VMware's backdoor as a guest calls them (docs/guest-abi.md).
#include "lib/mmu.h"
#include "lib/test.h"

#define MAGIC 0x564d5868u
#define PORT  0x5658u

/* X0 to X7, in and out. */
struct call {
    uint64_t x[8];
};

static void mrs_call(uint64_t at)
{
    struct call *c = (struct call *)at;
    register uint64_t x0 __asm__("x0") = c->x[0];
    register uint64_t x1 __asm__("x1") = c->x[1];
    register uint64_t x2 __asm__("x2") = c->x[2];
    register uint64_t x3 __asm__("x3") = c->x[3];
    register uint64_t x4 __asm__("x4") = c->x[4];
    register uint64_t x5 __asm__("x5") = c->x[5];
    register uint64_t x6 __asm__("x6") = c->x[6];
    register uint64_t x7 __asm__("x7") = c->x[7] | 0x86ul << 32;

    __asm__ volatile("mrs xzr, mdccsr_el0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6),
                       "+r"(x7)::"memory");
    *c = (struct call){{x0, x1, x2, x3, x4, x5, x6, x7}};
}

USER_DATA static struct call user_call;

TEST(version)
{
    const struct call probe = {{MAGIC, ~MAGIC, 10, PORT, 0, 0, 0, 0xe}};
    struct call c = probe;
    struct exc_info info;

    mmu_on();
    mrs_call((uint64_t)&c);
    EXPECT_EQ(c.x[0], 6);
    EXPECT_EQ(c.x[1], MAGIC);
    EXPECT_EQ(c.x[2], 2);
    user_call = probe;
    EXPECT(!el0_exception(&info, mrs_call, (uint64_t)&user_call));
    EXPECT_EQ(user_call.x[0], 6);
    EXPECT_EQ(user_call.x[1], MAGIC);
}
