# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit on a booted host: boot, reload, watchdog, crashes, credentials, other users of nftables, the journal."""

import re
import sys
import time

from host import Pings, blocked, in_kernel, labs, run, until

COLLECTOR = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print(self.headers["Authorization"], flush=True)
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""

# takes a connection, and never says a word
SILENT = ("import socket, time; s = socket.create_server(('127.0.0.1', 4443)); c = s.accept(); "
          "print('met', flush=True); time.sleep(60)")

EARLY = """[Unit]
DefaultDependencies=no
{order}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
"""
# As cloud images of Debian and Ubuntu order them: ifupdown's, and cloud-init's network stage, which services by
# default start after.
NETWORKING = EARLY.format(order="After=local-fs.target network-pre.target\nBefore=network.target network-online.target")
CLOUD_INIT = EARLY.format(order="After=networking.service\nBefore=network-online.target sysinit.target")


def monotonic(host, name, unit):
    return int(host.show(name, unit))


def test_boot_without_network_enforces_the_cached_list_first(agent):
    lab = agent.lab
    agent.power_off()
    # stopping keeps the table; a reboot would not
    lab.nft("delete", "table", "inet", "threatlistd")
    agent.path("/etc/threatlistd/listed.txt").unlink()
    for device in ("to-listed", "to-innocent"):
        lab.inside(lab.agent, "ip", "link", "set", device, "down")
    agent.boot()
    assert agent.active() and in_kernel(lab, labs.LISTED) and agent.enforcing(), agent.messages()
    assert monotonic(agent, "ActiveEnterTimestampMonotonic", "threatlistd.service") <= \
        monotonic(agent, "ActiveEnterTimestampMonotonic", "network-pre.target"), "the network may be up before us"
    pings = Pings(lab, lab.listed, labs.AGENT_AT_LISTED)
    for device in ("to-listed", "to-innocent"):
        lab.inside(lab.agent, "ip", "link", "set", device, "up")
    assert until(lambda: lab.ping(lab.innocent, labs.AGENT_AT_INNOCENT))
    assert until(lambda: agent.status()["table"]["drops"]["packets"] > 3)
    sent, passed = pings.count()
    assert sent > 3 and passed == 0


def test_boot_of_a_cloud_image_leaves_nothing_out(agent):
    """The network there is up before sysinit.target: a service that waits for that cannot come before the network."""
    units = {"networking.service": NETWORKING, "cloud-init.service": CLOUD_INIT}
    for name, text in units.items():
        agent.write(f"/etc/systemd/system/{name}", text)
    agent.sh(f"systemctl enable {' '.join(units)}")
    agent.power_off()
    agent.lab.nft("delete", "table", "inet", "threatlistd")
    agent.boot()
    states = {name: agent.show("ActiveState", name) for name in ("threatlistd.service", "network-pre.target", *units)}
    assert set(states.values()) == {"active"}, (states, agent.console()[-2000:])
    assert agent.enforcing() and in_kernel(agent.lab, labs.LISTED), agent.messages()
    assert monotonic(agent, "ActiveEnterTimestampMonotonic", "threatlistd.service") <= \
        monotonic(agent, "ActiveEnterTimestampMonotonic", "network-pre.target")


def test_a_bad_config_fails_the_reload_and_changes_nothing(agent):
    lab, conf = agent.lab, "/etc/threatlistd/threatlistd.conf"
    good, before = agent.path(conf).read_text(), agent.show("MainPID")
    agent.write(conf, good.replace("mode = drop", "mode = dorp"))
    done = agent.sh("systemctl reload threatlistd", check=False)
    assert done.returncode != 0
    assert agent.active() and agent.show("MainPID") == before and blocked(lab)
    # as an error, not as information: "journalctl -p warning" is where an operator looks
    said = r'threatlistd: config not usable error="\S+threatlistd\.conf:\d+: .*dorp'
    assert until(lambda: any(re.match(said, entry["MESSAGE"]) and entry["PRIORITY"] == "3"
                             for entry in agent.journal())), agent.journal()
    agent.write(conf, good.replace("mode = drop", "mode = watch"))
    agent.sh("systemctl reload threatlistd")
    assert until(lambda: lab.ping(lab.listed, labs.AGENT_AT_LISTED))
    assert agent.show("MainPID") == before


def test_systemctl_status_says_what_holds_now(agent):
    """It said "mode watch, 0 sources", the config of the fresh install, for as long as the agent ran."""
    def says(text):
        return until(lambda: agent.show("StatusText") == text) or agent.show("StatusText")

    assert says("mode drop, 1 sources") is True
    for command, text in (("enforce watch", "mode watch, 1 sources"),
                          ("enforce drop --confirm 60", "mode drop, 1 sources, falls back to watch unless confirmed"),
                          ("confirm", "mode drop, 1 sources"), ("panic", "panic, else mode drop, 1 sources"),
                          ("resume", "mode drop, 1 sources"),
                          ("isolate on --confirm 60", "mode drop, 1 sources, isolated"),
                          ("isolate off", "mode drop, 1 sources"), ("purge", "purged, else mode drop, 1 sources")):
        agent.sh(f"threatlistctl {command}")
        assert says(text) is True, (command, says(text))


