// SPDX-License-Identifier: Apache-2.0
#include "trap/io.h"

#include "call/backdoor.h"
#include "trap/caller.h"
#include "trap/inject.h"

#include <stddef.h>

static OUTLINE enum trap_result execute(struct vcpu *v, bool after)
{
    struct io_insn insn;
    struct caller m;
    caller_init(&m, v);
    if (!io_decode((uint32_t)v->regs.x[7], &insn)) {
        v->regs.x[IO_AX] = BACKDOOR_REFUSED;
        return TRAP_EMULATED;
    }
    enum port_end end = io_execute(&insn, &v->vm->ports, v, v->regs.x, &m.face);
    if (end == PORT_DONE) {
        return TRAP_EMULATED;
    }
    if (after) {
        caller_again(v);
    }
    if (end == PORT_AGAIN) {
        return TRAP_RETRY;
    }
    inject_data_fault(v, gva(m.fault.va), m.fault.status, m.fault.write);
    return TRAP_FAULT;
}

static inline enum trap_result call(struct vcpu *v, bool after)
{
    count(&v->count, CNT_CALL_IO);
    if ((uint32_t)v->regs.x[7] == IO_IN_EAX_DX && (uint16_t)v->regs.x[IO_DX] == BACKDOOR_PORT &&
        backdoor_version(v)) {
        return TRAP_EMULATED;
    }
    return execute(v, after);
}

enum trap_result io_call(struct vcpu *v)
{
    return call(v, false);
}

enum trap_result io_call_after(struct vcpu *v)
{
    enum trap_result result = call(v, true);
    return result == TRAP_EMULATED ? TRAP_RETRY : result;
}
