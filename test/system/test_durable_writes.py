# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent keeps is on disk when it counts as kept: every write of a running agent, by what the kernel is asked."""

import os
import re
import shutil
import signal

import pytest

import tracelib
from lab import BUILD, LISTED, SANITIZED, Agent, until
from test_guardduty import aws  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(SANITIZED, reason="the leak checker and strace both trace")

DIR = "/var/lib/t"
GOOD = f"""\
openat(AT_FDCWD</>, "{DIR}", O_RDONLY|O_CLOEXEC|O_DIRECTORY) = 5<{DIR}>
unlinkat(5<{DIR}>, ".state.new", 0) = -1 ENOENT (No such file or directory)
openat(5<{DIR}>, ".state.new", O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600) = 6<{DIR}/.state.new>
write(6<{DIR}/.state.new>, "mode = drop, (1) = 2\\n", 21) = 21
fsync(6<{DIR}/.state.new>) = 0
close(6<{DIR}/.state.new>) = 0
renameat(5<{DIR}>, ".state.new", 5<{DIR}>, "state") = 0
fsync(5<{DIR}>) = 0
close(5<{DIR}>) = 0
"""
OPEN, WRITE, SYNC, RENAME, SYNC_DIR = (GOOD.splitlines(keepends=True)[i] for i in (2, 3, 4, 6, 7))
WAL = f"{DIR}/spool.db-wal"
OUT = "/var/log/t/findings.jsonl"


def checked(text):
    return tracelib.check(tracelib.calls(text), DIR)


def test_checker_takes_what_is_right():
    assert checked(GOOD) == {"state"}
    assert checked(GOOD * 2) == {"state"}
    aside = f'rename("{DIR}/spool.db", "{DIR}/spool.db.damaged-1") = 0\n'
    assert checked(aside + aside.replace(".db", ".db-wal", 1) + SYNC_DIR) == {"spool.db.damaged-1"}
    # one that failed leaves the old file
    assert checked(OPEN + WRITE + SYNC.replace("= 0", "= -1 EIO (Input/output error)")) == set()


@pytest.mark.parametrize("text, why", {
    "no fsync": (GOOD.replace(SYNC, ""), "renamed before"),
    "fsync failed": (GOOD.replace(SYNC, SYNC.replace("= 0", "= -1 EIO (Input/output error)")), "renamed before"),
    "fsync before the write": (GOOD.replace(WRITE + SYNC, SYNC + WRITE), "renamed before"),
    "written again after it": (GOOD.replace(SYNC, SYNC + WRITE), "renamed before"),
    "fsync after the rename": (GOOD.replace(SYNC, "").replace(RENAME, RENAME + SYNC), "renamed before"),
    "nothing written": (GOOD.replace(WRITE, ""), "renamed before"),
    "no fsync of the folder": (GOOD.replace(SYNC_DIR, ""), "folder not synced"),
    "folder's fsync failed": (GOOD.replace(SYNC_DIR, SYNC_DIR.replace("= 0", "= -1 EIO (x)")), "folder not synced"),
    "folder synced too early": (GOOD.replace(RENAME + SYNC_DIR, SYNC_DIR + RENAME), "folder not synced"),
    "folder synced too late": (GOOD.replace(SYNC_DIR, "") + GOOD, "folder not synced"),
    "another folder": (GOOD.replace(SYNC_DIR, f"fsync(5<{DIR}/lists>) = 0\n"), "folder not synced"),
    "no O_EXCL": (GOOD.replace("O_EXCL|", ""), "not made with"),
    "no O_NOFOLLOW": (GOOD.replace("|O_NOFOLLOW", ""), "would follow"),
    "wrong mode": (GOOD.replace("0600", "0644"), "not made at 0600"),
    "made elsewhere": (GOOD.replace('".state.new"', '"/tmp/.state.new"'), "in another folder"),
    "not made at all": (GOOD.replace(OPEN, ""), "was not made"),
    "in place": (f'openat(AT_FDCWD</>, "{DIR}/state", O_WRONLY|O_CREAT|O_TRUNC|O_NOFOLLOW, 0600) = 3<{DIR}/state>\n',
                 "written in place"),
    "by creat": (f'creat("{DIR}/state", 0600) = 3<{DIR}/state>\n', "would follow"),
    "by truncate": (f'truncate("{DIR}/state", 0) = 0\n', "no way"),
    "set aside": (f'rename("{DIR}/spool.db", "{DIR}/spool.db.damaged-1") = 0\n', "folder not synced"),
    "new folder": (f'mkdir("{DIR}/lists", 0700) = 0\n', "folder not synced"),
}.values(), ids=lambda value: value if len(value) < 40 else "")
def test_checker_finds_what_is_wrong(text, why):
    with pytest.raises(tracelib.Wrong, match=why):
        checked(text)


