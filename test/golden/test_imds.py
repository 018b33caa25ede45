# SPDX-License-Identifier: GPL-3.0-or-later
"""Host facts from an instance metadata service that plays EC2 on loopback."""

import json
import threading
import time

import pytest

from feedlib import Server, feed, reply

DOCUMENT = {"accountId": "123456789012", "region": "eu-central-1", "availabilityZone": "eu-central-1a",
            "instanceId": "i-0123456789abcdef0", "instanceType": "t3.micro", "imageId": "ami-0abc",
            "privateIp": "10.0.1.7", "billingProducts": None}
FIRST, SECOND = "0e:49:61:0f:c3:11", "0e:49:61:0f:c3:12"


def tree():
    macs = "meta-data/network/interfaces/macs/"
    primary = {"device-number": "0", "interface-id": "eni-1", "vpc-id": "vpc-1", "subnet-id": "subnet-1",
               "security-group-ids": "sg-1\nsg-2", "security-groups": "launch wizard 1\nother",
               "local-ipv4s": "10.0.1.7\n10.0.1.8", "public-ipv4s": "198.51.100.9\n198.51.100.10",
               "ipv4-associations/198.51.100.9": "10.0.1.7", "ipv4-associations/198.51.100.10": "10.0.1.8",
               "ipv6s": "2001:db8::7"}
    return {
        "dynamic/instance-identity/document": json.dumps(DOCUMENT),
        "meta-data/services/partition": "aws",
        "meta-data/iam/info": json.dumps({"InstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/web",
                                          "InstanceProfileId": "AIPA1"}),
        macs: f"{SECOND}/\n{FIRST}/",
        f"{macs}{SECOND}/device-number": "1",
        f"{macs}{SECOND}/interface-id": "eni-2",
        f"{macs}{SECOND}/public-ipv4s": "198.51.100.11",
        **{f"{macs}{FIRST}/{name}": value for name, value in primary.items()},
    }


class Metadata:
    def __init__(self, answers):
        self.answers, self.tokens, self.expire_at = answers, 0, None

    def __call__(self, handler):
        path = handler.path.removeprefix("/latest/")
        if handler.command == "PUT":
            assert path == "api/token" and handler.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
            self.tokens += 1
            return reply(handler, 200, f"token-{self.tokens}".encode())
        if self.expire_at == path:
            self.expire_at = None
            return reply(handler, 401)
        if handler.headers.get("X-aws-ec2-metadata-token") != f"token-{self.tokens}":
            return reply(handler, 401)
        if path not in self.answers:
            return reply(handler, 404, b"<html>not found</html>")
        return reply(handler, 200, self.answers[path].encode())


def ask(tmp_path, answer, **env):
    with Server(answer) as server:
        said = feed(tmp_path, "", "-f",
                    **{"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.port}/", **env})
    return said, server


def test_facts_are_found(tmp_path):
    (facts,), server = ask(tmp_path, Metadata(tree()))
    assert facts == {
        "host_id": "i-0123456789abcdef0", "instance_id": "i-0123456789abcdef0", "account": "123456789012",
        "region": "eu-central-1", "partition": "aws", "zone": "eu-central-1a", "instance_type": "t3.micro",
        "image_id": "ami-0abc", "profile_arn": "arn:aws:iam::123456789012:instance-profile/web",
        "profile_id": "AIPA1", "interface_id": "eni-1", "vpc_id": "vpc-1", "subnet_id": "subnet-1",
        "security_group_id": "sg-1", "security_group": "launch wizard 1", "private_ip": "10.0.1.7",
        "public_ip": "198.51.100.9", "on_ec2": 1,
        "own": [["198.51.100.11", "", "eni-2"], ["198.51.100.9", "10.0.1.7", "eni-1"],
                ["198.51.100.10", "10.0.1.8", "eni-1"], ["2001:db8::7", "2001:db8::7", "eni-1"]]}
    assert [method for method, _, _ in server.seen].count("PUT") == 1
    assert all("x-forwarded-for" not in headers for _, _, headers in server.seen)


