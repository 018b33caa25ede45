# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of AWS in the whole agent: the reporter alone asks for them, once; the parent keeps the one copy; the feed is
handed it, and says in status why there is none."""

import os
import pathlib
import signal
import sys

import pytest

import lab as labs
from lab import INNOCENT, LISTED, Agent, until
from test_confined import attempts, feed_pid, needs_landlock, not_sanitized
from test_guardduty import discover, seconds, sources, state

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "aws"))

from client import STATIC_KEY, STATIC_SECRET, Standin  # noqa: E402

SOURCE = "[source guardduty]\ntype = guardduty\n"
SINKS = "[sink bus]\ntype = eventbridge\n[sink hub]\ntype = securityhub\nspread = off\n"
SILENT = "the reporter, who asks for them, did not answer in time"


@pytest.fixture
def aws(lab):
    with Standin(lab.work / "aws", netns=lab.agent) as standin:
        standin.threat_list("first", f"{LISTED}\n")
        yield standin


@pytest.fixture
def host(lab, aws):
    one = Agent(lab)
    one.configure(agent="refresh = 1h", sources=SOURCE, sinks=SINKS)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
    assert "Bad system call" not in one.log(), one.log()


def questions(aws):
    """How often IMDS was asked for keys; the role's name comes before them."""
    return len([call for call in aws.calls("imds") if "security-credentials/" in call["path"]
                and not call["path"].endswith("security-credentials/")])


def variables(pid):
    return pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0")


@pytest.mark.parametrize("named", [True, False], ids=["named", "reporter-starts-anew"])
def test_one_question_serves_feed_and_sinks(lab, aws, host, named):
    if not named:  # who this host is comes from IMDS: the reporter begins again with it while the feed wants keys
        host.config.write_text(host.config.read_text().replace("host_id = i-0123456789abcdef0\n", ""))
    host.start(env=aws.environment(), wait=False)
    assert until(lambda: host.status() and state(host, "first", "ok")), host.log()
    assert until(lambda: lab.in_set("hosts4", LISTED))
    lab.ping(lab.agent, LISTED)
    assert until(lambda: aws.events() and aws.findings(), 20), host.status()["sinks"]
    discover(host)
    host.ctl("refresh", "first")
    assert state(host, "first", "ok")
    # the reporter that begins anew may have asked, and not have been able to tell or to log it any more
    asked, logged = questions(aws), host.log().count("aws credentials from=instance")
    assert asked == 1 or not named and asked == 2
    assert logged == asked or not named and logged == 1
    assert not aws.violations()
    keys = {call["key"] for service in ("guardduty", "s3", "events", "securityhub") for call in aws.calls(service)}
    assert len(keys) == 1 and None not in keys


def test_they_are_asked_for_where_no_sink_needs_them(lab, aws, host):
    host.configure(agent="refresh = 1h", sources=SOURCE)
    host.start(env=aws.environment())
    assert state(host, "first", "ok") and questions(aws) == 1


def test_parents_copy_serves_while_the_reporter_hangs_or_is_gone(lab, aws, host):
    host.start(env=aws.environment())
    assert state(host, "first", "ok")
    reporter = host.roles()["reporter"]
    os.kill(reporter, signal.SIGSTOP)
    aws.threat_list("second", f"{INNOCENT}\n")
    discover(host)
    assert until(lambda: lab.in_set("hosts4", INNOCENT)) and questions(aws) == 1
    # a new one is given it, too
    os.kill(reporter, signal.SIGKILL)
    assert until(lambda: host.roles().get("reporter", reporter) != reporter)
    aws.fault("imds", "hang", times=-1, seconds=60)
    lab.ping(lab.agent, LISTED)
    assert until(lambda: aws.events() and aws.findings(), 20), host.status()["sinks"]
    assert questions(aws) == 1


