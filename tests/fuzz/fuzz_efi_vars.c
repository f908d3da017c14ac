// SPDX-License-Identifier: Apache-2.0
// A guest's UEFI variables by whatever the fuzzer thinks of: names that are none, attributes,
// sizes, appends, deletions, walks, by several vCPUs of which each may be in the middle of
// another's call; resets, and restarts with what an NVRAM has that is slow, fails, is full, or is
// not there, and that holds junk. What is seen is what a list of our own, kept by the rules of
// UEFI 2.10, 8.2, says.
#include "cpu/sched.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/log.h"
#include "var_model.h"

static struct efi_vars *vars;
static const uint8_t *bytes;
static size_t left;

static uint32_t next(unsigned count)
{
    uint32_t v = 0;
    for (; count > 0 && left > 0; count--, left--) {
        v = v << 8 | *bytes++;
    }
    return v;
}

// ---- The NVRAM: a list of keys and values ----

static struct item {
    struct text key, value;
    bool ours;
} store[ENTRIES];
static unsigned stored;
static struct {
    struct text key, value;
    unsigned steps;
    int result;
} writing;
static struct work *work;
static uint8_t mood;       // what becomes of the next writes
static bool finished;      // one of them,
static efi_status outcome; // by this

static struct item *find_item(const void *key, size_t size)
{
    for (unsigned i = 0; i < stored; i++) {
        if (store[i].ours && is_same(&store[i].key, key, size)) {
            return &store[i];
        }
    }
    return NULL;
}

static void remove_item(struct item *it)
{
    free(it->key.bytes);
    free(it->value.bytes);
    memmove(it, it + 1, (size_t)((char *)&store[stored--] - (char *)(it + 1)));
}

static void store_it(struct text key, struct text value, bool ours)
{
    struct item *it = ours ? find_item(key.bytes, key.size) : NULL;
    if (it != NULL) { // what was written last comes last, as in a log
        remove_item(it);
    }
    if (value.size == 0) {
        free(key.bytes);
        free(value.bytes);
        return;
    }
    REQUIRE(stored < ENTRIES);
    store[stored++] = (struct item){key, value, ours};
}

static int finish(int err)
{
    finished = true;
    outcome = err == 0 ? EFI_SUCCESS : err == ERR_NOMEM ? EFI_OUT_OF_RESOURCES : EFI_DEVICE_ERROR;
    return err;
}

static int backend_put(const struct nv_item *item)
{
    REQUIRE(writing.key.bytes == NULL);
    REQUIRE(item->owner_size == 2 && memcmp(item->owner, "vm", 2) == 0);
    REQUIRE(item->key_size >= 4 && item->key_size <= NV_KEY_MAX &&
            item->value_size <= NV_VALUE_MAX);
    if ((mood & 7) == 7 && item->value_size != 0) {
        return finish(ERR_NOMEM);
    }
    writing.key = text_of(item->key, item->key_size);
    writing.value = text_of(item->value_size != 0 ? item->value : "", item->value_size);
    writing.steps = mood >> 3 & 3;
    writing.result = (mood & 7) == 6 ? ERR_IO : 0;
    return 0;
}

static int backend_step(void)
{
    REQUIRE(writing.key.bytes != NULL);
    if (writing.steps-- > 0) {
        return ERR_BUSY;
    }
    if (writing.result == 0) {
        store_it(writing.key, writing.value, true);
    } else {
        free(writing.key.bytes);
        free(writing.value.bytes);
    }
    writing.key.bytes = NULL;
    return finish(writing.result);
}

static bool backend_next(uint32_t *cursor, uint32_t slots, void *buffer, struct nv_item *item)
{
    REQUIRE(slots > 0);
    if (*cursor >= stored) {
        *cursor = UINT32_MAX;
        return false;
    }
    const struct item *it = &store[(*cursor)++];
    char *value = (char *)buffer + it->key.size;
    memcpy(buffer, it->key.bytes, it->key.size);
    memcpy(value, it->value.bytes, it->value.size);
    *item = (struct nv_item){it->ours ? "vm" : "vm2", it->ours ? 2 : 3, buffer, it->key.size, value,
                             it->value.size};
    return true;
}

