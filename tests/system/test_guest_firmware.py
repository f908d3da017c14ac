# SPDX-License-Identifier: Apache-2.0
"""Debian's unmodified EDK2 as the firmware of a VM."""
import re

import newel_machine as newel
from manifests import LONG, manifest

PROMPT = r"Shell> (?:\x1b\[[0-9;]*m)*\Z"
VM = """fw {{ memory-mib = <256>; cpus = <{cpus}>; firmware = "uefi"; firmware-image = /incbin/("{image}"); }};"""


def command(machine, text):
    """What the shell says to it, without what colours it."""
    machine.send(text + "\r")
    said = machine.expect(rf"(?s)(.*){PROMPT}", 120)
    return re.sub(r"\x1b\[[0-9;=]*[A-Za-z]", "", said.group(1))


GUID = "12345678-1234-1234-1234-123456789abc"


def start(boot, nvram):
    machine = boot(manifest(VM.format(cpus=1, image=newel.FIRMWARE)), nvram=nvram)
    machine.expect("UEFI Interactive Shell v2", 120)
    machine.expect(PROMPT, 120)
    return machine


@LONG
def test_its_variables_survive_newel(boot, tmp_path):
    nvram = newel.make_nvram(str(tmp_path / "nvram"))
    machine = start(boot, nvram)
    command(machine, f"setvar NewelTest -guid {GUID} -bs -rt -nv =0x4e6577656c")
    machine.send("reset -s\r")
    assert machine.expect_end(60) == newel.POWERED_OFF
    machine = start(boot, nvram)
    said = command(machine, f"dmpstore -guid {GUID}")
    assert "NV+RT+BS" in said and "Newel" in said


def test_edk2_reaches_its_shell(boot):
    machine = boot(manifest(VM.format(cpus=2, image=newel.FIRMWARE)))
    machine.expect("UEFI Interactive Shell v2", 120)
    machine.expect(PROMPT, 120)
    assert re.search(r"^UEFI v2\.[0-9]+ \(.*EDK II", command(machine, "ver"), re.M)
    said = command(machine, "memmap")
    assert re.search(r"MMIO\s*:.*0000000004000000-|MMIO_?\s", said) and re.search(r"Total Memory:\s+2\d\d MB", said)
    assert "newel" not in command(machine, "dmpstore NewelTest")
    command(machine, "setvar NewelTest -guid 12345678-1234-1234-1234-123456789abc -bs -rt -nv =0x4e6577656c")
    machine.send("reset\r")
    machine.expect("^newel: fw: reset$", 60)
    machine.expect("UEFI Interactive Shell v2", 120)
    machine.expect(PROMPT, 120)
    said = command(machine, "dmpstore -guid 12345678-1234-1234-1234-123456789abc")
    assert "NV+RT+BS" in said and "Newel" in said
    machine.send("reset -s\r")
    assert machine.expect_end(60) == newel.POWERED_OFF
