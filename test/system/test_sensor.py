# SPDX-License-Identifier: GPL-3.0-or-later
"""The sensor alone, with real packets: NFLOG rules made by nft(8), interfaces made by ip(8)."""
import json
import pathlib
import queue
import subprocess
import threading
import time

import pytest

import lab as labs

GROUP = 7411
RULES = f"""
table inet sensing {{
	chain prerouting {{
		type filter hook prerouting priority -310
		ip saddr {labs.LISTED} log prefix "in" group {GROUP} snaplen 128 queue-threshold 1
		ip6 saddr {labs.LISTED6} log prefix "in" group {GROUP} snaplen 128 queue-threshold 1
	}}
	chain output {{
		type filter hook output priority -310
		ip daddr {labs.LISTED} log prefix "out" group {GROUP} snaplen 128 queue-threshold 1 drop
	}}
}}
"""


class Sensor:
    """tool_sensor in the first host of the lab, and the lines it says."""

    def __init__(self, lab, conf="", wrapper=()):
        self.lab, self.seen = lab, []
        self.conf, self.list = lab.work / "sensor.conf", lab.work / "sensor.list"
        self.conf.write_text(conf)
        self.list.write_text(f"{labs.LISTED}\n{labs.LISTED6}\n")
        self.log = open(lab.work / "sensor.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", lab.agent, *wrapper, labs.BUILD / "test/system/tool_sensor", self.conf, self.list],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        lab.processes.append(self.process)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.pid = int(self.wait("pid").split()[1])
        self.status = self.wait("status")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait(self, *words, seconds=10):
        """The next line that has all these words; those before it are passed over."""
        end = time.monotonic() + seconds * labs.PATIENCE
        while (left := end - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                break
            assert line is not None, f"ended without {words}: {self.seen} {self.said()}"
            self.seen.append(line)
            if all(word in line.split() for word in words):
                return line
        raise AssertionError(f"nothing with {words} among {self.seen} {self.said()}")

    def wait_both(self, packets):
        """The lines that count so many in and so many out: either may be the first."""
        counts = {}
        while {"in", "out"} - counts.keys():
            line = fields(self.wait("count", f"packets={packets}"))
            counts[line["dir"]] = line
        return counts["in"], counts["out"]

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ask(self):
        """Everything it said before it answered, and the answer as a dict."""
        before = len(self.seen)
        self.order("status")
        line = self.wait("status", "token=77")
        return self.seen[before:-1], fields(line)

    def said(self):
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        self.order("stop")
        self.wait("exit", "0")


def fields(line):
    head, _, warning = line.partition(" warning=")
    return dict(word.split("=", 1) for word in head.split() if "=" in word) | {"warning": warning}


def log_rules(lab):
    (lab.work / "rules").write_text(RULES)
    lab.nft("-f", lab.work / "rules")


def test_nflog_sees_in_and_dropped_out(lab):
    log_rules(lab)
    sensor = Sensor(lab)
    assert "state=nflog" in sensor.status and sensor.status.endswith("warning=")
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    line = fields(sensor.wait("sighting", "dir=in", f"remote={labs.LISTED}"))
    assert line["local"] == labs.AGENT_AT_LISTED and line["flow"] == "1" and line["proto"] == "1"
    assert line["uid"] == "-1" and line["lport"] == "-1" and line["entry"] == labs.LISTED
    # ours is dropped in output: no capture on an interface could show it
    lab.connect(lab.agent, labs.LISTED, wait=0.2)
    line = fields(sensor.wait("sighting", "dir=out", f"remote={labs.LISTED}", "proto=6"))
    assert line["flow"] == "2" and line["rport"] == str(labs.PORT) and line["uid"] == "0"
    assert abs(int(line["time"]) / 1e6 - time.time()) < 30
    lab.ping(lab.listed, labs.AGENT6)
    sensor.wait("sighting", "dir=in", "proto=58", f"remote={labs.LISTED6}", f"local={labs.AGENT6}")
    _, status = sensor.ask()
    assert int(status["received"]) >= 3 and status["lost"] == "0" and status["undecodable"] == "0"
    assert not any(line.startswith("count") for line in sensor.seen), "the kernel's counts are the truth"
    sensor.stop()


def test_nothing_is_left_to_gain(lab):
    log_rules(lab)
    sensor = Sensor(lab)
    proc = pathlib.Path(f"/proc/{sensor.pid}/status").read_text()
    caps = dict(line.split(":\t") for line in proc.splitlines() if line.startswith(("Cap", "NoNewPrivs")))
    assert {caps["CapEff"], caps["CapPrm"], caps["CapInh"], caps["CapAmb"]} == {"0" * 16}
    assert caps["NoNewPrivs"] == "1"
    # and it goes on seeing
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    sensor.wait("sighting", "dir=in")
    sensor.stop()


def test_new_list_replaces_the_old_one(lab):
    log_rules(lab)
    sensor = Sensor(lab)
    sensor.list.write_text("198.51.100.1\n")
    sensor.order(f"list {sensor.list}")
    sensor.ask()
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    assert labs.until(lambda: int(sensor.ask()[1]["received"]) >= 1)
    assert not any(line.startswith("sighting") for line in sensor.seen)
    sensor.list.write_text("203.0.113.0/24\n")
    sensor.order(f"list {sensor.list}")
    sensor.ask()
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    line = fields(sensor.wait("sighting", "dir=in"))
    assert line["entry"] == "203.0.113.0/24" and line["generation"] == "3"
    sensor.stop()


def test_flow_is_told_once_in_a_while(lab):
    log_rules(lab)
    sensor = Sensor(lab)
    lab.inside(lab.listed, "ping", "-n", "-c", "20", "-i", "0.01", "-W", "1", labs.AGENT_AT_LISTED, check=False)
    assert labs.until(lambda: int(sensor.ask()[1]["received"]) >= 20)
    assert sum(line.startswith("sighting dir=in") for line in sensor.seen) == 1
    sensor.stop()


@pytest.mark.parametrize("interface, kind", [("any", "SLL2"), ("to-listed", "Ethernet")])
def test_interface_counts_what_it_sees(lab, interface, kind):
    sensor = Sensor(lab, f"[enforce]\nmode = off\n[capture]\nmethod = interface\ninterface = {interface}\n")
    assert "state=interface" in sensor.status and sensor.status.endswith("warning=")
    lab.inside(lab.listed, "ping", "-n", "-c", "5", "-i", "0.05", "-s", "100", labs.AGENT_AT_LISTED)
    lab.ping(lab.innocent, labs.AGENT_AT_INNOCENT)
    line = fields(sensor.wait("sighting", "dir=in"))
    assert line["remote"] == labs.LISTED and line["flow"] == "1"
    ours, theirs = sensor.wait_both(5)
    for count in (ours, theirs):
        # 100 bytes and the headers of ICMP and IP, as the kernel's counters count
        assert (count["bytes"], count["flags"], count["verdict"]) == (str(5 * 128), "4", "0")
        assert count["remote"] == labs.LISTED
    assert not any(labs.INNOCENT in line for line in sensor.seen)
    sensor.order("recount")
    assert fields(sensor.wait("count", "dir=in", "packets=5"))["epoch"] == ours["epoch"]
    sensor.stop()


def test_each_packet_once_on_any(lab):
    """A bridge and its port: both show every packet."""
    ip = lambda *words: labs.run("ip", "-n", lab.agent, *words)
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "to-listed", "master", "br0")
    ip("addr", "del", f"{labs.AGENT_AT_LISTED}/24", "dev", "to-listed")
    ip("addr", "add", f"{labs.AGENT_AT_LISTED}/24", "dev", "br0")
    ip("link", "set", "br0", "up")
    sensor = Sensor(lab, "[enforce]\nmode = off\n[capture]\nmethod = interface\n")
    lab.inside(lab.listed, "ping", "-n", "-c", "4", "-i", "0.1", labs.AGENT_AT_LISTED)
    sensor.wait_both(4)
    assert not [line for line in sensor.ask()[0] if line.startswith("count")]
    sensor.stop()


