"""The report that a person reads: its sums add up, and what it leaves out it says."""

import csv
import re
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.payments import reconciliation, report
from amazonian.payments.reconciliation import Kind, Line, Night, Pair
from amazonian.payments.report import ADVICE, SHOWN_OF_EACH_KIND, ControlTotalError, Report

NIGHT = Night(date(2026, 7, 28))
BREAKS = [kind for kind in Kind if kind is not Kind.MATCHED]


def pair(kind, number=0, amount=1_234, currency="EUR", at_s=NIGHT.starts_s + 36_000):
    """A pair as it may come of `match`; the amounts, where they differ, by one."""
    ours = Line(f"charge:e{number}-1", amount, currency, at_s, f"capture:e{number}-1")
    theirs = ours._replace(source=f"txn_{number}", fee=66)
    match kind:
        case Kind.AMOUNT_DIFFERS:
            theirs = theirs._replace(amount=amount + 1)
        case Kind.CURRENCY_DIFFERS:
            theirs = theirs._replace(currency="USD")
        case Kind.MISSING_HERE | Kind.DUPLICATE:
            ours = None
        case Kind.MISSING_THERE | Kind.CUT_OFF:
            theirs = None
    return Pair(kind, ours, theirs)


def report_of(*pairs):
    """The report on these pairs, as if their lines had gone in."""
    found = Report(NIGHT, "2026-07-28.csv")
    for one in pairs:
        for line, taken in ((one.ours, found.taken_ours), (one.theirs, found.taken_theirs)):
            if line:
                taken.add(line.amount, line.currency)
        found.add(one)
    found.check_totals()
    return found


def sums_on(page):
    """For each currency: what stands on its lines, in units, by name."""
    sums, of_currency = {}, None
    for line in page.splitlines():
        if re.fullmatch("[A-Z]{3}", line):
            of_currency = sums.setdefault(line, {})
        elif of_currency is not None:
            if not line:
                break
            name, amount, currency = re.fullmatch(r" +(.+?) {2,}(\S+) (\w+)", line).groups()
            assert sums[currency] is of_currency
            of_currency[name] = Decimal(amount)
    return sums


some_lines = st.lists(
    st.builds(
        Line,
        reference=st.sampled_from(["charge:a", "charge:b", "charge:c", "refund:a"]),
        amount=st.integers(-10_000, 10_000).filter(bool),
        currency=st.sampled_from(["EUR", "JPY", "KWD"]),
        at_s=st.sampled_from([NIGHT.starts_s - 9, NIGHT.starts_s + 9, NIGHT.ends_s - 9]),
    ),
    max_size=6,
).map(sorted)


@given(some_lines, some_lines)
def test_the_sums_of_each_currency_add_up(ours, theirs):
    found = report_of(*reconciliation.match(ours, theirs, NIGHT))
    sums = sums_on(report.page(found))
    assert sums.keys() == {line.currency for line in ours + theirs}
    for currency, named in sums.items():
        cents = Decimal(10) ** -{"EUR": 2, "JPY": 0, "KWD": 3}[currency]
        for name, lines in (("our ledger", ours), ("settlement file", theirs)):
            of_side = sum(line.amount for line in lines if line.currency == currency)
            assert named.pop(name) == of_side * cents
        difference = named.pop("difference")
        assert difference == sum(named.values())
        assert named.keys() <= set(BREAKS)
        assert 0 not in named.values()


@given(some_lines, some_lines)
def test_the_heads_count_what_went_in_and_what_came_of_it(ours, theirs):
    pairs = list(reconciliation.match(ours, theirs, NIGHT))
    kinds = Counter(one.kind for one in pairs)
    text = report.page(report_of(*pairs))
    assert f"{len(ours)} lines of our ledger with {len(theirs)} of 2026-07-28.csv" in text
    assert f"Matched    {kinds[Kind.MATCHED]}," in text
    assert f"Breaks     {kinds.total() - kinds[Kind.MATCHED]}, all of them in" in text
    assert f"Kept open  {sum(one.stays_open(NIGHT) for one in pairs)}," in text
    for kind in BREAKS:
        heads = re.findall(rf"^{kind.capitalize()}: (\d+)", text, re.M)
        assert heads == ([str(kinds[kind])] if kinds[kind] else [])


