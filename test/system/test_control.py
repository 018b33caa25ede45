# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: who may ask, what it survives, what the log says of who asked."""

import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time

import pytest

from lab import BUILD, LISTED, SANITIZED, until

REQUEST, STATUS, PANIC = 280, 1, 9  # bytes of struct control_request; kinds of agent/runtime/control.h

# Speaks to the socket as somebody else would.
TALKER = """
import os, socket, struct, sys, time
path, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
def request(kind, text=b""):
    return struct.pack("=IIIIq256s", 1, kind, 0, 0, 0, text)
def connected():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    s.settimeout(5)
    return s
def stay(sockets):
    print("ready", flush=True)
    sys.stdin.read()
if what == "silent":
    stay([connected() for _ in range(n)])
elif what == "deaf":
    sockets = [connected() for _ in range(n)]
    for s in sockets:
        try: s.send(request(1))
        except OSError: pass
    stay(sockets)
elif what == "storm":
    print("ready", flush=True)
    end = time.monotonic() + n
    count = 0
    while time.monotonic() < end:
        s = connected()
        try: s.send(request(1) if count % 2 else b"half")
        except OSError: pass
        s.close()
        count += 1
    print(count)
elif what == "ask":
    s = connected()
    try: s.send(request(n))
    except OSError: pass
    try: data = s.recv(4096)
    except OSError: data = b""
    print(struct.unpack("=i", data[:4])[0] if len(data) >= 4 else -1)
"""

BAD = {
    "empty message": b"",
    "one byte": b"x",
    "half a request": struct.pack("=II", 1, STATUS),
    "a byte less": struct.pack("=II", 1, STATUS) + bytes(REQUEST - 9),
    "zeros": bytes(REQUEST),
    "ones": b"\xff" * REQUEST,
    "text without end": struct.pack("=IIIIq", 1, STATUS, 0, 0, 0) + b"A" * 256,
    "unknown flags": struct.pack("=IIIIq256s", 1, STATUS, 8, 0, 0, b""),
    "pad": struct.pack("=IIIIq256s", 1, STATUS, 0, 1, 0, b""),
    "kind beyond": struct.pack("=IIIIq256s", 1, 16, 0, 0, 0, b""),
    "a byte more": struct.pack("=II", 1, STATUS) + bytes(REQUEST - 7),
    "much more": b"y" * 100000,
}


@pytest.fixture
def running(lab, agent):
    """An agent that every user can reach, and what is started against it."""
    agent.configure()
    agent.start()
    for path in (agent.dir, agent.dir / "run"):
        path.chmod(0o755)
    assert until(lambda: blocks(lab))
    return agent


def blocks(lab):
    return not lab.ping(lab.agent, LISTED)


def path_of(agent):
    return agent.dir / "run" / "control.sock"


def talk(lab, agent, what, n, user=None):
    as_user = ["setpriv", *user] if user else []
    return lab.inside(lab.agent, *as_user, sys.executable, "-c", TALKER, path_of(agent), what, n).stdout.strip()


