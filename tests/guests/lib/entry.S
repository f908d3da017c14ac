// SPDX-License-Identifier: Apache-2.0
// First instructions of a payload, on the boot CPU and on the CPUs that cpu_start() turns on.
// Entered at EL1, MMU and caches off, x0 = device tree (boot CPU) or struct cpu_boot * (others).

    .section .entry, "ax"
    .global _start
_start:
#ifdef GUEST_IMAGE_HEADER
    b 1f                        // the arm64 Image header, for hypervisors that take nothing else
    .word 0
    .quad 0x80000               // text_offset
    .quad __image_end - _start  // image_size
    .quad 2                     // flags: little endian, 4 KiB pages
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .word 0
1:
#endif
    msr daifset, #0xf
    mov x19, x0
    bl early_state
    adrp x0, __stack_boot_top
    add x0, x0, :lo12:__stack_boot_top
    mov sp, x0
    adrp x1, __bss_start
    add x1, x1, :lo12:__bss_start
    adrp x2, __bss_end
    add x2, x2, :lo12:__bss_end
2:  cmp x1, x2
    b.hs 3f
    stp xzr, xzr, [x1], #16
    b 2b
3:  mov x0, x19
    bl guest_boot
    b .

    .text
    .global cpu_secondary_entry
cpu_secondary_entry:
    msr daifset, #0xf
    mov x19, x0
    bl early_state
    ldr x1, [x19]               // struct cpu_boot: stack first
    mov sp, x1
    mov x0, x19
    bl cpu_secondary_main
    b .

// Vectors, FP access, stack pointer selection. Clobbers x0 only.
early_state:
    adrp x0, guest_vectors
    add x0, x0, :lo12:guest_vectors
    msr vbar_el1, x0
    mov x0, #3 << 20
    msr cpacr_el1, x0
    msr spsel, #1
    isb
    ret
