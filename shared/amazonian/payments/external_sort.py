"""Sorting more than fits into memory: sorted runs on disk, then merged.

A *run* is a stretch of items that is in order. As many items as memory may hold are sorted there
and written down as a run, again and again; then all runs are read side by side, the smallest
item first. Source: Knuth, The Art of Computer Programming, volume 3, section 5.4.
"""

import heapq
import marshal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

Row = TypeVar("Row", bound=tuple)
ROWS_IN_MEMORY = 50_000
ROWS_AT_ONCE = 500  # are read of each run, so that a merge holds MOST_RUNS times as many
LENGTH_BYTES = 8
MOST_RUNS = 64  # merged at once


@dataclass(frozen=True)
class _Run:
    """Where in the file a run begins and ends, in bytes."""

    begin: int
    end: int


def external_sort(
    rows: Iterable[Row],
    key: Callable[[Row], Any],
    rows_in_memory: int = ROWS_IN_MEMORY,
    most_runs: int = MOST_RUNS,
    folder: Path | None = None,
) -> Iterator[Row]:
    """Sort rows, of which not more than `rows_in_memory` are held at a time.

    Nothing comes back before the last row has been taken in. The file with the runs has no name,
    so it is gone when the generator is, however that ends; even if the process is killed.

    Args:
        rows: tuples of texts, numbers and None.
        key: what to sort a row by.
        rows_in_memory: how long a run is, before the first merge.
        most_runs: how many runs are merged at once; more are merged in several passes.
        folder: where the file is; by default where the system keeps temporary files. It takes
            about as much room as the rows would as text, and once more for each further pass.

    Yields:
        Row: all rows, in ascending order of their keys; rows with equal keys in the order in which
            they came.

    Raises:
        ValueError: not even one row may be held, or not even two runs merged.
    """
    if rows_in_memory < 1 or most_runs < 2:
        raise ValueError(f"can't sort {rows_in_memory} rows at a time, or merge {most_runs} runs")
    rows = iter(rows)
    with tempfile.TemporaryFile(dir=folder) as file:
        runs = []
        while chunk := sorted(islice(rows, rows_in_memory), key=key):
            runs.append(_write(file, chunk))
        while len(runs) > most_runs:
            merged = [_write(file, _merge(file, some, key)) for some in _groups(runs, most_runs)]
            runs = merged
        yield from _merge(file, runs, key)


def _groups(runs: list[_Run], size: int) -> Iterator[list[_Run]]:
    return (runs[at : at + size] for at in range(0, len(runs), size))


def _merge(file: BinaryIO, runs: Iterable[_Run], key: Callable) -> Iterator[tuple]:
    return heapq.merge(*(_read(file, run) for run in runs), key=key)


def _write(file: BinaryIO, rows: Iterable[tuple]) -> _Run:
    """Append rows that are in order; what they are taken from may read the same file meanwhile."""
    rows = iter(rows)
    begin = end = file.seek(0, 2)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        data = marshal.dumps(batch)
        file.seek(end)
        end += file.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    return _Run(begin, end)


def _read(file: BinaryIO, run: _Run) -> Iterator[tuple]:
    """The rows of a run; between two batches others may use the file."""
    at = run.begin
    while at < run.end:
        file.seek(at)
        length = int.from_bytes(file.read(LENGTH_BYTES), "big")
        batch = marshal.loads(file.read(length))
        at += LENGTH_BYTES + length
        yield from batch
