"""Payloads between the data store and the metadata service: written but not named, and no longer
named but still read.

A payload has a name as soon as a commit says so, and none any more as soon as a commit says that.
What lies outside of these two moments is kept here, so that nothing is removed under a reader, and
nothing collected that is about to be named.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from amazonian.s3.datastore import DataStore
from amazonian.s3.holds import Holds
from amazonian.s3.records import Segment

INLINE_BYTES = 4096
"""Objects up to this size live in the metadata service, at one flush instead of six files."""


class Body(Protocol):
    """An object's bytes as they arrive. `checksum` is known once all of them have been read."""

    checksum: dict[str, str]

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass
class Bytes:
    """A body that is in memory already."""

    data: bytes
    checksum: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[bytes]:
        yield self.data


@dataclass(frozen=True)
class Stored:
    """Bytes that are on disk, or about to be, but have no name yet."""

    size: int
    etag: str
    segments: tuple[Segment, ...] = ()
    inline: bytes | None = None
    checksum: dict[str, str] = field(default_factory=dict)


class Payloads:
    """Writes, holds and removes payloads.

    Args:
        data: where they lie.
    """

    def __init__(self, data: DataStore):
        self.data = data
        self._unnamed: set[str] = set()
        self._uncertain: set[str] = set()  # perhaps named, perhaps not
        self._readers = Holds()

    def keep(self, body: Body, inline_bytes: int = INLINE_BYTES) -> Stored:
        """Write a body to the data store (or hold it, if it is small) without naming it.

        Whatever ends the body early, an exception of its own included, leaves nothing behind.

        Args:
            inline_bytes: what is not longer is held; -1: nothing is.
        """
        md5, size = hashlib.md5(usedforsecurity=False), 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in body:
                md5.update(chunk)
                size += len(chunk)
                yield chunk

        chunks = counted()
        held: list[bytes] = []
        while size <= inline_bytes:
            chunk = next(chunks, None)
            if chunk is None:
                return Stored(size, md5.hexdigest(), (), b"".join(held), body.checksum)
            held.append(chunk)
        payload = self._write(held, chunks)
        return Stored(size, md5.hexdigest(), (Segment(payload, size),), None, body.checksum)

    def _write(self, *runs: Iterable[bytes]) -> str:
        with self.data.writer() as writer:
            self._unnamed.add(writer.payload)  # before anybody can find it
            try:
                for run in runs:
                    for chunk in run:
                        writer.write(chunk)
                return writer.finish()
            except BaseException:
                self._unnamed.discard(writer.payload)
                raise

    def named(self, payloads: Iterable[str]) -> None:
        """A commit names these now."""
        self._unnamed.difference_update(payloads)

    def outcome_unknown(self, payloads: Iterable[str]) -> None:
        """A commit may name these, or not: they stay until the store is opened the next time."""
        self._uncertain.update(payloads)

    def discard(self, payloads: Iterable[str]) -> None:
        """Remove payloads that nothing names, each once its last reader has ended."""
        for payload in set(payloads) - self._uncertain:
            self._unnamed.discard(payload)
            self._readers.when_free(payload, partial(self.data.delete, payload))

    def hold(self, payloads: Iterable[str]) -> "Hold":
        """Keep payloads, whatever becomes of their names, until the hold is let go.

        Raises:
            DeletedError: one of them is being removed.
        """
        return Hold(self._readers, payloads)

    def collect(self, live: Iterable[str]) -> list[str]:
        """Remove what interrupted writes have left; `live` is read after what there is is known."""
        doomed = set(self.data.payloads())
        doomed -= self._unnamed.copy()
        doomed.difference_update(live)
        doomed = {payload for payload in doomed if payload not in self._readers}
        return self.data.collect(_AllBut(doomed))


class Hold:
    """Payloads that somebody is reading."""

    def __init__(self, readers: Holds, payloads: Iterable[str]):
        self._readers, self._held = readers, list[str]()
        try:
            for payload in payloads:
                readers.take(payload)
                self._held.append(payload)
        except BaseException:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Read no more; a second call does nothing."""
        while self._held:
            self._readers.let_go(self._held.pop())


class _AllBut:
    """Everything but a few."""

    def __init__(self, few: set[str]):
        self._few = few

    def __contains__(self, item: str) -> bool:
        return item not in self._few
