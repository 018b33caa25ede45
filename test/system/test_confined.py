# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role is held to its own calls and files: what the kernel says of the processes, and what they cannot do."""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

import lab as labs

KILLS = labs.BUILD.name.endswith("-kill")
CAP_NET_ADMIN = 1 << 12
CAP_NET_RAW = 1 << 13
CAPABILITIES = {"enforcer": CAP_NET_ADMIN, "sensor": 0, "reporter": 0, "feed": 0}
LANDLOCK_CREATE_RULESET = 444
EPERM, EACCES, ENOSYS = "errno 1", "errno 13", "errno 38"
SIGSYS = "signal 31"
REFUSED = SIGSYS if KILLS else EPERM

# takes connections, and never says a word: a feed waits for it
SILENT = """
import socket, sys, time
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
kept = []
while True:
    kept.append(s.accept())
"""

# What each role may do of all that tool_confine tries; the rest is refused.
ALLOWED = {
    "feed": {"inet", "inet6-udp", "unix", "route"},
    "enforcer": {"route", "netfilter"},
    "sensor": {"route"},
    "reporter": {"inet", "inet6-udp", "unix", "route"},
    # it starts them all: what they do before they have their config is on its list
    "parent": {"inet", "inet6-udp", "unix", "packet", "route", "netfilter", "process", "kill-self", "map-exec", "listen"},
}
ONLINE = {"feed", "reporter", "parent"}
# AddressSanitizer's own needs, which the other builds do not allow
SANITIZER = {"process", "ptrace", "dumpable"}
TRIED = 41
LANDLOCK_SIGNALS = 6            # the ABI that tells whom signals may reach


def landlock_abi():
    return max(ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1), 0)


def has_landlock():
    return landlock_abi() > 0


needs_landlock = pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not pathlib.Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
                                   reason="this kernel has no seccomp filters")
not_sanitized = pytest.mark.skipif(labs.SANITIZED, reason="AddressSanitizer's report may read every file")


def process_status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def feed_pid(lab):
    """Of a feed at work: it is not among the roles of status, which last."""
    for pid in labs.run("ip", "netns", "pids", lab.agent).stdout.split():
        try:
            if b"feed" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return int(pid)
        except OSError:
            pass
    return None


def attempts(role, agent, *files):
    done = labs.run(labs.BUILD / "test/system/tool_confine", role, agent.config, *files)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@needs_seccomp
def test_roles_of_a_running_agent(lab, agent):
    lab.start(lab.innocent, sys.executable, "-c", SILENT, labs.PORT)
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {agent.list}\n"
                            f"[source slow]\ntype = https\nlocation = https://{labs.INNOCENT}:{labs.PORT}/list\n")
    agent.start(wait=False)
    feed = labs.until(lambda: feed_pid(lab))
    assert feed and labs.until(agent.status), agent.log()
    roles = {**agent.roles(), "feed": feed}
    parent_pid = roles.pop("parent")
    assert roles.keys() == CAPABILITIES.keys()
    parent = process_status(parent_pid)
    assert (parent["NoNewPrivs"].strip(), int(parent["CapEff"], 16), parent["Seccomp"].strip()) == ("1", 0, "2")
    # a role has the parent's list, and its own once it has its config, which it may have just now
    filters = str(int(parent["Seccomp_filters"]) + 1)
    for role, pid in roles.items():
        assert labs.until(lambda pid=pid: process_status(pid)["Seccomp_filters"].strip() == filters), (role, agent.log())
        status = process_status(pid)
        assert (status["NoNewPrivs"].strip(), int(status["CapEff"], 16), int(status["CapPrm"], 16),
                int(status["CapInh"], 16), int(status["CapAmb"], 16)) == (
                    "1", CAPABILITIES[role], CAPABILITIES[role], 0, 0), (role, status)
        # the parent's two: who may not change it any more can gain nothing from it either
        assert int(status["CapBnd"], 16) == CAP_NET_ADMIN | CAP_NET_RAW, (role, status["CapBnd"])
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        assert maps and not [line for line in maps if re.match(r"\S+ .wx", line)], role
    held = {"seccomp": True, "landlock": landlock_abi()}
    assert labs.until(lambda: agent.status()["confined"] == {name: held for name in ("parent", *CAPABILITIES)})
    # on a terminal: a row each
    shown = lab.inside(lab.agent, "script", "-qec", f"{labs.BUILD}/threatlistctl status -S {agent.dir}/run/control.sock",
                       "/dev/null").stdout
    how = f"seccomp, Landlock ABI {landlock_abi()}" if has_landlock() else "seccomp, no Landlock"
    assert shown.count(how) == len(held_by := ("parent", *CAPABILITIES)), shown
    assert all(re.search(rf"^{name} .*{how}", shown, re.M) for name in held_by), shown
    assert "not confined" not in agent.log()
    assert "system call refused" not in agent.log()


