# SPDX-License-Identifier: Apache-2.0
"""Debian's unmodified open-vm-tools in a VM with guest-tools = "vmware", and in one without."""
import re
import time

import newel_machine as newel
from manifests import LONG, STAY, linux, manifest

YEAR_2001 = 1000000000
GUESTINFO = 'guestinfo { role = "web server"; ovfEnv = "<e/>"; };'


def guest(name, bootargs="", tools='"vmware"', children=""):
    node = linux(name, cpus=2, bootargs=bootargs, ramdisk='/incbin/("tools.gz")', guest_tools=tools)
    return node.replace("\n};\n", f"\n{children}\n}};\n")


def run(machine, command, timeout=30):
    """What a command says in the shell that has the focus, and its exit status."""
    machine.shell(f"{command}; echo status=$?")
    start = machine.position
    end = machine.expect(r"^status=(\d+)$", timeout)
    said = machine.text[start : end.start()]
    return said.split("echo status=$?\n")[-1].strip(), int(end[1])


def open_shell(machine, name):
    machine.open_monitor()
    machine.focus(name)
    machine.shell("stty cols 1000; PS1='# '")  # no line of these tests is folded
    machine.expect(newel.SHELL_PROMPT)


def wait_for(machine, name, pattern, timeout=90):
    """Until vm info, asked in the open monitor, says so."""
    deadline = time.monotonic() + timeout * newel.PATIENCE
    while True:
        said = machine.monitor(f"vm info {name}")
        match = re.search(pattern, said, re.MULTILINE)
        if match:
            return match
        assert time.monotonic() < deadline, said
        time.sleep(0.5)


def check_clients(machine):
    """The programs that people run, each of which decides for itself whether this is VMware's."""
    assert run(machine, "vmware-checkvm") == ("VMware software version 6 (good)", 0)
    assert run(machine, "systemd-detect-virt") == ("vmware", 0)
    assert run(machine, "vmware-rpctool 'info-get guestinfo.role'") == ("web server", 0)
    assert run(machine, "vmware-rpctool 'info-get guestinfo.ovfEnv'") == ("<e/>", 0)
    assert run(machine, "vmware-rpctool 'info-set guestinfo.ovfEnv x'") == ("Permission denied", 1)
    assert run(machine, "vmware-rpctool 'info-get guestinfo.none'") == ("No value found", 1)
    assert run(machine, "vmware-rpctool 'info-set guestinfo.answer forty two'") == ("", 0)
    assert run(machine, "vmware-rpctool 'no.such.command x'") == ("Unknown command", 1)
    assert run(machine, "vmware-toolbox-cmd stat speed") == ("62 MHz", 0)
    assert run(machine, "vmware-toolbox-cmd stat memlimit") == ("256 MB", 0)
    assert run(machine, "vmware-toolbox-cmd stat balloon") == ("0 MB", 0)
    said, status = run(machine, "vmware-toolbox-cmd stat sessionid")
    assert status == 0 and re.fullmatch("0x[0-9a-f]{1,16}", said)
    said, status = run(machine, "vmware-toolbox-cmd stat hosttime")
    assert status == 0 and abs(time.mktime(time.strptime(said, "%d %b %Y %H:%M:%S")) - host_time()) < 120


def host_time():
    """The hour in which the guest's own programs tell the time is UTC."""
    return time.mktime(time.gmtime())


def guest_year(machine):
    return run(machine, "date +%Y")[0]


def test_the_tools_at_work(boot):
    """From the first probe to the soft power-off, with a guest whose clock is wrong before vmtoolsd starts."""
    machine = boot(manifest(guest("web", f"newel.date={YEAR_2001}", children=GUESTINFO)))
    machine.expect("^newel-guest: up", 90)
    machine.open_monitor()
    wait_for(machine, "web", r"^tools     running; \d+ requests, 0 of them unknown;")
    wait_for(machine, "web", r"^version   1\d\.\d+\.\d+ \(\d+, type 4\)$")
    wait_for(machine, "web", r"^address   192\.0\.2\.5$")
    assert "web: tools: toolbox: Version: 1" in machine.monitor("log")
    machine.monitor("vm guestinfo web guestinfo.from.monitor one two")
    machine.send(newel.MONITOR_KEY)
    open_shell(machine, "web")
    check_clients(machine)
    assert guest_year(machine) == time.strftime("%Y", time.gmtime())  # set when the tools started
    run(machine, f"date -s @{YEAR_2001}")
    assert guest_year(machine) == "2001"
    assert run(machine, "vmware-rpctool 'info-get guestinfo.from.monitor'") == ("one two", 0)
    machine.open_monitor()
    assert "guestinfo.answer = forty two\n" in machine.monitor("vm guestinfo web guestinfo.answer")
    machine.monitor("vm synctime web")
    machine.expect("^newel: web: tools: setting of the clock done$")
    machine.monitor("vm reboot web")
    machine.expect("^newel: web: tools: reboot under way$")
    machine.expect("^newel-guest: reboot$", 60)
    machine.expect("^newel-guest: up", 90)
    wait_for(machine, "web", r"^resets    1$")
    wait_for(machine, "web", r"^tools     running")
    wait_for(machine, "web", r"^address   192\.0\.2\.5$")
    assert "guestinfo.answer = forty two\n" in machine.monitor("vm guestinfo web guestinfo.answer")
    machine.send("vm shutdown web\r")
    machine.expect("^newel: web: tools: shutdown under way$")
    machine.expect("^newel-guest: poweroff$", 60)
    assert machine.expect_end(60) == newel.POWERED_OFF


