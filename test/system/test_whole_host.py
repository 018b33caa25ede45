# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of a host: containers, raw senders, fragments, flows that are under way, links that come and go.

    listed 203.0.113.66 ── agent ── bridge br0 ── container c1    192.168.10.2, fd00:10::2
    innocent 192.0.2.10 ──┘      └─ veth to-c2 ── container c2    192.168.20.2, fd00:20::2
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lab import (AGENT6, AGENT_AT_INNOCENT, AGENT_AT_LISTED, INNOCENT, INNOCENT6, LISTED, LISTED6, SANITIZED,
                 run, until)

TABLE = ("inet", "threatlistd")
C1, C1_6, C2, C2_6 = "192.168.10.2", "fd00:10::2", "192.168.20.2", "fd00:20::2"


class Containers:
    """Network namespaces behind the agent's host, as container engines make them."""

    def __init__(self, lab):
        self.lab, self.names = lab, []
        ip = ["ip", "-n", lab.agent]
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0"):
            lab.inside(lab.agent, "sysctl", "-qw", setting)
        run(*ip, "link", "add", "br0", "type", "bridge")
        self.address(lab.agent, "br0", "192.168.10.1", "fd00:10::1")
        self.c1, self.c2 = self.new("c1"), self.new("c2")
        run(*ip, "link", "add", "port1", "type", "veth", "peer", "name", "eth0", "netns", self.c1)
        run(*ip, "link", "set", "port1", "master", "br0", "up")
        run(*ip, "link", "add", "to-c2", "type", "veth", "peer", "name", "eth0", "netns", self.c2)
        self.address(lab.agent, "to-c2", "192.168.20.1", "fd00:20::1")
        for name, v4, v6 in ((self.c1, C1, C1_6), (self.c2, C2, C2_6)):
            self.address(name, "eth0", v4, v6)
            run("ip", "-n", name, "route", "add", "default", "via", v4[:-1] + "1")
            run("ip", "-n", name, "-6", "route", "add", "default", "via", v6[:-1] + "1")
        for peer, v4, v6 in ((lab.listed, AGENT_AT_LISTED, AGENT6), (lab.innocent, AGENT_AT_INNOCENT, "2001:db8:10::1")):
            run("ip", "-n", peer, "route", "add", "192.168.0.0/16", "via", v4)
            run("ip", "-n", peer, "-6", "route", "add", "fd00::/8", "via", v6)
        pairs = [(self.c1, LISTED), (self.c1, LISTED6), (self.c2, LISTED), (self.c2, LISTED6), (self.c1, INNOCENT6),
                 (self.c2, INNOCENT6)]
        assert until(lambda: all(lab.ping(name, address) for name, address in pairs), 20)

    def new(self, name):
        name = f"{self.lab.agent}-{name}"
        run("ip", "netns", "add", name)
        self.names.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        return name

    @staticmethod
    def address(namespace, device, v4, v6):
        run("ip", "-n", namespace, "addr", "add", f"{v4}/24", "dev", device)
        run("ip", "-n", namespace, "addr", "add", f"{v6}/64", "dev", device, "nodad")
        run("ip", "-n", namespace, "link", "set", device, "up")

    def close(self):
        for name in self.names:
            for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
                run("kill", "-9", pid, check=False)
            run("ip", "netns", "del", name, check=False)


@pytest.fixture
def containers(lab):
    one = Containers(lab)
    yield one
    one.close()


def python(lab, namespace, code, *arguments, **kwargs):
    return lab.inside(namespace, sys.executable, "-c", code, *arguments, check=False, **kwargs)


def counter(lab, name):
    return lab.nft_json("list", "counter", *TABLE, name)[1]["counter"]["packets"]


def told(agent, remote, direction):
    found = until(lambda: agent.found(remote, direction), 5)
    assert found, (remote, direction, agent.log())
    return found["service"]["additionalInfo"]["threatlistd"]


