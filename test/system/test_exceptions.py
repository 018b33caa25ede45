# SPDX-License-Identifier: GPL-3.0-or-later
"""allow4 and allow6 are the admin's own: edited with nft, kept over restores, restarts and reboots."""

import os
import signal

from lab import LISTED, LISTED6, until

TABLE = ("inet", "threatlistd")
COMMENT = "our backup, ticket 4711 # do not remove"


def elements(lab):
    """What nft prints of both sets, comments and all."""
    result = {}
    for name in ("allow4", "allow6"):
        for item in lab.nft_json("list", "set", *TABLE, name):
            if "set" in item:
                result[name] = item["set"].get("elem", [])
    return result


def test_exceptions_outlive_everything(lab, agent):
    agent.start()
    lab.nft("add", "element", *TABLE, "allow4", f'{{ {LISTED} comment "{COMMENT}", 198.51.100.0/24, 192.0.2.3-192.0.2.9 }}')
    lab.nft("add", "element", *TABLE, "allow6", f'{{ {LISTED6} comment "v6" , ffff:: }}')
    assert until(lambda: lab.ping(lab.agent, LISTED) and lab.ping(lab.agent, LISTED6))
    before = elements(lab)
    assert COMMENT in str(before) and len(before["allow4"]) == 3 and len(before["allow6"]) == 2
    kept = agent.dir / "state" / "allow"
    assert until(lambda: kept.exists() and len(kept.read_text().splitlines()) == 6), agent.log()
    for undo in ("flush", "delete", "restart", "kill and flush", "purge", "purge without an agent", "enforcer"):
        if undo == "flush":
            lab.nft("flush", "ruleset")
        elif undo == "delete":
            lab.nft("delete", "table", *TABLE)
        elif undo == "purge":
            agent.ctl("purge")
            agent.ctl("resume")
        elif undo == "enforcer":
            os.kill(agent.roles()["enforcer"], signal.SIGKILL)
            lab.nft("flush", "ruleset")
        else:
            if undo == "restart":
                agent.stop()
            else:
                agent.kill_all()
                if "purge" in undo:
                    # edited while nobody was there to write it down
                    lab.nft("add", "element", *TABLE, "allow4", '{ 192.0.2.200 comment "late" }')
                    before = elements(lab)
                    assert agent.ctl("purge").returncode == 0
                    assert agent.ctl("resume").returncode == 0
                else:
                    lab.nft("flush", "ruleset")    # as a reboot
            agent.start()
        assert until(lambda: lab.has_table() and elements(lab) == before, 10), (undo, agent.log())
        assert until(lambda: lab.ping(lab.agent, LISTED) and lab.ping(lab.agent, LISTED6)), undo
    # taken away by the admin they stay away
    lab.nft("flush", "set", *TABLE, "allow4")
    assert until(lambda: len(kept.read_text().splitlines()) == 3)
    lab.nft("flush", "ruleset")
    assert until(lambda: lab.has_table() and not lab.ping(lab.agent, LISTED, 0.3)), agent.log()
    assert elements(lab) == {"allow4": [], "allow6": before["allow6"]}


def test_a_damaged_file_costs_its_bad_lines(lab, agent):
    (agent.dir / "state").mkdir()
    (agent.dir / "state" / "allow").write_bytes(
        f"nonsense\n{LISTED}\n{LISTED} # twice\n203.0.113.0/24 # overlaps\n\xff\xfe\n".encode("latin-1")
        + b"A" * 5000 + b"\n" + f"{LISTED6} # fine\n".encode())
    agent.start()
    assert "exceptions not understood" in agent.log()
    assert until(lambda: lab.ping(lab.agent, LISTED6))
    assert until(lambda: lab.ping(lab.agent, LISTED))


