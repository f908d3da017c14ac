# SPDX-License-Identifier: Apache-2.0
"""newel-detect, everywhere it runs: what it says of a machine with a hypervisor, and of one without."""
import json
import os
import re
import subprocess
import sys

import bench_peers
import newel_machine as newel
import pytest
from manifests import LONG, STAY, linux, manifest, node

LINUX_PROGRAM = os.path.join(newel.BUILD, "newel-detect")
EFI_PROGRAM = os.path.join(newel.BUILD, "newel-detect.efi")
PAYLOAD = os.path.join(newel.BUILD, "guests", "detect.bin")
SHIM = os.path.join(newel.BUILD, "guests", "detect_shim.bin")
PAYLOAD_AT = 0x40080000  # where the shim enters it


def report(text):
    """The first JSON report in a console's text, by the lines of the VM that began it."""
    who = re.search(r'^(\S+\| )?{"level"', text, re.M)
    lines = [line[len(who[1] or "") :].strip() for line in text[who.start() :].splitlines() if line.startswith(who[1] or "")]
    end = next(n for n, line in enumerate(lines) if line.endswith("}}"))
    return json.loads(" ".join(lines[: end + 1]))


def states(found, state):
    return {row["name"] for row in found["registers"] if row["state"] == state}


def bare(cpu="cortex-a72", smp=1, words="", el2=False, extra=()):
    """QEMU's command for the payload on its own, or, el2, above the shim."""
    command = newel.qemu_command(cpu=cpu, smp=smp, mem=128, image=SHIM if el2 else PAYLOAD, extra=["-append", words, *extra])
    if el2:
        return [*command, "-device", f"loader,file={PAYLOAD},addr={PAYLOAD_AT:#x},force-raw=on"]
    return [*command, "-M", "virtualization=off"]


def run(command):
    with newel.Machine(command) as machine:
        assert machine.expect_end(120) == newel.POWERED_OFF
        return machine.text


def assert_passed(text):
    assert "... FAIL" not in text and re.search(r"^RESULT [4-9] passed, 0 failed \(detect\)$", text, re.M), text[-3000:]


# ---- at EL1, without an operating system; under Newel it is tests/guests/detect.dts ----


@pytest.mark.parametrize("cpu", ["cortex-a72", pytest.param("max", marks=LONG)])
def test_bare(cpu):
    """Hundred runs of each kind, and none of them wrong."""
    text = run(bare(cpu, smp=2, words="expect=absent"))
    assert_passed(text)
    found = report(text)
    assert (found["level"], found["verdict"], found["signs"]["smccc"]) == (1, "absent", "")
    assert states(found, "trapped") == set()
    assert {"id_aa64pfr0_el1", "mdccsr_el0", "cntp_ctl_el0", "actlr_el1"} <= states(found, "untrapped")


@pytest.mark.parametrize("cpu", ["cortex-a72", pytest.param("neoverse-v1", marks=LONG)])
def test_truth_table(cpu):
    """Each control of EL2 traps the registers that the architecture says, and no other."""
    text = run(bare(cpu, words="shim expect=absent", el2=True))
    assert_passed(text)
    assert "TEST detect.truth_table ... PASS" in text


# ---- detect-hardening ----


def payload(name, **properties):
    common = {"memory-mib": "<64>", "cpus": "<1>", "kernel": f'/incbin/("{PAYLOAD}")', "bootargs": f'"newel suite={name}"'}
    return node(name, {**common, **properties})


def counters(machine, name):
    return {key: int(value) for key, value in re.findall(r"^(\S+\.\S+) +(\d+)", machine.monitor(f"vm stat {name}"), re.M)}


def test_nothing_comes_to_newel(boot):
    """Four hundred runs of the whole program, and what EL2 saw of them: its start, its printing, its timer."""
    machine = boot(manifest(payload("plain"), payload("hard", **{"detect-hardening": '"on"'}), root=STAY), smp=1)
    machine.expect_all(*(rf"RESULT \d passed, 0 failed \({name}\)" for name in ("plain", "hard")), timeout=120)
    machine.expect("the monitor stays", 30)
    plain, hard = (counters(machine, name) for name in ("plain", "hard"))
    assert plain["exit.sysreg"] > 100_000
    assert hard["exit.sysreg"] == hard["sysreg.translation"] <= 8  # its MMU going on
    assert plain["sysreg.id"] > 1000 and "sysreg.id" not in hard and "sysreg.debug" not in hard
    assert {"sysreg.timer", "exit.wfx"}.isdisjoint(hard)


@pytest.mark.parametrize("cpu", ["cortex-a72", pytest.param("neoverse-v1", marks=LONG)])
def test_hardened_linux(boot, ramdisk, cpu):
    """Beside another, on one CPU, that idles as well: each gets its turn, and the hardened one has all that it sees."""
    disk = f'/incbin/("{ramdisk}")'
    hard, plain = linux("hard", ramdisk=disk, detect_hardening='"on"'), linux("plain", ramdisk=disk)
    machine = boot(manifest(hard, plain, root=STAY), smp=1, cpu=cpu)
    machine.expect_all("^hard.*newel-guest: timers", "^plain.*newel-guest: timers", timeout=240)
    machine.open_monitor()
    machine.focus("hard")
    status, found = ask_linux(machine)
    assert (status, found["verdict"], states(found, "trapped")) == (0, "absent", set())
    machine.shell("dmesg | grep -e perfevents -e breakpoint; echo said-$((6*7))")
    said = machine.expect("said-42", 30).string
    assert "hw perfevents: enabled with armv8_pmuv3 PMU driver" in said and "hw-breakpoint: found 6 breakpoint" in said
    machine.open_monitor()
    stat = counters(machine, "hard")
    assert not {"exit.wfx", "sysreg.id", "sysreg.debug", "sysreg.timer"} & {key for key, n in stat.items() if n}
    for name in ("plain", "hard"):
        machine.focus(name)
        machine.shell("poweroff -f")
        machine.expect(f"^newel: {name}: off$", 60)
        if name == "plain":
            machine.open_monitor()


