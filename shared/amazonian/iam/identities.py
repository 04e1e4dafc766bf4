"""Who there is: accounts, and the users, roles and sessions that act in them.

An access key leads to a *caller*: a principal (an account's root, a user, a role's session), its
account, and the policies that say what it may do.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazonian.iam.claims import SignatureError
from amazonian.iam.directory import Directory, Entity
from amazonian.iam.policy import Policy
from amazonian.iam.statements import Principal
from amazonian.resilience.clock import Clock
from amazonian.resilience.idempotency import WallClock

ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECRET_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
PREFIXES = {"user": "AIDA", "group": "AGPA", "role": "AROA", "policy": "ANPA"}


@dataclass(frozen=True)
class Account:
    """An AWS account.

    Args:
        account_id: 12 digits.
        canonical_id: how S3's ACLs name it.
    """

    account_id: str
    canonical_id: str
    display_name: str
    email: str

    @property
    def root_arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:root"


@dataclass(frozen=True)
class Caller:
    """Who sent a request. The root of an account has every right in it."""

    account: Account
    principal: Principal
    is_root: bool


@dataclass(frozen=True)
class Credentials:
    """An access key; `token` and `expires_s` only if it is temporary."""

    access_key_id: str
    secret: str
    account_id: str
    entity_id: str | None = None
    active: bool = True
    created_s: float = 0.0
    token: str | None = None
    session: str | None = None
    expires_s: float | None = None


class Identities:
    """Every account, its principals and their keys.

    Args:
        path: of the SQLite file; ":memory:" keeps nothing.
        clock: seconds since 1970; temporary credentials end by it.
        rng: makes ids and secrets.
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ):
        self.directory = Directory(path)
        self.clock = clock or WallClock()
        self.rng = rng or random.SystemRandom()
        self._known = -1
        self._credentials: dict[str, Credentials] = {}
        self._callers: dict[str, Caller] = {}
        self._policies: dict[str, list[Policy]] = {}

    @classmethod
    def load_users(cls, file: str | Path, path: str | Path = ":memory:") -> "Identities":
        """The accounts of a users file; see :meth:`add_users`."""
        identities = cls(path)
        identities.add_users(json.loads(Path(file).read_text()))
        return identities

    def close(self) -> None:
        self.directory.close()

    # --- what a front asks --------------------------------------------------------------------

    def secret_of(self, access_key_id: str) -> str | None:
        """The secret of an access key; None if there is no such key, or it is not active."""
        found = self._fresh(self._credentials).get(access_key_id)
        if found is None:
            found = self._load_credentials(access_key_id)
        return found.secret if found is not None and found.active else None

    def caller(self, access_key_id: str, token: str | None = None) -> Caller:
        """Who holds an access key.

        Args:
            token: what came as x-amz-security-token; temporary credentials need theirs.

        Raises:
            SignatureError: there is no such key (InvalidAccessKeyId), its token is another one
                (InvalidToken), or it has expired (ExpiredToken).
        """
        if self.secret_of(access_key_id) is None:
            text = "The AWS Access Key Id you provided does not exist in our records."
            raise SignatureError("InvalidAccessKeyId", text)
        credentials = self._load_credentials(access_key_id)
        if credentials is None or credentials.token != token:
            text = "The provided token is malformed or otherwise invalid."
            raise SignatureError("InvalidToken", text, 400)
        if credentials.expires_s is not None and credentials.expires_s <= self.clock.now_s():
            raise SignatureError("ExpiredToken", "The provided token has expired.", 400)
        with self.directory.lock:
            found = self._fresh(self._callers).get(access_key_id)
            if found is None:
                found = self._callers[access_key_id] = self._make_caller(credentials)
        return found

    def policies_of(self, principal: Principal) -> list[Policy]:
        """A principal's identity policies: a user's own and its groups', or a session's role's."""
        entity_id = principal.user_id.partition(":")[0]
        with self.directory.lock:
            found = self._fresh(self._policies).get(entity_id)
            if found is None:
                texts = self.directory.policy_texts(entity_id)
                found = [Policy.parse(text, resource_policy=False) for text in texts]
                self._policies[entity_id] = found
        return found

    def account(self, account_id: str) -> Account | None:
        return self._account("account_id", account_id)

    def account_by_canonical_id(self, canonical_id: str) -> Account | None:
        return self._account("canonical_id", canonical_id)

    def account_by_email(self, email: str) -> Account | None:
        return self._account("lower(email)", email.lower())

    # --- making them --------------------------------------------------------------------------

    def make_account(
        self,
        display_name: str,
        email: str | None = None,
        account_id: str | None = None,
        canonical_id: str | None = None,
    ) -> tuple[Account, str, str]:
        """A new account, with the access key id and the secret of its root."""
        account = Account(
            account_id or f"{self.rng.randrange(10**11, 10**12)}",
            canonical_id or f"{self.rng.getrandbits(256):064x}",
            display_name,
            email or f"{display_name}@example.com",
        )
        with self.directory.transaction():
            self._keep_account(account)
            credentials = self.make_credentials(account.account_id)
        return account, credentials.access_key_id, credentials.secret

    def add_users(self, document: dict[str, Any]) -> None:
        """Add the accounts, users, keys and policies of a users file; what is there is replaced.

        Args:
            document: {"accounts": [{"account_id", "canonical_id", "display_name", "email",
                "access_keys": [{"access_key_id", "secret_access_key"}],
                "users": [{"user_name", "access_keys", "policies": {name: document}}]}]}
        """
        with self.directory.transaction():
            for one in document["accounts"]:
                fields = ("account_id", "canonical_id", "display_name", "email")
                account = Account(*(one[field] for field in fields))
                self._keep_account(account)
                self._keep_given(account.account_id, None, one.get("access_keys", ()))
                for user in one.get("users", ()):
                    self._keep_user(account.account_id, user)

    def _keep_user(self, account_id: str, user: dict[str, Any]) -> None:
        entity = self.directory.find(account_id, "user", user["user_name"])
        if entity is None:
            entity = self.make_entity(account_id, "user", user["user_name"], "/")
        self._keep_given(account_id, entity.id, user.get("access_keys", ()))
        for name, policy in user.get("policies", {}).items():
            Policy.parse(policy, resource_policy=False)
            self.directory.execute(
                "INSERT OR REPLACE INTO inline_policies VALUES (?, ?, ?)",
                *(entity.id, name, json.dumps(policy)),
            )

    def _keep_account(self, account: Account) -> None:
        self.directory.execute(
            "INSERT INTO accounts VALUES (?, ?, ?, ?) ON CONFLICT (account_id) DO UPDATE SET"
            " canonical_id = excluded.canonical_id, display_name = excluded.display_name,"
            " email = excluded.email",
            *(account.account_id, account.canonical_id, account.display_name, account.email),
        )

    def _keep_given(self, account_id: str, entity_id: str | None, keys: Any) -> None:
        for key in keys:
            pair = key["access_key_id"], key["secret_access_key"]
            self._keep(Credentials(*pair, account_id, entity_id, created_s=self.clock.now_s()))

    def make_entity(
        self, account_id: str, kind: str, name: str, path: str, **document: Any
    ) -> Entity:
        """Add a user, group, role or managed policy, in a transaction that is open."""
        entity_id = PREFIXES[kind] + self._letters(ID_LETTERS, 17)
        made_s = self.clock.now_s()
        entity = Entity(entity_id, account_id, kind, name, path, made_s, document)
        self.directory.add(entity)
        return entity

    def make_credentials(
        self,
        account_id: str,
        entity_id: str | None = None,
        session: str | None = None,
        duration_s: float | None = None,
    ) -> Credentials:
        """Add an access key, in a transaction that is open.

        Args:
            entity_id: of the user or role; None for the account's root.
            session: the name of a role's session.
            duration_s: of temporary credentials.
        """
        temporary = duration_s is not None
        now_s = self.clock.now_s()
        credentials = Credentials(
            ("ASIA" if temporary else "AKIA") + self._letters(ID_LETTERS, 16),
            self._letters(SECRET_LETTERS, 40),
            account_id,
            entity_id,
            created_s=now_s,
            token=self._letters(SECRET_LETTERS, 128) if temporary else None,
            session=session,
            expires_s=now_s + duration_s if temporary else None,
        )
        self._keep(credentials)
        return credentials

    def _keep(self, c: Credentials) -> None:
        self.directory.execute(
            "INSERT OR REPLACE INTO access_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(c.access_key_id, c.secret, c.account_id, c.entity_id, c.active),
            *(c.created_s, c.token, c.session, c.expires_s),
        )

    def _letters(self, alphabet: str, count: int) -> str:
        return "".join(self.rng.choices(alphabet, k=count))

    # --- looking up ---------------------------------------------------------------------------

    def _fresh(self, cache: dict) -> dict:
        """The cache, emptied (with the others) if anything was written since."""
        if self._known != self.directory.changes:
            with self.directory.lock:
                for each in (self._credentials, self._callers, self._policies):
                    each.clear()
                self._known = self.directory.changes
        return cache

    def _load_credentials(self, access_key_id: str) -> Credentials | None:
        with self.directory.lock:
            cache = self._fresh(self._credentials)
            if access_key_id not in cache:
                rows = self.directory.rows("SELECT * FROM access_keys WHERE id = ?", access_key_id)
                if not rows:
                    return None
                cache[access_key_id] = Credentials(*rows[0])
            return cache[access_key_id]

    def _account(self, column: str, value: str) -> Account | None:
        rows = self.directory.rows(f"SELECT * FROM accounts WHERE {column} = ?", value)
        return Account(*rows[0]) if rows else None

    def _make_caller(self, credentials: Credentials) -> Caller:
        account = self.account(credentials.account_id)
        if credentials.entity_id is None:
            root = Principal(
                account.root_arn,
                account.account_id,
                account.account_id,
                canonical_id=account.canonical_id,
            )
            return Caller(account, root, True)
        entity = self.directory.by_id(credentials.entity_id)
        principal = principal_of(
            entity, account, self.directory.tags(entity.id), credentials.session
        )
        return Caller(account, principal, False)


def principal_of(
    entity: Entity, account: Account, tags: dict[str, str], session: str | None
) -> Principal:
    """Who acts with the credentials of a user or, if `session` is given, of a role."""
    if session is None:
        return Principal(
            entity.arn, account.account_id, entity.id, tags, canonical_id=account.canonical_id
        )
    return Principal(
        f"arn:aws:sts::{account.account_id}:assumed-role/{entity.name}/{session}",
        account.account_id,
        f"{entity.id}:{session}",
        tags,
        issuer_arn=entity.arn,
        canonical_id=account.canonical_id,
    )
