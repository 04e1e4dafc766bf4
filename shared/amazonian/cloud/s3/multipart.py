"""Multipart upload: create, parts, copied parts, list, complete, abort."""

import re
from collections.abc import Callable, Mapping

from amazonian.cloud.s3 import attributes
from amazonian.cloud.s3.body import RequestBody
from amazonian.cloud.s3.objects import CopiedBody, copy_source
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, need_text, parse_document
from amazonian.s3 import checksums
from amazonian.s3.completion import Claims, algorithm_of
from amazonian.s3.errors import S3Error
from amazonian.s3.multipart import MOST_PARTS, ListedPart
from amazonian.s3.naming import check_key
from amazonian.s3.records import Upload

_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@operation("CreateMultipartUpload", "POST", "object", subresource="uploads")
def create_multipart_upload(context: Context) -> Response:
    request = context.request
    headers = request.headers
    check_key(request.key)
    context.extra["request_tags"] = attributes.parse_tagging_header(headers.get("x-amz-tagging"))
    context.need("s3:PutObject", "WRITE")
    details = attributes.details_from(context, headers)
    algorithm = headers.get("x-amz-checksum-algorithm", "")
    kind = headers.get("x-amz-checksum-type", "").upper()
    if algorithm:
        algorithm = checksums.need_algorithm(algorithm)
        kind = checksums.need_type(algorithm, kind or checksums.default_type(algorithm))
    elif kind:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
            "header.",
        )
    upload = context.store.create_upload(request.bucket, request.key, details, algorithm, kind)
    answer = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    return document(
        "InitiateMultipartUploadResult",
        {"Bucket": request.bucket, "Key": request.key, "UploadId": upload.upload_id},
        **{name: value for name, value in answer.items() if value},
        **details.encryption,
    )


def _upload(context: Context) -> Upload:
    request = context.request
    upload_id = request.parameter("uploadId") or ""
    return context.store.metadata.upload(upload_id, request.bucket, request.key)


def _part_number(context: Context) -> int:
    number = context.request.number("partNumber", 0)
    if not 1 <= number <= MOST_PARTS:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=number,
        )
    return number


@operation(
    "UploadPart",
    "PUT",
    "object",
    subresource="uploadId",
    action="s3:PutObject",
    permission="WRITE",
)
def upload_part(context: Context) -> Response:
    request = context.request
    number, upload = _part_number(context), _upload(context)
    body = RequestBody(request, context.signature, kept_algorithm=algorithm_of(upload))
    given, wanted = body.promised_algorithm, upload.checksum_algorithm
    if given and wanted and given != wanted:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, "
            f"actual checksum Type: {given.lower()}",
        )
    part = context.store.put_part(upload, number, body)
    checksum = body.promise_kept or part.checksum
    return Response(
        200,
        {"etag": f'"{part.etag}"', checksums.header(checksum["algorithm"]): checksum["value"]},
    )


@operation(
    "UploadPartCopy",
    "PUT",
    "object",
    subresource="uploadId",
    header="x-amz-copy-source",
    action="s3:PutObject",
    permission="WRITE",
)
def upload_part_copy(context: Context) -> Response:
    request = context.request
    number, upload = _part_number(context), _upload(context)
    source = copy_source(context)
    start, length = 0, source.size
    text = request.headers.get("x-amz-copy-source-range")
    if text is not None:
        match = _COPY_RANGE.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise S3Error(
                "InvalidArgument",
                "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                "first and last are the zero-based offsets of the first and last bytes to copy",
                ArgumentName="x-amz-copy-source-range",
                ArgumentValue=text,
            )
        start, length = int(match[1]), int(match[2]) - int(match[1]) + 1
        if start + length > source.size:
            raise S3Error(
                "InvalidRange",
                f"Range specified is not valid for source object of size: {source.size}",
            )
    algorithm = algorithm_of(upload)
    body = CopiedBody(context.store, source, algorithm, start, length)
    part = context.store.put_part(upload, number, body)
    headers = {}
    if context.extra["source_bucket"].versioning:
        headers["x-amz-copy-source-version-id"] = source.version_id
    return document(
        "CopyPartResult",
        {
            "ETag": f'"{part.etag}"',
            "LastModified": part.modified,
            f"Checksum{algorithm}": part.checksum["value"],
        },
        **headers,
    )


