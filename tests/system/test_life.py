# SPDX-License-Identifier: Apache-2.0
"""A VM's life: started, stopped, reset and destroyed by the operator; crashed and rebooted by itself; others go on."""
import os
import re
import time

import newel_machine as newel
import pytest
from manifests import STAY, linux, manifest, raw

SPIN = 0x14000000  # B .
WILD = 0xD61F03C0  # BR X30, to 0: no memory there, nor a vector that could tell
CYCLES = 200 if "NEWEL_LONG" in os.environ else 20
# vCPU 0 turns the others on, by CPU_ON, for ever; they turn themselves off.
ON_AND_OFF = (
    0x10000133, 0xD2800014,  # adr x19, off; mov x20, #0
    0xD2800060, 0xF2B88000,  # on: mov x0, CPU_ON
    0x91000694, 0x92400681,  # add x20, x20, #1; and x1, x20, #3
    0xAA1303E2, 0xD4000002, 0x17FFFFFA,  # mov x2, x19; hvc #0; b on
    0xD2800040, 0xF2B08000, 0xD4000002,  # off: mov x0, CPU_OFF; hvc #0
)

# Writes its own pattern into 3 MiB of its RAM and looks at it for ever; turns off where it finds another.
def guard(name, pattern, **properties):
    return raw(
        name,
        0xD2800002 | pattern << 5, 0xD2A80801,  # movz x2, pattern; movz x1, 0x40400000
        0xD2A80200, 0xCA020003, 0xF9000003,  # movz x0, 0x40100000; 1: eor x3, x0, x2; str x3, [x0]
        0x91400400, 0xEB01001F, 0x54FFFF81,  # add x0, x0, 4096; cmp x0, x1; b.ne 1b
        0xD2A80200, 0xF9400004, 0xCA020003,  # 2: movz x0, 0x40100000; 3: ldr x4, [x0]; eor x3, x0, x2
        0xEB04007F, 0x540000A1, 0x91400400,  # cmp x3, x4; b.ne 4f; add x0, x0, 4096
        0xEB01001F, 0x54FFFF41, 0x17FFFFF8,  # cmp x0, x1; b.ne 3b; b 2b
        0xD2800100, 0xF2B08000, 0xD4000002,  # 4: SYSTEM_OFF
        **properties,
    )


def free_pages(machine):
    """What "memory map" says of each owner."""
    table = machine.monitor("memory map")
    return {owner: int(pages) for owner, pages in re.findall(r"^(\S+) +\d+ +(\d+)\b", table, re.M)}


def state(machine, name):
    return re.search(rf"^[* ] {name} +(\w+)", machine.monitor("vm list"), re.M)[1]


def await_state(machine, name, wanted):
    deadline = time.monotonic() + 10
    while state(machine, name) != wanted:
        assert time.monotonic() < deadline


def prompt(machine):
    """The prompt that Newel opens by itself where no VM starts."""
    machine.position = machine.expect(r"opens the monitor\n(newel> )\Z", 30).start(1)


def test_destroying_returns_every_page(boot):
    machine = boot(manifest(raw("small", SPIN, memory=64, cpus=2, autostart='"no"'), root=STAY))
    prompt(machine)
    before = free_pages(machine)
    assert before["small"] == 0
    for _ in range(CYCLES):
        machine.monitor("vm start small")
        machine.expect("^newel: small: .*started$")
        assert free_pages(machine)["small"] > 64 * 256  # its RAM, and its tables
        machine.monitor("vm destroy small")
        machine.expect("^newel: small: destroyed$")
    assert free_pages(machine) == before


def test_destroying_linux_returns_every_page(boot):
    machine = boot(manifest(linux("one", cpus=2, autostart='"no"'), root=STAY))
    prompt(machine)
    before = free_pages(machine)
    for _ in range(3):
        machine.monitor("vm start one")
        machine.expect("newel-guest: up cpus=2", 60)
        machine.monitor("vm destroy one")
        machine.expect("^newel: one: destroyed$")
    assert free_pages(machine) == before


