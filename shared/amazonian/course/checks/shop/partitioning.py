"""What lab 2.3 asks of a vertical partition: which tables stay together."""

from collections.abc import Collection

from amazonian.course.evidence import call, fail
from amazonian.course.rules import RulesFor
from amazonian.shop.partitioning import SAGA, TABLES, TRANSACTIONS

about = RulesFor("amazonian.shop.partitioning")

CHAIN = "a table in two groups joins them: merge every group that the transaction touches"


def _groups(
    keep_together, tables: Collection[str], written: Collection, wanted: list[str], look: str = ""
) -> None:
    """The answer's groups are these, in any order; a text like ``ab`` is the group a, b."""
    expected = {frozenset(group) for group in wanted}
    text = f"the groups {', '.join(sorted(''.join(sorted(group)) for group in wanted))}"
    answer = call(keep_together, tables, written)
    groups = answer.satisfies(
        lambda value: all(isinstance(group, frozenset | list) for group in value),
        f"a list of sets: {text}",
        "each group is a set of names",
    )
    if {frozenset(group) for group in groups} != expected:
        raise answer.broken(text, look)
    if len(groups) != len(expected):
        raise answer.broken(f"{text}, each once", "no group twice, and none that is empty")


@about.rule("keep_together")
def tables_that_are_written_alone_are_groups(keep_together):
    """Tables that no transaction writes together with others are a group each."""
    _groups(keep_together, ["a", "b", "c"], [], ["a", "b", "c"], "begin with a group for each")
    look = "a transaction that writes one table binds it to no other"
    _groups(keep_together, ["a", "b"], [("a",), ("a",)], ["a", "b"], look)


@about.rule("keep_together")
def what_one_transaction_writes_is_one_group(keep_together):
    """Tables that one transaction writes are one group, and the others are left alone."""
    _groups(keep_together, ["a", "b", "c"], [("a", "c")], ["ac", "b"])
    _groups(keep_together, ["a", "b", "c", "d"], [("a", "b"), ("d", "c")], ["ab", "cd"])
    _groups(keep_together, ["a", "b", "c", "d"], [("d", "a", "b")], ["abd", "c"])
    look = "a transaction that adds nothing new makes no second group"
    _groups(keep_together, ["a", "b", "c"], [("a", "b"), ("b", "a")], ["ab", "c"], look)


@about.rule("keep_together")
def groups_grow_together(keep_together):
    """A table that two transactions write makes one group of both, whichever comes first."""
    tables = ["a", "b", "c", "d", "e", "f"]
    _groups(keep_together, tables[:3], [("a", "b"), ("b", "c")], ["abc"], CHAIN)
    for written in (
        [("a", "b"), ("c", "d"), ("b", "c")],
        [("b", "c"), ("a", "b"), ("c", "d")],
        [("c", "d"), ("a", "b"), ("d", "a")],
    ):
        _groups(keep_together, tables, written, ["abcd", "e", "f"], CHAIN)
    chain = [("e", "f"), ("d", "e"), ("c", "d"), ("b", "c"), ("a", "b")]
    _groups(keep_together, tables, chain, ["abcdef"], CHAIN)
    three = [("a", "b"), ("c", "d"), ("e", "f"), ("a", "d", "e")]
    _groups(keep_together, tables, three, ["abcdef"], CHAIN)
    back = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("a", "e")]
    _groups(keep_together, tables, back, ["abcde", "f"], CHAIN)


@about.rule("keep_together")
def it_cuts_the_shop(keep_together):
    """The shop's own transactions, and those with the saga of lab 2.1, leave the right groups."""
    for transactions, wanted in (
        (TRANSACTIONS, 4),
        ({**TRANSACTIONS, **SAGA, "check out": ("orders",)}, 7),
    ):
        answer = call(
            keep_together,
            TABLES,
            transactions.values(),
            shown_as="keep_together(TABLES, transactions.values())",
        )
        groups = answer.value("a list of groups")
        if len(groups) != wanted:
            raise answer.broken(f"{wanted} groups", CHAIN)


@about.rule("keep_together")
def the_arguments_stay_as_they_are(keep_together):
    """What it was given is not changed, and what it gives belongs to the caller."""
    tables, written = {"a", "b", "c"}, [{"a", "b"}, {"b", "c"}]
    answer = call(keep_together, tables, written)
    for group in answer.made:
        group.clear()
    if (tables, written) != ({"a", "b", "c"}, [{"a", "b"}, {"b", "c"}]):
        raise fail(
            f"after the caller emptied the answer: {tables}, {written}",
            "the arguments as they were",
            "make new sets: set().union(…), not the transaction's own set",
        )


about.hints(
    "keep_together",
    "At first each table is a group of its own. What does one transaction do to the groups?",
    """
    It touches some of them: those with a table that it writes. These become one group, and the
    others stay. Do that for each transaction. `isdisjoint` tells whether two sets have nothing in
    common.
    """,
    """
    groups = [{table} for table in tables]
    for written in transactions:
        touched = [group for group in groups if not group.isdisjoint(…)]
        apart = …
        groups = [*apart, set().union(*…)]
    return groups
    """,
)
