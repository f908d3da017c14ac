# SPDX-License-Identifier: Apache-2.0
"""Boards that QEMU has, by the device trees of Debian's kernel: no PSCI, a GIC-400, the UART that stdout-path names."""
import re

import newel_machine as newel
from manifests import linux, manifest


def test_raspi4b(boot):
    """Four CPUs by spin table, VMs on them, one of which only the memory above 1 GiB has room for, and off by the watchdog."""
    alpha = linux("alpha", cpus=2, memory=960, populate='"lazy"')
    machine = boot(manifest(alpha, linux("beta", cpus=2)), machine="raspi4b")
    machine.expect(r"^newel: CPUs are started by spin table$", 60)
    machine.expect(r"^newel: 4 CPUs, ", 60)
    up = [rf"^{name}\| newel-guest: {line}" for name in ("alpha", "beta") for line in ("up cpus=2 ", "timers ")]
    machine.expect_all(*up, timeout=180)
    machine.open_monitor()
    assert machine.monitor("vm list").count("running") == 2
    assert int(re.search("host ram +(0x[0-9a-f]+)", machine.monitor("vm info alpha"))[1], 16) >= 1 << 30
    assert "no source of random numbers" not in machine.text
    machine.monitor("vm stop alpha")
    machine.send("vm stop beta\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_raspi3b(boot):
    """Its interrupt controller has no virtual interface, and that is said."""
    machine = boot(manifest(linux()), machine="raspi3b")
    machine.expect(r"^newel: error: device tree: no GICv3 or GICv2 .*: found \"brcm,bcm2836", 60)
