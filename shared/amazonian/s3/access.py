"""Who may do what to a bucket or an object: policies, ACLs, and the blocks over both.

The order of S3 User Guide, "How Amazon S3 authorizes a request": an explicit deny in any policy
wins; then the policies of the caller's own account and of the bucket are united; where neither
speaks, the ACL may. IAM's part of the decision is :func:`amazonian.iam.policy.evaluate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amazonian.iam import policy
from amazonian.iam.identities import Caller, Identities
from amazonian.iam.policy import AccessRequest, Effect, Policy
from amazonian.s3 import acl
from amazonian.s3.errors import S3Error
from amazonian.s3.metadata import Bucket, Details

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
OWNER_ENFORCED = "BucketOwnerEnforced"
OWNER_PREFERRED = "BucketOwnerPreferred"
OWNERSHIPS = (OWNER_ENFORCED, OWNER_PREFERRED, "ObjectWriter")


@dataclass(frozen=True)
class Question:
    """What is asked of the access check.

    Args:
        action: IAM's name of it, such as ``s3:GetObject``.
        permission: the ACL permission that also allows it (``READ`` …), or None.
        bucket: on which it acts.
        key: on which it acts, or None for the bucket itself.
        object_details: of the object, where its own ACL counts; None otherwise.
        context: condition keys of the request.
    """

    action: str
    permission: str | None
    bucket: Bucket
    key: str | None = None
    object_details: Details | None = None
    context: Mapping[str, Sequence[str]] | None = None

    @property
    def resource(self) -> str:
        arn = f"arn:aws:s3:::{self.bucket.name}"
        return arn if self.key is None else f"{arn}/{self.key}"


def acls_disabled(bucket: Bucket) -> bool:
    return bucket.settings.get("ownership") == OWNER_ENFORCED


def blocks(bucket: Bucket, name: str) -> bool:
    """Whether one of the four settings of block public access is on."""
    return bool(bucket.settings.get("public_access_block", {}).get(name))


def bucket_policy(bucket: Bucket) -> Policy | None:
    text = bucket.settings.get("policy")
    return None if text is None else _parsed(text)


_parsed_policies: dict[str, Policy] = {}


def _parsed(text: str) -> Policy:
    if text not in _parsed_policies:
        if len(_parsed_policies) > 1000:
            _parsed_policies.clear()
        _parsed_policies[text] = Policy.parse(text, resource_policy=True)
    return _parsed_policies[text]


def may(identities: Identities, caller: Caller | None, question: Question) -> bool:
    """Whether a caller (None: anonymous) may do what is asked."""
    bucket = question.bucket
    request = AccessRequest(
        caller.principal if caller else None,
        question.action,
        question.resource,
        question.context or {},
    )
    own = identities.policies_of(caller.principal) if caller and not caller.is_root else []
    attached = bucket_policy(bucket)
    by_identity = policy.evaluate(own, request) if own else Effect.IMPLICIT_DENY
    by_resource = policy.evaluate([attached], request) if attached else Effect.IMPLICIT_DENY
    if Effect.DENY in (by_identity, by_resource):
        return False
    if caller and caller.is_root:
        by_identity = Effect.ALLOW
    account = caller.account.canonical_id if caller else None
    restricted = blocks(bucket, "RestrictPublicBuckets") and account != bucket.owner
    if restricted and attached and attached.grants_public():
        by_resource = Effect.IMPLICIT_DENY
    owner = bucket.owner
    if question.object_details is not None and not acls_disabled(bucket):
        owner = question.object_details.owner
    if account == owner or account == bucket.owner == owner:
        return Effect.ALLOW in (by_identity, by_resource)
    if by_resource is Effect.ALLOW:
        return caller is None or by_identity is Effect.ALLOW
    if caller and by_identity is not Effect.ALLOW:
        return False
    return _acl_permits(question, account)


def _acl_permits(question: Question, account: str | None) -> bool:
    bucket, permission = question.bucket, question.permission
    if permission is None or acls_disabled(bucket):
        return False
    of_object = question.object_details is not None
    grants = question.object_details.acl if of_object else bucket.settings.get("acl", [])
    if blocks(bucket, "IgnorePublicAcls"):
        grants = [g for g in grants if g["grantee"] not in ("AllUsers", "AuthenticatedUsers")]
    return acl.permits(grants, account, permission)


def need(identities: Identities, caller: Caller | None, question: Question) -> None:
    """
    Raises:
        S3Error: ``AccessDenied``.
    """
    if not may(identities, caller, question):
        raise S3Error("AccessDenied")


def check_acl(bucket: Bucket, grants: list[acl.Grant], canned: str | None) -> None:
    """Whether an ACL may be set in a bucket.

    Raises:
        S3Error: ``AccessControlListNotSupported``: the bucket's owner owns everything in it;
            ``AccessDenied``: the ACL is public, and the bucket blocks public ACLs.
    """
    if acls_disabled(bucket) and canned not in (
        "bucket-owner-full-control",
        "private",
    ):
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if blocks(bucket, "BlockPublicAcls") and acl.is_public(grants):
        raise S3Error("AccessDenied")
