# SPDX-License-Identifier: GPL-3.0-or-later
"""Every signature is computed again by botocore's own signer, and every request is held against
botocore's own service models: the judge of a client is somebody else's code."""

import calendar
import functools
import hashlib
import hmac
import re
import time
from urllib.parse import quote, unquote_to_bytes

import botocore.loaders
import botocore.model
from botocore.auth import SIGNED_HEADERS_BLACKLIST, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.validate import ParamValidator

from wire import Refusal

SKEW_MAX = 300  # seconds
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),"
                           r"\s*Signature=([0-9a-f]{64})")


def read_authorization(request):
    """(key id, date, region, service, signed headers, signature), or None without the header."""
    text = request.header("authorization")
    if text is None:
        return None
    match = AUTHORIZATION.fullmatch(text.strip())
    scope = match[1].split("/") if match else []
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise Refusal("incomplete", f"The Authorization header is not one of AWS4-HMAC-SHA256: {text}")
    return scope[0], scope[1], scope[2], scope[3], match[2].split(";"), match[3]


def canonical_query(query):
    """Each name and value read once and encoded the one right way, as AWS does before it sorts."""
    def encode(part):
        return quote(unquote_to_bytes(part), safe="-_.~")
    pairs = (pair.partition("=") for pair in query.split("&")) if query else ()
    return "&".join(f"{encode(name)}={encode(value)}" for name, _, value in pairs)


