"""What the API refuses, and in which words of its own."""

import json
from urllib.parse import quote

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.payments.stripe_simulator.core import API_KEY, Simulator
from amazonian.payments.stripe_simulator.currencies import SUPPORTED, decimals
from amazonian.payments.stripe_simulator.operations import OPERATIONS
from amazonian.payments.stripe_simulator.transport import InProcessHTTPClient

BAD_PARAMETERS = [
    ({"amount": 0}, "amount", "parameter_invalid_integer"),
    ({"amount": -5}, "amount", "parameter_invalid_integer"),
    ({"amount": "20.00"}, "amount", "parameter_invalid_integer"),
    ({"amount": "1e3"}, "amount", "parameter_invalid_integer"),
    ({"amount": "٣٠٠"}, "amount", "parameter_invalid_integer"),
    ({"amount": ""}, "amount", "parameter_invalid_empty"),
    ({"amount": 49}, "amount", "amount_too_small"),
    ({"amount": 100_000_000}, "amount", "amount_too_large"),
    ({"amount": 2005, "currency": "kwd"}, "amount", None),
    ({"amount": 2050, "currency": "isk"}, "amount", None),
    ({"currency": "xyz"}, "currency", None),
    ({"currency": "us"}, "currency", None),
    ({"confirm": "yes"}, "confirm", None),
    ({"capture_method": "later"}, "capture_method", None),
    ({"colour": "red"}, "colour", "parameter_unknown"),
    (
        {"automatic_payment_methods": {"on": True}},
        "automatic_payment_methods[on]",
        "parameter_unknown",
    ),
    ({"metadata": {"k" * 41: "v"}}, "metadata", None),
    ({"metadata": {"k": "v" * 501}}, "metadata", None),
    ({"metadata": {str(n): "v" for n in range(51)}}, "metadata", None),
    ({"payment_method": "pm_card_gold"}, "payment_method", "resource_missing"),
    ({"customer": "cus_nobody"}, "customer", "resource_missing"),
]


@pytest.mark.parametrize(("changes", "param", "code"), BAD_PARAMETERS)
def test_a_parameter_that_can_not_be_is_named(psp, pay, changes, param, code):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        pay(**changes)
    assert (refused.value.param, refused.value.code) == (param, code)
    assert not psp.v1.payment_intents.list().data


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"automatic_payment_methods=1", "automatic_payment_methods"),
        (b"payment_method_types=card", "payment_method_types"),
        (b"payment_method_types[a]=card", "payment_method_types"),
        (b"metadata=1", "metadata"),
        (b"metadata[a][b]=1", "metadata[a]"),
        (b"description[a]=1", "description"),
        (b"metadata[a][b][c][d][e]=1", "metadata[a][b][c][d][e]"),
    ],
)
def test_a_parameter_of_the_wrong_shape_is_named(simulator, body, param):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = b"amount=900&currency=usd&" + body
    reply = simulator.handle("POST", "/v1/payment_intents", headers, body)
    assert (reply.status, json.loads(reply.body)["error"]["param"]) == (400, param)


def test_metadata_may_have_50_keys_of_40_characters_with_values_of_500(pay):
    full = {f"{n:040}": "v" * 500 for n in range(50)}
    assert pay(metadata=full).metadata.to_dict() == full


@pytest.mark.parametrize("absent", ["amount", "currency"])
def test_a_parameter_that_is_needed_is_named(psp, absent):
    params = {"amount": 2000, "currency": "usd"}
    del params[absent]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.create(params)
    assert (refused.value.param, refused.value.code) == (absent, "parameter_missing")


@pytest.mark.parametrize(
    ("amount", "currency"), [(50, "jpy"), (2010, "kwd"), (2000, "ISK"), (30, "gbp"), (1, "mga")]
)
def test_each_currency_has_its_own_smallest_unit(pay, amount, currency):
    assert pay(amount=amount, currency=currency).amount_received == amount


def test_every_currency_has_two_decimals_but_for_the_known_ones():
    counted = {n: sum(decimals(code) == n for code in SUPPORTED) for n in (0, 2, 3)}
    assert counted == {0: 15, 2: len(SUPPORTED) - 20, 3: 5}


