# SPDX-License-Identifier: GPL-3.0-or-later
"""What others put into our table, or do to it between two steps of ours: the list goes on, and is whole again.

nft is asked what there is, never the engine."""

import re

import pytest

from test_faults import ALWAYS, CHANGES, Faults
from test_kernel import (ALLOW, ASAN, DAMAGED, DISARMED, INNOCENT4, INSIDE4, LIST, LISTED4, LISTED6, PANIC, RESUME, TABLE, Engine, Net,
                         assert_holds, run, table)

MINE = [*TABLE, "mine"]


@pytest.fixture(scope="module")
def net():
    net = Net()
    try:
        net.build()
        yield net
    finally:
        net.destroy()


@pytest.fixture
def engine(net):
    engine = Engine(net)
    engine.do("open drop 7416")
    yield engine
    net.nft("delete", "table", *TABLE, check=False)
    assert engine.close() == 0


@pytest.fixture
def write(tmp_path):
    count = 0

    def write(entries):
        nonlocal count
        count += 1
        path = tmp_path / f"list{count}"
        path.write_text("".join(f"{entry}\n" for entry in entries))
        return path
    return write


def mine(net, *rules):
    """A chain of the admin's own in our table."""
    net.nft("add", "chain", *MINE)
    for rule in rules:
        net.nft("add", "rule", *MINE, *rule.split(), "counter")


def rules_of(net, chain):
    return [line.strip() for line in net.nft("list", "chain", *TABLE, chain).stdout.splitlines() if "counter" in line]


def test_rules_of_others_that_ask_our_sets_do_not_hold_the_list(net, engine, write):
    """Sets that take turns must go, and the kernel keeps those that a rule asks."""
    many = [f"20.0.{i >> 8}.{i & 255}" for i in range(3000)]
    engine.do(f"apply drop={write(LIST)}")
    mine(net, "ip saddr @nets4_a", "ip saddr @hosts4", "ip saddr @allow4", "ip6 saddr @nets6_a")
    for entries in (LIST + ["198.18.0.0/16"], LIST + many):
        engine.do(f"apply drop={write(entries)}")
        assert_holds(net, entries)
    # what does not ask for what went is left alone
    assert [rule.split()[2] for rule in rules_of(net, "mine")] == ["@allow4", "@nets6_a"]
    # a set that goes for good, and one that a successor finds beside the one in use
    name = next(name for name in table(net) if name.startswith("nets4"))
    mine(net, f"ip saddr @{name}")
    engine.do(f"apply drop={write([LISTED4, LISTED6])}")
    assert_holds(net, [LISTED4, LISTED6])
    engine.do(f"apply drop={write(LIST)}")
    name = next(name for name in table(net) if name.startswith("nets4"))
    other = {"nets4_a": "nets4_b", "nets4_b": "nets4_a"}[name]
    net.nft("add", "set", *TABLE, other, "{ type ipv4_addr; flags interval; }")
    net.nft("add", "element", *TABLE, other, f"{{ {INNOCENT4} }}")
    mine(net, f"ip saddr @{other}")
    engine.do("close")
    engine.do("open drop 7416")
    engine.do(f"apply drop={write(LIST)}")
    assert_holds(net, LIST)
    assert [rule.split()[2] for rule in rules_of(net, "mine")] == ["@allow4"]
    assert not net.inward(INSIDE4) and net.inward(INNOCENT4)


OTHER_KINDS = {
    "a chain without its hook": "delete chain inet threatlistd forward\nadd chain inet threatlistd forward\n",
    "a chain of another place": "delete chain inet threatlistd output\n"
    "add chain inet threatlistd output {{ type filter hook postrouting priority 0; }}\n",
    "a chain with a hook, that nothing goes to": "delete chain inet threatlistd out_reject\n"
    "add chain inet threatlistd out_reject {{ type filter hook input priority 0; }}\n",
    "a set of another size": "flush table inet threatlistd\ndelete set inet threatlistd seen_in4\n"
    "add set inet threatlistd seen_in4 {{ type ipv4_addr; size 7; flags dynamic,timeout; timeout 1h; }}\n",
    "a saved table of another version": "delete table inet threatlistd\nadd table inet threatlistd\n"
    "add set inet threatlistd allow4 {{ type ipv4_addr; flags interval; elements = {{ {allowed} }} }}\n"
    "add set inet threatlistd protect_ep4 {{ type ipv4_addr . inet_service; }}\n"
    "add chain inet threatlistd prerouting {{ type filter hook prerouting priority 5; }}\n"
    "add rule inet threatlistd prerouting counter\n",
}


