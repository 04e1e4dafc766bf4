"""A process whose sixteen threads post to one ledger, for tests that start several at once.

    python hammer.py DSN NUMBER

It says "ready", waits for a line, and prints what its threads were told, as JSON.
"""

import json
import random
import sys
import threading
from collections import Counter

from amazonian.payments import ledger
from amazonian.payments.ledger import AlreadyReversedError, Entry, EntryConflictError, Posting
from amazonian.payments.wallets import InsufficientFundsError
from amazonian.resilience.database import open_database

PROCESSES, THREADS = 4, 16
SHARED = 12  # entries that every thread posts
OWN = 8  # entries of each thread
PRICE, POT = 5, 300  # each thread wants PRICE from a pot that holds POT, again and again
WISHES = 2
SELLERS = ("ada", "bob", "eve")


def entry(entry_id: str, debited: str, credited: str, amount: int) -> Entry:
    postings = (Posting(debited, amount, "USD"), Posting(credited, -amount, "USD"))
    return Entry(entry_id, "hammered", postings, 0.0)


def shared(number: int) -> Entry:
    """One that all threads of all processes post, with the same id."""
    return entry(f"shared {number}", "bank:shop", f"seller:{SELLERS[number % 3]}", 100 + number)


def own(process: int, thread: int, number: int) -> Entry:
    """One that nobody else posts, though the wallets are everybody's."""
    seller = SELLERS[(process + thread + number) % 3]
    return entry(f"own {process} {thread} {number}", "bank:shop", f"seller:{seller}", 1 + number)


def wish(process: int, thread: int, number: int) -> Entry:
    """Money out of the pot, of which there is too little for all."""
    return entry(f"wish {process} {thread} {number}", "seller:pot", "seller:winner", PRICE)


def opening() -> list[Entry]:
    """What must be there before the processes start."""
    pot = entry("pot", "bank:shop", "seller:pot", POT)
    return [pot, *(entry(f"mistake {n}", "bank:shop", "seller:ada", 7) for n in range(4))]


def main(dsn: str, process: int) -> None:
    database = open_database(dsn, ledger.SCHEMA)
    told: Counter[str] = Counter()
    lock = threading.Lock()

    def post(name: str, wanted: Entry) -> str:
        try:
            written = database.write(lambda t: ledger.post(t, wanted))
        except (InsufficientFundsError, EntryConflictError) as refused:
            return f"{name}: {type(refused).__name__}"
        return f"{name}: {'written' if written else 'there'}"

    def reverse(number: int, thread: int) -> str:
        undo = f"undo {number} by {process} {thread}"
        try:
            database.write(lambda t: ledger.reverse(t, f"mistake {number}", undo, 0.0))
        except AlreadyReversedError:
            return "reversal: too late"
        return "reversal: written"

    def work(thread: int) -> None:
        tasks = [lambda n=n: post("shared", shared(n)) for n in range(SHARED)]
        tasks += [lambda n=n: post("own", own(process, thread, n)) for n in range(OWN)]
        tasks += [lambda n=n: post("wish", wish(process, thread, n)) for n in range(WISHES)]
        tasks.append(lambda: reverse(thread % 4, thread))
        tasks.append(lambda: post("liar", entry("pot", "bank:shop", "seller:eve", 1)))
        random.Random(100 * process + thread).shuffle(tasks)
        for task in tasks:
            try:
                outcome = task()
            except Exception as error:
                outcome = f"failed: {error!r}"
            with lock:
                told[outcome] += 1

    threads = [threading.Thread(target=work, args=[number]) for number in range(THREADS)]
    print("ready", flush=True)
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
