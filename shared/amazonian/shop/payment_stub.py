"""Payments, as a stub: it authorises any card but one. Chapter 3 builds the real thing.

What it shares with the real thing is its contract: an authorisation has an id of the caller's
choice, and both it and its voiding may be repeated, and may come late.
"""

from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.web import ProblemError, Request, Route

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS authorisations"
    " (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, amount_cents INTEGER NOT NULL,"
    " state TEXT NOT NULL)",
)
TABLES = ("authorisations",)
MOST_CENTS = 10**12
DECLINED_CARD = "declined"
AUTHORISED, VOIDED = "authorised", "voided"


class DeclinedError(ProblemError):
    """The card was declined, or the payment was given up before it arrived."""

    def __init__(self, detail: str):
        super().__init__(402, "Payment declined", detail)


def authorise(
    transaction: Transaction, authorisation: str, user: str, amount_cents: int, card: str
) -> str:
    """Authorise a payment, once for each id.

    Raises:
        DeclinedError: by the card, or because the authorisation was voided.
        ProblemError: the id has another amount; status 422.
    """
    rows = transaction.execute(
        "SELECT state, amount_cents FROM authorisations WHERE id = ?", (authorisation,)
    )
    if rows and rows[0][0] == VOIDED:
        raise DeclinedError(f"{authorisation!r} was voided")
    if rows and rows[0][1] != amount_cents:
        detail = f"{authorisation!r} was made with another amount; use an id of its own"
        raise ProblemError(422, "The authorisation exists", detail)
    if rows:
        return AUTHORISED
    if card == DECLINED_CARD:
        raise DeclinedError("the bank says no")
    transaction.execute(
        "INSERT INTO authorisations VALUES (?, ?, ?, ?)",
        (authorisation, user, amount_cents, AUTHORISED),
    )
    return AUTHORISED


def void(transaction: Transaction, authorisation: str) -> str:
    """Give an authorisation up, and let none of this id be made later."""
    transaction.execute(
        "INSERT INTO authorisations VALUES (?, '', 0, ?)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state",
        (authorisation, VOIDED),
    )
    return VOIDED


def routes(database: Database) -> list[Route]:
    """The payments over HTTP, under ``/payments``."""

    def get(request: Request) -> dict[str, Any]:
        authorisation = request.parameters["id"]
        rows = database.read(
            "SELECT amount_cents, state FROM authorisations WHERE id = ?", (authorisation,)
        )
        if not rows:
            raise ProblemError(404, "No such authorisation", f"there is no {authorisation!r}")
        return {"id": authorisation, "amount_cents": rows[0][0], "state": rows[0][1]}

    def ask(request: Request) -> dict[str, Any]:
        authorisation, body = request.parameters["id"], request.body
        user, card = web.text(body, "user"), web.text(body, "card")
        amount = web.whole(body, "amount_cents", 0, MOST_CENTS)
        state = database.write(
            lambda transaction: authorise(transaction, authorisation, user, amount, card)
        )
        return {"id": authorisation, "amount_cents": amount, "state": state}

    def give_up(request: Request) -> dict[str, Any]:
        authorisation = request.parameters["id"]
        state = database.write(lambda transaction: void(transaction, authorisation))
        return {"id": authorisation, "state": state}

    return [
        Route("GET", "/payments/authorisations/{id}", get),
        Route("PUT", "/payments/authorisations/{id}", ask),
        Route("PUT", "/payments/authorisations/{id}/void", give_up),
    ]
