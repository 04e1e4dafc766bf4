"""Asking several devices when not all of them need to answer."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from amazonian.s3.device_queues import DeviceQueue, Outcome, Task
from amazonian.s3.fragments import Fragment


class Source:
    """A device from which a reader may get its payload's fragment, and how that has gone."""

    def __init__(self, queue: DeviceQueue, payload: str, expected: bool):
        self.queue = queue
        self.fragment = Fragment(queue.device, payload)
        self.expected = expected  # placement says that the fragment should be here
        self.useless = False  # there is none, or none that can be read
        self.slow = False

    @property
    def name(self) -> str:
        return self.queue.device.name

    @property
    def is_slow(self) -> bool:
        """Whether it was slow for this reader before, or is so for anybody now."""
        return self.slow or self.queue.is_late

    @property
    def preference(self) -> tuple[bool, bool, int]:
        """By this sources are sorted; what is not slow or is known, and data, comes first."""
        opened = self.fragment.layout is not None
        return self.is_slow, not opened, self.fragment.index


class Race:
    """Work on several devices, of which not all has to end.

    Args:
        hedge_s: how long to wait for an outcome before those under way are called late.
        give_up_s: how long to wait for an outcome if there is nobody else to ask.
    """

    def __init__(self, hedge_s: float, give_up_s: float):
        self.hedge_s, self.give_up_s = hedge_s, give_up_s
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._tasks: dict[Source, Task] = {}
        self._late: set[Source] = set()

    def start(self, source: Source, work: Callable[[], Any]) -> None:
        if source.fragment.in_memory():
            task = Task(source, work, self._outcomes)
            task.run()
        else:
            task = source.queue.submit(source, work, self._outcomes)
        self._tasks[source] = task

    @property
    def on_time(self) -> int:
        """How many tasks are under way that are not late."""
        return len(self._tasks) - len(self._late)

    def next(self) -> Outcome | None:
        """The next outcome; None if those under way have become late, or never come."""
        patience_s = self.hedge_s if self.on_time else self.give_up_s
        try:
            outcome = self._outcomes.get(timeout=patience_s) if self._tasks else None
        except Empty:
            outcome = None
        if outcome is not None:
            del self._tasks[outcome.key]
            self._late.discard(outcome.key)
        return outcome

    def call_late(self) -> list[Source]:
        """Mark what is under way as late, and say what that was new for."""
        newly = [source for source in self._tasks if source not in self._late]
        for source in newly:
            source.queue.mark_late(self._tasks[source])
        self._late.update(newly)
        return newly

    def cancel(self) -> None:
        """Have what has not begun not begin: nobody waits for it."""
        for task in self._tasks.values():
            task.cancelled = True
