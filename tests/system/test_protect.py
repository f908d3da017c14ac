# SPDX-License-Identifier: Apache-2.0
"""vm protect, vm protections, vm pause and resume: rights that override what a guest's own tables grant."""
import re
import time

import pytest

from manifests import STAY, linux, manifest, raw
from puppet import DATA, EXTERNAL, EXTERNAL_ON_WALK, FAR_PAGE, FETCH, NO_ACCESS_FLAG, READ_ONLY, Abort, Puppet, text, vm
from test_life import ON_AND_OFF, await_state, state

PAGE = 0x1000
RIGHTS = ("---", "r--", "-w-", "rw-", "r-x", "rwx")
# order, which is also the right that it needs: the exception when it is refused, WnR, and where in the page
ACCESSES = {"r": (DATA, 0, 0), "w": (DATA, 1, 8), "x": (FETCH, 0, 0)}
PERMISSION, TRANSLATION = 0x0F, 0x07  # at level 3
OVER = 120  # seconds: a busy host


def protect(puppet, at, rights, policy="", size=PAGE):
    said = puppet.monitor(f"vm protect {puppet.name} {at:#x}+{size:#x} {rights} {policy}".strip())[0]
    assert "vm protect" not in said.split("\n", 1)[1], said


def log(puppet):
    return puppet.monitor("log")[0]


def refused(puppet, order, at):
    """The abort of an order that is to have one; None if it had none."""
    try:
        puppet.do(order, at, 5)
    except Abort as abort:
        return abort
    return None


@pytest.mark.parametrize("populate", ["eager", "lazy"])
def test_truth_table(boot, populate):
    """Rights of the guest's tables and the override intersect; what the override lacks is refused by Newel's policy."""
    puppet = Puppet(boot(text(vm(populate=f'"{populate}"'))))
    page = puppet.map(FAR_PAGE)
    puppet.do("P", page, 5)
    denied = 0
    for rights in RIGHTS:
        protect(puppet, page, rights)
        for order, (kind, wrote, offset) in ACCESSES.items():
            abort = refused(puppet, order, page + offset)
            assert (abort is None) == (order in rights), (rights, order, abort)
            if abort:
                denied += 1
                assert (abort.kind, abort.status, abort.far) == (kind, EXTERNAL, page + offset)
                assert kind == FETCH or abort.wrote == wrote
    assert puppet.counters()["mem.denied"] == denied
    assert puppet.monitor("vm protections puppet")[0].count("0x") == 0


def test_the_guests_own_fault_comes_first(boot):
    """What its own tables refuse is its own permission or translation fault, whatever the override; Newel hears nothing."""
    puppet = Puppet(boot(text()))
    page = puppet.map(FAR_PAGE, READ_ONLY)
    for rights in ("rwx", "rw-", "r--", "---"):
        protect(puppet, page, rights)
        abort = refused(puppet, "w", page)
        assert (abort.kind, abort.status, abort.wrote, abort.far) == (DATA, PERMISSION, 1, page)
    puppet.do("u", page)
    for order in ACCESSES:
        assert refused(puppet, order, page).status == TRANSLATION
    puppet.map(page, NO_ACCESS_FLAG)
    assert refused(puppet, "r", page).status == 0x0B  # access flag, level 3
    assert "mem.denied" not in puppet.counters()
    # The other way round: its tables allow it.
    puppet.map(page)
    assert refused(puppet, "r", page).status == EXTERNAL


def test_what_breaks_no_rule_takes_no_exit(boot):
    puppet = Puppet(boot(text(vm(populate='"lazy"', populate_granule='"4k"'))))
    code, data = puppet.map(FAR_PAGE), puppet.map(FAR_PAGE + PAGE)
    puppet.do("P", code, 1)
    puppet.do("l", code, data, 1)
    protect(puppet, code, "r-x", "pause")
    protect(puppet, data, "rw-", "pause")
    protect(puppet, FAR_PAGE + 2 * PAGE, "---", "pause", 0x100000)
    puppet.do("l", code, data, 1)
    assert puppet.counted("l", code, data, 1000000)[1] == {}
    said = puppet.monitor("vm protections puppet")[0]
    assert f"{code:#x}+0x1000 r-x pause\n{data:#x}+0x1000 rw- pause\n{FAR_PAGE + 2 * PAGE:#x}+0x100000 --- pause\n" in said


