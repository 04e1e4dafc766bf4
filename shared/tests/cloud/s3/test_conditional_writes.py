"""Conditions on writes and deletes: what must be there, or not be there, when they commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

PASSED, FAILED, ABSENT = (200, ""), (412, "PreconditionFailed"), (404, "NoSuchKey")
KEY = "k"
Write = Callable[..., dict]


@pytest.fixture(params=["unversioned", "Enabled", "Suspended"])
def state(request: pytest.FixtureRequest, s3: Any, bucket: str) -> str:
    """The bucket's versioning."""
    if request.param != "unversioned":
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": request.param})
    return request.param


@pytest.fixture(params=["put", "copy", "complete"])
def write(request: pytest.FixtureRequest, s3: Any, bucket: str) -> Write:
    """Write the key by one of the operations that take conditions."""

    def put(body: bytes, **conditions: str) -> dict:
        return s3.put_object(Bucket=bucket, Key=KEY, Body=body, **conditions)

    def copy(body: bytes, **conditions: str) -> dict:
        s3.put_object(Bucket=bucket, Key="source", Body=body)
        answer = s3.copy_object(Bucket=bucket, Key=KEY, CopySource=f"{bucket}/source", **conditions)
        return answer | answer["CopyObjectResult"]

    def complete(body: bytes, **conditions: str) -> dict:
        where = {"Bucket": bucket, "Key": KEY}
        where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
        etag = s3.upload_part(**where, PartNumber=1, Body=body)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        return s3.complete_multipart_upload(**where, MultipartUpload=parts, **conditions)

    return {"put": put, "copy": copy, "complete": complete}[request.param]


@pytest.fixture
def told(refused: Callable) -> Callable[..., tuple[int, str]]:
    """How an operation ends: status and code."""

    def call(operation: Callable, expected: tuple[int, str], *args: Any, **arguments: Any) -> Any:
        if expected == PASSED:
            operation(*args, **arguments)
            return PASSED
        return refused(lambda: operation(*args, **arguments))

    return call


def test_a_write_is_bound_to_what_is_there(write: Write, state, told, s3, bucket) -> None:
    def ends(expected: tuple[int, str], body: bytes, **conditions: str) -> None:
        assert told(write, expected, body, **conditions) == expected

    ends(ABSENT, b"0", IfMatch="*")
    ends(ABSENT, b"0", IfMatch="other")
    first = write(b"1", IfNoneMatch="*")["ETag"]
    ends(FAILED, b"2", IfNoneMatch="*")
    ends(FAILED, b"2", IfNoneMatch=first)
    ends(FAILED, b"2", IfMatch="other")
    second = write(b"2", IfMatch=first)["ETag"]
    assert second != first
    ends(FAILED, b"3", IfMatch=first)  # of the version before, not of the current one
    ends(PASSED, b"2", IfMatch=second.strip('"'))
    ends(PASSED, b"2", IfMatch="*")
    ends(PASSED, b"2", IfNoneMatch=first)
    s3.delete_object(Bucket=bucket, Key=KEY)
    ends(ABSENT, b"4", IfMatch="*")
    ends(ABSENT, b"4", IfMatch=second)
    ends(PASSED, b"4", IfNoneMatch="*")


def test_what_a_condition_refuses_leaves_no_payload(s3, bucket, endpoint, refused) -> None:
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"first")
    before = set(endpoint.store.data.payloads())
    refusal = refused(s3.put_object, Bucket=bucket, Key=KEY, Body=bytes(9000), IfNoneMatch="*")
    assert refusal == FAILED
    assert set(endpoint.store.data.payloads()) == before


def test_one_of_many_who_create_a_key_wins(main, bucket) -> None:
    def create(number: int) -> str:
        try:
            main.s3.put_object(Bucket=bucket, Key=KEY, Body=b"%d" % number, IfNoneMatch="*")
        except main.s3.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return "created"

    with ThreadPoolExecutor(8) as crowd:
        ends = list(crowd.map(create, range(16)))
    won = [number for number, end in enumerate(ends) if end == "created"]
    assert set(ends) == {"created", "PreconditionFailed"}
    assert len(won) == 1
    assert main.s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"%d" % won[0]