def test_mode_off_looks_at_the_interface_by_itself(lab):
    sensor = Sensor(lab, "[enforce]\nmode = off\n")
    assert "state=interface" in sensor.status and sensor.status.endswith("warning=")
    sensor.stop()


def test_both(lab):
    log_rules(lab)
    sensor = Sensor(lab, "[capture]\nmethod = both\n")
    assert "state=both" in sensor.status
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    sensor.wait("sighting", "dir=in")
    assert not any(line.startswith("count") for line in sensor.ask()[0])
    sensor.stop()


def test_off(lab):
    sensor = Sensor(lab, "[capture]\nmethod = off\n")
    assert "state=off" in sensor.status
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    assert sensor.ask()[1]["received"] == "0"
    sensor.stop()


def test_taken_group_falls_back_and_says_how_to_choose_another(lab):
    log_rules(lab)
    first, second = Sensor(lab), Sensor(lab)
    assert "state=nflog" in first.status
    assert "state=interface" in second.status
    assert (f"NFLOG group {GROUP} is in use by another program; choose another with [enforce] nflog_group; "
            "capturing on interface any instead") in second.status
    assert "is in use by another program" in second.said()
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    first.wait("sighting", "dir=in")
    second.wait("sighting", "dir=in")
    # there is a table: its counts are the truth
    assert not any(line.startswith("count") for line in second.ask()[0])
    second.stop()
    first.stop()


