"""What lab 1.2 asks of the fingerprint, the decision, the caller's token and `perform`."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from amazonian.course.evidence import Answer, call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.resilience import idempotency
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.idempotency import (
    Entry,
    IdempotencyStore,
    InProgressError,
    MissingTokenError,
    RefusedError,
    TokenReusedError,
    open_tokens,
)

about = RulesFor("amazonian.resilience.idempotency")


# --- fingerprint ------------------------------------------------------------------------------

BLANKS = (
    "a blank inside a text belongs to that text; json.dumps itself leaves out those after , and : "
    "with separators"
)


def _digits(answer: Answer) -> str:
    return answer.satisfies(lambda value: isinstance(value, str), "64 hexadecimal digits")


@about.rule("fingerprint")
def order_of_keys_does_not_matter(fingerprint):
    """Equal parameters have one fingerprint, in whatever order their keys come, at any depth."""
    first = _digits(call(fingerprint, {"customer": "ada", "amount": 5}))
    call(fingerprint, {"amount": 5, "customer": "ada"}).equals(
        first, look="a client library may write the keys in another order on each attempt"
    )
    first = _digits(call(fingerprint, {"item": {"sku": "b1", "count": 2}}))
    call(fingerprint, {"item": {"count": 2, "sku": "b1"}}).equals(
        first, look="keys of inner dictionaries are sorted too"
    )
    first = _digits(call(fingerprint, {"items": [{"sku": "b1", "count": 2}]}))
    call(fingerprint, {"items": [{"count": 2, "sku": "b1"}]}).equals(
        first, look="keys of dictionaries inside a list are sorted too"
    )


@about.rule("fingerprint")
def any_difference_shows(fingerprint):
    """Parameters that differ in anything have different fingerprints."""
    for one, other, look in (
        ({"amount": 5}, {"amount": 6}, ""),
        ({"amount": 5}, {"amount": "5"}, ""),
        ({"amount": 5}, {"amount": 5, "note": None}, ""),
        ({"items": ["a", "b"]}, {"items": ["b", "a"]}, ""),
        ({"item": {"sku": "b1"}}, {"item": {"sku": "b2"}}, ""),
        ({"a": "b"}, {"b": "a"}, ""),
        ({"customer": "Jo Anne"}, {"customer": "JoAnne"}, BLANKS),
        ({"note": "a, b: c"}, {"note": "a,b:c"}, BLANKS),
    ):
        first = _digits(call(fingerprint, one))
        second = call(fingerprint, other)
        if _digits(second) == first:
            raise second.broken(
                "another fingerprint",
                look or f"{one} and {other} are different requests",
                f"the same as that of {one}",
            )


@about.rule("fingerprint")
def it_is_the_sha_256_of_canonical_json(fingerprint):
    """It is the SHA-256, in hexadecimal digits, of JSON without blanks: all servers agree on it."""
    for parameters, wanted in (
        ({}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        (
            {"customer": "ada", "amount": 4200, "currency": "EUR"},
            "a593664ad74042bdb478ff33e424499ca59d08b99ead4431748f917c84fd6812",
        ),
        (
            {"customer": "Zoë", "items": [1, 2.5, None, True]},
            "fc37baff0f2f898f65995da9025248efc3fd6b5fe2ac405f63c6430169f56886",
        ),
    ):
        call(fingerprint, parameters).equals(
            wanted,
            look='the text to hash looks like {"amount":4200,"currency":"EUR"}: '
            "see sort_keys and separators of json.dumps, and leave the rest as it is by default",
        )


@about.rule("fingerprint")
def what_json_cannot_hold_is_refused(fingerprint):
    """What JSON can't hold raises TypeError, as json.dumps does by default."""
    call(fingerprint, {"tags": {"a", "b"}}).raises(
        TypeError,
        look="without `default`: the text of a set, or of an object, may be another one in each "
        "process",
    )


@about.rule("fingerprint")
def the_parameters_stay_as_they_are(fingerprint):
    """The caller's parameters are not changed, not even the order of their keys."""
    parameters = {"note": "b", "customer": {"name": "ada", "id": 7}}
    before = json.dumps(parameters)
    call(fingerprint, parameters).value()
    if json.dumps(parameters) != before:
        raise fail(
            f"afterwards the caller's parameters are {json.dumps(parameters)}",
            before,
            "sort_keys sorts in the text, not in the dictionary",
        )


