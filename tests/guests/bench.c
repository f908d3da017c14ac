// SPDX-License-Identifier: Apache-2.0
// What tools/bench measures, under any hypervisor: loops between marks that the
// instruction-counting plugin logs. `BENCH name count` is printed before each; the marks then come
// in the same order:
//   19, 20  begin and end of `count` rounds of an operation by one CPU
//   21, 22, 23  before and after a CPU sends an interrupt to the other; the other's handler entry
//   24, 25  waiting for the timer begins; the handler's entry
//   26, 27  begin and end of a stretch in which this CPU computes and is switched away from and
//   back
#include "lib/gic.h"
#include "lib/mmu.h"
#include "lib/psci.h"
#include "lib/test.h"
#include "lib/timer.h"

#include <newel/hypercall.h>

#define MARK(n) __asm__ volatile("orr x" #n ", x" #n ", x" #n ::: "memory")
#define ROUNDS  1000
#define EVENTS  50

/* The loop's own two instructions count as the operation's: every hypervisor pays them alike. */
#define MEASURE(name, operation, ...)                                                          \
    do {                                                                                       \
        uint64_t rounds_ = ROUNDS;                                                             \
        print("BENCH " name " %u\n", ROUNDS);                                                  \
        delay_us(20000);                                                                       \
        MARK(19);                                                                              \
        __asm__ volatile("1: " operation "\n\tsubs %0, %0, #1\n\tb.ne 1b\n\torr x20, x20, x20" \
                         : "+&r"(rounds_)                                                      \
                         : __VA_ARGS__                                                         \
                         : "x0", "x1", "x2", "x3", "x4", "cc", "memory");                      \
    } while (0)

/* Runs once before each measurement, so that nothing is done for the first time within it. */
#define WARM_UP(operation, ...) \
    __asm__ volatile(operation ::__VA_ARGS__ : "x0", "x1", "x2", "x3", "x4", "cc", "memory")

TEST(setup)
{
    mmu_on();
    gic_init();
}

TEST(hvc_psci_version)
{
    WARM_UP("mov w0, #0x84000000\n\thvc #0", "r"(0));
    MEASURE("hvc_psci_version", "mov w0, #0x84000000\n\thvc #0", "r"(0));
}

TEST(mrs_idreg)
{
    WARM_UP("mrs x0, id_aa64pfr0_el1", "r"(0));
    MEASURE("mrs_idreg", "mrs x0, id_aa64pfr0_el1", "r"(0));
}

TEST(mmio_gicd_typer)
{
    uint64_t reg = machine.gicd + GICD_TYPER;

    mmio_read32(reg);
    MEASURE("mmio_gicd_typer", "ldr w0, [%1]", "r"(reg));
}

TEST(mmio_uart_fr)
{
    uint64_t reg = machine.uart + 0x18;

    mmio_read32(reg);
    MEASURE("mmio_uart_fr", "ldr w0, [%1]", "r"(reg));
}

/* VMware's backdoor, as its clients' probe calls it, registers and all. */
#define GETVERSION                                                                  \
    "mov w0, #0x5868\n\tmovk w0, #0x564d, lsl #16\n\tmvn w1, w0\n\tmov w2, #10\n\t" \
    "mov w3, #0x5658\n\tmov x7, #0xe\n\tmovk x7, #0x86, lsl #32\n\tmrs xzr, mdccsr_el0"

static void getversion_loop(uint64_t rounds)
{
    delay_us(20000);
    MARK(19);
    __asm__ volatile("1: " GETVERSION "\n\tsubs %0, %0, #1\n\tb.ne 1b\n\torr x20, x20, x20"
                     : "+&r"(rounds)::"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "cc",
                       "memory");
}

TEST(backdoor_getversion_el1)
{
    SKIP_UNLESS(arg_flag("tools"), "no tools");
    print("BENCH backdoor_getversion_el1 %u\n", ROUNDS);
    getversion_loop(ROUNDS);
}

TEST(backdoor_getversion_el0)
{
    struct exc_info info;

    SKIP_UNLESS(arg_flag("tools"), "no tools");
    print("BENCH backdoor_getversion_el0 %u\n", ROUNDS);
    /* The counter is EL0's to read, for delay_us(). */
    write_sysreg(cntkctl_el1, read_sysreg(cntkctl_el1) | 3);
    EXPECT(!el0_exception(&info, getversion_loop, ROUNDS));
}

#define RPCI   0x49435052u
#define COOKIE 0x80000000u
enum { OPEN, SEND_SIZE, SEND, RECEIVE_SIZE, RECEIVE, RECEIVE_STATUS };

