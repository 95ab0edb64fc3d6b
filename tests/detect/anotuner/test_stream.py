"""The stream says row by row what scoring whole series says."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, SettingError
from faultsight.detect import KpiFrame
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.anotuner.conditions.profile import Profile
from faultsight.detect.anotuner.stream import AnoTunerStream, Tick
from faultsight.detect.tuning.pattern_head import PatternHead
from faultsight.detect.tuning.residual_head import ResidualHead

HOUR_S = 3600
KPIS = ("load", "drops", "delay_ms")
FORMS = pytest.mark.parametrize("form", ["streaming", "sliding"])


def fleet(n_rows: int = 110, n_entities: int = 4, seed: int = 0) -> list[KpiFrame]:
    stream = np.random.default_rng(seed)
    day = np.sin(np.arange(n_rows) / 24 * 2 * np.pi)
    return [
        KpiFrame(
            f"cell-{i}",
            KPIS,
            0,
            HOUR_S,
            day[:, None] * [3.0, 0.2, 1.0] + stream.normal(size=(n_rows, 3)) * [0.2, 0.1, 0.3],
        )
        for i in range(n_entities)
    ]


@lru_cache
def model(
    form: str, memory: float = 0.4, *, tuned: bool = False, baseline_share: float = 0.0
) -> AnoTuner:
    config = AnoTunerConfig(
        form="sliding" if form == "sliding" else "streaming",
        epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4, memory=memory,
        largest=2 if tuned else None, baseline_share=baseline_share,
    )  # fmt: skip
    fitted = AnoTuner(config).fit([frame[:80] for frame in fleet()])
    if tuned:
        fitted.head = ResidualHead(KPIS, (0.5, -0.3, 0.1), {"cell-1": 0.7}, 0.3, 2)
        seen = np.array([[0.6, 0.8, 0.0]], dtype=np.float32)
        fitted.patterns = PatternHead(KPIS, seen, -seen, strength=1.0)
    return fitted


def holed(frames: list[KpiFrame], seed: int = 1) -> list[KpiFrame]:
    """Return the frames with missing values, rows and KPIs, one value absurd and one infinite."""
    stream = np.random.default_rng(seed)
    changed = []
    for i, frame in enumerate(frames):
        values = frame.values.copy()
        values[stream.random(values.shape) < 0.1] = np.nan
        values[50:53] = np.nan
        values[:, 2] = np.nan if i == 3 else values[:, 2]
        values[60, 0], values[61, 1] = 1e30, np.inf
        changed.append(replace_values(frame, values))
    return changed


def replace_values(frame: KpiFrame, values: object) -> KpiFrame:
    return KpiFrame(frame.entity, frame.kpis, frame.start_s, frame.interval_s, values)  # type: ignore[arg-type]


def played(stream: AnoTunerStream, frames: list[KpiFrame], first: int) -> list[Tick]:
    return [
        stream.advance(row * HOUR_S, [frame.values[row] for frame in frames], residuals=True)
        for row in range(first, len(frames[0]))
    ]


def assert_like(ticks: list[Tick], detector: AnoTuner, frames: list[KpiFrame], first: int) -> None:
    for place, score in enumerate(detector.score(frames)):
        total = np.array([tick.total[place] for tick in ticks])
        np.testing.assert_allclose(total, score.total[first:], rtol=1e-4)
        alarming = np.array([tick.alarming[place] for tick in ticks])
        assert (alarming == (total > detector.level_of(score.entity))).all()
        parts = np.array([tick.residuals[place] for tick in ticks])  # type: ignore[index]
        assert score.residuals is not None
        np.testing.assert_allclose(parts, score.residuals[first:], rtol=1e-3, atol=1e-3)


@FORMS
@pytest.mark.parametrize("memory", [0.0, 0.4])
@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("baseline_share", [0.0, 0.3])
def test_rows_score_as_whole_series_do(
    form: str, memory: float, tuned: bool, baseline_share: float
) -> None:
    detector = model(form, memory, tuned=tuned, baseline_share=baseline_share)
    frames = holed(fleet(n_entities=4))
    stranger = KpiFrame("new", KPIS, 0, HOUR_S, fleet(seed=9)[0].values)
    frames = [*frames[:2], stranger, *frames[2:]]
    stream = AnoTunerStream(detector, [frame.entity for frame in frames])
    assert_like(played(stream, frames, 0), detector, frames, 0)
    assert stream.time_s == 109 * HOUR_S


@FORMS
def test_history_taken_in_counts_though_frames_start_and_end_apart(form: str) -> None:
    detector = model(form, tuned=True)
    frames = holed(fleet())
    frames[1] = frames[1][7:]
    stream = AnoTunerStream(detector, [frame.entity for frame in frames])
    parts = [frames[0][:90], frames[1][:83], frames[2][:85], frames[3][:90]]
    stream.warm(parts[::-1])
    frames[2].values[85:90] = np.nan
    ticks = [
        stream.advance(
            row * HOUR_S, [f.values[row - f.start_s // HOUR_S] for f in frames], residuals=True
        )
        for row in range(90, 110)
    ]
    whole = detector.score(frames)
    for place, score in enumerate(whole):
        total = [tick.total[place] for tick in ticks]
        np.testing.assert_allclose(total, score.total[-20:], rtol=1e-4)


@FORMS
def test_an_entity_without_history_starts_with_its_first_tick(form: str) -> None:
    detector = model(form)
    frames = fleet()
    stream = AnoTunerStream(detector, ["cell-0", "cell-1"]).warm([frames[0][:30]])
    ticks = played(stream, frames[:2], 30)
    assert_like(ticks, detector, [frames[0]], 30)
    late = detector.score([frames[1][30:]])[0]
    np.testing.assert_allclose([t.total[1] for t in ticks], late.total, rtol=1e-4)


@FORMS
def test_rows_left_out_are_missing_rows(form: str) -> None:
    detector = model(form)
    frames = fleet()
    for frame in frames:
        frame.values[70:74] = np.nan
    stream = AnoTunerStream(detector, [frame.entity for frame in frames])
    stream.warm([frame[:70] for frame in frames])
    assert_like(played(stream, frames, 74), detector, frames, 74)


@FORMS
def test_totals_do_not_depend_on_workers_or_on_who_shares_the_stream(form: str) -> None:
    detector = model(form)
    n = 1300 if form == "sliding" else 4200  # more than two batches
    values = np.random.default_rng(2).normal(size=(2, n, 3))
    totals = []
    for workers in (1, 3):
        stream = AnoTunerStream(detector, [f"cell-{i}" for i in range(n)], workers=workers)
        totals.append([stream.advance(i * HOUR_S, row).total for i, row in enumerate(values)])
    assert np.array(totals[0]).tobytes() == np.array(totals[1]).tobytes()
    alone = AnoTunerStream(detector, [f"cell-{n - 1}"])
    few = [alone.advance(i * HOUR_S, row[-1:]).total[0] for i, row in enumerate(values)]
    np.testing.assert_allclose(few, np.array(totals[0])[:, -1], rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(0, 110), form=st.sampled_from(["streaming", "sliding"]))
def test_where_history_ends_and_the_stream_begins_changes_nothing(cut: int, form: str) -> None:
    detector = model(form, tuned=True)
    frames = holed(fleet(n_entities=2))
    stream = AnoTunerStream(detector, ["cell-0", "cell-1"]).warm([f[:cut] for f in frames])
    last = max(cut, 100)
    if cut < last:
        stream.warm([frame[cut:last] for frame in frames])
    ticks = played(stream, frames, last)
    for place, score in enumerate(detector.score(frames)):
        total = [tick.total[place] for tick in ticks]
        np.testing.assert_allclose(total, score.total[last:], rtol=1e-4)


def test_what_cannot_be_is_refused_and_leaves_the_stream_as_it_was() -> None:
    detector = model("streaming")
    frames = fleet()
    with pytest.raises(InputError, match="not fitted"):
        AnoTunerStream(AnoTuner(), ["a"])
    with pytest.raises(InputError, match="twice"):
        AnoTunerStream(detector, ["a", "a"])
    with pytest.raises(InputError, match="at least one"):
        AnoTunerStream(detector, [])
    stream = AnoTunerStream(detector, ["cell-0"]).warm([frames[0][:50]])
    for time_s in (49 * HOUR_S, 50 * HOUR_S + 1, 10**9 * HOUR_S):
        with pytest.raises(InputError, match="cannot follow"):
            stream.advance(time_s, frames[0].values[50:51])
    with pytest.raises(InputError, match="shape"):
        stream.advance(50 * HOUR_S, frames[0].values[50])
    for frame, message in (
        (frames[0][49:60], "before the last row"),
        (frames[1][50:60], "not an entity"),
        (KpiFrame("cell-0", KPIS, 50 * HOUR_S + 60, HOUR_S, np.zeros((2, 3))), "grid"),
        (KpiFrame("cell-0", KPIS, 50 * HOUR_S, 60, np.zeros((2, 3))), "grid"),
    ):
        with pytest.raises(InputError, match=message):
            stream.warm([frame])
    with pytest.raises(InputError, match="two frames"):
        stream.warm([frames[0][50:60], frames[0][50:60]])
    assert_like(played(stream, frames[:1], 50), detector, frames[:1], 50)


def test_a_condition_that_needs_more_than_a_level_is_refused() -> None:
    config = AnoTunerConfig.paper(epochs=0, n_hidden=4, n_filters=4, n_latent=2)
    detector = AnoTuner(config).fit(fleet())
    with pytest.raises(SettingError, match="'profile'"):
        AnoTunerStream(detector, ["cell-0"])


def test_residuals_are_told_only_when_asked_for() -> None:
    stream = AnoTunerStream(model("streaming"), ["cell-0"])
    assert stream.advance(0, [[1.0, 2.0, 3.0]]).residuals is None


def test_the_profile_finds_entities_again_after_another_fit() -> None:
    frames = fleet()
    profile = Profile().fit(frames)
    assert [profile.place(e) for e in ("cell-2", "nobody")] == [2, 4]
    profile.fit(frames[::-1])
    assert [profile.place(e) for e in ("cell-2", "nobody")] == [1, 4]
    np.testing.assert_array_equal(
        profile.compute(frames[2]), Profile().fit(frames).compute(frames[2])
    )
