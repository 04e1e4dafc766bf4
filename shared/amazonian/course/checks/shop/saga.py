"""What lab 2.1 asks of a saga: what is to be undone, and how it is carried on after a crash."""

from collections.abc import Callable, Sequence

from amazonian.course.evidence import Answer, call, fail, given, scenario
from amazonian.course.rules import RulesFor
from amazonian.resilience.retries import TimedOutError
from amazonian.shop import saga_crashes
from amazonian.shop.calls import NoAnswerError, ServiceRefusedError
from amazonian.shop.saga import DONE, UNDOING, UNDONE, Entry, Step, SupersededError
from amazonian.shop.saga_bench import AFTER, BEFORE, LATE, REFUSES, Design, Fault

about = RulesFor("amazonian.shop.saga")


def _nothing() -> None:
    pass


# --- compensations ----------------------------------------------------------------------------


def _steps(names: str) -> list[Step]:
    """Steps by name; one that ends in ! has no compensation."""
    return [
        Step(name.rstrip("!"), _nothing, None if name.endswith("!") else _nothing)
        for name in names.split()
    ]


def _told(names: str) -> str:
    return ", ".join(name.replace("!", " (no undo)") for name in names.split())


def _log(text: str) -> list[Entry]:
    """Entries from "did a, undoing b"."""
    return [Entry(*entry.split()) for entry in text.split(", ")] if text else []


def _named(compensations: Callable, names: str, log: str) -> Answer:
    """The names of the steps that come back."""
    steps, entries = _steps(names), _log(log)
    shown = f"compensations(steps {_told(names)}; log: {log or 'empty'})"

    def ask() -> list[str]:
        return [step.name for step in compensations(steps, entries)]

    return call(ask, shown_as=shown)


@about.rule("compensations")
def what_was_done_is_undone_last_first(compensations):
    """The steps that the log says were done are undone, the last one first."""
    look = "the other way round: a step may need what the one before it has done"
    _named(compensations, "a b", "did a, did b, undoing b").equals(["b", "a"], look)
    _named(compensations, "a b c", "did a, did b, did c, undoing c").equals(["c", "b", "a"], look)


@about.rule("compensations")
def the_step_after_them_may_have_happened(compensations):
    """The step after the last one done was begun, and may have happened: it is undone, too."""
    look = "its request may have been carried out, though no answer came; later steps never began"
    _named(compensations, "a b c d", "did a, undoing b").equals(["b", "a"], look)
    _named(compensations, "a b c", "undoing a").equals(["a"], look)
    _named(compensations, "a b c", "").equals(["a"], look)


@about.rule("compensations")
def what_is_undone_is_not_undone_again(compensations):
    """A step whose undoing is in the log is left out."""
    look = "entries of the kind UNDID name the steps that are undone already"
    _named(compensations, "a b c", "did a, did b, undoing c, undid c").equals(["b", "a"], look)
    _named(compensations, "a b", "did a, undoing b, undid b, undid a").equals([], look)
    _named(compensations, "a b c", "did a, did b, undoing c, undid b").equals(
        ["c", "a"], look="look at the name of what is undone, not at how many there are"
    )


@about.rule("compensations")
def a_step_without_compensation_is_left_out(compensations):
    """A step that has no compensation (`undo` is None) is left out."""
    _named(compensations, "a b! c!", "did a, undoing b").equals(["a"])
    _named(compensations, "a b! c!", "did a, did b, undoing c").equals(
        ["a"], look="it counts as done, but there is nothing to undo it with"
    )
    _named(compensations, "a!", "undoing a").equals([])


@about.rule("compensations")
def the_steps_themselves_come_back(compensations):
    """What comes back are the steps that were passed in, and these stay as they are."""
    scenario("steps a and b, both done")
    steps = _steps("a b")
    a, b = given_before = list(steps)
    answer = call(compensations, steps, _log("did a, did b"), shown_as="compensations(steps, log)")
    found = answer.made
    if steps != given_before:
        raise fail("`steps` was changed", "it stays as it is", "steps.reverse() changes the list")
    if not (isinstance(found, Sequence) and [id(one) for one in found] == [id(b), id(a)]):
        raise answer.broken("a list with the step b and the step a of `steps`")


about.hints(
    "compensations",
    "The log says that one step is done. How many may have happened?",
    """
    Count the entries of the kind DID: that many steps were done, and one more was begun. From
    these take the ones that have an `undo` and that no UNDID entry names. Reverse.
    """,
    """
    done = sum(entry.kind == DID for entry in entries)
    undone = {entry.step for entry in entries if …}
    begun = [step for step in steps[: done + …] if step.undo and …]
    return begun[::-1]
    """,
)


# --- run --------------------------------------------------------------------------------------


class _Killed(BaseException):
    """The process ends here."""


