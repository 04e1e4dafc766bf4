"""Buckets themselves: their names, making them twice, listing and deleting them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amazonian.cloud.endpoint import Endpoint


@pytest.fixture
def stranger(endpoint: Endpoint) -> Any:
    """The client of an account that has no bucket yet."""
    _, key, secret = endpoint.identities.make_account("stranger")
    return replace(endpoint, access_key_id=key, secret_access_key=secret).client()


@pytest.mark.parametrize(
    "name",
    [
        *("aaa", "a" * 61, "b" * 62, "c" * 63, "0digit", "with.dot", "with-hyphen", "a.b-c.9"),
        "1.2.3.4.5",
    ],
)
def test_a_good_name_makes_a_bucket_that_can_be_used(s3, refused, name) -> None:
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.delete_bucket(Bucket=name)
    assert refused(s3.delete_bucket, Bucket=name) == (404, "NoSuchBucket")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "a",
            "aa",
            "a" * 64,
            "_begins",
            "ends-",
            "-begins",
            "under_score",
            "Capital",
            "192.168.5.1",
        ),
        *("two..dots", "dot.-hyphen", "hyphen-.dot", "xn--name", "name-s3alias"),
    ],
)
def test_a_bad_name_makes_none(s3, refused, name) -> None:
    assert refused(s3.create_bucket, Bucket=name) == (400, "InvalidBucketName")


def test_a_bucket_that_is_not_there_is_not_found(s3, refused) -> None:
    assert refused(s3.head_bucket, Bucket="not-there") == (404, "404")
    for operation in (s3.delete_bucket, s3.get_bucket_location, s3.list_objects):
        assert refused(operation, Bucket="not-there") == (404, "NoSuchBucket")
    assert refused(s3.put_object, Bucket="not-there", Key="k", Body=b"x") == (404, "NoSuchBucket")


def test_making_a_bucket_again_in_the_same_words_changes_nothing(s3, bucket) -> None:
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    s3.create_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("first", "again", "code"),
    [
        ({}, {"ACL": "public-read"}, "BucketAlreadyExists"),
        ({"ACL": "public-read"}, {}, "BucketAlreadyExists"),
        (
            {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}},
            {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}},
            "BucketAlreadyOwnedByYou",
        ),
    ],
)
def test_making_a_bucket_again_otherwise_is_a_conflict(
    s3, refused, new_bucket, first, again, code
) -> None:
    bucket = new_bucket(**first)
    before = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert refused(s3.create_bucket, Bucket=bucket, **again) == (409, code)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == before


def test_another_account_can_not_take_a_name(alt, refused, bucket) -> None:
    assert refused(alt.s3.create_bucket, Bucket=bucket) == (409, "BucketAlreadyExists")


def test_nobody_makes_a_bucket_without_a_name_of_his_own(anonymous, refused) -> None:
    assert refused(anonymous.create_bucket, Bucket="nobodys") == (403, "AccessDenied")
    assert anonymous.list_buckets()["Buckets"] == []


@pytest.mark.parametrize(("region", "told"), [("eu-west-1", "eu-west-1"), (None, None)])
def test_a_bucket_knows_its_region(s3, new_bucket, region, told) -> None:
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
    bucket = new_bucket(**where)
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == told
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == (region or "us-east-1")


def test_only_an_empty_bucket_is_deleted(s3, refused, bucket) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k")["VersionId"]
    assert refused(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    assert refused(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    s3.create_multipart_upload(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.head_bucket, Bucket=bucket) == (404, "404")


def test_the_list_of_buckets_is_paged(stranger, refused) -> None:
    def page(**arguments: Any) -> tuple[list[str], str | None]:
        answer = stranger.list_buckets(**arguments)
        return [b["Name"] for b in answer["Buckets"]], answer.get("ContinuationToken")

    assert page(MaxBuckets=1) == ([], None)
    names = ["paged-1", "paged-2", "other-3"]
    for name in names:
        stranger.create_bucket(Bucket=name)
    assert page() == (sorted(names), None)
    found, token = page(MaxBuckets=2)
    assert found == ["other-3", "paged-1"]
    assert page(MaxBuckets=2, ContinuationToken=token) == (["paged-2"], None)
    assert page(MaxBuckets=2, Prefix="paged") == (["paged-1", "paged-2"], None)
    assert page(BucketRegion="eu-west-1") == ([], None)
    wrong = {"ContinuationToken": "?"}
    assert refused(stranger.list_buckets, **wrong) == (400, "InvalidArgument")
    made = [b["CreationDate"] for b in stranger.list_buckets()["Buckets"]]
    assert all(abs(datetime.now(UTC) - moment) < timedelta(minutes=5) for moment in made)


def test_a_user_lists_buckets_only_if_a_policy_says_so(endpoint, refused) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
    keys = {name: f"AKIA{name.upper():0<16}" for name in ("trusted", "untrusted")}
    users = [
        {
            "user_name": name,
            "policies": {"list": policy} if name == "trusted" else {},
            "access_keys": [{"access_key_id": key, "secret_access_key": "s" * 40}],
        }
        for name, key in keys.items()
    ]
    account = {
        **{"account_id": "424242424242", "canonical_id": "employer", "email": "e@example.com"},
        **{"display_name": "employer", "users": users},
    }
    endpoint.identities.add_users({"accounts": [account]})
    trusted, untrusted = (
        replace(endpoint, access_key_id=key, secret_access_key="s" * 40).client()
        for key in keys.values()
    )
    assert trusted.list_buckets()["Buckets"] == []
    assert refused(untrusted.list_buckets) == (403, "AccessDenied")


def test_a_head_counts_what_is_in_the_bucket_if_asked(endpoint) -> None:
    s3 = endpoint.client()
    s3.create_bucket(Bucket="counted")
    for name in ("foo", "quux"):
        s3.put_object(Bucket="counted", Key=name, Body=name)
    assert "x-rgw-object-count" not in headers_of(s3.head_bucket(Bucket="counted"))
    s3.meta.events.register(
        "request-created.s3.HeadBucket",
        lambda request, **_: request.params.update({"read-stats": "true"}),
    )
    counted = headers_of(s3.head_bucket(Bucket="counted"))
    assert (counted["x-rgw-object-count"], counted["x-rgw-bytes-used"]) == ("2", "7")


def headers_of(answer: dict[str, Any]) -> dict[str, str]:
    return answer["ResponseMetadata"]["HTTPHeaders"]
