"""Which devices hold a payload: rendezvous hashing, which needs no table and moves little.

Each pair of a payload and a device has a score that looks random and never changes; a payload's
fragments stand on the devices that score highest for it. When a device comes or goes, only the
payloads for which it is among the highest are touched.

Source: D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
Transactions on Networking 6(1), 1998.
"""

import hashlib
from collections.abc import Iterable


def score(payload: str, device: str) -> int:
    """How much this device wants this payload: 64 bits that depend on nothing else."""
    pair = f"{payload}/{device}".encode()
    return int.from_bytes(hashlib.blake2b(pair, digest_size=8).digest(), "big")


def order(payload: str, devices: Iterable[str]) -> list[str]:
    """The devices' names, most wanted first: the first k + m get the fragments 0 to k + m - 1."""
    return sorted(devices, key=lambda device: (score(payload, device), device), reverse=True)
