# SPDX-License-Identifier: GPL-3.0-or-later
"""S3's GetObject and HeadObject, and the many ways in which a bucket says no."""

import base64
import gzip
import hashlib
import re
import secrets
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from iam import allows
from wire import Refusal, http_time
from world import Answer, ControlError

# bucket (if any), region (if any): BUCKET.s3[-fips][.dualstack][.-]REGION.amazonaws.com
S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:-fips)?(?:\.dualstack)?(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?"
                     r"\.amazonaws\.com(?:\.cn)?")
KMS_HINT = "User: {principal} is not authorized to perform: kms:Decrypt on resource: {key}"
ACCESS = ("allowed", "denied", "kms-denied", "kms-disabled", "archived", "endpoint-denied")


class Bucket:
    def __init__(self, region, owner, may_list, redirect):
        self.region, self.owner, self.may_list, self.redirect = region, owner, may_list, redirect
        self.objects = {}


class Object:
    def __init__(self, body, etag, modified, access, kms_key, encoding):
        self.body, self.etag, self.modified = body, etag, modified
        self.access, self.kms_key, self.encoding = access, kms_key, encoding


def denied(message="Access Denied"):
    return Refusal("service", message, "AccessDenied", 403)


class S3:
    name, protocol = "s3", "s3"

    def __init__(self, world):
        self.world = world
        self.buckets = {}

    # reading the request

    def where(self, request):
        """(bucket, key, region of the endpoint or None, whether the bucket was in the host name)"""
        host = S3_HOST.fullmatch(request.hostname)
        region = host and (host["region"] or "us-east-1")
        if host and host["bucket"]:
            return host["bucket"], unquote(request.path[1:]), region, True
        bucket, _, key = request.path[1:].partition("/")
        return unquote(bucket), unquote(key), region, False

    def operation(self, request):
        bucket, key, _, _ = self.where(request)
        return {"GET": "GetObject", "HEAD": "HeadObject"}.get(request.method) if bucket and key else None

    def authorize(self, operation, request):
        bucket, key, _, _ = self.where(request)
        partition, region = self.world.partition, self.world.region
        if bucket not in self.buckets:
            return []  # told as such, whoever asks
        owner = {"aws:ResourceAccount": self.buckets[bucket].owner}
        wanted = [("s3:GetObject", f"arn:{partition}:s3:::{bucket}/{key}", owner)]
        stored = self.buckets[bucket].objects.get(key)
        if stored and stored.kms_key:
            wanted.append(("kms:Decrypt", stored.kms_key, {"kms:ViaService": f"s3.{region}.amazonaws.com"}))
        return wanted

    # answering

    def handle(self, operation, request, key):
        name, path, endpoint, virtual = self.where(request)
        bucket = self.buckets.get(name)
        if bucket is None:
            raise Refusal("service", "The specified bucket does not exist", "NoSuchBucket", 404, BucketName=name)
        self.check_region(name, bucket, endpoint, request, virtual)
        owner = request.header("x-amz-expected-bucket-owner")
        if owner is not None and not re.fullmatch(r"\d{12}", owner):
            self.world.violate("s3", operation, "body", f"expected bucket owner is 12 digits, not '{owner}'")
            raise Refusal("service", "The value of the expected bucket owner parameter must be an AWS account ID.",
                          "InvalidBucketOwnerAWSAccountID", 400)
        if owner is not None and owner != bucket.owner:
            raise denied()
        stored = bucket.objects.get(path)
        if stored is None:
            if not self.may_list(name, bucket, key):
                raise denied()
            raise Refusal("service", "The specified key does not exist.", "NoSuchKey", 404, Key=path)
        self.check_access(stored, request, key)
        return self.answer(stored, request)

    def may_list(self, name, bucket, key):
        """Only who may list a bucket is told that an object is not there."""
        return bucket.may_list and (key.policy is None or allows(
            key.policy, "s3:ListBucket", f"arn:{self.world.partition}:s3:::{name}",
            {"aws:ResourceAccount": bucket.owner}))

    def check_region(self, name, bucket, endpoint, request, virtual):
        signed = request.header("authorization").split("Credential=")[1].split("/")[2]
        if signed == bucket.region and endpoint in (None, bucket.region):
            return
        headers = {"x-amz-bucket-region": bucket.region}
        if bucket.redirect == "400" or (bucket.redirect == "auto" and (virtual or endpoint == bucket.region)):
            raise Refusal("service", f"The authorization header is malformed; the region '{signed}' is wrong; "
                          f"expecting '{bucket.region}'", "AuthorizationHeaderMalformed", 400, headers,
                          Region=bucket.region)
        raise Refusal("service", "The bucket you are attempting to access must be addressed using the specified "
                      "endpoint. Please send all future requests to this endpoint.", "PermanentRedirect", 301,
                      headers, Bucket=name, Endpoint=f"{name}.s3.{bucket.region}.amazonaws.com")

    def check_access(self, stored, request, key):
        principal = self.world.principal(key)
        if stored.access == "denied":
            raise denied()
        if stored.access == "endpoint-denied":
            raise denied(f"User: {principal} is not authorized to perform: s3:GetObject because no VPC endpoint "
                         "policy allows the s3:GetObject action")
        if stored.access == "kms-denied":
            raise denied(KMS_HINT.format(principal=principal, key=stored.kms_key))
        if stored.access == "kms-disabled":
            raise Refusal("service", f"{stored.kms_key} is disabled.", "KMS.DisabledException", 400)
        if stored.access == "archived":
            raise Refusal("service", "The operation is not valid for the object's storage class",
                          "InvalidObjectState", 403, StorageClass="GLACIER")
        if stored.kms_key and request.scheme != "https":
            raise Refusal("service", "Requests specifying Server Side Encryption with AWS KMS managed keys must be "
                          "made over a secure connection.", "InvalidArgument", 400)

    def answer(self, stored, request):
        headers = {"ETag": stored.etag, "Last-Modified": http_time(stored.modified), "Accept-Ranges": "bytes",
                   "x-amz-server-side-encryption": "aws:kms" if stored.kms_key else "AES256"}
        if stored.kms_key:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = stored.kms_key
        if self.is_unchanged(stored, request):
            return Answer(304, b"", headers)
        headers["Content-Type"] = "binary/octet-stream"
        if stored.encoding:
            headers["Content-Encoding"] = stored.encoding
        return Answer(200, stored.body, headers)

    @staticmethod
    def is_unchanged(stored, request):
        """RFC 9110 §13.2.2: If-None-Match, when there is one, decides alone."""
        known = request.header("if-none-match")
        if known is not None:
            return known.strip() == "*" or stored.etag in [tag.strip() for tag in known.split(",")]
        since = request.header("if-modified-since")
        try:
            return since is not None and int(stored.modified) <= parsedate_to_datetime(since).timestamp()
        except (TypeError, ValueError):
            return False

    # control

    def do_bucket(self, name, region=None, owner=None, may_list=True, redirect="auto"):
        """redirect auto|301|400: how a request for another region's bucket is turned away."""
        if redirect not in ("auto", "301", "400"):
            raise ControlError(f"redirect is auto, 301 or 400: {redirect}")
        old = self.buckets.get(name)
        self.buckets[name] = Bucket(region or self.world.region, owner or self.world.account, may_list, redirect)
        if old:
            self.buckets[name].objects = old.objects

    def do_object(self, bucket, key, text=None, base64_body=None, etag=None, access="allowed", kms_key=None,
                  gzipped=False, modified=None):
        """Stores an object (and its bucket, if new); a KMS object's ETag is no MD5, as in S3."""
        if access not in ACCESS:
            raise ControlError(f"access is one of {', '.join(ACCESS)}: {access}")
        if bucket not in self.buckets:
            self.do_bucket(bucket)
        body = base64.b64decode(base64_body) if base64_body is not None else (text or "").encode()
        if gzipped:
            body = gzip.compress(body, mtime=0)
        opaque = secrets.token_hex(16) if kms_key else hashlib.md5(body).hexdigest()
        modified = self.world.now() if modified is None else modified
        stored = Object(body, etag or f'"{opaque}"', modified, access, kms_key, "gzip" if gzipped else None)
        self.buckets[bucket].objects[key] = stored
        return stored.etag

    def do_access(self, bucket, key, access):
        if access not in ACCESS:
            raise ControlError(f"access is one of {', '.join(ACCESS)}: {access}")
        self.buckets[bucket].objects[key].access = access

    def do_remove_object(self, bucket, key):
        del self.buckets[bucket].objects[key]