@pytest.mark.parametrize("what", OTHER_KINDS)
def test_what_has_a_name_of_ours_and_is_of_another_kind(net, engine, write, what):
    path = write(LIST)
    engine.do(f"apply drop={path}")
    net.nft("add", "element", *TABLE, "allow4", f'{{ {INSIDE4} comment "ours" }}')
    engine.events(ALLOW)
    net.nft("-f", "-", text=OTHER_KINDS[what].format(allowed=f'{INSIDE4} comment "ours"'))
    assert engine.events(DAMAGED)[0] & DAMAGED
    for turn in ("same", "successor"):
        if turn == "successor":
            net.nft("-f", "-", text=OTHER_KINDS[what].format(allowed=f'{INSIDE4} comment "ours"'))
            engine.do("close")
            engine.do("open drop 7416")
        engine.do(f"apply drop={path}")
        assert_holds(net, LIST)
        text = net.nft("list", "table", *TABLE).stdout
        for hook in ("prerouting", "forward", "output"):
            assert re.search(rf"type filter hook {hook} priority (-310|raw - 10);", text), (turn, text)
        assert f'{INSIDE4} comment "ours"' in text
        assert not net.inward(LISTED4) and not net.through(LISTED6) and net.inward(INSIDE4) and net.inward(INNOCENT4)
    engine.do("watch")
    assert engine.do("watch")["changes"] & DAMAGED == 0


def test_more_exceptions_than_one_transaction_has_room_for(net, engine, write):
    """With their comments some 5 MB; a transaction has four."""
    n, comment = 24000, "x" * 120
    words = [(f"50.{i >> 8}.{i & 255}.{4 * (i % 60)}", f"2001:db8:50:{i:x}::/80") for i in range(n)]
    engine.do(f"apply drop={write(LIST)}")
    for name, at in (("allow4", 0), ("allow6", 1)):
        members = ", ".join(f'{word[at]} comment "{comment}"' for word in (words if at else words[:1000]))
        net.nft("-f", "-", text=f"add element inet threatlistd {name} {{ {members} }}\n")
    while engine.do("watch 300")["changes"]:
        pass
    before = {name: net.nft("list", "set", *TABLE, name).stdout for name in ("allow4", "allow6")}
    assert before["allow6"].count(comment) == n
    net.nft("flush", "ruleset")
    engine.do(f"apply drop={write(LIST)}")
    assert {name: net.nft("list", "set", *TABLE, name).stdout for name in before} == before
    assert_holds(net, LIST)


@pytest.mark.skipif(ASAN, reason="as many as fill more than a transaction")
def test_what_lists_said_of_many_hosts_goes_in_several_transactions(net, engine, write):
    def hosts(first):
        return [f"2001:db8:{first}:{i >> 8:x}::{2 * (i & 255):x}" for i in range(160000)]

    engine.do(f"apply reject={write(hosts(20))}")
    path = write(hosts(30))
    engine.do(f"apply reject={path}")
    # once made anew beside the old one, and not twice
    text = net.nft("-t", "list", "table", *TABLE).stdout
    assert "set reject6_b {" in text and "set reject6 {" not in text
    engine.do(f"verify reject={path}")
    told = engine.do("pieces")
    assert told["equal"] == 1 and told["sets"]["reject6_b"] == [160000, 160000, 0, 0]


@pytest.fixture
def aside(net, tmp_path, monkeypatch):
    """An engine in whose transactions and dumps somebody else gets a word in."""
    monkeypatch.setenv("ASIDE", str(tmp_path / "aside"))
    lab = Faults(net, tmp_path)
    yield lab
    lab.close()


def settled(engine, apply):
    """Restores until nothing is told to be damaged."""
    for _ in range(5):
        if not engine.do("watch 50")["changes"] & DAMAGED:
            return
        assert apply() == 0
    pytest.fail("damage is told without end")


def rules(net):
    return re.findall(r"^\t\t(?:ip|meta|iif|tcp|limit|counter|update|goto|jump).*", net.nft("-s", "-t", "list", "table", *TABLE).stdout, re.M)


@pytest.mark.parametrize("deed", ["flush chain inet threatlistd prerouting", "insert rule inet threatlistd in_judge accept",
                                  "flush chain inet threatlistd verdict", "delete table inet threatlistd"])
