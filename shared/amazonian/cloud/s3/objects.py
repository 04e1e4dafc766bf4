"""Objects: put, copy, get, head, delete."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from amazonian.cloud.s3 import attributes
from amazonian.cloud.s3.body import RequestBody
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import (
    Response,
    child_text,
    document,
    http_date,
    parse_document,
    parse_iso,
)
from amazonian.s3 import access, checksums, upload
from amazonian.s3.access import Question
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import Version
from amazonian.s3.naming import check_key
from amazonian.s3.preconditions import (
    DeleteConditions,
    check_copy_source,
    check_read,
    parse_date,
)

MOST_DELETED = 1000
DEFAULT_CHECKSUM = "CRC64NVME"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


# --- writing ----------------------------------------------------------------------------------


@operation("PutObject", "PUT", "object", action="", permission="WRITE")
def put_object(context: Context) -> Response:
    request = context.request
    check_key(request.key)
    context.extra["request_tags"] = attributes.parse_tagging_header(
        request.headers.get("x-amz-tagging")
    )
    context.need("s3:PutObject", "WRITE")
    details = attributes.details_from(context, request.headers)
    conditions = attributes.write_conditions(request.headers)
    algorithm = request.headers.get("x-amz-sdk-checksum-algorithm")
    if algorithm is not None:
        checksums.need_algorithm(algorithm)
    body = RequestBody(request, context.signature, DEFAULT_CHECKSUM)
    version = upload.put(context.store, request.bucket, request.key, body, details, conditions)
    return Response(
        200,
        {
            "etag": f'"{version.etag}"',
            **attributes.checksum_headers(version.details.checksum),
            **attributes.written_headers(context, version),
            **version.details.encryption,
        },
    )


def copy_source(context: Context) -> Version:
    """The version that ``x-amz-copy-source`` names, if the caller may read it.

    Raises:
        S3Error: ``InvalidArgument``, ``AccessDenied``, ``NoSuchKey``, ``PreconditionFailed`` …
    """
    headers = context.request.headers
    path, _, query = headers["x-amz-copy-source"].partition("?versionId=")
    bucket_name, _, key = unquote(path).lstrip("/").partition("/")
    if not bucket_name or not key:
        raise S3Error(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    store = context.store
    bucket = store.metadata.bucket(bucket_name)
    error = None
    version = None
    try:
        version = store.version(bucket_name, key, query or None)
    except S3Error as problem:
        error = problem
    question = Question(
        "s3:GetObjectVersion" if query else "s3:GetObject",
        "READ",
        bucket,
        key,
        version.details if version else None,
        _source_context(context, version),
    )
    access.need(context.identities, context.caller, question)
    if version is None:
        if error and error.code == "MethodNotAllowed":
            raise S3Error(
                "InvalidRequest",
                "The source of a copy request may not be a delete marker named by its version id.",
            )
        raise error or S3Error("NoSuchKey")
    source_conditions = attributes.conditions(headers, "x-amz-copy-source-")
    check_copy_source(source_conditions, version)
    context.extra["source_bucket"] = bucket
    return version


def _source_context(context: Context, version: Version | None) -> dict[str, list[str]]:
    tags = version.details.tags if version else {}
    return {
        "aws:sourceip": [context.request.client],
        **{f"s3:existingobjecttag/{name.lower()}": [value] for name, value in tags.items()},
    }


@operation("CopyObject", "PUT", "object", header="x-amz-copy-source")
def copy_object(context: Context) -> Response:
    request, store = context.request, context.store
    headers = request.headers
    check_key(request.key)
    source = copy_source(context)
    replacing = _directive(headers, "x-amz-metadata-directive") == "REPLACE"
    retagging = _directive(headers, "x-amz-tagging-directive") == "REPLACE"
    context.extra["request_tags"] = (
        attributes.parse_tagging_header(headers.get("x-amz-tagging"))
        if retagging
        else source.details.tags
    )
    context.need("s3:PutObject", "WRITE")
    asked = attributes.details_from(context, headers)
    same = (source.bucket, source.key) == (request.bucket, request.key)
    changes = (
        replacing
        or "x-amz-storage-class" in headers
        or "x-amz-website-redirect-location" in headers
        or asked.encryption
    )
    if same and source.latest and not changes:
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata, storage class, website redirect location "
            "or encryption attributes.",
        )
    details = replace(
        asked,
        headers=asked.headers if replacing else source.details.headers,
        metadata=asked.metadata if replacing else source.details.metadata,
        tags=asked.tags if retagging else source.details.tags,
    )
    algorithm = headers.get("x-amz-checksum-algorithm") or source.details.checksum.get("algorithm")
    body = _Copy(context, source, checksums.need_algorithm(algorithm or DEFAULT_CHECKSUM))
    conditions = attributes.write_conditions(headers)
    version = upload.put(store, request.bucket, request.key, body, details, conditions)
    result_headers = attributes.written_headers(context, version)
    if context.extra["source_bucket"].versioning:
        result_headers["x-amz-copy-source-version-id"] = source.version_id
    checksum = version.details.checksum
    return document(
        "CopyObjectResult",
        {
            "ETag": f'"{version.etag}"',
            "LastModified": version.modified,
            f"Checksum{checksum['algorithm']}": checksum["value"],
            "ChecksumType": checksum["type"],
        },
        **result_headers,
        **version.details.encryption,
    )


class _Copy:
    """A version's bytes as the body of another."""

    def __init__(
        self,
        context: Context,
        source: Version,
        algorithm: str | None,
        start: int = 0,
        length: int | None = None,
    ):
        self._pieces = upload.get(context.store, source, start, length)
        self._algorithm = algorithm
        self.checksum: dict[str, str] = {}

    def __iter__(self):
        running = checksums.ALGORITHMS[self._algorithm]() if self._algorithm else None
        for piece in self._pieces:
            if running:
                running.update(piece)
            yield piece
        if running:
            value = checksums.encode(running.digest())
            self.checksum = {"algorithm": self._algorithm, "type": "FULL_OBJECT", "value": value}


