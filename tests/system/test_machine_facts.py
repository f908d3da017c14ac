# SPDX-License-Identifier: Apache-2.0
"""Missing or odd machine facts: Newel says what it cannot use on the earliest console, and stops; it never hangs.

QEMU's own device tree is edited (fdtput) and given back by -dtb; QEMU then leaves all but /memory and /chosen as they are.
"""
import re
import subprocess

import newel_machine as newel
import pytest
from manifests import linux, manifest

GIC = "/intc@8000000"


@pytest.fixture
def tree(tmp_path):
    """tree(EDIT...): the machine's device tree after fdtput's edits, each a list of arguments with FILE for the tree's name."""

    def make(*edits, smp=2):
        path = str(tmp_path / "machine.dtb")
        dump = newel.qemu_command(smp=smp, extra=["-machine", f"dumpdtb={path}"])
        subprocess.run(dump, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for edit in edits:
            subprocess.run(["fdtput", *[path if word == "FILE" else word for word in edit]], check=True)
        return ["-dtb", path]

    return make


EDITS = {
    "no-gic": (["-r", "FILE", GIC], "no GICv3 (compatible"),
    "unknown-gic": (["-t", "s", "FILE", GIC, "compatible", "acme,pic"], "no GICv3 (compatible"),
    "gic-without-reg": (["-d", "FILE", GIC, "reg"], GIC + ": reg has no distributor"),
    "gic-reg-cut": (["-t", "x", "FILE", GIC, "reg", "0", "8000000", "0", "10000"], GIC + ": reg has no redistributor region 0"),
    "no-maintenance-interrupt": (["-d", "FILE", GIC, "interrupts"], GIC + ": no maintenance interrupt"),
    "no-timer": (["-r", "FILE", "/timer"], "no timer (compatible"),
    "no-cpus": (["-r", "FILE", "/cpus"], "no CPUs (/cpus)"),
    "cpu-without-reg": (["-d", "FILE", "/cpus/cpu@0", "reg"], "/cpus/cpu@0: its reg cannot be read"),
    "spin-table": (["-t", "s", "FILE", "/cpus/cpu@1", "enable-method", "spin-table"],
                   '/cpus/cpu@1: enable-method is "spin-table"'),
    "boot-cpu-is-not-there": (["-r", "FILE", "/cpus/cpu@0"], "/cpus: the CPU that Newel booted on"),
    "psci-by-hvc": (["-t", "s", "FILE", "/psci", "method", "hvc"], "/psci: PSCI method is hvc"),
    "psci-without-method": (["-d", "FILE", "/psci", "method"], "/psci: PSCI method is neither"),
}


def stops_with(machine, message):
    machine.expect("^newel: error: .*" + re.escape(message), 30)
    assert machine.expect_end(30) == newel.PANICKED


@pytest.mark.parametrize("case", EDITS)
def test_odd_device_tree(boot, tree, case):
    edit, message = EDITS[case]
    stops_with(boot(manifest(linux()), extra=tree(edit)), message)


def test_no_stdout_path(boot, tree):
    """Without /chosen/stdout-path, the first UART of a known kind serves."""
    machine = boot(manifest(linux(bootargs="newel.poweroff")), extra=tree(["-d", "FILE", "/chosen", "stdout-path"]))
    machine.expect("newel-guest: up", 60)
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_gic_version_2(boot):
    stops_with(boot(manifest(linux()), extra=["-machine", "gic-version=2"]), "no GICv3 (compatible")


def test_entered_below_el2(boot):
    stops_with(boot(manifest(linux()), extra=["-machine", "virtualization=off"]), "entered at EL1")


def test_more_cpus_than_newel_serves(boot):
    """The machine runs on those that Newel can use, and says so."""
    machine = boot(manifest(linux(bootargs="newel.poweroff")), smp=12)
    machine.expect(r"^newel: .*CPUs", 30)
    machine.expect("newel-guest: up", 60)
    assert machine.expect_end(30) == newel.POWERED_OFF
