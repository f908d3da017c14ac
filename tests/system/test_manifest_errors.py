# SPDX-License-Identifier: Apache-2.0
"""Every kind of manifest error gives its one line, with the node's path, before any VM starts, and stops the machine."""
import re

import newel_machine as newel
import pytest
from manifests import linux, manifest, node, raw

ROOT = 'compatible = "newel,manifest-1";'

SPIN = 0x14000000  # B .


def small(name, **properties):
    """A VM that is never run; 17 kernels would not fit."""
    return raw(name, SPIN, **properties)


VM = "/vms/linux: "

# An arm64 Image's header, 64 bytes: image_size and the flags are left to say.
IMAGE = "[00 00 00 14 00 00 00 00 00 00 00 00 00 00 00 00 {size} 00 00 00 00 {flags} 00 00 00 00 00 00 00" \
    + " 00" * 24 + " 41 52 4d 64 00 00 00 00]"


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
    "kernel-does-not-fit": (manifest(linux(memory=32)), prop("memory-mib") + "is 32, too little for kernel ("),
    "no-cpus": (manifest(linux(cpus=0)), prop("cpus") + "is 0 (it has to be 1 to "),
    "too-many-cpus": (manifest(linux(cpus=1000)), prop("cpus") + "is 1000 (it has to be 1 to "),
    "memory-is-none": (manifest(linux(memory=0)), prop("memory-mib") + "is 0 (it has to be 4 to "),
    "cpus-is-a-string": (manifest(linux().replace("cpus = <1>", 'cpus = "one two"')), prop("cpus") + "is 8 bytes long"),
    "raw-kernel-does-not-fit": (manifest(small("linux", load_offset="<0x400000>")), prop("memory-mib") + "is 4, too little"),
    "offset-is-odd": (manifest(small("linux", load_offset="<0x80004>")),
                      prop("load-offset") + "is 524292 (it has to be a multiple of 4096)"),
    "kernel-is-big-endian": (manifest(small("linux", kernel=IMAGE.format(size="00 00 10 00", flags="01"))),
                             prop("kernel") + "is a big-endian Image"),
    "kernel-is-too-old": (manifest(small("linux", kernel=IMAGE.format(size="00 00 00 00", flags="00"))),
                          prop("kernel") + "has image_size 0 in its Image header"),
    "kernel-is-longer-than-its-header-says": (manifest(small("linux", kernel=IMAGE.format(size="10 00 00 00", flags="00"))),
                                              prop("kernel") + "has image_size 16 in its Image header"),
    "name-too-long": (manifest(small("a" * 40)), "/vms/" + "a" * 31),
    "bootargs-too-long": (manifest(linux(bootargs="x" * 5000)), prop("bootargs") + "is "),
    "affinity-twice": (manifest(linux(cpu_affinity="<0 0>")), prop("cpu-affinity") + "names CPU 0 twice"),
    "affinity-is-no-list": (manifest(linux(cpu_affinity="[00]")), prop("cpu-affinity") + "is no list of numbers"),
    "affinity-is-empty": (manifest(linux(cpu_affinity="")), prop("cpu-affinity") + "is no list of numbers"),
    "autostart-is-no-string": (manifest(linux(autostart="<1>")), prop("autostart") + "is no string"),
    "weight-too-large": (manifest(linux(weight="<10001>")), prop("weight") + "is 10001 (it has to be 1 to 10000)"),
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
    "more-memory-than-the-machine": (manifest(linux(memory=2048)), VM + "no room for 2048 MiB: out of memory"),
    "more-memory-together": (manifest(linux("one"), linux("linux", memory=800)), VM + "no room for 800 MiB: out of memory"),
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
    machine.expect("^newel: error: no manifest: ", 30)
    assert machine.expect_end(30) == newel.PANICKED


def test_not_a_device_tree(boot, tmp_path):
    blob = tmp_path / "junk.dtb"
    blob.write_bytes(newel.FDT_MAGIC + b"\xff" * 4096)
    machine = boot(str(blob))
    machine.expect("^newel: error: .*manifest", 30)
    assert machine.expect_end(30) == newel.PANICKED
