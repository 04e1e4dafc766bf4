"""Vertical partitioning: what must stay together, and what a join across costs."""

import random
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.resilience.database import open_database
from amazonian.shop.partitioning import (
    COLD,
    HOT,
    ITEMS,
    JOINS,
    PRODUCTS,
    SAGA,
    TABLES,
    TRANSACTIONS,
    WHOLE,
    Counted,
    fill,
    fill_columns,
    joins_across,
    keep_together,
    lines_across,
    lines_by_join,
    lines_one_by_one,
    value_of_stock,
)

SETS = st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), max_size=8)


@given(SETS)
def test_groups_are_the_finest_that_cut_no_transaction(transactions: list[set[str]]) -> None:
    groups = keep_together("abcdefgh", transactions)
    assert sorted(chain.from_iterable(groups)) == list("abcdefgh")
    for written in transactions:
        assert any(written <= group for group in groups)
    # Finest: within a group, every table is reached from any other, transaction by transaction.
    for group in groups:
        reached = {min(group)}
        for _ in group:
            for written in transactions:
                if written & reached:
                    reached |= written
        assert reached == group


def test_the_shops_checkout_binds_six_tables_and_the_saga_sets_them_free() -> None:
    groups = keep_together(TABLES, TRANSACTIONS.values())
    assert len(groups) == 4
    assert max(groups, key=len) == set(TRANSACTIONS["check out"])
    steps = {name: tables for name, tables in TRANSACTIONS.items() if name != "check out"} | SAGA
    assert set().union(*SAGA.values()) == set(TRANSACTIONS["check out"])
    assert len(keep_together(TABLES, steps.values())) == 7


def test_a_join_is_across_if_no_group_has_all_its_tables() -> None:
    joins = {("a", "b"): 5, ("b", "c"): 7, ("a",): 100}
    assert joins_across([{"a", "b", "c"}], joins) == 0
    assert joins_across([{"a", "b"}, {"c"}], joins) == 7
    assert joins_across([{"a"}, {"b"}, {"c"}], joins) == 12
    assert joins_across([TABLES], JOINS) == 0
    assert {table for tables in JOINS for table in tables} <= set(TABLES)


@pytest.fixture
def databases(tmp_path, closing):
    def make(name: str, schema):
        return closing(open_database(tmp_path / name, schema))

    one = make("one.db", (ITEMS, PRODUCTS))
    items, products = make("items.db", (ITEMS,)), make("products.db", (PRODUCTS,))
    fill(one, one, random.Random(7))
    fill(items, products, random.Random(7))
    return Counted(one), Counted(items), Counted(products)


def test_a_join_across_costs_a_second_query_or_forty(databases) -> None:
    one, items, products = databases
    joined = lines_by_join(one, "customer-3")
    assert len(joined) == 40
    assert one.queries == 1
    assert lines_across(items, products, "customer-3") == joined
    assert (items.queries, products.queries) == (1, 1)
    assert lines_one_by_one(items, products, "customer-3") == joined
    assert (items.queries, products.queries) == (2, 41)


def test_no_foreign_key_reaches_across(databases) -> None:
    _, items, products = databases
    sku = lines_across(items, products, "customer-3")[0].sku
    products._database.write(lambda t: t.execute("DELETE FROM products WHERE sku = ?", (sku,)))
    for lines in (lines_across, lines_one_by_one):
        titles = {line.sku: line.title for line in lines(items, products, "customer-3")}
        assert titles.pop(sku) is None
        assert None not in titles.values()


def test_hot_columns_apart_say_the_same_in_fewer_pages(tmp_path, closing) -> None:
    database = closing(open_database(tmp_path / "columns.db", (WHOLE, HOT, COLD)))
    fill_columns(database, 200, text_bytes=3_000)
    expected = sum((100 + number) * (number % 9) for number in range(200))
    assert value_of_stock(database, "whole") == value_of_stock(database, "hot") == expected
