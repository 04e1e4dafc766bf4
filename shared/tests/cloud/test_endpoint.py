"""The endpoint as HTTP: bodies of all kinds, permission to send them, names in the host, memory."""

import contextlib
import hashlib
import http.client
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.client import Config

from amazonian.cloud import endpoint as endpoints
from amazonian.cloud.endpoint import Endpoint, listen, serve
from amazonian.iam.identities import Identities
from amazonian.s3.store import Store

MIB = 2**20
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serve() as running:
        running.client().create_bucket(Bucket="bucket")
        yield running


@pytest.fixture(scope="module")
def s3(endpoint: Endpoint) -> Any:
    return endpoint.client(config=Config(retries={"max_attempts": 1}))


@pytest.fixture
def signed(s3: Any) -> Callable[..., str]:
    """A request line's path and query that are signed for a key of the bucket."""

    def sign(operation: str, key: str = "k", **parameters: Any) -> str:
        url = urlsplit(
            s3.generate_presigned_url(operation, {"Bucket": "bucket", "Key": key, **parameters})
        )
        return f"{url.path}?{url.query}"

    return sign


class Line:
    """A connection on which everything is written by hand."""

    def __init__(self, endpoint: Endpoint):
        address = urlsplit(endpoint.url)
        self.host = address.netloc
        self._socket = socket.create_connection((address.hostname, address.port), PATIENCE_S)
        self._socket.settimeout(PATIENCE_S)
        self._got = b""

    def send(self, method: str, target: str, *headers: str, body: bytes = b"") -> None:
        head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {self.host}", *headers])
        self._socket.sendall(f"{head}\r\n\r\n".encode() + body)

    def send_body(self, body: bytes) -> None:
        self._socket.sendall(body)

    def _until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            piece = self._socket.recv(65536)
            assert piece, f"the server hung up after {self._got!r}"
            self._got += piece

    def head(self) -> tuple[int, dict[str, str]]:
        """The next status and its headers."""
        self._until(lambda: b"\r\n\r\n" in self._got)
        text, _, self._got = self._got.partition(b"\r\n\r\n")
        first, *lines = text.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def answer(self) -> tuple[int, bytes]:
        """The next status that is final, and its body."""
        status, headers = self.head()
        length = int(headers.get("content-length", 0))
        self._until(lambda: len(self._got) >= length)
        body, self._got = self._got[:length], self._got[length:]
        return status, body

    def is_hung_up(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return not self._got and not self._socket.recv(1)
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def line(endpoint: Endpoint) -> Iterator[Line]:
    line = Line(endpoint)
    yield line
    line.close()


def get(s3: Any, key: str = "k") -> bytes:
    return s3.get_object(Bucket="bucket", Key=key)["Body"].read()


# --- Expect: 100-continue ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5000, 3 * MIB])
def test_a_client_that_asks_sends_its_body_when_told_to(line, signed, s3, size) -> None:
    body = b"x" * size
    line.send("PUT", signed("put_object"), "Expect: 100-continue", f"Content-Length: {size}")
    assert line.head()[0] == 100
    line.send_body(body)
    assert line.answer()[0] == 200
    assert get(s3) == body
    line.send("GET", signed("get_object"))  # the connection goes on
    assert line.answer() == (200, body)


@pytest.mark.parametrize("length", ["Content-Length: 0", "Transfer-Encoding: chunked"])
def test_a_client_may_ask_and_have_nothing_to_send(line, signed, s3, length) -> None:
    line.send("PUT", signed("put_object", "empty"), "Expect: 100-continue", length)
    status, _ = line.head()
    if status == 100:
        line.send_body(b"0\r\n\r\n" if length.startswith("Transfer") else b"")
        status, _ = line.answer()
    assert status == 200
    assert get(s3, "empty") == b""
    line.send("GET", signed("get_object", "empty"))
    assert line.answer() == (200, b"")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda target: target.replace("Signature=", "Signature=0"), 403, b"SignatureDoesNot"),
        (lambda target: target.partition("?")[0], 403, b"AccessDenied"),
    ],
)
def test_what_is_refused_is_refused_before_the_body_is_sent(
    line, signed, change, status, code
) -> None:
    size = 10**9
    target = change(signed("put_object", "refused"))
    line.send("PUT", target, "Expect: 100-continue", f"Content-Length: {size}")
    told, body = line.answer()
    assert told == status, "there was no 100 before"
    assert code in body
    assert line.is_hung_up(), "what would follow is a body that nobody wants"


