"""The night: every mistake found and no other, each payout booked once, whatever happens to it."""

import contextlib
import csv
import re
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from itertools import count

import pytest
from paying import NOON_S, Payments

from amazonian.payments import (
    entries,
    ledger,
    nightly,
    orders,
    refunds,
    report,
    scenario,
    store,
    synthetic,
    wallets,
    webhooks,
)
from amazonian.payments.ledger import Entry, Posting
from amazonian.payments.nightly import (
    ConcurrentRunError,
    NightClosedError,
    NightOrderError,
)
from amazonian.payments.orders import PaymentOrder, State
from amazonian.payments.points import Killed
from amazonian.payments.reconciliation import DAY_S, KEEP_OPEN_S, Kind, Line, Night
from amazonian.payments.settlement import SettlementMismatchError
from amazonian.payments.settlement_lines import COLUMNS, SettlementFileError
from amazonian.payments.stripe_simulator import settlement as simulated
from amazonian.payments.stripe_simulator.payment_methods import MINUTES_3_S
from amazonian.resilience.memory import MemoryDatabase

FIRST = Night(date(2026, 7, 28))
SECOND = Night(date(2026, 7, 29))
TABLES = [
    table
    for statement in store.SCHEMA
    for table in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", statement)
]


def content(database):
    """All rows of all tables."""
    return {table: sorted(database.read(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def add_orders(database, lines, state):
    """The orders that lines are about, as if the executor had made them."""
    for_orders = {}
    for line in lines:
        category, _, order_id = line.reference.partition(":")
        refunded = category == "refund"
        for_orders[order_id] = PaymentOrder(
            id=order_id,
            event_id=order_id.removesuffix("-1"),
            seller="ada",
            amount=abs(line.amount),
            currency=line.currency,
            payment_method="pm_card_visa",
            state=str(State.REFUNDED if refunded else state),
            intent_id=f"pi_{order_id}",
            settled_at_s=line.at_s if state is State.SETTLED else None,
            refund_number=int(refunded),
        )
    marks = ", ".join("?" * len(orders.COLUMNS))
    values = [
        tuple(getattr(order, name) for name in orders.COLUMNS) for order in for_orders.values()
    ]
    database.write(lambda t: t.executemany(f"INSERT INTO payment_orders VALUES ({marks})", values))


class Days:
    """Two days of synthetic movements in a database and two settlement files."""

    def __init__(self, database, folder, movements_a_day, every, state):
        self.database, self.folder = database, folder
        first = list(synthetic.movements(movements_a_day, FIRST, 1, every))
        second = list(synthetic.movements(movements_a_day, SECOND, 2, every))
        ours, theirs = ([], []), ([], [])
        for movement in first:
            for day, lines in ((0, movement.ours), (1, movement.next_ours)):
                ours[day].extend(lines)
            for day, lines in ((0, movement.theirs), (1, movement.next_theirs)):
                theirs[day].extend(lines)
        for movement in second:
            ours[1].extend(movement.ours)
            theirs[1].extend(movement.theirs)
        self.paths = [folder / f"{night.day}.csv" for night in (FIRST, SECOND)]
        for path, lines in zip(self.paths, theirs, strict=True):
            synthetic.write_file(path, lines)
        synthetic.book(database, [*ours[0], *ours[1]])
        add_orders(database, [*ours[0], *ours[1]], state)
        # PostgreSQL counts its rows by itself, but not at once: it would take these for a few.
        database.write(lambda t: t.execute("ANALYZE"))
        later = [(each.next_kind, reference_of(each)) for each in first if each.next_kind]
        self.expected = [expected_of(first), expected_of(second) + Counter(later)]

    def reconcile(self, number, database=None):
        night = (FIRST, SECOND)[number]
        return nightly.reconcile(database or self.database, self.paths[number], night, self.folder)


def reference_of(movement):
    return (movement.ours + movement.theirs)[0].reference


def expected_of(movements):
    """What reconciling their day must find: how many pairs of each kind and reference."""
    found = Counter((movement.kind, reference_of(movement)) for movement in movements)
    # One of two lines that are the same is matched; only the other is a break.
    return found + Counter((Kind.MATCHED, name) for kind, name in found if kind is Kind.DUPLICATE)


def breaks_in(path):
    """The breaks in a report's CSV file: how many of each kind and reference."""
    with path.open(newline="", encoding="utf-8") as file:
        return Counter((row["kind"], row["reference"]) for row in csv.DictReader(file))


def without_matched(expected):
    return Counter({key: n for key, n in expected.items() if key[0] is not Kind.MATCHED})


@pytest.fixture
def memory():
    return MemoryDatabase(store.SCHEMA)


@pytest.fixture
def small(memory, tmp_path):
    """Some ten movements a day, of which every other one is mistaken, on orders to be settled."""
    return Days(memory, tmp_path, 32, 2, State.CAPTURED)


# --- what is found -----------------------------------------------------------------------------


def test_every_mistake_in_20_000_movements_is_found_and_no_other(dsn, closing, tmp_path):
    database = closing(store.open_store(dsn))
    days = Days(database, tmp_path, 10_000, 100, State.SETTLED)
    for number, expected in enumerate(days.expected):
        found = days.reconcile(number)
        assert breaks_in(tmp_path / f"{found.name}.csv") == without_matched(expected)
        kinds = Counter()
        for (kind, _), times in expected.items():
            kinds[kind] += times
        assert found.counts == kinds
        assert set(kinds) == set(Kind)


def test_cut_off_breaks_heal_the_next_day_and_those_that_do_not_are_missing(small):
    first, second = small.reconcile(0), small.reconcile(1)
    healed = [key for key, n in small.expected[0].items() if key[0] is Kind.CUT_OFF]
    assert len(healed) == first.counts[Kind.CUT_OFF] > 2
    assert second.late[Kind.MATCHED] + second.late[Kind.MISSING_THERE] > len(healed) - 1
    still = {reference for kind, reference in small.expected[1] if kind is Kind.MISSING_THERE}
    assert any(reference in still for _, reference in healed)
    assert any(reference not in still for _, reference in healed)


def test_what_is_healed_is_settled(memory, tmp_path):
    """Our books have a charge 35 s later than the PSP, on the next day."""
    theirs = Line("charge:e-1", 1_000, "EUR", FIRST.ends_s - 5, "txn_1", 30)
    ours = theirs._replace(at_s=FIRST.ends_s + 30, source="capture:e-1", fee=0)
    synthetic.book(memory, [ours])
    add_orders(memory, [ours], State.CAPTURED)
    for night, lines in ((FIRST, [theirs]), (SECOND, [])):
        synthetic.write_file(tmp_path / f"{night.day}.csv", lines)
    first = nightly.reconcile(memory, tmp_path / f"{FIRST.day}.csv", FIRST, tmp_path)
    assert first.counts == {Kind.CUT_OFF: 1}
    assert orders.get(memory.read, "e-1").state is State.CAPTURED
    second = nightly.reconcile(memory, tmp_path / f"{SECOND.day}.csv", SECOND, tmp_path)
    assert (second.counts, second.late) == ({Kind.MATCHED: 1}, {Kind.MATCHED: 1})
    assert orders.get(memory.read, "e-1").state is State.SETTLED
    assert ledger.balance(memory.read, entries.FEES, "EUR") == 30


def test_what_is_missing_is_laid_beside_each_night_of_a_week_and_then_given_up(memory, tmp_path):
    theirs = Line("charge:e-1", 1_000, "EUR", FIRST.starts_s + 100, "txn_1", 30)
    kinds = []
    for number in range(KEEP_OPEN_S // DAY_S + 2):
        night = Night(FIRST.day + timedelta(days=number))
        path = tmp_path / f"{night.day}.csv"
        synthetic.write_file(path, [theirs] if number == 0 else [])
        kinds.append(dict(nightly.reconcile(memory, path, night, tmp_path).counts))
    days = KEEP_OPEN_S // DAY_S + 1
    assert kinds == [{Kind.MISSING_HERE: 1}] * days + [{}] * (len(kinds) - days)


def test_an_order_that_is_booked_days_later_matches_the_line_that_was_kept_for_it(memory, tmp_path):
    theirs = Line("charge:e-1", 1_000, "EUR", FIRST.starts_s + 100, "txn_1", 30)
    third = Night(SECOND.day + timedelta(days=1))
    ours = theirs._replace(at_s=third.starts_s + 5_000, source="capture:e-1", fee=0)
    synthetic.book(memory, [ours])
    add_orders(memory, [ours], State.CAPTURED)
    found = []
    for night in (FIRST, SECOND, third):
        path = tmp_path / f"{night.day}.csv"
        synthetic.write_file(path, [theirs] if night is FIRST else [])
        found.append(dict(nightly.reconcile(memory, path, night, tmp_path).counts))
    assert found == [{Kind.MISSING_HERE: 1}, {Kind.MISSING_HERE: 1}, {Kind.MATCHED: 1}]
    assert orders.get(memory.read, "e-1").state is State.SETTLED


def test_our_lines_are_the_same_however_many_are_read_at_a_time(dsn, closing, monkeypatch):
    database = closing(store.open_store(dsn))
    times = [FIRST.starts_s - 0.5, *[FIRST.starts_s] * 3, *[FIRST.starts_s + 9] * 4, FIRST.ends_s]
    booked = []
    for number, at_s in zip(count(), times):
        name = ("capture:e{}-1", "settle:e{}-1", "refund:e{}-1/2", "return:refund:e{}-1/2")
        postings = tuple(
            Posting(account, sign * (number + 1), currency)
            for currency in ("EUR", "JPY")
            for account, sign in ((entries.PSP, 1), (entries.BANK, -1))
        )
        booked.append(Entry(name[number % 4].format(number), "x", postings, at_s))
    inside = Entry(
        "inside",
        "x",
        (Posting(entries.BANK, 1, "EUR"), Posting("fees:x", -1, "EUR")),
        FIRST.starts_s + 1,
    )
    database.write(lambda t: ledger.post_all(t, [*booked, inside]))
    whole = list(nightly.our_lines(database.read, FIRST))
    assert whole == [
        (reference, amount, currency, at_s, source, 0)
        for reference, amount, at_s, source in (
            ("refund:e2-1", 3, FIRST.starts_s, "refund:e2-1/2"),
            ("refund_failure:e3-1", 4, FIRST.starts_s, "return:refund:e3-1/2"),
            ("charge:e4-1", 5, FIRST.starts_s + 9, "capture:e4-1"),
            ("refund:e6-1", 7, FIRST.starts_s + 9, "refund:e6-1/2"),
            ("refund_failure:e7-1", 8, FIRST.starts_s + 9, "return:refund:e7-1/2"),
        )
        for currency in ("EUR", "JPY")
    ]
    for at_once in (1, 2, 3):
        monkeypatch.setattr(nightly, "ENTRIES_AT_ONCE", at_once)
        assert list(nightly.our_lines(database.read, FIRST)) == whole


def test_what_is_kept_open_is_read_in_pages(small, monkeypatch):
    small.reconcile(0)
    sides = (nightly.OURS, nightly.THEIRS)
    whole = [list(nightly.open_breaks(small.database.read, FIRST.day, side)) for side in sides]
    assert min(map(len, whole)) > 3
    monkeypatch.setattr(nightly, "ENTRIES_AT_ONCE", 2)
    paged = [list(nightly.open_breaks(small.database.read, FIRST.day, side)) for side in sides]
    assert paged == whole


# --- what is booked ----------------------------------------------------------------------------


def test_a_matched_order_is_settled_and_nothing_else_is(small):
    small.reconcile(0)
    small.reconcile(1)
    matched = {
        reference.partition(":")[2]
        for expected in small.expected
        for kind, reference in expected
        if kind is Kind.MATCHED and reference.startswith("charge:")
    }
    settled = {
        row[0]
        for row in small.database.read(
            "SELECT id FROM payment_orders WHERE settled_at_s IS NOT NULL"
        )
    }
    assert settled == matched
    assert {orders.get(small.database.read, id).state for id in settled} == {State.SETTLED}
    assert set(ledger.trial_balance(small.database.read).values()) == {0}


def reconciled(payments, folder, night):
    """Reconcile a night with the file that the simulator writes."""
    path = folder / f"{night.day}.csv"
    simulated.settlement_file(payments.psp, night.day, path)
    return nightly.reconcile(payments.database, path, night, folder)


def deliver_webhooks(payments):
    """Our endpoint receives all that the PSP has to tell, which may be known."""
    for payload, header in scenario.Process(
        payments.database, None, None, payments.clock, payments.psp.objects
    ).webhooks_sent():
        webhooks.receive(
            payments.database, payload, header, scenario.SECRET, payments.clock.now_s()
        )


def refund(payments, order_id="e-1"):
    now_s = payments.clock.now_s()
    payments.database.write(lambda t: refunds.begin(t, order_id, now_s))
    payments.settle_down()


def nights_from(clock_s):
    first = Night(date.fromtimestamp(clock_s))
    return first, Night(first.day + timedelta(days=1))


def assert_that_books_hold(database, psp=0):
    assert ledger.balance(database.read, entries.PSP, "EUR") == psp
    assert set(ledger.trial_balance(database.read).values()) == {0}
    assert wallets.disagreements(database.read) == []


@pytest.fixture
def payments(dsn, closing):
    return Payments(closing(store.open_store(dsn)))


def test_charges_and_a_refund_made_by_the_executor_reconcile_and_are_settled(payments, tmp_path):
    for id, card in (("e", "pm_card_visa"), ("f", "pm_card_visa"), ("g", "pm_card_chargeDeclined")):
        payments.buy(id=id, card=card)
    payments.settle_down()
    refund(payments, "f-1")
    night, _ = nights_from(NOON_S)
    found = reconciled(payments, tmp_path, night)
    assert found.counts == {Kind.MATCHED: 3}
    states = [payments.order(id).state for id in ("e-1", "f-1", "g-1")]
    assert states == [State.SETTLED, State.REFUNDED, State.DECLINED]
    assert payments.order("f-1").settled_at_s == night.ends_s
    assert payments.order("g-1").settled_at_s is None
    assert_that_books_hold(payments.database)
    fees = sum(moved["fee"] for moved in payments.psp.objects("balance_transaction"))
    assert ledger.balance(payments.database.read, entries.FEES, "EUR") == fees
    assert ledger.balance(payments.database.read, entries.BANK, "EUR") == 1_000 - fees


def test_a_refund_that_came_back_and_a_second_one_reconcile_without_a_break(payments, tmp_path):
    """The second refund comes back as well: the charge stays, over two nights."""
    night, next_night = nights_from(NOON_S)
    payments.buy(card="pm_card_refundFail")
    payments.settle_down()
    refund(payments)
    payments.clock.sleep(MINUTES_3_S + 1)
    deliver_webhooks(payments)
    assert payments.order().state is State.CAPTURED
    payments.clock.sleep(night.ends_s - 60 - payments.clock.now_s())
    refund(payments)
    assert payments.order().state is State.REFUNDED

    found = reconciled(payments, tmp_path, night)
    assert found.counts == {Kind.MATCHED: 4}  # charge, refund, refund_failure, refund
    assert payments.order().state is State.REFUNDED
    assert_that_books_hold(payments.database)

    payments.clock.sleep(MINUTES_3_S + 1)
    deliver_webhooks(payments)
    assert payments.order().state is State.SETTLED
    assert_that_books_hold(payments.database, psp=1_000)
    found = reconciled(payments, tmp_path, next_night)
    assert found.counts == {Kind.MATCHED: 1}  # refund_failure
    assert_that_books_hold(payments.database)
    assert wallets.wallet(payments.database.read, "books", "EUR").available == 900


def test_a_refund_that_comes_back_when_we_hear_of_it_a_day_later_heals(payments, tmp_path):
    night, next_night = nights_from(NOON_S)
    payments.buy(card="pm_card_refundFail")
    payments.settle_down()
    payments.clock.sleep(night.ends_s - MINUTES_3_S - 5 - payments.clock.now_s())
    refund(payments)
    payments.clock.sleep(MINUTES_3_S + 60)
    payments.psp.objects("refund")  # where time passes when it is looked at
    deliver_webhooks(payments)
    assert reconciled(payments, tmp_path, night).breaks <= 1
    found = reconciled(payments, tmp_path, next_night)
    assert (found.breaks, found.counts[Kind.MATCHED]) == (0, 1)
    assert_that_books_hold(payments.database)


def test_a_matched_line_without_its_order_stops_the_night(memory, tmp_path):
    """Which can't be, unless somebody has written into the journal by hand."""
    line = Line("refund:e-1", -1_000, "EUR", FIRST.starts_s + 100, "txn_1")
    synthetic.book(memory, [line._replace(source="refund:e-1/1")])
    add_orders(memory, [line._replace(reference="charge:e-1")], State.CAPTURED)
    synthetic.write_file(tmp_path / "file.csv", [line])
    with pytest.raises(SettlementMismatchError):
        nightly.reconcile(memory, tmp_path / "file.csv", FIRST, tmp_path)
    assert memory.read("SELECT * FROM reconciled_nights") == []


# --- runs that are repeated, refused or killed ---------------------------------------------------


def test_a_night_run_twice_writes_the_same_report_and_changes_nothing(dsn, closing, tmp_path):
    small = Days(closing(store.open_store(dsn)), tmp_path, 32, 2, State.CAPTURED)
    for number in (0, 1):
        found = small.reconcile(number)
        files = [tmp_path / f"{found.name}{ending}" for ending in (".txt", ".csv")]
        before, written = content(small.database), [file.read_bytes() for file in files]
        again = small.reconcile(number)
        assert again == found
        assert content(small.database) == before
        assert [file.read_bytes() for file in files] == written
    small.reconcile(0)
    assert content(small.database) == before


def test_a_night_that_is_closed_refuses_another_file(small):
    small.reconcile(0)
    before = content(small.database)
    with small.paths[0].open("a") as file:
        file.write(small.paths[0].read_text().splitlines()[-1] + "\n")
    with pytest.raises(NightClosedError, match="2026-07-28 was reconciled with the file of SHA"):
        small.reconcile(0)
    assert content(small.database) == before


@pytest.mark.parametrize("days", [-2, -1, 2, 30])
def test_nights_out_of_order_are_refused(small, tmp_path, days):
    small.reconcile(0)
    before = content(small.database), sorted(tmp_path.iterdir())
    other = Night(FIRST.day + timedelta(days=days))
    with pytest.raises(NightOrderError, match="the next one is 2026-07-29"):
        nightly.reconcile(small.database, small.paths[1], other, tmp_path)
    assert (content(small.database), sorted(tmp_path.iterdir())) == before


HEADER = ",".join(COLUMNS)
GOOD = "txn_1,2026-07-28 10:00:00,charge,eur,2000,88,1912,pi_1,e-1"


@pytest.mark.parametrize(
    ("bad", "line", "problem"),
    [
        (f"{HEADER}\n{GOOD}\n{GOOD},more\n", 3, "10 fields"),
        (f"{HEADER}\n{GOOD}\n{GOOD.replace('2000', '20.00')}\n", 3, "whole number"),
        (f"{HEADER.replace('fee', 'cost')}\n{GOOD}\n", 1, "unknown column 'cost'"),
        (f"{HEADER.replace(',fee', '')}\n{GOOD}\n", 1, "missing: ['fee']"),
        ("", 1, "the file is empty"),
        (f"{HEADER}\n{GOOD}\n{GOOD}é\n".encode("latin-1"), 3, "no UTF-8"),
        (f"{HEADER}\n{GOOD}\n{GOOD[:30]}", 3, "cut off"),
        (f"{HEADER}\n{GOOD.replace('07-28', '07-27')}\n", 2, "another day's file"),
        (f"{HEADER}\n{GOOD.replace('07-28', '07-29')}\n", 2, "another day's file"),
    ],
)
def test_of_a_file_that_is_bad_anywhere_nothing_is_applied(small, tmp_path, bad, line, problem):
    path = tmp_path / "bad.csv"
    path.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    before = content(small.database), sorted(tmp_path.iterdir())
    with pytest.raises(SettlementFileError) as error:
        nightly.reconcile(small.database, path, FIRST, tmp_path)
    assert error.value.line == line
    assert problem in error.value.problem
    assert (content(small.database), sorted(tmp_path.iterdir())) == before
    small.reconcile(0)  # the right one still goes


def test_a_few_lines_of_another_day_do_not_make_it_another_days_file(memory, tmp_path):
    lines = [
        Line(f"charge:e{n}-1", 100, "EUR", FIRST.ends_s - 5 + n, f"txn_{n}") for n in range(10)
    ]
    synthetic.write_file(tmp_path / "file.csv", lines)
    found = nightly.reconcile(memory, tmp_path / "file.csv", FIRST, tmp_path)
    assert found.counts == {Kind.CUT_OFF: 10}


class Mortal:
    """A database; whoever writes to it dies before or after a certain one of the commits."""

    def __init__(self, database, dies_at):
        self.database, self.read, self.dies_at = database, database.read, dies_at
        self.moments = count()

    def write(self, change):
        self.moment()
        result = self.database.write(change)
        self.moment()
        return result

    def moment(self):
        if next(self.moments) == self.dies_at:
            raise Killed


@pytest.mark.parametrize("number", [0, 1])
def test_a_night_killed_at_any_durable_write_and_run_again_ends_the_same(
    tmp_path, number, monkeypatch
):
    monkeypatch.setattr(nightly, "PAIRS_IN_ONE_COMMIT", 7)
    database = MemoryDatabase(store.SCHEMA)
    days = Days(database, tmp_path, 32, 2, State.CAPTURED)
    if number:
        days.reconcile(0)
    before = database.serialize()
    found = days.reconcile(number)
    files = [tmp_path / f"{found.name}{ending}" for ending in (".txt", ".csv")]
    expected = content(database), [file.read_bytes() for file in files]
    for dies_at in count():
        database.deserialize(before)
        for file in files:
            file.unlink()
        mortal = Mortal(database, dies_at)
        try:
            days.reconcile(number, mortal)
        except Killed:
            assert not list(tmp_path.glob("*.part"))
            assert days.reconcile(number) == found
        else:
            break
        assert (content(database), [file.read_bytes() for file in files]) == expected
    assert dies_at == 2 * (2 + -(-found.counts.total() // 7)) > 10


def test_what_a_killed_run_kept_open_is_forgotten_by_the_next_one(small, monkeypatch):
    """The PSP may have sent another file meanwhile, since the night was not closed."""
    monkeypatch.setattr(nightly, "PAIRS_IN_ONE_COMMIT", 7)
    with pytest.raises(Killed):
        small.reconcile(0, Mortal(small.database, 8))
    assert small.database.read("SELECT * FROM open_breaks")
    small.paths[0].write_text(f"{HEADER}\n")
    small.reconcile(0)
    sides = small.database.read("SELECT DISTINCT side FROM open_breaks")
    assert sides == [(nightly.OURS,)]


class Interrupted(Mortal):
    """A database; at a certain moment somebody else does something with it."""

    def __init__(self, database, at, do):
        super().__init__(database, at)
        self.do = do

    def moment(self):
        if next(self.moments) == self.dies_at:
            self.do()


@pytest.fixture
def interrupted(small, monkeypatch):
    """Run the first night; at each moment in turn do something else, and tell what came of it."""
    monkeypatch.setattr(nightly, "PAIRS_IN_ONE_COMMIT", 7)
    before = small.database.serialize()

    def outcomes(do):
        small.reconcile(0, Interrupted(small.database, None, None))
        moments = 2 * (2 + -(-small.expected[0].total() // 7))
        for moment in range(moments):
            small.database.deserialize(before)
            try:
                yield small.reconcile(0, Interrupted(small.database, moment, do))
            except (ConcurrentRunError, NightClosedError) as error:
                yield error

    return outcomes


def test_two_runs_of_one_file_at_once_end_as_one_would(small, interrupted):
    small_before = small.database.serialize()
    small.reconcile(0)
    expected = content(small.database)
    small.database.deserialize(small_before)
    for _ in interrupted(lambda: small.reconcile(0)):
        assert content(small.database) == expected


def test_of_two_runs_with_different_files_the_one_that_closes_the_night_is_all_that_is_kept(
    small, interrupted, tmp_path
):
    other, reports = tmp_path / "other.csv", tmp_path / "reports"
    reports.mkdir()
    other.write_text(f"{HEADER}\n{GOOD}\n")

    def run_the_other():
        with contextlib.suppress(NightClosedError):
            nightly.reconcile(small.database, other, FIRST, reports)

    ends = Counter()
    for outcome in interrupted(run_the_other):
        theirs = small.database.read("SELECT reference FROM open_breaks WHERE side = 'theirs'")
        if isinstance(outcome, Exception):
            assert theirs == [("charge:e-1",)]
        else:
            assert ("charge:e-1",) not in theirs
        ends[type(outcome)] += 1
    assert ends.keys() == {report.Report, ConcurrentRunError, NightClosedError}


def test_a_run_whose_night_was_begun_by_another_one_that_died_is_noticed(small, interrupted):
    """That one has thrown away what this one kept open, unless there was nothing yet."""

    def begin_and_die():
        with contextlib.suppress(Killed):
            small.reconcile(0, Mortal(small.database, 1))

    refused = [outcome for outcome in interrupted(begin_and_die) if isinstance(outcome, Exception)]
    assert {type(error) for error in refused} == {ConcurrentRunError}
    kept = len(small.database.read("SELECT * FROM open_breaks"))
    assert small.reconcile(0).stay_open == kept > 0


def test_a_run_does_not_close_a_night_that_another_file_has_been_begun_for(small, interrupted):
    """Even if as many breaks were kept open: whether they are the same, nobody has looked."""
    whole = small.paths[0].read_text()
    moments = 2 * (2 + -(-small.expected[0].total() // 7))

    def begin_with_the_other_and_die():
        small.paths[0].write_text(whole.replace("pi_", "px_"))
        with contextlib.suppress(Killed):
            small.reconcile(0, Mortal(small.database, moments - 2))
        small.paths[0].write_text(whole)

    before_closing = list(interrupted(begin_with_the_other_and_die))[-2]
    assert isinstance(before_closing, ConcurrentRunError)
    assert "with the file of SHA-256" in str(before_closing)


# --- the command line ----------------------------------------------------------------------------


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "amazonian.payments.nightly", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_line_prints_the_page_and_says_what_is_wrong(tmp_path):
    database = store.open_store(tmp_path / "payments.db")
    days = Days(database, tmp_path, 32, 2, State.CAPTURED)
    database.close()
    options = ("--database", tmp_path / "payments.db", "--day", FIRST.day, "--folder", tmp_path)
    ended = run(*options, "--file", days.paths[0])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (tmp_path / "reconciliation-2026-07-28.txt").read_text()
    ended = run(*options, "--file", days.paths[1])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("NightClosedError: 2026-07-28 was reconciled with")
