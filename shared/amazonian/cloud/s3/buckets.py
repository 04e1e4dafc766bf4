"""Buckets: create, head, location, delete; and their settings that are documents of their own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from amazonian.cloud.s3 import grants
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document
from amazonian.s3 import access, objectlock
from amazonian.s3.acl import canned
from amazonian.s3.errors import S3Error
from amazonian.s3.naming import check_bucket_name
from amazonian.s3.records import Bucket, with_setting

DEFAULT_REGION = "us-east-1"
MOST_BUCKETS = 1000


def change(context: Context, edit: Callable[[Bucket], Bucket]) -> None:
    context.store.metadata.change_bucket(context.bucket.name, edit)


def set_setting(context: Context, name: str, value: Any) -> None:
    change(context, lambda bucket: with_setting(bucket, name, value))


# --- the bucket itself ------------------------------------------------------------------------


@operation("CreateBucket", "PUT", "bucket")
def create_bucket(context: Context) -> Response:
    request, store = context.request, context.store
    caller = context.caller
    if caller is None:
        raise S3Error("AccessDenied")
    check_bucket_name(request.bucket)
    region = DEFAULT_REGION
    body = context.document()
    if body.strip():
        root = parse_document(body, "CreateBucketConfiguration")
        region = child_text(root, "LocationConstraint") or DEFAULT_REGION
    settings: dict[str, Any] = {}
    ownership = request.headers.get("x-amz-object-ownership")
    if ownership is not None:
        if ownership not in access.OWNERSHIPS:
            raise S3Error("InvalidArgument", f"Invalid x-amz-object-ownership header: {ownership}")
        settings["ownership"] = ownership
    versioning = ""
    if request.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
        settings["object_lock"], versioning = {}, "Enabled"
    bucket = Bucket(request.bucket, context.owner, store.now(), region, versioning, settings)
    context.named_bucket = bucket
    if not context.may("s3:CreateBucket"):
        raise S3Error("AccessDenied")
    acl = grants.parse_headers(context, request.headers, context.owner, context.owner)
    private = acl == canned("private", context.owner, context.owner)
    if access.acls_disabled(bucket) and not private:
        raise S3Error(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
    settings["acl"] = acl
    if len(store.metadata.buckets(context.owner)) >= MOST_BUCKETS:
        raise S3Error("TooManyBuckets", "You have attempted to create more buckets than allowed.")
    _create(context, bucket)
    return Response(200, {"location": f"/{bucket.name}"})


def _create(context: Context, bucket: Bucket) -> None:
    """Create it. In us-east-1 its owner may ask again, in the same words, and nothing changes."""
    try:
        context.store.metadata.create_bucket(bucket)
    except S3Error as error:
        if error.code != "BucketAlreadyOwnedByYou":
            raise
        existing = context.store.metadata.bucket(bucket.name)
        if existing.settings.get("acl") != bucket.settings["acl"]:
            raise S3Error("BucketAlreadyExists") from None
        if existing.region != DEFAULT_REGION or bucket.region != DEFAULT_REGION:
            raise


@operation("HeadBucket", "HEAD", "bucket", action="s3:ListBucket", permission="READ", quick=True)
def head_bucket(context: Context) -> Response:
    headers = {"x-amz-bucket-region": context.bucket.region}
    if context.request.parameter("read-stats") == "true":  # as clients of Ceph's S3 ask
        count, size = context.store.metadata.usage(context.bucket.name)
        headers["x-rgw-object-count"], headers["x-rgw-bytes-used"] = str(count), str(size)
        headers["x-rgw-quota-max-buckets"] = str(MOST_BUCKETS)
    return Response(200, headers)


@operation(
    "GetBucketLocation", "GET", "bucket", subresource="location", action="s3:GetBucketLocation"
)
def get_bucket_location(context: Context) -> Response:
    region = context.bucket.region
    answer = document("LocationConstraint", {})
    if region != DEFAULT_REGION:
        answer.body = answer.body.replace(b" />", f">{region}</LocationConstraint>".encode())
    return answer


@operation("DeleteBucket", "DELETE", "bucket", action="s3:DeleteBucket")
def delete_bucket(context: Context) -> Response:
    context.store.delete_bucket(context.bucket.name)
    return Response(204)


# --- versioning -------------------------------------------------------------------------------


@operation(
    "GetBucketVersioning",
    "GET",
    "bucket",
    subresource="versioning",
    action="s3:GetBucketVersioning",
)
def get_bucket_versioning(context: Context) -> Response:
    return document("VersioningConfiguration", {"Status": context.bucket.versioning or None})


@operation(
    "PutBucketVersioning",
    "PUT",
    "bucket",
    subresource="versioning",
    action="s3:PutBucketVersioning",
)
def put_bucket_versioning(context: Context) -> Response:
    root = parse_document(context.document(), "VersioningConfiguration")
    status = child_text(root, "Status")
    if status not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    if status == "Suspended" and objectlock.enabled(context.bucket):
        raise S3Error(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state "
            "cannot be changed.",
        )
    change(context, lambda bucket: replace(bucket, versioning=status))
    return Response()
