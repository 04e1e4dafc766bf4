"""A small payment service: POST /charges on a loopback port, one SQLite file: lab 1.2.

Start it with ``python -m amazonian.resilience.charges --database FILE --port-file FILE``. With
``--crash-at STEP`` it kills itself (SIGKILL) right after that step of the first request.
"""

import argparse
import json
import logging
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from amazonian.resilience import idempotency
from amazonian.resilience.idempotency import IdempotencyStore, RefusedError

# What a request goes through, in this order. A kill may come after any of them.
STEPS = (
    "received",
    "claimed",
    "charge-written",
    "answer-recorded",
    "committed",
    "half-replied",
    "replied",
)
DRAFT = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/"
MOST_BYTES = 65_536

# How a service carries out a request: `idempotency.perform`, or something weaker to compare with.
Perform = Callable[[IdempotencyStore, str | None, Any, Callable[[sqlite3.Connection], str]], str]

log = logging.getLogger(__name__)


class InvalidChargeError(RefusedError):
    """The body is not a charge."""

    title = "Not a charge"


class NotFoundError(RefusedError):
    """There is nothing at this path."""

    status = 404
    title = "Not Found"


@dataclass(frozen=True)
class Charge:
    """What a customer is charged; `amount` is in minor units of the currency, as cents are."""

    customer: str
    amount: int
    currency: str

    @classmethod
    def parse(cls, body: bytes) -> "Charge":
        """Read a charge from JSON.

        Raises:
            InvalidChargeError: it is something else.
        """
        try:
            charge = cls(**json.loads(body))
        except (ValueError, TypeError) as error:
            raise InvalidChargeError(
                f"send customer, amount and currency as JSON: {error}"
            ) from None
        if not isinstance(charge.customer, str) or not charge.customer:
            raise InvalidChargeError("customer is a text, and not an empty one")
        if type(charge.amount) is not int or not 0 < charge.amount < 2**53:
            raise InvalidChargeError("amount is a whole number of minor units, above 0")
        if not isinstance(charge.currency, str) or not re.fullmatch("[A-Z]{3}", charge.currency):
            raise InvalidChargeError("currency is a code of three letters, as EUR")
        return charge


def write(connection: sqlite3.Connection, charge: Charge) -> str:
    """Write a charge and what the customer has been charged in all; return the answer as JSON.

    It does not commit: that is left to whoever opened the transaction.
    """
    row = connection.execute(
        "INSERT INTO charges (customer, amount, currency) VALUES (:customer, :amount, :currency)",
        asdict(charge),
    )
    connection.execute(
        "INSERT INTO totals VALUES (:customer, :currency, :amount) ON CONFLICT (customer, currency)"
        " DO UPDATE SET amount = amount + excluded.amount",
        asdict(charge),
    )
    return json.dumps({"charge": f"ch_{row.lastrowid}", **asdict(charge)})


@dataclass(frozen=True)
class Books:
    """What the file says: how many charges, their sum, and the customers' totals, added up."""

    charges: int
    sum_of_charges: int
    sum_of_totals: int


def books(database: str | Path) -> Books:
    """Add up a service's file; the two sums agree if every charge was written as a whole."""
    with closing(sqlite3.connect(database)) as connection:
        count, amount = connection.execute("SELECT count(*), total(amount) FROM charges").fetchone()
        (totals,) = connection.execute("SELECT total(amount) FROM totals").fetchone()
        return Books(count, int(amount), int(totals))


# --- the server -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An HTTP reply; `retry_after_s` becomes the header Retry-After."""

    status: int
    body: str
    content_type: str = "application/json"
    retry_after_s: int | None = None


def problem(status: int, title: str, detail: str = "", retry_after_s: int | None = None) -> Reply:
    """A refusal or failure in the form of RFC 9457, with a link to what explains it."""
    body = {"type": DRAFT, "title": title, "status": status, "detail": detail}
    return Reply(status, json.dumps(body), "application/problem+json", retry_after_s)


