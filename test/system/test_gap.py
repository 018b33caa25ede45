# SPDX-License-Identifier: GPL-3.0-or-later
"""No packet of an address that stays listed slips through while the list around it changes.

Floods run as fast as a veth gives, to and from the host; counters of another program's table, behind ours, count
what got past.  SOAK=1 does the full number of updates of each kind, and shows that a naive order is caught."""

import contextlib
import ipaddress
import json
import os
import signal
import subprocess

import pytest

from test_kernel import ASAN, BUILD, TABLE, Engine, Net, run

SOAK = bool(os.environ.get("SOAK"))
UPDATES = 100 if SOAK else 5
SWITCHES = 1000 if SOAK else 30
NAIVE_SWITCHES = 200
SIZE = 20000 if SOAK else 4000
PREFIXES = 10000 if SOAK else 2000

# each stays listed throughout: alone, within a prefix, and now so, now so
STAY = ["198.51.100.7", "203.0.113.9", "192.0.2.7"]
ALWAYS = [STAY[0], "203.0.113.0/24"]
AS_HOST, AS_PREFIX = STAY[2], "192.0.2.0/25"

PAST = f"""table inet past {{
 counter came {{ }}
 counter went {{ }}
 chain came {{ type filter hook prerouting priority -250; policy accept;
  iifname "peer0" ip saddr {{ {', '.join(STAY)} }} counter name came drop
 }}
 chain went {{ type filter hook output priority -250; policy accept;
  ip daddr {{ {', '.join(STAY)} }} counter name went drop
 }}
}}
"""

# nothing of it is ours, but it breaks off dumps and moves the generation
FOREIGN = "while :; do nft add table inet other; nft list ruleset >/dev/null; nft delete table inet other; done"


def host(i):
    return f"20.{i >> 14 & 255}.{i >> 6 & 255}.{i * 4 & 255 | 1}"


def hosts(first, count):
    return [host(i) for i in range(first, first + count)]


def prefixes(shape):
    """The same addresses: as /24, as halves, as single hosts at the start, or merged with the neighbour."""
    for i in range(PREFIXES):
        high, low = 30 + (i >> 15), f"{i >> 7 & 255}.{i * 2 & 255}"
        kind = (i + shape) % 4
        if kind == 0:
            yield f"{high}.{low}.0/24"
        elif kind == 1:
            yield f"{high}.{low}.0/25"
            yield f"{high}.{low}.128/26"
        elif kind == 2:
            yield f"{high}.{low}.1"
            yield f"{high}.{low}.9"
        else:
            yield f"{high}.{low}.0/23"


