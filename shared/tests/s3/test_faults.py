"""The data store while devices fail, fill up, stall, rot, come and go, and lose power."""

import errno
import os
import random
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import combinations, count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from amazonian.s3 import placement
from amazonian.s3.datastore import DataStore
from amazonian.s3.devices import Device
from amazonian.s3.faults import FaultyDevice, WrappedDevice, rot, wipe
from amazonian.s3.incidents import Incidents
from amazonian.s3.powercuts import PowerCutError, powered
from amazonian.s3.reading import PayloadLostError
from amazonian.s3.writing import NoSpaceError, NotEnoughDevicesError

UNIT = 128
SIZES = (0, 1, 300, 512, 2000)  # one stripe holds 512 bytes
HEDGE_S, GIVE_UP_S = 0.02, 1.0


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has a folder for that: these tests make many small files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def ids(seed: int = 0) -> Callable[[], uuid.UUID]:
    rng = random.Random(seed)
    return lambda: uuid.UUID(int=rng.getrandbits(128), version=4)


def paths(folder: Path, count: int = 6) -> list[Path]:
    return [folder / f"d{i}" for i in range(count)]


def content(store: DataStore, payload: str) -> bytes:
    return b"".join(store.read(payload))


def files(folder: Path) -> list[str]:
    return sorted(f"{file.parent.name}/{file.name}" for file in folder.glob("d*/*"))


class Rig:
    """A store on faulty devices, in one thread unless something is to stall, and what it holds."""

    def __init__(self, folder: Path, devices: int = 6, threads: int = 0, **more: float):
        self.folder = folder
        self.devices = [FaultyDevice(device) for device in powered(paths(folder, devices))]
        more = {"hedge_s": HEDGE_S, "give_up_s": GIVE_UP_S} | more
        self.store = DataStore(self.devices, unit_bytes=UNIT, threads=threads, new_id=ids(), **more)
        self.data: dict[str, bytes] = {}

    def fill(self, sizes: tuple[int, ...] = SIZES) -> None:
        for number, size in enumerate(sizes):
            data = random.Random(number).randbytes(size)
            self.data[self.store.write(data)] = data

    def check(self) -> None:
        assert {payload: content(self.store, payload) for payload in self.data} == self.data

    def incidents(self) -> set[tuple[str, str]]:
        return {(incident.device, incident.kind) for incident in self.store.incidents}

    def heal(self) -> None:
        for device in self.devices:
            device.heal()


@contextmanager
def rig(folder: Path, **more: float) -> Iterator[Rig]:
    rig = Rig(folder, **more)
    try:
        rig.fill()
        yield rig
    finally:
        rig.heal()
        rig.store.close()


def ruin(device: FaultyDevice) -> None:
    """Spoil every fragment on it."""
    for file in device.path.iterdir():
        rot(device, random.Random(7), bits=20, name=file.name)


# --- up to m devices --------------------------------------------------------------------------

LOSSES = {
    "missing": [FaultyDevice.fail, wipe],
    "corrupt": [ruin],
}


@pytest.mark.parametrize("lost", [c for size in (1, 2) for c in combinations(range(6), size)])
def test_reads_survive_the_loss_of_any_m_devices_and_say_so(
    tmp_path: Path, lost: tuple[int, ...]
) -> None:
    for folder, (kind, ways) in enumerate(LOSSES.items()):
        for number, way in enumerate(ways):
            with rig(tmp_path / f"{folder}{number}") as r:
                for index in lost:
                    way(r.devices[index])
                r.check()
                assert r.incidents() <= {(f"d{index}", kind) for index in lost}
                assert not r.store.scrub().clean
                r.heal()
                r.store.repair()
                assert r.store.scrub().clean
                r.check()


@pytest.mark.parametrize("lost", list(combinations(range(6), 3)))
def test_one_more_is_a_clear_error(tmp_path: Path, lost: tuple[int, ...]) -> None:
    with rig(tmp_path) as r:
        for index, way in zip(lost, (FaultyDevice.fail, wipe, ruin), strict=True):
            way(r.devices[index])
        for payload in r.data:
            with pytest.raises(PayloadLostError, match="needs 4 sound fragments and 3 were found"):
                content(r.store, payload)
        assert r.store.scrub().lost == r.store.repair().lost == sorted(r.data)
        r.devices[lost[0]].heal()
        r.check()


