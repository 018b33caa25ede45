# SPDX-License-Identifier: GPL-3.0-or-later
"""How AWS says no: one refusal, in the words of each of its four protocols."""

import json
import secrets
import time
from xml.sax.saxutils import escape

from world import Answer


class Refusal(Exception):
    """kind: a key of SIGNATURE_CODES, or "service" with a code and status of the service's own."""

    def __init__(self, kind, message, code=None, status=None, headers=None, **about):
        super().__init__(message)
        self.kind, self.message, self.code, self.status = kind, message, code, status
        self.headers, self.about = headers or {}, about


# What is wrong with the signature -> (code, status) by protocol.
SIGNATURE_CODES = {
    #                 rest-json, json                             query                        s3
    "missing": (("MissingAuthenticationTokenException", 403), ("MissingAuthenticationToken", 403),
                ("AccessDenied", 403)),
    "incomplete": (("IncompleteSignatureException", 403), ("IncompleteSignature", 400),
                   ("AuthorizationHeaderMalformed", 400)),
    "unknown-key": (("UnrecognizedClientException", 403), ("InvalidClientTokenId", 403),
                    ("InvalidAccessKeyId", 403)),
    "token": (("UnrecognizedClientException", 403), ("InvalidClientTokenId", 403), ("InvalidToken", 400)),
    "expired": (("ExpiredTokenException", 403), ("ExpiredToken", 403), ("ExpiredToken", 400)),
    "skew": (("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403),
             ("RequestTimeTooSkewed", 403)),
    "signature": (("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403),
                  ("SignatureDoesNotMatch", 403)),
    "unsigned": (("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("AccessDenied", 403)),
    "scope": (("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403),
              ("AuthorizationHeaderMalformed", 400)),
    "no-hash": (("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("InvalidRequest", 400)),
    "hash": (("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403),
             ("XAmzContentSHA256Mismatch", 400)),
}
COLUMN = {"rest-json": 0, "json": 0, "query": 1, "s3": 2}
# An answer to too many calls, by service.
THROTTLED = {
    "guardduty": ("TooManyRequestsException", 429, "Rate exceeded"),
    "securityhub": ("TooManyRequestsException", 429, "Rate exceeded"),
    "events": ("ThrottlingException", 400, "Rate exceeded"),
    "sns": ("Throttling", 400, "Rate exceeded"),
    "s3": ("SlowDown", 503, "Please reduce your request rate."),
    "imds": ("TooManyRequests", 429, "Too Many Requests"),
}


def request_id():
    return "-".join(secrets.token_hex(n) for n in (4, 2, 2, 2, 6))


def json_answer(value, status=200, **headers):
    body = json.dumps(value).encode()
    return Answer(status, body, {"Content-Type": "application/json", "x-amzn-RequestId": request_id(), **headers})


def rest_json_error(service, code, status, message, about):
    # the suffix is what a client must cut off
    answer = json_answer({"message": message, "__type": code, **about}, status)
    answer.headers["x-amzn-ErrorType"] = f"{code}:http://internal.amazon.com/coral/com.amazon.{service}/"
    return answer


def json_error(service, code, status, message, about):
    answer = json_answer({"__type": code, "message": message}, 500 if status >= 500 else 400)
    answer.headers["Content-Type"] = "application/x-amz-json-1.1"
    return answer


def query_error(service, code, status, message, about):
    body = ('<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            f"<RequestId>{request_id()}</RequestId></ErrorResponse>")
    return Answer(status, body.encode(), {"Content-Type": "text/xml"})


def s3_error(service, code, status, message, about):
    fields = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in about.items())
    body = ('<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>{fields}"
            f"<RequestId>{secrets.token_hex(8).upper()}</RequestId>"
            f"<HostId>{secrets.token_urlsafe(48)}</HostId></Error>")
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


ERRORS = {"rest-json": rest_json_error, "json": json_error, "query": query_error, "s3": s3_error}


def refuse(service, protocol, refusal):
    """The answer for a refusal."""
    code, status = refusal.code, refusal.status
    if code is None:
        code, status = SIGNATURE_CODES[refusal.kind][COLUMN[protocol]]
    answer = ERRORS[protocol](service, code, status, refusal.message, refusal.about)
    answer.headers.update(refusal.headers)
    answer.code = code
    return answer


def iso_time(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def http_time(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))
