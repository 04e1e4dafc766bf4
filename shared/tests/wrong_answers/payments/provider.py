"""Wrong answers to lab 3.2: the key of a charge, and the reading of the PSP's answers."""

import uuid

import stripe

from amazonian.payments import provider
from amazonian.payments.provider import Captured, Declined, Rejected, Unknown, replayed
from wrong_answers import wrong


@wrong(provider, feedback="what changes from attempt to attempt must not be part of the name")
def charge_key__is_a_fresh_one_each_time(order):
    return str(uuid.uuid4())


@wrong(provider, feedback="what changes from attempt to attempt must not be part of the name")
def charge_key__counts_the_attempts(order):
    return f"{order.id}/{order.attempts + order.key_generation}"


@wrong(provider, feedback="an f-string of order.id and order.key_generation")
def charge_key__is_one_for_the_whole_event(order):
    return f"{order.event_id}/{order.key_generation}"


@wrong(provider, feedback="an f-string of order.id and order.key_generation")
def charge_key__never_changes(order):
    return f"{order.id}/0"


def _intent(answer):
    if answer.status == "succeeded":
        return Captured(answer.id)
    if answer.status in ("canceled", "requires_payment_method"):
        why = answer.last_payment_error
        return Declined(why.code, why.message) if why else Declined(answer.status, answer.status)
    return Unknown(f"it is {answer.status}")


def _error(answer):
    if isinstance(answer, stripe.CardError):
        return Declined(answer.code, answer.user_message)
    if isinstance(answer, (stripe.InvalidRequestError, stripe.IdempotencyError)):
        return Rejected(answer.code or type(answer).__name__, answer.user_message)
    return Unknown(str(answer), key_spent=replayed(answer))


@wrong(provider, feedback="a server that fails, and a silence, say nothing")
def outcome_of__takes_silence_for_a_no(answer):
    if isinstance(answer, stripe.APIConnectionError):
        return Declined("timeout", str(answer))
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="it is neither paid nor refused yet")
def outcome_of__knows_only_yes_and_no(answer):
    if isinstance(answer, stripe.PaymentIntent) and answer.status == "processing":
        return Declined("processing", "not paid")
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="it is neither paid nor refused yet")
def outcome_of__takes_every_intent_for_paid(answer):
    if isinstance(answer, stripe.PaymentIntent):
        failed = answer.status in ("canceled", "requires_payment_method")
        return _intent(answer) if failed else Captured(answer.id)
    return _error(answer)


@wrong(provider, feedback="last_payment_error, where there is one")
def outcome_of__expects_an_error_always(answer):
    if isinstance(answer, stripe.PaymentIntent) and answer.status == "canceled":
        return Declined(answer.last_payment_error.code, answer.last_payment_error.message)
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="replayed(answer) looks at the header")
def outcome_of__never_sees_a_spent_key(answer):
    if isinstance(answer, stripe.APIError):
        return Unknown(str(answer))
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="a server that fails, and a silence, say nothing")
def outcome_of__gives_up_the_key_after_each_500(answer):
    if isinstance(answer, stripe.APIError):
        return Unknown(str(answer), key_spent=True)
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="both classes; the code, or the name of the class")
def outcome_of__tries_a_wrong_request_again(answer):
    if isinstance(answer, stripe.IdempotencyError):
        return Unknown(str(answer))
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="error.code and error.user_message; str(error) has the request's id")
def outcome_of__shows_the_customer_the_request_id(answer):
    if isinstance(answer, stripe.CardError):
        return Declined(answer.code, str(answer))
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="a kept answer is an answer")
def outcome_of__takes_every_replay_for_a_failure(answer):
    if isinstance(answer, stripe.StripeError) and replayed(answer):
        return Unknown(str(answer), key_spent=True)
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)


@wrong(provider, feedback="anything that is in none of the other rows")
def outcome_of__takes_a_429_for_a_refusal(answer):
    if isinstance(answer, stripe.RateLimitError):
        return Rejected("rate_limit", str(answer))
    return _intent(answer) if isinstance(answer, stripe.PaymentIntent) else _error(answer)
