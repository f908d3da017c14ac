// SPDX-License-Identifier: Apache-2.0
#include "mem/space.h"

#include "arch/cache.h"
#include "lib/bits.h"
#include "lib/check.h"
#include "lib/error.h"
#include "mem/s2_op.h"
#include "mem/stage2_lazy.h"

#define SPAN_PAGES   (BLOCK_SIZE / PAGE_SIZE)
#define HASH_BUCKETS 32 // half a page, for what Newel reads again and again

// What a step of a reset unmaps: no more entries than a millisecond allows, no part of a leaf.
#define RESET_STEP_LAZY  UINT64_C(0x4000000)
#define RESET_STEP_EAGER UINT64_C(0x40000000)

static struct space *space_of(struct stage2 *s2)
{
    return container_of(s2, struct space, s2);
}

static struct space_span *span_at(struct space *sp, gpa_t at)
{
    return &sp->span[(at.v - sp->config.base.v) / BLOCK_SIZE];
}

static bool is_ram(const struct space *sp, gpa_t at)
{
    return at.v >= sp->config.base.v && at.v - sp->config.base.v < sp->config.size;
}

static bool is_uncached(const struct space *sp)
{
    return __atomic_load_n(&sp->uncached, __ATOMIC_RELAXED) != 0;
}

static gpa_t span_base(gpa_t at)
{
    return gpa(align_down(at.v, BLOCK_SIZE));
}

// Execution is granted at once where no cache has to be maintained for it.
static enum s2_rights withheld(enum s2_rights rights)
{
    return (rights & S2_X) == 0 || !coherence_lazy() ? rights : (rights & ~S2_X) | S2_X_LATER;
}

// Does one override, or none, hold for all of the 2 MiB at base?
static bool uniform_rights(const struct space *sp, gpa_t base, enum s2_rights *rights)
{
    uint64_t extent = 0;

    *rights = override_at(&sp->overrides, base, &extent);
    return extent >= BLOCK_SIZE;
}

// ---- Populating

// Wipes what is about to become part of the guest's memory, and settles its rights: it is
// executable at once if it was a fetch that asked.
static enum s2_rights prepare(struct space *sp, hpa_t pa, size_t size, enum s2_rights rights,
                              bool fetch)
{
    coherence_hand_over_zeroed(&sp->coherence, pa, size);
    if (!fetch || (rights & S2_X) == 0 || !coherence_lazy()) {
        return withheld(rights);
    }
    coherence_make_fresh_executable(&sp->coherence, pa, size);
    sp->coherence.execute_faults++;
    return rights;
}

static int populate_block(struct space *sp, gpa_t base, enum s2_rights rights, bool fetch)
{
    hpa_t block;
    int err = ram_get_block(&sp->ram, &block);

    if (err != 0) {
        return err;
    }
    rights = prepare(sp, block, BLOCK_SIZE, rights, fetch);
    err = stage2_map_locked(&sp->s2, base, block, BLOCK_SIZE, rights, S2_NORMAL);
    if (err != 0) {
        ram_put_block(&sp->ram, block);
        return err;
    }
    struct space_span *span = span_at(sp, base);

    span->block = true;
    span->fresh = !fetch && coherence_lazy();
    span->withheld = span->fresh ? SPAN_PAGES : 0;
    sp->counters.blocks_populated++;
    return 0;
}

static void move_page(struct stage2 *s2, unsigned index, hpa_t from, hpa_t to)
{
    struct space *sp = space_of(s2);

    (void)index;
    // Also with no vCPU known to have its caches off: one may have turned them off unseen.
    coherence_before_read(&sp->coherence, from, PAGE_SIZE);
    __builtin_memcpy(hpa_ptr(to), hpa_ptr(from), PAGE_SIZE);
    coherence_hand_over(&sp->coherence, to, PAGE_SIZE);
    ram_put_page(&sp->ram, from);
}

