"""Where accounts, users, groups, roles, policies and keys are kept: one SQLite file, or memory.

Users, groups, roles and managed policies are all *entities*: each has an account, a kind, a name
that is unique among its kind whatever its case, a path, and an id that no later entity gets.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    account_id TEXT PRIMARY KEY, canonical_id TEXT UNIQUE, display_name TEXT, email TEXT);
CREATE TABLE IF NOT EXISTS entities (
    id TEXT PRIMARY KEY, account_id TEXT, kind TEXT, name TEXT COLLATE NOCASE, path TEXT,
    created_s REAL, document TEXT, UNIQUE (account_id, kind, name));
CREATE TABLE IF NOT EXISTS access_keys (
    id TEXT PRIMARY KEY, secret TEXT, account_id TEXT, entity_id TEXT, active INTEGER,
    created_s REAL, token TEXT, session TEXT, expires_s REAL);
CREATE TABLE IF NOT EXISTS inline_policies (
    entity_id TEXT REFERENCES entities ON DELETE CASCADE, name TEXT, document TEXT,
    PRIMARY KEY (entity_id, name));
CREATE TABLE IF NOT EXISTS attachments (
    entity_id TEXT REFERENCES entities ON DELETE CASCADE, policy_id TEXT REFERENCES entities,
    PRIMARY KEY (entity_id, policy_id));
CREATE TABLE IF NOT EXISTS members (
    group_id TEXT REFERENCES entities, user_id TEXT REFERENCES entities,
    PRIMARY KEY (group_id, user_id));
CREATE TABLE IF NOT EXISTS versions (
    policy_id TEXT REFERENCES entities ON DELETE CASCADE, number INTEGER, document TEXT,
    created_s REAL, is_default INTEGER, PRIMARY KEY (policy_id, number));
CREATE TABLE IF NOT EXISTS tags (
    entity_id TEXT REFERENCES entities ON DELETE CASCADE, key TEXT, value TEXT,
    PRIMARY KEY (entity_id, key));
"""

_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_ALL_OF_S3 = {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}
_READ_S3 = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
_ALL_OF_IAM = {"Effect": "Allow", "Action": ["iam:*"], "Resource": "*"}
AWS_MANAGED = {
    "AdministratorAccess": _EVERYTHING,
    "AmazonS3FullAccess": _ALL_OF_S3,
    "AmazonS3ReadOnlyAccess": _READ_S3,
    "IAMFullAccess": _ALL_OF_IAM,
}


@dataclass(frozen=True)
class Entity:
    """A user, group, role or managed policy.

    Args:
        kind: "user", "group", "role" or "policy".
        path: "/" or as in "/division/".
        document: what only its kind has: a role's trust policy, a description.
    """

    id: str
    account_id: str
    kind: str
    name: str
    path: str
    created_s: float
    document: dict[str, Any]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:{self.kind}{self.path}{self.name}"


class Directory:
    """The tables, and the few things that several of their users ask of them.

    Args:
        path: of the SQLite file; ":memory:" keeps nothing.
    """

    def __init__(self, path: str | Path = ":memory:"):
        self.lock = threading.RLock()
        self.changes = 0  # how often something was written; who caches looks at it
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA)
        with self.transaction():
            for name, statement in AWS_MANAGED.items():
                self._keep_aws_managed(name, statement)

    def _keep_aws_managed(self, name: str, statement: dict) -> None:
        if self.find("aws", "policy", name) is None:
            policy_id = f"ANPA{name.upper():A<17.17}"
            text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self.add(Entity(policy_id, "aws", "policy", name, "/", 0.0, {}))
            self.execute("INSERT INTO versions VALUES (?, 1, ?, 0.0, 1)", policy_id, text)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a `with` block in one transaction: all that it writes is kept, or nothing is."""
        with self.lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            finally:
                self.changes += 1

    def rows(self, sql: str, *values: Any) -> list[tuple]:
        with self.lock:
            return self._db.execute(sql, values).fetchall()

    def execute(self, sql: str, *values: Any) -> int:
        """Write, in a transaction that is open; returns how many rows were changed."""
        return self._db.execute(sql, values).rowcount

    # --- entities -----------------------------------------------------------------------------

    def add(self, entity: Entity) -> None:
        self.execute(
            "INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(entity.id, entity.account_id, entity.kind, entity.name, entity.path),
            *(entity.created_s, json.dumps(entity.document)),
        )

    def find(self, account_id: str, kind: str, name: str) -> Entity | None:
        where = "account_id = ? AND kind = ? AND name = ?"
        return next(iter(self.entities(where, account_id, kind, name)), None)

    def by_id(self, entity_id: str) -> Entity | None:
        return next(iter(self.entities("id = ?", entity_id)), None)

    def by_arn(self, arn: str) -> Entity | None:
        """The entity with an ARN such as arn:aws:iam::aws:policy/AdministratorAccess."""
        parts = arn.split(":", 5)
        kind, _, name = parts[-1].partition("/")
        if len(parts) < 6:
            return None
        found = self.find(parts[4], kind, name.rpartition("/")[2])
        return found if found and found.arn == arn else None

    def entities(self, where: str, *values: Any) -> list[Entity]:
        """Entities in the order of their names; `where` is SQL."""
        rows = self.rows(f"SELECT * FROM entities WHERE {where} ORDER BY name", *values)
        return [Entity(*row[:-1], json.loads(row[-1])) for row in rows]

    def policy_texts(self, entity_id: str) -> list[str]:
        """The documents of an entity's inline and attached policies; of a user also its groups'."""
        return [
            text
            for (text,) in self.rows(
                "WITH whose(id) AS"
                " (SELECT ?1 UNION SELECT group_id FROM members WHERE user_id = ?1)"
                " SELECT document FROM inline_policies JOIN whose ON entity_id = whose.id"
                " UNION ALL SELECT document FROM attachments JOIN whose ON entity_id = whose.id"
                " JOIN versions ON versions.policy_id = attachments.policy_id AND is_default",
                entity_id,
            )
        ]

    def tags(self, entity_id: str) -> dict[str, str]:
        return dict(
            self.rows("SELECT key, value FROM tags WHERE entity_id = ? ORDER BY key", entity_id)
        )
