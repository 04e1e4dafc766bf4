"""The payment service over real HTTP, with a client that is not ours, on both databases."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from crew import in_threads

from amazonian.payments import api as payment_api
from amazonian.payments import journal, orders, webhooks
from amazonian.payments.api import PaymentApi
from amazonian.payments.executor import Executor
from amazonian.payments.provider import StripeProvider
from amazonian.payments.store import open_store
from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.transport import client
from amazonian.resilience import retries, web
from amazonian.resilience.clock import SimulatedClock

SECRET = "whsec_test"
BASKET = {
    "buyer": "eve",
    "currency": "EUR",
    "payment_method": "pm_card_visa",
    "items": [{"seller": "ada", "amount": 4200}, {"seller": "bob", "amount": 1050}],
}


class Shop:
    """The service on a database, an executor that is run by hand, and a client."""

    def __init__(self, dsn: str):
        self.clock = SimulatedClock(1_790_000_000.0)
        self.simulator = Simulator(clock=self.clock)
        self.database = open_store(dsn)
        provider = StripeProvider(client(self.simulator), retries.Client(clock=self.clock))
        self.executor = Executor(self.database, provider, self.clock)
        self.api = PaymentApi(self.database, self.clock, SECRET)
        self.session = requests.Session()
        self.url = ""

    def post(self, path: str, body: Any = None, key: str | None = "k", **more: Any) -> Any:
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        headers |= more.pop("headers", {})
        return self.session.post(self.url + path, data=data, headers=headers, timeout=20, **more)

    def get(self, path: str) -> Any:
        return self.session.get(self.url + path, timeout=20)

    def buy(self, key: str = "k", **changes: Any) -> dict:
        reply = self.post("/payments", BASKET | changes, key)
        assert reply.status_code == 201, reply.text
        return reply.json()

    def run(self) -> None:
        """Let the executor work until nothing is due within an hour."""
        for _ in range(60):
            self.executor.run_once()
            self.clock.sleep(60)


@pytest.fixture
def shop(dsn: str) -> Iterator[Shop]:
    shop = Shop(dsn)
    with web.serving(shop.api.app()) as url, shop.session:
        shop.url = url
        yield shop
    shop.database.close()


def test_a_click_becomes_money_in_the_sellers_wallets(shop) -> None:
    bought = shop.buy()
    assert bought["amount"] == 5250
    assert [order["state"] for order in bought["orders"]] == ["created", "created"]
    shop.run()
    paid = shop.get(f"/payments/{bought['id']}").json()
    assert [order["state"] for order in paid["orders"]] == ["captured", "captured"]
    assert [step["state"] for step in paid["orders"][0]["history"]] == [
        "created",
        "authorising",
        "captured",
    ]
    [wallet] = shop.get("/wallets/ada").json()["wallets"]
    [entry] = shop.get("/ledger/seller:ada").json()["entries"]
    credited = sum(p["amount"] for p in entry["postings"] if p["account"] == "seller:ada")
    assert wallet == {"currency": "EUR", "available": -credited}
    assert shop.get("/trial-balance").json() == {"EUR": 0}
    assert sum(i["amount"] for i in charged(shop)) == 5250


def test_a_long_account_comes_a_page_at_a_time(shop, monkeypatch) -> None:
    bought = [shop.buy(f"k{number}") for number in range(3)]
    shop.run()
    monkeypatch.setattr(journal, "PAGE", 2)
    found, after = [], ""
    while after is not None:
        page = shop.get(f"/ledger/seller:ada{after and '?after=' + after}").json()
        assert len(page["entries"]) <= 2
        found += [entry["id"] for entry in page["entries"]]
        after = page["next"]
    assert sorted(found) == sorted(f"capture:{payment['orders'][0]['id']}" for payment in bought)


def charged(shop: Shop) -> list[dict]:
    """What the PSP has charged."""
    found = client(shop.simulator).v1.payment_intents.list({"limit": 100}).data
    return [{"amount": i.amount} for i in found if i.status == "succeeded"]


def test_a_repeat_gets_the_same_answer_and_makes_no_second_payment(shop) -> None:
    first = shop.post("/payments", BASKET)
    shop.run()
    again = shop.post("/payments", BASKET)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert shop.buy("k2")["id"] != first.json()["id"]
    shop.run()
    assert len(charged(shop)) == 4


def test_a_key_that_is_none_is_asked_for(shop) -> None:
    for header in (None, "", "k", '""', '"' + "k" * 256 + '"', '"a" "b"'):
        headers = {} if header is None else {"Idempotency-Key": header}
        refused = shop.post("/payments", BASKET, key=None, headers=headers)
        assert refused.status_code == 400, header
        assert refused.headers["content-type"] == "application/problem+json"
        assert "Idempotency-Key" in refused.json()["title"]
    assert shop.database.read("SELECT id FROM payment_events") == []


def test_a_key_that_came_with_another_basket_is_refused(shop) -> None:
    shop.buy()
    for other in ({"buyer": "mallory"}, {"currency": "USD"}, {"discount": 1}):
        assert shop.post("/payments", BASKET | other).status_code == 422
    same = {name: BASKET[name] for name in reversed(BASKET)}
    assert shop.post("/payments", same).status_code == 201, "the order of fields says nothing"


def test_a_key_of_a_payment_is_none_of_a_refund(shop) -> None:
    bought = shop.buy()
    shop.run()
    wish = {"order_id": bought["orders"][0]["id"]}
    assert shop.post(f"/payments/{bought['id']}/refunds", wish, key="k").status_code == 422


def test_a_request_that_still_runs_is_answered_with_409(shop, monkeypatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    create = orders.create

    def slowly(t: Any, event: Any) -> Any:
        began.set()
        assert go_on.wait(20)
        return create(t, event)

    monkeypatch.setattr(orders, "create", slowly)

    def attempt(number: int) -> Any:
        if number == 0:
            return shop.post("/payments", BASKET)
        assert began.wait(20)
        try:
            with requests.Session() as other:
                headers = {"Idempotency-Key": '"k"'}
                return other.post(f"{shop.url}/payments", json=BASKET, headers=headers, timeout=20)
        finally:
            go_on.set()

    first, second = in_threads(2, attempt)
    assert (first.status_code, second.status_code) == (201, 409)
    assert int(second.headers["retry-after"]) > 0
    assert shop.post("/payments", BASKET).json() == first.json()


def test_sixteen_clients_with_one_key_buy_once(shop) -> None:
    def attempt(number: int) -> Any:
        with requests.Session() as own:
            headers = {"Idempotency-Key": '"k"'}
            return own.post(f"{shop.url}/payments", json=BASKET, headers=headers, timeout=20)

    replies = in_threads(16, attempt)
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.content for reply in replies if reply.status_code == 201}) == 1
    assert len(shop.database.read("SELECT id FROM payment_events")) == 1
    shop.run()
    assert len(charged(shop)) == 2


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"buyer": NaN}',
    {},
    {**BASKET, "buyer": ""},
    {**BASKET, "buyer": 7},
    {**BASKET, "currency": "euro"},
    {**BASKET, "currency": "EUR "},
    {**BASKET, "currency": "ISK"},
    {**BASKET, "items": []},
    {**BASKET, "items": "all"},
    {**BASKET, "items": [7]},
    {**BASKET, "items": [{"seller": "ada"}]},
    {**BASKET, "items": [{"seller": "ada", "amount": 42.0}]},
    {**BASKET, "items": [{"seller": "ada", "amount": True}]},
    {**BASKET, "items": [{"seller": "ada", "amount": 0}]},
    {**BASKET, "items": [{"seller": "ada", "amount": -4200}]},
    {**BASKET, "items": [{"seller": "ada", "amount": 10**30}]},
    {**BASKET, "items": [{"seller": "ada", "amount": 1}] * 1001},
    {**BASKET, "discount": 5250},
    {**BASKET, "discount": -1},
    {**BASKET, "discount": "10%"},
    {**BASKET, "tip": 100},
]


def test_what_is_no_payment_is_refused_and_leaves_nothing(shop) -> None:
    for body in BROKEN:
        refused = shop.post("/payments", body)
        assert refused.status_code in (400, 422), (body, refused.text)
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"]
    assert shop.database.read("SELECT id FROM payment_events") == []
    assert shop.post("/payments", BASKET).status_code == 201, "the key is not spent"


def test_what_is_not_there_is_404_and_what_can_t_be_done_405(shop) -> None:
    for path in ("/payments/pay_none", "/", "/payments/", "/wallets"):
        assert shop.get(path).status_code == 404, path
    assert shop.post("/payments/pay_none/refunds", {"order_id": "x"}).status_code == 404
    assert shop.post("/dead-letters/pay_none-1/redrive").status_code == 404
    assert shop.get("/payments").status_code == 405
    assert shop.get("/health").json() == {"status": "ok"}
    assert shop.post("/payments", b"x" * 100_000).status_code == 413
    assert shop.get("/wallets/nobody").json() == {"seller": "nobody", "wallets": []}


def test_a_refund_gives_the_money_back_once(shop) -> None:
    bought = shop.buy()
    order_id = bought["orders"][0]["id"]
    path = f"/payments/{bought['id']}/refunds"
    early = shop.post(path, {"order_id": order_id}, key="r")
    assert early.status_code == 422
    assert "created" in early.json()["detail"]
    shop.run()
    replies = [shop.post(path, {"order_id": order_id}, key=key) for key in ("r", "r", "r2")]
    assert [reply.status_code for reply in replies] == [201, 201, 201]
    assert replies[0].json()["state"] == "refunding"
    shop.run()
    states = [o["state"] for o in shop.get(f"/payments/{bought['id']}").json()["orders"]]
    assert states == ["refunded", "captured"]
    assert shop.get("/wallets/ada").json()["wallets"] == [{"currency": "EUR", "available": 0}]
    assert len(client(shop.simulator).v1.refunds.list({}).data) == 1
    assert shop.post(path, {"order_id": "other-1"}, key="r3").status_code == 404


def test_a_webhook_is_taken_once_and_only_with_a_signature(shop) -> None:
    bought = shop.buy()
    order_id = bought["orders"][0]["id"]
    shop.executor.begin(orders.get(shop.database.read, order_id), orders.State.AUTHORISING)
    thing = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "metadata": {"order_id": order_id, "key": f"{order_id}/0"},
    }
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": thing}}
    payload = json.dumps(event).encode()
    sent_s = int(shop.clock.now_s())
    good = f"t={sent_s},v1={webhooks.signature(payload, sent_s, SECRET)}"
    other = f"t={sent_s},v1={webhooks.signature(payload, sent_s, 'whsec_other')}"
    for header in ("", other, good.replace("v1", "v0")):
        refused = shop.post("/webhooks/stripe", payload, headers={"Stripe-Signature": header})
        assert refused.status_code == 400
    assert (
        shop.post(
            "/webhooks/stripe", payload + b" ", headers={"Stripe-Signature": good}
        ).status_code
        == 400
    )
    taken = [
        shop.post("/webhooks/stripe", payload, headers={"Stripe-Signature": good}).json()["new"]
        for _ in range(2)
    ]
    assert taken == [True, False]
    assert orders.get(shop.database.read, order_id).state is orders.State.CAPTURED


def test_a_dead_letter_is_shown_and_goes_on_its_way_again(shop) -> None:
    bought = shop.buy(payment_method="pm_there_is_none")
    shop.run()
    letters = shop.get("/dead-letters").json()["dead_letters"]
    assert [letter["order_id"] for letter in letters] == [o["id"] for o in bought["orders"]]
    assert all(letter["reason"] for letter in letters)
    redriven = shop.post(f"/dead-letters/{letters[0]['order_id']}/redrive")
    assert redriven.status_code == 200
    assert len(shop.get("/dead-letters").json()["dead_letters"]) == 1
    shop.run()
    assert len(shop.get("/dead-letters").json()["dead_letters"]) == 2


def test_ids_of_events_are_never_the_same() -> None:
    assert len({payment_api.new_event_id() for _ in range(1000)}) == 1000
