"""A shop that grows: what is added when, because of what, and what it comes to."""

import numpy as np
import pytest
from architectures import demands, shapes
from hypothesis import given

from amazonian.shop import capacity, growth
from amazonian.shop.capacity import (
    CACHE,
    DATABASE,
    ONE_MACHINE,
    Architecture,
    Demand,
    utilisation_of,
)
from amazonian.shop.growth import FULL, NothingHelpsError


@pytest.fixture(scope="module")
def added():
    return growth.history(100_000_000)


@given(shapes, demands)
def test_what_is_added_relieves_the_bottleneck_and_nothing_else_is_removed(shape, demand):
    full = capacity.bottleneck(capacity.parts(shape, demand))
    try:
        after = growth.next_step(shape, demand)
    except NothingHelpsError:
        assert all(
            utilisation_of(full.name, step, demand) >= growth.RELIEF * full.utilisation
            for step in growth.steps(shape)
        )
        return
    if after is None:
        assert full.utilisation <= FULL
        return
    assert after in growth.steps(shape)
    assert utilisation_of(full.name, after, demand) < growth.RELIEF * full.utilisation
    assert after.machines >= shape.machines


def test_the_shop_grows_to_a_hundred_million_users_and_nothing_is_ever_full(added):
    for exponent in np.arange(0, 8.01, 0.25):
        demand = Demand(10**exponent)
        # A round takes the users to the next tenth of a decade, so look at the one reached last.
        rounds = Demand(10 ** (np.floor(10 * exponent + 1e-9) / 10))
        shape = growth.at(demand.users, added)
        assert capacity.bottleneck(capacity.parts(shape, rounds)).utilisation <= FULL


def test_what_the_shop_adds_and_when_is_the_story_that_the_lab_tells(added):
    first = {}
    for step in added:
        first.setdefault(str(step).split()[0], step)
    assert list(first) == ["web", "replicas", "shards", "search", "caches", "local", "pieces"]
    assert first["web"].relieved == ONE_MACHINE
    assert first["caches"].relieved == DATABASE
    assert first["local"].relieved == CACHE
    assert 2e4 < first["replicas"].users < first["shards"].users < 1e5
    assert 1e6 < first["local"].users < first["pieces"].users < 1e8


def test_an_order_costs_the_same_from_ten_thousand_users_on(added):
    prices = []
    for exponent in range(9):
        demand = Demand(10**exponent)
        prices.append(growth.nanodollars_per_order(growth.at(demand.users, added), demand))
    assert prices[0] == pytest.approx(81_600_000 / 3.6, rel=1e-6)  # 3.6 orders an hour
    assert all(4_000 < price < 8_000 for price in prices[4:])


def test_this_shape_has_an_end():
    with pytest.raises(NothingHelpsError, match="another shape"):
        growth.history(1_000_000_000)


def test_before_anything_is_added_there_is_one_machine(added):
    assert growth.at(1, added) == growth.at(1_000, added) == Architecture()
    assert Architecture().machines == 1


def test_p99_stays_within_a_factor_of_two_from_one_user_to_a_hundred_million(added):
    tails = []
    for exponent in (0, 4, 8):
        demand = Demand(10**exponent)
        shape = growth.at(demand.users, added)
        times = capacity.times_s(shape, demand, 20_000, np.random.default_rng(3))
        tails.append(np.percentile(times, 99))
    assert max(tails) < 2 * min(tails)
