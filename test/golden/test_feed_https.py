# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists over HTTPS: trust, conditions, bounds and refusals, against a server on loopback."""

import gzip
import os
import pathlib

import pytest

from feedlib import Server, feed, make_authority, reply, validators

LIST = b"198.51.100.7\n203.0.113.0/24\n2001:db8::/48\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    make_authority(folder)
    return folder


def source(url, authority, **keys):
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[agent]", f"ca_file = {authority}/ca.pem", "proxy = none", "[source web]",
                      "type = https", f"location = {url}", *lines, ""])


@pytest.fixture
def ask(authority, tmp_path):
    """ask(answer, path, …) serves one answer function and returns what the feed says of it, and the server."""
    servers = []

    def run(answer, *options, path="/list", certificate="good", env=None, **keys):
        with Server(answer, authority / f"{certificate}.pem") as server:
            servers.append(server)
            (said,) = feed(tmp_path, source(server.url + path, authority, **keys), *options, **(env or {}))
        return said, server
    return run


def test_list_comes_over_tls(ask):
    said, server = ask(lambda h: reply(h, 200, LIST, ETag='"v1"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT"),
                       action="reject")
    assert (said["outcome"], said["entries"], said["ranges"], said["bytes"]) == ("new", 3, 3, len(LIST))
    assert (said["etag"], said["lastModified"]) == ('"v1"', "Mon, 01 Jan 2024 00:00:00 GMT")
    assert (said["name"], said["role"], said["action"]) == ("web", "threat", "reject")
    (method, path, headers), = server.seen
    assert (method, path) == ("GET", "/list")
    assert headers["user-agent"].startswith("threatlistd/")
    assert "if-none-match" not in headers and "if-modified-since" not in headers
    assert "cookie" not in headers and "authorization" not in headers and "expect" not in headers


def test_unchanged_list_is_not_sent_again(ask):
    first, _ = ask(lambda h: reply(h, 200, LIST, ETag='W/"v1"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT"))
    said, server = ask(lambda h: reply(h, 304), *validators(first))
    headers = server.seen[0][2]
    assert headers["if-none-match"] == 'W/"v1"'
    assert headers["if-modified-since"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert (said["outcome"], said["etag"]) == ("same", 'W/"v1"')


def test_same_ranges_in_other_words_are_the_same(ask):
    first, _ = ask(lambda h: reply(h, 200, LIST, ETag='"v1"'))
    said, _ = ask(lambda h: reply(h, 200, b"# new head\n2001:db8::/48\n203.0.113.0/24\n198.51.100.7 # x\n",
                                  ETag='"v2"'), *validators(first))
    assert (said["outcome"], said["etag"]) == ("same", '"v2"')
    said, _ = ask(lambda h: reply(h, 200, LIST + b"192.0.2.1\n", ETag='"v3"'), *validators(first))
    assert (said["outcome"], said["etag"], said["entries"]) == ("new", '"v3"', 4)


def test_not_modified_unasked_is_a_failure(ask):
    said, _ = ask(lambda h: reply(h, 304))
    assert said["outcome"] == "failed" and "304" in said["reason"]


@pytest.mark.parametrize("certificate, what", [("own", "self-signed"), ("wrong", "elsewhere.example")])
def test_stranger_is_not_trusted(ask, certificate, what):
    said, server = ask(lambda h: reply(h, 200, LIST), certificate=certificate)
    assert said["outcome"] == "failed" and not server.seen
    assert "certificate" in said["reason"].lower() and (what in said["reason"] or "localhost" in said["reason"])


def test_authority_of_the_source_counts_alone(ask, authority):
    said, server = ask(lambda h: reply(h, 200, LIST), ca_file=authority / "own.pem")
    assert said["outcome"] == "failed" and not server.seen


def test_missing_authority_is_named(ask):
    said, _ = ask(lambda h: reply(h, 200, LIST), ca_file="/nonexistent/ca.pem")
    assert said["outcome"] == "failed" and "/nonexistent/ca.pem" in said["reason"]


def test_gzip_is_inflated(ask):
    body = gzip.compress(LIST)
    said, server = ask(lambda h: reply(h, 200, body, Content_Encoding="gzip"))
    assert (said["outcome"], said["bytes"]) == ("new", len(LIST))
    assert server.seen[0][2]["accept-encoding"] == "gzip"


def chunked(handler, pieces):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


def bomb(handler):
    reply(handler, 200, gzip.compress(b"#" * 20_000_000), Content_Encoding="gzip")


@pytest.mark.parametrize("answer", [
    bomb,
    lambda h: reply(h, 200, b"192.0.2.1\n" * 10000),
    lambda h: chunked(h, [b"192.0.2.1\n" * 1000] * 10),
], ids=["inflated", "length", "chunks"])
def test_size_is_capped_while_it_streams(ask, answer):
    said, _ = ask(answer, max_bytes="64K")
    assert said["outcome"] == "failed" and "larger than 65536 bytes" in said["reason"]


def test_exactly_the_cap_is_fine(ask):
    body = b"192.0.2.1\n" + b"#" * (1024 - 10)
    said, _ = ask(lambda h: reply(h, 200, body), max_bytes="1K")
    assert (said["outcome"], said["bytes"]) == ("new", 1024)
    said, _ = ask(lambda h: reply(h, 200, body + b"#"), max_bytes="1K")
    assert said["outcome"] == "failed"


def test_redirect_to_https_is_followed(ask):
    said, server = ask(lambda h: reply(h, 200, LIST) if h.path == "/there" else
                       reply(h, 302, Location="/there", ETag='"of the redirect"'))
    assert said["outcome"] == "new" and [path for _, path, _ in server.seen] == ["/list", "/there"]
    assert said["etag"] == ""


def test_redirect_to_http_is_refused(ask):
    with Server(lambda h: reply(h, 200, LIST)) as plain:
        said, _ = ask(lambda h: reply(h, 301, Location=f"{plain.url}/list"))
        assert not plain.seen
    assert said["outcome"] == "failed" and f"`{plain.url}/list'" in said["reason"] and "https://" in said["reason"]


def test_redirect_to_a_file_is_refused(ask):
    said, _ = ask(lambda h: reply(h, 301, Location="file:///etc/passwd"))
    assert said["outcome"] == "failed" and "https://" in said["reason"]


def test_circling_redirects_end(ask):
    said, server = ask(lambda h: reply(h, 302, Location=h.path))
    assert said["outcome"] == "failed" and "more than 5 redirects" in said["reason"]
    assert len(server.seen) == 6


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(LIST)
    handler.close_connection = True


def cut_chunk(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"100\r\n" + LIST)
    handler.close_connection = True


@pytest.mark.parametrize("answer", [cut, cut_chunk])
def test_cut_answer_is_no_list(ask, answer):
    said, _ = ask(answer)
    assert said["outcome"] == "failed" and said["reason"]


@pytest.mark.parametrize("status, word", [(500, "error of the server"), (403, "access denied"), (404, "no list"),
                                          (204, "204"), (206, "206"), (302, "without a location")])
def test_status_is_said(ask, status, word):
    said, _ = ask(lambda h: reply(h, status))
    assert said["outcome"] == "failed" and str(status) in said["reason"] and word in said["reason"]
    assert (said["etag"], said["retryAfter"]) == ("", 0)


@pytest.mark.parametrize("value, least, most", [("7", 7, 7), ("99999", 3600, 3600), ("-1", 0, 0), ("soon", 0, 0),
                                                ("Wed, 21 Oct 2115 07:28:00 GMT", 3600, 3600),
                                                ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("7x", 0, 0)])
def test_retry_after_is_passed_on_bounded(ask, value, least, most):
    said, _ = ask(lambda h: reply(h, 503, Retry_After=value))
    assert said["outcome"] == "failed" and least <= said["retryAfter"] <= most


def flood(handler):
    handler.send_response(200)
    for i in range(300):
        handler.send_header(f"X-{i}", "x")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def test_header_flood_ends_it(ask):
    said, _ = ask(flood)
    assert said["outcome"] == "failed" and "header" in said["reason"]


def test_overlong_validator_is_dropped(ask):
    said, _ = ask(lambda h: reply(h, 200, LIST, ETag='"' + "x" * 300 + '"'))
    assert (said["outcome"], said["etag"]) == ("new", "")


@pytest.mark.parametrize("body, reason", [
    (b"", "is empty"),
    (b"# nothing\n\n; here\n", "has no entry in 3 lines"),
    (b"<html>\n<p>Please log in</p>\n</html>\n", "nothing acceptable in 3 lines (it came as text/html)"),
    (b"192.0.2.1\nx\ny\n", "2 of 3 entries are rejected"),
    (b"<a>\n<Address_Value>192.0.2.1</Address_Value>\n", "is no stix list (it came as text/html): line 3: cut off"),
    (b"{\"objects\": [}", "is no stix2 list (it came as text/html): line 1: not well-formed JSON"),
    (b"Indicator type,Indicator\ndomain,a.example\nURL,http://192.0.2.1/\n",
     "has no entry in 3 lines (it came as text/html), skipped: domain 1, url 1"),
])
def test_what_is_no_list_is_refused(ask, body, reason):
    said, _ = ask(lambda h: reply(h, 200, body, Content_Type="text/html; charset=utf-8", ETag='"bad"'))
    assert said["outcome"] == "failed" and reason in said["reason"]
    assert said["etag"] == ""


def test_half_bad_is_still_a_list_and_says_what_was_bad(ask):
    said, _ = ask(lambda h: reply(h, 200, b"192.0.2.1\nx\x1b[31m\nhttp://a/\n192.0.2.2\n"))
    assert (said["outcome"], said["entries"], said["rejected"]) == ("new", 2, 2)
    assert said["rejects"][0].startswith("2: ") and "\x1b" not in said["rejects"][0]


def test_domains_do_not_make_a_list_bad(ask):
    """Entity lists hold domains by right: the few addresses in one of them count."""
    said, _ = ask(lambda h: reply(h, 200, b"a.example\n*.b.example\nc.example\n192.0.2.1\n"))
    assert (said["outcome"], said["entries"], said["rejected"]) == ("new", 1, 3)


def test_nobody_there(ask, authority, tmp_path):
    with Server(lambda h: None) as gone:
        pass
    (said,) = feed(tmp_path, source(f"https://127.0.0.1:{gone.port}/x", authority))
    assert said["outcome"] == "failed" and "onnect" in said["reason"]


def test_proxy_of_the_environment_only_when_wanted(authority, tmp_path):
    with Server(lambda h: reply(h, 502)) as proxy:
        text = source("https://lists.example/list", authority)
        feed(tmp_path, text, https_proxy=f"http://127.0.0.1:{proxy.port}")
        assert not proxy.seen
        (said,) = feed(tmp_path, text.replace("proxy = none", "proxy = env"),
                       https_proxy=f"http://127.0.0.1:{proxy.port}")
        assert [seen[:2] for seen in proxy.seen] == [("CONNECT", "lists.example:443")]
        (said,) = feed(tmp_path, text.replace("proxy = none", f"proxy = http://127.0.0.1:{proxy.port}"))
        assert len(proxy.seen) == 2 and said["outcome"] == "failed"


def test_each_source_is_answered(authority, tmp_path):
    (tmp_path / "trusted.txt").write_text("192.0.2.53\n")
    os.utime(tmp_path / "trusted.txt", (1, 1))
    with Server(lambda h: reply(h, 200, LIST) if h.path == "/list" else reply(h, 404),
                authority / "good.pem") as server:
        text = source(server.url + "/list", authority) + (
            f"[source lost]\ntype = https\nlocation = {server.url}/lost\n"
            f"[source ours]\ntype = file\nlocation = {tmp_path}/trusted.txt\nrole = trusted\n")
        said = feed(tmp_path, text)
    # files first: they wait for nobody
    assert [(one["source"], one["outcome"]) for one in said] == [(2, "new"), (0, "new"), (1, "failed")]
    assert said[0]["role"] == "trusted"


def test_feed_has_given_up_its_rights(ask):
    seen = {}

    def look(handler):
        client = handler.client_address[1]
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if b"tool_feed" not in (process / "cmdline").read_bytes():
                    continue
                sockets = {os.readlink(fd) for fd in (process / "fd").iterdir()}
                tcp = [line.split() for line in (process / "net/tcp").read_text().splitlines()[1:]]
                if any(int(row[1].split(":")[1], 16) == client and f"socket:[{row[9]}]" in sockets for row in tcp):
                    seen["status"] = (process / "status").read_text()
                    seen["limits"] = (process / "limits").read_text()
            except OSError:
                continue
        reply(handler, 200, LIST)

    if os.geteuid() != 0:
        pytest.skip("only root may look at a process that cannot be traced")
    ask(look)
    status = dict(line.split(":\t", 1) for line in seen["status"].splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapInh"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    if "asan" not in os.environ.get("B", ""):
        assert f"Max address space         {1 << 30}" in seen["limits"]
