# SPDX-License-Identifier: Apache-2.0
"""Caches kept coherent lazily: what each access of a guest costs in faults and maintenance, by Newel's counters."""
import os
import re

import newel_machine as newel
import pytest
from manifests import linux, manifest, node
from puppet import DATA, EXTERNAL, FAR_PAGE, FETCH, Abort, Puppet, text, vm
from test_coherency import assert_coherent, checked  # noqa: F401 (a fixture)

PAGE, BLOCK = 0x1000, 0x200000
LINES = 64  # of a page, with the 64-byte lines of QEMU's cortex-a72
UNDEFINED = 0
UART, HOLE = 0x09000000, 0x30000000
# A page that was data is made executable: cleaned, invalidated.
EXECUTED = {"mem.execute": 1, "cache.executable": 1, "cache.cleaned": LINES, "cache.invalidated": LINES}
# It is populated at its first access, and what Newel zeroed handed over.
LOADED = {"mem.translation": 1, "space.pages": 1, "cache.cleaned": LINES}


def pages(**properties):
    """A VM whose memory is populated page by page."""
    return text(vm(populate='"lazy"', populate_granule='"4k"', **properties))


def blocks(**properties):
    return text(vm(populate='"lazy"', **properties))


def test_life_of_a_page(boot):
    """A load, a fetch, and what comes after; the other way round; and the guest's own maintenance."""
    puppet = Puppet(boot(pages()))
    first, second, third = (puppet.map(FAR_PAGE + n * PAGE) for n in range(3))
    assert puppet.counted("r", first) == (0, LOADED)
    assert puppet.counted("w", first + 8, 1) == (0, {})
    puppet.do("p", first, 7)
    assert puppet.counted("x", first) == (7, {"exit.iabt": 1, **EXECUTED})
    assert puppet.counted("x", first) == (7, {})
    with pytest.raises(Abort) as caught:  # all zeroes are no instruction
        puppet.do("x", second)
    assert caught.value.kind == UNDEFINED
    change = puppet.counted("p", second, 9)[1]
    assert change == {}
    assert puppet.counted("x", second) == (9, {})
    # From now on the page is the guest's: it maintains it by itself, without an exit.
    for n in range(3):
        assert puppet.counted("P", first, n) == (0, {})
        assert puppet.counted("x", first) == (n, {})
    # First touched by the guest's own maintenance (which QEMU lets fault for DC ZVA alone): as data, or not at all.
    for order in "ickz":
        answer, change = puppet.counted(order, third)
        assert (answer, change) in ((0, {}), (0, LOADED))
    assert puppet.load(third) == 0


def test_first_access_a_fetch(boot):
    """One translation fault, all maintenance, and executable in one step."""
    puppet = Puppet(boot(pages()))
    page = puppet.map(FAR_PAGE)
    before = puppet.counters()
    with pytest.raises(Abort) as caught:
        puppet.do("x", page)
    assert caught.value.kind == UNDEFINED
    after = puppet.counters()
    change = {name: after[name] - before.get(name, 0) for name in after}
    assert (change["exit.iabt"], change["mem.translation"], change["space.pages"]) == (1, 1, 1)
    assert (change["cache.executable"], change["cache.cleaned"], change["cache.invalidated"]) == (1, LINES, LINES)
    assert change.get("mem.execute", 0) == 0
    assert puppet.counted("P", page, 5) == (0, {})
    assert puppet.counted("x", page) == (5, {})


def test_blocks_are_executed_page_by_page(boot):
    """One fetched page does not clean 2 MiB; but the rest of a block that is much executed follows at once."""
    puppet = Puppet(boot(blocks()))
    for n in range(20):
        puppet.map(FAR_PAGE + n * PAGE)
    answer, change = puppet.counted("r", FAR_PAGE)
    assert (change["mem.translation"], change["space.blocks"], answer) == (1, 1, 0)
    for n in range(20):
        puppet.do("p", FAR_PAGE + n * PAGE, n)
    for n in range(15):
        assert puppet.counted("x", FAR_PAGE + n * PAGE) == (n, {"exit.iabt": 1, **EXECUTED})
    answer, change = puppet.counted("x", FAR_PAGE + 15 * PAGE)
    assert (answer, change["mem.execute"], change["space.joined"], change["cache.emptied"]) == (15, 1, 1, 1)
    assert 512 <= change["cache.executable"] <= 513
    for n in range(16, 20):
        assert puppet.counted("x", FAR_PAGE + n * PAGE) == (n, {})


