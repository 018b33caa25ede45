# SPDX-License-Identifier: GPL-3.0-or-later
"""The enforcer role on the real kernel: nft and the senders of the packets are asked what is true."""

import json
import queue
import subprocess
import sys
import threading
import time

import pytest

import lab as labs

SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[3])):
    s.sendto(b'x' * 20, (sys.argv[1], 9)); time.sleep(float(sys.argv[2]))
"""
# goes on until that file is there
STREAM = """
import os, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
n = 0
while not os.path.exists(sys.argv[2]):
    s.sendto(b'x' * 20, (sys.argv[1], 9)); n += 1; time.sleep(0.001)
print(n)
"""
# every source address of a /16 that is routed through this host, once: a spoofed flood
SPOOFER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
to = socket.inet_aton(sys.argv[1])
for i in range(int(sys.argv[2])):
    s.sendto(struct.pack('!BBHHHBBH4s4sHHHH', 0x45, 0, 28, 0, 0, 64, 17, 0, bytes((198, 51, i >> 8, i & 255)), to,
                         1, 9, 8, 0), (sys.argv[1], 0))
"""
DROPPED, WATCHED, AGGREGATED, APPROXIMATE = 1, 0, 1, 2
TABLE_RESTORED, PANIC, BYPASS_OVER = 4, 6, 11


