"""Reading objects: get, head, attributes; ranges, parts and conditions."""

import re
from typing import Any

from amazonian.cloud.s3 import attributes
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document, http_date
from amazonian.s3 import checksums
from amazonian.s3.download import Download
from amazonian.s3.errors import S3Error
from amazonian.s3.preconditions import check_read
from amazonian.s3.records import Version

OVERRIDABLE = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def parse_range(text: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the length that a Range header asks for; None: everything.

    Ranges that HTTP calls invalid, and several at once, are ignored.

    Raises:
        S3Error: ``InvalidRange``: it begins behind the end.
    """
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise S3Error("InvalidRange", ActualObjectSize=size, RangeRequested=text)
        return size - length, length
    start, end = int(first), min(int(last or size - 1), size - 1)
    if last and int(last) < start:
        return None
    if start >= size:
        raise S3Error("InvalidRange", ActualObjectSize=size, RangeRequested=text)
    return start, end - start + 1


def _read(context: Context, with_body: bool) -> Response:
    request = context.request
    version = context.existing()
    with_checksum = request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    headers = attributes.object_headers(context, version, with_checksum)
    try:
        check_read(attributes.conditions(request.headers), version)
    except S3Error as error:
        kept = ("etag", "last-modified", "cache-control", "expires", "x-amz-version-id")
        error.headers |= {name: headers[name] for name in kept if name in headers}
        raise
    headers |= _overrides(context)
    status, start, length = 200, 0, version.size
    part = _part_range(context, version, headers)
    wanted = part or parse_range(request.headers.get("range"), version.size)
    if wanted is not None:
        status, (start, length) = 206, wanted
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{version.size}"
        if length == 0:
            headers["content-range"] = f"bytes */{version.size}"
        if part is None and length < version.size:
            headers.pop(checksums.header(version.details.checksum.get("algorithm", "")), None)
    if not with_body:
        return Response(status, headers, b"", length)
    body = Download(context.store, version, start, length)
    if version.inline is not None:
        return Response(status, headers, b"".join(body))
    return Response(status, headers, body, length)


def _overrides(context: Context) -> dict[str, str]:
    """The headers that a signed request asks to be answered with, as ``response-expires=…``."""
    parameters = context.request.parameters
    asked = {
        name: parameters[f"response-{name}"]
        for name in OVERRIDABLE
        if f"response-{name}" in parameters
    }
    if asked and context.caller is None:
        raise S3Error("InvalidRequest", "Only a signed request may ask for response headers.")
    for name, value in asked.items():
        if not value.isprintable():
            raise S3Error("InvalidArgument", f"response-{name} is not the value of a header.")
    return asked


def _part_range(
    context: Context, version: Version, headers: dict[str, str]
) -> tuple[int, int] | None:
    """The run of bytes of the part that ``partNumber`` asks for."""
    text = context.request.parameter("partNumber")
    if text is None:
        return None
    number = context.request.number("partNumber", 0)
    parts = version.details.parts
    headers["x-amz-mp-parts-count"] = str(len(parts))
    if not parts:
        headers.pop("x-amz-mp-parts-count")
        if number != 1:
            raise S3Error("InvalidPart", "The object has one part, number 1.")
        return (0, version.size) if version.size else None
    start = 0
    for index, (_, size, checksum) in enumerate(parts, 1):
        if index == number:
            name = checksums.header(version.details.checksum.get("algorithm", ""))
            if name in headers:
                headers[name] = checksum
            return start, size
        start += size
    raise S3Error("InvalidPart", f"The object has parts 1 to {len(parts)}.")


@operation(
    "GetObject",
    "GET",
    "object",
    action="s3:GetObject",
    versioned_action="s3:GetObjectVersion",
    permission="READ",
    acl_of="object",
    quick=True,
)
def get_object(context: Context) -> Response:
    return _read(context, with_body=True)


@operation(
    "HeadObject",
    "HEAD",
    "object",
    action="s3:GetObject",
    versioned_action="s3:GetObjectVersion",
    permission="READ",
    acl_of="object",
    quick=True,
)
def head_object(context: Context) -> Response:
    return _read(context, with_body=False)


@operation(
    "GetObjectAttributes",
    "GET",
    "object",
    subresource="attributes",
    action="s3:GetObjectAttributes",
    versioned_action="s3:GetObjectVersionAttributes",
    permission="READ",
    acl_of="object",
)
def get_object_attributes(context: Context) -> Response:
    request, version = context.request, context.existing()
    asked = {
        name.strip()
        for name in request.headers.get("x-amz-object-attributes", "").split(",")
        if name.strip()
    }
    known = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
    if not asked or asked - known:
        raise S3Error("InvalidArgument", "Invalid attribute name specified.")
    checksum = version.details.checksum
    answer: dict[str, Any] = {}
    if "ETag" in asked:
        answer["ETag"] = version.etag
    if "Checksum" in asked and checksum:
        answer["Checksum"] = {
            f"Checksum{checksum['algorithm']}": checksum["value"],
            "ChecksumType": checksum["type"],
        }
    if "ObjectParts" in asked and version.details.parts:
        answer["ObjectParts"] = _object_parts(context, version)
    if "StorageClass" in asked:
        answer["StorageClass"] = version.details.storage_class
    if "ObjectSize" in asked:
        answer["ObjectSize"] = version.size
    return document(
        "GetObjectAttributesResponse",
        answer,
        **{"last-modified": http_date(version.modified)},
        **attributes.version_header(context, version),
    )


def _object_parts(context: Context, version: Version) -> dict[str, Any]:
    headers, parts = context.request.headers, version.details.parts
    try:
        most = min(int(headers.get("x-amz-max-parts", 1000)), 1000)
        behind = int(headers.get("x-amz-part-number-marker", 0))
    except ValueError:
        raise S3Error("InvalidArgument") from None
    rest = [part for part in parts if part[0] > behind]
    algorithm = version.details.checksum.get("algorithm")
    page = rest[:most]
    return {
        "PartsCount": len(parts),
        "PartNumberMarker": behind,
        "NextPartNumberMarker": page[-1][0] if page else 0,
        "MaxParts": most,
        "IsTruncated": len(rest) > len(page),
        "Part": [
            {"PartNumber": number, "Size": size, f"Checksum{algorithm}": checksum}
            for number, size, checksum in page
        ],
    }
