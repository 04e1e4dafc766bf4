"""Reed-Solomon codes: any k of k + m fragments give everything back: lab 4.3.

Words: k *data fragments* are followed by m *parity fragments*, numbered 0 to k + m - 1. The
*generator matrix* has a row of k coefficients for each fragment, which is the sum of the data
fragments times these. Its first k rows are the identity (the code is *systematic*: data can be
read without decoding). A fragment that is known to be missing is an *erasure*. A code is *MDS*
(maximum distance separable) if it survives any m erasures, which is the most that m fragments
can buy.

How the arithmetic is made fast: a fragment of L bytes is cut into 8 *bit planes* of L/8 bytes.
Bit t of planes 0 to 7 together is one element of GF(2^8): plane b holds bit b of it. To multiply
by a constant is linear in these bits, so each plane of a product is the XOR of some planes, and
a whole code is a list of XORs of long rows, which numpy does 64 bits and more at a time.

Sources: J. Blömer et al., "An XOR-Based Erasure-Resilient Coding Scheme", ICSI TR-95-048, 1995;
J. Plank and L. Xu, "Optimizing Cauchy Reed-Solomon Codes for Fault-Tolerant Network Storage
Applications", NCA 2006; C. Paar, "Optimized Arithmetic for Reed-Solomon Encoders", ISIT 1997.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from amazonian.s3 import galois
from amazonian.s3.galois import Matrix

# A fragment is 8 planes of whole 64-bit words.
ALIGNMENT_BYTES = 64

# How much of each plane is worked on at a time, so that all of them stay in the cache.
BLOCK_WORDS = 8192

# 4 + 2 over the rational numbers, as a popular page about S3 draws it. Not MDS: lab 4.3.
TOY_CODE = (
    (1, 0, 0, 0),
    (0, 1, 0, 0),
    (0, 0, 1, 0),
    (0, 0, 0, 1),
    (1, 2, -1, 4),
    (-1, 5, 1, -3),
)


class TooFewFragmentsError(Exception):
    """Fewer than k fragments are left: what they encode is lost."""


class FragmentError(ValueError):
    """A fragment has the wrong number, type or length."""


# --- the toy code ------------------------------------------------------------------------------


def rank(rows: Sequence[Sequence[int]]) -> int:
    """How many of these rows of ordinary numbers do not follow from the others."""
    left = [[Fraction(value) for value in row] for row in rows]
    found = 0
    for column in range(len(left[0]) if left else 0):
        pivot = next((row for row in range(found, len(left)) if left[row][column]), None)
        if pivot is None:
            continue
        left[found], left[pivot] = left[pivot], left[found]
        for row in range(found + 1, len(left)):
            factor = left[row][column] / left[found][column]
            left[row] = [
                value - factor * above for value, above in zip(left[row], left[found], strict=True)
            ]
        found += 1
    return found


def recoverable(generator: Sequence[Sequence[int]], lost: Collection[int]) -> bool:
    """Whether the data can be had from the fragments that are not lost.

    It can if the rows of the generator that are left have as many independent ones among them as
    there are data fragments. `rank` counts those.

    Args:
        generator: a row of k ordinary numbers for each of the k + m fragments.
        lost: the numbers of the lost fragments.
    """
    left = [row for number, row in enumerate(generator) if number not in lost]
    return rank(left) == len(generator[0])


# --- matrices of the code ----------------------------------------------------------------------


@lru_cache(256)
def generator_matrix(k: int, m: int) -> tuple[tuple[int, ...], ...]:
    """The identity above a Cauchy matrix: any k of these k + m rows have an inverse.

    A Cauchy matrix has 1 / (x + y) in the row of x and the column of y, all x and y different;
    each of its square parts has an inverse. Multiplying a column keeps that: by y here, where the
    rows are x = 0, 1, …, m - 1, so that parity 0 is the plain XOR of the data. Of the columns that
    are possible the ones that need the fewest XORs are taken.

    What is stored can only be read with the matrix it was written with, so this is a format: for
    one k and m it must never change.

    Raises:
        ValueError: k is below 1, m below 0, or k + m above 256.
    """
    if k < 1 or m < 0 or k + m > 256:
        raise ValueError(f"k at least 1, m at least 0, k + m at most 256; not k={k}, m={m}")
    columns = [[galois.product(y, galois.inverse(x ^ y)) for x in range(m)] for y in range(m, 256)]
    if m == 0:
        columns = [[] for _ in range(k)]
    columns = sorted(columns, key=lambda column: sum(map(_weight, column)))[:k]
    parity = [[column[row] for column in columns] for row in range(m)]
    return tuple(tuple(row) for row in [*galois.identity(k), *parity])


def _weight(factor: int) -> int:
    """How many planes are read in a product with this factor."""
    return sum(galois.product(factor, 1 << bit).bit_count() for bit in range(8))


def decoding_matrix(
    generator: Sequence[Sequence[int]], have: Sequence[int], wanted: Sequence[int]
) -> Matrix:
    """The matrix that makes the wanted fragments out of those that one has.

    The fragments that one has are their rows of the generator times the data. So the inverse of
    these rows makes the data from them, and the rows of the wanted fragments make those from the
    data: one matrix, the product of the two, does both steps at once.

    Args:
        generator: a row of k bytes for each of the k + m fragments.
        have: the numbers of k different fragments.
        wanted: the numbers of the fragments to be made.

    Returns:
        A row for each of `wanted`, in that order, with a factor for each of `have`, in that order.
    """
    decode = galois.invert([generator[number] for number in have])
    return galois.matrix_product([generator[number] for number in wanted], decode)


# --- a code as XORs of planes ------------------------------------------------------------------


def planes_to_xor(matrix: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each plane that comes out of a product with `matrix`, the planes that go in.

    Plane b of fragment j has the number 8j + b, on either side. Bit b of an element stands for
    2 to the power b. So a factor f turns a plane b that goes in into the product of f and that
    power, and each bit t that is set in this product says: plane b is part of plane t coming out.

    Args:
        matrix: rows of bytes: a row for each fragment that comes out, a column for each that goes
            in.

    Returns:
        A list for each plane that comes out, in the order of their numbers. It has the numbers,
        ascending, of the planes that go in and whose XOR it is.
    """
    return [
        [
            8 * column + b
            for column, factor in enumerate(row)
            for b in range(8)
            if galois.product(factor, 1 << b) >> t & 1
        ]
        for row in matrix
        for t in range(8)
    ]


