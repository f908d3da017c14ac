// SPDX-License-Identifier: Apache-2.0
// A kernel for QEMU's x86 machine (PVH: entered in 32-bit protected mode): to long mode, and on to main64().

    .section .note.pvh, "a", @note
    .long 4, 8, 18                      // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad start32

    .text
    .code32
    .global start32
start32:
    cli
    mov $stack_top, %esp
    mov $directory, %edi                // 1 GiB, each address at itself
    mov $0x83, %eax
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    cmp $directory + 4096, %edi
    jne 1b
    movl $directory + 3, level3
    movl $level3 + 3, level4
    mov $level4, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax                      // PAE
    mov %eax, %cr4
    mov $0xc0000080, %ecx               // EFER.LME
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $start64

    .code64
start64:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %rsp
    call main64
1:  hlt
    jmp 1b

    .data
    .balign 8
gdt:
    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .bss
    .balign 4096
level4: .skip 4096
level3: .skip 4096
directory: .skip 4096
    .skip 16384
stack_top:
