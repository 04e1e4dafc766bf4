"""Versioning: which version a read finds, what a delete leaves, what the listing says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

KEY = "k"


class Versions:
    """A bucket whose versioning is switched, with one key that matters."""

    def __init__(self, s3: Any, bucket: str):
        self.s3, self.bucket, self.where = s3, bucket, {"Bucket": bucket, "Key": KEY}

    def turn(self, status: str) -> None:
        asked = {"Status": status, "MFADelete": "Disabled"}
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration=asked)

    def put(self, body: str) -> str | None:
        return self.s3.put_object(**self.where, Body=body).get("VersionId")

    def get(self, version_id: str | None = None) -> str:
        named = {} if version_id is None else {"VersionId": version_id}
        return self.s3.get_object(**self.where, **named)["Body"].read().decode()

    def delete(self, version_id: str | None = None) -> dict:
        named = {} if version_id is None else {"VersionId": version_id}
        return self.s3.delete_object(**self.where, **named)

    def listed(self) -> list[tuple[str, str, bool]]:
        """Versions and then markers, newest first: what it is, its id, whether it is the latest."""
        answer = self.s3.list_object_versions(Bucket=self.bucket)
        return [
            (kind, entry["VersionId"], entry["IsLatest"])
            for kind, name in (("version", "Versions"), ("marker", "DeleteMarkers"))
            for entry in answer.get(name, [])
        ]

    def contents(self) -> list[str]:
        """What the versions hold, newest first, each read by its id."""
        answer = self.s3.list_object_versions(Bucket=self.bucket)
        return [self.get(entry["VersionId"]) for entry in answer.get("Versions", [])]


@pytest.fixture
def versions(s3: Any, bucket: str) -> Versions:
    return Versions(s3, bucket)


def test_the_switch_reads_back(versions, s3, bucket, refused) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Suspended", "Enabled", "Enabled", "Suspended"):
        versions.turn(status)
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    assert refused(versions.turn, status="Off") == (400, "MalformedXML")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("key", [KEY, "_", "_k", ":", " "])
def test_versions_can_be_removed_in_any_order(versions, key, order) -> None:
    versions.where["Key"] = key
    versions.turn("Enabled")
    ids = [versions.put(f"body {i}") for i in range(3)]
    left = [0, 1, 2]
    for index in order:
        versions.delete(ids[index])
        left.remove(index)
        assert versions.contents() == [f"body {i}" for i in reversed(left)]
        if left:
            assert versions.get() == f"body {left[-1]}"


def test_a_delete_hides_and_removing_the_marker_shows_again(versions, s3, refused) -> None:
    versions.turn("Enabled")
    versions.put("one")
    marker = versions.delete()
    assert marker["DeleteMarker"]
    assert refused(versions.get) == (404, "NoSuchKey")
    assert refused(versions.get, version_id=marker["VersionId"]) == (405, "MethodNotAllowed")
    assert versions.delete()["VersionId"] != marker["VersionId"]
    assert [kind for kind, _, _ in versions.listed()] == ["version", "marker", "marker"]
    for kind, version_id, _ in versions.listed():
        if kind == "marker":
            removed = versions.delete(version_id)
            assert (removed["DeleteMarker"], removed["VersionId"]) == (True, version_id)
    assert versions.get() == "one"


@pytest.mark.parametrize(
    ("status", "told"), [(None, "false"), ("Enabled", "true"), ("Suspended", "true")]
)
def test_a_key_that_is_gone_says_whether_a_marker_hides_it(versions, s3, status, told) -> None:
    versions.put("x")
    if status:
        versions.turn(status)
    versions.delete()
    with pytest.raises(s3.exceptions.ClientError) as gone:
        s3.head_object(**versions.where)
    metadata = gone.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 404
    assert metadata["HTTPHeaders"]["x-amz-delete-marker"] == told


def test_what_was_written_before_versioning_is_the_null_version(versions, refused) -> None:
    versions.put("before")
    versions.turn("Enabled")
    newer = versions.put("after")
    assert versions.contents() == ["after", "before"]
    versions.delete(newer)
    assert (versions.get(), versions.get("null")) == ("before", "before")
    versions.delete("null")
    assert refused(versions.get) == (404, "NoSuchKey")
    assert versions.listed() == []


def test_under_suspension_there_is_one_null_version(versions) -> None:
    versions.turn("Enabled")
    kept = versions.put("kept")
    versions.turn("Suspended")
    assert versions.put("null 1") is None
    assert versions.put("null 2") is None
    assert versions.contents() == ["null 2", "kept"]
    assert versions.delete()["DeleteMarker"]
    assert versions.listed() == [("version", kept, False), ("marker", "null", True)]
    versions.put("null 3")
    assert versions.listed() == [("version", "null", True), ("version", kept, False)]
    versions.turn("Enabled")
    newest = versions.put("newest")
    versions.delete("null")
    assert versions.listed() == [("version", newest, True), ("version", kept, False)]


@pytest.mark.parametrize("status", [None, "Suspended", "Enabled"])
def test_only_enabled_versioning_answers_a_write_with_an_id(versions, s3, bucket, status) -> None:
    if status:
        versions.turn(status)
    upload = {**versions.where}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"p")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    answers = [
        s3.put_object(**versions.where, Body=b"1"),
        s3.complete_multipart_upload(**upload, MultipartUpload=parts),
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/{KEY}"),
    ]
    assert ["VersionId" in answer for answer in answers] == 3 * [status == "Enabled"]
    listed = {version_id for _, version_id, _ in versions.listed()}
    assert {answer.get("VersionId", "null") for answer in answers} == listed


def test_versions_are_listed_by_key_and_then_newest_first_over_pages(versions, s3, bucket) -> None:
    versions.turn("Enabled")
    wanted = []
    for key in ("a", "a-1", "b"):
        versions.where["Key"] = key
        ids = [versions.put(str(i)) for i in range(3)]
        wanted += [(key, version_id) for version_id in reversed(ids)]
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 2}
    )
    listed = [(v["Key"], v["VersionId"]) for page in pages for v in page["Versions"]]
    assert listed == wanted


def test_many_versions_and_markers_go_in_one_request_twice(versions, s3, bucket) -> None:
    versions.turn("Enabled")
    made = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": KEY}]})["Deleted"]
    assert made[0]["DeleteMarker"]
    ids = [made[0]["DeleteMarkerVersionId"], versions.put("1"), versions.put("2")]
    objects = [{"Key": KEY, "VersionId": version_id} for version_id in ids]
    for _ in range(2):
        done = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
        assert [entry["VersionId"] for entry in done["Deleted"]] == ids
        assert versions.listed() == []


def test_each_version_has_its_own_acl(versions, s3, main) -> None:
    versions.turn("Enabled")
    older, newer = versions.put("1"), versions.put("2")

    def grants(**named: str) -> set[str]:
        answer = s3.get_object_acl(**versions.where, **named)
        assert answer["Owner"]["ID"] == main.account.canonical_id
        return {grant["Permission"] for grant in answer["Grants"]}

    s3.put_object_acl(**versions.where, VersionId=older, ACL="public-read")
    assert grants(VersionId=older) == {"FULL_CONTROL", "READ"}
    assert grants(VersionId=newer) == grants() == {"FULL_CONTROL"}
    s3.put_object_acl(**versions.where, ACL="public-read")
    assert grants(VersionId=newer) == {"FULL_CONTROL", "READ"}
    versions.put("3")
    assert grants() == {"FULL_CONTROL"}


@pytest.mark.parametrize("rounds", [3])
def test_a_crowd_writes_and_removes_versions_and_none_is_lost(versions, rounds) -> None:
    versions.turn("Enabled")

    def at_once(call: Callable, arguments: list) -> list:
        with ThreadPoolExecutor(8) as crowd:
            return list(crowd.map(call, arguments))

    for _ in range(rounds):
        ids = at_once(versions.put, [f"body {i}" for i in range(12)])
        listed = versions.listed()
        assert {version_id for _, version_id, _ in listed} == set(ids)
        assert [latest for _, _, latest in listed] == [True] + 11 * [False]
        at_once(versions.delete, ids)
        assert versions.listed() == []
