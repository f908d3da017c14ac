# SPDX-License-Identifier: Apache-2.0
"""dump, and tools/dump: a core file of a running guest, which gdb opens and whose contents are what the guest itself reads."""
import hashlib
import os
import re
import struct
import subprocess

import newel_machine as newel
import pytest
from manifests import STAY, linux, manifest
from test_scan import ask, words

TOOL = os.path.join(newel.TOP, "tools", "dump")
READY = r"^dump: linux: (\d+) ranges(.*): tools/dump CONTROL FILE (\S+) (\S+)\n"
SYMBOLS = ("_stext", "_etext", "cpu_do_idle", "arch_cpu_idle", "default_idle_call", "do_idle", "cpu_startup_entry", "rest_init")


class Core:
    """A core file: its program headers, and memory by guest-virtual address."""

    def __init__(self, path):
        self.file = open(path, "rb")
        head = self.file.read(64)
        assert head[:6] == b"\x7fELF\x02\x01" and struct.unpack_from("<HH", head, 16) == (4, 183)
        offset, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
        self.file.seek(offset)
        table = self.file.read(56 * count)
        # type, flags, offset, virtual and physical address, size
        self.headers = [struct.unpack_from("<IIQQQQ", table, 56 * n) for n in range(count)]
        self.loads = [header for header in self.headers if header[0] == 1]

    def read(self, at, size):
        for _, _, offset, va, _, length in self.loads:
            if va <= at < va + length:
                self.file.seek(offset + at - va)
                part = self.file.read(min(size, va + length - at))
                return part + (self.read(at + len(part), size - len(part)) if len(part) < size else b"")
        raise KeyError(hex(at))

    def notes(self):
        _, _, offset, _, _, size = next(header for header in self.headers if header[0] == 4)
        self.file.seek(offset)
        data, at, found = self.file.read(size), 0, []
        while at < size:
            name_size, desc_size, kind = struct.unpack_from("<III", data, at)
            desc = at + 12 + (name_size + 3 & ~3)
            found.append((data[at + 12 : at + 12 + name_size - 1].decode(), kind, data[desc : desc + desc_size]))
            at = desc + (desc_size + 3 & ~3)
        return found


def start(boot, tmp_path, cpus=2, **properties):
    control = str(tmp_path / "control")
    machine = boot(manifest(linux(cpus=cpus, **properties), root=STAY), smp=cpus, mem=1024, extra=["-qmp", f"unix:{control},server=on,wait=off"])
    machine.expect("newel-guest: timers", 60)
    return machine, control


def symbols_of(machine):
    """What the guest's kernel says of its own symbols, and its version."""
    machine.open_monitor()
    machine.focus("linux")
    said = ask(machine, "grep -E ' (%s)$' /proc/kallsyms; cat /proc/version" % "|".join(SYMBOLS))
    return {name: int(at, 16) for at, name in re.findall(r"^([0-9a-f]{16}) \w (\w+)$", said, re.M)}, re.search(r"^Linux version .*$", said, re.M)[0]


def banner(core, symbols, version):
    """Where the kernel has its version, in its read-only data; its symbol is not shown to anyone."""
    start_of = symbols["_etext"] + 0xFFFF & ~0xFFFF
    at = core.read(start_of, 4 << 20).find(version.encode())
    assert at >= 0
    return start_of + at


def dump(machine, control, path):
    machine.monitor("dump linux")
    ready = machine.expect(READY, 120)
    machine.expect("^dump: linux: paused until")
    done = subprocess.run([TOOL, control, path, ready[3], ready[4]], stdout=subprocess.PIPE, text=True, check=True)
    return ready, done.stdout


def dump_when(machine, control, path, wanted):
    """The first dump at which a vCPU's PC and PSTATE are what is wanted; a guest does many things."""
    for _ in range(20):
        said = dump(machine, control, path)
        notes = [desc for name, _, desc in Core(path).notes() if name == "CORE"]
        if any(wanted(*struct.unpack_from("<QQ", desc, 112 + 8 * 32)) for desc in notes):
            return said
        machine.monitor("dump linux --end")
        machine.expect("^dump: linux: ended$")
    raise AssertionError("no vCPU ever is where it is wanted")


