// SPDX-License-Identifier: Apache-2.0
// What boot loaders look for at the start of the image. The same bytes are an arm64 Image (Linux,
// Documentation/arch/arm64/booting.rst) and a UEFI application (Microsoft PE and COFF
// Specification): the Image header has room for PE's magic and for where its header is. File
// offsets are the addresses that the image is linked at, so newel.efi is newel.img.

#define PE_ALIGNMENT      0x1000
#define PE_FILE_ALIGNMENT 0x200

    .section .head, "ax"
    .global _start
_start:
    ccmp    x18, #0, #0xd, pl           // harmless, and its first bytes are "MZ"
    b       primary_entry
    .quad   0                           // text_offset
    .quad   image_size
    .quad   0xa                         // little-endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   pe_header - _start

    .balign 8
pe_header:
    .ascii  "PE\0\0"
    .hword  0xaa64                      // machine: ARM64
    .hword  (sections_end - sections) / 40
    .word   0, 0, 0                     // time, symbols
    .hword  sections - optional_header
    .hword  0x0206                      // executable, no line numbers, no debugging information

optional_header:
    .hword  0x20b                       // PE32+
    .byte   0, 0                        // linker's version
    .word   pe_text_size
    .word   pe_data_file_size
    .word   0                           // what is not in the file counts as data
    .word   pe_entry
    .word   pe_text
    .quad   0                           // wanted address: any, as there are no base relocations
    .word   PE_ALIGNMENT
    .word   PE_FILE_ALIGNMENT
    .hword  0, 0, 0, 0, 0, 0            // versions of system, image, subsystem
    .word   0
    .word   pe_image_size
    .word   pe_text                     // headers' size
    .word   0                           // checksum
    .hword  10                          // subsystem: EFI application
    .hword  0x0100                      // no section is writable and executable (NX_COMPAT)
    .quad   0, 0, 0, 0                  // stack, heap
    .word   0
    .word   0                           // data directories

sections:
    .ascii  ".text\0\0\0"
    .word   pe_text_size
    .word   pe_text
    .word   pe_text_size
    .word   pe_text
    .word   0, 0
    .hword  0, 0
    .word   0x60000020                  // code, execute, read

    .ascii  ".data\0\0\0"
    .word   pe_data_size
    .word   pe_data
    .word   pe_data_file_size
    .word   pe_data
    .word   0, 0
    .hword  0, 0
    .word   0xc0000040                  // initialized data, read, write
sections_end:
