"""Scaling: 0 to 1 over an entity's own history, whatever that history is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.scaling import Scaling


def frame(values: ArrayLike, entity: str = "a", *, start_s: int = 0) -> KpiFrame:
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    kpis = tuple(f"kpi-{k}" for k in range(table.shape[1]))
    return KpiFrame(entity, kpis, start_s, 60, table, labels=np.zeros(len(table)))


def scaled(scaling: Scaling, values: ArrayLike, entity: str = "a") -> list[list[float]]:
    return [[float(v) for v in row] for row in scaling.apply(frame(values, entity)).values]


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1),
    st.sampled_from([1e-3, 1.0, 1e6]),
)
def test_history_maps_onto_0_to_1_in_its_order(values: list[int], unit: float) -> None:
    history = frame(np.array(values) * unit)
    mapped = Scaling.fit([history], tail=0.0).apply(history).values[:, 0]
    assert mapped.min() == pytest.approx(0, abs=1e-6)
    assert mapped.max() == pytest.approx(1, abs=1e-6)
    expected = (np.array(values) - min(values)) / (max(values) - min(values))
    np.testing.assert_allclose(mapped, expected, atol=1e-5)


def test_the_tails_may_lie_outside() -> None:
    history = frame(np.arange(101.0))
    mapped = Scaling.fit([history], tail=0.1).apply(history).values[:, 0]
    assert mapped[[10, 90]].tolist() == [0.0, 1.0]
    assert mapped[0] == pytest.approx(-0.125)
    assert mapped[100] == pytest.approx(1.125)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.integers(0, 6))
def test_bounds_are_the_quantiles_of_what_is_known(values: list[float], n_missing: int) -> None:
    column = np.array(values + [np.nan] * n_missing, dtype=np.float32)
    scaling = Scaling.fit([frame(np.stack([column, np.arange(len(column))], axis=1))], tail=0.2)
    low, span = scaling.of("a")
    known = np.array(values, dtype=np.float32).astype(np.float64)
    expected = np.quantile(known, 0.2), np.quantile(known, 0.8)
    if expected[1] - expected[0] > 1e-3:
        assert low[0] == pytest.approx(expected[0], abs=1e-9)
        assert low[0] + span[0] == pytest.approx(expected[1], abs=1e-9)


@pytest.mark.parametrize("constant", [5.0, -5.0, 1e-12, 3e30])
def test_a_constant_is_in_the_middle_and_its_size_is_its_span(constant: float) -> None:
    scaling = Scaling.fit([frame(np.full(50, constant))])
    told = [row[0] for row in scaled(scaling, [constant, 2 * constant, 0.0])]
    assert told[0] == pytest.approx(0.5)
    assert sorted(told[1:]) == pytest.approx([-0.5, 1.5])


def test_a_kpi_that_was_always_zero_has_a_span_of_one() -> None:
    scaling = Scaling.fit([frame(np.zeros(50))])
    assert scaled(scaling, [0.0, 1.0, -1.0, 9.0]) == [[0.5], [1.5], [-0.5], [2.0]]


def test_rounding_does_not_move_a_constant() -> None:
    noisy = 1e6 + np.tile([0.0, 0.0625], 50)
    mapped = Scaling.fit([frame(noisy)]).apply(frame(noisy)).values
    np.testing.assert_allclose(mapped, 0.5, atol=1e-6)


def test_values_are_clipped_and_missing_ones_stay_missing() -> None:
    scaling = Scaling.fit([frame(np.arange(101.0))], tail=0.0)
    mapped = scaling.apply(frame([1e9, -1e9, np.nan, 150.0]))
    np.testing.assert_array_equal(mapped.values[:, 0], [2.0, -1.0, np.nan, 1.5])
    assert mapped.labels is not None
    assert mapped.labels.tolist() == [0, 0, 0, 0]


def test_each_entity_has_its_own_scale_and_an_unseen_one_the_medians_of_the_fleet() -> None:
    fleet = [frame(np.linspace(0, top, 101), f"e{top}") for top in (10, 20, 90)]
    scaling = Scaling.fit(fleet, tail=0.0)
    assert scaled(scaling, [10.0], "e10") == [[1.0]]
    assert scaled(scaling, [10.0], "e20") == [[0.5]]
    assert scaled(scaling, [10.0], "new") == [[0.5]]


def test_a_kpi_missing_in_an_entitys_history_has_the_scale_of_the_others() -> None:
    known = np.linspace(0, 20, 101)
    missing = np.full(101, np.nan)
    scaling = Scaling.fit(
        [
            frame(np.stack([known, known, missing], axis=1), "full"),
            frame(np.stack([2 * known, missing, missing], axis=1), "half"),
        ],
        tail=0.0,
    )
    # The second KPI is known of another entity, the third of none at all.
    assert scaled(scaling, [[10.0, 10.0, 0.25]], "half") == [[0.25, 0.5, 0.25]]


def test_an_empty_history_has_the_scale_of_the_others() -> None:
    scaling = Scaling.fit([frame(np.zeros((0, 1)), "none"), frame(np.arange(101.0), "b")], tail=0.0)
    assert scaled(scaling, [50.0], "none") == [[0.5]]
