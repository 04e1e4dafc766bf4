"""A real HTTP server that fails on purpose, and the one call that a client makes to it."""

import http.client
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from amazonian.resilience.retries import ThrottledError, TimedOutError, TransientError

LEFT_HEADER = "X-Time-Left-Ms"


@dataclass(frozen=True)
class Faults:
    """The share of requests that fail in each way; the rest is answered with 200."""

    unavailable: float = 0.0
    throttled: float = 0.0
    silent: float = 0.0
    silence_s: float = 0.3


class FlakyServer(ThreadingHTTPServer):
    """Answers GET on a loopback port, or fails as its faults and its seed say.

    `seen` counts what was done: "ok", "unavailable" (503), "throttled" (429 with Retry-After),
    "silent" (no answer for ``silence_s``) and "too late" (the request said that its caller has
    no time left, so nothing was done).
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, faults: Faults, seed: int):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults, self.rng = faults, random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up and hung up is no error of the server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def fate(self) -> str:
        """What becomes of the next request."""
        with self.lock:
            draw = self.rng.random()
            for fate in ("unavailable", "throttled", "silent"):
                draw -= getattr(self.faults, fate)
                if draw < 0:
                    return fate
            return "ok"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyServer

    def do_GET(self) -> None:
        fate = "too late" if int(self.headers.get(LEFT_HEADER, "1")) <= 0 else self.server.fate()
        with self.server.lock:
            self.server.seen[fate] += 1
        if fate == "silent":
            time.sleep(self.server.faults.silence_s)
            self.close_connection = True
            return
        status = {"ok": 200, "unavailable": 503, "throttled": 429, "too late": 408}[fate]
        self.send_response(status)
        if fate == "throttled":
            self.send_header("Retry-After", "0.02")
        self.send_header("Content-Length", str(len(fate)))
        self.end_headers()
        self.wfile.write(fate.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `seen` counts what a log would tell."""


@contextmanager
def flaky_server(faults: Faults, seed: int = 0) -> Iterator[FlakyServer]:
    """Run a :class:`FlakyServer` in a thread for the length of a `with` block."""
    server = FlakyServer(faults, seed)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def get(port: int, timeout_s: float) -> str:
    """One attempt: GET / on this loopback port, handing on the time that is left.

    Returns:
        The body of a 200.

    Raises:
        TimedOutError: nothing came within `timeout_s` seconds.
        ThrottledError: 429, with the server's Retry-After.
        TransientError: any 5xx, or a connection that broke.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/", headers={LEFT_HEADER: str(int(timeout_s * 1000))})
        response = connection.getresponse()
        body = response.read().decode()
    except TimeoutError:
        raise TimedOutError(f"no answer within {timeout_s:.3f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(str(error) or "the connection broke") from None
    finally:
        connection.close()
    if response.status == 429:
        raise ThrottledError(body, float(response.headers.get("Retry-After", "0")))
    if response.status >= 500:
        raise TransientError(f"{response.status} {body}")
    if response.status != 200:
        raise ValueError(f"{response.status} {body}")
    return body
