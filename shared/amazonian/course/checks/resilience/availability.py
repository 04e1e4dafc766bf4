"""What lab 1.3 asks of availability in series and in parallel."""

from amazonian.course.evidence import call
from amazonian.course.rules import RulesFor

about = RulesFor("amazonian.resilience.availability")


# --- series -----------------------------------------------------------------------------------


@about.rule("series")
def all_parts_at_once(series):
    """A service that needs all its parts is up as often as all of them are up at once."""
    call(series, [0.5, 0.5]).close_to(
        0.25, look="two coins: how often do both show heads?", rel=1e-12
    )
    call(series, [0.9, 0.8, 0.5]).close_to(0.36, rel=1e-12)
    call(series, [0.999] * 5).close_to(
        0.999**5, rel=1e-12, look="five hard dependencies of 99.9% each leave 99.50%"
    )


@about.rule("series")
def the_ends_of_the_scale(series):
    """A part that is always down takes the service down; one that never fails changes nothing."""
    call(series, [0.9, 0.0]).close_to(0.0)
    call(series, [0.9, 1.0]).close_to(0.9)
    call(series, [0.9]).close_to(0.9)
    call(series, []).close_to(1.0, look="a service that needs nothing has nothing to wait for")


@about.rule("series")
def series_of_an_iterator(series):
    """The availabilities may come from an iterator, which hands out each of them only once."""
    call(series, iter([0.5, 0.5]), shown_as="series(iter([0.5, 0.5]))").close_to(
        0.25, look="shares() uses the iterator up: go on with the list that it returns"
    )


@about.rule("series")
def series_takes_shares_only(series):
    """An availability outside [0, 1] is a ValueError, so that 99.9 is not taken for 99.9%."""
    call(series, [0.9, 99.9]).raises(ValueError, look="shares() refuses what is no share")
    call(series, [-0.1, 0.9]).raises(ValueError)


about.hints(
    "series",
    "Two parts are up half of the time each, independently. How often are both up?",
    "Probabilities of independent events multiply. math.prod multiplies all items of a list.",
    "return math.prod(shares(…))       # shares() hands the list on, or raises the ValueError",
)


# --- parallel ---------------------------------------------------------------------------------


@about.rule("parallel")
def one_replica_is_enough(parallel):
    """A service that needs one of its replicas is down only while all of them are down."""
    call(parallel, [0.5, 0.5]).close_to(
        0.75, look="two coins: how often does at least one show heads?", rel=1e-12
    )
    call(parallel, [0.9, 0.8, 0.5]).close_to(
        0.99, rel=1e-12, look="all three are down for 0.1 * 0.2 * 0.5 of the time"
    )
    call(parallel, [0.999, 0.999]).close_to(
        0.999999, rel=1e-12, look="two replicas of three nines make six, if independent"
    )


@about.rule("parallel")
def a_dead_replica_does_no_harm(parallel):
    """A replica that never works changes nothing; one that always works is enough."""
    call(parallel, [0.9, 0.0]).close_to(0.9)
    call(parallel, [0.9, 1.0]).close_to(1.0)
    call(parallel, [0.9]).close_to(0.9)
    call(parallel, []).close_to(0.0, look="without any replica nothing works")


@about.rule("parallel")
def parallel_of_an_iterator(parallel):
    """The availabilities may come from an iterator, which hands out each of them only once."""
    call(parallel, iter([0.5, 0.5]), shown_as="parallel(iter([0.5, 0.5]))").close_to(
        0.75, look="shares() uses the iterator up: go on with the list that it returns"
    )


@about.rule("parallel")
def parallel_takes_shares_only(parallel):
    """An availability outside [0, 1] is a ValueError here too."""
    call(parallel, [0.9, 99.9]).raises(ValueError, look="shares() refuses what is no share")
    call(parallel, [-0.1, 0.9]).raises(ValueError)


about.hints(
    "parallel",
    "When is the service down? What is the probability of that for two replicas?",
    "It is down while all replicas are down: multiply what each lacks to 1, and take it from 1.",
    "return 1 - math.prod(… for availability in shares(availabilities))",
)
