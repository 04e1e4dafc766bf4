"""Devices: the operations on files, the flush that many share, and the queue before each device."""

import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from amazonian.s3.device_queues import DeviceQueue, Outcome, ask_all
from amazonian.s3.devices import Device, GroupCommit

PATIENCE_S = 10.0


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "d0")


def test_what_is_appended_is_read(device: Device) -> None:
    device.append("a", b"one ")
    device.append("a", bytearray(b"two"))
    device.append("a", b"")
    assert device.read("a", 0, 100) == b"one two"
    assert device.read("a", 4, 2) == b"tw"
    assert device.read("a", 7, 2) == b""
    assert device.read_end("a", 3) == (b"two", 7)
    assert device.read_end("a", 100) == (b"one two", 7)


def test_a_rename_replaces_and_a_removal_removes(device: Device) -> None:
    device.append("old", b"1")
    device.append("new", b"2")
    device.fsync("old")
    device.rename("old", "new")
    device.fsync_directory()
    assert device.list() == ["new"]
    assert device.read("new", 0, 9) == b"1"
    device.remove("new")
    assert device.list() == []
    with pytest.raises(FileNotFoundError):
        device.remove("new")


def test_a_device_is_called_after_its_directory_unless_told_otherwise(tmp_path: Path) -> None:
    assert Device(tmp_path / "d3").name == "d3"
    assert Device(tmp_path / "d3", "slot 3").name == "slot 3"


def test_a_device_that_was_pulled_fails_and_is_not_made_again(device: Device) -> None:
    device.path.rmdir()
    for operation in (
        lambda: device.append("a", b"1"),
        lambda: device.fsync("a"),
        lambda: device.read("a", 0, 1),
        lambda: device.read_end("a", 1),
        device.fsync_directory,
        device.list,
    ):
        with pytest.raises(OSError, match="No such file"):
            operation()
    assert not device.path.exists()


# --- group commit -----------------------------------------------------------------------------


class SlowFlush:
    """A flush that waits for its turn to end, and can fail."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.error: OSError | None = None

    def __call__(self) -> None:
        self.begun.release()
        assert self.may_end.acquire(timeout=PATIENCE_S)
        if self.error:
            raise self.error


def calling(commit: GroupCommit, callers: int) -> tuple[list[threading.Thread], SimpleQueue]:
    results: SimpleQueue = SimpleQueue()

    def call() -> None:
        try:
            commit()
            results.put(None)
        except OSError as error:
            results.put(error)

    before = commit.asked
    threads = [threading.Thread(target=call, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    everybody_asked = threading.Event()
    for _ in range(10_000):
        if commit.asked == before + callers:
            everybody_asked.set()
            break
        threading.Event().wait(0.001)
    assert everybody_asked.is_set()
    return threads, results


def test_who_comes_during_a_flush_waits_for_another_and_shares_it() -> None:
    flush = SlowFlush()
    commit = GroupCommit(flush)
    first, _ = calling(commit, 1)
    assert flush.begun.acquire(timeout=PATIENCE_S)
    late, results = calling(commit, 5)
    flush.may_end.release()
    first[0].join(PATIENCE_S)
    assert flush.begun.acquire(timeout=PATIENCE_S)
    assert results.empty(), "the flush that had begun before they came is not enough for them"
    flush.may_end.release()
    for thread in late:
        thread.join(PATIENCE_S)
    assert (commit.asked, commit.flushed, results.qsize()) == (6, 2, 5)


def test_a_flush_that_fails_fails_for_all_who_shared_it_and_for_nobody_else() -> None:
    flush = SlowFlush()
    commit = GroupCommit(flush)
    first, fine = calling(commit, 1)
    assert flush.begun.acquire(timeout=PATIENCE_S)
    late, results = calling(commit, 3)
    flush.may_end.release()
    first[0].join(PATIENCE_S)
    assert flush.begun.acquire(timeout=PATIENCE_S)
    flush.error = OSError("broken")
    flush.may_end.release()
    for thread in late:
        thread.join(PATIENCE_S)
    assert [results.get() for _ in late] == [flush.error] * 3
    assert fine.get() is None
    flush.error = None
    flush.may_end.release()
    commit()


# --- queues -----------------------------------------------------------------------------------


def test_a_queue_hands_back_results_and_errors(device: Device) -> None:
    for threads in (0, 2):
        queue, outcomes = DeviceQueue(device, threads), SimpleQueue[Outcome]()
        queue.submit("sum", lambda: 1 + 1, outcomes)
        queue.submit("file", lambda: device.read("none", 0, 1), outcomes)
        found = {o.key: o for o in (outcomes.get(timeout=PATIENCE_S) for _ in range(2))}
        assert found["sum"].result == 2
        assert isinstance(found["file"].error, FileNotFoundError)
        queue.close()


def test_a_device_is_late_until_the_task_ends_for_which_somebody_lost_patience(
    device: Device,
) -> None:
    queue, outcomes, go_on = DeviceQueue(device, 1), SimpleQueue[Outcome](), threading.Event()
    stuck = queue.submit("stuck", lambda: go_on.wait(PATIENCE_S), outcomes)
    behind = queue.submit("behind", lambda: 1, outcomes)
    queue.mark_late(stuck)
    queue.mark_late(stuck)
    queue.mark_late(behind)
    behind.cancelled = True
    assert queue.is_late
    go_on.set()
    assert outcomes.get(timeout=PATIENCE_S).key == "stuck"
    queue.submit("after", lambda: 1, outcomes)
    assert outcomes.get(timeout=PATIENCE_S).key == "after", "what is cancelled is not done"
    assert not queue.is_late
    queue.close()


def test_to_ask_all_leaves_out_who_does_not_answer(tmp_path: Path) -> None:
    devices = [Device(tmp_path / str(i)) for i in range(3)]
    go_on = threading.Event()
    queues = [DeviceQueue(device, 1) for device in devices]

    def work(queue: DeviceQueue) -> str:
        if queue is queues[1]:
            go_on.wait(PATIENCE_S)
        if queue is queues[2]:
            raise OSError("broken")
        return queue.device.name

    answers = ask_all(queues, work, patience_s=0.05)
    go_on.set()
    assert answers[queues[0]].result == "0"
    assert str(answers[queues[2]].error) == "broken"
    assert queues[1] not in answers
    with pytest.raises(ZeroDivisionError):
        ask_all(queues, lambda queue: 1 / 0, PATIENCE_S)
    for queue in queues:
        queue.close()
