# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole agent: lists in, drops in the kernel, findings out."""

import json
import os
import re
import signal
import sys
import time

import pytest

from lab import (AGENT6, AGENT_AT_INNOCENT, AGENT_AT_LISTED, BUILD, INNOCENT, INNOCENT6, LISTED, LISTED6, Agent,
                 run, until, whole_lines)


def test_listed_host_is_cut_off_both_ways_and_reported(lab, agent):
    for namespace in (lab.agent, lab.listed, lab.innocent):
        lab.serve(namespace)
    assert until(lambda: lab.connect(lab.agent, LISTED) and lab.connect(lab.listed, AGENT_AT_LISTED)
                 and lab.connect(lab.innocent, AGENT_AT_INNOCENT))
    agent.start()
    assert lab.in_set("hosts4", LISTED) and lab.in_set("hosts6", LISTED6)
    assert not lab.ping(lab.agent, LISTED) and not lab.connect(lab.agent, LISTED)
    assert not lab.ping(lab.listed, AGENT_AT_LISTED) and not lab.connect(lab.listed, AGENT_AT_LISTED)
    assert not lab.ping(lab.agent, LISTED6) and not lab.ping(lab.listed, AGENT6)
    assert lab.ping(lab.agent, INNOCENT) and lab.connect(lab.agent, INNOCENT) and lab.ping(lab.agent, INNOCENT6)
    assert lab.connect(lab.innocent, AGENT_AT_INNOCENT)
    for remote in (LISTED, LISTED6):
        for direction in ("INBOUND", "OUTBOUND"):
            found = until(lambda: agent.found(remote, direction), 5)
            assert found, (remote, direction)
            own = found["service"]["additionalInfo"]["threatlistd"]
            assert found["type"] == "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
            assert found["severity"] == (2 if direction == "INBOUND" else 5)
            assert found["service"]["action"]["networkConnectionAction"]["blocked"] is True
            assert own["verdict"] == "dropped" and own["lists"] == ["test"]
            assert found["resource"]["instanceDetails"]["instanceId"] == "i-0123456789abcdef0"
    assert not agent.found(INNOCENT) and not agent.found(INNOCENT6)


def test_first_sight_is_delivered_within_a_second(lab, agent):
    agent.start()
    lab.start(lab.listed, "ping", "-n", "-c", "1", "-W", "1", AGENT_AT_LISTED)
    found = until(lambda: agent.found(LISTED, "INBOUND"), 5, pause=0.02)
    assert found
    seen = found["service"]["eventFirstSeen"]
    written = agent.jsonl.stat().st_mtime
    begun = __import__("datetime").datetime.fromisoformat(seen.replace("Z", "+00:00")).timestamp()
    assert written - begun < (1 if "asan" not in str(BUILD) else 3)
    assert found["service"]["action"]["networkConnectionAction"]["protocol"] == "ICMP"
    assert "localPortDetails" not in found["service"]["action"]["networkConnectionAction"]


def test_counts_are_the_kernels_own(lab, agent):
    agent.start()
    lab.inside(lab.listed, "ping", "-n", "-c", "1", "-W", "1", AGENT_AT_LISTED, check=False)
    assert until(lambda: agent.found(LISTED, "INBOUND"))
    lab.inside(lab.listed, "ping", "-n", "-f", "-c", "500", "-W", "1", AGENT_AT_LISTED, check=False)

    def counted():
        lines = agent.ctl("findings", "--json").stdout.splitlines()
        return [own for own in (json.loads(line)["service"]["additionalInfo"]["threatlistd"] for line in lines)
                if own.get("packetsFromRemote") == 501]

    own = until(counted, 5)
    assert own and own[0]["dropped"] == 501 and own[0]["bytesFromRemote"] == 501 * 84


