// SPDX-License-Identifier: Apache-2.0
#include "mem/guest.h"

#include "lib/bits.h"
#include "lib/error.h"
#include "mem/gpa_hash.h"

// What to do with each piece of the range, a piece being what one descriptor maps; done bytes came
// before it. By value and in line, so that the compiler knows the function where there is one piece
// alone.
struct access {
    enum s2_rights need;
    void (*piece)(void *memory, size_t size, size_t done, uintptr_t buffer);
    uintptr_t buffer;
};

// Most of what is copied on a guest's behalf is a word or two.
static inline void copy(void *to, const void *from, size_t size)
{
    typedef uint64_t __attribute__((may_alias)) word_t;
    word_t *t = to;
    const word_t *f = from;

    if (((uintptr_t)to | (uintptr_t)from) % sizeof(*t) != 0 || (size != 16 && size != 8)) {
        __builtin_memcpy(to, from, size);
        return;
    }
    t[0] = f[0];
    if (size == 16) {
        t[1] = f[1];
    }
}

static inline void copy_out(void *memory, size_t size, size_t done, uintptr_t buffer)
{
    copy((char *)buffer + done, memory, size);
}

static inline void copy_in(void *memory, size_t size, size_t done, uintptr_t buffer)
{
    copy(memory, (const char *)buffer + done, size);
}

static void clear(void *memory, size_t size, size_t done, uintptr_t buffer)
{
    (void)done;
    (void)buffer;
    __builtin_memset(memory, 0, size);
}

static int look_up(struct stage2 *s2, gpa_t at, struct s2_entry *e)
{
    return s2->hash != NULL ? gpa_hash_lookup(s2->hash, s2, at, e) : stage2_lookup(s2, at, e);
}

static inline int find(struct stage2 *s2, gpa_t at, struct s2_entry *e)
{
    int err = look_up(s2, at, e);

    if ((err != 0 || e->suspended) && s2->hooks != NULL) {
        err = s2->hooks->missing(s2, at);
        err = err == 0 ? look_up(s2, at, e) : err;
    }
    return err == 0 && e->type == S2_NORMAL ? 0 : ERR_RANGE;
}

// The one place where EL2 touches a guest's memory. The caches are told before and after.
static inline void touch(struct stage2 *s2, struct access a, const struct s2_entry *e, gpa_t at,
                         size_t size, size_t done)
{
    bool write = a.need == S2_W;

    if (s2->hooks != NULL) {
        s2->hooks->before(s2, e, at, size, write);
    }
    a.piece(hpa_ptr(e->pa), size, done, a.buffer);
    if (s2->hooks != NULL) {
        s2->hooks->after(s2, e, at, size, write);
    }
}

static int for_pieces(struct stage2 *s2, gpa_t at, size_t size, struct access a, bool check)
{
    for (size_t done = 0; done < size;) {
        struct s2_entry e;
        int err = find(s2, at, &e);

        if (err != 0) {
            return err;
        }
        if ((e.rights & a.need) != a.need) {
            return ERR_ACCESS;
        }
        size_t n = (size_t)MIN((uint64_t)(size - done), e.size - (at.v & (e.size - 1)));

        if (!check) {
            touch(s2, a, &e, at, n, done);
        }
        at = gpa_add(at, n);
        done += n;
    }
    return 0;
}

static OUTLINE int access_pieces(struct stage2 *s2, gpa_t at, size_t size, struct access a)
{
    int err = for_pieces(s2, at, size, a, true);

    return err == 0 && a.piece != NULL ? for_pieces(s2, at, size, a, false) : err;
}

// All of it within what one descriptor maps.
static inline int access_piece(struct stage2 *s2, gpa_t at, size_t size, struct access a,
                               const struct s2_entry *e)
{
    if ((e->rights & a.need) != a.need) {
        return ERR_ACCESS;
    }
    if (a.piece != NULL) {
        touch(s2, a, e, at, size, 0);
    }
    return 0;
}

// A piece of NULL: it is only asked whether it could be done.
static inline __attribute__((always_inline)) int access(struct stage2 *s2, gpa_t at, size_t size,
                                                        struct access a)
{
    if (size == 0) {
        return 0;
    }
    if (!range_fits(at.v, size, BIT(s2->ipa_bits))) {
        return ERR_RANGE;
    }
    struct s2_entry e;
    spin_lock(&s2->lock);
    int err = find(s2, at, &e);

    if (err == 0 && size <= e.size - (at.v & (e.size - 1))) {
        err = access_piece(s2, at, size, a, &e);
    } else if (err == 0) {
        err = access_pieces(s2, at, size, a);
    }
    spin_unlock(&s2->lock);
    return err;
}

int guest_read(struct stage2 *s2, void *to, gpa_t from, size_t size)
{
    return access(s2, from, size, (struct access){S2_R, copy_out, (uintptr_t)to});
}

int guest_write(struct stage2 *s2, gpa_t to, const void *from, size_t size)
{
    return access(s2, to, size, (struct access){S2_W, copy_in, (uintptr_t)from});
}

int guest_writable(struct stage2 *s2, gpa_t to, size_t size)
{
    return access(s2, to, size, (struct access){S2_W, NULL, 0});
}

int guest_zero(struct stage2 *s2, gpa_t to, size_t size)
{
    return access(s2, to, size, (struct access){S2_W, clear, 0});
}
