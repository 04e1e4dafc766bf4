"""Writing a payload so that a crash leaves all of it or nothing that counts.

The fragments grow under temporary names, stripe by stripe. Once all their content is on the
devices (fsync), each gets its name (rename), and once the names are there as well (fsync of the
directories), the payload is acknowledged. A payload that was not acknowledged is named by no
metadata: whatever a crash leaves of it, ``collect`` removes.

Source for the order of fsync, rename and fsync: T. S. Pillai et al., "All File Systems Are Not
Created Equal: On the Complexity of Crafting Crash-Consistent Applications", OSDI 2014.
"""

import errno
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

import numpy as np

from amazonian.s3.device_queues import DeviceQueue, Outcome
from amazonian.s3.devices import Buffer
from amazonian.s3.erasure import ReedSolomon
from amazonian.s3.fragments import PARTIAL, Layout, cell_checksum, end_of_fragment


class NotEnoughDevicesError(Exception):
    """Too few devices took their fragment for the payload to be safe; nothing was kept."""


class NoSpaceError(NotEnoughDevicesError):
    """Too few devices took their fragment, and some because they are full."""


class FragmentWriter:
    """A fragment in the making on one device."""

    def __init__(self, queue: DeviceQueue, payload: str, index: int):
        self.queue, self.payload, self.index = queue, payload, index
        self._device, self._partial = queue.device, payload + PARTIAL
        self._checksums: list[int] = []

    def append(self, cell: Buffer) -> None:
        checksum = cell_checksum(self.payload, self.index, len(self._checksums), cell)
        self._device.append(self._partial, cell)
        self._checksums.append(checksum)

    def flush(self, layout: Layout) -> None:
        """Write the footer, and make the content durable."""
        end = end_of_fragment(self.payload, self.index, layout, self._checksums)
        self._device.append(self._partial, end)
        self._device.fsync(self._partial)

    def publish(self) -> None:
        """Give the fragment its name, and make that durable."""
        self._device.rename(self._partial, self.payload)
        self._device.fsync_directory()

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
    """

    def __init__(
        self,
        queues: list[DeviceQueue],
        payload: str,
        layout: Layout,
        code: ReedSolomon,
        complete: Callable[[list[int], list[DeviceQueue]], int],
        report: Callable[[DeviceQueue, Exception], None],
        on_close: Callable[[], None],
    ):
        self.payload, self.layout, self._code = payload, layout, code
        self._complete, self._report, self._on_close = complete, report, on_close
        self._all = [FragmentWriter(q, payload, i) for i, q in enumerate(queues[: layout.n])]
        self._spare = queues[layout.n :]
        self._alive = dict(enumerate(self._all))
        self._errors: list[Exception] = []
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._under_way = 0
        self._pieces: list[bytes] = []
        self._gathered = self._length = 0
        self._open, self._in_block = True, False

    def write(self, data: Buffer) -> None:
        """Add to the payload. Waits while an earlier stripe is on its way to the devices.

        Raises:
            NotEnoughDevicesError: too many devices have failed; the write is aborted.
        """
        if not self._open:
            raise ValueError("the writer is finished, aborted or closed; take a new one")
        view = memoryview(data).cast("B")
        while view:
            share = view[: self.layout.stripe_bytes - self._gathered]
            self._pieces.append(bytes(share))
            self._gathered += len(share)
            view = view[len(share) :]
            if self._gathered == self.layout.stripe_bytes:
                self._send_stripe()

    def finish(self) -> str:
        """Return the payload's UUID once it would survive a power cut, and m lost devices.

        A device that failed is replaced by another, if there is one. With at least k + 1
        fragments the write stands all the same: it is an incident, and a repair completes it.

        Raises:
            NotEnoughDevicesError: there are fewer; the write is aborted.
        """
        if not self._open:
            raise ValueError("the writer is finished, aborted or closed; take a new one")
        try:
            if self._gathered:
                self._send_stripe()
            layout = Layout(self.layout.k, self.layout.m, self.layout.unit, self._length)
            self._wait()
            self._start_on_all(lambda fragment: fragment.flush(layout))
            self._wait()
            self._start_on_all(FragmentWriter.publish)
            self._wait()
            self._make_up_for_failures()
        except BaseException:
            self.abort()
            raise
        self._end()
        return self.payload

    def abort(self) -> None:
        """End the write and remove what there is of it; nothing happens if it has ended."""
        if self._open:
            self._open = False
            self._outcomes_of_all()
            for fragment in [
                *self._all,
                *(FragmentWriter(q, self.payload, -1) for q in self._spare),
            ]:
                self._submit(fragment, fragment.remove)
            self._outcomes_of_all()
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

    def _end(self) -> None:
        self._open = False
        if not self._in_block:
            self.close()

    def _send_stripe(self) -> None:
        """Encode what was gathered, as one stripe, and send each cell to its device."""
        stripe, k = self._length // self.layout.stripe_bytes, self.layout.k
        self._length += self._gathered
        so_far = Layout(k, self.layout.m, self.layout.unit, self._length)
        cell_bytes = so_far.cell_bytes(stripe)
        padding = bytes(k * cell_bytes - self._gathered)
        whole = b"".join([*self._pieces, padding])
        self._pieces, self._gathered = [], 0
        data = np.frombuffer(whole, np.uint8).reshape(k, cell_bytes)
        cells = [*data, *self._code.encode(data)]
        self._wait()  # for the stripe before; it was being written while this one was encoded
        self._start_on_all(lambda fragment: fragment.append(cells[fragment.index].data))

    def _start_on_all(self, work: Callable[[FragmentWriter], None]) -> None:
        """Have all devices that have not failed do something, at the same time."""
        for fragment in self._alive.values():
            self._submit(fragment, lambda fragment=fragment: work(fragment))

    def _submit(self, fragment: FragmentWriter, work: Callable[[], None]) -> None:
        fragment.queue.submit(fragment, work, self._outcomes)
        self._under_way += 1

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

    def _outcomes_of_all(self) -> list[Outcome]:
        outcomes = [self._outcomes.get() for _ in range(self._under_way)]
        self._under_way = 0
        return outcomes

    def _make_up_for_failures(self) -> None:
        lacking = [index for index in range(self.layout.n) if index not in self._alive]
        if not lacking:
            return
        for index in lacking:
            if index < len(self._all):
                self._all[index].remove()
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