about.hints(
    "fingerprint",
    "Which argument of json.dumps makes two dictionaries in different order the same text?",
    """
    Make the text first: json.dumps with sort_keys, and with separators that have no blank. Then
    hash its bytes with hashlib.sha256.
    """,
    """
    canonical = json.dumps(parameters, sort_keys=…, separators=(",", …))
    return hashlib.sha256(canonical.encode()).hex…
    """,
)


# --- decide -----------------------------------------------------------------------------------


def _entry(fingerprint: str, answer: str | None) -> Entry:
    """An entry as it comes from a database: equal text, but not the same object in memory."""
    return Entry("".join(list(fingerprint)), answer)


def _refused(answer: Answer, kind: type[RefusedError], look: str) -> None:
    """The call raised this kind of refusal."""
    name, raw = kind.__name__, answer.raw
    if isinstance(raw, BaseException) or (isinstance(raw, type) and issubclass(raw, BaseException)):
        look = f"raise the error, don't return it: `raise {name}(…)`"
    elif type(answer.error) is RefusedError:
        look = f"a RefusedError says only that something is refused; raise its own kind, {name}"
    answer.raises(kind, look)


@about.rule("decide")
def a_new_token_goes_on(decide):
    """A token that is not known yet is to be carried out: the answer is None."""
    call(decide, "f1", None).equals(None)


@about.rule("decide")
def a_repeat_gets_the_first_answer(decide):
    """The same request again gets the answer that the first attempt got."""
    call(decide, "f1", _entry("f1", "charged")).equals(
        "charged", look="equal fingerprints are the same request; compare with ==, not with `is`"
    )
    call(decide, "f1", _entry("f1", "")).equals(
        "", look="an empty text is an answer too; only None means that there is none yet"
    )


@about.rule("decide")
def other_parameters_are_refused(decide):
    """A token that comes again with other parameters is refused: TokenReusedError."""
    _refused(
        call(decide, "f2", _entry("f1", "charged")),
        TokenReusedError,
        "the caller would take the answer to another request for its own",
    )


@about.rule("decide")
def a_running_request_is_not_run_twice(decide):
    """While the same request is running, a repeat is refused at once, not kept waiting:
    InProgressError."""
    _refused(
        call(decide, "f1", _entry("f1", None)),
        InProgressError,
        "an entry whose answer is None belongs to a request that runs now",
    )


@about.rule("decide")
def reuse_is_told_even_while_running(decide):
    """Other parameters are refused as such even while the first request is still running."""
    _refused(
        call(decide, "f2", _entry("f1", None)),
        TokenReusedError,
        "InProgressError says: ask again later. Here, would asking again ever help?",
    )


about.hints(
    "decide",
    "There are four situations. Which two of them look at the entry's answer?",
    """
    In this order: no entry; an entry with another fingerprint; an entry without an answer; an
    entry with one.
    """,
    """
    if known is None: return …
    if known.fingerprint … fingerprint: raise TokenReusedError("…")
    if known.answer is …: raise InProgressError("…")
    return …
    """,
)


# --- token_for --------------------------------------------------------------------------------


class _Tokens:
    """A place for the caller's tokens, and tokens that feedback can name: t1, t2, …"""

    def __init__(self, folder: str):
        self.path, self.made = Path(folder) / "tokens.db", 0
        open_tokens(self.path).close()

    def new_token(self) -> str:
        self.made += 1
        return f"t{self.made}"

    def ask(self, token_for: Callable, connection: sqlite3.Connection, intent: str) -> Answer:
        return call(
            token_for,
            connection,
            intent,
            self.new_token,
            shown_as=f"token_for(connection, {intent!r}, new_token)",
        )

    def stored(self, intent: str) -> str | None:
        """What another process reads from the file."""
        with closing(sqlite3.connect(self.path)) as other:
            row = other.execute("SELECT token FROM tokens WHERE intent = ?", (intent,)).fetchone()
        return row[0] if row else None


@contextmanager
def _tokens() -> Iterator[_Tokens]:
    scenario("an empty table tokens, and a new_token that makes t1, t2, …")
    with TemporaryDirectory() as folder:
        yield _Tokens(folder)


# Each rule has orders of its own: what a wrong answer keeps outside the table then shows where
# it does harm, at the end of the process, and not as a strange token in another rule.


@about.rule("token_for")
def a_token_is_made_and_kept(token_for):
    """An intent gets a token from new_token, and the same one each time it is asked for."""
    with _tokens() as tokens, closing(open_tokens(tokens.path)) as connection:
        tokens.ask(token_for, connection, "order 17").equals(
            "t1", look="new_token() makes the token, and it is returned as it is"
        )
        for _ in range(2):
            tokens.ask(token_for, connection, "order 17").equals(
                "t1", look="a second token would be a second charge (and a row is not yet a token)"
            )


