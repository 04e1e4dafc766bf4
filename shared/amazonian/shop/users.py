"""The users: who buys."""

from typing import Any

from amazonian.resilience import web
from amazonian.resilience.database import Database, Transaction
from amazonian.resilience.web import ProblemError, Request, Route

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS users"
    " (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL)",
)
TABLES = ("users",)


def put(transaction: Transaction, user: str, name: str, email: str) -> dict[str, Any]:
    """Add a user, or change the name and address."""
    transaction.execute(
        "INSERT INTO users (id, name, email) VALUES (?, ?, ?) ON CONFLICT (id)"
        " DO UPDATE SET name = excluded.name, email = excluded.email",
        (user, name, email),
    )
    return {"user": user, "name": name, "email": email}


def routes(database: Database) -> list[Route]:
    """The users over HTTP, under ``/users``."""

    def get(request: Request) -> dict[str, Any]:
        user = request.parameters["user"]
        rows = database.read("SELECT name, email FROM users WHERE id = ?", (user,))
        if not rows:
            raise ProblemError(404, "No such user", f"there is no {user!r}")
        return {"user": user, "name": rows[0][0], "email": rows[0][1]}

    def change(request: Request) -> dict[str, Any]:
        user = request.parameters["user"]
        name, email = web.text(request.body, "name"), web.text(request.body, "email")
        return database.write(lambda transaction: put(transaction, user, name, email))

    return [Route("GET", "/users/{user}", get), Route("PUT", "/users/{user}", change)]
