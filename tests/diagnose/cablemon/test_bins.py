"""The bins of feature values: each value is in the bin whose lower edge it has reached."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faultsight.diagnose.cablemon.bins import N_BINS, lower_edges
from faultsight.diagnose.cablemon.kernels import bin_of

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("is_octaves", [False, True])
def test_edges_ascend(is_octaves: bool) -> None:
    edges = lower_edges(is_octaves)
    assert len(edges) == N_BINS
    assert np.all(np.diff(edges) > 0)


@pytest.mark.parametrize("is_octaves", [False, True])
@settings(deadline=None)  # the first call compiles
@given(value=floats)
@example(value=0.0)
@example(value=-0.0)
@example(value=2.0**-40)
@example(value=-(2.0**-40))
@example(value=64.0)
@example(value=-64.0)
@example(value=float(np.float32(3e38)))
def test_a_value_is_in_the_bin_whose_edge_it_has_reached(is_octaves: bool, value: float) -> None:
    told = bin_of(np.float32(value), is_octaves)
    edges = lower_edges(is_octaves)
    assert told == np.searchsorted(edges, np.float32(value), side="right") - 1


@pytest.mark.parametrize("is_octaves", [False, True])
def test_every_edge_is_in_its_bin_and_what_lies_just_below_is_not(is_octaves: bool) -> None:
    edges = lower_edges(is_octaves)[1:]
    below = np.nextafter(edges, np.float32(-np.inf))
    assert [bin_of(edge, is_octaves) for edge in edges] == list(range(1, N_BINS))
    assert [bin_of(value, is_octaves) for value in below] == list(range(N_BINS - 1))


def test_octaves_are_fine_everywhere_and_levels_a_sixteenth_of_a_db() -> None:
    sizes = lower_edges(True)[N_BINS // 2 + 1 :].astype(float)
    assert sizes[0] < 1e-12
    assert sizes[-1] > 1e24
    assert np.all(sizes[1:] / sizes[:-1] <= 1.1251)
    assert np.all(np.diff(lower_edges(False)[1:]) == 1 / 16)
