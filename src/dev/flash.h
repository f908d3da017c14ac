// SPDX-License-Identifier: Apache-2.0
// The two NOR flashes of virt's machine. The first is blank, but for firmware that stage 2 shows
// there (vm/vm.c), and nothing programs it. The second has the firmware's variables, where the VM
// has firmware of its own: it takes Intel's command set (0001h) by two chips of 16 bits side by
// side. All other cells are erased for good.
#pragma once

#include "dev/device.h"
#include "lib/spinlock.h"

#define FLASH_BASE  UINT64_C(0)
#define FLASH_SIZE  UINT64_C(0x08000000)
#define FLASH_BANK  UINT64_C(0x04000000) // bytes of each of the two
#define FLASH_BLOCK UINT64_C(0x40000)    // that is erased at once

// As much as EDK2 uses: the variables, and two blocks to work with.
#define FLASH_CELLS (3 * FLASH_BLOCK)

struct flash;

// Cells have changed, [first, first+size) of them. The flash is busy if this says so: then somebody
// ends that, and may set failed. With the flash's lock.
typedef void flash_changed_fn(struct flash *f, uint64_t first, uint64_t size);

// May cells change? If not, programming and erasing fail. With the flash's lock.
typedef bool flash_allows_fn(struct flash *f);

struct flash {
    struct device dev;
    struct spinlock lock; // of what follows
    uint8_t *cells;       // FLASH_CELLS bytes from FLASH_BANK on; NULL: none
    uint8_t mode;         // the command by which reads go
    uint8_t command;      // that waits for its second cycle, 0 if none
    uint32_t words;       // that a buffer still takes
    bool failed, busy;
    flash_allows_fn *allows;   // NULL: always
    flash_changed_fn *changed; // NULL: nobody wants to know
    void *keeper;              // of these two
};

// f->dev is for bus_add(). cells stay as they are: the caller's, who erases them at first. The lock
// is left alone, as it may be held.
void flash_init(struct flash *f, uint8_t *cells, flash_allows_fn *allows, flash_changed_fn *changed,
                void *keeper);
