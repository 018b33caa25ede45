#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an ordinary packet, one of no listed address, pays for the membership test.

Two namespaces and a veth; a flood from one pinned CPU ends in a chain that drops everything behind the rules
that are measured.  Every figure is the median over rounds, less that of an empty chain: nanoseconds added to
a packet.  In a round all contenders have PASSES turns, one after the other, and what counts is the fastest
turn of each: other machines on the same host only ever add.  Cold: half a million random remotes in turn;
warm: a thousand.  The contenders hold the same list: our table, one interval set, and ipset hash:net."""

import bisect
import contextlib
import ipaddress
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from kernel import cover, generate, say, write_ipset
from lab import BUILD, run

ROUNDS = int(os.environ.get("ROUNDS", "15"))
PASSES = int(os.environ.get("PASSES", "6"))
PACKETS = int(os.environ.get("PACKETS", "20000"))
ENTRIES = int(os.environ.get("ENTRIES", "250000"))
CPU = os.environ.get("CPU", "1")
REMOTES = {"cold": 500000, "warm": 1000}
HOST = {4: "10.91.0.1", 6: "fd91::1"}
CONTENDERS = ("empty", "ours", "interval set", "ipset hash:net")
LOG_GROUP = 7911
# behind all contenders, whose chains are at -310 and (iptables) -300
SINK = """table inet sink {
 chain p {
  type filter hook prerouting priority -250; policy drop;
 }
}
"""


class Line:
    """host with the rules, and peer that floods it and takes what it sends."""

    count = 0

    def __enter__(self):
        Line.count += 1
        self.host, self.peer = (f"tlb{os.getpid()}{name}{Line.count}" for name in "hp")
        for ns in (self.host, self.peer):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        run("ip", "-n", self.host, "link", "add", "peer0", "type", "veth", "peer", "name", "host0", "netns", self.peer)
        for ns, device in ((self.host, "peer0"), (self.peer, "host0")):
            run("ip", "-n", ns, "link", "set", device, "arp", "off", "up")
        for version, address in HOST.items():
            run("ip", "-n", self.host, "addr", "add", f"{address}/{24 if version == 4 else 64}", "dev", "peer0",
                *(["nodad"] if version == 6 else []))
            run("ip", "-n", self.host, f"-{version}", "route", "add", "default", "dev", "peer0")
        run("ip", "netns", "exec", self.peer, "nft", "-f", "-", input=SINK)
        self.mac = json.loads(run("ip", "-n", self.host, "-j", "link", "show", "peer0").stdout)[0]["address"]
        return self

    def __exit__(self, *_):
        for ns in (self.host, self.peer):
            run("ip", "netns", "del", ns, check=False)

    def inside(self, *command, **kwargs):
        return run("ip", "netns", "exec", self.host, *command, **kwargs)

    def flood(self, way, version, remotes, first):
        """CPU nanoseconds for each packet; first of the remotes to begin with."""
        words = [BUILD / "test/system/tool_flood", "-c", CPU, "-f", first, "-n", PACKETS]
        if way == "in":
            ns, device, words = self.peer, "host0", words + ["-m", self.mac]
        else:
            ns, device, words = self.host, "peer0", words + ["-d"]
        done = run("ip", "netns", "exec", ns, *words, device, HOST[version], remotes)
        answer = json.loads(done.stdout)
        return answer["cpu_seconds"] / (answer["sent"] + answer["refused"]) * 1e9


def random_remotes(version, rng):
    """Public IPv4 addresses, or addresses all over the prefixes that IPv6 lists are about."""
    if version == 4:
        return (rng.randrange(1, 224) << 24) | rng.getrandbits(24)
    return (0x2a00 << 112) | (rng.getrandbits(28) << 84) | rng.getrandbits(84)


def write_remotes(work, prefixes, version, count):
    """Remotes that are not listed."""
    ranges = sorted((int(n[0]), int(n[-1])) for n in
                    (ipaddress.ip_network(p) for p in prefixes if (":" in p) == (version == 6)))
    firsts, rng, out = [r[0] for r in ranges], random.Random(3), bytearray()
    left = count
    while left:
        remote = random_remotes(version, rng)
        at = bisect.bisect_right(firsts, remote) - 1
        if at >= 0 and remote <= ranges[at][1]:
            continue
        out += remote.to_bytes(4 if version == 4 else 16, "big")
        left -= 1
    path = work / f"remotes{version}-{count}"
    path.write_bytes(out)
    return path


class Contender:
    """Rules in front of the chain that ends the flood."""

    def __init__(self, line, work, name, path, prefixes):
        self.line, self.name, self.path = line, name, path
        self.own = {v: [p for p in prefixes if (":" in p) == (v == 6)] for v in (4, 6)}
        self.nft = work / "interval.nft"
        self.ipset = write_ipset(work, prefixes, "peer.ipset") if name.startswith("ipset") else None

    def __enter__(self):
        if self.name == "ours":
            self.line.inside(BUILD / "test/system/tool_enforce",
                             input=f"open drop {LOG_GROUP}\napply drop={self.path}\n", timeout=300)
        elif self.name == "interval set":
            self.load(self.interval_sets(), [f"ip{'6' if v == 6 else ''} {{}} @s{v} drop" for v in (4, 6)])
        elif self.name == "empty":
            self.load("", [])
        else:
            self.line.inside("ipset", "restore", "-file", self.ipset)
            for version, tool in ((4, "iptables"), (6, "ip6tables")):
                for chain, side in (("PREROUTING", "src"), ("OUTPUT", "dst")):
                    self.line.inside(tool, "-t", "raw", "-A", chain, "-m", "set", "--match-set", f"s{version}",
                                     side, "-j", "DROP")
        self.line.inside("nft", "-f", "-", input=SINK)
        return self

    def interval_sets(self):
        return "".join(f" set s{v} {{ type ipv{v}_addr; flags interval; elements = {{ {', '.join(own)} }}; }}\n"
                       for v, own in self.own.items())

    def load(self, sets, rules):
        chains = "".join(f" chain {hook} {{ type filter hook {hook} priority -310; policy accept;\n" +
                         "".join(f"  {rule.format(side)}\n" for rule in rules) + " }\n"
                         for hook, side in (("prerouting", "saddr"), ("output", "daddr")))
        self.nft.write_text(f"table inet peer {{\n{sets}{chains}}}\n")
        self.line.inside("nft", "-f", self.nft, timeout=300)

    def __exit__(self, *_):
        self.line.inside("nft", "flush", "ruleset")
        if self.ipset is not None:
            self.line.inside("ipset", "destroy")


def measure(lines, kind, remotes, number):
    """A round: the fastest of each contender's turns."""
    way, version, heat = kind
    turns = {name: [] for name in CONTENDERS}
    for turn in range(number * PASSES, (number + 1) * PASSES):
        for name in CONTENDERS:
            turns[name].append(lines[name].flood(way, version, remotes[version, heat], turn * PACKETS))
    return {name: min(costs) for name, costs in turns.items()}