static struct newel_regs channel; /* what opening it left: id, cookie */
static char info[65536] __attribute__((aligned(4096)));
static const char set[] = "info-set guestinfo.b ", get[] = "info-get guestinfo.b";

static struct newel_regs message(unsigned type, uint64_t bx)
{
    struct newel_regs r = channel;

    r.bx = bx;
    r.cx = type << 16 | NEWEL_BACKDOOR_MESSAGE;
    newel_backdoor(&r);
    return r;
}

/* A request of size bytes from info; its answer there, and how long that is. */
static uint64_t request(uint64_t size)
{
    struct newel_regs r = channel;
    uint64_t answer;

    message(SEND_SIZE, size);
    r.bp = channel.si;
    r.di = channel.di;
    bool ok = newel_backdoor_send(&r, info, size);
    answer = message(RECEIVE_SIZE, 0).bx;
    r = channel;
    r.bp = channel.di;
    ok = ok && newel_backdoor_receive(&r, info, answer);
    message(RECEIVE_STATUS, 1);
    return ok ? answer : 0;
}

/* A guestinfo of 64 KiB, less the words around it, is set and got. */
TEST(backdoor_hb)
{
    SKIP_UNLESS(arg_flag("tools"), "no tools");
    mmu_on();
    memset(info, 'x', sizeof(info));
    memcpy(info, set, sizeof(set) - 1);
    channel = message(OPEN, RPCI | COOKIE);
    EXPECT(channel.cx >> 16 & 1);
    EXPECT(request(sizeof(info)) >= 2); /* once for what is done at first */
    memcpy(info, get, sizeof(get) - 1);
    EXPECT(request(sizeof(get) - 1) > 60000);
    memset(info, 'x', sizeof(info));
    memcpy(info, set, sizeof(set) - 1);
    print("BENCH hb_set %lu\n", sizeof(info));
    MARK(19);
    uint64_t answer = request(sizeof(info));
    MARK(20);
    EXPECT(answer >= 2 && info[0] == '1');
    memcpy(info, get, sizeof(get) - 1);
    print("BENCH hb_get %lu\n", sizeof(info));
    MARK(19);
    answer = request(sizeof(get) - 1);
    MARK(20);
    EXPECT_EQ(answer, sizeof(info) - (sizeof(set) - 1) + 2);
    EXPECT(info[0] == '1' && info[2] == 'x' && info[answer - 1] == 'x');
}

/* ---- EFI's runtime services, by their stubs ---- */

enum { GET_TIME = 0, GET_VARIABLE = 6, SET_VARIABLE = 8 };

/* Of the runtime services table, 24 bytes of header before them. */
static uint64_t efi_stub(unsigned n)
{
    const uint64_t *system = (const uint64_t *)machine.efi;
    const uint64_t *services = (const uint64_t *)system[11];

    return services[3 + n];
}

/* The loads of the arguments are counted. Returns the last call's status. */
static uint64_t call_efi(unsigned service, const uint64_t arguments[5], uint64_t rounds)
{
    uint64_t stub = efi_stub(service), result;

    __asm__ volatile("1: ldp x0, x1, [%2]\n\tldp x2, x3, [%2, #16]\n\tldr x4, [%2, #32]\n\t"
                     "blr %3\n\tsubs %0, %0, #1\n\tb.ne 1b\n\tmov %1, x0"
                     : "+&r"(rounds), "=&r"(result)
                     : "r"(arguments), "r"(stub)
                     : "x0", "x1", "x2", "x3", "x4", "x9", "x30", "cc", "memory");
    return result;
}

static uint64_t measure_efi(const char *name, unsigned service, const uint64_t arguments[5])
{
    call_efi(service, arguments, 1); /* what is done at first */
    print("BENCH %s %u\n", name, ROUNDS);
    delay_us(20000);
    MARK(19);
    uint64_t result = call_efi(service, arguments, ROUNDS);
    MARK(20);
    return result;
}

static void map_efi(void)
{
    mmu_on();
    mmu_map_page(efi_stub(0), efi_stub(0), PTE_NORMAL | PTE_RO);
}

TEST(efi_gettime)
{
    static uint64_t time[2];
    const uint64_t arguments[5] = {(uint64_t)time};

    SKIP_UNLESS(machine.efi, "no EFI");
    map_efi();
    EXPECT_EQ(measure_efi("efi_gettime", GET_TIME, arguments), 0);
    EXPECT(time[0] != 0);
}

