# SPDX-License-Identifier: GPL-3.0-or-later
"""Our signatures are botocore's: thousands of random requests, and cases in the form of AWS's vectors."""

import datetime
import hashlib
import json
import os
import pathlib
import random
import subprocess
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / os.environ.get("B", "build") / "sigv4-vectors"
SEED = 20150830
CASES = 4000

TEXT = "abcXYZ019-_.~ %+&=/?#:;,@!$'()*[]\"<>\\^`{|}äሴ🜚"
HEADER = "abcXYZ019-_.~  \t%+&=/?#:;,@!$'()*[]\"<>\\^`{|}"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class AsItIs(SigV4Auth):
    def _normalize_url_path(self, path):
        return path


def sign_with_botocore(case, rule=None):
    """As one line of sigv4-vectors prints it."""
    keys = case["credentials"]
    rule = rule or (S3SigV4Auth if case["s3"] else SigV4Auth)
    signer = rule(
        Credentials(keys["access_key_id"], keys["secret_access_key"], keys.get("token")), case["service"], case["region"])
    host = next(value for name, value in case["headers"] if name.lower() == "host")
    query = case.get("query")
    request = AWSRequest(method=case["method"], data=case["body"].encode(),
                         url=f"https://{host}{case['path']}" + (f"?{query}" if query is not None else ""))
    for name, value in case["headers"]:
        if name.lower() != "host":
            request.headers[name] = value
    when = datetime.datetime.fromtimestamp(case["time"], datetime.timezone.utc)
    request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    string = signer.string_to_sign(request, canonical)
    return "\t".join([case["name"], sha256(canonical), sha256(string), signer.signature(string, request)])


def text(rng, alphabet, most):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most)))


def random_path(rng):
    special = [".", "..", ""] if rng.random() < 0.3 else []
    segments = [rng.choice(special) if special and rng.random() < 0.5 else quote(text(rng, TEXT, 12), safe="-_.~")
                for _ in range(rng.randrange(6))]
    return "/" + "/".join(segments)


def random_query(rng):
    if rng.random() < 0.3:
        return None
    names = [quote(text(rng, TEXT, 8), safe="-_.~") or "n" for _ in range(3)]
    pairs = []
    for _ in range(rng.randrange(1, 7)):
        name = rng.choice(names) + rng.choice(["", "", "-", "1"])
        pairs.append(name if rng.random() < 0.2 else f"{name}={quote(text(rng, TEXT, 10), safe='-_.~')}")
    return "&".join(pairs)


def random_headers(rng):
    names = ["Content-Type", "X-Amz-Date-X", "x-amz-target", "X-Amz-Expected-Bucket-Owner", "If-None-Match", "x-amz",
             "x-amz-dat", "User-Agent", "Expect", "X-Amzn-Trace-Id", "Range", "a", "z-z", "z"]
    headers = [["Host", rng.choice(["s3.eu-west-1.amazonaws.com", "127.0.0.1:8443", "b.example"])]]
    for _ in range(rng.randrange(7)):
        value = text(rng, HEADER, 30)
        if rng.random() < 0.1:
            value += "\n  " + text(rng, HEADER, 10)
        headers.append([rng.choice(names), value])
    rng.shuffle(headers)
    return headers


def random_case(rng, number):
    keys = {"access_key_id": "AKIA" + text(rng, "ABC234", 17), "secret_access_key": text(rng, "abcABC019/+", 41) + "k"}
    if rng.random() < 0.5:
        keys["token"] = text(rng, "abcABC019/+=", 900) + "t"
    s3 = rng.random() < 0.4
    case = {"name": f"case-{number}", "method": rng.choice(["GET", "PUT", "POST", "HEAD"]), "path": random_path(rng),
            "headers": random_headers(rng), "body": text(rng, TEXT, 60) if rng.random() < 0.5 else "",
            "region": rng.choice(["us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1"]),
            "service": "s3" if s3 else rng.choice(["guardduty", "events", "securityhub", "sns", "sts"]), "s3": s3,
            "time": rng.randrange(0, 4102444800), "credentials": keys}
    query = random_query(rng)
    if query is not None:
        case["query"] = query
    return case


