"""A deployed detector without torch: levels, and what marks teach it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, SettingError, UnknownMemberError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect import deployed
from faultsight.detect.checks import small_fleet
from faultsight.detect.deployed import DeployedConfig, DeployedDetector, LayersConfig
from faultsight.detect.marking import mark_errors
from faultsight.detect.thresholds.pooled_quantile import PooledQuantile
from faultsight.detect.thresholds.quantile import Quantile
from faultsight.detect.tuning.guard import CrossValidation, GuardVerdict
from faultsight.sim.base_stations import StationsConfig, simulate_stations

_DAY_S = 86_400


def _stations(seed: int) -> tuple[DeployedDetector, list[KpiFrame]]:
    stations = simulate_stations(StationsConfig(n_stations=8, test_s=14 * _DAY_S), seed=seed)
    whole = [a.then(b) for a, b in zip(stations.train, stations.test, strict=True)]
    return DeployedDetector().fit(stations.train), whole


def _marked(detector: DeployedDetector, frames: Sequence[KpiFrame]) -> list[Mark]:
    """Return what an operator who knows the truth marks in the first week after history."""
    return [
        mark
        for frame, score in zip(frames, detector.score(frames), strict=True)
        for mark in mark_errors(
            score[168:336], (frame.labels if frame.labels is not None else [])[168:336],
            detector.level_of(frame.entity),
        )
    ]  # fmt: skip


def test_marks_are_learned_from_and_the_report_says_which_layers_helped() -> None:
    detector, frames = _stations(1001)
    marks = _marked(detector, frames)
    week = [frame[:336] for frame in frames]
    tuned, report = detector.tune(week, marks)
    assert sum(report.n_marks.values()) == len(marks)
    assert report.changed
    assert [v.step for v in report.verdicts][:2] == ["history correction", "residual head"]
    assert tuned.marks == tuple(sorted(marks))
    # What was called a false alarm raises fewer alarms than it did.
    false = [mark for mark in marks if mark.kind is MarkKind.FALSE_ALARM]

    def still_raised(model: DeployedDetector) -> int:
        found = {score.entity: score for score in model.score(week)}
        return sum(
            bool((found[m.entity].total[_rows(week, m)] > model.level_of(m.entity)).any())
            for m in false
        )

    assert still_raised(detector) == len(false)
    assert still_raised(tuned) < len(false) / 2


def _rows(frames: Sequence[KpiFrame], mark: Mark) -> slice:
    return next(frame.rows_in(mark.window) for frame in frames if frame.entity == mark.entity)


def test_levels_come_down_as_far_as_the_guard_says_where_alarms_were_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector, frames = _stations(1001)
    week = [frame[:336] for frame in frames]
    marks = _marked(detector, frames)

    def tuned(factor: float, marks: Sequence[Mark]) -> dict[str, float]:
        told = GuardVerdict("lowered levels", factor < 1.0, 0.5, 0.5, len(marks), "")
        monkeypatch.setattr(CrossValidation, "lower", lambda _guard, _step: (factor, told))
        return detector.tune(week, marks)[0].levels

    as_learned, halved = tuned(1.0, marks), tuned(0.5, marks)
    assert halved == {entity: 0.5 * level for entity, level in as_learned.items()}
    unconfirmed = [mark for mark in marks if mark.kind is not MarkKind.CONFIRMED]
    assert tuned(1.0, unconfirmed) == tuned(0.5, unconfirmed)


def test_tuning_again_learns_from_all_marks_at_once() -> None:
    detector, frames = _stations(1002)
    marks = _marked(detector, frames)
    week = [frame[:336] for frame in frames]
    first, _ = detector.tune(week, marks[::2])
    twice, _ = first.tune(week, marks[1::2])
    once, _ = detector.tune(week, marks)
    assert [s.total.tobytes() for s in twice.score(week)] == [
        s.total.tobytes() for s in once.score(week)
    ]
    assert (twice.levels, twice.marks) == (once.levels, once.marks)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_marks_in_another_order_give_the_same_detector(chance) -> None:  # type: ignore[no-untyped-def]
    frames = small_fleet(seed=20)
    detector = DeployedDetector().fit([frame[:96] for frame in frames])
    marks = [
        Mark(f"cell-{i % 3}", TimeWindow(h * 3600, (h + 2) * 3600), kind)
        for i, (h, kind) in enumerate(
            [(100, MarkKind.FALSE_ALARM), (104, MarkKind.MISSED), (110, MarkKind.CONFIRMED),
             (121, MarkKind.FALSE_ALARM), (101, MarkKind.MISSED), (130, MarkKind.IGNORE)]
        )
    ]  # fmt: skip
    tuned, _ = detector.tune(frames, marks)
    mixed = marks * 2
    chance.shuffle(mixed)
    again, _ = detector.tune(frames, mixed)
    assert again.levels == tuned.levels
    for one, other in zip(tuned.score(frames), again.score(frames), strict=True):
        assert one.total.tobytes() == other.total.tobytes()


def test_a_detector_without_residuals_learns_its_levels_alone() -> None:
    frames = small_fleet(n_rows=600, seed=21)
    detector = DeployedDetector(DeployedConfig("random_score")).fit([f[:96] for f in frames])
    peak = 96 + int(np.argmax(detector.score(frames)[0].total[96:]))
    false = [
        Mark(f.entity, TimeWindow(h * 3600, (h + 1) * 3600), MarkKind.FALSE_ALARM)
        for f in frames
        for h in (peak, 100, 120)
    ]
    tuned, report = detector.tune(frames, false, LayersConfig(guard=False))
    assert [v.step for v in report.verdicts] == ["pooled levels", "recalibration"]
    assert (tuned.head, tuned.usual) == (None, {})
    assert tuned.level_of("cell-0") > detector.level_of("cell-0")


@pytest.mark.parametrize("pooling", [True, False])
def test_only_pooled_levels_leave_out_history_put_aside(
    pooling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, frames = _stations(1001)
    week = [frame[:336] for frame in frames]
    aside = {frame.entity: np.arange(168) % 10 == 3 for frame in frames}
    monkeypatch.setattr(deployed, "history_like_anomalies", lambda *_: aside)
    only = LayersConfig(
        head=False, patterns=False, recalibration=False, guard=False, pooling=pooling
    )
    tuned, report = detector.tune(week, _marked(detector, week), only)
    assert "history correction" in [v.step for v in report.verdicts if v.kept]
    history = [score[:168] for score in tuned.score(week)]
    kept = [replace(s, total=np.where(aside[s.entity], np.nan, s.total)) for s in history]
    levels = PooledQuantile().levels(kept) if pooling else Quantile().levels(history)
    assert tuned.levels == pytest.approx(levels)


def test_alarms_name_the_kpi() -> None:
    frames = small_fleet(seed=22)
    values = frames[1].values.copy()
    values[120:123, 1] = 90.0
    broken = KpiFrame("cell-1", frames[1].kpis, 0, 3600, values)
    detector = DeployedDetector().fit([frame[:96] for frame in frames])
    alarms = detector.alarms(detector.score([broken]))
    worst = max(alarms, key=lambda alarm: alarm.peak)
    assert worst.window.start_s == 120 * 3600
    assert worst.shares[0][0] == "drops"
    assert detector.level_of("never seen") == np.median(list(detector.levels.values()))
    assert detector.trained == TimeWindow(0, 96 * 3600)


def test_without_marks_nothing_changes() -> None:
    frames = small_fleet(seed=23)
    detector = DeployedDetector().fit([frame[:96] for frame in frames])
    elsewhere = [Mark("nobody", TimeWindow(0, 3600), MarkKind.MISSED)]
    tuned, report = detector.tune(frames, elsewhere)
    assert (report.n_marks, report.dropped) == ({}, {"unknown_entity": 1})
    assert not report.changed
    assert tuned.levels == detector.levels


def test_a_part_of_the_fleet_leaves_the_others_as_they_were() -> None:
    detector, frames = _stations(1003)
    marks = [m for m in _marked(detector, frames) if m.entity in ("cell-0001", "cell-0002")]
    tuned, _ = detector.tune([frame[:336] for frame in frames[:2]], marks,
                             LayersConfig(head=False, patterns=False, guard=False))  # fmt: skip
    for before, after in zip(detector.score(frames[2:]), tuned.score(frames[2:]), strict=True):
        assert before.total.tobytes() == after.total.tobytes()
        assert detector.level_of(before.entity) == tuned.level_of(before.entity)


def test_settings_are_the_detectors_own() -> None:
    detector = DeployedDetector(DeployedConfig("ridge_var", {"n_lags": 2}))
    assert detector.detector.config.n_lags == 2
    with pytest.raises(SettingError, match="no setting 'lags'"):
        DeployedDetector(DeployedConfig("ridge_var", {"lags": 2}))
    with pytest.raises(UnknownMemberError):
        DeployedDetector(DeployedConfig("nothing"))
    with pytest.raises(SettingError):
        LayersConfig(least_quantile=2.0)


def test_what_cannot_be_tuned_is_refused() -> None:
    frames = small_fleet(seed=24)
    detector = DeployedDetector().fit([frame[:96] for frame in frames])
    mark = Mark("cell-0", TimeWindow(100 * 3600, 101 * 3600), MarkKind.MISSED)
    with pytest.raises(InputError, match="no row of the history"):
        detector.tune([frame[96:] for frame in frames], [mark])
    tuned, _ = detector.tune(frames, [mark])
    tuned.ancestor = None
    with pytest.raises(InputError, match="load what it was tuned from"):
        tuned.tune(frames, [mark])
