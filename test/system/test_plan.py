# SPDX-License-Identifier: GPL-3.0-or-later
"""threatlistctl plan: what would change and whether the kernel would take it, without changing anything."""

import json
import re
import sys
import time

from lab import LISTED, LISTED6, until

TABLE = ("inet", "threatlistd")
FEW = "".join(f"203.0.113.{i}\n" for i in range(100, 130))
MANY = "".join(f"198.18.{i // 256}.{i % 256}\n" for i in range(0, 2000, 2))


def generation(lab):
    """nftables' generation id: NFT_MSG_GETGEN by hand, as nft does not print it."""
    code = ("import socket,struct\n"
            "s=socket.socket(16,3,12); s.bind((0,0))\n"
            "s.send(struct.pack('=IHHIIBBH',20,(10<<8)|16,1,1,0,0,0,0))\n"
            "d=s.recv(4096); print(struct.unpack('>I',d[24:28])[0])\n")
    return int(lab.inside(lab.agent, sys.executable, "-c", code).stdout)


def in_force(lab, agent, address):
    """It is in the set, and what the enforcer does about it in more transactions is over: it answers nobody before."""
    return until(lambda: lab.in_set("hosts4", address), 10) and agent.ctl("plan").returncode == 0


def plan(lab, agent, code=0):
    """The answer; asked both ways, and nothing may differ afterwards."""
    before = lab.nft("-j", "-a", "list", "ruleset").stdout, generation(lab)
    told = agent.ctl("plan", "--json")
    people = agent.ctl("plan")
    assert (lab.nft("-j", "-a", "list", "ruleset").stdout, generation(lab)) == before
    assert (told.returncode, people.returncode) == (code, code), (told, people)
    return json.loads(told.stdout), people.stdout


def sets_of(told):
    return {entry["name"]: (entry["members"], entry["added"], entry["removed"]) for entry in told["sets"]}


def test_nothing_to_do(lab, agent):
    agent.start()
    told, people = plan(lab, agent)
    assert told["changes"] is False and told["table"] and told["mode"] == "drop" and not told["held"]
    assert told["kernel"] == {"accepts": True}
    assert sets_of(told)["hosts4"] == (1, 0, 0) and sets_of(told)["hosts6"] == (1, 0, 0)
    assert "the kernel has it so already; nothing was changed" in people


def test_a_list_that_a_gate_holds(lab, agent):
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n203.0.113.77\n{FEW}")
    agent.configure(enforce="mode = drop\nmax_growth = 100%")
    agent.start()
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n{FEW}{MANY}10.0.0.0/9\n")
    agent.ctl("refresh")
    assert until(lambda: agent.status()["sources"][0]["state"] == "held"), agent.log()
    told, people = plan(lab, agent)
    held = told["held"][0]
    assert (held["source"], held["now"], held["entries"], held["removed"]) == ("test", 33, 1033, 1)
    assert held["added"] == 1001 and "held back" in held["reason"]
    assert told["changes"] and told["kernel"] == {"accepts": True}
    sets = sets_of(told)
    assert sets["hosts4"] == (1031, 1000, 1) and sets["nets4_a"] == (1, 1, 0) and sets["hosts6"] == (1, 0, 0)
    assert re.search(r"^hosts4 +1031 +1000 +1\b", people, re.M) and "the kernel would take it" in people
    assert not lab.in_set("hosts4", "198.18.0.2")
    # and that is what happens then
    assert agent.ctl("accept", "test").returncode == 0
    assert in_force(lab, agent, "198.18.0.2"), agent.log()
    assert not plan(lab, agent)[0]["changes"]
    assert {name: n for name, (n, _, _) in sets_of(plan(lab, agent)[0]).items()} == agent.status()["table"]["sets"]


def test_without_a_table(lab, agent):
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n{MANY}10.0.0.0/9\n2a00::/32\n")
    agent.start()
    assert agent.ctl("purge").returncode == 0
    told, people = plan(lab, agent)
    assert told["purged"] and not told["table"] and told["changes"] and told["kernel"]["accepts"]
    assert sets_of(told)["hosts4"] == (1001, 1001, 0) and "there is no table, it would be made" in people
    assert not lab.has_table()
    assert agent.ctl("resume").returncode == 0 and until(lambda: lab.in_set("hosts4", LISTED))


def test_what_the_kernel_refuses(lab, agent):
    agent.start()
    assert agent.ctl("purge").returncode == 0
    # somebody else's table of this name, where allow4 is something else
    lab.nft("add", "table", *TABLE)
    lab.nft("add", "set", *TABLE, "allow4", "{ type inet_service; }")
    told, people = plan(lab, agent, code=1)
    assert told["kernel"]["accepts"] is False and "table and rules" in told["kernel"]["error"]
    assert "the kernel would refuse it: " in people
    # it is no idle word: whoever orders it gets a table made anew
    assert agent.ctl("resume").returncode == 0
    assert in_force(lab, agent, LISTED), agent.log()
    assert "making the table anew" in agent.log()
    assert plan(lab, agent)[0]["kernel"]["accepts"]


def test_a_million_of_them_is_judged_whole_and_changes_no_verdict(lab, agent):
    """More than fits one transaction, judged while packets come."""
    agent.configure(enforce="mode = drop\nmax_growth = 100%")
    agent.list.write_text(f"{LISTED}\n{FEW}")
    agent.start()
    with open(agent.list, "a", encoding="utf-8") as out:
        for i in range(600000):
            out.write(f"{20 + i // 60000}.{i // 256 % 256}.{i // 65536}.{i % 256}\n")
    agent.ctl("refresh")
    assert until(lambda: agent.status()["sources"][0]["state"] == "held", 30), agent.log()
    begun = time.monotonic()
    told, _ = plan(lab, agent)
    assert sets_of(told)["hosts4"][1] > 500000 and told["kernel"]["accepts"], told
    assert time.monotonic() - begun < 60
    assert not lab.ping(lab.agent, LISTED, 0.3)


def test_it_is_an_operators_and_wants_an_agent(lab, agent):
    assert agent.ctl("plan").returncode == 3
    assert agent.ctl("plan", "more").returncode == 2
    agent.configure(sources=f"[source none]\ntype = file\nlocation = {agent.dir}/none\n")
    agent.start(wait=False)
    assert until(lambda: agent.status() is not None)
    done = agent.ctl("plan")
    assert done.returncode == 1 and "no list has been read yet" in done.stderr