static void move_executable_page(struct stage2 *s2, unsigned index, hpa_t from, hpa_t to)
{
    struct space *sp = space_of(s2);

    move_page(s2, index, from, to);
    if (index == SPAN_PAGES - 1) {
        hpa_t block = hpa(align_down(to.v, BLOCK_SIZE));

        coherence_make_fresh_executable(&sp->coherence, block, BLOCK_SIZE);
    }
}

// A span that filled up page by page moves into a block of its own, if there is one and nothing
// stands against it. It is executable at once if a part of it was.
static void collapse(struct space *sp, gpa_t base)
{
    struct space_span *span = span_at(sp, base);
    enum s2_rights rights;
    hpa_t to;

    if (sp->config.no_collapse || !uniform_rights(sp, base, &rights) ||
        ram_get_block(&sp->ram, &to) != 0) {
        return;
    }
    bool execute = (rights & S2_X) != 0 && coherence_lazy() && span->withheld < SPAN_PAGES;
    stage2_move_fn *move = execute ? move_executable_page : move_page;

    if (stage2_replace(&sp->s2, base, to, execute ? rights : withheld(rights), move) != 0) {
        ram_put_block(&sp->ram, to);
        return;
    }
    bool fresh = !execute && coherence_lazy();

    *span = (struct space_span){.block = true, .fresh = fresh, .withheld = fresh ? SPAN_PAGES : 0};
    sp->counters.collapsed++;
}

// entry: where the walk for at ends, at this level.
static int map_page(struct space *sp, gpa_t at, hpa_t pa, uint64_t *entry, unsigned level,
                    bool fetch)
{
    enum s2_rights rights = override_at(&sp->overrides, at, NULL);

    rights = prepare(sp, pa, PAGE_SIZE, rights, fetch);
    if (level < 3) {
        return stage2_map_locked(&sp->s2, at, pa, PAGE_SIZE, rights, S2_NORMAL);
    }
    s2_store(entry, pa.v | s2_attributes(rights, S2_NORMAL) | S2D_TABLE);
    cache_dsb_ishst();
    return 0;
}

static int populate_page(struct space *sp, gpa_t at, uint64_t *entry, unsigned level, bool fetch)
{
    struct space_span *span = span_at(sp, at);
    hpa_t pa;
    int err = ram_get_page(&sp->ram, &pa);

    if (err != 0) {
        return err;
    }
    err = map_page(sp, gpa(align_down(at.v, PAGE_SIZE)), pa, entry, level, fetch);
    if (err != 0) {
        ram_put_page(&sp->ram, pa);
        return err;
    }
    span->pages++;
    span->withheld += !fetch;
    sp->counters.pages_populated++;
    if (span->pages == SPAN_PAGES) {
        collapse(sp, span_base(at));
    }
    return 0;
}

static int populate(struct space *sp, gpa_t at, uint64_t *entry, unsigned level, bool fetch)
{
    enum s2_rights rights;

    if (level < 3 && !sp->config.small_pages && uniform_rights(sp, span_base(at), &rights) &&
        populate_block(sp, span_base(at), rights, fetch) == 0) {
        return 0;
    }
    return populate_page(sp, at, entry, level, fetch);
}

// What happens all the time where memory comes page by page: data is touched in a span that has its
// table and does not fill up by it, while no override counts and nothing is suspended. All is
// settled before the page is wiped, and little kept meanwhile. False if it is something else.
static inline bool populate_fast(struct space *sp, gpa_t at, enum space_access access)
{
    struct space_span *span = span_at(sp, at);
    unsigned level = 0;
    uint64_t *entry = s2_find(&sp->s2, at.v, &level);
    hpa_t pa;

    if (level < 3 || *entry != 0 || access == SPACE_FETCH || span->pages == SPAN_PAGES - 1 ||
        sp->overrides.count > 0 || sp->s2.suspended || !ram_get_page_fast(&sp->ram, &pa)) {
        return false;
    }
    span->pages++;
    span->withheld++;
    sp->counters.pages_populated++;
    uint64_t descriptor = pa.v | sp->page_attributes;

    coherence_hand_over_zeroed(&sp->coherence, pa, PAGE_SIZE);
    s2_store(entry, descriptor);
    cache_dsb_ishst();
    return true;
}

