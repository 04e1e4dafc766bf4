"""The shop in processes of its own, under load: routes that move, and processes that are killed."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import shops
from shops import Buyers, CountedShop

from amazonian.resilience.database import open_database
from amazonian.shop import calls, checkout, saga, whole

pytestmark = pytest.mark.xdist_group("shop")  # the tests share one shop

# The checkout first: its transaction in the monolith changes the data of all others.
ORDER = ["checkout", *whole.PARTS]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountedShop]:
    with CountedShop(tmp_path_factory.mktemp("shop")) as running:
        yield running


def test_each_route_moves_and_moves_back_under_load_and_nobody_notices(
    shop: CountedShop, tmp_path: Path
) -> None:
    users, rounds = 6, 30
    with shops.shoppers(shop.url, tmp_path, users, rounds) as load:
        for name in ORDER:
            shop.wait_for_more(40)
            shop.move(name)
        for name in reversed(ORDER):
            shop.wait_for_more(40)
            shop.move_back(name)
        assert load.poll() is None, "the load ended before the last move"
        printed, complaints = load.communicate(timeout=60)
        assert load.returncode == 0, complaints
        requests = json.loads(printed)
        assert sum(entry["num_requests"] for entry in requests) >= users * rounds * 5
        assert [entry["num_failures"] for entry in requests] == [0] * len(requests)
        told = shops.Told.read(tmp_path / "told.jsonl")
        assert len(told.orders) == users * rounds
        shops.assert_kept(shop.call, told)


def test_no_promise_breaks_while_services_are_killed_and_started_again(shop: CountedShop) -> None:
    for name in ORDER:
        shop.move(name)
    before = shops.books(shop)
    buyers = Buyers(shop.url, each=25)
    threads = [threading.Thread(target=buyers.buy, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for victim in ("checkout", "inventory", "checkout", "payments", "checkout", "orders"):
        buyers.wait_for_more(8)
        shop.processes[victim].kill()
        shop.processes[victim].start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    shop.processes["checkout"].kill()
    with closing(open_database(shop.file("checkout"), checkout.SCHEMA)) as database:
        left = checkout.Checkouts(database, calls.over_http(shop.url))
        assert {left.carry_on(one) for one in left.pending()} <= {saga.DONE, saga.UNDONE}
    shops.assert_promises(shop, before, buyers)
