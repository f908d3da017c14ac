// SPDX-License-Identifier: Apache-2.0
// As much of UEFI as a loader needs (UEFI Specification 2.10; the chapter stands at each part).
// Calls are AAPCS64's (2.3.6), so function pointers need no attribute. Members that nobody here
// calls are void *.
#pragma once

#include "lib/efi.h"

#include <stdint.h>

typedef void *efi_handle;

// 7.2: memory
enum efi_allocate_type { EFI_ALLOCATE_ANY_PAGES = 0 };

struct efi_device_path;

// 7, 4.4
struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl, *restore_tpl;
    efi_status (*allocate_pages)(enum efi_allocate_type, enum efi_memory_type, uint64_t pages,
                                 uint64_t *address);
    efi_status (*free_pages)(uint64_t address, uint64_t pages);
    efi_status (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *distance,
                                 uint32_t *version);
    efi_status (*allocate_pool)(enum efi_memory_type, uint64_t size, void **buffer);
    efi_status (*free_pool)(void *buffer);
    void *events[6];
    void *install_interface, *reinstall_interface, *uninstall_interface;
    efi_status (*handle_protocol)(efi_handle, const struct efi_guid *, void **interface);
    void *reserved, *register_notify, *locate_handle, *locate_device_path;
    efi_status (*install_table)(const struct efi_guid *, void *table);
    efi_status (*load_image)(uint8_t boot_policy, efi_handle parent, const struct efi_device_path *,
                             const void *source, uint64_t size, efi_handle *image);
    efi_status (*start_image)(efi_handle image, uint64_t *data_size, uint16_t **data);
    void *exit, *unload_image;
    efi_status (*exit_boot_services)(efi_handle image, uint64_t map_key);
};

// 4.5
#define EFI_RUNTIME_SERVICES_SIGNATURE UINT64_C(0x56524553544e5552) // "RUNTSERV"

struct efi_runtime_services {
    struct efi_table_header header;
    uint64_t function[EFI_SERVICES]; // their addresses
};

// 12.4
struct efi_text_output {
    void *reset;
    efi_status (*output_string)(struct efi_text_output *, const uint16_t *text);
};

// 4.3
struct efi_configuration_table {
    struct efi_guid guid;
    void *table;
};

#define EFI_SYSTEM_TABLE_SIGNATURE UINT64_C(0x5453595320494249) // "IBI SYST"

struct efi_system_table {
    struct efi_table_header header;
    const uint16_t *vendor;
    uint32_t revision, pad;
    efi_handle in_handle;
    void *in;
    efi_handle out_handle;
    struct efi_text_output *out;
    efi_handle error_handle;
    struct efi_text_output *error;
    struct efi_runtime_services *runtime;
    struct efi_boot_services *boot;
    uint64_t table_count;
    struct efi_configuration_table *tables;
};

// 10.2; a file's name (10.3.5.4) is UTF-16 and ends with a NUL.
#define EFI_PATH_MEDIA      4
#define EFI_PATH_MEDIA_FILE 4
#define EFI_PATH_END        0x7f

struct efi_device_path {
    uint8_t type, subtype, length[2];
};

// 9.1
#define EFI_LOADED_IMAGE_GUID                              \
    {                                                      \
        0x5b1b31a1, 0x9562, 0x11d2,                        \
        {                                                  \
            0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b \
        }                                                  \
    }

struct efi_loaded_image {
    uint32_t revision, pad;
    efi_handle parent;
    struct efi_system_table *system;
    efi_handle device;
    const struct efi_device_path *path;
    void *reserved;
    uint32_t options_size, pad2;
    const uint16_t *options;
};

// 13.4, 13.5
#define EFI_FILE_SYSTEM_GUID                               \
    {                                                      \
        0x964e5b22, 0x6459, 0x11d2,                        \
        {                                                  \
            0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b \
        }                                                  \
    }
#define EFI_FILE_READ UINT64_C(1)
#define EFI_FILE_END  UINT64_MAX

struct efi_file {
    uint64_t revision;
    efi_status (*open)(struct efi_file *, struct efi_file **file, const uint16_t *name,
                       uint64_t mode, uint64_t attributes);
    efi_status (*close)(struct efi_file *);
    void *delete;
    efi_status (*read)(struct efi_file *, uint64_t *size, void *buffer);
    void *write;
    efi_status (*get_position)(struct efi_file *, uint64_t *position);
    efi_status (*set_position)(struct efi_file *, uint64_t position);
};

struct efi_file_system {
    uint64_t revision;
    efi_status (*open_volume)(struct efi_file_system *, struct efi_file **root);
};

// 4.6
#define EFI_ACPI_20_GUID                                   \
    {                                                      \
        0x8868e871, 0xe4f1, 0x11d3,                        \
        {                                                  \
            0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 \
        }                                                  \
    }
// 4.6.4
#define EFI_MEMORY_ATTRIBUTES_GUID                         \
    {                                                      \
        0xdcfa911d, 0x26eb, 0x469f,                        \
        {                                                  \
            0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20 \
        }                                                  \
    }

struct efi_memory_attributes {
    uint32_t version, entries; // version 1 or 2
    uint32_t distance, flags;  // of descriptors, in bytes
};

#define EFI_DEVICE_TREE_GUID                               \
    {                                                      \
        0xb1b621d5, 0xf19c, 0x41a5,                        \
        {                                                  \
            0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0 \
        }                                                  \
    }
