# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's OOM killer ends the enforcer in the middle of a load, again and again, until there is memory."""

import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest

from lab import AGENT_AT_LISTED, BUILD, INNOCENT, LISTED, SANITIZED, until
from test_memory import cgroup  # noqa: F401  (a fixture)

MEMBERS = 600_000
LIMIT = 32 << 20    # bytes: an idle enforcer has a sixth of that, a load of so many members takes more
DEATHS = 4          # pauses of 0.2, 0.4, 0.8 and 1.6 s between them

pytestmark = pytest.mark.skipif(SANITIZED, reason="memory is the plain build's")


class Warden(threading.Thread):
    """Puts every enforcer of an agent into the group as soon as it is there; the agent's others stay outside."""

    def __init__(self, agent, group):
        super().__init__(daemon=True)
        self.parent = agent.roles()["parent"]
        self.procs = group.path / "cgroup.procs"
        self.seen, self.over = [], False

    def run(self):
        children = pathlib.Path(f"/proc/{self.parent}/task/{self.parent}/children")
        while not self.over:
            try:
                for pid in set(children.read_text().split()) - set(self.seen):
                    if pathlib.Path(f"/proc/{pid}/comm").read_text() == "tl-enforcer\n":
                        self.procs.write_text(pid)
                        self.seen.append(pid)
            except OSError:
                pass    # gone before it was put anywhere
            time.sleep(0.002)


def deaths(agent):
    """The pauses, in milliseconds, after each of them."""
    return [int(ms) for ms in re.findall(r'^<4>threatlistd: role ended role=enforcer pid=\d+ how="ended by signal 9 '
                                         r'\(Killed\)" again_in_ms=(\d+)$', agent.log(), re.M)]


def test_an_enforcer_that_is_killed_for_memory(lab, agent, cgroup):  # noqa: F811
    agent.configure(agent="refresh = 1d", enforce="mode = drop\nmax_growth = 1000000%\nmax_shrink = 100%")
    agent.list.write_text(f"{LISTED}\n" + "".join(f"198.51.{i >> 8}.{i & 255}\n" for i in range(1000)))
    agent.start()
    before = agent.status()["table"]
    cgroup.restrict(LIMIT)
    warden = Warden(agent, cgroup)
    warden.start()
    assert until(lambda: warden.seen)
    # in both directions, all the time
    pings = [subprocess.Popen(["ip", "netns", "exec", host, "ping", "-n", "-q", "-i", "0.002", address],
                              stdout=subprocess.PIPE, text=True)
             for host, address in ((lab.listed, AGENT_AT_LISTED), (lab.agent, LISTED))]
    lab.processes += pings
    with open(agent.list, "w", encoding="utf-8") as out:
        subprocess.run([BUILD / "test/system/tool_genlist", str(MEMBERS), "3"], stdout=out, check=True)
        out.write(f"{LISTED}\n")
    assert agent.ctl("refresh").returncode == 0
    try:
        assert until(lambda: len(deaths(agent)) >= DEATHS, 60), (cgroup.kills(), agent.log())
        # it is said, each once, and ever more seldom: no storm
        kills = cgroup.kills()
        assert deaths(agent)[:DEATHS] == [200 << n for n in range(DEATHS)]
        assert kills >= DEATHS and len(warden.seen) <= kills + 1
        status = agent.status()
        assert next(role for role in status["roles"] if role["role"] == "enforcer")["restarts"] >= DEATHS
        assert any(warning.startswith("enforcer") for warning in status["warnings"]), status["warnings"]
        # the rest of the agent goes on, and so does blocking, by the list of before
        assert all(role["restarts"] == 0 for role in status["roles"] if role["role"] != "enforcer")
        assert lab.ping(lab.agent, INNOCENT)
        # somebody gives it memory: it finishes by itself
        cgroup.restrict(1 << 40)
        assert until(lambda: (now := agent.status()) and now["table"] and now["table"]["list"] > before["list"] and
                     sum(now["table"]["sets"].values()) > MEMBERS * 0.9, 90, pause=0.2), agent.log()
    finally:
        warden.over = True
        warden.join()
    assert agent.ctl("verify").returncode == 0, agent.log()
    assert len(deaths(agent)) == cgroup.kills() == next(
        role["restarts"] for role in agent.status()["roles"] if role["role"] == "enforcer")
    assert until(lambda: not agent.status()["warnings"]), agent.status()["warnings"]
    for ping in pings:
        ping.send_signal(signal.SIGINT)
        said = ping.communicate(timeout=20)[0]
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
        print(f"\n{sent} packets, {received} passed, {cgroup.kills()} kills")
        assert sent > 300 and received == 0, said
    agent.kill_all()
