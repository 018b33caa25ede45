# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as network namespaces, and an agent in one of them: for the system tests and the demo.

    agent ── listed     203.0.113.0/24, 2001:db8:66::/64
          └─ innocent   192.0.2.0/24,   2001:db8:10::/64

Nothing is ever sent outside these namespaces; all of it is gone after close().
"""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("B", "build")).resolve()
SANITIZED = BUILD.name.endswith("-asan")
# Bounds of a wait are for a machine at rest: a busy one, or sanitizers, take longer, and what holds comes as soon.
PATIENCE = 5 if SANITIZED else 2

AGENT_AT_LISTED, LISTED, AGENT6, LISTED6 = "203.0.113.1", "203.0.113.66", "2001:db8:66::1", "2001:db8:66::66"
AGENT_AT_INNOCENT, INNOCENT, INNOCENT6 = "192.0.2.1", "192.0.2.10", "2001:db8:10::10"
PORT = 8443

SERVER = """
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    c, _ = s.accept(); c.sendall(b"hello"); c.close()
"""

CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as s:
    s.settimeout(float(sys.argv[3])); sys.exit(0 if s.recv(5) == b"hello" else 1)
"""

_numbers = itertools.count()


def run(*command, check=True, timeout=60, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def until(condition, seconds=10, pause=0.05):
    """What condition() returns as soon as it is true; None when that took longer."""
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(pause)
    return None


def whole_lines(path):
    """Those of a file that is being written: the last one may still be without its end."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


class Lab:
    """The three hosts and everything that runs on them."""

    def __init__(self):
        tag = f"tl{os.getpid()}x{next(_numbers)}"
        self.agent, self.listed, self.innocent = f"{tag}-agent", f"{tag}-listed", f"{tag}-innocent"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="threatlistd-lab-"))
        self.work.chmod(0o755)
        self.own_etc = pathlib.Path("/etc/netns") / self.agent
        self.processes = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        for namespace in (self.agent, self.listed, self.innocent):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        for peer, name, ip, ip6, own, own6 in (
                (self.listed, "to-listed", LISTED, LISTED6, AGENT_AT_LISTED, AGENT6),
                (self.innocent, "to-innocent", INNOCENT, INNOCENT6, AGENT_AT_INNOCENT, "2001:db8:10::1")):
            run("ip", "link", "add", name, "netns", self.agent, "type", "veth", "peer", "name", "eth0", "netns", peer)
            for namespace, device, address, address6 in ((self.agent, name, own, own6), (peer, "eth0", ip, ip6)):
                run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", device)
                run("ip", "-n", namespace, "addr", "add", f"{address6}/64", "dev", device, "nodad")
                run("ip", "-n", namespace, "link", "set", device, "up")

    def serve(self, namespace):
        """A TCP server that says hello."""
        self.start(namespace, sys.executable, "-c", SERVER, PORT)

    def inside(self, namespace, *command, **kwargs):
        return run("ip", "netns", "exec", namespace, *command, **kwargs)

    def start(self, namespace, *command, log=None, **kwargs):
        out = log or subprocess.DEVNULL
        process = subprocess.Popen(["ip", "netns", "exec", namespace, *[str(c) for c in command]],
                                   stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kwargs)
        self.processes.append(process)
        return process

    def ping(self, namespace, address, wait=1):
        return self.inside(namespace, "ping", "-n", "-c", "1", "-W", wait, address, check=False).returncode == 0

    def connect(self, namespace, address, wait=1):
        return self.inside(namespace, sys.executable, "-c", CLIENT, address, PORT, wait, check=False).returncode == 0

    def nft(self, *arguments, check=True):
        return self.inside(self.agent, "nft", *arguments, check=check)

    def nft_json(self, *arguments):
        return json.loads(self.nft("-j", *arguments).stdout)["nftables"]

    def has_table(self):
        return "inet threatlistd" in self.nft("list", "tables").stdout

    def in_set(self, name, element):
        return self.nft("get", "element", "inet", "threatlistd", name, f"{{ {element} }}", check=False).returncode == 0

    def etc(self, name, text):
        """A file of /etc as the agent's namespace has it (ip-netns(8)), to be written in place later."""
        path = self.own_etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.own_etc, ignore_errors=True)
        for namespace in (self.agent, self.listed, self.innocent):
            for pid in run("ip", "netns", "pids", namespace, check=False).stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run("ip", "netns", "del", namespace, check=False)
        shutil.rmtree(self.work, ignore_errors=True)


