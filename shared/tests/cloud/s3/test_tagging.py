"""Tags of objects and buckets: how many, how long, in which order, and who may."""

import json
from collections.abc import Callable
from typing import Any

import pytest

KEY = "k"


def tag_set(*pairs: tuple[str, str]) -> dict:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}


@pytest.fixture
def where(s3: Any, bucket: str) -> dict:
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"x")
    return {"Bucket": bucket, "Key": KEY}


@pytest.fixture(params=["object", "bucket"])
def tagging(request: pytest.FixtureRequest, s3: Any, where: dict) -> tuple[Callable, ...]:
    """Put, get and delete the tags of an object or of a bucket."""
    named = where if request.param == "object" else {"Bucket": where["Bucket"]}
    calls = [getattr(s3, f"{verb}_{request.param}_tagging") for verb in ("put", "get", "delete")]
    return tuple(lambda call=call, **more: call(**named, **more) for call in calls)


def test_tags_are_put_read_replaced_and_deleted(tagging) -> None:
    put, get, delete = tagging
    put(Tagging=tag_set(("b", "1"), ("a", ""), ("C/=+ é", "@:._")))
    assert get()["TagSet"] == tag_set(("C/=+ é", "@:._"), ("a", ""), ("b", "1"))["TagSet"]
    put(Tagging=tag_set(("only", "one")))
    assert get()["TagSet"] == tag_set(("only", "one"))["TagSet"]
    assert delete()["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_without_tags_an_object_has_an_empty_set_and_a_bucket_none(s3, where, refused) -> None:
    assert s3.get_object_tagging(**where)["TagSet"] == []
    told = refused(s3.get_bucket_tagging, Bucket=where["Bucket"])
    assert told == (404, "NoSuchTagSet")


@pytest.mark.parametrize(
    ("pairs", "taken"),
    [
        ([("k" * 128, "v" * 256)], True),
        ([("k" * 129, "v")], False),
        ([("k", "v" * 257)], False),
        ([("twice", "1"), ("twice", "2")], False),
    ],
    ids=["longest", "long key", "long value", "same key"],
)
def test_tags_have_limits(tagging, refused, pairs, taken) -> None:
    put = tagging[0]
    if taken:
        put(Tagging=tag_set(*pairs))
    else:
        assert refused(put, Tagging=tag_set(*pairs)) == (400, "InvalidTag")


@pytest.mark.parametrize(("of", "most"), [("object", 10), ("bucket", 50)])
def test_there_is_a_greatest_number_of_tags(s3, where, refused, of, most) -> None:
    named = where if of == "object" else {"Bucket": where["Bucket"]}
    put = getattr(s3, f"put_{of}_tagging")
    many = tag_set(*((f"{i:02}", "v") for i in range(most + 1)))
    assert refused(put, **named, Tagging=many) == (400, "InvalidTag")
    many["TagSet"].pop()
    put(**named, Tagging=many)
    assert getattr(s3, f"get_{of}_tagging")(**named)["TagSet"] == many["TagSet"]


def test_a_write_may_bring_tags_and_a_head_counts_them(s3, bucket, where, refused) -> None:
    s3.put_object(**where, Tagging="foo=bar&bar&a%20b=c%26d")
    assert (
        s3.get_object_tagging(**where)["TagSet"]
        == (tag_set(("a b", "c&d"), ("bar", ""), ("foo", "bar"))["TagSet"])
    )
    assert s3.head_object(**where)["TagCount"] == 3
    assert refused(s3.put_object, **where, Tagging="a=1&a=2") == (400, "InvalidTag")
    s3.put_object(**where)
    assert "TagCount" not in s3.head_object(**where)


def test_each_version_has_its_own_tags(s3, where) -> None:
    status = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=where["Bucket"], VersioningConfiguration=status)
    older, newer = (s3.put_object(**where)["VersionId"] for _ in range(2))
    s3.put_object_tagging(**where, VersionId=older, Tagging=tag_set(("is", "older")))
    assert s3.get_object_tagging(**where)["TagSet"] == []
    answer = s3.get_object_tagging(**where, VersionId=older)
    assert (answer["VersionId"], len(answer["TagSet"])) == (older, 1)
    assert s3.get_object_tagging(**where)["VersionId"] == newer


@pytest.mark.parametrize("verb", ["get", "put", "delete"])
def test_a_policy_may_let_others_at_the_tags_alone(s3, alt, where, refused, verb) -> None:
    calls = {
        "get": lambda: alt.s3.get_object_tagging(**where),
        "put": lambda: alt.s3.put_object_tagging(**where, Tagging=tag_set(("a", "b"))),
        "delete": lambda: alt.s3.delete_object_tagging(**where),
    }
    for call in calls.values():
        assert refused(call) == (403, "AccessDenied")
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": f"s3:{verb.title()}ObjectTagging",
        "Resource": f"arn:aws:s3:::{where['Bucket']}/{KEY}",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    s3.put_bucket_policy(Bucket=where["Bucket"], Policy=policy)
    for name, call in calls.items():
        if name == verb:
            call()
        else:
            assert refused(call) == (403, "AccessDenied")
    assert refused(alt.s3.get_object, **where) == (403, "AccessDenied")
