# SPDX-License-Identifier: GPL-3.0-or-later
"""The securityhub sink: the reporter against the stand-in, which takes what Security Hub would take."""

import json

import pytest

from reporting import ACCOUNT, REGION, Reporting, until

SINK = "[sink hub]\ntype = securityhub\nspread = off\n"


@pytest.fixture
def reporting(tmp_path):
    with Reporting(tmp_path) as one:
        yield one


def feed(reporter, n, first=1):
    for i in range(first, first + n):
        reporter.count(f"203.0.113.{i}", i)


def sequence(finding):
    return int(finding["ProductFields"]["threatlistd/sequence"])


def sequences(reporting):
    return sorted(sequence(finding) for finding in reporting.aws.findings())


def test_findings_and_events(reporting):
    reporter = reporting.start(SINK + "events = all\n")
    reporter.sighting("203.0.113.9", flow="out", local_port=40000, remote_port=443)
    reporter.say("sighting 2001:db8::9 2001:db8::/32 in 58 0 0")
    for name in range(1, 9):
        reporter.say(f"event {name} {name} 1760000000000 why")
    assert until(lambda: len(reporting.aws.findings()) == 10)
    got = {finding["Title"]: finding for finding in reporting.aws.findings()}
    first = next(f for title, f in got.items() if "203.0.113.9" in title)
    assert first["ProductArn"] == f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"
    assert first["Network"]["DestinationPort"] == 443 and first["Network"]["Direction"] == "OUT"
    sixth = next(f for title, f in got.items() if "2001:db8::9" in title)
    assert sixth["Network"]["SourceIpV6"] == "2001:db8::9"
    assert sequences(reporting) == list(range(1, 11))
    reporting.is_clean()


def test_only_what_failed_is_repeated(reporting):
    reporting.aws.fault("securityhub", "error", status=500, times=1)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: reporting.aws.calls("securityhub"))
    reporting.aws.fault("securityhub", "partial", indexes=[0, 2], code="InternalError", times=1, skip=1)
    feed(reporter, 6, first=2)
    assert until(lambda: sequences(reporting) == list(range(1, 8)))
    bodies = {}
    for call in reporting.aws.calls("securityhub"):
        for finding in json.loads(call["body"])["Findings"]:
            assert bodies.setdefault(sequence(finding), finding) == finding
    # each was stored once: none was sent again that had been taken
    assert [i["ignored"] for i in reporting.aws.imports()] == [False] * 7
    reporting.is_clean()


def test_invalid_input_is_kept_and_shown(reporting):
    reporting.aws.fault("securityhub", "partial", indexes=[0], code="InvalidInput", message="odd", times=1)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: reporter.status()[0][0]["refused"] == 1)
    assert reporter.status()[0][0]["error"] == "refused: securityhub: InvalidInput: odd"
    reporter.count("203.0.113.2", 1)
    assert until(lambda: sequences(reporting) == [2])
    reporting.is_clean()


def test_switched_off_is_not_hammered(reporting):
    reporting.aws.security_hub(enabled=False)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: "InvalidAccessException" in reporter.status()[0][0]["error"])
    assert "not subscribed to AWS Security Hub" in reporter.status()[0][0]["error"]
    feed(reporter, 20, first=2)
    assert until(lambda: reporter.status()[0][0]["pending"] == 21)
    assert len(reporting.aws.calls("securityhub")) == 1
    reporting.is_clean()


def test_throttling_is_waited_out(reporting):
    reporting.aws.fault("securityhub", "throttle", times=2)
    reporter = reporting.start(SINK)
    feed(reporter, 3)
    assert until(lambda: len(reporting.aws.findings()) == 3, seconds=30)
    assert until(lambda: reporter.status()[0][0]["error"] == "")
    reporting.is_clean()


def test_a_host_whose_account_is_unknown_waits(reporting):
    reporter = reporting.start(SINK, host="m-0abc")
    reporter.count("203.0.113.1", 1)
    assert until(lambda: reporter.status()[0][0]["pending"] == 1)
    sink = reporter.status()[0][0]
    assert "account and region are not known yet" in sink["error"]
    assert sink["sequence"] == 0 and not reporting.aws.calls("securityhub")
    reporting.is_clean()


def test_product_and_region(reporting):
    product = f"arn:aws:securityhub:{REGION}::product/ours/agent"
    reporter = reporting.start(SINK + f"product_arn = {product}\n")
    reporter.count("203.0.113.1", 1)
    # the stand-in knows the default product alone
    assert until(lambda: f"ProductArn {product} is not" in reporter.status()[0][0]["error"])
    reporting.is_clean("asff")


def test_the_first_delivery_is_spread(reporting):
    reporter = reporting.start("[sink hub]\ntype = securityhub\nspread = 1h\n")
    feed(reporter, 5)
    assert until(lambda: reporter.status()[0][0]["pending"] == 5)
    sink = reporter.status()[0][0]
    assert (sink["sequence"], sink["error"]) == (0, "") and not reporting.aws.calls("securityhub")


def test_asff_for_any_collector(reporting, tmp_path):
    path = tmp_path / "asff.jsonl"
    reporter = reporting.start(f"[sink lines]\ntype = file\npath = {path}\nformat = asff\n")
    reporter.count("203.0.113.1", 1)
    assert until(lambda: path.exists() and path.read_text().endswith("\n"))
    assert json.loads(path.read_text())["SchemaVersion"] == "2018-10-08"
