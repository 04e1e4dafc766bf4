"""Bucket policies: whom they let in, under which conditions, and what they must not say."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

TAGS = {"TagSet": [{"Key": "level", "Value": "open"}, {"Key": "other", "Value": "x"}]}


def statement(bucket: str, *actions: str, on: str = "/*", **more: Any) -> dict[str, Any]:
    """A statement about a bucket's objects (`on`: about what else of it)."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": list(actions),
        "Resource": f"arn:aws:s3:::{bucket}{on}",
        **more,
    }


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def status(operation: Any, **arguments: Any) -> int:
    """How an operation ends: its HTTP status."""
    try:
        return operation(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def set_policy(s3, bucket) -> Any:
    """Give the bucket a policy of these statements."""
    return lambda *statements: s3.put_bucket_policy(Bucket=bucket, Policy=policy(*statements))


def test_a_policy_is_kept_as_it_was_written(s3, bucket, refused) -> None:
    absent = (404, "NoSuchBucketPolicy")
    assert refused(s3.get_bucket_policy, Bucket=bucket) == absent
    text = policy(statement(bucket, "s3:GetObject")) + " \n"
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == absent


MALFORMED = {
    "no JSON": lambda b: "a policy",
    "no statement": lambda b: policy(),
    "another bucket": lambda b: policy(statement("another", "s3:GetObject")),
    "no principal": lambda b: policy({**statement(b, "s3:GetObject"), "Principal": {}}),
    "no such effect": lambda b: policy(statement(b, "s3:GetObject", Effect="Maybe")),
    "no such operator": lambda b: policy(
        statement(b, "s3:GetObject", Condition={"Roughly": {"s3:prefix": "a"}})
    ),
    "everyone but one": lambda b: policy(
        {
            "Effect": "Allow",
            "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{b}",
        }
    ),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_policy_is_refused(s3, bucket, refused, text) -> None:
    arguments = {"Bucket": bucket, "Policy": text(bucket)}
    assert refused(s3.put_bucket_policy, **arguments) == (400, "MalformedPolicy")


def test_one_policy_may_serve_several_buckets(main, alt, new_bucket) -> None:
    buckets = [new_bucket(), new_bucket()]
    everywhere = {**statement("", "s3:ListBucket"), "Resource": ["arn:aws:s3:::*"]}
    for name in buckets:
        main.s3.put_bucket_policy(Bucket=name, Policy=policy(everywhere))
        assert status(alt.s3.list_objects, Bucket=name) == 200
        assert status(alt.s3.list_objects_v2, Bucket=name) == 200
        assert status(alt.s3.put_object, Bucket=name, Key="k") == 403


def test_principals_are_accounts_users_ids_or_everybody(main, alt, anonymous, bucket) -> None:
    number, s3 = alt.account.account_id, main.s3
    s3.put_object(Bucket=bucket, Key="k")
    ways = [
        ("*", (200, 200)),
        ({"AWS": "*"}, (200, 200)),
        ({"AWS": number}, (200, 403)),
        ({"AWS": ["arn:aws:iam::111122223333:root", f"arn:aws:iam::{number}:root"]}, (200, 403)),
        ({"CanonicalUser": alt.account.canonical_id}, (200, 403)),
        ({"AWS": "arn:aws:iam::111122223333:root"}, (403, 403)),
    ]
    for principal, outcomes in ways:
        allow = statement(bucket, "s3:GetObject", Principal=principal)
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow))
        readers = (alt.s3, anonymous)
        assert tuple(status(who.get_object, Bucket=bucket, Key="k") for who in readers) == outcomes


def test_a_denial_outweighs_acls_and_the_owner(main, alt, bucket, set_policy) -> None:
    main.s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert status(alt.s3.list_objects_v2, Bucket=bucket) == 200
    set_policy(statement(bucket, "s3:ListBucket", on="", Effect="Deny"))
    for who in (alt.s3, main.s3):
        assert status(who.list_objects, Bucket=bucket) == 403
        assert status(who.list_objects_v2, Bucket=bucket) == 403


def test_parts_are_put_by_who_may_put_the_object(s3, alt, bucket, set_policy, refused) -> None:
    upload = {"Bucket": bucket, "Key": "k"}
    for on, outcome in (("", 403), ("/other", 403), ("/k", 200)):
        set_policy(statement(bucket, "s3:PutObject", on=on))
        assert status(alt.s3.create_multipart_upload, **upload) == outcome
    upload["UploadId"] = alt.s3.create_multipart_upload(**upload)["UploadId"]
    part = alt.s3.upload_part(**upload, PartNumber=1, Body=b"x")
    assert refused(alt.s3.list_parts, **upload) == (403, "AccessDenied")
    listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert status(alt.s3.complete_multipart_upload, **upload, MultipartUpload=listed) == 200


