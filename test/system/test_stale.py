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


def restart(agent, clock):
    assert agent.stop() == 0
    clock.start()
    assert until(lambda: source(agent)["state"] == "failing"), source(agent)


def starts_anew(agent):
    """Another boot, by what the agent kept of the one that it was in."""
    kept, = (agent.dir / "state/lists").glob("*.failing")
    words = kept.read_text().split()
    assert len(words[3]) == 36
    words[3] = "00000000-0000-0000-0000-000000000000"
    kept.write_text(" ".join(words) + "\n")


def test_a_day_over_restarts_of_agent_and_host(lab, agent, clock):
    """A host that is started anew each night tells it nevertheless, and once."""
    kept = agent.dir / "state/lists/test.failing"
    clock.start()
    assert until(lambda: lab.in_set("hosts4", LISTED)), agent.log()
    text = agent.list.read_text()
    agent.list.unlink()
    next_try(agent, clock, HOUR)
    fails_for(agent, clock, 10)
    # the agent alone is started anew: the clock on the wall is not asked
    clock.is_set(1000 * 24 * HOUR)
    restart(agent, clock)
    assert not lab.ping(lab.agent, LISTED, 0.3)
    fails_for(agent, clock, 3)
    # the host is, an hour later; its own clock begins anew
    assert agent.stop() == 0
    starts_anew(agent)
    clock.wall += HOUR
    clock.boot -= 14 * HOUR
    clock.passes(0)
    clock.start()
    assert until(lambda: source(agent)["state"] == "failing"), source(agent)
    fails_for(agent, clock, 9)
    assert not told(agent) and kept.read_text().split()[4] == "0"
    next_try(agent, clock, HOUR)
    assert until(lambda: len(told(agent)) == 1), (kept.read_text(), agent.log())
    # not again: after a restart, another boot, another day
    fails_for(agent, clock, 1)
    restart(agent, clock)
    fails_for(agent, clock, 25)
    assert agent.stop() == 0
    starts_anew(agent)
    clock.start()
    fails_for(agent, clock, 25)
    assert len(told(agent)) == 1
    # it is over, and so for the next run
    agent.list.write_text(text)
    next_try(agent, clock, HOUR)
    assert until(lambda: source(agent)["state"] == "ok") and not kept.exists()
    assert agent.log().count("list refreshed again source=test") == 1


def test_a_host_that_starts_with_a_wrong_date(agent, clock):
    """Years off, forwards: half a day of it counts.  Backwards: none."""
    kept = agent.dir / "state/lists/test.failing"
    agent.list.unlink()
    clock.start()
    assert until(lambda: source(agent).get("error"))
    for years, hours in ((50, 12), (-100, 12)):
        assert agent.stop() == 0
        starts_anew(agent)
        clock.is_set(years * 365 * 24 * HOUR)
        clock.start()
        assert until(lambda: source(agent).get("error"))
        assert until(lambda: round(int(kept.read_text().split()[0]) / 3600_000) == hours), kept.read_text()
    fails_for(agent, clock, 11)
    assert not told(agent)
    fails_for(agent, clock, 1)
    assert until(lambda: len(told(agent)) == 1), (kept.read_text(), agent.log())


def test_what_was_kept_is_damaged(agent, clock):
    kept = agent.dir / "state/lists/test.failing"
    agent.list.unlink()
    clock.start()
    assert until(lambda: source(agent).get("error") and kept.exists())
    assert agent.stop() == 0
    kept.write_text("999999999999999 1 1 x 0\n")
    clock.start()
    assert until(lambda: source(agent).get("error"))
    assert agent.log().count('time of failing not read source=test error="Invalid argument"') == 1
    fails_for(agent, clock, 2)
    assert not told(agent) and 0 < int(kept.read_text().split()[0]) < 3 * 3600_000
