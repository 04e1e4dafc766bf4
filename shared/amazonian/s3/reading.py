"""Reading a payload from any k of its fragments, without waiting for those that are slow.

The k data cells of a stripe are the payload itself, so while all is well they are read, checked
and passed on. When one is missing, corrupt or late, another fragment's cell is asked for instead,
and as soon as k sound cells of the stripe are there, the code gives the wanted ones.

Source for asking others after a bound: J. Dean and L. A. Barroso, "The Tail at Scale",
Communications of the ACM 56(2), 2013.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from amazonian.s3.device_queues import DeviceQueue, Outcome
from amazonian.s3.erasure import ALIGNMENT_BYTES, ReedSolomon
from amazonian.s3.fragments import CorruptFragmentError, Layout
from amazonian.s3.incidents import Incident
from amazonian.s3.races import Race, Source


class PayloadLostError(Exception):
    """Too few sound fragments of a payload are left, or within reach, to read it."""


class Sources:
    """All devices as one reader sees them: which have a fragment, and which had better be avoided.

    Args:
        queues: every device's, in the order in which placement prefers them for this payload.
        payload: the payload's UUID.
        guess: k and m, until a fragment tells.
        code: the code for k and m.
        hedge_s, give_up_s: see ``Race``.
        report: told of each device that did not do its part, once for each kind of fault.

    Raises:
        PayloadLostError: there are not k fragments of it.
    """

    def __init__(
        self,
        queues: Sequence[DeviceQueue],
        payload: str,
        guess: tuple[int, int],
        code: Callable[[int, int], ReedSolomon],
        hedge_s: float,
        give_up_s: float,
        report: Callable[[Incident], None],
    ):
        self.payload, self.hedge_s, self.give_up_s = payload, hedge_s, give_up_s
        self._report, self._reported = report, set[tuple[str, str]]()
        self.all = [Source(queue, payload, i < sum(guess)) for i, queue in enumerate(queues)]
        self.layout, self.code = Layout(*guess, ALIGNMENT_BYTES, 0), code
        self._open()

    def _open(self) -> None:
        """Find k fragments, and all data fragments unless their devices fail.

        The first that is found tells how the payload is laid out.
        """
        race = Race(self.hedge_s, self.give_up_s)
        left = sorted(self.all, key=lambda source: source.preference)
        found: set[int] = set()
        while len(found) < self.layout.k or not found.issuperset(range(self.layout.k)):
            if len(found) < self.layout.k:
                enough = self.layout.k - len(found)
            else:  # devices came and went since it was written: data may stand where parity would
                left = [source for source in left if source.expected and not source.is_slow]
                enough = race.on_time + len(left)
                if not enough:
                    break
            while left and race.on_time < enough:
                source = left.pop(0)
                race.start(source, source.fragment.open)
            done = self.outcome_of(race, left, len(found))
            if done is not None:
                fragment = done[0].fragment
                found.add(fragment.index)
                self.layout = fragment.layout
        race.cancel()

    def outcome_of(
        self, race: Race, left: Collection[Source], sound: int
    ) -> tuple[Source, Any] | None:
        """The next source that succeeded, with its result; None if one failed or became late.

        Raises:
            PayloadLostError: none is under way or left.
        """
        outcome = race.next()
        if outcome is None:
            newly_late = race.call_late()
            for source in newly_late:
                source.slow = True
                self._tell(source, "slow", f"no answer within {self.hedge_s} s")
            if not (newly_late or left):
                race.cancel()
                raise PayloadLostError(self._loss(sound))
            return None
        if outcome.error is None:
            return outcome.key, outcome.result
        self._note_failure(outcome)
        return None

    def _note_failure(self, outcome: Outcome) -> None:
        source, error = outcome.key, outcome.error
        if isinstance(error, CorruptFragmentError):
            source.useless = source.fragment.layout is None
            self._tell(source, "corrupt", str(error))
        elif isinstance(error, OSError):
            source.useless = True
            if source.expected or source.fragment.layout is not None:
                self._tell(source, "missing", error.strerror or str(error))
        else:
            raise error

    def _tell(self, source: Source, kind: str, detail: str) -> None:
        if (source.name, kind) not in self._reported:
            self._reported.add((source.name, kind))
            self._report(Incident(source.name, self.payload, kind, detail))

    def _loss(self, sound: int) -> str:
        faults = ", ".join(f"{name} {kind}" for name, kind in sorted(self._reported))
        return (
            f"payload {self.payload} can't be read: it needs {self.layout.k} sound fragments and "
            f"{sound} were found ({faults or 'there is none'})"
        )

    def usable(self) -> list[Source]:
        """The sources that may still give something, the best first."""
        usable = [source for source in self.all if not source.useless]
        return sorted(usable, key=lambda source: source.preference)


class StripeRead:
    """The reading of one stripe, which is under way from its creation.

    Args:
        sources: where from.
        stripe: which.
        wanted: the numbers of the cells that are wanted, data or parity.
    """

    def __init__(self, sources: Sources, stripe: int, wanted: Collection[int]):
        self.sources, self.stripe, self.wanted = sources, stripe, wanted
        self._race = Race(sources.hedge_s, sources.give_up_s)
        self._left = sources.usable()
        direct = {source.fragment.index: source for source in reversed(self._left)}
        direct = [direct[i] for i in wanted if i in direct and not direct[i].is_slow]
        if len(direct) == len(wanted):
            self._left = direct + [source for source in self._left if source not in direct]
            self._start(len(wanted))
        else:
            self._start(sources.layout.k)

    def _start(self, enough: int) -> None:
        while self._left and self._race.on_time < enough:
            source = self._left.pop(0)
            self._race.start(source, lambda source=source: source.fragment.cell(self.stripe))

    def cells(self) -> dict[int, bytes]:
        """The wanted cells, by number.

        Raises:
            PayloadLostError: too few sound cells of this stripe can be had.
        """
        k = self.sources.layout.k
        sound: dict[int, bytes] = {}
        while not (len(sound) >= k or all(index in sound for index in self.wanted)):
            done = self.sources.outcome_of(self._race, self._left, len(sound))
            if done is None:
                self._start(k - len(sound))
            else:
                sound[done[0].fragment.index] = done[1]
        self._race.cancel()
        return sound | self._decode(sound, [i for i in self.wanted if i not in sound])

    def cancel(self) -> None:
        self._race.cancel()

    def _decode(self, sound: dict[int, bytes], lacking: Sequence[int]) -> dict[int, bytes]:
        if not lacking:
            return {}
        layout = self.sources.layout
        arrays = {index: np.frombuffer(cell, np.uint8) for index, cell in sound.items()}
        rows = self.sources.code(layout.k, layout.m).reconstruct(arrays, lacking)
        return {index: row.tobytes() for index, row in zip(lacking, rows, strict=True)}


class PayloadReader(Iterator[bytes]):
    """Pieces of a payload, a cell each or a part of one, checked. Close it, or read it to its end.

    Args:
        sources: where from.
        start, length: which bytes; see ``DataStore.read``.
        on_close: called once, when nothing will be read any more.
    """

    def __init__(
        self,
        sources: Sources,
        start: int = 0,
        length: int | None = None,
        on_close: Callable[[], None] = lambda: None,
    ):
        self.sources, self._on_close, self._ahead = sources, on_close, None
        self._ready: deque[bytes] = deque()
        total = sources.layout.length
        stop = total if length is None else min(start + length, total)
        self._shares = _shares(sources.layout, start, stop)
        self._ahead = self._begin_next()

    def _begin_next(self) -> tuple[StripeRead, int, int] | None:
        """Start to read the next stripe, so that it comes in while the last is being used."""
        share = next(self._shares, None)
        if share is None:
            return None
        stripe, start, stop = share
        cell = self.sources.layout.cell_bytes(stripe)
        wanted = range(start // cell, (stop - 1) // cell + 1)
        return StripeRead(self.sources, stripe, wanted), start - wanted[0] * cell, stop - start

    def __next__(self) -> bytes:
        """Raises: PayloadLostError: too few sound fragments are left."""
        if self._ready:
            return self._ready.popleft()
        if self._ahead is None:
            self.close()
            raise StopIteration
        (read, skip, length), self._ahead = self._ahead, None
        try:
            self._ahead = self._begin_next()
            cells = read.cells()
        except BaseException:
            self.close()
            raise
        pieces = [cells[index] for index in read.wanted]
        surplus = sum(map(len, pieces)) - skip - length  # padding, or what is not wanted any more
        pieces[-1] = pieces[-1][: len(pieces[-1]) - surplus]
        pieces[0] = pieces[0][skip:]
        self._ready.extend(pieces)
        return self._ready.popleft()

    def close(self) -> None:
        """Read nothing more; the payload may be removed now."""
        on_close, self._on_close = self._on_close, lambda: None
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead[0].cancel()
        on_close()

    def __enter__(self) -> "PayloadReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _shares(layout: Layout, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Each stripe that bytes `start` to `stop` touch, and which of its bytes they are."""
    while start < stop:
        stripe = start // layout.stripe_bytes
        begin = stripe * layout.stripe_bytes
        end = min(stop, begin + layout.stripe_bytes)
        yield stripe, start - begin, end - begin
        start = end
