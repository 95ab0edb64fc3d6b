"""What the peers that learn from marks share."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect import DETECTORS
from faultsight.detect.contract import Tunable
from faultsight.detect.peers._marks import LabelledWindows, tuned_by_marks
from faultsight.detect.peers.kmeans_windows import KMeansWindows, KMeansWindowsConfig

MEMBERS = ("acvae_style", "deep_sad", "puad_style")
QUICK = {
    "acvae_style": {"epochs": 5, "tune_epochs": 15, "n_hidden": 8, "window": 6, "batch": 32},
    "deep_sad": {"epochs": 2, "pretrain_epochs": 1, "window": 6},
    "puad_style": {"window": 6},
}


def fleet() -> list[KpiFrame]:
    stream = np.random.default_rng(0)
    frames = []
    for i in range(3):
        values = stream.normal(size=(120, 2))
        values[90 + i : 96 + i, 1] += 4.0
        frames.append(KpiFrame(f"cell-{i}", ("load", "drops"), 0, 60, values))
    return frames


def mark(entity: int, first: int, last: int, kind: MarkKind = MarkKind.MISSED) -> Mark:
    return Mark(f"cell-{entity}", TimeWindow(first * 60, last * 60), kind)


MARKS = [
    mark(0, 90, 96), mark(1, 91, 97), mark(2, 50, 53, MarkKind.FALSE_ALARM),
    mark(2, 10, 14, MarkKind.IGNORE), Mark("nobody", TimeWindow(0, 60), MarkKind.MISSED),
]  # fmt: skip


def test_rows_are_labelled_as_marked_and_history_is_what_nothing_speaks_against() -> None:
    frames = fleet()
    detector = KMeansWindows(KMeansWindowsConfig(window=2)).fit([f[:80] for f in frames])
    seen: list[LabelledWindows] = []
    told = [*MARKS, mark(0, 20, 22)]
    _, counts = tuned_by_marks(detector, frames, told, lambda _, labelled: seen.append(labelled))
    labels = seen[0].labels.reshape(3, 120)
    history = seen[0].history.reshape(3, 120)
    assert np.flatnonzero(labels[0] == 1).tolist() == [20, 21, *range(90, 96)]
    assert np.flatnonzero(labels[2]).tolist() == [50, 51, 52]
    assert (labels[2, 50:53] == -1).all()
    assert not history[:, 80:].any()
    assert not history[0, 20:22].any()
    assert np.flatnonzero(~history[2, :80]).tolist() == [10, 11, 12, 13]
    assert counts == {"anomalous": 14, "normal": 3, "unknown_entity": 1}
    sampled = seen[0].sampled(30)
    assert set(np.flatnonzero(seen[0].labels)) <= set(sampled.tolist())
    assert len(sampled) <= 30 + 17


def test_what_is_usual_follows_from_history_without_marked_anomalies() -> None:
    frames = fleet()
    detector = KMeansWindows(KMeansWindowsConfig(window=2)).fit(frames)
    before = {entity: usual.copy() for entity, usual in detector.measure.usual.items()}
    tuned, _ = tuned_by_marks(detector, frames, MARKS, lambda *_: None)
    assert tuned.measure.usual["cell-0"] < before["cell-0"]
    assert detector.measure.usual.keys() == before.keys()
    for entity, usual in before.items():
        np.testing.assert_array_equal(detector.measure.usual[entity], usual)
    alone, _ = tuned_by_marks(detector, frames[:2], MARKS, lambda *_: None)
    np.testing.assert_array_equal(alone.measure.usual["cell-2"], before["cell-2"])


def test_frames_without_history_are_refused() -> None:
    frames = fleet()
    detector = KMeansWindows(KMeansWindowsConfig(window=2)).fit([f[:80] for f in frames])
    with pytest.raises(InputError, match="no row of the history"):
        tuned_by_marks(detector, [f[80:] for f in frames], MARKS, lambda *_: None)


@pytest.mark.parametrize("name", MEMBERS)
def test_marks_lift_what_is_like_them_and_the_original_stays(name: str) -> None:
    frames = fleet()
    detector = DETECTORS.load(name).with_settings(QUICK[name]).fit([f[:80] for f in frames])
    assert isinstance(detector, Tunable)
    before = [score.total.tobytes() for score in detector.score(frames)]
    tuned, counts = detector.tune(frames, MARKS)
    assert [score.total.tobytes() for score in detector.score(frames)] == before
    assert (counts["anomalous"], counts["normal"]) == (12, 3)
    again, _ = detector.tune(frames, MARKS[::-1])
    scores = [score.total for score in tuned.score(frames)]
    assert [s.tobytes() for s in scores] == [s.total.tobytes() for s in again.score(frames)]
    assert any(a.tobytes() != b for a, b in zip(scores, before, strict=True))
    # A fault like the marked ones, where nothing was marked: it stands out more than it did.
    told = np.frombuffer(before[2]), scores[2]
    shares = [total[92:98].mean() / total[:80].mean() for total in told]
    assert shares[1] > shares[0]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_tuned_one_comes_back_from_its_state(name: str) -> None:
    frames = fleet()
    member = DETECTORS.load(name)
    detector = member.with_settings(QUICK[name]).fit([f[:80] for f in frames])
    tuned, _ = detector.tune(frames, MARKS)  # type: ignore[attr-defined]
    again = member.from_state(tuned.state())  # type: ignore[attr-defined]
    for one, other in zip(tuned.score(frames), again.score(frames), strict=True):
        np.testing.assert_array_equal(one.total, other.total)


@pytest.mark.parametrize("name", MEMBERS)
def test_without_marks_nothing_changes(name: str) -> None:
    frames = fleet()
    detector = DETECTORS.load(name).with_settings(QUICK[name]).fit(frames)
    tuned, counts = detector.tune(frames, MARKS[-1:])  # type: ignore[attr-defined]
    assert counts == {"anomalous": 0, "normal": 0, "unknown_entity": 1}
    for one, other in zip(tuned.score(frames), detector.score(frames), strict=True):
        np.testing.assert_array_equal(one.total, other.total)