def test_trusted_list_carves_a_hole_and_prefixes_drop(lab, agent):
    trusted = agent.dir / "trusted.txt"
    trusted.write_text(f"{LISTED}\n")
    agent.list.write_text("203.0.113.64/26\n192.0.2.8/29\n")
    agent.configure(sources=f"[source bad]\ntype = file\nlocation = {agent.list}\n"
                            f"[source good]\ntype = file\nlocation = {trusted}\nrole = trusted\n")
    agent.start()
    assert lab.ping(lab.agent, LISTED)
    assert not lab.ping(lab.agent, INNOCENT)
    assert agent.check(LISTED)[1] == "trusted"
    words = agent.check("203.0.113.67")
    assert words[1:5] == ["listed", "203.0.113.64/26", "bad", "drop"] and words[5] == "yes"
    assert agent.check("203.0.113.1")[1] == "clear"


def test_scope_public_leaves_private_and_documentation_space_alone(lab, agent):
    agent.list.write_text(f"{LISTED}\n10.0.0.0/8\n8.8.8.8\n")
    agent.config.write_text(agent.config.read_text().replace("scope = any", "scope = public"))
    agent.start()
    assert agent.check(LISTED)[1] == "clear" and agent.check("10.1.2.3")[1] == "clear"
    assert agent.check("8.8.8.8")[1] == "listed"
    assert lab.ping(lab.agent, LISTED)


def test_watch_mode_passes_and_reports(lab, agent):
    agent.configure(enforce="mode = watch")
    agent.start()
    assert lab.ping(lab.agent, LISTED)
    found = until(lambda: agent.found(LISTED, "OUTBOUND"), 5)
    assert found and found["severity"] == 8
    assert found["service"]["additionalInfo"]["threatlistd"]["verdict"] == "watched"
    assert found["service"]["action"]["networkConnectionAction"]["blocked"] is False
    # replies of a flow we opened make no inbound finding
    assert not until(lambda: agent.found(LISTED, "INBOUND"), 1.5)


def test_reject_answers_at_once_and_counts_nothing_inbound(lab, agent):
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {agent.list}\naction = reject\n")
    agent.start()
    code = ("import socket,sys,time; t=time.monotonic()\n"
            "try: socket.create_connection((sys.argv[1], 9), timeout=3)\n"
            "except ConnectionRefusedError: sys.exit(0 if time.monotonic()-t < 0.5 else 2)\n"
            "except OSError as e: print(e); sys.exit(3)\n")
    for remote in (LISTED, LISTED6):
        done = lab.inside(lab.agent, sys.executable, "-c", code, remote, check=False)
        assert done.returncode == 0, done.stdout
    found = until(lambda: agent.found(LISTED, "OUTBOUND"), 5)
    assert found and found["service"]["additionalInfo"]["threatlistd"]["verdict"] == "rejected"
    assert not until(lambda: agent.found(LISTED, "INBOUND"), 1)


def test_killed_roles_come_back_and_the_table_stays(lab, agent):
    agent.start()
    before = agent.roles()
    for role in ("enforcer", "sensor", "reporter"):
        os.kill(before[role], signal.SIGKILL)
    assert lab.has_table() and not lab.ping(lab.agent, LISTED)
    assert until(lambda: (now := agent.status()) and {r["role"]: r["pid"] for r in now["roles"]}.keys() == before.keys()
                 and all(r["pid"] and r["pid"] != before[r["role"]] for r in now["roles"] if r["role"] != "parent")
                 and now["table"] and now["table"]["list"] >= 1 and now["table"]["present"], 15), agent.log()
    assert agent.roles()["parent"] == before["parent"]
    assert not lab.ping(lab.listed, AGENT_AT_LISTED)
    assert until(lambda: agent.found(LISTED, "INBOUND") and agent.found(LISTED, "OUTBOUND"), 5), agent.log()
    assert all(role["restarts"] >= 1 for role in agent.status()["roles"] if role["role"] != "parent")
    assert agent.check(LISTED)[1] == "listed"


