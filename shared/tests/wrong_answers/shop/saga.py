"""Wrong answers to lab 2.1, on the saga."""

from contextlib import suppress

from amazonian.resilience import retries
from amazonian.shop import saga
from amazonian.shop.calls import NoAnswerError, ServiceRefusedError
from amazonian.shop.saga import DID, DONE, UNDID, UNDOING, UNDONE, compensations
from wrong_answers import wrong

# --- compensations


@wrong(saga, feedback="the other way round")
def compensations__keeps_the_order(steps, entries):
    done = sum(entry.kind == DID for entry in entries)
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    return [step for step in steps[: done + 1] if step.undo and step.name not in undone]


@wrong(saga, feedback="its request may have been carried out, though no answer came")
def compensations__trusts_the_log(steps, entries):
    done = sum(entry.kind == DID for entry in entries)
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    begun = [step for step in steps[:done] if step.undo and step.name not in undone]
    return begun[::-1]


@wrong(saga, feedback="later steps never began")
def compensations__undoes_everything(steps, entries):
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    return [step for step in reversed(steps) if step.undo and step.name not in undone]


@wrong(saga, feedback="entries of the kind UNDID name the steps that are undone already")
def compensations__begins_anew_each_time(steps, entries):
    done = sum(entry.kind == DID for entry in entries)
    return [step for step in steps[: done + 1] if step.undo][::-1]


@wrong(saga, feedback="look at the name of what is undone, not at how many there are")
def compensations__counts_what_is_undone(steps, entries):
    done = sum(entry.kind == DID for entry in entries)
    undone = sum(entry.kind == UNDID for entry in entries)
    return [step for step in steps[: done + 1] if step.undo][::-1][undone:]


@wrong(saga, feedback="A step that has no compensation (`undo` is None) is left out")
def compensations__takes_those_that_can_not_be_undone(steps, entries):
    done = sum(entry.kind == DID for entry in entries)
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    return [step for step in steps[: done + 1] if step.name not in undone][::-1]


@wrong(saga, feedback="its request may have been carried out, though no answer came")
def compensations__asks_where_it_turned_back(steps, entries):
    begun = {entry.step for entry in entries if entry.kind in (DID, UNDOING)}
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    return [step for step in reversed(steps) if step.undo and step.name in begun - undone]


@wrong(saga, feedback="later steps never began")
def compensations__counts_every_entry(steps, entries):
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    begun = steps[: len(entries) + 1]
    return [step for step in begun if step.undo and step.name not in undone][::-1]


@wrong(saga, feedback="it counts as done, but there is nothing to undo it with")
def compensations__counts_only_what_can_be_undone(steps, entries):
    done = sum(entry.kind == DID for entry in entries)
    undone = {entry.step for entry in entries if entry.kind == UNDID}
    undoable = [step for step in steps if step.undo]
    before = sum(step.undo is None for step in steps[:done])
    begun = undoable[: done + 1 - before]
    last_is_plain = done and steps[done - 1].undo is None
    found = [step for step in begun if step.name not in undone][::-1]
    return [*found, steps[done - 1]] if last_is_plain else found


@wrong(saga, feedback="steps.reverse() changes the list")
def compensations__reverses_the_callers_list(steps, entries):
    found = compensations(steps, entries)
    steps.reverse()
    return found


# --- run


def _forward(steps, log, caught=(ServiceRefusedError, retries.CallError)):
    """Go forward as the reference does; gives the error that turned the saga back, and its step."""
    entries = log.entries()
    if any(entry.kind == UNDOING for entry in entries):
        return "turned", None
    for step in steps[sum(entry.kind == DID for entry in entries) :]:
        try:
            step.act()
        except caught as error:
            if step.undo is None and not isinstance(error, ServiceRefusedError):
                raise
            return error, step
        log.append(DID, step.name)
    return None, None


def _back(steps, log):
    for step in compensations(steps, log.entries()):
        step.undo()
        log.append(UNDID, step.name)
    return UNDONE


@wrong(saga, feedback="logged before, a step that never happened counts as done")
def run__logs_before_it_acts(steps, log):
    entries = log.entries()
    if not any(entry.kind == UNDOING for entry in entries):
        done = sum(entry.kind == DID for entry in entries)
        for step in steps[done:]:
            log.append(DID, step.name)
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                if step.undo is None and not isinstance(error, ServiceRefusedError):
                    raise
                log.append(UNDOING, step.name, str(error))
                break
        else:
            return DONE
    return _back(steps, log)


@wrong(saga, feedback="entries of the kind DID: so many steps are done")
def run__begins_anew_after_a_crash(steps, log):
    if not any(entry.kind == UNDOING for entry in log.entries()):
        for step in steps:
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                if step.undo is None and not isinstance(error, ServiceRefusedError):
                    raise
                log.append(UNDOING, step.name, str(error))
                break
            log.append(DID, step.name)
        else:
            return DONE
    return _back(steps, log)


@wrong(saga, feedback="log UNDOING first, then for each of the compensations")
def run__undoes_before_it_says_so(steps, log):
    error, step = _forward(steps, log)
    if error is None:
        return DONE
    outcome = _back(steps, log)
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    return outcome


