# SPDX-License-Identifier: GPL-3.0-or-later
"""isolate: everything is cut off but what the host is run by, and the way back stays open."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lab import (AGENT6, AGENT_AT_INNOCENT, AGENT_AT_LISTED, BUILD, INNOCENT, INNOCENT6, LISTED, LISTED6, PORT, SANITIZED, run,
                 until)
from test_flood import Flood, only

ROUTED, ROUTED6 = "198.18.7.10", "2001:db8:77::10"
CONTAINER = "172.31.9.2"
STRANGER = "203.0.113.77"
SESSION = f"{INNOCENT} 40000 {AGENT_AT_INNOCENT} {PORT}"
ECHO = 9001
# Seconds that an order, a kill of all and a look at what is cut off fit into, on a busy machine, too.
FEW = 8 if SANITIZED else 4

# answers whatever comes, to everybody
ECHO_SERVER = """
import socket, sys, threading
def serve(c):
    while (data := c.recv(100)):
        c.sendall(data)
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""

# is there one that answers?
ANSWERS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as s:
    s.settimeout(2); s.sendall(b"x"); sys.exit(0 if s.recv(1) == b"x" else 1)
"""

# one established connection: a line each time, whether an answer came
TALK = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
s.settimeout(0.3)
while True:
    try:
        s.sendall(b"x"); print("ok" if s.recv(100) else "closed", flush=True)
    except TimeoutError:
        print("cut", flush=True)
    time.sleep(0.1)
"""

UDP = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[4])))
s.settimeout(1)
if sys.argv[1] == "answer":
    s.settimeout(30); print("bound", flush=True)
    while True:
        data, peer = s.recvfrom(100); s.sendto(data, peer)