static const struct nvram_backend backend = {
    .put = backend_put, .step = backend_step, .next = backend_next};

static bool step(void)
{
    struct work *w = work;
    if (w != NULL && !w->step(w)) {
        work = NULL;
    }
    return work != NULL;
}

// ---- Stand-ins ----

static char *frames[2]; // NVRAM's and the VM's, the same for all runs

int frames_alloc(owner_t owner, size_t pages, size_t align_pages, hpa_t *out)
{
    char **memory = &frames[owner == OWNER_NEWEL];
    (void)align_pages;
    *memory = *memory != NULL ? *memory : malloc(pages * PAGE_SIZE);
    *out = hpa((uintptr_t)*memory);
    return 0;
}

void frames_free(owner_t owner, hpa_t base, size_t pages)
{
    (void)owner;
    (void)base;
    (void)pages;
}

// So fast that the bound on what a VM writes (vm/wear.h) is never felt.
uint64_t timer_now(void)
{
    static uint64_t now;
    return now += UINT64_C(1) << 30;
}

uint64_t timer_frequency(void)
{
    return 1;
}

void sched_work(struct work *w)
{
    REQUIRE(work == NULL);
    work = w;
}

void log_info(const char *fmt, ...)
{
    (void)fmt;
}

void log_warn(const char *fmt, ...)
{
    (void)fmt;
}

// After a step of work: it may have come to the end of what was under way.
static void follow(void)
{
    if (!finished) {
        return;
    }
    finished = false;
    REQUIRE(model.changing);
    if (outcome == EFI_SUCCESS) {
        apply(&model.change);
    }
    if (model.answer[model.cpu].there) {
        free_request(&model.answer[model.cpu].to);
    }
    model.answer[model.cpu].there = true;
    model.answer[model.cpu].to = model.change;
    model.answer[model.cpu].status = outcome;
    model.answer[model.cpu].count = model.high_count;
    model.change = (struct request){0};
    model.changing = false;
}

// ---- Does the NVRAM have what is answered, and nothing else? ----

static bool is_stored(const struct variable *v)
{
    uint8_t key[4 + 16 + 1024] = {EFI_VARS_VARIABLE};
    memcpy(key + 4, &v->vendor, 16);
    memcpy(key + 20, v->name.bytes, v->name.size);
    const struct item *it = find_item(key, 20 + v->name.size);
    return it != NULL && it->value.size == 4 + v->data.size &&
           memcmp(it->value.bytes, &v->attributes, 4) == 0 &&
           memcmp(it->value.bytes + 4, v->data.bytes, v->data.size) == 0;
}

// An item that a variable is read from: the record's form is this.
static bool is_variable(const struct item *it, struct request *out)
{
    uint32_t kind;
    if (!it->ours || it->key.size < 20 || it->value.size < 5) {
        return false;
    }
    memcpy(&kind, it->key.bytes, 4);
    memcpy(&out->vendor, it->key.bytes + 4, 16);
    memcpy(&out->attributes, it->value.bytes, 4);
    out->name = (struct text){it->key.bytes + 20, it->key.size - 20};
    out->data = (struct text){it->value.bytes + 4, it->value.size - 4};
    return kind == EFI_VARS_VARIABLE && is_name(&out->name) &&
           !(out->attributes & ~(NV | BS | RT)) && out->attributes & NV &&
           out->attributes & (BS | RT) && out->data.size <= EFI_VAR_DATA_MAX;
}

// The table may have room for it, and so has or has not read it.
static bool was_read(const struct request *r)
{
    struct efi_var real;
    struct efi_var_name name = {r->vendor, (const void *)r->name.bytes, r->name.size};
    vars->at_runtime = false;
    bool is_there = efi_vars_get(vars, &name, &real) == EFI_SUCCESS;
    vars->at_runtime = true;
    return is_there;
}

