"""Thinned curves keep what an operator looks for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faultsight.app.thinning import kept_rows

CURVES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=0, max_size=300)


@given(CURVES, st.integers(2, 50))
def test_extremes_and_order_are_kept(curve: list[float], points: int) -> None:
    values = np.array(curve)
    rows = kept_rows(values, points)
    assert len(rows) <= max(points, 2)
    assert (np.diff(rows) > 0).all()
    assert len(rows) == len(values) or len(values) > points
    known = values[~np.isnan(values)]
    if len(known):
        shown = values[rows]
        assert np.nanmin(shown) == known.min()
        assert np.nanmax(shown) == known.max()


@given(st.integers(10, 200), st.integers(2, 9))
def test_a_gap_stays_a_gap(n: int, points: int) -> None:
    values = np.full(n, np.nan)
    rows = kept_rows(values, points)
    assert len(rows) > 0
    assert np.isnan(values[rows]).all()
