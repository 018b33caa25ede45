# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in itself, judged by Debian's aws CLI and by requests that botocore signed: before it
may judge the agent it must take what AWS takes and refuse what AWS refuses."""

import contextlib
import gzip
import hashlib
import http.client
import io
import json
import logging
import os
import random
import socket
import ssl
import subprocess
import time
import urllib.parse
import xml.etree.ElementTree as xml

import awscli
import pytest
from awscli.clidriver import create_clidriver

from client import Standin, StandinError
from events import Events
from patterns import PatternError, matches, read_path, transform
from signed import metadata, send, sign, token
from verify import check_signature
from wire import Refusal
from world import Request, World

REGION, ACCOUNT = "us-west-2", "123456789012"
ARN = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0123456789abcdef0"
HUB_ARN = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"
logging.disable(logging.INFO)  # the aws command's own chatter


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Standin(tmp_path_factory.mktemp("standin"), container=["127.0.0.1:0"]) as standin:
        yield standin


@pytest.fixture
def aws(running):
    """The stand-in with an empty record; what a test sets beyond that is under names of its own."""
    running.clear_faults()
    running.clock(offset=0)
    running.imds(mode="required")
    running.paging()
    running.forget()
    return running


def cli(aws, *arguments, imds=False, tls=True, **env):
    """Debian's aws command, in this process for speed: (exit code, parsed output, stderr)."""
    wanted = {**aws.environment(static=not imds), "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "",
              "AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": os.devnull,
              # set when awscli is first imported; other tests may have cleaned the environment since
              "AWS_DATA_PATH": os.path.join(os.path.dirname(awscli.__file__), "data"), **env}
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in wanted.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = create_clidriver().main(["--endpoint-url", aws.https_url if tls else aws.http_url,
                                            "--output", "json", *arguments])
    out.flush(), err.flush()
    text = out.buffer.getvalue().decode()
    return code, json.loads(text) if text.strip() else None, err.buffer.getvalue().decode()


def codes(aws):
    return [violation["code"] for violation in aws.violations()]


def xml_fields(body):
    return {element.tag: element.text for element in xml.fromstring(body)}


# GuardDuty


def test_the_aws_command_itself(aws):
    """The program as a person runs it, with credentials of the instance role."""
    detector = aws.detector()
    env = {**os.environ, **aws.environment(), "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": ""}
    done = subprocess.run(["/usr/bin/aws", "--endpoint-url", aws.https_url, "guardduty", "list-detectors"],
                          env=env, capture_output=True, text=True)
    assert detector in json.loads(done.stdout)["DetectorIds"], done.stderr
    assert [call["operation"] for call in aws.calls()] == ["PutToken", "Get", "Get", "ListDetectors"]
    assert aws.calls("guardduty")[0]["key"].startswith("ASIA")
    assert not aws.violations()
    aws.remove_detector(id=detector)


def test_guardduty_lists(aws):
    detector = aws.detector()
    threat = aws.set(kind="threatintelset", name="Example-Threat-List", detector=detector,
                     location="https://s3.amazonaws.com/guardduty-example/list.txt", expectedBucketOwner=ACCOUNT)
    trusted = aws.set(kind="ipset", name="office", detector=detector, format="STIX", status="ACTIVATING",
                      location="s3://guardduty-example/office.xml")
    code, listed, _ = cli(aws, "guardduty", "list-threat-intel-sets", "--detector-id", detector)
    assert (code, listed["ThreatIntelSetIds"]) == (0, [threat])
    code, got, _ = cli(aws, "guardduty", "get-threat-intel-set", "--detector-id", detector,
                       "--threat-intel-set-id", threat)
    assert (got["Name"], got["Format"], got["Status"]) == ("Example-Threat-List", "TXT", "ACTIVE")
    assert got["Location"] == "https://s3.amazonaws.com/guardduty-example/list.txt"
    assert cli(aws, "guardduty", "list-ip-sets", "--detector-id", detector)[1]["IpSetIds"] == [trusted]
    got = cli(aws, "guardduty", "get-ip-set", "--detector-id", detector, "--ip-set-id", trusted)[1]
    assert (got["Name"], got["Status"]) == ("office", "ACTIVATING")
    assert cli(aws, "guardduty", "get-detector", "--detector-id", detector)[1]["Status"] == "ENABLED"
    aws.remove_set(id=threat)
    assert cli(aws, "guardduty", "list-threat-intel-sets", "--detector-id", detector)[1]["ThreatIntelSetIds"] == []
    assert not aws.violations()
    aws.remove_detector(id=detector)


