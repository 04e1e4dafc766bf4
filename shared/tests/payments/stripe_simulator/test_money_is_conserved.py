"""Whatever a merchant does, and whatever goes wrong: the PSP's own books are in order."""

from collections import Counter

import stripe
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from amazonian.payments.stripe_simulator.core import Simulator
from amazonian.payments.stripe_simulator.faults import OF_WEBHOOKS, Kind
from amazonian.payments.stripe_simulator.payment_methods import TEST_METHODS
from amazonian.payments.stripe_simulator.transport import client

TRANSITIONS = {
    ("requires_confirmation", "requires_payment_method"),
    ("requires_payment_method", "requires_confirmation"),
    *(
        (unpaid, after)
        for unpaid in ("requires_payment_method", "requires_confirmation")
        for after in ("processing", "succeeded", "requires_capture", "canceled")
    ),
    ("processing", "succeeded"),
    ("processing", "requires_capture"),
    ("processing", "requires_payment_method"),
    ("requires_capture", "succeeded"),
    ("requires_capture", "canceled"),
}
"""What may follow what; a status may also stay."""

amounts = st.integers(50, 3_000)


class Merchant(RuleBasedStateMachine):
    """A merchant with the real SDK, and a PSP whose every call may fail."""

    intents = Bundle("intents")
    requests = Bundle("requests")

    def __init__(self):
        super().__init__()
        self.simulator = Simulator()
        self.psp = client(self.simulator, timeout_s=1.0)
        self.statuses, self.answers, self.number = {}, {}, 0

    def attempt(self, call):
        try:
            return call()
        except (stripe.APIError, stripe.CardError, stripe.APIConnectionError) as error:
            return error
        except (stripe.InvalidRequestError, stripe.RateLimitError) as error:
            return error

    def create(self, key, params):
        return self.attempt(
            lambda: self.psp.v1.payment_intents.create(params, {"idempotency_key": key})
        )

    @rule(
        target=requests,
        amount=amounts,
        method=st.sampled_from(sorted(TEST_METHODS)),
        capture=st.sampled_from(["automatic", "manual"]),
        currency=st.sampled_from(["usd", "jpy"]),
        confirm=st.booleans(),
    )
    def request(self, **params):
        self.number += 1
        params["payment_method"] = params.pop("method")
        params["capture_method"] = params.pop("capture")
        return f"key-{self.number}", params

    @rule(target=intents, request=requests)
    def pay(self, request):
        """Send a request, perhaps not for the first time."""
        key, params = request
        answer = self.create(key, params)
        if isinstance(answer, stripe.PaymentIntent):
            assert self.answers.setdefault(key, answer.id) == answer.id
            return answer.id
        return multiple()

    @rule(intent=intents, method=st.sampled_from(sorted(TEST_METHODS)))
    def confirm(self, intent, method):
        params = {"payment_method": method}
        self.attempt(lambda: self.psp.v1.payment_intents.confirm(intent, params))

    @rule(intent=intents, amount=amounts)
    def capture(self, intent, amount):
        params = {"amount_to_capture": amount}
        self.attempt(lambda: self.psp.v1.payment_intents.capture(intent, params))

    @rule(intent=consumes(intents))
    def cancel(self, intent):
        self.attempt(lambda: self.psp.v1.payment_intents.cancel(intent))

    @rule(intent=intents, amount=st.none() | amounts)
    def refund(self, intent, amount):
        params = {"payment_intent": intent, **({"amount": amount} if amount else {})}
        self.attempt(lambda: self.psp.v1.refunds.create(params))

    @rule(seconds=st.sampled_from([1.0, 30.0, 180.0, 90_000.0, 700_000.0]))
    def wait(self, seconds):
        self.simulator.advance(seconds)
        if seconds >= 86_400:
            self.answers.clear()  # keys are forgotten after a day

    @rule(kind=st.sampled_from(sorted(set(Kind) - OF_WEBHOOKS)), nth=st.integers(1, 3))
    def fault(self, kind, nth):
        self.simulator.faults.add(kind, nth=nth)

    @invariant()
    def no_more_is_captured_than_was_authorised_nor_refunded_than_was_captured(self):
        refunded = Counter()
        for refund in self.simulator.objects("refund"):
            refunded[refund["charge"]] += refund["amount"] * (refund["status"] != "failed")
        for charge in self.simulator.objects("charge"):
            assert charge["amount_captured"] <= charge["amount"]
            assert 0 <= charge["amount_refunded"] <= charge["amount_captured"]
            assert charge["amount_refunded"] == refunded[charge["id"]]
            assert charge["paid"] or not charge["amount_captured"]

    @invariant()
    def an_intent_is_paid_at_most_once_and_says_so(self):
        paid = Counter()
        for charge in self.simulator.objects("charge"):
            paid[charge["payment_intent"]] += charge["paid"]
        for intent in self.simulator.objects("payment_intent"):
            collected = intent["status"] in ("succeeded", "requires_capture")
            assert paid[intent["id"]] == collected or intent["status"] == "canceled"
            assert (intent["status"] == "succeeded") == (intent["amount_received"] > 0)

    @invariant()
    def the_balance_is_the_sum_of_its_transactions(self):
        sums = Counter()
        sources = {
            thing["id"] for kind in ("charge", "refund") for thing in self.simulator.objects(kind)
        }
        for moved in self.simulator.objects("balance_transaction"):
            assert moved["net"] == moved["amount"] - moved["fee"]
            assert moved["source"] in sources
            sums[moved["currency"]] += moved["net"]
        shown = Counter()
        answer = self.attempt(self.psp.v1.balance.retrieve)
        if isinstance(answer, stripe.Balance):
            for part in (*answer.available, *answer.pending):
                shown[part.currency] += part.amount
            assert shown == sums

    @invariant()
    def a_status_follows_its_predecessors(self):
        for intent in self.simulator.objects("payment_intent"):
            before = self.statuses.get(intent["id"], "requires_confirmation")
            now = self.statuses[intent["id"]] = intent["status"]
            assert before == now or (before, now) in TRANSITIONS


TestMerchant = Merchant.TestCase
TestMerchant.settings = settings(max_examples=60, stateful_step_count=30)
