# SPDX-License-Identifier: GPL-3.0-or-later
"""What root ordered while no agent ran is reported by the next agent: once, with its time."""

import datetime
import time

from lab import BUILD, until

ORDERS = {
    "panic": ("panic", "everything was lifted"),
    "resume": ("resume", "nothing is lifted any more"),
    "isolate-on": ("isolate", "isolate on"),
    "confirm": ("isolate", "isolate on, confirmed"),
    "isolate-off": ("isolate", "isolate off"),
}


def told(agent):
    """(event, reason, who, when) of each, in the order they are told."""
    own = [f["service"]["additionalInfo"]["threatlistd"] | {"at": f["createdAt"]} for f in agent.findings()]
    return [(o["event"]["name"], o["event"]["reason"], o["event"].get("by"), o["at"]) for o in own
            if "event" in o and "while no agent ran" in o["event"].get("reason", "")]


def test_orders_without_an_agent_are_told_by_the_next(lab, agent):
    agent.configure(enforce="mode = drop")
    agent.start()
    agent.stop()
    before = time.time()
    for order in ORDERS:
        more = ["600"] if order == "isolate-on" else []
        lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", order, *more)
    after = time.time()
    agent.start()
    assert until(lambda: len(told(agent)) == len(ORDERS)), agent.log()
    assert sorted(t[:3] for t in told(agent)) == sorted(
        (event, f"{reason}; ordered while no agent ran", "uid 0 (root)") for event, reason in ORDERS.values())
    for *_, at in told(agent):
        assert before - 1 <= datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() <= after + 1
    agent.stop()
    agent.start()
    assert not until(lambda: len(told(agent)) > len(ORDERS), 1)
