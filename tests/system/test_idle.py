# SPDX-License-Identifier: Apache-2.0
"""An idle machine executes almost nothing: the instructions of a longer idle time are no more than those of a shorter one."""
import os
import re
import time

import newel_machine as newel
from manifests import STAY, linux, manifest, raw

PLUGIN = os.path.join(newel.BUILD, "plugin", "newel-count.so")
SECONDS = 8


def instructions(boot, text, ready, seconds, log):
    """(hypervisor's, guests') instructions of a machine that is left alone for some seconds once it is ready."""
    machine = boot(text, plugins=[f"{PLUGIN},out={log},{newel.image_range(newel.IMAGE)}"])
    machine.expect(ready, 120)
    time.sleep(2 + seconds)  # what follows the line that was awaited is over after 2
    if "newel> " not in machine.text:
        machine.open_monitor()
    machine.send("poweroff\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
    totals = re.findall(r"^total cpu \d+ hyp (\d+) guest (\d+)", log.read_text(), re.M)
    return [sum(int(total[world]) for total in totals) for world in (0, 1)]


def idle_instructions(boot, text, ready, folder):
    less = instructions(boot, text, ready, 0, folder / "short.log")
    more = instructions(boot, text, ready, SECONDS, folder / "long.log")
    return [a - b for a, b in zip(more, less)]


def test_no_vm(boot, tmp_path):
    text = manifest(raw("none", 0, autostart='"no"'), root=STAY)
    hypervisor, guest = idle_instructions(boot, text, "opens the monitor", tmp_path)
    assert guest == 0
    assert hypervisor < 20_000


def test_idle_linux(boot, tmp_path):
    """Two Linux systems in their shells; a CPU that is busy for a second executes more than all of this."""
    text = manifest(linux("one", cpus=2), linux("two", cpus=2))
    ready = r"^one.*newel-guest: timers(?s:.*)^two.*newel-guest: timers|^two.*newel-guest: timers(?s:.*)^one.*newel-guest: timers"
    hypervisor, guest = idle_instructions(boot, text, ready, tmp_path)
    assert guest < 100_000_000
    assert hypervisor < 20_000_000
