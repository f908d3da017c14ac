# SPDX-License-Identifier: Apache-2.0
"""Cache maintenance: Newel and its guests on a model of caches that are not coherent (tools/plugin/newel-cache.c)."""
import os
import re
import subprocess

import newel_machine as newel
import pytest
from conftest import LOGS
from manifests import STAY, linux, manifest, node, raw

IMAGE_AT = 0x40200000  # where QEMU puts Newel
CHECKER = os.path.join(newel.BUILD, "plugin", "newel-cache.so")
GUESTS = os.path.join(newel.TOP, "tests", "guests")
CYCLES = 50
PAGES = {"populate": '"lazy"', "populate_granule": '"4k"'}


@pytest.fixture
def checked(boot, request):
    """checked(MANIFEST, **machine): as boot(), and the checker's report, to be read when the machine has ended."""
    report = os.path.join(LOGS, re.sub(r"\W+", "-", request.node.name).strip("-") + ".cache")

    symbols = subprocess.run(["llvm-nm", "-S", os.path.join(newel.BUILD, "newel.elf")], stdout=subprocess.PIPE, text=True, check=True).stdout
    offset, size = re.search(r"^([0-9a-f]+) ([0-9a-f]+) \w park_pages$", symbols, re.M).groups()
    polled = f"polled={IMAGE_AT + int(offset, 16):#x}+0x{size}"  # parked CPUs look at their mailboxes all the time

    def start(text, **machine):
        return boot(text, plugins=[f"{CHECKER},out={report},{polled}"], **machine), report

    return start


def read(report):
    """The report's lines but for the last, and the last's figures."""
    with open(report, encoding="utf-8") as handle:
        *lines, total = handle.read().splitlines()
    words = total.split()
    assert words[0] == "total"
    return lines, {key: int(value) for key, value in zip(words[1::2], words[2::2])}


def assert_coherent(report):
    """The figures of a run in which nothing was found and nothing was left undecided."""
    lines, total = read(report)
    assert (lines, total["reports"]) == ([], 0)
    assert total["unresolved"] == total["misresolved"] == total["stores-lost"] == 0
    assert total["fetches"] > 10000
    return total


def selfmod(name, bootargs="", **properties):
    path = os.path.join(newel.BUILD, "guests", "selfmod.bin")
    chosen = {"memory-mib": "<32>", "cpus": "<2>", "kernel": f'/incbin/("{path}")'}
    chosen.update({key.replace("_", "-"): value for key, value in properties.items()})
    return node(name, {**chosen, "bootargs": f'"newel suite={name} {bootargs}"'})


def adder(name, seed):
    """A VM whose code is a function of the seed, all of it executed; it turns itself off."""
    code = [0x91000400 | (seed * 37 + i) % 4096 << 10 for i in range(256)]  # add x0, x0, #n
    return raw(name, *code, 0xD2800100, 0xF2B08000, 0xD4000002, autostart='"no"')  # SYSTEM_OFF


def test_guests_that_modify_themselves(checked):
    """And code that Newel writes, of whose maintenance the guest need not know."""
    image = os.path.join(newel.BUILD, "test", "newel.img")
    machine, report = checked(os.path.join(GUESTS, "selfmod.dts"), image=image)
    machine.expect_all(*(rf"RESULT \d passed, 0 failed \({name}\)" for name in ("selfmod", "selfmod-pages")), timeout=60)
    assert machine.expect_end(30) == newel.POWERED_OFF
    total = assert_coherent(report)
    assert total["lines-invalidated"] > 500
    assert total["grants"] > 500  # page by page, and each in order
    assert total["replaced"] > 500


