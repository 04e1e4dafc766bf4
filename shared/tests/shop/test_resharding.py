"""Resharding: rehearsed with a death at every moment, and for real, under load over HTTP."""

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from amazonian.resilience import web
from amazonian.resilience.memory import MemoryDatabase
from amazonian.shop import changelog, resharding, shard_service
from amazonian.shop.changelog import Order
from amazonian.shop.rehearsals import (
    BACK,
    DOUBLED,
    HELD,
    LOST,
    STALE,
    Traffic,
    rehearse_reshard,
)
from amazonian.shop.resharding import Plan, catch_up, copy
from amazonian.shop.ring import Ring, moves
from amazonian.shop.sharded_store import ShardedStore

# --- a death at every moment, while customers act


def test_no_row_is_lost_or_doubled_whoever_dies_when() -> None:
    report = rehearse_reshard()
    print(report)
    assert report.points >= 20
    assert report.runs == report.points + 1
    assert not report.broken


def test_nor_if_the_next_process_dies_as_well(monkeypatch) -> None:
    monkeypatch.setattr(Traffic, "CUSTOMERS", ("ada", "ben"))  # one of each shard, for speed
    report = rehearse_reshard(kills=2)
    print(report)
    assert report.runs > 250
    assert not report.broken


def switches_before_the_copy_is_complete(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = source.position()
        source.close(move)
        target.open(move)
        shard_map.assign(move)
        copy(move, source, target)
        catch_up(move, source, target, begin)
    source.clear(move)


def copies_without_what_comes_meanwhile(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        copy(move, source, target)
        source.close(move)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


def deletes_at_the_source_before_the_switch(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        source.close(move)
        catch_up(move, source, target, begin)
        source.clear(move)
        target.open(move)
        shard_map.assign(move)


def never_deletes_at_the_source(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        source.close(move)
        catch_up(move, source, target, begin)
        target.open(move)
        shard_map.assign(move)


def does_not_close_the_source(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        catch_up(move, source, target, begin)
        target.open(move)
        shard_map.assign(move)
        source.close(move)
    source.clear(move)


def goes_on_with_an_old_copy(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        begin = source.position()
        copy(move, source, target)
        source.close(move)
        catch_up(move, source, target, begin)
        target.open(move)
        shard_map.assign(move)
    source.clear(move)


def begins_again_after_the_switch(move, source, target, shard_map):
    target.clear(move)
    begin = source.position()
    copy(move, source, target)
    source.close(move)
    catch_up(move, source, target, begin)
    target.open(move)
    shard_map.assign(move)
    source.clear(move)


def never_opens_the_target(move, source, target, shard_map):
    if shard_map.node_of(move.upto) == move.source:
        target.clear(move)
        begin = source.position()
        copy(move, source, target)
        source.close(move)
        catch_up(move, source, target, begin)
        shard_map.assign(move)
    source.clear(move)


@pytest.mark.parametrize(
    ("naive", "faults"),
    [
        (switches_before_the_copy_is_complete, {LOST, STALE}),
        (copies_without_what_comes_meanwhile, {LOST, STALE, BACK}),
        (deletes_at_the_source_before_the_switch, {LOST}),
        (never_deletes_at_the_source, {DOUBLED}),
        (does_not_close_the_source, {LOST, STALE}),
        (goes_on_with_an_old_copy, {BACK, DOUBLED}),
        (begins_again_after_the_switch, {LOST}),
        (never_opens_the_target, {HELD}),
    ],
)
def test_a_naive_move_is_caught_by_name(monkeypatch, naive, faults: set[str]) -> None:
    monkeypatch.setattr(resharding, "move_range", naive)
    report = rehearse_reshard()
    assert faults <= set(report.broken), report


# --- the plan


def test_a_plan_is_kept_and_not_replaced_while_it_is_pending() -> None:
    plan = Plan(MemoryDatabase(Plan.SCHEMA))
    one, other = Ring("ab", virtual=3), Ring("abc", virtual=3)
    planned = moves(one, other)
    assert plan.begin(planned) == planned
    assert plan.begin(moves(other, one)) == planned
    plan.finish(planned[0])
    assert plan.pending() == planned[1:]
    for move in planned[1:]:
        plan.finish(move)
    back = moves(other, one)
    assert plan.begin(back) == back


# --- for real


class Customers:
    """Threads that write, read what they wrote, and delete, with a client that is not ours."""

    def __init__(self, urls: list[str], seed: int):
        self.urls, self.seed = urls, seed
        self.enough = threading.Event()
        self.expected: dict[str, dict] = {}
        self.failures: list[str] = []
        self.requests = 0

    def work(self, number: int, least: int = 40, most: int = 4_000) -> None:
        rng, mine = random.Random(f"{self.seed}/{number}"), {}
        with requests.Session() as session:
            for turn in range(most):
                if turn >= least and self.enough.is_set():
                    break
                url, customer = rng.choice(self.urls), f"customer-{number}-{rng.randrange(4)}"
                key = f"{customer}/{rng.randrange(6)}"
                body = {"product": "kettle", "total_minor": turn, "status": "placed"}
                if key in mine and rng.random() < 0.3:
                    self.see(session.delete(f"{url}/orders/{key}", timeout=20), 204)
                    mine.pop(key)
                else:
                    self.see(session.put(f"{url}/orders/{key}", json=body, timeout=20), 200)
                    mine[key] = {"key": key, **body}
                found = session.get(f"{rng.choice(self.urls)}/orders/{customer}", timeout=20)
                self.see(found, 200)
                shown = {order["key"]: order for order in found.json()}
                wanted = {k: order for k, order in mine.items() if k.startswith(f"{customer}/")}
                if shown != wanted:
                    self.failures.append(f"{customer} reads {shown} instead of {wanted}")
        self.expected |= mine

    def look_around(self, old: list[Order]) -> None:
        """Read what lies still, again and again, and count it."""
        with requests.Session() as session:
            while not self.enough.is_set():
                for customer in {changelog.customer_of(order.key) for order in old}:
                    found = session.get(f"{self.urls[0]}/orders/{customer}", timeout=20)
                    self.see(found, 200)
                    wanted = [o.key for o in old if changelog.customer_of(o.key) == customer]
                    if [order["key"] for order in found.json()] != sorted(wanted):
                        self.failures.append(f"{customer} has {found.json()}")
                sold = session.get(f"{self.urls[0]}/sold", timeout=20)
                self.see(sold, 200)
                if sold.json()["lamp"]["orders"] != len(old):
                    self.failures.append(f"{sold.json()} were counted")

    def see(self, reply: requests.Response, status: int) -> None:
        self.requests += 1
        if reply.status_code != status:
            self.failures.append(f"{reply.request.method} {reply.url}: {reply.status_code}")


def everything(store: ShardedStore) -> list[Order]:
    """What lies in all files, where it may lie twice."""
    shards = store.shards.values()
    return [order for shard in shards for order in changelog.every(shard.database).values()]


def lies_where_the_map_says(store: ShardedStore) -> bool:
    layout = store.shard_map.layout()
    return all(
        layout.node_of(changelog.place_of(key)) == name
        for name, shard in store.shards.items()
        for key in changelog.every(shard.database)
    )


def test_shards_come_and_go_under_load_and_no_request_fails(tmp_path, closing, monkeypatch) -> None:
    monkeypatch.setattr(resharding, "BATCH", 5)
    store = closing(ShardedStore(tmp_path, ["north", "south"]))
    old = [Order(f"old-{number % 50}/{number}", "lamp", number) for number in range(200)]
    for order in old:
        store.router().write(order.key, order)
    apps = [shard_service.app(store.router()) for _ in range(2)]
    with web.serving(apps[0]) as one, web.serving(apps[1]) as other, ThreadPoolExecutor(8) as pool:
        customers = Customers([one, other], seed=5)
        loads = [pool.submit(customers.work, number) for number in range(6)]
        loads += [pool.submit(customers.look_around, old) for _ in range(2)]
        try:
            planned = store.add("east")
            assert store.reshard() == planned > 3
            assert set(store.shard_map.layout().names) == {"north", "south", "east"}
            store.remove("south")
            assert store.reshard() > 3
        finally:
            customers.enough.set()
        for load in loads:
            load.result()
        sold = requests.get(f"{one}/sold", timeout=20).json()
        counted = sum(row["orders"] for row in sold.values())
    customers.expected |= {order.key: shard_service.shown(order) for order in old}
    print(f"{customers.requests} requests, {len(customers.expected)} orders")
    assert customers.failures == []
    assert customers.requests > 400
    assert {order.key: shard_service.shown(order) for order in everything(store)} == (
        customers.expected
    )
    assert len(everything(store)) == len(customers.expected) == counted, "none lies twice"
    assert lies_where_the_map_says(store)
    assert changelog.every(store.shards["south"].database) == {}


def test_a_process_that_is_killed_in_the_middle_is_gone_on_with(tmp_path) -> None:
    store = ShardedStore(tmp_path, ["north", "south"])
    router, rng = store.router(), random.Random(3)
    orders = [Order(f"customer-{n}/1", "kettle", rng.randrange(9_999)) for n in range(60)]
    for order in orders:
        router.write(order.key, order)
    planned = store.add("east")
    store.close()
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from amazonian.shop import resharding; from amazonian.shop.sharded_store import *;"
        "real = resharding.catch_up; calls = [];"
        "die = lambda: os.kill(os.getpid(), signal.SIGKILL);"
        "resharding.catch_up = lambda *a: (calls.append(a), len(calls) < 4 or die(), real(*a))[2];"
        "ShardedStore(Path(sys.argv[1])).reshard()"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert killed.returncode == -9
    done = subprocess.run(
        [sys.executable, "-m", "amazonian.shop.sharded_store", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    left = int(done.stdout.split()[0])
    assert 0 < left < planned
    store = ShardedStore(tmp_path)
    assert sorted(everything(store), key=lambda order: order.key) == sorted(
        orders, key=lambda order: order.key
    )
    assert lies_where_the_map_says(store)
    store.close()


# --- the service


def test_the_service_takes_orders_and_refuses_what_is_none(tmp_path, closing) -> None:
    store = closing(ShardedStore(tmp_path, ["north", "south"]))
    with web.serving(shard_service.app(store.router())) as url:
        where = f"{url}/orders/ada/17"
        assert requests.get(where).status_code == 404
        body = {"product": "kettle", "total_minor": 4_200}
        assert requests.put(where, json=body).status_code == 200
        assert requests.get(where).json() == {"key": "ada/17", "status": "placed", **body}
        for wrong in ({}, [], {"product": 3, "total_minor": 1}, {**body, "total_minor": "1"}):
            assert requests.put(where, json=wrong).status_code == 400
        assert requests.get(f"{url}/sold").json() == {"kettle": {"orders": 1, "total_minor": 4_200}}
        assert requests.delete(where).status_code == 204
        assert requests.get(f"{url}/orders/ada").json() == []


def test_a_range_that_is_held_for_too_long_is_a_503(tmp_path, closing) -> None:
    store = closing(ShardedStore(tmp_path, ["north", "south"]))
    router = store.router()
    router.patience_s = 0.01
    store.add("east")
    for move in store.plan.pending():
        store.shards[move.source].close(move)
    held = next(
        n
        for n in range(99)
        if store.ring().node_of(f"customer-{n}")
        != (Ring([*store.ring().nodes, "east"], 8).node_of(f"customer-{n}"))
    )
    with web.serving(shard_service.app(router)) as url:
        body = {"product": "kettle", "total_minor": 4_200}
        reply = requests.put(f"{url}/orders/customer-{held}/1", json=body)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert requests.get(f"{url}/orders/customer-{held}").json() == []
