// SPDX-License-Identifier: Apache-2.0
// A64 loads and stores, read from the instruction for aborts that bring no syndrome (ISS.ISV = 0):
// pairs, write-back, SIMD; and cache maintenance, whose syndrome (ISS.CM) not every CPU gives. Arm
// ARM C4.1 (encoding tables), C6.2 and C7.2. Pure: any 32 bits are a valid input.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum access_kind {
    ACCESS_UNKNOWN,   // no load or store, one that is not allocated, or of a feature guests do not
                      // see
    ACCESS_PLAIN,     // a load or store of whole registers: struct access tells all
    ACCESS_VECTORS,   // SIMD structures: registers are taken apart into elements
    ACCESS_EXCLUSIVE, // exclusive, atomic, compare and swap: not for a device
    ACCESS_ZERO,      // DC ZVA: not for a device
    ACCESS_PREFETCH,  // PRFM: nothing happens
    ACCESS_CACHE,     // maintenance by address: nothing of a device is in a cache
};

enum address_form {
    ADDRESS_OFFSET,        // base + offset
    ADDRESS_PRE,           // the same, and it is written back
    ADDRESS_POST,          // base; base + offset is written back
    ADDRESS_LITERAL,       // pc + offset
    ADDRESS_REGISTER,      // base + extended, shifted register
    ADDRESS_POST_REGISTER, // base; base + register is written back
    ADDRESS_FAULTING,      // only FAR tells (LDRAA, LDRAB): the pointer is authenticated
    ADDRESS_FAULTING_PRE,  // that, and it is written back
};

// How the offset register is extended (C6.2, "option").
enum extend { EXTEND_UXTW = 2, EXTEND_LSL = 3, EXTEND_SXTW = 6, EXTEND_SXTX = 7 };

struct access {
    enum access_kind kind;
    enum address_form form;
    bool load;
    bool simd;         // Rt (and Rt2) are SIMD registers
    bool sign;         // a load that extends the sign
    bool unprivileged; // LDTR, STTR: with EL0's rights
    bool wide;         // to 64 bits; else the upper half of Xt becomes 0
    uint8_t size;      // of an element: 1 << size bytes, 0..4
    uint8_t elements;  // in memory, one after the other: 1, 2 for a pair, up to 64
    uint8_t rt, rt2, rn;
    uint8_t rm, extend, shift; // ADDRESS_REGISTER, ADDRESS_POST_REGISTER
    int64_t offset;            // bytes
    // ACCESS_VECTORS: rpt groups of lanes x structure elements, register numbers modulo 32.
    uint8_t repeats, lanes, structure;
    uint8_t lane;   // where single is set: the one lane
    bool single;    // one lane; the others keep what they hold
    bool replicate; // what was loaded goes into all lanes
    bool quad;      // 128 bits; else the upper half becomes 0
};

void decode_access(uint32_t insn, struct access *a);

// Bytes that the access covers: elements << size.
static inline unsigned access_bytes(const struct access *a)
{
    return (unsigned)a->elements << a->size;
}
