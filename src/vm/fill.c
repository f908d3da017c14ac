// SPDX-License-Identifier: Apache-2.0
#include "vm/fill.h"

#include "arch/bulk.h"
#include "arch/cache.h"
#include "cpu/switch.h"
#include "lib/bits.h"
#include "mem/guest.h"
#include "vm/guest_fdt.h"

// Copy the part of blob, placed at offset `at` of RAM, that falls into [from, from+size).
static void copy_part(struct vm *vm, const struct blob *blob, uint64_t at, uint64_t from,
                      uint64_t size)
{
    uint64_t start = MAX(at, from);
    uint64_t end = MIN(at + blob->size, from + size);
    if (start < end) {
        bulk_copy(hpa_ptr(hpa_add(vm->ram, start)), (const char *)blob->data + (start - at),
                  end - start, coherence_cleans_fill());
    }
}

static bool covers(uint64_t at, uint64_t blob_size, uint64_t from, uint64_t size)
{
    return at <= from && from + size <= at + blob_size;
}

// A guest starts with its caches off and must find in memory what is written here through the
// cache.
static void fill_block(struct vm *vm, uint64_t from)
{
    const struct vm_config *c = vm->config;
    void *block = hpa_ptr(hpa_add(vm->ram, from));
    if (!covers(vm->plan.kernel, c->kernel.size, from, BLOCK_SIZE) &&
        !covers(vm->plan.ramdisk, c->ramdisk.size, from, BLOCK_SIZE)) {
        bulk_zero(block, BLOCK_SIZE, coherence_cleans_fill());
    }
    fp_borrow();
    copy_part(vm, &c->kernel, vm->plan.kernel, from, BLOCK_SIZE);
    copy_part(vm, &c->ramdisk, vm->plan.ramdisk, from, BLOCK_SIZE);
    cache_dsb_ish(); // ends this CPU's maintenance: another one may start the guest
}

// The same where memory is populated as it is touched: all else is left alone.
static int write_part(struct vm *vm, const struct blob *blob, uint64_t at, uint64_t from)
{
    uint64_t start = MAX(at, from);
    uint64_t end = MIN(at + blob->size, from + BLOCK_SIZE);
    if (start >= end) {
        return 0;
    }
    gpa_t to = gpa(VM_RAM_BASE + start);
    int err = guest_write(&vm->space.s2, to, (const char *)blob->data + (start - at), end - start);
    return err ? err : space_loaded(&vm->space, to, end - start);
}

static int write_block(struct vm *vm, uint64_t from)
{
    int err = write_part(vm, &vm->config->kernel, vm->plan.kernel, from);
    return err ? err : write_part(vm, &vm->config->ramdisk, vm->plan.ramdisk, from);
}

int fill_step(struct vm *vm, uint64_t from)
{
    if (vm->config->lazy) {
        return write_block(vm, from);
    }
    fill_block(vm, from);
    return 0;
}
