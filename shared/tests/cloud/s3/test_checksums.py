"""Integrity: checksums that clients send, in a header or behind the body, keep and ask for."""

import base64
import hashlib
import http.client
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from awscrt import checksums as crt

KEY = "k"
LEAST = 5 * 2**20
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
CRCS = ("CRC32", "CRC32C", "CRC64NVME")


def digest(algorithm: str, data: bytes) -> bytes:
    """A checksum from another implementation than ours, where there is one."""
    return {
        "CRC32": lambda: zlib.crc32(data).to_bytes(4, "big"),
        "CRC32C": lambda: crt.crc32c(data).to_bytes(4, "big"),
        "CRC64NVME": lambda: crt.crc64nvme(data).to_bytes(8, "big"),
        "SHA1": lambda: hashlib.sha1(data).digest(),
        "SHA256": lambda: hashlib.sha256(data).digest(),
    }[algorithm]()


def checksum(algorithm: str, data: bytes) -> str:
    return base64.b64encode(digest(algorithm, data)).decode()


@pytest.fixture
def where(bucket: str) -> dict:
    return {"Bucket": bucket, "Key": KEY}


def attributes(s3: Any, where: dict, **more: Any) -> dict:
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    return s3.get_object_attributes(**where, ObjectAttributes=every, **more)


# --- whole objects ----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_is_checked_kept_and_told_to_who_asks(s3, where, refused, algorithm) -> None:
    name, value = f"Checksum{algorithm}", checksum(algorithm, b"123456789")
    put = s3.put_object(**where, Body=b"123456789", **{name: value})
    assert (put[name], put["ChecksumType"]) == (value, "FULL_OBJECT")
    assert name not in s3.head_object(**where)
    assert s3.head_object(**where, ChecksumMode="ENABLED")[name] == value
    assert attributes(s3, where)["Checksum"] == {name: value, "ChecksumType": "FULL_OBJECT"}
    for bad in (checksum(algorithm, b"other"), "bad", "AAAA", "*" * len(value)):
        told = refused(s3.put_object, **where, Body=b"123456789", **{name: bad})
        assert told == (400, "BadDigest")
    copied = s3.copy_object(**where | {"Key": "copy"}, CopySource=f"{where['Bucket']}/{KEY}")
    assert copied["CopyObjectResult"][name] == value


def test_known_values_of_the_two_that_no_library_here_knows_otherwise() -> None:
    assert digest("CRC32C", b"123456789").hex() == "e3069283"
    assert digest("CRC64NVME", b"123456789").hex() == "ae8b14860a799888"


def test_where_the_client_promises_nothing_the_object_has_a_checksum_all_the_same(
    s3, where, put_raw
) -> None:
    assert put_raw(b"plain")[0] == 200
    found = s3.head_object(**where, ChecksumMode="ENABLED")
    assert found["ChecksumCRC64NVME"] == checksum("CRC64NVME", b"plain")


@pytest.mark.parametrize("size", [0, 5, 70_000])
def test_a_range_has_no_checksum_of_the_whole(s3, where, size) -> None:
    s3.put_object(**where, Body=bytes(size))
    whole = s3.get_object(**where, ChecksumMode="ENABLED")
    assert "ChecksumCRC32" in whole
    if size:
        some = s3.get_object(**where, Range="bytes=0-1", ChecksumMode="ENABLED")
        assert "ChecksumCRC32" not in some


# --- raw requests -----------------------------------------------------------------------------


@pytest.fixture
def put_raw(s3: Any, endpoint: Any, where: dict) -> Callable[..., tuple[int, dict, str]]:
    """PUT a body unsigned, with headers that boto3 would not send; gives status, headers, text."""
    s3.put_bucket_acl(Bucket=where["Bucket"], ACL="public-read-write")

    def send(body: bytes, **headers: str) -> tuple[int, dict, str]:
        connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("PUT", f"/{where['Bucket']}/{KEY}", body, named)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.headers), text

    return send


def chunked(body: bytes, trailer: str) -> bytes:
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:half], body[half:]) if c)
    return chunks + b"0\r\n" + trailer.encode() + b"\r\n\r\n"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("spoilt", [False, True])
