# SPDX-License-Identifier: GPL-3.0-or-later
"""The eventbridge sink: the reporter against the stand-in, with the hands-on workshop's rules and Lambda."""

import json

import pytest

from reporting import ACCOUNT, REGION, Reporting, ours, until
from workshop import CALLER_RULE, PATHS, RULES, SOURCE, TEMPLATE, remediation

SINK = "[sink bus]\ntype = eventbridge\n"


@pytest.fixture
def reporting(tmp_path):
    with Reporting(tmp_path) as one:
        yield one


def feed(reporter, n, first=1):
    for i in range(first, first + n):
        reporter.count(f"203.0.113.{i}", i)


def sequences(events):
    return [ours(e["event"]["detail"])["sequence"] for e in events]


def test_an_event(reporting):
    reporter = reporting.start(SINK)
    reporter.sighting("203.0.113.9", flow="out", local_port=40000, remote_port=443)
    assert until(lambda: len(reporting.aws.events()) == 1)
    got = reporting.aws.events()[0]
    event, detail = got["event"], got["event"]["detail"]
    assert (got["bus"], event["source"], event["detail-type"]) == ("default", SOURCE, "GuardDuty Finding")
    assert event["resources"] == [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0abc"]
    assert event["time"] == detail["updatedAt"][:19] + "Z"
    assert isinstance(detail["severity"], int) and detail["accountId"] == ACCOUNT
    assert detail["resource"]["instanceDetails"]["networkInterfaces"][0]["vpcId"] == "vpc-0a1b2c3d"
    told = ours(detail)
    assert (told["sequence"], told["revision"]) == (1, 1) and len(told["spool"]) == 32
    reporting.is_clean()


def test_bus_and_source(reporting):
    reporting.aws.bus(name="security")
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/security"
    reporter = reporting.start(SINK + f"bus = {arn}\nsource = our.hosts\nregion = {REGION}\n")
    reporter.count("203.0.113.9", 1)
    assert until(lambda: [(e["bus"], e["event"]["source"]) for e in reporting.aws.events()]
                 == [("security", "our.hosts")])
    reporting.is_clean()


def test_the_workshop_works(reporting):
    for name, pattern in RULES.items():
        reporting.aws.rule(name=name, pattern=pattern, paths=PATHS, template=TEMPLATE)
    reporter = reporting.start(SINK + "events = all\n")
    reporter.say("sighting 203.0.113.9 203.0.113.0/24 out 1 0 0")  # the workshop's ping: no ports
    reporter.sighting("203.0.113.10", flow="in")
    for name in range(1, 9):  # every kind of event that there is
        reporter.say(f"event {name} {name} 1760000000000 why")
    assert until(lambda: len(reporting.aws.events()) == 10)
    fired = reporting.aws.matches()
    assert {match["rule"] for match in fired} == {CALLER_RULE} and len(fired) == 2
    for match in fired:
        event = next(e["event"] for e in reporting.aws.events() if e["event"]["id"] == match["event"])
        assert remediation(event, "i-0abc") == ("i-0abc", match["finding"])
        assert match["input"] == TEMPLATE.replace("<instanceid>", "i-0abc").replace("<gdid>", match["finding"])
    reporting.is_clean()


def test_batches(reporting):
    reporting.aws.fault("events", "error", status=503, times=1)
    reporter = reporting.start(SINK)
    feed(reporter, 35)
    assert until(lambda: len(reporting.aws.events()) == 35)
    assert sequences(reporting.aws.events()) == list(range(1, 36))
    sizes = [len(json.loads(call["body"])["Entries"]) for call in reporting.aws.calls("events")
             if call["status"] == 200]
    assert max(sizes) == 10 and sum(sizes) == 35
    reporting.is_clean()


def test_only_what_failed_is_repeated(reporting):
    reporting.aws.fault("events", "partial", indexes=[1, 4, 5], code="ThrottlingException", times=1, skip=1)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: len(reporting.aws.events()) == 1)
    reporting.aws.fault("events", "error", status=500, times=1)  # lets all of them be frozen together
    feed(reporter, 10, first=2)
    assert until(lambda: len(reporting.aws.events()) == 11)
    got = reporting.aws.events()
    assert sorted(sequences(got)) == list(range(1, 12))
    texts = {}
    for call in reporting.aws.calls("events"):
        for entry in json.loads(call["body"])["Entries"]:
            sequence = ours(json.loads(entry["Detail"]))["sequence"]
            # the very same entry each time
            assert texts.setdefault(sequence, entry) == entry
    reporting.is_clean()


