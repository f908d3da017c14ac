# SPDX-License-Identifier: Apache-2.0
"""x86's I/O instructions and VMware's backdoor on Newel are what they are on an x86 machine with the real ones: the same probe, compiled
for both, prints the same lines."""
import os
import re
import struct
import subprocess
import uuid

import newel_machine as newel

QEMU_X86 = os.path.join(newel.BUILD, "qemu-x86", "qemu-system-x86_64")
GUESTS = os.path.join(newel.BUILD, "guests")
MANIFEST = os.path.join(newel.TOP, "tests", "guests", "backdoor_probe.dts")


def probe_lines(text):
    return re.findall(r"^.*?(PROBE [^\r\n]*)", text, re.M)


def on_newel():
    done = subprocess.run([os.path.join(newel.TOP, "tools", "run"), "--timeout", "60", MANIFEST], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True, timeout=90 * newel.PATIENCE)
    return probe_lines(done.stdout.decode(errors="replace"))


def on_x86(identity, tmp_path):
    serial = tmp_path / "serial"
    command = [QEMU_X86, "-machine", "pc,vmport=on", "-cpu", "qemu64", "-m", "64", "-display", "none", "-monitor", "none", "-net", "none"]
    command += ["-serial", f"file:{serial}", "-device", "isa-debug-exit,iobase=0xf4", "-no-reboot", "-uuid", str(identity)]
    done = subprocess.run([*command, "-kernel", os.path.join(GUESTS, "x86", "backdoor_probe")], stdin=subprocess.DEVNULL, check=False,
                          timeout=90 * newel.PATIENCE)
    assert done.returncode == 1  # isa-debug-exit makes it so from the 0 that was written
    return probe_lines(serial.read_text(errors="replace"))


def identity_of(lines):
    """The UUID that the probe's registers hold."""
    words = next(line for line in lines if line.startswith("PROBE uuid")).split()[2:6]
    return uuid.UUID(bytes=struct.pack("<4I", *(int(word, 16) for word in words)))


def test_the_probe_finds_no_difference(tmp_path):
    newel.require(QEMU_X86, "run tools/setup")
    lines = on_newel()
    assert len(lines) > 30
    identity = identity_of(lines)
    assert identity.version == 8 and identity.variant == uuid.RFC_4122
    assert [*lines, "PROBE end"] == on_x86(identity, tmp_path)
