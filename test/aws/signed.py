# SPDX-License-Identifier: GPL-3.0-or-later
"""Single requests to the stand-in, signed by botocore: for what the aws command does not know or would not send."""

import contextlib
import http.client
import ssl
import urllib.parse

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from client import STATIC_KEY, STATIC_SECRET


def sign(service, method, url, headers=(), body=b"", key=STATIC_KEY, secret=STATIC_SECRET, token=None,
         region="us-west-2"):
    """The headers of a request as botocore signs it."""
    request = AWSRequest(method, url, dict(headers), body or None)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(key, secret, token), service, region).add_auth(request)
    return dict(request.headers.items())


def send(aws, service, method, path, headers=(), body=b"", tls=False, timeout=10, host=None, sent_headers=None,
         **signing):
    """One raw request, signed: (status, headers, body)."""
    base = urllib.parse.urlsplit(aws.https_url if tls else aws.http_url)
    headers = sent_headers or sign(service, method, f"{base.scheme}://{host or base.netloc}{path}", headers, body,
                                   **signing)
    context = ssl.create_default_context(cafile=aws.ca_file)
    connection = http.client.HTTPSConnection(base.netloc, timeout=timeout, context=context) if tls \
        else http.client.HTTPConnection(base.netloc, timeout=timeout)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host or base.netloc, **headers}.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def metadata(aws, path, method="GET", timeout=10, url=None, **headers):
    base = urllib.parse.urlsplit(url or aws.imds_url)
    with contextlib.closing(http.client.HTTPConnection(base.netloc, timeout=timeout)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def token(aws, ttl="60"):
    status, text = metadata(aws, "/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds=ttl)
    assert status == 200
    return text