// ---- Executing

// The whole block of which this is a piece, and one block again if nothing stands against it.
static void finish_block(struct space *sp, gpa_t base, bool uncached)
{
    struct space_span *span = span_at(sp, base);
    enum s2_rights rights;
    struct s2_entry e;

    if (!uniform_rights(sp, base, &rights) || (rights & S2_X) == 0 ||
        stage2_lookup(&sp->s2, base, &e) != 0) {
        return;
    }
    if (span->withheld > 0) {
        coherence_make_executable(&sp->coherence, e.pa, BLOCK_SIZE, uncached);
        if (stage2_protect_locked(&sp->s2, base, BLOCK_SIZE, rights) != 0) {
            return;
        }
        span->withheld = 0;
    }
    span->fresh = false;
    sp->counters.joined += stage2_join(&sp->s2, base) == 0;
}

static void page_became_executable(struct space *sp, gpa_t at, bool uncached)
{
    struct space_span *span = span_at(sp, at);

    if (span->withheld > 0) {
        span->withheld--;
    }
    bool enough = span->fresh && SPAN_PAGES - span->withheld >= SPACE_EXECUTE_ONE_BY_ONE;

    if (span->block && (span->withheld == 0 || enough)) {
        finish_block(sp, span_base(at), uncached);
    }
}

// Maintains the size bytes around at, and then grants execution.
static int grant(struct space *sp, gpa_t at, const struct s2_entry *e, uint64_t size, bool uncached)
{
    enum s2_rights rights = (e->rights & ~S2_X_LATER) | S2_X;
    gpa_t base = gpa(align_down(at.v, size));

    if (NEWEL_MUTATION == MUTATION_DESCRIPTOR_FIRST) {
        stage2_protect_locked(&sp->s2, base, size, rights);
    }
    coherence_make_executable(&sp->coherence, hpa(align_down(e->pa.v, size)), size, uncached);
    return stage2_protect_locked(&sp->s2, base, size, rights);
}

// One page, also of a larger block, unless there is no table left to take that apart with.
static int make_executable(struct space *sp, gpa_t at, bool uncached)
{
    struct s2_entry e;
    int err = stage2_lookup(&sp->s2, at, &e);

    CHECK(err == 0);
    sp->coherence.execute_faults++;
    if (grant(sp, at, &e, PAGE_SIZE, uncached) == 0) {
        page_became_executable(sp, at, uncached);
        return 0;
    }
    err = grant(sp, at, &e, e.size, uncached);
    if (err == 0 && e.size == BLOCK_SIZE) {
        span_at(sp, at)->withheld = 0;
    }
    return err;
}

// ---- Faults

static void look_at_suspended(struct stage2 *s2, hpa_t pa, uint64_t size)
{
    coherence_before_read(&space_of(s2)->coherence, pa, size);
}

// A span that filled up while pages of it were suspended is collapsed when the last of them is
// back.
static void resume(struct space *sp, gpa_t at)
{
    if (stage2_resume(&sp->s2, at, look_at_suspended) && span_at(sp, at)->pages == SPAN_PAGES) {
        collapse(sp, span_base(at));
    }
}

static enum s2_rights rights_for(enum space_access access)
{
    return access == SPACE_READ ? S2_R : access == SPACE_WRITE ? S2_W : S2_X;
}

