"""Codes: the toy one, the matrices, the XORs, and ReedSolomon as the data store uses it."""

import itertools
import random
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazonian.s3 import erasure, galois
from amazonian.s3.erasure import FragmentError, ReedSolomon, TooFewFragmentsError

# A machine may be busy with other tests: no time limit for an example, nor for making it.
unhurried = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# All small codes, some that are used (Backblaze's 17 + 3), and copies, which are codes with k = 1.
CODES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (4, 2), (4, 3), (5, 4), (6, 3), (10, 4), (17, 3)]


def random_rows(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, length), dtype=np.uint8)


def symbol_by_symbol(matrix: list[list[int]], rows: np.ndarray) -> np.ndarray:
    """The same product, one element of the field after the other: slow, and plain."""
    length = rows.shape[1]
    bits = np.unpackbits(rows, axis=1).reshape(len(rows), 8, length)
    out = np.zeros((len(matrix), 8, length), np.uint8)
    for place in range(length):
        symbols = [sum(int(bits[j, b, place]) << b for b in range(8)) for j in range(len(rows))]
        for i, row in enumerate(matrix):
            value = 0
            for factor, symbol in zip(row, symbols, strict=True):
                value ^= galois.multiply(factor, symbol)
            out[i, :, place] = [value >> b & 1 for b in range(8)]
    return np.packbits(out.reshape(len(matrix), -1), axis=1)


# --- the toy code


def test_of_fifteen_pairs_the_toy_code_cannot_recover_one() -> None:
    pairs = list(itertools.combinations(range(6), 2))
    lost = [pair for pair in pairs if not erasure.recoverable(erasure.TOY_CODE, pair)]
    assert len(pairs) == 15
    assert lost == [(0, 2)]


def test_rank_counts_independent_rows() -> None:
    assert erasure.rank([]) == 0
    assert erasure.rank([[0, 0], [0, 0]]) == 0
    assert erasure.rank([[0, 2], [0, 3], [1, 0]]) == 2
    assert erasure.rank([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) == 2
    assert erasure.rank([[3, 1], [6, 2], [9, 3]]) == 1


# --- matrices


@pytest.mark.parametrize(("k", "m"), [code for code in CODES if sum(code) <= 14])
def test_any_k_rows_of_the_generator_have_an_inverse(k: int, m: int) -> None:
    generator = erasure.generator_matrix(k, m)
    assert [list(row) for row in generator[:k]] == galois.identity(k)
    for rows in itertools.combinations(generator, k):
        galois.invert(rows)


@pytest.mark.parametrize(("k", "m"), [(200, 56), (128, 128), (254, 2), (256, 0), (1, 255)])
def test_the_largest_codes_there_are(k: int, m: int) -> None:
    generator = erasure.generator_matrix(k, m)
    assert len(generator) == 256
    size = min(k, m)
    galois.invert([row[k - size :] for row in generator[k : k + size]])


@pytest.mark.parametrize(("k", "m"), [(0, 2), (4, -1), (200, 57), (257, 0)])
def test_a_code_that_does_not_exist_is_refused(k: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"k={k}, m={m}"):
        ReedSolomon(k, m)


def test_the_format_has_not_changed() -> None:
    assert erasure.generator_matrix(4, 2)[4:] == ((1, 1, 1, 1), (142, 2, 4, 71))
    data = np.arange(4 * 64, dtype=np.uint8).reshape(4, 64)
    parity = ReedSolomon(4, 2).encode(data)
    assert parity[0].tolist() == np.bitwise_xor.reduce(data).tolist()
    assert parity.tolist() == symbol_by_symbol([[1, 1, 1, 1], [142, 2, 4, 71]], data).tolist()


def test_the_first_parity_is_the_plain_xor_of_the_data() -> None:
    for k, m in CODES:
        assert set(erasure.generator_matrix(k, m)[k]) == {1}


# --- XORs of planes


@given(st.integers(1, 5), st.integers(1, 4), st.randoms(use_true_random=False))
@unhurried
def test_a_plan_gives_what_the_field_gives(outs: int, ins: int, rng: random.Random) -> None:
    matrix = [[rng.randrange(256) for _ in range(ins)] for _ in range(outs)]
    rows = random_rows(ins, 64, rng.randrange(1000))
    plan = erasure.share_pairs(8 * ins, erasure.planes_to_xor(matrix))
    assert (erasure.apply(plan, list(rows)) == symbol_by_symbol(matrix, rows)).all()


def test_sharing_pairs_saves_xors() -> None:
    sums = erasure.planes_to_xor(erasure.generator_matrix(10, 4)[10:])
    plan = erasure.share_pairs(80, sums)
    assert plan.xors < 0.7 * sum(len(planes) - 1 for planes in sums)


# --- ReedSolomon


@pytest.mark.parametrize(("k", "m"), CODES)
def test_everything_comes_back_after_any_m_erasures(k: int, m: int) -> None:
    code, data = ReedSolomon(k, m), random_rows(k, 128)
    fragments = np.vstack([data, code.encode(data)])
    patterns = list(itertools.combinations(range(k + m), m))
    for lost in random.Random(4).sample(patterns, min(len(patterns), 40)):
        left = {i: fragments[i] for i in range(k + m) if i not in lost}
        assert (code.reconstruct(left, range(k + m)) == fragments).all()


@given(st.data())
@unhurried
def test_any_k_fragments_give_any_wanted_ones_in_any_order(data: st.DataObject) -> None:
    k, m = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 5))
    length = 64 * data.draw(st.integers(1, 5))
    code, payload = ReedSolomon(k, m), random_rows(k, length, k + m)
    fragments = np.vstack([payload, code.encode(payload)])
    order = data.draw(st.permutations(range(k + m)))
    have = order[: data.draw(st.integers(k, k + m))]
    wanted = data.draw(st.lists(st.integers(0, k + m - 1), max_size=6))
    made = code.reconstruct({i: fragments[i] for i in have}, wanted)
    assert made.shape == (len(wanted), length)
    assert made.dtype == np.uint8
    assert (made == fragments[wanted]).all()


