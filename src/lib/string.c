// SPDX-License-Identifier: Apache-2.0
// The string functions that EL2 and libfdt call, in general registers and with aligned accesses
// alone: a libc's use SIMD registers, which hold a guest's values, and unaligned accesses, which
// fault while the MMU is off. On the host, where unit tests run them, they have other names, so
// that the libc's (and its sanitizers) stay in charge.
#if __STDC_HOSTED__
#define memcpy  el2_memcpy
#define memmove el2_memmove
#define memset  el2_memset
#define memcmp  el2_memcmp
#define memchr  el2_memchr
#define strlen  el2_strlen
#define strnlen el2_strnlen
#define strcmp  el2_strcmp
#define strncmp el2_strncmp
#define strchr  el2_strchr
#define strrchr el2_strrchr
#endif

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

// Keeps the compiler from seeing memcpy in memcpy's own loop, and from vectors on the host.
#ifdef __clang__
#define PLAIN __attribute__((no_builtin))
#else
#define PLAIN __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

typedef uint64_t __attribute__((may_alias)) word_t;
typedef uint32_t __attribute__((may_alias)) half_t;

// How far from a multiple of 8 the one is from the other: 0 lets both be read in words.
static inline size_t skew(const void *a, const void *b)
{
    return ((uintptr_t)a ^ (uintptr_t)b) & 7;
}

static inline size_t to_alignment(const void *p, size_t n)
{
    size_t head = -(uintptr_t)p & 7;
    return head < n ? head : n;
}

// Four LDP and four STP a turn. Both aligned to 8; what is copied is a multiple of 64. dst may
// overlap src from below. Bytes copied.
PLAIN static size_t copy_lines(unsigned char *dst, const unsigned char *src, size_t n)
{
    word_t *d = (word_t *)(void *)dst;
    const word_t *s = (const word_t *)(const void *)src;
    size_t lines = n / 64;
    for (size_t i = 0; i < lines; i++, d += 8, s += 8) {
        uint64_t a = s[0], b = s[1], c = s[2], e = s[3], f = s[4], g = s[5], h = s[6], k = s[7];
        d[0] = a;
        d[1] = b;
        d[2] = c;
        d[3] = e;
        d[4] = f;
        d[5] = g;
        d[6] = h;
        d[7] = k;
    }
    return lines * 64;
}

PLAIN static size_t copy_words(unsigned char *dst, const unsigned char *src, size_t n)
{
    size_t done = copy_lines(dst, src, n);
    for (; n - done >= 8; done += 8) {
        *(word_t *)(void *)(dst + done) = *(const word_t *)(const void *)(src + done);
    }
    return done;
}

// Aligned to 4 only, as values in a device tree are.
PLAIN static size_t copy_halves(unsigned char *dst, const unsigned char *src, size_t n)
{
    size_t done = 0;
    for (; n - done >= 32; done += 32) {
        half_t *d = (half_t *)(void *)(dst + done);
        const half_t *s = (const half_t *)(const void *)(src + done);
        uint32_t a = s[0], b = s[1], c = s[2], e = s[3], f = s[4], g = s[5], h = s[6], k = s[7];
        d[0] = a;
        d[1] = b;
        d[2] = c;
        d[3] = e;
        d[4] = f;
        d[5] = g;
        d[6] = h;
        d[7] = k;
    }
    return done;
}

// Only bytes within src are read, so the first word is put together from them.
PLAIN static uint64_t first_bytes(const unsigned char *src, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)src[i] << (8 * i);
    }
    return v;
}

// dst aligned to 8, src not: its words are read whole and each written one is made of two. dst may
// overlap src from below.
PLAIN static size_t copy_shifted(unsigned char *dst, const unsigned char *src, size_t n)
{
    size_t head = -(uintptr_t)src & 7, done = 0; // 1 to 7 bytes up to src's next word
    if (n < 40) {
        return 0;
    }
    unsigned up = (unsigned)head * 8, down = 64 - up;
    uint64_t rest = first_bytes(src, head);
    for (; n - done >= 40; done += 32) {
        word_t *d = (word_t *)(void *)(dst + done);
        const word_t *s = (const word_t *)(const void *)(src + done + head);
        uint64_t a = s[0], b = s[1], c = s[2], e = s[3];
        d[0] = rest | a << up;
        d[1] = a >> down | b << up;
        d[2] = b >> down | c << up;
        d[3] = c >> down | e << up;
        rest = e >> down;
    }
    return done;
}

