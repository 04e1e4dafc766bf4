"""Checkouts that look right, to compare with: each breaks a promise at some crash or fault."""

from collections.abc import Sequence

from amazonian.shop import saga
from amazonian.shop.calls import NoAnswerError, ServiceRefusedError
from amazonian.shop.saga_bench import Design


def _forward(steps: Sequence[saga.Step], log: saga.Log) -> saga.Entry | None:
    """Act and log, step by step.

    Returns:
        None if all is done; else what to log when turning back, or what was logged by then.
    """
    entries = log.entries()
    turned = next((entry for entry in entries if entry.kind == saga.UNDOING), None)
    if turned is not None:
        return turned
    for step in steps[sum(entry.kind == saga.DID for entry in entries) :]:
        try:
            step.act()
        except (ServiceRefusedError, NoAnswerError) as error:
            if step.undo is None and isinstance(error, NoAnswerError):
                raise
            return saga.Entry(saga.UNDOING, step.name, str(error))
        log.append(saga.DID, step.name)
    return None


def _say_so(log: saga.Log, turn: saga.Entry) -> None:
    if turn not in log.entries():
        log.append(turn.kind, turn.step, turn.why)


def logs_before_it_undoes(steps: Sequence[saga.Step], log: saga.Log) -> str:
    """Logs that a step is undone, and then undoes it."""
    turn = _forward(steps, log)
    if turn is None:
        return saga.DONE
    _say_so(log, turn)
    for step in saga.compensations(steps, log.entries()):
        log.append(saga.UNDID, step.name)
        step.undo()
    return saga.UNDONE


def undoes_before_it_says_so(steps: Sequence[saga.Step], log: saga.Log) -> str:
    """Logs that the saga turns back when all is undone, not before."""
    turn = _forward(steps, log)
    if turn is None:
        return saga.DONE
    for step in saga.compensations(steps, log.entries()):
        step.undo()
        log.append(saga.UNDID, step.name)
    _say_so(log, turn)
    return saga.UNDONE


def undoes_what_is_logged(steps: Sequence[saga.Step], log: saga.Log) -> str:
    """Undoes the steps that the log has, and not the one that got no answer."""
    turn = _forward(steps, log)
    if turn is None:
        return saga.DONE
    _say_so(log, turn)
    done = {entry.step for entry in log.entries() if entry.kind == saga.DID}
    for step in saga.compensations(steps, log.entries()):
        if step.name in done:
            step.undo()
            log.append(saga.UNDID, step.name)
    return saga.UNDONE


def undoes_first_to_last(steps: Sequence[saga.Step], log: saga.Log) -> str:
    """Undoes the steps in the order in which they were done."""
    turn = _forward(steps, log)
    if turn is None:
        return saga.DONE
    _say_so(log, turn)
    for step in reversed(saga.compensations(steps, log.entries())):
        step.undo()
        log.append(saga.UNDID, step.name)
    return saga.UNDONE


NAIVE = {
    "no log": Design(keeps_log=False),
    "logs before it undoes": Design(run=logs_before_it_undoes),
    "undoes before it says so": Design(run=undoes_before_it_says_so),
    "undoes what is logged": Design(run=undoes_what_is_logged),
    "undoes first to last": Design(run=undoes_first_to_last),
    "a new id for each attempt": Design(keeps_ids=False),
    "services forget what they undid": Design(services_remember=False),
}
