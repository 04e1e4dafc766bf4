"""Devices on which things go wrong when they are told to, for labs and tests.

A :class:`FaultyDevice` takes the place of a ``Device``: it fails, fills up or stalls. Rot needs no
special device, since :func:`rot` changes bits in the files of any. Power cuts: see ``powercuts``.
"""

import errno
import os
import random
import threading
from typing import Any

from amazonian.s3.devices import Buffer, Device


class WrappedDevice:
    """A device that has another one do the work; what a subclass adds, it adds to `_do`."""

    def __init__(self, device: Device):
        self.device, self.name, self.path = device, device.name, device.path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _do(self, operation: str, *arguments: Any) -> Any:
        return getattr(self.device, operation)(*arguments)

    def append(self, name: str, data: Buffer) -> None:
        self._do("append", name, data)

    def fsync(self, name: str) -> None:
        self._do("fsync", name)

    def rename(self, old: str, new: str) -> None:
        self._do("rename", old, new)

    def fsync_directory(self) -> None:
        self._do("fsync_directory")

    def read(self, name: str, start: int, length: int) -> bytes:
        return self._do("read", name, start, length)

    def read_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self._do("read_end", name, length)

    def list(self) -> list[str]:
        return self._do("list")

    def remove(self, name: str) -> None:
        self._do("remove", name)


class FaultyDevice(WrappedDevice):
    """A device that obeys like the one it wraps, until it is told to be faulty.

    >>> device.stall()     # every operation waits
    >>> device.heal()      # and goes on
    """

    def __init__(self, device: Device):
        super().__init__(device)
        self.operations = 0
        self._error, self._good_for = 0, 0
        self._free_bytes: int | None = None
        self._running = threading.Event()
        self._running.set()
        self._lock = threading.Lock()

    def fail(self, error: int = errno.ENODEV, after: int = 0) -> None:
        """Let every operation fail with this error number, after so many that still succeed."""
        with self._lock:
            self._error, self._good_for = error, after

    def fill(self, free_bytes: int = 0) -> None:
        """Leave room for so many bytes: what is appended beyond that fails with ENOSPC."""
        with self._lock:
            self._free_bytes = free_bytes

    def stall(self) -> None:
        """Let every operation wait until `heal`."""
        self._running.clear()

    def heal(self) -> None:
        """Be faultless again."""
        with self._lock:
            self._error, self._free_bytes = 0, None
        self._running.set()

    def append(self, name: str, data: Buffer) -> None:
        data = memoryview(data).cast("B")
        with self._lock:
            room = len(data) if self._free_bytes is None else min(len(data), self._free_bytes)
            if self._free_bytes is not None:
                self._free_bytes -= room
        self._do("append", name, data[:room])
        if room < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _do(self, operation: str, *arguments: Any) -> Any:
        self._running.wait()
        with self._lock:
            self.operations += 1
            if self._error and self._good_for == 0:
                raise OSError(self._error, os.strerror(self._error))
            self._good_for -= bool(self._error)
        return super()._do(operation, *arguments)


def rot(device: Device, rng: random.Random, bits: int = 1, name: str | None = None) -> list[str]:
    """Flip bits on a device, each in a file of its choice or in the one that is named.

    Args:
        device: anything with a `path`.
        rng: chooses the files and the bits.
        bits: how many.
        name: a file's name; any file that is not empty by default.

    Returns:
        The files' names.
    """
    files = [device.path / name] if name else sorted(device.path.iterdir())
    files = [file for file in files if file.stat().st_size]
    flipped = []
    for _ in range(bits if files else 0):
        file = rng.choice(files)
        bit = rng.randrange(8 * file.stat().st_size)
        with file.open("r+b") as content:
            content.seek(bit // 8)
            byte = content.read(1)[0]
            content.seek(bit // 8)
            content.write(bytes([byte ^ 1 << bit % 8]))
        flipped.append(file.name)
    return flipped


def wipe(device: Device) -> None:
    """Leave a device empty, as if its disk had been replaced by a new one."""
    for file in device.path.iterdir():
        file.unlink()
