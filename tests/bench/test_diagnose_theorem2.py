"""diagnose/theorem2 on one small plant, and the curves by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from faultsight.bench.engine import BenchResult, Context, read_result, run_scenario
from faultsight.bench.fault_labels import fault_labels
from faultsight.bench.threshold_curves import ThresholdCurves
from faultsight.cli import app
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.telapart import TelApartConfig
from faultsight.diagnose.telapart.feature_window import FeatureWindow
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node

_METHODS = ["trr", "trr-unguarded", "likelihood", "best-ari", "fewest-errors", "random"]


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return run_scenario("diagnose/theorem2", Context(cases=1))


def test_every_method_has_a_row_for_one_plant_and_for_all(result: BenchResult) -> None:
    keys = [(r["plants"], r["evidence"], r["feature"], r["method"]) for r in result.rows]
    assert len(set(keys)) == len(keys)
    for plants in ("one", "all"):
        for evidence in ("paper", "deviation"):
            mine = [k[3] for k in keys if k[:2] == (plants, evidence)]
            assert mine
            assert len(mine) % len(_METHODS) == 0
            assert mine[: len(_METHODS)] == _METHODS


def test_nobody_beats_who_knows_the_truth(result: BenchResult) -> None:
    for row in result.rows:
        assert float(row["ari_loss"]) >= 0  # type: ignore[arg-type]
        assert 0 <= float(row["errors_share"]) <= 1  # type: ignore[arg-type]
        if row["method"] == "best-ari":
            assert row["ari_loss"] == 0
    least = {
        (r["plants"], r["evidence"], r["feature"]): r["errors_share"]
        for r in result.rows
        if r["method"] == "fewest-errors"
    }
    for row in result.rows:
        best = least[row["plants"], row["evidence"], row["feature"]]
        assert float(row["errors_share"]) >= float(best)  # type: ignore[arg-type]


def test_one_plant_alone_is_all_plants(result: BenchResult) -> None:
    one = [dict(r) | {"plants": ""} for r in result.rows if r["plants"] == "one"]
    everything = [dict(r) | {"plants": ""} for r in result.rows if r["plants"] == "all"]
    assert one == everything


def test_the_same_seed_gives_the_same_rows(result: BenchResult) -> None:
    again = run_scenario("diagnose/theorem2", Context(cases=1, datasets=("deviation",)))
    assert list(again.rows) == [r for r in result.rows if r["evidence"] == "deviation"]
    assert list(again.summary) == [r for r in result.summary if r["evidence"] == "deviation"]
    other = run_scenario("diagnose/theorem2", Context(cases=1, datasets=("deviation",), seed=1))
    assert list(other.rows) != list(again.rows)
    assert list(other.summary) != list(again.summary)


def test_curves_pass_no_better_threshold_than_the_best(result: BenchResult) -> None:
    curve = [row for row in result.summary if row["part"] == "curve"]
    best = {
        (r["evidence"], r["feature"]): r
        for r in result.rows
        if r["plants"] == "all" and r["method"] == "best-ari"
    }
    assert {(r["evidence"], r["feature"]) for r in curve} == set(best)
    for key, known in best.items():
        mine = [row for row in curve if (row["evidence"], row["feature"]) == key]
        assert [row["similarity"] for row in mine] == [round(1 - k / 20, 2) for k in range(21)]
        assert {row["windows_judged"] for row in mine} == {known["windows_judged"]}
        assert max(float(row["ari"] or 0) for row in mine) <= float(known["ari"] or 0)
        near = min(mine, key=lambda row: abs(float(row["similarity"] or 0) - 0.5))
        assert float(near["trr"] or 0) > 0


def test_assumptions_have_a_row_for_every_feature(result: BenchResult) -> None:
    told = [row for row in result.summary if row["part"] == "assumption"]
    assert len({(row["evidence"], row["feature"]) for row in told}) == len(told) == 6
    chosen = {
        (r["evidence"], r["feature"], r["method"]): r for r in result.rows if r["plants"] == "all"
    }
    for row in told:
        key = row["evidence"], row["feature"]
        if (*key, "best-ari") in chosen:
            assert row["ari_similarity"] == chosen[*key, "best-ari"]["similarity"]
            assert row["trr_similarity"] == chosen[*key, "trr-unguarded"]["similarity"]
            assert row["errors_at_trr"] == chosen[*key, "trr-unguarded"]["errors_share"]
            assert float(row["errors_fewest"] or 0) <= float(row["errors_at_trr"] or 0)
        if row["windows"]:
            assert 0 <= float(row["windows_all_first"] or 0) <= float(row["before_mixed"] or 0) <= 1
        else:
            assert row["before_mixed"] is None
    # Each evidence has the same faults and tickets.
    inside = {evidence: [row["tickets_inside"] for row in told if row["evidence"] == evidence]
              for evidence in ("paper", "deviation")}  # fmt: skip
    assert inside["paper"] == inside["deviation"]


def test_curves_are_written_but_not_printed(
    result: BenchResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("faultsight.bench.engine.run_scenario", lambda *_: result)
    file = tmp_path / "result.json"
    ran = CliRunner().invoke(app, ["bench", "run", "diagnose/theorem2", "--json", str(file)])
    assert ran.exit_code == 0, ran.output
    assert "assumption" in ran.stdout
    assert "curve" not in ran.stdout
    assert read_result(file).summary == result.summary


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        run_scenario("diagnose/theorem2", Context(methods=("nobody",)))
    with pytest.raises(UnknownMemberError, match="nothing"):
        run_scenario("diagnose/theorem2", Context(datasets=("nothing",)))


def test_curves_worked_by_hand() -> None:
    """Two faulty modems are alike (0.9), the third is healthy; two or more are maintenance."""
    similarity = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.2], [0.2, 0.2, 1.0]])
    curves = ThresholdCurves(TelApartConfig.paper(cluster_size=1))
    window = FeatureWindow(
        "snr", np.arange(3), np.array([True, False, False]), similarity,
        np.full(3, -1), np.zeros(3),
    )  # fmt: skip
    truth = np.array([True, True, False])
    day = np.full(3, 86_400.0)
    calls = np.array([1.0, 0.0, 0.0]), np.zeros(3)
    curves.add(window, np.array([1, 1, 0]), truth, (day, *calls))
    strict, good, loose = (
        int(np.argmin(np.abs(curves.thresholds - s))) for s in (0.95, 0.5, 0.1)
    )  # fmt: skip
    # Nothing merged: two modems are missed. All merged: one is wrongly called maintenance.
    assert curves.errors_share[[strict, good, loose]].tolist() == [2 / 3, 0.0, 1 / 3]
    assert curves.n_judged == 0  # a group alone is no clustering
    curves.add(window, np.array([1, 1, 2]), truth, (day, *calls))
    assert curves.n_judged == 1
    assert curves.ari[[strict, good, loose]].tolist() == [0.0, 1.0, 0.0]
    twice = ThresholdCurves(curves.config)
    for _ in range(2):
        twice.merge(curves)
    assert np.array_equal(twice.errors_share, curves.errors_share)
    assert twice.totals.table()[good, 0].tolist() == [8 * 86_400.0, 4.0, 0.0]


def test_labels_are_of_faults_that_show_in_the_metric() -> None:
    config = CablePlantConfig(days=30)
    node = simulate_node(config, 0, seed=1000)
    day_s = config.start_s + np.arange(30) * 86_400
    days = [TimeWindow(int(s), int(s) + 86_400) for s in day_s]
    anything = fault_labels(node, days)
    snr = fault_labels(node, days, metric="snr_db")
    assert 0 < (snr.label > 0).sum() < (anything.label > 0).sum()
    assert not (snr.is_maintenance & (snr.label == 0)).any()
    kinds = node.faults.filter(node.faults["kind"] != "benign")["kind"].to_list()
    told = anything.label[anything.is_maintenance]
    assert {kinds[i - 1] for i in np.unique(told)} == {"maintenance"}