def gdb(core, symbols, tmp_path, *commands):
    """What gdb says, with an object that has nothing but symbols at these addresses."""
    source, stub, path = (str(tmp_path / name) for name in ("stub.s", "stub.o", "symbols.elf"))
    functions = {name: at for name, at in symbols.items() if symbols["_stext"] <= at < symbols["_etext"]}
    with open(source, "w", encoding="utf-8") as out:
        out.write(f'.section .code,"ax",%nobits\nbase: .space {symbols["_etext"] - symbols["_stext"]}\n')
        for name, at in functions.items():
            out.write(f".globl {name}\n.type {name}, %function\n.set {name}, base + {at - symbols['_stext']:#x}\n")
        out.write(f".globl linux_banner\n.set linux_banner, {symbols['linux_banner']:#x}\n")
    subprocess.run(["clang", "--target=aarch64-none-elf", "-c", "-o", stub, source], check=True)
    subprocess.run(["ld.lld", "-o", path, f"--section-start=.code={symbols['_stext']:#x}", "-e", "0", stub], check=True)
    words = ["gdb-multiarch", "-nx", "-batch", "-ex", "set print frame-arguments none", "-c", core, "-ex", f"symbol-file {path}"]
    for command in commands:
        words += ["-ex", command]
    patience = 240 * newel.PATIENCE
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=patience).stdout


