// SPDX-License-Identifier: Apache-2.0
#include "dev/flash_host.h"

#include "arch/mmio.h"
#include "cpu/timer.h"
#include "lib/bits.h"
#include "lib/error.h"

#include <string.h>

// Both chips are given each command, and each answers in its half.
#define BOTH(x) ((uint32_t)(x) << 16 | (uint32_t)(x))

enum command {
    READ_ARRAY = 0xff,
    READ_STATUS = 0x70,
    CLEAR_STATUS = 0x50,
    QUERY = 0x98,
    LOCK_SETUP = 0x60, // CONFIRM unlocks
    WRITE_BUFFER = 0xe8,
    BLOCK_ERASE = 0x20,
    CONFIRM = 0xd0,
};

// Longer than the longest that a data sheet names, which is a block's erasure of some seconds.
#define OPERATION_MAX_US 10000000u

#define STATUS_READY  BOTH(0x80)
#define STATUS_ERRORS BOTH(0x3a) // erase, program, voltage, lock

// Offsets in the query's table, by words of the bus.
enum {
    Q_QRY = 0x10,
    Q_COMMANDS = 0x13,
    Q_SIZE = 0x27,
    Q_BUFFER = 0x2a,
    Q_REGIONS = 0x2c,
    Q_BLOCKS = 0x2d
};

#define COMMANDS_INTEL 1u
#define QUERY_AT       0x55u

static struct flash {
    struct nor nor;
    uint64_t base;
    uint32_t buffer; // bytes that are programmed at once
    bool busy;
    uint64_t deadline; // of what it is busy with
    // What is left of the unit that is being programmed.
    uint64_t at;
    const uint8_t *from;
    size_t left;
} flash;

static void command(uint64_t offset, enum command c)
{
    mmio_write32(flash.base + offset, BOTH(c));
}

// A byte of the table; both chips have to be the same.
static unsigned query(unsigned word)
{
    uint32_t both = mmio_read32(flash.base + 4 * (uint64_t)word);
    return both == BOTH(both & 0xff) ? both & 0xff : 0;
}

static unsigned query16(unsigned word)
{
    return query(word) | query(word + 1) << 8;
}

// ---- struct nor_ops ----

static void flash_read(struct nor *nor, uint64_t offset, void *to, size_t size)
{
    uint8_t *p = to;
    (void)nor;
    while (size > 0) {
        uint32_t word = mmio_read32(flash.base + align_down(offset, 4));
        size_t skip = offset % 4, n = MIN(4 - skip, size);
        memcpy(p, (uint8_t *)&word + skip, n);
        p += n;
        offset += n;
        size -= n;
    }
}

static void begin_wait(void)
{
    flash.busy = true;
    flash.deadline = timer_now() + timer_ticks_from_us(OPERATION_MAX_US);
}

static void unlock(uint64_t offset)
{
    command(offset, LOCK_SETUP);
    command(offset, CONFIRM);
    command(offset, CLEAR_STATUS);
}

// As much as the chips' buffers take, and not across their boundary.
static void write_buffer(void)
{
    size_t n = MIN(flash.left, flash.buffer - flash.at % flash.buffer);
    uint64_t block = align_down(flash.at, flash.nor.block);
    command(block, WRITE_BUFFER);
    command(block, (enum command)(n / 4 - 1)); // words less one
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word;
        memcpy(&word, flash.from + i, 4);
        mmio_write32(flash.base + flash.at + i, word);
    }
    command(block, CONFIRM);
    flash.at += n;
    flash.from += n;
    flash.left -= n;
    begin_wait();
}

static void flash_program(struct nor *nor, uint64_t offset, const void *from, size_t size)
{
    (void)nor;
    flash.at = offset;
    flash.from = from;
    flash.left = size;
    unlock(align_down(offset, flash.nor.block));
    write_buffer();
}

static void flash_erase(struct nor *nor, uint64_t offset)
{
    (void)nor;
    unlock(offset);
    command(offset, BLOCK_ERASE);
    command(offset, CONFIRM);
    flash.left = 0;
    begin_wait();
}

static int flash_poll(struct nor *nor)
{
    (void)nor;
    if (!flash.busy) {
        return 0;
    }
    command(0, READ_STATUS);
    uint32_t status = mmio_read32(flash.base);
    bool failed = (status & STATUS_ERRORS) != 0;
    if ((status & STATUS_READY) != STATUS_READY) {
        if (timer_now() < flash.deadline) {
            return ERR_BUSY;
        }
        failed = true; // who waits for it need not wait for ever
    }
    flash.busy = false;
    if (!failed && flash.left != 0) {
        write_buffer();
        return ERR_BUSY;
    }
    command(0, CLEAR_STATUS);
    command(0, READ_ARRAY);
    return failed ? ERR_IO : 0;
}

// ---- Probing ----

static bool is_known(void)
{
    return query(Q_QRY) == 'Q' && query(Q_QRY + 1) == 'R' && query(Q_QRY + 2) == 'Y' &&
           query16(Q_COMMANDS) == COMMANDS_INTEL && query(Q_REGIONS) == 1;
}

static bool read_geometry(uint64_t mapped)
{
    unsigned size = query(Q_SIZE) + 1, buffer = query16(Q_BUFFER) + 1; // two chips
    uint64_t block = 2 * UINT64_C(256) * query16(Q_BLOCKS + 2);
    uint64_t blocks = query16(Q_BLOCKS) + 1;
    if (size > 32 || buffer < 3 || block == 0 || (block & (block - 1)) != 0 ||
        block * blocks != UINT64_C(1) << size) {
        return false;
    }
    flash.nor.size = MIN(UINT64_C(1) << size, align_down(mapped, block));
    flash.nor.block = (uint32_t)block;
    flash.buffer = 1u << MIN(buffer, 10u);
    return flash.nor.size != 0;
}

struct nor *flash_host_probe(hpa_t base, uint64_t size)
{
    static const struct nor_ops ops = {flash_read, flash_program, flash_erase, flash_poll};
    flash = (struct flash){.nor = {.ops = &ops}, .base = base.v};
    command(4 * (uint64_t)QUERY_AT, QUERY);
    bool usable = is_known() && read_geometry(size);
    command(0, READ_ARRAY);
    return usable ? &flash.nor : NULL;
}
