# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole agent against the stand-in AWS: GuardDuty's lists become sources, come and go, and outlive failures."""

import datetime
import json
import pathlib
import re
import signal
import sys

import pytest

from lab import INNOCENT, INNOCENT6, LISTED, LISTED6, SANITIZED, Agent, until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "aws"))
from client import STATIC_KEY, STATIC_SECRET, Standin  # noqa: E402

SOURCE = "[source guardduty]\ntype = guardduty\n"

# says no to everybody, and keeps what it was asked for
PROXY = """
import socket, sys
s = socket.create_server(("", 3128))
while True:
    c, _ = s.accept()
    line = c.makefile().readline().strip()
    if line:
        open(sys.argv[1], "a").write(line + "\\n")
    c.sendall(b"HTTP/1.1 403 no\\r\\nContent-Length: 0\\r\\n\\r\\n"); c.close()
"""
REACH = "import socket; socket.create_connection(('192.0.2.10', 3128), 1)"


@pytest.fixture
def aws(lab):
    with Standin(lab.work / "aws", netns=lab.agent) as standin:
        yield standin


@pytest.fixture
def host(lab, aws):
    """An agent whose lists come from GuardDuty."""
    one = Agent(lab)
    one.configure(agent="refresh = 1h", sources=SOURCE)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()


def start(host, aws, wait=True):
    return host.start(wait=wait, env=aws.environment())


def sources(host):
    status = host.status()
    return {source["name"]: source for source in status["sources"]} if status else {}


def state(host, name, wanted):
    """The source when it is in this state."""
    return until(lambda: (s := sources(host).get(name)) and s["state"] == wanted and s)


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def discover(host):
    before = host.log().count("GuardDuty asked")
    done = host.ctl("refresh", "--discover", "guardduty")
    assert done.returncode == 0, done.stderr
    assert until(lambda: host.log().count("GuardDuty asked") > before), host.log()


def test_example_threat_list_is_enforced_under_its_own_name(lab, aws, host):
    aws.threat_list("Example-Threat-List", f"{LISTED}\n")
    aws.threat_list("second", f"{LISTED6}\n", bucket="far.away", location="https://far.away.s3.amazonaws.com/second.txt")
    aws.bucket(name="far.away", region="eu-central-1")
    aws.threat_list("trusted-ips", f"{INNOCENT}\n", kind="ipset")
    aws.threat_list("entities", f"{INNOCENT}\n{INNOCENT6}\n", kind="threatentityset")
    start(host, aws)
    assert until(lambda: len(sources(host)) == 5 and all(s["state"] == "ok" for s in sources(host).values())), \
        host.status()
    # read comes before loaded
    assert until(lambda: lab.in_set("hosts4", LISTED) and lab.in_set("hosts6", LISTED6) and
                 lab.in_set("hosts6", INNOCENT6)), host.log()
    assert not lab.ping(lab.agent, LISTED) and not lab.ping(lab.agent, LISTED6)
    assert not lab.ping(lab.agent, INNOCENT6) and lab.ping(lab.agent, INNOCENT)
    now = sources(host)
    assert now["guardduty"]["sets"] == 4 and now["guardduty"]["type"] == "guardduty"
    assert now["Example-Threat-List"]["from"] == "guardduty" and now["trusted-ips"]["role"] == "trusted"
    assert "Example-Threat-List" in host.ctl("lists").stdout
    found = until(lambda: host.found(LISTED, "OUTBOUND"), 5)
    assert found["service"]["additionalInfo"]["threatlistd"]["lists"] == ["Example-Threat-List"]
    # GuardDuty's own detector names it
    detector = re.search(r"GuardDuty asked .* detector=(\w+)", host.log())[1]
    assert found["service"]["detectorId"] == detector
    assert f":detector/{detector}/finding/{found['id']}" in found["arn"]
    assert not aws.violations()
    discover(host)
    log = host.log()
    assert log.count("environment AWS_CA_BUNDLE=") == 1 and log.count("AWS region=us-west-2") == 1
    assert log.count("AWS credentials from=") == 1 and "role=" in log
    # the keys were handed on to the second feed
    assert log.count("aws credentials from=") == 1


