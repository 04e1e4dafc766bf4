"""Listing the keys of a bucket, version 1 and 2; and what all listings have in common."""

import base64
from collections.abc import Callable
from typing import Any, TypeVar

from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Request, Response, document, url_encoded
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import after
from amazonian.s3.records import Version

MOST_KEYS = 1000
Entry = TypeVar("Entry")


def roll_up(
    fetch: Callable[[str | tuple[str, Any], int], list[Entry]],
    key_of: Callable[[Entry], str],
    position_of: Callable[[Entry], str | tuple[str, Any]],
    start: str | tuple[str, Any],
    prefix: str,
    delimiter: str,
    limit: int,
) -> tuple[list[Entry], list[str], bool, Any]:
    """One page of a listing: entries, and the common prefixes that stand for many of them.

    Args:
        fetch: gives up to so many entries behind a position, in order.
        key_of: an entry's key.
        position_of: the position just behind an entry.
        start: the position behind which the page begins.
        limit: how many entries and common prefixes there may be.

    Returns:
        Entries, common prefixes, whether there is more, and the position behind the page.
    """
    entries: list[Entry] = []
    prefixes: list[str] = []
    position = start
    if limit == 0:
        return entries, prefixes, False, position
    while True:
        room = limit - len(entries) - len(prefixes)
        batch = fetch(position, min(room + 1, MOST_KEYS + 1))
        if not batch:
            return entries, prefixes, False, position
        for entry in batch:
            if len(entries) + len(prefixes) == limit:
                return entries, prefixes, True, position
            key = key_of(entry)
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                common = key[: cut + len(delimiter)]
                prefixes.append(common)
                position = after(common)  # skip all that it stands for
                break
            entries.append(entry)
            position = position_of(entry)


def behind(marker: str, prefix: str, delimiter: str) -> str:
    """The position behind a marker: if that is a common prefix, behind all that it stands for."""
    if delimiter and marker.startswith(prefix):
        cut = marker.find(delimiter, len(prefix))
        if cut >= 0 and cut + len(delimiter) == len(marker):
            return after(marker)
    return marker


@operation("ListObjects", "GET", "bucket", action="s3:ListBucket", permission="READ", quick=True)
def list_objects(context: Context) -> Response:
    request = context.request
    marker = request.parameter("marker", "") or ""
    limit = request.number("max-keys", MOST_KEYS, MOST_KEYS)
    prefix, delimiter, encode = common_parameters(request)
    start = behind(marker, prefix, delimiter)
    versions, prefixes, more, _ = _keys(context, start, prefix, delimiter, limit)
    last = max([v.key for v in versions[-1:]] + prefixes[-1:], default="")
    return document(
        "ListBucketResult",
        {
            "Name": request.bucket,
            "Prefix": prefix,  # the one name that botocore does not decode
            "Marker": encode(marker),
            "NextMarker": encode(last) if more and delimiter else None,
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "MaxKeys": limit,
            "IsTruncated": more,
            "Contents": [contents(context, v, encode, owner=True) for v in versions],
            "CommonPrefixes": [{"Prefix": encode(p)} for p in prefixes],
        },
    )


@operation(
    "ListObjectsV2",
    "GET",
    "bucket",
    subresource="list-type",
    action="s3:ListBucket",
    permission="READ",
    quick=True,
)
def list_objects_v2(context: Context) -> Response:
    request = context.request
    if request.parameter("list-type") != "2":
        return list_objects(context)
    token = request.parameter("continuation-token")
    start_after = request.parameter("start-after")
    limit = request.number("max-keys", MOST_KEYS, MOST_KEYS)
    prefix, delimiter, encode = common_parameters(request)
    start = position_in(token) if token else behind(start_after or "", prefix, delimiter)
    versions, prefixes, more, position = _keys(context, start, prefix, delimiter, limit)
    with_owner = request.parameter("fetch-owner") == "true"
    return document(
        "ListBucketResult",
        {
            "Name": request.bucket,
            "Prefix": encode(prefix),
            "StartAfter": None if start_after is None else encode(start_after),
            "ContinuationToken": token,
            "NextContinuationToken": token_for(position) if more else None,
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "KeyCount": len(versions) + len(prefixes),
            "MaxKeys": limit,
            "IsTruncated": more,
            "Contents": [contents(context, v, encode, owner=with_owner) for v in versions],
            "CommonPrefixes": [{"Prefix": encode(p)} for p in prefixes],
        },
    )


def _keys(
    context: Context, start: str, prefix: str, delimiter: str, limit: int
) -> tuple[list[Version], list[str], bool, str]:
    bucket = context.request.bucket
    return roll_up(
        lambda position, count: context.store.metadata.keys(bucket, prefix, position, count),
        lambda version: version.key,
        lambda version: version.key,
        start,
        prefix,
        delimiter,
        limit,
    )


# --- what the listings have in common ---------------------------------------------------------


def common_parameters(request: Request) -> tuple[str, str, Callable[[str], str]]:
    encoding = request.parameter("encoding-type")
    if encoding not in (None, "", "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    prefix = request.parameter("prefix", "") or ""
    delimiter = request.parameter("delimiter", "") or ""
    if delimiter and request.parameter("allow-unordered") == "true":  # a wish that Ceph's S3 knows
        raise S3Error("InvalidArgument", "A listing with a delimiter can't be unordered.")
    return prefix, delimiter, url_encoded if encoding == "url" else str


def contents(
    context: Context, version: Version, encode: Callable[[str], str], owner: bool
) -> dict[str, Any]:
    checksum = version.details.checksum
    return {
        "Key": encode(version.key),
        "LastModified": version.modified,
        "ETag": f'"{version.etag}"',
        "ChecksumAlgorithm": checksum.get("algorithm"),
        "ChecksumType": checksum.get("type"),
        "Size": version.size,
        "Owner": owner_element(context, version.details.owner) if owner else None,
        "StorageClass": version.details.storage_class,
    }


def owner_element(context: Context, canonical_id: str) -> dict[str, str]:
    account = context.identities.account_by_canonical_id(canonical_id)
    return {"ID": canonical_id, "DisplayName": account.display_name if account else canonical_id}


def token_for(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def position_in(token: str | None) -> str:
    if token is None:
        return ""
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except ValueError:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
