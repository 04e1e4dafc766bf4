"""What the parts of a shop have to do, from its shape and the number of its users: lab 2.4.

All of it is a model made for teaching: the mix of requests, the work that each of them makes, the
shape of the shop. What you measure of a shop of your own takes the place of the constants below.

Words: a *part* of the shop (web servers, shared caches, …) consists of machines that do the same
work. Its *utilisation* is that of its busiest machine, and the part with the highest utilisation
is the *bottleneck*: it saturates first as the shop grows.
"""

import functools
from dataclasses import dataclass

import numpy as np

from amazonian.resilience.popularity import zipf
from amazonian.shop import layers, simulator
from amazonian.shop.simulator import Station

# What the users do, in the busiest hour: a request every 20 seconds from each.
REQUESTS_PER_USER_S = 0.05
VIEWS, SEARCHES, CARTS, ORDERS = 0.80, 0.10, 0.08, 0.02  # shares of the requests
PRODUCTS, EXPONENT = 10_000, 0.8  # their popularity follows Zipf's law

# What that makes for the machines to do, in seconds of one core.
WEB_S = 0.005  # every request
CACHE_S = 0.000_01  # every question to the shared cache
READ_S = 0.000_5  # a page that no cache has: one; a cart: one; an order: two
WRITE_S = 0.001  # a cart: one; an order: three, and one for the stock
SEARCH_S = 0.004  # a search through the whole catalogue
ASK_S = 0.001  # what a search costs each shard besides, once there are several to be asked

LOCAL_TTL_S, SHARED_TTL_S = 1.0, 60.0
CORES = 2


@dataclass(frozen=True)
class Demand:
    """How much is wanted of the shop.

    Args:
        users: how many are shopping at the same time.
        hot_share: the share of all views and orders that one product has to itself; 0 leaves it
            at what Zipf's law gives it.
    """

    users: float
    hot_share: float = 0.0

    @property
    def requests_per_s(self) -> float:
        return REQUESTS_PER_USER_S * self.users

    @property
    def orders_per_s(self) -> float:
        return ORDERS * self.requests_per_s

    @property
    def shares(self) -> np.ndarray:
        """The share of the views and orders that each product has; the first is the hot one."""
        return _shares(self.hot_share)


@functools.lru_cache
def _shares(hot_share: float) -> np.ndarray:
    shares = zipf(PRODUCTS, EXPONENT)
    if hot_share:
        shares[1:] *= (1 - hot_share) / shares[1:].sum()
        shares[0] = hot_share
    return shares


@dataclass(frozen=True)
class Architecture:
    """The shape of a shop: how many machines of each kind, and two things besides.

    Args:
        web: web servers; 0 where web server and database share one machine.
        caches: machines of the shared cache, each with its share of the products.
        local: whether each web server keeps copies in its own memory, in front of that.
        search: machines with a search index of their own; 0 where the database searches.
        replicas: copies of each shard, which take their share of the reads and apply every write.
        shards: how many databases the data are split over, by user.
        pieces: in how many rows, on different shards, a product's stock is kept.
    """

    web: int = 0
    caches: int = 0
    local: bool = False
    search: int = 0
    replicas: int = 0
    shards: int = 1
    pieces: int = 1

    @property
    def databases(self) -> int:
        """How many machines have a database."""
        return self.shards * (1 + self.replicas)

    @property
    def machines(self) -> int:
        """How many machines have to be paid for."""
        return self.web + self.caches + self.search + self.databases


@dataclass(frozen=True)
class Work:
    """Something that is done `rate_per_s` times a second and takes `service_s` each time."""

    rate_per_s: float
    service_s: float


@dataclass(frozen=True)
class Part:
    """Machines that do the same work.

    Args:
        name: what a drawing calls it.
        machines: how many there are.
        cores: how many things each does at once.
        work: what the busiest of them has to do.
    """

    name: str
    machines: int
    cores: int
    work: tuple[Work, ...]

    @property
    def rate_per_s(self) -> float:
        """How many things a second the busiest machine is asked to do."""
        return sum(work.rate_per_s for work in self.work)

    @property
    def utilisation(self) -> float:
        """The share of its time that the busiest machine works; above 1 it can't keep up."""
        return float(sum(work.rate_per_s * work.service_s for work in self.work)) / self.cores


ONE_MACHINE, WEB, CACHE = "one machine", "web servers", "shared cache"
SEARCH, DATABASE, STOCK = "search", "database", "stock row"


