// SPDX-License-Identifier: Apache-2.0
// What UEFI's two sides here have in common: Newel as an application of a machine's firmware
// (boot/efi/) and Newel as the firmware of a VM (call/). UEFI Specification 2.10; the section
// stands at each part.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t efi_status;
typedef uint16_t efi_char16;

// Appendix D
#define EFI_ERROR(n)           (UINT64_C(1) << 63 | (n))
#define EFI_SUCCESS            UINT64_C(0)
#define EFI_LOAD_ERROR         EFI_ERROR(1)
#define EFI_INVALID_PARAMETER  EFI_ERROR(2)
#define EFI_UNSUPPORTED        EFI_ERROR(3)
#define EFI_BUFFER_TOO_SMALL   EFI_ERROR(5)
#define EFI_NOT_READY          EFI_ERROR(6)
#define EFI_DEVICE_ERROR       EFI_ERROR(7)
#define EFI_WRITE_PROTECTED    EFI_ERROR(8)
#define EFI_OUT_OF_RESOURCES   EFI_ERROR(9)
#define EFI_NOT_FOUND          EFI_ERROR(14)
#define EFI_NO_MAPPING         EFI_ERROR(17)
#define EFI_SECURITY_VIOLATION EFI_ERROR(26)

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

// 4.2
struct efi_table_header {
    uint64_t signature;
    uint32_t revision, size, crc32, reserved;
};

// 7.2: types of memory
enum efi_memory_type {
    EFI_RESERVED = 0,
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_RUNTIME_SERVICES_CODE = 5,
    EFI_RUNTIME_SERVICES_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_MMIO = 11,
};

#define EFI_MEMORY_WB      (UINT64_C(1) << 3)
#define EFI_MEMORY_XP      (UINT64_C(1) << 14) // not to be executed
#define EFI_MEMORY_RO      (UINT64_C(1) << 17) // not to be written
#define EFI_MEMORY_SP      (UINT64_C(1) << 18) // for a purpose of its own
#define EFI_MEMORY_RUNTIME (UINT64_C(1) << 63)

// Descriptors follow each other at the distance that GetMemoryMap() gives, which may be more.
struct efi_memory_descriptor {
    uint32_t type, pad;
    uint64_t physical, virtual, pages, attribute;
};

// 8.3
struct efi_time {
    uint16_t year;                                  // 1900..9999
    uint8_t month, day, hour, minute, second, pad1; // 1..12, 1..31, 0..23, 0..59, 0..59
    uint32_t nanosecond;
    int16_t time_zone; // minutes, UTC less local time; or unspecified
    uint8_t daylight, pad2;
};

#define EFI_UNSPECIFIED_TIMEZONE 0x7ff

struct efi_time_capabilities {
    uint32_t resolution, accuracy; // Hz; parts in 10^12
    uint8_t sets_to_zero, pad[3];
};

// 8.5.1
enum efi_reset_type { EFI_RESET_COLD, EFI_RESET_WARM, EFI_RESET_SHUTDOWN, EFI_RESET_PLATFORM };

// 8.2.1: attributes of a variable
#define EFI_VARIABLE_NON_VOLATILE           0x01u
#define EFI_VARIABLE_BOOTSERVICE_ACCESS     0x02u
#define EFI_VARIABLE_RUNTIME_ACCESS         0x04u
#define EFI_VARIABLE_HARDWARE_ERROR         0x08u
#define EFI_VARIABLE_AUTHENTICATED          0x10u // deprecated
#define EFI_VARIABLE_TIME_AUTHENTICATED     0x20u
#define EFI_VARIABLE_APPEND_WRITE           0x40u
#define EFI_VARIABLE_ENHANCED_AUTHENTICATED 0x80u

// The runtime services, in the order of their table (4.5).
enum efi_service {
    EFI_GET_TIME,
    EFI_SET_TIME,
    EFI_GET_WAKEUP_TIME,
    EFI_SET_WAKEUP_TIME,
    EFI_SET_VIRTUAL_ADDRESS_MAP,
    EFI_CONVERT_POINTER,
    EFI_GET_VARIABLE,
    EFI_GET_NEXT_VARIABLE_NAME,
    EFI_SET_VARIABLE,
    EFI_GET_NEXT_HIGH_MONOTONIC_COUNT,
    EFI_RESET_SYSTEM,
    EFI_UPDATE_CAPSULE,
    EFI_QUERY_CAPSULE_CAPABILITIES,
    EFI_QUERY_VARIABLE_INFO,
    EFI_SERVICES
};

// One of the machine's firmware's, as Newel calls it.
struct efi_host_call {
    enum efi_service service;
    uint64_t argument[5];
    efi_status status; // when it has ended
};

// Goes on with a call, zero but for service and argument at first, for a bounded time. True: it has
// ended. False: it is to be called again with the same call, and with no other before. What the
// arguments point to is the firmware's until then.
typedef bool efi_host_call_fn(struct efi_host_call *call);

// 3.3
#define EFI_GLOBAL_VARIABLE_GUID                           \
    {                                                      \
        0x8be4df61, 0x93ca, 0x11d2,                        \
        {                                                  \
            0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c \
        }                                                  \
    }

// 32.6.1
#define EFI_IMAGE_SECURITY_DATABASE_GUID                   \
    {                                                      \
        0xd719b2cb, 0x3d3a, 0x4596,                        \
        {                                                  \
            0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f \
        }                                                  \
    }
