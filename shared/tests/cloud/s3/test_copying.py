"""CopyObject: what goes along, what is replaced, and who may."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def copy(s3: Any, bucket: str) -> Callable[..., dict]:
    """Copy ``source``, which is there, to ``target``."""
    s3.put_object(
        Bucket=bucket,
        Key="source",
        Body=b"abc",
        ContentType="audio/ogg",
        CacheControl="no-cache",
        Metadata={"one": "1"},
        Tagging="colour=red",
    )

    def call(**arguments: Any) -> dict:
        asked = {"Bucket": bucket, "Key": "target", "CopySource": f"{bucket}/source"}
        return s3.copy_object(**(asked | arguments))

    return call


def looks(s3: Any, bucket: str, key: str = "target") -> tuple:
    answer = s3.get_object(Bucket=bucket, Key=key)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return (
        answer["Body"].read(),
        answer["ContentType"],
        answer["Metadata"],
        {tag["Key"]: tag["Value"] for tag in tags},
    )


@pytest.mark.parametrize(
    ("arguments", "content_type", "metadata", "tags"),
    [
        ({}, "audio/ogg", {"one": "1"}, {"colour": "red"}),
        ({"Metadata": {"two": "2"}}, "audio/ogg", {"one": "1"}, {"colour": "red"}),
        (
            {"MetadataDirective": "REPLACE", "Metadata": {"two": "2"}, "ContentType": "audio/mpeg"},
            "audio/mpeg",
            {"two": "2"},
            {"colour": "red"},
        ),
        (
            {"MetadataDirective": "REPLACE"},
            "binary/octet-stream",
            {},
            {"colour": "red"},
        ),
        (
            {"TaggingDirective": "REPLACE", "Tagging": "size=big"},
            "audio/ogg",
            {"one": "1"},
            {"size": "big"},
        ),
    ],
    ids=["all", "ignored without directive", "new metadata", "no metadata", "new tags"],
)
def test_metadata_and_tags_go_along_unless_they_are_replaced(
    copy, s3, bucket, arguments, content_type, metadata, tags
) -> None:
    result = copy(**arguments)["CopyObjectResult"]
    assert looks(s3, bucket) == (b"abc", content_type, metadata, tags)
    assert result["ETag"] == s3.head_object(Bucket=bucket, Key="source")["ETag"]


@pytest.mark.parametrize("size", [0, 3, 4096, 4097, 2**20 + 1])
def test_every_byte_is_copied_and_stays_when_the_source_goes(s3, bucket, size) -> None:
    body = bytes(i % 251 for i in range(size))
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source")
    s3.delete_object(Bucket=bucket, Key="source")
    assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == body


def test_a_copy_onto_itself_must_change_something(copy, s3, bucket, refused) -> None:
    itself = {"Key": "source"}
    assert refused(copy, **itself) == (400, "InvalidRequest")
    copy(**itself, MetadataDirective="REPLACE", Metadata={"two": "2"})
    assert looks(s3, bucket, "source")[2] == {"two": "2"}
    copy(**itself, StorageClass="REDUCED_REDUNDANCY")
    head = s3.head_object(Bucket=bucket, Key="source")
    assert head["StorageClass"] == "REDUCED_REDUNDANCY"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("no-such-bucket/k", (404, "NoSuchBucket")),
        ("{bucket}/none", (404, "NoSuchKey")),
        ("{bucket}", (400, "InvalidArgument")),
        ("{bucket}/", (400, "InvalidArgument")),
        ("{bucket}/source?versionId=none", (404, "NoSuchVersion")),
    ],
)
def test_a_source_that_is_not_there_is_named(copy, bucket, refused, source, told) -> None:
    assert refused(copy, CopySource=source.format(bucket=bucket)) == told


@pytest.mark.parametrize("key", ["a?b", "a&b=c", "a b", "a+b", "a%41", "ü/ß", "?versionId=x"])
def test_sources_with_unusual_names_are_found_with_and_without_their_version(
    s3, bucket, key
) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key=key, Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"2")
    for named, body in (({}, b"2"), ({"VersionId": first}, b"1")):
        source = {"Bucket": bucket, "Key": key, **named}
        done = s3.copy_object(Bucket=bucket, Key="target", CopySource=source)
        assert done["VersionId"] not in (first, done["CopySourceVersionId"])
        assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == body


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"CopySourceIfMatch": "{etag}"}, True),
        ({"CopySourceIfMatch": "other"}, False),
        ({"CopySourceIfNoneMatch": "{etag}"}, False),
        ({"CopySourceIfNoneMatch": "other"}, True),
        ({"CopySourceIfModifiedSince": "2015-01-01"}, True),
        ({"CopySourceIfUnmodifiedSince": "2015-01-01"}, False),
        ({"CopySourceIfMatch": "{etag}", "CopySourceIfUnmodifiedSince": "2015-01-01"}, True),
    ],
)
def test_a_copy_is_bound_to_its_source(copy, s3, bucket, refused, conditions, holds) -> None:
    etag = s3.head_object(Bucket=bucket, Key="source")["ETag"]
    conditions = {name: value.format(etag=etag) for name, value in conditions.items()}
    if holds:
        copy(**conditions)
    else:
        assert refused(copy, **conditions) == (412, "PreconditionFailed")


def test_a_copy_needs_the_right_to_read_and_the_right_to_write(
    copy, main, alt, bucket, refused, new_bucket
) -> None:
    theirs = new_bucket(ACL="public-read-write")
    asked = {"Bucket": theirs, "CopySource": f"{bucket}/source", "Key": "k"}
    assert refused(alt.s3.copy_object, **asked) == (403, "AccessDenied")
    main.s3.put_object_acl(Bucket=bucket, Key="source", ACL="public-read")
    alt.s3.copy_object(**asked, ACL="public-read")
    assert main.s3.get_object(Bucket=theirs, Key="k")["Body"].read() == b"abc"
    assert refused(alt.s3.copy_object, **(asked | {"Bucket": bucket})) == (403, "AccessDenied")


def test_a_multipart_object_is_copied_as_one(s3, bucket) -> None:
    where = {"Bucket": bucket, "Key": "parts"}
    begun = s3.create_multipart_upload(**where, Metadata={"m": "1"})
    where["UploadId"] = begun["UploadId"]
    parts = []
    for number, body in enumerate((b"a" * 5 * 2**20, b"b"), 1):
        etag = s3.upload_part(**where, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/parts")
    answer = s3.get_object(Bucket=bucket, Key="target")
    assert answer["Metadata"] == {"m": "1"}
    assert "-" not in answer["ETag"]
    assert answer["Body"].read() == b"a" * 5 * 2**20 + b"b"
