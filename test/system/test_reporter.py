# SPDX-License-Identifier: GPL-3.0-or-later
"""The reporter as a process: spool, file sink, queries, events, disks that fail."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import subprocess

import pytest

from reporterlib import (Reporter, file_sink, lines_of, ours, remote_of, spool, until, write_config)


@pytest.fixture
def reporters():
    started = []

    def start(*args, **kwargs):
        started.append(Reporter(*args, **kwargs))
        return started[-1]

    yield start
    for reporter in started:
        reporter.close()


def test_file_gets_findings_in_sequence(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    for i in range(1, 31):
        reporter.sighting(f"203.0.113.{i}")
        reporter.count(f"203.0.113.{i}", i)
    assert until(lambda: len(lines_of(out)) == 30)
    assert reporter.stop() == 0
    findings = lines_of(out)
    assert [ours(f)["sequence"] for f in findings] == list(range(1, 31))
    assert {remote_of(f): ours(f)["packetsFromRemote"] for f in findings} == {
        f"203.0.113.{i}": i for i in range(1, 31)}
    assert len({ours(f)["spool"] for f in findings}) == 1
    assert all(f["severity"] == 2 and ours(f)["lists"] == ["abuse"] for f in findings)
    assert out.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "state/spool.db").stat().st_mode & 0o777 == 0o600


def test_restart_neither_doubles_nor_loses(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    config = write_config(tmp_path, file_sink(out))
    first = reporters(config)
    first.count("203.0.113.9", 5)
    assert until(lambda: len(lines_of(out)) == 1)
    assert first.stop() == 0
    second = reporters(config)
    # as the enforcer tells it again, then with more, then in a new epoch
    second.count("203.0.113.9", 5)
    second.count("203.0.113.9", 7)
    second.count("203.0.113.9", 2, epoch=2)
    finding, = second.findings()
    assert ours(finding)["packetsFromRemote"] == 9 and finding["service"]["count"] == 1
    assert second.stop() == 0
    # the update is due in a quarter of an hour, not now
    assert len(lines_of(out)) == 1
    row = spool(tmp_path).execute("SELECT in_packets, active, revision FROM finding").fetchall()
    assert row == [(9, 1, 1)]


def test_torn_line_is_cut_off(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    out.write_text('{"whole":1}\n{"torn":')
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    reporter.count("203.0.113.9", 1)
    assert until(lambda: out.read_text().count("\n") == 2)
    assert lines_of(out)[0] == {"whole": 1} and remote_of(lines_of(out)[1]) == "203.0.113.9"


def test_file_is_moved_when_full_and_reopened_when_moved(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out, more="max_size = 8K")))
    for i in range(1, 12):
        reporter.count(f"203.0.113.{i}", 1)
        # in this order: none waits before there is one
        assert until(lambda: len(reporter.findings()) == i and reporter.findings(undelivered=1) == [])
    assert (tmp_path / "out.jsonl.1").exists() and out.stat().st_size <= 8192
    os.rename(out, tmp_path / "moved.jsonl")
    reporter.count("203.0.113.77", 1)
    assert until(lambda: [remote_of(f) for f in lines_of(out)] == ["203.0.113.77"])


def test_link_in_place_of_the_file_is_refused(tmp_path, reporters):
    out, target = tmp_path / "out.jsonl", tmp_path / "target"
    target.write_text("")
    out.symlink_to(target)
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    reporter.count("203.0.113.9", 1)
    assert until(lambda: str(out) in reporter.status()[0][0]["error"])
    assert target.read_text() == ""
    out.unlink()
    assert until(lambda: len(lines_of(out)) == 1)


def test_event_is_kept_once_and_acknowledged_each_time(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    for _ in range(2):
        reporter.say("event 17 4 1700000000000 nft flush ruleset")
        assert reporter.next() == {"kept": 17}
    reporter.say("event 17 4 1700000000001 another run's event 17")
    assert reporter.next() == {"kept": 17}
    assert until(lambda: len(lines_of(out)) == 2)
    assert reporter.stop() == 0
    assert [(f["type"], f["severity"], ours(f)["event"]["name"]) for f in lines_of(out)] == [
        ("DefenseEvasion:EC2/EnforcementRemoved.Custom", 8, "table-restored")] * 2


def test_sinks_choose_their_events_and_severities(tmp_path, reporters):
    wants = {"none": "", "security": "", "all": "", "high": ""}
    sinks = [file_sink(tmp_path / name, name, "min_severity = 6\nevents = all" if name == "high"
                       else f"events = {name}") for name in wants]
    reporter = reporters(write_config(tmp_path, *sinks))
    reporter.say("event 1 1 1700000000000 severity one", "event 2 4 1700000000000 severity eight")
    reporter.count("203.0.113.9", 1)
    reporter.count("203.0.113.10", 1, dropped=0, direction="out", verdict="watched")
    got = {name: [] for name in wants}
    expected = {"none": [2, 8], "security": [2, 8, 8], "all": [1, 2, 8, 8], "high": [8, 8]}

    def as_expected():
        for name in wants:
            got[name] = sorted(f["severity"] for f in lines_of(tmp_path / name))
        return got == expected
    assert until(as_expected), got


def test_queries(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    for i in (3, 1, 2):
        reporter.count(f"203.0.113.{i}", 1)
        assert until(lambda: f"203.0.113.{i}" in [remote_of(f) for f in reporter.findings()])
    reporter.count("203.0.113.3", 5)
    findings = reporter.findings()
    assert [remote_of(f) for f in findings] == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    seen = [f["service"]["eventLastSeen"] for f in findings]
    assert seen == sorted(seen)
    # what people see is what there is now, though the update is not due
    assert ours(findings[2])["packetsFromRemote"] == 5 and "sequence" not in ours(findings[2])
    assert reporter.findings(since=9999999999999) == []
    assert until(lambda: reporter.findings(undelivered=1) == [])
    shown, = reporter.show(findings[0]["id"])
    assert shown["finding"] == findings[0]
    delivery, = shown["deliveries"]
    assert (delivery["sink"], delivery["state"], delivery["attempts"]) == ("lines", "delivered", 1)
    assert reporter.show("0" * 32) == -2


def test_other_hosts_spool_is_set_aside(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    config = write_config(tmp_path, file_sink(out))
    first = reporters(config, host="i-0first")
    first.count("203.0.113.9", 1)
    assert until(lambda: len(lines_of(out)) == 1)
    assert first.stop() == 0
    second = reporters(config, host="i-0clone")
    second.count("203.0.113.9", 1)
    assert until(lambda: len(lines_of(out)) == 2)
    assert second.stop() == 0
    before, after = lines_of(out)
    assert ours(after)["sequence"] == 1 and ours(before)["spool"] != ours(after)["spool"]
    assert before["id"] != after["id"]
    aside, = [p for p in (tmp_path / "state").iterdir() if p.name.startswith("spool.db.other-host-")]
    assert subprocess.run(["sqlite3", aside, "SELECT value FROM meta WHERE key = 'host_id'"], capture_output=True,
                          text=True, check=True).stdout == "i-0first\n"


@pytest.mark.parametrize("damage", ["garbage", "middle"])
def test_damaged_spool_is_set_aside_and_told(tmp_path, reporters, damage):
    out = tmp_path / "out.jsonl"
    config = write_config(tmp_path, file_sink(out))
    first = reporters(config)
    for i in range(1, 40):
        first.count(f"203.0.113.{i}", 1)
    assert until(lambda: len(lines_of(out)) == 39)
    assert first.stop() == 0
    file = tmp_path / "state/spool.db"
    data = file.read_bytes()
    file.write_bytes(b"no database" * 1000 if damage == "garbage" else
                     data[:8192] + os.urandom(len(data) - 16384) + data[-8192:])
    second = reporters(config)
    second.count("203.0.113.99", 1)
    assert until(lambda: len(lines_of(out)) == 41)
    assert second.stop() == 0
    last = lines_of(out)[39:]
    assert sorted(ours(f)["sequence"] for f in last) == [1, 2]
    assert {f["type"] for f in last} == {"Policy:EC2/ReportsLost.Custom",
                                         "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"}
    assert any(p.name.startswith("spool.db.damaged-") for p in (tmp_path / "state").iterdir())
    assert any("set aside" in line for line in second.log)


def test_spool_that_is_damaged_meanwhile_is_set_aside_and_told(tmp_path, reporters):
    """It ends as one that is to be started anew, and the next one says what the last one did."""
    out = tmp_path / "out.jsonl"
    config = write_config(tmp_path, file_sink(out))
    first = reporters(config)
    # more than SQLite keeps in memory
    for n in range(0, 1500, 100):
        first.say(*(f"count {remote} {remote} in dropped 1 1 60 1" for remote in
                    (f"198.18.{i // 250}.{i % 250 + 1}" for i in range(n, n + 100))))
        assert until(lambda n=n: len(lines_of(out)) == n + 100), len(lines_of(out))
    for name in ("spool.db", "spool.db-wal"):
        with open(tmp_path / "state" / name, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(4096)
            file.write(os.urandom(max(size - 4096, 0)))
    for n in range(300):
        if first.process.poll() is not None:
            break
        with contextlib.suppress(BrokenPipeError):
            first.say(f"count 198.19.{n // 250}.{n % 250 + 1} 198.19.{n // 250}.{n % 250 + 1} in dropped 1 1 60 1")
        until(lambda: first.process.poll() is not None, 0.05)
    assert until(lambda: first.process.poll() is not None)
    first.close()
    lines = list(first.lines.queue)
    assert lines[-1]["exit"] == 75, (lines[-1], first.log[-5:])
    assert any("spool set aside" in line for line in first.log)
    before = len(lines_of(out))
    second = reporters(config)
    assert until(lambda: any("damaged and is set aside" in ours(f).get("event", {}).get("reason", "")
                             for f in lines_of(out)[before:]))
    assert second.stop() == 0


def test_without_state_dir_findings_still_go_out(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    config = write_config(tmp_path, file_sink(out))
    (tmp_path / "state").rmdir()
    reporter = reporters(config)
    reporter.count("203.0.113.9", 1)
    reporter.say("event 17 4 1700000000000 only in memory")
    assert until(lambda: len(lines_of(out)) == 2)
    _, status = reporter.status()
    assert status["spoolOk"] == 0 and "spool.db" in status["warning"]
    # it was not acknowledged: what is in memory only is not kept
    reporter.say("status")
    while "live" not in (line := reporter.next()):
        assert "kept" not in line


@pytest.fixture
def small_disk(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k,mode=700", "tmpfs", state], check=True)
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def fill(disk):
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    return filler


def writes(process):
    """Tried, whatever came of them."""
    return int(re.search(r"syscw: (\d+)", pathlib.Path(f"/proc/{process}/io").read_text())[1])


def test_full_disk_is_said_and_survived(tmp_path, small_disk, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    reporter.count("203.0.113.1", 1)
    assert until(lambda: len(lines_of(out)) == 1)
    filler = fill(small_disk)
    for i in range(2, 60):
        reporter.count(f"203.0.113.{i}", i)
    assert until(lambda: (now := reporter.status()[1])["spoolOk"] == 0 and "spool.db" in now["warning"])
    filler.unlink()
    assert until(lambda: len(lines_of(out)) == 59, 20)
    assert until(lambda: reporter.status()[1]["spoolOk"] == 1)
    assert {remote_of(f): ours(f)["packetsFromRemote"] for f in lines_of(out)} == {
        f"203.0.113.{i}": i for i in range(1, 60)}
    assert [ours(f)["sequence"] for f in lines_of(out)] == list(range(1, 60))


def test_a_sink_that_the_full_disk_had_no_room_to_meet_still_gets_what_comes(tmp_path, small_disk, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    reporter.count("203.0.113.1", 1)
    assert until(lambda: len(lines_of(out)) == 1)
    filler = fill(small_disk)
    events = itertools.count(1)

    def refused():
        reporter.say(f"event {next(events)} 4 1700000000000 something")
        return reporter.status()[1]["spoolOk"] == 0
    assert until(refused)
    # every few seconds it tries with a small write, which says of each sink that it was met
    before = writes(reporter.pid)
    assert until(lambda: writes(reporter.pid) > before, 20)
    reporter.count("203.0.113.2", 2)
    assert until(lambda: reporter.status()[1]["live"] == 2)
    filler.unlink()
    assert until(lambda: any(remote_of(f) == "203.0.113.2" for f in lines_of(out) if f["type"].startswith("Unauth")), 20)


def test_full_spool_drops_the_oldest_and_says_so(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    dead = "[sink dead]\ntype = http\nurl = http://127.0.0.1:9/\n"
    reporter = reporters(write_config(tmp_path, dead, file_sink(out), agent="spool_max = 1M"))
    n = 0
    while n < 5000 and reporter.status()[1]["lost"] == 0:
        for _ in range(20):
            n += 1
            reporter.say(f"event {n} 4 170000000{n:04d} something")
        assert until(lambda: len(lines_of(out)) >= n or reporter.status()[1]["lost"] > 0), n
    assert reporter.status()[1]["lost"] > 0, n
    assert until(lambda: any(f["type"] == "Policy:EC2/ReportsLost.Custom" for f in lines_of(out)))
    lost = next(f for f in lines_of(out) if f["type"] == "Policy:EC2/ReportsLost.Custom")
    assert "spool_max" in ours(lost)["event"]["reason"]
    assert (tmp_path / "state/spool.db").stat().st_size <= 1 << 20
    assert reporter.stop() == 0


def test_what_is_lost_between_two_tellings_is_told_by_the_next_reporter(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    dead = "[sink dead]\ntype = http\nurl = http://127.0.0.1:9/\n"
    config = write_config(tmp_path, dead, file_sink(out), agent="spool_max = 1M")
    reporter, n = reporters(config), 0

    def told():
        reasons = [ours(f)["event"]["reason"] for f in lines_of(out) if f["type"].endswith("/ReportsLost.Custom")]
        return [int(reason.split("bytes): ")[1].split()[0]) for reason in reasons]

    while n < 5000 and (lost := reporter.status()[1]["lost"]) <= sum(told() or [1 << 30]):
        for _ in range(20):
            n += 1
            reporter.say(f"event {n} 4 170000000{n:04d} something")
        assert until(lambda: len(lines_of(out)) >= n or reporter.status()[1]["lost"] > lost), n
    assert len(told()) == 1, n
    # a line is in the file before the spool knows it: killed in between, it would be there twice
    assert until(lambda: reporter.status()[0][1]["pending"] == 0)
    # the next telling would be in a quarter of an hour
    lost = reporter.status()[1]["lost"]
    reporter.kill()
    reporters(config)
    assert until(lambda: len(told()) == 2)
    assert sum(told()) >= lost


def test_burst_beyond_the_spool_is_worked_off(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    dead = "[sink dead]\ntype = http\nurl = http://127.0.0.1:9/\n"
    reporter = reporters(write_config(tmp_path, dead, file_sink(out), agent="spool_max = 1M"))
    for n in range(1000):
        remote = f"198.18.{n // 250}.{n % 250 + 1}"
        reporter.say(f"count {remote} {remote} in dropped 1 1 60 1")
    assert until(lambda: any(f["type"] == "Policy:EC2/ReportsLost.Custom" for f in lines_of(out)), 20)
    assert until(lambda: reporter.status()[1]["spoolOk"] == 1, 20)
    # every counter is kept: told once more, nothing is new
    assert until(lambda: spool(tmp_path).execute("SELECT count(*) FROM counter").fetchone() == (1000,), 20)
    _, status = reporter.status()
    assert status["live"] == 1000 and status["lost"] > 0
    assert (tmp_path / "state/spool.db").stat().st_size <= 1 << 20


def test_what_waits_for_a_sink_that_left_the_config_is_kept_and_not_counted(tmp_path, reporters):
    """An operator who took a dead collector out has nothing pending; one who mistyped its name loses nothing."""
    out, late = tmp_path / "out.jsonl", tmp_path / "late.jsonl"
    dead = "[sink gone]\ntype = http\nurl = http://127.0.0.1:9/\n"
    reporter = reporters(write_config(tmp_path, dead, file_sink(out)))
    for i in range(1, 4):
        reporter.count(f"203.0.113.{i}", i)
    assert until(lambda: len(lines_of(out)) == 3 and reporter.status()[1]["pending"] == 3)
    assert reporter.status()[1]["undelivered"] == 3 == len(reporter.findings(undelivered=1))
    assert reporter.stop() == 0
    reporter = reporters(write_config(tmp_path, file_sink(out)))
    reporter.count("203.0.113.4", 4)
    assert until(lambda: len(lines_of(out)) == 4 and reporter.status()[1]["pending"] == 0), reporter.status()
    assert reporter.status()[1]["undelivered"] == 0 and reporter.findings(undelivered=1) == []
    assert len(reporter.findings()) == 4
    assert reporter.stop() == 0
    assert [line for line in reporter.log if "sink not in the config sink=gone waiting=3" in line], reporter.log
    # back by its name, it gets what waited
    reporter = reporters(write_config(tmp_path, file_sink(late, "gone"), file_sink(out)))
    assert until(lambda: len(lines_of(late)) == 3), (reporter.status(), reporter.log)
    assert reporter.stop() == 0
    assert not [line for line in reporter.log if "not in the config" in line], reporter.log


def test_more_findings_than_may_live_are_told_as_lost(tmp_path, reporters):
    out = tmp_path / "out.jsonl"
    reporter = reporters(write_config(tmp_path, file_sink(out), agent="max_findings = 10"))
    for i in range(1, 16):
        reporter.sighting(f"203.0.113.{i}")
    assert until(lambda: any("max_findings" in json.dumps(f) for f in lines_of(out)))
    _, status = reporter.status()
    assert status["live"] == 10 and status["lost"] == 5


def test_no_capabilities_and_a_changed_host_id(tmp_path, reporters):
    reporter = reporters(write_config(tmp_path))
    reporter.status()
    proc = dict(line.split(":\t") for line in open(f"/proc/{reporter.pid}/status").read().splitlines() if ":\t" in line)
    assert {proc[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert proc["NoNewPrivs"] == "1"
    reporter.say("facts i-0other")
    while "exit" not in (line := reporter.next()):
        pass
    assert line["exit"] == 75