def test_policies(boot):
    machine = boot(text())
    puppet = Puppet(machine)
    page, next_page = puppet.map(FAR_PAGE), puppet.map(FAR_PAGE + PAGE)
    # Logged, and from then on the page is free, but not the next one.
    protect(puppet, page, "r--", "log", 2 * PAGE)
    puppet.send("w", page + 8, 7)
    assert puppet.answer() == 0
    assert re.search(rf"puppet vcpu 0: protected: write of {page + 8:#x} at 0x4008\w+$", log(puppet), re.M)
    assert puppet.counted("w", page + 16, 7) == (0, {})
    assert puppet.counted("w", next_page, 7)[1] == {"mem.denied": 1}
    # Paused: it waits for the operator, and then does what it wanted.
    protect(puppet, page, "---", "pause")
    puppet.send("x", page)
    machine.expect("^newel: puppet: paused$")
    assert f"puppet vcpu 0: protected: fetch of {page:#x} at {page:#x}" in log(puppet)
    machine.open_monitor()
    assert state(machine, "puppet") == "paused"
    assert "puppet is paused" in machine.monitor("vm pause puppet")
    machine.monitor("vm resume puppet")
    machine.expect("^newel: puppet: paused$")  # nothing has changed
    machine.monitor(f"vm protect puppet {page:#x}+0x1000 rwx")
    machine.monitor("vm resume puppet")
    resumed = machine.position  # the answer may come before the next command's
    assert "puppet is running" in machine.monitor("vm resume puppet")
    machine.position = resumed
    machine.send("\x1d")
    with pytest.raises(Abort) as caught:
        puppet.answer()
    assert caught.value.kind == 0  # there is no instruction
    # A paused VM can be stopped; what was protected is not, afterwards.
    protect(puppet, page, "---", "pause")
    puppet.send("r", page)
    machine.expect("^newel: puppet: paused$")
    machine.open_monitor()
    machine.monitor("vm reset puppet")
    machine.expect("^newel: puppet: reset$")
    await_state(machine, "puppet", "running")
    assert "0x" not in machine.monitor("vm protections puppet").replace("vm protections", "")


def test_a_flood_of_refusals_is_logged_in_measure(boot):
    machine = boot(text())
    puppet = Puppet(machine)
    page = puppet.map(FAR_PAGE)
    protect(puppet, page, "r--")
    began = time.monotonic()
    assert puppet.do("f", page, 20000) == 20000
    seconds = time.monotonic() - began
    assert puppet.counters()["mem.denied"] == 20000
    lines = log(puppet).count("protected: write")
    assert 1 <= lines <= 8 * (seconds + 3)
    assert "were left out" in log(puppet)


@pytest.mark.parametrize("cpu", ["neoverse-n1", "cortex-a72"])
def test_page_tables_that_may_not_be_written(boot, cpu):
    """Neither by the guest's software nor by the CPU on its behalf, which sets access flags itself where it can."""
    machine = boot(text(), cpu=cpu)
    puppet = Puppet(machine)
    at = puppet.map(FAR_PAGE, NO_ACCESS_FLAG)
    entry = puppet.do("e", at)
    protect(puppet, entry & ~0xFFF, "r--")
    abort = refused(puppet, "w", entry)
    assert (abort.kind, abort.status, abort.wrote, abort.far) == (DATA, EXTERNAL, 1, entry)
    puppet.do("H", 1)
    abort = refused(puppet, "r", at)
    if cpu == "cortex-a72":
        assert abort.status == 0x0B  # it cannot: the guest's own access-flag fault
        return
    assert (abort.kind, abort.status, abort.far) == (DATA, EXTERNAL_ON_WALK + 3, at)
    assert f"protected: write of {entry & ~0xFFF:#x} at " in log(puppet)
    assert puppet.load(entry) & NO_ACCESS_FLAG == 0
    # With the policy that lets it go on, it does.
    protect(puppet, entry & ~0xFFF, "r--", "log")
    assert puppet.load(at) == 0
    assert puppet.load(entry) & NO_ACCESS_FLAG != 0


