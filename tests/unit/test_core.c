// SPDX-License-Identifier: Apache-2.0
// What a core file is made of: where a guest's memory is in the machine's, the kernel's note, and
// the headers, read back by the C library's idea of them.
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/sysreg_bits.h"
#include "guest_ram.h"
#include "mem/backing.h"
#include "vm/core.h"
#include "vm/vmcoreinfo.h"

#define RAM_SIZE (4 * MIB)

static int start(void **state)
{
    (void)state;
    guest_ram_start(RAM_SIZE);
    return 0;
}

// ---- backing_find()

static struct backing find(uint64_t at, uint64_t size)
{
    struct backing b;
    unsigned steps = 4096;

    assert_true(backing_find(&s2, gpa(at), size, &steps, &b));
    assert_int_equal(b.ipa.v, at);
    return b;
}

static void parts_of_memory(void **state)
{
    (void)state;
    struct backing b = find(GUEST_BASE + 0x1234, RAM_SIZE);

    assert_true(b.mapped);
    assert_int_equal(b.size, RAM_SIZE - 0x1234);
    assert_int_equal(b.pa.v, ram + 0x1234);
    b = find(0, UINT64_MAX); // all the way to the memory
    assert_false(b.mapped);
    assert_int_equal(b.size, GUEST_BASE);
    b = find(GUEST_BASE + RAM_SIZE, BIT(63));
    assert_false(b.mapped);
    assert_int_equal(b.size, BIT(63)); // beyond what stage 2 has
    b = find(GUEST_BASE, 0x10);
    assert_int_equal(b.size, 0x10);
}

// Two pages the other way round, and a hole.
static void parts_that_are_elsewhere(void **state)
{
    (void)state;
    uint64_t at = GUEST_BASE + MIB;

    assert_int_equal(stage2_unmap(&s2, gpa(at), 3 * PAGE_SIZE), 0);
    assert_int_equal(
        stage2_map(&s2, gpa(at), hpa(ram + MIB + PAGE_SIZE), PAGE_SIZE, S2_RW, S2_NORMAL), 0);
    assert_int_equal(
        stage2_map(&s2, gpa(at + PAGE_SIZE), hpa(ram + MIB), PAGE_SIZE, S2_RW, S2_NORMAL), 0);
    assert_int_equal(find(GUEST_BASE, RAM_SIZE).size, MIB);
    assert_int_equal(find(at, RAM_SIZE).size, PAGE_SIZE);
    assert_int_equal(find(at, RAM_SIZE).pa.v, ram + MIB + PAGE_SIZE);
    assert_int_equal(find(at + PAGE_SIZE, RAM_SIZE).pa.v, ram + MIB);
    struct backing hole = find(at + 2 * PAGE_SIZE, RAM_SIZE);

    assert_false(hole.mapped);
    assert_int_equal(hole.size, PAGE_SIZE);
}

static void parts_in_steps(void **state)
{
    (void)state;
    struct backing b;
    unsigned steps = 0;

    assert_int_equal(stage2_protect(&s2, gpa(GUEST_BASE), PAGE_SIZE, S2_R), 0); // now in pages
    assert_false(backing_find(&s2, gpa(GUEST_BASE), RAM_SIZE, &steps, &b));
    steps = 7;
    assert_true(backing_find(&s2, gpa(GUEST_BASE), RAM_SIZE, &steps, &b));
    assert_int_equal(b.size, 7 * PAGE_SIZE);
    assert_int_equal(steps, 0);
}

// ---- Headers

static _Alignas(4096) char memory[CORE_NOTES_SIZE + 0x1000];
static struct core core;

static const Elf64_Phdr *program(size_t n)
{
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)memory;

    return (const Elf64_Phdr *)(memory + e->e_phoff) + n;
}

