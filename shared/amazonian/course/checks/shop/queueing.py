"""What lab 2.4 asks of Little's law and of Erlang's C formula."""

from amazonian.course.evidence import call
from amazonian.course.rules import RulesFor

about = RulesFor("amazonian.shop.queueing")


@about.rule("mean_inside")
def one_request_at_a_time(mean_inside):
    """One request after the other, without a pause, is one inside all the time."""
    call(mean_inside, [0.0, 2.0, 3.0], [2.0, 3.0, 3.5]).close_to(
        1.0, look="the observation takes 3.5 s, from the first arrival to the last departure"
    )


@about.rule("mean_inside")
def overlapping_requests_count_together(mean_inside):
    """Two requests at once count as two, for as long as both are inside."""
    call(mean_inside, [0.0, 1.0], [4.0, 3.0]).close_to(
        1.5, look="4 s and 2 s inside, within 4 s; the first to come is the last to go"
    )
    call(mean_inside, [10.0, 10.5], [10.5, 10.75]).close_to(
        1.0, look="the observation begins with the first arrival, here at 10 s, and takes 0.75 s"
    )


@about.rule("mean_inside")
def time_without_requests_counts(mean_inside):
    """Time in which nobody is inside counts as well."""
    call(mean_inside, [0.0, 9.0], [1.0, 10.0]).close_to(
        0.2, look="two request-seconds, spread over all of the 10 s"
    )


@about.rule("mean_inside")
def any_order_will_do(mean_inside):
    """The requests may be listed in any order."""
    call(mean_inside, [5.0, 0.0, 2.0], [6.0, 8.0, 3.0]).close_to(
        1.25, look="the first arrival is the smallest, the last departure the largest"
    )


@about.rule("mean_inside")
def an_observation_takes_time(mean_inside):
    """Where no time passed there is no mean: ValueError."""
    call(mean_inside, [3.0, 3.0], [3.0, 3.0]).raises(ValueError)


about.hints(
    "mean_inside",
    """
    Draw each request as a bar from its arrival to its departure, one above the other. What do you
    count if you look at one moment? What is all the ink together?
    """,
    """
    Each request adds its own time inside. Sum these times, and divide by how long the whole
    observation took, from the smallest arrival to the largest departure.
    """,
    """
    observed_s = max(departures_s) - min(arrivals_s)
    …                                         # ValueError
    inside_s = sum(left - came for came, left in zip(…))
    return …
    """,
)


@about.rule("erlang_c")
def one_server(erlang_c):
    """One server is busy for a share of the time that is the load, and who meets it then waits."""
    call(erlang_c, 1, 0.9).close_to(0.9, look="B(1) is a / (1 + a), and C(1) comes to a")


@about.rule("erlang_c")
def two_servers(erlang_c):
    """Two servers with a load of 1: a third of the requests wait."""
    call(erlang_c, 2, 1.0).close_to(
        1 / 3, look="B(0), B(1), B(2) are 1, 1/2, 1/5, and C is made from the last of them"
    )


@about.rule("erlang_c")
def ten_servers(erlang_c):
    """Ten servers at 70, 80, 90 and 95% make 22, 41, 67 and 83 of 100 requests wait."""
    for load, waits in ((7.0, 0.221731), (8.0, 0.409180), (9.0, 0.668732), (9.5, 0.825586)):
        call(erlang_c, 10, load).close_to(
            waits, rel=5e-6, look="one round for each server, each with the B of the round before"
        )


@about.rule("erlang_c")
def thousands_of_servers(erlang_c):
    """Five thousand servers are no problem either."""
    call(erlang_c, 5000, 4950.0).close_to(
        0.366098,
        rel=1e-5,
        look="a**c and c! are too large for a float, and 5,000 calls within each other are "
        "too many for Python; a loop that makes each B from the one before is neither",
    )


@about.rule("erlang_c")
def no_load_and_too_much(erlang_c):
    """Without a load nobody waits; with as much as the servers can do, or more, everybody."""
    call(erlang_c, 3, 0.0).close_to(0.0)
    call(erlang_c, 3, 3.0).close_to(1.0)
    call(erlang_c, 3, 4.5).close_to(
        1.0, look="a probability is never above 1, nor is it negative: test the load first"
    )


@about.rule("erlang_c")
def senseless_input_is_refused(erlang_c):
    """No server, or a negative load, is a ValueError."""
    call(erlang_c, 0, 0.5).raises(ValueError)
    call(erlang_c, 2, -0.1).raises(ValueError)


about.hints(
    "erlang_c",
    """
    B(c) needs B(c - 1) and nothing else. With which c does it begin, and how many rounds does it
    take to c servers?
    """,
    """
    Keep one number, B, which is 1 at first. In a loop over 1, 2, …, servers, make the next B of
    it. C comes from the last B. Three cases end before the loop: two errors and a load that is too
    large.
    """,
    """
    …                                         # ValueError, and 1.0 for too much load
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return servers * blocked / (…)
    """,
)