def test_kill_9_of_everything_keeps_findings_and_repeats_bytes(lab, agent):
    agent.start()
    lab.ping(lab.listed, AGENT_AT_LISTED)
    assert until(lambda: agent.found(LISTED, "INBOUND"), 5)
    agent.kill_all()
    assert lab.has_table() and not lab.ping(lab.agent, LISTED)
    before = agent.jsonl.read_bytes()
    agent.start()
    assert agent.ctl("findings", "--json").stdout.count(LISTED) >= 1
    lab.ping(lab.agent, LISTED)
    assert until(lambda: agent.found(LISTED, "OUTBOUND"), 5), agent.log()
    after = agent.jsonl.read_bytes()
    assert after.startswith(before)
    by_sequence = {}
    spools = set()
    for line in after.split(b"\n")[:-1]:
        own = json.loads(line)["service"]["additionalInfo"]["threatlistd"]
        spools.add(own["spool"])
        assert by_sequence.setdefault(own["sequence"], line) == line
    assert len(spools) == 1 and sorted(by_sequence) == list(range(1, len(by_sequence) + 1))


def test_list_change_is_enforced_and_told(lab, agent):
    agent.start()
    agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
    assert agent.ctl("refresh").returncode == 0
    assert until(lambda: lab.in_set("hosts4", INNOCENT)), agent.log()
    # what is new comes first, what goes goes last
    assert until(lambda: not lab.in_set("hosts6", LISTED6))
    event = until(lambda: agent.found(event="list-changed"), 0.1)
    if event is None:
        # severity 1: not for a sink of security events, but kept
        lines = agent.ctl("findings", "--json").stdout.splitlines()
        event = [f for f in map(json.loads, lines)
                 if f["service"]["additionalInfo"]["threatlistd"].get("event", {}).get("added") == 1][0]
    told = event["service"]["additionalInfo"]["threatlistd"]["event"]
    assert event["type"] == "Policy:EC2/ThreatListChanged.Custom" and told["source"] == "test"
    assert told["entries"] == 2


def test_gate_holds_and_accept_lets_through(lab, agent):
    agent.list.write_text("".join(f"203.0.113.{i}\n" for i in range(20, 120)))
    agent.start()
    agent.list.write_text(f"{LISTED}\n")
    agent.ctl("refresh")
    assert until(lambda: agent.status()["sources"][0]["state"] == "held"), agent.log()
    assert "shrink" in agent.status()["sources"][0]["error"] or "%" in agent.status()["sources"][0]["error"]
    assert lab.in_set("hosts4", "203.0.113.20")
    event = until(lambda: agent.found(event="list-held"), 5)
    assert event and event["severity"] == 5 and event["type"] == "Policy:EC2/ThreatListHeld.Custom"
    assert agent.ctl("status", "--check").returncode == 1
    assert agent.ctl("accept", "nonsense").returncode == 1
    assert agent.ctl("accept", "test").returncode == 0
    assert until(lambda: not lab.in_set("hosts4", "203.0.113.20"))
    assert lab.in_set("hosts4", LISTED)
    assert agent.ctl("accept", "test").returncode == 1


def test_last_good_list_is_loaded_when_the_source_is_gone(lab, agent):
    agent.start()
    agent.stop(signal.SIGKILL)
    lab.nft("flush", "ruleset")
    agent.list.unlink()
    agent.start()
    assert not lab.ping(lab.agent, LISTED)
    source = until(lambda: (s := agent.status()["sources"][0])["state"] == "failing" and s)
    assert source and source["entries"] == 2 and "No such file" in source["error"]


def test_empty_or_nonsense_file_keeps_the_list(lab, agent):
    agent.start()
    for text in ("", "# nothing\n", "<html>\n<body>\nnot a list\n</body>\n"):
        agent.list.write_text(text)
        agent.ctl("refresh")
        assert until(lambda: agent.status()["sources"][0]["state"] == "failing"), text
        assert lab.in_set("hosts4", LISTED)
        agent.list.write_text(f"{LISTED}\n{LISTED6}\n")
        agent.ctl("refresh")
        assert until(lambda: agent.status()["sources"][0]["state"] == "ok")


