# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody takes out of the table by hand comes back, fast, and is told; what the agent says is checked."""

import os
import signal
import time

import pytest

from lab import AGENT_AT_LISTED, LISTED, LISTED6, SANITIZED, until

TABLE = ("inet", "threatlistd")
PREFIX = "198.51.100.0/24"

DAMAGE = [
    ("set hosts4", ["flush", "set", *TABLE, "hosts4"]),
    ("set hosts6", ["delete", "element", *TABLE, "hosts6", f"{{ {LISTED6} }}"]),
    ("set nets4_a", ["flush", "set", *TABLE, "nets4_a"]),
    ("set top4", ["flush", "set", *TABLE, "top4"]),
    ("set protectnet4_a", ["flush", "set", *TABLE, "protectnet4_a"]),
    ("chain prerouting", ["flush", "chain", *TABLE, "prerouting"]),
    ("chain verdict", ["flush", "chain", *TABLE, "verdict"]),
    ("chain in_hit", "rule"),
    ("chain in_judge", ["insert", "rule", *TABLE, "in_judge", "accept"]),
    ("table", ["flush", "ruleset"]),
]


def holds(lab):
    """Everything is there again: asked of nft, whatever turn a set has."""
    def one_of(names, element):
        return any(lab.in_set(name, element) for name in names)

    return one_of(("hosts4", "hosts4_b"), LISTED) and one_of(("hosts6", "hosts6_b"), LISTED6) and \
        one_of(("nets4_a", "nets4_b"), "198.51.100.9") and one_of(("top4", "top4_b"), "198.51.0.0") and \
        one_of(("protectnet4_a", "protectnet4_b"), "127.0.0.1")


def fingerprint(lab):
    """The rules as nft prints them, without what changes by itself."""
    text = lab.nft("-s", "-t", "list", "table", *TABLE).stdout
    return [line for line in text.splitlines() if " goto " in line or "drop" in line or "accept" in line]


@pytest.mark.parametrize("what, order", DAMAGE, ids=[what for what, _ in DAMAGE])
def test_damage_by_hand_is_restored_and_told(lab, agent, what, order):
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n{PREFIX}\n")
    agent.start()
    assert until(lambda: holds(lab))
    if order == "rule":
        listing = lab.nft_json("-a", "list", "chain", *TABLE, "in_hit")
        handles = [item["rule"]["handle"] for item in listing if "rule" in item]
        order = ["delete", "rule", *TABLE, "in_hit", "handle", handles[-1]]
    restores = agent.status()["table"]["restores"]
    begun = time.time()
    lab.nft(*order)
    event = until(lambda: agent.found(event="table-restored"), 5, pause=0.02)
    assert event, agent.log()
    told = event["service"]["additionalInfo"]["threatlistd"]["event"]
    assert told["program"] == "nft" and told["pid"] > 0
    assert what in told["reason"], told["reason"]
    took = int(told["reason"].split("after ")[1].split(" ms")[0])
    assert took <= (200 if not SANITIZED else 2000), told["reason"]
    assert begun - 1 <= time.time() and agent.status()["table"]["restores"] == restores + 1
    assert holds(lab)
    assert not lab.ping(lab.listed, AGENT_AT_LISTED, 0.3) and not lab.ping(lab.agent, LISTED, 0.3)


def test_check_says_when_kernel_and_agent_disagree(lab, agent):
    agent.start()
    words = agent.check(LISTED)
    assert words[1] == "listed" and words[-1] == "yes"
    assert agent.ctl("check", LISTED).returncode == 0
    # nobody is there to restore what is taken away behind the enforcer's back
    enforcer = agent.roles()["enforcer"]
    os.kill(enforcer, signal.SIGSTOP)
    lab.nft("delete", "element", *TABLE, "hosts4", f"{{ {LISTED} }}")
    # the question waits for the enforcer; it is answered before the events are read, or after a restore
    asked = agent.lab.start(lab.agent, *ctl_words(agent, "check", LISTED), log=open(agent.dir / "out", "w"))
    until(lambda: False, 0.3)
    os.kill(enforcer, signal.SIGCONT)
    code = asked.wait(10)
    text = (agent.dir / "out").read_text()
    assert (code == 1 and "no" in text.split()) or (code == 0 and text.split()[-1] == "yes"), (code, text)
    # and an address that the kernel drops though no list names it
    os.kill(enforcer, signal.SIGSTOP)
    unknown = agent.ctl("check", LISTED)
    os.kill(enforcer, signal.SIGCONT)
    assert unknown.stdout.split()[-1] == "unknown" and unknown.returncode == 0
    assert until(lambda: holds_host(lab))
    assert until(lambda: agent.check(LISTED)[-1] == "yes")


def holds_host(lab):
    return any(lab.in_set(name, LISTED) for name in ("hosts4", "hosts4_b"))


def ctl_words(agent, *words):
    from lab import BUILD
    return [BUILD / "threatlistctl", words[0], "-c", agent.config, "-S", agent.dir / "run/control.sock", *words[1:]]
