// SPDX-License-Identifier: Apache-2.0
#include "boot/platform_build.h"

#include "lib/error.h"

#include <string.h>

int platform_add_cpu(struct platform *p, uint64_t mpidr)
{
    for (size_t i = 0; i < p->cpu_count; i++) {
        if (p->cpu[i].mpidr == mpidr) {
            return ERR_EXISTS;
        }
    }
    if (p->cpu_count == MAX_CPUS) {
        p->cpus_ignored++;
        return ERR_RANGE;
    }
    p->cpu[p->cpu_count++].mpidr = mpidr;
    return 0;
}

int platform_reserve(struct platform *p, struct mem_region region)
{
    if (p->reserved_count == FRAMES_MAX_REGIONS) {
        return ERR_RANGE;
    }
    p->reserved[p->reserved_count++] = region;
    return 0;
}

int platform_keep_start(struct platform *p)
{
    uint64_t base, size;
    if (!cpu_start_reaches(&p->cpu[p->cpu_count - 1].start, &base, &size)) {
        return 0;
    }
    for (size_t i = 0; i < p->reserved_count; i++) {
        const struct mem_region *m = &p->reserved[i];
        if (base >= m->base && base - m->base < m->size && size <= m->size - (base - m->base)) {
            return 0;
        }
        if (m->base + m->size == base) { // mailboxes follow each other
            p->reserved[i].size += size;
            return 0;
        }
    }
    return platform_reserve(p, (struct mem_region){base, size});
}

int platform_find_file(const struct platform *p, const char *name, struct blob *file)
{
    for (size_t i = 0; i < p->file_count; i++) {
        if (strcmp(p->file[i].name, name) == 0) {
            *file = (struct blob){hpa_ptr(hpa(p->file[i].at.base)), p->file[i].at.size};
            return 0;
        }
    }
    return ERR_NOENT;
}

static int check_ppis(const struct platform *p, const struct complaint *c)
{
    const struct host_ppis *ppi = &p->gic.ppi;
    const uint32_t id[] = {ppi->maintenance, ppi->virtual_timer, ppi->el2_timer,
                           ppi->physical_timer};
    uint32_t seen = 0;
    for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
        if ((seen & BIT(id[i])) != 0) {
            return complain(c, "interrupt %u is named twice among the timers and the GIC", id[i]);
        }
        seen |= (uint32_t)BIT(id[i]);
    }
    return 0;
}

static bool has_gicv2(const struct platform *p, const struct mem_region *m)
{
    const struct gic_config *g = &p->gic;
    return g->version == 2 &&
           (ranges_overlap(m->base, m->size, g->cpu_interface.v, GICV2_CPU_SIZE) ||
            ranges_overlap(m->base, m->size, g->hyp_interface.v, PAGE_SIZE) ||
            ranges_overlap(m->base, m->size, g->vcpu_interface.v, PAGE_SIZE));
}

static bool has_device(const struct platform *p, const struct mem_region *m)
{
    bool hit = ranges_overlap(m->base, m->size, p->gic.dist.v, p->gic.dist_size) ||
               has_gicv2(p, m) || ranges_overlap(m->base, m->size, p->uart.base.v, p->uart.size) ||
               ranges_overlap(m->base, m->size, p->rtc.v, p->rtc.v != 0 ? PAGE_SIZE : 0) ||
               ranges_overlap(m->base, m->size, p->pm.v, p->pm.v != 0 ? PAGE_SIZE : 0);
    for (size_t i = 0; i < p->gic.rdist_count; i++) {
        hit |= ranges_overlap(m->base, m->size, p->gic.rdist[i].base.v, p->gic.rdist[i].size);
    }
    return hit;
}

int platform_check(const struct platform *p, const struct complaint *c)
{
    int err = check_ppis(p, c);
    for (size_t i = 0; i < p->ram_count && err == 0; i++) {
        const struct mem_region *m = &p->ram[i];
        if (has_device(p, m)) {
            err =
                complain(c, "memory at 0x%lx, 0x%lx bytes, has the GIC, the UART or the RTC in it",
                         (unsigned long)m->base, (unsigned long)m->size);
        }
    }
    return err;
}

static bool is_word(const char *word, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(word, wanted, len) == 0;
}

static int read_word(struct platform *p, const char *word, size_t len, const char *where,
                     const struct complaint *c)
{
    if (len < 6 || memcmp(word, "newel.", 6) != 0) {
        return 0;
    }
    if (is_word(word, len, "newel.bhb=off")) {
        p->bhb_off = true;
    } else if (!is_word(word, len, "newel.bhb=on")) {
        return complain(c, "%s%.*s is unknown (it has to be newel.bhb=off or =on)", where,
                        (int)MIN(len, (size_t)40), word);
    }
    return 0;
}

int platform_read_words(struct platform *p, const char *text, size_t len, const char *where,
                        const struct complaint *c)
{
    const char *end = text + strnlen(text, len);
    int err = 0;
    while (text < end && err == 0) {
        const char *space = memchr(text, ' ', (size_t)(end - text));
        const char *stop = space != NULL ? space : end;
        err = read_word(p, text, (size_t)(stop - text), where, c);
        text = stop + 1;
    }
    return err;
}
