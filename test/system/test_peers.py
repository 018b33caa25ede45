# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that users of other tools reported and that no other test here is about: test/PEERS.md has them all."""

import ipaddress
import os
import random
import re
import signal
import subprocess

import pytest

from lab import (AGENT6, AGENT_AT_INNOCENT, AGENT_AT_LISTED, BUILD, INNOCENT, LISTED, LISTED6, SANITIZED, run, until)

TABLE = ("inet", "threatlistd")
MAY_END = re.compile(r"seen_|seen_ep|protect_ep|armed$|isolate_armed$|wide")


def sets(lab):
    return {i["set"]["name"]: i["set"] for i in lab.nft_json("list", "table", *TABLE) if "set" in i}


def rules(lab):
    """Chain by chain, without what is counted or numbered."""
    text = lab.nft("-s", "-t", "list", "table", *TABLE).stdout
    return re.sub(r"(@\w+\d)_[ab]\b", r"\1", text[text.index("chain "):])


def turned(names):
    """Without the turn that a set has."""
    return sorted(re.sub(r"_[ab]$", "", name) for name in names)


def in_force(agent, more=0):
    return until(lambda: (now := agent.status()) and now["table"]["list"] > more and now["table"]["list"], 20)


def changed(agent, text):
    before = agent.status()["table"]["list"]
    agent.list.write_text(text)
    agent.ctl("refresh")
    assert in_force(agent, before), agent.log()


def test_no_listed_address_ends_or_spreads_by_itself(lab, agent):
    """Kernel timeouts that nobody renews; auto-merge of nft, which with timeouts made phantom ranges."""
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n198.51.100.0/24\n2a00:4500::/32\n")
    agent.start()
    found = sets(lab)
    assert {"hosts4", "hosts6", "nets4_a", "nets6_a", "top4", "seen_in4"} <= set(found)
    for name, one in found.items():
        assert not one.get("auto-merge"), name
        if not MAY_END.match(name):
            assert "timeout" not in one.get("flags", []) and "timeout" not in one, name
            assert not any(isinstance(e, dict) and "expires" in e.get("elem", {}) for e in one.get("elem", [])), name
    assert "timeout" in found["seen_in4"]["flags"], "the test would see one"


def test_overlapping_entries_are_one_list(lab, agent):
    """The pair that made others refuse the whole load, twice, with a host in it and a prefix around a neighbour."""
    agent.list.write_text("5.188.10.0/23\n5.188.11.0/24\n5.188.11.0/24\n5.188.11.7\n203.0.113.64-203.0.113.70\n"
                          f"203.0.113.66/31\n{LISTED}\n2001:db8:66::60/123\n{LISTED6}\n")
    agent.start()
    assert not [w for w in agent.status()["warnings"] if "source" in w]
    for address in ("5.188.10.0", "5.188.11.7", "5.188.11.255", "203.0.113.64", LISTED, "203.0.113.70", LISTED6):
        words = agent.check(address)
        assert words[1] == "listed" and words[-1] == "yes", words
    for address in ("5.188.9.255", "5.188.12.0", "203.0.113.63", "203.0.113.71", "2001:db8:66::80"):
        words = agent.check(address)
        assert words[1] == "clear" and words[-1] == "no", words
    assert not lab.ping(lab.agent, LISTED, 0.3) and not lab.ping(lab.listed, AGENT6, 0.3)