def run_lines(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([VECTORS, "-"], input=lines, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_random_requests_are_signed_as_botocore_signs_them():
    rng = random.Random(SEED)
    cases = [random_case(rng, i) for i in range(CASES)]
    answers = run_lines(cases)
    assert len(answers) == CASES
    wrong = [(case, got) for case, got in zip(cases, answers) if got != sign_with_botocore(case)]
    assert not wrong, f"{len(wrong)} differ, first: {json.dumps(wrong[0], indent=1)}"


def test_what_cannot_be_sent_is_not_signed():
    good = {"name": "n", "method": "GET", "path": "/", "headers": [["Host", "h"]], "body": "", "region": "r",
            "service": "s", "s3": True, "time": 0, "credentials": {"access_key_id": "a", "secret_access_key": "b"}}
    bad = [{"path": "a"}, {"path": "/a b"}, {"path": "/\r\nX: y"}, {"headers": []}, {"headers": [["Host", "h"], ["a b", "c"]]},
           {"headers": [["Host", "h"], ["", "c"]]}, {"region": ""}, {"region": "a/b"}, {"service": "\n"}, {"method": "G T"},
           {"time": -1}, {"time": 253402300800}, {"query": "&".join("abc" for _ in range(200))}, {"path": "/" + "a" * 20000},
           {"headers": [["Host", "h"]] + [["x", "y"]] * 63}]
    answers = run_lines([good] + [{**good, **change} for change in bad])
    assert answers[0] == sign_with_botocore(good)
    assert answers[1:] == ["n\t-\t-\t-"] * len(bad)


CONTEXT = {"credentials": {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secretEXAMPLEKEY"}, "normalize": True,
           "region": "us-east-1", "service": "service", "sign_body": False, "timestamp": "2015-08-30T12:36:00Z",
           "expiration_in_seconds": 3600}
TOKEN = {**CONTEXT["credentials"], "token": "AQoDYXdzEPT//wEXAMPLE=="}
HOST = "Host:example.amazonaws.com\n"

# name, request.txt, what differs from CONTEXT, the case that botocore is given
VECTOR_CASES = {
    "blank-in-path": ("GET /a b/ HTTP/1.1\n" + HOST, {}, {"path": "/a b/"}),
    "folded": ("GET / HTTP/1.1\n" + HOST + "A:one\n  two\n\tthree\nB:\n x\n", {}, {"headers": [["a", "one two three"], ["b", "x"]]}),
    "line-ends": ("GET / HTTP/1.1\r\n" + HOST.replace("\n", "\r\n") + "A:one\r\n two\r\n\r\n", {}, {"headers": [["a", "one two"]]}),
    "repeated": ("GET / HTTP/1.1\n" + HOST + "A:z\na:b\nA: c  d \n", {}, {"headers": [["a", "z"], ["a", "b"], ["a", "c d"]]}),
    "normalised": ("GET /x/..//./y/ HTTP/1.1\n" + HOST, {}, {"path": "/y/"}),
    "as-it-is": ("GET /x/..//./y/ HTTP/1.1\n" + HOST, {"normalize": False}, {"path": "/x/..//./y/", "s3_path": True}),
    "query": ("GET /?b=1&a&a=%41&ሴ=x+y HTTP/1.1\n" + HOST, {}, {"query": "%E1%88%B4=x%2By&a=&a=A&b=1"}),
    "token": ("GET / HTTP/1.1\n" + HOST, {"credentials": TOKEN}, {"credentials": TOKEN}),
    "token-later": ("GET / HTTP/1.1\n" + HOST, {"credentials": TOKEN, "omit_session_token": True}, {}),
    "token-in-request": ("POST / HTTP/1.1\n" + HOST + "X-Amz-Security-Token:t\n", {}, {"method": "POST", "headers": [["x-amz-security-token", "t"]]}),
    "body": ("POST / HTTP/1.1\nContent-Length:5\n" + HOST + "\na=b c\n", {"sign_body": True},
             {"method": "POST", "body": "a=b c", "headers": [["content-length", "5"], ["x-amz-content-sha256", sha256("a=b c")]]}),
    "body-unsigned": ("POST / HTTP/1.1\n" + HOST + "\na=b", {}, {"method": "POST"}),
}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    for name, (request, context, _) in VECTOR_CASES.items():
        (folder / name).mkdir()
        (folder / name / "request.txt").write_bytes(request.encode())
        (folder / name / "context.json").write_text(json.dumps({**CONTEXT, **context}))
    (folder / "no-context").mkdir()
    (folder / "no-context" / "request.txt").write_text("GET / HTTP/1.1\n" + HOST)
    (folder / "bad-context").mkdir()
    (folder / "bad-context" / "request.txt").write_text("GET / HTTP/1.1\n" + HOST)
    (folder / "bad-context" / "context.json").write_text("{")
    done = subprocess.run([VECTORS, folder], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_vectors_come_sorted_and_unreadable_ones_as_dashes(vectors):
    names = [line.split("\t")[0] for line in vectors]
    assert names == sorted([*VECTOR_CASES, "no-context", "bad-context"])
    dashes = [line.split("\t")[0] for line in vectors if line.endswith("\t-\t-\t-")]
    assert dashes == ["bad-context", "no-context"]


@pytest.mark.parametrize("name", VECTOR_CASES)
def test_vector_case(name, vectors):
    change = dict(VECTOR_CASES[name][2])
    case = {"name": name, "method": "GET", "path": "/", "body": "", "region": "us-east-1", "service": "service",
            "s3": False, "time": 1440938160, "credentials": CONTEXT["credentials"]}
    as_it_is = change.pop("s3_path", False)
    headers = [["Host", "example.amazonaws.com"], *change.pop("headers", [])]
    case.update(change, headers=headers)
    assert sign_with_botocore(case, AsItIs if as_it_is else None) in vectors
