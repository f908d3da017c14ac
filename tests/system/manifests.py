# SPDX-License-Identifier: Apache-2.0
"""Manifests for tests, as text; and which tests are for make check-long alone."""
import os

import pytest

LONG = pytest.mark.skipif("NEWEL_LONG" not in os.environ, reason="make check-long")

BOOTARGS = "console=ttyAMA0 quiet"


def linux(name="linux", cpus=1, memory=256, bootargs="", **properties):
    """A VM node that boots Debian's kernel to the test guest's /init. bootargs are appended to the usual ones.

    properties: further ones, or others in their place, as DTS text; an underscore stands for a hyphen.
    """
    chosen = {
        "memory-mib": f"<{memory}>",
        "cpus": f"<{cpus}>",
        "kernel": '/incbin/("Image")',
        "ramdisk": '/incbin/("initrd.gz")',
        "bootargs": '"' + f"{BOOTARGS} newel.name={name} {bootargs}".strip() + '"',
    }
    chosen.update({key.replace("_", "-"): value for key, value in properties.items()})
    return node(name, chosen)


def node(name, properties):
    """A DTS node; a property whose value is None is left out, one whose value is "" has none."""
    lines = [f"{key} = {value};" if value else f"{key};" for key, value in properties.items() if value is not None]
    return f"{name} {{\n" + "\n".join(lines) + "\n};\n"


def raw(name, *words, memory=4, cpus=1, **properties):
    """A VM node whose kernel is a raw binary of these instructions."""
    code = " ".join(f"{byte:02x}" for word in words for byte in word.to_bytes(4, "little"))
    chosen = {"memory-mib": f"<{memory}>", "cpus": f"<{cpus}>", "kernel": f"[{code}]"}
    chosen.update({key.replace("_", "-"): value for key, value in properties.items()})
    return node(name, chosen)


STAY = 'compatible = "newel,manifest-1"; on-last-exit = "monitor";'


def manifest(*vms, root='compatible = "newel,manifest-1";'):
    return "/dts-v1/;\n/ {\n" + root + "\nvms {\n" + "".join(vms) + "};\n};\n"