def body_of_copy(
    context: Context, source: Version, algorithm: str | None, start: int, length: int
) -> _Copy:
    """A run of a version's bytes, as the body of a part."""
    return _Copy(context, source, algorithm, start, length)


def _directive(headers: Any, name: str) -> str:
    value = headers.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise S3Error("InvalidArgument", f"Unknown {name}.", ArgumentName=name, ArgumentValue=value)
    return value


# --- reading ----------------------------------------------------------------------------------


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
    for name, value in request.parameters.items():
        if name.startswith("response-"):
            if context.caller is None:
                raise S3Error(
                    "InvalidRequest", "Request specific response headers need a signed request."
                )
            headers[name.removeprefix("response-")] = value
    status, start, length = 200, 0, version.size
    wanted = _part_range(context, version, headers) or parse_range(
        request.headers.get("range"), version.size
    )
    if wanted is not None:
        status, (start, length) = 206, wanted
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{version.size}"
        if length == 0:
            headers["content-range"] = f"bytes */{version.size}"
        if length < version.size:
            headers.pop(checksums.header(version.details.checksum.get("algorithm", "")), None)
    if not with_body:
        return Response(status, headers, b"", length)
    if version.inline is not None:
        return Response(
            status, headers, b"".join(upload.get(context.store, version, start, length))
        )
    return Response(status, headers, upload.get(context.store, version, start, length), length)


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
            raise S3Error("InvalidPart", "The requested partnumber is not satisfiable", status=416)
        return (0, version.size) if version.size else None
    start = 0
    for index, (_, size, checksum) in enumerate(parts, 1):
        if index == number:
            algorithm = version.details.checksum.get("algorithm")
            if algorithm and checksum and checksums.header(algorithm) in headers:
                headers[checksums.header(algorithm)] = checksum
            return start, size
        start += size
    raise S3Error("InvalidPart", "The requested partnumber is not satisfiable", status=416)


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
        value = checksum["value"].partition("-")[0]
        answer["Checksum"] = {
            f"Checksum{checksum['algorithm']}": value,
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
            {
                "PartNumber": number,
                "Size": size,
                **({f"Checksum{algorithm}": checksum} if checksum else {}),
            }
            for number, size, checksum in page
        ]
        if algorithm
        else [],
    }


# --- deleting ---------------------------------------------------------------------------------


def _delete_conditions(headers: Any) -> DeleteConditions:
    size = headers.get("x-amz-if-match-size")
    return DeleteConditions(
        headers.get("if-match"),
        parse_date(headers.get("x-amz-if-match-last-modified-time")),
        int(size) if size and size.isdigit() else None,
    )


def _bypass(context: Context) -> bool:
    asked = context.request.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
    return asked and context.may("s3:BypassGovernanceRetention")


@operation(
    "DeleteObject",
    "DELETE",
    "object",
    action="s3:DeleteObject",
    versioned_action="s3:DeleteObjectVersion",
    permission="WRITE",
)
def delete_object(context: Context) -> Response:
    request = context.request
    deleted = context.store.delete(
        request.bucket,
        request.key,
        request.parameter("versionId"),
        _delete_conditions(request.headers),
        context.owner,
        _bypass(context),
    )
    headers = {}
    if deleted.version_id is not None and context.bucket.versioning:
        headers["x-amz-version-id"] = deleted.version_id
    if deleted.delete_marker:
        headers["x-amz-delete-marker"] = "true"
    return Response(204, headers)


@operation("DeleteObjects", "POST", "bucket", subresource="delete")
def delete_objects(context: Context) -> Response:
    request = context.request
    root = parse_document(context.document(), "Delete")
    asked = root.findall("Object")
    if not 1 <= len(asked) <= MOST_DELETED:
        raise S3Error("MalformedXML")
    quiet = child_text(root, "Quiet") == "true"
    bypass = _bypass(context)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for element in asked:
        key = element.findtext("Key")
        if key is None:
            raise S3Error("MalformedXML")
        version_id = child_text(element, "VersionId") or None
        etag, size = child_text(element, "ETag"), child_text(element, "Size")
        moment = child_text(element, "LastModifiedTime")
        modified = (parse_date(moment) or parse_iso(moment)) if moment else None
        conditions = DeleteConditions(etag, modified, int(size) if size else None)
        action = "s3:DeleteObjectVersion" if version_id else "s3:DeleteObject"
        try:
            context.need(action, "WRITE", key=key)
            deleted = context.store.delete(
                request.bucket, key, version_id, conditions, context.owner, bypass
            )
        except S3Error as error:
            failed.append(
                {
                    "Key": key,
                    "VersionId": version_id,
                    "Code": error.code,
                    "Message": error.message,
                }
            )
            continue
        entry: dict[str, Any] = {"Key": key, "VersionId": version_id}
        if deleted.delete_marker:
            entry["DeleteMarker"] = True
            entry["DeleteMarkerVersionId"] = deleted.version_id
        done.append(entry)
    return document("DeleteResult", {"Deleted": [] if quiet else done, "Error": failed})
