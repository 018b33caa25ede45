# SPDX-License-Identifier: GPL-3.0-or-later
"""Every member read back, on demand: what others did behind the watcher's back is found, told and put right."""

import errno
import json
import os
import random
import signal
import threading

import pytest

from lab import BUILD, run, until
from test_kernel import TABLE, engine, net, write  # noqa: F401  pylint: disable=unused-import

HOSTS = [f"198.18.{i // 250}.{i % 250 + 1}" for i in range(5000)]
NETS = ["203.0.113.0/24", "192.0.2.64/26", "224.0.0.0/3", "100.64.0.0/10"]
HOSTS6 = [f"2001:db8:1::{i:x}" for i in range(1, 900)]
NETS6 = ["2001:db8:2::/48", "fd00::/8", "ffff::/16"]
LIST = HOSTS + NETS + HOSTS6 + NETS6
CUT = 16    # datagrams at most that a set of the list above is read in


def verify(engine, path, pieces=None):
    engine.do(f"verify drop={path}")
    return engine.ask("pieces" if pieces is None else f"pieces {pieces}")


def differing(verified):
    return {name: (missing, foreign) for name, (_, _, missing, foreign) in verified["sets"].items() if missing or foreign}


def edit(net, what, name, *members):
    net.nft(what, "element", *TABLE, name, f"{{ {', '.join(members)} }}")


def test_what_is_whole_is_equal(net, engine, write):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    found = verify(engine, path)
    assert found["error"] == 0 and found["equal"] == found["rules"] == 1 and not found["examples"]
    assert found["sets"]["hosts4"] == [5000, 5000, 0, 0] and found["sets"]["hosts6"] == [899, 899, 0, 0]
    stat = engine.do("stat")["sets"]
    assert {name: counts[0] for name, counts in found["sets"].items()} == stat
    names = {item["set"]["name"] for item in json.loads(net.nft("-j", "list", "sets").stdout)["nftables"] if "set" in item}
    assert set(found["sets"]) <= names


@pytest.mark.parametrize("name, gone, come", [
    ("hosts4", ["198.18.7.77", "198.18.19.250", "198.18.0.1"], ["9.9.9.9"]),
    ("hosts6", ["2001:db8:1::333"], ["2001:db8:ffff::1", "::1:2:3:4"]),
    ("nets4_a", ["192.0.2.64/26"], ["8.8.0.0/16", "9.9.9.9"]),
    ("nets4_a", ["224.0.0.0/3"], []),
    ("nets6_a", ["ffff::/16", "2001:db8:2::/48"], ["2a00:1::/32"]),
])
def test_differences_are_told_exactly_and_put_right(net, engine, write, name, gone, come):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    edit(net, "delete", name, *gone)
    if come:
        edit(net, "add", name, *come)
    found = verify(engine, path)
    assert found["error"] == 0 and found["equal"] == 0 and found["rules"] == 1
    assert differing(found) == {name: (len(gone), len(come))}
    expected = found["sets"][name]
    assert expected[1] == expected[0] - len(gone)
    told = {(kind, text) for set_name, kind, text in found["examples"] if set_name == name}
    assert len(told) == len(found["examples"])
    assert {text for kind, text in told if kind == "missing"} == set(gone)
    assert {text for kind, text in told if kind == "foreign"} == set(come)
    # the next apply makes what differs anew
    engine.do(f"apply drop={path}")
    found = verify(engine, path)
    assert found["equal"] == 1 and not differing(found), found


def test_many_differences_cost_no_more_than_a_few_examples(net, engine, write):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    random.seed(7)
    gone, come = random.sample(HOSTS, 700), [f"9.1.{i // 250}.{i % 250}" for i in range(600)]
    edit(net, "delete", "hosts4", *gone)
    edit(net, "add", "hosts4", *come)
    net.nft("flush", "set", *TABLE, "nets6_a")
    found = verify(engine, path)
    assert differing(found) == {"hosts4": (700, 600), "nets6_a": (3, 0)}
    examples = [(kind, text) for name, kind, text in found["examples"] if name == "hosts4"]
    assert sorted(kind for kind, _ in examples) == ["foreign"] * 4 + ["missing"] * 4
    assert all(text in (come if kind == "foreign" else gone) for kind, text in examples)


def test_sets_and_rules_that_went_or_came(net, engine, write):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    net.nft("add", "set", *TABLE, "hosts4_b", "{ type ipv4_addr; }")
    edit(net, "add", "hosts4_b", "9.9.9.9")
    found = verify(engine, path)
    assert found["equal"] == 0 and found["sets"]["hosts4_b"] == [0, 0, 0, 1]
    net.nft("flush", "chain", *TABLE, "prerouting")
    found = verify(engine, path)
    assert found["equal"] == found["rules"] == 0
    engine.do(f"apply drop={path}")
    found = verify(engine, path)
    assert found["equal"] == found["rules"] == 1 and not differing(found)
    engine.do("purge")
    assert engine.ask(f"verify drop={path}")["error"] == -errno.ENOENT


def test_another_list_is_not_the_one_in_force(net, engine, write):
    engine.do(f"apply drop={write(LIST)}")
    assert engine.ask(f"verify drop={write(LIST[1:])}")["error"] == -errno.ESTALE
    assert engine.ask("pieces")["error"] == -errno.ENOENT


