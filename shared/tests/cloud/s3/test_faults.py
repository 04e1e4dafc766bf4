"""What a client hears when devices break, rot or are full, and when it hangs up itself."""

import errno
import http.client
import random
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.client import Config
from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from amazonian.cloud.cable import cable_to
from amazonian.cloud.endpoint import Endpoint, serve
from amazonian.iam.identities import Identities
from amazonian.s3.devices import Device
from amazonian.s3.faults import FaultyDevice, rot
from amazonian.s3.store import Store

K, M = 4, 2
PATIENCE_S = 10.0
DATA = {
    "inline": random.Random(1).randbytes(4096),
    "one stripe": random.Random(2).randbytes(5000),
    "three stripes": random.Random(3).randbytes(2_500_000),
}
ONCE = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=20)


@pytest.fixture
def devices(tmp_path: Path) -> list[FaultyDevice]:
    return [FaultyDevice(Device(tmp_path / f"d{n}")) for n in range(K + M)]


@pytest.fixture
def endpoint(devices: list[FaultyDevice], tmp_path: Path) -> Iterator[Endpoint]:
    store = Store.open(tmp_path / "store", K, M, devices=devices)
    with serve(store, Identities()) as running:
        yield running
    for device in devices:
        device.heal()
    store.close()


@pytest.fixture
def s3(endpoint: Endpoint) -> Iterator[Any]:
    client = endpoint.client(config=ONCE)
    client.create_bucket(Bucket="bucket")
    yield client
    client.close()


def put_all(s3: Any) -> None:
    for key, body in DATA.items():
        s3.put_object(Bucket="bucket", Key=key, Body=body)


def get(s3: Any, key: str, **arguments: Any) -> bytes:
    return s3.get_object(Bucket="bucket", Key=key, **arguments)["Body"].read()