def test_a_missing_bucket_is_told_before_the_body_is_sent(line, s3) -> None:
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "none", "Key": "k"}))
    target = f"{url.path}?{url.query}"
    line.send("PUT", target, "Expect: 100-continue", "Content-Length: 1000000000")
    status, body = line.answer()
    assert status == 404
    assert b"NoSuchBucket" in body


# --- bodies -----------------------------------------------------------------------------------


def test_a_body_without_content_length_is_stored_as_it_streams(line, signed, s3) -> None:
    pieces = [b"a" * 10, b"b" * 70_000, b"c" * (2 * MIB), b"d"]
    line.send("PUT", signed("put_object", "chunked"), "Transfer-Encoding: chunked")
    for piece in pieces:
        line.send_body(b"%x\r\n%s\r\n" % (len(piece), piece))
    line.send_body(b"0\r\n\r\n")
    assert line.answer()[0] == 200
    assert get(s3, "chunked") == b"".join(pieces)


def test_without_a_length_of_any_kind_a_put_is_refused(line, signed) -> None:
    line.send("PUT", signed("put_object", "none"))
    status, body = line.answer()
    assert status == 411
    assert b"MissingContentLength" in body


def test_requests_that_wait_on_one_connection_are_answered_in_order(line, signed, s3) -> None:
    for number in range(3):
        s3.put_object(Bucket="bucket", Key=f"{number}", Body=f"{number}".encode() * 5000)
    for number in range(3):
        line.send("GET", signed("get_object", f"{number}"))
    for number in range(3):
        assert line.answer() == (200, f"{number}".encode() * 5000)


def test_a_refused_body_is_read_so_that_the_client_hears_why(line, signed, s3) -> None:
    """A client that writes before it listens would otherwise meet a broken line."""
    body = bytes(4 * MIB)
    target = signed("put_object", "refused").replace("Signature=", "Signature=0")
    line.send("PUT", target, f"Content-Length: {len(body)}")
    line.send_body(body)
    status, told = line.answer()
    assert status == 403
    assert b"SignatureDoesNotMatch" in told
    line.send("GET", signed("get_object", "refused"))
    assert line.answer()[0] == 404


@pytest.mark.parametrize("size", [0, 4096, 5000])
def test_head_says_how_long_the_body_would_be_and_sends_none(line, signed, s3, size) -> None:
    s3.put_object(Bucket="bucket", Key="headed", Body=bytes(size))
    line.send("HEAD", signed("head_object", "headed"))
    status, headers = line.head()
    assert (status, headers["content-length"]) == (200, f"{size}")
    line.send("GET", signed("get_object", "headed"))
    assert line.answer() == (200, bytes(size))


def test_a_header_can_not_begin_another_one(line, signed, s3) -> None:
    target = signed("get_object", "headed", ResponseContentDisposition="a\r\nx-injected: yes")
    s3.put_object(Bucket="bucket", Key="headed", Body=b"")
    line.send("GET", target)
    _, headers = line.head()
    assert "x-injected" not in headers


def test_what_is_no_http_is_refused_and_the_server_lives(line, s3) -> None:
    line.send_body(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    assert line.head()[0] == 400
    s3.list_buckets()


# --- names in the host ------------------------------------------------------------------------


def ask(port: int, method: str, target: str, host: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request to 127.0.0.1 under another host's name."""
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    ) as line:
        line.request(method, target, body, {"Host": host})
        answer = line.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("version", ["s3", "s3v4"])  # boto3 presigns in the older way by default
@pytest.mark.parametrize("suffix", ["localhost", "s3.localhost"])
def test_a_bucket_may_stand_in_the_hosts_name(endpoint, s3, suffix, version) -> None:
    """The name is not looked up: what counts is the Host header, and that it is signed."""
    port = urlsplit(endpoint.url).port
    far = endpoint.client(
        endpoint_url=f"http://{suffix}:{port}",
        config=Config(s3={"addressing_style": "virtual"}, signature_version=version),
    )
    url = urlsplit(far.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "a/é"}))
    assert url.netloc == f"bucket.{suffix}:{port}"
    target = f"{url.path}?{url.query}"
    body = f"{suffix} {version}".encode()
    assert ask(port, "PUT", target, url.netloc, body) == (200, b"")
    assert get(s3, "a/é") == body
    assert ask(port, "PUT", target, f"other.{suffix}:{port}", body)[0] == 403