def churn(step):
    return [AS_HOST] + hosts(step * SIZE // 100, SIZE)


def replacement(step):
    return [AS_HOST, AS_PREFIX][step % 2:][:1] + hosts(step % 7 * SIZE, SIZE)


def reshaping(step):
    return [AS_HOST, AS_PREFIX, "192.0.2.0/26", "192.0.0.0/20"][step % 4:][:1] + list(prefixes(step))


def growth(step):
    return [AS_PREFIX, AS_HOST][step % 2:][:1] + hosts(0, (10, 2000, 4000, 12000, 100)[step % 5])


def moving(step):
    return [(AS_HOST, AS_PREFIX)[step % 2]]


def loneliness(step):
    """Hosts close to each other, and far: the prefilter is one of everything, and of prefixes alone."""
    lonely = [f"{40 + (i >> 12)}.{i >> 4 & 255}.{(i & 15) << 4}.1" for i in range(13000)]
    return [AS_HOST, AS_PREFIX][step // 2 % 2:][:1] + (lonely if step % 2 else hosts(0, 100))


@pytest.fixture(scope="module")
def net():
    net = Net()
    try:
        net.build()
        yield net
    finally:
        net.destroy()


@contextlib.contextmanager
def program(ns, *words, **kwargs):
    process = subprocess.Popen(["ip", "netns", "exec", ns, *map(str, words)], text=True, **kwargs)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextlib.contextmanager
def floods(net, tmp_path):
    """From the listed addresses and to them, for as long as it takes."""
    listed = tmp_path / "listed"
    listed.write_bytes(b"".join(bytes(map(int, a.split("."))) for a in STAY))
    mac = json.loads(run("ip", "-n", net.host, "-j", "link", "show", "peer0").stdout)[0]["address"]
    tool = BUILD / "test/system/tool_flood"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with program(net.peer, tool, "-m", mac, "host0", "10.77.1.1", listed, **pipes) as inward, \
            program(net.host, tool, "-d", "peer0", "10.77.1.1", listed, **pipes) as outward:
        assert inward.stderr.readline() == outward.stderr.readline() == "ready\n"
        yield inward, outward


def stopped(process):
    """ip-netns-exec becomes the program that it starts."""
    process.send_signal(signal.SIGTERM)
    return json.loads(process.communicate(timeout=30)[0])


def past(net):
    listing = json.loads(net.nft("-j", "list", "counters", "table", "inet", "past").stdout)["nftables"]
    return {item["counter"]["name"]: item["counter"]["packets"] for item in listing if "counter" in item}


def packets_of(net, change, updates, tmp_path):
    """What got past, and what was sent, in that many changes."""
    net.nft("-f", "-", text=PAST)
    try:
        with floods(net, tmp_path) as (inward, outward):
            for step in range(updates):
                change(step)
            sent = stopped(inward)["sent"], stopped(outward)["refused"]
        return past(net), sent
    finally:
        net.nft("delete", "table", "inet", "past")


@pytest.mark.skipif(ASAN, reason="how fast changes follow is the plain build's")
@pytest.mark.parametrize("kind, updates", [
    (churn, UPDATES), (replacement, UPDATES), (reshaping, UPDATES), (growth, UPDATES), (loneliness, UPDATES),
    (moving, SWITCHES),
], ids=lambda value: getattr(value, "__name__", ""))
def test_nothing_gets_past(net, tmp_path, kind, updates):
    engine = Engine(net)
    engine.do("open drop 7413")
    lists = []
    for step in range(min(updates, 20)):
        path = tmp_path / f"list{step}"
        path.write_text("\n".join(ALWAYS + kind(step)) + "\n")
        lists.append(path)

    def change(step):
        engine.do(f"apply drop={lists[step % len(lists)]}")
        if step % 10 == 1:
            before, now = (ALWAYS + kind(n % len(lists)) for n in (step - 1, step))
            come, gone = sorted(set(now) - set(before)), sorted(set(before) - set(now))
            assert come == [] or engine.do(f"check {come[0].split('/')[0]}")["listed"] == "yes"
            left = [g.split("/")[0] for g in gone[:5]]
            for address in left:
                covered = any(ipaddress.ip_address(address) in ipaddress.ip_network(e) for e in now)
                assert engine.do(f"check {address}")["listed"] == ("yes" if covered else "no")

    try:
        change(0)
        with program(net.host, "sh", "-c", FOREIGN, stderr=subprocess.DEVNULL):
            leaked, sent = packets_of(net, change, updates, tmp_path)
        assert leaked == {"came": 0, "went": 0}, f"of {sent} packets in {updates} updates"
        assert min(sent) > 1000
        # exactly what was sent is what was counted: nothing was accepted somewhere else
        seen = {"in": 0, "out": 0}
        for one in engine.do("seen")["seen"]:
            seen[one["dir"]] += one["packets"]
        assert seen == {"in": sent[0], "out": sent[1]}
    finally:
        net.nft("delete", "table", "inet", "other", check=False)
        engine.do("purge")
        assert engine.close() == 0


@pytest.mark.skipif(not SOAK, reason="only how a naive order leaks: SOAK=1")
def test_a_naive_order_would_be_caught(net, tmp_path):
    """An interval set is made, filled and first referred to in one transaction."""
    def script(turn, first):
        filler = ", ".join(f"30.{i >> 8 & 255}.{i & 255}.0/25" for i in range(1000))
        lines = [] if first else ["flush chain inet naive pre"]
        return "\n".join(lines + [
            "add table inet naive",
            "add chain inet naive pre { type filter hook prerouting priority -310; policy accept; }",
            f"add set inet naive nets{turn} {{ type ipv4_addr; flags interval; }}",
            f"add element inet naive nets{turn} {{ {', '.join(STAY)}, {filler} }}",
            f"add rule inet naive pre ip saddr @nets{turn} drop"] +
            ([] if first else [f"delete set inet naive nets{1 - turn}"]) + [""])

    net.nft("-f", "-", text=script(0, True))
    try:
        leaked, sent = packets_of(net, lambda step: net.nft("-f", "-", text=script((step + 1) % 2, False)),
                                  NAIVE_SWITCHES, tmp_path)
        print(f"naive order: {leaked['came']} of {sent[0]} packets got past in {NAIVE_SWITCHES} switches")
        assert leaked["came"] > 0
    finally:
        net.nft("delete", "table", "inet", "naive")
