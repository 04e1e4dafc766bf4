"""Access-control lists: what they say, what they allow, and whose the objects are."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
SIGNED_IN = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOGGING = "http://acs.amazonaws.com/groups/s3/LogDelivery"
EVERY_PERMISSION = ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"]
_numbers = itertools.count(1)

CANNED = [
    ("private", []),
    ("public-read", [(ALL, "READ")]),
    ("public-read-write", [(ALL, "READ"), (ALL, "WRITE")]),
    ("authenticated-read", [(SIGNED_IN, "READ")]),
]


def written(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """An ACL's grants, in the order of the answer: an id or a group's URI, and a permission."""
    return [
        (g["Grantee"].get("ID") or g["Grantee"]["URI"], g["Permission"]) for g in answer["Grants"]
    ]


def allowed(operation: Callable[..., Any], **arguments: Any) -> bool:
    """Whether an operation is carried out; any failure but a refusal is raised."""
    try:
        operation(**arguments)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return False
    return True


def person(identifier: str) -> dict[str, str]:
    return {"Type": "CanonicalUser", "ID": identifier}


def document(owner: str, *grants: tuple[dict[str, str], str]) -> dict[str, Any]:
    listed = [{"Grantee": grantee, "Permission": permission} for grantee, permission in grants]
    return {"Owner": {"ID": owner}, "Grants": listed}


# --- what a list says -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "others"), CANNED)
def test_a_canned_acl_names_groups_first_and_then_the_owner(main, new_bucket, name, others) -> None:
    owner, s3 = main.account.canonical_id, main.s3
    bucket = new_bucket(ACL=name)
    s3.put_object(Bucket=bucket, Key="k", ACL=name)
    s3.put_object(Bucket=bucket, Key="changed")
    s3.put_object_acl(Bucket=bucket, Key="changed", ACL=name)
    expected = [*others, (owner, "FULL_CONTROL")]
    assert written(s3.get_bucket_acl(Bucket=bucket)) == expected
    assert written(s3.get_object_acl(Bucket=bucket, Key="k")) == expected
    assert written(s3.get_object_acl(Bucket=bucket, Key="changed")) == expected
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert written(s3.get_bucket_acl(Bucket=bucket)) == [(owner, "FULL_CONTROL")]


def test_without_an_acl_all_is_the_owners(main, bucket) -> None:
    main.s3.put_object(Bucket=bucket, Key="k")
    known = {"ID": main.account.canonical_id, "DisplayName": main.account.display_name}
    for answer in (
        main.s3.get_bucket_acl(Bucket=bucket),
        main.s3.get_object_acl(Bucket=bucket, Key="k"),
    ):
        assert answer["Owner"] == known
        grantee = {**known, "Type": "CanonicalUser"}
        assert answer["Grants"] == [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]


def test_log_delivery_may_write_and_read_the_acl(main, new_bucket) -> None:
    acl = main.s3.get_bucket_acl(Bucket=new_bucket(ACL="log-delivery-write"))
    assert written(acl)[:2] == [(LOGGING, "WRITE"), (LOGGING, "READ_ACP")]


def test_a_version_has_an_acl_of_its_own(main, bucket) -> None:
    s3, owner = main.s3, (main.account.canonical_id, "FULL_CONTROL")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k")
    s3.put_object_acl(Bucket=bucket, Key="k", VersionId=first, ACL="public-read")
    assert written(s3.get_object_acl(Bucket=bucket, Key="k")) == [owner]
    acl = s3.get_object_acl(Bucket=bucket, Key="k", VersionId=first)
    assert written(acl) == [(ALL, "READ"), owner]


def test_setting_an_acl_leaves_the_object_as_it_is(s3, bucket) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/x", Metadata={"a": "b"})

    def shown() -> list[Any]:
        head = s3.head_object(Bucket=bucket, Key="k")
        return [head[name] for name in ("ETag", "LastModified", "ContentType", "Metadata")]

    before = shown()
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert shown() == before


# --- who is meant -----------------------------------------------------------------------------


def test_grants_name_accounts_by_id_or_e_mail_and_groups_by_uri(main, alt, bucket) -> None:
    s3, owner, other = main.s3, main.account.canonical_id, alt.account.canonical_id
    mail = {"Type": "AmazonCustomerByEmail", "EmailAddress": alt.account.email}
    acl = document(
        owner,
        (person(owner), "FULL_CONTROL"),
        (mail, "READ_ACP"),
        (person(other), "WRITE"),
        ({"Type": "Group", "URI": ALL}, "READ"),
    )
    expected = [(ALL, "READ"), (owner, "FULL_CONTROL"), (other, "READ_ACP"), (other, "WRITE")]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=acl)
    assert written(s3.get_bucket_acl(Bucket=bucket)) == expected
    s3.put_object(Bucket=bucket, Key="k")
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=acl)
    assert written(s3.get_object_acl(Bucket=bucket, Key="k")) == expected


def test_headers_grant_as_documents_do(main, alt, new_bucket) -> None:
    other = alt.account.canonical_id
    headers = {
        "GrantRead": f'id="{other}", uri="{SIGNED_IN}"',
        "GrantReadACP": f"emailAddress={alt.account.email}",
        "GrantWriteACP": f"id={other}",
        "GrantFullControl": f"id={main.account.canonical_id}",
    }
    expected = [
        (SIGNED_IN, "READ"),
        (other, "READ"),
        (other, "READ_ACP"),
        (other, "WRITE_ACP"),
        (main.account.canonical_id, "FULL_CONTROL"),
    ]
    bucket = new_bucket(**headers)
    main.s3.put_object(Bucket=bucket, Key="k", **headers)
    assert written(main.s3.get_bucket_acl(Bucket=bucket)) == expected
    assert written(main.s3.get_object_acl(Bucket=bucket, Key="k")) == expected


NOBODY = "nobody@example.com"
BY_MAIL = {"Type": "AmazonCustomerByEmail", "EmailAddress": NOBODY}
WRONG = [
    ({"GrantRead": "id=nobody"}, (400, "InvalidArgument")),
    ({"GrantRead": f"emailAddress={NOBODY}"}, (400, "UnresolvableGrantByEmailAddress")),
    ({"GrantRead": "uri=http://nobody.example.com/"}, (400, "InvalidArgument")),
    ({"GrantRead": "anybody"}, (400, "InvalidArgument")),
    ({"ACL": "public-read", "GrantRead": f"uri={ALL}"}, (400, "InvalidRequest")),
    ({"ACL": "everybody"}, (400, "InvalidArgument")),
    ({}, (400, "MissingSecurityHeader")),
    ({"AccessControlPolicy": {"Grants": []}}, (400, "MalformedACLError")),
    ({"AccessControlPolicy": document("someone")}, (403, "AccessDenied")),
]


@pytest.mark.parametrize(("arguments", "outcome"), WRONG)
def test_what_is_no_acl_changes_nothing(s3, new_bucket, refused, arguments, outcome) -> None:
    bucket = new_bucket(ACL="public-read")
    before = written(s3.get_bucket_acl(Bucket=bucket))
    assert refused(s3.put_bucket_acl, Bucket=bucket, **arguments) == outcome
    assert written(s3.get_bucket_acl(Bucket=bucket)) == before


@pytest.mark.parametrize(
    ("grantee", "permission", "code"),
    [
        (person("nobody"), "READ", "InvalidArgument"),
        (BY_MAIL, "READ", "UnresolvableGrantByEmailAddress"),
        ({"Type": "CanonicalUser"}, "READ", "MalformedACLError"),
        (person("nobody"), "EVERYTHING", "MalformedACLError"),
    ],
)
def test_a_grant_names_somebody_and_a_permission(
    main, bucket, refused, grantee, permission, code
) -> None:
    acl = document(main.account.canonical_id, (grantee, permission))
    arguments = {"Bucket": bucket, "AccessControlPolicy": acl}
    assert refused(main.s3.put_bucket_acl, **arguments) == (400, code)


# --- what a list allows -----------------------------------------------------------------------


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_permission_on_a_bucket_allows_what_it_is_for(main, alt, bucket, permission) -> None:
    owner, other = main.account.canonical_id, alt.account.canonical_id
    acl = document(owner, (person(owner), "FULL_CONTROL"), (person(other), permission))
    main.s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=acl)
    found = {
        "READ": {
            allowed(alt.s3.head_bucket, Bucket=bucket),
            allowed(alt.s3.list_objects_v2, Bucket=bucket),
            allowed(alt.s3.list_object_versions, Bucket=bucket),
        },
        "WRITE": {
            allowed(alt.s3.put_object, Bucket=bucket, Key="k"),
            allowed(alt.s3.delete_object, Bucket=bucket, Key="k"),
        },
        "READ_ACP": {allowed(alt.s3.get_bucket_acl, Bucket=bucket)},
        "WRITE_ACP": {
            allowed(alt.s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy=acl),
        },
    }
    assert found == {name: {permission in (name, "FULL_CONTROL")} for name in found}
    assert not allowed(alt.s3.get_bucket_policy, Bucket=bucket)
    assert not allowed(alt.s3.delete_bucket, Bucket=bucket)
    assert main.s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"] == owner


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_permission_on_an_object_allows_what_it_is_for(main, alt, bucket, permission) -> None:
    owner, other, key = main.account.canonical_id, alt.account.canonical_id, "k"
    acl = document(owner, (person(other), permission))
    main.s3.put_object(Bucket=bucket, Key=key)
    main.s3.put_object_acl(Bucket=bucket, Key=key, AccessControlPolicy=acl)
    found = {
        "READ": {
            allowed(alt.s3.get_object, Bucket=bucket, Key=key),
            allowed(alt.s3.head_object, Bucket=bucket, Key=key),
        },
        "WRITE": {False},  # only the bucket's list speaks of writing
        "READ_ACP": {allowed(alt.s3.get_object_acl, Bucket=bucket, Key=key)},
        "WRITE_ACP": {
            allowed(alt.s3.put_object_acl, Bucket=bucket, Key=key, AccessControlPolicy=acl)
        },
    }
    expected = {name: {permission in (name, "FULL_CONTROL")} for name in found}
    assert found == expected | {"WRITE": {False}}
    assert not allowed(alt.s3.put_object, Bucket=bucket, Key=key)
    assert not allowed(alt.s3.delete_object, Bucket=bucket, Key=key)
    assert written(main.s3.get_object_acl(Bucket=bucket, Key=key)) == [(other, permission)]


@pytest.mark.parametrize("of_bucket", [name for name, _ in CANNED])
@pytest.mark.parametrize("of_object", [name for name, _ in CANNED])
def test_bucket_and_object_each_have_their_say(
    main, alt, anonymous, new_bucket, of_bucket, of_object
) -> None:
    bucket = new_bucket(ACL=of_bucket)
    main.s3.put_object(Bucket=bucket, Key="given", Body=b"x", ACL=of_object)
    main.s3.put_object(Bucket=bucket, Key="default", Body=b"x")
    for who, groups in ((alt.s3, ("public", "authenticated")), (anonymous, ("public",))):
        assert allowed(who.get_object, Bucket=bucket, Key="given") == of_object.startswith(groups)
        assert not allowed(who.get_object, Bucket=bucket, Key="default")
        for listing in (who.list_objects, who.list_objects_v2):
            assert allowed(listing, Bucket=bucket) == of_bucket.startswith(groups)
    for who in (alt.s3, anonymous):
        for key in ("given", "default", "new"):
            writes = allowed(who.put_object, Bucket=bucket, Key=key, Body=b"y")
            assert writes == (of_bucket == "public-read-write")


def test_a_key_that_is_not_there_is_told_only_to_who_may_list(
    s3, anonymous, new_bucket, refused
) -> None:
    outcomes = {"public-read": (404, "NoSuchKey"), "private": (403, "AccessDenied")}
    for acl, outcome in outcomes.items():
        assert refused(anonymous.get_object, Bucket=new_bucket(ACL=acl), Key="k") == outcome
    for operation in (anonymous.get_object, anonymous.delete_object):
        assert refused(operation, Bucket="no-such-bucket", Key="k") == (404, "NoSuchBucket")


def test_an_owner_who_revoked_everything_may_still_grant(main, alt, new_bucket) -> None:
    s3, owner = main.s3, main.account.canonical_id
    bucket = new_bucket(ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", ACL="public-read")
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=document(owner))
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=document(owner))
    assert written(s3.get_bucket_acl(Bucket=bucket)) == []
    assert written(s3.get_object_acl(Bucket=bucket, Key="k")) == []
    assert not allowed(alt.s3.list_objects_v2, Bucket=bucket)
    assert not allowed(alt.s3.get_object, Bucket=bucket, Key="k")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert allowed(alt.s3.list_objects_v2, Bucket=bucket)


# --- whose an object is -----------------------------------------------------------------------


def test_what_another_account_writes_is_its_own(main, alt, new_bucket) -> None:
    bucket, other = new_bucket(ACL="public-read-write"), alt.account.canonical_id
    alt.s3.put_object(Bucket=bucket, Key="theirs", Body=b"x")
    acl = alt.s3.get_object_acl(Bucket=bucket, Key="theirs")
    assert acl["Owner"]["DisplayName"] == alt.account.display_name
    assert written(acl) == [(other, "FULL_CONTROL")]
    listed = main.s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]
    assert listed == {"ID": other, "DisplayName": alt.account.display_name}
    assert not allowed(main.s3.get_object, Bucket=bucket, Key="theirs")
    assert not allowed(main.s3.get_object_acl, Bucket=bucket, Key="theirs")
    assert allowed(main.s3.delete_object, Bucket=bucket, Key="theirs")


@pytest.mark.parametrize(
    ("acl", "permission"),
    [("bucket-owner-read", "READ"), ("bucket-owner-full-control", "FULL_CONTROL")],
)
def test_a_writer_may_share_with_the_buckets_owner(main, alt, new_bucket, acl, permission) -> None:
    bucket = new_bucket(ACL="public-read-write")
    alt.s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=acl)
    expected = {
        (alt.account.canonical_id, "FULL_CONTROL"),
        (main.account.canonical_id, permission),
    }
    assert set(written(alt.s3.get_object_acl(Bucket=bucket, Key="k"))) == expected
    assert allowed(main.s3.get_object, Bucket=bucket, Key="k")
    reads = allowed(main.s3.get_object_acl, Bucket=bucket, Key="k")
    assert reads == (permission == "FULL_CONTROL")


def test_what_nobody_wrote_is_the_bucket_owners(main, anonymous, new_bucket) -> None:
    bucket = new_bucket(ACL="public-read-write")
    anonymous.put_object(Bucket=bucket, Key="k", Body=b"x")
    owner = main.s3.get_object_acl(Bucket=bucket, Key="k")["Owner"]
    assert owner["ID"] == main.account.canonical_id
    assert allowed(main.s3.get_object, Bucket=bucket, Key="k")
    assert not allowed(anonymous.get_object, Bucket=bucket, Key="k")


def test_a_copy_takes_neither_the_acl_nor_the_owner(main, alt, bucket) -> None:
    owner, other = main.account.canonical_id, alt.account.canonical_id
    grant = document(owner, (person(owner), "FULL_CONTROL"), (person(other), "FULL_CONTROL"))
    main.s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    source = {"Bucket": bucket, "Key": "k"}
    main.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    assert written(main.s3.get_object_acl(Bucket=bucket, Key="copy")) == [(owner, "FULL_CONTROL")]
    main.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, ACL="public-read")
    assert allowed(alt.s3.get_object, Bucket=bucket, Key="copy")
    main.s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=grant)
    alt.s3.copy_object(Bucket=bucket, Key="theirs", CopySource=source)
    assert written(alt.s3.get_object_acl(Bucket=bucket, Key="theirs")) == [(other, "FULL_CONTROL")]


def test_nobody_copies_what_they_may_not_read(main, alt, bucket) -> None:
    main.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    mine = f"bucket-of-alt-{next(_numbers)}"
    alt.s3.create_bucket(Bucket=mine)
    source = {"Bucket": bucket, "Key": "k"}
    assert not allowed(alt.s3.copy_object, Bucket=mine, Key="k", CopySource=source)
    main.s3.put_object_acl(Bucket=bucket, Key="k", ACL="authenticated-read")
    assert allowed(alt.s3.copy_object, Bucket=mine, Key="k", CopySource=source)
