"""Who sent this? AWS Signature Version 4, from the receiver's side: lab 4.1.

Client and server share a secret that is never sent. The client reduces its request to one text
that both sides can derive (the *canonical request*), puts date and place beside its hash (the
*string to sign*) and sends an HMAC of that, made with a key that holds for one day, one region
and one service (the *signing key*). The server does the same, and compares.

Source: "AWS Signature Version 4 for API requests", IAM user guide, and "Authenticating Requests",
Amazon S3 API reference. Error codes are those of S3.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from amazonian.iam.claims import (
    ALGORITHM,
    SecretOf,
    SignatureError,
    check_service,
    check_what_is_signed,
    claimed_payload_hash,
    query_parameters,
    read_claim,
    scope_of,
    signed_at,
    unknown_key,
)

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class SignedRequest:
    """What of an HTTP request takes part in its signature.

    Args:
        path: as on the request line, still percent-encoded, without the query.
        query: what follows the ``?``, still percent-encoded; "" if nothing does.
        headers: names in lower case; repeated ones joined by ",".
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Signature:
    """A signature that was found valid.

    Args:
        date, region, service: its credential scope.
        amz_date: when the request was signed, as in 20261126T210000Z.
        signature: in hex; the seed of chunk signatures.
        key: the signing key.
        payload_hash: what the client says of the body; the reader of the body compares.
        presigned: it came in the query.
        token: the session token that temporary credentials bring.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    amz_date: str
    signature: str
    key: bytes
    payload_hash: str
    presigned: bool
    token: str | None = None

    @property
    def scope(self) -> str:
        return credential_scope(self.date, self.region, self.service)


# --- the four steps of a signature ------------------------------------------------------------


def hmac_sha256(key: bytes, text: str) -> bytes:
    """HMAC-SHA-256 of a text under a key: 32 bytes that only a holder of the key can make."""
    return hmac.digest(key, text.encode(), "sha256")


def sha256_hex(text: str) -> str:
    """SHA-256 of a text's UTF-8: 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def uri_encode(text: str, keep: str = "") -> str:
    """Decode a text's percent-escapes, then encode every byte that is no letter, digit or -._~

    Two spellings of the same text (``%7E`` and ``~``, ``%2f`` and ``%2F``) become one.

    Args:
        keep: further characters that stay as they are.
    """
    return text if _PLAIN.fullmatch(text) else quote(unquote_to_bytes(text), safe=keep)


_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._~-]*")


def canonical_path(path: str, service: str) -> str:
    """The path's one spelling.

    S3's is the key as it is: ``//`` and ``..`` are parts of it. For any other service, ``//``,
    ``.`` and ``..`` are resolved first, and the escapes that are on the wire are escaped again.
    """
    if service == "s3":
        return path if _PLAIN_PATH.fullmatch(path) else uri_encode(path or "/", keep="/")
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    ending = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + ending, safe="/~")


def canonical_request(
    request: SignedRequest, service: str, signed_headers: Sequence[str], payload_hash: str
) -> str:
    """The text that client and server must both arrive at: lines, joined by a line feed.

    1. The method.
    2. The path: ``canonical_path(request.path, service)``.
    3. The query: its parameters in the order of their encoded names and, where those are equal,
       of their encoded values; each written ``name=value`` and joined by ``&``. Names and values
       are written as ``uri_encode`` does it, after each ``+`` was replaced by ``%20``. A parameter
       without ``=`` has an empty value; an empty piece (``a&&b``) is none. Left out is
       ``X-Amz-Signature``, which can't sign itself. An empty query is an empty line.
    4. One line for each signed header, in the order given: its name in lower case, ``:``, and its
       value without spaces at either end, each run of spaces inside made one. A header that the
       request does not have has an empty value.
    5. An empty line.
    6. The names of the signed headers in lower case, joined by ``;``.
    7. The payload hash.

    Args:
        request: its header names are in lower case.
        service: as in the credential scope, "s3" for example.
        signed_headers: their names, as the client listed them.
        payload_hash: hex SHA-256 of the body, or a word such as UNSIGNED-PAYLOAD.

    Source: "Create a canonical request", IAM user guide.
    """
    parameters = []
    for piece in request.query.replace("+", "%20").split("&"):
        name, _, value = piece.partition("=")
        if piece and name != "X-Amz-Signature":
            parameters.append((uri_encode(name), uri_encode(value)))
    names = [name.lower() for name in signed_headers]
    lines = [
        request.method,
        canonical_path(request.path, service),
        "&".join(f"{name}={value}" for name, value in sorted(parameters)),
    ]
    for name in names:
        lines.append(f"{name}:{' '.join(request.headers.get(name, '').split())}")
    return "\n".join([*lines, "", ";".join(names), payload_hash])


