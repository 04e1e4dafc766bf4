"""The inventory: pieces that are free to be sold, and pieces that a checkout holds.

A reservation is known by the id of its checkout. Each of its three operations may come any
number of times, and late: a release is kept even if nothing was held yet, so that a reservation
that was under way all the while finds itself released and takes nothing.
"""

from collections.abc import Sequence
from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.web import ProblemError, Request, Route
from amazonian.shop import lines as lines_of
from amazonian.shop.lines import Line

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, free INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS reservations (id TEXT PRIMARY KEY, state TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS reserved_lines"
    " (id TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (id, sku))",
)
TABLES = ("stock", "reservations", "reserved_lines")
MOST_PIECES = 1_000_000_000
HELD, CONFIRMED, RELEASED = "held", "confirmed", "released"


class OutOfStockError(ProblemError):
    """There are fewer free pieces than were asked for."""

    def __init__(self, sku: str, free: int):
        super().__init__(409, "Out of stock", f"{sku!r} has {free} free pieces")


class ReservationStateError(ProblemError):
    """The reservation has gone another way already."""

    def __init__(self, reservation: str, state: str):
        super().__init__(409, f"The reservation is {state}", f"{reservation!r} stays so")


def put(transaction: Transaction, sku: str, free: int) -> None:
    """Set how many pieces of an article are free."""
    transaction.execute(
        "INSERT INTO stock (sku, free) VALUES (?, ?)"
        " ON CONFLICT (sku) DO UPDATE SET free = excluded.free",
        (sku, free),
    )


def reserve(transaction: Transaction, reservation: str, wanted: Sequence[Line]) -> str:
    """Hold pieces for a checkout, all or none.

    Returns:
        How the reservation stands, held or (if it was that already) confirmed.

    Raises:
        OutOfStockError: some article has too few free pieces.
        ReservationStateError: the reservation was released.
        ProblemError: it exists with other lines; status 422.
    """
    state = _state(transaction, reservation)
    if state == RELEASED:
        raise ReservationStateError(reservation, state)
    if state is not None:
        if _held_lines(transaction, reservation) != list(wanted):
            detail = f"{reservation!r} was made with other lines; use an id of its own"
            raise ProblemError(422, "The reservation exists", detail)
        return state
    for line in wanted:
        rows = transaction.execute("SELECT free FROM stock WHERE sku = ?", (line.sku,))
        free = rows[0][0] if rows else 0
        if free < line.quantity:
            raise OutOfStockError(line.sku, free)
        _add(transaction, line.sku, -line.quantity)
        transaction.execute(
            "INSERT INTO reserved_lines VALUES (?, ?, ?)", (reservation, line.sku, line.quantity)
        )
    transaction.execute("INSERT INTO reservations VALUES (?, ?)", (reservation, HELD))
    return HELD


def confirm(transaction: Transaction, reservation: str) -> str:
    """Sell what a reservation holds: it can't be released any more.

    Raises:
        ReservationStateError: it was released.
        ProblemError: there is none; status 404.
    """
    state = _state(transaction, reservation)
    if state is None:
        raise ProblemError(404, "No such reservation", f"nothing is held for {reservation!r}")
    if state == RELEASED:
        raise ReservationStateError(reservation, state)
    _set_state(transaction, reservation, CONFIRMED)
    return CONFIRMED


def release(transaction: Transaction, reservation: str) -> str:
    """Give back what a reservation holds, and let it hold nothing later.

    Raises:
        ReservationStateError: it was confirmed.
    """
    state = _state(transaction, reservation)
    if state == CONFIRMED:
        raise ReservationStateError(reservation, state)
    if state == HELD:
        for line in _held_lines(transaction, reservation):
            _add(transaction, line.sku, line.quantity)
    _set_state(transaction, reservation, RELEASED)
    return RELEASED


def _state(transaction: Transaction, reservation: str) -> str | None:
    rows = transaction.execute("SELECT state FROM reservations WHERE id = ?", (reservation,))
    return rows[0][0] if rows else None


def _set_state(transaction: Transaction, reservation: str, state: str) -> None:
    transaction.execute(
        "INSERT INTO reservations (id, state) VALUES (?, ?)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state",
        (reservation, state),
    )


def _held_lines(transaction: Transaction, reservation: str) -> list[Line]:
    sql = "SELECT sku, quantity FROM reserved_lines WHERE id = ? ORDER BY sku"
    return lines_of.from_rows(transaction.execute(sql, (reservation,)))


def _add(transaction: Transaction, sku: str, pieces: int) -> None:
    transaction.execute("UPDATE stock SET free = free + ? WHERE sku = ?", (pieces, sku))


def routes(database: Database) -> list[Route]:
    """The inventory over HTTP, under ``/inventory``."""

    def get(request: Request) -> dict[str, Any]:
        sku = request.parameters["sku"]
        rows = database.read("SELECT free FROM stock WHERE sku = ?", (sku,))
        held = database.read(
            "SELECT coalesce(sum(quantity), 0) FROM reserved_lines JOIN reservations USING (id)"
            " WHERE sku = ? AND state = ?",
            (sku, HELD),
        )
        return {"sku": sku, "free": rows[0][0] if rows else 0, "held": int(held[0][0])}

    def change(request: Request) -> dict[str, Any]:
        sku, free = request.parameters["sku"], web.whole(request.body, "free", 0, MOST_PIECES)
        database.write(lambda transaction: put(transaction, sku, free))
        return {"sku": sku, "free": free}

    def hold(request: Request) -> dict[str, Any]:
        reservation, wanted = request.parameters["id"], lines_of.parse(request.body)
        state = database.write(lambda transaction: reserve(transaction, reservation, wanted))
        return {"id": reservation, "state": state}

    def sell(request: Request) -> dict[str, Any]:
        reservation = request.parameters["id"]
        state = database.write(lambda transaction: confirm(transaction, reservation))
        return {"id": reservation, "state": state}

    def give_back(request: Request) -> dict[str, Any]:
        reservation = request.parameters["id"]
        state = database.write(lambda transaction: release(transaction, reservation))
        return {"id": reservation, "state": state}

    return [
        Route("GET", "/inventory/stock/{sku}", get),
        Route("PUT", "/inventory/stock/{sku}", change),
        Route("PUT", "/inventory/reservations/{id}", hold),
        Route("PUT", "/inventory/reservations/{id}/confirmation", sell),
        Route("PUT", "/inventory/reservations/{id}/release", give_back),
    ]
