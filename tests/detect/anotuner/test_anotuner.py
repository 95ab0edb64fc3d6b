"""AnoTuner as its user meets it: fit, score, alarm, tune, save, load, resume."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from faultsight.core.errors import InputError, SettingError
from faultsight.detect import KpiFrame, Mark, MarkKind, TimeWindow
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig, Query, TuningConfig, _tuning
from faultsight.detect.anotuner._network import Network
from faultsight.detect.anotuner._residuals import deviations
from faultsight.detect.anotuner.fine_tuning import Examples, FineTuning
from faultsight.detect.anotuner.model_versions import ModelVersions
from faultsight.detect.tuning.active_learning import ActiveLearning
from faultsight.detect.tuning.guard import CrossValidation, GuardVerdict

HOUR_S = 3600
QUICK = AnoTunerConfig(epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4)
QUICK_SLIDING = AnoTunerConfig(
    form="sliding", epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4
)
BOTH = pytest.mark.parametrize("config", [QUICK, QUICK_SLIDING], ids=["streaming", "sliding"])


def fleet(n_rows: int = 120, n_entities: int = 3, seed: int = 0) -> list[KpiFrame]:
    stream = np.random.default_rng(seed)
    day = np.sin(np.arange(n_rows) / 24 * 2 * np.pi)
    return [
        KpiFrame(
            f"cell-{i}", ("load", "drops", "delay_ms"), 0, HOUR_S,
            day[:, None] * [3.0, 0.2, 1.0] + stream.normal(size=(n_rows, 3)) * [0.2, 0.1, 0.3],
        )
        for i in range(n_entities)
    ]  # fmt: skip


def cut(frames: list[KpiFrame], stop: int) -> list[KpiFrame]:
    return [frame[:stop] for frame in frames]


def totals(detector: AnoTuner, frames: list[KpiFrame]) -> list[bytes]:
    return [score.total.tobytes() for score in detector.score(frames)]


@BOTH
def test_altered_later_rows_change_no_byte_of_an_earlier_score(config: AnoTunerConfig) -> None:
    frames = fleet()
    detector = AnoTuner(config).fit(cut(frames, 80))
    changed = []
    for frame in frames:
        values = frame.values.copy()
        values[100:] = 1e6
        changed.append(KpiFrame(frame.entity, frame.kpis, 0, HOUR_S, values))
    for a, b in zip(detector.score(frames), detector.score(changed), strict=True):
        assert a.total[:100].tobytes() == b.total[:100].tobytes()


@BOTH
@pytest.mark.parametrize("n_entities", [1, 3])
def test_appended_rows_change_an_earlier_score_by_rounding_alone(
    config: AnoTunerConfig, n_entities: int
) -> None:
    """By the last bits of float32: sums over another number of rows may round otherwise."""
    frames = fleet(560, n_entities)
    detector = AnoTuner(config).fit(cut(frames, 80))
    whole = detector.score(frames)
    # Few rows at once, about a window, and either side of a stretch of the streaming form.
    for n_rows in (1, 2, 5, 11, 12, 13, 100, 511, 512, 513, 559):
        for a, b in zip(detector.score(cut(frames, n_rows)), whole, strict=True):
            np.testing.assert_allclose(a.total, b.total[:n_rows], rtol=1e-6)


@BOTH
def test_same_seed_and_data_give_the_same_bytes_for_any_number_of_workers(
    config: AnoTunerConfig,
) -> None:
    frames = fleet()
    first, second = AnoTuner(config).fit(frames), AnoTuner(config).fit(frames)
    assert totals(first, frames) == totals(second, frames)
    bank = first._bank([first.scaling.apply(frame) for frame in frames])
    one, three = (deviations(first.network, bank, window=config.window, workers=n) for n in (1, 3))
    assert [e.tobytes() for e in one] == [e.tobytes() for e in three]


@BOTH
def test_the_same_bytes_for_any_number_of_threads_of_torch(config: AnoTunerConfig) -> None:
    """A program around that has set another number does not get another model."""
    frames = fleet()
    marks = [Mark("cell-1", TimeWindow(i * HOUR_S, (i + 1) * HOUR_S), MarkKind.FALSE_ALARM)
             for i in range(100, 140)]  # fmt: skip
    told = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        try:
            model = AnoTuner(config).fit(cut(frames, 100))
            tuned, _ = model.tune(frames, marks, TuningConfig(guard=False))
            told.append((totals(model, frames), totals(tuned, frames)))
            assert torch.get_num_threads() == n_threads
        finally:
            torch.set_num_threads(1)
    assert told[0] == told[1]


def test_another_seed_gives_another_model() -> None:
    frames = fleet()
    other = AnoTunerConfig(epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4, seed=1)
    assert totals(AnoTuner(QUICK).fit(frames), frames) != totals(
        AnoTuner(other).fit(frames), frames
    )


@BOTH
def test_a_gross_deviation_alarms_and_names_its_kpi(config: AnoTunerConfig) -> None:
    frames = fleet(200)
    detector = AnoTuner(config).fit(cut(frames, 150))
    values = frames[1].values.copy()
    values[180:184, 1] += 8.0
    broken = KpiFrame("cell-1", frames[1].kpis, 0, HOUR_S, values)
    alarms = detector.alarms(detector.score([broken]))
    worst = max(alarms, key=lambda alarm: alarm.peak)
    assert TimeWindow(180 * HOUR_S, 184 * HOUR_S).overlaps(worst.window)
    assert worst.shares[0][0] == "drops"
    assert worst.shares[0][1] > 0.5


def test_missing_values_are_masked_and_never_scored() -> None:
    frames = fleet()
    values = frames[0].values.copy()
    values[50:60, 0] = np.nan
    values[70] = np.nan
    holed = KpiFrame("cell-0", frames[0].kpis, 0, HOUR_S, values)
    detector = AnoTuner(QUICK).fit([holed, *frames[1:]])
    score = detector.score([holed])[0]
    assert score.residuals is not None
    assert np.isnan(score.residuals[50:60, 0]).all()
    assert np.isfinite(np.delete(score.total, 70)).all()
    assert np.isnan(score.total[70])


def test_constant_and_all_missing_kpis_and_short_series() -> None:
    frames = fleet()
    values = frames[0].values.copy()
    values[:, 1] = 5.0
    values[:, 2] = np.nan
    odd = KpiFrame("cell-0", frames[0].kpis, 0, HOUR_S, values)
    short = KpiFrame("short", frames[0].kpis, 0, HOUR_S, frames[1].values[:5])
    detector = AnoTuner(QUICK).fit([odd, *frames[1:], short])
    for score in detector.score([odd, short]):
        assert np.isfinite(score.total).all()


@BOTH
def test_a_residual_is_mixed_of_what_is_left_over_and_of_the_distance_from_the_usual_day(
    config: AnoTunerConfig,
) -> None:
    frames = fleet()
    parts = []
    for share in (0.0, 0.3, 0.6):
        detector = AnoTuner(replace(config, baseline_share=share, memory=0.0))
        residuals = detector.fit(cut(frames, 80)).score(frames)[1].residuals
        assert residuals is not None
        parts.append(residuals.astype(np.float64))
        # Both parts are in units of their means on history.
        np.testing.assert_allclose(residuals[:80].mean(0), 1.0, rtol=2e-3)
    left_over, mixed, mixed_more = parts
    np.testing.assert_allclose(mixed_more - left_over, 2 * (mixed - left_over), atol=1e-4)
    scaled = detector.scaling.apply(frames[1])
    apart = np.square(scaled.values - detector.condition.baseline(scaled))
    apart /= np.mean(apart[:80], axis=0) + 1e-6
    np.testing.assert_allclose(mixed, 0.7 * left_over + 0.3 * apart, rtol=1e-3, atol=1e-4)


def test_a_state_that_lasts_ranks_higher_by_its_distance_from_the_usual_day() -> None:
    frames = fleet(200)
    values = frames[0].values.copy()
    values[150:] += np.array([0.4, 0.2, 0.6])  # twice the noise, for two days
    lasting = KpiFrame("cell-0", frames[0].kpis, 0, HOUR_S, values)

    def ranked_below(share: float) -> float:
        """Return the share of ordinary rows that score below the state's second day."""
        detector = AnoTuner(replace(QUICK, baseline_share=share)).fit(cut(frames, 120))
        total = detector.score([lasting])[0].total
        return float(np.mean(total[:150, None] < total[None, 174:]))

    assert ranked_below(0.5) > ranked_below(0.2) > ranked_below(0.0)


