"""What is public, what blocks it, and who owns the objects of a bucket."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

NOTHING_BLOCKED = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": False,
}
ELSEWHERE = {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}
ANYWHERE = {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}


def policy(bucket: str, action: str = "s3:GetObject", **more: Any) -> str:
    allow = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": action,
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def status(operation: Any, **arguments: Any) -> int:
    """How an operation ends: its HTTP status."""
    try:
        return operation(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def block(s3, bucket) -> Any:
    """Turn some of the bucket's four blocks on, and the others off."""

    def put(*names: str) -> None:
        wanted = {name: name in names for name in NOTHING_BLOCKED}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)

    return put


# --- what is public ---------------------------------------------------------------------------

ONE_ACCOUNT = {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}


@pytest.mark.parametrize(
    ("acl", "rules", "public"),
    [
        ("private", None, False),
        ("public-read", None, True),
        ("authenticated-read", None, True),
        ("private", {}, True),
        ("private", {"Condition": ANYWHERE}, True),
        ("private", {"Condition": ELSEWHERE}, False),
        ("private", ONE_ACCOUNT, False),
        ("private", {"Effect": "Deny"}, False),
    ],
)
def test_a_bucket_is_public_by_its_policy_or_its_acl(s3, new_bucket, acl, rules, public) -> None:
    bucket = new_bucket(ACL=acl)
    if rules is not None:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, **rules))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is public


# --- what blocks it ---------------------------------------------------------------------------


def test_blocks_are_kept_until_they_are_deleted(s3, bucket, block, refused) -> None:
    absent = (404, "NoSuchPublicAccessBlockConfiguration")
    assert refused(s3.get_public_access_block, Bucket=bucket) == absent
    block("BlockPublicAcls", "BlockPublicPolicy")
    kept = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert kept == NOTHING_BLOCKED | {"BlockPublicAcls": True, "BlockPublicPolicy": True}
    for _ in range(2):
        assert status(s3.delete_public_access_block, Bucket=bucket) == 204
    assert refused(s3.get_public_access_block, Bucket=bucket) == absent


def test_blocks_are_read_by_whom_the_policy_lets(s3, alt, bucket, block) -> None:
    block("BlockPublicPolicy")
    assert status(alt.s3.get_public_access_block, Bucket=bucket) == 403
    deny = policy(bucket, "s3:GetBucketPublicAccessBlock", Effect="Deny")
    s3.put_bucket_policy(Bucket=bucket, Policy=deny)
    assert status(s3.get_public_access_block, Bucket=bucket) == 403


@pytest.mark.parametrize("acl", ["public-read", "public-read-write", "authenticated-read"])
def test_block_public_acls_refuses_to_set_one(s3, bucket, block, acl) -> None:
    s3.put_object(Bucket=bucket, Key="k")
    block("BlockPublicAcls")
    assert status(s3.put_bucket_acl, Bucket=bucket, ACL=acl) == 403
    assert status(s3.put_object, Bucket=bucket, Key="k", ACL=acl) == 403
    assert status(s3.put_object_acl, Bucket=bucket, Key="k", ACL=acl) == 403
    assert status(s3.create_multipart_upload, Bucket=bucket, Key="k", ACL=acl) == 403
    assert status(s3.put_object, Bucket=bucket, Key="k", ACL="private") == 200


