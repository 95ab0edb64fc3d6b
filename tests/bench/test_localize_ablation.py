"""localize/ablation on simulated cases, and its measurement of the paper's insights by hand."""

from __future__ import annotations

from itertools import product

import polars as pl
import pytest

from faultsight.bench.engine import Context, run_scenario
from faultsight.bench.scenarios.localize_ablation import _Insights
from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.localize.data import LabelledCase


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    result = run_scenario("localize/ablation", Context(datasets=("sim_rapmd",), cases=6))
    return [dict(row) for row in result.rows]


def figures(rows: list[dict[str, object]], part: str, name: str) -> dict[str, float]:
    return {str(r["setting"]): float(r[name]) for r in rows if r["part"] == part}  # type: ignore[arg-type]


def test_every_setting_has_a_row_and_no_two_rows_share_their_texts(
    rows: list[dict[str, object]],
) -> None:
    assert [r["part"] for r in rows] == (
        ["stages"] * 4 + ["leaf label"] * 4 + ["t_cp"] * 4 + ["t_conf"] * 5
        + ["insight 1", "insight 2"] * 4
    )  # fmt: skip
    texts = [tuple(v for v in r.values() if isinstance(v, str)) for r in rows]
    assert len(set(texts)) == len(texts)
    assert {r["dataset"] for r in rows} == {"sim_rapmd"}
    assert {(r["cases"], r["cases_asked"]) for r in rows if "cases" in r} == {(6, 6)}


def test_the_default_is_the_same_row_in_every_part(rows: list[dict[str, object]]) -> None:
    same = ("f1", "rc_at_1", "cuboids_mean", "combinations_mean")
    for name in same:
        default = figures(rows, "stages", name)["deletion on, early stop on"]
        assert figures(rows, "leaf label", name)["0.2"] == default
        assert figures(rows, "t_cp", name)["0.01"] == default
        assert figures(rows, "t_conf", name)["0.8"] == default


def test_cuboids_visited_by_stage(rows: list[dict[str, object]]) -> None:
    cuboids = figures(rows, "stages", "cuboids_mean")
    # Four attributes have 15 cuboids; no case of this recipe ends before the search.
    assert cuboids["deletion off, early stop off"] == 15
    assert cuboids["deletion on, early stop off"] < 15
    assert cuboids["deletion off, early stop on"] <= 15
    most = {r["setting"]: r["cuboids_most"] for r in rows if r["part"] == "stages"}
    # One deleted attribute of four leaves 7 of 15 cuboids: less than half.
    assert most["deletion on, early stop off"] == pytest.approx(7 / 15)
    assert most["deletion on, early stop on"] is None
    assert most["deletion off, early stop off"] is None
    # t_cp 0 deletes nothing.
    assert figures(rows, "t_cp", "attributes_deleted_mean")["0"] == 0


def test_insights_worked_by_hand() -> None:
    """(a0, *) fails in 5 of 6 leaves: b0 is no anomalous child; (a1, b1) is a root in layer 2."""
    grid = list(product(["a0", "a1", "a2"], [f"b{i}" for i in range(6)]))
    bad = [(a == "a0" and b != "b0") or (a, b) == ("a1", "b1") for a, b in grid]
    frame = pl.DataFrame(grid, schema=["a", "b"], orient="row").with_columns(
        predict=pl.lit(100.0), real=pl.Series([30.0 if x else 100.0 for x in bad])
    )
    truth = frozenset(AttributeCombination.parse(text) for text in ("a=a0", "a=a1&b=b1"))
    insights = _Insights(0.2)
    insights.add(LabelledCase("case", KpiCube.from_frame(frame), truth))
    first, second = insights.rows("by hand")
    assert (first["attributes_of_roots"], first["attributes_of_none"]) == (2, 0)
    assert first["power_of_other_attributes"] is None
    # The layer-2 root has no children: it is a leaf. Its parents (a1, *) 1/6 and (*, b1) 2/3 are
    # not anomalous.
    assert (second["roots_with_children"], second["roots_with_parents"]) == (1, 1)
    assert second["anomalous_children"] == pytest.approx(5 / 6)
    assert second["roots_with_most_children_anomalous"] == 1
    assert second["roots_below_anomalous_parent"] == 0


def test_another_method_is_refused() -> None:
    with pytest.raises(SettingError, match="rapminer alone"):
        run_scenario("localize/ablation", Context(methods=("scan",), datasets=("sim_rapmd",)))
