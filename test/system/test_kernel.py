# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel engine against the kernel: nft and real packets are asked, never the engine itself.

Three network namespaces: host (with the table), peer (has every listed address), guest (behind the host).
"""

import errno
import ipaddress
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import pytest

BUILD = pathlib.Path(os.environ.get("B", "build")).resolve()
ASAN = BUILD.name.endswith("asan")
TABLE = ["inet", "threatlistd"]
DAMAGED, ADDRESSES, PANIC, RESUME, DISARMED, ALLOW = 1, 2, 4, 8, 16, 32

LISTED4, PREFIX4, INNOCENT4 = "198.51.100.7", "203.0.113.0/24", "192.0.2.7"
LISTED6, PREFIX6, INNOCENT6 = "2001:db8:1::7", "2001:db8:2::/48", "2001:db8:3::7"
INSIDE4, INSIDE6 = "203.0.113.9", "2001:db8:2::9"
LIST = [LISTED4, PREFIX4, LISTED6, PREFIX6]


def run(*words, check=True, text=None):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, check=check, input=text)


class Net:
    """host 10.77.1.1 — peer 10.77.1.2, which has the documentation addresses; guest 10.77.2.2 behind host."""

    def __init__(self):
        self.host, self.peer, self.guest = (f"tlk{os.getpid()}{name}" for name in "hpg")

    def build(self):
        for ns in (self.host, self.peer, self.guest):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
            self.sysctl(ns, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                        "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        self.link(self.host, "peer0", "10.77.1.1/24", "fd77:1::1/64", self.peer, "10.77.1.2/24", "fd77:1::2/64")
        self.link(self.host, "guest0", "10.77.2.1/24", "fd77:2::1/64", self.guest, "10.77.2.2/24", "fd77:2::2/64")
        self.sysctl(self.host, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for address in (LISTED4, INSIDE4, INNOCENT4):
            run("ip", "-n", self.peer, "addr", "add", f"{address}/32", "dev", "lo")
        for address in (LISTED6, INSIDE6, INNOCENT6):
            run("ip", "-n", self.peer, "addr", "add", f"{address}/128", "dev", "lo", "nodad")
        for prefix in ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24"):
            run("ip", "-n", self.host, "route", "add", prefix, "via", "10.77.1.2")
            run("ip", "-n", self.guest, "route", "add", prefix, "via", "10.77.2.1")
        run("ip", "-n", self.host, "route", "add", "2001:db8::/32", "via", "fd77:1::2")
        run("ip", "-n", self.guest, "route", "add", "2001:db8::/32", "via", "fd77:2::1")
        run("ip", "-n", self.peer, "route", "add", "10.77.2.0/24", "via", "10.77.1.1")
        run("ip", "-n", self.peer, "route", "add", "fd77:2::/64", "via", "fd77:1::1")
        self.wait_until_up()

    def wait_until_up(self):
        """A fresh link needs a while until its IPv6 neighbours answer."""
        until = time.monotonic() + 20
        addresses = (LISTED4, LISTED6)
        while not all(self.out(a) and self.inward(a) and self.through(a) for a in addresses):
            assert time.monotonic() < until, "the namespaces do not reach each other"

    def sysctl(self, ns, *settings):
        run("ip", "netns", "exec", ns, "sysctl", "-qw", *settings)

    def link(self, left, name, left4, left6, right, right4, right6):
        run("ip", "-n", left, "link", "add", name, "type", "veth", "peer", "name", "host0", "netns", right)
        for ns, device, v4, v6 in ((left, name, left4, left6), (right, "host0", right4, right6)):
            run("ip", "-n", ns, "addr", "add", v4, "dev", device)
            run("ip", "-n", ns, "addr", "add", v6, "dev", device, "nodad")
            run("ip", "-n", ns, "link", "set", device, "up")

    def destroy(self):
        for ns in (self.host, self.peer, self.guest):
            run("ip", "netns", "del", ns, check=False)

    def nft(self, *words, check=True, text=None):
        return run("ip", "netns", "exec", self.host, "nft", *words, check=check, text=text)

    def ping(self, ns, target, source=None):
        words = ["ping", "-c1", "-W0.3", "-n"] + (["-I", source] if source else []) + [target]
        return run("ip", "netns", "exec", ns, *words, check=False).returncode == 0

    def out(self, target):
        return self.ping(self.host, target)

    def inward(self, source):
        return self.ping(self.peer, "10.77.1.1" if "." in source else "fd77:1::1", source)

    def through(self, target):
        return self.ping(self.guest, target)


class Engine:
    """tool_enforce in the host's namespace."""

    def __init__(self, net, *prefix, tool="tool_enforce"):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", net.host, *prefix, str(BUILD / "test/system" / tool)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the tool died of: {command}"
        return json.loads(line)

    def do(self, command):
        answer = self.ask(command)
        assert answer["error"] == 0, (command, answer)
        return answer

    def events(self, wanted, seconds=5):
        """All events until one of the wanted kind came."""
        changes, first = 0, None
        until = time.monotonic() + seconds
        while not changes & wanted and time.monotonic() < until:
            answer = self.do("watch 200")
            changes |= answer["changes"]
            first = first or (answer if answer["changes"] & wanted else None)
        return changes, first

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def net():
    net = Net()
    try:
        net.build()
        yield net
    finally:
        net.destroy()


