# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole agent on a host with IPv6 alone: no IPv4 address, not even loopback's, and no IPv4 route.  IMDS is at
fd00:ec2::254, the services of AWS at an IPv6 address, names come from a hosts file."""

import pathlib
import sys

import pytest

import lab as labs
from lab import Agent, run, until

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "aws"))

from client import Standin  # noqa: E402

AWS6, LISTED6, OWN6 = "2001:db8:10::10", "2001:db8:66::66", "2001:db8:66::1"
IMDS6 = "fd00:ec2::254"
MAC = "meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/"
CALLER = "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
SOURCE = "[source guardduty]\ntype = guardduty\n"
SINKS = "[sink bus]\ntype = eventbridge\n[sink hub]\ntype = securityhub\nspread = off\n"


class Lab6(labs.Lab):
    """The three hosts without IPv4."""

    def _build(self):
        for namespace in (self.agent, self.listed, self.innocent):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "-4", "addr", "flush", "dev", "lo")
        for peer, name, own, theirs in ((self.listed, "to-listed", OWN6, LISTED6),
                                        (self.innocent, "to-innocent", "2001:db8:10::1", AWS6)):
            run("ip", "link", "add", name, "netns", self.agent, "type", "veth", "peer", "name", "eth0", "netns", peer)
            for namespace, device, address in ((self.agent, name, own), (peer, "eth0", theirs)):
                run("ip", "-n", namespace, "addr", "add", f"{address}/64", "dev", device, "nodad")
                run("ip", "-n", namespace, "link", "set", device, "up")
        run("ip", "-n", self.innocent, "addr", "add", f"{IMDS6}/128", "dev", "eth0", "nodad")
        run("ip", "-n", self.agent, "route", "add", f"{IMDS6}/128", "dev", "to-innocent")
        for namespace in (self.agent, self.listed, self.innocent):
            assert run("ip", "-n", namespace, "-4", "addr").stdout == ""
            assert run("ip", "-n", namespace, "-4", "route", "show", "table", "all").stdout == ""


@pytest.fixture
def lab():
    one = Lab6()
    yield one
    one.close()


@pytest.fixture
def aws(lab):
    with Standin(lab.work / "aws", netns=lab.innocent, imds=[f"[{IMDS6}]:80"], http=[],
                 https=[f"[{AWS6}]:8444"]) as standin:
        # as an instance in such a subnet: no IPv4 address of any kind
        standin.imds(values={f"meta-data/{name}": None for name in ("local-ipv4", "public-ipv4")} | {
            MAC + name: None for name in ("local-ipv4s", "public-ipv4s", "ipv4-associations/198.51.100.10",
                                          "subnet-ipv4-cidr-block", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks")})
        standin.imds(values={MAC + "ipv6s": OWN6})
        yield standin


@pytest.fixture
def host(lab, aws):
    one = Agent(lab)
    one.configure(agent="refresh = 1h", sources=SOURCE, sinks=SINKS)
    # who this host is comes from its metadata service alone
    one.config.write_text(one.config.read_text().replace("host_id = i-0123456789abcdef0\n", ""))
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
    assert "Bad system call" not in one.log(), one.log()


def environment(aws):
    env = {**aws.environment(), "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}
    del env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    return env


def source(host, name):
    status = host.status()
    return {one["name"]: one for one in status["sources"]}.get(name, {}) if status else {}


def details(aws):
    return [got["event"]["detail"] for got in aws.events() if got["event"]["detail"]["type"] == CALLER]


def test_list_comes_is_enforced_and_its_finding_reported(lab, aws, host):
    aws.threat_list("six", f"{LISTED6}\n")
    host.start(env=environment(aws))
    assert until(lambda: source(host, "six").get("state") == "ok"), host.log()
    assert not lab.ping(lab.agent, LISTED6) and lab.ping(lab.agent, AWS6)
    assert lab.in_set("hosts6", LISTED6)
    assert until(lambda: details(aws), 20), host.status()
    detail = details(aws)[0]
    assert detail["service"]["action"]["networkConnectionAction"]["connectionDirection"] == "OUTBOUND"
    assert LISTED6 in detail["service"]["action"]["networkConnectionAction"]["remoteIpDetails"].values()
    assert detail["resource"]["instanceDetails"]["instanceId"] == "i-0123456789abcdef0"
    # each sink has a pace of its own, and what came first need not be about this remote
    assert until(lambda: [one for one in aws.findings() if one.get("Network", {}).get("DestinationIpV6") == LISTED6],
                 20), aws.findings()
    assert host.status()["hostId"] == "i-0123456789abcdef0"
    assert until(lambda: not host.status()["warnings"]), host.status()
    assert until(lambda: host.ctl("status", "--check").returncode == 0), host.status()
    assert not aws.violations()
    # IMDS was asked over IPv6, by version 2
    assert {call["host"] for call in aws.calls("imds")} == {f"[{IMDS6}]"}


def test_its_own_address_on_the_list_is_told(lab, aws, host):
    aws.threat_list("six", f"{OWN6}\n")
    host.start(env=environment(aws))
    own = until(lambda: next((got["event"]["detail"] for got in aws.events() if "OwnAddressListed" in
                              got["event"]["detail"]["type"]), None), 20)
    assert own, host.log()
    assert own["service"]["additionalInfo"]["threatlistd"]["event"]["address"] == OWN6


def test_endpoint_without_an_ipv6_address_is_named(lab, aws, host):
    """AWS's plain names have IPv4 addresses alone: status says what to set."""
    lab.etc("hosts", "::1 localhost\n192.0.2.77 guardduty.us-west-2.amazonaws.com\n"
                     f"{AWS6} guardduty.us-west-2.api.aws\n")
    env = environment(aws)
    del env["AWS_ENDPOINT_URL_GUARDDUTY"]
    host.start(env=env, wait=False)
    failing = until(lambda: host.status() and source(host, "guardduty")["state"] == "failing" and
                    source(host, "guardduty"), 30)
    assert failing and "a host with IPv6 alone needs dualstack = yes in [agent]" in failing["error"], host.status()
    assert any("dualstack = yes" in warning for warning in host.status()["warnings"])
    assert host.ctl("status", "--check").returncode == 1


def test_metadata_service_that_is_not_there_is_named(lab, aws, host):
    aws.threat_list("six", f"{LISTED6}\n")
    run("ip", "-n", lab.agent, "route", "del", f"{IMDS6}/128")
    host.start(env=environment(aws), wait=False)
    failing = until(lambda: host.status() and source(host, "guardduty")["state"] == "failing" and
                    source(host, "guardduty"), 30)
    assert failing and IMDS6 in failing["error"], host.status()
    run("ip", "-n", lab.agent, "route", "add", f"{IMDS6}/128", "dev", "to-innocent")
    assert until(lambda: source(host, "six").get("state") == "ok", 120), host.log()
