// SPDX-License-Identifier: Apache-2.0
#include "vm/describe.h"

#include "arch/cache.h"
#include "arch/sysreg.h"
#include "cpu/drbg.h"
#include "cpu/switch.h"
#include "irq/gic.h"
#include "irq/vgic.h"
#include "mem/guest.h"
#include "park/page.h"
#include "vm/firmware/efi_tables.h"
#include "vm/guest_fdt.h"

#include <string.h>

// Fills size bytes; how many of them are used, or a negative error.
typedef int fill_fn(struct vm *vm, void *memory, size_t size, void *context);

// Where RAM is there already, in place.
static int place(struct vm *vm, uint64_t offset, size_t size, fill_fn *fill, void *context)
{
    char *memory = hpa_ptr(hpa_add(vm->ram, offset));
    int used = fill(vm, memory, size, context);
    if (used >= 0 && coherence_cleans_fill()) { // libfdt has written beyond the tree's end as well
        dcache_clean_inval_poc(memory, size);
    }
    return used < 0 ? used : 0;
}

// By way of some pages that are the VM's for the moment: its own need not be contiguous.
static int write(struct vm *vm, uint64_t offset, size_t size, fill_fn *fill, void *context)
{
    hpa_t scratch;
    int err = frames_alloc(vm->owner, size / PAGE_SIZE, 1, &scratch);
    if (err) {
        return err;
    }
    memset(hpa_ptr(scratch), 0, size);
    int used = fill(vm, hpa_ptr(scratch), size, context);
    gpa_t to = gpa(VM_RAM_BASE + offset);
    err = used < 0 ? used : guest_write(&vm->space.s2, to, hpa_ptr(scratch), (size_t)used);
    frames_free(vm->owner, scratch, size / PAGE_SIZE);
    return err;
}

static int put(struct vm *vm, uint64_t offset, size_t size, fill_fn *fill, void *context)
{
    return (vm->config->lazy ? write : place)(vm, offset, size, fill, context);
}

// ---- firmware ----

static uint64_t firmware_base(const struct vm *vm)
{
    return VM_RAM_BASE + vm->plan.firmware;
}

uint64_t describe_mailbox(const struct vm *vm, unsigned vcpu)
{
    return firmware_base(vm) + FIRMWARE_MAILBOXES + vcpu * PAGE_SIZE;
}

// A spin table's CPUs are woken by SEV, and so cannot sleep.
static void fill_mailboxes(struct vm *vm, char *memory)
{
    bool spin = vm->config->cpu_boot == CPU_BOOT_SPIN_TABLE;
    for (unsigned i = 1; i < vm->config->cpus; i++) {
        const struct park_cpu cpu = {
            .id = i,
            .wait = spin ? PARK_IN_WFE : PARK_IN_WFI,
            .gic = {.version = gic_config()->version,
                    .distributor = VGIC_DIST_BASE,
                    .cpu_interface = VGIC_CPU_BASE,
                    .redistributor = VGIC_RDIST_BASE + i * VGIC_RDIST_SIZE},
            .mpidr = vm->vcpu[i]->mpidr & MPIDR_AFFINITY,
        };
        park_fill(memory + i * PAGE_SIZE, &cpu);
    }
}

static int fill_efi(struct vm *vm, char *memory, struct firmware_handover *out)
{
    struct firmware_params params = {
        .config = vm->config,
        .plan = &vm->plan,
        .base = firmware_base(vm),
        .midr = features.raw.midr,
        .clidr = read_sysreg(clidr_el1),
        .has_pmu = !vm->id_policy.hide_pmu,
        .gicv2 = gic_config()->version == 2,
    };
    params.has_rng_seed = drbg_read(params.rng_seed, sizeof(params.rng_seed));
    for (unsigned i = 0; i < vm->config->cpus; i++) {
        params.mpidr[i] = vm->vcpu[i]->mpidr & MPIDR_AFFINITY;
    }
    int err = firmware_build(memory, &params, out);
    guest_efi_reset(&vm->efi, params.base, (struct guest_efi_data *)(memory + FIRMWARE_DATA));
    return err;
}

static int fill_firmware(struct vm *vm, void *memory, size_t size, void *context)
{
    int err = 0;
    if (vm->config->firmware == FIRMWARE_EFI_RUNTIME) {
        err = fill_efi(vm, memory, context);
    }
    if (!err && vm->config->cpu_boot != CPU_BOOT_PSCI) {
        fill_mailboxes(vm, (char *)memory + FIRMWARE_MAILBOXES);
    }
    return err ? err : (int)size;
}

static int put_firmware(struct vm *vm, struct firmware_handover *efi)
{
    int err = put(vm, vm->plan.firmware, FIRMWARE_SIZE, fill_firmware, efi);
    if (err || !vm->config->lazy) {
        return err;
    }
    return space_loaded(&vm->space, gpa(firmware_base(vm)), FIRMWARE_SIZE); // there is code in it
}

// ---- device tree ----

static void draw_seeds(struct guest_fdt_params *params)
{
    params->has_rng_seed = drbg_read(params->rng_seed, sizeof(params->rng_seed));
    if (params->has_rng_seed) {
        (void)drbg_read(&params->kaslr_seed, sizeof(params->kaslr_seed));
    }
}

static int fill_device_tree(struct vm *vm, void *memory, size_t size, void *context)
{
    const struct firmware_handover *efi = context;
    struct guest_fdt_params params = {
        .config = vm->config,
        .has_pmu = !vm->id_policy.hide_pmu,
        .gicv2 = gic_config()->version == 2,
        .efi = *efi,
        .mailboxes = describe_mailbox(vm, 0),
    };
    draw_seeds(&params);
    for (unsigned i = 0; i < vm->config->cpus; i++) {
        params.mpidr[i] = vm->vcpu[i]->mpidr & MPIDR_AFFINITY;
    }
    params.ramdisk_start = VM_RAM_BASE + vm->plan.ramdisk;
    params.ramdisk_end = params.ramdisk_start + vm->config->ramdisk.size;
    return guest_fdt_build(memory, size, &params);
}

int describe_vm(struct vm *vm)
{
    struct firmware_handover efi = {0};
    int err = 0;
    fp_borrow();
    vm->efi.present = false;
    if (load_has_firmware(vm->config)) {
        err = put_firmware(vm, &efi);
    }
    return err ? err : put(vm, vm->plan.dtb, DTB_SIZE, fill_device_tree, &efi);
}
