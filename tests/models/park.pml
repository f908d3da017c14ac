/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox (src/park/): who calls a CPU (park/start.c) and the CPU that waits (park/code.S).
 *
 * What may go wrong: the CPU goes before both words are right, or sleeps on with both there. The
 * caller writes with caches on: words reach memory when they are cleaned or, at any time before,
 * when the line is evicted. The CPU reads memory. The mailbox was used before: it holds an address
 * that is not the CPU's, with an id that is not.
 *
 * WAIT: how the CPU waits and what calls it.
 * FAULT: what is left out; each has to be found (run_models.py).
 */
#define WAIT_WFI_SGI 0
#define WAIT_WFE_SEV 1
#define WAIT_WFE_SGI 2 /* by the event stream alone */

#define FAULT_NONE          0
#define FAULT_ID_FIRST      1 /* the caller writes the id, then the address */
#define FAULT_NO_BARRIER    2 /* nothing between the caller's two writes */
#define FAULT_READ_UNORDERED 3 /* nothing between the CPU's two reads */
#define FAULT_CALL_FIRST    4 /* the caller calls, then writes */
#define FAULT_LATE_ACK      5 /* the CPU looks, and then acknowledges SGIs */
#define FAULT_WRONG_WAIT    6 /* SEV for a CPU in WFI */
#define FAULT_NO_STREAM     7 /* an SGI for a CPU in WFE, without the event stream */
#define FAULT_NO_CLEAN      8 /* the id stays in the cache */

#ifndef WAIT
#define WAIT WAIT_WFI_SGI
#endif
#ifndef FAULT
#define FAULT FAULT_NONE
#endif

#define OTHER 1
#define OWN   2
#define OLD   1
#define NEW   2

/* In the caller's cache, and in memory. */
byte cached_id = OTHER, cached_jump = OLD;
byte id = OTHER, jump = OLD;
bool dirty = false;

bool sgi = false;   /* pending at the CPU */
bool event = false; /* its event register */
bool gone = false;

inline clean() {
    atomic { id = cached_id; jump = cached_jump; dirty = false }
}

inline write_jump() {
    atomic { cached_jump = NEW; dirty = true }
}

inline write_id() {
    atomic { cached_id = OWN; dirty = true }
}

inline call() {
#if WAIT == WAIT_WFE_SEV || FAULT == FAULT_WRONG_WAIT
    event = true
#else
    sgi = true
#endif
}

active proctype caller() {
#if FAULT == FAULT_CALL_FIRST
    call();
#endif
#if FAULT == FAULT_ID_FIRST
    write_id(); clean(); write_jump(); clean();
#elif FAULT == FAULT_NO_BARRIER
    if
    :: write_jump(); write_id()
    :: write_id(); write_jump()
    fi;
    clean();
#elif FAULT == FAULT_NO_CLEAN
    write_jump(); clean(); write_id();
#else
    write_jump(); clean(); write_id(); clean();
#endif
#if FAULT != FAULT_CALL_FIRST
    call();
#endif
    skip
}

/* A line may be evicted whenever it is dirty, and need not be. */
active proctype cache() {
end:
    do
    :: atomic { dirty -> id = cached_id; jump = cached_jump; dirty = false }
    od
}

#if WAIT == WAIT_WFE_SGI && FAULT != FAULT_NO_STREAM
active proctype event_stream() {
end:
    do
    :: atomic { !event && !gone -> event = true }
    od
}
#endif

/* Another interrupt for the CPU, or another's SEV: it looks, for nothing. */
active proctype disturbance() {
    if
    :: sgi = true
    :: event = true
    :: skip
    fi
}

active proctype cpu() {
    byte seen_id, seen_jump;
look:
#if FAULT == FAULT_READ_UNORDERED
    if
    :: seen_id = id; seen_jump = jump
    :: seen_jump = jump; seen_id = id
    fi;
#else
    seen_id = id; seen_jump = jump;
#endif
    if
    :: seen_id == OWN && seen_jump != 0 -> goto leave
    :: else
    fi;
#if FAULT == FAULT_LATE_ACK
    sgi = false;
#endif
#if WAIT == WAIT_WFI_SGI
    sgi; /* WFI */
#else
    atomic { event; event = false }; /* WFE */
#endif
#if FAULT != FAULT_LATE_ACK
    sgi = false; /* acknowledged before it looks again */
#endif
    goto look;
leave:
    assert(seen_id == OWN && seen_jump == NEW);
    jump = 0; /* the answer */
    gone = true
}