@pytest.mark.parametrize("slow", [(0,), (5,), (0, 1), (2, 5)])
def test_slow_devices_are_not_waited_for(tmp_path: Path, slow: tuple[int, ...]) -> None:
    with rig(tmp_path, threads=2) as r:
        for index in slow:
            r.devices[index].stall()
        r.check()
        told = len(r.store.incidents)
        names = {(f"d{index}", "slow") for index in slow}
        assert names <= r.incidents()
        r.check()
        again = list(r.store.incidents)[told:]
        assert not names & {(i.device, i.kind) for i in again}, "who is late is asked last"
        r.heal()
        r.check()


def test_if_too_many_are_slow_a_reader_waits_for_them(tmp_path: Path) -> None:
    with rig(tmp_path, threads=2, give_up_s=30.0) as r:
        for device in r.devices[:3]:
            device.stall()
        healing = threading.Timer(5 * HEDGE_S, r.heal)
        healing.start()
        r.check()
        healing.join()


def test_if_they_stay_slow_it_gives_up(tmp_path: Path) -> None:
    with rig(tmp_path, threads=2) as r:
        for device in r.devices[:3]:
            device.stall()
        with pytest.raises(PayloadLostError, match="d0 slow, d1 slow, d2 slow"):
            r.store.read(next(iter(r.data)))
        scrub = r.store.scrub()
        assert scrub.unreachable == ["d0", "d1", "d2"]


def test_a_device_that_stalls_in_the_middle_of_a_read_is_not_waited_for(tmp_path: Path) -> None:
    with rig(tmp_path, threads=2) as r:
        data = random.Random(8).randbytes(40 * 1024)
        with DataStore(
            r.devices, unit_bytes=4096, threads=2, hedge_s=HEDGE_S, new_id=ids(8)
        ) as store:
            payload = store.write(data * 5)
            reader = store.read(payload)
            start = next(reader)
            r.devices[0].stall()
            r.devices[1].fail()
            assert start + b"".join(reader) == data * 5
            r.heal()


# --- rot --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bits_are_found_read_around_and_repaired(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with rig(tmp_path) as r:
        rotten = {
            (device.name, name)
            for device in rng.sample(r.devices, 2)
            for name in rot(device, rng, bits=rng.randint(1, 6))
        }
        r.check()
        found = {(f.device, f.payload) for f in r.store.scrub().findings if f.kind == "corrupt"}
        assert found <= rotten  # a bit that was flipped twice is as it was
        assert len(found) >= len(rotten) - 1
        repaired = r.store.repair()
        assert {(done.device, done.payload) for done in repaired.rebuilt} == found
        assert r.store.scrub().clean
        r.check()