def test_cannot_be_hardened(boot):
    machine = boot(manifest(linux("hard", detect_hardening='"on"')), cpu="max")
    machine.expect(r"^newel: error: manifest: /vms/hard: detect-hardening: this CPU .* that Newel would have to hide by a trap$", 30)
    assert machine.expect_end(30) == newel.PANICKED


# ---- under other hypervisors ----


@LONG
@pytest.mark.parametrize("peer, cpu, name", [("xen", "cortex-a72", "Xen"), ("kvm", "cortex-a72", "KVM"), ("kvm", "neoverse-n1", "KVM")])
def test_peer(tmp_path, peer, cpu, name):
    try:
        text = getattr(bench_peers, peer)(str(tmp_path), cpu, PAYLOAD)
    except bench_peers.Unavailable as why:
        pytest.skip(str(why))
    assert_passed(text)
    found = report(text)
    assert (found["level"], found["verdict"]) == (1, "present")
    assert found["signs"]["smccc"].endswith(" " + name)
    assert {"id_aa64pfr0_el1", "actlr_el1", "mdscr_el1"} <= states(found, "trapped")
    assert {"midr_el1", "cntvct_el0"} <= states(found, "untrapped")


# ---- under UEFI, and in Newel itself ----


@pytest.mark.parametrize("level", [1, pytest.param(2, marks=LONG)])
def test_efi(boot, level):
    machine = boot(None, esp={"app": EFI_PROGRAM}, extra=["-M", f"virtualization={'on' if level == 2 else 'off'}"])
    machine.expect(rf"^virtualization, as seen from EL{level}: absent$", 60)
    machine.expect(r"^  control +256 of 256 stored +\d+ ticks$", 10)
    machine.expect(r"^  id_aa64pfr0_el1 +untrapped +256 of 256 stored", 10)
    machine.expect(r"^  ACPI +QEMU$", 10)
    machine.expect(r"^  DMI +QEMU QEMU Virtual Machine$", 10)


def test_newel_looks_below_itself(boot):
    machine = boot(manifest(linux("one", bootargs="newel.poweroff")))
    machine.expect("^newel: EL2 is the machine's own: none of its registers traps$", 30)


# ---- under Linux, at EL0 ----


@pytest.fixture(scope="module")
def ramdisk(tmp_path_factory):
    made = str(tmp_path_factory.mktemp("detect") / "initrd.gz")
    command = [sys.executable, os.path.join(newel.TOP, "tools", "mkinitrd"), "--busybox", os.path.join(newel.GUEST, "busybox"),
               "--init", os.path.join(newel.TOP, "tools", "guest-init"), "--add", f"{LINUX_PROGRAM}:/bin/newel-detect", "-o", made]
    subprocess.run(command, check=True)
    return made


COMMAND = "newel-detect --json; echo status-$?-$((6*7))"


def ask_linux(machine):
    machine.shell(COMMAND)
    status = machine.expect(r"status-(\d)-42$", 60)[1]
    start = machine.text.rindex("newel-detect --json")
    return int(status), report(machine.text[start:])


def test_linux_bare(ramdisk):
    extra = ["-append", "console=ttyAMA0 quiet", "-M", "virtualization=off"]
    with newel.Machine(newel.qemu_command(image=os.path.join(newel.GUEST, "Image"), initrd=ramdisk, extra=extra)) as machine:
        machine.expect("newel-guest: timers", 120)
        machine.expect(newel.SHELL_PROMPT, 30)
        status, found = ask_linux(machine)
    assert (status, found["level"], found["verdict"]) == (0, 0, "absent")
    assert {"ctr_el0", "cntvct_el0", "fpcr"} <= states(found, "untrapped")
    assert {"mdccsr_el0", "vmware_call", "cntpct_el0"} <= states(found, "faults")


def test_linux_under_newel(boot, ramdisk):
    """With tools, EL0 has a call that comes to EL2; without, it may execute nothing that does."""
    disk = f'/incbin/("{ramdisk}")'
    plain, tools = linux("plain", ramdisk=disk), linux("tools", ramdisk=disk, guest_tools='"vmware"')
    machine = boot(manifest(plain, tools))
    machine.expect_all("^plain.*newel-guest: timers", "^tools.*newel-guest: timers", timeout=120)
    found = {}
    for name in ("plain", "tools"):
        machine.open_monitor()
        machine.focus(name)
        found[name] = ask_linux(machine)
    status, said = found["tools"]
    assert (status, said["verdict"], states(said, "trapped")) == (1, "present", {"vmware_call"})
    assert said["signs"]["device-tree"] == "vmware"
    status, said = found["plain"]
    assert (status, said["verdict"], states(said, "trapped")) == (0, "absent", set())
