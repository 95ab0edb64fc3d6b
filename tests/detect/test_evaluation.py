"""Versions on labelled frames: what is judged, against what, and what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.evaluation import RANDOM, Evaluation, evaluate_versions
from faultsight.detect.metrics import summary

HOUR_S = 3600
N_TRAIN, N_ROWS = 120, 240
QUICK = AnoTunerConfig(epochs=2, window=12, n_hidden=16, n_filters=8, n_latent=4)
FAULTS = {"cell-0": (200, 206), "cell-1": (150, 153), "cell-2": (100, 104)}
"""Labelled rows; those of cell-2 are history."""


def a_frame(number: int, labels: np.ndarray | None) -> KpiFrame:
    stream = np.random.default_rng(number)
    day = np.sin(np.arange(N_ROWS) / 24 * 2 * np.pi)
    values = day[:, None] * [3.0, 0.2, 1.0] + stream.normal(size=(N_ROWS, 3)) * [0.2, 0.1, 0.3]
    if number == 0:
        values[200:206, 1] += 4.0
    name = f"cell-{number}"
    return KpiFrame(name, ("load", "drops", "delay_ms"), 0, HOUR_S, values, labels=labels)


def labels_of(entity: str) -> np.ndarray:
    labels = np.zeros(N_ROWS)
    labels[slice(*FAULTS[entity])] = 1
    return labels


@pytest.fixture(scope="module")
def frames() -> list[KpiFrame]:
    return [a_frame(number, labels_of(f"cell-{number}")) for number in range(3)]


@pytest.fixture(scope="module")
def models(frames: list[KpiFrame]) -> dict[str, AnoTuner]:
    first = AnoTuner(QUICK).fit([frame[:N_TRAIN] for frame in frames])
    second = AnoTuner(replace(QUICK, seed=1)).fit([frame[:N_TRAIN] for frame in frames])
    return {"old": first, "new": second}


@pytest.fixture(scope="module")
def found(models: dict[str, AnoTuner], frames: list[KpiFrame]) -> Evaluation:
    return evaluate_versions(models, frames)


def test_rows_are_the_metrics_of_what_came_after_training(
    found: Evaluation, models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    assert found.since_s == N_TRAIN * HOUR_S
    assert [row["model"] for row in found.rows] == ["old", "new", RANDOM]
    for row, model in zip(found.rows, models.values(), strict=False):
        scores = model.score(frames)
        pairs = {s.entity: (s.total[N_TRAIN:], labels_of(s.entity)[N_TRAIN:]) for s in scores}
        told = summary(pairs, {e: model.level_of(e) for e in pairs}, interval_s=HOUR_S)
        assert row["entities"] == 3
        assert row["rows"] == 3 * (N_ROWS - N_TRAIN)
        assert row["anomalous_rows"] == 6 + 3
        assert {k: row[k] for k in told} == {
            k: v if np.isfinite(v) else None for k, v in told.items()
        }


def test_counts_are_those_of_alarms_and_labels(
    found: Evaluation, models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    tp = fp = fn = 0
    for score in models["old"].score(frames):
        for row in range(N_TRAIN, N_ROWS):
            alarm = score.total[row] > models["old"].levels[score.entity]
            true = bool(labels_of(score.entity)[row])
            tp, fp, fn = tp + (alarm and true), fp + (alarm and not true), fn + (true and not alarm)
    counts = found.counts("old")
    assert (counts.tp, counts.fp, counts.fn) == (tp, fp, fn)
    assert counts.tp >= 4, "the gross fault of cell-0 is found"
    parts = [found.counts("old", [frame.entity]) for frame in frames]
    assert sum(part.fn for part in parts) == fn


def test_random_alarms_about_as_often_as_the_first_model(found: Evaluation) -> None:
    first, random = found.counts("old"), found.counts(RANDOM)
    n_rows = 3 * (N_ROWS - N_TRAIN)
    share = (first.tp + first.fp) / n_rows
    assert set(found.verdicts[RANDOM].levels.values()) == {1.0 - share}
    spread = np.sqrt(n_rows * share * (1 - share))
    assert abs(random.tp + random.fp - n_rows * share) < 4 * spread
    assert found.verdicts[RANDOM].model is None
    assert [verdict.name for verdict in found.versions] == ["old", "new"]


def test_the_same_twice(
    found: Evaluation, models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    assert evaluate_versions(models, frames).rows == found.rows


def test_labels_of_history_count_for_nothing(
    found: Evaluation, models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    clean = [frames[0], frames[1], a_frame(2, np.zeros(N_ROWS))]
    assert evaluate_versions(models, clean).rows == found.rows
    earlier = evaluate_versions(models, frames, since_s=90 * HOUR_S)
    assert earlier.rows[0]["anomalous_rows"] == 6 + 3 + 4
    assert earlier.judged("cell-0") == slice(90, N_ROWS)


def test_frames_without_labels_are_put_aside(
    models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    some = evaluate_versions(models, [frames[0], a_frame(1, None), frames[2]])
    assert list(some.frames) == ["cell-0", "cell-2"]
    assert some.rows == evaluate_versions(models, [frames[0], frames[2]]).rows


def test_an_entity_with_history_alone_is_not_judged(
    models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    short = evaluate_versions(models, [frames[0], frames[1][:N_TRAIN]])
    assert short.rows[0]["entities"] == 1
    assert short.judged("cell-1") == slice(N_TRAIN, N_TRAIN)
    assert short.counts("old", ["cell-1"]).fp == 0


def test_what_is_not_defined_is_none_and_rows_are_json(models: dict[str, AnoTuner]) -> None:
    healthy = evaluate_versions(models, [a_frame(1, np.zeros(N_ROWS))])
    assert healthy.rows[0]["anomalous_rows"] == 0
    assert any(value is None for value in healthy.rows[0].values())
    assert json.loads(json.dumps(healthy.rows, allow_nan=False)) == list(healthy.rows)


def test_rows_without_any_value_neither_alarm_nor_fail(
    models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    values = frames[0].values.copy()
    values[200:206] = np.nan
    holed = KpiFrame("cell-0", frames[0].kpis, 0, HOUR_S, values, labels=frames[0].labels)
    found = evaluate_versions(models, [holed])
    for name in found.verdicts:
        assert found.counts(name).tp == 0
        assert found.counts(name).fn == 6


def test_what_cannot_be_judged_is_said(models: dict[str, AnoTuner], frames: list[KpiFrame]) -> None:
    with pytest.raises(SettingError, match="no model"):
        evaluate_versions({}, frames)
    with pytest.raises(SettingError, match="'random'"):
        evaluate_versions({RANDOM: models["old"]}, frames)
    with pytest.raises(InputError, match="labels"):
        evaluate_versions(models, [a_frame(0, None)])
    with pytest.raises(InputError, match="history"):
        evaluate_versions(models, [frame[:N_TRAIN] for frame in frames])


def test_importing_it_does_not_load_torch() -> None:
    asked = "import sys, faultsight.detect.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_what_became_worse_is_told_beside_what_became_better(
    models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    quiet, loud = (replace_levels(models["old"], factor) for factor in (1e6, 0.0))
    told = evaluate_versions({"version 1": loud, "version 2": quiet}, frames)
    first, second = told.counts("version 1"), told.counts("version 2")
    assert (first.fn, second.fp) == (0, 0)
    assert told.trade_off == (
        "version 2 beside version 1 is worse: event recall fell from 1.000 to 0.000, missed rows "
        f"rose from 0 to {second.fn}; better: false-alarm rows fell from {first.fp} to 0."
    )
    assert evaluate_versions({"version 1": loud}, frames).trade_off == ""
    same = evaluate_versions({"version 1": loud, "version 2": loud}, frames)
    assert same.trade_off == "version 2 beside version 1 is the same in all that counts."


def replace_levels(model: AnoTuner, factor: float) -> AnoTuner:
    other = copy(model)
    other.levels = {entity: level * factor for entity, level in model.levels.items()}
    return other


def test_rows_without_a_label_are_not_judged(
    models: dict[str, AnoTuner], frames: list[KpiFrame]
) -> None:
    unlabelled = np.zeros(N_ROWS, np.bool_)
    unlabelled[200:] = True
    part = KpiFrame(
        "cell-0", frames[0].kpis, 0, HOUR_S, frames[0].values, labels=frames[0].labels,
        unlabelled=unlabelled,
    )  # fmt: skip
    found = evaluate_versions(models, [part, frames[1]])
    assert found.rows[0]["rows"] == 2 * (N_ROWS - N_TRAIN) - 40
    assert found.rows[0]["anomalous_rows"] == 3
    assert found.counts("old", ["cell-0"]).fn == 0
    nothing = np.full_like(part.values, np.nan)
    empty = KpiFrame("cell-0", part.kpis, 0, HOUR_S, nothing, labels=part.labels)
    with pytest.raises(InputError, match="not one value of the rows to judge"):
        evaluate_versions(models, [empty])