def test_what_is_gone_already_is_no_failure(lab, agent):
    """ENOENT for one member must not cost the others: taken out by hand just before the list drops it, too."""
    filler = [f"20.1.{i >> 8}.{i & 255}" for i in range(2000)]
    agent.list.write_text("\n".join([LISTED, "203.0.113.70", *filler]) + "\n")
    agent.start()
    enforcer = agent.roles()["enforcer"]
    os.kill(enforcer, signal.SIGSTOP)
    lab.nft("delete", "element", *TABLE, "hosts4", "{ 203.0.113.70, 20.1.0.9, 20.1.0.10 }")
    agent.list.write_text("\n".join([LISTED, "20.2.0.1", *filler[100:]]) + "\n")
    agent.ctl("refresh")
    os.kill(enforcer, signal.SIGCONT)
    assert until(lambda: agent.check("20.2.0.1")[-1] == "yes"), agent.log()
    for address, kernel in ((LISTED, "yes"), (filler[100], "yes"), (filler[-1], "yes"), ("203.0.113.70", "no"),
                            ("20.1.0.9", "no"), (filler[50], "no")):
        assert until(lambda a=address, k=kernel: agent.check(a)[-1] == k, 5), (address, agent.check(address))
    assert sum(len(one.get("elem", [])) for name, one in sets(lab).items() if name.startswith("hosts4")) == 1902


@pytest.mark.skipif(SANITIZED, reason="what it costs is the plain build's")
def test_a_count_is_never_a_dump(lab, agent):
    """Others read 500,000 members back to print their number: 20 s each time, on every scrape."""
    with open(agent.list, "w", encoding="utf-8") as out:
        out.write(run(BUILD / "test/system/tool_genlist", "250000", "7").stdout + f"{LISTED}\n")
    agent.configure(agent="refresh = 1d")
    agent.start()
    assert until(lambda: agent.status()["table"]["generation"] > 0)

    def ticks():
        spent = 0
        for pid in agent.roles().values():
            words = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
            spent += int(words[11]) + int(words[12])
        return spent * 1000 // os.sysconf("SC_CLK_TCK")

    before = ticks()
    dump = os.times()
    lab.nft("list", "set", *TABLE, "hosts4")
    after = os.times()
    dump_ms = (after.children_user + after.children_system - dump.children_user - dump.children_system) * 1000
    for _ in range(30):
        table = agent.status()["table"]
        assert sum(n for name, n in table["sets"].items() if name.startswith(("hosts", "nets"))) > 200_000
    spent = ticks() - before
    print(f"\n30 times status: {spent} ms of all roles; one dump by nft: {dump_ms:.0f} ms")
    assert spent < dump_ms


# strace is told of each call on a socket; one with begin, messages and end is a transaction
TRANSACTION = re.compile(r"^sendmsg\(.*sa_family=AF_NETLINK.*msg_iovlen=3\b.*\) += \d+$")
TRANSFER = re.compile(r"^(send|recv)\w+\(.*sa_family=AF_NETLINK.*\) += (\d+)$")


class Cost:
    """What a change of the list cost the enforcer."""
    def __init__(self, text):
        self.calls = text.splitlines()
        moved = [TRANSFER.match(line) for line in self.calls]
        self.transactions = len([line for line in self.calls if TRANSACTION.match(line)])
        self.sent, self.received = (sum(int(one[2]) for one in moved if one and one[1] == way) for way in ("send", "recv"))

    def __str__(self):
        return f"{len(self.calls)} calls, {self.transactions} transactions, sent {self.sent}, received {self.received} bytes"


def cost_of(lab, agent, *lines):
    """A change to LISTED and these; nobody asks for status meanwhile."""
    out = lab.work / "trace"
    before, generation = agent.log().count("list in force generation="), agent.status()["table"]["list"] + 1
    tracer = subprocess.Popen(["strace", "-s", "0", "-e", "trace=%network", "-o", out, "-p", str(agent.roles()["enforcer"])],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in tracer.stderr.readline()
        agent.list.write_text("\n".join([LISTED, *lines]) + "\n")
        agent.ctl("refresh")
        assert until(lambda: f"list in force generation={generation} " in agent.log(), 30), (before, agent.log())
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)
    cost = Cost(out.read_text())
    print(cost)
    assert cost.transactions > 0 and cost.sent > 0, "the trace shows what it is to count"
    return cost


def host_lines(first, n):
    return [str(ipaddress.IPv4Address(0x14000000 + 2 * i)) for i in range(first, first + n)]


def listed_hosts(lab):
    return {e for name, one in sets(lab).items() if name.startswith("hosts4") for e in one.get("elem", [])}


