# SPDX-License-Identifier: GPL-3.0-or-later
"""threatlistctl replay on captures whose every byte is ours (captures.py), against readable answers.

UPDATE_GOLDEN=1 writes the answers anew; read the difference before it is kept.
"""
import json
import os
import pathlib
import re
import subprocess

import pytest

import captures

CTL = pathlib.Path(os.environ.get("B", "build"), "threatlistctl").resolve()
CASES = captures.cases()


def replay(*arguments, capture=None):
    return subprocess.run([CTL, "replay", "--scope", "any", *arguments], cwd=captures.HERE, capture_output=True,
                          text=True, input=capture, check=False)


def one_version(text):
    return re.sub(r'"version":"[^"]*"', '"version":"V"', text)


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    data, arguments = CASES[name]
    assert (captures.HERE / f"{name}.pcap").read_bytes() == data, "captures.py was not run"
    done = replay("--list", "threat.txt", *arguments, "--packets", f"{name}.pcap")
    answer = captures.HERE / f"{name}.jsonl"
    if os.environ.get("UPDATE_GOLDEN"):
        answer.write_text(one_version(done.stdout))
    assert done.returncode == 0, done.stderr
    assert one_version(done.stdout) == answer.read_text()
    assert all(json.loads(line) for line in done.stdout.splitlines())


def test_without_packets_only_findings():
    whole = replay("--list", "threat.txt", "--packets", "inbound-scan.pcap").stdout.splitlines()
    found = replay("--list", "threat.txt", "inbound-scan.pcap").stdout.splitlines()
    assert found == [line for line in whole if "schemaVersion" in line]


def test_public_scope_is_the_default():
    done = subprocess.run([CTL, "replay", "--list", "threat.txt", "--packets", "raw-ping.pcap"], cwd=captures.HERE,
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_stdin():
    done = subprocess.run([CTL, "replay", "--scope", "any", "--list", "threat.txt", "--packets", "-"],
                          cwd=captures.HERE, input=CASES["raw-ping"][0], capture_output=True, check=False)
    assert done.returncode == 0
    assert one_version(done.stdout.decode()) == (captures.HERE / "raw-ping.jsonl").read_text()


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_cut_capture_prints_what_was_read(tmp_path, cut):
    path = tmp_path / "cut.pcap"
    path.write_bytes(CASES["raw-ping"][0][:-cut])
    done = replay("--list", "threat.txt", "--packets", str(path))
    assert done.returncode == 1
    assert "not read to its end, after frame 1" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["frame"] == 1 and lines[0]["src"] == captures.BAD4
    assert [line["service"]["additionalInfo"]["threatlistd"]["packetsFromRemote"] for line in lines[1:]] == [1]


@pytest.mark.parametrize("content, said", [
    (b"", "truncated"), (b"no capture at all, only text", "unknown file format"),
    (captures.pcap(147, []), "link type"),
])
def test_no_capture(tmp_path, content, said):
    path = tmp_path / "no.pcap"
    path.write_bytes(content)
    done = replay("--list", "threat.txt", str(path))
    assert done.returncode == 1 and said in done.stderr and done.stdout == ""


@pytest.mark.parametrize("arguments", [
    [], ["raw-ping.pcap"], ["--list", "threat.txt"], ["--list", "threat.txt", "--layers", "some", "raw-ping.pcap"],
    ["--list", "threat.txt", "--local", "10.0.0.0/33", "raw-ping.pcap"], ["--nonsense"],
])
def test_usage(arguments):
    assert replay(*arguments).returncode == 2


def test_missing_files():
    assert replay("--list", "nowhere.txt", "raw-ping.pcap").returncode == 1
    done = replay("--list", "threat.txt", "nowhere.pcap")
    assert done.returncode == 1 and "nowhere.pcap" in done.stderr


def test_full_disk_is_told():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([CTL, "replay", "--scope", "any", "--list", "threat.txt", "raw-ping.pcap"],
                              cwd=captures.HERE, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and done.stderr.count(b"No space left on device") == 1


def test_help():
    assert "--packets" in replay("--help").stdout
