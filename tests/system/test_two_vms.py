# SPDX-License-Identifier: Apache-2.0
"""The demonstration, in full: two unmodified Debian systems of four vCPUs each share two CPUs."""
import os
import re

import newel_machine as newel

EXAMPLE = os.path.join(newel.TOP, "examples", "two-linux.dts")
VMS = ("alpha", "beta")


def kernel_release():
    with open(os.path.join(newel.GUEST, "kernel-release"), encoding="utf-8") as handle:
        return handle.read().strip()


def expect_up(machine, vms, timeout=90):
    """Each VM reaches user space with the release's kernel and four CPUs, each of which took timer interrupts."""
    waiting = set(vms)
    while waiting:
        name = machine.expect(r"^(?:(\w+)\| )?newel-guest: up cpus=4 kernel=" + re.escape(kernel_release()), timeout)[1]
        counts = machine.expect(r"newel-guest: timers((?: cpu\d=\d+)+)", timeout)[1]
        assert all(int(n) > 0 for n in re.findall(r"=(\d+)", counts)), counts
        assert counts.count("cpu") == 4
        waiting.discard(name or next(iter(waiting)))


def test_boot_reboot_and_power_off(boot):
    machine = boot(EXAMPLE, smp=2)
    expect_up(machine, VMS)
    machine.focus("alpha")
    machine.shell("reboot -f")
    expect_up(machine, ("alpha",))
    machine.focus("beta")
    machine.shell("echo still-$((6*7))")
    machine.expect("still-42")
    machine.shell("poweroff -f")
    machine.focus("alpha")
    machine.shell("poweroff -f")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_monitor_lists_and_stops(boot):
    machine = boot(EXAMPLE, smp=2)
    expect_up(machine, VMS)
    machine.open_monitor()
    listing = machine.monitor("vm list")
    for name in VMS:
        assert re.search(rf"\b{name}\b.*\brunning\b", listing), listing
    statistics = machine.monitor("vm stat alpha")
    assert int(re.search(r"exit\.hvc\s+(\d+)", statistics)[1]) > 0
    assert "vmm" in machine.monitor("vmm list")
    machine.monitor("vm stop alpha")
    machine.expect(r"alpha\b.*\boff\b")
    machine.monitor("vm start alpha")
    expect_up(machine, ("alpha",))
    for name in VMS:
        machine.monitor(f"vm stop {name}")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_reset_destroy_and_stay_in_the_monitor(boot):
    """on-last-exit = "monitor": the machine outlives its VMs, and a destroyed VM starts again."""
    from manifests import linux, manifest

    machine = boot(manifest(linux("one", cpus=2), root='compatible = "newel,manifest-1"; on-last-exit = "monitor";'))
    machine.expect("newel-guest: up cpus=2", 60)
    machine.open_monitor()
    machine.monitor("vm reset one")
    machine.expect("newel-guest: up cpus=2", 60)
    machine.monitor("vm destroy one")
    machine.expect(r"one\b.*\bdestroyed\b")
    machine.monitor("vm start one")
    machine.expect("newel-guest: up cpus=2", 60)
