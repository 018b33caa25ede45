# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that fails for a day: said once, by the real agent, whose clocks run ahead as the test says."""

import signal

import pytest

from lab import LISTED, Clock, until

HOUR = 3600


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