def test_metadata_service_that_is_gone_costs_nothing_while_keys_last(lab, aws, host):
    aws.threat_list("first", f"{LISTED}\n")
    start(host, aws)
    assert state(host, "first", "ok")
    aws.fault("imds", "hang", times=-1, seconds=60)
    aws.threat_list("second", f"{INNOCENT}\n")
    discover(host)
    assert state(host, "second", "ok") and state(host, "guardduty", "ok"), host.log()
    assert until(lambda: lab.in_set("hosts4", INNOCENT))


def test_bucket_elsewhere_is_redirected_once(lab, aws, host):
    aws.bucket(name="far.away", region="eu-central-1")
    aws.threat_list("first", f"{LISTED}\n", bucket="far.away", location="https://far.away.s3.amazonaws.com/first.txt")
    start(host, aws)
    assert state(host, "first", "ok")
    statuses = lambda: [call["status"] for call in aws.calls("s3")]  # noqa: E731
    assert statuses() == [301, 200]
    for number in (3, 4):
        host.ctl("refresh", "first")
        assert until(lambda: len(statuses()) == number) and statuses()[number - 1] == 304
    # the next agent knows it, too
    host.stop()
    start(host, aws)
    assert until(lambda: len(statuses()) == 5) and statuses()[4] == 304, host.log()
    assert not aws.violations()


def test_refresh_ordered_while_it_is_read_is_not_lost(lab, aws, host):
    """What is being read is of before the order."""
    aws.threat_list("first", f"{LISTED}\n")
    start(host, aws)
    assert state(host, "first", "ok")
    aws.object(bucket="guardduty-example", key="first.txt", text=f"{LISTED}\n198.51.100.7\n")
    aws.fault("s3", "drip", bytes=1, seconds=0.1)
    before = len(aws.calls("s3"))
    host.ctl("refresh", "first")
    assert until(lambda: len(aws.calls("s3")) > before)
    aws.object(bucket="guardduty-example", key="first.txt", text=f"{LISTED}\n{INNOCENT}\n")
    assert host.ctl("refresh", "first").returncode == 0
    assert until(lambda: lab.in_set("hosts4", INNOCENT)), host.log()
    assert len(aws.calls("s3")) == before + 2


def test_detector_is_known_before_the_network_is(lab, aws, host):
    aws.threat_list("first", f"{LISTED}\n")
    start(host, aws)
    assert state(host, "first", "ok")
    detector = re.search(r"GuardDuty asked .* detector=(\w+)", host.log())[1]
    host.stop()
    aws.fault("guardduty", "hang", times=-1, seconds=60)
    aws.fault("s3", "hang", times=-1, seconds=60)
    aws.fault("imds", "hang", times=-1, seconds=60)
    start(host, aws)
    lab.ping(lab.agent, LISTED)
    found = until(lambda: host.found(LISTED, "OUTBOUND"), 5)
    assert found["service"]["detectorId"] == detector and f":detector/{detector}/" in found["arn"]


