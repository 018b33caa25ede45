# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unprivileged user could leave in the agent's way, and disks that take nothing: enforcing goes on, loudly."""

import os
import pathlib
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys

import pytest

from lab import AGENT_AT_LISTED, BUILD, INNOCENT, LISTED, Agent, until
from test_disk import fill, inside

NOBODY = 65534


def as_nobody(code, *arguments):
    """Python run by a user without rights."""
    subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-c",
                    "import os, sys, sqlite3, socket\n" + code, *map(str, arguments)], check=True, cwd="/")


@pytest.fixture
def open_state(agent):
    """A state directory as it should never be: everybody may write to it before the agent starts."""
    state = agent.dir / "state"
    state.mkdir()
    state.chmod(0o777)
    return state


def blocks(lab):
    return not lab.ping(lab.agent, LISTED)


def test_planted_spool_is_set_aside(lab, agent, open_state):
    """Its owner could have read and changed every report."""
    as_nobody("os.umask(0); db = sqlite3.connect(sys.argv[1]); db.execute('CREATE TABLE mine(x)'); db.commit()",
              open_state / "spool.db")
    agent.start()
    lab.ping(lab.agent, LISTED)
    assert until(lambda: agent.found(LISTED), 20), agent.log()
    spool = open_state / "spool.db"
    assert spool.stat().st_uid == 0 and stat.S_IMODE(spool.stat().st_mode) == 0o600
    aside, = open_state.glob("spool.db.damaged-*")
    assert aside.stat().st_uid == NOBODY and sqlite3.connect(aside).execute("SELECT count(*) FROM mine").fetchone() == (0,)
    assert until(lambda: "others could write it" in agent.jsonl.read_text())
    assert blocks(lab)


def test_planted_journal_is_set_aside(lab, agent, open_state):
    as_nobody("open(sys.argv[1], 'wb').write(b'x' * 64)", open_state / "spool.db-wal")
    agent.start()
    lab.ping(lab.agent, LISTED)
    assert until(lambda: agent.found(LISTED), 20), agent.log()
    assert (open_state / "spool.db-wal").stat().st_uid == 0
    assert [path.stat().st_uid for path in open_state.glob("spool.db.damaged-*-wal")] == [NOBODY]


@pytest.mark.parametrize("what", ["file", "link", "fifo"])
def test_planted_ledger_makes_way(lab, agent, open_state, what):
    target = agent.dir / "target"
    target.write_text("precious")
    as_nobody("path, target, what = sys.argv[1:]\nos.umask(0)\n"
              "if what == 'file': open(path, 'w').write('x')\n"
              "elif what == 'link': os.symlink(target, path)\n"
              "else: os.mkfifo(path)", open_state / "ledger", target, what)
    agent.start()
    assert until(lambda: "ledger replaced" in agent.log()), agent.log()
    ledger = (open_state / "ledger").lstat()
    assert stat.S_ISREG(ledger.st_mode) and ledger.st_uid == 0 and stat.S_IMODE(ledger.st_mode) == 0o600
    assert target.read_text() == "precious" and blocks(lab)
    assert not [warning for warning in agent.status()["warnings"] if "memory alone" in warning]


def test_lists_folder_that_leads_elsewhere_is_not_written_to(lab, agent, open_state):
    """Root wrote files of its own there, wherever the link led."""
    target = agent.dir / "etc"
    target.mkdir()
    as_nobody("os.symlink(sys.argv[1], sys.argv[2])", target, open_state / "lists")
    agent.start()
    assert until(lambda: "last good list not kept" in agent.log()), agent.log()
    assert list(target.iterdir()) == [] and blocks(lab)
    assert [warning for warning in agent.status()["warnings"] if "last good list" in warning]
    # gone: kept from now on
    (open_state / "lists").unlink()
    agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
    agent.ctl("refresh")
    assert until((open_state / "lists/test.list").exists), agent.log()


def test_lists_of_somebody_else_are_not_enforced(lab, agent, open_state):
    """A good image in a folder that its owner made as well: no list of ours."""
    other = Agent(lab, "other")
    other.list.write_text(f"{INNOCENT}\n")
    other.start()
    assert until((other.dir / "state/lists/test.list").exists)
    other.stop()
    lab.nft("flush", "ruleset")
    shutil.copytree(other.dir / "state/lists", agent.dir / "planted")
    (agent.dir / "planted").rename(open_state / "lists")
    for path in ((open_state / "lists"), *(open_state / "lists").iterdir()):
        os.chown(path, NOBODY, NOBODY)
    agent.list.unlink()
    agent.start(wait=False)
    assert until(agent.status) and until(lambda: agent.status()["sources"][0]["state"] == "failing"), agent.log()
    assert lab.ping(lab.agent, INNOCENT) and agent.status()["sources"][0]["entries"] == 0
    # a list that can be read is in force all the same
    agent.list.write_text(f"{LISTED}\n")
    agent.ctl("refresh")
    assert until(lambda: blocks(lab)), agent.log()


