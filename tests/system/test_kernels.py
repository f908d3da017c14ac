# SPDX-License-Identifier: Apache-2.0
"""Other kernels of Debian's than the release's own: the later one, and that with 16 KiB pages where the CPU has them. Long."""

import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest


def boots(machine, release):
    machine.expect(rf"newel-guest: up cpus=2 kernel=\S*{release}$", 120)
    machine.expect("newel-guest: timers", 30)
    assert machine.expect_end(60) == newel.POWERED_OFF


def guest(image):
    return manifest(linux("guest", cpus=2, memory=384, bootargs="newel.poweroff", kernel=f'/incbin/("{image}")'))


@LONG
@pytest.mark.parametrize("cpu", ["neoverse-v1", "max"])
def test_pages_of_16_kib(boot, cpu):
    boots(boot(guest("Image-16k"), cpu=cpu), "arm64-16k")


@LONG
@pytest.mark.parametrize("cpu", ["cortex-a72", "neoverse-n1", "max"])
def test_later_kernel(boot, cpu):
    boots(boot(guest("Image-later"), cpu=cpu), "arm64")
