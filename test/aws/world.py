# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in is, apart from any one service: its clock, its keys, the faults it was told to
commit, and the record of everything that it received."""

import collections
import dataclasses
import fnmatch
import secrets
import string
import threading
import time

STATIC_KEY = "AKIAIOSFODNN7EXAMPLE"  # the example key of AWS's own documentation
STATIC_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ROLE_LIFETIME = 6 * 3600  # seconds, what EC2 gives
ROTATE_BEFORE = 300  # seconds: EC2 has new credentials ready at least this long before expiry
KEY_LETTERS = string.ascii_uppercase + "234567"
CALLS_MAX = 100_000  # remembered one by one; counts go on


class ControlError(Exception):
    """A control command that cannot be carried out: answered as text, never swallowed."""


@dataclasses.dataclass
class Key:
    id: str
    secret: str
    token: str | None = None
    expires: float | None = None  # of the stand-in's clock
    role: str | None = None  # None: a user's static key
    policy: dict | None = None  # IAM policy document; None allows everything


@dataclasses.dataclass
class Request:
    scheme: str
    method: str
    path: str  # as sent
    query: str  # as sent, without the question mark
    headers: list  # of (name in lower case, value), as sent
    body: bytes

    def header(self, name):
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def host(self):
        return self.header("host") or ""

    @property
    def hostname(self):
        """Host without its port, in lower case."""
        host = self.host.lower()
        return host.split("]")[0] + "]" if host.startswith("[") else host.split(":")[0]


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)
    code: str | None = None  # AWS's error code, for the record
    fate: tuple | None = None  # how delivery goes wrong: (kind, value)


@dataclasses.dataclass
class Fault:
    """kind error|throttle|answer|hang|close|cut|drip|partial; see README.md."""

    service: str
    kind: str
    operation: str = "*"
    path: str = "*"
    times: int = 1  # how many calls it hits; negative: all
    skip: int = 0  # how many matching calls go through first
    status: int | None = None
    code: str | None = None
    message: str | None = None
    headers: dict = dataclasses.field(default_factory=dict)
    body: str | None = None
    bytes: int = 0
    seconds: float = 600
    indexes: list | None = None  # partial: which entries fail

    KINDS = ("error", "throttle", "answer", "hang", "close", "cut", "drip", "partial")

    def hits(self, service, operation, path):
        return (self.times != 0 and fnmatch.fnmatchcase(service, self.service)
                and fnmatch.fnmatchcase(operation, self.operation)
                and fnmatch.fnmatchcase(path, self.path))

    def take(self):
        """Counts one hit; false while calls are still to go through."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times > 0:
            self.times -= 1
        return True


def random_id(letters, length):
    return "".join(secrets.choice(letters) for _ in range(length))


class World:
    """One account in one partition.  Every method is called with `lock` held."""

    def __init__(self, region, account, partition, domain):
        self.region, self.account = region, account
        self.partition, self.domain = partition, domain
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.released = threading.Event()
        self.clock_offset = 0.0
        self.faults = []
        self.calls = []
        self.counts = collections.Counter()
        self.violations = []
        self.keys = {STATIC_KEY: Key(STATIC_KEY, STATIC_SECRET)}
        self.role = "threatlistd-role"
        self.role_lifetime = ROLE_LIFETIME
        self.role_frozen = False
        self.role_policy = None
        self.role_key = self.new_role_key()

    # time and keys

    def now(self):
        return time.time() + self.clock_offset

    def new_role_key(self):
        key = Key("ASIA" + random_id(KEY_LETTERS, 16), secrets.token_urlsafe(30), secrets.token_urlsafe(270),
                  self.now() + self.role_lifetime, self.role, self.role_policy)
        self.keys[key.id] = key
        return key

    def current_role_key(self):
        """What IMDS hands out: new credentials shortly before the old ones end, unless frozen."""
        if not self.role_frozen and self.role_key.expires - self.now() < ROTATE_BEFORE:
            self.role_key = self.new_role_key()
        return self.role_key

    def principal(self, key):
        if key.role is None:
            return f"arn:{self.partition}:iam::{self.account}:user/tester"
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{key.role}/i-0123456789abcdef0"

    # the record

    def record_call(self, service, operation, request, answer, key_id=None):
        self.counts[service, operation] += 1
        if len(self.calls) < CALLS_MAX:
            self.calls.append({
                "time": self.now(), "service": service, "operation": operation, "status": answer.status,
                "code": answer.code, "fate": answer.fate[0] if answer.fate else None, "key": key_id,
                "scheme": request.scheme, "method": request.method, "host": request.host,
                "path": request.path, "query": request.query, "size": len(request.body),
                "body": request.body.decode("utf-8", "replace"),
                "headers": {name: value for name, value in request.headers if name != "authorization"}})

    def violate(self, service, operation, code, text):
        """A request that no client of AWS should have sent."""
        self.violations.append({"time": self.now(), "service": service, "operation": operation,
                                "code": code, "text": text})

    def take_fault(self, service, operation, path, partial=False):
        """The next fault that this call runs into, or None."""
        for fault in self.faults:
            if (fault.kind == "partial") == partial and fault.hits(service, operation, path):
                if fault.take():
                    return fault
        return None

    # control

    def do_role_secrets(self):
        """Secret key and token that are handed out now: what must be nowhere."""
        key = self.current_role_key()
        return [key.secret, key.token]

    def do_fault(self, service, kind, **about):
        if kind not in Fault.KINDS:
            raise ControlError(f"a fault is one of {', '.join(Fault.KINDS)}: {kind}")
        self.faults.append(Fault(service=service, kind=kind, **about))

    def do_clear_faults(self):
        """Also lets go of every call that hangs."""
        self.faults.clear()
        self.released.set()
        self.released = threading.Event()

    def do_clock(self, offset=None, advance=0.0):
        """Sets how far the stand-in's clock is off, or moves it on."""
        self.clock_offset = (self.clock_offset if offset is None else float(offset)) + float(advance)
        return self.now()

    def do_key(self, id, secret, token=None, expires_in=None, policy=None):
        self.keys[id] = Key(id, secret, token, None if expires_in is None else self.now() + expires_in,
                            None, policy)

    def do_role(self, name=None, lifetime=None, frozen=None, policy=None):
        """Changes the instance role; its current key is replaced.  name "": no role is attached."""
        if name is not None:
            self.role = name
        if lifetime is not None:
            self.role_lifetime = lifetime
        if frozen is not None:
            self.role_frozen = frozen
        self.role_policy = policy
        return self.do_rotate()

    def do_rotate(self, revoke=False):
        """New role credentials; the old ones stay good until they expire, unless revoked."""
        if revoke:
            self.keys.pop(self.role_key.id, None)
        self.role_key = self.new_role_key()
        return self.role_key.id

    def do_expire_token(self, key=None):
        """The services take this key as expired from now on, whatever IMDS said of it."""
        self.keys[key or self.role_key.id].expires = self.now() - 1

    def do_calls(self, service="*", operation="*"):
        return [call for call in self.calls if fnmatch.fnmatchcase(call["service"], service)
                and fnmatch.fnmatchcase(call["operation"], operation)]

    def do_counts(self):
        return {f"{service}:{operation}": n for (service, operation), n in sorted(self.counts.items())}

    def do_violations(self):
        return self.violations

    def do_forget(self):
        """Drops the record of calls and violations, keeps what was stored."""
        self.calls.clear()
        self.counts.clear()
        self.violations.clear()

    def do_stop(self):
        self.stopping.set()
        self.released.set()
