"""A queue before each device, so that many can work at once and nobody must wait for a slow one."""

import threading
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from amazonian.s3.devices import Device


@dataclass(frozen=True)
class Outcome:
    """How a task ended: with a result, or with the exception that it raised."""

    key: Hashable
    result: Any = None
    error: Exception | None = None


class Task:
    """Some work on one device, whose outcome goes to whoever asked for it."""

    def __init__(self, key: Hashable, work: Callable[[], Any], outcomes: "SimpleQueue[Outcome]"):
        self.key, self.work, self.outcomes = key, work, outcomes
        self.cancelled = self.late = self.ended = False

    def run(self) -> None:
        try:
            outcome = Outcome(self.key, self.work())
        except Exception as error:
            outcome = Outcome(self.key, error=error)
        self.outcomes.put(outcome)


class DeviceQueue:
    """A device with threads that carry out what is asked of it, in the order of asking.

    Args:
        device: what the work is done on.
        threads: how many operations may be under way at once; a thread is started when it is
            first needed. With 0, `submit` does the work itself, so that all happens in one order.
    """

    def __init__(self, device: Device, threads: int):
        self.device, self.threads = device, threads
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        # Reentrant, since a reader that is forgotten is closed wherever its thread just is.
        self._lock = threading.RLock()
        self._started = self._unfinished = self._late = 0
        self._given_up: Task | None = None

    def __repr__(self) -> str:
        return f"DeviceQueue({self.device.name!r})"

    @property
    def is_late(self) -> bool:
        """Whether somebody has lost patience with a task of this device that has not ended."""
        return self._late > 0

    def submit(
        self, key: Hashable, work: Callable[[], Any], outcomes: "SimpleQueue[Outcome]"
    ) -> Task:
        """Have `work` done; what it returns or raises is put into `outcomes` under `key`."""
        task = Task(key, work, outcomes)
        if self.threads == 0:
            task.run()
            return task
        with self._lock:
            self._unfinished += 1
            if self._unfinished > self._started < self.threads:
                self._started += 1
                threading.Thread(target=_work, args=[self], daemon=True).start()
        self._tasks.put(task)
        return task

    def mark_late(self, task: Task) -> None:
        """Let others prefer another device until this task has ended."""
        with self._lock:
            if not (task.late or task.ended):
                task.late = True
                self._late += 1

    @property
    def is_stuck(self) -> bool:
        """Whether a writer has given up on a task of this device that has not ended."""
        return self._given_up is not None and not self._given_up.ended

    def give_up(self, task: Task) -> None:
        """Let writers do without this device until this task has ended."""
        self.mark_late(task)
        self._given_up = task

    def close(self) -> None:
        """End the threads, once what was asked before has been done."""
        with self._lock:
            started, self._started = self._started, self.threads
        for _ in range(started):
            self._tasks.put(None)

    def _end(self, task: Task) -> None:
        with self._lock:
            task.ended = True
            self._unfinished -= 1
            self._late -= task.late


def _work(queue: DeviceQueue) -> None:
    while (task := queue._tasks.get()) is not None:
        if not task.cancelled:
            task.run()
        queue._end(task)


def ask_all(
    queues: Iterable[DeviceQueue], work: Callable[[DeviceQueue], Any], patience_s: float
) -> dict[DeviceQueue, Outcome]:
    """Have all devices do something at the same time.

    Args:
        queues: the devices.
        work: what to do with each.
        patience_s: how long to wait for the next one that is done, in seconds.

    Returns:
        How it went with each device, a result or an ``OSError``. Who took too long is left out, and
        goes on with it.

    Raises:
        Exception: what `work` raised, if it was no ``OSError``.
    """
    queues, outcomes = list(queues), SimpleQueue[Outcome]()
    for queue in queues:
        queue.submit(queue, partial(work, queue), outcomes)
    answers: dict[DeviceQueue, Outcome] = {}
    with suppress(Empty):
        while len(answers) < len(queues):
            outcome = outcomes.get(timeout=patience_s)
            if outcome.error is not None and not isinstance(outcome.error, OSError):
                raise outcome.error
            answers[outcome.key] = outcome
    return answers