@dataclass(frozen=True)
class Plan:
    """The XORs of a product, in an order that reuses what several sums have in common.

    Attributes:
        inputs: how many planes go in; they are numbered from 0.
        pairs: each pair of planes is added first, and the sum is one more plane, numbered on.
        sums: for each plane that comes out, the planes that it is the XOR of.
    """

    inputs: int
    pairs: tuple[tuple[int, int], ...]
    sums: tuple[tuple[int, ...], ...]

    @property
    def xors(self) -> int:
        """How many planes are added, which is what a product costs."""
        return len(self.pairs) + sum(max(len(planes) - 1, 0) for planes in self.sums)


def share_pairs(inputs: int, sums: Sequence[Sequence[int]]) -> Plan:
    """A plan for these sums in which a pair that occurs three times or more is added once.

    The most frequent pair first, as long as there is one (Paar 1997). A pair that occurs twice
    would save one XOR, but its sum is a row more to be written and read again: no faster, and
    the plan of a wide code takes three times as long to make.

    Args:
        inputs: how many planes go in.
        sums: the planes of each sum, as `planes_to_xor` lists them.
    """
    uses = np.zeros((len(sums), inputs), np.int16)
    for row, planes in zip(uses, sums, strict=True):
        row[list(planes)] = 1
    # In how many sums each two planes occur together; kept up to date as sums change. Integers,
    # because numpy multiplies these itself: a BLAS would start threads for so small a matrix.
    together = uses.T @ uses
    np.fill_diagonal(together, 0)
    pairs: list[tuple[int, int]] = []
    while together.size:
        first, second = divmod(int(together.argmax()), len(together))
        if together[first, second] < 3:
            break
        pairs.append((first, second))
        both = uses[:, first] & uses[:, second]
        uses[:, first] -= both
        uses[:, second] -= both
        uses, together = np.column_stack([uses, both]), np.pad(together, (0, 1))
        changed = [first, second, len(together) - 1]
        counts = uses.T @ uses[:, changed]
        counts[changed, range(3)] = 0
        together[:, changed], together[changed] = counts, counts.T
    return Plan(inputs, tuple(pairs), tuple(tuple(np.flatnonzero(row).tolist()) for row in uses))


