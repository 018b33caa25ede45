# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that users of other tools reported and that no other test here is about: test/PEERS.md has them all."""

import os
import re
import signal

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
