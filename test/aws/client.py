# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in AWS, as tests and the demo use it.

    with Standin(folder) as aws:
        aws.threat_list("Example-Threat-List", "198.51.100.7\\n")
        run_the_agent(env=aws.environment())
        assert aws.findings() and not aws.violations()

Any command that the services have (their do_… methods) is a method here: aws.fault("s3", "hang").
From a shell: python3 client.py FOLDER COMMAND [NAME=JSON-OR-TEXT …].
"""

import json
import os
import pathlib
import socket
import subprocess
import sys

from world import STATIC_KEY, STATIC_SECRET

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the distribution's: it is the one that has botocore
CONTROL_SECONDS = 30
PACKAGING = HERE.parents[1] / "packaging" / "aws"
SERVICES = ("GUARDDUTY", "S3", "SECURITYHUB", "EVENTBRIDGE", "SNS")


class StandinError(Exception):
    """The stand-in did not start, or refused a command."""


def control(folder, command, /, **arguments):
    """One command to the stand-in whose state is in folder; the socket is a file, so any network
    namespace reaches it."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CONTROL_SECONDS)
            connection.connect(f"/proc/self/fd/{descriptor}/control.sock")
            connection.sendall(json.dumps({"do": command, **arguments}).encode() + b"\n")
            answer = json.loads(connection.makefile("rb").readline())
    finally:
        os.close(descriptor)
    if "error" in answer:
        raise StandinError(f"{command}: {answer['error']}")
    return answer["ok"]


def document(file, **names):
    """A JSON document of packaging/aws with its names in capitals filled in: list_bucket="lists"."""
    text = (PACKAGING / file).read_text()
    for name in sorted(names, key=len, reverse=True):  # LIST-ACCOUNT before ACCOUNT
        text = text.replace(name.upper().replace("_", "-"), names[name])
    return json.loads(text)


class Standin:
    """One running stand-in.  netns: the name of a network namespace to run in; addresses are
    HOST:PORT there, port 0 takes a free one."""

    def __init__(self, folder, netns=None, imds=("127.0.0.1:0",), http=("127.0.0.1:0",), https=("127.0.0.1:0",),
                 container=(), region="us-west-2", account="123456789012", names=(), arguments=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.region, self.account = region, account
        command = ["ip", "netns", "exec", netns] if netns else []
        command += [PYTHON, "-B", str(HERE / "standin.py"), "--until-eof", "--dir", str(self.folder),
                    "--region", region, "--account", account, *arguments]
        for option, values in (("imds", imds), ("http", http), ("https", https), ("container", container),
                               ("name", names)):
            for value in values:
                command += [f"--{option}", value]
        # in a group of its own: a terminal's Ctrl-C is its maker's to act on
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        process_group=0)
        line = self.process.stdout.readline()
        if not line:
            raise StandinError(f"the stand-in did not start: exit {self.process.wait()}")
        self.urls = json.loads(line)
        self.ca_file = self.urls["ca"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it, whatever it is doing."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **arguments: control(self.folder, name, **arguments)

    # where it is

    @property
    def imds_url(self):
        return self.urls["imds"][0]

    @property
    def http_url(self):
        return self.urls["http"][0]

    @property
    def https_url(self):
        return self.urls["https"][0]

    @property
    def container_url(self):
        return self.urls["container"][0]

    def environment(self, tls=True, static=False):
        """Variables that lead an AWS client here and nowhere else; static: a user's key, no IMDS."""
        url = self.https_url if tls else self.http_url
        env = {f"AWS_ENDPOINT_URL_{service}": url for service in SERVICES}
        env["AWS_CA_BUNDLE"] = self.ca_file
        if static:
            env.update(AWS_ACCESS_KEY_ID=STATIC_KEY, AWS_SECRET_ACCESS_KEY=STATIC_SECRET,
                       AWS_REGION=self.region, AWS_DEFAULT_REGION=self.region, AWS_EC2_METADATA_DISABLED="true")
        else:
            # older SDKs join paths to it without a slash of their own
            env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = self.imds_url + "/"
        return env

    # commands that are more than one, or worth a shorter call

    def fault(self, service, kind, **about):
        """kind error|throttle|answer|hang|close|cut|drip|partial; see README.md."""
        control(self.folder, "fault", service=service, kind=kind, **about)

    def threat_list(self, name, text, kind="threatintelset", bucket="guardduty-example", key=None, format="TXT",
                    location=None, **about):
        """An object and the GuardDuty list that names it, at the workshop's kind of URL; the list's id."""
        key = key or f"{name}.txt"
        self.object(bucket=bucket, key=key, text=text)
        return self.set(kind=kind, name=name, format=format,
                        location=location or f"https://s3.amazonaws.com/{bucket}/{key}", **about)

    def calls(self, service="*", operation="*"):
        return control(self.folder, "calls", service=service, operation=operation)

    def violations(self, expected=()):
        """What no client should have sent; expected: codes that the test itself provoked."""
        return [violation for violation in control(self.folder, "violations")
                if violation["code"] not in expected]


def main():
    arguments = {}
    for pair in sys.argv[3:]:
        name, _, value = pair.partition("=")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    print(json.dumps(control(sys.argv[1], sys.argv[2], **arguments), indent=1))


if __name__ == "__main__":
    main()
