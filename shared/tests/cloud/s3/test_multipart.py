"""Multipart uploads over boto3: parts in any order and again, copied parts, completion, reading."""

import hashlib
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

MIB = 2**20
LEAST = 5 * MIB
KEY = "film"


class Upload:
    """A multipart upload in progress, and the parts that it would list."""

    def __init__(self, s3: Any, bucket: str, key: str = KEY, **arguments: Any):
        self.s3, self.where = s3, {"Bucket": bucket, "Key": key}
        begun = s3.create_multipart_upload(**self.where, **arguments)
        self.where["UploadId"] = begun["UploadId"]
        self.listed: dict[int, dict] = {}

    def send(self, number: int, body: bytes, **arguments: Any) -> dict:
        part = self.s3.upload_part(**self.where, PartNumber=number, Body=body, **arguments)
        self.listed[number] = {"PartNumber": number, "ETag": part["ETag"]}
        return part

    def copy(self, number: int, **arguments: Any) -> dict:
        part = self.s3.upload_part_copy(**self.where, PartNumber=number, **arguments)
        self.listed[number] = {"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]}
        return part

    @property
    def completion(self) -> dict:
        parts = [self.listed[number] for number in sorted(self.listed)]
        return {**self.where, "MultipartUpload": {"Parts": parts}}

    def complete(self, **arguments: Any) -> dict:
        return self.s3.complete_multipart_upload(**self.completion, **arguments)


@pytest.fixture
def begin(s3: Any, bucket: str) -> Callable[..., Upload]:
    return lambda key=KEY, **arguments: Upload(s3, bucket, key, **arguments)


@pytest.fixture
def content(s3: Any, bucket: str) -> Callable[[], bytes]:
    return lambda: s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()


# --- from parts to object ---------------------------------------------------------------------


def test_parts_may_come_in_any_order_and_again_and_the_last_one_sent_counts(
    begin, s3, bucket, content
) -> None:
    upload = begin(ContentType="video/x", Metadata={"reel": "1"}, Tagging="z=1&a=2")
    upload.send(7, b"end")
    upload.send(2, bytes(LEAST))
    upload.send(3, b"not listed")
    upload.send(2, b"2" * LEAST)
    del upload.listed[3]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    done = upload.complete()
    md5s = [hashlib.md5(part).digest() for part in (b"2" * LEAST, b"end")]
    assert done["ETag"] == f'"{hashlib.md5(b"".join(md5s)).hexdigest()}-2"'
    assert content() == b"2" * LEAST + b"end"
    head = s3.head_object(Bucket=bucket, Key=KEY)
    assert (head["ContentType"], head["Metadata"]) == ("video/x", {"reel": "1"})
    tags = s3.get_object_tagging(Bucket=bucket, Key=KEY)["TagSet"]
    assert tags == [{"Key": "a", "Value": "2"}, {"Key": "z", "Value": "1"}]


def test_the_object_before_stays_until_the_upload_is_complete(begin, s3, bucket, content) -> None:
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"old")
    upload = begin()
    upload.send(1, b"new")
    assert content() == b"old"
    upload.complete()
    assert content() == b"new"


def test_what_answered_a_completion_answers_it_again(begin, refused, s3) -> None:
    upload = begin(ChecksumAlgorithm="SHA256")
    upload.send(1, b"x", ChecksumAlgorithm="SHA256")
    first, second = upload.complete(), upload.complete()
    assert [first[n] for n in ("ETag", "ChecksumSHA256")] == [
        second[n] for n in ("ETag", "ChecksumSHA256")
    ]
    upload.listed[2] = upload.listed[1] | {"PartNumber": 2}
    assert refused(s3.complete_multipart_upload, **upload.completion) == (404, "NoSuchUpload")


