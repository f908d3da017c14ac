// SPDX-License-Identifier: Apache-2.0
#include "mem/guest.h"

#include "lib/bits.h"
#include "lib/error.h"

// What to do with each piece of the range, a piece being what one descriptor maps.
typedef void piece_fn(const struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size,
                      void *state);

// Every change of guest memory by EL2 ends here, with the lock held. The place where mem/coherence
// learns of it.
static void written(const struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size)
{
    (void)s2, (void)e, (void)at, (void)size;
}

static void copy_out(const struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size,
                     void *state)
{
    char **to = state;

    (void)s2, (void)at;
    __builtin_memcpy(*to, hpa_ptr(e->pa), size);
    *to += size;
}

static void copy_in(const struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size,
                    void *state)
{
    const char **from = state;

    __builtin_memcpy(hpa_ptr(e->pa), *from, size);
    *from += size;
    written(s2, e, at, size);
}

static void clear(const struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size,
                  void *state)
{
    (void)state;
    __builtin_memset(hpa_ptr(e->pa), 0, size);
    written(s2, e, at, size);
}

// Passes over the range piece by piece; without fn it only checks.
static int for_pieces(const struct stage2 *s2, gpa_t at, size_t size, enum s2_rights need,
                      piece_fn *fn, void *state)
{
    while (size > 0) {
        struct s2_entry e;

        if (stage2_lookup(s2, at, &e) != 0 || e.type != S2_NORMAL) {
            return ERR_RANGE;
        }
        if ((e.rights & need) != need) {
            return ERR_ACCESS;
        }
        size_t n = (size_t)MIN((uint64_t)size, e.size - (at.v & (e.size - 1)));

        if (fn != NULL) {
            fn(s2, &e, at, n, state);
        }
        at = gpa_add(at, n);
        size -= n;
    }
    return 0;
}

static int access(struct stage2 *s2, gpa_t at, size_t size, enum s2_rights need, piece_fn *fn,
                  void *state)
{
    if (size == 0) {
        return 0;
    }
    if (!range_fits(at.v, size, BIT(s2->ipa_bits))) {
        return ERR_RANGE;
    }
    spin_lock(&s2->lock);
    int err = for_pieces(s2, at, size, need, NULL, NULL);

    if (err == 0) {
        err = for_pieces(s2, at, size, need, fn, state);
    }
    spin_unlock(&s2->lock);
    return err;
}

int guest_read(struct stage2 *s2, void *to, gpa_t from, size_t size)
{
    char *next = to;

    return access(s2, from, size, S2_R, copy_out, &next);
}

int guest_write(struct stage2 *s2, gpa_t to, const void *from, size_t size)
{
    const char *next = from;

    return access(s2, to, size, S2_W, copy_in, &next);
}

int guest_zero(struct stage2 *s2, gpa_t to, size_t size)
{
    return access(s2, to, size, S2_W, clear, NULL);
}
