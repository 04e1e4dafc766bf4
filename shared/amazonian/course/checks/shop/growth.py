"""What lab 2.4 asks of the next step of a growing shop."""

from collections.abc import Callable

from amazonian.course.evidence import Answer, call, scenario
from amazonian.course.rules import RulesFor
from amazonian.shop.capacity import Architecture, Demand
from amazonian.shop.growth import NothingHelpsError, Step

about = RulesFor("amazonian.shop.growth")

# A shop as it is with ten million users, and one with a hundred million.
LARGE = Architecture(2172, 5, True, 151, 1, 97, 1)
HUGE = Architecture(20218, 63, True, 1738, 1, 891, 16)


def _step(next_step: Callable, architecture: Architecture, demand: Demand) -> Answer:
    """What the learner adds, in words."""

    def added() -> object:
        after = next_step(architecture, demand)
        known = isinstance(after, Architecture)
        return str(Step(0, "", architecture, after)) if known else after

    return call(added, shown_as=f"next_step({architecture}, {demand})")


@about.rule("next_step")
def nothing_as_long_as_nothing_is_full(next_step):
    """As long as the bottleneck is at most 70% busy, nothing is added."""
    _step(next_step, Architecture(), Demand(1000)).equals(
        None, look="bottleneck(parts(architecture, demand)).utilisation against FULL"
    )
    _step(next_step, Architecture(web=18, search=2, replicas=1, shards=2), Demand(100_000)).equals(
        None, look="the web servers are 69.4% busy"
    )


@about.rule("next_step")
def one_machine_that_is_full(next_step):
    """Web server and database share one machine until it is full; then the first gets its own."""
    scenario("one machine, 75% busy. A web server on its own would be 63% busy, the database 13%")
    _step(next_step, Architecture(), Demand(5012)).equals(
        "web 0 → 1", look="afterwards there is no part of that name, and `utilisation_of` says 0"
    )
    scenario("the same with twice the users; a web server on its own would then be 125% busy")
    _step(next_step, Architecture(), Demand(10_000)).equals(
        "web 0 → 1",
        look="only the part that was full counts; another one, full afterwards, has its turn next",
    )


@about.rule("next_step")
def what_is_not_the_bottleneck_is_left_alone(next_step):
    """Only what relieves the bottleneck is added."""
    scenario("web servers 79% busy, a database 64%")
    _step(next_step, Architecture(web=4), Demand(25_200)).equals("web 4 → 5")
    scenario("web servers 62% busy, a database 88%")
    _step(next_step, Architecture(web=7), Demand(34_700)).equals(
        "replicas 0 → 1",
        look="more web servers leave the database as busy as it is; which of the steps that don't "
        "costs least for what it leaves?",
    )
    scenario(
        "web servers 73% busy, a database 79%, for the most part with pages that a cache could have"
    )
    _step(next_step, Architecture(web=27, search=3, replicas=1, shards=2), Demand(158_500)).equals(
        "caches 0 → 1",
        look="that the web servers are full too does not matter now. Multiply what each step "
        "leaves of the database by all the machines: copies in memory cost none, and leave 70%",
    )


@about.rule("next_step")
def relief_is_weighed_against_money(next_step):
    """Of the steps that relieve it, the one with the smallest product of all the machines and what
    is left of that part's utilisation."""
    scenario(
        "a database 74% busy. One machine more leaves 56% (as a replica), 51% (a cache) or 49% "
        "(search on its own), two more leave 44% (a shard)"
    )
    _step(next_step, Architecture(web=10, replicas=1), Demand(50_120)).equals(
        "shards 1 → 2",
        look="multiply all the machines, not only the new ones: 14 × 44% is less than 13 × 49%",
    )
    scenario("a database 192% busy, of which the best step leaves 113%")
    _step(next_step, Architecture(web=10, replicas=1), Demand(130_000)).equals(
        "shards 1 → 2", look="it is still too much, and it is a relief; the next step goes on"
    )
    scenario("a database 85% busy, a quarter of it with the stock of one product")
    _step(next_step, LARGE, Demand(12_600_000)).equals(
        "pieces 1 → 2",
        look="shards would leave a little less, for 48 machines more: the product counts",
    )


@about.rule("next_step")
def the_demand_counts_with_its_hot_item(next_step):
    """What relieves is tried under the same demand, with its hot item."""
    scenario("30% of all views and orders for one product, and a database 101% busy, a third of it")
    _step(
        next_step,
        Architecture(web=457, caches=2, search=41, replicas=1, shards=22),
        Demand(3_000_000, hot_share=0.3),
    ).equals("pieces 1 → 2", look="utilisation_of(name, step, demand), with the demand as it is")
    scenario("a fifth of all views and orders for one product, and the row with its stock at 125%")
    _step(next_step, HUGE, Demand(100_000_000, hot_share=0.2)).equals("pieces 16 → 32")


@about.rule("next_step")
def where_nothing_helps(next_step):
    """If every step leaves the bottleneck at 90% or more of its utilisation, that is a
    NothingHelpsError."""
    scenario(
        "a million web servers that each fetch the most popular product once a second, and a "
        "shared cache that has it on one machine; more caches leave 99.7% of the work there"
    )
    shop = Architecture(1_000_000, 2_000, True, 2_000, 1, 2_000, 64)
    for users in (80_000_000, 60_000_000):  # 107% and 82% busy
        call(next_step, shop, Demand(users)).raises(
            NothingHelpsError,
            look="a relief is a utilisation below RELIEF × the present one, not just below it, and "
            "not just below RELIEF",
        )


about.hints(
    "next_step",
    """
    You could simply try every step. Of what would you compare before and after: of the whole shop,
    or of one part of it?
    """,
    """
    Keep the bottleneck's name and its utilisation. For each step ask utilisation_of(that name,
    step, demand). Those below RELIEF × the old one are candidates; min() with a key takes the one
    with the smallest machines × utilisation.
    """,
    """
    full = bottleneck(parts(architecture, demand))
    if full.utilisation <= FULL:
        return None
    def left(step): return utilisation_of(full.name, …, demand)
    helpful = [step for step in steps(architecture) if …]
    if not helpful:
        raise NothingHelpsError(…)
    return min(helpful, key=lambda step: …)
    """,
)
