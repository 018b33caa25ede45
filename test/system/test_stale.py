# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that fails for a day: said once, by the real agent, whose clocks run ahead as the test says."""

import os
import signal
import struct

import pytest

from lab import BUILD, LISTED, until

HOUR = 3600


class Clock:
    """An agent of tool_ahead; it looks at its clock when it is asked something."""

    def __init__(self, agent):
        self.agent, self.path = agent, agent.dir / "ahead"
        self.wall = self.boot = 0
        self._write()

    def _write(self):
        # in place: the agent has it mapped
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=qq", self.wall, self.boot))

    def start(self):
        agent = self.agent
        with open(agent.log_path, "a", encoding="utf-8") as log:
            agent.process = agent.lab.start(agent.lab.agent, BUILD / "test/system/tool_ahead", "-c", agent.config, log=log,
                                            env={**os.environ, "AHEAD": str(self.path)})
        assert until(lambda: agent.status() is not None), agent.log()

    def passes(self, seconds):
        self.wall += seconds
        self.boot += seconds
        self._write()

    def is_set(self, seconds):
        """As NTP does: the clock on the wall alone."""
        self.wall += seconds
        self._write()


@pytest.fixture
def clock(agent):
    return Clock(agent)


def source(agent):
    return next(source for source in agent.status()["sources"] if source["name"] == "test")


def told(agent):
    return [f for f in agent.findings()
            if f["service"]["additionalInfo"]["threatlistd"].get("event", {}).get("name") == "source-failing"]


def next_try(agent, clock, seconds):
    """Time passes, and the source is asked in it."""
    before = source(agent)["lastTry"]
    clock.passes(seconds)
    assert until(lambda: source(agent)["lastTry"] != before), (source(agent), agent.log())


def fails_for(agent, clock, hours):
    for _ in range(hours):
        next_try(agent, clock, HOUR)
        assert source(agent)["state"] == "failing"


def test_a_day_of_failures_is_told_once(lab, agent, clock):
    clock.start()
    assert until(lambda: lab.in_set("hosts4", LISTED)), agent.log()
    text = agent.list.read_text()
    agent.list.unlink()
    next_try(agent, clock, HOUR)
    # from the first failure on
    fails_for(agent, clock, 23)
    assert not told(agent)
    next_try(agent, clock, HOUR)
    assert until(lambda: told(agent)), agent.log()
    event = told(agent)[0]
    own = event["service"]["additionalInfo"]["threatlistd"]["event"]
    assert event["type"] == "Policy:EC2/ThreatListStale.Custom" and event["severity"] == 5
    assert event["service"]["action"]["actionType"] == "THREATLISTD_EVENT"
    assert event["title"].startswith("Threat list test cannot be refreshed on ")
    assert own["source"] == "test"
    assert own["reason"] == source(agent)["error"] == "cannot be opened: No such file or directory"
    # the list of before protects on, and it is not said again, whatever passes
    assert not lab.ping(lab.agent, LISTED, 0.5)
    fails_for(agent, clock, 30)
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: "config reloaded" in agent.log())
    fails_for(agent, clock, 2)
    assert len(told(agent)) == 1
    # back with what is in force: nothing changed, so no event; status and log say it
    agent.list.write_text(text)
    next_try(agent, clock, HOUR)
    assert until(lambda: source(agent)["state"] == "ok" and not source(agent)["error"]), source(agent)
    assert agent.log().count("list refreshed again source=test") == 1
    # its days are counted anew
    agent.list.unlink()
    next_try(agent, clock, HOUR)
    fails_for(agent, clock, 23)
    assert len(told(agent)) == 1
    next_try(agent, clock, HOUR)
    assert until(lambda: len(told(agent)) == 2), agent.log()
    sequences = [f["service"]["additionalInfo"]["threatlistd"]["sequence"] for f in told(agent)]
    assert len(set(sequences)) == 2


def test_a_clock_that_is_set_is_no_day_of_failures(lab, agent, clock):
    """A host that boots in 1970 fails at first, and then learns what day it is; or the day before."""
    agent.list.unlink()
    clock.start()
    assert until(lambda: source(agent).get("error"))
    clock.is_set(50 * 365 * 24 * HOUR)
    fails_for(agent, clock, 2)
    assert not told(agent)
    clock.is_set(-100 * 365 * 24 * HOUR)
    fails_for(agent, clock, 23)
    assert until(lambda: len(told(agent)) == 1), agent.log()
