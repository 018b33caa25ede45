# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP sink against a collector that behaves, and one that does not (contract §5)."""

import json
import re
import socket
import subprocess
import time

import pytest

from lab import BUILD, SANITIZED
from reporterlib import (TOOL, Collector, Reporter, file_sink, http_sink, lines_of, ours, remote_of, until,
                         write_config)


@pytest.fixture
def reporters():
    started = []

    def start(*args, **kwargs):
        started.append(Reporter(*args, **kwargs))
        return started[-1]

    yield start
    for reporter in started:
        reporter.close()


@pytest.fixture
def collectors():
    started = []

    def start(*args):
        started.append(Collector(*args))
        return started[-1]

    yield start
    for collector in started:
        collector.close()


def feed(reporter, n, first=1):
    for i in range(first, first + n):
        reporter.count(f"203.0.113.{i}", i)


def delivered(reporter, sequence):
    """Of one and the same status: at two moments each half can be true of a different number of findings."""
    sink = reporter.status()[0][0]
    return sink["sequence"] == sequence and sink["pending"] == 0


def span(request):
    sequences = [ours(f)["sequence"] for f in request["findings"]]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert request["headers"]["X-Threatlistd-Sequence"] == f"{sequences[0]}-{sequences[-1]}"
    return sequences


def test_form_of_a_request(tmp_path, reporters, collectors):
    collector = collectors()
    token, headers = tmp_path / "token", tmp_path / "headers"
    token.write_text("s3cret\n")
    headers.write_text("# comment\nX-Team: blue\n\nX-Odd: a: b\n")
    reporter = reporters(write_config(tmp_path, http_sink(collector.url, more=f"token_file = {token}\n"
                                                          f"header_file = {headers}\nbatch = 7")))
    feed(reporter, 30)
    assert until(lambda: len(collector.accepted()) == 30)
    version = subprocess.run([BUILD / "threatlistd", "--version"], capture_output=True, text=True).stdout.split()[1]
    for request in collector.requests:
        sent = request["headers"]
        assert sent["Content-Type"] == "application/json" and sent["User-Agent"] == f"threatlistd/{version}"
        assert sent["X-Threatlistd-Host"] == "i-0abc" and sent["Authorization"] == "Bearer s3cret"
        assert sent["X-Team"] == "blue" and sent["X-Odd"] == "a: b"
        assert {sent["X-Threatlistd-Spool"]} == {ours(f)["spool"] for f in request["findings"]}
        assert "Expect" not in sent and len(span(request)) <= 7
    # tokens are rotated under a running agent
    token.write_text("rotated")
    reporter.count("203.0.113.200", 1)
    assert until(lambda: len(collector.accepted()) == 31)
    assert collector.requests[-1]["headers"]["Authorization"] == "Bearer rotated"


def test_first_sight_is_reported_within_a_second(tmp_path, reporters, collectors):
    collector = collectors()
    reporter = reporters(write_config(tmp_path, http_sink(collector.url)))
    reporter.status()
    began = time.monotonic()
    reporter.sighting("203.0.113.9")
    assert until(lambda: collector.requests, pause=0.005)
    assert time.monotonic() - began < (3 if SANITIZED else 1)
    finding, = collector.requests[0]["findings"]
    assert finding["service"]["action"]["networkConnectionAction"]["blocked"] is True
    began = time.monotonic()
    reporter.count("203.0.113.10", 4)
    assert until(lambda: len(collector.requests) == 2, pause=0.005)
    assert time.monotonic() - began < (3 if SANITIZED else 1)


@pytest.mark.parametrize("trouble", [(503, {}), (429, {}), (408, {}), (425, {}), (500, {}), None,
                                     (200, {"Content-Length": "1000", "Connection": "close"})])
def test_same_body_again(tmp_path, reporters, collectors, trouble):
    collector = collectors(lambda request: trouble if request["number"] < 2 else (204, {}))
    reporter = reporters(write_config(tmp_path, http_sink(collector.url)))
    feed(reporter, 5)
    assert until(lambda: len(collector.requests) >= 3, 30)
    first, second, third = collector.requests[:3]
    assert first["body"] == second["body"] == third["body"]
    assert first["headers"]["X-Threatlistd-Sequence"] == third["headers"]["X-Threatlistd-Sequence"]
    # what came meanwhile is delivered after it, nothing is missing
    feed(reporter, 5, first=6)
    assert until(lambda: set(collector.accepted()) == set(range(1, 11)))