def test_an_entity_never_seen_is_scored_with_the_fleets_medians() -> None:
    detector = AnoTuner(QUICK).fit(fleet())
    stranger = KpiFrame("new", ("load", "drops", "delay_ms"), 0, HOUR_S, fleet(seed=9)[0].values)
    score = detector.score([stranger])[0]
    assert np.isfinite(score.total).all()
    assert detector.level_of("new") == np.median(list(detector.levels.values()))


@BOTH
def test_interrupted_training_ends_with_the_same_weights(
    config: AnoTunerConfig, tmp_path: Path
) -> None:
    class StopTrainingError(Exception):
        pass

    frames = fleet()
    straight = AnoTuner(config).fit(frames)
    path = tmp_path / "training.safetensors"

    def stop_after_first(line: str) -> None:
        if line.startswith("epoch 2"):
            raise StopTrainingError

    with pytest.raises(StopTrainingError):  # after an epoch, before its checkpoint
        AnoTuner(config, checkpoint=path).fit(frames, progress=stop_after_first)
    told: list[str] = []
    resumed = AnoTuner(config, checkpoint=path).fit(frames, progress=told.append)
    assert told[0] == "resumed after epoch 1 of 2"
    assert resumed.losses == straight.losses
    for a, b in zip(
        straight.network.state_dict().values(), resumed.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    AnoTuner(QUICK, checkpoint=path).fit(fleet())
    with pytest.raises(InputError, match="other data or settings"):
        AnoTuner(QUICK, checkpoint=path).fit(fleet(seed=1))
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a checkpoint"):
        AnoTuner(QUICK, checkpoint=path).fit(fleet())


@BOTH
def test_a_saved_model_scores_the_same_bytes(config: AnoTunerConfig, tmp_path: Path) -> None:
    frames = fleet()
    hostile = KpiFrame("../../etc/'; DROP --", frames[0].kpis, 0, HOUR_S, frames[0].values)
    detector = AnoTuner(config).fit([*frames, hostile])
    loaded = AnoTuner.load(detector.save(tmp_path / "model"))
    assert totals(loaded, [*frames, hostile]) == totals(detector, [*frames, hostile])
    assert loaded.levels == detector.levels
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("n_entities", [1, 2, 3])
def test_a_model_of_before_the_baseline_had_a_share_scores_as_it_did(
    tmp_path: Path, n_entities: int
) -> None:
    frames = fleet(n_entities=n_entities)
    plain = AnoTuner(replace(QUICK, baseline_share=0.0)).fit(cut(frames, 80))
    folder = plain.save(tmp_path / "model")
    path = folder / "model.json"
    told = json.loads(path.read_text())
    tensors = load_file(folder / told["tensors"])
    for name in ("usual", "usual_elsewhere"):
        tensors[name] = tensors[name][..., 0, :].contiguous()
    del told["config"]["baseline_share"]
    save_file(tensors, folder / told["tensors"])
    told["sha256"] = hashlib.sha256((folder / told["tensors"]).read_bytes()).hexdigest()
    path.write_text(json.dumps(told))
    assert totals(AnoTuner.load(folder), frames) == totals(plain, frames)


def test_a_damaged_model_is_refused_by_name(tmp_path: Path) -> None:
    folder = AnoTuner(QUICK).fit(fleet()).save(tmp_path / "model")
    tensors = next(folder.glob("*.safetensors"))
    good = tensors.read_bytes()
    tensors.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(InputError, match="damaged"):
        AnoTuner.load(folder)
    tensors.write_bytes(good)
    card = json.loads((folder / "model.json").read_text())
    for change in ({"format": 99}, {"levels": None}, {"config": {"nonsense": 1}}):
        (folder / "model.json").write_text(json.dumps(card | change))
        with pytest.raises(InputError, match="model"):
            AnoTuner.load(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        AnoTuner.load(folder)
    with pytest.raises(InputError, match="no model here"):
        AnoTuner.load(tmp_path)


class _Bomb:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch '{self.file}'",)


@pytest.mark.parametrize("protocol", [0, 4])
@pytest.mark.parametrize("name", ["model.json", "tensors", "tensors of a right digest", "both"])
def test_a_pickle_in_place_of_a_file_is_refused_and_never_run(
    name: str, protocol: int, tmp_path: Path
) -> None:
    folder = AnoTuner(QUICK).fit(fleet()).save(tmp_path / "model")
    exploded = tmp_path / "exploded"
    bomb = pickle.dumps(_Bomb(exploded), protocol)
    card, tensors = folder / "model.json", next(folder.glob("*.safetensors"))
    assert sorted(folder.iterdir()) == sorted([card, tensors])
    if name != "model.json":
        tensors.write_bytes(bomb)
    if name == "tensors of a right digest":  # only the format is wrong
        told = json.loads(card.read_bytes())
        card.write_text(json.dumps(told | {"sha256": hashlib.sha256(bomb).hexdigest()}))
    if name in ("model.json", "both"):
        card.write_bytes(bomb)
    with pytest.raises(InputError, match="model"):
        AnoTuner.load(folder)
    assert not exploded.exists()
    pickle.loads(bomb)  # it would have been seen
    assert exploded.exists()


def test_versions_are_added_listed_and_reverted(tmp_path: Path) -> None:
    detector = AnoTuner(QUICK).fit(fleet())
    versions = ModelVersions(tmp_path / "model")
    with pytest.raises(InputError, match="no model here"):
        _ = versions.current
    assert versions.add(detector, {"step": "fit"}) == 1
    with pytest.raises(InputError, match="the first"):
        versions.revert()
    assert versions.add(detector, {"step": "tune"}) == 2
    assert (versions.current, versions.card()["card"]["parent"]) == (2, 1)
    before = totals(versions.load(1), fleet())
    assert versions.revert() == 1
    assert versions.current == 1
    assert totals(versions.load(), fleet()) == before
    assert versions.revert(2) == 2
    with pytest.raises(InputError, match="no version 7"):
        versions.revert(7)


@pytest.mark.parametrize(
    "change",
    [
        {"form": "other"},
        {"window": 0},
        {"epochs": -1},
        {"n_hidden": 0},
        {"learning_rate": -1.0},
        {"variance": 0.0},
        {"memory": 1.0},
        {"baseline_share": 1.0},
        {"baseline_share": -0.1},
        {"largest": 0},
        {"beta": float("nan")},
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        AnoTunerConfig(**change)  # type: ignore[arg-type]


def marked_fleet() -> tuple[list[KpiFrame], list[Mark]]:
    """Return a fleet whose test part holds a benign change and a fault, both marked in part."""
    frames = fleet(240, 4)
    marks = []
    changed = []
    for i, frame in enumerate(frames):
        values = frame.values.copy()
        values[160:, 0] += 1.5  # a change that is normal
        values[200 + i : 206 + i, 1] += 1.2  # a fault
        changed.append(KpiFrame(frame.entity, frame.kpis, 0, HOUR_S, values))
        marks.append(
            Mark(frame.entity, TimeWindow(162 * HOUR_S, 190 * HOUR_S), MarkKind.FALSE_ALARM)
        )
        marks.append(
            Mark(frame.entity, TimeWindow((200 + i) * HOUR_S, (206 + i) * HOUR_S), MarkKind.MISSED)
        )
    return changed, marks


@BOTH
def test_tuning_lowers_false_alarms_and_leaves_the_original_as_it_was(
    config: AnoTunerConfig,
) -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(config).fit(cut(frames, 150))
    before = totals(detector, frames)
    levels = dict(detector.levels)
    tuned, report = detector.tune(frames, marks, TuningConfig(epochs=3, guard=False))
    assert totals(detector, frames) == before
    assert detector.levels == levels
    assert report.n_marks == {"false_alarm": 4, "missed": 4}

    def false_alarms(model: AnoTuner) -> int:
        return sum(
            int((s.total[206:] > model.level_of(s.entity)).sum()) for s in model.score(frames)
        )

    assert false_alarms(tuned) < false_alarms(detector)
    again, _ = detector.tune(frames, marks, TuningConfig(epochs=3, guard=False))
    assert totals(again, frames) == totals(tuned, frames)


def test_the_guard_reports_every_layer() -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    _, report = detector.tune(frames, marks)
    steps = [verdict.step for verdict in report.verdicts]
    layers = ["history correction", "residual head", "pooled levels", "recalibration"]
    assert steps[:4] == layers
    assert steps[4:] == ["recalibration by false alarms"] * (not report.verdicts[3].kept)
    for verdict in report.verdicts:
        assert verdict.before is not None
        assert verdict.after is not None
        assert verdict.kept == (verdict.after < verdict.before - 1e-9)
        assert verdict.reason
    json.dumps(report.to_dict())


def test_levels_come_down_as_far_as_the_guard_says_where_alarms_were_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames, missed = marked_fleet()
    confirmed = [
        replace(mark, kind=MarkKind.CONFIRMED) if mark.kind is MarkKind.MISSED else mark
        for mark in missed
    ]
    detector = AnoTuner(QUICK).fit(cut(frames, 150))

    def tuned(factor: float, marks: list[Mark]) -> dict[str, float]:
        told = GuardVerdict("lowered levels", factor < 1.0, 0.5, 0.5, len(marks), "")
        monkeypatch.setattr(CrossValidation, "lower", lambda _guard, _step: (factor, told))
        return detector.tune(frames, marks)[0].levels

    as_learned, halved = tuned(1.0, confirmed), tuned(0.5, confirmed)
    assert halved == {entity: 0.5 * level for entity, level in as_learned.items()}
    assert tuned(1.0, missed) == tuned(0.5, missed)


@pytest.mark.parametrize("baseline_share", [0.0, 0.2])
def test_the_network_is_fine_tuned_where_marks_are_enough(
    baseline_share: float, tmp_path: Path
) -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(replace(QUICK, baseline_share=baseline_share)).fit(cut(frames, 150))
    tuned, report = detector.tune(frames, marks, TuningConfig(epochs=2, least_marks=8))
    assert report.verdicts[1].step == "fine-tuning"
    assert totals(AnoTuner.load(tuned.save(tmp_path / "model")), frames) == totals(tuned, frames)


def test_patterns_are_learned_where_marks_are_enough_and_saved(tmp_path: Path) -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    only = TuningConfig(
        least_marks=1, fine_tuning="none", correction=False, head=False, pooling=False,
        recalibration=False, guard=False,
    )  # fmt: skip
    tuned, report = detector.tune(frames, marks, only)
    assert [verdict.step for verdict in report.verdicts] == ["pattern head"]
    assert tuned.patterns is not None
    assert tuned.patterns.strength > 0
    untuned = {s.entity: s for s in detector.score(frames)}
    changed = False
    for score in tuned.score(frames):
        factors = tuned.patterns.factors(untuned[score.entity].deviations)  # type: ignore[arg-type]
        np.testing.assert_allclose(score.total, untuned[score.entity].total * factors)
        changed |= bool((np.abs(factors - 1) > 0.01).any())
    assert changed
    assert totals(AnoTuner.load(tuned.save(tmp_path / "tuned")), frames) == totals(tuned, frames)


def test_no_marks_and_unusable_marks_change_nothing_and_are_counted() -> None:
    frames, _ = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    span = TimeWindow(170 * HOUR_S, 175 * HOUR_S)
    marks = [
        Mark("nobody", span, MarkKind.MISSED),
        Mark("cell-0", TimeWindow(10**9, 10**9 + HOUR_S), MarkKind.MISSED),
        Mark("cell-1", span, MarkKind.MISSED),
        Mark("cell-1", span, MarkKind.FALSE_ALARM),
    ]
    tuned, report = detector.tune(frames, marks)
    assert totals(tuned, frames) == totals(detector, frames)
    assert report.dropped == {"unknown_entity": 1, "outside_data": 1, "contradicted": 2}


def test_few_marks_are_not_trusted_by_the_guard() -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    tuned, report = detector.tune(frames, marks[:2], TuningConfig(epochs=1))
    assert totals(tuned, frames) == totals(detector, frames)
    assert all("too few" in verdict.reason for verdict in report.verdicts)


@pytest.mark.parametrize("augmentation", ["decoder", "oversample"])
def test_the_papers_way_asks_and_augments(augmentation: str) -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK_SLIDING).fit(cut(frames, 150))
    asked = []

    def ask(query: object) -> bool:
        asked.append(query)
        return False

    config = TuningConfig.paper(epochs=2, augmentation=augmentation)
    tuned, report = detector.tune(frames, marks, config, ask=ask)
    # 4 x 28 false-alarm rows and 4 x 6 missed ones: 88 are generated, one for one.
    assert report.n_generated == 88
    assert report.n_asked == len(asked)
    assert totals(tuned, frames) != totals(detector, frames)


@pytest.mark.parametrize("is_anomaly", [False, True])
def test_what_an_operator_says_of_a_cluster_is_learned(
    is_anomaly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusters without marks are asked about, and the answer is the label of their samples."""
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    monkeypatch.setattr(_tuning, "ActiveLearning", partial(ActiveLearning, distance=0.05))
    asked: list[Query] = []
    learned: list[Examples] = []

    def ask(query: Query) -> bool:
        asked.append(query)
        return is_anomaly

    def fine_tune(network: Network, examples: Examples, config: FineTuning) -> Network:
        learned.append(examples)
        return network

    monkeypatch.setattr(_tuning, "fine_tune", fine_tune)
    config = TuningConfig.paper(epochs=1, augmentation="none")
    _, report = detector.tune(frames, marks, config, ask=ask)
    assert report.n_asked == len(asked) > 1
    assert report.n_history > 0
    assert {query.entity for query in asked} <= {frame.entity for frame in frames}
    assert all(0 <= query.at < 150 for query in asked)
    assert learned[0].is_anomaly[-report.n_history :].tolist() == [is_anomaly] * report.n_history
    _, unasked = detector.tune(frames, marks, config)
    assert (unasked.n_asked, unasked.n_history) == (0, report.n_history)


UNGUARDED = TuningConfig(epochs=1, guard=False, least_marks=1)


def test_history_is_each_entitys_own() -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit([frames[0][:150], frames[1][:100], *cut(frames[2:], 150)])
    loaded_marks = [mark for mark in marks if mark.entity != "cell-1"]
    changed = frames[1].values.copy()
    changed[110:150] = 50.0  # after its own history: nothing usual may be learned from it
    other = KpiFrame("cell-1", frames[1].kpis, 0, HOUR_S, changed)
    first, _ = detector.tune(frames, loaded_marks, UNGUARDED)
    second, _ = detector.tune([frames[0], other, *frames[2:]], loaded_marks, UNGUARDED)
    assert first.levels["cell-1"] == pytest.approx(second.levels["cell-1"])
    np.testing.assert_allclose(first.usual["cell-1"], second.usual["cell-1"], rtol=1e-5)


def test_a_model_tuned_on_a_part_of_the_fleet_keeps_the_rest(tmp_path: Path) -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    stranger = KpiFrame("new", frames[0].kpis, 0, HOUR_S, frames[0].values)
    some = [*frames[:2], stranger]
    tuned, _ = detector.tune(some, [m for m in marks if m.entity in ("cell-0", "cell-1")],
                             UNGUARDED)  # fmt: skip
    np.testing.assert_array_equal(
        np.stack(tuned.scaling.of("cell-3")), np.stack(detector.scaling.of("cell-3"))
    )
    loaded = AnoTuner.load(tuned.save(tmp_path / "model"))
    assert totals(loaded, [*frames, stranger]) == totals(tuned, [*frames, stranger])


def test_tuning_again_learns_from_old_and_new_marks_together(tmp_path: Path) -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    once, _ = detector.tune(frames, marks[:4], UNGUARDED)
    twice, report = once.tune(frames, marks[4:], UNGUARDED)
    together, _ = detector.tune(frames, marks, UNGUARDED)
    assert totals(twice, frames) == totals(together, frames)
    assert sum(report.n_marks.values()) == len(marks)
    assert (twice.marks, twice.ancestor) == (tuple(sorted(marks)), detector)
    alone = AnoTuner.load(once.save(tmp_path / "alone"))
    with pytest.raises(InputError, match="load what it was tuned from"):
        alone.tune(frames, marks[4:], UNGUARDED)
    versions = ModelVersions(tmp_path / "model")
    versions.add(detector, {"step": "fit"})
    versions.add(once, {"step": "tune"})
    later, _ = versions.load().tune(frames, marks[4:], UNGUARDED)
    assert totals(later, frames) == totals(together, frames)


def test_ignored_history_is_not_learned_from() -> None:
    frames, marks = marked_fleet()
    values = frames[0].values.copy()
    values[50:53] += 20.0
    odd = KpiFrame("cell-0", frames[0].kpis, 0, HOUR_S, values)
    detector = AnoTuner(QUICK).fit([odd[:150], *cut(frames[1:], 150)])
    told = [*marks, Mark("cell-0", TimeWindow(50 * HOUR_S, 53 * HOUR_S), MarkKind.IGNORE)]
    without, _ = detector.tune([odd, *frames[1:]], told, UNGUARDED)
    with_it, _ = detector.tune([odd, *frames[1:]], marks, UNGUARDED)
    spans = [tuned.scaling.of("cell-0")[1] for tuned in (without, with_it)]
    assert (spans[0] < 0.5 * spans[1]).all()


def test_frames_that_cannot_be_tuned_on_are_refused() -> None:
    frames, marks = marked_fleet()
    detector = AnoTuner(QUICK).fit(cut(frames, 150))
    slower = KpiFrame("cell-0", frames[0].kpis, 0, 2 * HOUR_S, frames[0].values)
    for given, problem in (
        ([frames[0], frames[0]], "two frames"),
        ([slower], "steps of"),
        ([frame[160:] for frame in frames], "no row of the history"),
    ):
        with pytest.raises(InputError, match=problem):
            detector.tune(given, marks, UNGUARDED)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": -1.0}, {"confirmed_weight": 1.5}, {"epochs": -1}, {"ratio": float("nan")},
     {"least_quantile": 2.0}, {"history": "other"}],
)  # fmt: skip
def test_tuning_settings_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        TuningConfig(**change)  # type: ignore[arg-type]


def test_an_interrupted_fit_leaves_nothing_half_fitted() -> None:
    def stop(_line: str) -> None:
        raise KeyboardInterrupt

    detector = AnoTuner(QUICK)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(fleet(), progress=stop)
    with pytest.raises(InputError, match="not fitted"):
        detector.score(fleet())


def test_an_empty_frame_has_an_empty_score() -> None:
    frames = fleet()
    detector = AnoTuner(QUICK).fit(frames)
    assert [len(score) for score in detector.score([frames[0], frames[1][:0]])] == [120, 0]
