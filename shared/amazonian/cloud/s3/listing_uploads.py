"""Listing the multipart uploads that are under way in a bucket."""

from typing import Any

from amazonian.cloud.s3.listing import (
    MOST_KEYS,
    behind,
    common_parameters,
    owner_element,
    roll_up,
)
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document


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
    prefix, delimiter, encode = common_parameters(request)
    start: Any = behind(key_marker, prefix, delimiter)
    if id_marker and key_marker:
        start = (key_marker, id_marker)

    def fetch(position: Any, count: int) -> list:
        key, upload_id = position if isinstance(position, tuple) else (position, None)
        return metadata.uploads(request.bucket, prefix, key, upload_id, count)

    uploads, prefixes, more, position = roll_up(
        fetch, lambda u: u.key, lambda u: (u.key, u.upload_id), start, prefix, delimiter, limit
    )
    next_key = next_id = None
    if more:
        next_id = uploads[-1].upload_id if isinstance(position, tuple) else None
        next_key = encode(uploads[-1].key if next_id else prefixes[-1])
    return document(
        "ListMultipartUploadsResult",
        {
            "Bucket": request.bucket,
            "KeyMarker": encode(key_marker),
            "UploadIdMarker": id_marker or "",
            "NextKeyMarker": next_key,
            "NextUploadIdMarker": next_id,
            "Prefix": encode(prefix),
            "Delimiter": encode(delimiter) if delimiter else None,
            "EncodingType": request.parameter("encoding-type"),
            "MaxUploads": limit,
            "IsTruncated": more,
            "Upload": [
                {
                    "Key": encode(upload.key),
                    "UploadId": upload.upload_id,
                    "Initiator": owner_element(context, upload.details.owner),
                    "Owner": owner_element(context, upload.details.owner),
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
