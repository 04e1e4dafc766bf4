"""Sixteen threads in each of four processes post to the same wallets, under the same ids."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import hammer
from hammer import OWN, POT, PRICE, PROCESSES, SHARED, THREADS, WISHES

from amazonian.payments import ledger, wallets
from amazonian.resilience.database import open_database

PATIENCE_S = 60.0
EVERYBODY = PROCESSES * THREADS


def hammered(dsn: str) -> Counter[str]:
    """Start the processes, let them go at the same moment, and add up what they were told."""
    processes = [
        subprocess.Popen(
            [sys.executable, hammer.__file__, dsn, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    told: Counter[str] = Counter()
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            out, _ = process.communicate(timeout=PATIENCE_S)
            told.update(json.loads(out))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return told


def test_nothing_is_lost_nothing_done_twice_and_nobody_waits_for_ever(
    dsn: str, closing: Callable
) -> None:
    database = closing(open_database(dsn, ledger.SCHEMA))
    database.write(lambda t: ledger.post_all(t, hammer.opening()))

    assert hammered(dsn) == {
        "shared: written": SHARED,
        "shared: there": SHARED * (EVERYBODY - 1),
        "own: written": OWN * EVERYBODY,
        "wish: written": POT // PRICE,
        "wish: InsufficientFundsError": WISHES * EVERYBODY - POT // PRICE,
        "reversal: written": 4,
        "reversal: too late": EVERYBODY - 4,
        "liar: EntryConflictError": EVERYBODY,
    }

    written = [entry.id for entry in ledger.entries(database.read)]
    assert len(written) == len(set(written))
    kinds = Counter(entry_id.split()[0] for entry_id in written)
    assert kinds == {
        "pot": 1,
        "mistake": 4,
        "undo": 4,
        "shared": SHARED,
        "own": EVERYBODY * OWN,
        "wish": POT // PRICE,
    }
    assert ledger.trial_balance(database.read) == {"USD": 0}
    assert wallets.disagreements(database.read) == []
    assert wallets.wallet(database.read, "pot", "USD").available == 0
    assert wallets.wallet(database.read, "winner", "USD").available == POT
    total = sum(wallets.wallet(database.read, seller, "USD").available for seller in hammer.SELLERS)
    own = sum(
        hammer.own(process, thread, number).postings[0].amount
        for process in range(PROCESSES)
        for thread in range(THREADS)
        for number in range(OWN)
    )
    assert total == own + sum(hammer.shared(n).postings[0].amount for n in range(SHARED))