def test_reporter_that_does_not_answer_is_said(lab, aws, host):
    host.start(env=aws.environment())
    assert state(host, "first", "ok")
    reporter = host.roles()["reporter"]
    os.kill(reporter, signal.SIGSTOP)
    aws.rotate(revoke=True)
    assert host.ctl("refresh", "--discover", "guardduty").returncode == 0
    # AWS has said no to the last ones
    failing = until(lambda: (s := sources(host)["guardduty"])["state"] == "failing" and s, 30)
    assert failing and "answered 403" in failing["error"], failing
    assert lab.in_set("hosts4", LISTED) and "keys not asked for in time role=reporter" in host.log()
    os.kill(reporter, signal.SIGCONT)
    discover(host)
    assert state(host, "guardduty", "ok"), host.log()


def test_first_keys_that_do_not_come_in_time_are_named(lab, aws, host):
    aws.fault("imds", "hang", times=-1, seconds=60, path="*security-credentials*")
    host.start(env={**aws.environment(), "AWS_METADATA_SERVICE_TIMEOUT": "30"}, wait=False)
    failing = until(lambda: host.status() and (s := sources(host).get("guardduty")) and s["state"] == "failing" and s,
                    30)
    assert failing and SILENT in failing["error"], failing
    assert any(SILENT in warning for warning in host.status()["warnings"])
    aws.clear_faults()
    assert state(host, "first", "ok") or until(lambda: sources(host)["guardduty"]["state"] == "ok", 120), host.log()


def test_missing_role_is_named(lab, aws, host):
    aws.role(name="")
    host.start(env=aws.environment(), wait=False)
    failing = until(lambda: host.status() and (s := sources(host)["guardduty"])["state"] == "failing" and s, 20)
    assert failing and "attach an instance profile" in failing["error"], failing
    assert seconds(failing["next"]) - seconds(failing["lastTry"]) < 120


def test_shared_credentials_file_is_the_reporters_to_read(lab, aws, host):
    secrets = host.dir / "secret"
    secrets.mkdir(mode=0o700)
    file = secrets / "credentials"
    file.write_text(f"[default]\naws_access_key_id = {STATIC_KEY}\naws_secret_access_key = {STATIC_SECRET}\n")
    env = aws.environment(static=True)
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    env["AWS_SHARED_CREDENTIALS_FILE"] = str(file)
    host.start(env=env)
    assert state(host, "first", "ok"), host.log()
    assert f'AWS credentials from="file" key_id={STATIC_KEY}' in host.log()
    # a profile that wants more than keys stays an error that says so, also for the feed
    file.write_text("[default]\nrole_arn = arn:aws:iam::123456789012:role/x\n")
    host.stop()
    host.start(env=env, wait=False)
    assert until(lambda: host.status() and "asks for" in (sources(host)["guardduty"]["error"] or ""), 20), host.status()


@needs_landlock
@not_sanitized
def test_feed_cannot_open_what_keys_come_from(lab, agent, tmp_path, monkeypatch):
    secrets, tokens = tmp_path / "keys/credentials", tmp_path / "tokens/sink"
    for path in (secrets, tokens):
        path.parent.mkdir()
        path.write_text("secret")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(secrets))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tokens.parent))
    for role, wanted in (("feed", "errno 13"), ("reporter", "allowed")):
        done = attempts(role, agent, f"read={secrets}", f"read={tokens}")
        assert (done[f"read={secrets}"], done[f"read={tokens}"]) == (wanted, wanted), role


def test_only_parent_and_reporter_have_secrets_in_their_environment(lab, aws, host):
    aws.fault("guardduty", "hang", times=-1, seconds=60)
    host.start(env=aws.environment(static=True), wait=False)
    feed = until(lambda: feed_pid(lab))
    roles = until(lambda: host.status() and len(host.roles()) >= 3 and host.roles())
    assert f"AWS_SECRET_ACCESS_KEY={STATIC_SECRET}" in variables(roles["reporter"])
    for pid in (feed, roles["enforcer"], roles["sensor"]):
        names = [variable.partition("=")[0] for variable in variables(pid)]
        assert "AWS_REGION" in names and not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(names)
        assert STATIC_SECRET not in "".join(variables(pid))