static void headers(void **state)
{
    (void)state;
    core_start(&core, memory, sizeof(memory));
    assert_true(core_add_range(&core, gva(0x1000), gpa(0x40001000), 0x1000, 5, 0x1000));
    assert_true(core_add_range(&core, gva(0x2000), gpa(0x40002000), 0x3000, 5, 0x2000)); // goes on
    assert_true(core_add_range(&core, gva(0x5000), gpa(0x40005000), 0x1000, 3, 0x5000)); // rights
    assert_true(
        core_add_range(&core, gva(0x6000), gpa(0x40006000), 0x1000, 3, 0x7000)); // elsewhere
    size_t size = core_finish(&core);
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)memory;

    assert_memory_equal(e->e_ident,
                        "\x7f"
                        "ELF\2\1\1",
                        7);
    assert_int_equal(e->e_type, ET_CORE);
    assert_int_equal(e->e_machine, EM_AARCH64);
    assert_int_equal(e->e_phentsize, sizeof(Elf64_Phdr));
    assert_int_equal(e->e_phnum, 4);
    assert_int_equal(size, 0x1000);
    assert_int_equal(e->e_phoff, sizeof(*e)); // crash looks nowhere else
    assert_int_equal(program(0)->p_offset, sizeof(*e) + 4 * sizeof(Elf64_Phdr));
    assert_int_equal(program(0)->p_type, PT_NOTE);
    assert_int_equal(program(1)->p_type, PT_LOAD);
    assert_int_equal(program(1)->p_vaddr, 0x1000);
    assert_int_equal(program(1)->p_paddr, 0x40001000);
    assert_int_equal(program(1)->p_memsz, 0x4000);
    assert_int_equal(program(1)->p_filesz, 0x4000);
    assert_int_equal(program(1)->p_flags, PF_R | PF_X);
    assert_int_equal(program(1)->p_offset, size + 0x1000);
    assert_int_equal(program(2)->p_flags, PF_R | PF_W);
    assert_int_equal(program(3)->p_offset, size + 0x7000);
}

static void no_room(void **state)
{
    (void)state;
    unsigned n = 0;

    core_start(&core, memory, sizeof(memory));
    while (core_add_range(&core, gva(n * 0x2000), gpa(n * 0x2000), 0x1000, 7, n * 0x2000)) {
        n++;
    }
    assert_int_equal(n, 0x1000 / CORE_RANGE_SIZE - 1);
    assert_int_equal(core_finish(&core), 0x2000);
    // No more than the file format counts.
    core_start(&core, memory, (size_t)1 << 30);
    assert_int_equal(core.most, CORE_MOST_RANGES);
}

static const Elf64_Nhdr *note(size_t n)
{
    const char *at = memory + program(0)->p_offset;

    while (n-- > 0) {
        const Elf64_Nhdr *h = (const Elf64_Nhdr *)at;

        at += sizeof(*h) + align_up(h->n_namesz, 4) + align_up(h->n_descsz, 4);
    }
    return (const Elf64_Nhdr *)at;
}

static uint64_t word(const char *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof(n));
    return n;
}

static void notes(void **state)
{
    (void)state;
    static struct vcpu v = {.index = 2, .regs = {.pc = 0x1234}};
    char text[] = "hello";

    v.el1.sp_el0 = 0x100;
    v.el1.sp_el1 = 0x200;
    v.regs.x[30] = 30;
    core_start(&core, memory, sizeof(memory));
    for (uint64_t pstate = 0; pstate <= PSR_EL1H; pstate += PSR_EL1H) {
        v.regs.pstate = pstate;
        assert_true(core_add_vcpu(&core, &v));
    }
    assert_true(core_add_note(&core, "VMCOREINFO", 0, text, 5));
    core_finish(&core);
    assert_int_equal(program(0)->p_filesz, 2 * (12 + 8 + 392) + 12 + 12 + 8);
    const char *desc = (const char *)note(1) + 12 + 8;

    assert_int_equal(note(1)->n_type, NT_PRSTATUS);
    assert_string_equal((const char *)(note(1) + 1), "CORE");
    assert_int_equal(*(const uint32_t *)(desc + 32), 3); // pr_pid
    assert_int_equal(word(desc + 112 + 30 * 8), 30);     // pr_reg
    assert_int_equal(word(desc + 112 + 31 * 8), 0x200);  // SP of EL1h
    assert_int_equal(word(desc + 112 + 32 * 8), 0x1234);
    desc = (const char *)note(0) + 12 + 8;
    assert_int_equal(word(desc + 112 + 31 * 8), 0x100); // of EL0
    assert_memory_equal((const char *)note(2) + 12 + 12, "hello\0\0\0", 8);
    // As many as a VM can have, and the kernel's.
    static char most[VMCOREINFO_MOST];

    core_start(&core, memory, sizeof(memory));
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
        assert_true(core_add_vcpu(&core, &v));
    }
    assert_true(core_add_note(&core, "VMCOREINFO", 0, most, sizeof(most)));
    assert_false(core_add_note(&core, "VMCOREINFO", 0, most, sizeof(most)) &&
                 core_add_note(&core, "VMCOREINFO", 0, most, sizeof(most)));
}

// ---- VMCOREINFO

