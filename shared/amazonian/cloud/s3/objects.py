"""Writing objects: put and copy."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from amazonian.cloud.s3 import attributes
from amazonian.cloud.s3.body import RequestBody
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document
from amazonian.s3 import access, checksums, upload
from amazonian.s3.access import Question
from amazonian.s3.download import Download
from amazonian.s3.errors import S3Error
from amazonian.s3.naming import check_key
from amazonian.s3.preconditions import check_copy_source
from amazonian.s3.records import Version
from amazonian.s3.store import Store

DEFAULT_CHECKSUM = "CRC64NVME"


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
    body = CopiedBody(store, source, checksums.need_algorithm(algorithm or DEFAULT_CHECKSUM))
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


class CopiedBody:
    """A version's bytes, or a run of them, as the body of another object or of a part."""

    def __init__(
        self,
        store: Store,
        source: Version,
        algorithm: str,
        start: int = 0,
        length: int | None = None,
    ):
        self._download = Download(store, source, start, length)
        self._algorithm = algorithm
        self.checksum: dict[str, str] = {}

    def __iter__(self) -> Iterator[bytes]:
        running = checksums.ALGORITHMS[self._algorithm]()
        for piece in self._download:
            running.update(piece)
            yield piece
        value = checksums.encode(running.digest())
        self.checksum = {"algorithm": self._algorithm, "type": "FULL_OBJECT", "value": value}


def _directive(headers: Any, name: str) -> str:
    value = headers.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise S3Error("InvalidArgument", f"Unknown {name}.", ArgumentName=name, ArgumentValue=value)
    return value
