"""What every detector must satisfy, ours, the peers and anybody's.

Run them on your own member::

    import pytest
    from faultsight.detect.checks import CHECKS, run_check

    @pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
    def test_my_detector(check):
        run_check(check, MyDetector)

A member that cannot pass a check by its nature names it, with the reason, in its class attribute
``excused``; the check then asserts nothing but that the member still answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.seed import random_stream
from faultsight.detect.contract import Detector, Score, Storable
from faultsight.detect.deployed import DeployedDetector

__all__ = ["CHECKS", "run_check", "small_fleet"]

MakeDetector = Callable[[], Detector]
Check = Callable[[MakeDetector], None]

_N_TRAIN = 96
_KPIS = ("load", "drops", "delay_ms")


def small_fleet(n_rows: int = 144, seed: int = 0) -> list[KpiFrame]:
    """Return three entities with a daily course, on hourly rows."""
    day = np.sin(np.arange(n_rows) / 24 * 2 * np.pi)[:, None]
    frames = []
    for i in range(3):
        stream = random_stream(seed, "checks", i)
        noise = stream.standard_normal((n_rows, 3)) * [0.3, 0.1, 2.0]
        values = (i + 1.0) * 10 + day * [3.0, 0.2, 10.0] + noise
        frames.append(KpiFrame(f"cell-{i}", _KPIS, 0, 3600, values))
    return frames


def _fitted(make: MakeDetector, frames: Sequence[KpiFrame]) -> Detector:
    return make().fit([frame[:_N_TRAIN] for frame in frames])


def _changed(frame: KpiFrame, rows: slice, kpi: slice, value: float) -> KpiFrame:
    values = frame.values.copy()
    values[rows, kpi] = value
    return KpiFrame(frame.entity, frame.kpis, frame.start_s, frame.interval_s, values)


def _bytes(scores: Sequence[Score]) -> list[bytes]:
    return [score.total.tobytes() for score in scores]


def check_one_score_a_row(make: MakeDetector) -> None:
    """Scores have their frame's entity, grid and length, are finite, and explain themselves."""
    frames = small_fleet()
    for frame, score in zip(frames, _fitted(make, frames).score(frames), strict=True):
        assert (score.entity, score.window) == (frame.entity, frame.window)
        assert score.total.dtype == np.float64
        assert np.isfinite(score.total).all()
        if score.residuals is not None:
            assert score.residuals.shape == (len(frame), len(score.kpis))
            assert (score.residuals >= 0).all()


def check_later_rows_never_change_a_score(make: MakeDetector) -> None:
    """Altering later rows changes no earlier score; appending some changes rounding alone.

    Scores are the same bytes where rows are altered, and the same to a hundred-thousandth where
    rows are appended.
    """
    frames = small_fleet()
    detector = _fitted(make, frames)
    whole = detector.score(frames)
    altered = detector.score([_changed(f, slice(120, None), slice(None), 1e6) for f in frames])
    short = detector.score([frame[:120] for frame in frames])
    for a, b, c in zip(whole, altered, short, strict=True):
        assert a.total[:120].tobytes() == b.total[:120].tobytes()
        # Batches of another length may round their sums otherwise.
        np.testing.assert_allclose(c.total, a.total[:120], rtol=1e-5, atol=1e-9)


def check_same_input_same_bytes(make: MakeDetector) -> None:
    """Two detectors fitted alike give the same bytes, and one gives them twice."""
    frames = small_fleet(seed=1)
    first = _fitted(make, frames)
    once = _bytes(first.score(frames))
    assert _bytes(first.score(frames)) == once
    assert _bytes(_fitted(make, frames).score(frames)) == once


def check_input_is_left_alone(make: MakeDetector) -> None:
    """The frames' arrays are the same bytes afterwards."""
    frames = small_fleet(seed=2)
    before = [frame.values.tobytes() for frame in frames]
    _fitted(make, frames).score(frames)
    assert [frame.values.tobytes() for frame in frames] == before


def check_a_gross_deviation_stands_out(make: MakeDetector) -> None:
    """A KPI far outside all it ever was scores higher than anything in history."""
    frames = small_fleet(seed=3)
    detector = _fitted(make, frames)
    broken = _changed(frames[1], slice(130, 132), slice(1, 2), 500.0)
    score = detector.score([broken])[0]
    assert score.total[130] > score.total[:_N_TRAIN].max()


def check_labels_are_not_looked_at(make: MakeDetector) -> None:
    """Frames with labels and without give the same scores."""
    frames = small_fleet(seed=4)
    told = [
        KpiFrame(f.entity, f.kpis, f.start_s, f.interval_s, f.values,
                 labels=np.arange(len(f)) % 2)
        for f in frames
    ]  # fmt: skip
    assert _bytes(_fitted(make, told).score(told)) == _bytes(_fitted(make, frames).score(frames))


def check_missing_values(make: MakeDetector) -> None:
    """Missing values have no score of their own; a row with none at all is NaN."""
    frames = small_fleet(seed=5)
    holed = _changed(frames[0], slice(100, 110), slice(0, 1), np.nan)
    holed = _changed(holed, slice(120, 122), slice(None), np.nan)
    detector = _fitted(make, [_changed(frames[0], slice(10, 30), slice(1, 2), np.inf), *frames[1:]])
    score = detector.score([holed])[0]
    assert np.isnan(score.total[120:122]).all()
    assert np.isfinite(np.delete(score.total, [120, 121])).all()
    if score.residuals is not None:
        assert np.isnan(score.residuals[100:110, 0]).all()


