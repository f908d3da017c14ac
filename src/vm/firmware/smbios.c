// SPDX-License-Identifier: Apache-2.0
#include "vm/firmware/smbios.h"

#include "lib/bits.h"
#include "vm/guest_fdt.h"
#include "vm/uuid.h"

#include <string.h>

#define VERSION_MAJOR 3
#define VERSION_MINOR 3

// Clause 7; the rest of what they ask for is not a VM's.
enum {
    TYPE_BIOS = 0,
    TYPE_SYSTEM = 1,
    TYPE_CHASSIS = 3,
    TYPE_PROCESSOR = 4,
    TYPE_MEMORY_ARRAY = 16,
    TYPE_MEMORY_DEVICE = 17,
    TYPE_MEMORY_MAPPED = 19,
    TYPE_BOOT = 32,
    TYPE_END = 127,
};

#define HANDLE(type) ((uint16_t)((type) << 8))
#define NO_HANDLE    0xfffe // no error information

#define KIB_SHIFT 10
#define MIB_SHIFT 20

// Who made the machine. VMware's guests know their hypervisor by the first two (systemd's
// detect-virt, cloud-init).
static const struct maker {
    const char *vendor, *product, *version;
} makers[] = {
    [false] = {"Newel", "Newel virtual machine", "1"},
    [true] = {"VMware, Inc.", "VMware20,1", "None"},
};

struct structure {
    uint32_t at;
};

static struct structure begin(struct image *m, uint8_t type, uint8_t size)
{
    struct structure s = {m->used};
    image_u8(m, type);
    image_u8(m, size);
    image_u16(m, HANDLE(type));
    return s;
}

static void put_text(struct image *m, const char *text)
{
    image_bytes(m, text, (uint32_t)strlen(text) + 1);
}

// After the last string, or two where there is none (6.1.3).
static void end(struct image *m, bool strings)
{
    image_u8(m, 0);
    if (!strings) {
        image_u8(m, 0);
    }
}

static void put_bios(struct image *m, const struct maker *by)
{
    begin(m, TYPE_BIOS, 26);
    image_u8(m, 1);  // vendor
    image_u8(m, 2);  // version
    image_u16(m, 0); // no segment
    image_u8(m, 3);  // date
    image_u8(m, 0);
    image_u64(m, BIT(3));    // characteristics: not told
    image_u16(m, 0x18 << 8); // UEFI; a virtual machine
    image_u16(m, 0x0001);    // release 1.0
    image_u16(m, 0xffff);    // no embedded controller
    image_u16(m, 0);
    put_text(m, by->vendor);
    put_text(m, "1.0");
    put_text(m, "01/01/2026");
    end(m, true);
}

// 7.2.1: the first three fields are little-endian, and so read as the text that the operator knows.
static void put_uuid(struct image *m, const struct vm_config *config)
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t uuid[16];
    vm_uuid(config, uuid);
    for (unsigned i = 0; i < 16; i++) {
        image_u8(m, uuid[order[i]]);
    }
}

static void put_system(struct image *m, const struct maker *by, const struct vm_config *config)
{
    begin(m, TYPE_SYSTEM, 27);
    image_u8(m, 1); // manufacturer
    image_u8(m, 2); // product
    image_u8(m, 3); // version
    image_u8(m, 4); // serial number
    put_uuid(m, config);
    image_u8(m, 6);  // woken up by its power switch
    image_u16(m, 0); // neither SKU nor family
    put_text(m, by->vendor);
    put_text(m, by->product);
    put_text(m, by->version);
    put_text(m, config->name);
    end(m, true);
}

static void put_chassis(struct image *m, const struct maker *by)
{
    begin(m, TYPE_CHASSIS, 22);
    image_u8(m, 1); // manufacturer
    image_u8(m, 1); // type: other
    (void)image_take(m, 3);
    image_u8(m, 3);         // boot-up state: safe
    image_u8(m, 3);         // power supply
    image_u8(m, 3);         // thermal
    image_u8(m, 2);         // security: not known
    (void)image_take(m, 9); // OEM's, height, cords, elements, SKU
    put_text(m, by->vendor);
    end(m, true);
}