def test_huge_files_are_not_read_whole(lab, agent, open_state):
    (open_state / "lists").mkdir()
    for name in ("state", "allow", "host-id", "lists/test.list", "lists/test.from", "lists/test.domains"):
        with open(open_state / name, "wb") as file:
            file.truncate(1 << 40)
        (open_state / name).chmod(0o600)
    agent.start()
    assert blocks(lab)
    assert all(int(open(f"/proc/{pid}/statm").read().split()[1]) * 4096 < 300 << 20 for pid in agent.roles().values())


@pytest.mark.parametrize("mode, said", [(0o775, True), (0o777, True), (0o755, False)])
def test_folders_that_others_write_to_are_closed(agent, mode, said):
    for name in ("state", "run"):
        (agent.dir / name).mkdir()
        (agent.dir / name).chmod(mode)
    agent.start()
    assert agent.log().count("folder was writable by others") == (2 if said else 0)
    for name in ("state", "run"):
        assert stat.S_IMODE((agent.dir / name).stat().st_mode) == 0o755


def test_folder_of_another_user_is_told(lab, agent):
    """The agent is no root here; whoever owns its state could give it orders."""
    own = 65531
    for path in (agent.dir, *agent.dir.iterdir()):
        os.chown(path, own, own)
    agent.dir.chmod(0o755)
    state = agent.dir / "state"
    state.mkdir()
    (state / "state").write_text("panic = yes\npurged = no\n")
    for path in (state, state / "state"):
        os.chown(path, NOBODY, NOBODY)
    agent.start_as(own)
    assert f"folder is another user's path={state} uid={NOBODY}" in agent.log()
    assert "state not read" in agent.log() and agent.status()["mode"] == "drop" and blocks(lab)


@pytest.mark.parametrize("which", ["config", "folder", "conf.d"])
def test_config_that_everybody_writes_is_told(agent, which):
    more = agent.dir / "conf.d"
    more.mkdir()
    path = {"config": agent.config, "folder": agent.dir, "conf.d": more}[which]
    path.chmod(0o666 if which == "config" else 0o777)
    done = subprocess.run([BUILD / "threatlistd", "-c", agent.config, "-n"], capture_output=True, text=True)
    said = f"{agent.dir}/." if which == "folder" else path
    assert (done.returncode, done.stderr) == (0, f"threatlistd: warning: config writable by everyone path={said}\n")
    # it reads the config to find the socket
    done = subprocess.run([BUILD / "threatlistctl", "-c", agent.config, "lists"], capture_output=True, text=True)
    assert done.stderr.splitlines()[0] == f"threatlistctl: warning: config writable by everyone path={said}"
    path.chmod(0o1777)
    done = subprocess.run([BUILD / "threatlistd", "-c", agent.config, "-n"], capture_output=True, text=True)
    # sticky: nobody replaces the config of another in the folder, but adds to conf.d
    assert ("writable" in done.stderr) == (which != "folder")