def test_reload_is_all_or_nothing(lab, agent):
    agent.start()
    good = agent.config.read_text()
    agent.config.write_text(good.replace("mode = drop", "mode = dorp"))
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: "config not reloaded" in agent.log())
    assert f"{agent.config}:" in agent.log() and "dorp" in agent.log()
    assert not lab.ping(lab.agent, LISTED)
    assert agent.status()["mode"] == "drop"
    held, = [text for text in agent.status()["warnings"] if text.startswith("the config on disk is not in force: ")]
    assert "dorp" in held
    # a check beforehand cannot know what the agent that runs cannot change
    agent.config.write_text(good.replace("/state", "/elsewhere").replace("mode = drop", "mode = watch"))
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: "the config on disk is not in force: state_dir and run_dir cannot change while the agent runs: "
                         "restart it" in agent.status()["warnings"]), agent.log()
    assert agent.status()["mode"] == "drop"
    agent.config.write_text(good.replace("mode = drop", "mode = watch"))
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: (now := agent.status()) and now["mode"] == "watch" and lab.ping(lab.agent, LISTED))
    # the reporter starts anew last: until then it may be silent
    assert lab.has_table() and until(lambda: agent.status()["warnings"] == []), agent.status()


def test_a_reload_names_host_account_and_region_anew(lab, agent):
    """They were those of the start: findings went on under the old account, until somebody restarted the agent."""
    agent.start()
    lab.ping(lab.agent, LISTED)
    assert until(lambda: agent.found(LISTED))
    assert (agent.found(LISTED)["accountId"], agent.found(LISTED)["region"]) == ("000000000000", "local")
    agent.configure(agent="account = 111122223333\nregion = eu-west-1")
    agent.disturb("reload")
    assert until(agent.ready)
    lab.ping(lab.agent, LISTED6)
    assert until(lambda: agent.found(LISTED6)), agent.log()
    found = agent.found(LISTED6)
    assert (found["accountId"], found["region"]) == ("111122223333", "eu-west-1")
    assert found["arn"].startswith("arn:aws:guardduty:eu-west-1:111122223333:")
    agent.config.write_text(agent.config.read_text().replace("i-0123456789abcdef0", "i-0123456789abcdef1"))
    agent.disturb("reload")
    assert until(lambda: (now := agent.status()) and now["hostId"] == "i-0123456789abcdef1"), agent.log()


def listening(lab, port):
    """Who is refused is asked again only after a while."""
    return f":{port} " in lab.inside(lab.agent, "ss", "-Hltn").stdout


def test_reload_does_not_wait_for_a_server_that_hangs(lab, agent):
    """Whoever takes a slow source out of the config has the rest at once, and no error of ours in the log."""
    hang = ("import socket,time; s=socket.create_server(('127.0.0.1', 4443)); c=s.accept(); "
            "print('met', flush=True); time.sleep(60)")
    met = lab.work / "met"
    with open(met, "w", encoding="utf-8") as out:
        lab.start(lab.agent, sys.executable, "-c", hang, log=out)
    assert until(lambda: listening(lab, 4443))
    good = agent.config.read_text()
    agent.configure(sources="[source slow]\ntype = https\nlocation = https://127.0.0.1:4443/list\n")
    agent.start(wait=False)
    assert until(lambda: "met" in met.read_text()), agent.log()
    agent.config.write_text(good)
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: lab.in_set("hosts4", LISTED), 3 if "asan" not in str(BUILD) else 8), agent.log()
    assert "<3>" not in agent.log(), agent.log()


HANG = """
import socket
held, s = [], socket.create_server(("127.0.0.1", 4443))
while True:
    held.append(s.accept()); print("met", flush=True)
"""