def test_expired_token_is_renewed_once(tmp_path):
    metadata = Metadata(tree())
    metadata.expire_at = "meta-data/iam/info"
    (facts,), _ = ask(tmp_path, metadata)
    assert facts["profile_id"] == "AIPA1" and metadata.tokens == 2


def test_token_that_is_never_taken_ends_it(tmp_path):
    said, server = ask(tmp_path, lambda h: reply(h, 200, b"t") if h.command == "PUT" else reply(h, 401))
    assert said == [] and len(server.seen) == 4


def test_no_way_back_to_version_1(tmp_path):
    """Without a token nothing is asked, even if the service would answer."""
    answers = Metadata(tree())
    said, server = ask(tmp_path, lambda h: reply(h, 403) if h.command == "PUT" else answers(h))
    assert said == [] and [seen[0] for seen in server.seen] == ["PUT"]


def test_host_without_profile_and_public_address(tmp_path):
    answers = tree()
    del answers["meta-data/iam/info"], answers[f"meta-data/network/interfaces/macs/{FIRST}/public-ipv4s"]
    (facts,), _ = ask(tmp_path, Metadata(answers))
    assert (facts["profile_arn"], facts["public_ip"], facts["vpc_id"]) == ("", "", "vpc-1")


@pytest.mark.parametrize("document", ["", "{", "[]", "null", '{"instanceId": 7}', '{"instanceId": ""}',
                                      '{"instanceId": "x-1"}', "[" * 10000])
def test_bad_document_gives_no_facts(tmp_path, document):
    said, _ = ask(tmp_path, Metadata({**tree(), "dynamic/instance-identity/document": document}))
    assert said == []


def test_hostile_values_are_left_out(tmp_path):
    answers = tree()
    answers["dynamic/instance-identity/document"] = json.dumps(
        {**DOCUMENT, "region": "eu\n1", "availabilityZone": "x" * 500, "imageId": "\u00e4", "privateIp": "10.0.0.1.2"})
    answers["meta-data/network/interfaces/macs/"] = f"../../x/\n{FIRST}\n"
    (facts,), server = ask(tmp_path, Metadata(answers))
    assert (facts["region"], facts["zone"], facts["image_id"]) == ("", "", "")
    assert (facts["private_ip"], facts["interface_id"]) == ("10.0.1.7", "eni-1")
    assert not any(".." in path for _, path, _ in server.seen)


def test_answer_is_bounded(tmp_path):
    said, _ = ask(tmp_path, Metadata({**tree(), "dynamic/instance-identity/document": " " * 20000 + "{}"}))
    assert said == []


def test_silent_service_costs_a_second(tmp_path):
    done = threading.Event()
    began = time.monotonic()
    said, server = ask(tmp_path, lambda h: done.wait(10))
    done.set()
    assert said == [] and len(server.seen) == 1 and time.monotonic() - began < 5


def test_never_over_a_proxy(tmp_path):
    with Server(lambda h: reply(h, 502)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        said, _ = ask(tmp_path, Metadata(tree()), http_proxy=url, all_proxy=url)
        assert len(said) == 1 and not proxy.seen


def test_switched_off(tmp_path):
    said, server = ask(tmp_path, Metadata(tree()), AWS_EC2_METADATA_DISABLED="TRUE")
    assert said == [] and not server.seen


def test_more_own_addresses_than_there_is_room_for(tmp_path):
    answers = tree()
    addresses = [f"198.51.100.{n}" for n in range(100)] + ["nonsense", "x" * 4000]
    answers[f"meta-data/network/interfaces/macs/{SECOND}/public-ipv4s"] = "\n".join(addresses)
    (facts,), _ = ask(tmp_path, Metadata(answers))
    assert [own[0] for own in facts["own"]] == addresses[:8]
