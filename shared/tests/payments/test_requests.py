"""Answers that are kept in the commit of their effect, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from typing import Any

import pytest
from crew import Gate, in_threads

from amazonian.payments.requests import SCHEMA, Requests
from amazonian.resilience.clock import SimulatedClock
from amazonian.resilience.database import open_database
from amazonian.resilience.idempotency import (
    InProgressError,
    MissingTokenError,
    TokenReusedError,
)

EFFECTS = "CREATE TABLE IF NOT EXISTS effects (number INTEGER PRIMARY KEY)"
WISH = {"amount": 4200}


@pytest.fixture
def database(dsn: str, closing: Callable) -> Any:
    return closing(open_database(dsn, (*SCHEMA, EFFECTS)))


def effect(t: Any) -> str:
    [(last,)] = t.execute("SELECT COALESCE(MAX(number), 0) FROM effects")
    t.execute("INSERT INTO effects VALUES (?)", (last + 1,))
    return f"effect {last + 1}"


def effects(database: Any) -> int:
    return database.read("SELECT COUNT(*) FROM effects")[0][0]


def test_a_repeat_gets_the_first_answer_and_has_no_effect(database) -> None:
    requests = Requests(database, SimulatedClock())
    assert [requests.perform("k", WISH, effect) for _ in range(3)] == ["effect 1"] * 3
    assert requests.perform("l", WISH, effect) == "effect 2"
    assert effects(database) == 2


def test_a_token_is_asked_for_and_belongs_to_one_request(database) -> None:
    requests = Requests(database, SimulatedClock())
    for missing in (None, ""):
        with pytest.raises(MissingTokenError):
            requests.perform(missing, WISH, effect)
    requests.perform("k", WISH, effect)
    with pytest.raises(TokenReusedError):
        requests.perform("k", {"amount": 9900}, effect)
    assert effects(database) == 1


def test_what_is_still_running_is_not_waited_for(database) -> None:
    requests, gate = Requests(database, SimulatedClock()), Gate("an answer")

    def attempt(number: int) -> str:
        if number == 0:
            return requests.perform("k", WISH, gate)
        assert gate.began.wait(10)
        try:
            with pytest.raises(InProgressError):
                requests.perform("k", WISH, effect)
            with pytest.raises(TokenReusedError):
                requests.perform("k", {"amount": 1}, effect)
        finally:
            gate.go_on.set()
        return "refused"

    assert in_threads(2, attempt) == ["an answer", "refused"]
    assert requests.perform("k", WISH, effect) == "an answer"


def test_an_effect_that_fails_leaves_nothing_and_may_be_tried_again(database) -> None:
    requests = Requests(database, SimulatedClock())

    def failing(t: Any) -> str:
        effect(t)
        raise OSError("after the effect")

    with pytest.raises(OSError, match="after the effect"):
        requests.perform("k", WISH, failing)
    assert effects(database) == 0
    assert requests.perform("k", {"amount": 1}, effect) == "effect 1"


def test_answers_outlive_the_process_until_they_are_purged(database) -> None:
    clock = SimulatedClock(1_000_000.0)
    Requests(database, clock).perform("k", WISH, effect)
    clock.sleep(86_399)
    again = Requests(database, clock)
    assert again.purge() == 0
    assert again.perform("k", WISH, effect) == "effect 1"
    clock.sleep(2)
    assert again.purge() == 1
    assert again.perform("k", WISH, effect) == "effect 2"


def test_sixteen_threads_with_one_token_have_one_effect(database) -> None:
    requests = Requests(database, SimulatedClock())
    outcomes = in_threads(16, lambda number: requests.perform("k", WISH, effect))
    assert effects(database) == 1
    answers = [outcome for outcome in outcomes if not isinstance(outcome, InProgressError)]
    assert set(answers) == {"effect 1"}
