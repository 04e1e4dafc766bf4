"""Layers of caching as real processes: the catalogue, a shared one, two local ones, an edge."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import shops

from amazonian.resilience.processes import Process
from amazonian.shop import balancing, calls, proxy
from amazonian.shop.balancing import Backend

pytestmark = pytest.mark.xdist_group("cache service")  # the tests share five processes

FOR_THIS_TEST = "--ttl-s=3600"  # no copy gets too old while a test runs
SKUS = [f"sku{number}" for number in range(shops.SKUS)]


@dataclass
class Layers:
    """Their URLs, from the readers to the origin."""

    edge: str
    locals: list[str]
    shared: Process
    catalogue: Process


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    with ExitStack() as stack:

        def cache(origin: str) -> Process:
            arguments = [f"--origin={origin}", FOR_THIS_TEST]
            return stack.enter_context(Process("amazonian.shop.cache_service", arguments))

        database = tmp_path_factory.mktemp("catalogue") / "catalogue.db"
        arguments = ["catalogue", f"--database={database}"]
        catalogue = stack.enter_context(Process("amazonian.shop.services", arguments))
        shared = cache(catalogue.url)
        servers = [cache(shared.url).url for _ in range(2)]
        backends = [Backend(url, url) for url in servers]
        balancer = proxy.Proxy(backends, balancing.RoundRobin())
        edge = cache(stack.enter_context(proxy.serving(balancer)))
        yield Layers(edge.url, servers, shared, catalogue)


_numbers = itertools.count(1)


@pytest.fixture
def sku(layers: Layers) -> str:
    """An article that no other test knows, for 100 cents."""
    made = f"own {next(_numbers)}/ä"
    assert put(layers.catalogue.url, made, 100).status_code == 200
    return made


def page(url: str, sku: str) -> str:
    return f"{url}/products/{requests.utils.quote(sku, safe='')}"


def put(url: str, sku: str, price_cents: int) -> requests.Response:
    body = {"title": sku, "price_cents": price_cents}
    return requests.put(page(url, sku), json=body, timeout=30)


def price(url: str, sku: str) -> int:
    return requests.get(page(url, sku), timeout=30).json()["price_cents"]


def forget(url: str, sku: str) -> None:
    reply = requests.delete(page(url, sku).replace("/products/", "/copies/"), timeout=30)
    assert reply.status_code == 204


def counts(url: str) -> tuple[int, int]:
    found = requests.get(f"{url}/copies", timeout=30).json()
    return found["asked"], found["missed"]


def counted(url: str, before: tuple[int, int]) -> tuple[int, int]:
    asked, missed = counts(url)
    return asked - before[0], missed - before[1]


def test_each_layer_asks_the_next_one_for_what_it_has_not(layers: Layers) -> None:
    for name in SKUS:
        put(layers.catalogue.url, name, 5)
    urls = [layers.edge, *layers.locals, layers.shared.url]
    before = [counts(url) for url in urls]
    for name in SKUS * 10:
        assert price(layers.edge, name) == 5
    edge, one, other, shared = (counted(url, at) for url, at in zip(urls, before, strict=True))
    many = len(SKUS)
    assert edge == (10 * many, many)
    assert one == other == (many // 2, many // 2)  # the balancer gives each its turn
    assert shared == (many, many)
    for name in SKUS:  # what one web server has, the other asks the shared one for
        assert price(layers.locals[0], name) == 5
    assert counted(layers.shared.url, before[-1]) == (many + many // 2, many)


def test_a_change_at_the_origin_is_seen_when_all_have_forgotten_from_the_origin_outwards(
    layers: Layers, sku: str
) -> None:
    urls = [layers.shared.url, *layers.locals, layers.edge]
    assert [price(url, sku) for url in reversed(urls)] == [100] * 4
    put(layers.catalogue.url, sku, 200)
    assert price(layers.edge, sku) == 100
    for url in urls:
        forget(url, sku)
        assert price(layers.edge, sku) == (200 if url == layers.edge else 100)


def test_a_reader_who_comes_between_fills_the_edge_again_with_the_old_value(
    layers: Layers, sku: str
) -> None:
    urls = [layers.edge, *layers.locals, layers.shared.url]
    assert [price(url, sku) for url in urls] == [100] * 4
    put(layers.catalogue.url, sku, 200)
    for url in urls:
        forget(url, sku)
        assert price(layers.edge, sku) == 100
    assert price(layers.edge, sku) == 100


def test_a_change_through_the_edge_is_forgotten_on_its_way(layers: Layers, sku: str) -> None:
    """Of two web servers the change passes one; the other has its copy until it is told."""
    assert [price(url, sku) for url in layers.locals] == [100, 100]
    assert put(layers.edge, sku, 300).json()["price_cents"] == 300
    assert price(layers.shared.url, sku) == 300
    assert sorted(price(url, sku) for url in layers.locals) == [100, 300]
    for url in layers.locals:
        forget(url, sku)
    forget(layers.edge, sku)
    assert price(layers.edge, sku) == 300


def test_what_is_not_there_is_remembered_and_refusals_come_through(layers: Layers) -> None:
    for _ in range(3):
        reply = requests.get(page(layers.edge, "nothing"), timeout=30)
        assert (reply.status_code, reply.json()["title"]) == (404, "No such product")
    assert put(layers.edge, "nothing", -1).status_code == 422
    assert put(layers.edge, "nothing", 1).status_code == 200
    assert price(layers.edge, "nothing") == 1


def test_the_list_of_products_is_not_kept(layers: Layers, sku: str) -> None:
    listed = requests.get(f"{layers.edge}/products", params={"after": "own"}, timeout=30).json()
    assert sku in {product["sku"] for product in listed["products"]}


def test_it_gives_what_it_has_while_its_origin_is_dead_if_told_to_keep_it(layers: Layers) -> None:
    arguments = [f"--origin={layers.shared.url}", "--ttl-s=0", "--keep-s=3600"]
    put(layers.catalogue.url, "kept", 7)
    with Process("amazonian.shop.cache_service", arguments) as patient:
        assert price(patient.url, "kept") == 7
        layers.shared.kill()
        assert price(patient.url, "kept") == 7
        reply = requests.get(page(patient.url, "never seen"), timeout=30)
        assert (reply.status_code, reply.json()["title"]) == (502, "Bad Gateway")
        assert put(patient.url, "kept", 8).status_code == 502
        # The change may have been made, so what was kept is not given any more.
        assert requests.get(page(patient.url, "kept"), timeout=30).status_code == 502
        layers.shared.start()
        assert price(patient.url, "kept") == 7


@pytest.mark.parametrize("wrong", ["--ttl-s=-1", "--ttl-s=2 --keep-s=1", "--capacity=0"])
def test_numbers_that_make_no_sense_are_refused(wrong: str) -> None:
    command = [sys.executable, "-m", "amazonian.shop.cache_service", "--origin=http://127.0.0.1:9"]
    ended = subprocess.run([*command, *wrong.split()], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "usage" in ended.stderr


def test_caches_are_put_into_a_shop_under_load_and_nobody_notices(tmp_path: Path) -> None:
    """The façade moves the product pages to an edge whose origin is the monolith."""
    with ExitStack() as stack:
        shop = stack.enter_context(shops.CountedShop(tmp_path))
        origin = shop.facade.monolith
        for ttl_s in (10, 1, 60):
            arguments = [f"--origin={origin}", f"--ttl-s={ttl_s}"]
            origin = stack.enter_context(Process("amazonian.shop.cache_service", arguments)).url
        load = stack.enter_context(shops.shoppers(shop.url, tmp_path, users=6, rounds=30))
        shop.wait_for_more(100)
        shop.facade.move("/products", origin)
        shop.wait_for_more(200)
        shop.facade.move_back("/products")
        printed, complaints = load.communicate(timeout=60)
        assert load.returncode == 0, complaints
        failures = {entry["name"]: entry["num_failures"] for entry in json.loads(printed)}
        assert set(failures.values()) == {0}
        asked, missed = counts(origin)
        assert asked > missed > 0
        told = shops.Told.read(tmp_path / "told.jsonl")
        shops.assert_kept(calls.over_http(shop.url), told)