def test_watchdog_restarts_an_agent_that_hangs(agent):
    agent.write("/etc/systemd/system/threatlistd.service.d/quick.conf", "[Service]\nWatchdogSec=3s\nRestartSec=100ms\n")
    agent.sh("systemctl daemon-reload; systemctl restart threatlistd")
    assert until(agent.enforcing)
    pid = agent.show("MainPID")
    pings = Pings(agent.lab, agent.lab.listed, labs.AGENT_AT_LISTED)
    time_before = time.monotonic()
    # it does its work and is left alone for longer than the limit, which a busy machine alone does not reach
    assert not until(lambda: agent.show("MainPID") != pid, 2.5) and time.monotonic() - time_before > 4
    agent.sh(f"kill -STOP {pid}")
    assert until(lambda: agent.show("NRestarts") == "1" and agent.active() and agent.enforcing(), 20), agent.messages()
    assert any("Watchdog timeout" in line for line in agent.messages())
    sent, passed = pings.count()
    assert sent > 20 and passed == 0


def kill_a_feed(agent):
    """One that waits for a list server which says nothing."""
    met = agent.lab.work / "met"
    with open(met, "w", encoding="utf-8") as out:
        agent.lab.start(agent.lab.agent, sys.executable, "-c", SILENT, log=out)
    authority = agent.lab.work / "authority.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=nobody", "-keyout", "/dev/null",
        "-out", authority)
    agent.write("/etc/threatlistd/authority.pem", authority.read_text())
    agent.write("/etc/threatlistd/conf.d/silent.conf", "[source silent]\ntype = https\n"
                "location = https://127.0.0.1:4443/list\nca_file = /etc/threatlistd/authority.pem\n")
    agent.sh("systemctl reload threatlistd")
    assert until(lambda: "met" in met.read_text()), agent.messages()
    # a process that ends meanwhile is an error of grep's, whatever it found
    feed, = agent.sh("grep -lzx 'fee[d]' /proc/[0-9]*/cmdline", check=False).stdout.split()
    agent.sh(f"kill -9 {feed.split('/')[2]}")
    assert until(lambda: any("list not refreshed source=silent error=\"the feed ended by signal 9" in line
                             for line in agent.messages())), agent.messages()
    agent.path("/etc/threatlistd/conf.d/silent.conf").unlink()
    agent.sh("systemctl reload threatlistd")
    assert until(agent.enforcing)


def test_crashes_never_stop_the_blocking(agent):
    pings = Pings(agent.lab, agent.lab.listed, labs.AGENT_AT_LISTED)
    for role in ("enforcer", "sensor", "reporter"):
        pid = agent.roles()[role]
        agent.sh(f"kill -9 {pid}")
        assert until(lambda: agent.roles().get(role) not in (None, pid)), agent.messages()
    kill_a_feed(agent)
    assert agent.show("NRestarts") == "0"
    agent.sh(f"kill -9 {agent.show('MainPID')}")
    assert until(lambda: agent.show("NRestarts") == "1" and agent.active() and agent.enforcing(), 20), agent.messages()
    sent, passed = pings.count()
    assert sent > 20 and passed == 0
    assert blocked(agent.lab)


def test_token_comes_as_a_credential(agent):
    lab = agent.lab
    collected = lab.work / "collected"
    with open(collected, "w", encoding="utf-8") as out:
        lab.start(lab.agent, sys.executable, "-c", COLLECTOR, log=out)
    agent.write("/etc/credstore/threatlistd.sink-token", "s3cret-of-the-sink\n", 0o600)
    agent.write("/etc/threatlistd/conf.d/collector.conf",
                "[sink collector]\ntype = http\nurl = http://127.0.0.1:8080/findings\ntoken_credential = sink-token\n")
    agent.sh("systemctl restart threatlistd")
    assert until(agent.enforcing)
    # another remote: what was told already waits for its next update
    lab.ping(lab.agent, labs.LISTED6, 0.2)
    assert until(lambda: "Bearer s3cret-of-the-sink" in collected.read_text()), agent.messages()
    assert not any("s3cret" in line for line in agent.messages())


def back_within_a_second(host, command):
    restores = host.status()["table"]["restores"]
    host.sh(command)
    begun = time.monotonic()
    assert until(lambda: in_kernel(host.lab, labs.LISTED), 5, 0.02)
    took = time.monotonic() - begun
    assert until(lambda: host.status()["table"]["restores"] > restores)
    return took < (3 if labs.SANITIZED else 1)