def test_without_net_admin_it_falls_back(lab):
    sensor = Sensor(lab, wrapper=("capsh", "--drop=cap_net_admin", "--shell=/usr/bin/env", "--", "--"))
    assert "state=interface" in sensor.status
    assert "NFLOG needs CAP_NET_ADMIN, which is missing" in sensor.status
    lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    sensor.wait("sighting", "dir=in")
    sensor.stop()


def test_without_any_capability_it_says_so_and_lives(lab):
    sensor = Sensor(lab, wrapper=("capsh", "--drop=cap_net_admin,cap_net_raw", "--shell=/usr/bin/env", "--", "--"))
    assert "state=failed" in sensor.status
    assert "CAP_NET_ADMIN" in sensor.status and "CAP_NET_RAW" in sensor.status
    sensor.stop()


def test_missing_interface_is_said(lab):
    sensor = Sensor(lab, "[capture]\nmethod = interface\ninterface = nowhere0\n")
    assert "state=failed" in sensor.status and "interface nowhere0 does not exist" in sensor.status
    sensor.stop()


def test_vanished_interface_asks_for_a_new_sensor(lab):
    sensor = Sensor(lab, "[capture]\nmethod = interface\ninterface = to-listed\n")
    assert "state=interface" in sensor.status
    labs.run("ip", "-n", lab.agent, "link", "del", "to-listed")
    sensor.wait("exit", "75")


def test_what_was_counted_is_told_before_it_ends(lab):
    """However it ends, and however many remotes there are: nobody else counts with mode = off."""
    sensor = Sensor(lab, "[enforce]\nmode = off\n[capture]\nmethod = interface\ninterface = to-listed\n")
    lab.inside(lab.listed, "ping", "-n", "-c", "20", "-i", "0.005", labs.AGENT_AT_LISTED)
    time.sleep(0.2)  # a block of the ring that is not full
    labs.run("ip", "-n", lab.agent, "link", "del", "to-listed")
    sensor.wait("exit", "75")
    counts = [fields(line) for line in sensor.seen if line.startswith("count")]
    assert max(int(count["packets"]) for count in counts if count["dir"] == "in") == 20


def test_more_remotes_than_are_counted_are_said(lab):
    """From a prefix of 65,536 addresses, slowly enough for the capture to see each packet."""
    sensor = Sensor(lab, "[enforce]\nmode = off\n[capture]\nmethod = interface\ninterface = to-listed\n")
    sensor.list.write_text("198.18.0.0/16\n")
    sensor.order(f"list {sensor.list}")
    mac = json.loads(labs.run("ip", "-n", lab.agent, "-j", "link", "show", "to-listed").stdout)[0]["address"]
    remotes = lab.work / "remotes"
    for first in range(0, 20000, 1000):
        remotes.write_bytes(b"".join(bytes([198, 18, i >> 8, i & 255]) for i in range(first, first + 1000)))
        lab.inside(lab.listed, labs.BUILD / "test/system/tool_flood", "-m", mac, "-n", "1000", "eth0",
                   labs.AGENT_AT_LISTED, remotes)
        time.sleep(0.02)

    def all_said():
        """It looks every three seconds, and may have looked when only some had come."""
        status = sensor.ask()[1]
        return "in no count" in status["warning"] and \
            int(status["warning"].split()[0]) >= 20000 - int(status["lost"]) - 16384
    assert labs.until(all_said), sensor.ask()[1]
    assert labs.until(lambda: "packets not counted packets=" in sensor.said())
    sensor.stop()


def test_interface_that_goes_down_and_then_vanishes_too(lab):
    """Of the removal itself the socket tells nothing any more: it was told that the interface is down."""
    sensor = Sensor(lab, "[capture]\nmethod = interface\ninterface = to-listed\n")
    labs.run("ip", "-n", lab.agent, "link", "set", "to-listed", "down")
    assert sensor.ask()[1]["state"] == "interface"
    labs.run("ip", "-n", lab.agent, "link", "del", "to-listed")
    sensor.wait("exit", "75")


def test_interface_that_goes_down_and_up_is_still_seen(lab):
    sensor = Sensor(lab, "[capture]\nmethod = interface\ninterface = to-listed\n")
    labs.run("ip", "-n", lab.agent, "link", "set", "to-listed", "down")
    labs.run("ip", "-n", lab.agent, "link", "set", "to-listed", "up")
    labs.until(lambda: lab.ping(lab.listed, labs.AGENT_AT_LISTED))
    sensor.wait("sighting", "dir=in")
    sensor.stop()


def test_dead_parent_ends_it(lab):
    sensor = Sensor(lab)
    sensor.process.kill()
    assert labs.until(lambda: not pathlib.Path(f"/proc/{sensor.pid}").exists())