@pytest.fixture
def any_growth(agent):
    agent.configure(agent="refresh = 1d", enforce="mode = drop\nmax_growth = 1000000%\nmax_shrink = 100%")
    agent.start()


@pytest.mark.usefixtures("any_growth")
def test_a_change_costs_what_changes(lab, agent):
    """40 entries a second: a transaction for each decision, and a dump of the sets for each transaction."""
    whole = cost_of(lab, agent, *host_lines(0, 50000))
    few = cost_of(lab, agent, *host_lines(500, 50000))
    assert few.transactions <= 8 and len(few.calls) < 250, few
    # a thousand of 50,000 changed; the set alone would be a million bytes to read
    assert few.sent * 10 < whole.sent and few.received < 400_000, (few, whole)
    many = cost_of(lab, agent, *host_lines(20500, 50000))
    assert many.transactions <= 8 and len(many.calls) < 250 and many.received < 400_000, many
    assert listed_hosts(lab) == {LISTED, *host_lines(20500, 50000)}


@pytest.mark.usefixtures("any_growth")
def test_a_large_list_is_a_few_transactions(lab, agent):
    """Tens of thousands of entries one by one: half an hour."""
    small = cost_of(lab, agent, *host_lines(0, 2000), "30.0.0.0/24", "30.9.0.0/17")
    prefixes = [f"30.{i >> 8}.{i & 255}.0/{24 + i % 5}" for i in range(0, 20000, 2)]
    large = cost_of(lab, agent, *host_lines(0, 40000), *prefixes)
    for cost in (small, large):
        assert cost.transactions <= 24 and len(cost.calls) < 500, cost
    assert large.transactions <= small.transactions + 8, "whatever is in them"
    assert listed_hosts(lab) == {LISTED, *host_lines(0, 40000)}
    rng = random.Random(21)
    for prefix in rng.sample(prefixes, 30):
        network = ipaddress.ip_network(prefix)
        for address, kernel in ((network[0], "yes"), (network[-1], "yes"), (network[-1] + 1, "no"), (network[0] - 1, "no")):
            assert agent.check(str(address))[-1] == kernel, (prefix, address)


ENDS = re.compile(r"trace id (\w+) inet threatlistd (?:\w+ policy accept|verdict rule .*verdict drop)")


def way_from_innocent(lab):
    """By which rules of ours does a packet go?"""
    lab.nft("add", "table", "ip", "looking")
    lab.nft("add", "chain", "ip", "looking", "first", "{ type filter hook prerouting priority -400; }")
    lab.nft("add", "rule", "ip", "looking", "first", "ip", "saddr", INNOCENT, "meta", "nftrace", "set", "1")
    out = lab.work / "way"
    with open(out, "w", encoding="utf-8") as log:
        monitor = lab.start(lab.agent, "stdbuf", "-oL", "nft", "monitor", "trace", log=log)
    lab.start(lab.innocent, "ping", "-n", "-i", "0.2", "-c", "100", AGENT_AT_INNOCENT)
    try:
        # it reads all sets before it listens
        end = until(lambda: ENDS.search(out.read_text()), 10)
    finally:
        for process in (monitor, lab.processes.pop()):
            process.kill()
            process.wait()
        lab.nft("delete", "table", "ip", "looking")
    assert end, out.read_text()
    return re.findall(rf"trace id {end[1]} inet threatlistd (\w+) rule .*\(verdict (\w+(?: \w+)?)\)", end.string)


def base_rules(lab):
    """By chain that every packet comes by: the sets that each rule asks, in order."""
    found = [item["rule"] for item in lab.nft_json("-t", "list", "table", *TABLE) if "rule" in item]
    return {chain: [re.findall(r"'@(\w+)'", str(rule["expr"])) for rule in found if rule["chain"] == chain]
            for chain in ("prerouting", "output", "forward")}


