#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the bare-metal payloads as VMs under Newel and prints one line a test: "TEST suite.name ... PASS|FAIL|SKIP reason".

usage: run_guests.py [--all] [--bare] [--verbose] [NAME...]

A manifest NAME.dts says in its comments how it is run: "// run: OPTIONS" for each machine, "// also: OPTIONS" for those only with
--all or NEWEL_LONG, with the options of tools/run; but for the first machine's, tests are named suite.name@OPTIONS. "// only: long" keeps a
manifest for NEWEL_LONG (make check-long) and for when it is named; "// timeout: S" gives it time. A VM that ends without its RESULT line,
and a machine that does not end cleanly, is a failed test of its own. --bare runs the payloads on QEMU's virt without Newel.
The status is 0 if no test failed.
"""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RUN = os.path.join(TOP, "tools", "run")
QEMU = os.path.join(TOP, "build", "qemu", "qemu-system-aarch64")

TEST = re.compile(r"TEST (\S+) \.\.\. (PASS|FAIL|SKIP)\b ?(.*)")
RESULT = re.compile(r"RESULT (\d+) passed, (\d+) failed \((\S+)\)")
TIMEOUT = 90


def manifest(name):
    with open(os.path.join(HERE, name + ".dts"), encoding="utf-8") as source:
        return source.read()


def machines(text, everything):
    """(label, options) of each machine a manifest wants to run on."""
    first, *further = re.findall(r"^// run: (.*)$", text, re.M) or [""]
    yield "", first.split()
    if everything:
        further += re.findall(r"^// also: (.*)$", text, re.M)
    for options in further:
        label = "@" + "-".join(word.lstrip("-") for word in options.split())
        yield label, options.split()


def timeout_of(text):
    match = re.search(r"^// timeout: (\d+)$", text, re.M)
    return int(match[1]) if match else TIMEOUT


def run(command, seconds):
    """The status and the lines of a command; a command that hangs is ended."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return process.returncode, output.decode(errors="replace").replace("\r", "").splitlines()


def report(lines, label):
    """Prints the verdicts among a console's lines; the number of suites that finished and of tests that failed."""
    suites = failed = 0
    for line in lines:
        match = TEST.search(line)
        if match:
            print(f"TEST {match[1]}{label} ... {match[2]} {match[3]}".rstrip(), flush=True)
            failed += match[2] == "FAIL"
        suites += bool(RESULT.search(line))
    return suites, failed


def fail(name, label, why, lines):
    print(f"TEST {name}{label} ... FAIL {why}")
    print("\n".join("    " + line for line in lines[-30:]), flush=True)


def run_newel(name, text, label, options, verbose):
    seconds = timeout_of(text)
    source = os.path.join(HERE, name + ".dts")
    status, lines = run([RUN, "--timeout", str(seconds), *options, source], seconds + 60)
    if verbose:
        print("\n".join(lines))
    suites, failed = report(lines, label)
    wanted = len(re.findall(r"^\s*kernel\s*=", text, re.M))
    if suites != wanted:
        fail(name + ".finished", label, f"{suites} of {wanted} VMs finished", lines)
        failed += 1
    if status != 0:
        fail(name + ".machine", label, f"status {status}", lines)
        failed += 1
    return failed


def bare_vms(text):
    """(binary, bootargs without the word newel, cpus, MiB) of each VM of a manifest."""
    for body in re.findall(r"\{([^{}]*kernel[^{}]*)\}", text):
        binary = re.search(r'incbin/\("([^"]*)"', body)[1]
        arguments = re.search(r'bootargs = "([^"]*)"', body)[1]
        cpus = re.search(r"cpus = <(\d+)>", body)[1]
        memory = re.search(r"memory-mib = <(\d+)>", body)[1]
        yield os.path.join(HERE, binary), re.sub(r"\bnewel\b ?", "", arguments), cpus, memory


def run_bare(name, text, label, options, verbose):
    cpu = options[options.index("--cpu") + 1] if "--cpu" in options else "cortex-a72"
    gic = options[options.index("--gic") + 1] if "--gic" in options else "3"
    failed = 0
    for binary, arguments, cpus, memory in bare_vms(text):
        command = [QEMU, "-M", "virt,gic-version=" + gic, "-cpu", cpu, "-smp", cpus, "-m", memory, "-nographic", "-no-reboot"]
        command += ["-net", "none", "-append", arguments, "-kernel", binary]
        _, lines = run(command, timeout_of(text))
        if verbose:
            print("\n".join(lines))
        suites, bad = report(lines, label)
        failed += bad
        if suites != 1:
            fail(name + ".finished", label, "did not finish", lines)
            failed += 1
    return failed


def names(long):
    found = sorted(entry[:-4] for entry in os.listdir(HERE) if entry.endswith(".dts"))
    return [name for name in found if long or not re.search(r"^// only: long$", manifest(name), re.M)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="on every machine the manifests name")
    parser.add_argument("--bare", action="store_true", help="on QEMU's virt itself")
    parser.add_argument("--verbose", action="store_true", help="show the whole console")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    failed = 0
    long = bool(os.environ.get("NEWEL_LONG"))
    for name in options.names or names(long):
        text = manifest(name)
        for label, words in machines(text, options.all or long):
            runner = run_bare if options.bare else run_newel
            failed += runner(name, text, label, words, options.verbose)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