@pytest.fixture
def engine(net):
    """Opened, no table; afterwards no table either."""
    engine = Engine(net)
    engine.do("open drop 7411")
    yield engine
    assert engine.close() == 0
    net.nft("delete", "table", *TABLE, check=False)


@pytest.fixture
def write(tmp_path):
    count = 0

    def write(entries):
        nonlocal count
        count += 1
        path = tmp_path / f"list{count}"
        path.write_text("".join(f"{entry}\n" for entry in entries))
        return path
    return write


def table(net):
    """Name → content of every set, and the rules as text."""
    listing = json.loads(net.nft("-j", "list", "table", *TABLE).stdout)["nftables"]
    return {item["set"]["name"]: item["set"].get("elem", []) for item in listing if "set" in item}


def element_range(element):
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(element, int):  # of top6: the first 32 bits
        first = last = element << 96
    elif isinstance(element, str):
        first = last = ipaddress.ip_address(element)
    elif "prefix" in element:
        network = ipaddress.ip_network(f"{element['prefix']['addr']}/{element['prefix']['len']}")
        first, last = network[0], network[-1]
    else:
        first, last = map(ipaddress.ip_address, element["range"])
    return int(first), int(last)


def merged(ranges):
    result = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def entry_range(entry):
    network = ipaddress.ip_network(entry, strict=False)
    return int(network[0]), int(network[-1])


def prefilter(net, version):
    """(how many bits of an address it leaves out, whether it is asked before the hosts)"""
    if version == 6:
        return 96, True
    rule = re.search(r"ip saddr & (\S+) (?:== )?@top4\S* (goto in_top4)?",
                     net.nft("list", "chain", *TABLE, "prerouting").stdout)
    if rule is None:
        return 16, False
    mask = int(ipaddress.ip_address(rule.group(1)))
    return (mask & -mask).bit_length() - 1, rule.group(2) is not None


def in_force(net, version, sets=None):
    """What the listed sets of a family hold, and that all behind the prefilter is found through it."""
    sets = sets or table(net)
    hosts = [element_range(e) for name in (f"hosts{version}", f"hosts{version}_b") for e in sets.get(name, [])]
    nets = [element_range(e) for name in (f"nets{version}_a", f"nets{version}_b") for e in sets.get(name, [])]
    tops = {element_range(e)[0] for name in (f"top{version}", f"top{version}_b") for e in sets.get(name, [])}
    shift, first = prefilter(net, version)
    behind = nets + (hosts if first else [])
    for start, end in behind:
        for top in range(start >> shift, (end >> shift) + 1):
            assert top << shift in tops, f"hidden by the prefilter: {ipaddress.ip_address(start)}"
    assert len(tops) == len({t for f, l in behind for t in range(f >> shift, (l >> shift) + 1)})
    return merged(hosts + nets)