def test_checker_of_commits_and_lines():
    append = f'pwrite64(4<{WAL}>, "x", 1, 0) = 1\n'
    commit, deliver = append + f"fdatasync(4<{WAL}>) = 0\n", f'write(9<{OUT}>, "{{}}", 2) = 2\n'
    made = f'openat(AT_FDCWD</>, "{OUT}", O_RDWR|O_CREAT|O_NOFOLLOW, 0640) = 9<{OUT}>\n'
    folder, synced = "fsync(8</var/log/t>) = 0\n", f"fdatasync(9<{OUT}>) = 0\n"

    def commits(text):
        return tracelib.commits_are_synced(tracelib.calls(text), WAL)

    def lines(text):
        return tracelib.lines_are_synced(tracelib.calls(text), OUT)
    assert commits(commit + deliver + commit) == 2
    assert lines(made + folder + (deliver + synced) * 2) == 2
    for wrong in (append + deliver, commit + append + deliver):
        with pytest.raises(tracelib.Wrong):
            commits(wrong)
    for wrong in (made + deliver + synced, made + folder + deliver, made + folder + deliver + deliver + synced,
                  made.replace("|O_NOFOLLOW", "") + folder):
        with pytest.raises(tracelib.Wrong):
            lines(wrong)


def start_traced(agent, env):
    """Each process of the agent has a trace of its own."""
    (agent.dir / "traces").mkdir(exist_ok=True)
    with open(agent.log_path, "a", encoding="utf-8") as log:
        agent.process = agent.lab.start(agent.lab.agent, *tracelib.STRACE, "-o", agent.dir / "traces/t",
                                        BUILD / "threatlistd", "-c", agent.config, log=log, env=env)
    assert until(agent.ready, 30), agent.log()


def traced(agent, name):
    """What the one process that left a trace of this name did."""
    path, = (agent.dir / "traces").glob(f"{name}.*")
    return path.read_text(errors="replace")


def traces(agent):
    return [tracelib.calls(path.read_text(errors="replace")) for path in sorted((agent.dir / "traces").iterdir())]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_every_write_of_a_running_agent(lab, aws):  # noqa: F811
    agent = Agent(lab)
    aws.threat_list("guarded", f"{LISTED}\n")
    agent.list.write_text(f"{LISTED}\nmalware.example.com\n")
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {agent.list}\n"
                            "[source guardduty]\ntype = guardduty\n")
    start_traced(agent, aws.environment())
    state = agent.dir / "state"
    lab.nft("add", "element", "inet", "threatlistd", "allow4", "{ 198.51.100.7 }")
    assert until(lambda: (state / "allow").exists())
    for order in (("enforce", "watch"), ("enforce", "drop", "--confirm", 60), ("confirm",), ("isolate", "on", "--confirm", 60),
                  ("isolate", "off"), ("panic",), ("resume",), ("purge",), ("resume",)):
        assert agent.ctl(*order).returncode == 0, order
    lab.ping(lab.agent, LISTED)
    assert until(lambda: agent.found(LISTED), 20), agent.log()
    assert until(lambda: (state / "lists/guarded.list").exists(), 20)
    # as on a clone: what was kept is another host's
    agent.process.send_signal(signal.SIGTERM)
    agent.process.wait(20)
    agent.config.write_text(agent.config.read_text().replace("i-0123456789abcdef0", "i-0fedcba9876543210"))
    start_traced(agent, aws.environment())
    assert until(lambda: list(state.glob("spool.db.other-host-*"))), agent.log()
    lab.ping(lab.agent, LISTED)
    assert until(lambda: any("i-0fedcba9876543210" in str(finding) for finding in agent.findings()), 20), agent.log()
    assert agent.stop() == 0
    # without an agent, by root
    for order in ("panic", "resume"):
        lab.inside(lab.agent, *tracelib.STRACE, "-o", agent.dir / f"traces/{order}", BUILD / "threatlistd", "-c", agent.config,
                   "--table", order)
        assert tracelib.check(tracelib.calls(traced(agent, order)), str(state)) == {"state"}
    all_of_it = traces(agent)
    done = set().union(*(tracelib.check(trace, str(state)) for trace in all_of_it))
    assert {re.sub(r"\d{8}T\d+Z", "TIME", name) for name in done} - {"spool.db.other-host-TIME-shm",
                                                                     "spool.db.other-host-TIME-wal"} == {
        "state", "allow", "host-id", "lists/test.list", "lists/test.from", "lists/test.domains", "lists/guardduty.sets",
        "lists/guarded.list", "lists/guarded.from", "spool.db.other-host-TIME"}
    # whatever is in the folder came there this way
    there = {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}
    assert {name for name in there - done if not re.fullmatch("|".join(tracelib.IN_PLACE), name)} == set()
    assert sum(tracelib.commits_are_synced(trace, str(state / "spool.db-wal")) for trace in all_of_it) > 3
    assert sum(tracelib.lines_are_synced(trace, str(agent.jsonl)) for trace in all_of_it) >= 2