@pytest.mark.parametrize("change", CHANGES)
def test_damage_between_any_two_transactions_is_noticed(aside, tmp_path, change, deed):
    before, after = CHANGES[change]
    (tmp_path / "aside").write_text(f"add table inet other\n{deed}\n")
    aside.reach(after)
    whole = len(rules(aside.net))
    for first in range(1, 20):
        aside.reach(before)
        settled(aside.engine, lambda: aside.apply(before))
        aside.arm("then", first, 1)
        aside.apply(after)
        aside.file.write_text("")
        settled(aside.engine, lambda: aside.apply(after))
        assert_holds(aside.net, after)
        assert len(rules(aside.net)) == whole, first
        assert not any(rule.strip() == "accept" for rule in rules(aside.net)), first
        if aside.net.nft("delete", "table", "inet", "other", check=False).returncode != 0:
            assert first > 1
            break
    else:
        pytest.fail("a change has no end")


@pytest.mark.parametrize("deed", ["flush chain inet threatlistd prerouting", "insert rule inet threatlistd in_judge accept"])
def test_damage_beside_a_change_of_mode_is_noticed(aside, tmp_path, deed):
    aside.reach(ALWAYS)
    (tmp_path / "aside").write_text(deed + "\n")
    for mode in ("watch", "drop", "watch"):
        aside.engine.do("mode drop")
        aside.reach(ALWAYS)
        settled(aside.engine, lambda: aside.apply(ALWAYS))
        aside.engine.do(f"mode {mode}")
        whole = rules(aside.net)
        aside.engine.do("mode drop")
        aside.arm("then", 1, 1)
        aside.engine.do(f"mode {mode}")
        aside.file.write_text("")
        settled(aside.engine, lambda: aside.apply(ALWAYS))
        assert rules(aside.net) == whole, mode


@pytest.mark.parametrize("deed", ["delete table inet threatlistd", "delete table inet threatlistd\nadd table inet threatlistd",
                                  "flush set inet threatlistd hosts4\nflush set inet threatlistd protect4"])
def test_damage_while_protection_is_renewed_is_noticed(aside, tmp_path, deed):
    """The list's own sets are not looked at then, and with the table they are gone."""
    net = aside.net
    (tmp_path / "aside").write_text(f"add table inet other\n{deed}\n")
    for first in range(1, 10):
        run("ip", "-n", net.host, "addr", "add", "10.99.0.1/32", "dev", "lo")
        aside.reach(ALWAYS)
        settled(aside.engine, lambda: aside.apply(ALWAYS))
        run("ip", "-n", net.host, "addr", "del", "10.99.0.1/32", "dev", "lo")
        run("ip", "-n", net.host, "addr", "add", "10.99.0.2/32", "dev", "lo")
        aside.arm("then", first, 1)
        aside.engine.ask("protect")
        aside.file.write_text("")
        run("ip", "-n", net.host, "addr", "del", "10.99.0.2/32", "dev", "lo")
        settled(aside.engine, lambda: aside.apply(ALWAYS))
        assert_holds(net, ALWAYS)
        if net.nft("delete", "table", "inet", "other", check=False).returncode != 0:
            assert first > 1
            break
    else:
        pytest.fail("it has no end")


@pytest.mark.parametrize("order", ["mode watch", "arm 60000"])
def test_a_mode_holds_whatever_has_a_name_of_ours(net, engine, write, order):
    """A map is asked as a set is: nothing but an order met it, and that was refused for ever."""
    engine.do(f"apply drop={write(LIST)}")
    net.nft("-f", "-", text="flush table inet threatlistd\ndelete set inet threatlistd allow6\n"
            "add map inet threatlistd allow6 { type ipv6_addr : verdict; flags interval; }\n")
    engine.do(order)
    assert engine.do("stat")["mode"] == (1 if order == "mode watch" else 2)
    assert engine.events(DAMAGED)[0] & DAMAGED
    engine.do(f"apply drop={write(LIST)}")
    assert_holds(net, LIST)
    assert net.inward(LISTED4) is (order == "mode watch") and net.inward(INNOCENT4)
    net.nft("add", "element", *TABLE, "allow6", f"{{ {LISTED6} }}")
    assert engine.do("watch")["changes"] & DAMAGED == 0


@pytest.mark.parametrize("order", ["mode watch", "arm 60000", "confirm", "protect"])
def test_a_table_that_an_order_finds_gone_is_damage(net, engine, write, order):
    engine.do(f"apply drop={write(LIST)}")
    engine.do("arm 60000")
    engine.do("watch")
    net.nft("flush", "ruleset")
    engine.do(order)
    told = engine.do("watch 300")
    assert told["changes"] & DAMAGED and told["program"] == "nft" and told["what"] == "table"
    engine.do(f"apply drop={write(LIST)}")
    assert_holds(net, LIST)
    assert engine.do("watch")["changes"] & DAMAGED == 0


