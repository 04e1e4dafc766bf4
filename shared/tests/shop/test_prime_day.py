"""The hot item: who stands it, who does not, and what a long queue makes of a little too much."""

import numpy as np
import pytest

from amazonian.shop import capacity, growth, prime_day
from amazonian.shop.capacity import STOCK, Demand

USERS = 100_000_000


@pytest.fixture(scope="module")
def added():
    return growth.history(USERS)


def rehearsed(users, added):
    rng = np.random.default_rng(1)
    return prime_day.rehearse(users, growth.at(users, added), 0.2, 20_000, rng)


def test_small_shops_stand_a_hot_item_and_large_ones_do_not(added):
    rehearsals = [rehearsed(users, added) for users in (1, 1_000, 1_000_000, USERS)]
    assert [each.bottleneck for each in rehearsals[:2]] == [capacity.ONE_MACHINE] * 2
    assert [each.added for each in rehearsals[:2]] == [(), ()]
    assert rehearsals[2].bottleneck == capacity.DATABASE
    assert [each.answered for each in rehearsals[:3]] == [1.0, 1.0, 1.0]
    assert rehearsals[3].bottleneck == STOCK
    assert rehearsals[3].utilisation == pytest.approx(1.25)
    assert rehearsals[3].answered < 0.5
    assert rehearsals[3].added[0] == "stock row: pieces 16 → 32"


def timeline(shape, queue_limit=prime_day.LONG_QUEUE):
    ordinary, hot = Demand(USERS), Demand(USERS, 0.2)
    rng = np.random.default_rng(2)
    return prime_day.timeline(STOCK, shape, ordinary, hot, rng, queue_limit=queue_limit)


def test_before_and_long_after_the_hot_item_everybody_is_answered(added):
    day = timeline(growth.at(USERS, added))
    assert len(day.second) == 60
    assert (day.answered[:20] == 1).all()
    assert (day.answered[52:] == 1).all()


def test_a_quarter_too_much_and_a_long_queue_leave_nobody_in_time(added):
    day = timeline(growth.at(USERS, added))
    assert day.answered[20:23].min() > 0.9  # the queue has yet to grow
    assert day.answered[27:40].max() < 0.05
    assert day.answered[41:43].max() < 0.05  # and it outlasts its cause
    assert day.p99_s[39] == pytest.approx(0.25 * 20 / 1.25, rel=0.3)


def test_a_short_queue_turns_a_fifth_away_and_answers_the_others_at_once(added):
    day = timeline(growth.at(USERS, added), queue_limit=100)
    # Of 25,000 orders 80% are served; the share scatters by well under a percentage point.
    assert day.answered[20:40].mean() == pytest.approx(0.8, abs=0.02)
    assert day.p99_s[20:40].max() < 0.2


def test_twice_as_many_rows_answer_everybody(added):
    shape = growth.at(USERS, added)
    day = timeline(growth.next_step(shape, Demand(USERS, 0.2)))
    assert (day.answered == 1).all()


def test_an_item_that_few_order_shows_up_as_seconds_without_any_and_breaks_nothing(added):
    quiet = prime_day.timeline(
        STOCK, growth.at(1_000, added), Demand(1_000), Demand(1_000, 0.2), np.random.default_rng(3)
    )
    assert len(quiet.second) == 60
