# SPDX-License-Identifier: GPL-3.0-or-later
"""All or nothing: whatever goes wrong between the engine and the kernel, and whenever.

Afterwards the rules find the old list and no more than both, or the new one and no more than both; an answer
of 0 means exactly the new one; and the next change, by the same engine or its successor, leads to exactly that."""

import errno
import ipaddress
import os
import re
import time

import pytest

from test_kernel import LISTED4, TABLE, Engine, Net, assert_holds, element_range, entry_range, prefilter, table

SOAK = bool(os.environ.get("SOAK"))
EVER = 99       # every transaction from then on
ALWAYS = [LISTED4, "203.0.113.0/24", "2001:db8:1::7"]
MORE = [f"20.0.{i >> 6}.{i * 4 & 255 | 1}" for i in range(1700)]
CHANGES = {
    "in place": (ALWAYS + MORE[:300], ALWAYS + MORE[20:320]),
    "reshaped": (ALWAYS + MORE[:50] + ["20.1.0.0/26"], ALWAYS + MORE[30:90] + ["20.1.0.5", "2001:db8:2::/120"]),
    "outgrown": (ALWAYS + MORE[:50], ALWAYS + MORE[10:] + ["20.1.0.0/26"]),
}
REFUSALS = [("send", errno.ENOMEM), ("send", errno.ENOBUFS), ("send", errno.EMSGSIZE), ("answer", errno.EEXIST),
            ("answer", errno.ENFILE), ("answer", errno.ERESTART), ("answer", errno.ENOMEM), ("lost", errno.ENOBUFS)]


@pytest.fixture(scope="module")
def net():
    net = Net()
    try:
        net.build()
        yield net
    finally:
        net.destroy()


@pytest.fixture
def lab(net, tmp_path):
    lab = Faults(net, tmp_path)
    yield lab
    lab.close()


class Faults:
    """An engine whose netlink fails on demand."""

    def __init__(self, net, tmp_path):
        self.net, self.work, self.file, self.count = net, tmp_path, tmp_path / "faults", 0
        self.file.write_text("")
        self.start()

    def start(self):
        self.engine = Engine(self.net, "env", f"FAULTS={self.file}", tool="tool_faults")
        self.engine.do("open drop 7415")

    def arm(self, *words):
        self.count += 1
        # no two lines are the same: each arms anew
        self.file.write_text(" ".join(map(str, words)) + f" #{self.count}")

    def apply(self, entries):
        path = self.work / "list"
        path.write_text("\n".join(entries) + "\n")
        return self.engine.ask(f"apply drop={path}")["error"]

    def reach(self, entries):
        self.file.write_text("")
        assert self.apply(entries) == 0

    def exactly(self, entries):
        self.reach(entries)
        assert_holds(self.net, entries)

    def close(self):
        self.file.write_text("")
        self.engine.do("purge")
        assert self.engine.close() == 0


def addresses(ranges):
    return {n for first, last in ranges for n in range(first, last + 1)}


def listed(entries):
    return addresses(entry_range(e) for e in entries)


def found(net):
    """What the rules find: the sets that they refer to."""
    chains = dict(re.findall(r"chain (\w+) {(.*?)\n\t}", net.nft("-t", "list", "table", *TABLE).stdout, re.S))
    used, sets = set(re.findall(r"@(\w+)\b(?!,)", chains["prerouting"] + chains["in_top4"] + chains["in_top6"])), table(net)
    assert set(re.findall(r"@(\w+)\b(?!,)", chains["output"] + chains["out_top4"] + chains["out_top6"])) == used
    held = {name: [element_range(e) for e in sets[name]] for name in used}
    tops = {(n, first) for n, ranges in held.items() if n.startswith("top") for first, _ in ranges}
    result = set()
    layout = {version: prefilter(net, version) for version in (4, 6)}
    for name, ranges in held.items():
        if name.startswith("top"):
            continue
        bits, first = layout[6 if "6" in name else 4]
        for one in addresses(ranges):
            behind = any(top == one >> bits << bits for n, top in tops if n.startswith(f"top{'6' if '6' in name else '4'}"))
            if behind or (name.startswith("hosts") and not first):
                result.add(one)
    return result


def assert_whole(net, before, after):
    now, old, new = found(net), listed(before), listed(after)
    strange = sorted(now - old - new)
    assert not strange, f"neither list has {ipaddress.ip_address(strange[0])}"
    assert old <= now or new <= now, f"{len(old - now)} of the old and {len(new - now)} of the new list are missing"


def some(cases):
    """Every change and every other value once; all with all is the soak's."""
    changes = list(CHANGES)
    return [(change, *case) for i, case in enumerate(cases) for j, change in enumerate(changes)
            if SOAK or i % len(changes) == j]


@pytest.mark.parametrize("change, kind, number", some(REFUSALS), ids=lambda v: errno.errorcode.get(v, v))
def test_refused_at_every_step(lab, change, kind, number):
    before, after = CHANGES[change]
    for first in range(1, 20):
        lab.reach(before)
        lab.arm(kind, first, EVER, number)
        error = lab.apply(after)
        assert_whole(lab.net, before, after)
        if error == 0:
            assert_holds(lab.net, after)
            assert first > 1
            break
        assert error == -number or kind == "lost"
        # once only: tried again, or told; never told to be done when it is not
        lab.reach(before)
        lab.arm(kind, first, 1, number)
        error = lab.apply(after)
        assert_whole(lab.net, before, after)
        if error == 0:
            assert_holds(lab.net, after)
        else:
            assert error == -errno.ENOMEM
        lab.exactly(after)
    else:
        pytest.fail("a change has no end")


@pytest.mark.parametrize("change, kind", some([("before",), ("after",), ("after",)]))
def test_killed_at_every_step(lab, change, kind):
    before, after = CHANGES[change]
    for first in range(1, 20):
        lab.reach(before)
        lab.arm(kind, first, 1)
        path = lab.work / "list"
        path.write_text("\n".join(after) + "\n")
        lab.engine.process.stdin.write(f"apply drop={path}\n")
        lab.engine.process.stdin.flush()
        line = lab.engine.process.stdout.readline()
        assert_whole(lab.net, before, after)
        if line:
            assert first > 1
            break
        assert lab.engine.process.wait(10) != 0
        lab.engine.process.stdin.close()
        lab.engine.process.stdout.close()
        lab.start()
        lab.exactly(after if first % 2 else before)
        names = set(table(lab.net))
        assert len(names & {"hosts4", "hosts4_b"}) == len(names & {"nets4_a", "nets4_b"}) == 1
    else:
        pytest.fail("a change has no end")


def test_interrupted_dumps_are_read_again(lab):
    before, after = CHANGES["reshaped"]
    lab.exactly(before)
    for count in (1, 3, 10):
        lab.arm("intr", 1, count)
        assert lab.apply(after) == 0
        assert_holds(lab.net, after)
        lab.arm("intr", 1, count)
        assert lab.engine.do("stat")["mode"] == 2
        before, after = after, before
    # without end: told, and nothing is half done
    lab.arm("intr", 1, 100000)
    assert lab.apply(after) == -errno.EINTR
    assert_whole(lab.net, before, after)
    lab.exactly(after)


def test_armed_has_room_for_what_expired(lab):
    """Members that expired count until the kernel has swept them out, some tens of milliseconds of every second."""
    lab.reach(ALWAYS)
    for i in range(120):
        lab.engine.do("arm 20")
        time.sleep(0.02 + 0.0005 * (i % 40))
        lab.engine.do("arm 60000")
        assert lab.engine.do("stat")["mode"] == 2