class Crowd:
    """A process that holds connections, or makes them, until it is told to end."""

    def __init__(self, lab, agent, what, n, user=None):
        as_user = ["setpriv", *user] if user else []
        self.process = subprocess.Popen(["ip", "netns", "exec", lab.agent, *as_user, sys.executable, "-c", TALKER,
                                         str(path_of(agent)), what, str(n)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        lab.processes.append(self.process)

    def ready(self):
        assert self.process.stdout.readline().strip() == "ready"
        return self

    def end(self):
        return self.process.communicate(timeout=30)[0]


def answered_at_once(agent):
    """Status, right, within a second; of five, most, as the machine may be busy with others."""
    took = []
    for _ in range(5):
        before = time.monotonic()
        status = agent.status()
        took.append(time.monotonic() - before)
        assert status and status["mode"] == "drop" and status["table"]["list"] >= 1, status
    assert sorted(took)[2] < (5 if SANITIZED else 1), took


def members(group):
    """Options of setpriv for a user in this group alone, of a uid of its own."""
    return ["--reuid=65533", f"--regid={group}", "--clear-groups"]


@pytest.mark.parametrize("what,n", [("silent", 300), ("deaf", 300)])
def test_hundreds_of_clients_that_say_or_hear_nothing(lab, running, what, n):
    crowd = Crowd(lab, running, what, n).ready()
    answered_at_once(running)
    assert blocks(lab)
    crowd.end()
    answered_at_once(running)


def test_a_storm_of_clients(lab, running):
    crowds = [Crowd(lab, running, "storm", 4).ready() for _ in range(3)]
    answered_at_once(running)
    assert blocks(lab)
    assert sum(int(crowd.end()) for crowd in crowds) > 300
    answered_at_once(running)


def test_a_reader_cannot_keep_root_out(lab, agent):
    """Hundreds of connections of somebody who may only read leave room for root, and for other readers."""
    agent.configure(agent="admin_group = daemon")
    agent.start()
    for path in (agent.dir, agent.dir / "run"):
        path.chmod(0o755)
    daemon = os.popen("getent group daemon").read().split(":")[2]
    crowd = Crowd(lab, agent, "deaf", 200, members(daemon)).ready()
    held = Crowd(lab, agent, "silent", 200, members(daemon)).ready()
    answered_at_once(agent)
    other = ["--reuid=65532", f"--regid={daemon}", "--clear-groups"]
    assert talk(lab, agent, "ask", STATUS, other) == "0"
    assert agent.ctl("enforce", "watch").returncode == 0
    crowd.end()
    held.end()


def test_what_is_no_request(lab, running):
    for name, data in BAD.items():
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(str(path_of(running)))
        client.settimeout(6)
        client.send(data)
        said = client.recv(4096)
        client.close()
        assert said[:4] == (b"" if name == "empty message" else struct.pack("=i", 2)), name
    answered_at_once(running)
    assert blocks(lab)


def test_two_requests_and_descriptors(lab, running):
    """One request a connection; what comes along with it is closed."""
    answered_at_once(running)
    parent = running.roles()["parent"]
    before = len(os.listdir(f"/proc/{parent}/fd"))
    good = struct.pack("=IIIIq256s", 1, STATUS, 0, 0, 0, b"")
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.connect(str(path_of(running)))
        try:
            socket.send_fds(client, [good], [0] * 100)
            client.send(good)
        except OSError:
            pass
        client.close()
    answered_at_once(running)
    assert until(lambda: len(os.listdir(f"/proc/{parent}/fd")) <= before + 2)


def test_strangers_are_refused(lab, running):
    stranger = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    assert talk(lab, running, "ask", STATUS, stranger) == "4"
    assert talk(lab, running, "ask", PANIC, stranger) == "4"
    assert blocks(lab)
    crowd = Crowd(lab, running, "silent", 300, stranger)
    answered_at_once(running)
    crowd.process.kill()
    assert "command command=panic" not in running.log()


def test_the_log_says_who_asked(lab, running):
    assert running.ctl("enforce", "watch").returncode == 0
    line = re.search(r'command command=enforce text="watch" number=0 flags=0 peer="uid 0 \(root\)" pid=(\d+) program="threatlistctl"',
                     running.log())
    assert line, running.log()
    assert int(line[1]) > 1
    assert running.ctl("status").returncode == 0
    assert "command=status" not in running.log()


def operator(agent):
    """Lets group daemon operate; options of setpriv for one of its members."""
    agent.configure(agent="admin_group = daemon")
    agent.start()
    for path in (agent.dir, agent.dir / "run"):
        path.chmod(0o755)
    return members(os.popen("getent group daemon").read().split(":")[2])


# Each operating command once, by a program of this name, with a text that tries to be more of the line.
EVERY_COMMAND = """
import socket, struct, sys
path, name, kinds = sys.argv[1], sys.argv[2], sys.argv[3:]
open("/proc/self/comm", "w").write(name)
for kind in kinds:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    text = ('x" peer="uid 0 (root)" pid=1 program="threatlistctl\\n<3>' + kind).encode()
    s.send(struct.pack("=IIIIq256s", 1, int(kind), 0, 0, 7, text))
    s.settimeout(10)
    s.recv(4096)
"""


def test_every_operating_command_is_logged_and_nobody_is_put_in_another_s_place(lab, agent):
    who = operator(agent)
    kinds = list(range(6, 15))  # from CONTROL_REFRESH to the last
    process = lab.start(lab.agent, "setpriv", *who, sys.executable, "-c", EVERY_COMMAND, path_of(agent), 'my"name', *kinds)
    assert process.wait(60) == 0
    lines = [line for line in agent.log().splitlines() if "command command=" in line]
    assert [re.search(r"command=(\w+)", line)[1] for line in lines] == [
        "refresh", "accept", "enforce", "panic", "resume", "purge", "confirm", "plan", "isolate"]
    for kind, line in zip(kinds, lines):
        assert re.fullmatch(rf'<5>threatlistd: command command=\w+ text="x\? peer=\?uid 0 \(root\)\? pid=1 program=\?'
                            rf'threatlistctl\?<3>{kind}" number=7 flags=0 peer="uid 65533 \(\?\)" pid={process.pid} '
                            rf'program="my\?name"', line), line
    # what it says of itself does not help who may not
    stranger = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    lab.inside(lab.agent, "setpriv", *stranger, sys.executable, "-c", EVERY_COMMAND, path_of(agent), "x", *kinds, check=False)
    assert agent.log().count("command command=") == len(kinds)


# Asks n times and is gone before the answer comes: killed, closed for writing, or closed.
GONE = """
import os, signal, socket, struct, sys
path, how, kinds = sys.argv[1], sys.argv[2], [int(k) for k in sys.argv[3:]]
for n in range(60):
    kind = kinds[n % len(kinds)]
    pid = os.fork() if how == "killed" else 0
    if pid:
        os.waitpid(pid, 0)
        continue
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    text = b"203.0.113.66" if kind == 5 else b""
    s.send(struct.pack("=IIIIq256s", 1, kind, 0, 0, 0, text))
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "half":
        s.shutdown(socket.SHUT_WR)
        s.settimeout(10)
        s.recv(4096)
    s.close()
"""


@pytest.mark.parametrize("how", ["killed", "half", "closed"])
def test_clients_that_are_gone_before_the_answer(lab, running, how):
    """An answer is one small message with a descriptor, however long it is; neither stays behind."""
    answered_at_once(running)
    lab.ping(lab.agent, LISTED)
    roles = running.roles()
    before = {role: len(os.listdir(f"/proc/{pid}/fd")) for role, pid in roles.items()}
    lab.inside(lab.agent, sys.executable, "-c", GONE, path_of(running), how, 1, 2, 3, 5, 13)
    answered_at_once(running)
    assert running.roles() == roles, running.log()
    assert until(lambda: all(len(os.listdir(f"/proc/{pid}/fd")) <= before[role] + 2 for role, pid in roles.items()))
    assert running.ctl("findings").returncode == 0 and running.ctl("check", LISTED).returncode == 0
    assert blocks(lab)


def test_an_order_is_carried_out_though_who_gave_it_is_gone(lab, running):
    lab.inside(lab.agent, sys.executable, "-c", GONE, path_of(running), "killed", PANIC)
    assert until(lambda: not blocks(lab)) and running.status()["mode"] == "panic"
    assert running.ctl("resume").returncode == 0 and until(lambda: blocks(lab))


def ended_while_asked(agent, role, kind, text=b"", number=0):
    """(seconds, exit code, message) of what is told when a role dies that was asked and has not answered."""
    pid = agent.roles()[role]
    os.kill(pid, signal.SIGSTOP)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(str(path_of(agent)))
        client.send(struct.pack("=IIIIq256s", 1, kind, 0, 0, number, text))
        client.settimeout(20)
        assert agent.ctl("lists").returncode == 0  # served in turn: the one before has been, too
        before = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        answer = client.recv(4096)
        took = time.monotonic() - before
    assert until(lambda: agent.roles().get(role, pid) != pid) and until(agent.ready)
    return took, struct.unpack("=i", answer[:4])[0], answer[8:].split(b"\0")[0].decode()


@pytest.mark.parametrize("role,command,kind", [("enforcer", "verify", 15), ("enforcer", "plan", 13),
                                               ("reporter", "findings", 3)])
def test_who_asks_a_role_that_dies_is_told_at_once(running, role, command, kind):
    took, code, message = ended_while_asked(running, role, kind)
    assert code == 1 and message == f"{command}: the {role} ended before it answered: ended by signal 9 (Killed), try again"
    assert took < 5 and running.ctl(command).returncode == 0


def test_an_order_to_an_enforcer_that_dies_is_done_by_the_next(lab, running):
    took, code, message = ended_while_asked(running, "enforcer", PANIC)
    assert took < 5 and code == 1 and message == "ordered; the enforcer ended meanwhile and does it when it is back"
    assert until(lambda: not blocks(lab)) and running.status()["mode"] == "panic"
    assert running.ctl("resume").returncode == 0 and until(lambda: blocks(lab))
    # a confirmation is the kernel's to give: the trial goes on
    assert running.ctl("enforce", "watch").returncode == 0
    assert running.ctl("enforce", "drop", "--confirm", "300").returncode == 0
    took, code, message = ended_while_asked(running, "enforcer", 12)
    assert took < 5 and code == 1 and message.startswith("confirm: the enforcer ended before it answered")
    assert running.status()["confirmUntil"] and running.ctl("confirm").returncode == 0


def test_a_check_of_an_enforcer_that_dies_is_of_the_list_alone(running):
    took, code, message = ended_while_asked(running, "enforcer", 5, LISTED.encode())
    assert took < 1.9 and (code, message) == (0, "")


def test_the_agents_own_user_is_refused(lab, agent):
    """The roles have the agent's uid: one that was taken over must not command the parent."""
    own = 65531
    agent.configure(agent="admin_group = daemon")
    daemon = os.popen("getent group daemon").read().split(":")[2]
    for path in (agent.dir, *agent.dir.iterdir()):
        os.chown(path, own, own)
    agent.dir.chmod(0o755)
    agent.start_as(own)
    # nor trace them or read their memory: of what may not be dumped /proc belongs to root
    assert {os.stat(f"/proc/{pid}/environ").st_uid for pid in agent.roles().values()} == {0}
    for group in (own, daemon):
        itself = [f"--reuid={own}", f"--regid={group}", "--clear-groups"]
        assert talk(lab, agent, "ask", STATUS, itself) == "4"
        assert talk(lab, agent, "ask", PANIC, itself) == "4"
    assert blocks(lab)
    assert talk(lab, agent, "ask", STATUS, members(daemon)) == "0"
    assert agent.ctl("panic").returncode == 0 and not blocks(lab)


def test_what_was_not_written_was_not_shown(lab, running):
    """A script that keeps the answer in a file on a full disk is told; an order is carried out whoever reads of it."""
    def to_full(*command):
        return lab.inside(lab.agent, "sh", "-c", 'exec "$@" >/dev/full', "sh", BUILD / "threatlistctl", *command,
                          "-S", running.dir / "run/control.sock", check=False)

    finding = json.loads(running.ctl("findings", "--json").stdout.splitlines()[0])["id"]
    for command in (["status"], ["status", "--json"], ["check", LISTED], ["lists"], ["lists", "--json"], ["findings"],
                    ["findings", "--json"], ["show", finding], ["metrics"], ["plan"], ["verify"]):
        done = to_full(*command)
        assert done.returncode == 1 and done.stderr.count("No space left on device") == 1, (command, done)
    for command in (["enforce", "watch"], ["panic"], ["resume"], ["refresh"]):
        assert to_full(*command).returncode == 0, command


def test_more_findings_than_an_answer_holds(lab, running):
    """A collector that reads them here must not take the newest for all."""
    assert until(lambda: running.ctl("findings", "--json").stdout.count("\n") >= 2)
    assert running.stop() == 0
    with sqlite3.connect(running.dir / "state/spool.db") as spool:
        columns = [row[1] for row in spool.execute("PRAGMA table_info(finding)") if row[1] not in ("id", "body")]
        spool.execute(f"""INSERT INTO finding (id, body, {",".join(columns)})
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80)
            SELECT printf('%032x', i), replace(body, '"title":"', '"title":"' || printf('%.1000000c', 'x')),
            {",".join(columns)} FROM n JOIN (SELECT * FROM finding WHERE event ORDER BY last_ms LIMIT 1)""")
    spool.close()
    running.start()
    done = running.ctl("findings", "--json")
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and f"only the newest {len(shown)} findings are shown" in done.stderr
    assert 64 <= len(shown) < 80 and "MaliciousIPCaller" in shown[-1]["type"]
    done = running.ctl("findings")
    assert done.returncode == 1 and done.stdout.count("\n") == len(shown) + 1
    done = running.ctl("findings", "--json", "--undelivered")
    assert done.returncode == 0 and done.stderr == ""