s.sendto(b"x", (sys.argv[2], int(sys.argv[3])))
sys.exit(0 if s.recv(100) == b"x" else 1)
"""


@pytest.fixture(name="wide")
def wide_lab(lab):
    """Beside the two peers in the own subnets: a routed one behind the innocent, a container behind the agent."""
    lab.routed, lab.container = f"{lab.agent}-r", f"{lab.agent}-c"
    try:
        for namespace in (lab.routed, lab.container):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        for router, namespace, first, second, first6, second6 in (
                (lab.innocent, lab.routed, "198.18.7.1", ROUTED, "2001:db8:77::1", ROUTED6),
                (lab.agent, lab.container, "172.31.9.1", CONTAINER, "2001:db8:99::1", "2001:db8:99::2")):
            run("ip", "link", "add", "behind", "netns", router, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            for where, device, address, address6 in ((router, "behind", first, first6),
                                                     (namespace, "eth0", second, second6)):
                run("ip", "-n", where, "addr", "add", f"{address}/24", "dev", device)
                run("ip", "-n", where, "addr", "add", f"{address6}/64", "dev", device, "nodad")
                run("ip", "-n", where, "link", "set", device, "up")
            run("ip", "-n", namespace, "route", "add", "default", "via", first)
            run("ip", "-n", namespace, "route", "add", "default", "via", first6)
            lab.inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        run("ip", "-n", lab.agent, "route", "add", "198.18.7.0/24", "via", INNOCENT)
        run("ip", "-n", lab.agent, "route", "add", "2001:db8:77::/64", "via", INNOCENT6)
        run("ip", "-n", lab.innocent, "route", "add", "172.31.9.0/24", "via", AGENT_AT_INNOCENT)
        yield lab
    finally:
        for namespace in (lab.routed, lab.container):
            for pid in run("ip", "netns", "pids", namespace, check=False).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "del", namespace, check=False)


def started(agent, enforce="mode = watch"):
    agent.configure(enforce=enforce)
    return agent.start()


def isolate(agent, *arguments, session=SESSION, code=0):
    env = {k: v for k, v in os.environ.items() if k != "SSH_CONNECTION"}
    if session:
        env["SSH_CONNECTION"] = session
    done = agent.ctl("isolate", *arguments, env=env)
    assert done.returncode == code, done.stdout + done.stderr + agent.log()
    return done.stdout + done.stderr


def chains(lab):
    return {i["chain"]["name"] for i in lab.nft_json("list", "table", "inet", "threatlistd") if "chain" in i}


def events(agent, name="isolate"):
    found = [f["service"]["additionalInfo"]["threatlistd"].get("event", {}) for f in agent.findings()]
    return [e for e in found if e.get("name") == name]


def reasons(agent, name="isolate"):
    return [e.get("reason", "") for e in events(agent, name)]


def cut(lab):
    return not lab.ping(lab.agent, LISTED, 0.2) and not lab.ping(lab.listed, AGENT_AT_LISTED, 0.2)


def open_again(lab, seconds=6):
    return until(lambda: lab.ping(lab.agent, LISTED, 0.3) and lab.ping(lab.listed, AGENT_AT_LISTED, 0.3), seconds)


def talk(lab, namespace, address, port, name):
    path = lab.work / name
    with open(path, "w", encoding="utf-8") as log:
        lab.start(namespace, sys.executable, "-c", TALK, address, port, log=log)
    return path


def says(path, word, seconds=5):
    """The newest line: what became of the last byte."""
    return until(lambda: path.read_text().split("\n")[-2:-1] == [word], seconds)


def test_cuts_everybody_but_the_callers_session(wide, agent):
    lab = wide
    started(agent)
    lab.serve(lab.agent)
    for namespace in (lab.listed, lab.innocent, lab.routed):
        lab.start(namespace, sys.executable, "-c", ECHO_SERVER, ECHO)
    lab.start(lab.agent, sys.executable, "-c", ECHO_SERVER, ECHO)
    # a talk that comes before its server ends, and is not begun again
    for namespace in (lab.agent, lab.listed, lab.innocent, lab.routed):
        assert until(lambda n=namespace: lab.inside(n, sys.executable, "-c", ANSWERS, ECHO, check=False).returncode == 0), namespace
    everybody = ((lab.listed, LISTED, AGENT_AT_LISTED), (lab.listed, LISTED6, AGENT6),
                 (lab.innocent, INNOCENT, AGENT_AT_INNOCENT), (lab.routed, ROUTED, AGENT_AT_INNOCENT),
                 (lab.routed, ROUTED6, "2001:db8:10::1"))
    for namespace, there, here in everybody:
        assert until(lambda n=namespace, t=there, h=here: lab.ping(lab.agent, t) and lab.ping(n, h)), there
        assert until(lambda n=namespace, h=here: lab.connect(n, h)), here
    assert lab.ping(lab.container, INNOCENT) and lab.ping(lab.innocent, CONTAINER)
    flows = [talk(lab, lab.agent, LISTED, ECHO, "out"), talk(lab, lab.routed, AGENT_AT_INNOCENT, ECHO, "in"),
             talk(lab, lab.agent, ROUTED6, ECHO, "out6")]
    own = talk(lab, lab.agent, "127.0.0.1", ECHO, "own")
    assert all(says(flow, "ok") for flow in [*flows, own])
    said = isolate(agent, "on", "--confirm", "60")
    assert INNOCENT in said and "confirm" in said
    assert all(says(flow, "cut") for flow in flows), "established flows"
    assert says(own, "ok")
    for namespace, there, here in everybody:
        assert not lab.ping(lab.agent, there, 0.2) and not lab.ping(namespace, here, 0.2), there
        if namespace is not lab.innocent:
            assert not lab.connect(namespace, here, 0.3), here
    assert not lab.ping(lab.container, INNOCENT, 0.2) and not lab.ping(lab.innocent, CONTAINER, 0.2)
    # the caller's peer reaches the port that he came to, and no other
    assert lab.connect(lab.innocent, AGENT_AT_INNOCENT)
    assert not lab.inside(lab.innocent, sys.executable, "-c", TALK, AGENT_AT_INNOCENT, ECHO, check=False,
                          timeout=10).returncode == 0
    now = agent.status()
    assert now["isolated"] and now["isolateUntil"].endswith("Z") and now["mode"] == "watch"
    assert now["table"]["isolationDrops"]["packets"] > 10 and now["table"]["isolationDrops"]["bytes"] > 100
    assert any(w.startswith("isolated") for w in now["warnings"])
    assert until(lambda: events(agent))
    assert "root" in events(agent)[0]["by"] and "60 s" in events(agent)[0]["reason"]
    assert 'command=isolate text="on' in agent.log() and 'peer="uid 0 (root)"' in agent.log()
    assert "not isolated" in isolate(agent, "off")
    for namespace, there, here in everybody:
        assert until(lambda n=namespace, t=there, h=here: lab.ping(lab.agent, t) and lab.ping(n, h)), there
    # TCP waits twice as long from try to try
    assert all(says(flow, "ok", 30) for flow in flows), "they go on where they were"
    assert lab.ping(lab.container, INNOCENT)
    now = agent.status()
    assert not now["isolated"] and now["isolateUntil"] is None
    assert not any("isolate" in chain for chain in chains(lab))
    assert "isolate_" not in lab.nft("-t", "list", "table", "inet", "threatlistd").stdout
    assert until(lambda: "isolate off" in reasons(agent))


def test_confirm_in_time_and_not(lab, agent):
    started(agent)
    begun = time.monotonic()
    isolate(agent, "on", "--confirm", str(FEW))
    assert cut(lab)
    assert open_again(lab) and time.monotonic() - begun >= FEW - 0.1
    assert until(lambda: not agent.status()["isolated"] and not any("isolate" in c for c in chains(lab)), 3)
    assert until(lambda: any(f"not confirmed within {FEW} s" in r for r in reasons(agent)), 5)
    assert agent.ctl("confirm").returncode == 1
    isolate(agent, "on", "--confirm", str(FEW))
    done = agent.ctl("confirm")
    assert done.returncode == 0 and "stays isolated" in done.stdout and "drop" not in done.stdout
    time.sleep(FEW + 0.3)
    now = agent.status()
    assert cut(lab) and now["isolated"] and now["isolateUntil"] is None
    assert until(lambda: any("confirmed" == r.split(", ")[-1] for r in reasons(agent)), 5)
    agent.kill_all()
    assert cut(lab)
    agent.start(wait=False)
    assert until(agent.ready) and cut(lab) and agent.status()["isolated"]
    isolate(agent, "off")
    assert open_again(lab)


def test_ends_with_everything_killed(lab, agent):
    started(agent)
    isolate(agent, "on", "--confirm", str(FEW))
    agent.kill_all()
    assert cut(lab)
    assert open_again(lab)
    agent.start()
    now = agent.status()
    assert not now["isolated"] and not any("isolate" in chain for chain in chains(lab))
    assert until(lambda: any(f"not confirmed within {FEW} s" in r for r in reasons(agent)), 5)


def test_deadline_holds_over_restart_reload_and_flush(lab, agent):
    started(agent, "mode = drop")
    begun, span = time.monotonic(), 40 if SANITIZED else 20
    isolate(agent, "on", "--confirm", str(span))
    for how in ("kill", "reload", "flush", "crash", "chain", "set", "list"):
        if how == "chain":
            lab.nft("flush", "chain", "inet", "threatlistd", "isolate_in")
        elif how == "set":
            lab.nft("add", "element", "inet", "threatlistd", "isolate_keep4", "{ 203.0.113.0/24 }")
        else:
            agent.disturb(how)
        assert until(lambda: agent.ready() and agent.status()["isolated"]), (how, agent.log())
        assert until(lambda: cut(lab) and not lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.2), 2) or \
            time.monotonic() - begun > span, how
    assert until(lambda: any("isolation was restored" in r for r in reasons(agent, "table-restored"))), agent.log()
    assert until(lambda: lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.3), span + 3)
    assert time.monotonic() - begun < span + 3
    assert until(lambda: not agent.status()["isolated"], 3)


def test_flush_is_restored_at_once(lab, agent):
    started(agent, "mode = drop")
    isolate(agent, "on", "--lasting")
    before = agent.status()["table"]["restores"]
    lab.nft("flush", "ruleset")
    assert until(lambda: lab.has_table() and "isolate_in" in chains(lab), 1)
    assert until(lambda: cut(lab) and not lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.2), 1)
    assert until(lambda: agent.status()["table"]["restores"] > before)
    assert until(lambda: any(e["program"].startswith("nft") for e in events(agent, "table-restored")))


def test_panic_lifts_it_for_good(lab, agent):
    started(agent, "mode = drop")
    for order in ("panic", "by hand", "purge"):
        isolate(agent, "on", "--lasting")
        assert not lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.2)
        if order == "by hand":
            lab.nft("add", "table", "inet", "threatlistd", "{ flags dormant; }")
        else:
            assert agent.ctl(order).returncode == 0
        assert lab.ping(lab.innocent, AGENT_AT_INNOCENT), order
        if order == "panic":
            assert "panic" in isolate(agent, "on", "--lasting", code=1)
        assert until(lambda: not agent.status()["isolated"], 3)
        agent.kill_all()
        agent.start(wait=False)
        assert until(agent.status)
        assert agent.ctl("resume").returncode == 0
        assert until(agent.ready)
        assert lab.ping(lab.innocent, AGENT_AT_INNOCENT), order
        assert not any("isolate" in chain for chain in chains(lab)), order


def test_emptied_by_hand_it_is_over_and_told(lab, agent):
    started(agent)
    isolate(agent, "on", "--confirm", "60")
    assert cut(lab)
    lab.nft("flush", "set", "inet", "threatlistd", "isolate_armed")
    assert open_again(lab, 2)
    assert until(lambda: not agent.status()["isolated"] and any("by hand" in r for r in reasons(agent)), 5), agent.log()
    assert agent.ctl("confirm").returncode == 1


def test_links_that_come_and_go_do_not_end_it(lab, agent):
    """Containers are started and stopped while it waits for a confirmation."""
    started(agent)
    isolate(agent, "on", "--confirm", "60")
    for step in range(3):
        run("ip", "-n", lab.agent, "link", "add", f"come{step}", "type", "veth", "peer", "name", f"go{step}")
        run("ip", "-n", lab.agent, "link", "set", f"come{step}", "up")
        run("ip", "-n", lab.agent, "link", "del", f"come{step}")
        assert not until(lambda: not agent.status()["isolated"], 0.5), agent.log()
    assert cut(lab) and not any("by hand" in r for r in reasons(agent))


def test_off_and_expire_without_an_agent(lab, agent):
    started(agent)
    isolate(agent, "on", "--lasting")
    refused = lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", "isolate-off", check=False)
    assert refused.returncode == 1 and "isolate off" in refused.stderr and cut(lab)
    agent.kill_all()
    assert cut(lab)
    assert isolate(agent, "off")
    assert open_again(lab)
    agent.start()
    assert open_again(lab) and not agent.status()["isolated"]
    isolate(agent, "on", "--confirm", "60")
    agent.kill_all()
    assert cut(lab)
    expire = lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", "expire", check=False)
    assert expire.returncode == 0 and open_again(lab)
    agent.start()
    assert not agent.status()["isolated"]
    assert until(lambda: any("--table expire" in r for r in reasons(agent)), 5)


@pytest.mark.parametrize("how", ["off", "deadline", "panic", "without an agent"])
def test_a_rule_of_the_admins_that_asks_a_set_of_it_does_not_hold_it(lab, agent, how):
    """The kernel deletes no set and no chain that a rule refers to: it is over all the same."""
    started(agent)
    isolate(agent, "on", "--confirm", str(FEW) if how == "deadline" else "60")
    lab.nft("add", "chain", "inet", "threatlistd", "mine")
    lab.nft("add", "rule", "inet", "threatlistd", "mine", "ip", "saddr", "@isolate_keep4", "counter")
    assert cut(lab)
    if how == "panic":
        assert agent.ctl("panic").returncode == agent.ctl("resume").returncode == 0
    elif how != "deadline":
        if how == "without an agent":
            agent.kill_all()
        isolate(agent, "off")
    assert open_again(lab), agent.log()
    if how != "without an agent":
        assert until(lambda: not agent.status()["isolated"], 3) and "not tidied up" not in agent.log()
    assert "@isolate_keep4" in lab.nft("list", "chain", "inet", "threatlistd", "mine").stdout
    if how == "off":
        isolate(agent, "on", "--lasting")
        assert cut(lab)
        lab.nft("delete", "chain", "inet", "threatlistd", "mine", check=False)
        isolate(agent, "off")
        assert open_again(lab)


def test_on_and_confirm_without_an_agent(lab, agent):
    """Durable as a panic is: the agent that comes takes it over, and the kernel ends what nobody confirms."""
    agent.configure(enforce=f"mode = watch\nadmin = {LISTED6}")
    lab.serve(lab.agent)
    assert until(lambda: lab.connect(lab.innocent, AGENT_AT_INNOCENT))
    # no agent has ever been here to keep it for: that is said
    assert "not kept" in isolate(agent, "on", "--lasting", code=1) and cut(lab)
    isolate(agent, "off")
    agent.start()
    agent.kill_all()
    said = isolate(agent, "on", "--confirm", str(FEW))
    assert "confirm" in said and f"{INNOCENT} to port {PORT}" in said and cut(lab)
    # who asked and the admin are kept, others are not; by itself it ends
    assert lab.connect(lab.innocent, AGENT_AT_INNOCENT) and not lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.2)
    assert until(lambda: lab.ping(lab.agent, LISTED6), 5)
    assert open_again(lab, 8) and agent.ctl("confirm").returncode == 1
    # confirmed it stays, and the agent that comes knows
    isolate(agent, "on", "--confirm", "30")
    done = agent.ctl("confirm")
    assert done.returncode == 0 and "stays isolated" in done.stdout, done
    assert agent.ctl("confirm").returncode == 1
    agent.start(wait=False)
    assert until(lambda: (now := agent.status()) and now["isolated"]), agent.log()
    assert agent.status()["isolateUntil"] is None and cut(lab)
    isolate(agent, "off")
    assert open_again(lab)
    # one that waits is taken over with its deadline
    agent.kill_all()
    isolate(agent, "on", "--confirm", str(2 * FEW), session=None)
    agent.start(wait=False)
    assert until(lambda: (now := agent.status()) and now["isolateUntil"]) and cut(lab)
    assert open_again(lab, 8)
    assert until(lambda: any(f"not confirmed within {2 * FEW} s" in r for r in reasons(agent)), 5)
    # not against a panic, and not without a word for how long
    agent.ctl("panic")
    agent.kill_all()
    assert "panic" in isolate(agent, "on", "--lasting", code=1) and open_again(lab)
    for wrong in (("isolate-on",), ("isolate-on", "0"), ("isolate-on", "86401"), ("isolate-on", "5", "x", "22"),
                  ("isolate-on", "lasting", INNOCENT), ("isolate-on", "5", INNOCENT, "65536"), ("panic", "5")):
        done = lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", *wrong, check=False)
        assert done.returncode == 2, wrong


def test_drop_is_confirmed_without_an_agent(lab, agent):
    started(agent)
    assert agent.ctl("enforce", "drop", "--confirm", "600").returncode == 0
    assert until(lambda: cut(lab))
    agent.kill_all()
    done = agent.ctl("confirm")
    assert done.returncode == 0 and "drop" in done.stdout, done
    assert agent.ctl("confirm").returncode == 1 and cut(lab)
    agent.start()
    assert agent.status()["mode"] == "drop" and agent.status()["confirmUntil"] is None and cut(lab)
    # what was emptied by hand is not brought back
    agent.ctl("enforce", "drop", "--confirm", "600")
    agent.kill_all()
    lab.nft("flush", "set", "inet", "threatlistd", "armed")
    done = agent.ctl("confirm")
    assert done.returncode == 1 and "too late" in done.stderr and open_again(lab), done


def test_after_a_restart_of_the_host(lab, agent):
    started(agent)
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()
    state = agent.dir / "state" / "state"
    for arguments, stays in ((("--confirm", "600"), False), (("--lasting",), True)):
        isolate(agent, "on", *arguments)
        agent.kill_all()
        lab.nft("flush", "ruleset")
        state.write_text(state.read_text().replace(boot, "01234567-89ab-cdef-0123-456789abcdef"))
        agent.start(wait=False)
        assert until(agent.ready)
        assert agent.status()["isolated"] == stays and cut(lab) == stays
        # before the next kill, which may come before it is kept
        assert stays or until(lambda: any("started anew" in r for r in reasons(agent))), agent.log()


def test_with_mode_off(lab, agent):
    agent.configure(enforce="mode = off")
    agent.start(wait=False)
    assert until(agent.status)
    assert not lab.has_table()
    isolate(agent, "on", "--lasting")
    assert cut(lab) and agent.status()["isolated"]
    agent.kill_all()
    agent.start(wait=False)
    assert until(lambda: (now := agent.status()) and now["isolated"]) and cut(lab)
    lab.nft("flush", "ruleset")
    assert until(lambda: lab.has_table() and cut(lab), 2), agent.log()
    isolate(agent, "off")
    assert open_again(lab) and not lab.has_table()


def test_another_resolver_is_kept_open(lab, agent):
    """A lease that names another one changes no address: nothing but the file tells."""
    resolvers = lab.etc("resolv.conf", "# none yet\n")
    agent.list.write_text(f"{LISTED}\n{LISTED6}\n{INNOCENT}\n")
    started(agent, "mode = drop")
    isolate(agent, "on", "--lasting")
    assert not lab.in_set("isolate_dns4", INNOCENT) and agent.check(INNOCENT)[1] == "listed"
    resolvers.write_text(f"search example\nnameserver {INNOCENT}\nnameserver {INNOCENT6}\n")
    assert until(lambda: lab.in_set("isolate_dns4", INNOCENT) and lab.in_set("isolate_dns6", INNOCENT6), 3), agent.log()
    assert until(lambda: agent.check(INNOCENT)[1] == "protected", 3)
    assert not lab.in_set("isolate_keep4", INNOCENT)
    resolvers.write_text("# none any more\n")
    assert until(lambda: not lab.in_set("isolate_dns4", INNOCENT) and agent.check(INNOCENT)[1] == "listed", 3)


def past(lab):
    return lab.nft_json("list", "counter", "inet", "past", "came")[1]["counter"]["packets"]


def test_no_change_of_mode_or_exceptions_lets_a_packet_through(lab, agent):
    """Without a mode there is no list and a table for isolation alone: it is never without the one or the other."""
    started(agent, "mode = drop")
    isolate(agent, "on", "--lasting", session=None)
    lab.nft("add table inet past; add counter inet past came; add chain inet past in { type filter hook input "
            f"priority -200; }}; add rule inet past in ip saddr {STRANGER} counter name came drop")
    flood = Flood(lab).start(only(lab.work / "stranger", STRANGER), "-t", 600)
    kept = set()
    for round_, mode in enumerate(("off", "drop", "off", "watch", "off", "drop") * 2):
        agent.configure(enforce=f"mode = {mode}")
        agent.process.send_signal(signal.SIGHUP)
        assert until(lambda m=mode: (now := agent.status()) and now["mode"] == m and now["isolated"] and
                     (m == "off") != bool(lab.in_set("hosts4", LISTED)), 10), agent.log()
        kept.add(f"198.18.0.{round_}")
        lab.nft("add", "element", "inet", "threatlistd", "allow4", f"{{ 198.18.0.{round_} }}")
        assert all(lab.in_set("allow4", one) for one in kept), kept
    assert flood.poll() is None and past(lab) == 0
    isolate(agent, "off")
    assert until(lambda: past(lab) > 1000, 5), "the flood was there all the time"


def test_what_stays_open(lab, agent):
    for address in (f"{INNOCENT}", "169.254.169.254"):
        run("ip", "-n", lab.innocent, "addr", "add", f"{address}/32", "dev", "lo", check=False)
    run("ip", "-n", lab.agent, "route", "add", "169.254.169.254", "via", INNOCENT)
    started(agent, f"mode = watch\nadmin = {LISTED}, {LISTED6}")
    # a link that just came up takes a second for IPv6
    assert until(lambda: lab.ping(lab.agent, LISTED6) and lab.ping(lab.agent, INNOCENT6))
    isolate(agent, "on", "--lasting", session=None)
    # admins, metadata
    assert lab.ping(lab.agent, LISTED) and lab.ping(lab.listed, AGENT_AT_LISTED) and lab.ping(lab.agent, LISTED6)
    assert lab.ping(lab.agent, "169.254.169.254") and not lab.ping(lab.agent, INNOCENT, 0.2)
    # neighbours are found anew, in both families and both ways
    for namespace in (lab.agent, lab.listed):
        run("ip", "-n", namespace, "neigh", "flush", "all")
    assert until(lambda: lab.ping(lab.agent, LISTED6) and lab.ping(lab.agent, LISTED), 5)
    run("ip", "-n", lab.listed, "neigh", "flush", "all")
    assert until(lambda: lab.ping(lab.listed, AGENT6), 5)
    # the admin's own exceptions, from now on
    assert not lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.2)
    lab.nft("add", "element", "inet", "threatlistd", "allow4", f"{{ {INNOCENT} }}")
    assert lab.ping(lab.innocent, AGENT_AT_INNOCENT) and lab.ping(lab.agent, INNOCENT)
    lab.nft("delete", "element", "inet", "threatlistd", "allow4", f"{{ {INNOCENT} }}")
    assert not lab.ping(lab.innocent, AGENT_AT_INNOCENT, 0.2)
    # DHCP, both versions, to its own ports alone
    for there, server, client in ((INNOCENT, 67, 68), (INNOCENT6, 547, 546)):
        for port in (server, 5000):
            lab.start(lab.innocent, sys.executable, "-c", UDP, "answer", there, 0, port)
        asked = [sys.executable, "-c", UDP, "ask", there]
        assert until(lambda a=asked, s=server, c=client: lab.inside(lab.agent, *a, s, c, check=False).returncode == 0)
        assert lab.inside(lab.agent, *asked, 5000, client, check=False).returncode != 0
        assert lab.inside(lab.agent, *asked, server, 5001, check=False).returncode != 0


def test_usage(lab, agent):
    started(agent)
    for wrong in (("on",), ("on", "--confirm", "0"), ("on", "--confirm", "86401"), ("on", "--confirm", "x"),
                  ("on", "--confirm", "5", "--lasting"), ("off", "--confirm", "5"), ("off", "--lasting"), (),
                  ("maybe",), ("on", "--lasting", "x")):
        isolate(agent, *wrong, code=2)
    assert not agent.status()["isolated"] and lab.ping(lab.agent, LISTED)
    # a second order replaces the first: a deadline, for good, another session
    isolate(agent, "on", "--lasting")
    isolate(agent, "on", "--confirm", "60", session=f"{INNOCENT6} 40000 2001:db8:10::1 22")
    sets = {i["set"]["name"]: i["set"].get("elem", []) for i in
            lab.nft_json("list", "table", "inet", "threatlistd") if "set" in i}
    assert sets["isolate_ssh4"] == [] and sets["isolate_ssh6"] == [{"concat": [INNOCENT6, 22]}]
    assert len(sets["isolate_armed"]) == 2
    isolate(agent, "on", "--lasting", session=f"{INNOCENT} x {AGENT_AT_INNOCENT} 22")
    assert agent.status()["isolateUntil"] is None
    # both at once
    agent.ctl("enforce", "drop", "--confirm", "60")
    isolate(agent, "on", "--confirm", "60")
    done = agent.ctl("confirm")
    assert done.returncode == 0 and "drop" in done.stdout and "isolated" in done.stdout
    assert agent.status()["confirmUntil"] is None and agent.status()["isolateUntil"] is None


def test_sudo_hides_the_session_from_us_alone(lab, agent):
    """The shell that sudo was called from still has the variable."""
    started(agent)
    env = {**os.environ, "SSH_CONNECTION": SESSION}
    command = ["ip", "netns", "exec", lab.agent, "sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "sh",
               str(BUILD / "threatlistctl"), "isolate", "-S", str(agent.dir / "run/control.sock"), "on", "--lasting"]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and INNOCENT in done.stdout, done
    assert json.loads(agent.ctl("status", "--json").stdout)["isolated"]
