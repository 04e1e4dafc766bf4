"""Waits for its parent's end, however that comes, and then ends the servers that it left behind.

A process of its own, since a process that is killed can do nothing any more. Its standard input
is a pipe from the parent, and ends with it.
"""

import ctypes
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

LOOK_AGAIN_S = 0.005


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and those that it started; nothing if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def kill(processes: Sequence[psutil.Process]) -> None:
    """End processes at once (SIGKILL), and wait until none of them runs any more."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    while any(map(runs, processes)):
        time.sleep(LOOK_AGAIN_S)


def runs(process: psutil.Process) -> bool:
    """Whether it runs; what has ended and was not asked about by its parent does not."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def servers(folder: str) -> Iterator[psutil.Process]:
    """Every PostgreSQL server whose data are in `folder`."""
    for process in psutil.process_iter(["cmdline"]):
        match process.info["cmdline"]:
            case [_, "-D", data, *_] if data.startswith(f"{folder}/"):
                yield process


def forget_shared_memory(data: Path) -> None:
    """Give back the segment by which a server sees that another runs on its folder: 56 bytes,
    which would otherwise stay until the machine is restarted."""
    with suppress(OSError, ValueError, IndexError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), 0, None)  # 0 is IPC_RMID


def main(folder: str) -> None:
    sys.stdin.buffer.read()
    kill([process for server in servers(folder) for process in family(server)])
    for data in Path(folder).iterdir():
        forget_shared_memory(data)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