static OUTLINE enum space_answer answer_fault(struct space *sp, gpa_t at, enum space_access access,
                                              bool uncached)
{
    enum s2_rights need = rights_for(access);
    bool fetch = access == SPACE_FETCH;
    unsigned level = 0;
    int err = 0;

    if (sp->overrides.count > 0 && (override_at(&sp->overrides, at, NULL) & need) == 0) {
        sp->counters.denied++;
        return SPACE_DENIED;
    }
    if (sp->s2.suspended) {
        resume(sp, at);
    }
    uint64_t *entry = s2_find(&sp->s2, at.v, &level), d = *entry;

    if (!s2d_is_leaf(d, level)) {
        err = populate(sp, at, entry, level, fetch);
    } else if (fetch && (d & S2D_X_LATER) != 0) {
        err = make_executable(sp, at, uncached);
    } else {
        CHECK((s2d_rights_of(d) & need) != 0);
        sp->counters.retried++;
    }
    return err == 0 ? SPACE_RETRY : SPACE_NO_MEMORY;
}

static void look_away(struct stage2 *s2, hpa_t pa, uint64_t size)
{
    (void)s2;
    (void)pa;
    (void)size;
}

// Of a device nothing can be in the caches, and Newel has it not mapped. What is executed was
// cleaned before it was shown, and nobody writes to it.
static void resume_shown(struct space *sp, unsigned i, gpa_t at)
{
    bool still = sp->shown[i].type == S2_DEVICE || (sp->shown[i].rights & S2_X) != 0;

    stage2_resume(&sp->s2, at, still ? look_away : look_at_suspended);
}

// A page that is shown can have been suspended with all others.
static OUTLINE enum space_answer answer_outside(struct space *sp, gpa_t at,
                                                enum space_access access)
{
    enum s2_rights need = rights_for(access);

    for (unsigned i = 0; i < sp->shown_count; i++) {
        if (at.v - sp->shown[i].at.v < sp->shown[i].size && (sp->shown[i].rights & need) != 0) {
            spin_lock(&sp->s2.lock);
            resume_shown(sp, i, at);
            spin_unlock(&sp->s2.lock);
            return SPACE_RETRY;
        }
    }
    return SPACE_OUTSIDE;
}

enum space_answer space_fault(struct space *sp, gpa_t at, enum space_access access, bool uncached)
{
    enum space_answer answer = SPACE_RETRY;

    if (!is_ram(sp, at)) {
        return answer_outside(sp, at, access);
    }
    spin_lock(&sp->s2.lock);
    if (!populate_fast(sp, at, access)) {
        answer = answer_fault(sp, at, access, uncached);
    }
    spin_unlock(&sp->s2.lock);
    return answer;
}

void space_set_uncached(struct space *sp, unsigned vcpu, bool uncached)
{
    if (uncached) {
        __atomic_or_fetch(&sp->uncached, (uint32_t)BIT(vcpu), __ATOMIC_RELAXED);
    } else {
        __atomic_and_fetch(&sp->uncached, ~(uint32_t)BIT(vcpu), __ATOMIC_RELAXED);
    }
}

void space_maintain_all(struct space *sp)
{
    spin_lock(&sp->s2.lock);
    stage2_suspend(&sp->s2);
    sp->counters.suspended++;
    spin_unlock(&sp->s2.lock);
}

// ---- Newel's own accesses (mem/guest.c)

static int missing(struct stage2 *s2, gpa_t at)
{
    struct space *sp = space_of(s2);
    unsigned level = 0;

    if (!is_ram(sp, at)) {
        return ERR_RANGE;
    }
    stage2_resume(s2, at, look_at_suspended);
    uint64_t *entry = s2_find(s2, at.v, &level);

    return s2d_is_leaf(*entry, level) ? 0 : populate(sp, at, entry, level, false);
}

// The pages of [at, at + size), which lie in one leaf.
static void withhold_pages(struct space *sp, const struct s2_entry *e, gpa_t at, size_t size)
{
    gpa_t first = gpa(align_down(at.v, PAGE_SIZE));
    uint64_t bytes = align_up(at.v + size, PAGE_SIZE) - first.v;
    enum s2_rights rights = (e->rights & ~S2_X) | S2_X_LATER;

    if (stage2_protect_locked(&sp->s2, first, bytes, rights) != 0) {
        return; // it stays executable; written() maintains it
    }
    sp->coherence.written_back += bytes / PAGE_SIZE;
    for (uint64_t a = first.v; a < first.v + bytes; a += PAGE_SIZE) {
        span_at(sp, gpa(a))->withheld++;
    }
}

