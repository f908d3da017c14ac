// SPDX-License-Identifier: Apache-2.0
#include "arch/cache.h"
#include "arch/sysreg.h"
#include "boot/boot.h"
#include "cpu/features.h"
#include "cpu/machine.h"
#include "cpu/percpu.h"
#include "cpu/switch.h"
#include "cpu/timer.h"
#include "irq/gic.h"
#include "lib/bits.h"
#include "lib/error.h"
#include "lib/log.h"
#include "mem/el2map.h"
#include "park/start.h"
#include "trap/run.h"

#include <stddef.h>
#include <string.h>

#define START_TIMEOUT_US 1000000
#define POLL_US          50

// What a CPU finds at the address in its x0 before it has a stack or an MMU.
struct secondary_start {
    uint64_t stack;
    struct percpu *cpu;
    uint64_t ttbr, tcr;
    uint64_t mair;
    uint32_t state; // enum start_state, atomic: who comes first, the CPU or the time-out
    struct id_regs ids;
} __attribute__((aligned(128)));

_Static_assert(offsetof(struct secondary_start, stack) == SECONDARY_STACK, "entry.S");
_Static_assert(offsetof(struct secondary_start, cpu) == SECONDARY_CPU, "entry.S");
_Static_assert(offsetof(struct secondary_start, ttbr) == SECONDARY_TTBR, "entry.S");
_Static_assert(offsetof(struct secondary_start, mair) == SECONDARY_MAIR, "entry.S");

// The CPU that comes takes the state from WAITING to COMING before it touches anything that is not
// its own; after the time-out it finds GIVEN_UP, and its percpu may be another one's.
enum start_state { START_WAITING, START_COMING, START_ARRIVED, START_GIVEN_UP };

static struct secondary_start starts[MAX_CPUS];

void percpu_init(struct percpu *cpu, unsigned id, unsigned slot, uint64_t mpidr)
{
    cpu->id = id;
    cpu->mpidr = mpidr;
    cpu->stack_top = (uint64_t)(uintptr_t)cpu_stacks + (slot + 1) * (uint64_t)STACK_SLOT;
    cpu->emergency_sp =
        (uint64_t)(uintptr_t)emergency_stacks + (slot + 1) * (uint64_t)EMERGENCY_SIZE;
}

void percpu_install(struct percpu *cpu)
{
    write_sysreg(tpidr_el2, (uint64_t)(uintptr_t)cpu);
    isb();
}

