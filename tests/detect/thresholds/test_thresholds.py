"""Levels: each rule against what it promises, by brute force where that is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy.stats import genpareto

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.alarms import raise_alarms
from faultsight.detect.contract import Score
from faultsight.detect.thresholds import THRESHOLDS
from faultsight.detect.thresholds._contract import LEAST_SCORES
from faultsight.detect.thresholds.alarm_budget import AlarmBudget, AlarmBudgetConfig
from faultsight.detect.thresholds.best_f1 import BestF1
from faultsight.detect.thresholds.pot import POT, POTConfig, fit_pareto
from faultsight.detect.thresholds.quantile import Quantile, QuantileConfig

HOUR_S = 3600
NAN = float("nan")


def score(total: ArrayLike, entity: str = "a", interval_s: int = HOUR_S) -> Score:
    return Score(entity, 0, interval_s, (), np.asarray(total, dtype=np.float64))


def test_every_rule_is_found_by_its_name() -> None:
    known = {
        "alarm_budget",
        "best_f1",
        "nonparametric_dynamic",
        "pooled_quantile",
        "pot",
        "quantile",
    }
    assert set(THRESHOLDS.names()) == known
    assert all(THRESHOLDS.load(name).name == name for name in THRESHOLDS.names())


# What all rules share


@pytest.mark.parametrize("rule", [Quantile(), POT(), AlarmBudget()], ids=lambda rule: rule.name)
def test_unknown_scores_do_not_count(rule: Quantile | POT | AlarmBudget) -> None:
    values = np.random.default_rng(3).exponential(size=400)
    holed = np.append(values, [NAN, np.inf, -np.inf])
    assert rule.levels([score(holed)]) == rule.levels([score(values)])
    for unknown in ([], [score([])], [score([NAN, np.inf])]):
        with pytest.raises(InputError, match="no score is known"):
            rule.levels(unknown)


def test_an_entity_with_few_scores_has_the_median_level() -> None:
    fleet = [score(np.full(LEAST_SCORES, top), f"e{top}") for top in (1.0, 2.0, 7.0)]
    few = score([*[100.0] * (LEAST_SCORES - 1), NAN], "few")
    levels = Quantile().levels([few, *fleet, score([NAN], "none")])
    assert levels == {"few": 2.0, "e1.0": 1.0, "e2.0": 2.0, "e7.0": 7.0, "none": 2.0}


def test_with_few_scores_everywhere_all_have_the_level_of_all_together() -> None:
    fleet = [score(np.arange(10.0), "a"), score(np.arange(10.0, 16.0), "b")]
    assert Quantile(QuantileConfig(0.5)).levels(fleet) == {"a": 7.5, "b": 7.5}


def test_alarms_of_two_entities_together_are_two() -> None:
    # Ten hours at one alarm in ten hours, twice: two alarms are allowed, and 5 and 4 are two.
    config = AlarmBudgetConfig(alarms_per_week=16.8)
    fleet = [score([0.0] * 9 + [5.0], "a"), score([4.0, 0.0, 3.0] + [0.0] * 7, "b")]
    assert AlarmBudget(config).levels(fleet) == {"a": 3.0, "b": 3.0}


# Quantile


@given(st.integers(20, 200), st.sampled_from([0.5, 0.9, 0.99]), st.integers(0, 99))
def test_the_quantiles_share_of_history_is_above_it(n: int, quantile: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    level = Quantile(QuantileConfig(quantile)).levels([score(values)])["a"]
    assert np.mean(values > level) == pytest.approx(1 - quantile, abs=1 / n)


# Peaks over threshold


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.25, 0.4])
def test_the_shape_and_scale_of_known_tails_are_found(shape: float) -> None:
    peaks = genpareto.rvs(shape, scale=3.0, size=50_000, random_state=np.random.default_rng(1))
    assert fit_pareto(peaks) == pytest.approx((shape, 3.0), abs=0.08)


def test_two_peaks_by_hand() -> None:
    # Means 2 and, weighted by 1 and 0, 1/2: shape 2 - 2/1, scale 2 * 2 * (1/2) / 1.
    assert fit_pareto(np.array([3.0, 1.0])) == pytest.approx((0.0, 2.0))


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_the_level_is_the_quantile_of_a_known_tail(shape: float) -> None:
    stream = np.random.default_rng(2)
    values = genpareto.rvs(shape, size=200_000, random_state=stream)
    for probability in (1e-3, 1e-4):
        level = POT(POTConfig(0.95, probability)).levels([score(values)])["a"]
        assert level == pytest.approx(genpareto.isf(probability, shape), rel=0.1)


def test_a_level_beyond_history_is_reached_where_the_quantile_cannot() -> None:
    values = np.random.default_rng(0).exponential(size=2000)
    rare = POT(POTConfig(0.98, 1e-6)).levels([score(values)])["a"]
    assert rare > values.max()
    assert rare == pytest.approx(-np.log(1e-6), rel=0.35)


def test_few_or_equal_peaks_are_the_plain_quantile() -> None:
    few = np.arange(400.0)
    assert POT().levels([score(few)])["a"] == np.quantile(few, 0.999)
    equal = np.repeat([0.0, 8.0], [990, 10])
    assert POT().levels([score(equal)])["a"] == 8.0


def test_ties_at_the_start_of_the_tail_do_not_pull_the_level_under_them() -> None:
    ties = np.concatenate([np.zeros(20_000), np.full(2000, 5.0), np.linspace(5.1, 6.0, 11)])
    level = POT().levels([score(ties)])["a"]
    assert level >= 5.0
    assert np.mean(ties > level) <= 1e-3


# Alarm budget


def n_alarms(total: NDArray[np.float64], level: float) -> int:
    return len(raise_alarms(score(total), level))


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([*map(float, range(9)), NAN]), min_size=25, max_size=80),
    st.sampled_from([0.0, 1.0, 8.0, 16.8, 40.0, 84.0]),
)
def test_history_keeps_to_the_budget_and_a_lower_level_breaks_it(
    total: list[float], per_week: float
) -> None:
    values = np.array(total)
    known = values[~np.isnan(values)]
    if known.size < LEAST_SCORES:
        values = known = np.tile(known, 2)[:LEAST_SCORES] if known.size else np.arange(20.0)
    level = AlarmBudget(AlarmBudgetConfig(per_week)).levels([score(values)])["a"]
    budget = per_week * known.size / 168 + 1e-9
    assert level in known
    above = [candidate for candidate in np.unique(known) if candidate >= level]
    assert all(n_alarms(values, candidate) <= budget for candidate in above)
    if level > known.min():
        next_lower = known[known < level].max()
        assert n_alarms(values, next_lower) > budget


def test_a_budget_of_nothing_is_the_highest_score() -> None:
    values = np.random.default_rng(0).normal(size=500)
    assert AlarmBudget(AlarmBudgetConfig(0)).levels([score(values)]) == {"a": values.max()}


def test_whole_numbers_of_alarms_are_not_lost_to_rounding() -> None:
    # 0.29 * 100 is a little less than 29 for a computer.
    values = np.zeros(100 * 168)
    values[::168] = np.arange(1.0, 101.0)
    level = AlarmBudget(AlarmBudgetConfig(0.29)).levels([score(values)])["a"]
    assert n_alarms(values, level) == 29


# Best F1


def adjusted_f1(total: NDArray[np.float64], truth: NDArray[np.bool_], level: float) -> float:
    alarmed = total > level  # NaN never is
    row = 0
    while row < len(truth):
        end = row
        while end < len(truth) and truth[end]:
            end += 1
        if end > row:
            alarmed[row:end] = alarmed[row:end].any()
        row = end + 1
    hits = int(np.sum(alarmed & truth))
    return 2 * hits / max(int(alarmed.sum()) + int(truth.sum()), 1)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, NAN]), st.booleans()),
        min_size=1, max_size=14,
    ).filter(lambda rows: not all(np.isnan(value) for value, _ in rows))
)  # fmt: skip
def test_best_f1_is_that_of_brute_force(rows: list[tuple[float, bool]]) -> None:
    total = np.array([value for value, _ in rows])
    truth = np.array([label for _, label in rows])
    level = BestF1().levels_from_labels([score(total)], {"a": truth})["a"]
    scores = sorted(set(total[~np.isnan(total)].tolist()))
    candidates = [scores[0] - 1.0, *scores]
    best = max((adjusted_f1(total, truth, c), c) for c in candidates)
    assert adjusted_f1(total, truth, level) == best[0]
    # Of several equally good ones it is the highest; below all scores any will do.
    assert level == best[1] or max(level, best[1]) < scores[0]


def test_without_any_anomaly_there_is_no_alarm() -> None:
    levels = BestF1().levels_from_labels([score([1.0, 5.0, NAN])], {"a": [0, 0, 0]})
    assert levels == {"a": 5.0}


def test_best_f1_needs_labels_for_every_row_and_a_known_score() -> None:
    with pytest.raises(InputError, match="see levels_from_labels"):
        BestF1().levels([score(np.arange(30.0))])
    for labels, total, problem in (
        ({}, [1.0], "a: the best F1 needs labels"),
        ({"a": [0, 1]}, [1.0], "a: 1 rows, .* labels"),
        ({"a": [1, 1]}, [NAN, np.inf], "a: not one score is known"),
    ):
        with pytest.raises(InputError, match=problem):
            BestF1().levels_from_labels([score(total)], labels)


@pytest.mark.parametrize(
    ("config", "settings_told"),
    [
        (QuantileConfig, {"quantile": 1.0}),
        (QuantileConfig, {"quantile": NAN}),
        (POTConfig, {"initial_quantile": 0.0}),
        (POTConfig, {"probability": 0.05}),
        (POTConfig, {"probability": 0.0}),
        (AlarmBudgetConfig, {"alarms_per_week": -1.0}),
        (AlarmBudgetConfig, {"alarms_per_week": NAN}),
    ],
)
def test_settings_that_cannot_be_are_refused(
    config: type[QuantileConfig | POTConfig | AlarmBudgetConfig], settings_told: dict[str, float]
) -> None:
    with pytest.raises(SettingError):
        config(**settings_told)