def test_nothing_is_visible_without_the_property(boot):
    machine = boot(manifest(guest("plain", tools=None), root=STAY))
    machine.expect("^open-vm-tools: not starting as this is not a VMware VM$", 90)
    machine.expect("^newel-guest: up", 30)
    open_shell(machine, "plain")
    said, status = run(machine, "vmware-checkvm")
    assert status != 0 and "good" not in said
    assert run(machine, "systemd-detect-virt")[0] != "vmware"
    said, status = run(machine, "vmware-rpctool 'info-get guestinfo.x'")
    assert status != 0 and "must be run inside a virtual machine" in said
    assert run(machine, "ls -d /proc/device-tree/hypervisor")[1] != 0
    machine.open_monitor()
    told = "vm shutdown plain: plain has no guest-tools in the manifest"
    assert told in machine.monitor("vm shutdown plain")
    assert "tools" not in machine.monitor("vm info plain").split("plain", 2)[-1]


def test_orders_without_tools(boot):
    """vmtoolsd does not run, but programs may call; on a CPU with a source of randomness, for cookies."""
    machine = boot(manifest(guest("idle", "newel.tools=no")), cpu="max,pauth-impdef=on")
    machine.expect("^newel-guest: up", 90)
    machine.open_monitor()
    assert "vm shutdown idle: no tools run in idle" in machine.monitor("vm shutdown idle")
    assert re.search("^tools     not running; 0 requests", machine.monitor("vm info idle"), re.MULTILINE)
    machine.send(newel.MONITOR_KEY)
    open_shell(machine, "idle")
    assert run(machine, "vmware-rpctool 'info-set guestinfo.long '$(seq -s , 9000)") == ("", 0)
    assert run(machine, "vmware-rpctool 'info-get guestinfo.long' | md5sum") == run(machine, "seq -s , 9000 | md5sum")
    machine.open_monitor()
    assert "(160 of 43892 bytes)" in machine.monitor("vm guestinfo idle guestinfo.long")
    machine.send("vm stop idle\r")
    assert machine.expect_end(30) == newel.POWERED_OFF


@LONG
def test_minutes(boot):
    """vmtoolsd for minutes: it goes on reporting, keeps the clock, and leaves nothing open."""
    machine = boot(manifest(guest("web", children=GUESTINFO)))
    machine.expect("^newel-guest: up", 90)
    machine.open_monitor()
    wait_for(machine, "web", r"^guest     .*Debian GNU/Linux")
    wait_for(machine, "web", r"^hostname  web$")
    machine.send(newel.MONITOR_KEY)
    open_shell(machine, "web")
    run(machine, f"date -s @{YEAR_2001}")
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:  # by itself: the tools look at the clock once a minute
        for _ in range(20):
            assert run(machine, "vmware-rpctool 'info-get guestinfo.role'") == ("web server", 0)
        time.sleep(5)
    assert guest_year(machine) == time.strftime("%Y", time.gmtime())
    machine.open_monitor()
    machine.monitor("vm pause web")
    time.sleep(15)
    machine.monitor("vm resume web")
    machine.expect("^newel: web: tools: setting of the clock done$")
    machine.send(newel.MONITOR_KEY)
    open_shell(machine, "web")
    ahead = int(run(machine, "date +%s")[0]) - time.time()
    assert -5 < ahead < 2, ahead
    machine.open_monitor()
    info = machine.monitor("vm info web")
    figures = re.search(r"^tools     running; (\d+) requests, (\d+) of them unknown; (\d+) channels", info, re.MULTILINE)
    requests, unknown, channels = map(int, figures.groups())
    assert requests > 200 and unknown == 0 and channels <= 3, info
    machine.send("vm shutdown web\r")
    machine.expect("^newel-guest: poweroff$", 60)
    assert machine.expect_end(60) == newel.POWERED_OFF