TEST(efi_getvariable_1k)
{
    static uint64_t size = 1024, vendor[2] = {1, 2};
    static uint16_t name[] = {'B', 'e', 'n', 'c', 'h', 0};
    const uint64_t n = (uint64_t)name, v = (uint64_t)vendor, data = (uint64_t)info;
    const uint64_t get_it[5] = {n, v, 0, (uint64_t)&size, data}, set_it[5] = {n, v, 7, size, data};

    SKIP_UNLESS(machine.efi, "no EFI");
    map_efi();
    memset(info, 'e', sizeof(info));
    EXPECT_EQ(call_efi(SET_VARIABLE, set_it, 1), 0);
    memset(info, 0, sizeof(info));
    EXPECT_EQ(measure_efi("efi_getvariable_1k", GET_VARIABLE, get_it), 0);
    EXPECT(size == 1024 && info[0] == 'e' && info[1023] == 'e' && info[1024] == 0);
}

/* bench_asm.S: vectors whose IRQ entry is a mark, then acknowledges, completes and counts. */
extern char bench_ipi_vectors[], bench_timer_vectors[];
volatile uint64_t bench_events;

static volatile bool ready, stop;

static void receiver(uint64_t unused)
{
    (void)unused;
    gic_init();
    gic_setup(1);
    write_sysreg(vbar_el1, (uint64_t)bench_ipi_vectors);
    ready = true;
    irq_enable();
    while (!stop) {
    }
    irq_disable();
}

TEST(ipi)
{
    SKIP_UNLESS(cpu_count() >= 2, "one CPU");
    bench_events = 0;
    EXPECT_EQ(cpu_start(1, receiver, 0), PSCI_SUCCESS);
    EXPECT(wait_for(ready, 5000000));
    print("BENCH ipi %u\n", EVENTS);
    for (unsigned i = 1; i <= EVENTS; i++) {
        delay_us(3000);
        MARK(21);
        __asm__ volatile("msr icc_sgi1r_el1, %0" ::"r"(1ul << 24 | 2) : "memory");
        MARK(22);
        EXPECT(wait_for(bench_events == i, 2000000));
    }
    stop = true;
    EXPECT(cpu_join(1));
}

/* The wait is a loop without exits; only the hypervisor's instructions of it are the interrupt's
 * price. */
TEST(timer_irq)
{
    uint64_t vbar = read_sysreg(vbar_el1);

    gic_setup(TIMER_VIRT_PPI);
    write_sysreg(vbar_el1, (uint64_t)bench_timer_vectors);
    bench_events = 0;
    print("BENCH timer_irq %u\n", EVENTS);
    irq_enable();
    for (unsigned i = 1; i <= EVENTS; i++) {
        write_sysreg(cntv_cval_el0, timer_now() + timer_us(2000));
        write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
        MARK(24);
        while (bench_events != i) {
        }
    }
    irq_disable();
    write_sysreg(vbar_el1, vbar);
    gic_teardown(TIMER_VIRT_PPI);
}

/* Stores to pages that nobody has touched, one store a page; one more between marks 28 and 20, for
 * a trace. The hypervisor has a table there already, or where that is to be measured too it has
 * not: they begin skip= bytes behind one that was warmed up. */
TEST(first_touch)
{
    uint64_t pages = arg_u64("touch", 0), at = machine.ram_base + (40ul << 20), left = pages;

    SKIP_UNLESS(pages, "wants touch=");
    *(volatile uint64_t *)at = 0;
    at += arg_u64("skip", 4096);
    print("BENCH first_touch %lu\n", pages);
    delay_us(20000);
    MARK(19);
    __asm__ volatile("1: str xzr, [%0]\n\tadd %0, %0, #4096\n\tsubs %1, %1, #1\n\tb.ne 1b\n\t"
                     "orr x20, x20, x20\n\torr x28, x28, x28\n\tstr xzr, [%0]\n\t"
                     "orr x20, x20, x20"
                     : "+&r"(at), "+&r"(left)::"cc", "memory");
}

/* For two VMs that share a CPU: both compute, the first with `measure` between marks. */
TEST(world_switch)
{
    uint64_t length = arg_u64("spin-ms", 0) * 1000;

    SKIP_UNLESS(length, "wants spin-ms=");
    delay_us(length / 3);
    if (arg_flag("measure")) {
        print("BENCH world_switch 0\n");
        delay_us(100000);
        MARK(26);
        delay_us(length / 3);
        MARK(27);
    } else {
        delay_us(length);
    }
}