def test_nothing_to_execute(boot):
    """A fetch from a device or a hole is an external abort; maintenance there does nothing; stage 1 comes first."""
    puppet = Puppet(boot(pages()))
    for place in (UART, HOLE):
        puppet.do("m", FAR_PAGE, place, 0)
        with pytest.raises(Abort) as caught:
            puppet.do("x", FAR_PAGE)
        assert (caught.value.kind, caught.value.status, caught.value.far) == (FETCH, EXTERNAL, FAR_PAGE)
    for order in "ick":
        assert puppet.counted(order, FAR_PAGE) == (0, {})
    puppet.do("u", FAR_PAGE)
    for order, kind in (("r", DATA), ("x", FETCH)):
        before = puppet.counters()
        with pytest.raises(Abort) as caught:
            puppet.do(order, FAR_PAGE)
        assert (caught.value.kind, caught.value.status) == (kind, 0x07)
        after = puppet.counters()
        assert [after.get(f"mem.{what}", 0) - before.get(f"mem.{what}", 0) for what in ("translation", "execute")] == [0, 0]
        assert after.get("exit.iabt", 0) == before.get("exit.iabt", 0)


def test_walk_meets_an_unpopulated_table(boot):
    """It is served like any data access, and the page is not executable."""
    puppet = Puppet(boot(pages()))
    at, table = FAR_PAGE, FAR_PAGE - BLOCK
    middle = puppet.load(puppet.do("b") + 8 * (at >> 30)) & 0xFFFFFFFFF000
    entry = middle + 8 * (at >> 21 & 511)
    puppet.store(entry, 0)
    puppet.do("H", 0)
    puppet.store(entry, table | 3)
    before = puppet.counters()
    with pytest.raises(Abort) as caught:
        puppet.do("r", at)
    assert (caught.value.kind, caught.value.status) == (DATA, 0x07)  # its own: the descriptor is zero
    after = puppet.counters()
    assert after["mem.translation"] - before["mem.translation"] == 1
    assert after["space.pages"] - before["space.pages"] == 1
    assert after["cache.executable"] == before["cache.executable"]
    puppet.map(table)
    puppet.do("p", table, 3)
    assert puppet.counted("x", table) == (3, {"exit.iabt": 1, **EXECUTED})


def test_four_cpus_fetch_one_page(boot):
    puppet = Puppet(boot(pages(cpus=4), smp=4))
    for n in range(8):
        page = puppet.map(FAR_PAGE + n * PAGE)
        puppet.do("p", page, 0x100)
        before = puppet.counters()
        assert puppet.do("S", page) == 3 * 0x100
        after = puppet.counters()
        assert after["cache.invalidated"] - before["cache.invalidated"] >= LINES
        assert 1 <= after["mem.execute"] - before.get("mem.execute", 0)


def test_caches_off(boot):
    """Code that a guest without MMU and caches fetches; what it writes then is there with them on, and the reverse."""
    puppet = Puppet(boot(pages()))
    page = puppet.map(FAR_PAGE)
    puppet.do("o")
    puppet.do("p", page, 3)
    assert puppet.counted("x", page) == (3, {"exit.iabt": 1, **EXECUTED})
    change = puppet.counted("O")[1]
    assert change == {"exit.sysreg": 5, "sysreg.translation": 4, "sysreg.id": 1}
    assert puppet.counted("x", page) == (3, {})
    # With all on, nothing of its translation registers traps.
    assert puppet.counted("O")[1] == {"exit.sysreg": 1, "sysreg.id": 1}