@pytest.mark.usefixtures("any_growth")
def test_ordinary_packets_meet_no_prefix(lab, agent):
    """50,000 prefixes made every packet slow: each walked through all of them, or through the tree that holds them."""
    changed(agent, f"{LISTED}\n30.0.0.0/24\n")
    few = base_rules(lab)
    rng = random.Random(20)
    networks = rng.sample([n for n in range(30 << 8, 100 << 8)], 4000)
    prefixes = sorted({f"{n >> 8}.{n & 255}.{rng.randrange(256)}.{rng.randrange(4) << 6}/{rng.choice((26, 27, 28, 29))}"
                       for n in networks for _ in range(13)})
    assert len(prefixes) > 50000
    agent.list.write_text("\n".join([LISTED, *prefixes]) + "\n")
    agent.ctl("refresh")
    assert until(lambda: agent.status()["table"]["sets"].get("nets4_a", 0) + agent.status()["table"]["sets"].get("nets4_b", 0)
                 > 40000, 20), agent.log()

    # as many rules as for two entries; the first set that each asks is a hash, the tree comes after it
    asked = base_rules(lab)
    assert all(len(asked[chain]) <= len(few[chain]) + 1 for chain in few), (few, asked)
    kinds = sets(lab)
    for chain, rule in ((chain, rule) for chain in asked for rule in asked[chain]):
        assert rule and "interval" not in kinds[rule[0]].get("flags", []), (chain, rule)
    # with nothing in it but leading bits of the list's own: 4,000 of 65,536 networks
    top = {e.rsplit(".", 2)[0] for name, one in kinds.items() if name.startswith("top4") for e in one["elem"]}
    assert top - {LISTED.rsplit(".", 2)[0]} == {prefix.rsplit(".", 2)[0] for prefix in prefixes} and len(top) < 4100
    # and that is where an ordinary packet's way ends; one from beside a listed prefix goes on, one from within is dropped
    assert way_from_innocent(lab) == []
    for extra, end in (("192.0.2.128/28", None), ("192.0.2.0/28", ("verdict", "drop"))):
        changed(agent, "\n".join([LISTED, extra, *prefixes]) + "\n")
        way = way_from_innocent(lab)
        assert way[-1:] == [end] if end else all(verdict != "drop" for _, verdict in way), way


def test_nothing_piles_up(lab, agent):
    """A drop rule more at each run, chains of failed starts, sets of turns that nobody cleared away."""
    agent.start()
    assert in_force(agent)
    as_it_was, names = rules(lab), turned(sets(lab))
    for round_ in range(4):
        changed(agent, f"{LISTED}\n{LISTED6}\n198.51.100.{round_}\n203.0.113.12{round_}\n")
        agent.process.send_signal(signal.SIGHUP)
        if round_ % 2:
            agent.stop()
        else:
            agent.kill_all()
        agent.start()
    changed(agent, f"{LISTED}\n{LISTED6}\n")
    assert until(lambda: rules(lab) == as_it_was, 5), rules(lab)
    assert turned(sets(lab)) == names


def test_names_are_short(lab, agent):
    """Kernels differ in how long a name may be (15, 31, 255); 15 is what all of them take."""
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n198.51.100.0/24\n2a00:4500::/32\n")
    other = agent.dir / "other.txt"
    other.write_text("192.0.2.77\n192.0.2.128/25\n2001:db8:68::/48\n2001:db8:67::1\n")
    agent.configure(sources="".join(f"[source {action}]\ntype = file\nlocation = {path}\naction = {action}\n" for
                                    action, path in (("drop", agent.list), ("reject", other), ("watch", other))))
    agent.start()
    assert agent.ctl("isolate", "on", "--lasting").returncode == 0
    names = [thing["name"] for item in lab.nft_json("list", "table", *TABLE) for kind, thing in item.items()
             if kind in ("set", "chain", "counter")]
    assert len(names) > 40 and max(map(len, names)) <= 15, sorted(names, key=len)[-1]


