"""The upload path: bytes first, then their name; and back, from whichever segments hold them."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.s3 import upload
from amazonian.s3.errors import S3Error
from amazonian.s3.payloads import Bytes, Stored
from amazonian.s3.powercuts import powered
from amazonian.s3.preconditions import Conditions
from amazonian.s3.records import EPOCH, Bucket, Details, Segment, Version
from amazonian.s3.store import Store


class Told:
    """A store that does nothing but write down what it is told, and fails where it shall."""

    def __init__(self, fails_in: str = ""):
        self.log: list[tuple] = []
        self.data, self._fails_in = self, fails_in
        self.stored = Stored(7, "e", (Segment("p", 4), Segment("q", 3)), None, {"algorithm": "X"})

    def _note(self, *entry: Any) -> None:
        self.log.append(entry)
        if entry[0] == self._fails_in:
            raise S3Error("PreconditionFailed")

    def keep(self, body: Any) -> Stored:
        self._note("keep", body)
        return self.stored

    def commit(self, version: Version, conditions: Conditions) -> Version:
        self._note("commit", version, conditions)
        return version

    def discard(self, payloads: Any) -> None:
        self._note("discard", list(payloads))

    def read(self, payload: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self._note("read", payload, start, length)
        yield b"x" * (length or 0)


def test_a_put_keeps_the_bytes_and_then_commits_their_name() -> None:
    store, body, conditions = Told(), Bytes(b"payload"), Conditions(if_none_match="*")
    version = upload.put(store, "b", "k", body, Details(owner="me"), conditions)
    assert [entry[0] for entry in store.log] == ["keep", "commit"]
    assert store.log[1][2] is conditions
    assert (version.bucket, version.key, version.size, version.etag) == ("b", "k", 7, "e")
    assert version.payloads == ["p", "q"]
    assert version.details == Details(owner="me", checksum={"algorithm": "X"})


def test_a_commit_that_fails_discards_the_bytes() -> None:
    store = Told(fails_in="commit")
    with pytest.raises(S3Error, match="PreconditionFailed"):
        upload.put(store, "b", "k", Bytes(b"payload"))
    assert [entry[0] for entry in store.log] == ["keep", "commit", "discard"]
    assert store.log[2][1] == ["p", "q"]


def test_bytes_that_could_not_be_kept_get_no_name() -> None:
    store = Told(fails_in="keep")
    with pytest.raises(S3Error, match="PreconditionFailed"):
        upload.put(store, "b", "k", Bytes(b"payload"))
    assert [entry[0] for entry in store.log] == ["keep"]


SEGMENTS = (Segment("p", 4), Segment("q", 3, start=100), Segment("r", 5))


@pytest.mark.parametrize(
    ("start", "length", "reads"),
    [
        (0, None, [("p", 0, 4), ("q", 100, 3), ("r", 0, 5)]),
        (0, 4, [("p", 0, 4)]),
        (3, 2, [("p", 3, 1), ("q", 100, 1)]),
        (4, 3, [("q", 100, 3)]),
        (5, 1, [("q", 101, 1)]),
        (7, 99, [("r", 0, 5)]),
        (11, None, [("r", 4, 1)]),
        (12, None, []),
        (2, 0, []),
    ],
)
def test_only_segments_with_wanted_bytes_are_read(start, length, reads) -> None:
    store = Told()
    version = Version("b", "k", size=12, segments=SEGMENTS)
    assert all(upload.get(store, version, start, length))
    assert [entry[1:] for entry in store.log] == reads


@given(
    size=st.integers(0, 30),
    start=st.integers(0, 35),
    length=st.none() | st.integers(0, 40),
)
def test_a_run_of_an_inline_object_is_a_slice_of_it(size, start, length) -> None:
    data = bytes(range(size))
    version = Version("b", "k", size=size, inline=data)
    expected = data[start:] if length is None else data[start : start + length]
    pieces = list(upload.get(Told(), version, start, length))
    assert b"".join(pieces) == expected
    assert all(pieces)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = Path(tmp_path_factory.mktemp("store"))
    store = Store.open(folder, devices=powered([folder / f"d{n}" for n in range(6)]))
    store.metadata.create_bucket(Bucket("b", "me", EPOCH, "here"))
    yield store
    store.close()


@settings(max_examples=30, derandomize=True, deadline=None)
@given(cuts=st.lists(st.integers(1, 20_000), min_size=1, max_size=4), data=st.data())
def test_a_run_of_an_object_of_segments_is_a_slice_of_it(store, cuts, data) -> None:
    pieces = [random.Random(size).randbytes(size) for size in cuts]
    segments = tuple(Segment(store.data.write(piece), len(piece)) for piece in pieces)
    whole = b"".join(pieces)
    version = Version("b", "k", size=len(whole), segments=segments)
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.none() | st.integers(0, len(whole) + 10))
    expected = whole[start:] if length is None else whole[start : start + length]
    assert b"".join(upload.get(store, version, start, length)) == expected


@pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"", b"b"], [bytes(5000), b"x"] * 3])
def test_what_is_put_piece_by_piece_is_whole_with_the_md5_as_its_etag(store, pieces) -> None:
    class Pieces(Bytes):
        def __iter__(self) -> Iterator[bytes]:
            yield from pieces

    version = upload.put(store, "b", "k", Pieces(b""))
    whole = b"".join(pieces)
    assert b"".join(upload.get(store, store.version("b", "k"))) == whole
    assert version.etag == hashlib.md5(whole).hexdigest()
    assert version.size == len(whole)


def test_a_learners_version_takes_its_place_for_everybody(store, monkeypatch) -> None:
    """The front calls it through the module; so does this."""
    kept: list[str] = []
    original: Callable = upload.put
    monkeypatch.setattr(upload, "put", lambda *a, **b: kept.append(a[2]) or original(*a, **b))
    upload.put(store, "b", "mine", Bytes(b"x"))
    assert kept == ["mine"]
