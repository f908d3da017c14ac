// SPDX-License-Identifier: Apache-2.0
// A VM's UEFI variables, and the rules of the variable services (UEFI 2.10, 8.2). Nothing here
// knows of guest memory: names and data are private copies of the caller's.
//
// All functions are for a caller that holds the lock, inside which those of NVRAM's requests and
// of the scheduler are taken; what they show lies in the variables until the lock is let go. All of
// them take less than the time that a handler has.
#pragma once

#include "call/efi_var_table.h"
#include "lib/spinlock.h"
#include "mem/frames.h"
#include "nvram/nvram.h"
#include "vm/manifest.h"
#include "vm/wear.h"

#define EFI_VAR_NAME_MAX        1024u  // bytes, the NUL included: what Linux's efivarfs takes
#define EFI_VAR_DATA_MAX        32768u // bytes: about what EDK2 takes where there is Secure Boot
#define EFI_VARS_QUOTA          131072u // bytes, names and some more included, of all that survive a reset
#define EFI_VARS_VOLATILE_QUOTA 32768u // and of all that do not

// What one of them is in NVRAM: an owner's (the VM's) key, and as its value the record.
enum efi_vars_kind {
    EFI_VARS_VARIABLE,
    EFI_VARS_HIGH_COUNT,
    EFI_VARS_FLASH_PAGE, // vm/flash_keeper.h
};

struct efi_vars_key {
    uint32_t kind;
    struct efi_guid vendor; // from here on of a variable alone
    efi_char16 text[EFI_VAR_NAME_MAX / 2];
};

struct efi_vars_record {
    uint32_t attributes; // of a high count, the number
    uint8_t data[EFI_VAR_DATA_MAX];
};

// One change, composed here, and on its way to NVRAM where there is one.
struct efi_vars_change {
    struct nvram_request request;
    bool busy;
    unsigned cpu;          // whose it is,
    uint32_t hash;         // and what was asked
    size_t key_size, size; // bytes; size: of the record, 0 for a deletion
    struct efi_vars_key key;
    struct efi_vars_record *record;
};

// Of a change that has come to its end, until the vCPU, or another one in its place, asks again.
struct efi_vars_answer {
    bool is_there;
    uint32_t hash, high_count;
    efi_status status;
};

struct efi_vars {
    struct spinlock lock;
    owner_t owner;
    hpa_t frames;
    const char *name; // the VM's
    bool loaded;      // NVRAM has been read
    bool at_runtime;  // the guest's loader has called ExitBootServices(); a Linux Image always has
    struct efi_var_table table[2]; // volatile, non-volatile
    uint32_t high_count;
    struct efi_vars_change change;
    struct efi_vars_answer answer[VM_MAX_VCPUS];
    struct wear wear;
    // For the caller: where it may copy data to before efi_vars_set(). EFI_VAR_DATA_MAX bytes.
    char *staging;
};

// NULL without memory: some 230 KiB, owner's, that efi_vars_destroy() gives back. A VM has
// variables from the time it is made until it is destroyed.
struct efi_vars *efi_vars_create(const struct vm_config *config, owner_t owner);
// Nothing of it may be on its way: efi_vars_is_idle().
void efi_vars_destroy(struct efi_vars *v);
// Reads what NVRAM has, once; others call before the VM runs, and until it returns true. Takes the
// lock itself.
bool efi_vars_load(struct efi_vars *v);
// No change is on its way to NVRAM. None begins while the VM does not run. Takes the lock itself.
bool efi_vars_is_idle(struct efi_vars *v);
// The VM starts anew, its firmware handing over to the guest at_runtime or before
// ExitBootServices(). Volatile variables are gone. Takes the lock itself.
void efi_vars_reset(struct efi_vars *v, bool at_runtime);

// GetVariable(): out is what there is; to tell EFI_BUFFER_TOO_SMALL, for which attributes and size
// are returned as well, is the caller's. EFI_NOT_FOUND: not there, or only for boot services. A
// name of one NUL is nobody's.
efi_status efi_vars_get(struct efi_vars *v, const struct efi_var_name *name, struct efi_var *out);

// GetNextVariableName(): the name after this one; after an empty one (bytes is 2) the first.
// EFI_NOT_FOUND: that was the last. EFI_INVALID_PARAMETER: there is no such name to go on from.
// Variables set or deleted meanwhile may be missed.
efi_status efi_vars_next(struct efi_vars *v, const struct efi_var_name *name,
                         struct efi_var_name *next);

// For the operator: the variable of that number, those that last first, the hidden ones with them.
// False: there are no more. Numbers change with any change.
bool efi_vars_nth(const struct efi_vars *v, unsigned n, struct efi_var *out);

// SetVariable(): sets, appends to or deletes one. cpu: the vCPU that calls. EFI_NOT_READY, which is
// no answer for the guest: what it asks is being written, or is not yet allowed to be (vm/wear.h);
// the vCPU makes the same call again, and until then other vCPUs' may come first. EFI_SUCCESS of a
// non-volatile one: it is on the machine's NVRAM, if there is any. EFI_INVALID_PARAMETER: name,
// attributes (also other ones than the variable has) or size. EFI_UNSUPPORTED: attributes of
// authentication or of hardware errors. EFI_WRITE_PROTECTED: the firmware's own, or volatile and at
// runtime. EFI_NOT_FOUND: to be deleted, and not there. EFI_OUT_OF_RESOURCES: a quota.
// EFI_DEVICE_ERROR: the NVRAM failed; nothing is changed.
efi_status efi_vars_set(struct efi_vars *v, unsigned cpu, const struct efi_var_name *name,
                        uint32_t attributes, const void *data, size_t size);

// QueryVariableInfo(); bytes. EFI_UNSUPPORTED and EFI_INVALID_PARAMETER as for attributes above.
struct efi_vars_info {
    uint64_t storage, remaining, largest;
};
efi_status efi_vars_query(struct efi_vars *v, uint32_t attributes, struct efi_vars_info *out);

// GetNextHighMonotonicCount(). EFI_NOT_READY and EFI_DEVICE_ERROR as for efi_vars_set().
efi_status efi_vars_next_high_count(struct efi_vars *v, unsigned cpu, uint32_t *count);
