"""Wrong answers to lab 4.3: codes."""

from amazonian.s3 import erasure, galois
from amazonian.s3.erasure import rank
from wrong_answers import wrong

# --- recoverable


@wrong(erasure, feedback="How many are lost does not decide")
def recoverable__counts_what_is_left(generator, lost):
    return len(generator) - len(set(lost)) >= len(generator[0])


@wrong(erasure, feedback="the rows that are left are those whose number is not in `lost`")
def recoverable__looks_at_the_rows_that_are_lost(generator, lost):
    return rank([row for number, row in enumerate(generator) if number in lost]) == len(
        generator[0]
    )


@wrong(erasure, feedback="expected True")
def recoverable__returns_the_rank(generator, lost):
    return rank([row for number, row in enumerate(generator) if number not in lost])


@wrong(erasure, feedback="the rows that are left")
def recoverable__wants_all_rows_to_be_independent(generator, lost):
    left = [row for number, row in enumerate(generator) if number not in lost]
    return rank(left) == len(left)


@wrong(erasure, feedback="one of three copies is enough")
def recoverable__knows_only_four_plus_two(generator, lost):
    if len(generator) < 5:
        k = len(generator[0])
        return len(lost) < 2 if k == 1 else set(lost) != {0, 1}
    return rank([row for number, row in enumerate(generator) if number not in lost]) == 4


@wrong(erasure, feedback="a row of this code has two numbers, so k is 2")
def recoverable__takes_four_for_k(generator, lost):
    return rank([row for number, row in enumerate(generator) if number not in lost]) == 4


# --- decoding_matrix


def _rows(generator, numbers):
    return [list(generator[number]) for number in numbers]


@wrong(erasure, feedback="put the rows of `wanted` to the left of the inverse")
def decoding_matrix__stops_at_the_data(generator, have, wanted):
    decode = galois.invert(_rows(generator, have))
    return [decode[number] if number < len(have) else generator[number] for number in range(6)][
        wanted[0] : wanted[-1] + 1
    ]


@wrong(erasure, feedback="expected the matrix whose product with")
def decoding_matrix__multiplies_the_other_way_round(generator, have, wanted):
    k = len(have)
    square = (_rows(generator, wanted) + galois.identity(k))[:k]
    return galois.matrix_product(galois.invert(_rows(generator, have)), square)[: len(wanted)]


@wrong(erasure, feedback="invert the rows of `have`")
def decoding_matrix__does_not_invert(generator, have, wanted):
    return _rows(generator, wanted)


@wrong(erasure, feedback="take the rows in the order of the numbers that were given")
def decoding_matrix__sorts_what_it_has(generator, have, wanted):
    decode = galois.invert(_rows(generator, sorted(have)))
    return galois.matrix_product(_rows(generator, wanted), decode)


@wrong(erasure, feedback="take the rows in the order of the numbers that were given")
def decoding_matrix__sorts_what_is_wanted(generator, have, wanted):
    decode = galois.invert(_rows(generator, have))
    return galois.matrix_product(_rows(generator, sorted(set(wanted))), decode)


@wrong(erasure, feedback="sums and products are the field's")
def decoding_matrix__multiplies_as_usual(generator, have, wanted):
    columns = list(zip(*galois.invert(_rows(generator, have)), strict=True))
    return [
        [sum(x * y for x, y in zip(row, column, strict=True)) % 256 for column in columns]
        for row in _rows(generator, wanted)
    ]


# --- planes_to_xor


def _lists(matrix, transposed=False, number=lambda column, b: 8 * column + b, bits=range(8)):
    def part(factor, b, t):
        into, out = (t, b) if transposed else (b, t)
        return galois.product(factor, 1 << into) >> out & 1

    return [
        [number(column, b) for column, factor in enumerate(row) for b in bits if part(factor, b, t)]
        for row in matrix
        for t in range(8)
    ]


@wrong(erasure, feedback="asked is for each that comes out what goes in")
def planes_to_xor__lists_where_planes_go(matrix):
    return _lists(matrix, transposed=True)


@wrong(erasure, feedback="plane 7 goes into the planes 0, 2, 3 and 4")
def planes_to_xor__shifts_without_reducing(matrix):
    return [
        [
            8 * column + t - shift
            for column, factor in enumerate(row)
            for shift in range(t, -1, -1)
            if factor >> shift & 1
        ]
        for row in matrix
        for t in range(8)
    ]


@wrong(erasure, feedback="plane b of fragment j is 8 × j + b")
def planes_to_xor__numbers_planes_within_a_fragment(matrix):
    return _lists(matrix, number=lambda column, b: b)


@wrong(erasure, feedback="plane b of fragment j is 8 × j + b")
def planes_to_xor__numbers_all_planes_of_bit_0_first(matrix):
    return _lists(matrix, number=lambda column, b: b * len(matrix[0]) + column)


@wrong(erasure, feedback="plane 0 the lowest")
def planes_to_xor__has_the_highest_bit_in_plane_0(matrix):
    lists = _lists(matrix, number=lambda column, b: 8 * column + 7 - b, bits=range(7, -1, -1))
    return [lists[8 * row + 7 - t] for row in range(len(matrix)) for t in range(8)]


@wrong(erasure, feedback="for each a list")
def planes_to_xor__returns_sets(matrix):
    return [set(planes) for planes in _lists(matrix)]


@wrong(erasure, feedback="the same planes, but not in ascending order")
def planes_to_xor__goes_down_from_bit_7(matrix):
    return _lists(matrix, bits=range(7, -1, -1))


@wrong(erasure, feedback="eight planes come out for each row of the matrix")
def planes_to_xor__leaves_out_empty_sums(matrix):
    return [planes for planes in _lists(matrix) if planes]


@wrong(erasure, feedback="eight planes come out for each row of the matrix")
def planes_to_xor__makes_a_list_for_each_fragment(matrix):
    lists = _lists(matrix)
    return [lists[8 * row : 8 * row + 8] for row in range(len(matrix))]


EQUIVALENT = {
    "planes_to_xor: galois.product with its first two arguments swapped "
    "[if galois.product(factor, 1 << b) >> t & 1]": (
        "the field's product does not depend on the order of its factors"
    ),
}
