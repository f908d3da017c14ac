# SPDX-License-Identifier: Apache-2.0
"""Machines without PSCI: a firmware of our own at EL3 (tests/firmware/) has the processors wait by other methods, or fail to."""
import os
import re
import subprocess

import newel_machine as newel
import pytest
from manifests import LONG, linux, manifest, raw

FIRMWARE = os.path.join(newel.BUILD, "guests", "fw.bin")
# tests/firmware/fw.S
KERNEL, MANIFEST, TREE, BASE = 0x40200000, 0x44000000, 0x4A000000, 0x4F000000
PARAMS, RELEASE, REGISTERS = BASE + 0x100000, BASE + 0x110000, BASE + 0x120000
SPIN_TABLE, BCM2836, SHARED = 1, 2, 3
DEAD, AT_EL1, CROSS, LATE = 1, 2, 3, 4


def mpidr(n):
    """QEMU's virt with GICv3: clusters of 16."""
    return n >> 4 << 8 | n & 15


def cpu_node(n, method):
    if n == 0:
        return ""
    if method == BCM2836:
        return f'cpu@{n} {{ enable-method = "brcm,bcm2836-smp"; }};'
    word = RELEASE + (8 * n if method == SPIN_TABLE else 0)
    return f'cpu@{n} {{ enable-method = "spin-table"; cpu-release-addr = <0 {word:#x}>; }};'


def additions(cpus, method, manifest_size):
    return f"""
/ {{
    cpus {{ {" ".join(cpu_node(n, method) for n in range(cpus))} }};
    local-intc@{REGISTERS:x} {{ compatible = "brcm,bcm2836-l1-intc"; reg = <0 {REGISTERS:#x} 0 0x100>; }};
    reserved-memory {{ #address-cells = <2>; #size-cells = <2>; ranges;
        firmware@{BASE:x} {{ reg = <0 {BASE:#x} 0 0x200000>; no-map; }}; }};
    chosen {{ linux,initrd-start = <{MANIFEST:#x}>; linux,initrd-end = <{MANIFEST + manifest_size:#x}>; }};
}};
"""


@pytest.fixture
def board(boot, tmp_path):
    """board(VM..., cpus=N, method=M, faults={CPU: FAULT}, edit=f): edit is applied to the tree's source."""

    def start(*vms, cpus=4, method=SPIN_TABLE, faults=None, edit=lambda text: text):
        (tmp_path / "manifest.dts").write_text(manifest(*vms), encoding="utf-8")
        blob = str(tmp_path / "manifest.dtb")
        newel.compile_manifest(str(tmp_path / "manifest.dts"), blob)
        extra = ["-M", "secure=on", "-bios", FIRMWARE]
        dump, tree = str(tmp_path / "dump.dtb"), str(tmp_path / "tree.dtb")
        command = newel.qemu_command(smp=cpus, image=None, extra=[*extra, "-M", f"dumpdtb={dump}"])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        source = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", dump], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert "psci" not in source  # the machine itself has none then
        (tmp_path / "tree.dts").write_text(edit(source + additions(cpus, method, os.path.getsize(blob))), encoding="utf-8")
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", tree, str(tmp_path / "tree.dts")], check=True)
        for path, address in ((newel.IMAGE, KERNEL), (blob, MANIFEST), (tree, TREE)):
            extra += ["-device", f"loader,file={path},addr={address:#x},force-raw=on"]
        values = {PARAMS: method, **{PARAMS + 8 + 8 * n: fault for n, fault in (faults or {}).items()}}
        for address, value in values.items():
            extra += ["-device", f"loader,addr={address:#x},data={value},data-len=8"]
        return boot(None, smp=cpus, image=None, extra=extra)

    return start


def guest(cpus):
    return linux(cpus=cpus, memory=128, bootargs="newel.poweroff")


