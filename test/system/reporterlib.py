# SPDX-License-Identifier: GPL-3.0-or-later
"""One reporter with a parent of our own (tool_reporter), and a collector for it to report to."""

import http.server
import json
import os
import queue
import signal
import sqlite3
import subprocess
import threading

from lab import BUILD, until, whole_lines

TOOL = BUILD / "test/system/tool_reporter"
ENTRY = "203.0.113.0/24"


def write_config(directory, *sinks, agent=""):
    path = directory / "threatlistd.conf"
    path.write_text(f"[agent]\nstate_dir = {directory}/state\nrun_dir = {directory}\nscope = any\n{agent}\n"
                    + "\n".join(sinks) + "\n")
    path.chmod(0o600)
    (directory / "state").mkdir(exist_ok=True)
    return path


def file_sink(path, name="lines", more=""):
    return f"[sink {name}]\ntype = file\npath = {path}\n{more}\n"


def http_sink(url, name="collector", more=""):
    return f"[sink {name}]\ntype = http\nurl = {url}\n{more}\n"


class Reporter:
    def __init__(self, config, host="i-0abc", env=None):
        self.process = subprocess.Popen([TOOL, config, host, ENTRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self.lines, self.log = queue.Queue(), []
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_log, daemon=True)]
        for reader in self.readers:
            reader.start()
        self.pid = self.next()["pid"]

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def next(self, seconds=20):
        return self.lines.get(timeout=seconds)

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def sighting(self, remote, flow="in", proto=6, local_port=22, remote_port=40000):
        self.say(f"sighting {remote} {ENTRY} {flow} {proto} {local_port} {remote_port}")

    def count(self, remote, packets, dropped=None, direction="in", verdict="dropped", epoch=1):
        dropped = packets if dropped is None else dropped
        self.say(f"count {remote} {ENTRY} {direction} {verdict} {epoch} {packets} {packets * 60} {dropped}")

    def findings(self, since=0, undelivered=0):
        self.say(f"findings {since} {undelivered}")
        return self._answer()

    def show(self, finding):
        self.say(f"show {finding}")
        return self._answer()

    def _answer(self):
        while "answer" not in (head := self.next()):
            pass
        return [self.next() for _ in range(head["rows"])] if head["error"] == 0 else head["error"]

    def status(self):
        """(status of each sink, status of the reporter)"""
        self.say("status")
        sinks = []
        while True:
            line = self.next()
            if "sink" in line:
                sinks.append(line)
            elif "live" in line:
                return sinks, line

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(20)
        self._join()

    def stop(self):
        """The role's exit code."""
        self.say("stop")
        self.process.wait(30)
        self._join()
        while "exit" not in (line := self.next()):
            pass
        return line["exit"]

    def _join(self):
        for reader in self.readers:
            reader.join(20)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()  # the role goes with it (PR_SET_PDEATHSIG)
            self.process.wait()
        self._join()


def lines_of(path):
    return [json.loads(line) for line in whole_lines(path)]


def ours(finding):
    return finding["service"]["additionalInfo"]["threatlistd"]


def remote_of(finding):
    return finding["service"]["action"]["networkConnectionAction"]["remoteIpDetails"]["ipAddressV4"]


def spool(directory):
    """The spool, read by somebody else."""
    return sqlite3.connect(f"file:{directory}/state/spool.db?mode=ro", uri=True, timeout=10)


class Collector:
    """A collector on loopback.  answer(request) gives (status, headers) or None to cut the connection."""

    def __init__(self, answer=lambda request: (200, {})):
        self.requests, self.answer = [], answer
        self.lock = threading.Lock()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = {"path": self.path, "headers": dict(self.headers), "body": body, "findings": json.loads(body)}
                with collector.lock:
                    request["number"] = len(collector.requests)
                    collector.requests.append(request)
                answer = collector.answer(request)
                request["answer"] = answer
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in answer[1].items():
                    self.send_header(name, value)
                if "Content-Length" not in answer[1]:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/report"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def taken(self):
        """What came in requests that were answered with 2xx; the newest ones may have no answer yet."""
        return [f for r in list(self.requests) if r.get("answer") and r["answer"][0] // 100 == 2 for f in r["findings"]]

    def accepted(self):
        """sequence -> finding"""
        return {ours(f)["sequence"]: f for f in self.taken()}

    def accepted_ids(self):
        return {f["id"] for f in self.taken() if "id" in f}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


__all__ = ["Collector", "Reporter", "file_sink", "http_sink", "lines_of", "ours", "remote_of", "spool", "until",
           "write_config"]
