"""The store on SQLite and on PostgreSQL: versions, uploads, races, and what is left behind."""

import gc
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crew import in_threads

from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.database import OutcomeUnknownError, UnavailableError
from amazonian.s3 import multipart, upload
from amazonian.s3.completion import Claims
from amazonian.s3.devices import Device
from amazonian.s3.download import Download
from amazonian.s3.errors import S3Error
from amazonian.s3.faults import FaultyDevice
from amazonian.s3.multipart import ListedPart
from amazonian.s3.payloads import INLINE_BYTES, Bytes
from amazonian.s3.powercuts import powered
from amazonian.s3.preconditions import Conditions
from amazonian.s3.reading import PayloadLostError
from amazonian.s3.records import EPOCH, Bucket, Details, Version
from amazonian.s3.store import Store, VersionGoneError
from amazonian.s3.writing import NoSpaceError, PayloadWriter

PATIENCE_S = 10.0
LARGE = INLINE_BYTES + 1  # the least size that goes to the data store


@pytest.fixture
def opened(dsn: str, tmp_path: Path, closing: Callable) -> Callable[[], Store]:
    """Open the store, again if it was open: what another process would find."""

    def open_it() -> Store:
        devices = powered([tmp_path / f"d{n}" for n in range(6)])
        return closing(
            Store.open(tmp_path, devices=devices, dsn=dsn, clock=SimulatedClock(1_000_000))
        )

    return open_it


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    store = opened()
    store.metadata.create_bucket(Bucket("b", "me", EPOCH, "here"))
    return store


@pytest.fixture
def versioned(store: Store) -> Store:
    set_versioning(store, "Enabled")
    return store


def set_versioning(store: Store, state: str) -> None:
    store.metadata.change_bucket("b", lambda bucket: replace(bucket, versioning=state))


def put(store: Store, key: str, data: bytes, **conditions: Any) -> Version:
    return upload.put(store, "b", key, Bytes(data), conditions=Conditions(**conditions))


def get(store: Store, key: str, version_id: str | None = None) -> bytes:
    return b"".join(upload.get(store, store.version("b", key, version_id)))


def payloads(store: Store) -> list[str]:
    return sorted(store.data.payloads())


def named(store: Store) -> list[str]:
    return sorted(store.metadata.live_payloads())


def code_of(call: Callable, *arguments: Any, **named_arguments: Any) -> str:
    with pytest.raises(S3Error) as refused:
        call(*arguments, **named_arguments)
    return refused.value.code


class Interrupted:
    """A body that ends with an error after its first pieces."""

    checksum: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, *pieces: bytes):
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        raise S3Error("IncompleteBody")


# --- put, get, delete -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES, LARGE, 1_500_000])
def test_an_object_comes_back_and_is_still_there_when_opened_again(store, opened, size) -> None:
    data = random.Random(size).randbytes(size)
    put(store, "k", data)
    assert get(store, "k") == data
    assert len(payloads(store)) == (size > INLINE_BYTES)
    store.close()
    assert get(opened(), "k") == data


def test_overwriting_and_deleting_give_back_what_was_occupied(store) -> None:
    put(store, "k", bytes(LARGE))
    put(store, "k", bytes(2 * LARGE))
    assert payloads(store) == named(store)
    assert len(payloads(store)) == 1
    put(store, "k", b"small")
    assert payloads(store) == []
    put(store, "k", bytes(LARGE))
    store.delete("b", "k")
    assert payloads(store) == []
    assert code_of(store.version, "b", "k") == "NoSuchKey"
    store.delete("b", "k")  # is no error