@about.rule("token_for")
def every_intent_has_its_own(token_for):
    """Two intents have two tokens, whatever characters their names hold."""
    with _tokens() as tokens, closing(open_tokens(tokens.path)) as connection:
        tokens.ask(token_for, connection, "order 27").equals("t1")
        second = tokens.ask(token_for, connection, "order 28")
        if second.value("a text") == "t1":
            raise second.broken("another token", "order 28 would get the answer to order 27")
        tokens.ask(token_for, connection, "order 27").equals("t1")
        quoted = tokens.ask(token_for, connection, "O'Brien's order")
        look = (
            "an apostrophe ends a text in SQL: write ? in the statement and pass the values apart"
        )
        first = quoted.satisfies(lambda token: isinstance(token, str), "a token", look)
        tokens.ask(token_for, connection, "O'Brien's order").equals(first, look)


@about.rule("token_for")
def it_is_on_disk_before_the_first_try(token_for):
    """When the token is returned it has been committed: a client that dies now finds it again."""
    with _tokens() as tokens:
        with closing(open_tokens(tokens.path)) as connection:
            tokens.ask(token_for, connection, "order 37").equals("t1")
            stored = tokens.stored("order 37")
            if stored != "t1":
                raise fail(
                    f"another connection to the file finds {stored!r} for order 37",
                    "'t1'",
                    "keep it in the table, and commit before you return, for example by "
                    "`with connection:` around the insert",
                )
        given("the client's process ends here, and a new one opens the file")
        with closing(open_tokens(tokens.path)) as connection:
            tokens.ask(token_for, connection, "order 37").equals("t1")


@about.rule("token_for")
def whoever_was_first_decides(token_for):
    """If another process of the client stores a token first, that token is the answer."""
    with _tokens() as tokens, closing(open_tokens(tokens.path)) as connection:
        given("while new_token runs, another process stores 'rival' for order 47")

        def new_token() -> str:
            with closing(sqlite3.connect(tokens.path, timeout=0.05)) as rival, rival:
                rival.execute("INSERT INTO tokens VALUES ('order 47', 'rival')")
            return "t1"

        answer = call(
            token_for,
            connection,
            "order 47",
            new_token,
            shown_as="token_for(connection, 'order 47', new_token)",
        )
        answer.equals(
            "rival",
            look="the rival has sent its first attempt with it by now. Insert only if there is no "
            "row yet (INSERT OR IGNORE), then read which token the row holds",
        )
        if tokens.stored("order 47") != "rival":
            raise fail(f"{tokens.stored('order 47')!r} in the table", "'rival'")


about.hints(
    "token_for",
    "If the process ended right after your return, what would be left of the token?",
    """
    Insert a new token unless the intent has a row, and commit. Then read the row, which may be
    older than your insert, and return what it holds.
    """,
    """
    with connection:                                    # commits at its end
        connection.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", (intent, …))
    rows = connection.execute("SELECT token FROM tokens WHERE intent = ?", (…,))
    return rows.fetchone()[…]
    """,
)


# --- perform ----------------------------------------------------------------------------------

FIVE = {"customer": "ada", "amount": 5}


MOST_CLAIMS = 10


class _Killed(BaseException):
    """The process ends at this step; nothing that follows it happens."""


class StillWaitingError(BaseException):
    """One attempt claims again and again; no `except Exception` is to keep this from us."""


