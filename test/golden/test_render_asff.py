# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASFF of findings and events: readable golden files, botocore's model, Security Hub's written limits."""

import json
import os
import pathlib
import subprocess
import sys

import botocore.session
import pytest
from botocore.validate import ParamValidator

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent / "render_asff"
BUILD = ROOT / os.environ.get("B", "build")
TOOL = BUILD / "test/system/tool_asff"
sys.path.append(str(ROOT / "test/aws"))

from securityhub import asff_errors  # noqa: E402


def asff(*findings, owner=("111122223333", "eu-central-1", "aws")):
    lines = "".join((f if isinstance(f, str) else json.dumps(f, separators=(",", ":"))) + "\n" for f in findings)
    out = subprocess.run([TOOL, *owner], input=lines.encode(), capture_output=True, check=True).stdout
    return [json.loads(line) for line in out.decode("utf-8").splitlines()]


@pytest.fixture(scope="module")
def natives():
    out = subprocess.run([BUILD / "test/system/tool_render"], capture_output=True, check=True).stdout.decode("utf-8")
    return out.splitlines()


@pytest.fixture(scope="module")
def findings(natives):
    return asff(*natives)


def wrong_with(finding):
    shape = botocore.session.get_session().get_service_model("securityhub").shape_for("AwsSecurityFinding")
    report = ParamValidator().validate(finding, shape).generate_report()
    return ([report] if report else []) + asff_errors(finding)


def test_is_as_before(findings):
    version = subprocess.run([BUILD / "threatlistd", "--version"], capture_output=True, text=True,
                             check=True).stdout.split()[1]
    names = sorted(path.stem for path in (ROOT / "test/golden/render").glob("*.json"))
    for name, finding in zip(names, findings, strict=True):
        golden = json.loads((HERE / f"{name}.json").read_text())
        golden["ProductFields"]["threatlistd/version"] = version
        assert finding == golden, name


def test_security_hub_takes_each(findings):
    assert [wrong_with(finding) for finding in findings] == [[]] * len(findings)


def test_nothing_is_lost_in_integers(findings, natives):
    for finding, native in zip(findings, map(json.loads, natives)):
        ours = native["service"]["additionalInfo"]["threatlistd"]
        fields = finding["ProductFields"]
        assert {key for key in fields if not key.startswith("threatlistd/")} == set()
        for key, value in ours.items():
            if isinstance(value, (int, str)) and not isinstance(value, bool):
                assert fields[f"threatlistd/{key}"] == str(value)
            elif isinstance(value, list):
                assert fields[f"threatlistd/{key}"] == ",".join(map(str, value))
            elif isinstance(value, dict):
                for name, inner in value.items():
                    assert fields[f"threatlistd/{key}/{name}"] == str(inner)
        assert finding["Id"] == native["id"] and finding["UpdatedAt"] == native["updatedAt"]


def test_an_ipv6_peer_is_in_network(findings):
    outbound = findings[1]
    assert outbound["Network"]["DestinationIpV6"] == "2001:db8::1"
    assert "RemoteIpDetails" not in outbound["Action"]["NetworkConnectionAction"]
    assert outbound["ThreatIntelIndicators"][0]["Type"] == "IPV6_ADDRESS"


def test_types_and_labels(findings):
    got = {(f["FindingProviderFields"]["Types"][0], f["FindingProviderFields"]["Severity"]["Label"]) for f in findings}
    assert ("TTPs/Command and Control/UnauthorizedAccess:EC2-MaliciousIPCaller.Custom", "LOW") in got
    assert ("TTPs/Command and Control/UnauthorizedAccess:EC2-MaliciousIPCaller.Custom", "HIGH") in got
    assert ("TTPs/Defense Evasion/DefenseEvasion:EC2-EnforcementRemoved.Custom", "HIGH") in got
    assert ("TTPs/Policy:EC2-ThreatListChanged.Custom", "LOW") in got
    assert all("Severity" not in f and "Types" not in f for f in findings)


def test_owner(natives):
    china = asff(natives[0], owner=("999999999999", "cn-north-1", "aws-cn"))[0]
    assert china["ProductArn"] == "arn:aws-cn:securityhub:cn-north-1:999999999999:product/999999999999/default"
    assert china["Resources"][0]["Id"] == "arn:aws-cn:ec2:cn-north-1:999999999999:instance/i-0abc"
    assert china["AwsAccountId"] == "999999999999" and china["Resources"][0]["Partition"] == "aws-cn"
    iso = asff(natives[0], owner=("999999999999", "us-iso-east-1", "aws-iso"))[0]
    assert "Partition" not in iso["Resources"][0] and wrong_with(iso) == []


def test_long_and_odd_texts(natives):
    native = json.loads(natives[0])
    native["title"], native["description"] = "ä" * 400, "€" * 2000
    lists = [f"{n}-" + "ü" * 60 for n in range(64)]
    native["service"]["evidence"]["threatIntelligenceDetails"] = [{"threatListName": name} for name in lists]
    ours = native["service"]["additionalInfo"]["threatlistd"]
    ours.update({f"key{n}": "x" for n in range(100)}, lists=lists, blank="  ", none=None)
    native["service"]["action"]["networkConnectionAction"]["remoteIpDetails"] = {"ipAddressV4": "203.0.113.0/24"}
    finding = asff(json.dumps(native, ensure_ascii=False, separators=(",", ":")))[0]
    assert wrong_with(finding) == []
    assert finding["ProductFields"]["threatlistd/sequence"] == "1" and len(finding["ProductFields"]) == 50
    native["service"]["action"]["networkConnectionAction"]["remoteIpDetails"] = {"ipAddressV4": "203.0.113.9"}
    finding = asff(native)[0]
    assert wrong_with(finding) == [] and len(finding["ThreatIntelIndicators"]) == 5


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"service":1}', '{"service":{"additionalInfo":[]}}', "\x01"])
def test_what_is_no_finding(line):
    assert asff(line) == [None]
