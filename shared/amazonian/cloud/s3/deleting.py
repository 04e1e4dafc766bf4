"""Deleting objects: one, or up to a thousand."""

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document, parse_iso
from amazonian.s3.errors import S3Error
from amazonian.s3.preconditions import DeleteConditions, parse_date

MOST_DELETED = 1000


def _conditions(
    etag: str | None, moment: str | None, size: str | None, refusal: str
) -> DeleteConditions:
    """The conditions of a delete, all optional.

    Raises:
        S3Error: `refusal`: a date or a size is none. To ignore the condition would be to delete
            what it protects.
    """
    modified = parse_date(moment)
    if moment and modified is None:
        try:
            modified = parse_iso(moment)
        except S3Error:
            raise S3Error(refusal, "The last-modified time is not a date.") from None
    if size and not size.isdecimal():
        raise S3Error(refusal, "The size is not a number of bytes.")
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
            "InvalidArgument",
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
    root = parse_document(context.document(), "Delete")
    asked = [_asked(element) for element in root.findall("Object")]
    if not 1 <= len(asked) <= MOST_DELETED:
        raise S3Error("MalformedXML")
    quiet = child_text(root, "Quiet") == "true"
    bypass = _bypass(context)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for one in asked:
        try:
            done.append(_delete(context, one, bypass))
        except S3Error as error:
            failed.append(
                {
                    "Key": one.key,
                    "VersionId": one.version_id,
                    "Code": error.code,
                    "Message": error.message,
                }
            )
    return document("DeleteResult", {"Deleted": [] if quiet else done, "Error": failed})


@dataclass(frozen=True)
class _Asked:
    """One entry of the list of what is to be deleted."""

    key: str
    version_id: str | None
    conditions: DeleteConditions


def _asked(element: Element) -> _Asked:
    key = element.findtext("Key")
    if key is None:
        raise S3Error("MalformedXML")
    conditions = _conditions(
        child_text(element, "ETag"),
        child_text(element, "LastModifiedTime"),
        child_text(element, "Size"),
        "MalformedXML",
    )
    return _Asked(key, child_text(element, "VersionId") or None, conditions)


def _delete(context: Context, one: _Asked, bypass: bool) -> dict[str, Any]:
    action = "s3:DeleteObjectVersion" if one.version_id else "s3:DeleteObject"
    context.need(action, "WRITE", key=one.key)
    deleted = context.store.delete(
        context.request.bucket, one.key, one.version_id, one.conditions, context.owner, bypass
    )
    entry: dict[str, Any] = {"Key": one.key, "VersionId": one.version_id}
    if deleted.delete_marker:
        entry |= {"DeleteMarker": True, "DeleteMarkerVersionId": deleted.version_id}
    return entry
