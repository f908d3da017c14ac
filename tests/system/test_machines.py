# SPDX-License-Identifier: Apache-2.0
"""One image for every machine: CPU models, CPU counts and memory sizes, a Linux boot on each."""
import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest

MODELS = ("cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "neoverse-v1", "max")


def boots(boot, cpus=1, memory=256, **machine):
    newel_ = boot(manifest(linux(cpus=cpus, memory=memory, bootargs="newel.poweroff")), **machine)
    newel_.expect(rf"newel-guest: up cpus={cpus}\b", 120)
    assert newel_.expect_end(60) == newel.POWERED_OFF


@pytest.mark.parametrize("cpu", MODELS)
def test_cpu_model(boot, cpu):
    boots(boot, cpu=cpu, cpus=2)


@pytest.mark.parametrize("smp", [1, 2, 4, 8, *(pytest.param(smp, marks=LONG) for smp in (3, 5, 6, 7))])
def test_cpu_count(boot, smp):
    boots(boot, smp=smp, cpus=min(smp, 4))


def test_more_vcpus_than_cpus(boot):
    boots(boot, smp=1, cpus=4)


@pytest.mark.parametrize("mem,memory", [(1024, 768), (2048, 512), (6144, 4608), (16384, 1024)])
def test_memory_size(boot, mem, memory):
    """(6144, 4608): the VM's memory lies above 32 bits on the machine, and reaches above 32 bits in the VM."""
    boots(boot, mem=mem, memory=memory)