class _Service:
    """A store on a file, and an effect that leaves one row in it each time it takes place."""

    def __init__(self, folder: str):
        self.path = Path(folder) / "service.db"
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE effects (id INTEGER PRIMARY KEY)")
        self.runs = 0
        self.answer = "charged"
        self.store = self.restarted()

    def restarted(self) -> IdempotencyStore:
        """What a new process of the service makes of the same file."""
        self.store = _Store(self.path, clock=SimulatedClock(), busy_s=0.05)
        return self.store

    def effect(self, connection: sqlite3.Connection) -> str:
        self.runs += 1
        connection.execute("INSERT INTO effects DEFAULT VALUES")
        return self.answer

    def count(self, table: str) -> int:
        """How many rows (of effects, or of idempotency) the file holds."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def ask(
        self,
        perform: Callable,
        token: str | None = "t1",
        parameters: dict = FIVE,
        effect: Callable | None = None,
    ) -> Answer:
        return call(
            perform,
            self.store,
            token,
            parameters,
            effect or self.effect,
            shown_as=f"perform(store, {token!r}, {parameters}, effect)",
        )

    def holds(self, effects: int, look: str = "") -> None:
        """The file holds so many effects, or the rule is broken."""
        if self.count("effects") != effects:
            raise fail(f"{self.count('effects')} effects in the database", f"{effects}", look)

    def rival(self) -> bool:
        """A whole attempt with t1 by another server on the file; false if the file is locked."""
        try:
            other = IdempotencyStore(self.path, clock=SimulatedClock(), busy_s=0)
            with other.transaction() as connection:
                if other.find(connection, "t1") is None:
                    answer = self.effect(connection)
                    other.record(connection, "t1", idempotency.fingerprint(FIVE), answer)
        except sqlite3.OperationalError:
            return False
        return True


class _Store(IdempotencyStore):
    """A store that counts claims, and that lets another attempt in at a chosen moment."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.claims: list[str] = []  # the fingerprints with which a claim was asked for
        self.before_claim: Callable[[], object] | None = None
        self.between: Callable[[], bool] | None = None

    def claim(self, token: str, fingerprint: str):
        self.claims.append(fingerprint)
        if len(self.claims) > MOST_CLAIMS:
            raise StillWaitingError(f"store.claim was called {MOST_CLAIMS} times, in vain")
        if self.before_claim is not None:
            rival, self.before_claim = self.before_claim, None
            rival()
        return super().claim(token, fingerprint)

    def find(self, connection: sqlite3.Connection, token: str) -> Entry | None:
        known = super().find(connection, token)
        self._let_in()
        return known

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with super().transaction() as connection:
            yield connection
        self._let_in()

    def _let_in(self) -> None:
        """Between a look and what follows, as soon as no transaction keeps others out."""
        if self.between is not None and self.between():
            self.between = None


@contextmanager
def _service(situation: str = "an empty store") -> Iterator[_Service]:
    """A service of its own for one situation; feedback tells of that situation alone."""
    scenario(situation)
    with TemporaryDirectory() as folder:
        yield _Service(folder)


@about.rule("perform")
def a_new_request_is_carried_out(perform):
    """A request with a new token is carried out, and its answer comes back."""
    with _service() as service:
        service.ask(perform).equals("charged")
        service.holds(1, "run effect(connection) on the connection of store.transaction()")
        service.ask(perform, token="t2").equals("charged")
        service.holds(2, "another token is another intent, even with the same parameters")


@about.rule("perform")
def a_repeat_has_no_effect(perform):
    """The same request again gets the same answer, and its effect does not even start."""
    with _service() as service:
        service.ask(perform).equals("charged")
        look = "what did store.find say?"
        if not service.count("idempotency"):
            look = "nothing was recorded: store.record"
        service.answer = "charged once more"
        service.ask(perform).equals("charged", look)
        service.ask(perform, parameters={"amount": 5, "customer": "ada"}).equals("charged")
        service.holds(1, "the effect ran again")
        if service.runs != 1:
            raise fail(
                f"the effect was called {service.runs} times",
                "once",
                "look (store.find) before you call it: what an effect does besides writing to the "
                "database is not rolled back",
            )
    with _service("an effect whose answer is an empty text") as service:
        service.answer = ""
        for _ in range(2):
            service.ask(perform).equals("")
        service.holds(1, "an empty text is an answer: compare with None")


@about.rule("perform")
def a_token_is_required(perform):
    """Without a token nothing is done: MissingTokenError."""
    with _service() as service:
        for token in (None, ""):
            service.ask(perform, token=token).raises(
                MissingTokenError, look="None and the empty text are both no token"
            )
        service.holds(0, "refuse before you do anything")


@about.rule("perform")
def other_parameters_have_no_effect(perform):
    """A token that comes again with other parameters is refused, and nothing is done."""
    with _service() as service:
        service.ask(perform).equals("charged")
        service.ask(perform, parameters={"customer": "ada", "amount": 6}).raises(
            TokenReusedError, look="decide compares fingerprints: give it this request's"
        )
        service.holds(1)


NO_WAITING = (
    "do not wait and try again: let the InProgressError of store.claim through. The caller comes "
    "back later, and no thread of the server waits meanwhile"
)


def _about_claims(store: _Store) -> str:
    """What to look at if a second attempt was not refused as it should be."""
    if len(store.claims) > 2:
        return NO_WAITING
    if store.claims and store.claims[0] != idempotency.fingerprint(FIVE):
        return (
            "claim with this request's fingerprint: only then can store.claim tell other "
            "parameters from the same ones"
        )
    return (
        "claim the token (store.claim) before the transaction begins, and hold it (`with`) around "
        "the whole transaction: a second attempt that waits for the transaction would hold a "
        "thread of the server"
    )