static void read_item(const struct item *it)
{
    struct request r;
    uint32_t kind;
    memcpy(&kind, it->key.bytes, sizeof(kind));
    if (it->ours && kind == EFI_VARS_HIGH_COUNT && it->key.size == 4 && it->value.size == 4) {
        memcpy(&model.high_count, it->value.bytes, 4);
    }
    enum room room = is_variable(it, &r) ? room_for(&r, NULL, r.data.size) : NONE;
    if (room == SURELY || (room == PERHAPS && was_read(&r))) {
        struct variable *v = add(&r.vendor, &r.name, r.attributes);
        free(v->data.bytes);
        v->data = text_of(r.data.bytes, r.data.size);
    }
}

// Newel has begun anew, with what the NVRAM has.
static void model_restart(void)
{
    clear(0);
    clear(1);
    model.high_count = 0;
    for (unsigned i = 0; i < stored && model.nvram; i++) {
        read_item(&store[i]);
    }
}

static void forget_answers(void)
{
    for (unsigned i = 0; i < CPUS; i++) {
        if (model.answer[i].there) {
            free_request(&model.answer[i].to);
            model.answer[i].there = false;
        }
    }
}

// ---- Is what is seen what the model says? ----

static void check_one(const struct variable *v)
{
    struct efi_var real;
    struct efi_var_name name = {v->vendor, (const void *)v->name.bytes, v->name.size};
    REQUIRE(efi_vars_get(vars, &name, &real) == EFI_SUCCESS);
    REQUIRE(is_same(&v->data, real.data, real.size) && v->attributes == real.attributes);
}

static void check_walk(void)
{
    static const efi_char16 nul;
    struct efi_var_name name = {vendors[0], &nul, 2};
    for (unsigned t = 2; t-- > 0;) {
        for (unsigned i = 0; i < model.count[t]; i++) {
            const struct variable *v = &model.list[t][i];
            if (is_visible(v)) {
                REQUIRE(efi_vars_next(vars, &name, &name) == EFI_SUCCESS);
                REQUIRE(is_same(&v->name, name.text, name.bytes));
                REQUIRE(memcmp(&v->vendor, &name.vendor, sizeof(v->vendor)) == 0);
                check_one(v);
            }
        }
    }
    REQUIRE(efi_vars_next(vars, &name, &name) == EFI_NOT_FOUND);
}

static void check(void)
{
    bool at_runtime = model.at_runtime;
    REQUIRE(vars->at_runtime == at_runtime && vars->high_count == model.high_count);
    REQUIRE(vars->change.busy == model.changing);
    REQUIRE(vars->table[0].used <= EFI_VARS_VOLATILE_QUOTA &&
            vars->table[1].used <= EFI_VARS_QUOTA);
    check_walk();
    vars->at_runtime = model.at_runtime = false; // what is hidden is there nevertheless
    check_walk();
    vars->at_runtime = model.at_runtime = at_runtime;
    for (unsigned i = 0; i < model.count[1] && model.nvram && !model.changing; i++) {
        REQUIRE(is_stored(&model.list[1][i]));
    }
}

// ---- What is done ----

static struct text make_name(void)
{
    static const char *const known[] = {"A",   "B",   "Ab",         "BootOrder", "PK", "db",
                                        "dbx", "KEK", "SecureBoot", "Boot0001",  "x",  ""};
    unsigned which = next(1);
    uint8_t made[1100];
    size_t size = 0;
    if (which & 0x80) { // whatever bytes
        for (size_t n = which & 0x1f; size < n; size++) {
            made[size] = (uint8_t)next(1);
        }
        return text_of(made, size);
    }
    if (which & 0x40) { // about as long as may be
        size = 1000 + which % 64 / 2 * 2;
        memset(made, 'n', size);
        memset(made + size - 2, 0, 2);
        return text_of(made, size);
    }
    const char *ascii = known[which % ARRAY_SIZE(known)];
    for (size_t i = 0; i <= strlen(ascii); i++, size += 2) {
        made[size] = (uint8_t)ascii[i];
        made[size + 1] = 0;
    }
    return text_of(made, size);
}

static struct text make_data(void)
{
    static uint8_t made[EFI_VAR_DATA_MAX + 8];
    unsigned how = next(1);
    size_t size = how < 0xe8 ? how % 24 : (next(2) & 0x7fff) + how % 9;
    const struct efi_var_table *t = &vars->table[how & 1];
    if (how >= 0xf8 && t->size - t->used < EFI_VAR_DATA_MAX) { // about what there is room for
        size = t->size - t->used - MIN(t->size - t->used, (size_t)next(1));
    }
    memset(made, (int)next(1), size);
    return text_of(made, size);
}

