"""The simulator behind a real socket, for the SDK and for whoever tests the shop."""

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import stripe
from crew import PATIENCE_S, in_threads

from amazonian.payments.stripe_simulator.core import API_KEY
from amazonian.payments.stripe_simulator.server import LARGEST_BODY_BYTES, deliver, running
from amazonian.payments.stripe_simulator.transport import client_for

PARAMS = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}


@pytest.fixture
def url(simulator):
    with running(simulator) as url:
        yield url


@pytest.fixture
def over_http(url):
    return client_for(url)


def control(url, method, path, value=None):
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{url}/_simulator/{path}", body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
    return 200, text.decode() if path.startswith("settlement") and not body else json.loads(text)


def test_the_sdk_pays_refunds_and_lists_over_http(over_http):
    intent = over_http.v1.payment_intents.create({**PARAMS, "metadata": {"order_id": "o-1"}})
    assert intent.status == "succeeded"
    refund = over_http.v1.refunds.create({"payment_intent": intent.id, "amount": 5})
    assert refund.status == "succeeded"
    for _ in range(3):
        over_http.v1.payment_intents.create(PARAMS)
    listed = over_http.v1.payment_intents.list({"limit": 2}).auto_paging_iter()
    assert [i.metadata.to_dict() for i in listed] == [{}, {}, {}, {"order_id": "o-1"}]


def test_the_older_style_of_the_sdk_works_over_http(url, monkeypatch):
    monkeypatch.setattr(stripe, "api_key", API_KEY)
    monkeypatch.setattr(stripe, "api_base", url)
    monkeypatch.setattr(stripe, "default_http_client", stripe.RequestsClient(timeout=PATIENCE_S))
    assert stripe.PaymentIntent.create(**PARAMS, idempotency_key="k").status == "succeeded"
    with pytest.raises(stripe.CardError):
        stripe.PaymentIntent.create(**{**PARAMS, "payment_method": "pm_card_chargeDeclined"})


def test_a_timeout_after_charging_leaves_a_charge_that_a_retry_finds(simulator, url):
    hasty = client_for(url, timeout_s=0.2)
    control(url, "POST", "faults", {"kind": "timeout_after"})
    with pytest.raises(stripe.APIConnectionError):
        hasty.v1.payment_intents.create(PARAMS, {"idempotency_key": "key"})
    assert len(simulator.objects("charge")) == 1
    again = hasty.v1.payment_intents.create(PARAMS, {"idempotency_key": "key"})
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(simulator.objects("charge")) == 1


def test_16_threads_with_one_key_charge_once_over_http(simulator, over_http):
    options = {"idempotency_key": "key"}
    intents = in_threads(16, lambda n: over_http.v1.payment_intents.create(PARAMS, options))
    assert len({intent.id for intent in intents}) == 1
    assert len(simulator.objects("charge")) == 1


