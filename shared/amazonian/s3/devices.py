"""A device: a directory, and the few operations on its files that the data store needs.

Nothing else in the data store touches a file. So whatever can go wrong with a disk can be made to
go wrong by passing another object with the same operations: see ``faults``.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

Buffer = bytes | bytearray | memoryview


class GroupCommit:
    """A flush that many callers share: who arrives while one is running waits for the next.

    A flush covers what was done before it began. One that is under way may have missed what a
    newcomer did, so the newcomer needs another; but all newcomers need only that one.

    Args:
        flush: what is slow, and serves everybody who asked before it began.

    Attributes:
        asked, flushed: how often it was called, and how often that took a flush of its own.
    """

    def __init__(self, flush: Callable[[], None]):
        self._flush = flush
        self._running = threading.Lock()
        self._joining = threading.Lock()
        self._next: Future[None] | None = None
        self.asked = self.flushed = 0

    def __call__(self) -> None:
        """Return once a flush that began after this call has ended; raise what it raised."""
        with self._joining:
            leads, self._next = self._next is None, self._next or Future()
            mine = self._next
            self.asked += 1
        if leads:
            with self._running:
                with self._joining:
                    self.flushed += 1
                    self._next = None  # from here on, nobody else can count on this flush
                try:
                    self._flush()
                    mine.set_result(None)
                except BaseException as error:
                    mine.set_exception(error)
        mine.result()


class Device:
    """One disk, which here is one directory; it holds files by name and nothing below that.

    Every operation raises ``OSError`` if it fails. The directory is made once, here, and never
    again: if it goes away later (a disk that was pulled), all operations fail.

    Args:
        path: the directory.
        name: what the device is called in placement and in reports. It belongs to the slot, not
            to the disk in it: an empty disk that replaces a broken one gets the same name, and
            so the same fragments. The directory's own name by default.
    """

    def __init__(self, path: str | Path, name: str | None = None):
        self.path = Path(path)
        self.name = name or self.path.name
        self.path.mkdir(parents=True, exist_ok=True)
        self._root = os.fspath(self.path)
        self._flush_names = GroupCommit(lambda: _fsync(self._root))

    def __repr__(self) -> str:
        return f"Device({self.name!r})"

    def append(self, name: str, data: Buffer) -> None:
        """Write at the end of a file, which is made if there is none."""
        with _opened(self._at(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
            left = memoryview(data).cast("B")
            while left:
                left = left[os.write(file, left) :]

    def fsync(self, name: str) -> None:
        """Return when a file's content would survive a power cut. Its name might not."""
        _fsync(self._at(name))

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, at once; a file that had that name is gone."""
        os.replace(self._at(old), self._at(new))

    def fsync_directory(self) -> None:
        """Return when the names of all files would survive a power cut."""
        self._flush_names()

    def read(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file; fewer than `length` where it ends."""
        with _opened(self._at(name), os.O_RDONLY) as file:
            return os.pread(file, length, start)

    def read_end(self, name: str, length: int) -> tuple[bytes, int]:
        """The last `length` bytes of a file (all, if it is shorter), and its size in bytes."""
        with _opened(self._at(name), os.O_RDONLY) as file:
            size = os.fstat(file).st_size
            return os.pread(file, length, max(0, size - length)), size

    def list(self) -> list[str]:
        """The names of all files, in no order."""
        return os.listdir(self._root)

    def remove(self, name: str) -> None:
        """Take a file away. A power cut may bring it back."""
        os.unlink(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _fsync(path: str) -> None:
    with _opened(path, os.O_RDONLY) as file:
        os.fsync(file)