static void put_processor(struct image *m, const struct firmware_params *p)
{
    uint8_t cpus = (uint8_t)p->config->cpus;
    begin(m, TYPE_PROCESSOR, 48);
    image_u8(m, 1);         // socket
    image_u8(m, 3);         // a central processor
    image_u8(m, 0xfe);      // family: see below
    image_u8(m, 2);         // manufacturer
    image_u64(m, p->midr);  // 7.5.3.3
    image_u8(m, 0);         // version
    (void)image_take(m, 7); // voltage, clocks: not known
    image_u8(m, 0x41);      // in its socket, enabled
    image_u8(m, 1);         // upgrade: other
    image_u16(m, 0xffff);   // caches: none told
    image_u32(m, 0xffffffff);
    (void)image_take(m, 3); // serial number, asset tag, part number
    image_u8(m, cpus);      // cores
    image_u8(m, cpus);      // enabled
    image_u8(m, cpus);      // threads
    image_u16(m, 0x0c);     // 64-bit, of several cores
    image_u16(m, 0x101);    // family: ARMv8
    image_u16(m, cpus);
    image_u16(m, cpus);
    image_u16(m, cpus);
    put_text(m, "CPU 0");
    put_text(m, "Arm");
    end(m, true);
}

static void put_memory_array(struct image *m, uint64_t bytes)
{
    begin(m, TYPE_MEMORY_ARRAY, 23);
    image_u8(m, 1);           // location: other
    image_u8(m, 3);           // system memory
    image_u8(m, 6);           // ECC, as the host has it
    image_u32(m, 0x80000000); // capacity: see below
    image_u16(m, NO_HANDLE);
    image_u16(m, 1); // device
    image_u64(m, bytes);
    end(m, false);
}

static void put_memory_device(struct image *m, const struct maker *by, uint64_t bytes)
{
    uint64_t mib = bytes >> MIB_SHIFT;
    begin(m, TYPE_MEMORY_DEVICE, 40);
    image_u16(m, HANDLE(TYPE_MEMORY_ARRAY));
    image_u16(m, NO_HANDLE);
    image_u32(m, 0xffffffff); // widths: not known
    image_u16(m, mib < 0x7fff ? (uint16_t)mib : 0x7fff);
    image_u8(m, 9);         // DIMM
    image_u8(m, 0);         // of no set
    image_u8(m, 1);         // locator
    image_u8(m, 0);         // bank
    image_u8(m, 7);         // RAM
    image_u16(m, BIT(1));   // other
    image_u16(m, 0);        // speed
    image_u8(m, 2);         // manufacturer
    (void)image_take(m, 4); // serial number to attributes
    image_u32(m, mib < 0x7fff ? 0 : (uint32_t)mib);
    (void)image_take(m, 8);
    put_text(m, "RAM");
    put_text(m, by->vendor);
    end(m, true);
}

static void put_memory_mapped(struct image *m, uint64_t bytes)
{
    begin(m, TYPE_MEMORY_MAPPED, 31);
    image_u32(m, (uint32_t)(VM_RAM_BASE >> KIB_SHIFT));
    image_u32(m, (uint32_t)((VM_RAM_BASE + bytes - 1) >> KIB_SHIFT));
    image_u16(m, HANDLE(TYPE_MEMORY_ARRAY));
    image_u8(m, 1); // device a row
    (void)image_take(m, 16);
    end(m, false);
}

static void put_boot(struct image *m)
{
    begin(m, TYPE_BOOT, 11);
    (void)image_take(m, 7); // no errors
    end(m, false);
}

static void put_structures(struct image *m, const struct firmware_params *p)
{
    const struct maker *by = &makers[p->config->guest_tools];
    put_bios(m, by);
    put_system(m, by, p->config);
    put_chassis(m, by);
    put_processor(m, p);
    put_memory_array(m, p->config->memory);
    put_memory_device(m, by, p->config->memory);
    put_memory_mapped(m, p->config->memory);
    put_boot(m);
    begin(m, TYPE_END, 4);
    end(m, false);
}

uint64_t firmware_smbios(struct image *m, const struct firmware_params *p)
{
    image_align(m, 16);
    uint32_t first = m->used;
    put_structures(m, p);
    uint32_t size = m->used - first;
    image_align(m, 16);
    uint32_t at = m->used; // 5.2.2
    image_bytes(m, "_SM3_", 5);
    image_u8(m, 0);
    image_u8(m, 24);
    image_u8(m, VERSION_MAJOR);
    image_u8(m, VERSION_MINOR);
    image_u8(m, 0);
    image_u8(m, 1); // revision of this structure
    image_u8(m, 0);
    image_u32(m, size);
    image_u64(m, m->address + first);
    image_patch(m, at + 5, image_checksum(m, at), 1);
    return m->address + at;
}
