"""Reading settlement files: what a good one says, and which line of a bad one is wrong."""

import csv

import pytest

from amazonian.payments import settlement_lines
from amazonian.payments.settlement_lines import COLUMNS, LONGEST_LINE_BYTES, SettlementFileError
from amazonian.payments.stripe_simulator import settlement as simulated

HEADER = ",".join(COLUMNS)
GOOD = {
    "balance_transaction_id": "txn_1",
    "created_utc": "2026-07-28 23:59:55",
    "reporting_category": "charge",
    "currency": "eur",
    "gross": "2000",
    "fee": "88",
    "net": "1912",
    "payment_intent_id": "pi_1",
    "order_id": "e-1",
}
AT_S = 1_785_283_195.0


def record(**changes):
    return ",".join((GOOD | changes).values())


def read(folder, content):
    path = folder / "2026-07-28.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(settlement_lines.read(path))


def refused(folder, content):
    """The error that a file must meet with."""
    with pytest.raises(SettlementFileError) as error:
        read(folder, content)
    assert str(error.value).startswith(f"2026-07-28.csv, line {error.value.line}: ")
    return error.value


def test_a_line_is_read_with_the_currency_in_capitals_and_the_time_in_seconds(tmp_path):
    [row] = read(tmp_path, f"{HEADER}\n{record()}\n")
    assert row == ("charge:e-1", 2000, "EUR", AT_S, "txn_1", 88)


def test_a_file_without_a_line_is_a_day_without_movements(tmp_path):
    assert read(tmp_path, f"{HEADER}\n") == []


def test_columns_may_come_in_any_order_and_lines_may_end_as_on_windows(tmp_path):
    names = sorted(COLUMNS)
    content = f"{','.join(names)}\r\n{','.join(GOOD[name] for name in names)}\r\n"
    assert read(tmp_path, content) == read(tmp_path, f"{HEADER}\n{record()}\n")


@pytest.mark.parametrize("category", ["refund", "refund_failure"])
def test_refunds_and_refunds_that_came_back_are_read(tmp_path, category):
    gross = "-2000" if category == "refund" else "2000"
    line = record(reporting_category=category, gross=gross, fee="0", net=gross)
    [row] = read(tmp_path, f"{HEADER}\n{line}\n")
    assert row[:2] == (f"{category}:e-1", int(gross))


def test_a_charge_that_bears_no_order_is_called_by_its_intent(tmp_path):
    [row] = read(tmp_path, f"{HEADER}\n{record(order_id='')}\n")
    assert row[0] == "charge:pi_1"


def test_the_columns_are_those_that_the_simulator_writes():
    assert COLUMNS == simulated.COLUMNS


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"gross": "20.00"}, "gross '20.00' is not a whole number"),
        ({"gross": ""}, "gross '' is not"),
        ({"gross": "2_000"}, "gross '2_000' is not"),
        ({"gross": "+2000"}, "is not a whole number"),
        ({"gross": " 2000"}, "is not a whole number"),
        ({"gross": "02000"}, "is not a whole number"),
        ({"gross": "２000"}, "is not a whole number"),
        ({"gross": "2e3"}, "is not a whole number"),
        ({"gross": "NaN"}, "is not a whole number"),
        ({"gross": "9" * 5_000}, "is not a whole number"),
        ({"gross": str(2**53), "net": str(2**53 - 88)}, "is not a whole number of at most 16"),
        ({"fee": "0.88"}, "fee '0.88' is not"),
        ({"net": "-0"}, "net '-0' is not"),
        ({"net": "1911"}, "net 1911 is not gross 2000 less fee 88"),
        ({"reporting_category": "payout"}, "reporting_category 'payout' is none of"),
        ({"currency": "EUR"}, "currency 'EUR' is no code"),
        ({"currency": "xxy"}, "currency 'xxy' is no code"),
        ({"created_utc": "28.07.2026 23:59"}, "is not written like 2026-07-28 23:59:55"),
        ({"created_utc": "2026-07-28T23:59:55Z"}, "is not written like"),
        ({"created_utc": "2026-02-30 00:00:00"}, "day"),
        ({"created_utc": "2026-07-28 24:00:00"}, "hour"),
        ({"order_id": "", "payment_intent_id": ""}, "order_id '' is empty"),
        ({"order_id": "e\x00"}, "not printable"),
        ({"order_id": "e" * 256}, "too long"),
        ({"balance_transaction_id": ""}, "balance_transaction_id '' is empty"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_line(tmp_path, changes, problem):
    error = refused(tmp_path, f"{HEADER}\n{record()}\n{record(**changes)}\n{record()}\n")
    assert error.line == 3
    assert problem in error.problem


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("", "0 fields on a line"),
        ("txn_2,2026", "2 fields on a line; 9 are expected"),
        (record() + ",more", "10 fields on a line"),
        ('"txn_2"x' + record(balance_transaction_id=""), "expected after"),
        (record(order_id='"e-1'), "unexpected end of data"),
        (record(order_id='"e\n-1"'), "9 fields on a line"),
    ],
)
def test_a_line_that_is_broken_is_named_by_its_number(tmp_path, broken, problem):
    error = refused(tmp_path, f"{HEADER}\n{record()}\n{broken}\n{record()}\n")
    assert error.line == 3
    assert problem in error.problem


