# SPDX-License-Identifier: Apache-2.0
"""Linux with performance monitors, and without, on one machine."""
import os
import re
import subprocess
import sys

import newel_machine as newel
import pytest
from manifests import STAY, linux, manifest

PROGRAM = os.path.join(newel.BUILD, "guests", "linux", "perf_count")


def ramdisk(folder):
    made = folder / "initrd.gz"
    command = [sys.executable, os.path.join(newel.TOP, "tools", "mkinitrd"), "--busybox", os.path.join(newel.GUEST, "busybox"),
               "--init", os.path.join(newel.TOP, "tools", "guest-init"), "--add", f"{PROGRAM}:/bin/perf_count", "-o", str(made)]
    subprocess.run(command, check=True)
    return f'/incbin/("{made}")'


def counts(machine, name):
    """What the program says in that VM: of a stopped counter, of a running one, and of its overflows."""
    machine.open_monitor()
    machine.focus(name)
    machine.shell("perf_count; echo counted-$((6*7))")
    text = machine.expect(rf"^{name}.*counted-42", 60).string
    return [tuple(map(int, found)) for found in re.findall(r"perf: disabled (\d+) enabled (\d+) samples (\d+)", text)]


@pytest.mark.parametrize("cpu", ["cortex-a72", "neoverse-n1"])
def test_linux_counts(boot, tmp_path, cpu):
    """QEMU without -icount has no event but cycles, which are nanoseconds."""
    disk = ramdisk(tmp_path)
    on, off = (linux(word, cpus=1, ramdisk=disk, pmu=f'"{word}"') for word in ("on", "off"))
    machine = boot(manifest(on, off, root=STAY), smp=1, cpu=cpu)
    machine.expect_all("^on.*newel-guest: timers", "^off.*newel-guest: timers", timeout=120)
    machine.open_monitor()
    machine.focus("on")
    machine.shell("dmesg | grep perfevents")
    machine.expect("^on.*hw perfevents: enabled with armv8_pmuv3 PMU driver", 30)
    stopped, running, samples = counts(machine, "on")[-1]
    assert stopped == 0
    assert running > 1_000_000
    assert samples > 1
    machine.open_monitor()
    machine.focus("off")
    machine.shell("dmesg | grep perfevents; perf_count 2>&1")
    machine.expect("^off.*perf_event_open: ", 30)