@pytest.mark.parametrize("code", ["InvalidArgument", "RedactionFailure", "MalformedDetail"])
def test_a_permanent_failure_is_kept_and_shown(reporting, code):
    reporting.aws.fault("events", "partial", indexes=[0], code=code, message="no", times=1)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: reporter.status()[0][0]["refused"] == 1)
    sink = reporter.status()[0][0]
    assert (sink["pending"], sink["error"]) == (0, f"refused: events: {code}: no")
    reporter.count("203.0.113.2", 1)
    assert until(lambda: sequences(reporting.aws.events()) == [2])
    shown = reporter.show(reporter.findings()[0]["id"])[0]
    assert shown["deliveries"][0]["state"] == "refused" and code in shown["deliveries"][0]["lastError"]
    # the bus has the second one before its answer is known here
    assert until(lambda: reporter.status()[0][0]["error"] == "")
    reporting.is_clean()


@pytest.mark.parametrize("code", ["AccessDeniedException", "NotAuthorizedForSourceException",
                                  "NotAuthorizedForDetailTypeException", "InvalidAccountIdException"])
def test_what_may_not_be_put_waits_for_the_permission(reporting, code):
    """Each finding would be given up, one after the other, while somebody looks for what is wrong."""
    reporting.aws.fault("events", "partial", code=code, message="no", times=-1)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: reporter.status()[0][0]["error"] == f"events: {code}: no")
    sink = reporter.status()[0][0]
    assert (sink["pending"], sink["refused"]) == (1, 0)
    reporting.aws.clear_faults()
    assert until(lambda: sequences(reporting.aws.events()) == [1], seconds=30)
    assert until(lambda: reporter.status()[0][0]["error"] == "")
    reporting.is_clean()


def test_a_request_that_is_refused_whole_is_halved(reporting):
    reporting.aws.fault("events", "error", status=400, code="ValidationException", message="odd", times=2)
    reporter = reporting.start(SINK)
    feed(reporter, 4)
    assert until(lambda: len(reporting.aws.events()) + sum(s["refused"] for s in reporter.status()[0]) == 4)
    reporting.is_clean()


@pytest.mark.parametrize("about, says", [
    ({"kind": "throttle"}, "events eu-central-1: answered 400 ThrottlingException"),
    ({"kind": "error", "status": 400, "code": "AccessDeniedException"}, ": answered 400 AccessDeniedException"),
    ({"kind": "error", "status": 400, "code": "ResourceNotFoundException"}, "400 ResourceNotFoundException"),
    ({"kind": "answer", "status": 200, "body": "{}"}, "does not say what became of"),
    ({"kind": "answer", "status": 200, "body": "not json"}, "does not say what became of"),
    ({"kind": "answer", "status": 200, "body": '{"FailedEntryCount":0,"Entries":[{}]}'}, "neither EventId"),
    ({"kind": "close"}, "events eu-central-1: "),
    ({"kind": "cut", "bytes": 20}, "events eu-central-1: "),
])
def test_trouble_is_said_in_a_line_and_passes(reporting, about, says):
    kind = about.pop("kind")
    reporting.aws.fault("events", kind, times=-1, **about)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: says in reporter.status()[0][0]["error"]), reporter.status()
    sink = reporter.status()[0][0]
    assert (sink["pending"], sink["refused"]) == (1, 0)
    reporting.aws.clear_faults()
    assert until(lambda: sequences(reporting.aws.events())[-1:] == [1], seconds=60)
    assert until(lambda: reporter.status()[0][0]["error"] == "")
    reporting.is_clean()


def test_no_credentials_and_later_some(reporting):
    reporting.aws.role(name="")
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: reporter.status()[0][0]["error"] != "")
    assert "role" in reporter.status()[0][0]["error"], reporter.status()
    reporting.is_clean()


def test_nothing_secret_is_logged(reporting):
    reporting.aws.fault("events", "error", status=403, code="ExpiredTokenException", times=1)
    reporter = reporting.start(SINK)
    reporter.count("203.0.113.1", 1)
    assert until(lambda: len(reporting.aws.events()) == 1)
    secrets = reporting.aws.role_secrets()
    reporter.stop()
    log = "".join(reporter.log)
    assert "aws credentials from=instance" in log
    assert not any(secret in log for secret in ("Signature=", "SecretAccessKey", *secrets))


def test_heartbeat_is_of_a_type_of_its_own(reporting):
    reporter = reporting.start(SINK)
    beat = {"type": "threatlistd Heartbeat", "time": "2026-11-24T12:00:01.000Z", "hostId": "i-0abc", "warnings": []}
    reporter.say("heartbeat " + json.dumps(beat))
    assert until(lambda: len(reporting.aws.events()) == 1)
    event = reporting.aws.events()[0]["event"]
    assert event["detail-type"] == "threatlistd Heartbeat" and event["detail"] == beat
    assert event["time"] == "2026-11-24T12:00:01Z" and event["source"] == SOURCE
    # it takes no sequence away
    reporter.count("203.0.113.9", 1)
    assert until(lambda: len(reporting.aws.events()) == 2)
    assert sequences(reporting.aws.events()[1:]) == [1]
    reporting.is_clean()
