# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance metadata service, version 2, and the container credentials endpoint."""

import json
import secrets

from wire import iso_time
from world import Answer, ControlError

TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "x-aws-ec2-metadata-token"
TTL_MAX = 21600
META = "/latest/meta-data/"
TOKEN = "/latest/api/token"
MODES = ("required", "optional", "v1-only", "disabled", "absent", "hop-limited")
HANG_SECONDS = 600

# One instance of the workshop: the compromised host, with an EIP of its own.
INSTANCE = {
    "ami-id": "ami-0b69ea66ff7391e80",
    "hostname": "ip-10-0-0-10.us-west-2.compute.internal",
    "instance-id": "i-0123456789abcdef0",
    "instance-type": "t3.micro",
    "local-hostname": "ip-10-0-0-10.us-west-2.compute.internal",
    "local-ipv4": "10.0.0.10",
    "mac": "0e:49:61:0f:c3:11",
    "public-ipv4": "198.51.100.10",
}
INTERFACE = {
    "device-number": "0",
    "interface-id": "eni-0123456789abcdef0",
    "mac": "0e:49:61:0f:c3:11",
    "local-ipv4s": "10.0.0.10\n10.0.0.11",
    "public-ipv4s": "198.51.100.10",
    "ipv4-associations/198.51.100.10": "10.0.0.10",  # the EIP's private address, as the real IMDS says
    "ipv6s": "2001:db8:0:1::10",
    "security-group-ids": "sg-0123456789abcdef0",
    "security-groups": "workshop-compromised",
    "subnet-id": "subnet-0123456789abcdef0",
    "subnet-ipv4-cidr-block": "10.0.0.0/24",
    "vpc-id": "vpc-0123456789abcdef0",
    "vpc-ipv4-cidr-block": "10.0.0.0/16",
    "vpc-ipv4-cidr-blocks": "10.0.0.0/16",
    "vpc-ipv6-cidr-blocks": "2001:db8::/56",
}


class Imds:
    name = "imds"

    def __init__(self, world):
        self.world = world
        self.mode = "required"
        self.tokens = {}  # text -> end of its life
        self.overrides = {}  # path below /latest/ -> text, None: not there
        self.container_token = None

    # the tree

    def document(self):
        world = self.world
        return {"accountId": world.account, "architecture": "x86_64", "availabilityZone": world.region + "a",
                "billingProducts": None, "devpayProductCodes": None, "marketplaceProductCodes": None,
                "imageId": INSTANCE["ami-id"], "instanceId": INSTANCE["instance-id"],
                "instanceType": INSTANCE["instance-type"], "kernelId": None,
                "pendingTime": "2023-12-21T04:40:04Z", "privateIp": INSTANCE["local-ipv4"], "ramdiskId": None,
                "region": world.region, "version": "2017-09-30"}

    def credentials(self):
        key = self.world.current_role_key()
        return {"Code": "Success", "LastUpdated": iso_time(self.world.now()), "Type": "AWS-HMAC",
                "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.token,
                "Expiration": iso_time(key.expires)}

    def tree(self):
        """Every leaf: path below /latest/ -> text."""
        world = self.world
        leaves = {"dynamic/instance-identity/document": json.dumps(self.document(), indent=1),
                  "meta-data/placement/region": world.region,
                  "meta-data/placement/availability-zone": world.region + "a",
                  "meta-data/services/domain": world.domain,
                  "meta-data/services/partition": world.partition}
        leaves.update({f"meta-data/{name}": text for name, text in INSTANCE.items()})
        interface = f"meta-data/network/interfaces/macs/{INSTANCE['mac']}/"
        leaves.update({interface + name: text for name, text in INTERFACE.items()})
        leaves[interface + "owner-id"] = world.account
        if world.role:
            profile = f"arn:{world.partition}:iam::{world.account}:instance-profile/{world.role}"
            leaves["meta-data/iam/info"] = json.dumps({
                "Code": "Success", "LastUpdated": iso_time(world.now()), "InstanceProfileArn": profile,
                "InstanceProfileId": "AIPA0123456789EXAMPLE"})
            leaves[f"meta-data/iam/security-credentials/{world.role}"] = json.dumps(self.credentials(), indent=1)
        leaves.update(self.overrides)
        return {path: text for path, text in leaves.items() if text is not None}

    def read(self, path):
        """A leaf's text, a folder's listing, or None."""
        leaves = self.tree()
        if path in leaves:
            return leaves[path]
        folder = path.rstrip("/") + "/"
        below = sorted(leaf[len(folder):] for leaf in leaves if leaf.startswith(folder))
        names = []
        for rest in below:
            head, slash, _ = rest.partition("/")
            if head + slash not in names:
                names.append(head + slash)
        return "\n".join(names) if names else None

    # requests

    def operation(self, request):
        return "PutToken" if request.path == TOKEN else "Get"

    def handle(self, request):
        if self.mode == "absent":
            return Answer(fate=("close", None))
        if self.mode == "disabled":
            return Answer(403, b"Forbidden")
        if request.path == TOKEN:
            return self.put_token(request)
        if request.method != "GET":
            return Answer(405, b"Method Not Allowed")
        return self.get(request)

    def put_token(self, request):
        if self.mode == "hop-limited":  # the answer's TTL ends on its way: the caller waits
            return Answer(fate=("hang", HANG_SECONDS))
        if self.mode == "v1-only":
            return Answer(404, b"Not Found")
        if request.method != "PUT":
            return Answer(405, b"Method Not Allowed")
        if request.header("x-forwarded-for") is not None:
            return Answer(403, b"Forbidden")
        ttl = request.header(TTL_HEADER) or ""
        if not ttl.isdigit() or not 1 <= int(ttl) <= TTL_MAX:
            self.world.violate("imds", "PutToken", "ttl", f"{TTL_HEADER} is 1..{TTL_MAX}, not '{ttl}'")
            return Answer(400, b"Bad Request")
        token = secrets.token_urlsafe(40) + "=="
        self.tokens[token] = self.world.now() + int(ttl)
        return Answer(200, token.encode(), {"Content-Type": "text/plain", TTL_HEADER: ttl})

    def get(self, request):
        token = request.header(TOKEN_HEADER)
        if token is None:
            self.world.violate("imds", "Get", "imds-v1", f"GET of {request.path} without a token")
            if self.mode not in ("optional", "v1-only"):
                return Answer(401, b"Unauthorized")
        elif self.tokens.get(token, 0) <= self.world.now() and self.mode != "v1-only":
            return Answer(401, b"Unauthorized")
        text = self.read(request.path.removeprefix("/latest/")) if request.path.startswith("/latest/") else None
        if text is None:
            return Answer(404, b"Not Found")
        return Answer(200, text.encode(), {"Content-Type": "text/plain"})

    # the endpoint of ECS and EKS: the same credentials, other words

    def handle_container(self, request):
        if self.container_token is not None and request.header("authorization") != self.container_token:
            return Answer(401, b"Unauthorized")
        if request.method != "GET":
            return Answer(405, b"Method Not Allowed")
        key = self.world.current_role_key()
        body = {"AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.token,
                "Expiration": iso_time(key.expires), "RoleArn": self.world.principal(key)}
        return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    # control

    def do_imds(self, mode=None, values=None, forget_tokens=False, container_token=None):
        """values: path below /latest/ -> text, or null for 404."""
        if mode is not None:
            if mode not in MODES:
                raise ControlError(f"mode is one of {', '.join(MODES)}: {mode}")
            self.mode = mode
        self.overrides.update(values or {})
        if forget_tokens:
            self.tokens.clear()
        if container_token is not None:
            self.container_token = container_token
