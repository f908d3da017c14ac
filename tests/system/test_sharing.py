# SPDX-License-Identifier: Apache-2.0
"""How VMs share the machine's CPUs: by weight, and nobody starves. QEMU's clock counts instructions here: what is measured repeats."""
import os
import re

import pytest

import newel_machine as newel
from manifests import linux, manifest, node

PAYLOAD = os.path.join(newel.BUILD, "guests", "share.bin")
FROM_MS, TO_MS = 1000, 3000
BY_INSTRUCTIONS = ("-icount", "shift=4,sleep=off")  # 16 ns each


def computing(name, cpus=1, weight=100):
    """A VM all of whose vCPUs compute from one moment to another, the same for all VMs."""
    return node(name, {
        "memory-mib": "<64>", "cpus": f"<{cpus}>", "weight": f"<{weight}>", "kernel": f'/incbin/("{PAYLOAD}")',
        "bootargs": f'"newel from-ms={FROM_MS} to-ms={TO_MS}"',
    })


def rounds(machine):
    """What each vCPU got, by VM, once all VMs are off: rounds of a loop; and, in ms, what was stolen from it."""
    assert machine.expect_end(120) == newel.POWERED_OFF
    got, stolen = {}, {}
    for name, count, ns in re.findall(r"^(\w+)\| share: vcpu \d+ rounds (\d+) stolen-ns (\d+)$", machine.text, re.M):
        got.setdefault(name, []).append(int(count))
        stolen.setdefault(name, []).append(int(ns) / 1e6)
    return got, stolen


def near(value, wanted, percent):
    return abs(value - wanted) <= wanted * percent / 100


def test_weights_are_honoured(boot):
    vms = computing("light", weight=100), computing("heavy", weight=300)
    got, stolen = rounds(boot(manifest(*vms), smp=1, extra=BY_INSTRUCTIONS))
    assert near(got["heavy"][0] / got["light"][0], 3, 5)
    for name, quarters in (("light", 3), ("heavy", 1)):
        assert near(stolen[name][0], (TO_MS - FROM_MS) / 4 * quarters, 5)


def test_weights_are_of_vms_not_of_vcpus(boot):
    """A VM with more vCPUs does not get more for it."""
    vms = computing("one", cpus=1), computing("four", cpus=4)
    got, _ = rounds(boot(manifest(*vms), smp=1, extra=BY_INSTRUCTIONS))
    assert near(got["one"][0] / sum(got["four"]), 1, 5)


def test_no_vcpu_starves(boot):
    """Eight vCPUs on two CPUs: each gets its part."""
    got, _ = rounds(boot(manifest(computing("a", cpus=4), computing("b", cpus=4)), smp=2, extra=BY_INSTRUCTIONS))
    every = got["a"] + got["b"]
    assert len(every) == 8
    assert min(every) > 0.8 * sum(every) / 8
    assert near(sum(got["a"]) / sum(got["b"]), 1, 5)


@pytest.mark.skipif("NEWEL_LONG" not in os.environ, reason="by the host's clock, which a loaded host bends: make check-long")
def test_linux_sees_stolen_time(boot):
    machine = boot(manifest(linux("one", bootargs="loglevel=7"), computing("other")), smp=1)
    machine.expect("^one.*newel-guest: timers", 120)
    machine.open_monitor()
    machine.focus("one")
    machine.shell("dmesg | grep arm-pv; head -1 /proc/stat")
    machine.expect("^one.*arm-pv: using stolen time PV")
    stat = machine.expect(r"^one\| cpu +(\d+ ){7}(\d+) ")
    assert int(stat[2]) > 0
