"""Signature Version 2, the older one: an HMAC-SHA-1 of a few lines, under the secret itself.

S3 alone still takes it, and clients still send it: boto3 presigns URLs in this way unless it is
told otherwise. What it signs is less than in Version 4 (no body, and of the query only a list of
names), so a URL is refused that names a sub-resource which is not in that list.

Source: "Signing and authenticating REST requests (AWS signature version 2)", Amazon S3 API
reference.
"""

import base64
import hmac
from datetime import datetime
from urllib.parse import unquote

from amazonian.iam.claims import (
    UNSIGNED_PAYLOAD,
    SecretOf,
    SignatureError,
    check_skew,
    query_parameters,
    read_time,
    unknown_key,
)
from amazonian.iam.sigv4 import Signature, SignedRequest, check_equal

SIGNED_PARAMETERS = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory",
        "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "partNumber",
        "policy", "replication", "requestPayment", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
        "versions", "website", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type",
        "response-expires",
    }
)  # fmt: skip


def is_signed_so(request: SignedRequest) -> bool:
    """Whether the request carries a signature of this version."""
    return request.headers.get("authorization", "").startswith("AWS ") or (
        "AWSAccessKeyId=" in request.query
        and "Signature=" in request.query
        and "X-Amz-Signature=" not in request.query
    )


def headers_in_query(query: str) -> dict[str, str]:
    """The headers that a presigned URL carries as parameters, by lower-case name."""
    found = {name.lower(): value for name, value in query_parameters(query).items()}
    names = [n for n in found if n.startswith("x-amz-") or n in ("content-md5", "content-type")]
    return {name: found[name] for name in names}


def string_to_sign(request: SignedRequest, date: str, ending: str = "") -> str:
    """The text that is signed: the lines of the source, section "Constructing the StringToSign".

    Args:
        ending: of the path; a bucket alone may be signed as ``/bucket`` and as ``/bucket/``.
        date: the Date header's value; "" where there is an x-amz-date; of a presigned URL, Expires.
    """
    headers = request.headers
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date]
    lines += [f"{n}:{headers[n].strip()}" for n in sorted(headers) if n.startswith("x-amz-")]
    pieces = [piece.partition("=") for piece in request.query.split("&") if piece]
    pieces = [piece for piece in pieces if piece[0] in SIGNED_PARAMETERS]
    parameters = [f"{name}{equals}{unquote(value)}" for name, equals, value in sorted(pieces)]
    query = f"?{'&'.join(parameters)}" if parameters else ""
    return "\n".join([*lines, request.path + ending + query])


def verify(request: SignedRequest, secret_of: SecretOf, now: datetime) -> Signature:
    """Find out whether a request was signed with the secret of the key that it names.

    Args:
        request: one that :func:`is_signed_so`; of a presigned one, its headers hold those of
            :func:`headers_in_query` too.

    Raises:
        SignatureError: the signature is unreadable, of another time, or of another secret.
    """
    headers, parameters = request.headers, query_parameters(request.query)
    authorization = headers.get("authorization")
    if authorization is None:
        access_key_id, claimed = parameters["AWSAccessKeyId"], parameters["Signature"]
        date = parameters.get("Expires", "")
        if not date.isdecimal() or len(date) > 18:
            raise SignatureError("AccessDenied", "Query-string authentication requires Expires")
        if now.timestamp() >= int(date):
            raise SignatureError("AccessDenied", "Request has expired")
    else:
        access_key_id, colon, claimed = authorization.removeprefix("AWS ").strip().partition(":")
        if not colon:
            text = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
            raise SignatureError("InvalidArgument", text, 400)
        written, date = headers.get("x-amz-date"), ""
        if written is None:
            written = date = headers.get("date", "")
        check_skew(read_time(written), now)
    secret = secret_of(access_key_id)
    if secret is None:
        raise unknown_key()
    endings = ("", "/") if request.path.count("/") == 1 else ("",)
    signatures = [_sign(secret, string_to_sign(request, date, ending)) for ending in endings]
    check_equal(claimed, *signatures)
    return Signature(
        access_key_id,
        *("", "", "s3", "", claimed, b"", UNSIGNED_PAYLOAD),
        presigned=authorization is None,
        token=headers.get("x-amz-security-token"),
    )


def _sign(secret: str, text: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()