def test_guardduty_pages(aws):
    detector = aws.detector()
    ids = [aws.set(kind="ipset", name=f"n{i}", location="s3://b/k", detector=detector) for i in range(5)]
    aws.paging(size=2)
    assert cli(aws, "guardduty", "list-ip-sets", "--detector-id", detector)[1]["IpSetIds"] == ids
    assert len(aws.calls("guardduty", "ListIPSets")) == 3
    aws.paging(size=2, misbehave="repeat")
    code, _, error = cli(aws, "guardduty", "list-ip-sets", "--detector-id", detector)
    assert code != 0 and "The same next token was received twice" in error
    aws.paging(size=2, misbehave="endless")
    seen = set()
    answer = {"nextToken": None}
    for _ in range(4):
        query = "?nextToken=" + urllib.parse.quote(answer["nextToken"], safe="") if answer["nextToken"] else ""
        status, _, body = send(aws, "guardduty", "GET", f"/detector/{detector}/ipset{query}")
        answer = json.loads(body)
        assert status == 200 and answer["nextToken"] not in seen
        seen.add(answer["nextToken"])
    assert not aws.violations()
    assert send(aws, "guardduty", "GET", f"/detector/{detector}/ipset?nextToken=made-up")[0] == 400
    assert send(aws, "guardduty", "GET", f"/detector/{detector}/ipset?maxResults=51")[0] == 400
    assert send(aws, "guardduty", "GET", f"/detector/{detector}/ipset?pageSize=5")[0] == 400
    assert codes(aws) == ["body", "body"]
    aws.remove_detector(id=detector)


@pytest.mark.parametrize("kind, noun", [("threatentityset", "threatEntitySetIds"),
                                        ("trustedentityset", "trustedEntitySetIds")])
def test_guardduty_entity_sets(aws, kind, noun):
    detector = aws.detector()
    id = aws.set(kind=kind, name="domains", location="s3://b/k", detector=detector, status="ERROR",
                 errorDetails="cannot be read", expectedBucketOwner=ACCOUNT)
    status, _, body = send(aws, "guardduty", "GET", f"/detector/{detector}/{kind}")
    assert (status, json.loads(body)) == (200, {noun: [id]})
    status, _, body = send(aws, "guardduty", "GET", f"/detector/{detector}/{kind}/{id}")
    got = json.loads(body)
    assert (status, got["name"], got["errorDetails"]) == (200, "domains", "cannot be read")
    assert isinstance(got["updatedAt"], (int, float))
    assert not aws.violations()
    aws.remove_detector(id=detector)


def test_guardduty_refusals(aws):
    code, _, error = cli(aws, "guardduty", "list-ip-sets", "--detector-id", "ab" * 16)
    assert code != 0 and "BadRequestException" in error and "not owned by the current account" in error
    status, headers, body = send(aws, "guardduty", "GET", "/detector/" + "ab" * 16)
    assert status == 400 and headers["x-amzn-errortype"].startswith("BadRequestException:")
    member, alone = aws.detector(administrator="210987654321"), aws.detector()
    answer = json.loads(send(aws, "guardduty", "GET", f"/detector/{member}/administrator")[2])
    assert answer["administrator"]["accountId"] == "210987654321"
    assert json.loads(send(aws, "guardduty", "GET", f"/detector/{alone}/administrator")[2]) == {}
    assert not aws.violations()
    assert send(aws, "guardduty", "GET", "/invitation")[0] == 404
    assert codes(aws) == ["operation"]
    aws.remove_detector(id=member), aws.remove_detector(id=alone)


# S3


def get_object(aws, bucket, key, file, *more, **env):
    return cli(aws, "s3api", "get-object", "--bucket", bucket, "--key", key, *more, str(file), **env)


