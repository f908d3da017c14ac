# SPDX-License-Identifier: Apache-2.0
"""Debian's U-Boot for QEMU's virt, as it is: its prompt, and Linux started by it. Long."""
import os
import re

import newel_machine as newel
import pytest
from manifests import BOOTARGS, LONG, manifest, node

RAM, DISK = 0x40000000, 0x48000000

# It looks for the device tree at the start of RAM, and has its first stack below 2 MiB.
UBOOT = {
    "memory-mib": "<512>",
    "cpus": "<2>",
    "kernel": '/incbin/("u-boot.bin")',
    "load-offset": "<0x200000>",
    "device-tree-offset": "<0>",
    "bootargs": f'"{BOOTARGS} newel.name=u newel.poweroff"',
}


def prompt(machine):
    machine.expect("Hit any key to stop autoboot", 60)
    machine.send("\r")
    machine.expect("=> ", 30)


def command(machine, line, *answers):
    """A command, what is wanted of its answer, and the prompt: U-Boot swallows what is typed while it prints memory."""
    machine.send(line + "\r")
    for answer in answers:
        machine.expect(answer)
    machine.expect("^=> ")


@LONG
@pytest.mark.parametrize("cpu", ["cortex-a72", "max"])
def test_prompt(boot, cpu):
    machine = boot(manifest(node("u", UBOOT)), cpu=cpu)
    prompt(machine)
    command(machine, "version", r"U-Boot \d+\.\d+")
    command(machine, "bdinfo", r"-> start    = 0x0*40000000", r"-> size     = 0x0*20000000")
    command(machine, "md.l 0x04000000 1", "04000000: ffffffff")
    machine.send("poweroff\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


@LONG
def test_starts_linux(boot):
    disk = os.path.getsize(os.path.join(newel.GUEST, "initrd.gz"))
    both = {**UBOOT, "ramdisk": '/incbin/("initrd.gz"), /incbin/("Image")'}
    machine = boot(manifest(node("u", both)))
    prompt(machine)
    machine.send(f"booti {DISK + disk:#x} {DISK:#x}:{disk:x} {RAM:#x}\r")
    machine.expect(re.escape("newel-guest: up cpus=2"), 120)
    assert machine.expect_end(60) == newel.POWERED_OFF