def test_other_users_of_nftables(agent):
    assert back_within_a_second(agent, "systemctl restart nftables")
    assert back_within_a_second(agent, "nft flush ruleset")
    assert blocked(agent.lab)
    assert until(lambda: any("table restored" in line and "program=\"nft\"" in line for line in agent.messages()))


def test_orders_without_an_agent_hold_when_it_starts(agent):
    """Root writes them down; the agent, which is not root, reads them."""
    lab = agent.lab
    agent.sh("systemctl stop threatlistd && threatlistctl panic && systemctl start threatlistd")
    assert agent.status()["table"]["dormant"] and lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    agent.sh("systemctl stop threatlistd && threatlistctl resume && systemctl start threatlistd")
    assert until(lambda: blocked(lab)), agent.messages()


def test_who_may_ask(agent):
    agent.sh("useradd -m reader -G threatlistd; useradd -m nobodyelse")
    reader = agent.sh("setpriv --reuid reader --regid reader --init-groups threatlistctl status", check=False)
    assert reader.returncode == 0 and '"mode"' in reader.stdout
    for user, command in (("reader", "panic"), ("nobodyelse", "status")):
        done = agent.sh(f"setpriv --reuid {user} --regid {user} --init-groups threatlistctl {command}", check=False)
        assert done.returncode == 4, done.stderr
    assert blocked(agent.lab)


def test_processes_have_what_the_unit_gives(agent):
    """The parent and its roles: the unit's user, no new privileges, a filter on, capabilities only where needed."""
    for role, pid in agent.roles().items():
        text = agent.sh(f"cat /proc/{pid}/status").stdout
        field = {line.split(":")[0]: line.split(":")[1].split() for line in text.splitlines() if ":" in line}
        assert field["NoNewPrivs"] == ["1"] and field["Seccomp"] == ["2"], role
        assert field["Uid"][0] == agent.sh("id -u threatlistd").stdout.strip()
        capabilities = int(field["CapEff"][0], 16)
        assert capabilities & ~(1 << 12 | 1 << 13) == 0
        assert (capabilities == 1 << 12) if role == "enforcer" else capabilities == 0, (role, hex(capabilities))
    # keys of AWS are never paged out: by the unit's limits and list of calls the parent may see to that
    locked = re.search(r"^VmLck:\s+(\d+) kB", agent.sh(f"cat /proc/{agent.show('MainPID')}/status").stdout, re.M)
    assert int(locked.group(1)) > 0, agent.messages()


def test_the_journal_has_priorities_and_keys(agent):
    agent.sh(f"kill -9 {agent.roles()['sensor']}")
    agent.sh("nft delete table inet threatlistd")
    agent.write("/etc/threatlistd/listed.txt", "nothing here\n")
    agent.sh("threatlistctl refresh", check=False)
    # what an admin greps for: (priority, text)
    expected = [
        ("6", r"role started role=enforcer pid=\d+"),
        ("5", r"list changed source=listed entries=2 added=2 removed=0"),
        ("5", r"ready mode=watch sources=0 sinks=1 host=\S+"),
        ("5", r"config reloaded path=/etc/threatlistd/threatlistd\.conf"),
        ("4", r"role ended role=sensor pid=\d+ how=\"ended by signal 9 .*\" again_in_ms=\d+"),
        ("4", r"table restored .*pid=\d+ program=\"nft\""),
        ("4", r"list not refreshed source=listed error=\".+\""),
    ]

    def missing():
        lines = [(entry["PRIORITY"], entry["MESSAGE"]) for entry in agent.journal()]
        return [one for one in expected
                if not any(one[0] == priority and re.search(one[1], text) for priority, text in lines)]

    assert until(lambda: not missing()), (missing(), agent.messages())
    for entry in agent.journal():
        if entry.get("_COMM") == "threatlistd":
            assert entry["PRIORITY"] in "3456" and not entry["MESSAGE"].startswith("<")
            assert re.match(r"(threatlistd|enforcer|sensor|reporter|feed): \S", entry["MESSAGE"]), entry["MESSAGE"]


def test_exposure_is_at_most_1_9(agent):
    """What systemd-analyze leaves out of a unit of early boot (ProtectHome=, ProtectSystem=, PrivateTmp=) is in force, too."""
    done = agent.sh("systemd-analyze security --no-pager --threshold=19 threatlistd.service", check=False)
    assert done.returncode == 0, done.stdout[-200:]
    inside = f"nsenter -t {agent.show('MainPID')} -m"
    agent.sh("touch /tmp/here /var/tmp/here /home/here")
    for seen in ("/tmp/here", "/var/tmp/here", "/home/here"):
        assert agent.sh(f"{inside} test -e {seen}", check=False).returncode == 1, seen
    for written in ("/etc/x", "/usr/x", "/var/x"):
        said = agent.sh(f"{inside} touch {written}", check=False)
        assert "Read-only file system" in said.stderr, (written, said)
