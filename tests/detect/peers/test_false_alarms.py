"""Peers that know of no anomalies: what false alarms teach them, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect import DETECTORS
from faultsight.detect.contract import Detector
from faultsight.detect.peers._standardized import StandardizedDetector
from faultsight.detect.peers._windows import WindowDetector
from faultsight.detect.peers.knn import KNN, KNNConfig
from faultsight.detect.peers.ridge_var import RidgeVAR

N_TRAIN, EVENTS = 120, (140, 170)


def _tunable(name: str) -> bool:
    member = DETECTORS.load(name)
    return issubclass(member, StandardizedDetector | WindowDetector) and not member.learns_missed


MEMBERS = [name for name in DETECTORS.names() if _tunable(name)]
SINK_ALIKE = ("input_norm", "usad")
"""All scores of the entity sink: one learns what errors are usual and nothing else, the other is
trained against itself, and need not be better at what it has seen than elsewhere."""
UNFORESEEN = "anomaly_transformer"
"""How it weighs a row within its window may change more than how well it rebuilds it."""


def fleet() -> list[KpiFrame]:
    """Return two cells; the same odd event in the first, twice."""
    stream = np.random.default_rng(0)
    frames = []
    for i in range(2):
        values = stream.normal(size=(200, 3))
        if not i:
            for start in EVENTS:
                values[start : start + 6] += [4.0, -4.0, 4.0]
        frames.append(KpiFrame(f"cell-{i}", ("load", "drops", "delay"), 0, 60, values))
    return frames


def fitted(name: str) -> Any:
    member = DETECTORS.load(name)
    config = member().config
    if hasattr(config, "epochs"):
        changed = {"epochs": 8, "window": 8, "batch": 16}
        if hasattr(config, "pretrain_epochs"):
            changed["pretrain_epochs"] = 1
        config = replace(config, **changed)
    detector: Detector = member(config=config)  # type: ignore[call-arg]
    return detector.fit([frame[:N_TRAIN] for frame in fleet()])


def mark(start: int, kind: MarkKind) -> Mark:
    return Mark("cell-0", TimeWindow(start * 60, (start + 6) * 60), kind)


FALSE_ALARM = mark(EVENTS[0], MarkKind.FALSE_ALARM)


def test_all_but_those_with_their_own_way_learn_from_false_alarms() -> None:
    assert set(DETECTORS.names()) - set(MEMBERS) == {
        "acvae_style", "anotuner", "deep_sad", "puad_style", "random_score",
    }  # fmt: skip


@pytest.mark.parametrize("name", MEMBERS)
def test_what_is_like_a_false_alarm_sinks_and_the_original_stays(name: str) -> None:
    frames, detector = fleet(), fitted(name)
    before = [score.total for score in detector.score(frames)]
    tuned, counts = detector.tune([frame[:160] for frame in frames], [FALSE_ALARM])
    assert counts == {"anomalous": 0, "normal": 6}
    for old, new in zip(before, detector.score(frames), strict=True):
        assert old.tobytes() == new.total.tobytes()
    after = [score.total for score in tuned.score(frames)]
    assert all(np.isfinite(total).all() for total in after)
    if name == UNFORESEEN:
        assert before[0].tobytes() != after[0].tobytes()
        return
    # The second event, which nobody marked, over what is usual elsewhere.
    later = slice(EVENTS[1], EVENTS[1] + 6)
    old, new = (
        total[0][later].mean() / (1.0 if name in SINK_ALIKE else np.median(total[0]))
        for total in (before, after)
    )
    assert new < old


@pytest.mark.parametrize("name", MEMBERS)
def test_anomalies_teach_nothing(name: str) -> None:
    frames, detector = fleet(), fitted(name)
    missed = [mark(170, MarkKind.MISSED), mark(140, MarkKind.CONFIRMED)]
    same, counts = detector.tune(frames, missed)
    assert counts["normal"] == counts["anomalous"] == 0
    for one, other in zip(same.score(frames), detector.score(frames), strict=True):
        assert one.total.tobytes() == other.total.tobytes()
    alone, _ = detector.tune(frames, [FALSE_ALARM])
    both, _ = detector.tune(frames, [missed[0], FALSE_ALARM])
    for one, other in zip(alone.score(frames), both.score(frames), strict=True):
        assert one.total.tobytes() == other.total.tobytes()


@pytest.mark.parametrize("name", ["pca", "knn", "ridge_var"])
def test_frames_without_history_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no row of the history"):
        fitted(name).tune([frame[N_TRAIN:] for frame in fleet()], [FALSE_ALARM])


@pytest.mark.parametrize("name", ["pca", "ridge_var"])
def test_only_history_and_false_alarms_are_learned_from(name: str) -> None:
    detector, frames = fitted(name), fleet()
    others = [
        KpiFrame(f.entity, f.kpis, f.start_s, f.interval_s,
                 np.where(np.arange(200)[:, None] >= 146, 50.0, f.values))
        for f in frames
    ]  # fmt: skip
    one, _ = detector.tune(frames, [FALSE_ALARM])
    other, _ = detector.tune(others, [FALSE_ALARM])
    assert all(
        np.array_equal(a, b)
        for a, b in zip(one.state().arrays.values(), other.state().arrays.values(), strict=True)
    )


def test_ignored_rows_are_no_history() -> None:
    frames = fleet()
    values = frames[1].values.copy()
    values[50:56] = 30.0
    frames[1] = KpiFrame("cell-1", frames[1].kpis, 0, 60, values)
    detector = RidgeVAR().fit([frame[:N_TRAIN] for frame in frames])
    ignored = Mark("cell-1", TimeWindow(50 * 60, 56 * 60), MarkKind.IGNORE)
    plain, _ = detector.tune(frames, [FALSE_ALARM])
    told, _ = detector.tune(frames, [FALSE_ALARM, ignored])
    assert (told.measure.usual["cell-1"] < plain.measure.usual["cell-1"]).all()


def test_false_alarms_are_never_thinned_away() -> None:
    detector = KNN(KNNConfig(most_windows=20, window=2)).fit([f[:N_TRAIN] for f in fleet()])
    tuned, _ = detector.tune(fleet(), [FALSE_ALARM])
    assert len(tuned.rows) <= 20 + 1
    assert {int(s) // 60 for s in tuned.stamps[tuned.owners == 0]} >= set(range(140, 146))


def test_the_order_of_frames_does_not_change_whose_neighbours_are_whose() -> None:
    frames = fleet()
    detector = KNN(KNNConfig(window=2)).fit([frame[:N_TRAIN] for frame in frames])
    one, _ = detector.tune(frames, [FALSE_ALARM])
    other, _ = detector.tune(frames[::-1], [FALSE_ALARM])
    for a, b in zip(one.score(frames), other.score(frames), strict=True):
        np.testing.assert_allclose(a.total, b.total, rtol=1e-6)