def test_sets_come_and_go_as_guardduty_says(lab, aws, host):
    first = aws.threat_list("first", f"{LISTED}\n")
    second = aws.threat_list("second", f"{INNOCENT}\n", status="INACTIVE")
    start(host, aws)
    assert state(host, "first", "ok") and "second" not in sources(host)
    assert lab.ping(lab.agent, INNOCENT)
    aws.update_set(id=second, status="ACTIVE")
    discover(host)
    assert state(host, "second", "ok")
    assert until(lambda: lab.in_set("hosts4", INNOCENT)) and lab.in_set("hosts4", LISTED)
    # while it is activated again its last good copy stays, and nothing is fetched
    aws.update_set(id=second, status="ACTIVATING")
    aws.remove_set(id=first)
    discover(host)
    assert until(lambda: "first" not in sources(host))
    assert until(lambda: not lab.in_set("hosts4", LISTED)) and lab.in_set("hosts4", INNOCENT)
    assert not (host.dir / "state/lists/first.list").exists()
    gone = until(lambda: host.found(event="list-changed"))
    assert gone["service"]["additionalInfo"]["threatlistd"]["event"]["source"] in ("first", "second")
    aws.update_set(id=second, status="ERROR", errorDetails="the object is no list")
    discover(host)
    assert until(lambda: "second" not in sources(host)) and until(lambda: not lab.in_set("hosts4", INNOCENT))
    assert any("GuardDuty cannot use threat intel set second: the object is no list" in warning
               for warning in host.status()["warnings"])
    assert not aws.violations()


def names_of(host, name):
    kept = host.dir / "state/lists" / f"{name}.domains"
    return kept.read_text().splitlines() if kept.exists() else None


def test_domain_names_of_entity_sets_are_kept(lab, aws, host):
    heading = "threatlistd domains 1"
    aws.threat_list("names", "example.com\n*.example.org\nexample.com\n", kind="threatentityset")
    mixed = aws.threat_list("mixed", f"{LISTED}\nexample.net\n", kind="threatentityset")
    aws.threat_list("broken", "192.0.2.256\nexample.com\n", kind="trustedentityset")
    start(host, aws)
    names = state(host, "names", "ok")
    assert names and (names["entries"], names["domains"], names["error"]) == (0, 2, None), host.status()
    assert state(host, "mixed", "ok")["domains"] == 1 and until(lambda: lab.in_set("hosts4", LISTED))
    assert names_of(host, "names") == [heading, "*.example.org", "example.com"]
    assert "nothing acceptable" in state(host, "broken", "failing")["error"] and names_of(host, "broken") is None
    # other names with the same addresses
    aws.object(bucket="guardduty-example", key="mixed.txt", text=f"{LISTED}\nexample.info\nexample.net\n")
    host.ctl("refresh", "mixed")
    assert until(lambda: sources(host).get("mixed", {}).get("domains") == 2)
    assert names_of(host, "mixed") == [heading, "example.info", "example.net"]
    host.stop()
    aws.fault("s3", "hang", times=-1, seconds=60)
    start(host, aws)
    assert sources(host)["names"]["domains"] == 2 and sources(host)["mixed"]["domains"] == 2
    aws.clear_faults()
    aws.remove_set(id=mixed)
    discover(host)
    assert until(lambda: "mixed" not in sources(host)) and names_of(host, "mixed") is None
    aws.object(bucket="guardduty-example", key="names.txt", text=f"{LISTED6}\n")
    host.ctl("refresh", "names")
    assert until(lambda: (words := host.check(LISTED6)) and words[1] == "listed"), host.log()
    assert until(lambda: names_of(host, "names") is None)


def test_lists_are_in_force_before_the_network_is(lab, aws, host):
    aws.threat_list("first", f"{LISTED}\n")
    aws.threat_list("friends", f"{INNOCENT}\n", kind="ipset")
    aws.threat_list("more", f"{INNOCENT}\n{INNOCENT6}\n")
    start(host, aws)
    assert state(host, "first", "ok") and state(host, "friends", "ok") and state(host, "more", "ok")
    host.stop()
    lab.nft("delete", "table", "inet", "threatlistd", check=False)
    aws.fault("guardduty", "hang", times=-1, seconds=60)
    aws.fault("s3", "hang", times=-1, seconds=60)
    start(host, aws)
    assert not lab.ping(lab.agent, LISTED) and not lab.ping(lab.agent, INNOCENT6) and lab.ping(lab.agent, INNOCENT)
    now = sources(host)
    assert set(now) == {"guardduty", "first", "friends", "more"}
    assert now["friends"]["role"] == "trusted" and now["first"]["entries"] == 1
    aws.clear_faults()


