// SPDX-License-Identifier: Apache-2.0
// The store's on-flash format: whatever the flash holds, mounting and reading stay within it, and
// what can be mounted can be written to. The first byte says whether the CRCs are made right, so
// that what is behind them is reached.
#include "../unit/nor_sim.h"
#include "nvram/log.h"

#include "lib/bits.h"

#define BLOCK 4096u
#define SIZE  (2 * 34 * BLOCK)
#define SLOTS 64u

static struct nor_sim flash;
static struct nv_log store;
static struct nv_slot slots[SLOTS];
static uint8_t buffer[NV_RECORD_MAX];

static void read_all(void)
{
    uint32_t cursor = 0;
    struct nv_item item;
    unsigned long sum = 0;
    while (cursor != UINT32_MAX) {
        if (nv_log_next(&store, &cursor, SLOTS, buffer, &item)) {
            for (size_t i = 0; i < item.value_size; i++) {
                sum += ((const uint8_t *)item.value)[i];
            }
        }
    }
    __asm__ volatile("" : : "r"(sum));
}

// Records of the area's nonce with whatever sizes, their own CRCs right.
static void make_valid(void)
{
    struct nv_head head;
    nv_head_make(&head, 1, 0x1122334455667788);
    memcpy(flash.bytes, &head, sizeof(head));
    for (size_t at = NV_HEADS; at + NV_LINE <= SIZE / 2; at += NV_LINE) {
        struct nv_record r;
        memcpy(&r, flash.bytes + at, sizeof(r));
        if ((r.magic & 0xff) == 'n') {
            r.magic = 0x6365726e;
            nv_record_move(&r, head.nonce);
            memcpy(flash.bytes + at, &r, sizeof(r));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nv_item item = {"vm", 2, "key", 3, "value", 5};
    if (size == 0) {
        return 0;
    }
    nor_sim_init(&flash, SIZE, BLOCK);
    memcpy(flash.bytes + (data[0] & 2   ? SIZE / 2
                          : data[0] & 1 ? NV_HEADS
                                        : 0),
           data + 1, MIN(size - 1, (size_t)SIZE / 2 - NV_HEADS));
    if (data[0] & 1) {
        make_valid();
    }
    int err = nv_log_mount(&store, &flash.nor, slots, SLOTS);
    if (err == ERR_EXISTS) {
        return 0;
    }
    read_all();
    if (nv_log_put(&store, &item) == 0) {
        while (nv_log_step(&store) == ERR_BUSY) {
        }
        read_all();
    }
    return 0;
}
