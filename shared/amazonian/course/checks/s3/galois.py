"""What lab 4.3 asks of arithmetic with bytes."""

import random

from amazonian.course.evidence import call, fail
from amazonian.course.rules import RulesFor
from amazonian.s3.galois import POLYNOMIAL, SingularMatrixError

about = RulesFor("amazonian.s3.galois")


def field_product(a, b):
    """The checks' own product: by the degrees of the two polynomials, then a long division."""
    whole = 0
    for place in range(8):
        whole ^= (a << place) * (b >> place & 1)
    for place in range(14, 7, -1):
        if whole >> place & 1:
            whole ^= POLYNOMIAL << (place - 8)
    return whole


# --- multiply ---------------------------------------------------------------------------------


@about.rule("multiply")
def without_carries(multiply):
    """Below 256 the product is that of the two polynomials: shifted copies, added by XOR."""
    for a, b in ((0b1011, 0b111), (0b11, 0b11), (0b101, 0b1000)):
        answer = call(multiply, a, b, shown_as=f"multiply({a:#b}, {b:#b})")
        look = "one copy of a for each bit that is set in b, shifted to that bit's place"
        if type(answer.raw) is int and answer.raw == a * b != field_product(a, b):
            look = "this is the ordinary product, with carries: add the shifted copies with ^"
        answer.equals(field_product(a, b), look=look)


@about.rule("multiply")
def zero_and_one(multiply):
    """0 times anything is 0, and 1 times anything is that."""
    for value in (0, 1, 97, 255):
        for a, b in ((0, value), (value, 0)):
            call(multiply, a, b).equals(0)
        for a, b in ((1, value), (value, 1)):
            call(multiply, a, b).equals(value)


# What a mistake makes of 2 times 128.
OVERFLOWS = {
    0: "the bit in place 8 was cut off (& 255): it must be replaced by the rest of POLYNOMIAL",
    256: "this needs nine bits: subtract POLYNOMIAL, that is, XOR it, when bit 8 is set",
    256 ^ 29: "this still needs nine bits: XOR the whole POLYNOMIAL, its bit 8 too",
    0x1B: "0x11b is the polynomial of AES; this field's is POLYNOMIAL, 0x11d",
}


@about.rule("multiply")
def a_ninth_bit_is_reduced(multiply):
    """When bit 8 comes to be set, POLYNOMIAL is subtracted: 2 × 128 is 29."""
    answer = call(multiply, 2, 128)
    looked_up = OVERFLOWS.get(answer.raw) if type(answer.raw) is int else None
    answer.equals(29, look=looked_up or "256 ^ POLYNOMIAL is 29")
    call(multiply, 128, 2).equals(29, look="a × b is b × a")


@about.rule("multiply")
def every_product_is_a_byte(multiply):
    """Reduced as often as bits overflow, every product of two bytes is a byte."""
    rng = random.Random(8)
    pairs = [(128, 128), (255, 255), (255, 128), (128, 255)]
    pairs += [(rng.randrange(256), rng.randrange(256)) for _ in range(600)]
    for a, b in pairs:
        call(multiply, a, b).equals(
            field_product(a, b),
            look="each shift of a can set bit 8: look after each, not at the end",
        )


about.hints(
    "multiply",
    """
    What is 0b1011 × 0b110, if ordinary multiplication on paper is done in binary, and the columns
    are added without carrying?
    """,
    """
    Go through the bits of b, lowest first. If the bit is set, add (XOR) a to the product. Then
    double a: shift it by one, and if that sets bit 8, XOR POLYNOMIAL, which clears bit 8 again.
    """,
    """
    product = 0
    while b:
        if …:                   # the lowest bit of b
            product ^= …
        b >>= 1
        a <<= 1
        if a & 0x100:
            …
    return product
    """,
)


# --- tables -----------------------------------------------------------------------------------


def _pair(tables):
    answer = call(tables)
    asked = "two lists, of 510 powers and of 256 logarithms"
    look = "begin with [0] * 510 and [0] * 256"
    powers, logarithms = answer.satisfies(
        lambda value: [isinstance(part, list) for part in value] == [True, True], asked, look
    )
    if (len(powers), len(logarithms)) != (510, 256):
        found = f"{len(powers):,} powers and {len(logarithms):,} logarithms"
        raise fail(found, asked, look)
    return powers, logarithms


@about.rule("tables")
def powers_of_two(tables):
    """The powers begin with 1, each is 2 times the one before, and after 255 they repeat."""
    powers = _pair(tables)[0]
    wanted = 1
    for i, power in enumerate(powers):
        if type(power) is not int or power != wanted:
            raise fail(
                f"the power {i} is {power!r}",
                f"{wanted}",
                "2 to the power 0 is 1, and 2 to the power 8 is multiply(128, 2), a byte"
                if i <= 8
                else "item 255 is 1 again, and goes on as the list began",
            )
        wanted = field_product(wanted, 2)


@about.rule("tables")
def logarithms_undo_powers(tables):
    """The logarithm of a power is its exponent, from 0 to 254; the item of 0 is 0."""
    logarithms = _pair(tables)[1]
    power = 1
    for i in range(255):
        if type(logarithms[power]) is not int or logarithms[power] != i:
            raise fail(
                f"the logarithm of {power} is {logarithms[power]!r}",
                f"{i}, as 2 to the power {i} is {power}",
                "the same loop can fill both lists, and 255 values of i are enough: "
                "the power 255 is 1, whose logarithm is 0",
            )
        power = field_product(power, 2)
    if logarithms[0] != 0:
        raise fail(f"the item of 0 is {logarithms[0]!r}", "0", "no power is 0: leave it at 0")


