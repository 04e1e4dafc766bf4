"""Multipart upload: cutting, the ETag of ETags, what may be completed, and sending again."""

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazonian.s3 import multipart
from amazonian.s3.errors import S3Error
from amazonian.s3.multipart import ListedPart
from amazonian.s3.records import EPOCH, Part

MIB, GIB, TIB = 2**20, 2**30, 2**40


@given(data=st.binary(max_size=60), part_size=st.integers(1, 70))
def test_the_parts_joined_are_the_data_and_only_the_last_is_shorter(data, part_size) -> None:
    parts = multipart.split(data, part_size)
    assert b"".join(parts) == data
    assert all(len(part) == part_size for part in parts[:-1])
    assert 0 < len(parts[-1]) <= part_size or parts == [b""]


@pytest.mark.parametrize("part_size", [0, -1])
def test_a_part_has_at_least_one_byte(part_size: int) -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        multipart.split(b"data", part_size)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, 5 * MIB),
        (1, 5 * MIB),
        (10_000 * 5 * MIB, 5 * MIB),
        (10_000 * 5 * MIB + 1, 6 * MIB),
        (10_000 * 6 * MIB, 6 * MIB),
        (5 * TIB, 525 * MIB),
        (10_000 * 5 * GIB, 5 * GIB),
    ],
)
def test_the_part_size_is_the_smallest_that_needs_no_more_than_10000_parts(size, expected) -> None:
    assert multipart.part_size_for(size) == expected


@given(size=st.integers(0, 10_000 * 5 * GIB), smallest=st.integers(1, 5 * GIB))
def test_a_part_size_is_whole_mebibytes_within_all_limits(size, smallest) -> None:
    part_size = multipart.part_size_for(size, smallest)
    assert part_size % MIB == 0
    assert smallest <= part_size <= 5 * GIB
    assert -(-size // part_size) <= 10_000
    less = part_size - MIB
    assert less < smallest or -(-size // less) > 10_000


def test_no_part_size_is_large_enough_for_more() -> None:
    with pytest.raises(ValueError, match="10,000 parts of 5 GiB"):
        multipart.part_size_for(10_000 * 5 * GIB + 1)


def test_the_etag_is_the_md5_of_the_parts_md5s_and_their_number() -> None:
    """Two parts of 5 MiB and one byte of zeros, computed with md5sum and xxd."""
    etags = [hashlib.md5(bytes(size)).hexdigest() for size in (5 * MIB, 1)]
    assert etags == ["5f363e0e58a95f06cbe9bbc662c5dfb6", "93b885adfe0da089cdf634904fd59f71"]
    assert multipart.etag_of_parts(etags) == "92f3a08aa3b1d7eb318ab9c2fc4a6ec3-2"
    assert multipart.etag_of_parts(etags[:1]).endswith("-1")


def part(number: int, size: int = 10, etag: str = "") -> Part:
    return Part(number, size, etag or f"etag {number}", EPOCH, ())


def listed(*numbers: int) -> list[ListedPart]:
    return [ListedPart(number, f"etag {number}") for number in numbers]


HELD = {n: part(n) for n in (1, 2, 3, 10, 10_000)} | {4: part(4, 9), 5: part(5, 0)}


@pytest.mark.parametrize(
    "numbers", [(1,), (4,), (1, 2, 3), (2, 10, 10_000), (1, 4), (1, 5), (10_000,)]
)
def test_parts_that_rise_and_are_large_enough_make_an_object(numbers) -> None:
    chosen = multipart.chosen_parts(listed(*numbers), HELD, smallest=10)
    assert chosen == [HELD[number] for number in numbers]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ([], "MalformedXML"),
        (listed(2, 1), "InvalidPartOrder"),
        (listed(1, 1), "InvalidPartOrder"),
        (listed(1, 3, 2), "InvalidPartOrder"),
        (listed(2, 10)[::-1], "InvalidPartOrder"),
        (listed(1, 6), "InvalidPart"),
        (listed(6), "InvalidPart"),
        ([ListedPart(1, "etag 2")], "InvalidPart"),
        ([ListedPart(1, "")], "InvalidPart"),
        (listed(4, 10), "EntityTooSmall"),
        (listed(1, 5, 10), "EntityTooSmall"),
        # where several hold, the first in this order
        (listed(4, 3, 6), "InvalidPartOrder"),
        (listed(4, 6), "InvalidPart"),
    ],
)
def test_what_makes_no_object_is_refused_with_s3s_code(wrong, code) -> None:
    with pytest.raises(S3Error) as refused:
        multipart.chosen_parts(wrong, HELD, smallest=10)
    assert refused.value.code == code


def test_five_mebibytes_are_the_least_of_all_parts_but_the_last() -> None:
    held = {1: part(1, 5 * MIB), 2: part(2, 5 * MIB - 1)}
    assert multipart.chosen_parts(listed(1, 2), held) == [held[1], held[2]]
    with pytest.raises(S3Error, match="EntityTooSmall"):
        multipart.chosen_parts(listed(2, 3), held | {3: part(3)})


# --- sending ----------------------------------------------------------------------------------


class Session:
    """A service's side of an upload, on a line that may drop at the n-th send."""

    def __init__(self, drops_at: int | None = None, lost_answer: bool = False):
        self.parts: dict[int, bytes] = {}
        self.sent: list[int] = []
        self.asked = 0
        self._drops_at, self._lost_answer = drops_at, lost_answer

    def held(self) -> Mapping[int, str]:
        self.asked += 1
        return {number: hashlib.md5(data).hexdigest() for number, data in self.parts.items()}

    def send(self, number: int, part: bytes) -> str:
        self.sent.append(number)
        dropped = len(self.sent) == self._drops_at
        if not dropped or self._lost_answer:
            self.parts[number] = part
        if dropped:
            raise ConnectionError("the line dropped")
        return hashlib.md5(part).hexdigest()


PARTS = [bytes([n]) * 20 for n in range(12)]


@pytest.mark.parametrize(("lost_answer", "resent"), [(False, 7), (True, 8)])
def test_after_the_line_drops_at_part_7_of_12_only_the_missing_are_sent(
    lost_answer, resent
) -> None:
    session = Session(drops_at=7, lost_answer=lost_answer)
    with pytest.raises(ConnectionError):
        multipart.send_missing(session, PARTS)
    assert session.sent == [1, 2, 3, 4, 5, 6, 7]
    session.sent.clear()
    complete = multipart.send_missing(session, PARTS)
    assert session.sent == list(range(resent, 13))
    assert [p.number for p in complete] == list(range(1, 13))
    assert [p.etag for p in complete] == [hashlib.md5(part).hexdigest() for part in PARTS]
    assert session.asked == 2


def test_a_part_that_the_service_holds_with_other_bytes_is_sent_again() -> None:
    session = Session()
    session.parts = {1: PARTS[0], 2: b"other", 3: PARTS[1]}
    multipart.send_missing(session, PARTS[:3])
    assert session.sent == [2, 3]
    assert [session.parts[n] for n in (1, 2, 3)] == PARTS[:3]
