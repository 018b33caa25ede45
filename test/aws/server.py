# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's sockets: HTTP with and without TLS, deliberate breakdowns, and the control socket."""

import http.server
import json
import os
import socket
import socketserver
import ssl
import subprocess

from wire import http_time
from world import ControlError, Request

IDLE_SECONDS = 60
CONTROL_LINE_MAX = 64 * 1024 * 1024  # a list object of GuardDuty's largest size, in base64
DRIP_BYTES = 1024  # at a time, when no number is given


def address_of(text):
    """HOST:PORT or [HOST]:PORT."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads one request after the other, has `server.answer` answer it, and delivers as told."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def setup(self):
        if self.server.tls is not None:
            self.request.settimeout(IDLE_SECONDS)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def read_request(self):
        # self.path has its leading slashes squeezed: take the line as it was sent
        target = self.raw_requestline.split()[1].decode("latin-1")
        path, _, query = target.partition("?")
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scheme = "http" if self.server.tls is None else "https"
        return Request(scheme, self.command, path, query, headers, body)

    def do_any(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.send_error(411)
            return
        answer = self.server.answer(self.read_request())
        kind, value = answer.fate or (None, None)
        if kind in ("hang", "close"):
            if kind == "hang":
                self.server.world.released.wait(value)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, header in answer.headers.items():
            self.send_header(name, header)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body)))
        if kind == "cut":
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.send_body(answer.body, kind, value)

    def send_body(self, body, kind, value):
        if kind == "cut":
            self.wfile.write(body[:value])
            self.close_connection = True
        elif kind == "drip":
            size, seconds = value
            for at in range(0, len(body), size):
                self.wfile.write(body[at:at + size])
                if self.server.world.released.wait(seconds):
                    break
        else:
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_any

    def handle(self):
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True  # the other side's business: it left, or it talked nonsense

    def date_time_string(self, timestamp=None):
        return http_time(self.server.world.now() if timestamp is None else timestamp)

    def version_string(self):
        return "AmazonS3"

    def log_message(self, format, *args):
        """What happened is asked for through the control socket."""


class Listener(http.server.ThreadingHTTPServer):
    """answer: a function from Request to Answer."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, world, answer, tls=None):
        host, port = address_of(address)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.world, self.answer, self.tls = world, answer, tls
        super().__init__((host, port), Handler)

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # without HTTPServer's look-up of the host's name

    def handle_error(self, request, client_address):
        """A handshake that failed ends its connection and no more; our own errors were answered."""

    @property
    def url(self):
        host, port = self.server_address[:2]
        return f"{'http' if self.tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"


class ControlHandler(socketserver.StreamRequestHandler):
    """One JSON line {"do": NAME, ARGUMENT: …} in, one JSON line {"ok": …} or {"error": TEXT} out."""

    def handle(self):
        line = self.rfile.readline(CONTROL_LINE_MAX)
        try:
            command = json.loads(line)
            answer = {"ok": self.server.control(command.pop("do"), command)}
        except (ControlError, ValueError, TypeError, KeyError, AttributeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class ControlListener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, folder, control):
        self.control = control
        # by way of the folder's descriptor: a socket's path may have 107 bytes, a test folder's has more
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            super().__init__(f"/proc/self/fd/{descriptor}/control.sock", ControlHandler)
        finally:
            os.close(descriptor)


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_certificates(folder, names):
    """A CA for this run alone, and a server certificate for the names and addresses; the TLS context."""
    def file(name):
        return os.path.join(folder, name)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=stand-in CA", "-keyout", file("ca.key"),
            "-out", file("ca.pem"), "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *new_key, "-subj", "/CN=stand-in AWS", "-keyout", file("server.key"), "-out", file("server.csr"))
    alternatives = [f"IP:{name}" if name.replace(".", "").isdigit() or ":" in name else f"DNS:{name}"
                    for name in names]
    with open(file("server.ext"), "w") as extension:
        extension.write(f"subjectAltName={','.join(alternatives)}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-days", "2", "-in", file("server.csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"),
            "-CAcreateserial", "-extfile", file("server.ext"), "-out", file("server.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file("server.pem"), file("server.key"))
    return tls