@pytest.mark.parametrize(
    ("call", "param"),
    [
        (lambda v1: v1.payment_intents.retrieve("pi_none"), "intent"),
        (lambda v1: v1.payment_intents.capture("pi_none"), "intent"),
        (lambda v1: v1.charges.retrieve("ch_none"), "id"),
        (lambda v1: v1.refunds.retrieve("re_none"), "id"),
        (lambda v1: v1.refunds.create({"charge": "ch_none"}), "charge"),
        (lambda v1: v1.payment_intents.list({"starting_after": "pi_none"}), "starting_after"),
    ],
)
def test_an_unknown_id_is_404_and_says_who_asked_for_it(psp, call, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        call(psp.v1)
    error = refused.value
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", param)


@pytest.mark.parametrize("key", ["sk_test_other", ""])
def test_a_wrong_key_is_401(simulator, key):
    thief = stripe.StripeClient(key, http_client=InProcessHTTPClient(simulator))
    with pytest.raises(stripe.AuthenticationError) as refused:
        thief.v1.balance.retrieve()
    assert refused.value.http_status == 401
    assert simulator.api_key not in str(refused.value)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/payment_intent"),
        ("DELETE", "/v1/payment_intents"),
        ("POST", "/v1/balance"),
        ("PATCH", "/v1/refunds"),
        ("GET", "/v1/payment_intents/pi_1/capture/more"),
    ],
)
def test_an_address_that_is_not_there_is_404(simulator, method, path):
    reply = simulator.handle(method, path, {"Authorization": f"Bearer {API_KEY}"})
    assert reply.status == 404
    assert json.loads(reply.body)["error"]["type"] == "invalid_request_error"


def test_an_intent_that_was_not_confirmed_can_be_neither_captured_nor_refunded(psp):
    intent = psp.v1.payment_intents.create({"amount": 2000, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.http_status == 400
    with pytest.raises(stripe.InvalidRequestError):
        psp.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.confirm(intent.id)
    assert refused.value.param == "payment_method"


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_one_to_a_hundred_objects(psp, limit):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.charges.list({"limit": limit})
    assert refused.value.param == "limit"


@pytest.mark.parametrize("query", ["", "everything", "amount:'5'", "status:'a' OR status:'b'"])
def test_a_search_that_is_not_understood_is_refused(psp, query):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        psp.v1.payment_intents.search({"query": query})
    assert refused.value.param == "query"


@pytest.mark.parametrize(
    "body",
    [
        b"&".join(b"metadata[%d]=1" % n for n in range(2_000)),
        b"description=1&description[a]=2",
        b"metadata" + b"[a]" * 10 + b"=1",
        b"description=%FF",
        b"\xff",
    ],
)
def test_a_body_that_means_harm_is_400(simulator, body):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = b"amount=900&currency=usd&" + body
    assert simulator.handle("POST", "/v1/payment_intents", headers, body).status == 400


def test_a_lists_index_may_have_any_length(simulator):
    headers = {"Authorization": f"Bearer {API_KEY}"}
    target = f"/v1/payment_intents?expand[{'9' * 5_000}]=data.customer"
    assert simulator.handle("GET", target, headers).status == 200


def test_a_header_can_not_smuggle_in_another_one(simulator):
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "a\r\n b: c"}
    reply = simulator.handle("POST", "/v1/customers", headers, b"name=Jo")
    assert reply.headers["Idempotency-Key"] == "a b: c"


# --- nothing that is sent makes the simulator stumble ---------------------------------------------

NAMES = sorted({name for operation in OPERATIONS.values() for name in operation.fields})
SUFFIXES = ["", "[]", "[0]", "[a]", "[a][b]", "[", "]", "[[]]", "[a][b][c][d][e][f]"]
VALUES = [
    "",
    "1",
    "-1",
    "true",
    "usd",
    "pm_card_visa",
    "manual",
    "*",
    "😀",
    "9" * 30,
    "data",
    "%00",
]
pairs = st.tuples(
    st.sampled_from(NAMES) | st.text(max_size=4),
    st.sampled_from(SUFFIXES),
    st.sampled_from(VALUES) | st.text(max_size=8),
)
paths = st.sampled_from([name.split()[1] for name in OPERATIONS]) | st.text(max_size=12)
ids = st.sampled_from(["pi_known", "ch_none", "", "%FF", "search", "a/b"])


def simulator_with_a_payment() -> Simulator:
    simulator = Simulator()
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = b"amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true"
    simulator.handle("POST", "/v1/payment_intents", headers, body)
    known = simulator.objects("payment_intent")[0]
    simulator.account.put({**known, "id": "pi_known"})
    return simulator


@settings(max_examples=300)
@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    paths,
    ids,
    st.lists(pairs, max_size=6),
    st.binary(max_size=6),
    st.text(max_size=300),
)
def test_whatever_is_sent_gets_an_answer_and_never_a_500(method, path, id, form, junk, key):
    simulator = simulator_with_a_payment()
    encoded = "&".join(f"{quote(name)}{suffix}={quote(value)}" for name, suffix, value in form)
    target = f"{path.replace(':id', id)}?{encoded}"
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
    reply = simulator.handle(method, target, headers, encoded.encode() + junk)
    assert reply.status in (200, 400, 402, 404)
    assert "object" in json.loads(reply.body) or "error" in json.loads(reply.body)


@settings(max_examples=100)
@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_headers_of_any_kind_get_an_answer(headers):
    assert Simulator().handle("GET", "/v1/balance", headers).status == 401
