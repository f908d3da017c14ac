// SPDX-License-Identifier: Apache-2.0
// Files beside the one that firmware started (UEFI 2.10, 13.4 and 13.5).
#include "boot/efi/loader.h"

#include "lib/bits.h"
#include "lib/error.h"

#include <string.h>

#define PATH_MAX 256

efi_status efi_pages(const struct loader *l, enum efi_memory_type type, uint64_t size,
                     uint64_t align, struct mem_region *out)
{
    struct efi_boot_services *boot = l->system->boot;
    uint64_t base, slack = align - PAGE_SIZE, whole = align_up(size, PAGE_SIZE);
    *out = (struct mem_region){0, 0};
    efi_status status =
        boot->allocate_pages(EFI_ALLOCATE_ANY_PAGES, type, (whole + slack) / PAGE_SIZE, &base);
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "no memory: %lu KiB were wanted", (unsigned long)(whole >> 10));
    }
    uint64_t start = align_up(base, align);
    if (start != base) {
        boot->free_pages(base, (start - base) / PAGE_SIZE);
    }
    if (base + slack != start) {
        boot->free_pages(start + whole, (base + slack - start) / PAGE_SIZE);
    }
    *out = (struct mem_region){start, size};
    return EFI_SUCCESS;
}

void efi_free(const struct loader *l, struct mem_region *pages)
{
    if (pages->size != 0) {
        l->system->boot->free_pages(pages->base, align_up(pages->size, PAGE_SIZE) / PAGE_SIZE);
        pages->size = 0;
    }
}

// Appends what a node of the device path says; names of several nodes make up one path (10.3.5.4).
static efi_status append(struct loader *l, const uint8_t *name, size_t bytes)
{
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        uint16_t c = (uint16_t)(name[i] | name[i + 1] << 8);
        if (c == 0) {
            break;
        }
        if (l->path_len == PATH_MAX - 2) {
            return EFI_UNSUPPORTED;
        }
        l->path[l->path_len++] = c;
    }
    return EFI_SUCCESS;
}

static efi_status read_path(struct loader *l)
{
    const uint8_t *node = (const uint8_t *)l->loaded->path;
    efi_status status = EFI_SUCCESS;
    l->path_len = l->own_name_len = 0;
    while (node != NULL && (node[0] & 0x7f) != EFI_PATH_END && status == EFI_SUCCESS) {
        size_t len = (size_t)(node[2] | node[3] << 8);
        if (len < sizeof(struct efi_device_path)) {
            return EFI_UNSUPPORTED;
        }
        if (node[0] == EFI_PATH_MEDIA && node[1] == EFI_PATH_MEDIA_FILE) {
            if (l->path_len > 0 && l->path[l->path_len - 1] != '\\') {
                l->path[l->path_len++] = '\\';
            }
            status = append(l, node + 4, len - 4);
        }
        node += len;
    }
    while (l->path_len > 0 && l->path[l->path_len - 1] != '\\') {
        l->path_len--; // Newel's own name
        l->own_name_len++;
    }
    return status;
}

efi_status efi_files_open(struct loader *l)
{
    static const struct efi_guid file_system = EFI_FILE_SYSTEM_GUID;
    struct efi_file_system *fs;
    efi_status status = read_path(l);
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "the path that Newel was started by is too long, or damaged");
    }
    status = l->system->boot->handle_protocol(l->loaded->device, &file_system, (void **)&fs);
    if (status == EFI_SUCCESS) {
        status = fs->open_volume(fs, &l->root);
    }
    if (status != EFI_SUCCESS) {
        l->root = NULL;
        return efi_fail(l, status, "what Newel was started from has no files");
    }
    return EFI_SUCCESS;
}

void efi_files_close(struct loader *l)
{
    if (l->root != NULL) {
        l->root->close(l->root);
        l->root = NULL;
    }
}

static efi_status open_file(struct loader *l, const char *name, struct efi_file **file)
{
    uint16_t path[PATH_MAX + BOOT_NAME_MAX + 1];
    size_t n = l->path_len;
    memcpy(path, l->path, n * sizeof(path[0]));
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (i == BOOT_NAME_MAX) {
            return EFI_NOT_FOUND;
        }
        path[n++] = name[i] == '/' ? '\\' : (uint8_t)name[i];
    }
    path[n] = 0;
    return l->root->open(l->root, file, path, EFI_FILE_READ, 0);
}

// A folder has no such size: its position cannot be set there.
static efi_status size_of(struct efi_file *file, uint64_t *size)
{
    efi_status status = file->set_position(file, EFI_FILE_END);
    status = status != EFI_SUCCESS ? status : file->get_position(file, size);
    return status != EFI_SUCCESS ? status : file->set_position(file, 0);
}

static efi_status read_all(struct efi_file *file, const struct mem_region *at)
{
    uint64_t done = 0;
    while (done < at->size) {
        uint64_t n = at->size - done;
        efi_status status = file->read(file, &n, (void *)(uintptr_t)(at->base + done));
        if (status != EFI_SUCCESS) {
            return status;
        }
        if (n == 0) {
            return EFI_DEVICE_ERROR; // it has become shorter
        }
        done += n;
    }
    return EFI_SUCCESS;
}

efi_status efi_file_read(struct loader *l, const char *name, struct mem_region *out)
{
    struct efi_file *file;
    *out = (struct mem_region){0, 0};
    efi_status status = open_file(l, name, &file);
    if (status == EFI_NOT_FOUND) {
        return status;
    }
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "%s cannot be opened", name);
    }
    uint64_t size = 0;
    status = size_of(file, &size);
    if (status != EFI_SUCCESS) {
        efi_fail(l, status, "%s is no file", name);
    } else if (size != 0) {
        status = efi_pages(l, EFI_LOADER_DATA, size, PAGE_SIZE, out);
        if (status == EFI_SUCCESS) {
            status = read_all(file, out);
            if (status != EFI_SUCCESS) {
                efi_free(l, out);
                efi_fail(l, status, "%s cannot be read", name);
            }
        }
    }
    file->close(file);
    return status;
}