@needs_seccomp
@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_calls_that_are_not_a_role_s_own(agent, role):
    results = attempts(role, agent)
    assert len(results) == TRIED
    assert results.pop("clone3") == ENOSYS
    for name in ("bind", "local-socket"):
        assert results.pop(name) == ((EACCES if has_landlock() else "allowed") if role in ONLINE else REFUSED), name
    if role == "parent":
        # it runs its own program, and ends its own roles
        assert results.pop("execve") == (EACCES if has_landlock() and not labs.SANITIZED else "allowed")
        assert results.pop("kill") == (EPERM if landlock_abi() >= LANDLOCK_SIGNALS else "allowed")
    allowed = ALLOWED[role]
    if labs.SANITIZED:
        own = SANITIZER | ({"personality"} if role == "parent" else set())
        results = {name: result for name, result in results.items() if name not in own}
        allowed = allowed - own
    assert {name for name, result in results.items() if result == "allowed"} == allowed
    assert {result for result in results.values() if result != "allowed"} == {REFUSED}


@needs_seccomp
@needs_landlock
@not_sanitized
def test_files_that_are_not_a_role_s_own(lab, agent):
    secret = lab.work / "secret"
    secret.write_text("of somebody else")
    state, sinks = agent.dir / "state", agent.dir / "sinks"
    (agent.dir / "lists").mkdir()
    state.mkdir()
    sinks.mkdir()
    listed = agent.dir / "lists" / "list.txt"
    listed.write_text(labs.LISTED)
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {listed}\n",
                    sinks=f"[sink log]\ntype = file\npath = {sinks}/findings.jsonl\n")
    files = [f"read={secret}", f"write={secret}", f"write={state}/kept", f"read={listed}", f"write={listed}",
             f"write={sinks}/x", "read=/etc/hosts", "read=/proc/1/environ", "write=/etc/threatlistd-new"]
    assert [attempts("feed", agent, *files)[name] for name in files] == [
        EACCES, REFUSED, REFUSED, "allowed", REFUSED, REFUSED, "allowed", EACCES, REFUSED]
    assert [attempts("enforcer", agent, *files)[name] for name in files] == [
        EACCES, EACCES, "allowed", EACCES, EACCES, EACCES, "allowed", EACCES, EACCES]
    assert [attempts("reporter", agent, *files)[name] for name in files] == [
        EACCES, EACCES, "allowed", EACCES, EACCES, "allowed", "allowed", EACCES, EACCES]
    assert {attempts("sensor", agent, *files)[name] for name in files} == {REFUSED}
    assert not pathlib.Path("/etc/threatlistd-new").exists()


@needs_seccomp
@needs_landlock
@not_sanitized
def test_of_etc_the_feed_reads_what_names_time_and_tls_need(lab, agent):
    """All of it was open: host keys, other services' passwords, tokens of sinks."""
    wanted = ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/ssl/certs", "/etc/localtime"]
    closed = ["/etc/shadow", "/etc/fstab", "/etc/machine-id", "/etc", "/etc/ssl", "/etc/default"]
    files = [f"read={path}" for path in wanted + closed if pathlib.Path(path).exists()]
    assert len(files) >= 8
    results = attempts("feed", agent, *files)
    assert {name: results[name] for name in files} == {
        name: "allowed" if name.removeprefix("read=") in wanted else EACCES for name in files}
    # a list there opens its own directory, as it always did
    listed = pathlib.Path("/etc/apt/sources.list.d" if pathlib.Path("/etc/apt/sources.list.d").is_dir() else "/etc/default")
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {listed}/list.txt\n")
    results = attempts("feed", agent, f"read={listed}", "read=/etc/shadow")
    assert results == {**results, f"read={listed}": "allowed", "read=/etc/shadow": EACCES}


@needs_landlock
@not_sanitized
@pytest.mark.parametrize("services", ["files dns", "files", "files mymachines resolve [!UNAVAIL=return] dns myhostname"])
def test_a_confined_feed_looks_names_up(lab, agent, services):
    """By hosts and by nsswitch.conf as some distributions have it; the name is found: what fails is the connection."""
    lab.etc("hosts", f"127.0.0.1 localhost\n{labs.INNOCENT} lists.threatlistd.test\n")
    lab.etc("nsswitch.conf", f"passwd: files\nhosts: {services}\n")
    agent.configure(sources="[source named]\ntype = https\nlocation = https://lists.threatlistd.test:1/list\n"
                            "[source unknown]\ntype = https\nlocation = https://none.threatlistd.test:1/list\n")
    agent.start(wait=False)
    told = labs.until(lambda: (s := agent.status()) and all(one["state"] == "failing" for one in s["sources"]) and
                      {one["name"]: one["error"] for one in s["sources"]}, 40)
    assert told, agent.log()
    assert "resolve" not in told["named"] and "onnect" in told["named"], told
    assert "resolve" in told["unknown"], told