def test_every_thread_reads_and_lists_what_any_thread_has_written(store) -> None:
    turns = threading.Barrier(6)

    def work(number: int) -> list[Any]:
        seen = []
        for turn in range(4):
            put(store, f"{number}", f"{turn}".encode() * (LARGE if number % 2 else 1))
            turns.wait(PATIENCE_S)
            found = [get(store, f"{other}")[:1] for other in range(6)]
            listed = [version.key for version in store.metadata.keys("b", "", "", 99)]
            seen.append((found == [f"{turn}".encode()] * 6, listed == [*"012345"]))
            turns.wait(PATIENCE_S)
            if number == turn:
                store.delete("b", f"{number}")
                assert code_of(store.version, "b", f"{number}") == "NoSuchKey"
                assert f"{number}" not in [v.key for v in store.metadata.keys("b", "", "", 99)]
            turns.wait(PATIENCE_S)
        return seen

    assert in_threads(6, work) == [[(True, True)] * 4] * 6


def test_a_reader_that_has_begun_ends_with_the_bytes_it_began_with(store) -> None:
    data = random.Random(1).randbytes(5 * 2**20)
    put(store, "k", data)
    reading = upload.get(store, store.version("b", "k"))
    begun = next(reading)
    put(store, "k", b"other")
    store.delete("b", "k")
    assert begun + b"".join(reading) == data
    assert payloads(store) == []


def test_an_open_version_stays_until_its_last_reader_is_done(store) -> None:
    begun = store.create_upload("b", "k", Details())
    parts = [bytes([n]) * 20 for n in range(3)]
    for number, part in enumerate(parts, 1):
        store.put_part(begun, number, Bytes(part))
    listed = [ListedPart(p.number, p.etag) for p in store.metadata.parts(begun.upload_id)]
    version = store.complete_upload("b", "k", begun.upload_id, listed)
    reading, other = Download(store, version), Download(store, version, 30)
    assert next(reading) == parts[0]
    store.delete("b", "k")
    assert store.collect() == []
    with pytest.raises(VersionGoneError):
        Download(store, version)
    assert b"".join(reading) == parts[1] + parts[2]
    assert sorted(payloads(store)) == sorted(version.payloads)
    assert b"".join(other) == b"".join(parts)[30:]
    assert payloads(store) == []
    with pytest.raises(VersionGoneError):
        Download(store, version)


@pytest.mark.parametrize("ends", ["closed", "forgotten", "failed"])
def test_a_reader_that_ends_early_lets_the_version_go(store, ends) -> None:
    reading = Download(store, put(store, "k", bytes(LARGE)))
    if ends == "failed":
        for device in store.data.devices:
            device.path.rename(device.path.with_suffix(".gone"))
        with pytest.raises(PayloadLostError):
            next(reading)
        for device in store.data.devices:
            device.path.with_suffix(".gone").rename(device.path)
    elif ends == "closed":
        reading.close()
    else:
        del reading
        gc.collect()
    store.delete("b", "k")
    assert payloads(store) == []


def test_a_body_that_breaks_off_leaves_nothing(store) -> None:
    for pieces in ([], [b"x"], [bytes(LARGE)], [bytes(LARGE), bytes(2 * 2**20)]):
        assert code_of(upload.put, store, "b", "k", Interrupted(*pieces)) == "IncompleteBody"
    assert payloads(store) == []
    assert code_of(store.version, "b", "k") == "NoSuchKey"
    assert store.data.scrub().clean


def test_a_put_into_no_bucket_leaves_nothing(store) -> None:
    assert code_of(upload.put, store, "c", "k", Bytes(bytes(LARGE))) == "NoSuchBucket"
    assert payloads(store) == []


# --- conditional writes -----------------------------------------------------------------------


def test_of_sixteen_who_create_a_key_if_it_is_not_there_exactly_one_does(store) -> None:
    bodies = [f"{n:02}".encode() * LARGE for n in range(16)]
    outcomes = in_threads(16, lambda n: put(store, "k", bodies[n], if_none_match="*"))
    winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Version)]
    assert len(winners) == 1
    lost = [outcome.code for outcome in outcomes if isinstance(outcome, S3Error)]
    assert lost == ["PreconditionFailed"] * 15
    assert get(store, "k") == bodies[winners[0]]
    assert payloads(store) == named(store)


