# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a file sink: made if it is the last one that is missing, named if it is not, found when made later."""

import signal
import stat
import subprocess

import pytest

from lab import AGENT_AT_LISTED, BUILD, LISTED, until
from test_confined import attempts, needs_landlock, needs_seccomp, not_sanitized

SAID = "sink directory missing"


def sink(path):
    return f"[sink log]\ntype = file\npath = {path}\n"


def checked(agent):
    done = subprocess.run([BUILD / "threatlistd", "-c", agent.config, "-n"], capture_output=True, text=True)
    assert done.returncode == 0
    return done.stderr


def test_last_directory_is_made(lab, agent):
    out = agent.dir / "sinks/findings.jsonl"
    agent.configure(sinks=sink(out))
    assert checked(agent) == "" and not out.parent.exists()
    agent.start()
    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o750 and f"sink directory made sink=log path={out.parent}" in agent.log()
    lab.ping(lab.agent, LISTED)
    assert until(out.exists, 20), agent.log()
    # a reload makes one as well, and the reporter may write there
    other = agent.dir / "others/findings.jsonl"
    agent.configure(sinks=sink(other))
    agent.process.send_signal(signal.SIGHUP)
    assert until(other.parent.exists) and until(agent.ready)
    lab.ping(lab.listed, AGENT_AT_LISTED)
    assert until(other.exists, 20), agent.log()
    assert SAID not in agent.log() and not [w for w in agent.status()["warnings"] if "directory" in w]


def test_modes_are_the_same_under_the_umask_of_the_service(lab, agent):
    """0077 of the unit made findings and their directory the agent's alone: no other member of its group read them."""
    out = agent.dir / "sinks/findings.jsonl"
    agent.configure(sinks=sink(out))
    with open(agent.log_path, "a", encoding="utf-8") as log:
        agent.process = lab.start(lab.agent, BUILD / "threatlistd", "-c", agent.config, log=log, umask=0o077)
    assert until(agent.ready), agent.log()
    lab.ping(lab.agent, LISTED)
    # it is there before it has its mode, and has that before anything is in it
    assert until(lambda: out.exists() and out.read_text(), 20), agent.log()
    modes = {path: oct(stat.S_IMODE(path.stat().st_mode)) for path in (
        out, out.parent, agent.dir / "run", agent.dir / "run/control.sock", agent.dir / "state")}
    assert list(modes.values()) == ["0o640", "0o750", "0o755", "0o666", "0o750"], modes
    # what an admin made of it is his
    out.chmod(0o600)
    lab.ping(lab.listed, AGENT_AT_LISTED)
    assert until(lambda: out.read_text().count("\n") > 1)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_more_than_the_last_is_a_slip_of_the_pen(lab, agent):
    out = agent.dir / "misspelt/sinks/findings.jsonl"
    missing = agent.dir / "misspelt"
    agent.configure(sinks=sink(out))
    assert checked(agent) == (f"threatlistd: warning: {SAID} sink=log path={out} missing={missing} "
                              'error="the agent makes no more than the last directory"\n')
    agent.start()
    lab.ping(lab.agent, LISTED)
    assert agent.log().count(SAID) == 1 and not missing.exists()
    assert f"sink log: there is no directory {missing}: nothing is written to {out}" in agent.status()["warnings"]
    # nothing is lost, and no restart is needed
    out.parent.mkdir(parents=True)
    assert until(lambda: out.exists() and LISTED in out.read_text(), 30), agent.log()
    assert not [w for w in agent.status()["warnings"] if "there is no directory" in w]


def test_directory_that_the_agent_may_not_make(lab, agent):
    out = agent.dir / "ro/sinks/findings.jsonl"
    out.parent.parent.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", out.parent.parent], check=True)
    try:
        agent.configure(sinks=sink(out))
        agent.start()
        assert f'missing={out.parent} error="Read-only file system"' in agent.log()
        assert [w for w in agent.status()["warnings"] if f"there is no directory {out.parent}:" in w]
        assert not lab.ping(lab.agent, LISTED)
    finally:
        agent.process.kill()
        agent.process.wait()
        assert until(lambda: subprocess.run(["umount", out.parent.parent], capture_output=True).returncode == 0)


@needs_seccomp
@needs_landlock
@not_sanitized
@pytest.mark.parametrize("path, allowed", [("/threatlistd-not-there/x/f.jsonl", False), ("{dir}/not-there/x/f.jsonl", True)])
def test_a_path_that_is_not_there_opens_no_more_than_its_nearest_directory(agent, path, allowed):
    """It opened all of / for writing when its first directory was missing."""
    agent.configure(sinks=sink(path.format(dir=agent.dir)))
    (agent.dir / "state").mkdir()
    tried = f"write={agent.dir}/beside"
    assert (attempts("reporter", agent, tried)[tried] == "allowed") == allowed
