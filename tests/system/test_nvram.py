# SPDX-License-Identifier: Apache-2.0
"""What VMs leave in the machine's flash, when all of Newel has been started anew."""
import newel_machine as newel
from manifests import linux, manifest
from test_efi import EFI, check_variables, shell, write_variables


def test_variables_survive_newel(boot, tmp_path):
    nvram = newel.make_nvram(str(tmp_path / "nvram"))
    text = manifest(linux("web", tables='"acpi"', **EFI))
    machine = boot(text, nvram=nvram)
    machine.expect("^newel: NVRAM: flash of 65536 KiB, 0 values, 0 KiB$")
    shell(machine)
    write_variables(machine)
    check_variables(machine)
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF
    machine = boot(text, nvram=nvram)
    machine.expect("^newel: NVRAM: flash of 65536 KiB, [1-9][0-9]* values")
    shell(machine)
    check_variables(machine)
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF


def test_a_flash_of_somebody_else(boot, tmp_path):
    nvram = newel.make_nvram(str(tmp_path / "nvram"))
    with open(nvram, "r+b") as file:
        file.seek(4096)
        file.write(b"firmware's own")
    machine = boot(manifest(linux("web", **EFI)), nvram=nvram)
    machine.expect("^newel: warning: NVRAM: the flash holds something else: nothing survives a restart$")
    machine.expect("^newel-guest: up", 120)
    machine.close()
    with open(nvram, "rb") as file:
        file.seek(4096)
        assert file.read(14) == b"firmware's own" and file.read(1 << 20) == b"\xff" * (1 << 20)