@pytest.mark.parametrize("versioning", ["", "Enabled"])
def test_of_sixteen_who_replace_the_version_they_saw_exactly_one_does(store, versioning) -> None:
    set_versioning(store, versioning)
    etag = put(store, "k", bytes(LARGE)).etag
    outcomes = in_threads(16, lambda n: put(store, "k", bytes([n + 1]) * LARGE, if_match=etag))
    winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Version)]
    assert len(winners) == 1
    assert get(store, "k") == bytes([winners[0] + 1]) * LARGE
    assert len(payloads(store)) == len(named(store)) == 1 + bool(versioning)


def test_sixteen_counters_in_one_object_lose_no_count(store) -> None:
    put(store, "k", b"0")

    def count_up(_: int) -> None:
        while True:
            seen = store.version("b", "k")
            value = int(b"".join(upload.get(store, seen)))
            with suppress(S3Error):
                put(store, "k", str(value + 1).encode(), if_match=seen.etag)
                return

    assert in_threads(16, count_up) == [None] * 16
    assert get(store, "k") == b"16"


# --- versions ---------------------------------------------------------------------------------


def test_a_versioned_bucket_keeps_every_version_under_its_id(versioned) -> None:
    ids = [put(versioned, "k", data).version_id for data in (b"1", bytes(LARGE), b"3")]
    assert len({*ids, "null"}) == 4
    assert get(versioned, "k") == b"3"
    assert [get(versioned, "k", i) for i in ids] == [b"1", bytes(LARGE), b"3"]
    assert code_of(versioned.version, "b", "k", "other") == "NoSuchVersion"


def test_a_marker_hides_a_key_until_it_is_deleted_itself(versioned) -> None:
    first = put(versioned, "k", bytes(LARGE))
    deleted = versioned.delete("b", "k")
    assert deleted.delete_marker
    assert code_of(versioned.version, "b", "k") == "NoSuchKey"
    assert code_of(versioned.version, "b", "k", deleted.version_id) == "MethodNotAllowed"
    assert versioned.metadata.keys("b", "", "", 9) == []
    assert get(versioned, "k", first.version_id) == bytes(LARGE)
    again = versioned.delete("b", "k", deleted.version_id)
    assert again.delete_marker
    assert get(versioned, "k") == bytes(LARGE)


def test_what_is_not_there_gets_a_marker_all_the_same(versioned) -> None:
    assert versioned.delete("b", "k").delete_marker
    assert not versioned.delete("b", "k", "no such version").delete_marker
    assert [v.delete_marker for v in versioned.metadata.all_versions("b", "", "", None, 9)] == [1]


def test_deleting_a_version_for_good_gives_back_what_it_occupied(versioned) -> None:
    first, second = (put(versioned, "k", bytes([n]) * LARGE) for n in (1, 2))
    versioned.delete("b", "k", first.version_id)
    assert payloads(versioned) == second.payloads
    versioned.delete("b", "k", second.version_id)
    assert payloads(versioned) == []
    assert code_of(versioned.version, "b", "k") == "NoSuchKey"


def test_the_null_version_is_one_that_each_unversioned_write_replaces(store) -> None:
    put(store, "k", b"before")
    set_versioning(store, "Enabled")
    kept = put(store, "k", b"enabled").version_id
    set_versioning(store, "Suspended")
    assert get(store, "k", "null") == b"before"
    put(store, "k", bytes(LARGE))
    assert put(store, "k", b"suspended").version_id == "null"
    assert [get(store, "k", i) for i in (None, "null", kept)] == [
        b"suspended",
        b"suspended",
        b"enabled",
    ]
    assert payloads(store) == []
    marker = store.delete("b", "k")
    assert (marker.version_id, marker.delete_marker) == ("null", True)
    assert code_of(store.version, "b", "k") == "NoSuchKey"
    store.delete("b", "k", "null")
    assert get(store, "k") == b"enabled"
    assert len(store.metadata.all_versions("b", "", "", None, 9)) == 1


def test_details_change_only_on_the_version_that_is_named(versioned) -> None:
    first, second = put(versioned, "k", b"1"), put(versioned, "k", b"2")
    versioned.change_details(first, lambda v: replace(v.details, tags={"a": "1"}))
    assert versioned.version("b", "k", first.version_id).details.tags == {"a": "1"}
    assert versioned.version("b", "k", second.version_id).details.tags == {}
    versioned.delete("b", "k", first.version_id)
    assert code_of(versioned.change_details, first, lambda v: v.details) == "NoSuchKey"


