# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own public address on a list: one finding at once, to every sink, until it changes."""

import json

import pytest

from reporting import Reporting, ours, until
from workshop import RULES
from world import STATIC_SECRET

TYPE = "UnauthorizedAccess:EC2/OwnAddressListed.Custom"
SINKS = "[sink bus]\ntype = eventbridge\nevents = none\n[sink hub]\ntype = securityhub\nspread = off\n"


@pytest.fixture
def reporting(tmp_path):
    with Reporting(tmp_path) as one:
        yield one


def told(reporting):
    return [event["event"]["detail"] for event in reporting.aws.events()]


def both_have(reporting, n):
    """Each sink goes at its own pace: what one has not got of a finding when it changes, it gets once."""
    return until(lambda: len(told(reporting)) == n and len(reporting.aws.imports()) == n)


def test_it_is_told_at_once_and_whole(reporting):
    for name, pattern in RULES.items():
        reporting.aws.rule(name=name, pattern=pattern)
    reporter = reporting.start(SINKS)
    reporter.say("own 203.0.113.7")
    assert until(lambda: told(reporting) and reporting.aws.findings())
    finding, = told(reporting)
    assert (finding["type"], finding["severity"]) == (TYPE, 8)
    key = finding["resource"]["accessKeyDetails"]
    assert key["accessKeyId"].startswith("ASIA") and key["userType"] == "AssumedRole" and key["userName"]
    mine = ours(finding)
    assert mine["entry"] == "203.0.113.0/24" and mine["lists"] == ["abuse"]
    assert mine["event"] == {"name": "own-address-listed", "address": "203.0.113.7", "privateAddress": "10.0.0.5",
                             "interface": "eni-7"}
    evidence = finding["service"]["evidence"]["threatIntelligenceDetails"]
    assert [detail["threatListName"] for detail in evidence] == ["abuse"]
    text = finding["description"]
    for part in ("203.0.113.7", "abuse", key["accessKeyId"], key["userName"], "last hour", "last day", "CloudTrail",
                 "revoke the role's sessions"):
        assert part in text
    assert len(text) <= 1024 and STATIC_SECRET not in json.dumps(finding)
    imported, = reporting.aws.findings()
    assert imported["FindingProviderFields"]["Types"] == [
        "TTPs/Command and Control/UnauthorizedAccess:EC2-OwnAddressListed.Custom"]
    assert imported["Resources"][1]["Details"]["AwsIamAccessKey"]["AccessKeyId"] == key["accessKeyId"]
    assert reporting.aws.matches() == []
    reporting.is_clean()


def test_once_until_it_changes(reporting):
    reporter = reporting.start(SINKS)
    reporter.say("own 203.0.113.7", "facts i-0abc", "list 203.0.113.0/24", "own 203.0.113.7")
    assert both_have(reporting, 1)
    reporter.say("list 203.0.113.7/32")  # another entry
    assert both_have(reporting, 2)
    reporter.say("list 198.51.100.0/24", "list 203.0.113.7/32")  # away, and back
    assert both_have(reporting, 3)
    assert [ours(finding)["revision"] for finding in told(reporting)] == [1, 2, 3]
    assert len({finding["id"] for finding in told(reporting)}) == 1
    reporter.stop()
    reporter.close()
    again = reporting.start(SINKS)
    again.say("list 203.0.113.7/32", "own 203.0.113.7")
    assert [row["type"] for row in again.findings()] == [TYPE]
    again.count("203.0.113.9", 1)
    assert both_have(reporting, 4)
    assert told(reporting)[-1]["type"] != TYPE
    # Security Hub took each of them for newer
    assert [one["ignored"] for one in reporting.aws.imports()] == [False] * 4
    reporting.is_clean()


def test_without_keys_it_is_told_all_the_same(reporting):
    reporting.aws.role(name="")
    path = reporting.folder / "lines"
    reporter = reporting.start(f"[sink lines]\ntype = file\npath = {path}\nmin_severity = 8\n")
    reporter.say("own 203.0.113.7")
    assert until(lambda: path.exists() and path.read_text().endswith("\n"))
    finding = json.loads(path.read_text())
    assert finding["type"] == TYPE and "accessKeyDetails" not in finding["resource"]
    assert "CloudTrail" in finding["description"]
