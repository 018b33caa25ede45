# SPDX-License-Identifier: GPL-3.0-or-later
"""enforce drop --confirm: the kernel lets go by itself, whoever lives, unless somebody confirms in time."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import AGENT_AT_LISTED, BUILD, LISTED, LISTED6, SANITIZED, Clock, until

SPAN = 10 if SANITIZED else 5   # what is looked at before it ends takes a busy machine two of them


def watching(agent):
    agent.configure(enforce="mode = watch")
    return agent.start()


def armed(lab):
    """How many seconds the members of the kernel's set have left."""
    for item in lab.nft_json("list", "set", "inet", "threatlistd", "armed"):
        if "set" in item:
            return [e["elem"]["expires"] for e in item["set"].get("elem", [])]
    return None


def listed(lab):
    return any(lab.in_set(name, LISTED) for name in ("hosts4", "hosts4_b"))


def cut(lab):
    return not lab.ping(lab.agent, LISTED, 0.3) and not lab.ping(lab.listed, AGENT_AT_LISTED, 0.3)


def open_again(lab, seconds=6):
    return until(lambda: lab.ping(lab.agent, LISTED, 0.3), seconds)


def mode_events(agent):
    """The reasons of mode-changed, oldest first."""
    events = [f["service"]["additionalInfo"]["threatlistd"].get("event", {}) for f in agent.findings()]
    return [e.get("reason", "") for e in events if e.get("name") == "mode-changed"]


def test_falls_back_by_itself_and_tells(lab, agent):
    watching(agent)
    begun = time.monotonic()
    done = agent.ctl("enforce", "drop", "--confirm", str(SPAN))
    assert done.returncode == 0 and "confirm" in done.stdout
    assert cut(lab) and len(armed(lab)) == 2
    now = agent.status()
    assert now["mode"] == "drop" and now["intent"] == "watch" and now["confirmUntil"].endswith("Z")
    assert any("falls back" in w for w in now["warnings"])
    assert open_again(lab) and time.monotonic() - begun >= SPAN - 0.1
    assert until(lambda: agent.status()["mode"] == "watch", 3)
    now = agent.status()
    assert now["confirmUntil"] is None and not any("falls back" in w for w in now["warnings"])
    assert until(lambda: any(f"not confirmed within {SPAN} s" in r for r in mode_events(agent)), 5)
    assert any(f"unless confirmed within {SPAN} s" in r for r in mode_events(agent))
    late = agent.ctl("confirm")
    assert late.returncode == 1 and "nothing waits" in late.stderr
    # what passed while the rules still said drop is told as watched, not as dropped
    assert "dropped" in lab.nft("list", "counters", "table", "inet", "threatlistd").stdout


def test_confirmed_in_time_it_stays(lab, agent):
    watching(agent)
    assert agent.ctl("enforce", "drop", "--confirm", str(SPAN)).returncode == 0
    assert agent.ctl("confirm").returncode == 0
    assert armed(lab) == []
    assert "armed" not in lab.nft("list", "chain", "inet", "threatlistd", "verdict").stdout
    time.sleep(SPAN + 0.3)
    assert cut(lab)
    now = agent.status()
    assert now["mode"] == "drop" and now["confirmUntil"] is None
    assert until(lambda: any("confirmed" in r for r in mode_events(agent)), 5)
    agent.kill_all()
    agent.start()
    assert cut(lab) and agent.status()["mode"] == "drop"


