# SPDX-License-Identifier: Apache-2.0
"""The software walker of guests' tables against each CPU model's own AT instruction (tests/el2/walk_check.c)."""
import os

import newel_machine as newel
import pytest
from manifests import STAY, manifest, raw

IMAGE = os.path.join(newel.BUILD, "test", "newel.img")
WFI, BACK = 0xD503207F, 0x17FFFFFF  # B to the one before
MODELS = ("cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "neoverse-v1", "max")


@pytest.mark.parametrize("cpu", MODELS)
def test_walks_agree_with_at(boot, cpu):
    machine = boot(manifest(raw("halt", WFI, BACK), root=STAY), image=IMAGE, cpu=cpu, smp=1)
    machine.expect("^newel: halt: .*started$")
    machine.open_monitor()
    for seed in (1, 2):
        machine.send(f"walk {seed}\r")
        said = machine.expect(r"^walk: (\d+) compared, (\d+) of them succeeded, (\d+) were stopped by stage 2\n", 60)
        compared, succeeded, by_stage2 = map(int, said.groups())
        assert compared > 30000 and succeeded > compared / 20 and by_stage2 > compared / 50
        assert machine.expect(r"^walk: (\d+) different\n").group(1) == "0", machine.tail()