# --- conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("s3:GetObject", "get_object"),
        ("s3:GetObjectTagging", "get_object_tagging"),
        ("s3:GetObjectAcl", "get_object_acl"),
    ],
)
def test_an_objects_tags_may_open_it(main, alt, bucket, set_policy, action, operation) -> None:
    tagged = {"StringEquals": {"s3:ExistingObjectTag/level": "open"}}
    set_policy(statement(bucket, action, Condition=tagged))
    for key, tags in (("open", "level=open&a=b"), ("closed", "level=no"), ("plain", "levels=open")):
        main.s3.put_object(Bucket=bucket, Key=key, Tagging=tags)
    reader = getattr(alt.s3, operation)
    found = {key: status(reader, Bucket=bucket, Key=key) for key in ("open", "closed", "plain")}
    assert found == {"open": 200, "closed": 403, "plain": 403}
    others = {"get_object", "get_object_tagging", "get_object_acl"} - {operation}
    for other in others:
        assert status(getattr(alt.s3, other), Bucket=bucket, Key="open") == 403


def test_who_tags_an_object_may_shut_himself_out(main, alt, bucket, set_policy) -> None:
    tagged = {"StringEquals": {"s3:ExistingObjectTag/level": "open"}}
    set_policy(statement(bucket, "s3:PutObjectTagging", Condition=tagged))
    main.s3.put_object(Bucket=bucket, Key="k", Tagging="level=open")
    closed = {"TagSet": [{"Key": "level", "Value": "closed"}]}
    for tags, outcome in ((TAGS, 200), (closed, 200), (TAGS, 403)):
        assert status(alt.s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tags) == outcome


def test_others_tag_and_untag_only_where_they_may(main, alt, bucket, set_policy) -> None:
    main.s3.put_object(Bucket=bucket, Key="k")
    put = {"Bucket": bucket, "Key": "k", "Tagging": TAGS}
    for action, outcomes in (
        ("s3:PutObjectTagging", (200, 403)),
        ("s3:DeleteObjectTagging", (403, 204)),
    ):
        set_policy(statement(bucket, action))
        assert status(alt.s3.put_object_tagging, **put) == outcomes[0]
        assert status(alt.s3.delete_object_tagging, Bucket=bucket, Key="k") == outcomes[1]
    assert main.s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


PUTS = [
    ("StringEquals", "s3:RequestObjectTag/level", "open", {"Tagging": "level=open"}),
    ("StringEquals", "s3:x-amz-acl", "private", {"ACL": "private"}),
    ("StringLike", "s3:x-amz-grant-full-control", "id=*", {"GrantFullControl": "id={owner}"}),
    ("StringEquals", "s3:x-amz-storage-class", "GLACIER", {"StorageClass": "GLACIER"}),
]


@pytest.mark.parametrize(("operator", "key", "value", "arguments"), PUTS)
def test_a_put_may_have_to_say_something(
    main, alt, bucket, set_policy, operator, key, value, arguments
) -> None:
    owner = main.account.canonical_id
    asked = {name: text.format(owner=owner) for name, text in arguments.items()}
    set_policy(statement(bucket, "s3:PutObject", Condition={operator: {key: value}}))
    assert status(alt.s3.put_object, Bucket=bucket, Key="k") == 403
    assert status(alt.s3.put_object, Bucket=bucket, Key="k", **asked) == 200


def test_a_put_may_be_forbidden_to_say_something(s3, alt, bucket, set_policy) -> None:
    public = {"StringLike": {"s3:x-amz-acl": "public*"}}
    set_policy(
        statement(bucket, "s3:PutObject"),
        statement(bucket, "s3:PutObject", Effect="Deny", Condition=public),
    )
    assert status(alt.s3.put_object, Bucket=bucket, Key="k") == 200
    for who in (alt.s3, s3):
        assert status(who.put_object, Bucket=bucket, Key="k", ACL="public-read") == 403
        assert status(who.put_object, Bucket=bucket, Key="k", ACL="private") == 200


@pytest.mark.parametrize("wanted", ["AES256", "aws:kms"])
def test_encryption_that_a_policy_asks_for_is_not_to_be_left_out(
    s3, bucket, set_policy, wanted
) -> None:
    name = "s3:x-amz-server-side-encryption"
    for condition in ({"Null": {name: "true"}}, {"StringNotEquals": {name: wanted}}):
        set_policy(statement(bucket, "s3:PutObject", Effect="Deny", Condition=condition))
        assert status(s3.put_object, Bucket=bucket, Key="k") == 403
    other = {"AES256": "aws:kms", "aws:kms": "AES256"}[wanted]
    assert status(s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption=other) == 403
    assert status(s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption=wanted) != 403


