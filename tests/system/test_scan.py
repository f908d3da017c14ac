# SPDX-License-Identifier: Apache-2.0
"""scan: what the CPU's own AT instruction finds of a running guest's mappings, against a recursion over the same tables, a
guest's own walk, and what a guest's kernel says of them."""
import collections
import os
import re
import struct
import time

import newel_machine as newel
import pytest
from manifests import STAY, linux, manifest, raw
from puppet import Puppet, text, vm

TEST_IMAGE = os.path.join(newel.BUILD, "test", "newel.img")
LONG = bool(os.environ.get("NEWEL_LONG"))
WFI, BACK = 0xD503207F, 0x17FFFFFF  # B to the one before
HAVE_16K = ("cortex-a76", "neoverse-n1", "neoverse-v1", "max")
MODELS = ("cortex-a57", "cortex-a72", *HAVE_16K)

RUN = re.compile(r"^0x([0-9a-f]+)\+0x([0-9a-f]+) -> 0x([0-9a-f]+)(?: @(none|0x[0-9a-f]+))? (\S{3})/(\S{3}) 0x([0-9a-f]+),(\d)$", re.M)
UNREADABLE = re.compile(r"^0x([0-9a-f]+)\+0x([0-9a-f]+) tables not readable$", re.M)
DONE = r"^scan: (\w+): (\w+); (\d+) runs of (\d+) leaves, (\d+) holes, by (\d+) AT\n"
PAGE = 0x1000
FIXMAPS = (range(0xFFFFFBFFFD000000, 0xFFFFFBFFFE000000), range(0xFFFFFFFFFF000000, 0xFFFFFFFFFF800000))  # 6.1, 6.12; 4 KiB pages


class Scan:
    """What a scan said: runs (VA, size, GPA, host's address, EL1's rights, EL0's, attributes, shareability), and unreadable
    ranges (VA, size)."""

    def __init__(self, machine, name, args="", timeout=120):
        start = machine.position
        machine.monitor(f"scan {name} {args}".strip())
        done = machine.expect(DONE, timeout)
        assert (done[1], done[2]) == (name, "done")
        said = machine.text[start : machine.position]
        self.runs = [(int(r[0], 16), int(r[1], 16), int(r[2], 16), r[3], r[4], r[5], int(r[6], 16), int(r[7])) for r in RUN.findall(said)]
        self.unreadable = [(int(va, 16), int(size, 16)) for va, size in UNREADABLE.findall(said)]
        self.leaves, self.holes, self.ats = (int(figure) for figure in done.groups()[3:])
        if "--host" not in args:
            assert len(self.runs) + len(self.unreadable) == int(done[3])

    def pages(self):
        return {va + at: ipa + at for va, size, ipa, *_ in self.runs for at in range(0, size, PAGE)}

    def digest(self):
        """As tests/guests/puppet/trees.c makes it."""
        rights = {"r": 1, "w": 2, "x": 4, "-": 0}
        runs = [(va, va + size - 1, ipa, sum(rights[c] for c in el1) | sum(rights[c] for c in el0) << 8 | attr << 16 | sh << 24)
                for va, size, ipa, _, el1, el0, attr, sh in self.runs]
        runs += [(va, va + size - 1) for va, size in self.unreadable]
        value = 0xCBF29CE484222325
        for run in sorted(runs):
            for word in run:
                value = (value ^ word) * 0x100000001B3 & 2**64 - 1
        return value


def scan(machine, args="", timeout=120):
    return Scan(machine, "linux", args, timeout)


def alive(machine):
    machine.focus("linux")
    machine.shell("echo still $((40 + 2))")
    machine.expect("^still 42$")


def booted(boot, cpus=1, **properties):
    machine = boot(manifest(linux(cpus=cpus, **properties), root=STAY), smp=cpus)
    machine.expect("newel-guest: timers", 60)
    return machine


# ---- Against a recursion, and against a guest's own


