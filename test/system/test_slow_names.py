# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose users and groups are in a directory that does not answer: nothing of the agent waits for it."""

import grp
import os
import signal
import time

import pytest

from lab import INNOCENT, LISTED, Clock, until
from test_control import PANIC, STATUS, blocks, members, talk

FAR = 54321     # of group "far", which the directory alone knows
TOOL = "test/system/tool_slownames"
STRANGER = ["--reuid=65534", "--regid=65534", "--clear-groups"]
SAID = "groups not looked up"
WARNING = "groups are not looked up: the name services of this host do not answer"


class Directory(Clock):
    def __init__(self, agent):
        super().__init__(agent)
        self.names = agent.dir / "names"
        self.silent()

    def silent(self):
        self.names.write_text("")

    def says(self, gid):
        self.names.write_text(f"{gid}\n")

    def start(self):
        self.agent.start(env={"AHEAD": str(self.path), "NAMES": str(self.names)}, program=TOOL)
        for path in (self.agent.dir, self.agent.dir / "run"):
            path.chmod(0o755)


@pytest.fixture
def directory(agent):
    return Directory(agent)


def name(pid):
    """What a process calls itself; of one that has just ended, nothing."""
    try:
        return open(f"/proc/{pid}/comm", encoding="ascii").read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def asking(agent):
    """Process ids of who asks."""
    parent = agent.roles()["parent"]
    children = open(f"/proc/{parent}/task/{parent}/children", encoding="ascii").read().split()
    return [int(pid) for pid in children if name(pid) == "tl-groups"]


def quick(call):
    """What it gives, at once: a parent that waits for names answers nobody."""
    before = time.monotonic()
    result = call()
    assert time.monotonic() - before < 5, "names are waited for up to a minute"
    return result


def test_nothing_waits_for_names(lab, agent, directory):
    open_token = agent.dir / "token"
    open_token.write_text("secret\n")
    open_token.chmod(0o644)
    agent.configure(agent="admin_group = far",
                    sinks=f"[sink up]\ntype = http\nurl = https://127.0.0.1:9/\ntoken_file = {open_token}\n")
    directory.start()
    assert blocks(lab) and until(lambda: len(asking(agent)) == 1)
    # it has the answer to give, and nothing else of the agent's
    pid, = asking(agent)
    held = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status", encoding="ascii").read().splitlines())
    assert int(held["CapPrm"], 16) == int(held["CapEff"], 16) == int(held["CapInh"], 16) == int(held["CapAmb"], 16) == 0
    assert held["NoNewPrivs"] == "1" and held["Seccomp"] == "2"
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2", "3"]
    for _ in range(3):
        status = quick(agent.status)
        assert any("token_file of sink up" in warning for warning in status["warnings"])
    for who in (STRANGER, members(FAR)):
        assert quick(lambda: talk(lab, agent, "ask", STATUS, who)) == "4"
        assert quick(lambda: talk(lab, agent, "ask", PANIC, who)) == "4"
    # a reload does not wait either, nor the feed for its end
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: "config reloaded" in agent.log())
    agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
    assert quick(lambda: agent.ctl("refresh")).returncode == 0
    assert until(lambda: agent.check(INNOCENT)[-1] == "yes"), agent.log()
    assert len(asking(agent)) == 1 and SAID not in agent.log()
    # who asks in vain is ended, once a minute at first, and that is said once
    for _ in range(3):
        first = asking(agent)
        directory.passes(61)
        assert until(lambda: WARNING in agent.status()["warnings"]), agent.status()
        assert until(lambda: not asking(agent))
        directory.passes(300)
        assert until(lambda: agent.status() and asking(agent) and asking(agent) != first)
    assert agent.log().count(SAID) == 1
    # it answers: who was to operate does
    os.kill(asking(agent)[0], signal.SIGKILL)
    assert until(lambda: not asking(agent))
    directory.says(FAR)
    directory.passes(300)
    assert until(lambda: agent.status() and talk(lab, agent, "ask", STATUS, members(FAR)) == "0")
    assert not [warning for warning in agent.status()["warnings"] if "groups" in warning]
    assert until(lambda: not asking(agent))  # it answers before it ends
    # and does on while it is silent again
    directory.silent()
    directory.passes(301)
    assert until(lambda: agent.status() and asking(agent))
    assert quick(lambda: talk(lab, agent, "ask", PANIC, members(FAR))) == "0" and not blocks(lab)
    assert 'command=panic text="" number=0 flags=0 peer="uid 65533 (?)"' in agent.log()
    assert quick(lambda: talk(lab, agent, "ask", STATUS, STRANGER)) == "4"
    assert agent.stop() == 0


def test_a_group_that_comes_and_goes(lab, agent, directory):
    directory.says(0)
    agent.configure(agent="admin_group = far")
    directory.start()
    assert until(lambda: not asking(agent)) and talk(lab, agent, "ask", STATUS, members(FAR)) == "4"
    # who is sent away makes it look again, but not for each one
    directory.says(FAR)
    assert talk(lab, agent, "ask", STATUS, members(FAR)) == "4"
    directory.passes(11)
    assert until(lambda: talk(lab, agent, "ask", STATUS, members(FAR)) == "0")
    # the group is another one with the next reload, and at once not that of before
    directory.silent()
    agent.configure(agent="admin_group = daemon")
    agent.process.send_signal(signal.SIGHUP)
    daemon = grp.getgrnam("daemon").gr_gid
    assert until(lambda: talk(lab, agent, "ask", STATUS, members(daemon)) == "0")
    assert talk(lab, agent, "ask", STATUS, members(FAR)) == "4"
    # what the directory does not know any more is nobody's
    assert until(lambda: asking(agent))
    directory.says(FAR)
    agent.configure(agent="admin_group = far")
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: agent.log().count("config reloaded") == 2)
    for seconds in (61, 11):  # the one that is out is of the name before
        directory.passes(seconds)
        assert until(lambda: agent.status() is not None)
    assert until(lambda: talk(lab, agent, "ask", STATUS, members(FAR)) == "0"), agent.log()
    directory.says(0)
    directory.passes(301)
    assert until(lambda: agent.status() and talk(lab, agent, "ask", STATUS, members(FAR)) == "4")


def test_who_is_in_the_files_needs_nobody(lab, agent, directory):
    """An /etc/group that has both groups: no process asks, whatever the directory does."""
    lab.etc("group", open("/etc/group", encoding="utf-8").read() + "threatlistd:x:54320:\n")
    agent.configure(agent="admin_group = daemon")
    directory.start()
    assert talk(lab, agent, "ask", STATUS, members(54320)) == "0" and talk(lab, agent, "ask", PANIC, members(54320)) == "4"
    daemon = grp.getgrnam("daemon").gr_gid
    assert talk(lab, agent, "ask", PANIC, members(daemon)) == "0"
    directory.passes(301)
    assert agent.status() and not asking(agent) and SAID not in agent.log()