@pytest.mark.parametrize("make, why", [
    (lambda path: os.mkfifo(path), "not a regular file"),
    (lambda path: path.mkdir(), "not a regular file"),
    (lambda path: path.write_bytes(b"#" * (2 << 20)), "at most 1 MiB"),
    (lambda path: path.symlink_to(path), "symbolic links"),
    (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
])
def test_what_is_no_config(agent, make, why):
    agent.config.unlink()
    make(agent.config)
    done = subprocess.run([BUILD / "threatlistd", "-c", agent.config, "-n"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and why in done.stderr, done.stderr


@pytest.mark.parametrize("make, why", [
    (lambda path: os.mkfifo(path), "is not a regular file"),
    (lambda path: path.mkdir(), "is not a regular file"),
    (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    (lambda path: path.symlink_to(path), "cannot be opened"),
    (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "max_bytes"),
])
def test_what_is_no_list(lab, agent, make, why):
    """Put in a list's place under a running agent: the list before stays."""
    agent.start()
    agent.list.unlink()
    make(agent.list)
    agent.ctl("refresh")
    source = until(lambda: (s := agent.status()["sources"][0])["state"] == "failing" and s)
    assert source and why in source["error"], source
    assert blocks(lab)
    if agent.list.is_dir() and not agent.list.is_symlink():
        agent.list.rmdir()
    else:
        agent.list.unlink()
    agent.list.write_text(f"{LISTED}\n{INNOCENT}\n")
    agent.ctl("refresh")
    assert until(lambda: lab.in_set("hosts4", INNOCENT)), agent.log()


def test_list_that_everybody_writes_is_told(agent):
    agent.list.chmod(0o666)
    agent.start()
    assert f'list writable by everyone path={agent.list} use="list of source test" mode=0666 run="chmod o-w ' in agent.log()
    assert f"others may change {agent.list} (list of source test, mode 0666): run " in " ".join(agent.status()["warnings"])
    agent.list.chmod(0o664)
    assert "others may change" not in " ".join(agent.status()["warnings"])


def test_occupied_run_directory_stops_no_enforcing(lab, agent):
    """In the place of lock and control socket is something else: it was reason enough not to start at all."""
    run = agent.dir / "run"
    run.mkdir()
    (run / "lock").mkdir()
    (run / "control.sock").mkdir()
    (run / "control.sock/x").touch()
    agent.start(wait=False)
    assert until(lambda: lab.has_table() and blocks(lab)), agent.log()
    assert agent.log().count("run dir not locked") == 1 and agent.log().count("control socket not opened") == 1
    # a second one is kept from this network namespace all the same
    second = lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, check=False)
    assert second.returncode == 1 and "another agent enforces" in second.stderr
    shutil.rmtree(run / "control.sock")
    assert until(agent.status, 10) and "control socket opened" in agent.log()
    assert agent.ctl("enforce", "watch").returncode == 0
    assert agent.log().count("control socket not opened") == 1
    assert agent.stop() == 0


@pytest.mark.parametrize("options", ["ro", "size=64k,nr_inodes=1"])
def test_run_directory_that_takes_nothing(lab, agent, options):
    with agent.disk(agent.dir / "run", options) as run:
        agent.start(wait=False)
        assert until(lambda: lab.has_table() and blocks(lab)), agent.log()
        assert "run dir not locked" in agent.log() and "control socket not opened" in agent.log()
        inside(agent, "mount", "-o", "remount,rw,size=64k,nr_inodes=100", run)
        assert until(agent.status, 10), agent.log()
        assert agent.stop() == 0


def test_full_disk_of_a_file_sink(lab, agent):
    """Nothing is torn, nothing is lost, and it goes on by itself."""
    sinks = agent.dir / "sinks"
    agent.configure(sinks=f"[sink log]\ntype = file\npath = {sinks}/findings.jsonl\n")
    agent.jsonl = sinks / "findings.jsonl"
    with agent.disk(sinks, "size=256k"):
        agent.start()
        lab.ping(lab.listed, AGENT_AT_LISTED)
        assert until(lambda: agent.found(LISTED, "INBOUND"), 20), agent.log()
        fill(sinks / "filler")
        before = agent.jsonl.read_bytes()
        assert blocks(lab)
        assert until(lambda: [w for w in agent.status()["warnings"] if "No space left" in w and str(agent.jsonl) in w], 20)
        assert agent.jsonl.read_bytes() == before
        (sinks / "filler").unlink()
        assert until(lambda: agent.found(LISTED, "OUTBOUND"), 60), agent.log()
        sequences = [f["service"]["additionalInfo"]["threatlistd"]["sequence"] for f in agent.findings()]
        assert sequences == list(range(1, len(sequences) + 1))
        assert until(lambda: not [w for w in agent.status()["warnings"] if "No space" in w])


def test_read_only_disk_of_a_file_sink(lab, agent):
    sinks = agent.dir / "sinks"
    agent.configure(sinks=f"[sink log]\ntype = file\npath = {sinks}/findings.jsonl\n")
    agent.jsonl = sinks / "findings.jsonl"
    with agent.disk(sinks, "ro"):
        agent.start()
        assert blocks(lab)
        assert until(lambda: [w for w in agent.status()["warnings"] if "Read-only" in w and str(agent.jsonl) in w], 20)
        inside(agent, "mount", "-o", "remount,rw", sinks)
        assert until(lambda: agent.found(LISTED, "OUTBOUND"), 60), agent.log()


@pytest.mark.parametrize("make", [
    lambda path: os.mkfifo(path), lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/passwd"),
], ids=["fifo", "folder", "link"])
def test_what_is_no_file_of_findings(lab, agent, make):
    make(agent.jsonl)
    passwd = pathlib.Path("/etc/passwd").read_bytes()
    agent.start()
    assert blocks(lab)
    assert until(lambda: [w for w in agent.status()["warnings"] if str(agent.jsonl) in w], 20), agent.log()
    assert pathlib.Path("/etc/passwd").read_bytes() == passwd
    if agent.jsonl.is_dir():
        agent.jsonl.rmdir()
    else:
        agent.jsonl.unlink()
    assert until(lambda: agent.found(LISTED, "OUTBOUND"), 60), agent.log()


def test_files_replaced_again_and_again(lab, agent):
    """A reload while config, list and token are renamed over all the time: each time one version or the other."""
    agent.start()
    swapper = subprocess.Popen([sys.executable, "-c", """
import os, sys, itertools
config, good = sys.argv[1], open(sys.argv[1]).read()
for n in itertools.count():
    with open(config + ".new", "w") as f: f.write(good if n % 2 else good + "\\n# " + "x" * 3000)
    os.rename(config + ".new", config)
""", agent.config])
    try:
        for _ in range(10):
            agent.process.send_signal(signal.SIGHUP)
            assert until(lambda: agent.ready()), agent.log()
    finally:
        swapper.kill()
        swapper.wait()
    assert "config not reloaded" not in agent.log() and blocks(lab)
