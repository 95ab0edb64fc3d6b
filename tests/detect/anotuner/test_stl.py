"""STL as a condition: the last row of a trailing decomposition, the profile where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.tsa import seasonal as peers

from faultsight.core.errors import SettingError
from faultsight.detect import KpiFrame
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.anotuner.conditions import CONDITIONS
from faultsight.detect.anotuner.conditions._loess_stl import last_row_weights
from faultsight.detect.anotuner.conditions.profile import Profile
from faultsight.detect.anotuner.conditions.stl import STL

HOUR_S = 3600
WEEK = 168


def daily(n_rows: int, *, interval_s: int = HOUR_S, seed: int = 0) -> KpiFrame:
    """Two KPIs with a daily shape, a drift and noise, scaled to about 0..1."""
    stream = np.random.default_rng(seed)
    row = np.arange(n_rows)
    shape = np.sin(row * interval_s / 86_400 * 2 * np.pi)
    values = 0.5 + np.outer(shape, [0.3, -0.2]) + np.outer(row / n_rows, [0.1, 0.0])
    return KpiFrame(
        "cell-1", ("load", "drops"), 0, interval_s, values + stream.normal(0, 0.05, (n_rows, 2))
    )


def with_values(frame: KpiFrame, values: NDArray[np.float32]) -> KpiFrame:
    return KpiFrame(frame.entity, frame.kpis, frame.start_s, frame.interval_s, values)


@pytest.mark.parametrize(
    ("period", "n_periods"), [(2, 3), (2, 7), (3, 7), (12, 7), (12, 3), (24, 7), (24, 10), (96, 7)]
)
def test_weights_give_the_last_row_of_statsmodels(period: int, n_periods: int) -> None:
    stream = np.random.default_rng(period)
    for history in (
        stream.normal(size=period * n_periods) + 5.0,
        np.cumsum(stream.normal(size=period * n_periods)),
    ):
        peer = peers.STL(history, period=period, robust=False).fit()
        trend, seasonal = last_row_weights(period, n_periods)
        assert trend @ history == pytest.approx(peer.trend[-1], abs=1e-8)
        assert seasonal @ history == pytest.approx(peer.seasonal[-1], abs=1e-8)


@pytest.mark.parametrize("period", [288, 1440])
def test_weights_of_long_periods_keep_what_every_stl_keeps(period: int) -> None:
    trend, seasonal = last_row_weights(period, 7)
    row = np.arange(7.0 * period)
    assert (trend.sum(), seasonal.sum()) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert (trend @ row, seasonal @ row) == pytest.approx((row[-1], 0.0), abs=1e-6)
    season = np.tile(np.random.default_rng(0).normal(size=period), 7)
    season -= season.mean()
    assert seasonal @ season == pytest.approx(season[-1], abs=0.02)


def test_weights_of_five_minute_rows_are_those_of_statsmodels() -> None:
    history = np.random.default_rng(0).normal(size=2016)
    peer = peers.STL(history, period=288, robust=False).fit()
    trend, seasonal = last_row_weights(288, 7)
    assert trend @ history == pytest.approx(peer.trend[-1], abs=1e-8)
    assert seasonal @ history == pytest.approx(peer.seasonal[-1], abs=1e-8)


@pytest.mark.parametrize(("period", "n_periods"), [(1, 7), (24, 2)])
def test_too_short_a_period_or_history_is_an_error(period: int, n_periods: int) -> None:
    with pytest.raises(SettingError, match="3 periods"):
        last_row_weights(period, n_periods)


@pytest.mark.parametrize("interval_s", [HOUR_S, 2 * HOUR_S])
def test_each_row_is_told_the_decomposition_that_ends_with_it(interval_s: int) -> None:
    period = 86_400 // interval_s
    history = 7 * period
    frame = daily(history + 40, interval_s=interval_s)
    told = STL().fit([frame]).compute(frame)
    for row in (history - 1, history, history + 39):
        for kpi in range(2):
            series = frame.values[row - history + 1 : row + 1, kpi].astype(np.float64)
            peer = peers.STL(series, period=period, robust=False).fit()
            expected = peer.trend[-1], peer.seasonal[-1]
            assert told[row, kpi, :2] == pytest.approx(expected, abs=1e-6)


def test_it_is_a_member_of_the_family() -> None:
    assert CONDITIONS.load("stl") is STL


def test_its_baseline_is_what_is_usual_at_the_time_of_day() -> None:
    days = np.tile([0.0, 1.0, 0.0, -1.0], 10)[:, None] + 5.0
    days[36:] += 3.0  # a state that lasts is no part of it
    frame = KpiFrame("cell-1", ("load",), 0, 21_600, days)
    for condition in (STL(), Profile()):
        baseline = condition.fit([frame]).baseline(frame)
        assert baseline[:, 0].tolist() == [5.0, 6.0, 5.0, 4.0] * 10


def test_later_rows_change_nothing() -> None:
    frame = daily(300)
    condition = STL().fit([frame[:200]])
    values = frame.values.copy()
    values[250:] = 1e20
    values[270:, 1] = np.nan
    whole = condition.compute(frame)[:250]
    assert condition.compute(frame[:250]).tobytes() == whole.tobytes()
    assert condition.compute(with_values(frame, values))[:250].tobytes() == whole.tobytes()


def test_the_last_channel_does_not_know_the_row_and_the_others_do() -> None:
    frame = daily(300)
    condition = STL().fit([frame])
    values = frame.values.copy()
    values[200, 0] += 1.0
    before, after = condition.compute(frame), condition.compute(with_values(frame, values))
    assert before[200, 0, 2] == after[200, 0, 2]
    assert (np.abs(after - before)[200, 0, :2] > 0.05).all()
    assert after[:, 1].tobytes() == before[:, 1].tobytes()


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_trend_and_seasonal_part_are_linear(a: float, b: float) -> None:
    one, other = daily(200, seed=1), daily(200, seed=2)
    condition = STL().fit([one])
    mixed = with_values(one, np.float32(a) * one.values + np.float32(b) * other.values)
    parts = [condition.compute(frame)[WEEK - 1 :, :, :2] for frame in (one, other, mixed)]
    np.testing.assert_allclose(parts[2], a * parts[0] + b * parts[1], atol=1e-5)


def test_before_a_week_of_rows_the_profile_stands_in() -> None:
    frame = daily(200)
    condition = STL().fit([frame])
    usual, forecast = np.moveaxis(Profile().fit([frame]).compute(frame), 2, 0)
    told = condition.compute(frame)
    assert told[:, :, 2].tobytes() == forecast.tobytes()
    early = told[: WEEK - 1]
    np.testing.assert_allclose(early[:, :, :2].sum(axis=2), forecast[: WEEK - 1], atol=1e-6)
    np.testing.assert_allclose(early[:24, :, 1].mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(early[:, :, 1], (usual - usual[:24].mean(axis=0))[: WEEK - 1],
                               atol=1e-6)  # fmt: skip
    assert np.abs(told[WEEK - 1 :, :, :2].sum(axis=2) - forecast[WEEK - 1 :]).max() > 0.01
    short = frame[: WEEK - 1]
    assert condition.compute(short).tobytes() == early.tobytes()
    assert condition.compute(frame[:0]).shape == (0, 2, 3)


@pytest.mark.parametrize("interval_s", [86_400, 7 * HOUR_S, 30])
def test_where_days_have_no_usable_number_of_rows_the_profile_speaks(interval_s: int) -> None:
    frame = daily(100, interval_s=interval_s)
    told = STL().fit([frame]).compute(frame)
    np.testing.assert_allclose(told[:, :, :2].sum(axis=2), told[:, :, 2], atol=1e-6)


def test_missing_values_are_decomposed_as_forecast() -> None:
    frame = daily(300)
    values = frame.values.copy()
    values[180:220, 0] = np.nan
    values[:, 1] = np.nan
    condition = STL().fit([frame])
    told = condition.compute(with_values(frame, values))
    filled = np.where(np.isnan(values), told[:, :, 2], values)
    assert np.isfinite(told).all()
    again = condition.compute(with_values(frame, filled))
    np.testing.assert_allclose(told, again, atol=1e-6)
    assert np.abs(told[200:, 0] - condition.compute(frame)[200:, 0]).max() > 0.01
    nothing = STL().fit([with_values(frame, np.full_like(values, np.nan))])
    assert np.isfinite(nothing.compute(frame)).all()


def test_an_entity_never_seen_is_told_of_with_the_fleets_profile() -> None:
    frame = daily(200)
    other = KpiFrame("cell-2", frame.kpis, 0, HOUR_S, frame.values + 1.0)
    stranger = KpiFrame("cell-9", frame.kpis, 0, HOUR_S, frame.values)
    condition = STL().fit([frame, other])
    own, foreign = condition.compute(frame), condition.compute(stranger)
    np.testing.assert_allclose(foreign[0, :, 0] - own[0, :, 0], 0.5, atol=1e-5)
    assert own[WEEK - 1 :, :, :2].tobytes() == foreign[WEEK - 1 :, :, :2].tobytes()


def test_state_brings_the_condition_back() -> None:
    frame = daily(200)
    condition = STL().fit([frame])
    again = STL.from_state(condition.state())
    assert again.compute(frame).tobytes() == condition.compute(frame).tobytes()


def test_the_papers_model_scores_with_it() -> None:
    frame = daily(240)
    values = frame.values.copy()
    values[230, 1] += 3.0
    config = AnoTunerConfig(
        form="sliding", condition="stl", epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4
    )
    detector = AnoTuner(config).fit([frame[:220]])
    (score,) = detector.score([with_values(frame, values)])
    assert int(np.argmax(score.total)) == 230