def check_constant_and_absent_kpis(make: MakeDetector) -> None:
    """A KPI that never moves, one that is all missing, and one that an entity lacks."""
    frames = small_fleet(seed=6)
    still = _changed(frames[0], slice(None), slice(1, 2), 7.0)
    gone = _changed(frames[1], slice(None), slice(2, 3), np.nan)
    lacks = frames[2].with_kpis(("load", "drops"))
    detector = _fitted(make, [still, gone, lacks])
    for score in detector.score([still, gone, frames[2].with_kpis(("drops", "load", "new"))]):
        assert np.isfinite(score.total).all()


def check_short_series_and_strangers(make: MakeDetector) -> None:
    """A series of three rows, and an entity never seen, have finite scores."""
    frames = small_fleet(seed=7)
    short = KpiFrame("short", _KPIS, 0, 3600, frames[0].values[:3])
    detector = make().fit([*(frame[:_N_TRAIN] for frame in frames), short])
    stranger = KpiFrame("new", _KPIS, 0, 3600, small_fleet(seed=9)[0].values)
    for score in detector.score([short, stranger]):
        assert np.isfinite(score.total).all()


def check_frame_order_changes_nothing(make: MakeDetector) -> None:
    """Entities scored in another order, or alone, have the same scores."""
    frames = small_fleet(seed=8)
    detector = _fitted(make, frames)
    forward = {score.entity: score.total for score in detector.score(frames)}
    for score in [*detector.score(frames[::-1]), *detector.score(frames[1:2])]:
        np.testing.assert_allclose(score.total, forward[score.entity], rtol=1e-4, atol=1e-9)


def check_unit_changes_little(make: MakeDetector) -> None:
    """A KPI in other units, with another zero, has the same scores but for rounding."""
    frames = small_fleet(seed=10)
    other = [
        KpiFrame(f.entity, f.kpis, f.start_s, f.interval_s, f.values * [1000.0, 0.01, 1.0] - 5.0)
        for f in frames
    ]
    for a, b in zip(
        _fitted(make, frames).score(frames), _fitted(make, other).score(other), strict=True
    ):
        np.testing.assert_allclose(b.total, a.total, rtol=0.02, atol=1e-3)


def check_clear_error(make: MakeDetector) -> None:
    """What cannot be scored is refused by an InputError."""
    frames = small_fleet(seed=11)
    slower = KpiFrame("slow", _KPIS, 0, 7200, frames[0].values)
    empty = _changed(frames[0], slice(None), slice(None), np.nan)
    fitted = _fitted(make, frames)
    attempts: list[Callable[[], object]] = [
        lambda: make().score(frames),
        lambda: make().fit([]),
        lambda: make().fit([empty]),
        lambda: make().fit([frames[0], frames[0]]),
        lambda: make().fit([frames[0], slower]),
        lambda: fitted.score([slower]),
        lambda: fitted.score([KpiFrame("x", ("other",), 0, 3600, np.ones((3, 1)))]),
        lambda: fitted.score(["cell"]),  # type: ignore[list-item]
    ]
    for attempt in attempts:
        try:
            attempt()
        except InputError:
            continue
        raise AssertionError("what cannot be scored was accepted")


def check_state_taken_out_and_in(make: MakeDetector) -> None:
    """A detector that gives its state out scores the same bytes when it is put in again."""
    frames = small_fleet(seed=12)
    detector = _fitted(make, frames)
    if not isinstance(detector, Storable):
        return
    state = detector.state()
    again = type(detector).from_state(state)
    stranger = KpiFrame("new", _KPIS, 0, 3600, frames[0].values)
    assert _bytes(again.score([*frames, stranger])) == _bytes(detector.score([*frames, stranger]))
    assert (again.kpis, again.interval_s) == (detector.kpis, detector.interval_s)
    json.dumps(dict(state.settings), allow_nan=False)
    try:
        make().state()  # type: ignore[attr-defined]
    except InputError:
        return
    raise AssertionError("the state of a detector that is not fitted was given out")


def check_deployed_and_tuned_by_marks(make: MakeDetector) -> None:
    """Deployed, it learns from marks, whatever their order, and stays as it was itself."""
    frames = small_fleet(seed=13)
    worse = _changed(frames[1], slice(130, 134), slice(None), 500.0)
    frames = [frames[0], worse, frames[2]]
    deployed = DeployedDetector(detector=make()).fit([frame[:_N_TRAIN] for frame in frames])
    before = _bytes(deployed.score(frames))
    marks = [
        Mark("cell-0", TimeWindow(100 * 3600, 102 * 3600), MarkKind.FALSE_ALARM),
        Mark("cell-1", TimeWindow(130 * 3600, 134 * 3600), MarkKind.MISSED),
        Mark("cell-2", TimeWindow(120 * 3600, 121 * 3600), MarkKind.FALSE_ALARM),
        Mark("cell-0", TimeWindow(110 * 3600, 111 * 3600), MarkKind.IGNORE),
    ]
    tuned, report = deployed.tune(frames, marks)
    other, _ = deployed.tune(frames[::-1], marks[::-1])
    assert report.n_marks == {"false_alarm": 2, "missed": 1}
    assert _bytes(tuned.score(frames)) == _bytes(other.score(frames))
    assert tuned.levels == other.levels
    assert all(np.isfinite(level) for level in tuned.levels.values())
    assert _bytes(deployed.score(frames)) == before
    if all(score.residuals is None for score in deployed.score(frames)):
        assert (tuned.head, tuned.usual) == (None, {})


def run_check(check: Check, make: MakeDetector) -> None:
    """Run one check on a member, unless the member excuses itself from it with a reason."""
    reason = make().excused.get(check.__name__)
    if reason is None:
        check(make)
    else:
        assert reason.strip(), f"{check.__name__} is excused without a reason"
        frames = small_fleet()
        _fitted(make, frames).score(frames)


CHECKS: Sequence[Check] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("check_")
)
"""Every check, by name."""
