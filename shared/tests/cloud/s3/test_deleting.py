"""Deleting many objects in one request."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


def named(*keys: str, **more: Any) -> dict[str, Any]:
    return {"Objects": [{"Key": key} for key in keys], **more}


def test_what_is_named_is_gone_and_what_is_not_there_is_deleted_too(s3, bucket) -> None:
    keys = [" leading", "a<b>&c", "é/ü", "plain"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key)
    for _ in range(2):
        answer = s3.delete_objects(Bucket=bucket, Delete=named(*keys))
        assert [entry["Key"] for entry in answer["Deleted"]] == keys
        assert "Errors" not in answer
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete=named("x", Quiet=True))


@pytest.mark.parametrize("count", [0, 1001])
def test_one_to_a_thousand_keys_are_deleted_at_once(s3, refused, bucket, count) -> None:
    s3.put_object(Bucket=bucket, Key="0")
    wanted = named(*(str(n) for n in range(count)))
    told = refused(s3.delete_objects, Bucket=bucket, Delete=wanted)
    assert told == (400, "MalformedXML")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_thousand_are_few_enough(s3, bucket) -> None:
    keys = [f"{n:04}" for n in range(1000)]
    s3.put_object(Bucket=bucket, Key=keys[0])
    answer = s3.delete_objects(Bucket=bucket, Delete=named(*keys))
    assert [entry["Key"] for entry in answer["Deleted"]] == keys


def test_each_key_is_allowed_or_refused_for_itself(s3, alt, bucket) -> None:
    for key in ("mine/a", "yours/b"):
        s3.put_object(Bucket=bucket, Key=key)
    arn = f"arn:aws:s3:::{bucket}/yours/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:DeleteObject", "Resource": arn}
    s3.put_bucket_policy(Bucket=bucket, Policy=f'{{"Statement": {statement}}}'.replace("'", '"'))
    answer = alt.s3.delete_objects(Bucket=bucket, Delete=named("mine/a", "yours/b"))
    assert [entry["Key"] for entry in answer["Deleted"]] == ["yours/b"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("mine/a", "AccessDenied")]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == ["mine/a"]


def test_versions_and_markers_are_deleted_by_many_clients_at_once(s3, bucket) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "b", "a", "b"):
        s3.put_object(Bucket=bucket, Key=key)
    made = s3.delete_objects(Bucket=bucket, Delete=named("a"))["Deleted"][0]
    assert made["DeleteMarker"]
    listed = s3.list_object_versions(Bucket=bucket)
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [made["DeleteMarkerVersionId"]]
    every = [
        {"Key": entry["Key"], "VersionId": entry["VersionId"]}
        for entry in [*listed["Versions"], *listed["DeleteMarkers"]]
    ]
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda _: s3.delete_objects(Bucket=bucket, Delete={"Objects": every}), range(4)
        )
    for answer in answers:
        assert len(answer["Deleted"]) == 5
        assert "Errors" not in answer
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete>",
        b"<Remove><Object><Key>k</Key></Object></Remove>",
        b"<Delete><Object><VersionId>null</VersionId></Object></Delete>",
        b"<Delete><Object><Key>k</Key><Size>many</Size></Object></Delete>",
        b"<Delete><Object><Key>k</Key><LastModifiedTime>soon</LastModifiedTime></Object></Delete>",
    ],
)
def test_a_list_that_can_not_be_read_deletes_nothing(endpoint, refused, body) -> None:
    s3 = endpoint.client()
    s3.create_bucket(Bucket="misread")
    s3.put_object(Bucket="misread", Key="k")

    def send(request: Any, **_: Any) -> None:
        request.data = body
        for name in list(request.headers):
            if name.lower().startswith("x-amz-") or name.lower() == "content-md5":
                del request.headers[name]

    s3.meta.events.register("before-sign.s3.DeleteObjects", send)
    told = refused(s3.delete_objects, Bucket="misread", Delete=named("k"))
    assert told == (400, "MalformedXML")
    assert s3.head_object(Bucket="misread", Key="k")["ContentLength"] == 0
