// SPDX-License-Identifier: Apache-2.0
// The application that is started when all is done: FILE [WORD...], in newel-park's folder, where
// '/' stands for '\\' in FILE.
#include "app.h"

#include "lib/bits.h"

#include <string.h>

#define CONFIG_NAME "newel-park.cfg"
#define WORDS_MAX   1024

struct next {
    char name[BOOT_NAME_MAX + 1];
    char words[WORDS_MAX];
};

// Up to the first blank or line end; the text behind it without leading blanks.
static const char *take_word(const char *text, size_t *len)
{
    *len = strcspn(text, " \t\r\n");
    return text + *len + strspn(text + *len, " \t\r\n");
}

// Firmware's shell gives the whole line, its boot manager what is behind the name alone.
static bool is_own_name(const struct loader *l, const char *word, size_t len)
{
    const uint16_t *own = l->path + l->path_len;
    size_t n = l->own_name_len;
    if (n == 0 || len < n || (len > n && strchr("\\/:", word[len - n - 1]) == NULL)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = word[len - n + i];
        if ((c | 0x20) != (own[i] | 0x20)) {
            return false;
        }
    }
    return true;
}

static efi_status parse(const struct loader *l, const char *text, struct next *next)
{
    size_t len;
    text += strspn(text, " \t\r\n");
    const char *rest = take_word(text, &len);
    if (is_own_name(l, text, len)) {
        text = rest;
        rest = take_word(text, &len);
    }
    if (len == 0) {
        return EFI_NOT_FOUND;
    }
    if (len > BOOT_NAME_MAX || strlen(rest) >= WORDS_MAX) {
        return efi_fail(l, EFI_INVALID_PARAMETER, "what to start has too long a name, or words");
    }
    memcpy(next->name, text, len);
    next->name[len] = '\0';
    len = strlen(rest);
    while (len > 0 && strchr(" \t\r\n", rest[len - 1]) != NULL) {
        len--;
    }
    memcpy(next->words, rest, len);
    next->words[len] = '\0';
    return EFI_SUCCESS;
}

static efi_status from_options(const struct loader *l, struct next *next)
{
    char text[WORDS_MAX + 2 * BOOT_NAME_MAX] = "";
    size_t n = 0;
    for (; n < l->loaded->options_size / 2 && n < sizeof(text) - 1; n++) {
        uint16_t c = l->loaded->options[n];
        text[n] = c < 0x80 ? (char)c : '?';
    }
    text[n] = '\0';
    return parse(l, text, next);
}

static efi_status from_file(struct loader *l, struct next *next)
{
    char text[WORDS_MAX + BOOT_NAME_MAX];
    struct mem_region file;
    efi_status status = efi_file_read(l, CONFIG_NAME, &file);
    if (status != EFI_SUCCESS) {
        return status == EFI_NOT_FOUND
                   ? efi_fail(l, status,
                              "nothing to start: neither in the load options nor in " CONFIG_NAME)
                   : status;
    }
    size_t len = MIN(file.size, sizeof(text) - 1);
    if (len != 0) {
        memcpy(text, (const void *)(uintptr_t)file.base, len);
    }
    text[len] = '\0';
    efi_free(l, &file);
    status = parse(l, text, next);
    return status == EFI_NOT_FOUND ? efi_fail(l, status, CONFIG_NAME " names nothing to start")
                                   : status;
}

// A device path of the file alone: one node and the end (10.3.1, 10.3.5.4).
static const struct efi_device_path *path_to(const struct loader *l, const char *name)
{
    static struct {
        struct efi_device_path node;
        uint16_t name[256 + BOOT_NAME_MAX + 1];
        struct efi_device_path end;
    } path;
    size_t n = l->path_len, size = sizeof(path) - sizeof(path.end);
    memcpy(path.name, l->path, n * sizeof(path.name[0]));
    for (size_t i = 0; i < strlen(name); i++) {
        path.name[n++] = name[i] == '/' ? '\\' : (uint8_t)name[i];
    }
    memset(path.name + n, 0, sizeof(path.name) - n * sizeof(path.name[0]));
    path.node = (struct efi_device_path){
        EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE, {(uint8_t)size, (uint8_t)(size >> 8)}};
    path.end = (struct efi_device_path){EFI_PATH_END, 0xff, {sizeof(path.end), 0}};
    return &path.node;
}

// Its words in UTF-16, and where it comes from: it may want more from there. Firmware that loads
// from memory does not know.
static void hand_over(const struct loader *l, const struct next *next,
                      struct efi_loaded_image *image)
{
    static uint16_t wide[WORDS_MAX];
    size_t len = strlen(next->words);
    for (size_t i = 0; i <= len; i++) {
        wide[i] = (uint8_t)next->words[i];
    }
    image->device = l->loaded->device;
    image->path = path_to(l, next->name);
    image->options = wide;
    image->options_size = len == 0 ? 0 : (uint32_t)(2 * (len + 1));
}

static efi_status start(struct loader *l, const struct next *next, struct mem_region *file)
{
    static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID;
    struct efi_boot_services *boot = l->system->boot;
    struct efi_loaded_image *image;
    efi_handle handle = NULL;
    efi_status status = boot->load_image(0, l->image, NULL, (const void *)(uintptr_t)file->base,
                                         file->size, &handle);
    efi_free(l, file); // it has been copied
    if (status == EFI_SUCCESS) {
        status = boot->handle_protocol(handle, &loaded_image, (void **)&image);
    }
    if (status != EFI_SUCCESS) {
        return efi_fail(l, status, "%s cannot be loaded", next->name);
    }
    hand_over(l, next, image);
    efi_say(l, "starts %s", next->name);
    status = boot->start_image(handle, NULL, NULL);
    return status == EFI_SUCCESS ? status : efi_fail(l, status, "%s has failed", next->name);
}

efi_status park_start_next(struct loader *l)
{
    static struct next next;
    struct mem_region file = {0, 0};
    efi_status status = efi_files_open(l);
    if (status != EFI_SUCCESS) {
        return status;
    }
    status = from_options(l, &next);
    status = status == EFI_NOT_FOUND ? from_file(l, &next) : status;
    if (status == EFI_SUCCESS) {
        status = efi_file_read(l, next.name, &file);
        if (status == EFI_NOT_FOUND) {
            efi_fail(l, status, "%s is not there", next.name);
        }
    }
    efi_files_close(l);
    return status != EFI_SUCCESS ? status : start(l, &next, &file);
}
