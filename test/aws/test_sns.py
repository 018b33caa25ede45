# SPDX-License-Identifier: GPL-3.0-or-later
"""The sns sink: the reporter against the stand-in."""

import json

import pytest

from reporting import Reporting, ours, until


@pytest.fixture
def reporting(tmp_path):
    with Reporting(tmp_path) as one:
        one.topic = one.aws.topic(name="alarms")
        one.sink = f"[sink people]\ntype = sns\ntopic = {one.topic}\n"
        yield one


def attached(message):
    """The findings below the text."""
    return [json.loads(line) for line in message["message"].splitlines() if line.startswith("{")]


def test_a_message(reporting):
    reporter = reporting.start(reporting.sink)
    reporter.sighting("203.0.113.9", flow="out", local_port=40000, remote_port=443)
    assert until(lambda: len(reporting.aws.messages()) == 1)
    message = reporting.aws.messages()[0]
    finding, = attached(message)
    assert message["topic"] == reporting.topic
    assert message["subject"].startswith("threatlistd ") and "203.0.113.9" in message["subject"]
    text = message["message"]
    assert text.startswith(finding["title"] + "\n\n" + finding["description"])
    for part in ("i-0abc", "vpc-0a1b2c3d", "203.0.113.9", "abuse", f"threatlistctl show {finding['id']}"):
        assert part in text.split("The finding as JSON")[0]
    assert ours(finding)["sequence"] == 1
    reporting.is_clean()


def test_events_and_long_names(reporting):
    reporter = reporting.start(reporting.sink + "events = all\n", host="i-" + "0" * 110)
    for name in range(1, 9):
        reporter.say(f"event {name} {name} 1760000000000 " + "ä" * 100)
    assert until(lambda: len(reporting.aws.messages()) == 8)
    assert all(len(message["subject"]) < 100 for message in reporting.aws.messages())
    reporting.is_clean()


def test_no_more_than_so_many_in_an_hour(reporting):
    reporter = reporting.start(reporting.sink + "max_per_hour = 2\n")
    for i in range(1, 21):
        reporter.count(f"203.0.113.{i}", i)
    assert until(lambda: len(reporting.aws.messages()) == 2 and reporter.status()[0][0]["pending"] == 18)
    sink = reporter.status()[0][0]
    assert (sink["sequence"], sink["error"]) == (2, "")  # what waits is not frozen, and nothing is wrong
    assert [ours(attached(m)[0])["sequence"] for m in reporting.aws.messages()] == [1, 2]
    reporting.is_clean()


def test_trouble_and_recovery(reporting):
    reporting.aws.fault("sns", "throttle", times=1)
    reporter = reporting.start(reporting.sink)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: len(reporting.aws.messages()) == 1, seconds=30)
    reporting.aws.fault("sns", "error", status=404, code="NotFound", message="Topic does not exist", times=-1)
    reporter.count("203.0.113.2", 1)
    assert until(lambda: "NotFound: Topic does not exist" in reporter.status()[0][0]["error"])
    assert reporter.status()[0][0]["refused"] == 0
    reporting.aws.clear_faults()
    assert until(lambda: len(reporting.aws.messages()) == 2, seconds=60)
    reporting.is_clean()
