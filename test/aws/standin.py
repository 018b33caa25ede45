#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the parts of AWS that threatlistd talks to: IMDS, GuardDuty, S3, Security Hub,
EventBridge and SNS in one process, for tests and the demo.  See README.md.

    standin.py --dir DIR [--imds HOST:PORT] [--container HOST:PORT] [--http HOST:PORT] [--https HOST:PORT]

Once it listens it prints one line of JSON with its addresses; port 0 takes a free one.
"""

import argparse
import json
import os
import re
import sys
import threading
import traceback

from events import Events
from guardduty import GuardDuty
from iam import allows
from imds import Imds
from s3 import S3, S3_HOST
from securityhub import SecurityHub
from server import DRIP_BYTES, ControlListener, Listener, address_of, make_certificates
from sns import Sns
from verify import check_signature, read_authorization
from wire import ERRORS, THROTTLED, Refusal, refuse
from world import Answer, ControlError, World

# SERVICE[-fips].REGION.amazonaws.com, SERVICE.REGION.api.aws
SERVICE_HOST = re.compile(r"(?P<service>[a-z]+)(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)"
                          r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")


class Standin:
    """All services of one account, in front of them signature check, faults and the role's policy."""

    def __init__(self, world):
        self.world = world
        self.imds = Imds(world)
        self.services = {service.name: service for service in
                         (GuardDuty(world), S3(world), SecurityHub(world), Events(world), Sns(world))}

    # whom a request is for

    def service_of(self, request):
        """(service, region of the endpoint or None where any will do)"""
        host = SERVICE_HOST.fullmatch(request.hostname)
        if host and host["service"] in self.services:
            return self.services[host["service"]], host["region"]
        if S3_HOST.fullmatch(request.hostname):
            return self.services["s3"], None
        try:
            scope = read_authorization(request)
        except Refusal:
            scope = None
        if scope and scope[3] in self.services:
            return self.services[scope[3]], None if scope[3] == "s3" else self.world.region
        for service in self.services.values():
            if service.name != "s3" and service.operation(request):
                return service, self.world.region
        return self.services["s3"], None

    # answering

    def answer(self, request):
        """The way of every signed request."""
        with self.world.lock:
            service, region = self.service_of(request)
            operation = service.operation(request) or "Unknown"
            key = None
            try:
                key = self.check(service, operation, request, region)
                answer = self.fault(service, operation, request) or service.handle(operation, request, key)
            except Refusal as refusal:
                answer = refuse(service.name, service.protocol, refusal)
            except Exception:  # our own mistake must show in the test that met it
                self.world.violate(service.name, operation, "stand-in", traceback.format_exc())
                answer = Answer(500, b"stand-in failed")
            answer = self.spoil(service.name, operation, request, answer)
            self.world.record_call(service.name, operation, request, answer, key.id if key else None)
            return answer

    def check(self, service, operation, request, region):
        """The key of a request that is signed well, known and allowed."""
        try:
            key = check_signature(self.world, request, service.name, region)
        except Refusal as refusal:
            self.world.violate(service.name, operation, refusal.kind, refusal.message)
            raise
        if operation == "Unknown":
            text = f"no such operation: {request.method} {request.path}"
            self.world.violate(service.name, operation, "operation", text)
            raise Refusal("service", text, "UnknownOperationException", 404)
        if key.policy is not None:
            self.authorize(service, operation, request, key)
        return key

    def authorize(self, service, operation, request, key):
        for action, resource, context in service.authorize(operation, request):
            if not allows(key.policy, action, resource, context):
                text = (f"User: {self.world.principal(key)} is not authorized to perform: {action} on resource: "
                        f"{resource} because no identity-based policy allows the {action} action")
                self.world.violate(service.name, operation, "policy", text)
                code = "AuthorizationError" if service.name == "sns" else (
                    "AccessDenied" if service.name == "s3" else "AccessDeniedException")
                raise Refusal("service", text, code, 403)

    def fault(self, service, operation, request):
        """The answer that the next fault gives in the service's place, or None."""
        for fault in self.world.faults:
            if fault.kind in ("error", "throttle", "answer") and fault.hits(service.name, operation, request.path):
                if fault.take():
                    return self.faulty(service, fault)
        return None

    @staticmethod
    def faulty(service, fault):
        if fault.kind == "answer":
            return Answer(fault.status or 200, (fault.body or "").encode(), dict(fault.headers))
        code, status, message = THROTTLED[service.name]
        if fault.kind == "error":
            code, status, message = "InternalFailure", 500, "An internal error has occurred."
        code, status = fault.code or code, fault.status or status
        answer = ERRORS[service.protocol](service.name, code, status, fault.message or message, {})
        answer.headers.update(fault.headers)
        answer.code = code
        return answer

    def spoil(self, service, operation, request, answer):
        """A good answer may still not arrive: the work was done, the caller does not know it."""
        for fault in self.world.faults:
            if fault.kind in ("hang", "close", "cut", "drip") and fault.hits(service, operation, request.path):
                if fault.take():
                    answer.fate = {"hang": ("hang", fault.seconds), "close": ("close", None),
                                   "cut": ("cut", fault.bytes),
                                   "drip": ("drip", (fault.bytes or DRIP_BYTES, fault.seconds))}[fault.kind]
                    break
        return answer

    def answer_imds(self, request):
        with self.world.lock:
            operation = self.imds.operation(request)
            answer = None
            for fault in self.world.faults:
                if fault.kind in ("error", "throttle", "answer") and fault.hits("imds", operation, request.path):
                    if fault.take():
                        answer = Answer(fault.status or (429 if fault.kind == "throttle" else 500),
                                        (fault.body or "").encode(), dict(fault.headers))
                        break
            answer = self.spoil("imds", operation, request, answer or self.imds.handle(request))
            self.world.record_call("imds", operation, request, answer)
            return answer

    def answer_container(self, request):
        with self.world.lock:
            answer = self.spoil("container", "Get", request, self.imds.handle_container(request))
            self.world.record_call("container", "Get", request, answer)
            return answer

    # control

    def control(self, name, arguments):
        with self.world.lock:
            for part in (self.world, self.imds, *self.services.values()):
                command = getattr(part, f"do_{name}", None)
                if command:
                    return command(**arguments)
        raise ControlError(f"no such command: {name}")


