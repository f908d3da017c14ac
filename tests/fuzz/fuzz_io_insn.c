// SPDX-License-Identifier: Apache-2.0
// Any W7 with any registers, on a memory of four pages with rights of their own: the engine does
// what the plainest description of x86's instructions does, byte by byte, and stops at the same
// fault with the same progress.
#include "call/io_insn.h"
#include "lib/addr.h"
#include "lib/check.h"
#include "require.h"

#include <stdlib.h>
#include <string.h>

#define PAGES  4
#define MEMORY (PAGES * PAGE_SIZE)
#define BASE   UINT64_C(0x7ffffffff000) // of the memory
#define DEVICE 0x1230
#define ROUNDS 64 // times that an instruction may be executed again

enum { READABLE = 1, WRITABLE = 2 };

struct input {
    uint32_t w7;
    uint8_t rights; // two bits a page
    uint8_t device; // is the port's?
    uint16_t offset;
    uint16_t count;
    uint64_t x[IO_REGS];
} __attribute__((packed));

// The memory and the device, once for the engine and once for the model.
struct world {
    struct port_memory face;
    uint8_t bytes[MEMORY];
    uint8_t rights;
    uint32_t reads, writes, sum;
    uint64_t fault;
};

static struct world real, model;

void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

static uint32_t device_read(struct world *w)
{
    return ++w->reads * 0x01030507u;
}

static void device_write(struct world *w, unsigned size, uint32_t value)
{
    w->writes++;
    w->sum = w->sum * 31 + value + size;
}

static uint32_t port_in(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size)
{
    (void)v, (void)port, (void)size;
    return device_read(d->state);
}

static void port_out(struct port_device *d, struct vcpu *v, uint16_t port, unsigned size,
                     uint32_t value)
{
    (void)v, (void)port;
    REQUIRE(size == 4 || value >> 8 * size == 0);
    device_write(d->state, size, value);
}

static bool allowed(const struct world *w, uint64_t va, unsigned right)
{
    uint64_t at = va - BASE;
    return at < MEMORY && (w->rights >> 2 * (at / PAGE_SIZE) & right) != 0;
}

static enum port_end access(struct world *w, uint64_t va, size_t size, unsigned right)
{
    REQUIRE(size >= 1 && size <= 4 && va / PAGE_SIZE == (va + size - 1) / PAGE_SIZE);
    w->fault = va;
    return allowed(w, va, right) ? PORT_DONE : PORT_FAULT;
}

static enum port_end memory_read(struct port_memory *m, uint64_t va, void *to, size_t size)
{
    struct world *w = (struct world *)m;
    enum port_end end = access(w, va, size, READABLE);
    if (end == PORT_DONE) {
        memcpy(to, &w->bytes[va - BASE], size);
    }
    return end;
}

static enum port_end memory_write(struct port_memory *m, uint64_t va, const void *from, size_t size)
{
    struct world *w = (struct world *)m;
    enum port_end end = access(w, va, size, WRITABLE);
    if (end == PORT_DONE) {
        memcpy(&w->bytes[va - BASE], from, size);
    }
    return end;
}

static enum port_end memory_writable(struct port_memory *m, uint64_t va, size_t size)
{
    return access((struct world *)m, va, size, WRITABLE);
}

// ---- the description ----

// Not one of its bytes may be out of reach.
static bool element_faults(struct world *w, uint64_t va, unsigned size, unsigned right)
{
    for (unsigned i = 0; i < size; i++) {
        if (!allowed(w, va + i, right)) {
            w->fault = va + i;
            return true;
        }
    }
    return false;
}

static bool model_element(struct world *w, uint64_t *x, unsigned size, bool in, bool device)
{
    uint64_t va = x[in ? IO_DI : IO_SI];
    uint32_t value = 0;
    if (element_faults(w, va, size, in ? WRITABLE : READABLE)) {
        return false;
    }
    if (in) {
        value = device ? device_read(w) : UINT32_MAX;
    }
    for (unsigned i = 0; i < size; i++) {
        if (in) {
            w->bytes[va + i - BASE] = (uint8_t)(value >> 8 * i);
        } else {
            value |= (uint32_t)w->bytes[va + i - BASE] << 8 * i;
        }
    }
    if (!in && device) {
        device_write(w, size, value);
    }
    return true;
}

