"""The transactional outbox: messages that leave if, and only if, the change they tell of stands.

A message is written in the commit that makes the change. A relay publishes it afterwards, and
marks it as sent only after that, so a crash in between publishes it again: *at least once*. Who
receives it remembers its id, in the commit that holds its effect: at least once, and its effect
*exactly once*.

Source: Chris Richardson's catalogue of microservice patterns, "Transactional outbox".
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amazonian.payments.journal import Read
from amazonian.resilience.database import Database, Row, Transaction

log = logging.getLogger(__name__)

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS outbox (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " topic TEXT NOT NULL, order_id TEXT NOT NULL, body TEXT NOT NULL, at_s REAL NOT NULL,"
    " sent_at_s REAL)",
    "CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (position) WHERE sent_at_s IS NULL",
)
# The receiver's table; it stands in the receiver's database, beside what the messages change.
INBOX_SCHEMA = ("CREATE TABLE IF NOT EXISTS inbox (message_id TEXT PRIMARY KEY)",)


@dataclass(frozen=True)
class Message:
    """Something that others should know.

    Args:
        position: the messages' order; a later one was committed later.
        id: the receiver's means to know a repetition.
        topic: what happened, as ``payment.captured``.
        order_id: what it happened to; messages about one order keep their order.
        body: whatever JSON can hold.
    """

    position: int
    id: str
    topic: str
    order_id: str
    body: dict[str, Any]


def add(
    t: Transaction, topic: str, order_id: str, message_id: str, body: dict[str, Any], now_s: float
) -> None:
    """Write a message, as part of the commit `t`."""
    [(last,)] = t.execute("SELECT COALESCE(MAX(position), 0) FROM outbox")
    t.execute(
        "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, NULL)",
        (last + 1, message_id, topic, order_id, json.dumps(body), now_s),
    )


def waiting(read: Read, limit: int = 1000) -> list[Message]:
    """Messages that are not marked as sent, oldest first."""
    rows = read(
        "SELECT position, id, topic, order_id, body FROM outbox WHERE sent_at_s IS NULL"
        " ORDER BY position LIMIT ?",
        (limit,),
    )
    return [_message(row) for row in rows]


def mark_sent(t: Transaction, message: Message, now_s: float) -> None:
    """Note that a message was published."""
    t.execute("UPDATE outbox SET sent_at_s = ? WHERE position = ?", (now_s, message.position))


def relay(database: Database, publish: Callable[[Message], None], now_s: float) -> int:
    """Publish what waits, at least once, and in order for each payment order.

    Take the :func:`waiting` messages one by one. ``publish(message)`` first; then, in a commit of
    its own (``database.write``), :func:`mark_sent`. If `publish` raises an ``Exception``, the
    message stays, and so do all later ones about the same order, untried; those about other
    orders go out.

    Args:
        database: where the outbox is.
        publish: hands one message to the broker; returns once that has it.
        now_s: what to note as the time of sending, in seconds since 1970.

    Returns:
        How many messages were published and marked.
    """
    sent, held_up = 0, set()
    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        try:
            publish(message)
        except Exception as error:
            log.warning("message %s was not published: %s", message.id, error)
            held_up.add(message.order_id)
            continue
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        sent += 1
    return sent


def receive(
    t: Transaction, message: Message, effect: Callable[[Transaction, Message], Any]
) -> bool:
    """The receiver's side: let a message take effect once, however often it comes.

    Args:
        t: a commit of the receiver's database, which has the table of `INBOX_SCHEMA`.
        effect: what the message changes, in the same commit.

    Returns:
        Whether it was new.
    """
    new = t.execute(
        "INSERT INTO inbox VALUES (?) ON CONFLICT DO NOTHING RETURNING message_id", (message.id,)
    )
    if new:
        effect(t, message)
    return bool(new)


def _message(row: Row) -> Message:
    position, message_id, topic, order_id, body = row
    return Message(position, message_id, topic, order_id, json.loads(body))