static bool move_on(struct secondary_start *s, uint32_t from, enum start_state to)
{
    return __atomic_compare_exchange_n(&s->state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static void too_late(struct timer *timer)
{
    (void)timer; // its interrupt has ended the WFI, which is all that is asked of it
}

// Asleep: a CPU that comes sends an SGI or, while it is parked, is looked for at each poll; the one
// that does not come is ended by the timer.
static bool wait_until(bool (*is_true)(const void *of), const void *of, uint64_t poll_us)
{
    struct timer timer;
    uint64_t end = timer_now() + timer_ticks_from_us(START_TIMEOUT_US);
    bool done;
    timer_init(&timer, too_late);
    while (!(done = is_true(of)) && timer_now() < end) {
        timer_arm(&timer, MIN(end, timer_now() + timer_ticks_from_us(poll_us)));
        cpu_wfi();
        machine_interrupts();
    }
    timer_cancel(&timer);
    return done;
}

static void flush(const void *base, size_t size)
{
    dcache_clean_inval_poc(base, size);
    dsb(sy);
}

// ---- from the original method into the parking code ----

// Its own for good.
static char *page_of(unsigned slot)
{
    return park_pages + (size_t)slot * PARK_PAGE_SIZE;
}

// All before any CPU is sent: where several come at one CPU's call, each finds its page. No GIC:
// it is for a moment, and SEV is enough.
static void fill_pages(const struct platform *p)
{
    for (unsigned slot = 1; slot < p->cpu_count; slot++) {
        unsigned next = slot + 1 < p->cpu_count ? slot + 1 : 1;
        park_fill(page_of(slot), &(struct park_cpu){.id = slot,
                                                    .wait = PARK_IN_WFE,
                                                    .mpidr = p->cpu[slot].mpidr,
                                                    .next = ptr_hpa(page_of(next)).v});
    }
    flush(park_pages, p->cpu_count * PARK_PAGE_SIZE);
    icache_inval_all();
    dsb(sy);
}

static bool is_parked(const void *page)
{
    flush((const char *)page + PARK_STATE, 2 * sizeof(uint64_t));
    return park_state(page) != PARK_NOT_THERE;
}

static struct park_gic machine_park_gic(const struct platform *p)
{
    return (struct park_gic){.version = p->gic.version,
                             .distributor = p->gic.dist.v,
                             .cpu_interface = p->gic.cpu_interface.v};
}

// What a CPU's method needs to reach, where it is not mapped as memory already.
static int map_method(const struct cpu_start *how)
{
    uint64_t base, size;
    int err =
        cpu_start_reaches(how, &base, &size) ? el2_map_range(hpa(base), size, EL2_DEVICE_RW) : 0;
    return err == ERR_EXISTS ? 0 : err;
}

static int send_to_page(const struct platform *p, unsigned slot, const void *page)
{
    const struct cpu_start *how = &p->cpu[slot].start;
    const struct park_gic gic = machine_park_gic(p);
    if (how->method == CPU_PSCI_HVC) {
        return ERR_UNSUPPORTED; // it would be Newel that is called
    }
    if (is_parked(page)) {
        return 0; // it came when another one was called
    }
    int err = map_method(how);
    return err != 0 ? err : cpu_start(how, p->cpu[slot].mpidr, park_entry(ptr_hpa(page).v), &gic);
}

static void say_no_answer(const void *page, uint64_t mpidr)
{
    flush((const char *)page + PARK_STRANGER, sizeof(uint64_t));
    uint64_t came = park_stranger(page) & MPIDR_AFFINITY;
    if (park_stranger(page) != 0) {
        log_warn("CPU 0x%lx does not start: CPU 0x%lx came in its place", mpidr, came);
    } else {
        log_warn("CPU 0x%lx does not start: no answer", mpidr);
    }
}

// True if the CPU waits in its page, at Newel's level. One that came at another stays there.
static bool park(const struct platform *p, unsigned slot, const void *page)
{
    const struct cpu_start *how = &p->cpu[slot].start;
    uint64_t mpidr = p->cpu[slot].mpidr;
    int err = send_to_page(p, slot, page);
    if (how->method == CPU_UNKNOWN) {
        log_warn("CPU 0x%lx does not start: its method is \"%s\"", mpidr, cpu_method_name(how));
    } else if (err != 0) {
        log_warn("CPU 0x%lx does not start: %s: %s", mpidr, cpu_method_name(how), error_text(err));
    } else if (!wait_until(is_parked, page, POLL_US)) {
        say_no_answer(page, mpidr);
    } else if (park_state(page) != PARK_AT_EL2) {
        log_warn("CPU 0x%lx does not start: it came at EL%u", mpidr, park_state(page));
    } else {
        return true;
    }
    return false;
}

// ---- from the parking code into Newel ----

static bool has_arrived(const void *start)
{
    const struct secondary_start *s = start;
    return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) >= START_ARRIVED;
}

static bool comes(struct secondary_start *s)
{
    wait_until(has_arrived, s, START_TIMEOUT_US);
    move_on(s, START_WAITING, START_GIVEN_UP);
    while (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == START_COMING) {
        cpu_relax(); // a few register accesses
    }
    return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == START_ARRIVED;
}

// By the mailbox: the words that secondary_entry looks for are in the page's free part.
static void release(const struct platform *p, unsigned slot, void *page)
{
    struct secondary_start *s = &starts[slot];
    struct percpu *cpu = &percpus[cpu_count];
    const struct cpu_start mailbox = {.method = CPU_PARKED, .id = slot, .address = ptr_hpa(page).v};
    const struct park_gic by_sev = {0};
    percpu_init(cpu, cpu_count, slot, p->cpu[slot].mpidr);
    *s = (struct secondary_start){.stack = cpu->stack_top,
                                  .cpu = cpu,
                                  .ttbr = el2_map_ttbr(),
                                  .tcr = el2_map_tcr(features.pa_bits),
                                  .mair = el2_map_mair()};
    flush(s, sizeof(*s)); // its reader has no caches yet
    uint64_t *named = (uint64_t *)((uintptr_t)page + PARK_FREE);
    *named = (uint64_t)(uintptr_t)s;
    flush(named, sizeof(*named));
    int err = cpu_start(&mailbox, cpu->mpidr, (uint64_t)(uintptr_t)secondary_entry, &by_sev);
    if (err != 0 || !comes(s)) {
        log_warn("CPU 0x%lx does not start: it does not leave its mailbox", cpu->mpidr);
        return;
    }
    features_merge(&features, &s->ids);
    switch_heed_errata(cpu, &s->ids);
    cpu_count++;
}

void smp_start_all(const struct platform *p)
{
    const char *said = "";
    fill_pages(p);
    for (unsigned slot = 1; slot < p->cpu_count; slot++) {
        const struct cpu_start *how = &p->cpu[slot].start;
        if (how->method != CPU_UNKNOWN && strcmp(said, cpu_method_name(how)) != 0) {
            said = cpu_method_name(how);
            log_info("CPUs are started by %s", said);
        }
        if (park(p, slot, page_of(slot))) {
            release(p, slot, page_of(slot));
        }
    }
}

noreturn void boot_secondary(struct percpu *cpu)
{
    uint64_t frame = (uint64_t)(uintptr_t)__builtin_frame_address(0); // its stack is its own
    struct secondary_start *s = &starts[(frame - 1 - (uint64_t)(uintptr_t)cpu_stacks) / STACK_SLOT];
    if (!move_on(s, START_WAITING, START_COMING)) {
        cpu_halt();
    }
    percpu_install(cpu);
    features_read(&s->ids);
    if (gic_init_cpu() != 0) {
        move_on(s, START_COMING, START_GIVEN_UP);
        cpu_halt(); // the boot CPU will say that this one did not come
    }
    switch_init_cpu(&s->ids);
    timer_init_cpu();
    cpu->online = true;
    move_on(s, START_COMING, START_ARRIVED);
    machine_kick(0); // the boot CPU waits
    trap_run_cpu();
}
