"""Killing a posting after each of its steps: what becomes of the books with one commit, and two."""

import sqlite3
from collections import Counter
from typing import Any

import pytest

from amazonian.payments import journal, ledger, sigkill, wallets
from amazonian.payments.sigkill import CAPTURE, Killed, Steps, kill_everywhere
from amazonian.resilience.database import open_database


def update_wallets(t: Any) -> None:
    wallets.save(t, wallets.project(wallets.load(t.execute, CAPTURE.postings), CAPTURE.postings))


def wallet_first(database: Any, entry: ledger.Entry) -> None:
    if not journal.find(database.read, entry.id):
        database.write(update_wallets)
        database.write(lambda t: journal.append(t, [entry]))


def journal_first(database: Any, entry: ledger.Entry) -> None:
    if not journal.find(database.read, entry.id):
        database.write(lambda t: journal.append(t, [entry]))
        database.write(update_wallets)


def in_one_commit(database: Any, entry: ledger.Entry) -> None:
    database.write(lambda t: ledger.post(t, entry))


@pytest.mark.parametrize(
    ("design", "kinds"),
    [
        (wallet_first, {(900, 900): 4, (1800, 900): 7}),
        (journal_first, {(900, 900): 8, (0, 900): 3}),
        (in_one_commit, {(900, 900): 10}),
    ],
)
def test_a_kill_between_two_commits_pays_twice_or_never(design, kinds) -> None:
    killed = kill_everywhere(design)
    assert Counter((run.wallet, run.journal) for run in killed) == kinds
    assert killed[-1].step == "commit"


def test_the_wrong_steps_are_those_from_the_first_commit_to_the_second() -> None:
    killed = kill_everywhere(wallet_first)
    first, second = (n for n, run in enumerate(killed) if run.step == "commit")
    wrong = [n for n, run in enumerate(killed) if run.wallet != run.journal]
    assert wrong == list(range(first, second))
    assert killed[first] == Killed("commit", wallet=1800, journal=900)


def test_steps_are_told_after_they_were_made(tmp_path, closing) -> None:
    database = closing(open_database(tmp_path / "a.db", ledger.SCHEMA))
    told: list[tuple[str, int]] = []

    def reached(step: str) -> None:
        told.append((step, len(ledger.entries(database.read))))  # as others see it

    in_one_commit(Steps(database, reached), CAPTURE)
    assert [step for step, _ in told[-3:]] == ["write postings", "write wallets", "commit"]
    assert [seen for _, seen in told] == [0] * 9 + [1]


def test_a_process_that_stays_silent_is_killed_and_said_so(monkeypatch) -> None:
    monkeypatch.setattr(sigkill, "PATIENCE_S", 0.1)
    monkeypatch.setattr(sigkill, "_mortal", lambda design, number: lambda database: design(None, 0))

    def waits(database: Any, entry: Any) -> None:
        if database is None:
            sqlite3.connect(":memory:").execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                " SELECT COUNT(*) FROM n"
            ).fetchall()  # counts for ever
        database.read("SELECT COUNT(*) FROM entries")

    with pytest.raises(RuntimeError, match="did not answer"):
        kill_everywhere(waits)
