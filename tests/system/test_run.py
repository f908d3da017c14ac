# SPDX-License-Identifier: Apache-2.0
"""Options of tools/run that no machine can have: one line, status 2, and QEMU is not started."""
import os
import subprocess

import newel_machine as newel
import pytest

RUN = os.path.join(newel.TOP, "tools", "run")
MANIFEST = os.path.join(newel.TOP, "examples", "two-linux.dts")
REFUSED = {
    "--smp 0": "--smp: 0 is too small",
    "--mem -1": "--mem: -1 is too small",
    "--timeout 0": "--timeout: 0 is too small",
    "--acpi off": "--acpi: it is UEFI firmware that describes the machine so (--firmware uefi)",
    "--nvram /nowhere/flash": "/nowhere/flash: No such file or directory",
    **{f"--machine raspi4b {option}": f"{option.split()[0]} is for virt: raspi4b is as QEMU has it"
       for option in ("--cpu max", "--smp 4", "--mem 1024", "--gic 2", "--firmware uefi", "--nvram /tmp/flash")},
}


@pytest.mark.parametrize("options", REFUSED)
def test_refused(options):
    done = subprocess.run([RUN, *options.split(), MANIFEST], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"run: {REFUSED[options]}\n")
