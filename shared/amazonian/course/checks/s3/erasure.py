"""What lab 4.3 asks of codes: what they survive, how they decode, how they become XORs."""

import random

from amazonian.course.checks.s3.galois import field_product, matrix_times
from amazonian.course.evidence import call, fail
from amazonian.course.rules import RulesFor
from amazonian.s3.erasure import TOY_CODE, generator_matrix

about = RulesFor("amazonian.s3.erasure")


# --- recoverable ------------------------------------------------------------------------------


@about.rule("recoverable")
def one_fragment_lost(recoverable):
    """With nothing lost the data are there, and the toy code survives any one loss."""
    look = (
        "the rows that are left are those whose number is not in `lost`; there may be more than k "
        "of them, and it is enough if their rank is k, here 4"
    )
    for lost in ((), (0,), (3,), (4,), (5,)):
        call(recoverable, TOY_CODE, lost, shown_as=f"recoverable(TOY_CODE, {lost})").equals(
            True, look=look
        )


@about.rule("recoverable")
def more_lost_than_parity_can_give(recoverable):
    """With fewer than k fragments left the data are lost."""
    for lost in ((0, 1, 4), (3, 4, 5), (0, 1, 2, 3, 4, 5)):
        call(recoverable, TOY_CODE, lost, shown_as=f"recoverable(TOY_CODE, {lost})").equals(
            False, look="three rows, or none, can't have rank 4"
        )


@about.rule("recoverable")
def enough_is_not_always_enough(recoverable):
    """With k fragments left it depends on which: their rows must be independent."""
    twice = ((1, 0), (0, 1), (1, 1), (2, 2))
    for lost, expected in (((0, 1), False), ((2, 3), True), ((0, 3), True), ((1, 2), True)):
        look = (
            "the two rows that are left are independent, and a row of this code has two numbers, "
            "so k is 2"
            if expected
            else "the fragments 2 and 3 say the same: (2, 2) is twice (1, 1). How many are lost "
            "does not decide; rank counts the independent rows among those left"
        )
        call(recoverable, twice, lost).equals(expected, look=look)


@about.rule("recoverable")
def other_codes(recoverable):
    """The number of data fragments is that of a row's coefficients, whatever the code."""
    copies = ((1,), (1,), (1,))
    call(recoverable, copies, [0, 2]).equals(True, look="one of three copies is enough")
    call(recoverable, copies, [0, 1, 2]).equals(False)
    call(recoverable, ((1,),), []).equals(True, look="one fragment, no parity: a row has length 1")
    call(recoverable, ((1, 0), (0, 1)), {1}).equals(False)
    parity = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (1, 2, 3))
    call(recoverable, parity, {1, 2}).equals(True)
    call(recoverable, parity, {1, 2, 4}).equals(False)


about.hints(
    "recoverable",
    """
    Four unknowns, and each fragment that is left is one equation. When do equations have exactly
    one solution?
    """,
    """
    When as many of them are independent as there are unknowns. Take the rows that are left and
    compare their rank with the number of coefficients in a row.
    """,
    """
    left = [row for number, row in enumerate(generator) if …]
    return rank(left) == …
    """,
)


# --- decoding_matrix --------------------------------------------------------------------------


def _makes(decoding_matrix, k, m, have, wanted, look):
    generator = generator_matrix(k, m)
    shown = f"decoding_matrix(generator_matrix({k}, {m}), {have}, {wanted})"
    answer = call(decoding_matrix, generator, have, wanted, shown_as=shown)
    basis, target = ([list(generator[i]) for i in numbers] for numbers in (have, wanted))

    def fits(matrix):
        shape = [len(row) for row in matrix] == [len(have)] * len(wanted)
        return shape and matrix_times(matrix, basis) == target

    answer.satisfies(
        fits,
        f"the matrix whose product with the rows {list(have)} of the generator is its rows "
        f"{list(wanted)}",
        look,
    )


@about.rule("decoding_matrix")
def encoding_is_the_simplest_case(decoding_matrix):
    """Parity from the data: the rows of the parity themselves."""
    _makes(
        decoding_matrix,
        4,
        2,
        (0, 1, 2, 3),
        (4, 5),
        "the first four rows are the identity, and so is their inverse",
    )


@about.rule("decoding_matrix")
def data_from_what_is_left(decoding_matrix):
    """Lost data from data and parity: by the inverse of the rows that one has."""
    look = (
        "invert the rows of `have`, then put the rows of `wanted` to the left of the inverse; sums "
        "and products are the field's, as matrix_product makes them"
    )
    _makes(decoding_matrix, 4, 2, (2, 3, 4, 5), (0, 1), look)
    _makes(decoding_matrix, 4, 2, (0, 1, 3, 4), (2,), look)
    _makes(decoding_matrix, 4, 2, (0, 2, 3, 5), (1, 4), look)
    _makes(decoding_matrix, 2, 3, (3, 4), (0, 1, 2), look)


@about.rule("decoding_matrix")
def in_the_order_that_is_asked(decoding_matrix):
    """Columns are in the order of `have` and rows in the order of `wanted`, neither sorted."""
    look = "take the rows in the order of the numbers that were given"
    _makes(decoding_matrix, 3, 3, (5, 0, 4), (2, 1), look)
    _makes(decoding_matrix, 3, 3, (5, 2, 3), (4, 0, 1), look)
    _makes(decoding_matrix, 3, 3, [4, 3, 1], [1, 0, 4, 1], look)


