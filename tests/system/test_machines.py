# SPDX-License-Identifier: Apache-2.0
"""One image for every machine: CPU models, CPU counts and memory sizes, a Linux boot on each."""
import re

import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest

MODELS = ("cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "neoverse-v1", "max")


def boots(boot, cpus=1, memory=256, **machine):
    newel_ = boot(manifest(linux(cpus=cpus, memory=memory, bootargs="newel.poweroff")), **machine)
    newel_.expect(rf"newel-guest: up cpus={cpus}\b", 120)
    assert newel_.expect_end(60) == newel.POWERED_OFF


@pytest.mark.parametrize("cpu", MODELS)
def test_cpu_model(boot, cpu):
    boots(boot, cpu=cpu, cpus=2)


@pytest.mark.parametrize("smp", [1, 2, 4, 8, *(pytest.param(smp, marks=LONG) for smp in (3, 5, 6, 7))])
def test_cpu_count(boot, smp):
    boots(boot, smp=smp, cpus=min(smp, 4))


def test_more_vcpus_than_cpus(boot):
    boots(boot, smp=1, cpus=4)


@pytest.mark.parametrize("esp", [None, pytest.param({}, marks=LONG)], ids=["tree", "uefi-acpi"])
def test_two_clusters(boot, esp):
    """18 CPUs, whose MPIDRs have a gap; a VM's vCPUs on both sides of it wake each other."""
    machine = boot(manifest(linux(cpus=2, memory=128, cpu_affinity="<15 16>")), smp=18, esp=esp)
    machine.expect("^newel: 18 CPUs, ", 60)
    machine.expect("newel-guest: timers ", 120)
    machine.open_monitor()
    found = re.findall(r"^ *(\d+) (0x[0-9a-f]+) ", machine.monitor("cpu list"), re.M)
    assert found == [(str(n), f"0x{n >> 4 << 8 | n & 15:x}") for n in range(18)]
    places = re.findall(r"^linux +\d+ \w+ +(\d+) ", machine.monitor("vcpu list linux"), re.M)
    assert len(places) == 2 and set(places) <= {"15", "16"}
    assert int(re.search(r"virq\.kick +(\d+)", machine.monitor("vm stat linux"))[1]) > 0
    machine.send("vm stop linux\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


@pytest.mark.parametrize("mem,memory", [(1024, 768), (2048, 512), (6144, 4608), (16384, 1024)])
def test_memory_size(boot, mem, memory):
    """(6144, 4608): the VM's memory lies above 32 bits on the machine, and reaches above 32 bits in the VM."""
    boots(boot, mem=mem, memory=memory)