@pytest.mark.parametrize("change", CHANGES)
def test_armed_that_is_emptied_in_a_change_stays_so(aside, tmp_path, change):
    """Who lifts an unconfirmed drop by hand need not know that a list is being loaded."""
    before, after = CHANGES[change]
    (tmp_path / "aside").write_text("add table inet other\nflush set inet threatlistd armed\n")
    for first in range(1, 20):
        aside.engine.do("mode drop")
        aside.reach(before)
        aside.engine.do("arm 60000")
        aside.engine.do("watch")
        aside.arm("then", first, 1)
        assert aside.apply(after) == 0
        aside.file.write_text("")
        struck = aside.net.nft("delete", "table", "inet", "other", check=False).returncode == 0
        assert aside.engine.do("stat")["mode"] == (1 if struck else 2), first
        assert bool(aside.engine.do("watch")["changes"] & DISARMED) is struck
        assert_holds(aside.net, after)
        if not struck:
            assert first > 1
            break
    else:
        pytest.fail("a change has no end")


@pytest.mark.parametrize("deed", ["delete table inet threatlistd", "flush chain inet threatlistd verdict\n"
                                  "flush chain inet threatlistd out_reject\ndelete set inet threatlistd armed"])
def test_armed_that_is_gone_with_its_table_comes_back_with_it(aside, tmp_path, deed):
    before, after = CHANGES["reshaped"]
    (tmp_path / "aside").write_text(f"add table inet other\n{deed}\n")
    for first in range(1, 20):
        aside.engine.do("mode drop")
        aside.reach(before)
        settled(aside.engine, lambda: aside.apply(before))
        aside.engine.do("arm 60000")
        aside.arm("then", first, 1)
        aside.apply(after)
        aside.file.write_text("")
        settled(aside.engine, lambda: aside.apply(after))
        told = aside.engine.do("stat")
        assert told["mode"] == 2 and told["armed"] == 1, first
        if aside.net.nft("delete", "table", "inet", "other", check=False).returncode != 0:
            break


def test_exceptions_are_not_halved_by_a_table_that_goes_while_they_are_read(aside, tmp_path):
    """A dump of them ends half way then, and says so in its last message alone."""
    aside.reach(ALWAYS)
    members = [f"50.{i >> 8}.{i & 255}.7" for i in range(5000)]
    (tmp_path / "aside").write_text("delete table inet threatlistd\n")
    aside.net.nft("-f", "-", text=f"add element inet threatlistd allow4 {{ {', '.join(members)} }}\n")
    while aside.engine.do("watch 300")["changes"]:
        pass
    aside.net.nft("add", "element", *TABLE, "allow4", f"{{ {INNOCENT4} }}")
    aside.arm("amid", 1, 1)
    aside.engine.do("watch 300")
    assert aside.net.nft("list", "table", *TABLE, check=False).returncode != 0, "it was not taken away amid the reading"
    aside.reach(ALWAYS)
    assert len(table(aside.net)["allow4"]) >= len(members)


def test_exceptions_that_could_not_be_read_are_not_taken_for_none(aside):
    """A table that somebody made, and so many transactions of others that nothing of it can be read at first."""
    aside.reach(ALWAYS)
    aside.net.nft("add", "element", *TABLE, "allow4", f"{{ {INNOCENT4} }}")
    aside.engine.events(ALLOW)
    aside.net.nft("-f", "-", text="delete table inet threatlistd\nadd table inet threatlistd\n")
    aside.engine.events(DAMAGED)
    aside.arm("intr", 1, 50)
    assert aside.apply(ALWAYS) == 0
    aside.reach(ALWAYS)
    assert table(aside.net)["allow4"] == [INNOCENT4]


def test_which_of_panic_and_resume_was_the_last_is_told(net, engine, write):
    engine.do(f"apply drop={write(LIST)}")
    engine.do("watch")
    net.nft("add", "table", *TABLE, "{ flags dormant; }")
    net.nft("add", "table", *TABLE)
    told = engine.do("watch 300")
    assert told["changes"] & (PANIC | RESUME) == PANIC | RESUME and told["dormant"] == 0
    # an order came before the event was read
    net.nft("add", "table", *TABLE, "{ flags dormant; }")
    engine.do("resume")
    told = engine.do("watch 300")
    assert told["changes"] & PANIC and told["dormant"] == 0
    net.nft("flush", "ruleset")
    engine.do(f"apply drop={write(LIST)}")
    assert engine.do("stat")["dormant"] == 0, "the next table is made as it was last ordered"
