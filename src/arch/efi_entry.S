// SPDX-License-Identifier: Apache-2.0
// Where a UEFI application comes in, and its pointers: Newel's, and tools/newel-detect's.

    .text
// From UEFI (2.3.6), on its stack, with its MMU and caches: x0 is this image's handle, x1 the system
// table. Returns a status in x0.
    .global efi_entry
efi_entry:
    stp     x29, x30, [sp, #-32]!
    mov     x29, sp
    stp     x0, x1, [sp, #16]
    bl      relocate
    ldp     x0, x1, [sp, #16]
    bl      efi_main
    ldp     x29, x30, [sp], #32
    ret

// The image's pointers, for where it is: every entry is R_AARCH64_RELATIVE (the link allows no
// other). May be done again elsewhere. Clobbers x9 to x14.
    .global relocate
relocate:
    adrp    x9, image_start
    adrp    x10, rela_start
    add     x10, x10, :lo12:rela_start
    adrp    x11, rela_end
    add     x11, x11, :lo12:rela_end
1:  cmp     x10, x11
    b.hs    2f
    ldp     x12, x13, [x10]             // offset, info
    ldr     x14, [x10, #16]             // addend
    add     x10, x10, #24
    cmp     w13, #1027                  // R_AARCH64_RELATIVE
    b.ne    1b
    add     x14, x14, x9
    str     x14, [x9, x12]
    b       1b
2:  ret
