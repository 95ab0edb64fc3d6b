"""localize/accuracy, on tiny runs."""

from pathlib import Path

import polars as pl
import pytest

from faultsight.bench.engine import Context, Row, run_scenario
from faultsight.core.errors import MissingDataError, SettingError, UnknownMemberError

_FIGURES = {
    "f1", "f1_low", "f1_high", "f1_told_number", "rc_at_1", "rc_at_3", "rc_at_5", "precision",
    "recall", "partial_credit", "leaf_jaccard", "seconds_median", "seconds_mean", "memory_mb",
}  # fmt: skip


def _run(**settings: object) -> tuple[list[Row], list[Row], list[str]]:
    result = run_scenario("localize/accuracy", Context(**settings))  # type: ignore[arg-type]
    return list(result.rows), list(result.summary), list(result.notes)


def test_rapminer_finds_the_simple_fault_and_random_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "localize" / "rapmd_like"
    folder.mkdir(parents=True)
    (folder / "injection_info.csv").write_text("timestamp,set\n1,a=a3\n")
    leaves = pl.DataFrame({"a": [f"a{i}" for i in range(20)]}).join(
        pl.DataFrame({"b": [f"b{i}" for i in range(20)]}), how="cross"
    )
    fails = pl.col("a") == "a3"
    leaves.with_columns(
        real=pl.when(fails).then(20.0).otherwise(100.0), predict=pl.lit(100.0)
    ).write_csv(folder / "1.csv")
    rows, summary, notes = _run(data_dir=tmp_path, methods=("random_guess", "rapminer"))
    by_method = {row["method"]: row for row in rows}
    best = by_method["rapminer"]
    assert best["dataset"] == "rapmd_like"
    for figure in ("f1", "f1_low", "f1_high", "f1_told_number", "rc_at_1", "precision", "recall",
                   "partial_credit", "leaf_jaccard"):  # fmt: skip
        assert best[figure] == 1.0
    assert by_method["random_guess"]["f1"] == 0.0
    assert [(row["method"], row["mean_rank"]) for row in summary] == [
        ("rapminer", 1.0),
        ("random_guess", 2.0),
    ]
    missing = [note for note in notes if note.startswith("left out")]
    assert any("squeeze_B0 is not in" in note for note in missing)
    assert not any("rapmd_like" in note for note in missing)


def test_every_figure_is_there_and_groups_have_rows_of_their_own() -> None:
    rows, summary, _ = _run(methods=("rapminer",), datasets=("sim_squeeze_B0",), cases=9)
    assert set(rows[0]) >= _FIGURES
    assert rows[0]["cases"] == 9
    assert [row["dataset"] for row in rows] == [
        "sim_squeeze_B0",
        *(f"sim_squeeze_B0/layer_{layer}_roots_{n}" for layer in (1, 2, 3) for n in (1, 2, 3)),
    ]
    assert sum(int(row["tp"] or 0) for row in rows[1:]) == rows[0]["tp"]
    assert summary == [{"method": "rapminer", "mean_rank": 1.0, "datasets": 1}]
    assert all(not isinstance(value, list | dict) for row in rows for value in row.values())


def test_the_oracle_label_is_the_best_of_its_labels_and_has_no_rank() -> None:
    rows, summary, _ = _run(
        methods=("rapminer", "rapminer-oracle-label"), datasets=("sim_rapmd",), cases=4
    )
    plain, oracle = rows
    assert (plain["method"], oracle["method"]) == ("rapminer", "rapminer-oracle-label")
    assert float(oracle["f1"] or 0) >= float(plain["f1"] or 0)
    assert [row["method"] for row in summary] == ["rapminer"]


def test_the_same_seed_gives_the_same_figures() -> None:
    timed = {"seconds_median", "seconds_mean", "memory_mb"}
    first, second = (
        [
            {key: value for key, value in row.items() if key not in timed}
            for row in _run(methods=("random_guess", "rapminer"), datasets=("shipped",))[0]
        ]
        for _ in range(2)
    )
    assert first == second


def test_no_further_case_is_started_when_the_seconds_are_spent() -> None:
    rows, _, _ = _run(methods=("rapminer",), datasets=("sim_rapmd",), cases=3, seconds=1e-9)
    assert (rows[0]["cases"], rows[0]["cases_asked"]) == (1, 3)


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        _run(methods=("nobody",), datasets=("shipped",))
    with pytest.raises(UnknownMemberError, match="nothing"):
        _run(methods=("rapminer",), datasets=("nothing",))
    with pytest.raises(SettingError, match="stream"):
        _run(methods=("rapminer",), datasets=("aiops2019_pv",))
    with pytest.raises(MissingDataError, match="squeeze_B0"):
        _run(data_dir=tmp_path, methods=("rapminer",), datasets=("squeeze_B0",))
    with pytest.raises(MissingDataError, match="--data"):
        _run(data_dir=tmp_path, methods=("rapminer",))
