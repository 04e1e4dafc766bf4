"""The model of a shop: what its parts have to do, and how long requests take there."""

from dataclasses import replace

import numpy as np
import pytest
from architectures import demands, shapes
from hypothesis import given

from amazonian.shop import capacity, queueing, simulator
from amazonian.shop.capacity import (
    CACHE,
    DATABASE,
    STOCK,
    WEB,
    Architecture,
    Demand,
    utilisation_of,
)

SHOP = Architecture(web=40, caches=2, search=4, replicas=1, shards=4)
CROWD = Demand(200_000)


def machine_seconds(architecture, demand):
    """How many cores work at one time, if nothing were hot: the same for every shape."""
    found = capacity.parts(architecture, demand)
    return sum(p.utilisation * p.cores * p.machines for p in found if p.name != STOCK)


def test_shares_are_shares_and_the_hot_item_has_its_own():
    for hot_share in (0.0, 0.2):
        assert Demand(1, hot_share).shares.sum() == pytest.approx(1)
    assert Demand(1, 0.2).shares[0] == 0.2
    assert Demand(1).shares[0] == pytest.approx(0.037, abs=0.001)


def test_work_does_not_get_less_by_being_divided():
    one = machine_seconds(Architecture(), Demand(1_000))
    assert one == pytest.approx(50 * 0.00602, rel=1e-3)
    assert machine_seconds(Architecture(web=1), Demand(1_000)) == pytest.approx(one)
    assert machine_seconds(Architecture(web=9), Demand(1_000)) == pytest.approx(one)
    # Two shards: the hot product stays on one, and each search asks both.
    assert machine_seconds(Architecture(web=1, shards=2), Demand(1_000)) > one


def test_a_replica_takes_reads_and_applies_every_write():
    writes_only = 2 * 200_000 * 0.05 * (capacity.CARTS + 4 * capacity.ORDERS) * capacity.WRITE_S
    alone = utilisation_of(DATABASE, Architecture(web=1, search=1), CROWD)
    for replicas in (1, 3, 99):
        found = utilisation_of(DATABASE, Architecture(web=1, search=1, replicas=replicas), CROWD)
        reads = alone - writes_only / 4
        assert found == pytest.approx(writes_only / 4 + reads / (1 + replicas))


def test_no_number_of_shards_divides_the_stock_of_one_product_but_rows_do():
    hot = Demand(10_000_000, hot_share=0.5)
    shop = replace(SHOP, local=True)
    for shards in (10, 1_000, 100_000):
        assert utilisation_of(STOCK, replace(shop, shards=shards), hot) == pytest.approx(5)
        assert utilisation_of(DATABASE, replace(shop, shards=shards), hot) > 2.5
    assert utilisation_of(STOCK, replace(shop, pieces=10), hot) == pytest.approx(0.5)
    assert utilisation_of(DATABASE, replace(shop, shards=1_000, pieces=10), hot) < 0.75


def test_copies_in_the_web_servers_take_the_hot_item_from_the_shared_cache():
    hot = Demand(50_000_000, hot_share=0.3)
    assert utilisation_of(CACHE, replace(SHOP, caches=100), hot) > 6
    assert utilisation_of(CACHE, replace(SHOP, web=9_000, caches=100, local=True), hot) < 0.5


def test_a_cache_is_worth_nothing_to_one_user_and_nearly_everything_to_a_million():
    ratios = []
    for users in (1, 1_000, 1_000_000):
        asked, missed = capacity.views_asked(Architecture(web=1, caches=1), Demand(users))
        ratios.append(1 - missed.sum() / asked.sum())
    assert ratios[0] < 0.05
    assert 0.2 < ratios[1] < 0.8
    assert ratios[2] > 0.99


@given(shapes, demands)
def test_more_users_make_no_part_less_busy(shape, demand):
    more = Demand(1.5 * demand.users, demand.hot_share)
    for part in capacity.parts(shape, demand):
        assert utilisation_of(part.name, shape, more) >= part.utilisation


@pytest.mark.parametrize("users", [4_000, 5_500])
def test_waits_at_a_part_with_one_kind_of_work_are_those_of_mmc(users):
    part = capacity.parts(Architecture(web=1), Demand(users))[0]
    assert part.name == WEB
    waits = capacity.waits_s(part, 100_000, np.random.default_rng(1))
    found = simulator.batch_means(waits)
    expected = queueing.mean_wait_s(2, 0.05 * users, capacity.WEB_S)
    margin = 3.883 / simulator.T_95 * (found.high - found.low) / 2
    assert found.value == pytest.approx(expected, abs=margin)


def test_requests_take_the_services_of_their_kind_where_nobody_waits():
    times = capacity.times_s(Architecture(), Demand(1), 40_000, np.random.default_rng(2))
    reads = capacity.VIEWS + capacity.CARTS + 2 * capacity.ORDERS
    writes = capacity.CARTS + 4 * capacity.ORDERS
    expected = capacity.WEB_S + reads * capacity.READ_S + writes * capacity.WRITE_S
    expected += capacity.SEARCHES * capacity.SEARCH_S
    assert times.mean() == pytest.approx(expected, abs=3.3 * times.std() / np.sqrt(len(times)))
