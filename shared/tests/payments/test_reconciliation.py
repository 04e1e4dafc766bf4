"""Pairing two sides' lines, against a dictionary that holds them all at once."""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.payments import reconciliation
from amazonian.payments.reconciliation import DAY_S, KEEP_OPEN_S, Kind, Line, Night, Pair

NIGHT = Night(date(2026, 7, 28))
ALONE = (Kind.CUT_OFF, Kind.MISSING_HERE, Kind.MISSING_THERE)


def line(reference="charge:e-1", amount=100, currency="EUR", at_s=NIGHT.starts_s, source=""):
    return Line(reference, amount, currency, at_s, source)


@st.composite
def sides(draw):
    """Two lists of lines, by reference, with few references, so that many come more than once."""
    some = st.builds(
        Line,
        reference=st.sampled_from(["charge:a", "charge:b", "refund:a", "refund:b"]),
        amount=st.sampled_from([100, 101, -100]),
        currency=st.sampled_from(["EUR", "USD"]),
        at_s=st.sampled_from([NIGHT.starts_s, NIGHT.ends_s - 5, NIGHT.ends_s + 30]),
        source=st.sampled_from(["x", "y"]),
    )
    return [sorted(draw(st.lists(some, max_size=6)), key=lambda one: one.reference) for _ in "12"]


def naive(ours, theirs):
    """How many pairs of which kind each reference has, with all lines in a dictionary."""
    by_reference = {}
    for side, lines in enumerate((ours, theirs)):
        for one in lines:
            by_reference.setdefault(one.reference, ([], []))[side].append(one)
    kinds = Counter()
    for reference, (left, right) in by_reference.items():
        counters = [Counter((one.amount, one.currency) for one in side) for side in (left, right)]
        agreed = (counters[0] & counters[1]).total()
        paired = 2 * agreed
        if not agreed:
            kinds[reference, naive_kind(left[:1], right[:1])] += 1
            paired = len(left[:1]) + len(right[:1])
        kinds[reference, Kind.MATCHED] += agreed
        kinds[reference, Kind.DUPLICATE] += len(left) + len(right) - paired
    return +kinds


def naive_kind(left, right):
    if left and right:
        same = left[0].currency == right[0].currency
        return Kind.AMOUNT_DIFFERS if same else Kind.CURRENCY_DIFFERS
    if (left + right)[0].at_s in (NIGHT.ends_s - 5, NIGHT.ends_s + 30):
        return Kind.CUT_OFF
    return Kind.MISSING_THERE if left else Kind.MISSING_HERE


@given(sides())
def test_match_finds_what_a_dictionary_finds(both):
    ours, theirs = both
    pairs = list(reconciliation.match(iter(ours), iter(theirs), NIGHT))
    assert Counter((pair.reference, pair.kind) for pair in pairs) == naive(ours, theirs)


@given(sides())
def test_each_line_comes_out_once_and_unchanged_by_reference(both):
    pairs = list(reconciliation.match(*both, NIGHT))
    for side, lines in (("ours", both[0]), ("theirs", both[1])):
        out = [getattr(pair, side) for pair in pairs if getattr(pair, side)]
        assert Counter(out) == Counter(lines)
    references = [pair.reference for pair in pairs]
    assert references == sorted(references)


@given(sides())
def test_each_pair_is_what_its_kind_says(both):
    for kind, ours, theirs in reconciliation.match(*both, NIGHT):
        if kind is Kind.DUPLICATE:
            assert (ours is None) != (theirs is None)
        else:
            assert kind is reconciliation.classify(ours, theirs, NIGHT)
        if ours and theirs:
            assert ours.reference == theirs.reference


@given(sides())
def test_no_break_hides_a_pair_that_agrees(both):
    for _, pairs in groupby(reconciliation.match(*both, NIGHT), lambda pair: pair.reference):
        breaks = [pair for pair in pairs if pair.kind is not Kind.MATCHED]
        ours, theirs = (
            {(one.amount, one.currency) for pair in breaks if (one := pair[side])}
            for side in (1, 2)
        )
        assert not ours & theirs


