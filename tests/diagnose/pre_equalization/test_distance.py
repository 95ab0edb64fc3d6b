"""How far reflection points lie apart."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.diagnose.pre_equalization import (
    decode,
    metres_per_tap,
    parabola_offset,
    reflection_distance_m,
)

MAIN = 7


def echo(delay: float, level: float = 0.1) -> NDArray[np.complex128]:
    """Taps of an equalizer that makes up for an echo between two taps (band-limited)."""
    tap = np.arange(24) - MAIN
    taps: NDArray[np.complex128] = -level * np.sinc(tap - delay) * np.exp(0.7j)
    taps[MAIN] = 1.0
    return 2000 * taps


def test_a_tap_is_half_the_way_of_a_symbol() -> None:
    assert round(metres_per_tap(), 2) == 25.47
    assert round(metres_per_tap(2_560_000.0), 2) == 50.94
    assert metres_per_tap(velocity_of_propagation=0.435) == pytest.approx(metres_per_tap() / 2)


def test_published_vector_and_where_its_21_96_metres_come_from(vector: bytes) -> None:
    """The published distance is no distance.

    21.96 m is what the parabola gives when it is laid through the imaginary parts of taps 7, 9 and
    10 as if they were neighbours (the published code takes ``getImag`` of the coefficient, where
    its comment means the energy ratio). The strongest tap after the main one is the first: one tap.
    """
    told = decode(vector)
    imaginary = told.taps.imag[[6, 8, 9]]
    published_m = (1 + parabola_offset(*imaginary)) * metres_per_tap()
    assert round(float(published_m), 2) == 21.96
    distance_m = reflection_distance_m(told.taps, told.main_tap)
    assert distance_m == pytest.approx(metres_per_tap())


@pytest.mark.parametrize("delay", [2, 3, 9, 15])
def test_whole_delays_are_exact(delay: int) -> None:
    assert reflection_distance_m(echo(delay), MAIN) == pytest.approx(delay * metres_per_tap())


def test_delays_between_taps_are_refined() -> None:
    delays = np.arange(2.0, 15.0, 0.05)
    found = reflection_distance_m(np.stack([echo(d) for d in delays]), MAIN) / metres_per_tap()
    error = np.abs(found - delays)
    rounding = np.abs(np.rint(delays) - delays)
    assert error.max() < 0.3
    assert error.mean() < 0.6 * rounding.mean()
    assert (np.diff(found) > -1e-9).all()


def test_the_first_tap_cannot_be_refined() -> None:
    found = reflection_distance_m(np.stack([echo(1.3), echo(0.8)]), MAIN)
    assert found == pytest.approx(metres_per_tap())


def test_the_last_tap_cannot_be_refined() -> None:
    assert reflection_distance_m([1000, 0, 5, 50], 0) == pytest.approx(3 * metres_per_tap())


def test_the_strongest_counts_and_what_comes_before_does_not() -> None:
    taps = np.zeros(24)
    taps[MAIN], taps[MAIN - 2], taps[MAIN + 3], taps[MAIN + 6] = 2000, 400, 100, 200
    assert reflection_distance_m(taps, MAIN) == pytest.approx(6 * metres_per_tap())
    taps[MAIN + 3] = 300
    assert reflection_distance_m(taps, MAIN) == pytest.approx(3 * metres_per_tap())


def test_without_energy_behind_there_is_no_distance() -> None:
    taps = np.zeros((2, 24))
    taps[:, MAIN] = 2000
    taps[1, MAIN + 1] = 5
    told = reflection_distance_m(taps, [MAIN, MAIN])
    assert np.isnan(told).tolist() == [True, False]


def test_a_parabola_is_found_exactly() -> None:
    peak = 0.3
    left, middle, right = (4.0 - (x - peak) ** 2 for x in (-1, 0, 1))
    assert parabola_offset(left, middle, right) == pytest.approx(peak)
    assert parabola_offset(1.0, 2.0, 3.0) == 0.0
