"""Wrong answers to lab 2.3: which tables stay together."""

from amazonian.shop import partitioning
from wrong_answers import wrong


@wrong(partitioning, feedback="no group twice")
def keep_together__takes_transactions_for_groups(tables, transactions):
    groups = [set(written) for written in transactions]
    return [*groups, *({table} for table in tables if not any(table in g for g in groups))]


@wrong(partitioning, feedback="a table in two groups joins them")
def keep_together__joins_only_the_first_group_that_it_finds(tables, transactions):
    groups = [{table} for table in tables]
    for written in transactions:
        first = next(group for group in groups if not group.isdisjoint(written))
        groups = [group for group in groups if group is first or not group <= set(written)]
        first.update(written)
    return groups


@wrong(partitioning, feedback="begin with a group for each")
def keep_together__forgets_what_nobody_writes(tables, transactions):
    groups = []
    for written in transactions:
        touched = [group for group in groups if not group.isdisjoint(written)]
        groups = [group for group in groups if group.isdisjoint(written)]
        groups.append(set(written).union(*touched))
    return groups


@wrong(partitioning, feedback="and the others are left alone")
def keep_together__makes_one_group_of_all_that_is_written(tables, transactions):
    written = set().union(*transactions)
    groups = [written] if len(written) > 1 else [{table} for table in written]
    return [*groups, *({table} for table in tables if table not in written)]


@wrong(partitioning, feedback="no group twice")
def keep_together__lists_a_group_for_each_table(tables, transactions):
    group_of = {table: {table} for table in tables}
    for written in transactions:
        merged = set().union(*(group_of[table] for table in written))
        for table in merged:
            group_of[table] = merged
    return list(group_of.values())


@wrong(partitioning, feedback="a table in two groups joins them")
def keep_together__merges_in_one_pass_over_neighbours(tables, transactions):
    group_of = {table: table for table in tables}
    for written in transactions:
        first = min(written)
        for table in written:
            group_of[table] = group_of[first]
    groups = {}
    for table, name in group_of.items():
        groups.setdefault(name, set()).add(table)
    return list(groups.values())


@wrong(partitioning, feedback="a table in two groups joins them")
def keep_together__goes_over_them_twice(tables, transactions):
    name = {table: table for table in tables}
    for _ in range(2):
        for written in transactions:
            lowest = min(name[table] for table in written)
            name |= dict.fromkeys(written, lowest)
    return [{t for t in tables if name[t] == group} for group in set(name.values())]


@wrong(partitioning, feedback="make new sets")
def keep_together__grows_the_transactions_own_sets(tables, transactions):
    groups = [{table} for table in tables]
    for written in transactions:
        touched = [group for group in groups if not group.isdisjoint(written)]
        groups = [group for group in groups if group.isdisjoint(written)]
        merged = written if isinstance(written, set) else set(written)
        for group in touched:
            merged |= group
        groups.append(merged)
    return groups


EQUIVALENT: dict[str, str] = {}
