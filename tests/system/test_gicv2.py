# SPDX-License-Identifier: Apache-2.0
"""A machine with GICv2: Newel's interrupts, and VMs whose GICv2 is the machine's own virtual interface."""
import re

import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest

TIMERS = r"newel-guest: timers cpu0=(\d+) cpu1=(\d+) cpu2=(\d+) cpu3=(\d+)$"


def expect_up(machine, *names):
    patterns = [rf"^{name}\| {line}" for name in names for line in ("newel-guest: up cpus=4 ", TIMERS)]
    for match in machine.expect_all(*patterns, timeout=120):
        assert all(int(count) > 0 for count in match.groups())


@pytest.mark.parametrize("cpu", ["cortex-a72", pytest.param("max", marks=LONG)])
def test_two_linux(boot, cpu):
    """Two Debian systems of four vCPUs on two CPUs, with interrupts that move between them."""
    machine = boot(manifest(linux("alpha", cpus=4), linux("beta", cpus=4)), cpu=cpu, gic=2)
    expect_up(machine, "alpha", "beta")
    machine.open_monitor()
    machine.focus("alpha")
    machine.shell("grep arch_timer /proc/interrupts")
    machine.expect(r"GIC-0 +27 Level +arch_timer$")
    machine.shell("ls /proc/device-tree/ | grep intc; cat /proc/device-tree/intc@8000000/compatible")
    machine.expect("arm,cortex-a15-gic")
    machine.shell("reboot -f")
    expect_up(machine, "alpha")
    machine.open_monitor()
    statistics = machine.monitor("vm stat beta")
    assert int(re.search(r"timer\.virt\s+(\d+)", statistics)[1]) > 0
    machine.monitor("vm stop beta")
    machine.send("vm stop alpha\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


@pytest.mark.parametrize("acpi", [True, pytest.param(False, marks=LONG)], ids=["acpi", "dt"])
def test_by_uefi(boot, acpi):
    machine = boot(manifest(linux(cpus=2, bootargs="newel.poweroff")), gic=2, esp={}, acpi=acpi)
    machine.expect("newel-guest: up cpus=2", 120)
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_nine_vcpus(boot):
    machine = boot(manifest(linux("many", cpus=9)), gic=2)
    machine.expect(r"^newel: error: manifest: /vms/many: cpus is 9: this machine has a GICv2, for 8 vCPUs a VM$", 30)
    assert machine.expect_end(30) == newel.PANICKED


@pytest.mark.parametrize("protocol", ["parking", pytest.param("spin-table", marks=LONG)])
def test_vcpus_that_wait_in_memory(boot, protocol):
    """The parking code programs the guest's GICv2, and its SGI releases them."""
    acpi = {"firmware": '"efi-runtime"', "tables": '"acpi"'} if protocol == "parking" else {}
    linux_vm = linux(cpus=2, cpu_boot=f'"{protocol}"', **acpi)
    machine = boot(manifest(linux_vm), gic=2)
    machine.expect("newel-guest: up cpus=2", 120)
    machine.open_monitor()
    machine.send("vm stop linux\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