@pytest.mark.parametrize("memory", [16, 512])
def test_set_way_costs_the_same_for_any_memory(boot, memory):
    """A loop of operations is one suspension or a few; each page or block comes back at its next use, once."""
    puppet = Puppet(boot(text(vm(memory=memory)), mem=1024))
    puppet.map(FAR_PAGE)
    puppet.store(FAR_PAGE, 0x5A)
    change = puppet.counted("s", 2000)[1]
    assert change["sysreg.setway"] == 2000
    assert change["exit.sysreg"] == 2000
    assert 1 <= change["space.suspended"] <= 200
    assert change["mem.translation"] <= 4 * change["space.suspended"]
    answer, change = puppet.counted("r", FAR_PAGE)
    assert (answer, change.get("mem.translation", 0) <= 4) == (0x5A, True)
    assert puppet.counted("r", FAR_PAGE) == (0x5A, {})
    # The end of it, and then no more.
    change = puppet.counted("O")[1]
    assert (change["space.suspended"], change["sysreg.translation"]) == (1, 1)
    assert "sysreg.translation" not in puppet.counted("O")[1]
    puppet.do("s", 10)
    puppet.do("o")
    puppet.do("s", 10)
    assert puppet.load(FAR_PAGE) == 0x5A
    puppet.do("O")
    assert puppet.load(FAR_PAGE) == 0x5A


def test_set_way_on_caches_that_are_not_coherent(checked):  # noqa: F811
    """Guests that maintain by set and way alone, under the cache checker: nothing they need is left in a cache."""
    binary = os.path.join(newel.BUILD, "guests", "coherency.bin")
    kinds = {"eager": {}, "blocks": {"populate": '"lazy"'}, "pages": {"populate": '"lazy"', "populate-granule": '"4k"'}}
    common = {"memory-mib": "<32>", "cpus": "<1>", "kernel": f'/incbin/("{binary}")'}
    vms = (node(name, {**common, **kind, "bootargs": f'"newel suite={name}"'}) for name, kind in kinds.items())
    machine, report = checked(manifest(*vms))
    machine.expect_all(*(rf"RESULT 6 passed, 0 failed \({name}\)" for name in kinds), timeout=120)
    assert machine.expect_end(30) == newel.POWERED_OFF
    assert_coherent(report)


def host_ram(machine, name):
    return re.search(r"^host ram +(\w+)$", machine.monitor(f"vm info {name}"), re.M)[1]


@pytest.mark.parametrize("how", ["destroy", "reset"])
def test_a_page_that_changes_hands(boot, how):
    """Neither data nor code of the VM before: what it finds is zero, and what it writes is what it executes."""
    other = "two" if how == "destroy" else "one"
    kinds = {"populate": '"lazy"', "populate_granule": '"4k"'}
    machine = boot(text(vm("one", **kinds), vm("two", autostart='"no"', **kinds)))
    puppet = Puppet(machine, "one")
    for n in range(8):
        page = puppet.map(FAR_PAGE + n * PAGE)
        puppet.do("P", page, 0x111)
        assert puppet.do("x", page) == 0x111
        puppet.store(page + 0x800, 0x5EC4E7)
    machine.open_monitor()
    before = host_ram(machine, "one")
    if how == "destroy":
        machine.monitor("vm destroy one")
        machine.expect("^newel: one: destroyed$")
        machine.monitor("vm start two")
    else:
        machine.monitor("vm reset one")
    machine.expect(f"^newel: {other}: .*started$")
    assert host_ram(machine, other) == before
    machine.send(f"vm focus {other}\r")
    puppet = Puppet(machine, other)
    puppet.synchronize()
    for n in range(8):
        page = puppet.map(FAR_PAGE + n * PAGE)
        if n % 2:
            with pytest.raises(Abort) as caught:
                puppet.do("x", page)
            assert caught.value.kind == UNDEFINED
        assert puppet.load(page) == 0
        assert puppet.load(page + 0x800) == 0
        puppet.do("P", page, 0x222)
        assert puppet.do("x", page) == 0x222
    assert puppet.counters()["cache.invalidated"] >= 8 * LINES


def test_linux_turns_its_caches_on_once(boot):
    """A few exits of each CPU's boot, and none afterwards."""
    machine = boot(manifest(linux("one", cpus=2)))
    machine.expect("newel-guest: up cpus=2", 120)
    machine.open_monitor()
    said = machine.monitor("vm stat one")
    assert 2 <= int(re.search(r"^sysreg\.translation +(\d+)", said, re.M)[1]) <= 24
    assert "sysreg.setway" not in said
    assert "space.suspended" not in said
