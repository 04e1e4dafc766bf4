"""Looking at every fragment of a payload, every cell of it, and saying what is wrong."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from amazonian.s3.device_queues import DeviceQueue, ask_all
from amazonian.s3.erasure import ALIGNMENT_BYTES
from amazonian.s3.fragments import CorruptFragmentError, Fragment, Layout

STRIPES_AT_A_TIME = 64  # between two looks at the clock


@dataclass(frozen=True)
class Finding:
    """Something on a device that is not as it should be.

    `kind` is what: a fragment that is "missing", "corrupt", or "misplaced" (on a device that is
    not among those of the payload, or a second time); or a file that is "leftover" from a write
    that never ended, or "unknown" to the data store. `payload` is the file's name then. `device`
    is empty where a fragment has no place, since there are too few devices.
    """

    device: str
    payload: str
    kind: Literal["missing", "corrupt", "misplaced", "leftover", "unknown"]
    detail: str = ""


@dataclass
class Copy:
    """A fragment on a device, read to its end: which cells are bad, or why it can't be opened."""

    queue: DeviceQueue
    fragment: Fragment
    bad: dict[int, str] = field(default_factory=dict)
    unreadable: str = ""
    stripes: int = 0

    @property
    def sound(self) -> bool:
        return not (self.bad or self.unreadable)

    def open(self) -> None:
        """Check the footer.

        Raises:
            OSError: the device does not give the fragment, or has none.
        """
        try:
            self.stripes = self.fragment.open().layout.stripes
        except CorruptFragmentError as error:
            self.unreadable = str(error)

    def check(self, stripes: range) -> None:
        """Check the cells of these stripes, as far as there are so many.

        Raises:
            OSError: see `open`.
        """
        for stripe in range(stripes.start, min(stripes.stop, self.stripes)):
            try:
                self.fragment.cell(stripe)
            except CorruptFragmentError as error:
                self.bad[stripe] = str(error)

    @property
    def index(self) -> int:
        return self.fragment.index

    @property
    def device(self) -> str:
        return self.queue.device.name


class Examination:
    """What there is of one payload.

    Args:
        queues: the devices that can be reached, in the payload's order of placement.
        payload: its UUID.
        guess: k and m, if no fragment tells.
        give_up_s: how long to wait for the next device, in seconds; those that have not answered
            then are `silent`.
    """

    def __init__(
        self, queues: Sequence[DeviceQueue], payload: str, guess: tuple[int, int], give_up_s: float
    ):
        self.queues, self.payload = queues, payload
        self.silent: list[DeviceQueue] = []
        copies = {queue: Copy(queue, Fragment(queue.device, payload)) for queue in queues}
        answering = self._ask(copies, Copy.open, give_up_s)
        for start in itertools.count(0, STRIPES_AT_A_TIME):
            stripes = range(start, start + STRIPES_AT_A_TIME)
            rest = {queue: copy for queue, copy in answering.items() if copy.stripes > start}
            if not rest:
                break
            read = self._ask(rest, lambda copy, stripes=stripes: copy.check(stripes), give_up_s)
            answering = {q: copy for q, copy in answering.items() if q in read or q not in rest}
        self.copies = list(answering.values())
        readable = [copy for copy in self.copies if not copy.unreadable]
        self.layout = (
            readable[0].fragment.layout if readable else Layout(*guess, ALIGNMENT_BYTES, 0)
        )
        self.home = queues[: self.layout.n]
        self.cells = self.layout.stripes * len(readable)
        self.lost = bool(self.copies) and not self._decodable(readable)
        self.keepers: dict[int, Copy] = {}  # by number, the sound copy that may stay where it is
        for copy in readable:
            if copy.sound and copy.queue in self.home:
                self.keepers.setdefault(copy.index, copy)

    def _ask(
        self, copies: dict[DeviceQueue, Copy], work: Callable[[Copy], None], give_up_s: float
    ) -> dict[DeviceQueue, Copy]:
        """Do something with all copies at the same time; keep those with which that succeeded."""
        answers = ask_all(copies, lambda queue: work(copies[queue]), give_up_s)
        self.silent += [queue for queue in copies if queue not in answers]
        return {q: copy for q, copy in copies.items() if q in answers and not answers[q].error}

    def _decodable(self, readable: Sequence[Copy]) -> bool:
        """Whether each stripe has k sound cells."""
        stripes = {stripe for copy in readable for stripe in copy.bad} or {0}
        for stripe in stripes:
            sound = {copy.index for copy in readable if stripe not in copy.bad}
            if len(sound) < self.layout.k:
                return False
        return True

    @property
    def lacking(self) -> list[int]:
        """The numbers of the fragments of which no sound copy stands where it belongs."""
        return [index for index in range(self.layout.n) if index not in self.keepers]

    def targets(self) -> list[DeviceQueue]:
        """The devices on which a lacking fragment may be put, those where it belongs first."""
        kept = {copy.queue for copy in self.keepers.values()}
        needed = {c.queue for c in self.copies if c.sound and c.index not in self.keepers}
        return [
            queue
            for queue in self.queues
            if queue not in kept and (queue in self.home or queue not in needed)
        ]

    def findings(self) -> list[Finding]:
        """What is wrong, in the payload's order of devices."""
        found = []
        for copy in self.copies:
            if not copy.sound:
                detail = copy.unreadable or "; ".join(copy.bad.values())
                found.append(Finding(copy.device, self.payload, "corrupt", detail))
            elif self.keepers.get(copy.index) is not copy:
                detail = f"fragment {copy.index}"
                found.append(Finding(copy.device, self.payload, "misplaced", detail))
        holding = {copy.queue for copy in self.copies}
        bare = [queue.device.name for queue in self.home if queue not in holding]
        bare += [""] * (self.layout.n - len(self.home))
        absent = self.layout.n - len({copy.index for copy in self.copies if copy.sound})
        absent -= sum(not copy.sound for copy in self.copies)
        found += [Finding(device, self.payload, "missing") for device in bare[: max(0, absent)]]
        return found