def switches_itself_off():
    """A VM that runs, and no more: CPUs that are left behind in WFE keep QEMU busy."""
    return raw("vm", 0x52800100, 0x72B08000, 0xD4000002)  # PSCI SYSTEM_OFF


def ends(machine, cpus):
    machine.expect(f"^newel: {cpus} CPUs?, ", 60)
    machine.expect("^newel: vm: off$", 60)
    machine.expect("^newel: nobody here turns the machine off", 60)
    assert "panic" not in machine.text


def runs(machine, cpus, method):
    machine.expect(f"^newel: CPUs are started by {method}$", 60)
    machine.expect(f"^newel: {cpus} CPUs, ", 60)
    machine.expect(rf"newel-guest: up cpus={cpus}\b", 240)
    machine.expect("^newel: nobody here turns the machine off", 60)


def test_spin_table(board):
    runs(board(guest(4)), 4, "spin table")


def test_registers_of_a_board(board):
    runs(board(guest(4), method=BCM2836), 4, "brcm,bcm2836-smp")


def test_faults(board):
    """One that is dead, one that comes at EL1, one that nobody knows and that comes when another is called, one that comes
    seconds late: the others go on."""
    unknown = 'cpu@4 { status = "disabled"; };'
    machine = board(
        switches_itself_off(), cpus=8, faults={2: DEAD, 3: AT_EL1, 4: CROSS, 5: DEAD, 6: LATE},
        edit=lambda text: text + "/ { cpus { " + unknown + " }; };",
    )
    machine.expect("^newel: warning: CPU 0x2 does not start: no answer$", 60)
    machine.expect("^newel: warning: CPU 0x3 does not start: it came at EL1$", 60)
    machine.expect("^newel: warning: CPU 0x5 does not start: CPU 0x4 came in its place$", 60)
    machine.expect("^newel: warning: CPU 0x6 does not start: no answer$", 60)
    ends(machine, 3)  # 0, 1 and 7


def test_one_word_for_all(board):
    """All come when the first one is called, and each finds its own page: the last is there before it is called."""
    machine = board(switches_itself_off(), cpus=4, method=SHARED)
    ends(machine, 4)
    assert "does not start" not in machine.text


def test_two_clusters(board):
    """MPIDRs with a gap; a dead CPU in the second cluster."""
    machine = board(switches_itself_off(), cpus=18, faults={16: DEAD})
    machine.expect("^newel: warning: CPU 0x100 does not start: no answer$", 60)
    ends(machine, 17)


@LONG
@pytest.mark.parametrize("method", (SPIN_TABLE, SHARED), ids=("each", "shared"))
def test_linux_on_two_clusters(board, method):
    """vCPUs that have CPUs in both, and send each other IPIs all the time."""
    machine = board(linux(cpus=4, memory=128, cpu_affinity="<14 15 16 17>", bootargs="newel.poweroff"), cpus=18, method=method)
    machine.expect("^newel: 18 CPUs, ", 90)
    machine.expect(r"newel-guest: up cpus=4\b", 300)
    machine.expect("^newel: nobody here turns the machine off", 60)


@LONG
def test_registers_of_one_cluster(board):
    """The BCM2836 has four mailboxes: CPUs of another cluster are out of their range, which is said."""
    machine = board(switches_itself_off(), cpus=18, method=BCM2836)
    for n in (0x100, 0x101):
        machine.expect(f"^newel: warning: CPU {n:#x} does not start: brcm,bcm2836-smp: .*range", 60)
    ends(machine, 16)


@LONG
def test_unknown_method(board):
    """No way to start any: one CPU, and a line for each other one."""
    machine = board(switches_itself_off(), cpus=3, edit=lambda text: re.sub('"spin-table"', '"vendor,smp"', text))
    for n in (1, 2):
        machine.expect(f'^newel: warning: CPU 0x{n} does not start: its method is "vendor,smp"$', 60)
    ends(machine, 1)


@LONG
def test_eight(board):
    runs(board(guest(8), cpus=8), 8, "spin table")
