"""What stands beside an object's bytes: read from a request's headers, written to a response's."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, quote

from amazonian.cloud.s3 import grants
from amazonian.cloud.s3.operations import Context
from amazonian.cloud.s3.wire import http_date, parse_iso
from amazonian.s3 import lifecycle, objectlock
from amazonian.s3.errors import S3Error
from amazonian.s3.preconditions import Conditions, parse_date
from amazonian.s3.records import NULL, Details, Version

SYSTEM_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)
STORAGE_CLASSES = frozenset(
    {
        "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
        "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW",
    }
)  # fmt: skip
LARGEST_METADATA_BYTES = 2048
MOST_TAGS = 10


def conditions(headers: Mapping[str, str], prefix: str = "") -> Conditions:
    """The conditions in the headers; `prefix` as in ``x-amz-copy-source-if-match``."""
    return Conditions(
        headers.get(f"{prefix}if-match"),
        headers.get(f"{prefix}if-none-match"),
        parse_date(headers.get(f"{prefix}if-modified-since")),
        parse_date(headers.get(f"{prefix}if-unmodified-since")),
    )


def write_conditions(headers: Mapping[str, str]) -> Conditions:
    """The conditions of a write: ETags only."""
    return Conditions(headers.get("if-match"), headers.get("if-none-match"))


def details_from(context: Context, headers: Mapping[str, str]) -> Details:
    """The details of an object to be written, as the request's headers name them.

    Raises:
        S3Error: for what S3 refuses in them.
    """
    details = Details(
        owner=context.owner,
        headers=system_headers(headers),
        metadata=user_metadata(headers),
        tags=parse_tagging_header(headers.get("x-amz-tagging")),
        storage_class=storage_class(headers),
        encryption=encryption(context, headers),
    )
    bucket_owner = context.bucket.owner
    acl, owner = grants.from_headers(context, headers, context.owner, bucket_owner)
    details = replace(details, acl=acl, owner=owner)
    return replace(details, **lock_from(context, headers))


def system_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in SYSTEM_HEADERS if headers.get(name)}
    if "content-encoding" in kept:
        encodings = [e.strip() for e in kept["content-encoding"].split(",")]
        encodings = [e for e in encodings if e and e != "aws-chunked"]
        kept["content-encoding"] = ", ".join(encodings)
        if not encodings:
            del kept["content-encoding"]
    kept.setdefault("content-type", "binary/octet-stream")
    return kept


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-amz-meta-"
    found = {n.removeprefix(prefix): v for n, v in headers.items() if n.startswith(prefix)}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in found.items())
    if size > LARGEST_METADATA_BYTES:
        raise S3Error(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            Size=size,
            MaxSizeAllowed=LARGEST_METADATA_BYTES,
        )
    return found


def storage_class(headers: Mapping[str, str]) -> str:
    wanted = headers.get("x-amz-storage-class", "STANDARD")
    if wanted not in STORAGE_CLASSES:
        raise S3Error("InvalidStorageClass", "The storage class you specified is not valid")
    return wanted


def encryption(context: Context, headers: Mapping[str, str]) -> dict[str, str]:
    """Server-side encryption is not among what this S3 does, so asking for it is refused."""
    name = "x-amz-server-side-encryption"
    if name in headers or any(h.startswith(f"{name}-customer") for h in headers):
        raise S3Error("NotImplemented", "This S3 does not encrypt what it stores.")
    return {}


def lock_from(context: Context, headers: Mapping[str, str]) -> dict[str, object]:
    """Retention and legal hold, if the headers ask for them."""
    mode = headers.get("x-amz-object-lock-mode")
    until = headers.get("x-amz-object-lock-retain-until-date")
    hold = headers.get("x-amz-object-lock-legal-hold")
    if (mode, until, hold) == (None, None, None):
        return {}
    objectlock.need_enabled(context.bucket)
    found: dict[str, object] = {}
    if mode is not None or until is not None:
        if mode is None or until is None:
            raise S3Error(
                "InvalidArgument",
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be "
                "supplied",
            )
        if mode not in objectlock.MODES:
            raise S3Error("InvalidArgument", "Unknown wormMode directive.")
        context.need("s3:PutObjectRetention")
        found["retention"] = objectlock.retention(mode, parse_iso(until), context.store.now())
    if hold is not None:
        if hold not in ("ON", "OFF"):
            raise S3Error("InvalidArgument", "Legal hold must be either of 'ON' or 'OFF'")
        context.need("s3:PutObjectLegalHold")
        found["legal_hold"] = hold == "ON"
    return found


# --- tags -------------------------------------------------------------------------------------


def parse_tagging_header(text: str | None) -> dict[str, str]:
    """Tags as in ``x-amz-tagging: a=1&b=2``."""
    if not text:
        return {}
    return check_tags(parse_qsl(text, keep_blank_values=True), MOST_TAGS)


def check_tags(pairs: list[tuple[str, str]], most: int) -> dict[str, str]:
    """
    Raises:
        S3Error: ``InvalidTag`` or ``BadRequest``: too many, too long, or twice the same.
    """
    if len(pairs) > most:
        if most == MOST_TAGS:
            raise S3Error("InvalidTag", f"Object tags cannot be greater than {most}")
        raise S3Error("InvalidTag", f"Bucket tag count cannot be greater than {most}")
    for key, value in pairs:
        if not 1 <= len(key) <= 128:
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256:
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", TagKey=key)
    if len(dict(pairs)) < len(pairs):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    return dict(pairs)


# --- the response -----------------------------------------------------------------------------


def version_header(context: Context, version: Version) -> dict[str, str]:
    """``x-amz-version-id``, where the bucket has ever been versioned."""
    return {"x-amz-version-id": version.version_id} if context.bucket.versioning else {}


def written_headers(context: Context, version: Version) -> dict[str, str]:
    """What a write of an object answers beside its ETag: the version's id, where it got one of its
    own, and when it will expire."""
    own = {} if version.version_id == NULL else version_header(context, version)
    return own | expiration_header(context, version)


def expiration_header(context: Context, version: Version) -> dict[str, str]:
    """``x-amz-expiration``, if a lifecycle rule says that the latest version of the key expires."""
    due = lifecycle.expiry(context.bucket, version) if version.latest else None
    if due is None:
        return {}
    moment, rule = due
    value = f'expiry-date="{http_date(moment)}", rule-id="{quote(rule, safe="")}"'
    return {"x-amz-expiration": value}


def object_headers(context: Context, version: Version, with_checksum: bool) -> dict[str, str]:
    """The headers with which an object is read."""
    details = version.details
    headers = {
        "last-modified": http_date(version.modified),
        "etag": f'"{version.etag}"',
        "accept-ranges": "bytes",
        **details.headers,
        **{f"x-amz-meta-{name}": value for name, value in details.metadata.items()},
        **version_header(context, version),
        **expiration_header(context, version),
        **details.encryption,
    }
    if details.storage_class != "STANDARD":
        headers["x-amz-storage-class"] = details.storage_class
    if details.tags:
        headers["x-amz-tagging-count"] = str(len(details.tags))
    if details.retention and context.may("s3:GetObjectRetention"):
        headers["x-amz-object-lock-mode"] = details.retention["mode"]
        until = objectlock.until(details.retention)
        headers["x-amz-object-lock-retain-until-date"] = until.isoformat().replace("+00:00", "Z")
    if details.legal_hold is not None and context.may("s3:GetObjectLegalHold"):
        headers["x-amz-object-lock-legal-hold"] = "ON" if details.legal_hold else "OFF"
    if with_checksum:
        headers |= checksum_headers(details.checksum)
    return headers


def checksum_headers(checksum: Mapping[str, str]) -> dict[str, str]:
    if not checksum:
        return {}
    return {
        f"x-amz-checksum-{checksum['algorithm'].lower()}": checksum["value"],
        "x-amz-checksum-type": checksum["type"],
    }