def test_missing_maintenance_of_a_guest(checked):
    """What is found, where it shows, who wrote it."""
    machine, report = checked(manifest(selfmod("careless", "only=own_code"), selfmod("bad", "careless", cpus="<1>")))
    assert machine.expect_end(60) == newel.POWERED_OFF
    lines, total = read(report)
    assert (total["reports"], len(lines)) == (1, 1)
    match = re.fullmatch(
        r"stale fetch, not cleaned at va 0x40a03000 pa 0x\w+ by cpu \d el1, "
        r"written at va (0x400\w+) pa 0x\w+ by cpu \d el1",
        lines[0],
    )
    assert match, lines[0]


def test_cpu_whose_caches_are_coherent(checked):
    """CTR_EL0.IDC and DIC: the same guest is right."""
    machine, report = checked(manifest(selfmod("bad", "careless")), cpu="max")
    assert machine.expect_end(60) == newel.POWERED_OFF
    assert_coherent(report)


FAULTS = {
    1: r"stale fetch, not cleaned at .* written at .* el1",  # the guest's, which Newel has to clean
    2: r"stale fetch, not invalidated at .* written at .* el2",
    3: r"early grant of execution at .* el2, written at .* el2",
    4: r"stale fetch, not clean to the point of coherency at .* written at .* el2",
}


@pytest.mark.parametrize("mutation", FAULTS)
def test_mutation_is_found(checked, mutation):
    image = os.path.join(newel.BUILD, f"mutation-{mutation}", "newel.img")
    machine, report = checked(manifest(selfmod("pages", "fresh", **PAGES)), image=image)
    assert machine.expect_end(60) == newel.POWERED_OFF
    lines, total = read(report)
    assert total["reports"] > 0
    assert all(re.fullmatch(FAULTS[mutation], line) for line in lines if mutation in (1, 3)), lines[:3]
    assert any(re.fullmatch(FAULTS[mutation], line) for line in lines), lines[:3]


def test_pages_that_other_vms_had(checked):
    """Machine pages come back with other code, in VMs populated in each way."""
    vms = [adder("one", 1), adder("two", 2), selfmod("three", "fresh", cpus="<1>", autostart='"no"', **PAGES)]
    vms.append(selfmod("four", "fresh", cpus="<1>", autostart='"no"', populate='"lazy"'))
    machine, report = checked(manifest(*vms, root=STAY), mem=256)
    machine.position = machine.expect(r"opens the monitor\n(newel> )\Z", 30).start(1)
    for cycle in range(CYCLES):
        name = ("one", "two", "three", "two", "one", "four")[cycle % 6]
        machine.monitor(f"vm start {name}")
        machine.expect(f"^newel: {name}: off$", 60)
        machine.monitor(f"vm destroy {name}")
        machine.expect(f"^newel: {name}: destroyed$")
    machine.send("poweroff\r")
    assert machine.expect_end(30) == newel.POWERED_OFF
    assert assert_coherent(report)["replaced"] > CYCLES * 256


def collapsed(machine, name):
    return int(re.search(r"^ *space\.collapsed +(\d+)", machine.monitor(f"vm stat {name}"), re.M)[1])


# A virtually indexed instruction cache; CTR_EL0.IDC and DIC with FWB.
FURTHER = ("cortex-a53", "neoverse-n2") if "NEWEL_LONG" in os.environ else ()


@pytest.mark.parametrize("cpu", ("cortex-a72", *FURTHER))
def test_linux(checked, cpu):
    """Two boots, one of them with pages that move into blocks while it runs; one reboots."""
    machine, report = checked(manifest(linux("whole"), linux("pages", cpus=2, **PAGES)), cpu=cpu)
    machine.expect_all(*(f"^{name}.*newel-guest: timers" for name in ("whole", "pages")), timeout=120)
    machine.open_monitor()
    assert collapsed(machine, "pages") > 10
    machine.focus("whole")
    machine.shell("reboot -f")
    machine.expect("^whole.*newel-guest: timers", 120)
    machine.shell("poweroff -f")
    machine.expect("^newel: whole: off$", 60)
    machine.open_monitor()
    machine.focus("pages")
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF
    assert_coherent(report)