@pytest.mark.parametrize("behind", ["bridge", "veth"])
def test_containers_are_cut_off_both_ways(lab, agent, containers, behind):
    name, address, address6 = (containers.c1, C1, C1_6) if behind == "bridge" else (containers.c2, C2, C2_6)
    for namespace in (name, lab.listed, lab.innocent):
        lab.serve(namespace)
    assert until(lambda: lab.connect(name, LISTED) and lab.connect(name, LISTED6) and lab.connect(lab.listed, address))
    agent.start()
    for remote, own in ((LISTED, address), (LISTED6, address6)):
        assert not lab.connect(name, remote, 0.5) and not lab.ping(name, remote, 0.5)
        assert not lab.connect(lab.listed, own, 0.5) and not lab.ping(lab.listed, own, 0.5)
        assert told(agent, remote, "OUTBOUND")["verdict"] == "dropped"
        assert told(agent, remote, "INBOUND")["verdict"] == "dropped"
    assert lab.connect(name, INNOCENT) and lab.ping(name, INNOCENT6)
    assert lab.ping(lab.innocent, address) and lab.ping(lab.innocent, address6)
    assert not agent.found(INNOCENT) and not agent.found(INNOCENT6)


def test_a_container_that_comes_later_and_one_that_goes(lab, agent, containers):
    agent.start()
    name = containers.new("c3")
    run("ip", "-n", lab.agent, "link", "add", "port3", "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "-n", lab.agent, "link", "set", "port3", "master", "br0", "up")
    containers.address(name, "eth0", "192.168.10.3", "fd00:10::3")
    run("ip", "-n", name, "route", "add", "default", "via", "192.168.10.1")
    assert until(lambda: lab.ping(name, INNOCENT))
    assert not lab.ping(name, LISTED, 0.5) and not lab.ping(lab.listed, "192.168.10.3", 0.5)
    run("ip", "-n", lab.agent, "link", "del", "port3")
    run("ip", "-n", lab.agent, "link", "del", "to-c2")
    assert not lab.ping(lab.agent, LISTED, 0.5)
    # an interface of the host's own that comes with a new way to the listed one
    run("ip", "link", "add", "second", "netns", lab.agent, "type", "veth", "peer", "name", "eth1", "netns", lab.listed)
    containers.address(lab.agent, "second", "198.51.100.1", "2001:db8:77::1")
    containers.address(lab.listed, "eth1", "198.51.100.2", "2001:db8:77::2")
    run("ip", "-n", lab.agent, "route", "replace", f"{LISTED}/32", "via", "198.51.100.2", "dev", "second")
    assert until(lambda: lab.ping(lab.agent, "198.51.100.2"))
    assert not lab.ping(lab.agent, LISTED, 0.5) and not lab.ping(lab.agent, LISTED6, 0.5)
    # its address is the host's own now: never cut off
    assert until(lambda: lab.in_set("protect4", "198.51.100.1") or lab.in_set("protect4_b", "198.51.100.1"))
    run("ip", "-n", lab.agent, "link", "del", "second")
    assert until(lambda: not lab.in_set("protect4", "198.51.100.1") and not lab.in_set("protect4_b", "198.51.100.1"))
    assert not lab.ping(lab.agent, LISTED, 0.5) and lab.ping(lab.agent, INNOCENT)
    assert not agent.status()["warnings"]


RAW = """
import socket, struct, sys
remote, own, kind = sys.argv[1:4]
if ":" in remote:
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 253 if kind == "proto" else socket.IPPROTO_ICMPV6)
    data = b"x" * 32 if kind == "proto" else struct.pack("!BBHHH", 128, 0, 0, 7, 1)
    address = (remote, 0)
elif kind == "header":
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    data = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 17, 0, socket.inet_aton(own), socket.inet_aton(remote))
    data += struct.pack("!HHHH", 4711, 53, 8, 0)
    address = (remote, 0)
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253 if kind == "proto" else socket.IPPROTO_ICMP)
    data = b"x" * 32 if kind == "proto" else struct.pack("!BBHHH", 8, 0, 0xf7f8, 7, 1)
    address = (remote, 0)
for _ in range(10):
    try: s.sendto(data, address)
    except PermissionError: pass
"""


class Arrivals:
    """Packets of the agent's addresses that reach the listed host.

    Not all that its device received: the kernel's own messages of a link that came up a moment ago go on for seconds."""

    def __init__(self, lab):
        self.lab = lab
        lab.inside(lab.listed, "nft", "add table inet arrived; add counter inet arrived came; add chain inet arrived in "
                   "{ type filter hook prerouting priority -400; }; "
                   f"add rule inet arrived in ip saddr {AGENT_AT_LISTED} counter name came; "
                   "add rule inet arrived in icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; "
                   f"add rule inet arrived in ip6 saddr {AGENT6} counter name came")

    def count(self):
        told = self.lab.inside(self.lab.listed, "nft", "-j", "list", "counter", "inet", "arrived", "came").stdout
        return json.loads(told)["nftables"][1]["counter"]["packets"]


@pytest.mark.parametrize("kind, remote, own", [
    ("icmp", LISTED, AGENT_AT_LISTED), ("proto", LISTED, AGENT_AT_LISTED), ("header", LISTED, AGENT_AT_LISTED),
    ("icmp", LISTED6, AGENT6), ("proto", LISTED6, AGENT6)])
def test_raw_senders_are_cut_off(lab, agent, kind, remote, own):
    arrivals = Arrivals(lab)
    # neighbours know each other before anything is counted
    assert until(lambda: lab.ping(lab.agent, remote)) and arrivals.count() > 0
    agent.start()
    before = arrivals.count()
    assert python(lab, lab.agent, RAW, remote, own, kind).returncode == 0
    assert told(agent, remote, "OUTBOUND")["verdict"] == "dropped"
    assert counter(lab, "dropped") == 10 and arrivals.count() == before


FRAGMENTS = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(5):
    try: s.sendto(b"f" * 4000, (sys.argv[1], 4711))
    except PermissionError: pass
"""


@pytest.mark.parametrize("remote, own", [(LISTED, AGENT_AT_LISTED), (LISTED6, AGENT6)])
def test_fragments_both_ways(lab, agent, remote, own):
    """4,000 bytes in three or four of them; only the first has ports."""
    arrivals = Arrivals(lab)
    assert until(lambda: lab.ping(lab.agent, remote)) and arrivals.count() > 0
    agent.start()
    before = counter(lab, "dropped")
    assert python(lab, lab.listed, FRAGMENTS, own).returncode == 0
    # each fragment is judged, or a whole that was put together before
    assert until(lambda: counter(lab, "dropped") - before in (5, 15)), counter(lab, "dropped")
    assert told(agent, remote, "INBOUND")["verdict"] == "dropped"
    before, at = counter(lab, "dropped"), arrivals.count()
    assert python(lab, lab.agent, FRAGMENTS, remote).returncode == 0
    assert told(agent, remote, "OUTBOUND")["verdict"] == "dropped"
    assert counter(lab, "dropped") - before in (5, 15) and arrivals.count() == at


def test_fragments_alone_are_judged_by_their_addresses(lab, agent):
    """A later fragment without its first one: no ports, and yet it is listed."""
    agent.start()
    code = ("import socket,struct,sys\n"
            "s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_RAW)\n"
            "h=struct.pack('!BBHHHBBH4s4s',0x45,0,60,77,185,64,17,0,socket.inet_aton(sys.argv[1]),"
            "socket.inet_aton(sys.argv[2]))\n"
            "for _ in range(7): s.sendto(h+b'z'*40,(sys.argv[2],0))\n")
    assert python(lab, lab.listed, code, LISTED, AGENT_AT_LISTED).returncode == 0
    assert until(lambda: counter(lab, "dropped") == 7), counter(lab, "dropped")
    own = told(agent, LISTED, "INBOUND")
    assert own["verdict"] == "dropped" and own.get("localPorts", []) == []


TALKER = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 9000), timeout=5) as s:
    s.settimeout(2)
    while True:
        s.sendall(b"?"); answer = s.recv(1)
        if not answer: sys.exit(1)
        print("answered", flush=True); time.sleep(0.01)
"""

ECHO = """
import socket, threading
def talk(c):
    while (d := c.recv(1)): c.sendall(d)
s = socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True)
while True: threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
"""


@pytest.mark.parametrize("remote", [INNOCENT, INNOCENT6])
@pytest.mark.parametrize("whose", ["own", "container"])
def test_a_flow_under_way_is_cut_at_once(lab, agent, containers, remote, whose):
    """Conntrack knows it as established; it ends with the packet after the list's change."""
    namespace = lab.agent if whose == "own" else containers.c1
    lab.start(lab.innocent, sys.executable, "-c", ECHO)
    lab.nft("add", "table", "inet", "other")
    lab.nft("add", "chain", "inet", "other", "in", "{ type filter hook prerouting priority 0; }")
    lab.nft("add", "counter", "inet", "other", "answers")
    lab.nft("add", "rule", "inet", "other", "in", "ct", "state", "established", "ip6" if ":" in remote else "ip", "saddr", remote,
            "counter", "name", "answers", "accept")
    agent.start()
    assert until(lambda: python(lab, namespace, "import socket,sys\nsocket.create_connection((sys.argv[1], 9000), 1)",
                                remote).returncode == 0)
    out = lab.work / "answers"
    with open(out, "w", encoding="utf-8") as log:
        talker = subprocess.Popen(["ip", "netns", "exec", namespace, sys.executable, "-c", TALKER, remote], stdout=log,
                                  stderr=subprocess.DEVNULL)
    lab.processes.append(talker)
    assert until(lambda: out.read_text().count("\n") > 20)

    def answers():
        return lab.nft_json("list", "counter", "inet", "other", "answers")[1]["counter"]["packets"]

    agent.list.write_text(f"{LISTED}\n{remote}\n")
    agent.ctl("refresh")
    name = "hosts6" if ":" in remote else "hosts4"
    assert until(lambda: lab.in_set(name, remote), 5, pause=0.002), agent.log()
    # packets behind our chain, not the talker's clock: on a busy machine it reads late what came in time
    passed = answers()
    assert passed > 20 and talker.wait(20) != 0
    assert answers() == passed, "answered after it was listed"
    assert told(agent, remote, "OUTBOUND")["verdict"] == "dropped"


# The quickest of five: a busy machine may keep one of them from its processor, without a reset each takes a second.
REFUSED = """
import socket, sys, time
took = []
for _ in range(5):
    t = time.monotonic()
    try: socket.create_connection((sys.argv[1], 9), timeout=3)
    except ConnectionRefusedError: took.append(time.monotonic() - t)
assert len(took) == 5
print(min(took))
"""


@pytest.mark.parametrize("whose", ["own", "container"])
def test_reject_refuses_within_a_tenth_of_a_second(lab, agent, containers, whose):
    agent.configure(sources=f"[source test]\ntype = file\nlocation = {agent.list}\naction = reject\n")
    agent.start()
    namespace = lab.agent if whose == "own" else containers.c2
    for remote in (LISTED, LISTED6):
        took = python(lab, namespace, REFUSED, remote).stdout
        assert took and float(took) < (0.1 if not SANITIZED else 1), (remote, took)
        assert told(agent, remote, "OUTBOUND")["verdict"] == "rejected"
    # the reset has the listed address as its source, and is nothing that came in
    assert not until(lambda: agent.found(LISTED, "INBOUND") or agent.found(LISTED6, "INBOUND"), 1)
    assert not lab.nft_json("list", "set", *TABLE, "seen_in4")[1]["set"].get("elem")
    assert counter(lab, "dropped") == 0


def test_without_nfnetlink_log_it_enforces_and_says_so(lab, agent):
    """The kernel refuses every log statement, as one without that module does."""
    agent.start(program="test/system/tool_nolog")
    assert " log " not in lab.nft("-t", "list", "table", *TABLE).stdout
    assert not lab.ping(lab.agent, LISTED, 0.5) and not lab.ping(lab.listed, AGENT6, 0.5)
    # from the counters alone
    assert told(agent, LISTED, "OUTBOUND")["dropped"] == 1
    assert told(agent, LISTED6, "INBOUND")["dropped"] == 1
    assert any("no log statements" in warning for warning in agent.status()["warnings"]), agent.status()
    assert "enforcing without log statements" in agent.log()
    # changes and restores do without them as well
    agent.list.write_text(f"{LISTED}\n198.51.100.0/24\n")
    agent.ctl("refresh")
    assert until(lambda: lab.in_set("nets4_a", "198.51.100.9"), 5), agent.log()
    lab.nft("flush", "ruleset")
    # the sets of a new table are filled before the rules that ask them are there
    assert until(lambda: lab.has_table() and lab.in_set("hosts4", LISTED) and not lab.ping(lab.agent, LISTED, 0.5), 5), agent.log()


def test_own_addresses_are_protected_while_a_list_cannot_be_put_in_force(lab, agent):
    """The old one stays, and with it what it would cut off: an address that the host gets now."""
    new = "203.0.113.77"
    agent.list.write_text(f"{LISTED}\n{new}\n")
    agent.configure(enforce="mode = drop\nmax_growth = 1000000%\nmax_shrink = 100%")
    agent.start(program="test/system/tool_small")
    agent.list.write_text("\n".join([LISTED, new, *(f"20.0.{i >> 8}.{i & 255}" for i in range(20000))]) + "\n")
    agent.ctl("refresh")
    assert until(lambda: any("not in force" in warning for warning in agent.status()["warnings"])), agent.log()
    run("ip", "-n", lab.agent, "addr", "add", f"{new}/24", "dev", "to-listed")
    assert until(lambda: lab.in_set("protect4", new) or lab.in_set("protect4_b", new), 5), agent.log()
    assert lab.ping(lab.agent, new) and not lab.ping(lab.agent, LISTED, 0.3)
    # tried again and again, it changes nothing of that
    time.sleep(1)
    assert lab.ping(lab.agent, new) and not lab.ping(lab.agent, LISTED, 0.3)
    agent.list.write_text(f"{LISTED}\n{new}\n198.51.100.9\n")
    agent.ctl("refresh")
    assert until(lambda: lab.in_set("hosts4", "198.51.100.9") or lab.in_set("hosts4_b", "198.51.100.9")), agent.log()
    assert lab.ping(lab.agent, new) and not agent.status()["warnings"]


def said_in(event):
    return event["service"]["additionalInfo"]["threatlistd"]["event"]["reason"]


def bypasses(agent):
    names = [f["service"]["additionalInfo"]["threatlistd"].get("event", {}).get("name") for f in agent.findings()]
    return [name for name in names if name and name.startswith("bypass")]


def warned(agent, text):
    return any(text in warning for warning in agent.status()["warnings"])


AWAY = "macvlan {} of to-listed is in another network namespace, its packets do not come by here"


@pytest.fixture
def macvlan(lab, containers):
    """Makes a child of to-listed in a namespace, "" for a new one; the names of child and namespace."""
    def make(child, where=""):
        where = where or containers.new(child)
        made = run("ip", "-n", lab.agent, "link", "add", child, "link", "to-listed", "netns", where, "type", "macvlan",
                   "mode", "bridge", check=False)
        if made.returncode != 0:
            pytest.skip(f"this kernel has no macvlan: {made.stderr.strip()}")
        return where
    return make


def test_a_macvlan_child_in_another_namespace_is_told(lab, agent, containers, macvlan):
    """It is on the wire of to-listed, and nothing of it passes here: what cannot be cut off is said."""
    agent.start()
    assert not agent.status()["warnings"]
    name = containers.new("mv")
    macvlan("mv0", lab.agent)
    # here it passes the hooks like any other link: nothing to tell
    assert not until(lambda: agent.status()["warnings"], 1.5)
    run("ip", "-n", lab.agent, "link", "set", "mv0", "netns", name)
    containers.address(name, "mv0", "203.0.113.5", "2001:db8:66::5")
    assert until(lambda: warned(agent, AWAY.format("mv0")), 5), agent.status()
    assert until(lambda: lab.ping(name, LISTED, 0.5)), "the bypass that is warned of"
    assert agent.log().count("packets pass beside the rules") == 1
    assert agent.ctl("status", "--check").returncode == 1
    event = until(lambda: agent.found(event="bypass"), 5)
    assert event["type"] == "DefenseEvasion:EC2/EnforcementBypassed.Custom" and event["severity"] == 8
    assert "macvlan mv0" in said_in(event)
    # an enforcer that starts anew finds it: it is neither over nor told again
    before = agent.roles()["enforcer"]
    os.kill(before, signal.SIGKILL)
    assert until(lambda: agent.roles().get("enforcer", before) != before and agent.ready(), 10)
    assert not until(lambda: not warned(agent, "macvlan mv0") or bypasses(agent) != ["bypass"], 1.5)
    run("ip", "-n", name, "link", "set", "mv0", "down")
    run("ip", "-n", name, "link", "set", "mv0", "netns", lab.agent)
    run("ip", "-n", lab.agent, "link", "set", "mv0", "netns", name)
    assert not until(lambda: bypasses(agent) != ["bypass"], 1.5), agent.findings()
    run("ip", "-n", name, "link", "set", "mv0", "netns", lab.agent)
    assert until(lambda: not agent.status()["warnings"], 5), agent.status()
    assert until(lambda: bypasses(agent) == ["bypass", "bypass-over"], 5), agent.findings()


@pytest.mark.parametrize("end", ["link", "namespace"])
def test_a_macvlan_child_that_ends_elsewhere_is_over(lab, agent, macvlan, end):
    agent.start()
    macvlan("mv0", lab.agent)
    name = macvlan("mv1")
    run("ip", "-n", lab.agent, "link", "set", "mv0", "netns", name)
    assert until(lambda: bypasses(agent) and warned(agent, "to-listed are in other"), 5), agent.status()
    run("ip", "-n", name, "link", "del", "mv0")
    assert until(lambda: warned(agent, AWAY.format("mv1")), 5), agent.status()
    assert "bypass-over" not in bypasses(agent)
    run(*("ip", "-n", name, "link", "del", "mv1") if end == "link" else ("ip", "netns", "del", name))
    assert until(lambda: not agent.status()["warnings"], 5), agent.status()
    assert until(lambda: bypasses(agent)[-1] == "bypass-over" and bypasses(agent).count("bypass-over") == 1, 5)
    assert agent.log().count("packets pass beside the rules no more") == 1


def test_macvlan_children_from_before_are_told_together(lab, agent, containers, macvlan):
    """What was there when the agent came, as soon as the kernel has an id for its namespace."""
    for number in range(4):
        macvlan(f"mv{number}", containers.c1)
    agent.start()
    assert until(lambda: warned(agent, "macvlan mv0 of to-listed, macvlan mv1 of to-listed and others are in other "
                                       "network namespaces"), 5), agent.status()
    assert until(lambda: bypasses(agent) == ["bypass"], 5), agent.findings()


def test_a_child_of_another_host_s_link_is_none_of_ours(lab, agent, containers):
    """Its parent has the index of to-listed, in a namespace that is not this one."""
    index = [run("ip", "netns", "exec", namespace, "cat", f"/sys/class/net/{link}/ifindex").stdout
             for namespace, link in ((lab.agent, "to-listed"), (lab.listed, "eth0"))]
    assert index[0] == index[1], "else this test can tell nothing"
    made = run("ip", "-n", lab.listed, "link", "add", "mv0", "link", "eth0", "netns", containers.c1, "type", "macvlan",
               check=False)
    if made.returncode != 0:
        pytest.skip(f"this kernel has no macvlan: {made.stderr.strip()}")
    agent.start()
    assert not until(lambda: agent.status()["warnings"], 2.5), agent.status()


def test_an_xdp_program_is_told(lab, agent, containers):
    agent.start()
    assert not agent.status()["warnings"]
    attached = python(lab, lab.agent, XDP, "to-listed")
    if attached.returncode == 77:
        pytest.skip(f"no XDP program can be attached here: {attached.stdout.strip()}")
    assert attached.returncode == 0, attached.stderr
    assert until(lambda: warned(agent, "an XDP program on to-listed"), 5), (agent.status()["warnings"], agent.log())
    assert agent.log().count("packets pass beside the rules") == 1
    assert until(lambda: bypasses(agent) == ["bypass"], 5), agent.findings()
    # one cause is one event, also to an enforcer that comes later
    before = agent.roles()["enforcer"]
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: agent.roles().get("enforcer", before) != before and agent.ready(), 10)
    assert not until(lambda: bypasses(agent) != ["bypass"], 1.5), agent.findings()
    run("ip", "-n", lab.agent, "link", "set", "to-listed", "xdpgeneric", "off")
    assert until(lambda: not agent.status()["warnings"], 5), agent.status()
    assert until(lambda: bypasses(agent) == ["bypass", "bypass-over"], 5), agent.findings()
    assert "no more: an XDP program on to-listed" in said_in(agent.found(event="bypass-over"))


