// SPDX-License-Identifier: Apache-2.0
#include "call/efi_runtime.h"

#include "call/efi_call.h"
#include "lib/bits.h"

// ---- the caller's memory, a page at a time ----

static efi_status status_of(enum port_end end)
{
    return end == PORT_DONE    ? EFI_SUCCESS
           : end == PORT_AGAIN ? EFI_NOT_READY
                               : EFI_INVALID_PARAMETER;
}

static uint64_t populated(const struct efi_call *c)
{
    return __atomic_load_n(&c->vm->space.counters.blocks_populated, __ATOMIC_RELAXED);
}

static size_t in_page(uint64_t address, size_t size)
{
    return MIN(size, (size_t)(PAGE_SIZE - (address & PAGE_MASK)));
}

efi_status efi_in(const struct efi_call *c, void *to, uint64_t from, size_t size)
{
    efi_status status = from != 0 ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
    for (char *at = to; status == EFI_SUCCESS && size > 0;) {
        size_t n = in_page(from, size);
        uint64_t before = populated(c);
        status = status_of(c->memory->read(c->memory, from, at, n));
        status = status == EFI_SUCCESS && populated(c) != before ? EFI_NOT_READY : status;
        at += n;
        from += n;
        size -= n;
    }
    return status;
}

static OUTLINE efi_status out_by_pages(const struct efi_call *c, uint64_t to, const void *from,
                                       size_t size)
{
    efi_status status = EFI_SUCCESS;
    for (const char *at = from; status == EFI_SUCCESS && size > 0;) {
        size_t n = in_page(to, size);
        status = status_of(c->memory->write(c->memory, to, at, n));
        at += n;
        to += n;
        size -= n;
    }
    return status;
}

efi_status efi_out(const struct efi_call *c, uint64_t to, const void *from, size_t size)
{
    if (to == 0) {
        return EFI_INVALID_PARAMETER;
    }
    if (size == 0 || size > in_page(to, size)) {
        return out_by_pages(c, to, from, size);
    }
    return status_of(c->memory->write(c->memory, to, from, size));
}

efi_status efi_writable(const struct efi_call *c, uint64_t to, size_t size)
{
    efi_status status = to != 0 ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
    while (status == EFI_SUCCESS && size > 0) {
        size_t n = in_page(to, size);
        uint64_t before = populated(c);
        status = status_of(c->memory->writable(c->memory, to, n));
        status = status == EFI_SUCCESS && populated(c) != before ? EFI_NOT_READY : status;
        to += n;
        size -= n;
    }
    return status;
}

efi_status efi_out_last(const struct efi_call *c, uint64_t to, const void *from, size_t size)
{
    efi_status status = efi_out(c, to, from, size);
    return status == EFI_NOT_READY ? EFI_DEVICE_ERROR : status;
}

// ---- which service ----

static efi_service_fn *const services[EFI_SERVICES] = {
    [EFI_GET_TIME] = efi_get_time,
    [EFI_SET_TIME] = efi_set_time,
    [EFI_GET_WAKEUP_TIME] = efi_get_wakeup_time,
    [EFI_SET_WAKEUP_TIME] = efi_set_wakeup_time,
    [EFI_SET_VIRTUAL_ADDRESS_MAP] = efi_set_virtual_address_map,
    [EFI_CONVERT_POINTER] = efi_convert_pointer,
    [EFI_GET_VARIABLE] = efi_get_variable,
    [EFI_GET_NEXT_VARIABLE_NAME] = efi_get_next_variable_name,
    [EFI_SET_VARIABLE] = efi_set_variable,
    [EFI_GET_NEXT_HIGH_MONOTONIC_COUNT] = efi_get_next_high_monotonic_count,
    [EFI_RESET_SYSTEM] = efi_reset_system,
    [EFI_UPDATE_CAPSULE] = efi_update_capsule,
    [EFI_QUERY_CAPSULE_CAPABILITIES] = efi_query_capsule_capabilities,
    [EFI_QUERY_VARIABLE_INFO] = efi_query_variable_info,
};

static efi_status call_service(struct vcpu *v, struct port_memory *memory)
{
    struct efi_call c = {v, v->vm, &v->vm->efi, v->regs.x, memory};
    uint64_t n = v->regs.x[9];
    return n < EFI_SERVICES && services[n] != NULL ? services[n](&c) : EFI_UNSUPPORTED;
}

// One of the VM's vCPUs at a time: who comes meanwhile tries again, and takes its interrupts
// between. No lock is held while the guest's memory is accessed.
enum port_end efi_runtime_call(struct vcpu *v, struct port_memory *memory)
{
    struct guest_efi *efi = &v->vm->efi;
    if (__atomic_exchange_n(&efi->busy, true, __ATOMIC_ACQUIRE)) {
        return PORT_AGAIN;
    }
    efi_status status = call_service(v, memory);
    __atomic_store_n(&efi->busy, false, __ATOMIC_RELEASE);
    if (status == EFI_NOT_READY) {
        return PORT_AGAIN;
    }
    v->regs.x[0] = status;
    return PORT_DONE;
}
