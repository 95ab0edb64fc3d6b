"""Levels pooled over the fleet: the mixture's quantile, between an entity's own and the fleet's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.contract import Score
from faultsight.detect.thresholds import THRESHOLDS
from faultsight.detect.thresholds.pooled_quantile import PooledQuantile, PooledQuantileConfig


def score(total: list[float], entity: str) -> Score:
    return Score(entity, 0, 60, (), np.asarray(total, dtype=np.float64))


totals = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=30)


def test_it_is_found_by_its_name() -> None:
    assert THRESHOLDS.load("pooled_quantile") is PooledQuantile


@settings(max_examples=60, deadline=None)
@given(st.lists(totals, min_size=1, max_size=5), st.sampled_from([0.0, 1.0, 7.5, 2000.0]),
       st.sampled_from([0.5, 0.9, 0.995]), st.sampled_from([0.5, 0.9, 0.996]))  # fmt: skip
def test_the_level_is_the_smallest_score_that_holds_the_share_of_the_mixture(
    fleet: list[list[float]], fleet_rows: float, quantile: float, fleet_quantile: float
) -> None:
    scores = [score(values, str(i)) for i, values in enumerate(fleet)]
    config = PooledQuantileConfig(quantile, fleet_quantile, fleet_rows)
    found = PooledQuantile(config).levels(scores)
    everything = np.sort(np.concatenate([s.total for s in scores]))
    for s in scores:
        held = [
            len(s.total) * np.mean(s.total <= x) + fleet_rows * np.mean(everything <= x)
            for x in everything
        ]
        wanted = len(s.total) * quantile + fleet_rows * fleet_quantile
        expected = everything[np.flatnonzero(np.array(held) >= wanted - 1e-9)[0]]
        assert found[s.entity] == expected


def test_many_rows_of_its_own_decide_and_few_do_not() -> None:
    stream = np.random.default_rng(0)
    loud = score((10 * stream.exponential(size=200_000)).tolist(), "loud")
    new = score([0.1, 0.2], "new")
    fleet = [score(stream.exponential(size=20_000).tolist(), str(i)) for i in range(10)]
    levels = PooledQuantile().levels([loud, new, *fleet])
    assert levels["loud"] == pytest.approx(-10 * np.log(0.005), rel=0.05)
    everyone = np.concatenate([s.total for s in (loud, new, *fleet)])
    assert levels["new"] == pytest.approx(float(np.quantile(everyone, 0.996)), rel=0.01)


def test_unknown_scores_do_not_count_and_none_at_all_is_an_error() -> None:
    known = PooledQuantile().levels([score([1.0, 2.0, 3.0], "a"), score([5.0], "b")])
    nan, inf = float("nan"), float("inf")
    holed = [score([nan, 1.0, 2.0, inf, 3.0], "a"), score([5.0, nan], "b")]
    assert PooledQuantile().levels(holed) == known
    assert PooledQuantile().levels([*holed, score([nan], "c")])["c"] == 5.0
    for nothing in ([], [score([], "a")], [score([nan], "a")]):
        with pytest.raises(InputError, match="no score is known"):
            PooledQuantile().levels(nothing)


@pytest.mark.parametrize(
    "settings_", [{"quantile": 1.0}, {"fleet_quantile": 0.0}, {"fleet_rows": -1.0}]
)
def test_settings_that_cannot_be_are_refused(settings_: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        PooledQuantileConfig(**settings_)
