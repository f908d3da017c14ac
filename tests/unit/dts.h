// SPDX-License-Identifier: Apache-2.0
// Device-tree source to blobs at test time, by dtc.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

// A whole file in memory of exactly its size, so that ASan sees a read beyond it. NULL if it is not
// there.
static inline void *read_whole_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(*size);
    size_t got = fread(data, 1, *size, f);
    fclose(f);
    assert(got == *size);
    return data;
}

static inline void write_whole_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert(f != NULL);
    size_t put = fwrite(data, 1, size, f);
    assert(put == size);
    fclose(f);
}

// -f: what dtc itself objects to is compiled all the same.
static inline void *compile_dts(const char *source, size_t *size)
{
    char dts[] = "/tmp/newel-unit-XXXXXX", dtb[64], command[200];
    int fd = mkstemp(dts);
    assert(fd >= 0);
    ssize_t put = write(fd, source, strlen(source));
    assert(put == (ssize_t)strlen(source));
    close(fd);
    snprintf(dtb, sizeof(dtb), "%s.dtb", dts);
    snprintf(command, sizeof(command), "dtc -q -q -f -I dts -O dtb -o %s %s 2>/dev/null", dtb, dts);
    int status = system(command);
    void *blob = status == 0 ? read_whole_file(dtb, size) : NULL;
    if (blob == NULL) {
        fprintf(stderr, "dtc failed on:\n%s\n", source);
        abort();
    }
    unlink(dts);
    unlink(dtb);
    return blob;
}

// source with the first occurrence of old, which has to be there, replaced. To be freed.
static inline char *replace(const char *source, const char *old, const char *new)
{
    const char *at = strstr(source, old);
    if (at == NULL) {
        fprintf(stderr, "not in the source: %s\n", old);
        abort();
    }
    size_t size = strlen(source) + strlen(new) + 1;
    char *result = malloc(size);
    snprintf(result, size, "%.*s%s%s", (int)(at - source), source, new, at + strlen(old));
    return result;
}
