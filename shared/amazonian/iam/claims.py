"""What a request says about its signature, before anyone believes it.

The claim is in the Authorization header, or in the query of a presigned URL. An unreadable one,
or one of another time, is refused here, with S3's codes and messages.

Source: "Authenticating Requests", Amazon S3 API reference.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from amazonian.iam.errors import AWSError

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
LARGEST_SKEW = timedelta(minutes=15)
LONGEST_EXPIRY_S = 7 * 86_400

SecretOf = Callable[[str], str | None]


class SignatureError(AWSError):
    """A signature is unreadable, of another time, or not the one that the secret gives."""

    def __init__(self, code: str, message: str, status: int = 403):
        super().__init__(code, message, status)


@dataclass(frozen=True)
class Claim:
    """What a request says about its signature, not yet believed."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    presigned: bool


def _malformed(message: str) -> SignatureError:
    text = f"The authorization header is malformed; {message}"
    return SignatureError("AuthorizationHeaderMalformed", text, 400)


def _bad_query(message: str, status: int = 400) -> SignatureError:
    return SignatureError("AuthorizationQueryParametersError", message, status)


_CREDENTIAL = re.compile(r"(.+)/([0-9]{8})/([^/]*)/([^/]+)/aws4_request")
_CREDENTIAL_FORM = (
    'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)


@lru_cache(maxsize=4096)
def scope_of(credential: str) -> tuple[str, ...] | None:
    found = _CREDENTIAL.fullmatch(credential)
    return found.groups() if found else None


def _claim_in_header(authorization: str, secret_of: SecretOf) -> Claim:
    scheme, _, rest = authorization.strip().partition(" ")
    if not scheme:
        raise SignatureError("AccessDenied", "Access Denied")
    if scheme == "AWS":
        raise _older_form(rest, secret_of)
    if scheme != ALGORITHM:
        raise SignatureError("InvalidArgument", "Unsupported Authorization Type", 400)
    parts = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        parts[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parts.get(name):
            raise _malformed(
                f"the authorization header requires three components: Credential, "
                f"SignedHeaders, and Signature; {name} is missing."
            )
    scope = scope_of(parts["Credential"])
    if scope is None:
        raise _malformed(_CREDENTIAL_FORM)
    names = tuple(parts["SignedHeaders"].lower().split(";"))
    return Claim(*scope, names, parts["Signature"], False)


def _older_form(rest: str, secret_of: SecretOf) -> SignatureError:
    """Signature Version 2 is not served; say what is wrong as S3 does."""
    access_key_id, colon, _ = rest.partition(":")
    if not colon:
        text = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        return SignatureError("InvalidArgument", text, 400)
    if secret_of(access_key_id) is None:
        return unknown_key()
    text = f"The authorization mechanism you have provided is not supported. Use {ALGORITHM}."
    return SignatureError("InvalidRequest", text, 400)


def unknown_key() -> SignatureError:
    text = "The AWS Access Key Id you provided does not exist in our records."
    return SignatureError("InvalidAccessKeyId", text)


_IN_QUERY = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")


def query_parameters(query: str) -> dict[str, str]:
    """A query's parameters, decoded; of a repeated one the first."""
    parameters: dict[str, str] = {}
    for piece in query.replace("+", "%20").split("&"):
        name, _, value = piece.partition("=")
        text = unquote_to_bytes(value).decode("utf-8", "replace")
        parameters.setdefault(unquote_to_bytes(name).decode("utf-8", "replace"), text)
    return parameters


def _claim_in_query(parameters: Mapping[str, str]) -> Claim:
    if any(f"X-Amz-{name}" not in parameters for name in _IN_QUERY):
        names = ", ".join(f"X-Amz-{name}" for name in _IN_QUERY)
        raise _bad_query(f"Query-string authentication version 4 requires the {names} parameters.")
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise _bad_query(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    scope = scope_of(parameters["X-Amz-Credential"])
    if scope is None:
        raise _bad_query(f"Error parsing the X-Amz-Credential parameter; {_CREDENTIAL_FORM}")
    names = tuple(parameters["X-Amz-SignedHeaders"].lower().split(";"))
    return Claim(*scope, names, parameters["X-Amz-Signature"], True)


def read_claim(
    headers: Mapping[str, str], parameters: Mapping[str, str], secret_of: SecretOf
) -> Claim | None:
    """The claim of a request, wherever it is; None if there is none.

    Raises:
        SignatureError: it is unreadable, or there are two.
    """
    in_query = "X-Amz-Algorithm" in parameters or "X-Amz-Signature" in parameters
    authorization = headers.get("authorization")
    if authorization is not None and in_query:
        text = "Only one auth mechanism allowed: the query or the Authorization header"
        raise SignatureError("InvalidArgument", text, 400)
    if in_query:
        return _claim_in_query(parameters)
    if authorization is not None:
        return _claim_in_header(authorization, secret_of)
    if "AWSAccessKeyId" in parameters and "Signature" in parameters:
        raise _older_form(f"{parameters['AWSAccessKeyId']}:", secret_of)
    return None


def check_service(claim: Claim, service: str) -> None:
    """Raises SignatureError if the claim is for another service."""
    if claim.service != service:
        text = f'incorrect service "{claim.service}". This endpoint belongs to "{service}".'
        raise _bad_query(text) if claim.presigned else _malformed(text)


# --- times ------------------------------------------------------------------------------------

_AMZ_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")


@lru_cache(maxsize=256)
def read_time(text: str) -> datetime | None:
    """A time as x-amz-date or Date writes it, in UTC; None if unreadable or before 1970."""
    try:
        if _AMZ_DATE.fullmatch(text):
            found = datetime.fromisoformat(text)
        else:
            found = parsedate_to_datetime(text)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found if found.year >= 1970 else None


def signed_at(
    claim: Claim, headers: Mapping[str, str], parameters: Mapping[str, str], now: datetime
) -> str:
    """When the request was signed, as in 20261126T210000Z.

    Raises:
        SignatureError: it does not say so, says it twice differently, or `now` is too far away.
    """
    if claim.presigned:
        written = parameters["X-Amz-Date"]
        _check_expiry(read_time(written), parameters, now)
    else:
        written = headers.get("x-amz-date")
        written = headers.get("date", "") if written is None else written
        check_skew(read_time(written), now)
    found = written if _AMZ_DATE.fullmatch(written) else f"{read_time(written):%Y%m%dT%H%M%SZ}"
    if found[:8] != claim.date:
        text = f'Invalid credential date "{claim.date}". This date is not the same as X-Amz-Date'
        raise _bad_query(text) if claim.presigned else _malformed(text)
    return found


def check_skew(at: datetime | None, now: datetime) -> None:
    if at is None:
        text = "AWS authentication requires a valid Date or x-amz-date header"
        raise SignatureError("AccessDenied", text)
    if abs(now - at) > LARGEST_SKEW:
        text = "The difference between the request time and the current time is too large."
        raise SignatureError("RequestTimeTooSkewed", text)


def _check_expiry(at: datetime | None, parameters: Mapping[str, str], now: datetime) -> None:
    if at is None or not _AMZ_DATE.fullmatch(parameters["X-Amz-Date"]):
        text = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        raise _bad_query(text)
    if not re.fullmatch(r"-?[0-9]{1,18}", parameters["X-Amz-Expires"]):
        raise _bad_query("X-Amz-Expires should be a number")
    expires_s = int(parameters["X-Amz-Expires"])
    if expires_s < 0:
        raise _bad_query("X-Amz-Expires must be non-negative", 403)
    if expires_s > LONGEST_EXPIRY_S:
        text = f"X-Amz-Expires must be less than a week (in seconds), {LONGEST_EXPIRY_S}"
        raise _bad_query(text, 403)
    if at - now > LARGEST_SKEW:
        raise SignatureError("AccessDenied", "Request is not valid yet")
    if now >= at + timedelta(seconds=expires_s):
        raise SignatureError("AccessDenied", "Request has expired")


# --- what is signed ----------------------------------------------------------------------------

SIGNED_PAYLOADS = re.compile(
    r"[0-9a-fA-F]{64}|UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    r"|STREAMING-AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?"
)


def check_what_is_signed(headers: Mapping[str, str], claim: Claim) -> None:
    """Host and every x-amz-… header must be signed, or whoever is in between could change them."""
    loose = [name for name in headers if name.startswith("x-amz-")]
    loose = [name for name in (*loose, "host") if name not in claim.signed_headers]
    if claim.presigned and "x-amz-content-sha256" in loose:
        loose.remove("x-amz-content-sha256")  # SDKs send it beside a URL that leaves the body open
    if loose:
        text = "There were headers present in the request which were not signed: "
        raise SignatureError("AccessDenied", text + ", ".join(loose))


def claimed_payload_hash(
    headers: Mapping[str, str], parameters: Mapping[str, str], claim: Claim, body: bytes | None
) -> str:
    """What the client says that the body's hash is; without a word from it, the body's hash."""
    said = headers.get("x-amz-content-sha256")
    if claim.presigned:
        signed = said if "x-amz-content-sha256" in claim.signed_headers else None
        unsaid = UNSIGNED_PAYLOAD if claim.service == "s3" else None
        said = parameters.get("X-Amz-Content-Sha256") or signed or unsaid
    if said is None:
        if claim.service == "s3":
            text = "Missing required header for this request: x-amz-content-sha256"
            raise SignatureError("InvalidRequest", text, 400)
        return hashlib.sha256(body or b"").hexdigest()
    if not SIGNED_PAYLOADS.fullmatch(said):
        text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        text += "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
        raise SignatureError("InvalidArgument", text + "or a valid sha256 value.", 400)
    if body is not None and len(said) == 64 and said != hashlib.sha256(body).hexdigest():
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise SignatureError("XAmzContentSHA256Mismatch", text, 400)
    return said
