# SPDX-License-Identifier: Apache-2.0
"""Debian's unmodified kernel and tools in a VM with EFI's runtime services, described by ACPI, a device tree, or both."""
import re

import newel_machine as newel
import pytest
from manifests import LONG, STAY, linux, manifest
from test_tools import run

EFI = {"firmware": '"efi-runtime"', "ramdisk": '/incbin/("efi.gz")'}
VARIABLE = "2a3f9a6d-0f5b-4b39-9d4a-1f8f3d1c7e10-Newel"
BOOT = "8be4df61-93ca-11d2-aa0d-00e098032b8c-Boot%s"

# A load option: active, no description, a device path that ends at once.
LOAD_OPTION = r"\001\000\000\000\004\000A\000\000\000\177\377\004\000"

# What the kernel says at warning level or worse that is no complaint about the machine: of one without a PMU; under load.
HARMLESS = "No ACPI PMU IRQ for CPU|hrtimer: interrupt took"


def shell(machine):
    machine.expect("^newel-guest: up", 120)
    machine.expect(newel.SHELL_PROMPT)
    machine.shell("stty cols 1000; PS1='# '")
    machine.expect(newel.SHELL_PROMPT)
    assert run(machine, "insmod /lib/modules/efivarfs.ko && mount -t efivarfs efivarfs /sys/firmware/efi/efivars") == ("", 0)


def check_log(machine, *wanted):
    """The whole of the kernel's log: no warning, no error, and nothing amiss in any line on EFI, ACPI or SMBIOS."""
    log, status = run(machine, "dmesg -r")
    assert status == 0
    lines = re.findall(r"^<(\d+)>\[ *[\d.]+\] (.*)$", log, re.M)
    assert len(lines) > 100
    complaints = [text for level, text in lines if int(level) & 7 <= 4 and not re.search(HARMLESS, text)]
    assert complaints == []
    about = [text for _, text in lines if re.search("efi|acpi|smbios|dmi|rtc|spcr|psci", text, re.I)]
    assert [text for text in about if re.search("fail|error|invalid|bug|warn|unable|cannot|not found|missing", text, re.I)] == []
    for pattern in wanted:
        assert re.search(pattern, log), pattern


def check_clock(machine):
    assert run(machine, "cat /sys/class/rtc/rtc0/name")[0].startswith("rtc-efi")
    assert run(machine, "date -u -s '2040-02-28 23:59:30' && hwclock -u -w -f /dev/rtc0")[1] == 0
    assert re.search("Feb (28 23:59|29 00:0[0-4]):.. 2040", run(machine, "hwclock -u -r -f /dev/rtc0")[0])  # some time later


def check_inventory(machine):
    assert run(machine, "dmidecode -s system-product-name") == ("VMware20,1", 0)
    assert re.fullmatch(r"\w{8}-\w{4}-8\w{3}-[89ab]\w{3}-\w{12}", run(machine, "dmidecode -s system-uuid")[0])
    assert run(machine, "systemd-detect-virt") == ("vmware", 0)
    said, status = run(machine, "dmidecode")
    assert status == 0 and "Size: 256 MB" in said and "Core Count: 2" in said and "OUT OF SPEC" not in said


def write_variables(machine):
    for number in ("0001", "0002", "000A"):
        assert run(machine, f"printf '{LOAD_OPTION}' >/tmp/option; efivar --attributes=7 -w -f /tmp/option -n {BOOT % number}") == ("", 0)
    assert run(machine, "efibootmgr -q -o 000A,0001,0002; efibootmgr -q -n 0002; efibootmgr -q -B -b 0001")[1] == 0
    assert run(machine, f"echo -n one >/tmp/1; efivar --attributes=7 -w -f /tmp/1 -n {VARIABLE}") == ("", 0)
    assert run(machine, f"echo -n two >/tmp/2; efivar --attributes=7 -a -f /tmp/2 -n {VARIABLE}") == ("", 0)


def check_variables(machine):
    said, status = run(machine, "efibootmgr")
    assert status == 0
    assert re.search("^BootNext: 0002$", said, re.M) and re.search("^BootOrder: 000A,0002$", said, re.M)
    assert re.findall(r"^Boot(....)\*", said, re.M) == ["0002", "000A"]
    assert "onetwo" in run(machine, f"efivar -p -n {VARIABLE}")[0]