@wrong(saga, feedback="undo, then log UNDID")
def run__logs_before_it_undoes(steps, log):
    error, step = _forward(steps, log)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    for undoing in compensations(steps, log.entries()):
        log.append(UNDID, undoing.name)
        undoing.undo()
    return UNDONE


@wrong(saga, feedback="except (ServiceRefusedError, retries.CallError) as error")
def run__turns_back_on_refusals_only(steps, log):
    error, step = _forward(steps, log, ServiceRefusedError)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    return _back(steps, log)


@wrong(saga, feedback="except (ServiceRefusedError, retries.CallError) as error")
def run__knows_one_kind_of_silence(steps, log):
    error, step = _forward(steps, log, (ServiceRefusedError, NoAnswerError))
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    return _back(steps, log)


@wrong(saga, feedback="it may have happened and can't be undone: raise, run again later")
def run__turns_back_from_what_can_not_be_undone(steps, log):
    entries = log.entries()
    if not any(entry.kind == UNDOING for entry in entries):
        for step in steps[sum(entry.kind == DID for entry in entries) :]:
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                log.append(UNDOING, step.name, str(error))
                break
            log.append(DID, step.name)
        else:
            return DONE
    return _back(steps, log)


@wrong(saga, feedback="A refusal turns the saga back even at a step that can't be undone")
def run__waits_for_a_refused_step(steps, log):
    entries = log.entries()
    if not any(entry.kind == UNDOING for entry in entries):
        for step in steps[sum(entry.kind == DID for entry in entries) :]:
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                if step.undo is None:
                    raise
                log.append(UNDOING, step.name, str(error))
                break
            log.append(DID, step.name)
        else:
            return DONE
    return _back(steps, log)


@wrong(saga, feedback="look for UNDOING in the log first")
def run__forgets_that_it_has_turned_back(steps, log):
    for step in steps[sum(entry.kind == DID for entry in log.entries()) :]:
        try:
            step.act()
        except (ServiceRefusedError, retries.CallError) as error:
            if step.undo is None and not isinstance(error, ServiceRefusedError):
                raise
            log.append(UNDOING, step.name, str(error))
            return _back(steps, log)
        log.append(DID, step.name)
    return DONE


@wrong(saga, feedback="don't catch it: nothing says that b is undone")
def run__goes_on_when_a_compensation_is_silent(steps, log):
    error, step = _forward(steps, log)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    for undoing in compensations(steps, log.entries()):
        try:
            undoing.undo()
        except retries.CallError:
            continue
        log.append(UNDID, undoing.name)
    return UNDONE


@wrong(saga, feedback="catch ServiceRefusedError and CallError, no more")
def run__takes_a_bug_for_a_refusal(steps, log):
    error, step = _forward(steps, log, Exception)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    return _back(steps, log)


@wrong(saga, feedback="log.append(UNDOING, the step's name, str(error))")
def run__does_not_say_why(steps, log):
    error, step = _forward(steps, log)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name)
    return _back(steps, log)


@wrong(saga, feedback="by the log as it is then")
def run__reads_the_log_once(steps, log):
    entries = log.entries()
    error, step = _forward(steps, log)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    for undoing in compensations(steps, entries):
        undoing.undo()
        log.append(UNDID, undoing.name)
    return UNDONE


@wrong(saga, feedback="undo, then log UNDID")
def run__logs_all_that_it_undid_at_the_end(steps, log):
    error, step = _forward(steps, log)
    if error is None:
        return DONE
    if step is not None:
        log.append(UNDOING, step.name, str(error))
    begun = compensations(steps, log.entries())
    for undoing in begun:
        undoing.undo()
    for undoing in begun:
        log.append(UNDID, undoing.name)
    return UNDONE


def _run_but(steps, log, silent, undone):
    """The right answer, but for what turns the saga back and for how a step is undone."""
    if not any(entry.kind == UNDOING for entry in log.entries()):
        for step in steps[sum(entry.kind == DID for entry in log.entries()) :]:
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                if silent(step, error):
                    raise
                log.append(UNDOING, step.name, str(error))
                break
            log.append(DID, step.name)
        else:
            return DONE
    for step in compensations(steps, log.entries()):
        undone(step)
    return UNDONE


def _waits(step, error):
    return step.undo is None and not isinstance(error, ServiceRefusedError)


@wrong(saga, feedback="it may have happened and can't be undone")
def run__turns_back_on_a_timeout_that_can_not_be_undone(steps, log):
    def undone(step):
        step.undo()
        log.append(UNDID, step.name)

    def silent(step, error):
        return step.undo is None and isinstance(error, NoAnswerError)

    return _run_but(steps, log, silent, undone)


@wrong(saga, feedback="don't catch it: nothing says that b is undone")
def run__takes_a_refused_compensation_for_done(steps, log):
    def undone(step):
        with suppress(ServiceRefusedError):
            step.undo()
        log.append(UNDID, step.name)

    return _run_but(steps, log, _waits, undone)


@wrong(saga, feedback="another process has this saga: leave it alone")
def run__goes_on_undoing_what_is_not_its_own(steps, log):
    def undone(step):
        step.undo()
        with suppress(saga.SupersededError):
            log.append(UNDID, step.name)

    return _run_but(steps, log, _waits, undone)
