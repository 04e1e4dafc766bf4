"""Access-control lists: who holds which permission on a bucket or an object.

A list is a tuple of grants in plain data, ``{"grantee": …, "permission": …}``: the grantee is
a canonical id, ``AllUsers``, ``AuthenticatedUsers`` or ``LogDelivery``. S3 User Guide, "Access
control list (ACL) overview".
"""

from amazonian.s3.errors import S3Error

GROUPS = {
    "AllUsers": "http://acs.amazonaws.com/groups/global/AllUsers",
    "AuthenticatedUsers": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    "LogDelivery": "http://acs.amazonaws.com/groups/s3/LogDelivery",
}
PERMISSIONS = ("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP")

Grant = dict[str, str]


def grant(grantee: str, permission: str) -> Grant:
    return {"grantee": grantee, "permission": permission}


def canned(name: str, owner: str, bucket_owner: str) -> list[Grant]:
    """The list that a canned ACL stands for.

    Args:
        name: such as ``public-read``.
        owner: the canonical id of what the list is for.
        bucket_owner: of the bucket (for an object).

    Raises:
        S3Error: ``InvalidArgument``: there is no such canned ACL.
    """
    full = [grant(owner, "FULL_CONTROL")]
    others = {
        "private": [],
        "public-read": [grant("AllUsers", "READ")],
        "public-read-write": [grant("AllUsers", "READ"), grant("AllUsers", "WRITE")],
        "authenticated-read": [grant("AuthenticatedUsers", "READ")],
        "bucket-owner-read": [grant(bucket_owner, "READ")] if bucket_owner != owner else [],
        "bucket-owner-full-control": (
            [grant(bucket_owner, "FULL_CONTROL")] if bucket_owner != owner else []
        ),
        "log-delivery-write": [grant("LogDelivery", "WRITE"), grant("LogDelivery", "READ_ACP")],
        "aws-exec-read": [],
    }
    if name not in others:
        raise S3Error("InvalidArgument", ArgumentName="x-amz-acl", ArgumentValue=name)
    return full + others[name]


def permits(acl: list[Grant], canonical_id: str | None, permission: str) -> bool:
    """Whether the list gives `permission` to an account (None: to an anonymous caller)."""
    holders = {"AllUsers"}
    if canonical_id is not None:
        holders |= {"AuthenticatedUsers", canonical_id}
    return any(
        g["grantee"] in holders and g["permission"] in (permission, "FULL_CONTROL") for g in acl
    )


def is_public(acl: list[Grant]) -> bool:
    """Whether the list grants anything to everybody, or to everybody with an AWS account."""
    return any(g["grantee"] in ("AllUsers", "AuthenticatedUsers") for g in acl)
