# SPDX-License-Identifier: GPL-3.0-or-later
"""Host names of services are those of botocore's endpoint rules; the environment has its say."""

import itertools
import os
import pathlib
import subprocess

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / os.environ.get("B", "build") / "test/system/tool_endpoint"
SERVICES = ["guardduty", "s3", "securityhub", "events", "sns", "sts"]
REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "eu-central-2", "ap-northeast-1", "me-central-1", "af-south-1",
           "ca-central-1", "sa-east-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1", "us-iso-east-1",
           "us-iso-west-1", "us-isob-east-1"]


def run(*args, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run([TOOL, *args], env={**clean, **environment}, capture_output=True, text=True)
    return done.returncode, dict(line.split(" ", 1) for line in done.stdout.splitlines()), done.stderr


@pytest.fixture(scope="module")
def providers():
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    partitions = loader.load_data("partitions")
    return {name: EndpointProvider(loader.load_service_model(name, "endpoint-rule-set-1"), partitions)
            for name in SERVICES}


@pytest.mark.parametrize("region", REGIONS)
def test_hosts_are_botocores(region, providers):
    for fips, dualstack in itertools.product([False, True], repeat=2):
        _, ours, _ = run(region, *(["fips"] if fips else []), *(["dualstack"] if dualstack else []))
        for name in SERVICES:
            parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dualstack}
            if name == "s3":
                parameters.update(Bucket="bucket")
            try:
                theirs = providers[name].resolve_endpoint(**parameters).url.replace("//bucket.", "//")
            except EndpointProviderError:
                theirs = "-"
            assert ours[name] == theirs, (region, fips, dualstack)


@pytest.mark.parametrize("region,partition", [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"),
                                              ("us-iso-east-1", "aws-iso"), ("us-isob-east-1", "aws-iso-b"),
                                              ("eu-isoe-west-1", "aws-iso-e"), ("us-isof-south-1", "aws-iso-f"),
                                              ("eusc-de-east-1", "aws-eusc"), ("xy-north-1", "aws")])
def test_partition(region, partition):
    assert run(region)[1]["partition"] == partition


def test_environment():
    assert run(AWS_DEFAULT_REGION="eu-west-1")[1]["sns"] == "https://sns.eu-west-1.amazonaws.com"
    assert run(AWS_REGION="eu-west-3", AWS_DEFAULT_REGION="eu-west-1")[1]["sns"] == "https://sns.eu-west-3.amazonaws.com"
    assert run("eu-west-2", AWS_REGION="eu-west-3")[1]["sns"] == "https://sns.eu-west-2.amazonaws.com"
    assert run("us-east-1", AWS_USE_FIPS_ENDPOINT="true")[1]["s3"] == "https://s3-fips.us-east-1.amazonaws.com"
    assert run("us-east-1", AWS_USE_DUALSTACK_ENDPOINT="true")[1]["events"] == "https://events.us-east-1.api.aws"


def test_endpoint_urls():
    every = {"AWS_ENDPOINT_URL": "http://127.0.0.1:8080/all/", "AWS_ENDPOINT_URL_EVENTBRIDGE": "https://e.example",
             "AWS_ENDPOINT_URL_S3": "http://[::1]:99"}
    ours = run("us-east-1", **every)[1]
    assert ours["guardduty"] == "http://127.0.0.1:8080/all"
    assert ours["events"] == "https://e.example"
    assert ours["s3"] == "http://[::1]:99"
    ours = run("us-east-1", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true", **every)[1]
    assert ours["events"] == "https://events.us-east-1.amazonaws.com"
    for url in ["ftp://x", "https://", "https://u:p@x", "https://x/?q", "https://x/" + "p" * 600, "x"]:
        assert run("us-east-1", AWS_ENDPOINT_URL=url)[1]["sts"] == "-"


def test_wrong_regions():
    for region in ["", "eu west", "EU-WEST-1", "evil.example/", "-a", "a" * 80]:
        code, _, why = run(region)
        assert code == 1 and "region" in why
    assert "AWS_REGION" in run()[2]