def apply(plan: Plan, fragments: Sequence[np.ndarray]) -> np.ndarray:
    """The fragments that come out of a plan, as the rows of one array.

    Args:
        plan: for as many planes as these fragments have.
        fragments: rows of uint8, equally long, a multiple of 64.
    """
    planes_in = [plane for row in fragments for plane in row.view(np.uint64).reshape(8, -1)]
    words = len(planes_in[0])
    planes_out = np.empty((len(plan.sums), words), np.uint64)
    temporary = np.empty((len(plan.pairs), min(words, BLOCK_WORDS)), np.uint64)
    for start in range(0, words, BLOCK_WORDS):
        block = slice(start, start + BLOCK_WORDS)
        planes = [plane[block] for plane in planes_in]
        for (first, second), space in zip(plan.pairs, temporary, strict=True):
            target = space[: len(planes[0])]
            planes.append(np.bitwise_xor(planes[first], planes[second], out=target))
        for target, sources in zip(planes_out[:, block], plan.sums, strict=True):
            _xor_into(target, [planes[number] for number in sources])
    return planes_out.view(np.uint8).reshape(len(plan.sums) // 8, 64 * words)


def _xor_into(target: np.ndarray, sources: list[np.ndarray]) -> None:
    if len(sources) < 2:
        target[:] = sources[0] if sources else 0
        return
    np.bitwise_xor(sources[0], sources[1], out=target)
    for source in sources[2:]:
        np.bitwise_xor(target, source, out=target)


# --- the code ----------------------------------------------------------------------------------


class ReedSolomon:
    """k data and m parity fragments; any k of them give back all. Safe for many threads.

    Args:
        k: how many data fragments, at least 1.
        m: how many parity fragments, at least 0; k + m is at most 256.

    Raises:
        ValueError: there is no such code.
    """

    def __init__(self, k: int, m: int):
        self.k, self.m = k, m
        self.generator = generator_matrix(k, m)
        # Kept here and not in the module: a new code runs on whatever definitions stand there now.
        self._plan = lru_cache(1024)(self._make_plan)

    def __repr__(self) -> str:
        return f"ReedSolomon({self.k}, {self.m})"

    def encode(self, data: np.ndarray) -> np.ndarray:
        """The parity fragments of k data fragments.

        Args:
            data: uint8, shape (k, length), length a multiple of 64.

        Returns:
            uint8, shape (m, length).

        Raises:
            FragmentError: `data` has another shape or type.
        """
        rows = _rows(data)
        if len(rows) != self.k:
            raise FragmentError(f"{self.k} data fragments are to be encoded, not {len(rows)}")
        return self._made(tuple(range(self.k)), tuple(range(self.k, self.k + self.m)), rows)

    def reconstruct(self, fragments: Mapping[int, np.ndarray], wanted: Sequence[int]) -> np.ndarray:
        """The wanted fragments, data or parity, from any k.

        Fragments that are wanted and there are copied. All others are made from the k fragments
        with the lowest numbers, the first of which are data and the cheapest to decode from.

        Args:
            fragments: uint8, shape (length,), by their numbers; all as they were encoded. A
                fragment whose bytes have changed is not noticed: leave it out (see its checksum).
            wanted: the numbers of the fragments to be had.

        Returns:
            uint8, shape (len(wanted), length), in the order of `wanted`.

        Raises:
            TooFewFragmentsError: one is wanted that is not there, and fewer than k are.
            FragmentError: a number, a type or a length is wrong.
        """
        numbers = sorted(fragments)
        for number in (*numbers, *wanted):
            if not 0 <= number < self.k + self.m:
                raise FragmentError(
                    f"{self!r} has fragments 0 to {self.k + self.m - 1}, no {number}"
                )
        missing = tuple(number for number in wanted if number not in fragments)
        if missing and len(numbers) < self.k:
            raise TooFewFragmentsError(
                f"{len(numbers)} fragments are left, {self.k} are needed to make fragment "
                f"{missing[0]}"
            )
        rows = dict(zip(numbers, _rows([fragments[number] for number in numbers]), strict=True))
        have = tuple(numbers[: self.k])
        made = self._made(have, missing, [rows[number] for number in have])
        if len(missing) == len(wanted):
            return made
        rows |= dict(zip(missing, made, strict=True))
        length = made.shape[1]
        return np.array([rows[number] for number in wanted], np.uint8).reshape(-1, length)

    def _made(
        self, have: tuple[int, ...], wanted: tuple[int, ...], rows: Sequence[np.ndarray]
    ) -> np.ndarray:
        if not wanted or not rows:
            return np.empty((len(wanted), len(rows[0]) if rows else 0), np.uint8)
        return apply(self._plan(have, wanted), rows)

    def _make_plan(self, have: tuple[int, ...], wanted: tuple[int, ...]) -> Plan:
        matrix = decoding_matrix(self.generator, have, wanted)
        return share_pairs(8 * len(have), planes_to_xor(matrix))


def _rows(fragments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The fragments as contiguous rows, once they are known to fit together.

    Raises:
        FragmentError: they do not.
    """
    for row in fragments:
        if not isinstance(row, np.ndarray) or row.dtype != np.uint8 or row.ndim != 1:
            raise FragmentError("a fragment is a one-dimensional numpy array of uint8")
        if len(row) != len(fragments[0]):
            raise FragmentError(
                f"fragments are equally long; here are {len(fragments[0])} and {len(row)} bytes"
            )
        if len(row) % ALIGNMENT_BYTES:
            raise FragmentError(f"{len(row)} bytes are no multiple of {ALIGNMENT_BYTES}: pad them")
    return [np.ascontiguousarray(row) for row in fragments]
