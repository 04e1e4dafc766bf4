"""Writing a payload so that a crash leaves all of it or nothing that counts.

A fragment grows under a temporary name, stripe by stripe. Once all its content is on the device
(fsync), it gets its name (rename), so whatever bears that name is whole. Once the names are on
the devices too (fsync of the directories), the payload is acknowledged. One that was not
acknowledged is named by no metadata: what a crash leaves of it, ``collect`` removes.

Source for the order of fsync, rename and fsync: T. S. Pillai et al., "All File Systems Are Not
Created Equal: On the Complexity of Crafting Crash-Consistent Applications", OSDI 2014.
"""

import errno
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

import numpy as np

from amazonian.s3.device_queues import DeviceQueue, Outcome, Task
from amazonian.s3.devices import Buffer
from amazonian.s3.erasure import ReedSolomon
from amazonian.s3.fragments import Layout, cell_checksum, end_of_fragment, partial_name


class NotEnoughDevicesError(Exception):
    """Too few devices took their fragment for the payload to be safe; nothing was kept."""


class NoSpaceError(NotEnoughDevicesError):
    """Too few devices took their fragment, and some because they are full."""


class FragmentWriter:
    """A fragment in the making on one device."""

    def __init__(self, queue: DeviceQueue, payload: str, index: int):
        self.queue, self.payload, self.index = queue, payload, index
        self._device, self._partial = queue.device, partial_name(payload)
        self.abandoned = False  # set when it has hung for too long: others may have its place now
        self._checksums = array("I")

    def append(self, cell: Buffer) -> None:
        """Write the next stripe's cell."""
        checksum = cell_checksum(self.payload, self.index, len(self._checksums), cell)
        self._step(self._device.append, self._partial, cell)
        self._checksums.append(checksum)

    def finish(self, layout: Layout) -> None:
        """Make the fragment whole, then durable, then found under its name, then that durable."""
        end = end_of_fragment(self.payload, self.index, layout, self._checksums)
        self._step(self._device.append, self._partial, end)
        self._step(self._device.fsync, self._partial)
        self._step(self._device.rename, self._partial, self.payload)
        self._step(self._device.fsync_directory)

    def _step(self, operation: Callable[..., None], *arguments: object) -> None:
        operation(*arguments)
        if self.abandoned:
            self.remove_partial()
            raise _timeout()

    def remove_partial(self) -> None:
        """Leave nothing that has no name yet, as far as the device still obeys."""
        with suppress(OSError):
            self._device.remove(self._partial)

    def remove(self) -> None:
        """Leave nothing of it at all, as far as the device still obeys."""
        self.remove_partial()
        with suppress(OSError):
            self._device.remove(self.payload)


