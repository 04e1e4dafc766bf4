"""The file of the day: the whole truth, or known mistakes."""

import csv
import random
from collections import Counter
from datetime import date

import pytest

from amazonian.payments.stripe_simulator.settlement import (
    COLUMNS,
    Spoil,
    lines_of,
    settlement_file,
    spoil,
)

DAY, NEXT_DAY = date(2026, 7, 1), date(2026, 7, 2)


@pytest.fixture
def two_days(simulator, clock, psp, pay):
    """13 payments and two refunds on 1 July 2026; on the 2nd a payment, and a refund fails."""
    intents = [pay(amount=1000 + n, metadata={"order_id": f"o-{n}"}) for n in range(12)]
    psp.v1.refunds.create({"payment_intent": intents[0].id, "amount": 300})
    failing = pay(payment_method="pm_card_refundFail", metadata={"order_id": "o-12"})
    clock.sleep(14 * 3_600 - 1)  # one second before midnight
    psp.v1.refunds.create({"payment_intent": failing.id})
    clock.sleep(1)
    pay(amount=5000, currency="jpy", metadata={"order_id": "o-13"})
    clock.sleep(600)
    return simulator


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_tells_what_moved_on_its_day(two_days, psp, tmp_path):
    settlement_file(two_days, DAY, tmp_path / "day.csv")
    told = rows(tmp_path / "day.csv")
    assert tuple(told[0]) == COLUMNS
    assert Counter(row["reporting_category"] for row in told) == {"charge": 13, "refund": 2}
    assert told[0]["created_utc"] == "2026-07-01 10:00:00"
    assert told[-1]["created_utc"] == "2026-07-01 23:59:59"
    assert (told[1]["gross"], told[1]["fee"], told[1]["net"]) == ("1001", "59", "942")
    assert told[13]["order_id"] == "o-12"
    settlement_file(two_days, NEXT_DAY, tmp_path / "next.csv")
    after = rows(tmp_path / "next.csv")
    assert [row["reporting_category"] for row in after] == ["charge", "refund_failure"]
    assert [row["order_id"] for row in after] == ["o-13", "o-12"]
    moved = {each.id: each.net for each in psp.v1.balance_transactions.list({"limit": 100})}
    assert {row["balance_transaction_id"]: int(row["net"]) for row in told + after} == moved


@pytest.mark.parametrize("seed", range(20))
def test_each_mistake_is_made_once_and_the_truth_is_told(two_days, seed):
    true = lines_of(two_days, DAY)
    settlement = spoil(true, list(Spoil), random.Random(seed))
    assert {mistake.kind for mistake in settlement.mistakes} == set(Spoil)
    mended = Counter(settlement.lines)
    for mistake in settlement.mistakes:
        if mistake.told:
            mended[mistake.told] -= 1
        if mistake.true:
            mended[mistake.true] += 1
        if mistake.kind is Spoil.DUPLICATE:
            assert settlement.lines.count(mistake.told) == 2
            mended[mistake.true] -= 1
        if mistake.kind is Spoil.AMOUNT:
            assert mistake.told.gross == mistake.true.gross + 1
            assert mistake.told.net + mistake.told.fee == mistake.told.gross
        if mistake.kind is Spoil.CURRENCY:
            assert mistake.told.currency != mistake.true.currency
        if mistake.kind is Spoil.CUT_OFF:
            assert list(settlement.carried) == [mistake.true]
    assert +mended == Counter(true)


def test_what_is_cut_off_stands_in_the_next_days_file(two_days, tmp_path):
    first = settlement_file(two_days, DAY, tmp_path / "1.csv", ["cut_off"], random.Random(1))
    second = settlement_file(two_days, NEXT_DAY, tmp_path / "2.csv", carried=first.carried)
    (cut,) = first.carried
    assert cut not in first.lines
    assert second.lines[0] == cut
    assert rows(tmp_path / "2.csv")[0]["balance_transaction_id"] == cut.balance_transaction_id


def test_there_can_not_be_more_mistakes_than_lines(two_days):
    with pytest.raises(ValueError, match=r"[Ss]ample"):
        spoil(lines_of(two_days, NEXT_DAY), ["missing"] * 3, random.Random(0))


def test_a_day_without_movements_has_an_empty_file(simulator, tmp_path):
    settlement_file(simulator, DAY, tmp_path / "day.csv")
    assert rows(tmp_path / "day.csv") == []
