# SPDX-License-Identifier: Apache-2.0
"""watch and unwatch: code of a guest's whose changes are told, by the address at which it is executed."""
import re

from manifests import STAY, linux, manifest
from puppet import Puppet, text, vm
from test_scan import kernel_text, pause_in_kernel

PAGE = 0x1000
VIRTUAL, PHYSICAL = 0x60000000, 0x40C00000
NEVER_EXECUTED = 3 << 53  # PXN, UXN


def code(puppet, n, flags=0):
    puppet.do("m", VIRTUAL + n * PAGE, PHYSICAL + n * PAGE, flags)


def watch(puppet, size, policy=""):
    """What the monitor says of it at last."""
    puppet.machine.open_monitor()
    puppet.machine.monitor(f"watch puppet {VIRTUAL:#x}+{size:#x} {policy}".strip())
    said = puppet.machine.expect(r"^watch: puppet: (.*)\n")[1]
    puppet.machine.send("\x1d")
    return said


def protections(puppet):
    return re.findall(r"^(0x.*)$", puppet.monitor("vm protections puppet")[0], re.M)


def watches(puppet):
    return re.findall(r"^(0x.*)$", puppet.monitor("watch puppet")[0], re.M)


def test_a_change_is_told(boot):
    puppet = Puppet(boot(text(vm()), smp=1))
    code(puppet, 0)
    code(puppet, 1)
    code(puppet, 2, NEVER_EXECUTED)
    assert watch(puppet, 4 * PAGE) == "2 pages in 1 ranges"
    assert protections(puppet) == [f"{PHYSICAL:#x}+0x2000 r-x log"]
    assert watches(puppet) == [f"{VIRTUAL:#x}+0x2000 -> {PHYSICAL:#x} log, 2 of 2 pages unchanged"]
    # Data beside it, reading and executing are nobody's business.
    puppet.store(VIRTUAL + 2 * PAGE, 5)
    puppet.load(VIRTUAL)
    assert "mem.denied" not in puppet.counters()
    # By another address than that of the code.
    puppet.store(PHYSICAL + PAGE + 8, 7)
    said = puppet.monitor("log")[0]
    assert re.search(rf"puppet vcpu 0: watched: write of {VIRTUAL + PAGE + 8:#x}, which is {PHYSICAL + PAGE + 8:#x}, at 0x4008\w+$", said, re.M)
    assert puppet.load(VIRTUAL + PAGE + 8) == 7
    assert watches(puppet) == [f"{VIRTUAL:#x}+0x2000 -> {PHYSICAL:#x} log, 1 of 2 pages unchanged"]
    assert watch(puppet, PAGE) == "a page of it is protected or watched already; nothing is watched"
    assert len(watches(puppet)) == 1
    puppet.monitor("unwatch puppet")
    assert protections(puppet) == [] and watches(puppet) == []
    puppet.store(VIRTUAL, 7)
    assert puppet.counters()["mem.denied"] == 1


def test_pause_and_the_operators_own(boot):
    puppet = Puppet(boot(text(vm()), smp=1))
    code(puppet, 0)
    code(puppet, 8)
    assert watch(puppet, 16 * PAGE, "pause") == "2 pages in 2 ranges"
    puppet.send("w", VIRTUAL + 16, 1)
    puppet.machine.expect("^newel: puppet: paused$")
    assert f"watched: write of {VIRTUAL + 16:#x}" in puppet.monitor("log")[0]
    # What the operator says of a page since then is not taken back with the watch.
    puppet.monitor(f"vm protect puppet {PHYSICAL + 8 * PAGE:#x}+0x1000 r-- fault", f"unwatch puppet {VIRTUAL:#x}+0x1000", "vm resume puppet")
    assert puppet.answer() == 0
    assert len(watches(puppet)) == 1
    puppet.monitor("unwatch puppet")
    assert protections(puppet) == [f"{PHYSICAL + 8 * PAGE:#x}+0x1000 r-- fault"]


def test_limits_and_refusals(boot):
    puppet = Puppet(boot(text(vm()), smp=1))
    puppet.do("u", VIRTUAL)
    assert watch(puppet, PAGE) == "it can execute nothing there; nothing is watched"
    for n in range(0, 130, 2):
        code(puppet, n)
    assert watch(puppet, 130 * PAGE) == "there is code in more than 64 places; nothing is watched"
    for n in range(60):
        puppet.monitor(f"vm protect puppet {0x40E00000 + 2 * n * PAGE:#x}+0x1000 r-- log")
    assert watch(puppet, 20 * PAGE) == "a VM has room for 64 ranges, those of vm protect included; nothing is watched"
    assert len(protections(puppet)) == 60 and watches(puppet) == []
    assert watch(puppet, 8 * PAGE) == "4 pages in 4 ranges"
    said = puppet.monitor("watch puppet 0x60000800+0x1000", "watch puppet 0x60000000+0x1000 fault", "unwatch puppet 7", "watch nobody")
    for line, why in zip(said, ("both multiples of 0x1000", "it is log or pause", "both multiples of 0x1000", "no VM")):
        assert why in line


def test_a_kernel_that_patches_itself(boot):
    """Linux writes its own text for a static branch, by another mapping of it."""
    machine = boot(manifest(linux(), root=STAY), smp=1)
    machine.expect("newel-guest: timers", 60)
    machine.open_monitor()
    first, end, _ = kernel_text(machine)
    start = first + 0xFFFF & ~0xFFFF
    machine.open_monitor()
    pause_in_kernel(machine, first, end)
    machine.monitor(f"watch linux {start:#x}+{(end & ~0xFFFF) - start:#x}")
    assert int(machine.expect(r"^watch: linux: (\d+) pages in \d+ ranges$", 60)[1]) > 1000
    machine.monitor("vm resume linux")
    machine.focus("linux")
    machine.shell("echo 1 > /proc/sys/kernel/sched_schedstats; echo done $((6 * 7))")
    machine.expect("^done 42$", 60)
    machine.open_monitor()
    told = [int(at, 16) for at in re.findall(r"linux vcpu 0: watched: write of (0x\w+), which is", machine.monitor("log"))]
    assert told and all(start <= at < end for at in told)
    machine.monitor("unwatch linux")
    assert "0x" not in machine.monitor("vm protections linux").split("\n", 1)[1]
