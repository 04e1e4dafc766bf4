"""How fast the data store is, by size of payload and number of callers, with all that is durable.

    python shared/benchmarks/datastore.py [FOLDER]

The devices are six folders in FOLDER (the present one by default), which is left as it was. Each
figure takes about `SECONDS`, so the whole takes about a minute. Two things are compared besides:
directories flushed by each caller alone, and reads with two devices gone.
"""

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from amazonian.s3.datastore import DataStore
from amazonian.s3.devices import Device
from amazonian.s3.faults import FaultyDevice

KIB, MIB = 1024, 1024 * 1024
SIZES = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB, "64 MiB": 64 * MIB}
CALLERS = (1, 8)
SECONDS = 1.5
MOST_BYTES = 512 * MIB


class LonelyDevice(Device):
    """A device whose callers share no flush."""

    def fsync_directory(self) -> None:
        self.fsync(".")


@contextmanager
def empty_store(folder: Path, kind: Callable[[Path], Device] = Device) -> Iterator[DataStore]:
    with (
        tempfile.TemporaryDirectory(dir=folder) as inner,
        DataStore([kind(Path(inner) / f"d{i}") for i in range(6)]) as store,
    ):
        yield store


def rate(work: Callable[[random.Random], object], callers: int, most: int) -> float:
    """How often a second `work` is done by so many callers together, at most `most` times."""
    left, lock = iter(range(most)), threading.Lock()
    begin = time.perf_counter()
    done = []

    def call(seed: int) -> None:
        rng = random.Random(seed)
        while time.perf_counter() - begin < SECONDS:
            with lock:
                if next(left, None) is None:
                    return
            work(rng)
            done.append(time.perf_counter())

    threads = [threading.Thread(target=call, args=[seed]) for seed in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done) / (max(done) - begin)


def read_through(store: DataStore, payload: str) -> int:
    return sum(len(piece) for piece in store.read(payload))


def measure(store: DataStore, size: int, callers: int) -> tuple[float, float]:
    """Writes and reads a second."""
    data = random.Random(size).randbytes(size)
    payloads = [store.write(data)]
    most = max(1, MOST_BYTES // size)
    writes = rate(lambda rng: payloads.append(store.write(data)), callers, most)
    reads = rate(lambda rng: read_through(store, rng.choice(payloads)), callers, 16 * most)
    for payload in payloads:
        store.delete(payload)
    return writes, reads


def by_size(folder: Path, console: Console) -> None:
    table = Table("payload", "callers", title="4 + 2 on six folders, durable, checked")
    for column in ("writes/s", "MB/s", "reads/s", "MB/s"):
        table.add_column(column, justify="right")
    with empty_store(folder) as store:
        for name, size in SIZES.items():
            for callers in CALLERS:
                writes, reads = measure(store, size, callers)
                figures = [writes, writes * size / 1e6, reads, reads * size / 1e6]
                table.add_row(name, str(callers), *(f"{figure:,.0f}" for figure in figures))
    console.print(table)


def by_flush(folder: Path, console: Console) -> None:
    table = Table("directories flushed", title="8 callers write 1 KiB each")
    table.add_column("writes/s", justify="right")
    data = bytes(KIB)
    for name, kind in (("together", Device), ("by each alone", LonelyDevice)):
        with empty_store(folder, kind) as store:
            writes = rate(lambda rng, store=store: store.write(data), 8, 10_000)
        table.add_row(name, f"{writes:,.0f}")
    console.print(table)


def by_loss(folder: Path, console: Console) -> None:
    table = Table("devices gone", title="One caller reads 64 MiB")
    table.add_column("MB/s", justify="right")
    data = random.Random(1).randbytes(64 * MIB)
    with empty_store(folder, lambda path: FaultyDevice(Device(path))) as store:
        payload = store.write(data)
        for gone in range(3):
            reads = rate(lambda rng: read_through(store, payload), 1, 20)
            table.add_row(str(gone), f"{reads * len(data) / 1e6:,.0f}")
            store.devices[gone].fail()
    console.print(table)


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for part in (by_size, by_flush, by_loss):
        part(where, Console())