def test_confirmed_twice_it_stays(lab, agent):
    """As by somebody who waited for a busy enforcer, gave up and asked again."""
    watching(agent)
    span = 12 if SANITIZED else 5
    begun = time.monotonic()
    assert agent.ctl("enforce", "drop", "--confirm", str(span)).returncode == 0
    assert agent.ctl("isolate", "on", "--confirm", str(span)).returncode == 0
    pid = agent.roles()["enforcer"]
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(agent.ctl, "confirm") for _ in range(2)]
        time.sleep(0.5)
        os.kill(pid, signal.SIGCONT)
        done = [one.result() for one in asked]
    assert time.monotonic() - begun < span
    assert sorted(one.returncode for one in done) == [0, 1]
    assert any("nothing waits" in one.stderr for one in done)
    now = agent.status()
    assert now["mode"] == "drop" and now["confirmUntil"] is None
    time.sleep(max(0, begun + span + 1.5 - time.monotonic()))
    assert agent.status()["mode"] == "drop" and armed(lab) == []
    assert "drop" in lab.nft("list", "chain", "inet", "threatlistd", "isolate_out").stdout
    agent.kill_all()
    agent.start()
    assert agent.status()["mode"] == "drop"


def test_falls_back_with_everything_killed(lab, agent):
    watching(agent)
    agent.ctl("enforce", "drop", "--confirm", str(SPAN))
    agent.kill_all()
    assert cut(lab)
    assert open_again(lab)
    agent.start()
    assert agent.status()["mode"] == "watch" and lab.ping(lab.agent, LISTED)
    assert until(lambda: any("not confirmed" in r for r in mode_events(agent)), 5)
    agent.stop()
    agent.start()
    assert agent.status()["mode"] == "watch" and lab.ping(lab.agent, LISTED)


def test_deadline_holds_over_restart_reload_and_flush(lab, agent):
    watching(agent)
    begun, span = time.monotonic(), 30 if SANITIZED else 15
    agent.ctl("enforce", "drop", "--confirm", str(span))
    for how in ("kill", "reload", "flush", "crash", "list"):
        agent.disturb(how)
        # a table that comes back has its members before its rules
        assert until(lambda: agent.ready() and listed(lab) and (cut(lab) or time.monotonic() - begun > span)), (how, agent.log())
        left = armed(lab)
        assert (left or time.monotonic() - begun > span) and all(s <= span for s in left), (how, left)
    end = max(begun + span, time.monotonic())
    assert open_again(lab, span + 3)
    assert time.monotonic() < end + 3
    assert until(lambda: agent.status()["mode"] == "watch", 3)


@pytest.mark.parametrize("days", [3, -3])
def test_a_clock_that_is_set_moves_no_deadline(lab, agent, days):
    """It is kept over a restart in a file, and that has no other clock than the one on the wall for a new boot."""
    agent.configure(enforce="mode = watch")
    clock = Clock(agent)
    clock.start()
    assert until(agent.ready)
    begun, span = time.monotonic(), 15 if SANITIZED else 6
    agent.ctl("enforce", "drop", "--confirm", str(span))
    assert cut(lab)
    clock.is_set(days * 86400)
    agent.kill_all()
    clock.start()
    assert until(agent.ready) and (cut(lab) or time.monotonic() - begun > span)
    assert open_again(lab, span + 3) and time.monotonic() - begun >= span - 0.2
    assert until(lambda: agent.status()["mode"] == "watch", 3) and agent.status()["intent"] == "watch"