def test_an_error_in_the_first_line_after_the_header_is_on_line_2(tmp_path):
    assert refused(tmp_path, f'{HEADER}\n"a"b\n').line == 2


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (HEADER.replace("fee", "cost"), "unknown column 'cost'"),
        (f"{HEADER},customer", "unknown column 'customer'"),
        ("\ufeff" + HEADER, "unknown column"),
        (HEADER.replace(",fee", ""), "missing: ['fee']"),
        (f"{HEADER},fee", "there twice"),
        ("", "the file is empty"),
        (record(), "unknown column 'txn_1'"),
    ],
)
def test_a_header_that_is_wrong_is_on_line_1(tmp_path, header, problem):
    error = refused(tmp_path, f"{header}\n{record()}\n")
    assert error.line == 1
    assert problem in error.problem


def test_a_file_with_nothing_in_it_is_refused(tmp_path):
    error = refused(tmp_path, "")
    assert (error.line, error.problem[:17]) == (1, "the file is empty")


@pytest.mark.parametrize(("encoding", "line"), [("utf-16", 1), ("latin-1", 3)])
def test_another_encoding_is_noticed(tmp_path, encoding, line):
    content = f"{HEADER}\n{record()}\n{record(order_id='é')}\n".encode(encoding)
    error = refused(tmp_path, content)
    assert error.line == line
    assert "this is no UTF-8" in error.problem


def test_a_file_that_is_cut_anywhere_in_a_line_is_refused_with_that_line(tmp_path):
    whole = f"{HEADER}\n{record()}\n{record(order_id='é')}\n".encode()
    for length in range(1, len(whole)):
        cut = whole[:length]
        if cut.endswith(b"\n"):
            assert len(read(tmp_path, cut)) == cut.count(b"\n") - 1
        else:
            error = refused(tmp_path, cut)
            assert error.line == cut.count(b"\n") + 1
            assert "cut off" in error.problem


def test_a_line_that_has_no_end_is_not_read_into_memory(tmp_path):
    error = refused(tmp_path, f"{HEADER}\n".encode() + b"x" * 10 * LONGEST_LINE_BYTES)
    assert error.line == 2
    assert error.problem == f"the line is too long after {LONGEST_LINE_BYTES} bytes"


def test_quoted_fields_are_read_as_any_csv_writer_writes_them(tmp_path):
    path = tmp_path / "2026-07-28.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([COLUMNS, (GOOD | {"order_id": 'a "quoted", order'}).values()])
    [row] = settlement_lines.read(path)
    assert row[0] == 'charge:a "quoted", order'