def test_one_of_six_that_fails_leaves_the_others(lab, aws, host):
    for number in range(6):
        aws.threat_list(f"list-{number}", f"203.0.113.{100 + number}\n")
    aws.access(bucket="guardduty-example", key="list-3.txt", access="denied")
    start(host, aws)
    failing = state(host, "list-3", "failing")
    assert failing, host.log()
    assert "allow s3:GetObject on arn:aws:s3:::guardduty-example/list-3.txt" in failing["error"]
    assert "administrator account's" in failing["error"] and "bucket policy" in failing["error"]
    assert until(lambda: all(lab.in_set("hosts4", f"203.0.113.{100 + number}") for number in (0, 1, 2, 4, 5)))
    assert not lab.in_set("hosts4", "203.0.113.103")
    assert host.ctl("status", "--check").returncode == 1
    aws.access(bucket="guardduty-example", key="list-3.txt", access="allowed")
    assert until(lambda: lab.in_set("hosts4", "203.0.113.103"), 20), host.log()
    assert state(host, "list-3", "ok") and host.ctl("status", "--check").returncode == 0, host.status()


@pytest.mark.parametrize("kind, about, words", [
    ("throttle", {}, "429"),
    ("error", {"status": 403, "code": "AccessDeniedException", "message": "no"}, "allow guardduty:ListDetectors"),
    ("error", {"status": 403, "code": "ExpiredTokenException", "message": "expired"}, "ExpiredToken"),
    ("answer", {"status": 200, "body": "{}"}, "not one of GuardDuty's"),
    ("answer", {"status": 200, "body": '{"detectorIds":[]}'}, "no detector in region us-west-2"),
    ("close", {}, "guardduty us-west-2"),
])
def test_discovery_that_fails_keeps_yesterdays_lists(lab, aws, host, kind, about, words):
    aws.threat_list("first", f"{LISTED}\n")
    start(host, aws)
    assert state(host, "first", "ok")
    aws.fault("guardduty", kind, times=-1, **about)
    host.ctl("refresh", "--discover", "guardduty")
    failing = state(host, "guardduty", "failing")
    assert failing and words in failing["error"], failing
    assert state(host, "first", "ok") and lab.in_set("hosts4", LISTED)
    aws.clear_faults()
    assert until(lambda: sources(host).get("guardduty", {}).get("state") == "ok", 30), host.log()


def test_kind_that_cannot_be_read_keeps_its_own(lab, aws, host):
    aws.threat_list("first", f"{LISTED}\n")
    aws.threat_list("entities", f"{INNOCENT}\n", kind="threatentityset")
    start(host, aws)
    assert state(host, "entities", "ok")
    aws.fault("guardduty", "error", operation="ListThreatEntitySets", times=-1, status=403,
              code="AccessDeniedException", message="no")
    aws.threat_list("third", f"{LISTED6}\n")
    host.ctl("refresh", "--discover")
    assert state(host, "third", "ok") and until(lambda: lab.in_set("hosts4", INNOCENT))
    assert "allow guardduty:ListThreatEntitySets" in sources(host)["guardduty"]["error"]


@pytest.mark.parametrize("misbehave, words", [("repeat", "same page"), ("endless", "more than 8 pages")])
def test_pages_without_end_end(lab, aws, host, misbehave, words):
    aws.threat_list("first", f"{LISTED}\n")
    start(host, aws)
    assert state(host, "first", "ok")
    aws.paging(size=1, misbehave=misbehave)
    aws.forget()
    host.ctl("refresh", "--discover", "guardduty")
    failing = state(host, "guardduty", "failing")
    assert failing and words in failing["error"], failing
    assert lab.in_set("hosts4", LISTED) and len(aws.calls("guardduty")) < 60


