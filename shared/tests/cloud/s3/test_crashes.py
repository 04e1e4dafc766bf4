"""SIGKILL under load: what was acknowledged is there whole, what was not is whole or absent."""

from pathlib import Path

import crashing


def test_no_acknowledged_object_is_lost_or_torn_in_twenty_kills(tmp_path: Path) -> None:
    writers, damage = crashing.rounds(tmp_path, seed=4, count=20)
    assert damage == []
    assert writers.acknowledged >= 20
