"""A bucket's lifecycle rules, as clients set and see them."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest


def rule(**parts: Any) -> dict[str, Any]:
    """A rule that expires everything after a day; a part that is None is left out."""
    whole = {"ID": "one", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}}
    return {name: part for name, part in (whole | parts).items() if part is not None}


@pytest.fixture
def put(s3, bucket):
    def call(*rules: dict[str, Any]) -> None:
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}
        )

    return call


TAG = {"Key": "a", "Value": "1"}


@pytest.mark.parametrize(
    "given",
    [
        rule(),
        rule(Filter=None, Prefix="old/", Status="Disabled"),
        rule(Filter={}),
        rule(Filter={"Tag": TAG}),
        rule(Filter={"And": {"Prefix": "a/", "Tags": [TAG], "ObjectSizeGreaterThan": 9}}),
        rule(Expiration={"Date": datetime(2030, 1, 1, tzinfo=UTC)}),
        rule(Expiration={"ExpiredObjectDeleteMarker": True}),
        rule(
            Expiration=None,
            NoncurrentVersionExpiration={"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
            AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7},
        ),
    ],
)
def test_rules_come_back_as_they_were_put(s3, bucket, put, given) -> None:
    other = rule(ID="two", Filter={"Prefix": "z/"})
    put(given, other)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [given, other]


def test_a_bucket_without_rules_says_so(s3, bucket, put, refused) -> None:
    none = (404, "NoSuchLifecycleConfiguration")
    get = s3.get_bucket_lifecycle_configuration
    assert refused(get, Bucket=bucket) == none
    s3.delete_bucket_lifecycle(Bucket=bucket)
    put(rule())
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refused(get, Bucket=bucket) == none


def test_a_rule_without_a_name_is_given_one(s3, bucket, put) -> None:
    put(rule(ID=None), rule(ID=None, Filter={"Prefix": "b"}))
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert len({kept["ID"] for kept in rules}) == 2


@pytest.mark.parametrize(
    ("rules", "status", "code"),
    [
        ([rule(ID="x" * 256)], 400, "InvalidArgument"),
        ([rule(), rule()], 400, "InvalidArgument"),
        ([rule(Status="enabled")], 400, "MalformedXML"),
        ([rule(Status="off")], 400, "MalformedXML"),
        ([rule(Prefix="both")], 400, "MalformedXML"),
        ([rule(Filter=None)], 400, "MalformedXML"),
        ([rule(Expiration=None)], 400, "InvalidRequest"),
        ([rule(Expiration={"Days": 0})], 400, "InvalidArgument"),
        ([rule(Expiration={"Days": -1})], 400, "InvalidArgument"),
        ([rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})], 400, "MalformedXML"),
        ([rule(Expiration={"Date": "20300101"})], 400, "InvalidArgument"),
        ([rule(Expiration={"Date": "2030-01-01T01:00:00Z"})], 400, "InvalidArgument"),
        (
            [rule(Filter={"Tag": TAG}, Expiration={"ExpiredObjectDeleteMarker": True})],
            400,
            "InvalidRequest",
        ),
        ([rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})], 400, "InvalidArgument"),
        ([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})], 400, "InvalidArgument"),
        (
            [rule(Transitions=[{"Date": "20220927", "StorageClass": "GLACIER"}])],
            400,
            "InvalidArgument",
        ),
        ([rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])], 501, "NotImplemented"),
        ([], 400, "MalformedXML"),
    ],
)
def test_a_bad_rule_is_refused_and_nothing_kept(s3, bucket, refused, rules, status, code) -> None:
    put = s3.put_bucket_lifecycle_configuration
    arguments = {"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules}}
    assert refused(put, **arguments) == (status, code)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket)[0] == 404


def due(answer: dict[str, Any]) -> tuple[datetime, str] | None:
    header = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-expiration")
    if header is None:
        return None
    found = re.fullmatch(r'expiry-date="(.+)", rule-id="(.+)"', header)
    return parsedate_to_datetime(found[1]), found[2]


def test_writes_and_reads_tell_when_the_object_expires(s3, bucket, put) -> None:
    put(
        rule(ID="in 2", Filter={"Prefix": "a/"}, Expiration={"Days": 2}),
        rule(ID="in3", Filter={"Prefix": ""}, Expiration={"Days": 3}),
        rule(ID="tagged", Filter={"Tag": TAG}),
        rule(ID="off", Status="Disabled"),
    )
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"Bucket": bucket, "Key": "a/k"}
    answers = [
        s3.put_object(**named),
        s3.head_object(**named),
        s3.get_object(**named),
        s3.copy_object(**named, CopySource=named, MetadataDirective="REPLACE"),
    ]
    assert [due(answer) for answer in answers] == [(today + timedelta(3), "in%202")] * 4
    assert due(s3.put_object(Bucket=bucket, Key="b")) == (today + timedelta(4), "in3")
    s3.put_object_tagging(**named, Tagging={"TagSet": [TAG, {"Key": "b", "Value": ""}]})
    assert due(s3.head_object(**named)) == (today + timedelta(2), "tagged")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert due(s3.head_object(**named)) is None