def text_of(value):
    """A header's bytes as text: http.server reads them as Latin-1, signers as UTF-8."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def botocore_request(request, signed):
    """The request as its client must have signed it: these headers and no others."""
    url = f"{request.scheme}://{request.host}{request.path}"
    if request.query:
        url += "?" + canonical_query(request.query)
    rebuilt = AWSRequest(method=request.method, url=url, data=request.body or None)
    for name, value in request.headers:
        if name in signed:
            rebuilt.headers[name] = text_of(value)
    rebuilt.context["timestamp"] = request.header("x-amz-date")
    return rebuilt


class SignatureCheck:
    """Checks one request, in the order in which AWS complains."""

    def __init__(self, world, request, service, region):
        self.world, self.request = world, request
        self.service, self.region = service, region

    def run(self):
        """The key that signed; a Refusal otherwise."""
        parts = read_authorization(self.request)
        if parts is None:
            raise Refusal("missing", "Missing Authentication Token")
        key_id, self.date, self.scope_region, self.scope_service, self.signed, self.signature = parts
        key = self.world.keys.get(key_id)
        if key is None:
            raise Refusal("unknown-key", "The security token included in the request is invalid.",
                          AWSAccessKeyId=key_id)
        self.check_scope()
        self.check_time()
        self.check_signed_headers()
        self.check_token(key)
        self.check_payload_hash()
        self.check_signature(key)
        return key

    def check_scope(self):
        if self.scope_service != self.service:
            raise Refusal("scope", f"Credential should be scoped to correct service: '{self.service}', "
                                   f"not '{self.scope_service}'.")
        if self.region is not None and self.scope_region != self.region:
            raise Refusal("scope", f"Credential should be scoped to a valid region: '{self.region}', "
                                   f"not '{self.scope_region}'.", Region=self.region)

    def check_time(self):
        stamp = self.request.header("x-amz-date") or ""
        try:
            sent = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
        except ValueError:
            raise Refusal("incomplete", f"x-amz-date is not YYYYMMDDTHHMMSSZ: '{stamp}'") from None
        if stamp[:8] != self.date:
            raise Refusal("signature", f"Date in Credential scope does not match YYYYMMDD from x-amz-date: "
                                       f"'{self.date}' != '{stamp[:8]}'")
        now = self.world.now()
        if abs(sent - now) <= SKEW_MAX:
            return
        here = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        if self.service == "s3":
            raise Refusal("skew", "The difference between the request time and the current time is too large.",
                          RequestTime=stamp, ServerTime=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
                          MaxAllowedSkewMilliseconds=SKEW_MAX * 1000)
        if sent < now:
            raise Refusal("skew", f"Signature expired: {stamp} is now earlier than {here} ({here} - 5 min.)")
        raise Refusal("skew", f"Signature not yet current: {stamp} is still later than {here} ({here} + 5 min.)")

    def check_signed_headers(self):
        if self.signed != sorted(self.signed) or any(name != name.lower() for name in self.signed):
            raise Refusal("signature", f"SignedHeaders are not sorted and in lower case: {';'.join(self.signed)}")
        sent = {name for name, _ in self.request.headers}
        for name in self.signed:
            if name not in sent:
                raise Refusal("signature", f"'{name}' is a signed header that was not sent")
            if name in SIGNED_HEADERS_BLACKLIST:
                raise Refusal("signature", f"'{name}' is not a header to sign: proxies change it")
        must = {"host"} | {name for name in sent if name.startswith("x-amz-") or name == "content-type"}
        unsigned = sorted(must - set(self.signed))
        if unsigned:
            raise Refusal("unsigned", "There were headers present in the request which were not signed",
                          HeadersNotSigned=", ".join(unsigned))

    def check_token(self, key):
        token = self.request.header("x-amz-security-token")
        if token != key.token:
            raise Refusal("token", "The security token included in the request is invalid.")
        if key.expires is not None and key.expires <= self.world.now():
            raise Refusal("expired", "The security token included in the request is expired")

    def check_payload_hash(self):
        claimed = self.request.header("x-amz-content-sha256")
        if claimed is None:
            if self.service == "s3":
                raise Refusal("no-hash", "Missing required header for this request: x-amz-content-sha256")
            return
        if claimed == UNSIGNED_PAYLOAD and self.service == "s3":
            return
        real = hashlib.sha256(self.request.body).hexdigest()
        if claimed != real:
            raise Refusal("hash", "The provided 'x-amz-content-sha256' header does not match what was computed.",
                          ClientComputedContentSHA256=claimed, S3ComputedContentSHA256=real)

    def check_signature(self, key):
        signer = S3SigV4Auth if self.service == "s3" else SigV4Auth
        auth = signer(Credentials(key.id, key.secret, key.token), self.service, self.scope_region)
        rebuilt = botocore_request(self.request, self.signed)
        canonical = auth.canonical_request(rebuilt)
        to_sign = auth.string_to_sign(rebuilt, canonical)
        expected = auth.signature(to_sign, rebuilt)
        if not hmac.compare_digest(expected, self.signature):
            raise Refusal("signature", "The request signature we calculated does not match the signature you "
                                       "provided. Check your AWS Secret Access Key and signing method.\n\n"
                                       f"The Canonical String for this request should have been\n'{canonical}'\n\n"
                                       f"The String-to-Sign should have been\n'{to_sign}'\n")


def check_signature(world, request, service, region):
    """The key that signed the request for this service (and region, unless None); else a Refusal."""
    return SignatureCheck(world, request, service, region).run()


# request bodies


@functools.lru_cache(maxsize=None)
def service_model(service):
    loader = botocore.loaders.Loader()
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)


@functools.lru_cache(maxsize=None)
def pattern_of(text):
    """A model's pattern, or None for the few that are not Python's."""
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return None


def size_errors(value, shape, where):
    """The bounds that ParamValidator leaves to the service: upper ends, patterns, enumerations."""
    meta = shape.metadata
    size = value if shape.type_name in ("integer", "long", "float", "double") else (
        len(value) if shape.type_name in ("string", "list", "map") else None)
    if size is not None and "max" in meta and size > meta["max"]:
        yield f"{where}: {size} is more than {meta['max']}"
    if shape.type_name == "string":
        if "enum" in meta and value not in meta["enum"]:
            yield f"{where}: '{value}' is none of {', '.join(meta['enum'])}"
        pattern = pattern_of(meta["pattern"]) if "pattern" in meta else None
        if pattern and not pattern.fullmatch(value):
            yield f"{where}: '{value}' does not match {meta['pattern']}"
    elif shape.type_name == "list":
        for i, item in enumerate(value):
            yield from size_errors(item, shape.member, f"{where}[{i}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from size_errors(key, shape.key, f"{where} key")
            yield from size_errors(item, shape.value, f"{where}.{key}")
    elif shape.type_name == "structure":
        for key, item in value.items():
            yield from size_errors(item, shape.members[key], f"{where}.{key}")
    elif shape.type_name in ("integer", "long", "timestamp") and isinstance(value, bool):
        yield f"{where}: {value} is a boolean"


def model_errors(service, operation, params):
    """What is wrong with the parameters of an operation, by its model; empty when nothing is."""
    shape = service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        return report.generate_report().split("\n")
    return list(size_errors(params, shape, operation))
