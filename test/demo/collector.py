#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP collector as small as can be: takes batches of findings, appends each as a JSON line.

usage: collector.py ADDRESS PORT FILE
"""

import http.server
import json
import sys


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(self.server.path, "a", encoding="utf-8") as out:
            for finding in json.loads(body):
                out.write(json.dumps(finding) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def main():
    address, port, path = sys.argv[1:4]
    server = http.server.HTTPServer((address, int(port)), Collector)
    server.path = path
    server.serve_forever()


if __name__ == "__main__":
    main()
