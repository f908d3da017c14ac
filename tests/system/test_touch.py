# SPDX-License-Identifier: Apache-2.0
"""Rights taken and given, and pages moved, under CPUs that load, store and fetch there (tests/guests/touch.c)."""
import os

import newel_machine as newel
import pytest
from manifests import STAY, manifest, node

IMAGE = os.path.join(newel.BUILD, "test", "newel.img")
PAYLOAD = os.path.join(newel.BUILD, "guests", "touch.bin")
FIRST, SIZE = 0x43000000, 0x10000


@pytest.mark.parametrize("cpu", ["cortex-a72", "max"])
def test_protect_and_move_while_others_run(boot, cpu):
    vm = node("touch", {"memory-mib": "<64>", "cpus": "<4>", "kernel": f'/incbin/("{PAYLOAD}")', "bootargs": '"newel ms=10000"'})
    machine = boot(manifest(vm, root=STAY), image=IMAGE, cpu=cpu, smp=4)
    machine.expect("^touch: running", 60)
    machine.open_monitor()
    for turn in range(2):
        for rights in ("---", "r-x", "rw-", "rwx"):
            if "touch: off" in machine.text:
                break
            start = FIRST + 0x1000 * (turn + 1)
            machine.monitor(f"vm protect touch {start:#x}+{SIZE // 2:#x} {rights} fault", 60)
            assert "move: 16 of 16 moved" in machine.monitor("move touch 1", 60)
    machine.position = 0  # all this took as long as it took
    counts = machine.expect(r"^touch: (\d+) rounds, refused (\d+) loads (\d+) stores (\d+) fetches", 120)
    assert sum(map(int, counts.groups()[1:])) > 0, counts.group(0)
    machine.expect(r"^RESULT 1 passed, 0 failed", 30)
