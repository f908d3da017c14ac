# SPDX-License-Identifier: Apache-2.0
"""Seeds of randomness in guests: each VM its own, another at each start; none where the machine has none to give."""
import newel_machine as newel
import pytest
from manifests import linux, manifest

UNSEEDED = "KASLR disabled due to lack of seed"


def kernel_base(machine, name):
    """Where Linux has put itself, by its address-space randomization."""
    machine.open_monitor()
    machine.focus(name)
    token = machine.position  # what the console repeats of an earlier answer has another one
    machine.shell(f"dmesg | grep -c '{UNSEEDED}'; grep ' _stext$' /proc/kallsyms; echo told-$(({token} + 1))")
    answer = rf"\b0\s+(?:\w+\| )?([0-9a-f]{{16}}) [Tt] _stext\s+(?:\w+\| )?told-{token + 1}$"
    return machine.expect(answer, 20)[1]


@pytest.mark.parametrize("cpu", ["cortex-a72", "max"])
def test_each_start_has_its_own(boot, cpu):
    machine = boot(manifest(linux("one"), linux("two")), cpu=cpu)
    machine.expect_all("one.*newel-guest: timers", "two.*newel-guest: timers", timeout=120)
    bases = [kernel_base(machine, "one"), kernel_base(machine, "two")]
    machine.open_monitor()
    machine.monitor("vm reset one")
    machine.expect("one.*newel-guest: timers", 60)
    machine.send(newel.MONITOR_KEY)
    bases.append(kernel_base(machine, "one"))
    assert len(set(bases)) == 3, bases


def test_no_source(boot):
    machine = boot(manifest(linux("one")), extra=("-M", "dtb-randomness=off"))
    machine.expect("newel: no source of random numbers: VMs get no seeds", 30)
    machine.expect("newel-guest: timers", 60)
    machine.shell("dmesg | grep KASLR")
    machine.expect(UNSEEDED)