@operation(
    "ListParts",
    "GET",
    "object",
    subresource="uploadId",
    action="s3:ListMultipartUploadParts",
    permission="READ",
)
def list_parts(context: Context) -> Response:
    request, upload = context.request, _upload(context)
    behind = request.number("part-number-marker", 0)
    most = request.number("max-parts", 1000, 1000)
    found = context.store.metadata.parts(upload.upload_id, behind, most + 1)
    page = found[:most]
    account = context.identities.account_by_canonical_id(upload.details.owner)
    owner = {
        "ID": upload.details.owner,
        "DisplayName": account.display_name if account else upload.details.owner,
    }
    return document(
        "ListPartsResult",
        {
            "Bucket": request.bucket,
            "Key": request.key,
            "UploadId": upload.upload_id,
            "Initiator": owner,
            "Owner": owner,
            "StorageClass": upload.details.storage_class,
            "PartNumberMarker": behind,
            "NextPartNumberMarker": page[-1].number if page else 0,
            "MaxParts": most,
            "IsTruncated": len(found) > len(page),
            "ChecksumAlgorithm": upload.checksum_algorithm or None,
            "ChecksumType": upload.checksum_type or None,
            "Part": [
                {
                    "PartNumber": part.number,
                    "LastModified": part.modified,
                    "ETag": f'"{part.etag}"',
                    "Size": part.size,
                    f"Checksum{part.checksum.get('algorithm')}": part.checksum.get("value"),
                }
                for part in page
            ],
        },
    )


@operation(
    "CompleteMultipartUpload",
    "POST",
    "object",
    subresource="uploadId",
    action="s3:PutObject",
    permission="WRITE",
)
def complete_multipart_upload(context: Context) -> Response:
    request = context.request
    root = parse_document(_whole(context), "CompleteMultipartUpload")
    listed, listed_checksums = [], {}
    for element in root.findall("Part"):
        number = need_text(element, "PartNumber")
        if not number.isdigit():
            raise S3Error("MalformedXML")
        listed.append(ListedPart(int(number), (child_text(element, "ETag") or "").strip('"')))
        listed_checksums[int(number)] = _given(lambda a, e=element: child_text(e, f"Checksum{a}"))
    version = context.store.complete_upload(
        request.bucket,
        request.key,
        request.parameter("uploadId") or "",
        listed,
        attributes.write_conditions(request.headers),
        _claims(request.headers, listed_checksums),
    )
    checksum = version.details.checksum
    host = request.headers.get("host", "")
    return document(
        "CompleteMultipartUploadResult",
        {
            "Location": f"http://{host}/{request.bucket}/{request.key}",
            "Bucket": request.bucket,
            "Key": request.key,
            "ETag": f'"{version.etag}"',
            f"Checksum{checksum.get('algorithm')}": checksum.get("value"),
            "ChecksumType": checksum.get("type"),
        },
        **attributes.written_headers(context, version),
        **version.details.encryption,
    )


def _given(value_of: Callable[[str], str | None]) -> dict[str, str]:
    """The checksums that are there, by algorithm."""
    found = {algorithm: value_of(algorithm) for algorithm in checksums.ALGORITHMS}
    return {algorithm: value for algorithm, value in found.items() if value}


def _claims(headers: Mapping[str, str], parts: Mapping[int, Mapping[str, str]]) -> Claims:
    size = headers.get("x-amz-mp-object-size")
    if size is not None and not size.isdigit():
        raise S3Error("InvalidRequest", "The value of x-amz-mp-object-size is not a size.")
    return Claims(
        _given(lambda algorithm: headers.get(checksums.header(algorithm))),
        parts,
        headers.get("x-amz-checksum-type", "").upper(),
        None if size is None else int(size),
    )


def _whole(context: Context) -> bytes:
    """The document; a checksum header on this request is the object's, not the document's."""
    headers = {
        name: value
        for name, value in context.request.headers.items()
        if not name.startswith("x-amz-checksum-")
    }
    context.request.headers, kept = headers, context.request.headers
    try:
        return context.document()
    finally:
        context.request.headers = kept


@operation(
    "AbortMultipartUpload",
    "DELETE",
    "object",
    subresource="uploadId",
    action="s3:AbortMultipartUpload",
    permission="WRITE",
)
def abort_multipart_upload(context: Context) -> Response:
    request = context.request
    context.store.abort_upload(request.bucket, request.key, request.parameter("uploadId") or "")
    return Response(204)