@pytest.mark.parametrize("cpu", MODELS)
def test_random_trees(boot, cpu):
    """1,000 trees over all models, each with both halves: all granules, sizes, blocks and tables that lead nowhere."""
    machine = boot(manifest(raw("halt", WFI, BACK), root=STAY), image=TEST_IMAGE, cpu=cpu, smp=1)
    machine.expect("^newel: halt: .*started$")
    machine.open_monitor()
    trees = 1000 if LONG else 170
    machine.send(f"scantest {MODELS.index(cpu)} {trees}\r")
    said = machine.expect(r"^scan: (\d+) trees, (\d+) of 4K, (\d+) of 16K, (\d+) of 64K, (\d+) of LPA2; (\d+) leaves, (\d+) unreadable", 180)
    done, by_4k, by_16k, by_64k, lpa2, leaves, unreadable = map(int, said.groups())
    assert machine.expect(r"^scan: (\d+) different\n").group(1) == "0", machine.tail()
    assert done == trees and by_4k > 30 and by_64k > 30 and leaves > trees and unreadable > 4
    assert (by_16k > 30) == (cpu in HAVE_16K) and (lpa2 > 30) == (cpu == "max")


@pytest.mark.parametrize("cpu", ["cortex-a72", "neoverse-n1"])
def test_a_guests_own_walk(boot, cpu):
    """Trees that a guest makes and walks, with each granule: in its upper half, and in the lower by a TTBR that is nobody's."""
    puppet = Puppet(boot(text(vm()), cpu=cpu, smp=1))
    shapes = [(12, 39, 0), (12, 48, 1), (12, 33, 1), (16, 42, 1), (16, 48, 1)] + [(14, 36, 1), (14, 47, 1)] * (cpu in HAVE_16K)
    later = [(16, 42, 0)] + [(14, 36, 0)] * (cpu in HAVE_16K)
    trees = 504 if LONG else 14
    order = [shapes[n % len(shapes)] for n in range(trees)] + [shape for shape in later for _ in range(trees // len(shapes))]
    mapped, low = 0, 12
    for seed, (page_bits, input_bits, high) in enumerate(order):
        if not high and page_bits != low:
            low = page_bits
            assert puppet.do("G", page_bits) == input_bits
        root = puppet.do("T", seed, page_bits | input_bits << 8 | high << 16)
        own = puppet.do("V")
        puppet.machine.open_monitor()
        found = Scan(puppet.machine, "puppet", "--kernel" if high else f"--ttbr {root:#x}")
        puppet.machine.send(newel.MONITOR_KEY)
        assert found.digest() == own, (seed, page_bits, input_bits, high)
        mapped += len(found.runs)
    assert mapped > 20


def test_registers_stay_and_tables_change(boot):
    """While scans go on, of its tables and of others: none of a guest's registers changes under it, and another CPU of it that
    changes the tables at random stops neither Newel nor the scan."""
    puppet = Puppet(boot(text(vm(cpus=2)), smp=2))
    root = puppet.do("T", 3, 12 | 39 << 8)
    puppet.do("T", 3, 12 | 40 << 8 | 1 << 16)
    for order, least in (("K", 0), ("M", 1000)):
        puppet.send(order, 4000)
        start = puppet.machine.position
        puppet.machine.open_monitor()
        for args in ("--kernel", f"--ttbr {root:#x}", f"--kernel --ttbr {root:#x} --host"):
            Scan(puppet.machine, "puppet", args)
        puppet.machine.send(newel.MONITOR_KEY)
        puppet.machine.position = start  # it may have come meanwhile
        answer = puppet.answer()
        assert answer == 0 if least == 0 else answer >= least
        puppet.synchronize()


def test_hostile_tables(boot):
    puppet = Puppet(boot(text(vm()), smp=1))
    root = puppet.do("T", 1, 12 | 48 << 8 | 1 << 16)
    tables = 0x40900000  # unused so far
    machine = puppet.machine
    # A table that is its own entry everywhere maps for ever; the scan can be stopped, and the rest of Newel goes on.
    for i in range(0, 16):
        puppet.store(root + 8 * i, root | 0x703)
    machine.open_monitor()
    machine.monitor("scan puppet --kernel")
    assert "a scan of puppet goes on" in machine.monitor("scan puppet")
    machine.monitor("scan puppet --stop")
    assert machine.expect(DONE)[2] == "stopped"
    machine.expect(r"^scan: the rest is 0xffff")
    machine.send(newel.MONITOR_KEY)
    # Tables among devices, in a hole, and beyond all that stage 2 has; a leaf whose output is no memory.
    for i in range(0, 512):
        puppet.store(tables + 8 * i, 0)
    for i, entry in enumerate((0x08000003, 0x0C000003, 0x3F_0000_0003, 0x3F_C000_0701)):
        puppet.store(tables + 8 * i, entry)
    machine.open_monitor()
    found = Scan(machine, "puppet", f"--kernel --ttbr {tables:#x} --host")
    half = -(2**48) & 2**64 - 1
    assert found.unreadable == [(half, 3 << 39)] and not found.runs
    machine.send(newel.MONITOR_KEY)
    puppet.store(tables + 8, tables | 3)
    puppet.store(tables + 24, 0x3F_C000_0701)
    machine.open_monitor()
    found = Scan(machine, "puppet", f"--kernel --ttbr {tables:#x} --host")
    assert (half + (1 << 39) + (3 << 30), 1 << 30, 0x3F_C000_0000, "none") in [run[:4] for run in found.runs]
    for ttbr, why in (("0x8000000", "no table"), ("0x41000000", "no table"), ("0x40900008", "no table"), ("0", "takes a TTBR0_EL1"), ("", "takes")):
        assert why in machine.monitor(f"scan puppet --ttbr {ttbr}".strip())


def test_mmu_off(boot):
    """The flat map, and where it is in the machine."""
    puppet = Puppet(boot(text(vm()), smp=1))
    puppet.do("o")
    puppet.machine.open_monitor()
    flat = Scan(puppet.machine, "puppet")
    assert [run[:3] for run in flat.runs] == [(0, 1 << 44, 0)] and flat.ats == 0
    ram = int(re.search(r"host ram +(0x\w+)", puppet.machine.monitor("vm info puppet"))[1], 16)
    parts = Scan(puppet.machine, "puppet", "--host").runs
    assert (0x40000000, 16 << 20, 0x40000000, f"{ram:#x}") in [run[:4] for run in parts]
    assert sum(run[1] for run in parts) == 1 << 44


# ---- Against what Linux says


def ask(machine, command):
    """What a command for the guest's shell, which has the focus, says."""
    start = machine.position
    machine.shell(f"{command}; echo end-of-$((6 * 7))")
    end = machine.expect("^end-of-42\n", 60).start()
    return machine.text[start:end]


def kernel_text(machine):
    """Where the guest's kernel has its code: the first and last virtual address, and the physical one of the first. What
    /proc/iomem calls code begins at _stext for Linux 6.1, and for 6.12 at _text, which is aligned to 2 MiB."""
    machine.focus("linux")
    said = ask(machine, "grep -E ' (_text|_stext|_etext)$' /proc/kallsyms; grep 'Kernel code' /proc/iomem")
    symbols = {name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]{16}) \w (\w+)$", said, re.M)}
    code, first = int(re.search(r"^ +([0-9a-f]+)-[0-9a-f]+ : Kernel code$", said, re.M)[1], 16), symbols["_stext"]
    return first, symbols["_etext"], code if code % (2 << 20) else code + first - symbols["_text"]


def words(machine, command):
    """The 64-bit words that a command of the guest's prints by od."""
    return [int(word, 16) for word in re.findall(r"\b[0-9a-f]{16}\b", ask(machine, f"{command} | od -A n -t x8 -v"))]


def kcore_ranges(machine):
    """What the kernel says it maps, by the program headers of /proc/kcore."""
    raw_bytes = struct.pack("<512Q", *words(machine, "dd if=/proc/kcore bs=4096 count=1 2>/dev/null"))
    offset, count = struct.unpack_from("<Q", raw_bytes, 32)[0], struct.unpack_from("<H", raw_bytes, 56)[0]
    headers = [struct.unpack_from("<IIQQQQQQ", raw_bytes, offset + 56 * n) for n in range(count)]
    return [(va, size, pa) for kind, _, _, va, pa, size, *_ in headers if kind == 1]


def pause_in_kernel(machine, first, end):
    """Leaves the guest paused with vCPU 0 in its kernel's own code. Elsewhere the tables in force may have little of the kernel:
    Linux, with KPTI, hides it from programs, and its way in and out is at another address."""
    for _ in range(200):
        machine.monitor("vm pause linux")
        pc = re.search(r" pc +([0-9a-f]{16}) ", machine.monitor("vcpu regs linux 0"))[1]
        if first <= int(pc, 16) < end:
            return
        machine.monitor("vm resume linux")
    raise AssertionError("it is never in its kernel")


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_running_kernel(boot, cpus):
    machine = booted(boot, cpus)
    machine.open_monitor()
    first, end, physical = kernel_text(machine)
    told = kcore_ranges(machine)
    machine.open_monitor()
    pause_in_kernel(machine, first, end)
    found = scan(machine, "--kernel")
    machine.monitor("vm resume linux")
    runs = found.runs
    # In ascending order, without overlap, and all in the upper half.
    assert all(a[0] + a[1] <= b[0] for a, b in zip(runs, runs[1:])) and runs[0][0] >> 55 == 0x1FF
    # The kernel's text, executable by EL1 alone and not writable, at its place in memory.
    code = [run for run in runs if run[0] < end and first < run[0] + run[1] and "x" in run[4]]
    at = first
    for va, size, ipa, _, el1, el0, attributes, _ in code:
        assert va <= at and ipa - va == physical - first, code
        assert (el1, el0, attributes) == ("r-x", "---", 0xFF)
        at = va + size
    assert at >= end
    assert found.ats <= 2 * (found.leaves + found.holes), (found.leaves, found.holes, found.ats)
    # All RAM that the kernel says it has mapped, where it says; the rest of what is memory within what it says.
    pages = found.pages()
    ram = [(va, size, pa) for va, size, pa in told if pa != 0 and pa != 2**64 - 1]
    assert sum(size for _, size, _ in ram) > 200 << 20
    for va, size, pa in ram:
        gone = [None] if va <= first < va + size else []  # of its image, what it needed to start
        assert all(pages.get(va + at) in [pa + at, *gone] for at in range(0, size, PAGE)), hex(va)
    outside = [va for va, pa in pages.items() if pa >= 0x40000000 and not any(start <= va < start + size for start, size, _ in told)]
    assert all(any(va in fixmap for fixmap in FIXMAPS) for va in outside), [hex(va) for va in outside[:20]]  # the device tree
    # A range, and again: the same.
    pause_in_kernel(machine, first, end)
    again = scan(machine, f"{first & ~0xFFF:#x}+0x1000").runs
    machine.monitor("vm resume linux")
    assert len(again) == 1 and again[0][2] == physical - (first & 0xFFF)
    alive(machine)


def running_ttbr(machine):
    """TTBR0_EL1 of the program that the one vCPU runs most: as of moments at which it is at EL0, where the shell is at times."""
    machine.open_monitor()
    seen = collections.Counter()
    for _ in range(300):
        machine.monitor("vm pause linux")
        said = machine.monitor("vcpu regs linux 0")
        machine.monitor("vm resume linux")
        if re.search(r"pstate \w+0\n", said):
            seen[re.search(r"ttbr0_el1 +(\w+)", said)[1]] += 1
            ttbr, times = seen.most_common(1)[0]
            if times == 5:
                return ttbr
        time.sleep(0.02)  # for the guest to come further than its timer's handler
    raise AssertionError("the program never runs")


def test_a_process_that_does_not_run(boot):
    """By its TTBR0_EL1, taken down while it ran: all pages that the kernel says it has, and no others."""
    machine = booted(boot)
    machine.send("while :; do :; done &\r")
    machine.shell("echo pid=$!.")
    pid = machine.expect(r"^pid=(\d+)\.")[1]
    ttbr = running_ttbr(machine)
    machine.focus("linux")
    maps = ask(machine, f"kill -STOP {pid}; cat /proc/{pid}/maps")
    told = {}
    for first, last in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ", maps, re.M):
        first, last = int(first, 16), int(last, 16)
        entries = words(machine, f"dd if=/proc/{pid}/pagemap bs=8 skip={first >> 12} count={last - first >> 12} 2>/dev/null")
        assert len(entries) == last - first >> 12
        told.update({first + PAGE * n: (entry & 2**55 - 1) << 12 for n, entry in enumerate(entries) if entry >> 63})
    machine.open_monitor()
    assert len(told) > 100
    assert scan(machine, f"--ttbr 0x{ttbr}").pages() == told
    # Whoever runs now has other tables.
    assert scan(machine, "--user").pages() != told
    alive(machine)


def test_a_paused_vm_and_refusals(boot):
    machine = booted(boot)
    machine.open_monitor()
    machine.monitor("vm pause linux")
    user = scan(machine, "--user").runs
    assert all(run[0] >> 55 == 0 for run in user)
    kernel = scan(machine, "--kernel").runs
    assert scan(machine).runs == user + kernel
    assert "is an empty range" in machine.monitor("scan linux --user --kernel")
    assert "it is START+SIZE" in machine.monitor("scan linux 0x1000")
    assert "it is START+SIZE" in machine.monitor("scan linux --users")
    machine.monitor("vm resume linux")
    alive(machine)
