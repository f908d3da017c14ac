// SPDX-License-Identifier: Apache-2.0
// A store of owners' keys and values in the variables of the firmware that started Newel: each is
// one variable of a vendor of its own, "Newel0000" to "Newel03FF", with the owner and the key in
// its value. So an owner never names one of the firmware's variables, and each change is one
// SetVariable(), which lasts or not as a whole (UEFI 2.10, 8.2.3).
//
// Firmware need not take back the room of what was replaced before the machine starts anew (EDK2
// does not), and needs room itself: so what is written until then is bounded, and what there is at
// a time, for all and for each owner, and a part of the room is left alone. Nor does EDK2 take back
// any at the start while there is room for one large variable more. So whoever is the first that
// does not get any leaves a note, "NewelRoom", for the start, which uses that up
// (boot/efi/room.c).
//
// No lock: one caller at a time.
#pragma once

#include "lib/efi.h"
#include "nvram/record.h"

#include <stddef.h>

#define HOST_EFI_SLOTS  1024u
#define HOST_EFI_OWNERS 16u
// What a variable costs beside its name and its value, in bytes: EDK2's header has 60, and aligns.
#define HOST_EFI_HEADER 64u
// The part of all of the firmware's room that is left alone, and the part that the owners share for
// what they have at a time: one in so many.
#define HOST_EFI_RESERVE 4u
#define HOST_EFI_SHARED  2u

#define HOST_EFI_VENDOR                                    \
    {                                                      \
        0x83e126ee, 0x0377, 0x40c6,                        \
        {                                                  \
            0x9f, 0x6b, 0x4c, 0x19, 0x78, 0xa3, 0x85, 0x8f \
        }                                                  \
    }
// The note: the room that was left, in bytes.
#define HOST_EFI_NOTE u"NewelRoom"
struct host_efi_note {
    uint64_t left;
};

enum host_efi_phase { HOST_EFI_IDLE, HOST_EFI_FIND, HOST_EFI_ASK, HOST_EFI_SET, HOST_EFI_LEAVE };

struct host_efi_slot {
    uint64_t hash;       // of owner and key
    uint64_t owner_hash; // of the owner
    uint32_t cost;       // bytes of the firmware's room
    bool used;           // by a whole record
    bool foreign;        // by something else, which stays
};

struct host_efi_owner {
    char name[NV_OWNER_MAX];
    size_t size;
    uint64_t written; // bytes since the start
};

struct host_efi {
    efi_host_call_fn *run;
    uint8_t *buffer; // NV_RECORD_MAX bytes
    uint64_t hash_point;
    uint64_t reserve;       // bytes
    uint64_t budget, share; // an owner's: bytes written until the start, and at a time
    uint64_t largest;       // bytes, name and value
    unsigned used, damaged; // slots
    uint64_t size;          // bytes, of what is in the slots as it was mounted
    bool has_note;
    enum host_efi_phase phase;
    struct nv_item item;          // to be written
    struct nv_record header;      // its record's
    uint64_t hash;                // of it
    uint32_t slot;                // how far the search for it is
    struct host_efi_owner *owner; // whose it is
    bool calling;
    struct efi_host_call call;
    efi_char16 name[512]; // an argument of the call, with what follows
    struct efi_guid vendor;
    uint32_t attributes;
    uint64_t sizes[3];
    struct host_efi_note note;
    struct host_efi_slot slots[HOST_EFI_SLOTS];
    struct host_efi_owner owners[HOST_EFI_OWNERS];
};

// Finds what is there. run: each call of it ends at last. owners: how many will share what may be
// written, 1 to HOST_EFI_OWNERS. ERR_UNSUPPORTED: the firmware has no such services. ERR_IO: it
// does not tell what is there; h is of no use after either.
int host_efi_mount(struct host_efi *h, efi_host_call_fn *run, void *buffer, unsigned owners);

// As nv_log_put(), nv_log_step() and nv_log_next() (nvram/log.h); a step is a turn of one call. One
// that looks for a slot's value and has none yet returns false and leaves the cursor.
int host_efi_put(struct host_efi *h, const struct nv_item *item);
int host_efi_step(struct host_efi *h);
bool host_efi_next(struct host_efi *h, uint32_t *cursor, uint32_t slots, void *buffer,
                   struct nv_item *item);
