# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do while a list is on its way into the kernel: neither is undone by the other, whoever comes first."""

import json
import threading

import pytest

from lab import LISTED, LISTED6, SANITIZED, run, until

TABLE = ("inet", "threatlistd")
SIZE = 20000 if SANITIZED else 100000
ROUNDS = 4


def entries(round_):
    """Half of them are others each time; the prefixes always."""
    hosts = (f"20.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(round_ * SIZE // 2, round_ * SIZE // 2 + SIZE))
    prefixes = (f"30.{i >> 8}.{i & 255}.0/{25 + (i + round_) % 4}" for i in range(SIZE // 20))
    return "\n".join([LISTED, LISTED6, *hosts, *prefixes]) + "\n"


@pytest.fixture
def loads(agent):
    """Loads one list after the other, and do(n) again and again while each is on its way."""
    agent.configure(agent="refresh = 1d", enforce="mode = drop\nmax_growth = 1000000%\nmax_shrink = 100%")
    agent.start()

    def load(do):
        n = 0
        for round_ in range(1, ROUNDS + 1):
            agent.list.write_text(entries(round_))
            before, over = agent.log().count("list in force generation="), threading.Event()
            agent.ctl("refresh")
            threading.Timer(10, over.set).start()
            while agent.log().count("list in force generation=") == before and not over.is_set():
                n += 1
                do(n)
        return n

    yield load
    whole = until(lambda: (now := agent.ctl("verify", "--json").stdout) and json.loads(now)["equal"] and json.loads(now), 10)
    assert whole and whole["rules"], agent.log()
    assert until(lambda: not agent.status()["warnings"], 10), agent.status()
    assert "<3>" not in agent.log(), agent.log()


def test_exceptions_are_edited(lab, agent, loads):
    def edit(n):
        lab.nft("flush", "set", *TABLE, "allow4")
        lab.nft("add", "element", *TABLE, "allow4", f"{{ 198.18.{n >> 8}.{n & 255}, 10.1.0.0/16 }}")

    n = loads(edit)
    last = f"198.18.{n >> 8}.{n & 255}"
    kept = agent.dir / "state/allow"
    assert lab.in_set("allow4", last) and until(lambda: last in kept.read_text() and kept.read_text().count("\n") == 3)
    lab.nft("flush", "ruleset")
    assert until(lambda: lab.in_set("allow4", last) and lab.in_set("allow4", "10.1.9.9"), 5), agent.log()


def test_panic_by_hand(lab, agent, loads):
    def panic(_):
        lab.nft("add", "table", *TABLE, "{ flags dormant; }")
        assert until(lambda: agent.status()["mode"] == "panic", 10), agent.status()
        assert lab.ping(lab.agent, LISTED, 1) and "dormant" in lab.nft("-t", "list", "table", *TABLE).stdout
        lab.nft("add", "table", *TABLE)
        assert until(lambda: agent.status()["mode"] == "drop" and not lab.ping(lab.agent, LISTED, 0.2), 10), agent.status()

    loads(panic)


def test_addresses_come_and_go(lab, agent, loads):
    def protected(address):
        return any(lab.in_set(name, address) for name in ("protect4", "protect4_b"))

    def move(n):
        address = f"203.0.113.{100 + n % 100}"
        for what, there in (("add", True), ("del", False)):
            run("ip", "-n", lab.agent, "addr", what, f"{address}/24", "dev", "to-listed")
            assert until(lambda a=address, t=there: protected(a) is t, 10), (what, address, agent.log())

    loads(move)


def test_it_is_taken_away(lab, agent, loads):
    ways = [("flush", "ruleset"), ("flush", "chain", *TABLE, "verdict"), ("delete", "table", *TABLE),
            ("flush", "chain", *TABLE, "prerouting")]

    def damage(n):
        lab.nft(*ways[n % len(ways)], check=False)
        until(lambda: lab.has_table() and not lab.ping(lab.agent, LISTED, 0.1), 10)

    loads(damage)
    assert until(lambda: not lab.ping(lab.agent, LISTED, 0.2) and not lab.ping(lab.agent, LISTED6, 0.2), 10), agent.log()
