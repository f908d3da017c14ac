# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the whole-machine tests: each test boots its own machine and leaves its console in build/check/system/."""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import newel_machine as newel  # noqa: E402

LOGS = os.path.join(newel.BUILD, "check", "system")


def pytest_configure():
    for path in (newel.QEMU, newel.IMAGE, os.path.join(newel.GUEST, "initrd.gz")):
        if not os.path.exists(path):
            pytest.exit(f"{path} is missing: run make", returncode=2)
    os.makedirs(LOGS, exist_ok=True)


@pytest.fixture
def boot(request, tmp_path):
    """boot(MANIFEST, **machine): starts a machine with the manifest's text, a file's path, or None for no manifest.

    esp=dict(...) boots by UEFI, from a file system made by make_esp() with these arguments and the files that the manifest
    names."""
    machines = []

    def make_esp(blob, app=newel.EFI_IMAGE, files=(), **esp):
        path = str(tmp_path / "esp.img")
        names = newel.files_named_by(blob) if blob else []
        found = [(name, newel.find_file(name, [])) for name in names]
        newel.make_esp(path, app, blob, [pair for pair in found if pair[1]] + list(files), **esp)
        return path

    def start(manifest, esp=None, **machine):
        blob = None
        if manifest is not None:
            blob = str(tmp_path / "manifest.dtb")
            source = manifest
            if "\n" in manifest:
                source = str(tmp_path / "manifest.dts")
                with open(source, "w", encoding="utf-8") as handle:
                    handle.write(manifest)
            newel.compile_manifest(source, blob)
        log = os.path.join(LOGS, re.sub(r"\W+", "-", request.node.name).strip("-") + ".log")
        if esp is not None:
            machine["esp"] = make_esp(blob, **esp)
        machines.append(newel.Machine(newel.qemu_command(initrd=blob, **machine), log=log))
        return machines[-1]

    yield start
    for machine in machines:
        machine.close()