@pytest.mark.parametrize("before", ["guardduty", "asff"])
def test_what_waits_takes_the_form_of_a_new_config(tmp_path, reporters, collectors, before):
    after = "asff" if before == "guardduty" else "guardduty"
    busy = [True]
    # no second request, which would be under way when the first reporter is killed
    collector = collectors(lambda request: (503, {"Retry-After": "600"}) if busy else (200, {}))

    def config(form):
        return write_config(tmp_path, http_sink(collector.url, more=f"format = {form}"),
                            agent="account = 123456789012\nregion = eu-central-1")

    def native(finding):
        return "schemaVersion" in finding

    first = reporters(config(before))
    feed(first, 5)
    # all five: what is in memory alone goes with the first reporter
    assert until(lambda: collector.requests and first.status()[1]["undelivered"] == 5)
    assert {native(f) for f in collector.requests[0]["findings"]} == {before == "guardduty"}
    first.kill()
    tried = len(collector.requests)
    busy.clear()
    second = reporters(config(after))
    feed(second, 1, first=6)
    assert until(lambda: delivered(second, 6)), second.status()
    got = [f for r in collector.requests[tried:] for f in r["findings"]]
    assert {native(f) for f in got} == {after == "guardduty"}
    place = [ours(f)["sequence"] if native(f) else int(f["ProductFields"]["threatlistd/sequence"]) for f in got]
    assert place == list(range(1, 7))


def test_retry_after_is_kept_to(tmp_path, reporters, collectors):
    times = []

    def answer(request):
        times.append(time.monotonic())
        return (429, {"Retry-After": "2"}) if len(times) == 1 else (200, {})

    reporter = reporters(write_config(tmp_path, http_sink(collectors(answer).url)))
    feed(reporter, 1)
    assert until(lambda: (sink := reporter.status()[0][0])["state"] == 2 and "429" in sink["error"])
    assert until(lambda: len(times) == 2)
    assert times[1] - times[0] >= 2
    assert until(lambda: (sink := reporter.status()[0][0])["state"] == 0 and sink["error"] == "")


def test_too_large_is_halved(tmp_path, reporters, collectors):
    collector = collectors(lambda request: (413, {}) if len(request["findings"]) > 3 else (200, {}))
    reporter = reporters(write_config(tmp_path, http_sink(collector.url, more="batch = 50")))
    feed(reporter, 40)
    assert until(lambda: set(collector.accepted()) == set(range(1, 41)))
    assert all(span(r) for r in collector.requests)
    assert reporter.status()[0][0]["refused"] == 0


@pytest.mark.parametrize("status", [400, 404, 301, 308, 403])
def test_refusal_is_split_down_to_the_one(tmp_path, reporters, collectors, status):
    bad = {"203.0.113.7", "203.0.113.23"}

    def answer(request):
        if bad & {remote_of(f) for f in request["findings"]}:
            return status, {"Location": "/elsewhere"} if status < 400 else {}
        return 200, {}

    collector = collectors(answer)
    reporter = reporters(write_config(tmp_path, http_sink(collector.url)))
    feed(reporter, 40)
    good = {f"203.0.113.{i}" for i in range(1, 41)} - bad
    assert until(lambda: {remote_of(f) for f in collector.accepted().values()} == good)
    assert until(lambda: reporter.status()[0][0]["refused"] == 2)
    assert {r["path"] for r in collector.requests} == {"/report"}
    # the collector has the last ones before its answer is known here
    assert until(lambda: reporter.findings(undelivered=1) == [])
    finding = next(f for f in reporter.findings() if remote_of(f) == "203.0.113.7")
    shown, = reporter.show(finding["id"])
    delivery, = shown["deliveries"]
    assert delivery["state"] == "refused" and str(status) in delivery["lastError"]
    # whoever reads of it in the log can have it shown
    assert until(lambda: any("finding refused" in line and f"id={finding['id']} " in line and f"HTTP status {status}" in line
                             for line in reporter.log)), reporter.log


def test_dead_collector_holds_up_nobody(tmp_path, reporters, collectors):
    out = tmp_path / "out.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        collector = collectors()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        reporter = reporters(write_config(tmp_path, http_sink(url, "silent"), http_sink(collector.url),
                                          file_sink(out)))
        reporter.status()
        began = time.monotonic()
        feed(reporter, 3)
        assert until(lambda: len(lines_of(out)) == 3 and len(collector.accepted()) == 3, pause=0.01)
        assert time.monotonic() - began < (3 if SANITIZED else 1)
        sinks, status = reporter.status()
        assert sinks[0]["pending"] == 3 and status["undelivered"] == 3
        # ending does not wait for it, and what it has not got is kept
        began = time.monotonic()
        assert reporter.stop() == 0
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://127.0.0.1@192.0.2.1/", "http://localhost.example/",
                                 "http://127.0.0.1.example/"])
