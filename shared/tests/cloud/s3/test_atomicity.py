"""One key, many at once: a reader sees one version whole, and the last commit counts."""

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from amazonian.s3 import upload
from amazonian.s3.payloads import Bytes

KEY = "k"
SIZE = 6 * 2**20


class SlowPut:
    """A PUT whose body is sent in two halves, with something else in between."""

    def __init__(self, s3: Any, bucket: str, letter: bytes, **conditions: str):
        where = {"Bucket": bucket, "Key": KEY, **conditions}
        url = urlsplit(s3.generate_presigned_url("put_object", Params=where))
        self.half = letter * (SIZE // 2)
        self.connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
        self.connection.putrequest("PUT", f"{url.path}?{url.query}")
        self.connection.putheader("content-length", str(SIZE))
        for name, value in conditions.items():
            self.connection.putheader({"IfMatch": "if-match"}[name], value)
        self.connection.endheaders(self.half)

    def finish(self) -> tuple[int, str]:
        self.connection.send(self.half)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        self.connection.close()
        return answer.status, text.partition("<Code>")[2].partition("</Code>")[0]


@pytest.fixture
def start(s3: Any, bucket: str) -> Callable[..., SlowPut]:
    return lambda letter, **conditions: SlowPut(s3, bucket, letter, **conditions)


@pytest.fixture
def content(s3: Any, bucket: str) -> Callable[[], bytes]:
    """The one letter of which the object is made."""

    def read() -> bytes:
        body = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
        assert body == body[:1] * SIZE
        return body[:1]

    return read


def put_parts(s3: Any, bucket: str, letter: bytes) -> None:
    where = {"Bucket": bucket, "Key": KEY}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, size in enumerate((SIZE - 2**20, 2**20), 1):
        etag = s3.upload_part(**where, PartNumber=number, Body=letter * size)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


def put_whole(s3: Any, bucket: str, letter: bytes) -> None:
    s3.put_object(Bucket=bucket, Key=KEY, Body=letter * SIZE)


def remove(s3: Any, bucket: str, letter: bytes) -> None:
    s3.delete_object(Bucket=bucket, Key=KEY)


@pytest.mark.parametrize("write", [put_whole, put_parts])
@pytest.mark.parametrize("change", [put_whole, put_parts, remove])
def test_who_has_begun_to_read_gets_that_version_to_its_end(s3, bucket, write, change) -> None:
    write(s3, bucket, b"a")
    body = s3.get_object(Bucket=bucket, Key=KEY)["Body"]
    begun = body.read(1000)
    change(s3, bucket, b"b")
    assert begun + body.read() == b"a" * SIZE


def test_a_write_is_seen_when_it_has_ended(s3, bucket, start, content) -> None:
    put_whole(s3, bucket, b"a")
    slow = start(b"b")
    assert content() == b"a"
    assert slow.finish() == (200, "")
    assert content() == b"b"


def test_of_two_writes_the_one_that_ends_last_counts(s3, bucket, start, content) -> None:
    first = start(b"a")
    put_whole(s3, bucket, b"b")
    assert content() == b"b"
    first.finish()
    assert content() == b"a"


def test_a_condition_holds_at_the_end_of_a_write_not_at_its_beginning(
    s3, bucket, start, content
) -> None:
    put_whole(s3, bucket, b"a")
    etag = s3.head_object(Bucket=bucket, Key=KEY)["ETag"]
    slow = start(b"b", IfMatch=etag)
    put_whole(s3, bucket, b"c")
    assert slow.finish() == (412, "PreconditionFailed")
    assert content() == b"c"
    still = start(b"d", IfMatch="*")
    assert still.finish() == (200, "")
    assert content() == b"d"


def test_a_bucket_may_go_under_a_write(s3, bucket, start, endpoint) -> None:
    before = set(endpoint.store.data.payloads())
    slow = start(b"a")
    s3.delete_bucket(Bucket=bucket)
    assert slow.finish() == (404, "NoSuchBucket")
    assert set(endpoint.store.data.payloads()) == before


def test_a_part_that_ends_last_counts(s3, bucket, content) -> None:
    where = {"Bucket": bucket, "Key": KEY}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    sent: list[str] = []

    class Interrupted:
        """A body that lets another one of its number be sent whole before it ends."""

        def __init__(self) -> None:
            self.left = SIZE

        def read(self, count: int = -1) -> bytes:
            count = self.left if count < 0 else min(count, self.left)
            self.left -= count
            if count and not self.left:
                sent.append(s3.upload_part(**where, PartNumber=1, Body=b"b" * SIZE)["ETag"])
            return b"a" * count

        def tell(self) -> int:
            return SIZE - self.left

        def seek(self, offset: int, whence: int = 0) -> int:
            self.left = SIZE - offset if whence == 0 else -offset
            return self.tell()

    etag = s3.upload_part(**where, PartNumber=1, Body=Interrupted())["ETag"]
    assert sent
    assert etag not in sent
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(**where, MultipartUpload=parts)
    assert content() == b"a"


def test_an_object_replaced_between_look_up_and_read_is_read_anew(
    s3, bucket, endpoint, content, monkeypatch
) -> None:
    put_whole(s3, bucket, b"a")
    store = endpoint.store
    hold, replaced = store.hold, []

    def late(version: Any) -> Any:
        if not replaced:
            replaced.append(version)
            upload.put(store, bucket, KEY, Bytes(b"b" * SIZE), version.details)
        return hold(version)

    monkeypatch.setattr(store, "hold", late)
    assert content() == b"b"
    assert replaced


def test_readers_and_writers_in_a_crowd_see_whole_versions_only(s3, bucket, content) -> None:
    put_whole(s3, bucket, b"0")
    with ThreadPoolExecutor(6) as crowd:
        writes = [crowd.submit(put_whole, s3, bucket, b"%d" % i) for i in range(8)]
        reads = [crowd.submit(content) for _ in range(8)]
        seen = {read.result() for read in reads}
        assert all(write.result() is None for write in writes)
    assert seen <= {b"%d" % i for i in range(8)}
