"""The saga: wherever it crashes and whatever fails, the shop's books agree in the end."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crew import Gate, in_threads

from amazonian.resilience import retries, web
from amazonian.resilience.database import Database, open_database
from amazonian.shop import calls, checkout, monolith, saga, saga_crashes, saga_designs
from amazonian.shop.calls import NoAnswerError, ServiceRefusedError
from amazonian.shop.saga import DID, UNDID, UNDOING, DatabaseLog, Entry, Step, SupersededError

# --- the steps and the log


class Diary:
    """Steps that say what they do, and a log that does too."""

    def __init__(self, *entries: Entry):
        self.kept, self.happened = list(entries), []
        self.failures: dict[str, Exception] = {}

    def entries(self) -> list[Entry]:
        return list(self.kept)

    def append(self, kind: str, step: str, why: str = "") -> None:
        self.kept.append(Entry(kind, step, why))
        self.happened.append(f"log {kind} {step}")

    def steps(self, *names: str, last: tuple[str, ...] = ()) -> list[Step]:
        made = [Step(name, self._doing(name), self._doing(f"undo {name}")) for name in names]
        return made + [Step(name, self._doing(name)) for name in last]

    def _doing(self, what: str) -> Callable[[], None]:
        def do() -> None:
            self.happened.append(what)
            if what in self.failures:
                raise self.failures.pop(what)

        return do


def test_it_logs_each_step_after_it_is_done() -> None:
    diary = Diary()
    assert saga.run(diary.steps("a", "b", last=("c",)), diary) == saga.DONE
    assert diary.happened == ["a", "log did a", "b", "log did b", "c", "log did c"]


def test_it_carries_on_after_the_last_step_that_is_logged() -> None:
    diary = Diary(Entry(DID, "a"))
    assert saga.run(diary.steps("a", "b"), diary) == saga.DONE
    assert diary.happened == ["b", "log did b"]


@pytest.mark.parametrize("error", [ServiceRefusedError(409, "no"), NoAnswerError("silence")])
def test_it_says_that_it_turns_back_before_it_undoes_last_step_first(error: Exception) -> None:
    diary = Diary()
    diary.failures["b"] = error
    assert saga.run(diary.steps("a", "b", "c"), diary) == saga.UNDONE
    assert diary.happened[2:] == [
        "b",
        "log undoing b",
        "undo b",
        "log undid b",
        "undo a",
        "log undid a",
    ]
    assert Entry(UNDOING, "b", str(error)) in diary.kept


def test_it_does_not_go_forward_again_once_it_has_turned_back() -> None:
    diary = Diary(Entry(DID, "a"), Entry(UNDOING, "b"), Entry(UNDID, "b"))
    assert saga.run(diary.steps("a", "b"), diary) == saga.UNDONE
    assert diary.happened == ["undo a", "log undid a"]
    assert saga.run(diary.steps("a", "b"), diary) == saga.UNDONE
    assert diary.happened == ["undo a", "log undid a"]


def test_a_step_without_compensation_waits_for_its_answer() -> None:
    diary = Diary()
    diary.failures["c"] = NoAnswerError("silence")
    with pytest.raises(NoAnswerError):
        saga.run(diary.steps("a", last=("c",)), diary)
    assert diary.kept == [Entry(DID, "a")]
    assert saga.run(diary.steps("a", last=("c",)), diary) == saga.DONE


def test_a_compensation_without_answer_is_made_again_later() -> None:
    diary = Diary()
    diary.failures |= {"b": ServiceRefusedError(402, "no"), "undo a": NoAnswerError("silence")}
    with pytest.raises(NoAnswerError):
        saga.run(diary.steps("a", "b"), diary)
    assert saga.run(diary.steps("a", "b"), diary) == saga.UNDONE
    assert diary.happened[-2:] == ["undo a", "log undid a"]
    assert diary.happened.count("undo b") == 1


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    opened = open_database(dsn, checkout.SCHEMA)
    yield opened
    opened.close()


def test_a_log_is_kept_by_saga_and_two_processes_do_not_both_write_to_it(
    database: Database,
) -> None:
    one, same, other = (DatabaseLog(database, name) for name in ("s", "s", "t"))
    one.append(DID, "a")
    other.append(DID, "b")
    with pytest.raises(SupersededError):
        same.append(UNDOING, "a", "why")
    assert same.entries() == [Entry(DID, "a")]
    same.append(UNDOING, "b", "why")
    assert DatabaseLog(database, "s").entries() == [Entry(DID, "a"), Entry(UNDOING, "b", "why")]


# --- every crash, alone and in pairs, with every fault


def test_no_promise_breaks_at_any_crash_or_pair_of_crashes_with_any_fault(
    record_property: Callable[[str, object], None],
) -> None:
    found = saga_crashes.explore(crashes=2)
    counts = {f"{crashes} crashes": count for crashes, count in sorted(found.histories.items())}
    record_property("histories", json.dumps(counts))
    print(f"{found.scenarios} sets of faults, {counts}, {found.processes} processes run")
    assert not found.broken, found.first
    assert found.scenarios == len(saga_crashes.scenarios()) == 47
    assert found.histories[1] > 1_000
    assert found.histories[2] > 10_000


def test_no_promise_breaks_when_a_second_process_overtakes_the_first_at_any_point() -> None:
    found = saga_crashes.explore_overlaps()
    assert not found.broken, found.first
    assert found.histories[1] > 1_000


BREAKS = {
    "no log": "no stock reserved for ever",
    "logs before it undoes": "no stock reserved for ever",
    "undoes before it says so": "the answer agrees with the books",
    "undoes what is logged": "no charge without an order",
    "undoes first to last": "no order without stock",
    "a new id for each attempt": "one charge at most",
    "services forget what they undid": "no stock reserved for ever",
}


@pytest.mark.parametrize("design", saga_designs.NAIVE)
def test_a_naive_saga_breaks_a_promise_that_is_named(design: str) -> None:
    found = saga_crashes.explore(saga_designs.NAIVE[design], crashes=1)
    assert BREAKS[design] in found.broken, found.broken


# --- the service


def a_shop(tmp_path: Path, closing: Callable) -> calls.Call:
    database = closing(open_database(tmp_path / "shop.db", monolith.SCHEMA))
    call = calls.in_process(web.App(monolith.routes(database)))
    call("PUT", "/products/book", {"title": "A book", "price_cents": 1999})
    call("PUT", "/inventory/stock/book", {"free": 3})
    call("PUT", "/carts/ada/lines/book", {"quantity": 2})
    return call


def service(database: Database, shop: calls.Call) -> calls.Call:
    return calls.in_process(web.App(checkout.routes(checkout.Checkouts(database, shop))))


BUY = {"user": "ada", "card": "visa"}


def test_the_checkout_answers_as_the_monolith_does(
    database: Database, tmp_path: Path, closing: Callable
) -> None:
    shop = a_shop(tmp_path, closing)
    bought = service(database, shop)
    placed = {"id": "c1", "state": "placed", "total_cents": 3998}
    assert bought("PUT", "/checkouts/c1", BUY) == placed
    assert bought("PUT", "/checkouts/c1", BUY) == placed
    assert bought("GET", "/checkouts/c1") == placed
    assert shop("GET", "/checkouts/c1") == placed
    assert shop("GET", "/carts/ada")["lines"] == []
    with pytest.raises(ServiceRefusedError, match="422 The cart is empty"):
        bought("PUT", "/checkouts/c2", BUY)
    with pytest.raises(ServiceRefusedError, match="404"):
        bought("GET", "/checkouts/c2")


def test_a_refused_checkout_is_undone_and_says_why(
    database: Database, tmp_path: Path, closing: Callable
) -> None:
    shop = a_shop(tmp_path, closing)
    bought = service(database, shop)
    with pytest.raises(ServiceRefusedError, match="authorise payment: 402 Payment declined"):
        bought("PUT", "/checkouts/c1", BUY | {"card": "declined"})
    assert shop("GET", "/inventory/stock/book") == {"sku": "book", "free": 3, "held": 0}
    with pytest.raises(ServiceRefusedError, match="409 The checkout was undone"):
        bought("GET", "/checkouts/c1")
    assert bought("PUT", "/checkouts/c2", BUY)["state"] == "placed"


def test_an_article_that_has_gone_is_a_refusal_and_begins_nothing(
    database: Database, tmp_path: Path, closing: Callable
) -> None:
    shop = a_shop(tmp_path, closing)
    shop("PUT", "/carts/ada/lines/gone", {"quantity": 1})
    with pytest.raises(ServiceRefusedError, match="409 No such product"):
        service(database, shop)("PUT", "/checkouts/c1", BUY)
    assert checkout.Checkouts(database, shop).pending() == []


def test_a_checkout_that_waits_is_pending_until_it_is_carried_on(
    database: Database, tmp_path: Path, closing: Callable
) -> None:
    shop, silent = a_shop(tmp_path, closing), [True]

    def sometimes(method: str, path: str, body: object = None) -> object:
        if silent[0] and path.endswith("/confirmation"):
            raise NoAnswerError("silence")
        return shop(method, path, body)

    bought = service(database, sometimes)
    pending = {"id": "c1", "state": "pending"}
    assert bought("PUT", "/checkouts/c1", BUY) == pending
    assert bought("GET", "/checkouts/c1") == pending
    silent[0] = False
    own = checkout.Checkouts(database, sometimes)
    ended = threading.Event()

    class Told(checkout.Checkouts):
        def carry_on(self, name: str) -> str:
            outcome = super().carry_on(name)
            ended.set()
            return outcome

    with checkout.resuming(Told(database, sometimes)):
        assert ended.wait(10)
    assert own.pending() == []
    assert bought("GET", "/checkouts/c1")["state"] == "placed"


def test_while_nobody_can_read_the_cart_the_checkout_asks_to_come_again(
    database: Database,
) -> None:
    def silent(method: str, path: str, body: object = None) -> object:
        raise NoAnswerError("silence")

    app = web.App(checkout.routes(checkout.Checkouts(database, silent)))
    reply = app.handle(web.Request("PUT", "/checkouts/c1", body=BUY))
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")


def test_a_second_request_for_a_running_checkout_is_told_that_it_is_pending(
    database: Database, tmp_path: Path, closing: Callable
) -> None:
    shop, gate = a_shop(tmp_path, closing), Gate(None)

    def slow(method: str, path: str, body: object = None) -> object:
        if path.startswith("/orders"):
            gate()
        return shop(method, path, body)

    bought = service(database, slow)

    def work(number: int) -> object:
        if number == 1:
            assert gate.began.wait(10)
        try:
            return bought("PUT", "/checkouts/c1", BUY)["state"]
        finally:
            if number == 1:
                gate.go_on.set()

    assert in_threads(2, work) == ["placed", "pending"]


def test_patient_calls_are_repeated_when_no_answer_comes_and_only_then() -> None:
    asked = []

    def shaky(method: str, path: str, body: object = None) -> str:
        asked.append(path)
        if path == "/no":
            raise ServiceRefusedError(404, "no")
        if len(asked) < 3:
            raise NoAnswerError("silence")
        return "here"

    policy = retries.RetryPolicy(max_attempts=3, base_s=0, cap_s=0)
    call = calls.patient(shaky, retries.Client(policy))
    assert call("GET", "/yes") == "here"
    assert len(asked) == 3
    with pytest.raises(ServiceRefusedError):
        call("GET", "/no")
    assert len(asked) == 4