def certificate_names(region, addresses, names):
    """What AWS's certificates name: one label in front of the S3 endpoint, so no bucket with dots."""
    return ["localhost", "127.0.0.1", "::1", *dict.fromkeys(a for a in addresses if a not in ("127.0.0.1", "::1")),
            f"*.{region}.amazonaws.com", f"*.s3.{region}.amazonaws.com", "s3.amazonaws.com", "*.s3.amazonaws.com",
            "*.us-east-1.amazonaws.com", "*.s3.us-east-1.amazonaws.com", *names]


def arguments():
    parser = argparse.ArgumentParser(description="a stand-in for AWS")
    parser.add_argument("--dir", required=True, help="state: CA, certificates, control socket")
    for name in ("imds", "container", "http", "https"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--name", action="append", default=[], help="a further name for the certificate")
    parser.add_argument("--region", default="us-west-2")
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--partition", default="aws")
    parser.add_argument("--domain", default="amazonaws.com")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    return parser.parse_args()


def main():
    args = arguments()
    os.makedirs(args.dir, exist_ok=True)
    if os.path.lexists(os.path.join(args.dir, "control.sock")):
        os.unlink(os.path.join(args.dir, "control.sock"))
    world = World(args.region, args.account, args.partition, args.domain)
    standin = Standin(world)
    tls = None
    if args.https:
        hosts = [address_of(address)[0] for address in args.https]
        tls = make_certificates(args.dir, certificate_names(args.region, hosts, args.name))
    listeners = {
        "imds": [Listener(address, world, standin.answer_imds) for address in args.imds],
        "container": [Listener(address, world, standin.answer_container) for address in args.container],
        "http": [Listener(address, world, standin.answer) for address in args.http],
        "https": [Listener(address, world, standin.answer, tls) for address in args.https],
    }
    control = ControlListener(args.dir, standin.control)
    for listener in [control, *sum(listeners.values(), [])]:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
    print(json.dumps({name: [listener.url for listener in group] for name, group in listeners.items()}
                     | {"ca": os.path.join(args.dir, "ca.pem")}), flush=True)
    if args.until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), world.do_stop()), daemon=True).start()
    try:
        world.stopping.wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