def refusal(call: Callable, **arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as told:
        call(Bucket="bucket", **arguments)
    error, meta = told.value.response["Error"], told.value.response["ResponseMetadata"]
    return meta["HTTPStatusCode"], error["Code"], error["Message"]


def accepted(s3: Any, key: str, body: bytes, message: str = "No space left on device") -> bool:
    """Whether a put is carried out; a refusal must be a 503 that says why."""
    try:
        s3.put_object(Bucket="bucket", Key=key, Body=body)
    except ClientError as error:
        answer = error.response
    else:
        return True
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert answer["Error"]["Code"] == "ServiceUnavailable"
    assert message in answer["Error"]["Message"]
    return False


def kept(store: Store, tmp_path: Path) -> tuple[set[str], list[str]]:
    """The payloads on the devices, by name; and files that belong to no payload."""
    strays = [file.name for file in tmp_path.glob("d*/*.partial")]
    return set(store.data.payloads()), strays


# --- devices gone -----------------------------------------------------------------------------


@pytest.mark.parametrize("gone", list(combinations(range(K + M), M)))
def test_objects_are_read_while_any_m_devices_are_gone(s3, devices, gone) -> None:
    put_all(s3)
    for number in gone:
        devices[number].fail()
    for key, body in DATA.items():
        assert get(s3, key) == body
    assert (
        get(s3, "three stripes", Range="bytes=1048570-1048590")
        == (DATA["three stripes"][1_048_570:1_048_591])
    )


@pytest.mark.parametrize("gone", [(0, 1, 2), (1, 3, 5), (3, 4, 5)])
def test_one_device_more_is_an_error_that_says_why_and_passes(s3, devices, gone) -> None:
    put_all(s3)
    for number in gone:
        devices[number].fail()
    assert get(s3, "inline") == DATA["inline"]
    for key in ("one stripe", "three stripes"):
        status, code, message = refusal(s3.get_object, Key=key)
        assert (status, code) == (500, "InternalError")
        assert "needs 4 sound fragments and 3 were found" in message
        assert refusal(s3.get_object, Key=key, Range="bytes=10-20")[:2] == (500, "InternalError")
        copy = {"Key": "copy", "CopySource": {"Bucket": "bucket", "Key": key}}
        assert refusal(s3.copy_object, **copy)[:2] == (500, "InternalError")
        assert s3.head_object(Bucket="bucket", Key=key)["ContentLength"] == len(DATA[key])
    status, code, message = refusal(s3.put_object, Key="new", Body=DATA["one stripe"])
    assert (status, code) == (503, "ServiceUnavailable")
    assert "3 of 6 fragments could be written" in message
    for number in gone:
        devices[number].heal()
    assert {key: get(s3, key) for key in DATA} == DATA
    assert refusal(s3.get_object, Key="new")[:2] == (404, "NoSuchKey")


def test_what_is_written_while_a_device_is_gone_bears_m_others_going(s3, devices, endpoint) -> None:
    devices[2].fail()
    put_all(s3)
    devices[2].heal()
    assert endpoint.store.data.repair().lost == []
    for number in (0, 5):
        devices[number].fail()
    assert {key: get(s3, key) for key in DATA} == DATA


def test_devices_that_go_in_the_middle_of_a_download_end_it_short(s3, devices) -> None:
    """The status was sent with the first bytes, so the line breaks; no byte is wrong."""
    body = random.Random(9).randbytes(48 * 2**20)
    s3.put_object(Bucket="bucket", Key="large", Body=body)
    stream = s3.get_object(Bucket="bucket", Key="large")["Body"]
    got = [stream.read(2**20)]
    for device in devices[: M + 1]:
        device.fail()

    def read_on() -> None:
        while piece := stream.read(2**20):
            got.append(piece)

    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        read_on()
    read = b"".join(got)
    assert body.startswith(read)
    assert len(read) < len(body)
    for device in devices:
        device.heal()
    assert get(s3, "large") == body


# --- rot --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_no_flipped_bits_are_ever_served(s3, devices, endpoint, seed) -> None:
    """Up to m devices rot at once; then a repair makes all good, and other devices rot."""
    rng = random.Random(seed)
    put_all(s3)
    for _ in range(3):
        for device in rng.sample(devices, M):
            assert rot(device, rng, bits=rng.choice([1, 5, 200]))
        assert {key: get(s3, key) for key in DATA} == DATA
        first = rng.randrange(2_000_000)
        part = get(s3, "three stripes", Range=f"bytes={first}-{first + 99_999}")
        assert part == DATA["three stripes"][first : first + 100_000]
        assert endpoint.store.data.repair().lost == []
        assert endpoint.store.data.scrub().clean


def test_rot_on_too_many_devices_is_an_error_and_never_wrong_bytes(s3, devices) -> None:
    put_all(s3)
    rng = random.Random(7)
    for device in devices[: M + 1]:
        for file in device.path.iterdir():
            rot(device, rng, bits=20_000, name=file.name)
    for key in ("one stripe", "three stripes"):
        status, code, message = refusal(s3.get_object, Key=key)
        assert (status, code) == (500, "InternalError")
        assert "corrupt" in message
    assert get(s3, "inline") == DATA["inline"]


# --- full disks -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["one stripe", "three stripes"])
@pytest.mark.parametrize("full", [1, K + M])
def test_a_disk_that_is_full_at_any_point_of_a_put_leaves_nothing(
    s3, devices, endpoint, tmp_path, key, full
) -> None:
    """Where k + 1 devices have room, the object is kept; otherwise it is as if never sent."""
    s3.put_object(Bucket="bucket", Key="k", Body=DATA["one stripe"])
    before = kept(endpoint.store, tmp_path)
    size = len(DATA[key]) // K + 600
    outcomes = set()
    for free in [0, 1, 63, 64, *range(100, size, size // 12), 2 * size]:
        for device in devices[:full]:
            device.fill(free)
        took = accepted(s3, "k", DATA[key])
        outcomes.add(took)
        if not took:
            assert kept(endpoint.store, tmp_path) == before
        for device in devices:
            device.heal()
        assert get(s3, "k") == DATA[key if took else "one stripe"]
        s3.put_object(Bucket="bucket", Key="k", Body=DATA["one stripe"])
        before = kept(endpoint.store, tmp_path)
        assert len(before[0]) == 1
        assert before[1] == []
    assert outcomes == ({False, True} if full > 1 else {True})


@pytest.mark.parametrize("after", range(0, 60, 4))
def test_devices_that_fail_after_any_operation_of_a_put_leave_no_name(
    s3, devices, endpoint, tmp_path, after
) -> None:
    for device in devices:
        device.fail(errno.ENOSPC, after // (K + M))
    for device in devices[: after % (K + M)]:
        device.fail(errno.ENOSPC, after // (K + M) + 1)
    acknowledged = accepted(s3, "k", DATA["one stripe"])
    for device in devices:
        device.heal()
    if acknowledged:
        assert get(s3, "k") == DATA["one stripe"]
    else:
        assert refusal(s3.get_object, Key="k")[:2] == (404, "NoSuchKey")
    endpoint.store.collect()  # what a failing device would not remove
    assert len(kept(endpoint.store, tmp_path)[0]) == acknowledged
    s3.put_object(Bucket="bucket", Key="k", Body=DATA["three stripes"])
    assert get(s3, "k") == DATA["three stripes"]


def test_a_full_disk_under_the_metadata_is_a_503_and_passes(s3, endpoint, tmp_path) -> None:
    """SQLite's own limit on the file's pages stands for the disk's end."""
    s3.put_object(Bucket="bucket", Key="k", Body=DATA["one stripe"])
    before = kept(endpoint.store, tmp_path)
    database = endpoint.store.metadata.database
    pages = database.read("PRAGMA page_count")[0][0]
    database._writer.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(5):
        for key in ("inline", "one stripe"):
            body = {"Key": f"{key} {number}", "Body": DATA[key], "Metadata": {"a": "x" * 1900}}
            try:
                s3.put_object(Bucket="bucket", **body)
            except ClientError as error:
                answer = error.response
                break
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "full" in answer["Error"]["Message"]
    database._writer.execute("PRAGMA max_page_count = 1000000")
    assert get(s3, "k") == DATA["one stripe"]
    assert (
        before[0]
        <= kept(endpoint.store, tmp_path)[0]
        == set(endpoint.store.metadata.live_payloads())
    )
    put_all(s3)
    assert {key: get(s3, key) for key in DATA} == DATA


# --- clients that hang up ---------------------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 1, 4096, 70_000, 1_200_000, 2_499_999])
def test_a_client_that_hangs_up_in_the_middle_of_a_put_leaves_nothing(
    s3, endpoint, tmp_path, monkeypatch, sent
) -> None:
    s3.put_object(Bucket="bucket", Key="k", Body=DATA["one stripe"])
    before, ended = kept(endpoint.store, tmp_path), threading.Event()
    keep = endpoint.store.keep

    def watched(body: Any) -> Any:
        try:
            return keep(body)
        finally:
            ended.set()

    monkeypatch.setattr(endpoint.store, "keep", watched)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "k"})
    address = urlsplit(url)
    body = DATA["three stripes"]
    with socket.create_connection((address.hostname, address.port)) as line:
        line.sendall(
            f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body[:sent]
        )
    if sent > 2**20:  # up to then it is only gathered
        assert ended.wait(PATIENCE_S)
    assert kept(endpoint.store, tmp_path) == before
    assert get(s3, "k") == DATA["one stripe"]


def test_a_client_whose_line_is_cut_in_the_middle_of_a_part_sends_it_again(
    s3, endpoint, tmp_path
) -> None:
    body = random.Random(5).randbytes(6 * 2**20)
    with cable_to(endpoint.url) as cable:
        far = endpoint.client(endpoint_url=cable.url, config=ONCE)
        upload = {"Bucket": "bucket", "Key": "k"}
        upload["UploadId"] = far.create_multipart_upload(**upload)["UploadId"]
        cable.cut_after(3 * 2**20)
        with pytest.raises(HTTPClientError):
            far.upload_part(**upload, PartNumber=1, Body=body)
        assert s3.list_parts(**upload).get("Parts", []) == []
        cable.mend()
        part = far.upload_part(**upload, PartNumber=1, Body=body)
        listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        far.complete_multipart_upload(**upload, MultipartUpload=listed)
    assert get(s3, "k") == body
    assert kept(endpoint.store, tmp_path)[0] == set(endpoint.store.metadata.live_payloads())


def test_a_client_that_hangs_up_in_the_middle_of_a_download_lets_the_payload_go(
    s3, endpoint
) -> None:
    s3.put_object(Bucket="bucket", Key="k", Body=bytes(32 * 2**20))
    [payload] = endpoint.store.data.payloads()
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}))
    line = http.client.HTTPConnection(url.hostname, url.port)
    line.request("GET", f"{url.path}?{url.query}")
    line.getresponse().read(100_000)
    line.close()
    removed = threading.Event()
    remove = endpoint.store.data._remove
    endpoint.store.data._remove = lambda name: (remove(name), removed.set())
    s3.delete_object(Bucket="bucket", Key="k")
    assert removed.wait(PATIENCE_S)
    assert payload not in set(endpoint.store.data.payloads())


