# SPDX-License-Identifier: Apache-2.0
"""An idle machine executes almost nothing, counted by our QEMU plugin.

On one CPU, for the counts to repeat: several spin while they wait for each other, as long as the host lets one of them wait.
"""
import os
import re
import struct
import subprocess
import sys
import time

import newel_machine as newel
from manifests import STAY, linux, manifest, raw

PLUGIN = os.path.join(newel.BUILD, "plugin", "newel-count.so")
SECONDS = 8


def counting(log):
    return [f"{PLUGIN},out={log},{newel.image_range(newel.IMAGE)}"]


def without_a_vm(boot, seconds, log):
    """The hypervisor's instructions on a machine without a running VM that is left alone for some seconds."""
    machine = boot(manifest(raw("none", 0, autostart='"no"'), root=STAY), smp=1, plugins=counting(log))
    machine.expect("opens the monitor", 30)
    time.sleep(1 + seconds)
    machine.send("poweroff\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
    return sum(int(count) for count in re.findall(r"^total cpu \d+ hyp (\d+)", log.read_text(), re.M))


def test_no_vm(boot, tmp_path):
    short = without_a_vm(boot, 0, tmp_path / "short.log")
    assert without_a_vm(boot, SECONDS, tmp_path / "long.log") - short < 20_000


def ramdisk_with_mark(folder):
    """The test guest's, with a program that executes the plugin's mark 19 and ends."""
    code = struct.pack("<4I", 0xAA130273, 0xD2800000, 0xD2800BA8, 0xD4000001)  # ORR X19, X19, X19; exit(0)
    start, size = 0x400000, 120 + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 183, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000)
    program = folder / "mark"
    program.write_bytes(header + segment + code)
    program.chmod(0o755)
    made = folder / "initrd.gz"
    command = [sys.executable, os.path.join(newel.TOP, "tools", "mkinitrd"), "--busybox", os.path.join(newel.GUEST, "busybox"),
               "--init", os.path.join(newel.TOP, "tools", "guest-init"), "--add", f"{program}:/bin/mark", "-o", str(made)]
    subprocess.run(command, check=True)
    return f'/incbin/("{made}")'


def test_idle_linux(boot, tmp_path):
    """Two Linux systems in their shells. A single busy CPU would execute more than a thousand million instructions."""
    log = tmp_path / "count.log"
    one, two = linux("one", cpus=2, ramdisk=ramdisk_with_mark(tmp_path)), linux("two", cpus=2)
    machine = boot(manifest(one, two, root=STAY), smp=1, plugins=counting(log))
    machine.expect_all("^one.*newel-guest: timers", "^two.*newel-guest: timers", timeout=120)
    machine.open_monitor()
    machine.focus("one")
    machine.shell(f"sleep 3; mark; sleep {SECONDS}; mark; echo counted-$((6*7))")
    machine.expect("^one.*counted-42", 60)
    machine.open_monitor()
    machine.send("poweroff\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
    marks = re.findall(r"^mark 19 .*all-hyp (\d+) all-guest (\d+)", log.read_text(), re.M)
    hypervisor, guest = (int(marks[1][world]) - int(marks[0][world]) for world in (0, 1))
    print(f"{SECONDS} idle seconds: {hypervisor} instructions of the hypervisor, {guest} of the guests")
    assert hypervisor < 4_000_000
    assert guest < 40_000_000