def tracer_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"^TracerPid:\t(\d+)", status.read(), re.M)[1])


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_folders_that_cannot_be_synced(lab):
    """A disk that takes files, and fails to write down their names: said, tried again, and said when it is over."""
    agent = Agent(lab)
    agent.configure(sinks=f"[sink log]\ntype = file\npath = {agent.jsonl}\nevents = none\n")
    state = agent.dir / "state"
    state.mkdir()
    (state / "lists").mkdir(mode=0o700)
    with open(agent.log_path, "a", encoding="utf-8") as log:
        agent.process = lab.start(
            lab.agent, "strace", "-D", "-I", "2", "-f", "-qq", "-o", agent.dir / "trace",
            *(word for folder in (state, state / "lists", agent.dir) for word in ("-P", folder)),
            "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:syscall=getpid",  # one that every role's filter lets pass
            BUILD / "threatlistd", "-c", agent.config, log=log)
    assert until(agent.ready, 30), agent.log()

    def unsynced():
        said = re.search(r"a power failure may lose spool\.db: its folder could not be synced, (\d+) times",
                         " ".join(agent.status()["warnings"]))
        return said and int(said[1])

    def lines(text):
        return [line for line in agent.log().splitlines() if text in line]

    # the spool works, and says what it could not have for certain; it tries again by itself, and says it once
    first = until(unsynced)
    assert first and until(lambda: unsynced() > first, 30), agent.status()["warnings"]
    assert lines("spool folder") == [f'<3>reporter: spool folder not synced path={state}/spool.db error="Input/output error"']
    # an order is carried out and not taken for kept, though the file may well be there
    panic = agent.ctl("panic")
    assert panic.returncode == 1 and "done, but it will not outlive a restart: Input/output error" in panic.stderr
    assert lab.ping(lab.agent, LISTED)
    assert lines("order not kept") == [f'<3>threatlistd: order not kept path={state} error="Input/output error"']
    assert agent.ctl("resume").returncode == 1 and not lab.ping(lab.agent, LISTED)
    assert "source test: its last good list could not be kept on disk" in agent.status()["warnings"]
    # what is in a file that has no certain name is not delivered
    assert until(lambda: agent.status()["sinks"][0]["error"] and agent.status()["sinks"][0]["pending"]), agent.status()
    assert not agent.found(LISTED)
    # the disk is well again
    os.kill(tracer_of(agent.process.pid), signal.SIGTERM)
    assert until(lambda: tracer_of(agent.process.pid) == 0)
    assert until(lambda: unsynced() is None, 30), agent.status()["warnings"]
    synced, = lines("spool folder synced")
    assert synced.startswith(f"<5>reporter: spool folder synced path={state}/spool.db after=")
    assert int(synced.rpartition("=")[2]) > first
    assert agent.ctl("panic").returncode == 0 and agent.ctl("resume").returncode == 0
    assert agent.ctl("refresh").returncode == 0
    assert until(lambda: agent.found(LISTED), 30), agent.status()["sinks"]
    assert until(lambda: not agent.status()["warnings"]), agent.status()["warnings"]
    assert len(lines("last good list not kept")) == len(lines("last good list kept source=test")) == 1
    assert agent.stop() == 0
