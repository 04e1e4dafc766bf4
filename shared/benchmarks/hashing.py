"""Ways to find a key's node, beside uhashring: balance, keys moved, nanoseconds a look-up.

All run in this one process and thread, one after the other, on the same nodes and keys. Run it
with an interpreter that has uhashring, from the repository's root:

    .venv/clients/bin/python shared/benchmarks/hashing.py

Balance is the fullest node's keys over the mean, with 10 nodes; moved is the share of the keys
that change their node when an eleventh comes, for which 1/11 = 0.0909 is the least. A ring's
balance is one draw: with n nodes of v points, a share's standard deviation is
sqrt((n - 1) / (n v + 1)) of the mean, and so figures from 1.08 to 1.26 are alike.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from amazonian.shop.ring import (
    Ring,
    expected_spread,
    jump,
    max_over_mean,
    modulo,
    moved_share,
    rendezvous,
)

try:
    import uhashring
except ImportError:
    uhashring = None

NodeOf = Callable[[str], str]
NODES = [f"node{number}" for number in range(10)]


def ways() -> dict[str, Callable[[list[str]], NodeOf]]:
    """For each way, a function from the nodes to the look-up."""
    found: dict[str, Callable[[list[str]], NodeOf]] = {
        "modulo": lambda nodes: partial(modulo, nodes=nodes),
        "ring, 1 virtual node": lambda nodes: Ring(nodes, virtual=1).node_of,
        "ring, 100 virtual nodes": lambda nodes: Ring(nodes, virtual=100).node_of,
        "ring, 1,000 virtual nodes": lambda nodes: Ring(nodes, virtual=1_000).node_of,
        "jump": lambda nodes: partial(jump, nodes=nodes),
        "rendezvous": lambda nodes: partial(rendezvous, nodes=nodes),
    }
    if uhashring is not None:
        found["uhashring"] = lambda nodes: uhashring.HashRing(nodes).get_node
    return found


def nanoseconds(look_ups: dict[str, NodeOf], keys: list[str], rounds: int) -> dict[str, float]:
    """Processor time for one look-up, in the best of some rounds in which all take turns."""
    best = dict.fromkeys(look_ups, float("inf"))
    for _ in range(rounds):
        for name, node_of in look_ups.items():
            start = time.thread_time()
            for key in keys:
                node_of(key)
            best[name] = min(best[name], time.thread_time() - start)
    return {name: seconds / len(keys) * 1e9 for name, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keys = [f"order-{number}" for number in range(options.keys)]
    look_ups = {name: way(NODES) for name, way in ways().items()}
    times = nanoseconds(look_ups, keys[:20_000], options.rounds)
    print(f"Python {platform.python_version()}, {len(keys):,} keys, 10 nodes and then 11")
    print(f"{'':26}{'balance':>9}{'moved':>9}{'ns':>8}")
    for name, way in ways().items():
        balance = max_over_mean(look_ups[name], NODES, keys)
        moved = moved_share(look_ups[name], way([*NODES, "node10"]), keys)
        print(f"{name:26}{balance:9.3f}{moved:9.4f}{times[name]:8.0f}")
    spread = expected_spread(len(NODES), 100)
    print(f"A share of a ring of 100 virtual nodes: standard deviation {spread:.1%} of the mean.")
    if uhashring is None:
        print("uhashring is not installed here, and was left out.")


if __name__ == "__main__":
    main()