def test_a_refresh_that_waits_for_the_feed_has_no_next(lab, agent):
    """Its time is whenever the one under way has ended: it was told as the hour of the boot."""
    met = agent.dir / "met"
    with open(met, "w", encoding="utf-8") as out:
        server = lab.start(lab.agent, sys.executable, "-c", HANG, log=out)
    assert until(lambda: listening(lab, 4443))
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {agent.list}\n"
                            "[source slow]\ntype = https\nlocation = https://127.0.0.1:4443/list\n")
    agent.start()
    # from here on the feed is busy with the other source, for five seconds
    assert until(lambda: "met" in met.read_text()), agent.log()

    def following():
        return next(source["next"] for source in agent.status()["sources"] if source["name"] == "test")

    def waits():
        agent.ctl("refresh", "test", check=True)
        if following() is None:
            return True
        # they were over
        before = met.read_text()
        agent.ctl("refresh", "slow", check=True)
        assert until(lambda: met.read_text() != before), agent.log()
        return False

    assert until(waits), agent.log()
    server.kill()
    assert until(following), agent.log()
    assert following() > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())


def test_on_stop(lab, agent):
    agent.start()
    assert agent.stop() == 0
    assert lab.has_table() and not lab.ping(lab.agent, LISTED)
    agent.configure(enforce="mode = drop\non_stop = remove")
    agent.start()
    assert agent.stop() == 0
    assert not lab.has_table() and lab.ping(lab.agent, LISTED)


def test_panic_resume_purge_with_an_agent(lab, agent):
    agent.start()
    assert agent.ctl("panic").returncode == 0
    assert lab.has_table() and lab.ping(lab.agent, LISTED)
    assert agent.status()["mode"] == "panic"
    agent.stop()
    agent.start()
    assert lab.ping(lab.agent, LISTED), "panic must outlive a restart"
    assert agent.ctl("enforce", "drop").returncode == 1
    assert agent.ctl("resume").returncode == 0
    assert not lab.ping(lab.agent, LISTED)
    assert agent.ctl("purge").returncode == 0
    assert not lab.has_table()
    assert not until(lab.has_table, 1.5), "a purge is never restored against"
    assert agent.ctl("resume").returncode == 0
    assert until(lab.has_table) and until(lambda: not lab.ping(lab.agent, LISTED))
    events = [f["service"]["additionalInfo"]["threatlistd"].get("event", {}) for f in agent.findings()]
    assert any(e.get("name") == "panic" and "uid 0" in e.get("by", "") for e in events)


def test_panic_by_hand_is_kept_and_told(lab, agent):
    agent.start()
    lab.nft("add", "table", "inet", "threatlistd", "{ flags dormant; }")
    assert until(lambda: agent.status()["mode"] == "panic"), agent.log()
    event = until(lambda: agent.found(event="panic"), 5)
    assert event and event["service"]["additionalInfo"]["threatlistd"]["event"]["program"] == "nft"
    agent.kill_all()
    agent.start()
    assert agent.status()["mode"] == "panic" and lab.ping(lab.agent, LISTED)
    assert agent.ctl("resume").returncode == 0
    assert not lab.ping(lab.agent, LISTED)


def test_stopped_answers_open_a_finding_of_their_own_without_a_sensor(lab, agent):
    agent.configure(capture="method = off")
    agent.start()
    lab.ping(lab.listed, AGENT_AT_LISTED)
    lab.ping(lab.agent, LISTED)
    for direction in ("INBOUND", "OUTBOUND"):
        assert until(lambda: agent.found(LISTED, direction), 5), direction


def test_panic_resume_purge_without_an_agent(lab, agent):
    agent.start()
    agent.stop()
    assert agent.ctl("panic").returncode == 0
    assert lab.has_table() and lab.ping(lab.agent, LISTED)
    agent.start()
    assert lab.ping(lab.agent, LISTED)
    agent.stop()
    assert agent.ctl("resume").returncode == 0
    assert not lab.ping(lab.agent, LISTED)
    assert agent.ctl("purge").returncode == 0
    assert not lab.has_table()
    assert agent.ctl("status").returncode == 3


def test_enforce_changes_the_mode_and_outlives_a_restart(lab, agent):
    agent.start()
    assert agent.ctl("enforce", "watch").returncode == 0
    assert lab.ping(lab.agent, LISTED)
    agent.kill_all()
    agent.start()
    now = agent.status()
    assert now["mode"] == "watch" and now["intent"] == "drop" and lab.ping(lab.agent, LISTED)
    assert agent.ctl("enforce", "drop").returncode == 0
    assert not lab.ping(lab.agent, LISTED)
    assert agent.ctl("enforce", "nonsense").returncode == 2