class _Story:
    """A saga's steps and its log, which write down what happens, in one list."""

    def __init__(self, names: str, log: str = ""):
        self.log, self.happened = _log(log), []
        self.failures: dict[str, BaseException] = {}
        self.killed_at: int | None = None
        self.steps = [
            Step(step.name, self._does(step.name), step.undo and self._does(f"undo {step.name}"))
            for step in _steps(names)
        ]
        self.given = f"steps {_told(names)}; log: {log or 'empty'}"

    def entries(self) -> list[Entry]:
        return list(self.log)

    def append(self, kind: str, step: str, why: str = "") -> None:
        if f"log {kind} {step}" in self.failures:
            raise self.failures.pop(f"log {kind} {step}")
        self.log.append(Entry(kind, step, why))
        self._happens(f"log {kind} {step}")

    def _does(self, what: str) -> Callable[[], None]:
        def act() -> None:
            self._happens(what)
            if what in self.failures:
                raise self.failures.pop(what)

        return act

    def _happens(self, what: str) -> None:
        self.happened.append(what)
        if len(self.happened) - 1 == self.killed_at:
            self.killed_at = None
            raise _Killed

    def run(self, run: Callable) -> Answer:
        return call(run, self.steps, self, shown_as="run(steps, log)")

    def begins(self, failing: dict[str, BaseException] | None = None) -> "_Story":
        """Tell the learner what is given, and which steps will fail."""
        self.failures = dict(failing or {})
        fails = "".join(
            f"; {name} raises {type(error).__name__}" for name, error in self.failures.items()
        )
        scenario(self.given + fails)
        return self

    def is_told(self, expected: str, look: str = "") -> None:
        """What happened is just this, in this order."""
        wanted = expected.split(", ") if expected else []
        if self.happened != wanted:
            came = ", ".join(self.happened) or "nothing"
            raise fail(f"what happened: {came}", expected or "nothing", look)


REFUSED, SILENCE = ServiceRefusedError(402, "declined"), NoAnswerError("no answer")


@about.rule("run")
def forward_it_acts_and_then_logs(run):
    """Forward: each step acts, and then the log says DID. The outcome is DONE."""
    story = _Story("a b").begins()
    story.run(run).equals(DONE)
    story.is_told(
        "a, log did a, b, log did b",
        "log each step after it is done: logged before, a step that never happened counts as done",
    )


@about.rule("run")
def it_carries_on_where_the_log_ends(run):
    """A saga whose process has died goes on after the last step that the log says was done."""
    story = _Story("a b c", "did a").begins()
    story.run(run).equals(DONE)
    story.is_told("b, log did b, c, log did c", "entries of the kind DID: so many steps are done")
    story = _Story("a b", "did a, did b").begins()
    story.run(run).equals(DONE)
    story.is_told("", "everything is done")


@about.rule("run")
def a_refusal_turns_it_back(run):
    """If a step is refused, the log says so before anything is undone; the outcome is UNDONE."""
    story = _Story("a b c").begins({"b": REFUSED})
    story.run(run).equals(UNDONE)
    story.is_told(
        "a, log did a, b, log undoing b, undo b, log undid b, undo a, log undid a",
        "log UNDOING first, then for each of the compensations (by the log as it is then): "
        "undo, then log UNDID",
    )
    if story.log[1] != Entry(UNDOING, "b", "402 declined"):
        raise fail(
            f"the log says {story.log[1]}",
            f"{Entry(UNDOING, 'b', '402 declined')}",
            "log.append(UNDOING, the step's name, str(error))",
        )


@about.rule("run")
def so_does_silence_where_it_can_be_undone(run):
    """No answer (any CallError) from a step that can be undone turns the saga back as well."""
    for error in (SILENCE, TimedOutError("late")):
        story = _Story("a b c").begins({"b": error})
        story.run(run).equals(
            UNDONE, look="except (ServiceRefusedError, retries.CallError) as error"
        )
        story.is_told("a, log did a, b, log undoing b, undo b, log undid b, undo a, log undid a")


@about.rule("run")
def a_step_without_compensation_waits_for_its_answer(run):
    """No answer from a step that can't be undone goes through, and the log stays as it is."""
    for error in (SILENCE, TimedOutError("late")):
        story = _Story("a b!").begins({"b": error})
        story.run(run).raises(
            type(error), look="it may have happened and can't be undone: raise, run again later"
        )
        story.is_told("a, log did a, b")
        given("the saga is run again, and b answers")
        story.run(run).equals(DONE)
        story.is_told("a, log did a, b, b, log did b")


@about.rule("run")
def a_refused_step_without_compensation_turns_it_back(run):
    """A refusal turns the saga back even at a step that can't be undone: it did not happen."""
    story = _Story("a b!").begins({"b": REFUSED})
    story.run(run).equals(UNDONE)
    story.is_told("a, log did a, b, log undoing b, undo a, log undid a")


