# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole agent with an instance role reports to AWS, the stand-in in its own network namespace:
the workshop's ping, Security Hub, EventBridge and a message; its own EIP on the list; and AWS away."""

import pathlib
import sys

import pytest

from lab import LISTED, until

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "aws"))

from client import Standin  # noqa: E402

EIP = "198.51.100.10"  # the stand-in's instance has it
MALICIOUS = {"source": ["custom.threatlistd"],
             "detail": {"type": ["UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"]}}
OWN = "UnauthorizedAccess:EC2/OwnAddressListed.Custom"


@pytest.fixture
def aws(lab):
    with Standin(lab.work / "aws", netns=lab.agent) as standin:
        yield standin


def start(aws, agent, enforce="mode = drop", refresh="1h"):
    topic = aws.topic(name="alarms")
    agent.configure(agent=f"refresh = {refresh}\n", enforce=enforce,
                    sinks="[sink bus]\ntype = eventbridge\n[sink hub]\ntype = securityhub\nspread = off\n"
                          f"[sink people]\ntype = sns\ntopic = {topic}\n")
    # who this host is comes from its metadata service alone
    agent.config.write_text(agent.config.read_text().replace("host_id = i-0123456789abcdef0\n", ""))
    return agent.start(env=aws.environment())


def events(aws, kind):
    return [got["event"]["detail"] for got in aws.events() if got["event"]["detail"]["type"] == kind]


def test_the_workshop_s_ping(lab, agent, aws):
    aws.rule(name="MaliciousIPCaller", pattern=MALICIOUS)
    start(aws, agent)
    instance = until(lambda: next((s for s in [agent.status()["hostId"]] if s.startswith("i-")), None))
    assert instance
    assert not lab.ping(lab.agent, LISTED)
    assert until(lambda: aws.matches() and aws.messages(), seconds=20), agent.status()["sinks"]
    detail = events(aws, MALICIOUS["detail"]["type"][0])[0]
    assert detail["resource"]["instanceDetails"]["instanceId"] == instance
    action = detail["service"]["action"]["networkConnectionAction"]
    assert (action["connectionDirection"], action["blocked"]) == ("OUTBOUND", True)
    assert until(lambda: [f for f in aws.findings() if f.get("Network", {}).get("DestinationIpV4") == LISTED])
    assert LISTED in aws.messages()[0]["message"]
    assert until(lambda: not any(sink["error"] for sink in agent.status()["sinks"]))
    assert aws.violations() == []


def test_its_own_eip_is_listed(lab, agent, aws):
    agent.list.write_text(f"{LISTED}\n{EIP}\n")
    start(aws, agent)
    assert until(lambda: events(aws, OWN), seconds=20), agent.log()
    detail = events(aws, OWN)[0]
    told = detail["service"]["additionalInfo"]["threatlistd"]
    assert told["event"]["address"] == EIP and told["event"]["privateAddress"] == "10.0.0.10"
    assert told["lists"] == ["test"] and detail["severity"] == 8
    assert detail["resource"]["accessKeyDetails"]["accessKeyId"].startswith("ASIA")
    assert aws.violations() == []


def test_aws_is_away_for_a_while(lab, agent, aws):
    for service in ("events", "securityhub", "sns"):
        aws.fault(service, "error", status=503, times=-1)
    start(aws, agent)
    assert until(lambda: agent.status()["hostId"].startswith("i-"))
    lab.ping(lab.agent, LISTED)
    assert until(lambda: all("answered " in (sink["error"] or "") for sink in agent.status()["sinks"]), seconds=20), agent.status()
    assert len([w for w in agent.status()["warnings"] if w.startswith("sink ")]) == 3
    assert agent.ctl("status", "--check").returncode == 1
    aws.clear_faults()
    assert until(lambda: aws.events() and aws.findings() and aws.messages(), seconds=60)
    assert until(lambda: not any(sink["error"] for sink in agent.status()["sinks"]), seconds=60)
    assert aws.violations() == []
