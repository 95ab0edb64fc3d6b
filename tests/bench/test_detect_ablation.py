"""detect/ablation: what each setting changes, and a few of them on a tiny set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faultsight.bench.detect_runs import LAYERS
from faultsight.bench.engine import BenchResult, Context, Row, run_scenario
from faultsight.bench.scenarios import detect_ablation
from faultsight.bench.scenarios.detect_ablation import DetectAblation, _Trial, _trials
from faultsight.core.errors import SettingError
from faultsight.detect import AnoTunerConfig, TuningConfig

_NETWORK, _TUNING = AnoTunerConfig(), TuningConfig()
_FEW = {
    ("detector", "anotuner"), ("layers", "all"), ("layers", "only fine_tuning"),
    ("hinge", "none"), ("history", "tsal"),
    ("marks", "5"), ("marks", "500"), ("marks", "all"), ("memory", "0.0"), ("memory", "0.4"),
}  # fmt: skip


def trials(setting: str) -> dict[str, list[_Trial]]:
    found: dict[str, list[_Trial]] = {}
    for trial in _trials(_NETWORK, _TUNING):
        if trial.setting == setting:
            found.setdefault(trial.value, []).append(trial)
    return found


def tunings(setting: str) -> dict[str, TuningConfig]:
    """Return the tuning of each value, of settings that leave network and marks alone."""
    found = {}
    for value, (trial,) in trials(setting).items():
        assert (trial.network, trial.n_marks) == (_NETWORK, None)
        assert trial.tuning is not None
        found[value] = trial.tuning
    return found


def test_no_two_trials_share_their_texts() -> None:
    texts = [(t.setting, t.value, t.tuning is None) for t in _trials(_NETWORK, _TUNING)]
    assert len(set(texts)) == len(texts)


def test_each_layer_is_left_out_and_runs_alone() -> None:
    found = tunings("layers")
    assert found.pop("all") == _TUNING
    assert found.pop("all, unguarded") == replace(_TUNING, guard=False)
    for layer, (_, off) in LAYERS.items():
        without, only = found.pop(f"without {layer}"), found.pop(f"only {layer}")
        assert without == replace(_TUNING, **{layer: off})
        assert {name for name in LAYERS if getattr(only, name) != LAYERS[name][1]} == {layer}
    assert not found


def test_fine_tuning_is_measured_alone_and_unguarded() -> None:
    for loss in ("hinge", "laelbo"):
        found = tunings(loss)
        assert list(found) == ["none", "decoder", "rstl", "oversample"]
        for way, tuning in found.items():
            assert (tuning.fine_tuning, tuning.augmentation) == (loss, way)
            assert (tuning.guard, tuning.ratio, tuning.cap) == (False, 1.0, float("inf"))
            others = set(LAYERS) - {"fine_tuning"}
            assert all(getattr(tuning, name) == LAYERS[name][1] for name in others)
    laelbo = tunings("laelbo")["decoder"]
    assert [t.ratio for t in tunings("ratio").values()] == [0.5, 1.0, 2.0, 4.0]
    assert {replace(t, ratio=1.0) for t in tunings("ratio").values()} == {laelbo}
    hinge = tunings("hinge")["none"]
    assert tunings("history") == {"uniform": hinge, "tsal": replace(hinge, history="tsal")}


def test_networks_are_judged_untuned_and_tuned() -> None:
    for setting, values in (
        ("condition", ["profile", "stl"]),
        ("form", ["streaming", "sliding"]),
        ("baseline_share", [0.0, 0.2, 0.5]),
        ("memory", [0.0, 0.4, 0.7]),
    ):
        found = list(trials(setting).values())
        assert [[t.tuning for t in pair] for pair in found] == [[None, _TUNING]] * len(values)
        assert [{t.network for t in pair} for pair in found] == [
            {replace(_NETWORK, **{setting: value})}  # type: ignore[arg-type]
            for value in values
        ]
    marks = [trial for (trial,) in trials("marks").values()]
    assert [trial.n_marks for trial in marks] == [5, 15, 50, 150, 500, None]
    assert {(trial.network, trial.tuning) for trial in marks} == {(_NETWORK, _TUNING)}


def test_levels_come_down_or_not_where_alarms_are_confirmed() -> None:
    (lowered,), (left,) = trials("confirmed").values()
    assert lowered.tuning == _TUNING
    assert left.tuning == replace(_TUNING, lowering=False)
    assert {trial.kinds for trial in (lowered, left)} == {"fp+fn+tp"}


def only_few(*configs: Any) -> Iterator[_Trial]:
    return (t for t in _trials(*configs) if (t.setting, t.value) in _FEW)


@pytest.fixture(scope="module")
def result(tiny_sets: Path) -> BenchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectAblation, "epochs", 1)
        patch.setattr(detect_ablation, "_trials", only_few)
        return run_scenario("detect/ablation", Context(data_dir=tiny_sets, datasets=("JS2",)))


def row_of(result: BenchResult, setting: str, value: str, tuning: str = "fp+fn") -> Row:
    key = (setting, value, tuning)
    (row,) = [r for r in result.rows if (r["setting"], r["value"], r["tuning"]) == key]
    return row


def test_the_random_score_comes_first_and_all_judge_the_last_70_percent(
    result: BenchResult,
) -> None:
    assert [row["value"] for row in result.rows[:2]] == ["random_score", "anotuner"]
    assert {(row["rows"], row["entities"]) for row in result.rows} == {(2 * 140, 2)}
    assert {row["method"] for row in result.rows[1:]} == {"anotuner"}
    assert result.rows[0]["method"] == "random_score"
    assert set(DetectAblation.shown) <= set(row_of(result, "layers", "all"))


def test_what_shares_a_network_shares_the_memory_of_fitting_it(result: BenchResult) -> None:
    default = row_of(result, "detector", "anotuner", "none")["memory_mb"]
    assert default is None or float(default) >= 0
    assert {row_of(result, *key)["memory_mb"] for key in (
        ("layers", "all"), ("marks", "5"), ("memory", "0.4", "none"), ("memory", "0.4"),
    )} == {default}  # fmt: skip


def test_the_default_is_the_same_row_in_every_setting(result: BenchResult) -> None:
    def figures(*key: str) -> list[object]:
        row = row_of(result, *key)
        return [row[name] for name in ("average_precision", "vus_pr", "f1_deployed", "marks")]

    untuned, tuned = figures("detector", "anotuner", "none"), figures("layers", "all")
    assert figures("memory", "0.4", "none") == untuned
    assert figures("memory", "0.4") == figures("marks", "all") == tuned
    assert figures("memory", "0.0", "none") != untuned
    gain = float(tuned[0]) - float(untuned[0])  # type: ignore[arg-type]
    assert row_of(result, "layers", "all")["gain"] == pytest.approx(gain, abs=1e-12)


def test_rows_say_what_tuning_did(result: BenchResult) -> None:
    def kept(row: Row) -> list[str]:
        return [name for name in row if name.startswith("kept_")]

    # Too few marks to fine-tune the network by, unless that is asked for, and for patterns.
    assert len(kept(row_of(result, "layers", "all"))) >= len(LAYERS) - 2
    assert kept(row_of(result, "layers", "only fine_tuning")) == []
    assert row_of(result, "hinge", "none")["kept_fine_tuning"] == 1.0
    assert row_of(result, "hinge", "none")["generated_windows"] == 0
    assert row_of(result, "hinge", "none")["asked_windows"] == 0
    assert row_of(result, "history", "tsal")["kept_fine_tuning"] == 1.0


def test_so_many_marks_are_drawn_as_the_row_says(result: BenchResult) -> None:
    n_marks = int(row_of(result, "marks", "all")["marks"] or 0)
    assert n_marks >= 5
    assert row_of(result, "marks", "5")["marks"] == 5
    assert f"JS2, marks 500 has no row: there are {n_marks} marks" in result.notes


def test_each_setting_stops_when_its_seconds_are_spent(
    tiny_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectAblation, "epochs", 0)
    context = Context(data_dir=tiny_sets, datasets=("ASD",), cases=3, seconds=1e-9)
    found = run_scenario("detect/ablation", context)
    settings = [row["setting"] for row in found.rows if row["value"] != "random_score"]
    assert len(set(settings)) == len(settings)
    assert {row["entities"] for row in found.rows} == {3}
    assert "ASD, history: the time was spent before tsal" in found.notes


def test_another_method_is_refused() -> None:
    with pytest.raises(SettingError, match="anotuner alone"):
        run_scenario("detect/ablation", Context(methods=("pca",)))
