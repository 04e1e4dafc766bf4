"""Arithmetic with bytes: the finite field GF(2^8), and matrices over it: lab 4.3.

A byte is read as a polynomial whose coefficients are its bits: 0b1011 is x^3 + x + 1. Adding two
of them is XOR, and so is subtracting. Multiplying is the product of the polynomials, reduced by
one that has no factors, here x^8 + x^4 + x^3 + x^2 + 1. Every byte but 0 then has an inverse,
and a linear system can be solved as with fractions, only that nothing is ever rounded.

Source: J. Plank, "A Tutorial on Reed-Solomon Coding for Fault-Tolerance in RAID-like Systems",
Software: Practice and Experience 27(9), 1997.
"""

from collections.abc import Sequence

# x^8 + x^4 + x^3 + x^2 + 1; the powers of x, which is 2, run through all bytes but 0.
POLYNOMIAL = 0b1_0001_1101

Matrix = list[list[int]]


class SingularMatrixError(ValueError):
    """A matrix has no inverse: one of its rows follows from the others."""


def multiply(a: int, b: int) -> int:
    """The product of two bytes, bit by bit.

    The product without carries: for each bit of `b`, a copy of `a` shifted to that bit's place,
    all of them added by XOR. Whenever a bit comes to stand in place 8 or above, `POLYNOMIAL` is
    subtracted (XOR again), so that a byte comes out.

    Args:
        a: 0 to 255.
        b: 0 to 255.

    Returns:
        0 to 255.
    """
    product = 0
    while b:
        if b & 1:
            product ^= a
        b >>= 1
        a <<= 1
        if a & 0x100:
            a ^= POLYNOMIAL
    return product


def tables() -> tuple[list[int], list[int]]:
    """The powers of 2 in this field, and their logarithms.

    Returns:
        Two lists. The first has 510 items, of which item `i` is 2 to the power `i`. Powers repeat from
        255 on, and are listed twice so that a sum of two logarithms needs no modulo. The second
        has 256: item `a` is the `i` from 0 to 254 whose power is `a`. 0 is no power of 2; its item
        is 0 and must not be used.
    """
    power = [0] * 510
    logarithm = [0] * 256
    value = 1
    for i in range(255):
        power[i] = power[i + 255] = value
        logarithm[value] = i
        value = multiply(value, 2)
    return power, logarithm


POWER, LOGARITHM = tables()


def product(a: int, b: int) -> int:
    """The product of two bytes, by adding their logarithms."""
    return POWER[LOGARITHM[a] + LOGARITHM[b]] if a and b else 0


def inverse(a: int) -> int:
    """The byte whose product with `a` is 1.

    Raises:
        ZeroDivisionError: `a` is 0.
    """
    if a == 0:
        raise ZeroDivisionError("0 has no inverse")
    return POWER[255 - LOGARITHM[a]]


def matrix_product(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> Matrix:
    """`a` times `b`: row by column, with the field's product, added by XOR."""
    answer = [[0] * len(b[0]) for _ in a]
    for row, out in zip(a, answer, strict=True):
        for factor, other in zip(row, b, strict=True):
            for column, value in enumerate(other):
                out[column] ^= product(factor, value)
    return answer


def identity(size: int) -> Matrix:
    """Ones on the diagonal, zeros elsewhere."""
    return [[int(row == column) for column in range(size)] for row in range(size)]


def invert(matrix: Sequence[Sequence[int]]) -> Matrix:
    """The inverse of a square matrix, by Gauss and Jordan.

    Write the identity to its right. Column by column: find a row, not used yet, that has no 0
    there, and bring it up; divide it so that it has a 1; subtract multiples of it from all other
    rows so that they have a 0. The left half is the identity then, the right half the inverse.

    Args:
        matrix: rows of bytes, as many rows as columns. It is not changed.

    Returns:
        A new matrix of the same size.

    Raises:
        SingularMatrixError: there is no inverse.
    """
    size = len(matrix)
    rows = [[*row, *unit] for row, unit in zip(matrix, identity(size), strict=True)]
    for column in range(size):
        pivot = next((row for row in range(column, size) if rows[row][column]), None)
        if pivot is None:
            raise SingularMatrixError(f"column {column} follows from the columns before it")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = inverse(rows[column][column])
        rows[column] = [product(scale, value) for value in rows[column]]
        for row in range(size):
            if row != column:
                factor = rows[row][column]
                rows[row] = [
                    value ^ product(factor, above)
                    for value, above in zip(rows[row], rows[column], strict=True)
                ]
    return [row[size:] for row in rows]
