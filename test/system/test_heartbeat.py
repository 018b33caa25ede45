# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life: what they say, that each sink has a rhythm of its own, and that they tell of trouble."""

import json
import signal

from lab import LISTED, until, whole_lines


def beats(path):
    return [beat for line in whole_lines(path) if (beat := json.loads(line)).get("type") == "threatlistd Heartbeat"]


def test_sinks_that_want_one_get_a_sign_of_life(lab, agent):
    other = agent.dir / "other.jsonl"
    sinks = (f"[sink log]\ntype = file\npath = {agent.jsonl}\nheartbeat = 1s\n"
             f"[sink quiet]\ntype = file\npath = {other}\n")
    agent.configure(agent="history = 30d", sinks=sinks)
    agent.start()
    # who did not answer the parent in time is warned of in one
    assert until(lambda: len(beats(agent.jsonl)) >= 3 and not beats(agent.jsonl)[-1]["warnings"]), agent.log()
    beat, status = next(beat for beat in reversed(beats(agent.jsonl)) if not beat["warnings"]), agent.status()
    assert set(beat) == {"type", "time", "hostId", "version", "mode", "intent", "listHash", "entries", "listAge",
                         "restores", "pending", "warnings"}
    assert (beat["hostId"], beat["version"]) == (status["hostId"], status["version"])
    assert (beat["mode"], beat["intent"], beat["restores"], beat["warnings"]) == ("drop", "drop", 0, [])
    assert len(beat["listHash"]) == 64 and beat["listAge"] < 60
    assert beat["entries"] == sum(source["entries"] for source in status["sources"])
    assert beats(other) == []
    # of its own kind: no finding, and no sequence is spent on it
    assert agent.ctl("findings", "--json").stdout.count("Heartbeat") == 0
    lab.ping(lab.agent, LISTED)
    assert until(lambda: other.exists() and LISTED in other.read_text())
    # of one status, and each sink goes at its own pace
    assert until(lambda: len({sink["sequence"] for sink in agent.status()["sinks"]}) == 1), agent.status()["sinks"]
    # what is wrong is in it
    agent.ctl("panic")
    assert until(lambda: (last := beats(agent.jsonl)[-1])["mode"] == "panic" and last["warnings"])
    # a reload may silence it
    agent.configure(sinks=sinks.replace("heartbeat = 1s\n", ""))
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: "config reloaded" in agent.log())
    now = len(beats(agent.jsonl))
    assert not until(lambda: len(beats(agent.jsonl)) > now + 1, 2)