def test_more_than_a_page_is_read(lab, aws, host):
    aws.paging(size=2)
    for number in range(5):
        aws.threat_list(f"list-{number}", f"203.0.113.{100 + number}\n")
    start(host, aws)
    assert until(lambda: all(lab.in_set("hosts4", f"203.0.113.{100 + number}") for number in range(5))), host.log()
    assert not aws.violations()


def test_object_that_is_gone_asks_guardduty_again(lab, aws, host):
    first = aws.threat_list("first", f"{LISTED}\n")
    start(host, aws)
    assert state(host, "first", "ok")
    aws.remove_object(bucket="guardduty-example", key="first.txt")
    aws.object(bucket="guardduty-example", key="moved.txt", text=f"{LISTED}\n{INNOCENT}\n")
    aws.update_set(id=first, location="s3://guardduty-example/moved.txt")
    host.ctl("refresh", "first")
    assert state(host, "first", "failing") and lab.in_set("hosts4", LISTED)
    now = sources(host)
    assert seconds(now["guardduty"]["next"]) - seconds(now["first"]["lastTry"]) < 70  # not in six hours
    discover(host)
    assert until(lambda: lab.in_set("hosts4", INNOCENT)) and state(host, "first", "ok")


@pytest.mark.parametrize("location", ["s3://guardduty-example/f\u00fcr uns #1.txt",
                                      "https://s3.amazonaws.com/guardduty-example/f\u00fcr%20uns%20%231.txt"])
def test_keys_need_not_be_ascii(lab, aws, host, location):
    aws.threat_list("plain", f"{INNOCENT}\n")
    aws.object(bucket="guardduty-example", key="f\u00fcr uns #1.txt", text=f"{LISTED}\n")
    aws.set(kind="threatintelset", name="umlaut", location=location)
    start(host, aws)
    assert state(host, "umlaut", "ok") and state(host, "plain", "ok"), host.log()
    assert until(lambda: lab.in_set("hosts4", LISTED)) and not aws.violations()
    assert sources(host)["umlaut"]["location"].endswith("/f%C3%BCr%20uns%20%231.txt") or \
        sources(host)["umlaut"]["location"].endswith("/f%C3%BCr uns %231.txt")


def test_reload_and_names(lab, aws, host):
    aws.threat_list("taken", f"{LISTED}\n")
    aws.threat_list("plain name", f"{LISTED6}\n", kind="ipset")
    host.configure(agent="refresh = 1h", sources=f"[source taken]\ntype = file\nlocation = {host.list}\n" + SOURCE)
    start(host, aws)
    assert until(lambda: len(sources(host)) == 4 and all(s["state"] == "ok" for s in sources(host).values()))
    names = set(sources(host))
    assert "plain-name" in names and any(name.startswith("taken-") for name in names)
    host.configure(agent="refresh = 1h", sources=SOURCE + "trusted = no\n")
    host.process.send_signal(signal.SIGHUP)
    assert until(lambda: len(sources(host)) == 2), host.status()
    assert until(lambda: (words := host.check(LISTED)) and words[1] == "listed" and words[5] == "yes"), host.log()
    host.configure(agent="refresh = 1h")
    host.process.send_signal(signal.SIGHUP)
    assert until(lambda: set(sources(host)) == {"test"})


def test_entries_over_the_quota_are_a_warning(lab, aws, host):
    aws.threat_list("first", f"{LISTED}\n")
    aws.threat_list("many", "".join(f"10.1.{n // 256}.{n % 256}\n" for n in range(2001)), kind="ipset")
    aws.threat_list("names", f"{INNOCENT6}\n" + "".join(f"host{n}.example.com\n" for n in range(1000)),
                    kind="threatentityset")
    start(host, aws)
    assert state(host, "many", "ok")["entries"] == 2001 and state(host, "names", "ok")["domains"] == 1000
    warnings = host.status()["warnings"]
    assert any("2001 entries" in warning and "at most 2000" in warning for warning in warnings)
    assert any("1001 entries" in warning and "at most 1000" in warning for warning in warnings), warnings
    assert "list above a quota source=many" in host.log() and "has 1001 entries, GuardDuty's quota is 1000" in host.log()
    # none of it was cut off
    assert until(lambda: lab.in_set("hosts6", INNOCENT6))