def test_debian_with_acpi(boot):
    machine = boot(manifest(linux("web", cpus=2, tables='"acpi"', pmu='"on"', guest_tools='"vmware"', **EFI), root=STAY))
    shell(machine)
    check_log(machine, r"efi: EFI v2\.100? by Newel", "ACPI: Interpreter enabled", "psci: PSCIv1.1", "SMP: Total of 2")
    check_inventory(machine)
    check_clock(machine)
    write_variables(machine)
    check_variables(machine)
    machine.open_monitor()
    machine.monitor("vm vars web")
    machine.expect(f"^nv bs rt +14 {BOOT[:36]} Boot000A$", 10)
    machine.expect(rf"^nv bs rt +6 {VARIABLE[:36]} Newel\nvm vars web: [1-9], [0-9]+ of 131072 bytes; ", 10)
    machine.focus("web")
    machine.shell("reboot -f")
    machine.expect("^newel: web: reset$", 60)
    shell(machine)
    check_variables(machine)
    assert run(machine, "rm /sys/firmware/efi/efivars/Boot*; efibootmgr -q -O; efibootmgr -q -N; efivar -l | grep Boot")[1] == 1
    machine.shell("poweroff -f")
    machine.expect("^newel: web: off$", 60)


@pytest.mark.parametrize("method, tables, told, gic", [
    ("parking", "acpi", "psci: is not implemented in ACPI", 3),
    pytest.param("parking", "acpi", "psci: is not implemented in ACPI", 2, marks=LONG),
    ("spin-table", "dt", "SMP: Total of 4", 3),
])
def test_starting_processors(boot, method, tables, told, gic):
    """Without PSCI Linux has no way to power off but EFI's."""
    machine = boot(manifest(linux("quad", cpus=4, tables=f'"{tables}"', cpu_boot=f'"{method}"', **EFI)), gic=gic)
    shell(machine)
    check_log(machine, "SMP: Total of 4 processors activated", told)
    assert run(machine, "nproc; ls /proc/device-tree/psci 2>/dev/null") == ("4", 1)
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF


# Of Debian's kernels 6.1 does not tell that rtc-efi wakes, which rtcwake wants to know before it switches off by itself.
WAKE_UP = "rtcwake -d rtc0 -u -s 8 -m"


@pytest.mark.parametrize("kernel, switch_off", [
    ("Image", f"{WAKE_UP} no && poweroff -f"),
    pytest.param("Image-later", f"{WAKE_UP} off", marks=LONG),
])
def test_wakes_up(boot, kernel, switch_off):
    """Off until its alarm, which Linux sets by rtc-efi: the machine waits for it, though it has no other VM."""
    machine = boot(manifest(linux("web", tables='"acpi"', kernel=f'/incbin/("{kernel}")', **EFI)))
    machine.expect("^newel-guest: up", 120)
    machine.expect(newel.SHELL_PROMPT)
    assert run(machine, "printf '#!/bin/sh\\npoweroff -f\\n' >/sbin/shutdown; chmod +x /sbin/shutdown")[1] == 0
    before = int(run(machine, "cat /sys/class/rtc/rtc0/since_epoch")[0])
    machine.shell(switch_off)
    machine.expect("^newel: web: off, wakes up in [1-9] s$", 60)
    machine.open_monitor()
    assert re.search("^[* ] web +asleep ", machine.monitor("vm list"), re.M)
    assert re.search("^wake-up +in [0-9]+ s$", machine.monitor("vm info web"), re.M)
    machine.expect("^newel: web: wakes up$", 60)
    machine.expect("^newel-guest: up", 120)
    machine.focus("web")
    machine.shell("echo clock=$(cat /sys/class/rtc/rtc0/since_epoch)")  # what it said before was shown once more
    assert 8 <= int(machine.expect(r"^clock=(\d+)\n", 10)[1]) - before < 200
    machine.shell("poweroff -f")  # once it has done its work, it keeps nobody from being off
    machine.expect("^newel: web: off$", 60)
    assert machine.expect_end(60) == newel.POWERED_OFF


@LONG
@pytest.mark.parametrize("flash", [False, True])
def test_efivarfs_as_linux_tests_it(boot, tmp_path, flash):
    """The kernel's own selftest, all of it."""
    nvram = newel.make_nvram(str(tmp_path / "nvram")) if flash else None
    efivarfs = dict(EFI, ramdisk='/incbin/("efivarfs.gz")')
    machine = boot(manifest(linux("web", cpus=2, tables='"acpi"', **efivarfs)), nvram=nvram)
    shell(machine)
    said, status = run(machine, "cd /root/efivarfs && bash ./efivarfs.sh", timeout=300)
    assert status == 0, said
    ran = re.findall(r"^running (\w+)$", said, re.M)
    assert len(ran) >= 8 and said.count("[PASS]") == len(ran) and "FAIL" not in said, said


@LONG
def test_both_descriptions(boot):
    """By itself Linux takes the device tree, and ACPI where it is told to; memory is populated as it is touched."""
    machine = boot(manifest(linux("both", tables='"both"', bootargs="acpi=force", populate='"lazy"', **EFI)))
    shell(machine)
    check_log(machine, "ACPI: Interpreter enabled")
    write_variables(machine)
    check_variables(machine)
    machine.shell("poweroff -f")
    assert machine.expect_end(60) == newel.POWERED_OFF
