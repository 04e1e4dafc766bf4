"""What lab 1.2 asks of the HTTP reply."""

import json

from amazonian.course.evidence import Answer, call
from amazonian.course.rules import RulesFor
from amazonian.resilience.charges import InvalidChargeError
from amazonian.resilience.idempotency import InProgressError, MissingTokenError, TokenReusedError

about = RulesFor("amazonian.resilience.charges")

REFUSALS = (
    (MissingTokenError("no token came"), 400),
    (TokenReusedError("it came before"), 422),
    (InProgressError("it still runs"), 409),
    (InvalidChargeError("no amount"), 400),
)


class BankError(Exception):
    """A failure that looks like a refusal, as the errors of many HTTP libraries do."""

    status, title, retry_after_s = 402, "Payment Required", None


FAILURES = (
    OSError("disk /dev/sda1 is full"),
    KeyError("password"),
    TypeError("can't add int and str"),
    BankError("account 4711 is closed"),
)


def _fields(answer: Answer, look: str = "") -> dict:
    """The fields of the Reply that came back."""
    kind, fields = answer.satisfies(
        lambda value: isinstance(value, tuple) and value[0] == "Reply",
        "a Reply with a text as its body",
        look,
    )
    assert kind == "Reply"
    return fields


def _status(answer: Answer, wanted: int, look: str) -> dict:
    fields = _fields(answer, look)
    if fields["status"] != wanted:
        raise answer.broken(f"status {wanted}", look, f"status {fields['status']}")
    return fields


@about.rule("reply")
def an_answer_is_created(reply):
    """An answer is status 201 with the answer itself as its body."""
    for text in ('{"charge": "ch_1"}', ""):
        answer = call(reply, text)
        fields = _status(answer, 201, "201 Created: a charge was made, now or the first time")
        if fields != {
            "status": 201,
            "body": text,
            "content_type": "application/json",
            "retry_after_s": None,
        }:
            raise answer.broken(f"Reply(201, {text!r})", "the answer as it is, no more")


@about.rule("reply")
def a_refusal_has_its_own_status(reply):
    """A refusal has the status that its error carries: 400, 422 or 409."""
    for error, status in REFUSALS:
        _status(call(reply, error), status, f"{type(error).__name__}.status is {status}")


@about.rule("reply")
def a_refusal_says_why(reply):
    """A refusal is a problem (RFC 9457) whose title and detail are the error's own."""
    for error, _ in REFUSALS:
        answer = call(reply, error)
        fields = _fields(answer)
        if fields["content_type"] != "application/problem+json":
            raise answer.broken("content_type application/problem+json", "problem(…) makes one")
        try:
            body = json.loads(fields["body"])
            said = (body["title"], body["detail"])
        except (ValueError, TypeError, KeyError):
            raise answer.broken("a body of JSON with a title and a detail") from None
        if said != (error.title, str(error)):
            raise answer.broken(
                f"title {error.title!r} and detail {str(error)!r}",
                "what did the caller do wrong? error.title and str(error) say it",
                f"title {said[0]!r} and detail {said[1]!r}",
            )


@about.rule("reply")
def only_a_running_request_says_when(reply):
    """Retry-After is sent if the error has one: while the first attempt is still running."""
    for error, _ in REFUSALS:
        answer = call(reply, error)
        if _fields(answer)["retry_after_s"] != error.retry_after_s:
            raise answer.broken(
                f"retry_after_s={error.retry_after_s}",
                "hand on error.retry_after_s, which is None for what a retry can't cure",
            )


@about.rule("reply")
def a_failure_is_500_and_keeps_quiet(reply):
    """Any other exception is status 500, which may be retried, and tells nothing of the inside."""
    for error in FAILURES:
        answer = call(reply, error)
        fields = _status(
            answer,
            500,
            f"isinstance tells what came in: {type(error).__name__} is an exception, but no "
            "RefusedError. A caller may retry a 500 with its token; a 4xx it may not",
        )
        if fields["content_type"] != "application/problem+json":
            raise answer.broken("content_type application/problem+json", "problem(…) makes one")
        try:
            body = json.loads(fields["body"])
            said = (body["title"], body["detail"])
        except (ValueError, TypeError, KeyError):
            raise answer.broken("a body of JSON with a title and a detail") from None
        if said != ("Internal Server Error", ""):
            raise answer.broken(
                "title 'Internal Server Error' and an empty detail",
                "what went wrong inside is for the log",
            )


about.hints(
    "reply",
    "Three kinds of outcome may come in. How do you tell them apart?",
    """
    isinstance tells them apart, the special kind first: a RefusedError is an Exception too.
    `problem` makes the reply for two of the three.
    """,
    """
    if isinstance(outcome, RefusedError):
        return problem(outcome.status, …, …, …)
    if isinstance(outcome, Exception):
        return problem(500, …)
    return Reply(…, outcome)
    """,
)
