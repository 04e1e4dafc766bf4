"""Wrong answers to lab 4.3: arithmetic with bytes."""

from amazonian.s3 import galois
from amazonian.s3.galois import POLYNOMIAL, SingularMatrixError, identity, inverse, product
from wrong_answers import wrong

# --- multiply


@wrong(galois, feedback="this is the ordinary product, with carries")
def multiply__takes_it_for_a_number(a, b):
    return a * b % POLYNOMIAL


@wrong(galois, feedback="this is the ordinary product, with carries")
def multiply__adds_with_carries(a, b):
    total = 0
    for place in range(8):
        total += (a << place) * (b >> place & 1)
    return total


@wrong(galois, feedback="the bit in place 8 was cut off")
def multiply__cuts_the_ninth_bit_off(a, b):
    total = 0
    while b:
        if b & 1:
            total ^= a
        a, b = a << 1 & 255, b >> 1
    return total


@wrong(galois, feedback="this needs nine bits")
def multiply__never_reduces(a, b):
    total = 0
    for place in range(8):
        total ^= (a << place) * (b >> place & 1)
    return total


@wrong(galois, feedback="look after each, not at the end")
def multiply__reduces_once_at_the_end(a, b):
    total = 0
    for place in range(8):
        total ^= (a << place) * (b >> place & 1)
    return total ^ POLYNOMIAL if total > 255 else total


@wrong(galois, feedback="0x11b is the polynomial of AES")
def multiply__uses_the_polynomial_of_aes(a, b):
    total = 0
    while b:
        if b & 1:
            total ^= a
        a, b = a << 1, b >> 1
        if a & 256:
            a ^= 0x11B
    return total


# --- tables


@wrong(galois, feedback="2 to the power 0 is 1")
def tables__begin_with_two(multiply=galois.multiply):
    power, logarithm, value = [0] * 510, [0] * 256, 1
    for i in range(255):
        value = multiply(value, 2)
        power[i] = power[i + 255] = value
        logarithm[value] = i
    return power, logarithm


@wrong(galois, feedback="255 powers and 256 logarithms")
def tables__lists_the_powers_once(multiply=galois.multiply):
    power, logarithm, value = [0] * 255, [0] * 256, 1
    for i in range(255):
        power[i] = value
        logarithm[value] = i
        value = multiply(value, 2)
    return power, logarithm


@wrong(galois, feedback="510 powers and 255 logarithms")
def tables__has_no_item_for_the_logarithm_of_0(multiply=galois.multiply):
    power = [1]
    while len(power) < 510:
        power.append(multiply(power[-1], 2))
    return power, [power.index(a) for a in range(1, 256)]


@wrong(galois, feedback="255 values of i are enough")
def tables__overwrites_the_logarithm_of_one(multiply=galois.multiply):
    power, logarithm, value = [0] * 510, [0] * 256, 1
    for i in range(510):
        power[i] = value
        logarithm[value] = i
        value = multiply(value, 2)
    return power, logarithm


@wrong(galois, feedback="2 to the power 8 is multiply(128, 2), a byte")
def tables__doubles_as_usual():
    power = [2**i % 256 for i in range(510)]
    logarithm = [0] * 256
    return power, logarithm


@wrong(galois, feedback="item 255 is 1 again")
def tables__leaves_the_second_half_empty(multiply=galois.multiply):
    power, logarithm, value = [0] * 510, [0] * 256, 1
    for i in range(255):
        power[i] = value
        logarithm[value] = i
        value = multiply(value, 2)
    return power, logarithm


# --- invert


def _eliminate(matrix, pivoting=True, above=True, scaling=True):
    size = len(matrix)
    rows = [[*row, *unit] for row, unit in zip(matrix, identity(size), strict=True)]
    for column in range(size):
        if pivoting:
            pivot = next((row for row in range(column, size) if rows[row][column]), None)
            if pivot is None:
                raise SingularMatrixError
            rows[column], rows[pivot] = rows[pivot], rows[column]
        if scaling:
            scale = inverse(rows[column][column])
            rows[column] = [product(scale, value) for value in rows[column]]
        for row in range(size) if above else range(column + 1, size):
            if row != column:
                factor = rows[row][column]
                rows[row] = [
                    value ^ product(factor, other)
                    for value, other in zip(rows[row], rows[column], strict=True)
                ]
    return [row[size:] for row in rows]


@wrong(galois, feedback="find a row below whose item in this column is not 0, and swap")
def invert__trusts_the_diagonal(matrix):
    return _eliminate(matrix, pivoting=False)


@wrong(galois, feedback="those above it too")
def invert__stops_at_the_triangle(matrix):
    return _eliminate(matrix, above=False)


@wrong(galois, feedback="2 × 142 is 1 in this field")
def invert__does_not_divide(matrix):
    return _eliminate(matrix, scaling=False)


@wrong(galois, feedback="a byte is an int, never a fraction")
def invert__calculates_with_fractions(matrix):
    import numpy as np

    return np.linalg.inv(np.array(matrix, float)).tolist()


@wrong(galois, feedback="work on rows of your own")
def invert__works_in_place(matrix):
    answer = _eliminate(matrix)
    for row, unit in zip(matrix, identity(len(matrix)), strict=True):
        row[:] = unit
    return answer


@wrong(galois, feedback="raised SingularMatrixError")
def invert__returns_none_if_there_is_none(matrix):
    try:
        return _eliminate(matrix)
    except SingularMatrixError:
        return None


@wrong(galois, feedback="the matrix whose product with this one is the identity")
def invert__returns_both_halves(matrix):
    return [
        [*unit, *row] for row, unit in zip(_eliminate(matrix), identity(len(matrix)), strict=True)
    ]


COMMUTES = "the field's product does not depend on the order of its factors"
EQUALLY_LONG = "all of these rows are equally long, so being strict about it changes nothing"

EQUIVALENT = {
    "multiply: 256 + 1 [if a & 0x100:]": "a has just been shifted, so its bit 0 is not set",
    "tables: 0 + 1 [power = [0] * 510]": "every item is overwritten",
    "tables: Add becomes Sub [power[i] = power[i + 255] = value]": (
        "of 510 items, item i - 255 counted from the end is item i + 255"
    ),
    "tables: multiply with its first two arguments swapped [value = multiply(value, 2)]": COMMUTES,
    "invert: product with its first two arguments swapped "
    "[rows[column] = [product(scale, value) for value in rows[column]]]": COMMUTES,
    "invert: product with its first two arguments swapped "
    "[value ^ product(factor, above)]": COMMUTES,
    "invert: not True "
    "[rows = [[*row, *unit] for row, unit in zip(matrix, identity(size), strict=True)]]": (
        EQUALLY_LONG
    ),
    "invert: not True [for value, above in zip(rows[row], rows[column], strict=True)]": (
        EQUALLY_LONG
    ),
}
