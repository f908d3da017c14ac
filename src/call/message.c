// SPDX-License-Identifier: Apache-2.0
#include "call/message.h"

#include "lib/error.h"

struct tools {
    owner_t owner;
    hpa_t memory;
};

struct tools *tools_create(const struct vm_config *config, owner_t owner)
{
    hpa_t memory;
    (void)config;
    if (frames_alloc(owner, 1, 1, &memory) != 0) {
        return NULL;
    }
    struct tools *t = hpa_ptr(memory);
    *t = (struct tools){.owner = owner, .memory = memory};
    return t;
}

void tools_reset(struct tools *t)
{
    (void)t;
}

void tools_destroy(struct tools *t)
{
    frames_free(t->owner, t->memory, 1);
}

// NOLINTNEXTLINE(readability-non-const-parameter)
void message_low(struct tools *t, uint64_t x[7], bool privileged)
{
    (void)t;
    (void)privileged;
    x[2] &= 0xffff;
}

void *message_high_begin(struct tools *t, const uint64_t x[7], bool out, size_t *size)
{
    (void)t;
    (void)x;
    (void)out;
    *size = 0;
    return NULL;
}

void message_high_end(struct tools *t, uint64_t x[7], bool out, bool complete)
{
    (void)t;
    (void)x;
    (void)out;
    (void)complete;
}