# --- multipart --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = multipart.chosen_parts
    monkeypatch.setattr(multipart, "chosen_parts", lambda *two: chosen(*two, smallest=10))


def begin(store: Store, *parts: tuple[int, bytes]) -> tuple[str, list[ListedPart]]:
    """Begin an upload and send parts; gives its id, and the list of what was sent in order."""
    begun = store.create_upload("b", "k", Details())
    sent = [store.put_part(begun, number, Bytes(data)) for number, data in parts]
    return begun.upload_id, sorted((ListedPart(p.number, p.etag) for p in sent), key=_number)


def _number(part: ListedPart) -> int:
    return part.number


def test_parts_in_any_order_and_repeated_make_the_object(store) -> None:
    parts = {n: random.Random(n).randbytes(20 * n) for n in (1, 2, 3)}
    upload_id, _ = begin(store, (2, b"x" * 30), (3, parts[3]), (1, parts[1]))
    begun = store.metadata.upload(upload_id, "b", "k")
    store.put_part(begun, 2, Bytes(parts[2]))
    listed = [ListedPart(p.number, p.etag) for p in store.metadata.parts(upload_id)]
    assert code_of(store.version, "b", "k") == "NoSuchKey"
    version = store.complete_upload("b", "k", upload_id, listed)
    assert get(store, "k") == b"".join(parts.values())
    assert version.etag.endswith("-3")
    assert payloads(store) == named(store)
    assert len(payloads(store)) == 3


def test_completing_again_is_answered_with_the_same_object(store) -> None:
    upload_id, listed = begin(store, (1, b"a" * 20), (2, b"b" * 20))
    first = store.complete_upload("b", "k", upload_id, listed, Conditions(if_none_match="*"))
    again = store.complete_upload("b", "k", upload_id, listed, Conditions(if_none_match="*"))
    assert again == first
    assert code_of(store.complete_upload, "b", "k", upload_id, listed[:1]) == "NoSuchUpload"
    assert get(store, "k") == b"a" * 20 + b"b" * 20
    put(store, "k", b"other")
    assert code_of(store.complete_upload, "b", "k", upload_id, listed) == "NoSuchUpload"


def test_of_eight_who_complete_one_upload_all_hear_of_one_object(versioned) -> None:
    upload_id, listed = begin(versioned, (1, b"a" * 20), (2, b"b" * 20))
    outcomes = in_threads(8, lambda _: versioned.complete_upload("b", "k", upload_id, listed))
    assert [outcome.version_id for outcome in outcomes] == [outcomes[0].version_id] * 8
    assert len(versioned.metadata.all_versions("b", "", "", None, 9)) == 1


def test_parts_that_are_not_listed_are_discarded_and_empty_ones_too(store) -> None:
    upload_id, listed = begin(store, (1, b"a" * 20), (2, b"b" * 20), (3, b""), (7, b"c" * 20))
    store.complete_upload("b", "k", upload_id, [listed[0], listed[2]])
    assert get(store, "k") == b"a" * 20
    assert len(payloads(store)) == 1
    assert store.metadata.parts(upload_id) == []


def test_a_refused_completion_changes_nothing(store) -> None:
    upload_id, listed = begin(store, (1, b"a" * 9), (2, b"b" * 20))
    wrong = [ListedPart(1, listed[1].etag)]
    for refused, code in [
        ([], "MalformedXML"),
        (listed[::-1], "InvalidPartOrder"),
        (wrong, "InvalidPart"),
        (listed, "EntityTooSmall"),
    ]:
        assert code_of(store.complete_upload, "b", "k", upload_id, refused) == code
    put(store, "k", b"there")
    unless_there = Conditions(if_none_match="*")
    assert (
        code_of(store.complete_upload, "b", "k", upload_id, listed[1:], unless_there)
        == "PreconditionFailed"
    )
    assert len(store.metadata.parts(upload_id)) == 2
    store.complete_upload("b", "k", upload_id, listed[1:])
    assert get(store, "k") == b"b" * 20