@pytest.mark.parametrize("static", [False, True], ids=["instance-role", "environment"])
def test_no_secret_is_told(lab, aws, host, static):
    aws.threat_list("first", f"{LISTED}\n")
    host.start(env=aws.environment(static=static))
    assert state(host, "first", "ok")
    discover(host)  # keys pass from feed to parent to feed
    secrets = aws.role_secrets()
    status = host.status()
    roles = [role["pid"] for role in status["roles"] if role["pid"]] + [host.process.pid]
    assert len(roles) >= 4
    commands = "".join(pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in roles)
    told = host.log() + json.dumps(status) + host.ctl("lists").stdout + commands
    for pid in roles:  # no core file either
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits
    host.stop()     # what is read has no temporary files that come and go
    kept = "".join(path.read_bytes().decode("latin1") for path in (host.dir / "state").rglob("*") if path.is_file())
    for secret in ("Signature=", "SecretAccessKey", STATIC_SECRET, *secrets):
        assert secret not in told and secret not in kept
    assert not static or STATIC_KEY in host.log()


@pytest.fixture
def silent_endpoint(lab):
    """GuardDuty's real name, at an address from which nothing ever comes back: a VPC without a way out."""
    lab.etc("hosts", "127.0.0.1 localhost\n192.0.2.77 guardduty.us-west-2.amazonaws.com\n")
    lab.inside(lab.agent, "ip", "neigh", "add", "192.0.2.77", "lladdr", "02:00:00:00:00:77", "dev", "to-innocent")


def test_vpc_without_endpoints_is_named(lab, aws, host, silent_endpoint):
    host.configure(agent="refresh = 1h", sources=SOURCE + f"[source local]\ntype = file\nlocation = {host.list}\n")
    env = aws.environment(static=True)
    del env["AWS_ENDPOINT_URL_GUARDDUTY"]
    host.start(env=env, wait=False)
    # the list beside it does not wait for it
    assert until(lambda: lab.has_table() and lab.in_set("hosts4", LISTED), 9), host.log()
    assert sources(host)["guardduty"]["state"] == "loading" or SANITIZED
    failing = until(lambda: (now := host.status()) and (s := now["sources"][0])["state"] == "failing" and s, 30)
    assert failing, host.status()
    assert "not reached 2 times" in failing["error"]
    assert "the VPC needs the interface endpoint com.amazonaws.us-west-2.guardduty" in failing["error"]
    assert lab.in_set("hosts4", LISTED) and sources(host)["local"]["state"] == "ok"
    assert any("com.amazonaws.us-west-2.guardduty" in warning for warning in host.status()["warnings"])


def test_proxy_is_for_aws_and_never_for_the_metadata_service(lab, aws, host):
    aws.threat_list("first", f"{LISTED}\n")
    host.configure(agent="refresh = 1h\nproxy = http://192.0.2.10:3128", sources=SOURCE)
    env = aws.environment()
    # a name is what a proxy is asked for; loopback never is
    env["AWS_ENDPOINT_URL_GUARDDUTY"] = "https://guardduty.us-west-2.amazonaws.com"
    seen = lab.work / "proxy"
    lab.start(lab.innocent, sys.executable, "-c", PROXY, seen)
    assert until(lambda: lab.inside(lab.agent, sys.executable, "-c", REACH, check=False).returncode == 0)
    host.start(env=env, wait=False)
    assert until(host.status) and state(host, "guardduty", "failing"), host.log()
    asked = seen.read_text().splitlines()
    assert asked and set(asked) == {"CONNECT guardduty.us-west-2.amazonaws.com:443 HTTP/1.1"}
    assert "role=" in host.log()  # IMDS was reached without it