@about.rule("perform")
def a_running_request_is_claimed(perform):
    """While a request runs, another attempt with its token is refused at once, without waiting."""
    for parameters, error in (
        (FIVE, InProgressError),
        ({"customer": "ada", "amount": 6}, TokenReusedError),
    ):
        situation = "a request that is still in its effect when the next attempt comes"
        with _service(situation) as service:
            inner: list[Answer] = []

            def slow(connection, service=service, inner=inner, parameters=parameters) -> str:
                answer = service.effect(connection)
                inner.append(service.ask(perform, parameters=parameters))
                return answer

            outer = service.ask(perform, effect=slow)
            if inner:
                inner[0].raises(error, look=_about_claims(service.store))
                if len(service.store.claims) > 2:
                    raise fail(
                        f"store.claim called {len(service.store.claims) - 1} times by the second "
                        "attempt",
                        "once",
                        NO_WAITING,
                    )
            outer.equals("charged")
            service.holds(1)


@about.rule("perform")
def a_failed_effect_leaves_nothing(perform):
    """If the effect raises, the exception goes through and nothing is kept; a retry may succeed."""
    for error in (
        OSError("no answer from the bank"),
        sqlite3.IntegrityError("no such customer"),
    ):
        with _service(f"an effect that writes and then raises {type(error).__name__}") as service:

            def failing(connection, service=service, error=error) -> str:
                service.effect(connection)
                raise error

            service.ask(perform, effect=failing).raises(
                type(error),
                look="don't catch what the effect raises: leaving the block of store.transaction() "
                "by an exception rolls back",
            )
            service.holds(0, "run the effect inside `with store.transaction()`")
            given("the same effect, which now works")
            service.ask(perform).equals(
                "charged", look="no answer was recorded, and no claim may be left"
            )
            service.holds(1)


@about.rule("perform")
def a_crash_at_any_step_leaves_one_effect(perform):
    """Wherever the process ends, the retry's answer is the same and there is one effect."""
    for step in ("claimed", "charge-written", "answer-recorded", "committed"):
        with _service(f"a service that is killed at step {step!r}") as service:
            killed = []

            def hook(passed: str, step=step, killed=killed) -> None:
                if passed == step:
                    killed.append(step)
                    raise _Killed

            def effect(connection, service=service, hook=hook) -> str:
                answer = service.effect(connection)
                hook("charge-written")
                return answer

            service.store.step = hook
            first = service.ask(perform, effect=effect)
            if not killed:
                first.value()
                raise fail(
                    f"the request never came to the step {step!r}",
                    "claim, transaction, effect, record",
                    "use store.claim, store.transaction and store.record",
                )
            given("the service is started again")
            service.restarted()
            service.ask(perform).equals("charged")
            service.holds(
                1,
                "effect and store.record belong in one `with store.transaction()`: "
                "then both are kept, or neither is",
            )


@about.rule("perform")
def it_claims_before_it_looks(perform):
    """An earlier attempt that ends just before the claim is found: claim first, look after."""
    situation = "an earlier attempt with t1, which ends at the moment when the next one claims t1"
    with _service(situation) as service:
        service.store.before_claim = service.rival
        service.ask(perform).equals(
            "charged",
            look="you looked before you claimed: what you saw was no longer true when you acted",
        )
        service.holds(1, "you looked before you claimed: what you saw was no longer true")


@about.rule("perform")
def it_looks_in_the_transaction_of_the_effect(perform):
    """Look, effect and record are one transaction: another server can't come in between."""
    situation = (
        "another server on the same file, whose attempt with t1 runs as soon as the file is free "
        "after your look"
    )
    with _service(situation) as service:
        service.store.between = service.rival
        look = (
            "your look ended before the transaction of the effect began, so what you saw was no "
            "longer true. Its claims don't keep another process out; the transaction does"
        )
        service.ask(perform).equals("charged", look)
        service.holds(1, look)


about.hints(
    "perform",
    """
    The process may end between any two of your lines. Between which two would that leave an effect
    without a token, or a token without an effect? How could there be no "between"?
    """,
    """
    Refuse a missing token. Then two nested `with` blocks: the claim outside, the transaction
    inside. In the inner one: find, decide, and if there is no answer yet, effect and record.
    """,
    """
    digest = fingerprint(parameters)
    with store.claim(…), store.transaction() as connection:
        answer = decide(digest, store.find(…))
        if answer is None:
            answer = effect(…)
            store.record(…)
    return answer
    """,
)