def assert_holds(net, entries):
    sets = table(net)
    for version in (4, 6):
        expected = merged(entry_range(e) for e in entries if (":" in e) == (version == 6))
        assert in_force(net, version, sets) == expected


def random_entries(rng, count):
    entries = set()
    while len(entries) < count:
        kind = rng.random()
        v4 = ipaddress.ip_address((rng.randrange(20, 24) << 24) + rng.getrandbits(14))
        v6 = ipaddress.ip_address((0x20010db8 << 96) + (rng.getrandbits(4) << 92) + rng.getrandbits(12))
        if kind < 0.6:
            entries.add(str(v4))
        elif kind < 0.75:
            entries.add(str(ipaddress.ip_network(f"{v4}/{rng.randrange(22, 32)}", strict=False)))
        elif kind < 0.9:
            entries.add(str(v6))
        else:
            entries.add(str(ipaddress.ip_network(f"{v6}/{rng.randrange(36, 128)}", strict=False)))
    return sorted(entries)


def test_nft_reads_what_it_prints(net, engine, write):
    """A ruleset saved with our table in it can be loaded again."""
    engine.do(f"apply drop={write(random_entries(random.Random(5), 100))}")
    saved = net.nft("-s", "list", "ruleset").stdout
    net.nft("-c", "-f", "-", text="flush ruleset\n" + saved)
    assert "typeof @nh,64,32" in saved


