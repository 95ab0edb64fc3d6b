"""detect/base on tiny sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultsight.bench.engine import BenchResult, Context, run_scenario
from faultsight.bench.scenarios.detect_base import DetectBase

_METHODS = {"anotuner", "anotuner-paper", "input_norm", "pca", "random_score", "ridge_var"}
_FIGURES = {
    "f1_deployed", "f1_point_adjusted", "f1_pot", "f1_nonparametric_dynamic", "f1_pa_k",
    "average_precision", "average_precision_low", "average_precision_high", "vus_pr",
    "affiliation_precision", "event_recall", "false_alarms_per_entity_day", "seconds_fit",
    "seconds_score", "memory_mb",
}  # fmt: skip


@pytest.fixture(scope="module")
def result(tiny_sets: Path) -> BenchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectBase, "epochs", 1)
        # Of the peers that look at windows one of each sort: the contract's checks run on all.
        methods = (*sorted(_METHODS), "knn", "gdn")
        return run_scenario(
            "detect/base", Context(data_dir=tiny_sets, datasets=("JS2", "CDN"), methods=methods)
        )


def test_one_row_a_method_and_set_on_the_whole_test_part(result: BenchResult) -> None:
    assert {row["method"] for row in result.rows} >= _METHODS
    texts = {tuple(v for v in row.values() if isinstance(v, str)) for row in result.rows}
    assert len(texts) == len(result.rows)
    for row in result.rows:
        assert set(row) >= _FIGURES
        assert (row["tuning"], row["seed"]) == ("none", "0")
        fleets, entities = (1, 2) if row["dataset"] == "JS2" else (2, 3)
        assert (row["fleets"], row["fleets_asked"], row["entities"]) == (fleets, fleets, entities)
        assert (row["rows"], row["anomalous_rows"]) == (200 * entities, 18 * entities)
        assert all(not isinstance(value, list | dict) for value in row.values())
    assert set(DetectBase.shown) <= set(result.rows[0])


def test_what_looks_at_values_beats_the_random_score(result: BenchResult) -> None:
    figures = {(row["dataset"], row["method"]): row for row in result.rows}
    for dataset in ("JS2", "CDN"):
        found = float(figures[dataset, "input_norm"]["average_precision"] or 0)
        assert found > 2 * float(figures[dataset, "random_score"]["average_precision"] or 0)


def test_sets_are_described_and_methods_ranked(result: BenchResult) -> None:
    described = [row for row in result.summary if row["part"] == "dataset"]
    assert [(row["dataset"], row["entities"], row["fleets"], row["kpis"]) for row in described] == [
        ("JS2", 2, 1, "3"),
        ("CDN", 3, 2, "2-3"),
    ]
    assert described[0]["anomaly_percent"] == pytest.approx(9.0)
    ranked = [row for row in result.summary if row["part"] == "method"]
    methods = len(ranked)
    assert methods == len({row["method"] for row in result.rows})
    assert {row["datasets"] for row in ranked} == {2}
    for name in ("average_precision", "vus_pr", "f1_deployed", "f1_point_adjusted"):
        ranks = [float(row[f"{name}_mean_rank"] or 0) for row in ranked]
        assert sum(ranks) == pytest.approx(methods * (methods + 1) / 2)
        own = [float(r[name] or 0) for r in result.rows if r["method"] == ranked[0]["method"]]
        assert ranked[0][name] == pytest.approx(sum(own) / 2)
    order = [float(row["vus_pr_mean_rank"] or 0) for row in ranked]
    assert order == sorted(order)


def test_no_further_fleet_is_fitted_when_the_seconds_are_spent(tiny_sets: Path) -> None:
    found = run_scenario(
        "detect/base",
        Context(data_dir=tiny_sets, methods=("pca",), datasets=("CDN",), seconds=1e-9, cases=1),
    )
    assert [row["method"] for row in found.rows] == ["pca", "random_score"]
    # `cases` leaves the first entity of each fleet, and the time is spent after the first fleet.
    assert {(r["fleets"], r["fleets_asked"], r["entities"]) for r in found.rows} == {(1, 2, 1)}
    assert found.rows[0]["average_precision_low"] is None
    assert any("pca on CDN: 1 of 2 fleets" in note for note in found.notes)
    assert any("1e-09 s" in note for note in found.notes)


def test_a_method_that_fails_is_named_and_the_others_go_on(
    tiny_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faultsight.core.errors import InputError
    from faultsight.detect.peers.pca import PCA

    def fail(*_: object) -> None:
        raise InputError("too odd")

    monkeypatch.setattr(PCA, "_learn", fail)
    found = run_scenario(
        "detect/base", Context(data_dir=tiny_sets, methods=("pca",), datasets=("ASD",))
    )
    assert [row["method"] for row in found.rows] == ["random_score"]
    assert "pca has no row for ASD: too odd" in found.notes
