"""Who may reach a bucket: its policy, the blocks on public access, and who owns its objects."""

import json
from typing import Any

from amazonian.cloud.s3.buckets import change, set_setting
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, child_text, document, parse_document
from amazonian.iam.policy import MalformedPolicyError, Policy
from amazonian.s3 import access
from amazonian.s3.errors import S3Error
from amazonian.s3.records import with_setting

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
    _check_statements(context, json.loads(text))
    if access.blocks(context.bucket, "BlockPublicPolicy") and parsed.grants_public():
        raise S3Error("AccessDenied")
    confirmed = context.request.headers.get("x-amz-confirm-remove-self-bucket-access", "")
    _set_policy(context, text, confirmed.lower() == "true" or None)
    return Response(204)


def _set_policy(context: Context, text: str | None, binds_root: bool | None = None) -> None:
    """Replace the policy, and whether it may shut out the root of the bucket's own account."""
    change(
        context,
        lambda bucket: with_setting(
            with_setting(bucket, "policy", text), "policy_binds_root", binds_root
        ),
    )


def _check_statements(context: Context, policy: dict[str, Any]) -> None:
    """A bucket's policy speaks of that bucket alone, and names those whom it lets in."""
    statements = policy["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement["Effect"] == "Allow" and "NotPrincipal" in statement:
            raise S3Error("MalformedPolicy", "Allow with NotPrincipal is not allowed.")
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
    _set_policy(context, None)
    return Response(204)


@operation(
    "GetBucketPolicyStatus",
    "GET",
    "bucket",
    subresource="policyStatus",
    action="s3:GetBucketPolicyStatus",
)
def get_bucket_policy_status(context: Context) -> Response:
    return document("PolicyStatus", {"IsPublic": access.is_public(context.bucket)})


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
    if ownership not in access.OWNERSHIPS:
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
