"""Kill the server with SIGKILL at random moments under load, and look for what was lost or torn.

    .venv/bin/python shared/benchmarks/crashes.py [--rounds 200] [--seed 4]

Each round writes objects of 0 bytes to 1.5 MB from four threads, some as multipart uploads, kills
`amazonian up` after a random number of acknowledged writes, starts it again on the same folder, and
reads every key. What was acknowledged must be there whole; what was not, whole or absent. The tests
do twenty rounds of the same. Exit code 1 if there is any damage.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import crashing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="amazonian-crashes-") as folder:
        writers, damage = crashing.rounds(Path(folder), options.seed, options.rounds)
    took_s = time.monotonic() - began
    print(
        f"{options.rounds} kills in {took_s:.0f} s (seed {options.seed}): "
        f"{writers.acknowledged} writes were acknowledged, to {len(writers.expected)} keys."
    )
    print("\n".join(damage) or "Every acknowledged object was there whole, and none was torn.")
    return 1 if damage else 0


if __name__ == "__main__":
    sys.exit(main())
