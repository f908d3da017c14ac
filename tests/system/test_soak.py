# SPDX-License-Identifier: Apache-2.0
"""A soak (make check-long): stress-ng with its own verification in two VMs that share two CPUs."""
import os
import re

import pytest

import newel_machine as newel
from manifests import linux, manifest

VMS = ("alpha", "beta")
STRESSORS = ("cpu", "fork", "futex", "timer", "signal", "vm", "mprotect", "tlb-shootdown", "icache", "pipe")
SECONDS = 60

pytestmark = pytest.mark.skipif(not os.environ.get("NEWEL_LONG"), reason="a soak: make check-long")


def stress_command():
    workers = " ".join(f"--{name} 1" for name in STRESSORS)
    return f"stress-ng --verify --metrics-brief --timeout {SECONDS}s --vm-bytes 1M --temp-path /tmp {workers}"


def start(machine, name):
    machine.open_monitor()
    machine.focus(name)
    machine.shell(f"{stress_command()}; echo stressed=$?")


def check_work(machine, name):
    """Each stressor did something that could be verified."""
    for stressor in STRESSORS:
        done = re.search(rf"^{name}\| stress-ng: metrc: \[\d+\] {stressor} +(\d+)", machine.text, re.M)
        assert done and int(done[1]) > 0, (name, stressor, done and done[0])


def check_statistics(machine, name):
    """No exit that Newel has no answer for, and interrupts throughout."""
    figures = dict(re.findall(r"(\S+\.?\S*)\s+(\d+)", machine.monitor(f"vm stat {name}")))
    assert int(figures.get("unhandled", 0)) == 0, figures
    assert int(figures["timer.virt"]) > 20 * SECONDS, figures


@pytest.mark.parametrize("cpu", ("cortex-a72", "max"))
def test_stress_ng_in_two_vms(boot, cpu):
    soak = {"cpus": 4, "memory": 384, "ramdisk": '/incbin/("soak.gz")'}
    machine = boot(manifest(*(linux(name, **soak) for name in VMS)), smp=2, mem=1280, cpu=cpu)
    machine.expect_all(*(rf"^{name}\| newel-guest: up cpus=4" for name in VMS), timeout=180)
    for name in VMS:
        start(machine, name)
    results = machine.expect_all(*(rf"^{name}\| stressed=(\d+)$" for name in VMS), timeout=SECONDS + 180)
    assert [match[1] for match in results] == ["0", "0"], machine.tail(80)
    assert not re.search(r"(?i)verification failed|kernel bug|rcu.*stall|soft lockup|Oops", machine.text)
    for name in VMS:
        check_work(machine, name)
    machine.open_monitor()
    for name in VMS:
        check_statistics(machine, name)
        machine.monitor(f"vm stop {name}" if name != VMS[-1] else "vm list")
    machine.send(f"vm stop {VMS[-1]}\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