// Ascending, so that dst may overlap src from below.
PLAIN static void copy_up(unsigned char *dst, const unsigned char *src, size_t n)
{
    size_t done = 0;
    size_t apart = skew(dst, src);
    if (n >= 16) {
        for (size_t head = to_alignment(dst, n); done < head; done++) {
            dst[done] = src[done];
        }
        done += apart == 0         ? copy_words(dst + done, src + done, n - done)
                : (apart & 3) == 0 ? copy_halves(dst + done, src + done, n - done)
                                   : copy_shifted(dst + done, src + done, n - done);
    }
    for (; done < n; done++) {
        dst[done] = src[done];
    }
}

PLAIN static void copy_down(unsigned char *dst, const unsigned char *src, size_t n)
{
    if (skew(dst, src) == 0) {
        for (; n > 0 && ((uintptr_t)(dst + n) & 7) != 0; n--) {
            dst[n - 1] = src[n - 1];
        }
        for (; n >= 8; n -= 8) {
            *(word_t *)(void *)(dst + n - 8) = *(const word_t *)(const void *)(src + n - 8);
        }
    }
    for (; n > 0; n--) {
        dst[n - 1] = src[n - 1];
    }
}

PLAIN void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    copy_up(dst, src, n);
    return dst;
}

PLAIN void *memmove(void *dst, const void *src, size_t n)
{
    if ((uintptr_t)dst - (uintptr_t)src >= n) {
        copy_up(dst, src, n);
    } else {
        copy_down(dst, src, n);
    }
    return dst;
}

PLAIN static size_t set_words(unsigned char *dst, uint64_t v, size_t n)
{
    word_t *d = (word_t *)(void *)dst;
    size_t left = n / 8;
    for (; left >= 8; left -= 8, d += 8) {
        d[0] = d[1] = d[2] = d[3] = v;
        d[4] = d[5] = d[6] = d[7] = v;
    }
    for (; left > 0; left--) {
        *d++ = v;
    }
    return n & ~(size_t)7;
}

PLAIN void *memset(void *dst, int c, size_t n)
{
    unsigned char *d = dst;
    size_t done = 0;
    if (n >= 16) {
        for (size_t head = to_alignment(d, n); done < head; done++) {
            d[done] = (unsigned char)c;
        }
        done += set_words(d + done, (unsigned char)c * UINT64_C(0x0101010101010101), n - done);
    }
    for (; done < n; done++) {
        d[done] = (unsigned char)c;
    }
    return dst;
}

// Bytes from the start in which both agree, as far as whole words tell.
PLAIN static size_t equal_words(const unsigned char *a, const unsigned char *b, size_t n)
{
    size_t done = 0;
    if (((uintptr_t)a & 7) != 0 || ((uintptr_t)b & 7) != 0) {
        return 0;
    }
    while (n - done >= 8 &&
           *(const word_t *)(const void *)(a + done) == *(const word_t *)(const void *)(b + done)) {
        done += 8;
    }
    return done;
}

PLAIN int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;
    for (size_t i = equal_words(p, q, n); i < n; i++) {
        if (p[i] != q[i]) {
            return p[i] - q[i];
        }
    }
    return 0;
}

PLAIN void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == (unsigned char)c) {
            return (void *)(uintptr_t)(p + i);
        }
    }
    return NULL;
}

PLAIN size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n] != '\0') {
        n++;
    }
    return n;
}

PLAIN size_t strnlen(const char *s, size_t n)
{
    size_t len = 0;
    while (len < n && s[len] != '\0') {
        len++;
    }
    return len;
}

PLAIN int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i] || a[i] == '\0') {
            return (unsigned char)a[i] - (unsigned char)b[i];
        }
    }
    return 0;
}

PLAIN int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

PLAIN char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++) {
        if (*s == '\0') {
            return NULL;
        }
    }
    return (char *)(uintptr_t)s;
}

PLAIN char *strrchr(const char *s, int c)
{
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char)c) {
            last = s;
        }
        if (*s == '\0') {
            return (char *)(uintptr_t)last;
        }
    }
}