@pytest.mark.parametrize(
    ("sent", "listed", "code"),
    [
        ({1: b"a"}, [], "MalformedXML"),
        ({1: b"a"}, [9999], "InvalidPart"),
        ({1: b"a"}, [1, 1], "InvalidPartOrder"),
        ({1: bytes(LEAST), 2: b"b"}, [2, 1], "InvalidPartOrder"),
        ({1: b"too small", 2: b"b"}, [1, 2], "EntityTooSmall"),
    ],
)
def test_a_list_that_makes_no_object_is_refused_and_may_be_sent_again(
    begin, refused, s3, sent, listed, code
) -> None:
    upload = begin()
    for number, body in sent.items():
        upload.send(number, body)
    etag = upload.listed[1]["ETag"]
    parts = [upload.listed.get(n, {"PartNumber": n, "ETag": etag}) for n in listed]
    told = refused(s3.complete_multipart_upload, **upload.where, MultipartUpload={"Parts": parts})
    assert told == (400, code)
    upload.listed = {1: upload.listed[1]}
    assert upload.complete()["ETag"].endswith('-1"')


def test_an_etag_that_is_not_the_parts_is_no_part(begin, refused, s3) -> None:
    upload = begin()
    upload.send(1, b"a")
    for etag in ("f" * 32, "", "nonsense"):
        upload.listed[1]["ETag"] = etag
        assert refused(s3.complete_multipart_upload, **upload.completion) == (400, "InvalidPart")


def test_an_unknown_upload_is_told_apart_from_a_wrong_list(s3, bucket, refused, begin) -> None:
    where = {"Bucket": bucket, "Key": KEY, "UploadId": "abc"}
    parts = {"Parts": [{"PartNumber": 1, "ETag": "1234"}]}
    nowhere = (404, "NoSuchUpload")
    assert refused(s3.complete_multipart_upload, **where, MultipartUpload=parts) == nowhere
    assert refused(s3.abort_multipart_upload, **where) == nowhere
    assert refused(s3.list_parts, **where) == nowhere
    assert refused(s3.upload_part, **where, PartNumber=1, Body=b"") == nowhere
    other = begin("another key").where | {"Key": KEY}
    assert refused(s3.abort_multipart_upload, **other) == nowhere


def test_an_aborted_upload_takes_its_parts_along(begin, s3, bucket, endpoint, refused) -> None:
    before = set(endpoint.store.data.payloads())
    upload = begin()
    upload.send(1, b"a")
    upload.send(1, b"b")
    assert len(set(endpoint.store.data.payloads()) - before) == 1
    s3.abort_multipart_upload(**upload.where)
    assert set(endpoint.store.data.payloads()) == before
    assert refused(s3.upload_part, **upload.where, PartNumber=2, Body=b"") == (404, "NoSuchUpload")


@pytest.mark.parametrize("number", [0, 10_001, -1])
def test_parts_are_numbered_from_1_to_10000(begin, s3, refused, number) -> None:
    where = begin().where | {"PartNumber": number}
    assert refused(s3.upload_part, **where, Body=b"") == (400, "InvalidArgument")


def test_list_parts_pages_through_them(begin, s3) -> None:
    upload = begin()
    for number in (5, 1, 3):
        upload.send(number, b"x" * number)
    first = s3.list_parts(**upload.where, MaxParts=2)
    assert [(p["PartNumber"], p["Size"]) for p in first["Parts"]] == [(1, 1), (3, 3)]
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 3)
    rest = s3.list_parts(**upload.where, PartNumberMarker=3)
    assert [p["PartNumber"] for p in rest["Parts"]] == [5]
    assert not rest["IsTruncated"]


# --- what the client claims -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"MpuObjectSize": 4}, "InvalidRequest"),
        ({"ChecksumType": "FULL_OBJECT"}, "InvalidRequest"),
        ({"ChecksumCRC32": "AAAAAA=="}, "InvalidRequest"),
        ({"ChecksumSHA256": "bad"}, "BadDigest"),
    ],
)
def test_a_completion_is_held_to_what_it_claims(begin, s3, refused, claims, code) -> None:
    upload = begin(ChecksumAlgorithm="SHA256")
    part = upload.send(1, b"abc", ChecksumAlgorithm="SHA256")
    assert refused(s3.complete_multipart_upload, **upload.completion, **claims) == (400, code)
    upload.listed[1]["ChecksumSHA256"] = hashlib.sha256().hexdigest()
    assert refused(s3.complete_multipart_upload, **upload.completion) == (400, "InvalidPart")
    upload.listed[1]["ChecksumSHA256"] = part["ChecksumSHA256"]
    upload.complete(MpuObjectSize=3, ChecksumType="COMPOSITE")


