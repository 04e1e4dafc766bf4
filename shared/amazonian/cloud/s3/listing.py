"""Listing: keys (version 1 and 2), versions, and multipart uploads; and the buckets themselves."""

import base64
from collections.abc import Callable
from typing import Any, TypeVar

from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Request, Response, document, url_encoded
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import Bucket, Version, after

MOST_KEYS = 1000
Entry = TypeVar("Entry")


@operation("ListBuckets", "GET", "service", quick=True)
def list_buckets(context: Context) -> Response:
    request = context.request
    if not context.caller:
        raise S3Error("AccessDenied")
    prefix = request.parameter("prefix", "") or ""
    most = request.number("max-buckets", 10_000)
    behind = _decoded_token(request.parameter("continuation-token"))
    region = request.parameter("bucket-region")
    found = [
        bucket
        for bucket in context.store.metadata.buckets(context.owner)
        if bucket.name.startswith(prefix)
        and bucket.name > behind
        and region in (None, bucket.region)
    ]
    page = found[:most]
    return document(
        "ListAllMyBucketsResult",
        {
            "Owner": _owner(context, context.owner),
            "Buckets": {
                "Bucket": [
                    {
                        "Name": bucket.name,
                        "CreationDate": bucket.created,
                        "BucketRegion": bucket.region,
                    }
                    for bucket in page
                ]
            },
            "ContinuationToken": _token(page[-1].name) if len(found) > len(page) > 0 else None,
            "Prefix": prefix or None,
        },
    )


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
        start: the position at which the page begins.
        limit: how many entries and common prefixes there may be.

    Returns:
        Entries, common prefixes, whether there is more, and the position behind the page.
    """
    entries: list[Entry] = []
    prefixes: list[str] = []
    position = start
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


@operation("ListObjects", "GET", "bucket", action="s3:ListBucket", permission="READ", quick=True)
def list_objects(context: Context) -> Response:
    request = context.request
    marker = request.parameter("marker", "") or ""
    limit = request.number("max-keys", MOST_KEYS, MOST_KEYS)
    prefix, delimiter, encode = _common(request)
    start = after(marker) if delimiter and marker.endswith(delimiter) else marker
    versions, prefixes, more, _ = _keys(context, start, prefix, delimiter, limit)
    last = max([v.key for v in versions[-1:]] + prefixes[-1:], default="")
    return document(
        "ListBucketResult",
        {
            "Name": request.bucket,
            "Prefix": encode(prefix),
            "Marker": encode(marker),
            "NextMarker": encode(last) if more and delimiter else None,
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "MaxKeys": limit,
            "IsTruncated": more,
            "Contents": [_contents(context, v, encode, owner=True) for v in versions],
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
    if token == "":
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect")
    start_after = request.parameter("start-after")
    limit = request.number("max-keys", MOST_KEYS, MOST_KEYS)
    prefix, delimiter, encode = _common(request)
    start = _decoded_token(token) if token else start_after or ""
    if not token and delimiter and start.endswith(delimiter):
        start = after(start)
    versions, prefixes, more, position = _keys(context, start, prefix, delimiter, limit)
    with_owner = request.parameter("fetch-owner") == "true"
    return document(
        "ListBucketResult",
        {
            "Name": request.bucket,
            "Prefix": encode(prefix),
            "StartAfter": None if start_after is None else encode(start_after),
            "ContinuationToken": token,
            "NextContinuationToken": _token(position) if more else None,
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "KeyCount": len(versions) + len(prefixes),
            "MaxKeys": limit,
            "IsTruncated": more,
            "Contents": [_contents(context, v, encode, owner=with_owner) for v in versions],
            "CommonPrefixes": [{"Prefix": encode(p)} for p in prefixes],
        },
    )


def _keys(
    context: Context, start: str, prefix: str, delimiter: str, limit: int
) -> tuple[list[Version], list[str], bool, str]:
    if limit == 0:
        return [], [], False, start
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


@operation(
    "ListObjectVersions",
    "GET",
    "bucket",
    subresource="versions",
    action="s3:ListBucketVersions",
    permission="READ",
    quick=True,
)
def list_object_versions(context: Context) -> Response:
    request, metadata = context.request, context.store.metadata
    key_marker = request.parameter("key-marker", "") or ""
    id_marker = request.parameter("version-id-marker") or None
    limit = request.number("max-keys", MOST_KEYS, MOST_KEYS)
    prefix, delimiter, encode = _common(request)
    start: Any = after(key_marker) if delimiter and key_marker.endswith(delimiter) else key_marker
    if id_marker is not None:
        if not key_marker:
            raise S3Error("InvalidArgument", "A version-id marker needs a key marker.")
        marked = metadata.find(request.bucket, key_marker, id_marker)
        start = (key_marker, marked.seq if marked else None)

    def fetch(position: Any, count: int) -> list[Version]:
        key, seq = position if isinstance(position, tuple) else (position, None)
        return metadata.all_versions(request.bucket, prefix, key, seq, count)

    versions, prefixes, more, position = (
        ([], [], False, "")
        if limit == 0
        else roll_up(
            fetch, lambda v: v.key, lambda v: (v.key, v.seq), start, prefix, delimiter, limit
        )
    )
    next_key = next_id = None
    if more:
        next_id = versions[-1].version_id if isinstance(position, tuple) else None
        next_key = encode(versions[-1].key if next_id else prefixes[-1])
    return document(
        "ListVersionsResult",
        {
            "Name": request.bucket,
            "Prefix": encode(prefix),
            "KeyMarker": encode(key_marker),
            "VersionIdMarker": id_marker or "",
            "NextKeyMarker": next_key,
            "NextVersionIdMarker": next_id,
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "MaxKeys": limit,
            "IsTruncated": more,
            "Version": [
                {**_contents(context, v, encode, owner=True), **_version_fields(v)}
                for v in versions
                if not v.delete_marker
            ],
            "DeleteMarker": [
                {
                    "Key": encode(v.key),
                    **_version_fields(v),
                    "LastModified": v.modified,
                    "Owner": _owner(context, v.details.owner),
                }
                for v in versions
                if v.delete_marker
            ],
            "CommonPrefixes": [{"Prefix": encode(p)} for p in prefixes],
        },
    )


@operation(
    "ListMultipartUploads",
    "GET",
    "bucket",
    subresource="uploads",
    action="s3:ListBucketMultipartUploads",
    permission="READ",
    quick=True,
)
def list_multipart_uploads(context: Context) -> Response:
    request, metadata = context.request, context.store.metadata
    key_marker = request.parameter("key-marker", "") or ""
    id_marker = request.parameter("upload-id-marker") or None
    limit = request.number("max-uploads", MOST_KEYS, MOST_KEYS)
    prefix, delimiter, encode = _common(request)
    start: Any = (key_marker, id_marker) if id_marker and key_marker else key_marker

    def fetch(position: Any, count: int) -> list:
        key, upload_id = position if isinstance(position, tuple) else (position, None)
        return metadata.uploads(request.bucket, prefix, key, upload_id, count)

    uploads, prefixes, more, _ = (
        ([], [], False, "")
        if limit == 0
        else roll_up(
            fetch, lambda u: u.key, lambda u: (u.key, u.upload_id), start, prefix, delimiter, limit
        )
    )
    return document(
        "ListMultipartUploadsResult",
        {
            "Bucket": request.bucket,
            "KeyMarker": encode(key_marker),
            "UploadIdMarker": id_marker or "",
            "NextKeyMarker": encode(uploads[-1].key) if more and uploads else None,
            "NextUploadIdMarker": uploads[-1].upload_id if more and uploads else None,
            "Prefix": encode(prefix),
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "MaxUploads": limit,
            "IsTruncated": more,
            "Upload": [
                {
                    "Key": encode(upload.key),
                    "UploadId": upload.upload_id,
                    "Initiator": _owner(context, upload.details.owner),
                    "Owner": _owner(context, upload.details.owner),
                    "StorageClass": upload.details.storage_class,
                    "Initiated": upload.initiated,
                    "ChecksumAlgorithm": upload.checksum_algorithm or None,
                    "ChecksumType": upload.checksum_type or None,
                }
                for upload in uploads
            ],
            "CommonPrefixes": [{"Prefix": encode(p)} for p in prefixes],
        },
    )


# --- what the listings have in common ---------------------------------------------------------


def _common(request: Request) -> tuple[str, str, Callable[[str], str]]:
    encoding = request.parameter("encoding-type")
    if encoding not in (None, "", "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    prefix = request.parameter("prefix", "") or ""
    delimiter = request.parameter("delimiter", "") or ""
    return prefix, delimiter, url_encoded if encoding == "url" else str


def _contents(
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
        "Owner": _owner(context, version.details.owner) if owner else None,
        "StorageClass": version.details.storage_class,
    }


def _version_fields(version: Version) -> dict[str, Any]:
    return {"VersionId": version.version_id, "IsLatest": version.latest}


def _owner(context: Context, canonical_id: str) -> dict[str, str]:
    account = context.identities.account_by_canonical_id(canonical_id)
    return {"ID": canonical_id, "DisplayName": account.display_name if account else canonical_id}


def owner_of_bucket(context: Context, bucket: Bucket) -> dict[str, str]:
    return _owner(context, bucket.owner)


def _token(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def _decoded_token(token: str | None) -> str:
    if token is None:
        return ""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
