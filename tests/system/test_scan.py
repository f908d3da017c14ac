# SPDX-License-Identifier: Apache-2.0
"""scan: what the CPU's own AT instruction finds of a running guest's mappings, against what the guest's kernel says of them."""
import re

import pytest
from manifests import STAY, linux, manifest

RUN = re.compile(r"^0x([0-9a-f]+)\+0x([0-9a-f]+) -> 0x([0-9a-f]+) (\S{3})/(\S{3}) (0x[0-9a-f]+),\d$", re.M)
DONE = r"^scan: linux: (\w+); (\d+) runs of (\d+) leaves, (\d+) holes, by (\d+) AT$"


def kernel_text(machine):
    """Where the guest's kernel has its code: the first and last virtual address, and the physical one of the first."""
    machine.focus("linux")
    machine.shell("grep -E ' (_stext|_etext)$' /proc/kallsyms; grep 'Kernel code' /proc/iomem")
    found = machine.expect_all(r"^([0-9a-f]{16}) T _stext$", r"^([0-9a-f]{16}) [DRT] _etext$",
                               r"^ +([0-9a-f]+)-[0-9a-f]+ : Kernel code$")
    return [int(match[1], 16) for match in found]


def scan(machine, args="", timeout=120):
    """The runs as (VA, size, GPA, EL1's rights, EL0's, attributes), and the figures of the last line."""
    start = machine.position
    machine.monitor(f"scan linux {args}".strip())
    done = machine.expect(DONE, timeout)
    assert done[1] == "done"
    runs = [(int(va, 16), int(size, 16), int(ipa, 16), *rest) for va, size, ipa, *rest in RUN.findall(machine.text[start:])]
    assert len(runs) == int(done[2])
    return runs, [int(figure) for figure in done.groups()[2:]]


def alive(machine):
    machine.focus("linux")
    machine.shell("echo still $((40 + 2))")
    machine.expect("^still 42$")


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_running_kernel(boot, cpus):
    machine = boot(manifest(linux(cpus=cpus), root=STAY), smp=cpus)
    machine.expect("newel-guest: timers", 60)
    machine.open_monitor()
    first, end, physical = kernel_text(machine)
    machine.open_monitor()
    runs, (leaves, holes, ats) = scan(machine, "--kernel")
    # In ascending order, without overlap, and all in the upper half.
    assert all(a[0] + a[1] <= b[0] for a, b in zip(runs, runs[1:])) and runs[0][0] >> 55 == 0x1FF
    # The kernel's text, executable by EL1 alone and not writable, at its place in memory.
    text = [run for run in runs if run[0] < end and first < run[0] + run[1] and "x" in run[3]]
    at = first
    for va, size, ipa, el1, el0, attributes in text:
        assert va <= at and ipa - va == physical - first, text
        assert (el1, el0, attributes) == ("r-x", "---", "0xff")
        at = va + size
    assert at >= end
    assert ats <= 2 * (leaves + holes), (leaves, holes, ats)
    print(f"{len(runs)} runs, {leaves} leaves, {holes} holes, {ats} AT")
    # A range, and again: the same.
    again, _ = scan(machine, f"{first & ~0xFFF:#x}+0x1000")
    assert len(again) == 1 and again[0][2] == physical - (first & 0xFFF)
    alive(machine)


def test_a_paused_vm_and_refusals(boot):
    machine = boot(manifest(linux(), root=STAY), smp=1)
    machine.expect("newel-guest: timers", 60)
    machine.open_monitor()
    machine.monitor("vm pause linux")
    runs, _ = scan(machine, "--user")
    assert all(run[0] >> 55 == 0 for run in runs)
    kernel, _ = scan(machine, "--kernel")
    assert scan(machine)[0] == runs + kernel
    assert "is an empty range" in machine.monitor("scan linux --user --kernel")
    assert "it is START+SIZE" in machine.monitor("scan linux 0x1000")
    assert "it is START+SIZE" in machine.monitor("scan linux --users")
    machine.monitor("vm resume linux")
    alive(machine)
