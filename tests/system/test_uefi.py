# SPDX-License-Identifier: Apache-2.0
"""Newel started by UEFI firmware, from a FAT file system, on a machine described by ACPI or by a device tree."""
import os
import subprocess

import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest

BY_ACPI = "newel: the machine is described by ACPI$"
BY_TREE = "newel: the machine is described by a device tree$"


def named(name, **properties):
    """A VM whose kernel and ramdisk are files beside the manifest."""
    files = {"kernel": None, "ramdisk": None, "kernel-file": '"Image"', "ramdisk-file": '"initrd.gz"'}
    return linux(name, memory=128, **files, **properties)


def two_vms(machine, described):
    """Two systems boot on four CPUs, the monitor works, and the machine goes off when both have."""
    machine.expect(described, 60)
    machine.expect("newel: Newel starts at EL2, image at 0x[0-9a-f]+00000$", 30)
    machine.expect("newel: UEFI: [1-9][0-9]* regions of runtime services are left alone$", 30)
    machine.expect("newel: 4 CPUs, ", 30)
    machine.expect_all(*(rf"^{name}\| newel-guest: up cpus=2 " for name in ("alpha", "beta")), timeout=120)
    machine.open_monitor()
    assert all(name in machine.monitor("vm list") for name in ("alpha", "beta"))
    for name in ("alpha", "beta"):
        machine.focus(name)
        machine.shell("poweroff -f")
        if name == "alpha":
            machine.expect("^newel: alpha: off$", 30)
            machine.open_monitor()
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_acpi(boot):
    machine = boot(manifest(named("alpha", cpus=2), named("beta", cpus=2)), smp=4, esp={})
    two_vms(machine, BY_ACPI)
    assert machine.text.count("newel: Image: ") == 1  # read once for both


@LONG
@pytest.mark.parametrize("acpi", (True, False), ids=("acpi", "tree"))
@pytest.mark.parametrize("cpu", ("cortex-a72", "max"))
def test_machine(boot, cpu, acpi):
    """The files are in the manifest here."""
    vms = (linux(name, cpus=2, memory=128) for name in ("alpha", "beta"))
    two_vms(boot(manifest(*vms), smp=4, cpu=cpu, esp={}, acpi=acpi), BY_ACPI if acpi else BY_TREE)


def refused(machine, error, status):
    """One line, and the firmware is told as well: it goes on to its shell."""
    machine.expect(f"^newel: error: {error} \\(status 0x8[0-9a-f]+, {status.lower()}\\)$", 60)
    machine.expect(f"^BdsDxe: failed to start Boot.*: {status}$", 10)
    machine.expect("UEFI Interactive Shell", 20)


@LONG
def test_no_manifest(boot):
    refused(boot(None, esp={}), r"newel.dtb is not there \(it has to be beside Newel\)", "Not Found")


@LONG
def test_bad_manifest(boot):
    machine = boot(manifest(linux("alpha", cpus=17)), esp={})
    refused(machine, r'manifest: /vms/alpha: property "cpus": is 17 \(it has to be 1 to 16\)', "Load Error")


@LONG
def test_missing_file(boot):
    machine = boot(manifest(linux("alpha", kernel=None, kernel_file='"vmlinuz"')), esp={})
    refused(machine, r'manifest: /vms/alpha: property "kernel-file": there is no file "vmlinuz" .*', "Load Error")


@LONG
def test_too_little_memory(boot):
    """The manifest with four kernels in it is larger than the machine's memory."""
    machine = boot(manifest(*(linux(f"vm{n}") for n in range(4))), mem=128, esp={})
    refused(machine, "no memory: [0-9]+ KiB were wanted", "Out of Resources")


@LONG
def test_started_at_el1(boot):
    machine = boot(manifest(linux("alpha")), esp={}, extra=["-M", "virtualization=off"])
    refused(machine, "entered at EL1: Newel has to be started at EL2", "Unsupported")


@LONG
def test_wrong_machine(boot, tmp_path):
    """By a device tree, which an application in front of Newel gives, with an interrupt controller that nobody knows."""
    dump, tree, config = (tmp_path / name for name in ("dump.dtb", "machine.dtb", "newel-park.cfg"))
    subprocess.run(newel.qemu_command(image=None, extra=["-M", f"dumpdtb={dump}"]), check=True, stdout=subprocess.DEVNULL)
    tree.write_bytes(dump.read_bytes().replace(b"arm,gic-v3\0", b"arm,gic-v9\0"))
    config.write_text("newel.efi\n", encoding="ascii")
    files = [(path.name, str(path)) for path in (tree, config)] + [("newel.efi", newel.EFI_IMAGE)]
    app = os.path.join(newel.BUILD, "guests", "give-tree.efi")
    machine = boot(manifest(linux("alpha")), esp={"app": app, "files": files})
    machine.expect(BY_TREE, 60)
    refused(machine, 'device tree: no GICv3 or GICv2 .*: found "arm,gic-v9".*', "Unsupported")


@LONG
def test_from_the_shell(boot):
    """By hand, with words for Newel; what it does not know is an error that the shell shows too."""
    machine = boot(manifest(linux("alpha", bootargs="newel.poweroff")), esp={"folder": "newel", "name": "newel.efi"})
    machine.expect("startup.nsh", 60)
    machine.send("\r")  # no need to wait for it
    machine.expect("Shell> ", 60)
    machine.send("FS0:\r")
    machine.expect(r"FS0:\\> ", 10)
    machine.send("newel\\newel.efi newel.bhb=no\r")
    machine.expect(r"newel: error: load options: newel.bhb=no is unknown .*invalid parameter\)$", 20)
    machine.expect(r"FS0:\\> ", 10)
    machine.send("newel\\newel.efi newel.bhb=off\r")
    machine.expect("newel: leaves boot services", 30)
    assert machine.expect_end(120) == newel.POWERED_OFF
    assert "newel-guest: up" in machine.text and "branches on each exit" not in machine.text