class PayloadWriter:
    """A payload being written. As a context manager it aborts, unless `finish` was called.

    The writer holds its payload until the end of the `with` block (without one, until `finish` or
    `abort` returns): until then nobody collects it. So name it in the metadata inside the block.

    Args:
        queues: every device's, in the order in which placement prefers them for this payload.
        payload: its UUID.
        layout: how to cut it; the length is counted here.
        code: gives a stripe its parity.
        complete: called with the fragments' numbers that are lacking and the devices that have
            none; builds the lacking ones there and returns how many it built.
        report: called with each device that could not take its fragment, and the error.
        on_close: called once, when the writer holds the payload no longer.
        give_up_s: how long to wait for the next device, in seconds, before all that have not
            answered count as failed.
    """

    def __init__(
        self,
        queues: list[DeviceQueue],
        payload: str,
        layout: Layout,
        code: ReedSolomon,
        complete: Callable[[list[int], list[DeviceQueue]], int],
        report: Callable[[DeviceQueue, OSError], None],
        on_close: Callable[[], None],
        give_up_s: float,
    ):
        self.payload, self.layout, self._code = payload, layout, code
        self._complete, self._report, self._on_close = complete, report, on_close
        self._give_up_s = give_up_s
        stuck = [queue for queue in queues[: layout.n] if queue.is_stuck]
        for queue in stuck:
            report(queue, _timeout())
        queues = [queue for queue in queues if not queue.is_stuck]
        self._all = [FragmentWriter(q, payload, i) for i, q in enumerate(queues[: layout.n])]
        self._spare = queues[layout.n :]
        self._alive = dict(enumerate(self._all))
        self._errors: list[OSError] = [_timeout() for _ in stuck]
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._under_way: dict[FragmentWriter, Task] = {}
        self._pieces: list[bytes] = []
        self._gathered = self._length = 0
        self._open, self._in_block = True, False

    def write(self, data: Buffer) -> None:
        """Add to the payload. Waits while an earlier stripe is on its way to the devices.

        Raises:
            NotEnoughDevicesError: too many devices have failed; the write is aborted.
        """
        self._check_open()
        view = memoryview(data).cast("B")
        while view:
            share = view[: self.layout.stripe_bytes - self._gathered]
            self._pieces.append(bytes(share))
            self._gathered += len(share)
            view = view[len(share) :]
            if self._gathered == self.layout.stripe_bytes:
                self._send(self._encode())

    def _send(self, cells: Sequence[np.ndarray]) -> None:
        """Write a stripe's cells, once the stripe before is written."""
        with self._aborted_on_error():
            self._wait()
            self._start_on_all(lambda fragment: fragment.append(cells[fragment.index].data))

    def finish(self) -> str:
        """Return the payload's UUID once it would survive a power cut, and m lost devices.

        A device that failed is replaced by another, if there is one. With at least k + 1
        fragments the write stands all the same: it is an incident, and a repair completes it.

        Raises:
            NotEnoughDevicesError: there are fewer; the write is aborted.
        """
        self._check_open()
        with self._aborted_on_error():
            cells = self._encode() if self._gathered else []
            layout = replace(self.layout, length=self._length)

            def finish(fragment: FragmentWriter) -> None:
                if cells:
                    fragment.append(cells[fragment.index].data)
                fragment.finish(layout)

            self._wait()
            self._start_on_all(finish)
            self._wait()
            self._make_up_for_failures()
        self._end()
        return self.payload

    def abort(self) -> None:
        """End the write and remove what there is of it; nothing happens if it has ended."""
        if self._open:
            self._open = False
            self._outcomes_of_all()
            spare = [FragmentWriter(queue, self.payload, -1) for queue in self._spare]
            self._remove([*self._all, *spare])
            self._end()

    def close(self) -> None:
        """Abort if `finish` was not called, and let the payload go."""
        self.abort()
        self._in_block = False
        on_close, self._on_close = self._on_close, lambda: None
        on_close()

    def __enter__(self) -> "PayloadWriter":
        self._in_block = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._open:
            raise ValueError("this writer is finished, aborted or closed; take a new one")

    @contextmanager
    def _aborted_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abort()
            raise

    def _end(self) -> None:
        self._open = False
        if not self._in_block:
            self.close()

    def _encode(self) -> list[np.ndarray]:
        """Turn what was gathered into the cells of one stripe, data and parity."""
        stripe, k = self._length // self.layout.stripe_bytes, self.layout.k
        self._length += self._gathered
        cell_bytes = replace(self.layout, length=self._length).cell_bytes(stripe)
        padding = bytes(k * cell_bytes - self._gathered)
        whole = b"".join([*self._pieces, padding])
        self._pieces, self._gathered = [], 0
        data = np.frombuffer(whole, np.uint8).reshape(k, cell_bytes)
        return [*data, *self._code.encode(data)]

    def _start_on_all(self, work: Callable[[FragmentWriter], None]) -> None:
        """Have all devices that have not failed do something, at the same time."""
        for fragment in self._alive.values():
            self._submit(fragment, lambda fragment=fragment: work(fragment))

    def _submit(self, fragment: FragmentWriter, work: Callable[[], None]) -> None:
        self._under_way[fragment] = fragment.queue.submit(fragment, work, self._outcomes)

    def _wait(self) -> None:
        """Wait for all that is under way, and go on without the devices that failed."""
        for outcome in self._outcomes_of_all():
            if isinstance(outcome.error, OSError):
                del self._alive[outcome.key.index]
                self._errors.append(outcome.error)
                self._report(outcome.key.queue, outcome.error)
            elif outcome.error is not None:
                raise outcome.error
        if len(self._alive) < self.layout.k:
            raise self._failure(len(self._alive))

    def _remove(self, fragments: Sequence[FragmentWriter]) -> None:
        """Leave nothing of these; one that hangs sees to that itself, if it ever goes on."""
        for fragment in fragments:
            if not fragment.abandoned:
                self._submit(fragment, fragment.remove)
        self._outcomes_of_all()

    def _outcomes_of_all(self) -> list[Outcome]:
        """How all that is under way has ended; what has not ended in time counts as failed."""
        outcomes = []
        while self._under_way:
            try:
                outcome = self._outcomes.get(timeout=self._give_up_s)
            except Empty:
                for fragment, task in self._under_way.items():
                    fragment.abandoned = True
                    fragment.queue.give_up(task)
                    outcomes.append(Outcome(fragment, error=_timeout()))
                self._under_way = {}
            else:
                if self._under_way.pop(outcome.key, None):  # else it was given up before
                    outcomes.append(outcome)
        return outcomes

    def _make_up_for_failures(self) -> None:
        lacking = [index for index in range(self.layout.n) if index not in self._alive]
        if not lacking:
            return
        self._remove([self._all[index] for index in lacking if index < len(self._all)])
        durable = len(self._alive) + self._complete(lacking, self._spare)
        if durable < min(self.layout.n, self.layout.k + 1):
            raise self._failure(durable)

    def _failure(self, durable: int) -> NotEnoughDevicesError:
        full = any(error.errno in (errno.ENOSPC, errno.EDQUOT) for error in self._errors)
        kind = NoSpaceError if full else NotEnoughDevicesError
        reasons = ", ".join(sorted({error.strerror or str(error) for error in self._errors}))
        return kind(
            f"{durable} of {self.layout.n} fragments could be written, and a payload needs "
            f"{min(self.layout.n, self.layout.k + 1)} ({reasons or 'there are too few devices'})"
        )


def _timeout() -> OSError:
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
