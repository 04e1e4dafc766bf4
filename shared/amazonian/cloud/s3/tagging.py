"""Tags of objects and of buckets."""

from dataclasses import replace

from amazonian.cloud.s3 import attributes
from amazonian.cloud.s3.buckets import set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document, parse_document
from amazonian.s3.errors import S3Error

MOST_BUCKET_TAGS = 50


def _to_xml(tags: dict[str, str], **headers: str) -> Response:
    listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    return document("Tagging", {"TagSet": {"Tag": listed}}, **headers)


def parse_tags(body: bytes, most: int) -> dict[str, str]:
    """A ``Tagging`` document.

    Raises:
        S3Error: ``MalformedXML`` or ``InvalidTag``.
    """
    root = parse_document(body, "Tagging")
    pairs = []
    for element in root.findall("TagSet/Tag"):
        key, value = element.findtext("Key"), element.findtext("Value")
        if key is None or value is None:
            raise S3Error("MalformedXML")
        pairs.append((key, value))
    return attributes.check_tags(pairs, most)


@operation(
    "GetObjectTagging",
    "GET",
    "object",
    subresource="tagging",
    action="s3:GetObjectTagging",
    versioned_action="s3:GetObjectVersionTagging",
    acl_of="object",
)
def get_object_tagging(context: Context) -> Response:
    version = context.existing()
    return _to_xml(version.details.tags, **attributes.version_header(context, version))


@operation(
    "PutObjectTagging",
    "PUT",
    "object",
    subresource="tagging",
    acl_of="object",
)
def put_object_tagging(context: Context) -> Response:
    tags = parse_tags(context.document(), attributes.MOST_TAGS)
    context.extra["request_tags"] = tags
    versioned = context.request.parameter("versionId") is not None
    details = context.version.details if context.version else None
    context.need(
        "s3:PutObjectVersionTagging" if versioned else "s3:PutObjectTagging",
        object_details=details,
    )
    version = context.existing()
    context.store.change_details(version, lambda current: replace(current.details, tags=tags))
    return Response(200, attributes.version_header(context, version))


@operation(
    "DeleteObjectTagging",
    "DELETE",
    "object",
    subresource="tagging",
    action="s3:DeleteObjectTagging",
    versioned_action="s3:DeleteObjectVersionTagging",
    acl_of="object",
)
def delete_object_tagging(context: Context) -> Response:
    version = context.existing()
    context.store.change_details(version, lambda current: replace(current.details, tags={}))
    return Response(204, attributes.version_header(context, version))


@operation("GetBucketTagging", "GET", "bucket", subresource="tagging", action="s3:GetBucketTagging")
def get_bucket_tagging(context: Context) -> Response:
    tags = context.bucket.settings.get("tags")
    if not tags:
        raise S3Error("NoSuchTagSet", "The TagSet does not exist")
    return _to_xml(tags)


@operation("PutBucketTagging", "PUT", "bucket", subresource="tagging", action="s3:PutBucketTagging")
def put_bucket_tagging(context: Context) -> Response:
    set_setting(context, "tags", parse_tags(context.document(), MOST_BUCKET_TAGS))
    return Response(204)


@operation(
    "DeleteBucketTagging", "DELETE", "bucket", subresource="tagging", action="s3:PutBucketTagging"
)
def delete_bucket_tagging(context: Context) -> Response:
    set_setting(context, "tags", None)
    return Response(204)