class Agent:
    """An agent in the lab's first host, with its config, list and file sink."""

    def __init__(self, lab, name="agent"):
        self.lab = lab
        self.dir = lab.work / name
        self.dir.mkdir()
        self.config = self.dir / "threatlistd.conf"
        self.list = self.dir / "threat.txt"
        self.jsonl = self.dir / "findings.jsonl"
        self.log_path = self.dir / "log"
        self.process = None
        self.list.write_text(f"{LISTED}\n{LISTED6}\n")
        self.configure()

    def configure(self, agent="", enforce="mode = drop", capture="", sources=None, sinks=None, more=""):
        if sources is None:
            sources = f"[source test]\ntype = file\nlocation = {self.list}\n"
        if sinks is None:
            sinks = f"[sink log]\ntype = file\npath = {self.jsonl}\n"
        self.config.write_text(f"[agent]\nstate_dir = {self.dir}/state\nrun_dir = {self.dir}/run\n"
                               f"host_id = i-0123456789abcdef0\nscope = any\n{agent}\n"
                               f"[enforce]\n{enforce}\n[capture]\n{capture}\n{sources}\n{sinks}\n{more}")

    def start(self, wait=True, env=None, program="threatlistd"):
        """env: variables of its own; none of the machine's that lead an AWS client anywhere are passed on.
        program: a tool that is the agent but for what it says of itself."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") and not k.lower().endswith("_proxy")}
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = self.lab.start(self.lab.agent, self._program(program), "-c", self.config, log=log,
                                          env={**clean, **(env or {})})
        if wait:
            assert until(self.ready), self.log()
        return self

    def _program(self, name):
        return BUILD / name if name == "threatlistd" else self._copied(name)

    def _copied(self, name):
        """The roles that talk to the world are a program beside it."""
        for one in (BUILD / name, BUILD / "threatlistd-online"):
            if not (self.dir / one.name).exists():
                shutil.copy(one, self.dir)
        return self.dir / pathlib.Path(name).name

    def start_as(self, uid, *around, wait=True):
        """As that user, with what the packaged service has: two capabilities.  around: a command to be put before.

        From here: the tree may be in a home that is closed to others (Debian 13's and Ubuntu's are)."""
        caps = "+net_admin,+net_raw"
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = self.lab.start(self.lab.agent, *around, "setpriv", f"--reuid={uid}", f"--regid={uid}",
                                          "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}",
                                          self._copied("threatlistd"), "-c", self.config, log=log)
        assert not wait or until(self.ready), self.log()

    @contextlib.contextmanager
    def disk(self, path, options):
        """A disk of its own at path; the agent is gone before it is."""
        path.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)
        try:
            yield path
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
            until(lambda: run("umount", path, check=False).returncode == 0)

    def answered(self):
        """A status of roles that all run and answered it: of one that did not, it has what the one before said last."""
        now = self.status()
        silent = now and any("did not answer" in text or "is not running" in text for text in now["warnings"])
        return None if silent else now

    def ready(self):
        now = self.answered()
        return now and now["table"] and now["table"]["list"] >= 1 and now["capture"]["method"] != "failed"

    def stop(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        return self.process.wait(20)

    def kill_all(self):
        """kill -9 of parent and roles at one instant."""
        for pid in [self.process.pid] + [pid for pid in self.roles().values()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def reload(self):
        """The reporter goes last: until it has, what is found is told by one that has the config of before."""
        before = self.roles()
        self.process.send_signal(signal.SIGHUP)
        assert until(lambda: (now := self.roles()) and all(now.get(role, pid) != pid for role, pid in before.items()
                                                           if role != "parent")), self.log()
        assert until(self.answered), self.log()

    def disturb(self, how):
        """What happens to an agent: kill -9 of all of it, a reload, another firewall's flush, a crash, a new list."""
        if how == "kill":
            self.kill_all()
            self.start()
        elif how == "reload":
            self.reload()
        elif how == "flush":
            self.lab.nft("flush", "ruleset")
        elif how == "crash":
            os.kill(self.roles()["enforcer"], signal.SIGKILL)
        elif how == "list":
            self.list.write_text(f"{LISTED}\n{LISTED6}\n198.51.100.0/24\n")
            self.ctl("refresh")
        else:
            raise ValueError(how)

    def ctl(self, *arguments, check=False, **kwargs):
        return self.lab.inside(self.lab.agent, BUILD / "threatlistctl", arguments[0], "-c", self.config,
                               "-S", self.dir / "run/control.sock", *arguments[1:], check=check, **kwargs)

    def status(self):
        """None: it cannot be had; pytest shows why if the test fails."""
        done = self.ctl("status", "--json")
        if done.returncode != 0:
            print(done.returncode, done.stderr, file=sys.stderr)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def roles(self):
        return {role["role"]: role["pid"] for role in self.status()["roles"] if role["pid"]}

    def check(self, address):
        """The words of the one line that check prints."""
        return self.ctl("check", address).stdout.split()

    def log(self):
        return self.log_path.read_text()

    def findings(self, path=None):
        return [json.loads(line) for line in whole_lines(path or self.jsonl)]

    def found(self, remote=None, direction=None, event=None):
        """The newest delivered finding that fits, or None."""
        for finding in reversed(self.findings()):
            action = finding["service"]["action"]
            own = finding["service"]["additionalInfo"]["threatlistd"]
            connection = action.get("networkConnectionAction")
            if event is not None:
                if own.get("event", {}).get("name") == event:
                    return finding
            elif connection and (direction is None or connection["connectionDirection"] == direction) and \
                    remote in connection["remoteIpDetails"].values():
                return finding
        return None


class Clock:
    """An agent of tool_ahead, all but feed and reporter; it looks at its clock when it is asked something."""

    def __init__(self, agent):
        self.agent, self.path = agent, agent.dir / "ahead"
        self.wall = self.boot = 0
        self._write()

    def _write(self):
        # in place: the agent has it mapped
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=qq", self.wall, self.boot))

    def start(self):
        self.agent.start(wait=False, env={"AHEAD": str(self.path)}, program="test/system/tool_ahead")
        assert until(lambda: self.agent.status() is not None), self.agent.log()

    def passes(self, seconds):
        self.wall += seconds
        self.boot += seconds
        self._write()

    def is_set(self, seconds):
        """As NTP does: the clock on the wall alone."""
        self.wall += seconds
        self._write()