def parts(architecture: Architecture, demand: Demand) -> list[Part]:
    """The parts that this architecture has, and what this demand asks of each.

    A part's machines share its work evenly, except for what concerns one product: that all falls
    to the one cache that has it, to the one shard, to the one row with its stock.
    """
    shape, rate = architecture, demand.requests_per_s
    asked, missed = views_asked(shape, demand)
    orders = demand.orders_per_s * demand.shares
    hot_row = orders.max() / shape.pieces
    stock = Part(STOCK, shape.pieces, 1, (Work(hot_row, WRITE_S),))
    searches = 0.0 if shape.search else rate * SEARCHES
    reads = _busiest(missed, shape.shards) + rate * (CARTS + 2 * ORDERS) / shape.shards
    writes = rate * (CARTS + 3 * ORDERS) / shape.shards
    writes += hot_row + (orders.sum() - hot_row) / shape.shards
    copies = 1 + shape.replicas
    data = (
        Work(reads / copies, READ_S),
        Work(searches / copies, _search_s(shape)),
        Work(writes, WRITE_S),
    )
    if not shape.web:
        return [Part(ONE_MACHINE, 1, CORES, (Work(rate, WEB_S), *data)), stock]
    found = [Part(WEB, shape.web, CORES, (Work(rate / shape.web, WEB_S),))]
    if shape.caches:
        questions = Work(_busiest(asked, shape.caches), CACHE_S)
        found.append(Part(CACHE, shape.caches, 1, (questions,)))
    if shape.search:
        each = Work(rate * SEARCHES / shape.search, SEARCH_S)
        found.append(Part(SEARCH, shape.search, CORES, (each,)))
    return [*found, Part(DATABASE, shape.databases, CORES, data), stock]


def views_asked(architecture: Architecture, demand: Demand) -> tuple[np.ndarray, np.ndarray]:
    """How often each product is asked of the shared cache, and of the database, per second."""
    asked = VIEWS * demand.requests_per_s * demand.shares
    if architecture.local:
        asked = layers.behind(asked, LOCAL_TTL_S, copies=max(1, architecture.web))
    missed = layers.missed_per_s(asked, SHARED_TTL_S) if architecture.caches else asked
    return asked, missed


def _busiest(per_product: np.ndarray, machines: int) -> float:
    """What the machine with the most popular product gets, if products are dealt out evenly."""
    most = per_product.max()
    return float(most + (per_product.sum() - most) / machines)


def _search_s(architecture: Architecture) -> float:
    """What one search costs one shard, which looks through its own part of the catalogue."""
    shards = architecture.shards
    return SEARCH_S / shards + (ASK_S if shards > 1 else 0.0)


def bottleneck(found: list[Part]) -> Part:
    """The part that saturates first: the one with the highest utilisation."""
    return max(found, key=lambda part: part.utilisation)


def utilisation_of(name: str, architecture: Architecture, demand: Demand) -> float:
    """The utilisation of the part of this name; 0 if there is no such part."""
    by_name = {part.name: part.utilisation for part in parts(architecture, demand)}
    return by_name.get(name, 0.0)


# --- how long requests take -----------------------------------------------------------------------


def services_s(part: Part, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many service times at a part's busiest machine: exponential, each of its work's mean."""
    rates = np.array([work.rate_per_s for work in part.work])
    means_s = np.array([work.service_s for work in part.work])
    return rng.exponential(means_s[rng.choice(len(rates), count, p=rates / rates.sum())])


def waits_s(part: Part, requests: int, rng: np.random.Generator) -> np.ndarray:
    """How long things wait at the busiest machine of a part, from a simulation of so many."""
    arrivals_s = simulator.poisson(part.rate_per_s, requests, rng)
    taken_s = services_s(part, requests, rng)
    visits = simulator.simulate(arrivals_s, taken_s, [Station(part.cores)])
    return visits.after(requests // 10).wait_s


def times_s(
    architecture: Architecture, demand: Demand, requests: int, rng: np.random.Generator
) -> np.ndarray:
    """How long so many requests of all kinds take, in seconds, in random order.

    Each visits the parts that its kind needs, one after the other, and finds at each the queue of
    the busiest machine as it is at a random moment. The time on the network is left out.
    """
    found = parts(architecture, demand)
    queues = {part.name: waits_s(part, requests, rng) for part in found}
    kind = rng.choice(4, requests, p=[VIEWS, SEARCHES, CARTS, ORDERS])
    times = np.zeros(requests)

    def visit(name: str, who: np.ndarray, service_s: float) -> None:
        queue = queues[name if name in queues else ONE_MACHINE]
        count = int(who.sum())
        times[who] += rng.choice(queue, count) + rng.exponential(service_s, count)

    views_per_s = VIEWS * demand.requests_per_s
    asked, missed = (each.sum() / views_per_s for each in views_asked(architecture, demand))
    everyone, viewing = np.ones(requests, bool), kind == 0
    visit(WEB, everyone, WEB_S)
    if architecture.caches:
        visit(CACHE, viewing & (rng.random(requests) < asked), CACHE_S)
    visit(DATABASE, viewing & (rng.random(requests) < missed), READ_S)
    visit(SEARCH if architecture.search else DATABASE, kind == 1, SEARCH_S)
    for who, reads, writes in ((kind == 2, 1, 1), (kind == 3, 2, 3)):
        for service_s in [READ_S] * reads + [WRITE_S] * writes:
            visit(DATABASE, who, service_s)
    visit(STOCK, kind == 3, WRITE_S)
    return times