def test_token_goes_nowhere_in_the_clear(tmp_path, url):
    config = write_config(tmp_path, http_sink(url, more=f"token_file = {tmp_path}/token"))
    done = subprocess.run([TOOL, config, "i-0abc"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and f"{config}:" in done.stderr


def test_token_by_credential(tmp_path, reporters, collectors):
    collector = collectors()
    (tmp_path / "collector-token").write_text("from systemd\n")
    config = write_config(tmp_path, http_sink(collector.url, more="token_credential = collector-token"))
    reporter = reporters(config, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    feed(reporter, 1)
    assert until(lambda: collector.requests)
    assert collector.requests[0]["headers"]["Authorization"] == "Bearer from systemd"


def test_missing_token_file_is_said_and_waited_for(tmp_path, reporters, collectors):
    collector = collectors()
    token = tmp_path / "token"
    reporter = reporters(write_config(tmp_path, http_sink(collector.url, more=f"token_file = {token}")))
    feed(reporter, 1)
    assert until(lambda: str(token) in reporter.status()[0][0]["error"])
    token.write_text("there now")
    assert until(lambda: collector.accepted(), 20)
    assert len(collector.requests) == 1


def test_bodies_stay_below_a_mebibyte(tmp_path, reporters, collectors):
    collector = collectors()
    reporter = reporters(write_config(tmp_path, http_sink(collector.url, more="batch = 500"),
                                      agent="max_findings = 100000"))
    # distinct entries, so that no flood folds them
    for i in range(1000):
        remote = f"198.18.{i // 250}.{i % 250 + 1}"
        reporter.say(f"count {remote} {remote} in dropped 1 1 60 1")
    assert until(lambda: len(collector.accepted()) == 1000, 60)
    assert max(len(r["body"]) for r in collector.requests) <= 1 << 20
    assert set(collector.accepted()) == set(range(1, 1001))
    assert all(re.fullmatch(rb"\[\{.*\}\]", r["body"]) and json.loads(r["body"]) for r in collector.requests)


BEAT = '{"type":"threatlistd Heartbeat","hostId":"i-0abc","warnings":[]}'


def test_heartbeat_has_no_sequence_and_is_not_kept(tmp_path, collectors, reporters):
    collector = collectors()
    reporter = reporters(write_config(tmp_path, http_sink(collector.url)))
    reporter.say("heartbeat " + BEAT)
    assert until(lambda: len(collector.requests) == 1)
    request = collector.requests[0]
    assert request["body"].decode() == f"[{BEAT}]"
    assert "X-Threatlistd-Sequence" not in request["headers"] and request["headers"]["X-Threatlistd-Spool"]
    feed(reporter, 1)
    assert until(lambda: len(collector.requests) == 2)
    assert collector.requests[1]["headers"]["X-Threatlistd-Sequence"] == "1-1"
    # the collector has it before its answer is known here
    assert until(lambda: [(s["sequence"], s["pending"]) for s in reporter.status()[0]] == [(1, 0)])
    assert len(reporter.findings()) == 1


def test_of_heartbeats_that_cannot_go_the_last_one_goes(tmp_path, collectors, reporters):
    down = [True]
    collector = collectors(lambda request: (503, {"Retry-After": "5"}) if down[0] else (200, {}))
    reporter = reporters(write_config(tmp_path, http_sink(collector.url)))
    reporter.say("heartbeat " + BEAT)
    assert until(lambda: reporter.status()[0][0]["error"] != "")  # seen, though nothing else is to be told
    for number in range(5):
        reporter.say("heartbeat " + BEAT.replace("i-0abc", f"i-{number}"))
    reporter.status()  # it has read them all, in the pause
    down[0] = False
    assert until(collector.taken, 30)
    assert until(lambda: reporter.status()[0][0]["error"] == "")
    assert [f["hostId"] for f in collector.taken()] == ["i-4"]


def test_heartbeat_does_not_overtake_what_fails_nor_hold_it_up(tmp_path, collectors, reporters):
    collector = collectors(lambda request: (400, {}) if request["findings"][0].get("hostId") else (200, {}))
    reporter = reporters(write_config(tmp_path, http_sink(collector.url)))
    reporter.say("heartbeat " + BEAT)
    feed(reporter, 3)
    assert until(lambda: len(collector.accepted_ids()) == 3)
    (sink,), _ = reporter.status()
    assert sink["refused"] == 0
