// SPDX-License-Identifier: Apache-2.0
#include "vm/watch.h"

#include "lib/spinlock.h"
#include "vm/vm.h"

static struct {
    struct spinlock lock;
    struct watch list[WATCH_MOST]; // of all VMs, in the order in which they were added
    size_t count;
} watched;

static bool is_alive(const struct watch *w)
{
    return w->life == vm_life(w->vm);
}

static void remove(size_t n)
{
    watched.count--;
    for (; n < watched.count; n++) {
        watched.list[n] = watched.list[n + 1];
    }
}

static void forget_the_dead(void)
{
    for (size_t n = watched.count; n-- > 0;) {
        if (!is_alive(&watched.list[n])) {
            remove(n);
        }
    }
}

bool watch_add(const struct watch *w)
{
    spin_lock(&watched.lock);
    forget_the_dead();
    bool fits = watched.count < WATCH_MOST;
    if (fits) {
        watched.list[watched.count++] = *w;
    }
    spin_unlock(&watched.lock);
    return fits;
}

bool watch_get(const struct vm *vm, size_t n, struct watch *out)
{
    bool found = false;

    spin_lock(&watched.lock);
    forget_the_dead();
    for (size_t i = 0; i < watched.count && !found; i++) {
        found = watched.list[i].vm == vm && n-- == 0;
        *out = watched.list[i];
    }
    spin_unlock(&watched.lock);
    return found;
}

void watch_remove(const struct watch *w)
{
    spin_lock(&watched.lock);
    for (size_t n = watched.count; n-- > 0;) {
        const struct watch *other = &watched.list[n];

        if (other->vm == w->vm && other->ipa.v == w->ipa.v && other->life == w->life) {
            remove(n);
        }
    }
    spin_unlock(&watched.lock);
}

bool watch_find(const struct vm *vm, gpa_t at, struct watch *out)
{
    bool found = false;

    spin_lock(&watched.lock);
    for (size_t i = 0; i < watched.count && !found; i++) {
        const struct watch *w = &watched.list[i];

        found = w->vm == vm && at.v - w->ipa.v < w->size && is_alive(w);
        *out = *w;
    }
    spin_unlock(&watched.lock);
    return found;
}
