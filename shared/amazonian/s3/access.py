"""Who may do what to a bucket or an object: policies, ACLs, and the blocks over both.

The order of S3 User Guide, "How Amazon S3 authorizes a request": an explicit deny in any policy
wins; then the policies of the caller's own account and of the bucket are united; where the
bucket's does not allow, the ACL may. An object that another account wrote into the bucket is that
account's own: the bucket's policy may deny it to somebody, but not give it away. IAM's part of
the decision is :func:`~amazonian.iam.policy.evaluate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amazonian.iam import policy
from amazonian.iam.identities import Caller, Identities
from amazonian.iam.policy import AccessRequest, Effect, Policy
from amazonian.s3 import acl
from amazonian.s3.errors import S3Error
from amazonian.s3.records import Bucket, Details

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

    @property
    def owner(self) -> str:
        """The canonical id of whoever must allow it, the object's owner or else the bucket's."""
        if self.object_details is None or acls_disabled(self.bucket):
            return self.bucket.owner
        return self.object_details.owner


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
    """Whether a caller (None: anonymous) may do what is asked.

    Within the owner's account, its own policies or the bucket's may allow it. From another
    account both sides must: the owner, by policy or ACL, and the caller's account.
    """
    account = caller.account.canonical_id if caller else None
    if caller and caller.is_root and _keeps_the_key(question, account):
        return True
    inside = account == question.owner
    request = AccessRequest(
        caller.principal if caller else None,
        question.action,
        question.resource,
        question.context or {},
        delegated=not inside,
    )
    by_caller = _by_identity(identities, caller, request)
    by_policy = _by_bucket_policy(question, account, request)
    if Effect.DENY in (by_caller, by_policy):
        return False
    if inside:
        return Effect.ALLOW in (by_caller, by_policy)
    by_owner = by_policy is Effect.ALLOW or _acl_permits(question, account)
    return by_owner and (caller is None or by_caller is Effect.ALLOW)


_POLICY_ACTIONS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")


def _keeps_the_key(question: Question, account: str | None) -> bool:
    """Whether it is the root of the bucket's account, come to mend a policy that shuts it out.

    It may, unless whoever put the policy confirmed that this right is to go.
    """
    bucket = question.bucket
    own = account == bucket.owner and question.action in _POLICY_ACTIONS
    return own and not bucket.settings.get("policy_binds_root")


def _by_identity(identities: Identities, caller: Caller | None, request: AccessRequest) -> Effect:
    if caller is None:
        return Effect.IMPLICIT_DENY
    if caller.is_root:
        return Effect.ALLOW
    return policy.evaluate(identities.policies_of(caller.principal), request)


def _by_bucket_policy(question: Question, account: str | None, request: AccessRequest) -> Effect:
    """What the bucket's policy says; what it allows does not always count."""
    bucket = question.bucket
    attached = bucket_policy(bucket)
    if attached is None:
        return Effect.IMPLICIT_DENY
    effect = policy.evaluate([attached], request)
    outside = account != bucket.owner
    restricted = outside and blocks(bucket, "RestrictPublicBuckets") and attached.grants_public()
    if effect is Effect.ALLOW and (restricted or question.owner != bucket.owner):
        return Effect.IMPLICIT_DENY
    return effect


def _acl_permits(question: Question, account: str | None) -> bool:
    bucket, permission = question.bucket, question.permission
    if permission is None or acls_disabled(bucket):
        return False
    details = question.object_details
    grants = bucket.settings.get("acl", []) if details is None else details.acl
    if blocks(bucket, "IgnorePublicAcls"):
        grants = [g for g in grants if not acl.is_public([g])]
    return acl.permits(grants, account, permission)


def is_public(bucket: Bucket) -> bool:
    """Whether S3 calls the bucket public: by its policy, or by an ACL that is not ignored."""
    attached = bucket_policy(bucket)
    if attached is not None and attached.grants_public():
        return True
    ignored = acls_disabled(bucket) or blocks(bucket, "IgnorePublicAcls")
    return not ignored and acl.is_public(bucket.settings.get("acl", []))


def need(identities: Identities, caller: Caller | None, question: Question) -> None:
    """
    Raises:
        S3Error: ``AccessDenied``.
    """
    if not may(identities, caller, question):
        raise S3Error("AccessDenied")


def check_acl(bucket: Bucket, grants: list[acl.Grant]) -> None:
    """Whether an ACL may be set in a bucket.

    Raises:
        S3Error: ``AccessControlListNotSupported``: the bucket's owner owns everything in it;
            ``AccessDenied``: the ACL is public, and the bucket blocks public ACLs.
    """
    if acls_disabled(bucket):
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if blocks(bucket, "BlockPublicAcls") and acl.is_public(grants):
        raise S3Error("AccessDenied")
