"""The signature before version 4: HMAC-SHA-1 of a few headers, with the secret itself as the key.

S3 still takes it, and boto3 still gives it: a presigned URL that it makes for us-east-1 has one,
unless it is told otherwise. It says nothing about the body, the host, or most of the headers,
and whoever holds its key can sign anything, for any day and any service; version 4 ended that.

Source: "Signing and authenticating REST requests (AWS signature version 2)", Amazon S3 user guide.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime

from amazonian.iam.claims import (
    UNSIGNED_PAYLOAD,
    SecretOf,
    SignatureError,
    check_skew,
    query_parameters,
    time_of,
    unknown_key,
)
from amazonian.iam.sigv4 import Signature, SignedRequest

_PLAIN = ("content-md5", "content-type")
_IN_QUERY = ("AWSAccessKeyId", "Signature", "Expires")
SUBRESOURCES = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory",
        "lifecycle", "location", "logging", "metrics", "notification", "object-lock",
        "partNumber", "policy", "replication", "requestPayment", "restore", "select",
        "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId",
        "versioning", "versions", "website", "response-cache-control",
        "response-content-disposition", "response-content-encoding", "response-content-language",
        "response-content-type", "response-expires",
    }
)  # fmt: skip
"""The query parameters that are part of the resource, and so are signed."""


def carried(request: SignedRequest) -> bool:
    """Whether a request carries a signature of this version."""
    if request.headers.get("authorization", "").startswith("AWS "):
        return True
    return "Signature=" in request.query and "AWSAccessKeyId=" in request.query


def string_to_sign(
    method: str, resource: str, parameters: Mapping[str, str], headers: Mapping[str, str], date: str
) -> str:
    """The text that is signed: lines, joined by a line feed.

    Method, content-md5, content-type, the date; then ``name:value`` of each x-amz- header in
    order; then the resource, with those of its parameters that are sub-resources.

    Args:
        resource: ``/bucket/key``, percent-encoded as it was sent.
        parameters: of the query, decoded.
        date: when it was signed or, in a presigned URL, when it expires; empty where x-amz-date
            says it.
    """
    amz = sorted(name for name in headers if name.startswith("x-amz-"))
    named = sorted(name for name in parameters if name in SUBRESOURCES)
    query = "&".join(f"{n}={parameters[n]}" if parameters[n] else n for n in named)
    lines = [method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += [f"{name}:{headers[name].strip()}" for name in amz]
    return "\n".join([*lines, f"{resource}?{query}" if query else resource])


def signature(secret: str, text: str) -> str:
    """HMAC-SHA-1 under the secret, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def verify(request: SignedRequest, resource: str, secret_of: SecretOf, now: datetime) -> Signature:
    """Find out whether a request that carries such a signature was signed with its key's secret.

    Args:
        resource: the path, beginning with the bucket even where that stands in the host's name.

    Raises:
        SignatureError: the signature is unreadable, of another time, or of another secret.
    """
    parameters = query_parameters(request.query)
    headers = request.headers
    presigned = "authorization" not in headers
    if presigned:
        if any(not parameters.get(name) for name in _IN_QUERY):
            text = f"Query-string authentication requires {', '.join(_IN_QUERY)}."
            raise SignatureError("AccessDenied", text)
        access_key_id, claimed, date = (parameters[name] for name in _IN_QUERY)
        # What a client meant to send as headers it may have signed as parameters instead.
        wanted = {n.lower(): v for n, v in parameters.items()}
        wanted = {n: v for n, v in wanted.items() if n.startswith("x-amz-") or n in _PLAIN}
        headers = {**wanted, **headers}
    else:
        access_key_id, colon, claimed = headers["authorization"][4:].strip().partition(":")
        if not colon:
            text = "The header's form is: AWS AccessKeyId:Signature."
            raise SignatureError("InvalidArgument", text, 400)
        date = "" if "x-amz-date" in headers else headers.get("date", "")
    secret = secret_of(access_key_id)
    if secret is None:
        raise unknown_key()
    if presigned:
        _check_expiry(date, now)
    else:
        check_skew(time_of(headers.get("x-amz-date", date)), now)
    expected = signature(
        secret, string_to_sign(request.method, resource, parameters, headers, date)
    )
    if not hmac.compare_digest(claimed.encode("utf-8", "replace"), expected.encode()):
        text = "The signature that the secret gives is another one. Check key and signing method."
        raise SignatureError("SignatureDoesNotMatch", text)
    return Signature(
        access_key_id,
        *("", "", "s3", ""),
        expected,
        key=b"",
        payload_hash=UNSIGNED_PAYLOAD,
        presigned=presigned,
        token=headers.get("x-amz-security-token"),
    )


def _check_expiry(expires: str, now: datetime) -> None:
    digits = expires.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise SignatureError("AccessDenied", "Expires must be a number of seconds since 1970.")
    if now.timestamp() > int(expires[:20]):
        raise SignatureError("AccessDenied", "Request has expired")