def test_an_enforcer_that_hangs_does_not_hold_it(lab, agent):
    watching(agent)
    agent.ctl("enforce", "drop", "--confirm", "2")
    pid = agent.roles()["enforcer"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert open_again(lab)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert until(lambda: agent.status()["mode"] == "watch", 3)


def test_emptied_by_hand_it_is_watch_and_told(lab, agent):
    watching(agent)
    agent.ctl("enforce", "drop", "--confirm", "60")
    assert cut(lab)
    lab.nft("flush", "set", "inet", "threatlistd", "armed")
    assert lab.ping(lab.agent, LISTED)
    assert until(lambda: agent.status()["mode"] == "watch", 3), agent.log()
    event = until(lambda: agent.found(event="mode-changed") and any("by hand" in r for r in mode_events(agent)), 5)
    assert event
    assert agent.ctl("confirm").returncode == 1


def test_expire_without_an_agent(lab, agent):
    watching(agent)
    agent.ctl("enforce", "drop", "--confirm", "60")
    expire = [BUILD / "threatlistd", "-c", agent.config, "--table", "expire"]
    refused = lab.inside(lab.agent, *expire, check=False)
    assert refused.returncode == 1 and "enforce watch" in refused.stderr and cut(lab)
    agent.kill_all()
    assert cut(lab)
    assert lab.inside(lab.agent, *expire, check=False).returncode == 0
    assert lab.ping(lab.agent, LISTED)
    agent.start()
    assert agent.status()["mode"] == "watch" and lab.ping(lab.agent, LISTED)
    assert until(lambda: any("--table expire" in r for r in mode_events(agent)), 5)
    agent.stop()
    again = lab.inside(lab.agent, *expire, check=False)
    assert again.returncode == 0 and "nothing waits" in again.stdout


def test_after_a_restart_of_the_host_it_is_watch(lab, agent):
    watching(agent)
    agent.ctl("enforce", "drop", "--confirm", "600")
    agent.kill_all()
    lab.nft("flush", "ruleset")
    state = agent.dir / "state" / "state"
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
    assert boot in state.read_text()
    state.write_text(state.read_text().replace(boot, "01234567-89ab-cdef-0123-456789abcdef"))
    agent.start()
    assert agent.status()["mode"] == "watch" and lab.ping(lab.agent, LISTED)
    assert until(lambda: any("started anew" in r for r in mode_events(agent)), 5)


def test_orders_in_between(lab, agent):
    watching(agent)
    # watch ends it, drop makes it last, a new deadline replaces the old one
    agent.ctl("enforce", "drop", "--confirm", "60")
    assert agent.ctl("enforce", "watch").returncode == 0
    assert lab.ping(lab.agent, LISTED) and agent.status()["confirmUntil"] is None
    agent.ctl("enforce", "drop", "--confirm", "2")
    assert agent.ctl("enforce", "drop").returncode == 0
    assert armed(lab) == []
    agent.ctl("enforce", "drop", "--confirm", "60")
    assert min(armed(lab)) > 50
    # a panic lifts at once; resumed, the deadline is the one of before
    agent.ctl("panic")
    assert lab.ping(lab.agent, LISTED)
    agent.kill_all()
    agent.start()
    assert lab.ping(lab.agent, LISTED)
    assert agent.ctl("resume").returncode == 0
    assert cut(lab) and len(armed(lab)) == 2
    assert agent.ctl("purge").returncode == 0
    assert agent.ctl("resume").returncode == 0
    assert until(lambda: cut(lab)) and len(armed(lab)) == 2
    # the config says something new: that is for good
    agent.configure(enforce="mode = drop")
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: (now := agent.status()) and now["confirmUntil"] is None and armed(lab) == []), agent.log()
    assert until(lambda: cut(lab)) and agent.status()["mode"] == "drop"


def test_usage(lab, agent):
    watching(agent)
    for wrong in (("enforce", "drop", "--confirm", "0"), ("enforce", "drop", "--confirm", "x"),
                  ("enforce", "drop", "--confirm", "86401"), ("enforce", "drop", "--confirm"), ("confirm", "x")):
        assert agent.ctl(*wrong).returncode == 2, wrong
    assert agent.ctl("confirm").returncode == 1
    assert agent.ctl("enforce", "watch", "--confirm", "5").returncode == 0
    assert agent.status()["confirmUntil"] is None
    # the socket that is not there is no agent's: without one it is tried, and the one that runs has the lock
    done = agent.lab.inside(lab.agent, BUILD / "threatlistctl", "-S", agent.dir / "none.sock", "-c", agent.config,
                            "confirm", check=False)
    assert done.returncode == 1 and "an agent is running" in done.stderr
    assert json.loads(agent.ctl("status", "--json").stdout)["mode"] == "watch"
