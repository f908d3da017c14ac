// SPDX-License-Identifier: Apache-2.0
#include "call/io_insn.h"

#include "lib/addr.h"
#include "lib/bits.h"

// W7
#define W7_SIZE(w)   ((w)&3)
#define W7_IN        BIT(2)
#define W7_DX        BIT(3) // of a string form: it is repeated
#define W7_STRING    BIT(4)
#define W7_DOWN      BIT(5)
#define W7_PORT(w)   ((uint8_t)bits_get(w, 12, 5))
#define W7_IMMEDIATE MASK(12, 5)

// The bits of each form that may be other than 0.
static uint64_t defined_bits(uint32_t w7)
{
    uint64_t bits = MASK(4, 0);
    if (w7 & W7_STRING) {
        return bits | W7_DOWN;
    }
    return w7 & W7_DX ? bits : bits | W7_IMMEDIATE;
}

bool io_decode(uint32_t w7, struct io_insn *out)
{
    bool string = (w7 & W7_STRING) != 0, bit3 = (w7 & W7_DX) != 0;
    *out = (struct io_insn){
        .size = (uint8_t)(1u << W7_SIZE(w7)),
        .in = (w7 & W7_IN) != 0,
        .string = string,
        .repeat = string && bit3,
        .down = string && (w7 & W7_DOWN) != 0,
        .immediate = !string && !bit3,
        .port = !string && !bit3 ? W7_PORT(w7) : 0,
    };
    return W7_SIZE(w7) != 3 && (w7 & ~defined_bits(w7)) == 0;
}

// A register of which an instruction writes only the low bytes keeps the others; a write of four
// clears them.
static uint64_t merge(uint64_t old, uint32_t value, unsigned size)
{
    return size == 4 ? value : (old & ~MASK(8 * size - 1, 0)) | value;
}

typedef enum port_end part_fn(struct port_memory *m, uint64_t va, char *bytes, size_t size);

static enum port_end read_part(struct port_memory *m, uint64_t va, char *bytes, size_t size)
{
    return m->read(m, va, bytes, size);
}

static enum port_end write_part(struct port_memory *m, uint64_t va, char *bytes, size_t size)
{
    return m->write(m, va, bytes, size);
}

static enum port_end check_part(struct port_memory *m, uint64_t va, char *bytes, size_t size)
{
    (void)bytes;
    return m->writable(m, va, size);
}

// An element may lie in two pages.
static enum port_end for_parts(part_fn *part, struct port_memory *m, uint64_t va, char *bytes,
                               size_t size)
{
    size_t first = MIN(size, (size_t)(PAGE_SIZE - (va & PAGE_MASK)));
    enum port_end end = part(m, va, bytes, first);
    return end == PORT_DONE && first < size ? part(m, va + first, bytes + first, size - first)
                                            : end;
}

// The port is accessed only when nothing can come in between any more: all of the element has been
// read, or can be written.
static enum port_end move_element(const struct io_insn *insn, struct port_bus *bus, struct vcpu *v,
                                  const uint64_t x[IO_REGS], struct port_memory *m)
{
    uint16_t port = (uint16_t)x[IO_DX];
    uint32_t value = 0;
    enum port_end end;
    if (!insn->in) {
        end = for_parts(read_part, m, x[IO_SI], (char *)&value, insn->size);
        if (end == PORT_DONE) {
            port_write(bus, v, port, insn->size, value);
        }
        return end;
    }
    end = for_parts(check_part, m, x[IO_DI], (char *)&value, insn->size);
    if (end == PORT_DONE) {
        value = port_read(bus, v, port, insn->size);
        end = for_parts(write_part, m, x[IO_DI], (char *)&value, insn->size);
    }
    return end;
}

static enum port_end move_string(const struct io_insn *insn, struct port_bus *bus, struct vcpu *v,
                                 uint64_t x[IO_REGS], struct port_memory *m)
{
    uint64_t *address = &x[insn->in ? IO_DI : IO_SI];
    uint64_t step = insn->down ? -(uint64_t)insn->size : insn->size;
    for (unsigned n = 0; !insn->repeat || x[IO_CX] != 0; n++) {
        if (n == IO_ELEMENTS_MAX) {
            return PORT_AGAIN;
        }
        enum port_end end = move_element(insn, bus, v, x, m);
        if (end != PORT_DONE) {
            return end;
        }
        *address += step;
        if (!insn->repeat) {
            break;
        }
        x[IO_CX]--;
    }
    return PORT_DONE;
}

static enum port_end execute_string(const struct io_insn *insn, struct port_bus *bus,
                                    struct vcpu *v, uint64_t x[IO_REGS], struct port_memory *m)
{
    struct port_device *d = port_find(bus, (uint16_t)x[IO_DX]);
    bool block = insn->repeat && insn->size == 1 && !insn->down;
    if (block && d != NULL && d->ops->block != NULL) {
        enum port_end end = d->ops->block(d, v, insn->in, m);
        if (end != PORT_ORDINARY) {
            return end;
        }
    }
    return move_string(insn, bus, v, x, m);
}

enum port_end io_execute(const struct io_insn *insn, struct port_bus *bus, struct vcpu *v,
                         uint64_t x[IO_REGS], struct port_memory *m)
{
    if (insn->string) {
        return execute_string(insn, bus, v, x, m);
    }
    uint16_t port = insn->immediate ? insn->port : (uint16_t)x[IO_DX];
    struct port_device *d = port_find(bus, port);
    if (!insn->in) {
        port_write(bus, v, port, insn->size, (uint32_t)x[IO_AX]);
    } else if (insn->size == 4 && !insn->immediate && d != NULL && d->ops->call != NULL) {
        x[IO_AX] = d->ops->call(d, v);
    } else {
        x[IO_AX] = merge(x[IO_AX], port_read(bus, v, port, insn->size), insn->size);
    }
    return PORT_DONE;
}