@pytest.mark.parametrize("smp", [1, 2])
def test_more_vms_than_vmids(boot, smp):
    """A CPU with VMIDs of 8 bits: they run out, and VMs that live through it keep their memory to themselves."""
    later = guard("later", 0x3333, autostart='"no"')
    machine = boot(manifest(guard("one", 0x1111), guard("two", 0x2222), later, root=STAY), smp=smp)
    machine.expect_all("^newel: one: .*started$", "^newel: two: .*started$")
    machine.open_monitor()
    for _ in range(270):
        machine.monitor("vm start later")
        machine.expect("^newel: later: .*started$")
        machine.monitor("vm destroy later")
        machine.expect("^newel: later: destroyed$")
    assert re.search("VMIDs 8 bits, generation 2", machine.monitor("features"))
    machine.monitor("vm start later")
    machine.expect("^newel: later: .*started$")
    time.sleep(1)
    assert [state(machine, name) for name in ("one", "two", "later")] == ["running"] * 3


def test_autostart(boot):
    """A VM with autostart = "no" takes no memory until it is started."""
    machine = boot(manifest(raw("now", SPIN), raw("later", SPIN, autostart='"no"'), root=STAY))
    machine.expect("^newel: now: 4 MiB, 1 vCPUs, started$")
    machine.open_monitor()
    assert (state(machine, "now"), state(machine, "later")) == ("running", "destroyed")
    assert free_pages(machine)["later"] == 0
    machine.monitor("vm start later")
    machine.expect("^newel: later: 4 MiB, 1 vCPUs, started$")
    assert state(machine, "later") == "running"


def test_orders_of_the_operator(boot):
    machine = boot(manifest(raw("one", SPIN), root=STAY))
    machine.expect("^newel: one: .*started$")
    machine.open_monitor()
    assert "one is running" in machine.monitor("vm start one")
    machine.monitor("vm stop one")
    machine.expect("^newel: one: off$")
    assert state(machine, "one") == "off"
    assert "one is off" in machine.monitor("vm stop one")
    machine.monitor("vm start one")
    machine.expect("^newel: one: .*started$")
    machine.monitor("vm reset one")
    machine.expect("^newel: one: reset$")
    await_state(machine, "one", "running")
    machine.monitor("vm destroy one")
    machine.expect("^newel: one: destroyed$")
    machine.send("poweroff\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_stopping_a_vm_that_starts_vcpus(boot):
    """A vCPU that CPU_ON turns on while its VM stops does not outlive the stop."""
    machine = boot(manifest(raw("one", *ON_AND_OFF, cpus=4, autostart='"no"'), root=STAY), smp=4)
    prompt(machine)
    for _ in range(CYCLES):
        machine.monitor("vm start one")
        machine.expect("^newel: one: .*started$")
        machine.monitor("vm stop one")
        machine.expect("^newel: one: off$")


def test_kernel_panic_leaves_the_others_running(boot):
    """Linux that crashes reboots itself ("panic=1"); the other one notices nothing."""
    machine = boot(manifest(linux("bad", bootargs="panic=1"), linux("good")))
    machine.expect_all(*(f"^{name}.*newel-guest: timers" for name in ("bad", "good")), timeout=120)
    machine.open_monitor()
    machine.focus("bad")
    machine.shell("echo c > /proc/sysrq-trigger")
    machine.expect("^bad.*Kernel panic - not syncing: sysrq triggered crash", 30)
    machine.expect("^newel: bad: reset$", 60)
    machine.expect("^bad.*newel-guest: up", 120)
    machine.open_monitor()
    machine.focus("good")
    machine.shell("echo still-$((6*7)); poweroff -f")
    machine.expect("^good.*still-42")
    machine.expect("^newel: good: off$")
    machine.open_monitor()
    machine.send("vm stop bad\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_wild_jump_leaves_the_others_running(boot):
    machine = boot(manifest(raw("wild", WILD, cpus=1), linux("good", cpus=2, bootargs="newel.poweroff")))
    machine.expect("^good.*newel-guest: up cpus=2", 120)
    machine.expect("^newel: good: off$", 60)
    machine.open_monitor()
    assert state(machine, "wild") == "running"
    assert "pc" in machine.monitor("vcpu regs wild 0")
    machine.send("vm stop wild\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
