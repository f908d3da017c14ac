# SPDX-License-Identifier: Apache-2.0
"""Every kind of manifest error gives its one line, with the node's path, before any VM starts, and stops the machine."""
import re

import newel_machine as newel
import pytest
from manifests import linux, manifest, node

ROOT = 'compatible = "newel,manifest-1";'

def small(name):
    """A VM that is never run; 17 kernels would not fit."""
    return node(name, {"memory-mib": "<4>", "cpus": "<1>", "kernel": "[00 00 00 14]"})


VM = "/vms/linux: "


def prop(name):
    return f'{VM}property "{name}": '


CASES = {
    "not-a-manifest": (manifest(linux(), root='compatible = "other";'), '/: property "compatible": this is no manifest'),
    "no-vms-node": ("/dts-v1/;\n/ { " + ROOT + " };\n", '/: node "vms" is missing'),
    "unknown-node": ("/dts-v1/;\n/ { " + ROOT + " vns {}; };\n", '/: node "vns" is unknown'),
    "no-vm": (manifest(), "/vms: there is no VM"),
    "too-many-vms": (manifest(*(small(f"vm{n}") for n in range(17))), "/vms/vm16: is one VM too many"),
    "odd-name": (manifest(small("a,b")), "/vms/a,b: the VM's name has ',' in it"),
    "node-in-a-vm": (manifest(node("linux", {"memory-mib": "<4>", "cpus": "<1>", "kernel": "[00]"}).replace(
        "};", "disk {}; };")), VM + 'node "disk" is unknown'),
    "no-memory": (manifest(linux(memory_mib=None)), prop("memory-mib") + "is missing"),
    "memory-is-two-cells": (manifest(linux(memory_mib="<1 2>")), prop("memory-mib") + "is 8 bytes long"),
    "memory-is-odd": (manifest(linux(memory=257)), prop("memory-mib") + "is 257 (it has to be a multiple of 2)"),
    "kernel-does-not-fit": (manifest(linux(memory=32)), prop("memory-mib") + "is 32, but the kernel takes"),
    "no-cpus": (manifest(linux(cpus=0)), prop("cpus") + "is 0 (it has to be 1 to "),
    "too-many-cpus": (manifest(linux(cpus=1000)), prop("cpus") + "is 1000 (it has to be 1 to "),
    "no-kernel": (manifest(linux(kernel=None)), prop("kernel") + "is missing"),
    "empty-kernel": (manifest(linux(kernel="")), prop("kernel") + "is empty"),
    "kernel-is-compressed": (manifest(linux(kernel='/incbin/("initrd.gz")')), prop("kernel") + "is compressed with gzip"),
    "kernel-is-elf": (manifest(linux(kernel='/incbin/("busybox")')), prop("kernel") + "is an ELF file"),
    "empty-ramdisk": (manifest(linux(ramdisk="")), prop("ramdisk") + "is empty"),
    "bootargs-is-no-string": (manifest(linux().replace("bootargs = ", "bootargs = [41]; // ")),
                              prop("bootargs") + "is no string"),
    "offset-of-an-image": (manifest(linux(load_offset="<0x80000>")), prop("load-offset") + "is there, but the kernel has an"),
    "unknown-property": (manifest(linux(memroy="<1>")), prop("memroy") + "is unknown (it has to be one of memory-mib, "),
    "unknown-root-property": (manifest(linux(), root=ROOT + " surprise;"), '/: property "surprise": is unknown'),
    "odd-last-exit": (manifest(linux(), root=ROOT + ' on-last-exit = "explode";'),
                      '/: property "on-last-exit": is "explode" (it has to be "poweroff" or "monitor")'),
    "odd-autostart": (manifest(linux(autostart='"maybe"')), prop("autostart") + 'is "maybe" (it has to be "no" or "yes")'),
    "affinity-of-no-cpu": (manifest(linux(cpu_affinity="<0 2>")),
                           prop("cpu-affinity") + "names CPU 2 (it has to be one of this machine's, 0 to 1)"),
    "weight-of-zero": (manifest(linux(weight="<0>")), prop("weight") + "is 0 (it has to be 1 to 10000)"),
    "more-memory-than-the-machine": (manifest(linux(memory=2048)), VM),
}


@pytest.mark.parametrize("case", CASES)
def test_manifest_error(boot, case):
    text, line = CASES[case]
    machine = boot(text)
    machine.expect("^newel: error: manifest: " + re.escape(line), 30)
    assert machine.expect_end(30) == newel.PANICKED
    assert "newel-guest" not in machine.text


def test_no_manifest(boot):
    machine = boot(None)
    machine.expect("^newel: error: .*manifest", 30)
    assert machine.expect_end(30) == newel.PANICKED


def test_not_a_device_tree(boot, tmp_path):
    blob = tmp_path / "junk.dtb"
    blob.write_bytes(newel.FDT_MAGIC + b"\xff" * 4096)
    machine = boot(str(blob))
    machine.expect("^newel: error: .*manifest", 30)
    assert machine.expect_end(30) == newel.PANICKED
