"""What lab 3.2 asks of the key of a charge, and of the reading of the PSP's answers."""

from dataclasses import replace
from typing import Any

import stripe

from amazonian.course.evidence import call
from amazonian.course.rules import RulesFor
from amazonian.payments.orders import PaymentOrder, State
from amazonian.payments.provider import Captured, Declined, Rejected, Unknown

about = RulesFor("amazonian.payments.provider")

ORDER = PaymentOrder("pay_1-1", "pay_1", "ada", 4200, "EUR", "pm_card_visa")


# --- charge_key -------------------------------------------------------------------------------


@about.rule("charge_key")
def each_attempt_has_the_same(charge_key):
    """All attempts at one charge have one key, in every process and after every crash."""
    first = call(charge_key, ORDER).satisfies(lambda key: isinstance(key, str), "a text")
    for later in (
        ORDER,
        replace(ORDER, attempts=5, version=9),
        replace(ORDER, state=State.UNKNOWN, due_at_s=1_790_000_000.0, reason="no answer"),
    ):
        call(charge_key, later).equals(
            first,
            look="what changes from attempt to attempt must not be part of the name",
        )


@about.rule("charge_key")
def it_is_id_and_generation(charge_key):
    """The key is the order's id, a slash, and its key generation."""
    for order, wanted in (
        (ORDER, "pay_1-1/0"),
        (replace(ORDER, id="pay_1-2"), "pay_1-2/0"),
        (replace(ORDER, key_generation=12), "pay_1-1/12"),
    ):
        call(charge_key, order).equals(
            wanted, look="an f-string of order.id and order.key_generation"
        )


about.hints(
    "charge_key",
    "Which two fields of the order stay the same from the first attempt to the last?",
    "The order's id names what is to happen once. Its key_generation says which name is in use.",
    'return f"{order.id}/{order.…}"',
)


# --- outcome_of -------------------------------------------------------------------------------


def intent(status: str, **more: Any) -> stripe.PaymentIntent:
    """A PaymentIntent as the SDK returns it."""
    fields = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": status,
        "last_payment_error": None,
    }
    return stripe.PaymentIntent.construct_from(fields | more, "sk_test")


def _read(outcome_of: Any, answer: Any, shown_as: str) -> Any:
    return call(outcome_of, answer, shown_as=f"outcome_of({shown_as})")


@about.rule("outcome_of")
def a_success_is_captured(outcome_of):
    """A PaymentIntent that succeeded is Captured, with its id."""
    for name in ("pi_1", "pi_other"):
        answer = intent("succeeded", id=name)
        _read(outcome_of, answer, f"<PaymentIntent {name}, status succeeded>").equals(
            Captured(name), look="the intent's own id: a refund will need it"
        )


@about.rule("outcome_of")
def a_failed_intent_is_declined(outcome_of):
    """An intent that is canceled, or wants another payment method, is Declined, and says why."""
    why = {"code": "card_declined", "message": "Your card was declined."}
    look = "last_payment_error, where there is one, has code and message; else the status is both"
    for status in ("canceled", "requires_payment_method"):
        answer = intent(status, last_payment_error=why)
        _read(outcome_of, answer, f"<PaymentIntent pi_1, status {status}, declined>").equals(
            Declined("card_declined", "Your card was declined."), look
        )
        _read(
            outcome_of, intent(status), f"<PaymentIntent pi_1, status {status}, no error>"
        ).equals(Declined(status, status), look)


@about.rule("outcome_of")
def anything_else_an_intent_is_is_unknown(outcome_of):
    """An intent in any other status, such as processing, is Unknown: it may still succeed."""
    for status in ("processing", "requires_action", "requires_capture", "a status of next year"):
        answer = _read(outcome_of, intent(status), f"<PaymentIntent pi_1, status {status}>")
        kind, fields = answer.satisfies(
            lambda value: isinstance(value, tuple), "an Unknown", "it is neither paid nor refused"
        )
        if kind != "Unknown" or fields["key_spent"]:
            raise answer.broken(
                "Unknown(…), its key not spent",
                "it is neither paid nor refused yet; ask again later, under the same key",
            )