static OUTLINE void maintain_before(struct space *sp, const struct s2_entry *e, gpa_t at,
                                    size_t size, bool write)
{
    if (is_uncached(sp)) {
        coherence_before_read(&sp->coherence, e->pa, size);
    }
    if (write && (e->rights & S2_X) != 0 && coherence_lazy() && is_ram(sp, at)) {
        withhold_pages(sp, e, at, size);
    }
}

static void before(struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size, bool write)
{
    struct space *sp = space_of(s2);

    if (is_uncached(sp) || (write && (e->rights & S2_X) != 0)) {
        maintain_before(sp, e, at, size, write);
    }
}

static OUTLINE void code_written(struct space *sp, const struct s2_entry *e, gpa_t at, size_t size)
{
    struct s2_entry now;

    coherence_hand_over(&sp->coherence, e->pa, size);
    if (coherence_lazy() && stage2_lookup(&sp->s2, at, &now) == 0 && (now.rights & S2_X) != 0) {
        coherence_make_fresh_executable(&sp->coherence, e->pa, size);
    }
}

// A line that reading left in the cache must not outlive what the guest writes past the cache.
static void after(struct stage2 *s2, const struct s2_entry *e, gpa_t at, size_t size, bool write)
{
    struct space *sp = space_of(s2);

    if (write && (e->rights & S2_X) != 0) {
        code_written(sp, e, at, size);
    } else if (write) {
        coherence_hand_over(&sp->coherence, e->pa, size);
    } else if (is_uncached(sp)) {
        coherence_before_read(&sp->coherence, e->pa, size);
    }
}

static const struct s2_hooks hooks = {.missing = missing, .before = before, .after = after};

// ---- Overrides

// Blocks that no override divides any more become whole.
static void rejoin(struct space *sp, gpa_t base, uint64_t size)
{
    uint64_t end = base.v + size;

    for (uint64_t at = span_base(base).v; at < end; at += BLOCK_SIZE) {
        if (span_at(sp, gpa(at))->block) {
            sp->counters.joined += stage2_join(&sp->s2, gpa(at)) == 0;
        }
    }
}

// Pages of [at, end), which lies in one span, that are mapped and not executable.
static uint16_t withheld_in(const struct space *sp, uint64_t at, uint64_t end)
{
    uint64_t pages = 0;
    unsigned level = 0;
    const uint64_t *entry = s2_find(&sp->s2, at, &level);

    for (uint64_t n; at < end; at += n, entry++) { // of one table, or a single larger one
        n = s2_in_entry(level, at, end);
        if (s2d_is_leaf(*entry, level) && (*entry & S2D_XN) != 0) {
            pages += n / PAGE_SIZE;
        }
    }
    return (uint16_t)pages;
}

// Adds what the spans have of such pages in the range, or takes it away before that changes.
static void count_withheld(struct space *sp, gpa_t base, uint64_t size, bool add)
{
    uint64_t end = coherence_lazy() ? base.v + size : 0; // else nothing is ever withheld

    for (uint64_t at = base.v, n; at < end; at += n) {
        struct space_span *span = span_at(sp, gpa(at));

        n = MIN(span_base(gpa(at)).v + BLOCK_SIZE, end) - at;
        uint16_t pages = withheld_in(sp, at, at + n);

        span->withheld = (uint16_t)(add ? span->withheld + pages : span->withheld - pages);
    }
}

static int protect(struct space *sp, gpa_t base, uint64_t size, enum s2_rights rights,
                   enum override_policy policy)
{
    struct overrides old = sp->overrides;
    int err = override_set(&sp->overrides, base, size, rights, policy);

    if (err != 0) {
        return err;
    }
    count_withheld(sp, base, size, false);
    err = stage2_override_locked(&sp->s2, base, size, rights);
    count_withheld(sp, base, size, true);
    if (err != 0) {
        sp->overrides = old;
        return err;
    }
    rejoin(sp, base, size);
    return 0;
}

