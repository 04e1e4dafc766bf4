"""Payloads that are not named yet, or no longer, but still read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amazonian.s3 import upload
from amazonian.s3.download import Download
from amazonian.s3.errors import S3Error
from amazonian.s3.multipart import ListedPart
from amazonian.s3.payloads import Bytes
from amazonian.s3.preconditions import Conditions
from amazonian.s3.records import EPOCH, Bucket, Details, Version
from amazonian.s3.store import Store, VersionGoneError

PART = 5 * 2**20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    opened.metadata.create_bucket(Bucket("b", "owner", EPOCH, "us-east-1"))
    yield opened
    opened.close()


def put_whole(store: Store, letter: bytes) -> Version:
    return upload.put(store, "b", "k", Bytes(letter * (PART + 1)))


def put_parts(store: Store, letter: bytes) -> Version:
    begun = store.create_upload("b", "k", Details())
    parts = [store.put_part(begun, n, Bytes(letter * size)) for n, size in ((1, PART), (2, 1))]
    listed = [ListedPart(part.number, part.etag) for part in parts]
    return store.complete_upload("b", "k", begun.upload_id, listed)


def remove(store: Store, letter: bytes) -> None:
    store.delete("b", "k")


@pytest.mark.parametrize("put", [put_whole, put_parts])
@pytest.mark.parametrize("change", [put_whole, put_parts, remove])
def test_bytes_stay_until_their_last_reader_has_ended(
    store: Store, put: Callable[[Store, bytes], Version], change: Callable
) -> None:
    version = put(store, b"a")
    readers = [Download(store, version), Download(store, version)]
    begun = [next(reader) for reader in readers]
    change(store, b"b")
    held = set(version.payloads)
    assert store.collect() == []
    assert begun[0] + b"".join(readers[0]) == b"a" * (PART + 1)
    assert held <= set(store.data.payloads())
    readers[1].close()
    assert not held & set(store.data.payloads())


def test_a_version_that_is_gone_is_not_held(store: Store) -> None:
    version = put_whole(store, b"a")
    removed_while_read = Download(store, version)
    put_whole(store, b"b")
    with pytest.raises(VersionGoneError):  # its removal waits
        Download(store, version)
    removed_while_read.close()
    with pytest.raises(VersionGoneError):  # it is removed
        Download(store, version)


def test_a_reader_that_is_forgotten_holds_nothing(store: Store) -> None:
    version = put_whole(store, b"a")
    reader = Download(store, version)
    next(reader)
    store.delete("b", "k")
    del reader
    assert list(store.data.payloads()) == []


class Broken(Bytes):
    """A body that ends in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield self.data
        raise S3Error("IncompleteBody")


def test_what_is_not_named_leaves_nothing(store: Store) -> None:
    begun = store.create_upload("b", "k", Details())
    for write in (
        lambda: upload.put(store, "b", "k", Broken(b"x" * PART)),
        lambda: upload.put(store, "b", "k", Bytes(b"x" * PART), conditions=Conditions("*")),
        lambda: upload.put(store, "none", "k", Bytes(b"x" * PART)),
        lambda: store.put_part(begun, 1, Broken(b"x")),
    ):
        with pytest.raises(S3Error):
            write()
        assert list(store.data.payloads()) == []


def test_what_is_about_to_be_named_is_not_collected(store: Store) -> None:
    stored = store.keep(Bytes(b"x" * PART))
    lost = store.data.write(b"written by a server that stopped before the commit")
    assert store.collect() == [lost]
    store.commit(Version("b", "k", size=stored.size, segments=stored.segments))
    assert store.collect() == []
    assert b"".join(upload.get(store, store.version("b", "k"))) == b"x" * PART