def test_a_wrong_checksum_of_the_whole_is_refused(store) -> None:
    begun = store.create_upload("b", "k", Details(), "CRC32", "FULL_OBJECT")
    body = Bytes(b"123456789", {"algorithm": "CRC32", "value": "y/Q5Jg=="})
    part = store.put_part(begun, 1, body)
    listed = [ListedPart(1, part.etag)]
    complete = ("b", "k", begun.upload_id, listed)
    assert (
        code_of(store.complete_upload, *complete, claims=Claims({"CRC32": "AAAAAA=="}))
        == "BadDigest"
    )
    done = store.complete_upload(*complete, claims=Claims({"CRC32": "y/Q5Jg=="}))
    assert done.details.checksum == {
        "algorithm": "CRC32",
        "type": "FULL_OBJECT",
        "value": "y/Q5Jg==",
    }


def test_an_aborted_upload_leaves_nothing(store) -> None:
    upload_id, listed = begin(store, (1, b"a" * 20), (2, bytes(LARGE)))
    begun = store.metadata.upload(upload_id, "b", "k")
    late = Bytes(bytes(LARGE))
    store.abort_upload("b", "k", upload_id)
    assert code_of(store.put_part, begun, 3, late) == "NoSuchUpload"
    assert payloads(store) == []
    for call in (store.abort_upload, lambda *a: store.complete_upload(*a, listed)):
        assert code_of(call, "b", "k", upload_id) == "NoSuchUpload"


def test_a_bucket_that_is_deleted_gives_back_what_its_uploads_occupied(store) -> None:
    begin(store, (1, b"a" * 20), (2, bytes(LARGE)))
    store.delete_bucket("b")
    assert payloads(store) == []


# --- failing commits --------------------------------------------------------------------------


class FailingCommit:
    """Lets the next commit fail, after it was carried out or instead, and perhaps for good."""

    def __init__(self, store: Store, monkeypatch, carried_out: bool, gone: bool):
        execute, self.armed = store.metadata.database._group._execute, True

        def failing(sql, parameters):
            if self.armed and sql == "COMMIT":
                if carried_out:
                    execute(sql, parameters)
                raise UnavailableError("the line is dead")
            if self.armed and sql == "ROLLBACK":
                self.armed = False
                if gone:
                    execute(sql, parameters)
                    raise UnavailableError("the line is dead")
            return execute(sql, parameters)

        monkeypatch.setattr(store.metadata.database._group, "_execute", failing)


def test_a_put_whose_commit_fails_leaves_nothing(store, monkeypatch) -> None:
    put(store, "k", b"before" * LARGE)
    FailingCommit(store, monkeypatch, carried_out=False, gone=False)
    with pytest.raises(UnavailableError, match="dead"):
        put(store, "k", b"after" * LARGE)
    assert get(store, "k") == b"before" * LARGE
    assert payloads(store) == named(store)


def test_bytes_that_may_have_a_name_are_kept_until_that_is_known(
    store, opened, monkeypatch
) -> None:
    """A server may commit and die before it says so; then the name is there and needs its bytes."""
    FailingCommit(store, monkeypatch, carried_out=True, gone=True)
    with pytest.raises(OutcomeUnknownError):
        put(store, "k", b"after" * LARGE)
    assert get(store, "k") == b"after" * LARGE
    assert store.collect() == []
    store.close()
    again = opened()
    assert again.collect() == []
    assert get(again, "k") == b"after" * LARGE


def test_bytes_whose_commit_never_came_to_be_are_collected_at_the_next_start(
    store, opened, monkeypatch
) -> None:
    FailingCommit(store, monkeypatch, carried_out=False, gone=True)
    with pytest.raises(OutcomeUnknownError):
        put(store, "k", b"after" * LARGE)
    assert store.collect() == []
    assert len(payloads(store)) == 1
    store.close()
    again = opened()
    assert len(again.collect()) == 1
    assert payloads(again) == []


