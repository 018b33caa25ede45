# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints: what the agent itself talks to is not cut off by a list that names it, and nothing else of it passes."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from lab import LISTED, run as run_tool, until, whole_lines

# fixtures, too
from test_kernel import (DAMAGED, INNOCENT4, LIST, LISTED4, LISTED6, TABLE, engine, net, run, table,  # noqa: F401
                         write)

PORT, OTHER = 8443, 8444

SERVER = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in sys.argv[1:]:
    s = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    chosen.register(s, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        c, _ = key.fileobj.accept(); c.sendall(b"hello"); c.close()
"""

CLIENT = """
import socket, sys
target, port, source, sport = sys.argv[1:]
with socket.create_connection((target, int(port)), timeout=0.4, source_address=(source, int(sport))) as s:
    sys.exit(0 if s.recv(5) == b"hello" else 1)
"""


def serve(ns, *ports):
    server = subprocess.Popen(["ip", "netns", "exec", ns, sys.executable, "-c", SERVER, *map(str, ports)],
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    return server


def connects(ns, target, port, source=None, sport=0):
    source = source or ("::" if ":" in target else "0.0.0.0")
    return run("ip", "netns", "exec", ns, sys.executable, "-c", CLIENT, target, port, source, sport,
               check=False).returncode == 0


def test_only_the_port_of_a_listed_endpoint_passes(net, engine, write):  # noqa: F811
    engine.do(f"endpoint {LISTED4} {PORT}")
    engine.do(f"apply drop={write(LIST)}")
    engine.do(f"endpoint {LISTED6} {PORT}")
    assert sorted(engine.do("endpoints")["endpoints"]) == [[LISTED4, PORT], [LISTED6, PORT]]
    peer, host = serve(net.peer, PORT, OTHER), serve(net.host, PORT)
    try:
        for target in (LISTED4, LISTED6):
            assert connects(net.host, target, PORT)
            assert not connects(net.host, target, OTHER)
            assert not net.out(target) and not net.inward(target)
        # of those who come from there to open a connection none is an endpoint, whatever its port
        peer.kill()
        peer.wait()
        assert connects(net.peer, "10.77.1.1", PORT, INNOCENT4, PORT)
        assert not connects(net.peer, "10.77.1.1", PORT, LISTED4, OTHER)
        assert not connects(net.peer, "10.77.1.1", PORT, LISTED4, PORT)
    finally:
        for server in (peer, host):
            server.kill()
            server.wait()
            server.stdout.close()
    seen = {(s["remote"], s["dir"], s["endpoint"]): s for s in engine.do("seen")["seen"]}
    stat = engine.do("stat")
    for remote in (LISTED4, LISTED6):
        for direction in ("in", "out"):
            assert seen[(remote, direction, True)]["protect"] is True
            assert seen[(remote, direction, False)]["protect"] is False
    assert stat["protected"] == sum(s["packets"] for s in seen.values() if s["endpoint"])
    assert stat["drops"] == sum(s["packets"] for s in seen.values() if not s["endpoint"])
    assert stat["overflow"] == 0


def test_endpoints_come_back_with_the_table_and_end_by_themselves(net, engine, write):  # noqa: F811
    path = write(LIST)
    engine.do(f"apply drop={path}")
    engine.do(f"endpoint {LISTED4} {PORT}")
    engine.do("watch")
    member = table(net)["protect_ep4"][0]["elem"]
    assert member["val"] == {"concat": [LISTED4, PORT]} and 590 <= member["expires"] <= 600
    for undo in (["flush", "ruleset"], ["delete", "table", *TABLE]):
        net.nft(*undo)
        assert engine.events(DAMAGED)[0] & DAMAGED
        engine.do(f"apply drop={path}")
        assert 580 <= table(net)["protect_ep4"][0]["elem"]["expires"] <= 600
    # a set that somebody took away is put back, and one that somebody emptied is filled when it is asked for
    net.nft("flush", "set", *TABLE, "protect_ep4")
    assert engine.do("endpoints")["endpoints"] == []
    engine.do(f"endpoint {LISTED4} {PORT}")
    assert engine.do("endpoints")["endpoints"] == [[LISTED4, PORT]]
    # one that is about to end is made to last
    net.nft("delete", "element", *TABLE, "protect_ep4", f"{{ {LISTED4} . {PORT} }}")
    net.nft("add", "element", *TABLE, "protect_ep4", f"{{ {LISTED4} . {PORT} timeout 20s }}")
    engine.do("close")
    engine.do("open drop 7411")
    engine.do(f"endpoint {LISTED4} {PORT}")
    assert table(net)["protect_ep4"][0]["elem"]["expires"] >= 590
    # what is asked for again in between costs the kernel no change
    before = engine.do("stat")["generation"]
    engine.do(f"endpoint {LISTED4} {PORT}")
    assert engine.do("stat")["generation"] == before


def test_there_is_an_end_to_endpoints(net, engine, write):  # noqa: F811
    engine.do(f"apply drop={write(LIST)}")
    for number in range(256):
        engine.do(f"endpoint 10.9.{number % 2}.{number // 2} {PORT}")
    answer = engine.ask(f"endpoint {LISTED4} {PORT}")
    assert answer["error"] == -28 and "too many" in answer["text"]
    engine.do(f"endpoint 10.9.0.0 {PORT}")
    assert len(engine.do("endpoints")["endpoints"]) == 256
    net.nft("flush", "ruleset")
    assert engine.events(DAMAGED)[0] & DAMAGED
    engine.do(f"apply drop={write(LIST)}")
    assert len(table(net)["protect_ep4"]) == 256


# --- the whole agent ---------------------------------------------------------------------------------------------

FARM = """
import http.server, pathlib, ssl, sys, threading
work, lists, collector, other = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer((work / "served.txt").read_bytes())
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(work / "collected", "ab") as out:
            out.write(body + b"\\n")
        self.answer(b"")
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

for port in (lists, collector, other):
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    if port == lists:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(work / "farm.pem", work / "farm.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
(work / "up").touch()
"""

LISTS, COLLECTOR = 8445, 8446


@pytest.fixture
def farm(lab, agent):
    """On the listed host: a list server, a collector, and something else."""
    run_tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", "/CN=farm", "-addext", f"subjectAltName=IP:{LISTED}", "-days", "2",
             "-keyout", lab.work / "farm.key", "-out", lab.work / "farm.pem")
    (lab.work / "served.txt").write_text(f"{LISTED}\n")
    lab.start(lab.listed, sys.executable, "-c", FARM, lab.work, LISTS, COLLECTOR, OTHER)
    assert until((lab.work / "up").exists)
    agent.configure(
        sources=f"[source remote]\ntype = https\nlocation = https://{LISTED}:{LISTS}/l\n"
                f"ca_file = {lab.work}/farm.pem\nrefresh = 1m\n",
        sinks=f"[sink log]\ntype = file\npath = {agent.jsonl}\n"
              f"[sink collector]\ntype = http\nurl = http://{LISTED}:{COLLECTOR}/f\n")


def collected(lab):
    return [finding for line in whole_lines(lab.work / "collected") for finding in json.loads(line)]


def seen_of(lab, *names):
    """The members of these sets."""
    return [element for name in names
            for item in lab.nft_json("list", "set", "inet", "threatlistd", name) if "set" in item
            for element in item["set"].get("elem", [])]


def test_a_listed_collector_and_a_listed_list_server_are_reached(lab, agent, farm):
    agent.start()
    assert lab.in_set("hosts4", LISTED)
    # the source is one listed address, and the next list still comes from there
    (lab.work / "served.txt").write_text(f"{LISTED}\n198.51.100.99\n")
    assert agent.ctl("refresh").returncode == 0
    assert until(lambda: lab.in_set("hosts4", "198.51.100.99")), agent.log()
    assert lab.in_set("protect_ep4", f"{LISTED} . {LISTS}")
    # everything else there is dropped, in both directions, and reported to that very collector
    assert not lab.ping(lab.agent, LISTED) and not lab.ping(lab.listed, "203.0.113.1")
    assert not connects(lab.agent, LISTED, OTHER)
    told = until(lambda: [f for f in collected(lab) if "networkConnectionAction" in f["service"]["action"]])
    assert told, agent.log()
    assert lab.in_set("protect_ep4", f"{LISTED} . {COLLECTOR}")
    assert not lab.ping(lab.agent, LISTED)

    first = until(lambda: agent.found(LISTED, "OUTBOUND"))
    assert first["service"]["additionalInfo"]["threatlistd"]["verdict"] == "protected"

    def dropped_as_told():
        lines = [json.loads(line) for line in agent.ctl("findings", "--json").stdout.splitlines()]
        return sum(line["service"]["additionalInfo"]["threatlistd"].get("dropped", 0) for line in lines)
    # what was dropped and what passed is told apart, to the packet
    dropped = sum(element["elem"]["counter"]["packets"] for element in seen_of(lab, "seen_out4", "seen_in4"))
    assert dropped > 0
    assert until(lambda: dropped_as_told() == dropped), (dropped_as_told(), dropped)
    assert all(element["elem"]["counter"]["packets"] > 5 for element in seen_of(lab, "seen_ep_out4", "seen_ep_in4"))
    now = agent.status()["table"]
    assert now["endpoints"] == {"live": 2, "refused": 0, "unanswered": 0}
    # the numbers are the kernel's own
    text = lab.nft("list", "table", "inet", "threatlistd").stdout
    assert int(re.search(r"counter protected \{[^}]*packets (\d+)", text)[1]) > 0


def test_endpoints_outlive_a_flush_and_an_enforcer(lab, agent, farm):
    agent.start()
    assert until(lambda: lab.in_set("protect_ep4", f"{LISTED} . {LISTS}"))
    lab.nft("flush", "ruleset")
    assert until(lambda: lab.has_table() and lab.in_set("hosts4", LISTED))
    assert lab.in_set("protect_ep4", f"{LISTED} . {LISTS}")
    # a new enforcer is told of what is in use, also when it has to make the table
    os.kill(agent.roles()["enforcer"], signal.SIGKILL)
    lab.nft("delete", "table", "inet", "threatlistd")
    assert until(lambda: lab.has_table() and lab.in_set("hosts4", LISTED))
    assert until(lambda: lab.in_set("protect_ep4", f"{LISTED} . {LISTS}"))
    assert agent.status()["table"]["endpoints"]["live"] >= 1