def test_another_process_can_order_faults_see_them_and_call_them_off(url, over_http):
    fault = {"kind": "throttle", "on": "GET /v1/balance", "nth": 1, "times": 1}
    assert control(url, "POST", "faults", fault) == (200, {"waiting": [fault], "struck": []})
    with pytest.raises(stripe.RateLimitError):
        over_http.v1.balance.retrieve()
    struck = [{"name": "GET /v1/balance", **fault}]
    assert control(url, "GET", "faults") == (200, {"waiting": [], "struck": struck})
    control(url, "POST", "faults", fault)
    assert control(url, "DELETE", "faults")[1]["waiting"] == []
    over_http.v1.balance.retrieve()


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [
        ("faults", {"kind": "explode"}, 400),
        ("faults", {"nth": 1}, 400),
        ("faults", [1], 400),
        ("faults", {"kind": "delay", "nth": "2"}, 400),
        ("clock", {}, 400),
        ("clock", {"advance_s": -1}, 400),
        ("clock", {"advance_s": "NaN"}, 400),
        ("settlement/yesterday", {"mistakes": []}, 400),
        ("settlement/2026-07-01", {}, 400),
        ("elsewhere", {}, 404),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(url, path, value, status):
    answered, body = control(url, "POST", path, value)
    assert answered == status
    assert body["error"]["message"]


def test_another_process_can_move_time_and_read_the_file_of_the_day(url, over_http):
    over_http.v1.payment_intents.create({**PARAMS, "metadata": {"order_id": "o-1"}})
    now_s = control(url, "POST", "clock", {"advance_s": 2 * 86_400})[1]["now_s"]
    assert now_s == 1_782_900_000 + 2 * 86_400
    assert over_http.v1.balance.retrieve().available[0].amount == 1912
    _, text = control(url, "GET", "settlement/2026-07-01")
    assert text.splitlines()[1].endswith(",o-1")
    _, spoilt = control(url, "POST", "settlement/2026-07-01", {"mistakes": ["amount"]})
    assert spoilt["mistakes"][0]["true"]["gross"] == 2000
    assert ",2001," in spoilt["csv"]


def test_a_body_that_is_too_large_is_refused(url):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    large = urllib.request.Request(f"{url}/v1/refunds", b"x" * (LARGEST_BODY_BYTES + 1), headers)
    with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(large, timeout=PATIENCE_S)
    if isinstance(refused.value, urllib.error.HTTPError):
        with refused.value as answer:
            assert answer.code == 413


# --- webhooks over HTTP ---------------------------------------------------------------------------


class Shop:
    """An endpoint that answers its first webhooks as told, later ones with 200."""

    def __init__(self, *answers):
        self.answers, self.taken, self.enough = list(answers), [], threading.Event()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                payload = self.rfile.read(int(self.headers["Content-Length"]))
                shop.taken.append((payload, self.headers["Stripe-Signature"]))
                self.send_response(shop.answers.pop(0) if shop.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if not shop.answers:
                    shop.enough.set()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?shop=1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_webhooks_go_out_signed_while_the_server_runs(simulator, over_http, closing):
    shop = closing(Shop(200, 200, 200))
    endpoint = over_http.v1.webhook_endpoints.create({"url": shop.url, "enabled_events": ["*"]})
    over_http.v1.payment_intents.create(PARAMS)
    assert shop.enough.wait(PATIENCE_S)
    events = [
        stripe.Webhook.construct_event(payload, signature, endpoint.secret, tolerance=0)
        for payload, signature in shop.taken
    ]
    assert [event.type for event in events][-1] == "payment_intent.succeeded"


def test_a_webhook_that_is_not_taken_comes_again(simulator, psp, closing):
    shop = closing(Shop(500))
    simulator.add_webhook(shop.url, "whsec_known")
    psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    assert [deliver(simulator), deliver(simulator)] == [1, 0]
    simulator.advance(10)
    assert [deliver(simulator), deliver(simulator)] == [1, 0]
    simulator.advance(3 * 86_400)
    assert deliver(simulator) == 0
    assert stripe.WebhookSignature.verify_header(*shop.taken[1], "whsec_known")


def test_an_endpoint_that_is_not_there_is_asked_again(simulator, psp):
    simulator.add_webhook("http://127.0.0.1:1/")
    psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    assert deliver(simulator) == 1
    simulator.advance(10)
    assert deliver(simulator) == 1


def test_it_runs_as_a_program_of_its_own(closing):
    shop = closing(Shop(200, 200, 200))
    command = [sys.executable, "-m", "amazonian.payments.stripe_simulator", "--port", "0"]
    command += ["--webhook-url", shop.url, "--webhook-secret", "whsec_mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert "whsec_mine" in process.stdout.readline()
            url = process.stdout.readline().split()[3].rstrip(",")
            intent = client_for(url, PATIENCE_S).v1.payment_intents.create(PARAMS)
            assert intent.status == "succeeded"
            assert shop.enough.wait(PATIENCE_S)
            payload, signature = shop.taken[0]
            assert stripe.Webhook.construct_event(payload, signature, "whsec_mine").id
        finally:
            process.terminate()
