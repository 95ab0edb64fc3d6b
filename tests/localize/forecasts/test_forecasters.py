import builtins
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.tsa.holtwinters import ExponentialSmoothing

from faultsight.core.errors import InputError, MissingExtraError, SettingError
from faultsight.localize.forecasts import FORECASTERS, Forecaster
from faultsight.localize.forecasts.holt_winters import HoltWinters, HoltWintersConfig
from faultsight.localize.forecasts.moving_average import MovingAverage, MovingAverageConfig
from faultsight.localize.forecasts.seasonal_naive import SeasonalNaive, SeasonalNaiveConfig
from faultsight.localize.history import cube_from_history

HOUR = 3600


def hourly(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64) * HOUR


def a_forecaster(name: str) -> Forecaster:
    """Seasons of four hours, where there are seasons."""
    made: dict[str, Forecaster] = {
        "seasonal_naive": SeasonalNaive(config=SeasonalNaiveConfig(season_s=4 * HOUR)),
        "moving_average": MovingAverage(config=MovingAverageConfig(window=3)),
        "holt_winters": HoltWinters(config=HoltWintersConfig(season_s=4 * HOUR)),
    }
    return made[name]


def test_the_family_is_known() -> None:
    assert FORECASTERS.names() == ["holt_winters", "moving_average", "seasonal_naive"]


def test_moving_average_by_hand() -> None:
    history = np.array([[2.0, 4.0, 9.0], [0.0, np.nan, 6.0], [np.nan] * 3])
    assert MovingAverage().forecast(history, hourly(3), 3 * HOUR).tolist() == [5.0, 3.0, 0.0]
    last = MovingAverage(config=MovingAverageConfig(window=1))
    assert last.forecast(history, hourly(3), 5 * HOUR).tolist() == [9.0, 6.0, 0.0]


def test_seasonal_naive_by_hand() -> None:
    history = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]])
    one = SeasonalNaive(config=SeasonalNaiveConfig(season_s=4 * HOUR))
    assert one.forecast(history, hourly(8), 8 * HOUR).tolist() == [5.0]
    assert one.forecast(history, hourly(8), 10 * HOUR).tolist() == [7.0]
    two = SeasonalNaive(config=SeasonalNaiveConfig(season_s=4 * HOUR, seasons=2))
    assert two.forecast(history, hourly(8), 8 * HOUR).tolist() == [3.0]


def test_a_season_without_its_time_is_passed_over() -> None:
    times = np.delete(hourly(8), 4)
    history = np.delete(np.arange(1.0, 9.0)[None, :], 4, axis=1)
    one = SeasonalNaive(config=SeasonalNaiveConfig(season_s=4 * HOUR))
    assert one.forecast(history, times, 8 * HOUR).tolist() == [1.0]


def test_a_history_shorter_than_a_season_is_refused() -> None:
    with pytest.raises(InputError, match="no time a whole number of 86400 s seasons"):
        SeasonalNaive().forecast(np.ones((1, 5)), hourly(5), 5 * HOUR)


def test_holt_winters_repeats_a_pure_season() -> None:
    season = np.tile([0.0, 10.0, 40.0, 5.0], 5)
    history = np.stack([season + 100, 3 * season])
    ours = a_forecaster("holt_winters")
    assert ours.forecast(history, hourly(20), 21 * HOUR) == pytest.approx([110.0, 30.0], abs=1e-6)
    assert ours.forecast(history, hourly(20), 22 * HOUR) == pytest.approx([140.0, 120.0], abs=1e-6)


def test_holt_winters_is_that_of_statsmodels() -> None:
    stream = np.random.default_rng(3)
    period, n = 6, 48
    values = 50 + 10 * np.sin(2 * np.pi * np.arange(n) / period) + stream.normal(0, 2, n)
    first = values[:period].mean()
    trend = (values[period : 2 * period].mean() - first) / period
    oracle = ExponentialSmoothing(
        values, trend="add", seasonal="add", seasonal_periods=period,
        initialization_method="known", initial_level=first, initial_trend=trend,
        initial_seasonal=values[:period] - first,
    ).fit().forecast(4)  # fmt: skip
    ours = HoltWinters(config=HoltWintersConfig(season_s=period * HOUR))
    for step in range(4):
        told = ours.forecast(values[None, :], hourly(n), (n + step) * HOUR)
        assert told[0] == pytest.approx(oracle[step], rel=1e-9)