def test_no_reload_lets_a_packet_through(lab, agent):
    """SIGHUP, refresh and a restart under a stream of packets: nothing of it is answered, and nothing else is cut."""
    agent.start()
    replies = lab.work / "replies"
    with open(replies, "w", encoding="utf-8") as log:
        lab.start(lab.listed, "ping", "-n", "-i", "0.002", AGENT_AT_LISTED, log=log)
    for round_ in range(5):
        agent.process.send_signal(signal.SIGHUP)
        changed(agent, f"{LISTED}\n{LISTED6}\n198.51.100.{round_}\n")
    agent.stop()
    agent.start()
    agent.kill_all()
    agent.start()
    assert lab.ping(lab.innocent, AGENT_AT_INNOCENT)
    assert "bytes from" not in replies.read_text()
    agent.ctl("panic")
    assert until(lambda: "bytes from" in replies.read_text(), 5), "the stream was there all the time"


def test_no_packet_waits_for_a_program(lab, agent):
    """A verdict that user space has to give is none when user space hangs: NFQUEUE without a reader cut hosts off."""
    agent.start()
    assert '"queue":' not in lab.nft("-j", "-t", "list", "ruleset").stdout
    stopped = list(agent.roles().values())
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert lab.ping(lab.agent, INNOCENT) and lab.ping(lab.innocent, AGENT_AT_INNOCENT)
        # more than any queue or log buffer holds
        flood = lab.inside(lab.listed, "ping", "-n", "-q", "-i", "0.001", "-c", "3000", "-W", "1", AGENT_AT_LISTED, check=False)
        assert " 0 received" in flood.stdout
        assert lab.ping(lab.agent, INNOCENT) and not lab.ping(lab.agent, LISTED, 0.3)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert until(lambda: agent.found(LISTED, "INBOUND"), 10), agent.log()


def test_only_the_listed_side_is_blamed(lab, agent):
    """Others banned their own resolver: it had asked for, or had been hit by, what was listed."""
    agent.start()
    lab.ping(lab.agent, LISTED, 0.3)
    lab.ping(lab.listed, AGENT_AT_LISTED, 0.3)
    assert until(lambda: agent.found(LISTED, "INBOUND") and agent.found(LISTED, "OUTBOUND"), 10)
    assert agent.check(AGENT_AT_LISTED)[1] in ("clear", "protected")
    assert not agent.found(AGENT_AT_LISTED) and lab.ping(lab.agent, AGENT_AT_LISTED)
    assert sorted(str(e) for e in sets(lab)["hosts4"]["elem"]) == [LISTED]


def test_a_flood_is_no_flood_of_lines(lab, agent):
    """A log line a packet filled disks; nor does a source that stays away say so each time."""
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {agent.list}\n"
                            f"[source away]\ntype = file\nlocation = {agent.dir}/not-there\n")
    agent.start()
    lab.inside(lab.listed, "ping", "-n", "-q", "-i", "0.001", "-c", "2000", "-W", "1", AGENT_AT_LISTED, check=False)
    assert until(lambda: agent.found(LISTED, "INBOUND"), 10)
    before = len(agent.log().splitlines())
    for _ in range(20):
        agent.ctl("refresh", "away")
    lab.inside(lab.listed, "ping", "-n", "-q", "-i", "0.001", "-c", "2000", "-W", "1", AGENT_AT_LISTED, check=False)
    lines = agent.log().splitlines()[before:]
    # who asked for a refresh is always said
    assert len([line for line in lines if "peer=" not in line and "refresh" not in line]) <= 25, lines
    assert len(agent.findings()) < 10


def test_a_start_that_fails_leaves_nothing(lab, agent):
    """Half a table of an agent that gave up, or all of one that was killed and taken off the host."""
    good = agent.config.read_text()
    agent.config.write_text(good + "[nonsense]\n")
    agent.start(wait=False)
    assert agent.process.wait(20) != 0 and not lab.nft_json("list", "ruleset")[1:]
    agent.config.write_text(good)
    agent.start()
    agent.kill_all()
    assert lab.has_table()
    lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", "purge")
    assert not lab.nft_json("list", "ruleset")[1:]
