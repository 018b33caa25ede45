# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS's own published signing vectors (awslabs/aws-c-auth, tests/aws-signing-test-suite/v4): requests and signatures."""

import hashlib
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / os.environ.get("B", "build") / "sigv4-vectors"

VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
POST = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
QUERY = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RAW = {"normalize": False}
BODY = {"sign_body": True}
STS = ("AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7"
       "mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d"
       "+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==")
FORM = "Content-Type:application/x-www-form-urlencoded"
SUM = "\n\nParam1=value1"

# name: (method and target, what follows the Host header, what differs in context.json, signature)
SUITE = {
    "get-header-key-duplicate": ("GET /", "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1", {},
                                 "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    "get-header-value-multiline": ("GET /", "My-Header1:value1\n  value2\n     value3", {},
                                   "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"),
    "get-header-value-order": ("GET /", "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2", {},
                               "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    "get-header-value-trim": ("GET /", 'My-Header1: value1\nMy-Header2: "a   b   c"', {},
                              "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    "get-relative-normalized": ("GET /example/..", "", {}, VANILLA),
    "get-relative-relative-normalized": ("GET /example1/example2/../..", "", {}, VANILLA),
    "get-relative-relative-unnormalized": ("GET /example1/example2/../..", "", RAW,
                                           "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b"),
    "get-relative-unnormalized": ("GET /example/..", "", RAW,
                                  "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282"),
    "get-slash-dot-slash-normalized": ("GET /./", "", {}, VANILLA),
    "get-slash-dot-slash-unnormalized": ("GET /./", "", RAW,
                                         "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145"),
    "get-slash-normalized": ("GET //", "", {}, VANILLA),
    "get-slash-pointless-dot-normalized": ("GET /./example", "", {},
                                           "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    "get-slash-pointless-dot-unnormalized": ("GET /./example", "", RAW,
                                             "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff"),
    "get-slash-unnormalized": ("GET //", "", RAW, "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e"),
    "get-slashes-normalized": ("GET //example//", "", {}, "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    "get-slashes-unnormalized": ("GET //example//", "", RAW, "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"),
    "get-space-normalized": ("GET /example space/", "", {}, "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    "get-space-unnormalized": ("GET /example space/", "", RAW,
                               "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    "get-unreserved": ("GET /" + UNRESERVED, "", {}, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    "get-utf8": ("GET /\u1234", "", {}, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    "get-vanilla": ("GET /", "", {}, VANILLA),
    "get-vanilla-empty-query-key": ("GET /?Param1=value1", "", {},
                                    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    "get-vanilla-query": ("GET /", "", {}, VANILLA),
    "get-vanilla-query-order-encoded": ("GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", {},
                                        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
    "get-vanilla-query-order-key": ("GET /?Param1=value2&Param1=Value1", "", {},
                                    "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
    "get-vanilla-query-order-key-case": ("GET /?Param2=value2&Param1=value1", "", {},
                                         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    "get-vanilla-query-order-value": ("GET /?Param1=value2&Param1=value1", "", {},
                                      "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
    "get-vanilla-query-unreserved": (f"GET /?{UNRESERVED}={UNRESERVED}", "", {},
                                     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    "get-vanilla-utf8-query": ("GET /?\u1234=bar", "", {}, "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    "get-vanilla-with-session-token": (
        "GET /", "", {"token": "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"},
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    "post-header-key-case": ("POST /", "", {}, POST),
    "post-header-key-sort": ("POST /", "My-Header1:value1", {},
                             "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    "post-header-value-case": ("POST /", "My-Header1:VALUE1", {},
                               "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    "post-sts-header-after": ("POST /", "", {"token": STS, "omit_session_token": True}, POST),
    "post-sts-header-before": ("POST /", "", {"token": STS},
                               "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    "post-unsigned-payload": ("POST /", f"Content-Length:13{SUM}\n", {**BODY, "signed_body_value": "UNSIGNED-PAYLOAD"},
                              "9fb60e8938d2178a7d63b49e055d1e65d8f6226f38846e8e0293bf43ce29050c"),
    "post-vanilla": ("POST /", "", {}, POST),
    "post-vanilla-empty-query-value": ("POST /?Param1=value1", "", {}, QUERY),
    "post-vanilla-query": ("POST /?Param1=value1", "", {}, QUERY),
    "post-x-www-form-urlencoded": ("POST /", f"{FORM}\nContent-Length:13{SUM}", BODY,
                                   "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
    "post-x-www-form-urlencoded-parameters": ("POST /", f"{FORM}; charset=utf-8\nContent-Length:13{SUM}", BODY,
                                              "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"),
}
SCOPE = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"


def write(folder, name, change=lambda request: request, mark=b""):
    line, rest, context, _ = SUITE[name]
    context = dict(context)
    keys = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
    if "token" in context:
        keys["token"] = context.pop("token")
    request = f"{line} HTTP/1.1\nHost:example.amazonaws.com\n{rest}" + ("\n" if rest and SUM not in rest else "")
    folder.mkdir(parents=True)
    (folder / "request.txt").write_bytes(mark + change(request).encode())
    (folder / "context.json").write_bytes(mark + json.dumps({
        "credentials": keys, "expiration_in_seconds": 3600, "normalize": True, "region": "us-east-1", "service": "service",
        "timestamp": "2015-08-30T12:36:00Z", **context}).encode())


def sign(folder):
    done = subprocess.run([VECTORS, folder], capture_output=True, text=True, check=True)
    return {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("change,mark", [
    (lambda text: text, b""),
    (lambda text: text.replace("\n", "\r\n"), b""),
    (lambda text: text, b"\xef\xbb\xbf"),
    (lambda text: text.replace(" HTTP/1.1", " http/1.1", 1), b""),
], ids=["as-published", "crlf", "byte-order-mark", "small-letters"])
def test_every_published_signature(tmp_path, change, mark):
    for name in SUITE:
        write(tmp_path / name, name, change, mark)
    signed = sign(tmp_path)
    assert {name: line[2] for name, line in signed.items()} == {name: case[3] for name, case in SUITE.items()}
    for canonical, string, _ in signed.values():
        assert string == hashlib.sha256((SCOPE + canonical).encode()).hexdigest()


def test_folders_in_folders_and_what_is_missing(tmp_path):
    write(tmp_path / "normalize-path" / "get-slash-normalized", "get-slash-normalized")
    (tmp_path / "normalize-path" / "normalize-path.txt").write_text("not a case")
    for name, gone in (("no-request", "request.txt"), ("no-context", "context.json")):
        write(tmp_path / name, "get-vanilla")
        (tmp_path / name / gone).unlink()
    write(tmp_path / "with-folder", "get-vanilla")
    (tmp_path / "with-folder" / "results").mkdir()
    write(tmp_path / "binary", "get-vanilla", lambda text: text + "\0")
    signed = sign(tmp_path)
    dashes = ["-", "-", "-"]
    assert signed.pop("normalize-path/get-slash-normalized")[2] == VANILLA
    assert signed.pop("with-folder")[2] == VANILLA
    assert signed == {"no-request": dashes, "no-context": dashes, "binary": dashes, "with-folder/results": dashes}


@pytest.mark.parametrize("sent,as_if", [("/example%20space/", "/example space/"), ("/%E1%88%B4", "/\u1234")])
def test_a_target_that_was_encoded_already(tmp_path, sent, as_if):
    write(tmp_path / "a", "get-vanilla", lambda text: text.replace("GET /", "GET " + sent, 1))
    write(tmp_path / "b", "get-vanilla", lambda text: text.replace("GET /", "GET " + as_if, 1))
    signed = sign(tmp_path)
    assert signed["a"] == signed["b"]


def test_an_escape_that_belongs_to_the_path_is_encoded_again(tmp_path):
    write(tmp_path / "a", "get-vanilla", lambda text: text.replace("GET /", "GET /a%3D", 1))
    canonical = ("GET\n/a%253D\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" +
                 hashlib.sha256(b"").hexdigest())
    assert sign(tmp_path)["a"][0] == hashlib.sha256(canonical.encode()).hexdigest()