def reply(outcome: str | Exception) -> Reply:
    """Put what became of a request into an HTTP reply. The status tells the caller what to do.

    - An answer becomes status 201 with the answer itself as body.
    - A ``RefusedError`` becomes a :func:`problem` with the error's own ``status``, ``title``, text
      (``str(error)``) and ``retry_after_s``.
    - Any other exception becomes a problem with status 500, the title "Internal Server Error" and
      an empty detail. What went wrong inside is for the log, not for the caller.

    Args:
        outcome: the answer, or the exception that came in its place.
    """
    if isinstance(outcome, RefusedError):
        return problem(outcome.status, outcome.title, str(outcome), outcome.retry_after_s)
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error")
    return Reply(201, outcome)


def token_in(header: str | None) -> str | None:
    """The token in an Idempotency-Key header: a quoted string of 1 to 255 visible characters.

    Returns:
        The token, or None if the header is missing or something else.
    """
    match = re.fullmatch(r'"([!#-\[\]-~]{1,255})"', (header or "").strip())
    return match[1] if match else None


class ChargeServer(ThreadingHTTPServer):
    """The service. It is bound when it is made, and serves in ``serve_forever``.

    Args:
        database: path of its SQLite file, made if there is none.
        port: 0 for any free one.
        perform: how a request is carried out; by default ``idempotency.perform``.
        step: told each of `STEPS` after it was taken.
    """

    daemon_threads = True
    request_queue_size = 128  # connections that wait to be accepted

    def __init__(
        self,
        database: str | Path,
        port: int = 0,
        perform: Perform | None = None,
        step: Callable[[str], None] = lambda name: None,
    ):
        self.store = IdempotencyStore(database, step=step)
        self.store.purge()
        self.perform, self.step = perform, step
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(
                "CREATE TABLE IF NOT EXISTS charges (id INTEGER PRIMARY KEY, customer TEXT,"
                " amount INTEGER, currency TEXT);"
                "CREATE TABLE IF NOT EXISTS totals (customer TEXT, currency TEXT, amount INTEGER,"
                " PRIMARY KEY (customer, currency));"
            )
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def charge(self, token: str | None, charge: Charge) -> str:
        """Carry out one request and return its answer."""

        def effect(connection: sqlite3.Connection) -> str:
            answer = write(connection, charge)
            self.step("charge-written")
            return answer

        perform = self.perform or idempotency.perform
        return perform(self.store, token, asdict(charge), effect)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChargeServer

    def do_POST(self) -> None:
        try:
            answer = reply(self._outcome())
        except NotImplementedError as missing:  # retries can't help, so no 500
            answer = problem(501, "Not Implemented", str(missing))
        self._send(answer)

    def _outcome(self) -> str | Exception:
        try:
            return self._charge()
        except NotImplementedError:
            raise
        except Exception as error:
            if not isinstance(error, RefusedError):
                log.exception("a request failed")
            return error

    def _charge(self) -> str:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            raise InvalidChargeError(f"send a Content-Length of at most {MOST_BYTES} bytes")
        body = self.rfile.read(int(length))
        self.server.step("received")
        if self.path != "/charges":
            raise NotFoundError("this service knows /charges")
        return self.server.charge(token_in(self.headers["Idempotency-Key"]), Charge.parse(body))

    def _send(self, answer: Reply) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        if answer.retry_after_s is not None:
            self.send_header("Retry-After", str(answer.retry_after_s))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.server.step("half-replied")
        self.wfile.write(body[len(body) // 2 :])
        self.server.step("replied")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing about requests that went well."""


def crash_at(step: str) -> Callable[[str], None]:
    """A hook for :class:`ChargeServer` that kills the process right after `step`.

    Raises:
        ValueError: there is no such step.
    """
    if step not in STEPS:
        raise ValueError(f"{step!r} is no step; there are {', '.join(STEPS)}")

    def hook(passed: str) -> None:
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m amazonian.resilience.charges")
    parser.add_argument("--database", required=True, type=Path, help="SQLite file")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here once it is bound")
    parser.add_argument("--crash-at", choices=STEPS, help="end with SIGKILL after this step")
    chosen = parser.parse_args()
    step = crash_at(chosen.crash_at) if chosen.crash_at else lambda name: None
    server = ChargeServer(chosen.database, chosen.port, step=step)
    if chosen.port_file:
        # A reader sees no file or the whole port, never half of it.
        half_written = chosen.port_file.with_suffix(".tmp")
        half_written.write_text(str(server.port))
        half_written.replace(chosen.port_file)
    print(f"listening on http://127.0.0.1:{server.port}/charges", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
