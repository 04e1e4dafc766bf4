"""Buckets: create, head, location, delete; and their settings that are documents of their own."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from amazonian.cloud.s3 import grants
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document
from amazonian.iam.policy import MalformedPolicyError, Policy
from amazonian.s3 import access, objectlock
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import Bucket, with_setting
from amazonian.s3.naming import check_bucket_name

DEFAULT_REGION = "us-east-1"
OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
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
        if ownership not in OWNERSHIPS:
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
    if access.acls_disabled(bucket) and grants.asks_for_acl(request.headers):
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
    context.store.metadata.delete_bucket(context.bucket.name)
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


# --- policy -----------------------------------------------------------------------------------


@operation("GetBucketPolicy", "GET", "bucket", subresource="policy", action="s3:GetBucketPolicy")
def get_bucket_policy(context: Context) -> Response:
    text = context.bucket.settings.get("policy")
    if text is None:
        raise S3Error("NoSuchBucketPolicy", "The bucket policy does not exist")
    return Response(200, {"content-type": "application/json"}, text.encode())


@operation("PutBucketPolicy", "PUT", "bucket", subresource="policy", action="s3:PutBucketPolicy")
def put_bucket_policy(context: Context) -> Response:
    text = context.document().decode(errors="replace")
    try:
        parsed = Policy.parse(text, resource_policy=True)
    except MalformedPolicyError as error:
        raise S3Error("MalformedPolicy", str(error)) from None
    _check_resources(context, json.loads(text))
    if access.blocks(context.bucket, "BlockPublicPolicy") and parsed.grants_public():
        raise S3Error("AccessDenied")
    set_setting(context, "policy", text)
    return Response(204)


def _check_resources(context: Context, policy: dict[str, Any]) -> None:
    """A bucket's policy speaks of that bucket alone."""
    statements = policy["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        resources = statement.get("Resource", statement.get("NotResource", []))
        for resource in [resources] if isinstance(resources, str) else resources:
            name = resource.rpartition(":::")[2].partition("/")[0]
            if name != context.bucket.name and not set(name) & {"*", "?", "$"}:
                raise S3Error("MalformedPolicy", "Policy has invalid resource")


@operation(
    "DeleteBucketPolicy",
    "DELETE",
    "bucket",
    subresource="policy",
    action="s3:DeleteBucketPolicy",
)
def delete_bucket_policy(context: Context) -> Response:
    set_setting(context, "policy", None)
    return Response(204)


@operation(
    "GetBucketPolicyStatus",
    "GET",
    "bucket",
    subresource="policyStatus",
    action="s3:GetBucketPolicyStatus",
)
def get_bucket_policy_status(context: Context) -> Response:
    policy = access.bucket_policy(context.bucket)
    if policy is None:
        raise S3Error("NoSuchBucketPolicy", "The bucket policy does not exist")
    return document("PolicyStatus", {"IsPublic": policy.grants_public()})


# --- public access and ownership --------------------------------------------------------------


@operation(
    "GetPublicAccessBlock",
    "GET",
    "bucket",
    subresource="publicAccessBlock",
    action="s3:GetBucketPublicAccessBlock",
)
def get_public_access_block(context: Context) -> Response:
    kept = context.bucket.settings.get("public_access_block")
    if kept is None:
        raise S3Error(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
    return document("PublicAccessBlockConfiguration", kept)


@operation(
    "PutPublicAccessBlock",
    "PUT",
    "bucket",
    subresource="publicAccessBlock",
    action="s3:PutBucketPublicAccessBlock",
)
def put_public_access_block(context: Context) -> Response:
    root = parse_document(context.document(), "PublicAccessBlockConfiguration")
    wanted = {name: child_text(root, name) == "true" for name in access.BLOCKS}
    set_setting(context, "public_access_block", wanted)
    return Response()


@operation(
    "DeletePublicAccessBlock",
    "DELETE",
    "bucket",
    subresource="publicAccessBlock",
    action="s3:PutBucketPublicAccessBlock",
)
def delete_public_access_block(context: Context) -> Response:
    set_setting(context, "public_access_block", None)
    return Response(204)


@operation(
    "GetBucketOwnershipControls",
    "GET",
    "bucket",
    subresource="ownershipControls",
    action="s3:GetBucketOwnershipControls",
)
def get_bucket_ownership_controls(context: Context) -> Response:
    ownership = context.bucket.settings.get("ownership")
    if ownership is None:
        raise S3Error(
            "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"
        )
    return document("OwnershipControls", {"Rule": {"ObjectOwnership": ownership}})


@operation(
    "PutBucketOwnershipControls",
    "PUT",
    "bucket",
    subresource="ownershipControls",
    action="s3:PutBucketOwnershipControls",
)
def put_bucket_ownership_controls(context: Context) -> Response:
    root = parse_document(context.document(), "OwnershipControls")
    ownership = child_text(root, "Rule/ObjectOwnership")
    if ownership not in OWNERSHIPS:
        raise S3Error("MalformedXML")
    others = [
        g for g in context.bucket.settings.get("acl", []) if g["grantee"] != context.bucket.owner
    ]
    if ownership == access.OWNER_ENFORCED and others:
        raise S3Error(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
    set_setting(context, "ownership", ownership)
    return Response()


@operation(
    "DeleteBucketOwnershipControls",
    "DELETE",
    "bucket",
    subresource="ownershipControls",
    action="s3:PutBucketOwnershipControls",
)
def delete_bucket_ownership_controls(context: Context) -> Response:
    set_setting(context, "ownership", None)
    return Response(204)