# --- readers beside writers -------------------------------------------------------------------


def test_a_reader_beside_writers_gets_one_version_whole_and_no_error(s3) -> None:
    bodies = [bytes([n]) * 400_000 for n in range(4)]
    s3.put_object(Bucket="bucket", Key="k", Body=bodies[0])
    ended = threading.Event()

    def write() -> None:
        try:
            for turn in range(40):
                s3.put_object(Bucket="bucket", Key="k", Body=bodies[turn % 4])
        finally:
            ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not ended.is_set():
            assert get(s3, "k") in bodies
    finally:
        writer.join()


def test_a_version_that_is_replaced_between_its_name_and_its_bytes_is_read_anew(
    s3, endpoint, monkeypatch
) -> None:
    """The reader has looked up the name; before it opens the payload, that is overwritten."""
    s3.put_object(Bucket="bucket", Key="k", Body=b"1" * 5000, ContentType="text/one")
    read = endpoint.store.data.read
    overtaken = threading.Event()

    def late(*arguments: Any) -> Any:
        if not overtaken.is_set():
            overtaken.set()
            s3.put_object(Bucket="bucket", Key="k", Body=b"2" * 6000, ContentType="text/two")
        return read(*arguments)

    monkeypatch.setattr(endpoint.store.data, "read", late)
    answer = s3.get_object(Bucket="bucket", Key="k")
    whole = answer["ContentType"], answer["ContentLength"], answer["Body"].read()
    assert whole in (("text/one", 5000, b"1" * 5000), ("text/two", 6000, b"2" * 6000))


def test_an_object_of_many_parts_is_read_whole_though_it_is_replaced_meanwhile(
    s3, endpoint
) -> None:
    upload = {"Bucket": "bucket", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    body, listed = b"", []
    for number in range(1, 9):
        part = bytes([number]) * (5 * 2**20)
        sent = s3.upload_part(**upload, PartNumber=number, Body=part)
        listed.append({"PartNumber": number, "ETag": sent["ETag"]})
        body += part
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})
    stream = s3.get_object(Bucket="bucket", Key="k")["Body"]
    begun = stream.read(10)
    s3.put_object(Bucket="bucket", Key="k", Body=b"other")
    assert begun + stream.read() == body
    assert get(s3, "k") == b"other"