def test_ignore_public_acls_takes_their_effect_from_them(s3, alt, bucket, block) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", ACL="public-read")
    for names, outcome, public in (((), 200, True), (("IgnorePublicAcls",), 403, False)):
        block(*names)
        assert status(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == 200
        assert status(alt.s3.list_objects, Bucket=bucket) == outcome
        assert status(alt.s3.get_object, Bucket=bucket, Key="k") == outcome
        assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is public


def test_block_public_policy_refuses_to_set_one(s3, bucket, block) -> None:
    block("BlockPublicPolicy")
    for rules, outcome in (({}, 403), (ONE_ACCOUNT, 204), ({"Condition": ELSEWHERE}, 204)):
        text = policy(bucket, **rules)
        assert status(s3.put_bucket_policy, Bucket=bucket, Policy=text) == outcome


def test_restricting_a_public_bucket_leaves_it_to_its_account(
    s3, alt, anonymous, bucket, block
) -> None:
    s3.put_object(Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    for names, outcome in (((), 200), (("RestrictPublicBuckets",), 403)):
        block(*names)
        for who in (alt.s3, anonymous):
            assert status(who.get_object, Bucket=bucket, Key="k") == outcome
        assert status(s3.get_object, Bucket=bucket, Key="k") == 200
    s3.put_bucket_policy(
        Bucket=bucket, Policy=policy(bucket, Principal={"AWS": alt.account.account_id})
    )
    assert status(alt.s3.get_object, Bucket=bucket, Key="k") == 200


# --- ownership --------------------------------------------------------------------------------

ACLS = [None, "bucket-owner-full-control", "private"]
NOT_SUPPORTED = (400, "AccessControlListNotSupported")
# Who owns what another account writes, under each of the ACLs; None: it is refused.
OWNERS = {
    "BucketOwnerEnforced": ["bucket", "bucket", None],
    "BucketOwnerPreferred": ["writer", "bucket", "writer"],
    "ObjectWriter": ["writer", "writer", "writer"],
}


def test_without_controls_there_are_none_to_read(s3, bucket, refused) -> None:
    absent = (404, "OwnershipControlsNotFoundError")
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == absent
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules("ObjectWriter"))
    for _ in range(2):
        assert status(s3.delete_bucket_ownership_controls, Bucket=bucket) == 204
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == absent


def rules(ownership: str) -> dict[str, Any]:
    return {"Rules": [{"ObjectOwnership": ownership}]}


@pytest.mark.parametrize("at_creation", [True, False])
@pytest.mark.parametrize("ownership", OWNERS)
def test_ownership_decides_whose_an_object_is(
    main, alt, new_bucket, refused, ownership, at_creation
) -> None:
    if at_creation:
        bucket = new_bucket(ObjectOwnership=ownership)
    else:
        bucket = new_bucket()
        main.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules(ownership))
    kept = main.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert kept == rules(ownership)
    main.s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, "*"))
    main.s3.put_object(Bucket=bucket, Key="source", Body=b"x", ACL="bucket-owner-full-control")
    accounts = {"bucket": main.account, "writer": alt.account}
    writes = [
        (alt.s3.put_object, {}, alt.s3.get_object_acl),
        (alt.s3.copy_object, {"CopySource": f"{bucket}/source"}, alt.s3.get_object_acl),
        (alt.s3.create_multipart_upload, {}, alt.s3.list_parts),
    ]
    for acl, owner in zip(ACLS, OWNERS[ownership], strict=True):
        for write, arguments, read in writes:
            asked = {"Bucket": bucket, "Key": "k", **arguments, **({"ACL": acl} if acl else {})}
            if owner is None:
                assert refused(write, **asked) == NOT_SUPPORTED
                continue
            made = write(**asked)
            upload = {"UploadId": made["UploadId"]} if "UploadId" in made else {}
            found = read(Bucket=bucket, Key="k", **upload)["Owner"]
            expected = accounts[owner]
            assert found == {"ID": expected.canonical_id, "DisplayName": expected.display_name}


def test_where_acls_are_disabled_none_is_set_and_none_counts(main, alt, bucket, refused) -> None:
    s3, owner = main.s3, main.account.canonical_id
    s3.put_object(Bucket=bucket, Key="k", ACL="public-read")
    assert status(alt.s3.get_object, Bucket=bucket, Key="k") == 200
    enforced = {"OwnershipControls": rules("BucketOwnerEnforced"), "Bucket": bucket}
    s3.put_bucket_ownership_controls(**enforced)
    assert status(alt.s3.get_object, Bucket=bucket, Key="k") == 403
    assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="private") == NOT_SUPPORTED
    assert refused(s3.put_object_acl, Bucket=bucket, Key="k", ACL="private") == NOT_SUPPORTED
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [(g["Grantee"]["ID"], g["Permission"]) for g in grants] == [(owner, "FULL_CONTROL")]
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert status(alt.s3.get_object, Bucket=bucket, Key="k") == 200


def test_a_public_bucket_does_not_have_its_acl_disabled(s3, new_bucket, refused) -> None:
    outcome = (400, "InvalidBucketAclWithObjectOwnership")
    bucket = new_bucket(ACL="public-read")
    enforced = {"OwnershipControls": rules("BucketOwnerEnforced"), "Bucket": bucket}
    assert refused(s3.put_bucket_ownership_controls, **enforced) == outcome
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert status(s3.put_bucket_ownership_controls, **enforced) == 200
    new = {"Bucket": f"{bucket}-2", "ObjectOwnership": "BucketOwnerEnforced"}
    assert refused(s3.create_bucket, **new, ACL="public-read") == outcome
    assert status(s3.create_bucket, **new, ACL="private") == 200


def test_ownership_is_one_of_three(s3, bucket, refused) -> None:
    wrong = {"OwnershipControls": rules("Nobody"), "Bucket": bucket}
    assert refused(s3.put_bucket_ownership_controls, **wrong) == (400, "MalformedXML")
    new = {"Bucket": f"{bucket}-2", "ObjectOwnership": "Nobody"}
    assert refused(s3.create_bucket, **new) == (400, "InvalidArgument")