@pytest.mark.parametrize("how", ("reload", "restart"))
def test_an_order_that_the_config_overruled_does_not_come_back(lab, agent, how):
    """Tried with an order, made lasting in the config, taken back there when it hurt."""
    def config(mode):
        agent.configure(enforce=f"mode = {mode}")
        if how == "restart":
            assert agent.stop() == 0
            agent.start()
        else:
            agent.process.send_signal(signal.SIGHUP)
        assert until(lambda: (now := agent.status()) and now["intent"] == mode), agent.log()

    agent.configure(enforce="mode = watch")
    agent.start()
    assert agent.ctl("enforce", "drop").returncode == 0
    for mode in ("drop", "watch"):
        config(mode)
        assert until(lambda: agent.status()["mode"] == mode), agent.status()
    assert until(lambda: lab.ping(lab.agent, LISTED)), agent.log()


def mode_events(agent):
    """The reasons of mode-changed, oldest first."""
    events = [f["service"]["additionalInfo"]["threatlistd"].get("event", {}) for f in agent.findings()]
    return [e["reason"] for e in events if e.get("name") == "mode-changed"]


def test_a_mode_that_the_config_changes_is_told(lab, agent):
    agent.start()
    agent.configure(enforce="mode = off")
    agent.process.send_signal(signal.SIGHUP)
    expected = ["mode off, before drop: the config was changed"]
    assert until(lambda: mode_events(agent) == expected), agent.log()
    # while no agent ran: by the next one, once
    assert agent.stop() == 0
    agent.configure(enforce="mode = watch")
    expected.append("mode watch, before off: the config was changed")
    for _ in range(2):
        agent.start()
        assert until(lambda: mode_events(agent) == expected), agent.log()
        assert agent.stop() == 0
    # nothing new: the config says what was ordered
    agent.start()
    assert agent.ctl("enforce", "drop").returncode == 0
    expected.append("mode drop, before watch")
    assert until(lambda: mode_events(agent) == expected), agent.log()
    agent.configure(enforce="mode = drop")
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: agent.status()["intent"] == "drop")
    assert agent.stop() == 0
    assert mode_events(agent) == expected


def test_flushed_table_is_restored_and_told(lab, agent):
    agent.start()
    for order in (("flush", "ruleset"), ("delete", "table", "inet", "threatlistd")):
        restores = agent.status()["table"]["restores"]
        lab.nft(*order)
        assert until(lambda: (now := agent.status()) and now["table"]["restores"] > restores
                     and lab.in_set("hosts4", LISTED), 5), agent.log()
        assert not lab.ping(lab.agent, LISTED)
    event = until(lambda: agent.found(event="table-restored"), 5)
    assert event and event["severity"] == 8 and event["type"] == "DefenseEvasion:EC2/EnforcementRemoved.Custom"
    assert event["service"]["additionalInfo"]["threatlistd"]["event"]["program"] == "nft"


def test_second_agent_leaves_the_first_alone(lab, agent):
    agent.start()
    same = lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, check=False)
    assert same.returncode == 1 and "already" in same.stderr
    other = Agent(lab, "other")
    done = lab.inside(lab.agent, BUILD / "threatlistd", "-c", other.config, check=False)
    assert done.returncode == 1 and "another agent" in done.stderr
    assert agent.status()["mode"] == "drop" and lab.in_set("hosts4", LISTED)


SQUATTER = """
import socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0threatlistd"); print("bound", flush=True); time.sleep(60)
"""


def test_a_name_that_any_user_may_take_stops_no_agent(lab, agent):
    out = lab.work / "squatter"
    with open(out, "w", encoding="utf-8") as log:
        lab.start(lab.agent, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", SQUATTER,
                  log=log)
    assert until(lambda: "bound" in out.read_text()), out.read_text()
    agent.start()
    assert not lab.ping(lab.agent, LISTED, 0.3)
    assert "name of the agent taken uid=65534" in agent.log()
    # an order without an agent is not kept from being carried out either
    agent.kill_all()
    assert agent.ctl("panic").returncode == 0 and lab.ping(lab.agent, LISTED)