def test_a_bucket_in_the_hosts_name_is_listed_at_its_root(endpoint, s3) -> None:
    s3.put_object(Bucket="bucket", Key="listed", Body=b"")
    port = urlsplit(endpoint.url).port
    far = endpoint.client(
        endpoint_url=f"http://localhost:{port}", config=Config(s3={"addressing_style": "virtual"})
    )
    url = urlsplit(far.generate_presigned_url("list_objects_v2", {"Bucket": "bucket"}))
    assert url.netloc.startswith("bucket.")
    status, listed = ask(port, "GET", f"{url.path}?{url.query}", url.netloc)
    assert status == 200
    assert b"<Key>listed</Key>" in listed


# --- serving ----------------------------------------------------------------------------------


def test_serve_ends_its_threads_and_frees_its_port() -> None:
    before = set(threading.enumerate())
    with serve() as running:
        port = urlsplit(running.url).port
        running.client().list_buckets()
        own = [t for t in threading.enumerate() if t not in before]
        assert any(t.name == "endpoint" for t in own)
    ended = ("endpoint", "request", "group commit")
    assert [t.name for t in own if t.is_alive() and t.name.startswith(ended)] == []
    again = listen(port)
    again.close()


def test_a_store_is_served_again_under_other_keys(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    identities = Identities()
    with serve(store, identities) as first:
        s3 = first.client()
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=b"kept")
    with serve(store, identities) as second:
        assert second.url != first.url or second.access_key_id != first.access_key_id
        assert second.client().list_buckets()["Buckets"] == []  # another account's
        body = first.client(endpoint_url=second.url).get_object(Bucket="bucket", Key="k")["Body"]
        assert body.read() == b"kept"
    store.close()


def test_calls_of_other_services_go_to_the_generic_front(endpoint) -> None:
    iam, sts = endpoint.client("iam"), endpoint.client("sts")
    iam.create_user(UserName="anna")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["anna"]
    assert sts.get_caller_identity()["Arn"].endswith(":root")
    assert endpoint.environment["AWS_DEFAULT_REGION"] == endpoints.REGION


# --- larger than memory -----------------------------------------------------------------------

LARGE = 256 * MIB
SERVER = """
import signal, sys, threading
from pathlib import Path
from amazonian.cloud.endpoint import serve
from amazonian.s3.store import Store
with serve(Store.open(Path(sys.argv[1]))) as endpoint:
    print(endpoint.url, endpoint.access_key_id, endpoint.secret_access_key, flush=True)
    sys.stdin.read()
"""


def resident_bytes(process: subprocess.Popen, name: str) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024


class Zeros:
    """A body that is never in memory whole, and a digest of what was sent."""

    def __init__(self, size: int):
        self.left, self.digest = size, hashlib.sha256()
        self._piece = bytes(range(256)) * 4096

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            piece = self._piece[: min(len(self._piece), self.left)]
            self.left -= len(piece)
            self.digest.update(piece)
            yield piece


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("length_known", [True, False])
def test_an_object_larger_than_the_memory_it_may_have_streams_both_ways(
    tmp_path, length_known
) -> None:
    """256 MiB go in and out; the server's memory never grows by more than a quarter of that."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        url, *keys = server.stdout.readline().split()
        there = Endpoint(url, *keys, store=None, identities=None)
        s3 = there.client()
        s3.create_bucket(Bucket="bucket")
        warm = bytes(8 * MIB)  # threads, tables and buffers are there before it is measured
        s3.put_object(Bucket="bucket", Key="warm", Body=warm)
        assert s3.get_object(Bucket="bucket", Key="warm")["Body"].read() == warm
        before = resident_bytes(server, "VmRSS")
        where = {"Bucket": "bucket", "Key": "large"}
        address = urlsplit(s3.generate_presigned_url("put_object", where))
        body = Zeros(LARGE)
        line = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
        length = {"Content-Length": str(LARGE)} if length_known else {}
        target = f"{address.path}?{address.query}"
        line.request("PUT", target, iter(body), length, encode_chunked=not length_known)
        answer = line.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        line.close()
        got, digest = 0, hashlib.sha256()
        stream = s3.get_object(**where)["Body"]
        while piece := stream.read(MIB):
            got += len(piece)
            digest.update(piece)
        assert (got, digest.digest()) == (LARGE, body.digest.digest())
        peak = resident_bytes(server, "VmHWM")
        assert peak - before < LARGE / 4, f"{(peak - before) / MIB:.0f} MiB more"
        s3.close()
    finally:
        server.stdin.close()
        server.wait(PATIENCE_S)
        server.stdout.close()
