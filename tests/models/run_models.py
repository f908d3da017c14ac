#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Explores every state of the models by spin: each as it should be, and with each fault, which has to be found.

usage: run_models.py

Prints a line a run; the status is 0 if all came out as they should. Without spin it says so and does nothing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "park.pml")
WAITS = ("WFI_SGI", "WFE_SEV", "WFE_SGI")
# Each fault in a way of waiting where it shows, and as what.
FAULTS = (
    ("ID_FIRST", "WFI_SGI", "assertion violated"),
    ("NO_BARRIER", "WFI_SGI", "assertion violated"),
    ("READ_UNORDERED", "WFE_SEV", "assertion violated"),
    ("CALL_FIRST", "WFI_SGI", "invalid end state"),
    ("LATE_ACK", "WFI_SGI", "invalid end state"),
    ("WRONG_WAIT", "WFI_SGI", "invalid end state"),
    ("NO_STREAM", "WFE_SGI", "invalid end state"),
    ("NO_CLEAN", "WFE_SEV", "invalid end state"),
)


def explore(wait, fault):
    """What spin found: "" for nothing, else the first error."""
    with tempfile.TemporaryDirectory() as folder:
        defines = [f"-DWAIT=WAIT_{wait}", f"-DFAULT=FAULT_{fault}"]
        subprocess.run(["spin", *defines, "-a", MODEL], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cc", "-w", "-DSAFETY", "-o", "pan", "pan.c"], cwd=folder, check=True)
        output = subprocess.run(["./pan", "-w18"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"assertion violated|invalid end state", output.split("Full statespace")[0])
    if not re.search(f"errors: {1 if found else 0}$", output, re.M) or ("unreached" in output) == bool(found):
        raise RuntimeError(output)
    return found[0] if found else ""


def main():
    if not shutil.which("spin"):
        print("models: not done: spin is not installed")
        return 0
    runs = [(wait, "NONE", "") for wait in WAITS] + [(wait, fault, error) for fault, wait, error in FAULTS]
    failed = 0
    for wait, fault, wanted in runs:
        found = explore(wait, fault)
        failed += found != wanted
        verdict = "PASS" if found == wanted else f"FAIL {found or 'no error'}, not {wanted or 'none'}"
        print(f"TEST park.{wait.lower()}.{fault.lower()} ... {verdict}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
