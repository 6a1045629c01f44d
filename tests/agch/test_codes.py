"""Packed codes, and what tells a collapsed set of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.codes import (
    bit_balance,
    bit_correlation,
    bit_shares,
    describe_codes,
    pack,
    unique_codes,
    unpack,
)


def signs(rows, bits, seed=0):
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (rows, bits))


def columns(*bits):
    """Packed codes whose bits, 0 or 1 for each row, are given one after the other."""
    return pack(np.array(bits).T)


def test_first_bit_of_a_code_is_the_highest_bit_of_its_first_byte():
    codes = np.array([[1, -1, -1, -1, -1, -1, -1, -1, 1, 1, -1, -1, -1, -1, -1, 1]])
    assert pack(codes).tolist() == [[0b10000000, 0b11000001]]


def test_zero_counts_as_minus_one():
    codes = np.array([[0.0, -0.0, 1e-9, -1e-9, 3.0, -3.0, 0.0, 1.0]])
    assert pack(codes).tolist() == [[0b00101001]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float32, np.float64])
def test_a_bit_is_what_is_positive_in_any_type(dtype):
    assert pack(np.array([[1, 0, 0, 1, 1, 0, 0, 0]], dtype)).tolist() == [[0b10011000]]


@pytest.mark.parametrize("bits", [8, 16, 24, 64, 72, 128])
def test_unpack_inverts_pack(bits):
    codes = signs(5, bits)
    packed = pack(codes)
    assert (packed.dtype, packed.shape) == (np.uint8, (5, bits // 8))
    assert unpack(packed).dtype == np.int8
    np.testing.assert_array_equal(unpack(packed), codes)


@pytest.mark.parametrize("shape", [(3, 12), (3, 0), (16,), (2, 2, 8)])
def test_pack_refuses_what_fills_no_bytes_and_names_the_shape(shape):
    with pytest.raises(ValueError, match=r"multiple of 8, got shape \("):
        pack(np.ones(shape))


def test_unique_codes_counts_distinct_rows():
    assert unique_codes(np.array([[1, 2], [2, 1], [1, 2], [1, 1]], np.uint8)) == 3


def test_bit_shares_are_the_shares_of_plus_one_in_the_order_of_the_bits():
    # the first bit is set in three rows of four, the last in one
    codes = np.array([[0b10000000], [0b10000001], [0b10000000], [0]], np.uint8)
    assert bit_shares(codes).tolist() == [0.75, 0, 0, 0, 0, 0, 0, 0.25]


def test_bit_balance_is_0_for_halves_and_1_for_constant_bits():
    halves = [1, 1, 0, 0]
    assert bit_balance(columns(*[halves] * 8)) == 0
    assert bit_balance(columns(*[[1] * 4] * 5, *[[0] * 4] * 3)) == 1
    # seven bits in halves, one at 3 of 4: 2 |0.75 - 0.5| / 8; and the same for 1 of 4
    assert bit_balance(columns([1, 1, 1, 0], *[halves] * 7)) == pytest.approx(0.5 / 8)
    assert bit_balance(columns([1, 0, 0, 0], *[halves] * 7)) == pytest.approx(0.5 / 8)


@given(st.integers(2, 200), st.sampled_from([8, 16, 40]), st.integers(0, 99))
def test_bit_correlation_is_the_mean_of_numpys_off_the_diagonal(rows, width, seed):
    # every bit has a share of its own; the first two rows make none constant
    rng = np.random.default_rng(seed)
    bits = rng.random((rows, width)) < rng.random(width)
    bits[0], bits[1] = True, False
    correlation = np.abs(np.corrcoef(bits.T))
    mean = correlation[~np.eye(width, dtype=bool)].mean()
    assert bit_correlation(pack(bits)) == pytest.approx(mean, abs=1e-12)


def test_bits_that_say_the_same_or_the_opposite_correlate_fully():
    bit = np.array([1, 0, 0, 1, 0])
    assert bit_correlation(columns(bit, 1 - bit, *[bit] * 6)) == pytest.approx(1)


def test_bits_that_are_independent_do_not_correlate():
    # all 256 codes of eight bits
    assert bit_correlation(np.arange(256, dtype=np.uint8)[:, None]) == 0


def test_a_constant_bit_correlates_with_nothing_and_counts_among_the_pairs():
    bit, ones, zeros = [1, 0, 0], [1, 1, 1], [0, 0, 0]
    # two equal bits: 2 of the 8 * 7 ordered pairs
    codes = columns(bit, ones, zeros, ones, bit, zeros, ones, ones)
    assert bit_correlation(codes) == pytest.approx(2 / 56)


def test_the_bits_of_one_code_alone_are_constant():
    one = pack(signs(1, 16))
    assert (unique_codes(one), bit_balance(one), bit_correlation(one)) == (1, 1, 0)


def test_bit_correlation_stays_whole_for_many_rows():
    # n^2 is over 2^32: the sums of products overflow no integer and lose no unit
    bit = np.arange(100_000) % 2
    assert bit_correlation(columns(*[bit] * 8)) == pytest.approx(1, abs=1e-12)


def test_codes_are_described_for_each_modality():
    codes = {"image": pack(signs(6, 16)), "text": pack(signs(9, 16, seed=1))}
    described = describe_codes(codes)
    assert list(described) == ["image", "text"]
    for modality, packed in codes.items():
        assert described[modality] == {
            "unique_codes": unique_codes(packed),
            "bit_balance": bit_balance(packed),
            "bit_correlation": bit_correlation(packed),
            "collapsed": 0,
        }


@pytest.mark.parametrize(
    ("rows", "unique", "collapsed"),
    [(1, 1, 1), (9, 1, 1), (9, 2, 0), (100, 2, 0), (200, 3, 1), (200, 4, 0)],
)
def test_codes_have_collapsed_when_one_is_left_or_under_two_in_a_hundred(rows, unique, collapsed):
    codes = (np.arange(rows, dtype=np.uint8) % unique)[:, None]
    assert describe_codes({"image": codes})["image"]["collapsed"] == collapsed