def test_sets_hold_exactly_the_list(net, engine, write):
    rng = random.Random(11)
    entries = random_entries(rng, 400)
    for step in range(12):
        engine.do(f"apply drop={write(entries)}")
        assert_holds(net, entries)
        if step % 4 == 3:
            entries = random_entries(rng, rng.choice((1, 50, 600)))
        else:
            kept = rng.sample(entries, len(entries) * 9 // 10)
            entries = sorted(set(kept) | set(random_entries(rng, 40)))
    engine.do(f"apply drop={write([INNOCENT4])}")
    assert_holds(net, [INNOCENT4])


def test_listed_addresses_are_cut_off_both_ways(net, engine, write):
    assert net.out(LISTED4) and net.inward(LISTED4) and net.out(INSIDE6) and net.through(LISTED4)
    engine.do(f"apply drop={write(LIST)}")
    for address in (LISTED4, INSIDE4, LISTED6, INSIDE6):
        assert not net.out(address), address
        assert not net.inward(address), address
        assert not net.through(address), address
        assert engine.do(f"check {address}")["listed"] == "yes"
    for address in (INNOCENT4, INNOCENT6):
        assert net.out(address) and net.inward(address) and net.through(address), address
        assert engine.do(f"check {address}")["listed"] == "no"
    for just_outside in ("203.0.112.255", "203.0.114.0", "2001:db8:1:ffff::", "2001:db8:3::"):
        assert engine.do(f"check {just_outside}")["listed"] == "no"
    seen = {(s["remote"], s["dir"]): s["packets"] for s in engine.do("seen")["seen"]}
    assert set(seen) == {(a, d) for a in (LISTED4, INSIDE4, LISTED6, INSIDE6) for d in ("in", "out")}
    # one ping in; out one from host and guest each, and ping itself tries again after EPERM
    assert all(n == 1 if d == "in" else n >= 2 for (_, d), n in seen.items())
    assert engine.do("stat")["drops"] == sum(seen.values())
    engine.do(f"apply drop={write([PREFIX4, PREFIX6])}")
    assert net.out(LISTED4) and net.inward(LISTED6) and not net.out(INSIDE4)


def test_modes(net, engine, write):
    engine.do(f"apply drop={write(LIST)}")
    for mode, passes in (("watch", True), ("drop", False), ("watch", True)):
        engine.do(f"mode {mode}")
        assert engine.do("stat")["mode"] == {"watch": 1, "drop": 2}[mode]
        assert net.out(LISTED4) is passes and net.inward(INSIDE6) is passes
    assert engine.do("stat")["watched"] > 0
    # the counters outlive the rules
    assert engine.do("stat")["drops"] > 0
    engine.do("mode off")
    assert net.nft("list", "table", *TABLE, check=False).returncode != 0
    engine.do("mode drop")
    engine.do(f"apply drop={write(LIST)}")
    assert not net.out(LISTED4)
    # our own changes are no news
    assert engine.do("watch")["changes"] & ~ADDRESSES == 0


CONNECT = """
import errno, socket, sys, time
began = time.monotonic()
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
sock.settimeout(1)
try:
    sock.connect((sys.argv[1], 9))
    print("connected")
except OSError as error:
    print(errno.errorcode.get(error.errno, "timeout"), time.monotonic() - began < 0.5)
"""


def connect(net, ns, target):
    return run("ip", "netns", "exec", ns, sys.executable, "-c", CONNECT, target).stdout.split()


def test_actions_of_entries(net, engine, write):
    drop, reject, watch = write([LISTED4]), write([PREFIX4, LISTED6]), write([INNOCENT4, PREFIX6, LISTED4])
    engine.do(f"apply drop={drop} reject={reject} watch={watch}")
    assert connect(net, net.host, LISTED4) == ["timeout", "False"]
    for target in (INSIDE4, LISTED6):
        assert connect(net, net.host, target) == ["ECONNREFUSED", "True"]
        assert connect(net, net.guest, target) == ["ECONNREFUSED", "True"]
        # inbound it is dropped: strangers get no answer
        assert not net.inward(target)
    for target in (INNOCENT4, INSIDE6):
        assert net.out(target) and net.inward(target)
    seen = {(s["remote"], s["dir"]) for s in engine.do("seen")["seen"]}
    assert (LISTED4, "out") in seen and (LISTED4, "in") not in seen
    # of the reset that comes back over lo nothing was counted: one ping in
    counts = {(s["remote"], s["dir"]): s["packets"] for s in engine.do("seen")["seen"]}
    assert counts[(INSIDE4, "in")] == counts[(LISTED6, "in")] == 1
    engine.do("mode watch")
    # the peer itself refuses: nothing listens there
    assert connect(net, net.host, LISTED4) == ["ECONNREFUSED", "True"]
    assert net.out(INSIDE4) and net.inward(LISTED6)
    engine.do("mode drop")
    engine.do(f"apply drop={watch} watch={reject}")
    assert not net.out(INNOCENT4) and not net.out(LISTED4) and net.out(INSIDE4) and net.out(LISTED6)


def test_panic_resume_purge_by_another_process(net, engine, write):
    engine.do(f"apply drop={write(LIST)}")
    for command, passes in (("panic", True), ("panic", True), ("resume", False), ("panic", True)):
        other = Engine(net)
        other.do("open drop 7411")
        other.do(command)
        assert other.close() == 0
        assert net.out(LISTED4) is passes
    changes, _ = engine.events(PANIC)
    assert changes & PANIC and not changes & DAMAGED
    # an update during a panic keeps it
    engine.do(f"apply drop={write(LIST + ['198.51.100.8', '198.18.0.0/16'])}")
    assert net.out(LISTED4) and engine.do("stat")["dormant"] == 1
    # and so does making the table anew
    net.nft("flush", "ruleset")
    assert engine.events(DAMAGED)[0] & DAMAGED
    engine.do(f"apply drop={write(LIST)}")
    assert net.out(LISTED4)
    engine.do("resume")
    assert not net.out(LISTED4)
    net.nft("add", "table", *TABLE, "{ flags dormant; }")
    assert engine.events(PANIC)[0] & PANIC
    assert net.out(LISTED4)
    net.nft("add", "table", *TABLE)
    assert engine.events(RESUME)[0] & RESUME
    assert not net.out(LISTED4)
    other = Engine(net)
    other.do("open drop 7411")
    other.do("purge")
    other.do("purge")
    other.do("panic")
    assert other.close() == 0
    assert net.nft("list", "table", *TABLE, check=False).returncode != 0


@pytest.mark.parametrize("damage, what", [
    (["flush", "ruleset"], "table"),
    (["delete", "table", *TABLE], "table"),
    (["flush", "set", *TABLE, "hosts4"], "set hosts4"),
    (["delete", "element", *TABLE, "hosts6", f"{{ {LISTED6} }}"], "set hosts6"),
    (["delete", "element", *TABLE, "nets4_a", f"{{ {PREFIX4} }}"], "set nets4_a"),
    (["flush", "chain", *TABLE, "prerouting"], "chain prerouting"),
    (["insert", "rule", *TABLE, "in_hit", "accept"], "chain in_hit"),
])
def test_damage_is_noticed_and_undone(net, engine, write, damage, what):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    engine.do("watch")
    net.nft(*damage)
    changes, event = engine.events(DAMAGED)
    assert changes & DAMAGED and event["what"] == what
    assert event["program"] == "nft" and event["pid"] > 0
    engine.do(f"apply drop={path}")
    assert_holds(net, LIST)
    for address in (LISTED4, INSIDE4, LISTED6, INSIDE6):
        assert not net.inward(address), address
    assert engine.do("watch")["changes"] & DAMAGED == 0


def test_what_is_not_ours_is_left_alone(net, engine, write):
    engine.do(f"apply drop={write(LIST)}")
    engine.do("watch")
    net.nft("add", "table", "inet", "other")
    net.nft("add", "chain", *TABLE, "mine")
    net.nft("add", "rule", *TABLE, "mine", "counter")
    net.nft("add", "element", *TABLE, "allow4", f"{{ {LISTED4} }}")
    # of all this only the exception is told, to be kept
    assert engine.events(ALLOW)[0] == ALLOW
    engine.do(f"apply drop={write(LIST + ['198.18.0.0/16'])}")
    assert "counter" in net.nft("list", "chain", *TABLE, "mine").stdout
    net.nft("delete", "table", "inet", "other")


def test_exceptions_of_the_admin_are_kept(net, engine, write):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    net.nft("add", "element", *TABLE, "allow4", f"{{ 203.0.113.8-203.0.113.10, {LISTED4} }}")
    net.nft("add", "element", *TABLE, "allow6", "{ 2001:db8:2::/64, ffff:: }")
    assert net.out(LISTED4) and net.inward(INSIDE4) and net.out(INSIDE6) and not net.out(LISTED6)
    before = {name: table(net)[name] for name in ("allow4", "allow6")}
    engine.do("watch")
    epoch = engine.do("stat")["epoch"]
    for undo in ("apply", "flush", "purge", "restart"):
        if undo == "flush":
            net.nft("flush", "ruleset")
            assert engine.events(DAMAGED)[0] & DAMAGED
        elif undo == "purge":
            engine.do("purge")
        elif undo == "restart":
            engine.do("close")
            engine.do("open drop 7411")
        engine.do(f"apply drop={path}")
        assert {name: table(net)[name] for name in before} == before
        assert net.out(LISTED4) and not net.out(LISTED6)
        # the seen counters start anew with a new table, and with nothing else
        assert (engine.do("stat")["epoch"] != epoch) is (undo in ("flush", "purge"))
        epoch = engine.do("stat")["epoch"]
    assert engine.do("stat")["allowed"] > 0
    assert engine.do(f"check {LISTED4}")["allow"] == "yes"
    assert {s["remote"]: s["allow"] for s in engine.do("seen")["seen"]} == {LISTED4: True, LISTED6: False}


def test_nobody_is_locked_out(net, write):
    """A list of everything, and still: own addresses, gateway, admin, link-local."""
    engine = Engine(net)
    engine.do("open drop - 192.0.2.0/24")
    run("ip", "-n", net.host, "route", "add", "default", "via", "10.77.1.2")
    try:
        engine.do(f"apply drop={write(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'])}")
        for target in ("127.0.0.1", "10.77.1.1", "10.77.1.2", INNOCENT4, "::1", "fd77:1::1"):
            assert net.out(target), target
        assert net.inward(INNOCENT4)
        assert not net.out(LISTED4) and not net.out("10.77.2.2") and not net.out("fd77:1::2")
        assert engine.do("check 169.254.169.254")["protect"] == "yes"
        assert engine.do("check fd00:ec2::254")["protect"] == "yes"
        assert engine.do("stat")["protected"] > 0 and engine.do("stat")["log"] == 0
        assert {s["remote"]: s["protect"] for s in engine.do("seen")["seen"]}[INNOCENT4] is True
        # the neighbour is still found, and a new own address is protected at once
        run("ip", "-n", net.host, "neigh", "flush", "all")
        assert net.inward(INNOCENT4)
        engine.do("watch")
        run("ip", "-n", net.host, "addr", "add", "10.99.0.1/32", "dev", "lo")
        assert not net.out("10.99.0.1")
        assert engine.events(ADDRESSES)[0] & ADDRESSES
        engine.do("protect")
        assert net.out("10.99.0.1") and engine.do("check 10.99.0.1")["protect"] == "yes"
    finally:
        run("ip", "-n", net.host, "addr", "del", "10.99.0.1/32", "dev", "lo", check=False)
        run("ip", "-n", net.host, "route", "del", "default", check=False)
        engine.do("purge")
        assert engine.close() == 0


def test_growth_restart_and_taking_over(net, engine, write):
    base = [LISTED4, PREFIX4, LISTED6]
    more = [f"20.{i >> 8}.{i & 255}.{i * 7 & 255}" for i in range(5000)]
    for count in (0, 1400, 1500, 1600, 5000, 10):
        engine.do(f"apply drop={write(base + more[:count])}")
        assert_holds(net, base + more[:count])
    # killed in the middle of anything: the next one finds whatever is there
    for kill_after in (0.0, 0.01, 0.03, 0.06):
        other = Engine(net)
        other.do("open drop 7411")
        other.process.stdin.write(f"apply drop={write(base + more)}\n")
        other.process.stdin.flush()
        try:
            other.process.wait(timeout=kill_after)
        except subprocess.TimeoutExpired:
            other.process.kill()
        other.process.wait()
        assert not net.inward(LISTED4)
    successor = Engine(net)
    successor.do("open drop 7411")
    successor.do(f"apply drop={write(base + more[:100])}")
    assert_holds(net, base + more[:100])
    names = set(table(net))
    assert len(names & {"hosts4", "hosts4_b"}) == len(names & {"nets4_a", "nets4_b"}) == 1
    assert successor.close() == 0


FLOOD = """
import socket, sys, time
source, target, stop = sys.argv[1], sys.argv[2], float(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((source, 0))
sock.connect((target, 4000))
sent, until = 0, time.monotonic() + stop
while time.monotonic() < until and not sys.stdin.closed:
    for _ in range(64):
        try:
            sock.send(b"x")
            sent += 1
        except OSError:
            pass
print(sent)
"""

RECEIVE = """
import select, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.77.1.1", 4000))
print("ready", flush=True)
count = 0
while True:
    ready, _, _ = select.select([sock, sys.stdin], [], [])
    if sock in ready:
        sock.recv(64)
        count += 1
    elif sys.stdin in ready:
        break
print(count, flush=True)
"""


def test_no_packet_slips_through_an_update(net, engine, write):
    """The flooding address moves between hosts and prefixes, and everything around it changes."""
    filler = [f"20.{i >> 8}.{i & 255}.{i * 7 & 255}" for i in range(3000)]
    stays = LISTED4
    shapes = [
        [stays] + filler[:1000],
        [stays] + filler[500:1500],             # churn in place
        ["198.51.100.0/26"] + filler[:1000],    # the host becomes part of a prefix
        ["198.51.100.0/25"] + filler[:1000],    # the prefix is reshaped
        [stays] + filler[:1000],                # and a host again
        [stays] + filler,                       # past the size of the set
        ["198.51.96.0/20"] + filler[2000:],
        [stays, "198.51.0.0/27"] + filler[:10],  # far below the size
    ]
    paths = [write(shape) for shape in shapes]
    engine.do(f"apply drop={paths[0]}")
    receiver = subprocess.Popen(["ip", "netns", "exec", net.host, sys.executable, "-c", RECEIVE], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert receiver.stdout.readline() == "ready\n"
    flood = subprocess.Popen(["ip", "netns", "exec", net.peer, sys.executable, "-c", FLOOD, stays, "10.77.1.1", "8"],
                             text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    updates = 0
    while flood.poll() is None:
        engine.do(f"apply drop={paths[updates % len(paths)]}")
        updates += 1
    sent = int(flood.communicate()[0])
    seen = engine.do("seen")["seen"]
    # the same flood is received when nothing stops it: the test can see a leak
    received = receiver.communicate("\n")[0]
    assert int(received) == 0, f"{received} of {sent} packets in {updates} updates"
    assert updates > 20 and sent > 10000
    assert [(s["remote"], s["dir"], s["packets"]) for s in seen] == [(stays, "in", sent)]


def test_updates_beside_other_programs(net, engine, write):
    """Foreign transactions break dumps off and move the generation."""
    script = "while :; do nft add table inet other; nft delete table inet other; nft list ruleset >/dev/null; done"
    busy = subprocess.Popen(["ip", "netns", "exec", net.host, "sh", "-c", script])
    rng = random.Random(5)
    try:
        for _ in range(15):
            entries = random_entries(rng, 300)
            engine.do(f"apply drop={write(entries)}")
            engine.do("seen")
            engine.do("stat")
        assert engine.do("watch")["changes"] & DAMAGED == 0
    finally:
        busy.kill()
        busy.wait()
    net.nft("delete", "table", "inet", "other", check=False)
    assert_holds(net, entries)


def test_a_missing_right_is_named(net):
    engine = Engine(net, "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    answer = engine.ask("open drop 7411")
    assert answer["error"] == -errno.EPERM and "CAP_NET_ADMIN" in answer["text"]
    assert engine.close() == 0


def test_the_table_reads_like_documentation(net, engine, write):
    engine.do(f"apply drop={write(LIST)} reject={write(['198.18.0.0/16'])}")
    text = net.nft("-t", "list", "table", *TABLE).stdout
    assert "nft add table inet threatlistd '{ flags dormant; }'" in text
    listing = json.loads(net.nft("-j", "-t", "list", "table", *TABLE).stdout)["nftables"]
    for item in listing:
        for kind in ("set", "counter"):
            if kind in item and kind == "set":
                assert len(item[kind]["name"]) <= 15
    assert text.count("comment ") >= 30
    # nft takes its own print back
    whole = net.nft("list", "table", *TABLE).stdout
    net.nft("-c", "-f", "-", text=f"delete table inet threatlistd\n{whole}")


@pytest.mark.skipif(ASAN, reason="size and speed are the plain build's")
def test_a_million_and_a_half(net, engine, tmp_path):
    path = tmp_path / "large"
    with path.open("w") as out:
        subprocess.run([str(BUILD / "test/system/tool_genlist"), "1500000", "3"], stdout=out, check=True)
    engine.do(f"apply drop={path}")
    assert sum(n for name, n in engine.do("stat")["sets"].items() if name.startswith(("hosts", "nets"))) > 1_300_000
    lines = path.read_text().split()
    for entry in random.Random(2).sample(lines, 50):
        address = entry.split("/")[0]
        assert engine.do(f"check {address}")["listed"] == "yes"
    engine.do("purge")