@about.rule("outcome_of")
def a_card_error_is_declined(outcome_of):
    """A CardError (402) is Declined, with the error's code and message."""
    request = {"request-id": "req_1"}
    error = stripe.CardError(
        "Your card was declined.", "", "card_declined", http_status=402, headers=request
    )
    answer = _read(outcome_of, error, "<CardError 402 card_declined, of request req_1>")
    answer.equals(
        Declined("card_declined", "Your card was declined."),
        look="error.code and error.user_message; str(error) has the request's id in it",
    )


@about.rule("outcome_of")
def a_request_that_is_wrong_is_rejected(outcome_of):
    """An InvalidRequestError or IdempotencyError (400, 404) is Rejected: nothing was charged."""
    wrong = stripe.InvalidRequestError(
        "No such payment method.",
        "payment_method",
        code="resource_missing",
        http_status=404,
        headers={"request-id": "req_1"},
    )
    look = "both classes; the code, or the name of the class where there is no code"
    _read(outcome_of, wrong, "<InvalidRequestError 404 resource_missing>").equals(
        Rejected("resource_missing", "No such payment method."), look
    )
    reused = stripe.IdempotencyError("Keys can only be used once.", http_status=400)
    _read(outcome_of, reused, "<IdempotencyError 400, without a code>").equals(
        Rejected("IdempotencyError", "Keys can only be used once."), look
    )


@about.rule("outcome_of")
def no_clear_answer_is_unknown(outcome_of):
    """Any other error is Unknown with its text: the card may have been charged before it."""
    for error, shown_as in (
        (stripe.APIError("Something broke.", http_status=500), "<APIError 500>"),
        (stripe.APIConnectionError("No answer within 5 s."), "<APIConnectionError>"),
    ):
        _read(outcome_of, error, shown_as).equals(
            Unknown(str(error)),
            look="a server that fails, and a silence, say nothing about the buyer's money; and "
            "only what replayed(answer) calls a replay has spent its key",
        )
    request = {"request-id": "req_1"}
    for kind, status in (
        (stripe.AuthenticationError, 401),
        (stripe.PermissionError, 403),
        (stripe.RateLimitError, 429),
        (stripe.APIError, 409),
    ):
        error = kind("Not now.", http_status=status, headers=request)
        _read(outcome_of, error, f"<{kind.__name__} {status}, of request req_1>").equals(
            Unknown(str(error)),
            look="anything that is in none of the other rows; str(answer) names the request",
        )


@about.rule("outcome_of")
def a_replayed_failure_has_spent_its_key(outcome_of):
    """Only a failure that the PSP has kept, and sends again, has spent its key."""
    error = stripe.APIError(
        "Something broke.", http_status=500, headers={"Idempotent-Replayed": "true"}
    )
    _read(outcome_of, error, "<APIError 500, Idempotent-Replayed: true>").equals(
        Unknown("Something broke.", key_spent=True), look="replayed(answer) looks at the header"
    )


@about.rule("outcome_of")
def a_replayed_no_is_a_no(outcome_of):
    """A decline, or a refusal, that is replayed is what it was the first time."""
    replay = {"Idempotent-Replayed": "true"}
    look = "a kept answer is an answer: only a failure that is kept has spent its key"
    declined = stripe.CardError("No.", "", "card_declined", http_status=402, headers=replay)
    _read(outcome_of, declined, "<CardError 402, Idempotent-Replayed: true>").equals(
        Declined("card_declined", "No."), look
    )
    wrong = stripe.InvalidRequestError("No.", "", code="bad", http_status=400, headers=replay)
    _read(outcome_of, wrong, "<InvalidRequestError 400, Idempotent-Replayed: true>").equals(
        Rejected("bad", "No."), look
    )


about.hints(
    "outcome_of",
    "Which answers say for certain that the buyer was charged, and which that they were not?",
    """
    isinstance tells the five kinds of answer apart. Of an intent, look at its status. What says
    neither yes nor no for certain is Unknown, however much it looks like a failure.
    """,
    """
    if isinstance(answer, stripe.PaymentIntent):
        if answer.status == "succeeded": return Captured(…)
        if answer.status in (…, …): … return Declined(…, …)
        return Unknown(…)
    if isinstance(answer, stripe.CardError): return Declined(…)
    if isinstance(answer, (…, …)): return Rejected(answer.code or …, …)
    return Unknown(str(answer), key_spent=…)
    """,
)
