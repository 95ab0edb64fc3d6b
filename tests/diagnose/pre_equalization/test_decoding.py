"""DocsEqualizerData: what it says, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.diagnose.pre_equalization import decode, decode_all


def equalizer(numbers: Sequence[int], *, main_tap: int = 8, per_symbol: int = 1) -> bytes:
    """Pack pairs of 16-bit numbers, big-endian, behind a header."""
    header = bytes([main_tap, per_symbol, len(numbers) // 2, 0])
    return header + struct.pack(f">{len(numbers)}H", *(n % 65536 for n in numbers))


def flat(amplitude: int = 2047, *, main_tap: int = 8) -> bytes:
    numbers = [0] * 48
    numbers[2 * (main_tap - 1)] = amplitude
    return equalizer(numbers, main_tap=main_tap)


def test_the_vector_holds_these_taps(vector: bytes) -> None:
    told = decode(vector)
    assert (told.main_tap, told.taps_per_symbol, len(told.taps), len(told.reverse_taps)) == (
        7, 1, 24, 0,
    )  # fmt: skip
    assert told.taps[:3].tolist() == [4 - 3j, -5 - 6j, -3 - 3j]
    assert told.taps[7:10].tolist() == [2039 - 7j, -118 - 108j, -9 + 40j]
    assert told.taps[23] == 8


def test_many_at_once_say_the_same_as_one(vector: bytes) -> None:
    data = [vector, flat(main_tap=3), flat(32_767), vector]
    decoded = decode_all(data)
    assert decoded.row.tolist() == [0, 1, 2, 3]
    assert decoded.main_tap.tolist() == [7, 2, 7, 7]
    for taps, one in zip(decoded.taps, data, strict=True):
        np.testing.assert_array_equal(taps, decode(one).taps)
    assert not decoded.refused


def test_numbers_of_twelve_bits_keep_their_sign() -> None:
    numbers = [0] * 48
    numbers[14], numbers[16], numbers[17] = 0x7FF, 0xFFF, 0xC00
    narrow = equalizer(numbers)
    assert decode(narrow).taps[8] == -1 - 1024j
    assert decode_all([narrow, flat()]).taps[0, 8] == -1 - 1024j
    # One number that needs all sixteen bits, and the same pattern is a large positive number.
    numbers[20] = 0xFFFE
    assert decode(equalizer(numbers)).taps[8] == 4095 + 3072j


def test_reverse_and_fractionally_spaced_taps_are_told_apart() -> None:
    data = bytes([1, 4, 2, 1]) + struct.pack(">6h", 500, 0, 1, 2, 3, 4)
    told = decode(data)
    assert (told.taps.tolist(), told.reverse_taps.tolist()) == ([500, 1 + 2j], [3 + 4j])
    assert decode_all([data + bytes(100 - len(data))]).refused == {"another layout": 1}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"\x08\x01", "4 bytes at least"),
        (flat()[:99], "take 100 bytes, not 99"),
        (flat() + b"\x00", "take 100 bytes, not 101"),
        (bytes([8, 1, 24, 1]) + bytes(96), "24 forward and 1 reverse taps take 104"),
        (bytes([0]) + flat()[1:], "number 0 of 24"),
        (bytes([25]) + flat()[1:], "number 25 of 24"),
        (bytes([8, 3]) + flat()[2:], "not 3"),
        (b"\x01\x01\x00\x00", "number 1 of 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_is_refused_in_words(data: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        decode(data)


def test_what_cannot_be_used_is_counted(vector: bytes) -> None:
    silent = bytes([8, 1, 24, 0]) + bytes(96)
    weak = bytes([9]) + flat()[1:]
    data = [b"", vector, flat()[:50], bytes([0]) + flat()[1:], silent, weak, b"", flat()]
    decoded = decode_all(data)
    assert decoded.row.tolist() == [1, 7]
    assert decoded.refused == {
        "empty": 2,
        "not 100 bytes": 1,
        "another layout": 1,
        "main tap not the strongest": 2,
    }
    assert decode_all([]).taps.shape == (0, 24)


@given(st.lists(st.binary(max_size=120) | st.binary(min_size=96, max_size=96), max_size=20))
def test_hostile_bytes_never_crash(data: list[bytes]) -> None:
    data += [bytes([8, 1, 24, 0]) + one for one in data if len(one) == 96]
    decoded = decode_all(data)
    assert len(decoded.row) + sum(decoded.refused.values()) == len(data)
    usable = set(decoded.row.tolist())
    for row, one in enumerate(data):
        try:
            told = decode(one)
        except InputError:
            assert row not in usable
        else:
            assert np.isfinite(told.taps).all()