def test_with_one_fragment_too_few_it_says_so() -> None:
    code, data = ReedSolomon(4, 2), random_rows(4, 64)
    parity = code.encode(data)
    left = {0: data[0], 3: data[3], 5: parity[1]}
    with pytest.raises(TooFewFragmentsError, match="3 fragments are left, 4 are needed"):
        code.reconstruct(left, [1])
    assert (code.reconstruct(left, [3, 0]) == data[[3, 0]]).all()


def test_lengths_around_the_block_that_is_worked_on_at_a_time() -> None:
    code, block = ReedSolomon(3, 2), 64 * erasure.BLOCK_WORDS
    for length in (64, block - 64, block, block + 64, 2 * block + 64):
        data = random_rows(3, length)
        parity = code.encode(data)
        left = {1: data[1], 3: parity[0], 4: parity[1]}
        assert (code.reconstruct(left, [2, 0]) == data[[2, 0]]).all()


def test_empty_fragments_are_fragments() -> None:
    assert ReedSolomon(4, 2).encode(np.empty((4, 0), np.uint8)).shape == (2, 0)


def test_without_parity_it_is_striping() -> None:
    code, data = ReedSolomon(4, 0), random_rows(4, 64)
    assert code.encode(data).shape == (0, 64)
    assert (code.reconstruct(dict(enumerate(data)), [2]) == data[[2]]).all()
    with pytest.raises(TooFewFragmentsError):
        code.reconstruct(dict(enumerate(data[:3])), [3])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (np.zeros((3, 64), np.uint8), "4 data fragments"),
        (np.zeros((4, 65), np.uint8), "65 bytes are no multiple of 64"),
        (np.zeros((4, 64), np.uint16), "uint8"),
        (np.zeros((4, 8, 8), np.uint8), "one-dimensional"),
        ([np.zeros(64, np.uint8), *[np.zeros(128, np.uint8)] * 3], "64 and 128 bytes"),
        ([b"\0" * 64] * 4, "numpy array of uint8"),
    ],
)
def test_data_that_does_not_fit_is_refused(data: object, says: str) -> None:
    with pytest.raises(FragmentError, match=says):
        ReedSolomon(4, 2).encode(data)


@pytest.mark.parametrize(("fragments", "wanted"), [([0, 1, 2, 6], [3]), ([0, 1, 2, 3], [-1])])
def test_a_number_that_no_fragment_has_is_refused(fragments: list, wanted: list) -> None:
    rows = random_rows(1, 64)[0]
    with pytest.raises(FragmentError, match="has fragments 0 to 5"):
        ReedSolomon(4, 2).reconstruct(dict.fromkeys(fragments, rows), wanted)


def test_it_reads_memory_that_is_read_only_unaligned_or_strided() -> None:
    code, data = ReedSolomon(2, 2), random_rows(2, 128)
    expected = code.encode(data)
    unaligned = [np.frombuffer(b"x" + row.tobytes(), np.uint8, offset=1) for row in data]
    strided = np.repeat(data, 2, axis=1)[:, ::2]
    assert (code.encode(unaligned) == expected).all()
    assert (code.encode(strided) == expected).all()


def test_what_goes_in_is_not_changed_and_what_comes_out_is_a_copy() -> None:
    code, data = ReedSolomon(4, 2), random_rows(4, 64)
    before = data.copy()
    parity = code.encode(data)
    out = code.reconstruct({0: data[0], 1: data[1], 2: data[2], 4: parity[0]}, [0, 3])
    out[:] = 0
    assert (data == before).all()


def test_many_threads_share_one_code() -> None:
    code, data = ReedSolomon(5, 3), random_rows(5, 64 * 40)
    fragments = np.vstack([data, code.encode(data)])
    wrong: list[tuple] = []

    def decode(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(20):
            have = rng.sample(range(8), 5)
            if (code.reconstruct({i: fragments[i] for i in have}, range(8)) != fragments).any():
                wrong.append(tuple(have))

    threads = [threading.Thread(target=decode, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
