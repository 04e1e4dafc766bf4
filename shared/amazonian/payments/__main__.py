"""The payment service as a process: its API, its executor and its relay on one database.

Start it with ``python -m amazonian.payments --database FILE --psp URL``. What it knows is in the
database; it may be killed at any moment and started again, and several may share a database.
"""

import argparse
import json
import logging
import threading
from dataclasses import asdict
from pathlib import Path

import stripe

from amazonian.payments import outbox
from amazonian.payments.api import PaymentApi
from amazonian.payments.executor import Executor
from amazonian.payments.outbox import Message
from amazonian.payments.provider import StripeProvider
from amazonian.payments.store import open_store
from amazonian.resilience import processes, retries
from amazonian.resilience.clock import WallClock
from amazonian.resilience.database import Database

PAUSE_S = 0.1

log = logging.getLogger(__name__)


class MessageFile:
    """Where messages go: a line of JSON each, at the end of a file."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, message: Message) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(message)) + "\n")


def relay(database: Database, path: Path, clock: WallClock) -> None:
    """Publish what waits in the outbox, for as long as the process lives."""
    publish = MessageFile(path)
    while True:
        try:
            sent = outbox.relay(database, publish, clock.now_s())
        except Exception:
            log.exception("the outbox could not be read or marked")
            sent = 0
        if not sent:
            clock.sleep(PAUSE_S)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m amazonian.payments")
    parser.add_argument("--database", required=True, help="SQLite file or postgresql:// DSN")
    parser.add_argument("--psp", default="https://api.stripe.com", help="the PSP's address")
    parser.add_argument("--psp-key", default="sk_test_amazonian", help="our key there")
    parser.add_argument("--psp-timeout", type=float, default=5.0, help="seconds for one call")
    parser.add_argument("--webhook-secret", default="whsec_amazonian")
    parser.add_argument("--messages", type=Path, help="append outgoing messages to this file")
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0 for any free one")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    chosen = parser.parse_args()

    clock = WallClock()
    database = open_store(chosen.database)
    client = stripe.StripeClient(
        chosen.psp_key,
        base_addresses={"api": chosen.psp},
        http_client=stripe.RequestsClient(timeout=chosen.psp_timeout),
        max_network_retries=0,
    )
    executor = Executor(database, StripeProvider(client, retries.Client()), clock)
    api = PaymentApi(database, clock, chosen.webhook_secret)
    api.requests.purge()
    threading.Thread(target=executor.work, args=[threading.Event()], daemon=True).start()
    if chosen.messages:
        waiting = (database, chosen.messages, clock)
        threading.Thread(target=relay, args=waiting, daemon=True).start()
    processes.serve(api.app(), chosen.port, chosen.with_parent)


if __name__ == "__main__":
    main()
