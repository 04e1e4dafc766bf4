"""Services in processes of their own, which can be killed, stopped and started again.

A child says on its standard output that it listens; so a parent that has started it knows, and
nobody sleeps and hopes. It ends when its standard input ends, and so with its parent.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from amazonian.shop import web

STARTS_WITHIN_S = 20.0
STOPS_WITHIN_S = 10.0
LISTENING = b"listening\n"


class DidNotStartError(Exception):
    """A service's process ended, or said nothing in time; the message holds its last words."""


def serve(app: Any, port: int, with_parent: bool = False) -> None:
    """Serve an ASGI application until SIGTERM or SIGINT: the last line of a service's main.

    Args:
        port: on loopback; 0 for any that is free.
        with_parent: end at once when standard input ends, as a :class:`Process` wants it.
    """
    listening = web.listen(port)
    if with_parent:
        threading.Thread(target=_end_with_input, daemon=True).start()
        os.write(sys.stdout.fileno(), LISTENING)
    else:
        print(f"http://{web.HOST}:{listening.getsockname()[1]}", flush=True)
    web.server(app).run(sockets=[listening])


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


class Process:
    """A service in a process of its own, on the same port after each start.

    The port is kept between two lives, by a socket that is bound to it and does not listen: who
    connects to a dead service is refused, as it is in earnest.

    Args:
        module: what ``python -m`` runs; its main takes ``--port`` and ``--with-parent``.
        arguments: of its command line, such as the file that holds its data.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()):
        self._command = [sys.executable, "-m", module, *arguments]
        self._kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind((web.HOST, 0))
        self.port: int = self._kept.getsockname()[1]
        self.url = f"http://{web.HOST}:{self.port}"
        if sys.platform != "linux":  # elsewhere a second socket may not be bound to it
            self._kept.close()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Start it and return when it listens.

        Raises:
            DidNotStartError: it ended, or did not listen in time.
        """
        if self.running:
            return
        self.kill()
        with tempfile.TemporaryFile() as words:
            self._child = subprocess.Popen(
                [*self._command, f"--port={self.port}", "--with-parent"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
            )
            assert self._child.stdout is not None
            heard, _, _ = select.select([self._child.stdout], [], [], STARTS_WITHIN_S)
            if not heard or self._child.stdout.readline() != LISTENING:
                self.kill()
                words.seek(0)
                last = words.read()[-2000:].decode(errors="replace")
                raise DidNotStartError(f"{' '.join(self._command)} did not start:\n{last}")

    def kill(self) -> None:
        """End it with SIGKILL, whatever it is doing; data on disk is all that stays."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it with SIGTERM: it answers what it has begun, and takes no more."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it do nothing (SIGSTOP): it takes connections and does not answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it and give back its port."""
        self.kill()
        self._kept.close()

    def __enter__(self) -> "Process":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._child is None:
            return
        self._signal(number)
        try:
            self._child.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        self._child = None