about.hints(
    "decoding_matrix",
    """
    What you have is H = A × data, where A are the rows of `have`. How do you get the data from H?
    And from the data, the fragments that are wanted?
    """,
    "data = A⁻¹ × H, and wanted = B × data, where B are the rows of `wanted`: so it is B × A⁻¹.",
    """
    decode = galois.invert([generator[number] for number in …])
    return galois.matrix_product([…], decode)
    """,
)


# --- planes_to_xor ----------------------------------------------------------------------------


def _expected(matrix):
    return [
        [
            8 * column + b
            for column, factor in enumerate(row)
            for b in range(8)
            if field_product(factor, 2**b) & 2**t
        ]
        for row in matrix
        for t in range(8)
    ]


TIMES_TWO = _expected([[2]])
TIMES_TWO_UPSIDE_DOWN = [sorted(7 - b for b in TIMES_TWO[7 - t]) for t in range(8)]
TIMES_TWO_TRANSPOSED = [[t for t in range(8) if b in TIMES_TWO[t]] for b in range(8)]


def _planes(planes_to_xor, matrix, look):
    answer = call(planes_to_xor, matrix)
    wanted = _expected(matrix)
    answer.satisfies(
        lambda found: len(found) == len(wanted) and all(isinstance(one, list) for one in found),
        f"{len(wanted)} lists, one for each plane that comes out",
        "eight planes come out for each row of the matrix, in the order of their numbers; for each "
        "a list, all of them in one list",
    )
    found = answer.value()
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if one != other:
            if sorted(one, key=repr) == other:
                look = "the same planes, but not in ascending order"
            raise fail(f"plane {number} comes out as the XOR of {one}", f"of {other}", look)


@about.rule("planes_to_xor")
def times_one_copies(planes_to_xor):
    """Times 1, each plane comes out as it went in."""
    _planes(planes_to_xor, [[1]], "1 × 2^b is 2^b: plane b goes into plane b, and nowhere else")


@about.rule("planes_to_xor")
def times_two_shifts(planes_to_xor):
    """Times 2, plane b becomes plane b + 1, and plane 7 becomes all that 2 × 128 = 29 has set."""
    answer = call(planes_to_xor, [[2]])
    look = "29 is 0b11101, so plane 7 goes into the planes 0, 2, 3 and 4"
    if answer.error is None and _same(answer.raw, TIMES_TWO_TRANSPOSED):
        look = (
            "this lists for each plane that goes in where it goes to; "
            "asked is for each that comes out what goes in"
        )
    elif answer.error is None and _same(answer.raw, TIMES_TWO_UPSIDE_DOWN):
        look = "this has the highest bit in plane 0; plane b holds bit b, plane 0 the lowest"
    _planes(planes_to_xor, [[2]], look)


def _same(found, wanted):
    try:
        return [list(one) for one in found] == wanted
    except TypeError:
        return False


@about.rule("planes_to_xor")
def several_fragments(planes_to_xor):
    """Fragment j has the planes 8j to 8j + 7, going in (a column) and coming out (a row)."""
    look = "plane b of fragment j is 8 × j + b, j being the column of the factor"
    _planes(planes_to_xor, [[1, 1]], look)
    _planes(planes_to_xor, [[1, 2, 4]], look)
    _planes(planes_to_xor, [[1, 0], [0, 1]], "a factor 0 reads nothing, and each row makes eight")
    _planes(planes_to_xor, [[2], [3]], look)


@about.rule("planes_to_xor")
def a_factor_zero(planes_to_xor):
    """A row of zeros reads no plane at all: eight empty lists."""
    _planes(planes_to_xor, [[0]], "no bit is set in 0 × 2^b")


@about.rule("planes_to_xor")
def any_matrix(planes_to_xor):
    """Whatever the factors are, plane b is read for plane t just if f × 2^b has bit t."""
    rng = random.Random(97)
    _planes(planes_to_xor, [list(row) for row in generator_matrix(4, 2)[4:]], "f × 2^b, and bit t")
    for rows, columns in ((1, 1), (2, 3), (3, 2)):
        matrix = [[rng.randrange(256) for _ in range(columns)] for _ in range(rows)]
        _planes(planes_to_xor, matrix, "f × 2^b is the field's product, and bit t is one of 8")


about.hints(
    "planes_to_xor",
    """
    An element is the sum of its bits: 13 is 1 + 4 + 8. What is 2 × 13, if you only know 2 × 1,
    2 × 2, 2 × 4, … 2 × 128? And 2 × a, if the bits of a are not known yet?
    """,
    """
    f × a is the sum of f × 2^b over all bits b that are set in a. So bit t of f × a is the XOR of
    those bits b of a for which f × 2^b has its bit t set. That is the list for plane t. With more
    columns, the lists of all columns follow each other, each with 8 × column added.
    """,
    """
    lists = []
    for row in matrix:
        for t in range(8):                      # a plane that comes out
            planes = []
            for column, factor in enumerate(row):
                for b in range(8):              # a plane that goes in
                    if …:                       # bit t of galois.product(factor, 2 to the power b)
                        planes.append(…)
            lists.append(planes)
    return lists
    """,
)