@pytest.mark.parametrize("populate", ["eager", "lazy"])
def test_a_core_file(boot, tmp_path, populate):
    machine, control = start(boot, tmp_path, populate=f'"{populate}"')
    symbols, version = symbols_of(machine)
    rodata, size = symbols["_etext"] + 0xFFFF & ~0xFFFF, 1 << 20
    head = struct.pack("<128Q", *words(machine, "dd if=/proc/kcore bs=1024 count=1 2>/dev/null"))
    offset, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
    told = [struct.unpack_from("<IIQQQQ", head, offset + 56 * n) for n in range(min(count, (1024 - offset) // 56))]
    at = next(file + rodata - va for kind, _, file, va, _, length in told if kind == 1 and va <= rodata < va + length)
    summed = ask(machine, f"dd if=/proc/kcore bs=4096 skip={at >> 12} count={size >> 12} 2>/dev/null | md5sum")
    own = re.search(r"^([0-9a-f]{32})  -$", summed, re.M)[1]

    machine.open_monitor()
    path = str(tmp_path / "linux.core")
    idle = range(symbols["cpu_do_idle"], symbols["arch_cpu_idle"])
    ready, said = dump_when(machine, control, path, lambda pc, _: pc in idle)
    assert "VMCOREINFO" in ready[2] and re.search(r"^dump: gdb -c .*symbol-file VMLINUX -o 0x[0-9a-f]+", said, re.M)
    core = Core(path)
    # Against the guest's own view of its memory.
    assert hashlib.md5(core.read(rodata, size)).hexdigest() == own
    symbols["linux_banner"] = banner(core, symbols, version)
    # Its program headers are its ranges: as scan tells them, where they are RAM.
    assert int(ready[1]) == len(core.loads)
    names = [(name, kind) for name, kind, _ in core.notes()]
    assert names == [("CORE", 1), ("CORE", 1), ("VMCOREINFO", 0)]
    assert f"SYMBOL(_stext)={symbols['_stext']:x}\n" in core.notes()[2][2].decode()
    listed = subprocess.run(["readelf", "-hlW", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
    assert "CORE (Core file)" in listed and "Warning" not in listed and listed.count(" LOAD ") == len(core.loads)
    # The file is no larger than the guest's memory and its headers; what a lazy one has not touched is no part of it.
    blocks = os.stat(path).st_blocks * 512
    assert os.path.getsize(path) <= (256 << 20) + (1 << 20) and blocks < 256 << 20
    # gdb finds the idle task, and the kernel's own words.
    told = gdb(path, symbols, tmp_path, "x/s &linux_banner", "info threads", "thread apply all bt 4")
    assert version in told, told
    assert len(re.findall(r"LWP [12]\b", told)) >= 2, told
    assert re.search(r"#0 .*cpu_do_idle.*\n#1 .*arch_cpu_idle.*\n#2 .*default_idle_call", told), told

    assert "there is a dump of linux" in machine.monitor("dump linux")
    machine.monitor("dump linux --end")
    machine.expect("^dump: linux: ended$")
    assert "there is no dump" in machine.monitor("dump linux --end")
    assert "it is --end" in machine.monitor("dump linux --stop")
    machine.focus("linux")
    machine.shell("echo still $((40 + 2))")
    machine.expect("^still 42$")


def test_a_program_is_running(boot, tmp_path):
    """The kernel's half is in the file although the tables in force, while a program runs, hide it."""
    machine, control = start(boot, tmp_path, cpus=1)
    symbols, version = symbols_of(machine)
    machine.shell("while :; do :; done")
    machine.open_monitor()
    path = str(tmp_path / "linux.core")
    dump_when(machine, control, path, lambda _, pstate: pstate & 0xF == 0)
    core = Core(path)
    assert banner(core, symbols, version)
    # And the program's own code, at its PC.
    pc = struct.unpack_from("<Q", core.notes()[0][2], 112 + 8 * 32)[0]
    assert pc >> 55 == 0 and len(core.read(pc & ~0xFFF, 0x1000)) == 0x1000


def test_a_vm_that_does_not_stand_still(boot, tmp_path):
    machine, control = start(boot, tmp_path, cpus=1)
    machine.open_monitor()
    before = machine.monitor("memory map")
    path = str(tmp_path / "linux.core")
    machine.monitor("dump linux")
    machine.monitor("dump linux --end")  # at once, whatever it has come to
    machine.expect("^dump: linux: ended$")
    machine.send("vm pause linux\r")
    machine.expect("^newel: linux: paused$")
    dump(machine, control, path)
    machine.monitor("dump linux --end")
    assert "paused" in machine.monitor("vm list")  # as it was before
    assert re.search("^newel.*", before, re.M)[0] == re.search("^newel.*", machine.monitor("memory map"), re.M)[0]
    machine.monitor("dump linux")
    machine.monitor("vm stop linux")
    machine.expect("^dump: linux: (it has stopped|[0-9]+ ranges)", 60)
    assert "linux is" in machine.monitor("dump linux") or "there is a dump" in machine.monitor("dump linux")


def test_the_tool_refuses(tmp_path):
    """Headers that are none; a control socket that is none; another way to read memory."""
    memory = tmp_path / "memory"
    memory.write_bytes(b"\0" * 8192)
    script = tmp_path / "read"
    script.write_text('#!/bin/sh\ndd if="$1" of="$4" bs=1 skip=$(($2)) count=$3 2>/dev/null\n')
    script.chmod(0o755)
    reader = f"{script} {memory} {{start}} {{size}} {{file}}"

    def run(*words):
        done = subprocess.run([TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    path = str(tmp_path / "core")
    assert run("/nowhere/control", path, "0x0+0x1000", "0x1000+0x1000") == (1, "dump: /nowhere/control: No such file or directory\n")
    status, said = run("--with", reader, path, "0x0+0x1000", "0x1000+0x1000")
    assert status == 1 and "no headers of a core file" in said
    status, said = run("--with", "false {file}", path, "0x0+0x1000", "0x1000+0x1000")
    assert status == 1 and said.startswith("dump: no 4096 bytes by: false")
    for command in ("reader {address} {file}", "reader { }", "reader '"):
        status, said = run("--with", command, path, "0x0+0x1000", "0x1000+0x1000")
        assert status == 1 and said.startswith("dump: a COMMAND has {start}, {size} and {file} in it")
    assert run("--with", reader, path, "0x0", "0x1000+0x1000")[0] == 2
    # One range of one page, by the same reader.
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 183, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 7, 0x1000, 0x4000, 0x40000000, 0x1000, 0x1000, 1)
    memory.write_bytes(head.ljust(0x1000, b"\0") + b"x" * 0x1000)
    status, said = run("--with", reader, path, "0x0+0x1000", "0x1000+0x1000")
    assert status == 0 and Core(path).read(0x4000, 0x1000) == b"x" * 0x1000
    # Headers that tell of more than there is.
    status, said = run("--with", reader, path, "0x0+0x1000", "0x1000+0x800")
    assert status == 1 and "more than the RAM" in said