static uint32_t make_attributes(void)
{
    static const uint32_t usual[] = {NV | BS | RT,
                                     NV | BS | RT | APPEND,
                                     0,
                                     NV | BS,
                                     BS | RT,
                                     BS,
                                     NV | BS | RT,
                                     NV | BS | APPEND,
                                     BS | RT | APPEND,
                                     NV,
                                     RT,
                                     APPEND,
                                     NV | BS | RT | 0x20,
                                     0x80000000,
                                     NV | BS | RT};
    unsigned which = next(1);
    return which < 0xf0 ? usual[which % ARRAY_SIZE(usual)] : next(4);
}

static struct request again[CPUS]; // what each vCPU asked last

static void work_off(void)
{
    while (step()) {
    }
    follow();
}

// The same once more, something else of that variable, or of any.
enum kind { SAME, SAME_NAME, ANY };

static void make_request(struct request *r, enum kind kind)
{
    struct text name = {0};
    struct efi_guid vendor = r->vendor;
    if (kind == SAME_NAME) {
        name = text_of(r->name.bytes, r->name.size);
    } else {
        vendor = vendors[next(1) % ARRAY_SIZE(vendors)];
        name = make_name();
    }
    free_request(r);
    *r = (struct request){vendor, name, make_data(), make_attributes()};
}

static bool set_once(unsigned cpu)
{
    const struct request *r = &again[cpu];
    struct efi_var_name name = {r->vendor, (const void *)r->name.bytes, r->name.size};
    efi_status status = efi_vars_set(vars, cpu, &name, r->attributes, r->data.bytes, r->data.size);
    REQUIRE(status == expected_set(cpu, r, status));
    return status != EFI_NOT_READY;
}

static void do_set(unsigned cpu, enum kind kind, bool until_answered)
{
    struct request *r = &again[cpu];
    if (kind != SAME || r->name.bytes == NULL) {
        make_request(r, r->name.bytes == NULL ? ANY : kind);
    }
    if (r->name.size == 0) {
        return; // no caller has such
    }
    while (!set_once(cpu) && until_answered) {
        work_off();
    }
}

static void do_count(unsigned cpu)
{
    static const struct request none = {.name = {(uint8_t *)"", 0}, .data = {(uint8_t *)"", 0}};
    uint32_t count = 0, wanted = 0;
    efi_status status = efi_vars_next_high_count(vars, cpu, &count), expected;
    if (!take_answer(cpu, &none, &expected, &wanted)) {
        expected = model.changing ? EFI_NOT_READY : begin(cpu, &none, true);
        wanted = model.high_count;
    }
    REQUIRE(status == expected && (status != EFI_SUCCESS || count == wanted));
}

static void do_get(void)
{
    struct efi_var_name name = {vendors[next(1) % ARRAY_SIZE(vendors)], NULL, 0}, after;
    struct text text = make_name();
    struct efi_var real;
    name.text = (const void *)text.bytes;
    name.bytes = text.size;
    const struct variable *v = find(&name.vendor, &text);
    bool is_there = v != NULL && is_visible(v);
    if (text.size != 0) {
        efi_status status = efi_vars_get(vars, &name, &real);
        REQUIRE(status == (is_there ? EFI_SUCCESS : EFI_NOT_FOUND));
        status = efi_vars_next(vars, &name, &after);
        REQUIRE((status == EFI_INVALID_PARAMETER) == (!is_there && text.size > 2));
    }
    free(text.bytes);
}

static void do_query(void)
{
    uint32_t attributes = make_attributes();
    struct efi_vars_info info;
    efi_status status = efi_vars_query(vars, attributes, &info);
    bool good = (attributes & ~(NV | BS | RT)) == 0 && attributes & BS &&
                (!model.at_runtime || attributes & RT);
    REQUIRE((status == EFI_SUCCESS) == good);
    if (good) {
        unsigned t = (attributes & NV) != 0;
        REQUIRE(info.storage == (t ? EFI_VARS_QUOTA : EFI_VARS_VOLATILE_QUOTA));
        REQUIRE(info.remaining + taken(t) <= info.storage);
        REQUIRE(info.remaining + taken(t) + OVERHEAD * model.count[t] >= info.storage);
        REQUIRE(info.largest == EFI_VAR_DATA_MAX);
    }
}

