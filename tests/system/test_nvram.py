# SPDX-License-Identifier: Apache-2.0
"""What VMs leave in the machine's flash, or in its firmware's variables, when all of Newel has been started anew."""
import time

import newel_machine as newel
from manifests import LONG, STAY, linux, manifest
from test_efi import BOOT, EFI, LOAD_OPTION, VARIABLE, check_variables, shell, write_variables
from test_tools import run
from varstore import NEWEL, host_variables, variables


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


FOUND = r"^newel: NVRAM: the firmware's variables, (\d+) values, \d+ KiB; each VM can write (\d+) KiB more "


OFF = 'compatible = "newel,manifest-1";'


def on_uefi(boot, nvram, *vms, root=OFF):
    machine = boot(manifest(*vms, root=root), nvram=nvram, esp={})
    return machine, machine.expect(FOUND, 90)


def set_variable(machine, size, more=""):
    """A value of so many random bytes; what the tool says and its status."""
    return run(machine, f"head -c {size} /dev/urandom >/tmp/v; efivar --attributes=7 -w -f /tmp/v -n {VARIABLE}{more}", 60)


def test_variables_survive_on_a_uefi_host(boot, tmp_path):
    """The VM has its Boot0002 and BootOrder, the machine's firmware its own."""
    nvram = newel.make_nvram(str(tmp_path / "nvram"))
    web = linux("web", tables='"acpi"', **EFI)
    machine, found = on_uefi(boot, nvram, web)
    assert found[1] == "0"
    shell(machine)
    hosts = host_variables(nvram)
    assert {"BootOrder", "Boot0002"} <= {name for _, name in hosts}
    write_variables(machine)
    check_variables(machine)
    assert run(machine, f"echo -n mine >/tmp/1; efivar --attributes=7 -w -f /tmp/1 -n {NEWEL}-Newel0000") == ("", 0)  # is no other's
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF
    assert host_variables(nvram) == hosts
    machine, found = on_uefi(boot, nvram, web)
    assert int(found[1]) == sum(vendor == NEWEL for vendor, _ in variables(nvram)) == 6
    shell(machine)
    check_variables(machine)
    assert "mine" in run(machine, f"efivar -p -n {NEWEL}-Newel0000")[0]
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF


@LONG
def test_a_guest_that_fills_the_firmwares_store(boot, tmp_path):
    """What it may write has an end, until the firmware has started anew; all else goes on."""
    nvram = newel.make_nvram(str(tmp_path / "nvram"))
    machine, found = on_uefi(boot, nvram, linux("greedy", **EFI), root=STAY)
    shell(machine)
    hosts = host_variables(nvram)
    size, writes, limit = 7500, 0, int(found[2]) << 10
    assert run(machine, f"printf '{LOAD_OPTION}' >/tmp/1; efivar --attributes=7 -w -f /tmp/1 -n {BOOT % '0001'}") == ("", 0)
    said, status = set_variable(machine, size)
    while status == 0:
        writes += 1
        assert writes * size < limit
        said, status = set_variable(machine, size)
    assert "No space left on device" in said and (writes + 1) * (size + 300) > limit
    assert machine.text.count("newel: warning: NVRAM: there is no room for a VM's variable until the machine's restart") == 1
    folder = "/sys/firmware/efi/efivars"
    assert run(machine, f"wc -c <{folder}/{VARIABLE[37:]}-{VARIABLE[:36]}") == (str(4 + size), 0)
    assert run(machine, f"rm {folder}/Boot0001-*; ls {folder} | grep -c Boot") == ("0", 1)
    assert host_variables(nvram) == hosts
    assert len(variables(nvram).keys() - hosts.keys()) == 2 and (NEWEL, "NewelRoom") in variables(nvram)
    machine.open_monitor()
    assert "running" in machine.monitor("vm list")
    machine.close()
    machine, again = on_uefi(boot, nvram, linux("greedy", **EFI), root=STAY)
    assert "newel: has the firmware take back its variables' room" in machine.text
    assert again[1] == "1" and int(again[2]) > int(found[2]) - 20
    assert (NEWEL, "NewelRoom") not in variables(nvram)
    assert {key: hosts[key] for key in hosts if "Boot" in key[1]}.items() <= variables(nvram).items()
    shell(machine)
    assert set_variable(machine, size) == ("", 0)


def is_erased(path):
    with open(path, "rb") as file:
        return file.read(64) == b"\xff" * 64


@LONG
def test_the_machine_goes_off_while_the_firmware_writes(boot, tmp_path):
    """As firmware may erase what is its own before it writes it anew, the machine waits for it."""
    nvram = newel.make_nvram(str(tmp_path / "nvram"))
    hosts, caught = None, 0
    for round in range(6):
        machine, found = on_uefi(boot, nvram, linux("web", cpus=2, **EFI), root=STAY)
        shell(machine)
        hosts = hosts or host_variables(nvram).keys()
        assert set_variable(machine, 7000) == ("", 0)
        machine.shell(f"for i in 1 2 3 4 5 6; do head -c 7000 /dev/urandom >/tmp/w; efivar --attributes=7 -w -f /tmp/w -n {VARIABLE}; done")
        machine.open_monitor()
        deadline = time.monotonic() + 10
        while not is_erased(nvram) and time.monotonic() < deadline:
            pass
        machine.send("poweroff\r" if round % 2 else "reboot\r")
        caught += is_erased(nvram)
        assert machine.expect_end(60) == (newel.POWERED_OFF if round % 2 else newel.PANICKED)
        ((_, value),) = [value for (vendor, _), value in variables(nvram).items() if vendor == NEWEL]
        assert len(value) > 7000
        assert host_variables(nvram).keys() == hosts
    assert caught > 0
