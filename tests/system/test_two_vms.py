# SPDX-License-Identifier: Apache-2.0
"""The demonstration, in full: two unmodified Debian systems of four vCPUs each share two CPUs."""
import os
import re

import newel_machine as newel
from manifests import linux, manifest

EXAMPLE = os.path.join(newel.TOP, "examples", "two-linux.dts")
VMS = ("alpha", "beta")
TIMERS = r"newel-guest: timers cpu0=(\d+) cpu1=(\d+) cpu2=(\d+) cpu3=(\d+)$"


def kernel_release():
    with open(os.path.join(newel.GUEST, "kernel-release"), encoding="utf-8") as handle:
        return handle.read().strip()


def expect_up(machine, *names):
    """Each VM reaches user space with the release's kernel and four CPUs, each of which took timer interrupts."""
    up = "newel-guest: up cpus=4 kernel=" + re.escape(kernel_release()) + "$"
    patterns = [rf"^{name}\| {line}" for name in names for line in (up, TIMERS)]
    for match in machine.expect_all(*patterns, timeout=120):
        assert all(int(count) > 0 for count in match.groups())


def expect_off(machine, name):
    machine.expect(rf"^newel: {name}: off$")


def test_boot_reboot_and_power_off(boot):
    machine = boot(EXAMPLE, smp=2)
    expect_up(machine, *VMS)
    machine.open_monitor()
    machine.focus("alpha")
    machine.shell("reboot -f")
    expect_up(machine, "alpha")
    machine.open_monitor()
    machine.focus("beta")
    machine.shell("echo still-$((6*7))")
    machine.expect("^beta.*still-42")
    machine.shell("poweroff -f")
    expect_off(machine, "beta")
    machine.open_monitor()
    machine.focus("alpha")
    machine.shell("poweroff -f")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_monitor_lists_stops_and_starts(boot):
    machine = boot(EXAMPLE, smp=2)
    expect_up(machine, *VMS)
    machine.open_monitor()
    listing = machine.monitor("vm list")
    for name in VMS:
        assert re.search(rf"\b{name}\b.*\brunning\b", listing), listing
    statistics = machine.monitor("vm stat alpha")
    assert int(re.search(r"exit\.hvc\s+(\d+)", statistics)[1]) > 0
    assert "lisst" in machine.monitor("vm lisst")
    machine.monitor("vm stop alpha")
    expect_off(machine, "alpha")
    machine.monitor("vm start alpha", 30)
    expect_up(machine, "alpha")
    machine.monitor("vm stop alpha")
    expect_off(machine, "alpha")
    machine.send("vm stop beta\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_reset_destroy_and_stay_in_the_monitor(boot):
    """on-last-exit = "monitor": the machine outlives its VMs, and a destroyed VM starts again."""
    root = 'compatible = "newel,manifest-1"; on-last-exit = "monitor";'
    machine = boot(manifest(linux("one", cpus=2), root=root))
    machine.expect("newel-guest: up cpus=2", 60)
    machine.open_monitor()
    machine.monitor("vm reset one")
    machine.expect("newel-guest: up cpus=2", 60)
    machine.monitor("vm destroy one")
    machine.expect("^newel: one: destroyed$")
    assert re.search(r"\bone\b.*\bdestroyed\b", machine.monitor("vm list"))
    machine.monitor("vm start one")
    machine.expect("newel-guest: up cpus=2", 60)
