# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints: what the agent itself talks to is not cut off by a list that names it, and nothing else of it passes."""

import subprocess
import sys

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