def test_missing_rights_are_named(lab, agent):
    done = lab.inside(lab.agent, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "threatlistd",
                      "-c", agent.config, check=False)
    assert done.returncode == 4 and "CAP_NET_ADMIN" in done.stderr, done.stderr


def test_taken_nflog_group_is_named_and_interface_capture_takes_over(lab, agent):
    said = lab.work / "tcpdump"
    with open(said, "w", encoding="utf-8") as out:
        lab.start(lab.agent, "tcpdump", "-i", "nflog:7411", "-w", "/dev/null", log=out)
    # it says so when it has the group
    assert until(lambda: "listening on" in said.read_text()), said.read_text()
    agent.start()
    assert until(lambda: agent.status()["capture"]["method"] == "interface"), agent.log()
    warnings = " ".join(agent.status()["warnings"])
    assert "7411" in warnings and "nflog_group" in warnings
    lab.ping(lab.listed, AGENT_AT_LISTED)
    found = until(lambda: agent.found(LISTED, "INBOUND"), 5)
    assert found and found["service"]["additionalInfo"]["threatlistd"]["verdict"] == "dropped"


def test_interface_capture_without_a_table(lab, agent):
    agent.configure(enforce="mode = off", capture="method = interface")
    agent.start(wait=False)
    assert until(lambda: (now := agent.status()) and now["capture"]["method"] == "interface"
                 and now["sources"][0]["state"] == "ok"), agent.log()
    until(lambda: False, 0.3)
    assert not lab.has_table()
    # the list is on its way to the sensor, which sees nothing before it has it
    found = until(lambda: lab.ping(lab.agent, LISTED) and agent.found(LISTED, "OUTBOUND"), 5)
    assert found and found["service"]["additionalInfo"]["threatlistd"]["verdict"] == "watched"
    assert not agent.found(INNOCENT)


def counted(agent):
    """Packets of the first finding; 0 while there is none, or the reporter starts anew."""
    agent.ctl("status")
    for line in agent.ctl("findings", "--json").stdout.splitlines():
        own = json.loads(line)["service"]["additionalInfo"]["threatlistd"]
        if "packetsFromRemote" in own:
            return own["packetsFromRemote"]
    return 0


def test_a_reload_takes_nothing_off_what_the_sensor_counted(lab, agent):
    """Its last counts come while it ends: the reporter is there to take them, and a fresh tally adds to them."""
    agent.configure(enforce="mode = off", capture="method = interface\ninterface = to-listed")
    agent.start(wait=False)

    assert until(lambda: lab.ping(lab.listed, AGENT_AT_LISTED) and counted(agent) > 0)
    until(lambda: False, 0.75)  # what is counted is told once a second
    before = counted(agent)
    for i in range(1, 5):
        sensor = agent.roles()["sensor"]
        lab.inside(lab.listed, "ping", "-n", "-c", "10", "-i", "0.005", AGENT_AT_LISTED)
        time.sleep(0.2)  # a block of the ring that is not full
        agent.process.send_signal(signal.SIGHUP)
        assert until(lambda i=i: counted(agent) >= before + 10 * i), (i, counted(agent) - before)
        assert until(lambda: counted(agent)) == before + 10 * i
        # what a new one says itself: it sees from then on
        assert until(lambda sensor=sensor: agent.roles().get("sensor", sensor) != sensor
                     and (now := agent.answered()) and now["capture"]["method"] == "interface")


