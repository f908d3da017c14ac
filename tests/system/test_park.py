# SPDX-License-Identifier: Apache-2.0
"""newel-park.efi: an unmodified Debian kernel, started bare by it, finds its processors in mailboxes and brings them all up."""
import os
import subprocess

import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest

GIVE_TREE = os.path.join(newel.BUILD, "guests", "give-tree.efi")
WORDS = "initrd=\\EFI\\BOOT\\initrd.gz console=ttyAMA0 newel.poweroff"


@pytest.fixture
def parked(boot, tmp_path):
    """A machine that newel-park.efi starts a kernel on, or what else `files` and `words` say."""

    def start(words=f"Image {WORDS}\n", files=("Image", "initrd.gz"), manifest_text=None, app=newel.EFI_PARK, **machine):
        config = tmp_path / "newel-park.cfg"
        config.write_text(words, encoding="ascii")
        inside = [("newel-park.cfg", str(config))]
        inside += [(os.path.basename(name), os.path.join(newel.GUEST, name)) for name in files]
        return boot(manifest_text, esp={"app": app, "files": inside}, **machine)

    return start


def all_come(machine, cpus, method, el=2):
    machine.expect(
        rf"^newel-park: {cpus - 1} of {cpus - 1} CPUs wait in mailboxes at 0x[0-9a-f]+0000, brought there by {method}, at EL{el}$",
        60,
    )


def linux_has(machine, cpus):
    machine.expect(rf"newel-guest: up cpus={cpus}\b", 240)
    assert machine.expect_end(60) == newel.POWERED_OFF
    assert "psci: CPU" not in machine.text and "does not come" not in machine.text
    for n in range(1, cpus):
        assert f"CPU{n}: Booted secondary processor" in machine.text


def test_acpi(parked):
    """By the parking protocol; the firmware's own method is told by one table alone, and power goes off by EFI."""
    machine = parked(smp=4)
    all_come(machine, 4, r"PSCI \(SMC\)")
    machine.expect("^newel-park: starts Image$", 10)
    linux_has(machine, 4)
    assert "psci: is not implemented in ACPI." in machine.text


def test_acpi_at_el1(parked):
    machine = parked(smp=2, extra=["-M", "virtualization=off"])
    all_come(machine, 2, r"PSCI \(HVC\)", el=1)
    linux_has(machine, 2)
    assert "CPU: All CPU(s) started at EL1" in machine.text


def test_tree(parked):
    """By the spin table."""
    machine = parked(smp=4, acpi=False)
    all_come(machine, 4, r"PSCI \(SMC\)")
    linux_has(machine, 4)


@LONG
def test_tree_at_el1(parked):
    machine = parked(smp=2, acpi=False, extra=["-M", "virtualization=off"])
    all_come(machine, 2, r"PSCI \(HVC\)", el=1)
    linux_has(machine, 2)


@LONG
@pytest.mark.parametrize("acpi", (True, False), ids=("acpi", "tree"))
@pytest.mark.parametrize("cpus", (8, 18))
def test_many(parked, cpus, acpi):
    """18: in two clusters, so that Linux's interrupt that wakes a CPU has to name the second one."""
    machine = parked(smp=cpus, acpi=acpi)
    all_come(machine, cpus, r"PSCI \(SMC\)")
    linux_has(machine, cpus)


@LONG
def test_gicv2(parked):
    """The id of a mailbox is the number of the GIC's CPU interface, to which the interrupt goes."""
    machine = parked(smp=4, gic=2)
    all_come(machine, 4, r"PSCI \(SMC\)")
    linux_has(machine, 4)


@pytest.fixture
def parked_twice(parked, tmp_path):
    """On a machine that is described by ACPI and, by an application in front of newel-park, by a device tree as well."""

    def start(words, cpus):
        tree = str(tmp_path / "machine.dtb")
        command = newel.qemu_command(smp=cpus, image=None, extra=["-bios", newel.FIRMWARE, "-M", f"dumpdtb={tree}"])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        files = ("Image", "initrd.gz", tree, newel.EFI_PARK)
        return parked(f"newel-park.efi Image {WORDS} {words}\n", files, app=GIVE_TREE, smp=cpus)

    return start


@LONG
@pytest.mark.parametrize("words, taken", [("", "Machine model: linux,dummy-virt"), ("acpi=force", "ACPI: Interpreter enabled")],
                         ids=["tree", "acpi"])
def test_two_descriptions(parked_twice, words, taken):
    """Whichever Linux takes, it finds the mailboxes there."""
    machine = parked_twice(words, 4)
    all_come(machine, 4, r"PSCI \(SMC\)")
    linux_has(machine, 4)
    assert taken in machine.text and "withdrawn" not in machine.text


@pytest.mark.parametrize("acpi", (True, pytest.param(False, marks=LONG)), ids=("acpi", "tree"))
def test_newel_next(parked, acpi):
    """Newel on a machine whose tables name the parking protocol, or the spin table, and no PSCI for it."""
    vm = manifest(linux("alpha", cpus=4, memory=128, bootargs="newel.poweroff"))
    machine = parked(words="newel.efi\n", files=(newel.EFI_IMAGE,), manifest_text=vm, smp=4, acpi=acpi)
    all_come(machine, 4, r"PSCI \(SMC\)")
    machine.expect("^newel: CPUs are started by " + ("parking protocol" if acpi else "spin table") + "$", 60)
    machine.expect("^newel: 4 CPUs, ", 30)
    machine.expect(r"newel-guest: up cpus=4\b", 240)
    machine.expect("^newel: power off$", 60)


@LONG
def test_nothing_to_start(parked):
    machine = parked(words="vmlinuz console=ttyAMA0\n", files=(), smp=1)
    machine.expect("^newel-park: error: vmlinuz is not there .*not found\\)$", 60)
    machine.expect("UEFI Interactive Shell", 30)


@LONG
def test_from_the_shell(parked):
    """With words of the command line, which count before the file's; and a second time, from mailbox to mailbox."""
    machine = parked(words="nowhere.efi\n", smp=2)
    machine.expect("error: nowhere.efi is not there", 60)
    machine.expect("startup.nsh", 60)
    machine.send("\r")
    machine.expect("Shell> ", 60)
    machine.send(f"FS0:\\EFI\\BOOT\\BOOTAA64.EFI Image {WORDS}\r")
    all_come(machine, 2, "parking protocol")  # by the tables as they are by now
    machine.expect("newel-park: starts Image$", 30)
    linux_has(machine, 2)
