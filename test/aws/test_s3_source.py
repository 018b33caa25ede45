# SPDX-License-Identifier: GPL-3.0-or-later
"""The feed's s3 source against the stand-in: conditions, regions, bounds, and what an operator is told."""

import gzip
import sys

import pytest

from client import STATIC_KEY, STATIC_SECRET, Standin

sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parents[1] / "golden"))
from feedlib import feed, validators  # noqa: E402

LIST = "198.51.100.7\n203.0.113.0/24\n2001:db8::/48\n"
URL = "https://s3.amazonaws.com/{bucket}/{key}"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Standin(tmp_path_factory.mktemp("aws")) as standin:
        yield standin


@pytest.fixture
def aws(running):
    running.forget()
    running.clear_faults()
    return running


@pytest.fixture
def ask(aws, tmp_path):
    def run(*options, bucket="lists", key="threats.txt", location=None, env=None, **keys):
        lines = [f"{name} = {value}" for name, value in keys.items()]
        text = "\n".join(["[source bucket]", "type = s3", f"location = {location or URL.format(bucket=bucket, key=key)}",
                          *lines, ""])
        (said,) = feed(tmp_path, text, *options, **{**aws.environment(), "AWS_REGION": "us-west-2", **(env or {})})
        return said
    return run


def test_object_is_read_and_only_asked_for_when_it_changed(aws, ask):
    etag = aws.object(bucket="lists", key="threats.txt", text=LIST)
    first = ask()
    assert (first["outcome"], first["entries"], first["etag"], first["name"]) == ("new", 3, etag, "bucket")
    same = ask(*validators(first))
    assert (same["outcome"], same["etag"], same["bytes"]) == ("same", etag, 0)
    assert [call["status"] for call in aws.calls("s3")] == [200, 304]
    aws.object(bucket="lists", key="threats.txt", text=LIST + "192.0.2.1\n")
    assert ask(*validators(first))["entries"] == 4
    assert not aws.violations()


@pytest.mark.parametrize("redirect", ["301", "400"])
def test_bucket_elsewhere_is_followed(aws, ask, redirect):
    aws.bucket(name="far.away", region="eu-central-1", redirect=redirect)
    aws.object(bucket="far.away", key="a b/+.txt", text=LIST)
    said = ask(bucket="far.away", key="a%20b/+.txt")
    assert said["outcome"] == "new", said["reason"]
    assert len(aws.calls("s3")) == 2 and not aws.violations()
    aws.forget()
    assert ask(bucket="far.away", key="a%20b/+.txt", region="eu-central-1")["outcome"] == "new"
    assert len(aws.calls("s3")) == 1
    assert ask(location="https://s3.eu-central-1.amazonaws.com/far.away/a%20b/+.txt")["outcome"] == "new"
    assert ask(location="s3://far.away/a b/+.txt")["outcome"] == "new"
    assert len(aws.calls("s3")) == 4 and not aws.violations()


def test_gzip_is_inflated_and_bounded_after_it(aws, ask):
    aws.object(bucket="lists", key="zipped", text=LIST, gzipped=True)
    assert ask(key="zipped")["bytes"] == len(LIST)
    aws.object(bucket="lists", key="bomb", text="#" * 20_000_000, gzipped=True)
    assert len(gzip.compress(b"#" * 20_000_000)) < 65536
    said = ask(key="bomb", max_bytes="64K")
    assert said["outcome"] == "failed" and "larger than 65536 bytes (max_bytes)" in said["reason"]


@pytest.mark.parametrize("label", ["utf-8", "aws-chunked", "identity"])
def test_label_that_is_no_compression_is_passed_over(aws, ask, label):
    aws.object(bucket="lists", key="threats.txt", text=LIST)
    headers = {"Content-Encoding": label, "ETag": '"labelled"'}
    aws.fault("s3", "answer", status=200, headers=headers, body=LIST, times=-1)
    said = ask()
    assert (said["outcome"], said["entries"], said["etag"]) == ("new", 3, '"labelled"'), said["reason"]
    # the bound holds for it, too
    aws.clear_faults()
    aws.fault("s3", "answer", status=200, headers=headers, body=LIST + "#" * 70000, times=-1)
    assert "larger than 65536 bytes (max_bytes)" in ask(max_bytes="64K")["reason"]
    aws.clear_faults()
    aws.fault("s3", "answer", status=200, headers={"Content-Encoding": "gzip"}, body=LIST)
    assert ask()["outcome"] == "failed"


def test_owner_is_asserted(aws, ask):
    aws.bucket(name="theirs", owner="210987654321")
    aws.object(bucket="theirs", key="k", text=LIST)
    assert ask(bucket="theirs", key="k", expected_owner="210987654321")["outcome"] == "new"
    said = ask(bucket="theirs", key="k", expected_owner="123456789012")
    assert said["outcome"] == "failed"
    assert "s3:GetObject on arn:aws:s3:::theirs/k" in said["reason"]
    assert "account 123456789012 does not own the bucket" in said["reason"]


