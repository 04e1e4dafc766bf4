"""Kill the payment process at every point, at every pair of points, and with every trouble.

    .venv/bin/python shared/benchmarks/payment_crashes.py [--everything] [--workers 2]

Prints how many points and runs there were, and which of them violate a property: none for the
executor, and for the wrong designs at which points. With --everything also every pair of crashes
with every trouble, which takes about half an hour. The tests do all single crashes with all
troubles, and all pairs without. Exit code 1 if the executor violates anything.
"""

import argparse
import logging
import multiprocessing
import sys
import time

from amazonian.payments import crashes, naive
from amazonian.payments.crashes import CALM, Exploration
from amazonian.payments.executor import Executor

WRONG = (naive.FreshKey, naive.WalletFirst, naive.LegByLeg)


def explored(job: tuple) -> Exploration:
    design, depth, troubles = job
    return crashes.explore(design, depth, troubles)


def explore(pool, design, depth: int, troubles: list) -> Exploration:
    """As ``crashes.explore``, shared among the pool's processes."""
    jobs = [(design, depth, troubles[i : i + 1]) for i in range(len(troubles))]
    parts = pool.map(explored, jobs, chunksize=1)
    broken = tuple(run for part in parts for run in part.broken)
    return Exploration(parts[0].points, sum(part.runs for part in parts), broken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--everything", action="store_true", help="pairs with all troubles, too")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    logging.disable()
    failed = False
    with multiprocessing.Pool(options.workers) as pool:
        troubles = crashes.all_troubles()
        plan = [("one crash, two crashes", Executor, 2, [CALM])]
        plan += [("one crash and one trouble", Executor, 1, troubles)]
        if options.everything:
            plan += [("two crashes and one trouble", Executor, 2, troubles)]
        plan += [(f"{design.__name__}, up to two crashes", design, 2, [CALM]) for design in WRONG]
        for name, design, depth, chosen in plan:
            began = time.monotonic()
            exploration = explore(pool, design, depth, chosen)
            print(f"{name}: {exploration}, {time.monotonic() - began:.0f} s", flush=True)
            for number, names in sorted(exploration.at_points().items()):
                point = exploration.points[number]
                print(f"    {point.when} {point.lane} {point.what}: {', '.join(names)}")
            failed |= design is Executor and bool(exploration.broken)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