XDP = """
import ctypes, os, socket, struct, sys
# BPF_PROG_LOAD of "return XDP_PASS", then IFLA_XDP with its descriptor, in generic mode
libc = ctypes.CDLL(None, use_errno=True)
code = struct.pack("<BBhi", 0xb7, 0, 0, 2) + struct.pack("<BBhi", 0x95, 0, 0, 0)
buf, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
attr = struct.pack("<IIQQIIQI", 6, 2, ctypes.addressof(buf), ctypes.addressof(licence), 0, 0, 0, 0).ljust(128, b"\\0")
number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
fd = libc.syscall(number, 5, ctypes.create_string_buffer(attr, len(attr)), len(attr))
if fd < 0:
    print(os.strerror(ctypes.get_errno())); sys.exit(77)
nest = struct.pack("<HHi", 8, 1, fd) + struct.pack("<HHI", 8, 3, 1 << 1)
body = struct.pack("<BBHiII", 0, 0, 0, socket.if_nametoindex(sys.argv[1]), 0, 0) + \\
    struct.pack("<HH", 4 + len(nest), 43 | 0x8000) + nest
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.send(struct.pack("<IHHII", 16 + len(body), 16, 5, 1, 0) + body)
error = struct.unpack("<i", s.recv(4096)[16:20])[0]
if error: print(os.strerror(-error)); sys.exit(77)
"""