about.hints(
    "tables",
    "You have 2 to the power i. How do you get the next one, without another loop?",
    """
    Begin with the value 1. For i from 0 to 254: it is the power i and the power i + 255, and i is
    its logarithm. Then multiply the value by 2, in the field.
    """,
    """
    power = [0] * 510
    logarithm = [0] * 256
    value = 1
    for i in range(255):
        power[i] = power[…] = value
        logarithm[…] = i
        value = multiply(…)
    return power, logarithm
    """,
)


# --- invert -----------------------------------------------------------------------------------


def matrix_times(a, b):
    """The checks' own matrix product."""
    answer = []
    for row in a:
        line = []
        for column in zip(*b, strict=True):
            total = 0
            for x, y in zip(row, column, strict=True):
                total ^= field_product(x, y)
            line.append(total)
        answer.append(line)
    return answer


def _inverts(invert, matrix, look):
    """The answer times `matrix` is the identity, and `matrix` is as it was."""
    before = [list(row) for row in matrix]
    size = len(matrix)
    unit = [[int(i == j) for j in range(size)] for i in range(size)]

    def is_inverse(found):
        bytes_only = all(type(value) is int and 0 <= value < 256 for row in found for value in row)
        return bytes_only and len(found) == size and matrix_times(found, before) == unit

    answer = call(invert, matrix, shown_as=f"invert({before})")
    answer.satisfies(is_inverse, "the matrix whose product with this one is the identity", look)
    if [list(row) for row in matrix] != before:
        raise fail(
            f"the matrix that was given is {matrix} now",
            f"{before}, as before",
            "work on rows of your own: [*row, *unit] makes a new one",
        )


ONE_BYTE = (
    "1 × 1 is 1; a byte is an int, never a fraction; of rows of twice the length only the right "
    "half is asked"
)


@about.rule("invert")
def a_matrix_of_one_byte(invert):
    """The inverse of a matrix of one byte holds the inverse of that byte."""
    _inverts(invert, [[1]], ONE_BYTE)
    _inverts(invert, [[2]], "2 × 142 is 1 in this field; the function inverse says so")


@about.rule("invert")
def triangles(invert):
    """A row above or below is cleared by subtracting a multiple of the pivot's row."""
    look = (
        "all rows but the pivot's get a 0 in its column, those above it too; subtracting is ^, and "
        "a row that has been a pivot stays where it is"
    )
    for matrix in ([[1, 0], [5, 1]], [[1, 5], [0, 1]], [[3, 7], [0, 9]]):
        _inverts(invert, matrix, look)
    _inverts(invert, [[1, 2, 3], [0, 1, 4], [0, 0, 1]], look)
    _inverts(invert, [[1, 0, 0], [2, 1, 0], [3, 4, 1]], look)


@about.rule("invert")
def a_zero_on_the_diagonal(invert):
    """Where a 0 stands on the diagonal, a row from below is brought up."""
    look = "0 can't be divided by: find a row below whose item in this column is not 0, and swap"
    _inverts(invert, [[0, 1], [1, 0]], look)
    _inverts(invert, [[1, 1, 2], [1, 1, 3], [1, 2, 2]], look)
    _inverts(invert, [[0, 0, 3], [0, 2, 1], [5, 0, 0]], look)


@about.rule("invert")
def any_matrix(invert):
    """Whatever the bytes are, the inverse times the matrix is the identity."""
    rng = random.Random(43)
    for size in (2, 3, 4, 4, 6):
        _inverts(
            invert,
            _invertible(rng, size),
            "subtract the row that was already divided; addition and subtraction are ^, and the "
            "product is the field's",
        )


def _invertible(rng, size):
    """A random matrix with an inverse: a lower triangle times an upper one."""
    lower = [
        [rng.randrange(256) if j < i else int(i == j) for j in range(size)] for i in range(size)
    ]
    upper = [
        [rng.randrange(256) if j > i else rng.randrange(1, 256) * (i == j) for j in range(size)]
        for i in range(size)
    ]
    return matrix_times(lower, upper)


@about.rule("invert")
def no_inverse(invert):
    """If a row follows from the others, there is no inverse: SingularMatrixError."""
    double = [[1, 2, 3], [4, 5, 6], [2, 4, 6]]  # the last row is 2 times the first
    for matrix in ([[0]], [[1, 1], [1, 1]], [[1, 0], [0, 0]], double):
        call(invert, matrix).raises(
            SingularMatrixError,
            look="no row from this column's place on has anything but 0 there",
        )


about.hints(
    "invert",
    """
    Solve two equations in x and y on paper, and write down each step as: divide a row, or subtract
    a multiple of one row from another. What happens to the identity if you do the same steps to it?
    """,
    """
    Work on rows of twice the length, [*row, *unit]. For each column: (1) find the first row, from
    `column` on, that has no 0 there, and swap it into place `column`; if there is none, raise
    SingularMatrixError. (2) Multiply it by the inverse of its item there. (3) From every other row
    subtract (XOR) it times that row's item in the column. Return the right halves.
    """,
    """
    rows = [[*row, *unit] for row, unit in zip(matrix, identity(size))]
    for column in range(size):
        pivot = next((row for row in range(column, size) if rows[row][column]), None)
        …                                     # raise, or swap rows[column] and rows[pivot]
        scale = inverse(rows[column][column])
        rows[column] = [product(scale, value) for value in rows[column]]
        for row in range(size):
            if row != column:
                factor = rows[row][column]
                rows[row] = [value ^ … for value, above in zip(rows[row], rows[column])]
    return [row[size:] for row in rows]
    """,
)