# --- deletes ----------------------------------------------------------------------------------

LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["DeleteObject", "DeleteObjects"])
def delete(request: pytest.FixtureRequest, s3: Any, bucket: str) -> Callable[..., str]:
    """Delete the key under conditions, in one of two ways; gives the code, "" for success."""

    def one(version: dict, etag: Any, modified: Any, size: Any) -> str:
        asked = {
            "IfMatch": etag, "IfMatchLastModifiedTime": modified, "IfMatchSize": size, **version,
        }  # fmt: skip
        asked = {name: value for name, value in asked.items() if value is not None}
        try:
            answer = s3.delete_object(Bucket=bucket, Key=KEY, **asked)
        except s3.exceptions.ClientError as error:
            answer = error.response
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        return "" if status == 204 else answer["Error"]["Code"]

    def many(version: dict, etag: Any, modified: Any, size: Any) -> str:
        asked = {"Key": KEY, "ETag": etag, "LastModifiedTime": modified, "Size": size, **version}
        asked = {name: value for name, value in asked.items() if value is not None}
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [asked]})
        return answer["Errors"][0]["Code"] if "Errors" in answer else ""

    way = one if request.param == "DeleteObject" else many
    return lambda version=None, etag=None, modified=None, size=None: way(
        {"VersionId": version} if version else {}, etag, modified, size
    )


WRONG = [{"etag": "other"}, {"modified": LONG_AGO}, {"size": 99}]


@pytest.mark.parametrize("which", ["etag", "modified", "size"])
@pytest.mark.parametrize("of", ["current", "version"])
def test_a_delete_is_bound_to_what_is_there(state, delete, s3, bucket, which, of) -> None:
    put = s3.put_object(Bucket=bucket, Key=KEY, Body=b"abc")
    version = None
    if of == "version":
        version = put.get("VersionId", "null")
        if state == "Enabled":
            s3.put_object(Bucket=bucket, Key=KEY, Body=b"a newer one")
    modified = s3.head_object(Bucket=bucket, Key=KEY)["LastModified"]
    right = {which: {"etag": put["ETag"], "modified": modified, "size": 3}[which]}
    wrong = next(w for w in WRONG if which in w)
    assert delete(version, **wrong) == "PreconditionFailed"
    assert delete(version, **(right | {"etag": "other"})) == "PreconditionFailed"
    assert delete(version, **right) == ""
    gone = state == "unversioned" or of == "version"
    # where nothing is, there is nothing to protect; but a delete marker is something
    assert delete(version, **wrong) == ("" if gone else "PreconditionFailed")


def test_any_etag_matches_a_marker_too(s3, bucket, delete) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert delete(etag="*") == ""
    assert "DeleteMarkers" not in s3.list_object_versions(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=KEY)
    assert delete(etag="*") == ""
    assert delete(etag="*") == ""
    assert len(s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]) == 2


@pytest.mark.parametrize("header", ["x-amz-if-match-size", "x-amz-if-match-last-modified-time"])
def test_a_condition_that_can_not_be_read_deletes_nothing(
    endpoint, bucket, s3, main, refused, header
) -> None:
    s3.put_object(Bucket=bucket, Key=KEY)

    def spoil(params: dict, **_: Any) -> None:
        params["headers"][header] = "soon"

    s3.meta.events.register_first("before-call.s3.DeleteObject", spoil)
    try:
        assert refused(s3.delete_object, Bucket=bucket, Key=KEY) == (400, "InvalidArgument")
    finally:
        s3.meta.events.unregister("before-call.s3.DeleteObject", spoil)
    s3.head_object(Bucket=bucket, Key=KEY)