# --- reading parts ----------------------------------------------------------------------------


def test_a_part_is_read_by_its_number(begin, s3, bucket, refused) -> None:
    upload = begin()
    bodies = [b"a" * LEAST, b"b" * (LEAST + 1), b"c"]
    for number, body in enumerate(bodies, 1):
        upload.send(number, body)
    assert refused(s3.get_object, Bucket=bucket, Key=KEY, PartNumber=1) == (404, "NoSuchKey")
    etag = upload.complete()["ETag"]
    for (number, body), read in product(enumerate(bodies, 1), (s3.get_object, s3.head_object)):
        answer = read(Bucket=bucket, Key=KEY, PartNumber=number)
        assert (answer["PartsCount"], answer["ETag"]) == (3, etag)
        assert answer["ContentLength"] == len(body)
        assert "Body" not in answer or answer["Body"].read() == body
    assert refused(s3.get_object, Bucket=bucket, Key=KEY, PartNumber=4) == (400, "InvalidPart")


def test_an_object_without_parts_is_its_own_first_part(s3, bucket, refused) -> None:
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"whole")
    assert s3.get_object(Bucket=bucket, Key=KEY, PartNumber=1)["Body"].read() == b"whole"
    assert refused(s3.get_object, Bucket=bucket, Key=KEY, PartNumber=2) == (400, "InvalidPart")


def test_a_range_may_span_parts(begin, s3, bucket) -> None:
    upload = begin()
    upload.send(1, b"a" * LEAST)
    upload.send(2, b"bcd")
    upload.complete()
    asked = {"Bucket": bucket, "Key": KEY, "Range": f"bytes={LEAST - 2}-{LEAST + 1}"}
    assert s3.get_object(**asked)["Body"].read() == b"aabc"


# --- copied parts -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["plain", " ", "_", "__", "?versionId", "a%2Fb", "a+b", "ä/b"])
def test_a_part_may_be_a_run_of_another_object(begin, s3, bucket, content, key) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"0123456789")
    upload = begin()
    source = {"Bucket": bucket, "Key": key}
    upload.copy(1, CopySource=source, CopySourceRange="bytes=2-2")
    upload.complete()
    assert content() == b"2"
    upload = begin()
    upload.copy(1, CopySource=source)
    upload.complete()
    assert content() == b"0123456789"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0-2", (400, "InvalidArgument")),
        ("bytes=0", (400, "InvalidArgument")),
        ("bytes=a-b", (400, "InvalidArgument")),
        ("bytes=0-x", (400, "InvalidArgument")),
        ("bytes=-5", (400, "InvalidArgument")),
        ("bytes=3-1", (400, "InvalidArgument")),
        ("bytes=0-1,3-4", (400, "InvalidArgument")),
        ("bytes=0-21", (416, "InvalidRange")),
        ("bytes=5-5", (416, "InvalidRange")),
    ],
)
def test_a_copied_range_names_bytes_that_are_there(begin, s3, bucket, refused, text, told) -> None:
    s3.put_object(Bucket=bucket, Key="five", Body=b"12345")
    asked = {"CopySource": f"{bucket}/five", "CopySourceRange": text, "PartNumber": 1}
    assert refused(s3.upload_part_copy, **begin().where, **asked) == told


def test_an_older_version_can_be_copied_from(begin, s3, new_bucket, content, bucket) -> None:
    source = new_bucket()
    s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=source, Key="k", Body=b)["VersionId"] for b in (b"old", b"new")]
    for version_id, body in zip(ids, (b"old", b"new"), strict=True):
        upload = begin()
        named = {"Bucket": source, "Key": "k", "VersionId": version_id}
        assert upload.copy(1, CopySource=named)["CopySourceVersionId"] == version_id
        upload.complete()
        assert content() == body


def test_what_may_not_be_read_may_not_be_copied(begin, main, alt, bucket, refused) -> None:
    alt.s3.create_bucket(Bucket="of-another-account")
    alt.s3.put_object(Bucket="of-another-account", Key="k", Body=b"secret")
    asked = {"CopySource": "of-another-account/k", "PartNumber": 1}
    assert refused(main.s3.upload_part_copy, **begin().where, **asked) == (403, "AccessDenied")
