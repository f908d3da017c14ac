# SPDX-License-Identifier: Apache-2.0
"""A broken Newel says where it broke and resets the machine. build/test/newel.img has a monitor that breaks it (tests/el2)."""
import os
import re
import subprocess

import newel_machine as newel
import pytest
from manifests import LONG, STAY, linux, manifest, raw

IMAGE = os.path.join(newel.BUILD, "test", "newel.img")
SPIN = 0x14000000  # B .

# How it is broken; what is said of it; the function that did it.
BREAKS = {
    "check": (r"tests/el2/cmd_test\.c:\d+: check failed: vm_count == 0$", "fail_a_check"),
    "read": (r"synchronous exception at EL2\nnewel:   ESR 0x96\w+ \(class 0x25\) FAR 0x10000000000\b", "read_no_memory"),
    "write": (r"synchronous exception at EL2\nnewel:   ESR 0x9600004f \(class 0x25\)", "write_code"),
    "exec": (r"synchronous exception at EL2\nnewel:   ESR 0x8600000f \(class 0x21\)", "run_line"),
    "stack": (r"synchronous exception at EL2\nnewel:   ESR 0x96\w+ \(class 0x25\)", "overflow_stack"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_panic(boot, how):
    said, function = BREAKS[how]
    machine = boot(manifest(raw("spin", SPIN, cpus=2), root=STAY), image=IMAGE)
    machine.expect("^newel: spin: .*started$")
    machine.open_monitor()
    machine.send(f"break {how}\r")
    machine.expect(rf"^newel: panic on CPU \d+: {said}")
    machine.expect(rf"^newel:   (at  |from) 0x\w+  {function}\+0x")
    machine.expect(r"^newel:   from 0x\w+  run_line\+0x" if function != "run_line" else "newel: ")
    assert machine.expect_end(30) == newel.PANICKED


def test_fault_in_a_panic(boot):
    machine = boot(manifest(raw("spin", SPIN, cpus=2), root=STAY), image=IMAGE)
    machine.expect("^newel: spin: .*started$")
    machine.open_monitor()
    machine.send("break twice\r")
    machine.expect("^newel: another fault during this panic$")
    assert machine.expect_end(30) == newel.PANICKED
    assert machine.text.count("panic") == 1 and "newel:   at" not in machine.text


def test_the_image_for_users_has_no_such_command(boot):
    machine = boot(manifest(raw("spin", SPIN), root=STAY))
    machine.expect("^newel: spin: .*started$")
    machine.open_monitor()
    assert "break: no such command" in machine.monitor("break check")


@pytest.mark.parametrize("root,status", [("", 3), ('compatible = "newel,manifest-1";', 0)])
def test_status_of_tools_run(tmp_path, root, status):
    """0 if Newel powered the machine off, 3 if it reset it."""
    path = tmp_path / "manifest.dts"
    path.write_text(manifest(linux(bootargs="newel.poweroff"), root=root))
    command = [os.path.join(newel.TOP, "tools", "run"), "--timeout", str(120 * newel.PATIENCE), str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == status, done.stdout.decode(errors="replace")


# Each function, firmware_run()'s result (2: it faulted), the exception's class and where it was.
CONTEXT = """guard: 0
registers: 0, 0 turns left
masked: 0, 0
hang: 20 turns
read: 2, class 0x25, there
write: 2, class 0x25, there
jump: 2, class 0x21, there
overflow: 2, class 0x25, guard
undefined: 2, class 0x00, elsewhere
firmware: done""".splitlines()


@pytest.mark.parametrize("gic", (3, pytest.param(2, marks=LONG)))
def test_what_firmware_runs_in(boot, gic):
    """A broken firmware is none of Newel's faults, and one that does not return takes nobody's time but its CPU's."""
    machine = boot(manifest(raw("spin", SPIN, cpus=2), root=STAY), image=IMAGE, gic=gic)
    machine.expect("^newel: spin: .*started$")
    machine.open_monitor()
    for _ in range(2):
        machine.send("firmware\r")
        machine.expect("^firmware: done$", 20)
    said = machine.text[: machine.position].splitlines()
    at = said.index("guard: 0")
    assert [line for line in said[at:] if re.match(r"\w+: ", line)][: len(CONTEXT)] == CONTEXT
    assert "running" in machine.monitor("vm list")
