"""Cutting the power before any operation, and what devices may remember after that.

A device has promised only what was flushed: a file's content by ``fsync``, the names in a directory
by ``fsync_directory``. Of what came later it may remember any part: changes of names in their
order up to some point (as a journaling file system does), and content up to some point.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazonian.s3.devices import Device
from amazonian.s3.faults import WrappedDevice


class PowerCutError(Exception):
    """The machine has no power: nothing is done any more."""


class Power:
    """What all devices of a machine hang on.

    Args:
        operations: before which operation it is cut, counted over all devices; None: never.
    """

    def __init__(self, operations: int | None = None):
        self.operations, self.used = operations, 0
        self._lock = threading.Lock()

    def use(self) -> None:
        """Begin one more operation.

        Raises:
            PowerCutError: the power has been cut before it.
        """
        with self._lock:
            if self.used == self.operations:
                raise PowerCutError(f"the power was cut after {self.used} operations")
            self.used += 1


@dataclass
class _File:
    """A file apart from its names: how much of it is flushed; its content once it has no name."""

    flushed_bytes: int = 0
    content: bytes = b""


Names = dict[str, _File]


class PoweredDevice(WrappedDevice):
    """A device that obeys until the power is cut, and knows what it has promised until then.

    Args:
        device: does the work.
        power: what it shares with the machine's other devices.
    """

    def __init__(self, device: Device, power: Power):
        super().__init__(device)
        self.power = power
        self._lock = threading.Lock()
        self._names: Names = {file.name: _File(file.stat().st_size) for file in self.path.iterdir()}
        self._flushed: Names = dict(self._names)
        self._changes: list[dict[str, _File | None]] = []

    def _do(self, operation: str, *arguments: Any) -> Any:
        with self._lock:
            self.power.use()
            if operation in ("remove", "rename"):
                self._keep_content(arguments[-1])
            # What is flushed is only noted: to play a power cut, nothing needs to be flushed.
            flushes = operation in ("fsync", "fsync_directory")
            result = None if flushes else super()._do(operation, *arguments)
            self._note(operation, *arguments)
        return result

    def _note(self, operation: str, *arguments: Any) -> None:
        name = arguments[0] if arguments else ""
        match operation:
            case "append" if name not in self._names:
                self._change({name: _File()})
            case "fsync":
                self._names[name].flushed_bytes = (self.path / name).stat().st_size
            case "rename":
                self._change({name: None, arguments[1]: self._names[name]})
            case "remove":
                self._change({name: None})
            case "fsync_directory":
                self._flushed, self._changes = dict(self._names), []

    def _change(self, change: dict[str, _File | None]) -> None:
        self._changes.append(change)
        _apply(change, self._names)

    def _keep_content(self, name: str) -> None:
        if name in self._names:
            with suppress(FileNotFoundError):  # the disk may have been wiped or replaced
                self._names[name].content = (self.path / name).read_bytes()

    def forget(self, kept: Callable[[int], int]) -> None:
        """Leave in the directory what a power cut leaves.

        Args:
            kept: given how many changes of names, or bytes of a file, were not flushed, says how
                many of them, from the first, are remembered all the same.
        """
        for name in self._names:
            self._keep_content(name)
            (self.path / name).unlink(missing_ok=True)
        for change in self._changes[: kept(len(self._changes))]:
            _apply(change, self._flushed)
        for name, file in self._flushed.items():
            size = file.flushed_bytes + kept(len(file.content) - file.flushed_bytes)
            (self.path / name).write_bytes(file.content[:size])


def _apply(change: dict[str, _File | None], names: Names) -> None:
    for name, file in change.items():
        names.pop(name, None)
        if file is not None:
            names[name] = file


def powered(paths: Iterable[Path], operations: int | None = None) -> list[PoweredDevice]:
    """Devices in these directories, on one machine; see :class:`Power`."""
    power = Power(operations)
    return [PoweredDevice(Device(path), power) for path in paths]