def test_s3_object_and_304(aws, tmp_path):
    etag = aws.object(bucket="lists", key="a b/ü+list.txt", text="198.51.100.7\n", modified=1_700_000_000)
    assert etag == f'"{hashlib.md5(b"198.51.100.7" + bytes([10])).hexdigest()}"'
    code, got, error = get_object(aws, "lists", "a b/ü+list.txt", tmp_path / "o")
    assert (code, got["ETag"]) == (0, etag), error
    assert (tmp_path / "o").read_text() == "198.51.100.7\n"
    code, _, error = get_object(aws, "lists", "a b/ü+list.txt", tmp_path / "o", "--if-none-match", etag)
    assert code != 0 and "(304)" in error
    path = "/lists/a%20b/%C3%BC%2Blist.txt"
    status, headers, body = send(aws, "s3", "GET", path, {"If-None-Match": etag})
    assert (status, headers["etag"], body) == (304, etag, b"")
    assert send(aws, "s3", "GET", path, {"If-None-Match": '"other"'})[0] == 200
    since = {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"}  # the very second
    assert send(aws, "s3", "GET", path, since)[0] == 304
    assert send(aws, "s3", "GET", path, {**since, "If-None-Match": '"other"'})[0] == 200
    assert send(aws, "s3", "HEAD", path)[2] == b""
    assert not aws.violations()


@pytest.mark.parametrize("about, wanted", [
    ({"access": "denied"}, "(AccessDenied)"),
    ({"access": "endpoint-denied"}, "no VPC endpoint policy allows"),
    ({"access": "kms-denied", "kms_key": "arn:aws:kms:us-west-2:123456789012:key/1"}, "kms:Decrypt"),
    ({"access": "kms-disabled", "kms_key": "arn:aws:kms:us-west-2:123456789012:key/1"}, "(KMS.DisabledException)"),
    ({"access": "archived"}, "(InvalidObjectState)"),
])
def test_s3_access(aws, tmp_path, about, wanted):
    aws.object(bucket="closed", key="k", text="x", **about)
    code, _, error = get_object(aws, "closed", "k", tmp_path / "o")
    assert code != 0 and wanted in error
    assert not aws.violations()


def test_s3_missing_owner_kms_gzip(aws, tmp_path):
    text = "198.51.100.0/24\n" * 100
    aws.bucket(name="other.account", owner="210987654321")
    aws.object(bucket="other.account", key="k", text=text, gzipped=True)
    assert "(NoSuchBucket)" in get_object(aws, "no-such-bucket", "k", tmp_path / "o")[2]
    assert "(NoSuchKey)" in get_object(aws, "other.account", "none", tmp_path / "o")[2]
    code, got, error = get_object(aws, "other.account", "k", tmp_path / "o",
                                  "--expected-bucket-owner", "210987654321")
    assert (code, got["ContentEncoding"]) == (0, "gzip"), error
    assert gzip.decompress((tmp_path / "o").read_bytes()).decode() == text
    code, _, error = get_object(aws, "other.account", "k", tmp_path / "o", "--expected-bucket-owner", ACCOUNT)
    assert code != 0 and "(AccessDenied)" in error
    aws.bucket(name="other.account", owner="210987654321", may_list=False)
    assert "(AccessDenied)" in get_object(aws, "other.account", "none", tmp_path / "o")[2]
    etag = aws.object(bucket="lists", key="kms", text=text, kms_key="arn:aws:kms:us-west-2:123456789012:key/1")
    assert etag.strip('"') != hashlib.md5(text.encode()).hexdigest()
    assert send(aws, "s3", "GET", "/lists/kms", tls=True)[0] == 200
    status, _, body = send(aws, "s3", "GET", "/lists/kms")
    assert (status, xml_fields(body)["Code"]) == (400, "InvalidArgument")
    assert not aws.violations()


def test_s3_hosts_and_regions(aws):
    aws.bucket(name="far", region="eu-central-1")
    aws.object(bucket="far", key="k", text="x")
    aws.object(bucket="near.with.dots", key="k", text="y")

    def far(host, path, region):
        return send(aws, "s3", "GET", path, host=host, region=region)
    # the workshop's URL, taken literally
    status, headers, body = far("s3.amazonaws.com", "/far/k", "us-east-1")
    assert (status, headers["x-amz-bucket-region"]) == (301, "eu-central-1")
    assert xml_fields(body)["Code"] == "PermanentRedirect" and "location" not in headers
    assert far("s3.us-west-2.amazonaws.com", "/far/k", REGION)[0] == 301
    status, headers, body = far("far.s3.us-west-2.amazonaws.com", "/k", REGION)
    assert (status, xml_fields(body)["Code"], xml_fields(body)["Region"]) == \
        (400, "AuthorizationHeaderMalformed", "eu-central-1")
    assert far("far.s3.eu-central-1.amazonaws.com", "/k", "eu-central-1")[::2] == (200, b"x")
    assert far("s3.eu-central-1.amazonaws.com", "/far/k", "eu-central-1")[::2] == (200, b"x")
    assert far(None, "/far/k", "eu-central-1")[0] == 200 and far(None, "/far/k", REGION)[0] == 301
    for host in ("near.with.dots.s3.us-west-2.amazonaws.com", "near.with.dots.s3-us-west-2.amazonaws.com",
                 "near.with.dots.s3.dualstack.us-west-2.amazonaws.com"):
        assert far(host, "/k", REGION)[::2] == (200, b"y")
    assert not aws.violations()


def test_certificate_names_no_bucket_with_dots(aws):
    base = urllib.parse.urlsplit(aws.https_url)
    context = ssl.create_default_context(cafile=aws.ca_file)

    def handshake(name):
        with socket.create_connection((base.hostname, base.port), 10) as connection:
            context.wrap_socket(connection, server_hostname=name).close()
    for name in ("guardduty.us-west-2.amazonaws.com", "s3.amazonaws.com", "lists.s3.us-west-2.amazonaws.com"):
        handshake(name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake("near.with.dots.s3.us-west-2.amazonaws.com")


# Security Hub


def finding(id, **changes):
    return {
        "SchemaVersion": "2018-10-08", "Id": id, "ProductArn": HUB_ARN, "GeneratorId": "threatlistd",
        "AwsAccountId": ACCOUNT, "CreatedAt": "2023-12-21T16:30:00.000Z", "UpdatedAt": "2023-12-22T00:29:22.016Z",
        "Title": "t", "Description": "d",
        "FindingProviderFields": {"Severity": {"Label": "MEDIUM", "Original": "5"}, "Types": [
            "TTPs/Command and Control/UnauthorizedAccess:EC2-MaliciousIPCaller.Custom"]},
        "Resources": [{"Type": "AwsEc2Instance", "Id": ARN, "Partition": "aws", "Region": REGION}],
        "Network": {"Direction": "OUT", "Protocol": "ICMP", "SourceIpV4": "10.0.0.10",
                    "DestinationIpV6": "2001:db8::7"}, **changes}


def import_findings(aws, *findings):
    return cli(aws, "securityhub", "batch-import-findings", "--findings", json.dumps(findings))


def test_security_hub(aws):
    assert import_findings(aws, finding("a"), finding("b"))[1] == \
        {"FailedCount": 0, "SuccessCount": 2, "FailedFindings": []}
    again = finding("a", Title="not newer")
    newer = finding("a", Title="newer", UpdatedAt="2023-12-22T00:29:22.017Z")
    import_findings(aws, again)
    assert [f["Title"] for f in aws.findings() if f["Id"] == "a"] == ["t"]
    import_findings(aws, newer)
    assert [f["Title"] for f in aws.findings() if f["Id"] == "a"] == ["newer"]
    assert [entry["ignored"] for entry in aws.imports()] == [False, False, True, False]
    assert not aws.violations()


def test_security_hub_partial_failure(aws):
    aws.fault("securityhub", "partial", indexes=[1])
    got = import_findings(aws, finding("p0"), finding("p1"), finding("p2"))[1]
    assert (got["FailedCount"], [failed["Id"] for failed in got["FailedFindings"]]) == (1, ["p1"])
    assert {f["Id"] for f in aws.findings()} >= {"p0", "p2"} and "p1" not in {f["Id"] for f in aws.findings()}
    assert import_findings(aws, finding("p1"))[1]["FailedCount"] == 0
    aws.security_hub(enabled=False)
    code, _, error = import_findings(aws, finding("p3"))
    assert code != 0 and "InvalidAccessException" in error
    aws.security_hub(enabled=True)
    assert not aws.violations()


@pytest.mark.parametrize("changes", [
    {"Title": "x" * 257}, {"Description": ""}, {"Title": " "}, {"UpdatedAt": "yesterday"},
    {"AwsAccountId": "210987654321"}, {"FindingProviderFields": {"Types": ["TTPs/a"]}},
    {"ProductFields": {f"k{i}": "v" for i in range(51)}}, {"ProductFields": {"k": "v" * 2049}},
    {"Network": {"SourceIpV4": "2001:db8::1"}}, {"Types": ["Nonsense/a/b"]}, {"Note": {}},
    {"ThreatIntelIndicators": [{"Type": "IPV4_ADDRESS", "Value": "198.51.100.7", "Source": "s" * 65}]},
    {"Network": {"Protocol": "a protocol too long"}}, {"Network": {"Direction": "OUTBOUND"}},
    {"Action": {"NetworkConnectionAction": {"RemoteIpDetails": {"IpAddressV6": "2001:db8::1"}}}},
])
def test_security_hub_is_strict(aws, changes):
    """The CLI would not send some of these: a raw request does."""
    body = json.dumps({"Findings": [finding("strict", **changes)]}).encode()
    status, _, answer = send(aws, "securityhub", "POST", "/findings/import",
                             {"Content-Type": "application/json"}, body)
    assert status == 400 or json.loads(answer)["FailedCount"] == 1
    assert codes(aws)[0] in ("body", "asff")
    assert "strict" not in {f["Id"] for f in aws.findings()}


def test_security_hub_batch_limits(aws):
    for batch in ([finding(f"n{i}") for i in range(101)], [], [finding("big", Description="x" * (6 << 20))]):
        body = json.dumps({"Findings": batch}).encode()
        assert send(aws, "securityhub", "POST", "/findings/import", {"Content-Type": "application/json"},
                    body)[0] == 400
    assert codes(aws) == ["body"] * 3


# EventBridge

RULE = {"source": ["custom.threatlistd"], "detail": {"type": ["UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"]}}
DETAIL = {"type": "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom", "id": "f1", "severity": 5,
          "resource": {"instanceDetails": {"instanceId": "i-0123456789abcdef0",
                                           "networkInterfaces": [{"vpcId": "vpc-1"}]}}}


def entry(**changes):
    return {"Source": "custom.threatlistd", "DetailType": "GuardDuty Finding", "Detail": json.dumps(DETAIL),
            **changes}


def put_events(aws, *entries):
    return cli(aws, "events", "put-events", "--entries", json.dumps(entries))


def test_events_reach_rules(aws):
    aws.rule(name="caller", pattern=RULE, paths={"id": "$.detail.resource.instanceDetails.instanceId"},
             template='"instance <id>"')
    aws.rule(name="high", pattern={"detail": {"severity": [{"numeric": [">=", 7]}]}})
    aws.rule(name="off", pattern=RULE, enabled=False)
    got = put_events(aws, entry(), entry(Source="somebody.else", Time=1_700_000_000))[1]
    assert got["FailedEntryCount"] == 0
    matched = [match for match in aws.matches() if match["event"] in [e["EventId"] for e in got["Entries"]]]
    assert [(match["rule"], match["input"]) for match in matched] == [("caller", '"instance i-0123456789abcdef0"')]
    events = [event["event"] for event in aws.events()]
    assert events[0]["detail"] == DETAIL and events[0]["detail-type"] == "GuardDuty Finding"
    assert events[1]["time"] == "2023-11-14T22:13:20Z"
    assert not aws.violations()


def test_events_fail_one_by_one(aws):
    aws.fault("events", "partial", indexes=[1], code="ThrottlingException")
    got = put_events(aws, entry(), entry(), entry())[1]
    assert (got["FailedEntryCount"], got["Entries"][1]["ErrorCode"]) == (1, "ThrottlingException")
    lost = len(aws.lost_events())
    assert put_events(aws, entry(EventBusName="no-such-bus"))[1]["FailedEntryCount"] == 0
    assert len(aws.lost_events()) == lost + 1
    assert not aws.violations()
    got = put_events(aws, entry(Source="aws.guardduty"), entry(Detail="[1]"), entry(Detail="{"))[1]
    assert [e["ErrorCode"] for e in got["Entries"]] == ["NotAuthorizedForSourceException", "MalformedDetail",
                                                        "MalformedDetail"]
    assert len(aws.violations()) == 3


def test_events_limits(aws):
    def put(entries, **headers):
        return send(aws, "events", "POST", "/", {"X-Amz-Target": "AWSEvents.PutEvents",
                    "Content-Type": "application/x-amz-json-1.1", **headers}, json.dumps({"Entries": entries}).encode())
    big = json.dumps({"x": "y" * (30 << 10)})
    assert put([entry(Detail=big)] * 8)[0] == 200
    assert not aws.violations()
    assert put([entry(Detail=big)] * 9)[0] == 400
    assert put([entry()] * 11)[0] == 400
    assert put([entry(Time=True)])[0] == 400 or codes(aws)[-1] == "InvalidArgument"
    status, _, body = put([entry()], **{"Content-Type": "application/json"})
    assert status == 400 and json.loads(body)["__type"] == "ValidationException"
    assert len(aws.violations()) == 4


# SNS


def test_sns(aws):
    topic = aws.topic(name="alarms")
    code, got, error = cli(aws, "sns", "publish", "--topic-arn", topic, "--subject", "Host i-1 talks & listens",
                           "--message", "ü + 100%\nsecond line")
    assert (code, got["MessageId"]) == (0, aws.messages()[-1]["id"]), error
    assert aws.messages()[-1]["message"] == "ü + 100%\nsecond line"
    assert aws.messages()[-1]["subject"] == "Host i-1 talks & listens"
    code, _, error = cli(aws, "sns", "publish", "--topic-arn", topic + "-none", "--message", "m")
    assert code != 0 and "(NotFound)" in error
    assert not aws.violations()
    for subject in ("two\nlines", "x" * 100, "ümlaut"):
        code, _, error = cli(aws, "sns", "publish", "--topic-arn", topic, "--subject", subject, "--message", "m")
        assert code != 0 and "(InvalidParameter)" in error
    assert codes(aws) == ["body"] * 3


# signatures


def test_wrong_and_unknown_keys(aws, tmp_path):
    aws.object(bucket="lists", key="k", text="x")
    code, _, error = cli(aws, "guardduty", "list-detectors", AWS_SECRET_ACCESS_KEY="wrong")
    assert code != 0 and "InvalidSignatureException" in error
    code, _, error = get_object(aws, "lists", "k", tmp_path / "o", AWS_SECRET_ACCESS_KEY="wrong")
    assert code != 0 and "SignatureDoesNotMatch" in error
    code, _, error = cli(aws, "guardduty", "list-detectors", AWS_ACCESS_KEY_ID="AKIA0000000000000000")
    assert code != 0 and "UnrecognizedClientException" in error
    code, _, error = cli(aws, "guardduty", "list-detectors", AWS_SESSION_TOKEN="made up")
    assert code != 0 and "UnrecognizedClientException" in error
    assert codes(aws) == ["signature", "signature", "unknown-key", "token"]


def test_expired_token_and_rotation(aws, tmp_path):
    aws.object(bucket="lists", key="k", text="x")
    old = aws.rotate()
    assert cli(aws, "guardduty", "list-detectors", imds=True)[0] == 0
    aws.expire_token()
    code, _, error = cli(aws, "guardduty", "list-detectors", imds=True)
    assert code == 0, "IMDS has new credentials by then"
    aws.role(frozen=True)
    aws.expire_token()
    key = json.loads(metadata(aws, "/latest/meta-data/iam/security-credentials/threatlistd-role",
                              X_aws_ec2_metadata_token=token(aws))[1])
    signing = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"], "token": key["Token"]}
    status, headers, _ = send(aws, "guardduty", "GET", "/detector", **signing)
    assert (status, headers["x-amzn-errortype"].split(":")[0]) == (403, "ExpiredTokenException")
    status, _, body = send(aws, "s3", "GET", "/lists/k", **signing)
    assert (status, xml_fields(body)["Code"]) == (400, "ExpiredToken")
    aws.role(frozen=False)
    assert old not in [call["key"] for call in aws.calls("guardduty")[1:]]
    assert set(codes(aws)) == {"expired"} and not aws.violations(expected=["expired"])


def test_skew_is_told_with_the_servers_time(aws):
    aws.object(bucket="lists", key="k", text="x")
    aws.clock(offset=299 - 5)
    assert send(aws, "guardduty", "GET", "/detector")[0] == 200
    aws.clock(offset=3600)
    status, headers, body = send(aws, "guardduty", "GET", "/detector")
    assert status == 403 and b"Signature expired" in body
    ahead = time.mktime(time.strptime(headers["date"], "%a, %d %b %Y %H:%M:%S %Z")) - time.mktime(time.gmtime())
    assert 3590 < ahead < 3610
    status, _, body = send(aws, "s3", "GET", "/lists/k")
    assert (status, xml_fields(body)["Code"]) == (403, "RequestTimeTooSkewed")
    aws.clock(offset=-3600)
    assert b"Signature not yet current" in send(aws, "guardduty", "GET", "/detector")[2]
    assert codes(aws) == ["skew"] * 3


def test_signatures_cover_what_they_must(aws):
    base = aws.http_url
    headers = sign("guardduty", "GET", base + "/detector")
    assert send(aws, "guardduty", "GET", "/detector")[0] == 200
    assert send(aws, "guardduty", "GET", "/detector", region="us-east-1")[0] == 403
    assert send(aws, "guardduty", "GET", "/detector", sent_headers={**headers, "X-Amz-Extra": "1"})[0] == 403
    assert send(aws, "guardduty", "GET", "/detector", sent_headers={"X-Amz-Date": "x"})[0] == 403
    assert send(aws, "guardduty", "GET", "/detector?maxResults=5", sent_headers=headers)[0] == 403
    body = json.dumps({"Findings": [finding("tampered")]}).encode()
    signed = sign("securityhub", "POST", base + "/findings/import", {"Content-Type": "application/json"}, body)
    assert send(aws, "securityhub", "POST", "/findings/import", body=body[:-1] + b" }"[:1],
                sent_headers=signed)[0] == 403
    signed = sign("s3", "GET", base + "/lists/k")
    del signed["X-Amz-Content-SHA256"]
    status, _, answer = send(aws, "s3", "GET", "/lists/k", sent_headers=signed)
    assert status == 403 and b"signed header that was not sent" in answer
    assert codes(aws) == ["scope", "unsigned", "missing", "signature", "signature", "signature"]


PATHS = ("/", "/a b/ü", "/a/../b", "/a//b/./c", "/x%25y", "/~-_.", "/k+=&;,:@!$'()*", "/detector/a%20b")
QUERIES = ("", "b=2&a=1", "nextToken=ab%2B%2F%3D&maxResults=50", "flag", "a=&a=1", "x=%20", "A=1&a=0", "q=~")


def test_verifier_agrees_with_the_signer_on_random_requests():
    """What botocore signed is accepted, and with any one thing changed it is not."""
    world = World(REGION, ACCOUNT, "aws", "amazonaws.com")
    key = world.new_role_key()
    dice = random.Random(4)
    for _ in range(400):
        service = dice.choice(("s3", "guardduty", "sns"))
        method, body = dice.choice((("GET", b""), ("POST", dice.randbytes(40))))
        path = urllib.parse.quote(dice.choice(PATHS), safe="/%+=&;,:@!$'()*~-_.")
        query = dice.choice(QUERIES)
        headers = {"Content-Type": dice.choice(("text/plain", "a/b;  charset=x"))} if body else {}
        headers |= {f"X-Amz-{dice.choice('abc')}": dice.choice(("1", "two   words", "")) for _ in range(2)}
        url = f"https://host.example:8443{path}" + (f"?{query}" if query else "")
        signed = sign(service, method, url, headers, body, key.id, key.secret, key.token)
        request = Request("https", method, path, query, [("host", "host.example:8443"), *(
            (name.lower(), value) for name, value in signed.items())], body)
        assert check_signature(world, request, service, REGION) is key
        change = dice.choice(("method", "path", "query", "body", "header", "host"))
        if change == "header":
            at = dice.randrange(1, len(request.headers))
            name, value = request.headers[at]
            request.headers[at] = (name, value + "x")
        elif change == "host":
            request.headers[0] = ("host", "host.example")
        elif change == "body":
            request.body += b"x"
        else:
            setattr(request, change, getattr(request, change) + "x")
        with pytest.raises(Refusal):
            check_signature(world, request, service, REGION)


# IMDS


def test_imds_v2_only(aws):
    assert metadata(aws, "/latest/meta-data/instance-id")[0] == 401
    assert codes(aws) == ["imds-v1"]
    aws.forget()
    mine = token(aws)
    assert metadata(aws, "/latest/meta-data/instance-id", X_aws_ec2_metadata_token=mine) == \
        (200, "i-0123456789abcdef0")
    assert metadata(aws, "/latest/meta-data/instance-id", X_aws_ec2_metadata_token="made-up")[0] == 401
    aws.clock(advance=61)
    assert metadata(aws, "/latest/meta-data/instance-id", X_aws_ec2_metadata_token=mine)[0] == 401
    assert metadata(aws, "/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60",
                    X_Forwarded_For="10.0.0.1")[0] == 403
    assert not aws.violations()
    assert metadata(aws, "/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="21601")[0] == 400
    assert metadata(aws, "/latest/api/token", "PUT")[0] == 400
    assert codes(aws) == ["ttl", "ttl"]


def test_imds_tree(aws):
    mine = token(aws)

    def get(path):
        status, text = metadata(aws, "/latest/" + path, X_aws_ec2_metadata_token=mine)
        return text if status == 200 else status
    assert get("meta-data/network/interfaces/macs/") == "0e:49:61:0f:c3:11/"
    mac = "meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/"
    assert get(mac + "ipv4-associations/") == "198.51.100.10"
    assert get(mac + "ipv4-associations/198.51.100.10") == "10.0.0.10"
    assert get(mac + "local-ipv4s").split() == ["10.0.0.10", "10.0.0.11"]
    assert get(mac + "owner-id") == ACCOUNT
    document = json.loads(get("dynamic/instance-identity/document"))
    assert (document["accountId"], document["region"], document["kernelId"]) == (ACCOUNT, REGION, None)
    assert get("meta-data/placement/region") == REGION
    assert (get("meta-data/services/partition"), get("meta-data/services/domain")) == ("aws", "amazonaws.com")
    assert json.loads(get("meta-data/iam/info"))["InstanceProfileArn"].endswith("/threatlistd-role")
    assert get("meta-data/tags/instance/") == 404
    aws.imds(values={"meta-data/tags/instance/Name": "web", "meta-data/public-ipv4": None})
    assert (get("meta-data/tags/instance/"), get("meta-data/public-ipv4")) == ("Name", 404)
    aws.role(name="")
    assert get("meta-data/iam/security-credentials/") == 404
    aws.role(name="threatlistd-role")
    assert get("meta-data/iam/security-credentials/") == "threatlistd-role"
    assert not aws.violations()


def test_imds_modes(aws):
    def put(timeout=10):
        return metadata(aws, "/latest/api/token", "PUT", timeout, x_aws_ec2_metadata_token_ttl_seconds="60")[0]
    aws.imds(mode="v1-only")
    assert put() == 404 and metadata(aws, "/latest/meta-data/mac")[0] == 200
    aws.imds(mode="disabled")
    assert put() == 403
    aws.imds(mode="absent")
    with pytest.raises((http.client.BadStatusLine, ConnectionError)):
        put()
    aws.imds(mode="hop-limited")
    with pytest.raises(TimeoutError):
        put(0.3)
    with pytest.raises(StandinError, match="mode is one of"):
        aws.imds(mode="nonsense")


def test_container_credentials(aws):
    aws.imds(container_token="Bearer t")
    assert metadata(aws, "/v2/credentials/x", url=aws.container_url)[0] == 401
    status, text = metadata(aws, "/v2/credentials/x", url=aws.container_url, Authorization="Bearer t")
    key = json.loads(text)
    assert status == 200 and send(aws, "guardduty", "GET", "/detector", key=key["AccessKeyId"],
                                  secret=key["SecretAccessKey"], token=key["Token"])[0] == 200


# faults


def test_throttling_is_retried_by_a_real_client(aws):
    for service, call, wanted in (
            ("guardduty", ["guardduty", "list-detectors"], "TooManyRequestsException"),
            ("events", ["events", "put-events", "--entries", json.dumps([entry()])], "ThrottlingException")):
        aws.fault(service, "throttle")
        code, _, error = cli(aws, *call)
        assert code != 0 and wanted in error
        aws.fault(service, "throttle")
        assert cli(aws, *call, AWS_MAX_ATTEMPTS="2")[0] == 0
    aws.object(bucket="lists", key="k", text="x")
    aws.fault("s3", "throttle", headers={"Retry-After": "7"})
    status, headers, body = send(aws, "s3", "GET", "/lists/k")
    assert (status, headers["retry-after"], xml_fields(body)["Code"]) == (503, "7", "SlowDown")
    assert send(aws, "s3", "GET", "/lists/k")[0] == 200
    assert not aws.violations()


def test_faults_hit_when_told(aws):
    aws.object(bucket="lists", key="k", text="198.51.100.7\n" * 100)
    aws.object(bucket="lists", key="other", text="x")

    def get(key="k", **more):
        return send(aws, "s3", "GET", f"/lists/{key}", **more)
    aws.fault("s3", "error", path="*/k", times=2, skip=1, status=403, code="AccessDenied", message="not now")
    assert [get()[0] for _ in range(4)] == [200, 403, 403, 200] and get("other")[0] == 200
    aws.fault("s3", "cut", bytes=18)  # in the middle of an address
    with pytest.raises(http.client.IncompleteRead) as cut:
        get()
    assert cut.value.partial == b"198.51.100.7\n198.5"
    aws.fault("s3", "close")
    with pytest.raises((http.client.BadStatusLine, ConnectionError)):
        get()
    aws.fault("s3", "answer", body="<html>captive portal</html>", headers={"Content-Type": "text/html"})
    assert get()[::2] == (200, b"<html>captive portal</html>")
    aws.fault("s3", "drip", bytes=100, seconds=0.001)
    assert len(get()[2]) == 1300
    aws.fault("s3", "hang", times=-1)
    with pytest.raises(TimeoutError):
        get(timeout=0.3)
    aws.clear_faults()
    assert get()[0] == 200
    aws.fault("imds", "error", operation="PutToken", status=503)
    assert metadata(aws, "/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60")[0] == 503
    assert aws.counts()["s3:GetObject"] == 11
    assert [call["fate"] for call in aws.calls("s3") if call["fate"]] == ["cut", "close", "drip", "hang"]
    assert not aws.violations()


def test_role_policy_is_enforced(aws):
    detector = aws.detector()
    aws.role(policy={"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "guardduty:List*", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lists/public/*"}]})
    assert cli(aws, "guardduty", "list-detectors", imds=True)[0] == 0
    code, _, error = cli(aws, "guardduty", "get-detector", "--detector-id", detector, imds=True)
    assert code != 0 and "not authorized to perform: guardduty:GetDetector" in error
    assert codes(aws) == ["policy"]
    aws.role()
    assert cli(aws, "guardduty", "get-detector", "--detector-id", detector, imds=True)[0] == 0
    aws.remove_detector(id=detector)


# patterns, without a server


@pytest.mark.parametrize("pattern, event, wanted", [
    ({"a": ["x", "y"]}, {"a": "y"}, True),
    ({"a": ["x"]}, {"a": ["z", "x"]}, True),
    ({"a": ["x"]}, {}, False),
    ({"a": [5]}, {"a": 5.0}, True),
    ({"a": [1]}, {"a": True}, False),
    ({"a": [None]}, {"a": None}, True),
    ({"a": [None]}, {}, False),
    ({"a": [{"exists": False}]}, {}, True),
    ({"a": [{"exists": True}]}, {"a": None}, True),
    ({"a": [{"prefix": "Unauthorized"}]}, {"a": "UnauthorizedAccess:EC2/x"}, True),
    ({"a": [{"suffix": ".Custom"}]}, {"a": "x.Default"}, False),
    ({"a": [{"numeric": [">=", 4, "<", 7]}]}, {"a": 5}, True),
    ({"a": [{"numeric": [">=", 4]}]}, {"a": "5"}, False),
    ({"a": [{"anything-but": ["x"]}]}, {"a": "y"}, True),
    ({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "xy"}, False),
    ({"a": [{"cidr": "198.51.100.0/24"}]}, {"a": "198.51.100.7"}, True),
    ({"a": [{"wildcard": "TTPs/*/x"}]}, {"a": "TTPs/y/z/x"}, True),
    ({"a": [{"equals-ignore-case": "ABC"}]}, {"a": "abc"}, True),
    ({"a": {"b": ["x"]}}, {"a": [{"b": "y"}, {"b": "x"}]}, True),
    ({"$or": [{"a": ["x"]}, {"b": ["x"]}]}, {"b": "x"}, True),
    ({"a": ["x"], "b": ["x"]}, {"a": "x"}, False),
])
def test_patterns(pattern, event, wanted):
    assert matches(pattern, event) is wanted


def test_patterns_that_eventbridge_refuses():
    for pattern in ({"a": "x"}, {"a": [{"like": "x"}]}, {"a": [["x"]]}, {"a": [{"numeric": ["~", 1]}]}):
        with pytest.raises(PatternError):
            matches(pattern, {"a": "y"})
    with pytest.raises(PatternError):
        read_path({}, "detail.id")


def test_transformer_puts_strings_in_raw():
    event = {"detail": {"id": 'a"b', "list": [{"n": 1}]}}
    assert transform({"id": "$.detail.id", "n": "$.detail.list[0].n", "none": "$.x"}, '"<id>" <n> <none>', event) \
        == '"a"b" 1 '


def test_event_rule_with_a_bad_pattern_is_told(aws):
    with pytest.raises(StandinError, match="neither a list nor an object"):
        aws.rule(name="bad", pattern={"source": "x"})
    assert Events.entry_error(entry()) is None
