# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody takes out of the table by hand comes back, fast, and is told; what the agent says is checked."""

import json
import os
import signal
import time

import pytest

from lab import AGENT_AT_LISTED, INNOCENT, LISTED, LISTED6, SANITIZED, until

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
        one_of(("nets4_a", "nets4_b"), "198.51.100.9") and one_of(("top4", "top4_b"), "198.51.96.0") and \
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


def test_restores_are_counted_over_an_enforcer_that_died(lab, agent):
    """The count is the agent's: what is sent up in heartbeats and metrics does not begin anew with a role."""
    agent.start()
    for n in (1, 2, 3):
        lab.nft("flush", "ruleset")
        assert until(lambda: agent.status()["table"]["restores"] == n and lab.has_table()), agent.log()
        enforcer = agent.roles()["enforcer"]
        os.kill(enforcer, signal.SIGKILL)
        assert until(lambda: agent.roles().get("enforcer", enforcer) != enforcer and agent.ready()), agent.log()
        # one that puts nothing back counts nothing
        assert agent.status()["table"]["restores"] == n
    metrics = agent.ctl("metrics").stdout
    assert "threatlistd_table_restores_total 3" in metrics, metrics


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


def said(agent, address):
    """State, kernel's answer, exit code and what is said of a disagreement."""
    done = agent.ctl("check", address)
    words = done.stdout.split()
    told = json.loads(agent.ctl("check", "--json", address).stdout)
    assert (told["state"], told["kernel"]) == (words[1], words[-1])
    assert ("disagree" in told) == ("disagree" in done.stderr)
    return words[1], words[-1], done.returncode, done.stderr.partition("disagree: ")[2].strip()


def test_check_asks_the_kernel_and_not_a_copy(lab, agent):
    """In a panic nothing is put back: what is done behind the agent's back stays, for check to find."""
    wide, wide6 = "198.51.100.9", "2a00:4500::9"
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n{PREFIX}\n2a00:4500::/32\n{AGENT_AT_LISTED}\n203.0.113.200\n")
    agent.start()
    for address in (LISTED, LISTED6, wide, wide6, "203.0.113.200"):
        assert said(agent, address) == ("listed", "yes", 0, ""), address
    assert said(agent, AGENT_AT_LISTED) == ("protected", "yes", 1, "")
    assert said(agent, "192.0.2.77") == ("clear", "no", 1, "")
    assert agent.ctl("panic").returncode == 0

    def edit(verb, name, member):
        lab.nft(verb, "element", *TABLE, name, f"{{ {member} }}")

    gone = "the agent's list has it, the kernel's sets do not"
    come = "the kernel's sets have it, the agent's list does not"
    edit("delete", "hosts4", LISTED)
    assert said(agent, LISTED) == ("listed", "no", 1, gone)
    edit("delete", "hosts6", LISTED6)
    assert said(agent, LISTED6) == ("listed", "no", 1, gone)
    edit("add", "hosts4", "192.0.2.77")
    assert said(agent, "192.0.2.77") == ("clear", "no", 1, ""), "no packet would be looked up"
    edit("add", "top4", "192.0.0.0")
    assert said(agent, "192.0.2.77") == ("clear", "yes", 1, come)
    # of a prefix: what stands before it is as good as the prefix itself
    edit("delete", "top4", "198.51.96.0")
    assert said(agent, wide) == ("listed", "no", 1, gone)
    edit("add", "top4", "198.51.96.0")
    assert said(agent, wide) == ("listed", "yes", 0, "")
    edit("delete", "nets4_a", PREFIX)
    assert said(agent, wide) == ("listed", "no", 1, gone)
    edit("delete", "nets6_a", "2a00:4500::/32")
    assert said(agent, wide6) == ("listed", "no", 1, gone)
    edit("add", "nets4_a", "45.0.0.0/8")
    edit("add", "top4", "45.7.0.0")
    assert said(agent, "45.7.8.9") == ("clear", "yes", 1, come)
    edit("delete", "protect4", AGENT_AT_LISTED)
    assert said(agent, AGENT_AT_LISTED) == (
        "listed", "yes", 1, "it is never to be cut off, but the kernel's protect sets do not have it")
    edit("add", "protect4", "203.0.113.200")
    assert said(agent, "203.0.113.200") == (
        "protected", "yes", 1, "the kernel's protect sets have it, the agent did not put it there")
    # exceptions are the admin's: whatever the kernel has is right
    edit("add", "allow4", "203.0.113.128/25")
    assert until(lambda: said(agent, "203.0.113.200")[0] == "protected")
    agent.ctl("resume")
    # all of it is put back as the agent has it, but for the exception
    assert until(lambda: said(agent, LISTED) == ("listed", "yes", 0, ""), 5), agent.log()
    for address in (LISTED6, wide, wide6):
        assert said(agent, address) == ("listed", "yes", 0, ""), address
    for address in ("192.0.2.77", "45.7.8.9"):
        assert said(agent, address) == ("clear", "no", 1, ""), address
    assert said(agent, AGENT_AT_LISTED) == ("protected", "yes", 1, "")
    assert said(agent, "203.0.113.200") == ("protected", "yes", 1, "")
    lab.nft("flush", "set", *TABLE, "allow4")
    assert until(lambda: said(agent, "203.0.113.200") == ("listed", "yes", 0, ""))


def holds_host(lab):
    return any(lab.in_set(name, LISTED) for name in ("hosts4", "hosts4_b"))


def ctl_words(agent, *words):
    from lab import BUILD
    return [BUILD / "threatlistctl", words[0], "-c", agent.config, "-S", agent.dir / "run/control.sock", *words[1:]]


@pytest.mark.parametrize("when", ["running", "stopped"])
def test_an_older_table_read_on_top_of_ours_is_undone(lab, agent, when):
    """nft -f of a saved ruleset without a flush: rules of ours that ask sets of both turns, one with an old list in it."""
    agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
    agent.configure(enforce="mode = drop\nmax_growth = 1000%\nmax_shrink = 100%")
    agent.start()
    saved = lab.work / "saved"
    saved.write_text(lab.nft("list", "table", *TABLE).stdout)
    agent.list.write_text(f"{LISTED}\n198.51.100.0/24\n")
    agent.ctl("refresh")
    assert until(lambda: agent.check("198.51.100.9")[-1] == "yes" and agent.check(INNOCENT)[-1] == "no"), agent.log()
    # the hosts are in the set of the other turn after this
    lab.nft("flush", "set", *TABLE, "hosts4")
    assert until(lambda: lab.in_set("hosts4_b", LISTED) and agent.status()["table"]["restores"] == 1), agent.log()
    if when == "stopped":
        agent.kill_all()
    lab.nft("-f", saved)
    if when == "stopped":
        agent.start()
    else:
        assert until(lambda: agent.status()["table"]["restores"] == 2, 5), agent.log()
    assert until(lambda: agent.check(INNOCENT)[-1] == "no" and agent.check("198.51.100.9")[-1] == "yes", 5), agent.log()
    assert lab.ping(lab.agent, INNOCENT) and not lab.ping(lab.agent, LISTED, 0.3)
    assert "busy" not in agent.log()