def test_changes_in_between_make_it_read_anew(net, engine, write):
    path, other = write(LIST), write(LIST[:-400] + ["9.9.9.9"])
    engine.do(f"apply drop={path}")
    # somebody else's, to another table
    assert verify(engine, path, pieces=2)["more"] == 1
    assert engine.ask(f"verify drop={path}")["error"] == -errno.EBUSY
    net.nft("add", "table", "inet", "other")
    assert engine.ask("pieces 1")["more"] == 1
    net.nft("delete", "table", "inet", "other")
    found = engine.ask("pieces")
    assert found["equal"] == 1 and found["again"] == 0
    # to the set that is being read, where those behind it would be skipped: they are not told as missing
    again = 0
    for member in HOSTS[::250]:
        assert verify(engine, path, pieces=3)["more"] == 1
        edit(net, "delete", "hosts4", member)
        found = engine.ask("pieces")
        assert differing(found) in ({}, {"hosts4": (1, 0)})
        again += found["again"]
        edit(net, "add", "hosts4", member)
    assert again > 0
    # our own: what is compared is what is in force at the end
    for number in range(1, CUT):
        assert verify(engine, path, pieces=number)["more"] == 1
        engine.do(f"apply drop={other}")
        found = engine.ask("pieces")
        assert found["equal"] == 1 and found["again"] >= 1, number
        path, other = other, path
    # the table goes in the middle
    assert verify(engine, path, pieces=3)["more"] == 1
    engine.do("purge")
    assert engine.ask("pieces")["error"] == -errno.ENOENT


def test_who_never_stops_changing_nftables_does_not_keep_it_for_ever(net, engine, write):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    stop = threading.Event()

    def change():
        text = "add table inet other\ndelete table inet other\n" * 50
        while not stop.is_set():
            net.nft("-f", "-", text="\n".join(text.splitlines()))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            found = verify(engine, path)
            assert found["error"] in (0, -errno.EINTR) and found["more"] == 0
            assert found["error"] != 0 or found["equal"] == 1
    finally:
        stop.set()
        thread.join()
    assert verify(engine, path)["equal"] == 1


def test_the_command(lab, agent):
    agent.list.write_text("\n".join(HOSTS) + "\n203.0.113.0/25\n")
    agent.start()
    done = agent.ctl("verify")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["equal"] and told["rules"] and not told["repairs"]
    by_name = {entry["name"]: entry for entry in told["sets"]}
    assert by_name["hosts4"]["expected"] == by_name["hosts4"]["present"] == 5000
    # in a panic nothing is put back: what is met there stays to be seen
    agent.ctl("panic", check=True)
    lab.nft("delete", "element", *TABLE, "hosts4", "{ 198.18.7.77 }")
    lab.nft("add", "element", *TABLE, "hosts4", "{ 9.9.9.9 }")
    done = agent.ctl("verify", "--json")
    told = json.loads(done.stdout)
    hosts = {entry["name"]: entry for entry in told["sets"]}["hosts4"]
    assert done.returncode == 1 and not told["equal"] and not told["repairs"]
    assert (hosts["missing"], hosts["foreign"]) == (1, 1)
    assert (hosts["missingExamples"], hosts["foreignExamples"]) == (["198.18.7.77"], ["9.9.9.9"])
    shown = run("script", "-qec", " ".join(["ip", "netns", "exec", lab.agent, str(BUILD / "threatlistctl"), "verify",
                                            "-c", str(agent.config), "-S", str(agent.dir / "run/control.sock")]),
                "/dev/null", check=False).stdout
    assert "hosts4 lacks: 198.18.7.77" in shown and "hosts4 has besides: 9.9.9.9" in shown and "not equal" in shown
    assert "kernel differs from the list" in agent.log()
    agent.ctl("resume", check=True)
    assert until(lambda: agent.ctl("verify").returncode == 0)
    assert agent.check("198.18.7.77")[5] == "yes" and agent.check("9.9.9.9")[-1] == "no"
    assert agent.ctl("verify", "more").returncode == 2
    agent.ctl("purge", check=True)
    done = agent.ctl("verify")
    assert done.returncode == 1 and "purged" in done.stderr


def test_what_the_watcher_missed_is_found_and_put_right(lab, agent):
    """Its queue overflowed, so it looked at samples: of 5,000 members they are eight."""
    agent.list.write_text("\n".join(HOSTS) + "\n")
    agent.start()
    enforcer = agent.roles()["enforcer"]
    members = ", ".join(f"9.{i >> 8}.{i & 255}.1" for i in range(60000))
    flood = agent.dir / "flood.nft"
    flood.write_text(f"table inet other {{\n set many {{\n type ipv4_addr\n elements = {{ {members} }}\n }}\n}}\n")
    os.kill(enforcer, signal.SIGSTOP)
    try:
        for _ in range(3):
            lab.nft("-f", flood)
            lab.nft("delete", "table", "inet", "other")
        lab.nft("delete", "element", *TABLE, "hosts4", "{ 198.18.7.77 }")
        lab.nft("add", "element", *TABLE, "hosts4", "{ 9.9.9.9 }")
    finally:
        os.kill(enforcer, signal.SIGCONT)
    assert until(agent.ready) and agent.status()["table"]["restores"] == 0
    assert not lab.in_set("hosts4", "198.18.7.77") and lab.in_set("hosts4", "9.9.9.9")
    done = agent.ctl("verify")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["repairs"]
    assert [(entry["name"], entry["missing"], entry["foreign"]) for entry in told["sets"]
            if entry["missing"] or entry["foreign"]] == [("hosts4", 1, 1)]
    assert until(lambda: agent.ctl("verify").returncode == 0)
    assert agent.check("198.18.7.77")[5] == "yes" and agent.check("9.9.9.9")[-1] == "no"
    assert agent.status()["table"]["restores"] == 1
    found = until(lambda: agent.found(event="table-restored"))
    assert "set hosts4" in found["service"]["additionalInfo"]["threatlistd"]["event"]["reason"]
