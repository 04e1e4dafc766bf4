"""Listing every version of every key of a bucket, delete markers among them."""

from typing import Any

from amazonian.cloud.s3.listing import (
    MOST_KEYS,
    behind,
    common_parameters,
    contents,
    owner_element,
    roll_up,
)
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Version

_NEWEST = 2**62
"""Above every sequence number: where the marked version has been deleted meanwhile, the page
begins with the newest version of its key, since a client that deletes as it lists must miss none.
"""


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
    prefix, delimiter, encode = common_parameters(request)
    start: Any = behind(key_marker, prefix, delimiter)
    if id_marker is not None:
        if not key_marker:
            raise S3Error("InvalidArgument", "A version-id marker needs a key marker.")
        marked = metadata.find(request.bucket, key_marker, id_marker)
        start = (key_marker, marked.seq if marked else _NEWEST)

    def fetch(position: Any, count: int) -> list[Version]:
        key, seq = position if isinstance(position, tuple) else (position, None)
        return metadata.all_versions(request.bucket, prefix, key, seq, count)

    versions, prefixes, more, position = roll_up(
        fetch, lambda v: v.key, lambda v: (v.key, v.seq), start, prefix, delimiter, limit
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
                {**contents(context, v, encode, owner=True), **_version_fields(v)}
                for v in versions
                if not v.delete_marker
            ],
            "DeleteMarker": [
                {
                    "Key": encode(v.key),
                    **_version_fields(v),
                    "LastModified": v.modified,
                    "Owner": owner_element(context, v.details.owner),
                }
                for v in versions
                if v.delete_marker
            ],
            "CommonPrefixes": [{"Prefix": encode(p)} for p in prefixes],
        },
    )


def _version_fields(version: Version) -> dict[str, Any]:
    return {"VersionId": version.version_id, "IsLatest": version.latest}