int space_protect(struct space *sp, gpa_t base, uint64_t size, enum s2_rights rights,
                  enum override_policy policy)
{
    if (!is_ram(sp, base) || size > sp->config.size - (base.v - sp->config.base.v)) {
        return ERR_RANGE;
    }
    spin_lock(&sp->s2.lock);
    int err = protect(sp, base, size, rights, policy);

    spin_unlock(&sp->s2.lock);
    return err;
}

bool space_override(struct space *sp, gpa_t at, struct override *out, uint64_t *extent)
{
    spin_lock(&sp->s2.lock);
    const struct override *o = override_find(&sp->overrides, at);

    (void)override_at(&sp->overrides, at, extent);
    if (o != NULL) {
        *out = *o;
    }
    spin_unlock(&sp->s2.lock);
    return o != NULL;
}

bool space_policy(struct space *sp, gpa_t at, enum override_policy *policy)
{
    spin_lock(&sp->s2.lock);
    const struct override *o = override_find(&sp->overrides, at);

    if (o != NULL) {
        *policy = o->policy;
    }
    spin_unlock(&sp->s2.lock);
    return o != NULL;
}

// To lift all of a range takes neither room in the list nor a table: it has ends of its own.
static int lift(struct space *sp, const struct override *o, gpa_t at)
{
    gpa_t base = gpa(o->base);
    uint64_t size = o->end - o->base;
    int err = protect(sp, gpa(align_down(at.v, PAGE_SIZE)), PAGE_SIZE, S2_RWX, OVERRIDE_LOG);

    return err == ERR_NOMEM ? protect(sp, base, size, S2_RWX, OVERRIDE_LOG) : err;
}

int space_lift(struct space *sp, gpa_t at)
{
    spin_lock(&sp->s2.lock);
    const struct override *o = override_find(&sp->overrides, at);
    int err = o != NULL && o->policy == OVERRIDE_LOG ? lift(sp, o, at) : 0;

    spin_unlock(&sp->s2.lock);
    return err;
}

// ---- Making and unmaking

static int check_config(const struct space_config *c)
{
    if (!is_aligned(c->base.v | c->ram.v | c->size, BLOCK_SIZE) || c->size == 0) {
        return ERR_INVALID;
    }
    return range_fits(c->base.v, c->size, BIT(c->ipa_bits)) ? 0 : ERR_RANGE;
}

static int take_tables(struct space *sp)
{
    const struct space_config *c = &sp->config;
    size_t spans = (size_t)(c->size / BLOCK_SIZE);
    size_t ram_bytes = c->lazy ? ram_table_bytes(c->size) : 0;
    size_t hash_bytes = HASH_BUCKETS * sizeof(struct gpa_bucket);
    size_t bytes = align_up(hash_bytes + ram_bytes + spans * sizeof(struct space_span), PAGE_SIZE);
    int err = frames_alloc(c->owner, bytes / PAGE_SIZE, 1, &sp->tables);

    if (err != 0) {
        return err;
    }
    sp->table_pages = bytes / PAGE_SIZE;
    zero_pages(hpa_ptr(sp->tables), bytes);
    gpa_hash_init(&sp->hash, hpa_ptr(sp->tables), HASH_BUCKETS);
    sp->s2.hash = &sp->hash;
    sp->ram.block = hpa_ptr(hpa_add(sp->tables, hash_bytes));
    sp->span = hpa_ptr(hpa_add(sp->tables, hash_bytes + ram_bytes));
    return 0;
}

// Nothing is mapped: lazy, that is how it begins; eager, all is mapped now.
static int begin(struct space *sp)
{
    const struct space_config *c = &sp->config;

    for (size_t i = 0; i < c->size / BLOCK_SIZE; i++) {
        sp->span[i] = (struct space_span){.block = !c->lazy};
    }
    if (c->lazy) {
        ram_init(&sp->ram, c->ram, c->size, sp->ram.block);
        return 0;
    }
    return stage2_map_locked(&sp->s2, c->base, c->ram, c->size, S2_RWX, S2_NORMAL);
}

