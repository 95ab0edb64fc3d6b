import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from faultsight.localize.peers._kneedle import cumulated_density, knee


def test_a_bend_is_the_knee() -> None:
    x = np.linspace(0.0, 10.0, 21)
    assert knee(x, np.minimum(4 * x, 10 + 0.1 * x)) == 2.5


def test_the_paper_s_curve() -> None:
    # Kneedle, figure 2: y = -1 / x + 5 at ten places has its knee at 0.22.
    x = np.linspace(0.0, 1.0, 10)
    with np.errstate(divide="ignore"):
        y = np.true_divide(-1, x + 0.1) + 5
    assert knee(x, y) == pytest.approx(0.222, abs=1e-3)


@pytest.mark.parametrize("y", [np.arange(9.0), np.ones(9)])
def test_straight_lines_have_none(y: np.ndarray) -> None:
    assert knee(np.arange(9.0), y) is None


def test_a_less_sensitive_knee_must_fall_further() -> None:
    x = np.arange(6.0)
    y = np.array([0.0, 3.0, 3.6, 4.0, 4.6, 5.0])
    assert knee(x, y) == 1.0
    assert knee(x, y, sensitivity=3.0) is None


@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=40), st.floats(0.1, 10))
def test_a_knee_is_a_point_of_the_curve_in_any_unit(steps: list[float], unit: float) -> None:
    x = np.arange(float(len(steps)))
    y = np.cumsum(np.round(steps))
    found = knee(x, y)
    assert found is None or found in x
    assert knee(x * 2, y) == (None if found is None else found * 2)


def test_density_is_the_gaussian_estimate_of_scipy() -> None:
    values = np.random.default_rng(3).gamma(0.5, 10.0, 400)
    grid, total = cumulated_density(values, 50)
    assert grid[0] == values.min()
    assert grid[-1] == values.max()
    np.testing.assert_allclose(total, np.cumsum(gaussian_kde(values)(grid)), rtol=1e-10)