def test_copies_are_bound_to_their_source_and_directive(main, alt, new_bucket) -> None:
    source, target = new_bucket(), new_bucket()
    for key in ("open/a", "closed/a"):
        main.s3.put_object(Bucket=source, Key=key, Body=b"x")
    main.s3.put_bucket_policy(Bucket=source, Policy=policy(statement(source, "s3:GetObject")))

    def copy(**more: Any) -> int:
        arguments = {"Bucket": target, "Key": "k", "CopySource": f"{source}/open/a", **more}
        return status(alt.s3.copy_object, **arguments)

    def allow(operator: str, key: str, value: str) -> None:
        bound = statement(target, "s3:PutObject", Condition={operator: {key: value}})
        main.s3.put_bucket_policy(Bucket=target, Policy=policy(bound))

    allow("StringLike", "s3:x-amz-copy-source", f"{source}/open/*")
    assert [copy(), copy(CopySource=f"/{source}/open/a")] == [200, 200]
    assert copy(CopySource=f"{source}/closed/a") == 403
    allow("StringEquals", "s3:x-amz-metadata-directive", "COPY")
    assert copy(MetadataDirective="COPY") == 200
    assert [copy(MetadataDirective="REPLACE"), copy()] == [403, 403]
    assert alt.s3.get_object(Bucket=target, Key="k")["Body"].read() == b"x"


def test_a_part_is_copied_only_from_what_may_be_read(main, alt, new_bucket) -> None:
    source, target = new_bucket(), new_bucket()
    for key in ("open/a", "closed/a"):
        main.s3.put_object(Bucket=source, Key=key, Body=b"x")
    readable = statement(source, "s3:GetObject", on="/open/*")
    main.s3.put_bucket_policy(Bucket=source, Policy=policy(readable))
    main.s3.put_bucket_policy(Bucket=target, Policy=policy(statement(target, "s3:PutObject")))
    upload = {"Bucket": target, "Key": "k"}
    upload["UploadId"] = alt.s3.create_multipart_upload(**upload)["UploadId"]
    for key, outcome in (("open/a", 200), ("closed/a", 403)):
        part = {**upload, "PartNumber": 1, "CopySource": f"{source}/{key}"}
        assert status(alt.s3.upload_part_copy, **part) == outcome


def test_listing_is_bound_to_a_prefix_and_so_is_telling_that_a_key_is_absent(
    s3, alt, bucket, set_policy
) -> None:
    under = {"StringLike": {"s3:prefix": "open/*"}}
    set_policy(statement(bucket, "s3:ListBucket", on="", Condition=under))
    for prefix, outcome in (("open/", 200), ("closed/", 403), ("", 403)):
        assert status(alt.s3.list_objects_v2, Bucket=bucket, Prefix=prefix) == outcome
    for key, outcome in (("open/none", 404), ("closed/none", 403)):
        assert status(alt.s3.head_object, Bucket=bucket, Key=key) == outcome
        assert status(alt.s3.get_object, Bucket=bucket, Key=key) == outcome


# --- a policy against its own author ----------------------------------------------------------

LOCKED = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]


@pytest.mark.parametrize("confirmed", [False, True])
def test_the_root_mends_a_policy_unless_it_confirmed_to_give_that_up(
    main, alt, bucket, confirmed
) -> None:
    text = policy(statement(bucket, *LOCKED, on="", Effect="Deny"))
    main.s3.put_bucket_policy(Bucket=bucket, Policy=text, ConfirmRemoveSelfBucketAccess=confirmed)
    assert status(alt.s3.get_bucket_policy, Bucket=bucket) == 403
    outcomes = (403, 403, 403) if confirmed else (200, 204, 204)
    found = (
        status(main.s3.get_bucket_policy, Bucket=bucket),
        status(main.s3.delete_bucket_policy, Bucket=bucket),
        status(main.s3.put_bucket_policy, Bucket=bucket, Policy=text),
    )
    assert found == outcomes


def test_a_policy_does_not_give_away_what_another_account_owns(
    main, alt, anonymous, new_bucket
) -> None:
    bucket = new_bucket(ACL="public-read-write")
    alt.s3.put_object(Bucket=bucket, Key="theirs")
    main.s3.put_object(Bucket=bucket, Key="ours")
    allow = statement(bucket, "s3:GetObject")
    main.s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow))
    assert status(anonymous.get_object, Bucket=bucket, Key="ours") == 200
    assert status(anonymous.get_object, Bucket=bucket, Key="theirs") == 403
    assert status(main.s3.get_object, Bucket=bucket, Key="theirs") == 403
    assert status(alt.s3.get_object, Bucket=bucket, Key="theirs") == 200
    deny = statement(bucket, "s3:GetObject", Effect="Deny")
    main.s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny))
    assert status(alt.s3.get_object, Bucket=bucket, Key="theirs") == 403