def test_many_at_once_are_read_once(lab, agent):
    """Thousands of events of one edit: the set is not read for each, nobody waits, and all of them are kept."""
    many = 30000
    agent.start()
    words = lab.work / "many"
    addresses = [f"50.{i >> 8}.{i & 255}.{4 * (i % 60)}" for i in range(many)]
    words.write_text(f"add element inet threatlistd allow4 {{ {', '.join(addresses)} }}\n")
    lab.nft("-f", words)
    kept = agent.dir / "state" / "allow"
    assert until(lambda: kept.exists() and len(kept.read_text().splitlines()) == many + 1, 10), agent.log()
    assert until(lambda: not agent.status()["warnings"]), agent.status()["warnings"]
    before = elements(lab)["allow4"]
    assert len(before) == many
    lab.nft("flush", "ruleset")
    assert until(lambda: lab.has_table() and agent.status()["table"]["restores"] == 1, 10), agent.log()
    assert elements(lab)["allow4"] == before


def test_a_table_that_was_broken_off_in_the_making_takes_nothing_away(lab, agent):
    """kill -9 when only some of them were put back: what the new table has is not what the admin left in it."""
    (agent.dir / "state").mkdir()
    kept = agent.dir / "state" / "allow"
    kept.write_text(f"{LISTED} # first\n198.51.100.0/24 # second\n{LISTED6} # third\n")
    lab.nft("add", "table", *TABLE)
    lab.nft("add", "set", *TABLE, "allow4", "{ type ipv4_addr; flags interval; }")
    lab.nft("add", "element", *TABLE, "allow4", f'{{ {LISTED} comment "first" }}')
    agent.start()
    assert until(lambda: lab.in_set("allow4", "198.51.100.9") and lab.in_set("allow6", LISTED6)), agent.log()
    assert [word in str(elements(lab)) for word in ("first", "second", "third")] == [True] * 3
    agent.stop()
    assert [word in kept.read_text() for word in ("first", "second", "third")] == [True] * 3
    # one that has rules is the admin's own in what it has
    lab.nft("flush", "set", *TABLE, "allow4")
    agent.start()
    assert until(lambda: "second" not in kept.read_text()) and elements(lab)["allow4"] == []


def test_what_a_table_was_begun_with_and_what_was_kept_are_both_the_admins(lab, agent):
    """As a ruleset with exceptions of its own that the host has loaded before the agent comes: ranges may overlap."""
    (agent.dir / "state").mkdir()
    kept = agent.dir / "state" / "allow"
    kept.write_text("20.0.0.0/24 # wide\n20.0.1.4 # inside\n20.0.2.0/28 # apart\n20.0.3.0/25 # left\n255.255.255.0/24 # last\n")
    lab.nft("add", "table", *TABLE)
    lab.nft("add", "set", *TABLE, "allow4", "{ type ipv4_addr; flags interval; }")
    lab.nft("add", "element", *TABLE, "allow4", "{ 20.0.0.16/28, 20.0.0.64/26, 20.0.1.0/24 comment \"theirs\", 20.0.3.64-20.0.4.9, "
            "255.255.255.255, 1.2.3.4 }")
    agent.start()
    for address in ("20.0.0.0", "20.0.0.15", "20.0.0.16", "20.0.0.40", "20.0.0.127", "20.0.0.255", "20.0.1.4", "20.0.1.255", "20.0.2.15",
                    "20.0.3.0", "20.0.4.9", "255.255.255.254", "255.255.255.255", "1.2.3.4"):
        assert until(lambda: lab.in_set("allow4", address)), (address, agent.log())
    for address in ("20.0.2.16", "20.0.4.10", "19.255.255.255", "255.255.254.255"):
        assert not lab.in_set("allow4", address), address
    assert "anew" not in agent.log() and agent.status()["table"]["restores"] == 0
    before = elements(lab)
    agent.stop()
    assert [word in kept.read_text() for word in ("wide", "theirs", "apart", "left", "last", "inside")] == [True] * 5 + [False]
    lab.nft("flush", "ruleset")
    agent.start()
    assert until(lambda: lab.has_table() and elements(lab) == before), agent.log()
