"""Reed-Solomon beside zfec, a C library for the same code: encode, and decode after m losses.

Both run in this one process and thread, one after the other for each size, on the same bytes;
each figure is the best of the runs that fit into its share of the time. Run it with an
interpreter that has zfec, from the repository's root:

    .venv/clients/bin/python shared/benchmarks/coding.py

Speeds count bytes of data, not of parity, and are in GB/s (10^9 bytes).
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from amazonian.s3.erasure import ReedSolomon

try:
    import zfec
except ImportError:
    zfec = None

CODES = [(4, 2), (10, 4), (17, 3)]
SIZES = [1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 26]
MOST_RUNS = 200


def best_s(function: Callable[[], object], budget_s: float) -> float:
    """The shortest of as many runs as fit into `budget_s`, two at least."""
    best, end = float("inf"), time.perf_counter() + budget_s
    for run in range(MOST_RUNS):
        start = time.perf_counter()
        if run >= 2 and start > end:
            break
        function()
        best = min(best, time.perf_counter() - start)
    return best


def ours(k: int, m: int, data: np.ndarray) -> tuple[Callable, Callable]:
    """Functions that encode `data`, and that decode it without its first m fragments."""
    code = ReedSolomon(k, m)
    parity = code.encode(data)
    lost = min(k, m)
    left = {**{i: data[i] for i in range(lost, k)}, **{k + i: parity[i] for i in range(lost)}}
    wanted = tuple(range(lost))
    if (code.reconstruct(left, wanted) != data[:lost]).any():
        raise SystemExit("ReedSolomon did not give the data back")
    return lambda: code.encode(data), lambda: code.reconstruct(left, wanted)


def peers(k: int, m: int, data: np.ndarray) -> tuple[Callable, Callable]:
    """The same with zfec."""
    encoder, decoder = zfec.Encoder(k, k + m), zfec.Decoder(k, k + m)
    blocks, numbers = [row.tobytes() for row in data], list(range(k, k + m))
    parity = encoder.encode(blocks, numbers)
    lost = min(k, m)
    # zfec wants a data block in its own place, and parity in the places of the missing ones.
    left, left_numbers = [*parity[:lost], *blocks[lost:]], [*numbers[:lost], *range(lost, k)]
    if decoder.decode(left, left_numbers) != blocks:
        raise SystemExit("zfec did not give the data back")
    return (
        lambda: encoder.encode(blocks, numbers),
        lambda: decoder.decode(left, left_numbers),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="for all of it, about")
    seconds = parser.parse_args().seconds
    names = ["amazonian"] + ([f"zfec {zfec.__version__}"] if zfec else [])
    budget_s = seconds / (len(CODES) * len(SIZES) * 2 * len(names))
    print(f"Python {platform.python_version()}, numpy {np.__version__}, one thread")
    if not zfec:
        print("zfec is not installed in this interpreter: its columns are left out")
    heads = [f"{what} {name}" for what in ("encode", "decode") for name in names]
    print(f"{'code':>5} {'data':>9}  " + "  ".join(f"{head:>17}" for head in heads))
    rng = np.random.default_rng(0)
    for k, m in CODES:
        for size in SIZES:
            length = -(-size // (64 * k)) * 64
            data = rng.integers(0, 256, (k, length), dtype=np.uint8)
            pairs = [ours(k, m, data)] + ([peers(k, m, data)] if zfec else [])
            cells = []
            for what in (0, 1):
                speeds = [data.nbytes / best_s(pair[what], budget_s) / 1e9 for pair in pairs]
                cells.append(f"{speeds[0]:17.3f}")
                cells += [f"{speed:8.3f} ({speeds[0] / speed:4.1f}×)" for speed in speeds[1:]]
            shown = f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"
            print(f"{k:>2}+{m:<2} {shown:>9}  " + "  ".join(f"{cell:>17}" for cell in cells))


if __name__ == "__main__":
    main()
