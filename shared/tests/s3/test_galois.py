"""The field GF(2^8): its laws, its tables, and matrices over it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazonian.s3 import galois

# A machine may be busy with other tests: no time limit for an example, nor for making it.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

bytes_ = st.integers(0, 255)
matrices = st.integers(1, 6).flatmap(
    lambda size: st.lists(
        st.lists(bytes_, min_size=size, max_size=size), min_size=size, max_size=size
    )
)


def test_the_tables_and_the_product_bit_by_bit_agree_on_all_pairs() -> None:
    for a in range(256):
        assert [galois.product(a, b) for b in range(256)] == [
            galois.multiply(a, b) for b in range(256)
        ]


@pytest.mark.parametrize(
    ("a", "b", "product"),
    # 2^8 is the polynomial without its highest bit; the rest by hand, as lab 4.3 does it.
    [(2, 128, 0x1D), (3, 3, 5), (0x0B, 0x07, 0x31), (0x80, 0x80, 0x13), (255, 255, 226)],
)
def test_products_worked_out_by_hand(a: int, b: int, product: int) -> None:
    assert galois.multiply(a, b) == product == galois.product(a, b)


@given(bytes_, bytes_, bytes_)
@unhurried
def test_it_is_a_field(a: int, b: int, c: int) -> None:
    multiply = galois.multiply
    assert multiply(a, b) == multiply(b, a)
    assert multiply(a, multiply(b, c)) == multiply(multiply(a, b), c)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)
    assert multiply(a, 1) == a
    if a:
        assert multiply(a, galois.inverse(a)) == 1


def test_the_powers_of_two_are_all_bytes_but_zero() -> None:
    power, logarithm = galois.tables()
    assert sorted(power[:255]) == list(range(1, 256))
    assert power[255:] == power[:255]
    assert all(power[logarithm[a]] == a for a in range(1, 256))


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        galois.inverse(0)


@given(matrices)
@unhurried
def test_a_matrix_times_its_inverse_is_the_identity(matrix: list[list[int]]) -> None:
    before = [list(row) for row in matrix]
    try:
        inverse = galois.invert(matrix)
    except galois.SingularMatrixError:
        return
    one = galois.identity(len(matrix))
    assert galois.matrix_product(matrix, inverse) == one
    assert galois.matrix_product(inverse, matrix) == one
    assert matrix == before


@given(matrices, bytes_)
@unhurried
def test_a_matrix_with_a_row_that_is_a_multiple_of_another_has_no_inverse(
    matrix: list[list[int]], factor: int
) -> None:
    matrix = [*matrix[:-1], [galois.product(factor, value) for value in matrix[0]]]
    if len(matrix) > 1:
        with pytest.raises(galois.SingularMatrixError):
            galois.invert(matrix)


def test_zeros_on_the_diagonal_do_not_stop_it() -> None:
    assert galois.invert([[0, 1], [1, 0]]) == [[0, 1], [1, 0]]