static bool model_string(struct world *w, uint64_t *x, uint32_t w7, unsigned size, bool device)
{
    bool in = w7 >> 2 & 1, repeat = w7 >> 3 & 1, down = w7 >> 5 & 1;
    while (!repeat || x[IO_CX] != 0) {
        if (!model_element(w, x, size, in, device)) {
            return false;
        }
        x[in ? IO_DI : IO_SI] += down ? -(uint64_t)size : size;
        if (!repeat) {
            break;
        }
        x[IO_CX]--;
    }
    return true;
}

static void model_single(struct world *w, uint64_t *x, uint32_t w7, unsigned size, bool device)
{
    uint64_t mask = (UINT64_C(1) << 8 * size) - 1;
    if ((w7 >> 2 & 1) == 0) {
        if (device) {
            device_write(w, size, (uint32_t)(x[IO_AX] & mask));
        }
        return;
    }
    uint32_t value = device ? device_read(w) : UINT32_MAX;
    uint64_t kept = size == 4 ? 0 : x[IO_AX] & ~mask;
    x[IO_AX] = kept | (value & mask);
}

// ----

static void prepare(struct world *w, uint8_t rights)
{
    memset(w, 0, sizeof(*w));
    w->face = (struct port_memory){memory_read, memory_write, memory_writable};
    w->rights = rights;
    for (size_t i = 0; i < MEMORY; i++) {
        w->bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    }
}

static void run(const struct io_insn *insn, uint32_t w7, uint64_t *x, bool device)
{
    static struct port_bus bus;
    static const struct port_ops ops = {port_in, port_out, NULL, NULL};
    uint64_t expected[IO_REGS];
    uint16_t port = insn->immediate ? insn->port : (uint16_t)x[IO_DX];
    memcpy(expected, x, sizeof(expected));
    bus.count = 0;
    if (device) {
        port_add(&bus, &(struct port_device){&ops, port, 1, &real});
    }
    enum port_end end = PORT_AGAIN;
    for (unsigned i = 0; i < ROUNDS && end == PORT_AGAIN; i++) {
        end = io_execute(insn, &bus, NULL, x, &real.face);
    }
    bool done = true;
    if (w7 >> 4 & 1) {
        done = model_string(&model, expected, w7, insn->size, device);
    } else {
        model_single(&model, expected, w7, insn->size, device);
    }
    REQUIRE(end == (done ? PORT_DONE : PORT_FAULT));
    REQUIRE(done || real.fault == model.fault);
    REQUIRE(memcmp(x, expected, sizeof(expected)) == 0);
    REQUIRE(memcmp(real.bytes, model.bytes, MEMORY) == 0);
    REQUIRE(real.reads == model.reads && real.writes == model.writes && real.sum == model.sum);
}

static bool well_formed(uint32_t w7)
{
    static const uint32_t defined[] = {0x1fff, 0x1f, 0x3f, 0x3f};
    return (w7 & 3) != 3 && (w7 & ~defined[w7 >> 3 & 3]) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {0};
    struct io_insn insn;
    memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
    bool defined = io_decode(in.w7, &insn);
    REQUIRE(defined == well_formed(in.w7));
    uint32_t w7 = in.w7 & (in.w7 & 0x10 ? 0x3f : in.w7 & 8 ? 0x1f : 0x1fff);
    if (!io_decode(w7, &insn)) {
        return 0;
    }
    prepare(&real, in.rights);
    prepare(&model, in.rights);
    uint64_t x[IO_REGS];
    memcpy(x, in.x, sizeof(x));
    x[IO_CX] = in.count % (ROUNDS * IO_ELEMENTS_MAX - 1);
    x[IO_SI] = x[IO_DI] = BASE + in.offset % (MEMORY + 8) - 4;
    run(&insn, w7, x, in.device & 1);
    return 0;
}
