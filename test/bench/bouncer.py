#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""CrowdSec's firewall bouncer (Debian's crowdsec-firewall-bouncer) against ours, fed the same list.

A tiny local API answers the bouncer's stream of decisions with every entry of the list, as CrowdSec's would.
Its load lasts from start until its processor time stands still; ours is parsing, compiling and loading by
threatlistd's own engine.  What the kernel holds afterwards is counted by nft.  Prints NAME VALUE UNIT lines."""

import http.server
import ipaddress
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from kernel import RUNS, Space, cover, generate, say
from lab import run, until

# the time of a load of the bouncer grows faster than the list
ENTRIES = int(os.environ.get("BOUNCER_ENTRIES", "50000"))
BOUNCER = "crowdsec-firewall-bouncer"
QUIET = 5  # seconds without work: it is done
CONFIG = """mode: nftables
update_frequency: 1000s
daemonize: false
log_mode: stdout
log_level: info
api_url: http://127.0.0.1:{port}/
api_key: none
disable_ipv6: false
deny_action: DROP
supported_decisions_types: [ban]
blacklists_ipv4: blacklist
blacklists_ipv6: blacklist6
nftables:
  ipv4: {{ enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain }}
  ipv6: {{ enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain }}
prometheus: {{ enabled: false, listen_addr: 127.0.0.1, listen_port: "60601" }}
"""


def decisions(prefixes):
    """The stream's first answer."""
    new = []
    for number, prefix in enumerate(prefixes):
        single = "/" not in prefix
        new.append({"id": number, "origin": "lists", "type": "ban", "scope": "Ip" if single else "Range",
                    "value": prefix, "duration": "24h", "scenario": "a list"})
    return json.dumps({"new": new, "deleted": None}).encode()


def serve(answer, port_file):
    """Runs inside the namespace: the API until it is killed."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = answer if "startup=true" in self.path else b'{"new":null,"deleted":null}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port_file.write_text(str(server.server_port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()  # for the end, from outside


def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def settled(process):
    """Seconds from now until its processor time stands still, and its peak MiB."""
    begun = last = time.monotonic()
    before, peak = -1, 0
    while time.monotonic() - last < QUIET:
        if process.poll() is not None:
            raise RuntimeError("the bouncer ended")
        now = ticks(process.pid)
        if now != before:
            before, last = now, time.monotonic()
        peak = max(peak, int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]))
        time.sleep(0.05)
    return last - begun, peak / 1024


def members(space, prefixes):
    """Of the list's prefixes, how many the bouncer's sets hold as they are."""
    held = set()
    for family, table, name in (("ip", "crowdsec", "blacklist"), ("ip6", "crowdsec6", "blacklist6")):
        done = run("ip", "netns", "exec", space.name, "nft", "-j", "list", "set", family, table, name, timeout=300)
        for item in json.loads(done.stdout)["nftables"]:
            for element in item.get("set", {}).get("elem", []):
                value = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
                if isinstance(value, dict) and "prefix" in value:
                    value = f"{value['prefix']['addr']}/{value['prefix']['len']}"
                held.add(str(value))
    return sum(1 for prefix in prefixes if prefix in held), len(held)


def bouncer(work, prefixes, answer):
    """(seconds, peak MiB, prefixes held as they are, members in all)"""
    port_file, config = work / "port", work / "bouncer.yaml"
    with Space() as space, open(work / "log", "w", encoding="utf-8") as log:
        run("ip", "-n", space.name, "link", "set", "lo", "up")
        port_file.unlink(missing_ok=True)
        inside = ["ip", "netns", "exec", space.name]
        api = subprocess.Popen([*inside, sys.executable, __file__, "--serve", answer, port_file])
        process = None
        try:
            assert until(lambda: port_file.exists() and port_file.read_text(), 20)
            config.write_text(CONFIG.format(port=port_file.read_text()))
            process = subprocess.Popen([*inside, BOUNCER, "-c", config], stdout=log, stderr=subprocess.STDOUT)
            seconds, peak = settled(process)
            return (seconds, peak, *members(space, prefixes))
        except RuntimeError as why:
            raise SystemExit(f"{why}: {(work / 'log').read_text()[-800:]}") from why
        finally:
            for one in (process, api):
                if one is not None:
                    one.kill()
                    one.wait()


def main():
    if shutil.which(BOUNCER) is None:
        print(f"skipped: there is no {BOUNCER}")
        return
    with tempfile.TemporaryDirectory(prefix="threatlistd-bench-") as folder:
        work = pathlib.Path(folder)
        path = generate(work, ENTRIES)
        # as CrowdSec has them: networks with their length, hosts without
        networks = [ipaddress.ip_network(p) for p in cover(path)]
        prefixes = [str(n.network_address if n.num_addresses == 1 else n) for n in networks]
        answer = work / "decisions"
        answer.write_bytes(decisions(prefixes))
        ours, peers = [], []
        for _ in range(RUNS):
            with Space() as space:
                seconds, peak = space.ours(path)
                ours.append((seconds[0], peak))
            peers.append(bouncer(work, prefixes, answer))
        seconds, peak, held, count = (statistics.median(row[i] for row in peers) for i in range(4))
        say("load, ours", statistics.median(row[0] for row in ours), "s")
        say("load, bouncer", seconds, "s")
        say("load, ours / bouncer", statistics.median(row[0] for row in ours) / seconds, "x time")
        say("peak memory, ours (it parses, too)", statistics.median(row[1] for row in ours), "MiB")
        say("peak memory, bouncer", peak, "MiB")
        say("entries of the list", len(prefixes), "")
        say("of them networks", sum("/" in p for p in prefixes), "")
        say("of them in the bouncer's sets", held, "")
        say("members of the bouncer's sets", count, "")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(pathlib.Path(sys.argv[2]).read_bytes(), pathlib.Path(sys.argv[3]))
    else:
        main()
