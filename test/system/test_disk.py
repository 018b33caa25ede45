# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are full, read-only, or hold what somebody else put there: blocking goes on, and status says so."""

import contextlib
import os
import stat
import subprocess

from lab import AGENT_AT_LISTED, BUILD, INNOCENT, LISTED, until


def inside(agent, *command):
    """In the agent's mount namespace ("ip netns exec" makes one), so that it is the agent's mount that changes."""
    subprocess.run(["nsenter", "-t", str(agent.process.pid), "-m", *map(str, command)], check=True)


def fill(path):
    """Takes all the room that is left."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    for size in (65536, 4096, 1):
        with contextlib.suppress(OSError):
            while True:
                os.write(fd, b"x" * size)
    os.close(fd)


def warnings(agent):
    return " ".join(agent.status()["warnings"])


def lines(agent, text):
    return [line for line in agent.log().splitlines() if text in line]


def test_read_only_disk_keeps_enforcing_and_says_so(lab, agent):
    with agent.disk(agent.dir / "state", "ro") as state:
        agent.start()
        assert not lab.ping(lab.listed, AGENT_AT_LISTED) and not lab.ping(lab.agent, LISTED)
        assert until(lambda: agent.found(LISTED, "INBOUND") and agent.found(LISTED, "OUTBOUND"), 5), agent.log()
        said = warnings(agent)
        for what in ("spool.db", "last good list", "counts are kept in memory"):
            assert what in said
        panic = agent.ctl("panic")
        assert panic.returncode == 1 and "Read-only" in panic.stderr and lab.ping(lab.agent, LISTED)
        assert agent.ctl("resume").returncode == 1 and not lab.ping(lab.agent, LISTED)
        # said once, not with each refresh
        for _ in range(5):
            agent.ctl("refresh")
        assert len(lines(agent, "spool.db")) <= 2, lines(agent, "spool.db")
        # back again: orders are kept from now on, without a restart
        inside(agent, "mount", "-o", "remount,rw", state)
        assert agent.ctl("panic").returncode == 0 and (state / "state").exists()
        assert agent.ctl("resume").returncode == 0 and not lab.ping(lab.agent, LISTED)
        agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
        agent.ctl("refresh")
        assert until(lambda: lab.in_set("hosts4", INNOCENT)), agent.log()
        assert until(lambda: "last good list" not in warnings(agent)), agent.status()
        assert until(lambda: (state / "lists/test.list").exists())
        assert until(lambda: "spool.db" not in warnings(agent), 90), agent.status()
        assert agent.stop() == 0


def test_a_disk_that_becomes_read_only(lab, agent):
    with agent.disk(agent.dir / "state", "size=64m") as state:
        agent.start()
        assert not lab.ping(lab.listed, AGENT_AT_LISTED)
        assert until(lambda: agent.found(LISTED, "INBOUND"), 10), agent.log()
        # the spool's and the ledger's open files would keep all of it from that
        inside(agent, "mount", "--bind", state / "lists", state / "lists")
        inside(agent, "mount", "-o", "remount,bind,ro", state / "lists")
        try:
            agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
            agent.ctl("refresh")
            assert until(lambda: lab.in_set("hosts4", INNOCENT)), agent.log()
            assert until(lambda: "last good list" in warnings(agent)), agent.status()
            assert not lab.ping(lab.agent, INNOCENT) and not lab.ping(lab.agent, LISTED)
        finally:
            inside(agent, "umount", state / "lists")
        agent.list.write_text(f"{LISTED}\n")
        agent.ctl("refresh")
        assert until(lambda: not lab.in_set("hosts4", INNOCENT)), agent.log()
        assert until(lambda: "last good list" not in warnings(agent)), agent.status()


def test_domain_names_that_the_disk_did_not_take(lab, agent):
    """Each refresh tries again, as for the list itself; and a restart meanwhile asks for all of it."""
    names = agent.dir / "state/lists/test.domains"
    with agent.disk(agent.dir / "state", "size=64m") as state:
        agent.start()
        assert until(lambda: (state / "lists/test.from").exists())
        # of all files of the folder this one alone cannot be had
        names.mkdir()
        agent.list.write_text(f"{LISTED}\n{INNOCENT}\nmalware.example.com\n")
        agent.ctl("refresh")
        assert until(lambda: lab.in_set("hosts4", INNOCENT)), agent.log()
        assert until(lambda: "source test: its domain names could not be kept on disk" in warnings(agent)), agent.status()
        assert "last good list" not in warnings(agent) and agent.status()["sources"][0]["domains"] == 0
        for _ in range(3):
            before = agent.status()["sources"][0]["lastTry"]
            agent.ctl("refresh")
            assert until(lambda: agent.status()["sources"][0]["lastTry"] != before)
        assert len(lines(agent, "domain names not kept")) == 1, agent.log()
        # nothing changed since, and it is tried all the same
        names.rmdir()
        agent.ctl("refresh")
        assert until(names.is_file), agent.log()
        assert names.read_text().split("\n")[1:] == ["malware.example.com", ""]
        assert until(lambda: "domain names" not in warnings(agent)) and agent.status()["sources"][0]["domains"] == 1
        assert len(lines(agent, "domain names kept source=test names=1")) == 1
        # an agent that ended before the disk took them has them again with its first refresh
        names.unlink()
        names.mkdir()
        agent.list.write_text(f"{LISTED}\nother.example.com\n")
        agent.ctl("refresh")
        assert until(lambda: "domain names" in warnings(agent)), agent.status()
        assert agent.stop() == 0
        names.rmdir()
        agent.start()
        assert until(lambda: names.is_file() and "other.example.com" in names.read_text()), agent.log()
        assert agent.stop() == 0


def test_full_disk_keeps_enforcing_and_says_so(lab, agent):
    with agent.disk(agent.dir / "state", "size=40m") as state:
        agent.start()
        reporter = agent.roles()["reporter"]
        filler = state / "filler"
        fill(filler)
        agent.list.write_text("".join(f"203.0.113.{i}\n" for i in range(60, 90)))
        agent.ctl("refresh")
        assert until(lambda: lab.in_set("hosts4", "203.0.113.70")), agent.log()
        lab.ping(lab.listed, AGENT_AT_LISTED)
        assert not lab.ping(lab.agent, LISTED)
        assert until(lambda: any("spool" in w.lower() or "space" in w.lower() for w in agent.status()["warnings"]),
                     15), agent.status()
        panic = agent.ctl("panic")
        assert lab.ping(lab.agent, LISTED)
        assert panic.returncode == 0 or "No space" in panic.stderr, panic.stderr
        assert agent.ctl("resume").returncode in (0, 1) and not lab.ping(lab.agent, LISTED)
        filler.unlink()
        assert until(lambda: agent.found(LISTED), 45), agent.log()
        # what was ordered meanwhile, too, by the same reporter
        assert until(lambda: agent.found(event="panic") and agent.found(event="resume"), 30), agent.log()
        assert agent.roles()["reporter"] == reporter
        assert agent.ctl("enforce", "drop").returncode == 0


def test_what_others_put_in_the_state_is_not_obeyed(lab, agent):
    """Orders in a file that others could write, a link or a FIFO: none of them holds, or stops the start."""
    state = agent.dir / "state"
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    run_dir = agent.dir / "run"
    run_dir.mkdir()
    run_dir.chmod(0o777)
    order = "mode = watch\nconf_mode = drop\npanic = yes\npurged = no\n"
    (state / "state").write_text(order)
    (state / "state").chmod(0o666)
    target = agent.dir / "target"
    target.write_text(f"{LISTED} # mine\n")
    os.symlink(target, state / "allow")
    os.mkfifo(state / "host-id")
    (state / "lists").mkdir()
    os.mkfifo(state / "lists/test.list")
    agent.start()
    assert not lab.ping(lab.agent, LISTED)
    assert "state not read" in agent.log() and "exceptions not read" in agent.log()
    assert len(lines(agent, "folder was writable by others")) == 2
    for folder in (state, run_dir):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o22 == 0
    assert target.read_text() == f"{LISTED} # mine\n"
    assert stat.S_ISSOCK((run_dir / "control.sock").stat().st_mode)
    assert stat.S_IMODE((run_dir / "control.sock").stat().st_mode) == 0o666
    # what is written from now on takes their place
    assert until(lambda: (state / "lists/test.list").is_file())
    assert agent.ctl("enforce", "watch").returncode == 0
    assert stat.S_IMODE((state / "state").lstat().st_mode) == 0o600


def test_the_lock_is_no_other_file(lab, agent):
    """Root locks in a folder that is the agent's: neither a link nor another name of a file is written to."""
    run_dir = agent.dir / "run"
    run_dir.mkdir()
    precious = agent.dir / "precious"
    for place in (os.symlink, os.link):
        precious.write_text("precious")
        place(precious, run_dir / "lock")
        done = lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", "panic", check=False)
        assert done.returncode == 0 and "no lock in" in done.stderr, done
        assert precious.read_text() == "precious"
        (run_dir / "lock").unlink()
