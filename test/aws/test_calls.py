# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's own calls against the stand-in: signatures that hold, keys that come and go, refusals,
a service that hangs, and no secret in any log line."""

import json
import os
import pathlib
import subprocess

import pytest

from client import STATIC_KEY, STATIC_SECRET, Standin

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / os.environ.get("B", "build") / "test/system/tool_aws"
LIST = {"service": "guardduty", "method": "GET", "path": "/detector", "query": "maxResults=50"}


class Caller:
    """One process that calls as the agent does."""

    def __init__(self, environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") and k != "HOME"}
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env={**clean, **environment})

    def __call__(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        """Everything it logged."""
        _, log = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, log
        return log


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Standin(tmp_path_factory.mktemp("standin"), container=["127.0.0.1:0"]) as standin:
        yield standin


@pytest.fixture
def aws(running):
    running.clear_faults()
    running.clock(offset=0)
    running.imds(mode="required")
    running.rotate()
    running.forget()
    return running


@pytest.fixture
def start(aws):
    """start(**environment) → a Caller; what it logged must hold no secret."""
    callers = []

    def one(static=False, **environment):
        callers.append(Caller({**aws.environment(static=static), **environment}))
        return callers[-1]
    yield one
    for caller in callers:
        log = caller.end()
        assert STATIC_SECRET not in log and "Signature=" not in log and "AQoDYX" not in log


def test_every_service_takes_the_signature(aws, start):
    call = start()
    aws.detector()
    aws.topic(name="alerts")
    aws.object(bucket="lists", key="a b/ä+&=;'().txt", text="198.51.100.7\n")
    assert call(**LIST)["outcome"] == "ok"
    # unsorted, valueless and encoded
    assert call(**{**LIST, "query": "nextToken=&maxResults=50"})["outcome"] in ("ok", "refused")
    key = "/a%20b/%C3%A4%2B%26%3D%3B%27%28%29.txt"
    got = call(service="s3", method="GET", bucket="lists", path=key)
    assert (got["outcome"], got["body"]) == ("ok", "198.51.100.7\n")
    again = call(service="s3", method="GET", bucket="lists", path=key, headers={"If-None-Match": got["etag"]})
    assert again["outcome"] == "unchanged"
    entry = {"Source": "threatlistd", "DetailType": "GuardDuty Finding", "Detail": "{}"}
    put = call(service="events", method="POST", path="/", body=json.dumps({"Entries": [entry]}),
               headers={"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"})
    assert put["outcome"] == "ok" and len(aws.events()) == 1
    arn = f"arn:aws:sns:{aws.region}:{aws.account}:alerts"
    sent = call(service="sns", method="POST", path="/",
                body=f"Action=Publish&Version=2010-03-31&TopicArn={arn.replace(':', '%3A')}&Message=a%20b%2Bc",
                headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    assert sent["outcome"] == "ok", sent
    assert not aws.violations()


def test_double_encoding_holds(aws, start):
    call = start()
    # a path with blanks and escapes: whatever the service says to it, the signature holds
    call(service="guardduty", method="GET", path="/detector/a%20b%2Fc/threatintelset")
    assert [v for v in aws.violations(expected=["operation", "body"]) if v] == []


def test_container_endpoint(aws, start):
    aws.imds(container_token="the-token")
    call = start(AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.container_url + "/v2/credentials/x",
                 AWS_CONTAINER_AUTHORIZATION_TOKEN="the-token", AWS_REGION=aws.region)
    assert call(**LIST)["outcome"] == "ok"
    assert call(identity=True)["origin"] == "container"
    other = start(AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.container_url + "/v2/credentials/x",
                  AWS_CONTAINER_AUTHORIZATION_TOKEN="another", AWS_REGION=aws.region)
    refused = other(**LIST)
    assert refused["outcome"] == "no credentials" and "container endpoint answered" in refused["text"]
    assert not aws.violations(expected=["token"])


def test_rotated_keys_are_followed(aws, start):
    call = start()
    assert call(**LIST)["outcome"] == "ok"
    before = call(identity=True)
    aws.rotate(revoke=True)
    for clock in (lambda: call(advance=60), lambda: aws.clock(advance=60)):
        clock()
    assert call(**LIST)["outcome"] == "ok"
    after = call(identity=True)
    assert before["key"] != after["key"] and after["role"] == before["role"] != ""
    assert not aws.violations(expected=["unknown-key", "expired", "token"])


def test_metadata_tokens_are_renewed(aws, start):
    call = start()
    assert call(**LIST)["outcome"] == "ok"
    aws.imds(forget_tokens=True)
    call(advance=86400)
    aws.clock(advance=86400)
    assert call(**LIST)["outcome"] == "ok"
    assert not aws.violations(expected=["imds-token", "expired"])


@pytest.mark.parametrize("mode", ["v1-only", "disabled", "absent", "hop-limited"])
def test_version_1_of_the_metadata_service_is_never_used(aws, start, mode):
    aws.imds(mode=mode)
    call = start()
    refused = call(**LIST)
    assert refused["outcome"] == "no credentials" and refused["text"]
    aws.imds(mode="required")
    call(advance=120)
    aws.clock(advance=120)
    assert call(**LIST)["outcome"] == "ok"
    assert not aws.violations(expected=["disabled", "absent"])


def test_metadata_service_gone_later(aws, start):
    call = start()
    assert call(**LIST)["outcome"] == "ok"
    aws.imds(mode="disabled")
    call(advance=5.8 * 3600)
    aws.clock(advance=5.8 * 3600)
    got = call(**LIST)
    assert got["outcome"] == "ok", got
    assert call(identity=True)["trouble"] != ""


@pytest.mark.parametrize("offset", [-80000, -1000, 1000, 80000])
def test_clock_is_corrected(aws, start, offset):
    call = start(static=True)
    aws.clock(offset=offset)
    assert call(**LIST)["outcome"] == "ok"
    assert call(**LIST)["outcome"] == "ok"
    assert len(aws.violations(expected=["skew", "expired"])) == 0
    assert len(aws.calls("guardduty")) == 3


def test_clock_a_day_off_is_not(aws, start):
    call = start(static=True)
    aws.clock(offset=100000)
    refused = call(**LIST)
    assert refused["outcome"] == "denied" and "more than a day off" in refused["text"]


def test_clock_is_not_believed_without_tls(aws, start):
    call = start(static=True, **{name: aws.http_url for name in aws.environment() if name.startswith("AWS_ENDPOINT")})
    assert call(**LIST)["outcome"] == "ok"
    aws.clock(offset=1000)
    assert call(**LIST)["outcome"] == "denied"


def test_wrong_secret(aws, start):
    call = start(static=True, AWS_SECRET_ACCESS_KEY="wrong")
    refused = call(**LIST)
    assert refused["outcome"] == "denied" and refused["code"] in refused["text"] != ""
    assert len(aws.calls("guardduty")) == 1


def test_throttled_and_broken(aws, start):
    call = start(static=True)
    for service, line in (("guardduty", LIST), ("s3", {"service": "s3", "method": "GET", "bucket": "lists", "path": "/x"})):
        aws.fault(service, "throttle")
        assert call(**line)["outcome"] == "throttled"
    aws.fault("guardduty", "error", status=500, code="InternalServerErrorException", message="sorry")
    got = call(**LIST)
    assert got["outcome"] == "later" and "sorry" in got["text"]
    # a connection that was kept is tried once more
    aws.fault("guardduty", "close", times=-1)
    assert call(**LIST)["outcome"] == "later"
    aws.clear_faults()
    aws.fault("guardduty", "answer", status=429, headers={"Retry-After": "17"}, body="{}")
    got = call(**LIST)
    assert (got["outcome"], got["retry_after_s"]) == ("throttled", 17)
    aws.fault("guardduty", "hang", seconds=30)
    assert call(**LIST)["outcome"] == "later"
    aws.clear_faults()
    assert call(**LIST)["outcome"] == "ok"


def test_s3_refusals(aws, start):
    call = start(static=True)
    get = {"service": "s3", "method": "GET", "bucket": "lists"}
    aws.object(bucket="lists", key="big", text="x" * 5000)
    aws.object(bucket="lists", key="denied", text="x", access="denied")
    aws.bucket(name="far-away", region="eu-north-1")
    aws.object(bucket="far-away", key="k", text="far\n")
    aws.object(bucket="lists", key="zipped", text="y" * 3000, gzipped=True)
    assert call(**get, path="/big", max_bytes=4999)["outcome"] == "too large"
    assert call(**get, path="/zipped", max_bytes=2999)["outcome"] == "too large"
    assert call(**get, path="/zipped")["body"] == "y" * 3000
    absent = call(**get, path="/absent")
    assert (absent["outcome"], absent["code"]) == ("absent", "NoSuchKey")
    denied = call(**get, path="/denied")
    assert (denied["outcome"], denied["code"]) == ("denied", "AccessDenied")
    elsewhere = call(**{**get, "bucket": "far-away"}, path="/k")
    assert (elsewhere["outcome"], elsewhere["region"]) == ("elsewhere", "eu-north-1")
    there = call(**{**get, "bucket": "far-away"}, path="/k", region=elsewhere["region"])
    assert there["body"] == "far\n"
    assert not aws.violations()


def test_secrets_stay_out_of_the_log(aws):
    call = Caller({**aws.environment(static=True), "AWS_SECRET_ACCESS_KEY": "wrong-secret", "AWS_SESSION_TOKEN": "the-token"})
    call(**LIST)
    log = call.end()
    assert STATIC_KEY in log and "AWS_SECRET_ACCESS_KEY=(set)" in log
    assert "wrong-secret" not in log and "the-token" not in log