def credential_scope(date: str, region: str, service: str) -> str:
    """Where a signing key holds: ``20261126/eu-west-1/s3/aws4_request``."""
    return f"{date}/{region}/{service}/aws4_request"


def string_to_sign(amz_date: str, scope: str, canonical: str) -> str:
    """The text that is signed: four lines, joined by a line feed.

    The algorithm's name (``ALGORITHM``), the time, the scope, and the SHA-256 of the canonical
    request in hex.

    Args:
        amz_date: as in 20261126T210000Z.
        scope: as in 20261126/us-east-1/s3/aws4_request.
        canonical: the canonical request.
    """
    return "\n".join([ALGORITHM, amz_date, scope, sha256_hex(canonical)])


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key for one day, region and service, from which the secret can't be found again.

    Begin with the bytes of ``AWS4`` followed by the secret. Then take, one after the other, date,
    region, service and ``aws4_request``: each time the key becomes the HMAC of that text under
    the key so far.

    Args:
        secret: the secret access key.
        date: as in 20261126.

    Returns:
        32 bytes.
    """
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac_sha256(key, part)
    return key


@lru_cache(maxsize=4096)
def _kept(derive: Callable, secret: str, date: str, region: str, service: str) -> bytes:
    """Signing keys are the same all day; `derive` is part of the name under which they are kept."""
    return derive(secret, date, region, service)


def signature(key: bytes, text: str) -> str:
    """The HMAC of the string to sign, in hex."""
    return hmac_sha256(key, text).hex()


# --- verification -----------------------------------------------------------------------------


def verify(
    request: SignedRequest,
    secret_of: SecretOf,
    now: datetime,
    body: bytes | None = None,
    service: str = "s3",
) -> Signature | None:
    """Find out whether a request was signed with the secret of the key that it names.

    The signature may be in the Authorization header or in the query (a presigned URL).

    Args:
        request: as it came, its bytes decoded as Latin-1 (one character a byte) or as UTF-8.
        secret_of: the secret of an access key id; None if there is no such key.
        now: the time, with a time zone.
        body: the whole body, for services that hash it when no x-amz-content-sha256 came. S3,
            which reads bodies later, gives None and compares ``payload_hash`` itself.
        service: the one that is asked; a signature that was made for another one is refused.

    Returns:
        None if the request carries no signature at all, so that its sender is anonymous.

    Raises:
        SignatureError: the signature is unreadable, for another service, of another time, or of
            another secret.
    """
    request = _readable(request)
    in_query = "X-Amz-" in request.query or "Signature=" in request.query
    parameters = query_parameters(request.query) if in_query else {}
    claim = read_claim(request.headers, parameters, secret_of)
    if claim is None:
        return None
    check_service(claim, service)
    secret = secret_of(claim.access_key_id)
    if secret is None:
        raise unknown_key()
    amz_date = signed_at(claim, request.headers, parameters, now)
    check_what_is_signed(request.headers, claim)
    payload_hash = claimed_payload_hash(request.headers, parameters, claim, body)
    canonical = canonical_request(request, claim.service, claim.signed_headers, payload_hash)
    scope = credential_scope(claim.date, claim.region, claim.service)
    key = _kept(signing_key, secret, claim.date, claim.region, claim.service)
    expected = signature(key, string_to_sign(amz_date, scope, canonical))
    check_equal(claim.signature, expected)
    if claim.presigned:
        token = parameters.get("X-Amz-Security-Token")
    else:
        token = request.headers.get("x-amz-security-token")
    return Signature(
        claim.access_key_id,
        *(claim.date, claim.region, claim.service, amz_date),
        *(expected, key, payload_hash, claim.presigned, token),
    )


def check_equal(claimed: str, *expected: str) -> None:
    """Compare in a time that does not tell how much of a guess was right."""
    given = claimed.encode("utf-8", "replace")
    if not any([hmac.compare_digest(given, one.encode()) for one in expected]):
        text = "The request signature we calculated does not match the signature you provided. "
        text += "Check your key and signing method."
        raise SignatureError("SignatureDoesNotMatch", text)


def _readable(request: SignedRequest) -> SignedRequest:
    """As the client wrote it: bytes that a front decoded one by one may have been UTF-8."""
    texts = (request.path, request.query, *request.headers.values())
    if all(map(str.isascii, texts)):
        return request
    headers = {name: _utf8(value) for name, value in request.headers.items()}
    return SignedRequest(request.method, _utf8(request.path), _utf8(request.query), headers)


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


# --- bodies that are signed piece by piece ----------------------------------------------------


class ChunkSignatures:
    """The signatures in a body of STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER].

    Each covers its chunk and the signature before it, so that no chunk can be changed, left out,
    or moved. The chain begins with the request's own signature.

    Source: "Signature calculations for the Authorization header: transferring payload in multiple
    chunks", Amazon S3 API reference.
    """

    def __init__(self, signature: Signature):
        self._signature = signature
        self._previous = signature.signature

    def check(self, chunk_sha256_hex: str, claimed: str) -> None:
        """Check the next chunk; the last one is empty.

        Raises:
            SignatureError: it is not the chunk that was signed in this place.
        """
        self._check("AWS4-HMAC-SHA256-PAYLOAD", (EMPTY_SHA256, chunk_sha256_hex), claimed)

    def check_trailer(self, trailer_sha256_hex: str, claimed: str) -> None:
        """Check the trailer: the hash of its ``name:value`` lines, each ended by a line feed."""
        self._check("AWS4-HMAC-SHA256-TRAILER", (trailer_sha256_hex,), claimed)

    def _check(self, kind: str, hashes: tuple[str, ...], claimed: str) -> None:
        before = (kind, self._signature.amz_date, self._signature.scope, self._previous)
        expected = signature(self._signature.key, "\n".join((*before, *hashes)))
        check_equal(claimed, expected)
        self._previous = expected


# --- forms ------------------------------------------------------------------------------------


def verify_post_policy(policy_base64: str, fields: Mapping[str, str], secret_of: SecretOf) -> str:
    """Find out who signed the policy of an HTML form that uploads to S3.

    Either with Signature Version 4 (x-amz-algorithm, x-amz-credential, x-amz-date,
    x-amz-signature) or in the older form, HMAC-SHA-1 (awsaccesskeyid, signature).

    Args:
        policy_base64: the form's policy field as it came; it is the string to sign.
        fields: the form's other fields, names in lower case.
        secret_of: the secret of an access key id; None if there is no such key.

    Returns:
        The access key id.

    Raises:
        SignatureError: a field is missing or wrong, or the signature is.

    Source: "Browser-based uploads using POST", Amazon S3 API reference.
    """
    if "x-amz-signature" in fields or "x-amz-credential" in fields:
        if _field(fields, "x-amz-algorithm") != ALGORITHM:
            text = f"X-Amz-Algorithm only supports {ALGORITHM}"
            raise SignatureError("InvalidArgument", text, 400)
        scope = scope_of(_field(fields, "x-amz-credential"))
        date = _field(fields, "x-amz-date")[:8]
        if scope is None or (scope[1], scope[3]) != (date, "s3"):
            text = "the Credential or the date of the form is mal-formed"
            raise SignatureError("InvalidArgument", text, 400)
        access_key_id, *place = scope
        claimed = _field(fields, "x-amz-signature")
    else:
        access_key_id, claimed, place = (
            _field(fields, "awsaccesskeyid"),
            _field(fields, "signature"),
            None,
        )
    secret = secret_of(access_key_id)
    if secret is None:
        raise unknown_key()
    if place is not None:
        expected = signature(_kept(signing_key, secret, *place), policy_base64)
    else:
        digest = hmac.digest(secret.encode(), policy_base64.encode(), "sha1")
        expected = base64.b64encode(digest).decode()
    check_equal(claimed, expected)
    return access_key_id


def _field(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        text = f"Bucket POST must contain a field named '{name}'.  If it is specified, please "
        raise SignatureError("InvalidArgument", text + "check the order of the fields.", 400)
    return fields[name]
