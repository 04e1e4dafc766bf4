"""The simulator on a loopback port, for clients in any process, and its webhooks over HTTP.

Beside Stripe's API it answers at ``/_simulator``, in JSON, so that another process can have it
misbehave: ``GET``, ``POST`` and ``DELETE /_simulator/faults``, ``POST /_simulator/clock`` and
``GET /_simulator/settlement/2026-07-01``.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from amazonian.payments.stripe_simulator import settlement
from amazonian.payments.stripe_simulator.core import NEVER_S, Reply, Simulator
from amazonian.payments.stripe_simulator.webhooks import Delivery

HELD_S = 90.0
WEBHOOK_TIMEOUT_S = 5.0
LARGEST_BODY_BYTES = 1 << 20


class SimulatorServer(ThreadingHTTPServer):
    """Answers the calls of Stripe's SDK for a :class:`~.core.Simulator`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, simulator: Simulator, port: int = 0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.simulator = simulator

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up and hung up is no error of the server's."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave in one packet …
    disable_nagle_algorithm = True  # … and at once: 13 ms a call instead of 50
    server: SimulatorServer

    def do_GET(self) -> None:
        length = self.headers.get(
            "Content-Length", "" if "Transfer-Encoding" in self.headers else "0"
        )
        if not length.isdecimal() or int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            return self._send(_json(413, {"error": {"message": "send up to 1 MiB, not chunked"}}))
        body = self.rfile.read(int(length))
        if self.path.startswith("/_simulator/"):
            return self._send(control(self.server.simulator, self.command, self.path, body))
        reply = self.server.simulator.handle(self.command, self.path, self.headers, body)
        if reply.delay_s == NEVER_S:
            return self._say_nothing()
        time.sleep(reply.delay_s)
        return self._send(reply)

    do_POST = do_DELETE = do_GET  # noqa: N815, the names that http.server looks for

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _say_nothing(self) -> None:
        """Keep the client waiting until it hangs up."""
        self.close_connection = True
        self.connection.settimeout(HELD_S)
        self.connection.recv(1)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the events tell what happened."""


def _json(status: int, value: Any) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


def control(simulator: Simulator, method: str, path: str, body: bytes) -> Reply:
    """Answer a request to ``/_simulator``: what a test may do that a merchant can't."""
    _, _, what, *rest = path.split("/")
    try:
        if (method, what) == ("GET", "settlement"):
            lines = settlement.lines_of(simulator, date.fromisoformat(rest[0]))
            return Reply(200, {"Content-Type": "text/csv"}, settlement.text(lines).encode())
        if (method, what) == ("POST", "clock"):
            simulator.advance(float(json.loads(body)["advance_s"]))
            return _json(200, {"now_s": simulator.account.now_s()})
        if what == "faults" and method == "POST":
            simulator.faults.add(**json.loads(body))
        elif what == "faults" and method == "DELETE":
            simulator.faults.clear()
        elif what != "faults":
            return _json(404, {"error": {"message": f"there is no {path}"}})
    except (IndexError, KeyError, TypeError, ValueError) as error:
        return _json(400, {"error": {"message": str(error)}})
    waiting = [asdict(fault) for fault in simulator.faults.waiting()]
    return _json(200, {"waiting": waiting, "struck": [name for name, _ in simulator.faults.struck]})


def post(delivery: Delivery) -> int:
    """Send a webhook over HTTP; the status of the answer, or 0 if there was none."""
    url = urlsplit(delivery.url)
    secure = url.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(url.hostname, url.port, timeout=WEBHOOK_TIMEOUT_S)
    headers = {"Content-Type": "application/json", "Stripe-Signature": delivery.signature}
    target = urlunsplit(("", "", url.path or "/", url.query, ""))
    try:
        connection.request("POST", target, delivery.payload, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def deliver(simulator: Simulator, send: Callable[[Delivery], int] = post) -> int:
    """Send the webhooks that are due; how many these were."""
    due = simulator.deliveries()
    for delivery in due:
        simulator.answered(delivery, send(delivery))
    return len(due)


@contextmanager
def running(simulator: Simulator, port: int = 0, poll_s: float = 0.02) -> Iterator[str]:
    """Serve a simulator, and send its webhooks, for the length of a `with` block.

    Yields:
        The address for ``base_addresses={"api": …}``.
    """
    server, stop = SimulatorServer(simulator, port), threading.Event()

    def send_webhooks() -> None:
        while not stop.wait(poll_s):
            deliver(simulator)

    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": poll_s}),
        threading.Thread(target=send_webhooks),
    ]
    for thread in threads:
        thread.start()
    try:
        yield server.url
    finally:
        stop.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()