class Role:
    """The role under a parent by hand, and what it told."""

    def __init__(self, lab):
        self.lab, self.counts, self.told = lab, {}, []
        self.conf, self.list = lab.work / "conf", lab.work / "list"
        self.conf.write_text(f"[agent]\nstate_dir = {lab.work}\nscope = any\n[enforce]\nmode = drop\n")
        self.list.write_text(f"{labs.LISTED}\n198.51.0.0/16\n")
        self.tool = subprocess.Popen(["ip", "netns", "exec", lab.agent, labs.BUILD / "test/system/tool_enforcer"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.tool.stdout:
            self.lines.put(json.loads(line))

    def say(self, *words):
        self.tool.stdin.write(" ".join(map(str, words)) + "\n")
        self.tool.stdin.flush()

    def _note(self, line):
        if line["type"] == "count":
            self.counts[line["remote"] or line["entry"], line["dir"]] = line
        self.told.append(line)
        return line

    def hear(self, kind, seconds=10):
        end = time.monotonic() + seconds * labs.PATIENCE
        while time.monotonic() < end:
            try:
                line = self._note(self.lines.get(timeout=0.05))
            except queue.Empty:
                continue
            # at its first look it says of each way round the rules that there is none: the parent knows better
            if line["type"] == kind and line.get("name") != BYPASS_OVER:
                return line
        raise AssertionError(f"no {kind}: {self.told[-5:]}")

    def hear_until(self, condition, seconds=10):
        def look():
            while not self.lines.empty():
                self._note(self.lines.get())
            return condition()
        assert labs.until(look, seconds), self.told[-5:]

    def start(self, generation=1):
        self.say("start", self.conf)
        self.say("list", self.list, generation)
        assert self.hear("applied")["error"] == 0

    def order(self, *words):
        self.say(*words)
        assert self.hear("done")["error"] == 0

    def status(self):
        self.say("status")
        return self.hear("status")

    def packets(self, remote, way=0):
        return self.counts.get((remote, way), {"packets": 0})["packets"]

    def close(self):
        self.tool.stdin.close()
        self.tool.wait(20)


@pytest.fixture
def role(lab):
    one = Role(lab)
    yield one
    one.close()


def send(lab, n, pause=0.0):
    return lab.start(lab.listed, sys.executable, "-c", SENDER, labs.AGENT_AT_LISTED, pause, n)


class Stream:
    """A packet a millisecond for as long as it takes: what is to come inside it does, however busy the machine is."""

    def __init__(self, lab, role):
        self.role, self.over, self.said = role, lab.work / "over", lab.work / "sent"
        with open(self.said, "w", encoding="utf-8") as out:
            self.process = lab.start(lab.listed, sys.executable, "-c", STREAM, labs.AGENT_AT_LISTED, self.over, log=out)
        self.flows()

    def flows(self):
        before = self.role.packets(labs.LISTED)
        self.role.hear_until(lambda: self.role.packets(labs.LISTED) > before + 100)

    def end(self):
        """How many packets it was."""
        self.over.touch()
        assert self.process.wait(20) == 0
        return int(self.said.read_text())


def dropped_by_kernel(lab):
    return next(o["counter"]["packets"] for o in lab.nft_json("list", "counter", "inet", "threatlistd", "dropped")
                if "counter" in o)


def test_counts_are_what_the_kernel_dropped(lab, role):
    role.start()
    # the first reading of all waits for a list, and is no measure
    assert send(lab, 1).wait(20) == 0
    role.hear_until(lambda: role.packets(labs.LISTED) == 1)
    assert send(lab, 499).wait(20) == 0
    begun = time.monotonic()
    role.hear_until(lambda: role.packets(labs.LISTED) == 500)
    count = role.counts[labs.LISTED, 0]
    assert time.monotonic() - begun < (5 if labs.SANITIZED else 1.5)
    assert (count["dropped"], count["bytes"], count["verdict"], count["flags"]) == (500, 500 * 48, DROPPED, 0)
    assert dropped_by_kernel(lab) == 500
    assert not lab.ping(lab.agent, labs.LISTED)
    role.hear_until(lambda: role.packets(labs.LISTED, 1) == 1)
    assert lab.ping(lab.agent, labs.INNOCENT)
    assert not [key for key in role.counts if key[0] == labs.INNOCENT]


def test_a_change_of_mode_in_a_stream_books_each_packet_once_under_its_verdict(lab, role):
    role.start()
    stream = Stream(lab, role)
    for mode in ("watch", "drop", "watch"):
        role.order("mode", mode)
        stream.flows()
    sent = stream.end()
    role.hear_until(lambda: role.packets(labs.LISTED) == sent)
    dropped = dropped_by_kernel(lab)
    assert 0 < dropped < sent
    # between a reading and the change that follows it a few packets pass
    assert abs(role.counts[labs.LISTED, 0]["dropped"] - dropped) < 60
    assert role.counts[labs.LISTED, 0]["verdict"] == WATCHED


def test_killed_again_and_again_it_counts_every_packet_once(lab, role):
    role.start()
    stream = Stream(lab, role)
    for generation in range(2, 12):
        time.sleep(0.15)    # anywhere in its work
        role.say("kill")
        assert role.hear("ended")["exit"] == -9
        role.start(generation)
    sent = stream.end()
    role.hear_until(lambda: role.packets(labs.LISTED) >= sent)
    role.say("recount")
    role.say("stop")
    role.say("wait")
    assert role.hear("ended")["exit"] == 0
    count = role.counts[labs.LISTED, 0]
    assert (count["packets"], count["dropped"], count["flags"]) == (sent, sent, 0)
    assert len({line["epoch"] for line in role.told if line["type"] == "count"}) == 1
    assert lab.has_table()


def test_a_flushed_ruleset_is_back_and_said_to_be_approximate(lab, role):
    role.start()
    send(lab, 50).wait(20)
    role.hear_until(lambda: role.packets(labs.LISTED) == 50)
    lab.nft("flush", "ruleset")
    begun = time.monotonic()
    assert labs.until(lambda: lab.has_table() and lab.in_set("hosts4", labs.LISTED), 5)
    assert time.monotonic() - begun < (5 if labs.SANITIZED else 1.5)
    event = role.hear("event")
    assert (event["name"], event["program"]) == (TABLE_RESTORED, "nft") and event["pid"] > 0
    send(lab, 30).wait(20)
    role.hear_until(lambda: role.packets(labs.LISTED) == 80)
    assert role.counts[labs.LISTED, 0]["flags"] == APPROXIMATE
    for _ in range(3):      # parts of it are parts of it
        role.told.clear()
        lab.nft("flush", "chain", "inet", "threatlistd", "prerouting")
        role.hear("event")
        assert labs.until(lambda: not lab.ping(lab.listed, labs.AGENT_AT_LISTED), 5)


def test_panic_by_hand_holds(lab, role):
    role.start()
    assert not lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    lab.nft("add", "table", "inet", "threatlistd", "{ flags dormant; }")
    assert role.hear("event")["name"] == PANIC
    assert lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    role.order("mode", "watch")
    role.order("mode", "drop")
    assert role.status()["dormant"] and lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    # nobody puts it back, nor does a list, and whoever comes next keeps to it
    lab.nft("delete", "table", "inet", "threatlistd")
    role.say("list", role.list, 2)
    assert role.hear("applied")["reason"] == "held: panic"
    assert not lab.has_table()
    role.order("resume")
    assert not lab.ping(lab.listed, labs.AGENT_AT_LISTED)


def test_purge_holds_and_loses_no_count(lab, role):
    role.start()
    send(lab, 40).wait(20)
    role.order("purge")
    assert not lab.has_table()
    role.hear_until(lambda: role.packets(labs.LISTED) == 40)
    role.say("list", role.list, 2)
    assert role.hear("applied")["reason"] == "held: the table was purged"
    assert not lab.has_table() and lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    role.order("mode", "drop")
    assert not lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    send(lab, 10).wait(20)
    role.hear_until(lambda: role.packets(labs.LISTED) == 51)
    assert role.counts[labs.LISTED, 0]["flags"] == 0


def test_a_spoofed_flood_is_one_entry_and_the_sum_is_exact(lab, role):
    n = 20000
    role.start()
    labs.run("ip", "-n", lab.agent, "route", "add", "198.51.0.0/16", "via", labs.LISTED)
    assert lab.start(lab.listed, sys.executable, "-c", SPOOFER, labs.AGENT_AT_LISTED, n).wait(60) == 0

    def told():
        return sum(c["packets"] for c in role.counts.values() if c["entry"] == "198.51.0.0/16")

    role.hear_until(lambda: told() >= n, 20)
    folded = [c for c in role.counts.values() if c["flags"] & AGGREGATED]
    assert told() == n == dropped_by_kernel(lab)
    assert len(folded) == 1 and len(role.counts) == 65
    assert folded[0]["packets"] == n - 64
    assert role.status()["overflow"] == 0