# --- collect ----------------------------------------------------------------------------------


def test_collect_removes_what_interrupted_writes_have_left(store, opened, tmp_path) -> None:
    put(store, "k", bytes(LARGE))
    unnamed = store.data.write(bytes(LARGE))
    writer = store.data.writer()
    writer.write(bytes(9 * 2**20))  # more than a stripe, so that something is on the devices
    begun = next(iter(tmp_path.glob("d*/*.partial"))).name.partition(".")[0]
    store.close()  # the process is killed: the writer neither finishes nor aborts
    again = opened()
    assert again.collect() == sorted([unnamed, begun])
    assert payloads(again) == named(again)
    assert list(tmp_path.glob("d*/*.partial")) == []
    assert get(again, "k") == bytes(LARGE)
    assert again.collect() == []
    writer.abort()


def test_collect_leaves_parts_and_older_versions_alone(versioned) -> None:
    first = put(versioned, "k", b"1" * LARGE)
    put(versioned, "k", b"2" * LARGE)
    upload_id, listed = begin(versioned, (1, b"a" * 20), (2, bytes(LARGE)))
    assert versioned.collect() == []
    versioned.complete_upload("b", "k", upload_id, listed)
    assert versioned.collect() == []
    assert get(versioned, "k") == b"a" * 20 + bytes(LARGE)
    assert get(versioned, "k", first.version_id) == b"1" * LARGE


def test_collect_leaves_a_write_in_progress_alone(store) -> None:
    class Collecting(Bytes):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(4):
                yield self.data
                assert store.collect() == []

    upload.put(store, "b", "k", Collecting(bytes(2**20)))
    assert get(store, "k") == bytes(4 * 2**20)


@pytest.mark.parametrize("part", [False, True])
def test_collect_leaves_bytes_alone_that_are_about_to_get_their_name(
    store, monkeypatch, part
) -> None:
    """It runs at once when the writer lets go of the payload, and again before the commit."""
    close = PayloadWriter.close

    def close_and_collect(self) -> None:
        close(self)
        assert store.collect() == []

    monkeypatch.setattr(PayloadWriter, "close", close_and_collect)
    if part:
        upload_id, listed = begin(store, (1, b"a" * 20), (2, bytes(LARGE)))
        store.complete_upload("b", "k", upload_id, listed)
        expected = b"a" * 20 + bytes(LARGE)
    else:
        put(store, "k", expected := bytes(LARGE))
    assert store.collect() == []
    assert get(store, "k") == expected


def test_collect_beside_writers_and_uploads_removes_nothing_that_has_a_name(store) -> None:
    ended = threading.Event()

    def work(number: int) -> list[str]:
        removed = []
        if number == 0:
            while not ended.is_set():
                removed += store.collect()
            return removed
        try:
            for turn in range(6):
                body = f"{number}/{turn}".encode() * LARGE
                upload_id, listed = begin(store, (1, body))
                store.complete_upload("b", "k", upload_id, listed)
                put(store, f"{number}", body)
                assert get(store, f"{number}") == body
        finally:
            ended.set()
        return removed

    _, *others = in_threads(4, work)
    assert others == [[]] * 3, others
    assert get(store, "k")[-1:] in b"/0123456789"
    for number in (1, 2, 3):
        assert get(store, f"{number}") == f"{number}/5".encode() * LARGE
    assert payloads(store) == named(store)


def test_a_full_device_refuses_the_put_and_the_old_object_stays(tmp_path, closing) -> None:
    devices = [FaultyDevice(Device(tmp_path / f"d{n}")) for n in range(6)]
    store = closing(Store.open(tmp_path, devices=devices))
    store.metadata.create_bucket(Bucket("b", "me", EPOCH, "here"))
    put(store, "k", b"before" * LARGE)
    for device in devices:
        device.fill(1000)
    with pytest.raises(NoSpaceError, match="No space left"):
        put(store, "k", b"after" * LARGE)
    for device in devices:
        device.heal()
    assert get(store, "k") == b"before" * LARGE
    assert payloads(store) == named(store)
