"""The data store while all is well: what is written is read, whole or in part, until deleted."""

import gc
import os
import random
import threading
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.s3.datastore import DataStore
from amazonian.s3.devices import Device
from amazonian.s3.faults import FaultyDevice
from amazonian.s3.powercuts import powered
from amazonian.s3.reading import PayloadLostError

MIB = 1024 * 1024
PATIENCE_S = 10.0


def ids(seed: int = 0):
    rng = random.Random(seed)
    return lambda: uuid.UUID(int=rng.getrandbits(128), version=4)


def paths(folder: Path, count: int = 6) -> list[Path]:
    return [folder / f"d{i}" for i in range(count)]


def content(store: DataStore, payload: str, *place: int) -> bytes:
    return b"".join(store.read(payload, *place))


def files(folder: Path) -> list[str]:
    return sorted(f"{file.parent.name}/{file.name}" for file in folder.glob("d*/*"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DataStore]:
    """Small cells, so that a few KiB have many stripes; nothing is really flushed."""
    devices = powered(paths(tmp_path))
    with DataStore(devices, unit_bytes=256, hedge_s=PATIENCE_S, new_id=ids()) as store:
        yield store


# --- write and read ---------------------------------------------------------------------------

EDGES = [0, 1, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 5000]


@pytest.mark.parametrize(("k", "m"), [(4, 2), (1, 0), (1, 2), (3, 0), (5, 1), (2, 4)])
def test_payloads_of_all_lengths_come_back(tmp_path: Path, k: int, m: int) -> None:
    rng = random.Random(k * 10 + m)
    with DataStore(powered(paths(tmp_path)), k, m, unit_bytes=256) as store:
        written = {store.write(data): data for data in map(rng.randbytes, EDGES)}
        assert {payload: content(store, payload) for payload in written} == written
        assert sorted(written) == list(store.payloads())
        assert store.scrub().clean
        assert len(store.incidents) == 0


def test_a_payload_on_real_disks_comes_back_after_a_restart(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3 * MIB + 12345)
    with DataStore([Device(path) for path in paths(tmp_path)]) as store:
        payload = store.write(data)
    with DataStore([Device(path) for path in paths(tmp_path)]) as store:
        assert content(store, payload) == data
        assert content(store, payload, MIB - 1, 2) == data[MIB - 1 : MIB + 1]


Filled = tuple[DataStore, dict[str, bytes]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A store with payloads of all edge lengths, and what they are."""
    folder = tmp_path_factory.mktemp("filled")
    with DataStore(powered(paths(folder)), unit_bytes=128, new_id=ids()) as store:
        yield store, {store.write(data): data for data in map(random.Random(2).randbytes, EDGES)}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_range_is_that_part_of_the_payload(filled: Filled, data: st.DataObject) -> None:
    store, written = filled
    payload = data.draw(st.sampled_from(sorted(written)))
    size = len(written[payload])
    start = data.draw(st.integers(0, size + 10))
    length = data.draw(st.none() | st.integers(0, size + 10))
    stop = None if length is None else start + length
    assert content(store, payload, start, length) == written[payload][start:stop]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(0, 1500), max_size=8))
def test_it_does_not_matter_in_which_pieces_a_payload_arrives(
    filled: Filled, sizes: list[int]
) -> None:
    store = filled[0]
    pieces = [random.Random(i).randbytes(size) for i, size in enumerate(sizes)]
    payload = store.write(iter(pieces))
    assert content(store, payload) == b"".join(pieces)
    store.delete(payload)


def test_what_a_caller_does_to_its_buffer_after_a_write_changes_nothing(store: DataStore) -> None:
    buffer = bytearray(b"before" * 100)
    with store.writer() as writer:
        writer.write(memoryview(buffer))
        buffer[:] = b"after!" * 100
        payload = writer.finish()
    assert content(store, payload) == b"before" * 100


def test_what_was_written_with_another_code_or_unit_stays_readable(tmp_path: Path) -> None:
    data = random.Random(3).randbytes(5000)
    with DataStore(powered(paths(tmp_path)), 2, 1, unit_bytes=128) as store:
        old = store.write(data)
    with DataStore(powered(paths(tmp_path)), 4, 2, unit_bytes=256) as store:
        new = store.write(data)
        assert content(store, old) == content(store, new) == data
        assert store.scrub().clean


def test_fragments_stand_on_different_devices_and_waste_little(tmp_path: Path) -> None:
    with DataStore(powered(paths(tmp_path, 9))) as store:
        for size, most in ((0, 50), (1, 120), (1000, 320 + 60), (MIB, MIB // 4 + 60)):
            payload = store.write(bytes(size))
            found = list(tmp_path.glob(f"*/{payload}"))
            assert len({file.parent for file in found}) == 6
            assert all(file.stat().st_size <= most for file in found)


def test_a_read_without_faults_asks_only_the_devices_with_the_data(tmp_path: Path) -> None:
    devices = [FaultyDevice(device) for device in powered(paths(tmp_path))]
    with DataStore(devices, unit_bytes=64 * 1024, new_id=ids()) as store:
        payload = store.write(bytes(MIB))
        before = {device.name: device.operations for device in devices}
        content(store, payload)
        used = {d.name: d.operations - before[d.name] for d in devices}
        # the end of the fragment, then one cell of each of the four stripes
        assert sorted(used.values()) == [0, 0, 5, 5, 5, 5]
        before = {device.name: device.operations for device in devices}
        content(store, payload, 300_000, 10)
        used = {d.name: d.operations - before[d.name] for d in devices}
        assert sorted(used.values()) == [0, 0, 1, 1, 1, 2], "a range reads one cell only"


def test_an_unknown_payload_is_an_error_at_once(store: DataStore) -> None:
    with pytest.raises(PayloadLostError, match="needs 4 sound fragments and 0 were found"):
        store.read(str(uuid.UUID(int=1)))


def test_a_negative_range_is_an_error(store: DataStore) -> None:
    payload = store.write(b"abc")
    for place in ((-1, None), (0, -1)):
        with pytest.raises(ValueError, match="not negative"):
            store.read(payload, *place)


@pytest.mark.parametrize("name", ["../d1", "", "6F1D0C1E-5A5B-4A51-9A57-0D8B6A3C2F10", "a/b"])
def test_what_is_no_uuid_never_reaches_a_device(store: DataStore, name: str) -> None:
    with pytest.raises(ValueError, match="is a UUID"):
        store.read(name)
    with pytest.raises(ValueError, match="is a UUID"):
        store.delete(name)


def test_devices_need_names_of_their_own_and_cells_a_length_that_fits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name of its own"):
        DataStore([Device(tmp_path / "a" / "d"), Device(tmp_path / "b" / "d")])
    with pytest.raises(ValueError, match="multiple of 64"):
        DataStore([Device(tmp_path / "d")], unit_bytes=100)


# --- larger than memory -----------------------------------------------------------------------


def test_a_large_payload_streams_both_ways_in_little_memory(tmp_path: Path) -> None:
    piece = random.Random(4).randbytes(64 * 1024)
    with DataStore(powered(paths(tmp_path))) as store:
        store.write(piece)  # what is needed once
        tracemalloc.start()
        try:
            payload = store.write(piece for _ in range(48 * 16))
            total = sum(len(got) for got in store.read(payload))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert total == 48 * MIB
    assert peak < 12 * MIB


def test_a_payload_of_very_many_stripes_is_read_anywhere(tmp_path: Path) -> None:
    """Its checksums alone are more than what is read with the footer."""
    data = random.Random(6).randbytes(64 * 17_000)
    with DataStore(powered(paths(tmp_path, 1)), 1, 0, unit_bytes=64, threads=0) as store:
        payload = store.write(data)
        for start in (0, 1000, len(data) - 100):
            assert content(store, payload, start, 200) == data[start : start + 200]
        assert store.scrub().cells == 17_000


# --- writers ----------------------------------------------------------------------------------


def test_an_aborted_write_leaves_nothing(store: DataStore, tmp_path: Path) -> None:
    writer = store.writer()
    writer.write(bytes(3000))
    writer.abort()
    writer.abort()
    assert files(tmp_path) == []
    with pytest.raises(ValueError, match="take a new one"):
        writer.write(b"more")
    with pytest.raises(ValueError, match="take a new one"):
        writer.finish()


def test_an_exception_in_the_block_aborts_the_write(store: DataStore, tmp_path: Path) -> None:
    def write() -> None:
        with store.writer() as writer:
            writer.write(bytes(3000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert files(tmp_path) == []


def test_a_block_that_forgets_to_finish_aborts_the_write(store: DataStore, tmp_path: Path) -> None:
    with store.writer() as writer:
        writer.write(bytes(3000))
    assert files(tmp_path) == []


def test_nothing_bears_its_name_before_it_is_finished(store: DataStore, tmp_path: Path) -> None:
    with store.writer() as writer:
        writer.write(bytes(3000))
        assert list(store.payloads()) == []
        assert {file.rsplit(".")[-1] for file in files(tmp_path)} == {"partial"}
        assert store.scrub().clean
        payload = writer.finish()
    assert list(store.payloads()) == [payload]


# --- delete and collect -----------------------------------------------------------------------


def test_a_deleted_payload_is_gone(store: DataStore, tmp_path: Path) -> None:
    payload, other = store.write(b"a" * 999), store.write(b"b")
    store.delete(payload)
    store.delete(payload)
    assert list(store.payloads()) == [other]
    assert len(files(tmp_path)) == 6
    with pytest.raises(PayloadLostError):
        store.read(payload)


def test_a_delete_waits_for_the_last_reader(store: DataStore) -> None:
    data = random.Random(5).randbytes(9000)
    payload = store.write(data)
    first, second = store.read(payload), store.read(payload)
    start = next(first)
    store.delete(payload)
    with pytest.raises(PayloadLostError, match="deleted"):
        store.read(payload)
    assert start + b"".join(first) == data
    assert list(store.payloads()) == [payload]
    next(second)
    second.close()
    second.close()
    assert list(store.payloads()) == []


def test_a_reader_that_is_forgotten_keeps_nothing(store: DataStore) -> None:
    payload = store.write(bytes(9000))
    reader = store.read(payload)
    store.delete(payload)
    del reader
    gc.collect()
    assert list(store.payloads()) == []


def test_collect_removes_what_nobody_names(store: DataStore, tmp_path: Path) -> None:
    named, unnamed = store.write(b"a"), store.write(b"b" * 5000)
    assert store.collect({named}) == [unnamed]
    assert store.collect({named}) == []
    assert list(store.payloads()) == [named]
    (tmp_path / "d0" / f"{unnamed}.partial").write_bytes(b"left by a crash")
    (tmp_path / "d1" / "lost+found").write_bytes(b"not ours")
    kinds = {(finding.device, finding.kind) for finding in store.scrub().findings}
    assert kinds == {("d0", "leftover"), ("d1", "unknown")}
    assert store.collect({named}) == [unnamed]
    assert len(files(tmp_path)) == 7, "what is not the data store's stays"


def test_collect_leaves_a_write_alone_until_its_block_ends(store: DataStore) -> None:
    with store.writer() as writer:
        writer.write(bytes(5000))
        assert store.collect(()) == []
        payload = writer.finish()
        assert store.collect(()) == []
        assert len(content(store, payload)) == 5000
    assert store.collect(()) == [payload]


def test_collect_asks_about_a_payload_only_when_its_writer_has_let_it_go(
    tmp_path: Path,
) -> None:
    """Else a payload that is named after the question and before the removal would be lost."""

    class Metadata:
        def __init__(self) -> None:
            self.named: set[str] = set()

        def __contains__(self, payload: str) -> bool:
            return payload in self.named

    with DataStore(powered(paths(tmp_path)), unit_bytes=256) as store:
        metadata, stop = Metadata(), threading.Event()

        def write() -> None:
            for _ in range(60):
                with store.writer() as writer:
                    writer.write(bytes(300))
                    metadata.named.add(writer.finish())
            stop.set()

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        while not stop.is_set():
            assert store.collect(metadata) == []
        thread.join(10)
        assert set(store.payloads()) == metadata.named


def test_what_many_threads_do_at_once_does_not_mix(store: DataStore) -> None:
    failures = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        mine: dict[str, bytes] = {}
        try:
            for _ in range(15):
                data = rng.randbytes(rng.choice(EDGES))
                mine[store.write(data)] = data
                payload = rng.choice(list(mine))
                assert content(store, payload) == mine[payload]
                if rng.random() < 0.3:
                    store.delete(payload)
                    del mine[payload]
            assert {payload: content(store, payload) for payload in mine} == mine
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[seed], daemon=True) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert store.scrub().clean
    assert len(store.incidents) == 0


def test_a_closed_store_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with DataStore(powered(paths(tmp_path))) as store:
        content(store, store.write(os.urandom(MIB)))
        mine = set(threading.enumerate()) - before
        assert mine
    for thread in mine:
        thread.join(10)
        assert not thread.is_alive()
