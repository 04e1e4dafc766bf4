"""The data store: immutable payloads under UUIDs, spread over devices that may fail.

    write    cut into stripes, encode, place, make durable     writing.py, fragments.py
    read     k of k + m fragments, checked, the slow hedged    reading.py, races.py
    place    which devices hold a payload                      placement.py
    keep     scrub, repair, collect                            upkeep.py

A payload never changes. To change an object is to write another payload and to name that in the
metadata, so no reader ever sees half of a change.
"""

import threading
import uuid
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import cache, partial

from amazonian.s3 import erasure, placement
from amazonian.s3.device_queues import DeviceQueue, ask_all
from amazonian.s3.devices import Buffer, Device
from amazonian.s3.erasure import ALIGNMENT_BYTES
from amazonian.s3.fragments import Layout, is_payload
from amazonian.s3.holds import DeletedError, Holds
from amazonian.s3.incidents import Incident, Incidents
from amazonian.s3.reading import PayloadLostError, PayloadReader, Sources
from amazonian.s3.rebuilding import rebuild
from amazonian.s3.upkeep import RepairReport, ScrubReport, Upkeep
from amazonian.s3.writing import PayloadWriter

UNIT_BYTES = 1024 * 1024


class DataStore:
    """Payloads on devices, coded k + m. All calls block, and may come from many threads.

    One store at a time may use a device.

    Args:
        devices: where payloads are kept; each is named once. With fewer than k + m of them, writes
            are degraded; with fewer than k + 1 they fail.
        k, m: data and parity fragments of a payload that is written; what was written with others
            stays readable.
        unit_bytes: the longest cell, a multiple of 64.
        hedge_s: how long a device may take before others are asked in its stead, in seconds.
        give_up_s: how long to wait for a device if there is nobody else to ask, and for one to
            write, in seconds.
        threads: how many operations a device carries out at once. With 0 the caller's own thread
            does everything, in an order that is always the same, and waits for slow devices.
        new_id: makes the UUIDs of payloads.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        k: int = 4,
        m: int = 2,
        *,
        unit_bytes: int = UNIT_BYTES,
        hedge_s: float = 0.2,
        give_up_s: float = 30.0,
        threads: int = 8,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ):
        names = [device.name for device in devices]
        if len(set(names)) < len(names):
            raise ValueError(f"each device needs a name of its own: {names}")
        if unit_bytes <= 0 or unit_bytes % ALIGNMENT_BYTES:
            raise ValueError(f"unit_bytes is a multiple of {ALIGNMENT_BYTES}, not {unit_bytes}")
        self.devices, self.k, self.m = list(devices), k, m
        self.unit_bytes, self.hedge_s, self.give_up_s = unit_bytes, hedge_s, give_up_s
        self.incidents = Incidents()
        self._new_id = new_id
        self._code = cache(lambda k, m: erasure.ReedSolomon(k, m))  # to make one takes milliseconds
        self._queues = {device.name: DeviceQueue(device, threads) for device in devices}
        self._writers, self._readers = Holds(), Holds()
        self._repairing = threading.Lock()
        self._finalizer = weakref.finalize(self, _close_all, list(self._queues.values()))

    # --- write, read, delete ------------------------------------------------------------------

    def writer(self) -> PayloadWriter:
        """Begin a payload; see ``writing.PayloadWriter``. It may be larger than memory.

        Name the payload in the metadata inside the writer's `with` block: as long as that is open,
        ``collect`` leaves the payload alone.
        """
        payload = str(self._new_id())
        self._writers.take(payload)
        return PayloadWriter(
            self._in_order(payload),
            payload,
            Layout(self.k, self.m, self.unit_bytes, 0),
            self._code(self.k, self.m),
            complete=partial(self._complete, payload),
            report=partial(self._report_unwritten, payload),
            on_close=partial(self._writers.let_go, payload),
            give_up_s=self.give_up_s,
        )

    def write(self, data: Buffer | Iterable[Buffer]) -> str:
        """Write a payload, whole or in pieces, and return its UUID once it is durable.

        Raises:
            NotEnoughDevicesError: fewer than k + 1 devices took their fragment; nothing was kept.
            NoSpaceError: the same, and devices are full.
        """
        pieces = [data] if isinstance(data, (bytes, bytearray, memoryview)) else data
        with self.writer() as writer:
            for piece in pieces:
                writer.write(piece)
            return writer.finish()

    def read(self, payload: str, start: int = 0, length: int | None = None) -> PayloadReader:
        """Read a payload, or `length` bytes of it from `start` on, in pieces of a stripe each.

        Every byte is checked before it is passed on. Only the stripes that hold wanted bytes are
        read. What lies behind the payload's end is left out. A payload is not removed while it is
        being read; the reader is done at its end, when closed, or when forgotten.

        Raises:
            PayloadLostError: the payload is deleted, unknown or lost; also from the iteration.
            ValueError: `start` or `length` is negative, or `payload` is no UUID.
        """
        _check_is_payload(payload)
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"start and length are not negative: {start}, {length}")
        try:
            self._readers.take(payload)
        except DeletedError as error:
            raise PayloadLostError(str(error)) from None
        let_go = partial(self._readers.let_go, payload)
        try:
            return PayloadReader(self._sources(payload), start, length, let_go)
        except BaseException:
            let_go()
            raise

    def delete(self, payload: str) -> None:
        """Remove a payload, once those who are reading it have ended; nothing if there is none.

        What a device that is out of reach keeps of it, ``collect`` removes later.

        Raises:
            ValueError: `payload` is no UUID.
        """
        _check_is_payload(payload)
        self._readers.when_free(payload, partial(self._remove, payload))

    def payloads(self) -> Iterator[str]:
        """Every payload of which some device holds a fragment."""
        yield from self._upkeep().payloads()

    # --- keep ---------------------------------------------------------------------------------

    def scrub(self) -> ScrubReport:
        """Read every cell of every fragment, and report what is rotten, missing or out of place."""
        return self._upkeep().scrub()

    def repair(self) -> RepairReport:
        """Rebuild what a scrub would find rotten or missing, and move what is out of place.

        Each payload ends up on those devices that placement prefers among the ones that answer:
        so a replaced device is filled again, and a new one gets its share.
        """
        with self._repairing:
            return self._upkeep().repair()

    def collect(self, live: Container[str]) -> list[str]:
        """Remove the payloads that no metadata names, and what interrupted writes have left.

        Args:
            live: the UUIDs that metadata names. It is asked about each payload after that was
                found, so let it look into the metadata. A set made before the call lacks what is
                written during the call: use one only while nobody writes.

        Returns:
            The UUIDs of which something was removed, or will be when its last reader has ended.
        """
        return self._upkeep().collect(live, self.delete)

    def close(self) -> None:
        """End the devices' threads."""
        self._finalizer()

    def __enter__(self) -> "DataStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- shared by these ----------------------------------------------------------------------

    def _in_order(self, payload: str) -> list[DeviceQueue]:
        return [self._queues[name] for name in placement.order(payload, self._queues)]

    def _sources(self, payload: str) -> Sources:
        return Sources(
            self._in_order(payload),
            payload,
            (self.k, self.m),
            self._code,
            self.hedge_s,
            self.give_up_s,
            self.incidents.add,
        )

    def _complete(self, payload: str, lacking: list[int], targets: list[DeviceQueue]) -> int:
        if not targets:
            return 0
        return len(rebuild(partial(self._sources, payload), lacking, targets))

    def _report_unwritten(self, payload: str, queue: DeviceQueue, error: OSError) -> None:
        detail = error.strerror or str(error)
        self.incidents.add(Incident(queue.device.name, payload, "unwritten", detail))

    def _remove(self, payload: str) -> None:
        """Remove it wherever it is; a device that does not answer may do so later."""
        ask_all(self._queues.values(), lambda queue: queue.device.remove(payload), self.hedge_s)

    def _upkeep(self) -> Upkeep:
        code = (self.k, self.m)
        return Upkeep(
            self._queues, self._writers, self._readers, self._sources, code, self.give_up_s
        )


def _check_is_payload(name: str) -> None:
    if not is_payload(name):  # it might be a path out of the devices
        raise ValueError(f"a payload's name is a UUID, not {name!r}")


def _close_all(queues: Iterable[DeviceQueue]) -> None:
    for queue in queues:
        queue.close()
