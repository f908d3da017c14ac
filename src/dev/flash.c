// SPDX-License-Identifier: Apache-2.0
#include "dev/flash.h"

#include "cpu/counters.h"
#include "lib/bits.h"

#include <string.h>

enum {
    READ_ARRAY = 0xff,
    READ_STATUS = 0x70,
    READ_ID = 0x90,
    QUERY = 0x98,
    CLEAR_STATUS = 0x50,
    PROGRAM = 0x40,
    PROGRAM_TOO = 0x10,
    WRITE_BUFFER = 0xe8,
    BUFFER_DATA = 1, // no command: its third cycle,
    BUFFER_END = 2,  // and its last
    BLOCK_ERASE = 0x20,
    LOCK_SETUP = 0x60,
};

#define STATUS_READY      0x80u
#define STATUS_NO_PROGRAM 0x10u
#define STATUS_NO_ERASE   0x20u

// JESD68.01: of each chip. A bus word has it twice.
static const uint8_t query_table[] = {
    [0x10] = 'Q', 'R', 'Y', 1,  0, 0x31, // Intel's commands, no table of their own
    [0x27] = 25,  0,   0,   11, 0, 1,    // 32 MiB, buffers of 2 KiB, one region
    [0x2d] = 255, 0,   0,   2,           // of 256 blocks of 128 KiB
};

static struct flash *flash_of(struct device *dev)
{
    return container_of(dev, struct flash, dev);
}

static bool has_cells(const struct flash *f, uint64_t offset)
{
    return f->cells != NULL && offset >= FLASH_BANK && offset - FLASH_BANK < FLASH_CELLS;
}

static bool may_change(struct flash *f, uint64_t offset)
{
    return has_cells(f, offset) && (f->allows == NULL || f->allows(f));
}

static uint64_t twice(uint8_t byte)
{
    return (uint64_t)byte * UINT64_C(0x0001000100010001);
}

static uint64_t read_array(const struct flash *f, uint64_t offset, unsigned size)
{
    uint64_t value = UINT64_MAX;
    if (has_cells(f, offset)) {
        memcpy(&value, f->cells + (offset - FLASH_BANK), size);
    }
    return value;
}

static uint64_t read_mode(const struct flash *f, uint64_t offset, unsigned size)
{
    uint64_t word = (offset - FLASH_BANK) / 4;
    switch (f->mode) {
    case READ_STATUS:
        return twice((f->busy ? 0 : STATUS_READY) |
                     (f->failed ? STATUS_NO_PROGRAM | STATUS_NO_ERASE : 0));
    case READ_ID:
        return word == 0 ? twice(0x89) : word == 1 ? twice(0x18) : 0;
    case QUERY:
        return word < sizeof(query_table) ? twice(query_table[word]) : 0;
    default:
        return read_array(f, offset, size);
    }
}

static uint64_t flash_read(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size)
{
    struct flash *f = flash_of(dev);
    (void)v;
    if (f->cells == NULL || offset < FLASH_BANK) {
        return MASK(8 * size - 1, 0);
    }
    spin_lock(&f->lock);
    uint64_t value = read_mode(f, offset, size);
    spin_unlock(&f->lock);
    return value & MASK(8 * size - 1, 0);
}

static void tell(struct flash *f, uint64_t first, uint64_t size)
{
    if (f->changed != NULL) {
        f->changed(f, first, size);
    }
}

// Ones become zeroes, and never the other way.
static void program(struct flash *f, uint64_t offset, unsigned size, uint64_t value)
{
    if (!may_change(f, offset)) {
        f->failed = true;
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        f->cells[offset - FLASH_BANK + i] &= (uint8_t)(value >> (8 * i));
    }
    tell(f, offset - FLASH_BANK, size);
}

static void erase(struct flash *f, uint64_t offset)
{
    if (!may_change(f, offset)) {
        f->failed = true;
        return;
    }
    uint64_t first = (offset - FLASH_BANK) & ~(FLASH_BLOCK - 1);
    memset(f->cells + first, 0xff, FLASH_BLOCK);
    tell(f, first, FLASH_BLOCK);
}

static void begin_command(struct flash *f, uint8_t command)
{
    switch (command) {
    case CLEAR_STATUS:
        f->failed = false;
        break;
    case PROGRAM:
    case PROGRAM_TOO:
    case WRITE_BUFFER:
    case BLOCK_ERASE:
    case LOCK_SETUP:
        f->command = command;
        f->mode = READ_STATUS;
        break;
    case READ_STATUS:
    case READ_ID:
    case QUERY:
        f->mode = command;
        break;
    default:
        f->mode = READ_ARRAY;
    }
}

// What a buffer takes goes to its cells at once, which nobody reads before its end.
static void second_cycle(struct flash *f, uint64_t offset, unsigned size, uint64_t value)
{
    uint8_t command = f->command;
    f->command = 0;
    switch (command) {
    case PROGRAM:
    case PROGRAM_TOO:
        program(f, offset, size, value);
        break;
    case WRITE_BUFFER:
        f->words = (uint32_t)(value & 0xffff) + 1;
        f->command = BUFFER_DATA;
        break;
    case BUFFER_DATA:
        program(f, offset, size, value);
        f->words--;
        f->command = f->words != 0 ? BUFFER_DATA : BUFFER_END;
        break;
    case BLOCK_ERASE:
        erase(f, offset);
        break;
    default: // a lock, of which there is none, or the end of a buffer
        break;
    }
}

static void flash_write(struct device *dev, struct vcpu *v, uint64_t offset, unsigned size,
                        uint64_t value)
{
    struct flash *f = flash_of(dev);
    (void)v;
    if (f->cells == NULL || offset < FLASH_BANK) {
        return;
    }
    spin_lock(&f->lock);
    if (f->command != 0) {
        second_cycle(f, offset, size, value);
    } else {
        begin_command(f, (uint8_t)value);
    }
    spin_unlock(&f->lock);
}

static const struct device_ops ops = {.name = "flash", .read = flash_read, .write = flash_write};

void flash_init(struct flash *f, uint8_t *cells, flash_allows_fn *allows, flash_changed_fn *changed,
                void *keeper)
{
    f->dev = (struct device){
        .ops = &ops, .base = gpa(FLASH_BASE), .size = FLASH_SIZE, .counter = CNT_MMIO_FLASH};
    spin_lock(&f->lock);
    f->cells = cells;
    f->mode = READ_ARRAY;
    f->command = 0;
    f->failed = false;
    f->allows = allows;
    f->changed = changed;
    f->keeper = keeper;
    spin_unlock(&f->lock);
}