def test_a_flowtable_is_told(lab, agent):
    agent.start()
    lab.nft("add", "table", "inet", "fast")
    made = lab.nft("add", "flowtable", "inet", "fast", "ft",
                   "{ hook ingress priority 0; devices = { to-listed, to-innocent }; }", check=False)
    if made.returncode != 0:
        pytest.skip(f"this kernel has no flowtables: {made.stderr.strip().splitlines()[0]}")
    assert until(lambda: warned(agent, "flowtable ft in table fast"), 5), agent.status()
    event = until(lambda: agent.found(event="bypass"), 5)
    assert event["service"]["additionalInfo"]["threatlistd"]["event"]["program"].startswith("nft")
    lab.nft("delete", "table", "inet", "fast")
    assert until(lambda: not agent.status()["warnings"], 5), agent.status()
    assert until(lambda: agent.found(event="bypass-over"), 5)


def test_what_a_packet_socket_sends_is_past_the_hooks(lab, agent):
    """The limit that threatlistd(8) names, as it is: if this fails one day, LIMITATIONS has become too modest."""
    agent.start()
    mac = json.loads(run("ip", "-n", lab.listed, "-j", "link", "show", "eth0").stdout)[0]["address"]
    code = ("import socket,struct,sys\n"
            "s=socket.socket(socket.AF_PACKET,socket.SOCK_DGRAM,0x0800)\n"
            "h=struct.pack('!BBHHHBBH4s4s',0x45,0,28,1,0,64,17,0,socket.inet_aton(sys.argv[1]),"
            "socket.inet_aton(sys.argv[2]))\n"
            "c=sum(struct.unpack('!10H',h)); c=(c&65535)+(c>>16)\n"
            "h=h[:10]+struct.pack('!H',c^65535)+h[12:]+bytes(8)\n"
            "s.sendto(h,('to-listed',0x0800,0,0,bytes.fromhex(sys.argv[3].replace(':',''))))\n")
    arrivals = Arrivals(lab)
    assert python(lab, lab.agent, code, AGENT_AT_LISTED, LISTED, mac).returncode == 0
    assert until(arrivals.count)
    assert counter(lab, "dropped") == 0
