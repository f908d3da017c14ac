# SPDX-License-Identifier: Apache-2.0
"""A guest that does what it is told (tests/guests/puppet.c), and what Newel counts meanwhile."""
import os
import random
import re

import newel_machine as newel
from manifests import STAY, manifest, node

BINARY = os.path.join(newel.BUILD, "guests", "puppet.bin")
NORMAL = 0x703  # a page descriptor's low bits: write-back, inner shareable, accessed
NO_ACCESS_FLAG, READ_ONLY = 0x400, 0x80  # what "map" takes away or adds
FAR_PAGE = 0x40c00000  # RAM that nothing else touches

# Exception classes and fault status codes of ESR_EL1
FETCH, DATA = 0x21, 0x25
EXTERNAL, EXTERNAL_ON_WALK = 0x10, 0x14


def vm(name="puppet", memory=16, cpus=1, **properties):
    chosen = {"memory-mib": f"<{memory}>", "cpus": f"<{cpus}>", "kernel": f'/incbin/("{BINARY}")', "bootargs": '"newel"'}
    chosen.update({key.replace("_", "-"): value for key, value in properties.items()})
    return node(name, chosen)


def text(*vms):
    return manifest(*(vms or (vm(),)), root=STAY)


class Abort(Exception):
    """The exception that a guest took: its class, status, address and whether it wrote."""

    def __init__(self, esr, far):
        super().__init__(f"ESR {esr:#x} FAR {far:#x}")
        self.kind, self.status, self.wrote, self.far = esr >> 26, esr & 0x3F, esr >> 6 & 1, far


class Puppet:
    """The one VM of a machine that has the focus, with the monitor closed between two calls."""

    def __init__(self, machine, name="puppet"):
        self.machine, self.name = machine, name
        machine.expect("ready$")
        self.synchronize()

    def synchronize(self):
        """Past all that the console says of the time before, as at a change of focus."""
        token = random.getrandbits(60)
        self.send("y", token)
        self.machine.expect(f"= {token:x}\\n")

    def send(self, order, *numbers):
        self.machine.send(" ".join([order, *(f"{number:x}" for number in numbers)]) + "\r")

    def answer(self, timeout=30):
        """What the last order came to; an Abort if the guest took one."""
        match = self.machine.expect(r"^(?:\S+\| )?([=!]) (\w+) ?(\w*)\n", timeout)
        if match[1] == "!":
            raise Abort(int(match[2], 16), int(match[3], 16))
        return int(match[2], 16)

    def do(self, order, *numbers):
        self.send(order, *numbers)
        return self.answer()

    def monitor(self, *commands):
        """What the monitor said to each."""
        self.machine.open_monitor()
        said = [self.machine.monitor(command) for command in commands]
        self.machine.send(newel.MONITOR_KEY)
        return said

    def load(self, at):
        return self.do("r", at)

    def store(self, at, value):
        return self.do("w", at, value)

    def map(self, at, flags=0):
        """A page of the guest's own tables, to itself, readable, writable and executable but for flags."""
        self.do("m", at, at, flags)
        return at

    def counters(self):
        said = self.monitor(f"vm stat {self.name}")[0]
        return {name: int(value) for name, value in re.findall(r"^([a-z]+\.\w+) +(\d+)", said, re.M)}

    def counted(self, order, *numbers):
        """The answer to an order, and the counters that it moved, but for those of its console and of time."""
        before = self.counters()
        answer = self.do(order, *numbers)
        return answer, moved(before, self.counters())


def moved(before, after):
    """Counters that differ, but for what listening to its console and the passing of time bring."""
    change = {name: after.get(name, 0) - before.get(name, 0) for name in after}
    ignored = re.compile(r"mmio\.uart|exit\.(dabt|irq|wfx)|virq\.|sched\.|timer\.")
    return {name: n for name, n in change.items() if n != 0 and not ignored.match(name)}
