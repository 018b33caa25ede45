# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed lives for one refresh: what one was handed out serves the next, also when the metadata service is gone."""

import json
import os
import pathlib
import subprocess

import pytest

from client import Standin

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / os.environ.get("B", "build") / "test/system/tool_feed"
CONF = "[source guardduty]\ntype = guardduty\n"


@pytest.fixture
def aws(tmp_path):
    with Standin(tmp_path / "standin") as standin:
        standin.threat_list("Example-Threat-List", "198.51.100.7\n")
        yield standin


class Feeds:
    """One feed after the other, as the parent starts them."""

    def __init__(self, aws, folder):
        conf = folder / "feed.conf"
        conf.write_text(CONF)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") and k != "HOME"}
        self.log_path = folder / "log"
        self.process = subprocess.Popen([TOOL, "-f", "-r", conf], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log_path.open("w"), text=True,
                                        env={**clean, **aws.environment()})

    def said(self):
        """What the parent is told by the feed that runs now: the end of its discovery."""
        end = None
        for line in self.process.stdout:
            told = json.loads(line)
            end = told if "listed" in told else end
            if "exit" in told:
                assert told["exit"] == 0, self.log_path.read_text()
                return end
        raise AssertionError(self.log_path.read_text())

    def again(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.said()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        return self.log_path.read_text()


@pytest.fixture
def feeds(aws, tmp_path):
    one = Feeds(aws, tmp_path)
    yield one
    if one.process.poll() is None:
        one.process.kill()


def keys_asked(aws):
    return len([call for call in aws.calls("imds") if "security-credentials" in call["path"]])


def test_keys_are_asked_for_once(aws, feeds):
    assert feeds.said()["listed"]
    asked = keys_asked(aws)
    assert asked == 2  # the role's name and its keys
    for _ in range(3):
        assert feeds.again()["listed"]
    assert keys_asked(aws) == asked
    log = feeds.close()
    assert log.count("AWS region=") == 1 and log.count("AWS credentials from=") == 1
    assert log.count("aws credentials from=instance") == 1
    assert not aws.violations()


@pytest.mark.parametrize("gone", ["hangs", "disabled", "absent"])
def test_last_keys_serve_while_the_metadata_service_is_gone(aws, feeds, gone):
    assert feeds.said()["listed"]
    secrets = aws.role_secrets()
    if gone == "hangs":
        aws.fault("imds", "hang", times=-1, seconds=60)
    else:
        aws.imds(mode=gone)
    aws.threat_list("second", "198.51.100.8\n")
    end = feeds.again()
    assert end["listed"] and end["sets"] == 2 and end["reason"] == "", feeds.log_path.read_text()
    # to the very end, and not a moment longer: AWS itself says so then
    aws.rotate(revoke=True)
    end = feeds.again()
    assert not end["listed"] and end["reason"] != ""
    aws.clear_faults()
    aws.imds(mode="required")
    assert feeds.again()["listed"], feeds.log_path.read_text()
    secrets += aws.role_secrets()
    log = feeds.close()
    assert len(set(secrets)) == 4 and not any(secret in log for secret in (*secrets, "Signature="))


def test_keys_that_aws_refuses_are_asked_for_anew(aws, feeds):
    assert feeds.said()["listed"]
    aws.rotate(revoke=True)
    asked = keys_asked(aws)
    assert feeds.again()["listed"], feeds.log_path.read_text()
    assert keys_asked(aws) == asked + 2
    assert feeds.again()["listed"] and keys_asked(aws) == asked + 2