@needs_seccomp
@needs_landlock
@not_sanitized
def test_what_is_replaced_or_made_later_is_still_within(lab, agent):
    """resolv.conf, tokens and CA bundles are renamed over: rules are for directories."""
    later = agent.dir / "later"
    agent.configure(sinks=f"[sink log]\ntype = file\npath = {later}/deep/findings.jsonl\n")
    (agent.dir / "state").mkdir()
    results = attempts("reporter", agent, f"write={agent.dir}/beside")
    assert results[f"write={agent.dir}/beside"] == "allowed"
    agent.start()
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    (later / "deep").mkdir(parents=True)
    assert labs.until(lambda: (later / "deep/findings.jsonl").exists(), 20), agent.log()


def test_a_role_starts_after_the_program_was_replaced(lab, agent):
    """An upgrade: what is executed is no longer there by its name, and never of another version."""
    program = agent.dir / "sbin/threatlistd"
    online = agent.dir / "libexec/threatlistd/threatlistd-online"
    for path in program, online:
        path.parent.mkdir(parents=True)
        shutil.copy(labs.BUILD / path.name, path)
    with open(agent.log_path, "a", encoding="utf-8") as log:
        agent.process = lab.start(lab.agent, program, "-c", agent.config, log=log)
    assert labs.until(agent.ready), agent.log()
    for path in program, online:
        fresh = path.with_suffix(".new")
        fresh.write_text("#!/bin/false\n", encoding="utf-8")
        fresh.chmod(0o755)
        fresh.rename(path)
    for role in "sensor", "reporter":
        before = agent.roles()[role]
        os.kill(before, signal.SIGKILL)
        assert labs.until(lambda: agent.roles().get(role, before) != before and agent.ready()), agent.log()
    agent.list.write_text(f"{labs.LISTED}\n203.0.113.9\n", encoding="utf-8")
    agent.ctl("refresh")
    assert labs.until(lambda: agent.check("203.0.113.9")[-1] == "yes"), agent.log()


def test_without_its_second_program_it_does_not_start(lab, agent):
    program = agent.dir / "sbin/threatlistd"
    program.parent.mkdir()
    shutil.copy(labs.BUILD / "threatlistd", program)
    done = lab.inside(lab.agent, program, "-c", agent.config, check=False)
    where = agent.dir / "sbin/../libexec/threatlistd/threatlistd-online"
    assert done.returncode == 1 and f'not started error="{where}: No such file or directory"' in done.stderr, done


def test_who_has_which_library(agent):
    """What talks to the world has the libraries for it, what holds capabilities or starts others has none of them."""
    agent.start()
    # a role has its config when it is loaded whole; ready waits for the enforcer alone
    assert labs.until(lambda: (now := agent.status()["confined"]) and all(now[role] for role in CAPABILITIES if role != "feed")), \
        agent.log()
    online = {"curl", "ssl", "sqlite3", "expat"}
    offline = {"pcap", "nftnl", "mnl"}
    roles = {role["role"]: role["pid"] for role in agent.status()["roles"] if role["pid"]}
    assert set(roles) >= {"parent", "enforcer", "sensor", "reporter"}
    for role, pid in roles.items():
        loaded = set(re.findall(r"/lib(\w+)[-.\d]*\.so", pathlib.Path(f"/proc/{pid}/maps").read_text()))
        assert loaded & (online | offline) == (online if role in ("reporter", "feed") else offline), (role, loaded)


@needs_seccomp
@pytest.mark.skipif(KILLS, reason="a refused call ends this build")
def test_a_refused_call_is_said_once_for_each_number(agent):
    done = subprocess.run([labs.BUILD / "test/system/tool_confine", "feed", agent.config], capture_output=True,
                          text=True, timeout=60)
    said = re.findall(r"^.*warning: system call refused call=\d+$", done.stderr, re.M)
    # each attempt is a process of its own; none of these makes two
    assert len(said) == TRIED - len(ALLOWED["feed"]) - len({"clone3", "bind", "local-socket"}) - (
        len(SANITIZER) if labs.SANITIZED else 0)