bool space_reset_step(struct space *sp, uint64_t *at)
{
    const struct space_config *c = &sp->config;
    uint64_t size = MIN(c->lazy ? RESET_STEP_LAZY : RESET_STEP_EAGER, c->size - *at);
    int err;

    spin_lock(&sp->s2.lock);
    if (size > 0) {
        err = stage2_unmap_locked(&sp->s2, gpa_add(c->base, *at), size);
    } else {
        for (unsigned i = 0; i < sp->shown_count; i++) {
            for (uint64_t page = 0; page < sp->shown[i].size; page += PAGE_SIZE) {
                resume_shown(sp, i, gpa_add(sp->shown[i].at, page));
            }
        }
        sp->s2.suspended = false;
        sp->overrides.count = 0;
        err = begin(sp);
    }
    spin_unlock(&sp->s2.lock);
    CHECK(err == 0); // nothing is split, and all tables are back in the pool
    *at += size;
    return size > 0;
}

int space_init(struct space *sp, struct pool *pool, const struct space_config *config)
{
    int err = check_config(config);

    if (err != 0) {
        return err;
    }
    *sp = (struct space){.config = *config};
    err = stage2_init(&sp->s2, pool, config->ipa_bits);
    if (err == 0) {
        sp->s2.hooks = &hooks;
        sp->page_attributes = s2_attributes(withheld(S2_RWX), S2_NORMAL) | S2D_TABLE;
        err = take_tables(sp);
    }
    if (err == 0) {
        err = begin(sp);
    }
    if (err != 0) {
        space_destroy(sp);
    }
    return err;
}

int space_show(struct space *sp, gpa_t at, hpa_t pages, uint64_t size, enum s2_rights rights,
               enum s2_memtype type)
{
    CHECK(sp->shown_count < SPACE_SHOWN);
    int err = stage2_map(&sp->s2, at, pages, size, rights, type);

    if (err == 0) {
        sp->shown[sp->shown_count].at = at;
        sp->shown[sp->shown_count].size = size;
        sp->shown[sp->shown_count].rights = rights;
        sp->shown[sp->shown_count++].type = type;
    }
    return err;
}

void space_destroy(struct space *sp)
{
    if (sp->table_pages > 0) {
        frames_free(sp->config.owner, sp->tables, sp->table_pages);
        sp->table_pages = 0;
    }
}

static int load_piece(struct space *sp, gpa_t at, uint64_t *size)
{
    struct s2_entry e;
    int err = stage2_lookup(&sp->s2, at, &e);

    if (err != 0) {
        return err;
    }
    *size = MIN(*size, e.size - (at.v & (e.size - 1)));
    if (!sp->config.lazy) { // guest_write() does it itself
        coherence_hand_over(&sp->coherence, e.pa, *size);
    }
    coherence_make_fresh_executable(&sp->coherence, e.pa, *size);
    return stage2_protect_locked(&sp->s2, at, *size, (e.rights & ~S2_X_LATER) | S2_X);
}

int space_loaded(struct space *sp, gpa_t base, uint64_t size)
{
    int err = 0;
    gpa_t at = gpa(align_down(base.v, PAGE_SIZE));
    uint64_t end = align_up(base.v + size, PAGE_SIZE);

    if (size == 0 || !is_ram(sp, base) || size > sp->config.size - (base.v - sp->config.base.v)) {
        return ERR_RANGE;
    }
    gpa_t first = at;

    spin_lock(&sp->s2.lock);
    count_withheld(sp, first, end - first.v, false);
    for (uint64_t n; at.v < end && err == 0; at = gpa_add(at, n)) {
        n = end - at.v;
        err = load_piece(sp, at, &n);
    }
    count_withheld(sp, first, end - first.v, true);
    spin_unlock(&sp->s2.lock);
    return err;
}
