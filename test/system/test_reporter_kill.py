# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the reporter at random instants: nothing accepted is lost, repeats are byte for byte the same."""

import json
import os
import random
import sqlite3
import time

from lab import SANITIZED
from reporterlib import (Collector, Reporter, file_sink, http_sink, ours, remote_of, spool, until, write_config)

ROUNDS = 8 if SANITIZED else 25
STRIDE = 1000000  # event ids of a round: more than one can send
REMOTES = 120


def grow(dice, cumulative):
    """One remote's counter grows; what the ledger would say of it."""
    remote = f"198.18.{dice.randrange(2)}.{dice.randrange(REMOTES // 2) + 1}"
    cumulative[remote] = cumulative.get(remote, 0) + dice.randrange(1, 5)
    return f"count {remote} {remote} in dropped 1 {cumulative[remote]} {cumulative[remote] * 60} {cumulative[remote]}"


def recount(cumulative):
    return [f"count {r} {r} in dropped 1 {n} {n * 60} {n}" for r, n in cumulative.items()]


def feed_until_killed(reporter, dice, cumulative, number):
    """Feeds for a random time; the events that were acknowledged."""
    end = time.monotonic() + dice.random() * 0.6
    n, kept = 0, []
    reporter.say(*recount(cumulative))
    while time.monotonic() < end:
        n += 1
        reporter.say(grow(dice, cumulative), f"event {number * STRIDE + n} 4 17000000{number:05d} event {number}/{n}")
        try:
            line = reporter.next(0.02)
            if "kept" in line:
                kept.append(line["kept"])
        except Exception:
            pass
    reporter.kill()
    while not reporter.lines.empty():
        line = reporter.lines.get()
        if "kept" in line:
            kept.append(line["kept"])
    return kept


def check_stream(bodies, last):
    """Contiguous from 1 to last; the same sequence always with the same bytes."""
    by_sequence = {}
    for body in bodies:
        sequence = ours(json.loads(body))["sequence"]
        assert by_sequence.setdefault(sequence, body) == body, sequence
    assert sorted(by_sequence) == list(range(1, last + 1))
    return [json.loads(body) for body in by_sequence.values()]


def test_nothing_accepted_is_lost(tmp_path):
    dice = random.Random(os.environ.get("SEED", "7411"))
    answers = random.Random(1)
    out = tmp_path / "out.jsonl"
    collector = Collector(lambda request: answers.choice([(200, {}), (200, {}), (503, {}), None]))
    config = write_config(tmp_path, file_sink(out), http_sink(collector.url, more="batch = 5\nevents = all"))
    cumulative, kept = {}, set()
    try:
        for number in range(ROUNDS):
            kept.update(feed_until_killed(Reporter(config), dice, cumulative, number))
            database = sqlite3.connect(tmp_path / "state/spool.db")
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            database.close()
        collector.answer = lambda request: (200, {})
        last = Reporter(config)
        last.say(*recount(cumulative))

        def all_told():
            """Also of remotes that it heard of just now: such a count waits for its sighting before it is pending."""
            status = last.status()[1]
            return status["live"] == len(cumulative) and status["pending"] == 0
        assert until(all_told, 30), last.status()
        sinks, _ = last.status()
        assert last.stop() == 0
    finally:
        collector.close()
    streams = (out.read_bytes().splitlines(),
               [part for request in collector.requests for part in split_array(request["body"])])
    for body, sink in zip(streams, sinks):
        findings = check_stream(body, sink["sequence"])
        told = {remote_of(f) for f in findings if f["type"].startswith("Unauthorized")}
        assert told == set(cumulative)
        events = {ours(f)["event"]["reason"] for f in findings if "event" in ours(f)}
        assert {f"event {i // STRIDE}/{i % STRIDE}" for i in kept} <= events
    counted = dict(spool(tmp_path).execute("SELECT remote, in_packets FROM finding WHERE NOT event"))
    assert counted == cumulative


def split_array(body):
    """The elements of a JSON array of objects, as the bytes they came as."""
    text, at, parts = body.decode(), 1, []
    decoder = json.JSONDecoder()
    while at < len(text) - 1:
        _, end = decoder.raw_decode(text, at)
        parts.append(text[at:end].encode())
        at = end + 1
    return parts
