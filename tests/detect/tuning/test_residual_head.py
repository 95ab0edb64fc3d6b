"""The head on residuals: what marks teach it, and what they must not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.contract import Score
from faultsight.detect.tuning.aggregation import aggregate
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks
from faultsight.detect.tuning.residual_head import (
    HeadConfig,
    ResidualHead,
    _collected,
    _loss,
    fit_head,
)

KPIS = ("load", "drops", "delay")
HISTORY = {"a": 200, "b": 200}
LEVELS = {"a": 9.0, "b": 9.0}
EAGER = HeadConfig(memory=0.0, shrinkage=0.01, bias_shrinkage=0.01)


def scores(seed: int = 0, n_rows: int = 300) -> list[Score]:
    """Two entities with usual residuals throughout; tests put more into the last 100 rows."""
    stream = np.random.default_rng(seed)
    made = []
    for entity in "ab":
        residuals = stream.chisquare(1, (n_rows, 3)).astype(np.float32)
        made.append(Score(entity, 0, 60, KPIS, aggregate(residuals), residuals))
    return made


def raised(score: Score, rows: Sequence[int] | slice, kpi: int, value: float) -> Score:
    assert score.residuals is not None
    residuals = score.residuals.copy()
    residuals[rows, kpi] = value
    return Score(score.entity, 0, 60, KPIS, aggregate(residuals), residuals)


def marked(
    fleet: Sequence[Score], *spans: tuple[int, int, MarkKind], kpis: tuple[str, ...] = ()
) -> MarkedRows:
    marks = [Mark("a", TimeWindow(60 * a, 60 * b), kind, kpis) for a, b, kind in spans]
    return rows_of_marks(fleet, marks)


def fitted(
    fleet: Sequence[Score], told: MarkedRows, config: HeadConfig = EAGER, **how: Any
) -> ResidualHead:
    return fit_head(fleet, LEVELS, HISTORY, told, config=config, **how)


NOISY = [(row, row + 1, MarkKind.FALSE_ALARM) for row in range(205, 295, 10)]


def noisy_fleet() -> list[Score]:
    """Station "a" has false alarms that its drops alone raise."""
    first, second = scores()
    return [raised(first, [row for row, _, _ in NOISY], 1, 30.0), second]


# Learning


@pytest.mark.parametrize("largest", [None, 2])
def test_the_gradient_is_that_of_finite_differences(largest: int | None) -> None:
    fleet = noisy_fleet()
    told = marked(fleet, *NOISY, (240, 262, MarkKind.MISSED), (200, 203, MarkKind.CONFIRMED))
    config = HeadConfig(history_rows=40)
    rows = _collected(fleet, LEVELS, HISTORY, told, config=config, largest=largest)
    assert rows is not None
    for seed in range(3):
        at = np.random.default_rng(seed).normal(scale=0.5, size=5)

        def loss(parameters: NDArray[np.float64]) -> float:
            return _loss(parameters, rows, 2, config)[0]

        _, gradient = _loss(at, rows, 2, config)
        np.testing.assert_allclose(gradient, approx_fprime(at, loss, 1e-7), rtol=1e-4, atol=1e-5)


def test_the_loss_is_least_at_what_is_returned() -> None:
    fleet = noisy_fleet()
    told = marked(fleet, *NOISY)
    config = HeadConfig(memory=0.0)
    head = fitted(fleet, told, config)
    rows = _collected(fleet, LEVELS, HISTORY, told, config=config, largest=None)
    assert rows is not None
    best = np.array([*head.log_weights, *(head.entity_bias[s.entity] for s in fleet)])
    _, gradient = _loss(best, rows, 2, config)
    assert np.abs(gradient).max() < 1e-3
    assert _loss(best, rows, 2, config)[0] < _loss(np.zeros(5), rows, 2, config)[0]


def test_a_noisy_kpi_is_weighted_down() -> None:
    fleet = noisy_fleet()
    head = fitted(fleet, marked(fleet, *NOISY))
    weights = dict(zip(KPIS, head.log_weights, strict=True))
    assert weights["drops"] < -1.0
    assert weights["drops"] < min(weights["load"], weights["delay"]) - 1.0
    before, after = fleet[0], head.apply(fleet[0])
    at = [row for row, _, _ in NOISY]
    usual = slice(0, 200)
    height = [s.total[at].mean() / np.quantile(s.total[usual], 0.99) for s in (before, after)]
    assert height[1] < 0.6 * height[0]


def test_a_kpi_that_shows_what_was_missed_is_weighted_up() -> None:
    first, second = scores()
    spans = [(row, row + 2, MarkKind.MISSED) for row in range(210, 290, 10)]
    fleet = [raised(first, [r for a, b, _ in spans for r in range(a, b)], 2, 6.0), second]
    head = fitted(fleet, marked(fleet, *spans))
    assert head.log_weights[2] > max(head.log_weights[:2]) + 0.2


def test_one_hot_row_of_a_long_missed_span_is_enough() -> None:
    first, second = scores()
    fleet = [raised(first, [230], 2, 400.0), second]
    config = HeadConfig(memory=0.0, shrinkage=0.01, bias_shrinkage=0.01, peak_share=0.01)

    def bag_loss(told: MarkedRows) -> float:
        rows = _collected(fleet, LEVELS, HISTORY, told, config=config, largest=None)
        assert rows is not None
        with_bags = _loss(np.zeros(5), rows, 2, config)[0]
        rows.bags.clear()
        return with_bags - _loss(np.zeros(5), rows, 2, config)[0]

    # The quiet rows of the span do not ask to alarm: its one hot row satisfies the mark.
    assert bag_loss(marked(fleet, (201, 299, MarkKind.MISSED))) < 0.05
    assert bag_loss(marked(fleet, (231, 299, MarkKind.MISSED))) > 0.2
    # With every row of the span asked, the quiet ones would pull.
    every = HeadConfig(memory=0.0, peak_share=1.0)
    told = marked(fleet, (201, 299, MarkKind.MISSED))
    some_bias, all_bias = (
        fitted(fleet, told, c).entity_bias["a"]
        for c in (HeadConfig(memory=0.0, peak_share=0.01), every)
    )
    assert all_bias > some_bias + 0.02


def test_without_marks_nothing_changes() -> None:
    fleet = scores()
    head = fit_head(fleet, LEVELS, HISTORY, marked(fleet))
    assert head.log_weights == (0.0, 0.0, 0.0)
    for score in fleet:
        np.testing.assert_allclose(head.apply(score).total, score.total, rtol=1e-6)


def test_marks_of_rows_without_any_known_residual_change_nothing() -> None:
    residuals = np.full((300, 3), np.nan, dtype=np.float32)
    lost = Score("a", 0, 60, KPIS, aggregate(residuals), residuals)
    told = marked([lost], (205, 206, MarkKind.FALSE_ALARM), (210, 220, MarkKind.MISSED))
    assert fit_head([lost], LEVELS, {"a": 200}, told).log_weights == (0.0, 0.0, 0.0)


def test_shrinkage_keeps_weights_and_biases_near_zero() -> None:
    fleet = noisy_fleet()
    told = marked(fleet, *NOISY)
    sizes = []
    for shrinkage in (0.1, 5.0, 100.0, 1e6):
        config = HeadConfig(memory=0.0, shrinkage=shrinkage, bias_shrinkage=shrinkage)
        head = fitted(fleet, told, config)
        sizes.append(max(map(abs, [*head.log_weights, *head.entity_bias.values()])))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0.5
    assert sizes[-1] < 1e-4


def test_named_kpis_alone_are_moved_by_their_mark() -> None:
    fleet = noisy_fleet()
    config = HeadConfig(memory=0.0, shrinkage=0.01, bias_shrinkage=0.01, history_weight=0.0)
    head = fitted(fleet, marked(fleet, *NOISY, kpis=("delay",)), config)
    assert head.log_weights[:2] == (0.0, 0.0)
    assert head.log_weights[2] < -0.01
    unknown = fitted(fleet, marked(fleet, *NOISY, kpis=("no such",)), config)
    assert unknown.log_weights[1] < -0.5


def test_marked_history_is_not_taken_for_normal() -> None:
    first, second = scores()
    fleet = [raised(first, slice(50, 60), 2, 8.0), second]
    told = marked(fleet, (50, 60, MarkKind.MISSED))
    rows = _collected(fleet, LEVELS, HISTORY, told, config=HeadConfig(memory=0.0), largest=None)
    assert rows is not None
    # 190 unmarked and 10 marked rows of the one, 200 of the other.
    assert np.bincount(rows.entity).tolist() == [200, 200]
    assert [len(bag) for bag in rows.bags] == [10]
    assert (rows.normal_weight[rows.bags[0]] == 0).all()


def test_at_the_start_margins_are_those_of_the_score_whatever_is_missing() -> None:
    fleet = scores()
    residuals = fleet[0].residuals
    assert residuals is not None
    residuals = residuals.copy()
    residuals[5:40, 1] = residuals[30:70, 2] = residuals[80, :] = np.nan
    holed = Score("a", 0, 60, KPIS, aggregate(residuals), residuals)
    told = marked([holed], (250, 251, MarkKind.FALSE_ALARM))
    for memory in (0.0, 0.4):
        config = HeadConfig(memory=memory)
        rows = _collected([holed], LEVELS, {"a": 200}, told, config=config, largest=None)
        assert rows is not None
        height = (rows.residuals.sum(axis=1) * np.exp(rows.offset))[:199]
        past = np.delete(holed.total[:200], 80)
        # As many rows of history are above the level as were before memory changed the scores.
        assert np.sum(height > 1) == pytest.approx(np.sum(past > 9.0), abs=1)
        if memory == 0:
            np.testing.assert_allclose(height / past, height[0] / past[0], rtol=1e-5)


def test_rows_of_history_are_drawn_by_seed() -> None:
    fleet = noisy_fleet()
    told = marked(fleet, *NOISY)
    one, same, other = (
        fitted(fleet, told, HeadConfig(history_rows=50, seed=seed)) for seed in (0, 0, 1)
    )
    assert one == same or one.to_dict() == same.to_dict()
    assert one.to_dict() != other.to_dict()


# Applying


def test_the_total_is_that_of_the_weighted_residuals() -> None:
    head = ResidualHead(KPIS, (np.log(2.0), 0.0, np.log(0.5)), {"a": np.log(10.0)})
    for score, factor in zip(scores(), (10.0, 1.0), strict=True):
        told = head.apply(score)
        assert score.residuals is not None
        assert told.residuals is not None
        np.testing.assert_allclose(
            told.residuals, factor * score.residuals * np.array([2.0, 1.0, 0.5]), rtol=1e-5
        )
        np.testing.assert_allclose(told.total, told.residuals.sum(axis=1), rtol=1e-5)
        assert (told.entity, told.window) == (score.entity, score.window)


def test_only_the_largest_are_summed_after_weighting() -> None:
    residuals = np.array([[4.0, 3.0, 1.0]], dtype=np.float32)
    score = Score("a", 0, 60, KPIS, aggregate(residuals, largest=1), residuals)
    head = ResidualHead(KPIS, (0.0, np.log(2.0), 0.0), largest=1)
    assert head.apply(score).total.tolist() == pytest.approx([6.0])


@settings(max_examples=50)
@given(st.integers(0, 1000), st.sampled_from([0.2, 0.5, 0.9]))
def test_memory_averages_the_known_rows_so_far(seed: int, memory: float) -> None:
    stream = np.random.default_rng(seed)
    residuals = stream.exponential(size=(12, 3)).astype(np.float32)
    residuals[stream.random((12, 3)) < 0.3] = np.nan
    score = Score("a", 0, 60, KPIS, aggregate(residuals), residuals)
    told = ResidualHead(KPIS, (0.0, 0.0, 0.0), memory=memory).apply(score).residuals
    assert told is not None
    for row in range(12):
        for kpi in range(3):
            past = residuals[: row + 1, kpi]
            if np.isnan(past[-1]):
                assert np.isnan(told[row, kpi])
                continue
            share = memory ** np.arange(row, -1, -1.0) * ~np.isnan(past)
            mean = np.sum(share * np.nan_to_num(past)) / share.sum()
            assert told[row, kpi] == pytest.approx(mean, rel=1e-4)


def test_missing_residuals_stay_missing_and_rows_without_any_have_no_total() -> None:
    residuals = np.array([[1.0, np.nan, 3.0], [np.nan] * 3], dtype=np.float32)
    score = Score("a", 0, 60, KPIS, aggregate(residuals), residuals)
    told = ResidualHead(KPIS, (0.0, 0.0, 0.0), memory=0.4).apply(score)
    assert told.residuals is not None
    np.testing.assert_array_equal(np.isnan(told.residuals), np.isnan(residuals))
    assert told.total[0] == pytest.approx(6.0)
    assert np.isnan(told.total[1])


# Keeping


@pytest.mark.parametrize("largest", [None, 2])
def test_a_head_goes_into_json_and_back(largest: int | None) -> None:
    fleet = noisy_fleet()
    head = fitted(fleet, marked(fleet, *NOISY), HeadConfig(), largest=largest)
    again = ResidualHead.from_dict(json.loads(json.dumps(head.to_dict())))
    assert again.to_dict() == head.to_dict()
    for score in fleet:
        assert again.apply(score).total.tobytes() == head.apply(score).total.tobytes()


GOOD: Mapping[str, Any] = ResidualHead(KPIS, (0.1, 0.2, 0.3), {"a": 0.4}).to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"kpis": 3}, {"log_weights": ["x", 0, 0]}, {"log_weights": [0.0]}, {"entity_bias": [1]},
        {"entity_bias": {"a": None}}, {"memory": None}, {"largest": "all"},
        {"log_weights": [float("nan"), 0, 0]}, {"entity_bias": {"a": float("inf")}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_head_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ResidualHead.from_dict({**GOOD, **change})


@pytest.mark.parametrize("part", sorted(GOOD))
def test_every_part_of_a_head_is_needed(part: str) -> None:
    with pytest.raises(InputError, match=f"this is no residual head: KeyError.'{part}'"):
        ResidualHead.from_dict({name: told for name, told in GOOD.items() if name != part})


# Wrong input


def test_scores_without_residuals_or_with_other_kpis_are_refused() -> None:
    fleet = scores()
    bare = Score("a", 0, 60, KPIS, fleet[0].total)
    other = Score("b", 0, 60, ("x", "y", "z"), fleet[1].total, fleet[1].residuals)
    head = ResidualHead(KPIS, (0.0, 0.0, 0.0))
    for wrong, problem in (
        (bare, "^a: the head needs residuals per KPI"),
        (other, "^b: the score has other KPIs than the head"),
    ):
        with pytest.raises(InputError, match=problem):
            head.apply(wrong)
        with pytest.raises(InputError, match=problem):
            fitted([scores()[0], wrong], marked(fleet))


@pytest.mark.parametrize(
    "wrong",
    [
        {"memory": 1.0}, {"memory": -0.1}, {"shrinkage": 0.0}, {"bias_shrinkage": -1.0},
        {"history_weight": -1.0}, {"history_rows": 0}, {"peak_share": 0.0}, {"peak_share": 1.1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        HeadConfig(**wrong)