def test_a_checksum_may_come_behind_the_body(s3, where, put_raw, algorithm, spoilt) -> None:
    name = f"x-amz-checksum-{algorithm.lower()}"
    body = b"in two chunks" * 700
    value = checksum(algorithm, b"another" if spoilt else body)
    status, headers, text = put_raw(
        chunked(body, f"{name}:{value}"),
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        x_amz_trailer=name,
        x_amz_decoded_content_length=str(len(body)),
        content_encoding="aws-chunked",
    )
    if spoilt:
        assert (status, "BadDigest" in text) == (400, True)
        assert "Contents" not in s3.list_objects_v2(Bucket=where["Bucket"])
        return
    assert (status, headers[name]) == (200, value)
    found = s3.get_object(**where, ChecksumMode="ENABLED")
    assert (found["Body"].read(), found[f"Checksum{algorithm}"]) == (body, value)
    assert "ContentEncoding" not in found


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_md5": base64.b64encode(hashlib.md5(b"y").digest()).decode()}, "BadDigest"),
        ({"content_md5": "nonsense"}, "InvalidDigest"),
        ({"x_amz_checksum_crc32": checksum("CRC32", b"y")}, "BadDigest"),
        (
            {
                "x_amz_checksum_crc32": checksum("CRC32", b"x"),
                "x_amz_checksum_sha1": checksum("SHA1", b"x"),
            },
            "InvalidRequest",
        ),
        ({"x_amz_sdk_checksum_algorithm": "MD4"}, "InvalidRequest"),
    ],
)
def test_a_promise_that_is_not_kept_stores_nothing(s3, where, put_raw, headers, code) -> None:
    status, _, text = put_raw(b"x", **headers)
    assert (status, f"<Code>{code}</Code>" in text) == (400, True)
    assert "Contents" not in s3.list_objects_v2(Bucket=where["Bucket"])


# --- parts ------------------------------------------------------------------------------------


@pytest.fixture
def parts(s3: Any, where: dict) -> Callable[..., tuple[dict, list[bytes]]]:
    """Upload three parts and complete them, by the arguments of create_multipart_upload."""
    bodies = [b"A" * LEAST, b"B" * LEAST, b"C" * 1000]

    def upload(send: dict[str, str], **arguments: str) -> tuple[dict, list[bytes]]:
        named = {**where}
        named["UploadId"] = s3.create_multipart_upload(**named, **arguments)["UploadId"]
        listed = []
        for number, body in enumerate(bodies, 1):
            part = s3.upload_part(**named, PartNumber=number, Body=body, **send)
            sums = {name: value for name, value in part.items() if name.startswith("Checksum")}
            listed.append({"PartNumber": number, "ETag": part["ETag"], **sums})
        done = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": listed})
        return done, bodies

    return upload


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_a_checksum_of_parts_is_of_the_whole_or_of_their_checksums(
    parts, s3, where, algorithm, kind
) -> None:
    name = f"Checksum{algorithm}"
    done, bodies = parts(
        {"ChecksumAlgorithm": algorithm}, ChecksumAlgorithm=algorithm, ChecksumType=kind
    )
    if kind == "FULL_OBJECT":
        value = checksum(algorithm, b"".join(bodies))
    else:
        value = checksum(algorithm, b"".join(digest(algorithm, b) for b in bodies)) + "-3"
    assert (done[name], done["ChecksumType"]) == (value, kind)
    assert name not in s3.head_object(**where)
    head = s3.head_object(**where, ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (value, kind)
    for number, body in enumerate(bodies, 1):
        part = s3.get_object(**where, PartNumber=number, ChecksumMode="ENABLED")
        assert (part[name], part["ChecksumType"]) == (checksum(algorithm, body), kind)
        assert part["Body"].read() == body
    told = attributes(s3, where)
    assert told["Checksum"] == {name: value, "ChecksumType": kind}
    listed = [(p["PartNumber"], p["Size"], p[name]) for p in told["ObjectParts"]["Parts"]]
    assert listed == [(n, len(b), checksum(algorithm, b)) for n, b in enumerate(bodies, 1)]


def test_without_an_algorithm_the_whole_has_crc64nvme_whatever_the_parts_bring(
    parts, s3, where
) -> None:
    done, bodies = parts({"ChecksumAlgorithm": "SHA1"})
    value = checksum("CRC64NVME", b"".join(bodies))
    assert (done["ChecksumCRC64NVME"], done["ChecksumType"]) == (value, "FULL_OBJECT")
    head = s3.head_object(**where, ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == value
    told = attributes(s3, where, MaxParts=1, PartNumberMarker=1)
    assert told["ObjectSize"] == sum(map(len, bodies))
    assert told["ETag"] == done["ETag"].strip('"')
    page = told["ObjectParts"]
    assert (page["TotalPartsCount"], page["MaxParts"], page["PartNumberMarker"]) == (3, 1, 1)
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 2)
    assert [(p["PartNumber"], p["Size"]) for p in page["Parts"]] == [(2, LEAST)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "SHA1", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumType": "COMPOSITE"},
    ],
)
def test_hashes_can_not_be_combined_and_crc64nvme_is_never_composed(
    s3, where, refused, arguments
) -> None:
    told = refused(s3.create_multipart_upload, **where, **arguments)
    assert told == (400, "InvalidRequest")


def test_a_part_must_bring_the_uploads_algorithm_and_keep_its_promise(s3, where, refused) -> None:
    begun = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == ("SHA256", "COMPOSITE")
    named = {**where, "UploadId": begun["UploadId"], "PartNumber": 1, "Body": b"x"}
    told = refused(s3.upload_part, **named, ChecksumAlgorithm="CRC32")
    assert told == (400, "InvalidRequest")
    told = refused(s3.upload_part, **named, ChecksumSHA256=checksum("SHA256", b"y"))
    assert told == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(**where, UploadId=begun["UploadId"])