#define KERNEL UINT64_C(0xffff800008000000) // where the kernel has its tables, a 4 KiB page
#define TABLES (GUEST_BASE + 2 * MIB)       // and they are

static struct walk_regs regs;
static struct vmcoreinfo info;

static void put_kernel(void)
{
    regs = (struct walk_regs){
        .sctlr = BIT(0),
        .tcr = 16 | 16 << 16 | UINT64_C(2) << 30 | UINT64_C(5) << 32,
        .ttbr1 = GUEST_BASE, // another's: a program runs
        .cpu = {.pa_bits = 48},
        .el = 1,
    };
    for (unsigned level = 0; level < 4; level++) {
        uint64_t next = level < 3 ? TABLES + (level + 1) * PAGE_SIZE : TABLES;
        unsigned shift = 39 - 9 * level;

        guest_word(TABLES + level * PAGE_SIZE)[bits_get(KERNEL, shift + 8, shift)] =
            next | BIT(10) | 3;
    }
}

static void put_note(uint64_t at, const char *text, uint32_t size)
{
    char *to = hpa_ptr(hpa(ram + at - GUEST_BASE));
    Elf64_Nhdr h = {11, size, 0};

    memcpy(to, &h, sizeof(h));
    memcpy(to + sizeof(h), "VMCOREINFO\0", 12);
    memcpy(to + sizeof(h) + 12, text, strlen(text));
}

#define GOOD                                    \
    "OSRELEASE=6.1\nPAGESIZE=4096\n"            \
    "SYMBOL(swapper_pg_dir)=ffff800008000000\n" \
    "NUMBER(kimage_voffset)=0xffff7fffc7e00000\nA=1\n"

// False if it is not found. In pieces.
static bool search(void)
{
    gpa_t at = gpa(GUEST_BASE);
    unsigned pieces = 0;

    info = (struct vmcoreinfo){0};
    while (!vmcoreinfo_search(&info, &s2, &regs, &at, gpa(GUEST_BASE + RAM_SIZE), 100)) {
        pieces++;
    }
    assert_true(pieces <= RAM_SIZE / PAGE_SIZE / 100);
    return info.size != 0;
}

static void the_kernels_note(void **state)
{
    (void)state;
    put_kernel();
    assert_false(search());
    put_note(GUEST_BASE + MIB, GOOD, sizeof(GOOD) - 1);
    assert_true(search());
    assert_int_equal(info.kernel.v, TABLES);
    assert_int_equal(info.size, sizeof(GOOD) - 1);
    assert_string_equal(info.text, GOOD);
}

static void false_notes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t size;
    } cases[] = {
        {"OSRELEASE=6.1\n", 14},
        {"OSRELEASE=6.1\n", 0},
        {"OSRELEASE=6.1\n", VMCOREINFO_MOST + 1},
        {"OSRELEASE=6.1\n", UINT32_MAX},
        {"OSRELEASE=\nSYMBOL(swapper_pg_dir)=ffff800008000000\n", 60}, // elsewhere
        {"OSRELEASE=\nSYMBOL(swapper_pg_dir)=ffff800008001000\nNUMBER(kimage_voffset)="
         "0xffff7fffc7e00000\n",
         100},
        {"XSRELEASE=\nSYMBOL(swapper_pg_dir)=ffff800008000000\nNUMBER(kimage_voffset)="
         "0xffff7fffc7e00000\n",
         100},
        {"OSRELEASE=\nSYMBOL(swapper_pg_dir)=zzz\nNUMBER(kimage_voffset)=", 100},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start(state);
        put_kernel();
        put_note(GUEST_BASE + MIB, cases[i].text, cases[i].size);
        assert_false(search());
        // And it does not hide the kernel's.
        put_note(GUEST_BASE + 3 * MIB, GOOD, sizeof(GOOD) - 1);
        assert_true(search());
    }
    // At the very end of memory, and beyond.
    start(state);
    put_kernel();
    put_note(GUEST_BASE + RAM_SIZE - PAGE_SIZE, GOOD, 0x1000);
    assert_false(search());
    put_note(GUEST_BASE + RAM_SIZE - PAGE_SIZE, GOOD, 0x800);
    assert_true(search());
}

#define TEST(f) cmocka_unit_test_setup(f, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_of_memory),  TEST(parts_that_are_elsewhere),
        TEST(parts_in_steps),   TEST(headers),
        TEST(no_room),          TEST(notes),
        TEST(the_kernels_note), TEST(false_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
