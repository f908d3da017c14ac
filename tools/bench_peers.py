# SPDX-License-Identifier: Apache-2.0
"""Other hypervisors on the same QEMU with the same payload, for tools/bench and the tests of newel-detect: each returns what the
payload said on its console.

Xen runs the payload as a domU of its own making (dom0less), KVM in Debian's kernel by tools/peers/kvm_init.c. One CPU each.
"""
import os
import re
import signal
import subprocess
import threading

import newel_machine as newel

PEERS = os.path.join(newel.BUILD, "peers")
XEN = os.path.join(PEERS, "xen")
KVM_INIT = os.path.join(PEERS, "kvm-init")
RESULT = re.compile(r"RESULT \d+ passed, (\d+) failed")
XEN_PAYLOAD_AT = 0x4A000000
XEN_LINE = 126  # characters of a domain's line

XEN_DOMAIN = """
/ {{
    chosen {{
        xen,xen-bootargs = "console=dtuart dtuart=/pl011@9000000 bootscrub=0 sync_console";
        bench {{
            compatible = "xen,domain";
            #address-cells = <2>;
            #size-cells = <2>;
            cpus = <1>;
            memory = <0 {kib}>;
            vpl011;
            module@{at:x} {{
                compatible = "multiboot,kernel", "multiboot,module";
                reg = <0 {at:#x} 0 {size:#x}>;
                bootargs = "";
            }};
        }};
    }};
}};
"""


class Unavailable(Exception):
    """The peer is not here or did not run the payload; the text says why."""


def run(command, timeout):
    """The console of a machine until the payload's last line or its end. QEMU is asked to go, so that the plugin writes its log."""
    lines = []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        for line in process.stdout:
            lines.append(line.decode(errors="replace").rstrip("\r\n"))
            if RESULT.search(lines[-1]):
                process.send_signal(signal.SIGTERM)
        process.wait()
        timer.cancel()
    console = "\n".join(lines)
    if not RESULT.search(console):
        raise Unavailable("the payload did not finish; the last line: " + (lines[-1] if lines else "none"))
    return console


def machine(cpu, kernel, plugin, extra):
    counted = ["-plugin", plugin] if plugin else []
    return [newel.QEMU, "-M", "virt,virtualization=on,gic-version=3", "-cpu", cpu, "-smp", "1", "-m", "1024", "-nographic",
            "-no-reboot", "-net", "none", "-kernel", kernel, *counted, *extra]


def dtc(*arguments, source=None):
    return subprocess.run(["dtc", "-q", *arguments], input=source, check=True, stdout=subprocess.PIPE).stdout


def xen_tree(folder, cpu, payload):
    """QEMU's device tree of the machine with the payload as a domain."""
    blob = os.path.join(folder, "xen.dtb")
    dump = ["-M", "virt,virtualization=on,gic-version=3,its=off,dumpdtb=" + blob, "-cpu", cpu, "-smp", "1", "-m", "1024"]
    subprocess.run([newel.QEMU, *dump, "-display", "none"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    source = dtc("-I", "dtb", "-O", "dts", blob).decode()
    domain = XEN_DOMAIN.format(kib=64 << 10, at=XEN_PAYLOAD_AT, size=os.path.getsize(payload))
    with open(blob, "wb") as out:
        out.write(dtc("-I", "dts", "-O", "dtb", source=(source + domain).encode()))
    return blob


def xen(folder, cpu, payload, plugin=None):
    if not os.path.exists(XEN):
        raise Unavailable("Debian's Xen package is not in build/peers (tools/setup --peers)")
    extra = ["-machine", "its=off", "-dtb", xen_tree(folder, cpu, payload)]
    extra += ["-device", f"loader,file={payload},addr={XEN_PAYLOAD_AT:#x},force-raw=on"]
    console = run(machine(cpu, XEN, plugin, extra), 180)
    # Xen puts the domain before each line, and breaks it where its buffer is full.
    broken = re.compile(rf"^(\(XEN\) DOM1: .{{{XEN_LINE}}})\n\(XEN\) DOM1: ", re.M)
    return re.sub(r"^\(XEN\) DOM1: ?", "", broken.sub(r"\1", console), flags=re.M)


def kvm(folder, cpu, payload, plugin=None):
    if not os.path.exists(KVM_INIT):
        raise Unavailable("build/peers/kvm-init is missing (make peers)")
    initrd = os.path.join(folder, "kvm.gz")
    subprocess.run([os.path.join(newel.TOP, "tools", "mkinitrd"), "--busybox", os.path.join(newel.GUEST, "busybox"), "--init",
                    KVM_INIT, "--add", f"{payload}:payload", "-o", initrd], check=True, stdout=subprocess.DEVNULL)
    extra = ["-initrd", initrd, "-append", "quiet console=ttyAMA0"]
    return run(machine(cpu, os.path.join(newel.GUEST, "Image"), plugin, extra), 300)