def test_bad_input_gets_one_clear_line(boot):
    puppet = Puppet(boot(text()))
    for command, why in {
        "vm protect": "wants NAME START+SIZE RIGHTS",
        "vm protect nobody 0x40c00000+0x1000 r--": 'no VM named "nobody"',
        "vm protect puppet 0x40c00000 r--": "START+SIZE",
        "vm protect puppet 0x40c00001+0x1000 r--": "multiples of 0x1000",
        "vm protect puppet 0x40c00000+0x800 r--": "multiples of 0x1000",
        "vm protect puppet 0x40c00000+0 r--": "multiples of 0x1000",
        "vm protect puppet 0xffffffffffffffffff+0x1000 r--": "START+SIZE",
        "vm protect puppet 0xfffffffffffff000+0x1000 r--": "not in its RAM",
        "vm protect puppet 0x40c00000+0xfffffffffffff000 r--": "not in its RAM",
        "vm protect puppet 0x09000000+0x1000 r--": "not in its RAM",
        "vm protect puppet 0x40c00000+0x1000 --x": "no x without r",
        "vm protect puppet 0x40c00000+0x1000 rw": "rwx",
        "vm protect puppet 0x40c00000+0x1000 r-- often": "none of fault, log, pause",
        "vm protect puppet 0x40c00000+0x1000 r-- log log": "",
        "vm pause": "wants NAME",
        "vm resume puppet": "puppet is running",
    }.items():
        said = puppet.monitor(command)[0].split("\n", 1)[1]
        assert said.count("\n") == 1 and why in said, (command, said)
    assert puppet.monitor("vm protections puppet")[0].count("0x") == 0
    assert puppet.load(FAR_PAGE) == 0


def test_too_many_ranges(boot):
    """The sixty-fifth is refused, and the others hold."""
    machine = boot(text())
    puppet = Puppet(machine)
    page = puppet.map(FAR_PAGE)
    machine.open_monitor()
    for n in range(64):
        machine.monitor(f"vm protect puppet {page + 2 * n * PAGE:#x}+0x1000 r--")
    said = machine.monitor(f"vm protect puppet {page + 128 * PAGE:#x}+0x1000 r--").split("\n", 1)[1]
    assert said.count("\n") == 1
    machine.send("\x1d")
    puppet.synchronize()
    assert refused(puppet, "w", page).status == EXTERNAL
    protect(puppet, page, "rwx", size=256 * PAGE)
    assert puppet.counted("w", page, 1) == (0, {})


def test_the_virtual_counter_stands_still_in_a_pause(boot):
    machine = boot(text(vm(cpus=2)))
    puppet = Puppet(machine)
    hz = 62500000
    machine.open_monitor()
    before = time.monotonic()
    machine.send("\x1d")
    first = puppet.do("t")
    puppet.monitor("vm pause puppet")
    time.sleep(4)
    puppet.monitor("vm resume puppet")
    second = puppet.do("t")
    passed = time.monotonic() - before
    assert 0 < second - first < (passed - 3) * hz


def exits(machine, name):
    return re.search(rf"^[* ] {name} .* (\d+)$", machine.monitor("vm list"), re.M)[1]


def test_no_vcpu_escapes_a_pause(boot):
    """Not one that is turned on at that moment either."""
    machine = boot(manifest(raw("one", *ON_AND_OFF, cpus=4), root=STAY), smp=4)
    machine.expect("^newel: one: .*started$")
    machine.open_monitor()
    for _ in range(20):
        machine.monitor("vm pause one")
        time.sleep(0.05)
        first = exits(machine, "one")
        time.sleep(0.1)
        assert exits(machine, "one") == first
        machine.monitor("vm resume one")
        deadline = time.monotonic() + 10
        while exits(machine, "one") == first:
            assert time.monotonic() < deadline


def test_linux_notices_nothing_of_a_pause(boot):
    machine = boot(manifest(linux("one", cpus=2), root=STAY))
    machine.expect("newel-guest: up cpus=2", OVER)
    machine.open_monitor()
    machine.focus("one")
    machine.shell("cut -d. -f1 /proc/uptime; echo before-$((6*7))")
    before = int(machine.expect(r"^(?:one\| )?(\d+)\n(?:one\| )?before-42")[1])
    machine.open_monitor()
    began = time.monotonic()
    machine.monitor("vm pause one")
    time.sleep(5)
    machine.monitor("vm resume one")
    stood = time.monotonic() - began
    machine.focus("one")
    machine.shell("cut -d. -f1 /proc/uptime; echo after-$((6*7))")
    after = int(machine.expect(r"^(?:one\| )?(\d+)\n(?:one\| )?after-42")[1])
    assert after - before < stood - 1
    assert "rcu" not in machine.text and "stall" not in machine.text