@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("more", [-1, 0, 1, 2_000])
def test_the_first_of_each_kind_are_shown_and_the_rest_is_said(kind, more):
    count = SHOWN_OF_EACH_KIND + more
    text = report.page(report_of(*(pair(kind, number) for number in range(count))))
    assert f"{kind.capitalize()}: {count:,}\n" in text
    shown = re.findall(r"^  charge:e(\d+)-1$", text, re.M)
    assert shown == [str(number) for number in range(min(count, SHOWN_OF_EACH_KIND))]
    rest = re.findall(r"… and (\S+) more in (\S+)", text)
    assert rest == ([(f"{more:,}", "reconciliation-2026-07-28.csv")] if more > 0 else [])


@pytest.mark.parametrize("kind", BREAKS)
def test_each_kind_says_what_to_do_and_what_both_sides_have(kind):
    one = pair(kind)
    text = report.page(report_of(one))
    assert ADVICE[kind] in " ".join(text.split())
    for side, line in (("ours", one.ours), ("theirs", one.theirs)):
        shown = re.findall(rf"^    {side} +(\S+ \S+)  (.*)  (\S+)$", text, re.M)
        if line:
            units = f"{line.amount // 100}.{line.amount % 100:02d}"
            assert shown == [(f"{units} {line.currency}", "2026-07-28 10:00:00", line.source)]
        else:
            assert shown == []


def test_a_night_without_a_break_says_so():
    text = report.page(report_of(pair(Kind.MATCHED), pair(Kind.MATCHED, 1)))
    assert "Matched    2, of which 0 with a line of an earlier day\nBreaks     0," in text
    assert text.endswith("  difference                          0.00 EUR\n")


def test_lines_of_earlier_days_are_counted_apart():
    before = NIGHT.starts_s - 5
    found = report_of(
        pair(Kind.MATCHED),
        pair(Kind.MATCHED, 1, at_s=before),
        pair(Kind.MISSING_THERE, 2, at_s=before),
        pair(Kind.MISSING_THERE, 3, at_s=NIGHT.starts_s),
    )
    text = report.page(found)
    assert "Matched    2, of which 1 with a line of an earlier day" in text
    assert "Missing there: 2, 1 since an earlier day\n" in text


def test_no_line_of_the_page_is_wider_than_it_says():
    pairs = [pair(kind, number) for kind in Kind for number in range(20)]
    assert max(map(len, report.page(report_of(*pairs)).splitlines())) <= report.WIDTH


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: pairs[1:],
        lambda pairs: pairs + pairs[:1],
        lambda pairs: [pairs[0]._replace(ours=pairs[0].ours._replace(amount=1)), *pairs[1:]],
        lambda pairs: [
            pairs[0]._replace(theirs=pairs[0].theirs._replace(currency="JPY")),
            *pairs[1:],
        ],
    ],
)
def test_a_line_that_is_lost_or_made_up_or_changed_between_is_noticed(change):
    pairs = [pair(Kind.MATCHED, number) for number in range(3)]
    found = report_of(*pairs)
    came_out = Report(NIGHT, "x", taken_ours=found.taken_ours, taken_theirs=found.taken_theirs)
    for one in change(pairs):
        came_out.add(one)
    with pytest.raises(ControlTotalError, match="went in"):
        came_out.check_totals()


def test_the_csv_file_has_every_break_in_full(tmp_path):
    pairs = [pair(kind, number) for kind in BREAKS for number in range(30)]
    path = tmp_path / "breaks.csv"
    with report.breaks_file(path) as write_break:
        for one in pairs:
            write_break(one)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(pairs)
    for row, one in zip(rows, pairs, strict=True):
        assert (row["kind"], row["reference"]) == (one.kind, one.reference)
        for side, line, id_column in (
            ("our", one.ours, "our_entry"),
            ("their", one.theirs, "their_balance_transaction"),
        ):
            written = [row[f"{side}_{name}"] for name in ("amount", "currency", "time_utc")]
            expected = (
                [str(line.amount), line.currency, "2026-07-28 10:00:00"] if line else [""] * 3
            )
            assert [*written, row[id_column]] == [*expected, line.source if line else ""]


def test_a_file_that_is_not_whole_is_not_seen_and_the_old_one_stays(tmp_path):
    path = tmp_path / "breaks.csv"
    path.write_text("the old one")

    def killed():
        with report.breaks_file(path) as write_break:
            write_break(pair(Kind.DUPLICATE))
            assert path.read_text() == "the old one"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("breaks.csv", "the old one")
    ]


def test_the_page_is_written_as_it_is_printed(tmp_path):
    found = report_of(pair(Kind.DUPLICATE), pair(Kind.MATCHED, 1))
    report.write_page(tmp_path / "page.txt", found)
    assert (tmp_path / "page.txt").read_text(encoding="utf-8") == report.page(found)
