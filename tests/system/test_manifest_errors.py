# SPDX-License-Identifier: Apache-2.0
"""Every kind of manifest error gives its one line, with the node's path, before any VM starts, and stops the machine."""
import newel_machine as newel
import pytest
from manifests import linux, manifest

ROOT = 'compatible = "newel,manifest-1";'

CASES = {
    "not-a-manifest": (manifest(linux(), root='compatible = "other";'), r"/:.*newel,manifest-1"),
    "no-vms-node": ("/dts-v1/;\n/ { " + ROOT + " };\n", r"/.*vms"),
    "no-vm": (manifest(), r"/vms: "),
    "no-memory": (manifest(linux(memory_mib=None)), r"/vms/linux: .*memory-mib"),
    "no-cpus": (manifest(linux(cpus="<0>")), r"/vms/linux: .*cpus"),
    "too-many-cpus": (manifest(linux(cpus=1000)), r"/vms/linux: .*cpus"),
    "cell-of-wrong-size": (manifest(linux(memory_mib="<1 2>")), r"/vms/linux: .*memory-mib"),
    "too-much-memory": (manifest(linux(memory=100000)), r"linux: .*memory"),
    "no-kernel": (manifest(linux(kernel=None)), r"/vms/linux: .*kernel"),
    "unknown-property": (manifest(linux(memroy="<1>")), r"/vms/linux: .*memroy"),
    "unknown-root-property": (manifest(linux(), root=ROOT + " surprise;"), r"/: .*surprise"),
    "bad-on-last-exit": (manifest(linux(), root=ROOT + ' on-last-exit = "explode";'), r"/: .*on-last-exit"),
    "bad-affinity": (manifest(linux(cpu_affinity="<99>")), r"/vms/linux: .*cpu-affinity"),
    "affinity-without-cpu": (manifest(linux(cpu_affinity="<7>")), r"/vms/linux: .*cpu-affinity"),
    "bad-weight": (manifest(linux(weight="<0>")), r"/vms/linux: .*weight"),
    "bad-load-offset": (manifest(linux(load_offset="<0xffffffff>")), r"/vms/linux: .*load-offset"),
    "unterminated-bootargs": (manifest(linux().replace("bootargs = ", "bootargs = [41]; // ")), r"/vms/linux: .*bootargs"),
    "ramdisk-does-not-fit": (manifest(linux(memory=34)), r"/vms/linux: "),
}


@pytest.mark.parametrize("case", CASES)
def test_manifest_error(boot, case):
    text, line = CASES[case]
    machine = boot(text)
    machine.expect(rf"^newel: .*{line}", 30)
    assert machine.expect_end(30) == newel.PANICKED
    assert "newel-guest" not in machine.text


def test_no_manifest(boot):
    machine = boot(None)
    machine.expect(r"^newel: .*manifest", 30)
    assert machine.expect_end(30) == newel.PANICKED


def test_not_a_device_tree(boot, tmp_path):
    blob = tmp_path / "junk.dtb"
    blob.write_bytes(newel.FDT_MAGIC + b"\xff" * 4096)
    machine = boot(str(blob))
    machine.expect(r"^newel: .*manifest", 30)
    assert machine.expect_end(30) == newel.PANICKED
