"""Wrong answers to lab 1.2: the reply of the service."""

from amazonian.resilience import charges
from amazonian.resilience.charges import Reply, problem
from amazonian.resilience.idempotency import RefusedError
from wrong_answers import wrong


@wrong(charges, feedback="TokenReusedError.status is 422")
def reply__calls_every_refusal_a_bad_request(outcome):
    if isinstance(outcome, RefusedError):
        return problem(400, outcome.title, str(outcome), outcome.retry_after_s)
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error")
    return Reply(201, outcome)


@wrong(charges, feedback="MissingTokenError.status is 400")
def reply__calls_every_exception_a_failure(outcome):
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error")
    return Reply(201, outcome)


@wrong(charges, feedback="hand on error.retry_after_s")
def reply__does_not_say_when(outcome):
    if isinstance(outcome, RefusedError):
        return problem(outcome.status, outcome.title, str(outcome))
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error")
    return Reply(201, outcome)


@wrong(charges, feedback="what went wrong inside is for the log")
def reply__tells_the_inside(outcome):
    if isinstance(outcome, RefusedError):
        return problem(outcome.status, outcome.title, str(outcome), outcome.retry_after_s)
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error", str(outcome))
    return Reply(201, outcome)


@wrong(charges, feedback="201 Created")
def reply__says_ok(outcome):
    if isinstance(outcome, RefusedError):
        return problem(outcome.status, outcome.title, str(outcome), outcome.retry_after_s)
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error")
    return Reply(200, outcome)


@wrong(charges, feedback="isinstance tells what came in: BankError is an exception")
def reply__trusts_whatever_has_a_status(outcome):
    if hasattr(outcome, "status"):
        return problem(outcome.status, outcome.title, str(outcome), outcome.retry_after_s)
    if isinstance(outcome, Exception):
        return problem(500, "Internal Server Error")
    return Reply(201, outcome)


@wrong(charges, feedback="isinstance tells what came in: TypeError is an exception")
def reply__raises_it_to_see_what_it_is(outcome):
    try:
        raise outcome
    except RefusedError as error:
        return problem(error.status, error.title, str(error), error.retry_after_s)
    except TypeError:
        return Reply(201, outcome)
    except Exception:
        return problem(500, "Internal Server Error")
