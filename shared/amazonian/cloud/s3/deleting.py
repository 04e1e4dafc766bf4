"""Deleting objects: one, or up to a thousand."""

from typing import Any

from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document, parse_iso
from amazonian.s3.errors import S3Error
from amazonian.s3.preconditions import DeleteConditions, parse_date

MOST_DELETED = 1000


def _conditions(etag: str | None, moment: str | None, size: str | None) -> DeleteConditions:
    """The conditions of a delete, all optional.

    Raises:
        S3Error: ``InvalidArgument``: a date or a size is none. To ignore the condition would be
            to delete what it protects.
    """
    modified = parse_date(moment)
    if moment and modified is None:
        try:
            modified = parse_iso(moment)
        except S3Error:
            raise S3Error("InvalidArgument", "The last-modified time is not a date.") from None
    if size and not size.isdigit():
        raise S3Error("InvalidArgument", "The size is not a number of bytes.")
    return DeleteConditions(etag or None, modified, int(size) if size else None)


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
        _conditions(
            request.headers.get("if-match"),
            request.headers.get("x-amz-if-match-last-modified-time"),
            request.headers.get("x-amz-if-match-size"),
        ),
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
        conditions = _conditions(
            child_text(element, "ETag"),
            child_text(element, "LastModifiedTime"),
            child_text(element, "Size"),
        )
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