@pytest.mark.parametrize("access, words", [
    ("denied", ["s3:GetObject on arn:aws:s3:::lists/k", "kms:Decrypt", "bucket policy", "403 AccessDenied", "role "]),
    ("kms-denied", ["allow kms:Decrypt to role ", "policy of the key", "arn:aws:s3:::lists/k"]),
    ("kms-disabled", ["KMS key", "enable it"]),
    ("endpoint-denied", ["policy of the VPC endpoint for S3 must allow s3:GetObject on arn:aws:s3:::lists/k"]),
    ("archived", ["is archived: restore it"]),
])
def test_refusals_say_what_to_allow(aws, ask, access, words):
    key = "arn:aws:kms:us-west-2:123456789012:key/1" if access.startswith("kms") else None
    aws.object(bucket="lists", key="k", text=LIST, access=access, kms_key=key)
    said = ask(key="k")
    assert said["outcome"] == "failed"
    for word in words:
        assert word in said["reason"], said["reason"]
    assert "\n" not in said["reason"] and not aws.violations()


@pytest.mark.parametrize("because, words", [
    ("with an explicit deny in a service control policy", "the organization's service control policy must allow"),
    ("with an explicit deny in a resource-based policy", "the bucket policy, which denies it (aws:SourceVpce"),
    ("because no permissions boundary allows the s3:GetObject action", "the role's permissions boundary must allow"),
    ("because no VPC endpoint policy allows the s3:GetObject action", "the policy of the VPC endpoint for S3 must allow"),
    ("because no identity-based policy allows the s3:GetObject action", "allow s3:GetObject on arn:aws:s3:::lists/k (and"),
    ("because no resource-based policy allows the s3:GetObject action", "and in the bucket policy if another account"),
])
def test_policy_that_decided_is_named(aws, ask, because, words):
    aws.object(bucket="lists", key="k", text=LIST)
    aws.fault("s3", "error", status=403, code="AccessDenied", times=-1, message="User: arn:aws:sts::123456789012:"
              f"assumed-role/r/i-1 is not authorized to perform: s3:GetObject on resource: {'k' * 1000} {because}")
    said = ask(key="k")
    assert words in said["reason"] and "s3:GetObject on arn:aws:s3:::lists/k" in said["reason"], said["reason"]


def test_encrypted_object_is_read_as_any_other(aws, ask):
    aws.object(bucket="lists", key="k", text=LIST, kms_key="arn:aws:kms:us-west-2:123456789012:key/1")
    first = ask(key="k")
    assert first["outcome"] == "new"
    assert ask(*validators(first), key="k")["outcome"] == "same"


def test_what_is_not_there_is_told_apart(aws, ask):
    aws.object(bucket="lists", key="other", text=LIST)
    assert "there is no object s3://lists/none (404 NoSuchKey)" in ask(key="none")["reason"]
    assert "there is no bucket nowhere (404 NoSuchBucket)" in ask(bucket="nowhere", key="k")["reason"]
    aws.bucket(name="quiet", may_list=False)
    aws.object(bucket="quiet", key="other", text=LIST)
    assert "without s3:ListBucket a missing object looks the same" in ask(bucket="quiet", key="none")["reason"]


def test_throttled_is_later(aws, ask):
    aws.object(bucket="lists", key="threats.txt", text=LIST)
    aws.fault("s3", "throttle", headers={"Retry-After": "7"})
    said = ask()
    assert said["outcome"] == "failed" and "SlowDown" in said["reason"] and said["retryAfter"] == 7
    assert ask()["outcome"] == "new"


def test_cut_answer_is_no_list(aws, ask):
    aws.object(bucket="lists", key="threats.txt", text=LIST)
    aws.fault("s3", "cut", bytes=20)
    assert ask()["outcome"] == "failed"
    assert ask()["outcome"] == "new"


def test_expired_token_is_renewed_in_the_same_refresh(aws, ask):
    aws.object(bucket="lists", key="threats.txt", text=LIST)
    aws.fault("s3", "error", status=400, code="ExpiredToken", message="The provided token has expired.")
    said = ask()
    assert said["outcome"] == "failed" and "credentials are expired" in said["reason"], said
    assert ask()["outcome"] == "new"


def test_no_credentials_and_no_region_are_said(aws, ask, tmp_path):
    aws.object(bucket="lists", key="threats.txt", text=LIST)
    none = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    assert "credentials" in ask(env=none)["reason"]
    assert "region" in ask(env={**none, "AWS_REGION": "", "AWS_ACCESS_KEY_ID": STATIC_KEY,
                                "AWS_SECRET_ACCESS_KEY": STATIC_SECRET})["reason"]
    assert not aws.calls("s3")
