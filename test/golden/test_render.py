# SPDX-License-Identifier: GPL-3.0-or-later
"""The native form of findings against readable golden files, GuardDuty's own model and the contract."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess

import botocore.session
import pytest

HERE = pathlib.Path(__file__).parent / "render"
TOOL = pathlib.Path(os.environ.get("B", "build")) / "test/system/tool_render"
HOST = {"111122223333": "i-0abc", "000000000000": "m-5f2a"}

# GuardDuty has them on the wire, but not in the model of botocore 1.29 (or never in a model: the
# flat members of additionalInfo), plus our own.
BESIDE_THE_MODEL = {
    "service.action.networkConnectionAction.localNetworkInterface",
    "service.action.networkConnectionAction.localIpDetails.ipAddressV6",
    "service.action.networkConnectionAction.remoteIpDetails.ipAddressV6",
    "service.additionalInfo.threatListName",
    "service.additionalInfo.threatlistd",
}
TYPES = {"string": str, "boolean": bool, "integer": int, "double": (int, float), "structure": dict, "list": list}


@pytest.fixture(scope="module")
def lines():
    out = subprocess.run([TOOL], capture_output=True, check=True).stdout.decode("utf-8")
    return out.splitlines()


@pytest.fixture(scope="module")
def findings(lines):
    return [json.loads(line) for line in lines]


def test_is_as_before(findings):
    names = sorted(path.stem for path in HERE.glob("*.json"))
    assert len(names) == len(findings)
    version = subprocess.run([TOOL.parents[2] / "threatlistd", "--version"], capture_output=True, text=True,
                             check=True).stdout.split()[1]
    for name, finding in zip(names, findings):
        golden = json.loads((HERE / f"{name}.json").read_text())
        golden["service"]["additionalInfo"]["threatlistd"]["version"] = version
        assert finding == golden, name


def test_each_member_is_guardduty_s(findings):
    model = botocore.session.get_session().get_service_model("guardduty").shape_for("Finding")

    def check(value, shape, at):
        assert isinstance(value, TYPES[shape.type_name]), at
        assert shape.type_name == "boolean" or not isinstance(value, bool), at
        if shape.type_name == "list":
            for item in value:
                check(item, shape.member, at)
        if shape.type_name != "structure":
            return
        members = {m.serialization.get("name", k): m for k, m in shape.members.items()}
        for key, inner in value.items():
            where = f"{at}.{key}".lstrip(".")
            if where in BESIDE_THE_MODEL:
                continue
            assert key in members, where
            check(inner, members[key], where)
        required = {shape.members[k].serialization.get("name", k) for k in shape.required_members}
        assert required <= set(value), at

    for finding in findings:
        check(finding, model, "")


def test_nothing_is_empty_and_integers_are_integers(lines, findings):
    def walk(value, at):
        assert value is not None and value != "" and value != [] and value != {}, at
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{at}.{key}")
        elif isinstance(value, list):
            for inner in value:
                walk(inner, at)
        else:
            assert not isinstance(value, float), at

    for line, finding in zip(lines, findings):
        walk(finding, "")
        assert "\n" not in line and "\x01" not in line
    info = findings[1]["service"]["additionalInfo"]["threatlistd"]
    assert info["packetsToRemote"] == 9007199254740993
    assert info["bytesToRemote"] == 9223372036854775807
    assert info["sequence"] == 18446744073709551615
    assert "sequence" not in findings[2]["service"]["additionalInfo"]["threatlistd"]
    assert len(info["remotePorts"]) == 32 and info["portsMore"] is True


def test_times_are_utc_with_milliseconds(findings):
    for finding in findings:
        for text in (finding["createdAt"], finding["updatedAt"], finding["service"]["eventFirstSeen"],
                     finding["service"]["eventLastSeen"]):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
            datetime.datetime.fromisoformat(text[:-1])
    assert findings[0]["createdAt"] == "2023-11-14T22:13:20.123Z"


def test_ids_are_digests(findings):
    for finding in findings[:4]:
        connection = finding["service"]["action"]["networkConnectionAction"]
        remote = connection["remoteIpDetails"]
        text = "|".join((HOST[finding["accountId"]], finding["type"],
                         remote.get("ipAddressV4") or remote["ipAddressV6"], connection["connectionDirection"]))
        assert finding["id"] == hashlib.sha256(text.encode()).hexdigest()[:32]
        assert finding["arn"].endswith(f"/finding/{finding['id']}")
    for finding in findings[4:]:
        event = finding["service"]["additionalInfo"]["threatlistd"]["event"]
        text = f"i-0abc|{finding['type']}|{event['name']}|{event.get('source', '')}|1700000000123|"
        ids = [hashlib.sha256((text + n).encode()).hexdigest()[:32] for n in ("0", "17")]
        assert finding["id"] in ids


def test_texts_fit_everywhere(findings):
    for finding in findings:
        assert 0 < len(finding["title"]) <= 256
        assert 0 < len(finding["description"]) <= 1024


def test_severity_and_direction(findings):
    seen = [(f["severity"], f["service"]["action"]["networkConnectionAction"]["connectionDirection"],
             f["service"]["action"]["networkConnectionAction"]["blocked"], f["service"]["resourceRole"])
            for f in findings[:4]]
    assert seen == [(2, "INBOUND", True, "TARGET"), (8, "OUTBOUND", False, "ACTOR"),
                    (5, "OUTBOUND", True, "ACTOR"), (5, "INBOUND", False, "TARGET")]
    events = [(f["type"], f["severity"]) for f in findings[6:]]
    assert events == [
        ("Policy:EC2/ThreatListChanged.Custom", 1), ("Policy:EC2/ThreatListHeld.Custom", 5),
        ("Policy:EC2/ThreatListStale.Custom", 5), ("DefenseEvasion:EC2/EnforcementRemoved.Custom", 8),
        ("Policy:EC2/EnforcementChanged.Custom", 5), ("Policy:EC2/EnforcementChanged.Custom", 5),
        ("Policy:EC2/EnforcementChanged.Custom", 5), ("Policy:EC2/ReportsLost.Custom", 5),
        ("Policy:EC2/EnforcementChanged.Custom", 5), ("DefenseEvasion:EC2/EnforcementBypassed.Custom", 8),
        ("DefenseEvasion:EC2/EnforcementBypassed.Custom", 5)]