def test_every_single_flipped_bit_is_found(tmp_path: Path) -> None:
    """Of a whole fragment: cells, checksums, footer."""
    with rig(tmp_path) as r:
        payload = max(r.data, key=lambda payload: len(r.data[payload]))
        file = r.devices[0].path / payload
        whole = file.read_bytes()
        for bit in range(0, 8 * len(whole), 7):
            spoilt = bytearray(whole)
            spoilt[bit // 8] ^= 1 << bit % 8
            file.write_bytes(spoilt)
            assert content(r.store, payload) == r.data[payload]
            (finding,) = r.store.scrub().findings
            assert (finding.device, finding.payload) == ("d0", payload)
            assert finding.kind == "corrupt"


def test_bad_cells_in_more_than_m_fragments_are_survived_if_they_are_in_different_stripes(
    tmp_path: Path,
) -> None:
    with rig(tmp_path) as r:
        payload = max(r.data, key=lambda payload: len(r.data[payload]))
        for number, device in enumerate(r.devices[:4]):
            with (device.path / payload).open("r+b") as file:
                file.seek(number * UNIT)
                file.write(b"?")
        r.check()
        assert len(r.store.scrub().findings) == 4
        assert len(r.store.repair().rebuilt) == 4
        assert r.store.scrub().clean
        r.check()


@pytest.mark.parametrize("harm", ["cut", "longer", "empty", "swapped", "foreign"])
def test_files_that_are_not_what_they_seem_are_corrupt(tmp_path: Path, harm: str) -> None:
    with rig(tmp_path) as r:
        payload, other = list(r.data)[-2:]
        file = r.devices[2].path / payload
        whole = file.read_bytes()
        file.write_bytes(
            {
                "cut": whole[:-1],
                "longer": whole + b"\0",
                "empty": b"",
                "swapped": (r.devices[2].path / other).read_bytes(),
                "foreign": b"hello " * 100,
            }[harm]
        )
        r.check()
        (finding,) = r.store.scrub().findings
        assert (finding.device, finding.payload, finding.kind) == ("d2", payload, "corrupt")
        r.store.repair()
        assert r.store.scrub().clean
        r.check()


# --- writes on devices that fail --------------------------------------------------------------


def fragment_bytes(r: Rig, size: int) -> int:
    payload = r.store.write(bytes(size))
    largest = max(file.stat().st_size for file in r.folder.glob(f"*/{payload}"))
    r.store.delete(payload)
    return largest


def test_one_full_device_is_an_incident_wherever_it_ends(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        for room in range(0, fragment_bytes(r, 1000), 5):
            r.devices[1].fill(room)
            data = random.Random(room).randbytes(1000)
            payload = r.store.write(data)
            assert content(r.store, payload) == data
            assert ("d1", "unwritten") in r.incidents()
            assert not list(r.devices[1].path.glob(f"{payload}*"))
            r.heal()
            assert [done.device for done in r.store.repair().rebuilt] == ["d1"]
            assert r.store.scrub().clean
            r.store.delete(payload)


def test_two_full_devices_are_an_error_and_leave_nothing_wherever_they_end(
    tmp_path: Path,
) -> None:
    with rig(tmp_path) as r:
        before = files(tmp_path)
        most = fragment_bytes(r, 1000)
        for room in range(0, most, 3):
            r.devices[1].fill(room)
            r.devices[4].fill(most - 1 - room)
            with pytest.raises(NoSpaceError, match=r"4 of 6 .* needs 5 .*No space left"):
                r.store.write(bytes(1000))
            assert files(tmp_path) == before
        r.heal()
        r.check()
        assert r.store.scrub().clean


@pytest.mark.parametrize("broken", list(combinations(range(6), 2)))
def test_writes_that_fail_at_any_operation_leave_nothing(
    tmp_path: Path, broken: tuple[int, int]
) -> None:
    with rig(tmp_path) as r:
        before = files(tmp_path)
        for after in count():
            r.heal()
            for index in broken:
                r.devices[index].fail(errno.EIO, after)
            if after == 6:  # two stripes, the end, two flushes and a rename: all are done
                assert content(r.store, r.store.write(bytes(1000))) == bytes(1000)
                break
            with pytest.raises(NotEnoughDevicesError, match="Input/output error"):
                r.store.write(bytes(1000))
            r.heal()
            r.store.collect(r.data)
            assert files(tmp_path) == before


def test_a_device_that_fails_at_any_operation_is_replaced_by_a_spare_one(tmp_path: Path) -> None:
    with rig(tmp_path, devices=7) as r:
        data = random.Random(9).randbytes(1000)
        for after in range(6):
            for broken in r.devices:
                broken.fail(errno.EIO, after)
                payload = r.store.write(data)
                others = [device for device in r.devices if device is not broken]
                assert all((device.path / payload).exists() for device in others)
                for device in others[after % 5 : after % 5 + 2]:
                    device.fail()
                assert content(r.store, payload) == data
                r.heal()
                r.store.delete(payload)
        r.store.collect(r.data)
        r.store.repair()
        assert r.store.scrub().clean
        r.check()


def test_a_device_that_hangs_is_written_off_until_it_answers(tmp_path: Path) -> None:
    with rig(tmp_path, threads=2) as r:
        r.devices[2].stall()
        data = random.Random(10).randbytes(1000)
        for _ in range(3):
            r.data[r.store.write(data)] = data
        assert [i.kind for i in r.store.incidents if i.device == "d2"].count("unwritten") == 3
        r.check()
        r.heal()
        r.store.repair()
        r.store.collect(r.data)
        assert r.store.scrub().clean
        r.check()


def test_with_fewer_devices_than_fragments_writes_are_degraded(tmp_path: Path) -> None:
    with DataStore(powered(paths(tmp_path, 5)), unit_bytes=UNIT, threads=0) as store:
        payload = store.write(b"five are enough")
        assert content(store, payload) == b"five are enough"
        assert [finding.device for finding in store.scrub().findings] == [""]
        assert store.repair().degraded == [payload]
    with DataStore(powered(paths(tmp_path, 6)), unit_bytes=UNIT, threads=0) as store:
        store.repair()
        assert store.scrub().clean
        assert content(store, payload) == b"five are enough"
    with DataStore(powered(paths(tmp_path, 4)), unit_bytes=UNIT, threads=0) as store:
        assert content(store, payload) == b"five are enough"
        with pytest.raises(NotEnoughDevicesError, match="too few devices"):
            store.write(b"four are not")


# --- devices that come and go -----------------------------------------------------------------


def test_a_new_device_gets_its_share_and_only_that(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        before = files(tmp_path)
    with DataStore(powered(paths(tmp_path, 7)), unit_bytes=UNIT, threads=0) as store:
        for payload, data in r.data.items():
            assert content(store, payload) == data
        report = store.repair()
        assert {done.device for done in report.rebuilt} == {"d6"}
        assert len(report.removed) == len(report.rebuilt)
        assert len(set(before) - set(files(tmp_path))) == len(report.rebuilt)
        assert store.scrub().clean
        store.incidents.clear()
        for payload, data in r.data.items():
            assert content(store, payload) == data
            with store.read(payload) as reader:
                opened = {source.fragment.index for source in reader.sources.all}
                assert opened >= {0, 1, 2, 3}, "data is read as it is, wherever it has moved"
        assert len(store.incidents) == 0


def test_payloads_move_off_a_device_that_is_gone_and_back_when_it_returns(tmp_path: Path) -> None:
    with rig(tmp_path, devices=7) as r:
        r.devices[3].fail()
        report = r.store.repair()
        assert report.unreachable == ["d3"]
        assert not report.degraded
        for device in r.devices[:2]:
            device.fail()
        r.check()
        r.heal()
        r.store.repair()
        assert r.store.scrub().clean
        r.check()


def test_a_repair_that_finds_no_space_changes_nothing_for_the_worse(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        payload = max(r.data, key=lambda payload: len(r.data[payload]))
        for number, device in enumerate(r.devices):
            with (device.path / payload).open("r+b") as file:
                file.seek((number % 4) * UNIT)
                file.write(b"?")
            device.fill(100)
        assert not r.store.repair().rebuilt
        r.heal()
        r.check()
        r.store.repair()
        assert r.store.scrub().clean


def test_a_repair_overwrites_no_fragment_that_is_still_needed(tmp_path: Path) -> None:
    with rig(tmp_path, devices=7) as r:
        payload = r.store.write(bytes(1000))
        by_name = {device.name: device for device in r.devices}
        *_, fourth, fifth, spare = (by_name[name] for name in placement.order(payload, by_name))
        shutil.move(fifth.path / payload, spare.path / payload)
        (fourth.path / payload).unlink()
        for full in (fourth, fifth):
            full.fill()
        before = (spare.path / payload).read_bytes()
        report = r.store.repair()
        assert (report.rebuilt, report.degraded) == ([], [payload])
        assert (spare.path / payload).read_bytes() == before
        r.heal()
        r.store.repair()
        assert r.store.scrub().clean
        assert content(r.store, payload) == bytes(1000)


class Meddled(WrappedDevice):
    """A device on which something else happens just before a file gets its name."""

    meddle: Callable[[], object] | None = None

    def rename(self, old: str, new: str) -> None:
        meddle, self.meddle = self.meddle, None
        if meddle:
            meddle()
        super().rename(old, new)


@pytest.mark.parametrize("meddling", ["collect", "delete", "scrub"])
def test_what_happens_during_a_repair_does_not_disturb_it(tmp_path: Path, meddling: str) -> None:
    devices = [Meddled(device) for device in powered(paths(tmp_path))]
    with DataStore(devices, unit_bytes=UNIT, threads=0, new_id=ids()) as store:
        payload = store.write(bytes(1000))
        wipe(devices[0])
        meddle = {
            "collect": lambda: store.collect({payload}),
            "delete": lambda: store.delete(payload),
            "scrub": lambda: kinds.update(finding.kind for finding in store.scrub().findings),
        }
        kinds: set[str] = set()
        devices[0].meddle = meddle[meddling]
        assert [done.device for done in store.repair().rebuilt] == ["d0"]
        assert store.scrub().clean
        assert kinds <= {"missing"}, "what is in the making is no leftover"
        expected = [] if meddling == "delete" else [payload]
        assert list(store.payloads()) == expected
        assert len(files(tmp_path)) == 6 * len(expected)


# --- power cuts -------------------------------------------------------------------------------


def kept(how: str, seed: int) -> Callable[[int], int]:
    """What a device remembers of what was not flushed."""
    rng = random.Random(seed)
    return {
        "nothing": lambda count: 0,
        "everything": lambda count: count,
        "some": lambda count: rng.randint(0, count),
    }[how]


@contextmanager
def cut_after(folder: Path, operations: int, how: str, threads: int = 0) -> Iterator[DataStore]:
    """A store whose power is cut after so many operations; afterwards devices have forgotten."""
    devices = powered(paths(folder), operations)
    store = DataStore(devices, unit_bytes=UNIT, threads=threads, new_id=ids(operations))
    try:
        yield store
    finally:
        store.close()
        for device in devices:
            device.forget(kept(how, operations))


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("how", ["nothing", "everything", "some"])
def test_a_power_cut_at_any_operation_of_a_write_leaves_all_or_nothing(
    tmp_path: Path, how: str, threads: int
) -> None:
    old, data = random.Random(1).randbytes(700), random.Random(2).randbytes(1200)
    with DataStore(powered(paths(tmp_path / "start")), unit_bytes=UNIT, threads=0) as store:
        first = store.write(old)
    for operations in count():
        folder = tmp_path / "now"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "start", folder)
        written = None
        with cut_after(folder, operations, how, threads) as store, suppress(PowerCutError):
            written = store.write(data)
        with DataStore([Device(path) for path in paths(folder)], unit_bytes=UNIT) as store:
            assert content(store, first) == old
            if written:
                assert content(store, written) == data
                assert store.scrub().clean, "what was acknowledged is complete"
            for payload in set(store.payloads()) - {first}:
                try:
                    assert content(store, payload) == data
                except PayloadLostError:
                    assert payload != written
            store.collect({first, written})
            expected = {first, written} - {None}
            assert {file.split("/")[1] for file in files(folder)} == expected
            assert store.scrub().clean
        if written:
            break
    assert operations == 6 * (3 + 4)  # three stripes; the end, fsync, rename, directory


@pytest.mark.parametrize("how", ["nothing", "everything", "some"])
def test_a_power_cut_at_any_operation_of_a_repair_loses_nothing(tmp_path: Path, how: str) -> None:
    data = [random.Random(size).randbytes(size) for size in (300, 900)]
    devices = powered(paths(tmp_path / "start"))
    with DataStore(devices, unit_bytes=UNIT, threads=0, new_id=ids()) as store:
        written = {store.write(one): one for one in data}
    wipe(devices[0])
    rot(devices[1], random.Random(3), bits=9)
    for operations in count():
        folder = tmp_path / "now"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "start", folder)
        ended = False
        with cut_after(folder, operations, how) as store, suppress(PowerCutError):
            store.repair()
            ended = True
        with DataStore(powered(paths(folder)), unit_bytes=UNIT, threads=0) as store:
            assert ended <= store.scrub().clean
            assert {payload: content(store, payload) for payload in written} == written
            store.repair()  # what the interrupted one left must not get in its way
            store.collect(written)
            assert store.scrub().clean
            assert {payload: content(store, payload) for payload in written} == written
        if ended:
            break
    assert operations > 50


@pytest.mark.parametrize("how", ["nothing", "everything", "some"])
def test_a_power_cut_at_any_operation_of_a_delete_leaves_what_collect_removes(
    tmp_path: Path, how: str
) -> None:
    for operations in range(7):
        folder = tmp_path / str(operations)
        with DataStore(powered(paths(folder)), unit_bytes=UNIT, threads=0) as store:
            payload = store.write(bytes(1000))
        with cut_after(folder, operations, how) as store:
            try:
                store.delete(payload)
            except PowerCutError:
                assert operations < 6
        with DataStore(powered(paths(folder)), unit_bytes=UNIT, threads=0) as store:
            store.collect(())
            assert files(folder) == []


# --- everything at random, against a dictionary -----------------------------------------------


class AgainstADictionary(RuleBasedStateMachine):
    """3 + 2 on seven devices: at most two are damaged or gone at a time, until a repair."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        self.devices = [FaultyDevice(device) for device in powered(paths(folder, 7))]
        self.store = DataStore(
            self.devices, 3, 2, unit_bytes=64, threads=0, new_id=ids(len(str(folder)))
        )
        self.model: dict[str, bytes] = {}
        self.harmed: set[int] = set()
        self.gone: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.store.close()
            self.folder.cleanup()

    def may_harm(self, index: int) -> bool:
        """Whether the model allows it; notes it if so."""
        if len(self.harmed | {index}) > 2:
            return False
        self.harmed.add(index)
        return True

    @rule(size=st.integers(0, 700), seed=st.integers(0, 9))
    def write(self, size: int, seed: int) -> None:
        data = random.Random(seed).randbytes(size)
        self.model[self.store.write(data)] = data

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        payload = data.draw(st.sampled_from(sorted(self.model)))
        start = data.draw(st.integers(0, 700))
        length = data.draw(st.integers(0, 700))
        got = b"".join(self.store.read(payload, start, length))
        assert got == self.model[payload][start : start + length]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        payload = data.draw(st.sampled_from(sorted(self.model)))
        self.store.delete(payload)
        del self.model[payload]

    @rule(index=st.integers(0, 6))
    def lose(self, index: int) -> None:
        if self.may_harm(index):
            wipe(self.devices[index])

    @rule(index=st.integers(0, 6), seed=st.integers(0, 99))
    def corrupt(self, index: int, seed: int) -> None:
        if self.may_harm(index):
            rot(self.devices[index], random.Random(seed), bits=5)

    @rule(index=st.integers(0, 6))
    def pull(self, index: int) -> None:
        if self.may_harm(index):
            self.devices[index].fail()
            self.gone.add(index)

    @rule()
    def plug_in(self) -> None:
        for index in self.gone:
            self.devices[index].heal()
        self.gone = set()

    @rule()
    def repair(self) -> None:
        report = self.store.repair()
        assert not set(report.lost) & set(self.model)
        assert not set(report.degraded) & set(self.model)
        self.harmed = set(self.gone)
        if not self.gone:
            self.store.collect(self.model)
            self.store.repair()
            assert self.store.scrub().clean

    @rule()
    def scrub(self) -> None:
        report = self.store.scrub()
        assert not set(report.lost) & set(self.model)
        assert report.unreachable == [f"d{index}" for index in sorted(self.gone)]

    @rule()
    def collect(self) -> None:
        assert not set(self.store.collect(self.model)) & set(self.model)
        assert set(self.store.payloads()) <= set(self.model)

    @invariant()
    def everything_is_there(self) -> None:
        if hasattr(self, "model"):
            assert {p: content(self.store, p) for p in self.model} == self.model


AgainstADictionary.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, derandomize=True
)
TestAgainstADictionary = AgainstADictionary.TestCase


# --- what is told -----------------------------------------------------------------------------


def test_only_the_latest_incidents_are_kept(tmp_path: Path) -> None:
    with rig(tmp_path) as r:
        r.devices[0].fail()
        r.check()
        (incident, *_) = r.store.incidents
        assert (incident.device, incident.kind) == ("d0", "missing")
        assert incident.detail == "No such device"
        kept = Incidents(keep=2)
        for _ in range(3):
            kept.add(incident)
        assert (len(kept), kept.total, list(kept)) == (2, 3, [incident] * 2)
