"""The façade: routes that move under load, with no failed request and no lost write."""

import json
from pathlib import Path

import shops


def test_each_route_moves_and_moves_back_under_load_and_nobody_notices(tmp_path: Path) -> None:
    users, rounds = 6, 30
    # The checkout first: its transaction in the monolith changes the data of all others.
    order = ["checkout", *shops.PARTS]
    with shops.shop(tmp_path) as shop, shops.shoppers(shop.url, tmp_path, users, rounds) as load:
        for name in order:
            shop.counted.wait_for_more(30)
            shop.move(name)
        shop.counted.wait_for_more(30)
        for name in reversed(order):
            shop.move_back(name)
            shop.counted.wait_for_more(30)
        assert load.poll() is None, "the load ended before the last move"
        printed, complaints = load.communicate(timeout=60)
        assert load.returncode == 0, complaints
        requests = json.loads(printed)
        assert sum(entry["num_requests"] for entry in requests) >= users * rounds * 5
        assert [entry["num_failures"] for entry in requests] == [0] * len(requests)
        told = shops.Told.read(tmp_path / "told.jsonl")
        assert len(told.orders) == users * rounds
        shops.assert_kept(shop, told)