@about.rule("run")
def what_has_turned_back_goes_back(run):
    """Once the log says UNDOING, no step acts again, whichever process carries the saga on."""
    look = "look for UNDOING in the log first"
    story = _Story("a b c", "did a, undoing b").begins()
    story.run(run).equals(UNDONE, look)
    story.is_told("undo b, log undid b, undo a, log undid a", look)
    story = _Story("a b c", "did a, undoing b, undid b").begins()
    story.run(run).equals(UNDONE)
    story.is_told("undo a, log undid a", "compensations(steps, log.entries()) leaves out the rest")
    story = _Story("a b", "did a, undoing b, undid b, undid a").begins()
    story.run(run).equals(UNDONE)
    story.is_told("")
    story = _Story("a b", "did a, did b, undoing b").begins()
    story.run(run).equals(UNDONE)
    story.is_told("undo b, log undid b, undo a, log undid a")


@about.rule("run")
def a_compensation_is_made_again_until_it_is_answered(run):
    """No answer from a compensation, or its refusal, goes through; run again, the saga goes on
    from there."""
    for error in (SILENCE, TimedOutError("late"), REFUSED):
        story = _Story("a b c").begins({"c": REFUSED, "undo b": error})
        story.run(run).raises(type(error), look="don't catch it: nothing says that b is undone")
        given("the saga is run again, and undo b answers")
        story.run(run).equals(UNDONE)
        story.is_told(
            "a, log did a, b, log did b, c, log undoing c, undo c, log undid c, undo b, "
            "undo b, log undid b, undo a, log undid a"
        )


@about.rule("run")
def other_errors_go_through(run):
    """An error that is neither a refusal nor silence goes through and changes nothing."""
    story = _Story("a b").begins({"b": ZeroDivisionError("a bug")})
    story.run(run).raises(
        ZeroDivisionError, look="catch ServiceRefusedError and CallError, no more"
    )
    story.is_told("a, log did a, b")
    story = _Story("a b").begins({"log did a": SupersededError("another process carries it on")})
    look = "another process has this saga: leave it alone"
    story.run(run).raises(SupersededError, look)
    story.is_told("a")
    superseded = SupersededError("another process carries it on")
    story = _Story("a b c", "did a, did b, undoing c").begins({"log undid c": superseded})
    story.run(run).raises(SupersededError, look)
    story.is_told("undo c")


@about.rule("run")
def wherever_its_process_dies_each_run_goes_on(run):
    """Killed after any act and any entry, the next process brings the saga to the same end."""
    for failing, end in (({}, DONE), ({"c": REFUSED}, UNDONE)):
        whole = _Story("a b c").begins(failing)
        whole.run(run).equals(end)
        for place, what in enumerate(whole.happened):
            story = _Story("a b c").begins(failing)
            given(f"the process is killed right after: {what}")
            story.killed_at = place
            story.run(run).raises(_Killed, look="let the kill through: nothing follows it")
            given("a new process runs the saga")
            story.run(run).equals(end)


FAULTS = (
    (),
    (Fault("authorise payment", REFUSES),),
    (Fault("authorise payment", AFTER),),
    (Fault("place order", BEFORE),),
    (Fault("place order", LATE),),
    (Fault("confirm stock", AFTER),),
    (Fault("authorise payment", REFUSES), Fault("release stock", BEFORE)),
)


@about.rule("run")
def the_shop_keeps_its_promises(run):
    """In the shop: no lost stock, no order without stock, one charge, wherever the process dies."""
    scenario("the checkout with the shop's services; its process dies at each point, in turn")
    answer = call(
        lambda: saga_crashes.explore(Design(run=run), 1, FAULTS).first,
        shown_as="saga_crashes.explore(Design(run=run), crashes=1)",
    )
    answer.equals("", look="what was logged by then, and what had been done?")


about.hints(
    "run",
    """
    A process may die between an act and its entry. Which of the two must come first, forward?
    And on the way back, what must stand in the log before the first compensation?
    """,
    """
    Read the log. If it does not say UNDOING: for each step after those done, act, then log DID; on
    an error that turns the saga back, log UNDOING and leave the loop; if the loop ends without
    that (its `else`), return DONE. Then, for each of compensations(steps, log.entries()): undo,
    log UNDID. Return UNDONE.
    """,
    """
    entries = log.entries()
    if not any(entry.kind == UNDOING for entry in entries):
        done = sum(entry.kind == DID for entry in entries)
        for step in steps[…:]:
            try:
                step.act()
            except (ServiceRefusedError, retries.CallError) as error:
                if step.undo is None and not isinstance(error, …):
                    raise
                log.append(UNDOING, …, …)
                break
            log.append(DID, …)
        else:
            return DONE
    for step in compensations(…, log.entries()):
        …
    return UNDONE
    """,
)
