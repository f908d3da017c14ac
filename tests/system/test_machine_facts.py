# SPDX-License-Identifier: Apache-2.0
"""Missing or odd machine facts: Newel says what it cannot use on the earliest console, and stops; it never hangs.

QEMU's own device tree is edited (fdtput) and given back by -dtb; QEMU then leaves all but /memory and /chosen as they are.
"""
import subprocess

import newel_machine as newel
import pytest
from manifests import linux, manifest

PL011 = "/pl011@9000000"
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
    "no-gic": (["-r", "FILE", GIC], "interrupt controller|GIC"),
    "unknown-gic": (["-t", "s", "FILE", GIC, "compatible", "acme,pic"], "interrupt controller|GIC"),
    "gic-without-reg": (["-d", "FILE", GIC, "reg"], "GIC|intc@8000000|interrupt controller"),
    "gic-reg-cut": (["-t", "x", "FILE", GIC, "reg", "0"], "GIC|intc@8000000|interrupt controller"),
    "no-timer": (["-r", "FILE", "/timer"], "timer"),
    "no-cpus": (["-r", "FILE", "/cpus"], "cpus"),
    "cpu-without-reg": (["-d", "FILE", "/cpus/cpu@0", "reg"], "cpu"),
    "psci-by-hvc": (["-t", "s", "FILE", "/psci", "method", "hvc"], "PSCI|psci"),
    "no-psci-method": (["-d", "FILE", "/psci", "method"], "PSCI|psci"),
    "too-many-cells": (["-t", "u", "FILE", "/", "#address-cells", "9"], "address-cells"),
}


def stops_with(machine, message):
    machine.expect(rf"^newel: .*(?:{message})", 30)
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
    stops_with(boot(manifest(linux()), extra=["-machine", "gic-version=2"]), "GIC|interrupt controller")


def test_entered_below_el2(boot):
    stops_with(boot(manifest(linux()), extra=["-machine", "virtualization=off"]), "EL2")


def test_more_cpus_than_newel_serves(boot):
    """The machine runs on those that Newel can use, and says so."""
    machine = boot(manifest(linux(bootargs="newel.poweroff")), smp=12)
    machine.expect(r"^newel: .*CPUs", 30)
    machine.expect("newel-guest: up", 60)
    assert machine.expect_end(30) == newel.POWERED_OFF