def bench(work, shape, cases):
    path = generate(work, ENTRIES, shape)
    prefixes = cover(path)
    remotes = {(v, heat): write_remotes(work, prefixes, v, n) for v in (4, 6) for heat, n in REMOTES.items()}
    kinds = [(way, version, heat) for way, version in cases for heat in REMOTES]
    costs = {(name, kind): [] for name in CONTENDERS for kind in kinds}
    lines = {}
    # all contenders stay loaded, each on a line of its own: a round is a moment for all of them
    with contextlib.ExitStack() as stack:
        for name in CONTENDERS:
            lines[name] = stack.enter_context(Line())
            stack.enter_context(Contender(lines[name], work, name, path, prefixes))
        for number in range(ROUNDS):
            for kind in kinds:
                for name, cost in measure(lines, kind, remotes, number).items():
                    costs[name, kind].append(cost)
    for kind in kinds:
        way, version, heat = kind
        base = statistics.median(costs["empty", kind])
        added = {name: statistics.median(costs[name, kind]) - base for name in CONTENDERS[1:]}
        title = f"{shape}, IPv{version} {way}, {heat}"
        say(f"{title}: a packet, empty chain", base, "ns")
        for name, cost in added.items():
            say(f"{title}: added by {name}", cost, "ns")
        for name in CONTENDERS[2:]:
            say(f"{title}: ours / {name}", added["ours"] / added[name], "x")


def main():
    with tempfile.TemporaryDirectory(prefix="threatlistd-bench-") as folder:
        work = pathlib.Path(folder)
        bench(work, "mixed", [("in", 4), ("out", 4), ("in", 6), ("out", 6)])
        bench(work, "spread", [("in", 4), ("out", 4)])


if __name__ == "__main__":
    main()
