"""Copying a service's tables from one database to another, while nobody changes them."""

from collections.abc import Sequence

from amazonian.resilience.database import Database, Transaction


def copy_tables(source: Database, target: Database, tables: Sequence[str]) -> int:
    """Make these tables of `target` what they are in `source`, in one transaction.

    What `target` had is replaced, so that a copy can be repeated, and brought back.

    Args:
        source, target: laid out by the same schema.
        tables: names from a service's ``TABLES``.

    Returns:
        How many rows there are.
    """
    found = {table: source.read(f"SELECT * FROM {table}") for table in tables}

    def replace(transaction: Transaction) -> int:
        for table, rows in found.items():
            transaction.execute(f"DELETE FROM {table}")
            for row in rows:
                places = ", ".join("?" * len(row))
                transaction.execute(f"INSERT INTO {table} VALUES ({places})", tuple(row))
        return sum(map(len, found.values()))

    return target.write(replace)
