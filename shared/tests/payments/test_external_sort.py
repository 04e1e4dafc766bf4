"""Sorting on disk: the order of `sorted`, in the memory of a few rows, with nothing left behind."""

import tempfile
import tracemalloc
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.payments import external_sort as module
from amazonian.payments.external_sort import external_sort

KEY = itemgetter(0)


@pytest.fixture
def files(monkeypatch):
    """The temporary files that were opened."""
    opened = []

    def temporary_file(*args, **kwargs):
        opened.append(tempfile.TemporaryFile(*args, **kwargs))  # noqa: SIM115
        return opened[-1]

    class Watched:
        TemporaryFile = staticmethod(temporary_file)

    monkeypatch.setattr(module, "tempfile", Watched)
    return opened


def rows(count):
    """Rows in an order that is neither up nor down."""
    return [(f"{number * 7919 % count:06d}", number) for number in range(count)]


@given(
    keys=st.lists(st.sampled_from("abcdefgh"), max_size=60),
    rows_in_memory=st.integers(1, 9),
    most_runs=st.integers(2, 4),
    rows_at_once=st.integers(1, 3),
)
def test_it_sorts_as_sorted_does_and_keeps_the_order_of_equal_keys(
    keys, rows_in_memory, most_runs, rows_at_once
):
    numbered = [(key, number) for number, key in enumerate(keys)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
        result = list(external_sort(iter(numbered), KEY, rows_in_memory, most_runs))
    assert result == sorted(numbered, key=KEY)


@given(
    st.lists(
        st.tuples(
            st.text("aé\0漢😀", max_size=3), st.integers(), st.floats(allow_nan=False), st.none()
        ),
        max_size=20,
    )
)
def test_texts_numbers_and_none_come_back_as_they_were(given_rows):
    assert list(external_sort(given_rows, KEY, 3, 2)) == sorted(given_rows, key=KEY)


def test_a_thousand_runs_are_merged_in_several_passes():
    assert list(external_sort(rows(5_000), KEY, 5, 8)) == sorted(rows(5_000))


@pytest.mark.parametrize("runs", [1, 2, 3, 4, 9, 10, 28])
def test_no_more_runs_than_allowed_are_read_at_once(monkeypatch, runs):
    merged, merge = [], module._merge

    def watched(file, some, key):
        merged.append(len(some))
        return merge(file, some, key)

    monkeypatch.setattr(module, "_merge", watched)
    assert len(list(external_sort(rows(5 * runs), KEY, 5, 3))) == 5 * runs
    assert max(merged) <= 3


def test_a_row_longer_than_any_buffer_comes_back(tmp_path):
    long = [("b", "x" * 3_000_000), ("a", "y" * 3_000_000)]
    assert list(external_sort(long, KEY, 1, 2, tmp_path)) == sorted(long)


def test_the_file_has_no_name_and_is_gone_in_the_end(files, tmp_path):
    result = external_sort(rows(100), KEY, 7, 3, tmp_path)
    assert files == []  # nothing happens before the first row is asked for
    next(result)
    assert list(tmp_path.iterdir()) == []
    assert [file.closed for file in files] == [False]
    assert len(list(result)) == 99
    assert [file.closed for file in files] == [True]


def test_the_file_is_gone_when_the_consumer_stops_early(files):
    result = external_sort(rows(100), KEY, 7, 3)
    next(result)
    result.close()
    assert [file.closed for file in files] == [True]


def test_the_file_is_gone_when_the_consumer_forgets_the_rest(files):
    for row in external_sort(rows(100), KEY, 7, 3):
        if row[0] > "000050":
            break
    assert [file.closed for file in files] == [True]


def test_an_error_among_the_rows_is_passed_on_and_the_file_is_gone(files):
    def broken():
        yield from rows(50)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        next(external_sort(broken(), KEY, 7, 3))
    assert [file.closed for file in files] == [True]


def test_an_error_while_writing_is_passed_on_and_the_file_is_gone(files):
    with pytest.raises(ValueError, match="unmarshallable"):
        next(external_sort([("a", object())], KEY))
    assert [file.closed for file in files] == [True]


def test_nothing_comes_back_before_the_last_row_has_been_taken():
    source = iter(rows(100))
    next(external_sort(source, KEY, 7, 3))
    assert list(source) == []


def test_memory_holds_a_few_rows_and_not_all():
    size, count = 1_000, 16_000

    def large():
        for number in range(count):
            yield f"{number * 7919 % count:06d}", bytes(size)

    tracemalloc.start()
    try:
        for row in external_sort(large(), KEY, 500, 2):
            assert len(row[1]) == size
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held_at_once = 2 * module.ROWS_AT_ONCE  # a batch of each run
    assert peak_bytes < 4 * held_at_once * size < size * count


@pytest.mark.parametrize(("rows_in_memory", "most_runs"), [(0, 2), (-1, 2), (1, 1), (1, 0)])
def test_sizes_with_which_no_sort_can_end_are_refused(rows_in_memory, most_runs):
    with pytest.raises(ValueError, match="can't sort"):
        next(external_sort(rows(3), KEY, rows_in_memory, most_runs))