// The VM is built anew, once nothing of it is on its way.
static void do_reset(bool at_runtime)
{
    work_off();
    REQUIRE(efi_vars_is_idle(vars));
    efi_vars_reset(vars, at_runtime);
    forget_answers();
    clear(0);
    model.at_runtime = at_runtime;
}

static void make_vars(void)
{
    static const struct vm_config config = {.name = "vm"};
    vars = efi_vars_create(&config, 5);
    REQUIRE(vars != NULL);
    while (!efi_vars_load(vars)) {
        work_off();
    }
    efi_vars_reset(vars, true);
    model.at_runtime = true;
}

// Newel ends, perhaps in the middle of something, and begins.
static void do_restart(void)
{
    work_off();
    efi_vars_destroy(vars);
    forget_answers();
    make_vars();
    model_restart();
}

static struct text junk_key(uint32_t kind)
{
    const struct efi_guid *vendor = &vendors[next(1) % ARRAY_SIZE(vendors)];
    struct text name = make_name(), key = {malloc(20 + name.size), 20 + name.size};
    memcpy(key.bytes, &kind, 4);
    memcpy(key.bytes + 4, vendor, 16);
    memcpy(key.bytes + 20, name.bytes, name.size);
    size_t off = next(1) == 0 ? next(1) % 37 : 0;
    key.size = MAX(MIN(key.size, (size_t)NV_KEY_MAX), off + 4) - off;
    free(name.bytes);
    return key;
}

static struct text junk_value(void)
{
    uint32_t attributes = make_attributes();
    struct text data = make_data(), value = {malloc(4 + data.size), 4 + data.size};
    memcpy(value.bytes, &attributes, 4);
    memcpy(value.bytes + 4, data.bytes, data.size);
    value.size -= next(1) == 0 ? next(1) % 4 : 0;
    free(data.bytes);
    return value;
}

// Somebody else's, or none that this VM could have written; or what it could have.
static void do_junk(bool ours)
{
    uint32_t kind = next(1) % 8;
    if (stored > 60) {
        return; // the rest is for variables
    }
    work_off();
    struct text key = junk_key(kind < 3 ? kind : 0);
    store_it(key, junk_value(), ours);
    do_restart(); // what is there is read at once
}

static void do_one(void)
{
    unsigned op = next(1), cpu = op >> 5 & 3;
    cpu = cpu < CPUS ? cpu : 0;
    switch (op & 15) {
    case 0:
        do_count(cpu);
        break;
    case 1:
        do_get();
        break;
    case 2:
        do_query();
        break;
    case 3:
        do_reset(op & 0x80);
        break;
    case 4:
        do_restart();
        break;
    case 5:
        do_junk(op & 0x80);
        break;
    case 6:
        mood = (uint8_t)next(1);
        break;
    case 7:
        work_off();
        break;
    case 8:
    case 9:
        (void)step();
        follow();
        break;
    case 10:
        do_set(cpu, SAME, op & 16);
        break;
    case 11:
    case 12:
        do_set(cpu, SAME_NAME, op & 16);
        break;
    default:
        do_set(cpu, ANY, op & 16);
        break;
    }
}

static void tidy_up(void)
{
    work_off();
    efi_vars_destroy(vars);
    forget_answers();
    clear(0);
    clear(1);
    for (unsigned i = 0; i < CPUS; i++) {
        free_request(&again[i]);
    }
    while (stored > 0) {
        remove_item(&store[stored - 1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes = data;
    left = size;
    mood = 0;
    model.nvram = next(1) & 3;
    model.high_count = 0;
    nvram_use(model.nvram ? &backend : NULL);
    make_vars();
    while (left > 0) {
        do_one();
        check();
    }
    tidy_up();
    return 0;
}
