"""The in-channel frequency response and its ripple."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.diagnose.pre_equalization import (
    decode,
    in_channel_response_db,
    micro_reflection_level_db,
    ripple_db,
)

RESPONSE_DB = [
    0.5492, 0.9645, 1.1571, 1.0260, 0.8909, 0.5997, 0.5409, 0.4252,
    0.2880, -0.0535, -0.1058, -0.2230, -0.3263, -0.5362, -0.5669, -0.6914,
    -0.5617, -0.5845, -0.7247, -0.7140, -0.6001, -0.6557, -0.6870, -0.6488,
    -0.2410, -0.2443, -0.1699, -0.0415, 0.0545, -0.0124, 0.4373, 0.2381,
]  # fmt: skip


def test_published_vector(vector: bytes) -> None:
    response = in_channel_response_db(decode(vector).taps)
    assert response.round(4).tolist() == RESPONSE_DB
    assert round(float(ripple_db(response)), 2) == 1.88
    assert round(float(micro_reflection_level_db(ripple_db(response))), 3) == -19.339


@pytest.mark.parametrize("level_db", [-30.0, -20.0, -12.0])
@pytest.mark.parametrize("delay", [1, 4, 8])
def test_the_ripple_of_one_echo_gives_its_level_back(level_db: float, delay: int) -> None:
    taps = np.zeros(24, np.complex128)
    taps[7], taps[7 + delay] = 2000, 2000 * 10 ** (level_db / 20)
    found = micro_reflection_level_db(ripple_db(in_channel_response_db(taps)))
    assert found == pytest.approx(level_db, abs=0.01)


def test_the_lower_end_comes_first() -> None:
    # A phase that turns from tap to tap peaks at one frequency: here at a quarter of the rate.
    taps = 100 * np.exp(2j * np.pi * 0.25 * np.arange(24))
    assert in_channel_response_db(taps).argmax() == 16 + 8
    assert in_channel_response_db(taps.conj()).argmax() == 16 - 8


def test_more_bins_hold_the_fewer_and_fewer_are_refused() -> None:
    taps = np.random.default_rng(0).normal(size=(2, 3, 24)) * 100
    fine = in_channel_response_db(taps, n_bins=128)
    np.testing.assert_allclose(fine[..., ::4], in_channel_response_db(taps), atol=1e-9)
    with pytest.raises(SettingError, match="bins"):
        in_channel_response_db(taps, n_bins=16)


def test_a_notch_and_no_ripple_are_infinite() -> None:
    assert in_channel_response_db([1000, -1000], n_bins=2).tolist()[1] == -np.inf
    assert micro_reflection_level_db(0.0) == -np.inf
