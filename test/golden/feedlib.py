# SPDX-License-Identifier: GPL-3.0-or-later
"""A parent for the feed (tool_feed) and an HTTPS server with an authority of its own."""

import http.server
import json
import os
import pathlib
import socketserver
import ssl
import subprocess
import threading

BUILD = os.environ.get("B", "build")


def environment(**more):
    """Ours, without proxies and EC2 settings of the machine that runs the tests."""
    kept = {k: v for k, v in os.environ.items()
            if not k.lower().endswith("_proxy") and not k.startswith("AWS_")}
    return {**kept, **more}


def feed(folder, text, *options, **env):
    """Runs the feed on a config; returns all that came back, and asserts that it ended well."""
    conf = pathlib.Path(folder) / "feed.conf"
    conf.write_text(text)
    done = subprocess.run([f"{BUILD}/test/system/tool_feed", *options, conf], env=environment(**env),
                          capture_output=True, text=True, timeout=60, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers.pop() == {"exit": 0, "signal": 0}, done.stderr
    return answers


def validators(answer):
    """Options that make the feed ask for changes since this answer."""
    return ("-H", answer["hash"], "-e", answer["etag"], "-m", answer["lastModified"])


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder):
    """ca.pem, and good.pem for localhost and 127.0.0.1, wrong.pem for another host, own.pem signed by itself."""
    def key(name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key", folder=folder)

    key("ca")
    openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=test authority", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign", "-out", "ca.pem", folder=folder)
    for name, names in (("good", "DNS:localhost,IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example")):
        key(name)
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr", folder=folder)
        (folder / "ext").write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "ext", "-out", f"{name}.pem", folder=folder)
    key("own")
    openssl("req", "-x509", "-new", "-key", "own.key", "-subj", "/CN=localhost", "-days", "2",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", "own.pem", folder=folder)


class Server:
    """Answers each request by answer(handler); with a certificate over TLS, else plain."""

    def __init__(self, answer, certificate=None):
        self.seen = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_all(self):
                server.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                answer(self)

            do_GET = do_PUT = do_POST = do_CONNECT = handle_all

            def log_message(self, *_):
                pass

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

            def finish_request(self, request, address):
                # the handshake in the connection's own thread: a client may refuse it
                if certificate is not None:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate, str(certificate).replace(".pem", ".key"))
                    request = context.wrap_socket(request, server_side=True)
                Handler(request, address, self)
                if certificate is not None:
                    request.close()

        self.tcp = Threads(("127.0.0.1", 0), Handler)
        self.port = self.tcp.server_address[1]
        self.url = f"{'https' if certificate is not None else 'http'}://localhost:{self.port}"
        threading.Thread(target=self.tcp.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.shutdown()
        self.tcp.server_close()


def reply(handler, status, body=b"", **headers):
    """A whole answer; header names with _ for -."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
