# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods against the whole agent: every packet is counted once, and no remote hides behind another.

tool_flood on the other hosts says how much it sent; what findings say is compared with exactly that."""

import ipaddress
import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

import lab as labs
from lab import AGENT6, AGENT_AT_LISTED, BUILD, LISTED, LISTED6, SANITIZED, until

SECOND, SECOND6 = "203.0.113.99", "2001:db8:66::99"
WIDE, WIDE6 = "45.0.0.0/8", "2a00:4500::/32"
BYTES = {4: 20 + 8 + 18, 6: 40 + 8 + 18}	# of tool_flood's packets


def addresses(path, family, count, prefix, seed=5):
    """So many addresses at random within a prefix, as tool_flood takes them."""
    rng, bits = random.Random(seed), (32 if family == 4 else 128)
    first, length = prefix
    with open(path, "wb") as out:
        for _ in range(count):
            out.write((first | rng.getrandbits(bits - length)).to_bytes(bits // 8, "big"))
    return path


class Flood:
    """Sends from the listed host straight to the agent's device."""

    def __init__(self, lab):
        self.lab = lab
        link = json.loads(labs.run("ip", "-n", lab.agent, "-j", "link", "show", "to-listed").stdout)
        self.mac = link[0]["address"]

    def start(self, path, *words, to=AGENT_AT_LISTED):
        """Running by the time this returns."""
        process = subprocess.Popen(["ip", "netns", "exec", self.lab.listed, BUILD / "test/system/tool_flood", "-m", self.mac,
                                    *map(str, words), "eth0", to, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.lab.processes.append(process)
        assert process.stderr.readline() == "ready\n"
        return process

    @staticmethod
    def sent(process):
        answer = json.loads(process.communicate(timeout=60)[0])
        assert answer["refused"] == 0
        return answer["sent"]


def only(path, address):
    path.write_bytes(ipaddress.ip_address(address).packed)
    return path


def counted(agent):
    """What the reporter knows of every remote or entry: packets and bytes that came, and findings of each."""
    result = {}
    for line in agent.ctl("findings", "--json").stdout.splitlines():
        finding = json.loads(line)
        action = finding["service"]["action"].get("networkConnectionAction")
        own = finding["service"]["additionalInfo"]["threatlistd"]
        if action is None:
            continue
        details = action["remoteIpDetails"]
        remote = details.get("ipAddressV4") or details.get("ipAddressV6")
        result.setdefault(own["entry"], []).append((remote, own.get("packetsFromRemote", 0),
                                                    own.get("bytesFromRemote", 0), own["dropped"]))
    return result


def sum_of(agent, *entries):
    """Packets, bytes and dropped ones of everything told under these entries."""
    rows = [row for entry in entries for row in counted(agent).get(entry, [])]
    return tuple(sum(row[i] for row in rows) for i in (1, 2, 3))


def settled(agent, sent, family, *entries):
    assert until(lambda: sum_of(agent, *entries)[0] >= sent, 10), (
        sent, counted(agent), agent.lab.nft("list", "counters", "table", "inet", "threatlistd").stdout, agent.log())
    assert sum_of(agent, *entries) == (sent, sent * BYTES[family], sent)


@pytest.mark.parametrize("family", [4, 6])
def test_a_flood_of_one_remote_is_counted_to_the_packet_and_hides_no_other(lab, agent, family):
    remote, to = (LISTED, AGENT_AT_LISTED) if family == 4 else (LISTED6, AGENT6)
    others = [f"203.0.113.{n}" if family == 4 else f"2001:db8:66::{n}" for n in (97, 98, 99)]
    agent.list.write_text("\n".join([remote, *others]) + "\n")
    agent.start()
    flood = Flood(lab)
    process = flood.start(only(lab.work / "remote", remote), "-t", 4, to=to)
    until(lambda: agent.found(remote, "INBOUND"), 2)
    took = []
    for other in others:
        assert flood.sent(flood.start(only(lab.work / "other", other), "-n", 1, to=to)) == 1
        begun = time.monotonic()    # it is on its way: a process that starts beside a flood takes its own time
        assert until(lambda other=other: agent.found(other, "INBOUND"), 3, pause=0.02), agent.log()
        took.append(time.monotonic() - begun)
    # the quickest: what else the machine does is not the agent's
    assert min(took) < (1.2 if not SANITIZED else 4), took
    sent = flood.sent(process)
    assert sent > 10000
    bits = "32" if family == 4 else "128"
    settled(agent, sent, family, f"{remote}/{bits}")
    for other in others:
        assert sum_of(agent, f"{other}/{bits}") == (1, BYTES[family], 1)
    # what was lost is said for an hour, who did not answer in time once
    assert until(lambda: not agent.status()["warnings"]), agent.status()


@pytest.mark.parametrize("family", [4, 6])
def test_a_flood_from_all_over_a_prefix_is_one_finding_and_hides_no_other(lab, agent, family):
    """Two million spoofed remotes; one listed by itself within the prefix, and one outside, send one packet each."""
    if family == 4:
        wide, prefix, second, within, to = WIDE, (45 << 24, 8), SECOND, "45.1.2.3", AGENT_AT_LISTED
    else:
        wide, prefix, second, within, to = WIDE6, (0x2a004500 << 96, 32), SECOND6, "2a00:4500:1::3", AGENT6
    agent.list.write_text(f"{wide}\n{second}\n{within}\n")
    agent.start()
    flood = Flood(lab)
    remotes = addresses(lab.work / "remotes", family, 2000000, prefix)
    process = flood.start(remotes, "-t", 4 if not SANITIZED else 5, to=to)
    assert until(lambda: any(row[0] == wide for row in counted(agent).get(wide, [])), 5), agent.log()
    took = []
    for one in (second, within):
        assert flood.sent(flood.start(only(lab.work / "one", one), "-n", 1, to=to)) == 1
        begun = time.monotonic()
        assert until(lambda one=one: agent.found(one, "INBOUND"), 4, pause=0.02), agent.log()
        took.append(time.monotonic() - begun)
    assert min(took) < (2 if not SANITIZED else 6), took
    sent = flood.sent(process)
    assert sent > 10000
    settled(agent, sent, family, wide)
    rows = counted(agent)[wide]
    # those that were met before it was a flood, and one finding for all the others
    assert sum(row[0] == wide for row in rows) == 1 and len(rows) <= 65
    bits = "32" if family == 4 else "128"
    assert sum_of(agent, f"{second}/{bits}") == sum_of(agent, f"{within}/{bits}") == (1, BYTES[family], 1)
    assert until(lambda: not agent.status()["warnings"]), "no seen set is full"
    assert len(lab.nft_json("list", "set", "inet", "threatlistd", f"seen_in{family}")[1]["set"]["elem"]) < 200


def test_counts_of_a_flooded_prefix_outlive_kills_and_new_lists(lab, agent):
    """Each list makes new wide sets; what the old ones counted to the last packet is told before they go."""
    agent.list.write_text(f"{WIDE}\n")
    agent.start()
    flood = Flood(lab)
    process = flood.start(addresses(lab.work / "remotes", 4, 500000, (45 << 24, 8)), "-t", 60)
    entries = [WIDE]
    for step in range(4):
        # one more within it: 45.0.0.0/8 is cut into more ranges
        entries.append(f"45.{50 + step}.0.0/16")
        agent.list.write_text("\n".join(entries) + "\n")
        before = agent.status()["table"]["list"]
        agent.ctl("refresh")
        assert until(lambda: (now := agent.status()) and now["table"]["list"] > before, 10), agent.log()
        for role in (("enforcer",), ("reporter", "sensor"), ("enforcer", "reporter"), ())[step]:
            pid = agent.roles()[role]
            os.kill(pid, signal.SIGKILL)
            assert until(lambda: agent.roles().get(role) not in (None, pid) and agent.ready(), 15), agent.log()
    process.terminate()
    sent = flood.sent(process)
    settled(agent, sent, 4, *entries)
    assert lab.nft_json("list", "counter", "inet", "threatlistd", "dropped")[1]["counter"]["packets"] == sent
    flags = [f["service"]["additionalInfo"]["threatlistd"] for f in agent.findings()]
    assert not any(own.get("approximate") for own in flags)


def full_sets(agent):
    """The events that say that remotes could not be counted."""
    return [f for f in agent.findings() if "the seen sets were full" in f["description"]]


def packets_of(events):
    return sum(int(re.search(r"(\d+) packets", f["description"])[1]) for f in events)


def test_what_a_full_set_cannot_count_is_dropped_counted_and_said(lab, agent):
    """More listed hosts than a seen set has room for: no prefix to count them by."""
    hosts = [f"198.{18 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(70000)]
    agent.list.write_text("\n".join(hosts) + "\n")
    agent.start()
    path = lab.work / "hosts"
    path.write_bytes(b"".join(ipaddress.ip_address(host).packed for host in hosts))
    sent = Flood.sent(Flood(lab).start(path, "-n", 140000))
    counters = {item["counter"]["name"]: item["counter"]["packets"]
                for item in lab.nft_json("list", "counters", "table", "inet", "threatlistd") if "counter" in item}
    assert counters["dropped"] == sent == 140000 and counters["overflow"] > 0
    assert until(lambda: any("the seen sets were full" in w for w in agent.status()["warnings"]), 10), agent.status()
    told = f"{counters['overflow']} packets"
    assert until(lambda: any(told in w for w in agent.status()["warnings"]), 10), agent.status()["warnings"]
    # how many when it was told first depends on how far the flood was; the rest comes with the next agent
    lost = until(lambda: full_sets(agent), 60)
    assert lost and lost[0]["type"] == "Policy:EC2/ReportsLost.Custom" and lost[0]["severity"] == 5, agent.log()
    assert agent.stop() == 0
    agent.start()
    assert until(lambda: any(told in w for w in agent.status()["warnings"]), 10), agent.status()["warnings"]
    assert until(lambda: packets_of(full_sets(agent)) == counters["overflow"], 60), (full_sets(agent), agent.log())
    # one that comes to the same table has nothing new to tell of it
    assert agent.stop() == 0
    agent.start()
    assert until(lambda: any(told in w for w in agent.status()["warnings"]), 10), agent.status()["warnings"]
    agent.ctl("panic")
    assert until(lambda: agent.found(event="panic"), 60), agent.log()
    assert packets_of(full_sets(agent)) == counters["overflow"]


def test_what_is_to_be_said_does_not_wait_behind_a_flood(lab, agent):
    """A reporter that hangs has more counts to take than it is given room for: an event is told when it goes on."""
    hosts = [ipaddress.ip_address(0xC6120000 + i) for i in range(50000)]
    agent.list.write_text("".join(f"{host}\n" for host in hosts))
    agent.configure(agent="max_findings = 10")
    agent.start()
    reporter = agent.roles()["reporter"]
    os.kill(reporter, signal.SIGSTOP)
    path = lab.work / "hosts"
    # counts fill it first, and what the sensor saw of the others takes the room that is too small for those
    for some in (hosts[:48000], hosts[48000:]):
        path.write_bytes(b"".join(host.packed for host in some))
        assert Flood.sent(Flood(lab).start(path, "-n", len(some))) == len(some)
        # each waits a second for the one that hangs: time for all the others to have said what they have to
        for _ in range(4):
            assert any("reporter did not answer" in warning for warning in agent.status()["warnings"])
    assert agent.ctl("panic").returncode == 0
    os.kill(reporter, signal.SIGCONT)
    assert until(lambda: agent.found(event="panic"), 20), agent.log()
    findings = agent.ctl("findings")
    assert findings.returncode == 0 and "panic" in findings.stdout, findings.stderr
    assert agent.roles()["reporter"] == reporter