@given(sides())
def test_pair_up_gives_matches_then_the_first_pair_then_our_duplicates_then_theirs(both):
    ours, theirs = (
        [one._replace(reference="charge:a", source=str(place)) for place, one in enumerate(side)]
        for side in both
    )
    if not ours and not theirs:
        return
    pairs = list(reconciliation.pair_up(ours, theirs, NIGHT))
    matched = [pair for pair in pairs if pair.kind is Kind.MATCHED]
    assert pairs[: len(matched)] == matched
    places = [int(pair.ours.source) for pair in matched]
    assert places == sorted(places)
    rest = pairs[len(matched) :]
    if not matched:
        assert rest[0][1:] == (next(iter(ours), None), next(iter(theirs), None))
        rest = rest[1:]
    assert {pair.kind for pair in rest} <= {Kind.DUPLICATE}
    of_ours = [pair.ours is not None for pair in rest]
    assert of_ours == sorted(of_ours, reverse=True)


def test_pair_up_leaves_its_lists_as_they_are():
    ours, theirs = [line(), line(amount=7)], [line(amount=7), line(amount=8)]
    before = list(ours), list(theirs)
    list(reconciliation.pair_up(ours, theirs, NIGHT))
    assert (ours, theirs) == before


def test_match_takes_one_line_more_than_it_has_paired():
    taken = Counter()

    def stream(side):
        for number in range(100):
            taken[side] += 1
            yield line(f"charge:{number:03d}")

    pairs = reconciliation.match(stream("ours"), stream("theirs"), NIGHT)
    for number in range(1, 99):
        next(pairs)
        assert taken == {"ours": number + 1, "theirs": number + 1}


def test_match_of_nothing_is_nothing():
    assert list(reconciliation.match([], [], NIGHT)) == []


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_what_is_left_of_the_longer_side_stands_alone(side):
    lines = [line("charge:a"), line("charge:b"), line("charge:c")]
    both = {"ours": lines[:1], "theirs": lines[:1]} | {side: lines}
    kinds = [pair.kind for pair in reconciliation.match(both["ours"], both["theirs"], NIGHT)]
    missing = Kind.MISSING_THERE if side == "ours" else Kind.MISSING_HERE
    assert kinds == [Kind.MATCHED, missing, missing]


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        (line(), Kind.MATCHED),
        (line(at_s=NIGHT.starts_s + 40_000, source="txn_1"), Kind.MATCHED),
        (line()._replace(fee=9), Kind.MATCHED),
        (line(amount=101), Kind.AMOUNT_DIFFERS),
        (line(currency="USD"), Kind.CURRENCY_DIFFERS),
        (line(amount=101, currency="USD"), Kind.CURRENCY_DIFFERS),
    ],
)
def test_two_lines_are_compared_by_currency_and_amount_alone(theirs, kind):
    assert reconciliation.classify(line(), theirs, NIGHT) is kind


@pytest.mark.parametrize("away_s", [-60.0, -59.9, 0.0, 59.9, 60.0, -60.1, 60.1, -DAY_S])
def test_a_line_alone_is_a_cut_off_break_within_the_window_on_both_sides_of_midnight(away_s):
    night = Night(NIGHT.day, cut_off_s=60.0)
    alone = line(at_s=night.ends_s + away_s)
    near = abs(away_s) <= 60
    expected = (Kind.CUT_OFF, Kind.CUT_OFF) if near else (Kind.MISSING_THERE, Kind.MISSING_HERE)
    assert reconciliation.classify(alone, None, night) is expected[0]
    assert reconciliation.classify(None, alone, night) is expected[1]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_only_what_has_no_counterpart_stays_open(kind, side):
    alone = line()
    pair = Pair(kind, *((alone, None) if side == "ours" else (None, alone)))
    assert pair.reference == alone.reference
    assert pair.stays_open(NIGHT) is (kind in ALONE)


def test_what_stands_alone_is_given_up_after_a_week():
    pair = Pair(Kind.MISSING_HERE, None, line(at_s=NIGHT.ends_s - KEEP_OPEN_S + 1))
    assert pair.stays_open(NIGHT)
    assert not pair.stays_open(Night(date(2026, 7, 29)))
    at_the_edge = Pair(Kind.MISSING_HERE, None, line(at_s=NIGHT.ends_s - KEEP_OPEN_S))
    assert not at_the_edge.stays_open(NIGHT)


def test_a_night_is_a_day_of_utc():
    night = Night(date(2026, 3, 1))
    assert datetime.fromtimestamp(night.starts_s, UTC).isoformat() == "2026-03-01T00:00:00+00:00"
    assert datetime.fromtimestamp(night.ends_s, UTC).isoformat() == "2026-03-02T00:00:00+00:00"
    assert night.before == date(2026, 2, 28)
