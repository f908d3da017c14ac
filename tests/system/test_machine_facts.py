# SPDX-License-Identifier: Apache-2.0
"""Missing or odd machine facts: Newel says what it cannot use on the earliest console, and stops; it never hangs.

QEMU's own device tree is edited (fdtput) and given back by -dtb; QEMU then leaves all but /memory and /chosen as they are.
"""
import re
import struct
import subprocess

import newel_machine as newel
import pytest
from manifests import linux, manifest

GIC = "/intc@8000000"


@pytest.fixture
def tree(tmp_path):
    """tree(EDIT...): the machine's device tree after fdtput's edits, each a list of arguments with FILE for the tree's name."""

    def make(*edits, smp=2):
        path = str(tmp_path / "machine.dtb")
        dump = newel.qemu_command(smp=smp, extra=["-machine", f"dumpdtb={path}"])
        subprocess.run(dump, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for edit in edits:
            subprocess.run(["fdtput", *[path if word == "FILE" else word for word in edit]], check=True)
        return ["-dtb", path]

    return make


@pytest.fixture
def boot_past_qemu(boot, tmp_path):
    """boot_past_qemu(FILE, AT): boots with the bytes of a file at an address as its device tree, untouched by QEMU."""

    def start(blob, at=TREE_AT):
        stub = tmp_path / "stub.bin"  # LDR X0, at; LDR X1, image; BR X1; NOP
        stub.write_bytes(struct.pack("<4I2Q", 0x58000080, 0x580000A1, 0xD61F0020, 0xD503201F, at, IMAGE_AT))
        extra = ["-device", f"loader,file={newel.IMAGE},addr={IMAGE_AT:#x},force-raw=on"]
        extra += ["-device", f"loader,file={blob},addr={at:#x},force-raw=on"]
        extra += ["-device", f"loader,file={stub},addr={STUB_AT:#x},cpu-num=0,force-raw=on"]
        return boot(None, image=None, extra=extra)

    return start


EDITS = {
    "no-gic": (["-r", "FILE", GIC], "no GICv3 or GICv2 (compatible"),
    "unknown-gic": (["-t", "s", "FILE", GIC, "compatible", "acme,pic"], "no GICv3 or GICv2 (compatible"),
    "gic-without-reg": (["-d", "FILE", GIC, "reg"], GIC + ": reg has no distributor"),
    "gic-reg-cut": (["-t", "x", "FILE", GIC, "reg", "0", "8000000", "0", "10000"], GIC + ": reg has no redistributor region 0"),
    "no-maintenance-interrupt": (["-d", "FILE", GIC, "interrupts"], GIC + ": no maintenance interrupt"),
    "no-timer": (["-r", "FILE", "/timer"], "no timer (compatible"),
    "no-cpus": (["-r", "FILE", "/cpus"], "no CPUs (/cpus)"),
    "cpu-without-reg": (["-d", "FILE", "/cpus/cpu@0", "reg"], "/cpus/cpu@0: its reg cannot be read"),
    "boot-cpu-is-not-there": (["-r", "FILE", "/cpus/cpu@0"], "/cpus: the CPU that Newel booted on"),
    "timer-without-interrupts": (["-d", "FILE", "/timer", "interrupts"], "/timer: no private interrupt for the physical timer"),
}

# QEMU writes /psci and /memory itself, so these are handed over past it; with nobody to turn the machine off, Newel halts.
PSCI_EDITS = {
    "psci-by-hvc": (["-t", "s", "FILE", "/psci", "method", "hvc"], "CPU 0x1 does not start: PSCI (HVC): not supported", "no manifest"),
    "psci-without-method": (["-d", "FILE", "/psci", "method"], None, "/psci: PSCI method is neither"),
    "no-psci": (["-r", "FILE", "/psci"], 'CPU 0x1 does not start: its method is "psci"', "no manifest"),
}
IMAGE_AT, TREE_AT, STUB_AT = 0x40200000, 0x48000000, 0x47000000


def stops_with(machine, message):
    machine.expect("^newel: error: .*" + re.escape(message), 30)
    assert machine.expect_end(30) == newel.PANICKED


@pytest.mark.parametrize("case", EDITS)
def test_odd_device_tree(boot, tree, case):
    edit, message = EDITS[case]
    stops_with(boot(manifest(linux()), extra=tree(edit)), message)


def test_a_method_that_lacks_its_address(boot, tree):
    """The CPU stays where it is, and the others go on."""
    edit = ["-t", "s", "FILE", "/cpus/cpu@1", "enable-method", "spin-table"]
    machine = boot(manifest(linux(bootargs="newel.poweroff")), extra=tree(edit))
    machine.expect('^newel: warning: CPU 0x1 does not start: its method is "spin-table"$', 30)
    machine.expect("^newel: 1 CPUs, ", 30)
    machine.expect("newel-guest: up cpus=1 ", 60)
    assert machine.expect_end(30) == newel.POWERED_OFF


def halts_with(machine, message):
    machine.expect("^newel: error: .*" + re.escape(message), 30)
    with pytest.raises(newel.ExpectError):
        machine.expect("^newel: .*guest", 2)
    assert machine.process.poll() is None


@pytest.mark.parametrize("case", PSCI_EDITS)
def test_nobody_to_turn_the_machine_off(boot_past_qemu, tree, case):
    edit, warning, message = PSCI_EDITS[case]
    machine = boot_past_qemu(tree(edit)[1])
    if warning:
        machine.expect(f"^newel: warning: {re.escape(warning)}$", 30)
    halts_with(machine, message)


def test_no_memory(boot_past_qemu, tree):
    stops_with(boot_past_qemu(tree(["-r", "FILE", "/memory@40000000"])[1]), "no memory (a node with")


def test_overlapping_memory(boot_past_qemu, tree):
    edit = ["-t", "x", "FILE", "/memory@40000000", "reg", "0", "40000000", "0", "40000000", "0", "60000000", "0", "1000"]
    stops_with(boot_past_qemu(tree(edit)[1]), "memory at 0x60000000 overlaps other memory")


def test_initrd_outside_of_memory(boot_past_qemu, tree):
    edits = (["-t", "x", "FILE", "/chosen", f"linux,initrd-{which}", "0", end] for which, end in (("start", "1000"), ("end", "2000")))
    stops_with(boot_past_qemu(tree(*edits)[1]), "/chosen: initrd 0x1000 to 0x2000 is not within memory")


def test_damaged_tree(boot_past_qemu, tree):
    """A node that never ends: the header is right, and the console can still be found."""
    path = tree()[1]
    with open(path, "r+b") as blob:
        header = struct.unpack(">10I", blob.read(40))
        offset, size = header[2], header[9]
        blob.seek(offset + size - 8)  # FDT_END_NODE of the root, then FDT_END
        blob.write(struct.pack(">2I", 4, 4))
    stops_with(boot_past_qemu(path), "is damaged: ")


def test_no_stdout_path(boot, tree):
    """Without /chosen/stdout-path, the first UART of a known kind serves."""
    machine = boot(manifest(linux(bootargs="newel.poweroff")), extra=tree(["-d", "FILE", "/chosen", "stdout-path"]))
    machine.expect("newel-guest: up", 60)
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_entered_below_el2(boot):
    stops_with(boot(manifest(linux()), extra=["-machine", "virtualization=off"]), "entered at EL1")


def test_more_cpus_than_newel_serves(boot):
    """The machine runs on those that Newel can use, and says so."""
    machine = boot(manifest(linux(bootargs="newel.poweroff")), smp=34)
    machine.expect(r"^newel: warning: 2 CPUs are not used: Newel serves 32$", 60)
    machine.expect(r"^newel: 32 CPUs, ", 30)
    machine.expect("newel-guest: up", 60)
    assert machine.expect_end(30) == newel.POWERED_OFF


def test_console_without_interrupt(boot, tree):
    """The UART is looked at, so that the operator is heard; VMs' output goes on."""
    machine = boot(manifest(linux("one")), extra=tree(["-d", "FILE", "/pl011@9000000", "interrupts"]))
    machine.expect("newel-guest: timers", 60)
    machine.open_monitor()
    assert "running" in machine.monitor("vm list")
    machine.focus("one")
    machine.shell("echo $((6 * 7))x")
    machine.expect("^42x$")
