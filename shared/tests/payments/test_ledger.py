"""The ledger."""

import pytest

from amazonian.payments import ledger, money, wallets
from amazonian.payments.ledger import Entry, Posting
from amazonian.resilience.database import open_database


def test_smoke(dsn, closing):
    database = closing(open_database(dsn, ledger.SCHEMA))
    open_database(dsn, ledger.SCHEMA).close()
    e = Entry(
        "capture:1",
        "x",
        (
            Posting("psp:stripe", 1000, "USD"),
            Posting("seller:ada", -900, "USD"),
            Posting("commission:shop", -100, "USD"),
        ),
        1.0,
    )
    assert database.write(lambda t: ledger.post(t, e))
    assert not database.write(lambda t: ledger.post(t, e))
    assert wallets.wallet(database.read, "ada", "USD").available == 900
    assert ledger.entries(database.read) == [e]
    assert ledger.entries(database.read, "seller:ada") == [e]
    database.write(lambda t: ledger.reverse(t, "capture:1", "r", 2.0))
    database.write(lambda t: ledger.reverse(t, "capture:1", "r", 3.0))
    with pytest.raises(ledger.AlreadyReversedError):
        database.write(lambda t: ledger.reverse(t, "capture:1", "r2", 3.0))
    assert ledger.trial_balance(database.read) == {"USD": 0}
    assert wallets.disagreements(database.read) == []
    assert [line.available for line in wallets.statement(database.read, "ada", "USD")] == [900, 0]
    for sql in (
        "UPDATE entries SET description='y'",
        "DELETE FROM entries",
        "UPDATE postings SET amount=1",
        "DELETE FROM postings",
    ):
        with pytest.raises(Exception, match="append-only"):
            database.write(lambda t: t.execute(sql))
    database.write(wallets.rebuild)
    assert money.split(money.Money(1000, "USD"), [1, 1, 1])[0].amount == 334