def test_holt_winters_leaves_add_up_to_the_whole() -> None:
    stream = np.random.default_rng(4)
    leaves = stream.uniform(50, 100, (5, 24)) + 20 * np.tile([0.0, 1.0, 2.0, 1.0], 6)
    ours = a_forecaster("holt_winters")
    parts = ours.forecast(leaves, hourly(24), 24 * HOUR)
    whole = ours.forecast(leaves.sum(axis=0, keepdims=True), hourly(24), 24 * HOUR)
    assert parts.sum() == pytest.approx(whole[0])


@pytest.mark.parametrize(
    ("times", "at", "problem"),
    [
        (np.array([0, 1, 2, 3, 4, 5, 6, 9]) * HOUR, 10 * HOUR, "evenly spaced"),
        (hourly(6), 6 * HOUR, "two seasons"),
        (np.arange(20) * 7 * HOUR, 140 * HOUR, "not made of several"),
    ],
)
def test_holt_winters_says_what_it_needs(times: Any, at: int, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        a_forecaster("holt_winters").forecast(np.ones((1, len(times))), times, at)


def test_holt_winters_without_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("statsmodels"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"faultsight\[forecast\]"):
        a_forecaster("holt_winters").forecast(np.ones((1, 8)), hourly(8), 8 * HOUR)


@pytest.mark.parametrize("name", FORECASTERS.names())
def test_what_would_be_negative_is_0(name: str) -> None:
    falling = np.array([[80.0, 70, 60, 50, 40, 30, 20, 10, 5, 0, -40, -90]])
    assert a_forecaster(name).forecast(falling, hourly(12), 15 * HOUR).tolist() == [0.0]


@pytest.mark.parametrize("name", FORECASTERS.names())
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_nothing_from_the_moment_on_changes_its_forecast(name: str, data: st.DataObject) -> None:
    # Nine hours of past, the moment to localize, then three hours that must not be looked at.
    drawn = [
        data.draw(st.lists(st.floats(0, 1e6), min_size=26, max_size=26)),
        data.draw(st.lists(st.floats(0, 1e6), min_size=26, max_size=26)),
    ]
    cubes = []
    for values in drawn:
        table = pl.DataFrame(
            {
                "time": np.repeat(hourly(13), 2),
                "site": ["a", "b"] * 13,
                "requests": drawn[0][:18] + values[18:],
            }
        )
        history = cube_from_history(
            table, time="time", measures=["requests"], at=9 * HOUR, forecaster=a_forecaster(name)
        )
        cubes.append(history.cube)
    first, second = cubes
    assert first.actual.tolist() == [drawn[0][18:20]]
    assert second.actual.tolist() == [drawn[1][18:20]]
    assert first.forecast.tobytes() == second.forecast.tobytes()
    assert (first.forecast >= 0).all()
    assert np.isfinite(first.forecast).all()


@pytest.mark.parametrize("name", FORECASTERS.names())
def test_unusable_histories_are_refused(name: str) -> None:
    ours = a_forecaster(name)
    with pytest.raises(InputError, match="no earlier time"):
        ours.forecast(np.zeros((2, 0)), hourly(0), 0)
    with pytest.raises(InputError, match="do not rise"):
        ours.forecast(np.zeros((2, 2)), np.array([5, 5]), 9)
    with pytest.raises(InputError, match="not later"):
        ours.forecast(np.zeros((2, 2)), np.array([5, 6]), 6)
    with pytest.raises(InputError, match="does not match"):
        ours.forecast(np.zeros((2, 3)), np.array([5, 6]), 9)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingError):
        MovingAverageConfig(window=-1)
    with pytest.raises(SettingError):
        SeasonalNaiveConfig(seasons=0)
    with pytest.raises(SettingError):
        HoltWintersConfig(season_s=0)