def test_table_and_sensor_count_on_from_each_other(lab, agent):
    """What the kernel counted before the table went is told again by and by: it is counted already."""
    eye = "method = interface\ninterface = to-listed"
    sent = 0

    agent.configure(enforce="mode = watch", capture=eye)
    agent.start()
    for mode in ("watch", "off", "watch", "off", "watch"):
        agent.configure(enforce=f"mode = {mode}", capture=eye)
        # with the new sensor there: what passes between two of them nobody sees where there is no table
        agent.reload()
        assert until(lambda mode=mode: (agent.status()["capture"]["method"], lab.has_table()) == ("interface", mode != "off"))
        lab.inside(lab.listed, "ping", "-n", "-c", "10", "-i", "0.005", AGENT_AT_LISTED)
        sent += 10
        assert until(lambda: counted(agent) >= sent), (mode, counted(agent), sent)
        before = agent.roles()["reporter"]
        os.kill(before, signal.SIGKILL)
        assert until(lambda before=before: agent.roles().get("reporter", before) != before)
        until(lambda: False, 1.5)
        assert until(lambda: counted(agent)) == sent, mode


def test_a_role_that_could_not_be_started_at_first_is_started(lab, agent):
    """No process to be had when the agent begins: it ran on without roles, and tried none of them again."""
    own = 65527
    for path in (agent.dir, *agent.dir.iterdir()):
        os.chown(path, own, own)
    agent.dir.chmod(0o755)
    crowd = [lab.start(lab.agent, "setpriv", f"--reuid={own}", f"--regid={own}", "--clear-groups", "sleep", "100") for _ in range(7)]
    assert until(lambda: run("pgrep", "-cu", own, check=False).stdout.strip() == "7")
    agent.start_as(own, "prlimit", "--nproc=8", wait=False)
    assert until(lambda: all(f"role not started role={role}" in agent.log() for role in ("enforcer", "sensor", "reporter")))
    assert until(lambda: [text for text in agent.status()["warnings"] if text.startswith("enforcer is not running: Resource")])
    for one in crowd:
        one.kill()
        one.wait()
    # each tries again by itself: there may have been room for two of them first
    assert until(agent.ready, 40), agent.log()
    assert not lab.ping(lab.agent, LISTED) and {"enforcer", "sensor", "reporter"} <= set(agent.roles())


def test_roles_hold_no_capability_they_do_not_need(lab, agent):
    agent.start()
    net_admin = 1 << 12
    for role, pid in agent.roles().items():
        text = open(f"/proc/{pid}/status", encoding="ascii").read()
        effective = int(re.search(r"CapEff:\s+(\w+)", text).group(1), 16)
        permitted = int(re.search(r"CapPrm:\s+(\w+)", text).group(1), 16)
        assert re.search(r"NoNewPrivs:\s+1", text), role
        if role == "enforcer":
            assert effective == net_admin and permitted == net_admin
        elif role == "parent":
            assert effective == 0
        else:
            assert effective == 0 and permitted == 0, role


COLLECTOR = """
import http.server, json, sys
count = 0
class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        count += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as out:
            out.write(json.dumps([dict(self.headers), body]) + "\\n")
        self.send_response(503 if count == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Collector).serve_forever()
"""


def test_http_sink_gets_batches_in_sequence(lab, agent):
    path = lab.work / "collected"

    def got():
        return [json.loads(line) for line in whole_lines(path)]

    lab.start(lab.agent, sys.executable, "-c", COLLECTOR, 9000, path)
    agent.configure(sinks="[sink web]\ntype = http\nurl = http://127.0.0.1:9000/in\nevents = all\n")
    agent.start()
    lab.ping(lab.listed, AGENT_AT_LISTED)
    assert until(lambda: any(LISTED in json.dumps(body) for _, body in got()[1:]), 15), agent.log()
    (headers, first), (_, second) = got()[:2]
    assert second == first, "a refused batch comes again, the same"
    assert headers["Content-Type"] == "application/json" and headers["User-Agent"].startswith("threatlistd/")
    assert headers["X-Threatlistd-Host"] == "i-0123456789abcdef0"
    sequences = []
    for headers, body in got()[1:]:
        numbers = [f["service"]["additionalInfo"]["threatlistd"]["sequence"] for f in body]
        assert headers["X-Threatlistd-Sequence"] == f"{numbers[0]}-{numbers[-1]}"
        sequences += numbers
    assert sequences == list(range(1, len(sequences) + 1))
